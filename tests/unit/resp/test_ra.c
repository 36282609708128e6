/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "net/eth.h"
#include "net/icmpv6.h"
#include "resp/ra.h"

#define START (1000 * MONO_S)

static const struct mac bridge = { { 0x52, 0x54, 0, 0xaa, 0, 1 } }, guest = { { 0x52, 0x54, 0, 1, 2, 3 } };
static struct out out;

static struct in6_addr a6(const char *s)
{
	struct in6_addr a = { 0 };

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return a;
}

static struct service lan(void)
{
	struct service s = {
		.network = "lan", .mac = bridge, .mtu = 1500, .routes = true, .domain = "lan", .ra = true, .managed = true,
		.link_local = a6("fe80::1"), .n_prefixes = 1, .n_dns6 = 1, .dns6 = { a6("fd00:1::1") },
		.prefixes = { { a6("fd00:1::"), 64, true, true, 86400, 14400 } },
	};

	return s;
}

static struct ra *new_ra(const struct service *s)
{
	struct ra *ra = NULL;

	out_reset(&out);
	assert_int_equal(ra_new(&ra, s, 42, START), 0);
	return ra;
}

/* Take the last frame apart: where it went, and what it says. */
static const struct ndp_ra *last(struct eth *eth, struct ipv6 *ip)
{
	static struct ndp_ra msg;
	const struct out_frame *f;
	struct rd icmp;
	uint8_t type;

	assert_true(out.n_frames > 0);
	f = &out.frames[out.n_frames - 1];
	assert_int_equal(f->socket, OUT_SOCKET_IP6);
	assert_int_equal(eth_parse(rd_init(f->data, f->len), eth), 0);
	assert_int_equal(ipv6_parse(eth->payload, ip), 0);
	assert_int_equal(icmpv6_open(ip, true, &type, &icmp), 0);

	struct ndp_meta meta = { ip->src, ip->dst, ip->hop_limit };
	assert_int_equal(ndp_parse_ra(icmp, &meta, &msg), 0);
	assert_int_equal(msg.n_wrong + msg.n_left_out + msg.n_unknown, 0);
	return &msg;
}

static const struct ndp_prefix *prefix_of(const struct ndp_ra *msg, const char *prefix)
{
	struct in6_addr want = a6(prefix);

	for (size_t i = 0; i < msg->n_prefixes; i++)
		if (IN6_ARE_ADDR_EQUAL(&msg->prefixes[i].prefix, &want))
			return &msg->prefixes[i];
	return NULL;
}

/* Run the clock from one deadline to the next, until @n multicast advertisements are out. */
static mono_t run(struct ra *ra, unsigned int n, mono_t *ret_gaps)
{
	mono_t now = START, before = 0;

	for (unsigned int i = 0; i < n; i++) {
		assert_true(ra_deadline(ra) != MONO_NEVER);
		now = ra_deadline(ra);
		out_reset(&out);
		ra_tick(ra, now, &out);
		assert_int_equal(out.n_frames, 1);
		if (ret_gaps)
			ret_gaps[i] = i ? now - before : 0;
		before = now;
	}
	return now;
}

static void solicited(void **state)
{
	struct service s = lan();
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	struct ndp_rs rs = { .src = a6("fe80::2") };
	struct in6_addr all = a6("ff02::1");
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	ra_input(ra, &rs, &guest, START, &out);
	const struct ndp_ra *msg = last(&eth, &ip);
	assert_true(mac_eq(&eth.dst, &guest) && mac_eq(&eth.src, &bridge));
	assert_true(IN6_ARE_ADDR_EQUAL(&ip.dst, &rs.src) && IN6_ARE_ADDR_EQUAL(&ip.src, &s.link_local));
	assert_int_equal(ip.hop_limit, 255);
	assert_int_equal(msg->lifetime_s, 1800);
	assert_true(msg->managed && !msg->other);
	assert_int_equal(msg->mtu, 1500);
	assert_true(msg->has_slla && mac_eq(&msg->slla, &bridge));
	assert_int_equal(msg->n_prefixes, 1);
	assert_int_equal(msg->prefixes[0].valid_s, 86400);
	assert_int_equal(msg->rdnss[0].lifetime_s, 1800);
	assert_string_equal(msg->dnssl[0].domain, "lan");

	/* RFC 6085: no address to answer to, but a MAC. */
	rs.src = in6addr_any;
	ra_input(ra, &rs, &guest, START, &out);
	(void)last(&eth, &ip);
	assert_true(mac_eq(&eth.dst, &guest) && IN6_ARE_ADDR_EQUAL(&ip.dst, &all));
	assert_int_equal(ra_stats(ra)->n_solicited, 2);
}

