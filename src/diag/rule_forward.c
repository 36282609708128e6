/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_forward - forwarding and NDP proxies: is what a routed network needs switched on?
 *
 * Of the kernel (net/ipv6/ndisc.c, ndisc_recv_ns(); ip6_output.c, ip6_forward()):
 * an NA for somebody else leaves iff there is an entry on the interface, its
 * forwarding is on, and proxy_ndp of it or of `all` is; unicast probes need that
 * of `all`. Packets pass iff forwarding of `all` is on (or, since 6.17,
 * force_forwarding of the interface they come in by). Measured: facts of issue 5.
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "diag/role.h"
#include "diag/rule_guests.h"
#include "diag/rules.h"
#include "diag/snapshot.h"

#define NF_HOOK_POSTROUTING 4
#define NFPROTO_INET_ 1
#define NFPROTO_IPV4_ 2
#define NFPROTO_IPV6_ 10

static const char *conf6(const char *device, const char *name, char buf[static 128])
{
	(void)snprintf(buf, 128, "net/ipv6/conf/%s/%s", device, name);
	return buf;
}

#define CONF6(device, name) conf6((device), (name), (char[128]){ 0 })

/* Forwarding is about to be switched on: whoever lives on RAs must go on listening. */
static void keep_ra_routes(const struct snapshot *snap, struct diag_finding *f, struct diag_fix *fix,
			   const struct snap_link *only)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];

		if ((!only || l == only) && l->conf6.present && l->conf6.accept_ra == 1 &&
		    role_kernel_ra(snap, l->ifindex) && role_default(snap, AF_INET6, l->ifindex, 0, RTPROT_RA))
			fix_sysctl(f, fix, CONF6(l->name, "accept_ra"), "1", "2");
	}
}

/* Switching forwarding on, on one interface or on all, takes the RA routes of those that listen no more away at once. */
static void confirm_ra_routes(const struct snapshot *snap, struct diag_fix *fix)
{
	for (size_t i = 0; i < snap->n_links; i++)
		if (role_default(snap, AF_INET6, snap->links[i].ifindex, 0, RTPROT_RA) &&
		    role_kernel_ra(snap, snap->links[i].ifindex))
			fix_confirm_route(fix, snap->links[i].name);
}

/* --------------------------------------------------------- forwarding.all-off */

struct need {
	const struct snap_link *dev;
	const char *network, *why;
	bool v4, v6;
};

struct needs {
	struct need *list;
	size_t n, cap;
};

static struct need *need_of(struct findings *found, struct needs *needs, const struct snap_link *dev,
			    const char *network)
{
	for (size_t i = 0; i < needs->n; i++)
		if (needs->list[i].dev == dev)
			return &needs->list[i];
	ARENA_GROW(found->arena, needs->list, needs->n, needs->cap);
	needs->list[needs->n] = (struct need){ .dev = dev, .network = network };
	return &needs->list[needs->n++];
}

static void needs_of_ours(const struct snapshot *snap, struct findings *found, struct needs *needs)
{
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];
		const struct snap_link *dev = n->ifindex ? snap_link(snap, n->ifindex) : NULL;
		struct need *need;

		if (!dev || str_eq(n->state, "down") || (!str_eq(n->mode, "nat") && !str_eq(n->mode, "routed")))
			continue;
		need = need_of(found, needs, dev, n->name);
		need->v4 = n->ipv4.ip.family != 0;
		need->v6 = n->ipv6.ip.family != 0;
		need->why = str_eq(n->mode, "nat") ? "translates" : "routes";
	}
}

static void needs_of_libvirt(const struct snapshot *snap, struct findings *found, struct needs *needs)
{
	for (size_t i = 0; i < snap->n_libvirt_nets; i++) {
		const struct snap_libvirt_net *n = &snap->libvirt_nets[i];
		const struct snap_link *dev = n->active ? snap_link_by_name(snap, n->bridge) : NULL;
		struct need *need;

		if (!dev || (!str_eq(n->mode, "nat") && !str_eq(n->mode, "route") && !str_eq(n->mode, "open")))
			continue;
		need = need_of(found, needs, dev, NULL);
		need->v4 = true;
		need->v6 = strstr(n->live_xml, "family='ipv6'") != NULL;
		need->why = "is libvirt's, and routes";
	}
}

