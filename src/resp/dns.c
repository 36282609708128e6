/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - answers for the names of our own networks
 */
#include "resp/dns.h"

#include <assert.h>
#include <string.h>
#include "base/hash.h"
#include "model/desired.h"

/* Running out of memory ends the process, as everywhere. */
#define uthash_malloc(n) xcalloc(1, (n))
#include <uthash.h>

#define HINFO_TTL_S 3600	/* RFC 8482 4.2 */

/* An address as a key: family, then its bytes. */
struct ip_key {
	uint8_t b[17];
};

struct host {
	char label[DNS_LABEL_MAX + 1];
	struct record *records;
	unsigned int n_records;
	UT_hash_handle hh;
};

/* One (name, address) pair: in its host's list, and in the list of those with the same address. */
struct record {
	struct host *host;
	struct ip ip;
	struct record *next;
	struct record *same_ip;		/* only the first of them is in the hash */
	struct ip_key key;
	UT_hash_handle hh;
};

struct dns_zone {
	char network[NETWORK_NAME_MAX + 1];
	struct dns_table *table;
	struct dns_name domain;		/* len 0: none */
	struct prefix gateway4, gateway6;
	struct host *hosts;		/* by label */
	struct record *ips;		/* by address */
	UT_hash_handle hh;
};

struct dns_table {
	uint8_t seed[16];
	struct dns_zone *zones;
	unsigned int n_records;
};

static unsigned int hash(const struct dns_table *table, const void *key, size_t n)
{
	uint8_t out[16];
	unsigned int h;

	hash_sip128(out, table->seed, key, n);
	memcpy(&h, out, sizeof(h));
	return h;
}

static struct ip_key ip_key(const struct ip *ip)
{
	struct ip_key key = { { ip->family } };

	memcpy(key.b + 1, ip->b, ip_size(ip));
	return key;
}

struct dns_table *dns_table_new(const uint8_t seed[static 16])
{
	struct dns_table *table = NEW(struct dns_table);

	memcpy(table->seed, seed, sizeof(table->seed));
	return table;
}

static struct dns_zone *zone_find(const struct dns_table *table, const char *network)
{
	struct dns_zone *zone;

	HASH_FIND_STR(table->zones, network, zone);
	return zone;
}

const struct dns_zone *dns_table_find(const struct dns_table *table, const char *network)
{
	return zone_find(table, network);
}

static struct host *host_find(const struct dns_zone *zone, const char *label, size_t n)
{
	struct host *host;

	HASH_FIND_BYHASHVALUE(hh, zone->hosts, label, n, hash(zone->table, label, n), host);
	return host;
}

static struct record *ip_find(const struct dns_zone *zone, const struct ip *ip)
{
	struct ip_key key = ip_key(ip);
	struct record *record;

	HASH_FIND_BYHASHVALUE(hh, zone->ips, key.b, sizeof(key.b), hash(zone->table, key.b, sizeof(key.b)), record);
	return record;
}

static void ip_hash(struct dns_zone *zone, struct record *record)
{
	HASH_ADD_BYHASHVALUE(hh, zone->ips, key.b, sizeof(record->key.b),
			     hash(zone->table, record->key.b, sizeof(record->key.b)), record);
}

enum dns_table_result dns_table_set_zone(struct dns_table *table, const char *network, const char *domain,
					 const struct prefix *gateway4, const struct prefix *gateway6)
{
	struct dns_zone *zone = zone_find(table, network);
	struct dns_name name = { 0 };

	/* host.DOMAIN and hostmaster.DOMAIN must be names too. */
	if (*domain && (!dns_name_parse(domain, &name) || name.len + DNS_LABEL_MAX + 1 > DNS_NAME_MAX))
		return DNS_TABLE_BAD_NAME;
	if (!zone) {
		if (HASH_COUNT(table->zones) >= DNS_TABLE_NETWORKS)
			return DNS_TABLE_FULL;
		zone = NEW(struct dns_zone);
		zone->table = table;
		(void)str_copy(zone->network, sizeof(zone->network), network);
		HASH_ADD_STR(table->zones, network, zone);
	}
	zone->domain = name;
	zone->gateway4 = *gateway4;
	zone->gateway6 = *gateway6;
	return DNS_TABLE_OK;
}

