/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source - which source address Linux would choose on a made-up host
 */
#include "addrsel/source.h"

#include <linux/rtnetlink.h>
#include <string.h>

/* The kernel's own label table (net/ipv6/addrlabel.c): RFC 6724 numbers, not glibc's. */
static const struct {
	struct in6_addr prefix;
	uint8_t len;
	int label;
} kernel_labels[] = {
	{ { .s6_addr = { [15] = 1 } }, 128, 0 },
	{ { .s6_addr = { [10] = 0xff, 0xff } }, 96, 4 },
	{ { .s6_addr = { 0 } }, 96, 3 },
	{ { .s6_addr = { 0x20, 0x01 } }, 32, 6 },
	{ { .s6_addr = { 0x20, 0x01, 0, 0x10 } }, 28, 7 },
	{ { .s6_addr = { 0x3f, 0xfe } }, 16, 12 },
	{ { .s6_addr = { 0x20, 0x02 } }, 16, 2 },
	{ { .s6_addr = { 0xfe, 0xc0 } }, 10, 11 },
	{ { .s6_addr = { 0xfc } }, 7, 5 },
	{ { .s6_addr = { 0 } }, 0, 1 },
};

struct addrsel_host *addrsel_host_new(void)
{
	return NEW(struct addrsel_host);
}

struct addrsel_host *addrsel_host_free(struct addrsel_host *host)
{
	if (host) {
		free(host->ifs);
		free(host->addrs);
		free(host->routes);
		free(host);
	}
	return NULL;
}

void addrsel_host_add_if(struct addrsel_host *host, const struct addrsel_if *interface)
{
	GROW(host->ifs, host->n_ifs, host->cap_ifs);
	host->ifs[host->n_ifs++] = *interface;
}

static void insert_addr(struct addrsel_host *host, const struct addrsel_addr *addr, size_t at)
{
	GROW(host->addrs, host->n_addrs, host->cap_addrs);
	memmove(&host->addrs[at + 1], &host->addrs[at], (host->n_addrs - at) * sizeof(*addr));
	host->addrs[at] = *addr;
	host->n_addrs++;
}

void addrsel_host_add_addr(struct addrsel_host *host, const struct addrsel_addr *addr)
{
	insert_addr(host, addr, host->n_addrs);
}

void addrsel_host_add_route(struct addrsel_host *host, const struct addrsel_route *route)
{
	GROW(host->routes, host->n_routes, host->cap_routes);
	host->routes[host->n_routes++] = *route;
}

static const struct addrsel_if *find_if(const struct addrsel_host *host, uint32_t index)
{
	for (size_t i = 0; i < host->n_ifs; i++)
		if (host->ifs[i].index == index)
			return &host->ifs[i];
	return NULL;
}

/* RFC 4291 2.7; the kernel takes loopback for link-local and site-local for its own. */
static int scope6(const struct ip *ip)
{
	if (ip_is_link_local(ip) || ip_is_loopback(ip))
		return 2;
	return IN6_IS_ADDR_SITELOCAL(&ip->v6) ? 5 : 14;
}

static unsigned int common_bits(const struct ip *a, const struct ip *b)
{
	unsigned int n = ip_bits(a), i = 0;

	while (i < n && !((a->b[i / 8] ^ b->b[i / 8]) & (0x80 >> i % 8)))
		i++;
	return i;
}

static int kernel_label(const struct ip *ip)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel_labels); i++) {
		struct prefix p = { .ip = ip6(kernel_labels[i].prefix), .len = kernel_labels[i].len };

		if (prefix_contains(&p, ip))
			return kernel_labels[i].label;
	}
	return 1;
}

static bool is_orchid(const struct ip *ip)
{
	struct prefix p = { .ip = { .family = AF_INET6, .b = { 0x20, 0x01, 0, 0x10 } }, .len = 28 };

	return prefix_contains(&p, ip);
}

static bool is_compatible4(const struct ip *ip)
{
	static const uint8_t zero[12];

	return memcmp(ip->b, zero, sizeof(zero)) == 0 && !ip_is_loopback(ip) && !ip_is_unspecified(ip);
}

