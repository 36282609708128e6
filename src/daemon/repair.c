/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repair - put back what others take away, until they insist
 */
#include "daemon/repair.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "daemon/state.h"
#include "kern/nft.h"
#include "kern/observe.h"
#include "kern/records.h"

#define GATHER (100 * MONO_MS)		/* from the first event to the plan */
#define AT_ONCE (10 * MONO_MS)		/* where a guest could do harm, or its packets leave untranslated, meanwhile */
#define NEIGH_PAUSE MONO_S		/* a guest that talks to the host goes through states all the time */
#define TICKS_A_LOOK 4			/* every so many ticks everything is looked at */
#define OFTEN 5				/* so often within WINDOW is a fight */
#define WINDOW (60 * MONO_S)
#define HOLDS (500 * MONO_MS)		/* what lasts so long is worth putting back, however often */
#define WAIT_FIRST (2 * MONO_S)
#define WAIT_MAX (300 * MONO_S)
#define FAILED_FIRST MONO_S
#define SOLICIT_TRIES 8			/* DAD of the link-local address takes the first second or two */

/* What has been put back lately. */
struct thing {
	char *object;			/* of the op */
	char network[NETWORK_NAME_MAX + 1];	/* "": the host's */
	char by[48];			/* "nft(1234)", or "" */
	mono_t times[OFTEN];		/* of the last repairs; 0: none yet */
	unsigned int n;			/* how many in all */
	mono_t gone;			/* when it was missed first since the last repair; 0: it is there */
	bool fight;			/* somebody takes it away again and again */
	mono_t wait, not_before;	/* 0: it is put back at once */
	bool held;			/* left out of the plan that is judged now */
	struct thing *next;
};

/* A link to look at: a bridge of ours, or an uplink. */
struct known {
	uint32_t ifindex;
	char name[16];
	bool uplink, seen;
	uint32_t mtu, flags, master;	/* of an uplink that was seen: as it was told last */
	int32_t accept_ra;
	bool have_inet6;
};

struct silent {
	char *path, *value;
};

struct repair {
	struct kern_watch *watch;
	bool due;			/* something other than a suspect */
	struct suspect {		/* a link of ours that isn't as it should be */
		uint32_t ifindex;
		bool was_out;		/* of its bridge: what the port had there is lost, also if it is back by now */
	} *suspects;
	size_t n_suspects, cap_suspects;
	struct known *known;
	size_t n_known, cap_known;
	struct silent *silent;
	size_t n_silent, cap_silent;
	struct thing *things;
	uint32_t own_pid;		/* by which nftables' listeners are told of what we do */
	char by[48], by_foreign[48];	/* who changed our tables last, and rules of others */
	mono_t neigh_next;		/* not before then again because of neighbours */
	unsigned int ticks;
	mono_t failed_wait;
	struct loop_timer solicit;
	char router_of[16];		/* whose router is asked */
	unsigned int solicit_left;
	struct daemon_main *d;
};

static void look_soon(struct daemon_main *d, mono_t delay)
{
	mono_t at = mono_add(loop_now(d->loop), delay);

	if (!d->soon.source || at < d->soon.deadline)
		(void)loop_timer_set(d->loop, &d->soon, at);
}

static void cause_after(struct daemon_main *d, mono_t delay)
{
	if (!d->nets)
		return;
	d->repair->due = true;
	look_soon(d, delay);
}

static void cause(struct daemon_main *d)
{
	cause_after(d, GATHER);
}

bool repair_due(struct daemon_main *d)
{
	struct repair *r = d->repair;
	bool due = r->due || r->n_suspects > 0;

	r->due = false;
	r->n_suspects = 0;
	return due;
}

/* ---- events ---- */

static struct known *known(const struct repair *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->n_known; i++)
		if (r->known[i].ifindex == ifindex)
			return &r->known[i];
	return NULL;
}

static void suspect(struct daemon_main *d, uint32_t ifindex, bool wrong, bool was_out)
{
	struct repair *r = d->repair;

	for (size_t i = 0; i < r->n_suspects; i++) {
		if (r->suspects[i].ifindex != ifindex)
			continue;
		r->suspects[i].was_out |= was_out;
		if (!wrong && !r->suspects[i].was_out)
			r->suspects[i] = r->suspects[--r->n_suspects];
		return;
	}
	if (!wrong)
		return;
	GROW(r->suspects, r->n_suspects, r->cap_suspects);
	r->suspects[r->n_suspects++] = (struct suspect){ ifindex, was_out };
	look_soon(d, GATHER);
}

