/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_link - the interfaces of a snapshot
 *
 * One dump has nearly everything, the settings of both families included; only
 * a bridge's way to its MAC and what is wireless have files of their own. A /sys
 * that shows another network namespace is told from ours by an index that is not
 * the same.
 */
#include "diag/snap_read.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>
#include "kern/macvtap.h"

/* Newer than the oldest headers we build with. */
#define IFLA_BRPORT_LOCKED_ 39		/* 5.18 */
#define IFLA_ALLMULTI_ 61		/* 6.0 */
#define IFLA_MACVLAN_BC_QUEUE_LEN_USED_ 8
#define RTEXT_FILTER_SKIP_STATS_ (1 << 3)	/* those of protocol families, which nobody looks at here */
#define IFLA_MAX_ IFLA_ALLMULTI_

#define BR_PORT_DEFAULT_STATE 3		/* BR_STATE_FORWARDING */

static const uint16_t link_policy[IFLA_MAX_ + 1] = {
	[IFLA_IFNAME] = NL_STR,	    [IFLA_MTU] = 4,
	[IFLA_MIN_MTU] = 4,	    [IFLA_MAX_MTU] = 4,
	[IFLA_MASTER] = 4,	    [IFLA_LINK] = 4,
	[IFLA_GROUP] = 4,	    [IFLA_IFALIAS] = NL_STR,
	[IFLA_OPERSTATE] = 1,	    [IFLA_CARRIER] = 1,
	[IFLA_CARRIER_CHANGES] = 4, [IFLA_PROMISCUITY] = 4,
	[IFLA_ALLMULTI_] = 4,	    [IFLA_STATS64] = sizeof(struct rtnl_link_stats64) - 2 * sizeof(uint64_t),
};

static const uint16_t info_policy[IFLA_INFO_MAX + 1] = {
	[IFLA_INFO_KIND] = NL_STR,
	[IFLA_INFO_SLAVE_KIND] = NL_STR,
};

static struct mac mac_at(const struct nlattr *a)
{
	return a ? snap_mac(a) : (struct mac){ .b = { 0 } };
}

/* -------------------------------------------------------------- bridges and ports */

static void parse_querier(const struct nlattr *state, struct snap_bridge *br)
{
	static const uint16_t policy[BRIDGE_QUERIER_MAX + 1] = {
		[BRIDGE_QUERIER_IP_PORT] = 4,
		[BRIDGE_QUERIER_IP_OTHER_TIMER] = 8,
		[BRIDGE_QUERIER_IPV6_PORT] = 4,
		[BRIDGE_QUERIER_IPV6_OTHER_TIMER] = 8,
	};
	const struct nlattr *tb[BRIDGE_QUERIER_MAX + 1];

	nl_parse_nest(state, tb, BRIDGE_QUERIER_MAX, policy);
	(void)nl_ip(tb[BRIDGE_QUERIER_IP_ADDRESS], AF_INET, &br->querier4);
	(void)nl_ip(tb[BRIDGE_QUERIER_IPV6_ADDRESS], AF_INET6, &br->querier6);
	br->querier4_port = nl_u32(tb[BRIDGE_QUERIER_IP_PORT]);
	br->querier6_port = nl_u32(tb[BRIDGE_QUERIER_IPV6_PORT]);
	if (tb[BRIDGE_QUERIER_IP_OTHER_TIMER])
		memcpy(&br->querier4_other_ms, nl_data(tb[BRIDGE_QUERIER_IP_OTHER_TIMER]), 8);
	if (tb[BRIDGE_QUERIER_IPV6_OTHER_TIMER])
		memcpy(&br->querier6_other_ms, nl_data(tb[BRIDGE_QUERIER_IPV6_OTHER_TIMER]), 8);
	/* Centiseconds (jiffies_delta_to_clock_t), as every timer of a bridge. */
	br->querier4_other_ms *= 10;
	br->querier6_other_ms *= 10;
}

