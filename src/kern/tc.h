/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tc - one filter on a port's ingress, or its egress
 *
 * Inside kern/ only.
 */
#pragma once
#include <stdint.h>
#include "kern/priv.h"

enum tc_side { TC_INGRESS, TC_EGRESS };

/* Put program @fd, in direct action, before everything else on that side; replaces ours. Return: 0 or negative errno. */
int tc_attach(struct kern *kern, uint32_t ifindex, enum tc_side side, int fd, char why[static NL_WHY_MAX]);

/* Take ours away, and the clsact qdisc when nothing else is in it. 0 also when there is none, or no such port. */
int tc_detach(struct kern *kern, uint32_t ifindex, enum tc_side side, char why[static NL_WHY_MAX]);

/* Ids of the programs in our filters on that side of @n ports; 0: there is none. Return: 0 or negative errno. */
int tc_attached(struct kern *kern, const uint32_t *ifindexes, size_t n, enum tc_side side, uint32_t *ret_ids);
