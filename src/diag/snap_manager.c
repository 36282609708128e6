/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_manager - who looks after each interface, and who takes its RAs
 *
 * Read from the state that the programs keep in /run and from the files they
 * were told by: that needs no bus, and works when the program hangs. A program
 * that runs in another network namespace says nothing about this one.
 */
#include "diag/snap_read.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <linux/if.h>
#include <stdio.h>

/* --------------------------------------------------------------------- key files */

/* The last "KEY=" below [SECTION] (NULL: anywhere). @ret_line: where; both only when it is there. */
static bool key_file(const char *path, const char *section, const char *key, char *ret, size_t size, uint32_t *ret_line)
{
	_cleanup_(freep) char *text = NULL;
	char *at, *line;
	size_t n = strlen(key);
	bool in = !section, found = false;

	if (snap_file(path, &text) < 0)
		return false;
	at = text;
	for (uint32_t number = 1; (line = snap_line(&at)); number++) {
		line = str_trim(line);
		if (line[0] == '[' && section) {
			in = strncmp(line + 1, section, strlen(section)) == 0 && line[1 + strlen(section)] == ']';
			continue;
		}
		if (!in || strncasecmp(line, key, n) != 0)
			continue;
		char *eq = str_trim(line + n);
		if (*eq != '=')
			continue;
		(void)str_copy(ret, size, str_trim(eq + 1));
		if (ret_line)
			*ret_line = number;
		found = true;
	}
	return found;
}

static int boolean(const char *v)
{
	if (strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0 || strcmp(v, "1") == 0 || strcasecmp(v, "on") == 0)
		return 1;
	if (strcasecmp(v, "no") == 0 || strcasecmp(v, "false") == 0 || strcmp(v, "0") == 0 || strcasecmp(v, "off") == 0)
		return 0;
	return -1;
}

/* -------------------------------------------------------------------- networkd */

struct networkd {
	const char *files[16]; /* the .network file, then its drop-ins: the last that speaks wins */
	size_t n;
};

static bool network_key(const struct networkd *nd, const char *key, char *ret, size_t size, const char **ret_file,
			uint32_t *ret_line)
{
	bool found = false;

	for (size_t i = 0; i < nd->n; i++) {
		if (key_file(nd->files[i], "Network", key, ret, size, ret_line)) {
			*ret_file = nd->files[i];
			found = true;
		}
	}
	return found;
}

/* What wrote a file that networkd reads: netplan names the interface or its id in a YAML of its own. */
static const char *netplan_source(struct snapshot *s, const char *file)
{
	static const char *const patterns[] = { "/etc/netplan/*.yaml", "/run/netplan/*.yaml", "/lib/netplan/*.yaml" };
	const char *base = strrchr(file, '/');
	const char *found = "";
	char id[64];

	if (!base || sscanf(base, "/10-netplan-%63s", id) != 1)
		return "";
	id[strcspn(id, ".")] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		glob_t g;

		if (glob(patterns[i], 0, NULL, &g) != 0)
			continue;
		for (size_t j = 0; j < g.gl_pathc; j++) {
			_cleanup_(freep) char *text = NULL;
			char *at, *line;
			size_t n = strlen(id);

			if (snap_file(g.gl_pathv[j], &text) < 0)
				continue;
			at = text;
			while ((line = snap_line(&at))) {
				line = str_trim(line);
				if (line[0] == '"' || line[0] == '\'')
					line++;
				if (strncmp(line, id, n) == 0 && strchr(":\"'", line[n]) && line[n])
					found = arena_strdup(s->arena, g.gl_pathv[j]);
			}
		}
		globfree(&g);
	}
	return found;
}

static void judge_networkd(struct snapshot *s, const struct snap_link *link, const struct networkd *nd,
			   struct snap_manager *m)
{
	const char *file = m->file;
	char v[64];
	uint32_t line = 0;

