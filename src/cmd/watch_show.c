/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch_show - one frame, or one thing that looks wrong, as a line
 */
#include "cmd/watch_show.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/time.h"
#include "net/dhcp6.h"

#define WORD_WIDTH 9		/* of the column of kinds */
#define GROUPS_SHOWN 4		/* of an MLD report */

/* A string that grows in a fixed buffer, and is cut at its end. */
struct text {
	char *buf;
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, WATCH_TEXT_MAX - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < WATCH_TEXT_MAX - t->n ? (size_t)n : WATCH_TEXT_MAX - t->n - 1;
}

static const char *of4(struct in_addr a, char buf[static IP_STRLEN])
{
	struct ip ip = ip4(a);

	return ip_format(&ip, buf);
}

static const char *of6(const struct in6_addr *a, char buf[static IP_STRLEN])
{
	struct ip ip = ip6(*a);

	return ip_format(&ip, buf);
}
#define OF4(a) of4((a), (char[IP_STRLEN]){ 0 })
#define OF6(a) of6(&(a), (char[IP_STRLEN]){ 0 })

/* ------------------------------------------------------------------ in words */

static void arp_words(struct text *t, const struct heard *h)
{
	const struct arp *a = &h->arp;

	if (a->op == ARP_OP_REPLY)
		add(t, "%s is at %s", OF4(a->sender), MAC_STR(&a->sender_mac));
	else if (a->sender.s_addr == a->target.s_addr)
		add(t, "%s announces %s", MAC_STR(&a->sender_mac), OF4(a->sender));
	else if (a->sender.s_addr == 0)
		add(t, "%s checks whether %s is free", MAC_STR(&a->sender_mac), OF4(a->target));
	else
		add(t, "who has %s? asks %s", OF4(a->target), OF4(a->sender));
}

static void ra_words(struct text *t, const struct ndp_ra *ra)
{
	add(t, "%s", OF6(ra->src));
	if (ra->lifetime_s > 0)
		add(t, ", default router for %u s", ra->lifetime_s);
	else
		add(t, ", no default router");
	if (ra->preference != NDP_PREFERENCE_MEDIUM)
		add(t, " (%s)", ra->preference == NDP_PREFERENCE_HIGH ? "high" : "low");
	for (size_t i = 0; i < ra->n_prefixes; i++)
		add(t, ", %s/%u%s%s", OF6(ra->prefixes[i].prefix), ra->prefixes[i].len,
		    ra->prefixes[i].on_link ? " L" : "", ra->prefixes[i].autonomous ? " A" : "");
	for (size_t i = 0; i < ra->n_routes; i++)
		add(t, ", route %s/%u", OF6(ra->routes[i].prefix), ra->routes[i].len);
	for (size_t i = 0; i < ra->n_rdnss; i++)
		add(t, ", DNS %s", OF6(ra->rdnss[i].server));
	for (size_t i = 0; i < ra->n_dnssl; i++)
		add(t, ", search %s", ra->dnssl[i].domain);
	for (size_t i = 0; i < ra->n_pref64; i++)
		add(t, ", NAT64 %s/%u", OF6(ra->pref64[i].prefix), ra->pref64[i].len);
	if (ra->mtu)
		add(t, ", MTU %u", ra->mtu);
	if (ra->managed || ra->other)
		add(t, ", DHCPv6%s", ra->managed ? "" : " for DNS");
}

static void ns_words(struct text *t, const struct heard *h)
{
	if (IN6_IS_ADDR_UNSPECIFIED(&h->ns.src))
		add(t, "%s checks whether %s is free", mac_is_zero(&h->src_mac) ? "somebody" : MAC_STR(&h->src_mac),
		    OF6(h->ns.target));
	else
		add(t, "%s %s? asks %s", IN6_IS_ADDR_MULTICAST(&h->dst.v6) ? "who has" : "still there,",
		    OF6(h->ns.target), OF6(h->ns.src));
}

