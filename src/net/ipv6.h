/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipv6 - IPv6 headers and the extension headers before what we read
 *
 * At most IPV6_EXTENSIONS extension headers are walked. A fragment header ends
 * it: ND must not be fragmented (RFC 6980), and no client fragments DHCPv6.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"

#define IPV6_HEADER_LEN 40
#define IPV6_EXTENSIONS 4

enum ipv6_outcome {
	IPV6_E_MALFORMED = 1,
	IPV6_E_NOT_OURS,	/* a fragment, another version, or more extensions than we walk */
};

struct ipv6 {
	struct in6_addr src, dst;
	uint8_t proto, hop_limit;
	bool router_alert;	/* hop-by-hop header with a router alert for MLD (RFC 2711, value 0) */
	struct rd payload;	/* cut to the payload length: no padding */
};

/**
 * ipv6_parse() - Read an IPv6 header and its extension headers (RFC 8200 3, 4)
 * @packet:	cursor at the header
 * @ret:	set only when 0 is returned; proto is the upper-layer protocol
 *
 * A multicast source address is malformed (RFC 4291 2.7).
 *
 * Return: 0, IPV6_E_MALFORMED or IPV6_E_NOT_OURS
 */
int ipv6_parse(struct rd packet, struct ipv6 *ret);

/* Write a header without length; ipv6_end(w, at) fills it in when the payload is written. */
size_t ipv6_begin(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, uint8_t proto,
		  uint8_t hop_limit);
void ipv6_end(struct wr *w, size_t at);
