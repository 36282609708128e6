/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan - sixtap plan: what `up` would change, and why
 *
 * A running daemon is asked, because it knows what is served and who has which
 * address. Without one the plan is made here, from what the kernel shows.
 */
#include <stdio.h>
#include <unistd.h>
#include "cmd/changes.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/local.h"

enum {
	OPT_CHECK = 1,
	OPT_FULL,
};

int cmd_plan(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "full", no_argument, NULL, OPT_FULL },
		{ 0 },
	};
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	bool check = false, full = false;
	json_t *answer = NULL;
	int opt, r;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_CHECK) {
			check = true;
			cmd->failed = EXIT_UNDETERMINED;	/* 1 means "there is a change" and nothing else */
		} else if (opt == OPT_FULL) {
			full = true;
		} else {
			return EXIT_USAGE;
		}
	}
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	if (geteuid() == 0 && client_connect(cmd, CLIENT_MAY_FAIL, &control) == 0) {
		json_t *request = ctl_request_new(CTL_PLAN);

		client_add_files(request, &files);
		client_add_networks(request, argv + optind, argc - optind);
		r = client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL);
		if (r != 0)
			local_explain(cmd, desired, argv + optind, argc - optind);
	} else {
		r = local_plan(cmd, desired, argv + optind, argc - optind, &answer);
	}
	if (r != 0)
		return check ? EXIT_UNDETERMINED : EXIT_FAILED;
	size_t n = json_array_size(json_object_get(answer, "changes"));
	if (cmd->json) {
		(void)json_object_del(answer, "version");
		(void)json_object_del(answer, "changed");
		cmd_json(cmd, answer);
	} else {
		if (!cmd->quiet && n > 0)
			changes_print(cmd, json_object_get(answer, "changes"), full);
		else if (!cmd->quiet)
			(void)printf("%s nothing to change\n", cmd_glyph(cmd, GLYPH_OK));
		json_decref(answer);
	}
	return check && n > 0 ? 1 : EXIT_DONE;
}
