/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - one event loop (sd-event), embedded sources
 *
 * A source is embedded in the object that owns it; its handler gets the object
 * back with CONTAINER_OF(). A handler takes at most a fixed batch, never
 * blocks, and returns 0 or a negative errno that ends the loop. It may delete its
 * source and free the object. Time is read before each handler and handed down,
 * so nothing below the loop reads a clock.
 * Timers have an accuracy of 1 µs: sd-event's default of 250 ms would show.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "base/mem.h"
#include "base/time.h"

struct loop;
struct loop_fd;
struct loop_timer;
struct sd_event_source;

typedef int (*loop_fd_fn)(struct loop_fd *src, uint32_t events, mono_t now);
typedef int (*loop_timer_fn)(struct loop_timer *src, mono_t now);
typedef int (*loop_turn_fn)(void *user, mono_t now);
typedef int (*loop_signal_fn)(void *user, int signo, mono_t now);

struct loop_fd {
	const char *name;	/* for traces */
	loop_fd_fn fn;
	int fd;			/* borrowed: the owner closes it after loop_del() */
	struct loop *loop;
	struct sd_event_source *source;
};

struct loop_timer {
	const char *name;
	loop_timer_fn fn;
	mono_t deadline;
	struct loop *loop;
	struct sd_event_source *source;
};

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);
DEFINE_FREEP(struct loop, loop_free)

/* @events: EPOLLIN, EPOLLOUT. Return: 0 or negative errno. */
int loop_add(struct loop *loop, struct loop_fd *src, uint32_t events);
int loop_set_events(struct loop_fd *src, uint32_t events);
void loop_del(struct loop_fd *src);	/* may be called twice, and from its own handler */

/* Arm, move or (MONO_NEVER) disarm a timer. A past deadline fires in the next turn. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, mono_t deadline);
void loop_timer_del(struct loop_timer *timer);

/*
 * Called once after the handlers of a turn (at most 64), before the loop sleeps
 * or ends: for grouped commits and writes. Not called for a turn without any.
 */
void loop_on_turn(struct loop *loop, loop_turn_fn fn, void *user);

/* Stay awake between events that come within @linger of each other. Without effect where there is but one CPU. */
void loop_linger(struct loop *loop, mono_t linger);

/* Blocks @signo in this thread and delivers it to @fn. */
int loop_on_signal(struct loop *loop, int signo, loop_signal_fn fn, void *user);

/* sd_notify WATCHDOG=1 at half the interval that WATCHDOG_USEC asks for, when it is set. */
int loop_watchdog(struct loop *loop);

mono_t loop_now(const struct loop *loop);
int loop_run(struct loop *loop);	/* until loop_stop() or a handler's error. Return: the status given there */

/* One turn, after waiting for at most @timeout; for waiting inside a command. Return: 1, 0 (nothing came), negative errno. */
int loop_turn(struct loop *loop, mono_t timeout);
void loop_stop(struct loop *loop, int status);
