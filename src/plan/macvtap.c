/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - guests' devices on a shared NIC, and the host's own macvlan beside them
 *
 * Theory of operation: a network of mode macvtap is its lower device and the
 * guests that run. Each has a macvtap device, known by its alias, that is made
 * when the guest starts and goes with it; nothing that the guest holds survives
 * a new device, so one that is there is only ever changed. The host never has
 * an address on it: no link-local of its own, no RAs heard. When the network
 * goes down under running guests their devices go down, and come up again with
 * it.
 */
#include "plan/macvtap.h"

#include <linux/if_link.h>
#include <net/if.h>

#define IFF_LOWER_UP_ (1u << 16) /* linux/if.h and net/if.h don't go together */

static const uint32_t kernel_mode[MACVTAP_MODE_N_] = {
	[MACVTAP_MODE_BRIDGE] = MACVLAN_MODE_BRIDGE,   [MACVTAP_MODE_VEPA] = MACVLAN_MODE_VEPA,
	[MACVTAP_MODE_PRIVATE] = MACVLAN_MODE_PRIVATE, [MACVTAP_MODE_PASSTHRU] = MACVLAN_MODE_PASSTHRU,
	[MACVTAP_MODE_SOURCE] = MACVLAN_MODE_SOURCE,
};

const char *macvlan_mode_name(uint32_t kernel)
{
	for (size_t i = 0; i < MACVTAP_MODE_N_; i++)
		if (kernel_mode[i] == kernel)
			return macvtap_mode_name[i];
	return "unknown";
}

bool macvtap_of(const struct net *net, const struct w_link *link, char guest[static GUEST_NAME_MAX + 1])
{
	char network[NETWORK_NAME_MAX + 1];

	return str_eq(link->kind, "macvtap") && alias_parse(link->alias, network, guest) && guest[0] &&
	       str_eq(network, net->target->name);
}

/* The device of a guest of the network, or NULL. */
static const struct w_link *device_of(const struct make *m, const struct net *net, const char *name)
{
	char guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->world->n_links; i++)
		if (macvtap_of(net, &m->world->links[i], guest) && str_eq(guest, name))
			return &m->world->links[i];
	return NULL;
}

static const struct w_link *any_device(const struct make *m, const struct net *net)
{
	char guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->world->n_links; i++)
		if (macvtap_of(net, &m->world->links[i], guest))
			return &m->world->links[i];
	return NULL;
}

/* ---- the lower device ---- */

/* What macvlans that are stacked upon macvlans really sit on. */
static const struct w_link *real_lower(const struct make *m, const struct w_link *link)
{
	for (int i = 0; link && i < 8 && (str_eq(link->kind, "macvlan") || str_eq(link->kind, "macvtap")); i++)
		link = link->lower ? world_link(m->world, link->lower) : NULL;
	return link;
}

static const struct w_link *find_lower(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	const struct w_link *device = any_device(m, net), *link;
	struct finding *f;

	if (!d->uplink) {
		if (device && device->lower)	/* the default route may move, guests' devices can't */
			return world_link(m->world, device->lower);
		link = uplink_by_route(m->world, AF_INET);
		link = link ? link : uplink_by_route(m->world, AF_INET6);
		if (!link) {
			f = net_error(m, net, &d->uplink_where, "uplink",
				      "the host has no default route to find the LAN by");
			if (f)
				report_help(f, "name the interface, uplink: eth0 for example");
		}
		return link;
	}
	link = world_link_by_name(m->world, d->uplink);
	if (link)
		return link;
	f = net_error(m, net, &d->uplink_where, "uplink", "no interface named %s", d->uplink);
	link = device && device->lower ? world_link(m->world, device->lower) : NULL;
	if (f && link)
		report_help(f, "its guests are on %s now: if that is its new name, write uplink: %s", link->name,
			    link->name);
	else if (f)
		report_help(f, "see: ip link");
	return NULL;
}

