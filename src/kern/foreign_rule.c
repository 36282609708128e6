/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_rule - nftables expressions to conditions
 *
 * A rule is a little program over registers. Reading it, each register is
 * known by what was loaded into it, and a comparison becomes a condition. What
 * isn't understood becomes FW_COND_OTHER, never nothing.
 */
#include "kern/foreign.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd
#define ETH_TYPE_AT 12		/* offset in the Ethernet header */
#define UDATA_RULE_COMMENT 0	/* NFTNL_UDATA_RULE_COMMENT: type, length, text with NUL */
#define N_SLOTS 20		/* registers of 4 bytes */
/* ------------------------------------------------------------------ registers */

/* What a register was loaded with. */
enum src {
	SRC_UNKNOWN,
	SRC_IIFNAME,
	SRC_OIFNAME,
	SRC_IBRNAME,
	SRC_OBRNAME,
	SRC_IIF,
	SRC_OIF,
	SRC_FAMILY,
	SRC_ETHERTYPE,
	SRC_L4PROTO,
	SRC_CT_STATE,
	SRC_CT_STATUS,
	SRC_DPORT,
	SRC_ICMP_TYPE,
	SRC_SADDR,
	SRC_DADDR,
	SRC_DTYPE,
	SRC_N_,
};

struct reg {
	enum src src;
	sa_family_t family;	/* of an address */
	uint8_t len;		/* bytes of it */
	bool masked;
	uint8_t mask[16];
};

struct reader {
	const struct world *world;
	const struct foreign_sets *sets;
	struct foreign_rules *out;
	struct foreign_conds conds;
	struct reg regs[N_SLOTS];
	const struct fw_rule *base;	/* handle and comment */
	const char *comment;
	enum fw_verdict verdict;
	const char *target;
	bool over;			/* a verdict was given */
};

/* NFT_REG_1…4 are four of the small ones each. */
static struct reg *reg_of(struct reader *r, const struct nlattr *a)
{
	uint32_t n = nl_be32(a), slot = N_SLOTS;

	if (!a)
		return NULL;
	if (n >= NFT_REG_1 && n <= NFT_REG_4)
		slot = (n - NFT_REG_1) * 4;
	else if (n >= NFT_REG32_00)
		slot = n - NFT_REG32_00;
	return slot < N_SLOTS ? &r->regs[slot] : NULL;
}

static enum src meta_src(uint32_t key)
{
	switch (key) {
	case NFT_META_IIFNAME:
		return SRC_IIFNAME;
	case NFT_META_OIFNAME:
		return SRC_OIFNAME;
	case NFT_META_BRI_IIFNAME:
		return SRC_IBRNAME;
	case NFT_META_BRI_OIFNAME:
		return SRC_OBRNAME;
	case NFT_META_IIF:
		return SRC_IIF;
	case NFT_META_OIF:
		return SRC_OIF;
	case NFT_META_NFPROTO:
		return SRC_FAMILY;
	case NFT_META_PROTOCOL:
		return SRC_ETHERTYPE;
	case NFT_META_L4PROTO:
		return SRC_L4PROTO;
	default:
		return SRC_UNKNOWN;
	}
}

static struct reg payload_reg(uint32_t base, uint32_t offset, uint32_t len)
{
	struct reg reg = { .len = (uint8_t)(len > 16 ? 0 : len) };

	if (base == NFT_PAYLOAD_TRANSPORT_HEADER) {
		if (offset == 2 && len == 2)
			reg.src = SRC_DPORT;
		else if (offset == 0 && len == 1)
			reg.src = SRC_ICMP_TYPE;
	} else if (base == NFT_PAYLOAD_LL_HEADER) {
		if (offset == ETH_TYPE_AT && len == 2)
			reg.src = SRC_ETHERTYPE;
	} else if (base == NFT_PAYLOAD_NETWORK_HEADER && len > 0 && len <= 16) {
		/* Long prefixes are loaded in part. IPv4's header has its addresses at 12 and 16, IPv6's at 8 and 24. */
		if ((offset == 9 || offset == 6) && len == 1) {
			reg.src = SRC_L4PROTO;
		} else if ((offset == 12 || offset == 16) && len <= 4) {
			reg.family = AF_INET;
			reg.src = offset == 12 ? SRC_SADDR : SRC_DADDR;
		} else if (offset == 8 || offset == 24) {
			reg.family = AF_INET6;
			reg.src = offset == 8 ? SRC_SADDR : SRC_DADDR;
		}
	}
	return reg;
}

