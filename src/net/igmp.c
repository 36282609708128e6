/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * igmp - IGMP reports: which IPv4 groups a guest joins
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_igmp.c.
 */
#include "net/igmp.h"

#include <arpa/inet.h>
#include "net/checksum.h"

enum igmp_type {
	IGMP_QUERY = 0x11,
	IGMP_V1_REPORT = 0x12,
	IGMP_V2_REPORT = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_V3_REPORT = 0x22,
};

#define QUERY_WITHIN 5		/* tenths of a second */
#define ROBUSTNESS 2
#define QUERY_INTERVAL_S 125	/* RFC 3376 8.2; it only tells guests when to give up on older versions */

static int read_single(struct rd *msg, enum mld_record_type type, struct igmp_report *report)
{
	struct igmp_record *record = &report->records[0];

	record->type = type;
	record->n_sources = 0;
	rd_copy(msg, &record->group, sizeof(record->group));
	if (!rd_ok(msg) || !IN_MULTICAST(ntohl(record->group.s_addr)))
		return IGMP_E_MALFORMED;
	report->n_records = 1;
	return 0;
}

static int read_v3(struct rd *msg, struct igmp_report *report)
{
	rd_take(msg, 2);
	unsigned int n = rd_be16(msg);

	report->current = true;
	/* Ends with the bytes: each record takes at least 8 of them. */
	while (n-- > 0) {
		struct igmp_record record;
		uint8_t type = rd_u8(msg);
		size_t aux = (size_t)rd_u8(msg) * 4;

		record.n_sources = rd_be16(msg);
		rd_copy(msg, &record.group, sizeof(record.group));
		rd_take(msg, record.n_sources * sizeof(struct in_addr));
		rd_take(msg, aux);
		if (!rd_ok(msg) || !IN_MULTICAST(ntohl(record.group.s_addr)))
			return IGMP_E_MALFORMED;
		if (type < MLD_IS_INCLUDE || type > MLD_BLOCK || report->n_records == IGMP_RECORDS) {
			report->n_left_out++;
			continue;
		}
		record.type = (enum mld_record_type)type;
		report->records[report->n_records++] = record;
	}
	return rd_ok(msg) ? 0 : IGMP_E_MALFORMED;
}

int igmp_parse(const struct ipv4 *ip, struct igmp_report *ret)
{
	struct rd msg = ip->payload;

	if (ip->proto != IGMP_PROTO)
		return IGMP_E_NOT_OURS;
	if (msg.left < 8 || checksum_end(checksum_add(0, msg.p, msg.left)) != 0)
		return IGMP_E_MALFORMED;
	uint8_t type = rd_u8(&msg);
	rd_take(&msg, 3);	/* time or nothing, checksum */
	ret->current = false;
	ret->n_records = 0;
	ret->n_left_out = 0;
	switch (type) {
	case IGMP_V1_REPORT:
	case IGMP_V2_REPORT:
		return read_single(&msg, MLD_IS_EXCLUDE, ret);
	case IGMP_LEAVE:
		return read_single(&msg, MLD_TO_INCLUDE, ret);
	case IGMP_V3_REPORT:
		return read_v3(&msg, ret);
	default:	/* a wire byte */
		return IGMP_E_NOT_OURS;
	}
}

void igmp_put_query(struct wr *w)
{
	const struct in_addr any = { .s_addr = INADDR_ANY }, all = { .s_addr = htonl(INADDR_ALLHOSTS_GROUP) };
	size_t ip = ipv4_begin(w, any, all, IGMP_PROTO, 1), at = w->len;

	wr_u8(w, IGMP_QUERY);
	wr_u8(w, QUERY_WITHIN);
	wr_be16(w, 0);
	wr_be32(w, INADDR_ANY);
	wr_u8(w, ROBUSTNESS);
	wr_u8(w, QUERY_INTERVAL_S);
	wr_be16(w, 0);
	if (wr_ok(w))
		wr_patch_be16(w, at + 2, checksum_end(checksum_add(0, w->buf + at, w->len - at)));
	ipv4_end(w, ip);
}
