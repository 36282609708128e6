/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - sixtap forward list, add, del: port forwards of networks that are up
 *
 * The daemon does it, live. With --save the command then edits the file that
 * the network came from, and has it applied when nothing else in it waits for
 * an `up`.
 */
#include <stdio.h>
#include <string.h>
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/save.h"
#include "cmd/table.h"
#include "conf/forward.h"
#include "kern/kern.h"
#include "kern/observe.h"
#include "plan/plan.h"

enum {
	OPT_SAVE = 1,
	OPT_FORCE,
};

struct forward {
	enum ctl_do what;
	char *network;			/* owned; NETWORK, cut off the argument */
	const char *guest, *spec;	/* spec in its normal form */
	struct d_forward parsed;
	struct arena *arena;
	bool save, force;
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- list ---- */

/* Where a forward leads to; free() it. */
static char *target(const json_t *f)
{
	const char *v4 = text(f, "ipv4"), *v6 = text(f, "ipv6");

	return str_eq(text(f, "state"), "waiting") ? xstrdup("waiting for an address of the guest") :
						    xasprintf("%s%s%s", v4, *v4 && *v6 ? "  " : "", v6);
}

static void print_all(const struct cmd *cmd, const json_t *forwards)
{
	int guests = 0, specs = 0, rest = 0, n;
	const json_t *f;
	size_t i;

	json_array_foreach(forwards, i, f) {
		_cleanup_(freep) char *to = target(f);
		bool runtime = json_is_true(json_object_get(f, "runtime"));

		n = (int)(strlen(text(f, "network")) + 1 + strlen(text(f, "guest")));
		guests = n > guests ? n : guests;
		n = (int)strlen(text(f, "spec"));
		specs = n > specs ? n : specs;
		n = (int)strlen(to) + (runtime ? 9 : 0);
		rest = n > rest ? n : rest;
	}
	bool narrow = 2 + guests + 2 + specs + 2 + rest > table_terminal();
	json_array_foreach(forwards, i, f) {
		_cleanup_(freep) char *guest = xasprintf("%s/%s", text(f, "network"), text(f, "guest")), *to = target(f);
		bool waits = str_eq(text(f, "state"), "waiting"), runtime = json_is_true(json_object_get(f, "runtime"));

		(void)printf("%s %s%-*s%s  ", cmd_glyph(cmd, waits ? GLYPH_INFO : GLYPH_UP), cmd_bold(cmd), narrow ? 0 : guests,
			     guest, cmd_plain(cmd));
		(void)printf("%-*s%s%s", narrow ? 0 : specs, text(f, "spec"), narrow ? "\n    " : "  ", to);
		(void)printf("%s%s%s\n", runtime ? cmd_dim(cmd) : "", runtime ? "  runtime" : "", runtime ? cmd_plain(cmd) : "");
	}
}

static int list(struct cmd *cmd, char **networks, int n)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL, *request;

	if (client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return EXIT_FAILED;
	request = ctl_request_new(CTL_FORWARDS);
	client_add_networks(request, networks, n);
	if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
		return EXIT_FAILED;
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (json_array_size(json_object_get(answer, "forwards")) == 0 && !cmd->quiet)
		(void)printf("no forwards\n");
	print_all(cmd, json_object_get(answer, "forwards"));
	json_decref(answer);
	return EXIT_DONE;
}

/* ---- add and del ---- */

static int parse_arguments(struct cmd *cmd, char **args, int n, struct forward *f)
{
	const char *verb = f->what == CTL_FORWARD_ADD ? "add" : "del";
	struct forward_fault fault;

	if (n != 2)
		return cmd_usage(cmd, "%s needs a guest and a forward:  sixtap forward %s lan/web 8080:80", verb, verb);
	f->network = xstrdup(args[0]);
	char *slash = strchr(f->network, '/');
	if (!slash || !slash[1] || slash == f->network || strchr(slash + 1, '/'))
		return cmd_usage(cmd, "%s isn't a guest's name; write NETWORK/GUEST", args[0]);
	*slash = '\0';
	f->guest = slash + 1;
	if (!forward_parse(args[1], f->arena, &f->parsed, &fault)) {
		struct finding *wrong = report_error(cmd->report, args[1], "%s", fault.what);

		report_help(wrong, "%s", fault.help);
		wrong->exit_status = EXIT_USAGE;
		return EXIT_USAGE;
	}
	f->spec = f->parsed.spec;
	return EXIT_DONE;
}

/* The daemon can't see into other processes; we, being root, can say who has the port. */
static bool explain_in_use(struct cmd *cmd, const struct forward *f)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(report_freep) struct report *unused = report_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	const struct kern_conf conf = { .run_dir = cmd->run_dir, .proc_sys_fd = -1, .tun_fd_dir = -1 };
	struct d_guest guest = { .name = f->guest, .forwards = &f->parsed, .n_forwards = 1 };
	const struct d_network network = { .name = f->network, .guests = &guest, .n_guests = 1 };
	const struct plan_target target = { f->network, &network, PLAN_WANT_UP };

