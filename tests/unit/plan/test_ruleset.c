/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two renderings: bytes as the kernel lays them out, text that says the same, and when elements suffice. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "plan/ruleset.h"

#include <linux/netfilter.h>
#include <stdio.h>

static struct prefix prefix(const char *s)
{
	struct prefix p = { 0 };

	assert_true(prefix_parse(s, &p));
	return p;
}

static struct ip ip(const char *s)
{
	struct ip a = { 0 };

	assert_true(ip_parse(s, &a));
	return a;
}

static struct ruleset make(struct arena *arena, const struct ruleset_network *nets, size_t n)
{
	static const struct ruleset_kept none;
	struct ruleset r;

	ruleset_make(arena, nets, n, &none, &r);
	ruleset_text(arena, &r.inet);
	ruleset_text(arena, &r.bridge);
	return r;
}

static const struct nft_elem *find(const struct w_table *t, const char *set, size_t i)
{
	for (size_t j = 0; j < t->n_elems; j++)
		if (str_eq(t->elems[j].set, set) && i-- == 0)
			return &t->elems[j];
	return NULL;
}

static void assert_bytes(const uint8_t *have, size_t len, const char *hex)
{
	assert_int_equal(len * 2, strlen(hex));
	for (size_t i = 0; i < len; i++) {
		char b[3];

		(void)snprintf(b, sizeof(b), "%02x", have[i]);
		if (memcmp(b, hex + 2 * i, 2) != 0)
			fail_msg("byte %zu is %s in %s", i, b, hex);
	}
}

#define IFNAME_LAN "6c616e00000000000000000000000000"

static void test_layout(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct prefix from[] = { prefix("198.51.100.0/24"), prefix("198.51.100.7/32"), prefix("2001:db8::/32") };
	const struct ruleset_forward forwards[] = {
		{ .proto = 6, .host_first = 8080, .host_last = 8081, .guest_first = 80, .target = ip("192.168.150.10") },
		{ .proto = 17, .host = ip("198.51.100.2"), .host_first = 53, .host_last = 53, .guest_first = 5353,
		  .target = ip("192.168.150.10"), .from = from, .n_from = 3 },
	};
	const struct ruleset_network lan = {
		.device = "lan", .mode = NET_MODE_NAT, .gateway4 = prefix("192.168.150.1/24"), .nat4 = true,
		.forwards = forwards, .n_forwards = 2,
	};
	struct ruleset r = make(arena, &lan, 1);
	const struct w_table *t = &r.inet.table;
	const struct nft_elem *e;

	(void)state;
	e = find(t, "same", 0);
	assert_bytes(e->key, e->key_len, IFNAME_LAN IFNAME_LAN);
	assert_int_equal(e->key_end_len, 0);
	e = find(t, "own4", 0);
	assert_bytes(e->key, e->key_len, IFNAME_LAN "c0a89600");
	assert_bytes(e->key_end, e->key_end_len, IFNAME_LAN "c0a896ff");
	e = find(t, "dnat4", 1);
	assert_bytes(e->key, e->key_len, "060000001f910000");
	assert_bytes(e->data, e->data_len, "c0a8960a00510000");
	assert_null(find(t, "dnat4", 2));
	e = find(t, "dnat4_at_from", 0);
	assert_bytes(e->key, e->key_len, "1100000000350000c6336402");
	assert_bytes(e->data, e->data_len, "c0a8960a14e90000");
	e = find(t, "from4_at", 0);
	assert_bytes(e->key, e->key_len, "1100000000350000c6336402c6336400");
	assert_bytes(e->key_end, e->key_end_len, "1100000000350000c6336402c63364ff");
	assert_null(find(t, "from4_at", 1));	/* the /32 is inside the /24: overlapping elements are refused */
	e = find(t, "narrowed", 0);
	assert_bytes(e->key, e->key_len, "1100000000350000");
	assert_null(find(t, "narrowed", 1));
	e = find(t, "snat4", 0);
	assert_int_equal(e->verdict, NFT_VERDICT_GOTO);
	assert_string_equal(e->chain, "snat_any");
	for (size_t i = 1; i < t->n_elems; i++)
		assert_true(nft_elem_cmp(&t->elems[i - 1], &t->elems[i]) < 0);
	for (size_t i = 1; i < t->n_chains; i++)
		assert_true(strcmp(t->chains[i - 1].name, t->chains[i].name) < 0);
	assert_non_null(strstr(r.inet.text, "\t6 . 8080 : 192.168.150.10 . 80,\n\t6 . 8081 : 192.168.150.10 . 81\n"));
	assert_non_null(strstr(r.inet.text, "\"lan\" . 192.168.150.0-192.168.150.255\n"));
	assert_false(r.bridge.table.present);
	assert_string_equal(r.bridge.text, "add table bridge sixtap\ndelete table bridge sixtap\n");
}

