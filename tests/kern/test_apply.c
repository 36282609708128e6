/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ops, carried out and taken back: the same tests on the fake kernel and on a real one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "kernel.h"

static const char inet_text[] = "add table inet sixtap\n"
				"delete table inet sixtap\n"
				"table inet sixtap {\n"
				"	comment \"sixtap 0123456789abcdef\"\n"
				"	map forwards { type ipv4_addr . inet_service : ipv4_addr . inet_service; }\n"
				"	set guests { type ifname . ipv4_addr; }\n"
				"	map verdicts { type ifname : verdict; }\n"
				"	chain forward {\n"
				"		type filter hook forward priority filter; policy accept;\n"
				"		iifname vmap @verdicts\n"
				"	}\n"
				"	chain lan {\n"
				"		counter accept\n"
				"		counter drop\n"
				"	}\n"
				"}\n";
static const char bridge_text[] = "add table bridge sixtap\n"
				  "delete table bridge sixtap\n"
				  "table bridge sixtap {\n"
				  "	comment \"sixtap fedcba9876543210\"\n"
				  "	chain guard {\n"
				  "		icmpv6 type nd-router-advert drop\n"
				  "	}\n"
				  "}\n";
static const char no_inet[] = "add table inet sixtap\ndelete table inet sixtap\n";
static const char no_bridge[] = "add table bridge sixtap\ndelete table bridge sixtap\n";

static struct w_chain inet_chains[] = { { "forward", 1 }, { "lan", 2 } };
static struct w_chain bridge_chains[] = { { "guard", 1 } };
static const struct w_table inet_table = { .present = true, .family = NFPROTO_INET, .comment = "sixtap 0123456789abcdef",
					   .chains = inet_chains, .n_chains = 2 };
static const struct w_table bridge_table = { .present = true, .family = NFPROTO_BRIDGE,
					     .comment = "sixtap fedcba9876543210", .chains = bridge_chains, .n_chains = 1 };
static const struct w_table no_inet_table = { .family = NFPROTO_INET };
static const struct w_table no_bridge_table = { .family = NFPROTO_BRIDGE };

static const struct nft_elem elems[] = {
	{ .set = "forwards", .key = { 198, 51, 100, 2, 0x1f, 0x90, 0, 0 }, .key_len = 8,
	  .data = { 192, 168, 150, 10, 0, 80, 0, 0 }, .data_len = 8 },
	{ .set = "guests", .key = { 'l', 'a', 'n', [16] = 192, 168, 150, 10 }, .key_len = 20 },
	{ .set = "verdicts", .key = { 'l', 'a', 'n' }, .key_len = 16, .verdict = NFT_VERDICT_JUMP, .chain = "lan" },
	{ .set = "verdicts", .key = { 'x' }, .key_len = 16, .verdict = NFT_VERDICT_DROP },
};
static const struct nft_elem others[] = {
	{ .set = "guests", .key = { 'l', 'a', 'n', [16] = 192, 168, 150, 11 }, .key_len = 20 },
	{ .set = "verdicts", .key = { 'x' }, .key_len = 16, .verdict = NFT_VERDICT_ACCEPT },
};

static struct op *add(struct ops *ops, enum op_kind kind, enum op_action action, const char *object)
{
	struct op *op = ops_add(ops, kind, action);

	op->network = "lan";
	op->object = object;
	return op;
}

static void add_sysctl(struct ops *ops, const char *path, const char *value, const char *old, bool restore)
{
	struct op *op = add(ops, OP_SYSCTL, OP_ACTION_CHANGE, "sysctl");

	op->object = arena_printf(ops->arena, "sysctl %s", path);
	op->sysctl = (struct op_sysctl){ .path = path, .value = value, .old = old, .restore = restore };
}

static void add_addr(struct ops *ops, enum op_kind kind, const char *prefix)
{
	struct op *op = add(ops, kind, kind == OP_ADDR_ADD ? OP_ACTION_CREATE : OP_ACTION_REMOVE, "address lan");

	(void)strcpy(op->addr.device, "lan");
	assert_true(prefix_parse(prefix, &op->addr.prefix));
	if (op->addr.prefix.ip.family == AF_INET6) {
		op->addr.flags = IFA_F_NODAD;
		if (ip_is_link_local(&op->addr.prefix.ip))
			op->addr.scope = 253;
	}
}

