/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain - prefixes that a network was numbered by before, until guests have left them
 *
 * Theory of operation: an address of ours that the configuration no longer
 * wants stays on the bridge, and with it DHCP's memory, NAT, forwards, DNS and
 * guards, as long as
 * - there is a lease of its prefix from before: leases are in the engine's
 *   database, and main has them all as holders; until the engine has told them,
 *   nothing ends;
 * - or, IPv6, a guest may still use an address it made of the prefix: to the end
 *   of the valid lifetime that was announced, at most two hours (RFC 4862 5.5.3 e).
 *   That moment can be known only from a record in the run directory, which is
 *   written before the first change.
 * What drains is found by looking: records, and addresses on the bridge that
 * nobody wants. So a main that was killed between any two steps, a second
 * renumbering and the way back are all one case, and a network whose bridge no
 * guest is on just changes.
 */
#pragma once
#include "base/time.h"
#include "daemon/state.h"

/* Of one network; a record each: kind "drain", key "NETWORK ADDRESS/LEN". */
struct drain {
	struct prefix gateway;
	mono_t until;		/* as in struct plan_drain */
};

int drain_restore(struct daemon_main *d);	/* after networks_restore() */

/* Fill in the drains of @facts, in @arena. */
void drain_gather(const struct daemon_main *d, const struct world *world, mono_t now, struct arena *arena,
		  struct plan_facts *facts);

/* Before a plan is carried out: what drains from now on has its record. */
void drain_record(struct daemon_main *d, const struct plan *plan);

/* Afterwards: what the plan has let go has none. */
void drain_settle(struct daemon_main *d, const struct plan *plan);
void drain_forget(struct daemon_main *d, struct net *net);	/* all of a network that is down */

/* Reconcile when the time of one is over. */
void drain_tick(struct daemon_main *d, mono_t now);

/* For status: [{"address", "leases", "expires"}], or NULL when nothing drains. */
json_t *drain_json(const struct daemon_main *d, const struct net *net, mono_t now);
