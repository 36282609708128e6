/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - one event loop (sd-event), embedded sources
 *
 * sd-event dispatches one source in an iteration. A turn is as many iterations
 * as have something to do, at most TURN_HANDLERS, so that under load the turn
 * function (commits, grouped writes) runs once for many events and is never
 * starved.
 *
 * To put a CPU to sleep and to wake it takes longer than most answers. A loop
 * that may linger stays awake between events that come at short intervals, and
 * for one such interval after the last: its cost when they don't is nothing.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <systemd/sd-event.h>

#define TURN_HANDLERS 64

struct on_signal {
	loop_signal_fn fn;
	void *user;
	struct loop *loop;
	struct on_signal *next;
};

struct loop {
	sd_event *event;
	loop_turn_fn turn;
	void *turn_user;
	unsigned int n_handled;	/* handlers run since the turn function was last called */
	mono_t now;
	mono_t linger;		/* 0: never */
	bool busy;		/* the last wait was shorter than @linger */
	struct on_signal *signals;
};

int loop_new(struct loop **ret)
{
	_cleanup_(loop_freep) struct loop *loop = NEW(struct loop);
	int r = sd_event_new(&loop->event);

	if (r < 0)
		return r;
	loop->now = mono_now();
	*ret = STEAL_PTR(loop);
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	sd_event_unref(loop->event);
	for (struct on_signal *s = loop->signals, *next; s; s = next) {
		next = s->next;
		free(s);
	}
	free(loop);
	return NULL;
}

/* After a handler: @loop was read before it ran, because the source may be gone by now. */
static int handled(struct loop *loop, int r)
{
	if (r < 0)
		loop_stop(loop, r);
	return 0;
}

/* Before a handler. */
static mono_t handling(struct loop *loop)
{
	loop->n_handled++;
	loop->now = mono_now();
	return loop->now;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct loop_fd *src = user;
	struct loop *loop = src->loop;

	(void)s;
	(void)fd;
	return handled(loop, src->fn(src, revents, handling(loop)));
}

int loop_add(struct loop *loop, struct loop_fd *src, uint32_t events)
{
	src->loop = loop;
	return sd_event_add_io(loop->event, &src->source, src->fd, events, on_io, src);
}

int loop_set_events(struct loop_fd *src, uint32_t events)
{
	return src->source ? sd_event_source_set_io_events(src->source, events) : -ENOENT;
}

void loop_del(struct loop_fd *src)
{
	src->source = sd_event_source_disable_unref(src->source);
}

static int on_time(sd_event_source *s, uint64_t usec, void *user)
{
	struct loop_timer *timer = user;
	struct loop *loop = timer->loop;

	(void)s;
	(void)usec;
	timer->deadline = MONO_NEVER;
	return handled(loop, timer->fn(timer, handling(loop)));
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, mono_t deadline)
{
	timer->loop = loop;
	timer->deadline = deadline;
	if (deadline == MONO_NEVER)
		return timer->source ? sd_event_source_set_enabled(timer->source, SD_EVENT_OFF) : 0;

	uint64_t usec = deadline / 1000 + (deadline % 1000 > 0);	/* never early */
	if (!timer->source)
		return sd_event_add_time(loop->event, &timer->source, CLOCK_BOOTTIME, usec, 1, on_time, timer);
	int r = sd_event_source_set_time(timer->source, usec);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}

void loop_timer_del(struct loop_timer *timer)
{
	timer->source = sd_event_source_disable_unref(timer->source);
}

void loop_on_turn(struct loop *loop, loop_turn_fn fn, void *user)
{
	loop->turn = fn;
	loop->turn_user = user;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct on_signal *h = user;

	(void)s;
	return handled(h->loop, h->fn(h->user, (int)si->ssi_signo, handling(h->loop)));
}

int loop_on_signal(struct loop *loop, int signo, loop_signal_fn fn, void *user)
{
	struct on_signal *h = NEW(struct on_signal);
	sigset_t set;

	*h = (struct on_signal){ fn, user, loop, loop->signals };
	loop->signals = h;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return sd_event_add_signal(loop->event, NULL, signo, on_signal, h);
}

int loop_watchdog(struct loop *loop)
{
	int r = sd_event_set_watchdog(loop->event, true);

	return r < 0 ? r : 0;
}

mono_t loop_now(const struct loop *loop)
{
	return loop->now;
}

static void end_turn(struct loop *loop)
{
	if (loop->n_handled == 0)
		return;
	loop->n_handled = 0;
	if (!loop->turn)
		return;
	loop->now = mono_now();
	(void)handled(loop, loop->turn(loop->turn_user, loop->now));
}

void loop_linger(struct loop *loop, mono_t linger)
{
	loop->linger = get_nprocs() > 1 ? linger : 0;
}

/* Wait for an event, awake at first when the last one came soon. */
static int await(struct loop *loop, mono_t timeout)
{
	const uint64_t usec = timeout == MONO_NEVER ? UINT64_MAX : timeout / 1000;
	int r = 0;

	if (loop->linger == 0 || timeout < loop->linger)
		return sd_event_run(loop->event, usec);
	const mono_t since = mono_now(), until = mono_add(since, loop->linger);
	if (loop->busy)
		while (r == 0 && mono_now() < until)
			r = sd_event_run(loop->event, 0);
	if (r == 0)
		r = sd_event_run(loop->event, usec);
	loop->busy = r > 0 && loop->now < until;
	return r;
}

int loop_turn(struct loop *loop, mono_t timeout)
{
	int r = await(loop, timeout);
	int ran = r > 0;

	while (r > 0 && loop->n_handled < TURN_HANDLERS && sd_event_get_state(loop->event) != SD_EVENT_FINISHED)
		r = sd_event_run(loop->event, 0);
	end_turn(loop);
	return r < 0 ? r : ran;
}

int loop_run(struct loop *loop)
{
	int status = 0, r = 0;

	while (r >= 0 && sd_event_get_state(loop->event) != SD_EVENT_FINISHED)
		r = loop_turn(loop, MONO_NEVER);
	if (r < 0)
		return r;
	r = sd_event_get_exit_code(loop->event, &status);
	return r < 0 ? r : status;
}

void loop_stop(struct loop *loop, int status)
{
	(void)sd_event_exit(loop->event, status);
}
