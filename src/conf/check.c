/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check - what can be judged only when every network is known
 *
 * Derives what the file leaves out (ULAs, MACs), in the order of names so that
 * the order of files doesn't matter, then looks for things used twice. Each
 * search sorts once and walks, so that thousands of guests cost no more than
 * the sort. Of two that clash, the later in the files gets the finding.
 */
#include "conf/read.h"

#include "base/hash.h"
#include "conf/forward.h"

#define SUBNETS 65536u		/* of a ULA's 48 bit prefix, RFC 4193 3.1 */

static int cmp_uint(unsigned int a, unsigned int b)
{
	return a < b ? -1 : a > b;
}

static int cmp_where(const struct where *a, const struct where *b)
{
	int c = strcmp(a->file, b->file);

	if (c == 0)
		c = cmp_uint(a->line, b->line);
	return c ? c : cmp_uint(a->column, b->column);
}

static const char *guest_path(struct conf *c, const struct draft *d, const struct d_guest *g)
{
	return arena_printf(c->scratch, "%s.guests.%s", d->path, g->name);
}

static int cmp_draft(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;
	int c = strcmp(a->net->name, b->net->name);

	return c ? c : cmp_where(&a->net->where, &b->net->where);
}

/* Sorts the networks by name as well. The first of a name stays, for the other checks. */
static void check_names(struct conf *c)
{
	size_t kept = 0;

	if (c->n_drafts > 1)
		qsort(c->drafts, c->n_drafts, sizeof(*c->drafts), cmp_draft);
	for (size_t i = 0; i < c->n_drafts; i++) {
		struct draft *d = &c->drafts[i], *first = kept > 0 ? &c->drafts[kept - 1] : NULL;

		if (first && str_eq(first->net->name, d->net->name))
			report_help(conf_error(c, &d->net->where, d->path, "this network is in two files"),
				    "it is in %s:%u too: keep one of them", first->net->where.file, first->net->where.line);
		else
			c->drafts[kept++] = *d;
	}
	c->n_drafts = kept;
}

/* A value that only one may have. */
struct use {
	struct where where;
	const char *path;
	const struct draft *draft;
	struct mac mac;
	struct ip ip;
	const char *name;
	struct prefix prefix;
	const struct d_forward *forward;
	bool reported;
};

struct uses {
	struct use *v;
	size_t n, cap;
};

static struct use *add_use(struct uses *uses, const struct draft *d, const struct where *where, const char *path)
{
	GROW(uses->v, uses->n, uses->cap);
	uses->v[uses->n] = (struct use){ .where = *where, .path = path, .draft = d };
	return &uses->v[uses->n++];
}

static void free_uses(struct uses *uses)
{
	free(uses->v);
}

static int cmp_mac(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = memcmp(a->mac.b, b->mac.b, sizeof(a->mac.b));

	return c ? c : cmp_where(&a->where, &b->where);
}

static int cmp_ip(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = ip_cmp(&a->ip, &b->ip);

	return c ? c : cmp_where(&a->where, &b->where);
}

static int cmp_name(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = strcmp(a->name, b->name);

	return c ? c : cmp_where(&a->where, &b->where);
}

static int cmp_prefix(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	struct ip na = prefix_network(&a->prefix), nb = prefix_network(&b->prefix);
	int c = ip_cmp(&na, &nb);

	if (c == 0)
		c = cmp_uint(a->prefix.len, b->prefix.len);
	return c ? c : cmp_where(&a->where, &b->where);
}

static int cmp_forward(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = cmp_uint(a->forward->proto, b->forward->proto);

	if (c == 0)
		c = cmp_uint(a->forward->host_first, b->forward->host_first);
	return c ? c : cmp_where(&a->where, &b->where);
}

static void sort_uses(struct uses *uses, int (*cmp)(const void *, const void *))
{
	if (uses->n > 1)
		qsort(uses->v, uses->n, sizeof(*uses->v), cmp);
}

/* "networks.lan.guests.web (lan.yaml:9)" */
static const char *name_use(struct conf *c, const struct use *use)
{
	return arena_printf(c->scratch, "%s (%s:%u)", use->path, use->where.file, use->where.line);
}