static void parse_bridge(const struct nlattr *data, struct snap_bridge *br)
{
	static const uint16_t policy[IFLA_BR_MAX + 1] = {
		[IFLA_BR_FORWARD_DELAY] = 4,	    [IFLA_BR_AGEING_TIME] = 4,
		[IFLA_BR_STP_STATE] = 4,	    [IFLA_BR_VLAN_FILTERING] = 1,
		[IFLA_BR_GROUP_FWD_MASK] = 2,	    [IFLA_BR_MCAST_ROUTER] = 1,
		[IFLA_BR_MCAST_SNOOPING] = 1,	    [IFLA_BR_MCAST_QUERIER] = 1,
		[IFLA_BR_NF_CALL_IPTABLES] = 1,	    [IFLA_BR_NF_CALL_IP6TABLES] = 1,
		[IFLA_BR_NF_CALL_ARPTABLES] = 1,    [IFLA_BR_VLAN_DEFAULT_PVID] = 2,
	};
	const struct nlattr *tb[IFLA_BR_MAX + 1];

	nl_parse_nest(data, tb, IFLA_BR_MAX, policy);
	br->stp = nl_u32(tb[IFLA_BR_STP_STATE]) != 0;
	br->forward_delay = nl_u32(tb[IFLA_BR_FORWARD_DELAY]);
	br->ageing_time = nl_u32(tb[IFLA_BR_AGEING_TIME]);
	br->vlan_filtering = nl_u8(tb[IFLA_BR_VLAN_FILTERING]);
	br->default_pvid = nl_u16(tb[IFLA_BR_VLAN_DEFAULT_PVID]);
	br->group_fwd_mask = nl_u16(tb[IFLA_BR_GROUP_FWD_MASK]);
	br->mcast_router = nl_u8(tb[IFLA_BR_MCAST_ROUTER]);
	br->mcast_snooping = nl_u8(tb[IFLA_BR_MCAST_SNOOPING]);
	br->mcast_querier = nl_u8(tb[IFLA_BR_MCAST_QUERIER]);
	br->nf_call_iptables = nl_u8(tb[IFLA_BR_NF_CALL_IPTABLES]);
	br->nf_call_ip6tables = nl_u8(tb[IFLA_BR_NF_CALL_IP6TABLES]);
	br->nf_call_arptables = nl_u8(tb[IFLA_BR_NF_CALL_ARPTABLES]);
	parse_querier(tb[IFLA_BR_MCAST_QUERIER_STATE], br);
}

static void parse_port(const struct nlattr *data, struct snap_port *p)
{
	static const uint16_t policy[IFLA_BRPORT_LOCKED_ + 1] = {
		[IFLA_BRPORT_STATE] = 1,	  [IFLA_BRPORT_MODE] = 1,
		[IFLA_BRPORT_GUARD] = 1,	  [IFLA_BRPORT_FAST_LEAVE] = 1,
		[IFLA_BRPORT_LEARNING] = 1,	  [IFLA_BRPORT_UNICAST_FLOOD] = 1,
		[IFLA_BRPORT_PROXYARP] = 1,	  [IFLA_BRPORT_PROXYARP_WIFI] = 1,
		[IFLA_BRPORT_MULTICAST_ROUTER] = 1, [IFLA_BRPORT_MCAST_FLOOD] = 1,
		[IFLA_BRPORT_MCAST_TO_UCAST] = 1, [IFLA_BRPORT_VLAN_TUNNEL] = 1,
		[IFLA_BRPORT_BCAST_FLOOD] = 1,	  [IFLA_BRPORT_NEIGH_SUPPRESS] = 1,
		[IFLA_BRPORT_ISOLATED] = 1,	  [IFLA_BRPORT_LOCKED_] = 1,
	};
	const struct nlattr *tb[IFLA_BRPORT_LOCKED_ + 1];

	nl_parse_nest(data, tb, IFLA_BRPORT_LOCKED_, policy);
	*p = (struct snap_port){
		.state = tb[IFLA_BRPORT_STATE] ? nl_u8(tb[IFLA_BRPORT_STATE]) : BR_PORT_DEFAULT_STATE,
		.hairpin = nl_u8(tb[IFLA_BRPORT_MODE]),
		.guard = nl_u8(tb[IFLA_BRPORT_GUARD]),
		.fast_leave = nl_u8(tb[IFLA_BRPORT_FAST_LEAVE]),
		.learning = nl_u8(tb[IFLA_BRPORT_LEARNING]),
		.flood = nl_u8(tb[IFLA_BRPORT_UNICAST_FLOOD]),
		.mcast_flood = nl_u8(tb[IFLA_BRPORT_MCAST_FLOOD]),
		.bcast_flood = nl_u8(tb[IFLA_BRPORT_BCAST_FLOOD]),
		.neigh_suppress = nl_u8(tb[IFLA_BRPORT_NEIGH_SUPPRESS]),
		.isolated = nl_u8(tb[IFLA_BRPORT_ISOLATED]),
		.locked = nl_u8(tb[IFLA_BRPORT_LOCKED_]),
		.proxyarp = nl_u8(tb[IFLA_BRPORT_PROXYARP]),
		.proxyarp_wifi = nl_u8(tb[IFLA_BRPORT_PROXYARP_WIFI]),
		.vlan_tunnel = nl_u8(tb[IFLA_BRPORT_VLAN_TUNNEL]),
		.mcast_to_unicast = nl_u8(tb[IFLA_BRPORT_MCAST_TO_UCAST]),
		.mcast_router = nl_u8(tb[IFLA_BRPORT_MULTICAST_ROUTER]),
	};
}

