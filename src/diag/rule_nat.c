/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nat - NAT and port forwards that others made
 *
 * Ours are the plan's business (firewall.rules-missing). A packet is walked
 * through the chains of type nat; which rule takes it, and what that does, is
 * read from the snapshot's own expressions.
 */
#include "diag/rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include "diag/fw_view.h"
#include "diag/rules.h"
#include "diag/scene.h"

#define PORT_DNS 53	/* answered by a server of the owner's choice, on purpose */
#define TRANSLATIONS_MAX 256

/* A rule that sends what comes for a port elsewhere. */
struct forward {
	struct fw_base base;
	const struct fw_rule *rule;
	const struct snap_nft_rule *of;
	uint8_t family, proto;
	uint16_t port;
	struct ip host;			/* family 0: any address */
	struct ip target;		/* family 0: not known */
};

static struct ip outside_of(uint8_t family)
{
	struct ip ip = { 0 };

	(void)ip_parse(family == AF_INET ? "203.0.113.1" : "2001:db8:ffff:ffff::1", &ip);
	return ip;
}

static const struct snap_nft_rule *rule_by_handle(const struct snap_table *t, uint64_t handle)
{
	for (size_t i = 0; i < t->n_chains; i++)
		for (size_t k = 0; k < t->chains[i].n_rules; k++)
			if (t->chains[i].rules[k].handle == handle)
				return &t->chains[i].rules[k];
	return NULL;
}

/* The address that an expression's register was loaded with, in the same rule. */
static struct ip loaded(const struct snap_nft_rule *rule, uint32_t reg)
{
	struct ip ip = { 0 };

	for (size_t i = 0; reg && i < rule->n_exprs; i++) {
		const struct snap_expr *e = &rule->exprs[i];

		if (!str_eq(e->name, "immediate") || e->dreg != reg || e->has_verdict)
			continue;
		if (e->data.n != 4 && e->data.n != 16)
			continue;
		ip.family = e->data.n == 4 ? AF_INET : AF_INET6;
		memcpy(ip.b, e->data.p, e->data.n);
	}
	return ip;
}

/* Of xtables' DNAT: struct nf_nat_range2 and its forerunners begin with flags and the first address. */
static struct ip xt_target(const struct snap_expr *e, uint8_t family)
{
	size_t at = family == AF_INET && e->key == 0 ? 8 : 4, n = family == AF_INET ? 4 : 16;
	struct ip ip = { 0 };

	if (e->data.n < at + n)
		return ip;
	ip.family = family;
	memcpy(ip.b, e->data.p + at, n);
	return ip;
}

static bool is_dnat(const struct snap_nft_rule *rule, uint8_t family, struct ip *ret_target)
{
	for (size_t i = 0; i < rule->n_exprs; i++) {
		const struct snap_expr *e = &rule->exprs[i];

		if (str_eq(e->name, "target:DNAT")) {
			*ret_target = xt_target(e, family);
			return true;
		}
		if (str_eq(e->name, "nat") && e->key == NFT_NAT_DNAT) {
			*ret_target = loaded(rule, e->sreg);
			return true;
		}
	}
	return false;
}

static const struct fw_cond *cond_of(const struct fw_rule *rule, enum fw_cond_kind kind)
{
	for (size_t i = 0; i < rule->n_conds; i++)
		if (rule->conds[i].kind == kind && !rule->conds[i].negated)
			return &rule->conds[i];
	return NULL;
}

/* ---- which forwards there are ---- */

struct forwards {
	const struct fw_view *view;
	uint8_t family;
	struct forward *list;
	size_t n;
};

static void add_forward(struct forwards *f, const struct fw_base *base, const struct fw_rule *rule,
			const struct snap_table *table)
{
	const struct fw_cond *port = cond_of(rule, FW_COND_DPORT), *proto = cond_of(rule, FW_COND_L4PROTO);
	const struct fw_cond *daddr = cond_of(rule, FW_COND_DADDR);
	const struct snap_nft_rule *of = rule->verdict == FW_VERDICT_OTHER ? rule_by_handle(table, rule->handle) : NULL;
	struct ip target = { 0 };

	if (!of || !port || port->n == 0 || f->n == TRANSLATIONS_MAX || !is_dnat(of, f->family, &target))
		return;
	if (ip_is_set(&target) && target.family != f->family)
		return;
	f->list[f->n++] = (struct forward){
		.base = *base, .rule = rule, .of = of, .family = f->family,
		.proto = proto && proto->n > 0 ? (uint8_t)proto->ranges[0].first : IPPROTO_TCP,
		.port = (uint16_t)port->ranges[0].first,
		.host = daddr ? daddr->prefix.ip : (struct ip){ 0 },
		.target = target,
	};
}

