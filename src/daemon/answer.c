/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer - the control socket: who asks, what they may, what they get
 *
 * Theory of operation: anybody may connect. Who isn't root has an account: so
 * many connections, so many requests a second; one who asks more is served
 * later, one at whose connection answers pile up isn't heard until they are
 * out. So what an ordinary user makes us keep is bounded, and so is the time
 * that is left to root and to the network.
 */
#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "daemon/confirm.h"

#define CONNECTIONS_MAX 128		/* of all who aren't root */
#define CONNECTIONS_USER 16		/* of one of them */
#define ACCOUNTS_MAX 1024
#define REQUEST_MAX_OTHERS 65536u	/* one line of somebody who isn't root */
#define REQUEST_PRICE (50 * MONO_MS)	/* so often may one user ask in the long run … */
#define REQUEST_CREDIT (2 * MONO_S)	/* … after as many at once as this is worth */
#define ATTACH_PRICE (200 * MONO_MS)
#define UP_PATIENCE (10 * MONO_S)

/* ---- connections ---- */

static void close_sent(struct conn *c)
{
	while (c->n_out_fds > 0)
		(void)close(c->out_fds[--c->n_out_fds]);
}

static void conn_free(struct conn *c)
{
	struct daemon_main *d = c->d;

	if (c->prev)
		c->prev->next = c->next;
	else
		d->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (d->progress_to == c)
		d->progress_to = NULL;
	if (c->account)
		c->account->n_conns--;
	close_sent(c);
	loop_del(&c->src);
	json_decref(c->waiter.answer);
	control_free(c->control);
	free(c);
}

/* Heard only while nothing waits to be written, and while its user has credit. */
static void conn_listen(struct conn *c)
{
	(void)loop_set_events(&c->src, c->control->out_len > 0 ? EPOLLOUT : c->held ? 0 : EPOLLIN);
}

/* What can't be written at once is written when the peer reads; one that never does loses only its own answer. */
static void conn_flush(struct conn *c)
{
	int r = control_flush(c->control);

	if (r < 0)
		c->closing = true;
	if (r != 0)
		close_sent(c);
	conn_listen(c);
}

static void say(struct conn *c, const json_t *o, const int *fds, size_t n_fds)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text)
		control_queue(c->control, text, strlen(text), fds, n_fds);
	free(text);
	conn_flush(c);
}

/* The last word to a request: the answer with warnings, or the errors. Steals @answer. */
static void finish(struct conn *c, json_t *answer, struct report *report, const int *fds, size_t n_fds)
{
	if (report_n_errors(report) > 0) {
		json_decref(answer);
		answer = report_json(report);
	} else {
		(void)json_object_set_new(answer, "version", json_integer(CTL_VERSION));
		if (report_n(report) > 0) {
			json_t *notes = report_json(report);

			(void)json_object_set(answer, "warnings", json_object_get(notes, "errors"));
			json_decref(notes);
		}
	}
	(void)json_object_set_new(answer, "final", json_true());
	say(c, answer, fds, n_fds);
	json_decref(answer);
}

void answer_progress(struct daemon_main *d, size_t done, size_t n, const struct op *op)
{
	if (!d->progress_to)
		return;
	json_t *o = json_pack("{s:i, s:{s:i, s:i, s:s, s:s, s:s}}", "version", CTL_VERSION, "progress", "done", (int)done,
			      "of", (int)n, "object", op->object, "what", op->what, "action", op_action_name[op->action]);

	say(d->progress_to, o, NULL, 0);
	json_decref(o);
}

