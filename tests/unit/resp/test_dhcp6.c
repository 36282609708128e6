/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dhcp_frames.h"
#include "resp/binding.h"

static const uint8_t seed[16] = { 7 };

struct bench {
	struct dhcp6 *dhcp6;
	struct service service;
	struct out out;
	mono_t now;
	struct dhcp6_duid server;
};

static void pass(struct bench *b, mono_t by)
{
	mono_t until = b->now + by;

	for (unsigned int i = 0; i < 200000; i++) {
		mono_t next = dhcp6_deadline(b->dhcp6);

		if (next > until)
			break;
		b->now = next > b->now ? next : b->now;
		out_reset(&b->out);
		(void)dhcp6_tick(b->dhcp6, b->now, &b->out);
	}
	b->now = until;
}

static void settle(struct bench *b)
{
	pass(b, 100 * MONO_MS);
}

/* Client n has MAC n, the link-local address fe80::n, and a DUID of its number. */
static struct dhcp6_msg message(enum dhcp6_type type, unsigned int client)
{
	struct dhcp6_msg msg = { .type = type, .txid = client, .n_ias = 1 };

	msg.client = (struct dhcp6_duid){ .len = 6, .b = { 0, 9, 0, 0, (uint8_t)(client >> 8), (uint8_t)client } };
	msg.ias[0].iaid = 1;
	return msg;
}

static struct dhcp6_meta meta_of(unsigned int client)
{
	return (struct dhcp6_meta){
		.src_mac = mac_of(client),
		.src = { .s6_addr = { 0xfe, 0x80, [14] = (uint8_t)(client >> 8), [15] = (uint8_t)client } },
		.dst = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } },
	};
}

static struct reply6 ask_from(struct bench *b, const struct dhcp6_msg *msg, const struct dhcp6_meta *meta)
{
	struct reply6 r;

	out_reset(&b->out);
	assert_int_equal(dhcp6_input(b->dhcp6, msg, meta, b->now, &b->out), 0);
	for (size_t i = 0; i < b->out.n_frames; i++) {
		if (read_reply6(&b->out.frames[i], &r)) {
			assert_memory_equal(&r.dst, &meta->src, sizeof(r.dst));
			assert_memory_equal(&r.dst_mac, &meta->src_mac, sizeof(r.dst_mac));
			return r;
		}
	}
	return (struct reply6){ 0 };
}

static struct reply6 ask(struct bench *b, const struct dhcp6_msg *msg, unsigned int client)
{
	struct dhcp6_meta meta = meta_of(client);

	return ask_from(b, msg, &meta);
}

static void start(struct bench *b, const char *range, const struct service_host *hosts, size_t n)
{
	struct dhcp6_msg msg = { .type = DHCP6_INFORMATION_REQUEST };

	b->service = lan_settings(NULL, range);
	b->now = 1000 * MONO_S;
	assert_int_equal(dhcp6_new(&b->dhcp6, seed), 0);
	assert_int_equal(dhcp6_configure(b->dhcp6, &b->service, hosts, n, b->now), 0);
	struct reply6 r = ask(b, &msg, 1);
	assert_int_equal(r.type, DHCP6_REPLY);
	assert_true(r.dns);
	b->server = r.server;
}

static void stop(struct bench *b)
{
	b->dhcp6 = dhcp6_free(b->dhcp6);
}

static struct reply6 about(struct bench *b, enum dhcp6_type type, unsigned int client, const struct ip *address)
{
	struct dhcp6_msg msg = message(type, client);

	if (type != DHCP6_REBIND && type != DHCP6_CONFIRM)
		msg.server = b->server;
	msg.ias[0].n_addrs = 1;
	msg.ias[0].addrs[0] = address->v6;
	return ask(b, &msg, client);
}

static struct ip get_lease(struct bench *b, unsigned int client)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, client);
	struct reply6 r = ask(b, &msg, client);

	assert_int_equal(r.type, DHCP6_ADVERTISE);
	assert_int_equal(r.ias[0].n_addrs, 1);
	r = about(b, DHCP6_REQUEST, client, &r.ias[0].addrs[0].ip);
	assert_int_equal(r.type, DHCP6_REPLY);
	assert_int_equal(r.ias[0].n_addrs, 1);
	return r.ias[0].addrs[0].ip;
}

