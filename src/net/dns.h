/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - DNS messages: queries checked, names, replies built
 *
 * Theory of operation: a query becomes a struct dns_query, which holds only
 * what a server may act on: one question of class IN, a legal name, the
 * client's EDNS size. A reply is written record by record into a buffer of the
 * size that the client takes; a record that does not fit is left out as a
 * whole, and TC is set when it belonged to the answer. Names are compressed
 * against all written before, the question included, so an owner comes back in
 * the case in which it was asked. dns_reply_relay() takes an upstream's answer
 * apart and builds it anew: nothing that wasn't understood reaches a guest.
 *
 * Standards: RFC 1035, 2181 (TC, RRset), 2308 (negative answers), 3596, 3597
 * (types we don't know), 4343 (case), 6891 (EDNS), 8482 (ANY), 8914 (extended
 * errors). Not supported: cookies (7873), TSIG (8945), dynamic update (2136),
 * zone transfer, DNSSEC validation; RRSIGs are passed to those who set DO.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/wr.h"
#include "net/addr.h"

#define DNS_NAME_MAX 255	/* RFC 1035 2.3.4: bytes on the wire, the root's 0 included */
#define DNS_LABEL_MAX 63
#define DNS_NAME_STRLEN 1024	/* of dns_name_format(): at worst four characters a byte */
#define DNS_HEADER_LEN 12
#define DNS_UDP_MIN 512		/* a reply to a client without EDNS */
#define DNS_UDP_MAX 1232	/* the largest UDP reply: fits in the smallest IPv6 MTU, bounds amplification */
#define DNS_TCP_MAX 65535

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_HINFO = 13,
	DNS_TYPE_MX = 15,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_DS = 43,
	DNS_TYPE_RRSIG = 46,
	DNS_TYPE_NSEC = 47,
	DNS_TYPE_DNSKEY = 48,
	DNS_TYPE_NSEC3 = 50,
	DNS_TYPE_TSIG = 250,
	DNS_TYPE_ANY = 255,
};

/* RFC 1035 4.1.1, RFC 6891 9: answers to a client, and positive outcomes of dns_query_parse(). */
enum dns_rcode {
	DNS_RCODE_NOERROR = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5,
	DNS_RCODE_BADVERS = 16,
};

/* RFC 8914 4: why an answer is not better; told to clients with EDNS. */
enum dns_ede {
	DNS_EDE_NONE = -1,
	DNS_EDE_OTHER = 0,
	DNS_EDE_NOT_READY = 14,
	DNS_EDE_PROHIBITED = 18,
	DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
	DNS_EDE_NETWORK_ERROR = 23,
};

enum dns_section {
	DNS_SECTION_ANSWER,
	DNS_SECTION_AUTHORITY,
	DNS_SECTION_ADDITIONAL,
	DNS_SECTION_N_,
};

/* Uncompressed wire form, legal by construction; len counts the root's 0. len 0: no name. */
struct dns_name {
	uint8_t len;
	uint8_t b[DNS_NAME_MAX];
};

struct dns_query {
	uint16_t id;
	uint8_t opcode;
	bool rd, cd;			/* recursion desired; checking disabled */
	struct dns_name name;		/* in the case asked; len 0: there was no legal question */
	uint16_t type, class;
	bool edns;
	bool dnssec_ok;			/* DO */
	uint16_t payload;		/* bytes of UDP the client takes: DNS_UDP_MIN to 65535 */
};

/**
 * dns_query_parse() - Check a query
 * @buf:	message without TCP's length
 * @len:	bytes
 * @ret:	always written; after a positive return as far as was understood, for the error reply
 *
 * One question, class IN, no compression in it, nothing in the answer and
 * authority sections, at most one OPT, nothing after the last record.
 *
 * Return: 0; a positive enum dns_rcode to answer with; -EBADMSG: too short to
 * answer, or itself a response (answering those makes loops)
 */
int dns_query_parse(const void *buf, size_t len, struct dns_query *ret);

