/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checksum - the Internet checksum (RFC 1071)
 *
 * A sum is collected piece by piece (all pieces but the last of even length)
 * and ended once. Over bytes that contain their own right checksum,
 * checksum_end() gives 0.
 */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

uint64_t checksum_add(uint64_t sum, const void *data, size_t n);
uint16_t checksum_end(uint64_t sum);	/* in host order, for wr_patch_be16() */

/* The pseudo headers of RFC 793 and RFC 8200 8.1; @len: bytes of the upper-layer packet. */
uint64_t checksum_pseudo4(struct in_addr src, struct in_addr dst, uint8_t proto, size_t len);
uint64_t checksum_pseudo6(const struct in6_addr *src, const struct in6_addr *dst, uint8_t proto, size_t len);
