/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "net/icmpv6.h"
#include "net/udp.h"

#define BYTES(s) (s), sizeof(s) - 1

static struct in_addr a4(const char *s)
{
	struct in_addr a = { 0 };

	assert_int_equal(inet_pton(AF_INET, s, &a), 1);
	return a;
}

static struct in6_addr a6(const char *s)
{
	struct in6_addr a = { 0 };

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return a;
}

static void checksum_known_values(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		uint16_t want;
	} t[] = {
		{ "nothing", "", 0, 0xffff },
		{ "RFC 1071 3's example: ddf2, complemented", BYTES("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7"), 0x220d },
		{ "an odd byte is the high one", BYTES("\x12"), 0xedff },
		{ "carries fold more than once", BYTES("\xff\xff\xff\xff\x00\x01"), 0xfffe },
		{ "seven bytes: a word, a half, a byte", BYTES("\x00\x01\x00\x02\x00\x03\x04"), 0xfbf9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (checksum_end(checksum_add(0, t[i].bytes, t[i].n)) != t[i].want)
			fail_msg("%s", t[i].why);
}

static void eth_frames(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		int want;
	} t[] = {
		{ "empty payload", BYTES("\xff\xff\xff\xff\xff\xff\x52\x54\0\1\2\3\x08\x06"), 0 },
		{ "one byte short", BYTES("\xff\xff\xff\xff\xff\xff\x52\x54\0\1\2\3\x08"), ETH_E_MALFORMED },
		{ "no bytes at all", BYTES(""), ETH_E_MALFORMED },
		{ "multicast source", BYTES("\xff\xff\xff\xff\xff\xff\x53\x54\0\1\2\3\x08\x06"), ETH_E_MALFORMED },
		{ "zero source", BYTES("\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\x08\x06"), ETH_E_MALFORMED },
		{ "802.3 length", BYTES("\xff\xff\xff\xff\xff\xff\x52\x54\0\1\2\3\x05\xff"), ETH_E_NOT_OURS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct eth eth;

		if (eth_parse(rd_init(t[i].bytes, t[i].n), &eth) != t[i].want)
			fail_msg("%s", t[i].why);
	}
}

/* A whole DHCP-like frame over IPv4; returns its length. */
static size_t build4(uint8_t *buf, size_t size, const char *payload)
{
	const struct mac dst = { { 0x52, 0x54, 0, 0, 0, 2 } }, src = { { 0x52, 0x54, 0, 0, 0, 1 } };
	struct wr w = wr_init(buf, size);
	struct in_addr from = a4("192.168.150.1"), to = a4("192.168.150.7");

	eth_begin(&w, &dst, &src, ETH_TYPE_IP4);
	size_t ip = ipv4_begin(&w, from, to, IPPROTO_UDP, 64);
	size_t udp = udp_begin(&w, 67, 68);
	wr_put(&w, payload, strlen(payload));
	udp_end4(&w, udp, from, to);
	ipv4_end(&w, ip);
	assert_true(wr_ok(&w));
	return w.len;
}

static int parse4(const uint8_t *buf, size_t n, bool csum_ready, struct udp *ret)
{
	struct ipv4 ip;
	struct eth eth;

	assert_int_equal(eth_parse(rd_init(buf, n), &eth), 0);
	int r = ipv4_parse(eth.payload, &ip);
	return r != 0 ? 10 + r : udp_parse4(&ip, csum_ready, ret);
}

static void udp_over_ipv4(void **state)
{
	static const struct {
		const char *why;
		size_t at;		/* byte of the IPv4 packet that is changed … */
		uint8_t to;		/* … to this; IPv4 header's checksum is made right again when `fix` */
		bool fix, csum_not_ready;
		int want;
	} t[] = {
		{ "as built", 8, 64, true, false, 0 },
		{ "wrong header checksum", 8, 63, false, false, 10 + IPV4_E_MALFORMED },
		{ "version 5", 0, 0x55, true, false, 10 + IPV4_E_NOT_OURS },
		{ "header of 16 bytes", 0, 0x44, true, false, 10 + IPV4_E_MALFORMED },
		{ "total length beyond the frame", 3, 200, true, false, 10 + IPV4_E_MALFORMED },
		{ "total length below the header", 3, 19, true, false, 10 + IPV4_E_MALFORMED },
		{ "more fragments", 6, 0x20, true, false, 10 + IPV4_E_NOT_OURS },
		{ "a later fragment", 7, 0x01, true, false, 10 + IPV4_E_NOT_OURS },
		{ "not UDP", 9, 6, true, false, UDP_E_NOT_OURS },
		{ "UDP length below its header", 25, 7, true, false, UDP_E_MALFORMED },
		{ "UDP length beyond the packet", 25, 100, true, false, UDP_E_MALFORMED },
		{ "wrong payload", 28, 'x', true, false, UDP_E_MALFORMED },
		{ "wrong payload, checksum left to hardware", 28, 'x', true, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t buf[128] = { 0 };
		struct udp udp = { 0 };
		size_t n = build4(buf, sizeof(buf), "hello");

		buf[14 + t[i].at] = t[i].to;
		if (t[i].fix) {
			buf[24] = 0;
			buf[25] = 0;
			uint16_t sum = checksum_end(checksum_add(0, buf + 14, 20));
			buf[24] = (uint8_t)(sum >> 8);
			buf[25] = (uint8_t)sum;
		}
		int r = parse4(buf, n + 10, !t[i].csum_not_ready, &udp);	/* 10 bytes of padding */
		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r == 0 && (udp.src != 67 || udp.dst != 68 || udp.payload.left != 5))
			fail_msg("%s: wrong header", t[i].why);
	}
}

static void udp4_without_checksum(void **state)
{
	uint8_t buf[128];
	struct udp udp;
	size_t n = build4(buf, sizeof(buf), "hello");

	(void)state;
	buf[40] = 0;
	buf[41] = 0;
	buf[42] = 'j';
	assert_int_equal(parse4(buf, n, true, &udp), 0);
}

#define IP6(next, len) "\x60\0\0\0\0" len next "\xff" "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2" "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define HBH_ALERT(next) next "\0\5\2\0\0\1\0"
#define DSTOPTS(next) next "\0\1\4\0\0\0\0"

static void ipv6_headers(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		int want;
		uint8_t proto;
		bool router_alert;
		size_t left;
	} t[] = {
		{ "nothing behind it", BYTES(IP6("\x3b", "\0")), 0, 59, false, 0 },
		{ "padding is cut off", BYTES(IP6("\x3a", "\2") "abcdef"), 0, 58, false, 2 },
		{ "payload cut short", BYTES(IP6("\x3a", "\3") "ab"), IPV6_E_MALFORMED, 0, false, 0 },
		{ "header cut short", BYTES("\x60\0\0\0\0\0\x3a\xff"), IPV6_E_MALFORMED, 0, false, 0 },
		{ "version 4", BYTES("\x45\0\0\0\0\0\x3a\xff" "0123456789abcdef0123456789abcdef"), IPV6_E_NOT_OURS, 0, false, 0 },
		{ "multicast source", BYTES("\x60\0\0\0\0\0\x3a\xff" "\xff" "123456789abcdef0123456789abcdef"), IPV6_E_MALFORMED,
		  0, false, 0 },
		{ "router alert", BYTES(IP6("\0", "\x0a") HBH_ALERT("\x3a") "ab"), 0, 58, true, 2 },
		{ "router alert of another kind", BYTES(IP6("\0", "\x08") "\x3a\0\5\2\0\1\1\0"), 0, 58, false, 0 },
		{ "option longer than its header", BYTES(IP6("\0", "\x08") "\x3a\0\5\7\0\0\1\0"), IPV6_E_MALFORMED, 0, false, 0 },
		{ "hop-by-hop longer than the packet", BYTES(IP6("\0", "\x08") "\x3a\1\5\2\0\0\1\0"), IPV6_E_MALFORMED, 0, false,
		  0 },
		{ "hop-by-hop not first", BYTES(IP6("\x3c", "\x10") DSTOPTS("\0") HBH_ALERT("\x3a")), IPV6_E_MALFORMED, 0, false,
		  0 },
		{ "four extensions", BYTES(IP6("\x3c", "\x20") DSTOPTS("\x3c") DSTOPTS("\x3c") DSTOPTS("\x3c") DSTOPTS("\x11")),
		  0, 17, false, 0 },
		{ "five extensions",
		  BYTES(IP6("\x3c", "\x28") DSTOPTS("\x3c") DSTOPTS("\x3c") DSTOPTS("\x3c") DSTOPTS("\x3c") DSTOPTS("\x11")),
		  IPV6_E_NOT_OURS, 0, false, 0 },
		{ "a fragment", BYTES(IP6("\x2c", "\x08") "\x3a\0\0\0\0\0\0\1"), IPV6_E_NOT_OURS, 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ipv6 ip = { 0 };
		int r = ipv6_parse(rd_init(t[i].bytes, t[i].n), &ip);

		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r == 0 && (ip.proto != t[i].proto || ip.router_alert != t[i].router_alert || ip.payload.left != t[i].left))
			fail_msg("%s: wrong header", t[i].why);
	}
}

