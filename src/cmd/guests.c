/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guests - sixtap guests and sixtap leases: who has which address
 *
 * `leases` tells what our DHCP servers handed out; `guests` everything that is
 * known: declared, leased, seen.
 */
#include <stdio.h>
#include "cmd/client.h"
#include "cmd/cmd.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

static int ask(struct cmd *cmd, int argc, char **argv, enum ctl_do what, json_t **ret)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *request;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return EXIT_FAILED;
	request = ctl_request_new(what);
	client_add_networks(request, argv + optind, argc - optind);
	return client_ask(cmd, control, request, NULL, NULL, ret, NULL, NULL) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_leases(struct cmd *cmd, int argc, char **argv)
{
	json_t *answer = NULL;
	const json_t *o;
	size_t i;
	int r = ask(cmd, argc, argv, CTL_LEASES, &answer);

	if (r != EXIT_DONE)
		return r;
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (json_array_size(json_object_get(answer, "leases")) > 0)
		(void)printf("%s%-15s %-20s %-17s %-39s %s%s\n", cmd_dim(cmd), "NETWORK", "GUEST", "MAC", "ADDRESS", "LEFT",
			     cmd_plain(cmd));
	else if (!cmd->quiet)
		(void)printf("no leases\n");
	json_array_foreach(json_object_get(answer, "leases"), i, o)
		(void)printf("%-15s %-20s %-17s %-39s %lld s\n", text(o, "network"), text(o, "guest"), text(o, "mac"),
			     text(o, "address"), (long long)json_integer_value(json_object_get(o, "expires")));
	json_decref(answer);
	return EXIT_DONE;
}

int cmd_guests(struct cmd *cmd, int argc, char **argv)
{
	json_t *answer = NULL, *n, *g, *all = json_array();
	const json_t *a;
	size_t i, k, j;
	int r = ask(cmd, argc, argv, CTL_STATUS, &answer);

	if (r != EXIT_DONE) {
		json_decref(all);
		return r;
	}
	json_array_foreach(json_object_get(answer, "networks"), i, n)
		json_array_foreach(json_object_get(n, "guests"), k, g) {
			(void)json_object_set(g, "network", json_object_get(n, "name"));
			(void)json_array_append(all, g);
		}
	if (cmd->json) {
		cmd_json(cmd, json_pack("{s:o}", "guests", all));
		json_decref(answer);
		return EXIT_DONE;
	}
	if (json_array_size(all) == 0 && !cmd->quiet)
		(void)printf("no guests\n");
	json_array_foreach(all, i, g) {
		(void)printf("%s%s/%s%s  %s  %s  %s\n", cmd_bold(cmd), text(g, "network"), text(g, "name"), cmd_plain(cmd),
			     text(g, "state"), text(g, "mac"), text(g, "device"));
		json_array_foreach(json_object_get(g, "addresses"), j, a)
			(void)printf("    %-39s %s%s%s\n", text(a, "address"), cmd_dim(cmd), text(a, "kind"), cmd_plain(cmd));
	}
	json_decref(all);
	json_decref(answer);
	return EXIT_DONE;
}
