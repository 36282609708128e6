/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path - the way of a packet and its answer through the host
 *
 * The stations of layer 3, in the kernel's order (ip_input.c, ip6_input.c,
 * ip_forward.c, ip6_output.c), and the two ends.
 */
#include "diag/path.h"

#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include "diag/path_walk.h"

/* Who stands for the outside where nobody was named: resolvers that everybody can reach. */
#define OUTSIDE4 "9.9.9.9"
#define OUTSIDE6 "2620:fe::fe"
#define CLIENT_PORT 50000 /* of whoever asks */

const char *const path_verdict_name[PATH_VERDICT_N_] = {
	[PATH_PASS] = "pass",
	[PATH_DROP] = "drop",
	[PATH_UNKNOWN] = "unknown",
};

bool path_step(struct path_walk *w, const char *at, enum path_verdict verdict, const char *subject, const char *rule,
	       const char *fmt, ...)
{
	struct path_way *way = w->way;
	va_list ap;

	va_start(ap, fmt);
	const char *text = arena_vprintf(w->arena, fmt, ap);
	va_end(ap);
	/* The array may move, so the step that ends the way is found again. */
	size_t end = way->end ? (size_t)(way->end - way->steps) : SIZE_MAX;
	ARENA_GROW_POW2(w->arena, way->steps, way->n);
	way->steps[way->n++] = (struct path_step){
		.at = at,
		.what = text,
		.verdict = verdict,
		.rule = rule,
		.subject = subject,
	};
	if (verdict == PATH_DROP || (verdict == PATH_UNKNOWN && way->verdict == PATH_PASS)) {
		end = way->n - 1;
		way->verdict = verdict;
	}
	way->end = end == SIZE_MAX ? NULL : &way->steps[end];
	return verdict != PATH_DROP;
}

/* ------------------------------------------------------------------------------ ends */

static bool better(const struct ip *a, const struct ip *b)
{
	return !ip_is_set(b) || (ip_is_link_local(b) && !ip_is_link_local(a)) ||
	       (b->family == AF_INET6 && ip_is_global(a) && !ip_is_global(b) && !ip_is_link_local(a));
}

static void take_ip(struct path_end *e, const struct ip *ip)
{
	struct ip *mine = ip->family == AF_INET ? &e->ip4 : &e->ip6;

	if (better(ip, mine))
		*mine = *ip;
}

/* The port that a MAC was learned at; 0: none, or the bridge's own. */
static uint32_t port_of(const struct snapshot *s, const struct mac *mac)
{
	for (size_t i = 0; i < s->n_fdb; i++) {
		const struct snap_fdb *f = &s->fdb[i];

		if (f->bridge && f->port != f->bridge && mac_eq(&f->mac, mac))
			return f->port;
	}
	return 0;
}

static void fill_guest(const struct snapshot *s, struct path_end *e)
{
	size_t n;
	const struct snap_nic *nics = snap_nics(s, e->guest, &n);

	e->kind = PATH_GUEST;
	for (size_t i = 0; i < n; i++) {
		if (nics[i].live && nics[i].ifindex && !e->device) {
			e->device = nics[i].ifindex;
			e->mac = nics[i].mac;
		} else if (mac_is_zero(&e->mac)) {
			e->mac = nics[i].mac;
		}
	}
	const struct snap_guest_addr *a = snap_guest_addrs(s, e->guest, &n);
	for (size_t i = 0; i < n; i++) {
		take_ip(e, &a[i].ip);
		if (mac_is_zero(&e->mac))
			e->mac = a[i].mac;
	}
	for (size_t i = 0; i < s->n_neighs && !mac_is_zero(&e->mac); i++) {
		if (mac_eq(&s->neighs[i].mac, &e->mac))
			take_ip(e, &s->neighs[i].ip);
	}
	/* Somebody else plugged it in. */
	if (!e->device && !mac_is_zero(&e->mac))
		e->device = port_of(s, &e->mac);
}

