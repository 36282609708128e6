/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_own - networks, guests and leases of ours
 *
 * From three sources, of which any may be missing: the configuration (what is
 * meant), the daemon's answers (what runs, and where), and the interfaces'
 * aliases, which tell a guest's device also when nobody answers. A guest that
 * runs in a QEMU that was found in /proc is one guest, under our name.
 */
#include "diag/snap_read.h"

#include <stdio.h>
#include "conf/forward.h"
#include "model/desired.h"
#include "model/world.h"

/* ---------------------------------------------------------------------- networks */

static struct snap_network *network_of(struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_networks; i++) {
		if (strcmp(s->networks[i].name, name) == 0)
			return &s->networks[i];
	}
	struct snap_network *n = SNAP_ADD(s, networks);
	*n = (struct snap_network){ .name = snap_keep(s, name) };
	return n;
}

static struct snap_guest *guest_of(struct snapshot *s, const char *network, const char *guest)
{
	for (size_t i = 0; i < s->n_guests; i++) {
		if (strcmp(s->guests[i].network ? s->guests[i].network : "", network) == 0 &&
		    strcmp(s->guests[i].guest, guest) == 0)
			return &s->guests[i];
	}
	struct snap_guest *g = SNAP_ADD(s, guests);
	*g = (struct snap_guest){
		.name = arena_printf(s->arena, "%s/%s", network, guest),
		.by = "sixtap",
		.network = snap_keep(s, network),
		.guest = snap_keep(s, guest),
	};
	return g;
}

static void add_addr(struct snapshot *s, const char *guest, const struct ip *ip, const struct mac *mac,
		     const char *source)
{
	for (size_t i = 0; i < s->n_guest_addrs; i++) {
		if (strcmp(s->guest_addrs[i].guest, guest) == 0 && ip_eq(&s->guest_addrs[i].ip, ip))
			return;
	}
	*SNAP_ADD(s, guest_addrs) =
		(struct snap_guest_addr){ .guest = guest, .ip = *ip, .mac = *mac, .source = source };
}

static struct snap_nic *nic_of(struct snapshot *s, const char *guest)
{
	for (size_t i = 0; i < s->n_nics; i++) {
		if (strcmp(s->nics[i].guest, guest) == 0)
			return &s->nics[i];
	}
	struct snap_nic *n = SNAP_ADD(s, nics);
	*n = (struct snap_nic){ .guest = guest, .trust_rx = -1 };
	return n;
}

static void add_forward(struct snapshot *s, const char *network, const char *guest, const char *spec, const char *state)
{
	struct forward_fault fault;
	struct d_forward d = { 0 };

	for (size_t i = 0; i < s->n_forwards; i++) {
		struct snap_forward *f = &s->forwards[i];

		if (strcmp(f->network, network) == 0 && strcmp(f->guest, guest) == 0 && strcmp(f->spec, spec) == 0) {
			if (state[0])
				f->state = snap_keep(s, state);
			return;
		}
	}
	if (!forward_parse(spec, s->arena, &d, &fault))
		return;
	*SNAP_ADD(s, forwards) = (struct snap_forward){
		.network = snap_keep(s, network),
		.guest = snap_keep(s, guest),
		.spec = snap_keep(s, spec),
		.state = snap_keep(s, state),
		.host = d.host,
		.proto = d.proto,
		.host_first = d.host_first,
		.host_last = d.host_last,
		.guest_first = d.guest_first,
		.guest_last = d.guest_last,
	};
}

static void take_desired(struct snapshot *s, const struct desired *desired)
{
	for (size_t i = 0; i < desired->n_networks; i++) {
		const struct d_network *d = &desired->networks[i];
		struct snap_network *n = network_of(s, d->name);

		n->declared = true;
		n->mode = net_mode_name[d->mode];
		n->device = snap_keep(s, d->bridge);
		n->uplink = snap_keep(s, d->uplink);
		if (d->ipv4 && !d->ipv4_auto)
			n->ipv4 = d->address4;
		if (d->ipv6 == IP6_SOURCE_STATIC || d->ipv6 == IP6_SOURCE_ULA)
			n->ipv6 = d->address6;
		n->ipv6_source = d->ipv6 == IP6_SOURCE_OFF ? "" : ip6_source_name[d->ipv6];
		n->host_access = host_access_name[d->host_access];
		n->firewall = d->firewall_auto ? "auto" : "off";
		bool serves = d->mode == NET_MODE_NAT || d->mode == NET_MODE_ROUTED || d->mode == NET_MODE_ISOLATED;
		n->dhcp4 = serves && d->ipv4 && d->dhcp4;
		n->ra = serves && d->ipv6 != IP6_SOURCE_OFF;
		n->dhcp6 = n->ra && (d->assign & ASSIGN_DHCP);
		n->dns = serves && d->dns;
		n->nat4 = d->mode == NET_MODE_NAT && d->ipv4;
		n->nat6 = d->mode == NET_MODE_NAT &&
			  (d->nat6 == TRISTATE_YES ||
			   (d->nat6 == TRISTATE_AUTO && ip_is_set(&n->ipv6.ip) && !ip_is_global(&n->ipv6.ip)));
		if (d->mode == NET_MODE_MACVTAP)
			n->multicast = macvtap_multicast_name[d->macvtap.multicast];
		for (size_t j = 0; j < d->n_guests; j++) {
			const struct d_guest *dg = &d->guests[j];
			struct snap_guest *g = guest_of(s, d->name, dg->name);

			g->declared = true;
			nic_of(s, g->name)->mac = dg->mac;
			for (size_t k = 0; k < dg->n_ips; k++)
				add_addr(s, g->name, &dg->ips[k], &dg->mac, "declared");
			for (size_t k = 0; k < dg->n_forwards; k++)
				add_forward(s, d->name, dg->name, dg->forwards[k].spec, "");
		}
	}
}

