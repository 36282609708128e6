/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - ask the network itself, with few frames
 *
 * Theory of operation. Rules deduce from what the kernel holds; a probe
 * measures. Whoever wants something measured fills in an array of questions;
 * probe_run() sends them all, listens for a while, and writes what came back
 * into the same array. Nothing here decides what an answer means.
 *
 * Frames leave through packet sockets, from one of four places: a device of
 * the host; a macvtap, towards its guest; a port of the bridge made for the moment, which is where a guest
 * sends from; a macvlan made for the moment, which is how another guest on the
 * same lower device reaches a macvtap (kern/vantage.h). Questions with the same
 * place share it.
 *
 * Bounds: at most PROBE_MAX questions, each of at most three frames of its
 * kind, PROBE_ANSWERS answers kept of each, one time limit for all. A server
 * that offers a lease is never asked to give it. An echo goes only to whoever
 * answered for the address before.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/time.h"
#include "net/addr.h"

#define PROBE_MAX 256u
#define PROBE_ANSWERS 8u
#define PROBE_GROUPS_MAX 64u
#define PROBE_ECHO_MAX 9216u	/* bytes of a packet */

enum probe_kind {
	PROBE_RS,		/* who advertises himself as a router? */
	PROBE_NS,		/* who has @target? by multicast */
	PROBE_NS_UNICAST,	/* the same, asked of @to: what a neighbour table does every half minute */
	PROBE_DAD,		/* the same, from :: as somebody who is about to take the address */
	PROBE_DHCP4,		/* who leases? DISCOVER */
	PROBE_DHCP6,		/* who leases? Solicit */
	PROBE_GROUPS,		/* which multicast groups does the guest listen to? MLD and IGMP general queries, to @mac alone; zero: whatever MAC it has */
	PROBE_ECHO,		/* an echo of @size bytes, after a small one and a neighbour solicitation */
	PROBE_KIND_N_,
};

enum probe_place {
	PROBE_PLACE_DEVICE,	/* @ifindex itself */
	PROBE_PLACE_PORT,	/* a port of the bridge @ifindex */
	PROBE_PLACE_GUEST,	/* the macvtap @ifindex: to its guest, and to nobody else (kern/inward.h) */
	PROBE_PLACE_MACVLAN,	/* beside the macvtaps of the lower device @ifindex */
	PROBE_PLACE_N_,
};

struct probe_answer {
	struct ip from;		/* DHCP: the server; ND: the source */
	struct mac mac;		/* whose frame it was */
	uint32_t after_us;	/* since it was first asked */
	uint32_t value;		/* RS: router lifetime in seconds; ECHO: bytes that came back */
	bool managed;		/* RS: addresses are said to come by DHCPv6 */
};

struct ask {
	/* The question. */
	enum probe_kind kind;
	enum probe_place place;
	uint32_t ifindex;
	uint32_t mtu;		/* of @ifindex */
	struct mac mac;		/* of @ifindex; PROBE_PLACE_DEVICE: the sender's */
	struct ip source;	/* none: the link-local address made of the sender's MAC */
	struct ip target;	/* not of RS and DHCP */
	struct mac to;		/* PROBE_NS_UNICAST */
	uint16_t size;		/* PROBE_ECHO: of the IPv6 packet */

	/* What came of it. */
	int error;		/* negative errno: it could not be asked, nothing was measured; set before: it isn't to be */
	bool asked;
	bool small_came;	/* PROBE_ECHO: the answer to the small one */
	uint32_t too_big;	/* PROBE_ECHO: the MTU that a router named, or 0 */
	struct mac *groups;	/* PROBE_GROUPS: what is reported; room for PROBE_GROUPS_MAX, the caller's */
	size_t n_groups;
	size_t n_answers;	/* different senders; ECHO: answers to the large one */
	struct probe_answer answers[PROBE_ANSWERS];

	/* Of probe_run() alone. */
	struct mac sender;
	struct in6_addr src;
	uint32_t xid;
	mono_t begun, sent;
	unsigned int n_sent;
	uint8_t step;
	struct mac next_hop;
};

/**
 * probe_run() - Ask everything, and wait for answers
 * @asks:	the questions; completed
 * @n:		how many; those from PROBE_MAX on get -E2BIG
 * @least_ms:	how long to listen at least
 * @limit_ms:	how long at most; shorter when nothing more is to be expected: where any number may answer, a second
 *		after the first did
 *
 * Needs CAP_NET_RAW, and for PORT and MACVLAN CAP_SYS_ADMIN.
 *
 * Return: 0, or a negative errno when nothing could be asked at all
 */
int probe_run(struct ask *asks, size_t n, unsigned int least_ms, unsigned int limit_ms);
