/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * findings - what the rules found, with evidence and ways to mend it
 */
#include "diag/findings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include "diag/rule.h"

const char *const fix_lasts_name[FIX_LASTS_N_] = {
	[FIX_LASTS_LIVE] = "live",
	[FIX_LASTS_UNTIL_RESTART] = "until-restart",
	[FIX_LASTS_REBOOT_SAFE] = "reboot-safe",
};

static const char *const severity_name[SEVERITY_N_] = {
	[SEVERITY_ERROR] = "error",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_INFO] = "info",
};

struct findings *findings_new(void)
{
	struct findings *found = NEW(struct findings);

	found->arena = arena_new();
	return found;
}

struct findings *findings_free(struct findings *found)
{
	if (!found)
		return NULL;
	for (size_t i = 0; i < found->n; i++)
		for (size_t k = 0; k < found->list[i]->n_fixes; k++)
			ops_free(found->list[i]->fixes[k]->ops);
	arena_free(found->arena);
	free(found);
	return NULL;
}

#define FORMAT(arena, fmt)                                                                                             \
	({                                                                                                             \
		va_list ap_;                                                                                           \
		va_start(ap_, fmt);                                                                                    \
		const char *s_ = arena_vprintf(arena, fmt, ap_);                                                       \
		va_end(ap_);                                                                                           \
		s_;                                                                                                    \
	})

/* --------------------------------------------------------------- to add them */

struct diag_finding *findings_add(struct findings *found, const char *subject)
{
	struct diag_finding *f = ARENA_NEW(found->arena, struct diag_finding);

	assert(found->rule);
	*f = (struct diag_finding){
		.rule = found->rule,
		.severity = found->rule->severity,
		.subject = arena_strdup(found->arena, subject),
		.what = "",
		.why = "",
		.all = found,
		.seq = found->n,
	};
	ARENA_GROW(found->arena, found->list, found->n, found->cap);
	found->list[found->n++] = f;
	return f;
}

void finding_what(struct diag_finding *f, const char *fmt, ...)
{
	f->what = FORMAT(f->all->arena, fmt);
}

void finding_why(struct diag_finding *f, const char *fmt, ...)
{
	f->why = FORMAT(f->all->arena, fmt);
}

void finding_seen_in(struct diag_finding *f, const char *fmt, ...)
{
	f->seen_in = FORMAT(f->all->arena, fmt);
}

void finding_value(struct diag_finding *f, const char *key, const char *fmt, ...)
{
	ARENA_GROW(f->all->arena, f->values, f->n_values, f->cap_values);
	f->values[f->n_values++] = (struct diag_value){
		.key = arena_strdup(f->all->arena, key),
		.value = FORMAT(f->all->arena, fmt),
	};
}

void finding_guest(struct diag_finding *f, const char *guest)
{
	f->guest = guest && *guest ? arena_strdup(f->all->arena, guest) : NULL;
}

void finding_network(struct diag_finding *f, const char *network)
{
	f->network = network && *network ? arena_strdup(f->all->arena, network) : NULL;
}

static bool mentions(const struct diag_finding *f, const char *name)
{
	if (str_eq(f->subject, name) || str_eq(f->guest, name) || str_eq(f->network, name))
		return true;
	for (size_t i = 0; i < f->n_about; i++)
		if (str_eq(f->about[i], name))
			return true;
	return false;
}

void finding_about(struct diag_finding *f, const char *name)
{
	if (name && *name && f->n_about < FINDING_ABOUT && !mentions(f, name))
		f->about[f->n_about++] = arena_strdup(f->all->arena, name);
}

void finding_head(struct diag_finding *f, const char *const cells[static FINDING_COLUMNS])
{
	for (size_t i = 0; i < FINDING_COLUMNS; i++)
		f->head[i] = cells[i] ? arena_strdup(f->all->arena, cells[i]) : NULL;
}

void finding_row(struct diag_finding *f, const char *const cells[static FINDING_COLUMNS])
{
	ARENA_GROW(f->all->arena, f->rows, f->n_rows, f->cap_rows);
	for (size_t i = 0; i < FINDING_COLUMNS; i++)
		f->rows[f->n_rows][i] = arena_strdup(f->all->arena, cells[i] ? cells[i] : "");
	f->n_rows++;
}

