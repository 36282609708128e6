/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_bridge_nf - what netfilter does to frames that a bridge passes on
 *
 * The bridge family's own chains, and the IP families' forward chains through
 * br_netfilter. Drops count when they are certain (diag/fw_view.h).
 */
#include "diag/rule_bridge.h"

#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include "diag/fix_rule.h"
#include "diag/rule.h"
#include "diag/scene.h"

#define TYPE_NS 135
#define TYPE_MLD2_REPORT 143

struct bridge {
	const struct snap_link *link, *guest;	/* guest: a port of one */
	size_t n_ports;				/* up */
};

static struct bridge look_at(const struct snapshot *s, const struct snap_link *link)
{
	struct bridge b = { .link = link };

	for (size_t i = 0; str_eq(link->kind, "bridge") && (link->flags & IFF_UP) && i < s->n_links; i++) {
		const struct snap_link *port = &s->links[i];

		if (port->master != link->ifindex || !(port->flags & IFF_UP))
			continue;
		b.n_ports++;
		if (!b.guest && scene_is_guest_link(s, port))
			b.guest = port;
	}
	return b;
}

/* -------------------------------------------------------------------- mld-filtered */

struct mld {
	const struct fw_view *plain;
	struct fw_view *extended;
	uint32_t hook;
	struct fw_packet report, solicitation;
	bool found;
	struct fw_hit hit;
};

/* A chain of the bridge family: which drops reports and lets solicitations pass. */
static void try_mld(struct mld *m)
{
	for (size_t i = 0; i < m->extended->n && !m->found; i++) {
		const struct snap_table *of = m->extended->of[i];

		for (size_t k = 0; of && of->family == NFPROTO_BRIDGE && k < of->n_chains && !m->found; k++) {
			const struct snap_chain *c = &of->chains[k];
			const struct fw_table *x = &m->extended->tables[i], *kind = &m->extended->kind[i];
			struct fw_drop other;

			if (!c->base || c->hook != m->hook || !str_eq(c->type, "filter"))
				continue;
			if (!foreign_drops(x, &x->chains[k], &m->report, true, &m->hit.drop) ||
			    !foreign_drops(kind, &kind->chains[k], &m->report, true, &other) ||
			    foreign_drops(&m->plain->tables[i], &m->plain->tables[i].chains[k], &m->solicitation, true, &other))
				continue;
			m->hit.base = (struct fw_base){ x, &x->chains[k], c, of->owner };
			m->found = true;
		}
	}
}

static void judge_mld_of(const struct snapshot *s, struct findings *found, const struct bridge *b, const struct fw_view *plain,
			 struct fw_view *extended)
{
	const struct snap_link *up = bridge_uplink_port(s, b->link);
	struct mld m = {
		.plain = plain, .extended = extended, .hook = NF_BR_PRE_ROUTING,
		.report = { AF_INET6, b->guest->name, NULL, FW_CT_UNTRACKED, IPPROTO_ICMPV6, .icmp_type = TYPE_MLD2_REPORT },
		.solicitation = { AF_INET6, b->guest->name, NULL, FW_CT_UNTRACKED, IPPROTO_ICMPV6, .icmp_type = TYPE_NS },
	};

	/* Before the bridge reads reports; on their way to the LAN, whose switch reads them. */
	if (b->link->bridge.mcast_snooping)
		try_mld(&m);
	bool here = m.found;
	if (!m.found && up) {
		m.hook = NF_BR_FORWARD;
		m.report.oif = m.solicitation.oif = up->name;
		try_mld(&m);
	}
	if (!m.found)
		return;
	struct diag_finding *f = findings_add(found, b->link->name);
	const char *chain = foreign_name(found->arena, m.hit.base.table, m.hit.base.chain);

	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].master == b->link->ifindex && f->n_about < FINDING_ABOUT)
			finding_about(f, s->links[i].name);
	if (!here || !bridge_querier_lives(b->link))
		f->severity = SEVERITY_WARNING;
	finding_what(f, "%s drops the MLD reports of guests on %s: %s.", chain, b->link->name,
		     here ? "the bridge forgets which groups they listen to" : "the LAN's switch doesn't learn which groups they listen to");
	finding_why(f, "MLD has a hop-by-hop header in front of ICMPv6, and the rule looks at the first header only "
		       "(ip6 nexthdr). Where groups are asked for, neighbour solicitations are dropped after a while.");
	finding_value(f, "chain", "%s", chain);
	finding_seen_in(f, "nft -a list chain %s", chain);
	struct diag_fix *fix = finding_fix(f, "accept-mld", FIX_LASTS_LIVE);
	struct fw_rules rules = fix_rules(fix, arena_printf(f->all->arena, "%s-mld", b->link->name));
	fw_rules_begin(&rules);
	fw_rules_number(&rules, FW_COND_L4PROTO, IPPROTO_ICMPV6);
	fix_rule(f, fix, &m.hit, FW_HOOK_FORWARD, &rules);
	fix_rules_end(fix, &(struct fw_hits){ .list = { m.hit }, .n = 1 });
	fix_note(f, fix, "write \"meta l4proto ipv6-icmp\" for \"ip6 nexthdr icmpv6\" where the rules come from");
}

