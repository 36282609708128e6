/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "addrsel/explain.h"
#include "cases.h"

static void test_sentences(void **state)
{
	static const struct {
		const char *why, *parts[4];
		size_t n;
		struct {
			const char *ip, *source;
			bool deprecated;
		} d[2];
	} t[] = {
		{ "label",
		  { "IPv4 comes first, decided by rule 5 (matching label): your fd12:8848:a2a2:1::74 has label 6 and "
		    "2a01:4f8:c0c:bd0a::1 has label 1; both IPv4 addresses have label 4. Precedence (rule 6: 40 against 10) "
		    "would have chosen IPv6, but rule 5 comes before it." },
		  2,
		  { { "2a01:4f8:c0c:bd0a::1", "fd12:8848:a2a2:1::74", false }, { "49.12.234.183", "192.168.122.154", false } } },
		{ "unusable", { "IPv4 comes first, decided by rule 1", "2001:db8::1 cannot be reached", "IPv6 route" }, 2,
		  { { "2001:db8::1", NULL, false }, { "192.0.2.1", "192.0.2.2", false } } },
		{ "scope", { "rule 2", "your fe80::2 has link scope and 2001:db8::1 has global scope" }, 2,
		  { { "2001:db8::1", "fe80::2", false }, { "192.0.2.1", "192.0.2.2", false } } },
		{ "deprecated", { "rule 3", "your 2001:db8::2 is deprecated" }, 2,
		  { { "2001:db8::1", "2001:db8::2", true }, { "192.0.2.1", "192.0.2.2", false } } },
		{ "precedence", { "IPv6 comes first, decided by rule 6", "2001:db8::1 has precedence 40, 192.0.2.1 has 10" }, 2,
		  { { "192.0.2.1", "192.0.2.2", false }, { "2001:db8::1", "2001:db8::2", false } } },
		{ "prefix", { "2001:db8:0:9::1 comes before 2a01::1, decided by rule 9", "shares 60 bits with your 2001:db8::2" }, 2,
		  { { "2a01::1", "2001:db8::2", false }, { "2001:db8:0:9::1", "2001:db8::2", false } } },
		{ "order", { "rule 10 (order unchanged)" }, 2,
		  { { "8.8.8.8", "192.0.2.2", false }, { "1.1.1.1", "192.0.2.2", false } } },
		{ "one", { "8.8.8.8 is the only destination; it is reached from 192.0.2.2." }, 1,
		  { { "8.8.8.8", "192.0.2.2", false } } },
		{ "one, unreachable", { "8.8.8.8 is the only destination, and it cannot be reached" }, 1,
		  { { "8.8.8.8", NULL, false } } },
	};
	struct policy *policy = policy_parse(NULL, 0, "gai.conf", NULL);
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct addrsel_dest d[2] = { 0 };
		size_t order[2];
		char *text;

		for (size_t k = 0; k < t[i].n; k++) {
			assert_true(ip_parse(t[i].d[k].ip, &d[k].ip));
			assert_true(!t[i].d[k].source || ip_parse(t[i].d[k].source, &d[k].source));
			d[k].deprecated = t[i].d[k].deprecated;
		}
		addrsel_sort(policy, d, t[i].n, order);
		text = addrsel_explain(d, order, t[i].n);
		for (size_t k = 0; k < 4 && t[i].parts[k]; k++)
			if (!strstr(text, t[i].parts[k]))
				fail_msg("%s: \"%s\" isn't in: %s", t[i].why, t[i].parts[k], text);
		free(text);
	}
	policy_free(policy);
}

/* Every recorded host has a sentence, and it never speaks of an address that isn't there. */
static void test_recorded(void **state)
{
	json_t *root = cases_load(), *v;
	size_t i;
	(void)state;

	json_array_foreach(json_object_get(root, "cases"), i, v) {
		struct a_case c;
		size_t order[CASE_DESTS_MAX];
		char *text;

		case_open(v, &c);
		addrsel_sort(c.policy, c.dests, c.n_dests, order);
		text = addrsel_explain(c.dests, order, c.n_dests);
		assert_non_null(strstr(text, "decided by rule "));
		if (strstr(text, " - ") || strstr(text, "your -"))
			fail_msg("%s: %s", c.name, text);
		free(text);
		case_close(&c);
	}
	json_decref(root);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_sentences), cmocka_unit_test(test_recorded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
