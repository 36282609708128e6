/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndp - Neighbour Discovery wire format: bytes to checked structs and back
 *
 * No sockets, no clock, no allocation, no logging. Everything here is fuzzed
 * by tests/fuzz/fuzz_ndp.c.
 */
#include "net/ndp.h"

#include <assert.h>
#include "net/icmpv6.h"
#include "net/label.h"

enum ndp_opt {
	OPT_SLLA = 1,
	OPT_TLLA = 2,
	OPT_PREFIX = 3,
	OPT_MTU = 5,
	OPT_ROUTE = 24,
	OPT_RDNSS = 25,
	OPT_DNSSL = 31,
	OPT_PREF64 = 38,
};

#define LLA_UNITS 1		/* in units of 8 bytes, type and length included */
#define PREFIX_UNITS 4
#define MTU_UNITS 1
#define PREF64_UNITS 2
#define DNS_HEADER 8		/* type, length, reserved, lifetime: RFC 8106 5.1, 5.2 */

#define FLAG_MANAGED 0x80	/* of a router advertisement */
#define FLAG_OTHER 0x40
#define FLAG_PREFERENCE_SHIFT 3
#define FLAG_ON_LINK 0x80	/* of a prefix */
#define FLAG_AUTONOMOUS 0x40
#define FLAG_ROUTER 0x80	/* of a neighbour advertisement */
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE 0x20

/* RFC 8781 4: prefix length code. */
static const uint8_t pref64_len[8] = { 96, 64, 56, 48, 40, 32 };

bool ndp_opt_next(struct rd *msg, uint8_t *ret_type, struct rd *ret_body)
{
	if (!rd_ok(msg) || msg->left == 0)
		return false;

	uint8_t type = rd_u8(msg);
	uint8_t units = rd_u8(msg);
	if (units == 0)
		msg->bad = true;

	struct rd body = rd_sub(msg, (size_t)units * 8 - 2);
	if (!rd_ok(msg))
		return false;

	*ret_type = type;
	*ret_body = body;
	return true;
}

/* Read the four bytes that every message begins with. */
static int open_message(struct rd *msg, const struct ndp_meta *meta, uint8_t type)
{
	uint8_t got = rd_u8(msg), code = rd_u8(msg);

	rd_take(msg, 2);
	if (got != type)
		return NDP_E_NOT_OURS;
	return rd_ok(msg) && code == 0 && meta->hop_limit == NDP_HOP_LIMIT ? 0 : NDP_E_MALFORMED;
}

/* Read the options of a message in which only a link-layer address of type @want matters. */
static int read_lla(struct rd *msg, uint8_t want, bool *ret_has, struct mac *ret)
{
	unsigned int n = 0;
	struct rd body;
	uint8_t type;

	while (ndp_opt_next(msg, &type, &body)) {
		if (++n > NDP_OPTIONS)
			return NDP_E_MALFORMED;
		if (type != want)
			continue;
		if (body.left != sizeof(ret->b))
			return NDP_E_MALFORMED;
		rd_copy(&body, ret->b, sizeof(ret->b));
		*ret_has = true;
	}
	return rd_ok(msg) ? 0 : NDP_E_MALFORMED;
}

int ndp_parse_rs(struct rd msg, const struct ndp_meta *meta, struct ndp_rs *ret)
{
	struct ndp_rs rs = { .src = meta->src };
	int r = open_message(&msg, meta, ICMPV6_RS);

	if (r != 0)
		return r;
	rd_take(&msg, 4);
	r = read_lla(&msg, OPT_SLLA, &rs.has_slla, &rs.slla);
	if (r != 0)
		return r;
	if (rs.has_slla && IN6_IS_ADDR_UNSPECIFIED(&rs.src))
		return NDP_E_MALFORMED;		/* RFC 4861 6.1.1, last rule */
	*ret = rs;
	return 0;
}

/* ff02::1:ffXX:XXXX of any address. */
static bool is_solicited_node(const struct in6_addr *a)
{
	static const uint8_t head[13] = { 0xff, 0x02, [11] = 1, 0xff };

	return memcmp(a, head, sizeof(head)) == 0;
}

