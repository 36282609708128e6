/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns - who has an IPv6 address: neighbour solicitations by hand
 *
 * Up to three, a second apart (RFC 4861 7.2.2, 7.3.3): to the solicited-node
 * group, to one MAC as reachability probes are (--unicast), or from :: as
 * duplicate address detection does (--dad, RFC 4862 5.4.2). The kernel's
 * neighbour table is neither asked nor changed.
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "cmd/ask.h"
#include "diag/live.h"

#define SOLICITATIONS 3			/* MAX_MULTICAST_SOLICIT, RFC 4861 10 */
#define INTERVAL MONO_S			/* RETRANS_TIMER */
#define MORE (MONO_S * 3 / 10)		/* for a second owner; a proxy may take 0.8 s */
#define ANSWERS_MAX 32

static const struct mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

struct answer {
	struct mac mac;			/* of the option, else of the frame */
	struct in6_addr src;
	bool router, solicited, override;
	bool rival;			/* no advertisement: somebody checks the same address for duplicates now */
	double after_s;
};

struct question {
	struct ip target;
	struct mac unicast;
	bool has_unicast, dad;
	const struct w_addr *from;	/* NULL: :: */
	struct answer answers[ANSWERS_MAX];
	size_t n;
};

static bool on_heard(void *user, const struct heard *h, int outcome, double after_s)
{
	struct question *q = user;
	struct answer a = { .after_s = after_s, .mac = h->src_mac, .src = h->src.v6 };

	if (outcome != 0)
		return false;
	if (h->kind == HEARD_NA && IN6_ARE_ADDR_EQUAL(&h->na.target, &q->target.v6)) {
		a.router = h->na.router;
		a.solicited = h->na.solicited;
		a.override = h->na.override;
		if (h->na.has_tlla)
			a.mac = h->na.tlla;
	} else if (q->dad && h->kind == HEARD_NS && IN6_IS_ADDR_UNSPECIFIED(&h->ns.src) &&
		   IN6_ARE_ADDR_EQUAL(&h->ns.target, &q->target.v6)) {
		a.rival = true;
	} else {
		return false;
	}
	for (size_t i = 0; i < q->n; i++)
		if (mac_eq(&q->answers[i].mac, &a.mac) && q->answers[i].rival == a.rival)
			return true;
	if (q->n < ANSWERS_MAX)
		q->answers[q->n++] = a;
	return true;
}

/* The interface that a global address is on-link of. Return: NULL with an error. */
static const char *find_interface(struct cmd *cmd, const struct world *w, const struct ip *target)
{
	const struct w_route *best = NULL;
	const struct w_link *link;

	for (size_t i = 0; i < w->n_routes; i++) {
		const struct w_route *r = &w->routes[i];

		if (r->dst.ip.family == AF_INET6 && r->type == RTN_UNICAST && !ip_is_link_local(&r->dst.ip) &&
		    prefix_contains(&r->dst, target) && (!best || r->dst.len > best->dst.len))
			best = r;
	}
	link = best ? world_link(w, best->oif) : NULL;
	if (link && !ip_is_set(&best->gateway))
		return link->name;
	struct finding *f = report_error(cmd->report, IP_STR(target),
					 link ? "is reached through a router, so it has no neighbours here"
					      : "no route leads there");
	if (link)
		report_help(f, "its router: sixtap ns %s%%%s; or name an interface all the same",
			    IP_STR(&best->gateway), link->name);
	else
		report_help(f, "name the interface: sixtap ns %s%%eth0", IP_STR(target));
	return NULL;
}

/* "ADDRESS%IFACE": the parts. Return: false with an error. */
static bool parse_target(struct cmd *cmd, char *text, struct ip *ret, const char **ret_iface)
{
	char *zone = strchr(text, '%');

	if (zone) {
		*zone++ = '\0';
		*ret_iface = zone;
	}
	if (!ip_parse(text, ret)) {
		(void)cmd_usage(cmd, "%s isn't an address", text);
		return false;
	}
	if (ret->family != AF_INET6) {
		(void)cmd_usage(cmd, "%s is an IPv4 address: those are resolved by ARP (arping)", text);
		return false;
	}
	if (ip_is_multicast(ret) || ip_is_unspecified(ret) || ip_is_loopback(ret)) {
		(void)cmd_usage(cmd, "%s is no address that a neighbour can have", text);
		return false;
	}
	return true;
}

