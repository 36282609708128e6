/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * networks - what is wanted, and the one way to bring it about
 *
 * A network that is up belongs to the configuration it was last brought up
 * from, so `up lan` applies lan's part of a file and nothing else of it. Each
 * has a record in the run directory (where it came from and the file's text),
 * written before the first op of its `up`, and removed after the last one of its
 * `down`: a new main reads those and reconciles, so that also what an earlier
 * one was killed in the middle of is brought to its end.
 */
#include "daemon/state.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "conf/conf.h"
#include "ctl/paths.h"
#include "daemon/confirm.h"
#include "daemon/drain.h"
#include "daemon/flows.h"
#include "daemon/repair.h"
#include "kern/nft.h"
#include "kern/observe.h"
#include "kern/records.h"

#define RECORD_NETWORK "network"
#define TOGETHER_QUIET (250 * MONO_MS)	/* plain guests come one after the other: until none has for so long, */
#define TOGETHER_MAX MONO_S		/* but never longer than this, nobody looks at everything */
#define SEATS_EVERY (10 * MONO_S)
#define SEEN_HOLDS (60 * 60 * MONO_S)	/* what a guest was seen to use stays its own; the engine tells again every 5 min */

static struct config *config_ref(struct config *c)
{
	if (c)
		c->refs++;
	return c;
}

static struct config *config_unref(struct config *c)
{
	if (c && --c->refs == 0) {
		desired_free(c->desired);
		free(c);
	}
	return NULL;
}

static struct config *config_new(struct desired *desired)
{
	struct config *c = NEW(struct config);

	c->desired = desired;
	c->refs = 1;
	return c;
}

struct net *networks_find(struct daemon_main *d, const char *name)
{
	struct net *net = NULL;

	HASH_FIND_STR(d->nets, name, net);
	return net;
}

static struct net *net_new(struct daemon_main *d, const char *name)
{
	struct net *net = NEW(struct net);

	(void)str_copy(net->name, sizeof(net->name), name);
	HASH_ADD_STR(d->nets, name, net);
	return net;
}

static void net_free(struct daemon_main *d, struct net *net)
{
	HASH_DEL(d->nets, net);
	(void)config_unref(net->config);
	free(net->trouble);
	free(net->stuck);
	free(net->drains);
	free(net);
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

static void unstick(struct daemon_main *d)
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

	unstick(d);
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
	if (d->plain_since == 0)
		d->plain_since = now;
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

/* ---- records ---- */

static const struct ctl_file *file_of(const struct ctl_request *req, const char *file)
{
	for (size_t i = 0; i < req->n_files; i++)
		if (str_eq(req->files[i].file, file))
			return &req->files[i];
	return NULL;
}

static json_t *record_of(const struct net *net, const struct ctl_request *req)
{
	const struct ctl_file *f = file_of(req, net->d->file);

	return f ? json_pack("{s:s, s:s, s:s%}", "source", req->source, "file", f->file, "text", f->text, f->len) : NULL;
}

/* @value: NULL for none. */
static int record_network(struct daemon_main *d, const char *name, const json_t *value)
{
	int r = value ? record_put(d->records, RECORD_NETWORK, name, value) : record_del(d->records, RECORD_NETWORK, name);

	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "record-failed network=%s error=\"%s\"", name, strerror(-r));
	return r;
}

static int read_config(struct daemon_main *d, const char *source, const struct ctl_file *files, size_t n,
		       struct report *report, struct config **ret)
{
	struct conf_source *s = xcalloc(n, sizeof(*s));
	struct conf_seed seed;
	struct desired *desired = NULL;

	memcpy(seed.secret, d->secret, sizeof(seed.secret));
	for (size_t i = 0; i < n; i++)
		s[i] = (struct conf_source){ .file = files[i].file, .text = files[i].text, .len = files[i].len, .path = source };
	int r = conf_read(s, n, &seed, report, &desired);

	free(s);
	if (r == 0)
		*ret = config_new(desired);
	return r;
}

static int read_record(struct daemon_main *d, const char *key, const json_t *value, struct config **ret)
{
	_cleanup_(report_freep) struct report *report = report_new();
	const json_t *text = json_object_get(value, "text");
	const char *source = json_string_value(json_object_get(value, "source"));
	struct ctl_file f = { json_string_value(json_object_get(value, "file")), json_string_value(text),
			      json_string_length(text) };

	if (source && f.file && f.text && read_config(d, source, &f, 1, report, ret) == 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, "record-unreadable network=%s", key);
	return 1;
}

static int restore_network(void *user, const char *key, const json_t *value)
{
	struct daemon_main *d = user;
	struct config *config = NULL;

	if (read_record(d, key, value, &config) != 0)
		return 0;
	const struct d_network *dn = desired_network(config->desired, key);
	if (dn) {
		struct net *net = net_new(d, key);

		net->config = config_ref(config);
		net->d = dn;
	}
	(void)config_unref(config);
	return 0;
}

int networks_restore(struct daemon_main *d)
{
	return record_each(d->records, RECORD_NETWORK, restore_network, d);
}

/* ---- up and down ---- */

/* How a network was before a request, to go back to when it fails. */
struct before {
	struct net *net;
	struct config *config;
	const struct d_network *d;
	json_t *record;		/* NULL: there was none */
	bool leaving, is_new;
};

struct change {
	struct before *before;
	size_t n, cap;
};

static void change_net(struct daemon_main *d, struct change *c, struct net *net, bool is_new)
{
	json_t *record = NULL;

	if (!is_new)
		(void)record_get(d->records, RECORD_NETWORK, net->name, &record);
	GROW(c->before, c->n, c->cap);
	c->before[c->n++] = (struct before){ net, config_ref(net->config), net->d, record, net->leaving, is_new };
}

/*
 * Before the first op: if we are killed on the way, the next main finds what
 * was to be, and brings it about. What goes down keeps its record to the end.
 */
static int change_record(struct daemon_main *d, const struct change *c, const struct ctl_request *req,
			 const json_t *back, struct report *report)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct net *net = c->before[i].net;
		json_t *o = net->leaving ? NULL : back ? json_incref(json_object_get(back, net->name)) : record_of(net, req);
		int r = net->leaving ? 0 : o ? record_network(d, net->name, o) : -EINVAL;

		json_decref(o);
		if (r < 0) {
			report_error(report, net->name, "cannot be recorded in %s: %s", d->records, strerror(-r));
			return 1;
		}
	}
	return 0;
}

