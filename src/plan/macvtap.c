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
 *
 * host-access (bridge mode): the lower device's own stack and guests can't talk
 * to each other, in any mode. So the host gets a macvlan beside them, which
 * nobody's address, route or SLAAC depends on:
 * - towards guests: a /32 or /128 route to each address of theirs, with one of
 *   the host's own as the source, and a neighbour entry. Nobody is ever asked by
 *   broadcast or multicast from here (mcast_solicit 0): an ARP request would tell
 *   the whole LAN that the host's address is now at the macvlan's MAC;
 * - from guests: the kernel answers ARP for any of the host's addresses here, ND
 *   only for those that the device has: so it gets copies of the lower's, as
 *   /128 that make no route and are never chosen as a source (deprecated);
 * - what isn't a guest's is dropped at its ingress (table netdev), or the LAN
 *   would hear two answers to each question for the host.
 * With an address of its own in the configuration the macvlan is just one more
 * host on the LAN, and none of this but the routes is needed.
 *
 * Whose address is whose the plan is told by configuration, by what guests were
 * seen to use, and by the kernel's own neighbour table of the macvlan: who asks
 * for the host is in there, until the kernel finds it gone, or its table full. An
 * address that the LAN has too, or that routes lead through, is never a guest's.
 */
#include "plan/make.h"

#include <assert.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define GENMODE_NONE 1		/* IN6_ADDR_GEN_MODE_NONE */
#define MTU_MIN6 1280u		/* RFC 8200 5: below it the device has no IPv6 */
#define EXTRA_METRIC 4096u	/* of the prefix route of an extra address: the host's own is always better */
#define IFF_LOWER_UP_ (1u << 16)	/* linux/if.h and net/if.h don't go together */

static const uint32_t kernel_mode[MACVTAP_MODE_N_] = {
	[MACVTAP_MODE_BRIDGE] = MACVLAN_MODE_BRIDGE,
	[MACVTAP_MODE_VEPA] = MACVLAN_MODE_VEPA,
	[MACVTAP_MODE_PRIVATE] = MACVLAN_MODE_PRIVATE,
	[MACVTAP_MODE_PASSTHRU] = MACVLAN_MODE_PASSTHRU,
	[MACVTAP_MODE_SOURCE] = MACVLAN_MODE_SOURCE,
};

static const char *mode_name(uint32_t kernel)
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
			f = net_error(m, net, &d->uplink_where, "uplink", "the host has no default route to find the LAN by");
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
		report_help(f, "its guests are on %s now: if that is its new name, write uplink: %s", link->name, link->name);
	else if (f)
		report_help(f, "see: ip link");
	return NULL;
}

/* A macvlan or macvtap on the same lower device that isn't this network's. */
static const struct w_link *other_on(const struct make *m, const struct net *net, const struct w_link *lower, bool passthru_only)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *l = &m->world->links[i];

		if ((!str_eq(l->kind, "macvtap") && !str_eq(l->kind, "macvlan")) || l->lower != lower->ifindex)
			continue;
		if (alias_parse(l->alias, network, guest) && str_eq(network, net->target->name))
			continue;
		if (!passthru_only || l->macvlan_mode == MACVLAN_MODE_PASSTHRU)
			return l;
	}
	return NULL;
}

