/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fix_rule - mend a firewall: a rule in the chain that drops, or at its owner's own point
 */
#pragma once
#include "diag/findings.h"
#include "diag/fw_view.h"

#define FIX_RULE_COMMENT "sixtap-doctor:"	/* then whose sake it is for */

/* Rules that will be in @fix's op, marked as ours for the sake of @name; complete them with fw_rules_begin() and its fellows. */
struct fw_rules fix_rules(struct diag_fix *fix, const char *name);

/**
 * fix_rule() - The op, and the command that does the same
 * @f:		the finding
 * @fix:	one of its fixes
 * @hit:	the chain that drops, and where in it
 * @hook:	which hook the rules are for
 * @rules:	from fix_rules(), each accepts
 *
 * What is iptables-legacy's, or owned by a running program, gets the command alone. After the last one comes
 * fix_rules_end().
 */
void fix_rule(struct diag_finding *f, struct diag_fix *fix, const struct fw_hit *hit, enum fw_hook hook,
	      const struct fw_rules *rules);

/* Half of it would be of no use: where one of the chains isn't for --fix to change, the commands are all there is. */
void fix_rules_end(struct diag_fix *fix, const struct fw_hits *hits);
