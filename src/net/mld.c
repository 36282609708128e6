/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mld - Multicast Listener Discovery: which groups a guest joins, and who asks
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_mld.c.
 */
#include "net/mld.h"

#include "net/icmpv6.h"

#define QUERY_WITHIN_MS 500
#define ROBUSTNESS 2
#define QUERY_INTERVAL_S 125	/* RFC 3810 9.2; it only tells guests when to give up on MLDv1 */

static int read_v1(struct rd *msg, enum mld_record_type type, struct mld_report *report)
{
	struct mld_record *record = &report->records[0];

	rd_take(msg, 4);	/* maximum response delay, reserved */
	record->type = type;
	record->n_sources = 0;
	rd_copy(msg, &record->group, sizeof(record->group));
	if (!rd_ok(msg) || !IN6_IS_ADDR_MULTICAST(&record->group))
		return MLD_E_MALFORMED;
	report->n_records = 1;
	return 0;
}

static int read_v2(struct rd *msg, struct mld_report *report)
{
	rd_take(msg, 2);
	unsigned int n = rd_be16(msg);

	/* Ends with the bytes: each record takes at least 20 of them. */
	while (n-- > 0) {
		struct mld_record record;
		uint8_t type = rd_u8(msg);
		size_t aux = (size_t)rd_u8(msg) * 4;

		record.n_sources = rd_be16(msg);
		rd_copy(msg, &record.group, sizeof(record.group));
		rd_take(msg, record.n_sources * sizeof(struct in6_addr));
		rd_take(msg, aux);
		if (!rd_ok(msg) || !IN6_IS_ADDR_MULTICAST(&record.group))
			return MLD_E_MALFORMED;
		if (type < MLD_IS_INCLUDE || type > MLD_BLOCK || report->n_records == MLD_RECORDS) {
			report->n_left_out++;
			continue;
		}
		record.type = (enum mld_record_type)type;
		report->records[report->n_records++] = record;
	}
	return rd_ok(msg) ? 0 : MLD_E_MALFORMED;
}

int mld_parse(struct rd msg, const struct ndp_meta *meta, struct mld_report *ret)
{
	uint8_t type = rd_u8(&msg);

	rd_take(&msg, 3);	/* code, checksum */
	if (type != ICMPV6_MLD_REPORT && type != ICMPV6_MLD_DONE && type != ICMPV6_MLD2_REPORT)
		return MLD_E_NOT_OURS;
	if (!rd_ok(&msg) || meta->hop_limit != MLD_HOP_LIMIT)
		return MLD_E_MALFORMED;
	if (!IN6_IS_ADDR_LINKLOCAL(&meta->src) && !IN6_IS_ADDR_UNSPECIFIED(&meta->src))
		return MLD_E_MALFORMED;	/* RFC 3810 5.2.13 */
	ret->src = meta->src;
	ret->n_records = 0;
	ret->n_left_out = 0;
	ret->v1 = type != ICMPV6_MLD2_REPORT;
	if (type == ICMPV6_MLD2_REPORT)
		return read_v2(&msg, ret);
	return read_v1(&msg, type == ICMPV6_MLD_REPORT ? MLD_IS_EXCLUDE : MLD_TO_INCLUDE, ret);
}

#define V1_QUERY 24	/* bytes; RFC 3810 8.1 tells the versions apart by them */
#define V2_QUERY 28

/* RFC 3810 5.1.3: from 32768 on, a floating point number. */
static uint32_t response_ms(uint16_t code)
{
	if (code < 0x8000)
		return code;
	return (0x1000u | (code & 0xfffu)) << ((code >> 12 & 7) + 3);
}

int mld_parse_query(struct rd msg, const struct ndp_meta *meta, struct mld_query *ret)
{
	struct mld_query query = { .src = meta->src, .version = msg.left >= V2_QUERY ? 2 : 1 };
	size_t len = msg.left;
	uint8_t type = rd_u8(&msg);

	rd_take(&msg, 3);	/* code, checksum */
	if (type != ICMPV6_MLD_QUERY)
		return MLD_E_NOT_OURS;
	uint16_t code = rd_be16(&msg);
	rd_take(&msg, 2);
	rd_copy(&msg, &query.group, sizeof(query.group));
	if (len > V1_QUERY && len < V2_QUERY)
		return MLD_E_MALFORMED;
	if (query.version == 2) {
		rd_take(&msg, 2);	/* S, QRV, QQIC */
		query.n_sources = rd_be16(&msg);
		rd_take(&msg, query.n_sources * sizeof(struct in6_addr));
	}
	if (!rd_ok(&msg) || meta->hop_limit != MLD_HOP_LIMIT || !IN6_IS_ADDR_LINKLOCAL(&meta->src))
		return MLD_E_MALFORMED;
	if (!IN6_IS_ADDR_UNSPECIFIED(&query.group) && !IN6_IS_ADDR_MULTICAST(&query.group))
		return MLD_E_MALFORMED;
	query.max_response_ms = query.version == 2 ? response_ms(code) : code;
	*ret = query;
	return 0;
}

const struct in6_addr mld_querier = { { { 0xfe, 0xbf, [2] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff } } };
const struct mac mld_querier_mac = { { 0x02, 's', 'i', 'x', 't', 'p' } };

bool mld_record_joins(const struct mld_record *record)
{
	switch (record->type) {
	case MLD_IS_EXCLUDE:
	case MLD_TO_EXCLUDE:
	case MLD_ALLOW:
		return true;
	case MLD_IS_INCLUDE:
	case MLD_TO_INCLUDE:
		return record->n_sources > 0;
	case MLD_BLOCK:
		return false;
	}
	return false;
}

void mld_put_query(struct wr *w, const struct in6_addr *src)
{
	/* Hop-by-hop options: what follows is ICMPv6; router alert for MLD (RFC 2711); padding. */
	static const uint8_t alert[8] = { IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0 };
	static const struct in6_addr all_nodes = { { { 0xff, 2, [15] = 1 } } };
	size_t ip = ipv6_begin(w, src, &all_nodes, IPPROTO_HOPOPTS, MLD_HOP_LIMIT);

	wr_put(w, alert, sizeof(alert));
	size_t at = icmpv6_begin(w, ICMPV6_MLD_QUERY);
	wr_be16(w, QUERY_WITHIN_MS);
	wr_be16(w, 0);
	wr_put(w, &in6addr_any, sizeof(in6addr_any));
	wr_u8(w, ROBUSTNESS);
	wr_u8(w, QUERY_INTERVAL_S);
	wr_be16(w, 0);
	icmpv6_end(w, at, src, &all_nodes);
	ipv6_end(w, ip);
}
