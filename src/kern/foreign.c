/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign - other people's firewalls: read, and given a rule of ours
 */
#include "kern/foreign.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include "kern/nfnl.h"
#include "kern/nft.h"
#include "kern/priv.h"

#define SET_ELEMS_MAX 4096	/* a list that is longer isn't one of interfaces or ports of interest */

/* ---------------------------------------------------------------------- dumps */

struct reading {
	struct kern *kern;
	struct world *world;
	size_t cap_tables;
	size_t *cap_chains;	/* one a table */
	struct fw_table *table;	/* whose rules come now */
	struct raw_rule {
		const struct nlmsghdr *nlh;
		struct fw_chain *chain;
	} *raw;
	size_t n_raw, cap_raw;
	uint32_t gen;
	bool set_usable;
	struct nfnl_set set;
	struct nfnl_elems elems;
	const char *set_name;
	struct nlb b;
};

static void put_get(struct nlb *b, uint8_t msg, uint16_t flags, uint8_t family, uint16_t table_attr, const char *table)
{
	const struct nfgenmsg nf = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nlb_reset(b);
	nlb_msg(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg), flags, &nf, sizeof(nf));
	if (table)
		nlb_strz(b, table_attr, table);
}

static uint8_t family_of(const struct nlmsghdr *nlh)
{
	return ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
}

static const char *table_of(const struct nlmsghdr *nlh)
{
	const char *name = nfnl_parse_table(nlh);	/* also checks the length */
	uint8_t family = name ? family_of(nlh) : 0;

	if (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6 && family != NFPROTO_BRIDGE)
		return NULL;
	return (family == NFPROTO_INET || family == NFPROTO_BRIDGE) && strcmp(name, NFT_TABLE_NAME) == 0 ? NULL : name;
}

static struct fw_table *find_table(struct world *w, uint8_t family, const char *name)
{
	for (size_t i = 0; i < w->n_firewalls; i++)
		if (w->firewalls[i].family == family && strcmp(w->firewalls[i].name, name) == 0)
			return &w->firewalls[i];
	return NULL;
}

static struct fw_table *add_table(struct reading *r, uint8_t family, const char *name)
{
	struct world *w = r->world;
	struct fw_table *t = find_table(w, family, name);

	if (t)
		return t;
	if (w->n_firewalls == r->cap_tables) {	/* both arrays grow alike */
		size_t cap = r->cap_tables, other = r->cap_tables;

		ARENA_GROW(w->arena, w->firewalls, w->n_firewalls, cap);
		ARENA_GROW(w->arena, r->cap_chains, w->n_firewalls, other);
		r->cap_tables = cap;
	}
	t = &w->firewalls[w->n_firewalls];
	*t = (struct fw_table){ .family = family, .name = arena_strdup(w->arena, name) };
	r->cap_chains[w->n_firewalls++] = 0;
	return t;
}

