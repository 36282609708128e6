/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_guests - every address of guests that a snapshot tells of
 */
#include "diag/rule_guests.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include "diag/role.h"

struct list {
	struct arena *arena;
	struct guest_address *a;
	size_t n, cap;
};

static struct guest_address *add(struct list *list, const struct ip *ip, uint32_t dev, const char *source)
{
	ARENA_GROW(list->arena, list->a, list->n, list->cap);
	list->a[list->n] = (struct guest_address){ .ip = *ip, .dev = dev, .source = source };
	return &list->a[list->n++];
}

static int by_ip(const void *a, const void *b)
{
	const struct guest_address *x = a, *y = b;
	int c = ip_cmp(&x->ip, &y->ip);

	/* Who knows the guest's name first, then who knows a route. */
	if (c != 0)
		return c;
	if (!x->guest != !y->guest)
		return x->guest ? -1 : 1;
	return x->host_route == y->host_route ? 0 : x->host_route ? -1 : 1;
}

static void of_guests(const struct snapshot *snap, struct list *list)
{
	for (size_t i = 0; i < snap->n_guest_addrs; i++) {
		const struct snap_guest_addr *g = &snap->guest_addrs[i];
		const struct snap_guest *guest = snap_guest(snap, g->guest);
		const struct snap_network *net = guest && guest->network[0] ? snap_network(snap, guest->network) : NULL;
		uint32_t dev = g->ifindex ? role_l3(snap, g->ifindex) : net ? net->ifindex : 0;

		if (!dev || (net && str_eq(net->state, "down")) || ip_is_link_local(&g->ip))
			continue;
		struct guest_address *a = add(list, &g->ip, dev, g->source);

		a->guest = g->guest;
		a->network = net ? net->name : NULL;
	}
}

static void of_routes(const struct snapshot *snap, const struct roles *roles, struct list *list)
{
	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];

		if (r->table != RT_TABLE_MAIN || r->dst.len != ip_bits(&r->dst.ip) || r->type != RTN_UNICAST ||
		    r->gateway.family || r->protocol == RTPROT_KERNEL || r->protocol == RTPROT_RA ||
		    ip_is_link_local(&r->dst.ip) || !role_is(roles, r->oif, ROLE_GUEST_ONLY))
			continue;
		add(list, &r->dst.ip, r->oif, "route")->host_route = true;
	}
}

static void of_neighbours(const struct snapshot *snap, const struct roles *roles, struct list *list)
{
	for (size_t i = 0; i < snap->n_neighs; i++) {
		const struct snap_neigh *n = &snap->neighs[i];

		if (mac_is_zero(&n->mac) || (n->state & (NUD_FAILED | NUD_NOARP | NUD_INCOMPLETE)) ||
		    ip_is_link_local(&n->ip) || ip_is_multicast(&n->ip) || !role_is(roles, n->ifindex, ROLE_GUEST_ONLY))
			continue;
		add(list, &n->ip, n->ifindex, "neighbour");
	}
}

size_t guest_addresses(const struct snapshot *snap, struct findings *found, const struct guest_address **ret)
{
	struct list list = { .arena = found->arena };
	size_t n = 0;

	if (found->guests) {
		*ret = found->guests;
		return found->n_guests;
	}
	of_guests(snap, &list);
	of_routes(snap, found->roles, &list);
	of_neighbours(snap, found->roles, &list);
	if (list.n > 0)
		qsort(list.a, list.n, sizeof(*list.a), by_ip);
	for (size_t i = 0; i < list.n; i++) {
		/* Once for each place: an address at two is two. */
		if (n > 0 && ip_eq(&list.a[n - 1].ip, &list.a[i].ip) && list.a[n - 1].dev == list.a[i].dev) {
			list.a[n - 1].host_route |= list.a[i].host_route;
			continue;
		}
		list.a[n++] = list.a[i];
	}
	found->guests = list.a ? list.a : ARENA_NEW(found->arena, struct guest_address);
	found->n_guests = n;
	*ret = found->guests;
	return n;
}

const struct snap_addr *gateway_address(const struct snapshot *snap, uint32_t ifindex, const struct ip *ip)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == ip->family && a[i].prefix.len < ip_bits(ip) &&
		    !ip_is_link_local(&a[i].prefix.ip) && prefix_contains(&a[i].prefix, ip))
			return &a[i];
	return NULL;
}
