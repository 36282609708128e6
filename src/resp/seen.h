/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen - a bounded memory of addresses, oldest forgotten first
 *
 * What a responder remembers of its guests: a key of 16 bytes (an IP address,
 * or a MAC address with zeros behind it), and a few words with it. All memory
 * is taken at the start, in one piece that the kernel only backs as far as it
 * is used; nothing is allocated later. When it is full, the entry that was not
 * used for the longest time makes room. The hash is seeded, so that guests
 * cannot pick addresses that collide.
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "net/addr.h"

#define SEEN_MAX 32767

struct seen_key {
	uint8_t b[16];
};

struct seen_entry {
	struct seen_key key;
	uint16_t chain, newer, older;	/* of seen.c */
	struct mac mac;			/* from here on: the user's */
	uint16_t count;
	bool told;
	mono_t at;
};

struct seen;

/* @n: entries, at most SEEN_MAX. Return: 0. */
int seen_new(struct seen **ret, unsigned int n, uint64_t seed);
struct seen *seen_free(struct seen *seen);
DEFINE_FREEP(struct seen, seen_free)

/* Find an entry, which then counts as just used. Return: the entry, or NULL. */
struct seen_entry *seen_get(struct seen *seen, const struct seen_key *key);

/* Find or make an entry; a new one has zeros in the user's words. Return: the entry; valid until the next call. */
struct seen_entry *seen_put(struct seen *seen, const struct seen_key *key, bool *ret_new);

unsigned int seen_count(const struct seen *seen);

struct seen_key seen_key_ip(const struct ip *ip);	/* IPv4 as ::ffff:a.b.c.d */
struct seen_key seen_key_mac(const struct mac *mac);