static void test_four_ways(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 1);
	struct ip want = ip_of("fd00::100");
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	assert_int_equal(b.server.len, 18);		/* DUID-UUID */
	settle(&b);
	struct reply6 r = ask(&b, &msg, 1);
	assert_int_equal(r.type, DHCP6_ADVERTISE);
	assert_true(r.preference && r.dns);
	assert_true(ip_eq(&r.ias[0].addrs[0].ip, &want));
	assert_int_equal(r.ias[0].t1, 1800);
	assert_int_equal(r.ias[0].addrs[0].valid, 3600);
	assert_int_equal(b.out.n_facts, 0);
	r = about(&b, DHCP6_REQUEST, 1, &want);
	assert_int_equal(r.type, DHCP6_REPLY);
	assert_true(ip_eq(&r.ias[0].addrs[0].ip, &want));
	assert_int_equal(b.out.n_facts, 1);
	assert_int_equal(b.out.facts[0].lease.iaid, 1);
	assert_int_equal(b.out.frames[0].n_facts, 1);
	r = about(&b, DHCP6_RENEW, 1, &want);
	assert_true(ip_eq(&r.ias[0].addrs[0].ip, &want));
	assert_true(b.out.facts[0].known);

	msg.rapid_commit = true;			/* another client, in two messages */
	msg.client.b[5] = 2;
	r = ask(&b, &msg, 2);
	assert_int_equal(r.type, DHCP6_REPLY);
	assert_true(r.rapid_commit);
	assert_int_equal(b.out.n_facts, 1);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 2);
	stop(&b);
}

/* The DUID is the same after a restart and with another bridge MAC; another host's is another. */
static void test_duid(void **state)
{
	struct dhcp6_msg msg = { .type = DHCP6_INFORMATION_REQUEST };
	const uint8_t other[16] = { 8 };
	struct dhcp6_duid first;
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	first = b.server;
	b.service.mac.b[5] = 9;
	(void)dhcp6_configure(b.dhcp6, &b.service, NULL, 0, b.now);
	struct reply6 r = ask(&b, &msg, 1);
	assert_memory_equal(&r.server, &first, sizeof(first));
	stop(&b);
	(void)dhcp6_new(&b.dhcp6, other);
	(void)dhcp6_configure(b.dhcp6, &b.service, NULL, 0, b.now);
	r = ask(&b, &msg, 1);
	assert_memory_not_equal(&r.server, &first, sizeof(first));
	stop(&b);
}

static void test_not_for_us(void **state)
{
	struct dhcp6_msg msg;
	struct dhcp6_meta meta = meta_of(1);
	struct ip ip;
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	settle(&b);
	ip = get_lease(&b, 1);
	msg = message(DHCP6_RENEW, 1);
	msg.server = b.server;
	msg.server.b[17] ^= 1;
	assert_int_equal(ask(&b, &msg, 1).type, 0);	/* another server's */
	msg.server = b.server;
	msg.ias[0].n_addrs = 1;
	msg.ias[0].addrs[0] = ip.v6;
	meta.dst.s6_addr[0] = 0xfe;
	struct reply6 r = ask_from(&b, &msg, &meta);
	assert_int_equal(r.status, DHCP6_STATUS_USE_MULTICAST);
	msg = message(DHCP6_SOLICIT, 1);
	assert_int_equal(ask_from(&b, &msg, &meta).type, 0);
	meta = meta_of(1);
	meta.src.s6_addr[0] = 0xfd;
	assert_int_equal(ask_from(&b, &msg, &meta).type, 0);	/* not from a link-local address */
	stop(&b);
}

