/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heard - what one frame says, for people who look on
 *
 * Reads what crosses an interface in either direction: ARP, ND, MLD, DHCPv4 and
 * DHCPv6, of clients and of servers. Nothing is decided by it, so a message that
 * breaks a rule isn't dropped but told with the rule that it breaks. The
 * responders have stricter parsers of their own for DHCP (net/dhcp4, net/dhcp6);
 * here only what is worth a line is read. Fuzzed by tests/fuzz/fuzz_heard.c.
 */
#pragma once
#include "base/rd.h"
#include "net/arp.h"
#include "net/eth.h"
#include "net/label.h"
#include "net/mld.h"
#include "net/ndp.h"

#define HEARD_NAME_MAX 64
#define HEARD_DUID_MAX 130	/* RFC 8415 11.1 */
#define HEARD_ADDRS 4		/* addresses and prefixes of a DHCPv6 message that are kept */

enum heard_kind {
	HEARD_ARP,
	HEARD_RS,
	HEARD_RA,
	HEARD_NS,
	HEARD_NA,
	HEARD_REDIRECT,
	HEARD_MLD_QUERY,
	HEARD_MLD_REPORT,
	HEARD_DHCP4,
	HEARD_DHCP6,
	HEARD_KIND_N_,
};
extern const char *const heard_kind_name[HEARD_KIND_N_];	/* "arp", "rs", …, the words of `watch` */

enum heard_outcome {
	HEARD_E_BROKEN = 1,	/* one of these kinds, and against a rule: kind, addresses and why are set */
	HEARD_E_NOT_OURS,	/* nothing is set */
};

struct heard_dhcp4 {
	uint8_t type;			/* option 53; 0: BOOTP */
	bool reply;			/* from a server */
	uint32_t xid;
	struct mac client;
	struct in_addr given;		/* a reply's address, or the one that a client has or asks for */
	struct in_addr server;		/* option 54 */
	struct in_addr router;		/* option 3, the first */
	struct in_addr relay;
	uint32_t lease_s;		/* 0: none said */
	char hostname[LABEL_STRLEN];	/* a plain DNS label, or "" */
};

struct heard_dhcp6 {
	uint8_t type;
	uint32_t txid;
	uint8_t client_len, server_len;	/* of the DUIDs; 0: none */
	uint8_t client[HEARD_DUID_MAX];
	uint8_t server[HEARD_DUID_MAX];
	size_t n_addrs, n_prefixes;
	struct in6_addr addrs[HEARD_ADDRS];
	struct { struct in6_addr prefix; uint8_t len; } prefixes[HEARD_ADDRS];
	uint16_t status;		/* the first that isn't success, else 0 */
	struct in6_addr peer;		/* of a relay's message: whose it carries */
	bool rapid_commit;
};

struct heard {
	enum heard_kind kind;
	struct mac src_mac, dst_mac;	/* zero on links without */
	struct ip src, dst;		/* family 0: ARP */
	uint8_t hop_limit;		/* 0 for ARP */
	const char *why;		/* HEARD_E_BROKEN: the rule it breaks, a constant */
	union {
		struct arp arp;
		struct ndp_rs rs;
		struct ndp_ra ra;
		struct ndp_ns ns;
		struct ndp_na na;
		struct ndp_redirect redirect;
		struct mld_query query;
		struct mld_report report;
		struct heard_dhcp4 dhcp4;
		struct heard_dhcp6 dhcp6;
	};
};

/**
 * heard_read() - Read a frame
 * @frame:	its bytes: from the Ethernet header, or, on links without one, from the IP header
 * @type:	ETH_TYPE_* of what begins at @frame; 0: an Ethernet header does
 * @csum_ready:	checksums were filled in (see net/udp.h)
 * @ret:	see the outcomes; about 5 KiB
 *
 * Return: 0, HEARD_E_BROKEN or HEARD_E_NOT_OURS
 */
int heard_read(struct rd frame, uint16_t type, bool csum_ready, struct heard *ret);

/* Names of DHCP messages ("DISCOVER", "SOLICIT"); "message 99" goes to @buf. */
const char *heard_dhcp4_name(uint8_t type, char buf[static HEARD_NAME_MAX]);
const char *heard_dhcp6_name(uint8_t type, char buf[static HEARD_NAME_MAX]);
const char *heard_dhcp6_status(uint16_t status);	/* "no address available"; NULL for one we don't know */

/* Parts of it, in heard_dhcp.c. Return: NULL, or the rule that is broken. */
const char *heard_read_dhcp4(struct rd msg, struct heard_dhcp4 *ret);
const char *heard_read_dhcp6(struct rd msg, struct heard_dhcp6 *ret);