/* Every rule of the table: chains that are jumped to as well. */
static void on_prerouting(void *user, const struct fw_base *base)
{
	struct forwards *f = user;
	const struct snap_table *table = f->view->of[base->table - f->view->tables];

	for (size_t i = 0; table && i < base->table->n_chains; i++) {
		const struct snap_chain *c = &table->chains[i];

		if (c->base && &base->table->chains[i] != base->chain)
			continue;
		for (size_t k = 0; k < base->table->chains[i].n_rules; k++)
			add_forward(f, base, &base->table->chains[i].rules[k], table);
	}
}

static struct forwards find_forwards(const struct fw_view *view, struct arena *arena, uint8_t family)
{
	struct forwards f = { .view = view, .family = family, .list = arena_alloc(arena, TRANSLATIONS_MAX, sizeof(struct forward)) };

	fw_each(view, family, NF_INET_PRE_ROUTING, "nat", on_prerouting, &f);
	return f;
}

/* ---- which rule takes a packet ---- */

struct taker {
	const struct fw_view *view;
	const struct fw_packet *packet;
	bool kind;			/* whatever can't be judged holds: nobody may be overlooked */
	const struct fw_rule *rule;	/* that hands it on: translates it */
	struct fw_base base;
};

static void try_take(void *user, const struct fw_base *base)
{
	struct taker *t = user;
	const struct fw_table *table = t->kind ? &t->view->kind[base->table - t->view->tables] : base->table;
	const struct fw_rule *rule = foreign_decides(table, &table->chains[base->chain - base->table->chains], t->packet);

	if (t->rule || !rule || rule->verdict != FW_VERDICT_OTHER)
		return;
	t->rule = rule;
	t->base = *base;
}

static struct taker taker_of(const struct fw_view *view, uint32_t hook, const struct fw_packet *packet, bool kind)
{
	struct taker t = { .view = view, .packet = packet, .kind = kind };

	fw_each(view, (uint8_t)packet->family, hook, "nat", try_take, &t);
	return t;
}

/* ----------------------------------------------------------------------- missing */

