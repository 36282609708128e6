/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor - sixtap doctor: find faults, show evidence, mend
 *
 * Reads a snapshot (diag/snapshot.h) and judges it by all rules (diag/rule.h).
 * Changes nothing without --fix, and sends nothing without --probe.
 */
#include "cmd/doctor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/time.h"
#include "diag/explain.h"
#include "diag/rule.h"

#define SETTLE_MS 1500 /* duplicate address detection takes one second */

enum {
	OPT_FIX = 1,
	OPT_PROBE,
	OPT_SAVE,
	OPT_FROM,
	OPT_COMPARE,
	OPT_EXPLAIN,
	OPT_FULL,
};

struct options {
	bool fix, compare;
	const char *way, *save, *from, *explain;
};

static bool is_about(const struct diag_finding *f, const char *name)
{
	const char *slash = strchr(name, '/');

	if (str_eq(f->subject, name) || str_eq(f->guest, name) || str_eq(f->network, name) || str_eq(f->rule->id, name))
		return true;
	for (size_t i = 0; i < f->n_about; i++)
		if (str_eq(f->about[i], name))
			return true;
	/* A guest's network is part of what makes it work. */
	return slash && !f->guest && f->network && strlen(f->network) == (size_t)(slash - name) &&
	       strncmp(f->network, name, strlen(f->network)) == 0;
}

static bool is_meant(const struct doctor *doctor, const struct diag_finding *f)
{
	for (size_t i = 0; i < doctor->n_subjects; i++)
		if (is_about(f, doctor->subjects[i]))
			return true;
	return doctor->n_subjects == 0;
}

bool doctor_wants(const struct doctor *doctor, const struct diag_finding *f)
{
	const struct findings *all = f->all;

	for (const struct diag_finding *c = f; c; c = c->cause)
		if (is_meant(doctor, c))
			return true;
	/* The cause of something that is meant. */
	for (size_t i = 0; i < all->n; i++)
		for (const struct diag_finding *c = all->list[i]->cause; c; c = c->cause)
			if (c == f && is_meant(doctor, all->list[i]))
				return true;
	return false;
}

/* Is there such an interface, guest, network or rule? */
static bool is_known(const struct snapshot *snap, const char *name)
{
	struct ip ip;

	if (snap_link_by_name(snap, name) || snap_guest(snap, name) || snap_network(snap, name) || rules_find(name))
		return true;
	for (size_t i = 0; i < snap->n_libvirt_nets; i++)
		if (strncmp(name, "libvirt:", 8) == 0 && str_eq(snap->libvirt_nets[i].name, name + 8))
			return true;
	return ip_parse(name, &ip);
}

static int explain(struct cmd *cmd, const char *id)
{
	size_t len;
	const char *page = explain_page(id, &len);
	char known[64];

	if (str_eq(id, "list")) {
		json_t *ids = json_array();

		for (size_t i = 0; explain_id(i, known, sizeof(known)); i++)
			(void)json_array_append_new(ids, json_string(known));
		for (size_t i = 0; !cmd->json && i < json_array_size(ids); i++)
			(void)puts(json_string_value(json_array_get(ids, i)));
		if (cmd->json)
			cmd_json(cmd, json_pack("{s:O}", "ids", ids));
		json_decref(ids);
		return EXIT_DONE;
	}
	if (!page) {
		struct finding *f = report_error(cmd->report, id, "no such fault");

		f->exit_status = EXIT_USAGE;
		report_help(f, "sixtap doctor --explain list names them all");
		return EXIT_USAGE;
	}
	if (cmd->json) {
		char *text = NULL;
		size_t n = 0;
		FILE *to = open_memstream(&text, &n);

		if (!to)
			abort();
		explain_print(page, len, to, "", "");
		(void)fclose(to);
		cmd_json(cmd, json_pack("{s:s, s:s}", "id", id, "text", text));
		free(text);
		return EXIT_DONE;
	}
	(void)printf("%s%s%s\n\n", cmd_bold(cmd), id, cmd_plain(cmd));
	explain_print(page, len, stdout, cmd_bold(cmd), cmd_plain(cmd));
	return EXIT_DONE;
}

/* Findings that aren't asked for are taken out; the order stays. */
static void filter(const struct doctor *doctor, struct findings *found)
{
	size_t n = 0;

	if (doctor->n_subjects == 0)
		return;
	struct diag_finding **keep = arena_alloc(found->arena, found->n + 1, sizeof(struct diag_finding *));

	for (size_t i = 0; i < found->n; i++)
		if (doctor_wants(doctor, found->list[i]))
			keep[n++] = found->list[i];
	found->list = keep;
	found->n = n;
	found->cap = n + 1;
}

static int status_of(const struct snapshot *snap, const struct findings *found)
{
	if (findings_count(found, SEVERITY_ERROR) > 0)
		return EXIT_FAILED;
	/* "Healthy" can't be said of what wasn't seen for want of privileges. */
	if (findings_n_unchecked(found) == found->n_rules || (!snap->root && findings_n_unchecked(found) > 0))
		return EXIT_UNDETERMINED;
	return EXIT_DONE;
}

