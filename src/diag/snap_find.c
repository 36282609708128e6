/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_find - looking things up in a snapshot
 *
 * Binary searches over the arrays that snapshot_finish() has sorted.
 */
#include "diag/snapshot.h"

#include <fnmatch.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "diag/snap_fields.h"

/* The first element for which BELOW doesn't hold. */
#define LOWER(arr, n, below)                              \
	({                                                \
		size_t lo_ = 0, hi_ = (n);                \
		while (lo_ < hi_) {                       \
			size_t mid_ = lo_ + (hi_ - lo_) / 2; \
			const __typeof__(*(arr)) *e = &(arr)[mid_]; \
			if (below)                        \
				lo_ = mid_ + 1;           \
			else                              \
				hi_ = mid_;               \
		}                                         \
		lo_;                                      \
	})

/* The run of elements of which FIELD is VALUE. */
#define RUN(arr, n, field, value, ret_n)                                         \
	({                                                                       \
		size_t from_ = LOWER(arr, n, e->field < (value)), to_ = from_;   \
		while (to_ < (n) && (arr)[to_].field == (value))                 \
			to_++;                                                   \
		*(ret_n) = to_ - from_;                                          \
		(arr) ? (arr) + from_ : NULL;                                    \
	})

/* The run of elements whose text FIELD is VALUE. */
#define RUN_TEXT(arr, n, field, value, ret_n)                                    \
	({                                                                       \
		size_t from_ = LOWER(arr, n, strcmp(e->field, (value)) < 0), to_ = from_; \
		while (to_ < (n) && strcmp((arr)[to_].field, (value)) == 0)      \
			to_++;                                                   \
		*(ret_n) = to_ - from_;                                          \
		(arr) ? (arr) + from_ : NULL;                                    \
	})

#define FIND_TEXT(arr, n, field, value)                                          \
	({                                                                       \
		size_t i_ = LOWER(arr, n, strcmp(e->field, (value)) < 0);        \
		i_ < (n) && strcmp((arr)[i_].field, (value)) == 0 ? &(arr)[i_] : NULL; \
	})

const struct snap_link *snap_link(const struct snapshot *s, uint32_t ifindex)
{
	size_t i = LOWER(s->links, s->n_links, e->ifindex < ifindex);

	return i < s->n_links && s->links[i].ifindex == ifindex ? &s->links[i] : NULL;
}

const struct snap_link *snap_link_by_name(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_links; i++) {
		if (strcmp(s->links[i].name, name) == 0)
			return &s->links[i];
	}
	return NULL;
}

const char *snap_link_name(const struct snapshot *s, uint32_t ifindex)
{
	const struct snap_link *link = snap_link(s, ifindex);

	return link ? link->name : arena_printf(s->arena, "if%u", ifindex);
}

