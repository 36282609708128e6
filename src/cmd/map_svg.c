/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map_svg - the map as a picture
 *
 * Uplinks on the left; networks, bridges and what sits on an uplink on the
 * right, each a card with its guests; lines show where packets leave, broken
 * ones that they are translated. Text is text, colours follow the reader's
 * light or dark ground. Everything is drawn twice: the first time without a
 * file, to learn how high it gets.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "cmd/map.h"

#define MARGIN 32
#define LEFT_WIDTH 300
#define GAP 120			/* between the columns: room for the lines */
#define RIGHT_X (MARGIN + LEFT_WIDTH + GAP)
#define RIGHT_WIDTH 700
#define WIDTH (RIGHT_X + RIGHT_WIDTH + MARGIN)
#define TOP 96			/* below the title */
#define PAD 18			/* inside a card */
#define LINE 20
#define ROW_GAP 8
#define CARD_GAP 20
#define MONO 7.3		/* width of a character, 12 px monospace */
#define SANS 7.6		/* upper bound of a usual one, 13 px */

static const char style[] =
	"text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1c2430}\n"
	".mono{font-family:ui-monospace,'SF Mono','DejaVu Sans Mono',Consolas,monospace;font-size:12px}\n"
	".title{font-size:24px;font-weight:600}.name{font-size:15px;font-weight:600}.guest{font-weight:600}\n"
	".dim{fill:#66717f}.warn{fill:#9a5b00}\n"
	".ground{fill:#ffffff}.card{fill:#f6f8fa;stroke:#d5dbe3}.chip{fill:#e3eefc}.chiptext{fill:#1d4f91}\n"
	".ours{fill:#1f9d55}.others{fill:#3b73d9}.quiet{fill:#aab4c0}.warnbar{fill:#d98e04}\n"
	".off{fill:none;stroke:#8b96a5;stroke-width:1.6}\n"
	".line{fill:none;stroke:#8fa0b5;stroke-width:2}.nat{stroke-dasharray:6 5}\n"
	"@media (prefers-color-scheme:dark){text{fill:#e6ebf1}.dim{fill:#97a4b4}.warn{fill:#f0b84a}.ground{fill:#10151b}"
	".card{fill:#19202a;stroke:#2d3846}.chip{fill:#1c3352}.chiptext{fill:#a9cdfb}.ours{fill:#3ecf8e}.others{fill:#6ea8fe}"
	".quiet{fill:#596676}.warnbar{fill:#f0b84a}.off{stroke:#77859a}.line{stroke:#5b6b80}}\n";

/* Where a line may start or end. */
struct place {
	const struct map_node *node;
	int x, y;
};

struct pen {
	FILE *to;		/* NULL: measuring */
	int y;
	int title_y;		/* middle of the heading of the card that is drawn */
};

static void out(const struct pen *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void out(const struct pen *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->to)
		return;
	va_start(ap, fmt);
	(void)vfprintf(p->to, fmt, ap);
	va_end(ap);
}

/* In any encoding: what isn't plain ASCII is written as a number. */
static void out_text(const struct pen *p, const char *s)
{
	size_t left = strlen(s);

	while (p->to && left > 0) {
		uint32_t c = 0;
		size_t n = utf8_decode(s, left, &c);

		if (n == 0)
			(void)fputc('?', p->to);
		else if (n > 1 || strchr("<>&\"'", (int)c))
			(void)fprintf(p->to, "&#%u;", c);
		else
			(void)fputc((int)c, p->to);
		n = n ? n : 1;
		s += n;
		left -= n;
	}
}

static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int mono_width(const char *s)
{
	return (int)(columns(s) * MONO) + 1;
}

static int sans_width(const char *s)
{
	return (int)(columns(s) * SANS) + 1;
}

