/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "conf/yaml.h"

/* The tree on one line: scalars with place and width. */
static void show(FILE *to, const struct yaml_node *n)
{
	switch (n->type) {
	case YAML_NULL:
		(void)fprintf(to, "~@%u:%u", n->where.line, n->where.column);
		break;
	case YAML_SCALAR:
		(void)fprintf(to, "%s%s%s@%u:%u+%u", n->quoted ? "\"" : "", n->text, n->quoted ? "\"" : "", n->where.line,
			      n->where.column, n->where.width);
		break;
	case YAML_MAP:
		(void)fprintf(to, "{@%u:%u ", n->where.line, n->where.column);
		for (size_t i = 0; i < n->n; i++) {
			show(to, n->pairs[i].key);
			(void)fputs(": ", to);
			show(to, n->pairs[i].value);
			(void)fputs(", ", to);
		}
		(void)fputs("}", to);
		break;
	case YAML_LIST:
		(void)fprintf(to, "[@%u:%u ", n->where.line, n->where.column);
		for (size_t i = 0; i < n->n; i++) {
			show(to, n->items[i]);
			(void)fputs(", ", to);
		}
		(void)fputs("]", to);
		break;
	}
}

static void test_tree(void **state)
{
	static const struct {
		const char *text, *want, *why;
	} t[] = {
		{ "", "~@1:1", "empty" },
		{ "# x\n", "~@1:1", "comment" },
		{ "---\n...\n", "~@1:1", "empty document" },
		{ "a", "a@1:1+1", "only a scalar" },
		{ "a: b", "{@1:1 a@1:1+1: b@1:4+1, }", "no newline" },
		{ "ab:  cde\n", "{@1:1 ab@1:1+2: cde@1:6+3, }", "spaces" },
		{ "a:\n  b: c\n", "{@1:1 a@1:1+1: {@2:3 b@2:3+1: c@2:6+1, }, }", "nested" },
		{ "a: \"b c\"\n", "{@1:1 a@1:1+1: \"b c\"@1:5+3, }", "the place is inside the quotes" },
		{ "'a': ''\n", "{@1:1 \"a\"@1:2+1: \"\"@1:7+1, }", "empty quotes" },
		{ "a:\nb: ~\nc: null\nd: \"null\"\n", "{@1:1 a@1:1+1: ~@1:1, b@2:1+1: ~@2:4, c@3:1+1: ~@3:4, d@4:1+1: \"null\"@4:5+4, }",
		  "nothing has the place of its key" },
		{ "- a\n- [b, {c: d}]\n", "[@1:1 a@1:3+1, [@2:3 b@2:4+1, {@2:7 c@2:8+1: d@2:11+1, }, ], ]", "lists" },
		{ "{a, b: }", "{@1:1 a@1:2+1: ~@1:2, b@1:5+1: ~@1:5, }", "flow mapping without values" },
		{ "\xc3\xa4: \xc3\xb6\xc3\xbc\n", "{@1:1 \xc3\xa4@1:1+1: \xc3\xb6\xc3\xbc@1:4+2, }", "characters, not bytes" },
		{ "a: b\r\nc: d\r\n", "{@1:1 a@1:1+1: b@1:4+1, c@2:1+1: d@2:4+1, }", "CR LF" },
		{ "\xef\xbb\xbf" "a: b", "{@1:1 a@1:1+1: b@1:4+1, }", "byte order mark" },
		{ "a: !!str 5\n", "{@1:1 a@1:1+1: \"5\"@1:10+1, }", "tag of the core" },
		{ "%YAML 1.1\n---\na: b\n", "{@3:1 a@3:1+1: b@3:4+1, }", "YAML 1.1" },
		{ "~: x", "{@1:1 ~@1:1+1: x@1:4+1, }", "a key is always text" },
		{ "a: b # c\n", "{@1:1 a@1:1+1: b@1:4+1, }", "comment behind" },
		{ "m: 52:54:00:12:34:56", "{@1:1 m@1:1+1: 52:54:00:12:34:56@1:4+17, }", "colons" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(freep) char *got = NULL;
		size_t n;
		const struct yaml_node *root = yaml_read("f", t[i].text, strlen(t[i].text), arena, report);

		if (!root || report_n(report) > 0)
			fail_msg("%s: refused: %s", t[i].why, report_n(report) ? report_get(report, 0)->what : "?");
		FILE *f = open_memstream(&got, &n);
		show(f, root);
		(void)fclose(f);
		if (strcmp(got, t[i].want) != 0)
			fail_msg("%s: %s", t[i].why, got);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned int line, column;
		const char *in_what, *why;
	} t[] = {
		{ "a: &x 1\n", 1, 5, "anchors", "anchor on a scalar" },
		{ "a: &x [1]\n", 1, 5, "anchors", "on a list" },
		{ "&x a: 1\n", 1, 2, "anchors", "on a key" },
		{ "a: &x {b: 1}\n", 1, 5, "anchors", "on a mapping" },
		{ "a: *x\n", 1, 5, "aliases", "alias" },
		{ "<<: *x\n", 1, 6, "aliases", "merge" },
		{ "a: !x 1\n", 1, 4, "tag", "local tag" },
		{ "a: !!binary aGk=\n", 1, 4, "tag", "a tag beyond the core" },
		{ "a: !!set {}\n", 1, 4, "tag", "on a mapping" },
		{ "a: 1\n---\nb: 2\n", 2, 1, "second document", "second document" },
		{ "a: 1\n...\nb: 2\n", 3, 1, "second document", "implicit second document" },
		{ "a: [1\n", 2, 1, "not YAML", "open list" },
		{ "a: \"x\n", 1, 5, "not YAML", "open quote" },
		{ "a:\n\tb: 1\n", 2, 1, "tab", "tab" },
		{ "a: b: c\n", 1, 5, "not YAML", "two colons" },
		{ "a: \x01\n", 1, 4, "U+0001", "control character" },
		{ "a:\nb: \x7f\n", 2, 4, "U+007F", "DEL" },
		{ "a: \xc2\x85\n", 1, 4, "U+0085", "C1" },
		{ "a: \xff\n", 1, 4, "0xff isn't UTF-8", "not UTF-8" },
		{ "a: \xed\xa0\x80\n", 1, 4, "0xed isn't UTF-8", "surrogate" },
		{ "a: \xc0\xaf\n", 1, 4, "0xc0 isn't UTF-8", "overlong" },
		{ "\xc3\xa4: \xc3", 1, 4, "0xc3 isn't UTF-8", "cut short" },
		{ "a: b\xef\xbb\xbf\n", 1, 5, "U+FEFF", "byte order mark in the middle" },
		{ "a: \"\\x01\"\n", 1, 5, "control character", "escaped control character" },
		{ "a: \"\\0\"\n", 1, 5, "control character", "escaped zero" },
		{ "a: |\n  x\n", 2, 1, "line break", "block scalar" },
		{ "[a]: b\n", 1, 1, "key must be text", "list as a key" },
		{ "? {a: b}\n: c\n", 1, 3, "key must be text", "mapping as a key" },
		{ "a: 1\na: 2\n", 2, 1, "twice", "duplicate" },
		{ "a: 1\n\"a\": 2\n", 2, 2, "twice", "duplicate in quotes" },
		{ "[[[[[[[[[[[[[[[[[", 1, 17, "16 levels", "depth" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		_cleanup_(report_freep) struct report *report = report_new();

		(void)yaml_read("f", t[i].text, strlen(t[i].text), arena, report);
		if (report_n_errors(report) != 1)
			fail_msg("%s: %zu errors", t[i].why, report_n_errors(report));
		const struct finding *f = report_get(report, 0);
		if (f->where.line != t[i].line || f->where.column != t[i].column || !strstr(f->what, t[i].in_what))
			fail_msg("%s: %u:%u: %s", t[i].why, f->where.line, f->where.column, f->what);
	}
}

static void test_duplicates(void **state)
{
	static const char text[] = "n:\n  lan: {mode: nat, mode: x}\n  b: [{c: 1, c: 2}]\n  lan:\nn: 1\n";
	static const char *const keys[] = { "n.lan.mode", "n.b.c", "n.lan", "n" };
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(report_freep) struct report *report = report_new();
	const struct yaml_node *root = yaml_read("f", text, strlen(text), arena, report);

	(void)state;
	assert_non_null(root);
	report_sort(report);
	assert_int_equal(report_n(report), ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_string_equal(report_get(report, i)->key, keys[i]);
	assert_int_equal(root->n, 1);		/* the first stays */
	assert_int_equal(root->pairs[0].value->n, 2);
}

static void test_limits(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(report_freep) struct report *report = report_new();
	size_t n = 2 * (YAML_NODES_MAX + 10);
	_cleanup_(freep) char *text = xcalloc(n + 2, 1);

	(void)state;
	text[0] = '[';
	for (size_t i = 0; i < n; i += 2)
		memcpy(text + 1 + i, "a,", 2);
	text[n] = ']';
	assert_null(yaml_read("f", text, strlen(text), arena, report));
	assert_int_equal(report_n_errors(report), 1);
	assert_non_null(strstr(report_get(report, 0)->what, "100000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
