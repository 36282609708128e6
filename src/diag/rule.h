/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule - a fault that the doctor knows, and how to judge a snapshot by it
 *
 * Theory of operation: each section of the catalogue is a file rule_*.c with
 * one table, `const struct rule_section rules_x`, listed in rules.c. A rule is
 * a pure function of the snapshot: no system call, no clock, nothing static.
 * (rule_path.c, the last one, is silent where what was found so far explains it.)
 * found->roles (diag/role.h) tells what depends on an interface.
 * It speaks (findings_add()) only when something is really broken, or will be
 * at the next boot, for a guest, a network or the host's own connectivity; the
 * same settings on an interface that nothing depends on are silent, and so is
 * the healthy look-alike.
 *
 * A rule names the parts of the snapshot that it needs. When one of them could
 * not be read, the rule isn't called, and is listed as unchecked with the
 * snapshot's own reason; when only something of the part is missing (one
 * guest's QMP), it is called, and listed as unchecked in part. Every id has a section in man/sixtap-doctor.7.scd,
 * which is also what --explain prints (diag/explain.h); a unit test sees to it.
 */
#pragma once
#include "diag/findings.h"

enum rule_subject {
	RULE_SUBJECT_INTERFACE,
	RULE_SUBJECT_ADDRESS,		/* "ADDRESS%INTERFACE" or "ADDRESS" */
	RULE_SUBJECT_GUEST,
	RULE_SUBJECT_NETWORK,
	RULE_SUBJECT_HOST,		/* "host", or a setting's name */
	RULE_SUBJECT_N_,
};

#define RULE_CAUSES 4
#define RULE_NEEDS 4

enum rule_scope {
	RULE_SCOPE_SHARED = 1,	/* cause and consequence have a name (subject, guest, network, about) in common */
	RULE_SCOPE_HOST,	/* whichever subject: the cause is the whole host's */
};

/* When a finding of this id is there, too, ours follows from it. */
struct rule_cause {
	const char *id;		/* NULL after the last */
	enum rule_scope scope;
};

struct rule {
	const char *id;
	enum severity severity;		/* as a rule; a finding may say otherwise */
	enum rule_subject subject;
	const char *needs[RULE_NEEDS];	/* SNAP_PART_* of diag/snapshot.h, NULL after the last; rtnetlink's are always there */
	void (*judge)(const struct snapshot *snap, struct findings *found);
	struct rule_cause causes[RULE_CAUSES];
};

struct rule_section {
	const char *title;		/* as in the manual page */
	const struct rule *rules;
	size_t n;
};

extern const char *const rule_subject_name[RULE_SUBJECT_N_];

/* All rules, in the catalogue's order. */
size_t rules_n(void);
const struct rule *rules_get(size_t i);
const struct rule *rules_find(const char *id);

/**
 * rules_judge() - Judge a snapshot by all rules
 * @snap:	the snapshot
 *
 * Return: ordered findings; free with findings_free(); they borrow nothing of @snap
 */
struct findings *rules_judge(const struct snapshot *snap);
