/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_route - do packets for guests go where the guests are?
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include "diag/role.h"
#include "diag/rule_guests.h"
#include "diag/rules.h"
#include "diag/snapshot.h"

#define RP_STRICT 1

/* -------------------------------------------------------- route.guest-missing */

/* Any table will do: a rule may send packets there. */
static bool in_another_table(const struct snapshot *snap, const struct ip *ip, uint32_t dev)
{
	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];

		if (r->table != RT_TABLE_MAIN && r->table != RT_TABLE_LOCAL && r->oif == dev && r->dst.len > 0 &&
		    prefix_contains(&r->dst, ip))
			return true;
	}
	return false;
}

/* Where packets for @ip go instead of @dev; NULL: they go there. */
static const char *leads_elsewhere(const struct snapshot *snap, const struct ip *ip, uint32_t dev, struct arena *arena)
{
	const struct snap_route *r;
	const struct snap_addr *own = snap_addr(snap, 0, ip);

	if (own)
		return arena_printf(arena, "this host itself, which has it on %s", snap_link_name(snap, own->ifindex));
	r = snap_route_lookup(snap, RT_TABLE_MAIN, ip);
	if (r && r->type == RTN_UNICAST && (r->oif == dev || r->nh_id))
		return NULL;
	if (in_another_table(snap, ip, dev))
		return NULL;
	if (!r)
		return "nowhere: no route";
	if (r->type != RTN_UNICAST)
		return "nowhere: a route forbids it";
	if (r->dst.len == 0)
		return arena_printf(arena, "%s, by the default route", snap_link_name(snap, r->oif));
	return arena_printf(arena, "%s, by %s", snap_link_name(snap, r->oif), PREFIX_STR(&r->dst));
}

/* Guests give themselves what they like: on a network of ours only what it is numbered by counts. */
static bool expected(const struct snapshot *snap, const struct guest_address *g)
{
	const struct snap_network *net = g->network ? snap_network(snap, g->network) : NULL;

	if (!net)
		return !str_eq(g->source, "neighbour") || ip_is_global(&g->ip) || gateway_address(snap, g->dev, &g->ip);
	if (str_eq(net->mode, "bridge") || str_eq(net->mode, "macvtap") || str_eq(net->mode, "hostdev"))
		return false;
	return str_eq(g->source, "declared") || (net->ipv4.ip.family && prefix_contains(&net->ipv4, &g->ip)) ||
	       (net->ipv6.ip.family && prefix_contains(&net->ipv6, &g->ip));
}

static void judge_guest_missing(const struct snapshot *snap, struct findings *found)
{
	const struct guest_address *g;
	size_t n = guest_addresses(snap, found, &g);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *dev = snap_link(snap, g[i].dev);
		const char *elsewhere;
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!dev || str_eq(dev->kind, "macvtap") || !(dev->flags & IFF_UP) || g[i].host_route ||
		    !role_is(found->roles, dev->ifindex, ROLE_GUEST_ONLY) || !expected(snap, &g[i]))
			continue;
		elsewhere = leads_elsewhere(snap, &g[i].ip, dev->ifindex, found->arena);
		if (!elsewhere)
			continue;
		f = findings_add(found, dev->name);
		finding_guest(f, g[i].guest ? g[i].guest : role_of(found->roles, dev->ifindex)->guest);
		finding_network(f, g[i].network);
		finding_about(f, IP_STR(&g[i].ip));
		finding_what(f, "What comes for %s never reaches it: it is behind %s, and the route leads to %s.",
			     IP_STR(&g[i].ip), dev->name, elsewhere);
		finding_why(f, "The host has no route of its own for this address by %s.", dev->name);
		finding_value(f, "address", "%s", IP_STR(&g[i].ip));
		finding_value(f, "known_from", "%s", g[i].source);
		finding_value(f, "route_leads_to", "%s", elsewhere);
		finding_seen_in(f, "ip route get %s", IP_STR(&g[i].ip));
		if (snap_addr(snap, 0, &g[i].ip))
			continue; /* a route wouldn't help */
		fix = finding_fix(f, "route", FIX_LASTS_LIVE);
		const struct snap_route *r = snap_route_lookup(snap, RT_TABLE_MAIN, &g[i].ip);
		const struct prefix host = { g[i].ip, (uint8_t)ip_bits(&g[i].ip) };

		if (r && r->dst.len == host.len) /* it has one, to the wrong place */
			fix_route(f, fix, false, snap_link_name(snap, r->oif),
				  &(struct op_route){ .dst = r->dst,
						      .gateway = r->gateway,
						      .metric = r->metric,
						      .protocol = r->protocol });
		fix_route(f, fix, true, dev->name, &(struct op_route){ .dst = host, .protocol = RTPROT_STATIC });
	}
}

