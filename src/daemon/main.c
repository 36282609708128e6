/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main - the process that changes the kernel, and the only one that takes requests
 */
#include "daemon/main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "ctl/paths.h"
#include "daemon/confirm.h"
#include "daemon/drain.h"
#include "daemon/repair.h"
#include "daemon/state.h"

#define TICK (15 * MONO_S)
#define BIG (128 * 1024)	/* what a plan of many guests takes while it is made */

static int on_soon(struct loop_timer *timer, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(timer, struct daemon_main, soon);
	_cleanup_(report_freep) struct report *report = report_new();
	bool due = repair_due(d) || d->soon_due || networks_together_due(d, now);

	d->soon_due = false;
	if (due)
		d->plain_since = 0;	/* what fails now is tried again */
	if (due && networks_keep(d, report) != 0)
		for (size_t i = 0; i < report_n(report); i++)
			log_event(LOG_LEVEL_ERROR, "reconcile-failed key=%s what=\"%s\"",
				  report_get(report, i)->key ? report_get(report, i)->key : "", report_get(report, i)->what);
	answer_check_waiters(d, now);
	for (const struct conn *c = d->conns; c; c = c->next)
		if (c->waiter.answer)
			(void)loop_timer_set(d->loop, timer, mono_min(mono_min(c->waiter.deadline, mono_add(now, MONO_S)),
								      timer->deadline));
	return 0;
}

static int on_tick(struct loop_timer *timer, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(timer, struct daemon_main, tick);

	serve_watch(d);		/* before there is something new to read */
	serve_upstream(d);
	follow_tick(d);
	repair_tick(d, now);
	drain_tick(d, now);
	return loop_timer_set(d->loop, timer, mono_add(now, TICK));
}

static int recv_monitor(int sock, struct monitor_msg *ret, int *ret_fd)
{
	struct iovec iov = { ret, sizeof(*ret) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n < 0 ? -errno : n == (ssize_t)sizeof(*ret);
}

static int on_monitor(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(src, struct daemon_main, monitor_src);
	struct monitor_msg msg;
	int fd, r;

	(void)events;
	(void)now;
	while ((r = recv_monitor(src->fd, &msg, &fd)) > 0) {
		if (fd < 0)
			continue;
		r = serve_peer_started(d, msg.type == MONITOR_ENGINE, fd, msg.pid);
		if (r >= 0 && d->engine.src.fd >= 0 && d->resolver.src.fd >= 0)
			r = (int)write(src->fd, &(struct monitor_msg){ .type = MONITOR_READY }, sizeof(msg));
		if (r < 0)
			return r;
	}
	if (r == 0) {
		/* Killed. Guests are served on; the next `up` sees to a new one. */
		log_event(LOG_LEVEL_ERROR, "monitor-gone: a process that ends now is not started again; "
					   "`sixtap up` starts a new daemon");
		d->monitor_gone = true;
		loop_del(src);
	}
	return 0;
}

static int on_term(void *user, int signo, mono_t now)
{
	struct daemon_main *d = user;

	(void)signo;
	(void)now;
	loop_stop(d->loop, 0);
	return 0;
}

static int on_hup(void *user, int signo, mono_t now)
{
	(void)signo;
	(void)now;
	networks_reconcile_soon(user, 0);
	return 0;
}

static void log_report(struct report *report)
{
	for (size_t i = 0; i < report_n(report); i++)
		log_event(LOG_LEVEL_ERROR, "%s%s%s", report_get(report, i)->key ? report_get(report, i)->key : "",
			  report_get(report, i)->key ? ": " : "", report_get(report, i)->what);
}

static int start(struct daemon_main *d, const struct main_conf *conf, struct report *report)
{
	int r;

	(void)paths_join(conf->run_dir, "state", d->records);
	r = kern_new(&d->kern, &(struct kern_conf){ .run_dir = d->records, .proc_sys_fd = -1,
						    .tun_fd_dir = conf->ends.tun_dir_fd, .xt_names = conf->xt_names,
						    .guard = &conf->guard }, report);
	memcpy(d->secret, conf->ends.secret, sizeof(d->secret));
	if (r >= 0)
		r = loop_new(&d->loop);
	if (r >= 0)
		r = repair_new(d);
	d->tick.fn = on_tick;
	d->soon.fn = on_soon;
	if (r >= 0)
		r = follow_new(d);
	if (r >= 0)
		r = networks_restore(d);
	if (r >= 0)
		r = drain_restore(d);
	if (r >= 0)
		r = guests_restore(d);
	if (r >= 0)
		r = forwards_restore(d);
	if (r >= 0)
		confirm_restore(d);
	d->monitor_src = (struct loop_fd){ .name = "monitor", .fn = on_monitor, .fd = conf->ends.monitor_fd };
	if (r >= 0)
		r = loop_add(d->loop, &d->monitor_src, EPOLLIN);
	if (r >= 0)
		r = answer_listen(d, conf->ends.listen_fd);
	if (r >= 0)
		follow_sync(d);
	if (r >= 0)
		r = loop_on_signal(d->loop, SIGTERM, on_term, d);
	if (r >= 0)
		r = loop_on_signal(d->loop, SIGHUP, on_hup, d);
	if (r >= 0)
		r = loop_timer_set(d->loop, &d->tick, mono_add(mono_now(), TICK));
	if (r >= 0)
		r = loop_watchdog(d->loop);
	return r;
}

int main_run(const struct main_conf *conf)
{
	static struct daemon_main d;
	_cleanup_(report_freep) struct report *report = report_new();

	mem_give_back(BIG);
	d.conf = *conf;
	d.started = mono_now();
	d.engine.src.fd = d.resolver.src.fd = -1;
	int r = start(&d, conf, report);

	log_report(report);
	if (r < 0)
		return r;
	return loop_run(d.loop);
}
