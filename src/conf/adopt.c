/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt - the key `adopt`: guests of others that are looked after
 */
#include "conf/read.h"

#include <ctype.h>

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

static bool has(const struct conf *c, const char *subject)
{
	for (size_t i = 0; i < c->n_adopts; i++)
		if (str_eq(c->adopts[i].subject, subject))
			return true;
	return false;
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
		const char *subject = conf_text(c, items[i], "adopt.macvtap", "a subject");
		const char *fault = subject ? conf_subject_fault(subject) : NULL;

		if (fault)
			conf_fault(c, &items[i]->where, "adopt.macvtap", arena_printf(c->scratch, "%s %s", subject, fault));
		if (!subject || fault || has(c, subject))	/* adopted.yaml may say it again */
			continue;
		if (c->n_adopts == ADOPTS) {
			report_help(conf_error(c, &items[i]->where, "adopt.macvtap", "more than %d subjects", ADOPTS), "write all");
			return;
		}
		GROW(c->adopts, c->n_adopts, c->cap_adopts);
		c->adopts[c->n_adopts++] = (struct d_adopt){ items[i]->where, arena_strdup(c->arena, subject) };
	}
}
