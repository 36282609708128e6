/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inward - for a moment: what is sent on a macvtap goes to its guest
 *
 * In mode bridge a frame to the macvtap's own MAC comes back to it by itself.
 * In the others it would leave for the LAN, so there the filter of
 * kern_mcast_inward() is put on egress, and taken away again; where a daemon
 * has put its own, that one is left alone.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "kern/kern.h"

struct inward {
	struct kern *kern;		/* NULL: nothing was to be done */
	struct kern_guard guard;
	uint32_t *lent;			/* macvtaps that have our filter */
	size_t n_lent;
};
#define INWARD_NONE { .guard = KERN_GUARD_NONE }

/**
 * inward_open() - Lend the filter to macvtaps that have none
 * @ret:	complete whatever is returned; inward_close()
 * @ifindexes:	macvtaps of other modes than bridge
 * @n:		how many
 *
 * Needs CAP_NET_ADMIN and what guard_load() needs. When it fails, none has it.
 *
 * Return: 0, or a negative errno
 */
int inward_open(struct inward *ret, const uint32_t *ifindexes, size_t n);
void inward_close(struct inward *inward);
