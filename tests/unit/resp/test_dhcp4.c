/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dhcp_frames.h"
#include "resp/binding.h"

static const uint8_t seed[16] = { 7 };

struct bench {
	struct dhcp4 *dhcp4;
	struct service service;
	struct out out;
	mono_t now;
};

static void start(struct bench *b, const char *range, const struct service_host *hosts, size_t n)
{
	b->service = lan_settings(range, NULL);
	b->now = 1000 * MONO_S;
	assert_int_equal(dhcp4_new(&b->dhcp4, seed), 0);
	assert_int_equal(dhcp4_configure(b->dhcp4, &b->service, hosts, n, b->now), 0);
}

static void stop(struct bench *b)
{
	b->dhcp4 = dhcp4_free(b->dhcp4);
}

/* Let time pass, ticking when the responder asks for it; what it sends on its own is dropped. */
static void pass(struct bench *b, mono_t by)
{
	mono_t until = b->now + by;

	for (unsigned int i = 0; i < 200000; i++) {
		mono_t next = dhcp4_deadline(b->dhcp4);

		if (next > until)
			break;
		b->now = next > b->now ? next : b->now;
		out_reset(&b->out);
		(void)dhcp4_tick(b->dhcp4, b->now, &b->out);
	}
	b->now = until;
}

static void settle(struct bench *b)
{
	pass(b, 100 * MONO_MS);
}

static struct dhcp4_msg message(enum dhcp4_type type, unsigned int client)
{
	return (struct dhcp4_msg){ .type = type, .xid = client, .chaddr = mac_of(client), .max_size = 576 };
}

/* The first reply to a message; type 0 when there was none. */
static struct reply4 ask(struct bench *b, const struct dhcp4_msg *msg)
{
	const struct dhcp4_meta meta = { .src_mac = msg->chaddr };
	struct reply4 r = { 0 };

	out_reset(&b->out);
	assert_int_equal(dhcp4_input(b->dhcp4, msg, &meta, b->now, &b->out), 0);
	for (size_t i = 0; i < b->out.n_frames; i++)
		if (read_reply4(&b->out.frames[i], &r))
			return r;
	return (struct reply4){ 0 };
}

static struct reply4 discover(struct bench *b, unsigned int client)
{
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, client);

	return ask(b, &msg);
}

static struct reply4 request(struct bench *b, unsigned int client, struct in_addr address)
{
	struct dhcp4_msg msg = message(DHCP4_REQUEST, client);

	msg.requested = address;
	msg.server_id = b->service.gateway4.ip.v4;
	return ask(b, &msg);
}

static struct in_addr get_lease(struct bench *b, unsigned int client)
{
	struct reply4 r = discover(b, client);

	assert_int_equal(r.type, DHCP4_OFFER);
	r = request(b, client, r.yiaddr);
	assert_int_equal(r.type, DHCP4_ACK);
	return r.yiaddr;
}

static void test_four_ways(void **state)
{
	struct bench b;
	struct reply4 r;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	r = discover(&b, 1);
	assert_int_equal(r.type, DHCP4_OFFER);
	assert_int_equal(r.yiaddr.s_addr, htonl(0xc0a89664));
	assert_int_equal(r.dst.s_addr, r.yiaddr.s_addr);
	assert_memory_equal(r.dst_mac.b, "\x52\x54\0\0\0\1", 6);
	assert_int_equal(r.lease_s, 3600);
	assert_true(r.has_router);
	assert_int_equal(b.out.n_facts, 0);		/* an offer isn't a lease */
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);

	r = request(&b, 1, r.yiaddr);
	assert_int_equal(r.type, DHCP4_ACK);
	assert_int_equal(b.out.n_facts, 1);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE);
	assert_false(b.out.facts[0].known);
	assert_string_equal(b.out.facts[0].lease.network, "lan");
	assert_int_equal(b.out.facts[0].lease.expires, b.now + 3600 * MONO_S);
	assert_int_equal(b.out.frames[0].n_facts, 1);	/* mustn't leave before that is on disk */
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 1);

	r = request(&b, 1, r.yiaddr);			/* a retransmission */
	assert_int_equal(r.type, DHCP4_ACK);
	assert_true(b.out.facts[0].known);
	stop(&b);
}

