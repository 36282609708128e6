/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address - the gateway's addresses: chosen, checked, put on the bridge
 *
 * `ipv4: auto` takes the first free /24 of a fixed list, and once the bridge
 * has it, keeps it. `ipv6: auto` takes the first rung of the ladder that works;
 * so far that is the ULA.
 *
 * An address that the configuration wants no more stays as long as guests have
 * leases of its prefix, or addresses they made of it: it drains. Who does is
 * the daemon's business (facts); everything that goes by a gateway's address
 * goes by these as well.
 */
#include "plan/make.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define IP6_METRIC_ADDRCONF 256	/* of the kernel's own routes to prefixes: IP6_RT_PRIO_ADDRCONF */
#define AUTO_LEN 24
#define AUTO_FIRST 100		/* 192.168.100.0/24, then 10.100.0.0/24: where few others are */

static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } };

/* Ours by protocol; before Linux 5.18, which cannot mark addresses, by the flags that only we use. */
static bool addr_is_ours(const struct w_addr *a)
{
	if (a->proto != 0)
		return a->proto == SIXTAP_PROTO;
	return (a->flags & IFA_F_NODAD) && (a->flags & IFA_F_PERMANENT);
}

/* Does an address on another interface take part of @p? Return: that interface, or NULL. */
static const struct w_link *prefix_taken_by_addr(const struct make *m, const struct net *net, const struct prefix *p)
{
	for (size_t i = 0; i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		const struct w_link *link = world_link(m->world, a->ifindex);
		bool leaves = false;

		if (!link || link == net->link || !prefix_overlaps(&a->prefix, p) || ip_is_link_local(&a->prefix.ip))
			continue;
		for (size_t j = 0; j < m->n_nets; j++)
			leaves |= m->nets[j].removes && m->nets[j].link == link;
		if (!leaves)
			return link;
	}
	return NULL;
}

static bool prefix_is_free(const struct make *m, const struct net *net, const struct prefix *p)
{
	if (prefix_taken_by_addr(m, net, p))
		return false;
	for (size_t i = 0; i < m->world->n_routes; i++) {
		const struct w_route *r = &m->world->routes[i];

		if (r->dst.len > 0 && !(net->link && r->oif == net->link->ifindex) && prefix_overlaps(&r->dst, p))
			return false;
	}
	for (size_t i = 0; i < m->n_nets; i++) {
		const struct net *other = &m->nets[i];

		if (other == net || !other->d)
			continue;
		/* Also one that isn't up: it may come later, and must find its prefix free. */
		if (!other->d->ipv4_auto && ip_is_set(&other->d->address4.ip) && prefix_overlaps(&other->d->address4, p))
			return false;
		if (other->result && ip_is_set(&other->result->address4.ip) &&
		    prefix_overlaps(&other->result->address4, p))
			return false;
	}
	return true;
}

static struct prefix auto_candidate(unsigned int i)
{
	unsigned int third = AUTO_FIRST + i;
	struct prefix p = { .ip = { .family = AF_INET, .b = { 192, 168, (uint8_t)third, 1 } }, .len = AUTO_LEN };

	if (third > 254) {
		third -= 255;
		p.ip.b[0] = 10;
		p.ip.b[1] = (uint8_t)(AUTO_FIRST + third / 256);
		p.ip.b[2] = (uint8_t)(third % 256);
	}
	return p;
}

/* The upper half of the prefix, less the broadcast address: what `dhcp: auto` means. */
static struct ip_range upper_half(const struct prefix *p)
{
	struct ip network = prefix_network(p);
	uint64_t half = UINT64_C(1) << (31 - p->len);

	return (struct ip_range){ ip_add(&network, half), ip_add(&network, 2 * half - 2) };
}

static bool is_draining(const struct make *m, const struct net *net, const struct prefix *p)
{
	for (size_t i = 0; i < m->facts->n_drains; i++)
		if (str_eq(m->facts->drains[i].network, net->target->name) && prefix_eq(&m->facts->drains[i].gateway, p))
			return m->facts->drains[i].recorded;
	return false;
}

static bool keep_auto4(const struct make *m, const struct net *net, struct prefix *ret)
{
	for (size_t i = 0; net->link && i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];

		if (a->ifindex == net->link->ifindex && a->prefix.ip.family == AF_INET && a->prefix.len == AUTO_LEN &&
		    addr_is_ours(a) && !is_draining(m, net, &a->prefix)) {
			*ret = a->prefix;
			return true;
		}
	}
	return false;
}

