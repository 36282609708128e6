/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inward - for a moment: what is sent on a macvtap goes to its guest
 */
#include "kern/inward.h"

#include <string.h>
#include "kern/guard.h"
#include "kern/mcast.h"

int inward_open(struct inward *ret, const uint32_t *ifindexes, size_t n)
{
	struct inward inward = INWARD_NONE;
	struct kern_conf conf = { .run_dir = "/nonexistent", .proc_sys_fd = -1, .tun_fd_dir = -1, .guard = &inward.guard };
	_cleanup_(report_freep) struct report *report = report_new();
	char why[GUARD_WHY_MAX];
	size_t n_lack = 0;
	int r;

	*ret = (struct inward)INWARD_NONE;
	if (n == 0)
		return 0;
	inward.lent = xcalloc(n, sizeof(*inward.lent));
	memcpy(inward.lent, ifindexes, n * sizeof(*inward.lent));
	r = guard_load(&inward.guard, why);
	if (r == 0)
		r = kern_new(&inward.kern, &conf, report);
	if (r == 0)
		r = kern_mcast_inward_lost(inward.kern, inward.lent, n, &n_lack);
	while (r == 0 && inward.n_lent < n_lack) {
		r = kern_mcast_inward(inward.kern, inward.lent[inward.n_lent], true);
		inward.n_lent += r == 0;
	}
	if (r < 0) {
		inward_close(&inward);
		return r;
	}
	*ret = inward;
	return 0;
}

void inward_close(struct inward *inward)
{
	for (size_t i = 0; i < inward->n_lent; i++)
		(void)kern_mcast_inward(inward->kern, inward->lent[i], false);
	inward->kern = kern_free(inward->kern);
	kern_guard_close(&inward->guard);
	free(inward->lent);
	*inward = (struct inward)INWARD_NONE;
}
