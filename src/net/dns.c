/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - DNS messages: queries checked, names, replies built
 */
#include "net/dns.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/rd.h"

#define CLASS_IN 1
#define CLASS_ANY 255

/* RFC 1035 4.1.1, RFC 4035 3.2.2 */
#define FLAG_QR 0x8000
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010

#define POINTER 0xc0		/* RFC 1035 4.1.4 */
#define POINTER_MAX 0x3fff
#define OPT_LEN 11		/* of an OPT record without options */
#define OPT_DO 0x8000
#define OPTION_EDE 15		/* RFC 8914 2 */
#define OPTION_EDE_LEN 6
#define QUERY_ADDITIONAL_MAX 2	/* OPT and TSIG or SIG(0) */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/*
 * Read a name at r's place in the message that starts at @msg. A pointer must
 * point in front of where its own run of labels began, so every jump goes
 * backwards and the walk ends. Without @may_point a pointer is an error.
 */
static void read_name(const uint8_t *msg, struct rd *r, bool may_point, struct dns_name *ret)
{
	struct rd here = *r;
	const uint8_t *start = r->p;
	bool jumped = false;
	size_t len = 0;

	ret->len = 0;
	for (;;) {
		uint8_t n = rd_u8(&here);

		if (!rd_ok(&here))
			break;
		if ((n & POINTER) == POINTER && may_point) {
			size_t at = (size_t)(n & ~POINTER) << 8 | rd_u8(&here);

			if (!rd_ok(&here) || at >= (size_t)(start - msg))
				break;
			if (!jumped)
				*r = here;
			jumped = true;
			here = rd_init(msg + at, (size_t)(start - msg) - at);
			start = msg + at;
			continue;
		}
		if (n > DNS_LABEL_MAX || len + 1 + n + (n > 0) > DNS_NAME_MAX)
			break;
		ret->b[len++] = n;
		rd_copy(&here, ret->b + len, n);
		len += n;
		if (!rd_ok(&here))
			break;
		if (n == 0) {
			if (!jumped)
				*r = here;
			ret->len = (uint8_t)len;
			return;
		}
	}
	*r = (struct rd){ .bad = true };
}

struct rr {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	struct rd data;
};

static void read_rr(const uint8_t *msg, struct rd *r, struct rr *ret)
{
	read_name(msg, r, true, &ret->owner);
	ret->type = rd_be16(r);
	ret->class = rd_be16(r);
	ret->ttl = rd_be32(r);
	ret->data = rd_sub(r, rd_be16(r));
}

/* RFC 6891 6.1. Return: 0 or enum dns_rcode. */
static int query_opt(struct dns_query *q, const struct rr *opt)
{
	struct rd options = opt->data;

	if (q->edns || opt->owner.len != 1)
		return DNS_RCODE_FORMERR;
	q->edns = true;
	q->payload = opt->class < DNS_UDP_MIN ? DNS_UDP_MIN : opt->class;
	q->dnssec_ok = opt->ttl & OPT_DO;
	if (opt->ttl >> 16 & 0xff)
		return DNS_RCODE_BADVERS;
	while (options.left > 0) {
		(void)rd_be16(&options);
		(void)rd_take(&options, rd_be16(&options));
		if (!rd_ok(&options))
			return DNS_RCODE_FORMERR;
	}
	return 0;
}

