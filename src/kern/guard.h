/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - the eBPF guards of ports: load, tell, look
 *
 * Theory of operation: src/bpf/guard.bpf.c is one program with four maps. The
 * monitor loads it, while it still has root's capabilities, and hands the
 * descriptors down; main attaches the program to ports (CAP_NET_ADMIN) and
 * changes the maps through the descriptors. Nothing is pinned: a filter holds
 * the program, and the program its maps, so guards outlive every process of
 * ours. A new monitor has new maps; ports then still have the old program, and
 * the plan replaces it.
 *
 * For plan/ the guards are a table, struct world's `guard`. Adding element
 * "attached" puts the filter on a port; deleting element "port" takes it off.
 */
#pragma once
#include <stddef.h>
#include "kern/kern.h"
#include "model/world.h"

#define GUARD_WHY_MAX 256

/**
 * guard_load() - Load program and maps
 * @ret:	set when 0 is returned; the descriptors are the caller's
 * @why:	set to the reason when it fails
 *
 * Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. With SIXTAP_GUARD=nft in the
 * environment it fails, for tests of the fallback; with SIXTAP_HEAR=socket it
 * gives no ring, so that guests on macvtaps are heard by packet sockets.
 *
 * Return: 0, or a negative errno (ENOSYS: built without); then nftables does it
 */
int guard_load(struct kern_guard *ret, char why[static GUARD_WHY_MAX]);

/* May main change the maps without CAP_BPF? Since 5.19 only making objects needs it. */
bool guard_needs_bpf(void);

/* Fill in world->guard; links are observed already. Return: 0 or negative errno. */
int kern_guard_observe(struct kern *kern, struct world *world);

/* As kern_nft_elems(), for the guards: owners before ports before filters, and back in the opposite order. */
int kern_guard_elems(struct kern *kern, const struct nft_elem *del, size_t n_del, const struct nft_elem *add, size_t n_add,
		     char why[static GUARD_WHY_MAX]);

/*
 * When there are no eBPF guards now: take the filters of a former daemon off the ports of bridges of ours. Their maps are
 * nobody's any more, and who gets an address now would be held up by what was true then.
 */
void kern_guard_clean(struct kern *kern, const struct world *world);
