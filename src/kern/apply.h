/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply - carry out a plan's ops, or put everything back
 *
 * Ops are carried out in order; neighbouring rtnetlink ops share one sendmsg.
 * When one fails, everything that was carried out is taken back in reverse
 * (op_undo()), and the report names the op with the kernel's own words.
 *
 * Fault points for tests: SIXTAP_FAIL_AT=apply:N fails op N (counted from 1)
 * with EIO before anything of it is done; SIXTAP_KILL_AT=apply:N kills the
 * process there. Either may be file:PATH: "apply:N" is read from that file each
 * time, which is removed when the point is reached, so that a daemon that runs
 * already can be made to fail once. The monitor takes a plain SIXTAP_KILL_AT
 * away from the second main on.
 */
#pragma once
#include "base/report.h"
#include "kern/kern.h"
#include "plan/op.h"

struct apply_hooks {
	/* OP_SERVE and OP_UNSERVE, also when taken back. NULL: such ops succeed. Return: 0 or negative errno. */
	int (*serve)(void *user, const struct op *op, struct report *report);
	/* Before an op: @done of @n are carried out. May be NULL. */
	void (*progress)(void *user, size_t done, size_t n, const struct op *op);
	void *user;
};

/**
 * kern_apply() - Carry out all of a plan, or nothing
 * @kern:	the kernel
 * @ops:	what to do
 * @hooks:	may be NULL
 * @report:	an error for the op that failed; a warning for a default route that didn't come back
 *
 * Return: 0, or the negative errno of the op that failed
 */
int kern_apply(struct kern *kern, const struct ops *ops, const struct apply_hooks *hooks, struct report *report);