static uint32_t host32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Numbers of which any may hold: as bits. */
static uint32_t bits_of(enum src src, uint32_t v)
{
	if (src == SRC_DTYPE)
		return v < 32 ? 1U << v : 0;
	if (src == SRC_CT_STATUS)
		return v & IPS_DST_NAT ? FW_CT_DNAT : 0;
	return v & (FW_CT_INVALID | FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_NEW | FW_CT_UNTRACKED);
}

/* The number in a register of that kind. Return: false when @len doesn't fit. */
static bool number(enum src src, const uint8_t *p, size_t len, uint32_t *ret)
{
	switch (src) {
	case SRC_IIF:
	case SRC_OIF:
	case SRC_CT_STATE:
	case SRC_CT_STATUS:
	case SRC_DTYPE:
		if (len != 4)
			return false;
		*ret = host32(p);
		return true;
	case SRC_FAMILY:
	case SRC_L4PROTO:
	case SRC_ICMP_TYPE:
		if (len != 1)
			return false;
		*ret = p[0];
		return true;
	case SRC_ETHERTYPE:
	case SRC_DPORT:
		if (len != 2)
			return false;
		*ret = (uint32_t)p[0] << 8 | p[1];
		if (src == SRC_ETHERTYPE)
			*ret = *ret == ETH_IPV4 ? AF_INET : *ret == ETH_IPV6 ? AF_INET6 : *ret == FW_FAMILY_ARP ? *ret : AF_UNSPEC;
		return true;
	case SRC_UNKNOWN:
	case SRC_IIFNAME:
	case SRC_OIFNAME:
	case SRC_IBRNAME:
	case SRC_OBRNAME:
	case SRC_SADDR:
	case SRC_DADDR:
	case SRC_N_:
		break;
	}
	return false;
}

static enum fw_cond_kind cond_of(enum src src)
{
	static const enum fw_cond_kind kinds[SRC_N_] = {
		[SRC_UNKNOWN] = FW_COND_OTHER,	   [SRC_IIFNAME] = FW_COND_IIF,	  [SRC_OIFNAME] = FW_COND_OIF,
		[SRC_IIF] = FW_COND_IIF,	   [SRC_OIF] = FW_COND_OIF,	  [SRC_FAMILY] = FW_COND_FAMILY,
		[SRC_ETHERTYPE] = FW_COND_FAMILY,  [SRC_L4PROTO] = FW_COND_L4PROTO, [SRC_CT_STATE] = FW_COND_CT,
		[SRC_CT_STATUS] = FW_COND_CT,	   [SRC_DPORT] = FW_COND_DPORT,	  [SRC_ICMP_TYPE] = FW_COND_ICMP_TYPE,
		[SRC_SADDR] = FW_COND_SADDR,	   [SRC_DADDR] = FW_COND_DADDR,
		[SRC_DTYPE] = FW_COND_DTYPE,	   [SRC_IBRNAME] = FW_COND_IBR,	  [SRC_OBRNAME] = FW_COND_OBR,
	};

	return kinds[src];
}

static bool is_name(enum src src)
{
	return src == SRC_IIFNAME || src == SRC_OIFNAME || src == SRC_IBRNAME || src == SRC_OBRNAME;
}

static bool is_index(enum src src)
{
	return src == SRC_IIF || src == SRC_OIF;
}

static bool is_bits(enum src src)
{
	return src == SRC_CT_STATE || src == SRC_CT_STATUS || src == SRC_DTYPE;
}

static bool is_addr(enum src src)
{
	return src == SRC_SADDR || src == SRC_DADDR;
}

static const char *index_name(const struct reader *r, uint32_t ifindex)
{
	const struct w_link *link = r->world ? world_link(r->world, ifindex) : NULL;

	return link ? link->name : "";
}

static void compare_addr(struct reader *r, const struct reg *reg, bool negated, const uint8_t *v, size_t len)
{
	uint8_t ip[16] = { 0 }, mask[16] = { 0 };

	if (len != reg->len || len > sizeof(ip)) {
		foreign_add_other(&r->conds);
		return;
	}
	memcpy(ip, v, len);
	memset(mask, 0xff, len);
	if (reg->masked)
		memcpy(mask, reg->mask, len);
	foreign_add_prefix(&r->conds, cond_of(reg->src), negated, (sa_family_t)reg->family, ip, mask);
}

