/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local - a plan made here, without the daemon
 *
 * For `plan` when no daemon runs, and for the reasons when `up` fails: as root
 * we can tell which program has a port, the daemon can't.
 */
#pragma once
#include "cmd/cmd.h"
#include "model/desired.h"

/**
 * local_plan() - Observe and plan in this process
 * @desired:	the configuration
 * @names:	which networks; @n_names 0: all
 * @ret:	{"changes": …} (new reference), set when 0 is returned
 *
 * Return: 0, or 1 with errors in cmd->report
 */
int local_plan(struct cmd *cmd, const struct desired *desired, char **names, int n_names, json_t **ret);

/* After the daemon refused: when the same keeps us from it, our findings take the place of its own. */
void local_explain(struct cmd *cmd, const struct desired *desired, char **names, int n_names);
