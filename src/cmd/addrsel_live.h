/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel_live - what this host's kernel and name service say
 *
 * Sources by connecting a UDP socket (no packet leaves), addresses and links by
 * rtnetlink, names by getaddrinfo(); in the order and with the socket reuse of
 * glibc's own look-up, so that nothing differs. Changes nothing; needs no root.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "addrsel/order.h"
#include "addrsel/policy.h"

/**
 * addrsel_live_resolve() - Find sources of destinations, and what glibc learns about them
 * @dests:	destinations in the order of the answer
 * @n:		their number
 *
 * Return: 0 or a negative errno (no netlink, no sockets at all)
 */
int addrsel_live_resolve(struct addrsel_dest *dests, size_t n);

/**
 * addrsel_live_name() - Addresses of a name, as the name service ordered them
 * @name:	a name, or an address in any form that getaddrinfo() takes
 * @policy:	this host's own, by which getaddrinfo() sorted
 * @ret:	array, to be freed; without sources
 * @ret_n:	its length
 * @ret_differs: whether getaddrinfo() gave an order that ours doesn't explain
 *
 * glibc sorts before it answers, so the order before is found again: the hosts
 * file's, IPv4 before IPv6, or the reverse, whichever leads to glibc's answer.
 *
 * Return: 0, or an error of getaddrinfo() for gai_strerror()
 */
int addrsel_live_name(const char *name, const struct policy *policy, struct addrsel_dest **ret, size_t *ret_n,
		      bool *ret_differs);