/* ------------------------------------------------------------- the daemon's answers */

static const char *kind_of(const char *kind)
{
	static const char *const kinds[] = { "declared", "lease", "slaac", "seen" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i], kind) == 0)
			return kinds[i];
	}
	return "seen";
}

static void take_guest(struct snapshot *s, const char *network, const json_t *o)
{
	struct snap_guest *g = guest_of(s, network, snap_json_text(o, "name"));
	struct snap_nic *nic = nic_of(s, g->name);
	const json_t *item;
	size_t i;

	g->running |= strcmp(snap_json_text(o, "state"), "attached") == 0;
	(void)mac_parse(snap_json_text(o, "mac"), &nic->mac);
	if (snap_json_text(o, "device")[0]) {
		const struct snap_link *link = snap_link_by_name(s, snap_json_text(o, "device"));

		nic->live = true;
		nic->device = snap_json_keep(s, o, "device");
		nic->ifindex = link ? link->ifindex : 0;
		nic->kind = link && strcmp(link->kind, "macvtap") == 0 ? "macvtap" : "tap";
	}
	json_array_foreach (json_object_get(o, "addresses"), i, item) {
		struct ip ip;

		if (ip_parse(snap_json_text(item, "address"), &ip))
			add_addr(s, g->name, &ip, &nic->mac, kind_of(snap_json_text(item, "kind")));
	}
	json_array_foreach (json_object_get(o, "forwards"), i, item)
		add_forward(s, network, snap_json_text(o, "name"), snap_json_text(item, "spec"), snap_json_text(item, "state"));
}

static void take_status(struct snapshot *s, const json_t *status)
{
	const json_t *o, *item;
	size_t i, k;

	json_array_foreach (json_object_get(status, "networks"), i, o) {
		struct snap_network *n = network_of(s, snap_json_text(o, "name"));
		const json_t *v6 = json_object_get(o, "ipv6"), *macvtap = json_object_get(o, "macvtap");

		n->mode = snap_json_keep(s, o, "mode");
		n->state = snap_json_keep(s, o, "state");
		if (snap_json_text(o, "device")[0])
			n->device = snap_json_keep(s, o, "device");
		if (snap_json_text(o, "uplink")[0])
			n->uplink = snap_json_keep(s, o, "uplink");
		(void)prefix_parse(snap_json_text(json_object_get(o, "ipv4"), "address"), &n->ipv4);
		if (prefix_parse(snap_json_text(v6, "address"), &n->ipv6)) {
			n->ipv6_source = snap_json_keep(s, v6, "source");
			n->nat6 = json_is_true(json_object_get(v6, "nat"));
		}
		n->nat4 = strcmp(n->mode, "nat") == 0 && ip_is_set(&n->ipv4.ip);
		if (macvtap)
			n->multicast = snap_json_keep(s, macvtap, "multicast");
		json_array_foreach (json_object_get(o, "troubles"), k, item) {
			if (json_is_string(item))
				n->because = arena_printf(s->arena, "%s%s%s", n->because ? n->because : "",
							  n->because ? "\n" : "", json_string_value(item));
		}
		json_array_foreach (json_object_get(o, "guests"), k, item)
			take_guest(s, n->name, item);
	}
}

