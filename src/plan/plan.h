/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan - from wish and world to an ordered list of changes
 *
 * Pure: reads two structs, writes ops and findings.
 */
#pragma once
#include "base/report.h"
#include "model/desired.h"
#include "model/lease.h"
#include "model/world.h"
#include "plan/op.h"

/* What is known beyond config and kernel: who holds which address now. Sorted by network, then ip. */
struct plan;

/*
 * An address of ours that a network had or has. Should the configuration want
 * it no more, then the prefix drains as long as @keep.
 */
struct plan_drain {
	const char *network;
	struct prefix gateway;
	mono_t until;		/* IPv6: end of what guests made of the prefix; IPv4: no lease from before is longer */
	size_t n_leases;
	mono_t last;		/* end of the last of these */
	bool recorded;		/* it drains already */
	bool keep;
};

struct plan_facts {
	const struct lease *leases;
	size_t n_leases;
	const struct neighbour *neighbours;
	size_t n_neighbours;
	/* Every address of networks with spoof-check, in any order: who may go on using it. */
	const struct plan_holder {
		const char *network;
		struct ip ip;
		struct mac mac;
		bool leased;		/* else seen */
	} *holders;
	size_t n_holders;
	const struct plan_drain *drains;	/* the newest first */
	size_t n_drains;
	const struct plan *before;	/* that was carried out last, or NULL: its forwards have their ports */
};

enum plan_want {
	PLAN_WANT_LEAVE,	/* not touched: stays as the world has it */
	PLAN_WANT_UP,
	PLAN_WANT_DOWN,
};

/* A network in the plan's scope. @network is NULL for one that left the config: then only DOWN makes sense. */
struct plan_target {
	const char *name;
	const struct d_network *network;
	enum plan_want want;
};

/*
 * How a network comes out of a plan; for `status`, and for the daemon. Filled
 * for every target that is UP (or LEAVE with a running device).
 */
struct plan_result {
	const char *name;
	char device[16];
	char uplink4[16], uplink6[16];	/* "" : none found */
	struct prefix address4;		/* what `auto` became */
	struct ip_range range4;
	struct prefix address6;
	struct plan_drain drains[SERVICE_DRAINS];	/* prefixes of before, until guests have left them */
	size_t n_drains;
	struct prefix translated[SERVICE_DRAINS + 2];	/* what comes from these leaves by an address of the host's */
	size_t n_translated;
	enum ip6_source source6;	/* the rung taken */
	bool nat6;
	uint32_t mtu;			/* of the device and of every port */
	bool port_hairpin;		/* guest ports need hairpin: a guest reaches itself through a forward */
	const char **because;		/* why not a better rung */
	size_t n_because;
	const struct service *service;	/* NULL: nothing is served (mode bridge) */
	const struct service_host *hosts;
	size_t n_hosts;
	struct plan_forward {
		const struct d_guest *guest;
		const struct d_forward *forward;
		bool active;		/* a target is known */
		struct ip target4, target6;
	} *forwards;
	size_t n_forwards, cap_forwards;
	const char *blocked;		/* a firewall of others that drops guests' packets, and what to run; NULL: none */
	bool hairpin;			/* ports of guests with forwards have to be in hairpin mode */
};

struct plan {
	struct ops *ops;		/* owned */
	struct plan_result *results;	/* in the arena of ops; in the order of the targets */
	size_t n_results;
};

/**
 * plan_make() - Compute what has to change
 * @targets:	networks in scope; a network that must stay as it is is LEAVE (its rules are kept in the tables)
 * @world:	what the kernel has
 * @facts:	leases and neighbours, for targets of forwards
 * @report:	where errors go: a missing uplink, a foreign bridge of that name, an overlapping prefix, a port in use
 * @ret:	set when 0 is returned; free with plan_free()
 *
 * Return: 0, or 1 when the report has new errors (then nothing may be changed)
 */
int plan_make(const struct plan_target *targets, size_t n_targets, const struct world *world,
	      const struct plan_facts *facts, struct report *report, struct plan **ret);
struct plan *plan_free(struct plan *plan);
DEFINE_FREEP(struct plan, plan_free)

/**
 * plan_port_hairpin() - Does a guest's port belong in hairpin mode?
 * @result:	the network as it came out of a plan
 * @guest:	the guest's name; "" or NULL: not one of ours
 *
 * With br_netfilter a guest reaches itself through its own forward only then.
 * The port has to be known to table bridge sixtap before it is switched, or
 * the guest sees its own DAD probes: so attach a new port without, and plan
 * again. This tells whether that is worth it.
 */
bool plan_port_hairpin(const struct plan_result *result, const char *guest);

/**
 * plan_forward_ops() - One forward more or less, without a plan of everything
 * @forward:	whom it leads to is known
 * @add:	or take it away
 *
 * For a network that came out of a plan, and a guest that has another active
 * forward there: then it is a matter of elements only.
 *
 * Return: the ops; free with ops_free()
 */
struct ops *plan_forward_ops(const struct plan_forward *forward, bool add);

/* Could this listener stand in the way of a forward? Then its pid and comm are worth finding out before plan_make(). */
bool plan_listener_matters(const struct plan_target *targets, size_t n_targets, const struct w_listener *listener);

/* Which sysctls plan_make() wants to see for these targets; paths in @arena. Interfaces come from @world. */
size_t plan_sysctls(const struct plan_target *targets, size_t n_targets, const struct world *world, struct arena *arena,
		    const char ***ret_paths);

/**
 * macvtap_unfit() - Why guests on macvtap devices can't sit on this link
 * @network:	whose guests; its own devices don't count
 * @passthru:	they are to have it for themselves
 * @ret_help:	set with the reason: what to do about it
 *
 * Down or without carrier is fit: that passes.
 *
 * Return: the reason in words, of @arena, or NULL: it is fit
 */
const char *macvtap_unfit(struct arena *arena, const struct world *world, const char *network, const struct w_link *lower,
			  bool passthru, const char **ret_help);
