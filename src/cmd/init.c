/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init - sixtap init: a first configuration for this host, with comments
 *
 * Looks at the host's links, addresses and routes, takes an IPv4 /24 that none
 * of them touches (nat), or sees whether the named interface can bear guests
 * (macvtap), and writes a file that `sixtap check` finds good. Nothing that is
 * there already is written over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "ctl/paths.h"
#include "kern/kern.h"
#include "kern/observe.h"
#include "plan/plan.h"

#define SHOWN_MAX 4	/* prefixes in use that are named */

struct init {
	struct arena *arena;
	struct world *world;
	char *file;
	const char *name;		/* the network's, and its bridge's */
	struct prefix address4;		/* the gateway's */
	struct prefix address6;		/* the ULA that will be derived */
	bool secret_known;		/* what it is derived from */
	const char *taken;		/* "198.51.100.0/24 (eth0), …", or "" */
	const struct w_link *uplink4, *uplink6;
	const char *user;		/* for `allow`, or NULL */
	const char *iface;		/* macvtap's, as it was asked for; NULL: nat */
	const struct w_link *lower;	/* the same */
};

/* ---- the host ---- */

/* The link of the default route of least metric, or NULL. */
static const struct w_link *find_uplink(const struct world *w, uint8_t family)
{
	const struct w_route *best = NULL;

	for (size_t i = 0; i < w->n_routes; i++) {
		const struct w_route *r = &w->routes[i];

		if (r->dst.ip.family == family && r->dst.len == 0 && r->table == RT_TABLE_MAIN && r->type == RTN_UNICAST &&
		    r->oif && (!best || r->metric < best->metric))
			best = r;
	}
	return best ? world_link(w, best->oif) : NULL;
}

static const char *first_address(const struct world *w, const struct w_link *link, uint8_t family, char buf[static IP_STRLEN])
{
	for (size_t i = 0; link && i < w->n_addrs; i++)
		if (w->addrs[i].ifindex == link->ifindex && w->addrs[i].prefix.ip.family == family &&
		    !ip_is_link_local(&w->addrs[i].prefix.ip))
			return ip_format(&w->addrs[i].prefix.ip, buf);
	return NULL;
}

/* Who has something of @p: the device of an address, or of a route that is more than a default; NULL: nobody. */
static const struct w_link *who_uses(const struct world *w, const struct prefix *p)
{
	for (size_t i = 0; i < w->n_addrs; i++)
		if (prefix_overlaps(&w->addrs[i].prefix, p))
			return world_link(w, w->addrs[i].ifindex);
	for (size_t i = 0; i < w->n_routes; i++)
		if (w->routes[i].dst.len > 1 && prefix_overlaps(&w->routes[i].dst, p))	/* /1: VPNs' halves of everything */
			return world_link(w, w->routes[i].oif);
	return NULL;
}

/* libvirt's default network, which may be down just now. */
static bool is_reserved(const struct prefix *p)
{
	return p->ip.b[0] == 192 && p->ip.b[2] == 122;
}

static bool pick_address(struct init *init)
{
	for (unsigned int i = 0; i < 155; i++) {	/* .150 to .254, then .100 to .149 */
		unsigned int third = i < 105 ? 150 + i : 100 + i - 105;
		struct prefix p = { .ip = { .family = AF_INET, .b = { 192, 168, (uint8_t)third, 1 } }, .len = 24 };

		init->address4 = p;
		if (!is_reserved(&p) && !who_uses(init->world, &p))
			return true;
	}
	for (unsigned int i = 0; i < 256; i++) {
		init->address4 = (struct prefix){ .ip = { .family = AF_INET, .b = { 10, 150, (uint8_t)i, 1 } }, .len = 24 };
		if (!who_uses(init->world, &init->address4))
			return true;
	}
	return false;
}

/* The IPv4 prefixes that this host uses, as a reason for the choice. */
static void list_taken(struct init *init)
{
	const struct world *w = init->world;
	const char *text = "";
	size_t shown = 0, n = 0;

	for (size_t i = 0; i < w->n_addrs; i++) {
		const struct w_addr *a = &w->addrs[i];
		const struct w_link *link = world_link(w, a->ifindex);
		struct prefix p = { prefix_network(&a->prefix), a->prefix.len };

		if (a->prefix.ip.family != AF_INET || ip_is_loopback(&a->prefix.ip) || !link)
			continue;
		if (shown < SHOWN_MAX) {
			text = arena_printf(init->arena, "%s%s%s (%s)", text, shown ? ", " : "", PREFIX_STR(&p), link->name);
			shown++;
		}
		n++;
	}
	if (n > shown)
		text = arena_printf(init->arena, "%s and %zu more", text, n - shown);
	init->taken = text;
}