enum source_rule {
	SOURCE_RULE_SAME,
	SOURCE_RULE_SCOPE,
	SOURCE_RULE_PREFERRED,
	SOURCE_RULE_HOME,
	SOURCE_RULE_INTERFACE,
	SOURCE_RULE_LABEL,
	SOURCE_RULE_PRIVACY,
	SOURCE_RULE_ORCHID,
	SOURCE_RULE_PREFIX,
	SOURCE_RULE_NOT_OPTIMISTIC,
	SOURCE_RULE_N_,
};

/* How good @addr is by one rule: more is better. */
static int source_score(const struct addrsel_host *host, const struct addrsel_addr *addr, const struct ip *dst,
			uint32_t oif, enum source_rule rule)
{
	const struct addrsel_if *interface;
	unsigned int bits;
	int scope;

	switch (rule) {
	case SOURCE_RULE_SAME:
		return ip_eq(&addr->ip, dst);
	case SOURCE_RULE_SCOPE:
		scope = scope6(&addr->ip);
		return scope >= scope6(dst) ? -scope : scope - 128;	/* the smallest that is enough, else the largest */
	case SOURCE_RULE_PREFERRED:
		return ip_is_loopback(&addr->ip) || is_compatible4(&addr->ip) || !(addr->deprecated || addr->optimistic);
	case SOURCE_RULE_HOME:
		return addr->home;
	case SOURCE_RULE_INTERFACE:
		return oif == 0 || addr->index == oif;
	case SOURCE_RULE_LABEL:
		return kernel_label(&addr->ip) == kernel_label(dst);
	case SOURCE_RULE_PRIVACY:
		interface = find_if(host, addr->index);
		return addr->temporary == (interface && interface->prefer_temporary);
	case SOURCE_RULE_ORCHID:
		return is_orchid(&addr->ip) == is_orchid(dst);
	case SOURCE_RULE_PREFIX:
		bits = common_bits(&addr->ip, dst);
		return (int)(bits < addr->len ? bits : addr->len);
	case SOURCE_RULE_NOT_OPTIMISTIC:
		return !addr->optimistic;
	case SOURCE_RULE_N_:
		break;
	}
	return 0;
}

/* Interfaces in their order, addresses of each in theirs; the first of the best stays. */
static bool choose6(const struct addrsel_host *host, const struct ip *dst, uint32_t oif, struct ip *ret)
{
	const struct addrsel_addr *best = NULL;
	bool only_oif = oif != 0 && scope6(dst) <= 2;

	for (size_t i = 0; i < host->n_ifs; i++) {
		if (only_oif && host->ifs[i].index != oif)
			continue;
		for (size_t k = 0; k < host->n_addrs; k++) {
			const struct addrsel_addr *addr = &host->addrs[k];
			int diff = 0;

			if (addr->index != host->ifs[i].index || addr->ip.family != AF_INET6 ||
			    (addr->tentative && !addr->optimistic) || ip_is_multicast(&addr->ip) ||
			    ip_is_unspecified(&addr->ip))
				continue;
			for (enum source_rule rule = 0; best && diff == 0 && rule < SOURCE_RULE_N_; rule++)
				diff = source_score(host, addr, dst, oif, rule) - source_score(host, best, dst, oif, rule);
			if (!best || diff > 0)
				best = addr;
		}
	}
	if (!best)
		return false;
	*ret = best->ip;
	return true;
}

/*
 * inet_select_addr(): primary addresses of @oif within @scope, one in @near's
 * subnet first; then any interface's. Without any the socket is connected all
 * the same, from 0.0.0.0.
 */
static struct ip choose4(const struct addrsel_host *host, uint32_t oif, const struct ip *near, uint8_t scope)
{
	const struct addrsel_addr *first = NULL;

