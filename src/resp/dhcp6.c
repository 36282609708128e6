/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp6 - DHCPv6 server of one network
 *
 * Theory of operation: as resp/dhcp4.c, but nobody waits for a probe when more
 * clients come at once than addresses are probed: an IPv6 client probes for
 * duplicates itself, and declines (RFC 8415 18.2.10.1). Meanwhile none are sent:
 * each goes to every port of the bridge. Each identity association of a client
 * gets one address of the range; a declared guest gets all its declared
 * addresses in the first association of a message, whatever DUID and IAID it
 * comes with (a boot ROM and the system after it differ in both).
 *
 * A declared guest is known by the source MAC of its frame alone, which the
 * guards pin. A MAC inside a DUID is what the client says about itself: going by
 * it, any guest could ask for another's address.
 *
 * After the network was renumbered, a client that renews an address of the old
 * prefix gets one of the new besides, and the old one as it was promised: valid
 * to its end, but no longer preferred.
 *
 * Not supported: IA_TA, prefix delegation (answered NoPrefixAvail), relays,
 * reconfigure, authentication.
 */
#include "resp/dhcp6.h"

#include <assert.h>
#include <string.h>
#include "base/hash.h"
#include "net/eth.h"
#include "net/ipv6.h"
#include "net/udp.h"
#include "resp/binding.h"
#include "resp/probe.h"

#define PENDING_MAX 64u
#define PENDING_WAIT (100 * MONO_MS)
#define HURRY MONO_S
#define HOP_LIMIT 64
#define FACTS_PER_MESSAGE (SERVICE_HOST_IPS + DHCP6_IAS)	/* the declared ones, and one for each association */
#define DUID_UUID 4		/* RFC 6355 */

struct pending {
	struct dhcp6_msg msg;
	struct dhcp6_meta meta;
	mono_t until;
};

struct dhcp6 {
	struct service service;
	struct dhcp6_duid duid;
	struct bindings *bindings;
	struct probe probe;
	struct dhcp6_stats stats;
	mono_t hurried;				/* when an address was given that nobody had been asked about */
	struct pending *pending;		/* PENDING_MAX, the oldest first */
	uint32_t n_pending;
};

/* One reply being written. */
struct reply {
	struct wr w;
	size_t ip, udp;
	size_t first_fact;
};

int dhcp6_new(struct dhcp6 **ret, const uint8_t seed[static 16])
{
	struct dhcp6 *d = NEW(struct dhcp6);
	uint8_t key[16], *uuid = &d->duid.b[2];

	seed_derive(key, seed, "dhcp6 tables", NULL, NULL);
	d->bindings = bindings_new(AF_INET6, key);
	d->duid.len = 18;
	d->duid.b[1] = DUID_UUID;
	seed_derive(uuid, seed, "dhcp6 duid", NULL, NULL);	/* public, so not the seed itself */
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);		/* RFC 4122 4.4 */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	d->pending = xcalloc(PENDING_MAX, sizeof(*d->pending));
	probe_init(&d->probe);
	*ret = d;
	return 0;
}

struct dhcp6 *dhcp6_free(struct dhcp6 *d)
{
	if (!d)
		return NULL;
	bindings_free(d->bindings);
	free(d->pending);
	free(d);
	return NULL;
}

int dhcp6_configure(struct dhcp6 *d, const struct service *service, const struct service_host *hosts, size_t n_hosts,
		    mono_t now)
{
	(void)now;
	d->service = *service;
	d->n_pending = 0;
	if (service->dhcp6)
		bindings_configure(d->bindings, &service->gateway6, &service->range6, hosts, n_hosts, service->drains,
				   service->n_drains);
	return 0;
}

bool dhcp6_restore(struct dhcp6 *d, const struct lease *lease, mono_t now)
{
	return lease->ip.family == AF_INET6 && bindings_restore(d->bindings, lease, now);
}

/* --- replies ---------------------------------------------------------------- */

static struct binding_key key_of(const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, uint32_t iaid)
{
	return (struct binding_key){
		.mac = meta->src_mac, .iaid = iaid, .id_len = msg->client.len, .id = msg->client.b,
	};
}