/* Does anything in a postrouting chain translate sources of this family? */
static bool translates(const struct snapshot *snap, uint8_t family)
{
	const uint8_t nf = family == AF_INET ? NFPROTO_IPV4_ : NFPROTO_IPV6_;

	for (size_t t = 0; t < snap->n_tables; t++) {
		const struct snap_table *table = &snap->tables[t];

		if (table->family != nf && table->family != NFPROTO_INET_)
			continue;
		for (size_t c = 0; c < table->n_chains; c++) {
			const struct snap_chain *chain = &table->chains[c];

			if (!chain->base || chain->hook != NF_HOOK_POSTROUTING || !str_eq(chain->type, "nat"))
				continue;
			for (size_t r = 0; r < chain->n_rules; r++)
				for (size_t e = 0; e < chain->rules[r].n_exprs; e++) {
					const char *name = chain->rules[r].exprs[e].name;

					if (str_eq(name, "masq") || str_eq(name, "nat") ||
					    strncmp(name, "xt:MASQ", 7) == 0 || strncmp(name, "xt:SNAT", 7) == 0)
						return true;
				}
		}
	}
	return false;
}

/* Is there an outside at all? Of either family: the route that is missing may be another fault's. */
static bool leads_out(const struct snapshot *snap, uint32_t dev)
{
	return role_default(snap, AF_INET, 0, dev, -1) || role_default(snap, AF_INET6, 0, dev, -1);
}

/* Somebody wants it to be reached from another link. */
static bool is_proxied(const struct snapshot *snap, const struct ip *ip)
{
	for (size_t i = 0; i < snap->n_proxies; i++)
		if (ip_eq(&snap->proxies[i].ip, ip))
			return true;
	return false;
}

static bool by_hand(const struct findings *found, const struct snap_link *dev)
{
	return dev && role_is(found->roles, dev->ifindex, ROLE_GUEST_ONLY) && (dev->flags & IFF_UP) &&
	       !role_is(found->roles, dev->ifindex, ROLE_NETWORK | ROLE_OURS) && !str_eq(dev->kind, "macvtap");
}

/* The host is a gateway for guests there: it has an address beside theirs and translates, or host routes to them. */
static void needs_by_hand(const struct snapshot *snap, struct findings *found, struct needs *needs)
{
	const bool nat4 = translates(snap, AF_INET), nat6 = translates(snap, AF_INET6);
	const struct guest_address *g;
	size_t n = guest_addresses(snap, found, &g);

	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];
		const struct snap_link *dev = snap_link(snap, a->ifindex);
		bool v6 = a->prefix.ip.family == AF_INET6;

		if (!by_hand(found, dev) || a->scope != RT_SCOPE_UNIVERSE || a->prefix.len == ip_bits(&a->prefix.ip) ||
		    !(v6 ? nat6 : nat4) || !leads_out(snap, dev->ifindex))
			continue;
		struct need *need = need_of(found, needs, dev, NULL);

		*(v6 ? &need->v6 : &need->v4) = true;
		need->why = "has guests behind NAT";
	}
	for (size_t i = 0; i < n; i++) {
		const struct snap_link *dev = snap_link(snap, g[i].dev);

		if (!by_hand(found, dev) || (!leads_out(snap, dev->ifindex) && !is_proxied(snap, &g[i].ip)))
			continue;
		if (!g[i].host_route && !(ip_is_global(&g[i].ip) && gateway_address(snap, dev->ifindex, &g[i].ip)))
			continue;
		struct need *need = need_of(found, needs, dev, NULL);

		*(g[i].ip.family == AF_INET6 ? &need->v6 : &need->v4) = true;
		need->why = need->why ? need->why : "has routed guests";
	}
}

static bool forced(const struct snapshot *snap, const struct snap_link *dev)
{
	const struct snap_route *r = role_default(snap, AF_INET6, 0, dev->ifindex, -1);
	const struct snap_link *up = r ? snap_link(snap, r->oif) : NULL;

	return dev->conf6.force_forwarding && up && up->conf6.force_forwarding;
}

