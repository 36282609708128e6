/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot - made, tidied, freed
 *
 * snapshot_finish() is what makes one out of what readers appended: no NULL
 * where a text belongs, nothing in a text that a terminal would obey, arrays in
 * the order that the lookups of snap_find.c want.
 */
#include "diag/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/utf8.h"
#include "diag/snap_fields.h"
#include "diag/snap_read.h"

struct snapshot *snapshot_new(void)
{
	struct arena *arena = arena_new();
	struct snapshot *s = ARENA_NEW(arena, struct snapshot);

	s->arena = arena;
	s->version = SNAPSHOT_VERSION;
	return s;
}

struct snapshot *snapshot_free(struct snapshot *s)
{
	if (s)
		arena_free(s->arena);
	return NULL;
}

void snapshot_add_unread(struct snapshot *s, const char *part, const char *subject, const char *fmt, ...)
{
	struct snap_unread *u = SNAP_ADD(s, unread);
	va_list ap;

	va_start(ap, fmt);
	u->why = arena_vprintf(s->arena, fmt, ap);
	va_end(ap);
	u->part = part;
	u->subject = arena_strdup(s->arena, subject);
}

/* ----------------------------------------------------------------------- texts */

bool snap_is_clean(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		uint32_t c;
		size_t n = utf8_decode(text, left, &c);

		if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0))
			return false;
		text += n;
		left -= n;
	}
	return true;
}

const char *snap_text_copy(struct snapshot *s, const char *text)
{
	char *copy = arena_strdup(s->arena, text);
	size_t left = strlen(copy);

	for (char *p = copy; left > 0;) {
		uint32_t c;
		size_t n = utf8_decode(p, left, &c);
		bool bad = n == 0 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);

		if (n == 0)
			n = 1;
		if (bad)
			memset(p, '?', n);
		p += n;
		left -= n;
	}
	return copy;
}

static void tidy(struct snapshot *s, const struct snap_struct *of, uint8_t *at)
{
	for (size_t i = 0; i < of->n_fields; i++) {
		const struct snap_field *f = &of->fields[i];
		void *p = at + f->offset;

		if (f->type == SNAP_STR) {
			const char **text = p;

			if (!*text)
				*text = "";
			else if (!snap_is_clean(*text))
				*text = snap_text_copy(s, *text);
		} else if (f->type == SNAP_BYTES) {
			struct snap_bytes *b = p;

			if (!b->p)
				b->p = (const uint8_t *)"";
		} else if (f->type == SNAP_STRUCT) {
			tidy(s, f->of, p);
		} else if (f->type == SNAP_ARRAY && f->of) {
			uint8_t *elems = *(uint8_t **)p;
			size_t n = *(size_t *)(void *)(at + f->count);

			for (size_t j = 0; j < n; j++)
				tidy(s, f->of, elems + j * f->of->size);
		}
	}
}

/* --------------------------------------------------------------------- sorting */

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))
/* The next key decides only when those before it don't. */
#define KEY(value)            \
	do {                  \
		int r_ = (value); \
		if (r_)       \
			return r_; \
	} while (0)

/* A comparison of two elements of a type, as qsort() wants it. */
#define ORDER(name, type, ...)                          \
	static int name(const void *pa, const void *pb) \
	{                                               \
		const type *a = pa, *b = pb;            \
		__VA_ARGS__                             \
		return 0;                               \
	}
#define BY(m) KEY(CMP(a->m, b->m));
#define BY_TEXT(m) KEY(strcmp(a->m, b->m));
#define BY_MAC(m) KEY(memcmp(&a->m, &b->m, sizeof(a->m)));
#define BY_IP(m) KEY(ip_cmp(&a->m, &b->m));

ORDER(by_ifindex, struct snap_link, BY(ifindex))
ORDER(by_addr, struct snap_addr, BY(ifindex) BY_IP(prefix.ip) BY(prefix.len))
ORDER(by_route, struct snap_route, BY(dst.ip.family) BY(table) KEY(CMP(b->dst.len, a->dst.len)); BY_IP(dst.ip) BY(metric)
      BY(nh_id) BY(oif) BY(nexthop))