static void upper_layers_over_ipv6(void **state)
{
	struct in6_addr src = a6("fe80::2"), dst = a6("ff02::1:2");
	uint8_t buf[128];
	struct wr w = wr_init(buf, sizeof(buf));
	struct ipv6 ip;
	struct udp udp;
	struct rd msg;
	uint8_t type;

	(void)state;
	size_t at = ipv6_begin(&w, &src, &dst, IPPROTO_UDP, 64), u = udp_begin(&w, 546, 547);
	wr_put(&w, "odd", 3);
	udp_end6(&w, u, &src, &dst);
	ipv6_end(&w, at);
	assert_int_equal(ipv6_parse(rd_init(buf, w.len), &ip), 0);
	assert_int_equal(udp_parse6(&ip, true, &udp), 0);
	assert_int_equal(udp.payload.left, 3);
	assert_int_equal(icmpv6_open(&ip, true, &type, &msg), ICMPV6_E_NOT_OURS);
	buf[w.len - 1] ^= 1;
	assert_int_equal(udp_parse6(&ip, true, &udp), UDP_E_MALFORMED);
	assert_int_equal(udp_parse6(&ip, false, &udp), 0);
	buf[46] = 0;
	buf[47] = 0;
	assert_int_equal(udp_parse6(&ip, true, &udp), UDP_E_MALFORMED);	/* no checksum: never over IPv6 */

	w = wr_init(buf, sizeof(buf));
	at = ipv6_begin(&w, &src, &dst, IPPROTO_ICMPV6, 255);
	u = icmpv6_begin(&w, ICMPV6_RS);
	wr_be32(&w, 0);
	icmpv6_end(&w, u, &src, &dst);
	ipv6_end(&w, at);
	assert_int_equal(ipv6_parse(rd_init(buf, w.len), &ip), 0);
	assert_int_equal(icmpv6_open(&ip, true, &type, &msg), 0);
	assert_int_equal(type, ICMPV6_RS);
	assert_int_equal(msg.left, 8);
	buf[44] ^= 1;
	assert_int_equal(icmpv6_open(&ip, true, &type, &msg), ICMPV6_E_MALFORMED);
	ip.payload.left = 3;
	assert_int_equal(icmpv6_open(&ip, false, &type, &msg), ICMPV6_E_MALFORMED);
}

static void builders_stop_at_the_end(void **state)
{
	uint8_t buf[30];
	struct wr w = wr_init(buf, sizeof(buf));
	struct in_addr a = { 0 };

	(void)state;
	size_t ip = ipv4_begin(&w, a, a, IPPROTO_UDP, 64), udp = udp_begin(&w, 1, 2);
	wr_put(&w, "too long", 8);
	udp_end4(&w, udp, a, a);
	ipv4_end(&w, ip);
	assert_false(wr_ok(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_known_values),    cmocka_unit_test(eth_frames),
		cmocka_unit_test(udp_over_ipv4),	    cmocka_unit_test(udp4_without_checksum),
		cmocka_unit_test(ipv6_headers),		    cmocka_unit_test(upper_layers_over_ipv6),
		cmocka_unit_test(builders_stop_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
