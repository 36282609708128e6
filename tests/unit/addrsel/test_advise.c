/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "addrsel/advise.h"
#include "cases.h"

static struct advice *advise(struct a_case *c, uint8_t family)
{
	struct addrsel_dest refs[ADDRSEL_REFERENCE_MAX];
	size_t n = addrsel_reference(refs);

	addrsel_host_resolve(c->host, refs, n);
	return addrsel_advise(c->policy, c->dests, c->n_dests, refs, n, family);
}

/* For every recorded host: the advice works, in an empty file and worked into the one there; or a reason is given. */
static void test_recorded_hosts(void **state)
{
	json_t *root = cases_load(), *v;
	size_t i, n_found = 0;
	(void)state;

	json_array_foreach(json_object_get(root, "cases"), i, v) {
		const char *gai = json_string_value(json_object_get(v, "gai_conf"));

		for (int six = 0; six < 2; six++) {
			struct a_case c;
			struct advice *a;
			size_t order[CASE_DESTS_MAX];
			uint8_t family = six ? AF_INET6 : AF_INET;

			case_open(v, &c);
			a = advise(&c, family);
			addrsel_sort(c.policy, c.dests, c.n_dests, order);
			if ((c.dests[order[0]].ip.family == family) != (a->outcome == ADVICE_NOT_NEEDED))
				fail_msg("%s: outcome %d", c.name, (int)a->outcome);
			if (a->outcome == ADVICE_IMPOSSIBLE)
				assert_non_null(a->why);
			for (int way = 0; a->outcome == ADVICE_FOUND && way < 2; way++) {
				size_t len;
				char *text = way ? advice_merge(a, c.policy, gai, gai ? strlen(gai) : 0, &len) :
						   advice_config(a->policy);
				struct policy *after = policy_parse(text, strlen(text), "gai.conf", NULL);

				addrsel_sort(after, c.dests, c.n_dests, order);
				if (c.dests[order[0]].ip.family != family)
					fail_msg("%s: way %d doesn't work:\n%s", c.name, way, text);
				policy_free(after);
				free(text);
				n_found++;
			}
			advice_free(a);
			case_close(&c);
		}
	}
	json_decref(root);
	assert_in_range(n_found, 40, 200);
}

static void test_impossible(void **state)
{
	static const struct {
		const char *source6;
		bool deprecated, route;
		const char *part;
	} t[] = {
		{ NULL, false, true, "cannot be reached" },
		{ "fd00::2", false, false, "cannot be reached" },
		{ "fd00::2", true, true, "deprecated" },
		{ "fe80::2", false, true, "link" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		json_t *json = json_pack("{s:s, s:[s], s:[s,s], s:b, s:b, s:[]}", "name", t[i].part, "sources", "192.0.2.2",
					 "destinations", "2001:db8::1", "198.51.100.1", "default_route4", 1, "default_route6",
					 (int)t[i].route, "deprecated");
		struct a_case c;
		struct advice *a;

		if (t[i].source6)
			(void)json_array_append_new(json_object_get(json, "sources"), json_string(t[i].source6));
		if (t[i].deprecated)
			(void)json_array_append_new(json_object_get(json, "deprecated"), json_string(t[i].source6));
		case_open(json, &c);
		a = advise(&c, AF_INET6);
		assert_int_equal(a->outcome, ADVICE_IMPOSSIBLE);
		if (!strstr(a->why, t[i].part))
			fail_msg("%s isn't in: %s", t[i].part, a->why);
		advice_free(a);
		case_close(&c);
		json_decref(json);
	}
}

/* The contract's example, to the letter. */
static void test_text(void **state)
{
	static const char before[] = "# mine\nprecedence ::ffff:0:0/96 100\r\nprecedence ::ffff:0:0/96 90\nprecedence ::/0 40\n"
				     "precedence ::1/128 150";
	json_t *root = cases_load();
	struct a_case c;
	struct advice *a;
	char *text;
	size_t len;
	(void)state;

	case_open(json_array_get(json_object_get(root, "cases"), 0), &c);
	a = advise(&c, AF_INET6);
	assert_int_equal(a->outcome, ADVICE_FOUND);
	text = advice_config(a->policy);
	assert_string_equal(text, "label ::1/128            0\nlabel ::/0               1\nlabel 2002::/16          2\n"
				  "label ::/96              3\nlabel ::ffff:0:0/96      4\nlabel fec0::/10          5\n"
				  "label fc00::/7           6\nlabel 2001:0::/32        7\n"
				  "label fd00::/8           1    # the change\n");
	free(text);
	text = advice_cloud_init(a->policy);
	assert_non_null(strstr(text, "#cloud-config\nwrite_files:\n- path: /etc/gai.conf\n"));
	assert_non_null(strstr(text, "\n    label fd00::/8           1"));
	free(text);
	advice_free(a);

	/* a file that prefers IPv4: its line gives way, both of them, and the rest stays */
	policy_free(c.policy);
	c.policy = policy_parse(before, sizeof(before) - 1, "gai.conf", NULL);
	a = advise(&c, AF_INET6);
	assert_int_equal(a->outcome, ADVICE_FOUND);
	text = advice_merge(a, c.policy, before, sizeof(before) - 1, &len);
	assert_int_equal(len, strlen(text));
	assert_non_null(strstr(text, "# mine\n# precedence ::ffff:0:0/96 100\r\n# precedence ::ffff:0:0/96 90\n"
				     "precedence ::/0 40\nprecedence ::1/128 150\n\n# sixtap"));
	assert_non_null(strstr(text, "\nlabel fd00::/8           1    # the change\n"));
	assert_non_null(strstr(text, "\nprecedence ::ffff:0:0/96      35\n"));
	free(text);
	advice_free(a);

	/* the same without a line for ::1: localhost, IPv4 first so far, must not turn too, so only global IPv6 rises */
	policy_free(c.policy);
	c.policy = policy_parse(before, sizeof(before) - 1 - strlen("precedence ::1/128 150"), "gai.conf", NULL);
	a = advise(&c, AF_INET6);
	assert_int_equal(a->outcome, ADVICE_FOUND);
	text = advice_config(a->policy);
	assert_non_null(strstr(text, "precedence 2000::/3           105    # the change\n"));
	free(text);
	advice_free(a);
	case_close(&c);
	json_decref(root);
}

/* 10,000 destinations: a sample stands for the rest, so that it ends. */
static void test_many(void **state)
{
	json_t *root = cases_load();
	enum { N = 10000 };
	struct addrsel_dest *d = xcalloc(N, sizeof(*d)), refs[ADDRSEL_REFERENCE_MAX];
	size_t n = addrsel_reference(refs);
	struct a_case c;
	struct advice *a;
	(void)state;

	case_open(json_array_get(json_object_get(root, "cases"), 0), &c);
	for (uint32_t i = 0; i < N; i++) {
		d[i].ip = c.dests[i % 2].ip;
		d[i].ip.b[3] = (uint8_t)i;
		d[i].ip.b[2] = (uint8_t)(i >> 8);
	}
	addrsel_host_resolve(c.host, d, N);
	addrsel_host_resolve(c.host, refs, n);
	a = addrsel_advise(c.policy, d, N, refs, n, AF_INET6);
	assert_int_equal(a->outcome, ADVICE_FOUND);
	advice_free(a);
	free(d);
	case_close(&c);
	json_decref(root);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_recorded_hosts), cmocka_unit_test(test_impossible),
						   cmocka_unit_test(test_text), cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
