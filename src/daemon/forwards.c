/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forwards - port forwards that are added and taken away while a network is up
 *
 * They are a guest's by its name, so they outlive its runs; they have a record
 * each, so they outlive main; `down` and a reboot end them. When the file
 * declares the same forward, the live one has done its duty and is dropped.
 *
 * One more or less for a guest that has others is a few elements in nftables,
 * which are changed at once; everything is compared with the kernel a little
 * later, however many came meanwhile. Otherwise it is a plan like any other.
 */
#include "daemon/state.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "conf/forward.h"
#include "kern/observe.h"
#include "kern/records.h"

#define RECORD_FORWARD "forward"
#define LIVE_MAX 65536u
#define CHECK_AFTER (500 * MONO_MS)

int forwards_parse(const char *spec, struct arena *arena, struct d_forward *ret, struct report *report)
{
	struct forward_fault fault;

	if (forward_parse(spec, arena, ret, &fault)) {
		ret->runtime = true;
		return 0;
	}
	struct finding *wrong = report_error(report, spec, "%s", fault.what);

	report_help(wrong, "%s", fault.help);
	wrong->exit_status = 2;
	return 1;
}

/* ---- the list and its records ---- */

/* Where it is or belongs; @ret_found: which of the two. */
static size_t place(const struct daemon_main *d, const struct live_forward *f, bool *ret_found)
{
	size_t low = 0, high = d->n_forwards;

	*ret_found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = live_forward_cmp(d->forwards[mid], f);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void insert(struct daemon_main *d, size_t at, struct live_forward *f)
{
	GROW(d->forwards, d->n_forwards, d->cap_forwards);
	memmove(d->forwards + at + 1, d->forwards + at, (d->n_forwards - at) * sizeof(*d->forwards));
	d->forwards[at] = f;
	d->n_forwards++;
}

static struct live_forward *take_out(struct daemon_main *d, size_t at)
{
	struct live_forward *f = d->forwards[at];

	d->n_forwards--;
	memmove(d->forwards + at, d->forwards + at + 1, (d->n_forwards - at) * sizeof(*d->forwards));
	return f;
}

static char *record_key(const struct live_forward *f)
{
	return xasprintf("%s/%s %s", f->network, f->guest, f->forward.spec);
}

static int record(struct daemon_main *d, const struct live_forward *f)
{
	_cleanup_(freep) char *key = record_key(f);
	json_t *o = json_pack("{s:s, s:s, s:s, s:b}", "network", f->network, "guest", f->guest, "spec", f->forward.spec, "force",
			      f->forward.force);
	int r = o ? record_put(d->records, RECORD_FORWARD, key, o) : -EINVAL;

	json_decref(o);
	return r;
}

static void drop(struct daemon_main *d, struct live_forward *f)
{
	_cleanup_(freep) char *key = record_key(f);

	(void)record_del(d->records, RECORD_FORWARD, key);
	live_forward_free(f);
}

static int restore(void *user, const char *key, const json_t *value)
{
	struct daemon_main *d = user;
	_cleanup_(report_freep) struct report *report = report_new();
	const char *network = json_string_value(json_object_get(value, "network"));
	const char *guest = json_string_value(json_object_get(value, "guest"));
	const char *spec = json_string_value(json_object_get(value, "spec"));
	_cleanup_(live_forward_freep) struct live_forward *f = live_forward_new(network, guest);
	bool found;

	if (!network || !guest || !spec || forwards_parse(spec, f->arena, &f->forward, report) != 0) {
		log_event(LOG_LEVEL_ERROR, "record-unreadable forward=\"%s\"", key);
		return 0;
	}
	f->forward.force = json_is_true(json_object_get(value, "force"));
	size_t at = place(d, f, &found);
	if (!found && d->n_forwards < LIVE_MAX)
		insert(d, at, STEAL_PTR(f));
	return 0;
}

int forwards_restore(struct daemon_main *d)
{
	return record_each(d->records, RECORD_FORWARD, restore, d);
}

/* ---- what they mean for others ---- */

struct d_network *forwards_overlay(const struct daemon_main *d, const struct d_network *network, struct arena *arena)
{
	struct d_network *n = network_with_guests(network, d->guests, d->n_guests, arena);

	network_add_forwards(n, d->forwards, d->n_forwards, arena);
	return n;
}

bool forwards_has_guest(const struct daemon_main *d, const char *network, const char *guest)
{
	for (size_t i = 0; i < d->n_forwards; i++)
		if (str_eq(d->forwards[i]->network, network) && str_eq(d->forwards[i]->guest, guest))
			return true;
	return false;
}

static const struct d_forward *declared(const struct net *net, const char *guest, const struct d_forward *f)
{
	const struct d_guest *g = net && net->d ? desired_guest(net->d, guest) : NULL;

	for (size_t i = 0; g && i < g->n_forwards; i++)
		if (forward_is_same(&g->forwards[i], f))
			return &g->forwards[i];
	return NULL;
}

void forwards_settle(struct daemon_main *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_forwards; i++) {
		struct live_forward *f = d->forwards[i];
		const struct net *net = networks_find(d, f->network);

		if (!net || declared(net, f->guest, &f->forward))
			drop(d, f);
		else
			d->forwards[n++] = f;
	}
	d->n_forwards = n;
}

