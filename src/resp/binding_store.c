/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binding_store - the entries of resp/binding, and how they are found
 *
 * Pools, hash chains, the heap of timers, queues, and the one setter of states.
 * What may happen to an entry is decided in resp/binding.c.
 *
 * Entries and texts come from pools that grow by chunks and never shrink; an
 * entry is known by its index, so that growing moves nothing.
 */
#include "resp/binding_store.h"

#include <assert.h>
#include <string.h>
#include "base/hash.h"

#define NONE 0u			/* index 0 is never an entry */
#define CHUNK 512u		/* entries of a chunk */
#define TABLE_MIN 64u
#define TEXT_MAX (CLIENT_ID_MAX + GUEST_NAME_MAX)
#define MAC_SHARE_MIN 4u
#define FRESH_STEPS 256u	/* addresses skipped in one search for a fresh one */

/* --- pools ------------------------------------------------------------- */

static void *pool_get(const struct pool *p, uint32_t index)
{
	return p->chunks[index / CHUNK] + (size_t)(index % CHUNK) * p->size;
}

static uint32_t pool_take(struct pool *p)
{
	uint32_t index;

	if (p->n_free > 0) {
		index = p->free[--p->n_free];
		memset(pool_get(p, index), 0, p->size);
		return index;
	}
	if (p->n == 0)
		p->n = 1;
	if (p->n / CHUNK >= p->n_chunks) {
		GROW(p->chunks, p->n_chunks, p->cap_chunks);
		p->chunks[p->n_chunks++] = xcalloc(CHUNK, p->size);
	}
	return p->n++;
}

static void pool_give(struct pool *p, uint32_t index)
{
	GROW(p->free, p->n_free, p->cap_free);
	p->free[p->n_free++] = index;
}

static void pool_done(struct pool *p)
{
	for (uint32_t i = 0; i < p->n_chunks; i++)
		free(p->chunks[i]);
	free(p->chunks);
	free(p->free);
}

struct binding *store_at(const struct bindings *bs, uint32_t index)
{
	return index == NONE ? NULL : pool_get(&bs->entries, index);
}

/* --- what an entry remembers of its client -------------------------------- */

const uint8_t *store_text(const struct bindings *bs, const struct binding *b)
{
	return b->more ? pool_get(&bs->texts, b->more) : b->text;
}

static void set_text(struct bindings *bs, struct binding *b, const uint8_t *id, uint8_t id_len, const char *name)
{
	uint8_t text[TEXT_MAX];
	size_t name_len = strlen(name);
	size_t n = id_len + name_len;

	assert(n <= sizeof(text));		/* both are checked where they are parsed */
	if (id_len > 0)
		memcpy(text, id, id_len);	/* may be the entry's own bytes */
	memcpy(text + id_len, name, name_len);
	if (n > TEXT_INLINE && !b->more)
		b->more = pool_take(&bs->texts);
	if (n <= TEXT_INLINE && b->more) {
		pool_give(&bs->texts, b->more);
		b->more = 0;
	}
	memcpy(b->more ? pool_get(&bs->texts, b->more) : b->text, text, n);
	b->id_len = id_len;
	b->name_len = (uint8_t)name_len;
}

/* --- hash tables -------------------------------------------------------- */

static uint32_t hash(const struct bindings *bs, const void *data, size_t n)
{
	uint8_t out[16];
	uint32_t h;

	hash_sip128(out, bs->seed, data, n);
	memcpy(&h, out, sizeof(h));
	return h & bs->mask;
}

static uint32_t hash_ip(const struct bindings *bs, const uint8_t ip[static 16])
{
	return hash(bs, ip, 16);
}

static uint32_t hash_client(const struct bindings *bs, const struct mac *mac, uint32_t iaid, const uint8_t *id,
			    uint8_t id_len)
{
	uint8_t data[6 + 4 + 255];

	memcpy(data, mac->b, 6);
	memcpy(data + 6, &iaid, 4);
	if (id_len > 0)
		memcpy(data + 10, id, id_len);
	return hash(bs, data, 10u + id_len);
}

static uint32_t hash_of(const struct bindings *bs, const struct binding *b)
{
	return hash_client(bs, &b->mac, b->iaid, store_text(bs, b), b->id_len);
}

static void link_ip(struct bindings *bs, struct binding *b)
{
	uint32_t *head = &bs->by_ip[hash_ip(bs, b->ip)];

	b->next_ip = *head;
	*head = b->index;
}

