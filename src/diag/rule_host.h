/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_host - what the two files of rules about the host's own IPv6 share
 */
#pragma once
#include <stdio.h>
#include "diag/findings.h"
#include "diag/snapshot.h"

/* rule_host6.c */
void host_judge_disabled(const struct snapshot *snap, struct findings *found);
void host_judge_no_link_local(const struct snapshot *snap, struct findings *found);
void host_judge_mtu(const struct snapshot *snap, struct findings *found);
void host_judge_lost_on_flap(const struct snapshot *snap, struct findings *found);

/* Does the kernel take RAs with these settings? */
bool host_processed(const struct snap_conf6 *c);
/* Of a bridge or bond: it has no addresses of its own. */
bool host_is_port(const struct snap_link *l);
/* Interfaces by which the host itself might live on RAs. */
bool host_may_need_ra(const struct findings *found, const struct snap_link *l);
/* An IPv6 address of that scope that isn't a duplicate. NULL: there is none. */
const struct snap_addr *host_any_address(const struct snapshot *snap, uint32_t ifindex, uint8_t scope);
/* Who set it, as far as files tell: the line that decides at boot. */
void host_set_by(const struct snapshot *snap, struct diag_finding *f, const char *path);

static inline const char *host_conf6_path(const char *device, const char *name, char buf[static 128])
{
	(void)snprintf(buf, 128, "net/ipv6/conf/%s/%s", device, name);
	return buf;
}
#define CONF6_PATH(device, name) host_conf6_path((device), (name), (char[128]){ 0 })