/* A macvlan or macvtap on the same lower device that isn't the network's. */
static const struct w_link *other_on(const struct world *world, const char *network, const struct w_link *lower,
				     bool passthru_only)
{
	char its_network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < world->n_links; i++) {
		const struct w_link *l = &world->links[i];

		if ((!str_eq(l->kind, "macvtap") && !str_eq(l->kind, "macvlan")) || l->lower != lower->ifindex)
			continue;
		if (alias_parse(l->alias, its_network, guest) && str_eq(its_network, network))
			continue;
		if (!passthru_only || l->macvlan_mode == MACVLAN_MODE_PASSTHRU)
			return l;
	}
	return NULL;
}

const char *macvtap_unfit(struct arena *arena, const struct world *world, const char *network, const struct w_link *lower,
			  bool passthru, const char **ret_help)
{
	const struct w_link *master = lower->master ? world_link(world, lower->master) : NULL, *other;

	if (link_is_ours(lower)) {
		*ret_help = "name the interface that leads to the LAN";
		return arena_printf(arena, "%s belongs to a network of sixtap", lower->name);
	}
	if ((lower->flags & IFF_LOOPBACK) || mac_is_zero(&lower->mac)) {
		*ret_help = "macvtap needs one; use mode: nat (sixtap init nat)";
		return arena_printf(arena, "%s isn't an Ethernet device", lower->name);
	}
	if (lower->wireless) {
		*ret_help = "use mode: nat (sixtap init nat)";
		return arena_printf(arena, "%s is wireless: an access point takes frames from one MAC only, so macvtap "
					   "cannot work on it", lower->name);
	}
	if (lower->master && !(master && str_eq(master->kind, "vrf"))) {
		*ret_help = master && str_eq(master->kind, "bridge") ?
				    arena_printf(arena, "put guests into the bridge: mode: bridge, bridge: %s", master->name) :
				    arena_printf(arena, "write uplink: %s", master ? master->name : "NAME");
		return arena_printf(arena, "%s is a port of %s: its frames are %s's", lower->name,
				    master ? master->name : "another device", master ? master->name : "that device");
	}
	other = other_on(world, network, lower, !passthru);
	if (!other)
		return NULL;
	*ret_help = passthru ? "use another mode, or another interface" : "stop what uses it, or name another interface";
	return passthru ? arena_printf(arena, "%s sits on %s, which mode passthru wants for itself", other->name, lower->name) :
			  arena_printf(arena, "%s has %s for itself (mode passthru)", other->name, lower->name);
}

/* What the kernel would refuse, and what it wouldn't but can't work. */
static void check_lower(struct make *m, struct net *net, const struct w_link *lower)
{
	const char *help = NULL, *what = macvtap_unfit(m->arena, m->world, net->target->name, lower,
						       net->d->macvtap.mode == MACVTAP_MODE_PASSTHRU, &help);
	struct finding *f = NULL;

	if (what) {
		f = net_error(m, net, &net->d->uplink_where, "uplink", "%s", what);
	} else if (net->d->mtu > lower->mtu) {
		f = net_error(m, net, &net->d->uplink_where, "mtu", "%u is more than %s's %u", net->d->mtu, lower->name,
			      lower->mtu);
		help = arena_printf(m->arena, "write auto, or raise it there: ip link set %s mtu %u", lower->name, net->d->mtu);
	}
	if (f)
		report_help(f, "%s", help);
}

