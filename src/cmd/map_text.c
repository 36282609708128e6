/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map_text - the map as a tree in a terminal
 *
 * Columns: device, what it is, guest, then addresses, forwards and the note.
 * What doesn't fit the line goes on below, at the addresses' column; an address
 * is never cut.
 */
#include <stdio.h>
#include <string.h>
#include "cmd/ascii.h"
#include "cmd/cmd.h"
#include "cmd/map.h"

#define GUEST_WIDTH_MAX 24
#define BELOW_INDENT 10

struct columns {
	int name, what, guest;		/* of ports */
	int top_name, top_what;		/* of the top level */
};

struct printer {
	const struct cmd *cmd;
	struct columns w;
	int width;
	/* the line that is being written */
	const char *below;		/* the tree's part of a continuation line */
	int column, start;		/* start: where addresses begin */
	bool first;			/* nothing stands at start yet */
	/* for the legend */
	bool saw_ours, saw_others, saw_down, saw_degraded, saw_forward, saw_more;
};

static int max(int a, int b)
{
	return a > b ? a : b;
}

static const char *pick(const struct printer *p, const char *utf8, const char *ascii)
{
	return p->cmd->utf8 ? utf8 : ascii;
}

static const char *shown_name(const struct map_node *node)
{
	return *node->name ? node->name : "–";
}

static void measure(struct columns *w, const struct map_node *host)
{
	for (size_t i = 0; i < host->n; i++) {
		const struct map_node *top = host->children[i];

		w->top_name = max(w->top_name, ascii_columns(top->name));
		w->top_what = max(w->top_what, ascii_columns(top->what));
		for (size_t k = 0; k < top->n; k++) {
			const struct map_node *c = top->children[k];

			if (c->kind == MAP_MORE)
				continue;
			w->name = max(w->name, ascii_columns(shown_name(c)));
			w->what = max(w->what, ascii_columns(c->what));
			w->guest = max(w->guest, c->guest ? ascii_columns(c->guest) : 0);
		}
	}
	if (w->guest > GUEST_WIDTH_MAX)
		w->guest = GUEST_WIDTH_MAX;
}

/* ---- pieces of a line ---- */

static void put(struct printer *p, const char *s)
{
	(void)fputs(s, stdout);
	p->column += ascii_columns(s);
}

static void put_painted(struct printer *p, const char *paint, const char *s)
{
	(void)fputs(paint, stdout);
	put(p, s);
	(void)fputs(*paint ? cmd_plain(p->cmd) : "", stdout);
}

static void pad_to(struct printer *p, int column)
{
	if (p->column < column)
		(void)printf("%*s", column - p->column, "");
	p->column = max(p->column, column);
}

static void next_line(struct printer *p)
{
	(void)fputs("\n", stdout);
	p->column = 0;
	put(p, p->below);
	pad_to(p, p->start);
	p->first = false;
}

/* One more thing at the end of the line, or of the next when this one is full. */
static void put_item(struct printer *p, const char *gap, const char *paint, const char *s)
{
	if (p->first) {
		pad_to(p, p->start);
	} else if (p->column + ascii_columns(gap) + ascii_columns(s) > p->width) {
		next_line(p);
	} else {
		put(p, gap);
	}
	p->first = false;
	put_painted(p, paint, s);
}

static const char *glyph(const struct printer *p, const struct map_node *node)
{
	static char others[32];

	if (node->state == MAP_STATE_DOWN)
		return cmd_glyph(p->cmd, GLYPH_DOWN);
	if (node->state == MAP_STATE_DEGRADED)
		return cmd_glyph(p->cmd, GLYPH_DEGRADED);
	if (node->ours)
		return cmd_glyph(p->cmd, GLYPH_UP);
	(void)snprintf(others, sizeof(others), "%s%s%s", p->cmd->color ? "\033[34m" : "", pick(p, "●", "*"), cmd_plain(p->cmd));
	return others;
}

static void see(struct printer *p, const struct map_node *node)
{
	p->saw_down |= node->guest && node->state == MAP_STATE_DOWN;
	p->saw_ours |= node->guest && node->ours && node->state == MAP_STATE_UP;
	p->saw_others |= node->guest && !node->ours && node->state == MAP_STATE_UP;
	p->saw_degraded |= node->state == MAP_STATE_DEGRADED;
	p->saw_forward |= node->forwards.n > 0;
	p->saw_more |= node->kind == MAP_MORE;
}

/* A list that stays on one line when any line is long enough for it. */
static void put_list(struct printer *p, const struct map_list *list, const char *sign, const char *comma, const char *paint)
{
	int width = ascii_columns(sign);
	bool whole;

	for (size_t i = 0; i < list->n; i++)
		width += ascii_columns(list->s[i]) + (i > 0 ? ascii_columns(comma) : 0);
	whole = width <= p->width - p->start;
	for (size_t i = 0; i < list->n; i++) {
		char s[300];

		(void)snprintf(s, sizeof(s), "%s%s", i == 0 ? sign : "", list->s[i]);
		if (i > 0 && whole) {
			put(p, comma);
			put_painted(p, paint, s);
		} else if (i == 0 && whole && !p->first && p->column + 3 + width > p->width) {
			next_line(p);
			put_painted(p, paint, s);
		} else {
			put_item(p, i == 0 ? "   " : comma, paint, s);
		}
	}
}

