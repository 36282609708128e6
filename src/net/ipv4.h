/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipv4 - IPv4 headers, as far as DHCP needs them
 *
 * Options are skipped. Fragments are not reassembled: no client fragments DHCP.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"

enum ipv4_outcome {
	IPV4_E_MALFORMED = 1,
	IPV4_E_NOT_OURS,	/* a fragment, or another version */
};

struct ipv4 {
	struct in_addr src, dst;
	uint8_t proto, ttl;
	struct rd payload;	/* cut to the total length: no padding */
};

/**
 * ipv4_parse() - Read and check an IPv4 header (RFC 791 3.1)
 * @packet:	cursor at the header
 * @ret:	set only when 0 is returned
 *
 * The header's checksum is verified always: nothing offloads that one on a
 * frame that a guest sends.
 *
 * Return: 0, IPV4_E_MALFORMED or IPV4_E_NOT_OURS
 */
int ipv4_parse(struct rd packet, struct ipv4 *ret);

/* Write a header without length and checksum; ipv4_end(w, at) fills them in when the payload is written. */
size_t ipv4_begin(struct wr *w, struct in_addr src, struct in_addr dst, uint8_t proto, uint8_t ttl);
void ipv4_end(struct wr *w, size_t at);
