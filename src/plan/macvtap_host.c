/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap_host - the host's own macvlan beside guests on macvtap devices
 *
 * Theory of operation: the lower device's own stack and guests can't talk
 * to each other, in any mode. So the host gets a macvlan beside them, which
 * nobody's address, route or SLAAC depends on:
 * - towards guests: a /32 or /128 route to each address of theirs, with one of
 *   the host's own as the source, and a neighbour entry. Nobody is ever asked by
 *   broadcast or multicast from here (mcast_solicit 0): an ARP request would tell
 *   the whole LAN that the host's address is now at the macvlan's MAC;
 * - from guests: the kernel answers ARP for any of the host's addresses here, ND
 *   only for those that the device has: so it gets copies of the lower's, as
 *   /128 that make no route and are never chosen as a source (deprecated);
 * - what isn't a guest's is dropped at its ingress (table netdev), or the LAN
 *   would hear two answers to each question for the host.
 * With an address of its own in the configuration the macvlan is just one more
 * host on the LAN, and none of this but the routes is needed.
 *
 * Whose address is whose the plan is told by configuration, by what guests were
 * seen to use, and by the kernel's own neighbour table of the macvlan: who asks
 * for the host is in there, until the kernel finds it gone, or its table full. An
 * address that the LAN has too, or that routes lead through, is never a guest's.
 */
#include "plan/macvtap.h"

#include <assert.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define EXTRA_METRIC 4096u /* of the prefix route of an extra address: the host's own is always better */

static bool has_extra(const struct net *net)
{
	return ip_is_set(&net->d->host_address4.ip) || ip_is_set(&net->d->host_address6.ip);
}

static bool wants_host(const struct net *net)
{
	return net->up && net->lower && net->d->host_access == HOST_ACCESS_YES;
}

const char *macvtap_filtered_host(const struct net *net)
{
	return wants_host(net) && !has_extra(net) ? net->d->bridge : NULL;
}

static const struct {
	const char *before, *after, *value, *why;
	bool six, extra;
} host_sysctls[] = {
	/*
	 * What a guest says first must not be taken for forged because its route still leads to the LAN. (Where `all` has
	 * it, the kernel hears only guests that have a route: a device without an IPv4 address proves nothing.)
	 */
	{ "net/ipv4/conf/", "/rp_filter", "0", "guests are heard before their routes are known", false, false },
	{ "net/ipv4/neigh/", "/mcast_solicit", "0", "the LAN is never asked for guests from here", false, false },
	{ "net/ipv6/neigh/", "/mcast_solicit", "0", "the LAN is never asked for guests from here", true, false },
	{ "net/ipv4/conf/", "/arp_ignore", "1", "it answers for its own address only", false, true },
};

size_t macvtap_sysctls(const struct d_network *d, struct arena *arena, const char *paths[static MACVTAP_SYSCTLS])
{
	static_assert(ARRAY_LEN(host_sysctls) == MACVTAP_SYSCTLS, "room for all");

	for (size_t i = 0; i < MACVTAP_SYSCTLS; i++)
		paths[i] = arena_printf(arena, "%s%s%s", host_sysctls[i].before, d->bridge, host_sysctls[i].after);
	return MACVTAP_SYSCTLS;
}

static void emit_host_sysctls(struct make *m, const struct net *net, const struct w_link *have)
{
	bool six = have ? have->have_inet6 : net->lower->have_inet6 && net->mtu >= MTU_MIN6;
	const char *paths[MACVTAP_SYSCTLS];

	(void)macvtap_sysctls(net->d, m->arena, paths);
	for (size_t i = 0; i < MACVTAP_SYSCTLS; i++) {
		const char *old = have ? world_sysctl(m->world, paths[i]) : NULL;

		if ((host_sysctls[i].six && !six) || (host_sysctls[i].extra && !has_extra(net)))
			continue;
		if (!have || (old && !str_eq(old, host_sysctls[i].value)))
			macvtap_emit_sysctl(m, net, paths[i], host_sysctls[i].value, host_sysctls[i].why);
	}
}