int ndp_parse_ns(struct rd msg, const struct ndp_meta *meta, struct ndp_ns *ret)
{
	struct ndp_ns ns = { .src = meta->src };
	int r = open_message(&msg, meta, ICMPV6_NS);

	if (r != 0)
		return r;
	rd_take(&msg, 4);
	rd_copy(&msg, &ns.target, sizeof(ns.target));
	r = read_lla(&msg, OPT_SLLA, &ns.has_slla, &ns.slla);
	if (r != 0)
		return r;
	if (IN6_IS_ADDR_MULTICAST(&ns.target))
		return NDP_E_MALFORMED;
	if (IN6_IS_ADDR_UNSPECIFIED(&ns.src) && (ns.has_slla || !is_solicited_node(&meta->dst)))
		return NDP_E_MALFORMED;
	*ret = ns;
	return 0;
}

int ndp_parse_na(struct rd msg, const struct ndp_meta *meta, struct ndp_na *ret)
{
	struct ndp_na na = { .src = meta->src };
	int r = open_message(&msg, meta, ICMPV6_NA);

	if (r != 0)
		return r;

	uint8_t flags = rd_u8(&msg);
	na.router = flags & FLAG_ROUTER;
	na.solicited = flags & FLAG_SOLICITED;
	na.override = flags & FLAG_OVERRIDE;
	rd_take(&msg, 3);
	rd_copy(&msg, &na.target, sizeof(na.target));
	r = read_lla(&msg, OPT_TLLA, &na.has_tlla, &na.tlla);
	if (r != 0)
		return r;
	if (IN6_IS_ADDR_MULTICAST(&na.target) || (IN6_IS_ADDR_MULTICAST(&meta->dst) && na.solicited))
		return NDP_E_MALFORMED;
	*ret = na;
	return 0;
}

int ndp_parse_redirect(struct rd msg, const struct ndp_meta *meta, struct ndp_redirect *ret)
{
	struct ndp_redirect redirect = { .src = meta->src };
	unsigned int n = 0;
	struct rd body;
	uint8_t type;
	int r = open_message(&msg, meta, ICMPV6_REDIRECT);

	if (r != 0)
		return r;
	rd_take(&msg, 4);
	rd_copy(&msg, &redirect.target, sizeof(redirect.target));
	rd_copy(&msg, &redirect.dest, sizeof(redirect.dest));
	while (ndp_opt_next(&msg, &type, &body))
		if (++n > NDP_OPTIONS)
			return NDP_E_MALFORMED;
	if (!rd_ok(&msg) || !IN6_IS_ADDR_LINKLOCAL(&meta->src) || IN6_IS_ADDR_MULTICAST(&redirect.dest))
		return NDP_E_MALFORMED;
	if (!IN6_IS_ADDR_LINKLOCAL(&redirect.target) && !IN6_ARE_ADDR_EQUAL(&redirect.target, &redirect.dest))
		return NDP_E_MALFORMED;
	*ret = redirect;
	return 0;
}

static bool read_prefix(struct rd body, struct ndp_ra *ra)
{
	struct ndp_prefix p;

	p.len = rd_u8(&body);
	uint8_t flags = rd_u8(&body);
	p.on_link = flags & FLAG_ON_LINK;
	p.autonomous = flags & FLAG_AUTONOMOUS;
	p.valid_s = rd_be32(&body);
	p.preferred_s = rd_be32(&body);
	rd_take(&body, 4);
	rd_copy(&body, &p.prefix, sizeof(p.prefix));
	if (!rd_ok(&body) || body.left > 0 || p.len > 128)
		return false;
	if (ra->n_prefixes < NDP_RA_PREFIXES)
		ra->prefixes[ra->n_prefixes++] = p;
	else
		ra->n_left_out++;
	return true;
}

static bool read_mtu(struct rd body, struct ndp_ra *ra)
{
	rd_take(&body, 2);
	uint32_t mtu = rd_be32(&body);
	if (!rd_ok(&body) || body.left > 0)
		return false;
	ra->mtu = mtu;
	return true;
}

