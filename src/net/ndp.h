/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndp - Neighbour Discovery wire format: bytes to checked structs and back
 *
 * Messages are read after icmpv6_open() has checked them. Solicitations and
 * neighbour advertisements that break a rule of RFC 4861 are malformed as a
 * whole. In a router advertisement, an option with a wrong body is left out and
 * counted, as the Linux kernel does, so that a tool can show the rest.
 *
 * Supported options: link-layer addresses, prefix information, MTU (RFC 4861),
 * route information and router preference (RFC 4191), RDNSS and DNSSL (RFC
 * 8106), PREF64 (RFC 8781), nonce (RFC 3971, only skipped over).
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"

#define NDP_HOP_LIMIT 255
#define NDP_OPTIONS 64		/* options in a message; more is malformed: a guest must not buy unbounded work */
#define NDP_RA_PREFIXES 32
#define NDP_RA_RDNSS 16
#define NDP_RA_DNSSL 8
#define NDP_RA_ROUTES 17
#define NDP_RA_PREF64 4
#define NDP_DOMAIN_MAX 253	/* bytes of a domain name as text */
#define NDP_FOREVER UINT32_MAX	/* a lifetime without end */

/* What a caller must handle itself; never forwarded. Negative codes are errnos. */
enum ndp_outcome {
	NDP_E_MALFORMED = 1,	/* drop, count, debug-log at most */
	NDP_E_NOT_OURS,		/* valid, but not a message this parser reads */
};

/* Facts about the packet that ND's rules depend on. */
struct ndp_meta {
	struct in6_addr src, dst;
	uint8_t hop_limit;
};

struct ndp_rs {
	struct in6_addr src;	/* may be :: */
	bool has_slla;
	struct mac slla;
};

struct ndp_ns {
	struct in6_addr src;	/* :: duplicate address detection */
	struct in6_addr target;
	bool has_slla;
	struct mac slla;
};

struct ndp_na {
	struct in6_addr src, target;
	bool router, solicited, override;
	bool has_tlla;
	struct mac tlla;
};

struct ndp_redirect {
	struct in6_addr src, target, dest;
};

/* RFC 4191 2.1; a router's reserved value reads as medium, a route with it is left out. */
enum ndp_preference {
	NDP_PREFERENCE_MEDIUM = 0,
	NDP_PREFERENCE_HIGH = 1,
	NDP_PREFERENCE_LOW = 3,
};

struct ndp_prefix {
	struct in6_addr prefix;		/* as it stands in the option: host bits are kept */
	uint8_t len;
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s;
};

struct ndp_rdnss {
	struct in6_addr server;
	uint32_t lifetime_s;
};

struct ndp_dnssl {
	char domain[NDP_DOMAIN_MAX + 1];	/* printable ASCII, lower case, no final dot */
	uint32_t lifetime_s;
};

struct ndp_route {
	struct in6_addr prefix;
	uint8_t len;
	enum ndp_preference preference;
	uint32_t lifetime_s;
};

struct ndp_pref64 {
	struct in6_addr prefix;
	uint8_t len;			/* 96, 64, 56, 48, 40 or 32 */
	uint32_t lifetime_s;
};

struct ndp_ra {
	struct in6_addr src;		/* parsed only */
	uint8_t hop_limit;		/* 0: unspecified */
	bool managed, other;
	enum ndp_preference preference;
	uint16_t lifetime_s;		/* 0: not a default router */
	uint32_t reachable_ms, retrans_ms;
	bool has_slla;
	struct mac slla;
	uint32_t mtu;			/* 0: no option */
	size_t n_prefixes, n_rdnss, n_dnssl, n_routes, n_pref64;
	struct ndp_prefix prefixes[NDP_RA_PREFIXES];
	struct ndp_rdnss rdnss[NDP_RA_RDNSS];
	struct ndp_dnssl dnssl[NDP_RA_DNSSL];
	struct ndp_route routes[NDP_RA_ROUTES];
	struct ndp_pref64 pref64[NDP_RA_PREF64];
	size_t n_unknown;		/* options of a type we don't read; parsed only */
	size_t n_wrong;			/* options with a wrong body; parsed only */
	size_t n_left_out;		/* entries that found no room above; parsed only */
};

/**
 * ndp_opt_next() - Step to the next option of a message
 * @msg:	cursor at an option boundary (moved past the option)
 * @ret_type:	option type, set when true is returned
 * @ret_body:	bytes after type and length, set when true is returned
 *
 * A zero length (RFC 4861 4.6) would never advance: it spoils @msg, as does an
 * option cut short. So after the loop, rd_ok(@msg) tells "end" from "broken".
 *
 * Return: true with an option, false at the end or on a broken message
 */
bool ndp_opt_next(struct rd *msg, uint8_t *ret_type, struct rd *ret_body);

/**
 * ndp_parse_rs() - Read and fully check a message (RFC 4861 6.1.1, 6.1.2, 7.1.1, 7.1.2)
 * @msg:	cursor at the ICMPv6 header, checksum checked
 * @meta:	addresses and hop limit of the packet
 * @ret:	set only when 0 is returned
 *
 * The same for the other four; redirects by RFC 4861 8.1.
 *
 * Return: 0, NDP_E_NOT_OURS (another type) or NDP_E_MALFORMED
 */
int ndp_parse_rs(struct rd msg, const struct ndp_meta *meta, struct ndp_rs *ret);
int ndp_parse_ra(struct rd msg, const struct ndp_meta *meta, struct ndp_ra *ret);
int ndp_parse_ns(struct rd msg, const struct ndp_meta *meta, struct ndp_ns *ret);
int ndp_parse_na(struct rd msg, const struct ndp_meta *meta, struct ndp_na *ret);
int ndp_parse_redirect(struct rd msg, const struct ndp_meta *meta, struct ndp_redirect *ret);

/**
 * ndp_put_rs() - Write an IPv6 packet with a message in it
 * @w:		cursor behind the Ethernet header
 * @src:	source address
 * @dst:	destination address
 * @rs:		message; its own src member is not looked at
 *
 * Header, checksum and all. The same for the other three. A domain that cannot
 * be written as DNS labels spoils @w.
 */
void ndp_put_rs(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_rs *rs);
void ndp_put_ra(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_ra *ra);
void ndp_put_ns(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_ns *ns);
void ndp_put_na(struct wr *w, const struct in6_addr *src, const struct in6_addr *dst, const struct ndp_na *na);
