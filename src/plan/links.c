/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * links - the network's bridge and its ports
 *
 * A bridge of ours is known by its alias, not by its name. It is made once and
 * then only changed: deleting it under guests would detach them, so whatever
 * would need a new one is refused as long as it has ports. Ports of ours follow
 * (MTU, and back into the bridge when somebody pulled them out); what somebody
 * else put into the bridge is left alone, except for hairpin mode.
 */
#include "plan/make.h"

#include <net/if.h>
#include <stdio.h>

#define GENMODE_NONE 1		/* IN6_ADDR_GEN_MODE_NONE: no link-local of the kernel's own */

/* The alias says "NETWORK", or "NETWORK/GUEST" when @guest isn't NULL (its name is put there). */
static bool alias_is(const struct w_link *link, const char *network, char guest[static GUEST_NAME_MAX + 1],
		     bool want_guest)
{
	char name[NETWORK_NAME_MAX + 1];

	return alias_parse(link->alias, name, guest) && str_eq(name, network) && (guest[0] != '\0') == want_guest;
}

static size_t n_ports(const struct make *m, const struct w_link *bridge)
{
	size_t n = 0;

	for (size_t i = 0; i < m->world->n_links; i++)
		n += m->world->links[i].master == bridge->ifindex;
	return n;
}

static const char *bridge_names(struct make *m)
{
	const char *names = "";

	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *l = &m->world->links[i];

		if (str_eq(l->kind, "bridge") && !link_is_ours(l))
			names = arena_printf(m->arena, "%s%s%s", names, names[0] ? ", " : "", l->name);
	}
	return names;
}

/* Mode bridge: it has to be there, and nothing about it is changed. */
static void check_existing(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	const struct w_link *link = world_link_by_name(m->world, d->bridge);
	struct finding *f = NULL;

	if (!link) {
		const char *names = bridge_names(m);

		f = net_error(m, net, &d->bridge_where, "bridge", "no bridge named %s", d->bridge);
		if (f)
			report_help(f, names[0] ? "the host has %s" : "mode bridge uses one that is there already; "
				    "for one of its own a network needs mode: nat or isolated%s", names);
	} else if (!str_eq(link->kind, "bridge")) {
		f = net_error(m, net, &d->bridge_where, "bridge", "%s isn't a bridge", d->bridge);
		if (f)
			report_help(f, "put %s into one, or use mode: nat", d->bridge);
	} else if (link_is_ours(link)) {
		f = net_error(m, net, &d->bridge_where, "bridge", "%s belongs to another network of sixtap", d->bridge);
		if (f)
			report_help(f, "name a bridge that the host made");
	}
}

/* The name we want may be somebody else's. */
static void check_foreign(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	const struct w_link *link = world_link_by_name(m->world, d->bridge);
	const struct where *where = d->bridge_where.line > 0 ? &d->bridge_where : &d->where;
	char guest[GUEST_NAME_MAX + 1], network[NETWORK_NAME_MAX + 1];
	struct finding *f;

	if (!link || link == net->link || alias_is(link, net->target->name, guest, false))
		return;
	for (size_t i = 0; i < m->n_nets; i++)
		if (m->nets[i].removes && m->nets[i].link == link)
			return;
	if (alias_parse(link->alias, network, guest)) {
		f = net_error(m, net, where, "bridge", "%s belongs to network %s", d->bridge, network);
		if (f)
			report_help(f, "take that network down first, or another name with bridge: NAME");
		return;
	}
	if (str_eq(link->kind, "bridge")) {
		f = net_error(m, net, where, "bridge", "%s is a bridge that somebody else made", d->bridge);
		if (f)
			report_help(f, "take another name with bridge: NAME, or use it as it is with mode: bridge");
		return;
	}
	f = net_error(m, net, where, "bridge", "%s is an interface that somebody else made", d->bridge);
	if (f)
		report_help(f, "take another name with bridge: NAME");
}

/* A bridge of another name, or one that the new mode has no use for, can only go when it is empty. */
static void check_replaced(struct make *m, struct net *net)
{
	size_t n = n_ports(m, net->link);
	struct finding *f;

	net->removes = true;
	if (n == 0)
		return;
	f = net_error(m, net, net->ours ? &net->d->bridge_where : &net->d->mode_where, net->ours ? "bridge" : "mode",
		      "%zu guest%s attached to %s, and this change needs %s", n, n == 1 ? " is" : "s are",
		      net->link->name, net->ours ? "a new bridge" : "it gone");
	if (f)
		report_help(f, "stop %s first, or: sixtap down %s", n == 1 ? "it" : "them", net->target->name);
}

