/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset - the firewall of all networks, as text and as elements
 *
 * Theory of operation: there is one source, a list of networks, and there are
 * two renderings. Structure (chains, rules, empty sets) never mentions a
 * network, a guest, an address or a port: those are elements of sets and maps,
 * so a packet costs the same however many there are, and most changes are a
 * few elements. The only thing that is structure and depends on the
 * configuration is one chain for each distinct pair of nat-ports and
 * nat-address. The table's comment carries a hash of its structure: as long as
 * it (and the number of rules in each chain) is the same, a change is made
 * element by element, otherwise the table is replaced in one transaction.
 *
 * Nothing here is ever built from a user's text, except interface names as
 * elements: one that nft's language cannot say is left out of the text, and
 * reaches the kernel as an element.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "model/desired.h"
#include "model/world.h"
#include "net/addr.h"

/* One forward for one family; ranges of equal length. */
struct ruleset_forward {
	uint8_t proto;			/* enum l4proto */
	struct ip host;			/* family 0: any address of the host, of the target's family */
	uint16_t host_first, host_last, guest_first;
	struct ip target;
	struct mac mac;			/* the guest's */
	const struct prefix *from;	/* who may use it, of both families; none: everybody */
	size_t n_from;
};

/* A port whose guest may say only what is its own. */
struct ruleset_port {
	const char *name;
	uint32_t ifindex;
	struct mac mac;			/* zero: the first source seen is taken */
};

/* Who may speak for an address. */
struct ruleset_owner {
	struct ip ip;
	struct mac mac;
};

struct ruleset_network {
	const char *device;
	enum net_mode mode;		/* NAT or ISOLATED */
	enum host_access host_access;
	struct prefix gateway4, gateway6;	/* family 0: the family is off */
	struct prefix drains[SERVICE_DRAINS];	/* gateways of before */
	size_t n_drains;
	struct in6_addr link_local;
	bool dns;			/* answered at the gateway's addresses: a forward of port 53 leaves them alone */
	const char *uplink;		/* guests go out there only; NULL: wherever routes lead */
	bool nat4, nat6;		/* translate what leaves … */
	struct prefix plain[SERVICE_DRAINS + 2];	/* … unless it is of one of these */
	size_t n_plain;
	uint16_t nat_port_first, nat_port_last;	/* 0: any */
	struct ip nat_address4, nat_address6;	/* family 0: that of the interface it leaves by */
	const struct ruleset_forward *forwards;
	size_t n_forwards;
	const char *const *reflecting;	/* ports in hairpin mode */
	size_t n_reflecting;
	bool guarded;			/* spoof-check */
	bool guarded_by_bpf;		/* then by elements of the guards, else by table bridge; the same for all */
	uint32_t group;			/* network_group(): which network an address is of */
	const struct ruleset_port *ports;
	size_t n_ports;
	const struct ruleset_owner *owners;	/* each address once */
	size_t n_owners;
};

/* A network of mode macvtap: table netdev. */
struct ruleset_macvtap {
	uint32_t group;			/* network_group() */
	bool guarded;			/* spoof-check */
	const char *host;		/* the host's own macvlan that hears its guests only; NULL: none */
	const struct ruleset_port *ports;	/* the guests' devices, with their MACs */
	size_t n_ports;
	const struct ruleset_owner *owners;	/* each address once */
	size_t n_owners;
};

/* Elements of the present tables that belong to networks which the caller doesn't know, and are to stay. */
struct ruleset_kept {
	const struct nft_elem *inet, *bridge;
	size_t n_inet, n_bridge;
};

struct ruleset_table {
	struct w_table table;		/* present is false: no such table is needed */
	const char *structure;		/* as text */
	/* Filled in by ruleset_text() only: 10,000 forwards are many words. */
	const char *text;		/* nft commands that replace or delete it; with every element that nft can say */
	const struct nft_elem *rest;	/* elements that are not in @text, sorted: to be added by themselves */
	size_t n_rest;
};

struct ruleset {
	struct ruleset_table inet, bridge;
	struct ruleset_table guard;	/* elements only */
	struct ruleset_table netdev;	/* by ruleset_make_netdev() */
};

/**
 * ruleset_make() - Render the firewall of these networks
 * @arena:	where the result lives
 * @networks:	networks that are up, in any order; none: both tables go
 * @kept:	elements that stay as they are
 * @ret:	the result; elements are sorted
 *
 * The caller sees to it that no key occurs twice (two forwards of one port);
 * only one would stay.
 */
void ruleset_make(struct arena *arena, const struct ruleset_network *networks, size_t n,
		  const struct ruleset_kept *kept, struct ruleset *ret);

/**
 * ruleset_make_netdev() - Render what holds at macvtap devices
 * @arena:	where the result lives
 * @networks:	networks of mode macvtap that are up; without devices among them the table goes
 * @n:		how many
 * @ret:	the table; elements are sorted
 *
 * A base chain belongs to one device, so each device is structure. Devices whose
 * names nft's language cannot say are left out.
 */
void ruleset_make_netdev(struct arena *arena, const struct ruleset_macvtap *networks, size_t n, struct ruleset_table *ret);

/* Put the table into words: fills in its text and rest, in @arena. */
void ruleset_text(struct arena *arena, struct ruleset_table *table);

/* What one forward is in table inet: its elements, sorted, in @arena. */
void ruleset_forward_elems(struct arena *arena, const struct ruleset_forward *forward, const struct nft_elem **ret,
			   size_t *ret_n);

/**
 * ruleset_port_elems() - What the guard of one port is
 * @arena:	where the elements live
 * @network:	its group and guarded_by_bpf are looked at
 * @port:	the port
 * @ret:	its elements, sorted
 * @ret_n:	how many
 *
 * Return: the family of the table they belong to: GUARD_FAMILY or NFPROTO_BRIDGE
 */
uint8_t ruleset_port_elems(struct arena *arena, const struct ruleset_network *network, const struct ruleset_port *port,
			   const struct nft_elem **ret, size_t *ret_n);

/**
 * ruleset_diff() - Elements that have to go and to come
 * @arena:	where the result lives
 * @have:	what the kernel has
 * @want:	what it should have; both sorted
 * @ret_del:	those of @have that are not in @want, or differ
 * @ret_add:	those of @want that are not in @have, or differ
 *
 * Sets that aren't ours (@want knows none of that name) are left alone.
 */
void ruleset_diff(struct arena *arena, const struct w_table *have, const struct w_table *want,
		  const struct nft_elem **ret_del, size_t *ret_n_del, const struct nft_elem **ret_add,
		  size_t *ret_n_add);

/* Same structure: hash and number of rules in each chain. Then element changes suffice. */
bool ruleset_same_structure(const struct w_table *have, const struct w_table *want);

/* Does the set of this name begin with an interface name? For elements of networks that a plan doesn't know. */
bool ruleset_set_by_device(uint8_t family, const char *set);