static void settings(void **state)
{
	static const struct {
		const char *why;
		bool routes;
		uint32_t mtu;
		uint16_t lifetime_s;
		uint32_t mtu_said;
	} t[] = {
		{ "isolated: no default route", false, 1500, 0, 1500 },
		{ "an MTU that IPv6 can't have isn't said", true, 1279, 1800, 0 },
		{ "jumbo frames", true, 9000, 1800, 9000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct service s = lan();
		struct eth eth;
		struct ipv6 ip;

		s.routes = t[i].routes;
		s.mtu = t[i].mtu;
		_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
		ra_tick(ra, START, &out);
		const struct ndp_ra *msg = last(&eth, &ip);
		if (msg->lifetime_s != t[i].lifetime_s || msg->mtu != t[i].mtu_said)
			fail_msg("%s", t[i].why);
	}
}

static void off_says_nothing(void **state)
{
	struct service s = lan();
	struct ndp_rs rs = { .src = a6("fe80::2") };

	(void)state;
	s.ra = false;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	ra_input(ra, &rs, &guest, START, &out);
	ra_first_frame(ra, &guest, true, START, &out);
	ra_goodbye(ra, START, &out);
	assert_true(ra_deadline(ra) == MONO_NEVER);
	assert_int_equal(out.n_frames, 0);
}

static void unsolicited_times(void **state)
{
	struct service s = lan();
	mono_t gaps[40];
	bool varied = false;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	assert_true(ra_deadline(ra) == START);
	run(ra, ARRAY_LEN(gaps), gaps);
	for (unsigned int i = 1; i < 3; i++)
		assert_in_range(gaps[i], 3 * MONO_S, 16 * MONO_S);	/* the first three */
	for (unsigned int i = 3; i < ARRAY_LEN(gaps); i++) {
		assert_in_range(gaps[i], 200 * MONO_S, 600 * MONO_S);
		varied |= gaps[i] != gaps[3];
	}
	assert_true(varied);
}

static void another_network_takes_along(void **state)
{
	static const struct {
		unsigned int n;		/* advertisements that are out */
		mono_t after;		/* the last of them */
		bool joins;
		const char *why;
	} t[] = {
		{ 1, 10 * MONO_S, false, "the first three have times of their own" },
		{ 5, 0, false, "it has just spoken" },
		{ 5, 199 * MONO_S, false, "less than the least interval" },
		{ 5, 200 * MONO_S, true, "the least interval" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct service s = lan();
		_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
		mono_t now = mono_add(run(ra, t[i].n, NULL), t[i].after), next = ra_deadline(ra);

		out_reset(&out);
		ra_join(ra, now, &out);
		if (out.n_frames != t[i].joins)
			fail_msg("%s: %zu frames", t[i].why, out.n_frames);
		if (t[i].joins)
			assert_in_range(ra_deadline(ra), now + 200 * MONO_S, now + 600 * MONO_S);
		else
			assert_true(ra_deadline(ra) == next);
	}

	struct service off = lan();
	off.ra = false;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&off);
	out_reset(&out);
	ra_join(ra, START + 1000 * MONO_S, &out);
	assert_int_equal(out.n_frames, 0);
}

static void short_lifetimes_never_run_out(void **state)
{
	struct service s = lan();
	mono_t gaps[20];

	(void)state;
	s.prefixes[0].valid_s = 300;
	s.prefixes[0].preferred_s = 120;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	run(ra, ARRAY_LEN(gaps), gaps);
	for (unsigned int i = 1; i < ARRAY_LEN(gaps); i++)
		assert_in_range(gaps[i], 3 * MONO_S, 40 * MONO_S);
}

static void first_frame(void **state)
{
	static const struct {
		const char *why;
		mono_t at;
		bool starting;
		size_t n;	/* frames so far */
	} t[] = {
		{ "never heard", 0, true, 1 },
		{ "again, at once", MONO_S, true, 1 },
		{ "just talking", 10 * MONO_S, false, 1 },
		{ "starts again", 11 * MONO_S, true, 2 },
		{ "again, at once", 13 * MONO_S, true, 2 },
		{ "just talking, much later", 9999 * MONO_S, false, 2 },
	};
	const struct mac other = { { 0x52, 0x54, 0, 9, 9, 9 } };
	struct ndp_rs rs = { .src = a6("fe80::2") };
	struct service s = lan();
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		ra_first_frame(ra, &guest, t[i].starting, START + t[i].at, &out);
		if (out.n_frames != t[i].n)
			fail_msg("%s: %zu frames", t[i].why, out.n_frames);
	}
	(void)last(&eth, &ip);
	assert_true(mac_eq(&eth.dst, &guest) && IN6_IS_ADDR_MULTICAST(&ip.dst));

	/* One that has just been answered needs no greeting. */
	ra_input(ra, &rs, &other, START, &out);
	ra_first_frame(ra, &other, true, START, &out);
	assert_int_equal(out.n_frames, 3);
}