static void na_words(struct text *t, const struct heard *h)
{
	add(t, "%s is at %s", OF6(h->na.target), MAC_STR(h->na.has_tlla ? &h->na.tlla : &h->src_mac));
	if (!IN6_ARE_ADDR_EQUAL(&h->na.target, &h->na.src))
		add(t, ", says %s", OF6(h->na.src));
	if (h->na.router)
		add(t, ", router");
	if (!h->na.solicited)
		add(t, ", unasked");
	if (h->na.override)
		add(t, ", override");
}

static void report_words(struct text *t, const struct mld_report *r)
{
	add(t, "%s", OF6(r->src));
	for (size_t i = 0; i < r->n_records && i < GROUPS_SHOWN; i++)
		add(t, "%s %s %s", i > 0 ? "," : "", mld_record_joins(&r->records[i]) ? "listens to" : "leaves",
		    OF6(r->records[i].group));
	if (r->n_records + r->n_left_out > GROUPS_SHOWN)
		add(t, ", and %zu more", r->n_records + r->n_left_out - GROUPS_SHOWN);
}

static void dhcp4_words(struct text *t, const struct heard_dhcp4 *m)
{
	char name[HEARD_NAME_MAX];

	add(t, "%s", heard_dhcp4_name(m->type, name));
	if (m->reply) {
		if (m->given.s_addr)
			add(t, " %s", OF4(m->given));
		add(t, " to %s", MAC_STR(&m->client));
		if (m->server.s_addr)
			add(t, " from %s", OF4(m->server));
		if (m->router.s_addr)
			add(t, ", router %s", OF4(m->router));
		if (m->lease_s)
			add(t, ", for %u s", m->lease_s);
	} else {
		add(t, " by %s", MAC_STR(&m->client));
		if (m->hostname[0])
			add(t, " (%s)", m->hostname);
		if (m->given.s_addr)
			add(t, ", %s", OF4(m->given));
		if (m->server.s_addr)
			add(t, ", server %s", OF4(m->server));
	}
	if (m->relay.s_addr)
		add(t, ", relay %s", OF4(m->relay));
}

static void dhcp6_words(struct text *t, const struct heard *h)
{
	const struct heard_dhcp6 *m = &h->dhcp6;
	char name[HEARD_NAME_MAX];

	add(t, "%s from %s", heard_dhcp6_name(m->type, name), IP_STR(&h->src));
	if (m->type == DHCP6_RELAY_FORW || m->type == DHCP6_RELAY_REPL)
		add(t, " for %s", OF6(m->peer));
	for (size_t i = 0; i < m->n_addrs; i++)
		add(t, ", %s", OF6(m->addrs[i]));
	for (size_t i = 0; i < m->n_prefixes; i++)
		add(t, ", %s/%u", OF6(m->prefixes[i].prefix), m->prefixes[i].len);
	if (m->rapid_commit)
		add(t, ", rapid commit");
	if (m->status && heard_dhcp6_status(m->status))
		add(t, ": %s", heard_dhcp6_status(m->status));
	else if (m->status)
		add(t, ": status %u", m->status);
}

const char *watch_words(const struct heard *h, int outcome, char buf[static WATCH_TEXT_MAX])
{
	struct text t = { .buf = buf };

	buf[0] = '\0';
	if (outcome != 0) {
		add(&t, "from %s: %s", ip_is_set(&h->src) ? IP_STR(&h->src) : MAC_STR(&h->src_mac), h->why);
		return buf;
	}
	switch (h->kind) {
	case HEARD_ARP:
		arp_words(&t, h);
		break;
	case HEARD_RS:
		add(&t, "which routers are there? asks %s", OF6(h->rs.src));
		break;
	case HEARD_RA:
		ra_words(&t, &h->ra);
		break;
	case HEARD_NS:
		ns_words(&t, h);
		break;
	case HEARD_NA:
		na_words(&t, h);
		break;
	case HEARD_REDIRECT:
		add(&t, "%s: %s is reached by %s", OF6(h->redirect.src), OF6(h->redirect.dest),
		    OF6(h->redirect.target));
		break;
	case HEARD_MLD_QUERY:
		add(&t, "who listens%s%s? asks %s (MLDv%u)", IN6_IS_ADDR_UNSPECIFIED(&h->query.group) ? "" : " to ",
		    IN6_IS_ADDR_UNSPECIFIED(&h->query.group) ? "" : OF6(h->query.group), OF6(h->query.src),
		    h->query.version);
		break;
	case HEARD_MLD_REPORT:
		report_words(&t, &h->report);
		break;
	case HEARD_DHCP4:
		dhcp4_words(&t, &h->dhcp4);
		break;
	case HEARD_DHCP6:
		dhcp6_words(&t, h);
		break;
	case HEARD_KIND_N_:
		break;
	}
	return buf;
}

