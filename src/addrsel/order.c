/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order - in which order glibc hands out destinations, and why
 *
 * Where glibc departs from RFC 6724:
 * - what it knows of a source it looks up by address alone, so the interface
 *   and flags are those of whichever equal address its search meets first;
 * - rule 7 takes a source that it can't find for a tunnel's;
 * - rule 9 counts for IPv4 inside the source's own subnet only; without any
 *   IPv6 on the host that subnet is the single address;
 * - equal source and destination count 0 bits for IPv6.
 */
#include "addrsel/order.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const rule_name[] = {
	[ADDRSEL_RULE_UNUSABLE] = "avoid unusable destinations",
	[ADDRSEL_RULE_SCOPE] = "matching scope",
	[ADDRSEL_RULE_DEPRECATED] = "avoid deprecated addresses",
	[ADDRSEL_RULE_HOME] = "home addresses",
	[ADDRSEL_RULE_LABEL] = "matching label",
	[ADDRSEL_RULE_PRECEDENCE] = "higher precedence",
	[ADDRSEL_RULE_NATIVE] = "native transport",
	[ADDRSEL_RULE_SMALLER_SCOPE] = "smaller scope",
	[ADDRSEL_RULE_PREFIX] = "longest matching prefix",
	[ADDRSEL_RULE_ORDER] = "order unchanged",
};
static_assert(ARRAY_LEN(rule_name) == ADDRSEL_RULE_N_, "one name a rule");

const char *addrsel_rule_name(enum addrsel_rule rule)
{
	return rule_name[rule];
}

const char *addrsel_scope_name(int32_t scope, char buf[static 16])
{
	static const char *const name[] = { [1] = "interface", [2] = "link", [4] = "admin", [5] = "site",
					    [8] = "organization", [14] = "global" };

	if (scope >= 0 && (size_t)scope < ARRAY_LEN(name) && name[scope])
		(void)str_copy(buf, 16, name[scope]);
	else
		(void)snprintf(buf, 16, "%d", scope);
	return buf;
}

/*
 * glibc's merge sort (qsort_r() up to 2.36): halves of n / 2 and n - n / 2, the
 * left one first when equal. Written out, because the rules may be circular.
 */
static void merge_sort(size_t *v, size_t n, size_t *tmp, int (*cmp)(size_t, size_t, void *), void *user)
{
	size_t n1 = n / 2, n2 = n - n1, *a = v, *b = v + n1, *out = tmp;

	if (n <= 1)
		return;
	merge_sort(a, n1, tmp, cmp, user);
	merge_sort(b, n2, tmp, cmp, user);
	while (n1 > 0 && n2 > 0) {
		if (cmp(*a, *b, user) <= 0) {
			*out++ = *a++;
			n1--;
		} else {
			*out++ = *b++;
			n2--;
		}
	}
	if (n1 > 0)
		memcpy(out, a, n1 * sizeof(*a));
	memcpy(v, tmp, (n - n2) * sizeof(*v));
}

static int ifaddr_cmp(size_t a, size_t b, void *user)
{
	const struct addrsel_ifaddr *ifaddrs = user;

	return memcmp(&ifaddrs[a].addr, &ifaddrs[b].addr, sizeof(ifaddrs[a].addr));
}

