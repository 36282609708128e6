/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_view - the firewalls of a snapshot, as conditions that can be judged
 *
 * Theory of operation: kern/foreign reads rules as the kernel tells them, so a
 * rule of the snapshot is written as a message again and given to it. Only what
 * it looks at is written; what ends a rule otherwise (nat, masq, …) is told as
 * handed to somebody else, which is a verdict, too.
 */
#include "diag/fw_view.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include "kern/foreign.h"

#define NEXT_HEADER 6		/* offset in the IPv6 header */
#define PHYSDEV_BRIDGED 4	/* XT_PHYSDEV_OP_BRIDGED of linux/netfilter/xt_physdev.h: */

struct maker {
	const struct snapshot *s;
	struct arena *arena;
	enum fw_view_how how;
	struct world world;		/* names of interfaces */
	const struct snap_table *table;
	uint32_t untold;		/* register with the next header in it; 0: none */
	struct nft_elem *elems;		/* of the set that was looked up last */
	struct nlb b;
};

/* ---- expressions ---- */

static void put_data(struct nlb *b, uint16_t type, const struct snap_bytes *bytes)
{
	size_t nest = nlb_nest(b, type);

	nlb_put(b, NFTA_DATA_VALUE, bytes->p, bytes->n);
	nlb_end(b, nest);
}

static void put_verdict(struct nlb *b, const struct snap_expr *e)
{
	size_t data = nlb_nest(b, NFTA_IMMEDIATE_DATA), verdict = nlb_nest(b, NFTA_DATA_VERDICT);

	nlb_be32(b, NFTA_VERDICT_CODE, (uint32_t)e->verdict);
	if (e->chain[0])
		nlb_strz(b, NFTA_VERDICT_CHAIN, e->chain);
	nlb_end(b, verdict);
	nlb_end(b, data);
}

static void put_meta(struct nlb *b, const struct snap_expr *e)
{
	if (e->dreg)
		nlb_be32(b, NFTA_META_DREG, e->dreg);
	else
		nlb_be32(b, NFTA_META_SREG, e->sreg);
	nlb_be32(b, NFTA_META_KEY, e->key);
}

static void put_ct(struct nlb *b, const struct snap_expr *e)
{
	if (e->dreg)
		nlb_be32(b, NFTA_CT_DREG, e->dreg);
	else
		nlb_be32(b, NFTA_CT_SREG, e->sreg);
	nlb_be32(b, NFTA_CT_KEY, e->key);
}

static void put_payload(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, e->dreg ? NFTA_PAYLOAD_DREG : NFTA_PAYLOAD_SREG, e->dreg ? e->dreg : e->sreg);
	nlb_be32(b, NFTA_PAYLOAD_BASE, e->base);
	nlb_be32(b, NFTA_PAYLOAD_OFFSET, e->offset);
	nlb_be32(b, NFTA_PAYLOAD_LEN, e->len);
}

static void put_cmp(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, NFTA_CMP_SREG, e->sreg);
	nlb_be32(b, NFTA_CMP_OP, e->op);
	put_data(b, NFTA_CMP_DATA, &e->data);
}

static void put_range(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, NFTA_RANGE_SREG, e->sreg);
	nlb_be32(b, NFTA_RANGE_OP, e->op);
	put_data(b, NFTA_RANGE_FROM_DATA, &e->data);
	put_data(b, NFTA_RANGE_TO_DATA, &e->data2);
}

static void put_bitwise(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, NFTA_BITWISE_SREG, e->sreg);
	nlb_be32(b, NFTA_BITWISE_DREG, e->dreg);
	nlb_be32(b, NFTA_BITWISE_LEN, e->len);
	nlb_be32(b, NFTA_BITWISE_OP, e->op);
	if (e->op != NFT_BITWISE_BOOL)
		return;
	put_data(b, NFTA_BITWISE_MASK, &e->data);
	put_data(b, NFTA_BITWISE_XOR, &e->data2);
}

