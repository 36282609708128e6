/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main - the process that changes the kernel, and the only one that takes requests
 *
 * Theory of operation
 * main holds what is wanted (networks_up.c), tells the engine and the resolver
 * what to serve (serve.c) and answers requests (answer.c). Whatever happens - a
 * request, a guest that comes or goes, a lease, a new engine - ends in one call,
 * networks_reconcile(): observe, plan, apply. So a fresh start, a restart after
 * a crash and a change are the same case. It never parses a byte that a guest
 * or its VMM wrote; what the engine says arrives in checked structs.
 */
#pragma once
#include "daemon/monitor.h"
#include "kern/kern.h"

struct main_conf {
	const char *run_dir, *state_dir;
	struct daemon_child ends;
	int xt_names[2];	/* kern_xt_names() */
	struct kern_guard guard;
};

/* Return: 0 after SIGTERM or a request to quit, or a negative errno. */
int main_run(const struct main_conf *conf);
