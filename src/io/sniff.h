/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sniff - look at what crosses interfaces, and send single frames
 *
 * For the commands that look on (watch, rs, ns). Unlike io/packet, whose sockets
 * serve a bridge, this one sees both directions, ports of bridges, links without
 * Ethernet headers, and interfaces that come later. A filter in the kernel lets
 * through ARP, ND, MLD and DHCP only, as far as they are asked for. What it lets
 * through and finds no room is counted by the kernel: nothing is lost unsaid.
 *
 * Looking changes nothing: no promiscuous mode, no multicast group, unless
 * sniff_join() asks for it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/rd.h"
#include "net/addr.h"

#define SNIFF_BATCH 128
#define SNIFF_FRAME_MAX 4096	/* a longer frame is cut and marked */

enum sniff_what {		/* bits */
	SNIFF_ARP = 1,
	SNIFF_ICMPV6 = 2,	/* ND and MLD */
	SNIFF_DHCP4 = 4,
	SNIFF_DHCP6 = 8,
};

enum sniff_way {
	SNIFF_IN,		/* to this host, or to many */
	SNIFF_PASSING,		/* to another host's MAC */
	SNIFF_OUT,		/* sent by this host, or forwarded */
};

struct sniff_frame {
	struct rd data;		/* belongs to the sniff until its next sniff_recv() */
	uint32_t ifindex;
	uint16_t type;		/* 0: @data begins with an Ethernet header; else ETH_TYPE_* of what it begins with */
	uint16_t vlan;		/* id, 0: none */
	enum sniff_way way;
	bool csum_ready, cut;
	uint64_t at_ns;		/* wall clock, nanoseconds since 1970 */
};

struct sniff;

/**
 * sniff_new() - Open a socket
 * @ret:	set when 0 is returned
 * @ifindex:	one interface, or 0: all, also those that come later
 * @what:	bits of enum sniff_what
 * @buffer:	bytes of the socket's buffer; a small frame takes about 800 of them
 *
 * Return: 0, -EPERM without CAP_NET_RAW, -ENODEV, or another negative errno
 */
int sniff_new(struct sniff **ret, uint32_t ifindex, unsigned int what, size_t buffer);
struct sniff *sniff_free(struct sniff *sniff);
DEFINE_FREEP(struct sniff, sniff_free)

int sniff_fd(const struct sniff *sniff);	/* for poll() and for a loop */

/* Return: how many of the SNIFF_BATCH @frames were set (0: none there), or a negative errno. -ENETDOWN comes once. */
int sniff_recv(struct sniff *sniff, struct sniff_frame frames[static SNIFF_BATCH]);

/* Frames that passed the filter since sniff_new(), and those of them for which there was no room. */
void sniff_counts(struct sniff *sniff, uint64_t *ret_passed, uint64_t *ret_lost);

/* Let the interface take in this multicast MAC, for as long as @sniff lives. Or everything (@mac NULL: promiscuous). */
int sniff_join(struct sniff *sniff, uint32_t ifindex, const struct mac *mac);

/**
 * sniff_send() - Send a frame out of an interface
 * @sniff:	any
 * @ifindex:	the interface
 * @type:	as in struct sniff_frame
 * @frame:	bytes
 * @len:	their number
 *
 * Return: 0 or negative errno
 */
int sniff_send(struct sniff *sniff, uint32_t ifindex, uint16_t type, const void *frame, size_t len);

/* Has the interface Ethernet headers? Return: 1, 0 or negative errno. */
int sniff_is_ethernet(const struct sniff *sniff, const char *ifname);