/* Whoever is known behind a device, by what bridges learned and neighbours answered. */
static void fill_device(const struct snapshot *s, struct path_end *e, const struct snap_link *link)
{
	e->kind = PATH_GUEST;
	e->device = link->ifindex;
	for (size_t i = 0; i < s->n_fdb && mac_is_zero(&e->mac); i++) {
		if (s->fdb[i].port == link->ifindex && s->fdb[i].bridge && s->fdb[i].bridge != link->ifindex &&
		    !mac_eq(&s->fdb[i].mac, &link->mac))
			e->mac = s->fdb[i].mac;
	}
	if (strcmp(link->kind, "macvtap") == 0)
		e->mac = link->mac;
	for (size_t i = 0; i < s->n_neighs; i++) {
		if (!mac_is_zero(&e->mac) && mac_eq(&s->neighs[i].mac, &e->mac))
			take_ip(e, &s->neighs[i].ip);
	}
	for (size_t i = 0; i < s->n_guest_addrs; i++) {
		if (!mac_is_zero(&e->mac) && mac_eq(&s->guest_addrs[i].mac, &e->mac))
			take_ip(e, &s->guest_addrs[i].ip);
	}
}

/* An address that isn't the host's: a guest's that is known, a neighbour behind a guest's port, else outside. */
static void fill_address(const struct snapshot *s, struct path_end *e, const struct ip *ip)
{
	e->given = true;
	for (size_t i = 0; i < s->n_guest_addrs; i++) {
		if (!ip_eq(&s->guest_addrs[i].ip, ip))
			continue;
		e->guest = s->guest_addrs[i].guest;
		fill_guest(s, e);
		break;
	}
	for (size_t i = 0; i < s->n_neighs && e->kind != PATH_GUEST; i++) {
		const struct snap_neigh *n = &s->neighs[i];
		const struct snap_link *link = snap_link(s, n->ifindex);

		if (!ip_eq(&n->ip, ip) || mac_is_zero(&n->mac) || !link)
			continue;
		const struct snap_fdb *f =
			strcmp(link->kind, "bridge") == 0 ? snap_fdb_find(s, link->ifindex, &n->mac, 0) : NULL;
		const struct snap_link *port = f ? snap_link(s, f->port) : NULL;
		if (port && (strcmp(port->kind, "tun") == 0 || strcmp(port->kind, "veth") == 0)) {
			e->kind = PATH_GUEST;
			e->device = port->ifindex;
			e->mac = n->mac;
		}
	}
	*(ip->family == AF_INET ? &e->ip4 : &e->ip6) = *ip;
	*(ip->family == AF_INET ? &e->ip6 : &e->ip4) = (struct ip){ 0 };
}

