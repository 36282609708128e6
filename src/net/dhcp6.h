/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp6 - DHCPv6 messages: bytes to checked structs and back
 *
 * Standards: RFC 8415 without relays, IA_TA, authentication and reconfigure;
 * RFC 3646 (DNS), RFC 4704 (client FQDN, as a host name only). A prefix
 * delegation is read so that it can be answered NoPrefixAvail.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"
#include "net/label.h"

#define DHCP6_PORT_SERVER 547
#define DHCP6_PORT_CLIENT 546
#define DHCP6_DUID_MAX 130	/* RFC 8415 11.1 */
#define DHCP6_IAS 8		/* identity associations read of one message; more are ignored */
#define DHCP6_IA_ADDRS 8	/* addresses read of one association */

/* What a caller must handle itself; never forwarded. */
enum dhcp6_outcome {
	DHCP6_OK_ = 0,
	DHCP6_E_MALFORMED,	/* drop and count */
	DHCP6_E_NOT_OURS,	/* a server's message */
	DHCP6_E_RELAY,		/* a relay's message: refused */
};

enum dhcp6_type {
	DHCP6_SOLICIT = 1,
	DHCP6_ADVERTISE,
	DHCP6_REQUEST,
	DHCP6_CONFIRM,
	DHCP6_RENEW,
	DHCP6_REBIND,
	DHCP6_REPLY,
	DHCP6_RELEASE,
	DHCP6_DECLINE,
	DHCP6_RECONFIGURE,
	DHCP6_INFORMATION_REQUEST,
	DHCP6_RELAY_FORW,
	DHCP6_RELAY_REPL,
};

enum dhcp6_option {
	DHCP6_OPT_CLIENT_ID = 1,
	DHCP6_OPT_SERVER_ID = 2,
	DHCP6_OPT_IA_NA = 3,
	DHCP6_OPT_IAADDR = 5,
	DHCP6_OPT_ORO = 6,
	DHCP6_OPT_PREFERENCE = 7,
	DHCP6_OPT_ELAPSED = 8,
	DHCP6_OPT_STATUS = 13,
	DHCP6_OPT_RAPID_COMMIT = 14,
	DHCP6_OPT_DNS = 23,
	DHCP6_OPT_DOMAINS = 24,
	DHCP6_OPT_IA_PD = 25,
	DHCP6_OPT_FQDN = 39,
};

enum dhcp6_status {
	DHCP6_STATUS_SUCCESS = 0,
	DHCP6_STATUS_UNSPEC_FAIL,
	DHCP6_STATUS_NO_ADDRS_AVAIL,
	DHCP6_STATUS_NO_BINDING,
	DHCP6_STATUS_NOT_ON_LINK,
	DHCP6_STATUS_USE_MULTICAST,
	DHCP6_STATUS_NO_PREFIX_AVAIL,
	DHCP6_STATUS_N_,
};

struct dhcp6_duid {
	uint8_t len;			/* 0: none */
	uint8_t b[DHCP6_DUID_MAX];
};

struct dhcp6_ia {
	uint32_t iaid;
	uint32_t n_addrs;
	struct in6_addr addrs[DHCP6_IA_ADDRS];
};

/* A client's message that passed every check (RFC 8415 16). */
struct dhcp6_msg {
	enum dhcp6_type type;
	uint32_t txid;			/* 24 bits */
	struct dhcp6_duid client;
	struct dhcp6_duid server;
	bool rapid_commit;
	uint16_t elapsed_cs;		/* hundredths of a second */
	uint64_t wants[4];		/* option codes below 256 of the option request */
	char hostname[LABEL_STRLEN];	/* checked, lower case, or "" */
	uint32_t n_ias;
	struct dhcp6_ia ias[DHCP6_IAS];
	uint32_t n_pds;
	uint32_t pd_iaids[DHCP6_IAS];
};

/**
 * dhcp6_parse() - Read and fully check a client's message
 * @msg:	cursor over the UDP payload
 * @ret:	set only when 0 is returned
 *
 * Checks presence and absence of the identifiers as RFC 8415 16.2 to 16.12
 * ask; whether a server identifier is ours is the responder's business. Of an
 * option that comes twice the first counts.
 *
 * Return: 0, DHCP6_E_NOT_OURS, DHCP6_E_RELAY or DHCP6_E_MALFORMED
 */
int dhcp6_parse(struct rd msg, struct dhcp6_msg *ret);

static inline bool dhcp6_wants(const struct dhcp6_msg *msg, uint8_t option)
{
	return msg->wants[option / 64] >> (option % 64) & 1;
}

/* Builders: each spoils @w when there is no room. dhcp6_begin() writes type, transaction and both identifiers. */
void dhcp6_begin(struct wr *w, enum dhcp6_type type, const struct dhcp6_msg *to, const struct dhcp6_duid *server);
void dhcp6_put_preference(struct wr *w, uint8_t preference);
void dhcp6_put_rapid_commit(struct wr *w);
void dhcp6_put_status(struct wr *w, enum dhcp6_status status);
void dhcp6_put_dns(struct wr *w, const struct in6_addr *dns, size_t n);
void dhcp6_put_domains(struct wr *w, const char *domain);

/* IA_NA: begin gives the position for end, which patches the length. Lifetimes in seconds. */
size_t dhcp6_ia_begin(struct wr *w, uint32_t iaid, uint32_t t1_s, uint32_t t2_s);
void dhcp6_ia_put_addr(struct wr *w, const struct in6_addr *addr, uint32_t preferred_s, uint32_t valid_s);
void dhcp6_ia_end(struct wr *w, size_t at);

/* IA_PD with nothing but NoPrefixAvail. */
void dhcp6_put_no_prefix(struct wr *w, uint32_t iaid);
