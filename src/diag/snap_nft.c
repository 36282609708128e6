/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_nft - nftables of all tables, as the kernel has them
 *
 * Tables, chains, rules and sets are a dump each, elements a dump a set; all of
 * one generation of the ruleset, or everything is read again. A rule keeps its
 * expressions (what a packet meets) and gets nft's own words for people from
 * snap_nft_text.c. Attributes of expressions are taken by one table.
 */
#include "diag/snap_read.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#define UDATA_RULE_COMMENT 0	/* NFTNL_UDATA_RULE_COMMENT: type, length, text with NUL */
#define BITWISE_SREG2_ 8	/* 6.12 */
#define NFTA_DYNSET_EXPRESSIONS_ 10	/* 5.11 */
#define EXPR_ATTR_MAX 12
#define TRIES 4
#define ELEMS_MAX (1U << 20)	/* of one set */

/* ------------------------------------------------------------------ expressions */

enum take {
	TAKE_U32,	/* big endian */
	TAKE_U8,
	TAKE_STR,
	TAKE_BYTES,
	TAKE_DATA,	/* NFTA_DATA_VALUE inside, or a verdict */
};

struct taken {
	const char *expr;
	uint16_t attr;
	enum take take;
	uint16_t offset;	/* in struct snap_expr */
};