static void test_broadcast_flag(void **state)
{
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, 1);
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	msg.broadcast = true;
	struct reply4 r = ask(&b, &msg);
	assert_int_equal(r.type, DHCP4_OFFER);
	assert_int_equal(r.dst.s_addr, INADDR_BROADCAST);
	assert_int_equal(r.dst_mac.b[0], 0xff);
	stop(&b);
}

static void test_refused(void **state)
{
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, 1);
	struct dhcp4_meta meta = { .src_mac = mac_of(2) };
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	out_reset(&b.out);
	(void)dhcp4_input(b.dhcp4, &msg, &meta, b.now, &b.out);
	assert_int_equal(b.out.n_frames, 0);
	assert_int_equal(dhcp4_stats(b.dhcp4)->n_spoofed, 1);
	msg.giaddr.s_addr = htonl(0x0a000001);
	assert_int_equal(ask(&b, &msg).type, 0);
	assert_int_equal(dhcp4_stats(b.dhcp4)->n_relayed, 1);
	stop(&b);
}

/* Nobody is offered what another was offered, and nothing is invented when the pool is used up. */
static void test_pool_full(void **state)
{
	struct bench b;
	struct reply4 r[4];

	(void)state;
	start(&b, "192.168.150.100-192.168.150.102", NULL, 0);
	settle(&b);
	for (unsigned int i = 0; i < 3; i++) {
		r[i] = discover(&b, i + 1);
		assert_int_equal(r[i].type, DHCP4_OFFER);
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(r[i].yiaddr.s_addr, r[k].yiaddr.s_addr);
	}
	assert_int_equal(discover(&b, 4).type, 0);
	assert_int_equal(dhcp4_stats(b.dhcp4)->n_pool_full, 1);
	assert_int_equal(discover(&b, 2).yiaddr.s_addr, r[1].yiaddr.s_addr);
	assert_int_equal(request(&b, 4, r[0].yiaddr).type, DHCP4_NAK);

	assert_int_equal(request(&b, 1, r[0].yiaddr).type, DHCP4_ACK);
	pass(&b, 11 * MONO_S);				/* the two offers nobody took */
	assert_int_equal(discover(&b, 4).type, DHCP4_OFFER);
	assert_int_equal(discover(&b, 5).type, DHCP4_OFFER);
	assert_int_equal(discover(&b, 6).type, 0);
	stop(&b);
}

/* A client gets its address back after expiry, and loses it only when all others are in use. */
static void test_stable(void **state)
{
	struct bench b;
	struct in_addr first, second;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.102", NULL, 0);
	settle(&b);
	first = get_lease(&b, 1);
	pass(&b, 10 * MONO_S);
	second = get_lease(&b, 2);
	pass(&b, 3601 * MONO_S);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	struct in_addr third = get_lease(&b, 3);
	assert_int_not_equal(third.s_addr, first.s_addr);
	assert_int_not_equal(third.s_addr, second.s_addr);
	assert_int_equal(request(&b, 4, first).type, DHCP4_NAK);	/* free, but kept for 1 */
	settle(&b);
	assert_int_equal(get_lease(&b, 1).s_addr, first.s_addr);
	settle(&b);
	assert_int_equal(get_lease(&b, 2).s_addr, second.s_addr);
	pass(&b, 3601 * MONO_S);
	settle(&b);
	assert_int_equal(get_lease(&b, 2).s_addr, second.s_addr);
	assert_int_equal(get_lease(&b, 9).s_addr, third.s_addr);	/* over first: 3 took its lease before 1 and 2 */
	assert_int_equal(get_lease(&b, 1).s_addr, first.s_addr);
	stop(&b);
}

