/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eth - Ethernet II frames
 *
 * VLAN tags are not read: the kernel takes them off before a packet socket
 * sees the frame, and our networks have none. 802.3 length frames are not ours.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"

#define ETH_HEADER_LEN 14

enum eth_type {
	ETH_TYPE_IP4 = 0x0800,
	ETH_TYPE_ARP = 0x0806,
	ETH_TYPE_IP6 = 0x86dd,
};

/* What a caller must handle itself; never forwarded. Negative codes are errnos. */
enum eth_outcome {
	ETH_E_MALFORMED = 1,	/* drop, count, debug-log at most */
	ETH_E_NOT_OURS,		/* valid, but nothing this parser reads */
};

struct eth {
	struct mac dst, src;
	uint16_t type;		/* host order */
	struct rd payload;	/* with padding, if there is any */
};

/**
 * eth_parse() - Read an Ethernet header
 * @frame:	a whole frame without checksum
 * @ret:	set only when 0 is returned
 *
 * A multicast or zero source address is malformed (IEEE 802.3 3.2.3).
 *
 * Return: 0, ETH_E_MALFORMED or ETH_E_NOT_OURS
 */
int eth_parse(struct rd frame, struct eth *ret);

/* Write a header; what follows is the payload. */
void eth_begin(struct wr *w, const struct mac *dst, const struct mac *src, uint16_t type);