static void tell(struct dhcp6 *d, enum fact_kind kind, const struct lease *lease, bool known, struct out *out)
{
	struct fact fact = { .kind = kind, .known = known, .lease = *lease };

	memcpy(fact.lease.network, d->service.network, sizeof(fact.lease.network));
	if (!out_fact(out, &fact))
		d->stats.n_overrun++;
}

static struct reply reply_begin(const struct dhcp6 *d, enum dhcp6_type type, const struct dhcp6_msg *to,
				const struct dhcp6_meta *meta, struct out *out)
{
	const struct service *s = &d->service;
	struct reply r = { .w = out_begin(out), .first_fact = out->n_facts };

	if (r.w.cap > ETH_HEADER_LEN + s->mtu && s->mtu > 0)
		r.w.cap = ETH_HEADER_LEN + s->mtu;
	eth_begin(&r.w, &meta->src_mac, &s->mac, ETH_TYPE_IP6);
	r.ip = ipv6_begin(&r.w, &s->link_local, &meta->src, IPPROTO_UDP, HOP_LIMIT);
	r.udp = udp_begin(&r.w, DHCP6_PORT_SERVER, DHCP6_PORT_CLIENT);
	dhcp6_begin(&r.w, type, to, &d->duid);
	return r;
}

static void reply_end(struct dhcp6 *d, struct reply *r, const struct dhcp6_msg *to, const struct dhcp6_meta *meta,
		      struct out *out)
{
	const struct service *s = &d->service;
	bool all = true;

	for (size_t i = 0; i < sizeof(to->wants) / sizeof(to->wants[0]); i++)
		all = all && to->wants[i] == 0;		/* RFC 8415 21.7 asks for a list; without one all is told */
	if (all || dhcp6_wants(to, DHCP6_OPT_DNS))
		dhcp6_put_dns(&r->w, s->dns6, s->n_dns6);
	if (s->domain[0] && (all || dhcp6_wants(to, DHCP6_OPT_DOMAINS)))
		dhcp6_put_domains(&r->w, s->domain);
	udp_end6(&r->w, r->udp, &s->link_local, &meta->src);
	ipv6_end(&r->w, r->ip);
	if (out_send_after(out, &r->w, OUT_SOCKET_IP6, r->first_fact))
		d->stats.n_reply++;
	else
		d->stats.n_overrun++;
}

static void put_ia_status(struct wr *w, uint32_t iaid, enum dhcp6_status status)
{
	size_t at = dhcp6_ia_begin(w, iaid, 0, 0);

	dhcp6_put_status(w, status);
	dhcp6_ia_end(w, at);
}

/* A prefix that is being withdrawn gives addresses that are valid, but not preferred. */
static uint32_t preferred_of(const struct dhcp6 *d, const struct ip *ip)
{
	const struct service *s = &d->service;

	for (uint32_t i = 0; i < s->n_prefixes && i < SERVICE_PREFIXES; i++) {
		struct prefix p = { .ip = ip6(s->prefixes[i].prefix), .len = s->prefixes[i].len };

		if (prefix_contains(&p, ip) && s->prefixes[i].preferred_s == 0)
			return 0;
	}
	return s->lease_s;
}

static void put_address(const struct dhcp6 *d, struct wr *w, struct binding *b)
{
	struct ip ip = binding_ip(d->bindings, b);

	dhcp6_ia_put_addr(w, &ip.v6, preferred_of(d, &ip), d->service.lease_s);
}

static size_t ia_begin(const struct dhcp6 *d, struct wr *w, uint32_t iaid)
{
	uint32_t lease_s = d->service.lease_s;

	return dhcp6_ia_begin(w, iaid, lease_s / 2, (uint32_t)((uint64_t)lease_s * 4 / 5));
}

/* --- choosing --------------------------------------------------------------- */

/* What an identity association gets. */
struct choice {
	struct binding *bs[SERVICE_HOST_IPS];
	size_t n;
	bool declared;
};