/* -------------------------------------------------------- route.reverse-path */

static int32_t effective_rp(const struct snapshot *snap, const struct snap_link *l)
{
	return l->conf4.rp_filter > snap->conf4_all.rp_filter ? l->conf4.rp_filter : snap->conf4_all.rp_filter;
}

static bool has_guests4(const struct snapshot *snap, struct findings *found)
{
	const struct guest_address *g;
	size_t n = guest_addresses(snap, found, &g);

	for (size_t i = 0; i < n; i++)
		if (g[i].ip.family == AF_INET && role_is(found->roles, g[i].dev, ROLE_GUEST_ONLY))
			return true;
	return false;
}

static void judge_reverse_path(const struct snapshot *snap, struct findings *found)
{
	const struct snap_route *best = role_default(snap, AF_INET, 0, 0, -1);
	uint64_t dropped = 0;

	if (!snap_counter(snap, 0, "TcpExtIPReversePathFilter", &dropped) || dropped == 0 || !best ||
	    snap_sysctl_int(snap, "net/ipv4/ip_forward", 0) == 0 || !has_guests4(snap, found))
		return;
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct diag_finding *f;
		struct diag_fix *fix;
		char path[128], old[24];
		size_t n;
		const struct snap_addr *a = snap_addrs(snap, l->ifindex, &n);
		bool v4 = false;

		for (size_t k = 0; k < n; k++)
			v4 |= a[k].prefix.ip.family == AF_INET;
		/* A second way in, beside the one that the default route leaves by. */
		if (!v4 || (l->flags & IFF_LOOPBACK) || !(l->flags & IFF_UP) || !l->conf4.present ||
		    l->ifindex == best->oif ||
		    role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY | ROLE_GUEST | ROLE_OURS) ||
		    effective_rp(snap, l) != RP_STRICT)
			continue;
		f = findings_add(found, l->name);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "IPv4 packets that come in by %s are dropped unless their answer leaves by it, too.",
			     l->name);
		finding_why(
			f,
			"rp_filter is strict, and the way back to all but %s's own subnet is %s, by the default route.",
			l->name, snap_link_name(snap, best->oif));
		finding_value(f, "dropped_so_far", "%llu", (unsigned long long)dropped);
		finding_value(f, "rp_filter", "%d", l->conf4.rp_filter);
		finding_value(f, "all.rp_filter", "%d", snap->conf4_all.rp_filter);
		finding_seen_in(f, "nstat -az TcpExtIPReversePathFilter, sysctl net.ipv4.conf");
		fix = finding_fix(f, "loose", FIX_LASTS_LIVE);
		(void)snprintf(path, sizeof(path), "net/ipv4/conf/%s/rp_filter", l->name);
		(void)snprintf(old, sizeof(old), "%d", l->conf4.rp_filter);
		fix_sysctl(f, fix, path, old, "2");
	}
}

/* ------------------------------------------------------------- route.overlap */

static bool overlap_counts(const struct snap_addr *a)
{
	return a->prefix.len > 0 && a->prefix.len < ip_bits(&a->prefix.ip) && !ip_is_link_local(&a->prefix.ip) &&
	       !ip_is_loopback(&a->prefix.ip) && a->scope != RT_SCOPE_HOST;
}

