/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map_tree - one tree of what the kernel, the daemon and QEMU's command lines tell
 *
 * Theory of operation: a link stands below its master, or below the device it
 * sits on; all others are the top level, uplinks first. A guest of ours is put
 * to its port by the device that `status` names, else by the MAC that the
 * bridge has learned there; guests of others by the program that holds the tap,
 * their addresses by the kernel's neighbours of that MAC. What can't be told is
 * left out: the tree is made without a daemon and without root, too.
 */
#include "cmd/map.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "base/utf8.h"

const char *const map_kind_name[MAP_KIND_N_] = {
	[MAP_HOST] = "host",	 [MAP_UPLINK] = "uplink", [MAP_NETWORK] = "network", [MAP_BRIDGE] = "bridge",
	[MAP_DEVICE] = "device", [MAP_PORT] = "port",	  [MAP_GUEST] = "guest",     [MAP_MORE] = "more",
};

struct tree {
	struct map_source *src;
	struct arena *arena;
	const struct world *world;
	struct map_node **of_link;	/* by the link's place in world->links */
};

/* ---- small things ---- */

/* Names that others gave (interfaces, guests) may hold anything but what a terminal obeys. */
static const char *clean(struct arena *arena, const char *s)
{
	size_t len = strlen(s);
	char *copy = arena_strdup(arena, s);

	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		uint32_t c = 0;

		n = utf8_decode(s + i, len - i, &c);
		if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
		    (c >= 0x2066 && c <= 0x2069))
			memset(copy + i, '?', n ? n : 1);
	}
	return copy;
}

static void list_add(struct arena *arena, struct map_list *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->s[i], s))
			return;
	ARENA_GROW(arena, list->s, list->n, list->cap);
	list->s[list->n++] = s;
}

static struct map_node *add(struct tree *t, struct map_node *parent, enum map_kind kind, const char *name)
{
	struct map_node *node = ARENA_NEW(t->arena, struct map_node);

	node->kind = kind;
	node->name = clean(t->arena, name);
	node->what = "";
	if (parent) {
		ARENA_GROW(t->arena, parent->children, parent->n, parent->cap);
		parent->children[parent->n++] = node;
	}
	return node;
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int cmp_fdb(const void *pa, const void *pb)
{
	const struct kern_neigh *a = pa, *b = pb;

	if (a->master != b->master)
		return a->master < b->master ? -1 : 1;
	return memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static int cmp_neigh(const void *pa, const void *pb)
{
	const struct kern_neigh *a = pa, *b = pb;

	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	int c = memcmp(&a->mac, &b->mac, sizeof(a->mac));
	return c ? c : ip_cmp(&a->ip, &b->ip);
}

static void sort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (n > 1)
		qsort(base, n, size, cmp);
}

/* ---- links ---- */

static size_t place(const struct tree *t, const struct w_link *link)
{
	return (size_t)(link - t->world->links);
}

static const struct w_link *parent_link(const struct tree *t, const struct w_link *link)
{
	const struct w_link *p = world_link(t->world, link->master ? link->master : link->lower);

	/* A veth's IFLA_LINK is its other end; what sits on itself is the kernel's joke, not a tree. */
	if (!link->master && (str_eq(link->kind, "veth") || p == link))
		return NULL;
	return p;
}

static bool has_default_route(const struct tree *t, const struct w_link *link)
{
	for (size_t i = 0; i < t->world->n_routes; i++) {
		const struct w_route *r = &t->world->routes[i];

		if (r->dst.len == 0 && r->oif == link->ifindex && r->table == RT_TABLE_MAIN && r->type == RTN_UNICAST)
			return true;
	}
	return false;
}

static void add_addresses(struct tree *t, struct map_node *node, const struct w_link *link)
{
	for (size_t i = 0; i < t->world->n_addrs; i++) {
		const struct w_addr *a = &t->world->addrs[i];

		if (a->ifindex != link->ifindex || ip_is_link_local(&a->prefix.ip))
			continue;
		if (!t->src->full && (a->flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED)) && a->prefix.ip.family == AF_INET6)
			continue;
		list_add(t->arena, &node->addresses, arena_printf(t->arena, "%s%s", PREFIX_STR(&a->prefix),
								    a->flags & IFA_F_DADFAILED ? " duplicate" : ""));
	}
}

