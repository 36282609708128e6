/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * role - what depends on an interface: guests, networks, the host itself
 *
 * Rules are silent about interfaces that nothing depends on. What does is
 * worked out once for a snapshot, from what the kernel shows: also where no
 * network of ours is up, guests are found by their taps, macvtaps, bridge ports
 * and host routes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "diag/snapshot.h"

enum role_bit {
	ROLE_UPLINK = 1 << 0,		/* the host's own connectivity: a default route, or a network's uplink */
	ROLE_HEARD = 1 << 1,		/* a router was heard there (and it isn't guests only) */
	ROLE_GUEST = 1 << 2,		/* a guest's own device: tap, macvtap, vif, port of a guest bridge, routed link */
	ROLE_GUEST_BRIDGE = 1 << 3,	/* a bridge with guests' devices in it */
	ROLE_GUEST_ONLY = 1 << 4,	/* nothing but guests behind it: a guest's device, or a bridge without an uplink in it */
	ROLE_NETWORK = 1 << 5,		/* device of a network of ours, or of libvirt's */
	ROLE_UPLINK_PORT = 1 << 6,	/* port of a bridge, towards the LAN */
	ROLE_LOWER = 1 << 7,		/* what guests' macvtaps sit on */
	ROLE_OURS = 1 << 8,		/* made by sixtap */
};

struct role {
	uint32_t bits;
	const char *guest;	/* whose device; or NULL */
	const char *network;	/* of ours, whose device or uplink; or NULL */
};

struct roles;

struct roles *roles_new(const struct snapshot *snap);
struct roles *roles_free(struct roles *roles);
DEFINE_FREEP(struct roles, roles_free)

/* Never NULL: an interface that isn't there has no role. */
const struct role *role_of(const struct roles *roles, uint32_t ifindex);
bool role_is(const struct roles *roles, uint32_t ifindex, uint32_t bits);	/* any of them */

/* Where IP lives: a bridge port's bridge (or bond's, …), else the interface itself. */
uint32_t role_l3(const struct snapshot *snap, uint32_t ifindex);

/* Does the kernel handle RAs on this interface? false: a program does. */
bool role_kernel_ra(const struct snapshot *snap, uint32_t ifindex);
/* Were RAs heard there, ignored ones included? The prefix @ret_n: how many, may be NULL. */
bool role_ra_heard(const struct snapshot *snap, const struct snap_link *link, uint64_t *ret_n);

/* A usable default route of @family in the main table that isn't by @not_oif (0: any). @proto -1: whoever made it. */
const struct snap_route *role_default(const struct snapshot *snap, uint8_t family, uint32_t oif, uint32_t not_oif, int proto);

/*
 * A default route in a table that a rule of the host's own leads to, as tunnels make them (wg-quick, table 51820): then
 * the main table's says nothing. Not one that takes only what comes by an interface, or from one of several addresses.
 */
const struct snap_route *role_default_by_rule(const struct snapshot *snap, uint8_t family);

/* The guest that has this address, or NULL. */
const struct snap_guest_addr *role_guest_addr(const struct snapshot *snap, const struct ip *ip);