#define AT(m) offsetof(struct snap_expr, m)
static const struct taken taken[] = {
	{ "bitwise", NFTA_BITWISE_SREG, TAKE_U32, AT(sreg) },	 { "bitwise", NFTA_BITWISE_DREG, TAKE_U32, AT(dreg) },
	{ "bitwise", NFTA_BITWISE_LEN, TAKE_U32, AT(len) },	 { "bitwise", NFTA_BITWISE_MASK, TAKE_DATA, AT(data) },
	{ "bitwise", NFTA_BITWISE_XOR, TAKE_DATA, AT(data2) },	 { "bitwise", NFTA_BITWISE_OP, TAKE_U32, AT(op) },
	{ "bitwise", NFTA_BITWISE_DATA, TAKE_DATA, AT(data) },	 { "bitwise", BITWISE_SREG2_, TAKE_U32, AT(sreg2) },
	{ "byteorder", NFTA_BYTEORDER_SREG, TAKE_U32, AT(sreg) }, { "byteorder", NFTA_BYTEORDER_DREG, TAKE_U32, AT(dreg) },
	{ "byteorder", NFTA_BYTEORDER_OP, TAKE_U32, AT(op) },	 { "byteorder", NFTA_BYTEORDER_LEN, TAKE_U32, AT(len) },
	{ "byteorder", NFTA_BYTEORDER_SIZE, TAKE_U32, AT(key) }, { "cmp", NFTA_CMP_SREG, TAKE_U32, AT(sreg) },
	{ "cmp", NFTA_CMP_OP, TAKE_U32, AT(op) },		 { "cmp", NFTA_CMP_DATA, TAKE_DATA, AT(data) },
	{ "connlimit", NFTA_CONNLIMIT_COUNT, TAKE_U32, AT(len) }, { "connlimit", NFTA_CONNLIMIT_FLAGS, TAKE_U32, AT(flags) },
	{ "ct", NFTA_CT_DREG, TAKE_U32, AT(dreg) },		 { "ct", NFTA_CT_SREG, TAKE_U32, AT(sreg) },
	{ "ct", NFTA_CT_KEY, TAKE_U32, AT(key) },		 { "dynset", NFTA_DYNSET_SET_NAME, TAKE_STR, AT(set) },
	{ "dynset", NFTA_DYNSET_OP, TAKE_U32, AT(key) },	 { "dynset", NFTA_DYNSET_SREG_KEY, TAKE_U32, AT(sreg) },
	{ "dynset", NFTA_DYNSET_SREG_DATA, TAKE_U32, AT(sreg2) }, { "dynset", NFTA_DYNSET_FLAGS, TAKE_U32, AT(flags) },
	{ "exthdr", NFTA_EXTHDR_DREG, TAKE_U32, AT(dreg) },	 { "exthdr", NFTA_EXTHDR_SREG, TAKE_U32, AT(sreg) },
	{ "exthdr", NFTA_EXTHDR_TYPE, TAKE_U8, AT(key) },	 { "exthdr", NFTA_EXTHDR_OFFSET, TAKE_U32, AT(offset) },
	{ "exthdr", NFTA_EXTHDR_LEN, TAKE_U32, AT(len) },	 { "exthdr", NFTA_EXTHDR_FLAGS, TAKE_U32, AT(flags) },
	{ "exthdr", NFTA_EXTHDR_OP, TAKE_U32, AT(base) },	 { "fib", NFTA_FIB_DREG, TAKE_U32, AT(dreg) },
	{ "fib", NFTA_FIB_RESULT, TAKE_U32, AT(key) },		 { "fib", NFTA_FIB_FLAGS, TAKE_U32, AT(flags) },
	{ "flow_offload", NFTA_FLOW_TABLE_NAME, TAKE_STR, AT(set) }, { "hash", NFTA_HASH_SREG, TAKE_U32, AT(sreg) },
	{ "hash", NFTA_HASH_DREG, TAKE_U32, AT(dreg) },		 { "hash", NFTA_HASH_LEN, TAKE_U32, AT(len) },
	{ "hash", NFTA_HASH_MODULUS, TAKE_U32, AT(modulus) },	 { "hash", NFTA_HASH_SEED, TAKE_U32, AT(seed) },
	{ "hash", NFTA_HASH_OFFSET, TAKE_U32, AT(add) },	 { "hash", NFTA_HASH_TYPE, TAKE_U32, AT(op) },
	{ "immediate", NFTA_IMMEDIATE_DREG, TAKE_U32, AT(dreg) }, { "immediate", NFTA_IMMEDIATE_DATA, TAKE_DATA, AT(data) },
	{ "limit", NFTA_LIMIT_FLAGS, TAKE_U32, AT(flags) },	 { "lookup", NFTA_LOOKUP_SET, TAKE_STR, AT(set) },
	{ "lookup", NFTA_LOOKUP_SREG, TAKE_U32, AT(sreg) },	 { "lookup", NFTA_LOOKUP_DREG, TAKE_U32, AT(dreg) },
	{ "lookup", NFTA_LOOKUP_FLAGS, TAKE_U32, AT(flags) },	 { "masq", NFTA_MASQ_FLAGS, TAKE_U32, AT(flags) },
	{ "masq", NFTA_MASQ_REG_PROTO_MIN, TAKE_U32, AT(sreg3) }, { "masq", NFTA_MASQ_REG_PROTO_MAX, TAKE_U32, AT(sreg4) },
	{ "match", NFTA_MATCH_REV, TAKE_U32, AT(key) },		 { "match", NFTA_MATCH_INFO, TAKE_BYTES, AT(data) },
	{ "meta", NFTA_META_DREG, TAKE_U32, AT(dreg) },		 { "meta", NFTA_META_KEY, TAKE_U32, AT(key) },
	{ "meta", NFTA_META_SREG, TAKE_U32, AT(sreg) },		 { "nat", NFTA_NAT_TYPE, TAKE_U32, AT(key) },
	{ "nat", NFTA_NAT_FAMILY, TAKE_U32, AT(op) },		 { "nat", NFTA_NAT_REG_ADDR_MIN, TAKE_U32, AT(sreg) },
	{ "nat", NFTA_NAT_REG_ADDR_MAX, TAKE_U32, AT(sreg2) },	 { "nat", NFTA_NAT_REG_PROTO_MIN, TAKE_U32, AT(sreg3) },
	{ "nat", NFTA_NAT_REG_PROTO_MAX, TAKE_U32, AT(sreg4) },	 { "nat", NFTA_NAT_FLAGS, TAKE_U32, AT(flags) },
	{ "numgen", NFTA_NG_DREG, TAKE_U32, AT(dreg) },		 { "numgen", NFTA_NG_MODULUS, TAKE_U32, AT(modulus) },
	{ "numgen", NFTA_NG_TYPE, TAKE_U32, AT(op) },		 { "numgen", NFTA_NG_OFFSET, TAKE_U32, AT(add) },
	{ "objref", NFTA_OBJREF_IMM_NAME, TAKE_STR, AT(set) },	 { "payload", NFTA_PAYLOAD_DREG, TAKE_U32, AT(dreg) },
	{ "payload", NFTA_PAYLOAD_BASE, TAKE_U32, AT(base) },	 { "payload", NFTA_PAYLOAD_OFFSET, TAKE_U32, AT(offset) },
	{ "payload", NFTA_PAYLOAD_LEN, TAKE_U32, AT(len) },	 { "payload", NFTA_PAYLOAD_SREG, TAKE_U32, AT(sreg) },
	{ "range", NFTA_RANGE_SREG, TAKE_U32, AT(sreg) },	 { "range", NFTA_RANGE_OP, TAKE_U32, AT(op) },
	{ "range", NFTA_RANGE_FROM_DATA, TAKE_DATA, AT(data) },	 { "range", NFTA_RANGE_TO_DATA, TAKE_DATA, AT(data2) },
	{ "redir", NFTA_REDIR_REG_PROTO_MIN, TAKE_U32, AT(sreg3) }, { "redir", NFTA_REDIR_REG_PROTO_MAX, TAKE_U32, AT(sreg4) },
	{ "redir", NFTA_REDIR_FLAGS, TAKE_U32, AT(flags) },	 { "reject", NFTA_REJECT_TYPE, TAKE_U32, AT(key) },
	{ "reject", NFTA_REJECT_ICMP_CODE, TAKE_U8, AT(op) },	 { "rt", NFTA_RT_DREG, TAKE_U32, AT(dreg) },
	{ "rt", NFTA_RT_KEY, TAKE_U32, AT(key) },		 { "socket", NFTA_SOCKET_KEY, TAKE_U32, AT(key) },
	{ "socket", NFTA_SOCKET_DREG, TAKE_U32, AT(dreg) },	 { "target", NFTA_TARGET_REV, TAKE_U32, AT(key) },
	{ "target", NFTA_TARGET_INFO, TAKE_BYTES, AT(data) },	 { "tproxy", NFTA_TPROXY_FAMILY, TAKE_U32, AT(op) },
	{ "tproxy", NFTA_TPROXY_REG_ADDR, TAKE_U32, AT(sreg) },	 { "tproxy", NFTA_TPROXY_REG_PORT, TAKE_U32, AT(sreg3) },
};

