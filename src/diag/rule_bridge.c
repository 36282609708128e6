/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_bridge - bridges that guests' ports are in
 *
 * A bridge without a guest's port is nobody's business here. What netfilter
 * does to bridged frames is in rule_bridge_nf.c.
 */
#include "diag/rule.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include "diag/fix_link.h"
#include "diag/rule_bridge.h"
#include "diag/rules.h"
#include "diag/scene.h"

#define STATE_LISTENING 1	/* BR_STATE_* */
#define STATE_LEARNING 2
#define STATE_FORWARDING 3
#define ASSIGNED_BY_USER 3	/* NET_ADDR_SET */
#define LONG_DELAY 400		/* 1/100 s: twice that, and a DHCP client has given up its first tries */

/* Calls @fn for each port of a guest that is up. */
static void each_guest_port(const struct snapshot *s, struct findings *found,
			    void (*fn)(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
				       const struct snap_link *port))
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *port = &s->links[i], *bridge = scene_is_port(port) ? snap_link(s, port->master) : NULL;

		if (bridge && (port->flags & IFF_UP) && (bridge->flags & IFF_UP) && scene_is_guest_link(s, port))
			fn(s, found, bridge, port);
	}
}

static struct diag_finding *port_finding(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
					 const struct snap_link *port)
{
	struct diag_finding *f = findings_add(found, port->name);
	const char *guest = scene_guest(s, port);

	if (guest)
		finding_guest(f, guest);
	finding_about(f, bridge->name);
	return f;
}

/* ------------------------------------------------------------ snooping-drops-nd */

/* Whoever isn't asked for groups isn't filtered: without a live querier the kernel floods. */
bool bridge_querier_lives(const struct snap_link *bridge)
{
	return bridge->bridge.mcast_snooping && ip_is_set(&bridge->bridge.querier6);
}

static bool listens(const struct snapshot *s, const struct snap_link *port, const struct in6_addr *addr)
{
	const struct ip group = ip6(ip6_solicited_node(addr));

	return snap_mdb_has(s, port->master, port->ifindex, &group);
}

static void judge_snooping_bridge(const struct snapshot *s, struct findings *found, const struct snap_link *bridge)
{
	size_t n, next;
	const struct scene_addr *addrs = scene_behind_bridge(s, found->arena, bridge->ifindex, &n);

	for (size_t i = 0; i < n; i = next) {
		const struct snap_link *port = snap_link(s, addrs[i].port);
		const struct scene_addr *worst = NULL;
		bool measured = false, answers = false;

		for (next = i; next < n && addrs[next].port == addrs[i].port; next++) {
			const struct scene_addr *a = &addrs[next];

			if (a->ip.family != AF_INET6 || !port || listens(s, port, &a->ip.v6))
				continue;
			const struct snap_probe *p = snap_probe(s, "ns", port->ifindex, &a->ip);
			measured |= p && p->n_answers == 0;
			answers |= p && p->n_answers > 0;
			if (!worst || ip_is_link_local(&worst->ip))
				worst = a;
		}
		if (!worst || !port || !(port->flags & IFF_UP) || port->port.state != STATE_FORWARDING ||
		    snap_is_router_port(s, port) || !scene_is_guest_link(s, port) || (answers && !measured))
			continue;
		struct diag_finding *f = port_finding(s, found, bridge, port);
		const struct in6_addr group = ip6_solicited_node(&worst->ip.v6);
		const struct ip group_ip = ip6(group), querier = bridge->bridge.querier6;

		f->measured = measured;
		finding_what(f, "Neighbour solicitations for %s (%s) don't pass %s: the guest can't be reached over IPv6.",
			     IP_STR(&worst->ip), worst->guest ? worst->guest : scene_guest_or(s, found->arena, port), port->name);
		finding_why(f, "%s snoops on multicast and a querier is alive, so only ports that reported a group get it; no "
			       "report of the guest's arrives. IPv4 works, since ARP is a broadcast.", bridge->name);
		finding_value(f, "address", "%s", IP_STR(&worst->ip));
		finding_value(f, "group", "%s", IP_STR(&group_ip));
		finding_value(f, "querier", "%s", IP_STR(&querier));
		finding_seen_in(f, "bridge mdb show dev %s, ip -d link show %s", bridge->name, bridge->name);
		struct diag_fix *fix = finding_fix(f, "router-port", FIX_LASTS_LIVE);
		struct op_port want = fix_link_port_now(port);
		want.mcast_router = SNAP_ROUTER_PORT;
		fix_link_port(f, fix, port, &want, "mcast_router 2");
		fix_note(f, fix, "this port gets all groups; better still, let the guest's MLD through");
		fix = finding_fix(f, "snooping-off", FIX_LASTS_LIVE);
		fix_link_snooping_off(f, fix, bridge);
		fix->by_name = true;
		fix_note(f, fix, "every port of %s gets all multicast", bridge->name);
	}
}

