/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnl - rtnetlink messages to and from structs
 *
 * The kernel sets flags (up) before IFLA_AF_SPEC in one request, and takes
 * attributes of a bridge port only from a link that is one already. So a
 * change is at most two messages: all that doesn't depend on others, then the
 * rest. They travel in one system call.
 */
#include "kern/rtnl.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

/* Newer than the oldest headers we build with. */
#define IFLA_BRPORT_LOCKED_ 39	/* 5.18 */
#define IFA_PROTO_ 11		/* 5.18 */
#define RTEXT_FILTER_SKIP_STATS_ (1 << 3)

#define GEN_MODE_NONE 1		/* IN6_ADDR_GEN_MODE_NONE */

/* -------------------------------------------------------------------- parsing */

static const uint16_t link_policy[IFLA_MAX + 1] = {
	[IFLA_IFNAME] = NL_STR,
	[IFLA_ADDRESS] = 0,
	[IFLA_MTU] = 4,
	[IFLA_MASTER] = 4,
	[IFLA_LINK] = 4,
	[IFLA_GROUP] = 4,
	[IFLA_IFALIAS] = NL_STR,
};

static const uint16_t info_policy[IFLA_INFO_MAX + 1] = {
	[IFLA_INFO_KIND] = NL_STR,
	[IFLA_INFO_SLAVE_KIND] = NL_STR,
};

static const uint16_t bridge_policy[IFLA_BR_MAX + 1] = {
	[IFLA_BR_FORWARD_DELAY] = 4,
	[IFLA_BR_STP_STATE] = 4,
	[IFLA_BR_VLAN_FILTERING] = 1,
	[IFLA_BR_MCAST_SNOOPING] = 1,
	[IFLA_BR_NF_CALL_IPTABLES] = 1,
	[IFLA_BR_NF_CALL_IP6TABLES] = 1,
};

static const uint16_t port_policy[IFLA_BRPORT_LOCKED_ + 1] = {
	[IFLA_BRPORT_MODE] = 1,
	[IFLA_BRPORT_ISOLATED] = 1,
	[IFLA_BRPORT_LOCKED_] = 1,
};

static const uint16_t tun_policy[IFLA_TUN_MAX + 1] = {
	[IFLA_TUN_OWNER] = 4,
	[IFLA_TUN_GROUP] = 4,
	[IFLA_TUN_VNET_HDR] = 1,
	[IFLA_TUN_PERSIST] = 1,
	[IFLA_TUN_MULTI_QUEUE] = 1,
};

static const uint16_t macvlan_policy[IFLA_MACVLAN_MAX + 1] = {
	[IFLA_MACVLAN_MODE] = 4,
	[IFLA_MACVLAN_BC_QUEUE_LEN] = 4,
	[IFLA_MACVLAN_MACADDR_COUNT] = 4,
};

static const uint16_t inet6_policy[IFLA_INET6_MAX + 1] = {
	[IFLA_INET6_ADDR_GEN_MODE] = 1,
};