static void add_table(struct ops *ops, uint8_t family, bool up)
{
	bool bridge = family == NFPROTO_BRIDGE;
	struct op *op = add(ops, OP_NFT_TABLE, up ? OP_ACTION_CREATE : OP_ACTION_REMOVE,
			    bridge ? "rules bridge sixtap" : "rules inet sixtap");

	op->nft = (struct op_nft){
		.family = family,
		.text = bridge ? up ? bridge_text : no_bridge : up ? inet_text : no_inet,
		.table = bridge ? up ? &bridge_table : &no_bridge_table : up ? &inet_table : &no_inet_table,
	};
	if (up)	/* nothing was there; on the way down what was there is asked for */
		op->nft.old_text = bridge ? no_bridge : no_inet;
	if (up)
		op->nft.old_table = bridge ? &no_bridge_table : &no_inet_table;
}

static struct op_link bridge(void)
{
	struct op_link link = {
		.name = "lan",
		.kind = "bridge",
		.mask = OP_LINK_MTU | OP_LINK_MAC | OP_LINK_UP | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_GENMODE | OP_LINK_BRIDGE,
		.mtu = 1400,
		.up = true,
		.alias = "sixtap:lan",
		.group = 4711,
		.addr_gen_mode = 1,
	};

	assert_true(mac_parse("52:54:00:8a:1c:03", &link.mac));
	return link;
}

/* What `up` of a network looks like. */
static struct ops *ops_up(void)
{
	struct ops *ops = ops_new();
	struct op *op;

	add_sysctl(ops, "net/ipv6/conf/up0/accept_ra", "2", "1", false);
	add_sysctl(ops, "net/ipv6/conf/all/forwarding", "1", "0", false);
	add_sysctl(ops, "net/ipv4/ip_forward", "1", "0", false);
	add(ops, OP_LINK_ADD, OP_ACTION_CREATE, "link lan")->link = bridge();
	add_addr(ops, OP_ADDR_ADD, "192.168.150.1/24");
	add_addr(ops, OP_ADDR_ADD, "fe80::1/64");
	add_addr(ops, OP_ADDR_ADD, "fd12:8848:a2a2:1::1/64");
	add_table(ops, NFPROTO_INET, true);
	add_table(ops, NFPROTO_BRIDGE, true);
	op = add(ops, OP_NFT_ELEMS, OP_ACTION_CHANGE, "rules inet sixtap");
	op->nft = (struct op_nft){ .family = NFPROTO_INET, .add = elems, .n_add = ARRAY_LEN(elems) };
	add(ops, OP_SERVE, OP_ACTION_CREATE, "serve DHCP");
	/* A running network changes: an element another way, one more, one less. */
	op = add(ops, OP_NFT_ELEMS, OP_ACTION_CHANGE, "rules inet sixtap");
	op->nft = (struct op_nft){ .family = NFPROTO_INET, .del = &elems[1], .n_del = 3, .add = others, .n_add = 2 };
	op = add(ops, OP_LINK_SET, OP_ACTION_CHANGE, "link lan");
	op->link = op->old_link = bridge();
	op->link.mask = OP_LINK_MTU | OP_LINK_BRIDGE | OP_LINK_GROUP;
	op->link.mtu = 1450;
	op->link.mcast_snooping = true;
	op->link.group = 4712;
	return ops;
}

/* `down` of that. */
static struct ops *ops_down(void)
{
	struct ops *ops = ops_new();
	static const struct service service = { .network = "lan" };
	struct op *op;

	op = add(ops, OP_UNSERVE, OP_ACTION_REMOVE, "serve DHCP");
	op->serve = (struct op_serve){ .old_service = &service, .goodbye = true };
	add_addr(ops, OP_ADDR_DEL, "192.168.150.1/24");
	add_addr(ops, OP_ADDR_DEL, "fe80::1/64");
	add_addr(ops, OP_ADDR_DEL, "fd12:8848:a2a2:1::1/64");
	op = add(ops, OP_LINK_DEL, OP_ACTION_REMOVE, "link lan");
	op->link = bridge();
	op->link.mtu = 1450;
	op->link.mcast_snooping = true;
	op->link.group = 4712;
	op->old_link = op->link;
	add_table(ops, NFPROTO_INET, false);
	add_table(ops, NFPROTO_BRIDGE, false);
	add_sysctl(ops, "net/ipv4/ip_forward", "0", "1", true);
	add_sysctl(ops, "net/ipv6/conf/all/forwarding", "0", "1", true);
	add_sysctl(ops, "net/ipv6/conf/up0/accept_ra", "1", "2", true);
	return ops;
}

