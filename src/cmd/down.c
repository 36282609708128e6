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

static bool is_up(const json_t *networks, const char *name)
{
	const json_t *n;
	size_t i;

	json_array_foreach(networks, i, n)
		if (str_eq(json_string_value(json_object_get(n, "name")), name))
			return true;
	return false;
}

/*
 * A name that is neither up nor declared was mistyped: silence would look like success, and to take the others down
 * like half of it. @control: NULL when no daemon runs. Return: 0 or an exit status
 */
static int check_names(struct cmd *cmd, struct control *control, char **names, int n)
{
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	struct report *mine = cmd->report;
	json_t *answer = NULL;

	if (n == 0)
		return EXIT_DONE;
	if (control) {
		json_t *request = ctl_request_new(CTL_STATUS);

		client_add_networks(request, names, n);
		(void)json_object_set_new(request, "brief", json_true());
		if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
			return EXIT_FAILED;
	}
	cmd->report = report_new();		/* a configuration that can't be read is not what was asked about */
	bool readable = client_read_files(cmd, &files) == 0 && client_desired(cmd, &files, &desired) == 0;
	report_free(cmd->report);
	cmd->report = mine;
	for (int i = 0; i < n; i++)
		if (!is_up(json_object_get(answer, "networks"), names[i]) && !(readable && desired_network(desired, names[i])))
			report_error(cmd->report, names[i], "no network of that name is up, and %s declares none", cmd->config)
				->exit_status = EXIT_USAGE;
	json_decref(answer);
	return report_n_errors(cmd->report) > 0 ? EXIT_USAGE : EXIT_DONE;
}

static void print_done(const struct cmd *cmd, char **names, int n, bool changed)
{
	(void)printf("%s ", cmd_glyph(cmd, GLYPH_OK));
	for (int i = 0; changed && i < n; i++)
		(void)printf("%s%s%s%s", i > 0 ? ", " : "", cmd_bold(cmd), names[i], cmd_plain(cmd));
	(void)printf("%s\n", !changed ? "nothing to change" : n == 0 ? "all networks are down" : n == 1 ? " is down" : " are down");
}

/* Those that a file names are looked after again by the next `up`. */
static void print_released(struct cmd *cmd, const json_t *released)
{
	const json_t *a;
	size_t i;

	json_array_foreach(released, i, a)
		if (!cmd->quiet)
			(void)printf("%s let go of %s%s\n", cmd_glyph(cmd, GLYPH_INFO), json_string_value(json_object_get(a, "subject")),
				     json_is_true(json_object_get(a, "runtime")) ? "" : "; the next `sixtap up` adopts it again");
}

int cmd_down(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(control_freep) struct control *control = NULL;
	struct changes_progress progress = { .started = mono_now() };
	json_t *answer = NULL;
	int r;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (!client_is_root(cmd, "down"))
		return EXIT_FAILED;
	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) != 0) {
		if (!left_something(cmd)) {
			r = check_names(cmd, NULL, argv + optind, argc - optind);
			if (r != EXIT_DONE)
				return r;
			if (cmd->json)
				cmd_json(cmd, json_pack("{s:b, s:[], s:[]}", "changed", 0, "changes", "networks"));
			else if (!cmd->quiet)
				(void)printf("nothing is up\n");
			return EXIT_DONE;
		}
		if (client_connect(cmd, CLIENT_START, &control) != 0)
			return EXIT_FAILED;
	}
	r = check_names(cmd, control, argv + optind, argc - optind);
	if (r != EXIT_DONE)
		return r;
	progress.names = argv + optind;
	progress.n_names = argc - optind;
	json_t *request = ctl_request_new(CTL_DOWN);
	client_add_networks(request, argv + optind, argc - optind);
	(void)json_object_set_new(request, "quit", json_boolean(optind >= argc));
	r = client_ask(cmd, control, request, changes_progress, &progress, &answer, NULL, NULL);
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
		print_done(cmd, argv + optind, argc - optind,
			   changed || json_array_size(json_object_get(answer, "released")) > 0);
	print_released(cmd, json_object_get(answer, "released"));
	json_decref(answer);
	return EXIT_DONE;
}