static struct snap_bytes bytes_of(struct snapshot *s, const struct nlattr *a)
{
	size_t n = nl_len(a);
	uint8_t *p = arena_alloc(s->arena, n ? n : 1, 1);

	if (n > 0)
		memcpy(p, nl_data(a), n);
	return (struct snap_bytes){ p, (uint32_t)n };
}

/* A nest with a value, or with a verdict. Return: true for a verdict. */
static bool parse_data(struct snapshot *s, const struct nlattr *nest, struct snap_bytes *value, int32_t *verdict,
		       const char **chain)
{
	static const uint16_t policy[NFTA_DATA_MAX + 1];
	static const uint16_t verdict_policy[NFTA_VERDICT_MAX + 1] = {
		[NFTA_VERDICT_CODE] = 4,
		[NFTA_VERDICT_CHAIN] = NL_STR,
	};
	const struct nlattr *tb[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];

	nl_parse_nest(nest, tb, NFTA_DATA_MAX, policy);
	if (tb[NFTA_DATA_VALUE])
		*value = bytes_of(s, tb[NFTA_DATA_VALUE]);
	if (!tb[NFTA_DATA_VERDICT])
		return false;
	nl_parse_nest(tb[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX, verdict_policy);
	*verdict = (int32_t)nl_be32(v[NFTA_VERDICT_CODE]);
	*chain = v[NFTA_VERDICT_CHAIN] ? arena_strdup(s->arena, nl_str(v[NFTA_VERDICT_CHAIN])) : "";
	return true;
}

static void take(struct snapshot *s, const struct taken *t, const struct nlattr *a, struct snap_expr *e)
{
	uint8_t *at = (uint8_t *)e + t->offset;

	switch (t->take) {
	case TAKE_U32:
		if (nl_len(a) >= 4)
			*(uint32_t *)(void *)at = nl_be32(a);
		break;
	case TAKE_U8:
		if (nl_len(a) >= 1)
			*(uint32_t *)(void *)at = nl_u8(a);
		break;
	case TAKE_STR:
		if (memchr(nl_data(a), '\0', nl_len(a)))
			*(const char **)(void *)at = arena_strdup(s->arena, nl_str(a));
		break;
	case TAKE_BYTES:
		*(struct snap_bytes *)(void *)at = bytes_of(s, a);
		break;
	case TAKE_DATA:
		e->has_verdict |= parse_data(s, a, (void *)at, &e->verdict, &e->chain);
		break;
	}
}

/* Names of expressions as literals, so that thousands of rules share them. */
static const char *expr_name(struct snapshot *s, const char *name, const struct nlattr *const *tb)
{
	static const char *const others[] = { "counter", "log", "limit", "notrack", "queue", "quota", "dup", "fwd", "last" };

	if (strcmp(name, "match") == 0 || strcmp(name, "target") == 0) {
		const struct nlattr *x = tb[NFTA_MATCH_NAME];	/* the same number for a target */

		return arena_printf(s->arena, "%s:%s", name[0] == 'm' ? "match" : "target",
				    x && memchr(nl_data(x), '\0', nl_len(x)) ? nl_str(x) : "?");
	}
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (strcmp(taken[i].expr, name) == 0)
			return taken[i].expr;
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(others[i], name) == 0)
			return others[i];
	}
	return arena_strdup(s->arena, name);
}

