/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_bridge - what the two files of rules about bridges share
 */
#pragma once
#include "diag/findings.h"
#include "diag/snapshot.h"

/* rule_bridge_nf.c: what netfilter does to bridged frames. */
void bridge_judge_mld(const struct snapshot *s, struct findings *found);
void bridge_judge_netfilter(const struct snapshot *s, struct findings *found);

/* Somebody asks for groups, and frames for those that nobody reported are dropped. */
bool bridge_querier_lives(const struct snap_link *bridge);
/* The LAN's side of a bridge. NULL: none, or several. */
const struct snap_link *bridge_uplink_port(const struct snapshot *s, const struct snap_link *bridge);
