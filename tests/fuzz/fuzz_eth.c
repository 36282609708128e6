/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame as the engine's IPv4 socket takes it apart: Ethernet, IPv4, UDP. */
#include <stdlib.h>
#include "net/eth.h"
#include "net/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipv4 ip;
	struct eth eth;
	struct udp udp;

	if (eth_parse(rd_init(data, size), &eth) != 0 || ipv4_parse(eth.payload, &ip) != 0)
		return 0;
	if (ip.payload.left > size - ETH_HEADER_LEN - 20)
		abort();
	if (udp_parse4(&ip, false, &udp) == 0 && udp.payload.left > ip.payload.left - 8)
		abort();
	(void)udp_parse4(&ip, true, &udp);
	return 0;
}
