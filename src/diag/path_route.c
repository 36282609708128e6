/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_route - routing decisions over a snapshot
 */
#include "diag/path_walk.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define JUMPS_MAX 64

static bool name_is(const struct snapshot *s, const char *name, uint32_t ifindex)
{
	const struct snap_link *link = snap_link_by_name(s, name);

	return link && link->ifindex == ifindex;
}

static bool in(uint16_t v, uint16_t first, uint16_t last)
{
	return (first == 0 && last == 0) || (v >= first && v <= last);
}

static bool rule_matches(const struct snapshot *s, const struct snap_rule *r, const struct path_packet *p,
			 const struct ip *dst, const struct ip *src, uint32_t iif)
{
	bool hit = true;

	/* What the host itself sends comes from lo, as far as rules are concerned. */
	if (r->iif[0])
		hit &= iif ? name_is(s, r->iif, iif) : str_eq(r->iif, "lo");
	if (r->oif[0])
		hit = false; /* sockets bound to an interface */
	if (r->l3mdev) {
		const struct snap_link *link = snap_link(s, iif), *master = link ? snap_link(s, link->master) : NULL;

		hit &= master && str_eq(master->kind, "vrf");
	}
	hit &= !ip_is_set(&r->src.ip) || (ip_is_set(src) && prefix_contains(&r->src, src));
	hit &= !ip_is_set(&r->dst.ip) || prefix_contains(&r->dst, dst);
	hit &= (p->mark & r->mask) == (r->mark & r->mask);
	hit &= r->tos == 0;
	hit &= r->ip_proto == 0 || r->ip_proto == p->proto;
	hit &= in(p->sport, r->sport_first, r->sport_last) && in(p->dport, r->dport_first, r->dport_last);
	hit &= !r->has_uid || (iif == 0 && r->uid_first == 0); /* ours: as if root sent it */
	return hit != r->invert;
}

static const char *table_name(struct arena *arena, uint32_t table)
{
	return table == RT_TABLE_MAIN	   ? "main"
	       : table == RT_TABLE_LOCAL   ? "local"
	       : table == RT_TABLE_DEFAULT ? "default"
					   : arena_printf(arena, "%u", table);
}

struct path_route path_route(const struct snapshot *s, struct arena *arena, const struct path_packet *p,
			     const struct ip *dst, const struct ip *src, uint32_t iif)
{
	struct path_route ret = { .next = *dst, .why = "no route" };
	uint32_t skip_to = 0;

	for (size_t i = 0; i < s->n_rules; i++) {
		const struct snap_rule *r = &s->rules[i];

		if (r->family != dst->family || r->priority < skip_to || !rule_matches(s, r, p, dst, src, iif))
			continue;
		if (r->action == FR_ACT_GOTO) {
			skip_to = r->target;
			continue;
		}
		if (r->action == FR_ACT_BLACKHOLE || r->action == FR_ACT_UNREACHABLE || r->action == FR_ACT_PROHIBIT) {
			ret.why = arena_printf(arena, "rule %u refuses it", r->priority);
			return ret;
		}
		if (r->action != FR_ACT_TO_TBL)
			continue;
		const struct snap_route *route = snap_route_lookup(s, r->table, dst);
		if (!route || route->type == RTN_THROW ||
		    (r->suppress_prefixlen >= 0 && route->dst.len <= r->suppress_prefixlen))
			continue;
		ret.route = route;
		ret.why = r->table == RT_TABLE_MAIN || r->table == RT_TABLE_LOCAL
				  ? table_name(arena, r->table)
				  : arena_printf(arena, "%s, by rule %u", table_name(arena, r->table), r->priority);
		if (ip_is_set(&route->gateway))
			ret.next = route->gateway;
		return ret;
	}
	return ret;
}

uint8_t path_addr_type(const struct snapshot *s, const struct ip *ip)
{
	const struct snap_route *local = snap_route_lookup(s, RT_TABLE_LOCAL, ip), *main;

	if (ip_is_multicast(ip))
		return RTN_MULTICAST;
	if (local && local->type != RTN_THROW)
		return local->type;
	main = snap_route_lookup(s, RT_TABLE_MAIN, ip);
	return main ? main->type : RTN_UNREACHABLE;
}

struct ip path_source(const struct snapshot *s, uint32_t oif, const struct ip *dst)
{
	const struct snap_addr *best = NULL;
	size_t n;
	const struct snap_addr *a = snap_addrs(s, oif, &n);

	for (size_t i = 0; i < n; i++) {
		if (a[i].prefix.ip.family != dst->family || (a[i].flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
			continue;
		if (ip_is_link_local(&a[i].prefix.ip) != ip_is_link_local(dst) && dst->family == AF_INET6)
			continue;
		if (!best || (prefix_contains(&a[i].prefix, dst) && !prefix_contains(&best->prefix, dst)) ||
		    ((best->flags & IFA_F_DEPRECATED) && !(a[i].flags & IFA_F_DEPRECATED)))
			best = &a[i];
	}
	/* IPv4 takes an address of another interface when this one has none. */
	for (size_t i = 0; i < s->n_addrs && !best && dst->family == AF_INET; i++) {
		if (s->addrs[i].prefix.ip.family == AF_INET && !ip_is_loopback(&s->addrs[i].prefix.ip))
			best = &s->addrs[i];
	}
	return best ? best->prefix.ip : (struct ip){ 0 };
}