int dns_query_parse(const void *buf, size_t len, struct dns_query *ret)
{
	struct rd r = rd_init(buf, len);
	uint16_t flags, n[4];
	int version = 0;

	*ret = (struct dns_query){ .payload = DNS_UDP_MIN };
	ret->id = rd_be16(&r);
	flags = rd_be16(&r);
	for (size_t i = 0; i < 4; i++)
		n[i] = rd_be16(&r);
	if (!rd_ok(&r) || (flags & FLAG_QR))
		return -EBADMSG;
	ret->opcode = flags >> 11 & 0xf;
	ret->rd = flags & FLAG_RD;
	ret->cd = flags & FLAG_CD;
	if (ret->opcode != 0)
		return DNS_RCODE_NOTIMP;
	if (n[0] != 1 || n[1] != 0 || n[2] != 0 || n[3] > QUERY_ADDITIONAL_MAX)
		return DNS_RCODE_FORMERR;

	struct dns_name name;
	read_name(buf, &r, false, &name);
	ret->type = rd_be16(&r);
	ret->class = rd_be16(&r);
	if (!rd_ok(&r))
		return DNS_RCODE_FORMERR;
	ret->name = name;
	for (unsigned int i = 0; i < n[3]; i++) {
		struct rr rr;

		read_rr(buf, &r, &rr);
		if (!rd_ok(&r))
			return DNS_RCODE_FORMERR;
		if (rr.type == DNS_TYPE_OPT) {
			int rcode = query_opt(ret, &rr);

			if (rcode == DNS_RCODE_FORMERR)
				return rcode;
			version = rcode;
		}
	}
	if (r.left > 0)
		return DNS_RCODE_FORMERR;
	if (version)
		return version;
	if (ret->class != CLASS_IN)
		return DNS_RCODE_REFUSED;
	if (ret->type == 0 || ret->type == DNS_TYPE_OPT)
		return DNS_RCODE_FORMERR;
	/* RFC 6895 3.1: 128 to 255 are queries' own types. Of those only ANY makes sense here. */
	if (ret->type >= 128 && ret->type < DNS_TYPE_ANY)
		return DNS_RCODE_REFUSED;
	return 0;
}

size_t dns_query_udp_limit(const struct dns_query *query)
{
	return query->payload < DNS_UDP_MAX ? query->payload : DNS_UDP_MAX;
}

bool dns_name_parse(const char *s, struct dns_name *ret)
{
	struct dns_name name = { 0 };
	size_t len = 0;

	while (*s) {
		size_t n = strcspn(s, ".");

		if (n == 0 || n > DNS_LABEL_MAX || len + 1 + n + 1 > DNS_NAME_MAX)
			return false;
		name.b[len++] = (uint8_t)n;
		for (size_t i = 0; i < n; i++) {
			char c = s[i];

			if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			    c != '-' && c != '_')
				return false;
			name.b[len++] = (uint8_t)c;
		}
		s += n;
		if (*s == '.')
			s++;
	}
	if (len == 0)
		return false;
	name.len = (uint8_t)(len + 1);
	*ret = name;
	return true;
}

const char *dns_name_format(const struct dns_name *name, char buf[static DNS_NAME_STRLEN])
{
	size_t at = 0;

	assert(name->len > 0);
	for (size_t i = 0; name->b[i]; i += 1U + name->b[i]) {
		if (i > 0)
			buf[at++] = '.';
		for (size_t k = 1; k <= name->b[i]; k++) {
			uint8_t c = lower(name->b[i + k]);

			if (c <= 0x20 || c >= 0x7f) {
				buf[at++] = '\\';
				buf[at++] = (char)('0' + c / 100);
				buf[at++] = (char)('0' + c / 10 % 10);
				buf[at++] = (char)('0' + c % 10);
				continue;
			}
			if (strchr(".\\\"();@$", c))
				buf[at++] = '\\';
			buf[at++] = (char)c;
		}
	}
	if (at == 0)
		buf[at++] = '.';
	buf[at] = '\0';
	return buf;
}

/* Lengths are below 'A', so label lengths and label bytes can be compared alike. */
static bool bytes_eq(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && bytes_eq(a->b, b->b, a->len);
}

unsigned int dns_name_labels(const struct dns_name *name)
{
	unsigned int n = 0;

	for (size_t i = 0; name->len > 0 && name->b[i]; i += 1U + name->b[i])
		n++;
	return n;
}

