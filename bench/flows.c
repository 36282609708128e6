/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flows - small UDP frames as fast as one processor makes them
 *
 *   flows IFACE MAC SOURCE DESTINATION PORT N_PORTS SECONDS [MAX]
 *
 * N_PORTS 0: all frames are of one flow, to PORT. Otherwise each frame begins a
 * new flow: another source address and port, and a random one of N_PORTS
 * destination ports from PORT on. Prints what was sent; the receiving interface
 * counts what arrived.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

#define PAYLOAD 18	/* a minimal Ethernet frame in IPv4 */
#define SOURCE_PORTS 60000

static uint32_t next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

int main(int argc, char **argv)
{
	struct in6_addr from6, to6;
	struct in_addr from4, to4;
	struct load_mac to;
	uint64_t n = 0, max = argc > 8 ? strtoull(argv[8], NULL, 10) : UINT64_MAX;

	if (argc < 8 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.b[0], &to.b[1], &to.b[2], &to.b[3], &to.b[4],
			       &to.b[5]) != 6) {
		(void)fputs("usage: flows IFACE MAC SOURCE DESTINATION PORT N_PORTS SECONDS [MAX]\n", stderr);
		return 2;
	}
	bool v6 = inet_pton(AF_INET6, argv[3], &from6) == 1 && inet_pton(AF_INET6, argv[4], &to6) == 1;
	if (!v6 && (inet_pton(AF_INET, argv[3], &from4) != 1 || inet_pton(AF_INET, argv[4], &to4) != 1))
		fail("addresses");
	struct load *load = load_open(argv[1], 0);
	unsigned int port = (unsigned int)atoi(argv[5]), n_ports = (unsigned int)atoi(argv[6]);
	uint64_t began = now_ns(), stop = began + (uint64_t)(atof(argv[7]) * 1e9);

	while (n < max && (n % LOAD_BATCH != 0 || now_ns() < stop)) {
		uint64_t flow = n_ports ? n : 0;
		uint8_t *frame = load_next(load), *udp;

		if (v6) {
			struct in6_addr src = from6;

			src.s6_addr[15] = (uint8_t)(src.s6_addr[15] + flow / SOURCE_PORTS);
			udp = put_ipv6(frame, &to, &load->mac, &src, &to6, IPPROTO_UDP, 64, 8 + PAYLOAD);
		} else {
			struct in_addr src = { htonl(ntohl(from4.s_addr) + (uint32_t)(flow / SOURCE_PORTS)) };

			udp = put_ipv4(frame, &to, &load->mac, src, to4, IPPROTO_UDP, 8 + PAYLOAD);
		}
		put16(udp, 1024 + (unsigned int)(flow % SOURCE_PORTS));
		put16(udp + 2, port + (n_ports ? next_random() % n_ports : 0));
		put16(udp + 4, 8 + PAYLOAD);
		if (v6) {
			uint16_t sum = sum_ipv6(frame + ETH_HLEN + 8, IPPROTO_UDP, udp, 8 + PAYLOAD);

			memcpy(udp + 6, &sum, 2);
		}
		load_push(load, (size_t)(udp - frame) + 8 + PAYLOAD);
		n++;
	}
	load_flush(load);
	double seconds = (double)(now_ns() - began) / 1e9;
	(void)printf("{\"sent\": %llu, \"seconds\": %.4f, \"rate\": %.0f}\n", (unsigned long long)n, seconds, (double)n / seconds);
	return 0;
}