/* Who asked, when it wasn't root: a name that needs no quoting in YAML. */
static const char *find_user(void)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *user = getenv("SUDO_USER");

	if (!user || !*user || str_eq(user, "root") || strlen(user) > 32 || user[strspn(user, letters)] != '\0')
		return NULL;
	return user;
}

/* A name that no link has yet. */
static const char *find_name(const struct world *w)
{
	static const char *const names[] = { "lan", "vms", "guests", "sixtap" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!world_link_by_name(w, names[i]))
			return names[i];
	return names[0];
}

/* The interfaces that guests could sit on, as a way out. */
static const char *list_fit(const struct init *init)
{
	const char *text = "", *help;
	size_t n = 0;

	for (size_t i = 0; i < init->world->n_links && n < SHOWN_MAX; i++) {
		const struct w_link *l = &init->world->links[i];

		if (str_eq(l->kind, "bridge") || str_eq(l->kind, "tun") || str_eq(l->kind, "macvtap") ||
		    macvtap_unfit(init->arena, init->world, "", l, false, &help))
			continue;
		text = arena_printf(init->arena, "%s%s%s", text, n++ ? ", " : "", l->name);
	}
	return text;
}

/* The interface that was named, if macvtap can work on it. */
static int find_lower(struct cmd *cmd, struct init *init)
{
	const struct w_link *lower = world_link_by_name(init->world, init->iface), *master;
	const char *fit = list_fit(init), *help = NULL, *what;
	struct finding *f;

	if (!lower) {
		f = report_error(cmd->report, NULL, "no interface named %s", init->iface);
		report_help(f, *fit ? "this host has %s" : "sixtap init nat needs none%s", fit);
		return EXIT_FAILED;
	}
	what = macvtap_unfit(init->arena, init->world, "", lower, false, &help);
	if (!what) {
		init->lower = lower;
		return EXIT_DONE;
	}
	f = report_error(cmd->report, NULL, "%s", what);
	master = lower->master ? world_link(init->world, lower->master) : NULL;
	if (master && !str_eq(master->kind, "bridge"))
		report_help(f, "sixtap init macvtap %s", master->name);
	else
		report_help(f, "%s", help);
	return EXIT_FAILED;
}

static int observe(struct cmd *cmd, struct init *init)
{
	_cleanup_(kern_freep) struct kern *kern = NULL;
	const struct kern_conf conf = { .run_dir = PATHS_JOIN(cmd->run_dir, "state"), .proc_sys_fd = -1, .tun_fd_dir = -1 };

	if (kern_new(&kern, &conf, cmd->report) < 0 || kern_observe(kern, NULL, 0, init->world, cmd->report) < 0)
		return EXIT_FAILED;
	init->name = find_name(init->world);
	init->uplink4 = find_uplink(init->world, AF_INET);
	init->uplink6 = find_uplink(init->world, AF_INET6);
	init->user = find_user();
	if (init->iface)
		return find_lower(cmd, init);
	if (!pick_address(init)) {
		report_error(cmd->report, NULL, "no free IPv4 /24 was found in 192.168.0.0/16 and 10.150.0.0/16");
		return EXIT_FAILED;
	}
	list_taken(init);
	return EXIT_DONE;
}

/* ---- the file ---- */

static bool is_yaml(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && str_eq(name + n - 5, ".yaml");
}

static int taken(struct cmd *cmd, const char *path)
{
	report_help(report_error(cmd->report, path, "is there already, and init writes nothing over"),
		    "edit it, or name another file with -c");
	return EXIT_FAILED;
}