/* ------------------------------------------------------------------- other kinds */

static void parse_macvlan(struct snapshot *s, const struct nlattr *data, struct snap_macvlan *m)
{
	static const uint16_t policy[IFLA_MACVLAN_BC_QUEUE_LEN_USED_ + 1] = {
		[IFLA_MACVLAN_MODE] = 4,
		[IFLA_MACVLAN_FLAGS] = 2,
		[IFLA_MACVLAN_BC_QUEUE_LEN] = 4,
		[IFLA_MACVLAN_BC_QUEUE_LEN_USED_] = 4,
	};
	const struct nlattr *tb[IFLA_MACVLAN_BC_QUEUE_LEN_USED_ + 1], *a;

	nl_parse_nest(data, tb, IFLA_MACVLAN_BC_QUEUE_LEN_USED_, policy);
	m->mode = nl_u32(tb[IFLA_MACVLAN_MODE]);
	m->flags = nl_u16(tb[IFLA_MACVLAN_FLAGS]);
	m->bc_queue_len = nl_u32(tb[IFLA_MACVLAN_BC_QUEUE_LEN]);
	m->bc_queue_len_used = nl_u32(tb[IFLA_MACVLAN_BC_QUEUE_LEN_USED_]);
	if (!tb[IFLA_MACVLAN_MACADDR_DATA])
		return;
	const void *at = nl_data(tb[IFLA_MACVLAN_MACADDR_DATA]);
	size_t left = nl_len(tb[IFLA_MACVLAN_MACADDR_DATA]);
	while ((a = nl_next(&at, &left))) {
		if (nl_len(a) != sizeof(struct mac))
			continue;
		ARENA_GROW_POW2(s->arena, m->sources, m->n_sources);
		m->sources[m->n_sources++] = snap_mac(a);
	}
}

static void parse_tun(const struct nlattr *data, struct snap_tun *t)
{
	static const uint16_t policy[IFLA_TUN_MAX + 1] = {
		[IFLA_TUN_OWNER] = 4,	[IFLA_TUN_GROUP] = 4,	    [IFLA_TUN_TYPE] = 1,       [IFLA_TUN_VNET_HDR] = 1,
		[IFLA_TUN_PERSIST] = 1, [IFLA_TUN_MULTI_QUEUE] = 1, [IFLA_TUN_NUM_QUEUES] = 4,
	};
	const struct nlattr *tb[IFLA_TUN_MAX + 1];

	nl_parse_nest(data, tb, IFLA_TUN_MAX, policy);
	t->tap = nl_u8(tb[IFLA_TUN_TYPE]) == 2;		/* IFF_TAP */
	t->persist = nl_u8(tb[IFLA_TUN_PERSIST]);
	t->vnet_hdr = nl_u8(tb[IFLA_TUN_VNET_HDR]);
	t->multi_queue = nl_u8(tb[IFLA_TUN_MULTI_QUEUE]);
	t->owner = tb[IFLA_TUN_OWNER] ? (int64_t)nl_u32(tb[IFLA_TUN_OWNER]) : -1;
	t->group = tb[IFLA_TUN_GROUP] ? (int64_t)nl_u32(tb[IFLA_TUN_GROUP]) : -1;
	t->queues = nl_u32(tb[IFLA_TUN_NUM_QUEUES]);
}

static void parse_kind(struct snapshot *s, const struct nlattr *data, struct snap_link *link)
{
	static const uint16_t vlan_policy[IFLA_VLAN_MAX + 1] = { [IFLA_VLAN_ID] = 2 };

	if (strcmp(link->kind, "bridge") == 0) {
		parse_bridge(data, &link->bridge);
	} else if (strcmp(link->kind, "tun") == 0) {
		parse_tun(data, &link->tun);
	} else if (strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "macvlan") == 0) {
		parse_macvlan(s, data, &link->macvlan);
	} else if (strcmp(link->kind, "vlan") == 0) {
		const struct nlattr *tb[IFLA_VLAN_MAX + 1];

		nl_parse_nest(data, tb, IFLA_VLAN_MAX, vlan_policy);
		link->vlan_id = nl_u16(tb[IFLA_VLAN_ID]);
	}
}

