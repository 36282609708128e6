/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * origin - which file a setting of an interface comes from
 */
#include "diag/origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "diag/snap_read.h"

/* Settings of which the kernel copies conf/all to every interface (net/ipv6/addrconf.c). */
static bool all_is_copied(const char *setting)
{
	return str_eq(setting, "forwarding") || str_eq(setting, "disable_ipv6") || str_eq(setting, "addr_gen_mode");
}

static const struct snap_sysctl_line *line_of(const struct snapshot *s, const char *conf, const char *setting)
{
	_cleanup_(freep) char *path = xasprintf("net/ipv6/conf/%s/%s", conf, setting);

	return snap_sysctl_line(s, path);
}

/* The network of ours whose uplink this is, or NULL. */
static const struct snap_network *our_uplink(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_networks; i++)
		if (str_eq(s->networks[i].uplink, name) &&
		    (str_eq(s->networks[i].state, "up") || str_eq(s->networks[i].state, "degraded")))
			return &s->networks[i];
	return NULL;
}

/* ifupdown: "accept_ra 2" in the stanza; networkd turns the kernel off where it reads RAs itself. */
static bool by_manager(const struct snapshot *s, const struct snap_link *link, const char *setting, int64_t value,
		       struct origin *ret)
{
	size_t n;
	const struct snap_manager *m = snap_managers(s, link->ifindex, &n);

	if (!str_eq(setting, "accept_ra"))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].manages)
			continue;
		if (str_eq(m[i].manager, "ifupdown") && strncmp(m[i].ra_setting, "accept_ra ", 10) == 0 &&
		    strtoll(m[i].ra_setting + 10, NULL, 10) == value) {
			origin_manager(s, &m[i], ret);
			return true;
		}
		if (m[i].handles_ra == 1 && value == 0) {
			(void)snprintf(ret->set_by, sizeof(ret->set_by), "%s", m[i].manager);
			return true;
		}
	}
	return false;
}

/* Programs that turn forwarding on and don't say so in a file. */
static const char *forwards(const struct snapshot *s)
{
	static const char *const names[] = { "docker", "sixtapd", "libvirtd", "virtnetworkd", "lxd", "incusd" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct snap_program *p = snap_program(s, names[i]);

		if (p && p->running)
			return p->name;
	}
	return NULL;
}

void origin_sysctl(const struct snapshot *s, const struct snap_link *link, const char *setting, int64_t value,
		   struct origin *ret)
{
	const struct snap_sysctl_line *line = line_of(s, link->name, setting);
	const struct snap_network *network = our_uplink(s, link->name);
	struct origin o = { .set_by = "" };

	if (!line && all_is_copied(setting))
		line = line_of(s, "all", setting);
	if (!line)
		line = line_of(s, "default", setting);
	if (by_manager(s, link, setting, value, &o))
		;
	else if (line && strtoll(line->value, NULL, 10) == value)
		(void)snprintf(o.set_by, sizeof(o.set_by), "%s:%u", line->file, line->line);
	else if (network && value != 0 && (str_eq(setting, "accept_ra") || str_eq(setting, "forwarding")))
		(void)snprintf(o.set_by, sizeof(o.set_by), "sixtap up, network %s", network->name);
	else if (line)
		(void)snprintf(o.note, sizeof(o.note), "%s:%u says %s, so it was changed since the boot", line->file,
			       line->line, line->value);
	if (!o.set_by[0] && value == 1 && str_eq(setting, "forwarding") && forwards(s) && !o.note[0])
		(void)snprintf(o.note, sizeof(o.note), "in no file; %s runs here, which may turn it on", forwards(s));
	*ret = o;
}

/* ------------------------------------------------------------------- files of sections */

uint32_t origin_key(const char *text, const char *section, const char *key, char *ret, size_t size)
{
	_cleanup_(freep) char *copy = xstrdup(text);
	char *at = copy, *line;
	bool in = false;
	uint32_t found = 0;

	for (uint32_t n = 1; (line = snap_line(&at)); n++) {
		char *eq;

		line = str_trim(line);
		if (line[0] == '[') {
			size_t len = strlen(section);

			in = strncasecmp(line + 1, section, len) == 0 && line[1 + len] == ']';
			continue;
		}
		eq = strchr(line, '=');
		if (!in || !eq || line[0] == '#' || line[0] == ';')
			continue;
		*eq = '\0';
		if (strcasecmp(str_trim(line), key) != 0)
			continue;
		(void)str_copy(ret, size, str_trim(eq + 1));
		found = n;
	}
	return found;
}

