/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_firewall - what guests need and a firewall drops
 *
 * An accept in one base chain never overrides a drop in another, so each chain
 * of others is asked by itself. Only drops that are certain count.
 */
#include "diag/rule.h"

#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include "diag/fix_rule.h"
#include "diag/rules.h"
#include "diag/scene.h"
#include "model/world.h"

#define TYPE_TOO_BIG 2
#define TYPE_RS 133
#define TYPE_NS 135
#define TYPE_NA 136
#define PORT_DNS 53
#define PORT_DHCP4 67
#define PORT_DHCP6 547
#define SERVICES_MAX 8

/* One family of one network, on its way out. */
struct way {
	uint8_t family;
	const struct snap_link *bridge, *up;
	struct ip guest;		/* any address of the network's */
};

static bool way_of(const struct scene_net *net, uint8_t family, struct way *ret)
{
	const struct snap_link *up = family == AF_INET ? net->up4 : net->up6;
	const struct prefix *prefix = family == AF_INET ? &net->v4 : &net->v6;

	if (!net->outside || !up || !ip_is_set(&prefix->ip))
		return false;
	*ret = (struct way){ family, net->bridge, up, prefix->ip };
	return true;
}

static struct fw_packet outward(const struct way *w)
{
	return (struct fw_packet){ w->family, w->bridge->name, w->up->name, FW_CT_NEW, .saddr = w->guest,
				   .dtype = 1U << RTN_UNICAST };
}

static struct fw_packet answer(const struct way *w)
{
	return (struct fw_packet){ w->family, w->up->name, w->bridge->name, FW_CT_ESTABLISHED, .daddr = w->guest,
				   .dtype = 1U << RTN_UNICAST };
}

static void about_net(struct diag_finding *f, const struct scene_net *net)
{
	finding_about(f, net->bridge->name);
	if (net->ours)
		finding_network(f, net->ours->name);
}

/* Ours is put right by the daemon, or by `up` when it isn't there. */
static void fix_ours(struct diag_finding *f, const struct scene_net *net)
{
	if (net->ours && !str_eq(net->ours->firewall, "off"))
		fix_run(f, finding_fix(f, "up", FIX_LASTS_REBOOT_SAFE), (const char *const[]){ "up", net->ours->name, NULL });
}

/* -------------------------------------------------------------------- foreign-drop */

/* Adds to @hits. Return: whether the family's packets are dropped; then @ret_up is where they would leave. */
static bool forward_drops(const struct fw_view *view, const struct scene_net *net, uint8_t family, struct fw_hits *hits,
			  const struct snap_link **ret_up)
{
	struct fw_hits mine = { .n = 0 };
	struct way way;

	if (!way_of(net, family, &way))
		return false;
	const struct fw_packet list[] = { outward(&way), answer(&way) };
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		(void)fw_drops(view, NF_INET_FORWARD, &list[i], &mine);
		(void)fw_drops(view, NF_INET_FORWARD, &list[i], hits);
	}
	if (mine.n > 0)
		*ret_up = way.up;
	return mine.n > 0;
}

static void forward_fix(struct diag_finding *f, struct diag_fix *fix, const struct scene_net *net, const struct fw_hit *hit,
			const struct snap_link *up)
{
	struct fw_rules rules = fix_rules(fix, net->name);

	fw_rules_begin(&rules);
	fw_rules_device(&rules, FW_COND_IIF, net->bridge->name);
	fw_rules_device(&rules, FW_COND_OIF, up->name);
	fw_rules_begin(&rules);
	fw_rules_device(&rules, FW_COND_OIF, net->bridge->name);
	fw_rules_number(&rules, FW_COND_CT, FW_CT_ESTABLISHED | FW_CT_RELATED | (hit->base.table->xt ? FW_CT_DNAT : 0));
	fix_rule(f, fix, hit, FW_HOOK_FORWARD, &rules);
}

