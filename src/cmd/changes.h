/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * changes - a list of changes and how far they are, for a person
 */
#pragma once
#include "cmd/cmd.h"
#include "model/desired.h"

/* Print `changes` of the contract as look.md has them; @full: like changes one by one. */
void changes_print(struct cmd *cmd, const json_t *changes, bool full);

/* The progress line: rewritten in place, on a terminal and after half a second. */
struct changes_progress {
	uint64_t started;	/* mono_t */
	bool full;
	bool shown;		/* a line stands there and must be wiped */
	const struct desired *desired;	/* what the request is about: these networks, */
	char *const *names;		/* or these of them; NULL and 0: all that there are */
	int n_names;
};

/* Whether a request is about a network, by the members above. */
bool changes_concern(const struct changes_progress *p, const char *network);

void changes_progress(struct cmd *cmd, const json_t *progress, void *user);	/* client_progress_fn; user: the struct */
void changes_progress_end(struct cmd *cmd, struct changes_progress *p);
