/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * desired - what the configuration asks for
 *
 * Plain data, filled by conf/ and complete: every default is filled in, every
 * value checked (a mode that exists, addresses inside their prefixes, ranges in
 * order, forwards expanded). What only the kernel can tell (the uplink of
 * `auto`, the MTU of `auto`, whether a port is in use) is left to plan/. All
 * pointers live in the arena of the struct desired and are never NULL where a
 * count says that there is something.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/report.h"
#include "net/addr.h"

#define NETWORK_NAME_MAX 15	/* also an interface name: IFNAMSIZ - 1 */
#define GUEST_NAME_MAX 63	/* also a DNS label */
#define DOMAIN_MAX 253

enum net_mode {
	NET_MODE_NAT,
	NET_MODE_ROUTED,
	NET_MODE_ISOLATED,
	NET_MODE_BRIDGE,
	NET_MODE_MACVTAP,
	NET_MODE_HOSTDEV,
	NET_MODE_N_,
};
extern const char *const net_mode_name[NET_MODE_N_];

enum host_access {
	HOST_ACCESS_YES,
	HOST_ACCESS_SERVICES,	/* DHCP, DNS, ND and ping of the gateway */
	HOST_ACCESS_NO,		/* ND and RA only */
	HOST_ACCESS_N_,
};
extern const char *const host_access_name[HOST_ACCESS_N_];

/* What a macvtap device lets pass, as IFLA_MACVLAN_MODE has it. */
enum macvtap_mode {
	MACVTAP_MODE_BRIDGE,
	MACVTAP_MODE_VEPA,
	MACVTAP_MODE_PRIVATE,
	MACVTAP_MODE_PASSTHRU,
	MACVTAP_MODE_SOURCE,
	MACVTAP_MODE_N_,
};
extern const char *const macvtap_mode_name[MACVTAP_MODE_N_];

/* Which multicast groups a macvtap device lets in. */
enum macvtap_multicast {
	MACVTAP_MULTICAST_AUTO,	/* those that the guest listens to */
	MACVTAP_MULTICAST_ALL,
	MACVTAP_MULTICAST_OFF,	/* what the kernel itself joins */
	MACVTAP_MULTICAST_N_,
};
extern const char *const macvtap_multicast_name[MACVTAP_MULTICAST_N_];

/* How guests get IPv6 addresses: bits, `both` is the two together. */
enum assign {
	ASSIGN_SLAAC = 1 << 0,	/* A flag in the prefix option */
	ASSIGN_DHCP = 1 << 1,	/* M flag; O is set whenever DHCPv6 is on */
};

enum ip6_source {
	IP6_SOURCE_OFF,
	IP6_SOURCE_STATIC,
	IP6_SOURCE_ULA,
	IP6_SOURCE_DELEGATED,	/* not built yet */
	IP6_SOURCE_ON_LINK,	/* not built yet */
	IP6_SOURCE_AUTO,	/* takes the first rung of the ladder that works */
	IP6_SOURCE_N_,
};
extern const char *const ip6_source_name[IP6_SOURCE_N_];

enum tristate {
	TRISTATE_AUTO,
	TRISTATE_YES,
	TRISTATE_NO,
};

enum l4proto {
	L4PROTO_TCP = 6,
	L4PROTO_UDP = 17,
};

/* One port forward. Ranges are of equal length: host_last - host_first == guest_last - guest_first. */
struct d_forward {
	struct where where;
	const char *spec;		/* as the user wrote it, normalised: "8080:80/tcp" */
	struct ip host;			/* family 0: any address of the host, both families */
	uint16_t host_first, host_last;
	uint16_t guest_first, guest_last;
	uint8_t proto;			/* enum l4proto */
	const struct prefix *from;	/* who may use it; none: everybody */
	size_t n_from;
	bool runtime;			/* added by `forward add`, not in the file */
	bool force;			/* may take a port that the host listens on */
};