static void fix_forwarding(const struct snapshot *snap, struct diag_finding *f, bool v4, bool v6)
{
	struct diag_fix *fix = finding_fix(f, "forward", FIX_LASTS_LIVE);

	if (v6) {
		keep_ra_routes(snap, f, fix, NULL);
		/* What is on already stays on when the fix is taken back, which sets `all` first. */
		for (size_t i = 0; i < snap->n_links; i++)
			if (snap->links[i].conf6.present && snap->links[i].conf6.forwarding)
				fix_sysctl_live(f, fix, CONF6(snap->links[i].name, "forwarding"), "1", "1");
		fix_sysctl(f, fix, "net/ipv6/conf/all/forwarding", "0", "1");
	}
	if (v4)
		fix_sysctl(f, fix, "net/ipv4/ip_forward", "0", "1");
	if (v6)
		confirm_ra_routes(snap, fix);
}

static void judge_all_off(const struct snapshot *snap, struct findings *found)
{
	const bool off4 = snap_sysctl_int(snap, "net/ipv4/ip_forward", 1) == 0;
	const bool off6 = snap->conf6_all.present && snap->conf6_all.forwarding == 0;
	struct needs needs = { 0 };
	struct diag_finding *f = NULL;
	bool v4 = false, v6 = false;

	if (!off4 && !off6)
		return;
	if (snap_unread(snap, SNAP_PART_NFTABLES))
		findings_unchecked(found, true, "guests behind NAT by hand: nftables can't be read");
	needs_of_ours(snap, found, &needs);
	needs_of_libvirt(snap, found, &needs);
	needs_by_hand(snap, found, &needs);
	for (size_t i = 0; i < needs.n; i++) {
		const struct need *n = &needs.list[i];
		bool lacks4 = n->v4 && off4, lacks6 = n->v6 && off6 && !forced(snap, n->dev);

		if (!lacks4 && !lacks6)
			continue;
		if (!f) {
			f = findings_add(found, n->dev->name);
			finding_network(f, n->network);
			FINDING_HEAD(f, "network", "because_it", "needs");
		}
		finding_about(f, n->dev->name);
		FINDING_ROW(f, n->network ? n->network : n->dev->name, n->why,
			    lacks4 && lacks6 ? "IPv4 and IPv6"
			    : lacks4	     ? "IPv4"
					     : "IPv6");
		v4 |= lacks4;
		v6 |= lacks6;
	}
	if (!f)
		return;
	finding_what(f, "%s is off on this host: no packet passes between %s and the outside.",
		     v4 && v6 ? "Forwarding"
		     : v4     ? "IPv4 forwarding"
			      : "IPv6 forwarding",
		     f->subject);
	finding_why(
		f, "%s",
		v6 ? "IPv6 forwards only when net.ipv6.conf.all.forwarding is 1, whatever the interfaces' own settings."
		   : "Without net.ipv4.ip_forward only packets for the host itself are taken.");
	if (v6)
		finding_value(f, "net.ipv6.conf.all.forwarding", "0");
	if (v4)
		finding_value(f, "net.ipv4.ip_forward", "0");
	fix_forwarding(snap, f, v4, v6);
}

/* ------------------------------------------------------------------- proxy.* */

/* Is the entry on the very side that its guest is on? */
static bool on_guest_side(const struct snapshot *snap, const struct findings *found, const struct snap_proxy *p)
{
	const struct snap_route *r = snap_route_lookup(snap, RT_TABLE_MAIN, &p->ip);

	return p->ip.family == AF_INET6 && r && r->oif == p->ifindex && r->dst.len > 0 && !r->gateway.family &&
	       role_is(found->roles, p->ifindex, ROLE_GUEST_ONLY);
}

/* Entries for IPv6 that are where they belong. Return: how many; the first as an example. */
static size_t entries(const struct snapshot *snap, const struct findings *found, const struct snap_link *l,
		      struct ip *ret_example)
{
	size_t n, count = 0;
	const struct snap_proxy *p = snap_proxies(snap, l->ifindex, &n);

	for (size_t i = 0; i < n; i++) {
		if (p[i].ip.family != AF_INET6 || on_guest_side(snap, found, &p[i]))
			continue;
		if (count++ == 0)
			*ret_example = p[i].ip;
	}
	return count;
}