/* Many of everything: the rules stay as they are. */
static void test_constant(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct ruleset_forward many = { .proto = 6, .host_first = 1, .host_last = 30000, .guest_first = 1,
					      .target = ip("192.168.150.10") };
	const struct ruleset_network nets[] = {
		{ .device = "lan", .mode = NET_MODE_NAT, .gateway4 = prefix("192.168.150.1/24"), .nat4 = true },
		{ .device = "two", .mode = NET_MODE_NAT, .gateway4 = prefix("192.168.151.1/24"), .nat4 = true,
		  .forwards = &many, .n_forwards = 1, .uplink = "eth0", .host_access = HOST_ACCESS_NO,
		  .nat_port_first = 50000, .nat_port_last = 65535 },
		{ .device = "iso", .mode = NET_MODE_ISOLATED, .host_access = HOST_ACCESS_SERVICES,
		  .gateway6 = prefix("fd00::1/64") },
		{ .device = "own", .mode = NET_MODE_NAT, .gateway4 = prefix("192.168.152.1/24"), .nat4 = true,
		  .nat_port_first = 1024, .nat_port_last = 2047 },
	};
	struct ruleset one = make(arena, nets, 1), three = make(arena, nets, 3), four = make(arena, nets, 4);
	const struct nft_elem *add, *del;
	size_t n_add, n_del;

	(void)state;
	assert_true(ruleset_same_structure(&one.inet.table, &three.inet.table));
	assert_false(ruleset_same_structure(&one.inet.table, &four.inet.table));
	assert_int_equal(four.inet.table.n_chains, three.inet.table.n_chains + 1);
	ruleset_diff(arena, &one.inet.table, &three.inet.table, &del, &n_del, &add, &n_add);
	assert_int_equal(n_del, 0);
	assert_int_equal(n_add, three.inet.table.n_elems - one.inet.table.n_elems);
	ruleset_diff(arena, &three.inet.table, &three.inet.table, &del, &n_del, &add, &n_add);
	assert_int_equal(n_add + n_del, 0);
	/* Somebody put a rule into a chain of ours. */
	three.inet.table.chains[0].n_rules++;
	assert_false(ruleset_same_structure(&one.inet.table, &three.inet.table));
}

static void test_diff(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct ruleset_forward f = { .proto = 6, .host_first = 80, .host_last = 80, .guest_first = 80,
				     .target = ip("192.168.150.10") };
	struct ruleset_network lan = { .device = "lan", .mode = NET_MODE_NAT, .gateway4 = prefix("192.168.150.1/24"),
				       .forwards = &f, .n_forwards = 1 };
	struct ruleset a = make(arena, &lan, 1);
	const struct nft_elem *add, *del;
	size_t n_add, n_del;

	(void)state;
	f.target = ip("192.168.150.11");
	struct ruleset b = make(arena, &lan, 1);
	ruleset_diff(arena, &a.inet.table, &b.inet.table, &del, &n_del, &add, &n_add);
	assert_int_equal(n_del, 1);	/* another target: the key goes and comes */
	assert_int_equal(n_add, 1);
	/* A set that isn't ours is nobody's business. */
	struct nft_elem foreign = { .set = "zzz", .key_len = 4 };
	struct w_table have = b.inet.table;
	have.elems = arena_alloc(arena, have.n_elems + 1, sizeof(foreign));
	memcpy(have.elems, b.inet.table.elems, b.inet.table.n_elems * sizeof(foreign));
	have.elems[have.n_elems++] = foreign;
	ruleset_diff(arena, &have, &b.inet.table, &del, &n_del, &add, &n_add);
	assert_int_equal(n_del + n_add, 0);
}

/* nft's language has no escapes: what it cannot say isn't said. */
static void test_odd_names(void **state)
{
	static const char *const odd[] = { "a\"b", "tap*", "x;drop", "tap0", "p-1.2@3:4_5" };
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct ruleset_network lan = { .device = "lan", .mode = NET_MODE_NAT, .reflecting = odd, .n_reflecting = 5 };
	struct ruleset r = make(arena, &lan, 1);

	(void)state;
	assert_int_equal(r.bridge.table.n_elems, 5);
	assert_int_equal(r.bridge.n_rest, 3);
	assert_null(strstr(r.bridge.text, "a\"b"));
	assert_null(strstr(r.bridge.text, "tap*"));
	assert_null(strstr(r.bridge.text, "x;drop"));
	assert_non_null(strstr(r.bridge.text, "\"tap0\" . \"tap0\""));
}

static void test_nothing(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct ruleset r = make(arena, NULL, 0);
	const struct w_table none = { 0 };

	(void)state;
	assert_false(r.inet.table.present);
	assert_true(ruleset_same_structure(&none, &r.inet.table));
	assert_string_equal(r.inet.text, "add table inet sixtap\ndelete table inet sixtap\n");
	assert_true(ruleset_set_by_device(NFPROTO_INET, "own4"));
	assert_false(ruleset_set_by_device(NFPROTO_INET, "dnat4"));
	assert_false(ruleset_set_by_device(NFPROTO_BRIDGE, "own4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	  cmocka_unit_test(test_constant), cmocka_unit_test(test_diff),
		cmocka_unit_test(test_odd_names), cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
