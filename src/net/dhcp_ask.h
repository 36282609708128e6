/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_ask - which DHCP servers are there? One question, any number of answers
 *
 * The client's side as far as a tool needs it: DHCPDISCOVER (RFC 2131 3.1) and
 * Solicit (RFC 8415 18.2.1) without rapid commit, so that no server gives a
 * lease, and what is of interest in DHCPOFFER and Advertise. Nothing that was
 * offered is ever requested.
 */
#pragma once
#include "base/rd.h"
#include "base/wr.h"
#include "net/dhcp4.h"
#include "net/dhcp6.h"

struct dhcp4_offer {
	struct in_addr server;		/* option 54; 0.0.0.0 is no offer */
	struct in_addr yiaddr;		/* what a client would get */
	struct in_addr router;		/* 0.0.0.0: none */
};

struct dhcp6_offer {
	struct dhcp6_duid server;
	bool has_addr;
	struct in6_addr addr;		/* the first */
};

/* Write the UDP payload of a question by @mac; answers are asked for as broadcasts. */
void dhcp4_put_discover(struct wr *w, const struct mac *mac, uint32_t xid);
/* The same for DHCPv6: an address is asked for; the client's identifier is made of @mac. @txid: 24 bits. */
void dhcp6_put_solicit(struct wr *w, const struct mac *mac, uint32_t txid);

/**
 * dhcp4_parse_offer() - Read a server's answer
 * @msg:	cursor over the UDP payload
 * @mac:	who asked
 * @xid:	the question's
 * @ret:	set only when 0 is returned
 *
 * Return: 0, DHCP4_E_NOT_OURS (no offer, or somebody else's) or DHCP4_E_MALFORMED
 */
int dhcp4_parse_offer(struct rd msg, const struct mac *mac, uint32_t xid, struct dhcp4_offer *ret);

/* The same for Advertise. Return: 0, DHCP6_E_NOT_OURS or DHCP6_E_MALFORMED. */
int dhcp6_parse_advertise(struct rd msg, uint32_t txid, struct dhcp6_offer *ret);
