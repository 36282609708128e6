/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml - a YAML document as a tree whose every node knows its place
 *
 * libfyaml's own tree marks only scalars, so this one is built from its parser's
 * events. The parser gets a buffer and an empty search path: it can read
 * nothing else. Work is bounded by the caller's limit on the length, by
 * YAML_DEPTH_MAX and by YAML_NODES_MAX; the parse stops at the first of them.
 */
#include "conf/yaml.h"

#include <libfyaml.h>
#include "base/utf8.h"

struct frame {
	struct yaml_node *node;		/* a mapping or a list */
	struct yaml_node *key;		/* read, its value isn't yet */
	size_t cap;
};

struct reader {
	const char *file, *text;
	size_t len;
	struct arena *arena;
	struct report *report;
	struct frame stack[YAML_DEPTH_MAX];
	size_t depth, n_nodes;
	struct yaml_node *root;
	bool had_document, second_document;
};

const char *yaml_type_text(enum yaml_type type)
{
	switch (type) {
	case YAML_NULL:
		return "nothing";
	case YAML_SCALAR:
		return "text";
	case YAML_MAP:
		return "a mapping";
	case YAML_LIST:
		return "a list";
	}
	return "";
}

/* Bytes that YAML doesn't allow, before libfyaml sees them: it lets control characters pass. */
static bool check_bytes(struct reader *r)
{
	struct where where = { .file = r->file, .line = 1, .column = 1, .width = 1 };
	size_t at = r->len >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (at < r->len) {
		uint32_t c = 0;
		size_t n = utf8_decode(r->text + at, r->len - at, &c);

		if (n == 0) {
			struct finding *f = report_add(r->report, SEVERITY_ERROR, &where, NULL,
						       "byte 0x%02x isn't UTF-8", (unsigned char)r->text[at]);
			report_help(f, "save the file as UTF-8");
			return false;
		}
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0xfeff) {
			struct finding *f = report_add(r->report, SEVERITY_ERROR, &where, NULL,
						       "control character U+%04X", c);
			report_help(f, "remove it");
			return false;
		}
		at += n;
		where.column++;
		if (c == '\n' || (c == '\r' && (at == r->len || r->text[at] != '\n'))) {
			where.line++;
			where.column = 1;
		}
	}
	return true;
}

static struct where place(const struct reader *r, struct fy_token *token)
{
	const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL, *end = token ? fy_token_end_mark(token) : NULL;
	struct where where = { .file = r->file, .line = 1, .column = 1, .width = 1 };

	if (start && start->line >= 0 && start->column >= 0) {
		where.line = (unsigned int)start->line + 1;
		where.column = (unsigned int)start->column + 1;
		if (end && end->line == start->line && end->column > start->column)
			where.width = (unsigned int)(end->column - start->column);
		return where;
	}
	/* Nothing in the text: the key, or the list, that it belongs to. */
	if (r->depth > 0) {
		const struct frame *f = &r->stack[r->depth - 1];

		return f->key ? f->key->where : f->node->where;
	}
	return where;
}

static bool refuse(struct reader *r, struct fy_token *token, const char *what, const char *help)
{
	struct where where = place(r, token);

	report_help(report_add(r->report, SEVERITY_ERROR, &where, NULL, "%s", what), "%s", help);
	return false;
}

static bool check_tag(struct reader *r, struct fy_token *tag, bool *ret_str)
{
	static const char *const core[] = { "str", "int", "bool", "float", "null", "map", "seq" };
	static const char prefix[] = "tag:yaml.org,2002:";
	size_t n = 0;
	const char *t = tag ? fy_token_get_text(tag, &n) : NULL;

	*ret_str = false;
	if (!tag)
		return true;
	for (size_t i = 0; t && i < ARRAY_LEN(core); i++)
		if (n == strlen(prefix) + strlen(core[i]) && memcmp(t, prefix, strlen(prefix)) == 0 &&
		    memcmp(t + strlen(prefix), core[i], strlen(core[i])) == 0) {
			*ret_str = i == 0;
			return true;
		}
	return refuse(r, tag, "a tag has no meaning here", "remove it");
}

static bool check_anchor(struct reader *r, struct fy_token *anchor)
{
	return !anchor || refuse(r, anchor, "anchors and aliases aren't supported", "write the value out where it is needed");
}

static bool is_null(const char *s, size_t n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (n == strlen(words[i]) && memcmp(s, words[i], n) == 0)
			return true;
	return false;
}

/* No value of ours has a control character or a line break in it, and nobody sees them in a message. */
static bool check_scalar(struct reader *r, struct fy_token *token, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t size = utf8_decode(s + i, n - i, &c);

		if (size == 0 || c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0))
			return refuse(r, token, "a line break or control character inside a value", "write it on one line");
		i += size;
	}
	return true;
}

