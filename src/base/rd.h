/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rd - read cursor over untrusted bytes
 *
 * A cursor is a small value: copy it to try a parse, drop the copy to give up.
 * Once a read does not fit, the cursor is bad for good: later reads give zeros
 * and move nothing, so a parser reads a whole header and asks rd_ok() once,
 * before it acts on any field. rd_sub() carves out a child that cannot see past
 * its own length, so an option body can never read its neighbour.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct rd rd_init(const void *buf, size_t n)
{
	return (struct rd){ .p = buf, .left = n };
}

static inline bool rd_ok(const struct rd *r) { return !r->bad; }

static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		r->left = 0;
		return NULL;
	}
	if (n > 0)
		r->p += n;
	r->left -= n;
	return p;
}

static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	if (r->bad)
		memset(dst, 0, n);
	else if (n > 0)
		memcpy(dst, p, n);
}

static inline uint8_t rd_u8(struct rd *r)
{
	uint8_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

static inline uint16_t rd_be16(struct rd *r)
{
	uint8_t b[2];

	rd_copy(r, b, sizeof(b));
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline struct rd rd_sub(struct rd *r, size_t n)
{
	struct rd sub = { .p = rd_take(r, n), .left = n };

	if (r->bad)
		sub = (struct rd){ .bad = true };
	return sub;
}

static inline uint32_t rd_be32(struct rd *r)
{
	uint32_t hi = rd_be16(r);

	return hi << 16 | rd_be16(r);
}
