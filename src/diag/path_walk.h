/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_walk - what the files of path reasoning share
 *
 * Inside diag/ only.
 */
#pragma once
#include "diag/path.h"

/* As net/netfilter counts them: NF_INET_* and NF_BR_* have the same numbers. */
enum path_hook {
	PATH_HOOK_PREROUTING,
	PATH_HOOK_INPUT,
	PATH_HOOK_FORWARD,
	PATH_HOOK_OUTPUT,
	PATH_HOOK_POSTROUTING,
	PATH_HOOK_INGRESS,	/* of inet tables; the only one of netdev tables */
	PATH_HOOK_N_,
};

/* Bits of ct state and ct status, as nftables compares them. */
#define PATH_CT_INVALID 1
#define PATH_CT_ESTABLISHED 2
#define PATH_CT_NEW 8
#define PATH_CT_UNTRACKED 64
#define PATH_IPS_SEEN_REPLY 2
#define PATH_IPS_CONFIRMED 8
#define PATH_IPS_SRC_NAT 0x10
#define PATH_IPS_DST_NAT 0x20

struct path_packet {
	uint8_t family;		/* AF_INET, AF_INET6 */
	bool arp;		/* family AF_INET: who has dst, tell src */
	struct ip src, dst;
	struct ip target;	/* neighbour solicitation: whom it asks for */
	uint8_t proto;
	uint16_t sport, dport;	/* TCP and UDP */
	uint8_t icmp_type;
	uint8_t hop_limit;
	bool ethernet;		/* smac and dmac mean something */
	struct mac smac, dmac;
	uint32_t iif, oif;	/* interfaces, 0: none (yet) */
	uint32_t bridge_in, bridge_out;	/* bridges of the ports in iif and oif, in bridge tables */
	uint32_t mark, ct_mark;
	uint32_t ct_state, ct_status;
	bool answer;
	bool again;		/* the asker's next one: the connection is known, and its translation */
	/* The connection as its first packet had it, when that was sent and after translation. */
	struct ip orig_src, orig_dst, new_src, new_dst;
	uint16_t orig_sport, orig_dport, new_sport, new_dport;
};

struct path_walk {
	const struct snapshot *s;
	struct arena *arena;
	struct path_packet p;
	struct path_way *way;
	bool prerouted;		/* a bridge has run the hook already (br_netfilter) */
	const struct path_end *instead;	/* where a translation sent it, who then answers; NULL: it goes where it was sent to */
};

/* Add a step. Return: true when the walk goes on: it isn't a drop. */
bool path_step(struct path_walk *w, const char *at, enum path_verdict verdict, const char *subject, const char *rule,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/**
 * path_nft() - All base chains of one hook
 * @family:	NFPROTO_IPV4, NFPROTO_IPV6 (tables of inet, too), NFPROTO_BRIDGE or NFPROTO_NETDEV
 * @at:		the station's name in steps
 *
 * Translations are done to w->p, in their place among the priorities.
 *
 * Return: true when the walk goes on
 */
bool path_nft(struct path_walk *w, uint8_t family, enum path_hook hook, const char *at);

/* The packet's own hook: inet tables and those of its family. */
bool path_nft_inet(struct path_walk *w, enum path_hook hook, const char *at);

struct path_route {
	const struct snap_route *route;	/* NULL: none */
	const char *why;		/* why not, or which table and rule */
	struct ip next;			/* next hop: gateway, or the destination */
};

/* Policy rules, then tables. @iif 0: made on this host. */
struct path_route path_route(const struct snapshot *s, struct arena *arena, const struct path_packet *p, const struct ip *dst,
			     const struct ip *src, uint32_t iif);

/* What an address is to this host: RTN_*. */
uint8_t path_addr_type(const struct snapshot *s, const struct ip *ip);

/* The address that the host takes as its own for packets that leave by @oif to @dst. family 0: none. */
struct ip path_source(const struct snapshot *s, uint32_t oif, const struct ip *dst);

/* Layer 2 (path_link.c). Each returns whether the walk goes on. */
bool path_from_guest(struct path_walk *w, const struct path_end *from, const struct path_end *to, bool *arrived);
bool path_enter_macvtap(struct path_walk *w, const struct snap_link *tap, const struct path_end *to);
bool path_enter_bridge(struct path_walk *w, const struct snap_link *bridge, const struct path_end *to);
bool path_to_device(struct path_walk *w, const struct ip *next, const struct path_end *to);
