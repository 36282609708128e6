/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh - which addresses guests of a network use
 *
 * Theory of operation. Two bounded tables: addresses with the MAC that was told
 * last, and MACs with a budget of addresses: a guest that makes up addresses
 * spends its own 64 (one comes back each minute), not the memory and the
 * attention of others. When the table is full, the address that was silent for
 * the longest time is forgotten, and told again when it speaks.
 */
#include "resp/neigh.h"

#include "resp/seen.h"

#define NEIGH_ADDRESSES 8192
#define NEIGH_GUESTS 2048
#define NEIGH_BUDGET 64
#define NEIGH_BUDGET_BACK (60 * MONO_S)
#define NEIGH_REFRESH (300 * MONO_S)

struct neigh {
	struct service service;
	struct seen *addresses;
	struct seen *guests;	/* count: addresses spent; at: when the last one came back */
	uint64_t n_held_back;
};

int neigh_new(struct neigh **ret, const struct service *service, uint64_t seed)
{
	_cleanup_(neigh_freep) struct neigh *neigh = NEW(struct neigh);
	int r = seen_new(&neigh->addresses, NEIGH_ADDRESSES, seed);

	if (r == 0)
		r = seen_new(&neigh->guests, NEIGH_GUESTS, seed);
	if (r < 0)
		return r;
	neigh->service = *service;
	*ret = STEAL_PTR(neigh);
	return 0;
}

struct neigh *neigh_free(struct neigh *neigh)
{
	if (!neigh)
		return NULL;
	seen_free(neigh->addresses);
	seen_free(neigh->guests);
	free(neigh);
	return NULL;
}

void neigh_configure(struct neigh *neigh, const struct service *service)
{
	neigh->service = *service;
}

static bool spend(struct neigh *neigh, const struct mac *mac, mono_t now)
{
	struct seen_key key = seen_key_mac(mac);
	bool is_new;
	struct seen_entry *guest = seen_put(neigh->guests, &key, &is_new);

	if (guest->count > 0) {
		uint64_t back = (now - guest->at) / NEIGH_BUDGET_BACK;

		guest->count = back < guest->count ? (uint16_t)(guest->count - back) : 0;
		guest->at += back * NEIGH_BUDGET_BACK;
	}
	if (guest->count == 0)
		guest->at = now;
	if (guest->count == NEIGH_BUDGET) {
		neigh->n_held_back++;
		return false;
	}
	guest->count++;
	return true;
}

static bool is_ours(const struct service *s, const struct ip *ip)
{
	struct ip link_local = ip6(s->link_local);

	for (uint32_t i = 0; i < s->n_drains; i++)
		if (ip_eq(ip, &s->drains[i].gateway.ip))
			return true;
	return ip_eq(ip, &s->gateway4.ip) || ip_eq(ip, &s->gateway6.ip) || ip_eq(ip, &link_local);
}

static void heard(struct neigh *neigh, const struct ip *ip, const struct mac *mac, mono_t now, struct out *out)
{
	struct seen_key key = seen_key_ip(ip);

	if (ip_is_unspecified(ip) || ip_is_multicast(ip) || ip_is_loopback(ip) || is_ours(&neigh->service, ip))
		return;

	struct seen_entry *e = seen_get(neigh->addresses, &key);
	bool known = e && mac_eq(&e->mac, mac);
	if (known && e->told && now < mono_add(e->at, NEIGH_REFRESH))
		return;
	if (!known) {
		bool is_new;

		if (!spend(neigh, mac, now))
			return;
		e = seen_put(neigh->addresses, &key, &is_new);
		e->mac = *mac;
	}

	struct fact fact = { .kind = FACT_NEIGHBOUR, .neighbour = { .ip = *ip, .mac = *mac, .last_seen = now } };
	memcpy(fact.neighbour.network, neigh->service.network, sizeof(fact.neighbour.network));
	e->told = out_fact(out, &fact);
	e->at = now;
}

void neigh_ns(struct neigh *neigh, const struct ndp_ns *ns, const struct mac *mac, mono_t now, struct out *out)
{
	struct ip ip = ip6(ns->src);

	if (ns->has_slla && mac_eq(&ns->slla, mac))
		heard(neigh, &ip, mac, now, out);
}

void neigh_na(struct neigh *neigh, const struct ndp_na *na, const struct mac *mac, mono_t now, struct out *out)
{
	struct ip ip = ip6(na->target);

	/* A unicast answer may go without the option (RFC 4861 4.4): its source then is the target itself. */
	if (na->has_tlla ? mac_eq(&na->tlla, mac) : IN6_ARE_ADDR_EQUAL(&na->src, &na->target))
		heard(neigh, &ip, mac, now, out);
}

void neigh_rs(struct neigh *neigh, const struct ndp_rs *rs, const struct mac *mac, mono_t now, struct out *out)
{
	struct ip ip = ip6(rs->src);

	if (rs->has_slla && mac_eq(&rs->slla, mac))
		heard(neigh, &ip, mac, now, out);
}

void neigh_arp(struct neigh *neigh, const struct arp *arp, const struct mac *mac, mono_t now, struct out *out)
{
	struct ip ip = ip4(arp->sender);

	if (mac_eq(&arp->sender_mac, mac))
		heard(neigh, &ip, mac, now, out);
}

uint64_t neigh_n_held_back(const struct neigh *neigh)
{
	return neigh->n_held_back;
}
