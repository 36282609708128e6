/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign - would somebody else's firewall drop what guests need?
 */
#include "plan/foreign.h"

#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include "plan/make.h"

#define PORT_DNS 53
#define ND_NEIGHBOR_SOLICIT 135

/* ---- packets that have to pass ---- */

#define FLOWS_MAX 16

struct flows {
	struct fw_packet list[FLOWS_MAX];
	size_t n;
};

static void flow(struct flows *f, struct fw_packet packet)
{
	packet.dtype = packet.oif ? 1U << RTN_UNICAST : 1U << RTN_LOCAL;	/* what is forwarded isn't the host's */
	if (f->n < FLOWS_MAX)
		f->list[f->n++] = packet;
}

static const char *uplink_of(const struct net *net, sa_family_t family)
{
	const char *name = family == AF_INET ? net->result->uplink4 : net->result->uplink6;

	return name[0] ? name : NULL;
}

static bool has_forward(const struct net *net, sa_family_t family)
{
	for (size_t i = 0; i < net->n_rules; i++)
		if (net->rules[i].target.family == family)
			return true;
	return false;
}

static void forward_flows(struct make *m, const struct net *net, sa_family_t family, struct flows *f)
{
	const struct ip *guest = family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip;
	const char *device = net->result->device, *uplink = uplink_of(net, family);

	if (nf_call(m, net, family)) {
		flow(f, (struct fw_packet){ family, device, device, FW_CT_NEW, .saddr = *guest, .daddr = *guest });
		flow(f, (struct fw_packet){ family, device, device, FW_CT_ESTABLISHED, .saddr = *guest, .daddr = *guest });
	}
	if (net->d->mode != NET_MODE_NAT || !ip_is_set(guest) || !uplink)
		return;
	flow(f, (struct fw_packet){ family, device, uplink, FW_CT_NEW, .saddr = *guest });
	flow(f, (struct fw_packet){ family, device, uplink, FW_CT_ESTABLISHED, .saddr = *guest });
	flow(f, (struct fw_packet){ family, uplink, device, FW_CT_ESTABLISHED, .daddr = *guest });
	if (has_forward(net, family))
		flow(f, (struct fw_packet){ family, uplink, device, FW_CT_NEW | FW_CT_DNAT, .daddr = *guest });
}

static bool serves_dns(const struct net *net)
{
	return net->d->dns && net->d->n_dns_servers == 0 && net->d->host_access != HOST_ACCESS_NO;
}

static void input_flows(const struct net *net, sa_family_t family, struct flows *f)
{
	const struct ip *gateway = family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip;
	const char *device = net->result->device;

	if (!net->ours || !ip_is_set(gateway))
		return;
	if (family == AF_INET6)
		flow(f, (struct fw_packet){ family, device, NULL, FW_CT_UNTRACKED, .l4proto = IPPROTO_ICMPV6,
					    .icmp_type = ND_NEIGHBOR_SOLICIT });
	if (!serves_dns(net))
		return;
	flow(f, (struct fw_packet){ family, device, NULL, FW_CT_NEW, IPPROTO_UDP, PORT_DNS, .daddr = *gateway });
	flow(f, (struct fw_packet){ family, device, NULL, FW_CT_NEW, IPPROTO_TCP, PORT_DNS, .daddr = *gateway });
}

static void find_flows(struct make *m, const struct net *net, const struct fw_table *table, enum fw_hook hook,
		       struct flows *f)
{
	f->n = 0;
	for (int i = 0; i < 2; i++) {
		sa_family_t family = i == 0 ? AF_INET : AF_INET6;

		if (table->family == (i == 0 ? NFPROTO_IPV6 : NFPROTO_IPV4))
			continue;
		if (hook == FW_HOOK_FORWARD)
			forward_flows(m, net, family, f);
		else
			input_flows(net, family, f);
	}
}

/* ---- rules that let them pass ---- */

static void rule_between(struct fw_rules *r, const char *in, const char *out)
{
	fw_rules_begin(r);
	fw_rules_device(r, FW_COND_IIF, in);
	fw_rules_device(r, FW_COND_OIF, out);
}

static void rule_answers(struct fw_rules *r, const char *device, uint32_t ct)
{
	fw_rules_begin(r);
	fw_rules_device(r, FW_COND_OIF, device);
	fw_rules_number(r, FW_COND_CT, ct);
}

static void forward_rules(struct make *m, const struct net *net, const struct fw_table *table, struct fw_rules *r)
{
	const char *device = net->result->device;
	const char *up4 = table->family == NFPROTO_IPV6 ? NULL : uplink_of(net, AF_INET);
	const char *up6 = table->family == NFPROTO_IPV4 ? NULL : uplink_of(net, AF_INET6);

	if (net->d->mode == NET_MODE_NAT && (up4 || up6)) {
		if (up4)
			rule_between(r, device, up4);
		if (up6 && !str_eq(up4, up6))
			rule_between(r, device, up6);
		if (table->xt) {
			rule_answers(r, device, FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_DNAT);
		} else {
			rule_answers(r, device, FW_CT_ESTABLISHED | FW_CT_RELATED);
			rule_answers(r, device, FW_CT_DNAT);
		}
	}
	if ((table->family != NFPROTO_IPV6 && nf_call(m, net, AF_INET)) ||
	    (table->family != NFPROTO_IPV4 && nf_call(m, net, AF_INET6)))
		rule_between(r, device, device);
}

