/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_show - a configuration and a world as JSON, to a plan on paper
 *
 *   plan_show [--ruleset|--json|--full|--ascii] CONFIG.yaml [WORLD.json]
 *
 * Prints what `plan` would: findings, ops, and with --ruleset the nft text that
 * loads both tables. The world's JSON is the test's own shorthand; whatever is
 * left out is empty. "up", "down" and "leave" name networks, all are up otherwise.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include "conf/conf.h"
#include "plan/explain.h"
#include "plan/plan.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static uint32_t number(const json_t *o, const char *key, uint32_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (uint32_t)json_integer_value(v) : otherwise;
}

static bool flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "plan_show: %s\n", what);
	exit(2);
}

#define MAKE(w, arr, n, list)                                                      \
	do {                                                                       \
		(n) = json_array_size(list);                                       \
		(arr) = arena_alloc((w)->arena, (n) ? (n) : 1, sizeof(*(arr)));    \
	} while (0)

static void read_links(struct world *w, const json_t *list)
{
	MAKE(w, w->links, w->n_links, list);
	for (size_t i = 0; i < w->n_links; i++) {
		const json_t *o = json_array_get(list, i);
		struct w_link *l = &w->links[i];

		l->ifindex = number(o, "ifindex", (uint32_t)i + 1);
		(void)str_copy(l->name, sizeof(l->name), text(o, "name"));
		(void)str_copy(l->kind, sizeof(l->kind), text(o, "kind"));
		(void)str_copy(l->alias, sizeof(l->alias), text(o, "alias"));
		if (text(o, "mac")[0])
			must(mac_parse(text(o, "mac"), &l->mac), "not a MAC");
		l->mtu = number(o, "mtu", 1500);
		l->flags = flag(o, "down") ? 0 : IFF_UP | IFF_RUNNING;
		if (str_eq(l->name, "lo"))
			l->flags |= IFF_LOOPBACK;
		l->master = number(o, "master", 0);
		l->group = number(o, "group", 0);
		l->have_inet = l->have_inet6 = l->forwarding4 = true;
		l->accept_ra = (int32_t)number(o, "accept_ra", 1);
		l->addr_gen_mode = (uint8_t)number(o, "addr_gen_mode", 0);
		l->bridge.mcast_snooping = flag(o, "mcast_snooping");
		l->port.hairpin = flag(o, "hairpin");
	}
}

static void read_addrs(struct world *w, const json_t *list)
{
	MAKE(w, w->addrs, w->n_addrs, list);
	for (size_t i = 0; i < w->n_addrs; i++) {
		const json_t *o = json_array_get(list, i);
		struct w_addr *a = &w->addrs[i];

		a->ifindex = number(o, "ifindex", 0);
		must(prefix_parse(text(o, "prefix"), &a->prefix), "not a prefix");
		a->flags = number(o, "flags", 0x80);
		a->proto = (uint8_t)number(o, "proto", 0);
		a->valid_s = a->preferred_s = UINT32_MAX;
	}
}

static void read_routes(struct world *w, const json_t *list)
{
	MAKE(w, w->routes, w->n_routes, list);
	for (size_t i = 0; i < w->n_routes; i++) {
		const json_t *o = json_array_get(list, i);
		struct w_route *r = &w->routes[i];

		must(prefix_parse(text(o, "dst"), &r->dst), "not a prefix");
		if (text(o, "via")[0])
			must(ip_parse(text(o, "via"), &r->gateway), "not an address");
		r->oif = number(o, "oif", 0);
		r->table = RT_TABLE_MAIN;
		r->metric = number(o, "metric", 0);
		r->protocol = (uint8_t)number(o, "proto", RTPROT_BOOT);
		r->type = RTN_UNICAST;
	}
}

static void read_settings(struct world *w, const json_t *sysctls, const json_t *found)
{
	const char *path;
	json_t *v;
	size_t n = 0;

	w->n_sysctls = json_object_size(sysctls);
	w->sysctls = arena_alloc(w->arena, w->n_sysctls + 1, sizeof(*w->sysctls));
	json_object_foreach((json_t *)sysctls, path, v)
		w->sysctls[n++] = (struct w_sysctl){ path, json_string_value(v) };
	w->n_found = json_object_size(found);
	w->found = arena_alloc(w->arena, w->n_found + 1, sizeof(*w->found));
	n = 0;
	json_object_foreach((json_t *)found, path, v)
		w->found[n++] = (struct w_found){ path, json_string_value(json_array_get(v, 0)),
						  json_string_value(json_array_get(v, 1)) };
}

static void read_listeners(struct world *w, const json_t *list)
{
	MAKE(w, w->listeners, w->n_listeners, list);
	for (size_t i = 0; i < w->n_listeners; i++) {
		const json_t *o = json_array_get(list, i);
		struct w_listener *l = &w->listeners[i];

		l->proto = str_eq(text(o, "proto"), "udp") ? L4PROTO_UDP : L4PROTO_TCP;
		must(ip_parse(text(o, "ip"), &l->ip), "not an address");
		l->port = (uint16_t)number(o, "port", 0);
		l->pid = number(o, "pid", 0);
		(void)str_copy(l->comm, sizeof(l->comm), text(o, "comm"));
	}
}

