/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake - a kernel in memory, for tests
 *
 * Everything lives in one arena and is never given back: a test is short. The
 * nftables text isn't parsed: the op carries the table that it makes.
 */
#include "kern/fake.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include "kern/exec.h"

struct fake_kern {
	struct world *w;
	size_t cap_links, cap_addrs, cap_routes, cap_neighs, cap_sysctls, cap_found;
	uint32_t next_ifindex;
	uint64_t next_handle;
};

/* Take element @i out of an array. */
#define REMOVE(arr, n, i)                                                                       \
	do {                                                                                    \
		memmove(&(arr)[i], &(arr)[(i) + 1], ((n) - (i)-1) * sizeof(*(arr)));            \
		(n)--;                                                                          \
	} while (0)

struct fake_kern *fake_kern_new(void)
{
	struct fake_kern *f = NEW(struct fake_kern);
	static const char *const zero[] = {
		"net/ipv4/ip_forward",		 "net/ipv4/conf/all/forwarding",     "net/ipv4/conf/default/forwarding",
		"net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding",
	};

	f->w = world_new();
	f->w->inet.family = NFPROTO_INET;
	f->w->bridge.family = NFPROTO_BRIDGE;
	f->w->netdev.family = NFPROTO_NETDEV;
	f->next_handle = 1000000;
	for (size_t i = 0; i < ARRAY_LEN(zero); i++)
		fake_kern_sysctl(f, zero[i], "0");
	fake_kern_link(f, &(struct w_link){
				  .name = "lo", .mtu = 65536, .flags = IFF_UP | IFF_LOOPBACK, .have_inet = true, .have_inet6 = true });
	return f;
}

struct fake_kern *fake_kern_free(struct fake_kern *fake)
{
	if (!fake)
		return NULL;
	world_free(fake->w);
	free(fake);
	return NULL;
}

static struct w_link *link_by_name(struct fake_kern *f, const char *name)
{
	for (size_t i = 0; i < f->w->n_links; i++)
		if (strcmp(f->w->links[i].name, name) == 0)
			return &f->w->links[i];
	return NULL;
}

static struct w_sysctl *sysctl(struct fake_kern *f, const char *path)
{
	for (size_t i = 0; i < f->w->n_sysctls; i++)
		if (strcmp(f->w->sysctls[i].path, path) == 0)
			return &f->w->sysctls[i];
	return NULL;
}

static const char *value_of(struct fake_kern *f, const char *path)
{
	const struct w_sysctl *s = sysctl(f, path);

	return s ? s->value : "0";
}

void fake_kern_sysctl(struct fake_kern *f, const char *path, const char *value)
{
	struct w_sysctl *s = sysctl(f, path);

	if (s) {
		s->value = arena_strdup(f->w->arena, value);
		return;
	}
	ARENA_GROW(f->w->arena, f->w->sysctls, f->w->n_sysctls, f->cap_sysctls);
	f->w->sysctls[f->w->n_sysctls++] = (struct w_sysctl){
		.path = arena_strdup(f->w->arena, path),
		.value = arena_strdup(f->w->arena, value),
	};
}

/* Settings that each interface has: before and after its name. */
static const char *const per_link[][2] = {
	{ "net/ipv4/conf/", "/forwarding" },
	{ "net/ipv6/conf/", "/forwarding" },
	{ "net/ipv6/conf/", "/accept_ra" },
	{ "net/ipv6/conf/", "/disable_ipv6" },
	{ "net/ipv6/conf/", "/autoconf" },
	{ "net/ipv4/conf/", "/rp_filter" },
	{ "net/ipv4/conf/", "/arp_ignore" },
	{ "net/ipv4/neigh/", "/mcast_solicit" },
	{ "net/ipv6/neigh/", "/mcast_solicit" },
};

static const char *conf_path(struct fake_kern *f, size_t i, const char *name)
{
	return arena_printf(f->w->arena, "%s%s%s", per_link[i][0], name, per_link[i][1]);
}