static void build(struct ask *ask, struct question *q)
{
	struct in6_addr group = ip6_solicited_node(&q->target.v6);
	struct mac mac = q->has_unicast ? q->unicast : mac_of_multicast6(&group);
	struct in6_addr src = q->from ? q->from->prefix.ip.v6 : in6addr_any;
	const struct ndp_ns ns = { .target = q->target.v6,
				   .has_slla = q->from && ask->ethernet,
				   .slla = ask->link->mac };
	struct wr w = ask_begin(ask, &mac);

	/* A probe goes to the address itself, unless it is sent from ::, which takes the group (RFC 4861 7.1.1). */
	ndp_put_ns(&w, &src, q->has_unicast && q->from ? &q->target.v6 : &group, &ns);
	ask_end(ask, &w);
}

static const struct w_addr *own(const struct ask *ask, const struct ip *ip)
{
	for (size_t i = 0; i < ask->world->n_addrs; i++)
		if (ip_eq(&ask->world->addrs[i].prefix.ip, ip) &&
		    (ask->world->addrs[i].ifindex == ask->link->ifindex || !ip_is_link_local(ip)))
			return &ask->world->addrs[i];
	return NULL;
}

static size_t owners(const struct question *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++)
		n += !q->answers[i].rival;
	return n;
}

static json_t *as_json(const struct ask *ask, const struct question *q)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < q->n; i++) {
		const struct answer *a = &q->answers[i];
		struct ip src = ip6(a->src);
		json_t *x = json_pack("{s:s, s:b, s:b, s:b, s:f, s:s}", "address", IP_STR(&q->target), "router",
				      a->router, "solicited", a->solicited, "override", a->override, "after",
				      a->after_s, "from", IP_STR(&src));

		if (a->rival) {
			(void)json_object_del(x, "from");
			(void)json_object_set_new(x, "probe", json_true());
		}
		if (!mac_is_zero(&a->mac))
			(void)json_object_set_new(x, "mac", json_string(MAC_STR(&a->mac)));
		(void)json_array_append_new(list, x);
	}
	o = json_pack("{s:s, s:s, s:i, s:o}", "interface", ask->link->name, "target", IP_STR(&q->target),
		      "solicitations", (int)ask->sent, "advertisements", list);
	if (q->dad)
		(void)json_object_set_new(o, "free", json_boolean(q->n == 0));
	return o;
}

static void as_text(const struct cmd *cmd, const struct ask *ask, const struct question *q)
{
	(void)printf("%s%s%s · NS for %s from %s%s%s\n", cmd_bold(cmd), ask->link->name, cmd_plain(cmd),
		     IP_STR(&q->target), q->from ? IP_STR(&q->from->prefix.ip) : "::", q->has_unicast ? " to " : "",
		     q->has_unicast ? MAC_STR(&q->unicast) : "");
	for (size_t i = 0; i < q->n; i++) {
		const struct answer *a = &q->answers[i];
		struct ip src = ip6(a->src);

		(void)printf("%s %s%s%s   %s%s%sin %.1f ms%s%s", cmd_glyph(cmd, q->dad ? GLYPH_ERROR : GLYPH_OK),
			     cmd_bold(cmd), mac_is_zero(&a->mac) ? IP_STR(&src) : MAC_STR(&a->mac), cmd_plain(cmd),
			     a->rival ? "checks the same address for duplicates   " : "", a->router ? "router   " : "",
			     cmd_dim(cmd), a->after_s * 1000, !ip_eq(&src, &q->target) && !a->rival ? ", from " : "",
			     !ip_eq(&src, &q->target) && !a->rival ? IP_STR(&src) : "");
		(void)printf("%s%s%s\n", a->solicited || a->rival || q->dad ? "" : ", unasked",
			     a->override || a->rival ? "" : ", doesn't override", cmd_plain(cmd));
	}
	if (owners(q) > 1)
		(void)printf("%s %zu MACs answer: two hosts have this address, or a proxy answers for another\n",
			     cmd_glyph(cmd, GLYPH_WARNING), owners(q));
	if (q->dad && q->n == 0)
		(void)printf("%s nobody has %s here\n", cmd_glyph(cmd, GLYPH_OK), IP_STR(&q->target));
	if (q->dad && q->n > 0)
		(void)printf("%s is taken\n", IP_STR(&q->target));
}