static void find_auto4(struct make *m, struct net *net)
{
	struct prefix p = { 0 };
	bool found = keep_auto4(m, net, &p);

	for (unsigned int i = 0; !found && i < 155 + 100 * 256; i++) {
		p = auto_candidate(i);
		found = prefix_is_free(m, net, &p);
	}
	if (!found) {
		struct finding *f = net_error(m, net, &net->d->ipv4_where, "ipv4", "no free /24 was found");

		if (f)
			report_help(f, "write the gateway's address, like 172.31.7.1/24");
		return;
	}
	net->result->address4 = p;
	if (net->d->dhcp4)
		net->result->range4 = upper_half(&p);
}

static void check_overlap(struct make *m, struct net *net, const struct prefix *p, const struct where *where,
			  const char *field)
{
	const struct w_link *other = ip_is_set(&p->ip) ? prefix_taken_by_addr(m, net, p) : NULL;
	struct prefix shown = { .len = p->len };

	if (!other)
		return;
	shown.ip = prefix_network(p);
	struct finding *f = net_error(m, net, where, field, "%s is also on %s", PREFIX_STR(&shown), other->name);
	if (!f)
		return;
	for (size_t i = 0; i < m->n_nets; i++)
		for (size_t k = 0; m->nets[i].link == other && k < m->nets[i].result->n_drains; k++)
			if (prefix_overlaps(&m->nets[i].result->drains[k].gateway, p)) {
				report_help(f, "%s was renumbered and is leaving it: sixtap status says until when, sixtap down %s ends it",
					    m->nets[i].target->name, m->nets[i].target->name);
				return;
			}
	report_help(f, "two interfaces cannot share an on-link prefix");
}

/* Networks of one plan against each other; conf/ has done so inside one file. */
static void check_pairs(struct make *m, struct net *net, const struct prefix *p, bool six, const struct where *where)
{
	for (size_t i = 0; i < m->n_nets && ip_is_set(&p->ip); i++) {
		const struct net *other = &m->nets[i];

		if (other == net)
			break;
		const struct prefix *q = !other->ours ? NULL : six ? &other->result->address6 : &other->result->address4;
		if (!q || !ip_is_set(&q->ip) || !prefix_overlaps(p, q))
			continue;
		struct finding *f = net_error(m, net, where, six ? "ipv6" : "ipv4", "%s overlaps %s of network %s",
					      PREFIX_STR(p), PREFIX_STR(q), other->target->name);
		if (f)
			report_help(f, "give each network a prefix of its own");
	}
}

static void because(struct make *m, struct plan_result *r, const char *why)
{
	size_t cap = r->n_because;	/* grows one by one: there are three rungs */

	ARENA_GROW(m->arena, r->because, r->n_because, cap);
	r->because[r->n_because++] = why;
}

static void find_ipv6(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	struct plan_result *r = net->result;

	r->source6 = d->ipv6;
	if (d->ipv6 == IP6_SOURCE_AUTO) {
		r->source6 = IP6_SOURCE_OFF;
		for (size_t i = 0; i < d->n_ladder && r->source6 == IP6_SOURCE_OFF; i++) {
			if (d->ladder[i] == IP6_SOURCE_ULA && ip_is_set(&d->address6.ip))
				r->source6 = IP6_SOURCE_ULA;
			else
				because(m, r, arena_printf(m->arena, "%s: not built yet", ip6_source_name[d->ladder[i]]));
		}
		if (r->source6 == IP6_SOURCE_OFF && net->up) {
			struct finding *f = report_add(m->report, SEVERITY_WARNING, NULL, net->target->name,
						       "no rung of the ladder works: guests have no IPv6");
			report_help(f, "add ula to the ladder");
		}
	}
	if (r->source6 == IP6_SOURCE_DELEGATED || r->source6 == IP6_SOURCE_ON_LINK) {
		struct finding *f = net_error(m, net, &d->ipv6_where, "ipv6", "%s is not built yet",
					      ip6_source_name[r->source6]);
		if (f)
			report_help(f, "write ula, or an address");
		return;
	}
	if (r->source6 == IP6_SOURCE_OFF)
		return;
	r->address6 = d->address6;
	r->nat6 = d->mode == NET_MODE_NAT &&
		  (d->nat6 == TRISTATE_YES || (d->nat6 == TRISTATE_AUTO && !ip_is_global(&d->address6.ip)));
}