/* What can't be changed under a guest that runs. */
static void check_devices(struct make *m, struct net *net, const struct w_link *lower)
{
	const struct d_network *d = net->d;
	bool passthru = d->macvtap.mode == MACVTAP_MODE_PASSTHRU;
	const char *first = NULL;
	struct finding *f = NULL;

	for (size_t i = 0; i < d->n_guests && !first; i++)
		if (d->guests[i].device && device_of(m, net, d->guests[i].name))
			first = d->guests[i].name;
	for (size_t i = 0; i < d->n_guests; i++) {
		const struct w_link *device = d->guests[i].device ? device_of(m, net, d->guests[i].name) : NULL;

		if (!d->guests[i].device)
			continue;
		if (first && passthru && !str_eq(first, d->guests[i].name)) {
			f = net_error(m, net, &d->macvtap.mode_where, "macvtap.mode",
				      "mode passthru has room for one guest, and %s runs already", first);
			if (f)
				report_help(f, "use another mode, or another network on another interface");
			return;
		}
		if (!first)
			first = d->guests[i].name;
		if (!device)
			continue;
		if (device->lower && device->lower != lower->ifindex) {
			const struct w_link *old = world_link(m->world, device->lower);

			f = net_error(m, net, &d->uplink_where, "uplink",
				      "guest %s runs on %s, and its device cannot move to %s", d->guests[i].name,
				      old ? old->name : "another interface", lower->name);
		} else if ((device->macvlan_mode == MACVLAN_MODE_PASSTHRU) != passthru) {
			f = net_error(m, net, &d->macvtap.mode_where, "macvtap.mode",
				      "guest %s runs in mode %s, which cannot be changed to %s under it",
				      d->guests[i].name, macvlan_mode_name(device->macvlan_mode),
				      macvtap_mode_name[d->macvtap.mode]);
		} else {
			continue;
		}
		if (f)
			report_help(f, "stop it first");
		return;
	}
}

/* Guests of mode macvtap that run on while the file says another mode now. */
void check_macvtap_left(struct make *m, struct net *net)
{
	const struct w_link *device = any_device(m, net);
	struct finding *f;

	if (!device || net->d->mode == NET_MODE_MACVTAP)
		return;
	f = net_error(m, net, &net->d->mode_where, "mode", "guests run on macvtap devices of this network (%s)",
		      device->name);
	if (f)
		report_help(f, "stop them first, or: sixtap down %s", net->target->name);
}

void find_macvtap(struct make *m, struct net *net)
{
	const struct w_link *lower;
	struct plan_result *r = net->result;

	if (!net->active || net->d->mode != NET_MODE_MACVTAP)
		return;
	lower = find_lower(m, net);
	if (!lower) {
		net->active = net->up = false;
		return;
	}
	check_lower(m, net, lower);
	lower = real_lower(m, lower);
	if (!lower) {
		net->active = net->up = false;
		return;
	}
	check_devices(m, net, lower);
	net->lower = lower;
	net->mtu = net->d->mtu ? net->d->mtu : lower->mtu;
	r->mtu = net->mtu;
	(void)str_copy(r->uplink4, sizeof(r->uplink4), lower->name);
	(void)str_copy(r->uplink6, sizeof(r->uplink6), lower->name);
	if (net->d->host_access == HOST_ACCESS_YES)
		(void)str_copy(r->device, sizeof(r->device), net->d->bridge);
	if (!(lower->flags & IFF_UP))
		r->blocked = arena_printf(m->arena, "%s is down: guests are cut off; ip link set %s up", lower->name,
					  lower->name);
	else if (!(lower->flags & IFF_LOWER_UP_))
		r->blocked = arena_printf(m->arena, "%s has no carrier: guests are cut off", lower->name);
	else if (net->d->spoof_check && m->world->no_egress)
		r->blocked = "spoof-check: this kernel cannot check what guests on macvtap devices say (nftables' "
			     "egress hook, Linux "
			     "5.16); write spoof-check: no where guests are trusted";
}

/* ---- devices ---- */

/* Guests must not configure their host: written before the device comes up, gone with it. */
void macvtap_emit_sysctl(struct make *m, const struct net *net, const char *path, const char *value, const char *why)
{
	struct op *op = ops_add(m->ops, OP_SYSCTL, OP_ACTION_CHANGE);
	char *object = arena_strdup(m->arena, arena_printf(m->arena, "sysctl %s", path));

	for (char *c = object; *c; c++)
		if (*c == '/')
			*c = '.';
	op->network = net->target->name;
	op->object = object;
	op->what = arena_printf(m->arena, "→ %s", value);
	op->why = why;
	op->sysctl.path = path;
	op->sysctl.value = value;
	op->sysctl.unrecorded = true;
}

