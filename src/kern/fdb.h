/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdb - which port of which bridge a MAC was seen at
 */
#pragma once
#include <stdint.h>
#include "kern/kern.h"
#include "net/addr.h"

/* One learned entry; a port's own address isn't one. */
typedef void (*kern_fdb_fn)(void *user, const struct mac *mac, uint32_t port, uint32_t bridge);

/**
 * kern_fdb() - Read the forwarding tables of all bridges
 * @kern:	the kernel
 * @fn:		called for each entry that belongs to a port
 * @user:	handed to @fn
 *
 * Entries age out 5 minutes after the last frame; those of a port go with it.
 *
 * Return: 0, or a negative errno
 */
int kern_fdb(struct kern *kern, kern_fdb_fn fn, void *user);