/* Mode macvtap: the host's own macvlan, for host-access. It carries nothing that a new one wouldn't. */
static void find_host_link(struct make *m, struct net *net)
{
	bool wanted = net->d->host_access == HOST_ACCESS_YES;
	const struct w_link *device = net->d->uplink ? world_link_by_name(m->world, net->d->uplink) : NULL;

	if (!net->up)
		return;
	net->creates = wanted && (!net->link || !str_eq(net->link->name, net->d->bridge) || !str_eq(net->link->kind, "macvlan") ||
				  (device && net->link->lower && net->link->lower != device->ifindex));
	if (net->link && (!wanted || net->creates))
		check_replaced(m, net);
	if (wanted)
		check_foreign(m, net);
}

/* Somebody took its alias, or changed it: group, name and MAC together are nobody else's. */
static const struct w_link *find_nameless(const struct make *m, const struct net *net)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	const struct w_link *link = net->d ? world_link_by_name(m->world, net->d->bridge) : NULL;

	if (!link || !str_eq(link->kind, "bridge") || link->group != network_group(net->target->name) ||
	    !mac_eq(&link->mac, &net->d->mac) || alias_parse(link->alias, network, guest))
		return NULL;
	return link;
}

/* Runs for all networks before find_uplink() and find_addresses(), which look at what goes. */
void find_link(struct make *m, struct net *net)
{
	char guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->world->n_links && !net->link; i++)
		if (alias_is(&m->world->links[i], net->target->name, guest, false) &&
		    (str_eq(m->world->links[i].kind, "bridge") || str_eq(m->world->links[i].kind, "macvlan")))
			net->link = &m->world->links[i];
	if (!net->link)
		net->link = find_nameless(m, net);
	switch (net->target->want) {
	case PLAN_WANT_DOWN:
		net->removes = net->link != NULL;
		return;
	case PLAN_WANT_LEAVE:
		if (net->d && net->d->mode == NET_MODE_MACVTAP)
			net->active = true;
		else
			net->active = net->d && (net->d->mode == NET_MODE_BRIDGE ? world_link_by_name(m->world, net->d->bridge)
										 : net->link) != NULL;
		break;
	case PLAN_WANT_UP:
		net->active = net->up = true;
		break;
	}
	if (!net->active)
		return;
	check_macvtap_left(m, net);
	switch (net->d->mode) {
	case NET_MODE_NAT:
	case NET_MODE_ISOLATED:
		net->ours = true;
		(void)str_copy(net->result->device, sizeof(net->result->device), net->d->bridge);
		if (!net->up) {
			(void)str_copy(net->result->device, sizeof(net->result->device), net->link->name);
			return;
		}
		net->creates = !net->link || !str_eq(net->link->name, net->d->bridge);
		if (net->link && net->creates)
			check_replaced(m, net);
		check_foreign(m, net);
		return;
	case NET_MODE_BRIDGE:
		(void)str_copy(net->result->device, sizeof(net->result->device), net->d->bridge);
		if (net->up && net->link)
			check_replaced(m, net);
		if (net->up)
			check_existing(m, net);
		return;
	case NET_MODE_MACVTAP:
		find_host_link(m, net);
		return;
	case NET_MODE_ROUTED:
	case NET_MODE_HOSTDEV:
	case NET_MODE_N_:
		break;
	}
	struct finding *f = net_error(m, net, &net->d->mode_where, "mode", "%s is not built yet",
				      net_mode_name[net->d->mode]);
	if (f)
		report_help(f, "nat, isolated, bridge and macvtap are");
	net->active = net->up = false;
}

/* ---- ops ---- */

void describe_link(const struct w_link *link, const struct world *world, struct op_link *ret)
{
	const struct w_link *master = link->master ? world_link(world, link->master) : NULL;

	*ret = (struct op_link){
		.ifindex = link->ifindex,
		.mtu = link->mtu,
		.mac = link->mac,
		.up = link->flags & IFF_UP,
		.alias = link->alias,
		.group = link->group,
		.addr_gen_mode = link->addr_gen_mode,
		.stp = link->bridge.stp,
		.mcast_snooping = link->bridge.mcast_snooping,
		.forward_delay = link->bridge.forward_delay,
		.hairpin = link->port.hairpin,
		.lower = link->lower,
		.macvlan_mode = link->macvlan_mode,
		.macvlan_queue = link->macvlan_queue,
		.sources = link->sources,
		.n_sources = link->sources ? link->n_sources : 0,
		.allmulti = link->flags & IFF_ALLMULTI,
	};
	(void)str_copy(ret->name, sizeof(ret->name), link->name);
	(void)str_copy(ret->kind, sizeof(ret->kind), link->kind);
	(void)str_copy(ret->master, sizeof(ret->master), master ? master->name : "");
}

