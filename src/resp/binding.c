/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binding - who holds or held which address of one network and family
 *
 * Work per packet: hash lookups, one step in a heap of at most 64 k entries
 * (16 comparisons), queue ends. Only bindings_configure() walks everything.
 */
#include "resp/binding.h"

#include <assert.h>
#include <string.h>
#include "resp/binding_store.h"

#define CANDIDATE_STEPS 256u	/* addresses that need no probe, passed in one search for one that does */

/* --- new and free --------------------------------------------------------- */

struct bindings *bindings_new(int family, const uint8_t seed[static 16])
{
	struct bindings *bs = NEW(struct bindings);

	bs->family = (uint8_t)family;
	store_init(bs, seed);
	return bs;
}

struct bindings *bindings_free(struct bindings *bs)
{
	if (!bs)
		return NULL;
	store_done(bs);
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
		store_link_client(bs, b);
	if (b->state == BINDING_STATE_IDLE)
		store_set_state(bs, b, BINDING_STATE_IDLE, 0);
}

static void declare(struct bindings *bs, const struct service_host *host, const struct ip *ip)
{
	struct binding *b = store_find(bs, ip);

	if (!b) {
		b = store_add(bs, ip, true);
	} else if (!b->declared) {
		store_unlink_client(bs, b);
		b->declared = true;
		bs->n_pool--;
		if (b->state == BINDING_STATE_LEASED) {
			if (!mac_eq(&b->mac, &host->mac))
				store_set_timer(bs, b, 0);		/* somebody else's until it is collected */
		} else {
			store_forget_client(bs, b);
			store_set_state(bs, b, BINDING_STATE_IDLE, 0);
		}
	}
	GROW(bs->declared, bs->n_declared, bs->cap_declared);
	struct declared *d = &bs->declared[bs->n_declared];
	*d = (struct declared){ .mac = host->mac, .order = (uint32_t)bs->n_declared, .index = b->index };
	(void)str_copy(d->name, sizeof(d->name), host->name);
	bs->n_declared++;
}

static bool is_drained(const struct bindings *bs, const struct ip *ip)
{
	for (size_t i = 0; i < bs->n_drains; i++)
		if (prefix_contains(&bs->drains[i], ip))
			return true;
	return false;
}

static void take_drains(struct bindings *bs, const struct service_drain *drains, size_t n)
{
	bs->n_drains = 0;
	for (size_t i = 0; i < n && bs->n_drains < ARRAY_LEN(bs->drains); i++)
		if (drains[i].gateway.ip.family == bs->family)
			bs->drains[bs->n_drains++] = drains[i].gateway;
}

void bindings_configure(struct bindings *bs, const struct prefix *on_link, const struct ip_range *range,
			const struct service_host *hosts, size_t n_hosts, const struct service_drain *drains, size_t n_drains)
{
	size_t n_ips = 0;

	bs->on_link = *on_link;
	bs->range = *range;
	bs->n_range = range_size(range);
	bs->fresh = 0;
	take_drains(bs, drains, n_drains);
	for (size_t i = 0; i < n_hosts; i++)
		n_ips += hosts[i].n_ips;
	store_rebuild(bs, n_ips);

	for (size_t i = 0; i < bs->n_declared; i++) {
		struct binding *b = store_at(bs, bs->declared[i].index);

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
		struct binding *b = store_at(bs, i);
		struct ip ip;

		if (!b->used || b->declared)
			continue;
		ip = binding_ip(bs, b);
		b->drains = false;
		if (store_in_range(bs, &ip))
			continue;
		if (b->state != BINDING_STATE_LEASED)
			store_drop(bs, b);
		else if (is_drained(bs, &ip))
			b->drains = true;
		else
			store_set_timer(bs, b, 0);
	}
}

static bool restore_draining(struct bindings *bs, const struct lease *lease, const struct binding_key *key, mono_t now)
{
	struct binding *b = store_find(bs, &lease->ip);

	if (b || lease->expires <= now || mac_is_zero(&lease->mac) || bs->n_pool >= BINDINGS_MAX)
		return false;
	b = store_add(bs, &lease->ip, false);
	store_set_client(bs, b, key, lease->hostname);
	b->held = b->drains = true;
	store_set_state(bs, b, BINDING_STATE_LEASED, lease->expires);
	return true;
}

