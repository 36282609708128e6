/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forwards - where each forwarded port leads, and whether it may
 *
 * A forward's target is the guest's declared address, else its lease, else an
 * address it was seen with that will stay: the one made of its MAC, or the only
 * one. Never a temporary one. Without any, the forward waits. After a network was
 * renumbered the target is the guest's old address until it has a new one.
 */
#include "plan/make.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include "model/guest.h"

#define PORT_SSH 22
#define PORT_DNS 53

static const char *proto_name(uint8_t proto)
{
	return proto == L4PROTO_UDP ? "udp" : "tcp";
}

/* ---- targets ---- */

static bool in_prefix(const struct prefix *p, const struct ip *ip)
{
	return ip_is_set(&p->ip) && p->ip.family == ip->family && prefix_contains(p, ip);
}

static struct ip declared_target(const struct d_guest *guest, const struct prefix *p)
{
	for (size_t i = 0; i < guest->n_ips; i++)
		if (guest->ips[i].family == p->ip.family)
			return guest->ips[i];
	return (struct ip){ 0 };
}

static struct ip leased_target(const struct make *m, const struct net *net, const struct d_guest *guest,
			       const struct prefix *p)
{
	for (size_t i = 0; i < m->facts->n_leases; i++) {
		const struct lease *l = &m->facts->leases[i];

		if (str_eq(l->network, net->target->name) && mac_eq(&l->mac, &guest->mac) && in_prefix(p, &l->ip))
			return l->ip;
	}
	return (struct ip){ 0 };
}

static struct ip seen_target(const struct make *m, const struct net *net, const struct d_guest *guest,
			     const struct prefix *p)
{
	struct ip network = prefix_network(p), only = { 0 }, eui64 = { 0 };
	size_t n = 0;

	if (p->ip.family == AF_INET6)
		eui64 = ip6(ip6_eui64(&network.v6, &guest->mac));
	for (size_t i = 0; i < m->facts->n_neighbours; i++) {
		const struct neighbour *nb = &m->facts->neighbours[i];

		if (!str_eq(nb->network, net->target->name) || !mac_eq(&nb->mac, &guest->mac) || !in_prefix(p, &nb->ip))
			continue;
		if (ip_is_set(&eui64) && ip_eq(&nb->ip, &eui64))
			return nb->ip;
		only = nb->ip;
		n++;
	}
	return n == 1 ? only : (struct ip){ 0 };
}

/* An address of the prefix that the guest is known to have. */
static struct ip held_target(const struct make *m, const struct net *net, const struct d_guest *guest, const struct prefix *p)
{
	struct ip ip = leased_target(m, net, guest, p);

	return ip_is_set(&ip) ? ip : seen_target(m, net, guest, p);
}

static bool has_address(const struct make *m, const struct net *net, const struct d_guest *guest, const struct ip *ip)
{
	const struct plan_facts *f = m->facts;

	for (size_t i = 0; i < f->n_leases; i++)
		if (ip_eq(&f->leases[i].ip, ip) && mac_eq(&f->leases[i].mac, &guest->mac) &&
		    str_eq(f->leases[i].network, net->target->name))
			return true;
	for (size_t i = 0; i < f->n_neighbours; i++)
		if (ip_eq(&f->neighbours[i].ip, ip) && mac_eq(&f->neighbours[i].mac, &guest->mac) &&
		    str_eq(f->neighbours[i].network, net->target->name))
			return true;
	return false;
}

static struct ip drained_target(const struct make *m, const struct net *net, const struct d_guest *guest, sa_family_t family)
{
	const struct plan_result *r = net->result;
	struct ip ip = { 0 };

	for (size_t i = 0; i < r->n_drains && !ip_is_set(&ip); i++)
		if (r->drains[i].gateway.ip.family == family)
			ip = held_target(m, net, guest, &r->drains[i].gateway);
	return ip;
}

static struct ip find_target(const struct make *m, const struct net *net, const struct d_guest *guest,
			     const struct prefix *p, sa_family_t family)
{
	struct ip declared = { 0 }, held = { 0 };

	if (ip_is_set(&p->ip)) {
		declared = declared_target(guest, p);
		if (ip_is_set(&declared) && (net->result->n_drains == 0 || has_address(m, net, guest, &declared)))
			return declared;
		held = held_target(m, net, guest, p);
		if (ip_is_set(&held) && !ip_is_set(&declared))
			return held;
	}
	held = drained_target(m, net, guest, family);
	return ip_is_set(&held) ? held : declared;
}