/* What the kernel would refuse, and what it wouldn't but can't work. */
static void check_lower(struct make *m, struct net *net, const struct w_link *lower)
{
	const struct where *where = &net->d->uplink_where;
	const struct w_link *master = lower->master ? world_link(m->world, lower->master) : NULL, *other;
	bool passthru = net->d->macvtap.mode == MACVTAP_MODE_PASSTHRU;
	struct finding *f = NULL;

	if (link_is_ours(lower)) {
		f = net_error(m, net, where, "uplink", "%s belongs to a network of sixtap", lower->name);
		if (f)
			report_help(f, "name the interface that leads to the LAN");
	} else if ((lower->flags & IFF_LOOPBACK) || mac_is_zero(&lower->mac)) {
		f = net_error(m, net, where, "uplink", "%s isn't an Ethernet device", lower->name);
		if (f)
			report_help(f, "macvtap needs one; use mode: nat");
	} else if (lower->wireless) {
		f = net_error(m, net, where, "uplink", "%s is wireless: an access point takes frames from one MAC only, so macvtap "
			      "cannot work on it", lower->name);
		if (f)
			report_help(f, "use mode: nat");
	} else if (lower->master && !(master && str_eq(master->kind, "vrf"))) {
		f = net_error(m, net, where, "uplink", "%s is a port of %s: its frames are %s's", lower->name,
			      master ? master->name : "another device", master ? master->name : "that device");
		if (f && master && str_eq(master->kind, "bridge"))
			report_help(f, "put guests into the bridge: mode: bridge, bridge: %s", master->name);
		else if (f)
			report_help(f, "write uplink: %s", master ? master->name : "NAME");
	} else if ((other = other_on(m, net, lower, !passthru)) && passthru) {
		f = net_error(m, net, where, "uplink", "%s sits on %s, which mode passthru wants for itself", other->name,
			      lower->name);
		if (f)
			report_help(f, "use another mode, or another interface");
	} else if (other) {
		f = net_error(m, net, where, "uplink", "%s has %s for itself (mode passthru)", other->name, lower->name);
		if (f)
			report_help(f, "stop what uses it, or name another interface");
	} else if (net->d->mtu > lower->mtu) {
		f = net_error(m, net, where, "mtu", "%u is more than %s's %u", net->d->mtu, lower->name, lower->mtu);
		if (f)
			report_help(f, "write auto, or raise it there: ip link set %s mtu %u", lower->name, net->d->mtu);
	}
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

			f = net_error(m, net, &d->uplink_where, "uplink", "guest %s runs on %s, and its device cannot move to %s",
				      d->guests[i].name, old ? old->name : "another interface", lower->name);
		} else if ((device->macvlan_mode == MACVLAN_MODE_PASSTHRU) != passthru) {
			f = net_error(m, net, &d->macvtap.mode_where, "macvtap.mode",
				      "guest %s runs in mode %s, which cannot be changed to %s under it", d->guests[i].name,
				      mode_name(device->macvlan_mode), macvtap_mode_name[d->macvtap.mode]);
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
	f = net_error(m, net, &net->d->mode_where, "mode", "guests run on macvtap devices of this network (%s)", device->name);
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
		r->blocked = arena_printf(m->arena, "%s is down: guests are cut off; ip link set %s up", lower->name, lower->name);
	else if (!(lower->flags & IFF_LOWER_UP_))
		r->blocked = arena_printf(m->arena, "%s has no carrier: guests are cut off", lower->name);
	else if (net->d->spoof_check && m->world->no_egress)
		r->blocked = "spoof-check: this kernel cannot check what guests on macvtap devices say (nftables' egress hook, Linux "
			     "5.16); write spoof-check: no where guests are trusted";
}

/* ---- devices ---- */

static struct op *link_op(struct make *m, const struct net *net, enum op_kind kind, enum op_action action, const char *name,
			  const char *what, const char *why)
{
	struct op *op = ops_add(m->ops, kind, action);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "link %s", name);
	op->what = what;
	op->why = why;
	return op;
}

/* Guests must not configure their host: written before the device comes up, gone with it. */
static void emit_off(struct make *m, const struct net *net, const char *path, const char *value, const char *why)
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