static bool is_settling(const struct findings *found)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->list[i]->settling)
			return true;
	return false;
}

/* What may be over by itself is said only when it is still so SETTLE_MS later. */
static int look(struct doctor *doctor, struct snapshot **ret_snap, struct findings **ret_found)
{
	const struct timespec nap = { .tv_sec = SETTLE_MS / 1000, .tv_nsec = SETTLE_MS % 1000 * (long)MONO_MS };
	struct snapshot *snap = NULL;
	struct findings *found;
	int r = doctor_read(doctor, &snap);

	if (r < 0)
		return r;
	found = rules_judge(snap);
	if (is_settling(found)) {
		findings_free(found);
		snapshot_free(snap);
		snap = NULL;
		(void)nanosleep(&nap, NULL);
		r = doctor_read(doctor, &snap);
		if (r < 0)
			return r;
		found = rules_judge(snap);
	}
	*ret_snap = snap;
	*ret_found = found;
	return 0;
}

static int diagnose(struct doctor *doctor, const struct options *o)
{
	struct cmd *cmd = doctor->cmd;
	_cleanup_(snapshot_freep) struct snapshot *snap = NULL;
	_cleanup_(findings_freep) struct findings *found = NULL;
	json_t *fixed = NULL;
	mono_t begun = mono_now();
	int r = o->from ? snapshot_load(&snap, o->from, cmd->report) : look(doctor, &snap, &found);

	if (r < 0)
		return EXIT_UNDETERMINED;
	if (o->save && snapshot_save(snap, o->save, cmd->report) < 0)
		return EXIT_UNDETERMINED;
	for (size_t i = 0; i < doctor->n_subjects; i++)
		if (!is_known(snap, doctor->subjects[i])) {
			struct finding *f = report_error(cmd->report, doctor->subjects[i],
							 "no such interface, guest, network or fault");

			report_help(f, "sixtap map shows what there is");
			f->exit_status = EXIT_USAGE;
			return EXIT_USAGE;
		}
	if (!found)
		found = rules_judge(snap);
	filter(doctor, found);
	double seconds = (double)(mono_now() - begun) / (double)MONO_S;

	if (!cmd->json && !(o->save && str_eq(o->save, "-")))
		doctor_show(doctor, snap, found, seconds);
	if (!cmd->json && !cmd->quiet && !(o->save && str_eq(o->save, "-")))
		doctor_show_paths(doctor, snap);
	if (o->fix) {
		if (doctor_fix(doctor, o->way, &snap, &found, &fixed) != 0)
			return EXIT_UNDETERMINED;
		filter(doctor, found);
	}
	if (cmd->json && !(o->save && str_eq(o->save, "-"))) {
		json_t *answer = findings_json(found);

		json_t *paths = doctor_paths_json(doctor, snap);

		if (json_array_size(paths) > 0)
			(void)json_object_set(answer, "paths", paths);
		json_decref(paths);
		if (fixed)
			(void)json_object_set(answer, "fixed", fixed);
		cmd_json(cmd, answer);
	}
	json_decref(fixed);
	return status_of(snap, found);
}

int cmd_doctor(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "fix", optional_argument, NULL, OPT_FIX },
		{ "probe", no_argument, NULL, OPT_PROBE },
		{ "save", required_argument, NULL, OPT_SAVE },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "compare", no_argument, NULL, OPT_COMPARE },
		{ "explain", required_argument, NULL, OPT_EXPLAIN },
		{ "full", no_argument, NULL, OPT_FULL },
		{ 0 },
	};
	struct doctor doctor = { .cmd = cmd };
	struct options o = { 0 };
	int opt;

	cmd->failed = EXIT_UNDETERMINED;	/* 1 means "an error was found" and nothing else */
	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		switch (opt) {
		case OPT_FIX:
			o.fix = true;
			o.way = optarg;
			break;
		case OPT_PROBE:
			doctor.probe = true;
			break;
		case OPT_SAVE:
			o.save = optarg;
			break;
		case OPT_FROM:
			o.from = optarg;
			break;
		case OPT_COMPARE:
			o.compare = true;
			break;
		case OPT_FULL:
			doctor.full = true;
			break;
		case OPT_EXPLAIN:
			o.explain = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	doctor.subjects = argv + optind;
	doctor.n_subjects = (size_t)(argc - optind);
	if (o.explain)
		return explain(cmd, o.explain);
	if (o.compare) {
		if (doctor.n_subjects != 2)
			return cmd_usage(cmd, "--compare takes two files that --save wrote");
		return doctor_compare(cmd, doctor.subjects[0], doctor.subjects[1]);
	}
	if (o.from && (o.fix || doctor.probe))
		return cmd_usage(cmd, "a snapshot of --from can't be %s", o.fix ? "mended" : "probed");
	return diagnose(&doctor, &o);
}
