/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "resp/neigh.h"
#include "resp/seen.h"

#define START (1000 * MONO_S)

static const struct mac guest = { { 0x52, 0x54, 0, 1, 2, 3 } }, other = { { 0x52, 0x54, 0, 4, 5, 6 } };
static struct out out;

static struct in6_addr a6(const char *s)
{
	struct in6_addr a = { 0 };

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return a;
}

static struct neigh *new_neigh(void)
{
	struct service s = { .network = "lan", .link_local = a6("fe80::1") };
	struct neigh *neigh = NULL;

	assert_true(prefix_parse("192.168.150.1/24", &s.gateway4));
	assert_true(prefix_parse("fd00:1::1/64", &s.gateway6));
	out_reset(&out);
	assert_int_equal(neigh_new(&neigh, &s, 7), 0);
	return neigh;
}

static void messages(void **state)
{
	static const struct {
		const char *why;
		enum { NS, NA, RS, ARP } kind;
		const char *ip;		/* who the message says it is from (NA: about) */
		bool has_lla;
		const struct mac *lla;
		bool told;
	} t[] = {
		{ "NS with its address", NS, "fe80::2", true, &guest, true },
		{ "NS without", NS, "fe80::2", false, &guest, false },
		{ "NS during DAD: not used yet", NS, "::", false, &guest, false },
		{ "NS for another MAC", NS, "fe80::2", true, &other, false },
		{ "NA", NA, "fd00:1::2", true, &guest, true },
		{ "NA for another MAC", NA, "fd00:1::2", true, &other, false },
		{ "RS", RS, "fe80::2", true, &guest, true },
		{ "RS from ::", RS, "::", false, &guest, false },
		{ "ARP", ARP, "192.168.150.7", true, &guest, true },
		{ "ARP probe", ARP, "0.0.0.0", true, &guest, false },
		{ "ARP for another MAC", ARP, "192.168.150.7", true, &other, false },
		{ "our IPv4 address", ARP, "192.168.150.1", true, &guest, false },
		{ "our IPv6 address", NA, "fd00:1::1", true, &guest, false },
		{ "our link-local address", NS, "fe80::1", true, &guest, false },
		{ "loopback", NA, "::1", true, &guest, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(neigh_freep) struct neigh *neigh = new_neigh();
		struct ndp_ns ns = { .has_slla = t[i].has_lla, .slla = *t[i].lla };
		struct ndp_na na = { .has_tlla = t[i].has_lla, .tlla = *t[i].lla };
		struct ndp_rs rs = { .has_slla = t[i].has_lla, .slla = *t[i].lla };
		struct arp arp = { .op = ARP_OP_REQUEST, .sender_mac = *t[i].lla };
		struct ip ip;

		assert_true(ip_parse(t[i].ip, &ip));
		switch (t[i].kind) {
		case NS:
			ns.src = ip.v6;
			neigh_ns(neigh, &ns, &guest, START, &out);
			break;
		case NA:
			na.target = ip.v6;
			neigh_na(neigh, &na, &guest, START, &out);
			break;
		case RS:
			rs.src = ip.v6;
			neigh_rs(neigh, &rs, &guest, START, &out);
			break;
		case ARP:
			arp.sender = ip.v4;
			neigh_arp(neigh, &arp, &guest, START, &out);
			break;
		}
		if (out.n_facts != t[i].told)
			fail_msg("%s", t[i].why);
		if (t[i].told && (!ip_eq(&out.facts[0].neighbour.ip, &ip) || !mac_eq(&out.facts[0].neighbour.mac, &guest) ||
				  strcmp(out.facts[0].neighbour.network, "lan") != 0))
			fail_msg("%s: wrong fact", t[i].why);
	}
}

static void say(struct neigh *neigh, const char *ip, const struct mac *mac, mono_t now)
{
	struct ndp_ns ns = { .src = a6(ip), .has_slla = true, .slla = *mac };

	neigh_ns(neigh, &ns, mac, now, &out);
}

static void only_changes_are_told(void **state)
{
	_cleanup_(neigh_freep) struct neigh *neigh = new_neigh();

	(void)state;
	say(neigh, "fe80::2", &guest, START);
	say(neigh, "fe80::2", &guest, START + MONO_S);
	assert_int_equal(out.n_facts, 1);
	say(neigh, "fe80::2", &other, START + 2 * MONO_S);	/* moved to another MAC */
	assert_int_equal(out.n_facts, 2);
	say(neigh, "fe80::2", &other, START + 301 * MONO_S);
	assert_int_equal(out.n_facts, 2);
	say(neigh, "fe80::2", &other, START + 303 * MONO_S);	/* still in use after five minutes */
	assert_int_equal(out.n_facts, 3);
}

static void a_fact_without_room_is_told_later(void **state)
{
	_cleanup_(neigh_freep) struct neigh *neigh = new_neigh();

	(void)state;
	out.n_facts = OUT_FACTS;
	say(neigh, "fe80::2", &guest, START);
	out_reset(&out);
	say(neigh, "fe80::2", &guest, START + MONO_S);
	assert_int_equal(out.n_facts, 1);
}

static void a_guest_spends_its_own_budget(void **state)
{
	_cleanup_(neigh_freep) struct neigh *neigh = new_neigh();
	char ip[INET6_ADDRSTRLEN];
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		(void)snprintf(ip, sizeof(ip), "fe80::1:%x", i);
		say(neigh, ip, &guest, START);
		n += out.n_facts;
		out_reset(&out);
	}
	assert_int_equal(n, 64);
	assert_int_equal(neigh_n_held_back(neigh), 1000 - 64);
	say(neigh, "fe80::2", &other, START);
	assert_int_equal(out.n_facts, 1);
	say(neigh, "fe80::1:fff", &guest, START + 59 * MONO_S);
	assert_int_equal(out.n_facts, 1);
	say(neigh, "fe80::1:fff", &guest, START + 60 * MONO_S);
	assert_int_equal(out.n_facts, 2);
}

