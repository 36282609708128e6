/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene - who depends on what: guests' ports, networks, uplinks
 */
#include "diag/scene.h"

#include <ctype.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "diag/role.h"
#include "model/world.h"

#define MAIN_TABLE 254

const struct snap_addr *scene_host_addr(const struct snapshot *s, uint32_t ifindex, uint8_t family)
{
	const struct snap_addr *best = NULL;
	size_t n;
	const struct snap_addr *list = snap_addrs(s, ifindex, &n);

	for (size_t i = 0; i < n; i++) {
		const struct ip *ip = &list[i].prefix.ip;

		if (ip->family != family || ip_is_link_local(ip) || (list[i].flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
			continue;
		if (!best || (best->flags & IFA_F_TEMPORARY))
			best = &list[i];
	}
	return best;
}

static const struct snap_route *default_route(const struct snapshot *s, uint8_t family)
{
	struct ip any = { .family = family };
	const struct snap_route *r = role_default_by_rule(s, family);

	if (!r)
		r = snap_route_lookup(s, MAIN_TABLE, &any);
	return r && r->dst.len == 0 && r->type == RTN_UNICAST ? r : NULL;
}

const struct snap_link *scene_uplink(const struct snapshot *s, uint8_t family)
{
	const struct snap_route *r = default_route(s, family);

	return r ? snap_link(s, r->oif) : NULL;
}

static bool leads_behind(const struct snapshot *s, const struct snap_link *port, uint8_t family)
{
	const struct snap_route *r = default_route(s, family);
	const struct snap_neigh *n = r && r->oif == port->master ? snap_neigh(s, r->oif, &r->gateway) : NULL;

	return n && !mac_is_zero(&n->mac) && scene_port_of_mac(s, port->master, &n->mac) == port->ifindex;
}

/* Of hardware, and of what is made of hardware, nobody but the LAN is at the other end. */
static bool is_hardware(const struct snap_link *link)
{
	return link->kind[0] == '\0' || str_eq(link->kind, "bond") || str_eq(link->kind, "team") || str_eq(link->kind, "vlan");
}

bool scene_is_uplink(const struct snapshot *s, const struct snap_link *link)
{
	for (int i = 0; i < 2; i++) {
		uint8_t family = i == 0 ? AF_INET : AF_INET6;

		if (scene_uplink(s, family) == link)
			return true;
		if (scene_is_port(link) && (is_hardware(link) || leads_behind(s, link, family)))
			return true;
	}
	return false;
}

bool scene_is_guest_link(const struct snapshot *s, const struct snap_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (str_eq(link->kind, "macvtap") || (str_eq(link->kind, "tun") && link->tun.tap))
		return true;
	if ((alias_parse(link->alias, network, guest) && guest[0]) || snap_nic_of_link(s, link->ifindex))
		return true;
	return scene_is_port(link) && str_eq(link->kind, "veth") && link->lower_elsewhere && !scene_is_uplink(s, link);
}

const char *scene_guest(const struct snapshot *s, const struct snap_link *link)
{
	const struct snap_nic *nic = snap_nic_of_link(s, link->ifindex);

	if (nic)
		return nic->guest;
	return strncmp(link->alias, "sixtap:", 7) == 0 && strchr(link->alias, '/') ? link->alias + 7 : NULL;
}

const char *scene_guest_or(const struct snapshot *s, struct arena *arena, const struct snap_link *link)
{
	const char *name = scene_guest(s, link);

	return name ? name : arena_printf(arena, "the guest on %s", link->name);
}

/* ---- who is behind a port ---- */

static bool mac_less(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) < 0;
}

uint32_t scene_port_of_mac(const struct snapshot *s, uint32_t bridge, const struct mac *mac)
{
	size_t n, low = 0;
	const struct snap_fdb *list = snap_fdb(s, bridge, &n);

	for (size_t high = n; low < high;) {	/* sorted by MAC */
		size_t mid = low + (high - low) / 2;

		if (mac_less(&list[mid].mac, mac))
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && mac_eq(&list[low].mac, mac); low++)
		if (list[low].port != bridge && !(list[low].state & NUD_PERMANENT))
			return list[low].port;
	return 0;
}

struct list {
	struct arena *arena;
	struct scene_addr *addrs;
	size_t n, cap;
};

static void add(struct list *l, uint32_t port, const struct ip *ip, const struct mac *mac, const char *guest,
		const char *source)
{
	if (port == 0 || ip_is_multicast(ip) || ip_is_unspecified(ip))
		return;
	ARENA_GROW(l->arena, l->addrs, l->n, l->cap);
	l->addrs[l->n++] = (struct scene_addr){ .port = port, .ip = *ip, .mac = *mac, .guest = guest, .source = source };
}

static int by_port(const void *a, const void *b)
{
	const struct scene_addr *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return ip_cmp(&x->ip, &y->ip);
}

/* One entry an address: the first of each, and a guest's name from whichever has it. */
static void finish(struct list *l)
{
	size_t n = 0;

	if (l->n > 0)
		qsort(l->addrs, l->n, sizeof(*l->addrs), by_port);
	for (size_t i = 0; i < l->n; i++) {
		if (n > 0 && by_port(&l->addrs[n - 1], &l->addrs[i]) == 0) {
			if (!l->addrs[n - 1].guest)
				l->addrs[n - 1].guest = l->addrs[i].guest;
			continue;
		}
		l->addrs[n++] = l->addrs[i];
	}
	l->n = n;
}

static bool is_port_of(const struct snapshot *s, uint32_t ifindex, uint32_t bridge)
{
	const struct snap_link *link = ifindex ? snap_link(s, ifindex) : NULL;

	return link && link->master == bridge;
}

/* The port of a guest's NIC with this MAC, by the guest's definition. */
static uint32_t port_of_guest(const struct snapshot *s, const struct snap_guest_addr *a, uint32_t bridge)
{
	size_t n;
	const struct snap_nic *nics = snap_nics(s, a->guest, &n);

	for (size_t i = 0; i < n; i++)
		if (nics[i].live && is_port_of(s, nics[i].ifindex, bridge) && (n == 1 || mac_eq(&nics[i].mac, &a->mac)))
			return nics[i].ifindex;
	return 0;
}

const struct scene_addr *scene_behind_bridge(const struct snapshot *s, struct arena *arena, uint32_t bridge, size_t *ret_n)
{
	struct list l = { .arena = arena };
	size_t n;
	const struct snap_neigh *neighs = snap_neighs(s, bridge, &n);

	for (size_t i = 0; i < s->n_guest_addrs; i++) {
		const struct snap_guest_addr *a = &s->guest_addrs[i];
		uint32_t port = is_port_of(s, a->ifindex, bridge) ? a->ifindex : 0;

		if (port == 0 && !mac_is_zero(&a->mac))
			port = scene_port_of_mac(s, bridge, &a->mac);
		if (port == 0)
			port = port_of_guest(s, a, bridge);
		add(&l, port, &a->ip, &a->mac, a->guest, a->source);
	}
	for (size_t i = 0; i < n; i++)
		if (!mac_is_zero(&neighs[i].mac))
			add(&l, scene_port_of_mac(s, bridge, &neighs[i].mac), &neighs[i].ip, &neighs[i].mac, NULL, "neighbour");
	finish(&l);
	*ret_n = l.n;
	return l.addrs;
}

const struct scene_addr *scene_behind_link(const struct snapshot *s, struct arena *arena, const struct snap_link *link,
					   size_t *ret_n)
{
	const char *guest = scene_guest(s, link);
	struct list l = { .arena = arena };

	for (size_t i = 0; i < s->n_guest_addrs; i++) {
		const struct snap_guest_addr *a = &s->guest_addrs[i];

		if (a->ifindex == link->ifindex || mac_eq(&a->mac, &link->mac) ||
		    (a->ifindex == 0 && mac_is_zero(&a->mac) && guest && str_eq(a->guest, guest)))
			add(&l, link->ifindex, &a->ip, &link->mac, a->guest, a->source);
	}
	for (size_t i = 0; i < s->n_neighs; i++) {
		const struct snap_neigh *n = &s->neighs[i];

		if (mac_eq(&n->mac, &link->mac) && !(n->state & NUD_NOARP))
			add(&l, link->ifindex, &n->ip, &n->mac, guest, "neighbour");
	}
	finish(&l);
	*ret_n = l.n;
	return l.addrs;
}

/* ---- networks ---- */

/* Whoever made these looks after their rules, and keeps some of them apart on purpose. */
bool scene_is_containers(const struct snap_link *bridge)
{
	const char *n = bridge->name;

	if (strncmp(n, "br-", 3) == 0 && strspn(n + 3, "0123456789abcdef") == 12 && n[15] == '\0')
		return true;
	return strncmp(n, "docker", 6) == 0 || strncmp(n, "podman", 6) == 0 || strncmp(n, "cni", 3) == 0;
}

static const struct snap_libvirt_net *libvirt_of(const struct snapshot *s, const struct snap_link *bridge)
{
	for (size_t i = 0; i < s->n_libvirt_nets; i++)
		if (s->libvirt_nets[i].active && str_eq(s->libvirt_nets[i].bridge, bridge->name))
			return &s->libvirt_nets[i];
	return NULL;
}

static const struct snap_network *ours_of(const struct snapshot *s, const struct snap_link *bridge)
{
	for (size_t i = 0; i < s->n_networks; i++)
		if (s->networks[i].ifindex == bridge->ifindex && !str_eq(s->networks[i].state, "down"))
			return &s->networks[i];
	return NULL;
}

static struct prefix host_prefix(const struct snapshot *s, uint32_t ifindex, uint8_t family)
{
	const struct snap_addr *a = scene_host_addr(s, ifindex, family);

	return a ? a->prefix : (struct prefix){ 0 };
}

/* Ports of each bridge, counted once: of guests, and others. */
struct count {
	uint32_t bridge;
	bool guests, uplink;
};

static struct count *count_ports(const struct snapshot *s, struct arena *arena, size_t *ret_n)
{
	struct count *list = arena_alloc(arena, s->n_links + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < s->n_links; i++)
		if (str_eq(s->links[i].kind, "bridge"))
			list[n++].bridge = s->links[i].ifindex;
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];

		for (size_t k = 0; scene_is_port(l) && k < n; k++) {
			if (list[k].bridge != l->master)
				continue;
			if (scene_is_uplink(s, l))
				list[k].uplink = true;
			else if (scene_is_guest_link(s, l))
				list[k].guests = true;
		}
	}
	*ret_n = n;
	return list;
}