/* A folder, or what doesn't exist and has no ending, holds the file; anything else is the file. */
static int choose_file(struct cmd *cmd, struct init *init)
{
	const char *base = strrchr(cmd->config, '/');
	struct stat st;
	DIR *dir;

	base = base ? base + 1 : cmd->config;
	bool there = stat(cmd->config, &st) == 0;
	if (there ? !S_ISDIR(st.st_mode) : *base && strchr(base, '.')) {
		init->file = arena_strdup(init->arena, cmd->config);
		return there ? taken(cmd, init->file) : EXIT_DONE;
	}
	init->file = arena_printf(init->arena, "%s%s%s.yaml", cmd->config, *base ? "/" : "", init->name);
	dir = there ? opendir(cmd->config) : NULL;
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		if (!is_yaml(e->d_name) || str_eq(e->d_name, "adopted.yaml"))
			continue;
		init->file = arena_printf(init->arena, "%s%s%s", cmd->config, *base ? "/" : "", e->d_name);
		(void)closedir(dir);
		return taken(cmd, init->file);
	}
	if (dir)
		(void)closedir(dir);
	return EXIT_DONE;
}

static void print_uplink(FILE *f, const struct init *init)
{
	char a4[IP_STRLEN], a6[IP_STRLEN];
	const char *v4 = first_address(init->world, init->uplink4, AF_INET, a4);
	const char *v6 = first_address(init->world, init->uplink6, AF_INET6, a6);

	if (!init->uplink4 && !init->uplink6) {
		(void)fprintf(f, "# This host has no default route now; the network follows one as soon as there is.\n");
		return;
	}
	if (init->uplink4)
		(void)fprintf(f, "# IPv4 leaves by %s%s%s.", init->uplink4->name, v4 ? " as " : "", v4 ? v4 : "");
	else
		(void)fprintf(f, "# This host has no IPv4 default route now.");
	if (init->uplink6)
		(void)fprintf(f, " IPv6 leaves by %s%s%s.\n", init->uplink6->name, v6 ? " as " : "", v6 ? v6 : "");
	else
		(void)fprintf(f, "\n# This host has no IPv6 default route now; guests get IPv6 among themselves until it has.\n");
}

static void print_allow(FILE *f, const struct init *init)
{
	if (init->user)
		(void)fprintf(f, "    allow: [\"%s\"]%*s# may run guests here without being root\n", init->user,
			      (int)(strlen(init->user) < 17 ? 18 - strlen(init->user) : 1), "");
	else
		(void)fprintf(f, "    # allow: [alice, \"@kvm\"]    # users and groups who may run guests without being root\n");
}

static void print_macvtap(FILE *f, const struct init *init)
{
	char a4[IP_STRLEN], a6[IP_STRLEN];
	const char *v4 = first_address(init->world, init->lower, AF_INET, a4);
	const char *v6 = first_address(init->world, init->lower, AF_INET6, a6);

	(void)fprintf(f, "networks:\n"
			 "  %s:\n"
			 "    mode: macvtap               # guests are machines of the LAN: it gives them addresses, and sees their MACs\n"
			 "    uplink: %-20s# the interface to it; nothing about it is changed\n",
		      init->name, init->lower->name);
	if (v4 || v6)
		(void)fprintf(f, "    # This host is %s%s%s there.\n", v4 ? v4 : v6, v4 && v6 ? " and " : "", v4 && v6 ? v6 : "");
	(void)fprintf(f, "    macvtap:\n"
			 "      mode: bridge              # guests reach each other; private, vepa, source, passthru: see the man page\n"
			 "      multicast: auto           # let in what the guest listens to: without that its IPv6 doesn't work\n"
			 "    host-access: yes            # host and guests reach each other, which they can't through %s itself\n"
			 "    spoof-check: yes            # no guest can speak for the router, this host or another guest\n",
		      init->lower->name);
	print_allow(f, init);
	(void)fprintf(f, "    # guests:                   # guests need no entry; one lets host-access know addresses beforehand\n"
			 "    #   web:\n"
			 "    #     mac: \"52:54:00:12:34:56\"    # with the quotes; without a mac: one that stays the same\n");
	if (v4)
		(void)fprintf(f, "    #     ipv4: ADDRESS             # as the LAN's DHCP server gives it, or the guest is set up\n");
}

