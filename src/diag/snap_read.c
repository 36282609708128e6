/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_read - reading a snapshot: one part after the other
 *
 * Everything is asked of the kernel in dumps, and of /proc in whole files, so
 * that the cost doesn't follow from how often a rule looks.
 */
#include "diag/snap_read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/utsname.h>
#include "base/time.h"
#include "kern/netns.h"

int snap_dump(struct snap_reader *r, struct nl *nl, nl_fn fn, void *user, size_t *n, size_t *n2)
{
	size_t had = *n, had2 = n2 ? *n2 : 0;
	int e = NL_E_CHANGED;

	for (int i = 0; i < NL_TRIES && e == NL_E_CHANGED; i++) {
		*n = had;
		if (n2)
			*n2 = had2;
		e = nl_dump(nl, &r->b, fn, user, r->why);
	}
	if (e == NL_E_CHANGED) {
		(void)str_copy(r->why, sizeof(r->why), "it changes faster than it can be read");
		return -EAGAIN;
	}
	if (e < 0)
		nl_explain(e, r->why);
	return e;
}

struct mac snap_mac(const struct nlattr *a)
{
	struct mac mac = { .b = { 0 } };

	if (nl_len(a) == sizeof(mac))
		memcpy(&mac, nl_data(a), sizeof(mac));
	return mac;
}

const char *snap_names(struct snapshot *s, const struct nlattr *nest, uint16_t type)
{
	const char *names = "";
	const struct nlattr *a;

	if (!nest)
		return names;
	const void *at = nl_data(nest);
	size_t left = nl_len(nest);
	while ((a = nl_next(&at, &left))) {
		if ((type == 0 || nl_type(a) == type) && memchr(nl_data(a), '\0', nl_len(a)))
			names = arena_printf(s->arena, "%s%s%s", names, names[0] ? " " : "", nl_str(a));
	}
	return names;
}

const char *snap_keep(struct snapshot *s, const char *text)
{
	return text && text[0] ? arena_strdup(s->arena, text) : "";
}

const char *snap_json_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

const char *snap_json_keep(struct snapshot *s, const json_t *o, const char *key)
{
	return snap_keep(s, snap_json_text(o, key));
}

int snap_file(const char *path, char **ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(freep) char *text = NULL;
	size_t n = 0, cap = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		if (n + 1 >= cap) {
			cap = cap ? cap * 2 : 4096;
			text = xrealloc(text, cap, 1);
		}
		ssize_t r = read(fd, text + n, cap - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > SNAP_PROC_MAX)
			return -EFBIG;
	}
	text[n] = '\0';
	*ret = STEAL_PTR(text);
	return 0;
}

char *snap_line(char **at)
{
	char *line = *at, *end;

	if (!line || !line[0])
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*at = end ? end + 1 : NULL;
	return line;
}

bool snap_runs(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		if (strcmp(s->programs[i].name, name) == 0 && s->programs[i].running)
			return true;
	}
	return false;
}

/* Bit of @cap in the effective set, from /proc: no library for one look. */
static bool has_capability(unsigned int cap)
{
	_cleanup_(freep) char *text = NULL;
	const char *eff;

	if (snap_file("/proc/thread-self/status", &text) < 0 || !(eff = strstr(text, "\nCapEff:")))
		return false;
	return strtoull(eff + 8, NULL, 16) >> cap & 1;
}

int snapshot_read(struct snapshot **ret, const struct snapshot_conf *conf, struct report *report)
{
	_cleanup_(snapshot_freep) struct snapshot *s = snapshot_new();
	struct snap_reader r = { .s = s, .conf = conf, .rt = NL_CLOSED, .nf = NL_CLOSED, .sysfs = -1, .sys = "/sys" };
	mono_t begun = mono_now();
	struct utsname u;
	int e;

	s->taken = (uint64_t)wall_now();
	s->program = "sixtap " SIXTAP_VERSION;
	if (uname(&u) == 0) {
		s->host = arena_strdup(s->arena, u.nodename);
		s->kernel = arena_strdup(s->arena, u.release);
	}
	s->root = has_capability(CAP_NET_ADMIN);
	s->initial_netns = netns_is_main();
	e = nl_open(&r.rt, NETLINK_ROUTE);
	if (e == 0)
		e = snap_read_links(&r);
	if (e == 0) {
		snapshot_finish(s);	/* the others look links up */
		snap_read_addrs(&r);
		snap_read_routes(&r);
		snap_read_neighs(&r);
		snap_read_bridges(&r);
		snap_read_proc(&r);
		snap_read_nft(&r);
		snap_read_legacy(&r);
		snap_read_settings(&r);
		snap_read_processes(&r);
		snap_read_managers(&r);
		if (!conf->no_guests) {
			snap_read_libvirt(&r);
			snap_read_xen(&r);
		}
		snap_read_own(&r);
		if (!conf->no_guests)
			snap_read_qmp(&r);
		snapshot_finish(s);
		s->took_us = (mono_now() - begun) / 1000;
		*ret = STEAL_PTR(s);
	} else {
		report_error(report, "rtnetlink", "%s", r.why[0] ? r.why : strerror(-e));
	}
	nl_close(&r.rt);
	nl_close(&r.nf);
	nlb_free(&r.b);
	closep(&r.sysfs);
	return e;
}