/* Only what is cheap to tell; the plan looks at everything. */
static bool as_wanted(struct daemon_main *d, const struct w_link *link, const char *network, bool port)
{
	const struct plan_result *result = networks_result(d, network);
	const struct net *net = networks_find(d, network);
	const struct known *bridge;

	if (!result || !net || !net->d)
		return true;	/* one that we don't have: the plan wouldn't touch it */
	if (!(link->flags & IFF_UP) || (result->mtu > 0 && link->mtu != result->mtu) || link->group != network_group(network))
		return false;
	if (!port)
		return str_eq(link->name, result->device) && mac_eq(&link->mac, &net->d->mac) && !link->bridge.stp &&
		       !link->bridge.mcast_snooping && link->bridge.forward_delay == 0;
	if (str_eq(link->kind, "macvtap"))
		return guests_as_made(d, link);
	bridge = known(d->repair, link->master);
	return bridge && str_eq(bridge->name, result->device);
}

/* The value found is the interface's, whatever it is called now. */
static void carry_record(struct daemon_main *d, const char *from, const char *to)
{
	_cleanup_(freep) char *old = xasprintf("net/ipv6/conf/%s/accept_ra", from), *found = NULL, *ours = NULL;
	_cleanup_(freep) char *new = xasprintf("net/ipv6/conf/%s/accept_ra", to);

	if (record_found_get(d->records, old, &found, &ours) == 0 &&
	    record_found_put(d->records, new, found, ours) == 0)
		(void)record_found_del(d->records, old);
}

static bool uplink_changed(struct known *k, const struct w_link *link)
{
	uint32_t flags = link->flags & (IFF_UP | IFF_RUNNING);
	bool changed = !k->seen || k->mtu != link->mtu || k->flags != flags || k->master != link->master ||
		       k->accept_ra != link->accept_ra || k->have_inet6 != link->have_inet6 || !str_eq(k->name, link->name);

	k->seen = true;
	k->mtu = link->mtu;
	k->flags = flags;
	k->master = link->master;
	k->accept_ra = link->accept_ra;
	k->have_inet6 = link->have_inet6;
	return changed;
}

static bool is_awaited(const struct daemon_main *d, const char *name)
{
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->stuck || (net->d && (str_eq(net->d->uplink, name) || str_eq(net->d->bridge, name))))
			return true;
	return false;
}

static void on_link(void *user, const struct w_link *link, mono_t now)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	struct daemon_main *d = user;
	struct known *k = known(d->repair, link->ifindex);

	(void)now;
	follow_link(d, link);
	if (!d->nets)
		return;
	if (alias_parse(link->alias, network, guest)) {
		if (guests_misused(d, link))
			networks_reconcile_soon(d, AT_ONCE);
		suspect(d, link->ifindex, !as_wanted(d, link, network, guest[0] != '\0'), guest[0] && link->master == 0 && str_eq(link->kind, "tun"));
	} else if (k && k->uplink) {
		if (!str_eq(k->name, link->name)) {
			log_event(LOG_LEVEL_NOTICE, "uplink-renamed from=%s to=%s", k->name, link->name);
			carry_record(d, k->name, link->name);
		}
		if (uplink_changed(k, link))
			cause(d);
		(void)str_copy(k->name, sizeof(k->name), link->name);
	} else if (k || is_awaited(d, link->name)) {
		cause(d);
	}
}

/* A port that somebody put into a bridge of ours has to be guarded. */
static void on_link_new(void *user, const struct w_link *link, mono_t now)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	struct daemon_main *d = user;
	const struct known *bridge = link->master > 0 ? known(d->repair, link->master) : NULL;

	on_link(user, link, now);
	if (bridge && !bridge->uplink && !alias_parse(link->alias, network, guest))
		networks_reconcile_soon(d, AT_ONCE);
}

static void on_link_gone(void *user, uint32_t ifindex, const char *name, const char *alias, mono_t now)
{
	struct daemon_main *d = user;

	(void)alias;
	(void)now;
	for (size_t i = 0; i < d->repair->n_suspects; i++)
		if (d->repair->suspects[i].ifindex == ifindex)
			d->repair->suspects[i].was_out = false;
	suspect(d, ifindex, false, false);
	follow_link_gone(d, ifindex);
	guests_link_gone(d, ifindex, name);
	if (known(d->repair, ifindex))
		cause(d);
}

