/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IPv6 packet with all that can be in it: extension headers, UDP, ICMPv6. */
#include <stdlib.h>
#include "net/icmpv6.h"
#include "net/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipv6 ip;
	struct udp udp;
	struct rd msg;
	uint8_t type;

	if (ipv6_parse(rd_init(data, size), &ip) != 0)
		return 0;
	if (!rd_ok(&ip.payload) || ip.payload.left > size - IPV6_HEADER_LEN)
		abort();
	if (udp_parse6(&ip, false, &udp) == 0 && udp.payload.left > ip.payload.left - 8)
		abort();
	(void)udp_parse6(&ip, true, &udp);
	if (icmpv6_open(&ip, false, &type, &msg) == 0 && (msg.left < 4 || msg.p[0] != type))
		abort();
	(void)icmpv6_open(&ip, true, &type, &msg);
	return 0;
}
