/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "kern/nfnl.h"
#include "kern/rtnl.h"

struct message {
	uint16_t type;
	struct ifinfomsg ifi;
	bool gen_mode, slave, master, info_kind;
};

/* The messages of a change, as far as their order matters. */
static size_t messages(const struct op_link *link, struct message ret[static 4])
{
	static const uint16_t any[IFLA_MAX + 1], info_any[IFLA_INFO_MAX + 1];
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	const struct nlmsghdr *nlh;
	struct nlb b = { 0 };
	size_t n = 0;

	size_t put = rtnl_put_link_set(&b, 7, link, 3);
	assert_int_equal(put, b.n_msgs);
	assert_false(b.bad);
	NL_EACH(nlh, b.p, b.len) {
		struct message *m = &ret[n++];

		assert_true(n <= 4);
		assert_true(nl_parse_msg(nlh, sizeof(m->ifi), tb, IFLA_MAX, any));
		memcpy(&m->ifi, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(m->ifi));
		assert_int_equal(m->ifi.ifi_index, 7);
		assert_null(tb[IFLA_IFNAME]);	/* with an index it would rename the link */
		m->type = nlh->nlmsg_type;
		m->gen_mode = tb[IFLA_AF_SPEC];
		m->master = tb[IFLA_MASTER];
		nl_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX, info_any);
		m->slave = info[IFLA_INFO_SLAVE_DATA];
		m->info_kind = info[IFLA_INFO_KIND];
	}
	nlb_free(&b);
	return n;
}

static void test_link_set(void **state)
{
	static const struct {
		uint32_t mask;
		bool up;
		size_t n;
		const char *why;
	} t[] = {
		{ 0, false, 0, "nothing" },
		{ OP_LINK_MTU | OP_LINK_MAC | OP_LINK_ALIAS, false, 1, "one message will do" },
		{ OP_LINK_UP, true, 1, "up" },
		{ OP_LINK_UP, false, 1, "down" },
		{ OP_LINK_UP | OP_LINK_GENMODE, true, 2, "no link-local address in between" },
		{ OP_LINK_MASTER | OP_LINK_HAIRPIN, false, 2, "hairpin belongs to a port" },
		{ OP_LINK_MASTER | OP_LINK_HAIRPIN | OP_LINK_UP | OP_LINK_GENMODE, true, 2, "all of a port" },
		{ OP_LINK_BRIDGE, false, 1, "bridge" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct op_link link = { .name = "tap0", .mask = t[i].mask, .up = t[i].up, .alias = "sixtap:lan" };
		struct message m[4];
		size_t n = messages(&link, m);
		bool gen_mode = false, master = false;

		if (n != t[i].n)
			fail_msg("%s: %zu messages", t[i].why, n);
		for (size_t k = 0; k < n; k++) {
			if ((m[k].ifi.ifi_flags & IFF_UP) && (t[i].mask & OP_LINK_GENMODE) && !gen_mode)
				fail_msg("%s: up before addr_gen_mode", t[i].why);
			if (m[k].slave && (t[i].mask & OP_LINK_MASTER) && !master)
				fail_msg("%s: port settings before it is a port", t[i].why);
			/* The kernel changes flags before it reads IFLA_AF_SPEC of the same message. */
			gen_mode = gen_mode || m[k].gen_mode;
			master = master || m[k].master;
			assert_int_equal(m[k].ifi.ifi_flags & ~m[k].ifi.ifi_change, 0);
		}
	}
}

static void test_parse_refuses(void **state)
{
	struct nlb b = { 0 };
	struct w_link link;
	struct w_addr addr;
	struct w_route routes[RTNL_NEXTHOPS];
	struct ifinfomsg ifi = { .ifi_index = 1 };
	struct { uint8_t family, len, flags, scope; uint32_t index; } ifa = { AF_INET, 33, 0, 0, 1 };
	struct rtmsg rtm = { .rtm_family = AF_INET6, .rtm_dst_len = 129, .rtm_type = RTN_UNICAST };

	(void)state;
	nlb_msg(&b, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	assert_false(rtnl_parse_link((void *)b.p, &link));	/* no name */
	nlb_strz(&b, IFLA_IFNAME, "x");
	assert_true(rtnl_parse_link((void *)b.p, &link));
	assert_false(link.have_inet || link.have_inet6);
	nlb_reset(&b);
	nlb_msg(&b, RTM_NEWLINK, 0, &ifi, 8);
	assert_false(rtnl_parse_link((void *)b.p, &link));	/* cut */
	nlb_reset(&b);
	nlb_msg(&b, RTM_NEWADDR, 0, &ifa, sizeof(ifa));
	nlb_put(&b, IFA_LOCAL, "\1\2\3\4", 4);
	assert_false(rtnl_parse_addr((void *)b.p, &addr));	/* prefix length 33 */
	nlb_reset(&b);
	nlb_msg(&b, RTM_NEWROUTE, 0, &rtm, sizeof(rtm));
	assert_int_equal(rtnl_parse_route((void *)b.p, routes), 0);
	nlb_free(&b);
}

/* Elements of several messages: chunks below netlink's limit, none lost. */
static void test_many_elems(void **state)
{
	enum { N = 5000 };
	struct nft_elem *elems = xcalloc(N, sizeof(*elems));
	struct nfnl_elems list = { .arena = arena_new() };
	const struct nlmsghdr *nlh;
	struct nlb b = { 0 };

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		elems[i] = (struct nft_elem){ .set = "s", .key = { (uint8_t)(i >> 8), (uint8_t)i }, .key_len = 20 };
	nfnl_put_elems(&b, 1, elems, N, true, false);
	assert_false(b.bad);
	assert_true(b.n_msgs > 1);
	NL_EACH(nlh, b.p, b.len)
		nfnl_parse_elems(nlh, "s", &list);
	assert_int_equal(list.n, N);
	for (size_t i = 0; i < N; i++)
		assert_true(nft_elem_same(&list.elems[i], &elems[i]));
	nlb_free(&b);
	arena_free(list.arena);
	free(elems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_set),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_many_elems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