static struct diag_finding *proxy_finding(struct findings *found, const struct snapshot *snap,
					  const struct snap_link *l, size_t n, const struct ip *example)
{
	struct diag_finding *f = findings_add(found, l->name);
	const struct snap_guest_addr *guest = role_guest_addr(snap, example);

	finding_guest(f, guest ? guest->guest : NULL);
	finding_network(f, role_of(found->roles, l->ifindex)->network);
	finding_about(f, IP_STR(example));
	finding_value(f, "proxy_entries", "%zu", n);
	finding_value(f, "example", "%s", IP_STR(example));
	finding_seen_in(f, "ip -6 neigh show proxy dev %s, sysctl net.ipv6.conf", l->name);
	return f;
}

static void settings(struct diag_finding *f, const struct snapshot *snap, const struct snap_link *l)
{
	finding_value(f, "proxy_ndp", "%d", l->conf6.proxy_ndp);
	finding_value(f, "all.proxy_ndp", "%d", snap->conf6_all.proxy_ndp);
	finding_value(f, "forwarding", "%d", l->conf6.forwarding);
}

static void fix_proxy_ndp(struct diag_finding *f, struct diag_fix *fix, const struct snapshot *snap,
			  const struct snap_link *l)
{
	if (!l->conf6.proxy_ndp)
		fix_sysctl(f, fix, CONF6(l->name, "proxy_ndp"), "0", "1");
	if (!snap->conf6_all.proxy_ndp)
		fix_sysctl(f, fix, "net/ipv6/conf/all/proxy_ndp", "0", "1");
}

static void judge_proxy_disabled(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct ip example;
		size_t n = entries(snap, found, l, &example);
		struct diag_finding *f;

		if (n == 0 || !l->conf6.present || l->conf6.proxy_ndp || snap->conf6_all.proxy_ndp)
			continue;
		f = proxy_finding(found, snap, l, n, &example);
		finding_what(f, "Nobody answers on %s for the %zu address%s that it has proxy entries for.", l->name, n,
			     n == 1 ? "" : "es");
		finding_why(f, "Without proxy_ndp=1 the kernel doesn't look at proxy entries.");
		settings(f, snap, l);
		fix_proxy_ndp(f, finding_fix(f, "proxy-ndp", FIX_LASTS_LIVE), snap, l);
	}
}

static void judge_proxy_forwarding(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct ip example;
		size_t n = entries(snap, found, l, &example);
		struct diag_finding *f;
		struct diag_fix *fix;

		if (n == 0 || !l->conf6.present || l->conf6.forwarding)
			continue;
		f = proxy_finding(found, snap, l, n, &example);
		finding_what(f, "Nobody answers on %s for guests, though proxy entries%s are set.", l->name,
			     l->conf6.proxy_ndp || snap->conf6_all.proxy_ndp ? " and proxy_ndp" : "");
		finding_why(f, "The kernel answers for others only as a router: forwarding is 0 on %s itself.",
			    l->name);
		settings(f, snap, l);
		fix = finding_fix(f, "forward", FIX_LASTS_LIVE);
		keep_ra_routes(snap, f, fix, l);
		fix_sysctl(f, fix, CONF6(l->name, "forwarding"), "0", "1");
		confirm_ra_routes(snap, fix);
	}
}

static void judge_unicast_refused(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct ip example;
		size_t n = entries(snap, found, l, &example);
		struct diag_finding *f;

		if (n == 0 || !l->conf6.present || !l->conf6.proxy_ndp || snap->conf6_all.proxy_ndp)
			continue;
		f = proxy_finding(found, snap, l, n, &example);
		finding_what(
			f, "Guests behind %s stall every 15 to 40 seconds: unicast solicitations for them are refused.",
			l->name);
		finding_why(f, "A router checks a neighbour that it knows by unicast, and the kernel forwards that "
			       "instead of answering "
			       "it unless proxy_ndp of `all` is 1, too.");
		settings(f, snap, l);
		fix_proxy_ndp(f, finding_fix(f, "proxy-ndp", FIX_LASTS_LIVE), snap, l);
	}
}

