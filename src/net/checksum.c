/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checksum - the Internet checksum (RFC 1071)
 *
 * Summed in host order, which only swaps the bytes of the result: one's
 * complement addition doesn't care (RFC 1071 2, part B).
 */
#include "net/checksum.h"

#include <arpa/inet.h>
#include <string.h>

uint64_t checksum_add(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t word;
	uint16_t half;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (n >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		n -= sizeof(half);
		p += sizeof(half);
	}
	if (n > 0) {
		uint8_t last[2] = { *p, 0 };

		memcpy(&half, last, sizeof(half));
		sum += half;
	}
	return sum;
}

uint16_t checksum_end(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return ntohs((uint16_t)~sum);
}

uint64_t checksum_pseudo4(struct in_addr src, struct in_addr dst, uint8_t proto, size_t len)
{
	uint8_t tail[4] = { 0, proto, (uint8_t)(len >> 8), (uint8_t)len };

	return checksum_add(checksum_add(checksum_add(0, &src, sizeof(src)), &dst, sizeof(dst)), tail, sizeof(tail));
}

uint64_t checksum_pseudo6(const struct in6_addr *src, const struct in6_addr *dst, uint8_t proto, size_t len)
{
	uint8_t tail[8] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, proto };

	return checksum_add(checksum_add(checksum_add(0, src, sizeof(*src)), dst, sizeof(*dst)), tail, sizeof(tail));
}
