/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow - main's part of multicast that follows guests behind macvtap devices
 */
#include "daemon/follow_priv.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "daemon/state.h"
#include "io/packet.h"
#include "kern/mcast.h"
#include "kern/observe.h"
#include "kern/records.h"

#define RECORD_FOLLOW "follow"
static const mono_t retry_after[] = { 200 * MONO_MS, MONO_S };	/* a monitor that was closed; then at the tick */

struct followed *follow_find(const struct daemon_main *d, uint32_t ifindex)
{
	struct followed *f = NULL;

	HASH_FIND(hh, d->follow->devices, &ifindex, sizeof(ifindex), f);
	return f;
}

static struct followed *find_id(const struct daemon_main *d, uint64_t id)
{
	struct followed *f = NULL;

	HASH_FIND(hh_id, d->follow->by_id, &id, sizeof(id), f);
	return f;
}

/* ---- records ---- */

static const char *record_key(uint32_t ifindex, char buf[static 16])
{
	(void)snprintf(buf, 16, "%u", ifindex);
	return buf;
}

void follow_record(struct daemon_main *d, struct followed *f)
{
	json_t *groups = json_object(), *seen = json_array();
	char key[16];

	for (size_t i = 0; i < f->n_groups; i++)
		(void)json_object_set_new(groups, MAC_STR(&f->groups[i].mac), json_integer(f->groups[i].reasons));
	for (size_t i = 0; i < f->n_seen; i++)
		(void)json_array_append_new(seen, json_string(IP_STR(&f->seen[i].ip)));
	json_t *o = json_pack("{s:s, s:s, s:b, s:o, s:o}", "device", f->device, "mac", MAC_STR(&f->mac), "all", f->all_ours, "groups",
			      groups, "seen", seen);
	int r = o ? record_put(d->records, RECORD_FOLLOW, record_key(f->ifindex, key), o) : -ENOMEM;

	json_decref(o);
	f->seen_new = false;
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "record-failed device=%s error=\"%s\"", f->device, strerror(-r));
}

/* What we joined on this device before; another device may have its index by now. */
static void recall(struct daemon_main *d, struct followed *f)
{
	json_t *o = NULL, *v;
	const char *key;
	struct mac mac;
	char name[16];
	size_t i;

	if (record_get(d->records, RECORD_FOLLOW, record_key(f->ifindex, name), &o) != 0)
		return;
	const char *text = json_string_value(json_object_get(o, "mac"));
	if (text && mac_parse(text, &mac) && mac_eq(&mac, &f->mac)) {
		f->all_ours = json_is_true(json_object_get(o, "all"));
		if (f->all_ours)
			f->all = MCAST_ALL_MANY;	/* until the engine knows better */
		json_object_foreach(json_object_get(o, "groups"), key, v)
			if (f->n_groups < MCAST_GROUPS && mac_parse(key, &mac) && mac_is_multicast(&mac)) {
				f->groups[f->n_groups].mac = mac;
				f->groups[f->n_groups].reasons = (uint8_t)(json_integer_value(v) & MCAST_REASONS_ALL);
				f->groups[f->n_groups++].joined = true;
			}
		json_array_foreach(json_object_get(o, "seen"), i, v)
			if (f->n_seen < SEEN_MAX_ && json_is_string(v) && ip_parse(json_string_value(v), &f->seen[f->n_seen].ip))
				f->seen[f->n_seen++].at = 0;
	}
	json_decref(o);
}

/* ---- the engine ---- */

/*
 * With the filter what we send goes to the guest. Without it, in mode bridge the lower device hands a frame for the
 * macvtap's MAC straight back (drivers/net/macvlan.c).
 */
static bool may_ask(const struct followed *f)
{
	return f->inward || f->mode == MACVLAN_MODE_BRIDGE;
}

static const struct guest *guest_of(const struct daemon_main *d, const struct followed *f)
{
	for (size_t i = 0; !f->by && i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, f->network) && str_eq(d->guests[i]->name, f->guest))
			return d->guests[i];
	return NULL;
}

