/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status - sixtap status: networks, guests, addresses, forwards, health
 */
#include <stdio.h>
#include <string.h>
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/local.h"
#include "cmd/table.h"
#include "model/mcast.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const char *dash(const struct cmd *cmd)
{
	return cmd->utf8 ? "–" : "-";
}

/* "lease, 42 min left" */
static const char *kind(const json_t *address, char buf[static 64])
{
	const json_t *expires = json_object_get(address, "expires");
	long long s = json_integer_value(expires);

	if (!expires)
		(void)snprintf(buf, 64, "%s", text(address, "kind"));
	else if (s >= 120)
		(void)snprintf(buf, 64, "%s, %lld min left", text(address, "kind"), s / 60);
	else
		(void)snprintf(buf, 64, "%s, %lld s left", text(address, "kind"), s);
	return buf;
}

static void add_forward(const json_t *f, const char *sign, char buf[static 256])
{
	(void)snprintf(buf, 256, "%s%s%s%s", sign, text(f, "spec"),
		       json_is_true(json_object_get(f, "runtime")) ? " runtime" : "",
		       str_eq(text(f, "state"), "waiting") ? " waiting" : "");
}

/* "5 groups followed", or why there is no counting. */
static void followed(const json_t *device, char buf[static 64])
{
	size_t n = json_array_size(json_object_get(device, "groups"));

	if (json_is_true(json_object_get(device, "all")))
		(void)snprintf(buf, 64, "all multicast");
	else
		(void)snprintf(buf, 64, "%zu group%s followed", n, n == 1 ? "" : "s");
}

/* More than it should be: said for each, unless it is what the configuration asks for. */
static void print_all_multicast(const struct cmd *cmd, const char *name, const json_t *macvtap)
{
	const json_t *because = json_object_get(macvtap, "all_because"), *why;
	size_t i;

	json_array_foreach(because, i, why)
		if (!str_eq(json_string_value(why), mcast_all_text[__builtin_ctz(MCAST_ALL_CONFIG)]))
			(void)printf("  %s %s gets all multicast: %s\n", cmd_glyph(cmd, GLYPH_WARNING), name, json_string_value(why));
}

/*
 * Addresses on the left, forwards on the right, as many lines as the longer of
 * the two needs; or, where that gets too wide, forwards below the addresses.
 */
static void add_guest(const struct cmd *cmd, struct table *t, const json_t *g, bool below)
{
	const json_t *addresses = json_object_get(g, "addresses"), *forwards = json_object_get(g, "forwards");
	size_t n_addresses = json_array_size(addresses), n_forwards = json_array_size(forwards);
	size_t n = below ? n_addresses + n_forwards : n_addresses > n_forwards ? n_addresses : n_forwards;
	const json_t *macvtap = json_object_get(g, "macvtap");
	char buf[64], forward[256], below_it[256];

	for (size_t i = 0; i < (n ? n : 1); i++) {
		const json_t *a = json_array_get(addresses, i);
		const json_t *right = below ? NULL : json_array_get(forwards, i);
		const json_t *under = below && i >= n_addresses ? json_array_get(forwards, i - n_addresses) : NULL;

		if (right)
			add_forward(right, "", forward);
		else if (macvtap && i == 0)	/* it has no forwards: it is on the LAN itself */
			followed(macvtap, forward);
		if (under)
			add_forward(under, "⇐ ", below_it);
		TABLE_ROW(t, i == 0 ? text(g, "name") : "", i == 0 ? text(g, "state") : "",
			  i > 0 ? "" : *text(g, "device") ? text(g, "device") : dash(cmd),
			  a ? text(a, "address") : under ? below_it : "", a ? kind(a, buf) : "",
			  right || (macvtap && i == 0) ? forward : "");
	}
}

/* On narrow terminals: a guest a line, and below it what it has. */
static void print_blocks(const struct cmd *cmd, const json_t *guests)
{
	char buf[64], forward[256];
	const json_t *g, *o;
	size_t i, k;

	json_array_foreach(guests, i, g) {
		(void)printf("  %s%s%s  %s  %s\n", cmd_bold(cmd), text(g, "name"), cmd_plain(cmd), text(g, "state"),
			     *text(g, "device") ? text(g, "device") : dash(cmd));
		json_array_foreach(json_object_get(g, "addresses"), k, o)
			(void)printf("    %s  %s%s%s\n", text(o, "address"), cmd_dim(cmd), kind(o, buf), cmd_plain(cmd));
		json_array_foreach(json_object_get(g, "forwards"), k, o) {
			add_forward(o, "⇐ ", forward);
			(void)printf("    %s\n", forward);
		}
		if (json_object_get(g, "macvtap")) {
			followed(json_object_get(g, "macvtap"), buf);
			(void)printf("    %s\n", buf);
		}
	}
}

