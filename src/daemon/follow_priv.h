/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow_priv - what follow.c, follow_keep.c and follow_show.c share
 */
#pragma once
#include "base/log.h"
#include "daemon/follow.h"
#include "daemon/state.h"

#define SEEN_MAX_ 32		/* addresses of a guest that are shown */

struct followed {
	uint32_t ifindex;
	uint64_t id;			/* towards the engine; a device that comes back gets another */
	char device[16];
	struct mac mac;
	uint32_t lower, mode;
	bool up;
	const struct adoption *by;	/* NULL: ours */
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];	/* ours */
	bool has_monitor, monitor_open;	/* its QEMU listens for QMP; the engine talks to it */
	unsigned int monitor_n;		/* of the adoption */
	int monitor_error;		/* negative errno: why it couldn't be connected to */
	unsigned int retries;		/* since it was open at a tick */
	mono_t retry_at;
	struct {
		struct mac mac;
		uint8_t reasons;	/* 0: to be left */
		bool joined;
		bool there;		/* the kernel says so; while it is looked at */
	} groups[MCAST_GROUPS];
	size_t n_groups;
	uint8_t all;			/* enum mcast_all; 0: only the groups */
	bool all_ours;			/* we switched it on */
	mono_t all_again;		/* when it was switched on anew last; 0: never */
	struct {
		struct ip ip;
		mono_t at;
	} seen[SEEN_MAX_];
	size_t n_seen;
	bool seen_new;			/* since the record was written; that is done at the tick, as a guest may use many */
	bool inward;			/* our filter is on its egress */
	bool shown;			/* the engine hears it */
	bool dirty, keep;
	UT_hash_handle hh, hh_id;
};

struct follow {
	struct followed *devices;	/* by ifindex */
	struct followed *by_id;
	uint64_t next_id;
	bool stale;			/* a lower device isn't where it was: look at all links again */
	struct loop_timer retry;	/* of monitors that were closed */
	struct daemon_main *d;
	struct log_gate gate;
};
struct followed *follow_find(const struct daemon_main *d, uint32_t ifindex);
void follow_record(struct daemon_main *d, struct followed *f);

/* Show the device to the engine; @with_socket: anew, with what it had joined. Tried again at the tick. */
void follow_tell(struct daemon_main *d, struct followed *f, bool with_socket);

/* Join and leave what the engine asked for. */
void follow_apply(struct daemon_main *d, struct followed *f);

/* Log that "cannot-@what", unless the device is gone. @r: a negative errno */
void follow_failed(struct daemon_main *d, const struct followed *f, const char *what, int r);

/* Put back what others took away, of all devices; of one, all-multicast that has been switched off. */
void follow_keep(struct daemon_main *d);
void follow_keep_all(struct daemon_main *d, struct followed *f, mono_t now);
