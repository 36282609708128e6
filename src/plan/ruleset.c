/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset - the firewall of all networks, as text and as elements
 *
 * What networks, forwards and guards are as elements, and what differs. The
 * tables they go into are plan/schema.c's, their words plan/ruleset_text.c's.
 */
#include "plan/ruleset.h"

#include <assert.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include "base/fnv.h"
#include "plan/ruleset_text.h"
#include "plan/schema.h"

bool ruleset_set_by_device(uint8_t family, const char *set)
{
	const struct schema_set *s = schema_set_find(family, set);

	return s && s->key[0] == FIELD_IFNAME;
}

/* ---- elements ---- */

struct builder {
	struct arena *arena;
	uint8_t family;
	struct nft_elem *elems;
	size_t n, cap;
};

/* Append one field, padded. Both keys get it; a range's end overwrites the second afterwards. */
static void key_put(struct nft_elem *e, enum schema_field field, const void *value)
{
	assert((size_t)e->key_len + schema_fields[field].padded <= sizeof(e->key));
	memcpy(e->key + e->key_len, value, schema_fields[field].size);
	memcpy(e->key_end + e->key_len, value, schema_fields[field].size);
	e->key_len = (uint8_t)(e->key_len + schema_fields[field].padded);
}

static void key_ifname(struct nft_elem *e, const char *name)
{
	char b[16] = { 0 };

	(void)str_copy(b, sizeof(b), name);
	key_put(e, FIELD_IFNAME, b);
}

static void key_port(struct nft_elem *e, uint16_t port)
{
	uint8_t b[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	key_put(e, FIELD_PORT, b);
}

static void key_ip(struct nft_elem *e, const struct ip *ip)
{
	key_put(e, ip->family == AF_INET ? FIELD_IP4 : FIELD_IP6, ip->b);
}

/* All of a prefix: only in sets with intervals. */
static void key_prefix(struct nft_elem *e, const struct prefix *p)
{
	struct ip first = prefix_network(p), last = prefix_last(p);
	uint8_t at = e->key_len;

	key_ip(e, &first);
	memcpy(e->key_end + at, last.b, ip_size(&last));
}

/* A zeroed element; elem_done() follows. */
static struct nft_elem *elem_begin(struct builder *b, const char *set)
{
	ARENA_GROW(b->arena, b->elems, b->n, b->cap);
	struct nft_elem *e = &b->elems[b->n++];
	*e = (struct nft_elem){ .set = set };
	return e;
}

static void elem_done(const struct builder *b, struct nft_elem *e)
{
	const struct schema_set *s = schema_set_find(b->family, e->set);
	size_t len = 0;

	assert(s);
	for (const enum schema_field *f = s->key; *f != FIELD_END; f++)
		len += schema_fields[*f].padded;
	assert(len == e->key_len);
	assert((s->data == DATA_VERDICT) == (e->verdict != NFT_VERDICT_NONE));
	if (s->interval)
		e->key_end_len = e->key_len;
	else
		memset(e->key_end, 0, sizeof(e->key_end));
}

static void add_devices(struct builder *b, const char *set, const char *first, const char *second)
{
	struct nft_elem *e = elem_begin(b, set);

	key_ifname(e, first);
	if (second)
		key_ifname(e, second);
	elem_done(b, e);
}

static void add_verdict(struct builder *b, const char *set, const char *device, const char *chain)
{
	struct nft_elem *e = elem_begin(b, set);

	key_ifname(e, device);
	e->verdict = NFT_VERDICT_GOTO;
	(void)str_copy(e->chain, sizeof(e->chain), chain);
	elem_done(b, e);
}

static void add_address(struct builder *b, const char *set4, const char *set6, const char *device, const struct ip *ip)
{
	struct nft_elem *e = elem_begin(b, ip->family == AF_INET ? set4 : set6);

	key_ifname(e, device);
	key_ip(e, ip);
	elem_done(b, e);
}

/* The kernel refuses intervals that overlap: of a network's prefixes, those inside another one say nothing new. */
static bool prefix_is_covered(const struct prefix *list, size_t n, size_t i)
{
	const struct ip ip = prefix_network(&list[i]);

	for (size_t j = 0; j < n; j++) {
		if (j == i || list[j].ip.family != ip.family || list[j].len > list[i].len || !prefix_contains(&list[j], &ip))
			continue;
		if (list[j].len < list[i].len || j < i)
			return true;
	}
	return false;
}

static void add_prefixes(struct builder *b, const char *set4, const char *set6, const char *device, const struct prefix *list,
			 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (prefix_is_covered(list, n, i))
			continue;
		struct nft_elem *e = elem_begin(b, list[i].ip.family == AF_INET ? set4 : set6);

		key_ifname(e, device);
		key_prefix(e, &list[i]);
		elem_done(b, e);
	}
}

