/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time - the two clocks of the program
 */
#include "base/time.h"

#include <time.h>

mono_t mono_now(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (mono_t)ts.tv_sec * MONO_S + (mono_t)ts.tv_nsec;
}

wall_t wall_now(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (wall_t)ts.tv_sec;
}
