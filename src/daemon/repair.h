/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repair - put back what others take away, until they insist
 *
 * Theory of operation
 * Kernel events (kern/watch.h) are looked at cheaply: is it a link of ours that
 * isn't as it should be, an uplink that changed, one of our tables changed by
 * another process, a default route, forwarding? If so a new plan is made 100 ms
 * after the first such event (10 ms for our tables: without them guests' packets
 * leave untranslated); that plan is the repair, and one without ops ends it. So our own changes cost one plan at most, and a new tap, which soon is as
 * it should be, none. What the kernel tells nobody (accept_ra, autoconf,
 * addr_gen_mode) is read again with each tick of 15 s; every fourth tick makes a
 * plan whatever has happened.
 *
 * What the plan puts back is counted by object ("rules inet sixtap"). From the
 * fifth time within 60 s its networks are degraded and say who does it, where
 * the kernel tells; and a repair that hasn't lasted for 500 ms makes the next one
 * wait, 2 s at first, twice as long each time, 5 min at most. After 60 s of peace
 * (and as long as the last wait) all is forgotten. A person's `up` puts
 * everything back at once, and the counting begins anew. Objects don't wait for
 * each other, except that nothing is done to a bridge that isn't there.
 *
 * A router that has to be asked for the host's own default route is asked once
 * a second in the background.
 */
#pragma once
#include "base/time.h"
#include "kern/watch.h"
#include "model/world.h"
#include "plan/plan.h"

struct daemon_main;

int repair_new(struct daemon_main *d);	/* starts to watch */
void repair_tick(struct daemon_main *d, mono_t now);

/* Is there cause for the plan that an event asked for? Asking takes the cause away. */
bool repair_due(struct daemon_main *d);

/**
 * repair_judge() - Take out of a plan what has to wait
 * @d:		main
 * @ops:	of a plan that nobody asked for; ops that wait for a router are taken over
 * @now:	now
 *
 * The next plan is seen to.
 */
void repair_judge(struct daemon_main *d, struct ops *ops, mono_t now);

/**
 * repair_learn() - A plan was carried out
 * @d:		main; its plan is the new one
 * @world:	as it was before
 * @ops:	what was done
 * @asked:	by a person: nothing of it was a repair
 * @now:	now
 */
void repair_learn(struct daemon_main *d, const struct world *world, const struct ops *ops, bool asked, mono_t now);
/* Guards that others take off ports: not while many guests come, after whom everything is looked at anyway. */
void repair_hear_filters(struct daemon_main *d, bool on);
void repair_forget(struct daemon_main *d);	/* a person's `up`: nothing waits any more */
void repair_failed(struct daemon_main *d);	/* a plan could not be made or carried out: try again, later each time */

/* Who takes what away from this network; "" when nobody does. */
const char *repair_trouble(const struct daemon_main *d, const char *network, mono_t now, char buf[static 256]);