static void test_declared(void **state)
{
	struct service_host hosts[2] = {
		{ .name = "web", .mac = mac_of(1), .n_ips = 1 },
		{ .name = "db", .mac = mac_of(2), .n_ips = 2 },
	};
	struct bench b;

	(void)state;
	hosts[0].ips[0] = ip_of("192.168.150.100");
	hosts[1].ips[0] = ip_of("fd00::5");
	hosts[1].ips[1] = ip_of("192.168.150.10");	/* outside the range */
	start(&b, "192.168.150.100-192.168.150.102", hosts, 2);
	settle(&b);
	assert_int_equal(get_lease(&b, 3).s_addr, htonl(0xc0a89665));
	assert_int_equal(get_lease(&b, 4).s_addr, htonl(0xc0a89666));
	assert_int_equal(discover(&b, 5).type, 0);	/* reserved, though its guest is away */
	assert_int_equal(request(&b, 5, hosts[0].ips[0].v4).type, DHCP4_NAK);
	assert_int_equal(get_lease(&b, 1).s_addr, htonl(0xc0a89664));
	assert_string_equal(b.out.facts[0].lease.hostname, "web");
	assert_int_equal(get_lease(&b, 2).s_addr, htonl(0xc0a8960a));

	/* Another system on the same guest, with another client id, gets it too. */
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, 1);
	msg.client_id_len = 3;
	assert_int_equal(ask(&b, &msg).yiaddr.s_addr, htonl(0xc0a89664));
	assert_int_equal(request(&b, 1, hosts[1].ips[1].v4).type, DHCP4_NAK);
	stop(&b);
}

/* An address that somebody holds becomes another guest's: the lease ends, the new owner gets it. */
static void test_declared_later(void **state)
{
	struct service_host host = { .name = "web", .mac = mac_of(2), .n_ips = 1 };
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	host.ips[0] = ip4(get_lease(&b, 1));
	(void)dhcp4_configure(b.dhcp4, &b.service, &host, 1, b.now);
	assert_int_equal(dhcp4_deadline(b.dhcp4), 0);
	out_reset(&b.out);
	(void)dhcp4_tick(b.dhcp4, b.now, &b.out);
	assert_int_equal(b.out.n_facts, 1);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_int_equal(get_lease(&b, 2).s_addr, host.ips[0].v4.s_addr);
	assert_int_equal(request(&b, 1, host.ips[0].v4).type, DHCP4_NAK);
	assert_int_not_equal(get_lease(&b, 1).s_addr, host.ips[0].v4.s_addr);

	/* And back: the lease goes on as an ordinary one. */
	(void)dhcp4_configure(b.dhcp4, &b.service, NULL, 0, b.now);
	settle(&b);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 2);
	assert_int_equal(discover(&b, 2).yiaddr.s_addr, host.ips[0].v4.s_addr);
	stop(&b);
}

static void test_request_kinds(void **state)
{
	static const struct {
		const char *requested, *ciaddr, *server;
		unsigned int client;
		uint8_t want;
		const char *why;
	} table[] = {
		{ NULL, "192.168.150.100", NULL, 1, DHCP4_ACK, "renewing or rebinding" },
		{ "192.168.150.100", NULL, NULL, 1, DHCP4_ACK, "init-reboot" },
		{ "10.0.0.5", NULL, NULL, 1, DHCP4_NAK, "init-reboot, other network" },
		{ "192.168.150.100", NULL, NULL, 2, DHCP4_NAK, "init-reboot, somebody else's" },
		{ NULL, "192.168.150.100", NULL, 2, DHCP4_NAK, "renewing somebody else's" },
		{ "192.168.150.150", NULL, NULL, 3, DHCP4_ACK, "init-reboot, free: our record was lost" },
		{ "192.168.150.99", NULL, NULL, 4, DHCP4_NAK, "on the link, but not ours to give" },
		{ "192.168.150.1", NULL, NULL, 4, DHCP4_NAK, "the gateway's" },
		{ "192.168.150.100", NULL, "192.168.150.7", 1, 0, "another server was chosen" },
		{ NULL, NULL, NULL, 4, 0, "no address at all" },
		{ NULL, "192.168.150.100", NULL, 1, DHCP4_ACK, "and the lease of 1 is still there" },
	};
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	(void)get_lease(&b, 1);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct dhcp4_msg msg = message(DHCP4_REQUEST, table[i].client);
		struct reply4 r;

		if (table[i].requested)
			msg.requested = ip_of(table[i].requested).v4;
		if (table[i].ciaddr)
			msg.ciaddr = ip_of(table[i].ciaddr).v4;
		if (table[i].server)
			msg.server_id = ip_of(table[i].server).v4;
		r = ask(&b, &msg);
		if (r.type != table[i].want)
			fail_msg("%s: %u", table[i].why, r.type);
		if (r.type == DHCP4_ACK && msg.ciaddr.s_addr && r.dst.s_addr != msg.ciaddr.s_addr)
			fail_msg("%s: not sent to ciaddr", table[i].why);
		if (r.type == DHCP4_NAK && r.dst.s_addr != INADDR_BROADCAST)
			fail_msg("%s: NAK not broadcast", table[i].why);
	}
	stop(&b);
}