/* RFC 4191 2.3: the prefix takes 0, 8 or 16 bytes. */
static bool read_route(struct rd body, struct ndp_ra *ra)
{
	struct ndp_route route = { 0 };

	route.len = rd_u8(&body);
	unsigned int preference = rd_u8(&body) >> FLAG_PREFERENCE_SHIFT & 3;
	route.lifetime_s = rd_be32(&body);
	if (!rd_ok(&body) || (body.left != 0 && body.left != 8 && body.left != 16))
		return false;
	if (route.len > body.left * 8 || preference == 2)
		return false;
	route.preference = (enum ndp_preference)preference;
	rd_copy(&body, &route.prefix, body.left);
	if (ra->n_routes < NDP_RA_ROUTES)
		ra->routes[ra->n_routes++] = route;
	else
		ra->n_left_out++;
	return true;
}

static bool read_rdnss(struct rd body, struct ndp_ra *ra)
{
	rd_take(&body, 2);
	uint32_t lifetime_s = rd_be32(&body);
	if (!rd_ok(&body) || body.left == 0 || body.left % sizeof(struct in6_addr) != 0)
		return false;
	while (body.left > 0) {
		struct ndp_rdnss rdnss = { .lifetime_s = lifetime_s };

		rd_copy(&body, &rdnss.server, sizeof(rdnss.server));
		if (ra->n_rdnss < NDP_RA_RDNSS)
			ra->rdnss[ra->n_rdnss++] = rdnss;
		else
			ra->n_left_out++;
	}
	return true;
}