uint32_t fake_kern_link(struct fake_kern *f, const struct w_link *link)
{
	ARENA_GROW(f->w->arena, f->w->links, f->w->n_links, f->cap_links);
	struct w_link *l = &f->w->links[f->w->n_links++];

	*l = *link;
	if (l->ifindex == 0)
		l->ifindex = ++f->next_ifindex;
	if (l->ifindex > f->next_ifindex)
		f->next_ifindex = l->ifindex;
	if (strcmp(l->kind, "tun") != 0)
		l->tun.owner = l->tun.group = -1;
	l->forwarding4 = l->forwarding4 || value_of(f, "net/ipv4/conf/all/forwarding")[0] == '1';
	l->forwarding6 = l->forwarding6 || value_of(f, "net/ipv6/conf/all/forwarding")[0] == '1';
	const char *values[] = { l->forwarding4 ? "1" : "0", l->forwarding6 ? "1" : "0",
				 arena_printf(f->w->arena, "%d", l->accept_ra), l->disable_ipv6 ? "1" : "0", "1",
				 "0", "0", "3", "3" };
	for (size_t i = 0; i < ARRAY_LEN(per_link); i++)
		fake_kern_sysctl(f, conf_path(f, i, l->name), values[i]);
	return l->ifindex;
}

void fake_kern_route(struct fake_kern *f, const struct w_route *route)
{
	ARENA_GROW(f->w->arena, f->w->routes, f->w->n_routes, f->cap_routes);
	f->w->routes[f->w->n_routes++] = *route;
}

static struct w_route connected(const struct w_addr *addr)
{
	const struct ip *ip = &addr->prefix.ip;

	return (struct w_route){
		.dst = { .ip = prefix_network(&addr->prefix), .len = addr->prefix.len },
		.oif = addr->ifindex,
		.table = RT_TABLE_MAIN,
		.metric = ip->family == AF_INET6 ? 256 : 0,
		.protocol = RTPROT_KERNEL,
		.type = RTN_UNICAST,
		.scope = ip->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	};
}

/* @metric: of the route that comes with it; 0: the kernel's own. */
static void put_addr(struct fake_kern *f, const struct w_addr *addr, uint32_t metric)
{
	ARENA_GROW(f->w->arena, f->w->addrs, f->w->n_addrs, f->cap_addrs);
	f->w->addrs[f->w->n_addrs++] = *addr;
	/* The kernel has no connected route for a single IPv4 address; for IPv6 it has one. */
	if (!(addr->flags & IFA_F_NOPREFIXROUTE) && (addr->prefix.ip.family == AF_INET6 || addr->prefix.len < 32)) {
		struct w_route r = connected(addr);

		if (metric > 0)
			r.metric = metric;
		fake_kern_route(f, &r);
	}
}

void fake_kern_addr(struct fake_kern *f, const struct w_addr *addr)
{
	put_addr(f, addr, 0);
}

void fake_kern_firewall(struct fake_kern *f, const struct fw_table *table)
{
	struct fw_table *all = arena_alloc(f->w->arena, f->w->n_firewalls + 1, sizeof(*all));

	if (f->w->n_firewalls > 0)
		memcpy(all, f->w->firewalls, f->w->n_firewalls * sizeof(*all));
	all[f->w->n_firewalls++] = *fw_tables_copy(f->w->arena, table, 1);
	f->w->firewalls = all;
}

/* -------------------------------------------------------------------- observe */

static void *copy(struct arena *arena, const void *p, size_t n, size_t size)
{
	void *c = arena_alloc(arena, n + 1, size);

	if (n > 0)
		memcpy(c, p, n * size);
	return c;
}

static void copy_table(struct arena *arena, const struct w_table *from, struct w_table *to)
{
	*to = *from;
	to->comment = from->comment ? arena_strdup(arena, from->comment) : NULL;
	to->chains = copy(arena, from->chains, from->n_chains, sizeof(*from->chains));
	for (size_t i = 0; i < to->n_chains; i++)
		to->chains[i].name = arena_strdup(arena, from->chains[i].name);
	to->elems = copy(arena, from->elems, from->n_elems, sizeof(*from->elems));
	for (size_t i = 0; i < to->n_elems; i++)
		to->elems[i].set = arena_strdup(arena, from->elems[i].set);
}

int fake_kern_observe(struct fake_kern *fake, const char *const *sysctl_paths, size_t n, struct world *world,
		      struct report *report)
{
	const struct world *w = fake->w;
	struct arena *a = world->arena;

