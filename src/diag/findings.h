/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * findings - what the rules found, with evidence and ways to mend it
 *
 * Theory of operation: a rule (diag/rule.h) calls findings_add() for each
 * thing that is broken and fills in the rest through the functions here. All
 * strings are copied into the findings' arena; a rule may pass what it likes.
 * findings_order() then puts causes before what follows from them. The same
 * struct becomes text (cmd/doctor_show.c) and JSON (findings_json()).
 *
 * A fix is a way to mend one finding. One that `doctor --fix` can do itself
 * has ops (applied through kern/apply, taken back when they don't help) or
 * `run`, arguments for sixtap itself, where the daemon is the owner. One with
 * commands only is for the reader to do. Order matters: the first fix that
 * can be done is what --fix does without =WAY, so what looks like a cure and
 * isn't, or costs something, comes later or is said to be by_name.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/report.h"
#include "plan/op.h"

struct guest_address;
struct roles;
struct rule;
struct snapshot;

#define FINDING_COLUMNS 5
#define FINDING_ABOUT 6
#define FIX_COMMANDS 12
#define FIX_RUN 8

enum fix_lasts {
	FIX_LASTS_LIVE,			/* until a reboot, or until the thing is made anew */
	FIX_LASTS_UNTIL_RESTART,	/* until the service or guest that owns it restarts */
	FIX_LASTS_REBOOT_SAFE,
	FIX_LASTS_N_,
};
extern const char *const fix_lasts_name[FIX_LASTS_N_];

/* A line that makes a live change outlive a reboot: into our file below /etc/sysctl.d. */
struct fix_persist {
	const char *path;	/* below /proc/sys, with slashes */
	const char *value;
};

struct diag_fix {
	const char *way;	/* one word that --fix=WAY takes: "accept-ra", "adopt" */
	const char *note;	/* one clause for a person: what it costs, how long it holds; or NULL */
	const char *commands[FIX_COMMANDS];	/* what does the same by hand */
	size_t n_commands;
	enum fix_lasts lasts;
	struct ops *ops;	/* what --fix applies; NULL: nothing */
	const char *run[FIX_RUN];	/* arguments for sixtap itself, "adopt", "libvirt:ha"; NULL-terminated */
	size_t n_run;
	struct fix_persist *persist;	/* written after it has helped; makes it reboot-safe */
	size_t n_persist, cap_persist;
	bool by_name;		/* only with --fix=WAY: it takes something away, or is the lesser cure */
};

struct diag_value {
	const char *key;	/* snake_case; JSON's key and the text's label */
	const char *value;
};

struct diag_finding {
	const struct rule *rule;
	enum severity severity;
	const char *subject;	/* interface, NETWORK/GUEST, network, address or "host" */
	const char *guest;	/* NETWORK/GUEST, libvirt:NAME, xen:NAME; or NULL */
	const char *network;	/* one of ours, or NULL */
	const char *what;	/* one sentence: what is broken for whom */
	const char *why;	/* one or two sentences: the mechanism */
	const char *seen_in;	/* what shows the evidence by other means: "ip -6 route, sysctl …"; or NULL */
	bool settling;		/* may be over by itself in a second or two: look again before it is said */
	bool measured;		/* a probe has confirmed it; else it is deduced */
	const char *about[FINDING_ABOUT];	/* other names that it concerns: for SUBJECT on the command line, and causes */
	size_t n_about;
	struct diag_value *values;
	size_t n_values, cap_values;
	const char *head[FINDING_COLUMNS];	/* of the table; head[0] NULL: there is none */
	const char *(*rows)[FINDING_COLUMNS];
	size_t n_rows, cap_rows;
	struct diag_fix **fixes;
	size_t n_fixes, cap_fixes;

	struct findings *all;	/* owner */
	struct diag_finding *cause;	/* set by findings_order(); or NULL */
	unsigned int depth;	/* below how many causes; likewise */
	enum severity rank;	/* the worst of it and what follows from it; likewise */
	size_t seq;		/* order of adding */
};

/* A rule that could not be judged, or not for everything. */
struct diag_unchecked {
	const struct rule *rule;
	bool in_part;
	const char **because;
	size_t n, cap;
};

struct findings {
	struct arena *arena;		/* owned */
	struct diag_finding **list;	/* in order after findings_order() */
	size_t n, cap;
	struct diag_unchecked *unchecked;
	size_t n_unchecked, cap_unchecked;
	size_t n_rules;			/* looked for, those in unchecked included */
	const struct rule *rule;	/* that judges now */
	/* While rules judge: */
	const struct roles *roles;		/* of the snapshot's interfaces */
	const struct guest_address *guests;	/* made by guest_addresses() of diag/rule_guests.h */
	size_t n_guests;
};

struct findings *findings_new(void);
struct findings *findings_free(struct findings *found);
DEFINE_FREEP(struct findings, findings_free)

/**
 * findings_add() - Something is broken
 * @found:	the findings; found->rule is the rule that speaks
 * @subject:	what is broken, as contract.md's `subject`
 *
 * The severity is the rule's until the rule says otherwise.
 *
 * Return: the finding, owned by @found, to be completed with the functions below
 */
struct diag_finding *findings_add(struct findings *found, const char *subject);

void finding_what(struct diag_finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_why(struct diag_finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_seen_in(struct diag_finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_value(struct diag_finding *f, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void finding_guest(struct diag_finding *f, const char *guest);
void finding_network(struct diag_finding *f, const char *network);
void finding_about(struct diag_finding *f, const char *name);

/* Evidence as a table: heads first, then rows of as many cells. */
void finding_head(struct diag_finding *f, const char *const cells[static FINDING_COLUMNS]);
void finding_row(struct diag_finding *f, const char *const cells[static FINDING_COLUMNS]);
#define FINDING_HEAD(f, ...) finding_head((f), (const char *const[FINDING_COLUMNS]){ __VA_ARGS__ })
#define FINDING_ROW(f, ...) finding_row((f), (const char *const[FINDING_COLUMNS]){ __VA_ARGS__ })

/* A way to mend it; the first one that can be done is what --fix does. */
struct diag_fix *finding_fix(struct diag_finding *f, const char *way, enum fix_lasts lasts);
void fix_note(struct diag_finding *f, struct diag_fix *fix, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void fix_command(struct diag_finding *f, struct diag_fix *fix, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* sixtap itself does it: up to FIX_RUN - 1 arguments, NULL last. Adds the command, too. */
void fix_run(struct diag_finding *f, struct diag_fix *fix, const char *const *argv);
/* An op for --fix; object, what and why are strings of fix->ops->arena. Add the command that does the same yourself. */
struct op *fix_op(struct diag_fix *fix, enum op_kind kind, enum op_action action);

/**
 * fix_sysctl() - Mend by a setting: the op, the command and the line for sysctl.d
 * @f:		the finding
 * @fix:	one of its fixes
 * @path:	below /proc/sys, with slashes: "net/ipv6/conf/eth0/accept_ra"
 * @old:	its value now, or NULL when it isn't known (then it can't be taken back)
 * @value:	the value to set
 */
void fix_sysctl(struct diag_finding *f, struct diag_fix *fix, const char *path, const char *old, const char *value);
/* Also for what the way only sets on the side and nobody should find in sysctl.d: the op and the command alone. */
void fix_sysctl_live(struct diag_finding *f, struct diag_fix *fix, const char *path, const char *old, const char *value);
/* Wait until @device has a default route by RA again; sends router solicitations. */
void fix_confirm_route(struct diag_fix *fix, const char *device);

/* A route of the main table, made or taken away; also the command. */
void fix_route(struct diag_finding *f, struct diag_fix *fix, bool add, const char *device, const struct op_route *route);

/* Can --fix do it? */
bool fix_can(const struct diag_fix *fix);
/* What --fix would do: the fix called @way, or the first that can be done. NULL: nothing, also for infos. */
const struct diag_fix *finding_fix_for(const struct diag_finding *f, const char *way);

/* found->rule can't be judged, or @in_part: not for everything, because. */
void findings_unchecked(struct findings *found, bool in_part, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t findings_n_unchecked(const struct findings *found);	/* without those in part */

/**
 * findings_order() - Errors first, and what follows from a cause right after that
 *
 * By the `causes` of the rules' table. Called once, when all rules have spoken.
 */
void findings_order(struct findings *found);

/* The finding of this rule and subject, or NULL. */
struct diag_finding *findings_find(const struct findings *found, const char *id, const char *subject);
size_t findings_count(const struct findings *found, enum severity severity);

/* {"checked","unchecked","findings"} of contract.md; new reference. */
json_t *findings_json(const struct findings *found);
/* One finding as in there. */
json_t *finding_json(const struct diag_finding *f);
