/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rs - ask for router advertisements, and what the kernel made of them
 *
 * Solicitations as RFC 4861 6.3.7 has it: up to three, 4 s apart, until a router
 * answers; other routers then get a second more. They are sent and heard on a
 * packet socket, so that a firewall, missing IPv6 or a program that handles
 * advertisements doesn't hide them.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include "base/arena.h"
#include "cmd/ask.h"
#include "cmd/table.h"
#include "diag/live.h"
#include "net/icmpv6.h"

#define ROUTERS_MAX 64
#define SOLICITATIONS 3				/* MAX_RTR_SOLICITATIONS, RFC 4861 10 */
#define INTERVAL (4 * MONO_S)			/* RTR_SOLICITATION_INTERVAL */
#define MORE MONO_S				/* MAX_RA_DELAY_TIME is 0.5 s */
#define LABEL_WIDTH 16

static const struct in6_addr all_routers = { { { 0xff, 2, [15] = 2 } } };
static const struct mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

struct advert {
	struct ndp_ra ra;
	struct mac mac;			/* the frame's source; zero on links without */
	double after_s;
	bool wrong;			/* against a rule: why is set, ra isn't */
	struct in6_addr src;
	const char *why;
};

struct answers {
	struct advert *v;
	size_t n, cap, left_out;
};

static bool on_heard(void *user, const struct heard *heard, int outcome, double after_s)
{
	struct answers *answers = user;
	struct advert *a;

	if (heard->kind != HEARD_RA)
		return false;
	for (size_t i = 0; i < answers->n; i++)
		if (IN6_ARE_ADDR_EQUAL(&answers->v[i].src, &heard->src.v6) &&
		    mac_eq(&answers->v[i].mac, &heard->src_mac) && answers->v[i].wrong == (outcome != 0))
			return outcome == 0;
	if (answers->n == ROUTERS_MAX) {
		answers->left_out++;
		return true;
	}
	GROW(answers->v, answers->n, answers->cap);
	a = &answers->v[answers->n++];
	*a = (struct advert){ .src = heard->src.v6, .mac = heard->src_mac, .after_s = after_s, .wrong = outcome != 0,
			      .why = heard->why };
	if (outcome == 0)
		a->ra = heard->ra;
	return outcome == 0;
}

/* ------------------------------------------------------------------ what the kernel has */

static struct prefix prefix_of(const struct ndp_prefix *p)
{
	return (struct prefix){ .ip = ip6(p->prefix), .len = p->len };
}

/* Is @prefix the longest of the RA's that holds the address? */
static bool is_longest(const struct ndp_ra *ra, const struct prefix *prefix, const struct ip *ip)
{
	for (size_t i = 0; i < ra->n_prefixes; i++) {
		struct prefix other = prefix_of(&ra->prefixes[i]);

		if (other.len > prefix->len && prefix_contains(&other, ip))
			return false;
	}
	return prefix_contains(prefix, ip);
}

/* The interface's next address of a prefix of the RA. */
static const struct w_addr *address_of(const struct world *w, uint32_t ifindex, const struct ndp_ra *ra,
				       const struct prefix *prefix, size_t *at)
{
	for (; *at < w->n_addrs; ++*at) {
		const struct w_addr *a = &w->addrs[*at];

		if (a->ifindex == ifindex && a->prefix.ip.family == AF_INET6 && is_longest(ra, prefix, &a->prefix.ip))
			return &w->addrs[(*at)++];
	}
	return NULL;
}

static const struct w_route *default_via(const struct world *w, uint32_t ifindex, const struct in6_addr *router)
{
	struct ip ip = ip6(*router);

	for (size_t i = 0; i < w->n_routes; i++) {
		const struct w_route *r = &w->routes[i];

		if (r->dst.ip.family == AF_INET6 && r->dst.len == 0 && r->oif == ifindex && ip_eq(&r->gateway, &ip))
			return r;
	}
	return NULL;
}

static const struct w_route *on_link_route(const struct world *w, uint32_t ifindex, const struct prefix *prefix)
{
	struct ip network = prefix_network(prefix);

	for (size_t i = 0; i < w->n_routes; i++) {
		const struct w_route *r = &w->routes[i];

		if (r->oif == ifindex && r->dst.len == prefix->len && ip_eq(&r->dst.ip, &network) &&
		    !ip_is_set(&r->gateway))
			return r;
	}
	return NULL;
}

/* ------------------------------------------------------------------ as text */

