/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever guests send to port 67, and in whatever order: parser, responder and
 * table of bindings together. Input: two bytes of control, then records of one
 * byte of control, two of length and that much payload.
 */
#include <stdlib.h>
#include "net/dhcp4.h"
#include "net/eth.h"
#include "net/udp.h"
#include "resp/dhcp4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct out out;

static struct service settings(uint8_t how)
{
	struct service s = {
		.network = "lan", .device = "lan", .mac = { { 2, 0, 0, 0, 0, 1 } }, .mtu = 1500, .dhcp4 = true,
		.routes = how & 1, .domain = "lan.example", .n_dns4 = 1, .lease_s = how & 2 ? 60 : 3600,
	};

	(void)prefix_parse("192.168.150.1/24", &s.gateway4);
	(void)range_parse(how & 4 ? "192.168.150.100-192.168.150.103" : "192.168.150.100-192.168.150.199", &s.range4);
	return s;
}

/* Every frame we make must be one that we could read. */
static void check_frames(void)
{
	for (size_t i = 0; i < out.n_frames; i++) {
		const struct out_frame *f = &out.frames[i];
		struct eth eth;
		struct ipv4 ip;
		struct udp udp;

		if (f->first_fact + f->n_facts > out.n_facts)
			abort();
		if (eth_parse(rd_init(f->data, f->len), &eth))
			abort();
		if (f->socket == OUT_SOCKET_ARP)
			continue;
		if (ipv4_parse(eth.payload, &ip) || udp_parse4(&ip, true, &udp) || udp.payload.left < 300)
			abort();
	}
	out_reset(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[16] = { 1 };
	struct rd in = rd_init(data, size);
	struct service_host host = { .name = "web", .mac = { { 0x52, 0x54, 0, 0, 0, 9 } }, .n_ips = 1 };
	struct service s = settings(rd_u8(&in));
	mono_t now = MONO_S;
	struct dhcp4 *dhcp4;

	(void)ip_parse("192.168.150.101", &host.ips[0]);
	(void)dhcp4_new(&dhcp4, seed);
	(void)dhcp4_configure(dhcp4, &s, &host, 1, now);
	for (unsigned int i = 0; i < 100 && in.left > 0; i++) {
		uint8_t control = rd_u8(&in);
		size_t len = rd_be16(&in) % 700;
		struct rd payload = rd_sub(&in, len < in.left ? len : in.left);
		struct dhcp4_meta meta = { 0 };
		struct dhcp4_msg msg;

		now += (control & 0x0f) * (control & 0x80 ? 100 * MONO_S : 20 * MONO_MS);
		(void)dhcp4_tick(dhcp4, now, &out);
		check_frames();
		if (control & 0x10) {
			struct ip ip = ip_add(&s.range4.first, control & 7);

			dhcp4_seen(dhcp4, &ip, &host.mac, now);
		}
		if (control & 0x20) {
			s.range4.last = ip_add(&s.range4.first, control % 8);
			(void)dhcp4_configure(dhcp4, &s, &host, control & 1, now);
		}
		if (dhcp4_parse(payload, &msg))
			continue;
		meta.src_mac = msg.chaddr;
		(void)dhcp4_input(dhcp4, &msg, &meta, now, &out);
		if ((control & 0x40) && out.n_facts > 0 && out.facts[0].kind == FACT_LEASE)
			dhcp4_not_saved(dhcp4, &out.facts[0].lease, now);
		check_frames();
	}
	dhcp4_free(dhcp4);
	return 0;
}
