/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdb - which MACs were seen at a port of a bridge
 */
#pragma once
#include <stdint.h>
#include "kern/kern.h"
#include "net/addr.h"

/* One learned entry; a port's own address isn't one. */
typedef void (*kern_fdb_fn)(void *user, const struct mac *mac, uint32_t port, uint32_t bridge);

/**
 * kern_fdb() - Read a port's part of its bridge's forwarding table
 * @kern:	the kernel
 * @port:	its interface index
 * @fn:		called for each entry that belongs to the port
 * @user:	handed to @fn
 *
 * Entries age out 5 minutes after the last frame, and go with the port. For each port the kernel walks the whole table of
 * its bridge: asking about a thousand takes 10 ms.
 *
 * Return: 0 (also when it is no port), or a negative errno
 */
int kern_fdb(struct kern *kern, uint32_t port, kern_fdb_fn fn, void *user);