static void test_release_decline_inform(void **state)
{
	struct dhcp4_msg msg;
	struct bench b;
	struct in_addr address;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	address = get_lease(&b, 1);

	msg = message(DHCP4_RELEASE, 2);		/* somebody else can't */
	msg.ciaddr = address;
	msg.server_id = b.service.gateway4.ip.v4;
	(void)ask(&b, &msg);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 1);
	msg.chaddr = mac_of(1);
	(void)ask(&b, &msg);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_int_equal(b.out.facts[0].lease.expires, b.now);
	assert_int_equal(get_lease(&b, 1).s_addr, address.s_addr);

	msg = message(DHCP4_DECLINE, 1);
	msg.requested = address;
	msg.server_id = b.service.gateway4.ip.v4;
	(void)ask(&b, &msg);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_int_equal(b.out.facts[0].lease.expires, 0);	/* not to be remembered */
	assert_int_not_equal(get_lease(&b, 1).s_addr, address.s_addr);
	assert_int_equal(request(&b, 3, address).type, DHCP4_NAK);
	pass(&b, 601 * MONO_S);
	assert_int_equal(request(&b, 3, address).type, DHCP4_ACK);

	msg = message(DHCP4_INFORM, 8);
	msg.ciaddr = ip_of("192.168.150.8").v4;
	struct reply4 r = ask(&b, &msg);
	assert_int_equal(r.type, DHCP4_ACK);
	assert_int_equal(r.yiaddr.s_addr, 0);
	assert_int_equal(r.lease_s, 0);
	assert_int_equal(b.out.n_facts, 0);
	stop(&b);
}

/* Declining in a circle doesn't use up the pool. */
static void test_decline_flood(void **state)
{
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.139", NULL, 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct dhcp4_msg msg = message(DHCP4_DECLINE, 1);

		settle(&b);
		msg.requested = get_lease(&b, 1);
		msg.server_id = b.service.gateway4.ip.v4;
		(void)ask(&b, &msg);
	}
	settle(&b);
	for (unsigned int i = 0; i < 24; i++)
		(void)get_lease(&b, 100 + i);
	stop(&b);
}