static void unlink_ip(struct bindings *bs, struct binding *b)
{
	uint32_t *p = &bs->by_ip[hash_ip(bs, b->ip)];

	while (*p != b->index)
		p = &store_at(bs, *p)->next_ip;
	*p = b->next_ip;
}

void store_link_client(struct bindings *bs, struct binding *b)
{
	uint32_t *head = &bs->by_client[hash_of(bs, b)];

	assert(!b->hashed && !b->declared);
	b->next_client = *head;
	*head = b->index;
	b->hashed = true;
}

void store_unlink_client(struct bindings *bs, struct binding *b)
{
	if (!b->hashed)
		return;
	uint32_t *p = &bs->by_client[hash_of(bs, b)];
	while (*p != b->index)
		p = &store_at(bs, *p)->next_client;
	*p = b->next_client;
	b->hashed = false;
}

/* --- timers --------------------------------------------------------------- */

static void heap_place(struct bindings *bs, uint32_t i, uint32_t index)
{
	bs->heap[i] = index;
	store_at(bs, index)->heap = i;
}

static bool heap_before(const struct bindings *bs, uint32_t a, uint32_t b)
{
	return store_at(bs, a)->deadline < store_at(bs, b)->deadline;
}

/* Move the entry at @i to where its deadline belongs. */
static void heap_settle(struct bindings *bs, uint32_t i)
{
	uint32_t index = bs->heap[i];

	while (i > 1 && heap_before(bs, index, bs->heap[i / 2])) {
		heap_place(bs, i, bs->heap[i / 2]);
		i /= 2;
	}
	for (;;) {
		uint32_t child = i * 2;

		if (child > bs->n_heap)
			break;
		if (child < bs->n_heap && heap_before(bs, bs->heap[child + 1], bs->heap[child]))
			child++;
		if (!heap_before(bs, bs->heap[child], index))
			break;
		heap_place(bs, i, bs->heap[child]);
		i = child;
	}
	heap_place(bs, i, index);
}

static void timer_stop(struct bindings *bs, struct binding *b)
{
	uint32_t i = b->heap;

	if (i == 0)
		return;
	b->heap = 0;
	uint32_t last = bs->heap[bs->n_heap--];
	if (last == b->index)
		return;
	heap_place(bs, i, last);
	heap_settle(bs, i);
}

void store_set_timer(struct bindings *bs, struct binding *b, mono_t deadline)
{
	b->deadline = deadline;
	if (b->heap == 0)
		heap_place(bs, ++bs->n_heap, b->index);		/* store_add() made room */
	heap_settle(bs, b->heap);
}

/* --- queues ---------------------------------------------------------------- */

static void queue_leave(struct bindings *bs, struct binding *b)
{
	struct queue_ends *q = &bs->queues[b->queue];

	if (b->queue == QUEUE_NONE)
		return;
	if (b->prev)
		store_at(bs, b->prev)->next = b->next;
	else
		q->first = b->next;
	if (b->next)
		store_at(bs, b->next)->prev = b->prev;
	else
		q->last = b->prev;
	q->n--;
	b->queue = QUEUE_NONE;
}

static void queue_join(struct bindings *bs, struct binding *b, enum queue to)
{
	struct queue_ends *q = &bs->queues[to];

	queue_leave(bs, b);
	b->queue = (uint8_t)to;
	b->prev = q->last;
	b->next = NONE;
	if (q->last)
		store_at(bs, q->last)->next = b->index;
	else
		q->first = b->index;
	q->last = b->index;
	q->n++;
}

/* --- shares ---------------------------------------------------------------- */

static uint32_t mac_bucket(const struct bindings *bs, const struct mac *mac)
{
	uint8_t out[16];

	hash_sip128(out, bs->seed, mac->b, sizeof(mac->b));
	return (out[0] | (uint32_t)out[1] << 8) % MAC_BUCKETS;
}

static void count_share(struct bindings *bs, struct binding *b, bool held)
{
	if (b->bucket)
		bs->n_by_mac[b->bucket - 1]--;
	b->bucket = held && !b->declared ? (uint16_t)(1 + mac_bucket(bs, &b->mac)) : 0;
	if (b->bucket)
		bs->n_by_mac[b->bucket - 1]++;
}

