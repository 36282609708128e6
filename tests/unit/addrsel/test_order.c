/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cases.h"

/* Every recorded answer of glibc: sources and order. */
static void test_recorded_answers(void **state)
{
	json_t *root = cases_load(), *v;
	size_t i, n = 0;
	(void)state;

	json_array_foreach(json_object_get(root, "cases"), i, v) {
		struct a_case c;
		size_t order[CASE_DESTS_MAX];

		case_open(v, &c);
		addrsel_sort(c.policy, c.dests, c.n_dests, order);
		for (size_t k = 0; k < c.n_dests; k++) {
			const struct addrsel_dest *d = &c.dests[order[k]];
			const char *ip = json_string_value(json_array_get(c.order, k));
			const char *source = json_string_value(json_object_get(c.sources, IP_STR(&d->ip)));

			if (!str_eq(IP_STR(&d->ip), ip) ||
			    !str_eq(ip_is_set(&d->source) ? IP_STR(&d->source) : NULL, source))
				fail_msg("%s: rank %zu is %s from %s, glibc says %s from %s", c.name, k + 1, IP_STR(&d->ip),
					 IP_STR(&d->source), ip, source ? source : "nothing");
		}
		case_close(&c);
		n++;
	}
	json_decref(root);
	assert_int_equal(n, 39);
}

/* Destinations with everything given, so that each rule can be told alone. */
static void test_rules(void **state)
{
	static const struct {
		const char *why;
		const char *a, *a_source, *b, *b_source;
		const char *gai;
		bool a_deprecated, b_home, a_tunnel;
		uint8_t len;
		enum addrsel_rule rule;
		bool b_first;
	} t[] = {
		{ .why = "no source", .a = "2001:db8::1", .b = "192.0.2.1", .b_source = "192.0.2.2", .b_first = true,
		  .rule = ADDRSEL_RULE_UNUSABLE },
		{ .why = "both unusable: precedence", .a = "192.0.2.1", .b = "2001:db8::1", .b_first = true,
		  .rule = ADDRSEL_RULE_PRECEDENCE },
		{ .why = "link-local source for a global destination", .a = "2001:db8::1", .a_source = "fe80::1",
		  .b = "192.0.2.1", .b_source = "192.0.2.2", .b_first = true, .rule = ADDRSEL_RULE_SCOPE },
		{ .why = "deprecated source", .a = "2001:db8::1", .a_source = "2001:db8::2", .a_deprecated = true,
		  .b = "192.0.2.1", .b_source = "192.0.2.2", .b_first = true, .rule = ADDRSEL_RULE_DEPRECATED },
		{ .why = "home address", .a = "2001:db8::1", .a_source = "2001:db8::2", .b = "2001:db8:1::1",
		  .b_source = "2001:db8:1::2", .b_home = true, .b_first = true, .rule = ADDRSEL_RULE_HOME },
		{ .why = "label of a ULA", .a = "2001:db8::1", .a_source = "fd00::2", .b = "192.0.2.1",
		  .b_source = "192.0.2.2", .b_first = true, .rule = ADDRSEL_RULE_LABEL },
		{ .why = "precedence", .a = "192.0.2.1", .a_source = "192.0.2.2", .b = "2001:db8::1",
		  .b_source = "2001:db8::2", .b_first = true, .rule = ADDRSEL_RULE_PRECEDENCE },
		{ .why = "tunnel", .a = "2001:db8::1", .a_source = "2001:db8::2", .a_tunnel = true, .b = "2001:db8:1::1",
		  .b_source = "2001:db8:1::2", .b_first = true, .rule = ADDRSEL_RULE_NATIVE },
		{ .why = "smaller scope, both matching", .a = "192.0.2.1", .a_source = "192.0.2.2", .b = "169.254.1.1",
		  .b_source = "169.254.1.2", .b_first = true, .rule = ADDRSEL_RULE_SMALLER_SCOPE },
		{ .why = "longer prefix, IPv6", .a = "2001:db8:8000::1", .a_source = "2001:db8::2", .b = "2001:db8:1::1",
		  .b_source = "2001:db8::2", .b_first = true, .rule = ADDRSEL_RULE_PREFIX },
		{ .why = "own subnet, IPv4", .a = "192.0.3.1", .a_source = "192.0.2.2", .b = "192.0.2.1",
		  .b_source = "192.0.2.2", .len = 24, .b_first = true, .rule = ADDRSEL_RULE_PREFIX },
		{ .why = "nearer, but outside the subnet: doesn't count", .a = "198.51.100.1", .a_source = "192.0.2.2",
		  .b = "192.0.3.1", .b_source = "192.0.2.2", .len = 24, .rule = ADDRSEL_RULE_ORDER },
		{ .why = "prefix length not learned: only itself is its subnet", .a = "192.0.3.1",
		  .a_source = "192.0.2.2", .b = "192.0.2.1", .b_source = "192.0.2.2", .rule = ADDRSEL_RULE_ORDER },
		{ .why = "nothing else", .a = "2001:db8::1", .a_source = "2001:db8::2", .b = "2001:db8::1",
		  .b_source = "2001:db8::2", .rule = ADDRSEL_RULE_ORDER },
		{ .why = "a scopev4 line makes the IPv4 source's scope smaller", .a = "192.0.2.1",
		  .a_source = "192.168.0.2", .b = "2001:db8::1", .b_source = "fd00::2", .b_first = true,
		  .gai = "scopev4 192.168.0.0/16 5\n", .rule = ADDRSEL_RULE_SCOPE },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct addrsel_dest d[2] = { { .source_len = t[i].len, .deprecated = t[i].a_deprecated,
					       .native = !t[i].a_tunnel, .index = t[i].a_tunnel ? 3 : 2 },
					     { .source_len = t[i].len, .home = t[i].b_home, .native = true, .index = 2 } };
		struct policy *policy = policy_parse(t[i].gai, t[i].gai ? strlen(t[i].gai) : 0, "gai.conf", NULL);
		enum addrsel_rule rule;
		size_t order[2];

		assert_true(ip_parse(t[i].a, &d[0].ip) && ip_parse(t[i].b, &d[1].ip));
		assert_true(!t[i].a_source || ip_parse(t[i].a_source, &d[0].source));
		assert_true(!t[i].b_source || ip_parse(t[i].b_source, &d[1].source));
		addrsel_sort(policy, d, 2, order);
		(void)addrsel_compare(&d[0], &d[1], &rule);
		if (order[0] != t[i].b_first || rule != t[i].rule)
			fail_msg("%s: %s first by rule %d", t[i].why, order[0] ? t[i].b : t[i].a, (int)rule);
		policy_free(policy);
	}
}

