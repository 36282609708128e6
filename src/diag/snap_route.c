/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_route - addresses, routes and rules of a snapshot
 */
#include "diag/snap_read.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <time.h>
#include "kern/rtnl.h"

#define IFA_PROTO_ 11		/* 5.18 */
#define NEXTHOPS_MAX 256

/* ------------------------------------------------------------------- addresses */

struct addrs {
	struct snapshot *s;
	uint64_t now_cs;	/* 1/100 s since boot: what the kernel stamps addresses with (INITIAL_JIFFIES taken off) */
};

static int on_addr(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[IFA_PROTO_ + 1] = {
		[IFA_CACHEINFO] = sizeof(struct ifa_cacheinfo),
		[IFA_FLAGS] = 4,
		[IFA_LABEL] = NL_STR,
		[IFA_PROTO_] = 1,
	};
	const struct nlattr *tb[IFA_PROTO_ + 1];
	const struct addrs *as = user;
	struct ifaddrmsg ifa;
	struct ip ip, peer = { 0 };

	if (!nl_parse_msg(nlh, sizeof(ifa), tb, IFA_PROTO_, policy))
		return 0;
	memcpy(&ifa, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifa));
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, when it is there, is ours. */
	bool local = nl_ip(tb[IFA_LOCAL], ifa.ifa_family, &ip);
	if (!nl_ip(tb[IFA_ADDRESS], ifa.ifa_family, local ? &peer : &ip) && !local)
		return 0;
	if (ifa.ifa_prefixlen > ip_bits(&ip))
		return 0;
	struct snap_addr *a = SNAP_ADD(as->s, addrs);
	*a = (struct snap_addr){
		.ifindex = ifa.ifa_index,
		.prefix = { ip, ifa.ifa_prefixlen },
		.flags = tb[IFA_FLAGS] ? nl_u32(tb[IFA_FLAGS]) : ifa.ifa_flags,
		.scope = ifa.ifa_scope,
		.proto = nl_u8(tb[IFA_PROTO_]),
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
		.label = tb[IFA_LABEL] ? arena_strdup(as->s->arena, nl_str(tb[IFA_LABEL])) : "",
	};
	if (local && !ip_eq(&peer, &ip))
		a->peer = peer;
	if (tb[IFA_CACHEINFO]) {
		struct ifa_cacheinfo ci;

		memcpy(&ci, nl_data(tb[IFA_CACHEINFO]), sizeof(ci));
		a->valid_s = ci.ifa_valid;
		a->preferred_s = ci.ifa_prefered;
		uint64_t age = as->now_cs > ci.cstamp ? (as->now_cs - ci.cstamp) * 10 : 0;
		a->age_ms = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
	}
	return 0;
}

void snap_read_addrs(struct snap_reader *r)
{
	const struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };
	struct addrs as = { .s = r->s };
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	as.now_cs = (uint64_t)ts.tv_sec * 100 + (uint64_t)ts.tv_nsec / 10000000;
	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	if (snap_dump(r, &r->rt, on_addr, &as, &r->s->n_addrs, NULL) < 0)
		snapshot_add_unread(r->s, "addresses", "", "%s", r->why);
}

/* ---------------------------------------------------------------------- routes */

static const uint16_t route_policy[RTA_MAX + 1] = {
	[RTA_OIF] = 4,
	[RTA_TABLE] = 4,
	[RTA_PRIORITY] = 4,
	[RTA_PREF] = 1,
	[RTA_NH_ID] = 4,
	[RTA_EXPIRES] = 4,
	[RTA_CACHEINFO] = sizeof(struct rta_cacheinfo),
	[RTA_VIA] = 2,
};

