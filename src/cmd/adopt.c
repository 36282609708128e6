/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt - sixtap adopt, release: guests that something else started
 */
#include "cmd/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/time.h"
#include "cmd/client.h"
#include "conf/conf.h"
#include "ctl/monitors.h"
#include "ctl/paths.h"

enum { OPT_RUNTIME = 1, OPT_MONITOR };

#define SETTLE (1500 * MONO_MS)		/* the guest is asked for its groups and answers within half a second */
#define LOOK_EVERY (100 * MONO_MS)

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The daemon connects to where this leads. */
static void keep_monitor(struct cmd *cmd, const char *subject, const char *monitor)
{
	int r = monitors_set(cmd->run_dir, subject, monitor);

	if (r < 0)
		report_add(cmd->report, SEVERITY_WARNING, NULL, subject, "its monitor cannot be told to sixtapd: %s", strerror(-r));
}

static json_t *request_of(const char *subject, const struct adopt_found *found, const char *monitor)
{
	json_t *macs = json_array(), *devices = json_array();

	for (size_t i = 0; i < found->n_macs; i++)
		(void)json_array_append_new(macs, json_string(MAC_STR(&found->macs[i])));
	for (size_t i = 0; i < found->n_devices; i++)
		(void)json_array_append_new(devices, json_string(found->devices[i]));
	json_t *o = json_pack("{s:s, s:o, s:o}", "subject", subject, "macs", macs, "devices", devices);

	if (monitor)
		(void)json_object_set_new(o, "monitor", json_string(monitor));
	return o;
}

json_t *adopt_requests(struct cmd *cmd, const struct desired *desired)
{
	json_t *list = json_array();

	if (desired->adopt_all)
		(void)json_array_append_new(list, json_pack("{s:s, s:b}", "subject", "all", "all", 1));
	for (size_t i = 0; i < desired->n_adopts; i++) {
		_cleanup_(report_freep) struct report *mine = report_new();
		struct report *theirs = cmd->report;
		const char *subject = desired->adopts[i].subject;
		struct adopt_found found;

		cmd->report = mine;
		int r = adopt_find(cmd, subject, false, &found);
		cmd->report = theirs;
		if (r != 0 && strchr(subject, ':')) {
			report_add(cmd->report, SEVERITY_WARNING, &desired->adopts[i].where, subject, "%s",
				   report_n(mine) > 0 ? report_get(mine, 0)->what : "isn't there");
			found = (struct adopt_found){ 0 };
		} else if (r != 0) {	/* it may come later, under this name */
			found = (struct adopt_found){ .n_devices = 1 };
			(void)str_copy(found.devices[0], sizeof(found.devices[0]), subject);
		}
		keep_monitor(cmd, subject, desired->adopts[i].monitor);
		(void)json_array_append_new(list, request_of(subject, &found, desired->adopts[i].monitor));
	}
	return list;
}

int adopt_configured(struct cmd *cmd, const struct desired *desired, const char *source)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL;

	if (!client_is_root(cmd, "up") || client_connect(cmd, CLIENT_START, &control) != 0)
		return EXIT_FAILED;
	json_t *request = ctl_request_new(CTL_ADOPT);
	(void)json_object_set_new(request, "adopts", adopt_requests(cmd, desired));
	(void)json_object_set_new(request, "source", json_string(source));
	(void)json_object_set_new(request, "whole", json_true());
	if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
		return EXIT_FAILED;
	if (cmd->json)
		cmd_json(cmd, json_pack("{s:O, s:[], s:[]}", "changed", json_object_get(answer, "changed"), "changes", "networks"));
	else if (!cmd->quiet)
		(void)printf("no network says autostart: yes; guests of others are looked after\n");
	json_decref(answer);
	return EXIT_DONE;
}

static const json_t *find_adopted(const json_t *answer, const char *subject)
{
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(answer, "adopted"), i, a)
		if (str_eq(text(a, "subject"), subject))
			return a;
	return NULL;
}

static bool is_settled(const json_t *answer, char *const *subjects, int n)
{
	const json_t *device;
	size_t k;

	for (int i = 0; i < n; i++)
		json_array_foreach(json_object_get(find_adopted(answer, subjects[i]), "devices"), k, device)
			if (json_array_size(json_object_get(device, "groups")) == 0 && !json_is_true(json_object_get(device, "all")))
				return false;
	return true;
}

/* What was joined shows a moment later: the guest is asked first. Steals @answer. */
static json_t *wait_for_groups(struct cmd *cmd, struct control *control, json_t *answer, char *const *subjects, int n)
{
	mono_t give_up = mono_add(mono_now(), SETTLE);
	bool settled = false;

	for (;;) {
		json_t *now = NULL;

		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY }, NULL);
		if (client_ask(cmd, control, ctl_request_new(CTL_STATUS), NULL, NULL, &now, NULL, NULL) != 0)
			return answer;
		(void)json_object_set(answer, "adopted", json_object_get(now, "adopted"));
		json_decref(now);
		/* One more look: the answers of a guest's several groups come spread over half a second. */
		if (settled || mono_now() >= give_up)
			return answer;
		if (is_settled(answer, subjects, n)) {
			settled = true;
			(void)nanosleep(&(struct timespec){ .tv_nsec = 5 * LOOK_EVERY }, NULL);
		}
	}
}