	(void)report;
	world->links = copy(a, w->links, w->n_links, sizeof(*w->links));
	world->n_links = w->n_links;
	world->addrs = copy(a, w->addrs, w->n_addrs, sizeof(*w->addrs));
	world->n_addrs = w->n_addrs;
	world->routes = copy(a, w->routes, w->n_routes, sizeof(*w->routes));
	world->n_routes = w->n_routes;
	world->neighs = copy(a, w->neighs, w->n_neighs, sizeof(*w->neighs));
	world->n_neighs = w->n_neighs;
	world->listeners = copy(a, w->listeners, w->n_listeners, sizeof(*w->listeners));
	world->n_listeners = w->n_listeners;
	world->found = copy(a, w->found, w->n_found, sizeof(*w->found));
	world->n_found = w->n_found;
	for (size_t i = 0; i < w->n_found; i++)
		world->found[i] = (struct w_found){ arena_strdup(a, w->found[i].path), arena_strdup(a, w->found[i].found),
						    arena_strdup(a, w->found[i].ours) };
	world->sysctls = arena_alloc(a, n + 1, sizeof(*world->sysctls));
	world->n_sysctls = n;
	for (size_t i = 0; i < n; i++) {
		const struct w_sysctl *s = sysctl(fake, sysctl_paths[i]);

		world->sysctls[i] = (struct w_sysctl){ arena_strdup(a, sysctl_paths[i]),
						       s ? arena_strdup(a, s->value) : NULL };
	}
	copy_table(a, &w->inet, &world->inet);
	copy_table(a, &w->bridge, &world->bridge);
	copy_table(a, &w->netdev, &world->netdev);
	copy_table(a, &w->guard, &world->guard);
	world->firewalls = fw_tables_copy(a, w->firewalls, w->n_firewalls);
	world->n_firewalls = w->n_firewalls;
	world_sort(world);
	return 0;
}

/* --------------------------------------------------------------------- sysctl */

static void set_found(struct fake_kern *f, const char *path, const char *found, const char *ours)
{
	struct world *w = f->w;

	for (size_t i = 0; i < w->n_found; i++)
		if (strcmp(w->found[i].path, path) == 0) {
			w->found[i].ours = arena_strdup(w->arena, ours);
			return;
		}
	ARENA_GROW(w->arena, w->found, w->n_found, f->cap_found);
	w->found[w->n_found++] = (struct w_found){ arena_strdup(w->arena, path), arena_strdup(w->arena, found),
						   arena_strdup(w->arena, ours) };
}

static void drop_found(struct fake_kern *f, const char *path)
{
	for (size_t i = 0; i < f->w->n_found; i++)
		if (strcmp(f->w->found[i].path, path) == 0) {
			REMOVE(f->w->found, f->w->n_found, i);
			return;
		}
}

/* all.forwarding is copied to default and to each interface, and ip_forward is another name for it. */
static void copy_forwarding(struct fake_kern *f, bool v6, const char *value)
{
	for (size_t i = 0; i < f->w->n_links; i++) {
		struct w_link *l = &f->w->links[i];

		*(v6 ? &l->forwarding6 : &l->forwarding4) = value[0] == '1';
		fake_kern_sysctl(f, conf_path(f, v6, l->name), value);
	}
	fake_kern_sysctl(f, v6 ? "net/ipv6/conf/all/forwarding" : "net/ipv4/conf/all/forwarding", value);
	fake_kern_sysctl(f, v6 ? "net/ipv6/conf/default/forwarding" : "net/ipv4/conf/default/forwarding", value);
	if (!v6)
		fake_kern_sysctl(f, "net/ipv4/ip_forward", value);
}

void fake_kern_write_sysctl(struct fake_kern *f, const char *path, const char *value)
{
	if (strcmp(path, "net/ipv6/conf/all/forwarding") == 0) {
		copy_forwarding(f, true, value);
	} else if (strcmp(path, "net/ipv4/ip_forward") == 0 || strcmp(path, "net/ipv4/conf/all/forwarding") == 0) {
		copy_forwarding(f, false, value);
	} else {
		fake_kern_sysctl(f, path, value);
		for (size_t i = 0; i < f->w->n_links; i++) {
			struct w_link *l = &f->w->links[i];

			if (strcmp(path, conf_path(f, 0, l->name)) == 0)
				l->forwarding4 = value[0] == '1';
			else if (strcmp(path, conf_path(f, 1, l->name)) == 0)
				l->forwarding6 = value[0] == '1';
			else if (strcmp(path, conf_path(f, 2, l->name)) == 0)
				l->accept_ra = atoi(value);
			else if (strcmp(path, conf_path(f, 3, l->name)) == 0)
				l->disable_ipv6 = value[0] == '1';
		}
	}
}