/* ---- ports of the host ---- */

/* Our own resolver: forwards leave the gateway's port 53 alone. */
static bool is_our_dns(const struct make *m, const struct w_listener *l)
{
	if (l->port != PORT_DNS)
		return false;
	for (size_t i = 0; i < m->n_nets; i++) {
		const struct plan_result *r = m->nets[i].result;

		if (m->nets[i].ours && (ip_eq(&l->ip, &r->address4.ip) || ip_eq(&l->ip, &r->address6.ip)))
			return true;
		for (size_t k = 0; k < r->n_drains; k++)
			if (ip_eq(&l->ip, &r->drains[k].gateway.ip))
				return true;
	}
	return false;
}

/* Would the forward take packets away that are for this listener now? @four, @six: the families it is for. */
static bool listener_loses(const struct d_forward *f, const struct w_listener *l, bool four, bool six)
{
	if (l->proto != f->proto || l->port < f->host_first || l->port > f->host_last)
		return false;
	if (ip_is_loopback(&l->ip) || ip_is_link_local(&l->ip) || ip_is_multicast(&l->ip))
		return false;
	if (!ip_is_unspecified(&l->ip))
		return ip_is_set(&f->host) ? ip_eq(&l->ip, &f->host) : l->ip.family == AF_INET ? four : six;
	if (l->ip.family == AF_INET)
		return four;
	return six || (four && !l->v6only);
}

bool plan_listener_matters(const struct plan_target *targets, size_t n_targets, const struct w_listener *listener)
{
	for (size_t i = 0; i < n_targets; i++) {
		const struct d_network *d = targets[i].network;

		for (size_t j = 0; d && j < d->n_guests; j++)
			for (size_t k = 0; k < d->guests[j].n_forwards; k++)
				if (listener_loses(&d->guests[j].forwards[k], listener, true, true))
					return true;
	}
	return false;
}

/* In force already: then whoever listens there now came later, and knows. */
static bool in_force(const struct make *m, const struct d_forward *f, uint16_t port)
{
	const struct w_table *t = &m->world->inet;

	for (size_t i = 0; i < t->n_elems; i++) {
		const struct nft_elem *e = &t->elems[i];

		if (strncmp(e->set, "dnat", 4) == 0 && e->key[0] == f->proto && e->key[4] == port >> 8 &&
		    e->key[5] == (port & 0xff))
			return true;
	}
	return false;
}

/* Then too: or whoever listens there would keep us from putting back what somebody else took away. */
static bool in_force_before(const struct make *m, const struct net *net, const struct d_guest *guest, const struct d_forward *f)
{
	const struct plan *before = m->facts->before;

	for (size_t i = 0; before && i < before->n_results; i++) {
		const struct plan_result *r = &before->results[i];

		for (size_t k = 0; str_eq(r->name, net->target->name) && k < r->n_forwards; k++)
			if (forward_is_same(r->forwards[k].forward, f) && str_eq(r->forwards[k].guest->name, guest->name))
				return true;
	}
	return false;
}

static void report_in_use(struct make *m, struct net *net, const struct d_guest *guest, const struct d_forward *f,
			  const struct w_listener *l)
{
	const char *key = arena_printf(m->arena, "guests.%s.forward", guest->name);
	const char *who = l->comm[0] ? l->comm : "another program";
	uint16_t other = (uint16_t)(f->host_first < 61535 ? f->host_first + 4000 : f->host_first - 4000);
	struct finding *e;

	if (in_force(m, f, l->port) || in_force_before(m, net, guest, f)) {
		e = report_add(m->report, SEVERITY_WARNING, &f->where, net_key(m, net, key),
			       "port %u/%s of the host is in use by %s too", l->port, proto_name(f->proto), who);
		report_help(e, "the forward takes what comes in");
		return;
	}
	if (l->pid > 0)
		e = net_error(m, net, &f->where, key, "port %u/%s of the host is in use by %s (pid %u)", l->port,
			      proto_name(f->proto), who, l->pid);
	else
		e = net_error(m, net, &f->where, key, "port %u/%s of the host is in use", l->port, proto_name(f->proto));
	if (!e)
		return;
	if (l->port == PORT_SSH && f->proto == L4PROTO_TCP)
		report_help(e, "forwarding it would cut you off");
	else
		report_help(e, "forwarding it would take it away from %s", who);
	report_hint(e, "take another port, \"%u:%u\", or name an address of the host that %s doesn't use, \"ADDRESS:%u:%u\"",
		    other, f->guest_first, who, f->host_first, f->guest_first);
}