static void print_device(struct cmd *cmd, const char *subject, const json_t *device)
{
	const json_t *groups = json_object_get(device, "groups"), *g;
	size_t i;

	(void)printf("%s adopted %s%s%s", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), subject, cmd_plain(cmd));
	if (json_is_true(json_object_get(device, "all"))) {
		(void)printf(": %s lets in all multicast, as %s\n", text(device, "device"),
			     json_string_value(json_array_get(json_object_get(device, "all_because"), 0)));
		return;
	}
	if (json_array_size(groups) == 0) {
		(void)printf(": %s is listened to; its guest has named no group yet\n", text(device, "device"));
		return;
	}
	(void)printf(": joined");
	json_array_foreach(groups, i, g)
		if (i < 8)
			(void)printf(" %s", text(g, "group"));
	if (json_array_size(groups) > 8)
		(void)printf(" and %zu more", json_array_size(groups) - 8);
	(void)printf(" on %s\n", text(device, "device"));
}

/* A monitor has one client at a time, and is told only when that one hangs up. */
static void print_monitor(struct cmd *cmd, const json_t *adopted, const json_t *device)
{
	const char *path = text(adopted, "monitor"), *why = json_string_value(json_array_get(json_object_get(device, "monitor_because"), 0));
	const json_t *g, *reason;
	bool said = false;
	size_t i, k;

	if (!*path)
		return;
	json_array_foreach(json_object_get(device, "groups"), i, g)
		json_array_foreach(json_object_get(g, "because"), k, reason)
			said = said || str_eq(json_string_value(reason), "qmp");
	if (said)
		(void)printf("%s its QEMU tells of its groups, too: %s\n", cmd_glyph(cmd, GLYPH_INFO), path);
	else if (why)
		(void)printf("%s its QEMU can't be asked: %s: %s; tried again every 15 s\n", cmd_glyph(cmd, GLYPH_WARNING), path, why);
	else
		(void)printf("%s its QEMU hasn't answered yet: another program may be connected to %s; give us one of our own\n",
			     cmd_glyph(cmd, GLYPH_WARNING), path);
}

static void print_adopted(struct cmd *cmd, const json_t *answer, const char *subject)
{
	const json_t *a = find_adopted(answer, subject), *devices = json_object_get(a, "devices"), *device;
	size_t i;

	json_array_foreach(devices, i, device) {
		print_device(cmd, subject, device);
		print_monitor(cmd, a, device);
	}
	if (json_array_size(devices) == 0)
		(void)printf("%s adopted %s%s%s: it has no macvtap now, and is looked after as soon as it has one\n",
			     cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), subject, cmd_plain(cmd));
}

static bool are_subjects(struct cmd *cmd, char *const *subjects, int n)
{
	for (int i = 0; i < n; i++) {
		const char *fault = str_eq(subjects[i], "all") ? NULL : conf_subject_fault(subjects[i]);
		const char *semicolon = fault ? strstr(fault, "; ") : NULL;

		if (!fault)
			continue;
		struct finding *f = report_error(cmd->report, subjects[i], "%.*s",
						 semicolon ? (int)(semicolon - fault) : (int)strlen(fault), fault);
		if (semicolon)
			report_help(f, "%s", semicolon + 2);
		f->exit_status = EXIT_USAGE;
	}
	return report_n_errors(cmd->report) == 0;
}

static bool is_monitor(struct cmd *cmd, const char *subject, const char *monitor)
{
	const char *fault = conf_monitor_fault(subject, monitor), *semicolon = fault ? strstr(fault, "; ") : NULL;

	if (!fault)
		return true;
	struct finding *f = report_error(cmd->report, "--monitor", "%s %.*s", monitor,
					 semicolon ? (int)(semicolon - fault) : (int)strlen(fault), fault);
	if (semicolon)
		report_help(f, "%s", semicolon + 2);
	f->exit_status = EXIT_USAGE;
	return false;
}

/* There may be nobody behind it later; now there should. */
static bool listens(struct cmd *cmd, const char *monitor)
{
	struct stat st;
	int r = stat(monitor, &st) < 0 ? errno : 0;

	if (r == 0 && S_ISSOCK(st.st_mode))
		return true;
	report_help(report_error(cmd->report, monitor, "%s", r ? strerror(r) : "is no socket"),
		    "QEMU makes it when it is started with  -qmp unix:%s,server=on,wait=off", monitor);
	return false;
}

