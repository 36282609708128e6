/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules - the catalogue: every fault that the doctor knows
 *
 * A section is a file with its rules in it; the order here is the order of
 * findings of like severity, and of the manual page.
 */
#include "diag/rules.h"

#include "diag/role.h"
#include "diag/snapshot.h"

static const struct rule_section *const sections[] = {
	&rules_macvtap, &rules_bridge,	 &rules_host, &rules_address, &rules_forward,
	&rules_route,	&rules_firewall, &rules_nat,  &rules_service, &rules_path,
};

const char *const rule_subject_name[RULE_SUBJECT_N_] = {
	[RULE_SUBJECT_INTERFACE] = "interface", [RULE_SUBJECT_ADDRESS] = "address", [RULE_SUBJECT_GUEST] = "guest",
	[RULE_SUBJECT_NETWORK] = "network",	[RULE_SUBJECT_HOST] = "host",
};

size_t rules_n(void)
{
	size_t n = 0;

	for (size_t s = 0; s < ARRAY_LEN(sections); s++)
		n += sections[s]->n;
	return n;
}

const struct rule *rules_get(size_t i)
{
	for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
		if (i < sections[s]->n)
			return &sections[s]->rules[i];
		i -= sections[s]->n;
	}
	return NULL;
}

const struct rule *rules_find(const char *id)
{
	for (size_t i = 0; i < rules_n(); i++)
		if (str_eq(rules_get(i)->id, id))
			return rules_get(i);
	return NULL;
}

/* Lists what the rule can't see. Return: whether it can be judged at all. */
static bool can_judge(const struct snapshot *snap, struct findings *found)
{
	const struct rule *rule = found->rule;
	bool can = true;

	for (size_t n = 0; n < RULE_NEEDS && rule->needs[n]; n++)
		for (size_t i = 0; i < snap->n_unread; i++) {
			const struct snap_unread *u = &snap->unread[i];

			if (!str_eq(u->part, rule->needs[n]))
				continue;
			if (u->subject[0] == '\0') {
				findings_unchecked(found, false, "%s: %s", u->part, u->why);
				can = false;
			} else {
				findings_unchecked(found, true, "%s of %s: %s", u->part, u->subject, u->why);
			}
		}
	return can;
}

struct findings *rules_judge(const struct snapshot *snap)
{
	_cleanup_(roles_freep) struct roles *roles = roles_new(snap);
	struct findings *found = findings_new();

	found->n_rules = rules_n();
	found->roles = roles;
	for (size_t i = 0; i < found->n_rules; i++) {
		found->rule = rules_get(i);
		if (can_judge(snap, found))
			found->rule->judge(snap, found);
	}
	found->rule = NULL;
	found->roles = NULL;
	findings_order(found);
	return found;
}
