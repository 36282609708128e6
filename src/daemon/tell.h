/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tell - what the engine says to main, in order, without waiting
 *
 * Messages go out at once while the socket takes them, and wait in a bounded
 * queue otherwise. Nothing about leases is lost: whoever makes leases asks
 * tell_room() first, and doesn't make any while there is none. News that can be
 * missed (neighbours, statistics) gives way when the queue fills up.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"
#include "ctl/inner.h"

struct tell;

/* @fd: borrowed, non-blocking. Return: 0. */
int tell_new(struct tell **ret, int fd);
struct tell *tell_free(struct tell *tell);
DEFINE_FREEP(struct tell, tell_free)

/* How many more messages about leases fit. */
size_t tell_room(const struct tell *tell);

/* Sent by tell_flush() only. Return: 0, -ENOBUFS (a lease found no room: our bug, and the engine must start anew), or the socket's error. */
int tell_lease(struct tell *tell, enum inner_type type, const struct lease *lease);

/* Missed when there is little room. Return: 0, or the socket's error. */
int tell_neighbour(struct tell *tell, const struct neighbour *neighbour);
int tell_stats(struct tell *tell, const struct inner_stats *stats);
int tell_trouble(struct tell *tell, const char *network, const char *what);

/* Of a guest's multicast: main must hear each; ask tell_room() first. Otherwise as tell_lease(). */
int tell_group(struct tell *tell, const struct inner_group *group);
int tell_qmp_gone(struct tell *tell, uint64_t id);
int tell_sight(struct tell *tell, const struct inner_sight *sight);	/* missed when there is little room */

/**
 * tell_ready() - A network is served
 * @ready:	name, hash and number of leases
 * @leases:	told before; taken over, freed with free(). NULL: they are known
 * @n:		their number
 *
 * Later messages wait until all of them are out.
 */
int tell_ready(struct tell *tell, const struct inner_ready *ready, struct lease *leases, size_t n);

/* Send what waits. Return: true when something still does (wait for EPOLLOUT); *ret_error is 0 or the socket's error. */
bool tell_flush(struct tell *tell, int *ret_error);
