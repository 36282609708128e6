/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules - both nftables tables: replaced, or changed by elements
 */
#include "plan/make.h"

#include <linux/netfilter.h>

#define GUARD_WORDS "guests cannot send RAs, answer DHCP or take addresses"

static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } };

/* ---- networks of ours that the plan wasn't told of: their elements stay ---- */

static bool unknown_device(const struct make *m, const struct w_link *link)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (!link || !alias_parse(link->alias, network, guest) || guest[0])
		return false;
	for (size_t i = 0; i < m->n_nets; i++)
		if (str_eq(m->nets[i].target->name, network))
			return false;
	return true;
}

/* The device that the key begins with, or the bridge it is a port of. */
static bool elem_of_unknown_device(const struct make *m, const struct nft_elem *e)
{
	char name[17] = "";
	const struct w_link *link;

	memcpy(name, e->key, 16);
	link = world_link_by_name(m->world, name);
	return unknown_device(m, link) || (link && link->master && unknown_device(m, world_link(m->world, link->master)));
}

static bool elem_leads_to_unknown(const struct make *m, const struct nft_elem *e)
{
	struct ip ip = { .family = e->data_len == 8 ? AF_INET : AF_INET6 };

	memcpy(ip.b, e->data, ip_size(&ip));
	for (size_t i = 0; i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];

		if (unknown_device(m, world_link(m->world, a->ifindex)) && prefix_contains(&a->prefix, &ip))
			return true;
	}
	return false;
}

/* Who may use a forward goes with the forward: the keys begin alike. */
static bool elem_of_kept_forward(const struct nft_elem *e, const struct nft_elem *kept, size_t n)
{
	size_t source = e->set[4] == '4' ? 4 : 16;

	for (size_t i = 0; i < n; i++) {
		const struct nft_elem *k = &kept[i];

		if (strncmp(k->set, "dnat", 4) == 0 && strstr(k->set, "_from") && k->set[4] == e->set[4] &&
		    k->key_len + source == e->key_len && memcmp(k->key, e->key, k->key_len) == 0)
			return true;
	}
	return false;
}

static void find_kept(struct make *m, struct ruleset_kept *ret)
{
	const struct w_table *inet = &m->world->inet, *bridge = &m->world->bridge;
	struct nft_elem *kept = NULL, *kept_bridge = NULL;
	size_t cap = 0, cap_bridge = 0;
	bool any = false;

	*ret = (struct ruleset_kept){ 0 };
	for (size_t i = 0; i < m->world->n_links; i++)
		any |= unknown_device(m, &m->world->links[i]);
	for (size_t i = 0; any && i < inet->n_elems; i++) {
		const struct nft_elem *e = &inet->elems[i];
		bool keep;

		/* Sorted by set: every dnat… comes before every from… */
		if (strncmp(e->set, "dnat", 4) == 0)
			keep = elem_leads_to_unknown(m, e);
		else if (strncmp(e->set, "from4", 5) == 0 || strncmp(e->set, "from6", 5) == 0)
			keep = elem_of_kept_forward(e, kept, ret->n_inet);
		else
			keep = ruleset_set_by_device(NFPROTO_INET, e->set) && elem_of_unknown_device(m, e);
		if (!keep)
			continue;
		ARENA_GROW(m->arena, kept, ret->n_inet, cap);
		kept[ret->n_inet++] = *e;
	}
	/* Whose MAC it is can't be told: one too many does no harm, the ports decide. */
	for (size_t i = 0; any && i < bridge->n_elems; i++) {
		const struct nft_elem *e = &bridge->elems[i];

		if (ruleset_set_by_device(NFPROTO_BRIDGE, e->set) ? !elem_of_unknown_device(m, e) : guard_knows(m, e))
			continue;
		ARENA_GROW(m->arena, kept_bridge, ret->n_bridge, cap_bridge);
		kept_bridge[ret->n_bridge++] = *e;
	}
	for (size_t i = 0; i < bridge->n_elems; i++) {
		if (!guard_keeps(m, &bridge->elems[i]))
			continue;
		ARENA_GROW(m->arena, kept_bridge, ret->n_bridge, cap_bridge);
		kept_bridge[ret->n_bridge++] = bridge->elems[i];
	}
	ret->inet = kept;
	ret->bridge = kept_bridge;
}

/* ---- those of the plan ---- */

/* Ports that are, or will be, in hairpin mode. */
static void find_reflecting(struct make *m, const struct net *net, struct ruleset_network *n)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	const char **ports = NULL;
	size_t cap = 0;

	for (size_t i = 0; net->link && !net->removes && i < m->world->n_links; i++) {
		const struct w_link *port = &m->world->links[i];

		if (port->master != net->link->ifindex)
			continue;
		if (!alias_parse(port->alias, network, guest))
			guest[0] = '\0';
		if (!(net->up ? plan_port_hairpin(net->result, guest) : port->port.hairpin))
			continue;
		ARENA_GROW(m->arena, ports, n->n_reflecting, cap);
		ports[n->n_reflecting++] = port->name;
	}
	n->reflecting = ports;
}

