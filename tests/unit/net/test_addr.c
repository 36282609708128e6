/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/addr.h"

static struct ip ip(const char *s)
{
	struct ip v = { 0 };

	if (!ip_parse(s, &v))
		fail_msg("\"%s\" isn't an address", s);
	return v;
}

static struct prefix prefix(const char *s)
{
	struct prefix p;

	if (!prefix_parse(s, &p))
		fail_msg("\"%s\" isn't a prefix", s);
	return p;
}

static void test_mac(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "52:54:00:12:34:56", "52:54:00:12:34:56" }, { "52-54-00-AB-cd-Ef", "52:54:00:ab:cd:ef" },
		{ "00:00:00:00:00:00", "00:00:00:00:00:00" }, { "52:54:00:12:34:5", NULL },
		{ "52:54:00:12:34:567", NULL },		      { "52:54:00-12:34:56", NULL },
		{ "52-54:00:12:34:56", NULL },		      { "g2:54:00:12:34:56", NULL },
		{ "525400123456", NULL },		      { "", NULL },
		{ "52 54 00 12 34 56", NULL },		      { "52:54:00:12:34: 6", NULL },
		{ "52:54:00:12:34:+6", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mac m;
		bool good = mac_parse(t[i].text, &m);

		if (good != (t[i].want != NULL) || (good && strcmp(MAC_STR(&m), t[i].want) != 0))
			fail_msg("\"%s\": %s", t[i].text, good ? MAC_STR(&m) : "refused");
	}
	const struct mac zero = { { 0 } }, all = { { 255, 255, 255, 255, 255, 255 } }, one = { { 0x52, 0x54 } };
	assert_true(mac_is_zero(&zero) && !mac_is_zero(&one));
	assert_true(mac_is_multicast(&all) && !mac_is_multicast(&one) && !mac_is_multicast(&zero));
	assert_true(mac_eq(&one, &one) && !mac_eq(&one, &zero));
}

