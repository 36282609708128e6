/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - one event loop (sd-event), embedded sources
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-event.h>

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
	mono_t now;
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

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct loop_fd *src = user;

	(void)s;
	(void)fd;
	src->loop->now = mono_now();
	int r = src->fn(src, revents, src->loop->now);
	if (r < 0)
		loop_stop(src->loop, r);
	return 0;
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

	(void)s;
	(void)usec;
	timer->deadline = MONO_NEVER;
	timer->loop->now = mono_now();
	int r = timer->fn(timer, timer->loop->now);
	if (r < 0)
		loop_stop(timer->loop, r);
	return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, mono_t deadline)
{
	timer->loop = loop;
	timer->deadline = deadline;
	if (deadline == MONO_NEVER)
		return timer->source ? sd_event_source_set_enabled(timer->source, SD_EVENT_OFF) : 0;

	uint64_t usec = (deadline + 999) / 1000;	/* never early */
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

/* sd-event runs prepare callbacks before every poll: the end of a turn. */
static int on_prepare(sd_event_source *s, void *user)
{
	struct loop *loop = user;

	(void)s;
	loop->now = mono_now();
	int r = loop->turn(loop->turn_user, loop->now);
	if (r < 0)
		loop_stop(loop, r);
	return 0;
}

static int never(sd_event_source *s, void *user)
{
	(void)s;
	(void)user;
	return 0;
}

int loop_on_turn(struct loop *loop, loop_turn_fn fn, void *user)
{
	sd_event_source *s = NULL;
	int r = sd_event_add_post(loop->event, &s, never, NULL);

	loop->turn = fn;
	loop->turn_user = user;
	if (r >= 0)
		r = sd_event_source_set_prepare(s, on_prepare);
	if (r >= 0)
		r = sd_event_source_set_userdata(s, loop) ? 0 : 0;
	if (r >= 0)
		r = sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
	return r < 0 ? r : 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct on_signal *h = user;

	(void)s;
	int r = h->fn(h->user, (int)si->ssi_signo, h->loop->now);
	if (r < 0)
		loop_stop(h->loop, r);
	return 0;
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

int loop_run(struct loop *loop)
{
	return sd_event_loop(loop->event);
}

int loop_turn(struct loop *loop, mono_t timeout)
{
	return sd_event_run(loop->event, timeout == MONO_NEVER ? UINT64_MAX : timeout / 1000);
}

void loop_stop(struct loop *loop, int status)
{
	(void)sd_event_exit(loop->event, status);
}