static void judge_snooping(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (str_eq(s->links[i].kind, "bridge") && bridge_querier_lives(&s->links[i]))
			judge_snooping_bridge(s, found, &s->links[i]);
}

/* -------------------------------------------------------------------- flood-off */

static bool all_static(const struct snapshot *s, const struct snap_link *bridge, const struct snap_link *port)
{
	size_t n;
	const struct snap_fdb *fdb = snap_fdb(s, bridge->ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (fdb[i].port == port->ifindex && !(fdb[i].state & NUD_PERMANENT) && (fdb[i].state & NUD_NOARP))
			return true;
	return false;
}

/* Of the guest's solicited-node groups, are any in the database? Then they reach it without being flooded. */
static bool has_groups(const struct snapshot *s, const struct snap_link *bridge, const struct snap_link *port)
{
	size_t n;
	const struct snap_mdb *mdb = snap_mdb(s, bridge->ifindex, &n);

	for (size_t i = 0; i < n && bridge->bridge.mcast_snooping; i++)
		if (mdb[i].port == port->ifindex && mdb[i].group.family == AF_INET6)
			return true;
	return false;
}

static void judge_flood_port(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
			     const struct snap_link *port)
{
	const struct snap_port *p = &port->port;
	bool unicast = !p->flood && !p->learning && !all_static(s, bridge, port);
	bool mcast = !p->mcast_flood && !has_groups(s, bridge, port) && !snap_is_router_port(s, port);
	struct op_port want = fix_link_port_now(port);
	char words[64] = "";

	if (p->neigh_suppress || (!unicast && !mcast && p->bcast_flood))
		return;
	if (!p->bcast_flood)
		(void)strcat(words, " bcast_flood on");
	if (mcast)
		(void)strcat(words, " mcast_flood on");
	if (unicast)
		(void)strcat(words, " flood on");
	want.bcast_flood = true;
	want.mcast_flood |= mcast;
	want.flood |= unicast;

	struct diag_finding *f = port_finding(s, found, bridge, port);
	finding_what(f, "%s don't reach %s: %s.",
		     !p->bcast_flood ? mcast ? "ARP requests and neighbour solicitations" : "ARP requests" :
		     mcast	     ? "Neighbour solicitations" :
				       "Frames for its MAC",
		     scene_guest_or(s, found->arena, port),
		     !p->bcast_flood ? mcast ? "nobody finds it" : "nobody finds it over IPv4" :
		     mcast	     ? "nobody finds it over IPv6" :
				       "nothing learns where it is");
	finding_why(f, "Flooding is off on this port, and nothing answers in the guest's place (neigh_suppress).");
	finding_value(f, "flood", "%s", p->flood ? "on" : "off");
	finding_value(f, "mcast_flood", "%s", p->mcast_flood ? "on" : "off");
	finding_value(f, "bcast_flood", "%s", p->bcast_flood ? "on" : "off");
	finding_seen_in(f, "bridge -d link show dev %s", port->name);
	fix_link_port(f, finding_fix(f, "flood", FIX_LASTS_LIVE), port, &want, words + 1);
}

static void judge_flood(const struct snapshot *s, struct findings *found)
{
	each_guest_port(s, found, judge_flood_port);
}

/* ---------------------------------------------------------------- ports-isolated */

static void judge_isolated(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *bridge = &s->links[i];
		const char *names = NULL;
		size_t n = 0;

		for (size_t k = 0; str_eq(bridge->kind, "bridge") && k < s->n_links; k++) {
			const struct snap_link *port = &s->links[k];

			if (port->master != bridge->ifindex || !port->port.isolated || !scene_is_guest_link(s, port))
				continue;
			if (++n <= 4)
				names = names ? arena_printf(found->arena, "%s, %s", names, port->name) : port->name;
		}
		if (n < 2)
			continue;
		struct diag_finding *f = findings_add(found, bridge->name);

		finding_what(f, "Guests on %s can't see each other: %zu ports are isolated (%s%s).", bridge->name, n, names,
			     n > 4 ? ", …" : "");
		finding_why(f, "Isolated ports talk to ports that aren't, and not to each other. Often that is wanted.");
		finding_seen_in(f, "bridge -d link show");
		fix_command(f, finding_fix(f, "isolated-off", FIX_LASTS_LIVE), "bridge link set dev PORT isolated off");
	}
}

