/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_show - findings for people
 *
 * Glyph, subject and id; what is broken; the evidence; why; ways to mend it.
 * What follows from a finding stands below it, indented. Like findings fold:
 * the first of them is told in full, the others are named or counted.
 */
#include <stdio.h>
#include <string.h>
#include "cmd/ascii.h"
#include "cmd/doctor.h"
#include "cmd/table.h"
#include "diag/rule.h"

#define INDENT 3 /* of what follows from something */
#define LABEL 7 /* "  mend   " */
#define KEY_MAX 24
#define COMMAND_MAX 58 /* what stands beside a command goes to its own line beyond that */
#define PARTS_SHOWN 4
#define FOLD_FROM 4 /* so many like findings become one */
#define FOLD_SHOWN 6 /* of which so many are named */
#define FOLD_SENTENCES 3 /* or so many told, where names don't tell them apart */

/* Print @s from column @at on, wrapped at words, later lines indented to @at, too. */
static void wrapped(const char *s, int at)
{
	int width = table_terminal(), column = at;

	while (*s) {
		char word[512];
		size_t n = strcspn(s, " ");

		(void)snprintf(word, sizeof(word), "%.*s", (int)n, s);
		int columns = ascii_columns(word);
		if (column > at && column + 1 + columns > width) {
			(void)printf("\n%*s", at, "");
			column = at;
		}
		if (column > at)
			(void)putchar(' ');
		(void)fputs(word, stdout);
		column += columns + (column > at);
		s += n;
		s += strspn(s, " ");
	}
	(void)putchar('\n');
}

static enum cmd_glyph glyph_of(enum severity severity)
{
	return severity == SEVERITY_ERROR ? GLYPH_ERROR : severity == SEVERITY_WARNING ? GLYPH_WARNING : GLYPH_INFO;
}

void doctor_show_heading(const struct cmd *cmd, const struct diag_finding *f, int indent)
{
	char plain[512];
	int columns, room;

	(void)snprintf(plain, sizeof(plain), "%s%s%s%s%s", f->subject, f->guest ? " · guest " : "",
		       f->guest ? f->guest : "",
		       !f->guest && f->network && !str_eq(f->network, f->subject) ? " · network " : "",
		       !f->guest && f->network && !str_eq(f->network, f->subject) ? f->network : "");
	columns = indent + 2 + ascii_columns(plain);
	room = table_terminal() - columns - (int)strlen(f->rule->id);
	(void)printf("%*s%s %s%s%s%s", indent, "", cmd_glyph(cmd, glyph_of(f->severity)), cmd_bold(cmd), f->subject,
		     cmd_plain(cmd), plain + strlen(f->subject));
	(void)printf("%*s%s\n", room > 2 ? room : 2, "", f->rule->id);
}

/* "router_advertisements_heard" for people. */
static const char *label(const char *key, char buf[static 64])
{
	(void)str_copy(buf, 64, key);
	/* A setting's or an interface's name stays what it is. */
	if (strchr(buf, '.') || strncmp(buf, "accept_", 7) == 0 || strncmp(buf, "proxy_", 6) == 0 ||
	    strncmp(buf, "keep_", 5) == 0 || strncmp(buf, "addr_", 5) == 0 || strncmp(buf, "disable_", 8) == 0 ||
	    strncmp(buf, "rp_", 3) == 0)
		return buf;
	for (char *c = buf; *c; c++)
		if (*c == '_')
			*c = ' ';
	return buf;
}

