/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/report.h"

static char *printed(struct report *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	report_print(r, f, false);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_print(void **state)
{
	static const struct {
		const char *text;
		struct where where;
		unsigned int skip;
		const char *hint, *want, *why;
	} t[] = {
		{ "a: b\n", { "f", 1, 4, 1 }, 0, NULL, "f:1:4: error: k: w\n   1 │ a: b\n     │    ^\n", "plain" },
		{ "a: bcd", { "f", 1, 4, 3 }, 0, "h", "f:1:4: error: k: w\n   1 │ a: bcd\n     │    ^~~ h\n", "hint, no newline" },
		{ "x\na: b/33\n", { "f", 2, 4, 2 }, 2, NULL, "f:2:4: error: k: w\n   2 │ a: b/33\n     │      ^~\n", "part of it" },
		{ "\xc3\xa4: \xc3\xb6y z\n", { "f", 1, 4, 2 }, 0, NULL, "f:1:4: error: k: w\n   1 │ \xc3\xa4: \xc3\xb6y z\n     │    ^~\n",
		  "columns are characters" },
		{ "a: b\r\nc: d\r\n", { "f", 2, 4, 1 }, 0, NULL, "f:2:4: error: k: w\n   2 │ c: d\n     │    ^\n", "CR LF" },
		{ "a: b\rc: d\r", { "f", 2, 4, 1 }, 0, NULL, "f:2:4: error: k: w\n   2 │ c: d\n     │    ^\n", "CR alone" },
		{ "\xef\xbb\xbf" "a: b", { "f", 1, 4, 1 }, 0, NULL, "f:1:4: error: k: w\n   1 │ a: b\n     │    ^\n", "byte order mark" },
		{ "a: \x1b[31m\x7f\t|\n", { "f", 1, 4, 1 }, 0, NULL, "f:1:4: error: k: w\n   1 │ a: ?[31m? |\n     │    ^\n", "no escapes" },
		{ "a: \xc2\x9b\xe2\x80\xae" "b\xff\n", { "f", 1, 4, 99 }, 0, NULL,
		  "f:1:4: error: k: w\n   1 │ a: ??b?\n     │    ^~~~\n", "C1, bidi, not UTF-8, width too large" },
		{ "ab\n", { "f", 1, 3, 5 }, 0, NULL, "f:1:3: error: k: w\n   1 │ ab\n     │   ^\n", "just behind the end" },
		{ "ab\n", { "f", 1, 9, 1 }, 0, NULL, "f:1:9: error: k: w\n", "beyond the line" },
		{ "ab\n", { "f", 7, 1, 1 }, 0, "h", "f:7:1: error: k: w\n     │ h\n", "no such line, the hint stays" },
		{ "ab\n", { "g", 1, 1, 1 }, 0, NULL, "g:1:1: error: k: w\n", "no such source" },
		{ "ab\n", { "f", 0, 1, 1 }, 0, NULL, "sixtap: f: k: w\n", "no place in the file" },
		{ "ab\n", { NULL, 3, 1, 1 }, 0, NULL, "sixtap: k: w\n", "no file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(report_freep) struct report *r = report_new();

		report_source(r, "f", t[i].text, strlen(t[i].text));
		struct finding *f = report_add(r, SEVERITY_ERROR, &t[i].where, "k", "w");
		if (t[i].skip)
			report_caret(f, t[i].skip, t[i].where.width);
		if (t[i].hint)
			report_hint(f, "%s", t[i].hint);
		_cleanup_(freep) char *text = printed(r);
		if (strcmp(text, t[i].want) != 0)
			fail_msg("%s: printed\n%s", t[i].why, text);
	}
}

static void test_long_line(void **state)
{
	char line[2001];
	_cleanup_(report_freep) struct report *r = report_new();

	(void)state;
	for (size_t i = 0; i < sizeof(line) - 1; i++)
		line[i] = (char)('a' + i % 26);
	line[2000] = '\0';
	report_source(r, "f", line, 2000);
	report_add(r, SEVERITY_ERROR, &(struct where){ "f", 1, 1001, 3 }, NULL, "w");
	_cleanup_(freep) char *text = printed(r);
	char *caret = strchr(text, '^'), *shown = strstr(text, "   1 │ …");
	assert_non_null(caret);
	assert_non_null(shown);
	assert_true(strlen(text) < 500);
	/* Column 1001 is line[1000]; both lines start with the same 7 columns, the first in 9 bytes of which "…" has 3. */
	const char *second = strchr(shown, '\n') + 1;
	size_t column = (size_t)(caret - second) - strlen("     │ ");
	assert_int_equal(shown[strlen("   1 │ ") + strlen("…") + column - 1], line[1000]);
}

static void test_order(void **state)
{
	static const char want[] = "sixtap: first\nsixtap: k: second\na:2:1: warning: w\na:10:1: error: w\na:10:2: error: w; x\n"
				   "a:10:2: note: again\nb:1:1: error: w\n";
	_cleanup_(report_freep) struct report *r = report_new();

	(void)state;
	report_add(r, SEVERITY_ERROR, &(struct where){ "b", 1, 1, 1 }, NULL, "w");
	report_help(report_add(r, SEVERITY_ERROR, &(struct where){ "a", 10, 2, 1 }, NULL, "w"), "%s", "x");
	report_error(r, NULL, "first");
	report_add(r, SEVERITY_ERROR, &(struct where){ "a", 10, 1, 1 }, NULL, "w");
	report_add(r, SEVERITY_WARNING, &(struct where){ "a", 2, 1, 1 }, NULL, "w");
	report_add(r, SEVERITY_INFO, &(struct where){ "a", 10, 2, 1 }, NULL, "again");
	report_error(r, "k", "second");
	_cleanup_(freep) char *text = printed(r);
	assert_string_equal(text, want);
	assert_int_equal(report_n(r), 7);
	assert_int_equal(report_n_errors(r), 5);
}

static void test_exit_status(void **state)
{
	_cleanup_(report_freep) struct report *r = report_new();

	(void)state;
	assert_int_equal(report_exit_status(r), 0);
	report_add(r, SEVERITY_WARNING, &(struct where){ "a", 1, 1, 1 }, NULL, "w");
	assert_int_equal(report_exit_status(r), 0);
	report_error(r, NULL, "e");
	assert_int_equal(report_exit_status(r), 1);
	report_add(r, SEVERITY_ERROR, &(struct where){ "a", 1, 1, 1 }, NULL, "w");
	assert_int_equal(report_exit_status(r), 2);
	report_error(r, NULL, "e")->exit_status = 3;
	assert_int_equal(report_exit_status(r), 3);
	/* Where 1 is an answer, a failure is something else; what is wrong with the question stays so. */
	_cleanup_(report_freep) struct report *other = report_new();
	report_add(other, SEVERITY_ERROR, &(struct where){ "a", 0, 0, 0 }, NULL, "e")->exit_status = 2;
	report_error(other, NULL, "e");
	report_set_failed(other, 125);
	assert_int_equal(report_get(other, 0)->exit_status, 2);
	assert_int_equal(report_exit_status(other), 125);
}

/* The answer of the daemon, printed by the command, reads as if it had been found there. */
static void test_json_round_trip(void **state)
{
	_cleanup_(report_freep) struct report *a = report_new(), *b = report_new();

	(void)state;
	struct finding *f = report_add(a, SEVERITY_ERROR, &(struct where){ "x.yaml", 3, 4, 5 }, "networks.lan", "bad %d", 1);
	report_help(f, "good");
	report_hint(f, "hint");
	report_caret(f, 2, 7);
	report_add(a, SEVERITY_WARNING, NULL, "k", "warn");
	report_error(a, NULL, "not \xff UTF-8 \xc3")->exit_status = 3;

	json_t *j = report_json(a);
	assert_int_equal(json_integer_value(json_object_get(j, "version")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "errors")), 3);
	const json_t *placed = json_array_get(json_object_get(j, "errors"), 2);
	assert_string_equal(json_string_value(json_object_get(placed, "file")), "x.yaml");
	assert_int_equal(json_integer_value(json_object_get(placed, "line")), 3);
	assert_int_equal(json_integer_value(json_object_get(placed, "column")), 4);
	assert_string_equal(json_string_value(json_object_get(placed, "key")), "networks.lan");
	assert_string_equal(json_string_value(json_object_get(placed, "what")), "bad 1");
	assert_string_equal(json_string_value(json_object_get(placed, "help")), "good");
	report_add_json(b, j);
	json_decref(j);

	assert_int_equal(report_n(b), 3);
	report_sort(a);
	report_sort(b);
	for (size_t i = 0; i < 3; i++) {
		const struct finding *x = report_get(a, i), *y = report_get(b, i);

		assert_int_equal(x->severity, y->severity);
		assert_int_equal(x->exit_status, y->exit_status);
		assert_int_equal(x->where.line, y->where.line);
		assert_int_equal(x->where.column, y->where.column);
		assert_int_equal(x->where.width, y->where.width);
		assert_int_equal(x->caret_skip, y->caret_skip);
		assert_true(str_eq(x->where.file, y->where.file));
		assert_true(str_eq(x->key, y->key));
		assert_true(str_eq(x->help, y->help));
		assert_true(str_eq(x->hint, y->hint));
	}
	assert_string_equal(report_get(b, 1)->what, "not ? UTF-8 ?");
}

static void test_json_hostile(void **state)
{
	static const char *const t[] = {
		"{}", "[]", "{\"errors\":7}", "{\"errors\":[7,null,\"x\"]}", "{\"errors\":[{}]}",
		"{\"errors\":[{\"file\":\"f\",\"line\":-1,\"column\":1e9,\"width\":99999999999,\"what\":7,\"severity\":\"?\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(report_freep) struct report *r = report_new();
		json_t *j = json_loads(t[i], 0, NULL);

		assert_non_null(j);
		report_add_json(r, j);
		json_decref(j);
		_cleanup_(freep) char *text = printed(r);
		assert_non_null(text);
	}
}

/* What was merged outlives where it came from (AddressSanitizer sees). */
static void test_merge(void **state)
{
	_cleanup_(report_freep) struct report *to = report_new();
	struct report *from = report_new();
	_cleanup_(freep) char *file = xstrdup("f.yaml");

	(void)state;
	report_source(from, file, "abc\n", 4);
	struct finding *f = report_add(from, SEVERITY_ERROR, &(struct where){ file, 1, 2, 1 }, "k", "w");
	report_help(f, "x");
	report_caret(f, 1, 1);
	memset(file, 'z', 6);
	json_t *j = json_loads("{\"errors\":[{\"file\":\"g\",\"line\":1,\"what\":\"v\"}]}", 0, NULL);
	report_add_json(from, j);
	json_decref(j);
	report_merge(to, from);
	report_free(from);
	_cleanup_(freep) char *text = printed(to);
	assert_string_equal(text, "f.yaml:1:2: error: k: w; x\n   1 │ abc\n     │   ^\ng:1:1: error: v\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_json_round_trip),
		cmocka_unit_test(test_json_hostile),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
