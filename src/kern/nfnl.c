/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnl - nftables messages to and from structs
 */
#include "kern/nfnl.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include "kern/nft.h"

#define ELEMS_BYTES (48 * 1024)	/* of one list: its length has 16 bits */
#define UDATA_TABLE_COMMENT 0	/* NFTNL_UDATA_TABLE_COMMENT: type, length, text with NUL */

/* -------------------------------------------------------------------- parsing */

static bool parse_nfmsg(const struct nlmsghdr *nlh, const struct nlattr **tb, uint16_t max, const uint16_t *policy)
{
	return nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, max, policy);
}

static bool is_ours(const struct nlattr *table)
{
	return table && strcmp(nl_str(table), NFT_TABLE_NAME) == 0;
}

bool nfnl_parse_set(const struct nlmsghdr *nlh, struct nfnl_set *ret)
{
	static const uint16_t policy[NFTA_SET_MAX + 1] = {
		[NFTA_SET_TABLE] = NL_STR,  [NFTA_SET_NAME] = NL_STR,	  [NFTA_SET_FLAGS] = 4,
		[NFTA_SET_KEY_LEN] = 4,	    [NFTA_SET_DATA_LEN] = 4,	  [NFTA_SET_DATA_TYPE] = 4,
	};
	const struct nlattr *tb[NFTA_SET_MAX + 1];
	const uint32_t forgets = NFT_SET_EVAL | NFT_SET_TIMEOUT;	/* fill themselves: meters and the like */

	if (!parse_nfmsg(nlh, tb, NFTA_SET_MAX, policy) || !is_ours(tb[NFTA_SET_TABLE]) || !tb[NFTA_SET_NAME])
		return false;
	*ret = (struct nfnl_set){
		.flags = nl_be32(tb[NFTA_SET_FLAGS]),
		.key_len = nl_be32(tb[NFTA_SET_KEY_LEN]),
		.data_len = nl_be32(tb[NFTA_SET_DATA_LEN]),
		.data_type = nl_be32(tb[NFTA_SET_DATA_TYPE]),
	};
	return str_copy(ret->name, sizeof(ret->name), nl_str(tb[NFTA_SET_NAME])) &&
	       !(ret->flags & NFT_SET_ANONYMOUS) && (ret->flags & forgets) != forgets;
}

const char *nfnl_parse_table(const struct nlmsghdr *nlh)
{
	/* Attribute 1 is the table's name in every message about something in a table. */
	static const uint16_t policy[NFTA_TABLE_NAME + 1] = { [NFTA_TABLE_NAME] = NL_STR };
	const struct nlattr *tb[NFTA_TABLE_NAME + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_TABLE_NAME, policy) || !tb[NFTA_TABLE_NAME])
		return NULL;
	return nl_str(tb[NFTA_TABLE_NAME]);
}

const char *nfnl_parse_comment(const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_TABLE_USERDATA + 1];
	const struct nlattr *tb[NFTA_TABLE_USERDATA + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_TABLE_USERDATA, policy) || !tb[NFTA_TABLE_USERDATA])
		return NULL;
	const uint8_t *p = nl_data(tb[NFTA_TABLE_USERDATA]);
	size_t left = nl_len(tb[NFTA_TABLE_USERDATA]);
	while (left >= 2 && left - 2 >= p[1]) {
		if (p[0] == UDATA_TABLE_COMMENT && p[1] > 0 && p[1 + p[1]] == '\0')
			return (const char *)p + 2;
		left -= 2U + p[1];
		p += 2U + p[1];
	}
	return NULL;
}

const char *nfnl_parse_chain(const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_CHAIN_NAME + 1] = {
		[NFTA_CHAIN_TABLE] = NL_STR,
		[NFTA_CHAIN_NAME] = NL_STR,
	};
	const struct nlattr *tb[NFTA_CHAIN_NAME + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_CHAIN_NAME, policy) || !is_ours(tb[NFTA_CHAIN_TABLE]) || !tb[NFTA_CHAIN_NAME])
		return NULL;
	return nl_str(tb[NFTA_CHAIN_NAME]);
}

const char *nfnl_parse_rule_chain(const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_RULE_CHAIN + 1] = {
		[NFTA_RULE_TABLE] = NL_STR,
		[NFTA_RULE_CHAIN] = NL_STR,
	};
	const struct nlattr *tb[NFTA_RULE_CHAIN + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_RULE_CHAIN, policy) || !is_ours(tb[NFTA_RULE_TABLE]) || !tb[NFTA_RULE_CHAIN])
		return NULL;
	return nl_str(tb[NFTA_RULE_CHAIN]);
}

