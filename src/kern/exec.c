/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec - ops in order, or none of them, on any kernel
 */
#include "kern/exec.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A place where a test wants us to fail or die. */
struct fault {
	size_t at;		/* number of the op, from 1; 0: none */
	const char *file;	/* where it was read from, or NULL: the environment itself */
};

static struct fault fault_point(const char *variable)
{
	static const char apply[] = "apply:", from_file[] = "file:";
	const char *s = getenv(variable);
	struct fault fault = { 0 };
	char text[32] = "";

	if (s && strncmp(s, from_file, strlen(from_file)) == 0) {
		fault.file = s + strlen(from_file);
		FILE *f = fopen(fault.file, "re");
		if (f) {
			(void)!fgets(text, sizeof(text), f);
			(void)fclose(f);
		}
		s = text;
	}
	if (s && strncmp(s, apply, strlen(apply)) == 0)
		fault.at = strtoul(s + strlen(apply), NULL, 10);
	return fault;
}

/* Is it reached at op @n? One that comes from a file is gone then, so that it works once. */
static bool fault_reached(const struct fault *fault, size_t n)
{
	if (fault->at != n)
		return false;
	if (fault->file)
		(void)unlink(fault->file);
	return true;
}

static bool is_serve(const struct op *op)
{
	return op->kind == OP_SERVE || op->kind == OP_UNSERVE;
}

static int serve(const struct apply_hooks *hooks, const struct op *op, struct report *report)
{
	return hooks && hooks->serve ? hooks->serve(hooks->user, op, report) : 0;
}

/* The finding's key and text: "lan: rules inet sixtap: …". */
static struct finding *find(struct report *report, enum severity severity, const struct op *op, const char *text)
{
	if (op->network)
		return report_add(report, severity, NULL, op->network, "%s: %s", op->object, text);
	return report_add(report, severity, NULL, op->object, "%s", text);
}

/* Take back everything that was carried out, last first. Return: how many could not be. */
static size_t take_back(const struct exec_backend *backend, struct exec_step *steps, size_t n,
			const struct apply_hooks *hooks, struct report *report, size_t *ret_n_undone)
{
	size_t n_stuck = 0;

	for (size_t i = n; i-- > 0;) {
		struct exec_step *s = &steps[i];
		char why[NL_WHY_MAX] = "there is no way back";
		struct op undo;
		int r = -EOPNOTSUPP;

		if (!s->done || s->op.action == OP_ACTION_WAIT)
			continue;
		if (op_undo(&s->op, &undo)) {
			if (is_serve(&undo)) {
				why[0] = '\0';
				r = serve(hooks, &undo, report);
				if (r < 0)
					nl_explain(r, why);
			} else {
				r = backend->undo(backend->user, s, &undo, why);
			}
		}
		if (r < 0) {
			char text[NL_WHY_MAX + 32];

			(void)snprintf(text, sizeof(text), "could not be put back: %s", why);
			find(report, SEVERITY_WARNING, &s->op, text);
			n_stuck++;
		} else {
			(*ret_n_undone)++;
		}
	}
	return n_stuck;
}

static void run_serve(struct exec_step *s, const struct apply_hooks *hooks, struct report *report)
{
	size_t n = report_n_errors(report);

	s->err = serve(hooks, &s->op, report);
	s->done = s->err >= 0;
	if (s->err < 0 && report_n_errors(report) > n)
		s->why[0] = '\0';	/* the hook has said it */
	else if (s->err < 0)
		nl_explain(s->err, s->why);
}

/* Fail step @i, after taking back all @n that may be done. */
static int fail(const struct exec_backend *backend, struct exec_step *steps, size_t i, size_t n,
		const struct apply_hooks *hooks, struct report *report)
{
	struct exec_step *failed = &steps[i];
	struct finding *finding = NULL;
	size_t n_undone = 0;

	if (failed->why[0] != '\0')
		finding = find(report, SEVERITY_ERROR, &failed->op, failed->why);
	size_t n_stuck = take_back(backend, steps, n, hooks, report, &n_undone);
	if (finding)
		report_help(finding, "%s", n_stuck > 0	  ? "the rest was put back" :
					   n_undone > 0 ? "everything was put back" :
							  "nothing was changed");
	return failed->err;
}

int exec_ops(const struct exec_backend *backend, const struct ops *ops, const struct apply_hooks *hooks,
	     struct report *report)
{
	const struct fault fail_at = fault_point("SIXTAP_FAIL_AT"), kill_at = fault_point("SIXTAP_KILL_AT");
	size_t n = ops->n;
	_cleanup_(freep) struct exec_step *steps = xcalloc(n + 1, sizeof(*steps));
	int r = 0;

	for (size_t i = 0, j; r == 0 && i < n; i = j) {
		for (j = i; j < n && (j == i || backend->joins(&ops->ops[j - 1], &ops->ops[j])); j++) {
			if (j > i && (j + 1 == fail_at.at || j + 1 == kill_at.at))
				break;
			steps[j].op = ops->ops[j];
			if (hooks && hooks->progress)
				hooks->progress(hooks->user, j, n, &ops->ops[j]);
		}
		if (fault_reached(&kill_at, i + 1))
			(void)raise(SIGKILL);
		if (fault_reached(&fail_at, i + 1)) {
			steps[i].err = -EIO;
			(void)str_copy(steps[i].why, NL_WHY_MAX, "fault point SIXTAP_FAIL_AT (input/output error)");
			r = fail(backend, steps, i, i, hooks, report);
			break;
		}
		if (is_serve(&steps[i].op))
			run_serve(&steps[i], hooks, report);
		else
			backend->run(backend->user, steps + i, j - i, report);
		for (size_t k = i; r == 0 && k < j; k++)
			if (steps[k].err < 0)
				r = fail(backend, steps, k, j, hooks, report);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(steps[i].keep); k++)
			free(steps[i].keep[k]);
	return r;
}