static void parse_af_spec(const struct nlattr *spec, struct w_link *link)
{
	static const uint16_t any[IFLA_INET_MAX + 1];
	const void *at = nl_data(spec);
	size_t left = nl_len(spec);
	const struct nlattr *af;

	while ((af = nl_next(&at, &left))) {
		if (nl_type(af) == AF_INET) {
			const struct nlattr *tb[IFLA_INET_MAX + 1];

			nl_parse_nest(af, tb, IFLA_INET_MAX, any);
			link->have_inet = true;
			link->forwarding4 = nl_entry(tb[IFLA_INET_CONF], IPV4_DEVCONF_FORWARDING - 1) != 0;
		} else if (nl_type(af) == AF_INET6) {
			const struct nlattr *tb[IFLA_INET6_MAX + 1];

			nl_parse_nest(af, tb, IFLA_INET6_MAX, inet6_policy);
			link->have_inet6 = true;
			link->forwarding6 = nl_entry(tb[IFLA_INET6_CONF], DEVCONF_FORWARDING) != 0;
			link->accept_ra = nl_entry(tb[IFLA_INET6_CONF], DEVCONF_ACCEPT_RA);
			link->disable_ipv6 = nl_entry(tb[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6) != 0;
			link->addr_gen_mode = nl_u8(tb[IFLA_INET6_ADDR_GEN_MODE]);
		}
	}
}

static uint64_t sum_sources(const struct nlattr *list)
{
	const void *at = nl_data(list);
	size_t left = nl_len(list);
	const struct nlattr *a;
	uint64_t sum = 0;

	while ((a = nl_next(&at, &left))) {
		struct mac mac;

		if (nl_type(a) != IFLA_MACVLAN_MACADDR || nl_len(a) < sizeof(mac))
			continue;
		memcpy(&mac, nl_data(a), sizeof(mac));
		sum += mac_hash(&mac);
	}
	return sum;
}

static void parse_kind(const struct nlattr *data, struct w_link *link)
{
	if (strcmp(link->kind, "bridge") == 0) {
		const struct nlattr *tb[IFLA_BR_MAX + 1];

		nl_parse_nest(data, tb, IFLA_BR_MAX, bridge_policy);
		link->bridge.stp = nl_u32(tb[IFLA_BR_STP_STATE]) != 0;
		link->bridge.forward_delay = nl_u32(tb[IFLA_BR_FORWARD_DELAY]);
		link->bridge.mcast_snooping = nl_u8(tb[IFLA_BR_MCAST_SNOOPING]);
		link->bridge.vlan_filtering = nl_u8(tb[IFLA_BR_VLAN_FILTERING]);
		link->bridge.nf_call_iptables = nl_u8(tb[IFLA_BR_NF_CALL_IPTABLES]);
		link->bridge.nf_call_ip6tables = nl_u8(tb[IFLA_BR_NF_CALL_IP6TABLES]);
	} else if (strcmp(link->kind, "tun") == 0) {
		const struct nlattr *tb[IFLA_TUN_MAX + 1];

		nl_parse_nest(data, tb, IFLA_TUN_MAX, tun_policy);
		link->tun.persist = nl_u8(tb[IFLA_TUN_PERSIST]);
		link->tun.vnet_hdr = nl_u8(tb[IFLA_TUN_VNET_HDR]);
		link->tun.multi_queue = nl_u8(tb[IFLA_TUN_MULTI_QUEUE]);
		link->tun.owner = tb[IFLA_TUN_OWNER] ? (int64_t)nl_u32(tb[IFLA_TUN_OWNER]) : -1;
		link->tun.group = tb[IFLA_TUN_GROUP] ? (int64_t)nl_u32(tb[IFLA_TUN_GROUP]) : -1;
	} else if (strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "macvlan") == 0) {
		const struct nlattr *tb[IFLA_MACVLAN_MAX + 1];

		nl_parse_nest(data, tb, IFLA_MACVLAN_MAX, macvlan_policy);
		link->macvlan_mode = nl_u32(tb[IFLA_MACVLAN_MODE]);
		link->macvlan_queue = nl_u32(tb[IFLA_MACVLAN_BC_QUEUE_LEN]);
		link->n_sources = nl_u32(tb[IFLA_MACVLAN_MACADDR_COUNT]);
		if (tb[IFLA_MACVLAN_MACADDR_DATA])
			link->sources_sum = sum_sources(tb[IFLA_MACVLAN_MACADDR_DATA]);
	}
}

