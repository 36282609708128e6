/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - answers for the names of our own networks
 *
 * Theory of operation: each network is a zone of its own, and a query is put to
 * the zone of the network whose socket it came in by, so the names of one
 * network cannot be seen from another. A zone answers with authority for
 *
 *   NAME.DOMAIN             guests: A, AAAA
 *   host.DOMAIN, gateway.DOMAIN   the gateway's own addresses; no guest can take these names
 *   DOMAIN                  SOA, NS
 *   reverse names           of every known address, and all those inside the gateway's
 *                           prefixes: known ones get a PTR, others NXDOMAIN
 *
 * Everything else is for the forwarder, but for what must never leave the host:
 * a single label is no name of the outside world, so A and AAAA of one (but
 * "localhost") get NXDOMAIN; other types of one are a validator's questions
 * about a top-level domain and are forwarded. Guests ask NAME.DOMAIN because
 * DHCP and RAs give them DOMAIN as search domain. ANY gets an HINFO (RFC 8482).
 * A query without RD for a foreign name is refused: it would only look into the
 * cache that others filled.
 *
 * Cost: one or two keyed hash look-ups a query, whatever the number of names;
 * answering doesn't allocate, adding names does.
 */
#pragma once
#include <stdbool.h>
#include "base/mem.h"
#include "net/addr.h"
#include "net/dns.h"

#define DNS_ZONE_TTL_S 30
#define DNS_ZONE_NEGATIVE_TTL_S 10	/* a guest that appears is found soon */
#define DNS_TABLE_NETWORKS 256
#define DNS_TABLE_RECORDS 65536		/* (name, address) pairs of all networks */
#define DNS_HOST_IPS 16			/* addresses of one name */
#define DNS_IP_HOSTS 4			/* names of one address; all are given in its PTR */

struct dns_table;
struct dns_zone;

/* Positive outcomes. */
enum dns_table_result {
	DNS_TABLE_OK,
	DNS_TABLE_FULL,		/* one of the maxima above */
	DNS_TABLE_NO_ZONE,	/* no such network */
	DNS_TABLE_BAD_NAME,	/* not one label of [a-z0-9_-], or not a domain */
	DNS_TABLE_RESERVED,	/* host, gateway */
};

/* @seed: 16 random bytes that no guest knows. */
struct dns_table *dns_table_new(const uint8_t seed[static 16]);
struct dns_table *dns_table_free(struct dns_table *table);
DEFINE_FREEP(struct dns_table, dns_table_free)

/**
 * dns_table_set_zone() - Add a network or change it; its names stay
 * @table:	the table
 * @network:	its name
 * @domain:	domain of its guests; "": they have no names, only reverse zones are answered
 * @gateway4:	the gateway's address and prefix length, family 0: none
 * @gateway6:	the same for IPv6
 */
enum dns_table_result dns_table_set_zone(struct dns_table *table, const char *network, const char *domain,
					 const struct prefix *gateway4, const struct prefix *gateway6);

/* With its names; struct dns_zone pointers to it end here. An unknown network is none's business. */
void dns_table_del_zone(struct dns_table *table, const char *network);

/* Twice the same is once. Names in any case. */
enum dns_table_result dns_table_add(struct dns_table *table, const char *network, const char *name,
				    const struct ip *ip);
void dns_table_del(struct dns_table *table, const char *network, const char *name, const struct ip *ip);

/* Return: the zone, valid until dns_table_del_zone(), or NULL */
const struct dns_zone *dns_table_find(const struct dns_table *table, const char *network);

/**
 * dns_zone_answer() - Answer from what we know ourselves
 * @zone:	of the network the query came from
 * @query:	a legal query
 * @reply:	initialised with it; when true is returned, complete but for dns_reply_finish()
 *
 * Return: false: not ours, ask the forwarder; @reply is as it was
 */
bool dns_zone_answer(const struct dns_zone *zone, const struct dns_query *query, struct dns_reply *reply);