bool dns_name_under(const struct dns_name *name, const struct dns_name *zone, unsigned int *ret_above)
{
	unsigned int above = 0;
	size_t i = 0;

	if (zone->len == 0 || name->len < zone->len)
		return false;
	for (; name->len - i > zone->len; i += 1U + name->b[i])
		above++;
	if (name->len - i != zone->len || !bytes_eq(name->b + i, zone->b, zone->len))
		return false;
	*ret_above = above;
	return true;
}

struct dns_name dns_name_skip(const struct dns_name *name, unsigned int n)
{
	struct dns_name ret = { 0 };
	size_t i = 0;

	for (; n > 0 && name->b[i]; n--)
		i += 1U + name->b[i];
	ret.len = (uint8_t)(name->len - i);
	memcpy(ret.b, name->b + i, ret.len);
	return ret;
}

/* One octet in decimal, no leading zeros; or one nibble. Return: its value, -1 when it is none. */
static int reverse_label(const uint8_t *label, bool nibble)
{
	const uint8_t *c = label + 1;
	unsigned int v = 0;

	if (nibble) {
		if (label[0] != 1)
			return -1;
		if (*c >= '0' && *c <= '9')
			return *c - '0';
		return lower(*c) >= 'a' && lower(*c) <= 'f' ? lower(*c) - 'a' + 10 : -1;
	}
	if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && c[0] == '0'))
		return -1;
	for (size_t i = 0; i < label[0]; i++) {
		if (c[i] < '0' || c[i] > '9')
			return -1;
		v = v * 10 + (unsigned int)(c[i] - '0');
	}
	return v <= 255 ? (int)v : -1;
}

bool dns_name_reverse(const struct dns_name *name, struct prefix *ret, unsigned int *ret_above)
{
	static const struct dns_name arpa4 = { 14, "\7in-addr\4arpa" }, arpa6 = { 10, "\3ip6\4arpa" };
	struct prefix prefix = { 0 };
	unsigned int n, bits, max;
	size_t at[DNS_NAME_MAX / 2 + 1], i = 0;

	if (dns_name_under(name, &arpa4, &n))
		prefix.ip.family = AF_INET;
	else if (dns_name_under(name, &arpa6, &n))
		prefix.ip.family = AF_INET6;
	else
		return false;
	bits = prefix.ip.family == AF_INET ? 8 : 4;
	max = ip_bits(&prefix.ip) / bits;
	for (unsigned int k = 0; k < n; k++, i += 1U + name->b[i])
		at[k] = i;
	*ret_above = n > max ? n - max : 0;
	for (unsigned int k = 0; k < n && k < max; k++) {	/* the label nearest to "arpa" is the first */
		int v = reverse_label(name->b + at[n - 1 - k], bits == 4);

		if (v < 0)
			return false;
		if (bits == 8)
			prefix.ip.b[k] = (uint8_t)v;
		else
			prefix.ip.b[k / 2] |= (uint8_t)(k % 2 ? v : v << 4);
		prefix.len = (uint8_t)(prefix.len + bits);
	}
	*ret = prefix;
	return true;
}

/* Does the name written at @at of the message equal @suffix? */
static bool written_eq(const struct dns_reply *reply, size_t at, const uint8_t *suffix)
{
	const uint8_t *msg = reply->wr.buf;

	for (;;) {
		while ((msg[at] & POINTER) == POINTER)
			at = (size_t)(msg[at] & ~POINTER) << 8 | msg[at + 1];
		if (msg[at] != suffix[0] || !bytes_eq(msg + at + 1, suffix + 1, suffix[0]))
			return false;
		if (suffix[0] == 0)
			return true;
		at += 1U + suffix[0];
		suffix += 1U + suffix[0];
	}
}

