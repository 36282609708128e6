/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * networks - what is wanted, and the one way to bring it about
 *
 * All networks that are up (networks_up.c) are planned together, whoever asks:
 * observe, plan, apply. What can't be brought about is set aside, and the rest
 * goes on.
 */
#include "daemon/state.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "daemon/drain.h"
#include "daemon/flows.h"
#include "daemon/repair.h"
#include "kern/nft.h"
#include "kern/observe.h"

#define TOGETHER_QUIET (250 * MONO_MS)	/* plain guests come one after the other: until none has for so long, */
#define TOGETHER_MAX MONO_S		/* but never longer than this, nobody looks at everything */
#define SEATS_EVERY (10 * MONO_S)
#define SEEN_HOLDS (60 * 60 * MONO_S)	/* what a guest was seen to use stays its own; the engine tells again every 5 min */

struct net *networks_find(struct daemon_main *d, const char *name)
{
	struct net *net = NULL;

	HASH_FIND_STR(d->nets, name, net);
	return net;
}

const struct plan_result *networks_result(const struct daemon_main *d, const char *name)
{
	for (size_t i = 0; d->plan && i < d->plan->n_results; i++)
		if (str_eq(d->plan->results[i].name, name))
			return &d->plan->results[i];
	return NULL;
}

const struct d_guest *networks_guest_by_mac(const struct daemon_main *d, const char *network, const struct mac *mac)
{
	struct net *net = NULL;

	HASH_FIND_STR(d->nets, network, net);
	for (size_t i = 0; net && net->d && i < net->d->n_guests; i++)
		if (mac_eq(&net->d->guests[i].mac, mac))
			return &net->d->guests[i];
	return NULL;
}

bool networks_ready(const struct daemon_main *d)
{
	for (const struct net *net = d->nets; net; net = net->hh.next) {
		const struct plan_result *result = networks_result(d, net->name);

		if (!net->leaving && result && result->service && (net->sent_hash == 0 || net->sent_hash != net->ready_hash))
			return false;
	}
	return true;
}

/* ---- planning ---- */

struct mac_list {
	struct mac *macs;
	size_t n, cap;
};

static int cmp_mac(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mac));
}

/* For the guards: who has which address. */
static void gather_holders(const struct daemon_main *d, struct arena *arena, struct plan_facts *ret)
{
	struct plan_holder *holders = arena_alloc(arena, HASH_COUNT(d->holders) + 1, sizeof(*holders));
	const struct net *net = NULL;
	mono_t now = loop_now(d->loop);

	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		if (!net || !str_eq(net->name, h->key.network))
			HASH_FIND_STR(d->nets, h->key.network, net);
		if (!h->is_lease && mono_add(h->neighbour.last_seen, SEEN_HOLDS) < now)
			continue;
		if (net && net->d && net->d->spoof_check)
			holders[ret->n_holders++] = (struct plan_holder){
				.network = h->key.network,
				.ip = h->key.ip,
				.mac = h->is_lease ? h->lease.mac : h->neighbour.mac,
				.leased = h->is_lease,
			};
	}
	ret->holders = holders;
}

/* plan/ asks who holds an address only for the sake of forwards, and of guards: tell it of those guests alone. */
static void gather_facts(const struct daemon_main *d, const struct plan_target *targets, size_t n_targets,
			 struct arena *arena, struct plan_facts *ret)
{
	struct mac_list list = { 0 };
	struct lease *leases = NULL;
	struct neighbour *neighbours = NULL;
	size_t n_leases = 0, cap_leases = 0, n_neighbours = 0, cap_neighbours = 0;

	for (size_t i = 0; i < n_targets; i++) {
		const struct d_network *n = targets[i].network;

		for (size_t k = 0; n && k < n->n_guests; k++) {
			if (n->guests[k].n_forwards == 0)
				continue;
			ARENA_GROW(arena, list.macs, list.n, list.cap);
			list.macs[list.n++] = n->guests[k].mac;
		}
	}
	if (list.n > 1)
		qsort(list.macs, list.n, sizeof(*list.macs), cmp_mac);
	for (const struct holder *h = d->holders; h && list.n > 0; h = h->hh.next) {
		const struct mac *mac = h->is_lease ? &h->lease.mac : &h->neighbour.mac;

		if (!bsearch(mac, list.macs, list.n, sizeof(*mac), cmp_mac))
			continue;
		if (h->is_lease) {
			ARENA_GROW(arena, leases, n_leases, cap_leases);
			leases[n_leases++] = h->lease;
		} else {
			ARENA_GROW(arena, neighbours, n_neighbours, cap_neighbours);
			neighbours[n_neighbours++] = h->neighbour;
		}
	}
	*ret = (struct plan_facts){ leases, n_leases, neighbours, n_neighbours, .holders = NULL };
	gather_holders(d, arena, ret);
}