void answer_plan(struct daemon_main *d, const struct plan *plan)
{
	if (!d->progress_to)
		return;
	json_t *networks = json_array();

	for (size_t i = 0; i < plan->n_results; i++) {
		const struct plan_result *r = &plan->results[i];
		const struct net *net = networks_find(d, r->name);

		if (net && net->d && !net->leaving)
			(void)json_array_append_new(networks, json_pack("{s:s, s:s, s:s}", "name", r->name, "mode",
									net_mode_name[net->d->mode], "uplink",
									r->uplink4[0] ? r->uplink4 : r->uplink6));
	}
	json_t *o = json_pack("{s:i, s:{s:o, s:o}}", "version", CTL_VERSION, "progress", "changes", ops_json(plan->ops),
			      "networks", networks);

	say(d->progress_to, o, NULL, 0);
	json_decref(o);
}

/* ---- requests ---- */

/* A daemon that `up` started ends with its last network; a service manager's stays. */
bool answer_is_idle(const struct daemon_main *d)
{
	return !d->nets && !follow_is_busy(d) && !getenv("NOTIFY_SOCKET");
}

static void answer_up(struct conn *c, const struct ctl_request *req, struct report *report)
{
	struct daemon_main *d = c->d;
	json_t *changes = NULL;

	networks_settle(d);
	d->progress_to = req->what == CTL_UP ? c : NULL;
	int r = networks_up(d, req, report, req->what == CTL_PLAN, &changes);
	d->progress_to = NULL;
	if (r == 0 && req->what == CTL_UP)
		forwards_settle(d);
	if (r == 0 && req->what == CTL_UP)
		follow_networks_changed(d);
	bool adopted = r == 0 && req->what == CTL_UP && req->has_adopts && adopt_add(d, req);
	json_t *answer = json_object();

	if (changes) {
		(void)json_object_set_new(answer, "changed", json_boolean(adopted || json_array_size(changes) > 0));
		(void)json_object_set_new(answer, "changes", changes);
	}
	if (r == 0 && d->confirm && req->what == CTL_UP)
		(void)json_object_set_new(answer, "confirm", json_integer(confirm_left(d, mono_now())));
	if (r != 0 || req->what == CTL_PLAN || !req->wait || networks_ready(d)) {
		c->quit_after = r != 0 && req->what == CTL_UP && answer_is_idle(d);
		if (r == 0 && req->what == CTL_UP)
			(void)json_object_set_new(answer, "networks", status_networks_json(d, req));
		finish(c, answer, report, NULL, 0);
		return;
	}
	/* Answered by answer_check_waiters() once the engine serves; warnings come along. */
	if (report_n(report) > 0) {
		json_t *notes = report_json(report);

		(void)json_object_set(answer, "warnings", json_object_get(notes, "errors"));
		json_decref(notes);
	}
	c->waiter.answer = answer;
	c->waiter.brief = req->brief;
	c->waiter.deadline = mono_add(mono_now(), UP_PATIENCE);
	(void)loop_timer_set(d->loop, &d->soon, mono_min(c->waiter.deadline, d->soon.source ? d->soon.deadline : MONO_NEVER));
}

void answer_check_waiters(struct daemon_main *d, mono_t now)
{
	bool ready = networks_ready(d);

	for (struct conn *c = d->conns; c; c = c->next) {
		_cleanup_(report_freep) struct report *report = report_new();

		if (!c->waiter.answer || (!ready && now < c->waiter.deadline))
			continue;
		if (!ready)
			report_help(report_error(report, "sixtapd", "the network is set up, but its services did not start in time"),
				    "see %s/sixtapd.log, or journalctl -u sixtapd", d->conf.run_dir);
		json_t *answer = c->waiter.answer;
		c->waiter.answer = NULL;
		(void)json_object_set_new(answer, "networks", status_networks_json(d, &(struct ctl_request){ .brief = c->waiter.brief }));
		finish(c, answer, report, NULL, 0);
		c->held = true;		/* what else it asked is heard now */
		(void)loop_timer_set(d->loop, &d->patience, now);
	}
}

