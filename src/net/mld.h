/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mld - Multicast Listener Discovery: which groups a guest joins, and who asks
 *
 * MLDv1 report and done (RFC 2710), MLDv2 report (RFC 3810 5.2), queries of both.
 * Only those who look on read queries: the bridge and the host's own stack answer.
 * The only query that is written is MLDv2\'s general one.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"
#include "net/ndp.h"

#define MLD_RECORDS 84	/* what fits a packet of 1500 bytes with records of 20 bytes, roughly; the rest is left out */
#define MLD_HOP_LIMIT 1

enum mld_outcome {
	MLD_E_MALFORMED = 1,
	MLD_E_NOT_OURS,
};

enum mld_record_type {	/* RFC 3810 5.2.5; MLDv1 is told in these, as RFC 3810 8.3.2 says */
	MLD_IS_INCLUDE = 1,
	MLD_IS_EXCLUDE,
	MLD_TO_INCLUDE,
	MLD_TO_EXCLUDE,
	MLD_ALLOW,
	MLD_BLOCK,
};

struct mld_record {
	enum mld_record_type type;
	struct in6_addr group;
	uint16_t n_sources;	/* TO_INCLUDE and IS_INCLUDE with none: the guest left */
};

struct mld_report {
	struct in6_addr src;	/* :: before the guest has a link-local address */
	bool v1;		/* one group; another host's report may have spared the guest its own (RFC 2710 4) */
	size_t n_records, n_left_out;
	struct mld_record records[MLD_RECORDS];
};

/**
 * mld_parse() - Read and check a report
 * @msg:	cursor at the ICMPv6 header, checksum checked
 * @meta:	addresses and hop limit of the packet
 * @ret:	complete only when 0 is returned
 *
 * The router alert is not asked for: the kernel's bridge doesn't ask either.
 * Records of unknown type are left out (RFC 3810 5.2.12).
 *
 * Return: 0, MLD_E_NOT_OURS (another type) or MLD_E_MALFORMED
 */
int mld_parse(struct rd msg, const struct ndp_meta *meta, struct mld_report *ret);

struct mld_query {
	struct in6_addr src, group;	/* group ::: all of them */
	uint8_t version;		/* 1 or 2 */
	uint32_t max_response_ms;
	uint16_t n_sources;
};

/* The same for a query (RFC 2710 3, RFC 3810 5.1 and 8.1). */
int mld_parse_query(struct rd msg, const struct ndp_meta *meta, struct mld_query *ret);

/* True when a record says that the guest listens to the group from now on. */
bool mld_record_joins(const struct mld_record *record);

/*
 * An IPv6 packet with a general query (RFC 3810 5.1) from @src, link-local, that is to be answered within half a second.
 */
void mld_put_query(struct wr *w, const struct in6_addr *src);

/* Who asks a guest of ours: the highest link-local address, so that a guest that is a querier itself stays it (7.6.2). */
extern const struct in6_addr mld_querier;
extern const struct mac mld_querier_mac;