/* ------------------------------------------------------------------ mac-unpinned */

/* The LAN's side of a bridge. NULL: none, or several. */
const struct snap_link *bridge_uplink_port(const struct snapshot *s, const struct snap_link *bridge)
{
	const struct snap_link *up = NULL;

	for (size_t i = 0; i < s->n_links; i++) {
		if (s->links[i].master != bridge->ifindex || !scene_is_uplink(s, &s->links[i]))
			continue;
		if (up)
			return NULL;
		up = &s->links[i];
	}
	return up;
}

static bool is_host_bridge(const struct snapshot *s, const struct snap_link *bridge)
{
	return scene_host_addr(s, bridge->ifindex, AF_INET) || scene_host_addr(s, bridge->ifindex, AF_INET6);
}

static bool mac_is_lower(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) < 0;
}

static void judge_unpinned(const struct snapshot *s, struct findings *found)
{
	if (snap_unread(s, SNAP_PART_SYSFS))
		return;
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *bridge = &s->links[i], *up, *low = NULL;

		if (!str_eq(bridge->kind, "bridge") || bridge->mac_assign == ASSIGNED_BY_USER || !is_host_bridge(s, bridge))
			continue;
		up = bridge_uplink_port(s, bridge);
		for (size_t k = 0; up && k < s->n_links; k++) {
			const struct snap_link *p = &s->links[k];

			if (p->master == bridge->ifindex && p != up && mac_is_lower(&p->mac, &up->mac) &&
			    (!low || mac_is_lower(&p->mac, &low->mac)))
				low = p;
		}
		if (!low)
			continue;
		struct diag_finding *f = findings_add(found, bridge->name);
		struct diag_fix *fix = finding_fix(f, "pin", FIX_LASTS_LIVE);

		finding_about(f, up->name);
		finding_about(f, low->name);
		finding_what(f, "This host drops off the LAN for minutes whenever %s comes or goes: %s changes its MAC with it.",
			     low->name, bridge->name);
		finding_why(f, "A bridge whose MAC nobody set takes the lowest of its ports', and that is %s's, not %s's. The "
			       "router and everybody else keep the old one in their tables.", low->name, up->name);
		finding_value(f, "bridge_mac", "%s", MAC_STR(&bridge->mac));
		finding_value(f, "uplink_mac", "%s", MAC_STR(&up->mac));
		finding_value(f, "lowest_mac", "%s", MAC_STR(&low->mac));
		finding_seen_in(f, "ip link show %s, /sys/class/net/%s/addr_assign_type", bridge->name, bridge->name);
		fix_link_mac(f, fix, bridge, &bridge->mac);
		fix_note(f, fix, "keeps the MAC that it has now; for good, set %s's where %s is defined", MAC_STR(&up->mac),
			 bridge->name);
	}
}

/* ------------------------------------------------------------------ mtu-mismatch */

static void judge_mtu(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *bridge = &s->links[i], *small = NULL, *big = NULL, *up = NULL;
		const struct snap_probe *measured = NULL;
		bool guests = false;

		for (size_t k = 0; str_eq(bridge->kind, "bridge") && k < s->n_links; k++) {
			const struct snap_link *p = &s->links[k];

			if (p->master != bridge->ifindex || !(p->flags & IFF_UP))
				continue;
			guests |= scene_is_guest_link(s, p);
			if (scene_is_uplink(s, p))
				up = p;
			if (!small || p->mtu < small->mtu)
				small = p;
			if (!big || p->mtu > big->mtu)
				big = p;
			for (size_t q = 0; q < s->n_probes; q++) {
				const struct snap_probe *e = &s->probes[q];

				if (str_eq(e->kind, "echo") && e->ifindex == p->ifindex && e->value > p->mtu &&
				    e->small_came && e->n_answers == 0)
					measured = e;
			}
		}
		if (!guests || !small || small->mtu == big->mtu)
			continue;
		struct diag_finding *f = findings_add(found, bridge->name);
		struct diag_fix *fix = finding_fix(f, "align", FIX_LASTS_LIVE);
		uint32_t mtu = up ? up->mtu : big->mtu;

		f->measured = measured != NULL;
		if (measured)
			finding_value(f, "asked_now", "%s answers a short echo, and none of %u bytes", IP_STR(&measured->target),
				      measured->value);
		finding_about(f, small->name);
		finding_about(f, big->name);
		finding_what(f, "Frames of more than %u bytes from %s to %s vanish without a trace.", small->mtu, big->name,
			     small->name);
		finding_why(f, "A bridge can't say \"too big\" as a router does: what doesn't fit a port is dropped, and counted "
			       "nowhere.");
		FINDING_HEAD(f, "port", "MTU");
		for (size_t k = 0; k < s->n_links && f->n_rows < 16; k++) {
			char text[16];

			if (s->links[k].master != bridge->ifindex)
				continue;
			(void)snprintf(text, sizeof(text), "%u", s->links[k].mtu);
			FINDING_ROW(f, s->links[k].name, text);
		}
		finding_seen_in(f, "ip link show master %s", bridge->name);
		for (size_t k = 0; k < s->n_links && fix->n_commands < FIX_COMMANDS; k++)
			if (s->links[k].master == bridge->ifindex && s->links[k].mtu != mtu)
				fix_link_mtu(f, fix, &s->links[k], mtu);
		fix_note(f, fix, "that of %s; guests' own MTU should be the same", up ? up->name : big->name);
	}
}

