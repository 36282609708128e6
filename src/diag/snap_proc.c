/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_proc - what only /proc and /sys tell: settings, counters, groups, nodes
 *
 * /proc/thread-self/net and /proc/sys/net are those of the thread's network
 * namespace. Settings of single interfaces came with the links, but for those of
 * nobody: all and default.
 */
#include "diag/snap_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "diag/snap_fields.h"
#include "kern/observe.h"
#include "model/world.h"

#define PROC_NET "/proc/thread-self/net/"
#define VALUE_MAX 512

/* The text of a file; NULL: told as unread, unless it isn't there. */
static char *proc_file(struct snapshot *s, const char *path)
{
	char *text = NULL;
	int e = snap_file(path, &text);

	if (e < 0 && e != -ENOENT)
		snapshot_add_unread(s, SNAP_PART_PROC, path, "%s", strerror(-e));
	return text;
}

/* ---------------------------------------------------------------------- groups */

static bool hex_bytes(const char *text, uint8_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned int v;

		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		ret[i] = (uint8_t)v;
	}
	return true;
}

static void read_dev_mcast(struct snapshot *s)
{
	_cleanup_(freep) char *text = proc_file(s, PROC_NET "dev_mcast");
	char *at = text, *line;

	while ((line = snap_line(&at))) {
		unsigned int ifindex, users, global;
		char mac[65];
		struct mac m;

		if (sscanf(line, "%u %*s %u %u %64s", &ifindex, &users, &global, mac) != 4 || strlen(mac) != 12 ||
		    !hex_bytes(mac, m.b, 6))
			continue;
		*SNAP_ADD(s, mcasts) =
			(struct snap_mcast){ .ifindex = ifindex, .mac = m, .users = users, .global = global > 0 };
	}
}

static void read_groups6(struct snapshot *s, const char *path, bool anycast)
{
	_cleanup_(freep) char *text = proc_file(s, path);
	char *at = text, *line;

	while ((line = snap_line(&at))) {
		struct snap_group g = { .ip.family = AF_INET6 };
		char ip[33];

		if (sscanf(line, "%u %*s %32s %u", &g.ifindex, ip, &g.users) != 3 || strlen(ip) != 32 ||
		    !hex_bytes(ip, g.ip.b, 16))
			continue;
		if (anycast)
			*SNAP_ADD(s, anycasts) = g;
		else
			*SNAP_ADD(s, groups) = g;
	}
}

/* "2\teth0      :     1      V3", then lines of groups: "\t\t\t\t010000E0     1 0:00000000\t\t0" in host order. */
static void read_igmp(struct snapshot *s)
{
	_cleanup_(freep) char *text = proc_file(s, PROC_NET "igmp");
	char *at = text, *line;
	unsigned int ifindex = 0;

	while ((line = snap_line(&at))) {
		struct snap_group g = { .ip.family = AF_INET };
		uint32_t addr;

		if (line[0] != '\t') {
			ifindex = (unsigned int)strtoul(line, NULL, 10);
			continue;
		}
		if (ifindex == 0 || sscanf(line, "%8" SCNx32 " %u", &addr, &g.users) != 2)
			continue;
		g.ifindex = ifindex;
		memcpy(g.ip.b, &addr, 4);
		*SNAP_ADD(s, groups) = g;
	}
}

/* -------------------------------------------------------------------- settings */

/* Files of one folder below /proc/sys, not of those below it. */
static void read_sysctl_folder(struct snapshot *s, const char *folder)
{
	_cleanup_(freep) char *path = xasprintf("/proc/sys/%s", folder);
	DIR *dir = opendir(path);
	const struct dirent *d;

	if (!dir) {
		if (errno != ENOENT)
			snapshot_add_unread(s, SNAP_PART_SYSCTL, folder, "%s", strerror(errno));
		return;
	}
	while ((d = readdir(dir))) {
		char value[VALUE_MAX];

		/* Written only, secrets, and the like: nothing to conclude from. */
		if (d->d_type != DT_REG || strcmp(d->d_name, "flush") == 0 || strcmp(d->d_name, "stable_secret") == 0 ||
		    strstr(d->d_name, "fastopen_key"))
			continue;
		_cleanup_(closep) int fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);
		if (n < 0) {
			_cleanup_(freep) char *what = xasprintf("%s/%s", folder, d->d_name);

			if (errno != ENOENT)
				snapshot_add_unread(s, SNAP_PART_SYSCTL, what, "%s", strerror(errno));
			continue;
		}
		while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == ' '))
			n--;
		value[n] = '\0';
		*SNAP_ADD(s, sysctls) = (struct snap_sysctl){
			.path = arena_printf(s->arena, "%s/%s", folder, d->d_name),
			.value = arena_strdup(s->arena, value),
		};
	}
	(void)closedir(dir);
}

