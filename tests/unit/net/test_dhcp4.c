/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/dhcp4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"

#define FIXED 240	/* header and cookie */

struct packet {
	uint8_t b[1400];
	size_t n;
};

static struct packet header(void)
{
	struct packet p = { .n = FIXED };

	p.b[0] = 1;
	p.b[1] = 1;
	p.b[2] = 6;
	memcpy(&p.b[4], "\x11\x22\x33\x44", 4);
	memcpy(&p.b[28], "\x52\x54\x00\x00\x00\x01", 6);
	memcpy(&p.b[236], "\x63\x82\x53\x63", 4);
	return p;
}

static struct packet with(const char *options, size_t n)
{
	struct packet p = header();

	memcpy(p.b + p.n, options, n);
	p.n += n;
	return p;
}
#define WITH(s) with((s), sizeof(s) - 1)

static int parse(const struct packet *p, struct dhcp4_msg *ret)
{
	return dhcp4_parse(rd_init(p->b, p->n), ret);
}

static void test_options(void **state)
{
	static const struct {
		const char *options;
		size_t n;
		int want;
		const char *why;
	} table[] = {
#define ROW(s, want, why) { s, sizeof(s) - 1, want, why }
		ROW("\x35\1\1\xff", 0, "DISCOVER"),
		ROW("\x35\1\1", 0, "no END"),
		ROW("\0\0\0\x35\1\1\0\0\xff", 0, "PAD around it"),
		ROW("\xff\x35\1\1", DHCP4_E_NOT_OURS, "type behind END"),
		ROW("", DHCP4_E_NOT_OURS, "BOOTP: no type"),
		ROW("\x35\1\2\xff", DHCP4_E_NOT_OURS, "an OFFER"),
		ROW("\x35\1\0\xff", DHCP4_E_NOT_OURS, "type 0"),
		ROW("\x35\1\xff\xff", DHCP4_E_NOT_OURS, "type 255"),
		ROW("\x35\0\xff", DHCP4_E_MALFORMED, "type of length 0"),
		ROW("\x35\2\1\1\xff", DHCP4_E_MALFORMED, "type of length 2"),
		ROW("\x35", DHCP4_E_MALFORMED, "cut behind the code"),
		ROW("\x35\1", DHCP4_E_MALFORMED, "cut before the value"),
		ROW("\x35\1\1\x3d\x0a\1\1", DHCP4_E_MALFORMED, "client id cut short"),
		ROW("\x35\1\1\x32\3\1\2\3", DHCP4_E_MALFORMED, "requested address of 3 bytes"),
		ROW("\x35\1\1\x36\5\1\2\3\4\5", DHCP4_E_MALFORMED, "server id of 5 bytes"),
		ROW("\x35\1\1\x39\1\1", DHCP4_E_MALFORMED, "maximum size of 1 byte"),
		ROW("\x35\1\1\x37\0\xff", 0, "empty parameter list"),
		ROW("\x35\1\1\x0c\0\xff", 0, "empty host name"),
		ROW("\x35\1\1\x3d\1\1\xff", 0, "client id of 1 byte is none"),
		ROW("\x35\1\1\xfe\1\1\xff", 0, "option 254"),
		ROW("\x35\1\1\x34\1\3\xff", 0, "overload of empty areas"),
		ROW("\x35\1\1\x34\0\xff", DHCP4_E_MALFORMED, "overload of length 0"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct packet p = with(table[i].options, table[i].n);
		struct dhcp4_msg msg;
		int r = parse(&p, &msg);

		if (r != table[i].want)
			fail_msg("%s: %d", table[i].why, r);
	}
}

static void test_header(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int want;
		const char *why;
	} table[] = {
		{ 0, 2, DHCP4_E_NOT_OURS, "a reply" },
		{ 1, 6, DHCP4_E_NOT_OURS, "other hardware" },
		{ 2, 16, DHCP4_E_MALFORMED, "hardware address of 16 bytes" },
		{ 2, 0, DHCP4_E_MALFORMED, "of none" },
		{ 28, 0x53, DHCP4_E_MALFORMED, "multicast client" },
		{ 236, 0, DHCP4_E_NOT_OURS, "no cookie" },
		{ 3, 9, 0, "hops don't matter" },
	};
	struct packet p = WITH("\x35\1\1\xff");
	struct dhcp4_msg msg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct packet q = p;

		q.b[table[i].at] = table[i].value;
		if (parse(&q, &msg) != table[i].want)
			fail_msg("%s", table[i].why);
	}
	for (p.n = 0; p.n < FIXED; p.n++)
		assert_int_equal(parse(&p, &msg), DHCP4_E_MALFORMED);
}

