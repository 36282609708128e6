/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall - rules of others, as far as they matter to guests
 */
#include "model/firewall.h"

#include <assert.h>
#include <string.h>

bool fw_cond_same(const struct fw_cond *a, const struct fw_cond *b)
{
	if (a->kind != b->kind || a->negated != b->negated || a->n != b->n || !a->names != !b->names)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->names && !str_eq(a->names[i], b->names[i]))
			return false;
		if (!a->names && (a->ranges[i].first != b->ranges[i].first || a->ranges[i].last != b->ranges[i].last))
			return false;
	}
	if (a->kind == FW_COND_SADDR || a->kind == FW_COND_DADDR)
		return prefix_eq(&a->prefix, &b->prefix);
	return a->kind != FW_COND_OTHER;
}

bool fw_rule_same(const struct fw_rule *a, const struct fw_rule *b)
{
	if (a->n_conds != b->n_conds || a->verdict != b->verdict || !str_eq(a->target, b->target) ||
	    !str_eq(a->comment, b->comment))
		return false;
	for (size_t i = 0; i < a->n_conds; i++)
		if (!fw_cond_same(&a->conds[i], &b->conds[i]))
			return false;
	return true;
}

const char *fw_rule_network(const struct fw_rule *rule)
{
	static const char prefix[] = FW_COMMENT_PREFIX;

	if (!rule->comment || strncmp(rule->comment, prefix, strlen(prefix)) != 0)
		return NULL;
	return rule->comment + strlen(prefix);
}

const struct fw_chain *fw_chain_find(const struct fw_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_chains; i++)
		if (str_eq(table->chains[i].name, name))
			return &table->chains[i];
	return NULL;
}

static const char *strdup_or_null(struct arena *arena, const char *s)
{
	return s ? arena_strdup(arena, s) : NULL;
}

struct fw_rule fw_rule_copy(struct arena *arena, const struct fw_rule *rule)
{
	struct fw_cond *conds = arena_alloc(arena, rule->n_conds + 1, sizeof(*conds));
	struct fw_rule copy = *rule;

	for (size_t i = 0; i < rule->n_conds; i++) {
		struct fw_cond *c = &conds[i];

		*c = rule->conds[i];
		if (c->names) {
			const char **names = arena_alloc(arena, c->n + 1, sizeof(*names));

			for (size_t k = 0; k < c->n; k++)
				names[k] = arena_strdup(arena, c->names[k]);
			c->names = names;
		} else if (c->n > 0) {
			struct fw_range *ranges = arena_alloc(arena, c->n, sizeof(*ranges));

			memcpy(ranges, c->ranges, c->n * sizeof(*ranges));
			c->ranges = ranges;
		}
	}
	copy.conds = conds;
	copy.comment = strdup_or_null(arena, rule->comment);
	copy.target = strdup_or_null(arena, rule->target);
	return copy;
}

struct fw_table *fw_tables_copy(struct arena *arena, const struct fw_table *tables, size_t n)
{
	struct fw_table *copy = arena_alloc(arena, n + 1, sizeof(*copy));

	for (size_t t = 0; t < n; t++) {
		copy[t] = tables[t];
		copy[t].name = arena_strdup(arena, tables[t].name);
		copy[t].chains = arena_alloc(arena, tables[t].n_chains + 1, sizeof(*copy[t].chains));
		for (size_t c = 0; c < tables[t].n_chains; c++) {
			const struct fw_chain *from = &tables[t].chains[c];
			struct fw_chain *to = &copy[t].chains[c];

			*to = *from;
			to->name = arena_strdup(arena, from->name);
			to->rules = arena_alloc(arena, from->n_rules + 1, sizeof(*to->rules));
			for (size_t i = 0; i < from->n_rules; i++)
				to->rules[i] = fw_rule_copy(arena, &from->rules[i]);
		}
	}
	return copy;
}

#define CONDS_MAX 3

void fw_rules_begin(struct fw_rules *r)
{
	ARENA_GROW(r->arena, r->list, r->n, r->cap);
	r->list[r->n++] = (struct fw_rule){ .verdict = FW_VERDICT_ACCEPT, .comment = r->comment,
					    .conds = arena_alloc(r->arena, CONDS_MAX, sizeof(struct fw_cond)) };
}

static struct fw_cond *add_cond(struct fw_rules *r, enum fw_cond_kind kind)
{
	struct fw_rule *rule = &r->list[r->n - 1];

	assert(rule->n_conds < CONDS_MAX);
	struct fw_cond *c = (struct fw_cond *)&rule->conds[rule->n_conds++];
	c->kind = kind;
	c->n = 1;
	return c;
}

void fw_rules_device(struct fw_rules *r, enum fw_cond_kind kind, const char *device)
{
	const char **names = arena_alloc(r->arena, 1, sizeof(*names));

	names[0] = arena_strdup(r->arena, device);
	add_cond(r, kind)->names = names;
}

void fw_rules_number(struct fw_rules *r, enum fw_cond_kind kind, uint32_t v)
{
	struct fw_range *range = ARENA_NEW(r->arena, struct fw_range);

	*range = (struct fw_range){ v, v };
	add_cond(r, kind)->ranges = range;
}

void fw_rules_prefix(struct fw_rules *r, enum fw_cond_kind kind, const struct prefix *prefix)
{
	add_cond(r, kind)->prefix = (struct prefix){ prefix_network(prefix), prefix->len };
}
