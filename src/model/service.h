/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service - what the engine is told about one network
 *
 * Derived by plan/ from the configuration and the world, sent to the engine as
 * it stands (fixed size, no pointers: it crosses a socket), followed by one
 * struct service_host for each declared guest. The responders in resp/ take
 * exactly these as their settings.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"
#include "model/desired.h"
#include "net/addr.h"

#define SERVICE_PREFIXES 8
#define SERVICE_DNS 4
#define SERVICE_HOST_IPS 8
#define SERVICE_DRAINS 8

/* One prefix information option. valid_s stays up and preferred_s is 0 while a prefix is withdrawn. */
struct service_prefix {
	struct in6_addr prefix;		/* host bits zero */
	uint8_t len;
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s;
};

/*
 * A prefix that the network was numbered by before. What was given to guests
 * from it holds to its end; nothing of it is given any more.
 */
struct service_drain {
	struct prefix gateway;		/* our address in it, with the prefix length; still there */
	mono_t until;			/* IPv6: when the last address ends that a guest made of it (RFC 4862 5.5.3 e) */
};

struct service {
	char network[NETWORK_NAME_MAX + 1];
	char device[NETWORK_NAME_MAX + 1];
	uint32_t ifindex;
	struct mac mac;				/* of the device: source of every frame we send */
	uint32_t mtu;
	bool routes;				/* guests get a default route (mode isolated: no) */
	char domain[DOMAIN_MAX + 1];		/* "" : none */

	/* DHCPv4; gateway4 unset: IPv4 is off */
	bool dhcp4;
	struct prefix gateway4;			/* our address with the prefix length */
	struct ip_range range4;
	struct in_addr dns4[SERVICE_DNS];
	uint32_t n_dns4;

	/* RA and DHCPv6 */
	bool ra;
	bool managed, other;			/* M and O flags */
	struct in6_addr link_local;		/* our fe80 address on the device */
	struct service_prefix prefixes[SERVICE_PREFIXES];
	uint32_t n_prefixes;
	bool dhcp6;
	struct prefix gateway6;
	struct ip_range range6;
	struct in6_addr dns6[SERVICE_DNS];
	uint32_t n_dns6;

	uint32_t lease_s;

	struct service_drain drains[SERVICE_DRAINS];
	uint32_t n_drains;
};

/* A declared guest: always gets exactly these addresses. */
struct service_host {
	char name[GUEST_NAME_MAX + 1];
	struct mac mac;
	struct ip ips[SERVICE_HOST_IPS];
	uint32_t n_ips;
};

/* The prefix of before that @ip is in; NULL: none. */
const struct service_drain *service_draining(const struct service *service, const struct ip *ip);

/* Stable over processes: says whether the engine already serves exactly this. Never 0. */
uint64_t service_hash(const struct service *service, const struct service_host *hosts, size_t n_hosts);
