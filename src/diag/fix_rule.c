/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fix_rule - mend a firewall: a rule in the chain that drops, or at its owner's own point
 */
#include "diag/fix_rule.h"

struct fw_rules fix_rules(struct diag_fix *fix, const char *name)
{
	if (!fix->ops)
		fix->ops = ops_new();
	return (struct fw_rules){ .arena = fix->ops->arena, .comment = arena_printf(fix->ops->arena, FIX_RULE_COMMENT "%s", name) };
}

static bool is_by_hand(const struct fw_table *table)
{
	return table->legacy || table->locked;
}

void fix_rule(struct diag_finding *f, struct diag_fix *fix, const struct fw_hit *hit, enum fw_hook hook,
	      const struct fw_rules *rules)
{
	const struct fw_base *base = &hit->base;
	const struct fw_drop *drop = &hit->drop;
	const struct fw_chain *to = drop->point ? drop->point : base->chain;
	struct arena *arena = fix->ops->arena;

	fix_command(f, fix, "%s", foreign_command(arena, base->table, to, hook, rules->list, rules->n));
	if (is_by_hand(base->table))
		return;
	struct op *op = ops_add(fix->ops, OP_RULE, OP_ACTION_CREATE);
	op->object = arena_printf(arena, "rule %s", foreign_name(arena, base->table, to));
	op->what = "accept";
	op->rule = (struct op_rule){
		.family = base->table->family,
		.table = arena_strdup(arena, base->table->name),
		.chain = arena_strdup(arena, to->name),
		.comment = rules->comment,
		.xt = base->table->xt,
		.before = drop->point ? foreign_end(to) : drop->at,
		.add = rules->list,
		.n_add = rules->n,
	};
}

void fix_rules_end(struct diag_fix *fix, const struct fw_hits *hits)
{
	for (size_t i = 0; i < hits->n && fix->ops; i++)
		if (is_by_hand(hits->list[i].base.table))
			fix->ops = ops_free(fix->ops);
}
