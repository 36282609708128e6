/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp - UDP headers over both families
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_eth.c and
 * fuzz_ipv6.c.
 */
#include "net/udp.h"

#include "net/checksum.h"

#define UDP_HEADER_LEN 8

/* @ret_sum: the checksum as it was sent; 0: none */
static int parse(uint8_t proto, struct rd packet, struct udp *ret, size_t *ret_len, uint16_t *ret_sum)
{
	struct rd r = packet;

	if (proto != IPPROTO_UDP)
		return UDP_E_NOT_OURS;
	ret->src = rd_be16(&r);
	ret->dst = rd_be16(&r);
	*ret_len = rd_be16(&r);
	*ret_sum = rd_be16(&r);
	if (!rd_ok(&r) || *ret_len < UDP_HEADER_LEN || *ret_len > packet.left)
		return UDP_E_MALFORMED;
	ret->payload = rd_sub(&r, *ret_len - UDP_HEADER_LEN);
	return 0;
}

/* Over the pseudo header and the packet, whose checksum makes a whole of it. */
static bool sum_is_right(uint64_t pseudo, const struct rd *packet, size_t len)
{
	return checksum_end(checksum_add(pseudo, packet->p, len)) == 0;
}

int udp_parse4(const struct ipv4 *ip, bool csum_ready, struct udp *ret)
{
	struct udp udp;
	uint16_t sum;
	size_t len;
	int r = parse(ip->proto, ip->payload, &udp, &len, &sum);

	if (r != 0)
		return r;
	if (csum_ready && sum != 0 &&
	    !sum_is_right(checksum_pseudo4(ip->src, ip->dst, IPPROTO_UDP, len), &ip->payload, len))
		return UDP_E_MALFORMED;
	*ret = udp;
	return 0;
}

int udp_parse6(const struct ipv6 *ip, bool csum_ready, struct udp *ret)
{
	struct udp udp;
	uint16_t sum;
	size_t len;
	int r = parse(ip->proto, ip->payload, &udp, &len, &sum);

	if (r != 0)
		return r;
	if (csum_ready && (sum == 0 || !sum_is_right(checksum_pseudo6(&ip->src, &ip->dst, IPPROTO_UDP, len),
						     &ip->payload, len)))
		return UDP_E_MALFORMED;
	*ret = udp;
	return 0;
}

size_t udp_begin(struct wr *w, uint16_t sport, uint16_t dport)
{
	size_t at = w->len;

	wr_be16(w, sport);
	wr_be16(w, dport);
	wr_be32(w, 0);
	return at;
}

/* 0 means "no checksum", so a sum that comes out as 0 is sent as its other form (RFC 768). */
static void end(struct wr *w, size_t at, uint64_t pseudo)
{
	wr_patch_be16(w, at + 4, (uint16_t)(w->len - at));

	uint16_t sum = checksum_end(checksum_add(pseudo, w->buf + at, w->len - at));
	wr_patch_be16(w, at + 6, sum ? sum : 0xffff);
}

void udp_end4(struct wr *w, size_t at, struct in_addr src, struct in_addr dst)
{
	if (wr_ok(w))
		end(w, at, checksum_pseudo4(src, dst, IPPROTO_UDP, w->len - at));
}

void udp_end6(struct wr *w, size_t at, const struct in6_addr *src, const struct in6_addr *dst)
{
	if (wr_ok(w))
		end(w, at, checksum_pseudo6(src, dst, IPPROTO_UDP, w->len - at));
}