static char *text_of(struct kernel *k)
{
	_cleanup_(world_freep) struct world *w = kernel_observe(k);

	return world_text(w);
}

static void apply_well(struct kernel *k, struct ops *ops)
{
	_cleanup_(report_freep) struct report *report = report_new();
	int r = kernel_apply(k, ops, NULL, report);

	if (r != 0 || report_n(report) > 0)
		report_print(report, stderr, false);
	assert_int_equal(r, 0);
	assert_int_equal(report_n(report), 0);
}

static const struct nft_elem *elem(const struct world *w, const char *set, size_t n)
{
	for (size_t i = 0; i < w->inet.n_elems; i++)
		if (strcmp(w->inet.elems[i].set, set) == 0 && n-- == 0)
			return &w->inet.elems[i];
	return NULL;
}

static void test_up_and_down(void **state)
{
	struct kernel *k = *state;
	_cleanup_(ops_freep) struct ops *up = ops_up(), *down = ops_down();
	_cleanup_(freep) char *before = text_of(k);

	apply_well(k, up);
	{
		_cleanup_(world_freep) struct world *w = kernel_observe(k);
		const struct w_link *lan = world_link_by_name(w, "lan");

		assert_non_null(lan);
		assert_string_equal(lan->kind, "bridge");
		assert_string_equal(lan->alias, "sixtap:lan");
		assert_int_equal(lan->mtu, 1450);
		assert_int_equal(lan->group, 4712);
		assert_int_equal(lan->addr_gen_mode, 1);
		assert_true(lan->flags & 1);
		assert_true(lan->bridge.mcast_snooping);
		assert_false(lan->bridge.stp);
		assert_int_equal(lan->bridge.forward_delay, 0);
		assert_string_equal(MAC_STR(&lan->mac), "52:54:00:8a:1c:03");
		assert_true(lan->forwarding6);
		assert_string_equal(world_sysctl(w, "net/ipv6/conf/up0/accept_ra"), "2");
		assert_null(world_sysctl(w, "net/ipv6/conf/nothere/forwarding"));
		assert_int_equal(w->n_found, 3);
		assert_string_equal(world_found(w, "net/ipv4/ip_forward")->found, "0");
		assert_string_equal(world_found(w, "net/ipv4/ip_forward")->ours, "1");
		assert_true(w->inet.present && w->bridge.present);
		assert_string_equal(w->inet.comment, "sixtap 0123456789abcdef");
		assert_int_equal(w->inet.n_chains, 2);
		assert_int_equal(w->inet.chains[1].n_rules, 2);
		assert_int_equal(w->inet.n_elems, 3);
		assert_true(nft_elem_same(elem(w, "forwards", 0), &elems[0]));
		assert_true(nft_elem_same(elem(w, "guests", 0), &others[0]));
		assert_true(nft_elem_same(elem(w, "verdicts", 0), &others[1]));
		size_t n = 0;
		for (size_t i = 0; i < w->n_addrs; i++)
			n += w->addrs[i].ifindex == lan->ifindex && w->addrs[i].proto == SIXTAP_PROTO;
		assert_int_equal(n, 3);
	}
	apply_well(k, down);
	_cleanup_(freep) char *after = text_of(k);
	assert_same_text(after, before, "down leaves nothing behind");
}

static void check_rollback(struct kernel *k, struct ops *ops, const char *what)
{
	_cleanup_(freep) char *before = text_of(k);
	char at[32], why[64];

	for (size_t i = 1; i <= ops->n; i++) {
		_cleanup_(report_freep) struct report *report = report_new();

		(void)snprintf(at, sizeof(at), "apply:%zu", i);
		(void)snprintf(why, sizeof(why), "%s, failing at op %zu", what, i);
		assert_int_equal(setenv("SIXTAP_FAIL_AT", at, 1), 0);
		assert_int_equal(kernel_apply(k, ops, NULL, report), -EIO);
		assert_int_equal(unsetenv("SIXTAP_FAIL_AT"), 0);
		_cleanup_(freep) char *after = text_of(k);
		assert_same_text(after, before, why);
		if (report_n(report) != 1) {
			report_print(report, stderr, false);
			fail_msg("%s: %zu findings", why, report_n(report));
		}
		assert_string_equal(report_get(report, 0)->key, "lan");
		assert_string_equal(report_get(report, 0)->help, i == 1 ? "nothing was changed" : "everything was put back");
	}
}