static void fill_host(const struct snapshot *s, struct path_end *e)
{
	e->kind = PATH_HOST;
	for (size_t i = 0; i < s->n_addrs; i++) {
		const struct snap_addr *a = &s->addrs[i];

		if (!ip_is_loopback(&a->prefix.ip) && !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
			take_ip(e, &a->prefix.ip);
	}
}

const char *path_find_end(const struct snapshot *s, struct arena *arena, const char *word, struct path_end *ret)
{
	struct path_end e = { .name = word, .guest = "", .kind = PATH_OUTSIDE };
	const struct snap_guest *found = snap_guest(s, word);
	const struct snap_link *link = snap_link_by_name(s, word);
	size_t same = 0;
	struct ip ip;

	if (strcmp(word, "outside") == 0) {
		(void)ip_parse(OUTSIDE4, &e.ip4);
		(void)ip_parse(OUTSIDE6, &e.ip6);
	} else if (strcmp(word, "host") == 0) {
		fill_host(s, &e);
	} else if (ip_parse(word, &ip)) {
		if (path_addr_type(s, &ip) == RTN_LOCAL) {
			e.kind = PATH_HOST;
			e.given = true;
			take_ip(&e, &ip);
		} else {
			fill_address(s, &e, &ip);
		}
	} else {
		for (size_t i = 0; i < s->n_guests && !found; i++)
			same += strcmp(s->guests[i].guest, word) == 0;
		for (size_t i = 0; i < s->n_guests && !found && same == 1; i++) {
			if (strcmp(s->guests[i].guest, word) == 0)
				found = &s->guests[i];
		}
		if (same > 1)
			return arena_printf(arena, "%zu guests are called %s; say which: NETWORK/%s", same, word, word);
		if (found) {
			e.guest = found->name;
			fill_guest(s, &e);
		} else if (link) {
			const struct snap_nic *nic = snap_nic_of_link(s, link->ifindex);

			if (nic) {
				e.guest = nic->guest;
				fill_guest(s, &e);
			} else {
				fill_device(s, &e, link);
			}
		} else {
			return arena_printf(arena, "no guest, interface or address is called so");
		}
	}
	*ret = e;
	return NULL;
}

bool path_has_family(const struct path_end *from, const struct path_end *to, uint8_t family)
{
	return family == AF_INET ? ip_is_set(&from->ip4) && ip_is_set(&to->ip4)
				 : ip_is_set(&from->ip6) && ip_is_set(&to->ip6);
}

static const struct ip *end_ip(const struct path_end *e, uint8_t family)
{
	return family == AF_INET ? &e->ip4 : &e->ip6;
}

/* --------------------------------------------------------------------------- layer 3 */

static bool check_reverse_path(struct path_walk *w)
{
	const struct snap_link *in = snap_link(w->s, w->p.iif);
	int mode;

	if (w->p.family != AF_INET || !in)
		return true;
	mode = in->conf4.rp_filter > w->s->conf4_all.rp_filter ? in->conf4.rp_filter : w->s->conf4_all.rp_filter;
	if (path_addr_type(w->s, &w->p.src) == RTN_LOCAL && !in->conf4.accept_local && !w->s->conf4_all.accept_local)
		return path_step(w, "routing", PATH_DROP, in->name, "",
				 "its source %s is an address of this host (martian)", IP_STR(&w->p.src));
	if (mode == 0)
		return true;
	struct path_route r = path_route(w->s, w->arena, &w->p, &w->p.src, &w->p.dst, 0);
	if (!r.route || r.route->type != RTN_UNICAST)
		return path_step(w, "routing", PATH_DROP, "rp_filter", "",
				 "no way back to %s, and rp_filter=%d asks for one", IP_STR(&w->p.src), mode);
	bool same = false;
	for (const struct snap_route *n = r.route, *end = w->s->routes + w->s->n_routes; n < end && !same; n++) {
		if (n->table != r.route->table || !prefix_eq(&n->dst, &r.route->dst) || n->dst.ip.family != AF_INET)
			break;
		same = n->oif == w->p.iif && n->metric == r.route->metric;
	}
	if (mode == 1 && !same)
		return path_step(w, "routing", PATH_DROP, "rp_filter", "",
				 "the way back to %s is %s, it came by %s, and rp_filter=1 drops that",
				 IP_STR(&w->p.src), snap_link_name(w->s, r.route->oif), in->name);
	return true;
}

static bool check_forwarding(struct path_walk *w)
{
	const struct snap_link *in = snap_link(w->s, w->p.iif);

	if (!in)
		return true;
	if (w->p.family == AF_INET && !in->conf4.forwarding)
		return path_step(w, "routing", PATH_DROP, "net.ipv4.ip_forward", "",
				 "%s doesn't forward IPv4 (net.ipv4.conf.%s.forwarding=0)", in->name, in->name);
	if (w->p.family == AF_INET6 && !w->s->conf6_all.forwarding && !in->conf6.force_forwarding)
		return path_step(w, "routing", PATH_DROP, "net.ipv6.conf.all.forwarding", "",
				 "this host doesn't forward IPv6 (net.ipv6.conf.all.forwarding=0)");
	return true;
}

static bool listens(const struct snapshot *s, const struct path_packet *p)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct snap_listener *l = &s->listeners[i];

		if (l->proto != p->proto || l->port != p->dport || (l->ifindex && l->ifindex != p->iif))
			continue;
		if (ip_eq(&l->ip, &p->dst) || (ip_is_unspecified(&l->ip) &&
					       (l->ip.family == p->family || (l->ip.family == AF_INET6 && !l->v6only))))
			return true;
	}
	return false;
}