/* How many bytes a reply to this query may have over UDP. */
size_t dns_query_udp_limit(const struct dns_query *query);

/* "web.lan", with or without a final dot, no escapes, [A-Za-z0-9_-] only. Return: false when it isn't one. */
bool dns_name_parse(const char *s, struct dns_name *ret);

/* Lower case, escaped as in zone files, no final dot but for the root's ".". @buf has DNS_NAME_STRLEN bytes. */
const char *dns_name_format(const struct dns_name *name, char buf[static DNS_NAME_STRLEN]);

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);	/* ASCII case doesn't count */
unsigned int dns_name_labels(const struct dns_name *name);		/* the root has 0 */

/**
 * dns_name_under() - Is a name inside a zone?
 * @name:	the name
 * @zone:	the zone's own name
 * @ret_above:	labels of @name in front of @zone's: 0 when they are equal
 */
bool dns_name_under(const struct dns_name *name, const struct dns_name *zone, unsigned int *ret_above);

/* @n labels fewer, taken from the front; the root when there are no more. */
struct dns_name dns_name_skip(const struct dns_name *name, unsigned int n);

/**
 * dns_name_reverse() - The address that a reverse name stands for
 * @name:	anything
 * @ret:	address bits given so far, the others zero, with their number as the length
 *
 * RFC 1035 3.5, RFC 3596 2.5. 32 and 128 bits are whole addresses; fewer: a name
 * above them in the tree. More labels than an address has give its bits, with
 * *@ret_above as in dns_name_under().
 *
 * Return: false when @name is not under in-addr.arpa or ip6.arpa, or has labels there that are no number
 */
bool dns_name_reverse(const struct dns_name *name, struct prefix *ret, unsigned int *ret_above);

#define DNS_REPLY_NAMES 64	/* names remembered for compression */

struct dns_reply {
	struct wr wr;
	const struct dns_query *query;	/* borrowed */
	enum dns_rcode rcode;
	enum dns_ede ede;
	bool authoritative;
	bool truncated;
	size_t cap;			/* of the whole message */
	uint16_t n[DNS_SECTION_N_];
	unsigned int n_names;
	struct {
		uint16_t at, hash;
	} names[DNS_REPLY_NAMES];
};

/**
 * dns_reply_init() - Begin a reply: header, question
 * @reply:	to be initialised
 * @buf:	where the message goes
 * @limit:	bytes it may have, at least DNS_UDP_MIN; not more than @buf holds
 * @query:	what was asked; borrowed until dns_reply_finish()
 */
void dns_reply_init(struct dns_reply *reply, void *buf, size_t limit, const struct dns_query *query);

/* One record each. TTLs in seconds. A record that doesn't fit is left out (and TC is set in the answer section). */
void dns_reply_ip(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner, uint32_t ttl,
		  const struct ip *ip);
void dns_reply_target(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner,
		      enum dns_type type, uint32_t ttl, const struct dns_name *target);	/* PTR, NS, CNAME */
void dns_reply_hinfo(struct dns_reply *reply, const struct dns_name *owner, uint32_t ttl, const char *cpu);

struct dns_soa {
	struct dns_name mname, rname;
	uint32_t serial, refresh, retry, expire, minimum;
};

void dns_reply_soa(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner, uint32_t ttl,
		   const struct dns_soa *soa);

/**
 * dns_reply_relay() - Answer with what another server said
 * @reply:	just initialised
 * @packet:	its whole message
 * @len:	bytes
 *
 * Takes the return code and the records of all sections but OPT and TSIG; records
 * of DNSSEC only for a client that set DO, or asked for that very type. AD is never
 * set, because nobody here validated.
 *
 * Return: 0, or -EBADMSG: not a well-formed response to this question; @reply is as it was
 */
int dns_reply_relay(struct dns_reply *reply, const void *packet, size_t len);

/* Writes header counts and OPT. Return: bytes of the message; it always fits. */
size_t dns_reply_finish(struct dns_reply *reply);