static int run_sysctl(struct fake_kern *f, struct exec_step *s)
{
	struct op_sysctl *o = &s->op.sysctl;
	const struct w_sysctl *have = sysctl(f, o->path);

	if (!have && !o->restore)
		return -ENOENT;
	if (have) {
		o->old = arena_strdup(f->w->arena, have->value);
		fake_kern_write_sysctl(f, o->path, o->value);
	}
	s->flag = world_found(f->w, o->path) != NULL;
	if (o->restore)
		drop_found(f, o->path);
	else if (!o->unrecorded)
		set_found(f, o->path, o->old, o->value);
	return 0;
}

/* ------------------------------------------------------------ links, addresses */

static uint32_t master_of(struct fake_kern *f, const char *name)
{
	const struct w_link *l = link_by_name(f, name);

	return l ? l->ifindex : 0;
}

static void set_attrs(struct fake_kern *f, struct w_link *l, const struct op_link *o, uint32_t mask)
{
	if (mask & OP_LINK_MTU)
		l->mtu = o->mtu;
	if (mask & OP_LINK_MAC)
		l->mac = o->mac;
	if (mask & OP_LINK_UP)
		l->flags = o->up ? l->flags | IFF_UP : l->flags & ~(uint32_t)IFF_UP;
	if (mask & OP_LINK_ALIAS)
		(void)str_copy(l->alias, sizeof(l->alias), o->alias);
	if (mask & OP_LINK_GROUP)
		l->group = o->group;
	if (mask & OP_LINK_GENMODE)
		l->addr_gen_mode = o->addr_gen_mode;
	if (mask & OP_LINK_BRIDGE) {
		l->bridge.stp = o->stp;
		l->bridge.mcast_snooping = o->mcast_snooping;
		l->bridge.forward_delay = o->forward_delay;
	}
	if (mask & OP_LINK_HAIRPIN)
		l->port.hairpin = o->hairpin;
	if (mask & OP_LINK_MACVLAN) {
		l->macvlan_mode = o->macvlan_mode;
		l->macvlan_queue = o->macvlan_queue ? o->macvlan_queue : 1000;
		if (o->macvlan_mode != MACVLAN_MODE_SOURCE || o->sources) {
			l->n_sources = o->macvlan_mode == MACVLAN_MODE_SOURCE ? (uint32_t)o->n_sources : 0;
			l->sources = l->n_sources ? copy(f->w->arena, o->sources, o->n_sources, sizeof(*o->sources)) : NULL;
			l->sources_sum = 0;
			for (size_t i = 0; i < l->n_sources; i++)
				l->sources_sum += mac_hash(&o->sources[i]);
		}
	}
	if (mask & OP_LINK_ALLMULTI)
		l->flags = o->allmulti ? l->flags | IFF_ALLMULTI : l->flags & ~(uint32_t)IFF_ALLMULTI;
	if (mask & OP_LINK_MASTER)
		l->master = o->master[0] ? master_of(f, o->master) : 0;
}

static int link_add(struct fake_kern *f, const struct op_link *o)
{
	struct w_link l = { .have_inet = true, .have_inet6 = o->mtu == 0 || o->mtu >= 1280, .accept_ra = 1 };

	if (link_by_name(f, o->name))
		return -EEXIST;
	if (o->alias && strlen(o->alias) >= 256)
		return -ERANGE;
	bool macvlan = strcmp(o->kind, "macvtap") == 0 || strcmp(o->kind, "macvlan") == 0;
	if (macvlan) {
		const struct w_link *lower = world_link(f->w, o->lower);

		if (!lower)
			return -ENODEV;
		if (o->mtu > lower->mtu)
			return -EINVAL;
		l.lower = o->lower;
	}
	(void)str_copy(l.name, sizeof(l.name), o->name);
	(void)str_copy(l.kind, sizeof(l.kind), o->kind);
	set_attrs(f, &l, o,
		  OP_LINK_MTU | OP_LINK_MAC | OP_LINK_UP | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_GENMODE | OP_LINK_BRIDGE |
			  (macvlan ? OP_LINK_MACVLAN : 0));
	fake_kern_link(f, &l);
	return 0;
}