static int finish(struct cmd *cmd, const struct ask *ask, const struct question *q)
{
	const struct w_addr *mine = own(ask, &q->target);
	bool good = q->dad ? q->n == 0 : owners(q) > 0;

	if (cmd->json)
		cmd_json(cmd, as_json(ask, q));
	else if (!cmd->quiet && (good || q->n > 0))
		as_text(cmd, ask, q);
	if (good || q->dad)
		return good ? EXIT_DONE : EXIT_FAILED;

	struct finding *f = report_error(cmd->report, IP_STR(&q->target), "nobody on %s answered %u solicitation%s",
					 ask->link->name, ask->sent, ask->sent == 1 ? "" : "s");
	if (mine)
		report_help(f, "it is this host's own, which doesn't answer itself");
	else if (q->has_unicast)
		report_help(f, "without --unicast everybody is asked");
	return EXIT_FAILED;
}

int cmd_ns(struct cmd *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "unicast", required_argument, NULL, 'u' },
		{ "dad", no_argument, NULL, 'd' },
		{ "wait", required_argument, NULL, 'w' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	struct ask ask = { .tries = SOLICITATIONS, .interval = INTERVAL, .more = MORE };
	_cleanup_(world_freep) struct world *world = NULL;
	struct question q = { 0 };
	const char *iface = NULL;
	int status = EXIT_FAILED, opt;

	while ((opt = cmd_option(cmd, argc, argv, options)) != -1) {
		switch (opt) {
		case 'u':
			if (!mac_parse(optarg, &q.unicast) || mac_is_multicast(&q.unicast) || mac_is_zero(&q.unicast))
				return cmd_usage(cmd, "--unicast %s isn't a host's MAC address", optarg);
			q.has_unicast = true;
			break;
		case 'd':
			q.dad = true;
			break;
		default:
			if (!ask_option(cmd, &ask, opt))
				return EXIT_USAGE;
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cmd_usage(cmd, argc == optind ? "which address?" : "one address, one interface");
	if (!parse_target(cmd, argv[optind], &q.target, &iface))
		return EXIT_USAGE;
	if (argc - optind == 2) {
		if (iface && !str_eq(iface, argv[optind + 1]))
			return cmd_usage(cmd, "%s or %s? the interface is named twice", iface, argv[optind + 1]);
		iface = argv[optind + 1];
	}
	if (!iface && ip_is_link_local(&q.target))
		return cmd_usage(cmd, "%s is on every link: name the interface, %s%%eth0", IP_STR(&q.target),
				 IP_STR(&q.target));
	if (!iface) {
		if (live_read(&world, cmd->report) < 0)
			return EXIT_FAILED;
		iface = find_interface(cmd, world, &q.target);
		if (!iface)
			return EXIT_FAILED;
	}
	if (ask_open(cmd, &ask, iface, SNIFF_ICMPV6) == 0) {
		struct in6_addr group = ip6_solicited_node(&q.target.v6);
		struct mac group_mac = mac_of_multicast6(&group);

		q.from = q.dad ? NULL : live_source(ask.world, ask.link->ifindex, &q.target);
		if (ask.ethernet) {
			/* Answers to :: go to all nodes; who checks the same address asks its group. */
			(void)sniff_join(ask.sniff, ask.link->ifindex, &all_nodes_mac);
			if (q.dad)
				(void)sniff_join(ask.sniff, ask.link->ifindex, &group_mac);
		}
		build(&ask, &q);
		if (ask_run(cmd, &ask, on_heard, &q) == 0)
			status = finish(cmd, &ask, &q);
	}
	ask_free(&ask);
	return status;
}
