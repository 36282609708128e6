/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp4 - DHCPv4 server of one network
 *
 * Theory of operation: a message is answered at once from the table of bindings.
 * Only a DISCOVER that finds no probed address waits, at most 1.5 s, in a
 * pending table of fixed size; dhcp4_tick() answers it, in the end with an
 * address that nobody was asked about. The server is
 * authoritative: nobody else answers DHCP on its network, so a request for an
 * address that it can't give is answered with a NAK.
 *
 * Replies go to the client's MAC with the offered address as the destination
 * (RFC 2131 4.1) unless the broadcast flag is set: the kernel's neighbour table
 * isn't asked. A frame whose source isn't chaddr is dropped, so that the guards
 * which pin a guest's MAC also pin the address it can ask for.
 *
 * After the network was renumbered, leases of the old prefix run on, but aren't
 * renewed: a client that tries (half way through its lease) gets a NAK from the
 * address it knows as its server's, and starts anew (RFC 2131 4.4.5). Then its
 * old lease is over: an IPv4 client has one address.
 */
#include "resp/dhcp4.h"

#include <assert.h>
#include <string.h>
#include "base/hash.h"
#include "net/eth.h"
#include "net/ipv4.h"
#include "net/udp.h"
#include "resp/binding.h"
#include "resp/probe.h"

#define PENDING_MAX 1024u			/* a whole bridge of guests that start at once */
#define PENDING_WAIT (1500 * MONO_MS)	/* probes go to every port of the bridge, and a thousand of them take a second */
#define TTL 64
#define HTYPE_ETHERNET 1	/* the type in front of a client id that is a MAC */

struct pending {
	struct dhcp4_msg msg;
	struct dhcp4_meta meta;
	mono_t until;
};

struct dhcp4 {
	struct service service;
	struct bindings *bindings;
	struct probe probe;
	struct dhcp4_stats stats;
	struct pending pending[PENDING_MAX];	/* the oldest first */
	uint32_t n_pending;
};

static const struct in_addr broadcast_ip = { .s_addr = INADDR_BROADCAST };
static const struct mac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

int dhcp4_new(struct dhcp4 **ret, const uint8_t seed[static 16])
{
	struct dhcp4 *d = NEW(struct dhcp4);
	uint8_t key[16];

	seed_derive(key, seed, "dhcp4 tables", NULL, NULL);
	d->bindings = bindings_new(AF_INET, key);
	probe_init(&d->probe);
	*ret = d;
	return 0;
}

struct dhcp4 *dhcp4_free(struct dhcp4 *d)
{
	if (!d)
		return NULL;
	bindings_free(d->bindings);
	free(d);
	return NULL;
}

int dhcp4_configure(struct dhcp4 *d, const struct service *service, const struct service_host *hosts, size_t n_hosts,
		    mono_t now)
{
	(void)now;
	d->service = *service;
	d->n_pending = 0;
	if (service->dhcp4)
		bindings_configure(d->bindings, &service->gateway4, &service->range4, hosts, n_hosts, service->drains,
				   service->n_drains);
	return 0;
}

bool dhcp4_restore(struct dhcp4 *d, const struct lease *lease, mono_t now)
{
	return lease->ip.family == AF_INET && bindings_restore(d->bindings, lease, now);
}

/* --- replies ---------------------------------------------------------------- */

/*
 * An id that is only the MAC again is none: a boot ROM, an installer and the system
 * after them, which differ in whether they send it, are one client (RFC 2131 4.2).
 */
static struct binding_key key_of(const struct dhcp4_msg *msg)
{
	if (msg->client_id_len == 1 + sizeof(msg->chaddr.b) && msg->client_id[0] == HTYPE_ETHERNET &&
	    memcmp(msg->client_id + 1, msg->chaddr.b, sizeof(msg->chaddr.b)) == 0)
		return (struct binding_key){ .mac = msg->chaddr };
	return (struct binding_key){ .mac = msg->chaddr, .id_len = msg->client_id_len, .id = msg->client_id };
}

