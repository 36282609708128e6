/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * make - what the parts of plan_make() share
 *
 * Inside plan/ only. plan_make() first finds out how each network should be
 * (the find functions: they fill in struct net and its result, and report what
 * is wrong), then, when nothing is, has the emit functions add ops in order.
 */
#pragma once
#include "plan/plan.h"
#include "plan/ruleset.h"

/* A network while a plan is made. */
struct net {
	const struct plan_target *target;
	const struct d_network *d;	/* NULL only when it goes down */
	struct plan_result *result;
	const struct w_link *link;	/* its own bridge as it is, whatever its name; NULL: none */
	bool up;			/* want UP: errors are reported, ops are made */
	bool active;			/* up after this plan: results are filled */
	bool ours;			/* active, with a bridge of our own: rules and services */
	bool creates;			/* the bridge is made by this plan */
	bool removes;			/* @link is removed by this plan */
	uint32_t mtu;
	const struct w_link *lower;	/* mode macvtap: what guests' devices sit on; NULL: other modes */
	struct ruleset_forward *rules;	/* of the active forwards */
	size_t n_rules, cap_rules;
};

struct make {
	struct arena *arena;		/* that of ops */
	struct ops *ops;
	const struct world *world;
	const struct plan_facts *facts;
	struct report *report;
	struct net *nets;		/* one a target */
	size_t n_nets;
	struct want *foreign;		/* what firewalls of others need (foreign.c) */
};

/* uplink.c */
bool is_default_route(const struct w_route *route, sa_family_t family);
bool link_is_ours(const struct w_link *link);
const struct w_link *uplink_by_route(const struct world *world, sa_family_t family);
void find_uplink(struct make *m, struct net *net);
void find_mtu(struct make *m, struct net *net);

/* address.c */
void find_addresses(struct make *m, struct net *net);
void emit_addresses(struct make *m, struct net *net);
void emit_addresses_down(struct make *m, struct net *net);

/* links.c */
void find_link(struct make *m, struct net *net);
void emit_link(struct make *m, struct net *net);
void emit_link_down(struct make *m, struct net *net);
void emit_ports(struct make *m, struct net *net);
void emit_hairpin(struct make *m, struct net *net, bool on);
/* An op about link @name; @what and @why live as long as it does. */
struct op *link_op(struct make *m, const struct net *net, enum op_kind kind, enum op_action action, const char *name,
		   const char *what, const char *why);
void describe_link(const struct w_link *link, const struct world *world, struct op_link *ret);

/* macvtap.c */
void find_macvtap(struct make *m, struct net *net);
void check_macvtap_left(struct make *m, struct net *net);
void emit_macvtap(struct make *m, struct net *net);
void emit_macvtap_down(struct make *m, struct net *net);
void emit_macvtap_host(struct make *m, struct net *net);	/* after the rules */
void emit_ways_down(struct make *m, const struct net *net);
/* Settings of the host's own macvlan that the plan looks at. Return: how many */
#define MACVTAP_SYSCTLS 4
size_t macvtap_sysctls(const struct d_network *d, struct arena *arena, const char *paths[static MACVTAP_SYSCTLS]);
/* Is it the device of a guest of this network? Its name is put into @guest. */
bool macvtap_of(const struct net *net, const struct w_link *link, char guest[static GUEST_NAME_MAX + 1]);
/* The host's macvlan when it may hear guests only, or NULL. */
const char *macvtap_filtered_host(const struct net *net);

/* sysctls.c */
bool sysctl_on(const struct world *world, const char *path);
void emit_forwarding(struct make *m);
void emit_bridge_sysctls(struct make *m, struct net *net);
void emit_restore(struct make *m);
bool nf_call(const struct make *m, const struct net *net, sa_family_t family);

/* forwards.c */
void find_forwards(struct make *m, struct net *net);
void find_collisions(struct make *m);

/* rules.c */
void emit_rules(struct make *m);

/* guard.c */
void find_guard(struct make *m, const struct net *net, struct ruleset_network *ret);
void find_guard_macvtap(struct make *m, const struct net *net, struct ruleset_macvtap *ret);
bool guard_knows(const struct make *m, const struct nft_elem *e);
bool guard_keeps(const struct make *m, const struct nft_elem *e);

/* foreign.c */
void find_foreign(struct make *m);
void emit_foreign_gone(struct make *m);	/* before our tables change */
void emit_foreign(struct make *m);	/* after */

/* services.c */
void find_services(struct make *m, struct net *net);
void emit_serve(struct make *m, struct net *net);
void emit_unserve(struct make *m, struct net *net);

/* The key of a finding: "networks.lan.uplink". Lives in the arena. */
const char *net_key(struct make *m, const struct net *net, const char *field);

/* An error for a network that is to come up; NULL for the others, which nobody asked about. */
#define net_error(m, net, where, field, ...)                                                                          \
	((net)->up ? report_add((m)->report, SEVERITY_ERROR, (where), net_key((m), (net), (field)), __VA_ARGS__) : NULL)