bool rtnl_parse_link(const struct nlmsghdr *nlh, struct w_link *ret)
{
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct ifinfomsg ifi;

	if (!nl_parse_msg(nlh, sizeof(ifi), tb, IFLA_MAX, link_policy) || !tb[IFLA_IFNAME])
		return false;
	memcpy(&ifi, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifi));
	if (ifi.ifi_index <= 0)
		return false;
	*ret = (struct w_link){
		.ifindex = (uint32_t)ifi.ifi_index,
		.flags = ifi.ifi_flags,
		.mtu = nl_u32(tb[IFLA_MTU]),
		.master = nl_u32(tb[IFLA_MASTER]),
		.lower = tb[IFLA_LINK_NETNSID] ? 0 : nl_u32(tb[IFLA_LINK]),
		.group = nl_u32(tb[IFLA_GROUP]),
		.tun = { .owner = -1, .group = -1 },
	};
	(void)str_copy(ret->name, sizeof(ret->name), nl_str(tb[IFLA_IFNAME]));
	if (tb[IFLA_IFALIAS])
		(void)str_copy(ret->alias, sizeof(ret->alias), nl_str(tb[IFLA_IFALIAS]));
	if (tb[IFLA_ADDRESS] && nl_len(tb[IFLA_ADDRESS]) == sizeof(ret->mac))
		memcpy(&ret->mac, nl_data(tb[IFLA_ADDRESS]), sizeof(ret->mac));

	nl_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX, info_policy);
	if (info[IFLA_INFO_KIND])
		(void)str_copy(ret->kind, sizeof(ret->kind), nl_str(info[IFLA_INFO_KIND]));
	parse_kind(info[IFLA_INFO_DATA], ret);
	if (info[IFLA_INFO_SLAVE_KIND] && str_eq(nl_str(info[IFLA_INFO_SLAVE_KIND]), "bridge")) {
		const struct nlattr *port[IFLA_BRPORT_LOCKED_ + 1];

		nl_parse_nest(info[IFLA_INFO_SLAVE_DATA], port, IFLA_BRPORT_LOCKED_, port_policy);
		ret->port.hairpin = nl_u8(port[IFLA_BRPORT_MODE]);
		ret->port.isolated = nl_u8(port[IFLA_BRPORT_ISOLATED]);
		ret->port.locked = nl_u8(port[IFLA_BRPORT_LOCKED_]);
	}
	if (tb[IFLA_AF_SPEC] && ifi.ifi_family == AF_UNSPEC)
		parse_af_spec(tb[IFLA_AF_SPEC], ret);
	return true;
}

const struct mac *rtnl_parse_sources(const struct nlmsghdr *nlh, const struct w_link *link, struct arena *arena)
{
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1], *data[IFLA_MACVLAN_MAX + 1], *a;
	size_t n = 0, left;
	const void *at;

	if (link->n_sources == 0 || !nl_parse_msg(nlh, sizeof(struct ifinfomsg), tb, IFLA_MAX, link_policy))
		return NULL;
	nl_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX, info_policy);
	nl_parse_nest(info[IFLA_INFO_DATA], data, IFLA_MACVLAN_MAX, macvlan_policy);
	if (!data[IFLA_MACVLAN_MACADDR_DATA])
		return NULL;
	struct mac *macs = arena_alloc(arena, link->n_sources, sizeof(*macs));
	at = nl_data(data[IFLA_MACVLAN_MACADDR_DATA]);
	left = nl_len(data[IFLA_MACVLAN_MACADDR_DATA]);
	while (n < link->n_sources && (a = nl_next(&at, &left)))
		if (nl_type(a) == IFLA_MACVLAN_MACADDR && nl_len(a) >= sizeof(*macs))
			memcpy(&macs[n++], nl_data(a), sizeof(*macs));
	return n == link->n_sources ? macs : NULL;
}

uint8_t rtnl_link_family(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_len > NLMSG_HDRLEN ? *((const uint8_t *)nlh + NLMSG_HDRLEN) : AF_UNSPEC;
}

bool rtnl_is_hardware(const struct nlmsghdr *nlh, const struct w_link *link)
{
	struct ifinfomsg ifi;

	memcpy(&ifi, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifi));
	return link->kind[0] == '\0' && ifi.ifi_type == ARPHRD_ETHER;
}