/* --------------------------------------------------------------------- stp-delay */

static size_t n_lan_ports(const struct snapshot *s, const struct snap_link *bridge)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_links; i++)
		n += s->links[i].master == bridge->ifindex && !scene_is_guest_link(s, &s->links[i]);
	return n;
}

static void judge_stp_port(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
			   const struct snap_link *port)
{
	if (!bridge->bridge.stp || bridge->bridge.forward_delay < LONG_DELAY ||
	    (port->port.state != STATE_LISTENING && port->port.state != STATE_LEARNING))
		return;
	struct diag_finding *f = port_finding(s, found, bridge, port);
	uint32_t seconds = bridge->bridge.forward_delay * 2 / 100;

	finding_what(f, "For the first %u s %s is cut off: its DHCP and router solicitations are lost.", seconds,
		     scene_guest_or(s, found->arena, port));
	finding_why(f, "%s runs the spanning tree protocol, and a new port listens and learns for %u s each before it forwards.",
		    bridge->name, seconds / 2);
	finding_value(f, "forward_delay", "%u", seconds / 2);
	finding_value(f, "state", "%s", port->port.state == STATE_LISTENING ? "listening" : "learning");
	finding_seen_in(f, "bridge link show dev %s", port->name);
	struct diag_fix *fix = finding_fix(f, "stp-off", FIX_LASTS_LIVE);
	if (n_lan_ports(s, bridge) <= 1) {
		/* A port that has begun to listen goes on with it, although nobody asks for it any more. */
		struct op_port now = fix_link_port_now(port);

		fix_link_stp_off(f, fix, bridge);
		now.state = STATE_FORWARDING;
		fix_link_port(f, fix, port, &now, "state forwarding");
		fix_note(f, fix, "%s has no second way to the LAN, so there is no loop to prevent", bridge->name);
	} else {
		fix_command(f, fix, "ip link set %s type bridge forward_delay 200", bridge->name);
		fix_note(f, fix, "%s has several ways to the LAN: shorten the delay rather than turn the protocol off", bridge->name);
	}
}

static void judge_stp(const struct snapshot *s, struct findings *found)
{
	each_guest_port(s, found, judge_stp_port);
}

/* ------------------------------------------------------------------ vlan-missing */

static uint16_t pvid_of(const struct snapshot *s, uint32_t ifindex, size_t *ret_n)
{
	const struct snap_vlan *vlans = snap_vlans(s, ifindex, ret_n);

	for (size_t i = 0; i < *ret_n; i++)
		if (vlans[i].flags & BRIDGE_VLAN_INFO_PVID)
			return vlans[i].vid;
	return 0;
}

/* Is anybody else in that VLAN? */
static bool has_company(const struct snapshot *s, const struct snap_link *bridge, const struct snap_link *port, uint16_t vid)
{
	for (size_t i = 0; i < s->n_vlans; i++) {
		const struct snap_vlan *v = &s->vlans[i];
		const struct snap_link *l = v->ifindex != port->ifindex ? snap_link(s, v->ifindex) : NULL;

		if (l && (l == bridge || l->master == bridge->ifindex) && v->vid <= vid && (v->vid_end ? v->vid_end : v->vid) >= vid)
			return true;
	}
	return false;
}