/* Cold: the first DISCOVER waits for a probe, at most 100 ms; an address that answers isn't offered. */
static void test_probe(void **state)
{
	struct mac other = mac_of(77);
	struct ip used = ip_of("192.168.150.100");
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, 1);
	unsigned int n_offers = 0, n_probes = 0;
	struct reply4 r = { 0 };
	struct bench b;
	mono_t asked;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	asked = b.now;
	assert_int_equal(ask(&b, &msg).type, 0);
	assert_int_equal(ask(&b, &msg).type, 0);	/* asks again: still one offer */
	while (b.now < asked + 200 * MONO_MS) {
		out_reset(&b.out);
		(void)dhcp4_tick(b.dhcp4, b.now, &b.out);
		for (size_t i = 0; i < b.out.n_frames; i++) {
			if (b.out.frames[i].socket == OUT_SOCKET_ARP) {
				struct eth eth;
				struct arp arp;

				n_probes++;
				assert_int_equal(eth_parse(rd_init(b.out.frames[i].data, b.out.frames[i].len), &eth), 0);
				assert_int_equal(arp_parse(eth.payload, &arp), 0);
				assert_int_equal(arp.sender.s_addr, 0);
				if (arp.target.s_addr == used.v4.s_addr)
					dhcp4_seen(b.dhcp4, &used, &other, b.now);
			} else if (read_reply4(&b.out.frames[i], &r)) {
				n_offers++;
				assert_true(b.now - asked <= 100 * MONO_MS);
			}
		}
		b.now += MONO_MS;
	}
	assert_int_equal(n_offers, 1);
	assert_int_equal(r.yiaddr.s_addr, htonl(0xc0a89665));
	assert_true(n_probes >= 64 && n_probes <= 66);
	assert_int_equal(dhcp4_stats(b.dhcp4)->n_delayed, 1);

	/* Nothing is probed twice within ten minutes. */
	n_probes = 0;
	for (unsigned int i = 0; i < 500; i++) {
		out_reset(&b.out);
		b.now += MONO_S;
		(void)dhcp4_tick(b.dhcp4, b.now, &b.out);
		n_probes += (unsigned int)b.out.n_frames;
	}
	assert_true(n_probes <= 1);
	/* Its user may have it: our record of the lease was lost. */
	assert_int_equal(request(&b, 2, used.v4).type, DHCP4_NAK);
	assert_int_equal(request(&b, 77, used.v4).type, DHCP4_ACK);
	stop(&b);
}

/* An address that was offered in vain is probed still. */
static void test_probed_once(void **state)
{
	unsigned int n_frames = 0;
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.101", NULL, 0);
	settle(&b);
	assert_int_equal(discover(&b, 1).type, DHCP4_OFFER);
	assert_int_equal(discover(&b, 2).type, DHCP4_OFFER);
	for (unsigned int i = 0; i < 500; i++) {
		out_reset(&b.out);
		b.now += MONO_S;
		(void)dhcp4_tick(b.dhcp4, b.now, &b.out);
		n_frames += (unsigned int)b.out.n_frames;
	}
	assert_int_equal(n_frames, 0);
	assert_int_equal(discover(&b, 3).type, DHCP4_OFFER);
	assert_int_equal(discover(&b, 4).type, DHCP4_OFFER);
	stop(&b);
}

/* A burst larger than what is probed ahead: everybody is served, faster and faster. */
static void test_burst(void **state)
{
	struct bench b;
	unsigned int done = 0;

	(void)state;
	b.service = lan_settings(NULL, NULL);
	start(&b, "192.168.150.2-192.168.150.254", NULL, 0);
	b.service.gateway4.len = 16;
	assert_true(range_parse("192.168.0.1-192.168.63.255", &b.service.range4));
	(void)dhcp4_configure(b.dhcp4, &b.service, NULL, 0, b.now);
	settle(&b);
	mono_t began = b.now;
	for (unsigned int i = 1; done < 8000 && i < 20000; i++) {
		struct reply4 r = discover(&b, i);

		if (r.type == DHCP4_OFFER && request(&b, i, r.yiaddr).type == DHCP4_ACK)
			done++;
		pass(&b, 100 * 1000);			/* 10,000 a second */
	}
	assert_int_equal(done, 8000);
	assert_true(b.now - began < 2 * MONO_S);
	stop(&b);
}

/* When the disk refuses a new lease, the client isn't taken to have it. */
static void test_not_saved(void **state)
{
	struct bench b;
	struct reply4 r;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	r = discover(&b, 1);
	r = request(&b, 1, r.yiaddr);
	assert_int_equal(r.type, DHCP4_ACK);
	dhcp4_not_saved(b.dhcp4, &b.out.facts[0].lease, b.now);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	r = request(&b, 1, r.yiaddr);
	assert_int_equal(r.type, DHCP4_ACK);
	assert_false(b.out.facts[0].known);		/* so its ACK, too, waits for the disk */
	stop(&b);
}

