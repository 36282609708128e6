/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch - what the kernel says has changed
 *
 * Listens to links, addresses, routes, per-interface settings (netconf) and
 * nftables. An event says only where to look: the caller gathers events for a
 * moment and observes again. After a lost event (ENOBUFS) there is nothing to
 * be trusted but a new look: resync. At most a fixed number of messages is
 * taken per turn.
 */
#pragma once
#include <stdint.h>
#include "base/loop.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/world.h"

enum kern_change {
	KERN_CHANGE_LINK,
	KERN_CHANGE_ADDR,
	KERN_CHANGE_ROUTE,	/* of the main table; ifindex is the outgoing device, or 0 */
	KERN_CHANGE_DEFAULT,	/* likewise, a default route */
	KERN_CHANGE_NETCONF,	/* forwarding, proxy_ndp, …; ifindex may be NETCONFA_IFINDEX_ALL (-1) or _DEFAULT (-2) */
	KERN_CHANGE_NEIGH,	/* a neighbour that is new, silent or gone; only with kern_watch_neigh() */
	KERN_CHANGE_TC,		/* a queueing discipline or a filter is gone; only with kern_watch_tc() */
	KERN_CHANGE_NFT,	/* one of our tables; ifindex is the pid and name the program that did it, as the kernel tells */
	KERN_CHANGE_FIREWALL,	/* chains or rules of others, where guests' packets may be dropped; otherwise as KERN_CHANGE_NFT */
	KERN_CHANGE_N_,
};
extern const char *const kern_change_name[KERN_CHANGE_N_];

/* Any of them may be NULL. None may free the watch. */
struct kern_watch_ops {
	/* @name: of the interface, or "" when it isn't known */
	void (*changed)(void *user, enum kern_change kind, uint32_t ifindex, const char *name, mono_t now);
	/* A link that wasn't there before, or one that has another master than before. @link is complete, and borrowed. */
	void (*link_new)(void *user, const struct w_link *link, mono_t now);
	void (*link_gone)(void *user, uint32_t ifindex, const char *name, const char *alias, mono_t now);
	/* Events were lost. The watch has already learnt the links anew, without telling. */
	void (*resync)(void *user, mono_t now);
	/* Any other change of a link, told instead of KERN_CHANGE_LINK; as link_new */
	void (*link_changed)(void *user, const struct w_link *link, mono_t now);
};

struct kern_watch;

/**
 * kern_watch_new() - Start listening in this thread's network namespace
 * @ret:	set when 0 is returned
 * @loop:	where it runs
 * @ops:	called on events; kept by reference
 * @user:	for @ops
 *
 * Links that exist already are known, without a call of link_new.
 * Needs no privileges; without CAP_NET_ADMIN it has a smaller buffer.
 *
 * Return: 0, or a negative errno
 */
int kern_watch_new(struct kern_watch **ret, struct loop *loop, const struct kern_watch_ops *ops, void *user);
/* Tell of neighbours, too, or no longer. On a busy LAN they change all the time. Return: 0, or a negative errno. */
int kern_watch_neigh(struct kern_watch *watch, bool on);
/* Tell of filters that go, too, or no longer: while somebody listens, each new one costs the kernel a message. Return: likewise */
int kern_watch_tc(struct kern_watch *watch, bool on);
/* What an interface is a port of, as it was told last; 0: of nothing, or it isn't known. */
uint32_t kern_watch_master(const struct kern_watch *watch, uint32_t ifindex);
struct kern_watch *kern_watch_free(struct kern_watch *watch);
DEFINE_FREEP(struct kern_watch, kern_watch_free)