static void take_leases(struct snapshot *s, const json_t *leases)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(leases, "leases"), i, o) {
		struct snap_lease l = {
			.network = snap_json_keep(s, o, "network"), .guest = snap_json_keep(s, o, "guest"),
		};
		json_int_t left = json_integer_value(json_object_get(o, "expires"));

		if (!ip_parse(snap_json_text(o, "address"), &l.ip))
			continue;
		(void)mac_parse(snap_json_text(o, "mac"), &l.mac);
		l.expires = s->taken + (uint64_t)(left > 0 ? left : 0);
		*SNAP_ADD(s, leases) = l;
	}
}

static void take_plan(struct snapshot *s, const json_t *plan)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(plan, "changes"), i, o)
		*SNAP_ADD(s, changes) = (struct snap_change){ snap_json_keep(s, o, "object"), snap_json_keep(s, o, "action"),
							      snap_json_keep(s, o, "what"), snap_json_keep(s, o, "why") };
}

/* -------------------------------------------------------------------- interfaces */

static void take_aliases(struct snapshot *s)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *link = &s->links[i];

		if (!alias_parse(link->alias, network, guest))
			continue;
		if (!guest[0]) {
			struct snap_network *n = network_of(s, network);

			if (!n->device || !n->device[0])
				n->device = link->name;
			continue;
		}
		struct snap_guest *g = guest_of(s, network, guest);
		struct snap_nic *nic = nic_of(s, g->name);

		g->running = true;
		nic->live = true;
		nic->device = link->name;
		nic->ifindex = link->ifindex;
		nic->kind = strcmp(link->kind, "macvtap") == 0 ? "macvtap" : "tap";
		if (mac_is_zero(&nic->mac) && strcmp(link->kind, "macvtap") == 0)
			nic->mac = link->mac;
	}
}

static struct snap_guest *guest_named(struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_guests; i++) {
		if (strcmp(s->guests[i].name, name) == 0)
			return &s->guests[i];
	}
	return NULL;
}

/* A QEMU that holds the device of a guest of ours is that guest. */
static void join_processes(struct snapshot *s)
{
	size_t out = 0;

	for (size_t i = 0; i < s->n_nics; i++) {
		struct snap_nic *q = &s->nics[i];
		bool joined = false;

		for (size_t j = 0; j < s->n_nics && q->ifindex && strncmp(q->guest, "qemu:", 5) == 0 && !joined; j++) {
			struct snap_nic *own = &s->nics[j];

			if (j == i || own->ifindex != q->ifindex || strncmp(own->guest, "qemu:", 5) == 0 || !own->live)
				continue;
			joined = true;
			own->model = q->model;
			if (mac_is_zero(&own->mac))
				own->mac = q->mac;
			struct snap_guest *mine = guest_named(s, own->guest);
			const struct snap_guest *process = guest_named(s, q->guest);
			if (mine && process) {
				mine->pid = process->pid;
				mine->qmp = process->qmp;
			}
		}
		q->kind = joined ? NULL : q->kind ? q->kind : "";
	}
	for (size_t i = 0; i < s->n_nics; i++) {
		if (s->nics[i].kind)
			s->nics[out++] = s->nics[i];
	}
	s->n_nics = out;
	/* A process whose NICs are all ours is no guest beside them. */
	out = 0;
	for (size_t i = 0; i < s->n_guests; i++) {
		bool other = strcmp(s->guests[i].by, "qemu") == 0, has = false, ours = false;

		for (size_t j = 0; j < s->n_nics && other && !has; j++)
			has = strcmp(s->nics[j].guest, s->guests[i].name) == 0;
		for (size_t j = 0; j < s->n_guests && other && !ours; j++)
			ours = j != i && s->guests[j].pid == s->guests[i].pid;
		if (!other || has || !ours)
			s->guests[out++] = s->guests[i];
	}
	s->n_guests = out;
}

void snap_read_own(struct snap_reader *r)
{
	const struct snapshot_conf *c = r->conf;
	struct snapshot *s = r->s;

	if (c->config_why)
		snapshot_add_unread(s, SNAP_PART_CONFIG, "", "%s", c->config_why);
	if (c->daemon_why)
		snapshot_add_unread(s, SNAP_PART_DAEMON, "", "%s", c->daemon_why);
	if (c->desired)
		take_desired(s, c->desired);
	take_status(s, c->status);
	take_leases(s, c->leases);
	take_plan(s, c->plan);
	take_aliases(s);
	join_processes(s);
	for (size_t i = 0; i < s->n_networks; i++) {
		struct snap_network *n = &s->networks[i];
		const struct snap_link *device = n->device && n->device[0] ? snap_link_by_name(s, n->device) : NULL;
		const struct snap_link *uplink = n->uplink && n->uplink[0] ? snap_link_by_name(s, n->uplink) : NULL;

		n->ifindex = device ? device->ifindex : 0;
		n->uplink_ifindex = uplink ? uplink->ifindex : 0;
	}
}
