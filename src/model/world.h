/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world - what the kernel has
 *
 * Filled only by kern/observe (and, in tests, by hand). Plain arrays in one
 * arena, each sorted by its key so that plan/ finds things by binary search:
 * links by ifindex, sysctls by path, nft elements by set and key.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "model/desired.h"
#include "model/firewall.h"
#include "model/service.h"
#include "net/addr.h"

#define SIXTAP_PROTO 66		/* rtm_protocol, ndm protocol and rule protocol of what is ours */

struct w_link {
	uint32_t ifindex;
	char name[16];
	char kind[16];			/* IFLA_INFO_KIND: "bridge", "tun", "veth", …; "" for hardware */
	char alias[128];		/* "sixtap:<network>" or "sixtap:<network>/<guest>" is ours */
	struct mac mac;
	uint32_t mtu;
	uint32_t flags;			/* IFF_UP, IFF_LOWER_UP, … */
	uint32_t master;		/* ifindex, or 0 */
	uint32_t lower;			/* what a macvtap, macvlan or vlan sits on; 0: nothing, or in another namespace */
	uint32_t macvlan_mode;		/* kinds macvtap and macvlan: MACVLAN_MODE_*; 0: not known */
	uint32_t macvlan_queue;		/* the length asked for of the broadcast queue, frames; 0: not known (before 5.11) */
	uint32_t n_sources;		/* mode source: MACs that are let in */
	uint64_t sources_sum;		/* of mac_hash() of each */
	const struct mac *sources;	/* those of kern_observe(); NULL: not read */
	uint32_t group;
	bool wireless;

	struct {			/* kind bridge */
		bool stp, mcast_snooping, vlan_filtering;
		bool nf_call_iptables, nf_call_ip6tables;
		uint32_t forward_delay;	/* centiseconds of USER_HZ, as netlink has it */
	} bridge;
	struct {			/* master is a bridge */
		bool hairpin, isolated, locked;
	} port;
	struct {			/* kind tun */
		bool persist, vnet_hdr, multi_queue;
		int64_t owner, group;	/* -1: none */
	} tun;

	/* IFLA_AF_SPEC; have_* false: the family doesn't exist on this link (MTU below 1280, say) */
	bool have_inet, have_inet6;
	bool forwarding4, forwarding6;
	int32_t accept_ra;
	uint8_t addr_gen_mode;
	bool disable_ipv6;
};

struct w_addr {
	uint32_t ifindex;
	struct prefix prefix;
	uint32_t flags;			/* IFA_F_* */
	uint32_t valid_s, preferred_s;	/* UINT32_MAX: forever */
	uint8_t proto;			/* IFA_PROTO; 0 before 5.18 */
	uint8_t scope;
};

struct w_route {
	struct prefix dst;
	struct ip gateway;
	uint32_t oif;
	uint32_t table;
	uint32_t metric;
	struct ip src;			/* preferred source; family 0: none */
	uint8_t protocol, type, scope;
	bool expires;			/* has a lifetime: learned from an RA by the kernel */
};

/* A neighbour that is in use or was; failed and incomplete ones are left out. */
struct w_neigh {
	uint32_t ifindex;
	struct ip ip;
	struct mac mac;
};

struct w_sysctl {
	const char *path;		/* below /proc/sys/, "net/ipv4/ip_forward" */
	const char *value;		/* without the newline; NULL: it doesn't exist */
};

/* A value found by us before we changed it; kept in the run directory. */
struct w_found {
	const char *path;
	const char *found;		/* what it was */
	const char *ours;		/* what we set */
};

/*
 * One element of a set or map of our table, as the kernel lays it out: each
 * field of a concatenation padded to 4 bytes, ports and addresses in network
 * order, interface names as 16 zero-padded bytes.
 */
#define NFT_KEY_MAX 64
#define NFT_DATA_MAX 32

enum nft_verdict {
	NFT_VERDICT_NONE,	/* a plain set, or a map to data */
	NFT_VERDICT_ACCEPT,
	NFT_VERDICT_DROP,
	NFT_VERDICT_JUMP,
	NFT_VERDICT_GOTO,
	NFT_VERDICT_RETURN,
	NFT_VERDICT_N_,
};

struct nft_elem {
	const char *set;
	uint8_t key[NFT_KEY_MAX], key_end[NFT_KEY_MAX];	/* key_end, inclusive, in sets with intervals: always; else never */
	uint8_t key_len, key_end_len;
	uint8_t data[NFT_DATA_MAX];
	uint8_t data_len;
	enum nft_verdict verdict;
	char chain[32];		/* of JUMP and GOTO */
};