const char *watch_mark_words(const struct suspect_mark *m, char buf[static WATCH_TEXT_MAX])
{
	struct text t = { .buf = buf };

	buf[0] = '\0';
	switch (m->kind) {
	case SUSPECT_UNANSWERED:
		add(&t, "nobody answered for 1 s: who has %s? asks %s", IP_STR(&m->subject), IP_STR(&m->other));
		break;
	case SUSPECT_RA_FROM_GUEST:
		add(&t, "a guest sends router advertisements: %s at %s", IP_STR(&m->subject), MAC_STR(&m->mac));
		break;
	case SUSPECT_DHCP_FROM_GUEST:
		add(&t, "a guest answers DHCP: %s at %s", IP_STR(&m->subject), MAC_STR(&m->mac));
		break;
	case SUSPECT_TWO_ROUTERS:
		add(&t, "two routers: %s at %s, and %s at %s", IP_STR(&m->subject), MAC_STR(&m->mac), IP_STR(&m->other),
		    MAC_STR(&m->other_mac));
		break;
	case SUSPECT_TWO_SERVERS:
		add(&t, "two DHCP%s servers: %s at %s, and %s at %s", m->about == HEARD_DHCP6 ? "v6" : "",
		    IP_STR(&m->subject), MAC_STR(&m->mac), IP_STR(&m->other), MAC_STR(&m->other_mac));
		break;
	case SUSPECT_DUPLICATE:
		add(&t, "%s wants %s, which %s has", MAC_STR(&m->other_mac), IP_STR(&m->subject), MAC_STR(&m->mac));
		break;
	case SUSPECT_BROKEN:
		add(&t, "every host ignores this %s from %s: %s", heard_kind_name[m->about],
		    ip_is_set(&m->subject) ? IP_STR(&m->subject) : MAC_STR(&m->mac), m->why);
		break;
	case SUSPECT_KIND_N_:
		break;
	}
	return buf;
}

/* ------------------------------------------------------------------ as lines */

static const char *const kind_word[] = { "ARP",	     "RS",	  "RA",	 "NS",	   "NA",
					 "redirect", "MLD query", "MLD", "DHCPv4", "DHCPv6" };
static_assert(ARRAY_LEN(kind_word) == HEARD_KIND_N_, "a kind without a word");

static void show_at(const struct cmd *cmd, const struct watch_at *at)
{
	static time_t last = -1;
	static char clock[16];
	time_t s = (time_t)(at->at_ns / MONO_S);

	if (s != last) {
		struct tm tm;

		last = s;
		(void)localtime_r(&s, &tm);
		(void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	}
	(void)printf("%s%s.%06u%s  %s%-*s%s ", cmd_dim(cmd), clock, (unsigned int)(at->at_ns % MONO_S / 1000),
		     cmd_plain(cmd), cmd_bold(cmd), at->name_width, at->ifname, cmd_plain(cmd));
}

static void show_vlan(const struct cmd *cmd, const struct watch_at *at)
{
	if (at->vlan)
		(void)printf("   %svlan %u%s", cmd_dim(cmd), at->vlan, cmd_plain(cmd));
}

void watch_show_frame(const struct cmd *cmd, const struct watch_at *at, enum sniff_way way, const struct heard *h,
		      int outcome)
{
	char buf[WATCH_TEXT_MAX];

	show_at(cmd, at);
	(void)printf("%s %-*s %s",
		     outcome != 0	? cmd_glyph(cmd, GLYPH_WARNING)
		     : way == SNIFF_OUT ? "→"
					: "←",
		     WORD_WIDTH, kind_word[h->kind], watch_words(h, outcome, buf));
	show_vlan(cmd, at);
	(void)putchar('\n');
}

void watch_show_mark(const struct cmd *cmd, const struct watch_at *at, const struct suspect_mark *m)
{
	char buf[WATCH_TEXT_MAX];
	bool error =
		m->kind == SUSPECT_DUPLICATE || m->kind == SUSPECT_RA_FROM_GUEST || m->kind == SUSPECT_DHCP_FROM_GUEST;

	show_at(cmd, at);
	(void)printf("%s %s", cmd_glyph(cmd, error ? GLYPH_ERROR : GLYPH_WARNING), watch_mark_words(m, buf));
	show_vlan(cmd, at);
	(void)printf("   %s%s%s\n", cmd_dim(cmd), suspect_name[m->kind], cmd_plain(cmd));
}

/* ------------------------------------------------------------------ as JSON */

static void put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new_nocheck(o, key, value);
}