static void judge_proxy_delay(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_neigh_table *t = snap_neigh_table(snap, AF_INET6, l->ifindex);
		struct ip example;
		size_t n = entries(snap, found, l, &example);
		struct diag_finding *f;
		char path[128], old[24];

		if (n == 0 || !t || t->proxy_delay_ms == 0 || role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY))
			continue;
		f = proxy_finding(found, snap, l, n, &example);
		finding_what(f, "The first packet to a guest behind %s waits up to %llu ms.", l->name,
			     (unsigned long long)t->proxy_delay_ms);
		finding_why(f, "Before it answers for another, the kernel waits a random part of proxy_delay, so that "
			       "the owner could be "
			       "first. Behind a proxy there is none on the link.");
		finding_value(f, "proxy_delay_ms", "%llu", (unsigned long long)t->proxy_delay_ms);
		(void)snprintf(path, sizeof(path), "net/ipv6/neigh/%s/proxy_delay", l->name);
		(void)snprintf(old, sizeof(old), "%llu", (unsigned long long)t->proxy_delay_ms / 10); /* USER_HZ */
		fix_sysctl(f, finding_fix(f, "proxy-delay", FIX_LASTS_LIVE), path, old, "0");
	}
}

static void proxy_op(struct diag_finding *f, struct diag_fix *fix, bool add, const char *device, const struct ip *ip)
{
	struct op *op = fix_op(fix, add ? OP_PROXY_ADD : OP_PROXY_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);

	op->object = arena_printf(fix->ops->arena, "proxy %s", device);
	op->what = arena_strdup(fix->ops->arena, IP_STR(ip));
	op->addr = (struct op_addr){ .prefix = { *ip, (uint8_t)ip_bits(ip) } };
	(void)str_copy(op->addr.device, sizeof(op->addr.device), device);
	fix_command(f, fix, "ip %sneigh %s proxy %s dev %s", ip->family == AF_INET6 ? "-6 " : "", add ? "add" : "del", IP_STR(ip), device);
}

/*
 * The interface whose on-link prefix has @ip in it, other than @not; shorter than the prefix that @not itself has for
 * it, if there is one: two of one length are another fault (route.overlap).
 */
static const struct snap_link *on_link(const struct snapshot *snap, const struct findings *found, const struct ip *ip,
				       uint32_t not )
{
	const struct snap_addr *own = gateway_address(snap, not, ip);
	const uint8_t below = own ? own->prefix.len : (uint8_t)ip_bits(ip);

	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];

		if (a->ifindex != not &&a->prefix.len < below && a->prefix.ip.family == ip->family &&
		    prefix_contains(&a->prefix, ip) &&
		    !role_is(found->roles, a->ifindex, ROLE_GUEST | ROLE_GUEST_ONLY | ROLE_NETWORK | ROLE_OURS))
			return snap_link(snap, a->ifindex);
	}
	/* Or it has none of its own there, and only the route. */
	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];

		if (r->table == RT_TABLE_MAIN && r->oif != not &&r->dst.ip.family == ip->family && r->dst.len > 0 &&
		    r->dst.len < below && !r->gateway.family && r->type == RTN_UNICAST &&
		    prefix_contains(&r->dst, ip) && role_is(found->roles, r->oif, ROLE_UPLINK | ROLE_HEARD) &&
		    !role_is(found->roles, r->oif, ROLE_GUEST_ONLY))
			return snap_link(snap, r->oif);
	}
	return NULL;
}

static bool other_proxy(const struct snapshot *snap)
{
	static const char *const names[] = { "ndppd", "pndpd", "ndproxy", "odhcpd", "parprouted" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct snap_program *p = snap_program(snap, names[i]);

		if (p && p->running)
			return true;
	}
	return false;
}

/* Does this host answer on @up for everybody that it has a route to elsewhere? IPv4 can (proxy_arp), IPv6 can't. */
static bool answers_for_all(const struct snapshot *snap, const struct snap_link *up, const struct ip *ip)
{
	return ip->family == AF_INET && (up->conf4.proxy_arp || snap->conf4_all.proxy_arp);
}