/* The VLAN that a guest most likely belongs in: the other guests', else the bridge's own, else its default. */
static uint16_t likely_vid(const struct snapshot *s, const struct snap_link *bridge, const struct snap_link *port)
{
	size_t n;

	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];
		uint16_t vid = l->master == bridge->ifindex && l != port && scene_is_guest_link(s, l) ? pvid_of(s, l->ifindex, &n) : 0;

		if (vid)
			return vid;
	}
	uint16_t vid = pvid_of(s, bridge->ifindex, &n);
	return vid ? vid : bridge->bridge.default_pvid ? bridge->bridge.default_pvid : 1;
}

static void judge_vlan_port(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
			    const struct snap_link *port)
{
	size_t n;
	uint16_t vid = pvid_of(s, port->ifindex, &n), likely;

	if (!bridge->bridge.vlan_filtering)
		return;
	/* Tagged VLANs alone: a guest that tags by itself. */
	if (vid ? has_company(s, bridge, port, vid) : n > 0)
		return;
	likely = likely_vid(s, bridge, port);
	struct diag_finding *f = port_finding(s, found, bridge, port);
	if (vid) {
		finding_what(f, "Nobody is in VLAN %u with %s: no other port of %s, nor the bridge.", vid,
			     scene_guest_or(s, found->arena, port), bridge->name);
		finding_value(f, "vlan", "%u", vid);
	} else {
		finding_what(f, "%s is in no VLAN: %s is cut off.", port->name, scene_guest_or(s, found->arena, port));
	}
	finding_why(f, "%s filters by VLAN, and drops what comes in at a port without one.", bridge->name);
	finding_seen_in(f, "bridge vlan show dev %s", port->name);
	struct diag_fix *fix = finding_fix(f, "vlan", FIX_LASTS_LIVE);
	if (likely == vid)
		fix_command(f, fix, "bridge vlan add dev PORT vid %u   # where the others are", vid);
	else
		fix_link_pvid(f, fix, port, likely);
	fix_note(f, fix, "VLAN %u is what the others here are in", likely);
}

static void judge_vlan(const struct snapshot *s, struct findings *found)
{
	each_guest_port(s, found, judge_vlan_port);
}

/* -------------------------------------------------------------- port-has-address */

static bool has_route_by(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].oif == ifindex && ip_is_set(&s->routes[i].gateway))
			return true;
	return false;
}

/* What it had by RA stays when it becomes a port, and wins over what the bridge gets. */
static void dead_defaults(const struct snapshot *s, struct findings *found, const struct snap_link *bridge,
			  const struct snap_link *port)
{
	struct diag_finding *f = NULL;
	struct diag_fix *fix = NULL;

	for (size_t i = 0; i < s->n_routes; i++) {
		const struct snap_route *r = &s->routes[i];

		if (r->oif != port->ifindex || r->table != RT_TABLE_MAIN || r->dst.len != 0 || r->type != RTN_UNICAST)
			continue;
		if (!f) {
			f = findings_add(found, port->name);
			fix = finding_fix(f, "remove", FIX_LASTS_LIVE);
			finding_about(f, bridge->name);
			finding_what(f, "The default route by %s leads through %s, which is a port of %s: it is dead there.",
				     IP_STR(&r->gateway), port->name, bridge->name);
			finding_why(f, "What arrives at a port belongs to the bridge, also the router's answers. The route was there "
				       "before %s became a port, and stays until it expires.", port->name);
			finding_seen_in(f, "ip route show dev %s", port->name);
			fix_note(f, fix, "%s gets its own from the router, or where its addresses are configured", bridge->name);
		}
		fix_route(f, fix, false, port->name,
			  &(struct op_route){ .dst = r->dst, .gateway = r->gateway, .metric = r->metric, .protocol = r->protocol });
	}
}

