/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wr - write cursor into a fixed buffer, with sticky overflow
 *
 * The counterpart of rd: once something does not fit, the cursor is bad for
 * good and writes nothing more, so a builder writes a whole message and asks
 * wr_ok() once, before the message leaves. Nothing here allocates.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
	uint8_t *buf;
	size_t len;		/* written so far */
	size_t cap;
	bool bad;
};

static inline struct wr wr_init(void *buf, size_t cap)
{
	return (struct wr){ .buf = buf, .cap = cap };
}

static inline bool wr_ok(const struct wr *w)
{
	return !w->bad;
}

/* Reserve @n zeroed bytes; NULL (and bad from then on) when they don't fit. */
static inline uint8_t *wr_skip(struct wr *w, size_t n)
{
	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	uint8_t *p = w->buf + w->len;
	if (n > 0)
		memset(p, 0, n);
	w->len += n;
	return p;
}

static inline void wr_put(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_skip(w, n);

	if (p && n > 0)
		memcpy(p, src, n);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_put(w, &v, 1);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wr_put(w, b, sizeof(b));
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	wr_put(w, b, sizeof(b));
}

/* Overwrite two bytes already written, for lengths and checksums known late. */
static inline void wr_patch_be16(struct wr *w, size_t at, uint16_t v)
{
	if (w->bad || at > w->len || w->len - at < 2)
		return;
	w->buf[at] = (uint8_t)(v >> 8);
	w->buf[at + 1] = (uint8_t)v;
}