	m->handles_ra = 1;
	if (network_key(nd, "IPv6AcceptRA", v, sizeof(v), &file, &line) && boolean(v) >= 0) {
		m->accepts_ra = (int8_t)boolean(v);
		m->ra_setting = arena_printf(s->arena, "IPv6AcceptRA=%s", v);
		m->file = file;
		m->ra_line = line;
	} else if (strcmp(link->kind, "bridge") == 0) {
		m->accepts_ra = 0; /* its default for bridges */
	} else if ((network_key(nd, "IPForward", v, sizeof(v), &file, &line) &&
		    (boolean(v) == 1 || strcasecmp(v, "ipv6") == 0)) ||
		   (network_key(nd, "IPv6Forwarding", v, sizeof(v), &file, &line) && boolean(v) == 1)) {
		m->accepts_ra = 0; /* its default where it turned forwarding on itself */
		m->ra_setting = arena_printf(s->arena, "IPForward=%s", v);
		m->file = file;
		m->ra_line = line;
	} else if (network_key(nd, "LinkLocalAddressing", v, sizeof(v), &file, &line) &&
		   (boolean(v) == 0 || strcasecmp(v, "ipv4") == 0)) {
		m->accepts_ra = 0;
		m->ra_setting = arena_printf(s->arena, "LinkLocalAddressing=%s", v);
		m->file = file;
		m->ra_line = line;
	} else {
		m->accepts_ra = 1;
	}
	m->dhcp4 = m->dhcp6 = 0;
	if (network_key(nd, "DHCP", v, sizeof(v), &file, &line)) {
		bool both = boolean(v) == 1;

		m->dhcp4 = both || strcasecmp(v, "ipv4") == 0;
		m->dhcp6 = both || strcasecmp(v, "ipv6") == 0;
	}
}

static void read_networkd(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *link = &s->links[i];
		_cleanup_(freep) char *path = xasprintf("/run/systemd/netif/links/%u", link->ifindex);
		char state[64], file[256], dropins[1024] = "";
		struct networkd nd = { .n = 0 };

		if (!key_file(path, NULL, "ADMIN_STATE", state, sizeof(state), NULL))
			continue;
		struct snap_manager *m = SNAP_ADD(s, managers);
		*m = (struct snap_manager){
			.ifindex = link->ifindex,
			.manager = "systemd-networkd",
			.state = arena_strdup(s->arena, state),
			.manages = strcmp(state, "unmanaged") != 0 && strcmp(state, "linger") != 0,
			.handles_ra = 0,
			.accepts_ra = -1,
			.dhcp4 = -1,
			.dhcp6 = -1,
		};
		if (!m->manages)
			continue;
		if (!key_file(path, NULL, "NETWORK_FILE", file, sizeof(file), NULL)) {
			m->handles_ra = -1;
			continue;
		}
		m->file = nd.files[nd.n++] = arena_strdup(s->arena, file);
		m->source = netplan_source(s, m->file);
		(void)key_file(path, NULL, "NETWORK_FILE_DROPINS", dropins, sizeof(dropins), NULL);
		char *save, *one = strtok_r(dropins, ":\" ", &save);
		for (; one && nd.n < ARRAY_LEN(nd.files); one = strtok_r(NULL, ":\" ", &save))
			nd.files[nd.n++] = arena_strdup(s->arena, one);
		judge_networkd(s, link, &nd, m);
	}
}

/* -------------------------------------------------------------- NetworkManager */

/* The file of the connection with that uuid; "" not found. */
static const char *nm_connection(struct snapshot *s, const char *uuid)
{
	static const char *const patterns[] = {
		"/run/NetworkManager/system-connections/*",
		"/etc/NetworkManager/system-connections/*",
		"/usr/lib/NetworkManager/system-connections/*",
	};

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		const char *found = NULL;
		glob_t g;

		if (glob(patterns[i], 0, NULL, &g) != 0)
			continue;
		for (size_t j = 0; j < g.gl_pathc && !found; j++) {
			char v[64];

			if (key_file(g.gl_pathv[j], "connection", "uuid", v, sizeof(v), NULL) && strcmp(v, uuid) == 0)
				found = arena_strdup(s->arena, g.gl_pathv[j]);
		}
		globfree(&g);
		if (found)
			return found;
	}
	return "";
}