static void test_fields(void **state)
{
	struct packet p = WITH("\x35\1\3\x3d\7\1\x52\x54\0\0\0\1\x0c\5Web01\x32\4\xc0\xa8\x96\x64\x36\4\xc0\xa8\x96\1"
			       "\x37\4\0\1\x77\xff\x39\2\5\xdc\xff");
	struct dhcp4_msg msg;

	(void)state;
	p.b[9] = 7;
	p.b[10] = 0x80;
	memcpy(&p.b[12], "\1\2\3\4", 4);
	memcpy(&p.b[24], "\5\6\7\x08", 4);
	assert_int_equal(parse(&p, &msg), 0);
	assert_int_equal(msg.type, DHCP4_REQUEST);
	assert_int_equal(msg.xid, 0x11223344);
	assert_int_equal(msg.secs, 7);
	assert_true(msg.broadcast);
	assert_int_equal(msg.ciaddr.s_addr, htonl(0x01020304));
	assert_int_equal(msg.giaddr.s_addr, htonl(0x05060708));
	assert_int_equal(msg.requested.s_addr, htonl(0xc0a89664));
	assert_int_equal(msg.server_id.s_addr, htonl(0xc0a89601));
	assert_int_equal(msg.client_id_len, 7);
	assert_string_equal(msg.hostname, "web01");
	assert_int_equal(msg.max_size, 1500);
	assert_true(msg.has_wants);
	assert_true(dhcp4_wants(&msg, 0) && dhcp4_wants(&msg, 1) && dhcp4_wants(&msg, 119) && dhcp4_wants(&msg, 255));
	assert_false(dhcp4_wants(&msg, 2));
}

static void test_first_counts(void **state)
{
	struct packet p = WITH("\x35\1\1\x35\1\3\x0c\1a\x0c\1b\xff");
	struct dhcp4_msg msg;

	(void)state;
	assert_int_equal(parse(&p, &msg), 0);
	assert_int_equal(msg.type, DHCP4_DISCOVER);
	assert_string_equal(msg.hostname, "a");
}

static void test_overload(void **state)
{
	struct packet p = WITH("\x34\1\3\xff");
	struct dhcp4_msg msg;

	(void)state;
	memcpy(&p.b[108], "\x35\1\1\x34\1\3\xff", 7);	/* file: the type, and an overload that must not count */
	memcpy(&p.b[44], "\x0c\3web\xff", 6);		/* sname */
	assert_int_equal(parse(&p, &msg), 0);
	assert_int_equal(msg.type, DHCP4_DISCOVER);
	assert_string_equal(msg.hostname, "web");

	p.b[FIXED + 2] = 2;				/* sname only: no type */
	assert_int_equal(parse(&p, &msg), DHCP4_E_NOT_OURS);
	p.b[FIXED + 2] = 1;
	memset(&p.b[108], 0x0c, 128);			/* host names of 12 bytes up to the brim, the last cut */
	assert_int_equal(parse(&p, &msg), DHCP4_E_MALFORMED);
}

static void test_client_id_length(void **state)
{
	struct packet p = WITH("\x35\1\1\x3d");
	struct dhcp4_msg msg;

	(void)state;
	p.b[p.n] = DHCP4_CLIENT_ID_MAX;
	p.n += 1 + DHCP4_CLIENT_ID_MAX;
	assert_int_equal(parse(&p, &msg), 0);
	assert_int_equal(msg.client_id_len, DHCP4_CLIENT_ID_MAX);
	p.b[FIXED + 4] = DHCP4_CLIENT_ID_MAX + 1;
	p.n++;
	assert_int_equal(parse(&p, &msg), DHCP4_E_MALFORMED);
}

/* The value of an option in a built message; NULL when it isn't there. */
static const uint8_t *find(const uint8_t *msg, size_t n, uint8_t code, uint8_t *ret_len)
{
	for (size_t i = FIXED; i < n && msg[i] != DHCP4_OPT_END;) {
		if (msg[i] == DHCP4_OPT_PAD) {
			i++;
			continue;
		}
		if (msg[i] == code) {
			*ret_len = msg[i + 1];
			return msg + i + 2;
		}
		i += 2u + msg[i + 1];
	}
	return NULL;
}

