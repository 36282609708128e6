/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only a real kernel can show: its own layouts, taps, events, routers.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "base/loop.h"
#include "kern/netns.h"
#include "kern/nft.h"
#include "kern/observe.h"
#include "kern/records.h"
#include "kern/tap.h"
#include "kern/watch.h"
#include "kernel.h"

static struct kernel real = { .name = "real", .real = true };

/* In a user namespace /dev/net/tun may not be ours to open, and there is nobody but root. */
static void needs_root(void)
{
	if (access("/dev/net/tun", R_OK | W_OK) == 0)
		return;
	print_message("# needs root: /dev/net/tun can't be opened\n");
	skip();
}

static const struct w_link *link_of(const struct world *w, const char *name)
{
	const struct w_link *l = world_link_by_name(w, name);

	assert_non_null(l);
	return l;
}

/* ------------------------------------------------------------------- nftables */

static const char text[] =
	"table inet sixtap {\n"
	"	comment \"sixtap 00ff\"\n"
	"	set addrs { type ipv6_addr; flags interval; }\n"
	"	set from { type ipv4_addr . inet_service; flags interval; }\n"
	"	map ports { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"	map leads { type ifname : verdict; }\n"
	"	map many { type ipv4_addr . ipv4_addr . ifname . inet_service : ipv4_addr; }\n"
	"	set seen { type ipv4_addr; flags dynamic; timeout 10s; }\n"
	"	chain one { counter accept; tcp dport { 1, 2, 3 } drop; }\n"
	"	chain two { jump one; }\n"
	"}\n";
static const char elements[] =
	"add element inet sixtap addrs { 2001:db8::/64, fd00::5, fd00::6-fd00::9, fff0::/12 }\n"
	"add element inet sixtap from { 192.0.2.0/24 . 80, 192.0.3.1 . 1000-2000 }\n"
	"add element inet sixtap ports { tcp . 8080 : fd12::10 . 80, udp . 53 : fd12::11 . 5353 }\n"
	"add element inet sixtap leads { \"lan\" : jump one, \"web-0123456789a\" : goto two, \"x\" : accept, \"y\" : drop, \"z\" : return }\n"
	"add element inet sixtap many { 10.0.0.1 . 10.0.0.2 . \"lan\" . 443 : 10.1.2.3 }\n"
	"add element inet sixtap seen { 10.9.9.9 }\n";

