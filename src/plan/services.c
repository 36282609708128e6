/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services - what the engine is told to serve on a network
 *
 * struct service leaves here with ifindex 0: the daemon fills it in when it
 * opens the sockets, so that service_hash() says the same before and after the
 * bridge is made.
 */
#include "plan/make.h"

#include <stdio.h>

#define PREFERRED_LEAST_S 1800

static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } };

static void add_dns(struct service *s, const struct ip *ip)
{
	if (ip->family == AF_INET && s->n_dns4 < SERVICE_DNS)
		s->dns4[s->n_dns4++] = ip->v4;
	if (ip->family == AF_INET6 && s->n_dns6 < SERVICE_DNS)
		s->dns6[s->n_dns6++] = ip->v6;
}

static void fill_ipv6(const struct net *net, bool dhcp, struct service *s)
{
	const struct d_network *d = net->d;
	const struct plan_result *r = net->result;
	struct ip network = prefix_network(&r->address6);

	s->ra = true;
	s->gateway6 = r->address6;
	s->link_local = link_local;
	s->dhcp6 = dhcp && (d->assign & ASSIGN_DHCP);
	s->managed = s->dhcp6;
	s->other = s->dhcp6;
	if (s->dhcp6)
		s->range6 = d->range6;
	/* Longer than the lease, so that both ways of getting an address renew alike; RFC 9096 3.2 for the ratio. */
	uint32_t preferred = d->lease_s > PREFERRED_LEAST_S ? d->lease_s : PREFERRED_LEAST_S;
	s->prefixes[s->n_prefixes++] = (struct service_prefix){
		.prefix = network.v6,
		.len = r->address6.len,
		.on_link = true,
		.autonomous = d->assign & ASSIGN_SLAAC,
		.preferred_s = preferred,
		.valid_s = preferred > UINT32_MAX / 2 ? UINT32_MAX : preferred * 2,
	};
}

/*
 * Only guests with addresses of their own are the engine's business. One that comes without any then changes
 * no settings: nothing has to be sent for it, also not for the thousandth.
 */
static void fill_hosts(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	struct service_host *hosts = arena_alloc(m->arena, d->n_guests, sizeof(*hosts));

	for (size_t i = 0; i < d->n_guests; i++) {
		const struct d_guest *g = &d->guests[i];
		struct service_host *h = &hosts[net->result->n_hosts];

		if (g->n_ips == 0)
			continue;
		net->result->n_hosts++;
		(void)str_copy(h->name, sizeof(h->name), g->name);
		h->mac = g->mac;
		for (size_t j = 0; j < g->n_ips && h->n_ips < SERVICE_HOST_IPS; j++)
			h->ips[h->n_ips++] = g->ips[j];
	}
	net->result->hosts = hosts;
}

void find_services(struct make *m, struct net *net)
{
	const struct d_network *d = net->d;
	struct plan_result *r = net->result;
	/* The contract: `no` is ND and RA only. */
	bool dhcp = net->ours && d->host_access != HOST_ACCESS_NO;
	struct service *s;

	if (!net->ours)
		return;
	s = ARENA_NEW(m->arena, struct service);
	(void)str_copy(s->network, sizeof(s->network), net->target->name);
	(void)str_copy(s->device, sizeof(s->device), r->device);
	(void)str_copy(s->domain, sizeof(s->domain), d->domain);
	s->mac = d->mac;
	s->mtu = net->mtu;
	s->routes = d->mode != NET_MODE_ISOLATED;
	s->lease_s = d->lease_s;
	if (ip_is_set(&r->address4.ip)) {
		s->gateway4 = r->address4;
		s->dhcp4 = dhcp && d->dhcp4;
		if (s->dhcp4)
			s->range4 = r->range4;
	}
	if (ip_is_set(&r->address6.ip))
		fill_ipv6(net, dhcp, s);
	for (size_t i = 0; i < d->n_dns_servers; i++)
		add_dns(s, &d->dns_servers[i]);
	if (d->dns && d->n_dns_servers == 0 && dhcp) {
		add_dns(s, &r->address4.ip);
		add_dns(s, &r->address6.ip);
	}
	for (size_t i = 0; i < r->n_drains; i++)
		s->drains[s->n_drains++] = (struct service_drain){ r->drains[i].gateway, r->drains[i].until };
	fill_hosts(m, net);
	r->service = s;
}

/* ---- in words ---- */

/* ".100–.199" inside a /24 or smaller, "::100–::1ff" inside a /64; else in full. */
static const char *range_words(struct make *m, const struct ip_range *range, const struct prefix *p)
{
	struct ip first = range->first, last = range->last;

	if (p->ip.family == AF_INET && p->len >= 24)
		return arena_printf(m->arena, ".%u–.%u", first.b[3], last.b[3]);
	if (p->ip.family == AF_INET6 && p->len >= 64) {
		memset(first.b, 0, 8);
		memset(last.b, 0, 8);
	}
	return arena_printf(m->arena, "%s–%s", IP_STR(&first), IP_STR(&last));
}

static const char *service_words(struct make *m, const struct net *net)
{
	const struct service *s = net->result->service;
	const char *words = s->ra ? "RA" : "";

	if (s->dhcp4)
		words = arena_printf(m->arena, "%s%sDHCPv4 %s", words, words[0] ? ", " : "",
				     range_words(m, &s->range4, &s->gateway4));
	if (s->dhcp6)
		words = arena_printf(m->arena, "%s%sDHCPv6 %s", words, words[0] ? ", " : "",
				     range_words(m, &s->range6, &s->gateway6));
	if (net->d->dns && net->d->n_dns_servers == 0 && net->d->host_access != HOST_ACCESS_NO)
		words = arena_printf(m->arena, "%s%sDNS%s%s%s", words, words[0] ? "; " : "", s->domain[0] ? "  " : "",
				     s->domain, s->domain[0] ? "." : "");
	return words[0] ? words : "nothing: host-access is no, IPv6 is off";
}

static struct op *serve_op(struct make *m, const struct net *net, enum op_kind kind, enum op_action action)
{
	const struct w_served *served = world_served(m->world, net->target->name);
	struct op *op = ops_add(m->ops, kind, action);

	op->network = net->target->name;
	op->object = arena_printf(m->arena, "serve %s", net->target->name);
	if (served && action != OP_ACTION_CREATE) {
		op->serve.old_service = served->service;
		op->serve.old_hosts = served->hosts;
		op->serve.n_old_hosts = served->n_hosts;
	}
	return op;
}

void emit_serve(struct make *m, struct net *net)
{
	const struct plan_result *r = net->result;
	const struct w_served *served = world_served(m->world, net->target->name);

	if (!net->up || !net->ours)
		return;
	if (m->world->has_daemon && served && !net->creates &&
	    served->hash == service_hash(r->service, r->hosts, r->n_hosts))
		return;
	struct op *op = serve_op(m, net, OP_SERVE, served && !net->creates ? OP_ACTION_CHANGE : OP_ACTION_CREATE);
	op->what = service_words(m, net);
	op->serve.service = r->service;
	op->serve.hosts = r->hosts;
	op->serve.n_hosts = r->n_hosts;
}

/* Before the bridge goes, while the goodbye can still be heard. */
void emit_unserve(struct make *m, struct net *net)
{
	if (!net->removes || !world_served(m->world, net->target->name))
		return;
	struct op *op = serve_op(m, net, OP_UNSERVE, OP_ACTION_REMOVE);
	op->what = "a last RA with lifetime 0";
	op->serve.goodbye = true;
}