/* ---- forwards ---- */

/* Names of the sets of a forward: [family is IPv6][host address given]. */
static const char *const dnat_sets[2][2] = { { "dnat4", "dnat4_at" }, { "dnat6", "dnat6_at" } };
static const char *const dnat_from_sets[2][2] = { { "dnat4_from", "dnat4_at_from" }, { "dnat6_from", "dnat6_at_from" } };
static const char *const from_sets[2][2] = { { "from4", "from4_at" }, { "from6", "from6_at" } };

static void key_forward(struct nft_elem *e, const struct ruleset_forward *f, uint16_t port)
{
	key_put(e, FIELD_PROTO, &f->proto);
	key_port(e, port);
	if (ip_is_set(&f->host))
		key_ip(e, &f->host);
}

static void add_forward(struct builder *b, const struct ruleset_forward *f)
{
	bool six = f->target.family == AF_INET6, at = ip_is_set(&f->host);
	struct nft_elem *e;

	for (uint32_t port = f->host_first; port <= f->host_last; port++) {
		if (at || f->n_from > 0) {
			e = elem_begin(b, "narrowed");
			key_put(e, FIELD_PROTO, &f->proto);
			key_port(e, (uint16_t)port);
			elem_done(b, e);
		}
		e = elem_begin(b, (f->n_from > 0 ? dnat_from_sets : dnat_sets)[six][at]);
		uint16_t to = (uint16_t)(f->guest_first + (port - f->host_first));
		uint8_t n = (uint8_t)ip_size(&f->target);

		key_forward(e, f, (uint16_t)port);
		memcpy(e->data, f->target.b, n);
		e->data[n] = (uint8_t)(to >> 8);
		e->data[n + 1] = (uint8_t)to;
		e->data_len = (uint8_t)(n + 4);
		elem_done(b, e);
		for (size_t i = 0; i < f->n_from; i++) {
			if (f->from[i].ip.family != f->target.family || prefix_is_covered(f->from, f->n_from, i))
				continue;
			e = elem_begin(b, from_sets[six][at]);
			key_forward(e, f, (uint16_t)port);
			key_prefix(e, &f->from[i]);
			elem_done(b, e);
		}
	}
}

/* ---- networks ---- */

#define NAT_PORT_FIRST 50000	/* conf/'s default */
#define NAT_PORT_LAST 65535

static int snat_cmp(const struct snat *a, const struct snat *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last < b->last ? -1 : 1;
	int c = ip_cmp(&a->address4, &b->address4);
	return c ? c : ip_cmp(&a->address6, &b->address6);
}

static int snat_qsort(const void *a, const void *b)
{
	return snat_cmp(a, b);
}

static struct snat snat_of(const struct ruleset_network *n)
{
	return (struct snat){ n->nat_port_first, n->nat_port_last, n->nat_address4, n->nat_address6 };
}

/*
 * Distinct settings in a stable order. The plain one and the configuration's
 * default are always among them, so that networks which come and go don't
 * change the structure.
 */
static struct snat *snats_of(struct arena *arena, const struct ruleset_network *nets, size_t n, size_t *ret_n)
{
	struct snat *list = arena_alloc(arena, n + 2, sizeof(*list));
	size_t used = 0;

	list[used++] = (struct snat){ 0 };
	list[used++] = (struct snat){ .first = NAT_PORT_FIRST, .last = NAT_PORT_LAST };
	for (size_t i = 0; i < n; i++) {
		if (!nets[i].nat4 && !nets[i].nat6)
			continue;
		list[used++] = snat_of(&nets[i]);
	}
	qsort(list, used, sizeof(*list), snat_qsort);
	*ret_n = 1;
	for (size_t i = 1; i < used; i++)
		if (snat_cmp(&list[i], &list[*ret_n - 1]) != 0)
			list[(*ret_n)++] = list[i];
	return list;
}

