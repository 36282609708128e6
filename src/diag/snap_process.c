/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_process - programs that matter, and QEMU's NICs as its processes have them
 *
 * One walk over /proc. A program in another network namespace has nothing to do
 * with this one; whose namespace can't be told counts when this is the initial
 * one. A guest's NIC is found by what QEMU was told on its command line, in
 * either of its forms, and by the descriptors that it holds: a tap's fdinfo says
 * which interface it is, a macvtap's is a node with the numbers that sysfs has for it.
 */
#include "diag/snap_read.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define ARGS_MAX 2048 /* arguments of one QEMU */
#define TAPS_MAX 64 /* descriptors of taps that one QEMU holds */

/* By the name that the kernel keeps, which is cut at 15 bytes. */
static const struct {
	const char *comm, *name;
} known[] = {
	{ "systemd-network", "systemd-networkd" },
	{ "NetworkManager", "NetworkManager" },
	{ "dhcpcd", "dhcpcd" },
	{ "dhclient", "dhclient" },
	{ "dockerd", "docker" },
	{ "firewalld", "firewalld" },
	{ "libvirtd", "libvirtd" },
	{ "virtqemud", "virtqemud" },
	{ "virtnetworkd", "virtnetworkd" },
	{ "dnsmasq", "dnsmasq" },
	{ "radvd", "radvd" },
	{ "kea-dhcp4", "kea-dhcp4" },
	{ "kea-dhcp6", "kea-dhcp6" },
	{ "xenstored", "xenstored" },
	{ "oxenstored", "xenstored" },
	{ "sixtapd", "sixtapd" },
	{ "wg-quick", "wg-quick" },
	{ "connmand", "connman" },
	{ "wickedd", "wicked" },
	{ "rdnssd", "rdnssd" },
};

struct scan {
	struct snap_reader *r;
	char ours[64]; /* net:[INODE] */
	uint64_t boot; /* Unix time */
	long ticks;
	size_t unreadable; /* QEMUs of other users */
};

static char *proc_text(uint32_t pid, const char *name, size_t *ret_len)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%u/%s", pid, name);
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0, n = 0;

	if (!f)
		return NULL;
	do {
		if (cap - n < 4096) {
			cap = cap ? cap * 2 : 8192;
			text = xrealloc(text, cap, 1);
		}
		size_t got = fread(text + n, 1, cap - n - 1, f);
		if (got == 0)
			break;
		n += got;
	} while (n < SNAP_PROC_MAX);
	(void)fclose(f);
	text[n] = '\0';
	if (ret_len)
		*ret_len = n;
	return text;
}

static bool same_netns(const struct scan *sc, uint32_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%u/ns/net", pid);
	char link[64];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	if (n < 0)
		return sc->r->s->initial_netns;
	link[n] = '\0';
	return strcmp(link, sc->ours) == 0;
}

/* Field 22 of /proc/PID/stat, in clock ticks since boot; the name before it may hold anything. */
static uint64_t started(const struct scan *sc, uint32_t pid)
{
	_cleanup_(freep) char *text = proc_text(pid, "stat", NULL);
	const char *p = text ? strrchr(text, ')') : NULL;

	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p && sc->ticks > 0 ? sc->boot + strtoull(p, NULL, 10) / (uint64_t)sc->ticks : 0;
}

/* ------------------------------------------------------------------ command lines */

/* The value of KEY in "a,KEY=VALUE,b"; commas are doubled to stand for themselves. */
static bool option(const char *arg, const char *key, char *ret, size_t size)
{
	size_t n = strlen(key);

	for (const char *p = arg; *p;) {
		bool hit = strncmp(p, key, n) == 0 && p[n] == '=';
		size_t out = 0;

		if (hit)
			p += n + 1;
		for (; *p && (*p != ',' || p[1] == ','); p++) {
			if (*p == ',')
				p++;
			if (hit && out + 1 < size)
				ret[out++] = *p;
		}
		if (hit) {
			ret[out] = '\0';
			return true;
		}
		if (*p == ',')
			p++;
	}
	return false;
}