static void judge_overlap(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];
		const struct snap_link *l = snap_link(snap, a->ifindex);

		if (!l || !(l->flags & IFF_UP) || !overlap_counts(a) ||
		    !role_is(found->roles, a->ifindex, ROLE_GUEST_ONLY))
			continue;
		for (size_t k = 0; k < snap->n_addrs; k++) {
			const struct snap_addr *b = &snap->addrs[k];
			const struct snap_link *m = b->ifindex == a->ifindex ? NULL : snap_link(snap, b->ifindex);
			struct diag_finding *f;
			struct diag_fix *fix;

			if (!m || !(m->flags & IFF_UP) || !overlap_counts(b) ||
			    !prefix_overlaps(&a->prefix, &b->prefix) || a->prefix.len > b->prefix.len)
				continue;
			/* Two guest networks: once. */
			if (role_is(found->roles, b->ifindex, ROLE_GUEST_ONLY) && a->prefix.len == b->prefix.len &&
			    k < i)
				continue;
			f = findings_add(found, l->name);
			finding_network(f, role_of(found->roles, l->ifindex)->network);
			finding_about(f, m->name);
			finding_what(f, "%s on %s overlaps %s on %s: of two like addresses only one can be reached.",
				     PREFIX_STR(&a->prefix), l->name, PREFIX_STR(&b->prefix), m->name);
			finding_why(f, "A packet goes by the longer prefix, or by the smaller metric, whoever it is "
				       "meant for.");
			finding_value(f, l->name, "%s", PREFIX_STR(&a->prefix));
			finding_value(f, m->name, "%s", PREFIX_STR(&b->prefix));
			finding_seen_in(f, "ip addr");
			fix = finding_fix(f, "renumber", FIX_LASTS_REBOOT_SAFE);
			fix_note(f, fix, "give the guest network another prefix");
			if (role_of(found->roles, l->ifindex)->network)
				fix_command(f, fix, "in the configuration of %s: %s.address",
					    role_of(found->roles, l->ifindex)->network,
					    a->prefix.ip.family == AF_INET6 ? "ipv6" : "ipv4");
			break;
		}
	}
}

/* ---------------------------------------------------------- uplink.single-mac */

/* Providers that let one MAC through number like this: a host address, a gateway that is in no prefix of ours. */
static const char *single_mac_sign(const struct snapshot *snap, const struct snap_link *bridge, struct arena *arena)
{
	const struct snap_route *r = role_default(snap, AF_INET, bridge->ifindex, 0, -1);
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, bridge->ifindex, &n);

	if (!r || r->gateway.family != AF_INET)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET && a[i].prefix.len < 32 &&
		    prefix_contains(&a[i].prefix, &r->gateway))
			return NULL;
	return arena_printf(arena, "the gateway %s is in no prefix of %s", IP_STR(&r->gateway), bridge->name);
}

static void judge_single_mac(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const char *sign;
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!str_eq(l->kind, "bridge") || !role_is(found->roles, l->ifindex, ROLE_GUEST_BRIDGE) ||
		    role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY))
			continue;
		sign = single_mac_sign(snap, l, found->arena);
		if (!sign)
			continue;
		f = findings_add(found, l->name);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "Guests of %s use MACs of their own on a port that lets only the host's through.",
			     l->name);
		finding_why(f, "Providers that number hosts like this drop other MACs, or shut the port.");
		finding_value(f, "sign", "%s", sign);
		for (size_t k = 0; k < snap->n_links; k++)
			if (snap->links[k].master == l->ifindex &&
			    role_is(found->roles, snap->links[k].ifindex, ROLE_UPLINK_PORT)) {
				finding_value(f, "uplink", "%s", snap->links[k].name);
				finding_about(f, snap->links[k].name);
			}
		fix = finding_fix(f, "routed", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "take the uplink out of the bridge, and route to guests: a network of mode routed");
		fix_command(f, fix, "sixtap init hosting UPLINK");
	}
}

static const struct rule rules[] = {
	{ "route.guest-missing",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_guest_missing,
	  { { "ipv6.lost-on-flap", RULE_SCOPE_SHARED }, { "route.overlap", RULE_SCOPE_SHARED } } },
	{ "route.reverse-path", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_reverse_path, { { 0 } } },
	{ "route.overlap", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_overlap, { { 0 } } },
	{ "uplink.single-mac", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_single_mac, { { 0 } } },
};

const struct rule_section rules_route = { "Routes", rules, ARRAY_LEN(rules) };