/* A network of mode macvtap whose host has a macvlan of its own: it follows the host's addresses. */
static bool has_host_access(const struct daemon_main *d)
{
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->d && !net->leaving && net->d->mode == NET_MODE_MACVTAP && net->d->host_access == HOST_ACCESS_YES)
			return true;
	return false;
}

static bool is_host_macvlan(const struct daemon_main *d, const char *name)
{
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->d && net->d->mode == NET_MODE_MACVTAP && str_eq(net->d->bridge, name))
			return true;
	return false;
}

static void on_changed(void *user, enum kern_change kind, uint32_t ifindex, const char *name, mono_t now)
{
	struct daemon_main *d = user;
	const struct known *k;

	switch (kind) {
	case KERN_CHANGE_LINK:	/* a bridge's word on its port: the link itself is told as well */
		return;
	case KERN_CHANGE_ROUTE:	/* to guests; those to the host's own macvlan's come and go with guests */
		k = known(d->repair, ifindex);
		if (k && !k->uplink && !is_host_macvlan(d, k->name))
			cause(d);
		return;
	case KERN_CHANGE_ADDR:
		/* Each RA tells an uplink's addresses anew; they matter when its IPv6 was away. */
		k = known(d->repair, ifindex);
		if (k && (!(k->uplink && k->have_inet6) || has_host_access(d)))
			cause(d);
		return;
	case KERN_CHANGE_NEIGH:	/* a guest that the host's own macvlan has heard of */
		k = known(d->repair, ifindex);
		if (!k || k->uplink)
			return;
		networks_reconcile_soon(d, now < d->repair->neigh_next ? d->repair->neigh_next - now : AT_ONCE);
		d->repair->neigh_next = mono_add(now, NEIGH_PAUSE);
		return;
	case KERN_CHANGE_DEFAULT:
		cause(d);
		return;
	case KERN_CHANGE_TC:	/* a guard that somebody took off a port */
		k = known(d->repair, kern_watch_master(d->repair->watch, ifindex));
		if (k && !k->uplink)
			cause_after(d, AT_ONCE);
		return;
	case KERN_CHANGE_NETCONF:
		if (ifindex == UINT32_MAX || known(d->repair, ifindex))
			cause(d);
		return;
	case KERN_CHANGE_NFT:
	case KERN_CHANGE_FIREWALL:
		if (d->repair->own_pid == 0)
			d->repair->own_pid = kern_nft_own_pid(d->kern);
		if (ifindex == d->repair->own_pid)
			return;
		(void)snprintf(kind == KERN_CHANGE_NFT ? d->repair->by : d->repair->by_foreign, sizeof(d->repair->by), "%s(%u)",
			       name, ifindex);
		cause_after(d, kind == KERN_CHANGE_NFT ? AT_ONCE : GATHER);
		return;
	case KERN_CHANGE_N_:
		return;
	}
}

static void on_resync(void *user, mono_t now)
{
	(void)now;
	follow_sync(user);
	cause(user);
}

/* ---- what is put back ---- */

static struct thing *find_thing(const struct repair *r, const char *object)
{
	for (struct thing *t = r->things; t; t = t->next)
		if (str_eq(t->object, object))
			return t;
	return NULL;
}

static struct thing *make_thing(struct repair *r, const struct op *op)
{
	struct thing *t = find_thing(r, op->object);

	if (t)
		return t;
	t = NEW(struct thing);
	t->object = xstrdup(op->object);
	(void)str_copy(t->network, sizeof(t->network), op->network);
	t->next = r->things;
	r->things = t;
	return t;
}

static void forget_things(struct repair *r, mono_t now)
{
	struct thing **at = &r->things, *t;

	while ((t = *at)) {
		mono_t last = t->times[0], peace = t->wait > WINDOW ? t->wait : WINDOW;

		if (now != MONO_NEVER && (now < t->not_before || now - last < peace)) {
			at = &t->next;
			continue;
		}
		if (t->fight)
			log_event(LOG_LEVEL_NOTICE, "repair-peace what=\"%s\"", t->object);
		*at = t->next;
		free(t->object);
		free(t);
	}
}

void repair_forget(struct daemon_main *d)
{
	forget_things(d->repair, MONO_NEVER);
	d->repair->failed_wait = 0;
}

