/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm - a change that is taken back unless somebody confirms it
 */
#include "daemon/confirm.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "daemon/state.h"
#include "kern/records.h"

#define RECORD_CONFIRM "confirm"
#define RECORD_KEY "waiting"
#define RETRY (5 * MONO_S)

struct confirm {
	struct daemon_main *d;
	struct loop_timer timer;
	json_t *before;
	mono_t deadline;
};

static void drop(struct daemon_main *d)
{
	struct confirm *c = d->confirm;

	d->confirm = NULL;
	(void)loop_timer_set(d->loop, &c->timer, MONO_NEVER);
	loop_timer_del(&c->timer);
	json_decref(c->before);
	free(c);
}

static int record(struct daemon_main *d)
{
	const struct confirm *c = d->confirm;
	json_t *o = json_pack("{s:O, s:I}", "before", c->before, "deadline", (json_int_t)c->deadline);
	int r = o ? record_put(d->records, RECORD_CONFIRM, RECORD_KEY, o) : -ENOMEM;

	json_decref(o);
	return r;
}

static int on_time(struct loop_timer *timer, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(timer, struct confirm, timer)->d;
	_cleanup_(report_freep) struct report *report = report_new();

	log_event(LOG_LEVEL_WARNING, "not-confirmed: going back to what was before");
	if (networks_go_back(d, d->confirm->before, report) == 0) {
		confirm_end(d);
		return answer_is_idle(d) ? answer_quit(d) : 0;	/* as after a `down` of all */
	}
	for (size_t i = 0; i < report_n(report); i++)
		log_event(LOG_LEVEL_ERROR, "going-back-failed key=%s what=\"%s\"",
			  report_get(report, i)->key ? report_get(report, i)->key : "", report_get(report, i)->what);
	return loop_timer_set(d->loop, timer, mono_add(now, RETRY));
}

/* Steals @before. */
static int arm(struct daemon_main *d, json_t *before, mono_t deadline)
{
	d->confirm = NEW(struct confirm);
	d->confirm->d = d;
	d->confirm->before = before;
	d->confirm->deadline = deadline;
	d->confirm->timer.name = "confirm";
	d->confirm->timer.fn = on_time;
	return loop_timer_set(d->loop, &d->confirm->timer, deadline);
}

void confirm_restore(struct daemon_main *d)
{
	json_t *o = NULL;
	int r = record_get(d->records, RECORD_CONFIRM, RECORD_KEY, &o);
	mono_t latest = mono_add(mono_now(), CTL_CONFIRM_MAX_S * MONO_S);

	if (r == 1)
		return;
	const json_t *before = json_object_get(o, "before"), *deadline = json_object_get(o, "deadline");
	if (r == 0 && json_is_object(before) && json_is_integer(deadline)) {
		/* Of another boot, in a run directory that outlives one: as long as there may be, then. */
		r = arm(d, json_incref((json_t *)before), mono_min((mono_t)json_integer_value(deadline), latest));
	} else {
		log_event(LOG_LEVEL_ERROR, "record-unreadable confirm=waiting");
		(void)record_del(d->records, RECORD_CONFIRM, RECORD_KEY);
	}
	json_decref(o);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "confirm-not-timed error=\"%s\"", strerror(-r));
}

int confirm_start(struct daemon_main *d, const json_t *before, unsigned int seconds)
{
	int r = arm(d, json_incref((json_t *)before), mono_add(mono_now(), seconds * MONO_S));

	if (r == 0)
		r = record(d);
	if (r < 0)
		drop(d);
	return r;
}

void confirm_end(struct daemon_main *d)
{
	if (!d->confirm)
		return;
	(void)record_del(d->records, RECORD_CONFIRM, RECORD_KEY);
	drop(d);
}

void confirm_forget(struct daemon_main *d, const char *network)
{
	if (!d->confirm || json_object_del(d->confirm->before, network) != 0)
		return;
	if (json_object_size(d->confirm->before) == 0)
		confirm_end(d);
	else
		(void)record(d);
}

unsigned int confirm_left(const struct daemon_main *d, mono_t now)
{
	if (!d->confirm)
		return 0;
	return d->confirm->deadline > now ? (unsigned int)((d->confirm->deadline - now + MONO_S - 1) / MONO_S) : 1;
}