static uint64_t hash_byte(uint64_t h, uint8_t b)
{
	return fnv64(h, &b, sizeof(b));
}

uint64_t nfnl_hash_table(uint64_t h, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_TABLE_FLAGS + 1] = { [NFTA_TABLE_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_TABLE_FLAGS + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_TABLE_FLAGS, policy) || !tb[NFTA_TABLE_FLAGS])
		return h;
	return hash_byte(h, nl_be32(tb[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_DORMANT);
}

uint64_t nfnl_hash_chain(uint64_t h, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_CHAIN_POLICY + 1] = { [NFTA_CHAIN_POLICY] = 4 };
	const struct nlattr *tb[NFTA_CHAIN_POLICY + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_CHAIN_POLICY, policy) || !tb[NFTA_CHAIN_POLICY])
		return h;
	return hash_byte(h, (uint8_t)nl_be32(tb[NFTA_CHAIN_POLICY]));
}

uint64_t nfnl_hash_rule(uint64_t h, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_RULE_EXPRESSIONS + 1] = { [NFTA_RULE_CHAIN] = NL_STR };
	const struct nlattr *tb[NFTA_RULE_EXPRESSIONS + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_RULE_EXPRESSIONS, policy))
		return h;
	const struct nlattr *const parts[] = { tb[NFTA_RULE_CHAIN], tb[NFTA_RULE_EXPRESSIONS] };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const uint8_t *p = parts[i] ? nl_data(parts[i]) : NULL;

		for (size_t k = 0; p && k < nl_len(parts[i]); k++)
			h = hash_byte(h, p[k]);
		h = hash_byte(h, 0xff);
	}
	return h;
}

bool nfnl_parse_gen(const struct nlmsghdr *nlh, struct nfnl_gen *ret)
{
	static const uint16_t policy[NFTA_GEN_MAX + 1] = {
		[NFTA_GEN_ID] = 4,
		[NFTA_GEN_PROC_PID] = 4,
		[NFTA_GEN_PROC_NAME] = NL_STR,
	};
	const struct nlattr *tb[NFTA_GEN_MAX + 1];

	if (!parse_nfmsg(nlh, tb, NFTA_GEN_MAX, policy) || !tb[NFTA_GEN_ID])
		return false;
	*ret = (struct nfnl_gen){ .id = nl_be32(tb[NFTA_GEN_ID]), .pid = nl_be32(tb[NFTA_GEN_PROC_PID]) };
	if (tb[NFTA_GEN_PROC_NAME])
		(void)str_copy(ret->comm, sizeof(ret->comm), nl_str(tb[NFTA_GEN_PROC_NAME]));
	return true;
}

static const uint16_t data_policy[NFTA_DATA_MAX + 1];

/* The bytes of an NFTA_DATA_VALUE inside @nest; false: none, or too many. */
static bool parse_value(const struct nlattr *nest, uint8_t *ret, size_t max, uint8_t *ret_len)
{
	const struct nlattr *tb[NFTA_DATA_MAX + 1];

	nl_parse_nest(nest, tb, NFTA_DATA_MAX, data_policy);
	if (!tb[NFTA_DATA_VALUE] || nl_len(tb[NFTA_DATA_VALUE]) > max)
		return false;
	*ret_len = (uint8_t)nl_len(tb[NFTA_DATA_VALUE]);
	memcpy(ret, nl_data(tb[NFTA_DATA_VALUE]), *ret_len);
	return true;
}

static const struct {
	enum nft_verdict verdict;
	int32_t code;
} verdict_codes[] = {
	{ NFT_VERDICT_ACCEPT, NF_ACCEPT }, { NFT_VERDICT_DROP, NF_DROP },     { NFT_VERDICT_JUMP, NFT_JUMP },
	{ NFT_VERDICT_GOTO, NFT_GOTO },	   { NFT_VERDICT_RETURN, NFT_RETURN },
};

static bool parse_verdict(const struct nlattr *nest, struct nft_elem *e)
{
	static const uint16_t policy[NFTA_VERDICT_MAX + 1] = {
		[NFTA_VERDICT_CODE] = 4,
		[NFTA_VERDICT_CHAIN] = NL_STR,
	};
	const struct nlattr *tb[NFTA_VERDICT_MAX + 1];

	nl_parse_nest(nest, tb, NFTA_VERDICT_MAX, policy);
	if (!tb[NFTA_VERDICT_CODE])
		return false;
	for (size_t i = 0; i < ARRAY_LEN(verdict_codes); i++)
		if (verdict_codes[i].code == (int32_t)nl_be32(tb[NFTA_VERDICT_CODE]))
			e->verdict = verdict_codes[i].verdict;
	return e->verdict != NFT_VERDICT_NONE &&
	       str_copy(e->chain, sizeof(e->chain), tb[NFTA_VERDICT_CHAIN] ? nl_str(tb[NFTA_VERDICT_CHAIN]) : "");
}

