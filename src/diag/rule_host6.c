/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_host6 - is IPv6 there at all on what needs it, and does it stay?
 *
 * Whoever takes it away (disable_ipv6, an MTU that is too small, a link that
 * went down) takes settings, addresses and routes along. What comes of router
 * advertisements is rule_host.c's.
 */
#include "diag/rule_host.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "diag/role.h"
#include "diag/rule.h"

#define GEN_MODE_NONE 1
#define MTU_IPV6 1280
#define MTU_USUAL 1500

/* -------------------------------------------------------------- ipv6.disabled */

static bool libvirt_wants_ipv6(const struct snapshot *snap, const char *bridge)
{
	for (size_t i = 0; i < snap->n_libvirt_nets; i++)
		if (snap->libvirt_nets[i].active && str_eq(snap->libvirt_nets[i].bridge, bridge) &&
		    strstr(snap->libvirt_nets[i].live_xml, "family='ipv6'"))
			return true;
	return false;
}

/* The network with IPv6 that needs this interface, or NULL. */
static const struct snap_network *needed_by(const struct snapshot *snap, uint32_t ifindex, bool *as_uplink)
{
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];

		if (!n->ipv6.ip.family || str_eq(n->state, "down"))
			continue;
		*as_uplink = n->ifindex != ifindex;
		if (n->ifindex == ifindex || (n->uplink_ifindex == ifindex && !str_eq(n->mode, "isolated")))
			return n;
	}
	return NULL;
}

void host_judge_disabled(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		bool as_uplink = false;
		const struct snap_network *net = needed_by(snap, l->ifindex, &as_uplink);
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!l->conf6.present || l->conf6.disable_ipv6 == 0 || host_is_port(l) || str_eq(l->kind, "macvtap") ||
		    (!net && !libvirt_wants_ipv6(snap, l->name)))
			continue;
		f = findings_add(found, l->name);
		finding_network(f, net ? net->name : NULL);
		finding_what(f, "IPv6 is off on %s, which network %s %s.", l->name, net ? net->name : l->name,
			     as_uplink ? "needs as its uplink" : "is made of");
		finding_why(f, "disable_ipv6=1 takes every IPv6 address away and ignores all packets.");
		finding_value(f, "disable_ipv6", "%d", l->conf6.disable_ipv6);
		if (snap->conf6_all.disable_ipv6)
			finding_value(f, "all", "%d (copied to every interface when it was set)",
				      snap->conf6_all.disable_ipv6);
		host_set_by(snap, f, CONF6_PATH(l->name, "disable_ipv6"));
		fix = finding_fix(f, "enable", FIX_LASTS_LIVE);
		fix_sysctl(f, fix, CONF6_PATH(l->name, "disable_ipv6"), "1", "0");
		if (net && !as_uplink && !str_eq(net->state, ""))
			fix_run(f, fix, (const char *const[]){ "up", net->name, NULL });
		fix_note(f, fix, "static addresses that it had must be added again");
	}
}

/* --------------------------------------------------------- ipv6.no-link-local */

void host_judge_no_link_local(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!host_may_need_ra(found, l) || l->conf6.addr_gen_mode != GEN_MODE_NONE ||
		    (!host_processed(&l->conf6) && !role_ra_heard(snap, l, NULL)) || !role_kernel_ra(snap, l->ifindex) ||
		    host_any_address(snap, l->ifindex, RT_SCOPE_LINK) ||
		    !role_is(found->roles, l->ifindex, ROLE_UPLINK | ROLE_HEARD))
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "%s has no link-local address, so it asks no router for an address or a route.",
			     l->name);
		finding_why(f, "addr_gen_mode=1 (none) makes no link-local address, and without one the kernel sends "
			       "no router "
			       "solicitation; an RA comes when the router likes.");
		finding_value(f, "addr_gen_mode", "%d", l->conf6.addr_gen_mode);
		host_set_by(snap, f, CONF6_PATH(l->name, "addr_gen_mode"));
		finding_seen_in(f, "ip -6 addr show dev %s scope link", l->name);
		fix = finding_fix(f, "link-local", FIX_LASTS_LIVE);
		fix_sysctl(f, fix, CONF6_PATH(l->name, "addr_gen_mode"), "1", "0");
	}
}

