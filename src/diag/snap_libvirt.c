/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_libvirt - domains and networks as libvirt has them, live and stored
 *
 * Asked through libvirt's library, by a child: the library waits for an answer
 * as long as it takes, starts threads and keeps memory, and a diagnosis may do
 * none of that. The child tells by a pipe, as JSON, and is ended when it is late.
 * Asked only where libvirt's daemon runs in this network namespace: asking
 * would start it. The connection is read-only. Without the library at build
 * time everything of libvirt's is unread where it runs.
 */
#include "diag/snap_read.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#ifdef HAVE_LIBVIRT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/time.h"
#include "io/libvirt.h"
#include "io/libvirt_lib.h"

#define LIMIT_MS 2000
#define TEXT_MAX (32U << 20)
#define URI "qemu:///system"

/* --------------------------------------------------------------------- the child */

static const struct libvirt_lib *lib;

static void add_interfaces(json_t *nics, const char *xml, bool live)
{
	struct libvirt_guest g;

	if (!xml || libvirt_parse(xml, strlen(xml), &g) != 0)
		return;
	for (size_t i = 0; i < g.n; i++) {
		const struct libvirt_nic *nic = &g.nics[i];
		json_t *o = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "live", live, "kind", nic->type, "mac",
				      MAC_STR(&nic->mac), "device", nic->device, "model", nic->model, "mode", nic->mode,
				      "trust", nic->trust_rx, "source", nic->source);

		if (o)
			(void)json_array_append_new(nics, o);
	}
	libvirt_guest_clear(&g);
}

static json_t *domains_json(virConnectPtr conn)
{
	json_t *list = json_array();
	virDomainPtr *domains = NULL;
	int n = lib->virConnectListAllDomains(conn, &domains, 0);

	for (int i = 0; i < n; i++) {
		char uuid[VIR_UUID_STRING_BUFLEN] = "";
		bool active = lib->virDomainIsActive(domains[i]) == 1,
		     persistent = lib->virDomainIsPersistent(domains[i]) == 1;
		_cleanup_(freep) char *live = active ? lib->virDomainGetXMLDesc(domains[i], 0) : NULL;
		_cleanup_(freep) char *stored =
			persistent ? lib->virDomainGetXMLDesc(domains[i], VIR_DOMAIN_XML_INACTIVE) : NULL;
		json_t *nics = json_array();

		(void)lib->virDomainGetUUIDString(domains[i], uuid);
		add_interfaces(nics, live, true);
		add_interfaces(nics, stored, false);
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b, s:o}", "name",
							    lib->virDomainGetName(domains[i]), "uuid", uuid, "active",
							    active, "persistent", persistent, "nics", nics));
		(void)lib->virDomainFree(domains[i]);
	}
	free(domains);
	return list;
}

/* What its dnsmasq has handed out. */
static json_t *leases_json(virNetworkPtr net)
{
	virNetworkDHCPLeasePtr *leases = NULL;
	json_t *list = json_array();
	int n = lib->virNetworkGetDHCPLeases(net, NULL, &leases, 0);

	for (int i = 0; i < n; i++) {
		json_t *o = json_pack("{s:s*, s:s*}", "mac", leases[i]->mac, "ip", leases[i]->ipaddr);

		if (o)
			(void)json_array_append_new(list, o);
		lib->virNetworkDHCPLeaseFree(leases[i]);
	}
	free(leases);
	return list;
}

static json_t *networks_json(virConnectPtr conn)
{
	json_t *list = json_array();
	virNetworkPtr *nets = NULL;
	int n = lib->virConnectListAllNetworks(conn, &nets, 0);

	for (int i = 0; i < n; i++) {
		bool active = lib->virNetworkIsActive(nets[i]) == 1,
		     persistent = lib->virNetworkIsPersistent(nets[i]) == 1;
		_cleanup_(freep) char *live = active ? lib->virNetworkGetXMLDesc(nets[i], 0) : NULL;
		_cleanup_(freep) char *stored =
			persistent ? lib->virNetworkGetXMLDesc(nets[i], VIR_NETWORK_XML_INACTIVE) : NULL;
		_cleanup_(freep) char *bridge = lib->virNetworkGetBridgeName(nets[i]);
		const char *xml = live ? live : stored;
		char mode[32] = "";
		int autostart = 0;

		(void)lib->virNetworkGetAutostart(nets[i], &autostart);
		if (xml)
			libvirt_parse_network(xml, strlen(xml), mode);
		json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:s}", "name", lib->virNetworkGetName(nets[i]),
				      "bridge", bridge ? bridge : "", "mode", mode, "active", active, "persistent",
				      persistent, "autostart", autostart, "live", live ? live : "", "stored",
				      stored ? stored : "");
		if (o && active)
			(void)json_object_set_new(o, "leases", leases_json(nets[i]));
		if (o)
			(void)json_array_append_new(list, o);
		(void)lib->virNetworkFree(nets[i]);
	}
	free(nets);
	return list;
}

