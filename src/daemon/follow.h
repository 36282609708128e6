/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow - main's part of multicast that follows guests behind macvtap devices
 *
 * Theory of operation. Each macvtap that is to be looked after - of a network
 * of ours, or adopted (adopt.c) - is shown to the engine by a packet socket; the
 * engine says which groups the guest listens to, and here they are joined on the
 * macvtap. A record a device says what we joined: what was joined by others is
 * never left, what we joined is found again after a crash, and a new engine is
 * told. The record is written before a join and after a leave. Nothing else of
 * the device is changed, and nothing is deleted.
 */
#pragma once
#include <jansson.h>
#include "base/report.h"
#include "ctl/inner.h"
#include "ctl/request.h"
#include "model/world.h"

struct daemon_main;
struct follow;

/* Before anything else is restored; records → adoptions, groups. Return: 0 or negative errno. */
int follow_new(struct daemon_main *d);

/* Events. */
void follow_link(struct daemon_main *d, const struct w_link *link);
void follow_link_gone(struct daemon_main *d, uint32_t ifindex);
void follow_engine_started(struct daemon_main *d);
void follow_message(struct daemon_main *d, const struct inner_msg *msg);
void follow_flush(struct daemon_main *d);	/* after messages: join and leave */

/* Look at all links again: what is to be followed has changed, or events were lost. */
void follow_sync(struct daemon_main *d);

/* After `up` and `down`: what is ours may be looked after otherwise. */
void follow_networks_changed(struct daemon_main *d);
void follow_tick(struct daemon_main *d);	/* of main */

/* Is anything adopted? Then a daemon that was started by a command stays. */
bool follow_is_busy(const struct daemon_main *d);

/* New references. */
json_t *follow_guest_json(const struct daemon_main *d, uint32_t ifindex);	/* of ours; NULL: isn't followed */
json_t *follow_adopted_json(const struct daemon_main *d);

/* adopt.c: what somebody else made and we look after */
struct adoption {
	char *subject;			/* "macvtap0", "libvirt:ha", or "all" */
	bool all;			/* each macvtap that isn't ours */
	char *source;			/* the -c path whose configuration says so; NULL: none does (--runtime) */
	struct mac macs[CTL_ADOPT_NICS];
	size_t n_macs;
	char devices[CTL_ADOPT_NICS][16];
	size_t n_devices;
	char *monitor;			/* path of its QEMU's socket for QMP, as it was named; NULL: none */
	unsigned int monitor_n;		/* how often that has changed */
	struct adoption *next;
};

int adopt_restore(struct daemon_main *d);
/* Who wants this macvtap looked after; a guest that is known by its device is known by its MAC from then on. */
const struct adoption *adopt_wants(struct daemon_main *d, const struct w_link *link);
/* @req: ADOPT, or UP with all that its files adopt. Return: whether anything changed. */
bool adopt_add(struct daemon_main *d, const struct ctl_request *req);
/* Return: 0 with *@ret_changed, or 1 with errors in @report. */
int adopt_release(struct daemon_main *d, const char *const *subjects, size_t n, struct report *report, bool *ret_changed);
void adopt_drop_all(struct daemon_main *d);