static void show_evidence(const struct cmd *cmd, const struct diag_finding *f, int indent)
{
	struct table t = { 0 };
	char heads[FINDING_COLUMNS][64];
	int width = 0;

	for (size_t i = 0; i < f->n_values; i++) {
		char buf[64];
		int n = ascii_columns(label(f->values[i].key, buf));

		width = n > width && n <= KEY_MAX + 8 ? n : width;
	}
	if (f->seen_in && width < 7)
		width = 7;
	if (f->n_values > 0 || f->head[0] || f->seen_in)
		(void)putchar('\n');
	for (size_t i = 0; i < f->n_values; i++) {
		char buf[64];

		(void)printf("%*s", indent + 2, "");
		cmd_column(label(f->values[i].key, buf), width + 3);
		wrapped(f->values[i].value, indent + 2 + width + 3);
	}
	if (f->head[0] && f->n_values > 0)
		(void)putchar('\n');
	for (size_t i = 0; i < FINDING_COLUMNS; i++)
		t.head[i] = f->head[i] ? label(f->head[i], heads[i]) : NULL;
	for (size_t i = 0; f->head[0] && i < f->n_rows; i++) {
		if (i >= 12 && f->n_rows > 14 && !cmd->verbose) {
			char more[64];

			(void)snprintf(more, sizeof(more), "… and %zu more (-v lists them)", f->n_rows - i);
			TABLE_ROW(&t, more);
			break;
		}
		table_row(&t, (const char *const[TABLE_COLUMNS]){ f->rows[i][0], f->rows[i][1], f->rows[i][2],
								  f->rows[i][3], f->rows[i][4] });
	}
	if (f->head[0])
		table_print(cmd, &t, indent + 2);
	table_clear(&t);
	if (f->seen_in && f->head[0])
		(void)putchar('\n');
	if (f->seen_in) {
		(void)printf("%*s%s", indent + 2, "", cmd_dim(cmd));
		cmd_column(f->measured ? "measured" : "seen in", width + 3);
		(void)printf("%s%s\n", f->seen_in, cmd_plain(cmd));
	}
	if (f->n_values > 0 || f->head[0] || f->seen_in)
		(void)putchar('\n');
}

/* "live; until the link goes down   ← doctor --fix"; on a line of its own who does it comes first. */
static void beside(const struct diag_finding *f, const struct diag_fix *fix, bool own_line, char *buf, size_t size)
{
	static const char *const words[FIX_LASTS_N_] = {
		[FIX_LASTS_LIVE] = "live",
		[FIX_LASTS_UNTIL_RESTART] = "until the next restart",
		[FIX_LASTS_REBOOT_SAFE] = "",
	};
	const char *lasts = fix->n_persist > 0 ? "live; --fix keeps it" : words[fix->lasts];
	char by[96] = "";

	if (fix == finding_fix_for(f, NULL))
		(void)snprintf(by, sizeof(by), "← doctor --fix");
	else if (fix_can(fix) && f->severity != SEVERITY_INFO)
		(void)snprintf(by, sizeof(by), "← doctor --fix=%s", fix->way);
	if (own_line)
		(void)snprintf(buf, size, "%s%s%s%s%s", by, *by && (*lasts || fix->note) ? " · " : "", lasts,
			       *lasts && fix->note ? "; " : "", fix->note ? fix->note : "");
	else
		(void)snprintf(buf, size, "%s%s%s%s%s", lasts, *lasts && fix->note ? "; " : "",
			       fix->note ? fix->note : "", *by && (*lasts || fix->note) ? "   " : "", by);
}

static void show_fixes(const struct cmd *cmd, const struct diag_finding *f, int indent)
{
	int width = 0, at = indent + LABEL;

	for (size_t i = 0; i < f->n_fixes; i++)
		for (size_t k = 0; k < f->fixes[i]->n_commands; k++) {
			int n = ascii_columns(f->fixes[i]->commands[k]);

			width = n > width && n <= COMMAND_MAX ? n : width;
		}
	for (size_t i = 0; i < f->n_fixes; i++) {
		const struct diag_fix *fix = f->fixes[i];
		char text[512];

		beside(f, fix, false, text, sizeof(text));
		for (size_t k = 0; k < fix->n_commands || k == 0; k++) {
			const char *command = fix->n_commands > 0 ? fix->commands[k] : text;
			bool last = k + 1 >= fix->n_commands;

			(void)printf("%*s%s", indent, "", i == 0 && k == 0 ? "mend   " : "       ");
			if (!last || !text[0] || fix->n_commands == 0) {
				(void)printf("%s\n", command);
			} else if (ascii_columns(command) <= width &&
				   at + width + 3 + ascii_columns(text) <= table_terminal()) {
				cmd_column(command, width + 3);
				(void)printf("%s%s%s\n", cmd_dim(cmd), text, cmd_plain(cmd));
			} else {
				beside(f, fix, true, text, sizeof(text));
				(void)printf("%s\n%*s%s", command, at + 2, "", cmd_dim(cmd));
				wrapped(text, at + 2);
				(void)fputs(cmd_plain(cmd), stdout);
			}
		}
	}
}

/* list[i] and what follows from it end before this one. */
static size_t end_of(const struct findings *found, size_t i)
{
	size_t end = i + 1;

	while (end < found->n && found->list[end]->depth > found->list[i]->depth)
		end++;
	return end;
}

