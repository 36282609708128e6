/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm - sixtap confirm: keep what `up --confirm` did
 */
#include <stdio.h>
#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_confirm(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (optind < argc)
		return cmd_usage(cmd, "confirm takes no argument: one change waits at a time");
	if (!client_is_root(cmd, "confirm") || client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return EXIT_FAILED;
	if (client_ask(cmd, control, ctl_request_new(CTL_CONFIRM), NULL, NULL, &answer, NULL, NULL) != 0)
		return EXIT_FAILED;
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (!cmd->quiet)
		(void)printf("%s confirmed: the change stays\n", cmd_glyph(cmd, GLYPH_OK));
	json_decref(answer);
	return EXIT_DONE;
}
