/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arp - ARP for IPv4 over Ethernet (RFC 826)
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"

enum arp_outcome {
	ARP_E_MALFORMED = 1,
	ARP_E_NOT_OURS,		/* other address families, or another operation */
};

enum arp_op {
	ARP_OP_REQUEST = 1,
	ARP_OP_REPLY = 2,
};

struct arp {
	enum arp_op op;
	struct mac sender_mac, target_mac;
	struct in_addr sender, target;
};

/**
 * arp_parse() - Read an ARP packet
 * @packet:	cursor at the ARP header; padding behind it is ignored
 * @ret:	set only when 0 is returned
 *
 * A probe (RFC 5227 1.1) has the sender 0.0.0.0. A multicast or zero sender MAC
 * is malformed.
 *
 * Return: 0, ARP_E_MALFORMED or ARP_E_NOT_OURS
 */
int arp_parse(struct rd packet, struct arp *ret);

void arp_put(struct wr *w, const struct arp *arp);