static void tell(struct dhcp4 *d, enum fact_kind kind, const struct lease *lease, bool known, struct out *out)
{
	struct fact fact = { .kind = kind, .known = known, .lease = *lease };

	memcpy(fact.lease.network, d->service.network, sizeof(fact.lease.network));
	if (!out_fact(out, &fact))
		d->stats.n_overrun++;
}

static struct in_addr mask_of(uint8_t len)
{
	return (struct in_addr){ .s_addr = len ? htonl(UINT32_MAX << (32 - len)) : 0 };
}

/* RFC 2131 4.1: where a reply goes. */
static void destination(const struct dhcp4_reply *reply, struct in_addr *ret_ip, struct mac *ret_mac)
{
	*ret_mac = reply->to->chaddr;
	if (reply->type != DHCP4_NAK && reply->to->ciaddr.s_addr != 0) {
		*ret_ip = reply->to->ciaddr;
	} else if (reply->type == DHCP4_NAK || reply->to->broadcast) {
		*ret_ip = broadcast_ip;
		*ret_mac = broadcast_mac;
	} else {
		*ret_ip = reply->yiaddr;
	}
}

static bool send_reply(struct dhcp4 *d, const struct dhcp4_reply *reply, struct out *out, size_t first_fact)
{
	const struct service *s = &d->service;
	struct wr w = out_begin(out);
	struct in_addr dst;
	struct mac mac;

	destination(reply, &dst, &mac);
	eth_begin(&w, &mac, &s->mac, ETH_TYPE_IP4);
	size_t ip = ipv4_begin(&w, reply->server_id, dst, IPPROTO_UDP, TTL);
	size_t udp = udp_begin(&w, DHCP4_PORT_SERVER, DHCP4_PORT_CLIENT);
	dhcp4_build(&w, reply);
	udp_end4(&w, udp, reply->server_id, dst);
	ipv4_end(&w, ip);
	if (out_send_after(out, &w, OUT_SOCKET_IP4, first_fact))
		return true;
	d->stats.n_overrun++;
	return false;
}

/* What OFFER and ACK have in common; lease times only with an address of ours. */
static void fill_reply(const struct dhcp4 *d, struct dhcp4_reply *reply)
{
	const struct service *s = &d->service;

	reply->server_id = s->gateway4.ip.v4;
	reply->mask = mask_of(s->gateway4.len);
	if (s->gateway4.len <= 30)
		reply->broadcast = prefix_last(&s->gateway4).v4;
	if (s->routes)
		reply->router = s->gateway4.ip.v4;
	reply->dns = s->dns4;
	reply->n_dns = s->n_dns4;
	reply->mtu = (uint16_t)(s->mtu <= UINT16_MAX ? s->mtu : 0);
	reply->domain = s->domain[0] ? s->domain : NULL;
	reply->hostname = bindings_declared_name(d->bindings, &reply->to->chaddr);
	if (reply->yiaddr.s_addr != 0) {
		reply->lease_s = s->lease_s;
		reply->t1_s = s->lease_s / 2;
		reply->t2_s = (uint32_t)((uint64_t)s->lease_s * 7 / 8);
	}
}

/* Who the client takes us for: our address in the prefix of the address it has. */
static struct in_addr server_of(const struct dhcp4 *d, const struct dhcp4_msg *msg)
{
	struct ip asked = ip4(msg->ciaddr.s_addr ? msg->ciaddr : msg->requested);
	const struct service_drain *drain = service_draining(&d->service, &asked);

	return drain && !prefix_contains(&d->service.gateway4, &asked) ? drain->gateway.ip.v4 : d->service.gateway4.ip.v4;
}

static bool is_us(const struct dhcp4 *d, struct in_addr server_id)
{
	for (uint32_t i = 0; i < d->service.n_drains; i++) {
		const struct ip *ip = &d->service.drains[i].gateway.ip;

		if (ip->family == AF_INET && ip->v4.s_addr == server_id.s_addr)
			return true;
	}
	return server_id.s_addr == d->service.gateway4.ip.v4.s_addr;
}

static void send_nak(struct dhcp4 *d, const struct dhcp4_msg *msg, const char *why, struct out *out)
{
	struct dhcp4_reply reply = { .type = DHCP4_NAK, .to = msg, .server_id = server_of(d, msg), .message = why };

	if (send_reply(d, &reply, out, out->n_facts))
		d->stats.n_nak++;
}