void macvtap_emit_accept_ra(struct make *m, const struct net *net, const char *device, const struct w_link *have)
{
	const char *path = arena_printf(m->arena, "net/ipv6/conf/%s/accept_ra", device);

	if (have ? have->have_inet6 && have->accept_ra != 0 : net->lower->have_inet6 && net->mtu >= MTU_MIN6)
		macvtap_emit_sysctl(m, net, path, "0", "the host never owns a guest's addresses");
}

static uint32_t macvlan_differs(const struct w_link *have, const struct op_link *want)
{
	uint64_t sum = 0;

	if (have->macvlan_mode != want->macvlan_mode ||
	    (have->macvlan_queue != 0 && want->macvlan_queue != 0 && have->macvlan_queue != want->macvlan_queue))
		return OP_LINK_MACVLAN;
	if (want->macvlan_mode != MACVLAN_MODE_SOURCE)
		return 0;
	for (size_t i = 0; i < want->n_sources; i++)
		sum += mac_hash(&want->sources[i]);
	return have->n_sources != want->n_sources || have->sources_sum != sum ? OP_LINK_MACVLAN : 0;
}

/* What differs of a device that is there, and in words. */
static uint32_t device_diff(struct make *m, const struct net *net, const struct w_link *have,
			    const struct op_link *want, const char **ret_what)
{
	enum macvtap_multicast multicast = net->d->macvtap.multicast;
	bool allmulti = have->flags & IFF_ALLMULTI, passthru = want->macvlan_mode == MACVLAN_MODE_PASSTHRU;
	const char *what = "";
	uint32_t mask = 0;

	ADD_WORDS(OP_LINK_MTU, have->mtu != want->mtu, "MTU %u → %u", have->mtu, want->mtu);
	/* In mode passthru it is the lower device's, and to change it would change that. */
	ADD_WORDS(OP_LINK_MAC, !passthru && !mac_eq(&have->mac, &want->mac), "%s → %s", MAC_STR(&have->mac),
		  MAC_STR(&want->mac));
	ADD_WORDS(OP_LINK_GROUP, have->group != want->group, "group %u → %u", have->group, want->group);
	ADD_WORDS(OP_LINK_GENMODE, have->have_inet6 && have->addr_gen_mode != want->addr_gen_mode,
		  "addrgenmode %u → none", have->addr_gen_mode);
	if (have->macvlan_mode != want->macvlan_mode)
		ADD_WORDS(OP_LINK_MACVLAN, true, "mode %s → %s", macvlan_mode_name(have->macvlan_mode),
			  macvlan_mode_name(want->macvlan_mode));
	else if (macvlan_differs(have, want))
		ADD_WORDS(OP_LINK_MACVLAN, true, "%s",
			  have->macvlan_queue != want->macvlan_queue
				  ? arena_printf(m->arena, "broadcast queue %u → %u", have->macvlan_queue,
						 want->macvlan_queue)
				  : "sources");
	/* With auto the engine's word decides: a guest that listens to too many groups gets all. */
	ADD_WORDS(OP_LINK_ALLMULTI, multicast == MACVTAP_MULTICAST_ALL && !allmulti, "all multicast");
	ADD_WORDS(OP_LINK_ALLMULTI, multicast == MACVTAP_MULTICAST_OFF && allmulti, "not all multicast");
	ADD_WORDS(OP_LINK_UP, !(have->flags & IFF_UP), "down → up");
	*ret_what = what;
	return mask;
}