static void check_listeners(struct make *m, struct net *net, const struct d_guest *guest, const struct d_forward *f,
			    bool four, bool six)
{
	if (!net->up || f->force)
		return;
	for (size_t i = 0; i < m->world->n_listeners; i++) {
		const struct w_listener *l = &m->world->listeners[i];

		if (!listener_loses(f, l, four, six) || is_our_dns(m, l))
			continue;
		report_in_use(m, net, guest, f, l);
		return;
	}
}

/* ---- forwards ---- */

/* Whoever was seen with the target's address: a guest that others run needn't have the MAC we would give it. */
static struct mac mac_of_target(const struct make *m, const struct net *net, const struct d_guest *guest,
				const struct ip *target)
{
	for (size_t i = 0; i < m->facts->n_neighbours; i++) {
		const struct neighbour *nb = &m->facts->neighbours[i];

		if (ip_eq(&nb->ip, target) && str_eq(nb->network, net->target->name))
			return nb->mac;
	}
	return guest->mac;
}

static void add_rule(struct make *m, struct net *net, const struct d_guest *guest, const struct d_forward *f,
		     const struct ip *target)
{
	if (!ip_is_set(target) || (ip_is_set(&f->host) && f->host.family != target->family))
		return;
	ARENA_GROW(m->arena, net->rules, net->n_rules, net->cap_rules);
	net->rules[net->n_rules++] = (struct ruleset_forward){
		.proto = f->proto,
		.host = f->host,
		.host_first = f->host_first,
		.host_last = f->host_last,
		.guest_first = f->guest_first,
		.target = *target,
		.mac = mac_of_target(m, net, guest, target),
		.from = f->from,
		.n_from = f->n_from,
	};
}

static void find_guest(struct make *m, struct net *net, const struct d_guest *guest)
{
	struct plan_result *r = net->result;
	struct ip target4, target6;

	if (guest->n_forwards == 0)
		return;
	target4 = find_target(m, net, guest, &r->address4, AF_INET);
	target6 = find_target(m, net, guest, &r->address6, AF_INET6);
	for (size_t i = 0; i < guest->n_forwards; i++) {
		const struct d_forward *f = &guest->forwards[i];
		bool four = f->host.family != AF_INET6 && (ip_is_set(&r->address4.ip) || ip_is_set(&target4));
		bool six = f->host.family != AF_INET && (ip_is_set(&r->address6.ip) || ip_is_set(&target6));
		struct plan_forward *out = &r->forwards[r->n_forwards++];

		check_listeners(m, net, guest, f, four, six);
		*out = (struct plan_forward){ .guest = guest, .forward = f };
		if (four)
			out->target4 = target4;
		if (six)
			out->target6 = target6;
		out->active = ip_is_set(&out->target4) || ip_is_set(&out->target6);
		add_rule(m, net, guest, f, &out->target4);
		add_rule(m, net, guest, f, &out->target6);
	}
}

/* Nobody outside reaches a guest of an isolated network, a port of it included. */
static void check_isolated(struct make *m, struct net *net)
{
	for (size_t i = 0; i < net->d->n_guests && net->up; i++) {
		const struct d_guest *g = &net->d->guests[i];

		for (size_t j = 0; j < g->n_forwards; j++) {
			struct finding *f = report_add(m->report, SEVERITY_WARNING, &g->forwards[j].where,
						       net_key(m, net, arena_printf(m->arena, "guests.%s.forward", g->name)),
						       "nothing outside reaches an isolated network");
			report_help(f, "forwards need mode: nat");
		}
	}
}

