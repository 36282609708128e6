/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - whose port it is, and who owns which address
 *
 * Theory of operation: with spoof-check, every port of a bridge of ours (taps
 * we made, and what others put there; not the bridge itself) may send from one
 * MAC only: its guest's, or for ports of others the first that was seen there.
 * Each address has at most one owner, a MAC; what the guards do with that says
 * src/bpf/guard.bpf.c. Owners, the strongest first:
 * 1. the bridge: the gateway's addresses, those of prefixes that drain, and what somebody else gave it;
 * 2. declared guests: their addresses, whether they run or not;
 * 3. leases;
 * 4. ports with a known MAC and declared guests: the addresses that SLAAC makes
 *    of their MACs (EUI-64), so that nobody takes them before they start;
 * 5. ports that are there: what they were seen to use.
 * An address without an owner may be used by everybody: so a guest makes as
 * many as it likes in the on-link prefix.
 *
 * Guards check MACs themselves, although a locked port with a static FDB entry
 * could: they come before the bridge's look at the lock, so a stolen MAC would
 * still reach meters and claims, and keep others from addresses that are free.
 * And the lock is one lookup more: small frames from tap to tap (CPU time of
 * each, Linux 6.18, n = 15) took 1.4 to 2.2 % more with eBPF that leaves MACs to
 * the lock, and with nftables that does, 0.9 to 1.4 % less.
 */
#include "plan/make.h"

#include <linux/netfilter.h>

enum claim_by {
	CLAIM_BY_BRIDGE,
	CLAIM_BY_DECLARATION,
	CLAIM_BY_LEASE,
	CLAIM_BY_MAC,
	CLAIM_BY_USE,
};

struct claim {
	struct ip ip;
	struct mac mac;
	enum claim_by by;
};

struct claims {
	struct arena *arena;
	struct claim *claims;
	size_t n, cap;
};

static void claim(struct claims *c, enum claim_by by, const struct ip *ip, const struct mac *mac)
{
	if (!ip_is_set(ip) || ip_is_unspecified(ip) || mac_is_zero(mac))
		return;
	ARENA_GROW(c->arena, c->claims, c->n, c->cap);
	struct claim *new = &c->claims[c->n++];
	*new = (struct claim){ .mac = *mac, .by = by, .ip.family = ip->family };
	memcpy(new->ip.b, ip->b, ip_size(ip));
}

static int cmp_claim(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int c = ip_cmp(&x->ip, &y->ip);

	if (c)
		return c;
	if (x->by != y->by)
		return x->by < y->by ? -1 : 1;
	return memcmp(&x->mac, &y->mac, sizeof(x->mac));
}

static void claim_in(struct claims *c, const struct prefix *p, struct ip ip, const struct mac *mac)
{
	if (p->ip.family != AF_INET6 || p->len != 64)
		return;
	memcpy(ip.b, p->ip.b, 8);
	claim(c, CLAIM_BY_MAC, &ip, mac);
}

static void claim_eui64(struct claims *c, const struct net *net, const struct mac *mac)
{
	const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80 } };
	struct ip ip = ip6(ip6_eui64(&link_local, mac));

	claim(c, CLAIM_BY_MAC, &ip, mac);
	claim_in(c, &net->result->address6, ip, mac);
	for (size_t i = 0; i < net->result->n_drains; i++)
		claim_in(c, &net->result->drains[i].gateway, ip, mac);
}

/* ---- ports ---- */

static const struct nft_elem *find_elem(const struct w_table *table, const char *set, const void *key, size_t n)
{
	for (size_t i = 0; i < table->n_elems; i++) {
		const struct nft_elem *e = &table->elems[i];

		if (str_eq(e->set, set) && memcmp(e->key, key, n) == 0)
			return e;
	}
	return NULL;
}

/* What the guards have learnt of a port of somebody else. */
static bool learnt_mac(const struct make *m, const struct w_link *port, uint32_t group, struct mac *ret)
{
	const struct nft_elem *e;
	char name[16] = { 0 };

	if (m->world->guard.present) {
		e = find_elem(&m->world->guard, "port", &port->ifindex, sizeof(port->ifindex));
		if (!e || e->data_len != GUARD_PORT_DATA || memcmp(e->data, &group, sizeof(group)) != 0)
			return false;
		memcpy(ret->b, e->data + sizeof(group), sizeof(ret->b));
		return !mac_is_zero(ret);
	}
	(void)str_copy(name, sizeof(name), port->name);
	e = find_elem(&m->world->bridge, "learnt_macs", name, sizeof(name));
	if (e)
		memcpy(ret->b, e->key + sizeof(name), sizeof(ret->b));
	return e != NULL;
}