/* Hang a node into what is open; a scalar may become a key. */
static bool put(struct reader *r, struct yaml_node *node, struct fy_token *token)
{
	if (++r->n_nodes > YAML_NODES_MAX)
		return refuse(r, token, "more than 100000 values in one file", "split it");
	if (r->depth == 0) {
		r->root = node;
		return true;
	}
	struct frame *f = &r->stack[r->depth - 1];
	struct yaml_node *in = f->node;

	if (in->type == YAML_LIST) {
		ARENA_GROW(r->arena, in->items, in->n, f->cap);
		in->items[in->n++] = node;
	} else if (f->key) {
		ARENA_GROW(r->arena, in->pairs, in->n, f->cap);
		in->pairs[in->n++] = (struct yaml_pair){ f->key, node };
		f->key = NULL;
	} else if (node->type == YAML_SCALAR || node->type == YAML_NULL) {
		node->type = YAML_SCALAR;
		f->key = node;
	} else {
		return refuse(r, token, "a key must be text, not a list or a mapping", "write  NAME: VALUE");
	}
	return true;
}

static bool on_scalar(struct reader *r, const struct fy_event *e)
{
	struct fy_token *token = e->scalar.value;
	size_t n = 0;
	const char *s = token ? fy_token_get_text(token, &n) : "";
	bool str;

	if (!check_anchor(r, e->scalar.anchor) || !check_tag(r, e->scalar.tag, &str) || !check_scalar(r, token, s, n))
		return false;
	struct yaml_node *node = ARENA_NEW(r->arena, struct yaml_node);
	const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL;

	node->where = place(r, token);
	node->quoted = str || (token && fy_token_scalar_style(token) != FYSS_PLAIN);
	node->text = arena_strndup(r->arena, s, n);
	node->type = !node->quoted && is_null(s, n) ? YAML_NULL : YAML_SCALAR;
	node->verbatim = start && start->input_pos <= r->len && n <= r->len - start->input_pos &&
			 memcmp(r->text + start->input_pos, s, n) == 0;
	return put(r, node, token);
}

static bool open_collection(struct reader *r, enum yaml_type type, struct fy_token *token, struct fy_token *anchor,
			    struct fy_token *tag)
{
	struct yaml_node *node = ARENA_NEW(r->arena, struct yaml_node);
	bool str;

	if (!check_anchor(r, anchor) || !check_tag(r, tag, &str))
		return false;
	node->type = type;
	node->text = "";
	node->where = place(r, token);
	if (!put(r, node, token))
		return false;
	if (r->depth == YAML_DEPTH_MAX)
		return refuse(r, token, "nested deeper than 16 levels", "nothing here needs that");
	r->stack[r->depth++] = (struct frame){ .node = node };
	return true;
}

static int cmp_key(const void *pa, const void *pb)
{
	const struct yaml_node *a = *(const struct yaml_node *const *)pa, *b = *(const struct yaml_node *const *)pb;
	int c = strcmp(a->text, b->text);

	if (c == 0 && a->where.line != b->where.line)
		c = a->where.line < b->where.line ? -1 : 1;
	if (c == 0)
		c = a->where.column < b->where.column ? -1 : a->where.column > b->where.column;
	return c;
}

/* "networks.lan.mode" for a key of the innermost open mapping. */
static char *open_path(const struct reader *r, const char *key)
{
	char *path = xstrdup("");

	for (size_t i = 0; i < r->depth; i++) {
		const struct yaml_node *in = r->stack[i].node;
		const char *part = i + 1 == r->depth ? key : in->type == YAML_MAP && in->n ? in->pairs[in->n - 1].key->text : NULL;

		if (part) {
			char *longer = xasprintf("%s%s%s", path, *path ? "." : "", part);

			free(path);
			path = longer;
		}
	}
	return path;
}

/* The second of two equal keys is an error, and is dropped so that it isn't read as well. */
static void close_map(struct reader *r, struct yaml_node *map)
{
	_cleanup_(freep) const struct yaml_node **keys = xcalloc(map->n, sizeof(*keys));
	size_t kept = 0;

	for (size_t i = 0; i < map->n; i++)
		keys[i] = map->pairs[i].key;
	qsort((void *)keys, map->n, sizeof(*keys), cmp_key);
	for (size_t i = 1, first = 0; i < map->n; i++) {
		if (!str_eq(keys[i]->text, keys[first]->text)) {
			first = i;
			continue;
		}
		_cleanup_(freep) char *path = open_path(r, keys[i]->text);
		struct finding *f = report_add(r->report, SEVERITY_ERROR, &keys[i]->where, path, "is here twice");
		report_help(f, "the first is in line %u: keep one of them", keys[first]->where.line);
		((struct yaml_node *)(void *)(uintptr_t)keys[i])->type = YAML_NULL;	/* marks it */
	}
	for (size_t i = 0; i < map->n; i++)
		if (map->pairs[i].key->type != YAML_NULL)
			map->pairs[kept++] = map->pairs[i];
	map->n = kept;
}