static void line(const struct cmd *cmd, const char *label, const char *text, const char *dim)
{
	(void)printf("  ");
	cmd_column(label, LABEL_WIDTH);
	(void)printf(" %s%s%s%s%s\n", text, dim && *dim && *text ? "   " : "", cmd_dim(cmd), dim ? dim : "",
		     cmd_plain(cmd));
}

static const char *seconds(uint32_t s, char buf[static 32])
{
	if (s == NDP_FOREVER)
		return "forever";
	(void)snprintf(buf, 32, "%u s", s);
	return buf;
}
#define SECONDS(s) seconds((s), (char[32]){ 0 })

static const char *preference_name(enum ndp_preference p)
{
	switch (p) {
	case NDP_PREFERENCE_HIGH:
		return "high";
	case NDP_PREFERENCE_LOW:
		return "low";
	case NDP_PREFERENCE_MEDIUM:
		break;
	}
	return "medium";
}

static void show_options(const struct cmd *cmd, const struct ndp_ra *ra)
{
	char text[512], dim[256];

	for (size_t i = 0; i < ra->n_prefixes; i++) {
		const struct ndp_prefix *p = &ra->prefixes[i];
		struct prefix prefix = prefix_of(p);

		(void)snprintf(dim, sizeof(dim), "%s, %s, valid %s, preferred %s",
			       p->on_link ? "on-link" : "not on-link", p->autonomous ? "autonomous" : "not autonomous",
			       SECONDS(p->valid_s), SECONDS(p->preferred_s));
		line(cmd, "prefix", PREFIX_STR(&prefix), dim);
	}
	for (size_t i = 0; i < ra->n_routes; i++) {
		struct prefix prefix = { ip6(ra->routes[i].prefix), ra->routes[i].len };

		(void)snprintf(dim, sizeof(dim), "%s preference, %s", preference_name(ra->routes[i].preference),
			       SECONDS(ra->routes[i].lifetime_s));
		line(cmd, "route", PREFIX_STR(&prefix), dim);
	}
	for (size_t i = 0; i < ra->n_rdnss; i++) {
		struct ip ip = ip6(ra->rdnss[i].server);

		line(cmd, "DNS server", IP_STR(&ip), SECONDS(ra->rdnss[i].lifetime_s));
	}
	for (size_t i = 0; i < ra->n_dnssl; i++)
		line(cmd, "DNS search", ra->dnssl[i].domain, SECONDS(ra->dnssl[i].lifetime_s));
	for (size_t i = 0; i < ra->n_pref64; i++) {
		struct prefix prefix = { ip6(ra->pref64[i].prefix), ra->pref64[i].len };

		line(cmd, "NAT64 prefix", PREFIX_STR(&prefix), SECONDS(ra->pref64[i].lifetime_s));
	}
	if (ra->mtu) {
		(void)snprintf(text, sizeof(text), "%u", ra->mtu);
		line(cmd, "MTU", text, NULL);
	}
	if (ra->hop_limit) {
		(void)snprintf(text, sizeof(text), "%u", ra->hop_limit);
		line(cmd, "hop limit", text, NULL);
	}
	if (ra->reachable_ms || ra->retrans_ms) {
		(void)snprintf(text, sizeof(text), "reachable %u ms, retransmit %u ms", ra->reachable_ms,
			       ra->retrans_ms);
		line(cmd, "timers", text, NULL);
	}
	if (ra->n_wrong || ra->n_unknown || ra->n_left_out) {
		(void)snprintf(text, sizeof(text), "%zu wrong, %zu of an unknown type, %zu more than fit", ra->n_wrong,
			       ra->n_unknown, ra->n_left_out);
		line(cmd, "options", text, NULL);
	}
}