static void add_nat(struct builder *b, const struct ruleset_network *n)
{
	const struct snat mine = snat_of(n);
	char chain[CHAIN_NAME];

	(void)snat_chain_name(&mine, chain);
	if (n->nat4)
		add_verdict(b, "snat4", n->device, chain);
	if (n->nat6)
		add_verdict(b, "snat6", n->device, chain);
}

static void add_family(struct builder *b, const struct ruleset_network *n, const struct prefix *gateway)
{
	add_address(b, "gateway4", "gateway6", n->device, &gateway->ip);
	if (n->dns)
		add_address(b, "dns4", "dns6", n->device, &gateway->ip);
}

static void add_network(struct builder *b, const struct ruleset_network *n)
{
	static const char *const host[HOST_ACCESS_N_] = {
		[HOST_ACCESS_YES] = "host_yes",
		[HOST_ACCESS_SERVICES] = "host_services",
		[HOST_ACCESS_NO] = "host_no",
	};
	bool isolated = n->mode == NET_MODE_ISOLATED;
	struct prefix own[SERVICE_DRAINS + 2];
	size_t n_own = 0;
	struct ip link_local = ip6(n->link_local);

	add_devices(b, "nets", n->device, NULL);
	add_devices(b, "same", n->device, n->device);
	add_verdict(b, "input_from", n->device, host[n->host_access]);
	if (isolated && n->host_access != HOST_ACCESS_YES)
		add_verdict(b, "output_to", n->device,
			    n->host_access == HOST_ACCESS_SERVICES ? "guest_answers" : "guest_no");
	add_verdict(b, "forward_from", n->device,
		    isolated ? "from_isolated" : n->uplink ? "from_nat_by_uplink" : "from_nat");
	add_verdict(b, "forward_out", n->device,
		    isolated ? "from_isolated" : n->uplink ? "from_nat_by_uplink" : "from_nat_out");
	add_verdict(b, "forward_to", n->device, isolated ? "to_isolated" : "to_nat");
	if (n->uplink && !isolated)
		add_devices(b, "uplinks", n->device, n->uplink);
	if (ip_is_set(&n->gateway4.ip))
		own[n_own++] = n->gateway4;
	if (ip_is_set(&n->gateway6.ip))
		own[n_own++] = n->gateway6;
	for (size_t i = 0; i < n->n_drains; i++)
		own[n_own++] = n->drains[i];
	for (size_t i = 0; i < n_own; i++)
		add_family(b, n, &own[i]);
	add_prefixes(b, "own4", "own6", n->device, own, n_own);
	add_prefixes(b, "plain4", "plain6", n->device, n->plain, n->n_plain);
	if (ip_is_set(&n->gateway6.ip))
		add_address(b, "gateway4", "gateway6", n->device, &link_local);
	if (isolated)
		return;
	add_nat(b, n);
	for (size_t i = 0; i < n->n_forwards; i++)
		add_forward(b, &n->forwards[i]);
}

static void add_reflection(struct builder *b, const struct ruleset_network *n)
{
	for (size_t i = 0; i < n->n_reflecting; i++)
		add_devices(b, "reflecting", n->reflecting[i], n->reflecting[i]);
	for (size_t i = 0; i < n->n_forwards && n->n_reflecting > 0; i++) {
		struct nft_elem *e = elem_begin(b, "selves");

		key_put(e, FIELD_MAC, n->forwards[i].mac.b);
		key_put(e, FIELD_MAC, n->forwards[i].mac.b);
		elem_done(b, e);
	}
}

/* ---- guards ---- */

static void key_u32(struct nft_elem *e, enum schema_field field, uint32_t v)
{
	key_put(e, field, &v);
}

static void add_device_mac(struct builder *b, const char *set, const char *device, const struct mac *mac, const uint32_t *mark)
{
	struct nft_elem *e = elem_begin(b, set);

	key_ifname(e, device);
	key_put(e, FIELD_MAC, mac->b);
	if (mark) {
		memcpy(e->data, mark, sizeof(*mark));
		e->data_len = sizeof(*mark);
	}
	elem_done(b, e);
}