/* Are there packets that both are for, and nothing that says whose they are? */
static bool collides(const struct d_forward *a, const struct d_forward *b, bool strict)
{
	return forward_conflicts(a, b) && (strict || (a->host.family == b->host.family && ip_eq(&a->host, &b->host)));
}

int forwards_check(const struct daemon_main *d, const struct d_forward *f, bool strict, struct report *report)
{
	for (size_t i = 0; d->plan && i < d->plan->n_results; i++) {
		const struct plan_result *r = &d->plan->results[i];

		for (size_t k = 0; k < r->n_forwards; k++) {
			const struct plan_forward *other = &r->forwards[k];

			if (!collides(other->forward, f, strict))
				continue;
			uint16_t port = f->host_first > other->forward->host_first ? f->host_first : other->forward->host_first;
			struct finding *e = report_error(report, f->spec, "port %u/%s is forwarded to %s/%s already", port,
							 f->proto == L4PROTO_UDP ? "udp" : "tcp", r->name, other->guest->name);

			report_help(e, "take another port");
			return 1;
		}
	}
	return 0;
}

/* ---- without a plan ---- */

/* The last plan's idea of the network, which is ours to keep up to date. */
static struct plan_result *result_of(struct daemon_main *d, const char *network)
{
	for (size_t i = 0; d->plan && i < d->plan->n_results; i++)
		if (str_eq(d->plan->results[i].name, network))
			return &d->plan->results[i];
	return NULL;
}

static bool host_listens(const struct net *net, const struct live_forward *f)
{
	_cleanup_(world_freep) struct world *world = world_new();
	struct d_guest guest = { .name = f->guest, .forwards = &f->forward, .n_forwards = 1 };
	const struct d_network network = { .name = net->name, .guests = &guest, .n_guests = 1 };
	const struct plan_target target = { net->name, &network, PLAN_WANT_UP };

	if (kern_observe_listeners(world) < 0)
		return true;
	for (size_t i = 0; i < world->n_listeners; i++)
		if (plan_listener_matters(&target, 1, &world->listeners[i]))
			return true;
	return false;
}

static bool carry_out(struct daemon_main *d, const struct plan_forward *f, bool add)
{
	_cleanup_(report_freep) struct report *unused = report_new();
	_cleanup_(ops_freep) struct ops *ops = plan_forward_ops(f, add);

	if (kern_apply(d->kern, ops, NULL, unused) != 0)
		return false;
	networks_reconcile_soon(d, CHECK_AFTER);
	return true;
}

/* Return: false when it takes a plan. */
static bool add_quickly(struct daemon_main *d, const struct net *net, const struct live_forward *f)
{
	struct plan_result *r = result_of(d, net->name);
	const struct plan_forward *sibling = NULL;

	for (size_t i = 0; r && !sibling && i < r->n_forwards; i++)
		if (r->forwards[i].active && !ip_is_set(&r->forwards[i].forward->host) && str_eq(r->forwards[i].guest->name, f->guest))
			sibling = &r->forwards[i];
	if (!sibling || host_listens(net, f))
		return false;
	struct plan_forward more = { .guest = sibling->guest, .forward = &f->forward };
	if (f->forward.host.family != AF_INET6)
		more.target4 = sibling->target4;
	if (f->forward.host.family != AF_INET)
		more.target6 = sibling->target6;
	more.active = ip_is_set(&more.target4) || ip_is_set(&more.target6);
	if (!more.active || !carry_out(d, &more, true))
		return false;
	ARENA_GROW(d->plan->ops->arena, r->forwards, r->n_forwards, r->cap_forwards);
	r->forwards[r->n_forwards++] = more;
	return true;
}

