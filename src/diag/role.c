/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * role - what depends on an interface: guests, networks, the host itself
 */
#include "diag/role.h"

#include <ctype.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include "model/world.h"

struct roles {
	const struct snapshot *snap;
	struct role *of; /* beside snap->links */
	struct arena *arena;
};

static struct role *role_at(const struct roles *roles, uint32_t ifindex)
{
	const struct snap_link *link = ifindex ? snap_link(roles->snap, ifindex) : NULL;

	return link ? &roles->of[link - roles->snap->links] : NULL;
}

static void set(struct roles *roles, uint32_t ifindex, uint32_t bits)
{
	struct role *r = role_at(roles, ifindex);

	if (r)
		r->bits |= bits;
}

static bool is_bridge_port(const struct snapshot *snap, const struct snap_link *link)
{
	const struct snap_link *master = link->master ? snap_link(snap, link->master) : NULL;

	return master && str_eq(master->kind, "bridge");
}

/* xen-netback's have no kind. */
static bool is_vif(const struct snap_link *link)
{
	return strncmp(link->name, "vif", 3) == 0 && isdigit((unsigned char)link->name[3]) && strchr(link->name, '.');
}

bool role_kernel_ra(const struct snapshot *snap, uint32_t ifindex)
{
	size_t n;
	const struct snap_manager *m = snap_managers(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (m[i].manages && m[i].handles_ra == 1)
			return false;
	return true;
}

bool role_ra_heard(const struct snapshot *snap, const struct snap_link *link, uint64_t *ret_n)
{
	uint64_t n = 0;
	bool counted = snap_counter(snap, link->ifindex, "Icmp6InRouterAdvertisements", &n);

	if (ret_n)
		*ret_n = n;
	return (counted && n > 0) || (link->inet6_flags & SNAP_IF_RA_RCVD);
}

const struct snap_route *role_default(const struct snapshot *snap, uint8_t family, uint32_t oif, uint32_t not_oif,
				      int proto)
{
	size_t n;
	const struct snap_route *r = snap_routes(snap, family, RT_TABLE_MAIN, &n), *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *link;

		if (r[i].dst.len != 0 || r[i].type != RTN_UNICAST || (r[i].flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
			continue;
		if ((oif && r[i].oif != oif) || (not_oif && r[i].oif == not_oif) ||
		    (proto >= 0 && r[i].protocol != proto))
			continue;
		link = snap_link(snap, r[i].oif);
		if (link && (link->flags & IFF_LOOPBACK))
			continue;
		if (!best || r[i].metric < best->metric)
			best = &r[i];
	}
	return best;
}

const struct snap_route *role_default_by_rule(const struct snapshot *snap, uint8_t family)
{
	const struct ip any = { .family = family };

	for (size_t i = 0; i < snap->n_rules; i++) {
		const struct snap_rule *r = &snap->rules[i];

		if (r->family != family || r->action != FR_ACT_TO_TBL || r->table == RT_TABLE_MAIN || r->table == RT_TABLE_LOCAL ||
		    r->suppress_prefixlen >= 0 || r->iif[0] || r->oif[0] || r->src.len || r->dst.len || r->l3mdev ||
		    (r->mark != 0 && !r->invert) || r->ip_proto || r->has_uid)
			continue;
		const struct snap_route *route = snap_route_lookup(snap, r->table, &any);
		if (route && route->dst.len == 0 && route->type == RTN_UNICAST)
			return route;
	}
	return NULL;
}

const struct snap_guest_addr *role_guest_addr(const struct snapshot *snap, const struct ip *ip)
{
	for (size_t i = 0; i < snap->n_guest_addrs; i++)
		if (ip_eq(&snap->guest_addrs[i].ip, ip))
			return &snap->guest_addrs[i];
	return NULL;
}

uint32_t role_l3(const struct snapshot *snap, uint32_t ifindex)
{
	for (int depth = 0; depth < 8; depth++) {
		const struct snap_link *link = snap_link(snap, ifindex);

		if (!link || !link->master || str_eq(link->slave_kind, "vrf"))
			return ifindex;
		ifindex = link->master;
	}
	return ifindex;
}

/* ------------------------------------------------------------------ guests */

static void by_kind(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct role *r = &roles->of[i];
		char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

		if (alias_parse(l->alias, network, guest)) {
			r->bits |= ROLE_OURS | (guest[0] ? ROLE_GUEST : ROLE_NETWORK);
			r->network = arena_strdup(roles->arena, network);
			if (guest[0])
				r->guest = arena_printf(roles->arena, "%s/%s", network, guest);
		}
		if ((str_eq(l->kind, "tun") && l->tun.tap) || str_eq(l->kind, "macvtap") || is_vif(l))
			r->bits |= ROLE_GUEST;
		if (str_eq(l->kind, "veth") && is_bridge_port(snap, l))
			r->bits |= ROLE_GUEST; /* a container's, unless by_default_route() knows better */
		if (str_eq(l->kind, "macvtap"))
			set(roles, l->lower, ROLE_LOWER);
	}
	for (size_t i = 0; i < snap->n_nics; i++) {
		const struct snap_nic *nic = &snap->nics[i];
		struct role *r = nic->live ? role_at(roles, nic->ifindex) : NULL;

		if (!r)
			continue;
		r->bits |= ROLE_GUEST;
		if (!r->guest)
			r->guest = nic->guest;
	}
}

/* Has the host's own default route, that is, not only one by RA beside another that it would hijack. */
static bool way_out(const struct snapshot *snap, uint8_t family, uint32_t ifindex)
{
	const struct snap_route *r = role_default(snap, family, ifindex, 0, -1);

	if (!r || r->protocol != RTPROT_RA)
		return r != NULL;
	/* While the host's own is missing, a guest's may be the only one: then IPv4 tells where the outside is. */
	return !role_default(snap, family, 0, ifindex, -1) &&
	       (role_default(snap, AF_INET, ifindex, 0, -1) || !role_default(snap, AF_INET, 0, ifindex, -1));
}

/* Has the link a subnet of its own of @ip's family? @but_of_ip: one that @ip is in doesn't count. */
static bool has_subnet(const struct snapshot *snap, uint32_t ifindex, const struct ip *ip, bool but_of_ip)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (!ip_is_link_local(&a[i].prefix.ip) && a[i].prefix.len < ip_bits(&a[i].prefix.ip) - 1 &&
		    a[i].prefix.ip.family == ip->family && !(but_of_ip && prefix_contains(&a[i].prefix, ip)))
			return true;
	return false;
}