/* A register between two values, or equal to one. */
static void compare(struct reader *r, const struct reg *reg, uint32_t op, const uint8_t *v, size_t len)
{
	bool negated = op == NFT_CMP_NEQ, equality = negated || op == NFT_CMP_EQ;
	enum fw_cond_kind kind = reg ? cond_of(reg->src) : FW_COND_OTHER;
	uint32_t n, first, last;

	if (kind != FW_COND_OTHER && equality && is_addr(reg->src)) {
		compare_addr(r, reg, negated, v, len);
		return;
	}
	if (kind != FW_COND_OTHER && equality && is_name(reg->src) && !reg->masked && len > 0) {
		foreign_add_name(&r->conds, kind, negated, v, len);
		return;
	}
	if (kind == FW_COND_OTHER || !number(reg->src, v, len, &n) || (reg->masked && (!is_bits(reg->src) || reg->src == SRC_DTYPE)) ||
	    (!equality && (is_bits(reg->src) || is_index(reg->src)))) {
		foreign_add_other(&r->conds);
		return;
	}
	if (is_index(reg->src)) {
		const char *name = index_name(r, n);

		foreign_add_name(&r->conds, kind, negated, name, strlen(name) + 1);
		return;
	}
	if (is_bits(reg->src)) {
		/* "ct state established" is: masked by it, not equal to 0. */
		if (reg->masked && n == 0) {
			n = host32(reg->mask);
			negated = !negated;
		}
		n = bits_of(reg->src, n);
		foreign_add_range(&r->conds, kind, negated, n, n);
		return;
	}
	first = op == NFT_CMP_GT ? n + 1 : op == NFT_CMP_LT || op == NFT_CMP_LTE ? 0 : n;
	last = op == NFT_CMP_GT || op == NFT_CMP_GTE ? UINT32_MAX : op == NFT_CMP_LT ? n - (n > 0) : n;
	foreign_add_range(&r->conds, kind, negated, first, last);
}

/* ---------------------------------------------------------------- expressions */

static bool value(const struct nlattr *nest, const uint8_t **ret, size_t *ret_len)
{
	static const uint16_t policy[NFTA_DATA_MAX + 1];
	const struct nlattr *tb[NFTA_DATA_MAX + 1];

	if (!nest)
		return false;
	nl_parse_nest(nest, tb, NFTA_DATA_MAX, policy);
	if (!tb[NFTA_DATA_VALUE])
		return false;
	*ret = nl_data(tb[NFTA_DATA_VALUE]);
	*ret_len = nl_len(tb[NFTA_DATA_VALUE]);
	return true;
}

static void read_meta(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_META_MAX + 1] = { [NFTA_META_DREG] = 4, [NFTA_META_KEY] = 4 };
	const struct nlattr *tb[NFTA_META_MAX + 1];

	nl_parse_nest(data, tb, NFTA_META_MAX, policy);
	struct reg *reg = reg_of(r, tb[NFTA_META_DREG]);
	if (reg)
		*reg = (struct reg){ .src = meta_src(nl_be32(tb[NFTA_META_KEY])) };
}

static void read_ct(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_CT_MAX + 1] = { [NFTA_CT_DREG] = 4, [NFTA_CT_KEY] = 4 };
	const struct nlattr *tb[NFTA_CT_MAX + 1];

	nl_parse_nest(data, tb, NFTA_CT_MAX, policy);
	struct reg *reg = reg_of(r, tb[NFTA_CT_DREG]);
	uint32_t key = nl_be32(tb[NFTA_CT_KEY]);
	if (reg)
		*reg = (struct reg){ .src = key == NFT_CT_STATE && tb[NFTA_CT_KEY] ? SRC_CT_STATE :
					    key == NFT_CT_STATUS			? SRC_CT_STATUS :
										  SRC_UNKNOWN };
}

