/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/dhcp4.h"
#include "net/dhcp6.h"
#include "net/heard.h"
#include "net/icmpv6.h"
#include "net/udp.h"

static struct in6_addr a6(const char *s)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return a;
}

/* An ICMPv6 message in a packet; body without type, code and checksum. */
static struct wr icmp(uint8_t *buf, const char *src, const char *dst, uint8_t hop_limit, uint8_t type, uint8_t code,
		      const void *body, size_t n)
{
	struct wr w = wr_init(buf, 512);
	struct in6_addr from = a6(src), to = a6(dst);
	size_t ip = ipv6_begin(&w, &from, &to, IPPROTO_ICMPV6, hop_limit), at = icmpv6_begin(&w, type);

	w.buf[at + 1] = code;
	wr_put(&w, body, n);
	icmpv6_end(&w, at, &from, &to);
	ipv6_end(&w, ip);
	return w;
}

#define LL "fe80::1"
#define A16 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define GROUP "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\1"
#define FE80 "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define BODY(s) (s), sizeof(s) - 1

static void icmpv6_messages(void **state)
{
	static const struct {
		const char *why;
		const char *src, *dst;
		uint8_t hop_limit, type, code;
		const char *body;
		size_t n;
		int want;
		enum heard_kind kind;
		const char *rule;	/* in why */
	} t[] = {
		{ "RS", "::", "ff02::2", 255, 133, 0, BODY("\0\0\0\0"), 0, HEARD_RS, NULL },
		{ "RA", LL, "ff02::1", 255, 134, 0, BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0"), 0, HEARD_RA, NULL },
		{ "RA from a global address", "2001:db8::1", "ff02::1", 255, 134, 0,
		  BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0"), HEARD_E_BROKEN, HEARD_RA, "link-local" },
		{ "RA that a router forwarded", LL, "ff02::1", 64, 134, 0, BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0"),
		  HEARD_E_BROKEN, HEARD_RA, "255" },
		{ "RA with an option of length 0", LL, "ff02::1", 255, 134, 0,
		  BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"), HEARD_E_BROKEN, HEARD_RA, "length 0" },
		{ "code 1", LL, "ff02::1", 255, 134, 1, BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0"), HEARD_E_BROKEN, HEARD_RA,
		  "code" },
		{ "NS", LL, "ff02::1:ff00:1", 255, 135, 0, BODY("\0\0\0\0" A16), 0, HEARD_NS, NULL },
		{ "NS for a group", LL, "ff02::1:ff00:1", 255, 135, 0, BODY("\0\0\0\0" GROUP), HEARD_E_BROKEN, HEARD_NS,
		  "field" },
		{ "NA", LL, "ff02::1", 255, 136, 0, BODY("\x20\0\0\0" A16), 0, HEARD_NA, NULL },
		{ "redirect", LL, "2001:db8::9", 255, 137, 0, BODY("\0\0\0\0" FE80 A16), 0, HEARD_REDIRECT, NULL },
		{ "redirect to itself", LL, "2001:db8::9", 255, 137, 0, BODY("\0\0\0\0" A16 A16), 0, HEARD_REDIRECT,
		  NULL },
		{ "redirect to a stranger", LL, "2001:db8::9", 255, 137, 0,
		  BODY("\0\0\0\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7" A16), HEARD_E_BROKEN, HEARD_REDIRECT, "field" },
		{ "redirect for a group", LL, "2001:db8::9", 255, 137, 0, BODY("\0\0\0\0" FE80 GROUP), HEARD_E_BROKEN,
		  HEARD_REDIRECT, "field" },
		{ "redirect from afar", "2001:db8::1", "2001:db8::9", 255, 137, 0, BODY("\0\0\0\0" FE80 A16),
		  HEARD_E_BROKEN, HEARD_REDIRECT, "link-local" },
		{ "redirect cut short", LL, "2001:db8::9", 255, 137, 0, BODY("\0\0\0\0" FE80), HEARD_E_BROKEN,
		  HEARD_REDIRECT, "cut" },
		{ "MLDv1 query", LL, "ff02::1", 1, 130, 0, BODY("\x27\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0,
		  HEARD_MLD_QUERY, NULL },
		{ "MLDv2 query", LL, "ff02::1", 1, 130, 0, BODY("\x27\x10\0\0" GROUP "\2\x7d\0\0"), 0, HEARD_MLD_QUERY,
		  NULL },
		{ "MLDv2 query, sources cut", LL, "ff02::1", 1, 130, 0, BODY("\x27\x10\0\0" GROUP "\2\x7d\0\1"),
		  HEARD_E_BROKEN, HEARD_MLD_QUERY, "cut" },
		{ "query between the versions", LL, "ff02::1", 1, 130, 0, BODY("\x27\x10\0\0" GROUP "\2\x7d"),
		  HEARD_E_BROKEN, HEARD_MLD_QUERY, "field" },
		{ "query from ::", "::", "ff02::1", 1, 130, 0, BODY("\x27\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
		  HEARD_E_BROKEN, HEARD_MLD_QUERY, "link-local" },
		{ "query that was forwarded", LL, "ff02::1", 64, 130, 0,
		  BODY("\x27\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), HEARD_E_BROKEN, HEARD_MLD_QUERY, "hop limit" },
		{ "MLDv2 report", "::", "ff02::16", 1, 143, 0, BODY("\0\0\0\1\4\0\0\0" GROUP), 0, HEARD_MLD_REPORT,
		  NULL },
		{ "ping", LL, "ff02::1", 64, 128, 0, BODY("\0\0\0\0"), HEARD_E_NOT_OURS, HEARD_RS, NULL },
	};
	static struct heard h;
	uint8_t buf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct wr w = icmp(buf, t[i].src, t[i].dst, t[i].hop_limit, t[i].type, t[i].code, t[i].body, t[i].n);
		int r = heard_read(rd_init(buf, w.len), ETH_TYPE_IP6, true, &h);

		if (r != t[i].want || (r != HEARD_E_NOT_OURS && h.kind != t[i].kind))
			fail_msg("%s: got %d", t[i].why, r);
		if (r == HEARD_E_BROKEN && !strstr(h.why, t[i].rule))
			fail_msg("%s: %s", t[i].why, h.why);
		if (r == 0 && (h.hop_limit != t[i].hop_limit ||
			       !ip_eq(&h.src, &(struct ip){ .family = AF_INET6, .v6 = a6(t[i].src) })))
			fail_msg("%s: header", t[i].why);
	}
	struct wr w = icmp(buf, LL, "ff02::1", 255, 134, 0, BODY("\x40\0\7\x08\0\0\0\0\0\0\0\0"));

	buf[w.len - 1] ^= 1;
	assert_int_equal(heard_read(rd_init(buf, w.len), ETH_TYPE_IP6, true, &h), HEARD_E_BROKEN);
	assert_non_null(strstr(h.why, "checksum"));
	assert_int_equal(heard_read(rd_init(buf, w.len), ETH_TYPE_IP6, false, &h), 0);
}

static void query_fields(void **state)
{
	static const struct {
		const char *why;
		uint16_t code;
		uint32_t ms;
	} t[] = {
		{ "10 s", 10000, 10000 },
		{ "the largest that stands for itself", 0x7fff, 32767 },
		{ "the smallest floating one: 0x1000 << 3", 0x8000, 32768 },
		{ "the largest: 0x1fff << 10", 0xffff, 8387584 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct ndp_meta meta = { .src = a6(LL), .hop_limit = 1 };
		uint8_t msg[28] = { 130, [4] = (uint8_t)(t[i].code >> 8), [5] = (uint8_t)t[i].code };
		struct mld_query q;

		assert_int_equal(mld_parse_query(rd_init(msg, 28), &meta, &q), 0);
		if (q.version != 2 || q.max_response_ms != t[i].ms)
			fail_msg("%s: %u", t[i].why, q.max_response_ms);
		assert_int_equal(mld_parse_query(rd_init(msg, 24), &meta, &q), 0);
		assert_int_equal(q.version, 1);
		assert_int_equal(q.max_response_ms, t[i].code);
	}
}

static size_t dhcp4(uint8_t *buf, uint8_t op, uint16_t sport, uint16_t dport, const void *options, size_t n)
{
	struct wr w = wr_init(buf, 512);
	struct in_addr src = { htonl(0xc0a80101) }, dst = { htonl(0xc0a80164) };
	const struct mac from = { { 2, 0, 0, 0, 0, 1 } }, to = { { 2, 0, 0, 0, 0, 2 } };

	eth_begin(&w, &to, &from, ETH_TYPE_IP4);
	size_t ip = ipv4_begin(&w, src, dst, IPPROTO_UDP, 64), udp = udp_begin(&w, sport, dport);
	wr_u8(&w, op);
	wr_put(&w, "\1\6\0\x12\x34\x56\x78\0\0\0\0\x0a\0\0\7\x0a\0\0\x64\0\0\0\0\0\0\0\0\2\0\0\0\0\2", 33);
	wr_skip(&w, 10 + 192);
	wr_be32(&w, 0x63825363);
	wr_put(&w, options, n);
	udp_end4(&w, udp, src, dst);
	ipv4_end(&w, ip);
	return w.len;
}

static void dhcp4_messages(void **state)
{
	static struct heard h;
	uint8_t buf[512];
	char name[HEARD_NAME_MAX];

	(void)state;
	size_t n = dhcp4(buf, 2, 67, 68, BODY("\x35\1\5\x36\4\xc0\xa8\1\1\x33\4\0\0\x0e\x10\3\4\xc0\xa8\1\1\0\xff"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), 0);
	assert_int_equal(h.kind, HEARD_DHCP4);
	assert_true(h.dhcp4.reply);
	assert_string_equal(heard_dhcp4_name(h.dhcp4.type, name), "ACK");
	assert_int_equal(ntohl(h.dhcp4.given.s_addr), 0x0a000064);
	assert_int_equal(ntohl(h.dhcp4.server.s_addr), 0xc0a80101);
	assert_int_equal(h.dhcp4.lease_s, 3600);
	assert_int_equal(h.dhcp4.xid, 0x12345678);
	assert_string_equal(MAC_STR(&h.dhcp4.client), "02:00:00:00:00:02");
	assert_string_equal(MAC_STR(&h.src_mac), "02:00:00:00:00:01");

	n = dhcp4(buf, 1, 68, 67, BODY("\x35\1\1\x0c\3Web"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), 0);
	assert_false(h.dhcp4.reply);
	assert_string_equal(h.dhcp4.hostname, "web");
	assert_int_equal(ntohl(h.dhcp4.given.s_addr), 0x0a000007);

	n = dhcp4(buf, 1, 68, 67, BODY("\x35\1\x63"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), 0);
	assert_string_equal(heard_dhcp4_name(h.dhcp4.type, name), "message 99");
	n = dhcp4(buf, 1, 68, 67, BODY("\x35\x7f\1"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), HEARD_E_BROKEN);
	n = dhcp4(buf, 3, 68, 67, BODY("\xff"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), HEARD_E_BROKEN);
	n = dhcp4(buf, 1, 5353, 67, BODY("\xff"));
	assert_int_equal(heard_read(rd_init(buf, n), 0, true, &h), HEARD_E_NOT_OURS);
}

static void dhcp6_messages(void **state)
{
	static const struct {
		const char *why;
		const char *msg;
		size_t n;
		const char *wrong;
		uint8_t type;
		size_t n_addrs, n_prefixes;
		uint16_t status;
	} t[] = {
		{ "solicit", BODY("\1\x12\x34\x56\0\1\0\4\0\3\0\1"), NULL, 1, 0, 0, 0 },
		{ "reply with an address",
		  BODY("\7\0\0\1\0\3\0\x28\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x18" A16 "\0\0\0\1\0\0\0\1"), NULL, 7, 1, 0,
		  0 },
		{ "reply with a prefix",
		  BODY("\7\0\0\1\0\x19\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0\0\1\0\0\0\1\x38" A16), NULL, 7, 0,
		  1, 0 },
		{ "a prefix of length 200 is none",
		  BODY("\7\0\0\1\0\x19\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0\0\1\0\0\0\1\xc8" A16), NULL, 7, 0,
		  0, 0 },
		{ "no prefix available", BODY("\2\0\0\1\0\x19\0\x12\0\0\0\1\0\0\0\0\0\0\0\0\0\x0d\0\2\0\6"), NULL, 2, 0,
		  0, 6 },
		{ "relayed", BODY("\x0c\0" A16 FE80), NULL, 12, 0, 0, 0 },
		{ "relayed, cut", BODY("\x0c\0" A16), "cut", 0, 0, 0, 0 },
		{ "an option too long", BODY("\1\0\0\1\0\1\0\x40\0"), "option", 0, 0, 0, 0 },
		{ "nothing", BODY(""), "cut", 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct heard_dhcp6 m;
		const char *wrong = heard_read_dhcp6(rd_init(t[i].msg, t[i].n), &m);

		if (!wrong != !t[i].wrong || (wrong && !strstr(wrong, t[i].wrong)))
			fail_msg("%s: %s", t[i].why, wrong ? wrong : "taken");
		if (!wrong && (m.type != t[i].type || m.n_addrs != t[i].n_addrs || m.n_prefixes != t[i].n_prefixes ||
			       m.status != t[i].status))
			fail_msg("%s: fields", t[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmpv6_messages),
		cmocka_unit_test(query_fields),
		cmocka_unit_test(dhcp4_messages),
		cmocka_unit_test(dhcp6_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