static void answer_down(struct conn *c, const struct ctl_request *req, struct report *report)
{
	json_t *changes = NULL, *answer = json_object();

	c->d->progress_to = c;
	int r = networks_down(c->d, req, report, &changes);
	if (r == 0)
		follow_networks_changed(c->d);
	if (r == 0 && req->n_networks == 0 && req->quit && follow_is_busy(c->d)) {
		(void)json_object_set_new(answer, "released", follow_adopted_json(c->d));
		adopt_drop_all(c->d);
	}
	c->d->progress_to = NULL;
	if (r == 0)
		forwards_settle(c->d);

	if (changes) {
		(void)json_object_set_new(answer, "changed", json_boolean(json_array_size(changes) > 0));
		(void)json_object_set_new(answer, "changes", changes);
	}
	(void)json_object_set_new(answer, "networks", status_networks_json(c->d, req));
	c->quit_after = r == 0 && req->quit && answer_is_idle(c->d);
	finish(c, answer, report, NULL, 0);
}

static void answer_attach(struct conn *c, const struct ctl_request *req, struct report *report)
{
	struct guest *g = NULL;
	int fds[CTL_QUEUES_MAX + 2];
	json_t *answer = json_object();
	size_t n = 0;

	if (guests_attach(c->d, &req->attach, c->control, report, &g, fds, &n) != 0) {
		finish(c, answer, report, NULL, 0);
		return;
	}
	const struct plan_result *r = networks_result(c->d, g->network);

	(void)json_object_set_new(answer, "device", json_string(g->device));
	(void)json_object_set_new(answer, "mac", json_string(MAC_STR(&g->mac)));
	(void)json_object_set_new(answer, "mtu", json_integer(r && r->mtu ? r->mtu : 1500));
	(void)json_object_set_new(answer, "queues", json_integer(req->attach.queues));
	/* Ours must go once they are out, or the tap would outlive the guest; until then they must stay. */
	(void)json_object_set_new(answer, "alive", json_boolean(g->macvtap));
	(void)json_object_set_new(answer, "monitor", json_boolean(g->monitor));
	memcpy(c->out_fds, fds, n * sizeof(*fds));
	c->n_out_fds = n;
	finish(c, answer, report, fds, n);
}

static void answer_adopt(struct conn *c, const struct ctl_request *req, struct report *report)
{
	struct daemon_main *d = c->d;
	json_t *answer = json_object();
	bool changed = false;

	if (req->what == CTL_ADOPT)
		changed = adopt_add(d, req);
	else
		(void)adopt_release(d, req->subjects, req->n_subjects, report, &changed);
	(void)json_object_set_new(answer, "changed", json_boolean(changed));
	(void)json_object_set_new(answer, "adopted", follow_adopted_json(d));
	c->quit_after = req->what == CTL_RELEASE && answer_is_idle(d);
	finish(c, answer, report, NULL, 0);
}

static void answer_confirm(struct conn *c, struct report *report)
{
	if (c->d->confirm)
		log_event(LOG_LEVEL_INFO, "confirmed");
	else
		report_help(report_error(report, "confirm", "nothing waits to be confirmed"),
			    "either it was confirmed already, or everything was put back; see sixtap status");
	confirm_end(c->d);
	finish(c, json_pack("{s:b}", "confirmed", 1), report, NULL, 0);
}

/* Names in a question about networks: each has to be up. */
static bool all_up(struct daemon_main *d, const struct ctl_request *req, struct report *report)
{
	for (size_t i = 0; i < req->n_networks; i++)
		if (!networks_find(d, req->networks[i]))
			report_help(report_error(report, req->networks[i], "no network of that name is up"),
				    "sixtap status lists them");
	return report_n_errors(report) == 0;
}