/* Does what leaves with an address of this prefix need one of the host's? */
static bool is_translated(const struct net *net, const struct prefix *p)
{
	if (net->d->mode != NET_MODE_NAT || !ip_is_set(&p->ip))
		return false;
	if (p->ip.family == AF_INET6 && net->d->nat6 != TRISTATE_AUTO)
		return net->d->nat6 == TRISTATE_YES;
	return !ip_is_global(&p->ip);
}

/* Translation is a matter of the device: prefixes that differ in it, as before and after a change, are told apart. */
static void describe_nat(const struct net *net, struct ruleset_network *n)
{
	const struct prefix *all[SERVICE_DRAINS + 2] = { &n->gateway4, &n->gateway6 };
	size_t n_all = 2;

	for (size_t i = 0; i < n->n_drains; i++)
		all[n_all++] = &n->drains[i];
	for (size_t i = 0; i < n_all; i++) {
		bool *nat = all[i]->ip.family == AF_INET ? &n->nat4 : &n->nat6;

		if (!is_translated(net, all[i]))
			continue;
		*nat = true;
		net->result->translated[net->result->n_translated++] = *all[i];
	}
	for (size_t i = 0; i < n_all; i++)
		if (ip_is_set(&all[i]->ip) && (all[i]->ip.family == AF_INET ? n->nat4 : n->nat6) && !is_translated(net, all[i]))
			n->plain[n->n_plain++] = *all[i];
}

static struct ruleset_network describe_network(struct make *m, const struct net *net)
{
	const struct d_network *d = net->d;
	const struct plan_result *r = net->result;
	struct ruleset_network n = {
		.device = r->device,
		.mode = d->mode,
		.host_access = d->host_access,
		.gateway4 = r->address4,
		.gateway6 = r->address6,
		.link_local = link_local,
		.dns = d->dns && d->n_dns_servers == 0,
		.uplink = d->uplink,
		.nat_port_first = d->nat_port_first,
		.nat_port_last = d->nat_port_last,
		.forwards = net->rules,
		.n_forwards = net->n_rules,
	};

	for (size_t i = 0; i < d->n_nat_addresses; i++) {
		if (d->nat_addresses[i].family == AF_INET)
			n.nat_address4 = d->nat_addresses[i];
		else
			n.nat_address6 = d->nat_addresses[i];
	}
	for (size_t i = 0; i < r->n_drains; i++)
		n.drains[n.n_drains++] = r->drains[i].gateway;
	describe_nat(net, &n);
	find_reflecting(m, net, &n);
	find_guard(m, net, &n);
	return n;
}

static const char *rules_words(struct make *m)
{
	const char *words = "";
	bool nat4 = false, nat6 = false;
	size_t n = 0;

	for (size_t i = 0; i < m->n_nets; i++) {
		const struct net *net = &m->nets[i];

		if (!net->ours)
			continue;
		nat4 |= net->d->mode == NET_MODE_NAT && ip_is_set(&net->result->address4.ip) &&
			!ip_is_global(&net->result->address4.ip);
		nat6 |= net->result->nat6;
		for (size_t j = 0; j < net->result->n_forwards; j++)
			n += net->result->forwards[j].active;
	}
	if (nat4 || nat6)
		words = nat4 && nat6 ? "NAT44, NAT66, " : nat4 ? "NAT44, " : "NAT66, ";
	if (n > 0)
		words = arena_printf(m->arena, "%s%zu forward%s, ", words, n, n == 1 ? "" : "s");
	return arena_printf(m->arena, "%snetworks apart from each other", words);
}

static const char *elems_words(struct make *m, size_t n_add, size_t n_del)
{
	const char *fewer = n_del > 0 ? arena_printf(m->arena, "−%zu", n_del) : "";
	const char *more = n_add > 0 ? arena_printf(m->arena, "+%zu", n_add) : "";

	return arena_printf(m->arena, "%s%s%s element%s", more, more[0] && fewer[0] ? " " : "", fewer,
			    n_add + n_del == 1 ? "" : "s");
}

static const struct w_table *table_copy(struct make *m, const struct w_table *t)
{
	struct w_table *copy = ARENA_NEW(m->arena, struct w_table);

	*copy = *t;
	return copy;
}

static struct op *rules_op(struct make *m, enum op_kind kind, enum op_action action, uint8_t family)
{
	struct op *op = ops_add(m->ops, kind, action);

	op->object = family == NFPROTO_INET ? "rules inet sixtap" :
		     family == NFPROTO_NETDEV ? "rules netdev sixtap" : "rules bridge sixtap";
	op->nft.family = family;
	return op;
}

static void emit_elems(struct make *m, enum op_action action, uint8_t family, const char *what, const struct nft_elem *add,
		       size_t n_add, const struct nft_elem *del, size_t n_del)
{
	struct op *op = rules_op(m, OP_NFT_ELEMS, action, family);

	op->what = what;
	op->nft.add = add;
	op->nft.n_add = n_add;
	op->nft.del = del;
	op->nft.n_del = n_del;
}