static void read_fib(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_FIB_MAX + 1] = { [NFTA_FIB_DREG] = 4, [NFTA_FIB_RESULT] = 4, [NFTA_FIB_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_FIB_MAX + 1];

	nl_parse_nest(data, tb, NFTA_FIB_MAX, policy);
	struct reg *reg = reg_of(r, tb[NFTA_FIB_DREG]);
	bool known = nl_be32(tb[NFTA_FIB_RESULT]) == NFT_FIB_RESULT_ADDRTYPE && nl_be32(tb[NFTA_FIB_FLAGS]) == NFTA_FIB_F_DADDR;
	if (reg)
		*reg = (struct reg){ .src = known ? SRC_DTYPE : SRC_UNKNOWN };
}

static void read_payload(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_PAYLOAD_MAX + 1] = {
		[NFTA_PAYLOAD_DREG] = 4, [NFTA_PAYLOAD_BASE] = 4, [NFTA_PAYLOAD_OFFSET] = 4, [NFTA_PAYLOAD_LEN] = 4
	};
	const struct nlattr *tb[NFTA_PAYLOAD_MAX + 1];

	nl_parse_nest(data, tb, NFTA_PAYLOAD_MAX, policy);
	struct reg *reg = reg_of(r, tb[NFTA_PAYLOAD_DREG]);
	if (reg)
		*reg = payload_reg(nl_be32(tb[NFTA_PAYLOAD_BASE]), nl_be32(tb[NFTA_PAYLOAD_OFFSET]),
				   nl_be32(tb[NFTA_PAYLOAD_LEN]));
}

static void read_bitwise(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_BITWISE_MAX + 1] = {
		[NFTA_BITWISE_SREG] = 4, [NFTA_BITWISE_DREG] = 4, [NFTA_BITWISE_OP] = 4
	};
	const struct nlattr *tb[NFTA_BITWISE_MAX + 1];
	const uint8_t *mask = NULL, *x = NULL;
	size_t n_mask = 0, n_x = 0;
	bool plain;

	nl_parse_nest(data, tb, NFTA_BITWISE_MAX, policy);
	struct reg *from = reg_of(r, tb[NFTA_BITWISE_SREG]), *to = reg_of(r, tb[NFTA_BITWISE_DREG]);
	if (!from || !to)
		return;
	plain = nl_be32(tb[NFTA_BITWISE_OP]) == 0 && value(tb[NFTA_BITWISE_MASK], &mask, &n_mask) &&
		value(tb[NFTA_BITWISE_XOR], &x, &n_x) && n_mask <= sizeof(to->mask) && !from->masked;
	for (size_t i = 0; plain && i < n_x; i++)
		plain = x[i] == 0;
	*to = plain ? *from : (struct reg){ 0 };
	if (plain) {
		to->masked = true;
		memcpy(to->mask, mask, n_mask);
	}
}

static void read_cmp(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_CMP_MAX + 1] = { [NFTA_CMP_SREG] = 4, [NFTA_CMP_OP] = 4 };
	const struct nlattr *tb[NFTA_CMP_MAX + 1];
	const uint8_t *v = NULL;
	size_t len = 0;

	nl_parse_nest(data, tb, NFTA_CMP_MAX, policy);
	if (value(tb[NFTA_CMP_DATA], &v, &len))
		compare(r, reg_of(r, tb[NFTA_CMP_SREG]), nl_be32(tb[NFTA_CMP_OP]), v, len);
	else
		foreign_add_other(&r->conds);
}

static void read_range(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_RANGE_MAX + 1] = { [NFTA_RANGE_SREG] = 4, [NFTA_RANGE_OP] = 4 };
	const struct nlattr *tb[NFTA_RANGE_MAX + 1];
	const uint8_t *from = NULL, *to = NULL;
	size_t n_from = 0, n_to = 0;
	uint32_t first, last;

	nl_parse_nest(data, tb, NFTA_RANGE_MAX, policy);
	const struct reg *reg = reg_of(r, tb[NFTA_RANGE_SREG]);
	if (reg && !reg->masked && !is_bits(reg->src) && !is_index(reg->src) && value(tb[NFTA_RANGE_FROM_DATA], &from, &n_from) &&
	    value(tb[NFTA_RANGE_TO_DATA], &to, &n_to) && number(reg->src, from, n_from, &first) &&
	    number(reg->src, to, n_to, &last))
		foreign_add_range(&r->conds, cond_of(reg->src), nl_be32(tb[NFTA_RANGE_OP]) == NFT_RANGE_NEQ, first, last);
	else
		foreign_add_other(&r->conds);
}

