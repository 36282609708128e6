/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel_show - the judgement as a table, sentences and JSON
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "addrsel/explain.h"
#include "cmd/addrsel.h"

#define WIDTH_MAX 100

static const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

void addrsel_show_table(const struct cmd *cmd, const struct judgement *j)
{
	size_t dest = strlen("DESTINATION"), source = strlen("SOURCE"), rank = 2;
	char digits[24];
	bool wide;

	rank = max_size(rank, (size_t)snprintf(digits, sizeof(digits), "%zu", j->n));
	for (size_t i = 0; i < j->n; i++) {
		dest = max_size(dest, strlen(IP_STR(&j->dests[i].ip)));
		source = max_size(source, strlen(IP_STR(&j->dests[i].source)));
	}
	wide = rank + 2 + dest + 4 + source + 4 + 15 + 10 + 10 > WIDTH_MAX;	/* the source goes below then */
	(void)printf("%*s  %-*s    %-*s    %-15s%-10s%s\n", (int)rank, "", (int)dest, "DESTINATION",
		     wide ? 0 : (int)source, wide ? "" : "SOURCE", "SCOPE", "LABEL", "PRECEDENCE");
	for (size_t i = 0; i < j->n; i++) {
		const struct addrsel_dest *d = &j->dests[j->order[i]];
		bool reachable = ip_is_set(&d->source);
		char scope[40], label[40], one[16], two[16];

		(void)addrsel_scope_name(d->scope, one);
		(void)addrsel_scope_name(d->source_scope, two);
		(void)snprintf(scope, sizeof(scope), "%s%s%s", one, reachable ? " " : "", reachable ? two : "");
		if (reachable)
			(void)snprintf(label, sizeof(label), "%d %s %d", d->label,
				       d->label == d->source_label ? "=" : cmd->utf8 ? "\u2260" : "!=", d->source_label);
		else
			(void)snprintf(label, sizeof(label), "%d", d->label);
		/* "≠" is one column in three bytes */
		int pad = 10 + (strchr(label, '\xe2') ? 2 : 0);
		const char *from = reachable ? IP_STR(&d->source) : cmd->utf8 ? "\u2013" : "-";
		int from_pad = wide ? 0 : (int)source + (reachable || !cmd->utf8 ? 0 : 2);

		(void)printf("%*zu  %s%-*s%s    %-*s    %-15s%-*s%d%s\n", (int)rank, i + 1, cmd_bold(cmd), (int)dest,
			     IP_STR(&d->ip), cmd_plain(cmd), from_pad, wide ? "" : from, scope, pad, label, d->precedence,
			     reachable ? "" : "    unreachable");
		if (wide && reachable)
			(void)printf("%*s  from %s\n", (int)rank, "", from);
	}
}

/* Print sentences with line breaks between words. */
static void print_wrapped(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n > WIDTH_MAX - 4) {
			(void)putchar('\n');
			column = 0;
		} else if (column > 0) {
			(void)putchar(' ');
			column++;
		}
		(void)printf("%.*s", (int)n, text);
		column += n;
		text += n + strspn(text + n, " ");
	}
	(void)putchar('\n');
}

void addrsel_show_explanation(const struct judgement *j)
{
	_cleanup_(freep) char *text = addrsel_explain(j->dests, j->order, j->n);

	(void)putchar('\n');
	print_wrapped(text);
}

static size_t count_lines(const struct judgement *j, bool changes_only)
{
	size_t n = 0;

	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		const struct policy_table *table = &j->advice->policy->tables[kind];

		for (size_t i = 0; j->advice->changed[kind] && i < table->n; i++)
			n += !changes_only || advice_is_change(&table->entries[i]);
	}
	return n;
}

static void print_lines(const struct cmd *cmd, const struct judgement *j)
{
	char line[POLICY_LINE_MAX];

	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		const struct policy_table *table = &j->advice->policy->tables[kind];
		bool spelled_out = !j->policy->tables[kind].custom;

		for (size_t i = 0; j->advice->changed[kind] && i < table->n; i++) {
			bool change = advice_is_change(&table->entries[i]);

			if (!change && !spelled_out)
				continue;
			(void)printf("    %s%s%s%s\n", policy_entry_text(kind, &table->entries[i], 14, line),
				     change ? cmd_dim(cmd) : "",
				     !change ? "" : cmd->utf8 ? "      \u2190 the change" : "      <- the change",
				     change ? cmd_plain(cmd) : "");
		}
	}
}