/* -------------------------------------------------------- ipv6.mtu-below-1280 */

/* The least MTU among a bridge's ports: the bridge can't have more. */
static uint32_t least_port_mtu(const struct snapshot *snap, uint32_t bridge)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < snap->n_links; i++)
		if (snap->links[i].master == bridge && snap->links[i].mtu < least)
			least = snap->links[i].mtu;
	return least;
}

void host_judge_mtu(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		uint32_t role = role_of(found->roles, l->ifindex)->bits;
		struct diag_finding *f;
		struct diag_fix *fix;
		struct op *op;
		uint32_t mtu = MTU_USUAL;

		/* Of an interface that isn't a tunnel nothing else may be left to tell who depended on it. */
		if (l->mtu >= MTU_IPV6 || l->conf6.present || host_is_port(l) || (l->flags & IFF_LOOPBACK) ||
		    !(l->flags & IFF_UP) ||
		    (!(role & (ROLE_UPLINK | ROLE_NETWORK | ROLE_GUEST_BRIDGE | ROLE_GUEST | ROLE_LOWER)) &&
		     l->kind[0] && !str_eq(l->kind, "veth")))
			continue;
		if (str_eq(l->kind, "macvtap"))
			continue; /* the host's side of it needs none */
		if (l->max_mtu && l->max_mtu < mtu)
			mtu = l->max_mtu;
		if (str_eq(l->kind, "bridge") && least_port_mtu(snap, l->ifindex) < mtu)
			mtu = least_port_mtu(snap, l->ifindex);
		f = findings_add(found, l->name);
		finding_guest(f, role_of(found->roles, l->ifindex)->guest);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "IPv6 is gone from %s: its MTU is %u.", l->name, l->mtu);
		finding_why(f, "IPv6 needs 1280; below that the kernel removes it from the interface, and brings it "
			       "back with default "
			       "settings.");
		finding_value(f, "mtu", "%u", l->mtu);
		if (str_eq(l->kind, "bridge"))
			finding_value(f, "least_mtu_of_its_ports", "%u", least_port_mtu(snap, l->ifindex));
		finding_seen_in(f, "ip link show %s; /proc/sys/net/ipv6/conf/%s isn't there", l->name, l->name);
		if (mtu < MTU_IPV6)
			continue; /* its ports, or its hardware, come first */
		fix = finding_fix(f, "mtu", FIX_LASTS_LIVE);
		op = fix_op(fix, OP_LINK_SET, OP_ACTION_CHANGE);
		op->object = arena_printf(fix->ops->arena, "link %s", l->name);
		op->what = arena_printf(fix->ops->arena, "MTU %u → %u", l->mtu, mtu);
		op->link = (struct op_link){ .ifindex = l->ifindex, .mask = OP_LINK_MTU, .mtu = mtu };
		(void)str_copy(op->link.name, sizeof(op->link.name), l->name);
		op->old_link = op->link;
		op->old_link.mtu = l->mtu;
		fix_command(f, fix, "ip link set %s mtu %u", l->name, mtu);
		/* As for a new interface: `default` decides; with forwarding on, an uplink would ignore RAs now. */
		if ((role & ROLE_UPLINK) && !(role & ROLE_GUEST_ONLY) && snap->conf6_all.forwarding &&
		    role_kernel_ra(snap, l->ifindex))
			fix_sysctl(f, fix, CONF6_PATH(l->name, "accept_ra"), "1", "2");
		fix_note(f, fix, "settings and static IPv6 addresses that it had must be set again");
	}
}

/* --------------------------------------------------------- ipv6.lost-on-flap */

