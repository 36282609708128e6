/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "addrsel/policy.h"

static int32_t ask(const struct policy *policy, enum policy_kind kind, const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	switch (kind) {
	case POLICY_LABEL:
		return policy_label(policy, &ip);
	case POLICY_PRECEDENCE:
		return policy_precedence(policy, &ip);
	case POLICY_SCOPE:
		return policy_scope(policy, &ip);
	case POLICY_KIND_N_:
		break;
	}
	return -1;
}

/* One address, one number, for each text; measured with glibc 2.36 where the why says so. */
static void test_lines(void **state)
{
	static const struct {
		const char *why, *text;
		enum policy_kind kind;
		const char *ip;
		int32_t value;
	} t[] = {
		{ "no file: ULA", NULL, POLICY_LABEL, "fd00::1", 6 },
		{ "no file: Teredo", NULL, POLICY_LABEL, "2001::1", 7 },
		{ "no file: next to Teredo", NULL, POLICY_LABEL, "2001:1::1", 1 },
		{ "no file: 6to4", NULL, POLICY_LABEL, "2002::1", 2 },
		{ "no file: loopback", NULL, POLICY_LABEL, "::1", 0 },
		{ "no file: compatible", NULL, POLICY_LABEL, "::2", 3 },
		{ "no file: IPv4 is mapped", NULL, POLICY_LABEL, "192.0.2.1", 4 },
		{ "no file: mapped", NULL, POLICY_LABEL, "::ffff:192.0.2.1", 4 },
		{ "no file: site-local", NULL, POLICY_LABEL, "fec0::1", 5 },
		{ "no file: precedences", NULL, POLICY_PRECEDENCE, "::1", 50 },
		{ "no file: precedences", NULL, POLICY_PRECEDENCE, "2001:db8::1", 40 },
		{ "no file: precedences", NULL, POLICY_PRECEDENCE, "2002::1", 30 },
		{ "no file: precedences", NULL, POLICY_PRECEDENCE, "::2", 20 },
		{ "no file: precedences", NULL, POLICY_PRECEDENCE, "10.0.0.1", 10 },
		{ "no file: scopes", NULL, POLICY_SCOPE, "169.254.1.1", 2 },
		{ "no file: scopes", NULL, POLICY_SCOPE, "127.9.9.9", 2 },
		{ "no file: private is global", NULL, POLICY_SCOPE, "10.0.0.1", 14 },
		{ "scope of loopback", NULL, POLICY_SCOPE, "::1", 2 },
		{ "scope of link-local", NULL, POLICY_SCOPE, "fe80::1", 2 },
		{ "scope of site-local", NULL, POLICY_SCOPE, "fec0::1", 5 },
		{ "scope of ULA", NULL, POLICY_SCOPE, "fd00::1", 14 },
		{ "scope of multicast", NULL, POLICY_SCOPE, "ff05::1", 5 },
		{ "scope of mapped link-local", NULL, POLICY_SCOPE, "::ffff:169.254.1.1", 14 },
		{ "one line drops the others: ::/0 1 is added", "label fd00::/8 9\n", POLICY_LABEL, "192.0.2.1", 1 },
		{ "and leaves precedences", "label fd00::/8 9\n", POLICY_PRECEDENCE, "192.0.2.1", 10 },
		{ "one precedence drops the others: ::/0 40", "precedence fd00::/8 9\n", POLICY_PRECEDENCE, "192.0.2.1", 40 },
		{ "one scope drops the others", "scopev4 10.0.0.0/8 5\n", POLICY_SCOPE, "169.254.1.1", 14 },
		{ "scope in IPv4 form", "scopev4 10.0.0.0/8 5\n", POLICY_SCOPE, "10.9.9.9", 5 },
		{ "scope in mapped form", "scopev4 ::ffff:10.0.0.0/104 5\n", POLICY_SCOPE, "10.9.9.9", 5 },
		{ "scope of a real IPv6 prefix is ignored", "scopev4 fd00::/104 5\n", POLICY_SCOPE, "10.9.9.9", 14 },
		{ "scope shorter than the mapped prefix", "scopev4 ::ffff:0.0.0.0/95 5\n", POLICY_SCOPE, "10.9.9.9", 14 },
		{ "scope, IPv4, too long", "scopev4 10.0.0.0/33 5\n", POLICY_SCOPE, "10.9.9.9", 14 },
		{ "own ::/0", "label ::/0 7\n", POLICY_LABEL, "192.0.2.1", 7 },
		{ "longest prefix wins, whatever the order", "label fd00::/8 1\nlabel fd12::/16 2\nlabel fc00::/7 3\n",
		  POLICY_LABEL, "fd12::1", 2 },
		{ "the same prefix twice: the first", "label fd00::/8 1\nlabel fd00::/8 6\n", POLICY_LABEL, "fd00::1", 1 },
		{ "also with other host bits", "label fd00::7/8 1\nlabel fd01::/8 6\n", POLICY_LABEL, "fd00::1", 1 },
		{ "host bits don't count", "label fd00::1/8 1\n", POLICY_LABEL, "fdff::1", 1 },
		{ "length not on a byte", "label 2001:db8::/29 9\n", POLICY_LABEL, "2001:dbf::1", 9 },
		{ "length not on a byte", "label 2001:db8::/29 9\n", POLICY_LABEL, "2001:dc0::1", 1 },
		{ "all 128", "label 2001:db8::1/128 9\n", POLICY_LABEL, "2001:db8::1", 9 },
		{ "all 128", "label 2001:db8::1/128 9\n", POLICY_LABEL, "2001:db8::2", 1 },
		{ "a mapped line is for IPv4", "label ::ffff:10.0.0.0/104 9\n", POLICY_LABEL, "10.1.1.1", 9 },
		{ "plain IPv4 isn't taken by label", "label 10.0.0.0/8 9\n", POLICY_LABEL, "10.1.1.1", 4 },
		{ "keywords are case sensitive", "LABEL fd00::/8 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "commented out", "#label fd00::/8 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "comment cuts the value short", "label fd00::/8 1# 6\n", POLICY_LABEL, "fd00::1", 1 },
		{ "comment before the value: 0", "label fd00::/8 #1\n", POLICY_LABEL, "fd00::1", 0 },
		{ "no value is 0", "label fd00::/8\n", POLICY_LABEL, "fd00::1", 0 },
		{ "no length after the slash is 0", "label fd00::/ 9\n", POLICY_LABEL, "2001:db8::1", 9 },
		{ "no slash: ignored (measured)", "label fd00::1 9\n", POLICY_LABEL, "fd00::1", 6 },
		{ "words after the value", "label fd00::/8 1 2 3\n", POLICY_LABEL, "fd00::1", 1 },
		{ "blanks, tabs, form feeds", "\t label\v fd00::/8\f1\n", POLICY_LABEL, "fd00::1", 1 },
		{ "CR LF", "label fd00::/8 1\r\n", POLICY_LABEL, "fd00::1", 1 },
		{ "no newline at the end", "label fd00::/8 1", POLICY_LABEL, "fd00::1", 1 },
		{ "a sign", "label fd00::/+8 +1\n", POLICY_LABEL, "fd00::1", 1 },
		{ "minus one isn't a length", "label fd00::/-1 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "minus 2^64 - 8 is 8", "label fd00::/-18446744073709551608 1\n", POLICY_LABEL, "fd00::1", 1 },
		{ "too long", "label fd00::/129 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "hexadecimal", "label fd00::/0x8 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "octal isn't", "label fd00::/010 011\n", POLICY_LABEL, "fd00::1", 11 },
		{ "largest value", "label fd00::/8 2147483647\n", POLICY_LABEL, "fd00::1", INT32_MAX },
		{ "beyond it", "label fd00::/8 2147483648\n", POLICY_LABEL, "fd00::1", 6 },
		{ "overflow", "label fd00::/8 99999999999999999999\n", POLICY_LABEL, "fd00::1", 6 },
		{ "garbage after the value", "label fd00::/8 1x\n", POLICY_LABEL, "fd00::1", 6 },
		{ "garbage after the length", "label fd00::/8x 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "not an address", "label fd00:::/8 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "another keyword", "labels fd00::/8 1\n", POLICY_LABEL, "fd00::1", 6 },
		{ "the keyword alone", "label\n", POLICY_LABEL, "fd00::1", 6 },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		size_t len = t[i].text ? strlen(t[i].text) : 0;
		struct report *report = report_new();
		struct policy *policy = policy_parse(t[i].text, len, "gai.conf", report);
		int32_t v = ask(policy, t[i].kind, t[i].ip);

		if (v != t[i].value)
			fail_msg("%s: %s is %d, not %d", t[i].why, t[i].ip, v, t[i].value);
		assert_int_equal(report_n_errors(report), 0);
		policy_free(policy);
		report_free(report);
	}
}

static void test_bytes(void **state)
{
	static const char nul[] = "label fd00::/8 9\0 8\nlabel fd12::/16 3\0\nlabel\0 fc00::/7 2\n";
	struct policy *policy = policy_parse(nul, sizeof(nul) - 1, "gai.conf", NULL);
	char *far = malloc(300100);
	(void)state;

	assert_int_equal(ask(policy, POLICY_LABEL, "fd00::1"), 9);	/* a NUL ends the line's content */
	assert_int_equal(ask(policy, POLICY_LABEL, "fd12::1"), 3);
	assert_int_equal(ask(policy, POLICY_LABEL, "fc00::1"), 1);
	policy_free(policy);

	assert_non_null(far);	/* words 100 KB apart */
	memset(far, ' ', 300100);
	memcpy(far, "label", 5);
	memcpy(far + 100000, "fd00::/8", 8);
	memcpy(far + 200000, "1", 1);
	memset(far + 250000, 'x', 50000);
	policy = policy_parse(far, 300100, "gai.conf", NULL);
	assert_int_equal(ask(policy, POLICY_LABEL, "fd00::1"), 1);
	policy_free(policy);
	free(far);
}

static void test_reload(void **state)
{
	static const struct {
		const char *text;
		bool reload;
	} t[] = { { "reload yes\n", true }, { "reload no\n", false }, { "reload yes\nreload\n", false },
		  { "reload YES\n", false }, { "", false } };
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct policy *policy = policy_parse(t[i].text, strlen(t[i].text), "gai.conf", NULL);

		assert_int_equal(policy->reload, t[i].reload);
		policy_free(policy);
	}
}

/* What deserves a warning gets one, with its place; what is fine gets none. */
static void test_warnings(void **state)
{
	static const struct {
		const char *text;
		unsigned int line, column;
		const char *part;
	} t[] = {
		{ "label fd00::/8 1\nprecedence ::/0 40 # fine\n\n# fine\nreload yes\n", 0, 0, NULL },
		{ "\n LABEL fd00::/8 1\n", 2, 2, "ignores" },
		{ "label fd00::1 1\n", 1, 7, "length" },
		{ "scopev4 10.0.0.1 5\n", 1, 9, "crashes" },
		{ "label fd00::/8\n", 1, 7, "0" },
		{ "label fd00::/129 1\n", 1, 7, "ignores" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct report *report = report_new();
		struct policy *policy = policy_parse(t[i].text, strlen(t[i].text), "gai.conf", report);

		assert_int_equal(report_n(report), t[i].part != NULL);
		if (t[i].part) {
			const struct finding *f = report_get(report, 0);

			assert_int_equal(f->where.line, t[i].line);
			assert_int_equal(f->where.column, t[i].column);
			assert_non_null(strstr(f->what, t[i].part));
		}
		policy_free(policy);
		report_free(report);
	}
}

static void test_many_warnings(void **state)
{
	struct report *report = report_new();
	struct policy *policy;
	char text[2000];
	(void)state;

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 2);
	policy = policy_parse(text, sizeof(text), "gai.conf", report);
	assert_in_range(report_n(report), 2, 10);
	policy_free(policy);
	report_free(report);
}

static void test_with(void **state)
{
	struct policy_entry entry = { .prefix.s6_addr = { 0xfd }, .len = 8, .value = 1 };
	struct policy_entry mapped = { .prefix.s6_addr = { [10] = 0xff, 0xff }, .len = 96, .value = 45 };
	struct policy *policy = policy_parse(NULL, 0, "gai.conf", NULL), *with, *both;
	char line[POLICY_LINE_MAX];
	(void)state;

	with = policy_with(policy, POLICY_LABEL, &entry);
	assert_int_equal(with->tables[POLICY_LABEL].n, 9);	/* glibc's own are spelled out */
	assert_true(with->tables[POLICY_LABEL].custom && !with->tables[POLICY_PRECEDENCE].custom);
	assert_int_equal(ask(with, POLICY_LABEL, "fd00::1"), 1);
	assert_int_equal(ask(with, POLICY_LABEL, "fc00::1"), 6);
	assert_int_equal(ask(with, POLICY_LABEL, "192.0.2.1"), 4);
	assert_string_equal(policy_entry_text(POLICY_LABEL, &with->tables[POLICY_LABEL].entries[7], 0, line),
			    "label 2001:0::/32 7");
	assert_string_equal(policy_entry_text(POLICY_LABEL, &with->tables[POLICY_LABEL].entries[8], 0, line),
			    "label fd00::/8 1");
	both = policy_with(with, POLICY_PRECEDENCE, &mapped);
	assert_int_equal(both->tables[POLICY_PRECEDENCE].n, 5);	/* replaced where it stands */
	assert_int_equal(ask(both, POLICY_PRECEDENCE, "192.0.2.1"), 45);
	assert_int_equal(ask(both, POLICY_PRECEDENCE, "::1"), 50);
	policy_free(both);
	policy_free(with);
	policy_free(policy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	 cmocka_unit_test(test_bytes),	       cmocka_unit_test(test_reload),
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_many_warnings), cmocka_unit_test(test_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