static void send_ack(struct dhcp4 *d, const struct dhcp4_msg *msg, struct binding *b, mono_t now, struct out *out)
{
	struct binding_key key = key_of(msg);
	const char *name = bindings_declared_name(d->bindings, &msg->chaddr);
	mono_t expires = mono_add(now, d->service.lease_s * MONO_S);
	struct dhcp4_reply reply = { .type = DHCP4_ACK, .to = msg, .yiaddr = binding_ip(d->bindings, b).v4 };
	size_t first_fact = out->n_facts;
	struct lease lease;

	bool known = bindings_lease(d->bindings, b, &key, name ? name : msg->hostname, expires);
	binding_lease(d->bindings, b, &lease);
	tell(d, FACT_LEASE, &lease, known, out);
	bindings_leave_draining(d->bindings, &key);
	fill_reply(d, &reply);
	if (send_reply(d, &reply, out, first_fact))
		d->stats.n_ack++;
}

/* --- messages ------------------------------------------------------------ */

static struct ip wish_of(const struct dhcp4_msg *msg)
{
	return msg->requested.s_addr ? ip4(msg->requested) : (struct ip){ 0 };
}

/* The declared address of a client: the first that isn't still a former holder's. */
static struct binding *declared_for(struct dhcp4 *d, const struct mac *mac, size_t *ret_n)
{
	struct binding *bs[SERVICE_HOST_IPS];
	struct lease lease;

	*ret_n = bindings_declared(d->bindings, mac, bs);
	for (size_t i = 0; i < *ret_n; i++) {
		binding_lease(d->bindings, bs[i], &lease);
		if (binding_state(bs[i]) != BINDING_STATE_LEASED || mac_eq(&lease.mac, mac))
			return bs[i];
	}
	return NULL;
}

static int choose(struct dhcp4 *d, const struct dhcp4_msg *msg, mono_t now, struct binding **ret)
{
	struct binding_key key = key_of(msg);
	struct ip wish = wish_of(msg);
	size_t n_declared;

	*ret = declared_for(d, &msg->chaddr, &n_declared);
	if (n_declared > 0)
		return *ret ? 0 : BINDING_E_WAIT;	/* its former holder's lease is ended at the next tick */
	return bindings_pick(d->bindings, &key, ip_is_set(&wish) ? &wish : NULL, now, ret);
}

static void send_offer(struct dhcp4 *d, const struct dhcp4_msg *msg, struct binding *b, mono_t now, struct out *out)
{
	struct binding_key key = key_of(msg);
	struct dhcp4_reply reply = { .type = DHCP4_OFFER, .to = msg, .yiaddr = binding_ip(d->bindings, b).v4 };

	if (binding_state(b) == BINDING_STATE_READY)
		probe_taken(&d->probe, now);
	bindings_offer(d->bindings, b, &key, now);
	fill_reply(d, &reply);
	if (send_reply(d, &reply, out, out->n_facts))
		d->stats.n_offer++;
}

/* When probes take too long: better an address that its client has to probe by itself (RFC 5227) than none. */
static bool offer_unprobed(struct dhcp4 *d, const struct dhcp4_msg *msg, mono_t now, struct out *out)
{
	size_t n_declared;
	struct binding *b;

	(void)declared_for(d, &msg->chaddr, &n_declared);	/* one that waits for its own address gets no other */
	b = n_declared == 0 ? bindings_candidate(d->bindings, now) : NULL;
	if (b)
		send_offer(d, msg, b, now, out);
	return b != NULL;
}

/* A client that asks again takes its old place. */
static void wait_for_probe(struct dhcp4 *d, const struct dhcp4_msg *msg, const struct dhcp4_meta *meta, mono_t now,
			   struct out *out)
{
	for (uint32_t i = 0; i < d->n_pending; i++) {
		if (mac_eq(&d->pending[i].msg.chaddr, &msg->chaddr)) {
			d->pending[i].msg = *msg;
			return;
		}
	}
	if (d->n_pending == PENDING_MAX) {
		if (!offer_unprobed(d, msg, now, out))
			d->stats.n_overrun++;
		return;
	}
	d->pending[d->n_pending++] = (struct pending){ .msg = *msg, .meta = *meta, .until = now + PENDING_WAIT };
	d->stats.n_delayed++;
}

