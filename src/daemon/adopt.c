/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt - what somebody else made and we look after
 *
 * An adoption names a guest by what lasts: the MACs of its NICs, which the
 * command looked up when it was named as libvirt knows it. So a guest that comes
 * back under another interface name is found again. An interface that is named
 * by itself counts by its name, and by the MAC it had.
 *
 * Adoptions of the configuration come with `up` and go with it; those by `adopt`
 * are the same until `release`. Each is a record, so that they outlive us.
 */
#include "daemon/follow.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "daemon/state.h"
#include "kern/records.h"

#define RECORD_ADOPTED "adopted"

static struct adoption *adoption_free(struct adoption *a)
{
	free(a->subject);
	free(a->source);
	free(a->monitor);
	free(a);
	return NULL;
}

static struct adoption *find(const struct daemon_main *d, const char *subject)
{
	for (struct adoption *a = d->adoptions; a; a = a->next)
		if (str_eq(a->subject, subject))
			return a;
	return NULL;
}

static void record(struct daemon_main *d, const struct adoption *a)
{
	json_t *macs = json_array(), *devices = json_array();

	for (size_t i = 0; i < a->n_macs; i++)
		(void)json_array_append_new(macs, json_string(MAC_STR(&a->macs[i])));
	for (size_t i = 0; i < a->n_devices; i++)
		(void)json_array_append_new(devices, json_string(a->devices[i]));
	json_t *o = json_pack("{s:b, s:o, s:o}", "all", a->all, "macs", macs, "devices", devices);

	if (a->source)
		(void)json_object_set_new(o, "source", json_string(a->source));
	if (a->monitor)
		(void)json_object_set_new(o, "monitor", json_string(a->monitor));
	int r = o ? record_put(d->records, RECORD_ADOPTED, a->subject, o) : -ENOMEM;

	json_decref(o);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "record-failed adopted=%s error=\"%s\"", a->subject, strerror(-r));
}

static void append(struct daemon_main *d, struct adoption *a)
{
	struct adoption **at = &d->adoptions;

	while (*at)
		at = &(*at)->next;
	*at = a;
}

static int restore(void *user, const char *key, const json_t *value)
{
	struct daemon_main *d = user;
	struct adoption *a = NEW(struct adoption);
	const json_t *o;
	size_t i;

	a->subject = xstrdup(key);
	a->all = json_is_true(json_object_get(value, "all"));
	if (json_string_value(json_object_get(value, "source")))
		a->source = xstrdup(json_string_value(json_object_get(value, "source")));
	if (json_string_value(json_object_get(value, "monitor")))
		a->monitor = xstrdup(json_string_value(json_object_get(value, "monitor")));
	json_array_foreach(json_object_get(value, "macs"), i, o)
		if (a->n_macs < ARRAY_LEN(a->macs) && json_is_string(o) && mac_parse(json_string_value(o), &a->macs[a->n_macs]))
			a->n_macs++;
	json_array_foreach(json_object_get(value, "devices"), i, o)
		if (a->n_devices < ARRAY_LEN(a->devices) && json_is_string(o) &&
		    str_copy(a->devices[a->n_devices], sizeof(a->devices[0]), json_string_value(o)))
			a->n_devices++;
	append(d, a);
	return 0;
}

int adopt_restore(struct daemon_main *d)
{
	return record_each(d->records, RECORD_ADOPTED, restore, d);
}

static bool has_mac(const struct adoption *a, const struct mac *mac)
{
	for (size_t i = 0; i < a->n_macs; i++)
		if (mac_eq(&a->macs[i], mac))
			return true;
	return false;
}

static bool has_device(const struct adoption *a, const char *name)
{
	for (size_t i = 0; i < a->n_devices; i++)
		if (str_eq(a->devices[i], name))
			return true;
	return false;
}

const struct adoption *adopt_wants(struct daemon_main *d, const struct w_link *link)
{
	const struct adoption *all = NULL;

	for (struct adoption *a = d->adoptions; a; a = a->next) {
		if (a->all)
			all = a;
		if (has_mac(a, &link->mac))
			return a;
		if (!has_device(a, link->name))
			continue;
		if (a->n_devices == 1) {	/* the MAC it has now is the one to know it by */
			a->macs[0] = link->mac;
			a->n_macs = 1;
			record(d, a);
		}
		return a;
	}
	return all;
}

