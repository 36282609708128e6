/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * op - one change, the waist between wish and kernel
 *
 * plan/ makes ops, kern/apply carries them out, everything that looks at a
 * change (plan, explain, undo, fault injection, the fake kernel, the log)
 * looks at this struct. An op names its object, says why it is there, and
 * knows what was there before: op_undo() turns it round.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "model/service.h"
#include "model/world.h"
#include "net/addr.h"

enum op_kind {
	OP_SYSCTL,		/* set: write value; the found value is recorded first (and forgotten on restore) */
	OP_LINK_ADD,		/* a bridge of ours */
	OP_LINK_SET,		/* change attributes of a link: those with a bit in link.mask */
	OP_LINK_DEL,
	OP_ADDR_ADD,
	OP_ADDR_DEL,
	OP_PROXY_ADD,		/* answer on addr.device for addr.prefix.ip, which is somebody else's: a proxy neighbour */
	OP_PROXY_DEL,
	OP_ROUTE_ADD,		/* to one guest, by the host's own macvlan, which replaces one of ours to the same; or (RTPROT_KERNEL) to a network's prefix */
	OP_ROUTE_DEL,
	OP_NEIGH_ADD,		/* known without asking, and replaced when there is another */
	OP_NEIGH_DEL,
	OP_NFT_TABLE,		/* replace or delete one table whole, atomically: text */
	OP_NFT_ELEMS,		/* delete and add elements of an existing table, one transaction */
	OP_RULE,		/* our rules for one network in one chain of somebody else's */
	OP_SERVE,		/* the daemon tells its engine and resolver; not the kernel's */
	OP_UNSERVE,
	OP_CONFIRM_ROUTE,	/* wait until IFACE has a default route by RA again; sends RSs */
	OP_KIND_N_,
};

enum op_action {
	OP_ACTION_CREATE,	/* "+" */
	OP_ACTION_CHANGE,	/* "~" */
	OP_ACTION_REMOVE,	/* "−" */
	OP_ACTION_WAIT,		/* nothing changes: verification */
	OP_ACTION_N_,
};

/* Bits of op.link.mask. */
enum op_link_attr {
	OP_LINK_MTU = 1 << 0,
	OP_LINK_MAC = 1 << 1,
	OP_LINK_UP = 1 << 2,		/* link.up */
	OP_LINK_ALIAS = 1 << 3,
	OP_LINK_GROUP = 1 << 4,
	OP_LINK_GENMODE = 1 << 5,	/* inet6 addr_gen_mode */
	OP_LINK_BRIDGE = 1 << 6,	/* stp, mcast_snooping, forward_delay */
	OP_LINK_HAIRPIN = 1 << 7,	/* bridge port */
	OP_LINK_MASTER = 1 << 8,
	OP_LINK_MACVLAN = 1 << 9,	/* kinds macvtap and macvlan: mode, broadcast queue, sources */
	OP_LINK_ALLMULTI = 1 << 10,
	OP_LINK_PORT = 1 << 11,		/* of a bridge port: all of link.port */
	OP_LINK_PVID = 1 << 12,		/* the VLAN of a bridge port's untagged frames: link.pvid */
};

/* How a bridge treats one of its ports. */
struct op_port {
	bool flood, mcast_flood, bcast_flood, isolated;
	uint8_t mcast_router;		/* MDB_RTR_TYPE_* */
	uint8_t state;			/* BR_STATE_*; 0: stays as it is */
};

struct op_link {
	char name[16];
	uint32_t ifindex;		/* 0: by name (it may be created by an op before) */
	char kind[16];
	uint32_t mask;
	uint32_t mtu;
	struct mac mac;
	bool up;
	const char *alias;
	uint32_t group;
	uint8_t addr_gen_mode;
	bool stp, mcast_snooping;
	uint32_t forward_delay;
	bool hairpin;
	struct op_port port;
	uint16_t pvid;
	bool has_pvid;			/* false: the port is taken out of that VLAN */
	char master[16];		/* "" : none */
	uint32_t lower;			/* ifindex; OP_LINK_ADD of a macvtap or macvlan */
	uint32_t macvlan_mode;		/* MACVLAN_MODE_* */
	uint32_t macvlan_queue;		/* frames; 0: the kernel's own */
	const struct mac *sources;	/* mode source */
	size_t n_sources;
	bool allmulti;
};

struct op_addr {
	char device[16];
	struct prefix prefix;
	uint32_t flags;			/* IFA_F_NODAD, … */
	uint8_t scope;
	bool deprecated;		/* preferred lifetime 0 */
	uint32_t metric;		/* of the route to its prefix; 0: the kernel's own */
};

