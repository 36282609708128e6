/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - which multicast groups a guest behind a macvtap listens to, and why we think so
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "net/addr.h"

#define MCAST_GROUPS 128	/* Ethernet groups followed for one guest; more: all multicast */
#define MCAST_DECLARED_IPS 16

/* Reasons to let a group in: bits, several may hold at once. */
enum mcast_reason {
	MCAST_BY_QMP = 1 << 0,		/* the guest's driver told its virtual NIC, which QEMU told us */
	MCAST_BY_MLD = 1 << 1,		/* the guest said so by MLD, or by IGMP for IPv4 */
	MCAST_BY_DAD = 1 << 2,		/* it probed for, or used, an address that has this solicited-node group */
	MCAST_BY_DECLARED = 1 << 3,	/* the configuration gives it such an address */
};
#define MCAST_REASONS 4
#define MCAST_REASONS_ALL ((1u << MCAST_REASONS) - 1)
extern const char *const mcast_reason_name[MCAST_REASONS];	/* of bit 0, 1, … */

/* Why all multicast is let in instead: bits. */
enum mcast_all {
	MCAST_ALL_MANY = 1 << 0,	/* more than MCAST_GROUPS */
	MCAST_ALL_GUEST = 1 << 1,	/* the guest asked its NIC for all */
	MCAST_ALL_QEMU = 1 << 2,	/* QEMU counts more than its table holds (multicast-overflow) */
	MCAST_ALL_CONFIG = 1 << 3,	/* multicast: all */
	MCAST_ALL_LOWER = 1 << 4,	/* the lower device was in another namespace meanwhile, and has lost the groups */
};
#define MCAST_ALL_BITS 5
#define MCAST_ALL_MAIN (MCAST_ALL_CONFIG | MCAST_ALL_LOWER)	/* what the engine knows nothing of */
extern const char *const mcast_all_text[MCAST_ALL_BITS];