/* An address of @family from an attribute; false: the wrong size. */
bool rtnl_parse_addr(const struct nlmsghdr *nlh, struct w_addr *ret)
{
	static const uint16_t policy[IFA_PROTO_ + 1] = {
		[IFA_CACHEINFO] = sizeof(struct ifa_cacheinfo),
		[IFA_FLAGS] = 4,
		[IFA_PROTO_] = 1,
	};
	const struct nlattr *tb[IFA_PROTO_ + 1];
	struct ifaddrmsg ifa;
	struct w_addr a;

	if (!nl_parse_msg(nlh, sizeof(ifa), tb, IFA_PROTO_, policy))
		return false;
	memcpy(&ifa, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifa));
	a = (struct w_addr){
		.ifindex = ifa.ifa_index,
		.prefix.len = ifa.ifa_prefixlen,
		.flags = tb[IFA_FLAGS] ? nl_u32(tb[IFA_FLAGS]) : ifa.ifa_flags,
		.scope = ifa.ifa_scope,
		.proto = nl_u8(tb[IFA_PROTO_]),
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
	};
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, when it is there, is ours. */
	if (!nl_ip(tb[IFA_LOCAL], ifa.ifa_family, &a.prefix.ip) &&
	    !nl_ip(tb[IFA_ADDRESS], ifa.ifa_family, &a.prefix.ip))
		return false;
	if (a.prefix.len > ip_bits(&a.prefix.ip))
		return false;
	if (tb[IFA_CACHEINFO]) {
		struct ifa_cacheinfo ci;

		memcpy(&ci, nl_data(tb[IFA_CACHEINFO]), sizeof(ci));
		a.valid_s = ci.ifa_valid;
		a.preferred_s = ci.ifa_prefered;
	}
	*ret = a;
	return true;
}

static const uint16_t route_policy[RTA_MAX + 1] = {
	[RTA_OIF] = 4,
	[RTA_TABLE] = 4,
	[RTA_PRIORITY] = 4,
	[RTA_CACHEINFO] = sizeof(struct rta_cacheinfo),
	[RTA_VIA] = 2,
};

void rtnl_parse_gateway(const struct nlattr *const *tb, uint8_t family, struct ip *ret)
{
	if (nl_ip(tb[RTA_GATEWAY], family, ret) || !tb[RTA_VIA])
		return;
	uint16_t via_family = nl_u16(tb[RTA_VIA]);
	size_t n = via_family == AF_INET ? 4 : via_family == AF_INET6 ? 16 : 0;
	if (n == 0 || nl_len(tb[RTA_VIA]) < 2 + n)
		return;
	*ret = (struct ip){ .family = (uint8_t)via_family };
	memcpy(ret->b, (const uint8_t *)nl_data(tb[RTA_VIA]) + 2, n);
}

bool rtnl_next_hop(const void **at, size_t *left, const uint16_t *policy, struct rtnexthop *ret, const struct nlattr **tb)
{
	const uint8_t *p = *at;
	struct rtnexthop nh;

	if (*left < sizeof(nh))
		return false;
	memcpy(&nh, p, sizeof(nh));
	if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > *left)
		return false;
	nl_parse(p + sizeof(nh), nh.rtnh_len - sizeof(nh), tb, RTA_MAX, policy);
	size_t step = NLMSG_ALIGN(nh.rtnh_len);
	if (step > *left)
		step = *left;
	*at = p + step;
	*left -= step;
	*ret = nh;
	return true;
}

static size_t parse_multipath(const struct nlattr *multi, const struct w_route *route,
			      struct w_route ret[static RTNL_NEXTHOPS])
{
	const void *at = nl_data(multi);
	const struct nlattr *tb[RTA_MAX + 1];
	size_t left = nl_len(multi), n = 0;
	struct rtnexthop nh;

	while (n < RTNL_NEXTHOPS && rtnl_next_hop(&at, &left, route_policy, &nh, tb)) {
		ret[n] = *route;
		ret[n].oif = (uint32_t)nh.rtnh_ifindex;
		rtnl_parse_gateway(tb, route->dst.ip.family, &ret[n].gateway);
		n++;
	}
	return n;
}

