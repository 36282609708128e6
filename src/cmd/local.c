/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local - a plan made here, without the daemon
 */
#include "cmd/local.h"

#include "cmd/client.h"
#include "ctl/paths.h"
#include "kern/kern.h"
#include "kern/observe.h"
#include "kern/records.h"
#include "plan/plan.h"

static bool is_up(const json_t *networks, const char *name)
{
	const json_t *n;
	size_t i;

	json_array_foreach(networks, i, n)
		if (str_eq(json_string_value(json_object_get(n, "name")), name))
			return true;
	return false;
}

static bool named(char **names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return n == 0;
}

void local_add_down(struct cmd *cmd, json_t *networks, char **names, int n_names)
{
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	struct report *theirs = cmd->report, *ours = report_new();

	cmd->report = ours;
	if (client_read_files(cmd, &files) == 0 && client_desired(cmd, &files, &desired) == 0)
		for (size_t i = 0; i < desired->n_networks; i++) {
			const struct d_network *d = &desired->networks[i];

			if (named(names, n_names, d->name) && !is_up(networks, d->name))
				(void)json_array_append_new(networks, json_pack("{s:s, s:s, s:s, s:[]}", "name", d->name, "mode",
										net_mode_name[d->mode], "state", "down",
										"guests"));
		}
	cmd->report = theirs;
	report_free(ours);
}

int local_derived_mac(struct cmd *cmd, const char *network, const char *guest, struct mac *ret)
{
	const char *fault = conf_guest_name_fault(guest);
	struct conf_seed seed = { { 0 } };

	if (fault) {
		report_error(cmd->report, guest, "%s", fault)->exit_status = EXIT_USAGE;
		return 1;
	}
	if (paths_secret(cmd->state_dir, seed.secret) < 0) {
		report_help(report_error(cmd->report, guest, "its MAC isn't written down, and what it is derived from can't be read"),
			    "ask as root, or give it a `mac`");
		return 1;
	}
	*ret = conf_guest_mac(&seed, network, guest, 0);
	return 0;
}

int local_guest_mac(struct cmd *cmd, const struct d_network *d, const char *guest, struct mac *ret)
{
	const struct d_guest *declared = desired_guest(d, guest);

	if (!declared || !declared->mac_given)
		return local_derived_mac(cmd, d->name, guest, ret);
	*ret = declared->mac;
	return 0;
}

struct drains {
	struct arena *arena;
	struct plan_drain *list;
	size_t n, cap;
};

/* What a daemon left draining stays, as far as can be told without one. */
static int add_drain(void *user, const char *key, const json_t *value)
{
	struct drains *drains = user;
	const char *network = json_string_value(json_object_get(value, "network"));
	const char *gateway = json_string_value(json_object_get(value, "gateway"));
	struct prefix p;

	(void)key;
	if (!network || !gateway || !prefix_parse(gateway, &p))
		return 0;
	ARENA_GROW(drains->arena, drains->list, drains->n, drains->cap);
	drains->list[drains->n++] = (struct plan_drain){
		.network = arena_strdup(drains->arena, network), .gateway = p, .recorded = true, .keep = true,
	};
	return 0;
}

int local_plan(struct cmd *cmd, const struct desired *desired, char **names, int n_names, json_t **ret)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct plan_target *targets = arena_alloc(arena, desired->n_networks, sizeof(*targets));
	struct drains drains = { .arena = arena };
	const char **paths = NULL;
	size_t n = 0;

	for (int i = 0; i < n_names; i++) {
		if (desired_network(desired, names[i]))
			continue;
		desired_no_network(desired, names[i], cmd->config, cmd->report);
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
	for (size_t i = 0; i < world->n_listeners; i++)
		if (plan_listener_matters(targets, n, &world->listeners[i]))
			(void)kern_listener_owner(kern, &world->listeners[i]);
	(void)record_each(conf.run_dir, RECORD_DRAIN, add_drain, &drains);
	const struct plan_facts facts = { .drains = drains.list, .n_drains = drains.n };
	size_t n_paths = plan_sysctls(targets, n, world, arena, &paths);
	if (kern_observe_sysctls(kern, paths, n_paths, world, cmd->report) < 0 ||
	    plan_make(targets, n, world, &facts, cmd->report, &plan) != 0)
		return 1;
	*ret = json_pack("{s:o}", "changes", ops_json(plan->ops));
	return 0;
}

void local_explain(struct cmd *cmd, const struct desired *desired, char **names, int n_names)
{
	struct report *theirs = cmd->report, *ours = report_new();
	json_t *answer = NULL;

	cmd->report = ours;
	report_copy_sources(ours, theirs);
	if (local_plan(cmd, desired, names, n_names, &answer) == 0 ||
	    report_exit_status(ours) != report_exit_status(theirs) || report_n_errors(ours) != report_n_errors(theirs)) {
		cmd->report = theirs;
		theirs = ours;
	}
	report_free(theirs);
	json_decref(answer);
}