static bool is_forwarding(const struct snapshot *s, uint8_t family)
{
	return snap_sysctl_int(s, family == AF_INET ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding", 0) > 0;
}

static bool is_inner(const struct ip *ip)
{
	return ip->family == AF_INET ? ip_is_private4(ip) : ip_is_ula(ip);
}

/* SNAT to an address within the uplink's own prefix that the host doesn't have (any more): answers go nowhere. */
static bool is_lost(const struct snapshot *s, const struct taker *t, const struct snap_link *up, struct ip *ret)
{
	const struct snap_table *table = t->view->of[t->base.table - t->view->tables];
	const struct snap_nft_rule *rule = table ? rule_by_handle(table, t->rule->handle) : NULL;
	size_t n;

	for (size_t i = 0; rule && i < rule->n_exprs; i++) {
		if (!str_eq(rule->exprs[i].name, "nat") || rule->exprs[i].key != NFT_NAT_SNAT)
			continue;
		*ret = loaded(rule, rule->exprs[i].sreg);
		if (!ip_is_set(ret) || snap_addr(s, 0, ret) || snap_proxy(s, up->ifindex, ret))
			return false;
		const struct snap_addr *addrs = snap_addrs(s, up->ifindex, &n);
		for (size_t k = 0; k < n; k++)
			if (addrs[k].prefix.ip.family == ret->family && prefix_contains(&addrs[k].prefix, ret))
				return true;
	}
	return false;
}

struct lack {
	bool yes, lost;
	struct ip snat;
	const struct snap_link *up;
	const struct prefix *prefix;
};

static struct lack find_lack(const struct snapshot *s, const struct fw_view *view, const struct scene_net *net, uint8_t family)
{
	struct lack l = { .up = family == AF_INET ? net->up4 : net->up6, .prefix = family == AF_INET ? &net->v4 : &net->v6 };
	const struct snap_addr *own = l.up ? scene_host_addr(s, l.up->ifindex, family) : NULL;

	if (!own || !net->outside || !ip_is_set(&l.prefix->ip) || !is_inner(&l.prefix->ip) || !is_forwarding(s, family))
		return l;
	const struct fw_packet packet = { family, NULL, l.up->name, FW_CT_NEW, .saddr = l.prefix->ip, .daddr = outside_of(family),
					  .dtype = 1U << RTN_UNICAST };
	const struct taker t = taker_of(view, NF_INET_POST_ROUTING, &packet, true);

	if (t.rule) {
		l.yes = l.lost = is_lost(s, &t, l.up, &l.snat);
		return l;
	}
	/* Behind a private address somebody else may route the prefix, and translate it. */
	l.yes = !is_inner(&own->prefix.ip) || (net->libvirt && str_eq(net->libvirt->mode, "nat"));
	return l;
}

static void nat_fix(struct diag_finding *f, struct diag_fix *fix, const struct scene_net *net, const struct lack *l)
{
	const bool v6 = l->prefix->ip.family == AF_INET6;
	const struct prefix whole = { prefix_network(l->prefix), l->prefix->len };
	const char *table = arena_printf(f->all->arena, "doctor_%s", net->bridge->name);

	for (const char *c = table; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '-'))
			return;		/* a name that nft wouldn't take: by hand */
	fix_command(f, fix, "nft add table %s %s", v6 ? "ip6" : "ip", table);
	fix_command(f, fix, "nft add chain %s %s post '{ type nat hook postrouting priority srcnat; }'", v6 ? "ip6" : "ip", table);
	fix_command(f, fix, "nft add rule %s %s post %s saddr %s oifname \"%s\" masquerade", v6 ? "ip6" : "ip", table,
		    v6 ? "ip6" : "ip", PREFIX_STR(&whole), l->up->name);
	struct op *op = fix_op(fix, OP_NFT_TABLE, OP_ACTION_CREATE);
	struct arena *arena = fix->ops->arena;
	op->object = arena_printf(arena, "rules %s %s", v6 ? "ip6" : "ip", table);
	op->what = arena_printf(arena, "masquerade %s to %s", PREFIX_STR(&whole), l->up->name);
	op->nft.family = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	op->nft.text = arena_printf(arena,
				    "add table %s %s\n"
				    "add chain %s %s post { type nat hook postrouting priority srcnat; policy accept; }\n"
				    "add rule %s %s post %s saddr %s oifname \"%s\" masquerade\n",
				    v6 ? "ip6" : "ip", table, v6 ? "ip6" : "ip", table, v6 ? "ip6" : "ip", table,
				    v6 ? "ip6" : "ip", PREFIX_STR(&whole), l->up->name);
	op->nft.old_text = arena_printf(arena, "delete table %s %s\n", v6 ? "ip6" : "ip", table);
}

/* The network itself, where @prefix is the host's address in it. */
static const char *whole_text(struct arena *arena, const struct prefix *prefix)
{
	const struct prefix whole = { prefix_network(prefix), prefix->len };

	return arena_strdup(arena, PREFIX_STR(&whole));
}

/* @also: IPv6 lacks it, too; or NULL. */
static void nat_finding(struct findings *found, const struct scene_net *net, const struct lack *l, const struct lack *also)
{
	struct diag_finding *f = findings_add(found, net->name);
	const bool v6 = l->prefix->ip.family == AF_INET6;

	finding_about(f, net->bridge->name);
	if (l->lost) {
		finding_what(f, "Answers to guests on %s go nowhere: their packets get the source %s, which this host doesn't have.",
			     net->bridge->name, IP_STR(&l->snat));
		finding_why(f, "The address lies in the prefix of %s, where somebody has to answer for it.", l->up->name);
		finding_value(f, "snat", "%s", IP_STR(&l->snat));
		struct diag_fix *fix = finding_fix(f, "address", FIX_LASTS_LIVE);

		fix_command(f, fix, "ip addr add %s/%u dev %s", IP_STR(&l->snat), v6 ? 128 : 32, l->up->name);
		fix_note(f, fix, "if it is this host's to use; else write `masquerade` in the rule instead of it");
	} else {
		finding_what(f, "Guests on %s get no answers from outside over %s: %s%s%s leave%s by %s untranslated.", net->bridge->name,
			     also ? "IPv4 and IPv6" : v6 ? "IPv6" : "IPv4", whole_text(found->arena, l->prefix), also ? " and " : "",
			     also ? whole_text(found->arena, also->prefix) : "", also ? "" : "s", l->up->name);
		finding_why(f, "Nobody out there knows the way back to %s prefix, and no masquerade or SNAT rule takes it.",
			    v6 ? "a local (ULA)" : "a private");
		struct diag_fix *fix = finding_fix(f, "masquerade", FIX_LASTS_LIVE);

		nat_fix(f, fix, net, l);
		if (also)
			nat_fix(f, fix, net, also);
		fix_note(f, fix, "or let sixtap look after it: sixtap init nat");
	}
	finding_value(f, "prefix", "%s", whole_text(found->arena, l->prefix));
	if (also)
		finding_value(f, "prefix6", "%s", whole_text(found->arena, also->prefix));
	finding_value(f, "uplink", "%s", l->up->name);
	finding_seen_in(f, "nft list ruleset, ip addr show dev %s", l->up->name);
}