static bool on_link(const struct dhcp6 *d, const struct in6_addr *addr)
{
	struct ip ip = ip6(*addr);

	return prefix_contains(&d->service.gateway6, &ip);
}

/* Return: true when the client is a declared guest; the choice may be empty all the same. */
static bool choose_declared(struct dhcp6 *d, const struct dhcp6_meta *meta, size_t nth_ia, struct choice *ret)
{
	struct binding *bs[SERVICE_HOST_IPS];
	size_t n = bindings_declared(d->bindings, &meta->src_mac, bs);
	struct lease lease;

	*ret = (struct choice){ .declared = n > 0 };
	for (size_t i = 0; i < n && nth_ia == 0; i++) {
		binding_lease(d->bindings, bs[i], &lease);
		if (binding_state(bs[i]) != BINDING_STATE_LEASED || mac_eq(&lease.mac, &meta->src_mac))
			ret->bs[ret->n++] = bs[i];	/* else a former holder's, until the next tick */
	}
	return n > 0;
}

/* For SOLICIT and REQUEST. Return: 0, BINDING_E_WAIT or BINDING_E_FULL */
static int choose(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, size_t nth_ia,
		  mono_t now, struct choice *ret)
{
	const struct dhcp6_ia *ia = &msg->ias[nth_ia];
	struct binding_key key = key_of(msg, meta, ia->iaid);
	struct ip wish = { 0 };
	int r;

	if (choose_declared(d, meta, nth_ia, ret))
		return ret->n > 0 ? 0 : BINDING_E_FULL;
	if (ia->n_addrs > 0)
		wish = ip6(ia->addrs[0]);
	if (msg->type == DHCP6_REQUEST && ia->n_addrs > 0 &&
	    bindings_claim(d->bindings, &key, &wish, &ret->bs[0]) == 0) {
		ret->n = 1;
		return 0;
	}
	r = bindings_pick(d->bindings, &key, ia->n_addrs > 0 ? &wish : NULL, now, &ret->bs[0]);
	if (r == BINDING_E_WAIT) {
		ret->bs[0] = bindings_candidate(d->bindings, now);
		if (ret->bs[0]) {
			d->hurried = now;
			r = 0;
		}
	}
	ret->n = r == 0;
	return r;
}

static void lease_all(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, uint32_t iaid,
		      const struct choice *choice, mono_t now, struct out *out)
{
	struct binding_key key = key_of(msg, meta, iaid);
	const char *name = bindings_declared_name(d->bindings, &meta->src_mac);
	mono_t expires = mono_add(now, d->service.lease_s * MONO_S);
	struct lease lease;

	for (size_t i = 0; i < choice->n; i++) {
		struct binding *b = choice->bs[i];

		if (binding_state(b) == BINDING_STATE_READY)
			probe_taken(&d->probe, now);
		bool known = bindings_lease(d->bindings, b, &key, name ? name : msg->hostname, expires);
		binding_lease(d->bindings, b, &lease);
		tell(d, FACT_LEASE, &lease, known, out);
	}
}

static void offer_all(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, uint32_t iaid,
		      const struct choice *choice, mono_t now)
{
	struct binding_key key = key_of(msg, meta, iaid);

	for (size_t i = 0; i < choice->n; i++) {
		if (binding_state(choice->bs[i]) == BINDING_STATE_READY)
			probe_taken(&d->probe, now);
		bindings_offer(d->bindings, choice->bs[i], &key, now);
	}
}

static void put_choice(const struct dhcp6 *d, struct wr *w, uint32_t iaid, const struct choice *choice)
{
	size_t at = ia_begin(d, w, iaid);

	for (size_t i = 0; i < choice->n; i++)
		put_address(d, w, choice->bs[i]);
	dhcp6_ia_end(w, at);
}

static void put_no_prefixes(struct wr *w, const struct dhcp6_msg *msg)
{
	for (uint32_t i = 0; i < msg->n_pds; i++)
		dhcp6_put_no_prefix(w, msg->pd_iaids[i]);
}