size_t rtnl_parse_route(const struct nlmsghdr *nlh, struct w_route ret[static RTNL_NEXTHOPS])
{
	const struct nlattr *tb[RTA_MAX + 1];
	struct rtmsg rtm;

	if (!nl_parse_msg(nlh, sizeof(rtm), tb, RTA_MAX, route_policy))
		return 0;
	memcpy(&rtm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(rtm));
	if ((rtm.rtm_family != AF_INET && rtm.rtm_family != AF_INET6) || (rtm.rtm_flags & RTM_F_CLONED))
		return 0;
	if (rtm.rtm_type == RTN_LOCAL || rtm.rtm_type == RTN_BROADCAST || rtm.rtm_type == RTN_ANYCAST ||
	    rtm.rtm_type == RTN_MULTICAST)
		return 0;

	struct w_route r = {
		.dst = { .ip.family = rtm.rtm_family, .len = rtm.rtm_dst_len },
		.oif = nl_u32(tb[RTA_OIF]),
		.table = tb[RTA_TABLE] ? nl_u32(tb[RTA_TABLE]) : rtm.rtm_table,
		.metric = nl_u32(tb[RTA_PRIORITY]),
		.protocol = rtm.rtm_protocol,
		.type = rtm.rtm_type,
		.scope = rtm.rtm_scope,
	};
	if (tb[RTA_DST] && !nl_ip(tb[RTA_DST], rtm.rtm_family, &r.dst.ip))
		return 0;
	if (r.dst.len > ip_bits(&r.dst.ip))
		return 0;
	if (tb[RTA_CACHEINFO]) {
		struct rta_cacheinfo ci;

		memcpy(&ci, nl_data(tb[RTA_CACHEINFO]), sizeof(ci));
		r.expires = ci.rta_expires != 0;
	}
	if (tb[RTA_MULTIPATH])
		return parse_multipath(tb[RTA_MULTIPATH], &r, ret);
	rtnl_parse_gateway(tb, rtm.rtm_family, &r.gateway);
	(void)nl_ip(tb[RTA_PREFSRC], rtm.rtm_family, &r.src);
	ret[0] = r;
	return 1;
}

/* ------------------------------------------------------------------- building */

static void link_msg(struct nlb *b, uint16_t type, uint16_t flags, uint32_t ifindex, const char *name, uint32_t up,
		     uint32_t change)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)ifindex, .ifi_flags = up, .ifi_change = change };

	nlb_msg(b, type, flags, &ifi, sizeof(ifi));
	if (ifindex == 0)
		nlb_strz(b, IFLA_IFNAME, name);
}

static void put_gen_mode(struct nlb *b, uint8_t mode)
{
	size_t spec = nlb_nest(b, IFLA_AF_SPEC), inet6 = nlb_nest(b, AF_INET6);

	nlb_u8(b, IFLA_INET6_ADDR_GEN_MODE, mode);
	nlb_end(b, inet6);
	nlb_end(b, spec);
}

static void put_macvlan(struct nlb *b, const struct op_link *link)
{
	size_t data = nlb_nest(b, IFLA_INFO_DATA);

	nlb_u32(b, IFLA_MACVLAN_MODE, link->macvlan_mode);
	if (link->macvlan_queue > 0)
		nlb_u32(b, IFLA_MACVLAN_BC_QUEUE_LEN, link->macvlan_queue);
	if (link->macvlan_mode == MACVLAN_MODE_SOURCE && link->sources) {
		nlb_u32(b, IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET);
		size_t list = nlb_nest(b, IFLA_MACVLAN_MACADDR_DATA);
		for (size_t i = 0; i < link->n_sources; i++)
			nlb_put(b, IFLA_MACVLAN_MACADDR, link->sources[i].b, sizeof(link->sources[i].b));
		nlb_end(b, list);
	}
	nlb_end(b, data);
}

static bool is_macvlan(const char *kind)
{
	return strcmp(kind, "macvtap") == 0 || strcmp(kind, "macvlan") == 0;
}