static const struct mac *guest_mac(const struct net *net, const struct w_link *port)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (!str_eq(port->kind, "tun") || !alias_parse(port->alias, network, guest) || !guest[0] ||
	    !str_eq(network, net->target->name))
		return NULL;
	const struct d_guest *g = desired_guest(net->d, guest);

	return g ? &g->mac : NULL;
}

static int cmp_mac(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mac));
}

struct macs {
	struct mac *macs;
	size_t n, cap;
};

/* A port of the bridge, or a tap of ours that emit_ports() puts into it. */
static bool is_port(const struct net *net, const struct w_link *link)
{
	if (net->link && !net->creates && link->master == net->link->ifindex)
		return true;
	return net->up && (link->master == 0 || net->creates) && guest_mac(net, link);
}

/* The ports, and (sorted) the MACs that are there. */
static void find_ports(struct make *m, const struct net *net, struct ruleset_network *ret, struct macs *macs)
{
	struct ruleset_port *ports = NULL;
	size_t cap = 0;

	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *port = &m->world->links[i];
		struct mac mac = { 0 };

		if (!is_port(net, port))
			continue;
		const struct mac *own = guest_mac(net, port);
		ARENA_GROW(m->arena, ports, ret->n_ports, cap);
		struct ruleset_port *p = &ports[ret->n_ports++];
		*p = (struct ruleset_port){ .name = port->name, .ifindex = port->ifindex };
		if (own)
			p->mac = mac = *own;
		else if (learnt_mac(m, port, ret->group, &mac) && m->world->guard.present)
			p->mac = mac;
		if (mac_is_zero(&mac))
			continue;
		ARENA_GROW(m->arena, macs->macs, macs->n, macs->cap);
		macs->macs[macs->n++] = mac;
	}
	if (macs->n > 1)
		qsort(macs->macs, macs->n, sizeof(*macs->macs), cmp_mac);
	ret->ports = ports;
}

/* ---- owners ---- */

static void claim_bridge(struct make *m, const struct net *net, const struct ruleset_network *n, struct claims *c)
{
	const struct ip link_local = ip6(n->link_local);

	claim(c, CLAIM_BY_BRIDGE, &n->gateway4.ip, &net->d->mac);
	claim(c, CLAIM_BY_BRIDGE, &n->gateway6.ip, &net->d->mac);
	claim(c, CLAIM_BY_BRIDGE, &link_local, &net->d->mac);
	for (size_t i = 0; i < net->result->n_drains; i++)
		claim(c, CLAIM_BY_BRIDGE, &net->result->drains[i].gateway.ip, &net->d->mac);
	for (size_t i = 0; net->link && i < m->world->n_addrs; i++)
		if (m->world->addrs[i].ifindex == net->link->ifindex && m->world->addrs[i].proto != SIXTAP_PROTO)
			claim(c, CLAIM_BY_BRIDGE, &m->world->addrs[i].prefix.ip, &net->d->mac);
}

static void claim_guests(struct make *m, const struct net *net, const struct macs *macs, struct claims *c)
{
	const struct plan_facts *f = m->facts;

	for (size_t i = 0; i < net->d->n_guests; i++) {
		const struct d_guest *g = &net->d->guests[i];

		for (size_t k = 0; k < g->n_ips; k++)
			claim(c, CLAIM_BY_DECLARATION, &g->ips[k], &g->mac);
		claim_eui64(c, net, &g->mac);
	}
	for (size_t i = 0; i < macs->n; i++)
		claim_eui64(c, net, &macs->macs[i]);
	for (size_t i = 0; i < f->n_holders; i++) {
		const struct plan_holder *h = &f->holders[i];

		if (!str_eq(h->network, net->target->name))
			continue;
		if (h->leased)
			claim(c, CLAIM_BY_LEASE, &h->ip, &h->mac);
		else if (macs->n > 0 && bsearch(&h->mac, macs->macs, macs->n, sizeof(*macs->macs), cmp_mac))
			claim(c, CLAIM_BY_USE, &h->ip, &h->mac);
	}
}

/* The strongest claim to each address. */
static void settle_claims(struct claims *c, const struct ruleset_owner **ret, size_t *ret_n)
{
	struct ruleset_owner *owners;
	size_t n = 0;

	if (c->n == 0)
		return;
	qsort(c->claims, c->n, sizeof(*c->claims), cmp_claim);
	owners = arena_alloc(c->arena, c->n, sizeof(*owners));
	for (size_t i = 0; i < c->n; i++)
		if (i == 0 || ip_cmp(&c->claims[i].ip, &c->claims[i - 1].ip) != 0)
			owners[n++] = (struct ruleset_owner){ c->claims[i].ip, c->claims[i].mac };
	*ret = owners;
	*ret_n = n;
}