/* The same of an argument in JSON, or as above. */
static bool value_of(const char *arg, const json_t *json, const char *key, char *ret, size_t size)
{
	const json_t *v = json_object_get(json, key);

	if (!json)
		return option(arg, key, ret, size);
	if (json_is_string(v))
		(void)str_copy(ret, size, json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(ret, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		return false;
	return true;
}

struct netdev {
	char kind[32], id[64], ifname[16], bridge[32], model[48], mac[24];
	int fd; /* -1: none */
	bool device; /* a -device goes with it */
};

struct held {
	int fd;
	uint32_t ifindex; /* of a macvtap */
	char name[16]; /* of a tap */
};

struct qemu {
	char name[128], uuid[40], qmp[256];
	struct {
		char id[64], path[256];
	} chardevs[8];
	size_t n_chardevs;
	char monitors[8][64]; /* chardev ids of monitors that speak QMP */
	size_t n_monitors;
	struct netdev *nics;
	size_t n_nics, cap_nics;
};

static struct netdev *nic_add(struct qemu *q)
{
	GROW(q->nics, q->n_nics, q->cap_nics);
	q->nics[q->n_nics] = (struct netdev){ .fd = -1 };
	return &q->nics[q->n_nics++];
}

static void take_netdev(struct qemu *q, const char *arg, const json_t *json, bool nic)
{
	struct netdev *d = nic_add(q);
	char fd[64];

	if (json)
		(void)value_of(arg, json, "type", d->kind, sizeof(d->kind));
	else
		(void)snprintf(d->kind, sizeof(d->kind), "%.*s", (int)strcspn(arg, ","), arg);
	(void)value_of(arg, json, "id", d->id, sizeof(d->id));
	(void)value_of(arg, json, "ifname", d->ifname, sizeof(d->ifname));
	(void)value_of(arg, json, "br", d->bridge, sizeof(d->bridge));
	if (value_of(arg, json, "fd", fd, sizeof(fd)) || value_of(arg, json, "fds", fd, sizeof(fd)))
		d->fd = isdigit((unsigned char)fd[0]) ? atoi(fd) : -1;
	if (nic) {
		d->device = true;
		(void)value_of(arg, json, "mac", d->mac, sizeof(d->mac));
		(void)value_of(arg, json, "model", d->model, sizeof(d->model));
	}
}

static void take_device(struct qemu *q, const char *arg, const json_t *json)
{
	char id[64] = "";

	if (!value_of(arg, json, "netdev", id, sizeof(id)))
		return;
	for (size_t i = 0; i < q->n_nics; i++) {
		struct netdev *d = &q->nics[i];

		if (strcmp(d->id, id) != 0)
			continue;
		d->device = true;
		(void)value_of(arg, json, "mac", d->mac, sizeof(d->mac));
		if (json)
			(void)value_of(arg, json, "driver", d->model, sizeof(d->model));
		else
			(void)snprintf(d->model, sizeof(d->model), "%.*s", (int)strcspn(arg, ","), arg);
	}
}

static void take_chardev(struct qemu *q, const char *arg, const json_t *json)
{
	if (q->n_chardevs == ARRAY_LEN(q->chardevs))
		return;
	if (value_of(arg, json, "path", q->chardevs[q->n_chardevs].path, sizeof(q->chardevs[0].path)) &&
	    value_of(arg, json, "id", q->chardevs[q->n_chardevs].id, sizeof(q->chardevs[0].id)))
		q->n_chardevs++;
}

static void take_argument(struct qemu *q, const char *opt, const char *arg)
{
	json_t *json = arg[0] == '{' ? json_loads(arg, 0, NULL) : NULL;
	char mode[16] = "";

	if (strcmp(opt, "name") == 0) {
		if (!option(arg, "guest", q->name, sizeof(q->name)))
			(void)snprintf(q->name, sizeof(q->name), "%.*s", (int)strcspn(arg, ","), arg);
	} else if (strcmp(opt, "uuid") == 0) {
		(void)str_copy(q->uuid, sizeof(q->uuid), arg);
	} else if (strcmp(opt, "netdev") == 0 || strcmp(opt, "nic") == 0) {
		take_netdev(q, arg, json, strcmp(opt, "nic") == 0);
	} else if (strcmp(opt, "device") == 0) {
		take_device(q, arg, json);
	} else if (strcmp(opt, "chardev") == 0) {
		take_chardev(q, arg, json);
	} else if (strcmp(opt, "qmp") == 0 && strncmp(arg, "unix:", 5) == 0) {
		(void)snprintf(q->qmp, sizeof(q->qmp), "%.*s", (int)strcspn(arg + 5, ","), arg + 5);
	} else if (strcmp(opt, "mon") == 0 && q->n_monitors < ARRAY_LEN(q->monitors) &&
		   value_of(arg, json, "mode", mode, sizeof(mode)) && strcmp(mode, "control") == 0 &&
		   value_of(arg, json, "chardev", q->monitors[q->n_monitors], sizeof(q->monitors[0]))) {
		q->n_monitors++;
	}
	json_decref(json);
}

static void take_command_line(struct qemu *q, const char *text, size_t len)
{
	const char *opt = NULL;

	for (size_t at = 0, n = 0; at < len && n < ARGS_MAX; at += strlen(text + at) + 1, n++) {
		const char *arg = text + at;
		bool option = arg[0] == '-' && arg[1] != '\0';

		if (opt && !option)	/* -nodefaults, -S and others have no value */
			take_argument(q, opt, arg);
		opt = option ? arg + 1 + (arg[1] == '-') : NULL;
	}
	for (size_t i = 0; i < q->n_monitors && !q->qmp[0]; i++) {
		for (size_t j = 0; j < q->n_chardevs; j++) {
			if (strcmp(q->monitors[i], q->chardevs[j].id) == 0)
				(void)str_copy(q->qmp, sizeof(q->qmp), q->chardevs[j].path);
		}
	}
}

/* The macvtap whose node that is, by its numbers; 0: none of this namespace's. */
static uint32_t macvtap_of(const struct snapshot *s, int dir, const char *name)
{
	struct stat st;

	if (s->n_tap_nodes == 0 || fstatat(dir, name, &st, 0) < 0 || !S_ISCHR(st.st_mode))
		return 0;
	for (size_t i = 0; i < s->n_tap_nodes; i++) {
		if (s->tap_nodes[i].major == major(st.st_rdev) && s->tap_nodes[i].minor == minor(st.st_rdev))
			return s->tap_nodes[i].ifindex;
	}
	return 0;
}

/* Taps and macvtaps among a process's descriptors. Return: how many, or a negative errno. */
static int held_taps(const struct snapshot *s, uint32_t pid, struct held ret[static TAPS_MAX])
{
	_cleanup_(freep) char *path = xasprintf("/proc/%u/fd", pid);
	DIR *dir = opendir(path);
	const struct dirent *d;
	int n = 0;

	if (!dir)
		return -errno;
	while (n < TAPS_MAX && (d = readdir(dir))) {
		char target[64];
		ssize_t len = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		ret[n] = (struct held){ .fd = atoi(d->d_name) };
		if (strncmp(target, "/dev/", 5) == 0 && !strstr(target, "/tun")) {
			ret[n].ifindex = macvtap_of(s, dirfd(dir), d->d_name);
			n += ret[n].ifindex != 0;
		} else if (strstr(target, "/tun")) {
			_cleanup_(freep) char *name = xasprintf("fdinfo/%s", d->d_name),
					      *info = proc_text(pid, name, NULL);
			const char *iff = info ? strstr(info, "\niff:\t") : NULL;

			if (iff && sscanf(iff + 6, "%15s", ret[n].name) == 1)
				n++;
		}
	}
	(void)closedir(dir);
	return n;
}

static void add_nics(struct scan *sc, const struct qemu *q, uint32_t pid, const char *guest)
{
	struct snapshot *s = sc->r->s;
	struct held held[TAPS_MAX];
	int n_held = held_taps(s, pid, held);
	size_t unnamed = 0;

	if (n_held == -EACCES)
		sc->unreadable++;
	for (size_t i = 0; i < q->n_nics; i++)
		unnamed += q->nics[i].ifname[0] == '\0' &&
			   (strcmp(q->nics[i].kind, "tap") == 0 || strcmp(q->nics[i].kind, "bridge") == 0);
	for (size_t i = 0; i < q->n_nics; i++) {
		const struct netdev *d = &q->nics[i];
		const struct snap_link *link = d->ifname[0] ? snap_link_by_name(s, d->ifname) : NULL;
		bool tap = strcmp(d->kind, "tap") == 0 || strcmp(d->kind, "bridge") == 0;

		if (!d->device)
			continue;
		for (int h = 0; h < n_held && tap && !link; h++) {
			/* After -daemonize and through libvirt the number is QEMU's own; with one tap there is no doubt. */
			if (held[h].fd != d->fd && !(n_held == 1 && unnamed == 1))
				continue;
			link = held[h].ifindex ? snap_link(s, held[h].ifindex) : snap_link_by_name(s, held[h].name);
		}
		struct snap_nic *nic = SNAP_ADD(s, nics);
		*nic = (struct snap_nic){
			.guest = guest,
			.kind = link && strcmp(link->kind, "macvtap") == 0 ? "macvtap"
									   : arena_strdup(s->arena, d->kind),
			.device = link ? link->name : arena_strdup(s->arena, d->ifname),
			.ifindex = link ? link->ifindex : 0,
			.model = arena_strdup(s->arena, d->model),
			.source = arena_strdup(s->arena, d->bridge),
			.live = true,
			.trust_rx = -1,
		};
		(void)mac_parse(d->mac, &nic->mac);
	}
}

static void take_qemu(struct scan *sc, uint32_t pid)
{
	struct snapshot *s = sc->r->s;
	struct qemu q = { .nics = NULL };
	size_t len = 0;
	_cleanup_(freep) char *text = proc_text(pid, "cmdline", &len);

	if (!text || len == 0)
		return;
	take_command_line(&q, text, len);
	/* libvirt names itself by giving each guest a uuid and a place below its own folder. */
	bool libvirt = false;
	for (size_t at = 0; at < len && !libvirt; at += strlen(text + at) + 1)
		libvirt = strstr(text + at, "/libvirt/qemu/") || strstr(text + at, "charmonitor");
	struct snap_guest *g = SNAP_ADD(s, guests);
	*g = (struct snap_guest){
		.name = libvirt	    ? arena_printf(s->arena, "libvirt:%s", q.name)
			: q.name[0] ? arena_printf(s->arena, "qemu:%s", q.name)
				    : arena_printf(s->arena, "qemu:%u", pid),
		.by = libvirt ? "libvirt" : "qemu",
		.network = "",
		.guest = arena_strdup(s->arena, q.name),
		.uuid = arena_strdup(s->arena, q.uuid),
		.running = true,
		.pid = pid,
		.qmp = arena_strdup(s->arena, q.qmp),
	};
	/* Two of one name are told apart by their pids. */
	for (size_t i = 0; i + 1 < s->n_guests; i++) {
		if (strcmp(s->guests[i].name, g->name) == 0)
			g->name = arena_printf(s->arena, "%s#%u", g->name, pid);
	}
	g->name = snap_text_copy(s, g->name);
	add_nics(sc, &q, pid, g->name);
	free(q.nics);
}

/* ------------------------------------------------------------------------- walk */

static void take_process(struct scan *sc, uint32_t pid)
{
	struct snapshot *s = sc->r->s;
	_cleanup_(freep) char *path = xasprintf("/proc/%u/comm", pid), *comm = NULL;

	if (snap_file(path, &comm) < 0)
		return;
	comm[strcspn(comm, "\n")] = '\0';
	if (strncmp(comm, "qemu-system", 11) == 0 || strcmp(comm, "qemu-kvm") == 0) {
		if (!sc->r->conf->no_guests && same_netns(sc, pid))
			take_qemu(sc, pid);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(comm, known[i].comm) != 0 || !same_netns(sc, pid))
			continue;
		*SNAP_ADD(s, programs) = (struct snap_program){
			.name = known[i].name,
			.running = true,
			.pid = pid,
			.started = started(sc, pid),
			.evidence = arena_printf(s->arena, "pid %u", pid),
		};
	}
}

static uint64_t boot_time(void)
{
	_cleanup_(freep) char *text = NULL;
	const char *p = snap_file("/proc/stat", &text) == 0 ? strstr(text, "\nbtime ") : NULL;

	return p ? strtoull(p + 7, NULL, 10) : 0;
}

void snap_read_processes(struct snap_reader *r)
{
	struct scan sc = { .r = r, .boot = boot_time(), .ticks = sysconf(_SC_CLK_TCK) };
	ssize_t n = readlink("/proc/thread-self/ns/net", sc.ours, sizeof(sc.ours) - 1);
	DIR *dir = opendir("/proc");
	const struct dirent *d;

	sc.ours[n > 0 ? n : 0] = '\0';
	if (!dir) {
		snapshot_add_unread(r->s, SNAP_PART_PROCESSES, "", "/proc: %s", strerror(errno));
		return;
	}
	while ((d = readdir(dir))) {
		if (isdigit((unsigned char)d->d_name[0]))
			take_process(&sc, (uint32_t)strtoul(d->d_name, NULL, 10));
	}
	(void)closedir(dir);
	if (sc.unreadable > 0)
		snapshot_add_unread(r->s, SNAP_PART_PROCESSES, "",
				    "which interfaces %zu QEMU processes hold is shown to root only", sc.unreadable);
}