static void label(const struct pen *p, int x, int y, const char *class, const char *s)
{
	out(p, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	out_text(p, s);
	out(p, "</text>\n");
}

/* ---- inside a card ---- */

/* Things side by side from @x on, down to the next line when @right is reached. */
struct flow {
	int x, left, right;
};

static void flow_to(struct pen *p, struct flow *f, int width)
{
	if (f->x > f->left && f->x + width > f->right) {
		f->x = f->left;
		p->y += LINE;
	}
}

static void flow_mono(struct pen *p, struct flow *f, const char *class, const char *s)
{
	flow_to(p, f, mono_width(s));
	label(p, f->x, p->y, class, s);
	f->x += mono_width(s) + 16;
}

static void flow_chip(struct pen *p, struct flow *f, const char *s)
{
	int width = mono_width(s) + 34;

	flow_to(p, f, width);
	out(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"18\" rx=\"9\" class=\"chip\"/>\n", f->x, p->y - 13, width);
	label(p, f->x + 10, p->y, "mono chiptext", "⇐");
	label(p, f->x + 25, p->y, "mono chiptext", s);
	f->x += width + 8;
}

static void flow_list(struct pen *p, struct flow *f, const struct map_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		flow_mono(p, f, "mono", list->s[i]);
}

static const char *dot_class(const struct map_node *node)
{
	if (node->state == MAP_STATE_DOWN)
		return "off";
	return node->ours ? "ours" : "others";
}

static const char *shown_name(const struct map_node *node)
{
	return node->guest ? node->guest : node->name;
}

/* One guest, or one port without a known guest. @device_x, @facts_x: columns. */
static void row(struct pen *p, const struct map_node *node, int x, int device_x, int facts_x, int right)
{
	struct flow f = { facts_x, facts_x, right };

	p->y += LINE;
	if (node->kind == MAP_MORE) {
		char s[200];

		(void)snprintf(s, sizeof(s), "… %zu more: %s", node->hidden, node->note);
		label(p, x + 16, p->y, "dim", s);
		p->y += ROW_GAP;
		return;
	}
	if (node->guest) {
		out(p, "<circle cx=\"%d\" cy=\"%d\" r=\"4.5\" class=\"%s\"/>\n", x + 5, p->y - 4, dot_class(node));
		label(p, x + 16, p->y, "guest", node->guest);
		label(p, device_x, p->y, "mono dim", node->name);
	} else {
		label(p, x + 16, p->y, "mono", node->name);
		label(p, device_x, p->y, "dim", node->what);
	}
	flow_list(p, &f, &node->addresses);
	for (size_t i = 0; i < node->forwards.n; i++)
		flow_chip(p, &f, node->forwards.s[i]);
	if (node->note) {
		flow_to(p, &f, sans_width(node->note));
		label(p, f.x, p->y, "dim", node->note);
	}
	p->y += ROW_GAP;
}

static void rows(struct pen *p, const struct map_node *node, int x, int right)
{
	int name = 60, device = 0;

	if (node->n == 0)
		return;
	p->y += ROW_GAP;
	for (size_t i = 0; i < node->n; i++) {
		const struct map_node *c = node->children[i];

		if (c->kind == MAP_MORE)
			continue;
		if (sans_width(shown_name(c)) > name)
			name = sans_width(shown_name(c));
		int w = c->guest ? mono_width(c->name) : sans_width(c->what);
		if (w > device)
			device = w;
	}
	if (name > 190)
		name = 190;
	int device_x = x + 16 + name + 14;
	for (size_t i = 0; i < node->n; i++)
		row(p, node->children[i], x, device_x, device_x + device + (device ? 18 : 0), right);
	p->y -= ROW_GAP;
}

static const char *bar_class(const struct map_node *node)
{
	if (node->trouble)
		return "warnbar";
	if (node->kind == MAP_UPLINK)
		return "quiet";
	return node->ours ? "ours" : "others";
}

static void heading(struct pen *p, const struct map_node *node, int x, int right, bool only_ports)
{
	struct flow f = { x, x, right };
	int y = p->y + 26;

	p->title_y = y - 5;
	p->y = y;
	label(p, x, y, "name", node->name);
	const char *what = only_ports ? "what sits on it" : node->what;
	/* The heading's font is larger: 15 px, bold. */
	label(p, x + (int)(columns(node->name) * 9.6) + 14, y, "dim", what);
	if (only_ports)
		return;
	if (node->addresses.n > 0 || node->note) {
		p->y += LINE + 2;
		flow_list(p, &f, &node->addresses);
	}
	if (node->note) {
		flow_to(p, &f, sans_width(node->note));
		label(p, f.x, p->y, "dim", node->note);
	}
	if (node->routers.n > 0) {
		f = (struct flow){ x, x, right };
		p->y += LINE;
		label(p, f.x, p->y, "dim", "⇄");
		f.x = f.left = x + 20;
		for (size_t i = 0; i < node->routers.n; i++)
			flow_mono(p, &f, "mono dim", node->routers.s[i]);
	}
	if (node->trouble) {
		p->y += LINE;
		label(p, x, p->y, "warn", node->trouble);
	}
}

/* A card at @x, @y. Return: its height. @only_ports: of an uplink, what sits on it. */
static int card(struct pen *at, const struct map_node *node, int x, int y, int width, bool only_ports)
{
	struct pen dry = { .y = y };

	heading(&dry, node, x + PAD, x + width - PAD, only_ports);
	if (node->kind != MAP_UPLINK || only_ports)
		rows(&dry, node, x + PAD, x + width - PAD);
	int height = dry.y - y + PAD;
	out(at, "<g><title>");
	out_text(at, node->name);
	out(at, " %s</title>\n<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\" class=\"card\"/>\n",
	    map_kind_name[node->kind], x, y, width, height);
	out(at, "<rect x=\"%d\" y=\"%d\" width=\"4\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", x, y + 10, height - 20,
	    bar_class(node));
	struct pen wet = { .to = at->to, .y = y };
	heading(&wet, node, x + PAD, x + width - PAD, only_ports);
	if (node->kind != MAP_UPLINK || only_ports)
		rows(&wet, node, x + PAD, x + width - PAD);
	out(at, "</g>\n");
	at->title_y = dry.title_y;
	return height;
}

/* ---- the whole ---- */

static const struct place *find_place(const struct place *places, size_t n, const char *device)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(places[i].node->name, device))
			return &places[i];
	return NULL;
}