static void read_facts(struct arena *arena, const json_t *root, struct plan_facts *facts)
{
	const json_t *leases = json_object_get(root, "leases"), *seen = json_object_get(root, "neighbours");
	struct lease *l = arena_alloc(arena, json_array_size(leases) + 1, sizeof(*l));
	struct neighbour *n = arena_alloc(arena, json_array_size(seen) + 1, sizeof(*n));

	*facts = (struct plan_facts){ .leases = l, .n_leases = json_array_size(leases), .neighbours = n,
					      .n_neighbours = json_array_size(seen) };
	for (size_t i = 0; i < facts->n_leases; i++) {
		const json_t *o = json_array_get(leases, i);

		(void)str_copy(l[i].network, sizeof(l[i].network), text(o, "network"));
		must(ip_parse(text(o, "ip"), &l[i].ip) && mac_parse(text(o, "mac"), &l[i].mac), "not a lease");
	}
	for (size_t i = 0; i < facts->n_neighbours; i++) {
		const json_t *o = json_array_get(seen, i);

		(void)str_copy(n[i].network, sizeof(n[i].network), text(o, "network"));
		must(ip_parse(text(o, "ip"), &n[i].ip) && mac_parse(text(o, "mac"), &n[i].mac), "not a neighbour");
	}
}

static json_t *read_world(const char *path, struct world *w, struct plan_facts *facts)
{
	json_error_t e;
	json_t *root = path ? json_load_file(path, 0, &e) : json_object();

	if (!root) {
		(void)fprintf(stderr, "plan_show: %s:%d: %s\n", path, e.line, e.text);
		exit(2);
	}
	read_links(w, json_object_get(root, "links"));
	read_addrs(w, json_object_get(root, "addrs"));
	read_routes(w, json_object_get(root, "routes"));
	read_settings(w, json_object_get(root, "sysctls"), json_object_get(root, "found"));
	read_listeners(w, json_object_get(root, "listeners"));
	read_facts(w->arena, root, facts);
	w->has_daemon = flag(root, "has_daemon");
	w->inet.family = 1;
	w->bridge.family = 7;
	w->inet.present = flag(root, "inet_present");
	world_sort(w);
	return root;
}

static bool names_it(const json_t *root, const char *key, const char *name)
{
	const json_t *list = json_object_get(root, key);
	size_t i;
	const json_t *v;

	json_array_foreach(list, i, v)
		if (str_eq(json_string_value(v), name))
			return true;
	return false;
}

static size_t make_targets(const struct desired *d, const json_t *root, struct arena *arena, struct plan_target **ret)
{
	const json_t *down = json_object_get(root, "down"), *v;
	struct plan_target *t = arena_alloc(arena, d->n_networks + json_array_size(down) + 1, sizeof(*t));
	size_t n = 0, i;

	for (i = 0; i < d->n_networks; i++) {
		const char *name = d->networks[i].name;
		enum plan_want want = names_it(root, "down", name) ? PLAN_WANT_DOWN
				    : names_it(root, "leave", name) ? PLAN_WANT_LEAVE
								    : PLAN_WANT_UP;

		t[n++] = (struct plan_target){ name, &d->networks[i], want };
	}
	json_array_foreach(down, i, v)
		if (!desired_network(d, json_string_value(v)))
			t[n++] = (struct plan_target){ json_string_value(v), NULL, PLAN_WANT_DOWN };
	*ret = t;
	return n;
}

static char *read_text(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *buf = xcalloc(CONF_FILE_MAX + 1, 1);

	must(f != NULL, "cannot open the configuration");
	*ret_len = fread(buf, 1, CONF_FILE_MAX, f);
	(void)fclose(f);
	return buf;
}

/* Findings without colour, notes included. */
static void print_findings(struct report *report)
{
	if (report_n(report) > 0)
		report_print(report, stdout, false);
}

int main(int argc, char **argv)
{
	static const struct conf_seed seed = { .secret = "a golden machine" };
	bool ruleset = false, json = false, full = false, ascii = false;
	const char *config = NULL, *world_path = NULL;
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct plan_facts facts;
	struct plan_target *targets;

	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--ruleset"))
			ruleset = true;
		else if (str_eq(argv[i], "--json"))
			json = true;
		else if (str_eq(argv[i], "--full"))
			full = true;
		else if (str_eq(argv[i], "--ascii"))
			ascii = true;
		else if (!config)
			config = argv[i];
		else
			world_path = argv[i];
	}
	must(config != NULL, "which configuration?");
	struct conf_source source = { .file = strrchr(config, '/') ? strrchr(config, '/') + 1 : config, .path = "golden" };
	_cleanup_(freep) char *content = read_text(config, &source.len);
	source.text = content;
	json_t *root = read_world(world_path, world, &facts);
	if (conf_read(&source, 1, &seed, report, &desired) != 0) {
		print_findings(report);
		return 1;
	}
	size_t n = make_targets(desired, root, world->arena, &targets);
	int r = plan_make(targets, n, world, &facts, report, &plan);
	if (!ruleset)
		print_findings(report);
	if (r == 0 && !ruleset && !json)
		plan_print(plan->ops, stdout, false, !ascii, full);
	if (r == 0 && json) {
		json_t *changes = ops_json(plan->ops);

		(void)json_dumpf(changes, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII);
		(void)putchar('\n');
		json_decref(changes);
	}
	for (size_t i = 0; r == 0 && ruleset && i < plan->ops->n; i++)
		if (plan->ops->ops[i].kind == OP_NFT_TABLE)
			(void)fputs(plan->ops->ops[i].nft.text, stdout);
	plan = plan_free(plan);
	json_decref(root);
	return r;
}
