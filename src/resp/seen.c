/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen - a bounded memory of addresses, oldest forgotten first
 *
 * Entries lie in one array that fills from its start; heads[] holds the first
 * entry of each chain, and a doubly linked list through all of them has their
 * age. Links are indices; NONE ends a chain and the list.
 */
#include "resp/seen.h"

#include <assert.h>

#define NONE UINT16_MAX

struct seen {
	uint64_t seed;
	unsigned int n, cap;
	uint32_t mask;			/* of heads */
	uint16_t newest, oldest;
	uint16_t *heads;
	struct seen_entry *entries;
};

int seen_new(struct seen **ret, unsigned int n, uint64_t seed)
{
	_cleanup_(seen_freep) struct seen *seen = NEW(struct seen);
	uint32_t n_heads = 16;

	assert(n > 0 && n <= SEEN_MAX);
	while (n_heads < n)
		n_heads *= 2;
	seen->seed = seed;
	seen->cap = n;
	seen->mask = n_heads - 1;
	seen->newest = NONE;
	seen->oldest = NONE;
	seen->heads = xcalloc(n_heads, sizeof(*seen->heads));
	memset(seen->heads, 0xff, n_heads * sizeof(*seen->heads));
	seen->entries = xcalloc(n, sizeof(*seen->entries));
	*ret = STEAL_PTR(seen);
	return 0;
}

struct seen *seen_free(struct seen *seen)
{
	if (!seen)
		return NULL;
	free(seen->entries);
	free(seen->heads);
	free(seen);
	return NULL;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint16_t *head_of(const struct seen *seen, const struct seen_key *key)
{
	uint64_t half[2];

	memcpy(half, key->b, sizeof(half));
	return &seen->heads[mix(mix(half[0] ^ seen->seed) ^ half[1] ^ seen->seed >> 32) & seen->mask];
}

static void age_unlink(struct seen *seen, uint16_t i)
{
	struct seen_entry *e = &seen->entries[i];

	if (e->newer == NONE)
		seen->newest = e->older;
	else
		seen->entries[e->newer].older = e->older;
	if (e->older == NONE)
		seen->oldest = e->newer;
	else
		seen->entries[e->older].newer = e->newer;
}

static void age_push(struct seen *seen, uint16_t i)
{
	struct seen_entry *e = &seen->entries[i];

	e->newer = NONE;
	e->older = seen->newest;
	if (seen->newest == NONE)
		seen->oldest = i;
	else
		seen->entries[seen->newest].newer = i;
	seen->newest = i;
}

static void chain_unlink(struct seen *seen, uint16_t i)
{
	uint16_t *link = head_of(seen, &seen->entries[i].key);

	while (*link != i)
		link = &seen->entries[*link].chain;
	*link = seen->entries[i].chain;
}

struct seen_entry *seen_get(struct seen *seen, const struct seen_key *key)
{
	uint16_t i = *head_of(seen, key);

	while (i != NONE && memcmp(&seen->entries[i].key, key, sizeof(*key)) != 0)
		i = seen->entries[i].chain;
	if (i == NONE)
		return NULL;
	if (i != seen->newest) {
		age_unlink(seen, i);
		age_push(seen, i);
	}
	return &seen->entries[i];
}

struct seen_entry *seen_put(struct seen *seen, const struct seen_key *key, bool *ret_new)
{
	struct seen_entry *e = seen_get(seen, key);
	uint16_t i;

	*ret_new = e == NULL;
	if (e)
		return e;
	if (seen->n < seen->cap) {
		i = (uint16_t)seen->n++;
	} else {
		i = seen->oldest;
		chain_unlink(seen, i);
		age_unlink(seen, i);
	}
	e = &seen->entries[i];
	*e = (struct seen_entry){ .key = *key };

	uint16_t *head = head_of(seen, key);
	e->chain = *head;
	*head = i;
	age_push(seen, i);
	return e;
}

unsigned int seen_count(const struct seen *seen)
{
	return seen->n;
}

struct seen_key seen_key_ip(const struct ip *ip)
{
	struct seen_key key = { .b = { [10] = 0xff, 0xff } };

	if (ip->family == AF_INET)
		memcpy(&key.b[12], &ip->v4, sizeof(ip->v4));
	else
		memcpy(key.b, &ip->v6, sizeof(ip->v6));
	return key;
}

struct seen_key seen_key_mac(const struct mac *mac)
{
	struct seen_key key = { 0 };

	memcpy(key.b, mac->b, sizeof(mac->b));
	return key;
}
