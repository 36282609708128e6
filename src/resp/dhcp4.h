/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp4 - DHCPv4 server of one network
 *
 * A pure machine: checked message and time in, whole frames and facts out. The
 * caller writes each FACT_LEASE to disk before it sends the frame that needs it
 * (out_frame.first_fact, n_facts). When it can't, it calls dhcp4_not_saved() for
 * each fact that isn't `known`, and drops the frames that need such a fact.
 */
#pragma once
#include "base/time.h"
#include "model/service.h"
#include "net/dhcp4.h"
#include "resp/out.h"

struct dhcp4;

/* What the responder needs to know of the frame that a message came in. */
struct dhcp4_meta {
	struct mac src_mac;
	struct in_addr src, dst;
};

struct dhcp4_stats {
	uint64_t n_discover, n_request, n_decline, n_release, n_inform;
	uint64_t n_offer, n_ack, n_nak;
	uint64_t n_relayed;		/* giaddr set: refused */
	uint64_t n_spoofed;		/* frame's source isn't chaddr */
	uint64_t n_ignored;		/* for another server, or not for us to answer */
	uint64_t n_pool_full;		/* no address for a client */
	uint64_t n_delayed;		/* offers that waited for a probe */
	uint64_t n_overrun;		/* no room: pending table or struct out */
	uint64_t n_conflict;		/* declined, or seen in use by somebody else */
};

/**
 * dhcp4_new() - Make a server without settings; it answers nothing yet
 * @ret:	set on success; free with dhcp4_free()
 * @seed:	16 random bytes: keys the hash tables
 *
 * Return: 0
 */
int dhcp4_new(struct dhcp4 **ret, const uint8_t seed[static 16]);
struct dhcp4 *dhcp4_free(struct dhcp4 *dhcp4);
DEFINE_FREEP(struct dhcp4, dhcp4_free)

/**
 * dhcp4_configure() - Take settings, at the start or live
 * @service:	settings, copied; dhcp4 false: nothing is answered, leases stay
 * @hosts:	declared guests, copied as far as needed
 *
 * Leases that the new settings don't allow end: the next dhcp4_tick() (due at
 * once) tells them as FACT_LEASE_GONE. Allocates.
 *
 * Return: 0
 */
int dhcp4_configure(struct dhcp4 *dhcp4, const struct service *service, const struct service_host *hosts,
		    size_t n_hosts, mono_t now);

/**
 * dhcp4_restore() - Take back a lease from disk, after the first dhcp4_configure()
 * @lease:	as it was in a FACT_LEASE; expires in the past or 0: only remembered for its client
 *
 * Call in the order of expiry, so that the oldest is reused first.
 *
 * Return: true when it is held now (tell main), false when it is expired or not allowed any more
 */
bool dhcp4_restore(struct dhcp4 *dhcp4, const struct lease *lease, mono_t now);

/**
 * dhcp4_input() - Handle one message
 * @msg:	checked by dhcp4_parse()
 * @meta:	of its frame
 * @out:	gets the reply and its fact
 *
 * Return: 0
 */
int dhcp4_input(struct dhcp4 *dhcp4, const struct dhcp4_msg *msg, const struct dhcp4_meta *meta, mono_t now,
		struct out *out);

/* An address was seen in use (any ARP or other IPv4 packet): ends a probe, keeps the address from being offered. */
void dhcp4_seen(struct dhcp4 *dhcp4, const struct ip *ip, const struct mac *mac, mono_t now);

/* The FACT_LEASE of @lease couldn't be written: a new lease is taken back, so that the client asks again. */
void dhcp4_not_saved(struct dhcp4 *dhcp4, const struct lease *lease, mono_t now);

/* End a lease by order of the owner. Return: true when there was one; FACT_LEASE_GONE is in @out. */
bool dhcp4_forget(struct dhcp4 *dhcp4, const struct ip *ip, mono_t now, struct out *out);

mono_t dhcp4_deadline(const struct dhcp4 *dhcp4);
int dhcp4_tick(struct dhcp4 *dhcp4, mono_t now, struct out *out);

const struct dhcp4_stats *dhcp4_stats(const struct dhcp4 *dhcp4);
uint32_t dhcp4_n_leases(const struct dhcp4 *dhcp4);
