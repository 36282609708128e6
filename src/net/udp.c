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

static int parse(struct rd packet, struct udp *ret, size_t *ret_len, uint16_t *ret_sum)
{
	struct rd r = packet;
	struct udp udp;

	udp.src = rd_be16(&r);
	udp.dst = rd_be16(&r);
	size_t len = rd_be16(&r);
	uint16_t sum = rd_be16(&r);
	if (!rd_ok(&r) || len < UDP_HEADER_LEN || len > packet.left)
		return UDP_E_MALFORMED;
	udp.payload = rd_sub(&r, len - UDP_HEADER_LEN);
	*ret = udp;
	*ret_len = len;
	*ret_sum = sum;
	return 0;
}

int udp_parse4(const struct ipv4 *ip, bool csum_ready, struct udp *ret)
{
	struct udp udp;
	uint16_t sum;
	size_t len;

	if (ip->proto != IPPROTO_UDP)
		return UDP_E_NOT_OURS;
	int r = parse(ip->payload, &udp, &len, &sum);
	if (r != 0)
		return r;
	if (csum_ready && sum != 0) {
		uint64_t pseudo = checksum_pseudo4(ip->src, ip->dst, IPPROTO_UDP, len);

		if (checksum_end(checksum_add(pseudo, ip->payload.p, len)) != 0)
			return UDP_E_MALFORMED;
	}
	*ret = udp;
	return 0;
}

int udp_parse6(const struct ipv6 *ip, bool csum_ready, struct udp *ret)
{
	struct udp udp;
	uint16_t sum;
	size_t len;

	if (ip->proto != IPPROTO_UDP)
		return UDP_E_NOT_OURS;
	int r = parse(ip->payload, &udp, &len, &sum);
	if (r != 0)
		return r;
	if (csum_ready) {
		uint64_t pseudo = checksum_pseudo6(&ip->src, &ip->dst, IPPROTO_UDP, len);

		if (sum == 0 || checksum_end(checksum_add(pseudo, ip->payload.p, len)) != 0)
			return UDP_E_MALFORMED;
	}
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