static void print_guests(const struct cmd *cmd, const json_t *guests)
{
	struct table t = { .head = { "GUEST", "STATE", "DEVICE", "ADDRESSES", "", "FORWARDS" }, .bold = 1, .dim = 5 };
	const json_t *g;
	size_t i;

	json_array_foreach(guests, i, g) {
		if (json_object_get(g, "macvtap"))
			t.head[5] = "MULTICAST";
		add_guest(cmd, &t, g, false);
	}
	if (table_width(&t) + 2 > table_terminal() && !str_eq(t.head[5], "MULTICAST")) {
		table_clear(&t);
		t.head[5] = NULL;
		json_array_foreach(guests, i, g)
			add_guest(cmd, &t, g, true);
	}
	if (table_width(&t) + 2 <= table_terminal())
		table_print(cmd, &t, 2);
	else
		print_blocks(cmd, guests);
	table_clear(&t);
	json_array_foreach(guests, i, g)
		print_all_multicast(cmd, text(g, "name"), json_object_get(g, "macvtap"));
}

/* "two leases, the last ends in 41 min": what a network was numbered by before. */
static void print_drain(const struct cmd *cmd, const json_t *drain)
{
	long long n = json_integer_value(json_object_get(drain, "leases"));
	const json_t *expires = json_object_get(drain, "expires");
	long long s = json_integer_value(expires);
	bool six = strchr(text(drain, "address"), ':') != NULL;
	char when[64] = "";

	if (expires)
		(void)snprintf(when, sizeof(when), s >= 120 ? ", at most %lld min left" : ", at most %lld s left",
			       s >= 120 ? (s + 59) / 60 : s);
	(void)printf("  %s %s%s%s is draining: ", cmd_glyph(cmd, GLYPH_INFO), cmd_bold(cmd), text(drain, "address"), cmd_plain(cmd));
	if (n > 0)
		(void)printf("%lld lease%s%s%s\n", n, n == 1 ? "" : "s", six ? " and what guests made of it" : "", when);
	else
		(void)printf("%s%s\n", six ? "what guests made of it" : "leases not counted yet", when);
}

void status_draining(const struct cmd *cmd, const json_t *network)
{
	const json_t *drain;
	size_t i;

	json_array_foreach(json_object_get(network, "draining"), i, drain)
		print_drain(cmd, drain);
}

/* What every network has: what is wrong, and its guests. */
static void print_rest(const struct cmd *cmd, const json_t *n)
{
	const json_t *trouble;
	size_t i;

	json_array_foreach(json_object_get(n, "troubles"), i, trouble)
		(void)printf("  %s %s\n", cmd_glyph(cmd, GLYPH_WARNING), json_string_value(trouble));
	status_draining(cmd, n);
	if (json_array_size(json_object_get(n, "guests")) > 0)
		print_guests(cmd, json_object_get(n, "guests"));
	(void)putchar('\n');
}

static void print_network(const struct cmd *cmd, const json_t *n)
{
	const json_t *v4 = json_object_get(n, "ipv4"), *v6 = json_object_get(n, "ipv6");
	bool degraded = str_eq(text(n, "state"), "degraded");
	size_t i;

	if (str_eq(text(n, "state"), "down")) {
		(void)printf("%s %s%-10s%s %-9s down\n\n", cmd_glyph(cmd, GLYPH_DOWN), cmd_bold(cmd), text(n, "name"),
			     cmd_plain(cmd), text(n, "mode"));
		return;
	}
	(void)printf("%s %s%-10s%s %-9s", cmd_glyph(cmd, degraded ? GLYPH_DEGRADED : GLYPH_UP), cmd_bold(cmd),
		     text(n, "name"), cmd_plain(cmd), text(n, "mode"));
	if (v4)
		(void)printf(" %-18s", text(v4, "address"));
	if (v6)
		(void)printf(" %s", text(v6, "address"));
	const json_t *macvtap = json_object_get(n, "macvtap");
	if (macvtap) {
		(void)printf(" %s%s%s%s%s\n", text(macvtap, "mode"), *text(n, "uplink") ? " on " : "", text(n, "uplink"),
			     json_is_true(json_object_get(macvtap, "host_access")) ? ", host-access" : "",
			     degraded ? "   degraded" : "");
		print_rest(cmd, n);
		return;
	}
	size_t width = 44 + strlen(text(v6, "address")) + strlen(text(n, "device")) + strlen(text(n, "uplink")) + (degraded ? 17 : 6);
	if (width > (size_t)table_terminal())
		(void)printf("\n          ");
	(void)printf("   %s%s%s", text(n, "device"), *text(n, "uplink") ? cmd->utf8 ? " → " : " -> " : "", text(n, "uplink"));
	(void)printf("%s\n", degraded ? "   degraded" : "");
	if (v6) {
		const json_t *because = json_object_get(v6, "because"), *reason;

		json_array_foreach(because, i, reason)
			(void)printf("             %s%s%s\n", cmd_dim(cmd), json_string_value(reason), cmd_plain(cmd));
	}
	print_rest(cmd, n);
}