struct diag_fix *finding_fix(struct diag_finding *f, const char *way, enum fix_lasts lasts)
{
	struct diag_fix *fix = ARENA_NEW(f->all->arena, struct diag_fix);

	*fix = (struct diag_fix){ .way = arena_strdup(f->all->arena, way), .lasts = lasts };
	ARENA_GROW(f->all->arena, f->fixes, f->n_fixes, f->cap_fixes);
	f->fixes[f->n_fixes++] = fix;
	return fix;
}

void fix_note(struct diag_finding *f, struct diag_fix *fix, const char *fmt, ...)
{
	fix->note = FORMAT(f->all->arena, fmt);
}

void fix_command(struct diag_finding *f, struct diag_fix *fix, const char *fmt, ...)
{
	if (fix->n_commands < FIX_COMMANDS)
		fix->commands[fix->n_commands++] = FORMAT(f->all->arena, fmt);
}

void fix_run(struct diag_finding *f, struct diag_fix *fix, const char *const *argv)
{
	const char *line = "sixtap";

	for (; *argv && fix->n_run < FIX_RUN - 1; argv++) {
		fix->run[fix->n_run++] = arena_strdup(f->all->arena, *argv);
		line = arena_printf(f->all->arena, "%s %s", line, *argv);
	}
	fix_command(f, fix, "%s", line);
}

struct op *fix_op(struct diag_fix *fix, enum op_kind kind, enum op_action action)
{
	if (!fix->ops)
		fix->ops = ops_new();
	return ops_add(fix->ops, kind, action);
}

/*
 * "net.ipv6.conf.eth0.accept_ra", as sysctl(8) wants it: a dot in an interface's name becomes a slash.
 */
static const char *dotted(struct arena *arena, const char *path)
{
	char *s = arena_strdup(arena, path);

	for (char *c = s; *c; c++)
		*c = (char)(*c == '/' ? '.' : *c == '.' ? '/' : *c);
	return s;
}

void fix_sysctl_live(struct diag_finding *f, struct diag_fix *fix, const char *path, const char *old, const char *value)
{
	struct op *op = fix_op(fix, OP_SYSCTL, OP_ACTION_CHANGE);
	struct arena *a = fix->ops->arena;
	const char *name = dotted(a, path);

	op->object = arena_printf(a, "sysctl %s", name);
	op->what = old ? arena_printf(a, "%s → %s", old, value) : arena_printf(a, "→ %s", value);
	op->sysctl = (struct op_sysctl){
		.path = arena_strdup(a, path),
		.value = arena_strdup(a, value),
		.old = old ? arena_strdup(a, old) : NULL,
		.unrecorded = true, /* the user's wish: `down` must not take it back */
	};
	fix_command(f, fix, "sysctl -w %s=%s", name, value);
}

void fix_sysctl(struct diag_finding *f, struct diag_fix *fix, const char *path, const char *old, const char *value)
{
	fix_sysctl_live(f, fix, path, old, value);
	ARENA_GROW(f->all->arena, fix->persist, fix->n_persist, fix->cap_persist);
	fix->persist[fix->n_persist++] = (struct fix_persist){
		.path = arena_strdup(f->all->arena, path),
		.value = arena_strdup(f->all->arena, value),
	};
}

void fix_confirm_route(struct diag_fix *fix, const char *device)
{
	struct op *op = fix_op(fix, OP_CONFIRM_ROUTE, OP_ACTION_WAIT);

	op->object = arena_printf(fix->ops->arena, "route default dev %s", device);
	op->what = "waiting for a router advertisement (RS sent)";
	(void)str_copy(op->confirm.device, sizeof(op->confirm.device), device);
	op->confirm.timeout_ms = 4000;
}

void fix_route(struct diag_finding *f, struct diag_fix *fix, bool add, const char *device, const struct op_route *route)
{
	struct op *op = fix_op(fix, add ? OP_ROUTE_ADD : OP_ROUTE_DEL, add ? OP_ACTION_CREATE : OP_ACTION_REMOVE);
	struct arena *a = fix->ops->arena;
	const char *dst = route->dst.len ? PREFIX_STR(&route->dst) : "default";
	const char *via = ip_is_set(&route->gateway) ? arena_printf(a, " via %s", IP_STR(&route->gateway)) : "";

	op->route = *route;
	(void)str_copy(op->route.device, sizeof(op->route.device), device);
	op->object = arena_printf(a, "route %s", device);
	op->what = arena_printf(a, "%s%s", dst, via);
	fix_command(f, fix, "ip %sroute %s %s%s dev %s", route->dst.ip.family == AF_INET6 ? "-6 " : "",
		    add ? "replace" : "del", dst, via, device);
}

