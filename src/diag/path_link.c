/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_link - layer 2: taps, bridges, macvtaps, neighbours
 *
 * Before a frame can be sent, its receiver's MAC is asked for: by a broadcast
 * (ARP) or by a multicast (neighbour solicitation), and those are what bridges
 * and macvtaps lose first. So the question is walked, too, as a packet of its
 * own, and only what stops it is told.
 */
#include "diag/path_walk.h"

#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/neighbour.h>
#include <net/if.h>

#define BR_FORWARDING 3
#define VLAN_PVID 2

static const char *name(const struct path_walk *w, uint32_t ifindex)
{
	return snap_link_name(w->s, ifindex);
}

static bool is_bridge(const struct snap_link *link)
{
	return link && strcmp(link->kind, "bridge") == 0;
}

static const struct snap_link *bridge_of(const struct snapshot *s, const struct snap_link *port)
{
	const struct snap_link *master = port && port->master ? snap_link(s, port->master) : NULL;

	return is_bridge(master) ? master : NULL;
}

static bool is_macvtap(const struct snap_link *link)
{
	return strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "macvlan") == 0;
}

/* Is a device ready? A step when it isn't. */
static bool usable(struct path_walk *w, const struct snap_link *link, const char *at)
{
	if (!(link->flags & IFF_UP))
		return path_step(w, at, PATH_DROP, link->name, "", "%s is down", link->name);
	if (!(link->flags & IFF_RUNNING) && !is_bridge(link))
		return path_step(w, at, PATH_DROP, link->name, "",
				 strcmp(link->kind, "tun") == 0
					 ? "%s has no carrier: no program holds it, or its guest unplugged it"
					 : "%s has no carrier",
				 link->name);
	return true;
}

/* ------------------------------------------------------------------------- bridges */

/* Do IP packets that are bridged here pass iptables' and inet's chains? */
static bool br_netfilter(const struct path_walk *w, const struct snap_link *bridge)
{
	bool v4 = w->p.family == AF_INET;

	if (w->p.arp || !w->s->br_netfilter)
		return false;
	return (v4 ? bridge->bridge.nf_call_iptables : bridge->bridge.nf_call_ip6tables) ||
	       snap_sysctl_int(w->s, v4 ? "net/bridge/bridge-nf-call-iptables" : "net/bridge/bridge-nf-call-ip6tables",
			       0) > 0;
}

/* A hook of inet tables for a bridged packet: both interfaces are the bridge. */
static bool bridged_inet(struct path_walk *w, const struct snap_link *bridge, enum path_hook hook, const char *at)
{
	uint32_t iif = w->p.iif, oif = w->p.oif;

	w->p.iif = bridge->ifindex;
	w->p.oif = hook == PATH_HOOK_PREROUTING ? 0 : bridge->ifindex;
	if (hook == PATH_HOOK_POSTROUTING)
		w->p.iif = 0;
	bool on = path_nft_inet(w, hook, at);
	w->p.iif = iif;
	w->p.oif = oif;
	return on;
}

/* The VLAN that untagged frames of a port belong to; 0: none. */
static uint16_t pvid(const struct snapshot *s, uint32_t ifindex)
{
	size_t n;
	const struct snap_vlan *v = snap_vlans(s, ifindex, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].flags & VLAN_PVID)
			return v[i].vid;
	}
	return 0;
}

static bool has_vlan(const struct snapshot *s, uint32_t ifindex, uint16_t vid)
{
	size_t n;
	const struct snap_vlan *v = snap_vlans(s, ifindex, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].vid <= vid && vid <= v[i].vid_end)
			return true;
	}
	return false;
}

/* A frame of the guest comes in by its port. */
static bool enter_port(struct path_walk *w, const struct snap_link *port, const struct snap_link *bridge)
{
	w->p.iif = port->ifindex;
	w->p.bridge_in = bridge->ifindex;
	w->p.oif = w->p.bridge_out = 0;
	if (port->port.state != BR_FORWARDING)
		return path_step(w, "bridge", PATH_DROP, port->name, "",
				 "%s doesn't forward: its state is %s (spanning tree)", port->name,
				 port->port.state == 1	 ? "listening"
				 : port->port.state == 2 ? "learning"
				 : port->port.state == 4 ? "blocking"
							 : "disabled");
	if (bridge->bridge.vlan_filtering && pvid(w->s, port->ifindex) == 0)
		return path_step(w, "bridge", PATH_DROP, port->name, "",
				 "%s filters VLANs, and untagged frames of %s belong to none (no PVID)", bridge->name,
				 port->name);
	if (port->port.locked && !mac_is_zero(&w->p.smac)) {
		const struct snap_fdb *f = snap_fdb_find(w->s, bridge->ifindex, &w->p.smac,
							 bridge->bridge.vlan_filtering ? pvid(w->s, port->ifindex) : 0);

		if (!f || f->port != port->ifindex || f->locked)
			return path_step(w, "bridge", PATH_DROP, port->name, "",
					 "%s is locked, and %s isn't allowed there", port->name, MAC_STR(&w->p.smac));
	}
	return path_nft(w, NFPROTO_BRIDGE, PATH_HOOK_PREROUTING, "bridge prerouting");
}