static int link_set(struct fake_kern *f, const struct op_link *o)
{
	struct w_link *l = link_by_name(f, o->name);

	if (!l || (o->ifindex != 0 && l->ifindex != o->ifindex))
		return -ENODEV;
	if ((o->mask & OP_LINK_MASTER) && o->master[0] && !link_by_name(f, o->master))
		return -ENODEV;
	set_attrs(f, l, o, o->mask);
	return 0;
}

static int link_del(struct fake_kern *f, const struct op_link *o)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	struct w_link *l = link_by_name(f, o->name);
	struct world *w = f->w;

	if (!l)
		return -ENODEV;
	if (o->ifindex != 0 && l->ifindex != o->ifindex)
		return -ESTALE;
	if (!alias_parse(l->alias, network, guest))
		return -EPERM;
	uint32_t ifindex = l->ifindex;
	for (size_t i = w->n_addrs; i-- > 0;)
		if (w->addrs[i].ifindex == ifindex)
			REMOVE(w->addrs, w->n_addrs, i);
	for (size_t i = w->n_routes; i-- > 0;)
		if (w->routes[i].oif == ifindex)
			REMOVE(w->routes, w->n_routes, i);
	for (size_t i = w->n_neighs; i-- > 0;)
		if (w->neighs[i].ifindex == ifindex)
			REMOVE(w->neighs, w->n_neighs, i);
	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i].master == ifindex)
			w->links[i].master = 0;
	for (size_t i = 0; i < ARRAY_LEN(per_link); i++) {
		struct w_sysctl *s = sysctl(f, conf_path(f, i, l->name));

		if (s)
			REMOVE(w->sysctls, w->n_sysctls, (size_t)(s - w->sysctls));
	}
	REMOVE(w->links, w->n_links, (size_t)(l - w->links));
	return 0;
}

static struct w_addr *find_addr(struct fake_kern *f, uint32_t ifindex, const struct prefix *prefix)
{
	for (size_t i = 0; i < f->w->n_addrs; i++)
		if (f->w->addrs[i].ifindex == ifindex && prefix_eq(&f->w->addrs[i].prefix, prefix))
			return &f->w->addrs[i];
	return NULL;
}

static int addr_add(struct fake_kern *f, const struct op_addr *o, bool replace)
{
	const struct w_link *l = link_by_name(f, o->device);
	struct w_addr *have = l ? find_addr(f, l->ifindex, &o->prefix) : NULL;

	if (!l)
		return -ENODEV;
	if (have && !replace)
		return -EEXIST;
	struct w_addr a = {
		.ifindex = l->ifindex,
		.prefix = o->prefix,
		.flags = o->flags | IFA_F_PERMANENT,
		.valid_s = UINT32_MAX,
		.preferred_s = o->deprecated ? 0 : UINT32_MAX,
		.proto = SIXTAP_PROTO,
		.scope = o->scope,
	};
	if (o->deprecated)
		a.flags |= IFA_F_DEPRECATED;
	if (have)
		*have = a;
	else
		put_addr(f, &a, o->metric);
	return 0;
}

static int addr_del(struct fake_kern *f, const struct op_addr *o)
{
	const struct w_link *l = link_by_name(f, o->device);
	struct w_addr *have = l ? find_addr(f, l->ifindex, &o->prefix) : NULL;

	if (!l)
		return -ENODEV;
	if (!have)
		return -EADDRNOTAVAIL;
	struct w_route r = connected(have);
	REMOVE(f->w->addrs, f->w->n_addrs, (size_t)(have - f->w->addrs));
	for (size_t i = 0; i < f->w->n_routes; i++)
		if (f->w->routes[i].oif == r.oif && f->w->routes[i].protocol == RTPROT_KERNEL &&
		    prefix_eq(&f->w->routes[i].dst, &r.dst)) {
			REMOVE(f->w->routes, f->w->n_routes, i);
			break;
		}
	return 0;
}

