/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever guests send to port 547: as fuzz_dhcp4.c. */
#include <stdlib.h>
#include "net/dhcp6.h"
#include "net/eth.h"
#include "net/udp.h"
#include "resp/dhcp6.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct out out;

static struct service settings(uint8_t how)
{
	struct service s = {
		.network = "lan", .device = "lan", .mac = { { 2, 0, 0, 0, 0, 1 } }, .mtu = how & 1 ? 1280 : 1500,
		.dhcp6 = true, .domain = "lan.example", .n_dns6 = 1, .lease_s = how & 2 ? 60 : 3600,
		.link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } },
	};

	(void)prefix_parse("fd00::1/64", &s.gateway6);
	(void)range_parse(how & 4 ? "fd00::100-fd00::103" : "fd00::100-fd00::1ff", &s.range6);
	return s;
}

static void check_frames(void)
{
	for (size_t i = 0; i < out.n_frames; i++) {
		const struct out_frame *f = &out.frames[i];
		struct eth eth;
		struct ipv6 ip;
		struct udp udp;

		if (f->first_fact + f->n_facts > out.n_facts)
			abort();
		if (eth_parse(rd_init(f->data, f->len), &eth) || ipv6_parse(eth.payload, &ip))
			abort();
		if (ip.proto == IPPROTO_UDP && udp_parse6(&ip, true, &udp))
			abort();
	}
	out_reset(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[16] = { 1 };
	struct rd in = rd_init(data, size);
	struct service_host host = { .name = "web", .mac = { { 0x52, 0x54, 0, 0, 0, 9 } }, .n_ips = 2 };
	struct service s = settings(rd_u8(&in));
	mono_t now = MONO_S;
	struct dhcp6 *dhcp6;

	(void)ip_parse("fd00::101", &host.ips[0]);
	(void)ip_parse("fd00::10", &host.ips[1]);
	(void)dhcp6_new(&dhcp6, seed);
	(void)dhcp6_configure(dhcp6, &s, &host, 1, now);
	for (unsigned int i = 0; i < 100 && in.left > 0; i++) {
		uint8_t control = rd_u8(&in);
		size_t len = rd_be16(&in) % 700;
		struct rd payload = rd_sub(&in, len < in.left ? len : in.left);
		struct dhcp6_meta meta = {
			.src_mac = { { 0x52, 0x54, 0, 0, 0, control % 10 } },
			.src = { .s6_addr = { 0xfe, 0x80, [15] = control } },
			.dst = { .s6_addr = { control == 0xff ? 0xfe : 0xff, 2, [13] = 1, [15] = 2 } },
		};
		struct dhcp6_msg msg;

		now += (control & 0x0f) * (control & 0x80 ? 100 * MONO_S : 20 * MONO_MS);
		(void)dhcp6_tick(dhcp6, now, &out);
		check_frames();
		if (control & 0x10) {
			struct ip ip = ip_add(&s.range6.first, control & 7);

			dhcp6_seen(dhcp6, &ip, &meta.src_mac, now);
		}
		if (control & 0x20) {
			s.range6.last = ip_add(&s.range6.first, control % 8);
			(void)dhcp6_configure(dhcp6, &s, &host, control & 1, now);
		}
		/* A fuzzer doesn't guess our DUID: a server identifier of one zero type means it. */
		if (dhcp6_parse(payload, &msg))
			continue;
		if (msg.server.len > 0 && msg.server.b[0] == 0) {
			struct dhcp6_msg probe = { .type = DHCP6_INFORMATION_REQUEST };
			struct dhcp6_meta from = meta;

			from.src.s6_addr[0] = 0xfe;
			from.dst.s6_addr[0] = 0xff;
			(void)dhcp6_input(dhcp6, &probe, &from, now, &out);
			if (out.n_frames > 0) {		/* Ethernet, IPv6, UDP, type and transaction, option header */
				msg.server.len = 18;
				memcpy(msg.server.b, out.frames[0].data + 14 + 40 + 8 + 4 + 4, 18);
			}
			out_reset(&out);
		}
		(void)dhcp6_input(dhcp6, &msg, &meta, now, &out);
		if ((control & 0x40) && out.n_facts > 0 && out.facts[0].kind == FACT_LEASE)
			dhcp6_not_saved(dhcp6, &out.facts[0].lease, now);
		check_frames();
	}
	dhcp6_free(dhcp6);
	return 0;
}
