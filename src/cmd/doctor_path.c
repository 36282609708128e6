/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_path - whom a guest that was named can reach
 *
 * Rules know faults by their looks; somebody who asks for one guest wants to
 * know whether it gets out, whatever the reason. So its ways to this host and to
 * the outside are walked (diag/path.h), in every family that it has.
 */
#include <stdio.h>
#include <sys/socket.h>
#include "cmd/doctor.h"
#include "diag/path.h"

static const char *const targets[] = { "host", "outside" };
static const uint8_t families[] = { AF_INET, AF_INET6 };

/* @fn is called for each way of each guest that was named. */
static void each(const struct doctor *doctor, const struct snapshot *snap,
		 void (*fn)(const struct doctor *doctor, const struct path *path, void *user), void *user)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	for (size_t i = 0; i < doctor->n_subjects; i++) {
		struct path_end from, to;
		struct path path;

		if (path_find_end(snap, arena, doctor->subjects[i], &from) || from.kind != PATH_GUEST)
			continue;
		for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
			if (path_find_end(snap, arena, targets[t], &to))
				continue;
			for (size_t f = 0; f < ARRAY_LEN(families); f++) {
				if (!path_has_family(&from, &to, families[f]))
					continue;
				path_walk(snap, arena, &from, &to, families[f], 0, 0, &path);
				fn(doctor, &path, user);
			}
		}
	}
}

static void show(const struct doctor *doctor, const struct path *p, void *user)
{
	const struct cmd *cmd = doctor->cmd;
	const struct path_step *end =
		p->there.verdict == PATH_DROP || p->answer.verdict != PATH_DROP ? p->there.end : NULL;
	const char *arrow = cmd->utf8 ? "→" : "->", *family = p->family == AF_INET ? "IPv4" : "IPv6", *whose = "";
	(void)user;

	if (!end && p->answer.end) {
		end = p->answer.end;
		whose = "the answer ";
	}
	(void)printf("%s %s %s %s, %s: ",
		     cmd_glyph(cmd, p->verdict == PATH_PASS   ? GLYPH_OK
				    : p->verdict == PATH_DROP ? GLYPH_WARNING
							      : GLYPH_INFO),
		     p->from.name, arrow, p->to.name, family);
	if (p->verdict == PATH_PASS || !end)
		(void)printf("it gets there, and so does the answer\n");
	else
		(void)printf("%s%s at %s: %s%s%s%s%s\n", whose, p->verdict == PATH_DROP ? "ends" : "may end", end->at,
			     end->what, end->rule[0] ? " (" : "", end->rule, end->rule[0] ? ")" : "",
			     p->verdict == PATH_DROP ? "" : "; see sixtap path");
}

void doctor_show_paths(const struct doctor *doctor, const struct snapshot *snap)
{
	each(doctor, snap, show, NULL);
}

static void collect(const struct doctor *doctor, const struct path *p, void *user)
{
	json_t *o = path_json(p);
	(void)doctor;

	(void)json_object_set_new(o, "from", json_string(p->from.name));
	(void)json_object_set_new(o, "to", json_string(p->to.name));
	(void)json_array_append_new(user, o);
}

json_t *doctor_paths_json(const struct doctor *doctor, const struct snapshot *snap)
{
	json_t *list = json_array();

	each(doctor, snap, collect, list);
	return list;
}