/* A link with host routes to it and no default route: Xen's vif-route, a routed tap, a container by hand; no VPN's tun. */
static void by_host_routes(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];
		const struct snap_link *l;

		if (r->table != RT_TABLE_MAIN || r->dst.len != ip_bits(&r->dst.ip) || r->type != RTN_UNICAST ||
		    r->gateway.family || r->protocol == RTPROT_KERNEL || r->protocol == RTPROT_RA || !r->oif)
			continue;
		l = snap_link(snap, r->oif);
		/* A link with a subnet that the address isn't in is a network's, whatever host route leads there. */
		if (l && !has_subnet(snap, l->ifindex, &r->dst.ip, true) &&
		    (str_eq(l->kind, "veth") || (str_eq(l->kind, "tun") && l->tun.tap) || is_vif(l)) && !l->master &&
		    !role_default(snap, AF_INET, l->ifindex, 0, -1) && !way_out(snap, AF_INET6, l->ifindex))
			set(roles, l->ifindex, ROLE_GUEST);
	}
}

/* The same where the route is missing: somebody with a global address is behind a veth that is nobody's network. */
static void by_neighbours(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_neighs; i++) {
		const struct snap_neigh *n = &snap->neighs[i];
		const struct snap_link *l =
			mac_is_zero(&n->mac) || !ip_is_global(&n->ip) ? NULL : snap_link(snap, n->ifindex);

		if (l && str_eq(l->kind, "veth") && !l->master && !has_subnet(snap, l->ifindex, &n->ip, false) &&
		    !role_ra_heard(snap, l, NULL) && !role_default(snap, AF_INET, l->ifindex, 0, -1) &&
		    !way_out(snap, AF_INET6, l->ifindex))
			set(roles, l->ifindex, ROLE_GUEST);
	}
}

/* ---------------------------------------------------------------- networks */

static void by_network(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];
		struct role *dev = role_at(roles, n->ifindex), *up = role_at(roles, n->uplink_ifindex);

		if (dev) {
			dev->bits |= ROLE_NETWORK;
			dev->network = n->name;
			if (str_eq(n->mode, "nat") || str_eq(n->mode, "routed") || str_eq(n->mode, "isolated"))
				dev->bits |= ROLE_GUEST_ONLY | ROLE_GUEST_BRIDGE;
		}
		if (up && up != dev) {
			up->bits |= ROLE_UPLINK;
			if (!up->network)
				up->network = n->name;
		}
	}
	for (size_t i = 0; i < snap->n_libvirt_nets; i++) {
		const struct snap_libvirt_net *n = &snap->libvirt_nets[i];
		const struct snap_link *l = n->active ? snap_link_by_name(snap, n->bridge) : NULL;

		if (!l)
			continue;
		set(roles, l->ifindex, ROLE_NETWORK | ROLE_GUEST_BRIDGE);
		if (!str_eq(n->mode, "bridge"))
			set(roles, l->ifindex, ROLE_GUEST_ONLY);
	}
}

/* The bridge port behind which @r's gateway is, or 0. */
static uint32_t gateway_port(const struct snapshot *snap, const struct snap_route *r)
{
	const struct snap_neigh *neigh = r->gateway.family ? snap_neigh(snap, r->oif, &r->gateway) : NULL;
	size_t n;
	const struct snap_fdb *fdb = snap_fdb(snap, r->oif, &n);

	for (size_t i = 0; neigh && !mac_is_zero(&neigh->mac) && i < n; i++)
		if (mac_eq(&fdb[i].mac, &neigh->mac) && fdb[i].port != r->oif)
			return fdb[i].port;
	return 0;
}