/* ----------------------------------------------------------- settings per family */

static void parse_inet6(const struct nlattr *af, struct snap_link *link)
{
	static const uint16_t policy[IFLA_INET6_MAX + 1] = {
		[IFLA_INET6_FLAGS] = 4,
		[IFLA_INET6_RA_MTU] = 4,
	};
	const struct nlattr *tb[IFLA_INET6_MAX + 1];

	nl_parse_nest(af, tb, IFLA_INET6_MAX, policy);
	const struct nlattr *conf = tb[IFLA_INET6_CONF];
	link->conf6.present = true;
#define GET6(name, index) link->conf6.name = nl_entry(conf, (index));
	SNAP_CONF6(GET6)
	/* The dump has milliseconds, the sysctls seconds. */
	link->conf6.router_solicitation_interval /= 1000;
	link->conf6.router_solicitation_delay /= 1000;
	link->conf6.router_solicitation_max_interval /= 1000;
	link->inet6_flags = nl_u32(tb[IFLA_INET6_FLAGS]);
	link->ra_mtu = nl_u32(tb[IFLA_INET6_RA_MTU]);
	if (nl_ip(tb[IFLA_INET6_TOKEN], AF_INET6, &link->token) && ip_is_unspecified(&link->token))
		link->token = (struct ip){ 0 };
}

static void parse_af_spec(const struct nlattr *spec, struct snap_link *link)
{
	static const uint16_t any[IFLA_INET_MAX + 1];
	const void *at = nl_data(spec);
	size_t left = nl_len(spec);
	const struct nlattr *af;

	while ((af = nl_next(&at, &left))) {
		if (nl_type(af) == AF_INET) {
			const struct nlattr *tb[IFLA_INET_MAX + 1];

			nl_parse_nest(af, tb, IFLA_INET_MAX, any);
			link->conf4.present = true;
#define GET4(name, index) link->conf4.name = nl_entry(tb[IFLA_INET_CONF], (index));
			SNAP_CONF4(GET4)
		} else if (nl_type(af) == AF_INET6) {
			parse_inet6(af, link);
		}
	}
}

/* --------------------------------------------------------------------- one link */

static void parse_stats(const struct nlattr *a, struct snap_stats *ret)
{
	struct rtnl_link_stats64 st = { 0 };

	if (!a)
		return;
	memcpy(&st, nl_data(a), nl_len(a) < sizeof(st) ? nl_len(a) : sizeof(st));
	*ret = (struct snap_stats){
		.rx_packets = st.rx_packets, .tx_packets = st.tx_packets, .rx_bytes = st.rx_bytes, .tx_bytes = st.tx_bytes,
		.rx_errors = st.rx_errors, .tx_errors = st.tx_errors, .rx_dropped = st.rx_dropped,
		.tx_dropped = st.tx_dropped, .multicast = st.multicast, .rx_nohandler = st.rx_nohandler,
	};
}