#define OF_INTERFACE(fn, type, field)                                                                 \
	const struct type *fn(const struct snapshot *s, uint32_t ifindex, size_t *ret_n)                 \
	{                                                                                                \
		return RUN(s->field, s->n_##field, ifindex, ifindex, ret_n);                             \
	}
OF_INTERFACE(snap_addrs, snap_addr, addrs)
OF_INTERFACE(snap_neighs, snap_neigh, neighs)
OF_INTERFACE(snap_proxies, snap_proxy, proxies)
OF_INTERFACE(snap_mcasts, snap_mcast, mcasts)
OF_INTERFACE(snap_groups, snap_group, groups)
OF_INTERFACE(snap_anycasts, snap_group, anycasts)
OF_INTERFACE(snap_vlans, snap_vlan, vlans)
OF_INTERFACE(snap_managers, snap_manager, managers)

const struct snap_fdb *snap_fdb(const struct snapshot *s, uint32_t bridge, size_t *ret_n)
{
	return RUN(s->fdb, s->n_fdb, bridge, bridge, ret_n);
}

const struct snap_mdb *snap_mdb(const struct snapshot *s, uint32_t bridge, size_t *ret_n)
{
	return RUN(s->mdb, s->n_mdb, bridge, bridge, ret_n);
}

const struct snap_addr *snap_addr(const struct snapshot *s, uint32_t ifindex, const struct ip *ip)
{
	const struct snap_addr *a = s->addrs;
	size_t n = s->n_addrs;

	if (ifindex)
		a = snap_addrs(s, ifindex, &n);
	for (size_t i = 0; i < n; i++) {
		if (ip_eq(&a[i].prefix.ip, ip))
			return &a[i];
	}
	return NULL;
}

#define OF_ADDRESS(fn, type, field)                                                                      \
	const struct type *fn(const struct snapshot *s, uint32_t ifindex, const struct ip *ip)              \
	{                                                                                                   \
		size_t i = LOWER(s->field, s->n_##field,                                                    \
				 e->ifindex < ifindex || (e->ifindex == ifindex && ip_cmp(&e->ip, ip) < 0)); \
                                                                                                            \
		if (i < s->n_##field && s->field[i].ifindex == ifindex && ip_eq(&s->field[i].ip, ip))       \
			return &s->field[i];                                                                \
		return NULL;                                                                                \
	}
OF_ADDRESS(snap_neigh, snap_neigh, neighs)
OF_ADDRESS(snap_proxy, snap_proxy, proxies)

const struct snap_mcast *snap_mcast(const struct snapshot *s, uint32_t ifindex, const struct mac *mac)
{
	size_t i = LOWER(s->mcasts, s->n_mcasts,
			 e->ifindex < ifindex || (e->ifindex == ifindex && memcmp(&e->mac, mac, sizeof(*mac)) < 0));

	return i < s->n_mcasts && s->mcasts[i].ifindex == ifindex && mac_eq(&s->mcasts[i].mac, mac) ? &s->mcasts[i] : NULL;
}

const struct snap_neigh_table *snap_neigh_table(const struct snapshot *s, uint8_t family, uint32_t ifindex)
{
	for (size_t i = 0; i < s->n_neigh_tables; i++) {
		if (s->neigh_tables[i].family == family && s->neigh_tables[i].ifindex == ifindex)
			return &s->neigh_tables[i];
	}
	return NULL;
}

const struct snap_fdb *snap_fdb_find(const struct snapshot *s, uint32_t bridge, const struct mac *mac, uint16_t vlan)
{
	size_t i = LOWER(s->fdb, s->n_fdb,
			 e->bridge < bridge || (e->bridge == bridge && memcmp(&e->mac, mac, sizeof(*mac)) < 0));

	for (; i < s->n_fdb && s->fdb[i].bridge == bridge && mac_eq(&s->fdb[i].mac, mac); i++) {
		if (s->fdb[i].vlan == vlan)
			return &s->fdb[i];
	}
	return NULL;
}

bool snap_mdb_has(const struct snapshot *s, uint32_t bridge, uint32_t port, const struct ip *group)
{
	size_t n;
	const struct snap_mdb *m = snap_mdb(s, bridge, &n);

	for (size_t i = 0; i < n; i++) {
		if (m[i].port == port && ip_eq(&m[i].group, group))
			return true;
	}
	return false;
}

bool snap_is_router_port(const struct snapshot *s, const struct snap_link *port)
{
	for (size_t i = 0; i < s->n_mdb_routers; i++) {
		if (s->mdb_routers[i].port == port->ifindex)
			return true;
	}
	return port->port.mcast_router == SNAP_ROUTER_PORT;
}

/* ---------------------------------------------------------------------- routes */

const struct snap_route *snap_routes(const struct snapshot *s, uint8_t family, uint32_t table, size_t *ret_n)
{
	size_t from = LOWER(s->routes, s->n_routes,
			    e->dst.ip.family < family || (e->dst.ip.family == family && e->table < table));
	size_t to = from + LOWER(s->routes + from, s->n_routes - from, e->dst.ip.family == family && e->table == table);

	*ret_n = to - from;
	return s->routes ? s->routes + from : NULL;
}

const struct snap_route *snap_route_lookup(const struct snapshot *s, uint32_t table, const struct ip *dst)
{
	size_t n, at = 0;
	const struct snap_route *r = snap_routes(s, dst->family, table, &n);

	while (at < n) {
		uint8_t len = r[at].dst.len;
		size_t end = at + LOWER(r + at, n - at, e->dst.len == len);
		struct prefix want = { *dst, len };
		struct ip network = prefix_network(&want);
		size_t i = at + LOWER(r + at, end - at, ip_cmp(&e->dst.ip, &network) < 0);

		for (; i < end && ip_eq(&r[i].dst.ip, &network); i++) {
			if (!(r[i].flags & RTNH_F_DEAD) && !ip_is_set(&r[i].src.ip))
				return &r[i];
		}
		at = end;
	}
	return NULL;
}

/* -------------------------------------------------------------------- settings */

static const char *conf_member(const struct snapshot *s, const struct snap_struct *of, const void *conf, const char *name)
{
	for (size_t i = 0; i < of->n_fields; i++) {
		int32_t v;

		if (of->fields[i].type != SNAP_I32 || strcmp(of->fields[i].name, name) != 0)
			continue;
		memcpy(&v, (const uint8_t *)conf + of->fields[i].offset, sizeof(v));
		return arena_printf(s->arena, "%d", v);
	}
	return NULL;
}

/* Is @path net/ipvN/conf/WHO/NAME? @who: 16 bytes. */
static bool conf_path(const char *path, char family, char who[static 16], const char **name)
{
	char prefix[] = "net/ipv?/conf/";
	const char *slash = strrchr(path, '/');

	prefix[7] = family;
	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || !slash || slash < path + sizeof(prefix) - 1)
		return false;
	size_t n = (size_t)(slash - path) - (sizeof(prefix) - 1);
	if (n == 0 || n >= 16)
		return false;
	memcpy(who, path + sizeof(prefix) - 1, n);
	who[n] = '\0';
	*name = slash + 1;
	return true;
}

const char *snap_sysctl(const struct snapshot *s, const char *path)
{
	const struct snap_sysctl *found = FIND_TEXT(s->sysctls, s->n_sysctls, path, path);
	const char *name;
	char who[16];
	bool v4;

	if (found)
		return found->value;
	v4 = conf_path(path, '4', who, &name);
	if (!v4 && !conf_path(path, '6', who, &name))
		return NULL;
	const struct snap_link *link = snap_link_by_name(s, who);
	const struct snap_conf4 *c4 = strcmp(who, "all") == 0 ? &s->conf4_all : strcmp(who, "default") == 0 ?
		&s->conf4_default : link ? &link->conf4 : NULL;
	const struct snap_conf6 *c6 = strcmp(who, "all") == 0 ? &s->conf6_all : strcmp(who, "default") == 0 ?
		&s->conf6_default : link ? &link->conf6 : NULL;
	if (v4)
		return c4 && c4->present ? conf_member(s, &snap_struct_conf4, c4, name) : NULL;
	return c6 && c6->present ? conf_member(s, &snap_struct_conf6, c6, name) : NULL;
}

int64_t snap_sysctl_int(const struct snapshot *s, const char *path, int64_t missing)
{
	const char *v = snap_sysctl(s, path);
	char *end;

	if (!v)
		return missing;
	int64_t n = strtoll(v, &end, 10);
	return end == v ? missing : n;
}

bool snap_counter(const struct snapshot *s, uint32_t ifindex, const char *name, uint64_t *ret_value)
{
	size_t i = LOWER(s->counters, s->n_counters,
			 e->ifindex < ifindex || (e->ifindex == ifindex && strcmp(e->name, name) < 0));

	if (i >= s->n_counters || s->counters[i].ifindex != ifindex || strcmp(s->counters[i].name, name) != 0)
		return false;
	*ret_value = s->counters[i].value;
	return true;
}

const struct snap_sysctl_line *snap_sysctl_line(const struct snapshot *s, const char *path)
{
	const struct snap_sysctl_line *last = NULL, *pattern = NULL;
	bool excluded = false;

	/* systemd-sysctl: a line for the path itself beats every pattern, wherever it stands; else the last one wins. */
	for (size_t i = 0; i < s->n_sysctl_lines; i++) {
		const struct snap_sysctl_line *l = &s->sysctl_lines[i];

		if (strcmp(l->by, "nobody") == 0)
			continue;
		if (strcmp(l->path, path) == 0) {
			excluded |= l->excluded;
			if (!l->excluded)
				last = l;
		} else if (!l->excluded && strpbrk(l->path, "*?[") && fnmatch(l->path, path, FNM_PATHNAME) == 0) {
			pattern = l;
		}
	}
	return last ? last : excluded ? NULL : pattern;
}

/* ------------------------------------------------------------------- the others */

const struct snap_table *snap_table(const struct snapshot *s, uint8_t family, const char *name)
{
	for (size_t i = 0; i < s->n_tables; i++) {
		if (s->tables[i].family == family && strcmp(s->tables[i].name, name) == 0)
			return &s->tables[i];
	}
	return NULL;
}

const struct snap_chain *snap_chain(const struct snap_table *table, const char *name)
{
	return FIND_TEXT(table->chains, table->n_chains, name, name);
}

const struct snap_set *snap_set(const struct snap_table *table, const char *name)
{
	return FIND_TEXT(table->sets, table->n_sets, name, name);
}

const struct snap_guest *snap_guest(const struct snapshot *s, const char *name)
{
	return FIND_TEXT(s->guests, s->n_guests, name, name);
}

const struct snap_nic *snap_nics(const struct snapshot *s, const char *guest, size_t *ret_n)
{
	return RUN_TEXT(s->nics, s->n_nics, guest, guest, ret_n);
}

const struct snap_nic *snap_nic_of_link(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->n_nics; i++) {
		if (s->nics[i].ifindex == ifindex && s->nics[i].live)
			return &s->nics[i];
	}
	return NULL;
}