/* A lookup without a destination decides by itself; register 0 is the verdict. */
static void put_lookup(struct maker *m, const struct snap_expr *e)
{
	const struct snap_set *set = snap_set(m->table, e->set);

	nlb_strz(&m->b, NFTA_LOOKUP_SET, e->set);
	nlb_be32(&m->b, NFTA_LOOKUP_SREG, e->sreg);
	nlb_be32(&m->b, NFTA_LOOKUP_FLAGS, e->flags);
	if (e->dreg || (set && set->flags & NFT_SET_MAP))
		nlb_be32(&m->b, NFTA_LOOKUP_DREG, e->dreg);
}

static void put_immediate(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, NFTA_IMMEDIATE_DREG, e->dreg);
	if (e->has_verdict)
		put_verdict(b, e);
	else
		put_data(b, NFTA_IMMEDIATE_DATA, &e->data);
}

static void put_fib(struct nlb *b, const struct snap_expr *e)
{
	nlb_be32(b, NFTA_FIB_DREG, e->dreg);
	nlb_be32(b, NFTA_FIB_RESULT, e->key);
	nlb_be32(b, NFTA_FIB_FLAGS, e->flags);
}

static void put_xt(struct nlb *b, const struct snap_expr *e)
{
	nlb_strz(b, NFTA_MATCH_NAME, strchr(e->name, ':') + 1);	/* the same numbers for a target */
	nlb_be32(b, NFTA_MATCH_REV, e->key);
	nlb_put(b, NFTA_MATCH_INFO, e->data.p, e->data.n);
}