#define IP6(hi, lo) { (hi) >> 8, (hi) & 0xff, [14] = (lo) >> 8, (lo) & 0xff }
static const struct nft_elem want[] = {
	{ .set = "addrs", .key = { 0x20, 0x01, 0x0d, 0xb8 }, .key_len = 16, .key_end_len = 16,
	  .key_end = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	{ .set = "addrs", .key = IP6(0xfd00, 5), .key_end = IP6(0xfd00, 5), .key_len = 16, .key_end_len = 16 },
	{ .set = "addrs", .key = IP6(0xfd00, 6), .key_end = IP6(0xfd00, 9), .key_len = 16, .key_end_len = 16 },
	{ .set = "addrs", .key = IP6(0xfff0, 0), .key_len = 16, .key_end_len = 16,
	  .key_end = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	{ .set = "from", .key = { 192, 0, 2, 0, 0, 80 }, .key_end = { 192, 0, 2, 255, 0, 80 }, .key_len = 8, .key_end_len = 8 },
	{ .set = "from", .key = { 192, 0, 3, 1, 0x03, 0xe8 }, .key_end = { 192, 0, 3, 1, 0x07, 0xd0 }, .key_len = 8,
	  .key_end_len = 8 },
	{ .set = "leads", .key = "lan", .key_len = 16, .verdict = NFT_VERDICT_JUMP, .chain = "one" },
	{ .set = "leads", .key = "web-0123456789a", .key_len = 16, .verdict = NFT_VERDICT_GOTO, .chain = "two" },
	{ .set = "leads", .key = "x", .key_len = 16, .verdict = NFT_VERDICT_ACCEPT },
	{ .set = "leads", .key = "y", .key_len = 16, .verdict = NFT_VERDICT_DROP },
	{ .set = "leads", .key = "z", .key_len = 16, .verdict = NFT_VERDICT_RETURN },
	{ .set = "many", .key = { 10, 0, 0, 1, 10, 0, 0, 2, 'l', 'a', 'n', [24] = 0x01, 0xbb }, .key_len = 28,
	  .data = { 10, 1, 2, 3 }, .data_len = 4 },
	{ .set = "ports", .key = { 6, 0, 0, 0, 0x1f, 0x90 }, .key_len = 8,
	  .data = { 0xfd, 0x12, [15] = 0x10, 0, 80 }, .data_len = 20 },
	{ .set = "ports", .key = { 17, 0, 0, 0, 0, 53 }, .key_len = 8,
	  .data = { 0xfd, 0x12, [15] = 0x11, 0x14, 0xe9 }, .data_len = 20 },
};

static void assert_table(const struct w_table *t)
{
	assert_true(t->present);
	assert_string_equal(t->comment, "sixtap 00ff");
	assert_int_equal(t->n_chains, 2);
	assert_string_equal(t->chains[0].name, "one");
	assert_int_equal(t->chains[0].n_rules, 2);
	assert_int_equal(t->chains[1].n_rules, 1);
	if (t->n_elems != ARRAY_LEN(want))
		fail_msg("%zu elements", t->n_elems);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (!nft_elem_same(&t->elems[i], &want[i]))
			fail_msg("element %zu of set %s differs: key %u end %u data %u verdict %d", i, t->elems[i].set,
				 t->elems[i].key_len, t->elems[i].key_end_len, t->elems[i].data_len, t->elems[i].verdict);
}

static void must_nft(uint8_t family, const char *commands)
{
	char why[NFT_WHY_MAX];

	if (kern_nft_text(real.kern, family, commands, why) != 0)
		fail_msg("%s", why);
}

/* The order inside a hash is the kernel's secret. */
static const char in_order[] = "nft -n list table inet sixtap | sed '/set seen/,/}/d; s/expires.*//; s/elements = //'"
			       " | tr ',{}' '\\n\\n\\n' | sed 's/^[[:space:]]*//; s/[[:space:]]*$//' | grep . | sort";

/* What nft writes we read, what we write nft reads, and both are the same bytes. */
static void test_nft_round_trip(void **state)
{
	char why[NFT_WHY_MAX] = "";

	(void)state;
	must_nft(NFPROTO_INET, text);
	must_nft(NFPROTO_INET, elements);
	{
		_cleanup_(world_freep) struct world *w = kernel_observe(&real);
		assert_table(&w->inet);
	}
	_cleanup_(freep) char *by_nft = sh_read("%s", in_order);

	must_nft(NFPROTO_INET, "");
	_cleanup_(freep) char *none = sh_read("nft list tables");
	assert_string_equal(none, "");
	must_nft(NFPROTO_INET, "");	/* nothing there is fine */

	must_nft(NFPROTO_INET, text);
	if (kern_nft_elems(real.kern, NFPROTO_INET, NULL, 0, want, ARRAY_LEN(want), why) != 0)
		fail_msg("%s", why);
	{
		_cleanup_(world_freep) struct world *w = kernel_observe(&real);
		assert_table(&w->inet);
	}
	_cleanup_(freep) char *by_us = sh_read("%s", in_order);
	assert_same_text(by_us, by_nft, "nft reads what we wrote");

	/* Taken out and put back in one transaction, then all out. */
	if (kern_nft_elems(real.kern, NFPROTO_INET, want, ARRAY_LEN(want), want, ARRAY_LEN(want), why) != 0)
		fail_msg("%s", why);
	{
		_cleanup_(world_freep) struct world *w = kernel_observe(&real);
		assert_table(&w->inet);
	}
	if (kern_nft_elems(real.kern, NFPROTO_INET, want, ARRAY_LEN(want), NULL, 0, why) != 0)
		fail_msg("%s", why);
	_cleanup_(world_freep) struct world *w = kernel_observe(&real);
	assert_int_equal(w->inet.n_elems, 0);
}

static void test_nft_list_restores(void **state)
{
	char *list = NULL;

	(void)state;
	assert_int_equal(kern_nft_list(real.kern, NFPROTO_INET, &list), 0);
	assert_string_equal(list, "");
	free(list);
	must_nft(NFPROTO_INET, text);
	must_nft(NFPROTO_INET, elements);
	must_nft(NFPROTO_INET,
		 "add chain inet sixtap f { type filter hook forward priority -10; policy accept; }\n"
		 "add rule inet sixtap f ct state established,related accept\n"
		 "add rule inet sixtap f iifname \"lan\" meta mark set iifname map { \"tap0\" : 0x10, \"tap1\" : 0x11 }\n"
		 "add rule inet sixtap f limit rate 10/second icmpv6 type { nd-router-advert, nd-redirect } drop comment \"x\"\n");
	_cleanup_(freep) char *before = sh_read("nft -s list table inet sixtap | sed 's/expires.*//'");
	assert_int_equal(kern_nft_list(real.kern, NFPROTO_INET, &list), 0);
	must_nft(NFPROTO_INET, "");
	must_nft(NFPROTO_INET, list);
	_cleanup_(freep) char *after = sh_read("nft -s list table inet sixtap | sed 's/expires.*//'");
	assert_same_text(after, before, "listed and put back");
	must_nft(NFPROTO_INET, list);
	_cleanup_(freep) char *again = sh_read("nft -s list table inet sixtap | sed 's/expires.*//'");
	assert_same_text(again, before, "replaced by itself");
	free(list);
}

static void test_nft_refusals(void **state)
{
	static const struct {
		const char *commands;
		int err;
		const char *words, *why;
	} t[] = {
		{ "table inet sixtap { chain x { jump nowhere\n }\n }", -ENOENT, "refused the transaction: no such file", "chain" },
		{ "table inet sixtap { chain x { ", -EINVAL, "doesn't understand the rules: syntax error", "syntax" },
		{ "add element inet other x { 1.2.3.4 }", -ENOENT, "o such file", "table" },
	};
	char why[NFT_WHY_MAX];
	const struct nft_elem elem = { .set = "ports", .key = { 6, 0, 0, 0, 0x1f, 0x90 }, .key_len = 8,
				       .data = { 0xfd, 0x12, [15] = 0x10, 0, 81 }, .data_len = 20 };
	const struct nft_elem jump = { .set = "leads", .key = "q", .key_len = 16, .verdict = NFT_VERDICT_JUMP,
				       .chain = "nowhere" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = kern_nft_text(real.kern, NFPROTO_INET, t[i].commands, why);

		if (r != t[i].err || !strstr(why, t[i].words))
			fail_msg("%s: %d %s", t[i].why, r, why);
	}
	assert_int_equal(kern_nft_elems(real.kern, NFPROTO_INET, NULL, 0, &elem, 1, why), -ENOENT);
	must_nft(NFPROTO_INET, text);
	must_nft(NFPROTO_INET, elements);
	assert_int_equal(kern_nft_elems(real.kern, NFPROTO_INET, NULL, 0, &elem, 1, why), -EEXIST);
	assert_int_equal(kern_nft_elems(real.kern, NFPROTO_INET, NULL, 0, &jump, 1, why), -ENOENT);
	assert_non_null(strstr(why, "refused the transaction"));
	_cleanup_(world_freep) struct world *w = kernel_observe(&real);
	assert_table(&w->inet);
}

/* --------------------------------------------------------------------- observe */

static void test_observe(void **state)
{
	(void)state;
	needs_root();
	sh("ip link add br0 type bridge stp_state 1 forward_delay 700 mcast_snooping 0 nf_call_ip6tables 1");
	sh("ip link set br0 alias sixtap:br0 group 77");
	sh("ip link set up1 master br0 && bridge link set dev up1 hairpin on isolated on locked on");
	sh("ip tuntap add tap7 mode tap user 0 group 5 vnet_hdr multi_queue");
	sh("ip link add small mtu 1000 type bridge && ip link set small up");
	sh("sysctl -qw net.ipv6.conf.up0.accept_ra=2 net.ipv6.conf.up0.forwarding=1 net.ipv6.conf.br0.disable_ipv6=1");
	sh("ip link set br0 type bridge && ip link set br0 addrgenmode random");
	sh("ip addr add 192.0.2.1/32 peer 192.0.2.9/32 dev up0");
	sh("ip -6 addr add 2001:db8:1::1/64 dev up0 nodad preferred_lft 0 valid_lft 1000");
	sh("ip route add default via 198.51.100.1");
	sh("ip route add 203.0.113.0/24 metric 7 nexthop via 198.51.100.1 nexthop via 198.51.100.3");
	sh("ip route add 10.0.0.0/8 via inet6 2001:db8:77:1::9 dev up0");
	sh("ip route add blackhole 10.9.0.0/16 table 300");
	sh("ip -6 route add default via 2001:db8:77:1::1 proto ra metric 1024 expires 600");
	_cleanup_(world_freep) struct world *w = kernel_observe(&real);

	const struct w_link *br = link_of(w, "br0"), *port = link_of(w, "up1"), *tap = link_of(w, "tap7"), *up = link_of(w, "up0");
	assert_string_equal(br->kind, "bridge");
	assert_string_equal(br->alias, "sixtap:br0");
	assert_int_equal(br->group, 77);
	assert_true(br->bridge.stp && !br->bridge.mcast_snooping && br->bridge.nf_call_ip6tables);
	assert_false(br->bridge.nf_call_iptables);
	assert_int_equal(br->bridge.forward_delay, 700);
	assert_true(br->have_inet && br->have_inet6 && br->disable_ipv6);
	assert_int_equal(br->addr_gen_mode, 3);
	assert_int_equal(port->master, br->ifindex);
	assert_true(port->port.hairpin && port->port.isolated && port->port.locked);
	assert_true(tap->tun.persist && tap->tun.vnet_hdr && tap->tun.multi_queue);
	assert_int_equal(tap->tun.owner, 0);
	assert_int_equal(tap->tun.group, 5);
	assert_int_equal(up->tun.owner, -1);
	assert_int_equal(up->accept_ra, 2);
	assert_true(up->forwarding6 && !up->forwarding4);
	assert_false(link_of(w, "small")->have_inet6);
	assert_true(link_of(w, "small")->have_inet);
	assert_false(up->wireless);

	size_t n = 0;
	for (size_t i = 0; i < w->n_addrs; i++) {
		const struct w_addr *a = &w->addrs[i];
		const char *s = PREFIX_STR(&a->prefix);

		if (strcmp(s, "2001:db8:1::1/64") == 0) {
			assert_int_equal(a->preferred_s, 0);
			assert_true(a->valid_s > 990 && a->valid_s <= 1000);
			n++;
		}
		n += strcmp(s, "192.0.2.1/32") == 0;	/* not the peer's */
		assert_string_not_equal(s, "192.0.2.9/32");
	}
	assert_int_equal(n, 2);

	static const struct {
		const char *dst, *gateway;
		uint32_t metric, table;
		uint8_t protocol, type;
		bool expires;
		size_t n;
	} routes[] = {
		{ "0.0.0.0/0", "198.51.100.1", 0, 254, RTPROT_BOOT, RTN_UNICAST, false, 1 },
		{ "203.0.113.0/24", "198.51.100.1", 7, 254, RTPROT_BOOT, RTN_UNICAST, false, 1 },
		{ "203.0.113.0/24", "198.51.100.3", 7, 254, RTPROT_BOOT, RTN_UNICAST, false, 1 },
		{ "10.0.0.0/8", "2001:db8:77:1::9", 0, 254, RTPROT_BOOT, RTN_UNICAST, false, 1 },
		{ "10.9.0.0/16", NULL, 0, 300, RTPROT_BOOT, RTN_BLACKHOLE, false, 1 },
		{ "::/0", "2001:db8:77:1::1", 1024, 254, RTPROT_RA, RTN_UNICAST, true, 1 },
		{ "198.51.100.0/24", NULL, 0, 254, RTPROT_KERNEL, RTN_UNICAST, false, 1 },
		{ "127.0.0.1/32", NULL, 0, 255, RTPROT_KERNEL, RTN_LOCAL, false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		n = 0;
		for (size_t k = 0; k < w->n_routes; k++) {
			const struct w_route *r = &w->routes[k];

			n += strcmp(PREFIX_STR(&r->dst), routes[i].dst) == 0 && r->metric == routes[i].metric &&
			     r->table == routes[i].table && r->protocol == routes[i].protocol && r->type == routes[i].type &&
			     r->expires == routes[i].expires &&
			     (routes[i].gateway ? strcmp(IP_STR(&r->gateway), routes[i].gateway) == 0 : !ip_is_set(&r->gateway));
		}
		if (n != routes[i].n)
			fail_msg("%s by %s: %zu", routes[i].dst, routes[i].gateway, n);
	}
}

static int listening(int family, int type, const char *address, uint16_t port, bool v6only)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = v6only;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v6 = family == AF_INET6;

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(family, address, v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr), 1);
	if (v6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, v6 ? (void *)&in6 : (void *)&in, v6 ? sizeof(in6) : sizeof(in)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_listeners(void **state)
{
	static const struct {
		int family, type;
		const char *address;
		uint16_t port;
		bool v6only;
	} t[] = {
		{ AF_INET, SOCK_STREAM, "127.0.0.1", 22, false },
		{ AF_INET6, SOCK_STREAM, "::", 80, false },
		{ AF_INET6, SOCK_STREAM, "::", 81, true },
		{ AF_INET, SOCK_DGRAM, "0.0.0.0", 53, false },
		{ AF_INET6, SOCK_DGRAM, "2001:db8:77:1::2", 53, true },
	};
	int fds[ARRAY_LEN(t)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		fds[i] = listening(t[i].family, t[i].type, t[i].address, t[i].port, t[i].v6only);
	/* Connected: takes from one peer only. */
	int connected = listening(AF_INET, SOCK_DGRAM, "127.0.0.1", 999, false);
	const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(connect(connected, (const void *)&peer, sizeof(peer)), 0);

	_cleanup_(world_freep) struct world *w = kernel_observe(&real);
	assert_int_equal(w->n_listeners, ARRAY_LEN(t));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct w_listener *found = NULL;

		for (size_t k = 0; k < w->n_listeners; k++) {
			struct w_listener *l = &w->listeners[k];

			if (l->port == t[i].port && strcmp(IP_STR(&l->ip), t[i].address) == 0 &&
			    l->proto == (t[i].type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
				found = l;
		}
		assert_non_null(found);
		if (t[i].family == AF_INET6)
			assert_int_equal(found->v6only, t[i].v6only);
		assert_int_equal(kern_listener_owner(real.kern, found), 0);
		assert_int_equal(found->pid, getpid());
		assert_string_equal(found->comm, "test_kern_on_re");
		(void)close(fds[i]);
	}
	(void)close(connected);
	assert_int_equal(kern_listener_owner(real.kern, &w->listeners[0]), 1);
}

/* ------------------------------------------------------------------------ taps */

static void make_bridge(void)
{
	sh("ip link add lan address 52:54:00:8a:1c:03 type bridge mcast_snooping 0 forward_delay 0");
	sh("ip link set lan addrgenmode none alias sixtap:lan && ip link set lan up");
}

static struct op_link port(const char *alias)
{
	struct op_link set = {
		.mask = OP_LINK_MASTER | OP_LINK_UP | OP_LINK_MTU | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_HAIRPIN | OP_LINK_MAC,
		.master = "lan",
		.up = true,
		.mtu = 1400,
		.alias = alias,
		.group = 4711,
		.hairpin = true,
	};

	assert_true(mac_parse("52:54:00:12:34:56", &set.mac));
	return set;
}

static void test_tap(void **state)
{
	struct op_link set = port("sixtap:lan/web");
	char why[KERN_WHY_MAX], name[16], other[16];
	int fds[4], single;
	uint32_t ifindex, other_index;
	struct ifreq ifr = { 0 };

	(void)state;
	needs_root();
	make_bridge();
	assert_int_equal(kern_tap_new(real.kern, "tap%d", NULL, 4, fds, name, &ifindex), 0);
	assert_int_equal(kern_tap_new(real.kern, "tap%d", NULL, 1, &single, other, &other_index), 0);
	assert_string_equal(name, "tap0");
	assert_string_equal(other, "tap1");
	assert_int_equal(kern_tap_new(real.kern, "tap1", NULL, 1, fds, other, &other_index), -EBUSY);
	assert_int_equal(kern_tap_new(real.kern, "a-name-too-long-", NULL, 1, fds, other, &other_index), -EINVAL);
	assert_int_equal(kern_tap_new(real.kern, "tap%d", NULL, 17, fds, other, &other_index), -EINVAL);
	for (size_t i = 0; i < 4; i++)
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(single, TUNGETIFF, &ifr), 0);
	assert_int_equal(ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_PERSIST | IFF_MULTI_QUEUE),
			 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);

	if (kern_port_attach(real.kern, ifindex, &set, why) != 0)
		fail_msg("%s", why);
	{
		_cleanup_(world_freep) struct world *w = kernel_observe(&real);
		const struct w_link *tap = link_of(w, "tap0");

		assert_int_equal(tap->ifindex, ifindex);
		assert_int_equal(tap->master, link_of(w, "lan")->ifindex);
		assert_string_equal(tap->alias, "sixtap:lan/web");
		assert_string_equal(MAC_STR(&tap->mac), "fe:54:00:12:34:56");
		assert_int_equal(tap->mtu, 1400);
		assert_int_equal(tap->group, 4711);
		assert_int_equal(tap->addr_gen_mode, 1);
		assert_true((tap->flags & IFF_UP) && tap->port.hairpin && tap->tun.multi_queue && tap->tun.vnet_hdr);
		assert_false(tap->tun.persist);
		for (size_t i = 0; i < w->n_addrs; i++)
			assert_int_not_equal(w->addrs[i].ifindex, ifindex);	/* no link-local either */
	}
	_cleanup_(freep) char *state_of_port = sh_read("bridge -d link show dev tap0");
	assert_non_null(strstr(state_of_port, "state forwarding"));
	assert_non_null(strstr(state_of_port, "hairpin on"));

	assert_int_equal(kern_port_attach(real.kern, 9999, &set, why), -ENODEV);
	(void)strcpy(set.master, "nothere");
	assert_int_equal(kern_port_attach(real.kern, ifindex, &set, why), -ENODEV);

	/* Ours by index, name and alias, or not at all. */
	assert_int_equal(kern_link_del(real.kern, ifindex, "tap1", "sixtap:lan/web"), -EPERM);
	assert_int_equal(kern_link_del(real.kern, ifindex, "tap0", "sixtap:lan/db"), -EPERM);
	assert_int_equal(kern_link_del(real.kern, ifindex, "tap0", "sixtap:lan/web"), 0);
	assert_int_equal(kern_link_del(real.kern, ifindex, "tap0", "sixtap:lan/web"), 1);
	for (size_t i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(single);
	_cleanup_(world_freep) struct world *w = kernel_observe(&real);
	assert_null(world_link_by_name(w, "tap1"));	/* gone with its descriptor */

	struct mac guest, host;
	assert_true(mac_parse("fe:00:00:00:00:01", &guest));
	host = kern_tap_mac(&guest);
	assert_string_equal(MAC_STR(&host), "fa:00:00:00:00:01");
}

/* ---------------------------------------------------------------------- events */

struct seen {
	char text[8192];
	size_t n_resync;
};

static void note(struct seen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct seen *s, const char *fmt, ...)
{
	size_t n = strlen(s->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->text + n, sizeof(s->text) - n, fmt, ap);
	va_end(ap);
}

static void on_changed(void *user, enum kern_change kind, uint32_t ifindex, const char *name, mono_t now)
{
	(void)now;
	if (kind == KERN_CHANGE_NFT || kind == KERN_CHANGE_FIREWALL)
		note(user, "[%s by %s %s]", kern_change_name[kind], name, ifindex == (uint32_t)getpid() ? "us" : "them");
	else
		note(user, "[%s %s%s]", kern_change_name[kind], name, ifindex == UINT32_MAX ? "all" : "");
}

static void on_link_new(void *user, const struct w_link *link, mono_t now)
{
	(void)now;
	note(user, "[new %s kind %s master %d]", link->name, link->kind, link->master != 0);
}

static void on_link_gone(void *user, uint32_t ifindex, const char *name, const char *alias, mono_t now)
{
	(void)now;
	assert_true(ifindex > 0);
	note(user, "[gone %s '%s']", name, alias);
}

static void on_resync(void *user, mono_t now)
{
	(void)now;
	((struct seen *)user)->n_resync++;
}

static const struct kern_watch_ops watch_ops = {
	.changed = on_changed, .link_new = on_link_new, .link_gone = on_link_gone, .resync = on_resync,
};

static void turns(struct loop *loop)
{
	for (int i = 0; i < 20; i++)
		assert_true(loop_turn(loop, 5 * MONO_MS) >= 0);
}

static void test_watch(void **state)
{
	static const struct {
		const char *command, *want, *unwanted, *why;
	} t[] = {
		{ "ip link add br0 type bridge", "[new br0 kind bridge master 0]", "[gone", "a bridge" },
		{ "ip link set br0 mtu 1400", "[link br0]", "[new", "another MTU" },
		{ "ip tuntap add tap5 mode tap", "[new tap5 kind tun master 0]", NULL, "a tap" },
		{ "ip link set tap5 master br0 alias sixtap:br0/x", "[new tap5 kind tun master 1]", NULL, "a port" },
		{ "ip link set tap5 nomaster", "[new tap5 kind tun master 0]", "[gone", "leaving isn't going" },
		{ "ip addr add 192.0.2.5/24 dev up0", "[address up0]", NULL, "IPv4 address" },
		{ "ip addr add 2001:db8:5::5/64 dev up0 nodad", "[address up0]", NULL, "IPv6 address" },
		{ "ip route add 10.0.0.0/8 via 198.51.100.9", "[route up0]", NULL, "route" },
		{ "ip -6 route add 2001:db8:9::/48 via 2001:db8:77:1::9", "[route up0]", NULL, "IPv6 route" },
		{ "ip route add default via 198.51.100.9 metric 77", "[default route up0]", "[route", "an uplink, perhaps" },
		{ "ip route del default via 198.51.100.9 metric 77", "[default route up0]", "[route", "and no more" },
		{ "sysctl -qw net.ipv6.conf.up0.forwarding=1", "[netconf up0]", NULL, "one interface's forwarding" },
		{ "sysctl -qw net.ipv4.ip_forward=1", "[netconf all]", NULL, "all's forwarding" },
		{ "nft add table inet other", "[firewall by nft them]", "[nft", "a foreign table may be a firewall" },
		{ "nft add set inet other s '{ type ipv4_addr; }'", NULL, "[", "a set decides nothing by itself" },
		{ "nft add element inet other s '{ 192.0.2.1 }'", NULL, "[", "and addresses that are banned come often" },
		{ "nft add table inet sixtap", "[nft by nft them]", NULL, "ours is" },
		{ "nft flush ruleset", "[nft by nft them]", NULL, "a reload of somebody's firewall" },
		{ "ip link del tap5", "[gone tap5 'sixtap:br0/x']", NULL, "gone, with its alias" },
	};
	struct loop *loop = NULL;
	struct kern_watch *watch = NULL;

	(void)state;
	needs_root();
	struct seen seen = { 0 };
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(kern_watch_new(&watch, loop, &watch_ops, &seen), 0);
	turns(loop);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		seen.text[0] = '\0';
		sh("%s", t[i].command);
		turns(loop);
		if ((t[i].want && !strstr(seen.text, t[i].want)) || (t[i].unwanted && strstr(seen.text, t[i].unwanted)))
			fail_msg("%s: %s", t[i].why, seen.text);
	}
	seen.text[0] = '\0';
	must_nft(NFPROTO_INET, "table inet sixtap { }");
	turns(loop);
	if (!strstr(seen.text, "[nft by test_kern_on_re us]"))
		fail_msg("our own change: %s", seen.text);

	/* More than the buffer holds: the watch says so, and knows the links all the same. */
	assert_int_equal(seen.n_resync, 0);
	sh("ip link add many type bridge");
	sh("i=0; while [ $i -lt 6000 ]; do echo link set many mtu $((1300 + i %% 2)); i=$((i + 1)); done | ip -batch -");
	sh("ip tuntap add late mode tap");
	for (int i = 0; i < 40 && seen.n_resync == 0; i++)
		turns(loop);
	assert_true(seen.n_resync > 0);
	turns(loop);
	seen.text[0] = '\0';
	sh("ip link set late mtu 1400");
	turns(loop);
	if (strstr(seen.text, "[new late") || !strstr(seen.text, "[link late]"))
		fail_msg("after a resync: %.200s", seen.text);
	kern_watch_free(watch);
	loop_free(loop);
}

/* --------------------------------------------------------------------- routers */

static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A router at up1: answers the first RS that it hears with an RA, and ends. Never returns. */
static void router(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IPV6));
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6) };
	const struct timeval limit = { .tv_sec = 30 };
	struct ifreq ifr = { .ifr_name = "up1" };
	uint8_t in[1500], ra[14 + 40 + 16] = {
		0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd,	/* Ethernet */
		0x60, 0, 0, 0, 0, 16, 58, 255,				/* IPv6 */
		0xfe, 0x80, [37] = 9, 0xff, 0x02, [53] = 1,		/* fe80::9 → ff02::1 */
		134, 0, 0, 0, 64, 0, 0x07, 0x08,			/* RA, lifetime 1800 s */
	};

	if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		_exit(1);
	to.sll_ifindex = ifr.ifr_ifindex;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (bind(fd, (void *)&to, sizeof(to)) < 0)
		_exit(2);
	uint16_t sum = checksum(ra + 22, sizeof(ra) - 22, 16 + 58);
	ra[56] = (uint8_t)(sum >> 8);
	ra[57] = (uint8_t)sum;
	for (;;) {
		ssize_t n = recv(fd, in, sizeof(in), 0);

		if (n < 0)
			_exit(3);
		if (n < 62 || in[20] != 58 || in[21] != 255 || in[54] != 133)
			continue;
		if (in[55] != 0 || n != 14 + 40 + 16 || in[62] != 1 || in[63] != 1 || memcmp(in + 64, "\x02\0\0\0\0\x01", 6) != 0)
			_exit(4);
		_exit(send(fd, ra, sizeof(ra), 0) == sizeof(ra) ? 0 : 5);
	}
}

