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
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "daemon/confirm.h"
#include "daemon/drain.h"
#include "daemon/repair.h"

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

/* ---- status ---- */

static json_t *text_or_skip(json_t *to, const char *key, const char *s)
{
	if (s && *s)
		(void)json_object_set_new(to, key, json_string(s));
	return to;
}

static json_t *seconds_left(const struct lease *lease, mono_t now)
{
	return json_integer(lease->expires > now ? (json_int_t)((lease->expires - now) / MONO_S) : 0);
}

static void add_address(json_t *guest, const struct ip *ip, const char *kind, const struct holder *h, mono_t now)
{
	const char *list_name = ip->family == AF_INET ? "ipv4" : "ipv6";
	json_t *list = json_object_get(guest, list_name), *details = json_object_get(guest, "addresses"), *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (str_eq(json_string_value(item), IP_STR(ip)))
			return;
	(void)json_array_append_new(list, json_string(IP_STR(ip)));
	json_t *o = json_pack("{s:s, s:s}", "address", IP_STR(ip), "kind", kind);

	if (h && h->is_lease && h->lease.expires != MONO_NEVER)
		(void)json_object_set_new(o, "expires", seconds_left(&h->lease, now));
	(void)json_array_append_new(details, o);
}

static const char *kind_of(const struct holder *h)
{
	if (h->is_lease)
		return "lease";
	return h->key.ip.family == AF_INET6 && ip6_is_eui64(&h->key.ip.v6, &h->neighbour.mac) ? "slaac" : "seen";
}

static json_t *guest_new_json(const char *name, const struct mac *mac, const char *device, const char *state)
{
	json_t *o = json_pack("{s:s}", "name", name);

	if (!mac_is_zero(mac))
		(void)json_object_set_new(o, "mac", json_string(MAC_STR(mac)));
	text_or_skip(o, "device", device);
	(void)json_object_set_new(o, "state", json_string(state));
	for (size_t i = 0; i < 4; i++)
		(void)json_object_set_new(o, (const char *const[]){ "ipv4", "ipv6", "addresses", "forwards" }[i], json_array());
	return o;
}

/*
 * The guests of a network as they are listed, and the same by name and by MAC: there may be as many of them
 * as there are leases, and main answers nobody else meanwhile.
 */
struct guest_list {
	json_t *list, *by_name, *by_mac;
};

static void list_guest(struct guest_list *l, const char *name, const struct mac *mac, json_t *o)
{
	if (!json_object_get(l->by_name, name))
		(void)json_object_set(l->by_name, name, o);
	if (!mac_is_zero(mac) && !json_object_get(l->by_mac, MAC_STR(mac)))
		(void)json_object_set(l->by_mac, MAC_STR(mac), o);
	(void)json_array_append_new(l->list, o);
}

/* Places in d->guests by name, of those in one network. */
static json_t *running_guests(const struct daemon_main *d, const char *network)
{
	json_t *o = json_object();

	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network))
			(void)json_object_set_new(o, d->guests[i]->name, json_integer((json_int_t)i));
	return o;
}

static void add_forwards(const struct guest_list *l, const struct plan_result *result)
{
	for (size_t i = 0; result && i < result->n_forwards; i++) {
		const struct plan_forward *f = &result->forwards[i];
		json_t *guest = json_object_get(l->by_name, f->guest->name);

		if (!guest)
			continue;
		json_t *o = json_pack("{s:s, s:s}", "spec", f->forward->spec, "state", f->active ? "active" : "waiting");

		if (f->forward->runtime)
			(void)json_object_set_new(o, "runtime", json_true());
		(void)json_array_append_new(json_object_get(guest, "forwards"), o);
	}
}

/* A guest on the LAN itself: what is seen of it at its macvtap. */
static void add_followed(const struct daemon_main *d, const struct guest *g, json_t *o, mono_t now)
{
	json_t *followed = follow_guest_json(d, g->ifindex), *list, *item;
	struct ip ip;
	size_t i;

	if (!followed)
		return;
	for (int family = 4; family <= 6; family += 2) {
		list = json_object_get(followed, family == 4 ? "ipv4" : "ipv6");
		json_array_foreach(list, i, item)
			if (ip_parse(json_string_value(item), &ip))
				add_address(o, &ip, ip.family == AF_INET6 && ip6_is_eui64(&ip.v6, &g->mac) ? "slaac" : "seen", NULL,
					    now);
	}
	for (i = 0; i < 4; i++)
		(void)json_object_del(followed, (const char *const[]){ "device", "mac", "ipv4", "ipv6" }[i]);
	(void)json_object_set_new(o, "macvtap", followed);
}

