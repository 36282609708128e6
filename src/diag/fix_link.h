/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fix_link - mend a link: the op, and the command that does the same
 *
 * Each takes the link as the snapshot has it, so that the op knows how it was.
 */
#pragma once
#include "diag/findings.h"
#include "diag/snapshot.h"

void fix_link_up(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link);
void fix_link_mac(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link, const struct mac *mac);
void fix_link_mtu(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link, uint32_t mtu);
/* No more addresses of the kernel's making. */
void fix_link_no_addresses(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link);
/* Of a macvtap: MACVLAN_MODE_BRIDGE; its queue, in frames. */
void fix_link_bridge_mode(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *macvtap);
void fix_link_queue(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *macvtap, uint32_t frames);
void fix_link_allmulti(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *link);
/* Of a bridge; all the rest stays as it is. */
void fix_link_stp_off(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *bridge);
void fix_link_snooping_off(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *bridge);
/* Of a bridge port: start from fix_link_port_now(), change, hand over. @words: what `bridge link set dev PORT` takes. */
struct op_port fix_link_port_now(const struct snap_link *port);
void fix_link_port(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *port, const struct op_port *want,
		   const char *words);
void fix_link_pvid(struct diag_finding *f, struct diag_fix *fix, const struct snap_link *port, uint16_t vid);

void fix_addr_del(struct diag_finding *f, struct diag_fix *fix, const struct snapshot *s, const struct snap_addr *addr);
void fix_addr_add(struct diag_finding *f, struct diag_fix *fix, const char *device, const struct snap_addr *addr);