static _Noreturn void child(int fd)
{
	virConnectPtr conn;
	json_t *o;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	lib = libvirt_load();
	conn = lib ? lib->virConnectOpenReadOnly(URI) : NULL;
	if (conn) {
		json_t *domains = domains_json(conn), *networks = networks_json(conn);

		o = json_pack("{s:o, s:o}", "domains", domains, "networks", networks);
	} else {
		const char *why =
			lib ? lib->virGetLastErrorMessage() : "its client library (libvirt0) isn't installed";

		o = json_pack("{s:s}", "why", why ? why : "no connection");
	}
	_cleanup_(freep) char *text = json_dumps(o, JSON_COMPACT);
	for (size_t at = 0, n = text ? strlen(text) : 0; at < n;) {
		ssize_t w = write(fd, text + at, n - at);

		if (w <= 0)
			_exit(1);
		at += (size_t)w;
	}
	_exit(0);
}

/* -------------------------------------------------------------------- the parent */

/* The NIC that QEMU's process was seen with, or a new one. */
static struct snap_nic *nic_for(struct snapshot *s, const char *guest, const struct mac *mac, bool live)
{
	for (size_t i = 0; i < s->n_nics && live; i++) {
		if (strcmp(s->nics[i].guest, guest) == 0 && s->nics[i].live && mac_eq(&s->nics[i].mac, mac))
			return &s->nics[i];
	}
	struct snap_nic *n = SNAP_ADD(s, nics);
	*n = (struct snap_nic){ .guest = guest, .mac = *mac, .live = live };
	return n;
}

static void take_nic(struct snapshot *s, const char *guest, const json_t *o)
{
	const struct snap_link *link = snap_link_by_name(s, snap_json_text(o, "device"));
	bool live = json_is_true(json_object_get(o, "live"));
	struct mac mac = { .b = { 0 } };

	(void)mac_parse(snap_json_text(o, "mac"), &mac);
	struct snap_nic *n = nic_for(s, guest, &mac, live);
	n->kind = link && live && strcmp(link->kind, "macvtap") == 0 ? "macvtap" : snap_json_keep(s, o, "kind");
	n->source = snap_json_keep(s, o, "source");
	n->mode = snap_json_keep(s, o, "mode");
	if (!n->model || !n->model[0])
		n->model = snap_json_keep(s, o, "model");
	n->trust_rx = json_is_true(json_object_get(o, "trust"));
	if (live && link) {
		n->device = link->name;
		n->ifindex = link->ifindex;
	}
}

/* The guest whose NIC has the MAC has the address. */
static void take_lease(struct snapshot *s, const json_t *o)
{
	struct mac mac;
	struct ip ip;

	if (!mac_parse(snap_json_text(o, "mac"), &mac) || !ip_parse(snap_json_text(o, "ip"), &ip))
		return;
	for (size_t i = 0; i < s->n_nics; i++) {
		if (!s->nics[i].live || !mac_eq(&s->nics[i].mac, &mac))
			continue;
		*SNAP_ADD(s, guest_addrs) = (struct snap_guest_addr){
			.guest = s->nics[i].guest,
			.ip = ip,
			.mac = mac,
			.source = "lease",
			.ifindex = s->nics[i].ifindex,
		};
		return;
	}
}

