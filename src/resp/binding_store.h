/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binding_store - the entries of resp/binding, and how they are found
 *
 * Private to resp/binding.c.
 */
#pragma once
#include "resp/binding.h"

#define TEXT_INLINE 44u		/* client id and host name together, in most cases */
#define MAC_BUCKETS 1024u	/* of the counters that bound what one MAC holds */

/* Where an entry is queued. */
enum queue {
	QUEUE_NONE,
	QUEUE_READY_BLANK,	/* READY, to be taken first */
	QUEUE_READY_PAST,
	QUEUE_BLANK,		/* IDLE, never leased to the client it remembers */
	QUEUE_PAST,		/* IDLE, was leased: about the oldest first (a stale READY one goes to the end) */
	QUEUE_N_,
};

struct binding {
	uint32_t index;
	uint32_t next_ip, next_client;	/* hash chains */
	uint32_t prev, next;		/* queue */
	uint32_t heap;			/* place in the heap; 0: not timed */
	uint32_t iaid;
	uint32_t more;			/* text that doesn't fit */
	mono_t deadline;
	mono_t probed;			/* when nobody answered; 0: not known */
	uint8_t ip[16];
	struct mac mac;			/* of the client; QUARANTINED: of whoever uses it */
	uint8_t state;			/* enum binding_state */
	uint8_t queue;			/* enum queue */
	uint8_t id_len, name_len;
	uint16_t bucket;		/* 1 + its counter of n_by_mac[], while OFFERED or LEASED; 0: not counted */
	bool declared, used, hashed, held;	/* used: an entry; hashed: in the client table; held: was leased to this client */
	bool drains;			/* LEASED, of a prefix of before: to its end, and besides what the client has now */
	uint8_t text[TEXT_INLINE];	/* client id, then host name */
};

struct pool {
	size_t size;
	uint8_t **chunks;
	uint32_t n_chunks, cap_chunks;
	uint32_t n;			/* handed out ever, index 0 included */
	uint32_t *free;
	uint32_t n_free, cap_free;
};

struct queue_ends {
	uint32_t first, last, n;
};

struct declared {
	struct mac mac;
	char name[GUEST_NAME_MAX + 1];
	uint32_t order;
	uint32_t index;
};

struct bindings {
	uint8_t seed[16];
	uint8_t family;
	struct prefix on_link;
	struct prefix drains[SERVICE_DRAINS];	/* of this family */
	size_t n_drains;
	struct ip_range range;
	struct pool entries, texts;
	uint32_t *by_ip, *by_client;
	uint32_t mask;			/* of both tables */
	uint32_t *heap;			/* from 1 */
	uint32_t n_heap, cap_heap;
	struct queue_ends queues[QUEUE_N_];
	uint32_t n_pool;		/* entries that aren't declared */
	uint32_t n_state[BINDING_STATE_N_];
	uint32_t n_by_mac[MAC_BUCKETS];	/* OFFERED and LEASED, by the MAC's hash */
	uint64_t fresh, n_range;	/* offset of the next address never looked at */
	struct declared *declared;	/* sorted by MAC, then order */
	size_t n_declared, cap_declared;
	mono_t decline_window;		/* when the first of n_declines came */
	uint32_t n_declines;
};

void store_init(struct bindings *bs, const uint8_t seed[static 16]);
void store_done(struct bindings *bs);

/* Hash tables for what there is and @n_declared more, with every entry in them anew; they grow with what is added. */
void store_rebuild(struct bindings *bs, size_t n_declared);
size_t store_memory(const struct bindings *bs);

/* Addresses that anybody may have: of the range, on the link, not the gateway's, network or broadcast address. */
bool store_in_range(const struct bindings *bs, const struct ip *ip);

/* Entries. The finders return NULL when there is none; index 0 is none. */
struct binding *store_at(const struct bindings *bs, uint32_t index);
struct binding *store_find(const struct bindings *bs, const struct ip *ip);
struct binding *store_find_client(const struct bindings *bs, const struct binding_key *key);	/* none that drains */
struct binding *store_find_draining(const struct bindings *bs, const struct binding_key *key);
struct binding *store_add(struct bindings *bs, const struct ip *ip, bool declared);
struct binding *store_add_in_range(struct bindings *bs, const struct ip *ip);
struct binding *store_next_fresh(struct bindings *bs);
void store_drop(struct bindings *bs, struct binding *b);

/* What an entry remembers of its client. */
const uint8_t *store_text(const struct bindings *bs, const struct binding *b);
bool store_matches(const struct bindings *bs, const struct binding *b, const struct binding_key *key);
void store_set_client(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname);
void store_forget_client(struct bindings *bs, struct binding *b);
void store_link_client(struct bindings *bs, struct binding *b);
void store_unlink_client(struct bindings *bs, struct binding *b);

/* Whether the MAC holds as much as one may. */
bool store_share_used_up(const struct bindings *bs, const struct mac *mac);

/* The one setter of states: queue, timer (@deadline is ignored for IDLE) and counters follow. */
void store_set_state(struct bindings *bs, struct binding *b, enum binding_state to, mono_t deadline);
void store_set_timer(struct bindings *bs, struct binding *b, mono_t deadline);
