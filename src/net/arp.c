/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arp - ARP for IPv4 over Ethernet (RFC 826)
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_arp.c.
 */
#include "net/arp.h"

#include "net/eth.h"

#define ARP_HARDWARE_ETHERNET 1

int arp_parse(struct rd packet, struct arp *ret)
{
	struct arp arp;
	uint16_t hardware = rd_be16(&packet), protocol = rd_be16(&packet);
	uint8_t hardware_len = rd_u8(&packet), protocol_len = rd_u8(&packet);
	uint16_t op = rd_be16(&packet);

	if (!rd_ok(&packet))
		return ARP_E_MALFORMED;
	if (hardware != ARP_HARDWARE_ETHERNET || protocol != ETH_TYPE_IP4)
		return ARP_E_NOT_OURS;
	if (hardware_len != sizeof(arp.sender_mac) || protocol_len != sizeof(arp.sender))
		return ARP_E_MALFORMED;
	if (op != ARP_OP_REQUEST && op != ARP_OP_REPLY)
		return ARP_E_NOT_OURS;
	arp.op = (enum arp_op)op;
	rd_copy(&packet, arp.sender_mac.b, sizeof(arp.sender_mac.b));
	rd_copy(&packet, &arp.sender, sizeof(arp.sender));
	rd_copy(&packet, arp.target_mac.b, sizeof(arp.target_mac.b));
	rd_copy(&packet, &arp.target, sizeof(arp.target));
	if (!rd_ok(&packet) || mac_is_multicast(&arp.sender_mac) || mac_is_zero(&arp.sender_mac))
		return ARP_E_MALFORMED;
	*ret = arp;
	return 0;
}

void arp_put(struct wr *w, const struct arp *arp)
{
	wr_be16(w, ARP_HARDWARE_ETHERNET);
	wr_be16(w, ETH_TYPE_IP4);
	wr_u8(w, sizeof(arp->sender_mac));
	wr_u8(w, sizeof(arp->sender));
	wr_be16(w, (uint16_t)arp->op);
	wr_put(w, arp->sender_mac.b, sizeof(arp->sender_mac.b));
	wr_put(w, &arp->sender, sizeof(arp->sender));
	wr_put(w, arp->target_mac.b, sizeof(arp->target_mac.b));
	wr_put(w, &arp->target, sizeof(arp->target));
}