/* Do both tell the same of different things: same fault, same cause, and the same faults follow from it? */
static bool is_like(const struct findings *found, size_t a, size_t b)
{
	size_t n = end_of(found, a) - a;

	if (end_of(found, b) - b != n || found->list[a]->cause != found->list[b]->cause)
		return false;
	for (size_t i = 0; i < n; i++)
		if (found->list[a + i]->rule != found->list[b + i]->rule ||
		    found->list[a + i]->severity != found->list[b + i]->severity ||
		    found->list[a + i]->depth != found->list[b + i]->depth)
			return false;
	return true;
}

/* How many findings are like list[@i], itself included, in list[@i] to list[@end - 1]. Like ones needn't be neighbours. */
static size_t n_like(const struct findings *found, size_t i, size_t end)
{
	size_t n = 0;

	for (size_t k = i; k < end; k = end_of(found, k))
		n += is_like(found, i, k);
	return n;
}

/* Two findings about the same interface are told apart by what they say only. */
static bool are_named(const struct findings *found, size_t i, size_t end)
{
	const struct diag_finding *last = found->list[i];

	for (size_t k = end_of(found, i), n = 0; k < end && n < FOLD_SHOWN; k = end_of(found, k)) {
		if (!is_like(found, i, k))
			continue;
		if (str_eq(found->list[k]->subject, last->subject))
			return false;
		last = found->list[k];
		n++;
	}
	return true;
}

static void show_likes(const struct findings *found, size_t i, size_t end, size_t n)
{
	int indent = (int)found->list[i]->depth * INDENT + 2;
	bool named = are_named(found, i, end);
	size_t shown = 0, max = named ? FOLD_SHOWN : FOLD_SENTENCES;
	_cleanup_(freep) char *text = xasprintf("%zu more (--full tells them)%s", n - 1, named ? ": " : ":");

	for (size_t k = end_of(found, i); k < end && shown < max; k = end_of(found, k)) {
		const struct diag_finding *f = found->list[k];

		if (!is_like(found, i, k))
			continue;
		shown++;
		char *more = named ? xasprintf("%s%s%s%s%s%s", text, shown > 1 ? ", " : "", f->subject, f->guest ? " (" : "",
					       f->guest ? f->guest : "", f->guest ? ")" : "")
				   : xasprintf("%s\n%s", text, f->what);
		free(text);
		text = more;
	}
	if (shown < n - 1) {
		char *rest = xasprintf("%s%s…", text, named ? ", " : "\n");

		free(text);
		text = rest;
	}
	(void)printf("%*slike   ", indent, "");
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (line != text)
			(void)printf("%*s", indent + LABEL, "");
		wrapped(line, indent + LABEL);
	}
}

/* list[@i]; @n are like it, up to list[@end - 1]. */
static void show_finding(const struct cmd *cmd, const struct findings *found, size_t i, size_t end, size_t n)
{
	const struct diag_finding *f = found->list[i];
	int indent = (int)f->depth * INDENT;

	if (f->depth > 0)
		(void)printf("%*s└─ follows from it:\n", indent - INDENT + 2, "");
	doctor_show_heading(cmd, f, indent);
	indent += 2;
	(void)printf("%*s", indent, "");
	wrapped(f->what, indent);
	show_evidence(cmd, f, indent);
	if (f->why[0]) {
		(void)printf("%*swhy    ", indent, "");
		wrapped(f->why, indent + LABEL);
	}
	show_fixes(cmd, f, indent);
	if (n > 1)
		show_likes(found, i, end, n);
	(void)printf("%*smore   sixtap doctor --explain %s\n\n", indent, "", f->rule->id);
}

/* list[@i] to list[@end - 1], whose first one is of the same depth as all that aren't below another. */
static void show_findings(const struct doctor *doctor, const struct findings *found, size_t i, size_t end)
{
	for (size_t begin = i; i < end; i = end_of(found, i)) {
		size_t n = doctor->full ? 1 : n_like(found, i, end);
		bool told = false;

		/* Folded under an earlier one? */
		for (size_t k = begin; k < i && !told && !doctor->full; k = end_of(found, k))
			told = is_like(found, k, i) && n_like(found, k, end) >= FOLD_FROM;
		if (told)
			continue;
		if (!doctor->cmd->quiet || found->list[i]->severity == SEVERITY_ERROR)
			show_finding(doctor->cmd, found, i, end, n >= FOLD_FROM ? n : 1);
		show_findings(doctor, found, i + 1, end_of(found, i));
	}
}