static void write_name(struct dns_reply *reply, const struct dns_name *name)
{
	size_t start[DNS_NAME_MAX / 2 + 1];
	uint16_t hash[DNS_NAME_MAX / 2 + 1];
	unsigned int n = 0;
	uint32_t h = 0;

	assert(name->len > 0);
	for (size_t i = 0; name->b[i]; i += 1U + name->b[i])
		start[n++] = i;
	for (unsigned int k = n; k-- > 0;) {	/* from the last label on: each suffix's hash costs one label */
		for (size_t i = 0; i <= name->b[start[k]]; i++)
			h = (h ^ lower(name->b[start[k] + i])) * 0x01000193;
		hash[k] = (uint16_t)(h >> 16);
	}
	size_t at = reply->wr.len;
	unsigned int k = 0;
	bool found = false;
	for (; k < n; k++) {
		const uint8_t *suffix = name->b + start[k];

		for (unsigned int j = 0; j < reply->n_names && !found; j++) {
			if (reply->names[j].hash == hash[k] && written_eq(reply, reply->names[j].at, suffix)) {
				wr_be16(&reply->wr, (uint16_t)(POINTER << 8 | reply->names[j].at));
				found = true;
			}
		}
		if (found)
			break;
		wr_put(&reply->wr, suffix, 1U + suffix[0]);
	}
	if (!found)
		wr_u8(&reply->wr, 0);
	/* Remembered only now: written_eq() must never walk into a name that has no end yet. */
	for (unsigned int j = 0; j < k && wr_ok(&reply->wr); j++) {
		if (at + start[j] > POINTER_MAX || reply->n_names >= DNS_REPLY_NAMES)
			break;
		reply->names[reply->n_names].at = (uint16_t)(at + start[j]);
		reply->names[reply->n_names++].hash = hash[j];
	}
}

void dns_reply_init(struct dns_reply *reply, void *buf, size_t limit, const struct dns_query *query)
{
	assert(limit >= DNS_UDP_MIN);
	*reply = (struct dns_reply){ .query = query, .ede = DNS_EDE_NONE, .cap = limit };
	reply->wr = wr_init(buf, query->edns ? limit - OPT_LEN - OPTION_EDE_LEN : limit);
	(void)wr_skip(&reply->wr, DNS_HEADER_LEN);
	if (query->name.len > 0) {
		write_name(reply, &query->name);
		wr_be16(&reply->wr, query->type);
		wr_be16(&reply->wr, query->class);
	}
	assert(wr_ok(&reply->wr));
}

/* A record in the making: what to go back to when it doesn't fit. */
struct mark {
	size_t len, rdlength;
	unsigned int n_names;
};

static struct mark rr_begin(struct dns_reply *reply, const struct dns_name *owner, uint16_t type, uint16_t class,
			    uint32_t ttl)
{
	struct mark mark = { .len = reply->wr.len, .n_names = reply->n_names };

	write_name(reply, owner);
	wr_be16(&reply->wr, type);
	wr_be16(&reply->wr, class);
	wr_be32(&reply->wr, ttl);
	mark.rdlength = reply->wr.len;
	wr_be16(&reply->wr, 0);
	return mark;
}

/* Return: false when it was taken back. */
static bool rr_end(struct dns_reply *reply, enum dns_section section, struct mark mark)
{
	if (wr_ok(&reply->wr) && reply->n[section] < UINT16_MAX) {
		wr_patch_be16(&reply->wr, mark.rdlength, (uint16_t)(reply->wr.len - mark.rdlength - 2));
		reply->n[section]++;
		return true;
	}
	reply->wr.len = mark.len;
	reply->wr.bad = false;
	reply->n_names = mark.n_names;
	/* RFC 2181 9: not for what the client can do without; a negative answer needs its SOA, DO its proofs. */
	if (section == DNS_SECTION_ANSWER ||
	    (section == DNS_SECTION_AUTHORITY && (reply->n[DNS_SECTION_ANSWER] == 0 || reply->query->dnssec_ok)))
		reply->truncated = true;
	return false;
}