static void curve(const struct pen *p, const struct place *from, int x, int y, bool nat)
{
	int half = (x - from->x) / 2;

	out(p, "<path d=\"M%d %dC%d %d %d %d %d %d\" class=\"line%s\"/>\n", from->x, from->y, from->x + half, from->y, x - half, y,
	    x, y, nat ? " nat" : "");
}

static bool on_the_right(const struct map_node *node)
{
	return node->kind != MAP_UPLINK || node->n > 0;
}

struct sums {
	size_t networks, guests;
	bool ours, others, off, nat, direct;
};

static void count(const struct map_node *host, struct sums *s)
{
	for (size_t i = 0; i < host->n; i++) {
		const struct map_node *top = host->children[i];

		s->networks += top->kind == MAP_NETWORK || top->kind == MAP_BRIDGE;
		s->nat |= top->kind == MAP_NETWORK && top->uplink && strstr(top->what, "nat");
		s->direct |= (top->kind == MAP_UPLINK && top->n > 0) || (top->uplink && !strstr(top->what, "nat"));
		for (size_t k = 0; k < top->n; k++) {
			const struct map_node *c = top->children[k];

			s->guests += c->kind == MAP_MORE ? c->hidden_guests : c->guest != NULL;
			s->ours |= c->guest && c->ours && c->state == MAP_STATE_UP;
			s->others |= c->guest && !c->ours && c->state == MAP_STATE_UP;
			s->off |= c->guest && c->state == MAP_STATE_DOWN;
		}
	}
}

static int legend_item(const struct pen *p, int x, int y, const char *class, const char *s)
{
	if (strncmp(class, "line", 4) == 0) {
		out(p, "<path d=\"M%d %dh26\" class=\"%s\"/>\n", x, y - 4, class);
		x += 34;
	} else {
		out(p, "<circle cx=\"%d\" cy=\"%d\" r=\"4.5\" class=\"%s\"/>\n", x + 5, y - 4, class);
		x += 16;
	}
	label(p, x, y, "dim", s);
	return x + sans_width(s) + 14;
}

static void legend(const struct pen *p, const struct sums *s, int y)
{
	int x = MARGIN;

	if (s->ours)
		x = legend_item(p, x, y, "ours", "sixtap's guest");
	if (s->others)
		x = legend_item(p, x, y, "others", "another's guest");
	if (s->off)
		x = legend_item(p, x, y, "off", "not running");
	if (s->nat)
		x = legend_item(p, x, y, "line nat", "translated");
	if (s->direct)
		(void)legend_item(p, x, y, "line", "direct");
}

/* Return: the height of all. @places has room for every child of @host. */
static int draw(struct pen *p, const struct map_node *host, const struct sums *sums, struct place *places)
{
	int left = TOP, right = TOP;
	size_t n = 0;

	for (size_t i = 0; i < host->n; i++) {
		const struct map_node *node = host->children[i];

		if (node->kind != MAP_UPLINK)
			continue;
		int height = card(p, node, MARGIN, left, LEFT_WIDTH, false);
		places[n++] = (struct place){ node, MARGIN + LEFT_WIDTH, p->title_y };
		left += height + CARD_GAP;
	}
	for (size_t i = 0; i < host->n; i++) {
		const struct map_node *node = host->children[i];
		const char *uplink = node->kind == MAP_UPLINK ? node->name : node->uplink;

		if (!on_the_right(node))
			continue;
		int height = card(p, node, RIGHT_X, right, RIGHT_WIDTH, node->kind == MAP_UPLINK);
		const struct place *from = uplink ? find_place(places, n, uplink) : NULL;
		if (from)
			curve(p, from, RIGHT_X, p->title_y, node->kind != MAP_UPLINK && strstr(node->what, "nat"));
		right += height + CARD_GAP;
	}
	int bottom = (left > right ? left : right) + 12;
	legend(p, sums, bottom);
	return bottom + MARGIN - 8;
}

int map_svg(const struct map_node *host, FILE *to)
{
	struct place *places = xcalloc(host->n + 1, sizeof(*places));
	struct pen pen = { .to = NULL };
	struct sums sums = { 0 };
	char s[100];

	count(host, &sums);
	int height = draw(&pen, host, &sums, places);
	pen.to = to;
	out(&pen, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH,
	    height, WIDTH, height);
	out(&pen, "<title>The network of ");
	out_text(&pen, host->name);
	out(&pen, "</title>\n<style>\n%s</style>\n<rect width=\"%d\" height=\"%d\" class=\"ground\"/>\n", style, WIDTH, height);
	label(&pen, MARGIN, 50, "title", host->name);
	(void)snprintf(s, sizeof(s), "%zu network%s · %zu guest%s", sums.networks, sums.networks == 1 ? "" : "s", sums.guests,
		       sums.guests == 1 ? "" : "s");
	label(&pen, MARGIN, 73, "dim", s);
	(void)draw(&pen, host, &sums, places);
	out(&pen, "</svg>\n");
	free(places);
	errno = EIO;
	return fflush(to) != 0 || ferror(to) ? -errno : 0;
}