	if (kern_new(&kern, &conf, unused) < 0 || kern_observe(kern, NULL, 0, world, unused) < 0)
		return false;
	for (size_t i = 0; i < world->n_listeners; i++) {
		struct w_listener *l = &world->listeners[i];

		if (!plan_listener_matters(&target, 1, l) || kern_listener_owner(kern, l) != 0)
			continue;
		struct finding *e = report_error(cmd->report, f->spec, "port %u/%s of the host is in use by %s (pid %u)", l->port,
						 l->proto == L4PROTO_UDP ? "udp" : "tcp", l->comm, l->pid);

		report_help(e, l->port == 22 && l->proto == L4PROTO_TCP ? "forwarding it would cut you off: take another port" :
									  "take another port; --force takes it away from %s", l->comm);
		e->exit_status = EXIT_USAGE;
		return true;
	}
	return false;
}

static int ask(struct cmd *cmd, struct forward *f, struct control *control, json_t **ret)
{
	struct report *theirs = cmd->report, *ours = report_new();
	json_t *request = ctl_request_new(f->what);

	(void)json_object_set_new(request, "network", json_string(f->network));
	(void)json_object_set_new(request, "name", json_string(f->guest));
	(void)json_object_set_new(request, "forwards", json_pack("[s]", f->spec));
	(void)json_object_set_new(request, "save", json_boolean(f->save));
	if (f->what == CTL_FORWARD_ADD)
		(void)json_object_set_new(request, "force", json_boolean(f->force));
	cmd->report = ours;
	int r = client_ask(cmd, control, request, NULL, NULL, ret, NULL, NULL);
	cmd->report = theirs;
	if (r == 0 || report_n_errors(ours) != 1 || !strstr(report_get(ours, 0)->what, "is in use") || !explain_in_use(cmd, f))
		report_merge(theirs, ours);
	report_free(ours);
	return r;
}

static void print_done(struct cmd *cmd, const struct forward *f, bool changed, bool saved, const char *file)
{
	bool add = f->what == CTL_FORWARD_ADD;

	if (cmd->quiet)
		return;
	if (!changed && !saved) {
		(void)printf("%s/%s %s is there already, nothing to change\n", f->network, f->guest, f->spec);
		return;
	}
	(void)printf("%s %s/%s %s %s%s%s\n", cmd_glyph(cmd, add ? GLYPH_CREATE : GLYPH_REMOVE), f->network, f->guest, f->spec,
		     saved ? add ? "saved in " : "taken out of " : add ? "until the host restarts; --save keeps it" : "deleted",
		     saved ? file : "", "");
}

static int change(struct cmd *cmd, char **args, int n, struct forward *f)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL;
	bool saved = false;

	if (parse_arguments(cmd, args, n, f) != EXIT_DONE)
		return EXIT_USAGE;
	if (!client_is_root(cmd, "forward") || client_connect(cmd, CLIENT_MUST_RUN, &control) != 0 ||
	    ask(cmd, f, control, &answer) != 0)
		return EXIT_FAILED;
	int r = f->save ? save_forward(cmd, control, f->what == CTL_FORWARD_ADD, f->network, f->guest, f->spec, answer, &saved) : 0;
	bool changed = json_is_true(json_object_get(answer, "changed"));

	if (r == 0 && cmd->json) {
		json_t *forward = json_object_get(answer, "forward"), *o = json_pack("{s:b}", "changed", changed || saved);

		if (forward)
			(void)json_object_set(o, "forwards", json_pack("[O]", forward));
		cmd_json(cmd, o);
	} else if (r == 0) {
		print_done(cmd, f, changed, saved, text(answer, "file"));
	}
	json_decref(answer);
	return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_forward(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "save", no_argument, NULL, OPT_SAVE },
		{ "force", no_argument, NULL, OPT_FORCE },
		{ 0 },
	};
	struct forward f = { .what = CTL_DO_N_ };
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_SAVE)
			f.save = true;
		else if (opt == OPT_FORCE)
			f.force = true;
		else
			return EXIT_USAGE;
	}
	const char *verb = optind < argc ? argv[optind] : "list";

	if (str_eq(verb, "list") || str_eq(verb, "ls")) {
		if (f.save || f.force)
			return cmd_usage(cmd, "list takes neither --save nor --force");
		return list(cmd, argv + optind + (optind < argc), argc - optind - (optind < argc));
	}
	if (str_eq(verb, "add"))
		f.what = CTL_FORWARD_ADD;
	else if (str_eq(verb, "del") || str_eq(verb, "delete"))
		f.what = CTL_FORWARD_DEL;
	else
		return cmd_usage(cmd, "%s isn't list, add or del", verb);
	if (f.force && f.what == CTL_FORWARD_DEL)
		return cmd_usage(cmd, "--force is for add");
	f.arena = arena_new();
	int status = change(cmd, argv + optind + 1, argc - optind - 1, &f);

	free(f.network);
	arena_free(f.arena);
	return status;
}
