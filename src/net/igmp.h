/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * igmp - IGMP reports: which IPv4 groups a guest joins
 *
 * IGMPv1 and v2 reports and v2 leave (RFC 1112, 2236), IGMPv3 report (RFC
 * 3376). The only query that is written is IGMPv3's general one.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/ipv4.h"
#include "net/mld.h"

#define IGMP_PROTO 2
#define IGMP_RECORDS 183	/* what fits a packet of 1500 bytes */

enum igmp_outcome {
	IGMP_E_MALFORMED = 1,
	IGMP_E_NOT_OURS,
};

struct igmp_record {
	enum mld_record_type type;	/* the same numbers and meanings (RFC 3376 4.2.12) */
	struct in_addr group;
	uint16_t n_sources;
};

struct igmp_report {
	bool current;			/* a v3 report: what it says of a group is all there is to say */
	size_t n_records, n_left_out;
	struct igmp_record records[IGMP_RECORDS];
};

/**
 * igmp_parse() - Read and check a report
 * @ip:		parsed IPv4 header; its payload is the message
 * @ret:	complete only when 0 is returned
 *
 * The checksum is IGMP's own, which no hardware fills in. Records of unknown
 * type are left out (RFC 3376 4.2.12).
 *
 * Return: 0, IGMP_E_NOT_OURS (another type) or IGMP_E_MALFORMED
 */
int igmp_parse(const struct ipv4 *ip, struct igmp_report *ret);

/* An IPv4 packet with a v3 general query (RFC 3376 4.1) that is to be answered within half a second. */
void igmp_put_query(struct wr *w);