static int by_gateway(const void *a, const void *b)
{
	const struct plan_drain *x = a, *y = b;
	int c = ip_cmp(&x->gateway.ip, &y->gateway.ip);

	return c ? c : (int)x->gateway.len - (int)y->gateway.len;
}

/* What the network was numbered by before. */
static void find_drains(struct make *m, struct net *net)
{
	struct plan_result *r = net->result;

	for (size_t i = 0; i < m->facts->n_drains && r->n_drains < SERVICE_DRAINS; i++) {
		const struct plan_drain *drain = &m->facts->drains[i];

		if (drain->keep && str_eq(drain->network, net->target->name) && !ip_eq(&drain->gateway.ip, &r->address4.ip) &&
		    !ip_eq(&drain->gateway.ip, &r->address6.ip))
			r->drains[r->n_drains++] = *drain;
	}
	if (r->n_drains > 1)	/* the same whoever gathered them: the engine's settings go by it */
		qsort(r->drains, r->n_drains, sizeof(*r->drains), by_gateway);
}

void find_addresses(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	struct plan_result *r = net->result;

	if (!net->ours)
		return;
	if (d->ipv4 && d->ipv4_auto) {
		find_auto4(m, net);
	} else if (d->ipv4) {
		r->address4 = d->address4;
		if (d->dhcp4)
			r->range4 = d->range4;
	}
	find_ipv6(m, net);
	find_drains(m, net);
	if (!d->ipv4_auto)
		check_overlap(m, net, &r->address4, &d->ipv4_where, "ipv4");
	check_overlap(m, net, &r->address6, &d->ipv6_where, "ipv6");
	check_pairs(m, net, &r->address4, false, &d->ipv4_where);
	check_pairs(m, net, &r->address6, true, &d->ipv6_where);
}

/* ---- ops ---- */

struct wanted {
	struct prefix prefix;
	uint8_t scope;
	const char *why;
};

#define WANTED_MAX (3 + SERVICE_DRAINS)

static size_t wanted_addresses(const struct net *net, struct wanted w[static WANTED_MAX])
{
	const struct plan_result *r = net->result;
	size_t n = 0;

	if (ip_is_set(&r->address4.ip))
		w[n++] = (struct wanted){ r->address4, RT_SCOPE_UNIVERSE, "" };
	if (ip_is_set(&r->address6.ip))
		w[n++] = (struct wanted){ r->address6, RT_SCOPE_UNIVERSE, "" };
	if (ip_is_set(&r->address6.ip))
		w[n++] = (struct wanted){ { ip6(link_local), 64 }, RT_SCOPE_LINK, "guests' router, whatever the MAC" };
	for (size_t i = 0; i < r->n_drains; i++)
		w[n++] = (struct wanted){ r->drains[i].gateway, RT_SCOPE_UNIVERSE, "guests still have addresses of this prefix" };
	return n;
}

static void emit_addr(struct make *m, const struct net *net, enum op_kind kind, enum op_action action,
		      const char *device, const struct prefix *p, uint8_t scope, const char *why)
{
	struct op *op = ops_add(m->ops, kind, action);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "address %s", device);
	op->what = arena_printf(m->arena, "%s", PREFIX_STR(p));
	op->why = why;
	(void)str_copy(op->addr.device, sizeof(op->addr.device), device);
	op->addr.prefix = *p;
	op->addr.flags = IFA_F_NODAD;
	op->addr.scope = scope;
}

/*
 * Addresses that go, each by itself: later ones of an IPv4 subnet before the
 * first, which would take them along.
 */
static void emit_gone(struct make *m, const struct net *net, const bool *goes, const char *why)
{
	for (unsigned int secondary = 2; secondary-- > 0;) {
		for (size_t i = 0; i < m->world->n_addrs; i++) {
			const struct w_addr *a = &m->world->addrs[i];

			if (goes[i] && ((a->flags & IFA_F_SECONDARY) != 0) == (secondary != 0))
				emit_addr(m, net, OP_ADDR_DEL, OP_ACTION_REMOVE, net->link->name, &a->prefix, a->scope, why);
		}
	}
}

