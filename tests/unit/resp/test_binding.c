/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resp/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static const uint8_t seed[16] = { 3 };

static struct bindings *make(const char *gateway, const char *range)
{
	struct bindings *bs;
	struct prefix on_link;
	struct ip_range r;

	assert_true(prefix_parse(gateway, &on_link));
	assert_true(range_parse(range, &r));
	bs = bindings_new(on_link.ip.family, seed);
	bindings_configure(bs, &on_link, &r, NULL, 0, NULL, 0);
	return bs;
}

static struct binding_key key_of(unsigned int n)
{
	return (struct binding_key){ .mac = { { 2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } } };
}

/* Probe whatever there is, nobody answers. */
static void probe_all(struct bindings *bs, mono_t *now)
{
	struct lease lease;

	while (bindings_has_candidate(bs))
		(void)bindings_candidate(bs, *now);
	*now += BINDING_PROBE_MS * MONO_MS;
	while (bindings_expire(bs, *now, &lease))
		;
}

static void test_special_addresses(void **state)
{
	static const struct {
		const char *gateway, *range;
		unsigned int n;
		const char *why;
	} table[] = {
		{ "192.168.150.1/24", "192.168.150.0-192.168.150.255", 253, "network, broadcast and gateway left out" },
		{ "192.168.150.1/24", "192.168.150.1-192.168.150.1", 0, "nothing but the gateway" },
		{ "10.0.1.1/16", "10.0.0.250-10.0.1.5", 11, ".0 and .255 inside a larger prefix are addresses" },
		{ "192.168.150.1/30", "192.168.150.0-192.168.150.3", 1, "/30" },
		{ "192.168.150.0/31", "192.168.150.0-192.168.150.1", 1, "/31 has no broadcast address" },
		{ "192.168.150.1/24", "192.168.149.250-192.168.150.5", 4, "outside the prefix" },
		{ "fd00::1/64", "fd00::-fd00::f", 15, "IPv6 has the gateway alone" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bindings *bs = make(table[i].gateway, table[i].range);
		mono_t now = MONO_S;

		probe_all(bs, &now);
		if (bindings_n_ready(bs) != table[i].n)
			fail_msg("%s: %u", table[i].why, bindings_n_ready(bs));
		bindings_free(bs);
	}
}

/* 64,000 leases: memory, and the work of one request, stay small. */
static void test_many(void **state)
{
	struct bindings *bs = make("10.0.0.1/8", "10.1.0.0-10.1.255.255");
	uint8_t id[130] = { 1 };
	mono_t now = MONO_S;
	struct binding *b;
	struct lease lease;

	(void)state;
	for (unsigned int i = 0; i < 64000; i++) {
		struct binding_key key = key_of(i);

		id[1] = (uint8_t)i;
		key.id = id;
		key.id_len = 23;			/* the usual: RFC 4361 with a DUID-UUID */
		if (i % 512 == 0)
			probe_all(bs, &now);
		assert_int_equal(bindings_pick(bs, &key, NULL, now, &b), 0);
		bindings_offer(bs, b, &key, now);
		assert_false(bindings_lease(bs, b, &key, "a-usual-host-name", now + (3600 + i % 7) * MONO_S));
	}
	assert_int_equal(bindings_n_leased(bs), 64000);
	assert_true(bindings_memory(bs) < 20u << 20);
	print_message("64,000 leases: %zu KiB\n", bindings_memory(bs) / 1024);
	now += 3700 * MONO_S;
	unsigned int n = 0;
	while (bindings_expire(bs, now, &lease))
		n++;
	assert_int_equal(n, 64000);
	bindings_free(bs);
}

/* Never more entries than the bound, in a range that never ends. */
static void test_endless_range(void **state)
{
	struct bindings *bs = make("fd00::1/64", "fd00::-fd00::ffff:ffff:ffff:ffff");
	mono_t now = MONO_S;
	struct ip far = { 0 };
	struct mac user = { { 2, 9 } };

	(void)state;
	for (unsigned int i = 0; i < 2 * BINDINGS_MAX; i++)
		(void)bindings_candidate(bs, now);
	assert_int_equal(bindings_n_probing(bs), BINDINGS_MAX);
	assert_true(ip_parse("fd00::ffff:ffff:ffff:fffe", &far));
	assert_false(bindings_seen(bs, &far, &user, now));	/* no room to note it; no harm */
	assert_true(bindings_memory(bs) < 20u << 20);
	bindings_free(bs);
}

/* A guest that invents client ids leaves something for the others; giving back gives back. */
static void test_share(void **state)
{
	struct bindings *bs = make("192.168.150.1/24", "192.168.150.100-192.168.150.179");
	uint8_t id[2] = { 0 };
	struct binding_key key = key_of(1), other = key_of(2);
	struct ip ip = { 0 };
	mono_t now = MONO_S;
	struct binding *b, *last = NULL;
	struct lease lease;
	unsigned int n;

	(void)state;
	probe_all(bs, &now);
	key.id = id;
	key.id_len = sizeof(id);
	for (n = 0; n < 80; n++) {
		id[0] = (uint8_t)n;
		if (bindings_pick(bs, &key, NULL, now, &b))
			break;
		bindings_lease(bs, b, &key, "", now + 60 * MONO_S);
		last = b;
	}
	assert_int_equal(n, 70);
	assert_true(ip_parse("192.168.150.175", &ip));
	assert_int_equal(bindings_claim(bs, &key, &ip, &b), BINDING_E_TAKEN);
	id[0] = 69;
	assert_int_equal(bindings_pick(bs, &key, NULL, now, &b), 0);	/* what it has stays its own */
	assert_int_equal(bindings_pick(bs, &other, NULL, now, &b), 0);
	bindings_release(bs, last, now);
	id[0] = 200;
	assert_int_equal(bindings_pick(bs, &key, NULL, now, &b), 0);
	now += 61 * MONO_S;
	while (bindings_expire(bs, now, &lease))
		;
	probe_all(bs, &now);
	for (n = 0; n < 80; n++) {
		id[0] = (uint8_t)n;
		id[1] = 1;
		if (bindings_pick(bs, &key, NULL, now, &b))
			break;
		bindings_offer(bs, b, &key, now);
	}
	assert_int_equal(n, 70);
	bindings_free(bs);
}

/* Long client ids move to the side and back. */
static void test_long_text(void **state)
{
	struct bindings *bs = make("192.168.150.1/24", "192.168.150.100-192.168.150.101");
	uint8_t id[CLIENT_ID_MAX];
	struct binding_key key = key_of(1);
	mono_t now = MONO_S;
	struct binding *b;
	struct lease lease;

	(void)state;
	memset(id, 0xab, sizeof(id));
	probe_all(bs, &now);
	key.id = id;
	for (unsigned int len = 0; len <= CLIENT_ID_MAX; len++) {
		key.id_len = (uint8_t)(len % 2 ? len : CLIENT_ID_MAX - len);
		assert_int_equal(bindings_pick(bs, &key, NULL, now, &b), 0);
		bindings_lease(bs, b, &key, len % 3 ? "a-host-name-of-some-length-0123456789" : "", now + MONO_S);
		binding_lease(bs, b, &lease);
		assert_int_equal(lease.client.len, key.id_len);
		assert_memory_equal(lease.client.b, id, key.id_len);
		assert_string_equal(lease.hostname, len % 3 ? "a-host-name-of-some-length-0123456789" : "");
		assert_ptr_equal(bindings_of(bs, &key), b);
		bindings_forget(bs, b);
		assert_null(bindings_of(bs, &key));
		now += MONO_S;
		probe_all(bs, &now);
	}
	bindings_free(bs);
}

/* --- whatever happens, in whatever order -------------------------------------- */

#define CLIENTS 40
#define RANGE 24

static uint32_t rng_state = 1;

static uint32_t rng(uint32_t n)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % n;
}

