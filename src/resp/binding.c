/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binding - who holds or held which address of one network and family
 *
 * Work per packet: hash lookups, one step in a heap of at most 64 k entries
 * (16 comparisons), queue ends. Only bindings_configure() walks everything.
 * Entries and texts come from pools that grow by chunks and never shrink.
 */
#include "resp/binding.h"

#include <assert.h>
#include <string.h>
#include "base/hash.h"

#define NONE 0u			/* index 0 is never an entry */
#define CHUNK 512u		/* entries of a chunk */
#define TEXT_INLINE 44u		/* client id and host name together, in most cases */
#define TEXT_MAX (CLIENT_ID_MAX + GUEST_NAME_MAX)
#define MAC_BUCKETS 1024u	/* of the counters that bound what one MAC holds */
#define MAC_SHARE_MIN 4u
#define FRESH_STEPS 256u		/* addresses skipped in one search for a fresh one */

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
};

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

static struct binding *at(const struct bindings *bs, uint32_t index)
{
	return index == NONE ? NULL : pool_get(&bs->entries, index);
}

/* --- what an entry remembers of its client -------------------------------- */

static const uint8_t *text_of(const struct bindings *bs, const struct binding *b)
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
	return hash_client(bs, &b->mac, b->iaid, text_of(bs, b), b->id_len);
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
		p = &at(bs, *p)->next_ip;
	*p = b->next_ip;
}

static void link_client(struct bindings *bs, struct binding *b)
{
	uint32_t *head = &bs->by_client[hash_of(bs, b)];

	assert(!b->hashed && !b->declared);
	b->next_client = *head;
	*head = b->index;
	b->hashed = true;
}

static void unlink_client(struct bindings *bs, struct binding *b)
{
	if (!b->hashed)
		return;
	uint32_t *p = &bs->by_client[hash_of(bs, b)];
	while (*p != b->index)
		p = &at(bs, *p)->next_client;
	*p = b->next_client;
	b->hashed = false;
}

/* --- timers --------------------------------------------------------------- */

static void heap_place(struct bindings *bs, uint32_t i, uint32_t index)
{
	bs->heap[i] = index;
	at(bs, index)->heap = i;
}