/* {"NETWORK": its record or null} of all that changes, for confirm.h. */
static json_t *change_before(const struct change *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < c->n; i++)
		(void)json_object_set_new(o, c->before[i].net->name,
					  c->before[i].record ? json_incref(c->before[i].record) : json_null());
	return o;
}

/* @recorded: change_record() was called. */
static void change_undo(struct daemon_main *d, struct change *c, bool recorded)
{
	while (c->n > 0) {
		struct before *b = &c->before[--c->n];

		if (recorded && !b->net->leaving)
			(void)record_network(d, b->net->name, b->record);
		json_decref(b->record);
		if (b->is_new) {
			net_free(d, b->net);
		} else {
			(void)config_unref(b->net->config);
			b->net->config = config_ref(b->config);
			b->net->d = b->d;
			b->net->leaving = b->leaving;
		}
		(void)config_unref(b->config);
	}
	free(c->before);
}

static void change_commit(struct daemon_main *d, struct change *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct net *net = c->before[i].net;

		(void)config_unref(c->before[i].config);
		json_decref(c->before[i].record);
		if (!net->leaving)
			continue;
		(void)record_network(d, net->name, NULL);
		serve_forget(d, net);
		drain_forget(d, net);
		net_free(d, net);
	}
	free(c->before);
}

static void want_up(struct daemon_main *d, struct change *c, struct config *config, const struct d_network *dn,
		    struct report *report)
{
	struct net *net = networks_find(d, dn->name);
	bool is_new = !net;

	if (net && net->d && !str_eq(net->d->source, dn->source)) {
		struct finding *f = report_error(report, dn->name, "is up already, from %s", net->d->source);

		report_help(f, "take it down first: sixtap down %s", dn->name);
		return;
	}
	if (!net)
		net = net_new(d, dn->name);
	change_net(d, c, net, is_new);
	(void)config_unref(net->config);
	net->config = config_ref(config);
	net->d = dn;
	net->leaving = false;
}