void addrsel_show_advice(const struct cmd *cmd, const struct judgement *j, int argc, char **argv)
{
	_cleanup_(freep) char *text = NULL;
	const char *family = family_name(j->advised), *lower = j->advised == AF_INET6 ? "ipv6" : "ipv4";
	size_t n_own, n_changes;

	if (!j->advice || j->advice->outcome == ADVICE_NOT_NEEDED)
		return;
	if (j->advice->outcome == ADVICE_IMPOSSIBLE) {
		text = xasprintf("No gai.conf can make %s come first: %s.", family, j->advice->why);
		(void)putchar('\n');
		print_wrapped(text);
		return;
	}
	n_changes = count_lines(j, true);
	n_own = 0;
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++)
		if (j->advice->changed[kind] && !j->policy->tables[kind].custom)
			n_own = count_lines(j, false) - n_changes;
	if (n_own > 0)
		text = xasprintf("To make %s come first, %s needs these lines (%zu are glibc's own, which one line of ours "
				 "would switch off):", family, j->file.path ? j->file.path : GAI_CONF, n_own);
	else
		text = xasprintf("To make %s come first, %s needs %s:", family, j->file.path ? j->file.path : GAI_CONF,
				 n_changes == 1 ? "this line" : "these lines");
	(void)putchar('\n');
	print_wrapped(text);
	print_lines(cmd, j);
	if (j->guest || j->host) {
		(void)printf("For cloud-init:  sixtap addrsel --advise %s --format cloud-init …\n", lower);
		return;
	}
	(void)printf("Write it:  sudo sixtap addrsel --advise %s --write", lower);
	for (int i = 0; i < argc && i < 4; i++)
		(void)printf(" %s", argv[i]);
	(void)printf("%s      In a guest: --format cloud-init\n", argc > 4 ? " …" : "");
}

static json_t *json_dest(const struct judgement *j, size_t rank)
{
	const struct addrsel_dest *d = &j->dests[j->order[rank]];
	bool reachable = ip_is_set(&d->source);
	json_t *o = json_object();
	char scope[16];

	(void)json_object_set_new(o, "address", json_string(IP_STR(&d->ip)));
	(void)json_object_set_new(o, "rank", json_integer((json_int_t)rank + 1));
	if (reachable)
		(void)json_object_set_new(o, "source", json_string(IP_STR(&d->source)));
	(void)json_object_set_new(o, "reachable", json_boolean(reachable));
	(void)json_object_set_new(o, "label", json_integer(d->label));
	if (reachable)
		(void)json_object_set_new(o, "source_label", json_integer(d->source_label));
	(void)json_object_set_new(o, "precedence", json_integer(d->precedence));
	(void)json_object_set_new(o, "scope", json_string(addrsel_scope_name(d->scope, scope)));
	if (reachable)
		(void)json_object_set_new(o, "source_scope", json_string(addrsel_scope_name(d->source_scope, scope)));
	if (rank + 1 < j->n) {
		enum addrsel_rule rule;

		(void)addrsel_compare(d, &j->dests[j->order[rank + 1]], &rule);
		(void)json_object_set_new(o, "beats_next_by",
					  json_pack("{s:i, s:s}", "rule", (int)rule, "name", addrsel_rule_name(rule)));
	}
	return o;
}

json_t *addrsel_show_json(const struct judgement *j)
{
	static const char *const source[] = { "default", "custom" };
	json_t *o = json_object(), *dests = json_array(), *gai = json_object();
	_cleanup_(freep) char *text = j->n > 0 ? addrsel_explain(j->dests, j->order, j->n) : NULL;

	for (size_t i = 0; i < j->n; i++)
		(void)json_array_append_new(dests, json_dest(j, i));
	(void)json_object_set_new(o, "destinations", dests);
	if (j->file.path)
		(void)json_object_set_new(gai, "file", json_string(j->file.path));
	(void)json_object_set_new(gai, "labels", json_string(source[j->policy->tables[POLICY_LABEL].custom]));
	(void)json_object_set_new(gai, "precedences", json_string(source[j->policy->tables[POLICY_PRECEDENCE].custom]));
	(void)json_object_set_new(o, "gai_conf", gai);
	if (j->advice && j->advice->outcome == ADVICE_FOUND) {
		json_t *lines = json_array();
		char line[POLICY_LINE_MAX];

		for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
			const struct policy_table *table = &j->advice->policy->tables[kind];

			for (size_t i = 0; table->custom && i < table->n; i++)
				(void)json_array_append_new(
					lines, json_string(policy_entry_text(kind, &table->entries[i], 0, line)));
		}
		(void)json_object_set_new(o, "advice", lines);
	}
	if (text)
		(void)json_object_set_new(o, "because", json_pack("[s]", text));
	if (j->advice && j->advice->outcome == ADVICE_IMPOSSIBLE)
		(void)json_array_append_new(json_object_get(o, "because"), json_string(j->advice->why));
	return o;
}
