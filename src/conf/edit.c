/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit - change one forward in a configuration's text, keeping the rest as it is
 *
 * Theory of operation: the tree knows the place of every node, so an edit is an
 * insertion or a removal at an offset of the text. What that gives is parsed
 * again and compared with the first tree, changed as it should be. So the code
 * that finds offsets may be simple: where it is wrong, the edit is refused.
 */
#include "conf/edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/forward.h"
#include "conf/yaml.h"

struct edit {
	const struct conf_edit *what;
	struct arena *arena;
	const char *text;
	size_t len;
	size_t at, cut;		/* replace @cut bytes at @at … */
	const char *put;	/* … by this; NULL: not known how */
};

/* ---- places ---- */

static size_t line_start(const struct edit *e, unsigned int line)
{
	size_t at = 0;

	for (unsigned int i = 1; i < line; i++) {
		const char *nl = memchr(e->text + at, '\n', e->len - at);

		if (!nl)
			return e->len;
		at = (size_t)(nl - e->text) + 1;
	}
	return at;
}

static size_t line_end(const struct edit *e, size_t at)	/* behind its newline */
{
	const char *nl = memchr(e->text + at, '\n', e->len - at);

	return nl ? (size_t)(nl - e->text) + 1 : e->len;
}

/* Columns are characters. */
static size_t offset(const struct edit *e, const struct where *where)
{
	size_t at = line_start(e, where->line);

	for (unsigned int i = 1; i < where->column && at < e->len; i++)
		for (at++; at < e->len && ((unsigned char)e->text[at] & 0xc0) == 0x80;)
			at++;
	return at;
}