/* ------------------------------------------------------------------------------- YAML */

/* Does the line say "NAME:", quoted or not, at its beginning or inside braces? */
static bool says(const char *line, const char *name, bool anywhere)
{
	size_t n = strlen(name);

	for (const char *p = line; (p = strstr(p, name)); p++) {
		const char *end = p + n + (p[n] == '"' || p[n] == '\'');
		const char *before = p;

		while (before > line && strchr(" \t\"'", before[-1]))
			before--;
		if (*end == ':' && (before == line || (anywhere && strchr("{,", before[-1]))))
			return true;
	}
	return false;
}

uint32_t origin_yaml(const char *text, const char *id, const char *key)
{
	_cleanup_(freep) char *copy = xstrdup(text);
	char *at = copy, *line;
	uint32_t found = 0;
	size_t inside = 0;

	for (uint32_t n = 1; (line = snap_line(&at)); n++) {
		size_t indent = strspn(line, " ");

		if (line[indent] == '\0' || line[indent] == '#')
			continue;
		if (found && indent <= inside)
			break;
		if (found && says(line + indent, key, true))
			return n;
		if (found || !says(line + indent, id, false))
			continue;
		found = n;
		inside = indent;
		if (says(line + indent, key, true))
			return n;
	}
	return found;
}

/* ---------------------------------------------------------------------------- managers */

/* netplan calls networkd's file 10-netplan-ID.network. */
static void netplan_id(const char *file, char ret[static 64])
{
	const char *base = strrchr(file, '/');

	ret[0] = '\0';
	if (base && sscanf(base, "/10-netplan-%63s", ret) == 1)
		ret[strcspn(ret, ".")] = '\0';
}

void origin_manager(const struct snapshot *s, const struct snap_manager *m, struct origin *ret)
{
	struct origin o = { .set_by = "" };

	(void)s;
	if (strncmp(m->source, "/etc/netplan/", 13) == 0) {
		_cleanup_(freep) char *text = NULL;
		char id[64];
		uint32_t line = 0;

		netplan_id(m->file, id);
		if (*id && snap_file(m->source, &text) == 0)
			line = origin_yaml(text, id, "accept-ra");
		(void)snprintf(o.set_by, sizeof(o.set_by), line ? "%s:%u" : "%s", m->source, line);
		if (strstr(m->source, "cloud-init"))
			(void)snprintf(o.note, sizeof(o.note), "cloud-init wrote that file, and may do so again");
	} else if (m->file[0]) {
		(void)snprintf(o.set_by, sizeof(o.set_by), m->ra_line ? "%s:%u" : "%s", m->file, m->ra_line);
		if (str_eq(m->source, "cloud-init"))
			(void)snprintf(o.note, sizeof(o.note), "cloud-init wrote that file, and may do so again");
	}
	*ret = o;
}

static int boolean(const char *v)
{
	if (strcasecmp(v, "no") == 0 || strcasecmp(v, "false") == 0 || strcmp(v, "0") == 0 || strcasecmp(v, "off") == 0)
		return 0;
	return 1;
}

void origin_ra_options(const struct snap_manager *m, struct origin_ra *ret)
{
	static const struct {
		const char *manager, *section, *key;
		bool gateway;		/* else: address */
		int no;			/* the value that says no */
	} keys[] = {
		{ "systemd-networkd", "IPv6AcceptRA", "UseAutonomousPrefix", false, 0 },
		{ "systemd-networkd", "IPv6AcceptRA", "UseGateway", true, 0 },
		{ "NetworkManager", "ipv6", "never-default", true, 1 },
		{ "NetworkManager", "ipv6", "ignore-auto-routes", true, 1 },
	};
	struct origin_ra o = { .address = -1, .gateway = -1 };
	_cleanup_(freep) char *text = NULL;

	if (m->file[0] != '/' || snap_file(m->file, &text) < 0) {
		*ret = o;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char value[64];
		uint32_t line;

		if (!str_eq(keys[i].manager, m->manager))
			continue;
		line = origin_key(text, keys[i].section, keys[i].key, value, sizeof(value));
		if (!line)
			continue;
		*(keys[i].gateway ? &o.gateway : &o.address) = boolean(value) != keys[i].no;
		if (boolean(value) == keys[i].no && !o.what[0]) {
			(void)snprintf(o.what, sizeof(o.what), "%s=%s", keys[i].key, value);
			(void)snprintf(o.set_by, sizeof(o.set_by), "%s:%u", m->file, line);
		}
	}
	*ret = o;
}