static void test_pool_full(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 3);
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::101", NULL, 0);
	settle(&b);
	(void)get_lease(&b, 1);
	(void)get_lease(&b, 2);
	struct reply6 r = ask(&b, &msg, 3);
	assert_int_equal(r.type, DHCP6_ADVERTISE);
	assert_int_equal(r.ias[0].n_addrs, 0);
	assert_int_equal(r.ias[0].status, DHCP6_STATUS_NO_ADDRS_AVAIL);
	assert_int_equal(dhcp6_stats(b.dhcp6)->n_pool_full, 1);
	stop(&b);
}

static void test_declared(void **state)
{
	struct service_host hosts[1] = { { .name = "web", .mac = mac_of(1), .n_ips = 2 } };
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 1);
	struct bench b;

	(void)state;
	hosts[0].ips[0] = ip_of("fd00::101");
	hosts[0].ips[1] = ip_of("fd00::5");
	start(&b, "fd00::100-fd00::1ff", hosts, 1);
	msg.rapid_commit = true;
	msg.n_ias = 2;
	msg.ias[1].iaid = 2;
	struct reply6 r = ask(&b, &msg, 1);		/* at once: nothing to probe */
	assert_int_equal(r.type, DHCP6_REPLY);
	assert_int_equal(r.ias[0].n_addrs, 2);
	assert_true(ip_eq(&r.ias[0].addrs[0].ip, &hosts[0].ips[0]));
	assert_true(ip_eq(&r.ias[0].addrs[1].ip, &hosts[0].ips[1]));
	assert_int_equal(r.ias[1].status, DHCP6_STATUS_NO_ADDRS_AVAIL);
	assert_int_equal(b.out.n_facts, 2);
	assert_string_equal(b.out.facts[0].lease.hostname, "web");
	assert_int_equal(b.out.frames[0].n_facts, 2);

	msg.client.b[5] = 99;				/* the same guest, another system: the same addresses */
	msg.ias[0].iaid = 77;
	msg.n_ias = 1;
	r = ask(&b, &msg, 1);
	assert_int_equal(r.ias[0].n_addrs, 2);
	settle(&b);
	msg = message(DHCP6_SOLICIT, 2);		/* a guest that shows the other's DUID doesn't */
	msg.client = (struct dhcp6_duid){ .len = 10, .b = { 0, 3, 0, 1, 0x52, 0x54, 0, 0, 0, 1 } };
	r = ask(&b, &msg, 2);
	assert_int_equal(r.ias[0].n_addrs, 1);
	assert_false(ip_eq(&r.ias[0].addrs[0].ip, &hosts[0].ips[0]));
	assert_int_equal(about(&b, DHCP6_REBIND, 3, &hosts[0].ips[1]).ias[0].addrs[0].valid, 0);
	stop(&b);
}

static void test_renew_rebind(void **state)
{
	static const struct {
		enum dhcp6_type type;
		unsigned int client;
		const char *address;
		int want;		/* status of the association, or -1 with a lifetime */
		uint32_t valid;
		const char *why;
	} table[] = {
		{ DHCP6_RENEW, 1, "fd00::100", -1, 3600, "own" },
		{ DHCP6_REBIND, 1, "fd00::100", -1, 3600, "own" },
		{ DHCP6_RENEW, 2, "fd00::100", DHCP6_STATUS_NO_BINDING, 0, "somebody else's" },
		{ DHCP6_REBIND, 2, "fd00::100", -1, 0, "somebody else's: give it up" },
		{ DHCP6_RENEW, 3, "fd00::150", -1, 3600, "free: our record was lost" },
		{ DHCP6_REBIND, 4, "fd00::151", -1, 3600, "free: our record was lost" },
		{ DHCP6_RENEW, 5, "fd01::150", -1, 0, "off the link: give it up" },
		{ DHCP6_REBIND, 5, "fd00::99", -1, 0, "not of the range" },
		{ DHCP6_REQUEST, 6, "fd01::1", DHCP6_STATUS_NOT_ON_LINK, 0, "request off the link" },
	};
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	settle(&b);
	(void)get_lease(&b, 1);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct ip ip = ip_of(table[i].address);
		struct reply6 r = about(&b, table[i].type, table[i].client, &ip);

		if (r.type != DHCP6_REPLY || r.n_ias != 1 || r.ias[0].status != table[i].want)
			fail_msg("%s: type %u, status %d", table[i].why, r.type, r.ias[0].status);
		if (table[i].want == -1 && (r.ias[0].n_addrs != 1 || r.ias[0].addrs[0].valid != table[i].valid ||
					    !ip_eq(&r.ias[0].addrs[0].ip, &ip)))
			fail_msg("%s: %zu addresses, %u s", table[i].why, r.ias[0].n_addrs, r.ias[0].addrs[0].valid);
	}
	stop(&b);
}

