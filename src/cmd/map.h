/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map - the host's network as a tree, and who draws it
 *
 * map.c gathers (kernel, daemon, QEMU's command lines), map_tree.c makes one
 * tree of it, map_text.c and map_svg.c draw that. All strings live in the
 * tree's arena and are fit for a terminal.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/arena.h"
#include "kern/neigh.h"
#include "model/world.h"

struct cmd;

enum map_kind {
	MAP_HOST,
	MAP_UPLINK,		/* hardware, and whatever else a default route leads over */
	MAP_NETWORK,		/* one of ours */
	MAP_BRIDGE,		/* somebody else's */
	MAP_DEVICE,		/* another link that is nobody's port */
	MAP_PORT,		/* below one of those: tap, macvtap, veth, … with the guest behind it, if it is known */
	MAP_GUEST,		/* one without a device */
	MAP_MORE,		/* so many are not shown */
	MAP_KIND_N_,
};
extern const char *const map_kind_name[MAP_KIND_N_];

enum map_state {
	MAP_STATE_NONE,		/* nothing to say */
	MAP_STATE_UP,
	MAP_STATE_DEGRADED,
	MAP_STATE_DOWN,
	MAP_STATE_N_,
};

struct map_list {
	const char **s;
	size_t n, cap;
};

struct map_node {
	enum map_kind kind;
	enum map_state state;	/* of the network, or of the guest */
	bool ours;
	const char *name;	/* device; of a guest without one "" */
	const char *what;	/* "nat → eth0", "1 Gb/s", "bridge"; may be "" */
	const char *guest;	/* or NULL */
	const char *uplink;	/* of networks: where packets leave, or NULL */
	const char *trouble;	/* or NULL */
	const char *note;	/* or NULL */
	struct map_list addresses, forwards, routers;
	struct map_node **children;
	size_t n, cap;
	size_t hidden, hidden_guests;	/* of MAP_MORE: how many, and how many of them are guests */
	bool told;		/* the daemon has said whose port it is */
};

/* A tap or macvtap and the guest whose program holds it. */
struct map_holder {
	char device[16];	/* of a tap; "" of a macvtap */
	uint32_t ifindex;	/* of a macvtap; 0 of a tap */
	const char *guest;
	bool libvirt;
};

/* What the tree is made of. Everything is borrowed but for the arena's. */
struct map_source {
	struct arena *arena;
	const char *host;
	const struct world *world;
	const json_t *networks;		/* `networks` of status, or NULL: no daemon */
	const json_t *adopted;		/* `adopted` of status, or NULL: nothing is */
	struct kern_neigh *fdb;		/* sorted by map_tree() */
	size_t n_fdb, cap_fdb;
	struct kern_neigh *neighs;	/* likewise */
	size_t n_neighs, cap_neighs;
	struct map_holder *holders;
	size_t n_holders, cap_holders;
	uint32_t (*speed)(const char *device);	/* Mb/s; 0: not known */
	bool full;			/* show all guests and all addresses */
};

/* More children than this are folded, all but MAP_SHOWN of them. */
#define MAP_FOLD_ABOVE 20
#define MAP_SHOWN 10

struct map_node *map_tree(struct map_source *source);

/* For a terminal of @width columns. */
void map_text(const struct cmd *cmd, const struct map_node *host, bool has_daemon, int width);

/* A picture that reads well on light and dark ground. Return: 0, or a negative errno of @to. */
int map_svg(const struct map_node *host, FILE *to);