/* Is there anybody who asks for groups, so that the bridge believes its list? */
static bool has_querier(const struct snap_link *bridge, uint8_t family)
{
	const struct ip *q = family == AF_INET ? &bridge->bridge.querier4 : &bridge->bridge.querier6;
	uint64_t other = family == AF_INET ? bridge->bridge.querier4_other_ms : bridge->bridge.querier6_other_ms;

	return bridge->bridge.mcast_snooping && ip_is_set(q) && !ip_is_unspecified(q) &&
	       (other > 0 || bridge->bridge.mcast_querier);
}

static bool vlan_lets_out(struct path_walk *w, const struct snap_link *bridge, const struct snap_link *from,
			  const struct snap_link *port)
{
	uint16_t vid = pvid(w->s, from ? from->ifindex : bridge->ifindex);

	if (!bridge->bridge.vlan_filtering || has_vlan(w->s, port->ifindex, vid))
		return true;
	return path_step(w, "bridge", PATH_DROP, port->name, "", "%s isn't in VLAN %u, which the frame belongs to",
			 port->name, vid);
}

/* Through the hooks from one port (NULL: the host) to another. */
static bool cross(struct path_walk *w, const struct snap_link *bridge, const struct snap_link *from,
		  const struct snap_link *port)
{
	bool filter = br_netfilter(w, bridge);

	w->p.oif = port->ifindex;
	w->p.bridge_out = bridge->ifindex;
	if (from) {
		if (!path_nft(w, NFPROTO_BRIDGE, PATH_HOOK_FORWARD, "bridge forward") ||
		    (filter && !bridged_inet(w, bridge, PATH_HOOK_FORWARD, "forward (bridged)")))
			return false;
	} else if (!path_nft(w, NFPROTO_BRIDGE, PATH_HOOK_OUTPUT, "bridge output")) {
		return false;
	}
	if (!path_nft(w, NFPROTO_BRIDGE, PATH_HOOK_POSTROUTING, "bridge postrouting"))
		return false;
	return !from || !filter || bridged_inet(w, bridge, PATH_HOOK_POSTROUTING, "postrouting (bridged)");
}

/*
 * The question for @ip reaches the guest behind @port? Its steps are kept only when they end it. @from NULL: the host
 * asks; else a port.
 */