bool bindings_restore(struct bindings *bs, const struct lease *lease, mono_t now)
{
	struct binding_key key = {
		.mac = lease->mac, .iaid = lease->iaid, .id_len = lease->client.len, .id = lease->client.b,
	};
	struct binding *b = store_add_in_range(bs, &lease->ip), *other;

	if (!b && is_drained(bs, &lease->ip))
		return restore_draining(bs, lease, &key, now);
	if (!b || b->state == BINDING_STATE_LEASED || mac_is_zero(&lease->mac))
		return false;
	if (b->declared && !is_declared_for(bs, b, &lease->mac))
		return false;
	other = bindings_of(bs, &key);
	if (other && other != b && !b->declared) {	/* an older row of the same client */
		if (other->state == BINDING_STATE_LEASED)
			return false;
		store_forget_client(bs, other);
		store_set_state(bs, other, BINDING_STATE_IDLE, 0);
	}
	store_set_client(bs, b, &key, lease->hostname);
	b->held = true;
	if (lease->expires <= now) {
		store_set_state(bs, b, BINDING_STATE_IDLE, 0);
		return false;
	}
	store_set_state(bs, b, BINDING_STATE_LEASED, lease->expires);
	return true;
}

/* --- queries -------------------------------------------------------------- */

size_t bindings_declared(struct bindings *bs, const struct mac *mac, struct binding *ret[static SERVICE_HOST_IPS])
{
	size_t n = 0;

	for (size_t i = declared_first(bs, mac); i < bs->n_declared && mac_eq(&bs->declared[i].mac, mac); i++)
		if (n < SERVICE_HOST_IPS)
			ret[n++] = store_at(bs, bs->declared[i].index);
	return n;
}

const char *bindings_declared_name(const struct bindings *bs, const struct mac *mac)
{
	size_t i = declared_first(bs, mac);

	return i < bs->n_declared && mac_eq(&bs->declared[i].mac, mac) ? bs->declared[i].name : NULL;
}

struct binding *bindings_at(const struct bindings *bs, const struct ip *ip)
{
	return store_find(bs, ip);
}

struct binding *bindings_of(const struct bindings *bs, const struct binding_key *key)
{
	return store_find_client(bs, key);
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
	if (!own && store_share_used_up(bs, &key->mac))
		return BINDING_E_FULL;
	if (wish && store_in_range(bs, wish)) {
		struct binding *b = store_find(bs, wish);

		if (b && !b->declared && !b->held && probed_lately(b, now) &&
		    (b->state == BINDING_STATE_IDLE || b->state == BINDING_STATE_READY)) {
			*ret = b;
			return 0;
		}
	}
	struct binding *ready = store_at(bs, bs->queues[QUEUE_READY_BLANK].first);
	if (!ready)
		ready = store_at(bs, bs->queues[QUEUE_READY_PAST].first);
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
	struct binding *b = store_find(bs, ip);