static void add_multipath(struct snapshot *s, const struct nlattr *multi, const struct snap_route *route)
{
	const void *at = nl_data(multi);
	const struct nlattr *tb[RTA_MAX + 1];
	size_t left = nl_len(multi), first = s->n_routes;
	struct rtnexthop nh;
	uint16_t n = 0;

	while (n < NEXTHOPS_MAX && rtnl_next_hop(&at, &left, route_policy, &nh, tb)) {
		struct snap_route *r = SNAP_ADD(s, routes);
		*r = *route;
		r->oif = (uint32_t)nh.rtnh_ifindex;
		r->flags |= nh.rtnh_flags;
		r->weight = (uint16_t)(nh.rtnh_hops + 1);
		r->nexthop = n++;
		rtnl_parse_gateway(tb, route->dst.ip.family, &r->gateway);
	}
	for (size_t i = first; i < s->n_routes; i++)
		s->routes[i].n_nexthops = n;
}

static void parse_metrics(const struct nlattr *metrics, struct snap_route *r)
{
	static const uint16_t policy[RTAX_MAX + 1] = { [RTAX_MTU] = 4 };
	const struct nlattr *tb[RTAX_MAX + 1];

	nl_parse_nest(metrics, tb, RTAX_MAX, policy);
	r->mtu = nl_u32(tb[RTAX_MTU]);
}

static int on_route(void *user, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[RTA_MAX + 1];
	struct snapshot *s = user;
	struct rtmsg rtm;

	if (!nl_parse_msg(nlh, sizeof(rtm), tb, RTA_MAX, route_policy))
		return 0;
	memcpy(&rtm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(rtm));
	if ((rtm.rtm_family != AF_INET && rtm.rtm_family != AF_INET6) || (rtm.rtm_flags & RTM_F_CLONED))
		return 0;
	struct snap_route r = {
		.dst = { .ip.family = rtm.rtm_family, .len = rtm.rtm_dst_len },
		.table = tb[RTA_TABLE] ? nl_u32(tb[RTA_TABLE]) : rtm.rtm_table,
		.metric = nl_u32(tb[RTA_PRIORITY]),
		.protocol = rtm.rtm_protocol,
		.type = rtm.rtm_type,
		.scope = rtm.rtm_scope,
		.preference = nl_u8(tb[RTA_PREF]),
		.flags = rtm.rtm_flags,
		.oif = nl_u32(tb[RTA_OIF]),
		.nh_id = nl_u32(tb[RTA_NH_ID]),
		.expires_s = nl_u32(tb[RTA_EXPIRES]),
		.n_nexthops = 1,
	};
	if (tb[RTA_DST] && !nl_ip(tb[RTA_DST], rtm.rtm_family, &r.dst.ip))
		return 0;
	if (r.dst.len > ip_bits(&r.dst.ip))
		return 0;
	if (rtm.rtm_src_len > 0 && rtm.rtm_src_len <= 128 && nl_ip(tb[RTA_SRC], rtm.rtm_family, &r.src.ip))
		r.src.len = rtm.rtm_src_len;
	(void)nl_ip(tb[RTA_PREFSRC], rtm.rtm_family, &r.source);
	if (tb[RTA_CACHEINFO]) {
		struct rta_cacheinfo ci;

		memcpy(&ci, nl_data(tb[RTA_CACHEINFO]), sizeof(ci));
		if (ci.rta_expires > 0)
			r.expires_s = ((uint32_t)ci.rta_expires + 99) / 100;	/* USER_HZ */
	}
	parse_metrics(tb[RTA_METRICS], &r);
	if (tb[RTA_MULTIPATH]) {
		add_multipath(s, tb[RTA_MULTIPATH], &r);
		return 0;
	}
	rtnl_parse_gateway(tb, rtm.rtm_family, &r.gateway);
	*SNAP_ADD(s, routes) = r;
	return 0;
}

/* ----------------------------------------------------------------------- rules */

static const char *rule_name(struct snapshot *s, const struct nlattr *a)
{
	return a ? arena_strdup(s->arena, nl_str(a)) : "";
}

static void parse_ports(const struct nlattr *a, uint16_t *first, uint16_t *last)
{
	struct fib_rule_port_range range = { 0 };

	if (a)
		memcpy(&range, nl_data(a), sizeof(range));
	*first = range.start;
	*last = range.end;
}

