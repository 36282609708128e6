/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A day of a network's life on a virtual clock: 60 guests that renew, vanish,
 * come back and release, both servers, only 80 addresses. Every guest keeps its
 * addresses all day, the servers wake up only when there is something to do, and
 * nothing grows from the second hour to the last.
 */
#include "../unit/resp/dhcp_frames.h"
#include <stdio.h>

#define GUESTS 60
#define DAY (24 * 3600 * MONO_S)
#define LEASE_S 3600u

struct guest {
	struct in_addr ip4;		/* what it was given first, and must be given always */
	struct ip ip6;
	mono_t next;			/* when it does something */
	bool up;
};

struct day {
	struct service service;
	struct dhcp4 *dhcp4;
	struct dhcp6 *dhcp6;
	struct dhcp6_duid server;
	struct guest guests[GUESTS];
	struct out out;
	mono_t now;
	uint64_t n_ticks, n_probes, n_leases, n_gone;
	uint32_t rng;
};

static uint32_t rng(struct day *d, uint32_t n)
{
	d->rng = d->rng * 1664525u + 1013904223u;
	return (d->rng >> 8) % n;
}

static void drain(struct day *d)
{
	for (size_t i = 0; i < d->out.n_facts; i++) {
		d->n_leases += d->out.facts[i].kind == FACT_LEASE;
		d->n_gone += d->out.facts[i].kind == FACT_LEASE_GONE;
	}
	for (size_t i = 0; i < d->out.n_frames; i++)
		d->n_probes += d->out.frames[i].socket == OUT_SOCKET_ARP;
	out_reset(&d->out);
}

static void tick_until(struct day *d, mono_t until)
{
	for (;;) {
		mono_t next = mono_min(dhcp4_deadline(d->dhcp4), dhcp6_deadline(d->dhcp6));

		if (next > until)
			break;
		d->now = next > d->now ? next : d->now;
		(void)dhcp4_tick(d->dhcp4, d->now, &d->out);
		(void)dhcp6_tick(d->dhcp6, d->now, &d->out);
		drain(d);
		assert_true(++d->n_ticks < 100000);
	}
	d->now = until;
}

static struct reply4 ask4(struct day *d, const struct dhcp4_msg *msg)
{
	struct dhcp4_meta meta = { .src_mac = msg->chaddr };
	struct reply4 r = { 0 };

	(void)dhcp4_input(d->dhcp4, msg, &meta, d->now, &d->out);
	if (d->out.n_frames > 0)
		assert_true(read_reply4(&d->out.frames[0], &r));
	drain(d);
	return r;
}

static struct reply6 ask6(struct day *d, struct dhcp6_msg *msg, unsigned int n)
{
	struct dhcp6_meta meta = {
		.src_mac = mac_of(n + 1), .src = { .s6_addr = { 0xfe, 0x80, [15] = (uint8_t)(n + 1) } },
		.dst = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } },
	};
	struct reply6 r = { 0 };

	msg->client = (struct dhcp6_duid){ .len = 4, .b = { 0, 9, 0, (uint8_t)n } };
	if (msg->type == DHCP6_RENEW || msg->type == DHCP6_RELEASE)
		msg->server = d->server;
	(void)dhcp6_input(d->dhcp6, msg, &meta, d->now, &d->out);
	if (d->out.n_frames > 0)
		assert_true(read_reply6(&d->out.frames[0], &r));
	drain(d);
	return r;
}

static void boot(struct day *d, unsigned int n)
{
	struct guest *g = &d->guests[n];
	struct dhcp4_msg msg = { .type = DHCP4_DISCOVER, .chaddr = mac_of(n + 1), .max_size = 576 };
	struct dhcp6_msg solicit = { .type = DHCP6_SOLICIT, .n_ias = 1, .rapid_commit = true };
	struct reply4 r = ask4(d, &msg);

	assert_int_equal(r.type, DHCP4_OFFER);
	msg.type = DHCP4_REQUEST;
	msg.requested = r.yiaddr;
	msg.server_id = d->service.gateway4.ip.v4;
	r = ask4(d, &msg);
	assert_int_equal(r.type, DHCP4_ACK);
	if (g->ip4.s_addr != 0)
		assert_int_equal(g->ip4.s_addr, r.yiaddr.s_addr);
	g->ip4 = r.yiaddr;
	struct reply6 r6 = ask6(d, &solicit, n);
	assert_int_equal(r6.type, DHCP6_REPLY);
	assert_int_equal(r6.ias[0].n_addrs, 1);
	if (ip_is_set(&g->ip6))
		assert_true(ip_eq(&g->ip6, &r6.ias[0].addrs[0].ip));
	g->ip6 = r6.ias[0].addrs[0].ip;
	d->server = r6.server;
	g->up = true;
}

