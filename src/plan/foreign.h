/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign - would somebody else's firewall drop what guests need?
 *
 * Inside plan/ only. Theory of operation: packets as guests send and get them
 * are walked through each chain of others at the hooks of the IP families and of
 * bridges. A condition that can't be judged doesn't hold: so what counts is what
 * becomes of a packet that no particular rule is about, and an administrator's
 * rules for particular ones keep their say. Where such a packet is dropped, rules of
 * ours go to the point that the chain's owner has for others (DOCKER-USER,
 * ufw-user-forward), and where there is none, into the chain itself, right
 * before what drops: as late as can be.
 *
 * Our rules accept no more than what is named here, and never open what our own
 * table closes: that one sees each packet too, and its drop is as final. From
 * guests to the uplink; answers and forwarded ports to guests; DNS and ICMP to
 * the host, and its answers and neighbour discovery to them. Not between guests and other interfaces of the host, such as
 * containers', which the owner of the chain may keep apart.
 *
 * At prerouting and in bridges' tables nothing of ours is added: an accept there
 * can't be told apart by where a packet goes, so it would open what their owner
 * filters nowhere else. Nor at postrouting, where hardly anybody filters and
 * iptables has no word for where a packet came in. The command is named instead.
 */
#pragma once
#include "model/firewall.h"

struct fw_packet {
	sa_family_t family;
	const char *iif, *oif;		/* NULL: not told; no condition about it holds */
	uint32_t ct;			/* enum fw_ct bits */
	uint8_t l4proto;		/* 0: not told */
	uint16_t dport;			/* 0: not told */
	uint8_t icmp_type;		/* with an ICMP l4proto */
	struct ip saddr, daddr;		/* family 0: not told */
	uint32_t dtype;			/* 1 << RTN_*: what the destination is to the host; 0: not told */
	const char *ibr, *obr;		/* bridges that iif and oif are ports of; NULL: not told */
};

struct fw_drop {
	uint64_t at;			/* handle of the rule in the hook's chain that drops or leads there; 0: its policy */
	const struct fw_chain *point;	/* for others' rules, passed on the way; NULL: none */
};

/**
 * foreign_drops() - Is a packet dropped?
 * @table:	somebody else's
 * @chain:	one of its chains with a hook
 * @packet:	as it arrives there
 * @with_ours:	whether rules with our comment count
 * @ret:	set when true is returned
 */
bool foreign_drops(const struct fw_table *table, const struct fw_chain *chain, const struct fw_packet *packet,
		   bool with_ours, struct fw_drop *ret);

/* The rule that decides about a packet: accepts or drops it, or hands it to somebody else. NULL: the policy does. */
const struct fw_rule *foreign_decides(const struct fw_table *table, const struct fw_chain *chain,
				      const struct fw_packet *packet);

/* Handle of the first rule of a chain that ends it for everybody, before which others are of use; 0: there is none. */
uint64_t foreign_end(const struct fw_chain *chain);

/* "ip filter FORWARD", in @arena; of names that others chose, only what is safe to print. */
const char *foreign_name(struct arena *arena, const struct fw_table *table, const struct fw_chain *chain);
/* Whose it is: "docker", "ufw", "firewalld"; NULL: not known. */
const char *foreign_owner(const struct fw_table *table, const struct fw_chain *point);

/* The shell command that adds these rules: what the administrator may run instead of us. */
const char *foreign_command(struct arena *arena, const struct fw_table *table, const struct fw_chain *chain,
			    enum fw_hook hook, const struct fw_rule *rules, size_t n);