static void emit_accept_ra(struct make *m, const struct net *net, const char *device, const struct w_link *have)
{
	const char *path = arena_printf(m->arena, "net/ipv6/conf/%s/accept_ra", device);

	if (have ? have->have_inet6 && have->accept_ra != 0 : net->lower->have_inet6 && net->mtu >= MTU_MIN6)
		emit_off(m, net, path, "0", "the host never owns a guest's addresses");
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

#define ADD_WORDS(bit, cond, ...)                                                                           \
	do {                                                                                                \
		if (cond) {                                                                                 \
			mask |= (uint32_t)(bit);                                                            \
			what = arena_printf(m->arena, "%s%s%s", what, what[0] ? ", " : "",                  \
					    arena_printf(m->arena, __VA_ARGS__));                           \
		}                                                                                           \
	} while (0)

/* What differs of a device that is there, and in words. */
static uint32_t device_diff(struct make *m, const struct net *net, const struct w_link *have, const struct op_link *want,
			    const char **ret_what)
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
	ADD_WORDS(OP_LINK_GENMODE, have->have_inet6 && have->addr_gen_mode != want->addr_gen_mode, "addrgenmode %u → none",
		  have->addr_gen_mode);
	if (have->macvlan_mode != want->macvlan_mode)
		ADD_WORDS(OP_LINK_MACVLAN, true, "mode %s → %s", mode_name(have->macvlan_mode), mode_name(want->macvlan_mode));
	else if (macvlan_differs(have, want))
		ADD_WORDS(OP_LINK_MACVLAN, true, "%s", have->macvlan_queue != want->macvlan_queue ?
				arena_printf(m->arena, "broadcast queue %u → %u", have->macvlan_queue, want->macvlan_queue) :
				"sources");
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

#define CREATE_MASK                                                                                                \
	((uint32_t)(OP_LINK_MTU | OP_LINK_MAC | OP_LINK_UP | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_GENMODE |     \
		    OP_LINK_MACVLAN))

static void emit_new_device(struct make *m, const struct net *net, const struct op_link *want)
{
	const char *what = arena_printf(m->arena, "macvtap %s on %s, %s", mode_name(want->macvlan_mode), net->lower->name,
					MAC_STR(&want->mac));
	struct op *op = link_op(m, net, OP_LINK_ADD, OP_ACTION_CREATE, want->name, what, "");

	op->link = *want;
	op->link.mask = CREATE_MASK;
	emit_accept_ra(m, net, want->name, NULL);
	op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want->name, want->allmulti ? "up, all multicast" : "up", "");
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
	emit_accept_ra(m, net, have->name, have);
	want.mask = device_diff(m, net, have, &want, &what);
	if (want.mask == 0)
		return;
	op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, have->name, what, arena_printf(m->arena, "NIC of guest %s", guest->name));
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
	struct op *op = link_op(m, net, OP_LINK_DEL, OP_ACTION_REMOVE, device->name, "macvtap", "its guest has ended");

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

/* ---- host-access ---- */

static bool has_extra(const struct net *net)
{
	return ip_is_set(&net->d->host_address4.ip) || ip_is_set(&net->d->host_address6.ip);
}

static bool wants_host(const struct net *net)
{
	return net->up && net->lower && net->d->host_access == HOST_ACCESS_YES;
}

const char *macvtap_filtered_host(const struct net *net)
{
	return wants_host(net) && !has_extra(net) ? net->d->bridge : NULL;
}

static const struct {
	const char *before, *after, *value, *why;
	bool six, extra;
} host_sysctls[] = {
	/*
	 * What a guest says first must not be taken for forged because its route still leads to the LAN. (Where `all` has
	 * it, the kernel hears only guests that have a route: a device without an IPv4 address proves nothing.)
	 */
	{ "net/ipv4/conf/", "/rp_filter", "0", "guests are heard before their routes are known", false, false },
	{ "net/ipv4/neigh/", "/mcast_solicit", "0", "the LAN is never asked for guests from here", false, false },
	{ "net/ipv6/neigh/", "/mcast_solicit", "0", "the LAN is never asked for guests from here", true, false },
	{ "net/ipv4/conf/", "/arp_ignore", "1", "it answers for its own address only", false, true },
};

size_t macvtap_sysctls(const struct d_network *d, struct arena *arena, const char *paths[static MACVTAP_SYSCTLS])
{
	static_assert(ARRAY_LEN(host_sysctls) == MACVTAP_SYSCTLS, "room for all");

	for (size_t i = 0; i < MACVTAP_SYSCTLS; i++)
		paths[i] = arena_printf(arena, "%s%s%s", host_sysctls[i].before, d->bridge, host_sysctls[i].after);
	return MACVTAP_SYSCTLS;
}