static bool resolve(struct path_walk *w, const struct snap_link *bridge, const struct snap_link *from,
		    const struct snap_link *port, const struct ip *ip)
{
	struct path_way aside = { .n = 0 };
	struct path_walk ask = { .s = w->s, .arena = w->arena, .p = w->p, .way = &aside };
	struct in6_addr group = ip6_solicited_node(&ip->v6);
	struct ip group_ip = ip6(group);
	bool v4 = ip->family == AF_INET, on = true;
	const char *what = v4 ? "ARP request" : "neighbour solicitation";
	const struct snap_neigh *known = from ? NULL : snap_neigh(w->s, bridge->ifindex, ip);

	if (known && (known->state & NUD_PERMANENT))
		return true; /* nobody is asked */
	ask.p.arp = v4;
	ask.p.dst = v4 ? *ip : group_ip;
	ask.p.dmac = v4 ? (struct mac){ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } } : mac_of_multicast6(&group);
	ask.p.target = v4 ? (struct ip){ 0 } : *ip;
	ask.p.proto = IPPROTO_ICMPV6;
	ask.p.icmp_type = 135;
	ask.p.hop_limit = 255;
	ask.p.ethernet = true;
	ask.p.ct_state = PATH_CT_UNTRACKED; /* neighbour discovery is never tracked */
	if (port->port.neigh_suppress) {
		on = true; /* the bridge answers itself, or floods */
	} else if (v4 ? !port->port.bcast_flood : false) {
		on = path_step(&ask, "neighbours", PATH_DROP, port->name, "",
			       "%s gets no broadcasts (bcast_flood off): no %s for %s", port->name, what, IP_STR(ip));
	} else if (!v4 && has_querier(bridge, AF_INET6) && !snap_is_router_port(w->s, port)) {
		if (!snap_mdb_has(w->s, bridge->ifindex, port->ifindex, &group_ip))
			on = path_step(&ask, "neighbours", PATH_DROP, port->name, "",
				       "%s sends no %s for %s to %s: it snoops, and nobody there is listed for %s",
				       bridge->name, what, IP_STR(ip), port->name, IP_STR(&group_ip));
	} else if (!v4 && !port->port.mcast_flood && !snap_mdb_has(w->s, bridge->ifindex, port->ifindex, &group_ip)) {
		on = path_step(&ask, "neighbours", PATH_DROP, port->name, "",
			       "%s gets no multicast (mcast_flood off): no %s for %s", port->name, what, IP_STR(ip));
	}
	if (on && from)
		on = path_nft(&ask, NFPROTO_BRIDGE, PATH_HOOK_PREROUTING, "neighbours") &&
		     (!br_netfilter(&ask, bridge) || bridged_inet(&ask, bridge, PATH_HOOK_PREROUTING, "neighbours"));
	if (on)
		on = cross(&ask, bridge, from, port);
	if (on && aside.verdict == PATH_PASS)
		return true;
	const struct path_step *end = aside.end;
	return path_step(w, "neighbours", end->verdict, end->subject, end->rule, "%s%s",
			 strcmp(end->at, "neighbours") == 0 && end->rule[0] == '\0'
				 ? ""
				 : arena_printf(w->arena, "the %s for %s: ", what, IP_STR(ip)),
			 end->what);
}

/* Out by a port of a bridge, and to the guest behind it. @from NULL: from the host. */
static bool leave_port(struct path_walk *w, const struct snap_link *bridge, const struct snap_link *from,
		       const struct snap_link *port, const struct ip *next, const struct mac *mac, bool guest)
{
	if (from && from == port && !port->port.hairpin)
		return path_step(w, "bridge", PATH_DROP, port->name, "",
				 "%s doesn't send back to the port that it came from (hairpin off)", port->name);
	if (from && from->port.isolated && port->port.isolated)
		return path_step(w, "bridge", PATH_DROP, port->name, "", "%s and %s are both isolated", from->name,
				 port->name);
	if (port->port.state != BR_FORWARDING)
		return path_step(w, "bridge", PATH_DROP, port->name, "", "%s doesn't forward (spanning tree)",
				 port->name);
	if (!vlan_lets_out(w, bridge, from, port))
		return false;
	if (guest && !resolve(w, bridge, from, port, next))
		return false;
	uint16_t vid = bridge->bridge.vlan_filtering ? pvid(w->s, from ? from->ifindex : bridge->ifindex) : 0;
	const struct snap_fdb *f = mac_is_zero(mac) ? NULL : snap_fdb_find(w->s, bridge->ifindex, mac, vid);
	if (f && f->port != port->ifindex)
		return path_step(w, "bridge", PATH_DROP, bridge->name, "", "%s has learned %s at %s, not at %s",
				 bridge->name, MAC_STR(mac), name(w, f->port), port->name);
	if (!f && guest && !port->port.flood && !mac_is_zero(mac))
		return path_step(w, "bridge", PATH_DROP, port->name, "",
				 "%s hasn't learned %s, and %s gets no unknown unicast (flood off)", bridge->name,
				 MAC_STR(mac), port->name);
	w->p.dmac = *mac;
	if (!cross(w, bridge, from, port) || !usable(w, port, guest ? "tap" : "bridge"))
		return false;
	return path_step(w, "bridge", PATH_PASS, port->name, "",
			 guest ? "%s hands it to %s" : "%s sends it out by %s, into the LAN", bridge->name, port->name);
}

/* The port of a bridge that leads to the rest of the LAN: no guest's. NULL: there is none. */
static const struct snap_link *lan_port(const struct snapshot *s, const struct snap_link *bridge)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];

		if (l->master == bridge->ifindex && strcmp(l->kind, "tun") != 0 && strcmp(l->kind, "macvtap") != 0 &&
		    !snap_nic_of_link(s, l->ifindex) && (l->flags & IFF_RUNNING) &&
		    !(strcmp(l->kind, "veth") == 0 && strchr(l->alias, '/')))
			return l;
	}
	return NULL;
}