static void made_up_guests_are_held_back(void **state)
{
	struct service s = lan();
	struct mac mac = guest;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	for (unsigned int i = 0; i < 20000; i++) {
		mac.b[3] = (uint8_t)(i >> 8);
		mac.b[4] = (uint8_t)i;
		ra_first_frame(ra, &mac, true, START + i * (MONO_S / 20000), &out);
		out_reset(&out);
	}
	assert_in_range(ra_stats(ra)->n_greetings, 1024, 1024 + 256);
	assert_int_equal(ra_stats(ra)->n_greetings + ra_stats(ra)->n_held_back, 20000);
}

static void prefix_that_left(void **state)
{
	struct service s = lan(), to = lan();
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	mono_t now = run(ra, 5, NULL);
	to.prefixes[0].prefix = a6("fd00:2::");
	ra_configure(ra, &to, now, &out);
	assert_true(ra_deadline(ra) == now + 3 * MONO_S);	/* RFC 4861 6.2.4: not sooner after the last one */
	out_reset(&out);
	ra_tick(ra, ra_deadline(ra), &out);
	const struct ndp_ra *msg = last(&eth, &ip);
	assert_int_equal(prefix_of(msg, "fd00:2::")->preferred_s, 14400);
	assert_int_equal(prefix_of(msg, "fd00:1::")->preferred_s, 0);
	assert_int_equal(prefix_of(msg, "fd00:1::")->valid_s, 7197);

	/* It counts down, also in answers, … */
	struct ndp_rs rs = { .src = a6("fe80::2") };
	ra_input(ra, &rs, &guest, now + 7000 * MONO_S, &out);
	assert_int_equal(prefix_of(last(&eth, &ip), "fd00:1::")->valid_s, 200);
	/* … and is gone in the end. */
	ra_input(ra, &rs, &guest, now + 7200 * MONO_S, &out);
	assert_null(prefix_of(last(&eth, &ip), "fd00:1::"));

	/* One that comes back is simply there again. */
	ra_configure(ra, &s, now + 7300 * MONO_S, &out);
	ra_input(ra, &rs, &guest, now + 7300 * MONO_S, &out);
	msg = last(&eth, &ip);
	assert_int_equal(prefix_of(msg, "fd00:1::")->preferred_s, 14400);
	assert_int_equal(prefix_of(msg, "fd00:2::")->preferred_s, 0);
	assert_int_equal(msg->n_prefixes, 2);
}

/* One that drains is deprecated, also by a responder that never served it, and on the link as long as it is told of. */
static void prefix_that_drains(void **state)
{
	struct service s = lan(), after = lan();
	struct ndp_rs rs = { .src = a6("fe80::2") };
	const struct ndp_prefix *p;
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	assert_true(prefix_parse("fd00:9::1/64", &s.drains[0].gateway));
	assert_true(prefix_parse("192.168.7.1/24", &s.drains[1].gateway));
	s.drains[0].until = START + 1000 * MONO_S;
	s.n_drains = 2;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	ra_input(ra, &rs, &guest, START + 400 * MONO_S, &out);
	p = prefix_of(last(&eth, &ip), "fd00:9::");
	assert_true(p && p->on_link && p->autonomous);
	assert_int_equal(p->valid_s, 600);
	assert_int_equal(p->preferred_s, 0);
	assert_int_equal(last(&eth, &ip)->n_prefixes, 2);
	ra_input(ra, &rs, &guest, START + 1000 * MONO_S, &out);	/* DHCPv6 leases may be left */
	p = prefix_of(last(&eth, &ip), "fd00:9::");
	assert_true(p && p->on_link && !p->autonomous && p->valid_s > 0);
	ra_configure(ra, &after, START + 2000 * MONO_S, &out);
	ra_input(ra, &rs, &guest, START + 2000 * MONO_S, &out);
	assert_null(prefix_of(last(&eth, &ip), "fd00:9::"));

	/* A prefix that begins to drain is told of once, with the time that the drain has. */
	s.prefixes[0].prefix = a6("fd00:2::");
	assert_true(prefix_parse("fd00:1::1/64", &s.drains[0].gateway));
	s.drains[0].until = START + 3000 * MONO_S;
	ra_configure(ra, &s, START + 2000 * MONO_S, &out);
	ra_input(ra, &rs, &guest, START + 2500 * MONO_S, &out);
	assert_int_equal(last(&eth, &ip)->n_prefixes, 2);
	assert_int_equal(prefix_of(last(&eth, &ip), "fd00:1::")->valid_s, 500);
}