static void on_discover(struct dhcp4 *d, const struct dhcp4_msg *msg, const struct dhcp4_meta *meta, mono_t now,
			struct out *out)
{
	struct binding *b;

	d->stats.n_discover++;
	switch (choose(d, msg, now, &b)) {
	case 0:
		send_offer(d, msg, b, now, out);
		break;
	case BINDING_E_WAIT:
		wait_for_probe(d, msg, meta, now, out);
		break;
	default:
		d->stats.n_pool_full++;
		break;
	}
}

/* RFC 2131 4.3.2: selecting, init-reboot, renewing and rebinding differ in where the address stands. */
static void on_request(struct dhcp4 *d, const struct dhcp4_msg *msg, mono_t now, struct out *out)
{
	struct binding_key key = key_of(msg);
	struct in_addr asked = msg->ciaddr.s_addr ? msg->ciaddr : msg->requested;
	struct ip ip = ip4(asked);
	struct binding *b;
	size_t n_declared;

	d->stats.n_request++;
	if (msg->server_id.s_addr != 0 && !is_us(d, msg->server_id)) {
		b = bindings_of(d->bindings, &key);
		if (b && binding_state(b) == BINDING_STATE_OFFERED)
			bindings_release(d->bindings, b, now);
		d->stats.n_ignored++;
		return;
	}
	if (asked.s_addr == 0) {
		d->stats.n_ignored++;
		return;
	}
	if (!prefix_contains(&d->service.gateway4, &ip)) {
		send_nak(d, msg, service_draining(&d->service, &ip) ? "the network was renumbered" : "wrong network", out);
		return;
	}
	if (bindings_claim(d->bindings, &key, &ip, &b)) {
		send_nak(d, msg, "address not available", out);
		return;
	}
	(void)declared_for(d, &msg->chaddr, &n_declared);
	if (n_declared > 0 && !binding_is_declared(b)) {
		send_nak(d, msg, "another address is declared", out);
		return;
	}
	if (binding_state(b) == BINDING_STATE_READY)
		probe_taken(&d->probe, now);
	send_ack(d, msg, b, now, out);
}

/* The lease that @ip is about, when it is this client's. */
static struct binding *own_lease(struct dhcp4 *d, const struct dhcp4_msg *msg, struct in_addr address)
{
	struct binding_key key = key_of(msg);
	struct ip ip = ip4(address);
	struct binding *b = bindings_at(d->bindings, &ip);

	if (!is_us(d, msg->server_id) || !b)
		return NULL;
	if (binding_state(b) != BINDING_STATE_LEASED || !bindings_is_for(d->bindings, b, &key))
		return NULL;
	return b;
}

static void on_decline(struct dhcp4 *d, const struct dhcp4_msg *msg, mono_t now, struct out *out)
{
	struct binding *b = own_lease(d, msg, msg->requested);
	struct lease lease;

	d->stats.n_decline++;
	if (!b) {
		d->stats.n_ignored++;
		return;
	}
	d->stats.n_conflict++;
	bindings_decline(d->bindings, b, now, &lease);
	tell(d, FACT_LEASE_GONE, &lease, false, out);
}

static void on_release(struct dhcp4 *d, const struct dhcp4_msg *msg, mono_t now, struct out *out)
{
	struct binding *b = own_lease(d, msg, msg->ciaddr);
	struct lease lease;

	d->stats.n_release++;
	if (!b) {
		d->stats.n_ignored++;
		return;
	}
	binding_lease(d->bindings, b, &lease);
	lease.expires = now;
	bindings_release(d->bindings, b, now);
	tell(d, FACT_LEASE_GONE, &lease, false, out);
}

static void on_inform(struct dhcp4 *d, const struct dhcp4_msg *msg, struct out *out)
{
	struct dhcp4_reply reply = { .type = DHCP4_ACK, .to = msg };
	struct ip ip = ip4(msg->ciaddr);

	d->stats.n_inform++;
	if (msg->ciaddr.s_addr == 0 || !prefix_contains(&d->service.gateway4, &ip)) {
		d->stats.n_ignored++;
		return;
	}
	fill_reply(d, &reply);
	if (send_reply(d, &reply, out, out->n_facts))
		d->stats.n_ack++;
}

