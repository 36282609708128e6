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
#include "ctl/paths.h"
#include "kern/kern.h"
#include "kern/observe.h"
#include "plan/plan.h"

enum {
	OPT_CHECK = 1,
	OPT_FULL,
};

static bool named(char **names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return n == 0;
}

static int plan_here(struct cmd *cmd, const struct desired *desired, char **names, int n_names, json_t **ret)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct plan_target *targets = arena_alloc(arena, desired->n_networks, sizeof(*targets));
	struct plan_facts facts = { 0 };
	const char **paths = NULL;
	size_t n = 0;

	for (int i = 0; i < n_names; i++) {
		if (desired_network(desired, names[i]))
			continue;
		report_error(cmd->report, names[i], "%s declares no network of that name", cmd->config)->exit_status = EXIT_USAGE;
		return 1;
	}
	for (size_t i = 0; i < desired->n_networks; i++)
		if (named(names, n_names, desired->networks[i].name))
			targets[n++] = (struct plan_target){ desired->networks[i].name, &desired->networks[i], PLAN_WANT_UP };
	const struct kern_conf conf = { .run_dir = PATHS_JOIN(cmd->run_dir, "state"), .proc_sys_fd = -1, .tun_fd_dir = -1 };
	if (kern_new(&kern, &conf, cmd->report) < 0 || kern_observe(kern, NULL, 0, world, cmd->report) < 0)
		return 1;
	if (world->nft_unreadable) {
		struct finding *f = report_error(cmd->report, "plan", "nftables cannot be read without root");

		report_help(f, "sudo sixtap plan");
		f->exit_status = EXIT_UNDETERMINED;
		return 1;
	}
	size_t n_paths = plan_sysctls(targets, n, world, arena, &paths);
	if (kern_observe_sysctls(kern, paths, n_paths, world, cmd->report) < 0 ||
	    plan_make(targets, n, world, &facts, cmd->report, &plan) != 0)
		return 1;
	*ret = json_pack("{s:o}", "changes", ops_json(plan->ops));
	return 0;
}

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
		if (opt == OPT_CHECK)
			check = true;
		else if (opt == OPT_FULL)
			full = true;
		else
			return EXIT_USAGE;
	}
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	if (geteuid() == 0 && client_connect(cmd, CLIENT_MAY_FAIL, &control) == 0) {
		json_t *request = ctl_request_new(CTL_PLAN);

		client_add_files(request, &files);
		client_add_networks(request, argv + optind, argc - optind);
		r = client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL);
	} else {
		r = plan_here(cmd, desired, argv + optind, argc - optind, &answer);
	}
	if (r != 0)	/* with --check, 1 means "there is a change" and nothing else */
		return check && report_exit_status(cmd->report) < EXIT_USAGE ? EXIT_UNDETERMINED : EXIT_FAILED;
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
