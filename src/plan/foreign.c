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
#define PORT_DHCP4 67
#define PORT_DHCP4_CLIENT 68
#define ICMP_UNREACHABLE 3
#define ICMP6_TOO_BIG 2
#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT 134
#define ND_NEIGHBOR_SOLICIT 135
#define ND_NEIGHBOR_ADVERT 136

/* ---- packets that have to pass ---- */

#define FLOWS_MAX 24		/* postrouting: 11 of each family */
#define PORTS_NAMED 16	/* rules in one command: more guests are named after these */

struct flows {
	struct fw_packet list[FLOWS_MAX];
	size_t n;
};

static void flow(struct flows *f, struct fw_packet packet)
{
	if (!packet.dtype)
		packet.dtype = packet.oif ? 1U << RTN_UNICAST : 1U << RTN_LOCAL;	/* what leaves isn't the host's */
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

/* What the host itself sends to guests by sockets; the engine's own DHCP and RAs go past the firewalls of IP. */
static void output_flows(const struct net *net, sa_family_t family, struct flows *f)
{
	const struct ip *gateway = family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip;
	const char *device = net->result->device;

	if (!net->ours || !ip_is_set(gateway))
		return;
	if (family == AF_INET6) {
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_UNTRACKED, IPPROTO_ICMPV6, .icmp_type = ND_NEIGHBOR_SOLICIT });
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_UNTRACKED, IPPROTO_ICMPV6, .icmp_type = ND_NEIGHBOR_ADVERT });
	}
	/* A router's errors: without them large transfers hang. */
	if (family == AF_INET)
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_RELATED, IPPROTO_ICMP, .icmp_type = ICMP_UNREACHABLE,
					    .saddr = *gateway });
	else
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_RELATED, IPPROTO_ICMPV6, .icmp_type = ICMP6_TOO_BIG });
	if (serves_dns(net)) {
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_ESTABLISHED, IPPROTO_UDP, .saddr = *gateway });
		flow(f, (struct fw_packet){ family, NULL, device, FW_CT_ESTABLISHED, IPPROTO_TCP, .saddr = *gateway });
	}
}

/* The host's own, to a forward: translated, but the hook still has the way to where it was sent. */
static void own_forward_flow(const struct net *net, sa_family_t family, struct flows *f)
{
	const struct ip *gateway = family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip;

	if (net->ours && ip_is_set(gateway) && has_forward(net, family))
		flow(f, (struct fw_packet){ family, NULL, "lo", FW_CT_NEW | FW_CT_DNAT, .daddr = *gateway });
}

/* What comes from guests, before anything is known of where it goes. */
static void prerouting_flows(struct make *m, const struct net *net, sa_family_t family, struct flows *f)
{
	const struct ip *guest = family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip;
	const char *device = net->result->device;

	input_flows(net, family, f);
	if (nf_call(m, net, family) || (net->d->mode == NET_MODE_NAT && ip_is_set(guest) && uplink_of(net, family)))
		flow(f, (struct fw_packet){ family, device, NULL, FW_CT_NEW, .saddr = *guest, .dtype = 1U << RTN_UNICAST });
}

/* What goes from and to guests, when all is known. */
static void postrouting_flows(struct make *m, const struct net *net, const struct fw_chain *chain, sa_family_t family,
			      struct flows *f)
{
	size_t i = f->n;

	forward_flows(m, net, family, f);
	output_flows(net, family, f);
	for (; i < f->n && chain->after_nat; i++)
		f->list[i].saddr = (struct ip){ 0 };
}

/* ---- frames ---- */

#define ANY_PORT "?"	/* no interface's name: rules about particular ports don't hold, "all but this one" do */

