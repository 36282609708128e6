/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe - read the kernel into a struct world
 *
 * Dumps only: one each for links, addresses, routes and the nftables of ours,
 * with a 64 KiB buffer and no system call per object. A dump that the kernel
 * says was interrupted by a change (NLM_F_DUMP_INTR) is read again.
 */
#pragma once
#include <stddef.h>
#include "base/report.h"
#include "kern/kern.h"
#include "model/world.h"

/**
 * kern_observe() - Fill a world completely
 * @kern:		the kernel
 * @sysctl_paths:	paths below /proc/sys that are to be read ("net/ipv4/ip_forward")
 * @n:			how many
 * @world:		fresh from world_new(); filled and sorted
 * @report:		gets an error when it fails
 *
 * Without CAP_NET_ADMIN world->nft_unreadable is set and both tables are
 * absent. Left out: routes that are local, broadcast, anycast, multicast or
 * cached; anonymous sets, sets that the packet path fills (flags dynamic), and
 * pids of listeners (kern_listener_owner()).
 *
 * Return: 0, or a negative errno
 */
int kern_observe(struct kern *kern, const char *const *sysctl_paths, size_t n, struct world *world,
		 struct report *report);

/**
 * kern_listener_owner() - Which process listens there?
 * @kern:	the kernel
 * @listener:	as observed; pid and comm are filled in when 0 is returned
 *
 * Walks /proc/PID/fd, so it is for error messages only.
 *
 * Return: 0, 1 when the owner can't be seen (other user, other pid namespace, gone), or a negative errno
 */
int kern_listener_owner(struct kern *kern, struct w_listener *listener);

/**
 * kern_observe_sysctls() - Add sysctls to a world that was observed without them
 * @kern:	the kernel
 * @paths:	as kern_observe()'s; which ones matter is known only once the links are
 * @n:		how many
 * @world:	its sysctls are replaced, sorted
 * @report:	gets an error when it fails
 *
 * Return: 0, or a negative errno
 */
int kern_observe_sysctls(struct kern *kern, const char *const *paths, size_t n, struct world *world,
			 struct report *report);

/* Only the listeners, into a world that has nothing else. Return: 0, or a negative errno. */
int kern_observe_listeners(struct world *world);

/* Only the links, into a world that has nothing else. Return: 0, or a negative errno. */
int kern_observe_links(struct kern *kern, struct world *world);
