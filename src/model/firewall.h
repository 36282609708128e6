/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall - rules of others, as far as they matter to guests
 *
 * What kern/ makes of the filter tables that aren't ours, and what plan/ looks
 * at: who is matched, and what becomes of him. A condition that says nothing
 * about interfaces, connections, protocols or addresses is FW_COND_OTHER, which
 * nobody can judge. Plain data in the arena of struct world.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "net/addr.h"

#define FW_COMMENT_PREFIX "sixtap:"	/* then the network's name: our rules in chains of others */
#define FW_COMMENT_MAX 64

/* What connection tracking says of a packet; the states as the kernel numbers them. */
enum fw_ct {
	FW_CT_INVALID = 1 << 0,
	FW_CT_ESTABLISHED = 1 << 1,
	FW_CT_RELATED = 1 << 2,
	FW_CT_NEW = 1 << 3,
	FW_CT_UNTRACKED = 1 << 6,
	FW_CT_DNAT = 1 << 8,		/* its destination was translated */
};

#define FW_FAMILY_ARP 0x0806	/* of frames; no AF_* has this number */

enum fw_cond_kind {
	FW_COND_IIF,		/* names: "virbr*" is every name that begins so */
	FW_COND_OIF,
	FW_COND_IBR,		/* names, of the bridge that IIF is a port of; family bridge only */
	FW_COND_OBR,
	FW_COND_CT,		/* ranges[0].first: enum fw_ct bits, any of them */
	FW_COND_FAMILY,		/* ranges: AF_INET, AF_INET6, FW_FAMILY_ARP; AF_UNSPEC: anything else */
	FW_COND_L4PROTO,	/* ranges */
	FW_COND_DPORT,		/* ranges */
	FW_COND_ICMP_TYPE,	/* ranges; of either ICMP */
	FW_COND_SADDR,		/* prefix */
	FW_COND_DADDR,
	FW_COND_DTYPE,		/* ranges[0].first: bits by RTN_*, of what the destination is to this host */
	FW_COND_OTHER,
	FW_COND_N_,
};

struct fw_range {
	uint32_t first, last;
};

struct fw_cond {
	enum fw_cond_kind kind;
	bool negated;
	const char *const *names;
	const struct fw_range *ranges;
	size_t n;			/* of names or ranges */
	struct prefix prefix;
};

enum fw_verdict {
	FW_VERDICT_NONE,	/* on to the next rule */
	FW_VERDICT_ACCEPT,
	FW_VERDICT_DROP,	/* or reject */
	FW_VERDICT_JUMP,
	FW_VERDICT_GOTO,
	FW_VERDICT_RETURN,
	FW_VERDICT_OTHER,	/* handed to somebody else: a queue, say */
	FW_VERDICT_N_,
};

struct fw_rule {
	uint64_t handle;		/* several may have one: each element of a verdict map is a rule here */
	const char *comment;		/* or NULL */
	const struct fw_cond *conds;	/* all must hold */
	size_t n_conds;
	enum fw_verdict verdict;
	const char *target;		/* of JUMP and GOTO */
};

enum fw_hook {
	FW_HOOK_NONE,		/* reached by jumps only, or of no interest */
	FW_HOOK_INPUT,
	FW_HOOK_FORWARD,
	FW_HOOK_OUTPUT,
	FW_HOOK_PREROUTING,
	FW_HOOK_POSTROUTING,
	FW_HOOK_N_,
};

struct fw_chain {
	const char *name;
	enum fw_hook hook;
	bool drops;			/* its policy */
	bool after_nat;			/* at postrouting: sources are translated by then */
	struct fw_rule *rules;
	size_t n_rules;
};

struct fw_table {
	uint8_t family;			/* NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_BRIDGE */
	const char *name;
	bool xt;			/* written by iptables: rules in its words */
	bool legacy;			/* not nftables at all: iptables-legacy's */
	bool locked;			/* a running program owns it: nobody else may change it */
	struct fw_chain *chains;
	size_t n_chains;
};

bool fw_cond_same(const struct fw_cond *a, const struct fw_cond *b);
bool fw_rule_same(const struct fw_rule *a, const struct fw_rule *b);	/* but for the handle */

/* Rules that accept, made one after the other: begin, then its conditions (at most three). */
struct fw_rules {
	struct arena *arena;
	const char *comment;
	struct fw_rule *list;
	size_t n, cap;
};
void fw_rules_begin(struct fw_rules *r);
void fw_rules_device(struct fw_rules *r, enum fw_cond_kind kind, const char *device);
void fw_rules_number(struct fw_rules *r, enum fw_cond_kind kind, uint32_t v);
void fw_rules_prefix(struct fw_rules *r, enum fw_cond_kind kind, const struct prefix *prefix);

/* The network that a rule of ours is for; NULL: it isn't ours. */
const char *fw_rule_network(const struct fw_rule *rule);
const struct fw_chain *fw_chain_find(const struct fw_table *table, const char *name);

/* A copy that lives in @arena, down to the last string. */
struct fw_table *fw_tables_copy(struct arena *arena, const struct fw_table *tables, size_t n);
struct fw_rule fw_rule_copy(struct arena *arena, const struct fw_rule *rule);
