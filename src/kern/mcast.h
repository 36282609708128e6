/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - the list of multicast groups that an interface lets in
 *
 * SIOCADDMULTI and IFF_ALLMULTI, as `ip maddr` and `ip link` use them: what is
 * set stays until it is taken back or the interface goes, whoever set it ends or
 * not. Needs CAP_NET_ADMIN. Interfaces are named by index, so that a rename
 * doesn't lead to another one.
 */
#pragma once
#include <stdbool.h>
#include "kern/kern.h"
#include "net/addr.h"

/* Return: 0 (also when it is there already), -ENODEV, -EINVAL (no multicast address), or another negative errno. */
int kern_mcast_join(struct kern *kern, uint32_t ifindex, const struct mac *group);

/* Take back a join. Return: 0 (also when it isn't there, nor the interface), or a negative errno. */
int kern_mcast_leave(struct kern *kern, uint32_t ifindex, const struct mac *group);

/* Let in all multicast, or no more. Return: 1 when it was so already, 0 when it was changed, or a negative errno. */
int kern_mcast_all(struct kern *kern, uint32_t ifindex, bool on);