static uint64_t be64_at(const struct nlattr *a)
{
	uint64_t v = 0;

	if (a && nl_len(a) >= sizeof(v))
		memcpy(&v, nl_data(a), sizeof(v));
	return be64toh(v);
}

/* What a meter does with each of its elements: SNAP_METER_*. */
static uint32_t meter_of(const struct nlattr *const *attrs)
{
	static const uint16_t policy[NFTA_EXPR_MAX + 1] = { [NFTA_EXPR_NAME] = NL_STR }, limit_policy[NFTA_LIMIT_MAX + 1] = {
		[NFTA_LIMIT_FLAGS] = 4,
	};
	const struct nlattr *tb[NFTA_EXPR_MAX + 1], *limit[NFTA_LIMIT_MAX + 1];

	if (attrs[NFTA_DYNSET_EXPRESSIONS_])
		return SNAP_METER_OTHER;
	if (!attrs[NFTA_DYNSET_EXPR])
		return SNAP_METER_NONE;
	nl_parse_nest(attrs[NFTA_DYNSET_EXPR], tb, NFTA_EXPR_MAX, policy);
	if (!tb[NFTA_EXPR_NAME] || strcmp(nl_str(tb[NFTA_EXPR_NAME]), "limit") != 0)
		return SNAP_METER_OTHER;
	nl_parse_nest(tb[NFTA_EXPR_DATA], limit, NFTA_LIMIT_MAX, limit_policy);
	return nl_be32(limit[NFTA_LIMIT_FLAGS]) & NFT_LIMIT_F_INV ? SNAP_METER_OVER : SNAP_METER_WITHIN;
}

static void parse_expr(struct snapshot *s, const struct nlattr *nest, struct snap_nft_rule *rule)
{
	static const uint16_t policy[NFTA_EXPR_MAX + 1] = { [NFTA_EXPR_NAME] = NL_STR }, any[EXPR_ATTR_MAX + 1];
	const struct nlattr *tb[NFTA_EXPR_MAX + 1], *attrs[EXPR_ATTR_MAX + 1];

	nl_parse_nest(nest, tb, NFTA_EXPR_MAX, policy);
	if (!tb[NFTA_EXPR_NAME])
		return;
	nl_parse_nest(tb[NFTA_EXPR_DATA], attrs, EXPR_ATTR_MAX, any);
	const char *name = nl_str(tb[NFTA_EXPR_NAME]);
	if (strcmp(name, "counter") == 0 && !rule->has_counter) {
		rule->has_counter = true;
		rule->bytes = be64_at(attrs[NFTA_COUNTER_BYTES]);
		rule->packets = be64_at(attrs[NFTA_COUNTER_PACKETS]);
	}
	ARENA_GROW_POW2(s->arena, rule->exprs, rule->n_exprs);
	struct snap_expr *e = &rule->exprs[rule->n_exprs++];
	memset(e, 0, sizeof(*e));
	e->name = expr_name(s, name, attrs);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (strcmp(taken[i].expr, name) == 0 && attrs[taken[i].attr])
			take(s, &taken[i], attrs[taken[i].attr], e);
	}
	if (strcmp(name, "dynset") == 0)
		e->op = meter_of(attrs);
	if (strcmp(name, "nat") == 0 || strcmp(name, "tproxy") == 0) {
		e->family = (uint8_t)e->op;
		e->op = 0;
	}
}

/* --------------------------------------------------------- tables, chains, rules */