/* One name in labels without compression, as text. False: cut short, too long, or not printable. */
static bool read_domain(struct rd *r, char text[static NDP_DOMAIN_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		size_t len = rd_u8(r);
		struct rd label = rd_sub(r, len);

		if (!rd_ok(r) || len > LABEL_MAX)
			return false;
		if (len == 0)
			break;
		if (n > 0)
			text[n++] = '.';
		if (n + len > NDP_DOMAIN_MAX - 1)	/* room for a dot */
			return false;
		for (size_t i = 0; i < len; i++) {
			uint8_t c = rd_u8(&label);

			if (c <= ' ' || c > '~' || c == '.')
				return false;
			text[n++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		}
	}
	text[n] = '\0';
	return true;
}

static bool read_dnssl(struct rd body, struct ndp_ra *ra)
{
	rd_take(&body, 2);
	uint32_t lifetime_s = rd_be32(&body);
	if (!rd_ok(&body))
		return false;
	while (body.left > 0) {
		struct ndp_dnssl dnssl = { .lifetime_s = lifetime_s };

		if (!read_domain(&body, dnssl.domain))
			return false;
		if (dnssl.domain[0] == '\0')	/* padding */
			continue;
		if (ra->n_dnssl < NDP_RA_DNSSL)
			ra->dnssl[ra->n_dnssl++] = dnssl;
		else
			ra->n_left_out++;
	}
	return true;
}

static bool read_pref64(struct rd body, struct ndp_ra *ra)
{
	struct ndp_pref64 p = { 0 };
	uint16_t scaled = rd_be16(&body);

	p.len = pref64_len[scaled & 7];
	p.lifetime_s = (uint32_t)(scaled >> 3) * 8;
	rd_copy(&body, &p.prefix, 12);
	if (!rd_ok(&body) || body.left > 0 || p.len == 0)
		return false;
	if (ra->n_pref64 < NDP_RA_PREF64)
		ra->pref64[ra->n_pref64++] = p;
	else
		ra->n_left_out++;
	return true;
}

/* Return: false when the body is wrong for its type. */
static bool read_ra_option(uint8_t type, struct rd body, struct ndp_ra *ra)
{
	switch (type) {
	case OPT_SLLA:
		if (body.left != sizeof(ra->slla.b))
			return false;
		rd_copy(&body, ra->slla.b, sizeof(ra->slla.b));
		ra->has_slla = true;
		return true;
	case OPT_PREFIX:
		return read_prefix(body, ra);
	case OPT_MTU:
		return read_mtu(body, ra);
	case OPT_ROUTE:
		return read_route(body, ra);
	case OPT_RDNSS:
		return read_rdnss(body, ra);
	case OPT_DNSSL:
		return read_dnssl(body, ra);
	case OPT_PREF64:
		return read_pref64(body, ra);
	default:	/* a wire byte, not an enumeration of ours */
		ra->n_unknown++;
		return true;
	}
}

int ndp_parse_ra(struct rd msg, const struct ndp_meta *meta, struct ndp_ra *ret)
{
	unsigned int n = 0;
	struct rd body;
	uint8_t type;
	int r = open_message(&msg, meta, ICMPV6_RA);

	if (r != 0)
		return r;
	if (!IN6_IS_ADDR_LINKLOCAL(&meta->src))
		return NDP_E_MALFORMED;

	struct ndp_ra ra = { .src = meta->src, .hop_limit = rd_u8(&msg) };
	uint8_t flags = rd_u8(&msg);
	unsigned int preference = flags >> FLAG_PREFERENCE_SHIFT & 3;

	ra.managed = flags & FLAG_MANAGED;
	ra.other = flags & FLAG_OTHER;
	ra.preference = preference == 2 ? NDP_PREFERENCE_MEDIUM : (enum ndp_preference)preference;
	ra.lifetime_s = rd_be16(&msg);
	ra.reachable_ms = rd_be32(&msg);
	ra.retrans_ms = rd_be32(&msg);
	while (ndp_opt_next(&msg, &type, &body)) {
		if (++n > NDP_OPTIONS)
			return NDP_E_MALFORMED;
		if (!read_ra_option(type, body, &ra))
			ra.n_wrong++;
	}
	if (!rd_ok(&msg))
		return NDP_E_MALFORMED;
	*ret = ra;
	return 0;
}

struct packet_at {
	size_t ip, icmp;
};

static struct packet_at packet_begin(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, uint8_t type)
{
	struct packet_at at;

	at.ip = ipv6_begin(w, src, dst, IPPROTO_ICMPV6, NDP_HOP_LIMIT);
	at.icmp = icmpv6_begin(w, type);
	return at;
}

static void packet_end(struct wr *w, struct packet_at at, const struct in6_addr *src, const struct in6_addr *dst)
{
	icmpv6_end(w, at.icmp, src, dst);
	ipv6_end(w, at.ip);
}

static void put_lla(struct wr *w, uint8_t type, const struct mac *mac)
{
	wr_u8(w, type);
	wr_u8(w, LLA_UNITS);
	wr_put(w, mac->b, sizeof(mac->b));
}

void ndp_put_rs(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_rs *rs)
{
	struct packet_at at = packet_begin(w, src, dst, ICMPV6_RS);

	wr_be32(w, 0);
	if (rs->has_slla)
		put_lla(w, OPT_SLLA, &rs->slla);
	packet_end(w, at, src, dst);
}

void ndp_put_ns(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_ns *ns)
{
	struct packet_at at = packet_begin(w, src, dst, ICMPV6_NS);

	wr_be32(w, 0);
	wr_put(w, &ns->target, sizeof(ns->target));
	if (ns->has_slla)
		put_lla(w, OPT_SLLA, &ns->slla);
	packet_end(w, at, src, dst);
}

void ndp_put_na(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_na *na)
{
	struct packet_at at = packet_begin(w, src, dst, ICMPV6_NA);

	wr_u8(w, (uint8_t)((na->router ? FLAG_ROUTER : 0) | (na->solicited ? FLAG_SOLICITED : 0) |
			   (na->override ? FLAG_OVERRIDE : 0)));
	wr_skip(w, 3);
	wr_put(w, &na->target, sizeof(na->target));
	if (na->has_tlla)
		put_lla(w, OPT_TLLA, &na->tlla);
	packet_end(w, at, src, dst);
}

static void put_prefix(struct wr *w, const struct ndp_prefix *p)
{
	wr_u8(w, OPT_PREFIX);
	wr_u8(w, PREFIX_UNITS);
	wr_u8(w, p->len);
	wr_u8(w, (uint8_t)((p->on_link ? FLAG_ON_LINK : 0) | (p->autonomous ? FLAG_AUTONOMOUS : 0)));
	wr_be32(w, p->valid_s);
	wr_be32(w, p->preferred_s);
	wr_be32(w, 0);
	wr_put(w, &p->prefix, sizeof(p->prefix));
}

static void put_route(struct wr *w, const struct ndp_route *route)
{
	size_t n = route->len > 64 ? 16 : route->len > 0 ? 8 : 0;

	wr_u8(w, OPT_ROUTE);
	wr_u8(w, (uint8_t)(1 + n / 8));
	wr_u8(w, route->len);
	wr_u8(w, (uint8_t)(route->preference << FLAG_PREFERENCE_SHIFT));
	wr_be32(w, route->lifetime_s);
	wr_put(w, &route->prefix, n);
}

/* Type, a length filled in by end_option(), reserved, lifetime. */
static size_t begin_dns(struct wr *w, uint8_t type, uint32_t lifetime_s)
{
	size_t at = w->len;

	wr_u8(w, type);
	wr_skip(w, 3);
	wr_be32(w, lifetime_s);
	return at;
}

/* Pad to units of 8 bytes and fill the length in. */
static void end_option(struct wr *w, size_t at)
{
	wr_skip(w, (8 - (w->len - at) % 8) % 8);
	size_t units = (w->len - at) / 8;
	if (units > UINT8_MAX)
		w->bad = true;
	if (wr_ok(w))
		w->buf[at + 1] = (uint8_t)units;
}

/* Neighbours in the array with one lifetime share an option. */
static void put_rdnss(struct wr *w, const struct ndp_rdnss *rdnss, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t lifetime_s = rdnss[i].lifetime_s;
		size_t at = begin_dns(w, OPT_RDNSS, lifetime_s);

		for (; i < n && rdnss[i].lifetime_s == lifetime_s; i++)
			wr_put(w, &rdnss[i].server, sizeof(rdnss[i].server));
		end_option(w, at);
	}
}