static void emit_host_link(struct make *m, struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;
	struct op_link want = {
		.kind = "macvlan",
		.mtu = net->mtu,
		.mac = net->d->mac,
		.alias = arena_printf(m->arena, "sixtap:%s", net->target->name),
		.group = network_group(net->target->name),
		.addr_gen_mode = GENMODE_NONE,
		.lower = net->lower->ifindex,
		.macvlan_mode = MACVLAN_MODE_BRIDGE,
	};
	const char *what = "";
	uint32_t mask = 0;
	struct op *op;

	(void)str_copy(want.name, sizeof(want.name), net->d->bridge);
	if (!have) {
		what = arena_printf(m->arena, "macvlan on %s, %s", net->lower->name, MAC_STR(&want.mac));
		op = link_op(m, net, OP_LINK_ADD, OP_ACTION_CREATE, want.name, what,
				     "host and guests can't talk through the NIC itself");
		op->link = want;
		op->link.mask = CREATE_MASK;
	} else {
		ADD_WORDS(OP_LINK_MTU, have->mtu != want.mtu, "MTU %u → %u", have->mtu, want.mtu);
		ADD_WORDS(OP_LINK_MAC, !mac_eq(&have->mac, &want.mac), "%s → %s", MAC_STR(&have->mac),
			  MAC_STR(&want.mac));
		ADD_WORDS(OP_LINK_GROUP, have->group != want.group, "group %u → %u", have->group, want.group);
		ADD_WORDS(OP_LINK_GENMODE, have->have_inet6 && have->addr_gen_mode != GENMODE_NONE,
			  "addrgenmode %u → none", have->addr_gen_mode);
		ADD_WORDS(OP_LINK_MACVLAN, have->macvlan_mode != want.macvlan_mode, "mode %s → bridge",
			  macvlan_mode_name(have->macvlan_mode));
		if (mask) {
			op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want.name, what, "");
			op->link = want;
			op->link.mask = mask;
			op->link.ifindex = have->ifindex;
			describe_link(have, m->world, &op->old_link);
		}
	}
	macvtap_emit_accept_ra(m, net, want.name, have);
	emit_host_sysctls(m, net, have);
}

/* An address of the lower's that guests may ask for by ND. */
static bool is_copied(const struct net *net, const struct w_addr *a)
{
	return a->ifindex == net->lower->ifindex && a->prefix.ip.family == AF_INET6 &&
	       !ip_is_link_local(&a->prefix.ip) && !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

struct want_addrs {
	struct op_addr *v;
	size_t n, cap;
};

static void want_addr(struct make *m, struct want_addrs *w, const struct net *net, const struct prefix *p, bool copy)
{
	for (size_t i = 0; i < w->n; i++)
		if (ip_eq(&w->v[i].prefix.ip, &p->ip))
			return;
	ARENA_GROW(m->arena, w->v, w->n, w->cap);
	struct op_addr *a = &w->v[w->n++];
	*a = (struct op_addr){ .prefix = *p };
	(void)str_copy(a->device, sizeof(a->device), net->d->bridge);
	if (copy) {
		a->prefix.len = 128;
		a->flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
		a->deprecated = true;
	} else {
		a->flags = IFA_F_NODAD;	/* it is said to be the host's; routes can have it as their source at once */
		a->metric = EXTRA_METRIC;
	}
}

static void addr_op(struct make *m, const struct net *net, const struct op_addr *a, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_ADDR_ADD : OP_ADDR_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "address %s", net->d->bridge);
	op->what = arena_strdup(m->arena, PREFIX_STR(&a->prefix));
	op->why = !add ? "the host has it no longer" : a->deprecated ? "guests ask for the host here" : "";
	op->addr = *a;
}

static void emit_host_addresses(struct make *m, const struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;
	struct want_addrs want = { 0 };
	size_t n_kept = 0;

	if (ip_is_set(&net->d->host_address4.ip))
		want_addr(m, &want, net, &net->d->host_address4, false);
	if (ip_is_set(&net->d->host_address6.ip))
		want_addr(m, &want, net, &net->d->host_address6, false);
	for (size_t i = 0; !has_extra(net) && i < m->world->n_addrs; i++)
		if (is_copied(net, &m->world->addrs[i]))
			want_addr(m, &want, net, &m->world->addrs[i].prefix, true);
	bool *there = arena_alloc(m->arena, want.n + 1, sizeof(*there));
	for (size_t i = 0; have && i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		size_t k = 0;

		if (a->ifindex != have->ifindex || ip_is_link_local(&a->prefix.ip))
			continue;
		while (k < want.n && !prefix_eq(&want.v[k].prefix, &a->prefix))
			k++;
		if (k < want.n) {
			there[k] = true;
			n_kept++;
			continue;
		}
		struct op_addr gone = { .prefix = a->prefix,
					.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
					.deprecated = true };
		(void)str_copy(gone.device, sizeof(gone.device), net->d->bridge);
		addr_op(m, net, &gone, false);
	}
	for (size_t i = 0; i < want.n; i++)
		if (!there[i])
			addr_op(m, net, &want.v[i], true);
}

/* ---- routes to guests ---- */

/* A guest's address, reached by the macvlan. */
struct way {
	struct ip ip, src;
	struct mac mac;
};

struct ways {
	struct way *v;
	size_t n, cap;
};