/*
 * A veth that is a port may lead to a container or to the LAN. It leads to the LAN when the gateway of the host's only
 * way out is behind it; a default route by RA beside another may be a guest's (ra.rogue).
 */
static void by_default_route(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];
		struct role *port;
		uint32_t ifindex;

		if (r->table != RT_TABLE_MAIN || r->dst.len != 0 || r->type != RTN_UNICAST ||
		    role_is(roles, r->oif, ROLE_GUEST_ONLY))
			continue;
		if (!way_out(snap, r->dst.ip.family, r->oif))
			continue;
		ifindex = gateway_port(snap, r);
		port = role_at(roles, ifindex);
		if (!port || (port->bits & ROLE_OURS) || port->guest)
			continue;
		if (str_eq(snap_link(snap, ifindex)->kind, "veth"))
			port->bits &= ~(uint32_t)ROLE_GUEST;
		port->bits |= ROLE_UPLINK_PORT;
	}
}

static void of_bridges(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];

		if (!is_bridge_port(snap, l))
			continue;
		if (roles->of[i].bits & ROLE_GUEST)
			set(roles, l->master, ROLE_GUEST_BRIDGE);
		else
			roles->of[i].bits |= ROLE_UPLINK_PORT;
	}
	for (size_t i = 0; i < snap->n_links; i++)
		if ((roles->of[i].bits & ROLE_UPLINK_PORT) && is_bridge_port(snap, &snap->links[i])) {
			struct role *bridge = role_at(roles, snap->links[i].master);

			if (!(bridge->bits & ROLE_NETWORK))
				bridge->bits |= ROLE_UPLINK; /* of the LAN, at least */
		}
	for (size_t i = 0; i < snap->n_links; i++) {
		struct role *r = &roles->of[i];

		if ((r->bits & ROLE_GUEST) && !is_bridge_port(snap, &snap->links[i]))
			r->bits |= ROLE_GUEST_ONLY;
		if ((r->bits & ROLE_GUEST_BRIDGE) && !(r->bits & ROLE_UPLINK))
			r->bits |= ROLE_GUEST_ONLY;
	}
}

/* A port that may be the way to the LAN as well as a container's: then the only default route is believed. */
static bool has_unknown_port(const struct roles *roles, uint32_t bridge)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_links; i++)
		if (snap->links[i].master == bridge && str_eq(snap->links[i].kind, "veth") && !roles->of[i].guest)
			return true;
	return false;
}

static void of_uplinks(struct roles *roles)
{
	const struct snapshot *snap = roles->snap;

	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];
		struct role *role = role_at(roles, r->oif);

		if (!role || r->table != RT_TABLE_MAIN || r->dst.len != 0 || r->type != RTN_UNICAST)
			continue;
		/* A guest's RA makes no uplink of what faces guests; the host's own route by hand does. */
		if ((role->bits & ROLE_GUEST_ONLY) &&
		    ((role->bits & (ROLE_NETWORK | ROLE_OURS)) ||
		     (r->protocol == RTPROT_RA &&
		      !(way_out(snap, AF_INET6, r->oif) && has_unknown_port(roles, r->oif)))))
			continue;
		role->bits |= ROLE_UPLINK;
		if (!(role->bits & ROLE_GUEST))
			role->bits &= ~(uint32_t)ROLE_GUEST_ONLY;
	}
	for (size_t i = 0; i < snap->n_links; i++) {
		struct role *r = &roles->of[i];
		const struct snap_link *l = &snap->links[i];

		if (!(r->bits & (ROLE_GUEST_ONLY | ROLE_GUEST)) && !is_bridge_port(snap, l) &&
		    !(l->flags & IFF_LOOPBACK) && role_ra_heard(snap, l, NULL))
			r->bits |= ROLE_HEARD;
	}
}

struct roles *roles_new(const struct snapshot *snap)
{
	struct roles *roles = NEW(struct roles);

	roles->snap = snap;
	roles->arena = arena_new();
	roles->of = arena_alloc(roles->arena, snap->n_links + 1, sizeof(*roles->of));
	by_kind(roles);
	by_host_routes(roles);
	by_neighbours(roles);
	by_network(roles);
	by_default_route(roles);
	of_bridges(roles);
	of_uplinks(roles);
	return roles;
}

struct roles *roles_free(struct roles *roles)
{
	if (!roles)
		return NULL;
	arena_free(roles->arena);
	free(roles);
	return NULL;
}

const struct role *role_of(const struct roles *roles, uint32_t ifindex)
{
	static const struct role none;
	const struct role *r = role_at(roles, ifindex);

	return r ? r : &none;
}

bool role_is(const struct roles *roles, uint32_t ifindex, uint32_t bits)
{
	return (role_of(roles, ifindex)->bits & bits) != 0;
}