static void test_every_prefix_is_taken_back(void **state)
{
	struct kernel *k = *state;
	_cleanup_(ops_freep) struct ops *up = ops_up(), *down = ops_down();

	check_rollback(k, up, "up");
	apply_well(k, up);
	check_rollback(k, down, "down");
	apply_well(k, down);
}

/* One op more that the kernel refuses. */
static void test_refusals(void **state)
{
	static const struct {
		enum {
			LINK_TWICE,
			ADDR_TWICE,
			NO_DEVICE,
			FOREIGN_LINK,
			OTHER_INDEX,
			NO_SYSCTL,
			NO_ELEMENT,
			NO_MASTER,
			LONG_ALIAS,
		} kind;
		int err;
		const char *words, *why;
	} t[] = {
		{ LINK_TWICE, -EEXIST, "link: ", "a name that is taken" },
		{ ADDR_TWICE, -EEXIST, "address: ", "an address that is there" },
		{ NO_DEVICE, -ENODEV, "address: no such device", "an address on nothing" },
		{ FOREIGN_LINK, -EPERM, "link: ", "a link without our alias is never deleted" },
		{ OTHER_INDEX, -ESTALE, "link: ", "nor one that took the name of ours" },
		{ NO_SYSCTL, -ENOENT, "sysctl: ", "no such setting" },
		{ NO_ELEMENT, -ENOENT, "elements: ", "an element that isn't there" },
		{ NO_MASTER, -ENODEV, "port: no such device", "a bridge that isn't there" },
		{ LONG_ALIAS, -ERANGE, "link: ", "a link that can be made, but not completed" },
	};
	struct kernel *k = *state;
	static char longer[300];
	static const struct nft_elem stranger = { .set = "guests", .key = { 'z' }, .key_len = 20 };

	memset(longer, 'x', sizeof(longer) - 1);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(ops_freep) struct ops *ops = ops_up();
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(freep) char *before = text_of(k);
		struct op *op;

		switch (t[i].kind) {
		case LINK_TWICE:
			op = add(ops, OP_LINK_ADD, OP_ACTION_CREATE, "link");
			op->link = bridge();
			(void)strcpy(op->link.name, "up0");
			break;
		case ADDR_TWICE:
			add_addr(ops, OP_ADDR_ADD, "192.168.150.1/24");
			ops->ops[ops->n - 1].object = "address";
			break;
		case NO_DEVICE:
			add_addr(ops, OP_ADDR_ADD, "192.168.151.1/24");
			ops->ops[ops->n - 1].object = "address";
			(void)strcpy(ops->ops[ops->n - 1].addr.device, "nothere");
			break;
		case FOREIGN_LINK:
			(void)strcpy(add(ops, OP_LINK_DEL, OP_ACTION_REMOVE, "link")->link.name, "up0");
			break;
		case OTHER_INDEX:
			op = add(ops, OP_LINK_DEL, OP_ACTION_REMOVE, "link");
			op->link = bridge();
			op->link.ifindex = 54321;
			break;
		case NO_SYSCTL:
			add_sysctl(ops, "net/ipv6/conf/all/nothere", "1", NULL, false);
			ops->ops[ops->n - 1].object = "sysctl";
			break;
		case NO_ELEMENT:
			op = add(ops, OP_NFT_ELEMS, OP_ACTION_CHANGE, "elements");
			op->nft = (struct op_nft){ .family = NFPROTO_INET, .del = &stranger, .n_del = 1, .add = elems, .n_add = 1 };
			break;
		case NO_MASTER:
			op = add(ops, OP_LINK_SET, OP_ACTION_CHANGE, "port");
			op->link = (struct op_link){ .name = "up0", .mask = OP_LINK_MASTER, .master = "nothere" };
			break;
		case LONG_ALIAS:
			op = add(ops, OP_LINK_ADD, OP_ACTION_CREATE, "link");
			op->link = bridge();
			(void)strcpy(op->link.name, "lan2");
			op->link.alias = longer;
			break;
		}
		/* More ops behind it aren't reached. */
		add_addr(ops, OP_ADDR_ADD, "192.168.152.1/24");
		int r = kernel_apply(k, ops, NULL, report);
		if (r != t[i].err || report_n(report) != 1) {
			report_print(report, stderr, false);
			fail_msg("%s: returned %d, %zu findings", t[i].why, r, report_n(report));
		}
		if (!strstr(report_get(report, 0)->what, t[i].words))
			fail_msg("%s: %s", t[i].why, report_get(report, 0)->what);
		assert_string_equal(report_get(report, 0)->help, "everything was put back");
		_cleanup_(freep) char *after = text_of(k);
		assert_same_text(after, before, t[i].why);
	}
}