static void judge_missing_entry(const struct snapshot *snap, struct findings *found)
{
	const struct guest_address *g;
	size_t n = guest_addresses(snap, found, &g);
	struct diag_finding *f = NULL;
	const struct snap_link *uplink = NULL;
	struct diag_fix *fix = NULL;
	bool with6 = false;

	if (other_proxy(snap))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct snap_link *up;
		const struct snap_route *r;

		/* Of IPv4 only what somebody has made a route for on purpose. */
		if ((g[i].ip.family != AF_INET6 && !g[i].host_route) || ip_is_link_local(&g[i].ip))
			continue;
		r = snap_route_lookup(snap, RT_TABLE_MAIN, &g[i].ip);
		up = r && r->oif == g[i].dev ? on_link(snap, found, &g[i].ip, g[i].dev) : NULL;
		if (!up || role_l3(snap, g[i].dev) == up->ifindex || snap_proxy(snap, up->ifindex, &g[i].ip) ||
		    answers_for_all(snap, up, &g[i].ip) || snap_addr(snap, 0, &g[i].ip) ||
		    role_is(found->roles, up->ifindex, ROLE_LOWER))
			continue;
		if (up != uplink) {
			uplink = up;
			f = findings_add(found, up->name);
			finding_network(f, g[i].network);
			finding_guest(f, g[i].guest);
			finding_what(f, "Answers don't find back to %s: nobody on %s says that the host has it.",
				     IP_STR(&g[i].ip), up->name);
			finding_why(f,
				    "The address is inside %s's own on-link prefix, so the router looks for it on that "
				    "link, where only a "
				    "proxy entry would answer.",
				    up->name);
			finding_seen_in(f, "ip neigh show proxy dev %s, ip route get", up->name);
			FINDING_HEAD(f, "address", "route", "guest");
			fix = finding_fix(f, "proxy", FIX_LASTS_LIVE);
			with6 = false;
			fix_note(f, fix,
				 "until the link goes down; a network of mode routed with address on-link keeps it");
		}
		if (g[i].ip.family == AF_INET6 && !with6) {
			settings(f, snap, up);
			fix_proxy_ndp(f, fix, snap, up);
			with6 = true;
		}
		finding_about(f, IP_STR(&g[i].ip));
		FINDING_ROW(f, IP_STR(&g[i].ip), snap_link_name(snap, g[i].dev), g[i].guest ? g[i].guest : "");
		proxy_op(f, fix, true, up->name, &g[i].ip);
	}
}

static void judge_guest_side(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_proxies; i++) {
		const struct snap_proxy *p = &snap->proxies[i];
		const struct snap_link *l = snap_link(snap, p->ifindex);
		const struct snap_guest_addr *guest;
		struct diag_finding *f;

		if (!l || !on_guest_side(snap, found, p))
			continue;
		guest = role_guest_addr(snap, &p->ip);
		f = findings_add(found, l->name);
		finding_guest(f, guest ? guest->guest : role_of(found->roles, l->ifindex)->guest);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_about(f, IP_STR(&p->ip));
		finding_what(
			f,
			"The host answers on %s for %s, which the guest there has: the guest gives it up (dadfailed).",
			l->name, IP_STR(&p->ip));
		finding_why(f, "A proxy entry also answers duplicate address detection; on the guest's own side it is "
			       "the guest's.");
		finding_value(f, "entry", "%s on %s", IP_STR(&p->ip), l->name);
		finding_value(f, "route", "%s is behind %s", IP_STR(&p->ip), l->name);
		settings(f, snap, l);
		finding_seen_in(f, "ip -6 neigh show proxy dev %s", l->name);
		proxy_op(f, finding_fix(f, "remove", FIX_LASTS_LIVE), false, l->name, &p->ip);
	}
}

static const struct rule rules[] = {
	{ "forwarding.all-off", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_all_off, { { 0 } } },
	{ "proxy.disabled", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_proxy_disabled, { { 0 } } },
	{ "proxy.uplink-forwarding-off",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_proxy_forwarding,
	  { { "forwarding.all-off", RULE_SCOPE_HOST } } },
	{ "proxy.unicast-refused", SEVERITY_WARNING, RULE_SUBJECT_INTERFACE, { 0 }, judge_unicast_refused, { { 0 } } },
	{ "proxy.delay", SEVERITY_WARNING, RULE_SUBJECT_INTERFACE, { 0 }, judge_proxy_delay, { { 0 } } },
	{ "proxy.missing-entry",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_missing_entry,
	  { { "route.guest-missing", RULE_SCOPE_SHARED } } },
	{ "proxy.on-guest-side", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_guest_side, { { 0 } } },
};

const struct rule_section rules_forward = { "Forwarding and proxies", rules, ARRAY_LEN(rules) };