static bool deliver(struct path_walk *w, const struct path_end *to)
{
	bool ports = w->p.proto == IPPROTO_TCP || w->p.proto == IPPROTO_UDP;

	if (to->kind != PATH_HOST && !w->p.answer)
		return path_step(w, "routing", PATH_DROP, "", "",
				 "%s is this host's own address, and nothing hands it on to %s", IP_STR(&w->p.dst),
				 to->name);
	if (w->p.iif && !path_nft_inet(w, PATH_HOOK_INPUT, "input"))
		return false;
	if (w->p.answer)
		return path_step(w, "input", PATH_PASS, "", "", "it is the host's");
	if (ports && !listens(w->s, &w->p))
		return path_step(w, "socket", PATH_DROP, "", "",
				 "nothing on this host listens at %s port %u: it is refused", IP_STR(&w->p.dst),
				 w->p.dport);
	if (!ports &&
	    snap_sysctl_int(w->s,
			    w->p.family == AF_INET ? "net/ipv4/icmp_echo_ignore_all" : "net/ipv6/icmp/echo_ignore_all",
			    0) > 0)
		return path_step(w, "socket", PATH_DROP, "icmp_echo_ignore_all", "",
				 "this host doesn't answer pings (echo_ignore_all=1)");
	return path_step(w, "input", PATH_PASS, "", "", "it is the host's");
}

static bool route_it(struct path_walk *w, struct path_route *ret)
{
	struct path_route r = path_route(w->s, w->arena, &w->p, &w->p.dst, &w->p.src, w->p.iif);
	const char *type;

	*ret = r;
	if (!r.route)
		return path_step(w, "routing", PATH_DROP, "", "", "%s to %s", r.why, IP_STR(&w->p.dst));
	type = r.route->type == RTN_BLACKHOLE	  ? "blackhole"
	       : r.route->type == RTN_UNREACHABLE ? "unreachable"
	       : r.route->type == RTN_PROHIBIT	  ? "prohibit"
						  : NULL;
	if (type)
		return path_step(w, "routing", PATH_DROP, "", "", "the route to %s is \"%s\" (table %s)",
				 PREFIX_STR(&r.route->dst), type, r.why);
	return true;
}

/* Translated, it goes to somebody else. Return: who that is; else @to. */
static const struct path_end *retarget(struct path_walk *w, const struct path_end *to)
{
	struct path_end *end;

	if (w->p.answer || ip_eq(&w->p.orig_dst, &w->p.dst) || ip_eq(&w->p.dst, end_ip(to, w->p.family)))
		return to;
	end = arena_alloc(w->arena, 1, sizeof(*end));
	if (path_find_end(w->s, w->arena, arena_strdup(w->arena, IP_STR(&w->p.dst)), end))
		return to;
	w->instead = end;
	return end;
}

static bool send_out(struct path_walk *w, const struct path_route *r, const struct path_end *to)
{
	const char *prefix = r->route->dst.len == 0
				     ? "the default route"
				     : arena_printf(w->arena, "the route to %s", PREFIX_STR(&r->route->dst));

	w->p.oif = r->route->oif;
	(void)path_step(w, "routing", PATH_PASS, snap_link_name(w->s, w->p.oif), "", "%s leads to %s (table %s)",
			prefix, snap_link_name(w->s, w->p.oif), r->why);
	if (r->route->n_nexthops > 1)
		(void)path_step(w, "routing", PATH_UNKNOWN, "", "",
				"the route has %u ways; which one is taken isn't known", r->route->n_nexthops);
	if (w->p.iif && !path_nft_inet(w, PATH_HOOK_FORWARD, "forward"))
		return false;
	if (!w->p.iif && !path_nft_inet(w, PATH_HOOK_OUTPUT, "output"))
		return false;
	if (!path_nft_inet(w, PATH_HOOK_POSTROUTING, "postrouting"))
		return false;
	w->p.iif = 0;
	return path_to_device(w, &r->next, to);
}

/* From an interface on: everything up to where it leaves or is taken. */
static bool receive(struct path_walk *w, const struct path_end *to, bool prerouted)
{
	struct path_route r;

	if (!path_nft(w, NFPROTO_NETDEV, PATH_HOOK_INGRESS, "ingress"))
		return false;
	if (!prerouted && !path_nft_inet(w, PATH_HOOK_PREROUTING, "prerouting"))
		return false;
	to = retarget(w, to);
	if (!check_reverse_path(w) || !route_it(w, &r))
		return false;
	if (r.route->type == RTN_LOCAL || r.route->type == RTN_ANYCAST)
		return deliver(w, to);
	return check_forwarding(w) && send_out(w, &r, to);
}