static void print_nat(FILE *f, const struct init *init)
{
	const struct prefix net4 = { prefix_network(&init->address4), init->address4.len };
	const struct prefix net6 = { prefix_network(&init->address6), init->address6.len };
	const struct ip guest = ip_add(&net4.ip, 10);

	(void)fprintf(f, "networks:\n"
			 "  %s:%*s# also the bridge's name\n"
			 "    mode: nat                   # guests get out by this host's own addresses\n",
		      init->name, (int)(29 - strlen(init->name)), "");
	(void)fprintf(f, "    uplink: auto                # follows the default route, for each family its own\n");
	(void)fputs("    ", f);
	print_uplink(f, init);
	(void)fprintf(f, "    ipv4:\n"
			 "      # Nothing on this host is in %s", PREFIX_STR(&net4));
	(void)fprintf(f, *init->taken ? "; in use: %s.\n" : ".%s\n", init->taken);
	(void)fprintf(f, "      address: %s   # the host's, and the guests' gateway; DHCP has the upper half\n",
		      PREFIX_STR(&init->address4));
	(void)fprintf(f, "    ipv6: ula                   # a private prefix, always the same on this host%s%s\n",
		      init->secret_known ? ": " : "", init->secret_known ? PREFIX_STR(&net6) : "");
	print_allow(f, init);
	(void)fprintf(f, "    # guests:                   # guests need no entry; one gives them fixed addresses and ports\n"
			 "    #   web:\n"
			 "    #     mac: \"52:54:00:12:34:56\"    # with the quotes; without a mac: one that stays the same\n"
			 "    #     ipv4: %s\n"
			 "    #     forward: [\"8080:80\"]        # the host's port 8080, on both families, is web's port 80\n",
		      IP_STR(&guest));
}

static char *make_text(const struct init *init)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	(void)fprintf(f, "# Networks for virtual machines, written by `sixtap init`.\n"
			 "#     sixtap check     is this file good?\n"
			 "#     sixtap plan      what would change on this host, and why\n"
			 "#     sixtap up        do it; again after every edit\n"
			 "# Every key and its default: man 5 sixtap.yaml\n");
	if (init->lower)
		print_macvtap(f, init);
	else
		print_nat(f, init);
	if (fclose(f) != 0)
		abort();
	return text;
}

/* What is written must be good: it is read as `check` reads it. @ret: what it asks for. */
static int check_text(struct cmd *cmd, struct init *init, const char *text, struct desired **ret)
{
	struct conf_seed seed = { { 0 } };
	const struct conf_source source = { .file = init->file, .text = text, .len = strlen(text), .path = init->file };

	init->secret_known = paths_secret(cmd->state_dir, seed.secret) == 0;
	return conf_read(&source, 1, &seed, cmd->report, ret) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int cannot_write(struct cmd *cmd, const char *path, int error)
{
	struct finding *f = report_error(cmd->report, path, "cannot be written: %s", strerror(error));

	if (error == EACCES || error == EPERM)
		report_help(f, "sudo sixtap init, or name a file of your own with -c");
	return EXIT_FAILED;
}

static int write_file(struct cmd *cmd, const char *path, const char *text)
{
	size_t len = strlen(text);
	int r = paths_make_parents(path);

	if (r < 0)
		return cannot_write(cmd, path, -r);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? taken(cmd, path) : cannot_write(cmd, path, errno);
	ssize_t n = write(fd, text, len);
	if (n != (ssize_t)len || fsync(fd) < 0) {
		r = n < 0 ? errno : ENOSPC;
		(void)unlink(path);
		return cannot_write(cmd, path, r);
	}
	return EXIT_DONE;
}

/* ---- the command ---- */

static void print_next(const struct cmd *cmd, const struct init *init)
{
	bool usual = str_eq(cmd->config, PATHS_CONFIG);
	const char *option = usual ? "" : arena_printf(init->arena, "-c %s ", cmd->config);

	if (init->user)
		(void)printf("  allow  %-26s %smay run guests without being root%s\n", init->user, cmd_dim(cmd), cmd_plain(cmd));
	(void)printf("\nLook at it, then:   sudo sixtap %splan      sudo sixtap %sup\n", option, option);
}

static void print_done_macvtap(const struct cmd *cmd, const struct init *init)
{
	(void)printf("%s %s%s%s: network %s, guests on %s's LAN (macvtap)\n", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), init->file,
		     cmd_plain(cmd), init->name, init->lower->name);
	(void)printf("  IPv4   %-26s %sfrom the LAN's DHCP server%s\n", "the LAN's", cmd_dim(cmd), cmd_plain(cmd));
	(void)printf("  IPv6   %-26s %sfrom its router%s\n", "the LAN's", cmd_dim(cmd), cmd_plain(cmd));
	if (!(init->lower->flags & IFF_UP))
		(void)printf("  %s %s is down: guests are cut off until it is up\n", cmd_glyph(cmd, GLYPH_WARNING), init->lower->name);
	print_next(cmd, init);
}