static int on_rule(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[FRA_MAX + 1] = {
		[FRA_IIFNAME] = NL_STR, [FRA_OIFNAME] = NL_STR, [FRA_GOTO] = 4,	     [FRA_PRIORITY] = 4,
		[FRA_FWMARK] = 4,	[FRA_FWMASK] = 4,	[FRA_TABLE] = 4,     [FRA_SUPPRESS_PREFIXLEN] = 4,
		[FRA_L3MDEV] = 1,	[FRA_PROTOCOL] = 1,	[FRA_IP_PROTO] = 1,  [FRA_UID_RANGE] = sizeof(struct fib_rule_uid_range),
		[FRA_SPORT_RANGE] = sizeof(struct fib_rule_port_range),
		[FRA_DPORT_RANGE] = sizeof(struct fib_rule_port_range),
	};
	const struct nlattr *tb[FRA_MAX + 1];
	struct snapshot *s = user;
	struct fib_rule_hdr h;

	if (!nl_parse_msg(nlh, sizeof(h), tb, FRA_MAX, policy))
		return 0;
	memcpy(&h, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(h));
	if (h.family != AF_INET && h.family != AF_INET6)
		return 0;
	struct snap_rule *r = SNAP_ADD(s, rules);
	*r = (struct snap_rule){
		.family = h.family,
		.priority = nl_u32(tb[FRA_PRIORITY]),
		.action = h.action,
		.invert = h.flags & FIB_RULE_INVERT,
		.table = tb[FRA_TABLE] ? nl_u32(tb[FRA_TABLE]) : h.table,
		.target = nl_u32(tb[FRA_GOTO]),
		.iif = rule_name(s, tb[FRA_IIFNAME]),
		.oif = rule_name(s, tb[FRA_OIFNAME]),
		.mark = nl_u32(tb[FRA_FWMARK]),
		.mask = nl_u32(tb[FRA_FWMASK]),
		.tos = h.tos,
		.ip_proto = nl_u8(tb[FRA_IP_PROTO]),
		.protocol = nl_u8(tb[FRA_PROTOCOL]),
		.l3mdev = nl_u8(tb[FRA_L3MDEV]),
		.suppress_prefixlen = -1,
	};
	if (tb[FRA_SUPPRESS_PREFIXLEN] && nl_u32(tb[FRA_SUPPRESS_PREFIXLEN]) != UINT32_MAX)
		r->suppress_prefixlen = nl_u32(tb[FRA_SUPPRESS_PREFIXLEN]);
	if (nl_ip(tb[FRA_SRC], h.family, &r->src.ip))
		r->src.len = h.src_len <= ip_bits(&r->src.ip) ? h.src_len : 0;
	if (nl_ip(tb[FRA_DST], h.family, &r->dst.ip))
		r->dst.len = h.dst_len <= ip_bits(&r->dst.ip) ? h.dst_len : 0;
	parse_ports(tb[FRA_SPORT_RANGE], &r->sport_first, &r->sport_last);
	parse_ports(tb[FRA_DPORT_RANGE], &r->dport_first, &r->dport_last);
	if (tb[FRA_UID_RANGE]) {
		struct fib_rule_uid_range range;

		memcpy(&range, nl_data(tb[FRA_UID_RANGE]), sizeof(range));
		r->has_uid = true;
		r->uid_first = range.start;
		r->uid_last = range.end;
	}
	return 0;
}

void snap_read_routes(struct snap_reader *r)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct rtmsg rtm = { .rtm_family = families[i] };
		const struct fib_rule_hdr h = { .family = families[i] };

		nlb_reset(&r->b);
		nlb_msg(&r->b, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
		if (snap_dump(r, &r->rt, on_route, r->s, &r->s->n_routes, NULL) < 0)
			snapshot_add_unread(r->s, "routes", i ? "IPv6" : "IPv4", "%s", r->why);
		nlb_reset(&r->b);
		nlb_msg(&r->b, RTM_GETRULE, NLM_F_DUMP, &h, sizeof(h));
		if (snap_dump(r, &r->rt, on_rule, r->s, &r->s->n_rules, NULL) < 0)
			snapshot_add_unread(r->s, "rules", i ? "IPv6" : "IPv4", "%s", r->why);
	}
}