	for (size_t i = 0; i < host->n_addrs; i++) {
		const struct addrsel_addr *addr = &host->addrs[i];
		struct prefix subnet = { .ip = ip_is_set(&addr->peer) ? addr->peer : addr->ip, .len = addr->len };

		if (addr->index != oif || addr->ip.family != AF_INET || addr->secondary || addr->scope > scope)
			continue;
		if (!ip_is_set(near) || prefix_contains(&subnet, near))
			return addr->ip;
		if (!first)
			first = addr;
	}
	for (size_t k = 0; !first && k < host->n_ifs; k++) {
		for (size_t i = 0; !first && i < host->n_addrs; i++) {
			const struct addrsel_addr *addr = &host->addrs[i];

			if (addr->index == host->ifs[k].index && addr->ip.family == AF_INET && !addr->secondary &&
			    addr->scope != RT_SCOPE_LINK && addr->scope <= scope)
				first = addr;
		}
	}
	return first ? first->ip : (struct ip){ .family = AF_INET };
}

/*
 * IPv6 asks the local table first. For IPv4 both are one until somebody adds a
 * rule, so a longer prefix of the main table beats a shorter local one.
 */
static bool better_route(const struct addrsel_route *a, const struct addrsel_route *b)
{
	bool six = a->dst.ip.family == AF_INET6;

	if (six && a->local_table != b->local_table)
		return a->local_table;
	if (a->dst.len != b->dst.len)
		return a->dst.len > b->dst.len;
	if (a->local_table != b->local_table)
		return a->local_table;
	return a->metric < b->metric;
}

static const struct addrsel_route *find_route(const struct addrsel_host *host, const struct ip *dst, uint32_t oif)
{
	const struct addrsel_route *best = NULL;

	for (size_t i = 0; i < host->n_routes; i++) {
		const struct addrsel_route *r = &host->routes[i];

		if (!prefix_contains(&r->dst, dst) || (oif != 0 && r->kind == ADDRSEL_ROUTE_UNICAST && r->index != oif))
			continue;
		if (!best || better_route(r, best))
			best = r;
	}
	return best;
}

static bool source4(const struct addrsel_host *host, const struct ip *dst, struct ip *ret)
{
	struct ip to = *dst;
	const struct addrsel_route *route;

	if (ip_is_unspecified(&to))
		to = (struct ip){ .family = AF_INET, .b = { 127, 0, 0, 1 } };
	route = ip_is_multicast(&to) ? NULL : find_route(host, &to, 0);
	if (!route || route->kind == ADDRSEL_ROUTE_REJECT)
		return false;
	if (ip_is_set(&route->src)) {
		*ret = route->src;
		return true;
	}
	if (route->kind == ADDRSEL_ROUTE_LOCAL) {
		*ret = to;
		return true;
	}
	*ret = choose4(host, route->index, &route->gateway, route->scope);
	return true;
}

static bool source6(const struct addrsel_host *host, const struct ip *dst, uint32_t scope_id, struct ip *ret)
{
	struct ip to = *dst;
	const struct addrsel_route *route;

	if (ip_is_unspecified(&to))
		to.b[15] = 1;
	if (ip_is_multicast(&to))
		return false;
	if (ip_is_link_local(&to) && scope_id == 0)
		return false;
	route = find_route(host, &to, ip_is_link_local(&to) ? scope_id : 0);
	if (!route || route->kind == ADDRSEL_ROUTE_REJECT)
		return false;
	if (ip_is_set(&route->src)) {
		*ret = route->src;
		return true;
	}
	return choose6(host, &to, route->index, ret);
}

bool addrsel_host_source(const struct addrsel_host *host, const struct ip *dst, uint32_t scope_id, struct ip *ret)
{
	struct ip to = { .family = AF_INET }, from;

	if (dst->family == AF_INET)
		return source4(host, dst, ret);
	if (!IN6_IS_ADDR_V4MAPPED(&dst->v6))
		return source6(host, dst, scope_id, ret);
	memcpy(&to.v4, &dst->b[12], 4);
	if (!source4(host, &to, &from))
		return false;
	*ret = ip6(policy_bits(&from));
	return true;
}

