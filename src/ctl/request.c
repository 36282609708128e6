/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request - what a command asks of the daemon, checked
 */
#include "ctl/request.h"

const char *const ctl_do_name[CTL_DO_N_] = {
	[CTL_HELLO] = "hello",
	[CTL_PLAN] = "plan",
	[CTL_UP] = "up",
	[CTL_DOWN] = "down",
	[CTL_STATUS] = "status",
	[CTL_LEASES] = "leases",
	[CTL_ATTACH] = "attach",
	[CTL_FORWARDS] = "forwards",
	[CTL_FORWARD_ADD] = "forward-add",
	[CTL_FORWARD_DEL] = "forward-del",
	[CTL_ADOPT] = "adopt",
	[CTL_RELEASE] = "release",
	[CTL_CONFIRM] = "confirm",
	[CTL_QUIT] = "quit",
};

bool ctl_needs_root(enum ctl_do what)
{
	switch (what) {
	case CTL_HELLO:
	case CTL_STATUS:
	case CTL_LEASES:
	case CTL_FORWARDS:
	case CTL_ATTACH:
		return false;
	case CTL_PLAN:
	case CTL_UP:
	case CTL_DOWN:
	case CTL_FORWARD_ADD:
	case CTL_FORWARD_DEL:
	case CTL_ADOPT:
	case CTL_RELEASE:
	case CTL_CONFIRM:
	case CTL_QUIT:
	case CTL_DO_N_:
		break;
	}
	return true;
}

struct ctl_request *ctl_request_free(struct ctl_request *request)
{
	if (!request)
		return NULL;
	json_decref(request->root);
	free(request->files);
	free((void *)request->networks);
	free((void *)request->subjects);
	free(request->adopts);
	free(request);
	return NULL;
}

json_t *ctl_request_new(enum ctl_do what)
{
	return json_pack("{s:i, s:s}", "version", CTL_VERSION, "do", ctl_do_name[what]);
}

static int bad(struct report *report, const char *member, const char *what)
{
	report_error(report, "request", "\"%s\" %s", member, what)->exit_status = 2;
	return 1;
}

static int get_strings(const json_t *v, const char *member, const char **ret, size_t max, size_t *ret_n,
		       struct report *report)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > max)
		return bad(report, member, "is not a list of strings, or too long");
	json_array_foreach(v, i, item) {
		if (!json_is_string(item))
			return bad(report, member, "holds something that isn't a string");
		ret[i] = json_string_value(item);
	}
	*ret_n = json_array_size(v);
	return 0;
}

static int get_files(const json_t *v, struct ctl_request *r, struct report *report)
{
	const json_t *o;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > 4096)
		return bad(report, "files", "is not a list, or too long");
	r->files = xcalloc(json_array_size(v), sizeof(*r->files));
	json_array_foreach(v, i, o) {
		const json_t *file = json_object_get(o, "file"), *text = json_object_get(o, "text");

		if (!json_is_string(file) || !json_is_string(text))
			return bad(report, "files", "needs \"file\" and \"text\"");
		r->files[i] = (struct ctl_file){ json_string_value(file), json_string_value(text),
						 json_string_length(text) };
	}
	r->n_files = json_array_size(v);
	return 0;
}

static int get_ips(const json_t *v, struct ctl_attach *a, struct report *report)
{
	const char *text[ARRAY_LEN(a->ips)];
	int r = get_strings(v, "ips", text, ARRAY_LEN(text), &a->n_ips, report);

	for (size_t i = 0; r == 0 && i < a->n_ips; i++)
		if (!ip_parse(text[i], &a->ips[i]))
			r = bad(report, "ips", "holds something that isn't an address");
	return r;
}

static int get_int(const json_t *v, const char *member, json_int_t min, json_int_t max, json_int_t *ret,
		   struct report *report)
{
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return bad(report, member, "is not a number in range");
	*ret = json_integer_value(v);
	return 0;
}

static bool *get_flag(struct ctl_request *r, const char *key)
{
	if (str_eq(key, "wait"))
		return &r->wait;
	if (str_eq(key, "brief"))
		return &r->brief;
	if (str_eq(key, "quit"))
		return &r->quit;
	if (str_eq(key, "force"))
		return &r->force;
	if (str_eq(key, "whole"))
		return &r->whole;
	if (str_eq(key, "runtime"))
		return &r->runtime;
	if (str_eq(key, "monitor"))
		return &r->attach.monitor;
	return str_eq(key, "save") ? &r->save : NULL;
}

static int get_adopt(const json_t *o, struct ctl_adopt *a, struct report *report)
{
	const char *macs[CTL_ADOPT_NICS];
	const json_t *list;

	a->subject = json_string_value(json_object_get(o, "subject"));
	a->all = json_is_true(json_object_get(o, "all"));
	if (!a->subject || !a->subject[0] || strlen(a->subject) > 200)
		return bad(report, "adopts", "needs \"subject\"");
	a->monitor = json_string_value(json_object_get(o, "monitor"));
	list = json_object_get(o, "devices");
	if (list && get_strings(list, "devices", a->devices, CTL_ADOPT_NICS, &a->n_devices, report) != 0)
		return 1;
	list = json_object_get(o, "macs");
	if (list && get_strings(list, "macs", macs, CTL_ADOPT_NICS, &a->n_macs, report) != 0)
		return 1;
	for (size_t i = 0; i < a->n_macs; i++)
		if (!mac_parse(macs[i], &a->macs[i]))
			return bad(report, "macs", "holds something that isn't a MAC address");
	return 0;
}