int cmd_adopt(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = { { "runtime", no_argument, NULL, OPT_RUNTIME },
					     { "monitor", required_argument, NULL, OPT_MONITOR }, { 0 } };
	_cleanup_(control_freep) struct control *control = NULL;
	_cleanup_(freep) char *path = NULL;
	const char *monitor = NULL;
	bool runtime = false, saved = false;
	json_t *answer = NULL;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_RUNTIME)
			runtime = true;
		else if (opt == OPT_MONITOR)
			monitor = optarg;
		else
			return EXIT_USAGE;
	}
	char **subjects = argv + optind;
	int n = argc - optind;
	if (n == 0)
		return cmd_usage(cmd, "adopt what? An interface, or libvirt:NAME");
	if (monitor && n > 1)
		return cmd_usage(cmd, "--monitor is one guest's: adopt the others by a command of their own");
	if (!are_subjects(cmd, subjects, n) || (monitor && !is_monitor(cmd, subjects[0], monitor)))
		return EXIT_USAGE;
	if (!client_is_root(cmd, "adopt"))
		return EXIT_FAILED;
	json_t *list = json_array();
	for (int i = 0; i < n; i++) {
		struct adopt_found found;

		if (str_eq(subjects[i], "all"))
			(void)json_array_append_new(list, json_pack("{s:s, s:b}", "subject", "all", "all", 1));
		else if (adopt_find(cmd, subjects[i], true, &found) == 0)
			(void)json_array_append_new(list, request_of(subjects[i], &found, monitor));
	}
	path = client_adopted_path(cmd);
	if (report_n_errors(cmd->report) > 0 || (monitor && !listens(cmd, monitor)) ||
	    (!runtime && adopt_file_change(cmd, path, subjects, n, true, monitor, &saved) != 0) ||
	    client_connect(cmd, CLIENT_START, &control) != 0) {
		json_decref(list);
		return EXIT_FAILED;
	}
	if (monitor)
		keep_monitor(cmd, subjects[0], monitor);
	json_t *request = ctl_request_new(CTL_ADOPT);
	_cleanup_(freep) char *source = realpath(cmd->config, NULL);
	(void)json_object_set_new(request, "adopts", list);
	(void)json_object_set_new(request, "source", json_string(source ? source : cmd->config));
	(void)json_object_set_new(request, "runtime", json_boolean(runtime));
	if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
		return EXIT_FAILED;
	answer = wait_for_groups(cmd, control, answer, subjects, n);
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	for (int i = 0; i < n && !cmd->quiet; i++)
		print_adopted(cmd, answer, subjects[i]);
	if (saved && !cmd->quiet)
		(void)printf("%s kept in %s; take back with: sixtap release %s%s\n", cmd_glyph(cmd, GLYPH_INFO), path, subjects[0],
			     n > 1 ? " …" : "");
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_release(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(control_freep) struct control *control = NULL;
	_cleanup_(freep) char *path = NULL;
	bool saved = false;
	json_t *answer = NULL;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	char **subjects = argv + optind;
	int n = argc - optind;
	if (n == 0)
		return cmd_usage(cmd, "release what? `sixtap status` shows what is adopted");
	if (!client_is_root(cmd, "release"))
		return EXIT_FAILED;
	path = client_adopted_path(cmd);
	if (adopt_file_change(cmd, path, subjects, n, false, NULL, &saved) != 0)
		return EXIT_FAILED;
	/* A daemon that was killed left its records, and what it joined. */
	const char *records = PATHS_JOIN(cmd->run_dir, "state/adopted");
	bool left = access(records, F_OK) == 0 && rmdir(records) != 0;
	if (client_connect(cmd, left ? CLIENT_START : CLIENT_MAY_FAIL, &control) == 0) {
		json_t *request = ctl_request_new(CTL_RELEASE), *list = json_array();

		for (int i = 0; i < n; i++)
			(void)json_array_append_new(list, json_string(subjects[i]));
		(void)json_object_set_new(request, "subjects", list);
		if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
			return EXIT_FAILED;
		if (json_array_size(json_object_get(answer, "adopted")) == 0)	/* whoever comes next mustn't meet its end */
			client_wait_idle(cmd, control);
	} else if (!saved) {
		report_help(report_error(cmd->report, subjects[0], "isn't adopted"), "nothing is: no sixtapd runs here");
		return EXIT_FAILED;
	}
	for (int i = 0; i < n; i++)
		(void)monitors_set(cmd->run_dir, subjects[i], NULL);
	if (cmd->json) {
		cmd_json(cmd, answer ? answer : json_pack("{s:b, s:[]}", "changed", 1, "adopted"));
		return EXIT_DONE;
	}
	for (int i = 0; i < n && !cmd->quiet; i++)
		(void)printf("%s released %s%s%s: the groups that were joined for it are left\n", cmd_glyph(cmd, GLYPH_REMOVE),
			     cmd_bold(cmd), subjects[i], cmd_plain(cmd));
	if (saved && !cmd->quiet)
		(void)printf("%s taken out of %s\n", cmd_glyph(cmd, GLYPH_INFO), path);
	json_decref(answer);
	return EXIT_DONE;
}
