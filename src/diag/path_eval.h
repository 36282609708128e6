/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_eval - one base chain of nftables, run over one packet
 *
 * Inside diag/ only.
 */
#pragma once
#include "diag/path_walk.h"

#define PATH_EVAL_REGS 80	/* bytes: NFT_REG_VERDICT isn't among them */
#define PATH_EVAL_NONE (-1)	/* answers to questions: no rule in doubt matches … */
#define PATH_EVAL_ALL (-2)	/* … or all do; else the place of the one that does, in the order they are met */

struct path_eval {
	const struct snapshot *s;
	struct arena *arena;
	const struct snap_table *table;
	const struct snap_chain *chain;
	uint8_t family;			/* NFPROTO_* of the hook */
	bool early;			/* before connection tracking has looked at the packet */
	struct path_packet p;		/* changed by what rules do */
	uint8_t link[14], net[40], transport[20];
	size_t n_link, n_net, n_transport;
	uint8_t regs[PATH_EVAL_REGS];
	uint32_t doubt;			/* a bit for each 4 bytes: its value isn't known */
	int32_t verdict;
	const char *target;
	bool translated;
	bool addressless;		/* dropped because its translation has no address to give it */
	/* questions */
	size_t asked;
	int answer;			/* PATH_EVAL_* */
	const struct snap_nft_rule *first;
	const struct snap_nft_rule *decided;	/* the rule that gave the verdict; NULL: the policy */
	size_t looked;
};

/**
 * path_eval_base() - Run it
 * @e:		s, arena, table, chain and family are set; the rest is filled in
 * @p:		the packet; what becomes of it is in e->p
 * @answer:	what to assume where a rule is in doubt
 *
 * Return: NF_ACCEPT, NF_DROP, or what else a rule said (a queue, say); e->decided is the rule, e->asked how many were
 * in doubt, e->first the first of them
 */
int32_t path_eval_base(struct path_eval *e, const struct path_packet *p, int answer);