/* Does it put back something that was there? Changes that follow an uplink, a lease or a guest don't. */
static bool is_repair(const struct repair *r, const struct op *op)
{
	const struct thing *t;

	if (op->action == OP_ACTION_WAIT)
		return false;
	switch (op->kind) {
	case OP_LINK_ADD:
	case OP_ADDR_ADD:
		return true;
	case OP_ROUTE_ADD:	/* to guests they come and go with what guests use, to prefixes not */
		return op->route.protocol == RTPROT_KERNEL;
	case OP_ROUTE_DEL:
	case OP_NEIGH_ADD:
	case OP_NEIGH_DEL:
		return false;
	case OP_LINK_SET:
		return (op->link.mask & ~(uint32_t)(OP_LINK_MTU | OP_LINK_HAIRPIN)) != 0;
	case OP_SYSCTL:
		return !op->sysctl.restore;
	case OP_NFT_TABLE:
		t = find_thing(r, op->object);
		return r->by[0] != '\0' || (t && t->fight);	/* who did it was forgotten while it waited */
	case OP_NFT_ELEMS:
		return r->by[0] != '\0';
	case OP_RULE:
		t = find_thing(r, op->object);
		return (r->by_foreign[0] != '\0' || (t && t->fight)) && op->action != OP_ACTION_REMOVE;
	case OP_LINK_DEL:
	case OP_ADDR_DEL:
	case OP_PROXY_ADD:
	case OP_PROXY_DEL:
	case OP_SERVE:
	case OP_UNSERVE:
	case OP_CONFIRM_ROUTE:
	case OP_KIND_N_:
		break;
	}
	return false;
}

static bool no_bridge(const struct ops *ops, const struct op *op, const struct repair *r)
{
	for (size_t i = 0; op->network && i < ops->n; i++) {
		const struct thing *t = ops->ops[i].kind == OP_LINK_ADD ? find_thing(r, ops->ops[i].object) : NULL;

		if (t && t->held && str_eq(ops->ops[i].network, op->network))
			return true;
	}
	return false;
}

static void ask_router(struct daemon_main *d, const char *device)
{
	struct repair *r = d->repair;

	(void)str_copy(r->router_of, sizeof(r->router_of), device);
	r->solicit_left = SOLICIT_TRIES;
	(void)loop_timer_set(d->loop, &r->solicit, loop_now(d->loop));
}

static int on_solicit(struct loop_timer *timer, mono_t now)
{
	struct daemon_main *d = CONTAINER_OF(timer, struct repair, solicit)->d;
	struct repair *r = d->repair;
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(ops_freep) struct ops *ops = ops_new();
	struct op *op = ops_add(ops, OP_CONFIRM_ROUTE, OP_ACTION_WAIT);

	op->object = "route default";
	(void)str_copy(op->confirm.device, sizeof(op->confirm.device), r->router_of);
	op->confirm.timeout_ms = 1;	/* asks, and doesn't wait */
	if (kern_apply(d->kern, ops, NULL, report) < 0 || report_n(report) == 0)
		return 0;
	if (r->solicit_left-- > 1)
		return loop_timer_set(d->loop, timer, mono_add(now, MONO_S));
	log_event(LOG_LEVEL_WARNING, "no-default-route device=%s what=\"its router doesn't answer\"", r->router_of);
	return 0;
}

/*
 * It is gone (again). Where somebody fights for it, what counts is how long the
 * last repair held: one who comes by once a second leaves guests a second of
 * each; one who answers every repair would only be kept busy.
 */
static void miss(struct thing *t, mono_t now)
{
	if (t->gone)
		return;
	t->gone = now;
	if (!t->fight)
		return;
	if (now - t->times[0] >= HOLDS)
		t->wait = 0;
	else
		t->wait = t->wait == 0 ? WAIT_FIRST : t->wait * 2 < WAIT_MAX ? t->wait * 2 : WAIT_MAX;
	t->not_before = t->wait > 0 ? mono_add(t->times[0], t->wait) : 0;
	if (t->wait > 0)
		log_event(LOG_LEVEL_WARNING, "repair-waits what=\"%s\"%s%s seconds=%llu", t->object, t->by[0] ? " by=" : "",
			  t->by, (unsigned long long)(t->wait / MONO_S));
}