/* Twice, as not every kernel looks a key up in a map without taking the value. */
static void add_mac(struct builder *b, const char *device, const struct mac *mac, uint32_t mark)
{
	add_device_mac(b, "macs", device, mac, NULL);
	add_device_mac(b, "marks", device, mac, &mark);
}

static void add_nft_port(struct builder *b, const struct ruleset_network *n, const struct ruleset_port *port)
{
	struct nft_elem *e = elem_begin(b, "nets_of");

	key_ifname(e, port->name);
	memcpy(e->data, &n->group, sizeof(n->group));
	e->data_len = sizeof(n->group);
	elem_done(b, e);
	add_verdict(b, "guarded", port->name, "guard");
	if (mac_is_zero(&port->mac))
		return;
	add_devices(b, "known", port->name, NULL);
	add_mac(b, port->name, &port->mac, n->group);
}

static void add_owner(struct builder *b, uint32_t group, const struct ruleset_owner *owner)
{
	bool six = owner->ip.family == AF_INET6;
	enum schema_field ip = six ? FIELD_RAW6 : FIELD_IP4;
	struct nft_elem *e = elem_begin(b, six ? "owned6" : "owned4");

	key_u32(e, FIELD_MARK, group);
	key_put(e, ip, owner->ip.b);
	elem_done(b, e);
	e = elem_begin(b, six ? "owners6" : "owners4");
	key_u32(e, FIELD_MARK, group);
	key_put(e, ip, owner->ip.b);
	key_put(e, FIELD_MAC, owner->mac.b);
	elem_done(b, e);
}

static void add_bpf_port(struct builder *b, const struct ruleset_network *n, const struct ruleset_port *port)
{
	struct nft_elem *e = elem_begin(b, "port");

	key_u32(e, FIELD_INDEX, port->ifindex);
	memcpy(e->data, &n->group, sizeof(n->group));
	memcpy(e->data + sizeof(n->group), port->mac.b, sizeof(port->mac.b));
	e->data_len = GUARD_PORT_DATA;
	elem_done(b, e);
	e = elem_begin(b, "attached");
	key_u32(e, FIELD_INDEX, port->ifindex);
	elem_done(b, e);
}

static void add_bpf_owner(struct builder *b, const struct ruleset_network *n, const struct ruleset_owner *owner)
{
	struct nft_elem *e = elem_begin(b, "owner");
	uint8_t ip[16] = { [10] = 0xff, 0xff };

	if (owner->ip.family == AF_INET6)
		memcpy(ip, owner->ip.b, sizeof(ip));
	else
		memcpy(ip + 12, owner->ip.b, 4);
	key_u32(e, FIELD_MARK, n->group);
	key_put(e, FIELD_IP6, ip);
	memcpy(e->data, owner->mac.b, sizeof(owner->mac.b));
	e->data_len = GUARD_OWNER_DATA;
	elem_done(b, e);
}

static void add_port(struct builder *bridge, struct builder *guard, const struct ruleset_network *n,
		     const struct ruleset_port *port)
{
	if (n->guarded_by_bpf)
		add_bpf_port(guard, n, port);
	else
		add_nft_port(bridge, n, port);
}

static void add_guard(struct builder *bridge, struct builder *guard, const struct ruleset_network *n)
{
	for (size_t i = 0; n->guarded && i < n->n_ports; i++)
		add_port(bridge, guard, n, &n->ports[i]);
	for (size_t i = 0; n->guarded && i < n->n_owners; i++) {
		if (n->guarded_by_bpf)
			add_bpf_owner(guard, n, &n->owners[i]);
		else
			add_owner(bridge, n->group, &n->owners[i]);
	}
}

/* ---- the whole ---- */

/* Equal keys by what they lead to, so that the outcome doesn't hang on qsort(). */
static int qsort_elem(const void *a, const void *b)
{
	const struct nft_elem *x = a, *y = b;
	int c = nft_elem_cmp(x, y);

	return c ? c : memcmp(x->data, y->data, sizeof(x->data));
}

static int qsort_chain(const void *a, const void *b)
{
	return strcmp(((const struct w_chain *)a)->name, ((const struct w_chain *)b)->name);
}

