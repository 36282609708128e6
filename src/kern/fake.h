/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake - a kernel in memory, for tests
 *
 * Carries out the same ops on a struct world, through the same exec: order,
 * fault points and taking back are the real ones. It refuses what the kernel
 * would refuse (a name taken, a device or element that isn't there), derives
 * connected routes, and copies "all" forwarding to every interface. Not built
 * into the programs. tests/kern holds it against a real kernel.
 */
#pragma once
#include "kern/apply.h"
#include "model/world.h"

struct fake_kern;

/* Starts with an interface lo and the forwarding sysctls. Never fails. */
struct fake_kern *fake_kern_new(void);
struct fake_kern *fake_kern_free(struct fake_kern *fake);
DEFINE_FREEP(struct fake_kern, fake_kern_free)

/* What was there before us. Strings are copied. @link's ifindex 0: the next free one. Return: the index. */
uint32_t fake_kern_link(struct fake_kern *fake, const struct w_link *link);
void fake_kern_addr(struct fake_kern *fake, const struct w_addr *addr);	/* with its connected route */
void fake_kern_neigh(struct fake_kern *fake, const struct w_neigh *neigh);
void fake_kern_route(struct fake_kern *fake, const struct w_route *route);
void fake_kern_sysctl(struct fake_kern *fake, const char *path, const char *value);
void fake_kern_write_sysctl(struct fake_kern *fake, const char *path, const char *value);	/* with what the kernel does by it */

void fake_kern_firewall(struct fake_kern *fake, const struct fw_table *table);	/* somebody else's */

/* As kern_observe() and kern_apply(). */
int fake_kern_observe(struct fake_kern *fake, const char *const *sysctl_paths, size_t n, struct world *world,
		      struct report *report);
int fake_kern_apply(struct fake_kern *fake, const struct ops *ops, const struct apply_hooks *hooks,
		    struct report *report);