static void add_ips(struct inner_follow *msg, const struct ip *ips, size_t n)
{
	for (size_t i = 0; i < n && msg->n_declared < MCAST_DECLARED_IPS; i++)
		if (ips[i].family == AF_INET6)
			msg->declared[msg->n_declared++] = ips[i];
}

static void add_declared(struct daemon_main *d, const struct followed *f, struct inner_follow *msg)
{
	const struct guest *g = guest_of(d, f);
	const struct net *net = f->by ? NULL : networks_find(d, f->network);
	const struct d_guest *declared = net && net->d ? desired_guest(net->d, f->guest) : NULL;

	if (g)
		add_ips(msg, g->ips, g->n_ips);
	if (declared)
		add_ips(msg, declared->ips, declared->n_ips);
}

/* Whoever closes its monitor again and again doesn't keep us busy. */
static void try_again(struct followed *f, mono_t now)
{
	f->retry_at = f->retries < ARRAY_LEN(retry_after) ? mono_add(now, retry_after[f->retries++]) : MONO_NEVER;
}

/* The engine reads what QEMU says; only main may connect. What fails now is tried again at the next tick. */
static void open_monitor(struct daemon_main *d, struct followed *f)
{
	const struct guest *g = guest_of(d, f);
	struct inner_qmp msg = { .id = f->id };

	f->has_monitor = g ? g->monitor : f->by && f->by->monitor;
	if (!f->has_monitor || f->monitor_open || d->engine.src.fd < 0)
		return;
	int fd = g ? macvtap_connect(d, g) : macvtap_connect_adopted(d, f->by->subject);
	f->monitor_error = fd < 0 ? fd : 0;
	if (fd < 0)
		return;
	f->monitor_open = serve_tell_engine(d, INNER_QMP, &msg, &fd, 1) == 0;
	(void)close(fd);
}

static int set_retry(struct follow *follow)
{
	mono_t next = MONO_NEVER;

	for (const struct followed *f = follow->devices; f; f = f->hh.next)
		next = mono_min(next, f->retry_at);
	return loop_timer_set(follow->d->loop, &follow->retry, next);
}

static int on_retry(struct loop_timer *timer, mono_t now)
{
	struct follow *follow = CONTAINER_OF(timer, struct follow, retry);

	for (struct followed *f = follow->devices; f; f = f->hh.next)
		if (f->retry_at <= now) {
			f->retry_at = MONO_NEVER;
			open_monitor(follow->d, f);
			if (!f->monitor_open)
				try_again(f, now);
		}
	return set_retry(follow);
}

static void monitor_gone(struct daemon_main *d, struct followed *f)
{
	f->monitor_open = false;
	try_again(f, mono_now());
	(void)set_retry(d->follow);	/* else the tick does it */
}

void follow_tell(struct daemon_main *d, struct followed *f, bool with_socket)
{
	struct inner_follow msg = { .id = f->id, .ifindex = f->ifindex, .mac = f->mac, .may_ask = may_ask(f) };
	int fd = -1, r = 0;

	if (d->engine.src.fd < 0)
		return;
	(void)str_copy(msg.device, sizeof(msg.device), f->device);
	add_declared(d, f, &msg);
	if (with_socket)
		r = packet_open_guest(f->ifindex, KERN_MCAST_MARK, !(f->inward && kern_mcast_hears(d->kern)), &fd);
	if (r == 0)
		r = serve_tell_engine(d, INNER_FOLLOW, &msg, &fd, with_socket);
	if (fd >= 0)
		(void)close(fd);
	if (with_socket)
		f->shown = r == 0;	/* else the tick tries again */
	if (r < 0 && r != -ENODEV)
		log_event(LOG_LEVEL_ERROR, "cannot-follow device=%s error=\"%s\"", f->device, strerror(-r));
	for (size_t i = 0; r == 0 && with_socket && i < f->n_groups; i++) {
		struct inner_group had = { .id = f->id, .group = f->groups[i].mac, .reasons = f->groups[i].reasons };

		if (f->groups[i].joined && had.reasons)
			r = serve_tell_engine(d, INNER_FOLLOWED, &had, NULL, 0);
	}
	if (r == 0)
		open_monitor(d, f);
}