/* --- SOLICIT and REQUEST -------------------------------------------------- */

/*
 * Reserve an address for each association first: when one has to wait, the
 * whole message does, and finds the same addresses when it is looked at again.
 */
static bool must_wait(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now)
{
	bool wait = false;

	for (uint32_t i = 0; i < msg->n_ias; i++) {
		struct choice choice;
		int r = choose(d, msg, meta, i, now, &choice);

		if (r == 0)
			offer_all(d, msg, meta, msg->ias[i].iaid, &choice, now);
		wait = wait || r == BINDING_E_WAIT;
	}
	return wait;
}

static void put_chosen_ias(struct dhcp6 *d, struct wr *w, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta,
			   bool lease, mono_t now, struct out *out)
{
	for (uint32_t i = 0; i < msg->n_ias; i++) {
		const struct dhcp6_ia *ia = &msg->ias[i];
		struct choice choice;

		if (msg->type == DHCP6_REQUEST && ia->n_addrs > 0 && !on_link(d, &ia->addrs[0])) {
			put_ia_status(w, ia->iaid, DHCP6_STATUS_NOT_ON_LINK);	/* RFC 8415 18.3.2 */
			continue;
		}
		if (choose(d, msg, meta, i, now, &choice)) {
			put_ia_status(w, ia->iaid, DHCP6_STATUS_NO_ADDRS_AVAIL);
			if (!choice.declared)
				d->stats.n_pool_full++;
			continue;
		}
		if (lease)
			lease_all(d, msg, meta, ia->iaid, &choice, now, out);
		put_choice(d, w, ia->iaid, &choice);
	}
	put_no_prefixes(w, msg);
}

static void answer_solicit(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
			   struct out *out)
{
	bool rapid = msg->type == DHCP6_SOLICIT && msg->rapid_commit;
	bool lease = rapid || msg->type == DHCP6_REQUEST;
	struct reply r = reply_begin(d, lease ? DHCP6_REPLY : DHCP6_ADVERTISE, msg, meta, out);

	if (rapid)
		dhcp6_put_rapid_commit(&r.w);
	if (!lease) {
		dhcp6_put_preference(&r.w, 255);	/* RFC 8415 18.2.1: the client needn't wait for others */
		d->stats.n_advertise++;
	}
	put_chosen_ias(d, &r.w, msg, meta, lease, now, out);
	reply_end(d, &r, msg, meta, out);
}

/* A client that asks again takes its old place. */
static void wait_for_probe(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now)
{
	for (uint32_t i = 0; i < d->n_pending; i++) {
		struct pending *p = &d->pending[i];

		if (mac_eq(&p->meta.src_mac, &meta->src_mac) && p->msg.client.len == msg->client.len &&
		    memcmp(p->msg.client.b, msg->client.b, msg->client.len) == 0) {
			p->msg = *msg;
			p->meta = *meta;
			return;
		}
	}
	if (d->n_pending == PENDING_MAX) {
		d->stats.n_overrun++;
		return;
	}
	d->pending[d->n_pending++] = (struct pending){ .msg = *msg, .meta = *meta, .until = now + PENDING_WAIT };
	d->stats.n_delayed++;
}

static void on_solicit(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
		       struct out *out)
{
	if (must_wait(d, msg, meta, now))
		wait_for_probe(d, msg, meta, now);
	else
		answer_solicit(d, msg, meta, now, out);
}

/* --- RENEW, REBIND, CONFIRM ------------------------------------------------- */

/* The client's lease of a prefix that drains. */
static struct binding *draining(const struct dhcp6 *d, const struct binding_key *key, const struct in6_addr *addr)
{
	struct ip ip = ip6(*addr);
	struct binding *b = bindings_at(d->bindings, &ip);

	return b && binding_drains(b) && binding_state(b) == BINDING_STATE_LEASED && bindings_is_for(d->bindings, b, key) ? b :
															      NULL;
}

