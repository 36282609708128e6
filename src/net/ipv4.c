/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipv4 - IPv4 headers, as far as DHCP needs them
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_eth.c.
 */
#include "net/ipv4.h"

#include "net/checksum.h"

#define IPV4_HEADER_MIN 20
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT 0x3fff	/* more fragments, or an offset */

int ipv4_parse(struct rd packet, struct ipv4 *ret)
{
	struct ipv4 ip;
	struct rd r = packet;
	uint8_t vihl = rd_u8(&r);
	size_t header = (size_t)(vihl & 15) * 4;

	rd_take(&r, 1);
	size_t total = rd_be16(&r);
	rd_take(&r, 2);
	uint16_t fragment = rd_be16(&r);

	ip.ttl = rd_u8(&r);
	ip.proto = rd_u8(&r);
	rd_take(&r, 2);
	rd_copy(&r, &ip.src, sizeof(ip.src));
	rd_copy(&r, &ip.dst, sizeof(ip.dst));
	if (!rd_ok(&r))
		return IPV4_E_MALFORMED;
	if (vihl >> 4 != 4)
		return IPV4_E_NOT_OURS;
	if (header < IPV4_HEADER_MIN || total < header || total > packet.left)
		return IPV4_E_MALFORMED;
	if (checksum_end(checksum_add(0, packet.p, header)) != 0)
		return IPV4_E_MALFORMED;
	if (fragment & IPV4_FRAGMENT)
		return IPV4_E_NOT_OURS;
	rd_take(&packet, header);
	ip.payload = rd_sub(&packet, total - header);
	*ret = ip;
	return 0;
}

size_t ipv4_begin(struct wr *w, struct in_addr src, struct in_addr dst, uint8_t proto, uint8_t ttl)
{
	size_t at = w->len;

	wr_u8(w, 4 << 4 | IPV4_HEADER_MIN / 4);
	wr_u8(w, 0);
	wr_be16(w, 0);
	wr_be16(w, 0);
	wr_be16(w, IPV4_DONT_FRAGMENT);
	wr_u8(w, ttl);
	wr_u8(w, proto);
	wr_be16(w, 0);
	wr_put(w, &src, sizeof(src));
	wr_put(w, &dst, sizeof(dst));
	return at;
}

void ipv4_end(struct wr *w, size_t at)
{
	if (!wr_ok(w))
		return;
	wr_patch_be16(w, at + 2, (uint16_t)(w->len - at));
	wr_patch_be16(w, at + 10, checksum_end(checksum_add(0, w->buf + at, IPV4_HEADER_MIN)));
}