/* They would vanish with the link; ops of their own let undo put them back. */
void emit_addresses_down(struct make *m, struct net *net)
{
	bool *goes = arena_alloc(m->arena, m->world->n_addrs, sizeof(*goes));

	for (size_t i = 0; i < m->world->n_addrs; i++)
		goes[i] = m->world->addrs[i].ifindex == net->link->ifindex && addr_is_ours(&m->world->addrs[i]);
	emit_gone(m, net, goes, "");
}

/* The first IPv4 address of a subnet takes the others along when it goes. */
static bool takes_along(const struct w_addr *first, const struct prefix *p)
{
	struct ip a = prefix_network(&first->prefix), b = prefix_network(p);

	return p->ip.family == AF_INET && first->prefix.ip.family == AF_INET && !(first->flags & IFA_F_SECONDARY) &&
	       first->prefix.len == p->len && ip_eq(&a, &b);
}

/* In a VRF the kernel keeps its routes in another table, which isn't looked at. */
static bool has_route(const struct make *m, const struct net *net, const struct prefix *p)
{
	if (!(net->link->flags & IFF_UP) || net->link->master != 0)
		return true;
	for (size_t i = 0; i < m->world->n_routes; i++)
		if (m->world->routes[i].oif == net->link->ifindex && m->world->routes[i].table == RT_TABLE_MAIN &&
		    prefix_eq(&m->world->routes[i].dst, p))
			return true;
	return false;
}

/*
 * The kernel makes the route to an address's prefix when it gets the address, and
 * never again: who takes it away cuts all guests off. It goes with the address,
 * as the kernel's does.
 */
static void emit_prefix_route(struct make *m, const struct net *net, const struct prefix *address)
{
	const struct prefix p = { prefix_network(address), address->len };
	struct op *op;

	if (p.len == ip_bits(&p.ip) || has_route(m, net, &p))
		return;
	op = ops_add(m->ops, OP_ROUTE_ADD, OP_ACTION_CREATE);
	op->network = net->target->name;
	op->object = arena_printf(m->arena, "route %s", net->link->name);
	op->what = arena_printf(m->arena, "%s", PREFIX_STR(&p));
	op->why = "guests are there";
	op->route = (struct op_route){ .dst = p, .protocol = RTPROT_KERNEL };
	if (p.ip.family == AF_INET)
		op->route.src = address->ip;
	else
		op->route.metric = IP6_METRIC_ADDRCONF;
	(void)str_copy(op->route.device, sizeof(op->route.device), net->link->name);
}

static bool same_prefix_before(const struct wanted *want, size_t j)
{
	for (size_t i = 0; i < j; i++)
		if (want[i].prefix.len == want[j].prefix.len && prefix_contains(&want[i].prefix, &want[j].prefix.ip))
			return true;
	return false;
}

void emit_addresses(struct make *m, struct net *net)
{
	struct wanted want[WANTED_MAX];
	bool have[WANTED_MAX] = { false }, again[WANTED_MAX] = { false };
	bool *goes = arena_alloc(m->arena, m->world->n_addrs, sizeof(*goes));
	size_t n;

	if (!net->up || !net->ours)
		return;
	n = wanted_addresses(net, want);
	/* Those that go first: an IPv4 address takes the later ones of its subnet along. */
	for (size_t i = 0; !net->creates && i < m->world->n_addrs; i++) {
		const struct w_addr *a = &m->world->addrs[i];
		bool wanted = false;

		if (a->ifindex != net->link->ifindex)
			continue;
		for (size_t j = 0; j < n; j++) {
			if (!prefix_eq(&want[j].prefix, &a->prefix))
				continue;
			wanted = true;
			have[j] = true;
		}
		goes[i] = !wanted && addr_is_ours(a);
		for (size_t j = 0; goes[i] && j < n; j++)
			again[j] |= takes_along(a, &want[j].prefix);
	}
	if (!net->creates)
		emit_gone(m, net, goes, "left the configuration");
	for (size_t j = 0; j < n; j++)
		if (!have[j] || again[j])
			emit_addr(m, net, OP_ADDR_ADD, have[j] ? OP_ACTION_CHANGE : OP_ACTION_CREATE, net->d->bridge, &want[j].prefix, want[j].scope,
				  want[j].why);
	/* Where addresses come or go now, the kernel makes routes of its own. */
	for (size_t j = 0; j < n; j++)
		if (have[j] && !again[j] && !same_prefix_before(want, j))
			emit_prefix_route(m, net, &want[j].prefix);
}
