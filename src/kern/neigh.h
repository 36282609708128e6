/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh - whom the kernel has heard of: neighbours, and what bridges learned
 *
 * For people who look, not for the plan: kern_observe() leaves these out, as
 * they change with every packet. Needs no privilege.
 */
#pragma once
#include "kern/kern.h"
#include "net/addr.h"

struct kern_neigh {
	uint32_t ifindex;	/* the device; of the bridge's entries: the port */
	struct mac mac;
	struct ip ip;		/* family 0: an entry of a bridge */
	uint32_t master;	/* the bridge; 0: not an entry of one */
};

typedef void (*kern_neigh_fn)(void *user, const struct kern_neigh *neigh);

/**
 * kern_neigh_dump() - Visit all that is known
 * @family:	AF_INET, AF_INET6, or AF_BRIDGE for what bridges learned
 * @fn:		called for each; not for the host's own, multicast, or addresses without a MAC
 *
 * Not of one moment, when things change meanwhile.
 *
 * Return: 0, or a negative errno
 */
int kern_neigh_dump(struct kern *kern, uint8_t family, kern_neigh_fn fn, void *user);