void follow_engine_started(struct daemon_main *d)
{
	for (struct followed *f = d->follow->devices; f; f = f->hh.next) {
		f->monitor_open = false;
		follow_tell(d, f, true);
	}
}

static void on_group(struct daemon_main *d, const struct inner_group *g)
{
	struct followed *f = find_id(d, g->id);
	size_t i = 0;

	if (!f)
		return;
	f->dirty = true;
	if (mac_is_zero(&g->group)) {
		f->all = g->reasons | (f->all & MCAST_ALL_MAIN);
		return;
	}
	while (i < f->n_groups && !mac_eq(&f->groups[i].mac, &g->group))
		i++;
	if (i == f->n_groups) {
		if (g->reasons == 0 || f->n_groups == MCAST_GROUPS)	/* the engine may say anything */
			return;
		f->groups[f->n_groups].mac = g->group;
		f->groups[f->n_groups++].joined = false;
	}
	f->groups[i].reasons = g->reasons;
}

static void on_sight(struct daemon_main *d, const struct inner_sight *s)
{
	struct followed *f = find_id(d, s->id);
	size_t at = 0;

	if (!f)
		return;
	for (size_t i = 0; i < f->n_seen; i++) {
		if (ip_eq(&f->seen[i].ip, &s->ip)) {
			f->seen[i].at = mono_now();
			return;
		}
		if (f->seen[i].at < f->seen[at].at)
			at = i;
	}
	if (f->n_seen < SEEN_MAX_)
		at = f->n_seen++;
	f->seen[at].ip = s->ip;
	f->seen[at].at = mono_now();
	f->seen_new = true;
}

void follow_message(struct daemon_main *d, const struct inner_msg *msg)
{
	if (msg->type == INNER_GROUP)
		on_group(d, &msg->body.group);
	else if (msg->type == INNER_SIGHT)
		on_sight(d, &msg->body.sight);
	else if (msg->type == INNER_QMP_GONE && find_id(d, msg->body.unfollow.id))
		monitor_gone(d, find_id(d, msg->body.unfollow.id));
}

/* ---- the kernel ---- */

void follow_failed(struct daemon_main *d, const struct followed *f, const char *what, int r)
{
	unsigned int held;

	if (r != -ENODEV && r != -ENXIO && log_gate_pass(&d->follow->gate, mono_now(), &held))
		log_event(LOG_LEVEL_ERROR, "cannot-%s device=%s error=\"%s\" held_back=%u", what, f->device, strerror(-r), held);
}

static bool wants_join(const struct followed *f)
{
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->groups[i].reasons && !f->groups[i].joined)
			return true;
	return f->all && !f->all_ours;
}

static void join_all_multicast(struct daemon_main *d, struct followed *f)
{
	if (f->all && !f->all_ours) {
		int r = kern_mcast_all(d->kern, f->ifindex, true);

		f->all_ours = r == 0;	/* 1: somebody else wants it so as well */
		if (r < 0)
			follow_failed(d, f, "let-in-all-multicast", r);
		if (r == 0 && !(f->all & MCAST_ALL_CONFIG))
			log_event(LOG_LEVEL_WARNING, "all-multicast device=%s why=\"%s\"", f->device,
				  mcast_all_text[__builtin_ctz(f->all)]);
	} else if (!f->all && f->all_ours) {
		int r = kern_mcast_all(d->kern, f->ifindex, false);

		f->all_ours = false;
		if (r < 0)
			follow_failed(d, f, "stop-all-multicast", r);
		else
			log_event(LOG_LEVEL_NOTICE, "all-multicast-ends device=%s", f->device);
	}
}

void follow_apply(struct daemon_main *d, struct followed *f)
{
	bool again = f->all == 0 && f->all_ours;

	if (wants_join(f))
		follow_record(d, f);
	for (size_t i = 0; i < f->n_groups; i++) {
		int r;

		if (f->groups[i].reasons && !f->groups[i].joined) {
			r = kern_mcast_join(d->kern, f->ifindex, &f->groups[i].mac);
			f->groups[i].joined = r == 0;
			if (r < 0)
				follow_failed(d, f, "join", r);
		} else if (!f->groups[i].reasons) {
			r = f->groups[i].joined ? kern_mcast_leave(d->kern, f->ifindex, &f->groups[i].mac) : 0;
			if (r < 0)
				follow_failed(d, f, "leave", r);
			f->groups[i--] = f->groups[--f->n_groups];
			again = true;
		}
	}
	bool was = f->all_ours;
	join_all_multicast(d, f);
	if (again || f->all_ours != was)
		follow_record(d, f);
	f->dirty = false;
}

