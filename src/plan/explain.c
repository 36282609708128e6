/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - a plan for people
 *
 * "  ~ sysctl   net.ipv4.ip_forward   0 → 1     guests' IPv4 is forwarded": glyph,
 * kind, name, the change when it is short, and last what is long, with the
 * reason dim behind it. Kind and name are the two parts of op->object. Only
 * what `changes` in JSON has is looked at (object, action, what, why, network),
 * so that a command can print the plan that a daemon sent it.
 */
#include "plan/explain.h"

#include <string.h>

#define FOLD_ABOVE 20
#define KIND_WIDTH 9
#define SHORT_WIDTH 10		/* what fits between name and reason */
#define NAME_MAX_WIDTH 44

#define COLOR_DIM "\033[2m"
#define COLOR_BOLD "\033[1m"
#define COLOR_OFF "\033[0m"

static const struct {
	const char *utf8, *ascii, *color;
} glyphs[OP_ACTION_N_] = {
	[OP_ACTION_CREATE] = { "+", "+", "\033[32m" },
	[OP_ACTION_CHANGE] = { "~", "~", "\033[33m" },
	[OP_ACTION_REMOVE] = { "−", "-", "\033[31m" },
	[OP_ACTION_WAIT] = { "·", ".", COLOR_DIM },
};

static const struct {
	const char *utf8, *ascii;
} spellings[] = {
	{ "→", "->" }, { "–", "-" }, { "−", "-" }, { "×", "x" }, { "…", "..." }, { "·", "." }, { "∞", "inf" },
};

struct printer {
	FILE *to;
	bool color, utf8;
};

/* Print; without UTF-8, spelled in ASCII. Return: columns used. */
static int put(const struct printer *p, const char *s)
{
	int columns = 0;

	while (*s) {
		const char *spelled = NULL;
		size_t n = 1;

		while (((unsigned char)s[n] & 0xc0) == 0x80)
			n++;
		for (size_t i = 0; !p->utf8 && i < ARRAY_LEN(spellings); i++)
			if (strlen(spellings[i].utf8) == n && memcmp(s, spellings[i].utf8, n) == 0)
				spelled = spellings[i].ascii;
		if (spelled) {
			columns += (int)strlen(spelled);
			(void)fputs(spelled, p->to);
		} else if (n > 1 && !p->utf8) {
			columns++;
			(void)fputc('?', p->to);
		} else {
			columns++;
			(void)fwrite(s, 1, n, p->to);
		}
		s += n;
	}
	return columns;
}

static int put_styled(const struct printer *p, const char *style, const char *s)
{
	if (p->color && s[0])
		(void)fputs(style, p->to);
	int columns = put(p, s);
	if (p->color && s[0])
		(void)fputs(COLOR_OFF, p->to);
	return columns;
}

static void pad(const struct printer *p, int from, int to)
{
	(void)fprintf(p->to, "%*s", to > from ? to - from : 0, "");
}

/* Columns of a string: its bytes less the continuation bytes of UTF-8. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* The name in "KIND NAME"; kind is up to the first space. */
static const char *object_name(const struct op *op)
{
	const char *space = strchr(op->object, ' ');

	return space ? space + 1 : "";
}

static int kind_length(const struct op *op)
{
	const char *space = strchr(op->object, ' ');

	return space ? (int)(space - op->object) : (int)strlen(op->object);
}

static bool kind_is(const struct op *op, const char *kind)
{
	return (size_t)kind_length(op) == strlen(kind) && strncmp(op->object, kind, strlen(kind)) == 0;
}

/* Kinds whose name and facts run on in one column, as there is nothing to compare between rows. */
static bool runs_on(const struct op *op)
{
	return kind_is(op, "serve") || kind_is(op, "address");
}

static bool is_short(const struct op *op)
{
	return kind_is(op, "sysctl") || (op->why[0] && width(op->what) < SHORT_WIDTH);
}