static void put_linkinfo(struct nlb *b, const struct op_link *link, bool bridge)
{
	size_t info = nlb_nest(b, IFLA_LINKINFO);

	nlb_strz(b, IFLA_INFO_KIND, bridge ? "bridge" : link->kind);
	if (bridge) {
		size_t data = nlb_nest(b, IFLA_INFO_DATA);

		nlb_u32(b, IFLA_BR_FORWARD_DELAY, link->forward_delay);
		nlb_u32(b, IFLA_BR_STP_STATE, link->stp);
		nlb_u8(b, IFLA_BR_MCAST_SNOOPING, link->mcast_snooping);
		nlb_end(b, data);
	} else if (is_macvlan(link->kind)) {
		put_macvlan(b, link);
	}
	nlb_end(b, info);
}

/* Not in the message that makes a link: the kernel reads these from a link that is there. */
static void put_common(struct nlb *b, const struct op_link *link, uint32_t master)
{
	if (link->mask & OP_LINK_MAC)
		nlb_put(b, IFLA_ADDRESS, link->mac.b, sizeof(link->mac.b));
	if (link->mask & OP_LINK_MTU)
		nlb_u32(b, IFLA_MTU, link->mtu);
	if (link->mask & OP_LINK_GROUP)
		nlb_u32(b, IFLA_GROUP, link->group);
	if (link->mask & OP_LINK_ALIAS)
		nlb_put(b, IFLA_IFALIAS, link->alias, link->alias ? strlen(link->alias) : 0);
	if (link->mask & OP_LINK_MASTER)
		nlb_u32(b, IFLA_MASTER, master);
	if (link->mask & OP_LINK_GENMODE)
		put_gen_mode(b, link->addr_gen_mode);
}

void rtnl_put_link_add(struct nlb *b, const struct op_link *link)
{
	link_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, link->name, 0, 0);
	if (!mac_is_zero(&link->mac))
		nlb_put(b, IFLA_ADDRESS, link->mac.b, sizeof(link->mac.b));
	if (link->mtu > 0)
		nlb_u32(b, IFLA_MTU, link->mtu);
	if (link->group > 0)
		nlb_u32(b, IFLA_GROUP, link->group);
	if (link->lower > 0)
		nlb_u32(b, IFLA_LINK, link->lower);
	put_linkinfo(b, link, strcmp(link->kind, "bridge") == 0);
}

size_t rtnl_put_link_complete(struct nlb *b, uint32_t ifindex, const struct op_link *link)
{
	struct op_link rest = *link;
	size_t before = b->n_msgs;

	/* What is ours never makes up addresses, unless the op says so. */
	rest.mask = OP_LINK_GENMODE;
	if (!(link->mask & OP_LINK_GENMODE))
		rest.addr_gen_mode = GEN_MODE_NONE;
	if (link->alias)
		rest.mask |= OP_LINK_ALIAS;
	link_msg(b, RTM_SETLINK, 0, ifindex, link->name, 0, 0);
	put_common(b, &rest, 0);
	if (link->up)
		link_msg(b, RTM_SETLINK, 0, ifindex, link->name, IFF_UP, IFF_UP);
	return b->n_msgs - before;
}

static void put_port(struct nlb *b, const struct op_link *link)
{
	size_t info = nlb_nest(b, IFLA_LINKINFO);

	nlb_strz(b, IFLA_INFO_SLAVE_KIND, "bridge");
	size_t data = nlb_nest(b, IFLA_INFO_SLAVE_DATA);
	if (link->mask & OP_LINK_HAIRPIN)
		nlb_u8(b, IFLA_BRPORT_MODE, link->hairpin);
	if (link->mask & OP_LINK_PORT) {
		nlb_u8(b, IFLA_BRPORT_UNICAST_FLOOD, link->port.flood);
		nlb_u8(b, IFLA_BRPORT_MCAST_FLOOD, link->port.mcast_flood);
		nlb_u8(b, IFLA_BRPORT_BCAST_FLOOD, link->port.bcast_flood);
		nlb_u8(b, IFLA_BRPORT_ISOLATED, link->port.isolated);
		nlb_u8(b, IFLA_BRPORT_MULTICAST_ROUTER, link->port.mcast_router);
		if (link->port.state > 0)
			nlb_u8(b, IFLA_BRPORT_STATE, link->port.state);
	}
	nlb_end(b, data);
	nlb_end(b, info);
}