/* The rest of networks_up(): everything that changes is in @change, which is used up. */
static int up(struct daemon_main *d, const struct ctl_request *req, struct change *change, struct report *report,
	      bool dry, json_t **ret_changes)
{
	json_t *before = change_before(change), *changes = NULL;
	int r = 0;

	unstick(d);
	if (!dry) {
		repair_forget(d);
		r = change_record(d, change, req, NULL, report);
		if (r == 0 && req->confirm_s > 0 && confirm_start(d, before, req->confirm_s) < 0) {
			report_error(report, "confirm", "how it was cannot be recorded in %s", d->records);
			r = 1;
		}
	}
	if (r == 0)
		r = reconcile(d, report, dry ? RECONCILE_DRY : RECONCILE_ASKED, &changes);
	if (r != 0 || dry)
		change_undo(d, change, !dry);
	else
		change_commit(d, change);
	/* What failed was put back, and of what changed nothing there is nothing to confirm. */
	if (req->confirm_s > 0 && !dry && (r != 0 || json_array_size(changes) == 0))
		confirm_end(d);
	json_decref(before);
	if (ret_changes)
		*ret_changes = changes;
	else
		json_decref(changes);
	return r;
}

int networks_up(struct daemon_main *d, const struct ctl_request *req, struct report *report, bool dry,
		json_t **ret_changes)
{
	size_t errors = report_n_errors(report);
	struct config *config = NULL;
	struct change change = { 0 };
	unsigned int left = confirm_left(d, mono_now());
	int r;

	if (left > 0 && !dry) {
		struct finding *f = report_error(report, "up", "an earlier change waits to be confirmed (%u s left)", left);

		report_help(f, "sixtap confirm keeps it; else everything is put back then");
		return 1;
	}
	r = read_config(d, req->source, req->files, req->n_files, report, &config);
	if (r != 0)
		return 1;
	for (size_t i = 0; i < req->n_networks; i++) {
		const struct d_network *dn = desired_network(config->desired, req->networks[i]);

		if (dn)
			want_up(d, &change, config, dn, report);
		else
			desired_no_network(config->desired, req->networks[i], req->source, report);
	}
	if (req->n_networks == 0) {
		for (size_t i = 0; i < config->desired->n_networks; i++)
			want_up(d, &change, config, &config->desired->networks[i], report);
		for (struct net *net = d->nets; net; net = net->hh.next) {
			if (net->leaving || !net->d || !str_eq(net->d->source, req->source) ||
			    desired_network(config->desired, net->name))
				continue;
			change_net(d, &change, net, false);
			net->leaving = true;
		}
	}
	r = report_n_errors(report) > errors;
	if (r == 0)
		r = up(d, req, &change, report, dry, ret_changes);
	else
		change_undo(d, &change, false);
	(void)config_unref(config);
	return r;
}

int networks_go_back(struct daemon_main *d, const json_t *before, struct report *report)
{
	struct change change = { 0 };
	const char *name;
	json_t *record;

	json_object_foreach((json_t *)before, name, record) {
		struct net *net = networks_find(d, name);
		struct config *config = NULL;
		const struct d_network *dn;

		if (json_is_null(record)) {
			if (!net)
				continue;
			change_net(d, &change, net, false);
			net->leaving = true;
			continue;
		}
		if (read_record(d, name, record, &config) != 0)
			continue;
		dn = desired_network(config->desired, name);
		if (dn) {
			bool is_new = !net;

			net = net ? net : net_new(d, name);
			change_net(d, &change, net, is_new);
			(void)config_unref(net->config);
			net->config = config_ref(config);
			net->d = dn;
			net->leaving = false;
		}
		(void)config_unref(config);
	}
	unstick(d);
	int r = change_record(d, &change, NULL, before, report);
	if (r == 0)
		r = reconcile(d, report, RECONCILE_ASKED, NULL);
	if (r != 0)
		change_undo(d, &change, true);
	else
		change_commit(d, &change);
	return r;
}

int networks_down(struct daemon_main *d, const struct ctl_request *req, struct report *report, json_t **ret_changes)
{
	struct change change = { 0 };

	for (struct net *net = d->nets; net; net = net->hh.next) {
		bool named = req->n_networks == 0;

		for (size_t i = 0; i < req->n_networks; i++)
			named = named || str_eq(req->networks[i], net->name);
		if (!named)
			continue;
		change_net(d, &change, net, false);
		net->leaving = true;
	}
	int r = networks_reconcile(d, report, false, ret_changes);

	for (size_t i = 0; r == 0 && i < change.n; i++)
		confirm_forget(d, change.before[i].net->name);
	if (r == 0 && req->n_networks == 0)	/* also of those that the unconfirmed change took down */
		confirm_end(d);
	if (r != 0)
		change_undo(d, &change, false);
	else
		change_commit(d, &change);
	return r;
}
