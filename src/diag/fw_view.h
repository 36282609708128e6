/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_view - the firewalls of a snapshot, as conditions that can be judged
 *
 * A snapshot holds the kernel's own expressions, and iptables-legacy's tables
 * as blocks. Here they become struct fw_table, by the same reading that the
 * daemon's planning uses (kern/foreign), so that both come to the same verdict.
 * What isn't understood is a condition that never holds.
 */
#pragma once
#include "diag/snapshot.h"
#include "plan/foreign.h"

enum fw_view_how {
	FW_VIEW_PLAIN,
	/*
	 * As a packet with an extension header meets it: the first header isn't the upper layer's, so `ip6 nexthdr`
	 * matches none of the protocols. That is what MLD reports are like.
	 */
	FW_VIEW_EXTENDED,
	FW_VIEW_BRIDGED,	/* as a packet that a bridge only passes on: `physdev --physdev-is-bridged` holds */
};

struct fw_view {
	struct fw_table *tables;
	struct fw_table *kind;	/* the same, but that whatever can't be judged is taken to hold where it doesn't drop */
	const struct snap_table **of;	/* of each: where it comes from; NULL: iptables-legacy's */
	size_t n;
};

/**
 * fw_view() - Make one
 * @s:		the snapshot
 * @arena:	where it lives
 * @how:	for which packets
 *
 * Tables of ours are left out.
 */
struct fw_view fw_view(const struct snapshot *s, struct arena *arena, enum fw_view_how how);

/* One of nftables' base chains, or of iptables' built-in ones. */
struct fw_base {
	const struct fw_table *table;
	const struct fw_chain *chain;
	const struct snap_chain *of;	/* NULL: iptables-legacy's */
	const char *owner;		/* "docker", "ufw", "firewalld"; "" not known */
};

/* Calls @fn for each base chain of the family (that of packets) and hook, of type @type ("filter", "nat"). */
void fw_each(const struct fw_view *view, uint8_t family, uint32_t hook, const char *type,
	     void (*fn)(void *user, const struct fw_base *base), void *user);

/* "docker's chain ip filter FORWARD": for sentences. */
const char *fw_base_name(struct arena *arena, const struct fw_base *base);

#define FW_HITS_MAX 8

struct fw_hit {
	struct fw_base base;
	struct fw_drop drop;	/* the first place in it where a packet is dropped */
};

/* Chains that drop. One that has to be opened is of no use while another is shut: whoever mends needs them all. */
struct fw_hits {
	struct fw_hit list[FW_HITS_MAX];
	size_t n;
};

/* Adds the chains of that hook that drop the packet for certain. Return: how many there are by now. */
size_t fw_drops(const struct fw_view *view, uint32_t hook, const struct fw_packet *packet, struct fw_hits *hits);

/* "docker's chain ip filter FORWARD and chain inet fw forward": for sentences. */
const char *fw_hits_name(struct arena *arena, const struct fw_hits *hits);
/* The same for evidence: tables and chains alone, with commas. */
const char *fw_hits_chains(struct arena *arena, const struct fw_hits *hits);
