/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_put - rules of ours as nftables expressions
 *
 * In tables that iptables-nft writes, as it would write them: connection states
 * and the comment are matches of xtables there.
 */
#include "kern/foreign.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>

#define UDATA_RULE_COMMENT 0	/* NFTNL_UDATA_RULE_COMMENT: type, length, text with NUL */

static void put_value(struct nlb *b, uint16_t type, const void *p, size_t n)
{
	size_t nest = nlb_nest(b, type);

	nlb_put(b, NFTA_DATA_VALUE, p, n);
	nlb_end(b, nest);
}

struct expr {
	size_t elem, data;
};

static struct expr expr_begin(struct nlb *b, const char *name)
{
	struct expr e = { .elem = nlb_nest(b, 1) };	/* NFTA_LIST_ELEM */

	nlb_strz(b, NFTA_EXPR_NAME, name);
	e.data = nlb_nest(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nlb *b, struct expr e)
{
	nlb_end(b, e.data);
	nlb_end(b, e.elem);
}

static void put_meta(struct nlb *b, uint32_t key)
{
	struct expr e = expr_begin(b, "meta");

	nlb_be32(b, NFTA_META_KEY, key);
	nlb_be32(b, NFTA_META_DREG, NFT_REG_1);
	expr_end(b, e);
}

static void put_cmp(struct nlb *b, uint32_t op, const void *p, size_t n)
{
	struct expr e = expr_begin(b, "cmp");

	nlb_be32(b, NFTA_CMP_SREG, NFT_REG_1);
	nlb_be32(b, NFTA_CMP_OP, op);
	put_value(b, NFTA_CMP_DATA, p, n);
	expr_end(b, e);
}

static void put_match(struct nlb *b, const char *name, uint32_t rev, const void *info, size_t len)
{
	struct expr e = expr_begin(b, "match");

	nlb_strz(b, NFTA_MATCH_NAME, name);
	nlb_be32(b, NFTA_MATCH_REV, rev);
	nlb_put(b, NFTA_MATCH_INFO, info, len);
	expr_end(b, e);
}

static void put_ct(struct nlb *b, uint32_t bits, bool xt)
{
	uint32_t mask = bits & ~(uint32_t)FW_CT_DNAT;
	const uint32_t zero = 0;

	if (xt) {
		union {
			struct xt_conntrack_mtinfo3 mt;
			uint64_t align[(sizeof(struct xt_conntrack_mtinfo3) + 7) / 8];
		} info = { .align = { 0 } };

		info.mt.match_flags = XT_CONNTRACK_STATE;
		info.mt.state_mask = (uint16_t)(mask | (bits & FW_CT_DNAT ? XT_CONNTRACK_STATE_DNAT : 0));
		put_match(b, "conntrack", 3, &info, sizeof(info));
		return;
	}
	if (bits & FW_CT_DNAT)
		mask = IPS_DST_NAT;
	struct expr e = expr_begin(b, "ct");
	nlb_be32(b, NFTA_CT_KEY, bits & FW_CT_DNAT ? NFT_CT_STATUS : NFT_CT_STATE);
	nlb_be32(b, NFTA_CT_DREG, NFT_REG_1);
	expr_end(b, e);
	e = expr_begin(b, "bitwise");
	nlb_be32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nlb_be32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nlb_be32(b, NFTA_BITWISE_LEN, sizeof(mask));
	put_value(b, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	put_value(b, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(b, e);
	put_cmp(b, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void put_cond(struct nlb *b, const struct fw_cond *c, bool xt)
{
	uint32_t v = c->n > 0 && c->ranges ? c->ranges[0].first : 0;
	char name[16] = "";
	uint8_t port[2] = { (uint8_t)(v >> 8), (uint8_t)v }, proto = (uint8_t)v;
	struct expr e;

	switch (c->kind) {
	case FW_COND_IIF:
	case FW_COND_OIF:
		(void)str_copy(name, sizeof(name), c->names[0]);
		put_meta(b, c->kind == FW_COND_IIF ? NFT_META_IIFNAME : NFT_META_OIFNAME);
		put_cmp(b, NFT_CMP_EQ, name, xt ? strlen(name) + 1 : sizeof(name));
		break;
	case FW_COND_CT:
		put_ct(b, v, xt);
		break;
	case FW_COND_L4PROTO:
		put_meta(b, NFT_META_L4PROTO);
		put_cmp(b, NFT_CMP_EQ, &proto, sizeof(proto));
		break;
	case FW_COND_DPORT:
		e = expr_begin(b, "payload");
		nlb_be32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
		nlb_be32(b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
		nlb_be32(b, NFTA_PAYLOAD_OFFSET, 2);
		nlb_be32(b, NFTA_PAYLOAD_LEN, sizeof(port));
		expr_end(b, e);
		put_cmp(b, NFT_CMP_EQ, port, sizeof(port));
		break;
	case FW_COND_IBR:
	case FW_COND_OBR:
	case FW_COND_FAMILY:
	case FW_COND_ICMP_TYPE:
	case FW_COND_SADDR:
	case FW_COND_DADDR:
	case FW_COND_DTYPE:
	case FW_COND_OTHER:
	case FW_COND_N_:
		b->bad = true;	/* our bug: such rules are never ours */
		break;
	}
}

static void nf_msg(struct nlb *b, uint8_t msg, uint16_t flags, const struct op_rule *op)
{
	const struct nfgenmsg nf = { .nfgen_family = op->family, .version = NFNETLINK_V0 };

	nlb_msg(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg), flags, &nf, sizeof(nf));
	nlb_strz(b, NFTA_RULE_TABLE, op->table);
	nlb_strz(b, NFTA_RULE_CHAIN, op->chain);
}

static void put_be64(struct nlb *b, uint16_t type, uint64_t v)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(v >> (56 - 8 * i));
	nlb_put(b, type, bytes, sizeof(bytes));
}

void foreign_put_rule(struct nlb *b, const struct op_rule *op, const struct fw_rule *rule)
{
	union {
		struct xt_comment_info info;
		uint64_t align[sizeof(struct xt_comment_info) / 8];
	} comment = { .align = { 0 } };
	size_t n_comment = strlen(op->comment) + 1;
	uint8_t udata[2 + FW_COMMENT_MAX] = { UDATA_RULE_COMMENT, (uint8_t)n_comment };

	nf_msg(b, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | (op->before ? 0 : NLM_F_APPEND)), op);
	if (op->before)
		put_be64(b, NFTA_RULE_POSITION, op->before);
	size_t list = nlb_nest(b, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < rule->n_conds; i++)
		put_cond(b, &rule->conds[i], op->xt);
	if (op->xt) {
		(void)str_copy(comment.info.comment, sizeof(comment.info.comment), op->comment);
		put_match(b, "comment", 0, &comment, sizeof(comment));
	}
	struct expr e = expr_begin(b, "counter");
	expr_end(b, e);
	e = expr_begin(b, "immediate");
	nlb_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	size_t data = nlb_nest(b, NFTA_IMMEDIATE_DATA), v = nlb_nest(b, NFTA_DATA_VERDICT);
	nlb_be32(b, NFTA_VERDICT_CODE, NF_ACCEPT);
	nlb_end(b, v);
	nlb_end(b, data);
	expr_end(b, e);
	nlb_end(b, list);
	if (!op->xt && n_comment <= FW_COMMENT_MAX) {
		memcpy(udata + 2, op->comment, n_comment);
		nlb_put(b, NFTA_RULE_USERDATA, udata, 2 + n_comment);
	}
}

void foreign_put_del(struct nlb *b, const struct op_rule *op, uint64_t handle)
{
	nf_msg(b, NFT_MSG_DELRULE, 0, op);
	put_be64(b, NFTA_RULE_HANDLE, handle);
}
