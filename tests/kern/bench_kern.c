/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_kern - how long the kernel takes to be read and changed
 *
 * bench_kern [N]: N taps (1000), made and attached, then everything observed,
 * elements added and dumped; in a network namespace of its own.
 */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <cmocka.h>
#include "base/time.h"
#include "kern/nft.h"
#include "kern/observe.h"
#include "kern/tap.h"
#include "kernel.h"

static double since_ms(mono_t *start)
{
	mono_t now = mono_now();
	double ms = (double)(now - *start) / (double)MONO_MS;

	*start = now;
	return ms;
}

static void elements(struct kern *kern, size_t n)
{
	struct nft_elem *elems = xcalloc(n, sizeof(*elems));
	char why[NFT_WHY_MAX];
	_cleanup_(world_freep) struct world *w = world_new();

	assert_int_equal(kern_nft_text(kern, NFPROTO_INET, "table inet sixtap { map f { type ipv4_addr . inet_service : ipv4_addr . inet_service; }\n }\n", why), 0);
	for (size_t i = 0; i < n; i++)
		elems[i] = (struct nft_elem){ .set = "f", .key = { 10, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i }, .key_len = 8,
					      .data = { 10, 1, 1, 1, 0, 80 }, .data_len = 8 };
	mono_t t = mono_now();
	assert_int_equal(kern_nft_elems(kern, NFPROTO_INET, NULL, 0, elems, n, why), 0);
	(void)printf("add %zu elements in one transaction: %.1f ms\n", n, since_ms(&t));
	assert_int_equal(kern_nft_elems(kern, NFPROTO_INET, elems, 1, elems, 1, why), 0);
	(void)printf("replace one of them: %.3f ms\n", since_ms(&t));
	assert_int_equal(kern_nft_dump(kern, NFPROTO_INET, w->arena, &w->inet), 0);
	(void)printf("dump the table: %.1f ms (%zu elements)\n", since_ms(&t), w->inet.n_elems);
	char *list = NULL;
	assert_int_equal(kern_nft_list(kern, NFPROTO_INET, &list), 0);
	(void)printf("list it as text: %.1f ms\n", since_ms(&t));
	assert_int_equal(kern_nft_text(kern, NFPROTO_INET, list, why), 0);
	(void)printf("replace the table by its text: %.1f ms\n", since_ms(&t));
	free(list);
	free(elems);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	struct kernel k = { .name = "real", .real = true };
	struct op_link set = {
		.mask = OP_LINK_MASTER | OP_LINK_UP | OP_LINK_MTU | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_MAC,
		.up = true, .mtu = 1500, .alias = "sixtap:lan/guest", .group = 4711,
	};
	const struct rlimit files = { n + 100, n + 100 };
	char why[KERN_WHY_MAX];

	kernel_privileges();
	kernel_open(&k);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	int *fds = xcalloc(n, sizeof(*fds));
	uint32_t *index = xcalloc(n, sizeof(*index));
	for (size_t i = 0; i <= n / 1000; i++)
		sh("ip link add lan%zu type bridge mcast_snooping 0 forward_delay 0 && ip link set lan%zu up addrgenmode none", i, i);

	mono_t t = mono_now();
	for (size_t i = 0; i < n; i++) {
		char name[16];

		if (kern_tap_new(k.kern, "tap%d", NULL, 1, &fds[i], name, &index[i]) != 0)
			fail_msg("tap %zu", i);
	}
	(void)printf("make %zu taps: %.1f ms\n", n, since_ms(&t));
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(set.master, sizeof(set.master), "lan%u", (unsigned int)(i / 1000) % 100);
		set.mac = (struct mac){ { 0x52, 0x54, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
		if (kern_port_attach(k.kern, index[i], &set, why) != 0)
			fail_msg("attach %zu: %s", i, why);
	}
	(void)printf("attach them: %.1f ms\n", since_ms(&t));
	for (int i = 0; i < 5; i++) {
		t = mono_now();
		struct world *w = kernel_observe(&k);
		double ms = since_ms(&t);

		(void)printf("observe: %.2f ms (%zu links, %zu addresses, %zu routes)\n", ms, w->n_links, w->n_addrs, w->n_routes);
		world_free(w);
	}
	elements(k.kern, 10000);
	t = mono_now();
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	(void)printf("close the taps: %.1f ms\n", since_ms(&t));
	kernel_close(&k);
	free(fds);
	free(index);
	return 0;
}
