/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr - MAC addresses, IP addresses and prefixes as values
 *
 * Small structs that are copied, compared with the functions here and printed
 * in canonical form (MACs in lower case, IPv6 as RFC 5952 wants it). Bytes are
 * in network order always.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mac {
	uint8_t b[6];
};

struct ip {
	uint8_t family;		/* AF_INET, AF_INET6, or 0: no address */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t b[16];
	};
};

struct prefix {
	struct ip ip;		/* host bits are kept: 192.168.150.1/24 stays that */
	uint8_t len;
};

/* Inclusive; both of one family. family 0 in @first: no range. */
struct ip_range {
	struct ip first, last;
};

#define MAC_STRLEN 18
#define IP_STRLEN INET6_ADDRSTRLEN
#define PREFIX_STRLEN (INET6_ADDRSTRLEN + 4)

/* Text to value. "aa:bb:cc:dd:ee:ff", any case; "-" as separator too. Return: false when it isn't one. */
bool mac_parse(const char *s, struct mac *ret);
bool ip_parse(const char *s, struct ip *ret);
bool prefix_parse(const char *s, struct prefix *ret);	/* length required */
bool range_parse(const char *s, struct ip_range *ret);	/* FIRST-LAST, in order, one family */

/* Value to text; @buf has the STRLEN bytes of its kind. Return: @buf. */
const char *mac_format(const struct mac *mac, char buf[static MAC_STRLEN]);
const char *ip_format(const struct ip *ip, char buf[static IP_STRLEN]);
const char *prefix_format(const struct prefix *prefix, char buf[static PREFIX_STRLEN]);

/* For printf arguments: a compound literal of the caller's block. */
#define MAC_STR(m) mac_format((m), (char[MAC_STRLEN]){ 0 })
#define IP_STR(i) ip_format((i), (char[IP_STRLEN]){ 0 })
#define PREFIX_STR(p) prefix_format((p), (char[PREFIX_STRLEN]){ 0 })

bool mac_eq(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *mac);
bool mac_is_multicast(const struct mac *mac);	/* broadcast included */

struct ip ip4(struct in_addr a);
struct ip ip6(struct in6_addr a);
size_t ip_size(const struct ip *ip);		/* 4, 16, or 0 */
unsigned int ip_bits(const struct ip *ip);	/* 32, 128, or 0 */
bool ip_eq(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b);	/* family first, then bytes */
bool ip_is_set(const struct ip *ip);
bool ip_is_unspecified(const struct ip *ip);
bool ip_is_multicast(const struct ip *ip);
bool ip_is_link_local(const struct ip *ip);	/* fe80::/10, 169.254/16 */
bool ip_is_loopback(const struct ip *ip);
bool ip_is_ula(const struct ip *ip);		/* fc00::/7 */
bool ip_is_private4(const struct ip *ip);	/* RFC 1918 and RFC 6598 */
bool ip_is_global(const struct ip *ip);		/* neither of the above; usable on the Internet without NAT */

/* a + n within the family's bits, wrapping; and b - a, UINT64_MAX when it is more or negative. */
struct ip ip_add(const struct ip *a, uint64_t n);
uint64_t ip_distance(const struct ip *a, const struct ip *b);

bool prefix_eq(const struct prefix *a, const struct prefix *b);			/* host bits count */
bool prefix_contains(const struct prefix *prefix, const struct ip *ip);		/* host bits of @prefix don't */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
struct ip prefix_network(const struct prefix *prefix);	/* host bits zero */
struct ip prefix_last(const struct prefix *prefix);	/* host bits one; IPv4: the broadcast address */
bool range_contains(const struct ip_range *range, const struct ip *ip);
uint64_t range_size(const struct ip_range *range);	/* UINT64_MAX when it is more */

/* RFC 4291 2.7.1 and appendix A, RFC 2464 7. */
struct in6_addr ip6_solicited_node(const struct in6_addr *target);
struct in6_addr ip6_eui64(const struct in6_addr *prefix64, const struct mac *mac);
bool ip6_is_eui64(const struct in6_addr *ip, const struct mac *mac);	/* is its interface identifier made of @mac? */
struct mac mac_of_multicast6(const struct in6_addr *group);
struct mac mac_of_multicast4(struct in_addr group);

/*
 * Stable things derived from a seed (a host's secret and a name). @seed comes from
 * base-independent code: 16 bytes that are uniform and the same at every start.
 * Locally administered MACs use the prefix that QEMU and libvirt use, 52:54:00.
 */
struct mac mac_from_seed(const uint8_t seed[static 16]);
struct in6_addr ula_from_seed(const uint8_t seed[static 16]);	/* fdXX:XXXX:XXXX:SSSS::, RFC 4193 3.1, a /64 */