void dns_reply_ip(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner, uint32_t ttl,
		  const struct ip *ip)
{
	uint16_t type = ip->family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA;
	struct mark mark = rr_begin(reply, owner, type, CLASS_IN, ttl);

	wr_put(&reply->wr, ip->b, ip_size(ip));
	(void)rr_end(reply, section, mark);
}

void dns_reply_target(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner,
		      enum dns_type type, uint32_t ttl, const struct dns_name *target)
{
	struct mark mark = rr_begin(reply, owner, (uint16_t)type, CLASS_IN, ttl);

	write_name(reply, target);
	(void)rr_end(reply, section, mark);
}

void dns_reply_hinfo(struct dns_reply *reply, const struct dns_name *owner, uint32_t ttl, const char *cpu)
{
	struct mark mark = rr_begin(reply, owner, DNS_TYPE_HINFO, CLASS_IN, ttl);
	size_t n = strlen(cpu);

	assert(n <= 255);
	wr_u8(&reply->wr, (uint8_t)n);
	wr_put(&reply->wr, cpu, n);
	wr_u8(&reply->wr, 0);
	(void)rr_end(reply, DNS_SECTION_ANSWER, mark);
}

void dns_reply_soa(struct dns_reply *reply, enum dns_section section, const struct dns_name *owner, uint32_t ttl,
		   const struct dns_soa *soa)
{
	struct mark mark = rr_begin(reply, owner, DNS_TYPE_SOA, CLASS_IN, ttl);

	write_name(reply, &soa->mname);
	write_name(reply, &soa->rname);
	wr_be32(&reply->wr, soa->serial);
	wr_be32(&reply->wr, soa->refresh);
	wr_be32(&reply->wr, soa->retry);
	wr_be32(&reply->wr, soa->expire);
	wr_be32(&reply->wr, soa->minimum);
	(void)rr_end(reply, section, mark);
}

/*
 * RFC 3597 4: the types whose data holds names that a sender may compress. First
 * a fixed number of bytes, then names, then the rest as it is.
 */
static bool names_in(uint16_t type, size_t *ret_before, unsigned int *ret_n)
{
	*ret_before = 0;
	*ret_n = 1;
	switch (type) {
	case DNS_TYPE_NS:
	case 3:		/* MD */
	case 4:		/* MF */
	case DNS_TYPE_CNAME:
	case 7:		/* MB */
	case 8:		/* MG */
	case 9:		/* MR */
	case DNS_TYPE_PTR:
		return true;
	case DNS_TYPE_SOA:
	case 14:	/* MINFO */
		*ret_n = 2;
		return true;
	case DNS_TYPE_MX:
		*ret_before = 2;
		return true;
	}
	return false;
}

/* RFC 4035 3.2.1: kept from a client without DO unless it asked for that type. */
static bool is_dnssec(uint16_t type)
{
	return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_DNSKEY || type == DNS_TYPE_NSEC3;
}

static bool relay_rr(struct dns_reply *reply, enum dns_section section, const uint8_t *msg, struct rr *rr,
		     bool *ret_written)
{
	struct mark mark = rr_begin(reply, &rr->owner, rr->type, rr->class, rr->ttl);
	unsigned int n;
	size_t before;

	if (names_in(rr->type, &before, &n)) {
		struct dns_name name;

		if (before > 0) {
			const uint8_t *p = rd_take(&rr->data, before);

			if (p)
				wr_put(&reply->wr, p, before);
		}
		for (unsigned int i = 0; i < n && rd_ok(&rr->data); i++) {
			read_name(msg, &rr->data, true, &name);
			if (rd_ok(&rr->data))
				write_name(reply, &name);
		}
		if (!rd_ok(&rr->data) || (rr->type != DNS_TYPE_SOA && rr->data.left > 0) ||
		    (rr->type == DNS_TYPE_SOA && rr->data.left != 20))
			return false;
	}
	if (rr->data.left > 0)
		wr_put(&reply->wr, rr->data.p, rr->data.left);
	*ret_written = rr_end(reply, section, mark);
	return true;
}