static void judge_foreign_drop(const struct snapshot *s, struct findings *found)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct scene_net *net = &nets[i];
		const struct snap_link *up4 = NULL, *up6 = NULL;
		struct fw_hits hits = { .n = 0 };
		const bool v4 = forward_drops(&view, net, AF_INET, &hits, &up4), v6 = forward_drops(&view, net, AF_INET6, &hits, &up6);

		if (!v4 && !v6)
			continue;
		struct diag_finding *f = findings_add(found, net->name);

		about_net(f, net);
		finding_what(f, "%s are offline over %s: %s drop%s what they send to %s.",
			     net->ours || net->libvirt ? arena_printf(found->arena, "Guests of %s", net->name) :
							 arena_printf(found->arena, "Guests on %s", net->name),
			     v4 ? v6 ? "IPv4 and IPv6" : "IPv4" : "IPv6", fw_hits_name(found->arena, &hits), hits.n == 1 ? "s" : "",
			     (v4 ? up4 : up6)->name);
		finding_why(f, "Whoever accepts these packets elsewhere doesn't help: every base chain has to, and a drop is final.");
		finding_value(f, "chain", "%s", fw_hits_chains(found->arena, &hits));
		finding_seen_in(f, "%s", hits.list[0].base.table->legacy ? "iptables-legacy -S" : "nft list ruleset");
		fix_ours(f, net);
		struct diag_fix *fix = finding_fix(f, "accept", FIX_LASTS_LIVE);
		for (size_t k = 0; k < hits.n; k++)
			forward_fix(f, fix, net, &hits.list[k], hits.list[k].base.table->family == NFPROTO_IPV6 || !v4 ? up6 : up4);
		fix_rules_end(fix, &hits);
		fix_note(f, fix, "until that firewall is loaded anew; make it part of its own configuration");
	}
}

/* ------------------------------------------------------------------- rules-missing */

static bool needs_rules(const struct snap_network *net)
{
	return net && (str_eq(net->mode, "nat") || str_eq(net->mode, "routed") || str_eq(net->mode, "isolated"));
}

static void judge_rules_missing(const struct snapshot *s, struct findings *found)
{
	const char *what = NULL, *network = NULL;

	for (size_t i = 0; i < s->n_changes && !what; i++)
		if (strncmp(s->changes[i].object, "rules ", 6) == 0)
			what = s->changes[i].object + 6;
	/* Without a daemon nobody tells what would be changed: then the table as a whole. */
	for (size_t i = 0; i < s->n_links && !what; i++) {
		char name[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

		if (!alias_parse(s->links[i].alias, name, guest) || guest[0] || !str_eq(s->links[i].kind, "bridge") ||
		    snap_table(s, NFPROTO_INET, "sixtap"))
			continue;
		const struct snap_network *net = snap_network(s, name);
		if (net && !needs_rules(net))
			continue;
		what = "inet sixtap";
		network = arena_strdup(found->arena, name);
	}
	if (!what)
		return;
	struct diag_finding *f = findings_add(found, what);

	for (size_t i = 0; i < s->n_networks; i++)
		if (needs_rules(&s->networks[i]) && s->networks[i].ifindex)
			finding_about(f, s->networks[i].name);
	finding_what(f, "Rules of ours are gone from %s: NAT and forwards of guests are dead, and nothing guards them.", what);
	finding_why(f, "Whoever loads a firewall with \"flush ruleset\" takes everybody's tables away. %s",
		    network ? "No daemon runs that would put them back." : "");
	finding_seen_in(f, "nft list tables");
	struct diag_fix *fix = finding_fix(f, "up", FIX_LASTS_REBOOT_SAFE);
	if (network)
		fix_run(f, fix, (const char *const[]){ "up", network, NULL });
	else
		fix_run(f, fix, (const char *const[]){ "up", NULL });
}

/* ----------------------------------------------------------------- services-blocked */

struct service_need {
	const char *name;
	struct fw_packet packet;
	struct fw_hits hits;		/* where it is dropped */
};

struct needs {
	struct service_need list[SERVICES_MAX];
	size_t n;
};

static void need(struct needs *n, const char *name, struct fw_packet packet)
{
	packet.dtype = 1U << RTN_LOCAL;
	if (n->n < SERVICES_MAX)
		n->list[n->n++] = (struct service_need){ .name = name, .packet = packet };
}

/* Does a program listen there for this network's guests, by a socket that the firewall stands before? */
static bool listens(const struct snapshot *s, uint8_t proto, uint16_t port, const struct snap_link *bridge,
		    const struct ip *gateway)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct snap_listener *l = &s->listeners[i];

		if (l->proto != proto || l->port != port || (l->ifindex && l->ifindex != bridge->ifindex))
			continue;
		if (ip_is_unspecified(&l->ip) || ip_eq(&l->ip, gateway) || (l->ifindex && ip_is_link_local(&l->ip)))
			return l->ip.family == gateway->family || (l->ip.family == AF_INET6 && !l->v6only);
	}
	return false;
}

static bool is_served(const struct scene_net *net, uint16_t port)
{
	if (!net->ours)
		return false;
	return port == PORT_DHCP4 ? net->ours->dhcp4 : port == PORT_DHCP6 ? net->ours->dhcp6 : false;
}