/* The host's address that guests see: of the prefix the guest is in if there is one, and one that stays. */
static struct ip source_for(const struct make *m, const struct net *net, const struct ip *dst)
{
	const struct prefix *extra = dst->family == AF_INET ? &net->d->host_address4 : &net->d->host_address6;
	const struct w_addr *best = NULL;
	int best_score = -1;

	if (ip_is_set(&extra->ip))
		return extra->ip;
	if (has_extra(net))
		return (struct ip){ 0 };
	for (size_t i = 0; i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		int score = 0;

		if (a->ifindex != net->lower->ifindex || a->prefix.ip.family != dst->family ||
		    ip_is_link_local(&a->prefix.ip) || (dst->family == AF_INET6 && !is_copied(net, a)))
			continue;
		score += prefix_contains(&a->prefix, dst) ? 4 : 0;
		score += a->flags & IFA_F_DEPRECATED ? 0 : 2;
		score += a->flags & IFA_F_TEMPORARY ? 0 : 1;
		if (score > best_score) {
			best = a;
			best_score = score;
		}
	}
	return best ? best->prefix.ip : (struct ip){ 0 };
}

/* Could somebody else have it: the host, a router of its routes, a neighbour on the LAN? */
static bool is_others(const struct make *m, const struct net *net, const struct ip *ip, const struct mac *mac)
{
	for (size_t i = 0; i < m->world->n_addrs; i++)
		if (ip_eq(&m->world->addrs[i].prefix.ip, ip))
			return true;
	for (size_t i = 0; i < m->world->n_routes; i++)
		if (ip_is_set(&m->world->routes[i].gateway) && ip_eq(&m->world->routes[i].gateway, ip))
			return true;
	for (size_t i = 0; i < m->world->n_neighs; i++) {
		const struct w_neigh *n = &m->world->neighs[i];

		if (n->ifindex == net->lower->ifindex && ip_eq(&n->ip, ip) && !mac_eq(&n->mac, mac))
			return true;
	}
	return false;
}

/* On the lower's LAN, as the host sees it. */
static bool is_on_link(const struct make *m, const struct net *net, const struct ip *ip)
{
	const struct prefix *extra = ip->family == AF_INET ? &net->d->host_address4 : &net->d->host_address6;

	if (ip_is_set(&extra->ip) && prefix_contains(extra, ip))
		return true;
	for (size_t i = 0; i < m->world->n_routes; i++) {
		const struct w_route *r = &m->world->routes[i];

		if (r->oif == net->lower->ifindex && r->dst.len > 0 && !ip_is_set(&r->gateway) &&
		    r->dst.ip.family == ip->family && prefix_contains(&r->dst, ip))
			return true;
	}
	return false;
}

static void add_way(struct make *m, const struct net *net, struct ways *w, const struct ip *ip, const struct mac *mac,
		    bool declared)
{
	struct ip src;

	if (!ip_is_set(ip) || ip_is_link_local(ip) || ip_is_unspecified(ip))
		return;
	for (size_t i = 0; i < w->n; i++)
		if (ip_eq(&w->v[i].ip, ip))
			return;
	if (!declared && (is_others(m, net, ip, mac) || !is_on_link(m, net, ip)))
		return;
	src = source_for(m, net, ip);
	if (!ip_is_set(&src) || ip_eq(&src, ip))
		return;
	ARENA_GROW(m->arena, w->v, w->n, w->cap);
	w->v[w->n++] = (struct way){ .ip = *ip, .src = src, .mac = *mac };
}

static const struct d_guest *guest_by_mac(const struct net *net, const struct mac *mac)
{
	for (size_t i = 0; i < net->d->n_guests; i++)
		if (net->d->guests[i].device && mac_eq(&net->d->guests[i].mac, mac))
			return &net->d->guests[i];
	return NULL;
}

static void find_ways(struct make *m, const struct net *net, struct ways *w)
{
	const struct plan_facts *f = m->facts;

	for (size_t i = 0; i < net->d->n_guests; i++) {
		const struct d_guest *g = &net->d->guests[i];

		for (size_t k = 0; g->device && k < g->n_ips; k++)
			add_way(m, net, w, &g->ips[k], &g->mac, true);
	}
	for (size_t i = 0; i < f->n_holders; i++)
		if (str_eq(f->holders[i].network, net->target->name) && guest_by_mac(net, &f->holders[i].mac))
			add_way(m, net, w, &f->holders[i].ip, &f->holders[i].mac, false);
	for (size_t i = 0; net->link && !net->creates && i < m->world->n_neighs; i++)
		if (m->world->neighs[i].ifindex == net->link->ifindex && guest_by_mac(net, &m->world->neighs[i].mac))
			add_way(m, net, w, &m->world->neighs[i].ip, &m->world->neighs[i].mac, false);
}