static const char *text_of(struct snapshot *s, const struct nlattr *a)
{
	return a ? arena_strdup(s->arena, nl_str(a)) : "";
}

static uint8_t family_of(const struct nlmsghdr *nlh)
{
	return ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
}

/* Tables in the order they were told; there are few. */
static struct snap_table *table_of(struct snapshot *s, const struct nlmsghdr *nlh, const struct nlattr *name)
{
	for (size_t i = 0; name && i < s->n_tables; i++) {
		if (s->tables[i].family == family_of(nlh) && strcmp(s->tables[i].name, nl_str(name)) == 0)
			return &s->tables[i];
	}
	return NULL;
}

static int on_table(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_TABLE_MAX + 1] = { [NFTA_TABLE_NAME] = NL_STR, [NFTA_TABLE_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_TABLE_MAX + 1];
	struct snapshot *s = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_TABLE_MAX, policy) || !tb[NFTA_TABLE_NAME])
		return 0;
	*SNAP_ADD(s, tables) = (struct snap_table){
		.family = family_of(nlh),
		.name = text_of(s, tb[NFTA_TABLE_NAME]),
		.flags = nl_be32(tb[NFTA_TABLE_FLAGS]),
	};
	return 0;
}

static int on_chain(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_CHAIN_MAX + 1] = {
		[NFTA_CHAIN_TABLE] = NL_STR, [NFTA_CHAIN_HANDLE] = 8, [NFTA_CHAIN_NAME] = NL_STR,
		[NFTA_CHAIN_POLICY] = 4,     [NFTA_CHAIN_TYPE] = NL_STR,
	};
	static const uint16_t hook_policy[NFTA_HOOK_MAX + 1] = {
		[NFTA_HOOK_HOOKNUM] = 4, [NFTA_HOOK_PRIORITY] = 4, [NFTA_HOOK_DEV] = NL_STR,
	};
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct snapshot *s = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, policy) || !tb[NFTA_CHAIN_NAME])
		return 0;
	struct snap_table *t = table_of(s, nlh, tb[NFTA_CHAIN_TABLE]);
	if (!t)
		return 0;
	nl_parse_nest(tb[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX, hook_policy);
	ARENA_GROW_POW2(s->arena, t->chains, t->n_chains);
	t->chains[t->n_chains++] = (struct snap_chain){
		.name = text_of(s, tb[NFTA_CHAIN_NAME]),
		.handle = be64_at(tb[NFTA_CHAIN_HANDLE]),
		.base = tb[NFTA_CHAIN_HOOK],
		.hook = nl_be32(hook[NFTA_HOOK_HOOKNUM]),
		.priority = (int32_t)nl_be32(hook[NFTA_HOOK_PRIORITY]),
		.type = text_of(s, tb[NFTA_CHAIN_TYPE]),
		.policy = tb[NFTA_CHAIN_POLICY] ? nl_be32(tb[NFTA_CHAIN_POLICY]) : NF_ACCEPT,
		.devices = hook[NFTA_HOOK_DEV] ? text_of(s, hook[NFTA_HOOK_DEV]) : snap_names(s, hook[NFTA_HOOK_DEVS], 0),
	};
	return 0;
}

static const char *comment_of(struct snapshot *s, const struct nlattr *udata)
{
	if (!udata)
		return "";
	const uint8_t *p = nl_data(udata);
	size_t left = nl_len(udata);
	while (left >= 2 && left - 2 >= p[1]) {
		if (p[0] == UDATA_RULE_COMMENT && p[1] > 0 && p[1 + p[1]] == '\0')
			return arena_strdup(s->arena, (const char *)p + 2);
		left -= 2U + p[1];
		p += 2U + p[1];
	}
	return "";
}