static void test_confirm(void **state)
{
	struct ip here = ip_of("fd00::77"), elsewhere = ip_of("fd01::77");
	struct dhcp6_msg msg = message(DHCP6_CONFIRM, 1);
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	assert_int_equal(about(&b, DHCP6_CONFIRM, 1, &here).status, DHCP6_STATUS_SUCCESS);
	assert_int_equal(about(&b, DHCP6_CONFIRM, 1, &elsewhere).status, DHCP6_STATUS_NOT_ON_LINK);
	assert_int_equal(ask(&b, &msg, 1).type, 0);
	stop(&b);
}

static void test_release_decline(void **state)
{
	struct bench b;
	struct ip ip;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	settle(&b);
	ip = get_lease(&b, 1);
	assert_int_equal(about(&b, DHCP6_RELEASE, 2, &ip).ias[0].status, DHCP6_STATUS_NO_BINDING);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 1);
	assert_int_equal(about(&b, DHCP6_RELEASE, 1, &ip).status, DHCP6_STATUS_SUCCESS);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_int_equal(b.out.frames[0].n_facts, 1);
	struct ip again = get_lease(&b, 1);
	assert_true(ip_eq(&again, &ip));
	assert_int_equal(about(&b, DHCP6_DECLINE, 1, &ip).status, DHCP6_STATUS_SUCCESS);
	assert_int_equal(b.out.facts[0].lease.expires, 0);
	again = get_lease(&b, 1);
	assert_false(ip_eq(&again, &ip));
	stop(&b);
}

static void test_prefix_delegation(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 1);
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	msg.n_ias = 0;
	msg.n_pds = 2;
	struct reply6 r = ask(&b, &msg, 1);
	assert_int_equal(r.type, DHCP6_ADVERTISE);
	assert_int_equal(r.n_pds, 2);
	stop(&b);
}

/* Cold: SOLICIT waits for the probe; the answer comes within 100 ms. A used address isn't given. */
/* What somebody answers for isn't given; but nobody waits for that: a client probes by itself. */
static void test_probe(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 1);
	struct ip used = ip_of("fd00::100"), want = ip_of("fd00::101");
	struct mac other = mac_of(77);
	unsigned int n = 0;
	struct reply6 r;
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	out_reset(&b.out);
	(void)dhcp6_tick(b.dhcp6, b.now, &b.out);
	assert_true(b.out.n_frames > 0);
	dhcp6_seen(b.dhcp6, &used, &other, b.now);
	settle(&b);
	r = ask(&b, &msg, 1);
	assert_int_equal(r.type, DHCP6_ADVERTISE);
	assert_true(ip_eq(&r.ias[0].addrs[0].ip, &want));
	stop(&b);

	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	for (unsigned int i = 1; i <= 200; i++)		/* at once, and more than are probed at a time */
		(void)get_lease(&b, i);
	out_reset(&b.out);
	(void)dhcp6_tick(b.dhcp6, b.now, &b.out);
	for (size_t i = 0; i < b.out.n_frames; i++)
		n += !read_reply6(&b.out.frames[i], &r);
	assert_int_equal(n, 0);				/* no probes in the middle of it */
	assert_int_equal(dhcp6_stats(b.dhcp6)->n_delayed, 0);
	pass(&b, 2 * MONO_S);
	(void)get_lease(&b, 201);
	stop(&b);
}