static void emit_table(struct make *m, const struct w_table *have, struct ruleset_table *want, const char *words)
{
	uint8_t family = want->table.family;
	const struct nft_elem *add, *del;
	size_t n_add, n_del;
	struct op *op;

	if (!ruleset_same_structure(have, &want->table)) {
		enum op_action action = !want->table.present ? OP_ACTION_REMOVE
				      : have->present	     ? OP_ACTION_CHANGE
							     : OP_ACTION_CREATE;

		ruleset_text(m->arena, want);
		op = rules_op(m, OP_NFT_TABLE, action, family);
		op->what = want->table.present ? words : "";
		if (action == OP_ACTION_CHANGE)
			op->why = "they were changed, or are of another version";
		op->nft.text = want->text;
		op->nft.table = table_copy(m, &want->table);
		op->nft.old_table = table_copy(m, have);
		if (!have->present)
			op->nft.old_text = family == NFPROTO_INET ? "add table inet sixtap\ndelete table inet sixtap\n" :
					   family == NFPROTO_NETDEV ?
						   "add table netdev sixtap\ndelete table netdev sixtap\n" :
						   "add table bridge sixtap\ndelete table bridge sixtap\n";
		if (want->n_rest == 0)
			return;
		add = want->rest;
		n_add = want->n_rest;
		del = NULL;
		n_del = 0;
	} else if (want->table.present) {
		ruleset_diff(m->arena, have, &want->table, &del, &n_del, &add, &n_add);
		if (n_add == 0 && n_del == 0)
			return;
	} else {
		return;
	}
	emit_elems(m, OP_ACTION_CHANGE, family, elems_words(m, n_add, n_del), add, n_add, del, n_del);
}

/* The eBPF guards do what otherwise table bridge does, and are shown as that. */
static void emit_guard(struct make *m, const struct ruleset_table *want)
{
	const struct w_table *have = &m->world->guard;
	const struct nft_elem *add, *del;
	enum op_action action = OP_ACTION_CHANGE;
	size_t n_add, n_del;

	if (!have->present)
		return;
	ruleset_diff(m->arena, have, &want->table, &del, &n_del, &add, &n_add);
	if (n_add + n_del == 0)
		return;
	if (have->n_elems == 0)
		action = OP_ACTION_CREATE;
	else if (want->table.n_elems == 0)
		action = OP_ACTION_REMOVE;
	emit_elems(m, action, GUARD_FAMILY, action == OP_ACTION_CREATE ? GUARD_WORDS :
					    action == OP_ACTION_REMOVE ? "" : elems_words(m, n_add, n_del),
		   add, n_add, del, n_del);
}

/*
 * Each device is structure here, so a guest that comes changes the table: that is no sign of somebody's hand in it.
 * Chains of devices that are gone went with them.
 */
static void emit_netdev(struct make *m)
{
	struct ruleset_macvtap *networks = arena_alloc(m->arena, m->n_nets, sizeof(*networks));
	const struct w_table *have = &m->world->netdev;
	const char *words = "what the LAN says to the host stays with the NIC";
	struct ruleset_table want;
	size_t n = 0, at = m->ops->n;

	for (size_t i = 0; i < m->n_nets; i++) {
		if (!m->nets[i].lower)
			continue;
		find_guard_macvtap(m, &m->nets[i], &networks[n]);
		if (networks[n].guarded && networks[n].n_ports > 0)
			words = "guests cannot send RAs, answer DHCP or take addresses on the LAN";
		n++;
	}
	if (!m->world->has_daemon && have->present)	/* which guests run is not known */
		return;
	ruleset_make_netdev(m->arena, networks, n, &want);
	emit_table(m, have, &want, words);
	if (m->ops->n > at && m->ops->ops[at].kind == OP_NFT_TABLE && m->ops->ops[at].action == OP_ACTION_CHANGE)
		m->ops->ops[at].why = "";
}

void emit_rules(struct make *m)
{
	struct ruleset_network *networks = arena_alloc(m->arena, m->n_nets, sizeof(*networks));
	struct ruleset_kept kept;
	struct ruleset rules;
	bool creates = false, in_nft = false;
	size_t n = 0;

	for (size_t i = 0; i < m->n_nets; i++) {
		if (!m->nets[i].ours)
			continue;
		creates |= m->nets[i].creates;
		networks[n] = describe_network(m, &m->nets[i]);
		in_nft |= networks[n].guarded && !networks[n].guarded_by_bpf;
		n++;
	}
	/* Without privileges nothing is known of the tables: say only what must be new. */
	if (m->world->nft_unreadable && !creates)
		return;
	emit_netdev(m);
	find_kept(m, &kept);
	ruleset_make(m->arena, networks, n, &kept, &rules);
	emit_table(m, &m->world->inet, &rules.inet, rules_words(m));
	emit_table(m, &m->world->bridge, &rules.bridge,
		   in_nft ? GUARD_WORDS : "guests reach themselves, but don't hear themselves");
	emit_guard(m, &rules.guard);
}