static void input_rule(struct fw_rules *r, const char *device, uint8_t proto, uint16_t port)
{
	fw_rules_begin(r);
	fw_rules_device(r, FW_COND_IIF, device);
	fw_rules_number(r, FW_COND_L4PROTO, proto);
	if (port)
		fw_rules_number(r, FW_COND_DPORT, port);
}

static void input_rules(const struct net *net, const struct fw_table *table, struct fw_rules *r)
{
	const char *device = net->result->device;

	if (serves_dns(net)) {
		input_rule(r, device, IPPROTO_UDP, PORT_DNS);
		input_rule(r, device, IPPROTO_TCP, PORT_DNS);
	}
	if (table->family != NFPROTO_IPV6 && net->d->host_access != HOST_ACCESS_NO)
		input_rule(r, device, IPPROTO_ICMP, 0);
	if (table->family != NFPROTO_IPV4)
		input_rule(r, device, IPPROTO_ICMPV6, 0);
}

/* ---- where they go ---- */

/* Rules that one network needs in one chain. */
struct want {
	const struct net *net;
	const struct fw_table *table;
	const struct fw_chain *chain;
	enum fw_hook hook;
	const char *owner;
	struct fw_rules rules;
	uint64_t before;
	bool works;		/* with what is there of ours, everything passes */
	struct want *next;
};


static size_t place_of(const struct fw_chain *chain, uint64_t handle)
{
	size_t i = 0;

	while (i < chain->n_rules && chain->rules[i].handle != handle)
		i++;
	return i;
}

uint64_t foreign_end(const struct fw_chain *chain)
{
	for (size_t i = 0; i < chain->n_rules; i++)
		if (chain->rules[i].n_conds == 0 && chain->rules[i].verdict != FW_VERDICT_NONE &&
		    chain->rules[i].verdict != FW_VERDICT_JUMP)
			return chain->rules[i].handle;
	return 0;
}

static void look(struct make *m, const struct net *net, const struct fw_table *table, const struct fw_chain *chain)
{
	struct flows flows;
	struct fw_drop first = { 0 }, drop;
	bool any = false, works = true;
	size_t place = SIZE_MAX;

	find_flows(m, net, table, chain->hook, &flows);
	for (size_t i = 0; i < flows.n; i++) {
		works = works && !foreign_drops(table, chain, &flows.list[i], true, &drop);
		if (!foreign_drops(table, chain, &flows.list[i], false, &drop))
			continue;
		size_t at = drop.at ? place_of(chain, drop.at) : chain->n_rules;
		if (!any || at < place) {
			place = at;
			first.at = drop.at;
		}
		if (!first.point)
			first.point = drop.point;
		any = true;
	}
	if (!any)
		return;
	const struct fw_chain *to = first.point ? first.point : chain;
	struct want *w, **end = &m->foreign;
	for (; *end; end = &(*end)->next)
		if ((*end)->net == net && (*end)->table == table && (*end)->chain == to)
			return;
	*end = w = ARENA_NEW(m->arena, struct want);
	*w = (struct want){ net, table, to, chain->hook, foreign_owner(table, first.point), .works = works,
			    .before = first.point ? foreign_end(to) : first.at };
	w->rules.arena = m->arena;
	w->rules.comment = arena_printf(m->arena, FW_COMMENT_PREFIX "%s", net->target->name);
	if (chain->hook == FW_HOOK_FORWARD)
		forward_rules(m, net, table, &w->rules);
	else
		input_rules(net, table, &w->rules);
}

static bool can_change(const struct want *w)
{
	return w->net->d->firewall_auto && !w->table->legacy && !w->table->locked;
}

/* What the network's owner has to do himself. */
static void find_blocked(struct make *m, const struct net *net)
{
	const char *where = "", *commands = "";

	for (const struct want *w = m->foreign; w; w = w->next) {
		if (w->net != net || can_change(w))
			continue;
		const char *name = foreign_name(m->arena, w->table, w->chain);
		const char *command = foreign_command(m->arena, w->table, w->chain, w->hook, w->rules.list, w->rules.n);

		where = arena_printf(m->arena, "%s%s%s%s%s", where, where[0] ? ", " : "", w->owner ? w->owner : "",
				     w->owner ? "'s " : "", name);
		if (!strstr(commands, command))
			commands = arena_printf(m->arena, "%s%s%s", commands, commands[0] ? "; " : "", command);
	}
	if (!where[0])
		return;
	net->result->blocked = arena_printf(m->arena, "%s drops guests' packets; run: %s", where, commands);
	if (net->up)
		(void)report_add(m->report, SEVERITY_WARNING, NULL, net_key(m, net, "firewall"), "%s", net->result->blocked);
}