static void count(void *user, const struct lease *lease)
{
	uint32_t *holder_of = user;
	uint32_t n = lease->ip.b[3] - 100u;

	assert_true(n < RANGE);
	assert_int_equal(holder_of[n], 0);
	holder_of[n] = lease->mac.b[5];
}

/* The model knows only what a client was told: address and until when. */
static void test_random(void **state)
{
	struct bindings *bs = make("192.168.150.1/24", "192.168.150.100-192.168.150.123");
	struct { struct ip ip; mono_t until; } told[CLIENTS] = { 0 };
	struct service_host host = { .name = "web", .n_ips = 1 };
	struct prefix on_link;
	struct ip_range range;
	mono_t now = MONO_S;
	bool declared = false;

	(void)state;
	assert_true(prefix_parse("192.168.150.1/24", &on_link));
	assert_true(range_parse("192.168.150.100-192.168.150.123", &range));
	for (unsigned int step = 0; step < 200000; step++) {
		uint32_t c = 1 + rng(CLIENTS - 1);
		struct binding_key key = key_of(c);
		struct binding *b = NULL;
		struct lease lease;

		now += rng(1000) * MONO_MS;
		while (bindings_expire(bs, now, &lease)) {
			uint32_t who = lease.mac.b[5];

			assert_true(who > 0 && who < CLIENTS);
			if (!ip_eq(&told[who].ip, &lease.ip))
				continue;			/* it has another by now */
			if (lease.expires != 0)			/* not revoked: its time must have come */
				assert_true(told[who].until <= now);
			told[who].until = 0;
		}
		switch (rng(declared ? 16 : 15)) {
		case 0: case 1: case 2: case 3: case 4: case 5:
			if (bindings_pick(bs, &key, NULL, now, &b))
				break;
			for (uint32_t o = 1; o < CLIENTS; o++) {
				struct ip ip = binding_ip(bs, b);

				if (o != c && told[o].until > now && ip_eq(&told[o].ip, &ip))
					fail_msg("step %u: client %u is offered what %u holds", step, c, o);
			}
			bindings_offer(bs, b, &key, now);
			if (rng(3) == 0)
				break;
			__attribute__((fallthrough));		/* it asks for it */
		case 6: case 7: {
			struct ip ip = b ? binding_ip(bs, b) : ip_add(&range.first, rng(RANGE));

			if (bindings_claim(bs, &key, &ip, &b))
				break;
			for (uint32_t o = 1; o < CLIENTS; o++)
				if (o != c && told[o].until > now && ip_eq(&told[o].ip, &ip))
					fail_msg("step %u: client %u gets what %u holds", step, c, o);
			told[c].ip = ip;
			told[c].until = now + (1 + rng(60)) * MONO_S;
			bindings_lease(bs, b, &key, "", told[c].until);
			if (rng(20) == 0) {
				bindings_revert(bs, b, now);
				told[c].until = 0;
			}
			break;
		}
		case 8:
			b = bindings_of(bs, &key);
			if (b && binding_state(b) == BINDING_STATE_LEASED && told[c].until > now) {
				bindings_release(bs, b, now);
				told[c].until = 0;
			}
			break;
		case 9:
			b = bindings_of(bs, &key);
			if (b && binding_state(b) == BINDING_STATE_LEASED && rng(4) == 0) {
				bindings_quarantine(bs, b, NULL, now);
				told[c].until = 0;
			}
			break;
		case 10: {
			struct ip ip = ip_add(&range.first, rng(RANGE));

			if (rng(8) == 0)
				(void)bindings_seen(bs, &ip, &key.mac, now);
			break;
		}
		case 11: case 12: case 13: case 14: case 15:
			if (rng(400) == 0) {			/* a guest is declared, or no more */
				declared = !declared;
				host.mac = key.mac;
				host.ips[0] = ip_add(&range.first, rng(RANGE));
				bindings_configure(bs, &on_link, &range, &host, declared, NULL, 0);
				for (uint32_t o = 1; o < CLIENTS; o++)
					if (ip_eq(&told[o].ip, &host.ips[0]))
						told[o].until = 0;
				while (bindings_expire(bs, now, &lease))
					;
			}
			(void)bindings_candidate(bs, now);
			break;
		}
		if (step % 64 == 0) {
			uint32_t holder_of[RANGE] = { 0 };

			bindings_each_leased(bs, count, holder_of);
		}
	}
	bindings_free(bs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_addresses), cmocka_unit_test(test_many),
		cmocka_unit_test(test_endless_range),	  cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