static void gather_served(const struct daemon_main *d, struct world *world)
{
	world->has_daemon = true;
	world->served = arena_alloc(world->arena, HASH_COUNT(d->nets), sizeof(*world->served));
	for (const struct net *net = d->nets; net; net = net->hh.next) {
		struct w_served *s = &world->served[world->n_served];

		if (!net->sent_hash)
			continue;
		world->n_served++;
		s->network = net->name;
		s->hash = net->sent_hash;
		for (size_t i = 0; d->plan && i < d->plan->n_results; i++) {
			const struct plan_result *r = &d->plan->results[i];

			if (!str_eq(r->name, net->name) || !r->service ||
			    service_hash(r->service, r->hosts, r->n_hosts) != net->sent_hash)
				continue;
			s->service = r->service;
			s->hosts = r->hosts;
			s->n_hosts = r->n_hosts;
		}
	}
}

static size_t gather_targets(const struct daemon_main *d, struct arena *arena, struct plan_target **ret)
{
	size_t n = 0;

	*ret = arena_alloc(arena, HASH_COUNT(d->nets), sizeof(**ret));
	for (const struct net *net = d->nets; net; net = net->hh.next)
		(*ret)[n++] = (struct plan_target){
			.name = net->name,
			.network = net->d ? forwards_overlay(d, net->d, arena) : NULL,
			.want = net->leaving ? PLAN_WANT_DOWN : net->stuck ? PLAN_WANT_LEAVE : PLAN_WANT_UP,
		};
	return n;
}

static void on_progress(void *user, size_t done, size_t n, const struct op *op)
{
	answer_progress(user, done, n, op);
}

enum reconcile {
	RECONCILE_DRY,
	RECONCILE_ASKED,
	RECONCILE_KEEP,		/* nobody asked: networks_keep() */
};

void networks_unstick(struct daemon_main *d)
{
	for (struct net *net = d->nets; net; net = net->hh.next) {
		free(net->stuck);
		net->stuck = NULL;
	}
}

