/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uplink - which interface guests leave by, and the MTU it brings
 *
 * `auto` means the default route with the lowest metric, for each family of
 * its own. An interface of ours is never an uplink.
 */
#include "plan/make.h"

#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#define MTU_MIN 1280		/* RFC 8200 5 */
#define NAMES_MAX 8

bool is_default_route(const struct w_route *route, sa_family_t family)
{
	return route->dst.ip.family == family && route->dst.len == 0 && route->type == RTN_UNICAST &&
	       route->table == RT_TABLE_MAIN && route->oif != 0;
}

bool link_is_ours(const struct w_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	return alias_parse(link->alias, network, guest);
}

const struct w_link *uplink_by_route(const struct world *world, sa_family_t family)
{
	const struct w_route *best = NULL;
	const struct w_link *best_link = NULL;

	for (size_t i = 0; i < world->n_routes; i++) {
		const struct w_route *r = &world->routes[i];

		if (!is_default_route(r, family))
			continue;
		const struct w_link *link = world_link(world, r->oif);
		if (!link || link_is_ours(link) || (link->flags & IFF_LOOPBACK))
			continue;
		if (best && (r->metric > best->metric || (r->metric == best->metric && r->oif >= best->oif)))
			continue;
		best = r;
		best_link = link;
	}
	return best_link;
}

/* "eth0, eth1": what could be meant. */
static const char *uplink_names(struct make *m)
{
	const char *names = "";
	size_t n = 0;

	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *l = &m->world->links[i];

		if ((l->flags & IFF_LOOPBACK) || link_is_ours(l) || l->master != 0 || str_eq(l->kind, "tun"))
			continue;
		if (n == NAMES_MAX)
			return arena_printf(m->arena, "%s, …", names);
		names = arena_printf(m->arena, "%s%s%s", names, n > 0 ? ", " : "", l->name);
		n++;
	}
	return names;
}

static void find_named(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	const struct w_link *link = world_link_by_name(m->world, d->uplink);
	struct finding *f;

	if (str_eq(d->uplink, d->bridge)) {
		f = net_error(m, net, &d->uplink_where, "uplink", "%s is the network's own bridge", d->uplink);
	} else if (!link) {
		const char *names = uplink_names(m);

		f = net_error(m, net, &d->uplink_where, "uplink", "no interface named %s", d->uplink);
		if (f && names[0])
			report_help(f, "the host has %s", names);
		return;
	} else if (link_is_ours(link)) {
		f = net_error(m, net, &d->uplink_where, "uplink", "%s belongs to a network of sixtap", d->uplink);
	} else {
		(void)str_copy(net->result->uplink4, sizeof(net->result->uplink4), link->name);
		(void)str_copy(net->result->uplink6, sizeof(net->result->uplink6), link->name);
		return;
	}
	if (f)
		report_help(f, "name the interface that leads outside, or write auto");
}

/* A network without a way outside still comes up: the route may come later. */
static void warn_no_route(struct make *m, const struct net *net, bool four, bool six)
{
	if (!net->up || (!four && !six))
		return;
	struct finding *f = report_add(m->report, SEVERITY_WARNING, NULL, net->target->name,
				       "the host has no %s default route: guests have no way outside yet",
				       four && six ? "IPv4 and no IPv6" : four ? "IPv4" : "IPv6");
	report_help(f, "it is taken into use as soon as there is one");
}

void find_uplink(struct make *m, struct net *net)
{
	const struct w_link *four, *six;

	if (!net->active || net->d->mode != NET_MODE_NAT)
		return;
	if (net->d->uplink) {
		find_named(m, net);
		return;
	}
	four = uplink_by_route(m->world, AF_INET);
	six = uplink_by_route(m->world, AF_INET6);
	if (four)
		(void)str_copy(net->result->uplink4, sizeof(net->result->uplink4), four->name);
	if (six)
		(void)str_copy(net->result->uplink6, sizeof(net->result->uplink6), six->name);
	/* One family alone is common and no fault; whoever has neither wants to know. */
	if ((!four || !net->d->ipv4) && (!six || net->d->ipv6 == IP6_SOURCE_OFF))
		warn_no_route(m, net, net->d->ipv4, net->d->ipv6 != IP6_SOURCE_OFF);
}

/* The smallest of the uplinks', so that guests need no fragmentation on either family. */
void find_mtu(struct make *m, struct net *net)
{
	const char *uplinks[] = { net->result->uplink4, net->result->uplink6 };

	if (!net->ours)
		return;
	net->mtu = net->d->mtu;
	for (size_t i = 0; i < ARRAY_LEN(uplinks) && net->d->mtu == 0; i++) {
		const struct w_link *link = uplinks[i][0] ? world_link_by_name(m->world, uplinks[i]) : NULL;

		if (link && link->mtu >= MTU_MIN && (net->mtu == 0 || link->mtu < net->mtu))
			net->mtu = link->mtu;
	}
	if (net->mtu == 0)
		net->mtu = net->link && net->link->mtu >= MTU_MIN ? net->link->mtu : ETH_DATA_LEN;
	net->result->mtu = net->mtu;
}
