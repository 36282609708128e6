/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vantage - a place to send from as a guest does
 *
 * A packet socket on a bridge's port or on a macvtap sends towards the guest;
 * what a guest itself sends, or what its neighbour on the same network
 * device sends to it, has to come in from the other side. So a link of our own
 * is made for a moment: a port of the bridge (one end of a veth pair), or a
 * macvlan in bridge mode on the lower device. Its end lives in a network
 * namespace that only we hold, so that nobody configures it, and that takes the
 * link away when the descriptor is closed, also when we are killed.
 *
 * The port has the highest MAC there is and the bridge's own MTU, because a
 * bridge that nobody pinned takes both from its ports.
 */
#pragma once
#include <stdint.h>
#include "base/mem.h"
#include "kern/nl.h"
#include "net/addr.h"

enum vantage_kind {
	VANTAGE_PORT,		/* of a bridge */
	VANTAGE_MACVLAN,	/* on a lower device */
	VANTAGE_KIND_N_,
};

struct vantage {
	int netns;		/* closes with vantage_close(), and the link with it */
	uint32_t ifindex;	/* in there */
	struct mac mac;		/* locally administered, at random */
};
#define VANTAGE_NONE { .netns = -1 }

/**
 * vantage_open() - Make one
 * @kind:	which
 * @ifindex:	the bridge, or the lower device
 * @mtu:	its MTU
 * @ret:	set when 0 is returned
 * @why:	set to the reason when it fails
 *
 * Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. The link is up when this returns.
 *
 * Return: 0, or a negative errno
 */
int vantage_open(enum vantage_kind kind, uint32_t ifindex, uint32_t mtu, struct vantage *ret, char why[static NL_WHY_MAX]);
void vantage_close(struct vantage *vantage);

/* A raw packet socket of protocol 0 in there: bind() makes it hear. Return: a descriptor, or a negative errno. */
int vantage_socket(const struct vantage *vantage);