/* What the client must give up, now or when a lease that drains ends. */
static void put_left(const struct dhcp6 *d, struct wr *w, const struct binding_key *key, const struct in6_addr *addr, mono_t now)
{
	struct binding *b = draining(d, key, addr);
	struct lease lease = { .expires = now };

	if (b)
		binding_lease(d->bindings, b, &lease);
	dhcp6_ia_put_addr(w, addr, 0, lease.expires > now ? (uint32_t)((lease.expires - now) / MONO_S) : 0);
}

/* What the association has, or may have again: its own, else the first of its addresses that is free; else a new one. */
static bool choose_renewed(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, size_t nth_ia,
			   mono_t now, struct choice *ret)
{
	const struct dhcp6_ia *ia = &msg->ias[nth_ia];
	struct binding_key key = key_of(msg, meta, ia->iaid);

	if (choose_declared(d, meta, nth_ia, ret))
		return ret->n > 0;
	for (uint32_t i = 0; i < ia->n_addrs; i++) {
		struct ip ip = ip6(ia->addrs[i]);

		if (bindings_claim(d->bindings, &key, &ip, &ret->bs[0]) == 0) {
			ret->n = 1;
			return true;
		}
	}
	for (uint32_t i = 0; i < ia->n_addrs; i++)
		if (draining(d, &key, &ia->addrs[i]) && bindings_pick(d->bindings, &key, NULL, now, &ret->bs[0]) == 0) {
			ret->n = 1;
			return true;
		}
	return false;
}

static bool is_chosen(const struct dhcp6 *d, const struct choice *choice, const struct in6_addr *addr)
{
	struct ip ip = ip6(*addr);

	for (size_t i = 0; i < choice->n; i++) {
		struct ip has = binding_ip(d->bindings, choice->bs[i]);

		if (ip_eq(&has, &ip))
			return true;
	}
	return false;
}

/* RFC 8415 18.3.4 and 18.3.5: addresses that the client must give up come with lifetimes of 0. */
static void on_renew(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
		     struct out *out)
{
	struct reply r = reply_begin(d, DHCP6_REPLY, msg, meta, out);

	for (uint32_t i = 0; i < msg->n_ias; i++) {
		const struct dhcp6_ia *ia = &msg->ias[i];
		struct binding_key key = key_of(msg, meta, ia->iaid);
		struct choice choice;
		size_t at;

		if (choose_renewed(d, msg, meta, i, now, &choice)) {
			lease_all(d, msg, meta, ia->iaid, &choice, now, out);
			at = ia_begin(d, &r.w, ia->iaid);
		} else if (ia->n_addrs == 0 || (msg->type == DHCP6_RENEW && on_link(d, &ia->addrs[0]))) {
			put_ia_status(&r.w, ia->iaid, DHCP6_STATUS_NO_BINDING);
			continue;
		} else {
			at = dhcp6_ia_begin(&r.w, ia->iaid, 0, 0);
		}
		for (size_t k = 0; k < choice.n; k++)
			put_address(d, &r.w, choice.bs[k]);
		for (uint32_t k = 0; k < ia->n_addrs; k++)
			if (!is_chosen(d, &choice, &ia->addrs[k]))
				put_left(d, &r.w, &key, &ia->addrs[k], now);
		dhcp6_ia_end(&r.w, at);
	}
	put_no_prefixes(&r.w, msg);
	reply_end(d, &r, msg, meta, out);
}

/* RFC 8415 18.3.3: only whether the addresses fit the link; without addresses there is no answer. */
static void on_confirm(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, struct out *out)
{
	bool all = true;
	size_t n = 0;

	for (uint32_t i = 0; i < msg->n_ias; i++) {
		for (uint32_t k = 0; k < msg->ias[i].n_addrs; k++, n++)
			all = all && on_link(d, &msg->ias[i].addrs[k]);
	}
	if (n == 0) {
		d->stats.n_ignored++;
		return;
	}
	struct reply r = reply_begin(d, DHCP6_REPLY, msg, meta, out);
	dhcp6_put_status(&r.w, all ? DHCP6_STATUS_SUCCESS : DHCP6_STATUS_NOT_ON_LINK);
	reply_end(d, &r, msg, meta, out);
}