/* ------------------------------------------------------------------- from the outside */

/* Does anybody answer on the uplink for an address that is neither the host's nor routed to it? */
static bool answered_for(struct path_walk *w, const struct snap_link *in)
{
	const struct ip *dst = &w->p.dst;
	bool on_link = false, v4 = dst->family == AF_INET;
	size_t n;
	const struct snap_addr *a = snap_addrs(w->s, in->ifindex, &n);

	for (size_t i = 0; i < n; i++)
		on_link |= a[i].prefix.ip.family == dst->family && a[i].prefix.len < ip_bits(dst) &&
			   prefix_contains(&a[i].prefix, dst);
	if (!on_link || path_addr_type(w->s, dst) == RTN_LOCAL)
		return true;
	const struct snap_proxy *proxy = snap_proxy(w->s, in->ifindex, dst);
	struct path_route r = path_route(w->s, w->arena, &w->p, dst, &w->p.src, 0);
	bool elsewhere = r.route && r.route->oif != in->ifindex;
	if (v4) {
		if (proxy || (elsewhere && (in->conf4.proxy_arp || w->s->conf4_all.proxy_arp) && in->conf4.forwarding))
			return path_step(w, "proxy", PATH_PASS, in->name, "", "this host answers ARP for %s on %s",
					 IP_STR(dst), in->name);
		return path_step(w, "proxy", PATH_DROP, in->name, "",
				 "nobody answers ARP for %s on %s, whose network it belongs to", IP_STR(dst), in->name);
	}
	if (!proxy)
		return path_step(w, "proxy", PATH_DROP, in->name, "",
				 "nobody answers neighbour solicitations for %s on %s, whose network it belongs to: no "
				 "proxy entry",
				 IP_STR(dst), in->name);
	if (!in->conf6.proxy_ndp && !w->s->conf6_all.proxy_ndp)
		return path_step(w, "proxy", PATH_DROP, in->name, "", "%s has a proxy entry for %s, but proxy_ndp=0",
				 in->name, IP_STR(dst));
	if (!in->conf6.forwarding)
		return path_step(w, "proxy", PATH_DROP, in->name, "",
				 "%s has a proxy entry for %s, but forwarding=0 there", in->name, IP_STR(dst));
	return path_step(w, "proxy", PATH_PASS, in->name, "", "this host answers neighbour solicitations for %s on %s",
			 IP_STR(dst), in->name);
}

/* Would the outside send it here at all? */
static bool comes_here(struct path_walk *w, const struct snap_link *in)
{
	const struct ip *dst = &w->p.dst;

	if (path_addr_type(w->s, dst) == RTN_LOCAL || ip_is_global(dst))
		return true;
	size_t n;
	const struct snap_addr *a = snap_addrs(w->s, in->ifindex, &n);
	for (size_t i = 0; i < n; i++) {
		if (prefix_contains(&a[i].prefix, dst) && a[i].prefix.ip.family == dst->family)
			return true;
	}
	/* A neighbour on the uplink may have a route of its own; the rest of the world has none. */
	struct path_route r = path_route(w->s, w->arena, &w->p, &w->p.src, dst, 0);
	bool neighbour = r.route && r.route->dst.len > 0;
	return path_step(
		w, "outside", neighbour ? PATH_UNKNOWN : PATH_DROP, in->name, "",
		neighbour     ? "whether its neighbours know a way to %s, which is private, can't be seen from here"
		: w->p.answer ? "nobody outside knows a way to %s, which is private: nothing translated it"
			      : "nobody outside knows a way to %s, which is private: only a port forward leads there",
		IP_STR(dst));
}

