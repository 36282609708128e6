/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * changes - a list of changes and how far they are, for a person
 */
#include "cmd/changes.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/time.h"
#include "plan/explain.h"
#include "plan/op.h"

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

void changes_print(struct cmd *cmd, const json_t *changes, bool full)
{
	_cleanup_(ops_freep) struct ops *ops = ops_new();
	const json_t *o;
	size_t i;

	json_array_foreach(changes, i, o) {
		enum op_action action = OP_ACTION_CREATE;

		if (str_eq(member(o, "action"), op_action_name[OP_ACTION_CHANGE]))
			action = OP_ACTION_CHANGE;
		else if (str_eq(member(o, "action"), op_action_name[OP_ACTION_REMOVE]))
			action = OP_ACTION_REMOVE;
		struct op *op = ops_add(ops, OP_LINK_SET, action);

		op->object = arena_strdup(ops->arena, member(o, "object"));
		op->what = arena_strdup(ops->arena, member(o, "what"));
		op->why = arena_strdup(ops->arena, member(o, "why"));
		op->network = json_object_get(o, "network") ? arena_strdup(ops->arena, member(o, "network")) : NULL;
	}
	plan_print(ops, stdout, cmd->color, cmd->utf8, full);
	(void)fflush(stdout);
}

bool changes_concern(const struct changes_progress *p, const char *network)
{
	for (int i = 0; i < p->n_names; i++)
		if (str_eq(p->names[i], network))
			return true;
	return p->n_names == 0 && (!p->desired || desired_network(p->desired, network));
}

/* "lan · nat · uplink eth0 · 10 changes" */
static void print_heading(const struct cmd *cmd, const struct changes_progress *p, const json_t *networks, size_t n_changes)
{
	const char *dot = cmd->utf8 ? "·" : "-";
	const json_t *n = NULL, *one;
	size_t i, count = 0;

	json_array_foreach(networks, i, one) {
		if (!changes_concern(p, member(one, "name")))
			continue;
		n = one;
		count++;
	}
	if (count == 1) {
		(void)printf("%s%s%s %s %s %s ", cmd_bold(cmd), member(n, "name"), cmd_plain(cmd), dot, member(n, "mode"), dot);
		if (*member(n, "uplink"))
			(void)printf("uplink %s %s ", member(n, "uplink"), dot);
	} else if (count > 1) {
		(void)printf("%zu networks %s ", count, dot);
	}
	(void)printf("%zu change%s\n", n_changes, n_changes == 1 ? "" : "s");
}

/* A line that wraps can't be rewritten in place: leave room for the time, too. */
static void cut(char *line)
{
	struct winsize size;
	int columns = 0, width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 30 ? size.ws_col : 80;

	for (char *c = line; *c; c++) {
		columns += ((unsigned char)*c & 0xc0) != 0x80;
		if (columns > width - 12) {
			*c = '\0';
			return;
		}
	}
}

void changes_progress(struct cmd *cmd, const json_t *progress, void *user)
{
	struct changes_progress *p = user;
	const json_t *changes = json_object_get(progress, "changes");
	mono_t now = mono_now();

	if (changes) {
		if (!cmd->quiet && !cmd->json) {
			print_heading(cmd, p, json_object_get(progress, "networks"), json_array_size(changes));
			changes_print(cmd, changes, p->full);
		}
		return;
	}
	if (!cmd->progress || now - p->started < 500 * MONO_MS)
		return;
	char line[512];

	(void)snprintf(line, sizeof(line), "⠸ %lld/%lld  %s %s …",
		       (long long)json_integer_value(json_object_get(progress, "done")) + 1,
		       (long long)json_integer_value(json_object_get(progress, "of")), member(progress, "object"),
		       member(progress, "what"));
	cut(line);
	(void)fprintf(stderr, "\r\033[K%s  %.1f s", line, (double)((now - p->started) / MONO_MS) / 1000.0);
	p->shown = true;
}

void changes_progress_end(struct cmd *cmd, struct changes_progress *p)
{
	(void)cmd;
	if (p->shown)
		(void)fputs("\r\033[K", stderr);
	p->shown = false;
}
