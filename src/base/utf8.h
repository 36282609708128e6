/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * utf8 - one character of text that may not be UTF-8
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/**
 * utf8_decode() - Read one character
 * @s:		text
 * @left:	bytes from @s to its end, at least 1
 * @ret:	its code point, when the result isn't 0
 *
 * RFC 3629: neither overlong forms nor surrogates.
 *
 * Return: its length in bytes, or 0 when it isn't UTF-8
 */
static inline size_t utf8_decode(const char *s, size_t left, uint32_t *ret)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	uint32_t c = u[0] & (n > 1 ? 0xffu >> (n + 1) : 0x7fu);
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}