/* Take a record out of the list of its address. */
static void ip_unlink(struct dns_zone *zone, struct record *record)
{
	struct record *first = ip_find(zone, &record->ip);

	if (first != record) {
		while (first->same_ip != record)
			first = first->same_ip;
		first->same_ip = record->same_ip;
		return;
	}
	HASH_DEL(zone->ips, record);
	if (record->same_ip)
		ip_hash(zone, record->same_ip);
}

static void record_free(struct dns_zone *zone, struct record *record)
{
	struct host *host = record->host;
	struct record **at = &host->records;

	while (*at != record)
		at = &(*at)->next;
	*at = record->next;
	ip_unlink(zone, record);
	free(record);
	zone->table->n_records--;
	if (--host->n_records == 0) {
		HASH_DEL(zone->hosts, host);
		free(host);
	}
}

static void zone_free(struct dns_zone *zone)
{
	while (zone->hosts)
		record_free(zone, zone->hosts->records);
	HASH_DEL(zone->table->zones, zone);
	free(zone);
}

void dns_table_del_zone(struct dns_table *table, const char *network)
{
	struct dns_zone *zone = zone_find(table, network);

	if (zone)
		zone_free(zone);
}

struct dns_table *dns_table_free(struct dns_table *table)
{
	if (!table)
		return NULL;
	while (table->zones)
		zone_free(table->zones);
	free(table);
	return NULL;
}

static bool is_reserved(const char *label, size_t n)
{
	return (n == 4 && memcmp(label, "host", 4) == 0) || (n == 7 && memcmp(label, "gateway", 7) == 0);
}