/* 'address' and 'prefix' of <ip family='ipv6' …> in a libvirt network's XML, as libvirt writes it. */
static bool libvirt_address6(const char *xml, struct prefix *ret)
{
	for (const char *ip = strstr(xml, "<ip "); ip; ip = strstr(ip + 1, "<ip ")) {
		const char *end = strchr(ip, '>'), *a = strstr(ip, "address='"), *p = strstr(ip, "prefix='"),
			   *six = strstr(ip, "family='ipv6'");
		char text[64];

		if (!end || !six || six > end || !a || a > end || !p || p > end)
			continue;
		(void)snprintf(text, sizeof(text), "%.*s/%.*s", (int)strcspn(a + 9, "'"), a + 9,
			       (int)strcspn(p + 8, "'"), p + 8);
		if (prefix_parse(text, ret) && ret->ip.family == AF_INET6)
			return true;
	}
	return false;
}

static void lost(struct findings *found, const struct snap_link *l, const struct prefix *prefix, const char *network,
		 bool ours)
{
	struct diag_finding *f = findings_add(found, l->name);
	struct diag_fix *fix = finding_fix(f, ours ? "up" : "add", FIX_LASTS_LIVE);

	if (ours)
		finding_network(f, network);
	finding_what(f, "%s has lost %s, which network %s is configured with; its IPv4 address is there.", l->name,
		     PREFIX_STR(prefix), network);
	finding_why(f, "When a link goes down the kernel keeps IPv4 addresses and removes IPv6 ones, with routes and "
		       "proxy entries, "
		       "unless keep_addr_on_down=1.");
	finding_value(f, "missing", "%s", PREFIX_STR(prefix));
	finding_value(f, "keep_addr_on_down", "%d", l->conf6.keep_addr_on_down);
	finding_value(f, "carrier_changes", "%u", l->carrier_changes);
	finding_seen_in(f, "ip addr show dev %s", l->name);
	if (ours) {
		fix_run(f, fix, (const char *const[]){ "up", network, NULL });
	} else {
		struct op *op = fix_op(fix, OP_ADDR_ADD, OP_ACTION_CREATE);

		op->object = arena_printf(fix->ops->arena, "address %s", l->name);
		op->what = arena_strdup(fix->ops->arena, PREFIX_STR(prefix));
		op->addr = (struct op_addr){ .prefix = *prefix, .scope = RT_SCOPE_UNIVERSE };
		(void)str_copy(op->addr.device, sizeof(op->addr.device), l->name);
		fix_command(f, fix, "ip -6 addr add %s dev %s", PREFIX_STR(prefix), l->name);
	}
	if (l->conf6.keep_addr_on_down == 0)
		fix_sysctl(f, fix, CONF6_PATH(l->name, "keep_addr_on_down"), "0", "1");
}

static bool has_ipv4(const struct snapshot *snap, uint32_t ifindex)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET)
			return true;
	return false;
}

void host_judge_lost_on_flap(const struct snapshot *snap, struct findings *found)
{
	const char *why = snap_unread(snap, SNAP_PART_LIBVIRT);

	if (why)
		findings_unchecked(found, true, "libvirt's networks: %s", why);
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];
		const struct snap_link *l = n->ifindex ? snap_link(snap, n->ifindex) : NULL;

		if (l && n->ipv6.ip.family && !n->adopted && !str_eq(n->state, "down") && (l->flags & IFF_UP) &&
		    l->conf6.present && !l->conf6.disable_ipv6 && !snap_addr(snap, l->ifindex, &n->ipv6.ip) &&
		    (!n->ipv4.ip.family || snap_addr(snap, l->ifindex, &n->ipv4.ip)))
			lost(found, l, &n->ipv6, n->name, true);
	}
	for (size_t i = 0; i < snap->n_libvirt_nets; i++) {
		const struct snap_libvirt_net *n = &snap->libvirt_nets[i];
		const struct snap_link *l = n->active ? snap_link_by_name(snap, n->bridge) : NULL;
		struct prefix prefix;

		if (l && libvirt_address6(n->live_xml, &prefix) && (l->flags & IFF_UP) && l->conf6.present &&
		    !l->conf6.disable_ipv6 && !snap_addr(snap, l->ifindex, &prefix.ip) && has_ipv4(snap, l->ifindex))
			lost(found, l, &prefix, n->name, false);
	}
}
