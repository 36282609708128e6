/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binding - who holds or held which address of one network and family
 *
 * Used by the two DHCP servers alone. An address of the range gets an entry when
 * it is first looked at, and keeps it: the entry remembers its last client, so
 * that a client which comes back finds its address as long as nobody else
 * needed it. Declared addresses have their entries from the start.
 *
 * States of an entry:
 *
 *   IDLE         nobody's; the last client, if there was one, is remembered
 *   PROBING      asked on the network whether somebody uses it
 *   READY        nobody answered: next in the queue to be offered
 *   OFFERED      reserved for a client until it asks for it
 *   LEASED       held
 *   QUARANTINED  declined, or seen in use by somebody else: not offered
 *
 * Everything timed sits in one heap; IDLE and READY entries in queues; two hash
 * tables find entries by address and by client. They are chains of indices, not
 * uthash: nothing is allocated or resized while packets are handled, and an
 * entry costs 100 bytes less. The hashes are keyed, as guests choose client ids.
 *
 * A client is its MAC together with its client id (DHCPv6: DUID and IAID), so
 * that neither cloned guests with one machine-id, nor a guest that borrows
 * somebody else's id, get the same address. One MAC holds at most seven eighths
 * of the range, so that no guest can take it all by inventing client ids.
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "model/lease.h"
#include "model/service.h"

#define BINDINGS_MAX 65536u		/* entries of the range; more addresses than that are never needed at once */
#define BINDING_OFFER_MS 10000u		/* how long an offer waits for its request */
#define BINDING_PROBE_MS 50u		/* how long a probe waits for an answer */
#define BINDING_PROBED_S 600u		/* how long the result of a probe holds */
#define BINDING_QUARANTINE_S 600u
#define BINDING_DECLINES 16u

enum binding_state {
	BINDING_STATE_IDLE,
	BINDING_STATE_PROBING,
	BINDING_STATE_READY,
	BINDING_STATE_OFFERED,
	BINDING_STATE_LEASED,
	BINDING_STATE_QUARANTINED,
	BINDING_STATE_N_,
};

enum binding_outcome {
	BINDING_OK_ = 0,
	BINDING_E_WAIT,		/* an address will be ready within BINDING_PROBE_MS */
	BINDING_E_FULL,		/* every address of the range is held or in quarantine, or the MAC has its share */
	BINDING_E_TAKEN,	/* the address is somebody else's */
	BINDING_E_RANGE,	/* the address is none of ours to give */
};

/* Who asks. @id is borrowed. */
struct binding_key {
	struct mac mac;
	uint32_t iaid;		/* DHCPv4: 0 */
	uint8_t id_len;
	const uint8_t *id;
};

struct bindings;
struct binding;

struct bindings *bindings_new(int family, const uint8_t seed[static 16]);
struct bindings *bindings_free(struct bindings *bs);
DEFINE_FREEP(struct bindings, bindings_free)

/**
 * bindings_configure() - Take a range and declared hosts, at the start or live
 * @on_link:	the gateway's address with the prefix length
 * @range:	addresses for everybody; family 0: only declared ones are given out
 * @hosts:	declared guests; their addresses within @on_link are reserved
 * @drains:	leases of these prefixes (any family) last to their end, and can't be renewed
 *
 * Other leases that don't fit any more expire at once, to be collected by
 * bindings_expire(). Allocates; cost grows with the entries.
 */
void bindings_configure(struct bindings *bs, const struct prefix *on_link, const struct ip_range *range,
			const struct service_host *hosts, size_t n_hosts, const struct service_drain *drains, size_t n_drains);

/* Take back a lease from disk. Return: true when it is held, false when only remembered or refused. */
bool bindings_restore(struct bindings *bs, const struct lease *lease, mono_t now);

/* Declared addresses of a MAC, in the order of the configuration. Return: how many there are, at most SERVICE_HOST_IPS. */
size_t bindings_declared(struct bindings *bs, const struct mac *mac, struct binding *ret[static SERVICE_HOST_IPS]);

const char *bindings_declared_name(const struct bindings *bs, const struct mac *mac);	/* or NULL */
struct binding *bindings_at(const struct bindings *bs, const struct ip *ip);			/* or NULL */
struct binding *bindings_of(const struct bindings *bs, const struct binding_key *key);	/* or NULL; never a declared one */

/**
 * bindings_pick() - Choose an address for a client without a declared one
 * @wish:	address the client would like, or NULL; heeded when it is probed and free
 * @ret:	set when 0 is returned: what the client holds or held, else its wish, else the next probed one
 *
 * Changes nothing: bindings_offer() reserves it.
 *
 * Return: 0, BINDING_E_WAIT or BINDING_E_FULL
 */