static void add_routers(struct tree *t, struct map_node *node, const struct w_link *link)
{
	for (size_t i = 0; i < t->world->n_routes; i++) {
		const struct w_route *r = &t->world->routes[i];

		if (r->dst.len == 0 && r->oif == link->ifindex && r->table == RT_TABLE_MAIN && ip_is_set(&r->gateway))
			list_add(t->arena, &node->routers, arena_strdup(t->arena, IP_STR(&r->gateway)));
	}
}

static bool has_family(const struct map_node *node, bool v6)
{
	for (size_t i = 0; i < node->addresses.n; i++)
		if ((strchr(node->addresses.s[i], ':') != NULL) == v6)
			return true;
	return false;
}

static bool is_hardware(const struct w_link *link)
{
	return link->kind[0] == '\0' && !(link->flags & IFF_LOOPBACK);
}

static const char *speed_text(struct tree *t, const struct w_link *link)
{
	uint32_t mbits = t->src->speed && is_hardware(link) ? t->src->speed(link->name) : 0;

	if (mbits == 0)
		return link->wireless ? "wireless" : "";
	if (mbits % 1000 == 0)
		return arena_printf(t->arena, "%u Gb/s", mbits / 1000);
	return mbits > 1000 ? arena_printf(t->arena, "%u.%u Gb/s", mbits / 1000, mbits % 1000 / 100) :
			      arena_printf(t->arena, "%u Mb/s", mbits);
}

static const char *kind_text(struct tree *t, const struct w_link *link)
{
	static const struct {
		uint32_t mode;
		const char *name;
	} modes[] = {
		{ MACVLAN_MODE_PRIVATE, "private" },   { MACVLAN_MODE_VEPA, "vepa" },	  { MACVLAN_MODE_BRIDGE, "bridge" },
		{ MACVLAN_MODE_PASSTHRU, "passthru" }, { MACVLAN_MODE_SOURCE, "source" },
	};
	bool macvlan = str_eq(link->kind, "macvtap") || str_eq(link->kind, "macvlan");

	for (size_t i = 0; macvlan && i < ARRAY_LEN(modes); i++)
		if (modes[i].mode == link->macvlan_mode)
			return arena_printf(t->arena, "%s %s", link->kind, modes[i].name);
	if (is_hardware(link))
		return "LAN";
	return str_eq(link->kind, "tun") ? "tap" : clean(t->arena, link->kind);
}

/* Who else's it looks like, by the names they use. */
static const char *owner(const struct w_link *link)
{
	if (strncmp(link->name, "virbr", 5) == 0)
		return "libvirt";
	if (str_eq(link->name, "docker0") || (strncmp(link->name, "br-", 3) == 0 && strlen(link->name) == 15))
		return "docker";
	if (strncmp(link->name, "xenbr", 5) == 0)
		return "xen";
	if (strncmp(link->name, "incusbr", 7) == 0 || strncmp(link->name, "lxdbr", 5) == 0)
		return strncmp(link->name, "lxd", 3) == 0 ? "lxd" : "incus";
	if (strncmp(link->name, "podman", 6) == 0 || strncmp(link->name, "cni-podman", 10) == 0)
		return "podman";
	return "";
}

static const char *carrier_note(const struct w_link *link)
{
	if (!(link->flags & IFF_UP))
		return "down";
	return link->flags & IFF_LOWER_UP ? NULL : "no carrier";
}

/* ---- the top level ---- */

static const json_t *status_of(const struct tree *t, const struct w_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	bool ours = alias_parse(link->alias, network, guest);
	const json_t *n;
	size_t i;

	json_array_foreach(t->src->networks, i, n)
		if (str_eq(text(n, "device"), link->name) || (ours && str_eq(text(n, "name"), network)))
			return n;
	return NULL;
}

