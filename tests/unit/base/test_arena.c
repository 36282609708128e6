/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/arena.h"

static void test_sizes(void **state)
{
	static const struct {
		size_t n, size;
		const char *why;
	} t[] = {
		{ 0, 8, "nothing, first" },
		{ 1, 1, "one byte" },
		{ 3, 5, "odd" },
		{ 1, 4096, "as large as the first block" },
		{ 1, 4097, "larger than it" },
		{ 1000, 1000, "larger than any block" },
		{ 1, 1, "small after large" },
	};
	_cleanup_(arena_freep) struct arena *a = arena_new();
	uint8_t *p[ARRAY_LEN(t)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		size_t n = t[i].n * t[i].size;

		p[i] = arena_alloc(a, t[i].n, t[i].size);
		if ((uintptr_t)p[i] % _Alignof(max_align_t) != 0)
			fail_msg("%s: not aligned", t[i].why);
		for (size_t k = 0; k < n; k++)
			if (p[i][k] != 0)
				fail_msg("%s: not zero", t[i].why);
		memset(p[i], (int)i + 1, n);
	}
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t k = 0; k < t[i].n * t[i].size; k++)
			if (p[i][k] != i + 1)
				fail_msg("%s: overlaps another", t[i].why);
}

static void test_many(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_new();
	char *first = arena_strdup(a, "first");

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		memset(arena_alloc(a, 1, 24), 0xff, 24);
	assert_string_equal(first, "first");
}

static void test_text(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_new();

	(void)state;
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "", 0), "");
	assert_string_equal(arena_printf(a, "%s/%d", "x", 7), "x/7");
}

static void test_grow(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_new();
	int *v = NULL;
	size_t n = 0, cap = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		ARENA_GROW(a, v, n, cap);
		v[n++] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