static void judge_missing(const struct snapshot *s, struct findings *found, bool ipv6_only)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		if (nets[i].ours)
			continue;
		const struct lack v4 = find_lack(s, &view, &nets[i], AF_INET), v6 = find_lack(s, &view, &nets[i], AF_INET6);
		/* Translated for IPv4, and forgotten for IPv6? */
		bool forgotten = v6.yes && !v6.lost && !v4.yes && ip_is_set(&nets[i].v4.ip) && is_inner(&nets[i].v4.ip);

		if (ipv6_only && forgotten)
			nat_finding(found, &nets[i], &v6, NULL);
		if (!ipv6_only && v4.yes)
			nat_finding(found, &nets[i], &v4, v6.yes && !v6.lost ? &v6 : NULL);
		if (!ipv6_only && v6.yes && !forgotten && !v4.yes)
			nat_finding(found, &nets[i], &v6, NULL);
	}
}

static void judge_nat(const struct snapshot *s, struct findings *found)
{
	judge_missing(s, found, false);
}

static void judge_nat6(const struct snapshot *s, struct findings *found)
{
	judge_missing(s, found, true);
}

/* ---------------------------------------------------------------------- forwards */

static const struct scene_net *net_of(const struct scene_net *nets, size_t n, const struct ip *target)
{
	for (size_t i = 0; i < n; i++) {
		const struct prefix *p = target->family == AF_INET ? &nets[i].v4 : &nets[i].v6;

		if (ip_is_set(target) && ip_is_set(&p->ip) && prefix_contains(p, target))
			return &nets[i];
	}
	return NULL;
}

static const char *spec(struct arena *arena, const struct forward *f)
{
	return arena_printf(arena, "%u/%s", f->port, f->proto == IPPROTO_UDP ? "udp" : "tcp");
}

static const char *text_of(const struct forward *f)
{
	return f->of->text[0] ? f->of->text : "…";
}

/* Does it take a guest's own connection to somebody outside? */
static bool hijacks(const struct fw_view *view, const struct forward *f, const struct scene_net *net)
{
	const struct ip *guest = f->family == AF_INET ? &net->v4.ip : &net->v6.ip;
	const struct fw_packet packet = { f->family, net->bridge->name, NULL, FW_CT_NEW, f->proto, f->port, .saddr = *guest,
					  .daddr = outside_of(f->family), .dtype = 1U << RTN_UNICAST };
	const struct taker t = taker_of(view, NF_INET_PRE_ROUTING, &packet, false);

	return ip_is_set(guest) && t.rule && t.rule->handle == f->rule->handle && t.base.table == f->base.table;
}

static void judge_hijacks(const struct snapshot *s, struct findings *found)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (int i = 0; i < 2; i++) {
		const struct forwards all = find_forwards(&view, found->arena, i == 0 ? AF_INET : AF_INET6);

		for (size_t k = 0; k < all.n; k++) {
			const struct forward *fwd = &all.list[k];
			const struct scene_net *net = NULL;

			for (size_t m = 0; m < n && !net && fwd->port != PORT_DNS; m++)
				net = hijacks(&view, fwd, &nets[m]) ? &nets[m] : NULL;
			if (!net)
				continue;
			struct diag_finding *f = findings_add(found, net->name);
			const char *chain = foreign_name(found->arena, fwd->base.table, fwd->base.chain);

			finding_about(f, net->bridge->name);
			finding_what(f, "Guests on %s can't reach port %s of anybody outside: they end at %s.", net->bridge->name,
				     spec(found->arena, fwd), ip_is_set(&fwd->target) ? IP_STR(&fwd->target) : "a forward's target");
			finding_why(f, "The rule that forwards the port takes every packet to that port, whomever it is for.");
			finding_value(f, "port", "%s", spec(found->arena, fwd));
			finding_value(f, "rule", "%s: %s", chain, text_of(fwd));
			finding_seen_in(f, "nft -a list chain %s", chain);
			struct diag_fix *fix = finding_fix(f, "local", FIX_LASTS_LIVE);
			fix_command(f, fix, "nft replace rule %s handle %llu fib daddr type local %s", chain,
				    (unsigned long long)fwd->rule->handle, text_of(fwd));
			fix_note(f, fix, "and likewise where the rule comes from (iptables: -m addrtype --dst-type LOCAL)");
		}
	}
}

