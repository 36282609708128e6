/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rd and wr: what fits is exact, what doesn't fit is bad for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void test_read(void **state)
{
	struct rd r = rd_init(bytes, sizeof(bytes));
	uint8_t two[2];

	(void)state;
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_be16(&r), 0x0203);
	assert_int_equal(rd_be32(&r), 0x04050607);
	assert_true(rd_ok(&r));
	assert_int_equal(r.left, 1);

	struct rd copy = r;
	rd_copy(&copy, two, 2);
	assert_false(rd_ok(&copy));
	assert_int_equal(two[0] | two[1], 0);
	assert_true(rd_ok(&r));		/* a copy is a try */
	assert_int_equal(rd_u8(&r), 8);
	assert_true(rd_ok(&r));
}

static void test_read_past_end(void **state)
{
	static const struct {
		size_t have, skip;
		const char *why;
	} t[] = {
		{ 0, 0, "empty" },
		{ 1, 0, "one of two bytes" },
		{ 8, 7, "last byte" },
		{ 8, 9, "skip past the end" },
		{ 8, SIZE_MAX, "skip overflows" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rd r = rd_init(bytes, t[i].have);

		(void)rd_take(&r, t[i].skip);
		if (rd_be16(&r) != 0 || rd_ok(&r) || r.left != 0)
			fail_msg("%s: not bad", t[i].why);
		if (rd_u8(&r) != 0 || rd_take(&r, 0) || rd_ok(&r))
			fail_msg("%s: became good again", t[i].why);
	}
}

static void test_sub(void **state)
{
	struct rd r = rd_init(bytes, sizeof(bytes));
	struct rd sub = rd_sub(&r, 3);

	(void)state;
	assert_int_equal(rd_be16(&sub), 0x0102);
	assert_int_equal(rd_be16(&sub), 0);	/* sees only its own */
	assert_false(rd_ok(&sub));
	assert_true(rd_ok(&r));
	assert_int_equal(rd_u8(&r), 4);

	struct rd none = rd_sub(&r, 0);
	assert_true(rd_ok(&none));
	assert_int_equal(none.left, 0);

	struct rd big = rd_sub(&r, 5);
	assert_false(rd_ok(&big));
	assert_false(rd_ok(&r));
	assert_int_equal(rd_u8(&big), 0);
}

static void test_write(void **state)
{
	uint8_t buf[8];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	memset(buf, 0xee, sizeof(buf));
	wr_u8(&w, 1);
	wr_be16(&w, 0x0203);
	assert_non_null(wr_skip(&w, 1));
	wr_be32(&w, 0x05060708);
	assert_true(wr_ok(&w));
	assert_int_equal(w.len, 8);
	wr_patch_be16(&w, 0, 0xabcd);
	assert_memory_equal(buf, ((uint8_t[]){ 0xab, 0xcd, 3, 0, 5, 6, 7, 8 }), 8);
	wr_u8(&w, 9);
	assert_false(wr_ok(&w));
	assert_int_equal(w.len, 8);
}

static void test_write_overflow(void **state)
{
	uint8_t buf[4] = { 0 };
	struct wr w = wr_init(buf, 3), none = wr_init(NULL, 0);

	(void)state;
	wr_be32(&w, 0xffffffff);	/* not a part of it */
	wr_u8(&w, 0xff);		/* and nothing afterwards, though it would fit */
	assert_false(wr_ok(&w));
	assert_memory_equal(buf, ((uint8_t[4]){ 0 }), 4);
	assert_null(wr_skip(&none, 1));
	assert_false(wr_ok(&none));
}

static void test_patch_bounds(void **state)
{
	static const struct {
		size_t at;
		int written;
		const char *why;
	} t[] = {
		{ 2, 1, "the last two" },
		{ 3, 0, "one past" },
		{ 4, 0, "at the end" },
		{ SIZE_MAX, 0, "at + 2 wraps" },
		{ SIZE_MAX - 1, 0, "at + 2 wraps to 0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t buf[16] = { 0 }, want[16] = { 0 };
		struct wr w = wr_init(buf + 4, 8);

		(void)wr_skip(&w, 4);
		wr_patch_be16(&w, t[i].at, 0xffff);
		if (t[i].written)
			memset(want + 4 + t[i].at, 0xff, 2);
		if (memcmp(buf, want, sizeof(buf)) != 0)
			fail_msg("%s", t[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_past_end),
		cmocka_unit_test(test_sub),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_overflow),
		cmocka_unit_test(test_patch_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