static bool refuse_document(struct reader *r, struct fy_token *token)
{
	return refuse(r, token, "a second document in one file", "put it into a file of its own");
}

static bool on_event(struct reader *r, const struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		r->second_document = r->had_document;
		r->had_document = true;
		if (r->second_document && !e->document_start.implicit)
			return refuse_document(r, e->document_start.document_start);
		return true;	/* one without "---" has no place before its first node */
	case FYET_SCALAR:
		return r->second_document ? refuse_document(r, e->scalar.value) : on_scalar(r, e);
	case FYET_MAPPING_START:
		if (r->second_document)
			return refuse_document(r, e->mapping_start.mapping_start);
		return open_collection(r, YAML_MAP, e->mapping_start.mapping_start, e->mapping_start.anchor,
				       e->mapping_start.tag);
	case FYET_SEQUENCE_START:
		if (r->second_document)
			return refuse_document(r, e->sequence_start.sequence_start);
		return open_collection(r, YAML_LIST, e->sequence_start.sequence_start, e->sequence_start.anchor,
				       e->sequence_start.tag);
	case FYET_MAPPING_END:
		close_map(r, r->stack[r->depth - 1].node);
		r->depth--;
		return true;
	case FYET_SEQUENCE_END:
		r->depth--;
		return true;
	case FYET_ALIAS:
		return check_anchor(r, e->alias.anchor);
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		return true;
	}
	return true;
}

/* libfyaml's words are exact but don't say what to do. */
static void add_syntax_error(struct reader *r, const struct fy_diag_error *e)
{
	static const struct {
		const char *part, *help;
	} advice[] = {
		{ "tab character", "indent with spaces" },
		{ "cannot start with", "put it into quotes" },
		{ "multiline plain key", "is a colon missing, or the indentation different from the line above?" },
		{ "nested block mapping", "only one colon and value in a line, or put the value into quotes" },
		{ "missing comma", "a comma or the closing bracket is missing" },
		{ "expected node content", "a value or a closing bracket is missing before this" },
		{ "without a closing bracket", "add the closing bracket" },
		{ "double-quoted", "is the closing quote missing?" },
		{ "single-quoted", "is the closing quote missing?" },
		{ "indent", "lines of one mapping start in the same column" },
	};
	struct where where = { .file = r->file, .line = 1, .column = 1, .width = 1 };
	const char *msg = e && e->msg && e->msg[0] ? e->msg : "this cannot be parsed";

	if (e && e->line > 0)
		where.line = (unsigned int)e->line;
	if (e && e->column > 0)
		where.column = (unsigned int)e->column;
	struct finding *f = report_add(r->report, SEVERITY_ERROR, &where, NULL, "not YAML: %s", msg);
	for (size_t i = 0; i < ARRAY_LEN(advice); i++)
		if (strstr(msg, advice[i].part)) {
			report_help(f, "%s", advice[i].help);
			return;
		}
}

static void destroy_parser(struct fy_parser **p)
{
	if (*p)
		fy_parser_destroy(*p);
}

static void destroy_diag(struct fy_diag **d)
{
	if (*d)
		fy_diag_destroy(*d);
}

static void drop_output(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
	(void)diag;
	(void)user;
	(void)buf;
	(void)len;
}

struct yaml_node *yaml_read(const char *file, const char *text, size_t len, struct arena *arena, struct report *report)
{
	struct reader r = { .file = file, .text = text, .len = len, .arena = arena, .report = report };
	struct fy_diag_cfg diag_cfg;
	bool good = true;

	if (!check_bytes(&r))
		return NULL;
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = drop_output;
	_cleanup_(destroy_diag) struct fy_diag *diag = fy_diag_create(&diag_cfg);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	const struct fy_parse_cfg cfg = {
		.search_path = "",
		.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
		.diag = diag,
	};
	_cleanup_(destroy_parser) struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;
	if (!parser || (len > 0 && fy_parser_set_string(parser, text, len) < 0)) {
		add_syntax_error(&r, NULL);
		return NULL;
	}
	while (len > 0 && good) {
		struct fy_event *e = fy_parser_parse(parser);

		if (!e)
			break;
		good = on_event(&r, e);
		fy_parser_event_free(parser, e);
	}
	if (good && len > 0 && fy_parser_get_stream_error(parser)) {
		void *prev = NULL;

		add_syntax_error(&r, fy_diag_errors_iterate(diag, &prev));
		return NULL;
	}
	if (!good)
		return NULL;
	if (!r.root) {
		r.root = ARENA_NEW(arena, struct yaml_node);
		*r.root = (struct yaml_node){ .type = YAML_NULL, .text = "", .where = { .file = file, .line = 1, .column = 1, .width = 1 } };
	}
	return r.root;
}
