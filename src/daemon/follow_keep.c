/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow_keep - groups, all-multicast and filters of macvtaps that others took away are put back
 *
 * The kernel tells of all-multicast alone. The rest is looked at when main ticks:
 * one file shows the groups of all devices, one request the filters of many.
 */
#include "daemon/follow_priv.h"

#include "kern/mcast.h"

#define ALL_AGAIN MONO_S	/* not put back sooner after the last time */

/* What others did, and we mended. */
static void said(struct daemon_main *d, const struct followed *f, const char *what, size_t n)
{
	unsigned int held;

	if (log_gate_pass(&d->follow->gate, mono_now(), &held))
		log_event(LOG_LEVEL_NOTICE, "%s device=%s n=%zu held_back=%u", what, f->device, n, held);
}

/* Nobody tells us when the filter is taken off, and without it the guest isn't heard. */
static void keep_inward(struct daemon_main *d)
{
	_cleanup_(freep) uint32_t *indexes = NULL;
	size_t n = 0, cap = 0;

	for (const struct followed *f = d->follow->devices; f; f = f->hh.next) {
		if (!f->inward)
			continue;
		GROW(indexes, n, cap);
		indexes[n++] = f->ifindex;
	}
	if (n == 0 || kern_mcast_inward_lost(d->kern, indexes, n, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct followed *f = follow_find(d, indexes[i]);

		log_event(LOG_LEVEL_NOTICE, "filter-was-removed device=%s", f->device);
		f->inward = f->shown = false;
	}
}

/* Where in the file we are; the groups of a device come in the order in which they were joined. */
struct reading {
	const struct daemon_main *d;
	struct followed *f;	/* NULL: not one of ours */
	uint32_t ifindex;
	size_t next;
	struct lower {
		uint32_t ifindex;
		struct mac *groups;
		size_t n, cap;
	} *lowers, *lower;	/* of all devices; the one we are at, or NULL */
	size_t n_lowers, cap_lowers;
};

static struct lower *find_lower(const struct reading *at, uint32_t ifindex)
{
	for (size_t i = 0; i < at->n_lowers; i++)
		if (at->lowers[i].ifindex == ifindex)
			return &at->lowers[i];
	return NULL;
}

static void add_lower(struct reading *at, uint32_t ifindex)
{
	if (ifindex == 0 || find_lower(at, ifindex))
		return;
	GROW(at->lowers, at->n_lowers, at->cap_lowers);
	at->lowers[at->n_lowers++] = (struct lower){ .ifindex = ifindex };
}

static bool lets_in(const struct lower *l, const struct mac *group)
{
	for (size_t i = 0; i < l->n; i++)
		if (mac_eq(&l->groups[i], group))
			return true;
	return false;
}

static void is_joined(void *user, uint32_t ifindex, const struct mac *group, bool joined)
{
	struct reading *at = user;

	if (ifindex != at->ifindex) {
		at->ifindex = ifindex;
		at->f = follow_find(at->d, ifindex);
		at->lower = find_lower(at, ifindex);
		at->next = 0;
	}
	if (at->lower) {
		GROW(at->lower->groups, at->lower->n, at->lower->cap);
		at->lower->groups[at->lower->n++] = *group;
	}
	if (!joined)
		return;
	for (size_t i = 0; at->f && i < at->f->n_groups; i++) {
		size_t k = (at->next + i) % at->f->n_groups;

		if (!mac_eq(&at->f->groups[k].mac, group))
			continue;
		at->f->groups[k].there = true;
		at->next = k + 1;
		return;
	}
}

/*
 * A NIC that was moved to another namespace has forgotten what its macvtaps told it, MAC and groups, and the kernel doesn't
 * tell it again: the macvtap's list says that it has. The MAC is told when the macvtap is set up; groups never again, so
 * all of them are let in.
 */
static void check_lower(struct daemon_main *d, struct followed *f, const struct reading *at)
{
	const struct lower *l = find_lower(at, f->lower);
	size_t i = 0;

	if (!l || !f->up || f->all & MCAST_ALL_LOWER)
		return;
	if (l->n == 0) {
		d->follow->stale = true;
		return;
	}
	while (i < f->n_groups && !f->groups[i].there)
		i++;
	if (i == f->n_groups || lets_in(l, &f->groups[i].mac))
		return;
	int r = kern_mcast_reopen(d->kern, f->ifindex);
	if (r < 0)
		follow_failed(d, f, "set-up-again", r);
	f->all |= MCAST_ALL_LOWER;
	f->dirty = true;
	said(d, f, "lower-was-moved", 1);
}

/* Nor of groups: `ip maddr del`, or another device that has the index by now. What couldn't be joined is tried again, too. */
static void keep_joined(struct daemon_main *d)
{
	struct reading at = { .d = d };
	bool any = false;

	for (struct followed *f = d->follow->devices; f; f = f->hh.next)
		for (size_t i = 0; i < f->n_groups; i++) {
			f->groups[i].there = false;
			any = any || f->groups[i].joined;
			f->dirty = f->dirty || !f->groups[i].joined;
		}
	d->follow->stale = false;
	if (!any)
		return;
	for (const struct followed *f = d->follow->devices; f; f = f->hh.next)
		add_lower(&at, f->lower);
	bool read = kern_mcast_each(is_joined, &at) == 0;
	for (struct followed *f = d->follow->devices; f && read; f = f->hh.next) {
		size_t lost = 0, held = 0;

		check_lower(d, f, &at);

		for (size_t i = 0; i < f->n_groups; i++) {
			held += f->groups[i].there;
			if (!f->groups[i].joined || f->groups[i].there)
				continue;
			f->groups[i].joined = false;
			lost++;
		}
		if (lost == 0)
			continue;
		f->dirty = true;
		f->shown = f->shown && held > 0;	/* all of them: it may be another device */
		said(d, f, "groups-were-left", lost);
	}
	for (size_t i = 0; i < at.n_lowers; i++)
		free(at.lowers[i].groups);
	free(at.lowers);
}

/* Somebody switched it off. Who insists has his way until the tick. */
void follow_keep_all(struct daemon_main *d, struct followed *f, mono_t now)
{
	if (f->all_again != 0 && now - f->all_again < ALL_AGAIN)
		return;
	int r = kern_mcast_all(d->kern, f->ifindex, true);

	if (r < 0)
		follow_failed(d, f, "let-in-all-multicast", r);
	if (r != 0)
		return;		/* it is on; perhaps the news were old */
	f->all_again = now;
	if (!f->all_ours) {
		f->all_ours = true;
		follow_record(d, f);
	}
	said(d, f, "all-multicast-was-ended", 1);
}

/* All of it, by few looks at the kernel, whatever the number of guests. */
void follow_keep(struct daemon_main *d)
{
	keep_inward(d);
	keep_joined(d);
	for (struct followed *f = d->follow->devices; f; f = f->hh.next) {
		if (f->dirty)
			follow_apply(d, f);
		if (f->all)
			follow_keep_all(d, f, mono_now());
		if (!f->inward && kern_mcast_inward(d->kern, f->ifindex, true) == 0) {
			f->inward = true;
			f->shown = false;
		}
		if (!f->shown)
			follow_tell(d, f, true);
		if (f->seen_new)
			follow_record(d, f);
	}
}