static struct dhcp4_reply full_reply(const struct dhcp4_msg *to, const struct in_addr *dns)
{
	return (struct dhcp4_reply){
		.type = DHCP4_ACK, .to = to, .yiaddr = { htonl(0xc0a89664) }, .server_id = { htonl(0xc0a89601) },
		.lease_s = 3600, .t1_s = 1800, .t2_s = 3150, .mask = { htonl(0xffffff00) },
		.router = { htonl(0xc0a89601) }, .broadcast = { htonl(0xc0a896ff) }, .dns = dns, .n_dns = 1,
		.mtu = 1500, .hostname = "web", .domain = "lan.example",
	};
}

static void test_build(void **state)
{
	struct packet p = WITH("\x35\1\3\x3d\3\0ab\x37\7\1\3\6\x0c\x0f\x1a\x77\xff");
	const struct in_addr dns = { htonl(0xc0a89601) };
	struct dhcp4_msg msg;
	uint8_t buf[1500], len;
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	assert_int_equal(parse(&p, &msg), 0);
	struct dhcp4_reply reply = full_reply(&msg, &dns);
	dhcp4_build(&w, &reply);
	assert_true(wr_ok(&w));
	assert_true(w.len >= 300);
	assert_int_equal(buf[0], 2);
	assert_memory_equal(&buf[4], "\x11\x22\x33\x44", 4);
	assert_memory_equal(&buf[16], "\xc0\xa8\x96\x64", 4);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_TYPE, &len), "\5", 1);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_LEASE, &len), "\0\0\x0e\x10", 4);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_MTU, &len), "\x05\xdc", 2);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_CLIENT_ID, &len), "\0ab", 3);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_SEARCH, &len), "\3lan\7example\0", 13);
	assert_memory_equal(find(buf, w.len, DHCP4_OPT_DOMAIN, &len), "lan.example", 11);
	assert_null(find(buf, w.len, DHCP4_OPT_BROADCAST, &len));	/* not asked for */

	reply.type = DHCP4_NAK;
	reply.yiaddr.s_addr = 0;
	reply.message = "no";
	w = wr_init(buf, sizeof(buf));
	dhcp4_build(&w, &reply);
	assert_non_null(find(buf, w.len, DHCP4_OPT_MESSAGE, &len));
	assert_null(find(buf, w.len, DHCP4_OPT_LEASE, &len));
	assert_null(find(buf, w.len, DHCP4_OPT_ROUTER, &len));
}

/* A long domain and search list don't fit into 576 bytes of datagram together with everything: 119 goes first. */
static void test_build_size(void **state)
{
	struct packet p = WITH("\x35\1\3\x37\3\x0f\x77\x0c\x39\2\2\x40\xff");
	const struct in_addr dns = { htonl(0xc0a89601) };
	char domain[254];
	struct dhcp4_msg msg;
	uint8_t buf[1500], len;
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	for (size_t i = 0; i < sizeof(domain) - 1; i++)
		domain[i] = i % 50 == 49 ? '.' : 'a';
	domain[sizeof(domain) - 1] = '\0';
	assert_int_equal(parse(&p, &msg), 0);
	assert_int_equal(msg.max_size, 576);
	struct dhcp4_reply reply = full_reply(&msg, &dns);
	reply.domain = domain;
	dhcp4_build(&w, &reply);
	assert_true(wr_ok(&w));
	assert_true(w.len <= 576 - 28);
	assert_non_null(find(buf, w.len, DHCP4_OPT_LEASE, &len));
	assert_null(find(buf, w.len, DHCP4_OPT_SEARCH, &len));

	msg.max_size = 1500;
	w = wr_init(buf, sizeof(buf));
	dhcp4_build(&w, &reply);
	assert_non_null(find(buf, w.len, DHCP4_OPT_SEARCH, &len));

	for (size_t cap = 0; cap < 300; cap++) {		/* no buffer is too small to be safe */
		w = wr_init(buf, cap);
		dhcp4_build(&w, &reply);
		assert_false(wr_ok(&w));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	     cmocka_unit_test(test_header),   cmocka_unit_test(test_fields),
		cmocka_unit_test(test_first_counts), cmocka_unit_test(test_overload), cmocka_unit_test(test_client_id_length),
		cmocka_unit_test(test_build),	     cmocka_unit_test(test_build_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