static int on_rule(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_RULE_MAX + 1] = {
		[NFTA_RULE_TABLE] = NL_STR,
		[NFTA_RULE_CHAIN] = NL_STR,
		[NFTA_RULE_HANDLE] = 8,
	};
	const struct nlattr *tb[NFTA_RULE_MAX + 1], *a;
	struct snapshot *s = user;
	struct snap_chain *c = NULL;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_RULE_MAX, policy) || !tb[NFTA_RULE_CHAIN])
		return 0;
	struct snap_table *t = table_of(s, nlh, tb[NFTA_RULE_TABLE]);
	for (size_t i = 0; t && i < t->n_chains && !c; i++) {
		if (strcmp(t->chains[i].name, nl_str(tb[NFTA_RULE_CHAIN])) == 0)
			c = &t->chains[i];
	}
	if (!c)
		return 0;
	ARENA_GROW_POW2(s->arena, c->rules, c->n_rules);
	struct snap_nft_rule *rule = &c->rules[c->n_rules++];
	*rule = (struct snap_nft_rule){
		.handle = be64_at(tb[NFTA_RULE_HANDLE]),
		.comment = comment_of(s, tb[NFTA_RULE_USERDATA]),
		.text = "",
	};
	if (!tb[NFTA_RULE_EXPRESSIONS])
		return 0;
	const void *at = nl_data(tb[NFTA_RULE_EXPRESSIONS]);
	size_t left = nl_len(tb[NFTA_RULE_EXPRESSIONS]);
	while ((a = nl_next(&at, &left))) {
		if (nl_type(a) == NFTA_LIST_ELEM)
			parse_expr(s, a, rule);
	}
	return 0;
}

/* ------------------------------------------------------------------------- sets */

static void parse_fields(const struct nlattr *desc, struct snap_set *set)
{
	static const uint16_t policy[NFTA_SET_DESC_MAX + 1];
	static const uint16_t field_policy[NFTA_SET_FIELD_MAX + 1] = { [NFTA_SET_FIELD_LEN] = 4 };
	const struct nlattr *tb[NFTA_SET_DESC_MAX + 1], *a, *f[NFTA_SET_FIELD_MAX + 1];

	nl_parse_nest(desc, tb, NFTA_SET_DESC_MAX, policy);
	if (!tb[NFTA_SET_DESC_CONCAT])
		return;
	const void *at = nl_data(tb[NFTA_SET_DESC_CONCAT]);
	size_t left = nl_len(tb[NFTA_SET_DESC_CONCAT]);
	while ((a = nl_next(&at, &left)) && set->n_fields < sizeof(set->fields)) {
		nl_parse_nest(a, f, NFTA_SET_FIELD_MAX, field_policy);
		set->fields[set->n_fields++] = (uint8_t)nl_be32(f[NFTA_SET_FIELD_LEN]);
	}
}

static int on_set(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_SET_MAX + 1] = {
		[NFTA_SET_TABLE] = NL_STR, [NFTA_SET_NAME] = NL_STR, [NFTA_SET_FLAGS] = 4,    [NFTA_SET_KEY_TYPE] = 4,
		[NFTA_SET_KEY_LEN] = 4,	   [NFTA_SET_DATA_LEN] = 4,  [NFTA_SET_DATA_TYPE] = 4,
	};
	const struct nlattr *tb[NFTA_SET_MAX + 1];
	struct snapshot *s = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_SET_MAX, policy) || !tb[NFTA_SET_NAME])
		return 0;
	struct snap_table *t = table_of(s, nlh, tb[NFTA_SET_TABLE]);
	if (!t)
		return 0;
	ARENA_GROW_POW2(s->arena, t->sets, t->n_sets);
	struct snap_set *set = &t->sets[t->n_sets++];
	*set = (struct snap_set){
		.name = text_of(s, tb[NFTA_SET_NAME]),
		.flags = nl_be32(tb[NFTA_SET_FLAGS]),
		.key_type = nl_be32(tb[NFTA_SET_KEY_TYPE]),
		.key_len = nl_be32(tb[NFTA_SET_KEY_LEN]),
		.data_type = nl_be32(tb[NFTA_SET_DATA_TYPE]),
		.data_len = nl_be32(tb[NFTA_SET_DATA_LEN]),
	};
	parse_fields(tb[NFTA_SET_DESC], set);
	return 0;
}

struct elems {
	struct snapshot *s;
	struct snap_set *set;
	bool *ends;		/* parallel to set->elems: closes the interval before */
	size_t cap;
};

