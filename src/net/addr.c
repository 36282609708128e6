/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr - MAC addresses, IP addresses and prefixes as values
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool mac_parse(const char *s, struct mac *ret)
{
	struct mac mac;

	if (strlen(s) != 17)
		return false;
	for (size_t i = 0; i < sizeof(mac.b); i++) {
		int hi = hex_digit(s[i * 3]), lo = hex_digit(s[i * 3 + 1]);

		if (hi < 0 || lo < 0)
			return false;
		if (i < 5 && ((s[2] != ':' && s[2] != '-') || s[i * 3 + 2] != s[2]))
			return false;
		mac.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = mac;
	return true;
}

bool ip_parse(const char *s, struct ip *ret)
{
	struct ip ip = { 0 };

	if (inet_pton(AF_INET, s, &ip.v4) == 1)
		ip.family = AF_INET;
	else if (inet_pton(AF_INET6, s, &ip.v6) == 1)
		ip.family = AF_INET6;
	else
		return false;
	*ret = ip;
	return true;
}

bool prefix_parse(const char *s, struct prefix *ret)
{
	const char *slash = strchr(s, '/');
	char text[IP_STRLEN];
	struct prefix p;
	unsigned int len = 0;

	if (!slash || (size_t)(slash - s) >= sizeof(text) || slash[1] == '\0' || (slash[1] == '0' && slash[2]))
		return false;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (!ip_parse(text, &p.ip))
		return false;
	for (const char *c = slash + 1; *c; c++) {
		if (*c < '0' || *c > '9')
			return false;
		len = len * 10 + (unsigned int)(*c - '0');
		if (len > ip_bits(&p.ip))
			return false;
	}
	p.len = (uint8_t)len;
	*ret = p;
	return true;
}

bool range_parse(const char *s, struct ip_range *ret)
{
	const char *dash = strchr(s, '-');
	char text[IP_STRLEN];
	struct ip_range r;

	if (!dash || (size_t)(dash - s) >= sizeof(text))
		return false;
	memcpy(text, s, (size_t)(dash - s));
	text[dash - s] = '\0';
	if (!ip_parse(text, &r.first) || !ip_parse(dash + 1, &r.last))
		return false;
	if (r.first.family != r.last.family || ip_cmp(&r.first, &r.last) > 0)
		return false;
	*ret = r;
	return true;
}

const char *mac_format(const struct mac *mac, char buf[static MAC_STRLEN])
{
	(void)snprintf(buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac->b[0], mac->b[1], mac->b[2], mac->b[3],
		       mac->b[4], mac->b[5]);
	return buf;
}

const char *ip_format(const struct ip *ip, char buf[static IP_STRLEN])
{
	if (!ip_is_set(ip) || !inet_ntop(ip->family, ip->b, buf, IP_STRLEN))
		(void)snprintf(buf, IP_STRLEN, "-");
	return buf;
}

const char *prefix_format(const struct prefix *prefix, char buf[static PREFIX_STRLEN])
{
	(void)snprintf(buf, PREFIX_STRLEN, "%s/%u", IP_STR(&prefix->ip), prefix->len);
	return buf;
}

bool mac_eq(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool mac_is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_eq(mac, &zero);
}

bool mac_is_multicast(const struct mac *mac)
{
	return mac->b[0] & 1;
}

struct ip ip4(struct in_addr a)
{
	return (struct ip){ .family = AF_INET, .v4 = a };
}

struct ip ip6(struct in6_addr a)
{
	return (struct ip){ .family = AF_INET6, .v6 = a };
}

size_t ip_size(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0;
}

unsigned int ip_bits(const struct ip *ip)
{
	return (unsigned int)ip_size(ip) * 8;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, ip_size(a));
}

bool ip_is_set(const struct ip *ip)
{
	return ip->family != 0;
}

bool ip_is_unspecified(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->b, zero, ip_size(ip)) == 0;
}

bool ip_is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET6 ? ip->b[0] == 0xff : ip->family == AF_INET && ip->b[0] >= 224 && ip->b[0] < 240;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == AF_INET6)
		return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
	return ip->family == AF_INET && ip->b[0] == 169 && ip->b[1] == 254;
}

bool ip_is_loopback(const struct ip *ip)
{
	if (ip->family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&ip->v6);
	return ip->family == AF_INET && ip->b[0] == 127;
}

bool ip_is_ula(const struct ip *ip)
{
	return ip->family == AF_INET6 && (ip->b[0] & 0xfe) == 0xfc;
}

bool ip_is_private4(const struct ip *ip)
{
	const uint8_t *b = ip->b;

	if (ip->family != AF_INET)
		return false;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 100 && (b[1] & 0xc0) == 64);
}

bool ip_is_global(const struct ip *ip)
{
	if (!ip_is_set(ip) || ip_is_unspecified(ip) || ip_is_multicast(ip) || ip_is_loopback(ip) || ip_is_link_local(ip))
		return false;
	return ip->family == AF_INET ? !ip_is_private4(ip) && ip->b[0] != 0 && ip->b[0] < 240 : !ip_is_ula(ip);
}