/* "networks.lan.uplink", or "lan". */
static bool is_about(const struct finding *f, const char *name)
{
	static const char prefix[] = "networks.";
	const char *key = f->key ? f->key : "";
	size_t n = strlen(name);

	if (strncmp(key, prefix, strlen(prefix)) == 0)
		key += strlen(prefix);
	return strncmp(key, name, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

/* Set aside what can't be brought about. @all: errors about no network in particular are everybody's. Return: how many */
static size_t stick(struct daemon_main *d, const struct report *report, bool all)
{
	size_t n = 0;

	for (struct net *net = d->nets; net; net = net->hh.next) {
		for (size_t i = 0; i < report_n(report) && !net->stuck && !net->leaving; i++) {
			const struct finding *f = report_get(report, i);

			if (f->severity != SEVERITY_ERROR || !(all || is_about(f, net->name)))
				continue;
			net->stuck = f->help ? xasprintf("%s; %s", f->what, f->help) : xstrdup(f->what);
			n++;
		}
	}
	return n;
}

static int reconcile(struct daemon_main *d, struct report *report, enum reconcile how, json_t **ret_changes)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(plan_freep) struct plan *plan = NULL;
	size_t errors = report_n_errors(report), n;
	struct plan_target *targets;
	struct plan_facts facts;
	const char **paths = NULL;

	n = gather_targets(d, arena, &targets);
	if (how != RECONCILE_DRY)
		repair_hear_filters(d, true);	/* before the look, so that nothing is missed */
	if (kern_observe(d->kern, NULL, 0, world, report) < 0)
		return 1;
	if (how != RECONCILE_DRY && guests_punish(d, world) > 0) {
		world_free(world);
		world = world_new();
		if (kern_observe(d->kern, NULL, 0, world, report) < 0)
			return 1;
	}
	for (size_t i = 0; i < n; i++)
		if (targets[i].network && targets[i].network->mode == NET_MODE_MACVTAP && !world->no_egress)
			world->no_egress = !kern_nft_has_egress(d->kern);
	size_t n_paths = plan_sysctls(targets, n, world, arena, &paths);
	if (kern_observe_sysctls(d->kern, paths, n_paths, world, report) < 0)
		return 1;
	gather_served(d, world);
	gather_facts(d, targets, n, arena, &facts);
	drain_gather(d, world, mono_now(), arena, &facts);
	facts.before = d->plan;
	if (plan_make(targets, n, world, &facts, report, &plan) != 0 || report_n_errors(report) > errors)
		return 1;
	if (ret_changes)
		*ret_changes = ops_json(plan->ops);
	if (how == RECONCILE_DRY)
		return 0;
	if (how == RECONCILE_KEEP)
		repair_judge(d, plan->ops, mono_now());
	drain_record(d, plan);
	if (plan->ops->n > 0) {
		const struct apply_hooks hooks = { .serve = serve_op, .progress = on_progress, .user = d };

		for (size_t i = 0; i < plan->ops->n; i++)
			log_event(LOG_LEVEL_INFO, "change object=\"%s\" action=%s what=\"%s\" why=\"%s\"",
				  plan->ops->ops[i].object, op_action_name[plan->ops->ops[i].action],
				  plan->ops->ops[i].what, plan->ops->ops[i].why);
		answer_plan(d, plan);
		if (kern_apply(d->kern, plan->ops, &hooks, report) != 0)
			return 1;
		flows_mend(world, plan);
	}
	plan_free(d->plan);
	arena_free(d->plan_arena);
	d->plan = STEAL_PTR(plan);
	d->plan_arena = STEAL_PTR(arena);
	drain_settle(d, d->plan);
	repair_learn(d, world, d->plan->ops, how == RECONCILE_ASKED, mono_now());
	serve_names(d);
	seats_find_ports(d, world);
	if (loop_now(d->loop) >= d->seats_at) {	/* entries live for minutes, and there may be many */
		d->seats_at = mono_add(loop_now(d->loop), SEATS_EVERY);
		seats_learn(d);
	}
	d->plain_since = 0;
	return 0;
}

int networks_reconcile(struct daemon_main *d, struct report *report, bool dry, json_t **ret_changes)
{
	return reconcile(d, report, dry ? RECONCILE_DRY : RECONCILE_ASKED, ret_changes);
}

int networks_keep(struct daemon_main *d, struct report *report)
{
	size_t n_stuck = 0;
	int r;

	networks_unstick(d);
	for (;;) {
		_cleanup_(report_freep) struct report *one = report_new();

		r = reconcile(d, one, RECONCILE_KEEP, NULL);
		report_merge(report, one);
		if (r == 0)
			break;
		size_t n = stick(d, one, false);
		if (n == 0) {
			(void)stick(d, one, true);
			break;
		}
		n_stuck += n;
	}
	if (r != 0 || n_stuck > 0)
		repair_failed(d);
	return r != 0 || n_stuck > 0;
}

void networks_reconcile_soon(struct daemon_main *d, mono_t delay)
{
	mono_t at = mono_add(loop_now(d->loop), delay);

	d->soon_due = true;
	if (!d->soon.source || at < d->soon.deadline)
		(void)loop_timer_set(d->loop, &d->soon, at);
}

void networks_reconcile_together(struct daemon_main *d)
{
	mono_t now = loop_now(d->loop), at = mono_add(now, TOGETHER_QUIET);

	d->plain_last = now;
	if (d->plain_since == 0) {
		d->plain_since = now;
		repair_hear_filters(d, false);
	}
	if (!d->soon.source || at < d->soon.deadline)
		(void)loop_timer_set(d->loop, &d->soon, at);
}

bool networks_together_due(struct daemon_main *d, mono_t now)
{
	mono_t at = mono_min(mono_add(d->plain_last, TOGETHER_QUIET), mono_add(d->plain_since, TOGETHER_MAX));

	if (d->plain_since == 0 || now >= at)
		return d->plain_since != 0;
	(void)loop_timer_set(d->loop, &d->soon, at);
	return false;
}

void networks_settle(struct daemon_main *d)
{
	_cleanup_(report_freep) struct report *report = report_new();

	if (!d->soon_due && d->plain_since == 0)
		return;
	d->soon_due = false;
	d->plain_since = 0;
	(void)networks_keep(d, report);		/* what fails now, the request that waits will say */
}