#define BRIDGE_MASK                                                                                    \
	((uint32_t)(OP_LINK_MTU | OP_LINK_MAC | OP_LINK_UP | OP_LINK_ALIAS | OP_LINK_GROUP |           \
		    OP_LINK_GENMODE | OP_LINK_BRIDGE))

/* How the bridge should be: no delay before frames flow, and multicast to everybody, so that ND cannot be lost. */
static struct op_link wanted_bridge(struct make *m, const struct net *net)
{
	struct op_link want = {
		.kind = "bridge",
		.mask = BRIDGE_MASK,
		.mtu = net->mtu,
		.mac = net->d->mac,
		.up = true,
		.alias = arena_printf(m->arena, "sixtap:%s", net->target->name),
		.group = network_group(net->target->name),
		.addr_gen_mode = GENMODE_NONE,
	};

	(void)str_copy(want.name, sizeof(want.name), net->d->bridge);
	return want;
}

struct op *link_op(struct make *m, const struct net *net, enum op_kind kind, enum op_action action, const char *name,
		   const char *what, const char *why)
{
	struct op *op = ops_add(m->ops, kind, action);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "link %s", name);
	op->what = what;
	op->why = why;
	return op;
}

/* What differs, and in words. */
static uint32_t bridge_diff(struct make *m, const struct w_link *have, const struct op_link *want, const char **ret_what)
{
	const char *what = "";
	uint32_t mask = 0;

#define DIFFERS(bit, cond, ...)                                                                             \
	do {                                                                                                \
		if (cond) {                                                                                 \
			mask |= (bit);                                                                      \
			what = arena_printf(m->arena, "%s%s%s", what, what[0] ? ", " : "",                  \
					    arena_printf(m->arena, __VA_ARGS__));                           \
		}                                                                                           \
	} while (0)
	DIFFERS(OP_LINK_MTU, have->mtu != want->mtu, "MTU %u → %u", have->mtu, want->mtu);
	DIFFERS(OP_LINK_MAC, !mac_eq(&have->mac, &want->mac), "%s → %s", MAC_STR(&have->mac), MAC_STR(&want->mac));
	DIFFERS(OP_LINK_UP, !(have->flags & IFF_UP), "down → up");
	DIFFERS(OP_LINK_ALIAS, !str_eq(have->alias, want->alias), "alias %s", want->alias);
	DIFFERS(OP_LINK_GROUP, have->group != want->group, "group %u → %u", have->group, want->group);
	DIFFERS(OP_LINK_GENMODE, have->have_inet6 && have->addr_gen_mode != want->addr_gen_mode,
		"addrgenmode %u → none", have->addr_gen_mode);
	DIFFERS(OP_LINK_BRIDGE,
		have->bridge.stp || have->bridge.mcast_snooping || have->bridge.forward_delay != want->forward_delay,
		"%s off",
		have->bridge.mcast_snooping ? "multicast snooping" : "forward delay");
#undef DIFFERS
	*ret_what = what;
	return mask;
}

void emit_link(struct make *m, struct net *net)
{
	struct op_link want;
	const char *what;
	struct op *op;

	if (!net->up || !net->ours)
		return;
	want = wanted_bridge(m, net);
	if (net->creates) {
		what = arena_printf(m->arena, "bridge, %s, MTU %u", MAC_STR(&want.mac), want.mtu);
		op = link_op(m, net, OP_LINK_ADD, OP_ACTION_CREATE, want.name, what, "");
		op->link = want;
		return;
	}
	want.mask = bridge_diff(m, net->link, &want, &what);
	if (want.mask == 0)
		return;
	/* The kernel looks at the delay first, and refuses none while STP is on. */
	if ((want.mask & OP_LINK_BRIDGE) && net->link->bridge.stp) {
		op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want.name, "STP off", "");
		describe_link(net->link, m->world, &op->old_link);
		op->link = op->old_link;
		op->link.mask = OP_LINK_BRIDGE;
		op->link.stp = false;
	}
	op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, want.name, what, "");
	op->link = want;
	op->link.ifindex = net->link->ifindex;
	describe_link(net->link, m->world, &op->old_link);
}