static int route_set(struct fake_kern *f, const struct op_route *o, bool add)
{
	const struct w_link *l = link_by_name(f, o->device);
	const uint8_t protocol = o->protocol ? o->protocol : SIXTAP_PROTO;
	struct world *w = f->w;
	bool had = false;

	if (!l)
		return -ENODEV;
	for (size_t i = w->n_routes; i-- > 0;) {
		if (w->routes[i].oif != l->ifindex || w->routes[i].protocol != protocol ||
		    !prefix_eq(&w->routes[i].dst, &o->dst))
			continue;
		REMOVE(w->routes, w->n_routes, i);
		had = true;
	}
	if (!add)
		return had ? 0 : -ESRCH;
	fake_kern_route(f, &(struct w_route){ .dst = o->dst, .oif = l->ifindex, .table = RT_TABLE_MAIN, .src = o->src,
					      .metric = o->metric > 0 ? o->metric : o->dst.ip.family == AF_INET6 ? 1024 : 0,
					      .protocol = protocol, .type = RTN_UNICAST,
					      .scope = o->dst.ip.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE });
	return 0;
}

void fake_kern_neigh(struct fake_kern *f, const struct w_neigh *neigh)
{
	ARENA_GROW(f->w->arena, f->w->neighs, f->w->n_neighs, f->cap_neighs);
	f->w->neighs[f->w->n_neighs++] = *neigh;
}

static int neigh_set(struct fake_kern *f, const struct op_neigh *o, bool add)
{
	const struct w_link *l = link_by_name(f, o->device);
	struct world *w = f->w;
	bool had = false;

	if (!l)
		return -ENODEV;
	for (size_t i = w->n_neighs; i-- > 0;) {
		if (w->neighs[i].ifindex != l->ifindex || !ip_eq(&w->neighs[i].ip, &o->ip))
			continue;
		REMOVE(w->neighs, w->n_neighs, i);
		had = true;
	}
	if (!add)
		return had ? 0 : -ENOENT;
	fake_kern_neigh(f, &(struct w_neigh){ l->ifindex, o->ip, o->mac });
	return 0;
}

/* ------------------------------------------------------------------- nftables */

static struct w_table *table_of(struct fake_kern *f, uint8_t family)
{
	switch (family) {
	case GUARD_FAMILY:
		return &f->w->guard;
	case NFPROTO_BRIDGE:
		return &f->w->bridge;
	case NFPROTO_NETDEV:
		return &f->w->netdev;
	default:
		return &f->w->inet;
	}
}

static int nft_table(struct fake_kern *f, struct op_nft *o)
{
	struct w_table *t = table_of(f, o->family), *old = ARENA_NEW(f->w->arena, struct w_table);
	const struct w_table none = { .family = o->family };

	/* Where plan/ doesn't know what was there, the table stands for the text that the real kernel would be asked for. */
	if (!o->old_table) {
		*old = *t;
		o->old_table = old;
	}
	if (!o->old_text)
		o->old_text = "";
	copy_table(f->w->arena, o->table ? o->table : &none, t);
	t->family = o->family;
	return 0;
}

static size_t find_elem(const struct w_table *t, const struct nft_elem *e)
{
	size_t i = 0;

	while (i < t->n_elems && nft_elem_cmp(&t->elems[i], e) != 0)
		i++;
	return i;
}

static int nft_elems(struct fake_kern *f, const struct op_nft *o)
{
	struct w_table *t = table_of(f, o->family), next = *t;

	if (!t->present)
		return -ENOENT;
	next.elems = arena_alloc(f->w->arena, t->n_elems + o->n_add + 1, sizeof(*next.elems));
	if (t->n_elems > 0)
		memcpy(next.elems, t->elems, t->n_elems * sizeof(*next.elems));
	for (size_t i = 0; i < o->n_del; i++) {
		size_t at = find_elem(&next, &o->del[i]);

		if (at == next.n_elems)
			return -ENOENT;
		REMOVE(next.elems, next.n_elems, at);
	}
	for (size_t i = 0; i < o->n_add; i++) {
		size_t at = find_elem(&next, &o->add[i]);

		if (at < next.n_elems && !nft_elem_same(&next.elems[at], &o->add[i]))
			return -EEXIST;
		if (at < next.n_elems)
			continue;
		next.elems[next.n_elems] = o->add[i];
		next.elems[next.n_elems++].set = arena_strdup(f->w->arena, o->add[i].set);
	}
	*t = next;
	return 0;
}