static void begin(const struct printer *p, const struct op *op)
{
	char kind[16];

	(void)snprintf(kind, sizeof(kind), "%.*s", kind_length(op), op->object);
	(void)fputs("  ", p->to);
	(void)put_styled(p, glyphs[op->action].color, p->utf8 ? glyphs[op->action].utf8 : glyphs[op->action].ascii);
	(void)fputc(' ', p->to);
	pad(p, put(p, kind), KIND_WIDTH);
}

/* "RA, DHCPv4 .100–.199; DNS  lan." is two lines. */
static void print_serve(const struct printer *p, const struct op *op)
{
	const char *part = op->what;

	do {
		const char *end = strstr(part, "; ");
		char text[512];

		(void)snprintf(text, sizeof(text), "%.*s", end ? (int)(end - part) : (int)strlen(part), part);
		begin(p, op);
		if (op->action == OP_ACTION_REMOVE) {
			(void)put_styled(p, COLOR_BOLD, object_name(op));
			(void)fputs("  ", p->to);
		}
		(void)put(p, text);
		(void)fputc('\n', p->to);
		part = end ? end + 2 : NULL;
	} while (part);
}

static void print_op(const struct printer *p, const struct op *op, const char *name, int name_width)
{
	int column;

	if (kind_is(op, "serve")) {
		print_serve(p, op);
		return;
	}
	begin(p, op);
	column = put_styled(p, COLOR_BOLD, name);
	if (runs_on(op)) {
		(void)fputs("  ", p->to);
		column += 2 + put(p, op->what);
		if (op->why[0]) {
			pad(p, column, name_width + 2 + SHORT_WIDTH);
			(void)fputs(column >= name_width + 2 + SHORT_WIDTH ? "  " : "", p->to);
			(void)put_styled(p, COLOR_DIM, op->why);
		}
		(void)fputc('\n', p->to);
		return;
	}
	if (op->what[0] || op->why[0]) {
		pad(p, column, name_width + 2);
		column = is_short(op) ? put(p, op->what) : 0;
		if (op->why[0] || !is_short(op))
			pad(p, column, SHORT_WIDTH);
		if (!is_short(op))
			(void)put(p, op->what);
		if (op->why[0]) {
			(void)fputs(is_short(op) ? "" : "  ", p->to);
			(void)put_styled(p, COLOR_DIM, op->why);
		}
	}
	(void)fputc('\n', p->to);
}

/* Differ in nothing but the name. */
static bool alike(const struct op *a, const struct op *b)
{
	return a->action == b->action && str_eq(a->what, b->what) && kind_length(a) == kind_length(b) &&
	       memcmp(a->object, b->object, (size_t)kind_length(a)) == 0 && str_eq(a->network, b->network);
}

static void print_folded(const struct printer *p, const struct op *first, const struct op *last, size_t n, int name_width)
{
	char name[128];
	struct op op = *first;

	(void)snprintf(name, sizeof(name), "%s … %s × %zu", object_name(first), object_name(last), n);
	op.why = "(--full lists them)";
	print_op(p, &op, name, name_width);
}

void plan_print(const struct ops *ops, FILE *to, bool color, bool utf8, bool full)
{
	const struct printer p = { .to = to, .color = color, .utf8 = utf8 };
	int name_width = 0;

	for (size_t i = 0; i < ops->n; i++) {
		const struct op *op = &ops->ops[i];
		int w = runs_on(op) || op->action == OP_ACTION_WAIT ? 0 : width(object_name(op));

		if (w > name_width)
			name_width = w;
	}
	if (name_width > NAME_MAX_WIDTH)
		name_width = NAME_MAX_WIDTH;
	for (size_t i = 0; i < ops->n;) {
		const struct op *op = &ops->ops[i];
		size_t n = 1;

		if (op->action == OP_ACTION_WAIT) {
			i++;
			continue;
		}
		while (!full && i + n < ops->n && alike(op, &ops->ops[i + n]))
			n++;
		if (n > FOLD_ABOVE) {
			print_folded(&p, op, &ops->ops[i + n - 1], n, name_width);
			i += n;
			continue;
		}
		print_op(&p, op, object_name(op), name_width);
		i++;
	}
}