/* What was read of net/ipvN/conf/WHO, into its struct. */
static void take_conf(struct snapshot *s, const char *folder, const struct snap_struct *of, void *conf, bool *present)
{
	size_t len = strlen(folder);

	for (size_t i = 0; i < s->n_sysctls; i++) {
		const struct snap_sysctl *c = &s->sysctls[i];

		if (strncmp(c->path, folder, len) != 0 || c->path[len] != '/')
			continue;
		*present = true;
		for (size_t j = 0; j < of->n_fields; j++) {
			if (of->fields[j].type == SNAP_I32 && strcmp(of->fields[j].name, c->path + len + 1) == 0) {
				int32_t v = (int32_t)strtol(c->value, NULL, 10);

				memcpy((uint8_t *)conf + of->fields[j].offset, &v, sizeof(v));
			}
		}
	}
}

static void read_sysctls(struct snapshot *s)
{
	static const char *const folders[] = {
		"net/ipv4",
		"net/ipv6",
		"net/ipv6/icmp",
		"net/bridge",
		"net/netfilter",
		"net/ipv4/conf/all",
		"net/ipv4/conf/default",
		"net/ipv6/conf/all",
		"net/ipv6/conf/default",
	};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		read_sysctl_folder(s, folders[i]);
	take_conf(s, "net/ipv4/conf/all", &snap_struct_conf4, &s->conf4_all, &s->conf4_all.present);
	take_conf(s, "net/ipv4/conf/default", &snap_struct_conf4, &s->conf4_default, &s->conf4_default.present);
	take_conf(s, "net/ipv6/conf/all", &snap_struct_conf6, &s->conf6_all, &s->conf6_all.present);
	take_conf(s, "net/ipv6/conf/default", &snap_struct_conf6, &s->conf6_default, &s->conf6_default.present);
	for (size_t i = 0; i < s->n_sysctls; i++) {
		s->br_netfilter |= strncmp(s->sysctls[i].path, "net/bridge/", 11) == 0;
		s->conntrack |= strcmp(s->sysctls[i].path, "net/netfilter/nf_conntrack_max") == 0;
	}
}

/* -------------------------------------------------------------------- counters */

static void add_counter(struct snapshot *s, uint32_t ifindex, const char *name, uint64_t value)
{
	*SNAP_ADD(s, counters) = (struct snap_counter){
		.ifindex = ifindex,
		.name = arena_strdup(s->arena, name),
		.value = value > INT64_MAX ? INT64_MAX : value, /* a gauge that is -1 */
	};
}

/* "Name   value" lines. @only: names that are wanted; NULL: all. */
static void read_snmp6(struct snapshot *s, const char *path, uint32_t ifindex, const char *const *only, size_t n_only)
{
	_cleanup_(freep) char *text = proc_file(s, path);
	char *at = text, *line;

	while ((line = snap_line(&at))) {
		char name[64];
		uint64_t v;
		bool wanted = !only;

		if (sscanf(line, "%63s %" SCNu64, name, &v) != 2)
			continue;
		for (size_t i = 0; i < n_only && !wanted; i++)
			wanted = strcmp(name, only[i]) == 0;
		if (wanted)
			add_counter(s, ifindex, name, v);
	}
}

/* Pairs of lines: "Ip: Name Name …" and "Ip: 1 2 …". */
static void read_snmp(struct snapshot *s, const char *path)
{
	_cleanup_(freep) char *text = proc_file(s, path);
	char *at = text, *names, *values;

	while ((names = snap_line(&at)) && (values = snap_line(&at))) {
		char *pn, *pv, *group = strtok_r(names, " ", &pn), *name, *value;

		if (!group || !strtok_r(values, " ", &pv))
			continue;
		group[strcspn(group, ":")] = '\0';
		while ((name = strtok_r(NULL, " ", &pn)) && (value = strtok_r(NULL, " ", &pv))) {
			_cleanup_(freep) char *full = xasprintf("%s%s", group, name);

			add_counter(s, 0, full, value[0] == '-' ? 0 : strtoull(value, NULL, 10));
		}
	}
}

/* A line of names, then one of hexadecimal numbers for each processor; summed up. */
static void read_conntrack(struct snapshot *s)
{
	static const char *const wanted[] = { "drop", "early_drop", "insert_failed", "invalid" };
	_cleanup_(freep) char *text = proc_file(s, PROC_NET "stat/nf_conntrack");
	char *at = text, *names = snap_line(&at), *line;
	uint64_t sum[ARRAY_LEN(wanted)] = { 0 };
	size_t column[ARRAY_LEN(wanted)] = { 0 }; /* counted from 1 */

	if (!names)
		return;
	char *save, *name = strtok_r(names, " ", &save);
	for (size_t c = 1; name; c++, name = strtok_r(NULL, " ", &save)) {
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
			if (strcmp(name, wanted[i]) == 0)
				column[i] = c;
		}
	}
	while ((line = snap_line(&at))) {
		char *value = strtok_r(line, " ", &save);

		for (size_t c = 1; value; c++, value = strtok_r(NULL, " ", &save)) {
			for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
				if (column[i] == c)
					sum[i] += strtoull(value, NULL, 16);
			}
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		_cleanup_(freep) char *full = xasprintf("nf_conntrack_%s", wanted[i]);

		if (column[i] > 0)
			add_counter(s, 0, full, sum[i]);
	}
}