static void emit_host_sysctls(struct make *m, const struct net *net, const struct w_link *have)
{
	bool six = have ? have->have_inet6 : net->lower->have_inet6 && net->mtu >= MTU_MIN6;
	const char *paths[MACVTAP_SYSCTLS];

	(void)macvtap_sysctls(net->d, m->arena, paths);
	for (size_t i = 0; i < MACVTAP_SYSCTLS; i++) {
		const char *old = have ? world_sysctl(m->world, paths[i]) : NULL;

		if ((host_sysctls[i].six && !six) || (host_sysctls[i].extra && !has_extra(net)))
			continue;
		if (!have || (old && !str_eq(old, host_sysctls[i].value)))
			emit_off(m, net, paths[i], host_sysctls[i].value, host_sysctls[i].why);
	}
}

static void emit_host_link(struct make *m, struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;
	struct op_link want = {
		.kind = "macvlan",
		.mtu = net->mtu,
		.mac = net->d->mac,
		.alias = arena_printf(m->arena, "sixtap:%s", net->target->name),
		.group = network_group(net->target->name),
		.addr_gen_mode = GENMODE_NONE,
		.lower = net->lower->ifindex,
		.macvlan_mode = MACVLAN_MODE_BRIDGE,
	};
	const char *what = "";
	uint32_t mask = 0;
	struct op *op;

	(void)str_copy(want.name, sizeof(want.name), net->d->bridge);
	if (!have) {
		what = arena_printf(m->arena, "macvlan on %s, %s", net->lower->name, MAC_STR(&want.mac));
		op = link_op(m, net, OP_LINK_ADD, OP_ACTION_CREATE, want.name, what, "host and guests can't talk through the NIC itself");
		op->link = want;
		op->link.mask = CREATE_MASK;
	} else {
		ADD_WORDS(OP_LINK_MTU, have->mtu != want.mtu, "MTU %u → %u", have->mtu, want.mtu);
		ADD_WORDS(OP_LINK_MAC, !mac_eq(&have->mac, &want.mac), "%s → %s", MAC_STR(&have->mac), MAC_STR(&want.mac));
		ADD_WORDS(OP_LINK_GROUP, have->group != want.group, "group %u → %u", have->group, want.group);
		ADD_WORDS(OP_LINK_GENMODE, have->have_inet6 && have->addr_gen_mode != GENMODE_NONE, "addrgenmode %u → none",
			  have->addr_gen_mode);
		ADD_WORDS(OP_LINK_MACVLAN, have->macvlan_mode != want.macvlan_mode, "mode %s → bridge",
			  mode_name(have->macvlan_mode));
		if (mask) {
			op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want.name, what, "");
			op->link = want;
			op->link.mask = mask;
			op->link.ifindex = have->ifindex;
			describe_link(have, m->world, &op->old_link);
		}
	}
	emit_accept_ra(m, net, want.name, have);
	emit_host_sysctls(m, net, have);
}

/* An address of the lower's that guests may ask for by ND. */
static bool is_copied(const struct net *net, const struct w_addr *a)
{
	return a->ifindex == net->lower->ifindex && a->prefix.ip.family == AF_INET6 && !ip_is_link_local(&a->prefix.ip) &&
	       !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

struct want_addrs {
	struct op_addr *v;
	size_t n, cap;
};

static void want_addr(struct make *m, struct want_addrs *w, const struct net *net, const struct prefix *p, bool copy)
{
	for (size_t i = 0; i < w->n; i++)
		if (ip_eq(&w->v[i].prefix.ip, &p->ip))
			return;
	ARENA_GROW(m->arena, w->v, w->n, w->cap);
	struct op_addr *a = &w->v[w->n++];
	*a = (struct op_addr){ .prefix = *p };
	(void)str_copy(a->device, sizeof(a->device), net->d->bridge);
	if (copy) {
		a->prefix.len = 128;
		a->flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
		a->deprecated = true;
	} else {
		a->flags = IFA_F_NODAD;		/* it is said to be the host's; routes can have it as their source at once */
		a->metric = EXTRA_METRIC;
	}
}

static void addr_op(struct make *m, const struct net *net, const struct op_addr *a, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_ADDR_ADD : OP_ADDR_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "address %s", net->d->bridge);
	op->what = arena_strdup(m->arena, PREFIX_STR(&a->prefix));
	op->why = !add ? "the host has it no longer" : a->deprecated ? "guests ask for the host here" : "";
	op->addr = *a;
}