/* --- RELEASE and DECLINE -------------------------------------------------- */

static bool give_back(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct binding_key *key,
		      const struct in6_addr *addr, mono_t now, struct out *out)
{
	struct ip ip = ip6(*addr);
	struct binding *b = bindings_at(d->bindings, &ip);
	struct lease lease;

	if (!b || binding_state(b) != BINDING_STATE_LEASED || !bindings_is_for(d->bindings, b, key))
		return false;
	if (msg->type == DHCP6_RELEASE) {
		binding_lease(d->bindings, b, &lease);
		lease.expires = now;
		bindings_release(d->bindings, b, now);
	} else {
		d->stats.n_conflict++;
		bindings_decline(d->bindings, b, now, &lease);
	}
	tell(d, FACT_LEASE_GONE, &lease, false, out);
	return true;
}

static void on_give_back(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
			 struct out *out)
{
	struct reply r = reply_begin(d, DHCP6_REPLY, msg, meta, out);

	dhcp6_put_status(&r.w, DHCP6_STATUS_SUCCESS);
	for (uint32_t i = 0; i < msg->n_ias; i++) {
		const struct dhcp6_ia *ia = &msg->ias[i];
		struct binding_key key = key_of(msg, meta, ia->iaid);
		bool any = false;

		for (uint32_t k = 0; k < ia->n_addrs; k++)
			any = give_back(d, msg, &key, &ia->addrs[k], now, out) || any;
		if (!any)
			put_ia_status(&r.w, ia->iaid, DHCP6_STATUS_NO_BINDING);
	}
	reply_end(d, &r, msg, meta, out);
}

/* --- input ------------------------------------------------------------------- */

/* RFC 8415 18.4: sent by unicast without our leave. */
static void refuse_unicast(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta,
			   struct out *out)
{
	if (msg->type == DHCP6_REQUEST || msg->type == DHCP6_RENEW || msg->type == DHCP6_RELEASE ||
	    msg->type == DHCP6_DECLINE) {
		struct reply r = reply_begin(d, DHCP6_REPLY, msg, meta, out);

		dhcp6_put_status(&r.w, DHCP6_STATUS_USE_MULTICAST);
		reply_end(d, &r, msg, meta, out);
	} else {
		d->stats.n_ignored++;
	}
}

static bool is_for_us(const struct dhcp6 *d, const struct dhcp6_msg *msg)
{
	return msg->server.len == 0 ||
	       (msg->server.len == d->duid.len && memcmp(msg->server.b, d->duid.b, d->duid.len) == 0);
}

/* The client chose another server: what it was offered is free again. */
static void take_offers_back(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now)
{
	for (uint32_t i = 0; msg->type == DHCP6_REQUEST && i < msg->n_ias; i++) {
		struct binding_key key = key_of(msg, meta, msg->ias[i].iaid);
		struct binding *b = bindings_of(d->bindings, &key);

		if (b && binding_state(b) == BINDING_STATE_OFFERED)
			bindings_release(d->bindings, b, now);
	}
}

int dhcp6_input(struct dhcp6 *d, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
		struct out *out)
{
	struct ip src = ip6(meta->src);