void follow_flush(struct daemon_main *d)
{
	for (struct followed *f = d->follow->devices; f; f = f->hh.next)
		if (f->dirty)
			follow_apply(d, f);
}
void follow_tick(struct daemon_main *d)
{
	if (d->follow->stale)
		follow_sync(d);
	else
		follow_keep(d);
	for (struct followed *f = d->follow->devices; f; f = f->hh.next) {
		if (f->monitor_open)
			f->retries = 0;
		open_monitor(d, f);
	}
}

/* ---- devices ---- */

static void drop(struct daemon_main *d, struct followed *f)
{
	char key[16];

	HASH_DEL(d->follow->devices, f);
	HASH_DELETE(hh_id, d->follow->by_id, f);
	(void)record_del(d->records, RECORD_FOLLOW, record_key(f->ifindex, key));
	(void)serve_tell_engine(d, INNER_UNFOLLOW, &(struct inner_unfollow){ f->id }, NULL, 0);
	free(f);
}

/* What we joined is left; what others joined stays. */
static void let_go(struct daemon_main *d, struct followed *f)
{
	for (size_t i = 0; i < f->n_groups; i++)
		f->groups[i].reasons = 0;
	f->all = 0;
	follow_apply(d, f);
	(void)kern_mcast_inward(d->kern, f->ifindex, false);
	log_event(LOG_LEVEL_INFO, "no-longer-followed device=%s", f->device);
	drop(d, f);
}

/* What is to be done about a macvtap. */
struct wish {
	bool follow;
	const struct adoption *by;
	uint8_t all;			/* MCAST_ALL_CONFIG, or 0 */
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];	/* ours */
};

static struct wish wish_for(struct daemon_main *d, const struct w_link *link)
{
	struct wish w = { .follow = false };

	if (!str_eq(link->kind, "macvtap"))
		return w;
	if (!alias_parse(link->alias, w.network, w.guest)) {
		w.by = adopt_wants(d, link);
		w.follow = w.by != NULL;
		return w;
	}
	const struct net *net = networks_find(d, w.network);
	if (!net || !net->d || net->leaving || net->d->mode != NET_MODE_MACVTAP || !w.guest[0])
		return w;
	switch (net->d->macvtap.multicast) {
	case MACVTAP_MULTICAST_AUTO:
		w.follow = true;
		break;
	case MACVTAP_MULTICAST_ALL:
		w.follow = true;
		w.all = MCAST_ALL_CONFIG;
		break;
	case MACVTAP_MULTICAST_OFF:
	case MACVTAP_MULTICAST_N_:
		break;
	}
	return w;
}

static void begin(struct daemon_main *d, const struct w_link *link, const struct wish *w)
{
	struct followed *f = NEW(struct followed);
	const struct adoption *by = w->by;

	f->ifindex = link->ifindex;
	f->id = ++d->follow->next_id;
	(void)str_copy(f->device, sizeof(f->device), link->name);
	f->mac = link->mac;
	f->lower = link->lower;
	f->up = link->flags & IFF_UP;
	f->mode = link->macvlan_mode;
	f->retry_at = MONO_NEVER;
	f->by = by;
	f->monitor_n = by ? by->monitor_n : 0;
	memcpy(f->network, w->network, sizeof(f->network));
	memcpy(f->guest, w->guest, sizeof(f->guest));
	HASH_ADD(hh, d->follow->devices, ifindex, sizeof(f->ifindex), f);
	HASH_ADD(hh_id, d->follow->by_id, id, sizeof(f->id), f);
	recall(d, f);
	log_event(LOG_LEVEL_INFO, "followed device=%s subject=%s groups=%zu", f->device, by ? by->subject : w->network, f->n_groups);
	f->all |= w->all;
	if (f->all || f->n_groups > 0)	/* what was about to be left is */
		follow_apply(d, f);
	f->inward = kern_mcast_inward(d->kern, f->ifindex, true) == 0;
	follow_tell(d, f, true);
}