static void emit_host_addresses(struct make *m, const struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;
	struct want_addrs want = { 0 };
	size_t n_kept = 0;

	if (ip_is_set(&net->d->host_address4.ip))
		want_addr(m, &want, net, &net->d->host_address4, false);
	if (ip_is_set(&net->d->host_address6.ip))
		want_addr(m, &want, net, &net->d->host_address6, false);
	for (size_t i = 0; !has_extra(net) && i < m->world->n_addrs; i++)
		if (is_copied(net, &m->world->addrs[i]))
			want_addr(m, &want, net, &m->world->addrs[i].prefix, true);
	bool *there = arena_alloc(m->arena, want.n + 1, sizeof(*there));
	for (size_t i = 0; have && i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		size_t k = 0;

		if (a->ifindex != have->ifindex || ip_is_link_local(&a->prefix.ip))
			continue;
		while (k < want.n && !prefix_eq(&want.v[k].prefix, &a->prefix))
			k++;
		if (k < want.n) {
			there[k] = true;
			n_kept++;
			continue;
		}
		struct op_addr gone = { .prefix = a->prefix, .flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE, .deprecated = true };
		(void)str_copy(gone.device, sizeof(gone.device), net->d->bridge);
		addr_op(m, net, &gone, false);
	}
	for (size_t i = 0; i < want.n; i++)
		if (!there[i])
			addr_op(m, net, &want.v[i], true);
}

/* ---- host-access: routes to guests ---- */

/* A guest's address, reached by the macvlan. */
struct way {
	struct ip ip, src;
	struct mac mac;
};

struct ways {
	struct way *v;
	size_t n, cap;
};

/* The host's address that guests see: of the prefix the guest is in if there is one, and one that stays. */
static struct ip source_for(const struct make *m, const struct net *net, const struct ip *dst)
{
	const struct prefix *extra = dst->family == AF_INET ? &net->d->host_address4 : &net->d->host_address6;
	const struct w_addr *best = NULL;
	int best_score = -1;

	if (ip_is_set(&extra->ip))
		return extra->ip;
	if (has_extra(net))
		return (struct ip){ 0 };
	for (size_t i = 0; i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		int score = 0;

		if (a->ifindex != net->lower->ifindex || a->prefix.ip.family != dst->family || ip_is_link_local(&a->prefix.ip) ||
		    (dst->family == AF_INET6 && !is_copied(net, a)))
			continue;
		score += prefix_contains(&a->prefix, dst) ? 4 : 0;
		score += a->flags & IFA_F_DEPRECATED ? 0 : 2;
		score += a->flags & IFA_F_TEMPORARY ? 0 : 1;
		if (score > best_score) {
			best = a;
			best_score = score;
		}
	}
	return best ? best->prefix.ip : (struct ip){ 0 };
}

/* Could somebody else have it: the host, a router of its routes, a neighbour on the LAN? */
static bool is_others(const struct make *m, const struct net *net, const struct ip *ip, const struct mac *mac)
{
	for (size_t i = 0; i < m->world->n_addrs; i++)
		if (ip_eq(&m->world->addrs[i].prefix.ip, ip))
			return true;
	for (size_t i = 0; i < m->world->n_routes; i++)
		if (ip_is_set(&m->world->routes[i].gateway) && ip_eq(&m->world->routes[i].gateway, ip))
			return true;
	for (size_t i = 0; i < m->world->n_neighs; i++) {
		const struct w_neigh *n = &m->world->neighs[i];

		if (n->ifindex == net->lower->ifindex && ip_eq(&n->ip, ip) && !mac_eq(&n->mac, mac))
			return true;
	}
	return false;
}