static void verdict(struct reader *r, int32_t code, const char *chain)
{
	static const struct {
		int32_t code;
		enum fw_verdict verdict;
	} codes[] = {
		{ NF_ACCEPT, FW_VERDICT_ACCEPT }, { NF_DROP, FW_VERDICT_DROP },	      { NFT_JUMP, FW_VERDICT_JUMP },
		{ NFT_GOTO, FW_VERDICT_GOTO },	  { NFT_RETURN, FW_VERDICT_RETURN }, { NFT_CONTINUE, FW_VERDICT_NONE },
	};

	r->verdict = FW_VERDICT_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == code)
			r->verdict = codes[i].verdict;
	r->target = chain;
	r->over = true;
}

static void read_immediate(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_IMMEDIATE_MAX + 1] = { [NFTA_IMMEDIATE_DREG] = 4 };
	static const uint16_t data_policy[NFTA_DATA_MAX + 1];
	static const uint16_t verdict_policy[NFTA_VERDICT_MAX + 1] = {
		[NFTA_VERDICT_CODE] = 4, [NFTA_VERDICT_CHAIN] = NL_STR
	};
	const struct nlattr *tb[NFTA_IMMEDIATE_MAX + 1], *d[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];

	nl_parse_nest(data, tb, NFTA_IMMEDIATE_MAX, policy);
	struct reg *reg = reg_of(r, tb[NFTA_IMMEDIATE_DREG]);
	if (reg)
		*reg = (struct reg){ 0 };
	if (!tb[NFTA_IMMEDIATE_DREG] || nl_be32(tb[NFTA_IMMEDIATE_DREG]) != NFT_REG_VERDICT || !tb[NFTA_IMMEDIATE_DATA])
		return;
	nl_parse_nest(tb[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX, data_policy);
	if (!d[NFTA_DATA_VERDICT])
		return;
	nl_parse_nest(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX, verdict_policy);
	verdict(r, (int32_t)nl_be32(v[NFTA_VERDICT_CODE]),
		v[NFTA_VERDICT_CHAIN] ? arena_strdup(r->out->arena, nl_str(v[NFTA_VERDICT_CHAIN])) : NULL);
}

static struct fw_rule *emit(struct reader *r, const struct fw_cond *conds, size_t n)
{
	ARENA_GROW(r->out->arena, r->out->rules, r->out->n, r->out->cap);
	struct fw_rule *rule = &r->out->rules[r->out->n++];

	*rule = *r->base;
	rule->conds = conds;
	rule->n_conds = n;
	return rule;
}

/* Names or numbers of all elements, as one condition. */
static void lookup_set(struct reader *r, const struct reg *reg, bool negated, const struct nft_elem *elems, size_t n)
{
	enum fw_cond_kind kind = cond_of(reg->src);
	struct fw_range *ranges = arena_alloc(r->out->arena, n + 1, sizeof(*ranges));
	const char **names = arena_alloc(r->out->arena, n + 1, sizeof(*names));
	bool named = is_name(reg->src) || is_index(reg->src);
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		const struct nft_elem *e = &elems[i];
		bool good = true;

		if (is_name(reg->src)) {
			names[i] = foreign_name_of(r->out->arena, e->key, e->key_len);
		} else {
			good = number(reg->src, e->key, e->key_len, &ranges[i].first);
			ranges[i].last = ranges[i].first;
			if (good && e->key_end_len > 0)
				good = number(reg->src, e->key_end, e->key_end_len, &ranges[i].last);
		}
		if (!good) {
			foreign_add_other(&r->conds);
			return;
		}
		if (is_index(reg->src))
			names[i] = index_name(r, ranges[i].first);
		bits |= is_bits(reg->src) ? bits_of(reg->src, ranges[i].first) : 0;
	}
	if (is_bits(reg->src)) {
		foreign_add_range(&r->conds, kind, negated, bits, bits);
		return;
	}
	struct fw_cond *c = foreign_add(&r->conds, kind, negated);
	c->n = n;
	if (named)
		c->names = names;
	else
		c->ranges = ranges;
}