/* "2 errors, 1 warning" */
static void counts(const struct findings *found, char *buf, size_t size)
{
	static const char *const words[SEVERITY_N_] = { "error", "warning", "info" };
	size_t at = 0;

	buf[0] = '\0';
	for (int s = 0; s < SEVERITY_N_ && at < size; s++) {
		size_t n = findings_count(found, (enum severity)s);

		if (n > 0)
			at += (size_t)snprintf(buf + at, size - at, "%s%zu %s%s", at ? ", " : "", n, words[s],
					       n == 1 || s == SEVERITY_INFO ? "" : "s");
	}
}

/* With root the reason matters; without, it is always the same, and "nftables" is enough. */
static size_t part_length(const struct snapshot *snap, const char *because)
{
	const char *of = strstr(because, " of ");
	size_t colon = strcspn(because, ":");

	return snap->root ? strlen(because) : of && (size_t)(of - because) < colon ? (size_t)(of - because) : colon;
}

/* "· 17 of 61 faults could not be judged without root: nftables, QMP" */
static void show_unchecked(const struct doctor *doctor, const struct snapshot *snap, const struct findings *found)
{
	const struct cmd *cmd = doctor->cmd;
	const char *parts[PARTS_SHOWN + 1];
	size_t n = findings_n_unchecked(found), n_parts = 0;

	if (n == 0)
		return;
	for (size_t i = 0; i < found->n_unchecked && n_parts <= PARTS_SHOWN; i++)
		for (size_t k = 0; k < found->unchecked[i].n && n_parts <= PARTS_SHOWN; k++) {
			const char *because = found->unchecked[i].because[k];
			size_t len = part_length(snap, because);
			bool have = found->unchecked[i].in_part;

			for (size_t p = 0; p < n_parts; p++)
				have |= part_length(snap, parts[p]) == len && strncmp(parts[p], because, len) == 0;
			if (!have)
				parts[n_parts++] = because;
		}
	_cleanup_(freep) char *text = xasprintf("%zu of %zu faults could not be judged%s:", n, found->n_rules,
						snap->root ? "" : " without root");
	for (size_t i = 0; i < n_parts; i++) {
		char *more = i == PARTS_SHOWN ? xasprintf("%s, …", text)
					      : xasprintf("%s%s%.*s", text, i ? ", " : " ",
							  (int)part_length(snap, parts[i]), parts[i]);

		free(text);
		text = more;
	}
	char *whole = xasprintf("%s%s", text, snap->root ? "" : " (sudo sixtap doctor)");
	(void)printf("%s ", cmd_glyph(cmd, GLYPH_INFO));
	wrapped(whole, 2);
	free(whole);
}

/* What a rule can't tell of somebody, though it can of others. Without root that would be most of everything. */
static void show_in_part(const struct cmd *cmd, const struct snapshot *snap, const struct findings *found)
{
	for (size_t i = 0; snap->root && i < found->n_unchecked; i++) {
		const struct diag_unchecked *u = &found->unchecked[i];

		if (!u->in_part || u->n == 0)
			continue;
		_cleanup_(freep) char *more = u->n > 1 ? xasprintf(" (and %zu more like it)", u->n - 1) : xstrdup("");
		_cleanup_(freep) char *text = xasprintf("%s: %s%s", u->rule->id, u->because[0], more);

		(void)printf("%s ", cmd_glyph(cmd, GLYPH_INFO));
		wrapped(text, 2);
	}
}

void doctor_show(const struct doctor *doctor, const struct snapshot *snap, const struct findings *found, double seconds)
{
	const struct cmd *cmd = doctor->cmd;
	size_t n_up = 0, n_guests = 0;
	char what[96];

	show_findings(doctor, found, 0, found->n);
	if (cmd->quiet)
		return;
	show_unchecked(doctor, snap, found);
	show_in_part(cmd, snap, found);
	counts(found, what, sizeof(what));
	if (what[0]) {
		(void)printf("%zu faults looked for · %s · %.1f s\n", found->n_rules - findings_n_unchecked(found),
			     what, seconds);
		return;
	}
	for (size_t i = 0; i < snap->n_networks; i++)
		n_up += str_eq(snap->networks[i].state, "up");
	for (size_t i = 0; i < snap->n_guests; i++)
		n_guests += snap->guests[i].running;
	(void)printf("%s %zu faults looked for, none found", cmd_glyph(cmd, GLYPH_OK),
		     found->n_rules - findings_n_unchecked(found));
	if (n_up + n_guests > 0)
		(void)printf(" · %zu network%s, %zu guest%s", n_up, n_up == 1 ? "" : "s", n_guests,
			     n_guests == 1 ? "" : "s");
	(void)printf(" · %.1f s\n", seconds);
}
