/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmpv6 - the header that ND and MLD share
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_ipv6.c.
 */
#include "net/icmpv6.h"

#include "net/checksum.h"

#define ICMPV6_HEADER_LEN 4

int icmpv6_open(const struct ipv6 *ip, bool csum_ready, uint8_t *ret_type, struct rd *ret_msg)
{
	if (ip->proto != IPPROTO_ICMPV6)
		return ICMPV6_E_NOT_OURS;
	if (ip->payload.left < ICMPV6_HEADER_LEN)
		return ICMPV6_E_MALFORMED;
	if (csum_ready) {
		uint64_t pseudo = checksum_pseudo6(&ip->src, &ip->dst, IPPROTO_ICMPV6, ip->payload.left);

		if (checksum_end(checksum_add(pseudo, ip->payload.p, ip->payload.left)) != 0)
			return ICMPV6_E_MALFORMED;
	}
	*ret_type = ip->payload.p[0];
	*ret_msg = ip->payload;
	return 0;
}

size_t icmpv6_begin(struct wr *w, uint8_t type)
{
	size_t at = w->len;

	wr_u8(w, type);
	wr_u8(w, 0);
	wr_be16(w, 0);
	return at;
}

void icmpv6_end(struct wr *w, size_t at, const struct in6_addr *src, const struct in6_addr *dst)
{
	if (!wr_ok(w))
		return;

	size_t len = w->len - at;
	uint64_t pseudo = checksum_pseudo6(src, dst, IPPROTO_ICMPV6, len);
	wr_patch_be16(w, at + 2, checksum_end(checksum_add(pseudo, w->buf + at, len)));
}