static json_t *guests_json(const struct daemon_main *d, const struct net *net, mono_t now)
{
	const struct plan_result *result = networks_result(d, net->name);
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct d_network *n = network_with_guests(net->d, d->guests, d->n_guests, arena);
	struct guest_list l = { json_array(), json_object(), json_object() };
	json_t *places = running_guests(d, net->name);
	uint32_t bridge = if_nametoindex(net->d->bridge);

	for (size_t i = 0; i < n->n_guests; i++) {
		const json_t *place = json_object_get(places, n->guests[i].name);
		const struct guest *running = place ? d->guests[json_integer_value(place)] : NULL;
		json_t *o = guest_new_json(n->guests[i].name, &n->guests[i].mac, running ? running->device : NULL,
					   running ? "attached" : "declared");

		text_or_skip(o, "user", running ? running->user : NULL);

		for (size_t k = 0; k < n->guests[i].n_ips; k++)
			add_address(o, &n->guests[i].ips[k], "declared", NULL, now);
		if (running && running->macvtap)
			add_followed(d, running, o, now);
		list_guest(&l, n->guests[i].name, &n->guests[i].mac, o);
	}
	json_decref(places);
	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		const struct mac *mac = h->is_lease ? &h->lease.mac : &h->neighbour.mac;

		if (!str_eq(h->key.network, net->name))
			continue;
		json_t *o = json_object_get(l.by_mac, MAC_STR(mac));
		if (!o) {	/* somebody we didn't start; known by the name it gave, or by its address */
			const char *name = h->is_lease && h->lease.hostname[0] ? h->lease.hostname : MAC_STR(mac);

			o = guest_new_json(name, mac, NULL, "away");
			list_guest(&l, name, mac, o);
		}
		if (!str_eq(json_string_value(json_object_get(o, "state")), "attached") &&
		    seats_has(d, bridge, mac))
			(void)json_object_set_new(o, "state", json_string("attached"));
		add_address(o, &h->key.ip, kind_of(h), h, now);
	}
	add_forwards(&l, result);
	json_decref(l.by_name);
	json_decref(l.by_mac);
	return l.list;
}

static json_t *ipv6_json(const struct plan_result *r)
{
	json_t *o = json_object(), *because = json_array();

	(void)json_object_set_new(o, "address", json_string(PREFIX_STR(&r->address6)));
	(void)json_object_set_new(o, "source", json_string(ip6_source_name[r->source6]));
	(void)json_object_set_new(o, "nat", json_boolean(r->nat6));
	for (size_t i = 0; i < r->n_because; i++)
		(void)json_array_append_new(because, json_string(r->because[i]));
	(void)json_object_set_new(o, "because", because);
	return o;
}

/* Its guests' devices sit on the uplink; one of its own it has only for the host. */
static void macvtap_json(json_t *network, const struct d_network *d)
{
	json_t *o = json_pack("{s:s, s:s}", "mode", macvtap_mode_name[d->macvtap.mode], "multicast",
			      macvtap_multicast_name[d->macvtap.multicast]);

	(void)json_object_set_new(o, "host_access", json_boolean(d->host_access == HOST_ACCESS_YES));
	(void)json_object_set_new(network, "macvtap", o);
	text_or_skip(network, "device", d->host_access == HOST_ACCESS_YES ? d->bridge : NULL);
}

static json_t *network_json(const struct daemon_main *d, const struct net *net, mono_t now, bool brief)
{
	const struct plan_result *r = networks_result(d, net->name);
	char fight[256];
	const char *troubles[] = { d->trouble, net->stuck, net->trouble, r ? r->blocked : NULL,
				   repair_trouble(d, net->name, now, fight) };
	bool degraded = !r || (r->service && (net->sent_hash == 0 || net->sent_hash != net->ready_hash));
	json_t *said = json_array();

	for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
		if (troubles[i] && *troubles[i])
			(void)json_array_append_new(said, json_string(troubles[i]));
	degraded = degraded || json_array_size(said) > 0;
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", net->name, "mode", net_mode_name[net->d->mode], "state",
			      degraded ? "degraded" : "up");

	if (net->d->mode != NET_MODE_MACVTAP)
		text_or_skip(o, "device", net->d->bridge);
	else
		macvtap_json(o, net->d);

	if (r) {
		text_or_skip(o, "uplink", r->uplink4[0] ? r->uplink4 : r->uplink6);
		text_or_skip(o, "uplink6", r->uplink6[0] && !str_eq(r->uplink4, r->uplink6) ? r->uplink6 : NULL);
		if (ip_is_set(&r->address4.ip))
			(void)json_object_set_new(o, "ipv4", json_pack("{s:s}", "address", PREFIX_STR(&r->address4)));
		if (ip_is_set(&r->address6.ip))
			(void)json_object_set_new(o, "ipv6", ipv6_json(r));
	}
	json_t *draining = drain_json(d, net, now);
	if (draining)
		(void)json_object_set_new(o, "draining", draining);
	if (json_array_size(said) > 0)
		(void)json_object_set(o, "troubles", said);
	json_decref(said);
	if (!brief)
		(void)json_object_set_new(o, "guests", guests_json(d, net, now));
	return o;
}

