/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map - sixtap map: the host's network as a tree, or as a picture
 *
 * Gathers and hands over: the kernel's links, addresses, routes, neighbours and
 * what bridges learned; the daemon's `status`, when one runs; and, for root,
 * which QEMU holds which tap. Sends nothing and changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/map.h"
#include "ctl/paths.h"
#include "kern/kern.h"
#include "kern/observe.h"

#define WIDTH_USUAL 100
#define PROCESSES_MAX 4096	/* QEMUs that are looked at */
#define CMDLINE_MAX 16384

enum {
	OPT_SVG = 1,
	OPT_FULL,
};

/* ---- the kernel ---- */

/* Mb/s as the driver tells, 0 when it doesn't. */
static uint32_t link_speed(const char *device)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_cmd cmd = { .cmd = ETHTOOL_GSET };
	struct ifreq ifr = { .ifr_data = (void *)&cmd };

	if (fd < 0 || !str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), device) || ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		return 0;
	uint32_t speed = ethtool_cmd_speed(&cmd);
	return speed > 1000000 ? 0 : speed;	/* all ones: unknown */
}

static void on_fdb(void *user, const struct kern_neigh *n)
{
	struct map_source *s = user;

	ARENA_GROW(s->arena, s->fdb, s->n_fdb, s->cap_fdb);
	s->fdb[s->n_fdb++] = *n;
}

static void on_neigh(void *user, const struct kern_neigh *n)
{
	struct map_source *s = user;

	ARENA_GROW(s->arena, s->neighs, s->n_neighs, s->cap_neighs);
	s->neighs[s->n_neighs++] = *n;
}

static int observe(struct cmd *cmd, struct world *world, struct map_source *source)
{
	_cleanup_(kern_freep) struct kern *kern = NULL;
	const struct kern_conf conf = { .run_dir = PATHS_JOIN(cmd->run_dir, "state"), .proc_sys_fd = -1, .tun_fd_dir = -1 };

	if (kern_new(&kern, &conf, cmd->report) < 0 || kern_observe(kern, NULL, 0, world, cmd->report) < 0)
		return EXIT_FAILED;
	/* Without these the map is poorer, not wrong. */
	(void)kern_neigh_dump(kern, AF_BRIDGE, on_fdb, source);
	(void)kern_neigh_dump(kern, AF_INET, on_neigh, source);
	(void)kern_neigh_dump(kern, AF_INET6, on_neigh, source);
	return EXIT_DONE;
}

/* ---- whose taps ---- */

/* The guest's name in QEMU's command line: "-name guest=web,debug-threads=on", "-name web". */
static const char *guest_in(struct arena *arena, const char *cmdline, size_t len)
{
	bool next = false;

	for (size_t at = 0; at < len; at += strlen(cmdline + at) + 1) {
		const char *arg = cmdline + at, *eq = next ? strstr(arg, "guest=") : NULL;

		if (next) {
			if (eq != arg && !(eq && eq[-1] == ','))
				eq = NULL;
			arg = eq ? eq + 6 : arg;
			return arena_strndup(arena, arg, strcspn(arg, ","));
		}
		next = str_eq(arg, "-name") || str_eq(arg, "--name");
	}
	return NULL;
}

/* "iff:\ttap0" of a tun descriptor's fdinfo. */
static bool tun_name(int fdinfo, const char *fd, char ret[static 16])
{
	char buf[1024];
	_cleanup_(closep) int f = openat(fdinfo, fd, O_RDONLY | O_CLOEXEC);
	ssize_t n = f < 0 ? -1 : read(f, buf, sizeof(buf) - 1);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	char *iff = strstr(buf, "iff:");
	if (!iff)
		return false;
	iff += 4 + strspn(iff + 4, " \t");
	iff[strcspn(iff, " \t\n")] = '\0';
	return *iff && str_copy(ret, 16, iff);
}

static void add_holders(struct map_source *s, int proc, const char *guest, bool libvirt)
{
	int fds = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closep) int fdinfo = openat(proc, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);

	if (!dir && fds >= 0)
		(void)close(fds);
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		struct map_holder h = { .guest = guest, .libvirt = libvirt };
		char target[64];
		ssize_t n = readlinkat(fds, e->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "/dev/tap%u", &h.ifindex) != 1 &&
		    !(strstr(target, "/tun") && fdinfo >= 0 && tun_name(fdinfo, e->d_name, h.device)))
			continue;
		ARENA_GROW(s->arena, s->holders, s->n_holders, s->cap_holders);
		s->holders[s->n_holders++] = h;
	}
	if (dir)
		(void)closedir(dir);
}