static void route_op(struct make *m, const struct net *net, const struct ip *dst, const struct ip *src, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_ROUTE_ADD : OP_ROUTE_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);
	const struct prefix p = { *dst, (uint8_t)ip_bits(dst) };
	const char *device = add || !net->link ? net->d->bridge : net->link->name;

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "route %s", device);
	op->what = arena_printf(m->arena, "%s from %s", PREFIX_STR(&p), IP_STR(src));
	op->route = (struct op_route){ .dst = p, .src = *src };
	(void)str_copy(op->route.device, sizeof(op->route.device), device);
}

static void neigh_op(struct make *m, const struct net *net, const struct ip *ip, const struct mac *mac, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_NEIGH_ADD : OP_NEIGH_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);
	const char *device = add || !net->link ? net->d->bridge : net->link->name;

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "neigh %s", device);
	op->what = arena_printf(m->arena, "%s is at %s", IP_STR(ip), MAC_STR(mac));
	op->neigh = (struct op_neigh){ .ip = *ip, .mac = *mac };
	(void)str_copy(op->neigh.device, sizeof(op->neigh.device), device);
}

static bool is_route_of(const struct net *net, const struct w_route *r)
{
	return r->oif == net->link->ifindex && r->protocol == SIXTAP_PROTO && r->dst.len == ip_bits(&r->dst.ip);
}

static void emit_ways(struct make *m, const struct net *net)
{
	bool there = net->link && !net->creates;
	struct ways w = { 0 };

	find_ways(m, net, &w);
	for (size_t i = 0; there && i < m->world->n_routes; i++) {
		const struct w_route *r = &m->world->routes[i];
		size_t k = 0;

		if (!is_route_of(net, r))
			continue;
		while (k < w.n && !ip_eq(&w.v[k].ip, &r->dst.ip))
			k++;
		if (k == w.n)
			route_op(m, net, &r->dst.ip, &r->src, false);
	}
	for (size_t i = 0; there && i < m->world->n_neighs; i++) {
		const struct w_neigh *n = &m->world->neighs[i];

		if (n->ifindex == net->link->ifindex && !guest_by_mac(net, &n->mac))
			neigh_op(m, net, &n->ip, &n->mac, false);
	}
	for (size_t i = 0; i < w.n; i++) {
		bool route = false, neigh = false;

		for (size_t k = 0; there && k < m->world->n_neighs && !neigh; k++) {
			const struct w_neigh *n = &m->world->neighs[k];

			neigh = n->ifindex == net->link->ifindex && ip_eq(&n->ip, &w.v[i].ip) &&
				mac_eq(&n->mac, &w.v[i].mac);
		}
		for (size_t k = 0; there && k < m->world->n_routes && !route; k++) {
			const struct w_route *r = &m->world->routes[k];

			route = is_route_of(net, r) && ip_eq(&r->dst.ip, &w.v[i].ip) && ip_eq(&r->src, &w.v[i].src);
		}
		if (!neigh)
			neigh_op(m, net, &w.v[i].ip, &w.v[i].mac, true);
		if (!route)
			route_op(m, net, &w.v[i].ip, &w.v[i].src, true);
	}
}

/* Before the macvlan is deleted, so that what comes back has them again. */
void emit_ways_down(struct make *m, const struct net *net)
{
	for (size_t i = 0; i < m->world->n_routes; i++)
		if (is_route_of(net, &m->world->routes[i]))
			route_op(m, net, &m->world->routes[i].dst.ip, &m->world->routes[i].src, false);
	for (size_t i = 0; i < m->world->n_neighs; i++)
		if (m->world->neighs[i].ifindex == net->link->ifindex)
			neigh_op(m, net, &m->world->neighs[i].ip, &m->world->neighs[i].mac, false);
}

/* After the rules, so that the LAN never hears a second answer for the host. */
void emit_macvtap_host(struct make *m, struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;

	if (!wants_host(net))
		return;
	emit_host_addresses(m, net);
	if (!have || !(have->flags & IFF_UP)) {
		struct op *op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, net->d->bridge, "up", "");

		(void)str_copy(op->link.name, sizeof(op->link.name), net->d->bridge);
		(void)str_copy(op->link.kind, sizeof(op->link.kind), "macvlan");
		op->old_link = op->link;
		op->link.mask = OP_LINK_UP;
		op->link.up = true;
	}
	emit_ways(m, net);
}

/* Before the rules, and down. */
void emit_macvtap_host_link(struct make *m, struct net *net)
{
	if (wants_host(net))
		emit_host_link(m, net);
}