static const struct addrsel_ifaddr *ifaddr_find(const struct addrsel_ifaddr *ifaddrs, const size_t *sorted, size_t n,
						const struct in6_addr *addr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int r = memcmp(addr, &ifaddrs[sorted[mid]].addr, sizeof(*addr));

		if (r == 0)
			return &ifaddrs[sorted[mid]];
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void addrsel_learn(struct addrsel_dest *dests, size_t n, struct addrsel_ifaddr *ifaddrs, size_t n_ifaddrs)
{
	_cleanup_(freep) size_t *sorted = xcalloc(n_ifaddrs + 1, sizeof(*sorted));
	_cleanup_(freep) size_t *tmp = xcalloc(n_ifaddrs + 1, sizeof(*tmp));
	bool seen_ipv6 = false, socket_ipv6 = false;

	for (size_t i = 0; i < n_ifaddrs; i++) {
		const struct in6_addr *a = &ifaddrs[i].addr;

		sorted[i] = i;
		seen_ipv6 = seen_ipv6 || (!IN6_IS_ADDR_V4MAPPED(a) && !IN6_IS_ADDR_LOOPBACK(a));
	}
	merge_sort(sorted, n_ifaddrs, tmp, ifaddr_cmp, ifaddrs);
	for (size_t i = 0; i < n; i++) {
		struct addrsel_dest *d = &dests[i];
		const struct addrsel_ifaddr *found;
		struct in6_addr key;

		d->index = ADDRSEL_NO_INDEX;
		d->source_len = 0;
		d->deprecated = d->home = d->native = false;
		socket_ipv6 = socket_ipv6 || d->ip.family == AF_INET6;	/* one socket for all, reopened once */
		if (!ip_is_set(&d->source) || !seen_ipv6)
			continue;
		key = policy_bits(&d->source);
		if (d->source.family == AF_INET && !socket_ipv6 && ip_is_loopback(&d->source))
			key = (struct in6_addr){ .s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
		found = ifaddr_find(ifaddrs, sorted, n_ifaddrs, &key);
		if (!found)
			continue;
		d->index = found->index;
		d->source_len = found->len;
		d->deprecated = found->deprecated;
		d->home = found->home;
		d->native = found->native;
	}
}

/* Bits that two addresses of one family share from the left. */
static unsigned int common_bits(const struct ip *a, const struct ip *b)
{
	unsigned int n = ip_bits(a);

	for (unsigned int i = 0; i < n; i++)
		if ((a->b[i / 8] ^ b->b[i / 8]) & (0x80 >> i % 8))
			return i;
	return n;
}

/* The bits that rule 9 counts for IPv4. */
static unsigned int subnet_bits(const struct addrsel_dest *d)
{
	unsigned int len = d->source_len ? d->source_len : 32, n = common_bits(&d->ip, &d->source);

	return n >= len ? n : 0;
}

/* -1 when the first is preferred, 1 when the second is, else 0. */
static int prefer(bool a, bool b)
{
	return b - a;
}

int addrsel_compare(const struct addrsel_dest *a, const struct addrsel_dest *b, enum addrsel_rule *ret_rule)
{
	bool reachable = ip_is_set(&a->source);
	int by[ADDRSEL_RULE_N_] = { 0 };
	enum addrsel_rule rule = ADDRSEL_RULE_UNUSABLE;

	by[ADDRSEL_RULE_UNUSABLE] = prefer(reachable, ip_is_set(&b->source));
	if (by[ADDRSEL_RULE_UNUSABLE] == 0 && reachable) {
		by[ADDRSEL_RULE_SCOPE] = prefer(a->scope == a->source_scope, b->scope == b->source_scope);
		by[ADDRSEL_RULE_DEPRECATED] = prefer(!a->deprecated, !b->deprecated);
		by[ADDRSEL_RULE_HOME] = prefer(a->home, b->home);
		by[ADDRSEL_RULE_LABEL] = prefer(a->label == a->source_label, b->label == b->source_label);
		if (a->index != b->index)
			by[ADDRSEL_RULE_NATIVE] = prefer(a->native, b->native);
		if (a->ip.family == AF_INET && b->ip.family == AF_INET) {
			unsigned int bits_a = subnet_bits(a), bits_b = subnet_bits(b);

			by[ADDRSEL_RULE_PREFIX] = (bits_a < bits_b) - (bits_a > bits_b);
		} else if (a->ip.family == b->ip.family) {
			unsigned int bits_a = common_bits(&a->ip, &a->source);
			unsigned int bits_b = common_bits(&b->ip, &b->source);

			by[ADDRSEL_RULE_PREFIX] = (bits_a < bits_b) - (bits_a > bits_b);
		}
	}
	by[ADDRSEL_RULE_PRECEDENCE] = (a->precedence < b->precedence) - (a->precedence > b->precedence);
	by[ADDRSEL_RULE_SMALLER_SCOPE] = (a->scope > b->scope) - (a->scope < b->scope);
	by[ADDRSEL_RULE_ORDER] = a < b ? -1 : 1;
	while (by[rule] == 0)
		rule++;
	if (ret_rule)
		*ret_rule = rule;
	return by[rule];
}

static int dest_cmp(size_t a, size_t b, void *user)
{
	const struct addrsel_dest *dests = user;

	return addrsel_compare(&dests[a], &dests[b], NULL);
}

void addrsel_sort(const struct policy *policy, struct addrsel_dest *dests, size_t n, size_t *order)
{
	_cleanup_(freep) size_t *tmp = xcalloc(n + 1, sizeof(*tmp));

	for (size_t i = 0; i < n; i++) {
		struct addrsel_dest *d = &dests[i];

		order[i] = i;
		d->label = policy_label(policy, &d->ip);
		d->precedence = policy_precedence(policy, &d->ip);
		d->scope = policy_scope(policy, &d->ip);
		d->source_label = ip_is_set(&d->source) ? policy_label(policy, &d->source) : -1;
		d->source_scope = ip_is_set(&d->source) ? policy_scope(policy, &d->source) : -1;
	}
	merge_sort(order, n, tmp, dest_cmp, dests);
}