static void show_kernel(const struct cmd *cmd, const struct world *w, const struct ask *ask,
			const struct slaac_settings *s, const struct advert *a)
{
	const struct w_route *route = default_via(w, ask->link->ifindex, &a->src);
	static struct slaac_verdict v;
	const char *label = "kernel";
	char text[512];

	slaac_judge_ra(s, &a->ra, &v);
	if (route) {
		(void)snprintf(text, sizeof(text), "%s default route via %s", cmd_glyph(cmd, GLYPH_OK),
			       IP_STR(&route->gateway));
		line(cmd, label, text, route->protocol == RTPROT_RA ? NULL : "not by the kernel from this RA");
	} else {
		(void)snprintf(text, sizeof(text), "%s no default route",
			       cmd_glyph(cmd, a->ra.lifetime_s ? GLYPH_WARNING : GLYPH_INFO));
		line(cmd, label, text, v.why_no_route);
	}
	for (size_t i = 0; i < a->ra.n_prefixes; i++) {
		struct prefix prefix = prefix_of(&a->ra.prefixes[i]);
		const struct w_addr *addr;
		size_t at = 0, n = 0;

		while ((addr = address_of(w, ask->link->ifindex, &a->ra, &prefix, &at))) {
			(void)snprintf(text, sizeof(text), "%s %s",
				       cmd_glyph(cmd, addr->flags & IFA_F_DADFAILED ? GLYPH_ERROR : GLYPH_OK),
				       PREFIX_STR(&addr->prefix));
			line(cmd, "", text,
			     addr->flags & IFA_F_DADFAILED ? "a duplicate: somebody else has it" :
			     addr->flags & IFA_F_TENTATIVE ? "not usable yet: its duplicate check runs" :
			     addr->flags & IFA_F_TEMPORARY ? "temporary" :
			     addr->flags & IFA_F_DEPRECATED ? "deprecated" : NULL);
			n++;
		}
		if (n > 0)
			continue;
		(void)snprintf(text, sizeof(text), "%s no address of %s", cmd_glyph(cmd, a->ra.prefixes[i].autonomous ?
											    GLYPH_WARNING : GLYPH_INFO),
			       PREFIX_STR(&prefix));
		line(cmd, "", text, v.prefixes[i].why);
	}
}

static void show_advert(const struct cmd *cmd, const struct world *w, const struct ask *ask,
			const struct slaac_settings *s, const struct advert *a)
{
	struct ip router = ip6(a->src);
	char text[256];

	(void)printf("\n%s %s%s%s   %s%s%sin %.1f ms%s\n", cmd_glyph(cmd, a->wrong ? GLYPH_ERROR : GLYPH_OK),
		     cmd_bold(cmd), IP_STR(&router), cmd_plain(cmd), ask->ethernet ? MAC_STR(&a->mac) : "",
		     ask->ethernet ? "   " : "", cmd_dim(cmd), a->after_s * 1000, cmd_plain(cmd));
	if (a->wrong) {
		(void)printf("  every host ignores this RA: %s\n", a->why);
		return;
	}
	if (a->ra.lifetime_s > 0)
		(void)snprintf(text, sizeof(text), "for %u s, %s preference", a->ra.lifetime_s,
			       preference_name(a->ra.preference));
	else
		(void)snprintf(text, sizeof(text), "no, only for what stands below");
	line(cmd, "default router", text, NULL);
	line(cmd, "DHCPv6",
	     a->ra.managed ? "for addresses (M)"
	     : a->ra.other ? "for DNS and the like, not for addresses (O)"
			   : "no",
	     NULL);
	show_options(cmd, &a->ra);
	if (a->ra.has_slla && !mac_eq(&a->ra.slla, &a->mac) && ask->ethernet)
		line(cmd, "MAC", MAC_STR(&a->ra.slla), "differs from the MAC it came from");
	show_kernel(cmd, w, ask, s, a);
}

/* ------------------------------------------------------------------ as JSON */

static json_t *json_lifetime(json_t *o, const char *key, uint32_t s)
{
	(void)json_object_set_new(o, key, json_integer(s));
	return o;
}

static json_t *json_prefixes(const struct ndp_ra *ra)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ra->n_prefixes; i++) {
		const struct ndp_prefix *p = &ra->prefixes[i];
		struct prefix prefix = prefix_of(p);

		(void)json_array_append_new(list,
					    json_pack("{s:s, s:b, s:b, s:I, s:I}", "prefix", PREFIX_STR(&prefix),
						      "on_link", p->on_link, "autonomous", p->autonomous, "valid",
						      (json_int_t)p->valid_s, "preferred", (json_int_t)p->preferred_s));
	}
	return list;
}