static bool from_outside(struct path_walk *w, const struct path_end *to)
{
	struct path_route r = path_route(w->s, w->arena, &w->p, &w->p.src, &w->p.dst, 0);
	const struct snap_link *in = r.route ? snap_link(w->s, r.route->oif) : NULL, *guest;
	guest = to->kind == PATH_GUEST ? snap_link(w->s, to->device) : NULL;
	if (guest && (strcmp(guest->kind, "macvtap") == 0)) {
		const struct snap_link *lower = snap_link(w->s, guest->lower);

		if (lower && !(lower->flags & IFF_RUNNING))
			return path_step(w, "lower device", PATH_DROP, lower->name, "", "%s is down or has no carrier",
					 lower->name);
		w->p.iif = guest->lower;
		(void)path_step(w, "uplink", PATH_PASS, lower ? lower->name : "", "", "it comes in by %s",
				lower ? lower->name : "the device below");
		return path_enter_macvtap(w, guest, to);
	}
	if (!in)
		return path_step(w, "uplink", PATH_DROP, "", "",
				 "no route to %s, so nobody there is reached by this host", IP_STR(&w->p.src));
	if (!(in->flags & IFF_UP))
		return path_step(w, "uplink", PATH_DROP, in->name, "", "%s is down", in->name);
	if (guest && guest->master == in->ifindex) /* the guest is on the LAN itself */
		return path_enter_bridge(w, in, to);
	if (!comes_here(w, in))
		return false;
	w->p.iif = in->ifindex;
	w->p.ethernet = true;
	w->p.dmac = in->mac;
	(void)path_step(w, "uplink", PATH_PASS, in->name, "", "it comes in by %s", in->name);
	return answered_for(w, in) && receive(w, to, false);
}

static bool from_host(struct path_walk *w, const struct path_end *to)
{
	struct path_route r;

	w->p.iif = 0;
	if (!route_it(w, &r))
		return false;
	if (r.route->type == RTN_LOCAL)
		return path_nft_inet(w, PATH_HOOK_OUTPUT, "output") && deliver(w, to);
	struct ip before = w->p.dst;
	w->p.oif = r.route->oif;
	if (!path_nft_inet(w, PATH_HOOK_OUTPUT, "output"))
		return false;
	to = retarget(w, to);
	if (!ip_eq(&before, &w->p.dst) && !route_it(w, &r))
		return false;
	if (r.route->type == RTN_LOCAL)
		return deliver(w, to);
	w->p.oif = r.route->oif;
	(void)path_step(w, "routing", PATH_PASS, snap_link_name(w->s, w->p.oif), "", "%s leads to %s (table %s)",
			r.route->dst.len == 0 ? "the default route"
					      : arena_printf(w->arena, "the route to %s", PREFIX_STR(&r.route->dst)),
			snap_link_name(w->s, w->p.oif), r.why);
	return path_nft_inet(w, PATH_HOOK_POSTROUTING, "postrouting") && path_to_device(w, &r.next, to);
}

static void walk_way(struct path_walk *w, const struct path_end *from, const struct path_end *to)
{
	bool arrived = false;

	w->prerouted = false;
	if (snap_unread(w->s, SNAP_PART_NFTABLES))
		(void)path_step(w, "nftables", PATH_UNKNOWN, "", "", "rules could not be read: %s",
				snap_unread(w->s, SNAP_PART_NFTABLES));
	switch (from->kind) {
	case PATH_GUEST:
		if (path_from_guest(w, from, to, &arrived) && !arrived)
			(void)receive(w, to, w->prerouted);
		break;
	case PATH_HOST:
		(void)from_host(w, to);
		break;
	case PATH_OUTSIDE:
		(void)from_outside(w, to);
		break;
	case PATH_KIND_N_:
		break;
	}
}

/* --------------------------------------------------------------------------- the walk */