static struct seen_key key(unsigned int i)
{
	struct seen_key k = { { (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16) } };

	return k;
}

static void seen_forgets_the_oldest(void **state)
{
	_cleanup_(seen_freep) struct seen *seen = NULL;
	struct seen_key k;
	bool is_new;

	(void)state;
	assert_int_equal(seen_new(&seen, 100, 3), 0);
	for (unsigned int i = 0; i < 100; i++) {
		k = key(i);
		seen_put(seen, &k, &is_new)->count = (uint16_t)i;
		assert_true(is_new);
	}
	for (unsigned int i = 0; i < 50; i++) {		/* the first half is used again */
		k = key(i);
		assert_int_equal(seen_get(seen, &k)->count, i);
	}
	for (unsigned int i = 1000; i < 1050; i++) {
		k = key(i);
		(void)seen_put(seen, &k, &is_new);
		assert_true(is_new);
	}
	assert_int_equal(seen_count(seen), 100);
	for (unsigned int i = 0; i < 100; i++) {
		k = key(i);
		assert_true((seen_get(seen, &k) != NULL) == (i < 50));
	}
}

static void seen_under_churn(void **state)
{
	_cleanup_(seen_freep) struct seen *seen = NULL;
	bool is_new;

	(void)state;
	assert_int_equal(seen_new(&seen, 1, 3), 0);	/* one entry is the newest and the oldest */
	for (unsigned int i = 0; i < 10; i++) {
		struct seen_key k = key(i / 2);

		(void)seen_put(seen, &k, &is_new);
		assert_int_equal(is_new, i % 2 == 0);
	}
	seen = seen_free(seen);
	assert_int_equal(seen_new(&seen, 777, 4), 0);
	for (unsigned int i = 0; i < 200000; i++) {
		struct seen_key k = key(i * 2654435761u % 5000);
		struct seen_entry *e = seen_put(seen, &k, &is_new);

		assert_memory_equal(&e->key, &k, sizeof(k));
		if (is_new)
			e->count = (uint16_t)(i * 2654435761u % 5000);
		assert_int_equal(e->count, i * 2654435761u % 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(only_changes_are_told),
		cmocka_unit_test(a_fact_without_room_is_told_later),
		cmocka_unit_test(a_guest_spends_its_own_budget),
		cmocka_unit_test(seen_forgets_the_oldest),
		cmocka_unit_test(seen_under_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
