/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipv6 - IPv6 headers and the extension headers before what we read
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_ipv6.c.
 */
#include "net/ipv6.h"

#define IPV6_OPT_PAD1 0
#define IPV6_OPT_ROUTER_ALERT 5	/* RFC 2711 2.1 */

/* Walk the options of a hop-by-hop header, each at least one byte long. False: cut short. */
static bool read_hop_by_hop(struct rd options, struct ipv6 *ip)
{
	while (options.left > 0) {
		uint8_t type = rd_u8(&options);

		if (type == IPV6_OPT_PAD1)
			continue;

		struct rd body = rd_sub(&options, rd_u8(&options));
		if (!rd_ok(&options))
			return false;
		if (type == IPV6_OPT_ROUTER_ALERT && body.left == 2)
			ip->router_alert = rd_be16(&body) == 0;
	}
	return true;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_DSTOPTS || proto == IPPROTO_ROUTING;
}

int ipv6_parse(struct rd packet, struct ipv6 *ret)
{
	struct ipv6 ip = { 0 };
	uint8_t version = (uint8_t)(rd_u8(&packet) >> 4);

	rd_take(&packet, 3);
	size_t len = rd_be16(&packet);
	ip.proto = rd_u8(&packet);
	ip.hop_limit = rd_u8(&packet);
	rd_copy(&packet, &ip.src, sizeof(ip.src));
	rd_copy(&packet, &ip.dst, sizeof(ip.dst));
	if (!rd_ok(&packet))
		return IPV6_E_MALFORMED;
	if (version != 6)
		return IPV6_E_NOT_OURS;
	if (IN6_IS_ADDR_MULTICAST(&ip.src))
		return IPV6_E_MALFORMED;
	ip.payload = rd_sub(&packet, len);

	for (unsigned int n = 0; is_extension(ip.proto); n++) {
		if (n == IPV6_EXTENSIONS)
			return IPV6_E_NOT_OURS;

		uint8_t next = rd_u8(&ip.payload);
		size_t units = rd_u8(&ip.payload);
		struct rd body = rd_sub(&ip.payload, units * 8 + 6);
		if (!rd_ok(&ip.payload))
			return IPV6_E_MALFORMED;
		if (ip.proto == IPPROTO_HOPOPTS) {
			if (n > 0 || !read_hop_by_hop(body, &ip))	/* only right after the header */
				return IPV6_E_MALFORMED;
		}
		ip.proto = next;
	}
	if (!rd_ok(&ip.payload))
		return IPV6_E_MALFORMED;
	if (ip.proto == IPPROTO_FRAGMENT)
		return IPV6_E_NOT_OURS;
	*ret = ip;
	return 0;
}

size_t ipv6_begin(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, uint8_t proto,
		  uint8_t hop_limit)
{
	size_t at = w->len;

	wr_be32(w, UINT32_C(6) << 28);
	wr_be16(w, 0);
	wr_u8(w, proto);
	wr_u8(w, hop_limit);
	wr_put(w, src, sizeof(*src));
	wr_put(w, dst, sizeof(*dst));
	return at;
}

void ipv6_end(struct wr *w, size_t at)
{
	if (wr_ok(w))
		wr_patch_be16(w, at + 4, (uint16_t)(w->len - at - IPV6_HEADER_LEN));
}