bool fix_can(const struct diag_fix *fix)
{
	return fix->ops || fix->n_run > 0;
}

const struct diag_fix *finding_fix_for(const struct diag_finding *f, const char *way)
{
	if (f->severity == SEVERITY_INFO)
		return NULL;
	for (size_t i = 0; i < f->n_fixes; i++) {
		const struct diag_fix *fix = f->fixes[i];

		if (fix_can(fix) && (way ? str_eq(fix->way, way) : !fix->by_name))
			return fix;
	}
	return NULL;
}

static struct diag_unchecked *unchecked_of(struct findings *found)
{
	for (size_t i = 0; i < found->n_unchecked; i++)
		if (found->unchecked[i].rule == found->rule)
			return &found->unchecked[i];
	ARENA_GROW(found->arena, found->unchecked, found->n_unchecked, found->cap_unchecked);
	found->unchecked[found->n_unchecked] = (struct diag_unchecked){ .rule = found->rule, .in_part = true };
	return &found->unchecked[found->n_unchecked++];
}

void findings_unchecked(struct findings *found, bool in_part, const char *fmt, ...)
{
	struct diag_unchecked *u = unchecked_of(found);
	const char *because = FORMAT(found->arena, fmt);

	if (!in_part)
		u->in_part = false;
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(u->because[i], because))
			return;
	ARENA_GROW(found->arena, u->because, u->n, u->cap);
	u->because[u->n++] = because;
}

size_t findings_n_unchecked(const struct findings *found)
{
	size_t n = 0;

	for (size_t i = 0; i < found->n_unchecked; i++)
		n += !found->unchecked[i].in_part;
	return n;
}

/* ---------------------------------------------------------------- their order */

static bool share_a_name(const struct diag_finding *a, const struct diag_finding *b)
{
	if (mentions(a, b->subject) || (b->guest && mentions(a, b->guest)) || (b->network && mentions(a, b->network)))
		return true;
	for (size_t i = 0; i < b->n_about; i++)
		if (mentions(a, b->about[i]))
			return true;
	return false;
}

/* Is @f among the causes of @cause already? The table has no circles, but then nothing else sees to it. */
static bool leads_to(const struct diag_finding *f, const struct diag_finding *cause)
{
	for (; cause; cause = cause->cause)
		if (cause == f)
			return true;
	return false;
}

static void find_cause(struct findings *found, struct diag_finding *f)
{
	for (size_t c = 0; c < RULE_CAUSES && f->rule->causes[c].id; c++)
		for (size_t i = 0; i < found->n; i++) {
			struct diag_finding *other = found->list[i];

			if (str_eq(other->rule->id, f->rule->causes[c].id) && !leads_to(f, other) &&
			    (f->rule->causes[c].scope == RULE_SCOPE_HOST || share_a_name(f, other))) {
				f->cause = other;
				return;
			}
		}
}

static int compare(const void *pa, const void *pb)
{
	const struct diag_finding *a = *(struct diag_finding *const *)pa, *b = *(struct diag_finding *const *)pb;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* @f and all that follows from it, to the end of @to. */
static void put(const struct findings *found, struct diag_finding *f, unsigned int depth, struct diag_finding **to,
		size_t *n)
{
	f->depth = depth;
	to[(*n)++] = f;
	for (size_t i = 0; i < found->n; i++)
		if (found->list[i]->cause == f)
			put(found, found->list[i], depth + 1, to, n);
}

void findings_order(struct findings *found)
{
	struct diag_finding **ordered;
	size_t n = 0;

	if (found->n == 0)
		return;
	for (size_t i = 0; i < found->n; i++) {
		find_cause(found, found->list[i]);
		found->list[i]->rank = found->list[i]->severity;
	}
	for (size_t i = 0; i < found->n; i++)
		for (struct diag_finding *f = found->list[i]; f->cause; f = f->cause)
			if (f->rank < f->cause->rank)
				f->cause->rank = f->rank;
	qsort(found->list, found->n, sizeof(*found->list), compare);
	ordered = arena_alloc(found->arena, found->n, sizeof(struct diag_finding *));
	for (size_t i = 0; i < found->n; i++)
		if (!found->list[i]->cause)
			put(found, found->list[i], 0, ordered, &n);
	assert(n == found->n);
	found->list = ordered;
	found->cap = found->n;
}

struct diag_finding *findings_find(const struct findings *found, const char *id, const char *subject)
{
	for (size_t i = 0; i < found->n; i++)
		if (str_eq(found->list[i]->rule->id, id) && str_eq(found->list[i]->subject, subject))
			return found->list[i];
	return NULL;
}

size_t findings_count(const struct findings *found, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < found->n; i++)
		n += found->list[i]->severity == severity;
	return n;
}