/* Six addresses of a guest at most: temporary ones pile up. */
static void add_adopted(const struct cmd *cmd, struct table *t, const json_t *a, const json_t *device)
{
	const json_t *v4 = json_object_get(device, "ipv4"), *v6 = json_object_get(device, "ipv6");
	size_t n4 = json_array_size(v4), n = n4 + json_array_size(v6);
	char on[64] = "", groups[64] = "";

	if (device) {
		(void)snprintf(on, sizeof(on), "%s on %s", text(device, "mode"), text(device, "lower"));
		followed(device, groups);
	}
	for (size_t i = 0; i < (n > 6 ? 6 : n ? n : 1); i++) {
		const json_t *address = i < n4 ? json_array_get(v4, i) : json_array_get(v6, i - n4);

		TABLE_ROW(t, i == 0 ? text(a, "subject") : "", i == 0 ? text(a, "state") : "",
			  i > 0 ? "" : device ? text(device, "device") : dash(cmd), i == 0 ? on : "",
			  address ? json_string_value(address) : "", i == 0 ? groups : "");
	}
}

static void print_trouble(const struct cmd *cmd, const json_t *a, const json_t *device)
{
	const char *why = json_string_value(json_array_get(json_object_get(device, "monitor_because"), 0));

	print_all_multicast(cmd, text(device, "device"), device);
	if (why)
		(void)printf("  %s %s: its QEMU can't be asked: %s: %s; what it says on the wire is followed\n",
			     cmd_glyph(cmd, GLYPH_WARNING), text(device, "device"), text(a, "monitor"), why);
}

static void print_adopted(const struct cmd *cmd, const json_t *adopted)
{
	struct table t = { .head = { "ADOPTED", "STATE", "DEVICE", "MACVTAP", "ADDRESSES SEEN", "MULTICAST" }, .bold = 1, .dim = 5 };
	const json_t *a, *device;
	size_t i, k;

	json_array_foreach(adopted, i, a) {
		json_array_foreach(json_object_get(a, "devices"), k, device)
			add_adopted(cmd, &t, a, device);
		if (json_array_size(json_object_get(a, "devices")) == 0)
			add_adopted(cmd, &t, a, NULL);
	}
	if (json_array_size(adopted) > 0) {
		table_print(cmd, &t, 2);
		json_array_foreach(adopted, i, a)
			json_array_foreach(json_object_get(a, "devices"), k, device)
				print_trouble(cmd, a, device);
		(void)putchar('\n');
	}
	table_clear(&t);
}

static void print_uptime(double s)
{
	long t = (long)s;

	if (t >= 86400)
		(void)printf("%ld d %ld h", t / 86400, t / 3600 % 24);
	else if (t >= 3600)
		(void)printf("%ld h %ld min", t / 3600, t / 60 % 60);
	else if (t >= 60)
		(void)printf("%ld min", t / 60);
	else
		(void)printf("%ld s", t);
}

int cmd_status(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL;
	size_t i, degraded = 0, guests = 0, down = 0;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (argc - optind > 1)
		return cmd_usage(cmd, "one network, or none for all");
	if (client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return EXIT_FAILED;
	json_t *request = ctl_request_new(CTL_STATUS);
	client_add_networks(request, argv + optind, argc - optind);
	if (client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) != 0)
		return EXIT_FAILED;
	json_t *networks = json_object_get(answer, "networks");
	const json_t *n;
	local_add_down(cmd, networks, argv + optind, argc - optind);
	if (json_array_size(networks) < (size_t)(argc - optind)) {
		json_decref(answer);
		report_help(report_error(cmd->report, argv[optind], "no network of that name is up"), "sixtap status lists them");
		return EXIT_FAILED;
	}
	if (cmd->json) {
		cmd_json(cmd, answer);
		return EXIT_DONE;
	}
	json_array_foreach(networks, i, n) {
		if (!cmd->quiet || str_eq(text(n, "state"), "degraded"))
			print_network(cmd, n);
		degraded += str_eq(text(n, "state"), "degraded");
		down += str_eq(text(n, "state"), "down");
		guests += json_array_size(json_object_get(n, "guests"));
	}
	if (cmd->quiet) {
		json_decref(answer);
		return EXIT_DONE;
	}
	print_adopted(cmd, json_object_get(answer, "adopted"));
	(void)printf("%zu up", json_array_size(networks) - down);
	if (degraded > 0)
		(void)printf(" (%zu degraded)", degraded);
	if (down > 0)
		(void)printf(", %zu down", down);
	if (json_array_size(json_object_get(answer, "adopted")) > 0)
		(void)printf(" %s %zu adopted", cmd_glyph(cmd, GLYPH_INFO), json_array_size(json_object_get(answer, "adopted")));
	(void)printf(" %s %zu guest%s %s sixtapd %s, ", cmd_glyph(cmd, GLYPH_INFO), guests, guests == 1 ? "" : "s",
		     cmd_glyph(cmd, GLYPH_INFO), text(json_object_get(answer, "daemon"), "release"));
	print_uptime(json_real_value(json_object_get(json_object_get(answer, "daemon"), "uptime")));
	(void)putchar('\n');
	const json_t *confirm = json_object_get(json_object_get(answer, "daemon"), "confirm");
	if (confirm)
		(void)printf("%s the last change is put back in %lld s, unless you run:  sixtap confirm\n",
			     cmd_glyph(cmd, GLYPH_WARNING), (long long)json_integer_value(confirm));
	json_decref(answer);
	return EXIT_DONE;
}