static void judge_port_address(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *port = &s->links[i], *bridge = scene_is_port(port) ? snap_link(s, port->master) : NULL;
		const struct snap_addr *a4 = bridge ? scene_host_addr(s, port->ifindex, AF_INET) : NULL;
		const struct snap_addr *a6 = bridge ? scene_host_addr(s, port->ifindex, AF_INET6) : NULL;
		size_t n;

		if (!a4 && !a6) {
			if (bridge)
				dead_defaults(s, found, bridge, port);
			continue;
		}
		struct diag_finding *f = findings_add(found, port->name);
		struct diag_fix *fix = finding_fix(f, "move", FIX_LASTS_LIVE);
		const struct snap_addr *addrs = snap_addrs(s, port->ifindex, &n);

		finding_about(f, bridge->name);
		finding_what(f, "%s is configured on %s, which is a port of %s: it is dead there%s.",
			     IP_STR(&(a4 ? a4 : a6)->prefix.ip), port->name, bridge->name,
			     has_route_by(s, port->ifindex) ? ", and so are the routes through it" : "");
		finding_why(f, "What arrives at a port belongs to the bridge: the host answers on %s only.", bridge->name);
		finding_value(f, "address", "%s", PREFIX_STR(&(a4 ? a4 : a6)->prefix));
		finding_seen_in(f, "ip addr show dev %s", port->name);
		if (has_route_by(s, port->ifindex)) {
			/* Taking the address away takes the routes along, and this may be somebody's ssh: by hand. */
			fix_command(f, fix, "ip addr del %s dev %s", PREFIX_STR(&(a4 ? a4 : a6)->prefix), port->name);
			fix_command(f, fix, "ip addr add %s dev %s", PREFIX_STR(&(a4 ? a4 : a6)->prefix), bridge->name);
			for (size_t k = 0; k < s->n_routes && fix->n_commands < FIX_COMMANDS; k++) {
				const struct snap_route *r = &s->routes[k];

				if (r->oif == port->ifindex && ip_is_set(&r->gateway))
					fix_command(f, fix, "ip route replace %s via %s dev %s",
						    r->dst.len ? PREFIX_STR(&r->dst) : "default", IP_STR(&r->gateway), bridge->name);
			}
			continue;
		}
		for (size_t k = 0; k < n; k++) {
			if (ip_is_link_local(&addrs[k].prefix.ip) || addrs[k].prefix.ip.family == 0)
				continue;
			fix_addr_del(f, fix, s, &addrs[k]);
			if (!snap_addr(s, bridge->ifindex, &addrs[k].prefix.ip))
				fix_addr_add(f, fix, bridge->name, &addrs[k]);
		}
	}
}

/* ----------------------------------------------------------------- wireless-port */

static void judge_wireless(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *port = &s->links[i], *bridge = scene_is_port(port) ? snap_link(s, port->master) : NULL;

		if (!bridge || !port->wireless || port->four_address)
			continue;
		struct diag_finding *f = findings_add(found, port->name);

		finding_about(f, bridge->name);
		finding_what(f, "%s is wireless: nothing of the guests on %s passes the access point.", port->name, bridge->name);
		finding_why(f, "An access point takes frames from one MAC a station, and that is the host's.");
		finding_seen_in(f, "iw dev %s info", port->name);
		struct diag_fix *fix = finding_fix(f, "nat", FIX_LASTS_REBOOT_SAFE);
		fix_command(f, fix, "sixtap init nat");
		fix_note(f, fix, "a network of its own behind the host; or mode: routed");
	}
}

#define PORT RULE_SUBJECT_INTERFACE

static const struct rule rules[] = {
	{ "bridge.snooping-drops-nd", SEVERITY_ERROR, PORT, .needs = { SNAP_PART_MDB }, .judge = judge_snooping,
	  .causes = { { "bridge.mld-filtered", RULE_SCOPE_SHARED } } },
	{ "bridge.mld-filtered", SEVERITY_ERROR, PORT, .needs = { SNAP_PART_NFTABLES }, .judge = bridge_judge_mld },
	{ "bridge.flood-off", SEVERITY_ERROR, PORT, .judge = judge_flood },
	{ "bridge.ports-isolated", SEVERITY_INFO, PORT, .judge = judge_isolated },
	{ "bridge.mac-unpinned", SEVERITY_WARNING, PORT, .needs = { SNAP_PART_SYSFS }, .judge = judge_unpinned },
	{ "bridge.mtu-mismatch", SEVERITY_WARNING, PORT, .judge = judge_mtu },
	{ "bridge.stp-delay", SEVERITY_WARNING, PORT, .judge = judge_stp },
	{ "bridge.vlan-missing", SEVERITY_ERROR, PORT, .judge = judge_vlan },
	{ "bridge.port-has-address", SEVERITY_ERROR, PORT, .judge = judge_port_address },
	{ "bridge.wireless-port", SEVERITY_ERROR, PORT, .judge = judge_wireless },
	{ "bridge.netfilter", SEVERITY_ERROR, PORT, .needs = { SNAP_PART_NFTABLES }, .judge = bridge_judge_netfilter },
};

const struct rule_section rules_bridge = { "Bridges", rules, ARRAY_LEN(rules) };