static struct ops *confirm_ops(uint32_t timeout_ms)
{
	struct ops *ops = ops_new();
	struct op *op = ops_add(ops, OP_CONFIRM_ROUTE, OP_ACTION_WAIT);

	op->object = "wait up0";
	(void)strcpy(op->confirm.device, "up0");
	op->confirm.timeout_ms = timeout_ms;
	return ops;
}

static void test_confirm_route(void **state)
{
	_cleanup_(ops_freep) struct ops *ops = confirm_ops(300), *longer = confirm_ops(20000);
	_cleanup_(report_freep) struct report *report = report_new();
	int status;

	(void)state;
	sh("sysctl -qw net.ipv6.conf.up0.accept_ra=2 net.ipv6.conf.all.forwarding=1");
	sh("ip addr add fe80::2/64 dev up0 nodad");

	mono_t start = mono_now();
	assert_int_equal(kern_apply(real.kern, ops, NULL, report), 0);
	assert_true(mono_now() - start >= 300 * MONO_MS && mono_now() - start < 10 * MONO_S);
	assert_int_equal(report_n(report), 1);
	assert_int_equal(report_get(report, 0)->severity, SEVERITY_WARNING);
	assert_string_equal(report_get(report, 0)->what,
			    "no default route by router advertisement within 0.3 s (1 router solicitation sent)");

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		router();
	(void)usleep(50000);
	start = mono_now();
	assert_int_equal(kern_apply(real.kern, longer, NULL, report), 0);
	assert_int_equal(report_n(report), 1);
	assert_true(mono_now() - start < 15 * MONO_S);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	_cleanup_(freep) char *route = sh_read("ip -6 route show default");
	assert_non_null(strstr(route, "via fe80::9 dev up0 proto ra"));

	start = mono_now();
	assert_int_equal(kern_apply(real.kern, longer, NULL, report), 0);
	assert_true(mono_now() - start < 5 * MONO_S);	/* there already: nothing is waited for */
}

