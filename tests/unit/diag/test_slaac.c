/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "diag/slaac.h"

static const struct slaac_settings good = {
	.present = true,
	.up = true,
	.carrier = true,
	.link_local = true,
	.accept_ra = 1,
	.autoconf = 1,
	.accept_ra_pinfo = 1,
	.accept_ra_defrtr = 1,
	.router_solicitations = -1,
	.mtu = 1500,
	.accept_ra_mtu = 1,
};

/* A good interface with something else about it: "accept_ra=2 forwarding=1". */
static struct slaac_settings with(const char *changes)
{
	static const struct {
		const char *name;
		size_t at, size;
	} members[] = {
#define MEMBER(x) { #x, offsetof(struct slaac_settings, x), sizeof(good.x) }
		MEMBER(present), MEMBER(up), MEMBER(carrier), MEMBER(loopback), MEMBER(port), MEMBER(link_local),
		MEMBER(disable_ipv6), MEMBER(accept_ra), MEMBER(forwarding), MEMBER(autoconf), MEMBER(accept_ra_pinfo),
		MEMBER(accept_ra_defrtr), MEMBER(router_solicitations), MEMBER(addr_gen_mode), MEMBER(max_addresses),
		MEMBER(n_addresses), MEMBER(mtu), MEMBER(accept_ra_min_lft),
	};
	struct slaac_settings s = good;

	while (*changes) {
		size_t n = strcspn(changes, "="), i = 0;
		int32_t value = (int32_t)strtol(changes + n + 1, NULL, 10);

		while (i < ARRAY_LEN(members) &&
		       (strlen(members[i].name) != n || strncmp(members[i].name, changes, n) != 0))
			i++;
		assert_true(i < ARRAY_LEN(members));
		if (members[i].size == sizeof(bool))
			*((bool *)&s + members[i].at) = value != 0;
		else
			memcpy((char *)&s + members[i].at, &value, sizeof(value));
		changes += strcspn(changes, " ");
		changes += *changes == ' ';
	}
	return s;
}

static void settings(void **state)
{
	static const struct {
		const char *why;
		const char *changes;
		bool rs, address, route;
		const char *first;	/* setting of the first reason */
	} t[] = {
		{ "as a host is born", "", true, true, true, "accept_ra" },
		{ "off", "accept_ra=0", false, false, false, "accept_ra" },
		{ "a router", "forwarding=1", false, false, false, "accept_ra" },
		{ "a router that wants RAs", "forwarding=1 accept_ra=2", true, true, true, "accept_ra" },
		{ "no address, still a route", "autoconf=0", true, false, true, "autoconf" },
		{ "no prefixes", "accept_ra_pinfo=0", true, false, true, "accept_ra_pinfo" },
		{ "no routers", "accept_ra_defrtr=0", true, true, false, "accept_ra_defrtr" },
		{ "no RS", "router_solicitations=0", false, true, true, "router_solicitations" },
		{ "no link-local, asked for", "link_local=0 addr_gen_mode=1", false, true, true, "addr_gen_mode" },
		{ "no link-local yet", "link_local=0", false, true, true, "" },
		{ "IPv6 off", "disable_ipv6=1", false, false, false, "disable_ipv6" },
		{ "small MTU", "present=0 mtu=1000", false, false, false, "" },
		{ "down", "up=0", false, false, false, "" },
		{ "no carrier", "carrier=0", false, false, false, "" },
		{ "a bridge's port", "port=1", false, false, false, "" },
		{ "loopback", "loopback=1", false, false, false, "" },
		{ "full", "max_addresses=16 n_addresses=16", true, false, true, "max_addresses" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct slaac_prediction p;
		const struct slaac_settings set = with(t[i].changes);

		slaac_predict(&set, &p);
		if (p.sends_rs != t[i].rs || p.gets_address != t[i].address || p.gets_default_route != t[i].route)
			fail_msg("%s: RS %d address %d route %d", t[i].why, p.sends_rs, p.gets_address,
				 p.gets_default_route);
		if (p.n_reasons == 0 || strcmp(p.reasons[0].setting, t[i].first) != 0)
			fail_msg("%s: because of \"%s\"", t[i].why, p.n_reasons ? p.reasons[0].what : "");
	}
}

static void one_ra(void **state)
{
	static const struct {
		const char *why;
		const char *changes;
		uint16_t lifetime_s;
		struct ndp_prefix p;
		bool route, on_link, address;
		const char *prefix_why, *route_why;
	} t[] = {
		{ "ordinary",
		  "",
		  1800,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 9, .preferred_s = 9 },
		  true,
		  true,
		  true,
		  "",
		  "" },
		{ "not a default router",
		  "",
		  0,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 9 },
		  false,
		  true,
		  true,
		  "",
		  "lifetime 0" },
		{ "a /48",
		  "",
		  9,
		  { .len = 48, .on_link = true, .autonomous = true, .valid_s = 9 },
		  true,
		  true,
		  false,
		  "/64",
		  "" },
		{ "for DHCPv6",
		  "",
		  9,
		  { .len = 64, .on_link = true, .valid_s = 9 },
		  true,
		  true,
		  false,
		  "A isn't set",
		  "" },
		{ "preferred for longer than valid",
		  "",
		  9,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 9, .preferred_s = 10 },
		  true,
		  false,
		  false,
		  "preferred",
		  "" },
		{ "over", "", 9, { .len = 64, .on_link = true, .autonomous = true }, true, false, false, "0", "" },
		{ "autoconf off",
		  "autoconf=0",
		  9,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 9 },
		  true,
		  true,
		  false,
		  "autoconf=0",
		  "" },
		{ "a router",
		  "forwarding=1",
		  9,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 9 },
		  false,
		  false,
		  false,
		  "forwarding=1",
		  "forwarding=1" },
		{ "too short for us",
		  "accept_ra_min_lft=100",
		  99,
		  { .len = 64, .on_link = true, .autonomous = true, .valid_s = 99 },
		  false,
		  false,
		  false,
		  "min_lft",
		  "min_lft" },
	};
	static struct slaac_verdict v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct slaac_settings set = with(t[i].changes);
		static struct ndp_ra ra;

		ra = (struct ndp_ra){ .lifetime_s = t[i].lifetime_s, .n_prefixes = 1 };
		ra.prefixes[0] = t[i].p;
		assert_int_equal(inet_pton(AF_INET6, "2001:db8::", &ra.prefixes[0].prefix), 1);
		slaac_judge_ra(&set, &ra, &v);
		if (v.default_route != t[i].route || v.prefixes[0].on_link != t[i].on_link ||
		    v.prefixes[0].address != t[i].address)
			fail_msg("%s: route %d on-link %d address %d", t[i].why, v.default_route, v.prefixes[0].on_link,
				 v.prefixes[0].address);
		if (!strstr(v.prefixes[0].why, t[i].prefix_why) || !*t[i].prefix_why != !*v.prefixes[0].why)
			fail_msg("%s: prefix because of \"%s\"", t[i].why, v.prefixes[0].why);
		if (!strstr(v.why_no_route, t[i].route_why) || !*t[i].route_why != !*v.why_no_route)
			fail_msg("%s: route because of \"%s\"", t[i].why, v.why_no_route);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),
		cmocka_unit_test(one_ra),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