int bindings_pick(struct bindings *bs, const struct binding_key *key, const struct ip *wish, mono_t now,
		  struct binding **ret);

/**
 * bindings_claim() - May a client have the very address it asks for?
 * @ret:	set when 0 is returned
 *
 * For requests: its own, or one that nobody holds or is remembered for (then no
 * probe is needed: the client uses it already).
 *
 * Return: 0, BINDING_E_TAKEN or BINDING_E_RANGE
 */
int bindings_claim(struct bindings *bs, const struct binding_key *key, const struct ip *ip, struct binding **ret);

/* Reserve for @key until now + BINDING_OFFER_MS; a lease of the same client stays one. */
void bindings_offer(struct bindings *bs, struct binding *b, const struct binding_key *key, mono_t now);

/**
 * bindings_lease() - Give the address to a client
 * @hostname:	checked label, or ""
 *
 * Any other address the client had been offered is free again; one that it held
 * expires at once.
 *
 * Return: true when the same client held it before (renewed)
 */
bool bindings_lease(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname,
		    mono_t expires);

/* The client gives it back: IDLE, client remembered. */
void bindings_release(struct bindings *bs, struct binding *b, mono_t now);

/* The client has left its addresses of prefixes that drain: these leases are collected soon. */
void bindings_leave_draining(struct bindings *bs, const struct binding_key *key);
bool binding_drains(const struct binding *b);

/* IDLE, client forgotten; it is probed before anybody else gets it. */
void bindings_forget(struct bindings *bs, struct binding *b);

/* Back to what it was before bindings_offer() or a bindings_lease() that couldn't be written. */
void bindings_revert(struct bindings *bs, struct binding *b, mono_t now);

/* As bindings_revert(), for a lease as it was told: when its client is still the last one of that address. */
void bindings_not_saved(struct bindings *bs, const struct lease *lease, mono_t now);

/* Somebody else (@user, or NULL: not known) uses it. Declared addresses don't go into quarantine, but become IDLE. */
void bindings_quarantine(struct bindings *bs, struct binding *b, const struct mac *user, mono_t now);

/**
 * bindings_decline() - A client says that its address is somebody else's
 * @b:		LEASED
 * @ret:	the lease that ended, for the fact
 *
 * The first BINDING_DECLINES within BINDING_QUARANTINE_S put the address into
 * quarantine, others only have it probed again: else a guest could burn the
 * range.
 */
void bindings_decline(struct bindings *bs, struct binding *b, mono_t now, struct lease *ret);

/**
 * bindings_end() - End a lease by order of the owner; its client is forgotten
 * @ret:	the lease that ended, for the fact
 *
 * Return: true when there was one
 */
bool bindings_end(struct bindings *bs, const struct ip *ip, struct lease *ret);

/**
 * bindings_seen() - An address was seen in use
 *
 * Return: true when it is a conflict: leased or declared for another MAC
 */
bool bindings_seen(struct bindings *bs, const struct ip *ip, const struct mac *user, mono_t now);

/**
 * bindings_candidate() - The next address to probe
 *
 * Fresh ones first, then such that were offered in vain, then the one whose
 * lease ended longest ago. Addresses probed within BINDING_PROBED_S become
 * READY without a new probe.
 *
 * Return: an entry, PROBING now; NULL when there is none
 */
struct binding *bindings_candidate(struct bindings *bs, mono_t now);
uint32_t bindings_n_ready(const struct bindings *bs);
uint32_t bindings_n_probing(const struct bindings *bs);
bool bindings_has_candidate(const struct bindings *bs);

mono_t bindings_deadline(const struct bindings *bs);

/**
 * bindings_expire() - Do what is due
 * @ret:	the lease that ended, for the fact
 *
 * Return: true for each lease that ended; false when nothing is due any more
 */
bool bindings_expire(struct bindings *bs, mono_t now, struct lease *ret);

uint32_t bindings_n_leased(const struct bindings *bs);
size_t bindings_memory(const struct bindings *bs);	/* bytes */
void bindings_each_leased(const struct bindings *bs, void (*fn)(void *user, const struct lease *lease), void *user);

enum binding_state binding_state(const struct binding *b);
bool binding_is_declared(const struct binding *b);
struct ip binding_ip(const struct bindings *bs, const struct binding *b);

/* Is, or was last, this client's. */
bool bindings_is_for(const struct bindings *bs, const struct binding *b, const struct binding_key *key);

/* Everything but lease.network. */
void binding_lease(const struct bindings *bs, const struct binding *b, struct lease *ret);