static bool bridge_has_address(const struct snapshot *s, const struct snap_link *bridge, uint8_t family,
			       const struct ip *dst, bool *on_link)
{
	bool any = false;
	size_t n;
	const struct snap_addr *a = snap_addrs(s, bridge->ifindex, &n);

	*on_link = false;
	for (size_t i = 0; i < n; i++) {
		if (a[i].prefix.ip.family != family)
			continue;
		any |= !ip_is_link_local(&a[i].prefix.ip) || family == AF_INET;
		*on_link |= prefix_contains(&a[i].prefix, dst);
	}
	return any;
}

/* --------------------------------------------------------------------------- macvtap */

static const char *mode_name(uint32_t mode)
{
	return mode == MACVLAN_MODE_PRIVATE    ? "private"
	       : mode == MACVLAN_MODE_VEPA     ? "vepa"
	       : mode == MACVLAN_MODE_BRIDGE   ? "bridge"
	       : mode == MACVLAN_MODE_PASSTHRU ? "passthru"
					       : "source";
}

/* Does a macvtap let in the question for a guest's address, and its MAC? */
static bool macvtap_lets_in(struct path_walk *w, const struct snap_link *tap, const struct path_end *to)
{
	struct in6_addr group = ip6_solicited_node(&w->p.dst.v6);
	struct mac mac = mac_of_multicast6(&group);

	if (!usable(w, tap, "macvtap"))
		return false;
	if (w->p.family == AF_INET6 && !(tap->flags & (IFF_ALLMULTI | IFF_PROMISC)) &&
	    !snap_mcast(w->s, tap->ifindex, &mac))
		return path_step(w, "macvtap", PATH_DROP, tap->name, "",
				 "%s drops neighbour solicitations for %s: it doesn't let in %s", tap->name,
				 IP_STR(&w->p.dst), MAC_STR(&mac));
	if (!mac_is_zero(&to->mac) && !mac_eq(&to->mac, &tap->mac) && !(tap->flags & IFF_PROMISC) &&
	    tap->macvlan.mode != MACVLAN_MODE_PASSTHRU)
		return path_step(w, "macvtap", PATH_DROP, tap->name, "",
				 "%s lets in %s only, and the guest's MAC is %s", tap->name, MAC_STR(&tap->mac),
				 MAC_STR(&to->mac));
	if (tap->macvlan.mode == MACVLAN_MODE_SOURCE)
		return path_step(w, "macvtap", PATH_UNKNOWN, tap->name, "", "%s lets in only some MACs (mode source)",
				 tap->name);
	return path_step(w, "macvtap", PATH_PASS, tap->name, "", "%s hands it to the guest", tap->name);
}

/* Between two devices on one lower device. */
static bool macvtap_to_macvtap(struct path_walk *w, const struct snap_link *a, const struct snap_link *b,
			       const struct path_end *to)
{
	uint32_t mode = a->macvlan.mode;

	if (mode == MACVLAN_MODE_BRIDGE && b->macvlan.mode == MACVLAN_MODE_BRIDGE)
		return macvtap_lets_in(w, b, to);
	if (mode == MACVLAN_MODE_VEPA)
		return path_step(w, "macvtap", PATH_DROP, a->name, "",
				 "%s is in mode vepa: only a switch that sends frames back would bring it to %s",
				 a->name, b->name);
	return path_step(w, "macvtap", PATH_DROP, a->name, "",
			 "%s is in mode %s: it doesn't reach %s on the same device", a->name, mode_name(mode), b->name);
}