static bool is_flow(const struct edit *e, const struct yaml_node *node)
{
	size_t at = offset(e, &node->where);

	return at < e->len && (e->text[at] == '[' || e->text[at] == '{');
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Of the flow collection that begins at @at: where it ends (its bracket), and
 * behind what of it the next item belongs (@ret_last: its last character that
 * is neither blank nor comment).
 */
static bool flow_end(const struct edit *e, size_t at, size_t *ret_end, size_t *ret_last)
{
	size_t depth = 0, last = at;
	char before = ' ';

	for (size_t i = at; i < e->len; i++) {
		char c = e->text[i];

		if (c == '#' && is_space(e->text[i - 1])) {
			i = line_end(e, i) - 1;
			continue;
		}
		if ((c == '"' || c == '\'') && strchr("[{,: ", before)) {
			for (i++; i < e->len && e->text[i] != c; i++)
				i += c == '"' && e->text[i] == '\\';
			last = i;
			before = c;
			continue;
		}
		if (c == '[' || c == '{')
			depth++;
		if ((c == ']' || c == '}') && --depth == 0) {
			*ret_end = i;
			*ret_last = last;
			return true;
		}
		if (!is_space(c)) {
			last = i;
			before = c;
		}
	}
	return false;
}

/* The last line that any part of a node is on. */
static unsigned int last_line(const struct edit *e, const struct yaml_node *node)
{
	unsigned int line = node->where.line, end_line = line;
	size_t end, last;

	if ((node->type == YAML_MAP || node->type == YAML_LIST) && is_flow(e, node)) {
		size_t at = offset(e, &node->where);

		if (!flow_end(e, at, &end, &last))
			return line;
		for (size_t i = at; i < end; i++)
			end_line += e->text[i] == '\n';
		return end_line;
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct yaml_node *child = node->type == YAML_MAP ? node->pairs[i].value : node->items[i];
		unsigned int of_child = last_line(e, child);

		line = of_child > line ? of_child : line;
	}
	return line;
}

/* A scalar with its quotes. */
static bool raw_scalar(const struct edit *e, const struct yaml_node *node, size_t *ret_at, size_t *ret_len)
{
	size_t at = offset(e, &node->where), len = strlen(node->text);

	if (node->type != YAML_SCALAR || !node->verbatim || at + len > e->len || memcmp(e->text + at, node->text, len) != 0)
		return false;
	if (node->quoted) {
		if (at == 0 || at + len >= e->len || e->text[at - 1] != e->text[at + len])
			return false;
		at--;
		len += 2;
	}
	*ret_at = at;
	*ret_len = len;
	return true;
}

static void replace(struct edit *e, size_t at, size_t cut, const char *put)
{
	e->at = at;
	e->cut = cut;
	e->put = put;
}

/* A line of its own behind @line; the last line of a file may lack its newline. */
static void add_line(struct edit *e, unsigned int line, unsigned int column, const char *put)
{
	size_t at = line_end(e, line_start(e, line));
	bool open = at > 0 && e->text[at - 1] != '\n';

	replace(e, at, 0, arena_printf(e->arena, "%s%*s%s\n", open ? "\n" : "", (int)column - 1, "", put));
}

/* ---- the tree ---- */

static struct yaml_node *member(const struct yaml_node *map, const char *key, const struct yaml_node **ret_key)
{
	for (size_t i = 0; map && map->type == YAML_MAP && i < map->n; i++) {
		if (!str_eq(map->pairs[i].key->text, key))
			continue;
		if (ret_key)
			*ret_key = map->pairs[i].key;
		return map->pairs[i].value;
	}
	return NULL;
}

static struct yaml_node *new_scalar(struct arena *arena, const char *text)
{
	struct yaml_node *node = ARENA_NEW(arena, struct yaml_node);

	node->type = YAML_SCALAR;
	node->text = text;
	return node;
}

static struct yaml_node *new_list(struct arena *arena, struct yaml_node *first)
{
	struct yaml_node *node = ARENA_NEW(arena, struct yaml_node);

	node->type = YAML_LIST;
	node->text = "";
	node->items = arena_alloc(arena, 1, sizeof(*node->items));
	if (first)
		node->items[node->n++] = first;
	return node;
}

static void append(struct arena *arena, struct yaml_node *list, struct yaml_node *item)
{
	struct yaml_node **items = arena_alloc(arena, list->n + 1, sizeof(*items));

	if (list->n > 0)
		memcpy(items, list->items, list->n * sizeof(*items));
	items[list->n++] = item;
	list->items = items;
}

static void set_member(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *value)
{
	struct yaml_pair *pairs = arena_alloc(arena, map->n + 1, sizeof(*pairs));

	map->type = YAML_MAP;	/* it may have been nothing */
	if (map->n > 0)
		memcpy(pairs, map->pairs, map->n * sizeof(*pairs));
	pairs[map->n++] = (struct yaml_pair){ new_scalar(arena, key), value };
	map->pairs = pairs;
}

static bool same(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->type != b->type || a->n != b->n || !str_eq(a->text, b->text))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->type == YAML_LIST && !same(a->items[i], b->items[i]))
			return false;
		if (a->type == YAML_MAP && (!same(a->pairs[i].key, b->pairs[i].key) || !same(a->pairs[i].value, b->pairs[i].value)))
			return false;
	}
	return true;
}

static bool is_forward(const struct edit *e, const struct yaml_node *node)
{
	const struct yaml_node *port = node->type == YAML_MAP ? member(node, "port", NULL) : node;
	struct forward_fault fault;
	struct d_forward f;

	return port && port->type == YAML_SCALAR && forward_parse(port->text, e->arena, &f, &fault) && str_eq(f.spec, e->what->spec);
}

/* ---- add ---- */

static char *quoted(const struct edit *e)
{
	return arena_printf(e->arena, "\"%s\"", e->what->spec);
}

static void add_to_flow(struct edit *e, const struct yaml_node *node, const char *put)
{
	size_t at = offset(e, &node->where), end, last;

	if (!flow_end(e, at, &end, &last))
		return;
	if (node->n == 0)
		replace(e, at + 1, 0, put);
	else
		replace(e, last + 1, 0, arena_printf(e->arena, e->text[last] == ',' ? " %s" : ", %s", put));
}