static void parse_elem(struct elems *es, const struct nlattr *nest)
{
	static const uint16_t policy[NFTA_SET_ELEM_MAX + 1] = { [NFTA_SET_ELEM_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_SET_ELEM_MAX + 1];
	struct snap_set *set = es->set;
	int32_t verdict;
	const char *chain;

	nl_parse_nest(nest, tb, NFTA_SET_ELEM_MAX, policy);
	uint32_t flags = nl_be32(tb[NFTA_SET_ELEM_FLAGS]);
	bool catchall = flags & NFT_SET_ELEM_CATCHALL;
	if ((!tb[NFTA_SET_ELEM_KEY] && !catchall) || set->n_elems >= ELEMS_MAX)
		return;
	ARENA_GROW_POW2(es->s->arena, set->elems, set->n_elems);
	GROW(es->ends, set->n_elems, es->cap);
	es->ends[set->n_elems] = flags & NFT_SET_ELEM_INTERVAL_END;
	struct snap_elem *e = &set->elems[set->n_elems++];
	*e = (struct snap_elem){ .catchall = catchall };
	if (tb[NFTA_SET_ELEM_KEY])
		(void)parse_data(es->s, tb[NFTA_SET_ELEM_KEY], &e->key, &verdict, &chain);
	if (tb[NFTA_SET_ELEM_KEY_END])
		(void)parse_data(es->s, tb[NFTA_SET_ELEM_KEY_END], &e->key_end, &verdict, &chain);
	if (tb[NFTA_SET_ELEM_DATA])
		e->has_verdict = parse_data(es->s, tb[NFTA_SET_ELEM_DATA], &e->data, &e->verdict, &e->chain);
}

static int on_elems(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_SET_ELEM_LIST_MAX + 1];
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *a;
	struct elems *es = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_SET_ELEM_LIST_MAX, policy) ||
	    !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	const void *at = nl_data(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	size_t left = nl_len(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	while ((a = nl_next(&at, &left)))
		parse_elem(es, a);
	return 0;
}

static int cmp_key(const struct snap_bytes *a, const struct snap_bytes *b)
{
	uint32_t n = a->n < b->n ? a->n : b->n;
	int c = n ? memcmp(a->p, b->p, n) : 0;

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

struct edge {
	struct snap_elem elem;
	bool end;
};

static int cmp_edge(const void *pa, const void *pb)
{
	const struct edge *a = pa, *b = pb;
	int c = cmp_key(&a->elem.key, &b->elem.key);

	return c ? c : (int)b->end - (int)a->end;	/* the end of one interval comes before the start of the next */
}

/* The last key before @first. */
static struct snap_bytes before(struct snapshot *s, const struct snap_bytes *first)
{
	uint8_t *p = arena_alloc(s->arena, first->n ? first->n : 1, 1);

	memcpy(p, first->p, first->n);
	for (size_t i = first->n; i-- > 0;) {
		if (p[i]-- != 0)
			break;
	}
	return (struct snap_bytes){ p, first->n };
}

/* In plain sets with intervals, starts and ends are elements of their own; one without an end goes up to the last key. */
static void join_intervals(struct elems *es)
{
	struct snap_set *set = es->set;
	_cleanup_(freep) struct edge *edges = xcalloc(set->n_elems + 1, sizeof(*edges));
	size_t n = 0, out = 0;
	struct snap_elem *open = NULL;

	for (size_t i = 0; i < set->n_elems; i++) {
		if (!set->elems[i].catchall)
			edges[n++] = (struct edge){ set->elems[i], es->ends[i] };
		else
			set->elems[out++] = set->elems[i];
	}
	qsort(edges, n, sizeof(*edges), cmp_edge);
	for (size_t i = 0; i < n; i++) {
		if (open)
			open->key_end = before(es->s, &edges[i].elem.key);
		open = NULL;
		if (edges[i].end)
			continue;
		set->elems[out] = edges[i].elem;
		open = &set->elems[out++];
	}
	if (open) {
		uint8_t *p = arena_alloc(es->s->arena, open->key.n ? open->key.n : 1, 1);

		memset(p, 0xff, open->key.n);
		open->key_end = (struct snap_bytes){ p, open->key.n };
	}
	set->n_elems = out;
}

static void put_get(struct nlb *b, uint8_t msg, uint8_t family)
{
	const struct nfgenmsg nf = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nlb_reset(b);
	nlb_msg(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg), msg == NFT_MSG_GETGEN ? 0 : NLM_F_DUMP, &nf, sizeof(nf));
}

static void read_elems(struct snap_reader *r, const struct snap_table *t, struct snap_set *set)
{
	struct elems es = { .s = r->s, .set = set };

	put_get(&r->b, NFT_MSG_GETSETELEM, t->family);
	nlb_strz(&r->b, NFTA_SET_ELEM_LIST_TABLE, t->name);
	nlb_strz(&r->b, NFTA_SET_ELEM_LIST_SET, set->name);
	set->complete = snap_dump(r, &r->nf, on_elems, &es, &set->n_elems, NULL) == 0 && set->n_elems < ELEMS_MAX;
	if (!set->complete)
		set->n_elems = 0;
	if ((set->flags & (NFT_SET_INTERVAL | NFT_SET_CONCAT)) == NFT_SET_INTERVAL && set->n_elems > 0)
		join_intervals(&es);
	free(es.ends);
}

/* ---------------------------------------------------------------------- reading */

static int on_gen(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_GEN_MAX + 1] = { [NFTA_GEN_ID] = 4 };
	const struct nlattr *tb[NFTA_GEN_MAX + 1];

	if (nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_GEN_MAX, policy))
		*(uint32_t *)user = nl_be32(tb[NFTA_GEN_ID]);
	return 0;
}