static const struct mac sources[] = { { { 0x52, 0x54, 0, 0, 0, 1 } }, { { 0x52, 0x54, 0, 0, 0, 2 } } };

static struct op *add_macvlan(struct ops *ops, enum op_kind kind, const char *name, uint32_t lower, uint32_t mode)
{
	struct op *op = add(ops, kind, kind == OP_LINK_ADD ? OP_ACTION_CREATE : OP_ACTION_CHANGE, "link");
	bool tap = name[0] == 'm';

	op->link = (struct op_link){ .mtu = 1500, .alias = tap ? "sixtap:lan/web" : "sixtap:lan", .group = 4711, .addr_gen_mode = 1,
				     .lower = lower, .macvlan_mode = mode, .macvlan_queue = 1000,
				     .mac = { { 0x52, 0x54, 0, 0, 1, tap } } };
	(void)strcpy(op->link.name, name);
	(void)strcpy(op->link.kind, tap ? "macvtap" : "macvlan");
	op->old_link = op->link;
	return op;
}

static void add_way(struct ops *ops, const char *dst, const char *src)
{
	struct op *op = add(ops, OP_NEIGH_ADD, OP_ACTION_CREATE, "neigh");

	(void)strcpy(op->neigh.device, "lan-h");
	assert_true(ip_parse(dst, &op->neigh.ip));
	op->neigh.mac = sources[0];
	struct op_neigh neigh = op->neigh;
	op = add(ops, OP_ROUTE_ADD, OP_ACTION_CREATE, "route");
	(void)strcpy(op->route.device, "lan-h");
	op->route.dst = (struct prefix){ neigh.ip, (uint8_t)ip_bits(&neigh.ip) };
	assert_true(ip_parse(src, &op->route.src));
}

/* A guest's device whose mode and sources change, and the host's own macvlan with a way to it. */
static struct ops *ops_macvtap(struct kernel *k)
{
	_cleanup_(world_freep) struct world *w = kernel_observe(k);
	uint32_t lower = world_link_by_name(w, "up0")->ifindex;
	struct ops *ops = ops_new();
	struct op *op;

	(void)add_macvlan(ops, OP_LINK_ADD, "mt0", lower, MACVLAN_MODE_BRIDGE);
	op = add_macvlan(ops, OP_LINK_SET, "mt0", lower, MACVLAN_MODE_BRIDGE);
	op->link.mask = OP_LINK_UP | OP_LINK_ALLMULTI;
	op->link.up = op->link.allmulti = true;
	op = add_macvlan(ops, OP_LINK_SET, "mt0", lower, MACVLAN_MODE_SOURCE);
	op->link.mask = OP_LINK_MACVLAN;
	op->link.sources = sources;
	op->link.n_sources = ARRAY_LEN(sources);
	op->link.macvlan_queue = 50;
	op->old_link.macvlan_mode = MACVLAN_MODE_BRIDGE;
	op = add_macvlan(ops, OP_LINK_SET, "mt0", lower, MACVLAN_MODE_SOURCE);
	op->link.mask = OP_LINK_MACVLAN;
	op->link.sources = sources + 1;
	op->link.n_sources = 1;
	op->old_link.sources = sources;
	op->old_link.n_sources = ARRAY_LEN(sources);
	op->link.macvlan_queue = op->old_link.macvlan_queue = 50;
	(void)add_macvlan(ops, OP_LINK_ADD, "lan-h", lower, MACVLAN_MODE_BRIDGE);
	op = add_macvlan(ops, OP_LINK_SET, "lan-h", lower, MACVLAN_MODE_BRIDGE);
	op->link.mask = OP_LINK_UP;
	op->link.up = true;
	op = add(ops, OP_ADDR_ADD, OP_ACTION_CREATE, "address lan-h");
	(void)strcpy(op->addr.device, "lan-h");
	assert_true(prefix_parse("2001:db8:77:1::2/128", &op->addr.prefix));
	op->addr.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
	op->addr.deprecated = true;
	op = add(ops, OP_ADDR_ADD, OP_ACTION_CREATE, "address lan-h");
	(void)strcpy(op->addr.device, "lan-h");
	assert_true(prefix_parse("198.51.100.5/24", &op->addr.prefix));
	op->addr.metric = 4096;
	add_way(ops, "198.51.100.10", "198.51.100.2");
	add_way(ops, "2001:db8:77:1::10", "2001:db8:77:1::2");
	return ops;
}