static bool is_meant_outside(const struct scene_net *n)
{
	if (n->ours)
		return str_eq(n->ours->mode, "nat") || str_eq(n->ours->mode, "routed");
	if (n->libvirt)
		return str_eq(n->libvirt->mode, "nat") || str_eq(n->libvirt->mode, "route") || str_eq(n->libvirt->mode, "open");
	return true;
}

const struct scene_net *scene_nets(const struct snapshot *s, struct arena *arena, size_t *ret_n)
{
	size_t n_counts, n = 0;
	const struct count *counts = count_ports(s, arena, &n_counts);
	struct scene_net *list = arena_alloc(arena, n_counts + 1, sizeof(*list));

	for (size_t i = 0; i < n_counts; i++) {
		const struct snap_link *bridge = snap_link(s, counts[i].bridge);
		struct scene_net net = { .bridge = bridge, .ours = ours_of(s, bridge), .libvirt = libvirt_of(s, bridge) };

		net.v4 = host_prefix(s, bridge->ifindex, AF_INET);
		net.v6 = host_prefix(s, bridge->ifindex, AF_INET6);
		if (counts[i].uplink || scene_is_containers(bridge) || !(bridge->flags & IFF_UP))
			continue;
		if ((!net.v4.ip.family && !net.v6.ip.family) || (!counts[i].guests && !net.ours && !net.libvirt))
			continue;
		net.name = net.ours ? net.ours->name : net.libvirt ? arena_printf(arena, "libvirt:%s", net.libvirt->name) : bridge->name;
		net.up4 = scene_uplink(s, AF_INET);
		net.up6 = scene_uplink(s, AF_INET6);
		net.outside = is_meant_outside(&net) && net.up4 != bridge && net.up6 != bridge;
		list[n++] = net;
	}
	*ret_n = n;
	return list;
}