static void put_ip(json_t *o, const char *key, const struct ip *ip)
{
	if (ip_is_set(ip))
		put(o, key, json_string_nocheck(IP_STR(ip)));
}

static void put6(json_t *o, const char *key, const struct in6_addr *a)
{
	put(o, key, json_string_nocheck(OF6(*a)));
}

static void put4(json_t *o, const char *key, struct in_addr a)
{
	if (a.s_addr)
		put(o, key, json_string_nocheck(OF4(a)));
}

static void put_mac(json_t *o, const char *key, const struct mac *mac)
{
	if (!mac_is_zero(mac))
		put(o, key, json_string_nocheck(MAC_STR(mac)));
}

static json_t *object_at(const struct watch_at *at)
{
	json_t *o = json_object();

	put(o, "version", json_integer(1));
	put(o, "time", json_real((double)(at->at_ns / 1000) / 1e6));
	put(o, "interface", json_string(at->ifname));
	if (at->vlan)
		put(o, "vlan", json_integer(at->vlan));
	return o;
}

static void json_line(json_t *o)
{
	(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(16));
	(void)putchar('\n');
	json_decref(o);
}

static void json_ra(json_t *o, const struct ndp_ra *ra)
{
	json_t *list = json_array();

	put(o, "hop_limit", json_integer(ra->hop_limit));
	put(o, "managed", json_boolean(ra->managed));
	put(o, "other", json_boolean(ra->other));
	put(o, "lifetime", json_integer(ra->lifetime_s));
	for (size_t i = 0; i < ra->n_prefixes; i++) {
		const struct prefix p = { ip6(ra->prefixes[i].prefix), ra->prefixes[i].len };

		(void)json_array_append_new(list,
					    json_pack("{s:s, s:b, s:b, s:I, s:I}", "prefix", PREFIX_STR(&p), "on_link",
						      ra->prefixes[i].on_link, "autonomous", ra->prefixes[i].autonomous,
						      "valid", (json_int_t)ra->prefixes[i].valid_s, "preferred",
						      (json_int_t)ra->prefixes[i].preferred_s));
	}
	put(o, "prefixes", list);
	if (ra->mtu)
		put(o, "mtu", json_integer(ra->mtu));
	list = json_array();
	for (size_t i = 0; i < ra->n_rdnss; i++)
		(void)json_array_append_new(list, json_string(OF6(ra->rdnss[i].server)));
	if (ra->n_rdnss)
		put(o, "rdnss", json_incref(list));
	json_decref(list);
}

static void json_report(json_t *o, const struct mld_report *r)
{
	json_t *joins = json_array(), *leaves = json_array();

	for (size_t i = 0; i < r->n_records; i++)
		(void)json_array_append_new(mld_record_joins(&r->records[i]) ? joins : leaves,
					    json_string(OF6(r->records[i].group)));
	put(o, "joins", joins);
	put(o, "leaves", leaves);
}

static void json_dhcp4(json_t *o, const struct heard_dhcp4 *m)
{
	char name[HEARD_NAME_MAX];

	put(o, "message", json_string(heard_dhcp4_name(m->type, name)));
	put(o, "client", json_string(MAC_STR(&m->client)));
	put4(o, "address", m->given);
	put4(o, "server", m->server);
	put4(o, "router", m->router);
	put4(o, "relay", m->relay);
	if (m->lease_s)
		put(o, "lease", json_integer(m->lease_s));
	if (m->hostname[0])
		put(o, "hostname", json_string(m->hostname));
}

