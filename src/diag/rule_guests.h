/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_guests - every address of guests that a snapshot tells of
 *
 * From declarations, leases and what the daemon saw; where no network of ours
 * is, from host routes to guests' links and from neighbours on them.
 */
#pragma once
#include <stdbool.h>
#include "diag/findings.h"
#include "diag/snapshot.h"

struct guest_address {
	struct ip ip;
	uint32_t dev;			/* where IP to it has to go: its bridge, or its own link */
	const char *guest, *network;	/* or NULL */
	const char *source;		/* "declared", "lease", "seen", …, "route", "neighbour" */
	bool host_route;		/* a /128 or /32 leads to it */
};

/* @ret: in the findings' arena, made once for all rules. Return: how many. */
size_t guest_addresses(const struct snapshot *snap, struct findings *found, const struct guest_address **ret);

/* The host's own address on @ifindex whose prefix has @ip in it, or NULL. */
const struct snap_addr *gateway_address(const struct snapshot *snap, uint32_t ifindex, const struct ip *ip);