/* A verdict map: each element a rule of its own. */
static void lookup_map(struct reader *r, const struct reg *reg, const struct nft_elem *elems, size_t n)
{
	static const enum fw_verdict verdicts[NFT_VERDICT_N_] = {
		[NFT_VERDICT_NONE] = FW_VERDICT_NONE, [NFT_VERDICT_ACCEPT] = FW_VERDICT_ACCEPT,
		[NFT_VERDICT_DROP] = FW_VERDICT_DROP, [NFT_VERDICT_JUMP] = FW_VERDICT_JUMP,
		[NFT_VERDICT_GOTO] = FW_VERDICT_GOTO, [NFT_VERDICT_RETURN] = FW_VERDICT_RETURN,
	};
	size_t n_conds = r->conds.n;

	for (size_t i = 0; i < n; i++) {
		lookup_set(r, reg, false, &elems[i], 1);
		struct fw_cond *conds = arena_alloc(r->out->arena, r->conds.n, sizeof(*conds));

		memcpy(conds, r->conds.conds, r->conds.n * sizeof(*conds));
		struct fw_rule *rule = emit(r, conds, r->conds.n);
		rule->verdict = verdicts[elems[i].verdict];
		rule->target = elems[i].chain[0] ? arena_strdup(r->out->arena, elems[i].chain) : NULL;
		r->conds.n = n_conds;
	}
}