static void read_nm(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_links; i++) {
		_cleanup_(freep) char *path = xasprintf("/run/NetworkManager/devices/%u", s->links[i].ifindex);
		char managed[16] = "", uuid[64] = "", method[32] = "auto", external[16] = "";

		if (access(path, F_OK) != 0)
			continue;
		(void)key_file(path, "device", "managed", managed, sizeof(managed), NULL);
		bool has = key_file(path, "device", "connection-uuid", uuid, sizeof(uuid), NULL);
		struct snap_manager *m = SNAP_ADD(s, managers);
		*m = (struct snap_manager){
			.ifindex = s->links[i].ifindex,
			.manager = "NetworkManager",
			.manages = has && boolean(managed) != 0,
			.state = !has			 ? "disconnected"
				 : boolean(managed) == 0 ? "unmanaged"
							 : "connected",
			.handles_ra = 0,
			.accepts_ra = -1,
			.dhcp4 = -1,
			.dhcp6 = -1,
		};
		if (!m->manages)
			continue;
		m->file = nm_connection(s, uuid);
		/* "connected (externally)": it only looks on at what others have set up, a tap of libvirt's or docker0. */
		if (m->file[0] && key_file(m->file, ".nmmeta", "external", external, sizeof(external), NULL) && boolean(external) == 1) {
			m->manages = false;
			m->state = "external";
			continue;
		}
		m->handles_ra = -1;
		if (m->file[0] == '\0')
			continue;
		(void)key_file(m->file, "ipv6", "method", method, sizeof(method), &m->ra_line);
		m->ra_setting = arena_printf(s->arena, "[ipv6] method=%s", method);
		m->handles_ra = strcmp(method, "ignore") != 0;
		m->accepts_ra = strcmp(method, "auto") == 0 || strcmp(method, "dhcp") == 0;
		m->dhcp6 = m->accepts_ra;
		m->source = strstr(m->file, "/netplan-") ? "/etc/netplan" : "";
	}
}

/* ---------------------------------------------------------------------- dhcpcd */

/* Is @name in the blank-separated patterns of a directive? */
static bool dhcpcd_names(const char *list, const char *name)
{
	char copy[512];
	char *save;

	(void)str_copy(copy, sizeof(copy), list);
	for (char *one = strtok_r(copy, " \t", &save); one; one = strtok_r(NULL, " \t", &save)) {
		size_t n = strlen(one);
		bool prefix = n > 0 && one[n - 1] == '*';

		if (prefix ? strncmp(one, name, n - 1) == 0 : strcmp(one, name) == 0)
			return true;
	}
	return false;
}

static void read_dhcpcd(struct snapshot *s)
{
	static const char *const ends[] = { ".pid", "-4.pid", "-6.pid" };
	bool all = access("/run/dhcpcd/pid", F_OK) == 0 || access("/run/dhcpcd.pid", F_OK) == 0;

	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *link = &s->links[i];
		bool ours = false;

		for (size_t j = 0; j < ARRAY_LEN(ends) && !ours; j++) {
			_cleanup_(freep) char *path = xasprintf("/run/dhcpcd/%s%s", link->name, ends[j]);

			ours = access(path, F_OK) == 0;
		}
		/* With one process for all it takes real interfaces, and virtual ones where it is told to. */
		if (!ours && (!all || (link->flags & IFF_LOOPBACK) || link->kind[0] != '\0'))
			continue;
		struct snap_manager m = {
			.ifindex = link->ifindex,
			.manager = "dhcpcd",
			.state = ours ? "own process" : "one process for all",
			.manages = true,
			.handles_ra = 1,
			.accepts_ra = 1,
			.dhcp4 = 1,
			.dhcp6 = 1,
			.file = "/etc/dhcpcd.conf",
		};
		_cleanup_(freep) char *text = NULL;
		char *at, *line;
		bool here = true; /* before the first "interface" line: for all */

		at = snap_file(m.file, &text) == 0 ? text : NULL;
		for (uint32_t n = 1; (line = snap_line(&at)); n++) {
			line = str_trim(line);
			if (strncmp(line, "interface ", 10) == 0) {
				here = dhcpcd_names(line + 10, link->name);
			} else if (strncmp(line, "denyinterfaces ", 15) == 0) {
				m.manages &= !dhcpcd_names(line + 15, link->name);
			} else if (strncmp(line, "allowinterfaces ", 16) == 0) {
				m.manages &= dhcpcd_names(line + 16, link->name);
			} else if (here && (strcmp(line, "noipv6rs") == 0 || strcmp(line, "ipv4only") == 0 ||
					    strcmp(line, "noipv6") == 0)) {
				m.handles_ra = 0;
				m.accepts_ra = -1;
				m.ra_setting = arena_strdup(s->arena, line);
				m.ra_line = n;
			}
		}
		if (!m.manages)
			m.handles_ra = 0;
		*SNAP_ADD(s, managers) = m;
	}
}