static bool heap_before(const struct bindings *bs, uint32_t a, uint32_t b)
{
	return at(bs, a)->deadline < at(bs, b)->deadline;
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

static void timer_set(struct bindings *bs, struct binding *b, mono_t deadline)
{
	b->deadline = deadline;
	if (b->heap == 0)
		heap_place(bs, ++bs->n_heap, b->index);		/* new_entry() made room */
	heap_settle(bs, b->heap);
}

/* --- queues ---------------------------------------------------------------- */

static void queue_leave(struct bindings *bs, struct binding *b)
{
	struct queue_ends *q = &bs->queues[b->queue];

	if (b->queue == QUEUE_NONE)
		return;
	if (b->prev)
		at(bs, b->prev)->next = b->next;
	else
		q->first = b->next;
	if (b->next)
		at(bs, b->next)->prev = b->prev;
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
		at(bs, q->last)->next = b->index;
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
static bool share_used_up(const struct bindings *bs, const struct mac *mac)
{
	uint64_t pool = bs->n_range < BINDINGS_MAX ? bs->n_range : BINDINGS_MAX;
	uint64_t share = pool - pool / 8;

	return bs->n_by_mac[mac_bucket(bs, mac)] >= (share > MAC_SHARE_MIN ? share : MAC_SHARE_MIN);
}

/* --- the one setter of states ------------------------------------------------ */

static void set_state(struct bindings *bs, struct binding *b, enum binding_state to, mono_t deadline)
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
		timer_set(bs, b, deadline);
		break;
	case BINDING_STATE_PROBING:
	case BINDING_STATE_OFFERED:
	case BINDING_STATE_LEASED:
	case BINDING_STATE_QUARANTINED:
		queue_leave(bs, b);
		timer_set(bs, b, deadline);
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

static struct binding *find_ip(const struct bindings *bs, const struct ip *ip)
{
	uint8_t key[16];

	if (!bs->by_ip)
		return NULL;
	key_of_ip(ip, key);
	for (struct binding *b = at(bs, bs->by_ip[hash_ip(bs, key)]); b; b = at(bs, b->next_ip))
		if (memcmp(b->ip, key, sizeof(key)) == 0)
			return b;
	return NULL;
}

/* IDLE, in no queue yet. Not limited here. */
static struct binding *new_entry(struct bindings *bs, const struct ip *ip, bool declared)
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
	link_ip(bs, b);
	bs->n_state[BINDING_STATE_IDLE]++;
	if (!declared) {
		bs->n_pool++;
		queue_join(bs, b, QUEUE_BLANK);
	}
	return b;
}

static void forget_client(struct bindings *bs, struct binding *b)
{
	unlink_client(bs, b);
	set_text(bs, b, NULL, 0, "");
	b->mac = (struct mac){ 0 };
	b->iaid = 0;
	b->held = false;
}

static void drop_entry(struct bindings *bs, struct binding *b)
{
	forget_client(bs, b);
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

static bool in_range(const struct bindings *bs, const struct ip *ip)
{
	return range_contains(&bs->range, ip) && prefix_contains(&bs->on_link, ip) && !is_special(bs, ip);
}

/* The entry of an address of the range, made when there is room for one; NULL when not. */
static struct binding *entry_in_range(struct bindings *bs, const struct ip *ip)
{
	struct binding *b = find_ip(bs, ip);

	if (b || !in_range(bs, ip) || bs->n_pool >= BINDINGS_MAX)
		return b;
	return new_entry(bs, ip, false);
}

/* Bounded: a long run of known addresses (after a restart) is passed in several calls. */
static struct binding *next_fresh(struct bindings *bs)
{
	for (unsigned int i = 0; i < FRESH_STEPS && bs->fresh < bs->n_range; i++) {
		struct ip ip = ip_add(&bs->range.first, bs->fresh++);

		if (!find_ip(bs, &ip) && in_range(bs, &ip)) {
			if (bs->n_pool >= BINDINGS_MAX) {
				bs->fresh--;
				return NULL;
			}
			return new_entry(bs, &ip, false);
		}
	}
	return NULL;
}

static bool key_matches(const struct bindings *bs, const struct binding *b, const struct binding_key *key)
{
	return mac_eq(&b->mac, &key->mac) && b->iaid == key->iaid && b->id_len == key->id_len &&
	       (key->id_len == 0 || memcmp(text_of(bs, b), key->id, key->id_len) == 0);
}

static void set_client(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname)
{
	if (b->hashed && key_matches(bs, b, key)) {
		set_text(bs, b, key->id, key->id_len, hostname);
		return;
	}
	unlink_client(bs, b);
	b->held = false;
	b->mac = key->mac;
	b->iaid = key->iaid;
	set_text(bs, b, key->id, key->id_len, hostname);
	if (!b->declared)
		link_client(bs, b);
}

/* --- new and free --------------------------------------------------------- */

struct bindings *bindings_new(int family, const uint8_t seed[static 16])
{
	struct bindings *bs = NEW(struct bindings);

	bs->family = (uint8_t)family;
	memcpy(bs->seed, seed, sizeof(bs->seed));
	bs->entries.size = sizeof(struct binding);
	bs->texts.size = TEXT_MAX;
	return bs;
}

struct bindings *bindings_free(struct bindings *bs)
{
	if (!bs)
		return NULL;
	pool_done(&bs->entries);
	pool_done(&bs->texts);
	free(bs->by_ip);
	free(bs->by_client);
	free(bs->heap);
	free(bs->declared);
	free(bs);
	return NULL;
}

/* --- settings ----------------------------------------------------------------- */

static int declared_cmp(const void *a, const void *b)
{
	const struct declared *x = a, *y = b;
	int r = memcmp(x->mac.b, y->mac.b, sizeof(x->mac.b));

	return r ? r : x->order < y->order ? -1 : x->order > y->order;
}

/* Tables of a size that fits, with every entry in them anew. */
static void rebuild_tables(struct bindings *bs, size_t n_declared)
{
	uint64_t want = (bs->n_range < BINDINGS_MAX ? bs->n_range : BINDINGS_MAX) + n_declared;
	uint32_t size = 64;

	while (size < want)
		size *= 2;
	free(bs->by_ip);
	free(bs->by_client);
	bs->by_ip = xcalloc(size, sizeof(*bs->by_ip));
	bs->by_client = xcalloc(size, sizeof(*bs->by_client));
	bs->mask = size - 1;
	for (uint32_t i = 1; i < bs->entries.n; i++) {
		struct binding *b = at(bs, i);

		if (!b->used)
			continue;
		link_ip(bs, b);
		if (b->hashed) {
			b->hashed = false;
			link_client(bs, b);
		}
	}
}

/* The first declared address of a MAC, or where it would be. */
static size_t declared_first(const struct bindings *bs, const struct mac *mac)
{
	size_t lo = 0, hi = bs->n_declared;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(bs->declared[mid].mac.b, mac->b, sizeof(mac->b)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_declared_for(const struct bindings *bs, const struct binding *b, const struct mac *mac)
{
	for (size_t i = declared_first(bs, mac); i < bs->n_declared && mac_eq(&bs->declared[i].mac, mac); i++)
		if (bs->declared[i].index == b->index)
			return true;
	return false;
}

static void undeclare(struct bindings *bs, struct binding *b)
{
	b->declared = false;
	bs->n_pool++;
	if (!mac_is_zero(&b->mac))		/* else nobody ever asked for it */
		link_client(bs, b);
	if (b->state == BINDING_STATE_IDLE)
		set_state(bs, b, BINDING_STATE_IDLE, 0);
}

static void declare(struct bindings *bs, const struct service_host *host, const struct ip *ip)
{
	struct binding *b = find_ip(bs, ip);

	if (!b) {
		b = new_entry(bs, ip, true);
	} else if (!b->declared) {
		unlink_client(bs, b);
		b->declared = true;
		bs->n_pool--;
		if (b->state == BINDING_STATE_LEASED) {
			if (!mac_eq(&b->mac, &host->mac))
				timer_set(bs, b, 0);		/* somebody else's until it is collected */
		} else {
			forget_client(bs, b);
			set_state(bs, b, BINDING_STATE_IDLE, 0);
		}
	}
	GROW(bs->declared, bs->n_declared, bs->cap_declared);
	struct declared *d = &bs->declared[bs->n_declared];
	*d = (struct declared){ .mac = host->mac, .order = (uint32_t)bs->n_declared, .index = b->index };
	(void)str_copy(d->name, sizeof(d->name), host->name);
	bs->n_declared++;
}

void bindings_configure(struct bindings *bs, const struct prefix *on_link, const struct ip_range *range,
			const struct service_host *hosts, size_t n_hosts)
{
	size_t n_ips = 0;

	bs->on_link = *on_link;
	bs->range = *range;
	bs->n_range = range_size(range);
	bs->fresh = 0;
	for (size_t i = 0; i < n_hosts; i++)
		n_ips += hosts[i].n_ips;
	rebuild_tables(bs, n_ips);

	for (size_t i = 0; i < bs->n_declared; i++) {
		struct binding *b = at(bs, bs->declared[i].index);

		if (b->declared)			/* two hosts may have declared one address */
			undeclare(bs, b);
	}
	bs->n_declared = 0;
	for (size_t i = 0; i < n_hosts; i++)
		for (size_t k = 0; k < hosts[i].n_ips && k < SERVICE_HOST_IPS; k++)
			if (prefix_contains(on_link, &hosts[i].ips[k]))
				declare(bs, &hosts[i], &hosts[i].ips[k]);
	if (bs->n_declared > 1)
		qsort(bs->declared, bs->n_declared, sizeof(*bs->declared), declared_cmp);

	for (uint32_t i = 1; i < bs->entries.n; i++) {
		struct binding *b = at(bs, i);
		struct ip ip;

		if (!b->used || b->declared)
			continue;
		ip = binding_ip(bs, b);
		if (in_range(bs, &ip))
			continue;
		if (b->state == BINDING_STATE_LEASED)
			timer_set(bs, b, 0);
		else
			drop_entry(bs, b);
	}
}

bool bindings_restore(struct bindings *bs, const struct lease *lease, mono_t now)
{
	struct binding_key key = {
		.mac = lease->mac, .iaid = lease->iaid, .id_len = lease->client.len, .id = lease->client.b,
	};
	struct binding *b = entry_in_range(bs, &lease->ip), *other;

	if (!b || b->state == BINDING_STATE_LEASED || mac_is_zero(&lease->mac))
		return false;
	if (b->declared && !is_declared_for(bs, b, &lease->mac))
		return false;
	other = bindings_of(bs, &key);
	if (other && other != b && !b->declared) {	/* an older row of the same client */
		if (other->state == BINDING_STATE_LEASED)
			return false;
		forget_client(bs, other);
		set_state(bs, other, BINDING_STATE_IDLE, 0);
	}
	set_client(bs, b, &key, lease->hostname);
	b->held = true;
	if (lease->expires <= now) {
		set_state(bs, b, BINDING_STATE_IDLE, 0);
		return false;
	}
	set_state(bs, b, BINDING_STATE_LEASED, lease->expires);
	return true;
}

/* --- queries -------------------------------------------------------------- */

size_t bindings_declared(struct bindings *bs, const struct mac *mac, struct binding *ret[static SERVICE_HOST_IPS])
{
	size_t n = 0;

	for (size_t i = declared_first(bs, mac); i < bs->n_declared && mac_eq(&bs->declared[i].mac, mac); i++)
		if (n < SERVICE_HOST_IPS)
			ret[n++] = at(bs, bs->declared[i].index);
	return n;
}

const char *bindings_declared_name(const struct bindings *bs, const struct mac *mac)
{
	size_t i = declared_first(bs, mac);

	return i < bs->n_declared && mac_eq(&bs->declared[i].mac, mac) ? bs->declared[i].name : NULL;
}

struct binding *bindings_at(const struct bindings *bs, const struct ip *ip)
{
	return find_ip(bs, ip);
}

struct binding *bindings_of(const struct bindings *bs, const struct binding_key *key)
{
	if (!bs->by_client)
		return NULL;
	struct binding *b = at(bs, bs->by_client[hash_client(bs, &key->mac, key->iaid, key->id, key->id_len)]);
	while (b && !key_matches(bs, b, key))
		b = at(bs, b->next_client);
	return b;
}

/* --- choosing and giving ------------------------------------------------ */

static bool probed_lately(const struct binding *b, mono_t now)
{
	return b->probed > 0 && now - b->probed < BINDING_PROBED_S * MONO_S;
}

int bindings_pick(struct bindings *bs, const struct binding_key *key, const struct ip *wish, mono_t now,
		  struct binding **ret)
{
	struct binding *own = bindings_of(bs, key);

	if (own && own->state != BINDING_STATE_PROBING &&
	    (own->state != BINDING_STATE_LEASED || own->deadline > now)) {	/* else revoked, not yet collected */
		*ret = own;
		return 0;
	}
	if (own && own->state == BINDING_STATE_PROBING && own->held) {
		*ret = own;
		return 0;
	}
	if (!own && share_used_up(bs, &key->mac))
		return BINDING_E_FULL;
	if (wish && in_range(bs, wish)) {
		struct binding *b = find_ip(bs, wish);

		if (b && !b->declared && !b->held && probed_lately(b, now) &&
		    (b->state == BINDING_STATE_IDLE || b->state == BINDING_STATE_READY)) {
			*ret = b;
			return 0;
		}
	}
	struct binding *ready = at(bs, bs->queues[QUEUE_READY_BLANK].first);
	if (!ready)
		ready = at(bs, bs->queues[QUEUE_READY_PAST].first);
	if (ready) {
		*ret = ready;
		return 0;
	}
	if (bs->n_state[BINDING_STATE_PROBING] > 0 || bindings_has_candidate(bs))
		return BINDING_E_WAIT;
	return BINDING_E_FULL;
}

int bindings_claim(struct bindings *bs, const struct binding_key *key, const struct ip *ip, struct binding **ret)
{
	struct binding *b = find_ip(bs, ip);

	if (!b) {
		if (!in_range(bs, ip))
			return BINDING_E_RANGE;
		b = entry_in_range(bs, ip);
		if (!b)
			return BINDING_E_TAKEN;		/* no room for another entry */
	}
	if (b->declared) {
		if (!is_declared_for(bs, b, &key->mac))
			return BINDING_E_TAKEN;
		if (b->state == BINDING_STATE_LEASED && !mac_eq(&b->mac, &key->mac))
			return BINDING_E_TAKEN;		/* the former holder, not yet collected */
		*ret = b;
		return 0;
	}
	if (!in_range(bs, ip))
		return BINDING_E_RANGE;			/* a lease that a new configuration ended */
	if (!b->bucket && !bindings_of(bs, key) && share_used_up(bs, &key->mac))
		return BINDING_E_TAKEN;
	switch ((enum binding_state)b->state) {
	case BINDING_STATE_IDLE:
	case BINDING_STATE_PROBING:
	case BINDING_STATE_READY:
		if (b->held && !key_matches(bs, b, key))
			return BINDING_E_TAKEN;
		break;
	case BINDING_STATE_OFFERED:
	case BINDING_STATE_LEASED:
		if (!key_matches(bs, b, key))
			return BINDING_E_TAKEN;
		break;
	case BINDING_STATE_QUARANTINED:
		if (!mac_eq(&b->mac, &key->mac))
			return BINDING_E_TAKEN;		/* used by another; by itself is fine: its lease got lost */
		break;
	case BINDING_STATE_N_:
		assert(0);
	}
	*ret = b;
	return 0;
}

/* What else the client has is free again; a lease of it is collected soon. */
static void leave_others(struct bindings *bs, const struct binding *b, const struct binding_key *key)
{
	struct binding *other = bindings_of(bs, key);

	if (!other || other == b)
		return;
	switch ((enum binding_state)other->state) {
	case BINDING_STATE_LEASED:
		unlink_client(bs, other);
		timer_set(bs, other, 0);
		break;
	case BINDING_STATE_OFFERED:
		forget_client(bs, other);
		set_state(bs, other, BINDING_STATE_IDLE, 0);
		break;
	case BINDING_STATE_IDLE:
		forget_client(bs, other);
		set_state(bs, other, BINDING_STATE_IDLE, 0);
		break;
	case BINDING_STATE_PROBING:
	case BINDING_STATE_READY:
	case BINDING_STATE_QUARANTINED:
		forget_client(bs, other);
		break;
	case BINDING_STATE_N_:
		assert(0);
	}
}

void bindings_offer(struct bindings *bs, struct binding *b, const struct binding_key *key, mono_t now)
{
	if (b->state == BINDING_STATE_LEASED)
		return;
	leave_others(bs, b, key);
	set_client(bs, b, key, "");
	set_state(bs, b, BINDING_STATE_OFFERED, now + BINDING_OFFER_MS * MONO_MS);
}

bool bindings_lease(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname,
		    mono_t expires)
{
	bool known = b->state == BINDING_STATE_LEASED && mac_eq(&b->mac, &key->mac);

	leave_others(bs, b, key);
	set_client(bs, b, key, hostname);
	b->held = true;
	set_state(bs, b, BINDING_STATE_LEASED, expires);
	return known;
}

void bindings_release(struct bindings *bs, struct binding *b, mono_t now)
{
	if (b->state == BINDING_STATE_LEASED)
		b->probed = now;		/* it was its holder's until now */
	set_state(bs, b, BINDING_STATE_IDLE, 0);
}

void bindings_forget(struct bindings *bs, struct binding *b)
{
	forget_client(bs, b);
	b->probed = 0;
	set_state(bs, b, BINDING_STATE_IDLE, 0);
}

void bindings_revert(struct bindings *bs, struct binding *b, mono_t now)
{
	if (b->state != BINDING_STATE_LEASED && b->state != BINDING_STATE_OFFERED)
		return;
	b->held = false;
	set_state(bs, b, BINDING_STATE_OFFERED, now + BINDING_OFFER_MS * MONO_MS);
}

void bindings_quarantine(struct bindings *bs, struct binding *b, const struct mac *user, mono_t now)
{
	forget_client(bs, b);
	b->probed = 0;
	if (b->declared) {
		set_state(bs, b, BINDING_STATE_IDLE, 0);
		return;
	}
	if (user)
		b->mac = *user;
	set_state(bs, b, BINDING_STATE_QUARANTINED, now + BINDING_QUARANTINE_S * MONO_S);
}

bool bindings_seen(struct bindings *bs, const struct ip *ip, const struct mac *user, mono_t now)
{
	struct binding *b = find_ip(bs, ip);

	if (!b) {
		if (in_range(bs, ip) && (b = entry_in_range(bs, ip)) != NULL)
			bindings_quarantine(bs, b, user, now);
		return false;
	}
	if (b->declared)
		return !is_declared_for(bs, b, user);
	switch ((enum binding_state)b->state) {
	case BINDING_STATE_LEASED:
		return !mac_eq(&b->mac, user);
	case BINDING_STATE_OFFERED:
		if (mac_eq(&b->mac, user))
			return false;
		bindings_quarantine(bs, b, user, now);
		return true;
	case BINDING_STATE_IDLE:
	case BINDING_STATE_PROBING:
	case BINDING_STATE_READY:
		if (!mac_is_zero(&b->mac) && mac_eq(&b->mac, user)) {
			/* its last client goes on using it: not for others, but still its own */
			set_state(bs, b, BINDING_STATE_QUARANTINED, now + BINDING_QUARANTINE_S * MONO_S);
			return false;
		}
		bindings_quarantine(bs, b, user, now);
		return false;
	case BINDING_STATE_QUARANTINED:
		if (!mac_eq(&b->mac, user))
			bindings_quarantine(bs, b, user, now);
		else
			timer_set(bs, b, now + BINDING_QUARANTINE_S * MONO_S);
		return false;
	case BINDING_STATE_N_:
		assert(0);
	}
	return false;
}

/* --- probing ------------------------------------------------------------ */

bool bindings_has_candidate(const struct bindings *bs)
{
	return (bs->fresh < bs->n_range && bs->n_pool < BINDINGS_MAX) || bs->queues[QUEUE_BLANK].n > 0 ||
	       bs->queues[QUEUE_PAST].n > 0;
}

struct binding *bindings_candidate(struct bindings *bs, mono_t now)
{
	for (unsigned int i = 0; i < FRESH_STEPS; i++) {
		struct binding *b = next_fresh(bs);

		if (!b && bs->fresh < bs->n_range && bs->n_pool < BINDINGS_MAX)
			return NULL;			/* passing a run of known ones: the next call goes on */
		if (!b)
			b = at(bs, bs->queues[QUEUE_BLANK].first);
		if (!b)
			b = at(bs, bs->queues[QUEUE_PAST].first);
		if (!b)
			return NULL;
		if (probed_lately(b, now)) {
			set_state(bs, b, BINDING_STATE_READY, b->probed + BINDING_PROBED_S * MONO_S);
			continue;
		}
		set_state(bs, b, BINDING_STATE_PROBING, now + BINDING_PROBE_MS * MONO_MS);
		return b;
	}
	return NULL;
}

uint32_t bindings_n_ready(const struct bindings *bs)
{
	return bs->n_state[BINDING_STATE_READY];
}

uint32_t bindings_n_probing(const struct bindings *bs)
{
	return bs->n_state[BINDING_STATE_PROBING];
}

/* --- time --------------------------------------------------------------------- */

mono_t bindings_deadline(const struct bindings *bs)
{
	return bs->n_heap > 0 ? at(bs, bs->heap[1])->deadline : MONO_NEVER;
}

/* A lease is over: its client is remembered, unless the address isn't to be given to it any more. */
static void end_lease(struct bindings *bs, struct binding *b)
{
	struct ip ip = binding_ip(bs, b);

	if (!b->declared && !in_range(bs, &ip)) {
		drop_entry(bs, b);
		return;
	}
	if (b->declared ? !is_declared_for(bs, b, &b->mac) : !b->hashed)
		forget_client(bs, b);			/* revoked, or the client has another one */
	set_state(bs, b, BINDING_STATE_IDLE, 0);
}

bool bindings_expire(struct bindings *bs, mono_t now, struct lease *ret)
{
	while (bs->n_heap > 0 && at(bs, bs->heap[1])->deadline <= now) {
		struct binding *b = at(bs, bs->heap[1]);

		switch ((enum binding_state)b->state) {
		case BINDING_STATE_PROBING:
			b->probed = b->deadline;
			set_state(bs, b, BINDING_STATE_READY, b->probed + BINDING_PROBED_S * MONO_S);
			break;
		case BINDING_STATE_READY:
		case BINDING_STATE_OFFERED:
		case BINDING_STATE_QUARANTINED:
			set_state(bs, b, BINDING_STATE_IDLE, 0);
			break;
		case BINDING_STATE_LEASED:
			binding_lease(bs, b, ret);
			end_lease(bs, b);
			return true;
		case BINDING_STATE_IDLE:
		case BINDING_STATE_N_:
			assert(0);
		}
	}
	return false;
}

/* --- looking at it ---------------------------------------------------- */

uint32_t bindings_n_leased(const struct bindings *bs)
{
	return bs->n_state[BINDING_STATE_LEASED];
}

size_t bindings_memory(const struct bindings *bs)
{
	return sizeof(*bs) + bs->entries.n_chunks * CHUNK * bs->entries.size +
	       bs->texts.n_chunks * CHUNK * bs->texts.size + 2 * sizeof(uint32_t) * ((size_t)bs->mask + 1) +
	       bs->cap_heap * sizeof(uint32_t) + bs->cap_declared * sizeof(*bs->declared);
}

void bindings_each_leased(const struct bindings *bs, void (*fn)(void *user, const struct lease *lease), void *user)
{
	for (uint32_t i = 1; i < bs->entries.n; i++) {
		const struct binding *b = at(bs, i);
		struct lease lease;

		if (!b->used || b->state != BINDING_STATE_LEASED)
			continue;
		binding_lease(bs, b, &lease);
		fn(user, &lease);
	}
}

enum binding_state binding_state(const struct binding *b)
{
	return (enum binding_state)b->state;
}

bool binding_is_declared(const struct binding *b)
{
	return b->declared;
}

struct ip binding_ip(const struct bindings *bs, const struct binding *b)
{
	struct ip ip = { .family = bs->family };

	memcpy(ip.b, b->ip, ip_size(&ip));
	return ip;
}

mono_t binding_expires(const struct binding *b)
{
	return b->deadline;
}

bool bindings_is_for(const struct bindings *bs, const struct binding *b, const struct binding_key *key)
{
	return !mac_is_zero(&b->mac) && key_matches(bs, b, key);
}

void binding_lease(const struct bindings *bs, const struct binding *b, struct lease *ret)
{
	const uint8_t *text = text_of(bs, b);

	*ret = (struct lease){ .ip = binding_ip(bs, b), .mac = b->mac, .iaid = b->iaid, .expires = b->deadline };
	ret->client.len = b->id_len;
	memcpy(ret->client.b, text, b->id_len);
	memcpy(ret->hostname, text + b->id_len, b->name_len);
}