static void make_network(struct tree *t, struct map_node *node, const struct w_link *link, const json_t *status)
{
	char network[NETWORK_NAME_MAX + 1] = "", guest[GUEST_NAME_MAX + 1];
	const char *mode = text(status, "mode"), *up = text(status, "uplink"), *up6 = text(status, "uplink6");

	node->ours = true;
	node->state = !status ? MAP_STATE_NONE : str_eq(text(status, "state"), "degraded") ? MAP_STATE_DEGRADED : MAP_STATE_UP;
	(void)alias_parse(link->alias, network, guest);
	const char *name = text(status, "name") ? text(status, "name") : network;
	const char *called = *name && !str_eq(name, link->name) ? arena_printf(t->arena, "%s, ", name) : "";
	node->what = arena_printf(t->arena, "%s%s", called, mode ? mode : "sixtap");
	if (up || up6) {
		node->uplink = clean(t->arena, up ? up : up6);
		node->what = arena_printf(t->arena, "%s → %s", node->what, node->uplink);
		if (up && up6)
			node->what = arena_printf(t->arena, "%s, IPv6 → %s", node->what, clean(t->arena, up6));
	}
	const json_t *troubles = json_object_get(status, "troubles");
	if (json_array_size(troubles) > 0)
		node->trouble = clean(t->arena, json_string_value(json_array_get(troubles, 0)));
	else if (node->state == MAP_STATE_DEGRADED)
		node->trouble = "degraded";
}

static void make_top(struct tree *t, struct map_node *node, const struct w_link *link)
{
	const char *who = owner(link), *quiet = carrier_note(link);

	add_addresses(t, node, link);
	if (node->kind == MAP_NETWORK) {
		make_network(t, node, link, status_of(t, link));
		return;
	}
	if (node->kind == MAP_UPLINK) {
		add_routers(t, node, link);
		node->what = speed_text(t, link);
		if (!*node->what && !is_hardware(link))
			node->what = kind_text(t, link);
		node->note = quiet;
		return;
	}
	node->what = *who ? who : kind_text(t, link);
	/* A bridge without ports has no carrier: nothing is wrong, and no address is missing. */
	node->note = quiet ? quiet : node->kind == MAP_BRIDGE && has_family(node, false) && !has_family(node, true) ? "no IPv6" :
														      NULL;
}

static bool has_address(const struct tree *t, const struct w_link *link)
{
	for (size_t i = 0; i < t->world->n_addrs; i++)
		if (t->world->addrs[i].ifindex == link->ifindex && !ip_is_link_local(&t->world->addrs[i].prefix.ip))
			return true;
	return false;
}

static bool has_child(const struct tree *t, const struct w_link *link)
{
	for (size_t i = 0; i < t->world->n_links; i++)
		if (parent_link(t, &t->world->links[i]) == link)
			return true;
	return false;
}

/* What nobody uses is not drawn: tunnel devices that modules bring along, loose ends of veths. */
static bool is_idle(const struct tree *t, const struct w_link *link)
{
	return !is_hardware(link) && !str_eq(link->kind, "bridge") && !has_address(t, link) && !has_child(t, link) &&
	       !has_default_route(t, link);
}

static enum map_kind top_kind(const struct tree *t, const struct w_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (status_of(t, link) || (alias_parse(link->alias, network, guest) && !*guest))
		return MAP_NETWORK;
	if (is_hardware(link) || has_default_route(t, link))
		return MAP_UPLINK;
	return str_eq(link->kind, "bridge") ? MAP_BRIDGE : MAP_DEVICE;
}

