/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source - which source address Linux would choose on a made-up host
 *
 * A host is its interfaces, addresses and routes, as plain data. What is asked
 * is what a connected, unbound UDP socket would get: RFC 6724 section 5 the way
 * ipv6_dev_get_saddr() does it, and primary addresses and scopes for IPv4.
 *
 * Not modelled: policy routing beyond local, main, default; multipath; VRFs; a
 * changed `ip addrlabel`; multicast destinations, which are unreachable here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "addrsel/order.h"
#include "base/mem.h"
#include "net/addr.h"

struct addrsel_if {
	uint32_t index;
	char name[16];
	bool loopback;
	bool tunnel;			/* sit, ipip, ip6tnl */
	bool prefer_temporary;		/* use_tempaddr 2 */
};

struct addrsel_addr {
	struct ip ip;
	struct ip peer;			/* point-to-point: what IFA_ADDRESS holds then; family 0: none */
	uint8_t len;
	uint32_t index;			/* of its interface */
	uint8_t scope;			/* IPv4: RT_SCOPE_* */
	bool secondary;			/* IPv4 */
	bool deprecated, temporary, tentative, optimistic, home;
};

enum addrsel_route_kind {
	ADDRSEL_ROUTE_UNICAST,
	ADDRSEL_ROUTE_LOCAL,
	ADDRSEL_ROUTE_REJECT,		/* unreachable, prohibit, blackhole; broadcast, anycast and multicast too */
	ADDRSEL_ROUTE_KIND_N_,
};

struct addrsel_route {
	struct prefix dst;
	enum addrsel_route_kind kind;
	struct ip gateway;		/* family 0: on-link */
	struct ip src;			/* preferred source; family 0: none */
	uint32_t index;
	uint32_t metric;
	uint8_t scope;			/* IPv4: RT_SCOPE_* */
	bool local_table;		/* asked first (IPv6), or at equal length (IPv4) */
};

struct addrsel_host {
	struct addrsel_if *ifs;		/* in the order the kernel keeps them: as they were made; lo first */
	size_t n_ifs, cap_ifs;
	struct addrsel_addr *addrs;	/* of one interface in the kernel's order, as RTM_GETADDR dumps them */
	size_t n_addrs, cap_addrs;
	struct addrsel_route *routes;	/* of equal prefix and metric, the first wins */
	size_t n_routes, cap_routes;
};

struct addrsel_host *addrsel_host_new(void);	/* empty */
struct addrsel_host *addrsel_host_free(struct addrsel_host *host);
DEFINE_FREEP(struct addrsel_host, addrsel_host_free)

void addrsel_host_add_if(struct addrsel_host *host, const struct addrsel_if *interface);
void addrsel_host_add_addr(struct addrsel_host *host, const struct addrsel_addr *addr);		/* at the end */
void addrsel_host_add_route(struct addrsel_host *host, const struct addrsel_route *route);

/* "lo" with its addresses and local routes: what every host has. */
void addrsel_host_add_loopback(struct addrsel_host *host);

/**
 * addrsel_host_assign() - Add an address as `ip address add` does
 * @host:	the host
 * @addr:	the address; secondary is found out here
 *
 * Places it where the kernel would (IPv6: newest first within its scope), and
 * adds its local route and the route to its prefix.
 */
void addrsel_host_assign(struct addrsel_host *host, const struct addrsel_addr *addr);

/**
 * addrsel_host_source() - The source that a socket to @dst gets
 * @host:	the host
 * @dst:	destination; a mapped IPv4 address is treated as IPv4, its source mapped again
 * @scope_id:	interface, needed for link-local destinations; else 0
 * @ret:	the source
 *
 * Return: false when connect() would fail
 */
bool addrsel_host_source(const struct addrsel_host *host, const struct ip *dst, uint32_t scope_id, struct ip *ret);

/* Find the sources of all @dests, and what glibc learns about them: afterwards they can be sorted. */
void addrsel_host_resolve(const struct addrsel_host *host, struct addrsel_dest *dests, size_t n);
