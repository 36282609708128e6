/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "conf/text.h"

static void test_words(void **state)
{
	static const char *const yes[] = { "yes", "Yes", "YES", "true", "True", "on", "ON" };
	static const char *const no[] = { "no", "No", "false", "FALSE", "off", "Off" };
	static const char *const neither[] = { "", "y", "n", "1", "0", "yess", "auto", "~" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(text_is_true(yes[i]) && !text_is_false(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_true(text_is_false(no[i]) && !text_is_true(no[i]));
	for (size_t i = 0; i < ARRAY_LEN(neither); i++)
		assert_true(!text_is_false(neither[i]) && !text_is_true(neither[i]));
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t want;
	} t[] = {
		{ "0", true, 0 },   { "42", true, 42 },	 { "007", true, 7 },   { "18446744073709551615", true, UINT64_MAX },
		{ "", false, 0 },   { "-1", false, 0 },	 { "+1", false, 0 },   { "18446744073709551616", false, 0 },
		{ "1 ", false, 0 }, { "0x1", false, 0 }, { "1_000", false, 0 }, { "99999999999999999999999", false, 0 },
		{ "1.0", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t n = 0;

		if (text_number(t[i].text, &n) != t[i].good || n != t[i].want)
			fail_msg("\"%s\": %" PRIu64, t[i].text, n);
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t want;
		const char *back;
	} t[] = {
		{ "90", true, 90, "90s" },	 { "90s", true, 90, "90s" },	 { "1h", true, 3600, "1h" },
		{ "1h30m", true, 5400, "90m" },	 { "2d", true, 172800, "2d" },	 { "1w", true, 604800, "1w" },
		{ "0", true, 0, "0s" },		 { "", false, 0, NULL },	 { "h", false, 0, NULL },
		{ "1y", false, 0, NULL },	 { "1h ", false, 0, NULL },	 { "1h30", false, 0, NULL },
		{ "1.5h", false, 0, NULL },	 { "-1h", false, 0, NULL },	 { "1:30", false, 0, NULL },
		{ "18446744073709551615w", false, 0, NULL },
		{ "18446744073709551615s1s", false, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char buf[TEXT_DURATION_LEN];
		uint64_t s = 0;

		if (text_duration(t[i].text, &s) != t[i].good || (t[i].good && s != t[i].want))
			fail_msg("\"%s\": %" PRIu64, t[i].text, s);
		if (t[i].good)
			assert_string_equal(text_duration_format(s, buf), t[i].back);
	}
}

static void test_range(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t first, last;
	} t[] = {
		{ "80", true, 80, 80 },	    { "80-90", true, 80, 90 },	{ "65535", true, 65535, 65535 },
		{ "65536", false, 0, 0 },   { "0", false, 0, 0 },	{ "0-5", false, 0, 0 },
		{ "90-80", false, 0, 0 },   { "80-", false, 0, 0 },	{ "-80", false, 0, 0 },
		{ "80-90-", false, 0, 0 },  { "", false, 0, 0 },	{ "1-65536", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t first = 0, last = 0;

		if (text_range(t[i].text, 65535, &first, &last) != t[i].good || first != t[i].first || last != t[i].last)
			fail_msg("\"%s\": %" PRIu64 "-%" PRIu64, t[i].text, first, last);
	}
}

static void test_closest(void **state)
{
	static const char *const modes[] = { "nat", "routed", NULL, "isolated", "bridge", "macvtap", "hostdev" };
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "natt", "nat" },   { "nta", "nat" },	     { "NAT", "nat" },	{ "bridg", "bridge" }, { "brigde", "bridge" },
		{ "macvlan", "macvtap" }, { "islated", "isolated" }, { "", NULL },	{ "x", NULL },	       { "routers", "routed" },
		{ "completely-different-and-very-long-word", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const char *got = text_closest(t[i].text, modes, ARRAY_LEN(modes));

		if (!str_eq(got, t[i].want))
			fail_msg("\"%s\": %s", t[i].text, got ? got : "nothing");
	}
}

static void test_mac_guess(void **state)
{
	static const struct {
		const char *text, *want, *why;
	} t[] = {
		{ "41135085296", "52:54:00:12:34:56", "base 60" },
		{ "7776000000", "10:00:00:00:00:00", "the smallest with two digits" },
		{ "7775999999", NULL, "first byte would have one digit, YAML 1.1 writes it otherwise" },
		{ "77759999999", "99:59:59:59:59:59", "the largest" },
		{ "77760000000", NULL, "more than 99" },
		{ "525400123456", "52:54:00:12:34:56", "twelve digits are hex digits" },
		{ "525400abcdef", "52:54:00:ab:cd:ef", "no separators" },
		{ "5254.00ab.cdef", "52:54:00:ab:cd:ef", "in fours" },
		{ "52-54-0-ab-cd-ef", "52:54:00:ab:cd:ef", "a zero is missing" },
		{ "52:54:0:a:c:e", "52:54:00:0a:0c:0e", "as ifconfig of old" },
		{ "52:54:00:12:34", NULL, "five bytes" },
		{ "52:54:00:12:34:56:78", NULL, "seven bytes" },
		{ "52:54:00:12:34:5g", NULL, "not hex" },
		{ "52::00:12:34:56", NULL, "an empty byte" },
		{ "525:4:00:12:34:56", NULL, "three digits" },
		{ "525400abcde", NULL, "eleven digits" },
		{ "", NULL, "nothing" },
		{ ":::::", NULL, "only separators" },
		{ "18446744073709551616", NULL, "more than 64 bits" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mac mac;
		bool got = text_mac_guess(t[i].text, &mac);

		if (got != (t[i].want != NULL) || (got && strcmp(MAC_STR(&mac), t[i].want) != 0))
			fail_msg("%s: %s", t[i].why, got ? MAC_STR(&mac) : "nothing");
	}
}

static void test_sexagesimal(void **state)
{
	static const struct {
		uint64_t n;
		bool good;
		uint64_t a, b;
	} t[] = {
		{ 481342, true, 8022, 22 }, { 3233, true, 53, 53 }, { 60, false, 0, 0 }, { 59, false, 0, 0 },
		{ 61, true, 1, 1 },	    { 65535 * 60 + 59, true, 65535, 59 },	 { 65536 * 60 + 1, false, 0, 0 },
		{ UINT64_MAX, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t a = 0, b = 0;

		if (text_sexagesimal(t[i].n, &a, &b) != t[i].good || a != t[i].a || b != t[i].b)
			fail_msg("%" PRIu64 ": %" PRIu64 ":%" PRIu64, t[i].n, a, b);
	}
}

static void test_names(void **state)
{
	enum { IFNAME = 1, LABEL = 2, DOMAIN = 4, USER = 8 };
	static const struct {
		const char *text;
		int is;
	} t[] = {
		{ "lan", IFNAME | LABEL | DOMAIN | USER },
		{ "", 0 },
		{ ".", USER },
		{ "..", USER },
		{ "a.b", IFNAME | DOMAIN | USER },
		{ "a..b", IFNAME | USER },
		{ ".a", IFNAME | USER },
		{ "a.", IFNAME | USER },
		{ "eth0.100", IFNAME | DOMAIN | USER },
		{ "-x", IFNAME },
		{ "x-", IFNAME | USER },
		{ "Web", IFNAME | USER },
		{ "a/b", 0 },
		{ "a b", 0 },
		{ "a:b", 0 },
		{ "a%d", USER },
		{ "a_b", IFNAME | USER },
		{ "123456789012345", IFNAME | LABEL | DOMAIN },
		{ "1234567890123456", LABEL | DOMAIN },
		{ "a\xc3\xa4", 0 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", LABEL | DOMAIN | USER },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", USER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int is = (text_is_ifname(t[i].text) ? IFNAME : 0) | (text_is_label(t[i].text) ? LABEL : 0) |
			 (text_is_domain(t[i].text) ? DOMAIN : 0) | (text_is_user(t[i].text) ? USER : 0);

		if (is != t[i].is)
			fail_msg("\"%s\": %d, not %d", t[i].text, is, t[i].is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_number),  cmocka_unit_test(test_duration),
		cmocka_unit_test(test_range),	     cmocka_unit_test(test_closest), cmocka_unit_test(test_mac_guess),
		cmocka_unit_test(test_sexagesimal), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