static struct op *port_op(struct make *m, const struct net *net, const struct w_link *port, uint32_t mask,
			  const char *what, const char *why)
{
	struct op *op = link_op(m, net, OP_LINK_SET, OP_ACTION_CHANGE, port->name, what, why);

	describe_link(port, m->world, &op->old_link);
	op->link = op->old_link;
	op->link.mask = mask;
	return op;
}

/* Guests' taps leave by ops of their own, so that undo puts them back. */
void emit_link_down(struct make *m, struct net *net)
{
	struct op *op;

	if (!net->removes)
		return;
	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *port = &m->world->links[i];

		if (port->master != net->link->ifindex)
			continue;
		op = port_op(m, net, port, OP_LINK_MASTER, arena_printf(m->arena, "leaves %s", net->link->name), "");
		op->link.master[0] = '\0';
	}
	if (str_eq(net->link->kind, "macvlan"))
		emit_ways_down(m, net);
	emit_addresses_down(m, net);
	bool macvlan = str_eq(net->link->kind, "macvlan");
	op = link_op(m, net, OP_LINK_DEL, OP_ACTION_REMOVE, net->link->name, macvlan ? "macvlan" : "bridge", "");
	describe_link(net->link, m->world, &op->old_link);
	op->old_link.mask = BRIDGE_MASK | (macvlan ? OP_LINK_MACVLAN : 0);
	op->link = op->old_link;
}

/* Ports of ours: in the bridge, up, and of its MTU. */
void emit_ports(struct make *m, struct net *net)
{
	char guest[GUEST_NAME_MAX + 1];

	if (!net->up)
		return;
	const struct w_link *bridge = net->ours ? net->link : world_link_by_name(m->world, net->result->device);
	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *port = &m->world->links[i];
		uint32_t mask = 0;
		const char *what = "";

		if (!alias_is(port, net->target->name, guest, true) || !str_eq(port->kind, "tun"))
			continue;
		if (port->master == 0 || net->creates) {
			mask |= OP_LINK_MASTER;
			what = arena_printf(m->arena, "joins %s", net->result->device);
		}
		if (!(port->flags & IFF_UP)) {
			mask |= OP_LINK_UP;
			what = arena_printf(m->arena, "%s%sdown → up", what, what[0] ? ", " : "");
		}
		if (net->ours && port->mtu != net->mtu) {
			mask |= OP_LINK_MTU;
			what = arena_printf(m->arena, "%s%sMTU %u → %u", what, what[0] ? ", " : "", port->mtu, net->mtu);
		}
		if (mask == 0 || (!net->creates && port->master != 0 && (!bridge || port->master != bridge->ifindex)))
			continue;
		struct op *op = port_op(m, net, port, mask, what, arena_printf(m->arena, "port of guest %s", guest));
		op->link.up = true;
		op->link.mtu = net->ours ? net->mtu : port->mtu;
		(void)str_copy(op->link.master, sizeof(op->link.master), net->result->device);
	}
}

bool plan_port_hairpin(const struct plan_result *result, const char *guest)
{
	if (!result->hairpin || !guest || !guest[0])
		return result->hairpin;
	for (size_t i = 0; i < result->n_forwards; i++)
		if (result->forwards[i].active && str_eq(result->forwards[i].guest->name, guest))
			return true;
	return false;
}

/*
 * Switched on after the rules know the port, and off before they forget it.
 * Hairpin mode that nothing of ours needs is taken away, whoever set it: a
 * guest that gets its own DAD probes back has no IPv6.
 */
void emit_hairpin(struct make *m, struct net *net, bool on)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (!net->up || !net->ours || !net->link || net->removes)
		return;
	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *port = &m->world->links[i];

		if (port->master != net->link->ifindex)
			continue;
		if (!alias_parse(port->alias, network, guest))
			guest[0] = '\0';
		bool want = plan_port_hairpin(net->result, guest);
		if (want != on || port->port.hairpin == want)
			continue;
		struct op *op = port_op(m, net, port, OP_LINK_HAIRPIN, want ? "hairpin on" : "hairpin off",
					want ? "a guest reaches itself through its own forward"
					     : "no forward needs it, and guests would hear their own DAD");
		op->link.hairpin = want;
	}
}
