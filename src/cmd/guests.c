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
#include "cmd/table.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "–";
}

static int ask(struct cmd *cmd, int argc, char **argv, enum ctl_do what, json_t **ret)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *request;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (argc - optind > 1)
		return cmd_usage(cmd, "one network, or none for all");
	if (client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return EXIT_FAILED;
	request = ctl_request_new(what);
	client_add_networks(request, argv + optind, argc - optind);
	return client_ask(cmd, control, request, NULL, NULL, ret, NULL, NULL) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* "59 min": what is left of a lease. */
static void left_text(json_int_t s, char buf[static 32])
{
	if (s >= 2 * 86400)
		(void)snprintf(buf, 32, "%lld d", (long long)s / 86400);
	else if (s >= 2 * 3600)
		(void)snprintf(buf, 32, "%lld h", (long long)s / 3600);
	else if (s >= 120)
		(void)snprintf(buf, 32, "%lld min", (long long)s / 60);
	else
		(void)snprintf(buf, 32, "%lld s", (long long)s);
}

int cmd_leases(struct cmd *cmd, int argc, char **argv)
{
	struct table t = { .head = { "NETWORK", "GUEST", "MAC", "ADDRESS", "LEFT" }, .bold = 2 };
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
	json_array_foreach(json_object_get(answer, "leases"), i, o) {
		char left[32];

		left_text(json_integer_value(json_object_get(o, "expires")), left);
		TABLE_ROW(&t, text(o, "network"), text(o, "guest"), text(o, "mac"), text(o, "address"), left);
	}
	if (t.n > 0)
		table_print(cmd, &t, 0);
	else if (!cmd->quiet)
		(void)printf("no leases\n");
	table_clear(&t);
	json_decref(answer);
	return EXIT_DONE;
}

static void add_guest(struct table *t, const json_t *g)
{
	const json_t *addresses = json_object_get(g, "addresses");
	size_t n = json_array_size(addresses);

	for (size_t i = 0; i < (n ? n : 1); i++) {
		const json_t *a = json_array_get(addresses, i);
		bool first = i == 0;

		TABLE_ROW(t, first ? text(g, "network") : "", first ? text(g, "name") : "", first ? text(g, "state") : "",
			  first ? text(g, "mac") : "", first ? text(g, "device") : "", a ? text(a, "address") : "",
			  a ? text(a, "kind") : "");
	}
}

/* Where a table would be too wide: a guest a line, its addresses below. */
static void print_blocks(const struct cmd *cmd, const json_t *all)
{
	const json_t *g, *a;
	size_t i, k;

	json_array_foreach(all, i, g) {
		(void)printf("%s%s/%s%s  %s  %s  %s\n", cmd_bold(cmd), text(g, "network"), text(g, "name"), cmd_plain(cmd),
			     text(g, "state"), text(g, "mac"), text(g, "device"));
		json_array_foreach(json_object_get(g, "addresses"), k, a)
			(void)printf("    %-39s %s%s%s\n", text(a, "address"), cmd_dim(cmd), text(a, "kind"), cmd_plain(cmd));
	}
}

int cmd_guests(struct cmd *cmd, int argc, char **argv)
{
	json_t *answer = NULL, *n, *g, *all = json_array();
	struct table t = { .head = { "NETWORK", "GUEST", "STATE", "MAC", "DEVICE", "ADDRESSES", "" }, .bold = 2, .dim = 7 };
	size_t i, k;
	int r = ask(cmd, argc, argv, CTL_STATUS, &answer);

	if (r != EXIT_DONE) {
		json_decref(all);
		return r;
	}
	if (json_array_size(json_object_get(answer, "networks")) < (size_t)(argc - optind)) {
		json_decref(all);
		json_decref(answer);
		report_help(report_error(cmd->report, argv[optind], "no network of that name is up"), "sixtap status lists them");
		return EXIT_FAILED;
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
	json_array_foreach(all, i, g)
		add_guest(&t, g);
	if (t.n == 0)
		(void)fputs(cmd->quiet ? "" : "no guests\n", stdout);
	else if (table_width(&t) <= table_terminal())
		table_print(cmd, &t, 0);
	else
		print_blocks(cmd, all);
	table_clear(&t);
	json_decref(all);
	json_decref(answer);
	return EXIT_DONE;
}