static void put_facts(struct printer *p, const struct map_node *node)
{
	const char *dot = pick(p, " · ", ", ");
	int longest = 0;

	/* Where even one address would leave the line, all of them go below, to the left. */
	for (size_t i = 0; i < node->addresses.n; i++)
		longest = max(longest, ascii_columns(node->addresses.s[i]));
	if (p->start + longest > p->width) {
		p->start = BELOW_INDENT;
		next_line(p);
	}
	p->first = true;
	for (size_t i = 0; i < node->addresses.n; i++)
		put_item(p, dot, "", node->addresses.s[i]);
	put_list(p, &node->forwards, pick(p, "⇐ ", "<= "), ", ", "");
	put_list(p, &node->routers, pick(p, "⇄ ", "<-> "), dot, cmd_dim(p->cmd));
	if (node->note)
		put_item(p, "   ", cmd_dim(p->cmd), node->note);
	(void)fputs("\n", stdout);
}

static void begin(struct printer *p, const char *branch, const char *below, int start)
{
	p->column = 0;
	p->below = below;
	p->start = start;
	put(p, branch);
}

/* ---- lines ---- */

static void print_port(struct printer *p, const struct map_node *node, const char *branch, const char *below)
{
	int what = 6 + p->w.name + 2, guest = what + p->w.what + 2;

	see(p, node);
	begin(p, branch, below, guest + 2 + p->w.guest + 2);
	if (node->kind == MAP_MORE) {
		char s[64];

		(void)snprintf(s, sizeof(s), "%s %zu more: ", pick(p, "…", "..."), node->hidden);
		put(p, s);
		put_painted(p, cmd_dim(p->cmd), node->note);
		(void)fputs("\n", stdout);
		return;
	}
	put(p, shown_name(node));
	if (*node->what) {
		pad_to(p, what);
		put_painted(p, cmd_dim(p->cmd), node->what);
	}
	if (node->guest) {
		pad_to(p, guest);
		(void)fputs(glyph(p, node), stdout);
		p->column++;
		put(p, " ");
		put_painted(p, cmd_bold(p->cmd), node->guest);
		if (p->column + 2 > p->start)
			put(p, "  ");
	}
	put_facts(p, node);
}

static void print_top(struct printer *p, const struct map_node *node, bool last)
{
	const char *below = last ? pick(p, "   ", "   ") : pick(p, "│  ", "|  ");
	char branch[32], deeper[32];

	see(p, node);
	begin(p, last ? pick(p, "└─ ", "`- ") : pick(p, "├─ ", "|- "), below,
	      3 + p->w.top_name + 2 + (p->w.top_what ? p->w.top_what + 2 : 0));
	put_painted(p, cmd_bold(p->cmd), node->name);
	if (*node->what) {
		pad_to(p, 3 + p->w.top_name + 2);
		put(p, node->what);
	}
	put_facts(p, node);
	if (node->trouble)
		(void)printf("%s%s %s\n", below, cmd_glyph(p->cmd, GLYPH_WARNING), node->trouble);
	for (size_t i = 0; i < node->n; i++) {
		bool end = i + 1 == node->n;

		(void)snprintf(branch, sizeof(branch), "%s%s", below, end ? pick(p, "└─ ", "`- ") : pick(p, "├─ ", "|- "));
		(void)snprintf(deeper, sizeof(deeper), "%s%s", below, end ? "   " : pick(p, "│  ", "|  "));
		print_port(p, node->children[i], branch, deeper);
	}
}

static void print_legend(struct printer *p, bool has_daemon)
{
	const struct cmd *cmd = p->cmd;
	const char *gap = "\n";

	if (p->saw_ours || p->saw_others) {
		const struct map_node ours = { .ours = true, .state = MAP_STATE_UP }, others = { .state = MAP_STATE_UP };

		if (cmd->color && p->saw_ours && p->saw_others) {
			(void)printf("\n%s sixtap's guest", glyph(p, &ours));
			(void)printf("   %s another's", glyph(p, &others));
		} else {
			(void)printf("\n%s running", glyph(p, p->saw_ours ? &ours : &others));
		}
		gap = "   ";
	}
	if (p->saw_down) {
		(void)printf("%s%s not running", gap, cmd_glyph(cmd, GLYPH_DOWN));
		gap = "   ";
	}
	if (p->saw_forward) {
		(void)printf("%s%s forwarded port", gap, pick(p, "⇐", "<="));
		gap = "   ";
	}
	if (p->saw_more) {
		(void)printf("%s%s --full shows all", gap, pick(p, "…", "..."));
		gap = "   ";
	}
	if (*gap == ' ')
		(void)putchar('\n');
	if (!has_daemon)
		(void)printf("\n%s sixtapd isn't running: this is what the kernel shows, without leases and forwards\n",
			     cmd_glyph(cmd, GLYPH_INFO));
}

void map_text(const struct cmd *cmd, const struct map_node *host, bool has_daemon, int width)
{
	struct printer p = { .cmd = cmd, .width = width };

	measure(&p.w, host);
	(void)printf("%s%s%s\n", cmd_bold(cmd), host->name, cmd_plain(cmd));
	for (size_t i = 0; i < host->n; i++)
		print_top(&p, host->children[i], i + 1 == host->n);
	print_legend(&p, has_daemon);
}