/* MACs that share a counter are few against the shares of a pool large enough to have many. */
bool store_share_used_up(const struct bindings *bs, const struct mac *mac)
{
	uint64_t pool = bs->n_range < BINDINGS_MAX ? bs->n_range : BINDINGS_MAX;
	uint64_t share = pool - pool / 8;

	return bs->n_by_mac[mac_bucket(bs, mac)] >= (share > MAC_SHARE_MIN ? share : MAC_SHARE_MIN);
}

/* --- the one setter of states ------------------------------------------------ */

void store_set_state(struct bindings *bs, struct binding *b, enum binding_state to, mono_t deadline)
{
	bs->n_state[b->state]--;
	bs->n_state[to]++;
	b->state = (uint8_t)to;
	count_share(bs, b, to == BINDING_STATE_OFFERED || to == BINDING_STATE_LEASED);
	switch (to) {
	case BINDING_STATE_IDLE:
		timer_stop(bs, b);
		if (b->declared)
			queue_leave(bs, b);
		else
			queue_join(bs, b, b->held ? QUEUE_PAST : QUEUE_BLANK);
		break;
	case BINDING_STATE_READY:
		assert(!b->declared);
		queue_join(bs, b, b->held ? QUEUE_READY_PAST : QUEUE_READY_BLANK);
		store_set_timer(bs, b, deadline);
		break;
	case BINDING_STATE_PROBING:
	case BINDING_STATE_OFFERED:
	case BINDING_STATE_LEASED:
	case BINDING_STATE_QUARANTINED:
		queue_leave(bs, b);
		store_set_timer(bs, b, deadline);
		break;
	case BINDING_STATE_N_:
		assert(0);
	}
}

/* --- entries ------------------------------------------------------------- */

static void key_of_ip(const struct ip *ip, uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	memcpy(ret, ip->b, ip_size(ip));
}

struct binding *store_find(const struct bindings *bs, const struct ip *ip)
{
	uint8_t key[16];

	if (!bs->by_ip)
		return NULL;
	key_of_ip(ip, key);
	for (struct binding *b = store_at(bs, bs->by_ip[hash_ip(bs, key)]); b; b = store_at(bs, b->next_ip))
		if (memcmp(b->ip, key, sizeof(key)) == 0)
			return b;
	return NULL;
}

/* Tables for @want entries, with every one that there is in them anew. */
static void rebuild(struct bindings *bs, size_t want)
{
	uint32_t size = TABLE_MIN;

	while (size < want)
		size *= 2;
	free(bs->by_ip);
	free(bs->by_client);
	bs->by_ip = xcalloc(size, sizeof(*bs->by_ip));
	bs->by_client = xcalloc(size, sizeof(*bs->by_client));
	bs->mask = size - 1;
	for (uint32_t i = 1; i < bs->entries.n; i++) {
		struct binding *b = store_at(bs, i);

		if (!b->used)
			continue;
		link_ip(bs, b);
		if (b->hashed) {
			b->hashed = false;
			store_link_client(bs, b);
		}
	}
}

/* IDLE, in no queue yet. Not limited here. */
struct binding *store_add(struct bindings *bs, const struct ip *ip, bool declared)
{
	uint32_t index = pool_take(&bs->entries);
	struct binding *b = pool_get(&bs->entries, index);

	if (bs->entries.n >= bs->cap_heap) {
		bs->cap_heap = bs->cap_heap ? bs->cap_heap * 2 : CHUNK;
		bs->heap = xrealloc(bs->heap, bs->cap_heap, sizeof(*bs->heap));
	}
	b->index = index;
	b->used = true;
	b->declared = declared;
	key_of_ip(ip, b->ip);
	if (bs->entries.n > bs->mask + 1)
		rebuild(bs, 4 * ((size_t)bs->mask + 1));	/* links it, too */
	else
		link_ip(bs, b);
	bs->n_state[BINDING_STATE_IDLE]++;
	if (!declared) {
		bs->n_pool++;
		queue_join(bs, b, QUEUE_BLANK);
	}
	return b;
}

void store_forget_client(struct bindings *bs, struct binding *b)
{
	store_unlink_client(bs, b);
	set_text(bs, b, NULL, 0, "");
	b->mac = (struct mac){ 0 };
	b->iaid = 0;
	b->held = false;
	b->drains = false;
}