/* Sorted, each key once. */
static size_t elems_sort(struct nft_elem *elems, size_t n)
{
	size_t used = 0;

	if (n == 0)
		return 0;
	qsort(elems, n, sizeof(*elems), qsort_elem);
	for (size_t i = 0; i < n; i++)
		if (used == 0 || nft_elem_cmp(&elems[used - 1], &elems[i]) != 0)
			elems[used++] = elems[i];
	return used;
}

/*
 * An element that was made for a network we know nothing of now. When it has a
 * translation chain of its own and the table is replaced, the plain translation
 * stands in for that.
 */
static void add_kept(struct builder *b, const struct nft_elem *kept, const struct snat *snats, size_t n_snats)
{
	char name[CHAIN_NAME];
	bool known = kept->verdict != NFT_VERDICT_GOTO;

	if (!schema_set_find(b->family, kept->set))
		return;
	for (size_t i = 0; i < schema_n_chains && !known; i++)
		known = schema_chains[i].family == b->family && str_eq(schema_chains[i].name, kept->chain);
	for (size_t i = 0; i < n_snats && !known; i++)
		known = str_eq(snat_chain_name(&snats[i], name), kept->chain);
	struct nft_elem *e = elem_begin(b, kept->set);
	*e = *kept;
	if (!known)
		(void)str_copy(e->chain, sizeof(e->chain), "snat_any");
}

static void render(struct arena *arena, struct builder *b, const struct ruleset_extra *extra, bool guard, bool present,
		   struct ruleset_table *ret)
{
	struct w_table *t = &ret->table;

	*ret = (struct ruleset_table){ .table = { .present = present, .family = b->family }, .structure = "" };
	if (!present)
		return;
	ret->structure = ruleset_structure(arena, t, guard, extra);
	qsort(t->chains, t->n_chains, sizeof(*t->chains), qsort_chain);
	t->comment = arena_printf(arena, "sixtap %016" PRIx64, fnv64(FNV64_BASIS, ret->structure, strlen(ret->structure)));
	t->n_elems = elems_sort(b->elems, b->n);
	t->elems = b->elems;
}

void ruleset_forward_elems(struct arena *arena, const struct ruleset_forward *forward, const struct nft_elem **ret,
			   size_t *ret_n)
{
	struct builder b = { .arena = arena, .family = NFPROTO_INET };

	add_forward(&b, forward);
	*ret_n = elems_sort(b.elems, b.n);
	*ret = b.elems;
}

uint8_t ruleset_port_elems(struct arena *arena, const struct ruleset_network *network, const struct ruleset_port *port,
			   const struct nft_elem **ret, size_t *ret_n)
{
	struct builder b = { .arena = arena, .family = network->guarded_by_bpf ? GUARD_FAMILY : NFPROTO_BRIDGE };

	add_port(&b, &b, network, port);
	*ret_n = elems_sort(b.elems, b.n);
	*ret = b.elems;
	return b.family;
}

void ruleset_make(struct arena *arena, const struct ruleset_network *networks, size_t n,
		  const struct ruleset_kept *kept, struct ruleset *ret)
{
	struct builder inet = { .arena = arena, .family = NFPROTO_INET };
	struct builder bridge = { .arena = arena, .family = NFPROTO_BRIDGE };
	struct builder guard = { .arena = arena, .family = GUARD_FAMILY };
	bool in_nft = false;
	size_t n_snats = 0;
	const struct snat *snats = snats_of(arena, networks, n, &n_snats);

	for (size_t i = 0; i < n; i++) {
		add_network(&inet, &networks[i]);
		add_reflection(&bridge, &networks[i]);
		add_guard(&bridge, &guard, &networks[i]);
		in_nft |= networks[i].guarded && !networks[i].guarded_by_bpf;
	}
	for (size_t i = 0; i < kept->n_inet; i++)
		add_kept(&inet, &kept->inet[i], snats, n_snats);
	for (size_t i = 0; i < kept->n_bridge; i++) {
		const struct schema_set *set = schema_set_find(NFPROTO_BRIDGE, kept->bridge[i].set);

		add_kept(&bridge, &kept->bridge[i], NULL, 0);
		in_nft |= set && set->guard;
	}
	render(arena, &inet, &(struct ruleset_extra){ .snats = snats, .n_snats = n_snats }, false, inet.n > 0, &ret->inet);
	render(arena, &bridge, &(struct ruleset_extra){ 0 }, in_nft, bridge.n > 0, &ret->bridge);
	ret->guard = (struct ruleset_table){ .table = { .present = true, .family = GUARD_FAMILY, .elems = guard.elems } };
	ret->guard.table.n_elems = elems_sort(guard.elems, guard.n);
}

