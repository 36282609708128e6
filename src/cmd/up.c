/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up - sixtap up: bring networks to the state the configuration asks for
 */
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/time.h"
#include "cmd/changes.h"
#include "cmd/adopt.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/local.h"
#include "cmd/session.h"

enum {
	OPT_NO_WAIT = 1,
	OPT_FULL,
	OPT_AUTOSTART,
	OPT_CONFIRM,
};

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The address that guests appear behind; "" when the uplink has none of that family. */
static const char *uplink_address(const struct ifaddrs *all, const char *uplink, int family, char buf[static IP_STRLEN])
{
	buf[0] = '\0';
	for (const struct ifaddrs *a = all; a && !buf[0]; a = a->ifa_next) {
		struct ip ip;

		if (!a->ifa_addr || a->ifa_addr->sa_family != family || !str_eq(a->ifa_name, uplink))
			continue;
		if (family == AF_INET)
			ip = ip4(((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr);
		else
			ip = ip6(((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr);
		if (!ip_is_link_local(&ip))
			(void)ip_format(&ip, buf);
	}
	return buf;
}

static void print_behind(const json_t *n, const struct ifaddrs *all, int family)
{
	const char *uplink = text(n, family == AF_INET6 && text(n, "uplink6") ? "uplink6" : "uplink");
	char buf[IP_STRLEN];

	if (!uplink)
		(void)printf("NAT, once there is an uplink");
	else if (*uplink_address(all, uplink, family, buf))
		(void)printf("NAT behind %s", buf);
	else
		(void)printf("NAT through %s", uplink);
}

static void print_network(struct cmd *cmd, const json_t *n, const struct ifaddrs *all, bool changed, double seconds)
{
	const char *name = text(n, "name"), *mode = text(n, "mode");
	const json_t *v4 = json_object_get(n, "ipv4"), *v6 = json_object_get(n, "ipv6");

	(void)printf("%s %s%s%s is up", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), name, cmd_plain(cmd));
	if (!changed) {
		(void)printf(", nothing to change\n");
		return;
	}
	(void)printf("%*s%s%.2f s%s\n", (int)(strlen(name) < 28 ? 32 - strlen(name) : 4), "", cmd_dim(cmd), seconds,
		     cmd_plain(cmd));
	if (v4 && !str_eq(mode, "nat")) {
		(void)printf("  IPv4  %s\n", text(v4, "address"));
	} else if (v4) {
		(void)printf("  IPv4  %-28s ", text(v4, "address"));
		print_behind(n, all, AF_INET);
		(void)putchar('\n');
	}
	if (v6) {
		(void)printf("  IPv6  %-28s %s%s", text(v6, "address"), text(v6, "source"),
			     json_is_true(json_object_get(v6, "nat")) ? ", " : "");
		if (json_is_true(json_object_get(v6, "nat")))
			print_behind(n, all, AF_INET6);
		(void)putchar('\n');
	}
	status_draining(cmd, n);
}

/* Those that were asked for; one reading of the host's addresses serves all. Return: how many. */
static size_t print_networks(struct cmd *cmd, const json_t *networks, const struct changes_progress *asked, bool changed,
			     double seconds)
{
	struct ifaddrs *all = NULL;
	const json_t *n;
	size_t i, count = 0;

	if (changed && getifaddrs(&all) < 0)
		all = NULL;
	json_array_foreach((json_t *)networks, i, n) {
		if (!changes_concern(asked, text(n, "name")))
			continue;
		print_network(cmd, n, all, changed, seconds);
		count++;
	}
	freeifaddrs(all);
	return count;
}

/* Networks that have left the configuration, a line each. */
static size_t print_left(const struct cmd *cmd, const json_t *changes, const json_t *networks)
{
	const json_t *o, *n;
	const char *last = NULL;
	size_t i, k, count = 0;

	json_array_foreach((json_t *)changes, i, o) {
		const char *network = text(o, "network");
		bool there = !network || str_eq(network, last);

		json_array_foreach((json_t *)networks, k, n)
			there = there || str_eq(text(n, "name"), network);
		if (there)
			continue;
		last = network;
		(void)printf("%s %s%s%s is down\n", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), last, cmd_plain(cmd));
		count++;
	}
	return count;
}

/* The networks that say `autostart: yes`; free the list, not the names. */
static char **autostart_names(const struct desired *desired, int *ret_n)
{
	char **names = xcalloc(desired->n_networks + 1, sizeof(char *));

	*ret_n = 0;
	for (size_t i = 0; i < desired->n_networks; i++)
		if (desired->networks[i].autostart)
			names[(*ret_n)++] = (char *)desired->networks[i].name;
	return names;
}

/* Seconds of --confirm. Return: 0, or the exit status of a usage error. */
static int parse_confirm(struct cmd *cmd, const char *text, unsigned int *ret)
{
	char *end = NULL;
	unsigned long s;

	errno = 0;
	s = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || s == 0 || s > CTL_CONFIRM_MAX_S)
		return cmd_usage(cmd, "--confirm %s isn't a number of seconds from 1 to %d", text, CTL_CONFIRM_MAX_S);
	*ret = (unsigned int)s;
	return 0;
}

static json_t *request_new(enum ctl_do what, const struct client_files *files, char **names, int n)
{
	json_t *request = ctl_request_new(what);

	client_add_files(request, files);
	client_add_networks(request, names, n);
	return request;
}

/* Before anything is changed: an administrator far away may want a way back. */
static void warn_session(struct cmd *cmd, struct control *control, const struct client_files *files,
			 const struct desired *desired, char **names, int n)
{
	struct session session;
	json_t *answer = NULL;

	if (!session_find(&session) ||
	    client_ask(cmd, control, request_new(CTL_PLAN, files, names, n), NULL, NULL, &answer, NULL, NULL) != 0) {
		json_decref(answer);
		return;
	}
	const char *object = session_touched(&session, json_object_get(answer, "changes"), desired, names, n);
	if (object)
		(void)fprintf(stderr, "%s This changes %s (%s), which your own session (%s %s %s:%u) comes through.\n"
			      "  sixtap up --confirm 120 applies it and puts everything back unless you run `sixtap confirm` "
			      "within 120 s.\n", cmd_glyph(cmd, GLYPH_WARNING), session.device, object,
			      IP_STR(&session.peer), cmd->utf8 ? "→" : "->", IP_STR(&session.local), session.port);
	json_decref(answer);
}

/* What to do next, in words to copy. */
static void print_next(const json_t *n)
{
	const json_t *macvtap = json_object_get(n, "macvtap");
	const char *mode = text(macvtap, "mode");

	(void)printf("\nStart a guest:   sixtap run %s -- qemu-system-x86_64 …\n", text(n, "name"));
	if (!macvtap)
		(void)printf("In libvirt:      <interface type='bridge'><source bridge='%s'/></interface>\n", text(n, "device"));
	else if (!str_eq(mode, "source"))	/* libvirt has no word for it */
		(void)printf("In libvirt:      <interface type='direct'><source dev='%s' mode='%s'/></interface>\n",
			     text(n, "uplink"), str_eq(mode, "passthru") ? "passthrough" : mode);
}

int cmd_up(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
		{ "full", no_argument, NULL, OPT_FULL },
		{ "autostart", no_argument, NULL, OPT_AUTOSTART },
		{ "confirm", required_argument, NULL, OPT_CONFIRM },
		{ 0 },
	};
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	struct changes_progress progress = { .started = mono_now() };
	_cleanup_(freep) char **chosen = NULL;
	bool wait = true, autostart = false;
	unsigned int confirm = 0;
	json_t *answer = NULL;
	const json_t *n;
	size_t i;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_NO_WAIT)
			wait = false;
		else if (opt == OPT_FULL)
			progress.full = true;
		else if (opt == OPT_AUTOSTART)
			autostart = true;
		else if (opt == OPT_CONFIRM && parse_confirm(cmd, optarg, &confirm) != 0)
			return EXIT_USAGE;
		else if (opt == OPT_CONFIRM)
			continue;
		else
			return EXIT_USAGE;
	}
	char **names = argv + optind;
	int n_names = argc - optind;
	if (autostart && n_names > 0)
		return cmd_usage(cmd, "--autostart chooses the networks; it takes no names");
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	if (autostart)
		names = chosen = autostart_names(desired, &n_names);
	if (autostart && n_names == 0 && (desired->adopt_all || desired->n_adopts > 0))
		return adopt_configured(cmd, desired, files.source);
	if (autostart && n_names == 0) {
		if (cmd->json)
			cmd_json(cmd, json_pack("{s:b, s:[], s:[]}", "changed", 0, "changes", "networks"));
		else if (!cmd->quiet)
			(void)printf("no network says autostart: yes\n");
		return EXIT_DONE;
	}
	if (!client_is_root(cmd, "up") || client_connect(cmd, CLIENT_START, &control) != 0)
		return EXIT_FAILED;

	if (confirm == 0 && !cmd->quiet)
		warn_session(cmd, control, &files, desired, names, n_names);
	progress.desired = desired;
	progress.names = names;
	progress.n_names = n_names;
	json_t *request = request_new(CTL_UP, &files, names, n_names);
	(void)json_object_set_new(request, "wait", json_boolean(wait));
	(void)json_object_set_new(request, "brief", json_boolean(!cmd->json));
	if (argc - optind == 0)
		(void)json_object_set_new(request, "adopts", adopt_requests(cmd, desired));
	if (confirm > 0)
		(void)json_object_set_new(request, "confirm", json_integer(confirm));
	int r = client_ask(cmd, control, request, changes_progress, &progress, &answer, NULL, NULL);
	changes_progress_end(cmd, &progress);
	if (r != 0) {
		local_explain(cmd, desired, names, n_names);
		client_wait_idle(cmd, control);
		return EXIT_FAILED;
	}
	bool changed = json_is_true(json_object_get(answer, "changed"));
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	if (!cmd->quiet) {
		if (changed)
			(void)putchar('\n');
		const json_t *networks = json_object_get(answer, "networks");
		size_t up = print_networks(cmd, networks, &progress, changed,
					   (double)((mono_now() - progress.started) / MONO_MS) / 1000.0);
		size_t left = print_left(cmd, json_object_get(answer, "changes"), networks);

		if (up + left == 0 && !changed)
			(void)printf("%s nothing to change\n", cmd_glyph(cmd, GLYPH_OK));
		json_array_foreach((json_t *)networks, i, n)
			if (changed && up == 1 && changes_concern(&progress, text(n, "name")))
				print_next(n);
	}
	size_t n_adopted = desired->n_adopts + desired->adopt_all;
	if (n_names == 0 && n_adopted > 0 && !cmd->quiet)
		(void)printf("%s guests of others are looked after: sixtap status\n", cmd_glyph(cmd, GLYPH_INFO));
	if (json_object_get(answer, "confirm") && !cmd->quiet)
		(void)printf("\n%s Everything is put back in %lld s, unless you run:  sixtap confirm\n",
			     cmd_glyph(cmd, GLYPH_WARNING), (long long)json_integer_value(json_object_get(answer, "confirm")));
	json_decref(answer);
	return EXIT_DONE;
}