const struct snap_guest_addr *snap_guest_addrs(const struct snapshot *s, const char *guest, size_t *ret_n)
{
	return RUN_TEXT(s->guest_addrs, s->n_guest_addrs, guest, guest, ret_n);
}

const struct snap_network *snap_network(const struct snapshot *s, const char *name)
{
	return FIND_TEXT(s->networks, s->n_networks, name, name);
}

const struct snap_program *snap_program(const struct snapshot *s, const char *name)
{
	return FIND_TEXT(s->programs, s->n_programs, name, name);
}

const char *snap_text(const struct snapshot *s, const char *path)
{
	const struct snap_text *t = FIND_TEXT(s->texts, s->n_texts, path, path);

	return t ? t->text : NULL;
}

const struct snap_probe *snap_probe(const struct snapshot *s, const char *kind, uint32_t ifindex, const struct ip *target)
{
	for (size_t i = LOWER(s->probes, s->n_probes, strcmp(e->kind, kind) < 0); i < s->n_probes; i++) {
		const struct snap_probe *p = &s->probes[i];

		if (strcmp(p->kind, kind) != 0)
			break;
		if (p->ifindex == ifindex && p->why[0] == '\0' && (target ? ip_eq(&p->target, target) : !ip_is_set(&p->target)))
			return p;
	}
	return NULL;
}

const char *snap_unread(const struct snapshot *s, const char *part)
{
	for (size_t i = 0; i < s->n_unread; i++) {
		if (strcmp(s->unread[i].part, part) == 0)
			return s->unread[i].why;
	}
	return NULL;
}