/* `key: put` in a mapping, in its own style. */
static void add_to_map(struct edit *e, const struct yaml_node *map, const struct yaml_node *map_key, const char *key,
		       const char *put)
{
	const char *mark = map->n > 0 && map->pairs[0].key->quoted ? "\"" : "";
	const char *pair = arena_printf(e->arena, "%s%s%s: %s", mark, key, mark, put);

	if (map->type == YAML_NULL)
		add_line(e, map_key->where.line, map_key->where.column + 2, pair);
	else if (is_flow(e, map))
		add_to_flow(e, map, pair);
	else
		add_line(e, last_line(e, map), map->pairs[0].key->where.column - (*mark != '\0'), pair);
}

static void add_to_forward(struct edit *e, struct yaml_node *node)
{
	struct yaml_node *old = ARENA_NEW(e->arena, struct yaml_node), *item = new_scalar(e->arena, e->what->spec);
	size_t at, len, last;

	if (node->type == YAML_LIST) {
		if (is_flow(e, node))
			add_to_flow(e, node, quoted(e));
		else
			add_line(e, last_line(e, node), node->where.column, arena_printf(e->arena, "- %s", quoted(e)));
		append(e->arena, node, item);
		return;
	}
	if (node->type == YAML_SCALAR && raw_scalar(e, node, &at, &len)) {
		replace(e, at, len, arena_printf(e->arena, "[%.*s, %s]", (int)len, e->text + at, quoted(e)));
	} else if (node->type == YAML_MAP && is_flow(e, node)) {
		at = offset(e, &node->where);
		if (!flow_end(e, at, &len, &last))
			return;
		len = len - at + 1;
		replace(e, at, len, arena_printf(e->arena, "[%.*s, %s]", (int)len, e->text + at, quoted(e)));
	}
	*old = *node;
	*node = *new_list(e->arena, old);
	append(e->arena, node, item);
}

static void add_guest(struct edit *e, struct yaml_node *network, const struct yaml_node *network_key)
{
	struct arena *arena = e->arena;
	const struct yaml_node *guests_key = NULL;
	struct yaml_node *guests = member(network, "guests", &guests_key), *guest = ARENA_NEW(arena, struct yaml_node);
	const char *q = network->n > 0 && network->pairs[0].key->quoted ? "\"" : "", *put;

	guest->text = "";
	if (e->what->mac)
		set_member(arena, guest, "mac", new_scalar(arena, e->what->mac));
	set_member(arena, guest, "forward", new_list(arena, new_scalar(arena, e->what->spec)));
	if (e->what->mac)
		put = arena_printf(arena, "{ %smac%s: \"%s\", %sforward%s: [%s] }", q, q, e->what->mac, q, q, quoted(e));
	else
		put = arena_printf(arena, "{ %sforward%s: [%s] }", q, q, quoted(e));
	if (!guests) {
		add_to_map(e, network, network_key, "guests",
			   arena_printf(arena, "{ %s%s%s: %s }", q, e->what->guest, q, put));
		guests = ARENA_NEW(arena, struct yaml_node);
		guests->text = "";
		set_member(arena, network, "guests", guests);
	} else {
		add_to_map(e, guests, guests_key, e->what->guest, put);
	}
	set_member(arena, guests, e->what->guest, guest);
}

/* ---- take out ---- */

static void del_from_flow(struct edit *e, const struct yaml_node *list, size_t i)
{
	const struct yaml_node *item = list->items[i];
	size_t at, len, end, last;

	if (item->type == YAML_SCALAR) {
		if (!raw_scalar(e, item, &at, &len))
			return;
	} else {
		at = offset(e, &item->where);
		if (!is_flow(e, item) || !flow_end(e, at, &end, &last))
			return;
		len = end - at + 1;
	}
	/* One comma goes along: the one before, or for the first item the one behind. */
	size_t from = at, to = at + len;
	while (from > 0 && is_space(e->text[from - 1]))
		from--;
	if (from > 0 && e->text[from - 1] == ',') {
		from--;
	} else {
		from = at;
		while (to < e->len && is_space(e->text[to]))
			to++;
		if (to < e->len && e->text[to] == ',')
			for (to++; to < e->len && e->text[to] == ' ';)
				to++;
		else
			to = at + len;
	}
	replace(e, from, to - from, "");
}

