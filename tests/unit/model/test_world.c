/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "model/world.h"

static void test_empty(void **state)
{
	_cleanup_(world_freep) struct world *w = world_new();

	(void)state;
	world_sort(w);
	assert_null(world_link(w, 1));
	assert_null(world_link_by_name(w, "lan"));
	assert_null(world_sysctl(w, "net/ipv4/ip_forward"));
	assert_null(world_found(w, "net/ipv4/ip_forward"));
	assert_null(world_served(w, "lan"));
}

static void test_find(void **state)
{
	_cleanup_(world_freep) struct world *w = world_new();
	struct w_link links[] = { { .ifindex = 9, .name = "lan" }, { .ifindex = 1, .name = "lo" }, { .ifindex = 200000, .name = "eth0" } };
	struct w_sysctl sysctls[] = { { "net/ipv6/conf/all/forwarding", "0" }, { "net/ipv4/ip_forward", "1" }, { "net/a", NULL } };
	struct w_found found[] = { { "z", "0", "1" }, { "a", "2", "3" } };
	struct w_served served[] = { { .network = "lan", .hash = 7 }, { .network = "lab", .hash = 8 } };

	(void)state;
	w->links = links;
	w->n_links = ARRAY_LEN(links);
	w->sysctls = sysctls;
	w->n_sysctls = ARRAY_LEN(sysctls);
	w->found = found;
	w->n_found = ARRAY_LEN(found);
	w->served = served;
	w->n_served = ARRAY_LEN(served);
	world_sort(w);
	assert_string_equal(world_link(w, 1)->name, "lo");
	assert_string_equal(world_link(w, 200000)->name, "eth0");
	assert_null(world_link(w, 2));
	assert_int_equal(world_link_by_name(w, "lan")->ifindex, 9);
	assert_null(world_link_by_name(w, "la"));
	assert_string_equal(world_sysctl(w, "net/ipv4/ip_forward"), "1");
	assert_null(world_sysctl(w, "net/a"));
	assert_null(world_sysctl(w, "net/b"));
	assert_string_equal(world_found(w, "a")->found, "2");
	assert_int_equal(world_served(w, "lab")->hash, 8);
}

static struct nft_elem elem(const char *set, uint8_t key, uint8_t key_end, uint8_t len)
{
	return (struct nft_elem){ .set = set, .key = { key }, .key_end = { key_end }, .key_len = len, .key_end_len = len };
}

static void test_elems(void **state)
{
	const struct nft_elem sorted[] = { elem("a", 1, 1, 1), elem("a", 1, 1, 2), elem("a", 1, 2, 2), elem("a", 2, 2, 1), elem("b", 0, 0, 1) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
			int c = nft_elem_cmp(&sorted[i], &sorted[k]);

			if ((c < 0) != (i < k) || (c > 0) != (i > k))
				fail_msg("%zu, %zu", i, k);
		}
	struct nft_elem a = sorted[0], b = sorted[0];
	assert_true(nft_elem_same(&a, &b));
	b.data_len = 1;
	assert_false(nft_elem_same(&a, &b));
	b = a;
	b.verdict = NFT_VERDICT_JUMP;
	assert_false(nft_elem_same(&a, &b));
	b = a;
	(void)str_copy(b.chain, sizeof(b.chain), "c");
	assert_false(nft_elem_same(&a, &b));
	b = a;
	b.key[40] = 1;		/* behind the key's length */
	assert_true(nft_elem_same(&a, &b));
}

static void test_alias(void **state)
{
	static const struct {
		const char *alias, *network, *guest;
	} t[] = {
		{ "sixtap:lan", "lan", "" },
		{ "sixtap:lan/web", "lan", "web" },
		{ "sixtap:123456789012345", "123456789012345", "" },
		{ "sixtap:1234567890123456", NULL, NULL },
		{ "sixtap:", NULL, NULL },
		{ "sixtap:/web", NULL, NULL },
		{ "sixtap:lan/", NULL, NULL },
		{ "sixtap:lan/a/b", NULL, NULL },
		{ "sixtap", NULL, NULL },
		{ "xsixtap:lan", NULL, NULL },
		{ "", NULL, NULL },
		{ "sixtap:lan/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
		bool ours = alias_parse(t[i].alias, network, guest);

		if (ours != (t[i].network != NULL) || (ours && (!str_eq(network, t[i].network) || !str_eq(guest, t[i].guest))))
			fail_msg("\"%s\"", t[i].alias);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_elems),
		cmocka_unit_test(test_alias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