/* The bridge's next port at or after @at: a guest's, or the way out. NULL: no more. */
static const struct w_link *next_port(const struct make *m, const struct net *net, bool of_guest, size_t *at)
{
	char name[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	const struct w_link *bridge = world_link_by_name(m->world, net->result->device);

	while (bridge && *at < m->world->n_links) {
		const struct w_link *l = &m->world->links[(*at)++];
		bool is_guest = (alias_parse(l->alias, name, guest) && guest[0]) || str_eq(l->kind, "tun") || str_eq(l->kind, "veth");

		if (l->master == bridge->ifindex && is_guest == of_guest)
			return l;
	}
	return NULL;
}

static void frame(struct flows *f, const struct fw_packet *ends, sa_family_t family, uint32_t ct, uint8_t l4proto, uint16_t type)
{
	struct fw_packet p = *ends;

	p.family = family;
	p.ct = ct;
	p.l4proto = l4proto;
	if (l4proto == IPPROTO_ICMPV6)
		p.icmp_type = (uint8_t)type;
	else
		p.dport = type;
	flow(f, p);
}

static bool is_on_the_way_out(enum fw_hook hook)
{
	return hook == FW_HOOK_OUTPUT || hook == FW_HOOK_POSTROUTING;
}

/* ARP, neighbour discovery, DHCP, and what they are for. */
static void bridge_flows(struct make *m, const struct net *net, enum fw_hook hook, const char *port, struct flows *f)
{
	size_t at = 0;
	const struct w_link *other = next_port(m, net, false, &at);
	const char *device = net->result->device;
	const bool v4 = !net->ours || ip_is_set(&net->result->address4.ip), v6 = !net->ours || ip_is_set(&net->result->address6.ip);
	const bool leaves = is_on_the_way_out(hook);
	struct fw_packet ends = { .dtype = 1U << RTN_UNICAST };

	/* Of a bridge that isn't ours the host needs nothing. */
	if (!net->ours && (hook == FW_HOOK_INPUT || hook == FW_HOOK_OUTPUT))
		return;
	if (!leaves) {
		ends.iif = port;
		ends.ibr = device;
	}
	if (leaves || hook == FW_HOOK_FORWARD) {
		ends.oif = leaves ? port : other ? other->name : ANY_PORT;
		ends.obr = device;
	}
	if (v4) {
		frame(f, &ends, FW_FAMILY_ARP, FW_CT_UNTRACKED, 0, 0);
		frame(f, &ends, AF_INET, FW_CT_NEW, IPPROTO_UDP, leaves ? PORT_DHCP4_CLIENT : PORT_DHCP4);
		frame(f, &ends, AF_INET, leaves ? FW_CT_ESTABLISHED : FW_CT_NEW, IPPROTO_TCP, 0);
	}
	if (v6) {
		frame(f, &ends, AF_INET6, FW_CT_UNTRACKED, IPPROTO_ICMPV6, leaves ? ND_ROUTER_ADVERT : ND_ROUTER_SOLICIT);
		frame(f, &ends, AF_INET6, FW_CT_UNTRACKED, IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT);
		frame(f, &ends, AF_INET6, FW_CT_UNTRACKED, IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT);
		frame(f, &ends, AF_INET6, leaves ? FW_CT_ESTABLISHED : FW_CT_NEW, IPPROTO_TCP, 0);
	}
}

/* In a bridge's chain a drop counts when it isn't about that one port: libvirt filters so what it is told to. */
static bool is_dropped(const struct fw_table *table, const struct fw_chain *chain, const struct fw_packet *packet,
		       bool with_ours, struct fw_drop *ret)
{
	struct fw_packet any = *packet;
	struct fw_drop again;

	if (!foreign_drops(table, chain, packet, with_ours, ret))
		return false;
	if (table->family != NFPROTO_BRIDGE)
		return true;
	any.iif = any.iif ? ANY_PORT : NULL;
	any.oif = any.oif ? ANY_PORT : NULL;
	return foreign_drops(table, chain, &any, with_ours, &again);
}

/* @port: a guest's, of a table of bridges. */
static void find_flows(struct make *m, const struct net *net, const struct fw_table *table, const struct fw_chain *chain,
		       const char *port, struct flows *f)
{
	f->n = 0;
	if (table->family == NFPROTO_BRIDGE) {
		bridge_flows(m, net, chain->hook, port, f);
		return;
	}
	for (int i = 0; i < 2; i++) {
		sa_family_t family = i == 0 ? AF_INET : AF_INET6;

		if (table->family == (i == 0 ? NFPROTO_IPV6 : NFPROTO_IPV4))
			continue;
		switch (chain->hook) {
		case FW_HOOK_INPUT:
			input_flows(net, family, f);
			break;
		case FW_HOOK_FORWARD:
			forward_flows(m, net, family, f);
			break;
		case FW_HOOK_OUTPUT:
			output_flows(net, family, f);
			own_forward_flow(net, family, f);
			break;
		case FW_HOOK_PREROUTING:
			prerouting_flows(m, net, family, f);
			break;
		case FW_HOOK_POSTROUTING:
			postrouting_flows(m, net, chain, family, f);
			break;
		case FW_HOOK_NONE:
		case FW_HOOK_N_:
			break;
		}
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

static void output_rules(const struct net *net, const struct fw_table *table, struct fw_rules *r)
{
	const bool v4 = table->family != NFPROTO_IPV6, v6 = table->family != NFPROTO_IPV4;

	rule_answers(r, net->result->device, FW_CT_ESTABLISHED | FW_CT_RELATED);
	if (v6) {
		fw_rules_begin(r);
		fw_rules_device(r, FW_COND_OIF, net->result->device);
		fw_rules_number(r, FW_COND_L4PROTO, IPPROTO_ICMPV6);
	}
	if ((v4 && has_forward(net, AF_INET)) || (v6 && has_forward(net, AF_INET6)))
		rule_answers(r, "lo", FW_CT_DNAT);
}

static void device_rule(struct fw_rules *r, enum fw_cond_kind kind, const char *device)
{
	fw_rules_begin(r);
	fw_rules_device(r, kind, device);
}

static void postrouting_rules(const struct net *net, const struct fw_table *table, struct fw_rules *r)
{
	const char *last = NULL;

	for (int i = 0; i < 2; i++) {
		const struct prefix *guests = i == 0 ? &net->result->address4 : &net->result->address6;
		const char *uplink = uplink_of(net, guests->ip.family);

		if (table->family == (i == 0 ? NFPROTO_IPV6 : NFPROTO_IPV4) || net->d->mode != NET_MODE_NAT ||
		    !ip_is_set(&guests->ip) || !uplink || str_eq(uplink, last))
			continue;
		last = uplink;
		if (!table->xt) {
			rule_between(r, net->result->device, uplink);
			continue;
		}
		device_rule(r, FW_COND_OIF, uplink);
		fw_rules_prefix(r, FW_COND_SADDR, guests);
	}
	device_rule(r, FW_COND_OIF, net->result->device);
}

static void find_rules(struct make *m, const struct net *net, const struct fw_table *table, enum fw_hook hook,
		       struct fw_rules *r)
{
	switch (hook) {
	case FW_HOOK_INPUT:
		input_rules(net, table, r);
		break;
	case FW_HOOK_FORWARD:
		forward_rules(m, net, table, r);
		break;
	case FW_HOOK_OUTPUT:
		output_rules(net, table, r);
		break;
	case FW_HOOK_PREROUTING:
		device_rule(r, FW_COND_IIF, net->result->device);
		break;
	case FW_HOOK_POSTROUTING:
		postrouting_rules(net, table, r);
		break;
	case FW_HOOK_NONE:
	case FW_HOOK_N_:
		break;
	}
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

struct looked {
	struct fw_drop first;
	size_t place;		/* of it */
	bool any, works;
};

/* Return: whether something is dropped, as it stands */
static bool look_at(struct make *m, const struct net *net, const struct fw_table *table, const struct fw_chain *chain,
		    const char *port, struct looked *l)
{
	struct flows flows;
	struct fw_drop drop;
	bool works = true;

	find_flows(m, net, table, chain, port, &flows);
	for (size_t i = 0; i < flows.n; i++) {
		works = works && !is_dropped(table, chain, &flows.list[i], true, &drop);
		if (!is_dropped(table, chain, &flows.list[i], false, &drop))
			continue;
		size_t at = drop.at ? place_of(chain, drop.at) : chain->n_rules;
		if (!l->any || at < l->place) {
			l->place = at;
			l->first.at = drop.at;
		}
		if (!l->first.point)
			l->first.point = drop.point;
		l->any = true;
	}
	l->works = l->works && works;
	return !works;
}

/*
 * A frame's bridge can be matched where the kernel has that, which kernels may be built without. There each port that
 * is cut off is named: the next guest's is one more, and nobody is cut off before there is one.
 */
static void look_at_ports(struct make *m, const struct net *net, const struct fw_table *table, const struct fw_chain *chain,
			  struct looked *l, struct fw_rules *rules)
{
	const bool leaves = is_on_the_way_out(chain->hook);
	const struct w_link *port;
	size_t at = 0, n = 0;

	for (; (port = next_port(m, net, true, &at)); n++) {
		if (!look_at(m, net, table, chain, port->name, l) || !m->world->no_ibrname || rules->n >= PORTS_NAMED)
			continue;
		if (!leaves)
			device_rule(rules, FW_COND_IIF, port->name);
		if (leaves || chain->hook == FW_HOOK_FORWARD)
			device_rule(rules, FW_COND_OIF, port->name);
	}
	if (m->world->no_ibrname) {
		l->any = rules->n > 0;
		return;
	}
	if (n == 0)
		(void)look_at(m, net, table, chain, ANY_PORT, l);
	device_rule(rules, leaves ? FW_COND_OBR : FW_COND_IBR, net->result->device);
}

static void look(struct make *m, const struct net *net, const struct fw_table *table, const struct fw_chain *chain)
{
	struct looked l = { .works = true };
	struct fw_rules rules = { .arena = m->arena, .comment = arena_printf(m->arena, FW_COMMENT_PREFIX "%s", net->target->name) };

	if (table->family == NFPROTO_BRIDGE)
		look_at_ports(m, net, table, chain, &l, &rules);
	else
		(void)look_at(m, net, table, chain, NULL, &l);
	if (!l.any)
		return;
	const struct fw_chain *to = l.first.point ? l.first.point : chain;
	struct want *w, **end = &m->foreign;
	for (; *end; end = &(*end)->next)
		if ((*end)->net == net && (*end)->table == table && (*end)->chain == to)
			return;
	*end = w = ARENA_NEW(m->arena, struct want);
	*w = (struct want){ net, table, to, chain->hook, foreign_owner(table, l.first.point), .works = l.works, .rules = rules,
			    .before = l.first.point ? foreign_end(to) : l.first.at };
	if (table->family != NFPROTO_BRIDGE)
		find_rules(m, net, table, chain->hook, &w->rules);
}

static bool can_change(const struct want *w)
{
	return w->net->d->firewall_auto && !w->table->legacy && !w->table->locked && w->table->family != NFPROTO_BRIDGE &&
	       w->hook != FW_HOOK_PREROUTING && w->hook != FW_HOOK_POSTROUTING;
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

static const char *purpose(enum fw_hook hook)
{
	switch (hook) {
	case FW_HOOK_FORWARD:
		return "may be forwarded";
	case FW_HOOK_OUTPUT:
		return "may be answered by the host";
	case FW_HOOK_INPUT:
	case FW_HOOK_PREROUTING:
	case FW_HOOK_POSTROUTING:
	case FW_HOOK_NONE:
	case FW_HOOK_N_:
		break;
	}
	return "may ask the host for DNS";
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
		op->what = arena_printf(m->arena, "%s %s", w->net->target->name, purpose(w->hook));
		op->why = arena_printf(m->arena, "%s drops what it doesn't know", w->owner ? w->owner : "the chain");
	}
}