/* As `bridge vlan add|del dev PORT vid N pvid untagged`. */
static void put_pvid(struct nlb *b, uint32_t ifindex, const struct op_link *link)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = (int)ifindex };
	const struct bridge_vlan_info vlan = {
		.flags = link->has_pvid ? BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED : 0,
		.vid = link->pvid,
	};

	nlb_msg(b, link->has_pvid ? RTM_SETLINK : RTM_DELLINK, 0, &ifi, sizeof(ifi));
	size_t spec = nlb_nest(b, IFLA_AF_SPEC);
	nlb_put(b, IFLA_BRIDGE_VLAN_INFO, &vlan, sizeof(vlan));
	nlb_end(b, spec);
}

size_t rtnl_put_link_set(struct nlb *b, uint32_t ifindex, const struct op_link *link, uint32_t master)
{
	const uint32_t early = OP_LINK_MAC | OP_LINK_MTU | OP_LINK_GROUP | OP_LINK_ALIAS | OP_LINK_MASTER | OP_LINK_GENMODE;
	bool down = (link->mask & OP_LINK_UP) && !link->up;
	size_t before = b->n_msgs;

	if ((link->mask & early) || down) {
		link_msg(b, RTM_SETLINK, 0, ifindex, link->name, 0, down ? IFF_UP : 0);
		put_common(b, link, master);
	}
	if (link->mask & OP_LINK_BRIDGE) {
		link_msg(b, RTM_NEWLINK, 0, ifindex, link->name, 0, 0);
		put_linkinfo(b, link, true);
	}
	if (link->mask & OP_LINK_MACVLAN) {
		link_msg(b, RTM_NEWLINK, 0, ifindex, link->name, 0, 0);
		put_linkinfo(b, link, false);
	}
	if (link->mask & OP_LINK_ALLMULTI)
		link_msg(b, RTM_SETLINK, 0, ifindex, link->name, link->allmulti ? IFF_ALLMULTI : 0, IFF_ALLMULTI);
	if ((link->mask & (OP_LINK_HAIRPIN | OP_LINK_PORT)) || ((link->mask & OP_LINK_UP) && link->up)) {
		bool up = (link->mask & OP_LINK_UP) && link->up;

		link_msg(b, RTM_NEWLINK, 0, ifindex, link->name, up ? IFF_UP : 0, up ? IFF_UP : 0);
		if (link->mask & (OP_LINK_HAIRPIN | OP_LINK_PORT))
			put_port(b, link);
	}
	if (link->mask & OP_LINK_PVID)
		put_pvid(b, ifindex, link);
	return b->n_msgs - before;
}

void rtnl_put_link_del(struct nlb *b, uint32_t ifindex)
{
	link_msg(b, RTM_DELLINK, 0, ifindex, NULL, 0, 0);
}

void rtnl_put_link_get(struct nlb *b, uint32_t ifindex, const char *name)
{
	link_msg(b, RTM_GETLINK, 0, ifindex, name, 0, 0);
	nlb_u32(b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS_);
}

static void addr_msg(struct nlb *b, uint16_t type, uint16_t flags, uint32_t ifindex, const struct op_addr *addr)
{
	const struct ip *ip = &addr->prefix.ip;
	const struct ifaddrmsg ifa = {
		.ifa_family = ip->family,
		.ifa_prefixlen = addr->prefix.len,
		.ifa_index = ifindex,
		.ifa_scope = addr->scope,
	};

	nlb_msg(b, type, flags, &ifa, sizeof(ifa));
	nlb_put(b, IFA_LOCAL, ip->b, ip_size(ip));
	nlb_put(b, IFA_ADDRESS, ip->b, ip_size(ip));
}