void find_forwards(struct make *m, struct net *net)
{
	struct plan_result *r = net->result;
	size_t n = 0;

	if (!net->ours)
		return;
	if (net->d->mode != NET_MODE_NAT) {
		check_isolated(m, net);
		return;
	}
	for (size_t i = 0; i < net->d->n_guests; i++)
		n += net->d->guests[i].n_forwards;
	r->forwards = arena_alloc(m->arena, n, sizeof(*r->forwards));
	r->cap_forwards = n;
	for (size_t i = 0; i < net->d->n_guests; i++)
		find_guest(m, net, &net->d->guests[i]);
	for (size_t i = 0; i < net->n_rules; i++)
		r->hairpin |= nf_call(m, net, net->rules[i].target.family);
}

struct ops *plan_forward_ops(const struct plan_forward *forward, bool add)
{
	const struct d_forward *f = forward->forward;
	const struct ip *targets[] = { &forward->target4, &forward->target6 };
	struct ops *ops = ops_new();

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const struct ruleset_forward rule = {
			.proto = f->proto,
			.host = f->host,
			.host_first = f->host_first,
			.host_last = f->host_last,
			.guest_first = f->guest_first,
			.target = *targets[i],
			.from = f->from,
			.n_from = f->n_from,
		};
		const struct nft_elem *elems;
		size_t n;

		if (!ip_is_set(targets[i]) || (ip_is_set(&f->host) && f->host.family != targets[i]->family))
			continue;
		struct op *op = ops_add(ops, OP_NFT_ELEMS, OP_ACTION_CHANGE);
		ruleset_forward_elems(ops->arena, &rule, &elems, &n);
		op->object = "rules inet sixtap";
		op->what = arena_printf(ops->arena, "%s%zu element%s", add ? "+" : "−", n, n == 1 ? "" : "s");
		op->nft.family = NFPROTO_INET;
		if (add) {
			op->nft.add = elems;
			op->nft.n_add = n;
		} else {
			op->nft.del = elems;
			op->nft.n_del = n;
		}
	}
	return ops;
}

/* ---- one port, two forwards ---- */

struct claim {
	const struct d_forward *f;
	const struct d_guest *guest;
	struct net *net;
};

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->f->proto != y->f->proto)
		return x->f->proto < y->f->proto ? -1 : 1;
	if (x->f->host.family != y->f->host.family)
		return x->f->host.family < y->f->host.family ? -1 : 1;
	int c = ip_cmp(&x->f->host, &y->f->host);
	if (c)
		return c;
	if (x->f->host_first != y->f->host_first)
		return x->f->host_first < y->f->host_first ? -1 : 1;
	if (x->net->up != y->net->up)
		return x->net->up - y->net->up;	/* whoever is there already comes first */
	return y->f->runtime - x->f->runtime;
}

static void report_claim(struct make *m, const struct claim *first, const struct claim *second)
{
	const struct claim *late = second->net->up ? second : first, *early = late == second ? first : second;
	const char *key = arena_printf(m->arena, "guests.%s.forward", late->guest->name);
	uint16_t port = late->f->host_first > early->f->host_first ? late->f->host_first : early->f->host_first;
	struct finding *e = net_error(m, late->net, &late->f->where, key, "port %u/%s is forwarded to %s/%s already", port,
				      proto_name(late->f->proto), early->net->target->name, early->guest->name);

	if (e && early->f->runtime)
		report_help(e, "take another port, or  sixtap forward del %s/%s %s", early->net->target->name, early->guest->name,
			    early->f->spec);
	else if (e)
		report_help(e, "take another port");
}

void find_collisions(struct make *m)
{
	struct claim *claims = NULL;
	size_t n = 0, cap = 0, widest = 0;

	for (size_t i = 0; i < m->n_nets; i++) {
		struct net *net = &m->nets[i];

		for (size_t j = 0; net->ours && j < net->result->n_forwards; j++) {
			const struct plan_forward *f = &net->result->forwards[j];

			ARENA_GROW(m->arena, claims, n, cap);
			claims[n++] = (struct claim){ f->forward, f->guest, net };
		}
	}
	if (n == 0)
		return;
	qsort(claims, n, sizeof(*claims), claim_cmp);
	for (size_t i = 1; i < n; i++) {
		const struct d_forward *w = claims[widest].f, *f = claims[i].f;
		bool same = w->proto == f->proto && w->host.family == f->host.family && ip_eq(&w->host, &f->host);

		if (same && f->host_first <= w->host_last)
			report_claim(m, &claims[widest], &claims[i]);
		if (!same || f->host_last > w->host_last)
			widest = i;
	}
}