	if (!b) {
		if (!store_in_range(bs, ip))
			return BINDING_E_RANGE;
		b = store_add_in_range(bs, ip);
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
	if (!store_in_range(bs, ip))
		return BINDING_E_RANGE;			/* a lease that a new configuration ended */
	if (!b->bucket && !bindings_of(bs, key) && store_share_used_up(bs, &key->mac))
		return BINDING_E_TAKEN;
	switch ((enum binding_state)b->state) {
	case BINDING_STATE_IDLE:
	case BINDING_STATE_PROBING:
	case BINDING_STATE_READY:
		if (b->held && !store_matches(bs, b, key))
			return BINDING_E_TAKEN;
		break;
	case BINDING_STATE_OFFERED:
	case BINDING_STATE_LEASED:
		if (!store_matches(bs, b, key))
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
		store_unlink_client(bs, other);
		store_set_timer(bs, other, 0);
		break;
	case BINDING_STATE_OFFERED:
		store_forget_client(bs, other);
		store_set_state(bs, other, BINDING_STATE_IDLE, 0);
		break;
	case BINDING_STATE_IDLE:
		store_forget_client(bs, other);
		store_set_state(bs, other, BINDING_STATE_IDLE, 0);
		break;
	case BINDING_STATE_PROBING:
	case BINDING_STATE_READY:
	case BINDING_STATE_QUARANTINED:
		store_forget_client(bs, other);
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
	store_set_client(bs, b, key, "");
	store_set_state(bs, b, BINDING_STATE_OFFERED, now + BINDING_OFFER_MS * MONO_MS);
}

bool bindings_lease(struct bindings *bs, struct binding *b, const struct binding_key *key, const char *hostname,
		    mono_t expires)
{
	bool known = b->state == BINDING_STATE_LEASED && mac_eq(&b->mac, &key->mac);

	leave_others(bs, b, key);
	store_set_client(bs, b, key, hostname);
	b->held = true;
	store_set_state(bs, b, BINDING_STATE_LEASED, expires);
	return known;
}

void bindings_leave_draining(struct bindings *bs, const struct binding_key *key)
{
	struct binding *b;

	while ((b = store_find_draining(bs, key))) {
		store_unlink_client(bs, b);
		store_set_timer(bs, b, 0);
	}
}

bool binding_drains(const struct binding *b)
{
	return b->drains;
}

/* An entry that nobody can have any more. */
static bool drop_drained(struct bindings *bs, struct binding *b)
{
	bool drains = b->drains;

	if (drains)
		store_drop(bs, b);
	return drains;
}

void bindings_release(struct bindings *bs, struct binding *b, mono_t now)
{
	if (drop_drained(bs, b))
		return;
	if (b->state == BINDING_STATE_LEASED)
		b->probed = now;		/* it was its holder's until now */
	store_set_state(bs, b, BINDING_STATE_IDLE, 0);
}

void bindings_forget(struct bindings *bs, struct binding *b)
{
	if (drop_drained(bs, b))
		return;
	store_forget_client(bs, b);
	b->probed = 0;
	store_set_state(bs, b, BINDING_STATE_IDLE, 0);
}

void bindings_revert(struct bindings *bs, struct binding *b, mono_t now)
{
	if (b->state != BINDING_STATE_LEASED && b->state != BINDING_STATE_OFFERED)
		return;
	if (drop_drained(bs, b))
		return;
	b->held = false;
	store_set_state(bs, b, BINDING_STATE_OFFERED, now + BINDING_OFFER_MS * MONO_MS);
}

void bindings_not_saved(struct bindings *bs, const struct lease *lease, mono_t now)
{
	struct binding *b = store_find(bs, &lease->ip);
	struct binding_key key = {
		.mac = lease->mac, .iaid = lease->iaid, .id_len = lease->client.len, .id = lease->client.b,
	};

	if (b && bindings_is_for(bs, b, &key))
		bindings_revert(bs, b, now);
}

void bindings_quarantine(struct bindings *bs, struct binding *b, const struct mac *user, mono_t now)
{
	if (drop_drained(bs, b))
		return;
	store_forget_client(bs, b);
	b->probed = 0;
	if (b->declared) {
		store_set_state(bs, b, BINDING_STATE_IDLE, 0);
		return;
	}
	if (user)
		b->mac = *user;
	store_set_state(bs, b, BINDING_STATE_QUARANTINED, now + BINDING_QUARANTINE_S * MONO_S);
}

void bindings_decline(struct bindings *bs, struct binding *b, mono_t now, struct lease *ret)
{
	binding_lease(bs, b, ret);
	ret->expires = 0;
	if (now - bs->decline_window > BINDING_QUARANTINE_S * MONO_S) {
		bs->decline_window = now;
		bs->n_declines = 0;
	}
	if (bs->n_declines++ < BINDING_DECLINES)
		bindings_quarantine(bs, b, NULL, now);
	else
		bindings_forget(bs, b);
}

bool bindings_end(struct bindings *bs, const struct ip *ip, struct lease *ret)
{
	struct binding *b = store_find(bs, ip);

	if (!b || b->state != BINDING_STATE_LEASED)
		return false;
	binding_lease(bs, b, ret);
	ret->expires = 0;
	bindings_forget(bs, b);
	return true;
}

bool bindings_seen(struct bindings *bs, const struct ip *ip, const struct mac *user, mono_t now)
{
	struct binding *b = store_find(bs, ip);

	if (!b) {
		if (store_in_range(bs, ip) && (b = store_add_in_range(bs, ip)) != NULL)
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
			store_set_state(bs, b, BINDING_STATE_QUARANTINED, now + BINDING_QUARANTINE_S * MONO_S);
			return false;
		}
		bindings_quarantine(bs, b, user, now);
		return false;
	case BINDING_STATE_QUARANTINED:
		if (!mac_eq(&b->mac, user))
			bindings_quarantine(bs, b, user, now);
		else
			store_set_timer(bs, b, now + BINDING_QUARANTINE_S * MONO_S);
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
	for (unsigned int i = 0; i < CANDIDATE_STEPS; i++) {
		struct binding *b = store_next_fresh(bs);

		if (!b && bs->fresh < bs->n_range && bs->n_pool < BINDINGS_MAX)
			return NULL;			/* passing a run of known ones: the next call goes on */
		if (!b)
			b = store_at(bs, bs->queues[QUEUE_BLANK].first);
		if (!b)
			b = store_at(bs, bs->queues[QUEUE_PAST].first);
		if (!b)
			return NULL;
		if (probed_lately(b, now)) {
			store_set_state(bs, b, BINDING_STATE_READY, b->probed + BINDING_PROBED_S * MONO_S);
			continue;
		}
		store_set_state(bs, b, BINDING_STATE_PROBING, now + BINDING_PROBE_MS * MONO_MS);
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
	return bs->n_heap > 0 ? store_at(bs, bs->heap[1])->deadline : MONO_NEVER;
}

/* A lease is over: its client is remembered, unless the address isn't to be given to it any more. */
static void end_lease(struct bindings *bs, struct binding *b)
{
	struct ip ip = binding_ip(bs, b);

	if (!b->declared && !store_in_range(bs, &ip)) {
		store_drop(bs, b);
		return;
	}
	if (b->declared ? !is_declared_for(bs, b, &b->mac) : !b->hashed)
		store_forget_client(bs, b);			/* revoked, or the client has another one */
	store_set_state(bs, b, BINDING_STATE_IDLE, 0);
}

bool bindings_expire(struct bindings *bs, mono_t now, struct lease *ret)
{
	while (bs->n_heap > 0 && store_at(bs, bs->heap[1])->deadline <= now) {
		struct binding *b = store_at(bs, bs->heap[1]);

		switch ((enum binding_state)b->state) {
		case BINDING_STATE_PROBING:
			b->probed = b->deadline;
			store_set_state(bs, b, BINDING_STATE_READY, b->probed + BINDING_PROBED_S * MONO_S);
			break;
		case BINDING_STATE_READY:
		case BINDING_STATE_OFFERED:
		case BINDING_STATE_QUARANTINED:
			store_set_state(bs, b, BINDING_STATE_IDLE, 0);
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
	return sizeof(*bs) + store_memory(bs) + bs->cap_declared * sizeof(*bs->declared);
}

void bindings_each_leased(const struct bindings *bs, void (*fn)(void *user, const struct lease *lease), void *user)
{
	for (uint32_t i = 1; i < bs->entries.n; i++) {
		const struct binding *b = store_at(bs, i);
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

bool bindings_is_for(const struct bindings *bs, const struct binding *b, const struct binding_key *key)
{
	return !mac_is_zero(&b->mac) && store_matches(bs, b, key);
}

void binding_lease(const struct bindings *bs, const struct binding *b, struct lease *ret)
{
	const uint8_t *text = store_text(bs, b);

	*ret = (struct lease){ .ip = binding_ip(bs, b), .mac = b->mac, .iaid = b->iaid, .expires = b->deadline };
	ret->client.len = b->id_len;
	memcpy(ret->client.b, text, b->id_len);
	memcpy(ret->hostname, text + b->id_len, b->name_len);
}
