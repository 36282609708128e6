/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live - one interface as the kernel has it now, for the commands that send
 *
 * Links, addresses and routes by kern/observe, and the settings that RAs depend
 * on. Reading needs no privilege.
 */
#pragma once
#include "base/report.h"
#include "diag/slaac.h"
#include "model/world.h"

/**
 * live_read() - Read links, addresses and routes
 * @ret:	a world, to be freed
 * @report:	gets an error when it fails
 *
 * Return: 0 or negative errno
 */
int live_read(struct world **ret, struct report *report);

/* Settings of one link of @world, read now. Return: 0 or negative errno with an error in @report. */
int live_settings(const struct world *world, const struct w_link *link, struct slaac_settings *ret,
		  struct report *report);

/* A link-local address of the link that can be used now, or NULL. */
const struct w_addr *live_link_local(const struct world *world, uint32_t ifindex);

/* The source to ask @target from: of its prefix, else global, else link-local; NULL: there is none. */
const struct w_addr *live_source(const struct world *world, uint32_t ifindex, const struct ip *target);