static bool from_macvtap(struct path_walk *w, const struct snap_link *tap, const struct path_end *to, bool *arrived)
{
	const struct snap_link *lower = snap_link(w->s, tap->lower);

	if (!usable(w, tap, "macvtap"))
		return false;
	if (!lower) {
		*arrived = true;
		return path_step(w, "macvtap", PATH_UNKNOWN, tap->name, "",
				 "what %s sits on is in another network namespace", tap->name);
	}
	if (!usable(w, lower, "lower device"))
		return false;
	if (to->kind == PATH_GUEST) {
		const struct snap_link *other = snap_link(w->s, to->device);

		if (other && is_macvtap(other) && other->lower == tap->lower) {
			*arrived = true;
			return macvtap_to_macvtap(w, tap, other, to);
		}
	}
	if (to->kind == PATH_HOST) {
		const struct snap_addr *a = snap_addr(w->s, 0, &w->p.dst);
		const struct snap_link *at = a ? snap_link(w->s, a->ifindex) : NULL;

		*arrived = true;
		if (at && is_macvtap(at) && at->lower == tap->lower && at->macvlan.mode == MACVLAN_MODE_BRIDGE &&
		    tap->macvlan.mode == MACVLAN_MODE_BRIDGE) {
			*arrived = false;
			w->p.iif = at->ifindex;
			return path_step(w, "macvtap", PATH_PASS, at->name, "", "%s sends it across to %s", tap->name,
					 at->name);
		}
		if (at && at->ifindex == lower->ifindex)
			return path_step(w, "macvtap", PATH_DROP, lower->name, "",
					 "a macvtap never reaches the device it sits on: the host needs a macvlan of "
					 "its own on %s",
					 lower->name);
	}
	*arrived = true;
	return path_step(w, "uplink", PATH_PASS, lower->name, "", "%s sends it out by %s", tap->name, lower->name);
}

/* ---------------------------------------------------------------------- the two ends */

/* The bridge that a guest with this address would be behind, by the host's addresses; NULL: none. */
static const struct snap_link *bridge_for(const struct snapshot *s, const struct ip *ip)
{
	for (size_t i = 0; i < s->n_links; i++) {
		bool on_link;

		if (is_bridge(&s->links[i]) && bridge_has_address(s, &s->links[i], (uint8_t)ip->family, ip, &on_link) && on_link)
			return &s->links[i];
	}
	return NULL;
}

/* A guest that doesn't run, or that nothing was heard of: from the bridge on, that much can be said. */
static bool from_unknown_port(struct path_walk *w, const struct path_end *from, const struct path_end *to, bool *arrived)
{
	const struct snap_link *bridge = bridge_for(w->s, &w->p.src);

	if (!bridge || to->kind == PATH_GUEST) {
		*arrived = true;
		return path_step(w, "tap", PATH_UNKNOWN, from->name, "", "which interface %s is behind isn't known",
				 from->name);
	}
	w->p.iif = bridge->ifindex;
	return path_step(w, "tap", PATH_UNKNOWN, from->name, "", "%s isn't running, or wasn't heard: as if it were a port of %s",
			 from->name, bridge->name);
}

bool path_from_guest(struct path_walk *w, const struct path_end *from, const struct path_end *to, bool *arrived)
{
	const struct snap_link *link = snap_link(w->s, from->device), *bridge = bridge_of(w->s, link), *target;
	bool on_link, routes;

	*arrived = false;
	if (!link)
		return from_unknown_port(w, from, to, arrived);
	w->p.ethernet = true;
	w->p.smac = from->mac;
	if (is_macvtap(link))
		return from_macvtap(w, link, to, arrived);
	if (!usable(w, link, "tap"))
		return false;
	if (!bridge) {
		w->p.iif = link->ifindex;
		return path_step(w, "tap", PATH_PASS, link->name, "", "%s takes it", link->name);
	}
	(void)path_step(w, "tap", PATH_PASS, link->name, "", "%s takes it, a port of %s", link->name, bridge->name);
	if (!usable(w, bridge, "bridge"))
		return false;
	target = to->kind == PATH_GUEST ? snap_link(w->s, to->device) : NULL;
	routes = bridge_has_address(w->s, bridge, w->p.family, &w->p.dst, &on_link);
	bool bridged = target && target->master == bridge->ifindex &&
		       ip_eq(&w->p.dst, w->p.family == AF_INET ? &to->ip4 : &to->ip6) && (on_link || !routes);
	w->p.dmac = bridged ? to->mac : bridge->mac;
	if (!enter_port(w, link, bridge))
		return false;
	w->prerouted = br_netfilter(w, bridge);
	if (w->prerouted && !bridged_inet(w, bridge, PATH_HOOK_PREROUTING, "prerouting (bridged)"))
		return false;
	if (bridged) {
		*arrived = true;
		return leave_port(w, bridge, link, target, &w->p.dst, &to->mac, true);
	}
	if (!routes || (to->kind == PATH_OUTSIDE && to->device == bridge->ifindex)) {
		const struct snap_link *port = lan_port(w->s, bridge);

		*arrived = true;
		if (!port)
			return path_step(w, "bridge", PATH_DROP, bridge->name, "",
					 "%s has no address of this host and no port to the outside", bridge->name);
		return leave_port(w, bridge, link, port, &w->p.dst, &(struct mac){ { 0 } }, false);
	}
	/* To the host: ARP and neighbour discovery come in by the bridge's input hook. */
	if (!path_nft(w, NFPROTO_BRIDGE, PATH_HOOK_INPUT, "bridge input"))
		return false;
	w->p.iif = bridge->ifindex;
	w->p.bridge_in = 0;
	return true;
}

