/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_walk - one packet through one chain of others
 */
#include "plan/foreign.h"

#include <string.h>

#define DEPTH_MAX 16		/* the kernel's own limit of jumps */
#define STEPS_MAX 200000	/* rules looked at: a ruleset that goes round and round ends here */

/* Chains that their owners leave to others, by name. */
static const char *const points[] = {
	"DOCKER-USER", "ufw-user-forward", "ufw6-user-forward", "ufw-user-input", "ufw6-user-input", "ufw-user-output",
	"ufw6-user-output",
};

struct walk {
	const struct fw_table *table;
	const struct fw_packet *packet;
	bool with_ours;
	size_t steps;
	const struct fw_chain *point;
	const struct fw_rule *last;	/* that decided */
};

enum fate {
	FATE_ON,	/* to the end of the chain */
	FATE_LEFT,	/* the same, but before the end: by a return or a goto */
	FATE_ACCEPT,
	FATE_DROP,
};

static bool name_in(const struct fw_cond *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t n = strlen(c->names[i]);

		if (n > 0 && c->names[i][n - 1] == '*' ? strncmp(c->names[i], name, n - 1) == 0 :
							 strcmp(c->names[i], name) == 0)
			return true;
	}
	return false;
}

static bool number_in(const struct fw_cond *c, uint32_t v)
{
	for (size_t i = 0; i < c->n; i++)
		if (v >= c->ranges[i].first && v <= c->ranges[i].last)
			return true;
	return false;
}

static bool is_icmp(uint8_t l4proto)
{
	return l4proto == 1 || l4proto == 58;
}

/* What isn't told can't hold, nor can its opposite. */
static bool holds(const struct fw_cond *c, const struct fw_packet *p)
{
	switch (c->kind) {
	case FW_COND_IIF:
		return p->iif && name_in(c, p->iif) != c->negated;
	case FW_COND_OIF:
		return p->oif && name_in(c, p->oif) != c->negated;
	case FW_COND_IBR:
		return p->ibr && name_in(c, p->ibr) != c->negated;
	case FW_COND_OBR:
		return p->obr && name_in(c, p->obr) != c->negated;
	case FW_COND_CT:
		return c->n > 0 && ((c->ranges[0].first & p->ct) != 0) != c->negated;
	case FW_COND_FAMILY:
		return number_in(c, p->family) != c->negated;
	case FW_COND_L4PROTO:
		return p->l4proto && number_in(c, p->l4proto) != c->negated;
	case FW_COND_DPORT:
		return p->dport && number_in(c, p->dport) != c->negated;
	case FW_COND_ICMP_TYPE:
		return is_icmp(p->l4proto) && number_in(c, p->icmp_type) != c->negated;
	case FW_COND_SADDR:
		return ip_is_set(&p->saddr) && prefix_contains(&c->prefix, &p->saddr) != c->negated;
	case FW_COND_DADDR:
		return ip_is_set(&p->daddr) && prefix_contains(&c->prefix, &p->daddr) != c->negated;
	case FW_COND_DTYPE:
		return p->dtype && c->n > 0 && ((c->ranges[0].first & p->dtype) != 0) != c->negated;
	case FW_COND_OTHER:
	case FW_COND_N_:
		break;
	}
	return false;
}

static bool matches(const struct walk *w, const struct fw_rule *rule)
{
	if (!w->with_ours && fw_rule_network(rule))
		return false;
	for (size_t i = 0; i < rule->n_conds; i++)
		if (!holds(&rule->conds[i], w->packet))
			return false;
	return true;
}

static void pass_point(struct walk *w, const struct fw_chain *chain)
{
	for (size_t i = 0; !w->point && i < sizeof(points) / sizeof(points[0]); i++)
		if (strcmp(chain->name, points[i]) == 0)
			w->point = chain;
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static enum fate run(struct walk *w, const struct fw_chain *chain, unsigned int depth, uint64_t *at)
{
	for (size_t i = 0; i < chain->n_rules; i++) {
		const struct fw_rule *rule = &chain->rules[i];
		const struct fw_chain *target;
		enum fate fate;

		if (++w->steps > STEPS_MAX || depth > DEPTH_MAX)
			return FATE_ACCEPT;
		if (!matches(w, rule))
			continue;
		if (at)
			*at = rule->handle;
		w->last = rule;
		switch (rule->verdict) {
		case FW_VERDICT_NONE:
			break;
		case FW_VERDICT_ACCEPT:
		case FW_VERDICT_OTHER:
			return FATE_ACCEPT;
		case FW_VERDICT_DROP:
			return FATE_DROP;
		case FW_VERDICT_RETURN:
			return FATE_LEFT;
		case FW_VERDICT_JUMP:
		case FW_VERDICT_GOTO:
			target = rule->target ? fw_chain_find(w->table, rule->target) : NULL;
			if (!target)
				return FATE_ACCEPT;	/* not understood: not ours to judge */
			pass_point(w, target);
			fate = run(w, target, depth + 1, NULL);
			if (fate == FATE_ACCEPT || fate == FATE_DROP)
				return fate;
			if (rule->verdict == FW_VERDICT_GOTO)
				return FATE_LEFT;
			break;
		case FW_VERDICT_N_:
			return FATE_ACCEPT;
		}
	}
	return FATE_ON;
}

bool foreign_drops(const struct fw_table *table, const struct fw_chain *chain, const struct fw_packet *packet,
		   bool with_ours, struct fw_drop *ret)
{
	struct walk w = { .table = table, .packet = packet, .with_ours = with_ours };
	uint64_t at = 0;
	enum fate fate = run(&w, chain, 0, &at);

	if (fate == FATE_ACCEPT || (fate != FATE_DROP && !chain->drops))
		return false;
	*ret = (struct fw_drop){ .at = fate == FATE_ON ? 0 : at, .point = w.point };
	return true;
}

const struct fw_rule *foreign_decides(const struct fw_table *table, const struct fw_chain *chain, const struct fw_packet *packet)
{
	struct walk w = { .table = table, .packet = packet, .with_ours = true };
	enum fate fate = run(&w, chain, 0, NULL);

	return fate == FATE_ACCEPT || fate == FATE_DROP ? w.last : NULL;
}