/* One label in lower case. Return: its length, 0 when it isn't one. */
static size_t label_of(const char *name, char ret[static DNS_LABEL_MAX + 1])
{
	struct dns_name parsed;

	if (!dns_name_parse(name, &parsed) || dns_name_labels(&parsed) != 1)
		return 0;
	size_t n = parsed.b[0] & DNS_LABEL_MAX;	/* as it is, and so that also compilers see it fits */
	for (size_t i = 0; i < n; i++) {
		uint8_t c = parsed.b[1 + i];

		ret[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	ret[n] = '\0';
	return n;
}

enum dns_table_result dns_table_add(struct dns_table *table, const char *network, const char *name,
				    const struct ip *ip)
{
	struct dns_zone *zone = zone_find(table, network);
	char label[DNS_LABEL_MAX + 1];
	size_t n = label_of(name, label);
	struct record *last = NULL;
	unsigned int n_same = 0;

	if (!zone)
		return DNS_TABLE_NO_ZONE;
	if (n == 0 || !ip_is_set(ip))
		return DNS_TABLE_BAD_NAME;
	if (is_reserved(label, n))
		return DNS_TABLE_RESERVED;
	for (struct record *r = ip_find(zone, ip); r; r = r->same_ip) {
		if (strcmp(r->host->label, label) == 0)
			return DNS_TABLE_OK;
		last = r;
		n_same++;
	}
	struct host *host = host_find(zone, label, n);
	if (n_same >= DNS_IP_HOSTS || table->n_records >= DNS_TABLE_RECORDS ||
	    (host && host->n_records >= DNS_HOST_IPS))
		return DNS_TABLE_FULL;
	if (!host) {
		host = NEW(struct host);
		memcpy(host->label, label, n + 1);
		HASH_ADD_BYHASHVALUE(hh, zone->hosts, label, n, hash(table, label, n), host);
	}
	struct record *record = NEW(struct record);
	record->host = host;
	record->ip = *ip;
	record->key = ip_key(ip);
	record->next = host->records;
	host->records = record;
	host->n_records++;
	table->n_records++;
	if (last)
		last->same_ip = record;
	else
		ip_hash(zone, record);
	return DNS_TABLE_OK;
}

void dns_table_del(struct dns_table *table, const char *network, const char *name, const struct ip *ip)
{
	struct dns_zone *zone = zone_find(table, network);
	char label[DNS_LABEL_MAX + 1];

	if (!zone || label_of(name, label) == 0)
		return;
	for (struct record *r = ip_find(zone, ip); r; r = r->same_ip) {
		if (strcmp(r->host->label, label) == 0) {
			record_free(zone, r);
			return;
		}
	}
}

/* LABEL.DOMAIN; set_zone saw to it that it fits. */
static struct dns_name name_in(const struct dns_zone *zone, const char *label)
{
	struct dns_name name;
	size_t n = strlen(label);

	name.b[0] = (uint8_t)n;
	memcpy(name.b + 1, label, n);
	memcpy(name.b + 1 + n, zone->domain.b, zone->domain.len);
	name.len = (uint8_t)(1 + n + zone->domain.len);
	return name;
}

static void add_soa(const struct dns_zone *zone, const struct dns_name *apex, enum dns_section section,
		    struct dns_reply *reply)
{
	struct dns_soa soa = { .mname = *apex, .rname = *apex, .serial = 1, .refresh = 3600, .retry = 600,
			       .expire = 86400, .minimum = DNS_ZONE_NEGATIVE_TTL_S };

	if (zone->domain.len > 0) {
		soa.mname = name_in(zone, "host");
		soa.rname = name_in(zone, "hostmaster");
	}
	dns_reply_soa(reply, section, apex, section == DNS_SECTION_ANSWER ? DNS_ZONE_TTL_S : DNS_ZONE_NEGATIVE_TTL_S,
		      &soa);
}

/* RFC 2308 2: NXDOMAIN, or the name is there but not the type. */
static void negative(const struct dns_zone *zone, const struct dns_name *apex, enum dns_rcode rcode,
		     struct dns_reply *reply)
{
	reply->rcode = rcode;
	add_soa(zone, apex, DNS_SECTION_AUTHORITY, reply);
}

static void apex_answer(const struct dns_zone *zone, const struct dns_name *apex, const struct dns_query *q,
			struct dns_reply *reply)
{
	if (q->type == DNS_TYPE_SOA)
		add_soa(zone, apex, DNS_SECTION_ANSWER, reply);
	if (q->type == DNS_TYPE_NS && zone->domain.len > 0) {
		struct dns_name ns = name_in(zone, "host");

		dns_reply_target(reply, DNS_SECTION_ANSWER, apex, DNS_TYPE_NS, DNS_ZONE_TTL_S, &ns);
	}
}

static void add_ip(const struct dns_query *q, const struct ip *ip, struct dns_reply *reply)
{
	if ((q->type == DNS_TYPE_A && ip->family == AF_INET) || (q->type == DNS_TYPE_AAAA && ip->family == AF_INET6))
		dns_reply_ip(reply, DNS_SECTION_ANSWER, &q->name, DNS_ZONE_TTL_S, ip);
}

/* A name of our domain, @above labels below it. */
static void forward_answer(const struct dns_zone *zone, const struct dns_query *q, unsigned int above,
			   struct dns_reply *reply)
{
	enum dns_rcode rcode = DNS_RCODE_NXDOMAIN;

	if (above == 0) {
		apex_answer(zone, &zone->domain, q, reply);
		rcode = DNS_RCODE_NOERROR;
	} else if (above == 1) {
		char label[DNS_LABEL_MAX];
		size_t n = q->name.b[0];

		for (size_t i = 0; i < n; i++) {
			uint8_t c = q->name.b[1 + i];

			label[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
		}
		if (is_reserved(label, n)) {
			rcode = DNS_RCODE_NOERROR;
			add_ip(q, &zone->gateway4.ip, reply);
			add_ip(q, &zone->gateway6.ip, reply);
		} else {
			const struct host *host = host_find(zone, label, n);

			if (host)
				rcode = DNS_RCODE_NOERROR;
			for (const struct record *r = host ? host->records : NULL; r; r = r->next)
				add_ip(q, &r->ip, reply);
		}
	}
	if (rcode == DNS_RCODE_NOERROR && above > 0 && q->type == DNS_TYPE_ANY)
		dns_reply_hinfo(reply, &q->name, HINFO_TTL_S, "RFC8482");
	if (reply->n[DNS_SECTION_ANSWER] == 0)
		negative(zone, &zone->domain, rcode, reply);
}

/* The reverse zone of @q begins at the label boundary at or below the prefix: a /20 is sixteen zones. */
static bool reverse_answer(const struct dns_zone *zone, const struct dns_query *q, struct dns_reply *reply)
{
	const struct prefix *of[] = { &zone->gateway4, &zone->gateway6 };
	unsigned int above, bits, depth, apex_len = 0;
	struct prefix asked;

	if (!dns_name_reverse(&q->name, &asked, &above))
		return false;
	bits = asked.ip.family == AF_INET ? 8 : 4;
	for (size_t i = 0; i < ARRAY_LEN(of) && apex_len == 0; i++)
		if (of[i]->ip.family == asked.ip.family && asked.len >= of[i]->len && of[i]->len > 0 &&
		    prefix_contains(of[i], &asked.ip))
			apex_len = (of[i]->len + bits - 1) / bits * bits;
	bool whole = asked.len == ip_bits(&asked.ip);
	const struct record *record = whole ? ip_find(zone, &asked.ip) : NULL;
	if (apex_len == 0) {		/* an address elsewhere that a guest of ours is known to have */
		if (!record)
			return false;
		apex_len = asked.len;
	}
	reply->authoritative = true;
	depth = (asked.len - apex_len) / bits + above;
	struct dns_name apex = dns_name_skip(&q->name, depth);
	bool is_gateway = whole && (ip_eq(&asked.ip, &zone->gateway4.ip) || ip_eq(&asked.ip, &zone->gateway6.ip));

	if (depth == 0)
		apex_answer(zone, &apex, q, reply);
	if (zone->domain.len == 0) {	/* no names to give */
		record = NULL;
		is_gateway = false;
	}
	/* Names between zone and address are taken to be there (RFC 8020: an NXDOMAIN would end all below). */
	bool there = above == 0 && (!whole || depth == 0 || is_gateway || record);
	if (above == 0 && q->type == DNS_TYPE_PTR) {
		if (is_gateway) {
			struct dns_name target = name_in(zone, "host");

			dns_reply_target(reply, DNS_SECTION_ANSWER, &q->name, DNS_TYPE_PTR, DNS_ZONE_TTL_S, &target);
			record = NULL;
		}
		for (; record; record = record->same_ip) {
			struct dns_name target = name_in(zone, record->host->label);

			dns_reply_target(reply, DNS_SECTION_ANSWER, &q->name, DNS_TYPE_PTR, DNS_ZONE_TTL_S, &target);
		}
	}
	if (there && q->type == DNS_TYPE_ANY)
		dns_reply_hinfo(reply, &q->name, HINFO_TTL_S, "RFC8482");
	if (reply->n[DNS_SECTION_ANSWER] == 0)
		negative(zone, &apex, there ? DNS_RCODE_NOERROR : DNS_RCODE_NXDOMAIN, reply);
	return true;
}

bool dns_zone_answer(const struct dns_zone *zone, const struct dns_query *query, struct dns_reply *reply)
{
	unsigned int above;

	assert(query->name.len > 0);
	if (reverse_answer(zone, query, reply))
		return true;
	if (dns_name_under(&query->name, &zone->domain, &above)) {
		reply->authoritative = true;
		forward_answer(zone, query, above, reply);
		return true;
	}
	if (!query->rd) {
		reply->rcode = DNS_RCODE_REFUSED;
		return true;
	}
	if (query->type == DNS_TYPE_ANY) {
		dns_reply_hinfo(reply, &query->name, HINFO_TTL_S, "RFC8482");
		return true;
	}
	if ((query->type == DNS_TYPE_A || query->type == DNS_TYPE_AAAA) && dns_name_labels(&query->name) == 1) {
		static const struct dns_name localhost = { 11, "\11localhost" };

		if (dns_name_eq(&query->name, &localhost))
			return false;
		reply->rcode = DNS_RCODE_NXDOMAIN;
		return true;
	}
	return false;
}