bool path_enter_macvtap(struct path_walk *w, const struct snap_link *tap, const struct path_end *to)
{
	return macvtap_lets_in(w, tap, to);
}

bool path_enter_bridge(struct path_walk *w, const struct snap_link *bridge, const struct path_end *to)
{
	const struct snap_link *port = lan_port(w->s, bridge), *guest = snap_link(w->s, to->device);

	if (!port)
		return path_step(w, "bridge", PATH_DROP, bridge->name, "", "%s has no port to the outside",
				 bridge->name);
	if (!usable(w, port, "uplink"))
		return false;
	w->p.ethernet = true;
	w->p.dmac = to->mac;
	(void)path_step(w, "uplink", PATH_PASS, port->name, "", "it comes in by %s, a port of %s", port->name,
			bridge->name);
	if (!enter_port(w, port, bridge) ||
	    (br_netfilter(w, bridge) && !bridged_inet(w, bridge, PATH_HOOK_PREROUTING, "prerouting (bridged)")))
		return false;
	return leave_port(w, bridge, port, guest, &w->p.dst, &to->mac, true);
}

bool path_to_device(struct path_walk *w, const struct ip *next, const struct path_end *to)
{
	const struct snap_link *oif = snap_link(w->s, w->p.oif),
			       *guest = to->kind == PATH_GUEST ? snap_link(w->s, to->device) : NULL;
	const struct snap_neigh *neigh = snap_neigh(w->s, w->p.oif, next);
	struct mac mac = to->kind == PATH_GUEST ? to->mac : (struct mac){ { 0 } };

	if (!oif)
		return path_step(w, "uplink", PATH_UNKNOWN, "", "", "the interface isn't known");
	if (!usable(w, oif, to->kind == PATH_GUEST ? "bridge" : "uplink"))
		return false;
	if (neigh && mac_is_zero(&mac))
		mac = neigh->mac;
	w->p.smac = oif->mac;
	w->p.ethernet = true;
	if (is_bridge(oif)) {
		const struct snap_link *port = guest && guest->master == oif->ifindex ? guest : NULL;
		const struct snap_fdb *f =
			!port && !mac_is_zero(&mac) ? snap_fdb_find(w->s, oif->ifindex, &mac, 0) : NULL;
		bool known = port;

		if (!port && f && f->port != oif->ifindex)
			port = snap_link(w->s, f->port);
		if (!port && to->kind != PATH_GUEST)
			port = lan_port(w->s, oif);
		w->p.iif = w->p.bridge_in = 0;
		if (port)
			return leave_port(w, oif, NULL, port, next, &mac, known || to->kind == PATH_GUEST);
		if (to->kind == PATH_GUEST)
			return path_step(w, "bridge", PATH_UNKNOWN, oif->name, "",
					 "behind which port of %s %s is isn't known", oif->name, to->name);
		return path_step(w, "bridge", PATH_DROP, oif->name, "", "%s has no port that leads out", oif->name);
	}
	if (guest && is_macvtap(guest)) {
		if (guest->lower == oif->ifindex)
			return path_step(w, "macvtap", PATH_DROP, oif->name, "",
					 "what the host sends by %s never reaches a macvtap on it: the host needs a "
					 "macvlan of its own",
					 oif->name);
		if (is_macvtap(oif) && oif->lower == guest->lower)
			return macvtap_to_macvtap(w, oif, guest, to);
	}
	if (guest && guest != oif)
		return path_step(w, "routing", PATH_DROP, oif->name, "",
				 "the route leads out by %s, but %s is behind %s", oif->name, to->name, guest->name);
	if (neigh && (neigh->state & (NUD_FAILED | NUD_INCOMPLETE)) && mac_is_zero(&neigh->mac))
		return path_step(w, "neighbours", PATH_UNKNOWN, oif->name, "",
				 "%s didn't answer when it was last asked for, on %s", IP_STR(next), oif->name);
	return path_step(w, guest ? "tap" : "uplink", PATH_PASS, oif->name, "",
			 ip_eq(next, &w->p.dst) ? "%s sends it out" : "%s sends it out, by router %s", oif->name,
			 IP_STR(next));
}