static bool del_quickly(struct daemon_main *d, const struct live_forward *f)
{
	struct plan_result *r = result_of(d, f->network);

	if (ip_is_set(&f->forward.host) || f->forward.n_from > 0)	/* others may share its port */
		return false;
	for (size_t i = 0; r && i < r->n_forwards; i++) {
		if (!str_eq(r->forwards[i].guest->name, f->guest) || !forward_is_same(r->forwards[i].forward, &f->forward))
			continue;
		if (!r->forwards[i].active || !carry_out(d, &r->forwards[i], false))
			return false;
		r->n_forwards--;
		memmove(&r->forwards[i], &r->forwards[i + 1], (r->n_forwards - i) * sizeof(*r->forwards));
		return true;
	}
	return false;
}

/* ---- add, del, list ---- */

static struct guest *running(const struct daemon_main *d, const char *network, const char *name)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network) && str_eq(d->guests[i]->name, name))
			return d->guests[i];
	return NULL;
}

static struct net *find_net(struct daemon_main *d, const char *name, struct report *report)
{
	struct net *net = networks_find(d, name);

	if (net && net->d && !net->leaving)
		return net;
	report_help(report_error(report, name, "isn't up"), "sudo sixtap up %s", name);
	return NULL;
}

/* The file is the command's business: it gets to know which one, and what we have of it. */
static void add_file(const struct daemon_main *d, const struct net *net, const char *guest, json_t *answer)
{
	const struct guest *g = running(d, net->name, guest);
	json_t *kept = NULL;

	(void)json_object_set_new(answer, "file", json_string(net->d->file));
	(void)json_object_set_new(answer, "source", json_string(net->d->source));
	if (record_get(d->records, "network", net->name, &kept) == 0 && json_is_string(json_object_get(kept, "text")))
		(void)json_object_set(answer, "text", json_object_get(kept, "text"));
	json_decref(kept);
	if (g && !desired_guest(net->d, guest))
		(void)json_object_set_new(answer, "mac", json_string(MAC_STR(&g->mac)));
}

static json_t *forward_json(const char *network, const struct plan_forward *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "network", network, "guest", f->guest->name, "spec", f->forward->spec,
			      "state", f->active ? "active" : "waiting");

	if (f->forward->runtime)
		(void)json_object_set_new(o, "runtime", json_true());
	if (ip_is_set(&f->target4))
		(void)json_object_set_new(o, "ipv4", json_string(IP_STR(&f->target4)));
	if (ip_is_set(&f->target6))
		(void)json_object_set_new(o, "ipv6", json_string(IP_STR(&f->target6)));
	return o;
}

/* Of what a plan came to; NULL: the guest is neither declared nor running. */
static json_t *planned_json(const struct daemon_main *d, const char *network, const char *guest, const struct d_forward *f)
{
	const struct plan_result *r = networks_result(d, network);

	for (size_t i = 0; r && i < r->n_forwards; i++)
		if (forward_is_same(r->forwards[i].forward, f) && str_eq(r->forwards[i].guest->name, guest))
			return forward_json(network, &r->forwards[i]);
	return NULL;
}

json_t *forwards_add(struct daemon_main *d, const struct ctl_request *req, struct report *report)
{
	const struct ctl_attach *a = &req->attach;
	struct net *net = find_net(d, a->network, report);
	_cleanup_(live_forward_freep) struct live_forward *f = live_forward_new(a->network, a->name);
	bool found;

	if (!net || forwards_parse(a->forwards[0], f->arena, &f->forward, report) != 0)
		return NULL;
	if (net->d->mode != NET_MODE_NAT) {
		report_help(report_error(report, a->network, "has no forwards: its mode is %s", net_mode_name[net->d->mode]),
			    "they need mode: nat");
		return NULL;
	}
	if (!desired_guest(net->d, a->name) && !running(d, a->network, a->name)) {
		report_help(report_error(report, a->name, "no guest of that name is declared on %s, and none runs", a->network),
			    "sixtap guests lists them");
		return NULL;
	}
	f->forward.force = req->force;
	json_t *answer = json_object(), *there = planned_json(d, a->network, a->name, &f->forward);
	size_t at = place(d, f, &found);

	(void)json_object_set_new(answer, "changed", json_boolean(!there && !found));
	if (!there && !found) {
		struct live_forward *added = f;

		if (d->n_forwards >= LIVE_MAX) {
			report_help(report_error(report, a->network, "%u forwards were added already", LIVE_MAX), "delete some");
			goto fail;
		}
		if (forwards_check(d, &f->forward, false, report) != 0)
			goto fail;
		insert(d, at, STEAL_PTR(f));
		int r = add_quickly(d, net, added) ? 0 : networks_reconcile(d, report, false, NULL);
		if (r == 0 && (r = record(d, added)) < 0)
			report_error(report, "run directory", "cannot keep the forward: %s", strerror(-r));
		if (r != 0) {
			_cleanup_(report_freep) struct report *unused = report_new();

			f = take_out(d, at);
			(void)networks_reconcile(d, unused, false, NULL);	/* so that no plan speaks of it any more */
			goto fail;
		}
		log_event(LOG_LEVEL_INFO, "forward-added network=%s guest=%s spec=%s", a->network, a->name, added->forward.spec);
		there = planned_json(d, a->network, a->name, &added->forward);
	}
	if (there)
		(void)json_object_set_new(answer, "forward", there);
	if (req->save)
		add_file(d, net, a->name, answer);
	return answer;
fail:
	json_decref(answer);
	return NULL;
}