static bool ends_elsewhere(const char *name)
{
	static const char *const names[] = { "nat", "masq", "redir", "tproxy", "queue", "fwd", "synproxy" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *name_of(const struct snap_expr *e)
{
	if (strncmp(e->name, "match:", 6) == 0)
		return "match";
	if (strncmp(e->name, "target:", 7) == 0)
		return "target";
	return ends_elsewhere(e->name) ? "queue" : e->name;
}

/* struct xt_physdev_info: four arrays of 16 bytes, then what is inverted, then what is asked for. */
static bool asks_whether_bridged(const struct snap_expr *e)
{
	return strcmp(e->name, "match:physdev") == 0 && e->data.n >= 66 && e->data.p[64] == 0 &&
	       e->data.p[65] == PHYSDEV_BRIDGED;
}

/* Comparing what this loads with a protocol never holds: it stands for a thing that our packets don't tell. */
static struct snap_expr untold(const struct snap_expr *load)
{
	return (struct snap_expr){ .name = "fib", .dreg = load->dreg, .key = NFT_FIB_RESULT_ADDRTYPE, .flags = NFTA_FIB_F_DADDR };
}

static bool loads_next_header(const struct snap_expr *e)
{
	return strcmp(e->name, "payload") == 0 && e->base == NFT_PAYLOAD_NETWORK_HEADER && e->offset == NEXT_HEADER &&
	       e->len == 1 && e->dreg;
}

static void put_expr(struct maker *m, const struct snap_expr *e)
{
	static const uint8_t none[4] = { 0 };
	struct snap_expr other = untold(e);
	struct nlb *b = &m->b;

	if (m->how == FW_VIEW_EXTENDED && loads_next_header(e)) {
		m->untold = e->dreg;
		e = &other;
	} else if (m->untold > 0 && e->sreg == m->untold && e->dreg == 0 && strcmp(e->name, "immediate") != 0) {
		other = (struct snap_expr){ .name = "cmp", .sreg = e->sreg, .op = NFT_CMP_EQ, .data = { none, sizeof(none) } };
		e = &other;
	}

	if (m->how == FW_VIEW_BRIDGED && asks_whether_bridged(e))
		return;
	size_t elem = nlb_nest(b, NFTA_LIST_ELEM);
	const char *name = name_of(e);

	nlb_strz(b, NFTA_EXPR_NAME, name);
	size_t data = nlb_nest(b, NFTA_EXPR_DATA);
	if (strcmp(name, "meta") == 0)
		put_meta(b, e);
	else if (strcmp(name, "ct") == 0)
		put_ct(b, e);
	else if (strcmp(name, "payload") == 0)
		put_payload(b, e);
	else if (strcmp(name, "cmp") == 0)
		put_cmp(b, e);
	else if (strcmp(name, "range") == 0)
		put_range(b, e);
	else if (strcmp(name, "bitwise") == 0)
		put_bitwise(b, e);
	else if (strcmp(name, "lookup") == 0)
		put_lookup(m, e);
	else if (strcmp(name, "immediate") == 0)
		put_immediate(b, e);
	else if (strcmp(name, "fib") == 0)
		put_fib(b, e);
	else if (strcmp(name, "match") == 0 || strcmp(name, "target") == 0)
		put_xt(b, e);
	nlb_end(b, data);
	nlb_end(b, elem);
}

/* ---- sets ---- */

static enum nft_verdict verdict_of(const struct snap_elem *e)
{
	switch (e->verdict) {
	case NF_ACCEPT:
		return NFT_VERDICT_ACCEPT;
	case NF_DROP:
		return NFT_VERDICT_DROP;
	case NFT_JUMP:
		return NFT_VERDICT_JUMP;
	case NFT_GOTO:
		return NFT_VERDICT_GOTO;
	case NFT_RETURN:
		return NFT_VERDICT_RETURN;
	default:
		return NFT_VERDICT_NONE;
	}
}

static bool read_set(void *user, const char *name, const struct nft_elem **ret, size_t *ret_n)
{
	struct maker *m = user;
	const struct snap_set *set = snap_set(m->table, name);

	if (!set || !set->complete)
		return false;
	m->elems = arena_alloc(m->arena, set->n_elems + 1, sizeof(*m->elems));
	for (size_t i = 0; i < set->n_elems; i++) {
		const struct snap_elem *from = &set->elems[i];
		struct nft_elem *e = &m->elems[i];

		if (from->catchall || from->key.n > NFT_KEY_MAX || from->key_end.n > NFT_KEY_MAX)
			return false;
		e->set = name;
		e->key_len = (uint8_t)from->key.n;
		e->key_end_len = (uint8_t)from->key_end.n;
		memcpy(e->key, from->key.p, from->key.n);
		if (from->key_end.n > 0)
			memcpy(e->key_end, from->key_end.p, from->key_end.n);
		if (from->has_verdict) {
			e->verdict = verdict_of(from);
			(void)str_copy(e->chain, sizeof(e->chain), from->chain);
		}
	}
	*ret = m->elems;
	*ret_n = set->n_elems;
	return true;
}

/* ---- chains and tables ---- */

static void put_rule(struct maker *m, const struct snap_nft_rule *rule)
{
	const struct nfgenmsg nf = { .nfgen_family = m->table->family };
	uint8_t handle[8];

	m->untold = 0;
	nlb_reset(&m->b);
	nlb_msg(&m->b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE), 0, &nf, sizeof(nf));
	for (size_t i = 0; i < sizeof(handle); i++)
		handle[i] = (uint8_t)(rule->handle >> (56 - 8 * i));
	nlb_put(&m->b, NFTA_RULE_HANDLE, handle, sizeof(handle));
	size_t list = nlb_nest(&m->b, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < rule->n_exprs; i++)
		put_expr(m, &rule->exprs[i]);
	nlb_end(&m->b, list);
}

static enum fw_hook hook_of(const struct snap_chain *c)
{
	return c->base ? foreign_hook(c->type, c->hook) : FW_HOOK_NONE;
}

static void make_chain(struct maker *m, const struct snap_chain *from, struct fw_chain *c)
{
	const struct foreign_sets sets = { .read = read_set, .user = m };
	struct foreign_rules rules = { .arena = m->arena };

	for (size_t i = 0; i < from->n_rules; i++) {
		size_t before = rules.n;

		put_rule(m, &from->rules[i]);
		if (m->b.bad)
			continue;	/* an attribute that netlink couldn't have told, out of a file */
		foreign_parse_rule((const void *)m->b.p, &m->world, &sets, &rules);
		for (size_t k = before; k < rules.n && from->rules[i].comment[0]; k++)
			rules.rules[k].comment = from->rules[i].comment;
	}
	*c = (struct fw_chain){
		.name = from->name,
		.hook = hook_of(from),
		.drops = from->base && from->policy == NF_DROP,
		.rules = rules.rules,
		.n_rules = rules.n,
	};
}

static void make_table(struct maker *m, const struct snap_table *from, struct fw_table *t)
{
	m->table = from;
	*t = (struct fw_table){
		.family = from->family,
		.name = from->name,
		.xt = str_eq(from->owner, "iptables"),
		.locked = from->flags & NFT_TABLE_F_OWNER,
		.chains = arena_alloc(m->arena, from->n_chains + 1, sizeof(*t->chains)),
		.n_chains = from->n_chains,
	};
	for (size_t i = 0; i < from->n_chains; i++)
		make_chain(m, &from->chains[i], &t->chains[i]);
}

/* Unknown conditions are left out of whatever doesn't drop. */
static struct fw_rule kind_rule(struct arena *arena, const struct fw_rule *from)
{
	struct fw_rule rule = *from;
	struct fw_cond *conds = arena_alloc(arena, from->n_conds + 1, sizeof(*conds));

	if (from->verdict == FW_VERDICT_DROP)
		return rule;
	rule.n_conds = 0;
	for (size_t i = 0; i < from->n_conds; i++)
		if (from->conds[i].kind != FW_COND_OTHER)
			conds[rule.n_conds++] = from->conds[i];
	rule.conds = conds;
	return rule;
}

static struct fw_table kind_table(struct arena *arena, const struct fw_table *from)
{
	struct fw_table t = *from;

	t.chains = arena_alloc(arena, from->n_chains + 1, sizeof(*t.chains));
	for (size_t i = 0; i < from->n_chains; i++) {
		struct fw_chain *c = &t.chains[i];

		*c = from->chains[i];
		c->rules = arena_alloc(arena, c->n_rules + 1, sizeof(*c->rules));
		for (size_t k = 0; k < c->n_rules; k++)
			c->rules[k] = kind_rule(arena, &from->chains[i].rules[k]);
	}
	return t;
}

static void name_links(struct maker *m)
{
	m->world.links = arena_alloc(m->arena, m->s->n_links + 1, sizeof(*m->world.links));
	for (size_t i = 0; i < m->s->n_links; i++) {
		m->world.links[i].ifindex = m->s->links[i].ifindex;
		(void)str_copy(m->world.links[i].name, sizeof(m->world.links[i].name), m->s->links[i].name);
	}
	m->world.n_links = m->s->n_links;
}

struct fw_view fw_view(const struct snapshot *s, struct arena *arena, enum fw_view_how how)
{
	struct maker m = { .s = s, .arena = arena, .how = how };
	struct fw_view view = { 0 };

	name_links(&m);
	view.tables = arena_alloc(arena, s->n_tables + s->n_legacy + 1, sizeof(*view.tables));
	view.of = arena_alloc(arena, s->n_tables + s->n_legacy + 1, sizeof(*view.of));
	for (size_t i = 0; i < s->n_tables; i++) {
		if (str_eq(s->tables[i].owner, "sixtap") || s->tables[i].flags & NFT_TABLE_F_DORMANT)
			continue;
		view.of[view.n] = &s->tables[i];
		make_table(&m, &s->tables[i], &view.tables[view.n++]);
	}
	for (size_t i = 0; i < s->n_legacy; i++) {
		const struct snap_legacy *l = &s->legacy[i];

		if (foreign_parse_legacy(arena, l->family, l->name, l->info.p, l->info.n, l->block.p, l->block.n,
					 &view.tables[view.n]))
			view.n++;
	}
	nlb_free(&m.b);
	view.kind = arena_alloc(arena, view.n + 1, sizeof(*view.kind));
	for (size_t i = 0; i < view.n; i++)
		view.kind[i] = kind_table(arena, &view.tables[i]);
	return view;
}

/* ---- asking ---- */

static bool sees(uint8_t table, uint8_t family)
{
	return table == NFPROTO_INET || table == (family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static bool is_builtin(const char *name, uint32_t hook)
{
	return hook < ARRAY_LEN(foreign_builtins) && strcmp(foreign_builtins[hook], name) == 0;
}

static const char *owner_of(const struct fw_view *view, size_t i)
{
	const char *owner = foreign_owner(&view->tables[i], NULL);

	if (owner)
		return owner;
	return view->of[i] && !str_eq(view->of[i]->owner, "iptables") ? view->of[i]->owner : "";
}

void fw_each(const struct fw_view *view, uint8_t family, uint32_t hook, const char *type,
	     void (*fn)(void *user, const struct fw_base *base), void *user)
{
	for (size_t i = 0; i < view->n; i++) {
		const struct fw_table *t = &view->tables[i];
		const struct snap_table *of = view->of[i];

		for (size_t k = 0; sees(t->family, family) && k < t->n_chains; k++) {
			const struct snap_chain *c = of ? &of->chains[k] : NULL;
			bool here = c ? c->base && c->hook == hook && str_eq(c->type, type) :
					is_builtin(t->chains[k].name, hook) && str_eq(t->name, type);
			const struct fw_base base = { t, &t->chains[k], c, owner_of(view, i) };

			if (here)
				fn(user, &base);
		}
	}
}

const char *fw_base_name(struct arena *arena, const struct fw_base *base)
{
	return arena_printf(arena, "%s%schain %s", base->owner[0] ? base->owner : "", base->owner[0] ? "'s " : "",
			    foreign_name(arena, base->table, base->chain));
}

struct search {
	const struct fw_view *view;
	const struct fw_packet *packet;
	struct fw_hits *hits;
};

/* Where a chain's rule with that handle stands; its policy comes last. */
static size_t place_of(const struct fw_chain *chain, uint64_t handle)
{
	size_t i = 0;

	while (i < chain->n_rules && (handle == 0 || chain->rules[i].handle != handle))
		i++;
	return i;
}

static void try_drop(void *user, const struct fw_base *base)
{
	const struct search *q = user;
	const struct fw_table *kind = &q->view->kind[base->table - q->view->tables];
	struct fw_hits *hits = q->hits;
	struct fw_hit hit = { .base = *base };
	struct fw_drop drop;

	if (!foreign_drops(base->table, base->chain, q->packet, true, &hit.drop) ||
	    !foreign_drops(kind, &kind->chains[base->chain - base->table->chains], q->packet, true, &drop))
		return;
	if (hit.drop.point) {
		const char *owner = foreign_owner(base->table, hit.drop.point);

		if (owner)
			hit.base.owner = owner;
	}
	for (size_t i = 0; i < hits->n; i++) {
		if (hits->list[i].base.chain != base->chain)
			continue;
		if (place_of(base->chain, hit.drop.at) < place_of(base->chain, hits->list[i].drop.at))
			hits->list[i].drop.at = hit.drop.at;
		return;
	}
	if (hits->n < FW_HITS_MAX)
		hits->list[hits->n++] = hit;
}

size_t fw_drops(const struct fw_view *view, uint32_t hook, const struct fw_packet *packet, struct fw_hits *hits)
{
	struct search q = { .view = view, .packet = packet, .hits = hits };

	fw_each(view, (uint8_t)packet->family, hook, "filter", try_drop, &q);
	return hits->n;
}

const char *fw_hits_name(struct arena *arena, const struct fw_hits *hits)
{
	const char *text = fw_base_name(arena, &hits->list[0].base);

	for (size_t i = 1; i < hits->n; i++)
		text = arena_printf(arena, "%s%s%s", text, i + 1 < hits->n ? ", " : " and ", fw_base_name(arena, &hits->list[i].base));
	return text;
}

const char *fw_hits_chains(struct arena *arena, const struct fw_hits *hits)
{
	const char *text = "";

	for (size_t i = 0; i < hits->n; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? ", " : "",
				    foreign_name(arena, hits->list[i].base.table, hits->list[i].base.chain));
	return text;
}