void repair_judge(struct daemon_main *d, struct ops *ops, mono_t now)
{
	struct repair *r = d->repair;
	mono_t next = MONO_NEVER;
	size_t n = 0;

	for (size_t i = 0; i < ops->n; i++) {
		struct thing *t = is_repair(r, &ops->ops[i]) ? find_thing(r, ops->ops[i].object) : NULL;

		if (t)
			miss(t, now);
		if (!t || now >= t->not_before)
			continue;
		t->held = true;
		next = mono_min(next, t->not_before);
	}
	bool *keep = arena_alloc(ops->arena, ops->n, sizeof(*keep));
	for (size_t i = 0; i < ops->n; i++) {
		const struct op *op = &ops->ops[i];
		const struct thing *t = find_thing(r, op->object);

		keep[i] = !(t && t->held) && !no_bridge(ops, op, r);
		if (op->kind == OP_CONFIRM_ROUTE) {
			ask_router(d, op->confirm.device);
			keep[i] = false;
		}
	}
	for (size_t i = 0; i < ops->n; i++)
		if (keep[i])
			ops->ops[n++] = ops->ops[i];
	ops->n = n;
	for (struct thing *t = r->things; t; t = t->next)
		t->held = false;
	if (next != MONO_NEVER)
		networks_reconcile_soon(d, next - now);
}

/* One repair of an object, however many ops it took. */
static void count(struct repair *r, const struct op *op, mono_t now)
{
	struct thing *t = make_thing(r, op);
	const char *by = op->kind == OP_RULE					       ? r->by_foreign
			 : op->kind == OP_NFT_TABLE || op->kind == OP_NFT_ELEMS ? r->by
										       : "";

	if (t->times[0] == now)
		return;
	memmove(&t->times[1], &t->times[0], sizeof(t->times) - sizeof(t->times[0]));
	t->times[0] = now;
	t->n++;
	if (by[0])
		(void)str_copy(t->by, sizeof(t->by), by);
	t->gone = 0;
	t->fight = t->fight || (t->times[OFTEN - 1] > 0 && now - t->times[OFTEN - 1] <= WINDOW);
	log_event(LOG_LEVEL_NOTICE, "repaired what=\"%s\"%s%s times=%u", t->object, t->by[0] ? " by=" : "", t->by, t->n);
}

/* ---- what to look at ---- */

static void know(struct repair *r, const char *name, uint32_t ifindex, bool uplink, const struct known *old, size_t n_old)
{
	struct known k = { .ifindex = ifindex, .uplink = uplink };

	if (ifindex == 0 || known(r, ifindex))
		return;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].ifindex == ifindex && old[i].uplink == uplink)
			k = old[i];
	(void)str_copy(k.name, sizeof(k.name), name);
	GROW(r->known, r->n_known, r->cap_known);
	r->known[r->n_known++] = k;
}

static void learn_links(struct daemon_main *d, const struct world *world)
{
	struct repair *r = d->repair;
	_cleanup_(freep) struct known *old = r->known;
	size_t n_old = r->n_known;

	r->known = NULL;
	r->n_known = r->cap_known = 0;
	for (size_t i = 0; i < d->plan->n_results; i++) {
		const struct plan_result *result = &d->plan->results[i];
		const char *uplinks[] = { result->uplink4, result->uplink6 };

		/* The bridge may have been made only now, so the world doesn't know it. */
		if (result->device[0])
			know(r, result->device, if_nametoindex(result->device), false, old, n_old);
		for (size_t k = 0; k < ARRAY_LEN(uplinks); k++) {
			const struct w_link *link = uplinks[k][0] ? world_link_by_name(world, uplinks[k]) : NULL;

			if (!link)
				continue;
			know(r, link->name, link->ifindex, true, old, n_old);
			struct known *up = known(r, link->ifindex);
			if (up->uplink)
				(void)uplink_changed(up, link);
		}
	}
	/* An uplink that is down has lost its routes, so the plan has no uplink: it is the one to wait for. */
	for (size_t i = 0; i < n_old; i++)
		if (old[i].uplink && world_link(world, old[i].ifindex))
			know(r, old[i].name, old[i].ifindex, true, old, n_old);
}

static void keep_silent(struct repair *r, const char *path, const char *value)
{
	for (size_t i = 0; i < r->n_silent; i++) {
		if (!str_eq(r->silent[i].path, path))
			continue;
		free(r->silent[i].value);
		r->silent[i].value = value ? xstrdup(value) : NULL;
		return;
	}
	GROW(r->silent, r->n_silent, r->cap_silent);
	r->silent[r->n_silent++] = (struct silent){ xstrdup(path), value ? xstrdup(value) : NULL };
}

