/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order - in which order glibc hands out destinations, and why
 *
 * RFC 6724 section 6 as glibc 2.36's getaddrinfo() does it. Sources are given:
 * the kernel chose them (cmd/) or source.h did for a made-up host.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "addrsel/policy.h"
#include "net/addr.h"

#define ADDRSEL_NO_INDEX UINT32_MAX

/* Numbered as RFC 6724 section 6 does. */
enum addrsel_rule {
	ADDRSEL_RULE_UNUSABLE = 1,
	ADDRSEL_RULE_SCOPE,
	ADDRSEL_RULE_DEPRECATED,
	ADDRSEL_RULE_HOME,
	ADDRSEL_RULE_LABEL,
	ADDRSEL_RULE_PRECEDENCE,
	ADDRSEL_RULE_NATIVE,
	ADDRSEL_RULE_SMALLER_SCOPE,
	ADDRSEL_RULE_PREFIX,
	ADDRSEL_RULE_ORDER,
	ADDRSEL_RULE_N_,
};

struct addrsel_dest {
	struct ip ip;
	uint32_t scope_id;	/* interface of a link-local destination, or 0 */

	/* Input: what is known about the source. family 0: there is none, the destination is unreachable. */
	struct ip source;
	uint32_t index;		/* interface of the source, ADDRSEL_NO_INDEX when glibc doesn't learn it */
	uint8_t source_len;	/* its prefix length, 0 when glibc doesn't learn it */
	bool deprecated, home, native;

	/* Set by addrsel_sort(). */
	int32_t label, source_label, precedence, scope, source_scope;
};

/* An address of the host as glibc keeps it: one element of a RTM_GETADDR dump. */
struct addrsel_ifaddr {
	struct in6_addr addr;	/* IFA_ADDRESS (a peer's, on point-to-point links); IPv4: mapped */
	uint32_t index;
	uint8_t len;
	bool deprecated;	/* or optimistic */
	bool home;
	bool native;		/* the interface isn't a tunnel (sit, ipip, ip6tnl) */
};

/**
 * addrsel_learn() - Fill in what glibc learns about sources
 * @dests:	in the order of the answer; .source is set
 * @n:		their number
 * @ifaddrs:	all of the host's, in the order of the kernel's dump; sorted here
 * @n_ifaddrs:	their number
 *
 * Sets index, source_len, deprecated, home and native. On a host without any IPv6 address
 * but ::1, glibc learns nothing, which shows in rules 3, 7 and 9.
 */
void addrsel_learn(struct addrsel_dest *dests, size_t n, struct addrsel_ifaddr *ifaddrs, size_t n_ifaddrs);

/**
 * addrsel_sort() - Order destinations as getaddrinfo() does
 * @policy:	tables
 * @dests:	in the order of the answer from DNS or the hosts file; they stay where they are
 * @n:		their number
 * @order:	@n indexes into @dests, best first
 *
 * As a program that asks for one socket type gets them. The rules are no total
 * order when an IPv4 and IPv6 destination tie in rule 6, so the outcome then
 * hangs on the sorting method too: this is glibc's merge sort.
 */
void addrsel_sort(const struct policy *policy, struct addrsel_dest *dests, size_t n, size_t *order);

/**
 * addrsel_compare() - Which of two destinations comes first?
 * @a, @b:	two elements of an array that addrsel_sort() has seen; the earlier in memory came first in the answer
 * @ret_rule:	the rule that decided, or NULL
 *
 * Return: negative for @a, positive for @b; never 0
 */
int addrsel_compare(const struct addrsel_dest *a, const struct addrsel_dest *b, enum addrsel_rule *ret_rule);

const char *addrsel_rule_name(enum addrsel_rule rule);		/* "matching label" */
const char *addrsel_scope_name(int32_t scope, char buf[static 16]);	/* "global"; a number where there is no word */
