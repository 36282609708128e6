/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hash - SipHash-2-4, and stable things derived from a secret
 */
#include "base/hash.h"

#include <string.h>
#include "base/mem.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t get_le64(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void put_le64(uint8_t *p, uint64_t v)
{
	for (unsigned int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void sip_compress(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t sip_finish(struct sip *s)
{
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void hash_sip128(uint8_t out[static 16], const uint8_t key[static 16], const void *data, size_t n)
{
	const uint64_t k0 = get_le64(key, 8), k1 = get_le64(key + 8, 8);
	const uint8_t *p = data;
	struct sip s = {
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575),	/* "somepseudorandomlygeneratedbytes" */
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,	/* 0xee, 0xee, 0xdd: 128 bits are wanted */
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t left = n;

	for (; left >= 8; left -= 8, p += 8)
		sip_compress(&s, get_le64(p, 8));
	sip_compress(&s, (uint64_t)n << 56 | (left > 0 ? get_le64(p, left) : 0));
	s.v2 ^= 0xee;
	put_le64(out, sip_finish(&s));
	s.v1 ^= 0xdd;
	put_le64(out + 8, sip_finish(&s));
}

void seed_derive(uint8_t out[static 16], const uint8_t secret[static 16], const char *what, const char *name1,
		 const char *name2)
{
	const char *parts[] = { what, name1 ? name1 : "", name2 ? name2 : "" };
	size_t n = 0, at = 0;

	/* Each with its terminating zero, so that ("ab", "c") and ("a", "bc") differ. */
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		n += strlen(parts[i]) + 1;
	_cleanup_(freep) uint8_t *text = xcalloc(n, 1);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t len = strlen(parts[i]) + 1;

		memcpy(text + at, parts[i], len);
		at += len;
	}
	hash_sip128(out, secret, text, n);
}