/* On the lower's LAN, as the host sees it. */
static bool is_on_link(const struct make *m, const struct net *net, const struct ip *ip)
{
	const struct prefix *extra = ip->family == AF_INET ? &net->d->host_address4 : &net->d->host_address6;

	if (ip_is_set(&extra->ip) && prefix_contains(extra, ip))
		return true;
	for (size_t i = 0; i < m->world->n_routes; i++) {
		const struct w_route *r = &m->world->routes[i];

		if (r->oif == net->lower->ifindex && r->dst.len > 0 && !ip_is_set(&r->gateway) && r->dst.ip.family == ip->family &&
		    prefix_contains(&r->dst, ip))
			return true;
	}
	return false;
}

static void add_way(struct make *m, const struct net *net, struct ways *w, const struct ip *ip, const struct mac *mac, bool declared)
{
	struct ip src;

	if (!ip_is_set(ip) || ip_is_link_local(ip) || ip_is_unspecified(ip))
		return;
	for (size_t i = 0; i < w->n; i++)
		if (ip_eq(&w->v[i].ip, ip))
			return;
	if (!declared && (is_others(m, net, ip, mac) || !is_on_link(m, net, ip)))
		return;
	src = source_for(m, net, ip);
	if (!ip_is_set(&src) || ip_eq(&src, ip))
		return;
	ARENA_GROW(m->arena, w->v, w->n, w->cap);
	w->v[w->n++] = (struct way){ .ip = *ip, .src = src, .mac = *mac };
}

static const struct d_guest *guest_by_mac(const struct net *net, const struct mac *mac)
{
	for (size_t i = 0; i < net->d->n_guests; i++)
		if (net->d->guests[i].device && mac_eq(&net->d->guests[i].mac, mac))
			return &net->d->guests[i];
	return NULL;
}

static void find_ways(struct make *m, const struct net *net, struct ways *w)
{
	const struct plan_facts *f = m->facts;

	for (size_t i = 0; i < net->d->n_guests; i++) {
		const struct d_guest *g = &net->d->guests[i];

		for (size_t k = 0; g->device && k < g->n_ips; k++)
			add_way(m, net, w, &g->ips[k], &g->mac, true);
	}
	for (size_t i = 0; i < f->n_holders; i++)
		if (str_eq(f->holders[i].network, net->target->name) && guest_by_mac(net, &f->holders[i].mac))
			add_way(m, net, w, &f->holders[i].ip, &f->holders[i].mac, false);
	for (size_t i = 0; net->link && !net->creates && i < m->world->n_neighs; i++)
		if (m->world->neighs[i].ifindex == net->link->ifindex && guest_by_mac(net, &m->world->neighs[i].mac))
			add_way(m, net, w, &m->world->neighs[i].ip, &m->world->neighs[i].mac, false);
}

static void route_op(struct make *m, const struct net *net, const struct ip *dst, const struct ip *src, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_ROUTE_ADD : OP_ROUTE_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);
	const struct prefix p = { *dst, (uint8_t)ip_bits(dst) };
	const char *device = add || !net->link ? net->d->bridge : net->link->name;

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "route %s", device);
	op->what = arena_printf(m->arena, "%s from %s", PREFIX_STR(&p), IP_STR(src));
	op->route = (struct op_route){ .dst = p, .src = *src };
	(void)str_copy(op->route.device, sizeof(op->route.device), device);
}

static void neigh_op(struct make *m, const struct net *net, const struct ip *ip, const struct mac *mac, bool add)
{
	struct op *op = ops_add(m->ops, add ? OP_NEIGH_ADD : OP_NEIGH_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);
	const char *device = add || !net->link ? net->d->bridge : net->link->name;

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "neigh %s", device);
	op->what = arena_printf(m->arena, "%s is at %s", IP_STR(ip), MAC_STR(mac));
	op->neigh = (struct op_neigh){ .ip = *ip, .mac = *mac };
	(void)str_copy(op->neigh.device, sizeof(op->neigh.device), device);
}

