/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local - a plan made here, without the daemon
 *
 * For `plan` when no daemon runs, and for the reasons when `up` fails: as root
 * we can tell which program has a port, the daemon can't.
 */
#pragma once
#include "cmd/cmd.h"
#include "conf/conf.h"
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

/**
 * local_add_down() - Add networks that the configuration declares and the daemon doesn't have
 * @networks:	"networks" of `status`; those that are added have "state": "down"
 * @names:	which may be added; @n_names 0: all
 *
 * A configuration that can't be read, or isn't valid, adds nothing.
 */
void local_add_down(struct cmd *cmd, json_t *networks, char **names, int n_names);

/**
 * local_guest_mac() - The MAC address that `run` would give a guest: the declared one, else one that is derived
 * Return: 0, or 1 with an error in cmd->report
 */
int local_guest_mac(struct cmd *cmd, const struct d_network *d, const char *guest, struct mac *ret);

/* The MAC of a guest that isn't declared. Return: as above. */
int local_derived_mac(struct cmd *cmd, const char *network, const char *guest, struct mac *ret);

/* After the daemon refused: when the same keeps us from it, our findings take the place of its own. */
void local_explain(struct cmd *cmd, const struct desired *desired, char **names, int n_names);