static void find_needs(const struct snapshot *s, const struct scene_net *net, struct needs *n)
{
	const char *dev = net->bridge->name;
	const struct ip *v4 = &net->v4.ip, *v6 = &net->v6.ip;
	const struct snap_program *radvd = snap_program(s, "radvd");

	if (ip_is_set(v6)) {
		need(n, "neighbour solicitations", (struct fw_packet){ AF_INET6, dev, NULL, FW_CT_UNTRACKED, IPPROTO_ICMPV6,
								      .icmp_type = TYPE_NS });
		need(n, "neighbour advertisements", (struct fw_packet){ AF_INET6, dev, NULL, FW_CT_UNTRACKED, IPPROTO_ICMPV6,
								       .icmp_type = TYPE_NA });
		if (radvd && radvd->running)
			need(n, "router solicitations", (struct fw_packet){ AF_INET6, dev, NULL, FW_CT_UNTRACKED, IPPROTO_ICMPV6,
									   .icmp_type = TYPE_RS });
		if (listens(s, IPPROTO_UDP, PORT_DHCP6, net->bridge, v6) && !is_served(net, PORT_DHCP6))
			need(n, "DHCPv6", (struct fw_packet){ AF_INET6, dev, NULL, FW_CT_NEW, IPPROTO_UDP, PORT_DHCP6, .icmp_type = 0 });
		if (listens(s, IPPROTO_UDP, PORT_DNS, net->bridge, v6))
			need(n, "DNS", (struct fw_packet){ AF_INET6, dev, NULL, FW_CT_NEW, IPPROTO_UDP, PORT_DNS, .daddr = *v6 });
	}
	if (!ip_is_set(v4))
		return;
	if (listens(s, IPPROTO_UDP, PORT_DHCP4, net->bridge, v4) && !is_served(net, PORT_DHCP4))
		need(n, "DHCP", (struct fw_packet){ AF_INET, dev, NULL, FW_CT_NEW, IPPROTO_UDP, PORT_DHCP4, .icmp_type = 0 });
	if (listens(s, IPPROTO_UDP, PORT_DNS, net->bridge, v4))
		need(n, "DNS", (struct fw_packet){ AF_INET, dev, NULL, FW_CT_NEW, IPPROTO_UDP, PORT_DNS, .daddr = *v4 });
}

static bool has_hit(const struct service_need *need, const struct fw_chain *chain)
{
	for (size_t i = 0; i < need->hits.n; i++)
		if (need->hits.list[i].base.chain == chain)
			return true;
	return false;
}

/* What one chain drops of it, accepted there. */
static void service_fix(struct diag_finding *f, struct diag_fix *fix, const struct scene_net *net, const struct needs *blocked,
			const struct fw_hit *hit)
{
	struct fw_rules rules = fix_rules(fix, net->name);
	bool icmp = false;

	for (size_t k = 0; k < blocked->n; k++) {
		const struct fw_packet *p = &blocked->list[k].packet;

		if (!has_hit(&blocked->list[k], hit->base.chain) || (p->l4proto == IPPROTO_ICMPV6 && icmp))
			continue;
		fw_rules_begin(&rules);
		fw_rules_device(&rules, FW_COND_IIF, net->bridge->name);
		fw_rules_number(&rules, FW_COND_L4PROTO, p->l4proto);
		if (p->dport)
			fw_rules_number(&rules, FW_COND_DPORT, p->dport);
		icmp |= p->l4proto == IPPROTO_ICMPV6;
	}
	fix_rule(f, fix, hit, FW_HOOK_INPUT, &rules);
}

static void judge_services(const struct snapshot *s, struct findings *found)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		struct needs needs = { .n = 0 }, blocked = { .n = 0 };
		struct fw_hits hits = { .n = 0 };
		const char *names = "";

		find_needs(s, &nets[i], &needs);
		for (size_t k = 0; k < needs.n; k++) {
			struct service_need *w = &needs.list[k];

			if (fw_drops(&view, NF_INET_LOCAL_IN, &w->packet, &w->hits) == 0)
				continue;
			(void)fw_drops(&view, NF_INET_LOCAL_IN, &w->packet, &hits);
			blocked.list[blocked.n++] = *w;
			if (!strstr(names, w->name))
				names = arena_printf(found->arena, "%s%s%s", names, names[0] ? ", " : "", w->name);
		}
		if (blocked.n == 0)
			continue;
		struct diag_finding *f = findings_add(found, nets[i].name);

		about_net(f, &nets[i]);
		finding_what(f, "Guests on %s don't get through to this host with %s: %s drop%s it.", nets[i].bridge->name, names,
			     fw_hits_name(found->arena, &hits), hits.n == 1 ? "s" : "");
		finding_why(f, "Without these a guest has no lease, no name resolution, or can't find its gateway.");
		finding_value(f, "blocked", "%s", names);
		finding_value(f, "chain", "%s", fw_hits_chains(found->arena, &hits));
		finding_seen_in(f, "%s", hits.list[0].base.table->legacy ? "iptables-legacy -S INPUT" : "nft list ruleset");
		fix_ours(f, &nets[i]);
		struct diag_fix *fix = finding_fix(f, "accept", FIX_LASTS_LIVE);
		for (size_t k = 0; k < hits.n; k++)
			service_fix(f, fix, &nets[i], &blocked, &hits.list[k]);
		fix_rules_end(fix, &hits);
		fix_note(f, fix, "until that firewall is loaded anew; make it part of its own configuration");
	}
}

