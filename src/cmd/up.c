/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up - sixtap up: bring networks to the state the configuration asks for
 */
#include <stdio.h>
#include "base/time.h"
#include "cmd/changes.h"
#include "cmd/client.h"
#include "cmd/cmd.h"

enum {
	OPT_NO_WAIT = 1,
	OPT_FULL,
};

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_network(struct cmd *cmd, const json_t *n, bool changed, double seconds)
{
	const char *name = text(n, "name"), *mode = text(n, "mode");
	const json_t *v4 = json_object_get(n, "ipv4"), *v6 = json_object_get(n, "ipv6");

	(void)printf("%s %s%s%s is up%s", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), name, cmd_plain(cmd),
		     changed ? "" : ", nothing to change\n");
	if (!changed)
		return;
	(void)printf("%*s%.1f s\n", (int)(70 - 8 - (int)strlen(name)), "", seconds);
	if (v4)
		(void)printf("  IPv4  %s%s%s\n", text(v4, "address"), str_eq(mode, "nat") ? "   NAT behind " : "",
			     str_eq(mode, "nat") ? (text(n, "uplink") ? text(n, "uplink") : "whatever uplink comes") : "");
	if (v6)
		(void)printf("  IPv6  %s   %s%s\n", text(v6, "address"), text(v6, "source"),
			     json_is_true(json_object_get(v6, "nat")) ? ", NAT" : "");
}

int cmd_up(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
		{ "full", no_argument, NULL, OPT_FULL },
		{ 0 },
	};
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	struct changes_progress progress = { .started = mono_now() };
	bool wait = true;
	json_t *answer = NULL, *n;
	size_t i;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_NO_WAIT)
			wait = false;
		else if (opt == OPT_FULL)
			progress.full = true;
		else
			return EXIT_USAGE;
	}
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	if (!client_is_root(cmd, "up") || client_connect(cmd, CLIENT_START, &control) != 0)
		return EXIT_FAILED;

	json_t *request = ctl_request_new(CTL_UP);
	client_add_files(request, &files);
	client_add_networks(request, argv + optind, argc - optind);
	(void)json_object_set_new(request, "wait", json_boolean(wait));
	int r = client_ask(cmd, control, request, changes_progress, &progress, &answer, NULL, NULL);
	changes_progress_end(cmd, &progress);
	if (r != 0)
		return EXIT_FAILED;
	bool changed = json_is_true(json_object_get(answer, "changed"));
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (!cmd->quiet) {
		if (changed)
			(void)putchar('\n');
		json_array_foreach(json_object_get(answer, "networks"), i, n)
			print_network(cmd, n, changed, (double)((mono_now() - progress.started) / MONO_MS) / 1000.0);
		if (changed && json_array_size(json_object_get(answer, "networks")) == 1) {
			n = json_array_get(json_object_get(answer, "networks"), 0);
			(void)printf("\nStart a guest:   sixtap run %s -- qemu-system-x86_64 …\n"
				     "In libvirt:      <interface type='bridge'><source bridge='%s'/></interface>\n",
				     text(n, "name"), text(n, "device"));
		}
	}
	json_decref(answer);
	return EXIT_DONE;
}