static int dump(struct snap_reader *r, uint8_t msg, nl_fn fn, void *user)
{
	put_get(&r->b, msg, NFPROTO_UNSPEC);
	return nl_dump(&r->nf, &r->b, fn, user, r->why);	/* once: a change begins everything anew */
}

/* Once through. Return: 0, NL_E_CHANGED, or a negative errno. */
static int read_once(struct snap_reader *r)
{
	static const struct {
		uint8_t msg;
		nl_fn fn;
	} dumps[] = {
		{ NFT_MSG_GETTABLE, on_table },
		{ NFT_MSG_GETCHAIN, on_chain },
		{ NFT_MSG_GETRULE, on_rule },
		{ NFT_MSG_GETSET, on_set },
	};
	struct snapshot *s = r->s;
	uint32_t gen = 0, after = 0;
	int e = dump(r, NFT_MSG_GETGEN, on_gen, &gen);

	s->n_tables = 0;
	for (size_t i = 0; i < ARRAY_LEN(dumps) && e == 0; i++)
		e = dump(r, dumps[i].msg, dumps[i].fn, s);
	for (size_t i = 0; i < s->n_tables && e == 0; i++) {
		for (size_t j = 0; j < s->tables[i].n_sets; j++)
			read_elems(r, &s->tables[i], &s->tables[i].sets[j]);
	}
	if (e == 0)
		e = dump(r, NFT_MSG_GETGEN, on_gen, &after);
	return e == 0 && gen != after ? NL_E_CHANGED : e;
}

static const char *owner_of(const struct snap_table *t)
{
	static const char *const iptables[] = { "filter", "nat", "mangle", "raw", "security" };
	static const struct {
		const char *begins, *owner;
	} names[] = {
		{ "sixtap", "sixtap" }, { "firewalld", "firewalld" }, { "libvirt", "libvirt" }, { "docker", "docker" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strncmp(t->name, names[i].begins, strlen(names[i].begins)) == 0)
			return names[i].owner;
	}
	for (size_t i = 0; i < ARRAY_LEN(iptables) && (t->family == NFPROTO_IPV4 || t->family == NFPROTO_IPV6); i++) {
		if (strcmp(t->name, iptables[i]) == 0)
			return "iptables";
	}
	return "";
}

void snap_read_nft(struct snap_reader *r)
{
	struct snapshot *s = r->s;
	int e = nl_open(&r->nf, NETLINK_NETFILTER);

	if (e == 0) {
		e = NL_E_CHANGED;
		for (int i = 0; i < TRIES && e == NL_E_CHANGED; i++)
			e = read_once(r);
	} else {
		r->why[0] = '\0';
	}
	if (e == NL_E_CHANGED) {
		snapshot_add_unread(s, SNAP_PART_NFTABLES, "", "the ruleset changes faster than it can be read");
	} else if (e == -EPERM || e == -EACCES) {
		snapshot_add_unread(s, SNAP_PART_NFTABLES, "", "the kernel shows it to root only");
	} else if (e < 0 && e != -EAFNOSUPPORT && e != -EOPNOTSUPP && e != -EPROTONOSUPPORT) {
		nl_explain(e, r->why);
		snapshot_add_unread(s, SNAP_PART_NFTABLES, "", "%s", r->why);
	}
	if (e != 0)
		s->n_tables = 0;	/* half a ruleset is worse than none */
	for (size_t i = 0; i < s->n_tables; i++)
		s->tables[i].owner = owner_of(&s->tables[i]);
	if (s->n_tables > 0)
		snap_read_nft_text(s);
}