static ssize_t read_at(int dir, const char *name, char *buf, size_t size)
{
	_cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static bool same_netns(int proc)
{
	struct stat mine, theirs;

	return stat("/proc/self/ns/net", &mine) == 0 && fstatat(proc, "ns/net", &theirs, 0) == 0 && mine.st_ino == theirs.st_ino;
}

/* Everything that calls itself QEMU and holds a tap or macvtap here. Other users' can't be seen: left out. */
static void find_holders(struct map_source *s)
{
	DIR *all = opendir("/proc");
	char *cmdline = xcalloc(CMDLINE_MAX, 1), comm[32];
	size_t seen = 0;

	for (const struct dirent *e; all && seen < PROCESSES_MAX && (e = readdir(all));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		_cleanup_(closep) int proc = openat(dirfd(all), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc < 0 || read_at(proc, "comm", comm, sizeof(comm)) < 0 || strncmp(comm, "qemu-system", 11) != 0)
			continue;
		seen++;
		ssize_t n = same_netns(proc) ? read_at(proc, "cmdline", cmdline, CMDLINE_MAX) : -1;
		const char *guest = n > 0 ? guest_in(s->arena, cmdline, (size_t)n) : NULL;
		if (guest)
			add_holders(s, proc, guest, memmem(cmdline, (size_t)n, "/libvirt/qemu/", 14) != NULL);
	}
	if (all)
		(void)closedir(all);
	free(cmdline);
}

/* ---- the daemon ---- */

static json_t *ask_daemon(struct cmd *cmd)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL;

	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) != 0)
		return NULL;
	client_impatient(control);
	return client_ask(cmd, control, ctl_request_new(CTL_STATUS), NULL, NULL, &answer, NULL, NULL) == 0 ? answer : NULL;
}

/* ---- answers ---- */

static void set_list(json_t *o, const char *key, const struct map_list *list)
{
	json_t *a = json_array();

	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(a, json_string(list->s[i]));
	if (list->n > 0)
		(void)json_object_set(o, key, a);
	json_decref(a);
}

static void set_text(json_t *o, const char *key, const char *s)
{
	if (s && *s)
		(void)json_object_set_new(o, key, json_string(s));
}

static json_t *node_json(const struct map_node *node)
{
	static const char *const states[MAP_STATE_N_] = { NULL, "up", "degraded", "down" };
	json_t *o = json_pack("{s:s}", "kind", map_kind_name[node->kind]), *children = json_array();

	set_text(o, "device", node->name);
	set_text(o, "guest", node->guest);
	set_text(o, "state", states[node->state]);
	set_text(o, "what", node->what);
	set_text(o, "uplink", node->uplink);
	set_text(o, "trouble", node->trouble);
	set_text(o, "note", node->note);
	set_list(o, "addresses", &node->addresses);
	set_list(o, "routers", &node->routers);
	set_list(o, "forwards", &node->forwards);
	if (node->ours)
		(void)json_object_set_new(o, "ours", json_true());
	for (size_t i = 0; i < node->n; i++)
		(void)json_array_append_new(children, node_json(node->children[i]));
	if (node->n > 0)
		(void)json_object_set(o, "below", children);
	json_decref(children);
	return o;
}

static void say_json(struct cmd *cmd, const struct map_node *host, bool has_daemon)
{
	json_t *map = json_array();

	for (size_t i = 0; i < host->n; i++)
		(void)json_array_append_new(map, node_json(host->children[i]));
	cmd_json(cmd, json_pack("{s:s, s:b, s:o}", "host", host->name, "daemon", has_daemon, "map", map));
}

static int write_svg(struct cmd *cmd, const struct map_node *host, const char *path)
{
	FILE *f = str_eq(path, "-") ? stdout : fopen(path, "we");
	int r = f ? map_svg(host, f) : -errno;

	if (f && f != stdout && fclose(f) != 0 && r == 0)
		r = -errno;
	if (r == 0) {
		if (f != stdout && cmd->json)
			cmd_json(cmd, json_pack("{s:s}", "file", path));
		else if (f != stdout && !cmd->quiet)
			(void)printf("%s %s\n", cmd_glyph(cmd, GLYPH_OK), path);
		return EXIT_DONE;
	}
	report_error(cmd->report, path, "cannot be written: %s", strerror(-r));
	return EXIT_FAILED;
}

static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
		return WIDTH_USUAL;
	return size.ws_col;
}

static int show(struct cmd *cmd, struct map_source *source, struct world *world, const char *svg)
{
	char name[256] = "host";
	json_t *status = NULL;
	int r = observe(cmd, world, source);

	if (r != EXIT_DONE)
		return r;
	(void)gethostname(name, sizeof(name) - 1);
	find_holders(source);
	status = ask_daemon(cmd);
	if (report_n_errors(cmd->report) > 0) {
		json_decref(status);
		return EXIT_FAILED;
	}
	source->host = name;
	source->networks = json_object_get(status, "networks");
	source->adopted = json_object_get(status, "adopted");
	source->speed = link_speed;
	const struct map_node *host = map_tree(source);

	if (svg)
		r = write_svg(cmd, host, svg);
	else if (cmd->json)
		say_json(cmd, host, status != NULL);
	else
		map_text(cmd, host, status != NULL, terminal_width());
	json_decref(status);
	return r;
}

int cmd_map(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "svg", required_argument, NULL, OPT_SVG },
		{ "full", no_argument, NULL, OPT_FULL },
		{ 0 },
	};
	struct map_source source = { .full = false };
	const char *svg = NULL;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_SVG)
			svg = optarg;
		else if (opt == OPT_FULL)
			source.full = true;
		else
			return EXIT_USAGE;
	}
	if (optind < argc)
		return cmd_usage(cmd, "takes no arguments");
	if (cmd->json)
		source.full = true;
	source.arena = arena_new();
	struct world *world = world_new();
	source.world = world;
	int r = show(cmd, &source, world, svg);
	world_free(world);
	arena_free(source.arena);
	return r;
}