static void put_dnssl(struct wr *w, const struct ndp_dnssl *dnssl, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t lifetime_s = dnssl[i].lifetime_s;
		size_t at = begin_dns(w, OPT_DNSSL, lifetime_s);

		for (; i < n && dnssl[i].lifetime_s == lifetime_s; i++)
			label_put_name(w, dnssl[i].domain);
		end_option(w, at);
	}
}

static void put_pref64(struct wr *w, const struct ndp_pref64 *p)
{
	uint16_t scaled = (uint16_t)(p->lifetime_s / 8 > 0x1fff ? 0x1fff : p->lifetime_s / 8);
	unsigned int code = 0;

	while (code < sizeof(pref64_len) && pref64_len[code] != p->len)
		code++;
	if (code >= sizeof(pref64_len)) {
		w->bad = true;
		return;
	}
	wr_u8(w, OPT_PREF64);
	wr_u8(w, PREF64_UNITS);
	wr_be16(w, (uint16_t)(scaled << 3 | code));
	wr_put(w, &p->prefix, 12);
}

void ndp_put_ra(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_ra *ra)
{
	struct packet_at at = packet_begin(w, src, dst, ICMPV6_RA);

	assert(ra->n_prefixes <= NDP_RA_PREFIXES && ra->n_rdnss <= NDP_RA_RDNSS && ra->n_dnssl <= NDP_RA_DNSSL &&
	       ra->n_routes <= NDP_RA_ROUTES && ra->n_pref64 <= NDP_RA_PREF64);
	wr_u8(w, ra->hop_limit);
	wr_u8(w, (uint8_t)((ra->managed ? FLAG_MANAGED : 0) | (ra->other ? FLAG_OTHER : 0) |
			   ra->preference << FLAG_PREFERENCE_SHIFT));
	wr_be16(w, ra->lifetime_s);
	wr_be32(w, ra->reachable_ms);
	wr_be32(w, ra->retrans_ms);
	if (ra->has_slla)
		put_lla(w, OPT_SLLA, &ra->slla);
	if (ra->mtu) {
		wr_u8(w, OPT_MTU);
		wr_u8(w, MTU_UNITS);
		wr_be16(w, 0);
		wr_be32(w, ra->mtu);
	}
	for (size_t i = 0; i < ra->n_prefixes; i++)
		put_prefix(w, &ra->prefixes[i]);
	for (size_t i = 0; i < ra->n_routes; i++)
		put_route(w, &ra->routes[i]);
	put_rdnss(w, ra->rdnss, ra->n_rdnss);
	put_dnssl(w, ra->dnssl, ra->n_dnssl);
	for (size_t i = 0; i < ra->n_pref64; i++)
		put_pref64(w, &ra->pref64[i]);
	packet_end(w, at, src, dst);
}
