/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene - who depends on what: guests' ports, networks, uplinks
 *
 * What several rules ask of a snapshot before they can tell whether something
 * matters to anybody. Pure; arrays are made in the caller's arena.
 *
 * A guest's interface is a tap, a macvtap, one with our alias or in a guest's
 * definition, or a bridge port whose other end is in another namespace. The
 * uplink is where a default route leads: the interface itself, or the bridge
 * port behind which the router answers.
 */
#pragma once
#include "diag/snapshot.h"

/* An address that somebody behind an interface is known by. */
struct scene_addr {
	uint32_t port;		/* ifindex of the guest's interface */
	struct ip ip;
	struct mac mac;		/* zero: not known */
	const char *guest;	/* as snap_guest.name; or NULL */
	const char *source;	/* "declared", "lease", "seen", "neighbour", … */
};

/* A bridge that guests are on, and which the host routes for: not one that only switches. */
struct scene_net {
	const struct snap_link *bridge;
	const struct snap_network *ours;	/* or NULL */
	const struct snap_libvirt_net *libvirt;	/* or NULL */
	const char *name;	/* "lan", "libvirt:default", or the bridge's */
	struct prefix v4, v6;	/* the host's address in it; family 0: none. Of several for IPv6 the ULA or global one */
	const struct snap_link *up4, *up6;	/* where its packets leave; NULL: no default route */
	bool outside;		/* meant to reach the outside, as far as can be told */
};

bool scene_is_guest_link(const struct snapshot *s, const struct snap_link *link);
/* "lan/web", "libvirt:ha"; NULL: not known. */
const char *scene_guest(const struct snapshot *s, const struct snap_link *link);
/* For sentences: the guest's name, or "the guest on tap0". */
const char *scene_guest_or(const struct snapshot *s, struct arena *arena, const struct snap_link *link);

/* The interface that the host's default route leads through; NULL: there is none. */
const struct snap_link *scene_uplink(const struct snapshot *s, uint8_t family);
/* Does a default route lead through this interface, or through its bridge to a router behind this port? */
bool scene_is_uplink(const struct snapshot *s, const struct snap_link *link);

static inline bool scene_is_port(const struct snap_link *link)
{
	return link->master != 0 && str_eq(link->slave_kind, "bridge");
}

/* The port that a MAC was learned at; 0: none, or the bridge's own. */
uint32_t scene_port_of_mac(const struct snapshot *s, uint32_t bridge, const struct mac *mac);

/* Everybody known behind the ports of a bridge, sorted by port. */
const struct scene_addr *scene_behind_bridge(const struct snapshot *s, struct arena *arena, uint32_t bridge, size_t *ret_n);
/* Everybody known behind one interface that isn't a bridge port: a macvtap. */
const struct scene_addr *scene_behind_link(const struct snapshot *s, struct arena *arena, const struct snap_link *link,
					   size_t *ret_n);

/* A bridge of docker, podman or CNI, by its name. */
bool scene_is_containers(const struct snap_link *bridge);

/* Bridges with guests that the host routes for. Those of docker, podman and CNI are left out: they look after them. */
const struct scene_net *scene_nets(const struct snapshot *s, struct arena *arena, size_t *ret_n);

/* The host's address on an interface that others can use: no link-local one, none tentative or failed. NULL: none. */
const struct snap_addr *scene_host_addr(const struct snapshot *s, uint32_t ifindex, uint8_t family);