struct ip ip_add(const struct ip *a, uint64_t n)
{
	struct ip sum = *a;
	unsigned int carry = 0;

	for (size_t i = ip_size(a); i-- > 0 && (n > 0 || carry > 0); n >>= 8) {
		carry += sum.b[i] + (unsigned int)(n & 0xff);
		sum.b[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return sum;
}

uint64_t ip_distance(const struct ip *a, const struct ip *b)
{
	uint64_t d = 0;

	if (a->family != b->family || ip_cmp(a, b) > 0)
		return UINT64_MAX;
	size_t size = ip_size(a);
	int borrow = 0;
	uint8_t diff[16];
	for (size_t i = size; i-- > 0;) {
		int v = b->b[i] - a->b[i] - borrow;

		borrow = v < 0;
		diff[i] = (uint8_t)(v + (borrow ? 256 : 0));
	}
	for (size_t i = 0; i < size; i++) {
		if (size - i > 8 && diff[i])
			return UINT64_MAX;
		if (size - i <= 8)
			d = d << 8 | diff[i];
	}
	return d;
}

bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && ip_eq(&a->ip, &b->ip);
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int n)
{
	unsigned int rest = n % 8;

	if (memcmp(a, b, n / 8) != 0)
		return false;
	return rest == 0 || ((a[n / 8] ^ b[n / 8]) >> (8 - rest)) == 0;
}

bool prefix_contains(const struct prefix *prefix, const struct ip *ip)
{
	return prefix->ip.family == ip->family && ip_is_set(ip) && same_bits(prefix->ip.b, ip->b, prefix->len);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	if (a->ip.family != b->ip.family || !ip_is_set(&a->ip))
		return false;
	return same_bits(a->ip.b, b->ip.b, a->len < b->len ? a->len : b->len);
}

static struct ip fill_host_bits(const struct prefix *prefix, bool ones)
{
	struct ip ip = prefix->ip;

	assert(prefix->len <= ip_bits(&ip));
	for (unsigned int bit = prefix->len; bit < ip_bits(&ip); bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		ip.b[bit / 8] = (uint8_t)(ones ? ip.b[bit / 8] | mask : ip.b[bit / 8] & ~mask);
	}
	return ip;
}

struct ip prefix_network(const struct prefix *prefix)
{
	return fill_host_bits(prefix, false);
}

struct ip prefix_last(const struct prefix *prefix)
{
	return fill_host_bits(prefix, true);
}

bool range_contains(const struct ip_range *range, const struct ip *ip)
{
	return ip_is_set(&range->first) && range->first.family == ip->family && ip_cmp(&range->first, ip) <= 0 &&
	       ip_cmp(ip, &range->last) <= 0;
}

uint64_t range_size(const struct ip_range *range)
{
	if (!ip_is_set(&range->first))
		return 0;
	uint64_t d = ip_distance(&range->first, &range->last);
	return d == UINT64_MAX ? d : d + 1;
}

struct in6_addr ip6_solicited_node(const struct in6_addr *target)
{
	struct in6_addr group = { .s6_addr = { 0xff, 0x02, [11] = 1, 0xff } };

	memcpy(&group.s6_addr[13], &target->s6_addr[13], 3);
	return group;
}

struct in6_addr ip6_eui64(const struct in6_addr *prefix64, const struct mac *mac)
{
	struct in6_addr a = *prefix64;

	a.s6_addr[8] = mac->b[0] ^ 2;
	a.s6_addr[9] = mac->b[1];
	a.s6_addr[10] = mac->b[2];
	a.s6_addr[11] = 0xff;
	a.s6_addr[12] = 0xfe;
	a.s6_addr[13] = mac->b[3];
	a.s6_addr[14] = mac->b[4];
	a.s6_addr[15] = mac->b[5];
	return a;
}

bool ip6_is_eui64(const struct in6_addr *ip, const struct mac *mac)
{
	struct in6_addr eui64 = ip6_eui64(ip, mac);

	return memcmp(&eui64, ip, sizeof(eui64)) == 0;
}

struct mac mac_of_multicast6(const struct in6_addr *group)
{
	struct mac mac = { { 0x33, 0x33 } };

	memcpy(&mac.b[2], &group->s6_addr[12], 4);
	return mac;
}

struct mac mac_of_multicast4(struct in_addr group)
{
	const uint32_t low = ntohl(group.s_addr);

	return (struct mac){ { 0x01, 0x00, 0x5e, (uint8_t)(low >> 16 & 0x7f), (uint8_t)(low >> 8), (uint8_t)low } };
}

struct mac mac_from_seed(const uint8_t seed[static 16])
{
	return (struct mac){ { 0x52, 0x54, 0x00, seed[0], seed[1], seed[2] } };
}

struct in6_addr ula_from_seed(const uint8_t seed[static 16])
{
	struct in6_addr a = { .s6_addr = { 0xfd } };

	memcpy(&a.s6_addr[1], seed, 7);
	return a;
}
