/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hash - SipHash-2-4, and stable things derived from a secret
 *
 * Keyed, so that a neighbour who sees one derived MAC or prefix cannot compute
 * the others. Not for passwords or signatures.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/**
 * hash_sip128() - SipHash-2-4 with 128 bits of output
 * @out:	the hash
 * @key:	16 bytes
 * @data:	input, may be NULL when @n is 0
 * @n:		its length in bytes
 *
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012); the longer
 * output as their reference implementation defines it.
 */
void hash_sip128(uint8_t out[static 16], const uint8_t key[static 16], const void *data, size_t n);

/**
 * seed_derive() - Derive 16 uniform bytes from a secret and names
 * @out:	the bytes: the same for the same arguments, on every machine
 * @secret:	the host's secret
 * @what:	purpose, so that two uses of one name don't share their bytes
 * @name1:	name, or NULL for none (the same as "")
 * @name2:	second name, likewise
 */
void seed_derive(uint8_t out[static 16], const uint8_t secret[static 16], const char *what, const char *name1,
		 const char *name2);