struct d_guest {
	struct where where;
	const char *name;
	struct mac mac;			/* filled in from the seed when the file has none */
	bool mac_given;
	struct where mac_where;		/* when mac_given */
	const struct ip *ips;		/* declared addresses of both families */
	const struct where *ip_where;
	size_t n_ips;
	const char *user;		/* NULL: whoever the network allows */
	const struct d_forward *forwards;
	size_t n_forwards;
	const char *device;		/* of a guest that runs (network_with_guests()); NULL: it doesn't, or isn't known */
};

struct d_network {
	struct where where, mode_where, uplink_where, bridge_where, ipv4_where, ipv6_where;
	const char *name;
	const char *file;		/* path of the file it comes from */
	const char *source;		/* the -c path that file was found by */
	enum net_mode mode;
	const char *uplink;		/* NULL: auto, per family */
	const char *bridge;		/* device name: the network's own, or the existing one in mode bridge;
					   mode macvtap: the host's macvlan (host-access) */
	struct mac mac;			/* the bridge's own; filled in from the seed when the file has none; mode bridge: zero */
	uint32_t mtu;			/* 0: auto */
	const char *domain;

	bool ipv4;			/* IPv4 is on */
	bool ipv4_auto;			/* address is left to plan (a free /24) */
	struct prefix address4;		/* the gateway's, with the prefix length */
	bool dhcp4;
	struct ip_range range4;		/* `auto` is filled in, unless ipv4_auto */

	enum ip6_source ipv6;
	struct prefix address6;		/* STATIC and ULA: filled in; AUTO: the ula rung's, when the ladder has it */
	unsigned int assign;		/* enum assign bits */
	struct ip_range range6;		/* when ASSIGN_DHCP and address6 is filled in: inside it */
	enum tristate nat6;
	const enum ip6_source *ladder;
	size_t n_ladder;

	uint32_t lease_s;
	uint16_t nat_port_first, nat_port_last;	/* 0: any */
	const struct ip *nat_addresses;		/* at most one a family; none: the uplink's */
	size_t n_nat_addresses;
	bool dns;				/* answer DNS on the gateway's addresses */
	const struct ip *dns_servers;		/* handed to guests instead, when `dns` is a list */
	size_t n_dns_servers;
	enum host_access host_access;
	struct where host_access_where;
	struct prefix host_address4, host_address6;	/* mode macvtap: extra addresses for the host; family 0: none */
	struct {
		struct where mode_where;
		enum macvtap_mode mode;
		enum macvtap_multicast multicast;
		uint32_t broadcast_queue;	/* frames */
		const struct mac *sources;	/* mode source */
		size_t n_sources;
	} macvtap;
	bool spoof_check;
	bool firewall_auto;
	bool autostart;
	const char *const *allow;		/* users, and groups as "@group" */
	size_t n_allow;
	struct d_guest *guests;			/* sorted by name */
	size_t n_guests;
};

/* A guest of somebody else's that is looked after. */
struct d_adopt {
	struct where where;
	const char *subject;			/* an interface, or "libvirt:NAME" */
	const char *monitor;			/* path of its QEMU's socket for QMP; NULL: none. Only of an interface */
};

struct desired {
	struct arena *arena;
	struct d_network *networks;		/* sorted by name */
	size_t n_networks;
	bool adopt_all;				/* each macvtap that isn't ours */
	struct d_adopt *adopts;			/* in the order of the files */
	size_t n_adopts;
};

struct desired *desired_new(void);
struct desired *desired_free(struct desired *desired);
DEFINE_FREEP(struct desired, desired_free)

struct d_network *desired_network(const struct desired *desired, const char *name);
struct d_guest *desired_guest(const struct d_network *network, const char *name);

/* Report that @source has no network called @name, and which it has. Exit status 2. */
void desired_no_network(const struct desired *desired, const char *name, const char *source, struct report *report);

/* The group number that marks links of a network (IFLA_GROUP): stable, never 0, from the name. */
uint32_t network_group(const char *name);