static void check_bridges(struct conf *c)
{
	_cleanup_(free_uses) struct uses uses = { 0 };

	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];
		struct d_network *net = d->net;

		if (!d->usable)
			continue;
		add_use(&uses, d, &net->bridge_where, conf_path(c, d->path, "bridge"))->name = net->bridge;
		if (str_eq(net->uplink, net->bridge))
			report_help(conf_error(c, &net->uplink_where, conf_path(c, d->path, "uplink"),
					       "%s is this network's own bridge", net->uplink),
				    "name the device that leads outside, or auto");
	}
	sort_uses(&uses, cmp_name);
	for (size_t i = 1; i < uses.n; i++)
		if (str_eq(uses.v[i - 1].name, uses.v[i].name))
			report_help(conf_error(c, &uses.v[i].where, uses.v[i].path, "device %s is also the bridge of %s",
					       uses.v[i].name, uses.v[i - 1].draft->path),
				    "each network needs its own: bridge: NAME");
}

/* Both families: sorted by first address, so that what overlaps follows what it overlaps with. */
static void check_overlaps(struct conf *c)
{
	_cleanup_(free_uses) struct uses uses = { 0 };
	const struct use *widest = NULL;

	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];

		if (!d->usable)
			continue;
		if (ip_is_set(&d->net->address4.ip))
			add_use(&uses, d, &d->address4_where, conf_path(c, d->path, "ipv4.address"))->prefix = d->net->address4;
		if (d->net->ipv6 == IP6_SOURCE_STATIC && ip_is_set(&d->net->address6.ip))
			add_use(&uses, d, &d->address6_where, conf_path(c, d->path, "ipv6.address"))->prefix = d->net->address6;
	}
	sort_uses(&uses, cmp_prefix);
	for (size_t i = 0; i < uses.n; i++) {
		const struct use *a = widest, *b = &uses.v[i], *later;

		if (!a || !prefix_overlaps(&a->prefix, &b->prefix)) {
			widest = b;
			continue;
		}
		later = cmp_where(&a->where, &b->where) > 0 ? a : b;
		report_help(conf_error(c, &later->where, later->path, "%s overlaps %s of %s", PREFIX_STR(&later->prefix),
				       PREFIX_STR(later == a ? &b->prefix : &a->prefix), name_use(c, later == a ? b : a)),
			    "take another range");
	}
}

static void derive_ulas(struct conf *c)
{
	_cleanup_(freep) uint8_t *taken = xcalloc(SUBNETS, 1);
	uint8_t seed[16], subnet[16];

	/* The global id is the host's, the same for all its networks; the subnet id comes from the name. */
	seed_derive(seed, c->seed->secret, "ula-global-id", NULL, NULL);
	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct in6_addr *a = &c->drafts[i].net->address6.ip.v6;

		if (c->drafts[i].net->ipv6 == IP6_SOURCE_STATIC && a->s6_addr[0] == 0xfd && memcmp(&a->s6_addr[1], seed, 5) == 0)
			taken[a->s6_addr[6] << 8 | a->s6_addr[7]] = 1;
	}
	for (size_t i = 0; i < c->n_drafts; i++) {
		struct d_network *net = c->drafts[i].net;
		bool wanted = net->ipv6 == IP6_SOURCE_ULA;
		unsigned int id, tries = 0;

		for (size_t k = 0; net->ipv6 == IP6_SOURCE_AUTO && k < net->n_ladder; k++)
			wanted |= net->ladder[k] == IP6_SOURCE_ULA;
		if (!wanted || !c->drafts[i].usable)
			continue;
		seed_derive(subnet, c->seed->secret, "ula-subnet-id", net->name, NULL);
		id = (unsigned int)(subnet[0] << 8 | subnet[1]);
		while (taken[id] && ++tries < SUBNETS)
			id = (id + 1) % SUBNETS;
		if (tries == SUBNETS) {
			report_help(conf_error(c, &net->where, c->drafts[i].path, "more ULA networks than a /48 has"),
				    "remove some");
			return;
		}
		taken[id] = 1;
		seed[5] = (uint8_t)(id >> 8);
		seed[6] = (uint8_t)id;
		net->address6 = (struct prefix){ ip6(ula_from_seed(seed)), 64 };
		net->address6.ip.v6.s6_addr[15] = 1;
	}
}

static void fill_ranges6(struct conf *c)
{
	for (size_t i = 0; i < c->n_drafts; i++) {
		struct draft *d = &c->drafts[i];

		if (!d->usable || !ip_is_set(&d->net->address6.ip) || !(d->net->assign & ASSIGN_DHCP))
			continue;
		if (!d->range6_given)
			d->net->range6 = conf_upper_half(&d->net->address6);
		else
			(void)conf_range_ok(c, &d->range6_where, conf_path(c, d->path, "ipv6.dhcp"), &d->net->address6,
					    &d->net->range6);
	}
}