	if (!d->service.dhcp6)
		return 0;
	if (!ip_is_link_local(&src) || !is_for_us(d, msg)) {
		take_offers_back(d, msg, meta, now);
		d->stats.n_ignored++;
		return 0;
	}
	if (!out_has_room(out) || out->n_facts + FACTS_PER_MESSAGE > OUT_FACTS) {
		d->stats.n_overrun++;
		return 0;
	}
	if (!IN6_IS_ADDR_MULTICAST(&meta->dst)) {
		refuse_unicast(d, msg, meta, out);
		return 0;
	}
	switch (msg->type) {
	case DHCP6_SOLICIT:
		d->stats.n_solicit++;
		on_solicit(d, msg, meta, now, out);
		break;
	case DHCP6_REQUEST:
		d->stats.n_request++;
		on_solicit(d, msg, meta, now, out);
		break;
	case DHCP6_CONFIRM:
		d->stats.n_confirm++;
		on_confirm(d, msg, meta, out);
		break;
	case DHCP6_RENEW:
		d->stats.n_renew++;
		on_renew(d, msg, meta, now, out);
		break;
	case DHCP6_REBIND:
		d->stats.n_rebind++;
		on_renew(d, msg, meta, now, out);
		break;
	case DHCP6_RELEASE:
		d->stats.n_release++;
		on_give_back(d, msg, meta, now, out);
		break;
	case DHCP6_DECLINE:
		d->stats.n_decline++;
		on_give_back(d, msg, meta, now, out);
		break;
	case DHCP6_INFORMATION_REQUEST: {
		struct reply r = reply_begin(d, DHCP6_REPLY, msg, meta, out);

		d->stats.n_information++;
		reply_end(d, &r, msg, meta, out);
		break;
	}
	case DHCP6_ADVERTISE:
	case DHCP6_REPLY:
	case DHCP6_RECONFIGURE:
	case DHCP6_RELAY_FORW:
	case DHCP6_RELAY_REPL:
		assert(0);			/* dhcp6_parse() lets none pass */
	}
	return 0;
}

/* --- the rest ---------------------------------------------------------- */

void dhcp6_seen(struct dhcp6 *d, const struct ip *ip, const struct mac *mac, mono_t now)
{
	if (d->service.dhcp6 && !mac_eq(mac, &d->service.mac) && bindings_seen(d->bindings, ip, mac, now))
		d->stats.n_conflict++;
}

void dhcp6_not_saved(struct dhcp6 *d, const struct lease *lease, mono_t now)
{
	bindings_not_saved(d->bindings, lease, now);
}

bool dhcp6_forget(struct dhcp6 *d, const struct ip *ip, mono_t now, struct out *out)
{
	struct lease lease;

	(void)now;
	if (out->n_facts >= OUT_FACTS || !bindings_end(d->bindings, ip, &lease))
		return false;
	tell(d, FACT_LEASE_GONE, &lease, false, out);
	return true;
}

mono_t dhcp6_deadline(const struct dhcp6 *d)
{
	mono_t at = bindings_deadline(d->bindings);

	if (d->n_pending > 0)
		at = mono_min(at, d->pending[0].until);
	if (!d->service.dhcp6 || probe_deadline(&d->probe, d->bindings) == MONO_NEVER)
		return at;
	return mono_min(at, d->hurried ? mono_add(d->hurried, HURRY) : 0);
}

/* Answer what waits for a probe, in order; what has waited long enough is answered with what there is. */
static void serve_pending(struct dhcp6 *d, mono_t now, struct out *out)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < d->n_pending; i++) {
		struct pending *p = &d->pending[i];
		bool room = out_has_room(out) && out->n_facts + FACTS_PER_MESSAGE <= OUT_FACTS;

		if (room && (now >= p->until || !must_wait(d, &p->msg, &p->meta, now))) {
			answer_solicit(d, &p->msg, &p->meta, now, out);
			continue;
		}
		if (n_left != i)
			d->pending[n_left] = *p;
		n_left++;
	}
	d->n_pending = n_left;
}

int dhcp6_tick(struct dhcp6 *d, mono_t now, struct out *out)
{
	struct lease lease;

	while (out->n_facts < OUT_FACTS / 2 && bindings_expire(d->bindings, now, &lease))
		tell(d, FACT_LEASE_GONE, &lease, false, out);
	if (!d->service.dhcp6)
		return 0;
	serve_pending(d, now, out);
	if (d->hurried && now >= mono_add(d->hurried, HURRY))
		d->hurried = 0;
	if (!d->hurried)
		probe_fill(&d->probe, d->bindings, &d->service, now, out);
	return 0;
}

const struct dhcp6_stats *dhcp6_stats(const struct dhcp6 *d)
{
	return &d->stats;
}

uint32_t dhcp6_n_leases(const struct dhcp6 *d)
{
	return bindings_n_leased(d->bindings);
}