static void json_dhcp6(json_t *o, const struct heard_dhcp6 *m)
{
	json_t *addrs = json_array(), *prefixes = json_array();
	char name[HEARD_NAME_MAX], hex[2 * HEARD_DUID_MAX + 1] = "";

	put(o, "message", json_string(heard_dhcp6_name(m->type, name)));
	for (size_t i = 0; i < m->n_addrs; i++)
		(void)json_array_append_new(addrs, json_string(OF6(m->addrs[i])));
	for (size_t i = 0; i < m->n_prefixes; i++) {
		const struct prefix p = { ip6(m->prefixes[i].prefix), m->prefixes[i].len };

		(void)json_array_append_new(prefixes, json_string(PREFIX_STR(&p)));
	}
	put(o, "addresses", addrs);
	put(o, "prefixes", prefixes);
	for (size_t i = 0; i < m->client_len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", m->client[i]);
	if (m->client_len)
		put(o, "duid", json_string(hex));
	if (m->status)
		put(o, "status", json_integer(m->status));
}

static void json_content(json_t *o, const struct heard *h)
{
	switch (h->kind) {
	case HEARD_ARP:
		put(o, "message", json_string(h->arp.op == ARP_OP_REPLY ? "reply" : "request"));
		put4(o, "sender", h->arp.sender);
		put4(o, "target", h->arp.target);
		break;
	case HEARD_RA:
		json_ra(o, &h->ra);
		break;
	case HEARD_NS:
		put6(o, "target", &h->ns.target);
		put(o, "dad", json_boolean(IN6_IS_ADDR_UNSPECIFIED(&h->ns.src)));
		break;
	case HEARD_NA:
		put6(o, "target", &h->na.target);
		put_mac(o, "target_mac", h->na.has_tlla ? &h->na.tlla : &h->src_mac);
		put(o, "router", json_boolean(h->na.router));
		put(o, "solicited", json_boolean(h->na.solicited));
		put(o, "override", json_boolean(h->na.override));
		break;
	case HEARD_REDIRECT:
		put6(o, "target", &h->redirect.target);
		put6(o, "for", &h->redirect.dest);
		break;
	case HEARD_MLD_QUERY:
		put(o, "mld", json_integer(h->query.version));
		if (!IN6_IS_ADDR_UNSPECIFIED(&h->query.group))
			put6(o, "group", &h->query.group);
		break;
	case HEARD_MLD_REPORT:
		json_report(o, &h->report);
		break;
	case HEARD_DHCP4:
		json_dhcp4(o, &h->dhcp4);
		break;
	case HEARD_DHCP6:
		json_dhcp6(o, &h->dhcp6);
		break;
	case HEARD_RS:
	case HEARD_KIND_N_:
		break;
	}
}

void watch_json_frame(const struct watch_at *at, enum sniff_way way, const struct heard *h, int outcome)
{
	json_t *o = object_at(at);

	put(o, "direction", json_string(way == SNIFF_OUT ? "out" : "in"));
	put(o, "type", json_string(heard_kind_name[h->kind]));
	put_mac(o, "mac", &h->src_mac);
	put_ip(o, "source", &h->src);
	put_ip(o, "destination", &h->dst);
	if (outcome == 0)
		json_content(o, h);
	else
		put(o, "broken", json_string(h->why));
	json_line(o);
}

void watch_json_mark(const struct watch_at *at, const struct suspect_mark *m)
{
	json_t *o = object_at(at);
	char buf[WATCH_TEXT_MAX];

	put(o, "mark", json_string(suspect_name[m->kind]));
	put(o, "type", json_string(heard_kind_name[m->about]));
	put(o, "what", json_string(watch_mark_words(m, buf)));
	put_ip(o, "address", &m->subject);
	put_mac(o, "mac", &m->mac);
	put_ip(o, "other_address", &m->other);
	put_mac(o, "other_mac", &m->other_mac);
	json_line(o);
}