/* ------------------------------------------------------------------ too-big-dropped */

static void too_big(struct findings *found, const struct fw_view *view, uint32_t hook, const struct fw_packet *data,
		    const char *in, const char *out, const char *whose, const char *subject)
{
	struct fw_packet big = *data;
	struct fw_hits hits = { .n = 0 };

	big.ct = FW_CT_RELATED;
	big.l4proto = IPPROTO_ICMPV6;
	big.icmp_type = TYPE_TOO_BIG;
	/* A chain that drops the connection itself is another fault. */
	if (fw_drops(view, hook, data, &hits) > 0 || fw_drops(view, hook, &big, &hits) == 0)
		return;
	struct diag_finding *f = findings_add(found, subject);

	finding_about(f, in);
	finding_what(f, "Large transfers of %s over IPv6 hang: %s drop%s \"packet too big\".", whose,
		     fw_hits_name(found->arena, &hits), hits.n == 1 ? "s" : "");
	finding_why(f, "Routers of IPv6 don't fragment. They tell the sender the size that fits by ICMPv6 type 2, which connection "
		       "tracking calls related, not established.");
	finding_value(f, "chain", "%s", fw_hits_chains(found->arena, &hits));
	finding_seen_in(f, "nft list ruleset");
	struct diag_fix *fix = finding_fix(f, "accept", FIX_LASTS_LIVE);
	for (size_t i = 0; i < hits.n; i++) {
		struct fw_rules rules = fix_rules(fix, arena_printf(f->all->arena, "%s-too-big", subject));

		fw_rules_begin(&rules);
		fw_rules_device(&rules, out ? FW_COND_OIF : FW_COND_IIF, out ? out : in);
		fw_rules_number(&rules, FW_COND_CT, FW_CT_ESTABLISHED | FW_CT_RELATED);
		fix_rule(f, fix, &hits.list[i], hook == NF_INET_FORWARD ? FW_HOOK_FORWARD : FW_HOOK_INPUT, &rules);
	}
	fix_rules_end(fix, &hits);
	fix_note(f, fix, "until that firewall is loaded anew; make it part of its own configuration");
}

static void judge_too_big(const struct snapshot *s, struct findings *found)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	const struct snap_link *up = scene_uplink(s, AF_INET6);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		struct way way;

		if (!way_of(&nets[i], AF_INET6, &way))
			continue;
		const struct fw_packet data = answer(&way);
		too_big(found, &view, NF_INET_FORWARD, &data, way.up->name, nets[i].bridge->name,
			arena_printf(found->arena, "guests on %s", nets[i].bridge->name), nets[i].name);
	}
	if (up && scene_host_addr(s, up->ifindex, AF_INET6)) {
		const struct fw_packet data = { AF_INET6, up->name, NULL, FW_CT_ESTABLISHED, IPPROTO_TCP, .dtype = 1U << RTN_LOCAL };

		too_big(found, &view, NF_INET_LOCAL_IN, &data, up->name, NULL, "this host", up->name);
	}
}

#define NEEDS .needs = { SNAP_PART_NFTABLES, SNAP_PART_LEGACY }

static const struct rule rules[] = {
	{ "firewall.foreign-drop", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_foreign_drop },
	{ "firewall.rules-missing", SEVERITY_ERROR, RULE_SUBJECT_HOST, .needs = { SNAP_PART_NFTABLES }, .judge = judge_rules_missing },
	{ "firewall.services-blocked", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_services },
	{ "firewall.too-big-dropped", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_too_big },
};

const struct rule_section rules_firewall = { "Firewall", rules, ARRAY_LEN(rules) };
