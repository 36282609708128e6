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

#define KERN_MCAST_MARK 0x73697874u	/* of frames that are for a macvtap's own guest; in plan/schema.c, too */

/* Return: 0 (also when it is there already), -ENODEV, -EINVAL (no multicast address), or another negative errno. */
int kern_mcast_join(struct kern *kern, uint32_t ifindex, const struct mac *group);

/* Take back a join. Return: 0 (also when it isn't there, nor the interface), or a negative errno. */
int kern_mcast_leave(struct kern *kern, uint32_t ifindex, const struct mac *group);

/**
 * kern_mcast_inward() - Let what we send on a macvtap go to its guest
 * @ifindex:	the macvtap
 * @on:		else: take it back
 *
 * A filter on egress (src/bpf/guard.bpf.c), for frames with the mark that io/packet gives them. Without it such a frame
 * leaves by the lower device, except in mode bridge, where one to the macvtap's own MAC comes back.
 *
 * Return: 0, -EOPNOTSUPP: there is no eBPF, or another negative errno
 */
int kern_mcast_inward(struct kern *kern, uint32_t ifindex, bool on);

/**
 * kern_mcast_inward_lost() - Where has somebody taken the filter of kern_mcast_inward() away?
 * @ifindexes:	macvtaps that have it; those that don't any more (or are gone) are first in it afterwards
 * @n:		how many
 * @ret_n:	set to how many don't
 *
 * Return: 0, or a negative errno
 */
int kern_mcast_inward_lost(struct kern *kern, uint32_t *ifindexes, size_t n, size_t *ret_n);

/* Does the filter of kern_mcast_inward() also copy what the guest says of its groups and addresses to the ring? */
bool kern_mcast_hears(const struct kern *kern);

/**
 * kern_mcast_each() - The groups of all interfaces
 * @fn:		told each group of each interface of this namespace, those of one interface one after the other; @joined: as
 *		kern_mcast_join() does it, by whomever. On a macvtap's lower device there are also those of the macvtap.
 *
 * There is no netlink message for these; it is one file, whatever the number of interfaces.
 *
 * Return: 0, or a negative errno
 */
int kern_mcast_each(void (*fn)(void *user, uint32_t ifindex, const struct mac *group, bool joined), void *user);

/**
 * kern_mcast_reopen() - Set a macvtap down and up
 *
 * It tells its lower device its MAC when it is set up (macvlan_open()); one that was moved to another namespace and back
 * has forgotten it (dev_change_net_namespace(), dev_uc_flush()).
 *
 * Return: 0, or a negative errno
 */
int kern_mcast_reopen(struct kern *kern, uint32_t ifindex);

/* Let in all multicast, or no more. Return: 1 when it was so already, 0 when it was changed, or a negative errno. */
int kern_mcast_all(struct kern *kern, uint32_t ifindex, bool on);
