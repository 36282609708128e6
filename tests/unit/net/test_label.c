/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"

static void test_text(void **state)
{
	static const struct {
		const char *in, *want, *why;
	} table[] = {
		{ "web", "web", "plain" },
		{ "WEB-1", "web-1", "lower case" },
		{ "web.example.org", "web", "the first label of a longer name" },
		{ "1", "1", "digits may stand first, RFC 1123" },
		{ "", "", "empty" },
		{ ".web", "", "empty first label" },
		{ "-web", "", "hyphen first" },
		{ "web-", "", "hyphen last" },
		{ "we_b", "", "underscore" },
		{ "we b", "", "blank" },
		{ "we\x1b[31mb", "", "escape sequence" },
		{ "w\xc3\xa9", "", "not ASCII" },
		{ "012345678901234567890123456789012345678901234567890123456789012",
		  "012345678901234567890123456789012345678901234567890123456789012", "63 bytes" },
		{ "0123456789012345678901234567890123456789012345678901234567890123", "", "64 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char got[LABEL_STRLEN];
		bool ok = label_from_text((const uint8_t *)table[i].in, strlen(table[i].in), got);

		if (strcmp(got, table[i].want) != 0 || ok != (table[i].want[0] != '\0'))
			fail_msg("%s: \"%s\"", table[i].why, got);
	}
	char got[LABEL_STRLEN];
	assert_true(label_from_text((const uint8_t *)"web\0", 4, got));	/* some clients count the NUL */
	assert_string_equal(got, "web");
	assert_false(label_from_text((const uint8_t *)"w\0b\0", 4, got));
}

static void test_wire(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want, *why;
	} table[] = {
		{ "\3web", 4, "web", "a partial name, as RFC 4704 allows" },
		{ "\3WEB\3org\0", 9, "web", "whole name" },
		{ "\0", 1, "", "the root" },
		{ "", 0, "", "nothing" },
		{ "\4web", 4, "", "cut short" },
		{ "\xc0\x0c", 2, "", "compression" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char got[LABEL_STRLEN];

		(void)label_from_wire(rd_init(table[i].in, table[i].len), got);
		if (strcmp(got, table[i].want) != 0)
			fail_msg("%s: \"%s\"", table[i].why, got);
	}
}

static void test_put(void **state)
{
	uint8_t buf[64];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	label_put_name(&w, "lan.example");
	assert_true(wr_ok(&w));
	assert_int_equal(w.len, 13);
	assert_int_equal(label_name_size("lan.example"), 13);
	assert_memory_equal(buf, "\3lan\7example\0", 13);
	assert_int_equal(label_name_size("lan..example"), 0);
	assert_int_equal(label_name_size(""), 0);
	label_put_name(&w, "a..b");
	assert_false(wr_ok(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_wire),
					    cmocka_unit_test(test_put) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