/* The engine forgets the device, with its monitor, and hears of it again. Groups stay. */
static void begin_anew(struct daemon_main *d, struct followed *f)
{
	(void)serve_tell_engine(d, INNER_UNFOLLOW, &(struct inner_unfollow){ f->id }, NULL, 0);
	HASH_DELETE(hh_id, d->follow->by_id, f);
	f->id = ++d->follow->next_id;
	HASH_ADD(hh_id, d->follow->by_id, id, sizeof(f->id), f);
	f->monitor_n = f->by->monitor_n;
	f->monitor_open = false;
	f->monitor_error = 0;
	f->retries = 0;
	follow_tell(d, f, true);
}

static struct followed *look(struct daemon_main *d, const struct w_link *link)
{
	const struct wish w = wish_for(d, link);
	struct followed *f = follow_find(d, link->ifindex);

	if (!w.follow) {
		if (f)
			let_go(d, f);
		return NULL;
	}
	if (!f) {
		begin(d, link, &w);
		return follow_find(d, link->ifindex);
	}
	f->by = w.by;
	if (w.by && w.by->monitor_n != f->monitor_n)
		begin_anew(d, f);
	if ((f->all & MCAST_ALL_CONFIG) != w.all) {
		f->all = (f->all & (uint8_t)~MCAST_ALL_CONFIG) | w.all;
		follow_apply(d, f);
	}
	if (f->all && !(link->flags & IFF_ALLMULTI))
		follow_keep_all(d, f, mono_now());
	bool news = !mac_eq(&f->mac, &link->mac) || f->mode != link->macvlan_mode || !str_eq(f->device, link->name);
	f->lower = link->lower;
	f->up = link->flags & IFF_UP;
	if (news) {
		f->mac = link->mac;
		f->mode = link->macvlan_mode;
		(void)str_copy(f->device, sizeof(f->device), link->name);
		follow_record(d, f);
		follow_tell(d, f, false);
	}
	return f;
}

void follow_link(struct daemon_main *d, const struct w_link *link)
{
	(void)look(d, link);
}

void follow_link_gone(struct daemon_main *d, uint32_t ifindex)
{
	struct followed *f = follow_find(d, ifindex);

	if (!f)
		return;
	log_event(LOG_LEVEL_INFO, "followed-device-gone device=%s", f->device);
	drop(d, f);
}

void follow_sync(struct daemon_main *d)
{
	_cleanup_(world_freep) struct world *world = world_new();
	struct followed *f, *next;

	if (kern_observe_links(d->kern, world) < 0)
		return;
	for (f = d->follow->devices; f; f = f->hh.next)
		f->keep = false;
	for (size_t i = 0; i < world->n_links; i++) {
		f = look(d, &world->links[i]);
		if (f)
			f->keep = true;
	}
	HASH_ITER(hh, d->follow->devices, f, next)
		if (!f->keep)
			drop(d, f);
	follow_keep(d);
}

int follow_new(struct daemon_main *d)
{
	d->follow = NEW(struct follow);
	d->follow->d = d;
	d->follow->retry = (struct loop_timer){ .name = "monitors", .fn = on_retry, .deadline = MONO_NEVER };
	d->follow->gate = (struct log_gate){ .every = 60 * MONO_S, .burst = 10 };
	return adopt_restore(d);
}

void follow_networks_changed(struct daemon_main *d)
{
	bool ours = false;

	for (const struct net *net = d->nets; net && !ours; net = net->hh.next)
		ours = net->d && net->d->mode == NET_MODE_MACVTAP;
	for (const struct followed *f = d->follow->devices; f && !ours; f = f->hh.next)
		ours = !f->by;
	if (!ours)
		return;
	follow_sync(d);
	for (struct followed *f = d->follow->devices; f; f = f->hh.next)	/* addresses may be declared by now */
		if (!f->by)
			follow_tell(d, f, false);
}

bool follow_is_busy(const struct daemon_main *d)
{
	return d->adoptions != NULL;
}