/* Would the host itself get there, by one of its addresses? */
static bool works_from_host(const struct snapshot *s, const struct fw_view *view, const struct forward *f)
{
	const struct snap_link *up = scene_uplink(s, f->family);
	const struct snap_addr *own = up ? scene_host_addr(s, up->ifindex, f->family) : NULL;
	const struct ip *to = ip_is_set(&f->host) ? &f->host : own ? &own->prefix.ip : NULL;

	if (!to)
		return true;	/* not reached from anywhere */
	const struct fw_packet packet = { f->family, "", "lo", FW_CT_NEW, f->proto, f->port, .saddr = *to, .daddr = *to,
					  .dtype = 1U << RTN_LOCAL };
	return taker_of(view, NF_INET_LOCAL_OUT, &packet, true).rule;
}

static bool has_forward(const struct forwards *all, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].proto == proto && all->list[i].port == port)
			return true;
	return false;
}

static void judge_incomplete(const struct snapshot *s, struct findings *found)
{
	const struct fw_view view = fw_view(s, found->arena, FW_VIEW_PLAIN);
	const struct forwards families[2] = { find_forwards(&view, found->arena, AF_INET),
					      find_forwards(&view, found->arena, AF_INET6) };
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < families[i].n; k++) {
			const struct forward *fwd = &families[i].list[k];
			const struct scene_net *net = net_of(nets, n, &fwd->target);
			const struct prefix *other = net ? i == 0 ? &net->v6 : &net->v4 : NULL;
			bool host = net && works_from_host(s, &view, fwd);
			bool both = net && (!ip_is_set(&other->ip) || !(i == 0 ? net->up6 : net->up4) || ip_is_set(&fwd->host) ||
					    has_forward(&families[1 - i], fwd->proto, fwd->port));

			if (!net || (host && both))
				continue;
			struct diag_finding *f = findings_add(found, net->name);
			const char *chain = foreign_name(found->arena, fwd->base.table, fwd->base.chain);

			finding_about(f, net->bridge->name);
			finding_what(f, "Port %s is forwarded to %s for others, but not %s%s%s.", spec(found->arena, fwd),
				     IP_STR(&fwd->target), host ? "" : "for this host itself", host || both ? "" : ", and not ",
				     both ? "" : i == 0 ? "over IPv6" : "over IPv4");
			finding_why(f, "%s%s", host ? "" : "Packets of the host's own don't pass prerouting: they need the same rule in output. ",
				    both ? "" : "Each family has rules of its own.");
			finding_value(f, "rule", "%s: %s", chain, text_of(fwd));
			finding_seen_in(f, "nft list ruleset");
			struct diag_fix *fix = finding_fix(f, "forward", FIX_LASTS_REBOOT_SAFE);
			fix_command(f, fix, "sixtap forward add NETWORK/GUEST %u:PORT%s", fwd->port,
				    fwd->proto == IPPROTO_UDP ? "/udp" : "");
			fix_note(f, fix, "does both families, the host's own connections, and guests'; on a network that sixtap looks after");
		}
	}
}

#define NEEDS .needs = { SNAP_PART_NFTABLES }

static const struct rule rules[] = {
	{ "forward.incomplete", SEVERITY_WARNING, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_incomplete },
	{ "nat.missing", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_nat },
	{ "nat.ipv6-missing", SEVERITY_WARNING, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_nat6 },
	{ "forward.hijacks-guests", SEVERITY_WARNING, RULE_SUBJECT_NETWORK, NEEDS, .judge = judge_hijacks },
};

const struct rule_section rules_nat = { "NAT and forwards", rules, ARRAY_LEN(rules) };
