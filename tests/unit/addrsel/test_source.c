/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "addrsel/source.h"

/* "ADDR/LEN[ flags]" words: d deprecated, t temporary, h home, n tentative, o optimistic, l IPv4 scope link, 3 on eth1. */
static void assign(struct addrsel_host *host, const char *spec)
{
	struct addrsel_addr addr = { .index = 2 };
	char text[64];
	struct prefix p;
	size_t n = strcspn(spec, " ");

	assert_true(n < sizeof(text));
	memcpy(text, spec, n);
	text[n] = '\0';
	assert_true(prefix_parse(text, &p));
	addr.ip = p.ip;
	addr.len = p.len;
	addr.deprecated = strchr(spec + n, 'd') != NULL;
	addr.temporary = strchr(spec + n, 't') != NULL;
	addr.home = strchr(spec + n, 'h') != NULL;
	addr.tentative = strchr(spec + n, 'n') != NULL;
	addr.optimistic = strchr(spec + n, 'o') != NULL;
	addr.scope = strchr(spec + n, 'l') ? 253 : 0;
	addr.index = strchr(spec + n, '3') ? 3 : 2;
	addrsel_host_assign(host, &addr);
}

static void test_choice(void **state)
{
	static const struct {
		const char *why;
		const char *addrs[6];
		const char *dst, *source;	/* source NULL: unreachable */
		bool no_route, prefer_temporary;
		uint32_t scope_id;
	} t[] = {
		{ .why = "the only one", .addrs = { "fd00::2/64" }, .dst = "2001:db8::1", .source = "fd00::2" },
		{ .why = "no route", .addrs = { "fd00::2/64" }, .dst = "2001:db8::1", .no_route = true },
		{ .why = "on-link without a default route", .addrs = { "fd00::2/64" }, .dst = "fd00::9", .no_route = true,
		  .source = "fd00::2" },
		{ .why = "itself", .addrs = { "2001:db8::1/64", "2001:db8::2/64" }, .dst = "2001:db8::1",
		  .source = "2001:db8::1" },
		{ .why = "scope enough before scope too small", .addrs = { "fd00::2/64", "fe80::2/64" },
		  .dst = "2001:db8::1", .source = "fd00::2" },
		{ .why = "link-local is all there is", .addrs = { "fe80::2/64" }, .dst = "2001:db8::1", .source = "fe80::2" },
		{ .why = "nothing but loopback", .addrs = { "192.0.2.2/24" }, .dst = "2001:db8::1", .source = "::1" },
		{ .why = "deprecated is avoided, even when the label would match", .addrs = { "2001:db8::2/64 d", "fd00::2/64" },
		  .dst = "2001:db8:1::1", .source = "fd00::2" },
		{ .why = "deprecated is taken when alone", .addrs = { "2001:db8::2/64 d" }, .dst = "2001:db8:1::1",
		  .source = "2001:db8::2" },
		{ .why = "home address", .addrs = { "2001:db8::2/64", "2001:db8::3/64 h", "2001:db8::4/64" },
		  .dst = "2001:db8:1::1", .source = "2001:db8::3" },
		{ .why = "the outgoing interface before the label", .addrs = { "fd00::2/64", "2001:db8::2/64 3" },
		  .dst = "2001:db8:1::1", .source = "fd00::2" },
		{ .why = "matching label", .addrs = { "2001:db8::2/64", "fd00::2/64" }, .dst = "2a01::1",
		  .source = "2001:db8::2" },
		{ .why = "matching label, ULA", .addrs = { "fd00::2/64", "2001:db8::2/64" }, .dst = "fd99::1",
		  .source = "fd00::2" },
		{ .why = "public before temporary", .addrs = { "2001:db8::2/64", "2001:db8::3/64 t" }, .dst = "2a01::1",
		  .source = "2001:db8::2" },
		{ .why = "temporary where the host wants it", .addrs = { "2001:db8::3/64 t", "2001:db8::2/64" },
		  .dst = "2a01::1", .source = "2001:db8::3", .prefer_temporary = true },
		{ .why = "longest prefix", .addrs = { "2001:db8:1::2/64", "2001:db8:2::2/64" }, .dst = "2001:db8:1:9::1",
		  .source = "2001:db8:1::2" },
		{ .why = "no more bits than the prefix has: newest", .addrs = { "2001:db8::2/32", "2001:db8:ffff::2/32" },
		  .dst = "2001:db8::1", .source = "2001:db8:ffff::2" },
		{ .why = "alike: the newest", .addrs = { "2001:db8::2/64", "2001:db8::3/64" }, .dst = "2a01::1",
		  .source = "2001:db8::3" },
		{ .why = "tentative isn't there yet", .addrs = { "2001:db8::2/64", "2001:db8::3/64 n" }, .dst = "2a01::1",
		  .source = "2001:db8::2" },
		{ .why = "optimistic counts as deprecated", .addrs = { "2001:db8::2/64", "2001:db8::3/64 no" },
		  .dst = "2a01::1", .source = "2001:db8::2" },
		{ .why = "link-local destination needs its interface", .addrs = { "fe80::2/64" }, .dst = "fe80::9" },
		{ .why = "link-local destination", .addrs = { "2001:db8::2/64", "fe80::2/64" }, .dst = "fe80::9",
		  .scope_id = 2, .source = "fe80::2" },
		{ .why = "multicast isn't modelled", .addrs = { "2001:db8::2/64" }, .dst = "ff05::1" },
		{ .why = "IPv4: the first", .addrs = { "192.0.2.2/24", "192.0.2.3/24", "10.0.0.2/8" }, .dst = "8.8.8.8",
		  .source = "192.0.2.2" },
		{ .why = "IPv4: the subnet's own", .addrs = { "192.0.2.2/24", "10.0.0.2/8" }, .dst = "10.9.9.9",
		  .source = "10.0.0.2" },
		{ .why = "IPv4: itself", .addrs = { "192.0.2.2/24", "192.0.2.3/24" }, .dst = "192.0.2.3", .source = "192.0.2.3" },
		{ .why = "IPv4: no route", .addrs = { "192.0.2.2/24" }, .dst = "8.8.8.8", .no_route = true },
		{ .why = "IPv4: loopback", .addrs = { "192.0.2.2/24" }, .dst = "127.0.0.9", .source = "127.0.0.1" },
		{ .why = "IPv4: the unspecified is loopback", .addrs = { "192.0.2.2/24" }, .dst = "0.0.0.0", .source = "127.0.0.1" },
		{ .why = "IPv6: the unspecified is loopback", .addrs = { "fd00::2/64" }, .dst = "::", .source = "::1" },
		{ .why = "mapped is IPv4", .addrs = { "192.0.2.2/24" }, .dst = "::ffff:8.8.8.8", .source = "::ffff:192.0.2.2" },
		{ .why = "link scope is before global in the kernel's list, and enough for an on-link route",
		  .addrs = { "192.0.2.2/24", "169.254.1.2/16 l" }, .dst = "8.8.8.8", .source = "169.254.1.2" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct addrsel_host *host = addrsel_host_new();
		struct ip dst, source = { 0 };
		bool found;

		addrsel_host_add_loopback(host);
		addrsel_host_add_if(host, &(struct addrsel_if){ .index = 2, .name = "eth0",
								.prefer_temporary = t[i].prefer_temporary });
		addrsel_host_add_if(host, &(struct addrsel_if){ .index = 3, .name = "eth1" });
		for (size_t k = 0; t[i].addrs[k]; k++)
			assign(host, t[i].addrs[k]);
		for (int six = 0; !t[i].no_route && six < 2; six++)
			addrsel_host_add_route(host, &(struct addrsel_route){ .dst.ip.family = six ? AF_INET6 : AF_INET,
									      .index = 2, .metric = 1024, .scope = 253 });
		assert_true(ip_parse(t[i].dst, &dst));
		found = addrsel_host_source(host, &dst, t[i].scope_id, &source);
		if (!str_eq(found ? IP_STR(&source) : NULL, t[i].source))
			fail_msg("%s: %s from %s, not %s", t[i].why, t[i].dst, found ? IP_STR(&source) : "nothing",
				 t[i].source ? t[i].source : "nothing");
		addrsel_host_free(host);
	}
}

static void test_routes(void **state)
{
	struct addrsel_host *host = addrsel_host_new();
	struct ip dst, source;
	struct addrsel_route r = { .index = 2, .metric = 100, .scope = 0 };
	(void)state;

	addrsel_host_add_loopback(host);
	addrsel_host_add_if(host, &(struct addrsel_if){ .index = 2, .name = "eth0" });
	addrsel_host_add_if(host, &(struct addrsel_if){ .index = 3, .name = "eth1" });
	assign(host, "2001:db8::2/64");
	assign(host, "2001:db8:3::2/64 3");
	assert_true(prefix_parse("::/0", &r.dst));
	addrsel_host_add_route(host, &r);
	r.index = 3;
	r.metric = 50;		/* better */
	addrsel_host_add_route(host, &r);
	assert_true(ip_parse("2a01::1", &dst));
	assert_true(addrsel_host_source(host, &dst, 0, &source));
	assert_string_equal(IP_STR(&source), "2001:db8:3::2");
	assert_true(prefix_parse("2a00::/8", &r.dst));
	assert_true(ip_parse("2001:db8::2", &r.src));	/* a route's own source */
	addrsel_host_add_route(host, &r);
	assert_true(addrsel_host_source(host, &dst, 0, &source));
	assert_string_equal(IP_STR(&source), "2001:db8::2");
	assert_true(prefix_parse("2a01::/16", &r.dst));
	r.kind = ADDRSEL_ROUTE_REJECT;
	addrsel_host_add_route(host, &r);
	assert_false(addrsel_host_source(host, &dst, 0, &source));

	/* IPv4: a subnet on eth0 is longer than the one that lo holds as its own */
	assign(host, "100.64.0.253/24");
	r = (struct addrsel_route){ .kind = ADDRSEL_ROUTE_LOCAL, .index = 1, .local_table = true };
	assert_true(prefix_parse("100.64.0.0/16", &r.dst));
	assert_true(ip_parse("100.64.0.2", &r.src));
	addrsel_host_add_route(host, &r);
	assert_true(ip_parse("100.64.0.154", &dst));
	assert_true(addrsel_host_source(host, &dst, 0, &source));
	assert_string_equal(IP_STR(&source), "100.64.0.253");
	assert_true(ip_parse("100.64.7.1", &dst));
	assert_true(addrsel_host_source(host, &dst, 0, &source));
	assert_string_equal(IP_STR(&source), "100.64.0.2");
	addrsel_host_free(host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_choice), cmocka_unit_test(test_routes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