static json_t *json_advert(const struct advert *a)
{
	const struct ndp_ra *ra = &a->ra;
	struct ip router = ip6(a->src);
	json_t *o = json_pack("{s:s}", "router", IP_STR(&router)), *list;

	if (!mac_is_zero(&a->mac))
		(void)json_object_set_new(o, "mac", json_string(MAC_STR(&a->mac)));
	(void)json_object_set_new(o, "after", json_real(a->after_s));
	if (a->wrong) {
		(void)json_object_set_new(o, "ignored_because", json_pack("[s]", a->why));
		return o;
	}
	(void)json_object_update_new(o, json_pack("{s:i, s:b, s:b, s:i, s:s, s:o}", "hop_limit", ra->hop_limit,
						  "managed", ra->managed, "other", ra->other, "lifetime",
						  ra->lifetime_s, "preference", preference_name(ra->preference),
						  "prefixes", json_prefixes(ra)));
	if (ra->reachable_ms)
		(void)json_object_set_new(o, "reachable", json_real(ra->reachable_ms / 1000.0));
	if (ra->retrans_ms)
		(void)json_object_set_new(o, "retransmit", json_real(ra->retrans_ms / 1000.0));
	if (ra->mtu)
		(void)json_object_set_new(o, "mtu", json_integer(ra->mtu));
	if (ra->has_slla)
		(void)json_object_set_new(o, "source_mac", json_string(MAC_STR(&ra->slla)));
	list = json_array();
	for (size_t i = 0; i < ra->n_rdnss; i++) {
		struct ip ip = ip6(ra->rdnss[i].server);

		(void)json_array_append_new(list, json_lifetime(json_pack("{s:s}", "server", IP_STR(&ip)), "lifetime",
								ra->rdnss[i].lifetime_s));
	}
	(void)json_object_set_new(o, "rdnss", list);
	list = json_array();
	for (size_t i = 0; i < ra->n_dnssl; i++)
		(void)json_array_append_new(list, json_lifetime(json_pack("{s:s}", "domain", ra->dnssl[i].domain),
								"lifetime", ra->dnssl[i].lifetime_s));
	(void)json_object_set_new(o, "dnssl", list);
	list = json_array();
	for (size_t i = 0; i < ra->n_routes; i++) {
		struct prefix prefix = { ip6(ra->routes[i].prefix), ra->routes[i].len };

		(void)json_array_append_new(
			list, json_lifetime(json_pack("{s:s, s:s}", "prefix", PREFIX_STR(&prefix), "preference",
						      preference_name(ra->routes[i].preference)),
					    "lifetime", ra->routes[i].lifetime_s));
	}
	(void)json_object_set_new(o, "routes", list);
	list = json_array();
	for (size_t i = 0; i < ra->n_pref64; i++) {
		struct prefix prefix = { ip6(ra->pref64[i].prefix), ra->pref64[i].len };

		(void)json_array_append_new(list, json_lifetime(json_pack("{s:s}", "prefix", PREFIX_STR(&prefix)),
								"lifetime", ra->pref64[i].lifetime_s));
	}
	(void)json_object_set_new(o, "pref64", list);
	if (ra->n_wrong)
		(void)json_object_set_new(o, "wrong_options", json_integer((json_int_t)ra->n_wrong));
	if (ra->n_unknown)
		(void)json_object_set_new(o, "unknown_options", json_integer((json_int_t)ra->n_unknown));
	return o;
}

static void append_once(json_t *list, const char *text)
{
	size_t i;
	json_t *v;

	if (!*text)
		return;
	json_array_foreach(list, i, v)
		if (str_eq(json_string_value(v), text))
			return;
	(void)json_array_append_new(list, json_string(text));
}

static json_t *json_kernel(const struct world *w, const struct ask *ask, const struct slaac_settings *s,
			   const struct answers *answers)
{
	json_t *routes = json_array(), *addrs = json_array(), *links = json_array(), *because = json_array();
	static struct slaac_verdict v;

	for (size_t k = 0; k < answers->n; k++) {
		const struct advert *a = &answers->v[k];
		const struct w_route *route = default_via(w, ask->link->ifindex, &a->src);

		if (a->wrong)
			continue;
		slaac_judge_ra(s, &a->ra, &v);
		if (route)
			(void)json_array_append_new(routes, json_string(IP_STR(&route->gateway)));
		else
			append_once(because, v.why_no_route);
		for (size_t i = 0; i < a->ra.n_prefixes; i++) {
			struct prefix prefix = prefix_of(&a->ra.prefixes[i]);
			const struct w_addr *addr;
			size_t at = 0, n = json_array_size(addrs);

			while ((addr = address_of(w, ask->link->ifindex, &a->ra, &prefix, &at)))
				append_once(addrs, PREFIX_STR(&addr->prefix));
			if (json_array_size(addrs) == n)
				append_once(because, v.prefixes[i].why);
			if (on_link_route(w, ask->link->ifindex, &prefix))
				append_once(links, PREFIX_STR(&prefix));
		}
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "default_routes", routes, "addresses", addrs, "on_link", links,
			 "because", because);
}