/* ---------------------------------------------------------------- without rights */

static void test_without_privileges(void **state)
{
	int status;

	(void)state;
	needs_root();
	must_nft(NFPROTO_INET, text);
	sh("mkdir -m 700 %s/sysctl", real.run_dir);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(world_freep) struct world *w = world_new();
		static const char *const paths[] = { "net/ipv4/ip_forward" };
		const struct kern_conf conf = { .run_dir = real.run_dir, .proc_sys_fd = -1, .tun_fd_dir = -1 };
		struct kern *kern = NULL;

		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		if (kern_new(&kern, &conf, report) != 0)
			_exit(2);
		if (kern_observe(kern, paths, 1, w, report) != 0)
			_exit(3);
		if (!w->nft_unreadable || w->inet.present || w->n_links < 3 || !world_sysctl(w, paths[0]))
			_exit(4);
		struct ops *ops = ops_new();
		struct op *op = ops_add(ops, OP_SYSCTL, OP_ACTION_CHANGE);
		op->object = "sysctl net.ipv4.ip_forward";
		op->sysctl = (struct op_sysctl){ .path = paths[0], .value = "1", .unrecorded = true };
		if (kern_apply(kern, ops, NULL, report) != -EACCES || !strstr(report_get(report, 0)->what, "not permitted"))
			_exit(5);
		op = &ops->ops[0];
		*op = (struct op){ .kind = OP_LINK_ADD, .object = "link lan" };
		op->link = (struct op_link){ .name = "lan", .kind = "bridge" };
		if (kern_apply(kern, ops, NULL, report) != -EPERM)
			_exit(6);
		struct kern_watch *watch = NULL;
		struct loop *loop = NULL;
		if (loop_new(&loop) != 0 || kern_watch_new(&watch, loop, &watch_ops, NULL) != 0)
			_exit(7);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_netns(void **state)
{
	uint64_t a = 0, b = 0;

	(void)state;
	assert_int_equal(netns_cookie(&a), 0);
	assert_true(a > 0);
	assert_false(netns_is_initial());
	assert_int_equal(netns_enter("no-such-netns"), -ENOENT);
	assert_int_equal(netns_enter("4194999"), -ENOENT);
	assert_int_equal(netns_enter("../proc"), -ENOENT);
	assert_int_equal(netns_enter(""), -ENOENT);
	assert_int_equal(netns_cookie(&b), 0);
	assert_int_equal(a, b);
}

static int setup(void **state)
{
	(void)state;
	kernel_open(&real);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kernel_close(&real);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nft_round_trip),  TEST(test_nft_list_restores), TEST(test_nft_refusals), TEST(test_observe),
		TEST(test_listeners),	    TEST(test_tap),		  TEST(test_watch),	   TEST(test_confirm_route),
		TEST(test_without_privileges), TEST(test_netns),
	};

	kernel_privileges();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