int dhcp4_input(struct dhcp4 *d, const struct dhcp4_msg *msg, const struct dhcp4_meta *meta, mono_t now,
		struct out *out)
{
	if (!d->service.dhcp4)
		return 0;
	if (msg->giaddr.s_addr != 0) {
		d->stats.n_relayed++;
		return 0;
	}
	if (!mac_eq(&meta->src_mac, &msg->chaddr)) {
		d->stats.n_spoofed++;
		return 0;
	}
	if (!out_has_room(out)) {
		d->stats.n_overrun++;
		return 0;
	}
	switch (msg->type) {
	case DHCP4_DISCOVER:
		on_discover(d, msg, meta, now, out);
		break;
	case DHCP4_REQUEST:
		on_request(d, msg, now, out);
		break;
	case DHCP4_DECLINE:
		on_decline(d, msg, now, out);
		break;
	case DHCP4_RELEASE:
		on_release(d, msg, now, out);
		break;
	case DHCP4_INFORM:
		on_inform(d, msg, out);
		break;
	case DHCP4_OFFER:
	case DHCP4_ACK:
	case DHCP4_NAK:
		assert(0);			/* dhcp4_parse() lets none pass */
	}
	return 0;
}

/* --- the rest ---------------------------------------------------------- */

void dhcp4_seen(struct dhcp4 *d, const struct ip *ip, const struct mac *mac, mono_t now)
{
	if (d->service.dhcp4 && !mac_eq(mac, &d->service.mac) && bindings_seen(d->bindings, ip, mac, now))
		d->stats.n_conflict++;
}

void dhcp4_not_saved(struct dhcp4 *d, const struct lease *lease, mono_t now)
{
	bindings_not_saved(d->bindings, lease, now);
}

bool dhcp4_forget(struct dhcp4 *d, const struct ip *ip, mono_t now, struct out *out)
{
	struct lease lease;

	(void)now;
	if (out->n_facts >= OUT_FACTS || !bindings_end(d->bindings, ip, &lease))
		return false;
	tell(d, FACT_LEASE_GONE, &lease, false, out);
	return true;
}

mono_t dhcp4_deadline(const struct dhcp4 *d)
{
	mono_t at = bindings_deadline(d->bindings);

	if (d->n_pending > 0)
		at = mono_min(at, d->pending[0].until);
	return d->service.dhcp4 ? mono_min(at, probe_deadline(&d->probe, d->bindings)) : at;
}

/* Answer what waits for a probe, in order, as far as addresses are ready now. */
static void serve_pending(struct dhcp4 *d, mono_t now, struct out *out)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < d->n_pending; i++) {
		struct pending *p = &d->pending[i];
		struct binding *b;
		bool room = out_has_room(out);
		int r = room ? choose(d, &p->msg, now, &b) : BINDING_E_WAIT;

		if (r == 0) {
			send_offer(d, &p->msg, b, now, out);
		} else if (r == BINDING_E_WAIT && (now < p->until || !room)) {
			if (n_left != i)
				d->pending[n_left] = *p;
			n_left++;
		} else if (r != BINDING_E_WAIT || !offer_unprobed(d, &p->msg, now, out)) {
			d->stats.n_pool_full++;
		}
	}
	d->n_pending = n_left;
}

int dhcp4_tick(struct dhcp4 *d, mono_t now, struct out *out)
{
	struct lease lease;

	while (out->n_facts < OUT_FACTS && bindings_expire(d->bindings, now, &lease))
		tell(d, FACT_LEASE_GONE, &lease, false, out);
	if (!d->service.dhcp4)
		return 0;
	serve_pending(d, now, out);
	probe_fill(&d->probe, d->bindings, &d->service, now, out);
	return 0;
}

const struct dhcp4_stats *dhcp4_stats(const struct dhcp4 *d)
{
	return &d->stats;
}

uint32_t dhcp4_n_leases(const struct dhcp4 *d)
{
	return bindings_n_leased(d->bindings);
}