static struct fw_chain *foreign_chain(struct fake_kern *f, const struct op_rule *o)
{
	for (size_t t = 0; t < f->w->n_firewalls; t++) {
		struct fw_table *table = &f->w->firewalls[t];

		for (size_t c = 0; c < table->n_chains; c++)
			if (table->family == o->family && !table->legacy && strcmp(table->name, o->table) == 0 &&
			    strcmp(table->chains[c].name, o->chain) == 0)
				return &table->chains[c];
	}
	return NULL;
}

static int rule(struct fake_kern *f, const struct op_rule *o)
{
	struct fw_chain *c = foreign_chain(f, o);
	struct fw_rule *rules;
	size_t n = 0, at = 0;
	bool placed = o->before == 0;

	if (!c)
		return o->n_add > 0 ? -ENOENT : 0;
	rules = arena_alloc(f->w->arena, c->n_rules + o->n_add + 1, sizeof(*rules));
	for (size_t i = 0; i < c->n_rules; i++) {
		if (c->rules[i].comment && strcmp(c->rules[i].comment, o->comment) == 0)
			continue;
		if (o->before != 0 && c->rules[i].handle == o->before && !placed) {
			at = n;
			placed = true;
		}
		rules[n++] = c->rules[i];
	}
	if (!placed && o->n_add > 0)
		return -ENOENT;
	if (o->before == 0)
		at = n;
	memmove(rules + at + o->n_add, rules + at, (n - at) * sizeof(*rules));
	for (size_t i = 0; i < o->n_add; i++) {
		rules[at + i] = fw_rule_copy(f->w->arena, &o->add[i]);
		rules[at + i].handle = ++f->next_handle;
	}
	c->rules = rules;
	c->n_rules = n + o->n_add;
	return 0;
}

/* -------------------------------------------------------------------- backend */

static int carry_out(struct fake_kern *f, struct exec_step *s)
{
	struct op *op = &s->op;

	switch (op->kind) {
	case OP_SYSCTL:
		return run_sysctl(f, s);
	case OP_LINK_ADD:
		return link_add(f, &op->link);
	case OP_LINK_SET:
		return link_set(f, &op->link);
	case OP_LINK_DEL:
		return link_del(f, &op->link);
	case OP_ADDR_ADD:
		return addr_add(f, &op->addr, op->action == OP_ACTION_CHANGE);
	case OP_ADDR_DEL:
		return addr_del(f, &op->addr);
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		return route_set(f, &op->route, op->kind == OP_ROUTE_ADD);
	case OP_NEIGH_ADD:
	case OP_NEIGH_DEL:
		return neigh_set(f, &op->neigh, op->kind == OP_NEIGH_ADD);
	case OP_NFT_TABLE:
		return nft_table(f, &op->nft);
	case OP_NFT_ELEMS:
		return nft_elems(f, &op->nft);
	case OP_RULE:
		return rule(f, &op->rule);
	case OP_CONFIRM_ROUTE:
	case OP_PROXY_ADD:	/* a world has no neighbours */
	case OP_PROXY_DEL:
		return 0;
	case OP_SERVE:
	case OP_UNSERVE:
	case OP_KIND_N_:
		break;
	}
	return -EINVAL;
}

static bool joins(const struct op *op, const struct op *next)
{
	(void)op;
	(void)next;
	return false;
}

static void run(void *user, struct exec_step *steps, size_t n, struct report *report)
{
	(void)n;
	(void)report;
	world_sort(((struct fake_kern *)user)->w);
	steps->err = carry_out(user, steps);
	steps->done = steps->err == 0;
	if (steps->err < 0)
		nl_explain(steps->err, steps->why);
}

static int undo(void *user, struct exec_step *step, const struct op *back, char why[static NL_WHY_MAX])
{
	struct fake_kern *f = user;
	struct exec_step one = { .op = *back };
	struct w_found found = { 0 };

	world_sort(f->w);
	/* A record that was there before the op stays. */
	if (back->kind == OP_SYSCTL && back->sysctl.restore && step->flag)
		found = *world_found(f->w, back->sysctl.path);
	int r = carry_out(f, &one);
	if (found.path && r == 0)
		set_found(f, found.path, found.found, back->sysctl.value);
	if (r < 0)
		nl_explain(r, why);
	return r;
}

int fake_kern_apply(struct fake_kern *fake, const struct ops *ops, const struct apply_hooks *hooks,
		    struct report *report)
{
	const struct exec_backend backend = { .joins = joins, .run = run, .undo = undo, .user = fake };

	return exec_ops(&backend, ops, hooks, report);
}
