/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmpv6 - the header that ND and MLD share
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/ipv6.h"

enum icmpv6_type {
	ICMPV6_TOO_BIG = 2,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
	ICMPV6_MLD_QUERY = 130,
	ICMPV6_MLD_REPORT = 131,
	ICMPV6_MLD_DONE = 132,
	ICMPV6_RS = 133,
	ICMPV6_RA = 134,
	ICMPV6_NS = 135,
	ICMPV6_NA = 136,
	ICMPV6_REDIRECT = 137,
	ICMPV6_MLD2_REPORT = 143,
};

enum icmpv6_outcome {
	ICMPV6_E_MALFORMED = 1,
	ICMPV6_E_NOT_OURS,	/* not ICMPv6 */
};

/**
 * icmpv6_open() - Check an ICMPv6 message before its type is looked at (RFC 4443 2.3)
 * @ip:		parsed IPv6 header
 * @csum_ready:	the checksum was filled in (see net/udp.h)
 * @ret_type:	type, set only when 0 is returned
 * @ret_msg:	cursor at the ICMPv6 header, set only when 0 is returned
 *
 * Return: 0, ICMPV6_E_MALFORMED or ICMPV6_E_NOT_OURS
 */
int icmpv6_open(const struct ipv6 *ip, bool csum_ready, uint8_t *ret_type, struct rd *ret_msg);

/* Write type, code 0 and room for the checksum; icmpv6_end() fills it in, before the IPv6 header is ended. */
size_t icmpv6_begin(struct wr *w, uint8_t type);
void icmpv6_end(struct wr *w, size_t at, const struct in6_addr *src, const struct in6_addr *dst);