/* Interfaces whose own counters tell something: those that take part in IPv6, which ports and guests' ends don't. */
static bool has_counters(const struct snap_link *l)
{
	return l->conf6.present && l->master == 0 && strcmp(l->kind, "tun") != 0 && strcmp(l->kind, "macvtap") != 0;
}

static void read_counters(struct snapshot *s)
{
	static const char *const per_link[] = {
		"Icmp6InRouterAdvertisements",
		"Icmp6OutRouterSolicits",
		"Icmp6InRouterSolicits",
		"Icmp6OutRouterAdvertisements",
		"Icmp6InNeighborSolicits",
		"Icmp6OutNeighborSolicits",
		"Icmp6InNeighborAdvertisements",
		"Icmp6OutNeighborAdvertisements",
		"Icmp6InPktTooBigs",
		"Icmp6OutPktTooBigs",
		"Ip6InDiscards",
		"Ip6OutDiscards",
		"Ip6InNoRoutes",
		"Ip6OutNoRoutes",
		"Ip6InAddrErrors",
		"Ip6InTooBigErrors",
		"Ip6FragFails",
		"Ip6OutForwDatagrams",
		"Ip6InReceives",
	};

	read_snmp6(s, PROC_NET "snmp6", 0, NULL, 0);
	read_snmp(s, PROC_NET "snmp");
	read_snmp(s, PROC_NET "netstat");
	read_conntrack(s);
	for (size_t i = 0; i < s->n_links; i++) {
		_cleanup_(freep) char *path = xasprintf(PROC_NET "dev_snmp6/%s", s->links[i].name);

		if (has_counters(&s->links[i]))
			read_snmp6(s, path, s->links[i].ifindex, per_link, ARRAY_LEN(per_link));
	}
}

/* ----------------------------------------------------------------------- others */

static void read_listeners(struct snapshot *s)
{
	_cleanup_(world_freep) struct world *w = world_new();
	int e = kern_observe_listeners(w);

	if (e < 0) {
		snapshot_add_unread(s, "listeners", "", "%s", strerror(-e));
		return;
	}
	for (size_t i = 0; i < w->n_listeners; i++) {
		const struct w_listener *l = &w->listeners[i];

		*SNAP_ADD(s, listeners) = (struct snap_listener){
			.proto = l->proto,
			.ip = l->ip,
			.v6only = l->v6only,
			.port = l->port,
			.ifindex = l->ifindex,
			.pid = l->pid,
			.comm = arena_strdup(s->arena, l->comm),
		};
	}
}

static void read_tap_nodes(struct snapshot *s, const char *sys)
{
	for (size_t i = 0; i < s->n_links && !snap_unread(s, SNAP_PART_SYSFS); i++) {
		const struct snap_link *l = &s->links[i];
		_cleanup_(freep) char *path = NULL, *text = NULL, *node = NULL;
		struct snap_tap_node t = { .ifindex = l->ifindex };
		struct stat st;

		if (strcmp(l->kind, "macvtap") != 0)
			continue;
		path = xasprintf("%s/class/net/%s/tap%u/dev", sys, l->name, l->ifindex);
		node = xasprintf("/dev/tap%u", l->ifindex);
		int e = snap_file(path, &text);
		if (e < 0 || sscanf(text, "%" SCNu32 ":%" SCNu32, &t.major, &t.minor) != 2) {
			snapshot_add_unread(s, "tap-node", l->name, "%s: %s", path,
					    e < 0 ? strerror(-e) : "not MAJOR:MINOR");
			continue;
		}
		if (stat(node, &st) == 0) {
			t.present = true;
			t.node_major = S_ISCHR(st.st_mode) ? major(st.st_rdev) : 0;
			t.node_minor = S_ISCHR(st.st_mode) ? minor(st.st_rdev) : 0;
			t.mode = st.st_mode & 07777;
			t.uid = st.st_uid;
			t.gid = st.st_gid;
		}
		*SNAP_ADD(s, tap_nodes) = t;
	}
}

void snap_read_proc(struct snap_reader *r)
{
	struct snapshot *s = r->s;

	read_dev_mcast(s);
	read_igmp(s);
	read_groups6(s, PROC_NET "igmp6", false);
	read_groups6(s, PROC_NET "anycast6", true);
	read_sysctls(s);
	read_counters(s);
	read_listeners(s);
	read_tap_nodes(s, r->sys);
}