static void test_macvtap(void **state)
{
	struct kernel *k = *state;
	_cleanup_(ops_freep) struct ops *ops = ops_macvtap(k);

	check_rollback(k, ops, "macvtap");
	apply_well(k, ops);
	_cleanup_(world_freep) struct world *w = kernel_observe(k);
	const struct w_link *link = world_link_by_name(w, "mt0");
	assert_int_equal(link->macvlan_mode, MACVLAN_MODE_SOURCE);
	assert_int_equal(link->n_sources, 1);
	assert_true(link->sources && mac_eq(&link->sources[0], &sources[1]));
	assert_int_equal(link->lower, world_link_by_name(w, "up0")->ifindex);
}

struct calls {
	size_t n_progress, n_serve, n_unserve;
	bool refuse;
};

static int on_serve(void *user, const struct op *op, struct report *report)
{
	struct calls *c = user;

	(void)report;
	if (op->kind == OP_SERVE)
		c->n_serve++;
	else
		c->n_unserve++;
	return c->refuse ? -ECONNREFUSED : 0;
}

static void on_progress(void *user, size_t done, size_t n, const struct op *op)
{
	struct calls *c = user;

	assert_true(done < n && op->object);
	assert_int_equal(done, c->n_progress);
	c->n_progress++;
}

static void test_hooks(void **state)
{
	struct kernel *k = *state;
	_cleanup_(ops_freep) struct ops *up = ops_up(), *down = ops_down();
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(freep) char *before = text_of(k);
	struct calls calls = { .refuse = true };
	const struct apply_hooks hooks = { on_serve, on_progress, &calls };

	assert_int_equal(kernel_apply(k, up, &hooks, report), -ECONNREFUSED);
	assert_int_equal(calls.n_serve, 1);
	assert_int_equal(calls.n_unserve, 0);
	assert_string_equal(report_get(report, 0)->what, "serve DHCP: connection refused");
	_cleanup_(freep) char *after = text_of(k);
	assert_same_text(after, before, "the engine refused");

	calls = (struct calls){ 0 };
	assert_int_equal(setenv("SIXTAP_FAIL_AT", "apply:12", 1), 0);
	assert_int_equal(kernel_apply(k, up, &hooks, report), -EIO);
	assert_int_equal(unsetenv("SIXTAP_FAIL_AT"), 0);
	assert_int_equal(calls.n_serve, 1);
	assert_int_equal(calls.n_unserve, 1);

	calls = (struct calls){ 0 };
	assert_int_equal(kernel_apply(k, up, &hooks, report), 0);
	assert_int_equal(calls.n_serve, 1);
	assert_int_equal(calls.n_progress, up->n);
	apply_well(k, down);
}

