/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * networks_up - networks come, change and go as asked, and what is recorded of them
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
#include "daemon/confirm.h"
#include "daemon/drain.h"
#include "daemon/repair.h"
#include "kern/records.h"

#define RECORD_NETWORK "network"

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

	networks_unstick(d);
	if (!dry) {
		repair_forget(d);
		r = change_record(d, change, req, NULL, report);
		if (r == 0 && req->confirm_s > 0 && confirm_start(d, before, req->confirm_s) < 0) {
			report_error(report, "confirm", "how it was cannot be recorded in %s", d->records);
			r = 1;
		}
	}
	if (r == 0)
		r = networks_reconcile(d, report, dry, &changes);
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
	networks_unstick(d);
	int r = change_record(d, &change, NULL, before, report);
	if (r == 0)
		r = networks_reconcile(d, report, false, NULL);
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