static void answer_one(struct conn *c, const struct ctl_request *req, struct report *report)
{
	struct daemon_main *d = c->d;
	json_t *answer;

	switch (req->what) {
	case CTL_HELLO:
		answer = json_pack("{s:o}", "daemon", status_daemon_json(d));
		finish(c, answer, report, NULL, 0);
		return;
	case CTL_PLAN:
	case CTL_UP:
		answer_up(c, req, report);
		return;
	case CTL_DOWN:
		answer_down(c, req, report);
		return;
	case CTL_STATUS:
		answer = json_pack("{s:o, s:o}", "daemon", status_daemon_json(d), "networks", status_networks_json(d, req));
		if (follow_is_busy(d) && req->n_networks == 0)
			(void)json_object_set_new(answer, "adopted", follow_adopted_json(d));
		finish(c, answer, report, NULL, 0);
		return;
	case CTL_LEASES:
		answer = all_up(d, req, report) ? status_leases_json(d, req, c->control->uid == 0) : json_array();
		finish(c, json_pack("{s:o}", "leases", answer), report, NULL, 0);
		return;
	case CTL_ATTACH:
		answer_attach(c, req, report);
		return;
	case CTL_FORWARDS:
		answer = all_up(d, req, report) ? forwards_json(d, req) : json_array();
		finish(c, json_pack("{s:o}", "forwards", answer), report, NULL, 0);
		return;
	case CTL_FORWARD_ADD:
	case CTL_FORWARD_DEL:
		answer = (req->what == CTL_FORWARD_ADD ? forwards_add : forwards_del)(d, req, report);
		finish(c, answer ? answer : json_object(), report, NULL, 0);
		return;
	case CTL_ADOPT:
	case CTL_RELEASE:
		answer_adopt(c, req, report);
		return;
	case CTL_CONFIRM:
		answer_confirm(c, report);
		return;
	case CTL_QUIT:
		c->quit_after = true;
		finish(c, json_object(), report, NULL, 0);
		return;
	case CTL_DO_N_:
		break;
	}
}

static void hear(struct conn *c, const char *line, size_t len)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(ctl_request_freep) struct ctl_request *req = NULL;

	if (ctl_parse(line, len, report, &req) != 0) {
		finish(c, json_object(), report, NULL, 0);
		c->closing = true;
		return;
	}
	if (ctl_needs_root(req->what) && c->control->uid != 0) {
		struct finding *f = report_error(report, ctl_do_name[req->what], "only root may do that");

		report_help(f, "use sudo");
		finish(c, json_object(), report, NULL, 0);
		return;
	}
	if (c->account && req->what == CTL_ATTACH)
		c->account->busy_until += ATTACH_PRICE - REQUEST_PRICE;
	log_event(LOG_LEVEL_DEBUG, "request do=%s uid=%d pid=%d", ctl_do_name[req->what], (int)c->control->uid,
		  (int)c->control->pid);
	answer_one(c, req, report);
}

int answer_quit(struct daemon_main *d)
{
	const struct monitor_msg msg = { .type = MONITOR_QUIT };

	if (write(d->monitor_src.fd, &msg, sizeof(msg)) < 0 || d->monitor_gone)
		loop_stop(d->loop, 0);
	return 0;
}

/* Take what came, as far as the connection's user has credit and takes the answers. */
static void conn_serve(struct conn *c, mono_t now)
{
	struct account *a = c->account;
	const char *line;
	size_t len;

	c->held = false;
	while (!c->closing && !c->quit_after && c->control->out_len == 0 && !c->waiter.answer) {
		if (a && a->busy_until > now + REQUEST_CREDIT) {
			mono_t at = a->busy_until - REQUEST_CREDIT;

			c->held = true;
			(void)loop_timer_set(c->d->loop, &c->d->patience,
					     c->d->patience.source ? mono_min(at, c->d->patience.deadline) : at);
			break;
		}
		line = control_line(c->control, &len);
		if (!line)
			break;
		if (a)
			a->busy_until = (a->busy_until > now ? a->busy_until : now) + REQUEST_PRICE;
		hear(c, line, len);
	}
	conn_listen(c);
}