/* A guest that is reached through a port forward: by the host's address and port. */
static bool by_forward(const struct snapshot *s, const struct path_end *to, uint8_t family, uint8_t proto,
		       uint16_t port, struct ip *ret_dst, uint16_t *ret_port)
{
	for (size_t i = 0; i < s->n_forwards; i++) {
		const struct snap_forward *f = &s->forwards[i];
		const char *slash = strchr(to->guest, '/');
		bool host_port = port >= f->host_first && port <= f->host_last;
		bool guest_port = port >= f->guest_first && port <= f->guest_last;

		if (!slash || strcmp(slash + 1, f->guest) != 0 ||
		    strncmp(to->guest, f->network, (size_t)(slash - to->guest)) != 0 || f->proto != proto ||
		    (!host_port && !guest_port) || (ip_is_set(&f->host) && f->host.family != family))
			continue;
		struct ip outside;
		(void)ip_parse(family == AF_INET ? OUTSIDE4 : OUTSIDE6, &outside);
		const struct path_packet p = { .family = family };
		struct path_route r = path_route(s, s->arena, &p, &outside, &(struct ip){ 0 }, 0);
		struct ip own = ip_is_set(&f->host) ? f->host
				: r.route	    ? path_source(s, r.route->oif, &outside)
						    : (struct ip){ 0 };
		if (!ip_is_set(&own))
			continue;
		*ret_dst = own;
		*ret_port = host_port ? port : (uint16_t)(f->host_first + (port - f->guest_first));
		return true;
	}
	return false;
}

/* The address that the sender takes: a host's own on the way there, a link-local one for a link-local one. */
static struct ip source_of(const struct snapshot *s, struct arena *arena, const struct path_end *from,
			   const struct ip *dst)
{
	const struct path_packet p = { .family = dst->family };

	if (from->kind == PATH_HOST && !from->given) {
		struct path_route r = path_route(s, arena, &p, dst, &(struct ip){ 0 }, 0);

		if (r.route && ip_is_set(&r.route->source))
			return r.route->source;
		struct ip ip = r.route ? path_source(s, r.route->oif, dst) : (struct ip){ 0 };
		if (ip_is_set(&ip))
			return ip;
	}
	return *end_ip(from, dst->family);
}

/* "host" as a destination: the address that is nearest to whoever asks. */
static struct ip host_for(const struct snapshot *s, const struct path_end *from, const struct path_end *to,
			  uint8_t family)
{
	const struct snap_link *link = from->device ? snap_link(s, from->device) : NULL;
	uint32_t at = link ? (link->master ? link->master : link->ifindex) : 0;
	size_t n = 0;
	const struct snap_addr *a = at && !to->given ? snap_addrs(s, at, &n) : NULL;
	struct ip best = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (a[i].prefix.ip.family == family && better(&a[i].prefix.ip, &best))
			best = a[i].prefix.ip;
	}
	return ip_is_set(&best) ? best : *end_ip(to, family);
}

/* TCP's third packet completes the connection: rules may let the first through and not this one. */
static void walk_third(struct path_walk *w, const struct path_packet *first, const struct path_packet *there, struct path *path,
		       const struct path_end *to)
{
	struct path_way aside = { .n = 0 };

	*w = (struct path_walk){ .s = w->s, .arena = w->arena, .p = *first, .way = &aside };
	w->p.again = true;
	w->p.ct_state = there->ct_state & PATH_CT_UNTRACKED ? PATH_CT_UNTRACKED : PATH_CT_ESTABLISHED;
	w->p.ct_status = there->ct_status | PATH_IPS_SEEN_REPLY | PATH_IPS_CONFIRMED;
	w->p.ct_mark = there->ct_mark;
	w->p.new_src = there->src;
	w->p.new_dst = there->dst;
	w->p.new_dport = there->dport;
	walk_way(w, &path->from, to);
	if (aside.verdict == PATH_PASS)
		return;
	const struct path_step *end = aside.end;

	w->way = &path->there;
	(void)path_step(w, end->at, end->verdict, end->subject, end->rule, "the packet after the answer, which completes the connection: %s",
			end->what);
}