static void read_lookup(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_LOOKUP_MAX + 1] = {
		[NFTA_LOOKUP_SET] = NL_STR, [NFTA_LOOKUP_SREG] = 4, [NFTA_LOOKUP_DREG] = 4, [NFTA_LOOKUP_FLAGS] = 4
	};
	const struct nlattr *tb[NFTA_LOOKUP_MAX + 1];
	const struct nft_elem *elems = NULL;
	size_t n = 0;

	nl_parse_nest(data, tb, NFTA_LOOKUP_MAX, policy);
	const struct reg *reg = reg_of(r, tb[NFTA_LOOKUP_SREG]);
	struct reg *to = reg_of(r, tb[NFTA_LOOKUP_DREG]);
	if (to)
		*to = (struct reg){ 0 };
	bool known = reg && cond_of(reg->src) != FW_COND_OTHER && !is_addr(reg->src) && !reg->masked &&
		     tb[NFTA_LOOKUP_SET] && r->sets && r->sets->read(r->sets->user, nl_str(tb[NFTA_LOOKUP_SET]), &elems, &n);
	if (!tb[NFTA_LOOKUP_DREG]) {
		if (known)
			lookup_set(r, reg, nl_be32(tb[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV, elems, n);
		else
			foreign_add_other(&r->conds);
	} else if (nl_be32(tb[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT) {
		if (known)
			lookup_map(r, reg, elems, n);
		/* Whoever isn't in the map goes on; who is can't be told of an unknown one. */
		foreign_add_other(&r->conds);
		r->over = true;
	} else {
		foreign_add_other(&r->conds);	/* without the element the rule ends */
	}
}

static void read_match(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_MATCH_MAX + 1] = { [NFTA_MATCH_NAME] = NL_STR, [NFTA_MATCH_REV] = 4 };
	const struct nlattr *tb[NFTA_MATCH_MAX + 1];

	nl_parse_nest(data, tb, NFTA_MATCH_MAX, policy);
	if (tb[NFTA_MATCH_NAME] && tb[NFTA_MATCH_INFO])
		foreign_parse_match(nl_str(tb[NFTA_MATCH_NAME]), nl_be32(tb[NFTA_MATCH_REV]), nl_data(tb[NFTA_MATCH_INFO]),
				    nl_len(tb[NFTA_MATCH_INFO]), &r->conds, &r->comment);
	else
		foreign_add_other(&r->conds);
}

static void read_target(struct reader *r, const struct nlattr *data)
{
	static const uint16_t policy[NFTA_TARGET_MAX + 1] = { [NFTA_TARGET_NAME] = NL_STR };
	const struct nlattr *tb[NFTA_TARGET_MAX + 1];

	nl_parse_nest(data, tb, NFTA_TARGET_MAX, policy);
	r->verdict = tb[NFTA_TARGET_NAME] ? foreign_target_verdict(nl_str(tb[NFTA_TARGET_NAME])) : FW_VERDICT_OTHER;
	r->over = r->verdict != FW_VERDICT_NONE;
}

static void read_reject(struct reader *r, const struct nlattr *data)
{
	(void)data;
	verdict(r, NF_DROP, NULL);
}

static void read_queue(struct reader *r, const struct nlattr *data)
{
	(void)data;
	r->verdict = FW_VERDICT_OTHER;
	r->over = true;
}

static void read_nothing(struct reader *r, const struct nlattr *data)
{
	(void)r;
	(void)data;
}

static const struct {
	const char *name;
	void (*read)(struct reader *r, const struct nlattr *data);
} expressions[] = {
	{ "fib", read_fib },	     { "meta", read_meta },	{ "ct", read_ct },	     { "payload", read_payload }, { "bitwise", read_bitwise },
	{ "cmp", read_cmp },	     { "range", read_range },	{ "immediate", read_immediate }, { "lookup", read_lookup },
	{ "match", read_match },     { "target", read_target }, { "reject", read_reject },   { "queue", read_queue },
	{ "counter", read_nothing }, { "log", read_nothing },	{ "notrack", read_nothing }, { "objref", read_nothing },
	{ "last", read_nothing },    { "flow_offload", read_nothing }, { "dup", read_nothing },
};

static void read_expression(struct reader *r, const struct nlattr *expr)
{
	static const uint16_t policy[NFTA_EXPR_MAX + 1] = { [NFTA_EXPR_NAME] = NL_STR };
	const struct nlattr *tb[NFTA_EXPR_MAX + 1];

	nl_parse_nest(expr, tb, NFTA_EXPR_MAX, policy);
	for (size_t i = 0; tb[NFTA_EXPR_NAME] && i < ARRAY_LEN(expressions); i++)
		if (strcmp(expressions[i].name, nl_str(tb[NFTA_EXPR_NAME])) == 0) {
			static const struct nlattr none = { .nla_len = sizeof(none) };

			expressions[i].read(r, tb[NFTA_EXPR_DATA] ? tb[NFTA_EXPR_DATA] : &none);
			return;
		}
	/* May load something, may end the rule, may do anything. */
	memset(r->regs, 0, sizeof(r->regs));
	foreign_add_other(&r->conds);
}

static const char *udata_comment(struct arena *arena, const struct nlattr *a)
{
	const uint8_t *p = a ? nl_data(a) : NULL;
	size_t left = a ? nl_len(a) : 0;

	while (left >= 2 && left - 2 >= p[1]) {
		if (p[0] == UDATA_RULE_COMMENT && p[1] > 0 && p[1 + p[1]] == '\0')
			return arena_strdup(arena, (const char *)p + 2);
		left -= 2U + p[1];
		p += 2U + p[1];
	}
	return NULL;
}

void foreign_parse_rule(const struct nlmsghdr *nlh, const struct world *world, const struct foreign_sets *sets,
			struct foreign_rules *list)
{
	static const uint16_t policy[NFTA_RULE_MAX + 1] = { [NFTA_RULE_HANDLE] = 8 };
	const struct nlattr *tb[NFTA_RULE_MAX + 1], *a;
	uint64_t handle = 0;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_RULE_MAX, policy))
		return;
	for (size_t i = 0; tb[NFTA_RULE_HANDLE] && i < sizeof(handle); i++)
		handle = handle << 8 | ((const uint8_t *)nl_data(tb[NFTA_RULE_HANDLE]))[i];
	const struct fw_rule base = { .handle = handle };
	struct reader r = {
		.world = world,
		.sets = sets,
		.out = list,
		.conds = { .arena = list->arena },
		.base = &base,
		.comment = udata_comment(list->arena, tb[NFTA_RULE_USERDATA]),
	};
	size_t from = list->n;
	const void *at = tb[NFTA_RULE_EXPRESSIONS] ? nl_data(tb[NFTA_RULE_EXPRESSIONS]) : NULL;
	size_t left = tb[NFTA_RULE_EXPRESSIONS] ? nl_len(tb[NFTA_RULE_EXPRESSIONS]) : 0;
	while (!r.over && (a = nl_next(&at, &left)))
		read_expression(&r, a);
	struct fw_rule *rule = emit(&r, r.conds.conds, r.conds.n);
	rule->verdict = r.verdict;
	rule->target = r.target;
	for (size_t i = from; i < list->n; i++)
		list->rules[i].comment = r.comment;
}