static void test_ip_text(void **state)
{
	static const struct {
		const char *text, *want, *why;
	} t[] = {
		{ "192.168.150.1", "192.168.150.1", "IPv4" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "RFC 5952: the first of two equal runs" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "RFC 5952: one zero isn't shortened" },
		{ "0:0:0:0:0:0:0:0", "::", "unspecified" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", "mapped" },
		{ "192.168.150.01", NULL, "leading zero: octal to some" },
		{ "192.168.150", NULL, "three parts" },
		{ "192.168.150.1 ", NULL, "space" },
		{ "192.168.150.256", NULL, "256" },
		{ "0x7f.1", NULL, "inet_aton's other forms" },
		{ "1:2:3:4:5:6:7", NULL, "seven groups" },
		{ "1::2::3", NULL, "two gaps" },
		{ "fe80::1%eth0", NULL, "a zone isn't part of it" },
		{ "12345::", NULL, "five digits" },
		{ "", NULL, "nothing" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee", NULL, "far too long" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ip v;
		bool good = ip_parse(t[i].text, &v);

		if (good != (t[i].want != NULL) || (good && strcmp(IP_STR(&v), t[i].want) != 0))
			fail_msg("%s: %s", t[i].why, good ? IP_STR(&v) : "refused");
	}
	assert_string_equal(IP_STR(&(struct ip){ 0 }), "-");
}

static void test_prefix_text(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "192.168.150.1/24", "192.168.150.1/24" }, { "0.0.0.0/0", "0.0.0.0/0" },     { "::1/128", "::1/128" },
		{ "192.168.150.1/33", NULL },		    { "::/129", NULL },		      { "192.168.150.1", NULL },
		{ "192.168.150.1/", NULL },		    { "192.168.150.1/ 24", NULL },    { "192.168.150.1/-1", NULL },
		{ "192.168.150.1/024", NULL },		    { "192.168.150.1/24/24", NULL },  { "/24", NULL },
		{ "::/4294967360", NULL },		    { "10.0.0.1/255.0.0.0", NULL },   { "::/00", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct prefix p;
		bool good = prefix_parse(t[i].text, &p);

		if (good != (t[i].want != NULL) || (good && strcmp(PREFIX_STR(&p), t[i].want) != 0))
			fail_msg("\"%s\": %s", t[i].text, good ? PREFIX_STR(&p) : "refused");
	}
}

static void test_range(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t size;
	} t[] = {
		{ "10.0.0.1-10.0.0.10", true, 10 },
		{ "10.0.0.1-10.0.0.1", true, 1 },
		{ "0.0.0.0-255.255.255.255", true, UINT64_C(1) << 32 },
		{ "fd00::100-fd00::1ff", true, 256 },
		{ "fd00::-fd00::ffff:ffff:ffff:fffe", true, UINT64_MAX },
		{ "fd00::-fd00::ffff:ffff:ffff:ffff", true, UINT64_MAX },
		{ "fd00::-fd01::", true, UINT64_MAX },
		{ "10.0.0.2-10.0.0.1", false, 0 },
		{ "10.0.0.1-fd00::1", false, 0 },
		{ "10.0.0.1", false, 0 },
		{ "10.0.0.1-", false, 0 },
		{ "-10.0.0.1", false, 0 },
		{ "10.0.0.1-10", false, 0 },
		{ "10.0.0.1 - 10.0.0.2", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ip_range r;

		if (range_parse(t[i].text, &r) != t[i].good || (t[i].good && range_size(&r) != t[i].size))
			fail_msg("\"%s\"", t[i].text);
	}
	const struct ip_range r = { ip("10.0.0.5"), ip("10.0.0.9") }, none = { 0 };
	const struct ip in = ip("10.0.0.5"), last = ip("10.0.0.9"), before = ip("10.0.0.4"), other = ip("a00:5::"), unset = { 0 };
	assert_true(range_contains(&r, &in) && range_contains(&r, &last));
	assert_false(range_contains(&r, &before) || range_contains(&r, &other) || range_contains(&r, &unset));
	assert_false(range_contains(&none, &unset) || range_contains(&none, &in));
	assert_int_equal(range_size(&none), 0);
}

static void test_kinds(void **state)
{
	enum { UNSPEC = 1, MULTI = 2, LL = 4, LOOP = 8, ULA = 16, PRIVATE = 32, GLOBAL = 64 };
	static const struct {
		const char *text;
		int is;
	} t[] = {
		{ "0.0.0.0", UNSPEC },	   { "::", UNSPEC },		{ "224.0.0.1", MULTI },	     { "239.255.255.255", MULTI },
		{ "240.0.0.1", 0 },	   { "255.255.255.255", 0 },	{ "ff02::1", MULTI },	     { "169.254.0.1", LL },
		{ "fe80::1", LL },	   { "febf::1", LL },		{ "fec0::1", GLOBAL },	     { "127.0.0.1", LOOP },
		{ "127.255.0.1", LOOP },   { "::1", LOOP },		{ "fc00::1", ULA },	     { "fdff::1", ULA },
		{ "10.1.2.3", PRIVATE },   { "172.15.0.1", GLOBAL },	{ "172.16.0.1", PRIVATE },   { "172.31.255.255", PRIVATE },
		{ "172.32.0.1", GLOBAL },  { "192.168.0.1", PRIVATE },	{ "100.64.0.1", PRIVATE },   { "100.127.0.1", PRIVATE },
		{ "100.128.0.1", GLOBAL }, { "198.51.100.2", GLOBAL },	{ "2001:db8::1", GLOBAL },   { "0.1.2.3", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct ip v = ip(t[i].text);
		int is = (ip_is_unspecified(&v) ? UNSPEC : 0) | (ip_is_multicast(&v) ? MULTI : 0) |
			 (ip_is_link_local(&v) ? LL : 0) | (ip_is_loopback(&v) ? LOOP : 0) | (ip_is_ula(&v) ? ULA : 0) |
			 (ip_is_private4(&v) ? PRIVATE : 0) | (ip_is_global(&v) ? GLOBAL : 0);

		if (is != t[i].is)
			fail_msg("%s: %d, not %d", t[i].text, is, t[i].is);
		assert_true(ip_is_set(&v));
	}
	const struct ip unset = { 0 };
	assert_false(ip_is_set(&unset) || ip_is_global(&unset) || ip_is_multicast(&unset));
}

static void test_sums(void **state)
{
	static const struct {
		const char *a;
		uint64_t n;
		const char *sum;
		bool wraps;
	} t[] = {
		{ "10.0.0.255", 1, "10.0.1.0", false },
		{ "10.0.0.0", 0, "10.0.0.0", false },
		{ "255.255.255.255", 1, "0.0.0.0", true },
		{ "0.0.0.0", UINT32_MAX, "255.255.255.255", false },
		{ "fd00::ffff", 1, "fd00::1:0", false },
		{ "fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::", false },
		{ "fd00::1", UINT64_MAX, "fd00:0:0:1::", false },
		{ "fd00::ffff:ffff:ffff:ffff", UINT64_MAX, "fd00::1:ffff:ffff:ffff:fffe", false },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, "::", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct ip a = ip(t[i].a), sum = ip_add(&a, t[i].n);

		if (strcmp(IP_STR(&sum), t[i].sum) != 0)
			fail_msg("%s + %" PRIu64 ": %s", t[i].a, t[i].n, IP_STR(&sum));
		if (!t[i].wraps)
			assert_true(ip_distance(&a, &sum) == t[i].n);
	}
	const struct ip a = ip("fd00::2"), b = ip("fd00::1"), c = ip("10.0.0.1"), far = ip("fd01::");
	assert_true(ip_distance(&a, &b) == UINT64_MAX && ip_distance(&a, &c) == UINT64_MAX && ip_distance(&a, &far) == UINT64_MAX);
}

static void test_order(void **state)
{
	const struct ip a = ip("10.0.0.1"), b = ip("10.0.0.2"), c = ip("::1"), unset = { 0 };
	struct ip dirty = a;

	(void)state;
	memset(&dirty.b[4], 0xff, 12);		/* what is behind an IPv4 address doesn't count */
	assert_true(ip_eq(&a, &dirty) && ip_cmp(&a, &b) < 0 && ip_cmp(&b, &a) > 0);
	assert_true(ip_cmp(&a, &c) < 0 && ip_cmp(&unset, &a) < 0 && ip_eq(&unset, &unset));
	assert_int_equal(ip_bits(&a), 32);
	assert_int_equal(ip_bits(&c), 128);
	assert_int_equal(ip_bits(&unset), 0);
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix, *network, *last, *in, *out;
	} t[] = {
		{ "192.168.150.1/24", "192.168.150.0", "192.168.150.255", "192.168.150.77", "192.168.151.1" },
		{ "10.1.2.3/8", "10.0.0.0", "10.255.255.255", "10.255.0.1", "11.0.0.0" },
		{ "10.1.2.3/31", "10.1.2.2", "10.1.2.3", "10.1.2.2", "10.1.2.4" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3", "10.1.2.3", "10.1.2.2" },
		{ "10.1.2.3/0", "0.0.0.0", "255.255.255.255", "200.0.0.1", "::" },
		{ "10.1.130.3/23", "10.1.130.0", "10.1.131.255", "10.1.131.1", "10.1.132.0" },
		{ "fd00:1::5/64", "fd00:1::", "fd00:1::ffff:ffff:ffff:ffff", "fd00:1::9", "fd00:1:0:1::" },
		{ "fd00::5/65", "fd00::", "fd00::7fff:ffff:ffff:ffff", "fd00::1", "fd00::8000:0:0:0" },
		{ "::1/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "abcd::", "1.2.3.4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct prefix p = prefix(t[i].prefix);
		const struct ip network = prefix_network(&p), last = prefix_last(&p), in = ip(t[i].in), out = ip(t[i].out);

		assert_string_equal(IP_STR(&network), t[i].network);
		assert_string_equal(IP_STR(&last), t[i].last);
		if (!prefix_contains(&p, &in) || prefix_contains(&p, &out) || !prefix_contains(&p, &last))
			fail_msg("%s", t[i].prefix);
	}
	const struct prefix none = { 0 };
	const struct ip unset = { 0 };
	assert_false(prefix_contains(&none, &unset));
	assert_false(prefix_overlaps(&none, &none));
}

static void test_overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap, eq;
	} t[] = {
		{ "10.0.0.1/24", "10.0.0.2/24", true, false },	 { "10.0.0.1/24", "10.0.0.1/24", true, true },
		{ "10.0.0.1/24", "10.0.1.1/24", false, false },	 { "10.0.0.1/8", "10.200.0.1/16", true, false },
		{ "10.0.0.1/25", "10.0.0.129/25", false, false }, { "0.0.0.0/0", "1.2.3.4/32", true, false },
		{ "0.0.0.0/0", "::/0", false, false },		 { "fd00::/64", "fd00::1/128", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct prefix a = prefix(t[i].a), b = prefix(t[i].b);

		if (prefix_overlaps(&a, &b) != t[i].overlap || prefix_overlaps(&b, &a) != t[i].overlap ||
		    prefix_eq(&a, &b) != t[i].eq)
			fail_msg("%s, %s", t[i].a, t[i].b);
	}
}

/* RFC 4291 2.7.1 and appendix A, RFC 2464 7. */
static void test_derived(void **state)
{
	const struct mac mac = { { 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde } };
	const struct ip prefix64 = ip("2001:db8:1:2::"), target = ip("4037::1:800:200e:8c6c");
	const uint8_t seed[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	const struct ip eui64 = ip6(ip6_eui64(&prefix64.v6, &mac));
	assert_string_equal(IP_STR(&eui64), "2001:db8:1:2:3656:78ff:fe9a:bcde");
	const struct ip group = ip6(ip6_solicited_node(&target.v6));
	assert_string_equal(IP_STR(&group), "ff02::1:ff0e:8c6c");
	const struct mac m = mac_of_multicast6(&group.v6), derived = mac_from_seed(seed);
	assert_string_equal(MAC_STR(&m), "33:33:ff:0e:8c:6c");
	assert_string_equal(MAC_STR(&derived), "52:54:00:01:02:03");
	const struct ip ula = ip6(ula_from_seed(seed));
	assert_string_equal(IP_STR(&ula), "fd01:203:405:607::");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac),	 cmocka_unit_test(test_ip_text), cmocka_unit_test(test_prefix_text),
		cmocka_unit_test(test_range),	 cmocka_unit_test(test_kinds),	 cmocka_unit_test(test_sums),
		cmocka_unit_test(test_order),	 cmocka_unit_test(test_prefixes), cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_derived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