int dns_reply_relay(struct dns_reply *reply, const void *packet, size_t len)
{
	const struct dns_query *q = reply->query;
	const struct dns_reply before = *reply;
	struct rd r = rd_init(packet, len);
	uint16_t flags, n[4];
	struct dns_name name;

	(void)rd_be16(&r);
	flags = rd_be16(&r);
	for (size_t i = 0; i < 4; i++)
		n[i] = rd_be16(&r);
	if (!rd_ok(&r) || !(flags & FLAG_QR) || n[0] != 1)
		return -EBADMSG;
	read_name(packet, &r, false, &name);
	uint16_t type = rd_be16(&r), class = rd_be16(&r);
	if (!rd_ok(&r) || type != q->type || class != q->class || !dns_name_eq(&name, &q->name))
		return -EBADMSG;
	reply->rcode = (enum dns_rcode)(flags & 0xf);
	for (enum dns_section section = 0; section < DNS_SECTION_N_; section++) {
		for (unsigned int i = 0, written = 1; i < n[1 + section]; i++) {
			struct rr rr;
			bool fits = true;

			read_rr(packet, &r, &rr);
			if (!rd_ok(&r))
				goto malformed;
			if (rr.type == DNS_TYPE_OPT || rr.type == DNS_TYPE_TSIG || rr.class != CLASS_IN)
				continue;
			if (is_dnssec(rr.type) && !q->dnssec_ok && rr.type != q->type)
				continue;
			if (written && !relay_rr(reply, section, packet, &rr, &fits))
				goto malformed;
			written &= fits;	/* after one that didn't fit none: an answer keeps its order */
		}
	}
	return 0;

malformed:
	*reply = before;
	return -EBADMSG;
}

size_t dns_reply_finish(struct dns_reply *reply)
{
	const struct dns_query *q = reply->query;
	uint16_t flags = (uint16_t)(FLAG_QR | FLAG_RA | q->opcode << 11 | (reply->rcode & 0xf));
	uint16_t n_opt = 0;

	if (reply->authoritative)
		flags |= FLAG_AA;
	if (reply->truncated)
		flags |= FLAG_TC;
	if (q->rd)
		flags |= FLAG_RD;
	if (q->cd)
		flags |= FLAG_CD;
	if (q->edns) {
		bool ede = reply->ede != DNS_EDE_NONE;

		reply->wr.cap = reply->cap;	/* the room kept free for this */
		wr_u8(&reply->wr, 0);
		wr_be16(&reply->wr, DNS_TYPE_OPT);
		wr_be16(&reply->wr, DNS_UDP_MAX);
		wr_be32(&reply->wr, (uint32_t)reply->rcode >> 4 << 24 | (q->dnssec_ok ? OPT_DO : 0));
		wr_be16(&reply->wr, ede ? OPTION_EDE_LEN : 0);
		if (ede) {
			wr_be16(&reply->wr, OPTION_EDE);
			wr_be16(&reply->wr, 2);
			wr_be16(&reply->wr, (uint16_t)reply->ede);
		}
		n_opt = 1;
	}
	assert(wr_ok(&reply->wr));
	wr_patch_be16(&reply->wr, 0, q->id);
	wr_patch_be16(&reply->wr, 2, flags);
	wr_patch_be16(&reply->wr, 4, q->name.len > 0);
	wr_patch_be16(&reply->wr, 6, reply->n[DNS_SECTION_ANSWER]);
	wr_patch_be16(&reply->wr, 8, reply->n[DNS_SECTION_AUTHORITY]);
	wr_patch_be16(&reply->wr, 10, (uint16_t)(reply->n[DNS_SECTION_ADDITIONAL] + n_opt));
	return reply->wr.len;
}
