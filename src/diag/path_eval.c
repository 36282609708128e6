/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_eval - one base chain of nftables, run over one packet
 *
 * Theory of operation: the packet's headers are built as bytes, and the rules'
 * expressions (path_expr) run over registers, as in the kernel
 * (net/netfilter/nf_tables_core.c). An expression that nobody here can evaluate
 * makes its rule an open question, which the caller answers.
 */
#include "diag/path_expr.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define DEPTH_MAX 16
#define RULES_MAX 200000 /* looked at for one packet */

/* ------------------------------------------------------------------------- headers */

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void path_build(struct path_eval *e)
{
	const struct path_packet *p = &e->p;
	uint16_t ethertype = p->arp ? ETH_P_ARP : p->family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;

	memset(e->net, 0, sizeof(e->net));
	memset(e->transport, 0, sizeof(e->transport));
	e->n_link = p->ethernet ? 14 : 0;
	memcpy(e->link, p->dmac.b, 6);
	memcpy(e->link + 6, p->smac.b, 6);
	put16(e->link + 12, ethertype);
	if (p->arp) {
		e->n_net = 28;
		e->n_transport = 0;
		put16(e->net, 1);
		put16(e->net + 2, ETH_P_IP);
		e->net[4] = 6;
		e->net[5] = 4;
		put16(e->net + 6, 1);
		memcpy(e->net + 8, p->smac.b, 6);
		memcpy(e->net + 14, p->src.b, 4);
		memcpy(e->net + 24, p->dst.b, 4);
		return;
	}
	if (p->family == AF_INET) {
		e->n_net = 20;
		e->net[0] = 0x45;
		put16(e->net + 2, 60);
		e->net[8] = p->hop_limit;
		e->net[9] = p->proto;
		memcpy(e->net + 12, p->src.b, 4);
		memcpy(e->net + 16, p->dst.b, 4);
	} else {
		e->n_net = 40;
		e->net[0] = 0x60;
		put16(e->net + 4, 40);
		e->net[6] = p->proto;
		e->net[7] = p->hop_limit;
		memcpy(e->net + 8, p->src.b, 16);
		memcpy(e->net + 24, p->dst.b, 16);
	}
	e->n_transport = p->proto == IPPROTO_TCP ? 20 : 8;
	if (icmp) {
		e->transport[0] = p->icmp_type;
		if (ip_is_set(
			    &p->target)) { /* its target is behind the first 8 bytes: the beginning is enough for rules */
			e->n_transport = 20;
			memcpy(e->transport + 8, p->target.b, 12);
		}
		return;
	}
	put16(e->transport, p->sport);
	put16(e->transport + 2, p->dport);
	if (p->proto == IPPROTO_TCP) {
		e->transport[12] = 0x50;
		e->transport[13] = p->answer ? 0x12 : p->again ? 0x10 : 0x02; /* SYN, ACK */
	}
}

/* ---------------------------------------------------------------------------- rules */

/* Does the question's rule match in this run? */
static bool assume(struct path_eval *e, const struct snap_nft_rule *rule)
{
	size_t n = e->asked++;

	if (!e->first)
		e->first = rule;
	return e->answer == PATH_EVAL_ALL || e->answer == (int)n;
}

static enum path_outcome run_rule(struct path_eval *e, const struct snap_nft_rule *rule)
{
	bool asked = false, matches = false;

	e->doubt = UINT32_MAX;
	for (size_t i = 0; i < rule->n_exprs; i++) {
		enum path_outcome out = path_expr(e, &rule->exprs[i]);

		if (out == PATH_OUT_QUESTION) {
			if (!asked)
				matches = assume(e, rule);
			asked = true;
			if (!matches)
				return PATH_OUT_BREAK;
			out = PATH_OUT_NEXT;
		}
		if (out != PATH_OUT_NEXT)
			return out;
	}
	return PATH_OUT_NEXT;
}

/* Return: true when the base chain's fate is decided (e->verdict accept, drop, or another final one). */
static bool run_chain(struct path_eval *e, const struct snap_chain *chain, unsigned int depth)
{
	for (size_t i = 0; i < chain->n_rules && e->looked < RULES_MAX; i++) {
		const struct snap_nft_rule *rule = &chain->rules[i];
		const struct snap_chain *to;

		e->looked++;
		if (run_rule(e, rule) != PATH_OUT_VERDICT)
			continue;
		switch (e->verdict) {
		case NFT_CONTINUE:
		case NFT_BREAK:
			continue;
		case NFT_RETURN:
			return false;
		case NFT_JUMP:
		case NFT_GOTO:
			to = snap_chain(e->table, e->target);
			bool jump = e->verdict == NFT_JUMP;
			if (to && depth < DEPTH_MAX && run_chain(e, to, depth + 1))
				return true;
			if (!jump)
				return false;
			continue;
		default:
			e->decided = rule;
			return true;
		}
	}
	return false;
}

int32_t path_eval_base(struct path_eval *e, const struct path_packet *p, int answer)
{
	e->p = *p;
	e->answer = answer;
	e->asked = 0;
	e->looked = 0;
	e->decided = NULL;
	e->translated = e->addressless = false;
	path_build(e);
	return run_chain(e, e->chain, 0) ? e->verdict : (int32_t)e->chain->policy;
}