/* One declared address against its network. */
static void check_guest_ip(struct conf *c, const struct draft *d, const struct where *where, const char *path, const struct ip *ip)
{
	const struct d_network *net = d->net;
	bool v4 = ip->family == AF_INET;
	const struct prefix *p = v4 ? &net->address4 : &net->address6;
	struct ip network, last, some;

	if (!(1u << net->mode & IN_SERVED))
		return;
	if (v4 ? !net->ipv4 : net->ipv6 == IP6_SOURCE_OFF) {
		report_help(conf_error(c, where, path, "%s, but %s has no %s", IP_STR(ip), d->path, v4 ? "IPv4" : "IPv6"),
			    "remove it, or write %s: auto for the network", v4 ? "ipv4" : "ipv6");
		return;
	}
	if (v4 && net->ipv4_auto) {
		report_help(conf_error(c, where, path, "%s, but the range of %s is only chosen at run time", IP_STR(ip), d->path),
			    "write ipv4: { address: … } for the network");
		return;
	}
	if (!ip_is_set(&p->ip))
		return;		/* the address is wrong, and said to be */
	network = prefix_network(p);
	last = prefix_last(p);
	some = ip_add(&network, 10);
	if (!prefix_contains(p, ip)) {
		struct finding *f = conf_error(c, where, path, "%s isn't inside %s/%u, the prefix of %s", IP_STR(ip),
					       IP_STR(&network), p->len, d->path);

		if (prefix_contains(p, &some) && !ip_eq(&some, &last))
			report_help(f, "write %s for example", IP_STR(&some));
		else
			report_help(f, "write one that is");
		if (!v4 && net->ipv6 != IP6_SOURCE_STATIC)
			report_hint(f, "the prefix is this host's own (a ula); to choose it, write ipv6: { address: … }");
	} else if (ip_eq(ip, &p->ip)) {
		report_help(conf_error(c, where, path, "%s is the gateway's own address", IP_STR(ip)), "take another");
	} else if (ip_eq(ip, &network) || (v4 && ip_eq(ip, &last))) {
		report_help(conf_error(c, where, path, "%s is the %s address of %s/%u", IP_STR(ip),
				       !v4 ? "routers' anycast" : ip_eq(ip, &network) ? "network's own" : "broadcast",
				       IP_STR(&network), p->len), "take another");
	}
}

static void check_guest_ips(struct conf *c)
{
	_cleanup_(free_uses) struct uses uses = { 0 };

	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];

		for (size_t g = 0; d->usable && g < d->net->n_guests; g++) {
			const struct d_guest *guest = &d->net->guests[g];
			const char *path = guest_path(c, d, guest);

			for (size_t k = 0; k < guest->n_ips; k++) {
				const struct ip *ip = &guest->ips[k];

				check_guest_ip(c, d, &guest->ip_where[k],
					       conf_path(c, path, ip->family == AF_INET ? "ipv4" : "ipv6"), ip);
				add_use(&uses, d, &guest->ip_where[k], path)->ip = *ip;
			}
		}
	}
	sort_uses(&uses, cmp_ip);
	for (size_t i = 1; i < uses.n; i++) {
		const struct use *b = &uses.v[i];

		if (ip_eq(&uses.v[i - 1].ip, &b->ip))
			report_help(conf_error(c, &b->where, conf_path(c, b->path, b->ip.family == AF_INET ? "ipv4" : "ipv6"),
					       "%s is also the address of %s", IP_STR(&b->ip), name_use(c, &uses.v[i - 1])),
				    "give each its own");
	}
}

struct mac conf_guest_mac(const struct conf_seed *seed, const char *network, const char *guest, unsigned int attempt)
{
	_cleanup_(freep) char *what = xasprintf("mac-%u", attempt);
	uint8_t bytes[16];

	seed_derive(bytes, seed->secret, what, network, guest);
	return mac_from_seed(bytes);
}

/* A set of MACs; open addressing, at most half full. A slot is 0 or the address plus 1. */
struct mac_set {
	uint64_t *slots;
	size_t mask;
};

static void free_mac_set(struct mac_set *set)
{
	free(set->slots);
}

static struct mac_set mac_set_for(size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	return (struct mac_set){ xcalloc(size, sizeof(uint64_t)), size - 1 };
}