/* ----------------------------------------------------------------------- JSON */

static void put_text(json_t *o, const char *key, const char *s)
{
	if (s)
		(void)json_object_set_new(o, key, json_string(s));
}

static json_t *evidence_json(const struct diag_finding *f)
{
	json_t *o = json_object(), *rows;

	for (size_t i = 0; i < f->n_values; i++)
		put_text(o, f->values[i].key, f->values[i].value);
	put_text(o, "seen_in", f->seen_in);
	if (!f->head[0])
		return o;
	rows = json_array();
	for (size_t i = 0; i < f->n_rows; i++) {
		json_t *row = json_object();

		for (size_t k = 0; k < FINDING_COLUMNS && f->head[k]; k++)
			put_text(row, f->head[k], f->rows[i][k]);
		(void)json_array_append_new(rows, row);
	}
	(void)json_object_set_new(o, "table", rows);
	return o;
}

static json_t *fix_json(const struct diag_fix *fix)
{
	json_t *o = json_object(), *commands = json_array();

	put_text(o, "way", fix->way);
	for (size_t i = 0; i < fix->n_commands; i++)
		(void)json_array_append_new(commands, json_string(fix->commands[i]));
	(void)json_object_set_new(o, "commands", commands);
	put_text(o, "lasts", fix_lasts_name[fix->n_persist > 0 ? FIX_LASTS_REBOOT_SAFE : fix->lasts]);
	put_text(o, "note", fix->note);
	(void)json_object_set_new(o, "automatic", json_boolean(fix_can(fix) && !fix->by_name));
	return o;
}

json_t *finding_json(const struct diag_finding *f)
{
	json_t *o = json_object(), *fixes = json_array();

	put_text(o, "id", f->rule->id);
	put_text(o, "severity", severity_name[f->severity]);
	put_text(o, "subject", f->subject);
	put_text(o, "guest", f->guest);
	put_text(o, "network", f->network);
	put_text(o, "what", f->what);
	put_text(o, "why", f->why);
	put_text(o, "basis", f->measured ? "measured" : "deduced");
	(void)json_object_set_new(o, "evidence", evidence_json(f));
	if (f->cause) {
		put_text(o, "caused_by", f->cause->rule->id);
		put_text(o, "caused_by_subject", f->cause->subject);
	}
	for (size_t i = 0; i < f->n_fixes; i++)
		(void)json_array_append_new(fixes, fix_json(f->fixes[i]));
	(void)json_object_set_new(o, "fix", fixes);
	(void)json_object_set_new(o, "fixable", json_boolean(finding_fix_for(f, NULL) != NULL));
	return o;
}

json_t *findings_json(const struct findings *found)
{
	json_t *o = json_object(), *unchecked = json_array(), *list = json_array();

	for (size_t i = 0; i < found->n_unchecked; i++) {
		json_t *because = json_array(), *u = json_object();

		put_text(u, "id", found->unchecked[i].rule->id);
		for (size_t k = 0; k < found->unchecked[i].n; k++)
			(void)json_array_append_new(because, json_string(found->unchecked[i].because[k]));
		(void)json_object_set_new(u, "because", because);
		if (found->unchecked[i].in_part)
			(void)json_object_set_new(u, "in_part", json_true());
		(void)json_array_append_new(unchecked, u);
	}
	for (size_t i = 0; i < found->n; i++)
		(void)json_array_append_new(list, finding_json(found->list[i]));
	(void)json_object_set_new(o, "checked",
				  json_integer((json_int_t)(found->n_rules - findings_n_unchecked(found))));
	(void)json_object_set_new(o, "unchecked", unchecked);
	(void)json_object_set_new(o, "findings", list);
	return o;
}