struct w_chain {
	const char *name;
	uint32_t n_rules;
};

/* The family of struct world's guard: no nftables family. */
#define GUARD_FAMILY 0xfe
#define GUARD_PORT_DATA 10	/* of its elements: network_group() and MAC; zero: the first seen */
#define GUARD_OWNER_DATA 6	/* MAC */

/* One of our tables. */
struct w_table {
	bool present;
	uint8_t family;		/* NFPROTO_INET, NFPROTO_BRIDGE or NFPROTO_NETDEV; GUARD_FAMILY */
	const char *comment;	/* "sixtap <hash of the structure>" or NULL */
	bool replaced;		/* its rules are no longer those it was made with */
	struct w_chain *chains;	/* sorted by name */
	size_t n_chains;
	struct nft_elem *elems;	/* sorted: set, then key bytes */
	size_t n_elems;
};

/* A socket that listens on this host. */
struct w_listener {
	uint8_t proto;		/* enum l4proto */
	struct ip ip;		/* unspecified: every address; :: without v6only counts for both families */
	bool v6only;
	uint16_t port;
	uint32_t ifindex;	/* bound to, or 0 */
	uint32_t pid;		/* 0: not known */
	char comm[16];
};

/* What our engine serves now; known only to a running daemon. */
struct w_served {
	const char *network;
	uint64_t hash;		/* service_hash() */
	const struct service *service;	/* what exactly, so that a change can be taken back; may be NULL */
	const struct service_host *hosts;
	size_t n_hosts;
};

struct world {
	struct arena *arena;
	struct w_link *links;
	size_t n_links;
	struct w_addr *addrs;
	size_t n_addrs;
	struct w_route *routes;	/* both families; cached and local ones left out */
	size_t n_routes;
	struct w_neigh *neighs;	/* only where the host has a macvlan of ours */
	size_t n_neighs;
	struct w_sysctl *sysctls;
	size_t n_sysctls;
	struct w_found *found;
	size_t n_found;
	struct w_table inet;	/* inet sixtap */
	struct w_table bridge;	/* bridge sixtap */
	struct w_table netdev;	/* netdev sixtap */
	/*
	 * The eBPF guards of ports, as if they were a table: "port" by interface index, "owner" by network
	 * and address, "attached" for ports whose filter is in place. present: this kernel and process have them.
	 */
	struct w_table guard;
	struct fw_table *firewalls;	/* filter tables of others that see guests' packets */
	size_t n_firewalls;
	struct w_listener *listeners;
	size_t n_listeners;
	struct w_served *served;
	size_t n_served;
	bool has_daemon;	/* served is known */
	bool no_egress;		/* nftables has no egress hook: nothing checks what guests on macvtap devices say */
	bool no_ibrname;	/* nftables can't match a frame's bridge: known only where firewalls has a table of bridges */
	bool nft_unreadable;	/* no privileges: the tables are not known */
};

struct world *world_new(void);
struct world *world_free(struct world *world);
DEFINE_FREEP(struct world, world_free)

const struct w_link *world_link(const struct world *world, uint32_t ifindex);
const struct w_link *world_link_by_name(const struct world *world, const char *name);
bool world_has_ports(const struct world *world, uint32_t bridge);	/* @bridge: ifindex */
const char *world_sysctl(const struct world *world, const char *path);	/* NULL: doesn't exist or wasn't read */
const struct w_found *world_found(const struct world *world, const char *path);
const struct w_served *world_served(const struct world *world, const char *network);

/* For sums that tell sets of MACs apart, whatever their order. */
uint64_t mac_hash(const struct mac *mac);

/* The order of nft_elem arrays: by set name, then key, then key_end. */
int nft_elem_cmp(const struct nft_elem *a, const struct nft_elem *b);
bool nft_elem_same(const struct nft_elem *a, const struct nft_elem *b);	/* data and verdict too */

/* Sort everything by its key; called once, when a world is complete. */
void world_sort(struct world *world);

/**
 * alias_parse() - Is this interface alias one of ours?
 * @alias:	interface alias
 * @network:	set to the network's name
 * @guest:	set to the guest's name, or "" for the network's own device
 *
 * Return: true for "sixtap:NETWORK" and "sixtap:NETWORK/GUEST"
 */
bool alias_parse(const char *alias, char network[static NETWORK_NAME_MAX + 1], char guest[static GUEST_NAME_MAX + 1]);