static void print_done(const struct cmd *cmd, const struct init *init)
{
	const char *uplink = init->uplink4 ? init->uplink4->name : init->uplink6 ? init->uplink6->name : NULL;

	(void)printf("%s %s%s%s: network %s, NAT%s%s\n", cmd_glyph(cmd, GLYPH_OK), cmd_bold(cmd), init->file,
		     cmd_plain(cmd), init->name, uplink ? " behind " : "", uplink ? uplink : "");
	(void)printf("  IPv4   %-26s %s%s%s%s\n", PREFIX_STR(&init->address4), cmd_dim(cmd),
		     *init->taken ? "free; this host uses " : "free", init->taken, cmd_plain(cmd));
	(void)printf("  IPv6   %-26s %s%sprivate, and always the same on this host%s\n",
		     init->secret_known ? PREFIX_STR(&init->address6) : "ula", cmd_dim(cmd), init->secret_known ? "ula: " : "",
		     cmd_plain(cmd));
	print_next(cmd, init);
}

static void say_json(struct cmd *cmd, const struct init *init)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}}", "file", init->file, "network", init->name, "mode", "nat",
			      "ipv4", "address", PREFIX_STR(&init->address4), "ipv6", "source", "ula");
	json_t *because = json_array();

	if (init->lower) {
		json_decref(because);
		json_decref(o);
		o = json_pack("{s:s, s:s, s:s, s:s}", "file", init->file, "network", init->name, "mode", "macvtap", "uplink",
			      init->lower->name);
		goto out;
	}
	if (init->secret_known)
		(void)json_object_set_new(json_object_get(o, "ipv6"), "address", json_string(PREFIX_STR(&init->address6)));
	(void)json_array_append_new(because, *init->taken ? json_sprintf("free; in use: %s", init->taken) : json_string("free"));
	(void)json_object_set_new(json_object_get(o, "ipv4"), "because", because);
out:
	if (init->user)
		(void)json_object_set_new(o, "allow", json_pack("[s]", init->user));
	cmd_json(cmd, o);
}

static int run_init(struct cmd *cmd, struct init *init)
{
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(freep) char *text = NULL;
	int r = observe(cmd, init);

	if (r == EXIT_DONE)
		r = choose_file(cmd, init);
	if (r != EXIT_DONE)
		return r;
	/* Twice: the ULA that goes into a comment is known once the rest has been read. */
	text = make_text(init);
	if (check_text(cmd, init, text, &desired) != EXIT_DONE)
		return EXIT_FAILED;
	init->address6 = desired_network(desired, init->name)->address6;
	free(text);
	text = make_text(init);
	r = write_file(cmd, init->file, text);
	if (r != EXIT_DONE)
		return r;
	if (cmd->json)
		say_json(cmd, init);
	else if (!cmd->quiet && init->lower)
		print_done_macvtap(cmd, init);
	else if (!cmd->quiet)
		print_done(cmd, init);
	return EXIT_DONE;
}

int cmd_init(struct cmd *cmd, int argc, char **argv)
{
	struct init init = { .user = NULL };

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	const char *mode = optind < argc ? argv[optind] : "nat";
	if (str_eq(mode, "hosting"))
		return cmd_usage(cmd, "networks for a hosting provider's /64 aren't built yet; sixtap init nat works everywhere");
	if (str_eq(mode, "macvtap")) {
		if (optind + 2 != argc)
			return cmd_usage(cmd, "macvtap takes one interface, that to the LAN: sixtap init macvtap eth0");
		init.iface = argv[optind + 1];
	} else if (!str_eq(mode, "nat")) {
		return cmd_usage(cmd, "%s isn't nat, macvtap or hosting", mode);
	} else if (optind + 1 < argc) {
		return cmd_usage(cmd, "nat takes no further arguments");
	}
	init.arena = arena_new();
	init.world = world_new();
	int r = run_init(cmd, &init);
	init.world = world_free(init.world);
	init.arena = arena_free(init.arena);
	return r;
}