void addrsel_host_resolve(const struct addrsel_host *host, struct addrsel_dest *dests, size_t n)
{
	_cleanup_(freep) struct addrsel_ifaddr *ifaddrs = xcalloc(host->n_addrs + 1, sizeof(*ifaddrs));

	for (size_t i = 0; i < host->n_addrs; i++) {
		const struct addrsel_addr *addr = &host->addrs[i];
		const struct addrsel_if *interface = find_if(host, addr->index);

		ifaddrs[i] = (struct addrsel_ifaddr){
			.addr = policy_bits(ip_is_set(&addr->peer) ? &addr->peer : &addr->ip),
			.index = addr->index,
			.len = addr->len,
			.deprecated = addr->deprecated || addr->optimistic,
			.home = addr->home,
			.native = !interface || !interface->tunnel,
		};
	}
	for (size_t i = 0; i < n; i++) {
		dests[i].source = (struct ip){ 0 };
		(void)addrsel_host_source(host, &dests[i].ip, dests[i].scope_id, &dests[i].source);
	}
	addrsel_learn(dests, n, ifaddrs, host->n_addrs);
}

void addrsel_host_assign(struct addrsel_host *host, const struct addrsel_addr *addr)
{
	bool six = addr->ip.family == AF_INET6;
	struct addrsel_addr a = *addr;
	struct prefix net = { .ip = addr->ip, .len = addr->len };
	size_t at = host->n_addrs, last_primary = SIZE_MAX;

	/* Addresses of an interface stay together, IPv4 and IPv6 apart; where among its own is told by each family. */
	for (size_t i = 0; i < host->n_addrs; i++) {
		const struct addrsel_addr *other = &host->addrs[i];
		struct prefix subnet = { .ip = other->ip, .len = other->len };

		if (other->index != a.index || other->ip.family != a.ip.family)
			continue;
		if (ip_eq(&other->ip, &a.ip) && (six || other->len == a.len))
			return;
		if (six) {
			if (scope6(&a.ip) >= scope6(&other->ip)) {
				at = i;
				goto place;
			}
			at = i + 1;
			continue;
		}
		if (last_primary == SIZE_MAX)
			last_primary = i;
		if (!other->secondary && a.scope <= other->scope)
			last_primary = i + 1;
		if (other->len == a.len && prefix_contains(&subnet, &a.ip))
			a.secondary = true;
		at = i + 1;
	}
	if (!six && !a.secondary && last_primary != SIZE_MAX)
		at = last_primary;
place:
	insert_addr(host, &a, at);
	net.ip = prefix_network(&net);
	addrsel_host_add_route(host, &(struct addrsel_route){ .dst = { .ip = a.ip, .len = (uint8_t)ip_bits(&a.ip) },
							      .kind = ADDRSEL_ROUTE_LOCAL,
							      .src = six ? (struct ip){ 0 } : a.ip,
							      .index = a.index,
							      .scope = RT_SCOPE_HOST,
							      .local_table = true });
	if (!a.secondary && a.len < ip_bits(&a.ip))
		addrsel_host_add_route(host, &(struct addrsel_route){ .dst = net,
								      .src = six ? (struct ip){ 0 } : a.ip,
								      .index = a.index,
								      .metric = six ? 256 : 0,
								      .scope = RT_SCOPE_LINK });
}

void addrsel_host_add_loopback(struct addrsel_host *host)
{
	addrsel_host_add_if(host, &(struct addrsel_if){ .index = 1, .name = "lo", .loopback = true });
	addrsel_host_assign(host, &(struct addrsel_addr){ .ip = { .family = AF_INET, .b = { 127, 0, 0, 1 } },
							  .len = 8,
							  .index = 1,
							  .scope = RT_SCOPE_HOST });
	addrsel_host_add_route(host, &(struct addrsel_route){ .dst = { .ip = { .family = AF_INET, .b = { 127 } }, .len = 8 },
							      .kind = ADDRSEL_ROUTE_LOCAL,
							      .src = { .family = AF_INET, .b = { 127, 0, 0, 1 } },
							      .index = 1,
							      .scope = RT_SCOPE_HOST,
							      .local_table = true });
	addrsel_host_assign(host, &(struct addrsel_addr){ .ip = { .family = AF_INET6, .b = { [15] = 1 } },
							  .len = 128,
							  .index = 1,
							  .scope = RT_SCOPE_HOST });
}