static void renew(struct day *d, unsigned int n)
{
	struct guest *g = &d->guests[n];
	struct dhcp4_msg msg = { .type = DHCP4_REQUEST, .chaddr = mac_of(n + 1), .max_size = 576, .ciaddr = g->ip4 };
	struct dhcp6_msg msg6 = { .type = DHCP6_RENEW, .n_ias = 1 };
	struct reply4 r = ask4(d, &msg);

	assert_int_equal(r.type, DHCP4_ACK);
	assert_int_equal(r.yiaddr.s_addr, g->ip4.s_addr);
	msg6.ias[0].n_addrs = 1;
	msg6.ias[0].addrs[0] = g->ip6.v6;
	struct reply6 r6 = ask6(d, &msg6, n);
	assert_int_equal(r6.ias[0].addrs[0].valid, LEASE_S);
	assert_true(ip_eq(&r6.ias[0].addrs[0].ip, &g->ip6));
}

static void leave(struct day *d, unsigned int n, bool politely)
{
	struct guest *g = &d->guests[n];
	struct dhcp4_msg msg = { .type = DHCP4_RELEASE, .chaddr = mac_of(n + 1), .max_size = 576, .ciaddr = g->ip4,
				 .server_id = d->service.gateway4.ip.v4 };
	struct dhcp6_msg msg6 = { .type = DHCP6_RELEASE, .n_ias = 1 };

	g->up = false;
	if (!politely)
		return;
	(void)ask4(d, &msg);
	msg6.ias[0].n_addrs = 1;
	msg6.ias[0].addrs[0] = g->ip6.v6;
	assert_int_equal(ask6(d, &msg6, n).status, DHCP6_STATUS_SUCCESS);
}

/* A guest renews at half its lease, mostly; now and then it goes away for up to three hours. */
static void act(struct day *d, unsigned int n)
{
	struct guest *g = &d->guests[n];

	if (!g->up) {
		boot(d, n);
	} else if (rng(d, 6) == 0) {
		leave(d, n, rng(d, 2));
		g->next = d->now + (1 + rng(d, 3 * 3600)) * MONO_S;
		return;
	} else {
		renew(d, n);
	}
	g->next = d->now + LEASE_S / 2 * MONO_S;
}

static void test_day(void **state)
{
	static const uint8_t seed[16] = { 5 };
	static struct day d;
	uint64_t ticks_before = 0, probes_before = 0;
	unsigned int hour = 0;

	(void)state;
	d = (struct day){ .now = 1000 * MONO_S, .rng = 4711 };
	d.service = lan_settings("192.168.150.100-192.168.150.179", "fd00::100-fd00::14f");
	d.service.lease_s = LEASE_S;
	(void)dhcp4_new(&d.dhcp4, seed);
	(void)dhcp6_new(&d.dhcp6, seed);
	(void)dhcp4_configure(d.dhcp4, &d.service, NULL, 0, d.now);
	(void)dhcp6_configure(d.dhcp6, &d.service, NULL, 0, d.now);
	mono_t began = d.now;
	for (unsigned int n = 0; n < GUESTS; n++)
		d.guests[n].next = d.now + (1 + n) * MONO_S;

	while (d.now < began + DAY) {
		unsigned int n = 0;

		for (unsigned int i = 1; i < GUESTS; i++)
			if (d.guests[i].next < d.guests[n].next)
				n = i;
		tick_until(&d, d.guests[n].next);
		act(&d, n);
		if (d.now >= began + (hour + 1) * 3600 * MONO_S) {
			hour++;
			if (hour == 23) {
				ticks_before = d.n_ticks;
				probes_before = d.n_probes;
			}
		}
	}
	/* In its last hour: at most a timer for each address and ten minutes, and as many probes. */
	assert_true(d.n_ticks - ticks_before < 3 * 2 * 80 * 6);
	assert_true(d.n_probes - probes_before <= 80 * 6);
	assert_int_equal(dhcp4_stats(d.dhcp4)->n_nak, 0);
	assert_int_equal(dhcp4_stats(d.dhcp4)->n_pool_full + dhcp6_stats(d.dhcp6)->n_pool_full, 0);
	assert_int_equal(dhcp4_stats(d.dhcp4)->n_overrun + dhcp6_stats(d.dhcp6)->n_overrun, 0);
	assert_true(d.n_gone > 0 && d.n_leases > 24 * GUESTS);

	/* Everybody leaves without a word: everything ends, told once each. */
	uint64_t gone = d.n_gone, held = dhcp4_n_leases(d.dhcp4) + dhcp6_n_leases(d.dhcp6);
	tick_until(&d, d.now + (LEASE_S + 1) * MONO_S);
	assert_int_equal(d.n_gone - gone, held);
	assert_int_equal(dhcp4_n_leases(d.dhcp4) + dhcp6_n_leases(d.dhcp6), 0);
	dhcp4_free(d.dhcp4);
	dhcp6_free(d.dhcp6);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_day) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