/* @whole: of a configuration, which says all; else a monitor that isn't named stays. */
static bool same(const struct adoption *a, const struct ctl_adopt *c, const char *source, bool whole)
{
	if (!str_eq(a->source ? a->source : "", source ? source : "") || a->all != c->all ||
	    (c->n_macs > 0 && a->n_macs != c->n_macs) || a->n_devices != c->n_devices)
		return false;
	if ((whole || c->monitor) && !str_eq(a->monitor ? a->monitor : "", c->monitor ? c->monitor : ""))
		return false;
	for (size_t i = 0; i < c->n_macs; i++)
		if (!has_mac(a, &c->macs[i]))
			return false;
	for (size_t i = 0; i < c->n_devices; i++)
		if (!has_device(a, c->devices[i]))
			return false;
	return true;
}

static void drop(struct daemon_main *d, struct adoption *a)
{
	for (struct adoption **at = &d->adoptions; *at; at = &(*at)->next)
		if (*at == a) {
			*at = a->next;
			break;
		}
	(void)record_del(d->records, RECORD_ADOPTED, a->subject);
	adoption_free(a);
}

static bool is_in(const struct ctl_adopt *adopts, size_t n, const char *subject)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(adopts[i].subject, subject))
			return true;
	return false;
}

/* What is remembered in a file isn't forgotten because somebody adopts it for now as well. */
static void set(struct daemon_main *d, struct adoption *a, const struct ctl_adopt *c, const char *source, bool whole)
{
	a->all = c->all;
	if ((whole || c->monitor) && !str_eq(a->monitor ? a->monitor : "", c->monitor ? c->monitor : "")) {
		a->monitor_n++;
		free(a->monitor);
		a->monitor = c->monitor ? xstrdup(c->monitor) : NULL;
	}
	if (source) {
		free(a->source);
		a->source = xstrdup(source);
	}
	if (c->n_macs > 0) {
		memcpy(a->macs, c->macs, sizeof(a->macs));
		a->n_macs = c->n_macs;
	}
	a->n_devices = 0;
	for (size_t k = 0; k < c->n_devices; k++)
		if (str_copy(a->devices[a->n_devices], sizeof(a->devices[0]), c->devices[k]))
			a->n_devices++;
	record(d, a);
}

bool adopt_add(struct daemon_main *d, const struct ctl_request *req)
{
	const char *source = req->runtime ? NULL : req->source;
	const bool whole = req->whole || req->what == CTL_UP;
	bool changed = false;

	for (size_t i = 0; i < req->n_adopts; i++) {
		const struct ctl_adopt *c = &req->adopts[i];
		struct adoption *a = find(d, c->subject);

		if (a && same(a, c, source ? source : a->source, whole))
			continue;
		if (!a) {
			a = NEW(struct adoption);
			a->subject = xstrdup(c->subject);
			append(d, a);
		}
		set(d, a, c, source, whole);
		changed = true;
	}
	for (struct adoption *a = whole ? d->adoptions : NULL, *next; a; a = next) {
		next = a->next;
		if (a->source && str_eq(a->source, req->source) && !is_in(req->adopts, req->n_adopts, a->subject)) {
			drop(d, a);
			changed = true;
		}
	}
	if (changed)
		follow_sync(d);
	return changed;
}

int adopt_release(struct daemon_main *d, const char *const *subjects, size_t n, struct report *report, bool *ret_changed)
{
	*ret_changed = false;
	for (size_t i = 0; i < n; i++) {
		if (find(d, subjects[i]))
			continue;
		struct finding *f = report_error(report, subjects[i], "isn't adopted");

		report_help(f, d->adoptions ? "sixtap status shows what is" : "nothing is");
		for (const struct adoption *a = d->adoptions; a; a = a->next)
			if (has_device(a, subjects[i]) || a->all)
				report_help(f, "release what it was adopted by:  sixtap release %s", a->subject);
	}
	if (report_n_errors(report) > 0)
		return 1;
	for (size_t i = 0; i < n; i++) {
		struct adoption *a = find(d, subjects[i]);

		if (a)
			drop(d, a);
		*ret_changed = true;
	}
	follow_sync(d);
	return 0;
}

void adopt_drop_all(struct daemon_main *d)
{
	while (d->adoptions)
		drop(d, d->adoptions);
	follow_sync(d);
}