/* One that `run --forward` brought. */
static bool del_of_run(struct daemon_main *d, const char *network, const char *name, const struct d_forward *f)
{
	struct guest *g = running(d, network, name);

	for (size_t i = 0; g && i < g->n_forwards; i++) {
		if (!forward_is_same(&g->forwards[i], f))
			continue;
		g->n_forwards--;
		memmove(&g->forwards[i], &g->forwards[i + 1], (g->n_forwards - i) * sizeof(*g->forwards));
		guests_record(d, g);
		return true;
	}
	return false;
}

json_t *forwards_del(struct daemon_main *d, const struct ctl_request *req, struct report *report)
{
	const struct ctl_attach *a = &req->attach;
	struct net *net = find_net(d, a->network, report);
	_cleanup_(live_forward_freep) struct live_forward *f = live_forward_new(a->network, a->name), *gone = NULL;
	bool found, was_run;

	if (!net || forwards_parse(a->forwards[0], f->arena, &f->forward, report) != 0)
		return NULL;
	const struct d_forward *own = declared(net, a->name, &f->forward);
	size_t at = place(d, f, &found);

	if (own && !req->save) {
		report_help(report_error(report, f->forward.spec, "is in %s:%u", net->d->file, own->where.line),
			    "--save takes it out there too, or edit the file and  sixtap up %s", a->network);
		return NULL;
	}
	if (found)
		gone = take_out(d, at);
	was_run = !found && del_of_run(d, a->network, a->name, &f->forward);
	if (!found && !was_run && !own) {
		report_help(report_error(report, f->forward.spec, "%s/%s has no such forward", a->network, a->name),
			    "sixtap forward list shows them");
		return NULL;
	}
	if ((found || was_run) && !(gone && del_quickly(d, gone)) && networks_reconcile(d, report, false, NULL) != 0) {
		if (gone)
			insert(d, at, STEAL_PTR(gone));
		return NULL;
	}
	if (gone)
		drop(d, STEAL_PTR(gone));
	json_t *answer = json_pack("{s:b, s:b}", "changed", found || was_run, "declared", own != NULL);

	log_event(LOG_LEVEL_INFO, "forward-deleted network=%s guest=%s spec=%s", a->network, a->name, f->forward.spec);
	if (req->save)
		add_file(d, net, a->name, answer);
	return answer;
}

json_t *forwards_json(const struct daemon_main *d, const struct ctl_request *req)
{
	json_t *list = json_array();

	for (const struct net *net = d->nets; net; net = net->hh.next) {
		const struct plan_result *r = networks_result(d, net->name);
		bool wanted = req->n_networks == 0;

		for (size_t i = 0; i < req->n_networks; i++)
			wanted = wanted || str_eq(req->networks[i], net->name);
		if (!wanted || net->leaving || !net->d)
			continue;
		for (size_t i = 0; r && i < r->n_forwards; i++)
			(void)json_array_append_new(list, forward_json(net->name, &r->forwards[i]));
		/* Those of a guest that is neither declared nor running are in no plan. */
		for (size_t i = 0; i < d->n_forwards; i++) {
			const struct live_forward *f = d->forwards[i];

			if (str_eq(f->network, net->name) && !desired_guest(net->d, f->guest) && !running(d, f->network, f->guest))
				(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "network", f->network,
									    "guest", f->guest, "spec", f->forward.spec, "state",
									    "waiting", "runtime", 1));
		}
	}
	return list;
}