static void del_from_block(struct edit *e, const struct yaml_node *list, const struct yaml_node *key, size_t i)
{
	const struct yaml_node *item = list->items[i];
	size_t from = line_start(e, item->where.line), to = line_end(e, line_start(e, last_line(e, item)));

	if (list->n > 1) {
		replace(e, from, to - from, "");
		return;
	}
	/* The key keeps its place, and whatever comment it has. */
	size_t colon = offset(e, &key->where) + strlen(key->text) + key->quoted;
	if (colon >= from || e->text[colon] != ':')
		return;
	replace(e, colon + 1, to - colon - 1,
		arena_printf(e->arena, " []%.*s", (int)(from - colon - 1), e->text + colon + 1));
}

static bool del_forward(struct edit *e, struct yaml_node *node, const struct yaml_node *key)
{
	size_t at, len, last;

	if (node->type != YAML_LIST) {
		if (!is_forward(e, node))
			return false;
		if (node->type == YAML_SCALAR && raw_scalar(e, node, &at, &len)) {
			replace(e, at, len, "[]");
		} else if (is_flow(e, node)) {
			at = offset(e, &node->where);
			if (flow_end(e, at, &len, &last))
				replace(e, at, len - at + 1, "[]");
		}
		*node = *new_list(e->arena, NULL);
		return true;
	}
	for (size_t i = 0; i < node->n; i++) {
		if (!is_forward(e, node->items[i]))
			continue;
		if (is_flow(e, node))
			del_from_flow(e, node, i);
		else
			del_from_block(e, node, key, i);
		node->n--;
		memmove(&node->items[i], &node->items[i + 1], (node->n - i) * sizeof(*node->items));
		return true;
	}
	return false;
}

/* ---- */

/* Return: false when the text is as it should be already. */
static bool edit(struct edit *e, struct yaml_node *root)
{
	const struct yaml_node *network_key = NULL, *guest_key = NULL, *key = NULL;
	struct yaml_node *network = member(member(root, "networks", NULL), e->what->network, &network_key);
	struct yaml_node *guest = member(member(network, "guests", NULL), e->what->guest, &guest_key);
	struct yaml_node *forward = member(guest, "forward", &key);

	if (!network)
		return true;	/* whatever this file is */
	if (!e->what->add)
		return forward && del_forward(e, forward, key);
	if (!guest) {
		add_guest(e, network, network_key);
		return true;
	}
	if (!forward) {
		add_to_map(e, guest, guest_key, "forward", arena_printf(e->arena, "[%s]", quoted(e)));
		set_member(e->arena, guest, "forward", new_list(e->arena, new_scalar(e->arena, e->what->spec)));
		return true;
	}
	if (forward->type != YAML_LIST && is_forward(e, forward))
		return false;
	for (size_t i = 0; forward->type == YAML_LIST && i < forward->n; i++)
		if (is_forward(e, forward->items[i]))
			return false;
	add_to_forward(e, forward);
	return true;
}

int conf_edit_forward(const char *text, size_t len, const struct conf_edit *what, char **ret)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(report_freep) struct report *report = report_new();
	struct edit e = { .what = what, .arena = arena, .text = text, .len = len };
	struct yaml_node *root = yaml_read("", text, len, arena, report);

	if (!root)
		return -EOPNOTSUPP;
	if (!edit(&e, root))
		return 1;
	if (!e.put || e.at + e.cut > len)
		return -EOPNOTSUPP;
	size_t n_put = strlen(e.put), n_new = len - e.cut + n_put;
	_cleanup_(freep) char *new = xcalloc(n_new + 1, 1);

	memcpy(new, text, e.at);
	memcpy(new + e.at, e.put, n_put);
	memcpy(new + e.at + n_put, text + e.at + e.cut, len - e.at - e.cut);
	const struct yaml_node *result = yaml_read("", new, n_new, arena, report);
	if (!result || !same(root, result))
		return -EOPNOTSUPP;
	*ret = STEAL_PTR(new);
	return 0;
}