const char *const foreign_builtins[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

enum fw_hook foreign_hook(const char *type, uint32_t hooknum)
{
	static const enum fw_hook hooks[NF_INET_NUMHOOKS] = {
		[NF_INET_PRE_ROUTING] = FW_HOOK_PREROUTING, [NF_INET_LOCAL_IN] = FW_HOOK_INPUT,
		[NF_INET_FORWARD] = FW_HOOK_FORWARD, [NF_INET_LOCAL_OUT] = FW_HOOK_OUTPUT,
		[NF_INET_POST_ROUTING] = FW_HOOK_POSTROUTING,
	};

	/* "route" is a filter that may change the way out: iptables' mangle has its OUTPUT so. */
	if (hooknum >= ARRAY_LEN(hooks) || (strcmp(type, "filter") != 0 && strcmp(type, "route") != 0))
		return FW_HOOK_NONE;
	return hooks[hooknum];
}

static void read_hook(const struct nlattr *nest, const struct nlattr *type, struct fw_chain *c)
{
	static const uint16_t policy[NFTA_HOOK_MAX + 1] = { [NFTA_HOOK_HOOKNUM] = 4, [NFTA_HOOK_PRIORITY] = 4 };
	const struct nlattr *tb[NFTA_HOOK_MAX + 1];

	if (!nest || !type)
		return;
	nl_parse_nest(nest, tb, NFTA_HOOK_MAX, policy);
	if (!tb[NFTA_HOOK_HOOKNUM])
		return;
	c->hook = foreign_hook(nl_str(type), nl_be32(tb[NFTA_HOOK_HOOKNUM]));
	c->after_nat = c->hook == FW_HOOK_POSTROUTING && tb[NFTA_HOOK_PRIORITY] &&
		       (int32_t)nl_be32(tb[NFTA_HOOK_PRIORITY]) > NF_IP_PRI_NAT_SRC;
}

/* Whatever writes iptables' names into iptables' tables writes as iptables does; ebtables likewise. */
static bool is_xt(const char *table, const char *chain)
{
	static const char *const tables[] = { "filter", "mangle", "raw", "security", "nat" };
	bool is_table = false, is_chain = false;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		is_table |= strcmp(table, tables[i]) == 0;
	for (size_t i = 0; i < ARRAY_LEN(foreign_builtins); i++)
		is_chain |= strcmp(chain, foreign_builtins[i]) == 0;
	return is_table && is_chain;
}

static int on_chain(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_CHAIN_MAX + 1] = {
		[NFTA_CHAIN_TABLE] = NL_STR, [NFTA_CHAIN_NAME] = NL_STR, [NFTA_CHAIN_TYPE] = NL_STR, [NFTA_CHAIN_POLICY] = 4,
	};
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	struct reading *r = user;
	const char *table = table_of(nlh);

	if (!table || !nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, policy) || !tb[NFTA_CHAIN_NAME])
		return 0;
	struct fw_table *t = add_table(r, family_of(nlh), table);
	size_t *cap = &r->cap_chains[t - r->world->firewalls];
	ARENA_GROW(r->world->arena, t->chains, t->n_chains, *cap);
	struct fw_chain *c = &t->chains[t->n_chains++];
	*c = (struct fw_chain){
		.name = arena_strdup(r->world->arena, nl_str(tb[NFTA_CHAIN_NAME])),
		.drops = tb[NFTA_CHAIN_POLICY] && nl_be32(tb[NFTA_CHAIN_POLICY]) == NF_DROP,
	};
	read_hook(tb[NFTA_CHAIN_HOOK], tb[NFTA_CHAIN_TYPE], c);
	if (t->family != NFPROTO_INET && c->hook != FW_HOOK_NONE && is_xt(t->name, c->name))
		t->xt = true;
	return 0;
}

static bool is_firewall(const struct fw_table *t)
{
	for (size_t i = 0; i < t->n_chains; i++)
		if (t->chains[i].hook != FW_HOOK_NONE)
			return true;
	return false;
}

static int on_table(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_TABLE_MAX + 1] = { [NFTA_TABLE_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_TABLE_MAX + 1];
	struct reading *r = user;

	if (nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_TABLE_MAX, policy))
		r->table->locked = nl_be32(tb[NFTA_TABLE_FLAGS]) & 2;	/* NFT_TABLE_F_OWNER, since 5.12 */
	return 0;
}

/* Kept as it is until the dump is over: its sets are asked for by the same socket. */
static int on_rule(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_RULE_CHAIN + 1] = { [NFTA_RULE_TABLE] = NL_STR, [NFTA_RULE_CHAIN] = NL_STR };
	const struct nlattr *tb[NFTA_RULE_CHAIN + 1];
	struct reading *r = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_RULE_CHAIN, policy) || !tb[NFTA_RULE_CHAIN])
		return 0;
	for (size_t i = 0; i < r->table->n_chains; i++) {
		if (strcmp(r->table->chains[i].name, nl_str(tb[NFTA_RULE_CHAIN])) != 0)
			continue;
		void *copy = arena_alloc(r->world->arena, 1, nlh->nlmsg_len);

		memcpy(copy, nlh, nlh->nlmsg_len);
		ARENA_GROW(r->world->arena, r->raw, r->n_raw, r->cap_raw);
		r->raw[r->n_raw++] = (struct raw_rule){ copy, &r->table->chains[i] };
	}
	return 0;
}