static void learn_silent(struct daemon_main *d, const struct world *world, const struct ops *ops)
{
	struct repair *r = d->repair;

	for (size_t i = 0; i < r->n_silent; i++) {
		free(r->silent[i].path);
		free(r->silent[i].value);
	}
	r->n_silent = 0;
	for (size_t i = 0; i < world->n_sysctls; i++)
		keep_silent(r, world->sysctls[i].path, world->sysctls[i].value);
	for (const struct net *net = d->nets; net; net = net->hh.next) {
		char path[64];

		if (!net->d || net->leaving || net->d->mode == NET_MODE_BRIDGE || net->d->mode == NET_MODE_MACVTAP)
			continue;
		(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/addr_gen_mode", net->d->bridge);
		keep_silent(r, path, "1");
	}
	for (size_t i = 0; i < ops->n; i++)
		if (ops->ops[i].kind == OP_SYSCTL)
			keep_silent(r, ops->ops[i].sysctl.path, ops->ops[i].sysctl.value);
}

void repair_learn(struct daemon_main *d, const struct world *world, const struct ops *ops, bool asked, mono_t now)
{
	struct repair *r = d->repair;

	for (size_t i = 0; !asked && i < ops->n; i++)
		if (is_repair(r, &ops->ops[i]))
			count(r, &ops->ops[i], now);
	r->by[0] = r->by_foreign[0] = '\0';
	r->failed_wait = 0;
	/* A port that is in the bridge again gets its guards and settings there by the next plan. */
	for (size_t i = 0; i < ops->n; i++)
		if (ops->ops[i].kind == OP_LINK_SET && (ops->ops[i].link.mask & OP_LINK_MASTER) && ops->ops[i].link.master[0])
			cause(d);
	learn_links(d, world);
	(void)kern_watch_neigh(r->watch, has_host_access(d));
	learn_silent(d, world, ops);
}

void repair_hear_filters(struct daemon_main *d, bool on)
{
	(void)kern_watch_tc(d->repair->watch, on);	/* else the tick sees what is gone */
}

void repair_failed(struct daemon_main *d)
{
	struct repair *r = d->repair;

	r->failed_wait = r->failed_wait == 0		    ? FAILED_FIRST
			 : r->failed_wait * 2 < WAIT_MAX ? r->failed_wait * 2
							    : WAIT_MAX;
	networks_reconcile_soon(d, r->failed_wait);
}

static bool silent_changed(struct daemon_main *d)
{
	struct repair *r = d->repair;
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(report_freep) struct report *report = report_new();
	const char **paths = arena_alloc(world->arena, r->n_silent, sizeof(*paths));

	for (size_t i = 0; i < r->n_silent; i++)
		paths[i] = r->silent[i].path;
	if (r->n_silent == 0 || kern_observe_sysctls(d->kern, paths, r->n_silent, world, report) < 0)
		return false;
	for (size_t i = 0; i < r->n_silent; i++)
		if (!str_eq(world_sysctl(world, r->silent[i].path), r->silent[i].value))
			return true;
	return false;
}

void repair_tick(struct daemon_main *d, mono_t now)
{
	if (!d->nets)
		return;
	forget_things(d->repair, now);
	if (++d->repair->ticks % TICKS_A_LOOK == 0 || silent_changed(d)) {
		cause(d);
		(void)loop_timer_set(d->loop, &d->soon, now);	/* nothing more is to come: look while we are awake */
	}
}

const char *repair_trouble(const struct daemon_main *d, const char *network, mono_t now, char buf[static 256])
{
	buf[0] = '\0';
	for (const struct thing *t = d->repair->things; t; t = t->next) {
		char next[64] = "";

		if (!t->fight || (t->network[0] && !str_eq(t->network, network)))
			continue;
		if (t->wait == 0) {
			(void)snprintf(buf, 256, "%s takes away %.80s again and again (%u times): put back at once each time",
				       t->by[0] ? t->by : "somebody", t->object, t->n);
			break;
		}
		if (now < t->not_before)
			(void)snprintf(next, sizeof(next), ", next in %llu s",
				       (unsigned long long)((t->not_before - now + MONO_S - 1) / MONO_S));
		(void)snprintf(buf, 256, "%s takes away %.80s again and again (%u times): put back every %llu s%s",
			       t->by[0] ? t->by : "somebody", t->object, t->n, (unsigned long long)(t->wait / MONO_S), next);
		break;
	}
	return buf;
}

int repair_new(struct daemon_main *d)
{
	static const struct kern_watch_ops ops = {
		.changed = on_changed, .link_new = on_link_new, .link_gone = on_link_gone,
		.resync = on_resync, .link_changed = on_link,
	};

	d->repair = NEW(struct repair);
	d->repair->d = d;
	d->repair->solicit.name = "solicit";
	d->repair->solicit.fn = on_solicit;
	return kern_watch_new(&d->repair->watch, d->loop, &ops, d);
}