/* A prefix that is being withdrawn: still valid, no longer preferred. */
static void test_withdrawn(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_SOLICIT, 1);
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	b.service.n_prefixes = 1;
	b.service.prefixes[0] = (struct service_prefix){ .prefix = { .s6_addr = { 0xfd } }, .len = 64, .valid_s = 7200 };
	(void)dhcp6_configure(b.dhcp6, &b.service, NULL, 0, b.now);
	settle(&b);
	struct reply6 r = ask(&b, &msg, 1);
	assert_int_equal(r.ias[0].addrs[0].preferred, 0);
	assert_int_equal(r.ias[0].addrs[0].valid, 3600);
	stop(&b);
}

/* The largest message we answer, on the smallest MTU: no reply rather than a broken one. */
/* A client that renews an address of the old prefix gets a new one besides, and the old one for as long as was promised. */
static void test_renumbered(void **state)
{
	struct ip old, other, new;
	struct reply6 r;
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	settle(&b);
	old = get_lease(&b, 1);
	other = get_lease(&b, 2);
	b.service.drains[b.service.n_drains++].gateway = b.service.gateway6;
	assert_true(prefix_parse("fd77::1/64", &b.service.gateway6));
	assert_true(range_parse("fd77::100-fd77::1ff", &b.service.range6));
	(void)dhcp6_configure(b.dhcp6, &b.service, NULL, 0, b.now);
	settle(&b);
	pass(&b, 1000 * MONO_S);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 2);

	r = about(&b, DHCP6_RENEW, 1, &old);
	assert_int_equal(r.ias[0].n_addrs, 2);
	new = r.ias[0].addrs[0].ip;
	assert_true(prefix_contains(&b.service.gateway6, &new));
	assert_int_equal(r.ias[0].addrs[0].valid, 3600);
	assert_true(ip_eq(&r.ias[0].addrs[1].ip, &old));
	assert_in_range(r.ias[0].addrs[1].valid, 2590, 2600);
	assert_int_equal(r.ias[0].addrs[1].preferred, 0);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 3);

	r = about(&b, DHCP6_RENEW, 3, &old);	/* somebody else's: to be given up at once */
	assert_int_equal(r.ias[0].n_addrs, 1);
	assert_int_equal(r.ias[0].addrs[0].valid, 0);
	assert_int_equal(about(&b, DHCP6_REQUEST, 2, &other).ias[0].status, DHCP6_STATUS_NOT_ON_LINK);
	(void)about(&b, DHCP6_RELEASE, 2, &other);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 2);
	pass(&b, 2601 * MONO_S);
	assert_int_equal(dhcp6_n_leases(b.dhcp6), 1);
	r = about(&b, DHCP6_RENEW, 1, &new);
	assert_int_equal(r.ias[0].n_addrs, 1);
	stop(&b);
}

static void test_large(void **state)
{
	struct dhcp6_msg msg = message(DHCP6_REBIND, 1);
	struct bench b;

	(void)state;
	start(&b, "fd00::100-fd00::1ff", NULL, 0);
	b.service.mtu = 1280;
	(void)dhcp6_configure(b.dhcp6, &b.service, NULL, 0, b.now);
	msg.n_ias = DHCP6_IAS;
	for (uint32_t i = 0; i < DHCP6_IAS; i++) {
		msg.ias[i].iaid = i;
		msg.ias[i].n_addrs = DHCP6_IA_ADDRS;
	}
	assert_int_equal(ask(&b, &msg, 1).type, 0);
	assert_int_equal(b.out.n_full, 1);
	for (uint32_t i = 0; i < DHCP6_IAS; i++)
		msg.ias[i].n_addrs = 1;
	assert_int_equal(ask(&b, &msg, 1).type, DHCP6_REPLY);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_four_ways),	cmocka_unit_test(test_duid),
		cmocka_unit_test(test_not_for_us),	cmocka_unit_test(test_pool_full),
		cmocka_unit_test(test_declared),	cmocka_unit_test(test_renew_rebind),
		cmocka_unit_test(test_confirm),		cmocka_unit_test(test_release_decline),
		cmocka_unit_test(test_prefix_delegation), cmocka_unit_test(test_probe),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_renumbered),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
