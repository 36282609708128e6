/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - which multicast groups one guest listens to
 *
 * Theory of operation. A macvtap lets in only the groups of its own list, and
 * nothing in the kernel tells it the guest's. This machine works them out for
 * one guest from what is known of it, and says which Ethernet groups to join and
 * to leave. Evidence is kept for each IP group, as several may share an Ethernet
 * group, and comes from four sources:
 *
 * - QMP: the table of the guest's NIC. It is all the guest lets in, so what the
 *   guest was thought to listen to before it was asked for, and isn't in it, is
 *   dropped.
 * - MLD and IGMP: joins and leaves as the guest reports them.
 * - DAD: the solicited-node group of an address that the guest probes for or
 *   uses, a second before its report. A leave ends it as well.
 * - declared addresses, for good.
 *
 * What is missed (a leave while nobody listened, a guest that just stops) would
 * leak. So the guest is asked now and then: a general query, to it alone, which
 * it answers with all its groups; what it leaves out twice is dropped. One that
 * doesn't answer is asked again, soon at first. A guest that reports nothing is
 * asked in vain: of it at most MCAST_USED groups are kept, those that were used
 * last.
 *
 * Bounds: MCAST_ENTRIES groups of evidence, MCAST_GROUPS Ethernet groups; beyond
 * that all multicast, until an answer or QMP shows that there are fewer. The
 * guest's MAC is looked at nowhere.
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "model/mcast.h"
#include "net/igmp.h"
#include "net/mld.h"
#include "net/ndp.h"
#include "net/qmp.h"

#define MCAST_ENTRIES 256
#define MCAST_USED 32	/* solicited-node groups known only from use */

struct mcast;

/* @now: the guest is asked for the first time then. Return: 0. */
int mcast_new(struct mcast **ret, mono_t now);
struct mcast *mcast_free(struct mcast *m);
DEFINE_FREEP(struct mcast, mcast_free)

/* May the guest be asked? No: no query reaches it (without eBPF, in macvtap modes other than bridge). */
void mcast_may_ask(struct mcast *m, bool may);
/* Declared addresses; replaces those of before. At most MCAST_DECLARED_IPS. */
void mcast_declare(struct mcast *m, const struct ip *ips, size_t n);
/* A group that was followed before this engine began; main has it joined. It counts as told. */
void mcast_had(struct mcast *m, const struct mac *group, uint8_t reasons);

/* The guest sent this. */
void mcast_mld(struct mcast *m, const struct mld_report *report, mono_t now);
void mcast_igmp(struct mcast *m, const struct igmp_report *report, mono_t now);
void mcast_ns(struct mcast *m, const struct ndp_ns *ns, mono_t now);
void mcast_na(struct mcast *m, const struct ndp_na *na, mono_t now);

/* It can be asked by another MAC than before, perhaps: worth a question, unless it has answered one. */
void mcast_heard(struct mcast *m, mono_t now);

/* Something that it said was lost on the way: it is asked again. */
void mcast_missed(struct mcast *m, mono_t now);

/* QEMU said this when it was asked at @asked. */
void mcast_rx_filter(struct mcast *m, const struct qmp_filter *filter, mono_t asked, mono_t now);
/* Its monitor is gone: what was known from it has to be found otherwise. */
void mcast_qmp_gone(struct mcast *m);

mono_t mcast_deadline(const struct mcast *m);
/* Return: true when the guest is to be asked now (mld_put_query(), igmp_put_query()). */
bool mcast_tick(struct mcast *m, mono_t now);

/* Something main is to do. */
struct mcast_change {
	struct mac group;	/* zero: about all multicast */
	uint8_t reasons;	/* enum mcast_reason; 0: leave. Of all multicast: enum mcast_all, 0: no more */
};

/* The next change that hasn't been told yet. It counts as told then. Return: false when there is none. */
bool mcast_change(struct mcast *m, struct mcast_change *ret);

size_t mcast_n_groups(const struct mcast *m);
