/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * save - bring a live change into the file that its network came from
 */
#pragma once
#include "cmd/client.h"

/**
 * save_forward() - Add a forward to the file, or take it out, and have that applied
 * @add:	or take out
 * @spec:	in its normal form
 * @answer:	the daemon's to the change: "file", "source", "text" that is in force, "mac" of an undeclared guest
 * @ret_saved:	the file was changed
 *
 * The file is replaced at once, keeping comments, layout, mode and owner. When
 * it holds other changes than those in force, it is left to `up` to apply it.
 *
 * Return: 0, or 1 with errors in cmd->report; the lines to write by hand are in them
 */
int save_forward(struct cmd *cmd, struct control *control, bool add, const char *network, const char *guest,
		 const char *spec, const json_t *answer, bool *ret_saved);