static void add_top(struct tree *t, struct map_node *host)
{
	enum map_kind *kinds = arena_alloc(t->arena, t->world->n_links + 1, sizeof(*kinds));

	for (size_t i = 0; i < t->world->n_links; i++) {
		const struct w_link *link = &t->world->links[i];

		if (!(link->flags & IFF_LOOPBACK) && !parent_link(t, link) && !is_idle(t, link))
			kinds[i] = top_kind(t, link);
	}
	/* Default routes first, then other hardware, ours, others'. */
	for (int pass = 0; pass < 5; pass++) {
		static const enum map_kind wanted[] = { MAP_UPLINK, MAP_UPLINK, MAP_NETWORK, MAP_BRIDGE, MAP_DEVICE };

		for (size_t i = 0; i < t->world->n_links; i++) {
			const struct w_link *link = &t->world->links[i];

			if (kinds[i] != wanted[pass] || (pass < 2 && has_default_route(t, link) != (pass == 0)))
				continue;
			t->of_link[i] = add(t, host, kinds[i], link->name);
			make_top(t, t->of_link[i], link);
		}
	}
}

/* ---- below them ---- */

static const struct map_holder *find_holder(const struct tree *t, const struct w_link *link)
{
	for (size_t i = 0; i < t->src->n_holders; i++) {
		const struct map_holder *h = &t->src->holders[i];

		if (h->ifindex ? h->ifindex == link->ifindex : str_eq(h->device, link->name))
			return h;
	}
	return NULL;
}

/* The one MAC that was learned at a port; false: none, or several. */
static bool learned_mac(const struct tree *t, const struct w_link *port, struct mac *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < t->src->n_fdb; i++) {
		if (t->src->fdb[i].ifindex != port->ifindex)
			continue;
		*ret = t->src->fdb[i].mac;
		n++;
	}
	return n == 1;
}

static void add_neighbours(struct tree *t, struct map_node *node, uint32_t ifindex, const struct mac *mac)
{
	for (size_t i = 0; i < t->src->n_neighs; i++) {
		const struct kern_neigh *n = &t->src->neighs[i];

		if (n->ifindex == ifindex && mac_eq(&n->mac, mac) && !ip_is_link_local(&n->ip))
			list_add(t->arena, &node->addresses, arena_strdup(t->arena, IP_STR(&n->ip)));
	}
}

/* What is known of a port without the daemon; its word replaces this. */
/* What `status` says of an adopted macvtap, or NULL. */
static const json_t *adopted_device(const struct tree *t, const char *name)
{
	const json_t *a, *device;
	size_t i, k;

	json_array_foreach(t->src->adopted, i, a)
		json_array_foreach(json_object_get(a, "devices"), k, device)
			if (str_eq(text(device, "device"), name))
				return device;
	return NULL;
}

/* The addresses it was seen with, and how much multicast it is let have. */
static void make_adopted(struct tree *t, struct map_node *node, const json_t *device)
{
	const char *by = node->note ? arena_printf(t->arena, "%s, ", node->note) : "";
	const json_t *address;
	size_t i, n = json_array_size(json_object_get(device, "groups"));

	node->note = json_is_true(json_object_get(device, "all")) ?
			     arena_printf(t->arena, "%sadopted, all multicast", by) :
			     arena_printf(t->arena, "%sadopted, %zu group%s followed", by, n, n == 1 ? "" : "s");
	for (int family = 4; family <= 6; family += 2)
		json_array_foreach(json_object_get(device, family == 4 ? "ipv4" : "ipv6"), i, address)
			if (strncmp(json_string_value(address), "fe80", 4) != 0)
				list_add(t->arena, &node->addresses, clean(t->arena, json_string_value(address)));
}

static void make_port(struct tree *t, struct map_node *node, const struct w_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	const struct map_holder *holder = find_holder(t, link);
	struct mac mac;

	node->what = kind_text(t, link);
	node->note = carrier_note(link);
	node->ours = alias_parse(link->alias, network, guest);
	if (node->ours && *guest)
		node->guest = clean(t->arena, guest);
	else if (holder)
		node->guest = clean(t->arena, holder->guest);
	if (node->guest) {
		node->state = node->note ? MAP_STATE_DOWN : MAP_STATE_UP;
		if (holder && holder->libvirt && !node->note)
			node->note = "libvirt";
	}
	if (is_hardware(link))
		return;
	add_addresses(t, node, link);
	const json_t *adopted = node->ours ? NULL : adopted_device(t, link->name);
	if (adopted)
		make_adopted(t, node, adopted);
	if (link->master && node->addresses.n == 0 && learned_mac(t, link, &mac))
		add_neighbours(t, node, link->master, &mac);
}