/* What glibc learns of a source: the host without IPv6, a peer's address, and equal addresses. */
static void test_learn(void **state)
{
	struct addrsel_ifaddr v4 = { .addr.s6_addr = { [10] = 0xff, 0xff, 192, 0, 2, 2 }, .index = 2, .len = 24,
				     .native = true };
	struct addrsel_ifaddr two[] = { v4, { .addr.s6_addr = { 0xfe, 0x80, [15] = 1 }, .index = 3, .len = 64 } };
	struct addrsel_ifaddr lo[] = { { .addr.s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 }, .index = 1, .len = 8 }, two[1] };
	struct addrsel_dest d[2] = { 0 };
	(void)state;

	assert_true(ip_parse("192.0.2.9", &d[0].ip) && ip_parse("192.0.2.2", &d[0].source));
	addrsel_learn(d, 1, &v4, 1);
	assert_int_equal(d[0].index, ADDRSEL_NO_INDEX);	/* no IPv6 on the host: nothing is learned */
	assert_int_equal(d[0].source_len, 0);
	addrsel_learn(d, 1, two, 2);
	assert_int_equal(d[0].index, 2);
	assert_int_equal(d[0].source_len, 24);
	assert_true(ip_parse("192.0.2.3", &d[0].source));
	addrsel_learn(d, 1, two, 2);
	assert_int_equal(d[0].index, ADDRSEL_NO_INDEX);

	/* 127.0.0.2 is looked up as 127.0.0.1, until an IPv6 destination has been seen */
	assert_true(ip_parse("127.0.0.2", &d[0].ip) && ip_parse("127.0.0.2", &d[0].source));
	addrsel_learn(d, 1, lo, 2);
	assert_int_equal(d[0].index, 1);
	d[1] = d[0];
	assert_true(ip_parse("2001:db8::1", &d[0].ip));
	d[0].source = (struct ip){ 0 };
	addrsel_learn(d, 2, lo, 2);
	assert_int_equal(d[1].index, ADDRSEL_NO_INDEX);
}

/* IPv4 and IPv6 of equal precedence make the rules circular; the outcome is that of glibc's merge sort. */
static void test_circular(void **state)
{
	static const char *const dst[] = { "2001:db8:8000::1", "192.0.2.1", "2001:db8:1::1" };
	static const char gai[] = "precedence ::/0 40\n";
	struct policy *policy = policy_parse(gai, sizeof(gai) - 1, "gai.conf", NULL);
	struct addrsel_dest d[3] = { 0 };
	size_t order[3];
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		assert_true(ip_parse(dst[i], &d[i].ip));
		assert_true(ip_parse(i == 1 ? "192.0.2.2" : "2001:db8::2", &d[i].source));
		d[i].index = 2;
	}
	addrsel_sort(policy, d, 3, order);
	assert_true(addrsel_compare(&d[0], &d[1], NULL) < 0 && addrsel_compare(&d[1], &d[2], NULL) < 0);
	assert_true(addrsel_compare(&d[2], &d[0], NULL) < 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(order[i], i);	/* {0} and {1, 2}: 0 before 1, and 2 is never compared with 0 */
	policy_free(policy);
}

static void test_many(void **state)
{
	enum { N = 10000 };
	struct addrsel_dest *d = xcalloc(N, sizeof(*d));
	size_t *order = xcalloc(N, sizeof(*order));
	struct policy *policy = policy_parse(NULL, 0, "gai.conf", NULL);
	(void)state;

	for (uint32_t i = 0; i < N; i++) {
		d[i].ip = (struct ip){ .family = AF_INET6, .b = { 0x20, 1, 0xd, 0xb8, (uint8_t)(i >> 8), (uint8_t)i } };
		d[i].source = (struct ip){ .family = AF_INET6, .b = { 0x20, 1, 0xd, 0xb8 } };
	}
	addrsel_sort(policy, d, N, order);
	for (size_t i = 0; i + 1 < N; i++)
		assert_true(addrsel_compare(&d[order[i]], &d[order[i + 1]], NULL) < 0);
	free(d);
	free(order);
	policy_free(policy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_answers), cmocka_unit_test(test_rules),	  cmocka_unit_test(test_learn),
		cmocka_unit_test(test_circular),	 cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