void find_foreign(struct make *m)
{
	for (size_t i = 0; i < m->n_nets; i++) {
		const struct net *net = &m->nets[i];

		if (!net->active || !net->d || (!net->ours && net->d->mode != NET_MODE_BRIDGE))
			continue;
		for (size_t t = 0; t < m->world->n_firewalls; t++) {
			const struct fw_table *table = &m->world->firewalls[t];

			for (size_t c = 0; c < table->n_chains; c++)
				if (table->chains[c].hook != FW_HOOK_NONE)
					look(m, net, table, &table->chains[c]);
		}
		find_blocked(m, net);
	}
}

/* ---- ops ---- */

static bool is_of(const struct fw_rule *rule, const char *network)
{
	return str_eq(fw_rule_network(rule), network);
}

/* What is there of ours for @network: as the op's old state. */
static void find_old(struct make *m, const struct fw_chain *chain, const char *network, struct op_rule *o)
{
	struct fw_rule *old = arena_alloc(m->arena, chain->n_rules + 1, sizeof(*old));

	o->n_old = 0;
	o->old_before = 0;
	for (size_t i = 0; i < chain->n_rules; i++) {
		if (is_of(&chain->rules[i], network))
			old[o->n_old++] = chain->rules[i];
		else if (o->n_old > 0 && o->old_before == 0)
			o->old_before = chain->rules[i].handle;
	}
	o->old = old;
}

static bool same_rules(const struct op_rule *o)
{
	if (o->n_add != o->n_old)
		return false;
	for (size_t i = 0; i < o->n_add; i++)
		if (!fw_rule_same(&o->add[i], &o->old[i]))
			return false;
	return true;
}

static struct op *rule_op(struct make *m, enum op_action action, const struct fw_table *table, const struct fw_chain *chain,
			  const char *network)
{
	struct op *op = ops_add(m->ops, OP_RULE, action);

	op->network = network;
	op->object = arena_printf(m->arena, "rule %s", foreign_name(m->arena, table, chain));
	op->rule.family = table->family;
	op->rule.table = table->name;
	op->rule.chain = chain->name;
	op->rule.xt = table->xt;
	op->rule.comment = arena_printf(m->arena, FW_COMMENT_PREFIX "%s", network);
	find_old(m, chain, network, &op->rule);
	return op;
}

static const struct want *want_of(const struct make *m, const char *network, const struct fw_table *table,
				  const struct fw_chain *chain)
{
	for (const struct want *w = m->foreign; w; w = w->next)
		if (w->table == table && w->chain == chain && str_eq(w->net->target->name, network) && can_change(w))
			return w;
	return NULL;
}

/* Of a network that is up but that this plan wasn't told of? */
static bool is_unknown_network(const struct make *m, const char *network)
{
	char name[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->n_nets; i++)
		if (str_eq(m->nets[i].target->name, network))
			return false;
	for (size_t i = 0; i < m->world->n_links; i++)
		if (alias_parse(m->world->links[i].alias, name, guest) && !guest[0] && str_eq(name, network))
			return true;
	return false;
}

/* Once for each network that has rules in the chain. */
static void remove_from(struct make *m, const struct fw_table *table, const struct fw_chain *chain)
{
	for (size_t i = 0; i < chain->n_rules; i++) {
		const char *network = fw_rule_network(&chain->rules[i]);
		bool again = false;

		for (size_t k = 0; network && k < i; k++)
			again = again || is_of(&chain->rules[k], network);
		if (!network || again || want_of(m, network, table, chain) || is_unknown_network(m, network))
			continue;
		struct op *op = rule_op(m, OP_ACTION_REMOVE, table, chain, arena_strdup(m->arena, network));
		op->what = op->network;
	}
}

void emit_foreign_gone(struct make *m)
{
	for (size_t t = 0; t < m->world->n_firewalls; t++)
		for (size_t c = 0; c < m->world->firewalls[t].n_chains && !m->world->firewalls[t].legacy; c++)
			remove_from(m, &m->world->firewalls[t], &m->world->firewalls[t].chains[c]);
}

void emit_foreign(struct make *m)
{
	for (const struct want *w = m->foreign; w; w = w->next) {
		if (!can_change(w))
			continue;
		struct op_rule have = { .add = w->rules.list, .n_add = w->rules.n };
		find_old(m, w->chain, w->net->target->name, &have);
		if (w->works && same_rules(&have))
			continue;
		struct op *op = rule_op(m, have.n_old > 0 ? OP_ACTION_CHANGE : OP_ACTION_CREATE, w->table, w->chain,
					w->net->target->name);
		op->rule.add = w->rules.list;
		op->rule.n_add = w->rules.n;
		op->rule.before = w->before;
		op->what = arena_printf(m->arena, w->hook == FW_HOOK_FORWARD ? "%s may be forwarded" : "%s may ask the host for DNS",
					w->net->target->name);
		op->why = arena_printf(m->arena, "%s drops what it doesn't know", w->owner ? w->owner : "the chain");
	}
}
