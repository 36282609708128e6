/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fix_link - mend a link: the op, and the command that does the same
 */
#include "diag/fix_link.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>

#define GEN_MODE_NONE 1		/* IN6_ADDR_GEN_MODE_NONE */

static struct op *link_op(struct diag_fix *fix, const struct snap_link *link, uint32_t mask)
{
	struct op *op = fix_op(fix, OP_LINK_SET, OP_ACTION_CHANGE);
	struct op_link now = { .mask = mask, .ifindex = link->ifindex };

	(void)str_copy(now.name, sizeof(now.name), link->name);
	(void)str_copy(now.kind, sizeof(now.kind), link->kind);
	now.mtu = link->mtu;
	now.mac = link->mac;
	now.up = link->flags & IFF_UP;
	now.addr_gen_mode = (uint8_t)link->conf6.addr_gen_mode;
	now.stp = link->bridge.stp;
	now.mcast_snooping = link->bridge.mcast_snooping;
	now.forward_delay = link->bridge.forward_delay;
	now.port = fix_link_port_now(link);
	now.macvlan_mode = link->macvlan.mode;
	now.macvlan_queue = link->macvlan.bc_queue_len;
	if (link->macvlan.n_sources > 0) {	/* findings outlive the snapshot */
		struct mac *sources = arena_alloc(fix->ops->arena, link->macvlan.n_sources, sizeof(*sources));

		memcpy(sources, link->macvlan.sources, link->macvlan.n_sources * sizeof(*sources));
		now.sources = sources;
		now.n_sources = link->macvlan.n_sources;
	}
	now.allmulti = link->flags & IFF_ALLMULTI;
	op->link = now;
	op->old_link = now;
	op->object = arena_printf(fix->ops->arena, "link %s", link->name);
	return op;
}

void fix_link_up(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link)
{
	struct op *op = link_op(fix, link, OP_LINK_UP);

	op->link.up = true;
	op->what = "up";
	fix_command(f, fix, "ip link set %s up", link->name);
}

void fix_link_mac(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link, const struct mac *mac)
{
	struct op *op = link_op(fix, link, OP_LINK_MAC);

	op->link.mac = *mac;
	op->what = arena_printf(fix->ops->arena, "address %s", MAC_STR(mac));
	fix_command(f, fix, "ip link set %s address %s", link->name, MAC_STR(mac));
}

void fix_link_mtu(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link, uint32_t mtu)
{
	struct op *op = link_op(fix, link, OP_LINK_MTU);

	op->link.mtu = mtu;
	op->what = arena_printf(fix->ops->arena, "MTU %u → %u", link->mtu, mtu);
	fix_command(f, fix, "ip link set %s mtu %u", link->name, mtu);
}

void fix_link_no_addresses(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link)
{
	struct op *op = link_op(fix, link, OP_LINK_GENMODE);

	op->link.addr_gen_mode = GEN_MODE_NONE;
	op->what = "addrgenmode none";
	fix_command(f, fix, "ip link set %s addrgenmode none", link->name);
}

void fix_link_bridge_mode(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *macvtap)
{
	struct op *op = link_op(fix, macvtap, OP_LINK_MACVLAN);

	op->link.macvlan_mode = MACVLAN_MODE_BRIDGE;
	op->what = "mode bridge";
	fix_command(f, fix, "ip link set %s type macvtap mode bridge", macvtap->name);
}

void fix_link_queue(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *macvtap, uint32_t frames)
{
	struct op *op = link_op(fix, macvtap, OP_LINK_MACVLAN);

	op->link.macvlan_queue = frames;
	op->what = arena_printf(fix->ops->arena, "broadcast queue of %u frames", frames);
	fix_command(f, fix, "ip link set %s type macvtap bcqueuelen %u", macvtap->name, frames);
}

void fix_link_allmulti(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link)
{
	struct op *op = link_op(fix, link, OP_LINK_ALLMULTI);

	op->link.allmulti = true;
	op->what = "allmulticast on";
	fix_command(f, fix, "ip link set %s allmulticast on", link->name);
}

void fix_link_stp_off(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *bridge)
{
	struct op *op = link_op(fix, bridge, OP_LINK_BRIDGE);

	op->link.stp = false;
	op->what = "stp off";
	fix_command(f, fix, "ip link set %s type bridge stp_state 0", bridge->name);
}

void fix_link_snooping_off(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *bridge)
{
	struct op *op = link_op(fix, bridge, OP_LINK_BRIDGE);

	op->link.mcast_snooping = false;
	op->what = "mcast_snooping off";
	fix_command(f, fix, "ip link set %s type bridge mcast_snooping 0", bridge->name);
}

struct op_port fix_link_port_now(const struct snap_link *port)
{
	return (struct op_port){
		.flood = port->port.flood,
		.mcast_flood = port->port.mcast_flood,
		.bcast_flood = port->port.bcast_flood,
		.isolated = port->port.isolated,
		.mcast_router = port->port.mcast_router,
	};
}

void fix_link_port(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *port, const struct op_port *want,
		   const char *words)
{
	struct op *op = link_op(fix, port, OP_LINK_PORT);

	op->link.port = *want;
	op->what = arena_strdup(fix->ops->arena, words);
	fix_command(f, fix, "bridge link set dev %s %s", port->name, words);
}

void fix_link_pvid(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *port, uint16_t vid)
{
	struct op *op = link_op(fix, port, OP_LINK_PVID);

	op->link.pvid = op->old_link.pvid = vid;
	op->link.has_pvid = true;
	op->what = arena_printf(fix->ops->arena, "VLAN %u, untagged", vid);
	fix_command(f, fix, "bridge vlan add dev %s vid %u pvid untagged", port->name, vid);
}

static struct op *addr_op(struct diag_fix *fix, enum op_kind kind, enum op_action action, const char *device,
			  const struct snap_addr *addr)
{
	struct op *op = fix_op(fix, kind, action);

	(void)str_copy(op->addr.device, sizeof(op->addr.device), device);
	op->addr.prefix = addr->prefix;
	op->addr.flags = addr->flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_MANAGETEMPADDR);
	op->addr.scope = addr->scope;
	op->addr.deprecated = addr->preferred_s == 0;
	op->object = arena_printf(fix->ops->arena, "address %s  %s", device, PREFIX_STR(&addr->prefix));
	return op;
}

void fix_addr_del(struct diag_finding *f, struct diag_fix *fix, const struct snapshot *s, const struct snap_addr *addr)
{
	const char *device = snap_link_name(s, addr->ifindex);

	(void)addr_op(fix, OP_ADDR_DEL, OP_ACTION_REMOVE, device, addr);
	fix_command(f, fix, "ip addr del %s dev %s", PREFIX_STR(&addr->prefix), device);
}

void fix_addr_add(struct diag_finding *f, struct diag_fix *fix, const char *device, const struct snap_addr *addr)
{
	(void)addr_op(fix, OP_ADDR_ADD, OP_ACTION_CREATE, device, addr);
	fix_command(f, fix, "ip addr add %s dev %s", PREFIX_STR(&addr->prefix), device);
}