static int get_adopts(const json_t *v, struct ctl_request *r, struct report *report)
{
	const json_t *o;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > CTL_ADOPTS_MAX || r->adopts)
		return bad(report, "adopts", "is not a list, or too long");
	r->adopts = xcalloc(json_array_size(v) + 1, sizeof(*r->adopts));
	r->has_adopts = true;
	json_array_foreach(v, i, o) {
		if (get_adopt(o, &r->adopts[i], report) != 0)
			return 1;
		r->n_adopts++;
	}
	return 0;
}

static int get_member(struct ctl_request *r, const char *key, json_t *v, struct report *report)
{
	struct ctl_attach *a = &r->attach;
	json_int_t i = 0;
	int bad_status = 0;

	if (str_eq(key, "version") || str_eq(key, "do"))
		return 0;
	if (str_eq(key, "files"))
		return get_files(v, r, report);
	if (str_eq(key, "networks")) {
		r->networks = xcalloc(json_array_size(v), sizeof(*r->networks));
		return get_strings(v, key, r->networks, json_array_size(v), &r->n_networks, report);
	}
	if (str_eq(key, "adopts"))
		return get_adopts(v, r, report);
	if (str_eq(key, "subjects")) {
		r->subjects = xcalloc(json_array_size(v) + 1, sizeof(*r->subjects));
		return get_strings(v, key, r->subjects, CTL_ADOPTS_MAX, &r->n_subjects, report);
	}
	if (str_eq(key, "forwards"))
		return get_strings(v, key, a->forwards, ARRAY_LEN(a->forwards), &a->n_forwards, report);
	if (str_eq(key, "ips"))
		return get_ips(v, a, report);
	if (str_eq(key, "queues")) {
		bad_status = get_int(v, key, 1, CTL_QUEUES_MAX, &i, report);
		a->queues = (unsigned int)i;
		return bad_status;
	}
	if (str_eq(key, "confirm")) {
		bad_status = get_int(v, key, 1, CTL_CONFIRM_MAX_S, &i, report);
		r->confirm_s = (uint32_t)i;
		return bad_status;
	}
	if (str_eq(key, "pid")) {
		bad_status = get_int(v, key, 1, INT32_MAX, &i, report);
		a->pid = i;
		return bad_status;
	}
	bool *flag = get_flag(r, key);
	if (flag) {
		if (!json_is_boolean(v))
			return bad(report, key, "is neither true nor false");
		*flag = json_is_true(v);
		return 0;
	}
	const char *s = json_string_value(v);
	if (!s)
		return bad(report, key, "is unknown here, or not a string");
	if (str_eq(key, "source"))
		r->source = s;
	else if (str_eq(key, "network"))
		a->network = s;
	else if (str_eq(key, "name"))
		a->name = s;
	else if (str_eq(key, "mac"))
		a->has_mac = mac_parse(s, &a->mac);
	else
		return bad(report, key, "is unknown; command and daemon are of different versions: restart sixtapd");
	if (str_eq(key, "mac") && !a->has_mac)
		return bad(report, key, "isn't a MAC address");
	return 0;
}

static int check_whole(const struct ctl_request *r, struct report *report)
{
	if ((r->what == CTL_UP || r->what == CTL_PLAN) && (!r->source || !r->files))
		return bad(report, "files", "and \"source\" are missing");
	if (r->what == CTL_ATTACH && (!r->attach.network || !r->attach.name || !r->attach.name[0]))
		return bad(report, "network", "and \"name\" are missing");
	if (r->what == CTL_ADOPT && (!r->has_adopts || (!r->runtime && !r->source)))
		return bad(report, "adopts", "and \"source\" are missing");
	if (r->what == CTL_RELEASE && r->n_subjects == 0)
		return bad(report, "subjects", "is missing");
	if (r->what != CTL_FORWARD_ADD && r->what != CTL_FORWARD_DEL)
		return 0;
	if (!r->attach.network || !r->attach.name || r->attach.n_forwards != 1)
		return bad(report, "forwards", "holds other than one, or \"network\" or \"name\" is missing");
	return 0;
}

int ctl_parse(const char *line, size_t len, struct report *report, struct ctl_request **ret)
{
	_cleanup_(ctl_request_freep) struct ctl_request *r = NEW(struct ctl_request);
	json_error_t error;
	const char *key;
	json_t *v;

	r->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(r->root)) {
		report_error(report, "request", "not a JSON object")->exit_status = 2;
		return 1;
	}
	if (json_integer_value(json_object_get(r->root, "version")) != CTL_VERSION)
		return bad(report, "version", "is not 1; command and daemon are of different versions: restart sixtapd");
	const char *what = json_string_value(json_object_get(r->root, "do"));
	r->what = CTL_DO_N_;
	for (unsigned int i = 0; i < CTL_DO_N_; i++)
		if (str_eq(what, ctl_do_name[i]))
			r->what = (enum ctl_do)i;
	if (r->what == CTL_DO_N_)
		return bad(report, "do", "is unknown; command and daemon are of different versions: restart sixtapd");
	r->attach.queues = 1;
	json_object_foreach(r->root, key, v)
		if (get_member(r, key, v, report) != 0)
			return 1;
	if (check_whole(r, report) != 0)
		return 1;
	*ret = STEAL_PTR(r);
	return 0;
}
