/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cases - addrsel_cases.json as hosts and destinations
 *
 * Answers of a real glibc 2.36 in a network namespace with one interface: see
 * "method" in the file.
 */
#pragma once
#include <assert.h>
#include <jansson.h>
#include "addrsel/order.h"
#include "addrsel/policy.h"
#include "addrsel/source.h"

#define CASE_DESTS_MAX 8

struct a_case {
	const char *name;
	struct policy *policy;
	struct addrsel_host *host;
	struct addrsel_dest dests[CASE_DESTS_MAX];
	size_t n_dests;
	json_t *order, *sources;	/* borrowed */
};

static inline bool in_list(const json_t *list, const char *s)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)list, i, v)
		if (str_eq(json_string_value(v), s))
			return true;
	return false;
}

static inline void case_open(const json_t *json, struct a_case *ret)
{
	const char *gai = json_string_value(json_object_get(json, "gai_conf"));
	bool route[2] = { json_is_true(json_object_get(json, "default_route4")),
			  json_is_true(json_object_get(json, "default_route6")) };
	bool have[2] = { false, false };
	size_t i;
	json_t *v;

	*ret = (struct a_case){ .name = json_string_value(json_object_get(json, "name")),
				.policy = policy_parse(gai, gai ? strlen(gai) : 0, "gai.conf", NULL),
				.host = addrsel_host_new(),
				.order = json_object_get(json, "result_order"),
				.sources = json_object_get(json, "sources_chosen") };
	addrsel_host_add_loopback(ret->host);
	addrsel_host_add_if(ret->host, &(struct addrsel_if){ .index = 2, .name = "eth0" });
	json_array_foreach(json_object_get(json, "sources"), i, v) {
		struct addrsel_addr addr = { .index = 2 };

		assert(ip_parse(json_string_value(v), &addr.ip));
		addr.len = addr.ip.family == AF_INET6 ? 64 : 24;
		addr.deprecated = in_list(json_object_get(json, "deprecated"), json_string_value(v));
		addrsel_host_assign(ret->host, &addr);
		have[addr.ip.family == AF_INET6] = true;
	}
	for (int six = 0; six < 2; six++)
		if (have[six] && route[six])
			addrsel_host_add_route(ret->host, &(struct addrsel_route){
								  .dst.ip.family = six ? AF_INET6 : AF_INET,
								  .index = 2,
								  .metric = 1024,
								  .scope = 253 });
	json_array_foreach(json_object_get(json, "destinations"), i, v) {
		assert(ret->n_dests < CASE_DESTS_MAX);
		assert(ip_parse(json_string_value(v), &ret->dests[ret->n_dests++].ip));
	}
	addrsel_host_resolve(ret->host, ret->dests, ret->n_dests);
}

static inline void case_close(struct a_case *c)
{
	policy_free(c->policy);
	addrsel_host_free(c->host);
}

static inline json_t *cases_load(void)
{
	json_error_t error;
	json_t *root = json_load_file(ADDRSEL_CASES, 0, &error);

	if (!root)
		(void)fprintf(stderr, "%s: %s\n", ADDRSEL_CASES, error.text);
	assert(root);
	return root;
}