static int on_set(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NFTA_SET_MAX + 1] = { [NFTA_SET_NAME] = NL_STR, [NFTA_SET_FLAGS] = 4 };
	const struct nlattr *tb[NFTA_SET_MAX + 1];
	struct reading *r = user;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, NFTA_SET_MAX, policy) || !tb[NFTA_SET_NAME] ||
	    strcmp(nl_str(tb[NFTA_SET_NAME]), r->set_name) != 0)
		return 0;
	r->set = (struct nfnl_set){ .flags = nl_be32(tb[NFTA_SET_FLAGS]) };
	/* Concatenations aren't taken apart, and what packets put into a set is gone in a moment. */
	r->set_usable = !(r->set.flags & (NFT_SET_EVAL | NFT_SET_TIMEOUT | NFT_SET_CONCAT));
	return 0;
}

static int on_elems(void *user, const struct nlmsghdr *nlh)
{
	struct reading *r = user;

	nfnl_parse_elems(nlh, r->set_name, &r->elems);
	return r->elems.n > SET_ELEMS_MAX ? -E2BIG : 0;
}

static bool read_set(void *user, const char *set, const struct nft_elem **ret, size_t *ret_n)
{
	struct reading *r = user;
	char why[NL_WHY_MAX];

	r->set_name = set;
	r->set_usable = false;
	put_get(&r->b, NFT_MSG_GETSET, 0, r->table->family, NFTA_SET_TABLE, r->table->name);
	nlb_strz(&r->b, NFTA_SET_NAME, set);
	if (nl_dump(&r->kern->nf, &r->b, on_set, r, why) != 0 || !r->set_usable)
		return false;
	r->elems = (struct nfnl_elems){ .arena = r->world->arena };
	put_get(&r->b, NFT_MSG_GETSETELEM, NLM_F_DUMP, r->table->family, NFTA_SET_ELEM_LIST_TABLE, r->table->name);
	nlb_strz(&r->b, NFTA_SET_ELEM_LIST_SET, set);
	if (nl_dump(&r->kern->nf, &r->b, on_elems, r, why) != 0)
		return false;
	nfnl_join_intervals(&r->set, &r->elems, 0);
	*ret = r->elems.elems;
	*ret_n = r->elems.n;
	return true;
}

static int read_table(struct reading *r, struct fw_table *t)
{
	const struct foreign_sets sets = { .read = read_set, .user = r };
	char why[NL_WHY_MAX];

	r->table = t;
	r->n_raw = 0;
	put_get(&r->b, NFT_MSG_GETTABLE, 0, t->family, NFTA_TABLE_NAME, t->name);
	int res = nl_dump(&r->kern->nf, &r->b, on_table, r, why);
	if (res != 0)
		return res;
	put_get(&r->b, NFT_MSG_GETRULE, NLM_F_DUMP, t->family, NFTA_RULE_TABLE, t->name);
	res = nl_dump(&r->kern->nf, &r->b, on_rule, r, why);
	if (res != 0)
		return res;
	/* Rules come chain by chain. */
	for (size_t i = 0, j; i < r->n_raw; i = j) {
		struct foreign_rules list = { .arena = r->world->arena };

		for (j = i; j < r->n_raw && r->raw[j].chain == r->raw[i].chain; j++)
			foreign_parse_rule(r->raw[j].nlh, r->world, &sets, &list);
		r->raw[i].chain->rules = list.rules;
		r->raw[i].chain->n_rules = list.n;
	}
	return 0;
}

static int on_gen(void *user, const struct nlmsghdr *nlh)
{
	struct nfnl_gen gen;

	if (nfnl_parse_gen(nlh, &gen))
		*(uint32_t *)user = gen.id;
	return 0;
}

static int generation(struct reading *r, uint32_t *ret)
{
	char why[NL_WHY_MAX];

	*ret = 0;
	nlb_reset(&r->b);
	nfnl_put_get_gen(&r->b);
	return nl_dump(&r->kern->nf, &r->b, on_gen, ret, why);
}