static int on_link(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t xdp_policy[IFLA_XDP_MAX + 1] = { [IFLA_XDP_PROG_ID] = 4 };
	const struct nlattr *tb[IFLA_MAX_ + 1], *info[IFLA_INFO_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
	struct snapshot *s = user;
	struct ifinfomsg ifi;

	if (!nl_parse_msg(nlh, sizeof(ifi), tb, IFLA_MAX_, link_policy) || !tb[IFLA_IFNAME])
		return 0;
	memcpy(&ifi, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifi));
	if (ifi.ifi_index <= 0)
		return 0;
	nl_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX, info_policy);
	nl_parse_nest(tb[IFLA_XDP], xdp, IFLA_XDP_MAX, xdp_policy);
	struct snap_link *link = SNAP_ADD(s, links);
	*link = (struct snap_link){
		.ifindex = (uint32_t)ifi.ifi_index,
		.name = arena_strdup(s->arena, nl_str(tb[IFLA_IFNAME])),
		.kind = info[IFLA_INFO_KIND] ? arena_strdup(s->arena, nl_str(info[IFLA_INFO_KIND])) : "",
		.slave_kind = info[IFLA_INFO_SLAVE_KIND] ? arena_strdup(s->arena, nl_str(info[IFLA_INFO_SLAVE_KIND])) : "",
		.alias = tb[IFLA_IFALIAS] ? arena_strdup(s->arena, nl_str(tb[IFLA_IFALIAS])) : "",
		.altnames = snap_names(s, tb[IFLA_PROP_LIST], IFLA_ALT_IFNAME),
		.type = ifi.ifi_type,
		.mac = mac_at(tb[IFLA_ADDRESS]),
		.perm_mac = mac_at(tb[IFLA_PERM_ADDRESS]),
		.mtu = nl_u32(tb[IFLA_MTU]),
		.min_mtu = nl_u32(tb[IFLA_MIN_MTU]),
		.max_mtu = nl_u32(tb[IFLA_MAX_MTU]),
		.flags = ifi.ifi_flags,
		.operstate = nl_u8(tb[IFLA_OPERSTATE]),
		.carrier = nl_u8(tb[IFLA_CARRIER]),
		.carrier_changes = nl_u32(tb[IFLA_CARRIER_CHANGES]),
		.promiscuity = nl_u32(tb[IFLA_PROMISCUITY]),
		.allmulti = nl_u32(tb[IFLA_ALLMULTI_]),
		.master = nl_u32(tb[IFLA_MASTER]),
		.lower = tb[IFLA_LINK_NETNSID] ? 0 : nl_u32(tb[IFLA_LINK]),
		.lower_elsewhere = tb[IFLA_LINK_NETNSID],
		.group = nl_u32(tb[IFLA_GROUP]),
		.xdp_prog = nl_u32(xdp[IFLA_XDP_PROG_ID]),
		.tun = { .owner = -1, .group = -1 },
	};
	parse_stats(tb[IFLA_STATS64], &link->stats);
	parse_kind(s, info[IFLA_INFO_DATA], link);
	if (strcmp(link->slave_kind, "bridge") == 0)
		parse_port(info[IFLA_INFO_SLAVE_DATA], &link->port);
	if (tb[IFLA_AF_SPEC] && ifi.ifi_family == AF_UNSPEC)
		parse_af_spec(tb[IFLA_AF_SPEC], link);
	return 0;
}

/* ------------------------------------------------------------------------- /sys */

/* Does the sysfs at @sys show this network namespace? */
static bool sysfs_is_ours(const struct snapshot *s, const char *sys, const struct snap_link *link)
{
	_cleanup_(freep) char *path = xasprintf("%s/class/net/%s/ifindex", sys, link->name), *text = NULL;
	size_t seen = 0;

	if (snap_file(path, &text) < 0 || strtoul(text, NULL, 10) != link->ifindex)
		return false;
	/* lo has index 1 everywhere: take one that tells, if there is one. */
	for (size_t i = 0; i < s->n_links && seen < 3; i++) {
		_cleanup_(freep) char *p = xasprintf("%s/class/net/%s/ifindex", sys, s->links[i].name), *t = NULL;

		if (s->links[i].flags & IFF_LOOPBACK)
			continue;
		seen++;
		if (snap_file(p, &t) < 0 || strtoul(t, NULL, 10) != s->links[i].ifindex)
			return false;
	}
	return true;
}

static void read_sysfs(struct snapshot *s, const char *sys)
{
	for (size_t i = 0; i < s->n_links; i++) {
		struct snap_link *link = &s->links[i];
		_cleanup_(freep) char *path = NULL, *text = NULL;

		if (link->kind[0] == '\0' && link->type == ARPHRD_ETHER) {
			_cleanup_(freep) char *phy = xasprintf("%s/class/net/%s/phy80211", sys, link->name);

			link->wireless = access(phy, F_OK) == 0;
		}
		if (strcmp(link->kind, "bridge") != 0)
			continue;
		path = xasprintf("%s/class/net/%s/addr_assign_type", sys, link->name);
		if (snap_file(path, &text) == 0)
			link->mac_assign = (uint8_t)strtoul(text, NULL, 10);
	}
}

int snap_read_links(struct snap_reader *r)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct snapshot *s = r->s;

	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	nlb_u32(&r->b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS_);
	int e = snap_dump(r, &r->rt, on_link, s, &s->n_links, NULL);
	if (e < 0)
		return e;
	if (s->n_links == 0)
		return -ENODATA;
	if (!sysfs_is_ours(s, r->sys, &s->links[0])) {
		/* --netns leaves /sys as it was. Root can have one of this namespace without mounting it anywhere. */
		r->sysfs = kern_macvtap_sysfs();
		if (r->sysfs >= 0)
			(void)snprintf(r->sys, sizeof(r->sys), "/proc/self/fd/%d", r->sysfs);
	}
	if (sysfs_is_ours(s, r->sys, &s->links[0]))
		read_sysfs(s, r->sys);
	else
		snapshot_add_unread(s, SNAP_PART_SYSFS, "", "/sys shows another network namespace's interfaces, or none");
	return 0;
}