void path_walk(const struct snapshot *s, struct arena *arena, const struct path_end *from, const struct path_end *to,
	       uint8_t family, uint8_t proto, uint16_t port, struct path *ret)
{
	struct path_walk w = { .s = s, .arena = arena, .way = &ret->there };
	struct path_packet *p = &w.p;

	*ret = (struct path){
		.family = family,
		.from = *from,
		.to = *to,
		.port = port,
		.proto = proto		     ? proto
			 : family == AF_INET ? IPPROTO_ICMP
					     : IPPROTO_ICMPV6,
	};
	*p = (struct path_packet){
		.family = family,
		.proto = ret->proto,
		.dst = *end_ip(to, family),
		.dport = port,
		.hop_limit = 64,
		.sport = proto ? CLIENT_PORT : 0,
		.icmp_type = family == AF_INET ? 8 : 128,
		.ct_state = PATH_CT_NEW,
	};
	if (to->kind == PATH_HOST)
		p->dst = host_for(s, from, to, family);
	bool hidden = to->kind == PATH_GUEST && from->kind == PATH_OUTSIDE && !ip_is_global(&p->dst);
	if (hidden && proto && by_forward(s, to, family, proto, port, &p->dst, &p->dport))
		(void)path_step(&w, "outside", PATH_PASS, "", "", "it is sent to %s port %u, which is forwarded to %s",
				IP_STR(&p->dst), p->dport, to->name);
	p->src = source_of(s, arena, from, &p->dst);
	ret->src = p->src;
	ret->dst = p->dst;
	p->orig_src = p->src;
	p->orig_dst = p->dst;
	p->orig_sport = p->sport;
	p->orig_dport = p->dport;
	const struct path_packet first = *p;
	walk_way(&w, from, to);
	ret->verdict = ret->there.verdict;
	if (ret->there.verdict == PATH_DROP)
		return; /* nobody answers what didn't arrive */

	const struct path_end *answerer = w.instead ? w.instead : to;
	struct path_packet there = w.p;
	w.way = &ret->answer;
	*p = (struct path_packet){
		.family = family,
		.proto = there.proto,
		.src = there.dst,
		.dst = there.src,
		.sport = there.dport,
		.dport = there.sport,
		.icmp_type = family == AF_INET ? 0 : 129,
		.hop_limit = 64,
		.answer = true,
		.ct_mark = there.ct_mark,
		.ct_state = there.ct_state & PATH_CT_UNTRACKED ? PATH_CT_UNTRACKED : PATH_CT_ESTABLISHED,
		.ct_status = there.ct_status | PATH_IPS_SEEN_REPLY | PATH_IPS_CONFIRMED,
		.orig_src = there.orig_src,
		.orig_dst = there.orig_dst,
		.orig_sport = there.orig_sport,
		.orig_dport = there.orig_dport,
	};
	w.instead = NULL;
	walk_way(&w, answerer, from);
	if (ret->answer.verdict != PATH_DROP && !ip_eq(&w.p.src, &ret->dst))
		(void)path_step(&w, "answer", PATH_DROP, "", "",
				"it comes from %s, past the translation: %s asked %s, and takes no answer from anybody else", IP_STR(&w.p.src),
				from->name, IP_STR(&ret->dst));
	if (ret->answer.verdict == PATH_DROP || ret->verdict == PATH_PASS)
		ret->verdict = ret->answer.verdict;
	if (ret->proto != IPPROTO_TCP || ret->verdict != PATH_PASS)
		return;
	there.ct_mark = w.p.ct_mark;
	walk_third(&w, &first, &there, ret, to);
	ret->verdict = ret->there.verdict;
}

/* ------------------------------------------------------------------------------ JSON */

static json_t *way_json(const struct path_way *way)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < way->n; i++) {
		const struct path_step *st = &way->steps[i];
		json_t *o = json_pack("{s:s, s:s, s:s}", "at", st->at, "what", st->what, "verdict",
				      path_verdict_name[st->verdict]);

		if (o && st->rule[0])
			(void)json_object_set_new(o, "rule", json_string(st->rule));
		if (o && st->subject[0])
			(void)json_object_set_new(o, "subject", json_string(st->subject));
		if (o)
			(void)json_array_append_new(steps, o);
	}
	return json_pack("{s:o, s:s}", "steps", steps, "verdict", path_verdict_name[way->verdict]);
}

json_t *path_json(const struct path *path)
{
	json_t *o = way_json(&path->there);

	(void)json_object_set_new(o, "verdict", json_string(path_verdict_name[path->verdict]));
	(void)json_object_set_new(o, "family", json_string(path->family == AF_INET ? "ipv4" : "ipv6"));
	(void)json_object_set_new(o, "source", json_string(IP_STR(&path->src)));
	(void)json_object_set_new(o, "destination", json_string(IP_STR(&path->dst)));
	if (path->there.verdict != PATH_DROP)
		(void)json_object_set_new(o, "answer", way_json(&path->answer));
	return o;
}
