/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fnv - FNV-1a hashes, for names and fingerprints that have to stay the same from run to run
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define FNV64_BASIS UINT64_C(14695981039346656037)

/* Goes on from @h; FNV64_BASIS to begin with. */
static inline uint64_t fnv64(uint64_t h, const void *data, size_t n)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(1099511628211);
	return h;
}

static inline uint32_t fnv32_text(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}
