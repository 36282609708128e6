/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time - the two clocks of the program
 *
 * Nothing below the event loop reads a clock: `now` is passed down. Everything
 * in memory counts in mono_t; wall_t exists only where something is written to
 * disk or shown to people.
 */
#pragma once
#include <stdint.h>

typedef uint64_t mono_t;	/* CLOCK_BOOTTIME, nanoseconds */
typedef int64_t wall_t;		/* CLOCK_REALTIME, seconds since 1970 */

#define MONO_NEVER UINT64_MAX
#define MONO_US UINT64_C(1000)
#define MONO_MS UINT64_C(1000000)
#define MONO_S UINT64_C(1000000000)

/* The only two readers; for the event loop, commands and tests. */
mono_t mono_now(void);
wall_t wall_now(void);

/* @a + @b, or MONO_NEVER when either is or the sum would be. */
static inline mono_t mono_add(mono_t a, mono_t b)
{
	return a > MONO_NEVER - b ? MONO_NEVER : a + b;
}

static inline mono_t mono_min(mono_t a, mono_t b)
{
	return a < b ? a : b;
}
