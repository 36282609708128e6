/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flows - what guests sent while our rules were away
 */
#pragma once
#include "model/world.h"
#include "plan/plan.h"

/* The rules of this plan are in place: flows that the kernel began to track without their translation start anew. */
void flows_mend(const struct world *world, const struct plan *plan);