static bool is_route_of(const struct net *net, const struct w_route *r)
{
	return r->oif == net->link->ifindex && r->protocol == SIXTAP_PROTO && r->dst.len == ip_bits(&r->dst.ip);
}

static void emit_ways(struct make *m, const struct net *net)
{
	bool there = net->link && !net->creates;
	struct ways w = { 0 };

	find_ways(m, net, &w);
	for (size_t i = 0; there && i < m->world->n_routes; i++) {
		const struct w_route *r = &m->world->routes[i];
		size_t k = 0;

		if (!is_route_of(net, r))
			continue;
		while (k < w.n && !ip_eq(&w.v[k].ip, &r->dst.ip))
			k++;
		if (k == w.n)
			route_op(m, net, &r->dst.ip, &r->src, false);
	}
	for (size_t i = 0; there && i < m->world->n_neighs; i++) {
		const struct w_neigh *n = &m->world->neighs[i];

		if (n->ifindex == net->link->ifindex && !guest_by_mac(net, &n->mac))
			neigh_op(m, net, &n->ip, &n->mac, false);
	}
	for (size_t i = 0; i < w.n; i++) {
		bool route = false, neigh = false;

		for (size_t k = 0; there && k < m->world->n_neighs && !neigh; k++) {
			const struct w_neigh *n = &m->world->neighs[k];

			neigh = n->ifindex == net->link->ifindex && ip_eq(&n->ip, &w.v[i].ip) && mac_eq(&n->mac, &w.v[i].mac);
		}
		for (size_t k = 0; there && k < m->world->n_routes && !route; k++) {
			const struct w_route *r = &m->world->routes[k];

			route = is_route_of(net, r) && ip_eq(&r->dst.ip, &w.v[i].ip) && ip_eq(&r->src, &w.v[i].src);
		}
		if (!neigh)
			neigh_op(m, net, &w.v[i].ip, &w.v[i].mac, true);
		if (!route)
			route_op(m, net, &w.v[i].ip, &w.v[i].src, true);
	}
}

/* Before the macvlan is deleted, so that what comes back has them again. */
void emit_ways_down(struct make *m, const struct net *net)
{
	for (size_t i = 0; i < m->world->n_routes; i++)
		if (is_route_of(net, &m->world->routes[i]))
			route_op(m, net, &m->world->routes[i].dst.ip, &m->world->routes[i].src, false);
	for (size_t i = 0; i < m->world->n_neighs; i++)
		if (m->world->neighs[i].ifindex == net->link->ifindex)
			neigh_op(m, net, &m->world->neighs[i].ip, &m->world->neighs[i].mac, false);
}

/* ---- in order ---- */

void emit_macvtap(struct make *m, struct net *net)
{
	if (!net->up || !net->lower)
		return;
	for (size_t i = 0; i < net->d->n_guests; i++)
		if (net->d->guests[i].device)
			emit_device(m, net, &net->d->guests[i]);
	if (wants_host(net))
		emit_host_link(m, net);
}

/* After the rules, so that the LAN never hears a second answer for the host. */
void emit_macvtap_host(struct make *m, struct net *net)
{
	const struct w_link *have = net->creates ? NULL : net->link;

	if (!wants_host(net))
		return;
	emit_host_addresses(m, net);
	if (!have || !(have->flags & IFF_UP)) {
		struct op *op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, net->d->bridge, "up", "");

		(void)str_copy(op->link.name, sizeof(op->link.name), net->d->bridge);
		(void)str_copy(op->link.kind, sizeof(op->link.kind), "macvlan");
		op->old_link = op->link;
		op->link.mask = OP_LINK_UP;
		op->link.up = true;
	}
	emit_ways(m, net);
}