static void take_answer(struct snapshot *s, const json_t *root)
{
	const json_t *o, *nic;
	size_t i, k;

	json_array_foreach (json_object_get(root, "domains"), i, o) {
		struct snap_guest *g = NULL;
		const char *name = snap_json_text(o, "name");

		for (size_t j = 0; j < s->n_guests && !g; j++) {
			if (strcmp(s->guests[j].by, "libvirt") == 0 && strcmp(s->guests[j].guest, name) == 0)
				g = &s->guests[j];
		}
		if (!g) {
			g = SNAP_ADD(s, guests);
			*g = (struct snap_guest){
				.name = snap_text_copy(s, arena_printf(s->arena, "libvirt:%s", name)),
				.by = "libvirt",
				.network = "",
				.guest = snap_keep(s, name),
				.uuid = snap_json_keep(s, o, "uuid"),
			};
		}
		g->running = json_is_true(json_object_get(o, "active"));
		g->declared = json_is_true(json_object_get(o, "persistent"));
		json_array_foreach (json_object_get(o, "nics"), k, nic)
			take_nic(s, g->name, nic);
	}
	json_array_foreach (json_object_get(root, "networks"), i, o) {
		json_array_foreach (json_object_get(o, "leases"), k, nic)
			take_lease(s, nic);
		*SNAP_ADD(s, libvirt_nets) = (struct snap_libvirt_net){
			.name = snap_json_keep(s, o, "name"),
			.bridge = snap_json_keep(s, o, "bridge"),
			.mode = snap_json_keep(s, o, "mode"),
			.active = json_is_true(json_object_get(o, "active")),
			.persistent = json_is_true(json_object_get(o, "persistent")),
			.autostart = json_is_true(json_object_get(o, "autostart")),
			.live_xml = snap_json_keep(s, o, "live"),
			.stored_xml = snap_json_keep(s, o, "stored"),
		};
	}
}

/* All that comes until the end or the deadline. NULL: late, or too much. */
static char *collect(int fd)
{
	mono_t deadline = mono_now() + LIMIT_MS * MONO_MS;
	char *buf = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		mono_t now = mono_now();

		if (cap - n < 65536) {
			cap = cap ? cap * 2 : 131072;
			buf = xrealloc(buf, cap, 1);
		}
		if (now >= deadline || n > TEXT_MAX || poll(&p, 1, (int)((deadline - now) / MONO_MS) + 1) <= 0)
			break;
		ssize_t r = read(fd, buf + n, cap - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			break;
		if (r == 0) {
			buf[n] = '\0';
			return buf;
		}
		n += (size_t)r;
	}
	free(buf);
	return NULL;
}

static void ask(struct snapshot *s)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snapshot_add_unread(s, SNAP_PART_LIBVIRT, "", "%s", strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		child(ends[1]);
	(void)close(ends[1]);
	_cleanup_(freep) char *answer = pid > 0 ? collect(ends[0]) : NULL;
	(void)close(ends[0]);
	if (pid > 0) {
		if (!answer)
			(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	json_t *root = answer ? json_loads(answer, 0, NULL) : NULL;
	if (!root)
		snapshot_add_unread(s, SNAP_PART_LIBVIRT, "", "%s",
				    answer ? "its library failed" : "libvirt didn't answer within 2 s");
	else if (json_object_get(root, "why"))
		snapshot_add_unread(s, SNAP_PART_LIBVIRT, "", "%s", snap_json_text(root, "why"));
	else
		take_answer(s, root);
	json_decref(root);
}
#endif

/* ------------------------------------------------------------------------ hooks */

static void read_hooks(struct snapshot *s)
{
	static const struct {
		const char *name, *path;
	} hooks[] = {
		{ "libvirt-qemu", "/etc/libvirt/hooks/qemu" },
		{ "libvirt-network", "/etc/libvirt/hooks/network" },
		{ "libvirt-qemu", "/etc/libvirt/hooks/qemu.d/sixtap" },
		{ "libvirt-network", "/etc/libvirt/hooks/network.d/sixtap" },
		{ "xen-vif", "/etc/xen/scripts/vif-sixtap" },
	};

	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		struct snap_hook *h = SNAP_ADD(s, hooks);

		*h = (struct snap_hook){ .name = hooks[i].name, .path = hooks[i].path };
		struct stat st;
		_cleanup_(freep) char *real = realpath(hooks[i].path, NULL);

		if (!real || stat(real, &st) < 0)
			continue;
		h->present = true;
		h->changed = (uint64_t)st.st_mtime;
		_cleanup_(freep) char *text = NULL;
		/* Ours is a link to sixtap, or a script that runs it. */
		h->ours = strstr(real, "sixtap") ||
			  (st.st_size < 65536 && snap_file(real, &text) == 0 && strstr(text, "sixtap"));
	}
}

void snap_read_libvirt(struct snap_reader *r)
{
	struct snapshot *s = r->s;

	read_hooks(s);
	if (!snap_runs(s, "libvirtd") && !snap_runs(s, "virtqemud") && !snap_runs(s, "virtnetworkd"))
		return;
#ifdef HAVE_LIBVIRT
	ask(s);
#else
	snapshot_add_unread(s, SNAP_PART_LIBVIRT, "", "this sixtap was built without libvirt's library");
#endif
}