/* -------------------------------------------------------------------- ifupdown */

struct ifupdown {
	struct snapshot *s;
	int depth;
};

static void take_interfaces(struct ifupdown *u, const char *path);

static void take_pattern(struct ifupdown *u, const char *pattern, bool folder)
{
	_cleanup_(freep) char *all = folder ? xasprintf("%s/*", pattern) : xstrdup(pattern);
	glob_t g;

	if (u->depth > 4 || glob(all, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		take_interfaces(u, g.gl_pathv[i]);
	globfree(&g);
}

static void take_interfaces(struct ifupdown *u, const char *path)
{
	_cleanup_(freep) char *text = NULL;
	struct snap_manager *m = NULL;
	char *at, *line, name[16], family[16], method[32];

	if (snap_file(path, &text) < 0)
		return;
	u->depth++;
	at = text;
	for (uint32_t n = 1; (line = snap_line(&at)); n++) {
		line = str_trim(line);
		if (strncmp(line, "source-directory ", 17) == 0) {
			take_pattern(u, str_trim(line + 17), true);
		} else if (strncmp(line, "source ", 7) == 0) {
			take_pattern(u, str_trim(line + 7), false);
		} else if (sscanf(line, "iface %15s %15s %31s", name, family, method) == 3) {
			const struct snap_link *link = snap_link_by_name(u->s, name);
			bool v6 = strcmp(family, "inet6") == 0;

			m = NULL;
			if (!link || (link->flags & IFF_LOOPBACK))
				continue;
			for (size_t i = 0; i < u->s->n_managers && !m; i++) {
				if (u->s->managers[i].ifindex == link->ifindex &&
				    strcmp(u->s->managers[i].manager, "ifupdown") == 0)
					m = &u->s->managers[i];
			}
			if (!m) {
				m = SNAP_ADD(u->s, managers);
				*m = (struct snap_manager){
					.ifindex = link->ifindex,
					.manager = "ifupdown",
					.manages = true,
					.state = "configured",
					.file = arena_strdup(u->s->arena, path),
					.accepts_ra = -1,
					.source = strstr(path, "cloud-init") ? "cloud-init" : "",
				};
			}
			if (strcmp(method, "dhcp") == 0)
				*(v6 ? &m->dhcp6 : &m->dhcp4) = 1;
		} else if (strncmp(line, "auto ", 5) == 0 || strncmp(line, "allow-", 6) == 0 ||
			   strncmp(line, "mapping ", 8) == 0) {
			m = NULL;
		} else if (m && strncmp(line, "accept_ra ", 10) == 0) {
			m->ra_setting = arena_strdup(u->s->arena, line);
			m->ra_line = n;
			m->file = arena_strdup(u->s->arena, path);
		}
	}
	u->depth--;
}

void snap_read_managers(struct snap_reader *r)
{
	struct snapshot *s = r->s;
	struct ifupdown u = { .s = s };

	/* Their files in /run are about the namespace that they run in. */
	if (s->initial_netns || snap_runs(s, "systemd-networkd"))
		read_networkd(s);
	if (s->initial_netns || snap_runs(s, "NetworkManager"))
		read_nm(s);
	if (snap_runs(s, "dhcpcd"))
		read_dhcpcd(s);
	if (s->initial_netns && access("/sbin/ifup", X_OK) == 0)
		take_interfaces(&u, "/etc/network/interfaces");
}
