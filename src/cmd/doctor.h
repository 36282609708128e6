/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor - what the files of `sixtap doctor` share
 *
 * doctor.c takes options and decides, doctor_read.c gets a snapshot,
 * doctor_show.c prints, doctor_path.c walks guests' ways, doctor_fix.c mends, doctor_compare.c tells two
 * snapshots apart.
 */
#pragma once
#include <jansson.h>
#include "cmd/cmd.h"
#include "diag/findings.h"
#include "diag/snapshot.h"

struct doctor {
	struct cmd *cmd;
	char **subjects;	/* what to look at; none: everything */
	size_t n_subjects;
	bool probe;
	bool full;		/* like findings are told one by one */
};

/* Read this host. Return: 0, or a negative errno with an error in the report. */
int doctor_read(struct doctor *doctor, struct snapshot **ret);

/* Does the finding concern one of the subjects that were named, or a cause or consequence of such? */
bool doctor_wants(const struct doctor *doctor, const struct diag_finding *f);

void doctor_show(const struct doctor *doctor, const struct snapshot *snap, const struct findings *found, double seconds);
/* Heading of one finding: glyph, subject, guest, id. */
void doctor_show_heading(const struct cmd *cmd, const struct diag_finding *f, int indent);

/**
 * doctor_fix() - Mend what can be mended, and show it
 * @doctor:	what to look at
 * @way:	which fix, or NULL: the first that can be done
 * @snap:	replaced by the last snapshot
 * @found:	likewise
 * @ret:	what was done, for JSON (new reference)
 *
 * Return: 0, or 1 with an error in the report
 */
int doctor_fix(struct doctor *doctor, const char *way, struct snapshot **snap, struct findings **found, json_t **ret);

/* The ways of guests that were named, to this host and to the outside. */
void doctor_show_paths(const struct doctor *doctor, const struct snapshot *snap);
json_t *doctor_paths_json(const struct doctor *doctor, const struct snapshot *snap);	/* a new reference */

int doctor_compare(struct cmd *cmd, const char *a, const char *b);