/* ---- macvtap ---- */

static void add_hook(struct builder *b, struct ruleset_extra *extra, size_t *cap, const char *device, const char *chain)
{
	if (!ruleset_ifname_is_plain(device))
		return;
	ARENA_GROW(b->arena, extra->hooks, extra->n_hooks, *cap);
	extra->hooks[extra->n_hooks++] = (struct ruleset_hook){ device, chain };
}

static int qsort_hook(const void *a, const void *b)
{
	return strcmp(((const struct ruleset_hook *)a)->device, ((const struct ruleset_hook *)b)->device);
}

void ruleset_make_netdev(struct arena *arena, const struct ruleset_macvtap *networks, size_t n, struct ruleset_table *ret)
{
	struct builder b = { .arena = arena, .family = NFPROTO_NETDEV };
	struct ruleset_extra extra = { 0 };
	bool guard = false;
	size_t cap = 0;

	for (size_t i = 0; i < n; i++) {
		const struct ruleset_macvtap *net = &networks[i];

		if (net->host)
			add_hook(&b, &extra, &cap, net->host, "host");
		for (size_t k = 0; k < net->n_ports; k++) {
			const struct ruleset_port *port = &net->ports[k];

			if (net->host)
				add_device_mac(&b, "guests", net->host, &port->mac, NULL);
			if (!net->guarded)
				continue;
			guard = true;
			add_hook(&b, &extra, &cap, port->name, "guard");
			add_mac(&b, port->name, &port->mac, net->group);
		}
		for (size_t k = 0; net->guarded && net->n_ports > 0 && k < net->n_owners; k++)
			add_owner(&b, net->group, &net->owners[k]);
	}
	if (extra.n_hooks > 1)
		qsort(extra.hooks, extra.n_hooks, sizeof(*extra.hooks), qsort_hook);
	render(arena, &b, &extra, guard, extra.n_hooks > 0, ret);
}

/* ---- differences ---- */

bool ruleset_same_structure(const struct w_table *have, const struct w_table *want)
{
	if (have->present != want->present)
		return false;
	if (!want->present)
		return true;
	if (have->replaced || !str_eq(have->comment, want->comment) || have->n_chains != want->n_chains)
		return false;
	for (size_t i = 0; i < have->n_chains; i++)
		if (!str_eq(have->chains[i].name, want->chains[i].name) ||
		    have->chains[i].n_rules != want->chains[i].n_rules)
			return false;
	return true;
}

void ruleset_diff(struct arena *arena, const struct w_table *have, const struct w_table *want,
		  const struct nft_elem **ret_del, size_t *ret_n_del, const struct nft_elem **ret_add,
		  size_t *ret_n_add)
{
	struct nft_elem *del = NULL, *add = NULL;
	size_t n_del = 0, n_add = 0, cap_del = 0, cap_add = 0, h = 0, w = 0;

	while (h < have->n_elems || w < want->n_elems) {
		int c = h == have->n_elems ? 1 : w == want->n_elems ? -1
						: nft_elem_cmp(&have->elems[h], &want->elems[w]);

		if (c == 0 && nft_elem_same(&have->elems[h], &want->elems[w])) {
			h++;
			w++;
			continue;
		}
		if (c <= 0) {
			if (schema_set_find(want->family, have->elems[h].set)) {
				ARENA_GROW(arena, del, n_del, cap_del);
				del[n_del++] = have->elems[h];
			}
			h++;
		}
		if (c >= 0) {
			ARENA_GROW(arena, add, n_add, cap_add);
			add[n_add++] = want->elems[w++];
		}
	}
	*ret_del = del;
	*ret_n_del = n_del;
	*ret_add = add;
	*ret_n_add = n_add;
}
