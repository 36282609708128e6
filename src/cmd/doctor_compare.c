/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_compare - what changed between two snapshots
 *
 * Findings that came and went first, then the state itself: the two JSON trees
 * are walked side by side. Elements of lists are matched by their name or by
 * all of their text; what counts or ticks by itself is left out.
 */
#include <stdio.h>
#include <string.h>
#include "cmd/doctor.h"
#include "diag/rule.h"

#define VALUE_MAX 60

struct difference {
	const char *glyph; /* GLYPH_CREATE and so on, as a word for JSON */
	char *what, *before, *after;
};

struct differences {
	struct difference *list;
	size_t n, cap;
};

static const char *const volatile_keys[] = {
	"taken",
	"took_us",
	"stats",
	"counters",
	"age_ms",
	"valid_s",
	"preferred_s",
	"expires_s",
	"timer",
	"timer4",
	"timer6",
	"packets",
	"bytes",
	"carrier_changes",
	"entries",
	"querier4_other_ms",
	"querier6_other_ms",
	"neighs",
	"expires",
	"pid",
	"program",
	"inet6_flags",
	"users",
	"uptime",
	"state_age",
	"evidence",
};

static bool is_volatile(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(volatile_keys); i++)
		if (str_eq(volatile_keys[i], key))
			return true;
	return false;
}

static void add(struct differences *d, const char *action, char *what, char *before, char *after)
{
	GROW(d->list, d->n, d->cap);
	d->list[d->n++] = (struct difference){ action, what, before, after };
}

/* A copy without what ticks. */
static json_t *still(const json_t *v)
{
	const char *key;
	json_t *copy, *e;
	size_t i;

	if (json_is_object(v)) {
		copy = json_object();
		json_object_foreach ((json_t *)v, key, e)
			if (!is_volatile(key))
				(void)json_object_set_new(copy, key, still(e));
		return copy;
	}
	if (json_is_array(v)) {
		copy = json_array();
		json_array_foreach (v, i, e)
			(void)json_array_append_new(copy, still(e));
		return copy;
	}
	return json_deep_copy(v);
}

static char *value_text(const json_t *v)
{
	char *s = json_is_string(v) ? xstrdup(json_string_value(v))
				    : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

	if (s && strlen(s) > VALUE_MAX && json_is_string(v))
		(void)strcpy(s + VALUE_MAX - 4, "...");
	if (json_is_boolean(v)) {
		free(s);
		return xstrdup(json_is_true(v) ? "yes" : "no");
	}
	return s ? s : xstrdup("");
}

/* How a value that isn't written reads: the file leaves out zero, false and "". */
static char *nothing(const json_t *other)
{
	return xstrdup(json_is_integer(other) ? "0" : json_is_boolean(other) ? "no" : "none");
}

/* What tells an element of a list from the others; NULL: all of it does. */
static const char *identity(const json_t *e)
{
	static const char *const keys[] = { "name", "path" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_is_string(json_object_get(e, keys[i])))
			return json_string_value(json_object_get(e, keys[i]));
	return NULL;
}

static bool same_element(const json_t *a, const json_t *b)
{
	const char *x = identity(a), *y = identity(b);

	return x || y ? str_eq(x, y) : json_equal((json_t *)a, (json_t *)b);
}

static const json_t *partner(const json_t *list, const json_t *e)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (same_element(o, e))
			return o;
	return NULL;
}

static void walk(struct differences *d, const char *where, const json_t *a, const json_t *b, int depth);

static void walk_list(struct differences *d, const char *where, const json_t *a, const json_t *b, int depth)
{
	const json_t *e, *o;
	size_t i;

	json_array_foreach (a, i, e) {
		o = partner(b, e);
		if (!o) {
			add(d, "remove", identity(e) ? xasprintf("%s %s", where, identity(e)) : xstrdup(where),
			    identity(e) ? NULL : value_text(e), NULL);
		} else if (identity(e)) {
			_cleanup_(freep) char *below = xasprintf("%s %s", where, identity(e));

			walk(d, below, e, o, depth + 1);
		}
	}
	json_array_foreach (b, i, e)
		if (!partner(a, e))
			add(d, "create", identity(e) ? xasprintf("%s %s", where, identity(e)) : xstrdup(where), NULL,
			    identity(e) ? NULL : value_text(e));
}

