/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model_host - judge a host that stdin describes; for tests/netns
 *
 * stdin: {"ifs":[{"index","name","tunnel","prefer_temporary"}],
 *  "addrs":[{"address","len","index","scope","secondary","deprecated","temporary","tentative","home","peer"}],
 *  "routes":[{"dst":"PREFIX","kind":"unicast|local|reject","gateway","src","index","metric","scope","local_table"}],
 *  "gai_conf":FILE,"destinations":[…]}; lists in the kernel's order.
 * stdout: [{"address","source"}], best first.
 */
#undef NDEBUG
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include "addrsel/order.h"
#include "addrsel/policy.h"
#include "addrsel/source.h"

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static uint32_t number(const json_t *o, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void read_host(const json_t *root, struct addrsel_host *host)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(root, "ifs"), i, v) {
		struct addrsel_if interface = { .index = number(v, "index"), .tunnel = is(v, "tunnel"),
						.prefer_temporary = is(v, "prefer_temporary") };

		(void)str_copy(interface.name, sizeof(interface.name), text(v, "name"));
		interface.loopback = str_eq(interface.name, "lo");
		addrsel_host_add_if(host, &interface);
	}
	json_array_foreach(json_object_get(root, "addrs"), i, v) {
		struct addrsel_addr addr = { .len = (uint8_t)number(v, "len"), .index = number(v, "index"),
					     .scope = (uint8_t)number(v, "scope"), .secondary = is(v, "secondary"),
					     .deprecated = is(v, "deprecated"), .temporary = is(v, "temporary"),
					     .tentative = is(v, "tentative"), .home = is(v, "home") };

		assert(ip_parse(text(v, "address"), &addr.ip));
		if (text(v, "peer"))
			assert(ip_parse(text(v, "peer"), &addr.peer));
		addrsel_host_add_addr(host, &addr);
	}
	json_array_foreach(json_object_get(root, "routes"), i, v) {
		const char *kind = text(v, "kind");
		struct addrsel_route route = { .index = number(v, "index"), .metric = number(v, "metric"),
					       .scope = (uint8_t)number(v, "scope"), .local_table = is(v, "local_table"),
					       .kind = str_eq(kind, "local")  ? ADDRSEL_ROUTE_LOCAL :
						       str_eq(kind, "reject") ? ADDRSEL_ROUTE_REJECT :
										ADDRSEL_ROUTE_UNICAST };

		assert(prefix_parse(text(v, "dst"), &route.dst));
		if (text(v, "gateway"))
			assert(ip_parse(text(v, "gateway"), &route.gateway));
		if (text(v, "src"))
			assert(ip_parse(text(v, "src"), &route.src));
		addrsel_host_add_route(host, &route);
	}
}

static struct policy *read_policy(const char *path)
{
	static char buf[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n;

	assert(f);
	n = fread(buf, 1, sizeof(buf), f);
	(void)fclose(f);
	return policy_parse(buf, n, path, NULL);
}

int main(void)
{
	json_error_t error;
	json_t *root = json_loadf(stdin, 0, &error), *list = json_object_get(root, "destinations"), *answer = json_array(), *v;
	_cleanup_(addrsel_host_freep) struct addrsel_host *host = addrsel_host_new();
	size_t i, n = json_array_size(list);
	struct addrsel_dest *dests = xcalloc(n + 1, sizeof(*dests));
	size_t *order = xcalloc(n + 1, sizeof(*order));

	assert(root);
	read_host(root, host);
	_cleanup_(policy_freep) struct policy *policy = read_policy(text(root, "gai_conf"));
	json_array_foreach(list, i, v)
		assert(ip_parse(json_string_value(v), &dests[i].ip));
	addrsel_host_resolve(host, dests, n);
	addrsel_sort(policy, dests, n, order);
	for (i = 0; i < n; i++) {
		const struct addrsel_dest *d = &dests[order[i]];

		(void)json_array_append_new(answer, json_pack("{s:s, s:s*}", "address", IP_STR(&d->ip), "source",
							      ip_is_set(&d->source) ? IP_STR(&d->source) : NULL));
	}
	(void)json_dumpf(answer, stdout, 0);
	json_decref(answer);
	json_decref(root);
	free(dests);
	free(order);
	return 0;
}
