/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh - which addresses guests of a network use
 *
 * A pure machine: looks at ND and ARP messages that pass by, and tells what is
 * new. It answers nothing: solicitations for our own addresses are the
 * kernel's, those for guests reach the guests.
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "model/service.h"
#include "net/arp.h"
#include "net/ndp.h"
#include "resp/out.h"

struct neigh;

/**
 * neigh_new() - Make a watcher
 * @ret:	set on success; free with neigh_free()
 * @service:	settings, copied: our own addresses are nobody's
 * @seed:	for hashes
 *
 * Return: 0
 */
int neigh_new(struct neigh **ret, const struct service *service, uint64_t seed);
struct neigh *neigh_free(struct neigh *neigh);
DEFINE_FREEP(struct neigh, neigh_free)

void neigh_configure(struct neigh *neigh, const struct service *service);

/**
 * neigh_ns() - A neighbour solicitation passed by
 * @mac:	source of its frame
 *
 * Told when it says something about its sender: a link-layer address that is
 * the frame's own. During duplicate address detection (from ::) the address
 * isn't used yet. The same for the other messages.
 *
 * A FACT_NEIGHBOUR comes out when an address is new or has another MAC, and
 * again every 5 minutes while it is in use, so that last_seen means something.
 */
void neigh_ns(struct neigh *neigh, const struct ndp_ns *ns, const struct mac *mac, mono_t now, struct out *out);
void neigh_na(struct neigh *neigh, const struct ndp_na *na, const struct mac *mac, mono_t now, struct out *out);
void neigh_rs(struct neigh *neigh, const struct ndp_rs *rs, const struct mac *mac, mono_t now, struct out *out);
void neigh_arp(struct neigh *neigh, const struct arp *arp, const struct mac *mac, mono_t now, struct out *out);

/* New addresses that a guest's budget didn't allow. */
uint64_t neigh_n_held_back(const struct neigh *neigh);