/* Return: true when it was not in there yet */
static bool mac_set_add(struct mac_set *set, const struct mac *mac)
{
	uint64_t v = 0;
	size_t i;

	for (size_t k = 0; k < sizeof(mac->b); k++)
		v = v << 8 | mac->b[k];
	v++;
	for (i = (size_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> 32) & set->mask; set->slots[i]; i = (i + 1) & set->mask)
		if (set->slots[i] == v)
			return false;
	set->slots[i] = v;
	return true;
}

static void derive_mac(struct conf *c, struct mac_set *set, const struct d_network *net, const char *guest, struct mac *ret)
{
	unsigned int attempt = 0;

	do
		*ret = conf_guest_mac(c->seed, net->name, guest, attempt++);
	while (!mac_set_add(set, ret) && attempt < 1000);	/* 2^24 of them: it never comes to that */
}

/* Given MACs first, then the derived ones in the order of names, each avoiding those before it. */
static void check_macs(struct conf *c)
{
	_cleanup_(free_uses) struct uses given = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];

		if (!d->usable)
			continue;
		n += 1 + d->net->n_guests;
		if (d->mac_where.line)
			add_use(&given, d, &d->mac_where, d->path)->mac = d->net->mac;
		for (size_t g = 0; g < d->net->n_guests; g++) {
			const struct d_guest *guest = &d->net->guests[g];

			if (guest->mac_given)
				add_use(&given, d, &guest->mac_where, guest_path(c, d, guest))->mac = guest->mac;
		}
	}
	_cleanup_(free_mac_set) struct mac_set set = mac_set_for(n);

	sort_uses(&given, cmp_mac);
	for (size_t i = 0; i < given.n; i++) {
		const struct use *b = &given.v[i];

		if (!mac_set_add(&set, &b->mac))
			report_help(conf_error(c, &b->where, conf_path(c, b->path, "mac"), "%s is also the MAC address of %s",
					       MAC_STR(&b->mac), name_use(c, &given.v[i - 1])), "give each its own");
	}
	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];

		if (!d->usable)
			continue;
		if (!d->mac_where.line && d->net->mode != NET_MODE_BRIDGE)	/* there it has its own */
			derive_mac(c, &set, d->net, "", &d->net->mac);
		for (size_t g = 0; g < d->net->n_guests; g++)
			if (!d->net->guests[g].mac_given)
				derive_mac(c, &set, d->net, d->net->guests[g].name, &d->net->guests[g].mac);
	}
}

static void check_forwards(struct conf *c)
{
	_cleanup_(free_uses) struct uses uses = { 0 };

	for (size_t i = 0; i < c->n_drafts; i++) {
		const struct draft *d = &c->drafts[i];

		for (size_t g = 0; d->usable && g < d->net->n_guests; g++) {
			const struct d_guest *guest = &d->net->guests[g];

			for (size_t k = 0; k < guest->n_forwards; k++)
				add_use(&uses, d, &guest->forwards[k].where, guest_path(c, d, guest))->forward = &guest->forwards[k];
		}
	}
	sort_uses(&uses, cmp_forward);
	for (size_t i = 0; i < uses.n; i++) {
		struct use *a = &uses.v[i];

		for (size_t k = i + 1; k < uses.n && !a->reported; k++) {
			struct use *b = &uses.v[k], *later = cmp_where(&a->where, &b->where) > 0 ? a : b;
			const struct use *earlier = later == a ? b : a;
			unsigned int port = b->forward->host_first;	/* sorted: the first that both have */

			if (b->forward->proto != a->forward->proto || port > a->forward->host_last)
				break;
			if (b->reported || !forward_conflicts(a->forward, b->forward))
				continue;
			later->reported = true;
			report_help(conf_error(c, &later->where, conf_path(c, later->path, "forward"),
					       "port %u/%s of the host is forwarded twice: %s of %s has it too", port,
					       a->forward->proto == L4PROTO_UDP ? "udp" : "tcp", earlier->forward->spec,
					       name_use(c, earlier)),
				    "take another port%s", ip_is_set(&a->forward->host) && ip_is_set(&b->forward->host) ?
							   "" : ", or name a host address in each");
		}
	}
}

void conf_check(struct conf *c)
{
	check_names(c);
	check_bridges(c);
	check_overlaps(c);
	derive_ulas(c);
	fill_ranges6(c);
	check_guest_ips(c);
	check_macs(c);
	check_forwards(c);
}