void bridge_judge_mld(const struct snapshot *s, struct findings *found)
{
	struct fw_view plain = { 0 }, extended = { 0 };
	bool any = false;

	for (size_t i = 0; i < s->n_tables; i++)
		any |= s->tables[i].family == NFPROTO_BRIDGE && !str_eq(s->tables[i].owner, "sixtap");
	if (!any)
		return;
	plain = fw_view(s, found->arena, FW_VIEW_PLAIN);
	extended = fw_view(s, found->arena, FW_VIEW_EXTENDED);
	for (size_t i = 0; i < s->n_links; i++) {
		const struct bridge b = look_at(s, &s->links[i]);

		if (b.guest)
			judge_mld_of(s, found, &b, &plain, &extended);
	}
}

/* ----------------------------------------------------------------------- netfilter */

struct family {
	uint8_t family;
	const char *name, *path;
	bool global, own;		/* what lets netfilter see bridged frames */
	bool drops;
};

static void find_drops(struct family *f, const struct fw_view *view, const struct snap_link *bridge, struct fw_hits *hits)
{
	struct fw_hits mine = { .n = 0 };
	struct fw_packet list[2] = {
		{ f->family, bridge->name, bridge->name, FW_CT_NEW, .dtype = 1U << RTN_UNICAST },
		{ f->family, bridge->name, bridge->name, FW_CT_UNTRACKED, IPPROTO_ICMPV6, .icmp_type = TYPE_NS },
	};

	for (size_t i = 0; (f->global || f->own) && i < (f->family == AF_INET6 ? 2u : 1u); i++) {
		(void)fw_drops(view, NF_INET_FORWARD, &list[i], &mine);
		(void)fw_drops(view, NF_INET_FORWARD, &list[i], hits);
	}
	f->drops = mine.n > 0;
}

/* What passes the forward chain of the host is dropped here: let it pass, or turn that off. */
static void netfilter_fixes(struct diag_finding *f, const struct snap_link *bridge, const struct family *families,
			    const struct fw_hits *hits)
{
	struct diag_fix *fix = finding_fix(f, "accept", FIX_LASTS_LIVE);
	bool own = false;

	for (size_t i = 0; i < hits->n; i++) {
		struct fw_rules rules = fix_rules(fix, arena_printf(f->all->arena, "%s-bridged", bridge->name));

		fw_rules_begin(&rules);
		fw_rules_device(&rules, FW_COND_IIF, bridge->name);
		fw_rules_device(&rules, FW_COND_OIF, bridge->name);
		fix_rule(f, fix, &hits->list[i], FW_HOOK_FORWARD, &rules);
	}
	fix_rules_end(fix, hits);
	fix = finding_fix(f, "off", FIX_LASTS_LIVE);
	for (int i = 0; i < 2; i++) {
		own |= families[i].drops && families[i].own;
		if (families[i].drops && families[i].global)
			fix_sysctl(f, fix, families[i].path, "1", "0");
		if (families[i].drops && families[i].own)
			fix_command(f, fix, "ip link set %s type bridge nf_call_%stables 0", bridge->name, families[i].name);
	}
	fix_note(f, fix, "the host's firewall no longer sees what bridges pass on, of any bridge");
	if (own) {	/* not by a sysctl alone */
		if (fix->ops)
			fix->ops = ops_free(fix->ops);
		fix->n_persist = 0;
	}
	fix->by_name = true;
}

void bridge_judge_netfilter(const struct snapshot *s, struct findings *found)
{
	bool v4 = snap_sysctl_int(s, "net/bridge/bridge-nf-call-iptables", 0) != 0;
	bool v6 = snap_sysctl_int(s, "net/bridge/bridge-nf-call-ip6tables", 0) != 0;
	struct fw_view view = { 0 };

	for (size_t i = 0; i < s->n_links; i++) {
		const struct bridge b = look_at(s, &s->links[i]);
		struct fw_hits hits = { .n = 0 };
		struct family families[2] = {
			{ AF_INET, "ip", "net/bridge/bridge-nf-call-iptables", v4, b.link->bridge.nf_call_iptables, .drops = false },
			{ AF_INET6, "ip6", "net/bridge/bridge-nf-call-ip6tables", v6, b.link->bridge.nf_call_ip6tables,
			  .drops = false },
		};

		/* Who looks after containers shows bridged frames to his rules on purpose, and keeps some of them apart. */
		if (!b.guest || b.n_ports < 2 || !s->br_netfilter || scene_is_containers(b.link))
			continue;
		if (!view.tables)
			view = fw_view(s, found->arena, FW_VIEW_BRIDGED);
		for (int k = 0; k < 2; k++)
			find_drops(&families[k], &view, b.link, &hits);
		if (!families[0].drops && !families[1].drops)
			continue;
		const struct family *one = families[1].drops ? &families[1] : &families[0];
		struct diag_finding *f = findings_add(found, b.link->name);

		finding_what(f, "Guests on %s are cut off from each other%s over %s: %s drop%s what the bridge passes on.", b.link->name,
			     bridge_uplink_port(s, b.link) ? " and from the LAN" : "",
			     families[0].drops ? families[1].drops ? "IPv4 and IPv6" : "IPv4" : "IPv6",
			     fw_hits_name(found->arena, &hits), hits.n == 1 ? "s" : "");
		finding_why(f, "br_netfilter shows bridged frames to the host's forward chains (%s), and nobody accepts them there.",
			    one->global ? one->path : "the bridge's own nf_call setting");
		finding_value(f, "chain", "%s", fw_hits_chains(found->arena, &hits));
		finding_value(f, "setting", "%s=%d, %s.nf_call_%stables=%d", one->path, one->global, b.link->name, one->name, one->own);
		finding_seen_in(f, "sysctl net.bridge, nft list ruleset");
		netfilter_fixes(f, b.link, families, &hits);
	}
}
