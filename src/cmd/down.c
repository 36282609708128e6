/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * down - sixtap down: take networks down, and the daemon when none is left
 */
#include <stdio.h>
#include <unistd.h>
#include "base/time.h"
#include "cmd/changes.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "ctl/paths.h"

/* Without a daemon something may still be up: one that was killed left its records. */
static bool left_something(struct cmd *cmd)
{
	return access(PATHS_JOIN(cmd->run_dir, "state/network"), F_OK) == 0 &&
	       rmdir(PATHS_JOIN(cmd->run_dir, "state/network")) != 0;
}

int cmd_down(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(control_freep) struct control *control = NULL;
	struct changes_progress progress = { .started = mono_now() };
	json_t *answer = NULL;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (!client_is_root(cmd, "down"))
		return EXIT_FAILED;
	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) != 0) {
		if (!left_something(cmd)) {
			if (cmd->json)
				cmd_json(cmd, json_pack("{s:b, s:[], s:[]}", "changed", 0, "changes", "networks"));
			else if (!cmd->quiet)
				(void)printf("nothing is up\n");
			return EXIT_DONE;
		}
		if (client_connect(cmd, CLIENT_START, &control) != 0)
			return EXIT_FAILED;
	}
	json_t *request = ctl_request_new(CTL_DOWN);
	client_add_networks(request, argv + optind, argc - optind);
	(void)json_object_set_new(request, "quit", json_boolean(optind >= argc));
	int r = client_ask(cmd, control, request, changes_progress, &progress, &answer, NULL, NULL);
	changes_progress_end(cmd, &progress);
	if (r != 0)
		return EXIT_FAILED;
	if (optind >= argc)
		client_wait_gone(cmd);
	bool changed = json_is_true(json_object_get(answer, "changed"));
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (!cmd->quiet)
		(void)printf("%s %s\n", cmd_glyph(cmd, GLYPH_OK),
			     changed ? optind < argc ? "down" : "all networks are down" : "nothing to change");
	json_decref(answer);
	return EXIT_DONE;
}