static struct map_node *ancestor(struct tree *t, const struct w_link *link)
{
	const struct w_link *p = parent_link(t, link);

	for (int depth = 0; p && depth < 8; depth++) {	/* macvtap on vlan on bond: all below the bond */
		if (t->of_link[place(t, p)])
			return t->of_link[place(t, p)];
		p = parent_link(t, p);
	}
	return NULL;
}

static void add_ports(struct tree *t)
{
	size_t n = t->world->n_links;
	struct map_node **made = arena_alloc(t->arena, n + 1, sizeof(struct map_node *));

	for (size_t i = 0; i < n; i++) {
		const struct w_link *link = &t->world->links[i];
		struct map_node *above = parent_link(t, link) ? ancestor(t, link) : NULL;

		if (above) {
			made[i] = add(t, above, MAP_PORT, link->name);
			make_port(t, made[i], link);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (made[i])
			t->of_link[i] = made[i];
}

/* ---- the daemon's word on guests ---- */

static const struct w_link *port_of(const struct tree *t, const struct w_link *bridge, const json_t *guest)
{
	struct kern_neigh key = { .master = bridge->ifindex };
	const struct kern_neigh *found;

	if (text(guest, "device"))
		return world_link_by_name(t->world, text(guest, "device"));
	if (!text(guest, "mac") || !mac_parse(text(guest, "mac"), &key.mac) || t->src->n_fdb == 0)
		return NULL;
	found = bsearch(&key, t->src->fdb, t->src->n_fdb, sizeof(key), cmp_fdb);
	return found ? world_link(t->world, found->ifindex) : NULL;
}

static int rank(const char *kind)
{
	static const char *const kinds[] = { "declared", "lease", "slaac" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kind, kinds[i]))
			return (int)i;
	return (int)ARRAY_LEN(kinds);
}

static bool shows(const struct tree *t, const char *address)
{
	struct ip ip;

	return t->src->full || !ip_parse(address, &ip) || !ip_is_link_local(&ip);
}

/* The best of each family; all of them with --full. */
static void guest_addresses(struct tree *t, struct map_node *node, const json_t *guest)
{
	const json_t *list = json_object_get(guest, "addresses"), *a;

	node->addresses.n = 0;
	for (int v6 = 0; v6 < 2; v6++) {
		int best = t->src->full ? -1 : 99;
		bool taken = false;
		size_t i;

		json_array_foreach(list, i, a)
			if (text(a, "address") && shows(t, text(a, "address")) &&
			    (strchr(text(a, "address"), ':') != NULL) == v6 && rank(text(a, "kind")) < best)
				best = rank(text(a, "kind"));
		json_array_foreach(list, i, a) {
			if (!text(a, "address") || !shows(t, text(a, "address")) ||
			    (strchr(text(a, "address"), ':') != NULL) != v6)
				continue;
			if (!t->src->full && (taken || rank(text(a, "kind")) != best))
				continue;
			list_add(t->arena, &node->addresses, clean(t->arena, text(a, "address")));
			taken = true;
		}
	}
}

static void add_guest(struct tree *t, struct map_node *network, const struct w_link *bridge, const json_t *guest)
{
	const struct w_link *port = port_of(t, bridge, guest);
	struct map_node *node = port ? t->of_link[place(t, port)] : NULL;
	bool attached = str_eq(text(guest, "state"), "attached");
	const json_t *f;
	size_t i;

	if (!node || node->kind != MAP_PORT || node->told)
		node = add(t, network, MAP_GUEST, "");
	node->guest = clean(t->arena, text(guest, "name") ? text(guest, "name") : "?");
	node->ours = node->told = true;
	node->state = attached ? MAP_STATE_UP : MAP_STATE_DOWN;
	guest_addresses(t, node, guest);
	json_array_foreach(json_object_get(guest, "forwards"), i, f)
		if (text(f, "spec"))
			list_add(t->arena, &node->forwards, arena_printf(t->arena, "%s%s", clean(t->arena, text(f, "spec")),
									  str_eq(text(f, "state"), "waiting") ? " waiting" : ""));
	if (!attached)
		node->note = "not running";
}

static void add_guests(struct tree *t)
{
	const json_t *n, *g;
	size_t i, k;

	json_array_foreach(t->src->networks, i, n) {
		const struct w_link *bridge = text(n, "device") ? world_link_by_name(t->world, text(n, "device")) : NULL;
		struct map_node *network = bridge ? t->of_link[place(t, bridge)] : NULL;

		if (!network)
			continue;
		json_array_foreach(json_object_get(n, "guests"), k, g)
			add_guest(t, network, bridge, g);
	}
}

/* ---- order and folding ---- */

static int weight(const struct map_node *node)
{
	if (!node->guest)
		return 3;
	return node->kind == MAP_PORT ? 0 : node->state == MAP_STATE_UP ? 1 : 2;
}

/* Guests with a device first, ports that nobody knows last; then by name as people count: tap2 before tap10. */
static int cmp_child(const void *pa, const void *pb)
{
	const struct map_node *a = *(const struct map_node *const *)pa, *b = *(const struct map_node *const *)pb;

	if (weight(a) != weight(b))
		return weight(a) < weight(b) ? -1 : 1;
	int c = strverscmp(a->name, b->name);
	return c ? c : strverscmp(a->guest ? a->guest : "", b->guest ? b->guest : "");
}

static void fold(struct tree *t, struct map_node *node)
{
	size_t up = 0, down = 0, others = 0, forwards = 0;

	if (t->src->full || node->n <= MAP_FOLD_ABOVE)
		return;
	for (size_t i = MAP_SHOWN; i < node->n; i++) {
		const struct map_node *c = node->children[i];

		up += c->guest && c->state == MAP_STATE_UP;
		down += c->guest && c->state == MAP_STATE_DOWN;
		others += !c->guest;
		forwards += c->forwards.n;
	}
	size_t hidden = node->n - MAP_SHOWN;
	const char *note = "";

	node->n = MAP_SHOWN;
	struct map_node *more = add(t, node, MAP_MORE, "");
	more->hidden = hidden;
	more->hidden_guests = hidden - others;
	if (up)
		note = arena_printf(t->arena, "%zu running", up);
	if (down)
		note = arena_printf(t->arena, "%s%s%zu not running", note, *note ? ", " : "", down);
	if (others)
		note = arena_printf(t->arena, "%s%s%zu other port%s", note, *note ? ", " : "", others, others == 1 ? "" : "s");
	if (forwards)
		note = arena_printf(t->arena, "%s, %zu forward%s", note, forwards, forwards == 1 ? "" : "s");
	more->note = note;
}

struct map_node *map_tree(struct map_source *source)
{
	struct tree t = { .src = source, .arena = source->arena, .world = source->world };

	sort(source->fdb, source->n_fdb, sizeof(*source->fdb), cmp_fdb);
	sort(source->neighs, source->n_neighs, sizeof(*source->neighs), cmp_neigh);
	t.of_link = arena_alloc(t.arena, t.world->n_links + 1, sizeof(struct map_node *));
	struct map_node *host = add(&t, NULL, MAP_HOST, source->host);

	add_top(&t, host);
	add_ports(&t);
	add_guests(&t);
	for (size_t i = 0; i < host->n; i++) {
		sort((void *)host->children[i]->children, host->children[i]->n, sizeof(struct map_node *), cmp_child);
		fold(&t, host->children[i]);
	}
	return host;
}