static void many_prefixes_come_and_go(void **state)
{
	struct service s = lan();
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	for (unsigned int i = 0; i < 100; i++) {
		s.n_prefixes = SERVICE_PREFIXES;
		for (unsigned int k = 0; k < SERVICE_PREFIXES; k++) {
			s.prefixes[k] = s.prefixes[0];
			s.prefixes[k].prefix.s6_addr[2] = (uint8_t)i;
			s.prefixes[k].prefix.s6_addr[3] = (uint8_t)k;
		}
		ra_configure(ra, &s, START, &out);
	}
	out_reset(&out);
	ra_tick(ra, ra_deadline(ra), &out);
	assert_int_equal(last(&eth, &ip)->n_prefixes, 3 * SERVICE_PREFIXES);
	assert_in_range(out.frames[0].len, 1, 1294);	/* within the smallest IPv6 MTU */
}

static void servers_that_left(void **state)
{
	struct service s = lan(), to = lan();
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	to.dns6[0] = a6("fd00:1::53");
	(void)str_copy(to.domain, sizeof(to.domain), "home");
	ra_configure(ra, &to, START, &out);
	for (unsigned int i = 0; i < 4; i++) {
		out_reset(&out);
		ra_tick(ra, ra_deadline(ra), &out);
		const struct ndp_ra *msg = last(&eth, &ip);
		assert_int_equal(msg->n_rdnss, i < 3 ? 2 : 1);
		assert_int_equal(msg->n_dnssl, i < 3 ? 2 : 1);
		assert_int_equal(msg->rdnss[0].lifetime_s, 1800);
		if (i < 3)
			assert_int_equal(msg->rdnss[1].lifetime_s + msg->dnssl[1].lifetime_s, 0);
	}
}

static void last_words(void **state)
{
	struct service s = lan(), to = lan();
	struct eth eth;
	struct ipv6 ip;

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	ra_goodbye(ra, START, &out);
	const struct ndp_ra *msg = last(&eth, &ip);
	assert_int_equal(msg->lifetime_s, 0);
	assert_int_equal(msg->prefixes[0].preferred_s, 0);
	assert_int_equal(msg->prefixes[0].valid_s, 7200);
	assert_int_equal(msg->rdnss[0].lifetime_s, 0);

	/* A new link-local address is another router: the old one says so itself. */
	out_reset(&out);
	to.link_local = a6("fe80::2");
	ra_configure(ra, &to, START, &out);
	msg = last(&eth, &ip);
	assert_int_equal(msg->lifetime_s, 0);
	assert_true(IN6_ARE_ADDR_EQUAL(&ip.src, &s.link_local));

	out_reset(&out);
	to.ra = false;
	ra_configure(ra, &to, START, &out);
	assert_int_equal(last(&eth, &ip)->lifetime_s, 0);
	assert_true(ra_deadline(ra) == MONO_NEVER);
}

static void a_full_out_costs_nothing_but_the_answer(void **state)
{
	struct service s = lan();
	struct ndp_rs rs = { .src = a6("fe80::2") };

	(void)state;
	_cleanup_(ra_freep) struct ra *ra = new_ra(&s);
	for (unsigned int i = 0; i < OUT_FRAMES + 3; i++)
		ra_input(ra, &rs, &guest, START, &out);
	assert_int_equal(out.n_frames, OUT_FRAMES);
	assert_int_equal(out.n_full, 3);
	out.n_full = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solicited),
		cmocka_unit_test(settings),
		cmocka_unit_test(off_says_nothing),
		cmocka_unit_test(unsolicited_times),
		cmocka_unit_test(another_network_takes_along),
		cmocka_unit_test(short_lifetimes_never_run_out),
		cmocka_unit_test(first_frame),
		cmocka_unit_test(made_up_guests_are_held_back),
		cmocka_unit_test(prefix_that_left),
		cmocka_unit_test(prefix_that_drains),
		cmocka_unit_test(many_prefixes_come_and_go),
		cmocka_unit_test(servers_that_left),
		cmocka_unit_test(last_words),
		cmocka_unit_test(a_full_out_costs_nothing_but_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