void store_drop(struct bindings *bs, struct binding *b)
{
	store_forget_client(bs, b);
	queue_leave(bs, b);
	timer_stop(bs, b);
	unlink_ip(bs, b);
	bs->n_state[b->state]--;
	count_share(bs, b, false);
	if (!b->declared)
		bs->n_pool--;
	b->used = false;
	pool_give(&bs->entries, b->index);
}

/* Addresses of the range that nobody can have: the gateway's, and IPv4's network and broadcast address. */
static bool is_special(const struct bindings *bs, const struct ip *ip)
{
	if (ip_eq(ip, &bs->on_link.ip))
		return true;
	if (ip->family != AF_INET || bs->on_link.len > 30)
		return false;
	struct ip net = prefix_network(&bs->on_link), last = prefix_last(&bs->on_link);
	return ip_eq(ip, &net) || ip_eq(ip, &last);
}

bool store_in_range(const struct bindings *bs, const struct ip *ip)
{
	return range_contains(&bs->range, ip) && prefix_contains(&bs->on_link, ip) && !is_special(bs, ip);
}

/* The entry of an address of the range, made when there is room for one; NULL when not. */
struct binding *store_add_in_range(struct bindings *bs, const struct ip *ip)
{
	struct binding *b = store_find(bs, ip);

	if (b || !store_in_range(bs, ip) || bs->n_pool >= BINDINGS_MAX)
		return b;
	return store_add(bs, ip, false);
}

/* Bounded: a long run of known addresses (after a restart) is passed in several calls. */
struct binding *store_next_fresh(struct bindings *bs)
{
	for (unsigned int i = 0; i < FRESH_STEPS && bs->fresh < bs->n_range; i++) {
		struct ip ip = ip_add(&bs->range.first, bs->fresh++);

		if (!store_find(bs, &ip) && store_in_range(bs, &ip)) {
			if (bs->n_pool >= BINDINGS_MAX) {
				bs->fresh--;
				return NULL;
			}
			return store_add(bs, &ip, false);
		}
	}
	return NULL;
}

bool store_matches(const struct bindings *bs, const struct binding *b, const struct binding_key *key)
{
	return mac_eq(&b->mac, &key->mac) && b->iaid == key->iaid && b->id_len == key->id_len &&
	       (key->id_len == 0 || memcmp(store_text(bs, b), key->id, key->id_len) == 0);
}

static struct binding *find_client(const struct bindings *bs, const struct binding_key *key, bool drains)
{
	if (!bs->by_client)
		return NULL;
	struct binding *b = store_at(bs, bs->by_client[hash_client(bs, &key->mac, key->iaid, key->id, key->id_len)]);
	while (b && (b->drains != drains || !store_matches(bs, b, key)))
		b = store_at(bs, b->next_client);
	return b;
}

struct binding *store_find_client(const struct bindings *bs, const struct binding_key *key)
{
	return find_client(bs, key, false);
}

struct binding *store_find_draining(const struct bindings *bs, const struct binding_key *key)
{
	return find_client(bs, key, true);
}

void store_set_client(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname)
{
	if (b->hashed && store_matches(bs, b, key)) {
		set_text(bs, b, key->id, key->id_len, hostname);
		return;
	}
	store_unlink_client(bs, b);
	b->held = false;
	b->mac = key->mac;
	b->iaid = key->iaid;
	set_text(bs, b, key->id, key->id_len, hostname);
	if (!b->declared)
		store_link_client(bs, b);
}

/* --- as a whole -------------------------------------------------------------- */

void store_rebuild(struct bindings *bs, size_t n_declared)
{
	rebuild(bs, bs->entries.n + n_declared);
}

void store_init(struct bindings *bs, const uint8_t seed[static 16])
{
	memcpy(bs->seed, seed, sizeof(bs->seed));
	bs->entries.size = sizeof(struct binding);
	bs->texts.size = TEXT_MAX;
}

void store_done(struct bindings *bs)
{
	pool_done(&bs->entries);
	pool_done(&bs->texts);
	free(bs->by_ip);
	free(bs->by_client);
	free(bs->heap);
}

size_t store_memory(const struct bindings *bs)
{
	return bs->entries.n_chunks * CHUNK * bs->entries.size + bs->texts.n_chunks * CHUNK * bs->texts.size +
	       2 * sizeof(uint32_t) * ((size_t)bs->mask + 1) + bs->cap_heap * sizeof(uint32_t);
}