void rtnl_put_addr_add(struct nlb *b, uint32_t ifindex, const struct op_addr *addr, bool replace)
{
	addr_msg(b, RTM_NEWADDR, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL), ifindex, addr);
	nlb_u32(b, IFA_FLAGS, addr->flags);
	nlb_u8(b, IFA_PROTO_, SIXTAP_PROTO);	/* ignored before 5.18 */
	if (addr->prefix.ip.family == AF_INET && addr->prefix.len < 31) {
		struct ip last = prefix_last(&addr->prefix);

		nlb_put(b, IFA_BROADCAST, last.b, 4);
	}
	if (addr->metric > 0)
		nlb_u32(b, IFA_RT_PRIORITY, addr->metric);
	if (addr->deprecated || replace) {
		const struct ifa_cacheinfo ci = {
			.ifa_prefered = addr->deprecated ? 0 : UINT32_MAX,
			.ifa_valid = UINT32_MAX,
		};

		nlb_put(b, IFA_CACHEINFO, &ci, sizeof(ci));
	}
}

void rtnl_put_addr_del(struct nlb *b, uint32_t ifindex, const struct op_addr *addr)
{
	addr_msg(b, RTM_DELADDR, 0, ifindex, addr);
}

void rtnl_put_proxy(struct nlb *b, uint32_t ifindex, const struct ip *ip, bool add)
{
	const struct ndmsg ndm = { .ndm_family = ip->family, .ndm_ifindex = (int)ifindex, .ndm_flags = NTF_PROXY };

	nlb_msg(b, add ? RTM_NEWNEIGH : RTM_DELNEIGH, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm, sizeof(ndm));
	nlb_put(b, NDA_DST, ip->b, ip_size(ip));
}

void rtnl_put_route(struct nlb *b, uint32_t ifindex, const struct op_route *route, bool add)
{
	const struct ip *dst = &route->dst.ip;
	/* Every link has a route to fe80::/64, all with the same metric: one mustn't replace another's. */
	const uint16_t how = route->protocol == RTPROT_KERNEL ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_REPLACE;
	const struct rtmsg rtm = {
		.rtm_family = dst->family,
		.rtm_dst_len = route->dst.len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol ? route->protocol : SIXTAP_PROTO,
		.rtm_type = RTN_UNICAST,
		.rtm_scope = dst->family == AF_INET && !ip_is_set(&route->gateway) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	};

	nlb_msg(b, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? how : 0, &rtm, sizeof(rtm));
	nlb_put(b, RTA_DST, dst->b, ip_size(dst));
	nlb_u32(b, RTA_OIF, ifindex);
	if (ip_is_set(&route->src))
		nlb_put(b, RTA_PREFSRC, route->src.b, ip_size(&route->src));
	if (ip_is_set(&route->gateway))
		nlb_put(b, RTA_GATEWAY, route->gateway.b, ip_size(&route->gateway));
	if (route->metric > 0)
		nlb_u32(b, RTA_PRIORITY, route->metric);
}

void rtnl_put_neigh(struct nlb *b, uint32_t ifindex, const struct op_neigh *neigh, bool add)
{
	const struct ndmsg ndm = {
		.ndm_family = neigh->ip.family,
		.ndm_ifindex = (int)ifindex,
		.ndm_state = NUD_STALE,		/* asked, by unicast, when it is used */
	};

	nlb_msg(b, add ? RTM_NEWNEIGH : RTM_DELNEIGH, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm, sizeof(ndm));
	nlb_put(b, NDA_DST, neigh->ip.b, ip_size(&neigh->ip));
	if (!add)
		return;
	nlb_put(b, NDA_LLADDR, neigh->mac.b, sizeof(neigh->mac.b));
	nlb_u8(b, NDA_PROTOCOL, SIXTAP_PROTO);
}

void rtnl_put_links_dump(struct nlb *b)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };

	nlb_msg(b, RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	nlb_u32(b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS_);
}

void rtnl_put_addrs_dump(struct nlb *b)
{
	const struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };

	nlb_msg(b, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
}

void rtnl_put_routes_dump(struct nlb *b, uint8_t family)
{
	const struct rtmsg rtm = { .rtm_family = family };

	nlb_msg(b, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
}
