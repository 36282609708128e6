/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp - UDP headers over both families
 *
 * Frames of a guest with checksum offload reach a packet socket before anybody
 * filled in their checksum (PACKET_AUXDATA says TP_STATUS_CSUMNOTREADY): the
 * parsers are told by @csum_ready, and don't verify when it is false.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

enum udp_outcome {
	UDP_E_MALFORMED = 1,
	UDP_E_NOT_OURS,		/* not UDP */
};

struct udp {
	uint16_t src, dst;	/* ports, host order */
	struct rd payload;	/* cut to UDP's own length */
};

/**
 * udp_parse4() - Read and check a UDP header (RFC 768)
 * @ip:		parsed IPv4 header
 * @csum_ready:	the checksum was filled in; 0 still means "none" then
 * @ret:	set only when 0 is returned
 *
 * Return: 0, UDP_E_MALFORMED or UDP_E_NOT_OURS
 */
int udp_parse4(const struct ipv4 *ip, bool csum_ready, struct udp *ret);

/* The same over IPv6, where the checksum is required (RFC 8200 8.1). */
int udp_parse6(const struct ipv6 *ip, bool csum_ready, struct udp *ret);

/* Write a header; end it when the payload is written, before the IP header is ended. */
size_t udp_begin(struct wr *w, uint16_t sport, uint16_t dport);
void udp_end4(struct wr *w, size_t at, struct in_addr src, struct in_addr dst);
void udp_end6(struct wr *w, size_t at, const struct in6_addr *src, const struct in6_addr *dst);
