/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt - the key `adopt`: guests of others that are looked after
 */
#include "conf/read.h"

#include <ctype.h>
#include <sys/un.h>

#define SUBJECT_MAX 120
#define ADOPTS 4096

const char *conf_subject_fault(const char *subject)
{
	static const char libvirt[] = "libvirt:";
	size_t n = strlen(subject);

	for (const char *s = subject; *s; s++)
		if (*s == '/' || iscntrl((unsigned char)*s))
			return "has characters that no guest's name has; a subject is an interface, or libvirt:NAME";
	if (strncmp(subject, "xen:", 4) == 0)
		return "is a Xen guest, which has no macvtap: nothing keeps multicast from it; leave it out";
	if (strncmp(subject, libvirt, strlen(libvirt)) == 0)
		return n == strlen(libvirt) ? "has no name; write libvirt:NAME, as virsh list shows it" :
		       n > SUBJECT_MAX	    ? "is too long; a subject is an interface, or libvirt:NAME" :
					      NULL;
	if (strchr(subject, ':'))
		return "isn't known; a subject is an interface, or libvirt:NAME";
	if (n == 0 || n > 15 || strchr(subject, ' ') || str_eq(subject, ".") || str_eq(subject, ".."))
		return "can't be an interface's name; a subject is an interface, or libvirt:NAME";
	return NULL;
}

const char *conf_monitor_fault(const char *subject, const char *path)
{
	if (strncmp(subject, "libvirt:", 8) == 0)
		return "can't be given for a guest of libvirt's, which keeps its monitor to itself; leave it out";
	if (str_eq(subject, "all"))
		return "is one guest's; name that guest's interface";
	for (const char *s = path; *s; s++)
		if (iscntrl((unsigned char)*s))
			return "has characters that no socket's path has; write the path of  -qmp unix:PATH,server=on,wait=off";
	if (path[0] != '/')
		return "isn't an absolute path; write the path of  -qmp unix:PATH,server=on,wait=off";
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "is longer than a socket's path can be; take a shorter one, below /run for example";
	return NULL;
}

static struct d_adopt *find(const struct conf *c, const char *subject)
{
	for (size_t i = 0; i < c->n_adopts; i++)
		if (str_eq(c->adopts[i].subject, subject))
			return &c->adopts[i];
	return NULL;
}

/* macvtap0, or { subject: macvtap0, monitor: /run/vm.qmp }. Return: false after a finding. */
static bool read_one(struct conf *c, const struct yaml_node *node, struct d_adopt *ret)
{
	enum { SUBJECT, MONITOR, N_ };
	static const struct key keys[N_] = { [SUBJECT] = { "subject", IN_ALL }, [MONITOR] = { "monitor", IN_ALL } };
	const struct yaml_node *v[N_] = { [SUBJECT] = node };

	if (node->type == YAML_MAP && !conf_map(c, node, "adopt.macvtap", keys, N_, -1, v))
		return false;
	if (!v[SUBJECT]) {
		report_help(conf_error(c, &node->where, "adopt.macvtap", "a guest without subject"),
			    "write { subject: macvtap0, monitor: /run/guest.qmp }");
		return false;
	}
	const char *subject = conf_text(c, v[SUBJECT], "adopt.macvtap", "a subject");
	const char *fault = subject ? conf_subject_fault(subject) : NULL;
	if (fault)
		conf_fault(c, &v[SUBJECT]->where, "adopt.macvtap", arena_printf(c->scratch, "%s %s", subject, fault));
	if (!subject || fault)
		return false;
	*ret = (struct d_adopt){ .where = v[SUBJECT]->where, .subject = arena_strdup(c->arena, subject) };
	if (!v[MONITOR])
		return true;
	const char *monitor = conf_text(c, v[MONITOR], "adopt.macvtap.monitor", "a path");
	fault = monitor ? conf_monitor_fault(subject, monitor) : NULL;
	if (fault)
		conf_fault(c, &v[MONITOR]->where, "adopt.macvtap.monitor", arena_printf(c->scratch, "%s %s", monitor, fault));
	if (!monitor || fault)
		return false;
	ret->monitor = arena_strdup(c->arena, monitor);
	return true;
}

void conf_read_adopt(struct conf *c, const struct yaml_node *node)
{
	enum { MACVTAP, N_ };
	static const struct key keys[N_] = { [MACVTAP] = { "macvtap", IN_ALL } };
	const struct yaml_node *v[N_], *const *items;

	if (!conf_map(c, node, "adopt", keys, N_, -1, v) || !v[MACVTAP])
		return;
	if (v[MACVTAP]->type == YAML_SCALAR && str_eq(v[MACVTAP]->text, "all")) {
		c->adopt_all = true;
		return;
	}
	size_t n = conf_list(c, v[MACVTAP], "adopt.macvtap", "macvtap0, libvirt:NAME", &items);
	for (size_t i = 0; i < n; i++) {
		struct d_adopt one, *had;

		if (!read_one(c, items[i], &one))
			continue;
		had = find(c, one.subject);
		if (had) {	/* adopted.yaml may say it again */
			had->monitor = had->monitor ? had->monitor : one.monitor;
			continue;
		}
		if (c->n_adopts == ADOPTS) {
			report_help(conf_error(c, &items[i]->where, "adopt.macvtap", "more than %d subjects", ADOPTS), "write all");
			return;
		}
		GROW(c->adopts, c->n_adopts, c->cap_adopts);
		c->adopts[c->n_adopts++] = one;
	}
}