static void test_restore(void **state)
{
	struct lease lease = { .network = "lan", .mac = mac_of(1) };
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	lease.ip = ip_of("192.168.150.120");
	lease.expires = b.now + 60 * MONO_S;
	assert_true(dhcp4_restore(b.dhcp4, &lease, b.now));
	lease.ip = ip_of("192.168.150.130");
	lease.mac = mac_of(2);
	lease.expires = 0;
	assert_false(dhcp4_restore(b.dhcp4, &lease, b.now));
	lease.ip = ip_of("192.168.150.99");
	lease.expires = b.now + 60 * MONO_S;
	assert_false(dhcp4_restore(b.dhcp4, &lease, b.now));
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 1);
	/* Both at once, before anything was probed. */
	assert_int_equal(discover(&b, 1).yiaddr.s_addr, htonl(0xc0a89678));
	assert_int_equal(discover(&b, 2).yiaddr.s_addr, htonl(0xc0a89682));
	pass(&b, 61 * MONO_S);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	stop(&b);
}

/* A smaller range ends what doesn't fit; switching off and on again keeps the rest. */
static void test_reconfigure(void **state)
{
	struct bench b;
	struct in_addr a, c;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	a = get_lease(&b, 1);
	c = get_lease(&b, 2);
	assert_true(range_parse("192.168.150.101-192.168.150.110", &b.service.range4));
	(void)dhcp4_configure(b.dhcp4, &b.service, NULL, 0, b.now);
	settle(&b);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 1);
	assert_int_equal(request(&b, 1, a).type, DHCP4_NAK);
	b.service.dhcp4 = false;
	(void)dhcp4_configure(b.dhcp4, &b.service, NULL, 0, b.now);
	assert_int_equal(discover(&b, 2).type, 0);
	b.service.dhcp4 = true;
	(void)dhcp4_configure(b.dhcp4, &b.service, NULL, 0, b.now);
	assert_int_equal(discover(&b, 2).yiaddr.s_addr, c.s_addr);
	stop(&b);
}

/* The network as it is after another prefix became its own; the old one drains. */
static void renumber(struct bench *b, const char *gateway, const char *range)
{
	struct service *s = &b->service;

	s->drains[s->n_drains++].gateway = s->gateway4;
	assert_true(prefix_parse(gateway, &s->gateway4));
	assert_true(range_parse(range, &s->range4));
	for (uint32_t i = 0; i < s->n_drains; i++)
		if (prefix_eq(&s->drains[i].gateway, &s->gateway4))
			s->drains[i] = s->drains[--s->n_drains];
	(void)dhcp4_configure(b->dhcp4, s, NULL, 0, b->now);
	settle(b);
}

/* A lease of the old prefix holds to its end, beside nobody's; it can't be renewed, and is over with a new one. */
static void test_renumbered(void **state)
{
	const struct lease of_before = {
		.network = "lan", .ip = ip_of("192.168.150.120"), .mac = mac_of(7), .expires = 2000 * MONO_S,
	};
	struct dhcp4_msg msg = message(DHCP4_REQUEST, 1);
	struct in_addr old[3], new;
	struct reply4 r;
	struct bench b;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	for (unsigned int i = 0; i < 3; i++)
		old[i] = get_lease(&b, i + 1);
	renumber(&b, "10.77.0.1/24", "10.77.0.100-10.77.0.199");
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 3);

	msg.ciaddr = old[0];			/* 1 renews: it hears from the server that it knows */
	r = ask(&b, &msg);
	assert_int_equal(r.type, DHCP4_NAK);
	assert_int_equal(r.src.s_addr, ip_of("192.168.150.1").v4.s_addr);
	assert_int_equal(r.dst.s_addr, INADDR_BROADCAST);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 3);
	r = discover(&b, 1);
	assert_int_equal(r.type, DHCP4_OFFER);
	assert_int_equal(r.src.s_addr, ip_of("10.77.0.1").v4.s_addr);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 3);	/* an offer ends nothing */
	new = get_lease(&b, 1);
	assert_int_equal(new.s_addr, ip_of("10.77.0.100").v4.s_addr);
	out_reset(&b.out);
	(void)dhcp4_tick(b.dhcp4, b.now, &b.out);
	assert_int_equal(b.out.n_facts, 1);
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_int_equal(b.out.facts[0].lease.ip.v4.s_addr, old[0].s_addr);

	msg = message(DHCP4_RELEASE, 2);	/* 2 gives it back, to the server that it knows */
	msg.ciaddr = old[1];
	msg.server_id = ip_of("192.168.150.1").v4;
	(void)ask(&b, &msg);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 2);

	assert_true(dhcp4_restore(b.dhcp4, &of_before, b.now));	/* as after a restart */
	assert_false(dhcp4_restore(b.dhcp4, &of_before, b.now));
	pass(&b, 1500 * MONO_S);		/* 7 is over, 3 isn't */
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 2);

	/* Back: 3 has its address as before, 1 has to come back. */
	renumber(&b, "192.168.150.1/24", "192.168.150.100-192.168.150.199");
	msg = message(DHCP4_REQUEST, 3);
	msg.ciaddr = old[2];
	assert_int_equal(ask(&b, &msg).type, DHCP4_ACK);
	msg = message(DHCP4_REQUEST, 1);
	msg.ciaddr = new;
	r = ask(&b, &msg);
	assert_int_equal(r.type, DHCP4_NAK);
	assert_int_equal(r.src.s_addr, ip_of("10.77.0.1").v4.s_addr);
	pass(&b, 3600 * MONO_S);
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	for (unsigned int i = 0; i < 90; i++) {	/* nobody is ever offered what was only draining */
		settle(&b);
		assert_int_equal(get_lease(&b, 20 + i).s_addr & htonl(0xffffff00), htonl(0xc0a89600));
	}
	stop(&b);
}