struct op_route {
	char device[16];
	struct prefix dst;
	struct ip src;			/* preferred source; family 0: none */
	struct ip gateway;		/* family 0: on-link */
	uint32_t metric;		/* 0: the kernel's own */
	uint8_t protocol;		/* RTPROT_*; 0: ours */
};

struct op_neigh {
	char device[16];
	struct ip ip;
	struct mac mac;
};

struct op_sysctl {
	const char *path;
	const char *value;
	const char *old;		/* NULL: not known */
	bool restore;			/* puts a found value back: the record is dropped */
	bool unrecorded;		/* of a device of ours, gone with it: no found value is recorded */
};

struct op_nft {
	uint8_t family;			/* NFPROTO_INET, NFPROTO_BRIDGE or NFPROTO_NETDEV; GUARD_FAMILY: elements of the guards (OP_NFT_ELEMS) */
	const char *text;		/* commands for libnftables (OP_NFT_TABLE) */
	/*
	 * What restores the tables as they were; "" : there were none. NULL: plan/ doesn't know
	 * (another version made them): who applies the op reads them first and sets it.
	 */
	const char *old_text;
	const struct w_table *table;	/* as the table will be; what a fake kernel needs of text */
	const struct w_table *old_table;
	const struct nft_elem *add, *del;	/* OP_NFT_ELEMS: sorted; deleted first, so a key may be in both */
	size_t n_add, n_del;
};

/* All rules with @comment in the chain go, and @add come instead. */
struct op_rule {
	uint8_t family;			/* NFPROTO_INET, NFPROTO_IPV4 or NFPROTO_IPV6 */
	const char *table, *chain;
	const char *comment;		/* "sixtap:NETWORK" */
	bool xt;			/* in iptables' words */
	uint64_t before;		/* handle of the rule that comes next; 0: none, they are the last */
	const struct fw_rule *add;	/* what is to be there; each accepts */
	size_t n_add;
	const struct fw_rule *old;	/* what was there, for undo */
	size_t n_old;
	uint64_t old_before;
};

struct op_serve {
	const struct service *service;	/* NULL in OP_UNSERVE */
	const struct service_host *hosts;
	size_t n_hosts;
	const struct service *old_service;	/* what was served before, for undo; NULL: nothing, or not known */
	const struct service_host *old_hosts;
	size_t n_old_hosts;
	bool goodbye;			/* OP_UNSERVE: last RA with lifetime 0 */
};

struct op {
	enum op_kind kind;
	enum op_action action;
	const char *network;		/* whose sake it is for; NULL: the host's */
	const char *object;		/* "link lan", "sysctl net.ipv4.ip_forward": the contract's `object` */
	const char *what;		/* "0 → 1", "bridge, 52:54:00:8a:1c:03, MTU 1500" */
	const char *why;		/* one clause for a person, or "" */
	union {
		struct op_link link;
		struct op_addr addr;
		struct op_route route;
		struct op_neigh neigh;
		struct op_sysctl sysctl;
		struct op_nft nft;
		struct op_rule rule;
		struct op_serve serve;
		struct {
			char device[16];
			uint32_t timeout_ms;
		} confirm;
	};
	/* OP_LINK_SET and OP_LINK_DEL: how it was, for undo. */
	struct op_link old_link;
};

/* Everything in it lives in @arena, which also may hold more. */
struct ops {
	struct arena *arena;		/* owned */
	struct op *ops;
	size_t n, cap;
};

struct ops *ops_new(void);
struct ops *ops_free(struct ops *ops);
DEFINE_FREEP(struct ops, ops_free)
struct op *ops_add(struct ops *ops, enum op_kind kind, enum op_action action);	/* zeroed; valid until the next add */

extern const char *const op_kind_name[OP_KIND_N_];
extern const char *const op_action_name[OP_ACTION_N_];	/* create, change, remove, wait */

/**
 * op_undo() - The op that takes @op back
 * @op:		an op that was carried out
 * @ret:	set when true is returned; borrows from @op
 *
 * Return: false when there is nothing to take back (OP_CONFIRM_ROUTE), or the
 * op doesn't know what was there: a sysctl without @old, tables without
 * @old_text, services that changed or ended without @old_service
 */
bool op_undo(const struct op *op, struct op *ret);

/* [{"object","action","what","why"}] as the contract's `changes`; waits are left out. */
json_t *ops_json(const struct ops *ops);
/* Number of ops that change something. */
size_t ops_n_changes(const struct ops *ops);