static struct op_link wanted_device(struct make *m, const struct net *net, const struct d_guest *guest)
{
	const struct d_network *d = net->d;
	struct op_link want = {
		.kind = "macvtap",
		.mtu = net->mtu,
		.mac = guest->mac,
		.alias = arena_printf(m->arena, "sixtap:%s/%s", net->target->name, guest->name),
		.group = network_group(net->target->name),
		.addr_gen_mode = GENMODE_NONE,
		.lower = net->lower->ifindex,
		.macvlan_mode = kernel_mode[d->macvtap.mode],
		.macvlan_queue = d->macvtap.broadcast_queue,
		.sources = d->macvtap.sources,
		.n_sources = d->macvtap.n_sources,
		.allmulti = d->macvtap.multicast == MACVTAP_MULTICAST_ALL,
	};

	(void)str_copy(want.name, sizeof(want.name), guest->device);
	return want;
}

static void emit_new_device(struct make *m, const struct net *net, const struct op_link *want)
{
	const char *what = arena_printf(m->arena, "macvtap %s on %s, %s", macvlan_mode_name(want->macvlan_mode),
					net->lower->name, MAC_STR(&want->mac));
	struct op *op = link_op(m, net, OP_LINK_ADD, OP_ACTION_CREATE, want->name, what, "");

	op->link = *want;
	op->link.mask = CREATE_MASK;
	macvtap_emit_accept_ra(m, net, want->name, NULL);
	op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want->name,
			     want->allmulti ? "up, all multicast" : "up", "");
	op->link = *want;
	op->link.mask = OP_LINK_UP | (want->allmulti ? OP_LINK_ALLMULTI : 0);
	op->link.up = true;
	op->old_link = *want;
	op->old_link.allmulti = false;
	op->old_link.up = false;
}

static void emit_device(struct make *m, const struct net *net, const struct d_guest *guest)
{
	const struct w_link *have = device_of(m, net, guest->name);
	struct op_link want = wanted_device(m, net, guest);
	const char *what;
	struct op *op;

	if (!have) {
		emit_new_device(m, net, &want);
		return;
	}
	(void)str_copy(want.name, sizeof(want.name), have->name);	/* whatever somebody calls it */
	macvtap_emit_accept_ra(m, net, have->name, have);
	want.mask = device_diff(m, net, have, &want, &what);
	if (want.mask == 0)
		return;
	op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, have->name, what,
			     arena_printf(m->arena, "NIC of guest %s", guest->name));
	op->link = want;
	op->link.up = true;
	op->link.ifindex = have->ifindex;
	describe_link(have, m->world, &op->old_link);
}

static bool runs(const struct net *net, const char *guest)
{
	const struct d_guest *g = net->d ? desired_guest(net->d, guest) : NULL;

	return g && g->device;
}

static void emit_device_gone(struct make *m, const struct net *net, const struct w_link *device)
{
	struct op *op =
		link_op(m, net, OP_LINK_DEL, OP_ACTION_REMOVE, device->name, "macvtap", "its guest has ended");

	describe_link(device, m->world, &op->old_link);
	op->old_link.mask = CREATE_MASK;
	op->link = op->old_link;
}

/* Down: NICs of guests that run stay, switched off; a new one would be another NIC. */
void emit_macvtap_down(struct make *m, struct net *net)
{
	char guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *device = &m->world->links[i];
		struct op *op;

		if (!macvtap_of(net, device, guest))
			continue;
		if (net->target->want != PLAN_WANT_LEAVE && m->world->has_daemon && !runs(net, guest)) {
			emit_device_gone(m, net, device);
			continue;
		}
		if (net->target->want != PLAN_WANT_DOWN || !(device->flags & IFF_UP))
			continue;
		op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, device->name, "up → down",
				     arena_printf(m->arena, "guest %s runs on, without this network", guest));
		describe_link(device, m->world, &op->old_link);
		op->link = op->old_link;
		op->link.mask = OP_LINK_UP;
		op->link.up = false;
	}
}

void emit_macvtap(struct make *m, struct net *net)
{
	if (!net->up || !net->lower)
		return;
	for (size_t i = 0; i < net->d->n_guests; i++)
		if (net->d->guests[i].device)
			emit_device(m, net, &net->d->guests[i]);
	emit_macvtap_host_link(m, net);
}
