/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path - the way of a packet and its answer through the host
 *
 * Theory of operation: pure, over a snapshot. A walk begins at an end (a guest,
 * this host, outside), carries a struct path_packet from station to station in
 * the kernel's order (tap, bridge, ingress, prerouting, routing, forward or
 * input, postrouting, the way out), and writes a step for each that says
 * something. Every base chain of every nftables table is evaluated at its hook
 * in the order of priorities. What can't be told ends nothing: the step is
 * "unknown" with the rule's words, and the walk goes on as if it passed, so
 * that a certain drop behind it is still found. The answer is walked the same
 * way back, as a packet of a known connection, its translations undone.
 *
 * The packet is the first of a TCP connection, a UDP datagram, or an echo
 * request. Not modelled: policers that are over their limit, IPsec, tc filters,
 * XDP, multicast routing, fragments.
 */
#pragma once
#include "base/report.h"
#include "diag/snapshot.h"

enum path_verdict {
	PATH_PASS,
	PATH_DROP,
	PATH_UNKNOWN,
	PATH_VERDICT_N_,
};
extern const char *const path_verdict_name[PATH_VERDICT_N_];

struct path_step {
	const char *at;		/* "tap", "bridge", "prerouting", "routing", …: PATH_AT_* */
	const char *what;	/* for a person */
	enum path_verdict verdict;
	const char *rule;	/* in nft's words; "" none */
	const char *subject;	/* device, table and chain, or setting that it is about; "" */
	bool addressless;	/* a translation that has no address to give ends it, not a rule that drops */
};

/* One direction. */
struct path_way {
	struct path_step *steps;
	size_t n;
	enum path_verdict verdict;	/* drop, else unknown, else pass */
	const struct path_step *end;	/* the step that says drop, else the first unknown one; NULL */
};

enum path_kind {
	PATH_GUEST,
	PATH_HOST,
	PATH_OUTSIDE,
	PATH_KIND_N_,
};

/* One end of a path. */
struct path_end {
	enum path_kind kind;
	const char *name;	/* as it was asked for */
	const char *guest;	/* snap_guest.name, or "" */
	uint32_t device;	/* of a guest: its tap or macvtap; outside: the interface it is on-link at, or 0 */
	struct mac mac;		/* of a guest, zero: not known */
	struct ip ip4, ip6;	/* family 0: it has none that is known */
	bool given;		/* an address was asked for: the other family isn't meant */
};

struct path {
	uint8_t family;
	struct path_end from, to;
	uint8_t proto;		/* 6, 17; 1 and 58: echo */
	uint16_t port;
	struct ip src, dst;	/* as sent */
	struct path_way there, answer;
	enum path_verdict verdict;	/* of both */
};

/**
 * path_find_end() - What a user means by a word
 * @s:		the snapshot
 * @arena:	for texts
 * @word:	guest ("lan/web", "web" where only one is called so, "libvirt:ha"), interface of a guest, address,
 *		"host", "outside"
 * @ret:	set when NULL is returned
 *
 * Return: NULL, or what is wrong in one clause, in @arena
 */
const char *path_find_end(const struct snapshot *s, struct arena *arena, const char *word, struct path_end *ret);

/**
 * path_walk() - Walk it
 * @s:		the snapshot
 * @arena:	for everything in @ret
 * @family:	AF_INET or AF_INET6: both ends have an address of it
 * @proto:	6, 17, or 0: echo
 * @port:	of the destination; for a guest behind NAT asked from outside: the host's or the guest's of a forward
 * @ret:	set
 */
void path_walk(const struct snapshot *s, struct arena *arena, const struct path_end *from, const struct path_end *to,
	       uint8_t family, uint8_t proto, uint16_t port, struct path *ret);

/* Do both ends have an address of this family? "outside" has both. */
bool path_has_family(const struct path_end *from, const struct path_end *to, uint8_t family);

/* {"steps", "verdict", "answer"}; a new reference. */
json_t *path_json(const struct path *path);
