/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure - what is worth asking on this host, and the answers into the snapshot
 *
 * `doctor --probe`: which routers and DHCP servers answer a guest of each
 * bridge and the host on its uplink, whether guests that are known by an
 * address hear a neighbour solicitation and big packets, which groups guests on
 * macvtaps listen to, how many frames the lower devices of macvtaps drop meanwhile. Rules find it in snapshot.probes.
 */
#pragma once
#include "diag/snapshot.h"

/**
 * measure_snapshot() - Ask, and complete the snapshot
 * @s:		as read on this host just now
 *
 * Sends at most PROBE_MAX questions and takes at most 5 s. What could not be asked is in snap_probe.why; without
 * privileges "probe" is a part that is unread.
 */
void measure_snapshot(struct snapshot *s);