/* What was found first stays found, whoever changes the value in between; and a set value is not a found one. */
static void test_found_stays(void **state)
{
	struct kernel *k = *state;

	static const struct {
		const char *value, *old;
		bool restore;
		const char *found, *ours;
	} t[] = {
		{ "2", "1", false, "1", "2" },
		{ "0", "2", false, "1", "0" },
		{ "2", "0", false, "1", "2" },
		{ "1", "2", true, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(ops_freep) struct ops *ops = ops_new();

		add_sysctl(ops, "net/ipv6/conf/up0/accept_ra", t[i].value, t[i].old, t[i].restore);
		/* Undone first: the record is as it was. */
		_cleanup_(freep) char *before = text_of(k);
		_cleanup_(report_freep) struct report *report = report_new();
		add_addr(ops, OP_ADDR_ADD, "192.168.150.1/24");
		assert_int_equal(kernel_apply(k, ops, NULL, report), -ENODEV);
		_cleanup_(freep) char *after = text_of(k);
		assert_same_text(after, before, "record after undo");

		ops->n--;
		apply_well(k, ops);
		_cleanup_(world_freep) struct world *w = kernel_observe(k);
		const struct w_found *found = world_found(w, "net/ipv6/conf/up0/accept_ra");
		assert_string_equal(world_sysctl(w, "net/ipv6/conf/up0/accept_ra"), t[i].value);
		if (t[i].found) {
			assert_string_equal(found->found, t[i].found);
			assert_string_equal(found->ours, t[i].ours);
		} else {
			assert_null(found);
		}
	}
}

static void test_killed(void **state)
{
	struct kernel *k = *state;
	_cleanup_(ops_freep) struct ops *up = ops_up();
	_cleanup_(report_freep) struct report *report = report_new();
	int status;

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setenv("SIXTAP_KILL_AT", "apply:5", 1);
		(void)kernel_apply(k, up, NULL, report);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == 9);
	_cleanup_(world_freep) struct world *w = kernel_observe(k);
	assert_non_null(world_link_by_name(w, "lan"));
	assert_int_equal(w->n_found, 3);
	for (size_t i = 0; i < w->n_addrs; i++)
		assert_true(w->addrs[i].proto != SIXTAP_PROTO);
}

static struct kernel fake = { .name = "fake" }, real = { .name = "real", .real = true };

/* The fake kernel is worth something only as long as it does what the real one does. */
static void test_fake_is_as_real(void **state)
{
	_cleanup_(ops_freep) struct ops *ops = ops_up();

	(void)state;
	kernel_open(&fake);
	kernel_open(&real);
	for (size_t n = 0; n <= ops->n; n++) {
		struct ops one = { .arena = ops->arena, .ops = ops->ops + n - 1, .n = 1 };
		char why[64];

		if (n > 0) {
			apply_well(&fake, &one);
			apply_well(&real, &one);
		}
		_cleanup_(freep) char *have = text_of(&fake), *want = text_of(&real);
		(void)snprintf(why, sizeof(why), "after op %zu", n);
		assert_same_text(have, want, why);
	}
	kernel_close(&fake);
	kernel_close(&real);
	/* Indexes are of each kernel. */
	kernel_open(&fake);
	kernel_open(&real);
	_cleanup_(ops_freep) struct ops *on_fake = ops_macvtap(&fake), *on_real = ops_macvtap(&real);
	for (size_t n = 0; n < on_fake->n; n++) {
		struct ops one = { .arena = on_fake->arena, .ops = on_fake->ops + n, .n = 1 };
		struct ops other = { .arena = on_real->arena, .ops = on_real->ops + n, .n = 1 };
		char why[64];

		apply_well(&fake, &one);
		apply_well(&real, &other);
		_cleanup_(freep) char *have = text_of(&fake), *want = text_of(&real);
		(void)snprintf(why, sizeof(why), "macvtap, after op %zu", n + 1);
		assert_same_text(have, want, why);
	}
	kernel_close(&fake);
	kernel_close(&real);
}

static int setup(void **state)
{
	kernel_open(*state);
	return 0;
}

static int teardown(void **state)
{
	kernel_close(*state);
	return 0;
}

#define BOTH(fn)                                                                                        \
	{ #fn " (fake)", fn, setup, teardown, &fake }, { #fn " (real)", fn, setup, teardown, &real }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_up_and_down),
		BOTH(test_every_prefix_is_taken_back),
		BOTH(test_refusals),
		BOTH(test_macvtap),
		BOTH(test_hooks),
		BOTH(test_found_stays),
		{ "test_killed (real)", test_killed, setup, teardown, &real },
		cmocka_unit_test(test_fake_is_as_real),
	};

	kernel_privileges();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
