/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel - a fake and a real kernel behind one face
 *
 * Both begin with the same things: lo, and "up0", a device that is up, with
 * 198.51.100.2/24 and 2001:db8:77:1::2/64. The real one is a network namespace
 * of its own that nothing leads out of; up0's other end is "up1" there.
 */
#pragma once
#include "kern/apply.h"
#include "kern/fake.h"
#include "kern/kern.h"
#include "model/world.h"

struct kernel {
	const char *name;
	bool real;
	struct kern *kern;
	struct fake_kern *fake;
	char run_dir[64];
};

/* In main(), first: exits with "skipped" and a reason where no network namespace can be had. */
void kernel_privileges(void);

void kernel_open(struct kernel *k);	/* fresh */
void kernel_close(struct kernel *k);
int kernel_apply(struct kernel *k, const struct ops *ops, const struct apply_hooks *hooks, struct report *report);
struct world *kernel_observe(struct kernel *k);

/* Run a shell command; the test fails when that fails. The second returns its output; free(). */
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *sh_read(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* All of a world that ops can change, one thing a line, sorted, without indexes; free(). */
char *world_text(const struct world *world);

/* As the reference, or the test fails and shows the difference. */
void assert_same_text(const char *have, const char *want, const char *why);
