/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease - an address that a guest holds, and how we know
 *
 * Leases come from our DHCP servers (durable), neighbours from ND and ARP seen
 * on the network (volatile). Plain data.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"
#include "model/desired.h"
#include "net/addr.h"

#define CLIENT_ID_MAX 130	/* RFC 8415 11.1: a DUID has at most 130 bytes; a longer DHCPv4 client id is refused */

/* Who holds it. DHCPv4: client id (option 61), or none and the MAC. DHCPv6: DUID and IAID. */
struct client_id {
	uint8_t len;
	uint8_t b[CLIENT_ID_MAX];
};

struct lease {
	char network[NETWORK_NAME_MAX + 1];
	struct ip ip;
	struct mac mac;
	struct client_id client;
	uint32_t iaid;				/* DHCPv6 only */
	char hostname[GUEST_NAME_MAX + 1];	/* a checked DNS label in lower case, or "" */
	mono_t expires;
};

/* An address that was seen in use. */
struct neighbour {
	char network[NETWORK_NAME_MAX + 1];
	struct ip ip;
	struct mac mac;
	mono_t last_seen;
};