/* ------------------------------------------------------------------ the command */

static void build(struct ask *ask, const struct w_addr *from)
{
	struct mac dst = mac_of_multicast6(&all_routers);
	struct ndp_rs rs = { .has_slla = from && ask->ethernet, .slla = ask->link->mac };
	struct in6_addr src = from ? from->prefix.ip.v6 : in6addr_any;
	struct wr w = ask_begin(ask, &dst);

	ndp_put_rs(&w, &src, &all_routers, &rs);
	ask_end(ask, &w);
}

static int finish(struct cmd *cmd, struct ask *ask, const struct answers *answers, const struct w_addr *from)
{
	_cleanup_(world_freep) struct world *after = NULL;
	struct slaac_settings s;
	size_t n_good = 0;

	for (size_t i = 0; i < answers->n; i++)
		n_good += !answers->v[i].wrong;
	if (live_read(&after, cmd->report) < 0)
		return EXIT_FAILED;
	const struct w_link *link = world_link(after, ask->link->ifindex);
	if (!link || live_settings(after, link, &s, cmd->report) < 0) {
		report_error(cmd->report, ask->link->name, "the interface went away");
		return EXIT_FAILED;
	}
	if (cmd->json && answers->n > 0) {
		json_t *list = json_array();

		for (size_t i = 0; i < answers->n; i++)
			(void)json_array_append_new(list, json_advert(&answers->v[i]));
		cmd_json(cmd, json_pack("{s:s, s:i, s:o, s:o}", "interface", ask->link->name, "solicitations",
					(int)ask->sent, "advertisements", list, "kernel",
					json_kernel(after, ask, &s, answers)));
	} else if (!cmd->quiet && !cmd->json) {
		(void)printf("%s%s%s · RS from %s", cmd_bold(cmd), ask->link->name, cmd_plain(cmd),
			     from ? IP_STR(&from->prefix.ip) : "::");
		(void)printf("%s%s%s\n", cmd_dim(cmd), from ? "" : "   it has no usable link-local address",
			     cmd_plain(cmd));
		for (size_t i = 0; i < answers->n; i++)
			show_advert(cmd, after, ask, &s, &answers->v[i]);
		if (answers->left_out)
			(void)printf("\n%s %zu more routers aren't shown\n", cmd_glyph(cmd, GLYPH_WARNING),
				     answers->left_out);
		if (n_good > 0)
			(void)printf("\n%zu router%s answered · what hosts make of it: sixtap slaac %s\n", n_good,
				     n_good == 1 ? "" : "s", ask->link->name);
	}
	if (n_good > 0)
		return EXIT_DONE;

	struct finding *f = report_error(
		cmd->report, ask->link->name, "no router answered %u solicitation%s within %.0f s", ask->sent,
		ask->sent == 1 ? "" : "s", (double)(ask->tries * ask->interval) / (double)MONO_S);
	const struct w_link *master = world_link(after, ask->link->master);
	if (master)
		report_help(f, "it is a port of %s: sixtap rs %s asks there", master->name, master->name);
	else
		report_help(f, "sixtap watch %s ra shows what comes unasked", ask->link->name);
	return EXIT_FAILED;
}

int cmd_rs(struct cmd *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	struct ask ask = { .tries = SOLICITATIONS, .interval = INTERVAL, .more = MORE };
	struct answers answers = { 0 };
	int status = EXIT_FAILED, opt;

	while ((opt = cmd_option(cmd, argc, argv, options)) != -1) {
		if (!ask_option(cmd, &ask, opt))
			return EXIT_USAGE;
	}
	if (argc - optind != 1)
		return cmd_usage(cmd, argc == optind ? "which interface?" : "one interface at a time");
	if (ask_open(cmd, &ask, argv[optind], SNIFF_ICMPV6) == 0) {
		const struct w_addr *from = live_link_local(ask.world, ask.link->ifindex);

		/* An interface without IPv6 of its own wouldn't let it in. */
		if (ask.ethernet)
			(void)sniff_join(ask.sniff, ask.link->ifindex, &all_nodes_mac);
		build(&ask, from);
		if (ask_run(cmd, &ask, on_heard, &answers) == 0)
			status = finish(cmd, &ask, &answers, from);
	}
	free(answers.v);
	ask_free(&ask);
	return status;
}
