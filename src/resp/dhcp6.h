/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp6 - DHCPv6 server of one network
 *
 * A pure machine: checked message and time in, whole frames and facts out. The
 * caller writes each FACT_LEASE to disk before it sends the frame that needs it
 * (out_frame.first_fact, n_facts). When it can't, it calls dhcp6_not_saved() for
 * each fact that isn't `known`, and drops the frames that need such a fact.
 */
#pragma once
#include "base/time.h"
#include "model/service.h"
#include "net/dhcp6.h"
#include "resp/out.h"

struct dhcp6;

/* What the responder needs to know of the frame that a message came in. */
struct dhcp6_meta {
	struct mac src_mac;
	struct in6_addr src, dst;
};

struct dhcp6_stats {
	uint64_t n_solicit, n_request, n_confirm, n_renew, n_rebind, n_release, n_decline, n_information;
	uint64_t n_advertise, n_reply;
	uint64_t n_ignored;		/* for another server, or not for us to answer */
	uint64_t n_pool_full;		/* no address for an identity association */
	uint64_t n_delayed;		/* answers that waited for a probe */
	uint64_t n_overrun;		/* no room: pending table or struct out */
	uint64_t n_conflict;		/* declined, or seen in use by somebody else */
};

/**
 * dhcp6_new() - Make a server without settings; it answers nothing yet
 * @ret:	set on success; free with dhcp6_free()
 * @seed:	16 random bytes, the same at every start: the server's DUID (type 4, RFC 6355) comes from them,
 *		so that it survives a new bridge MAC; they key the hash tables too
 *
 * Return: 0
 */
int dhcp6_new(struct dhcp6 **ret, const uint8_t seed[static 16]);
struct dhcp6 *dhcp6_free(struct dhcp6 *dhcp6);
DEFINE_FREEP(struct dhcp6, dhcp6_free)

/**
 * dhcp6_configure() - Take settings, at the start or live
 * @service:	settings, copied; dhcp6 false: nothing is answered, leases stay
 * @hosts:	declared guests, copied as far as needed
 *
 * Leases that the new settings don't allow end: the next dhcp6_tick() (due at
 * once) tells them as FACT_LEASE_GONE. Allocates.
 *
 * Return: 0
 */
int dhcp6_configure(struct dhcp6 *dhcp6, const struct service *service, const struct service_host *hosts,
		    size_t n_hosts, mono_t now);

/**
 * dhcp6_restore() - Take back a lease from disk, after the first dhcp6_configure()
 * @lease:	as it was in a FACT_LEASE; expires in the past or 0: only remembered for its client
 *
 * Call in the order of expiry, so that the oldest is reused first.
 *
 * Return: true when it is held now (tell main), false when it is expired or not allowed any more
 */
bool dhcp6_restore(struct dhcp6 *dhcp6, const struct lease *lease, mono_t now);

/**
 * dhcp6_input() - Handle one message
 * @msg:	checked by dhcp6_parse()
 * @meta:	of its frame
 * @out:	gets the reply and its fact
 *
 * Return: 0
 */
int dhcp6_input(struct dhcp6 *dhcp6, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta, mono_t now,
		struct out *out);

/* An address was seen in use (any NA or other IPv6 packet): ends a probe, keeps the address from being offered. */
void dhcp6_seen(struct dhcp6 *dhcp6, const struct ip *ip, const struct mac *mac, mono_t now);

/* The FACT_LEASE of @lease couldn't be written: a new lease is taken back, so that the client asks again. */
void dhcp6_not_saved(struct dhcp6 *dhcp6, const struct lease *lease, mono_t now);

/* End a lease by order of the owner. Return: true when there was one; FACT_LEASE_GONE is in @out. */
bool dhcp6_forget(struct dhcp6 *dhcp6, const struct ip *ip, mono_t now, struct out *out);

mono_t dhcp6_deadline(const struct dhcp6 *dhcp6);
int dhcp6_tick(struct dhcp6 *dhcp6, mono_t now, struct out *out);

const struct dhcp6_stats *dhcp6_stats(const struct dhcp6 *dhcp6);
uint32_t dhcp6_n_leases(const struct dhcp6 *dhcp6);