static void walk(struct differences *d, const char *where, const json_t *a, const json_t *b, int depth)
{
	const char *key;
	json_t *e;

	if (json_equal((json_t *)a, (json_t *)b) || depth > 12)
		return;
	if (json_is_array(a) && json_is_array(b)) {
		walk_list(d, where, a, b, depth);
	} else if (json_is_object(a) && json_is_object(b)) {
		json_object_foreach ((json_t *)a, key, e) {
			_cleanup_(freep) char *below = xasprintf("%s%s%s", where, *where ? " " : "", key);

			if (json_object_get(b, key))
				walk(d, below, e, json_object_get(b, key), depth + 1);
			else if (json_is_array(e))
				walk_list(d, below, e, NULL, depth + 1);
			else
				add(d, "change", xstrdup(below), value_text(e), nothing(e));
		}
		json_object_foreach ((json_t *)b, key, e) {
			_cleanup_(freep) char *below = xasprintf("%s%s%s", where, *where ? " " : "", key);

			if (json_object_get(a, key))
				continue;
			if (json_is_array(e))
				walk_list(d, below, NULL, e, depth + 1);
			else
				add(d, "change", xstrdup(below), nothing(e), value_text(e));
		}
	} else {
		add(d, "change", xstrdup(where), value_text(a), value_text(b));
	}
}

static void show_findings(const struct cmd *cmd, const struct findings *here, const struct findings *there,
			  const char *word)
{
	for (size_t i = 0; i < here->n; i++)
		if (!findings_find(there, here->list[i]->rule->id, here->list[i]->subject)) {
			doctor_show_heading(cmd, here->list[i], 0);
			(void)printf("  %s: %s\n", word, here->list[i]->what);
		}
}

static json_t *findings_only_in(const struct findings *here, const struct findings *there)
{
	json_t *list = json_array();

	for (size_t i = 0; i < here->n; i++)
		if (!findings_find(there, here->list[i]->rule->id, here->list[i]->subject))
			(void)json_array_append_new(list, finding_json(here->list[i]));
	return list;
}

static void show(struct cmd *cmd, const struct findings *was, const struct findings *is, const struct differences *d)
{
	show_findings(cmd, is, was, "new");
	show_findings(cmd, was, is, "gone");
	for (size_t i = 0; i < d->n; i++) {
		const struct difference *x = &d->list[i];
		enum cmd_glyph glyph = str_eq(x->glyph, "create")   ? GLYPH_CREATE
				       : str_eq(x->glyph, "remove") ? GLYPH_REMOVE
								    : GLYPH_CHANGE;

		(void)printf("  %s %s", cmd_glyph(cmd, glyph), x->what);
		if (x->before && x->after)
			(void)printf("   %s → %s\n", x->before, x->after);
		else
			(void)printf("%s%s\n", x->before || x->after ? "   " : "",
				     x->before	? x->before
				     : x->after ? x->after
						: "");
	}
	if (d->n == 0 && was->n == is->n)
		(void)printf("%s nothing that matters differs\n", cmd_glyph(cmd, GLYPH_OK));
}

int doctor_compare(struct cmd *cmd, const char *a, const char *b)
{
	_cleanup_(snapshot_freep) struct snapshot *was = NULL, *is = NULL;
	_cleanup_(findings_freep) struct findings *before = NULL, *after = NULL;
	struct differences d = { 0 };
	json_t *ja, *jb, *x, *y;

	if (snapshot_load(&was, a, cmd->report) < 0 || snapshot_load(&is, b, cmd->report) < 0)
		return EXIT_FAILED;
	before = rules_judge(was);
	after = rules_judge(is);
	ja = snapshot_json(was);
	jb = snapshot_json(is);
	x = still(ja);
	y = still(jb);
	walk(&d, "", x, y, 0);
	if (cmd->json) {
		json_t *changes = json_array();

		for (size_t i = 0; i < d.n; i++) {
			json_t *o = json_pack("{s:s, s:s}", "object", d.list[i].what, "action", d.list[i].glyph);

			if (d.list[i].before)
				(void)json_object_set_new(o, "before", json_string(d.list[i].before));
			if (d.list[i].after)
				(void)json_object_set_new(o, "after", json_string(d.list[i].after));
			(void)json_array_append_new(changes, o);
		}
		cmd_json(cmd, json_pack("{s:o, s:o, s:o}", "new", findings_only_in(after, before), "gone",
					findings_only_in(before, after), "changes", changes));
	} else {
		show(cmd, before, after, &d);
	}
	for (size_t i = 0; i < d.n; i++) {
		free(d.list[i].what);
		free(d.list[i].before);
		free(d.list[i].after);
	}
	free(d.list);
	json_decref(x);
	json_decref(y);
	json_decref(ja);
	json_decref(jb);
	return EXIT_DONE;
}