static bool wanted(const struct ctl_request *req, const char *name)
{
	for (size_t i = 0; i < req->n_networks; i++)
		if (str_eq(req->networks[i], name))
			return true;
	return req->n_networks == 0;
}

static int by_name(struct net *a, struct net *b)
{
	return strcmp(a->name, b->name);
}

static json_t *networks_json(struct daemon_main *d, const struct ctl_request *req)
{
	mono_t now = mono_now();
	json_t *list = json_array();

	HASH_SORT(d->nets, by_name);
	if (!req->brief)
		seats_learn(d);
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->d && !net->leaving && wanted(req, net->name))
			(void)json_array_append_new(list, network_json(d, net, now, req->brief));
	return list;
}

static json_t *daemon_json(const struct daemon_main *d)
{
	json_t *o = json_pack("{s:i, s:f, s:s, s:b}", "pid", (int)d->conf.ends.monitor_pid, "uptime",
			      (double)((mono_now() - d->started) / MONO_MS) / 1000.0, "release", SIXTAP_VERSION, "unwatched",
			      d->monitor_gone);

	(void)json_object_set_new(o, "processes", json_pack("{s:i, s:i, s:i, s:i}", "monitor",
							    (int)d->conf.ends.monitor_pid, "main", (int)getpid(), "engine",
							    (int)d->engine.pid, "resolver", (int)d->resolver.pid));
	if (d->confirm)
		(void)json_object_set_new(o, "confirm", json_integer(confirm_left(d, mono_now())));
	return o;
}

/* Client ids are for root: with one, and the MAC, a guest could ask for another's lease. */
static json_t *leases_json(const struct daemon_main *d, const struct ctl_request *req, bool root)
{
	mono_t now = mono_now();
	json_t *list = json_array();

	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		char hex[CLIENT_ID_MAX * 2 + 1] = "";

		if (!h->is_lease || !wanted(req, h->key.network))
			continue;
		const char *name = serve_guest_name(d, h->key.network, &h->lease.mac);
		json_t *o = json_pack("{s:s, s:s, s:s}", "network", h->key.network, "mac", MAC_STR(&h->lease.mac), "address",
				      IP_STR(&h->key.ip));

		text_or_skip(o, "guest", *name ? name : h->lease.hostname);
		(void)json_object_set_new(o, "expires", seconds_left(&h->lease, now));
		for (size_t i = 0; root && i < h->lease.client.len; i++)
			(void)snprintf(hex + i * 2, 3, "%02x", h->lease.client.b[i]);
		text_or_skip(o, h->key.ip.family == AF_INET ? "client_id" : "duid", hex);
		if (h->key.ip.family == AF_INET6)
			(void)json_object_set_new(o, "iaid", json_integer(h->lease.iaid));
		(void)json_array_append_new(list, o);
	}
	return list;
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
			(void)json_object_set_new(answer, "networks", networks_json(d, req));
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
		(void)json_object_set_new(answer, "networks", networks_json(d, &(struct ctl_request){ .brief = c->waiter.brief }));
		finish(c, answer, report, NULL, 0);
		c->held = true;		/* what else it asked is heard now */
		(void)loop_timer_set(d->loop, &d->patience, now);
	}
}

static void answer_down(struct conn *c, const struct ctl_request *req, struct report *report)
{
	json_t *changes = NULL, *answer = json_object();

	json_t *not_up = json_array();
	for (size_t i = 0; i < req->n_networks; i++)
		if (!networks_find(c->d, req->networks[i]))
			(void)json_array_append_new(not_up, json_string(req->networks[i]));
	(void)json_object_set_new(answer, "not_up", not_up);
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
	(void)json_object_set_new(answer, "networks", networks_json(c->d, req));
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

static void answer_one(struct conn *c, const struct ctl_request *req, struct report *report)
{
	struct daemon_main *d = c->d;
	json_t *answer;

	switch (req->what) {
	case CTL_HELLO:
		answer = json_pack("{s:o}", "daemon", daemon_json(d));
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
		answer = json_pack("{s:o, s:o}", "daemon", daemon_json(d), "networks", networks_json(d, req));
		if (follow_is_busy(d) && req->n_networks == 0)
			(void)json_object_set_new(answer, "adopted", follow_adopted_json(d));
		finish(c, answer, report, NULL, 0);
		return;
	case CTL_LEASES:
		finish(c, json_pack("{s:o}", "leases", leases_json(d, req, c->control->uid == 0)), report, NULL, 0);
		return;
	case CTL_ATTACH:
		answer_attach(c, req, report);
		return;
	case CTL_FORWARDS:
		finish(c, json_pack("{s:o}", "forwards", forwards_json(d, req)), report, NULL, 0);
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