/* Return: 0, NL_E_CHANGED, or negative errno. */
static int read_once(struct reading *r)
{
	struct world *w = r->world;
	uint32_t before, after;
	char why[NL_WHY_MAX];
	size_t n = 0;

	int res = generation(r, &before);
	if (res == -EINVAL || res == -EOPNOTSUPP)
		return 0;	/* a kernel without nf_tables */
	if (res != 0)
		return res;
	put_get(&r->b, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_UNSPEC, 0, NULL);
	res = nl_dump(&r->kern->nf, &r->b, on_chain, r, why);
	for (size_t i = 0; res == 0 && i < w->n_firewalls; i++) {
		if (!is_firewall(&w->firewalls[i]))
			continue;
		w->firewalls[n++] = w->firewalls[i];
		res = read_table(r, &w->firewalls[n - 1]);
	}
	w->n_firewalls = n;
	if (res == 0)
		res = generation(r, &after);
	if (res == -ENOENT || (res == 0 && after != before))
		return NL_E_CHANGED;
	return res;
}

int kern_foreign_observe(struct kern *kern, struct world *world)
{
	struct reading r = { .kern = kern, .world = world };
	int res = kern_nf(kern);

	for (int i = 0; res == 0 && i < NL_TRIES; i++) {
		world->n_firewalls = 0;
		res = read_once(&r);
		if (res != NL_E_CHANGED)
			break;
		res = i + 1 < NL_TRIES ? 0 : -EAGAIN;
	}
	nlb_free(&r.b);
	if (res == -EPERM)
		res = 0;	/* not known, as our own tables are not */
	for (size_t i = 0; res == 0 && i < world->n_firewalls; i++)
		if (world->firewalls[i].family == NFPROTO_BRIDGE)
			world->no_ibrname = !kern_nft_has_ibrname(kern);
	if (res == 0)
		foreign_observe_legacy(kern, world, &r.cap_tables);
	return res;
}

/* -------------------------------------------------------------------- changes */

struct finding_rules {
	const struct op_rule *op;
	struct arena *arena;
	uint64_t *handles;
	size_t n, cap;
};

static int on_our_rule(void *user, const struct nlmsghdr *nlh)
{
	struct finding_rules *f = user;
	struct foreign_rules list = { .arena = f->arena };

	foreign_parse_rule(nlh, NULL, NULL, &list);
	if (list.n == 0 || !str_eq(list.rules[0].comment, f->op->comment))
		return 0;
	ARENA_GROW(f->arena, f->handles, f->n, f->cap);
	f->handles[f->n++] = list.rules[0].handle;
	return 0;
}

static int say(int err, const char *words, char why[static NL_WHY_MAX])
{
	(void)str_copy(why, NL_WHY_MAX, words);
	nl_explain(err, why);
	return err;
}

int kern_foreign_rule(struct kern *kern, const struct op_rule *op, char why[static NL_WHY_MAX])
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct finding_rules f = { .op = op, .arena = arena };
	struct nlb *b = &kern->b;

	why[0] = '\0';
	int r = kern_nf(kern);
	if (r < 0)
		return say(r, "", why);
	put_get(b, NFT_MSG_GETRULE, NLM_F_DUMP, op->family, NFTA_RULE_TABLE, op->table);
	nlb_strz(b, NFTA_RULE_CHAIN, op->chain);
	r = nl_dump(&kern->nf, b, on_our_rule, &f, why);
	if (r == -ENOENT && op->n_add == 0)
		return 0;	/* the table is gone, and ours with it */
	if (r != 0)
		return say(r > 0 ? -EAGAIN : r, why, why);
	if (f.n + op->n_add == 0)
		return 0;
	nlb_reset(b);
	nfnl_put_begin(b);
	for (size_t i = 0; i < f.n; i++)
		foreign_put_del(b, op, f.handles[i]);
	for (size_t i = 0; i < op->n_add; i++)
		foreign_put_rule(b, op, &op->add[i]);
	nfnl_put_end(b);
	_cleanup_(freep) struct nl_result *results = xcalloc(b->n_msgs, sizeof(*results));
	size_t n = b->n_msgs;
	r = nl_batch(&kern->nf, b, results);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = results[i].err;
		(void)str_copy(why, NL_WHY_MAX, results[i].why);
	}
	if (r == 0)
		return 0;
	nl_explain(r, why);
	return r;
}