ORDER(by_neigh, struct snap_neigh, BY(ifindex) BY_IP(ip))
ORDER(by_proxy, struct snap_proxy, BY(ifindex) BY_IP(ip))
ORDER(by_neigh_table, struct snap_neigh_table, BY(family) BY(ifindex))
ORDER(by_fdb, struct snap_fdb, BY(bridge) BY_MAC(mac) BY(vlan) BY(port))
ORDER(by_mdb, struct snap_mdb, BY(bridge) BY_IP(group) BY_MAC(mac) BY(vlan) BY(port))
ORDER(by_mdb_router, struct snap_mdb_router, BY(bridge) BY(port))
ORDER(by_vlan, struct snap_vlan, BY(ifindex) BY(vid))
ORDER(by_mcast, struct snap_mcast, BY(ifindex) BY_MAC(mac))
ORDER(by_group, struct snap_group, BY(ifindex) BY_IP(ip))
ORDER(by_sysctl, struct snap_sysctl, BY_TEXT(path))
ORDER(by_counter, struct snap_counter, BY(ifindex) BY_TEXT(name))
ORDER(by_manager, struct snap_manager, BY(ifindex) BY_TEXT(manager))
ORDER(by_program, struct snap_program, BY_TEXT(name) BY(pid))
ORDER(by_text, struct snap_text, BY_TEXT(path))
ORDER(by_listener, struct snap_listener, BY(proto) BY(port) BY_IP(ip) BY(ifindex))
ORDER(by_tap_node, struct snap_tap_node, BY(ifindex))
ORDER(by_table, struct snap_table, BY(family) BY_TEXT(name))
ORDER(by_chain, struct snap_chain, BY_TEXT(name))
ORDER(by_set, struct snap_set, BY_TEXT(name))
ORDER(by_legacy, struct snap_legacy, BY(family) BY_TEXT(name))
ORDER(by_guest, struct snap_guest, BY_TEXT(name))
ORDER(by_nic, struct snap_nic, BY_TEXT(guest) BY_TEXT(device) BY_MAC(mac))
ORDER(by_guest_addr, struct snap_guest_addr, BY_TEXT(guest) BY_IP(ip) BY_TEXT(source))
ORDER(by_network, struct snap_network, BY_TEXT(name))
ORDER(by_forward, struct snap_forward, BY_TEXT(network) BY_TEXT(guest) BY_TEXT(spec))
ORDER(by_lease, struct snap_lease, BY_TEXT(network) BY_IP(ip))
ORDER(by_libvirt_net, struct snap_libvirt_net, BY_TEXT(name))
ORDER(by_probe, struct snap_probe, BY_TEXT(kind) BY(ifindex) BY_IP(target))
ORDER(by_hook, struct snap_hook, BY_TEXT(name) BY_TEXT(path))

static int by_elem(const void *pa, const void *pb)
{
	const struct snap_elem *a = pa, *b = pb;
	uint32_t n = a->key.n < b->key.n ? a->key.n : b->key.n;

	KEY(CMP(a->catchall, b->catchall));
	if (n > 0)
		KEY(memcmp(a->key.p, b->key.p, n));
	return CMP(a->key.n, b->key.n);
}

/* Leaves what is in order as it is: elements of equal keys stay where a file has them. */
static void sort(void *elems, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	const uint8_t *p = elems;

	for (size_t i = 1; i < n; i++) {
		if (cmp(p + (i - 1) * size, p + i * size) > 0) {
			qsort(elems, n, size, cmp);
			return;
		}
	}
}

#define SORT(o, field, cmp) sort((o)->field, (o)->n_##field, sizeof((o)->field[0]), (cmp))

void snapshot_finish(struct snapshot *s)
{
	tidy(s, &snap_struct_snapshot, (uint8_t *)s);
	SORT(s, links, by_ifindex);
	SORT(s, addrs, by_addr);
	SORT(s, routes, by_route);
	SORT(s, neighs, by_neigh);
	SORT(s, proxies, by_proxy);
	SORT(s, neigh_tables, by_neigh_table);
	SORT(s, fdb, by_fdb);
	SORT(s, mdb, by_mdb);
	SORT(s, mdb_routers, by_mdb_router);
	SORT(s, vlans, by_vlan);
	SORT(s, mcasts, by_mcast);
	SORT(s, groups, by_group);
	SORT(s, anycasts, by_group);
	SORT(s, sysctls, by_sysctl);
	SORT(s, counters, by_counter);
	SORT(s, managers, by_manager);
	SORT(s, programs, by_program);
	SORT(s, texts, by_text);
	SORT(s, listeners, by_listener);
	SORT(s, tap_nodes, by_tap_node);
	SORT(s, tables, by_table);
	for (size_t i = 0; i < s->n_tables; i++) {
		struct snap_table *t = &s->tables[i];

		SORT(t, chains, by_chain);
		SORT(t, sets, by_set);
		for (size_t j = 0; j < t->n_sets; j++)
			SORT(&t->sets[j], elems, by_elem);
	}
	SORT(s, legacy, by_legacy);
	SORT(s, guests, by_guest);
	SORT(s, nics, by_nic);
	SORT(s, guest_addrs, by_guest_addr);
	SORT(s, networks, by_network);
	SORT(s, forwards, by_forward);
	SORT(s, leases, by_lease);
	SORT(s, libvirt_nets, by_libvirt_net);
	SORT(s, hooks, by_hook);
	SORT(s, probes, by_probe);
}