/* What makes a client another client. */
static void test_client_ids(void **state)
{
	static const struct {
		const char *id;
		uint8_t len;
		bool same;
		const char *why;
	} table[] = {
		{ "\1\x52\x54\0\0\0\1", 7, true, "type 1 and its own MAC" },
		{ "\1\x52\x54\0\0\0\2", 7, false, "another MAC" },
		{ "\6\x52\x54\0\0\0\1", 7, false, "another type" },
		{ "\xff\0\0\0\1\0\3", 7, false, "RFC 4361" },
		{ "", 0, true, "none" },
	};
	struct bench b;
	struct in_addr first;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	first = get_lease(&b, 1);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct dhcp4_msg msg = message(DHCP4_DISCOVER, 1);

		msg.client_id_len = table[i].len;
		memcpy(msg.client_id, table[i].id, table[i].len);
		if ((ask(&b, &msg).yiaddr.s_addr == first.s_addr) != table[i].same)
			fail_msg("%s", table[i].why);
	}
	/* The same id on another guest, a clone, is another client. */
	struct dhcp4_msg msg = message(DHCP4_DISCOVER, 2);
	msg.client_id_len = table[3].len;
	memcpy(msg.client_id, table[3].id, table[3].len);
	struct reply4 r = ask(&b, &msg);
	msg.chaddr = mac_of(3);
	assert_int_not_equal(ask(&b, &msg).yiaddr.s_addr, r.yiaddr.s_addr);
	stop(&b);
}

static void test_forget(void **state)
{
	struct bench b;
	struct ip ip;

	(void)state;
	start(&b, "192.168.150.100-192.168.150.199", NULL, 0);
	settle(&b);
	ip = ip4(get_lease(&b, 1));
	out_reset(&b.out);
	assert_true(dhcp4_forget(b.dhcp4, &ip, b.now, &b.out));
	assert_int_equal(b.out.facts[0].kind, FACT_LEASE_GONE);
	assert_false(dhcp4_forget(b.dhcp4, &ip, b.now, &b.out));
	assert_int_equal(dhcp4_n_leases(b.dhcp4), 0);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_four_ways),      cmocka_unit_test(test_broadcast_flag),
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_pool_full),
		cmocka_unit_test(test_stable),	       cmocka_unit_test(test_declared),
		cmocka_unit_test(test_declared_later), cmocka_unit_test(test_request_kinds),
		cmocka_unit_test(test_release_decline_inform), cmocka_unit_test(test_decline_flood),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probed_once),	       cmocka_unit_test(test_burst),
		cmocka_unit_test(test_not_saved),      cmocka_unit_test(test_restore),
		cmocka_unit_test(test_reconfigure),
		cmocka_unit_test(test_renumbered),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_client_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