static void find_owners(struct make *m, const struct net *net, const struct macs *macs, struct ruleset_network *ret)
{
	struct claims c = { .arena = m->arena };

	claim_bridge(m, net, ret, &c);
	claim_guests(m, net, macs, &c);
	settle_claims(&c, &ret->owners, &ret->n_owners);
}

/* Ports and owners of a network with spoof-check; gateways are filled in already. */
void find_guard(struct make *m, const struct net *net, struct ruleset_network *ret)
{
	struct macs macs = { 0 };

	if (!net->d->spoof_check)
		return;
	ret->guarded = true;
	ret->guarded_by_bpf = m->world->guard.present;
	ret->group = network_group(net->target->name);
	find_ports(m, net, ret, &macs);
	find_owners(m, net, &macs, ret);
}

/*
 * Mode macvtap: guests are on a LAN that others are on too. Nobody here speaks for the host's own addresses, or for
 * those that it has routes through: a MAC that no guest has, the lower device's, stands for whoever does.
 */
static void claim_lan(struct make *m, const struct net *net, struct claims *c)
{
	const struct world *w = m->world;

	for (size_t i = 0; i < w->n_addrs; i++)
		if (w->addrs[i].ifindex == net->lower->ifindex)
			claim(c, CLAIM_BY_BRIDGE, &w->addrs[i].prefix.ip, &net->lower->mac);
	claim(c, CLAIM_BY_BRIDGE, &net->d->host_address4.ip, &net->d->mac);
	claim(c, CLAIM_BY_BRIDGE, &net->d->host_address6.ip, &net->d->mac);
	for (size_t i = 0; i < w->n_routes; i++)
		if (w->routes[i].oif == net->lower->ifindex)
			claim(c, CLAIM_BY_BRIDGE, &w->routes[i].gateway, &net->lower->mac);
}

/* Devices of guests that run (those that this plan makes, too), and owners. */
void find_guard_macvtap(struct make *m, const struct net *net, struct ruleset_macvtap *ret)
{
	struct claims c = { .arena = m->arena };
	struct ruleset_port *ports = NULL;
	struct macs macs = { 0 };
	size_t cap = 0;

	*ret = (struct ruleset_macvtap){ .group = network_group(net->target->name), .guarded = net->d->spoof_check && !m->world->no_egress,
					 .host = macvtap_filtered_host(net) };
	for (size_t i = 0; i < net->d->n_guests; i++) {
		const struct d_guest *g = &net->d->guests[i];
		const char *name = g->device;
		char guest[GUEST_NAME_MAX + 1];

		if (!name)
			continue;
		for (size_t k = 0; k < m->world->n_links; k++)	/* somebody may have renamed it */
			if (macvtap_of(net, &m->world->links[k], guest) && str_eq(guest, g->name))
				name = m->world->links[k].name;
		ARENA_GROW(m->arena, ports, ret->n_ports, cap);
		ports[ret->n_ports++] = (struct ruleset_port){ .name = name, .mac = g->mac };
		ARENA_GROW(m->arena, macs.macs, macs.n, macs.cap);
		macs.macs[macs.n++] = g->mac;
	}
	ret->ports = ports;
	if (!ret->guarded || !net->lower)
		return;
	if (macs.n > 1)
		qsort(macs.macs, macs.n, sizeof(*macs.macs), cmp_mac);
	claim_lan(m, net, &c);
	claim_guests(m, net, &macs, &c);
	settle_claims(&c, &ret->owners, &ret->n_owners);
}

/* An element of table bridge that begins with the mark of a network which the plan was told of. */
bool guard_knows(const struct make *m, const struct nft_elem *e)
{
	uint32_t group = 0;

	if (strncmp(e->set, "owne", 4) != 0)
		return false;
	memcpy(&group, e->key, sizeof(group));
	for (size_t i = 0; i < m->n_nets; i++)
		if (network_group(m->nets[i].target->name) == group)
			return true;
	return false;
}

/* What the rules have learnt of a port stays as long as it is a port. */
bool guard_keeps(const struct make *m, const struct nft_elem *e)
{
	char name[17] = "";
	const struct w_link *port;

	if (strncmp(e->set, "learnt", 6) != 0 || m->world->guard.present)
		return false;
	memcpy(name, e->key, 16);
	port = world_link_by_name(m->world, name);
	for (size_t i = 0; port && port->master && i < m->n_nets; i++) {
		const struct net *net = &m->nets[i];

		if (net->ours && net->d->spoof_check && net->link && !net->removes && net->link->ifindex == port->master)
			return !guest_mac(net, port);
	}
	return false;
}
