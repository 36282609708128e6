/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients for tests of the DHCP servers: messages to hand in, replies read back out of frames. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "model/service.h"
#include "net/arp.h"
#include "net/eth.h"
#include "net/udp.h"
#include "resp/dhcp4.h"
#include "resp/dhcp6.h"

__attribute__((unused)) static struct service lan_settings(const char *range4, const char *range6)
{
	struct service s = {
		.network = "lan", .device = "lan", .mac = { { 2, 0, 0, 0, 0, 1 } }, .mtu = 1500, .routes = true,
		.domain = "lan.example", .lease_s = 3600, .n_dns4 = 1, .n_dns6 = 1,
		.link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } },
	};

	if (range4) {
		s.dhcp4 = true;
		assert_true(prefix_parse("192.168.150.1/24", &s.gateway4));
		assert_true(range_parse(range4, &s.range4));
		s.dns4[0] = s.gateway4.ip.v4;
	}
	if (range6) {
		s.dhcp6 = true;
		assert_true(prefix_parse("fd00::1/64", &s.gateway6));
		assert_true(range_parse(range6, &s.range6));
		s.dns6[0] = s.gateway6.ip.v6;
	}
	return s;
}

__attribute__((unused)) static struct mac mac_of(unsigned int n)
{
	return (struct mac){ { 0x52, 0x54, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

__attribute__((unused)) static struct ip ip_of(const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	return ip;
}

/* What a DHCPv4 reply said. */
struct reply4 {
	struct mac dst_mac;
	struct in_addr src, dst;
	struct in_addr yiaddr;
	uint8_t type;
	uint32_t lease_s;
	bool has_router;
};

__attribute__((unused)) static bool read_reply4(const struct out_frame *f, struct reply4 *ret)
{
	struct reply4 r = { 0 };
	struct eth eth;
	struct ipv4 ip;
	struct udp udp;

	if (f->socket != OUT_SOCKET_IP4)
		return false;
	assert_int_equal(eth_parse(rd_init(f->data, f->len), &eth), 0);
	assert_int_equal(ipv4_parse(eth.payload, &ip), 0);
	assert_int_equal(udp_parse4(&ip, true, &udp), 0);
	assert_int_equal(udp.src, DHCP4_PORT_SERVER);
	assert_int_equal(udp.dst, DHCP4_PORT_CLIENT);
	assert_true(udp.payload.left >= 300);
	r.dst_mac = eth.dst;
	r.src = ip.src;
	r.dst = ip.dst;
	memcpy(&r.yiaddr, udp.payload.p + 16, 4);
	struct rd opts = udp.payload;
	rd_take(&opts, 240);
	for (uint8_t code = rd_u8(&opts); code != DHCP4_OPT_END; code = rd_u8(&opts)) {
		struct rd body = rd_sub(&opts, rd_u8(&opts));

		assert_true(rd_ok(&opts));
		if (code == DHCP4_OPT_TYPE)
			r.type = rd_u8(&body);
		if (code == DHCP4_OPT_LEASE)
			r.lease_s = rd_be32(&body);
		if (code == DHCP4_OPT_ROUTER)
			r.has_router = true;
	}
	*ret = r;
	return true;
}

/* What a DHCPv6 reply said: the first addresses of its first associations. */
struct reply6 {
	struct mac dst_mac;
	struct in6_addr dst;
	uint8_t type;
	int status;			/* at the top; -1: none */
	bool rapid_commit, dns, preference;
	struct dhcp6_duid server;
	size_t n_ias;
	struct {
		uint32_t iaid, t1;
		int status;
		size_t n_addrs;
		struct {
			struct ip ip;
			uint32_t preferred, valid;
		} addrs[16];
	} ias[DHCP6_IAS];
	size_t n_pds;
};

__attribute__((unused)) static void read_ia6(struct rd body, struct reply6 *r)
{
	__typeof__(&r->ias[0]) ia = &r->ias[r->n_ias++];

	ia->iaid = rd_be32(&body);
	ia->t1 = rd_be32(&body);
	rd_take(&body, 4);
	ia->status = -1;
	while (body.left > 0) {
		uint16_t code = rd_be16(&body);
		struct rd opt = rd_sub(&body, rd_be16(&body));

		assert_true(rd_ok(&body));
		if (code == DHCP6_OPT_STATUS)
			ia->status = rd_be16(&opt);
		if (code == DHCP6_OPT_IAADDR) {
			ia->addrs[ia->n_addrs].ip.family = AF_INET6;
			rd_copy(&opt, ia->addrs[ia->n_addrs].ip.b, 16);
			ia->addrs[ia->n_addrs].preferred = rd_be32(&opt);
			ia->addrs[ia->n_addrs++].valid = rd_be32(&opt);
		}
	}
}

__attribute__((unused)) static bool read_reply6(const struct out_frame *f, struct reply6 *ret)
{
	struct reply6 r = { .status = -1 };
	struct eth eth;
	struct ipv6 ip;
	struct udp udp;

	assert_int_equal(eth_parse(rd_init(f->data, f->len), &eth), 0);
	if (f->socket != OUT_SOCKET_IP6 || ipv6_parse(eth.payload, &ip) || udp_parse6(&ip, true, &udp))
		return false;
	assert_int_equal(udp.src, DHCP6_PORT_SERVER);
	assert_int_equal(udp.dst, DHCP6_PORT_CLIENT);
	r.dst_mac = eth.dst;
	r.dst = ip.dst;
	r.type = rd_u8(&udp.payload);
	rd_take(&udp.payload, 3);
	while (udp.payload.left > 0) {
		uint16_t code = rd_be16(&udp.payload);
		struct rd body = rd_sub(&udp.payload, rd_be16(&udp.payload));

		assert_true(rd_ok(&udp.payload));
		if (code == DHCP6_OPT_SERVER_ID) {
			r.server.len = (uint8_t)body.left;
			rd_copy(&body, r.server.b, body.left);
		}
		if (code == DHCP6_OPT_IA_NA)
			read_ia6(body, &r);
		r.status = code == DHCP6_OPT_STATUS ? rd_be16(&body) : r.status;
		r.rapid_commit = r.rapid_commit || code == DHCP6_OPT_RAPID_COMMIT;
		r.dns = r.dns || code == DHCP6_OPT_DNS;
		r.preference = r.preference || code == DHCP6_OPT_PREFERENCE;
		r.n_pds += code == DHCP6_OPT_IA_PD;
	}
	*ret = r;
	return true;
}