static bool parse_elem(const struct nlattr *a, const char *set, struct nft_elem *e, bool *ret_end)
{
	static const uint16_t policy[NFTA_SET_ELEM_KEY_END + 1] = { [NFTA_SET_ELEM_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_SET_ELEM_KEY_END + 1], *data[NFTA_DATA_MAX + 1];
	uint32_t flags;

	nl_parse_nest(a, tb, NFTA_SET_ELEM_KEY_END, policy);
	flags = nl_be32(tb[NFTA_SET_ELEM_FLAGS]);
	*e = (struct nft_elem){ .set = set };
	*ret_end = flags & NFT_SET_ELEM_INTERVAL_END;
	if (!parse_value(tb[NFTA_SET_ELEM_KEY], e->key, sizeof(e->key), &e->key_len))
		return false;
	if (tb[NFTA_SET_ELEM_KEY_END] &&
	    !parse_value(tb[NFTA_SET_ELEM_KEY_END], e->key_end, sizeof(e->key_end), &e->key_end_len))
		return false;
	if (!tb[NFTA_SET_ELEM_DATA])
		return true;
	nl_parse_nest(tb[NFTA_SET_ELEM_DATA], data, NFTA_DATA_MAX, data_policy);
	if (data[NFTA_DATA_VERDICT])
		return parse_verdict(data[NFTA_DATA_VERDICT], e);
	return parse_value(tb[NFTA_SET_ELEM_DATA], e->data, sizeof(e->data), &e->data_len);
}

void nfnl_parse_elems(const struct nlmsghdr *nlh, const char *set, struct nfnl_elems *list)
{
	static const uint16_t policy[NFTA_SET_ELEM_LIST_MAX + 1];
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *a;

	if (!parse_nfmsg(nlh, tb, NFTA_SET_ELEM_LIST_MAX, policy) || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	const void *at = nl_data(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	size_t left = nl_len(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	while ((a = nl_next(&at, &left))) {
		ARENA_GROW(list->arena, list->elems, list->n, list->cap);
		ARENA_GROW(list->arena, list->end, list->n, list->cap_end);
		if (parse_elem(a, set, &list->elems[list->n], &list->end[list->n]))
			list->n++;
	}
}

/* ------------------------------------------------------------------ intervals */

/* Keys as numbers in network order: plus and minus one. Return: false on wrap. */
static bool key_add(uint8_t *key, size_t n)
{
	for (size_t i = n; i-- > 0;)
		if (++key[i] != 0)
			return true;
	return false;
}

static void key_sub(uint8_t *key, size_t n)
{
	for (size_t i = n; i-- > 0;)
		if (key[i]-- != 0)
			return;
}

struct edge {
	struct nft_elem elem;
	bool end;
};

static int cmp_edge(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	size_t n = x->elem.key_len < y->elem.key_len ? x->elem.key_len : y->elem.key_len;
	int c = memcmp(x->elem.key, y->elem.key, n);

	return c ? c : (int)y->end - (int)x->end;	/* the end of one interval comes before the start of the next */
}

/* Starts and ends, each an element, become intervals; an interval without an end goes up to the last key. */
static void join_edges(struct nfnl_elems *list, size_t from)
{
	size_t n = list->n - from, out = from;
	_cleanup_(freep) struct edge *edges = xcalloc(n + 1, sizeof(*edges));
	bool open = false;

	for (size_t i = 0; i < n; i++)
		edges[i] = (struct edge){ list->elems[from + i], list->end[from + i] };
	qsort(edges, n, sizeof(*edges), cmp_edge);
	for (size_t i = 0; i < n; i++) {
		struct nft_elem *e = &edges[i].elem;

		if (open) {
			struct nft_elem *start = &list->elems[out - 1];

			memcpy(start->key_end, e->key, e->key_len);
			key_sub(start->key_end, e->key_len);
			open = false;
		}
		if (edges[i].end)
			continue;
		e->key_end_len = e->key_len;
		memset(e->key_end, 0xff, e->key_len);
		list->elems[out] = *e;
		list->end[out++] = false;
		open = true;
	}
	list->n = out;
}

void nfnl_join_intervals(const struct nfnl_set *set, struct nfnl_elems *list, size_t from)
{
	if (!(set->flags & NFT_SET_INTERVAL))
		return;
	if (!(set->flags & NFT_SET_CONCAT)) {
		join_edges(list, from);
		return;
	}
	for (size_t i = from; i < list->n; i++) {
		struct nft_elem *e = &list->elems[i];

		if (e->key_end_len == 0) {
			memcpy(e->key_end, e->key, e->key_len);
			e->key_end_len = e->key_len;
		}
	}
}

/* ------------------------------------------------------------------- building */

static void nf_msg(struct nlb *b, uint8_t msg, uint16_t flags, uint8_t family)
{
	const struct nfgenmsg nf = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nlb_msg(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg), flags, &nf, sizeof(nf));
}

static void batch_msg(struct nlb *b, uint16_t type)
{
	const struct nfgenmsg nf = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nlb_msg(b, type, 0, &nf, sizeof(nf));
}

void nfnl_put_begin(struct nlb *b)
{
	batch_msg(b, NFNL_MSG_BATCH_BEGIN);
}

void nfnl_put_end(struct nlb *b)
{
	batch_msg(b, NFNL_MSG_BATCH_END);
}

void nfnl_put_get(struct nlb *b, uint8_t msg, uint16_t flags, uint8_t family, uint16_t table_attr)
{
	nf_msg(b, msg, flags, family);
	nlb_strz(b, table_attr, NFT_TABLE_NAME);
}

void nfnl_put_get_gen(struct nlb *b)
{
	nf_msg(b, NFT_MSG_GETGEN, 0, NFPROTO_UNSPEC);
}

void nfnl_put_get_elems(struct nlb *b, uint8_t family, const char *set)
{
	nfnl_put_get(b, NFT_MSG_GETSETELEM, NLM_F_DUMP, family, NFTA_SET_ELEM_LIST_TABLE);
	nlb_strz(b, NFTA_SET_ELEM_LIST_SET, set);
}

void nfnl_put_del_table(struct nlb *b, uint8_t family)
{
	nfnl_put_get(b, NFT_MSG_DELTABLE, 0, family, NFTA_TABLE_NAME);
}

static void put_value(struct nlb *b, uint16_t type, const uint8_t *p, size_t n)
{
	size_t nest = nlb_nest(b, type);

	nlb_put(b, NFTA_DATA_VALUE, p, n);
	nlb_end(b, nest);
}

static void put_data(struct nlb *b, const struct nft_elem *e)
{
	if (e->verdict == NFT_VERDICT_NONE) {
		if (e->data_len > 0)
			put_value(b, NFTA_SET_ELEM_DATA, e->data, e->data_len);
		return;
	}
	size_t data = nlb_nest(b, NFTA_SET_ELEM_DATA), verdict = nlb_nest(b, NFTA_DATA_VERDICT);
	for (size_t i = 0; i < ARRAY_LEN(verdict_codes); i++)
		if (verdict_codes[i].verdict == e->verdict)
			nlb_be32(b, NFTA_VERDICT_CODE, (uint32_t)verdict_codes[i].code);
	if (e->verdict == NFT_VERDICT_JUMP || e->verdict == NFT_VERDICT_GOTO)
		nlb_strz(b, NFTA_VERDICT_CHAIN, e->chain);
	nlb_end(b, verdict);
	nlb_end(b, data);
}

static void put_elem(struct nlb *b, const struct nft_elem *e, bool add, bool rbtree)
{
	size_t elem = nlb_nest(b, 1);	/* NFTA_LIST_ELEM */

	put_value(b, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	if (e->key_end_len > 0 && !rbtree)
		put_value(b, NFTA_SET_ELEM_KEY_END, e->key_end, e->key_end_len);
	if (add)
		put_data(b, e);
	nlb_end(b, elem);
	if (e->key_end_len == 0 || !rbtree)
		return;

	uint8_t after[NFT_KEY_MAX];
	memcpy(after, e->key_end, e->key_end_len);
	if (!key_add(after, e->key_end_len))
		return;	/* up to the last key: the kernel has no end there */
	elem = nlb_nest(b, 1);
	put_value(b, NFTA_SET_ELEM_KEY, after, e->key_end_len);
	nlb_be32(b, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nlb_end(b, elem);
}

void nfnl_put_elems(struct nlb *b, uint8_t family, const struct nft_elem *elems, size_t n, bool add, bool rbtree)
{
	for (size_t i = 0; i < n;) {
		nf_msg(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0, family);
		nlb_strz(b, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
		nlb_strz(b, NFTA_SET_ELEM_LIST_SET, elems[i].set);
		size_t list = nlb_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		while (i < n && b->len - list < ELEMS_BYTES)
			put_elem(b, &elems[i++], add, rbtree);
		nlb_end(b, list);
	}
}