static int on_patience(struct loop_timer *timer, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(timer, struct daemon_main, patience);

	for (struct conn *c = d->conns, *next; c; c = next) {
		next = c->next;
		if (c->held)
			conn_serve(c, now);
		if (c->closing)
			conn_free(c);
	}
	return 0;
}

static void too_long(struct conn *c)
{
	_cleanup_(report_freep) struct report *report = report_new();

	report_error(report, "request", "is longer than %zu bytes", c->control->in_max)->exit_status = 2;
	finish(c, json_object(), report, NULL, 0);
}

static int on_conn(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct conn *c = CONTAINER_OF(src, struct conn, src);
	struct daemon_main *d = c->d;

	if (events & EPOLLOUT)
		conn_flush(c);
	if (events & EPOLLIN) {
		int r = control_read(c->control);

		if (r == -EAGAIN)
			return 0;
		if (r == -EMSGSIZE)
			too_long(c);
		if (r <= 0) {
			conn_free(c);
			return 0;
		}
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		c->closing = true;
	}
	conn_serve(c, now);
	if (c->quit_after && c->control->out_len == 0)
		return answer_quit(d);
	if (c->closing)
		conn_free(c);
	return 0;
}

/* The user's account, or NULL when so many ask that even those are too many. */
static struct account *account_of(struct daemon_main *d, uid_t uid, mono_t now)
{
	struct account *a = NULL, *next;

	HASH_FIND(hh, d->accounts, &uid, sizeof(uid), a);
	if (a)
		return a;
	HASH_ITER(hh, d->accounts, a, next) {
		if (a->n_conns > 0 || a->busy_until > now)
			continue;
		HASH_DEL(d->accounts, a);
		free(a);
	}
	if (HASH_COUNT(d->accounts) >= ACCOUNTS_MAX)
		return NULL;
	a = NEW(struct account);
	a->uid = uid;
	HASH_ADD(hh, d->accounts, uid, sizeof(a->uid), a);
	return a;
}

static size_t count_others(const struct daemon_main *d)
{
	size_t n = 0;

	for (const struct account *a = d->accounts; a; a = a->hh.next)
		n += a->n_conns;
	return n;
}

static void turn_away(struct control *control)
{
	static const char sorry[] = "{\"version\":1,\"errors\":[{\"key\":\"sixtapd\",\"what\":\"you have too many connections\","
				    "\"help\":\"try again when another request is answered\"}],\"final\":true}";

	control_queue(control, sorry, sizeof(sorry) - 1, NULL, 0);
	(void)control_flush(control);	/* a fresh socket has room */
	control_free(control);
}

static int on_listen(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(src, struct daemon_main, listen_src);
	struct control *control;

	(void)events;
	for (int i = 0; i < 16 && control_accept(&control, src->fd, CTL_REQUEST_MAX) == 0; i++) {
		struct account *a = NULL;

		if (control->uid != 0) {	/* root always gets through */
			control->in_max = REQUEST_MAX_OTHERS;
			a = account_of(d, control->uid, now);
			if (!a || a->n_conns >= CONNECTIONS_USER || count_others(d) >= CONNECTIONS_MAX) {
				turn_away(control);
				continue;
			}
			a->n_conns++;
		}
		struct conn *c = NEW(struct conn);
		c->d = d;
		c->control = control;
		c->account = a;
		c->src = (struct loop_fd){ .name = "request", .fn = on_conn, .fd = control->fd };
		c->next = d->conns;
		if (d->conns)
			d->conns->prev = c;
		d->conns = c;
		if (loop_add(d->loop, &c->src, EPOLLIN) < 0)
			conn_free(c);
	}
	return 0;
}

int answer_listen(struct daemon_main *d, int listen_fd)
{
	d->patience.fn = on_patience;
	d->listen_src = (struct loop_fd){ .name = "control", .fn = on_listen, .fd = listen_fd };
	return loop_add(d->loop, &d->listen_src, EPOLLIN);
}
