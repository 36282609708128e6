/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/dhcp_ask.h"

#define XID 0x01020304
#define MAC "\x52\x54\0\0\0\1"
#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static const struct mac mac = { { 0x52, 0x54, 0, 0, 0, 1 } };

/* What we ask is what our own servers take for a question: checked by the other side's parser. */
static void questions(void **state)
{
	uint8_t buf[1024];
	struct wr w = wr_init(buf, sizeof(buf));
	struct dhcp4_msg m4;
	struct dhcp6_msg m6;

	(void)state;
	(void)wr_skip(&w, 3);		/* behind other headers */
	dhcp4_put_discover(&w, &mac, XID);
	assert_true(wr_ok(&w));
	assert_int_equal(w.len, 3 + 300);
	assert_int_equal(dhcp4_parse(rd_init(buf + 3, w.len - 3), &m4), 0);
	assert_int_equal(m4.type, DHCP4_DISCOVER);
	assert_int_equal(m4.xid, XID);
	assert_true(m4.broadcast && mac_eq(&m4.chaddr, &mac));

	w = wr_init(buf, sizeof(buf));
	dhcp6_put_solicit(&w, &mac, XID);
	assert_true(wr_ok(&w));
	assert_int_equal(dhcp6_parse(rd_init(buf, w.len), &m6), 0);
	assert_int_equal(m6.type, DHCP6_SOLICIT);
	assert_int_equal(m6.n_ias, 1);
	assert_false(m6.rapid_commit);	/* that would take a lease */
}

static size_t reply4(uint8_t *buf, size_t size, const char *head, const uint8_t *opts, size_t n_opts)
{
	struct wr w = wr_init(buf, size);

	wr_put(&w, head, 4);
	wr_be32(&w, XID);
	(void)wr_skip(&w, 8);
	wr_put(&w, "\xc0\xa8\1\x32", 4);
	(void)wr_skip(&w, 8);
	wr_put(&w, mac.b, 6);
	(void)wr_skip(&w, 10 + 64 + 128);
	wr_be32(&w, 0x63825363);
	wr_put(&w, opts, n_opts);
	assert_true(wr_ok(&w));
	return w.len;
}

static void offers4(void **state)
{
#define REPLY "\2\1\6\0"
#define SERVER "\x36\4\xc0\xa8\1\1"
	static const struct {
		const char *why, *head;
		const uint8_t *opts;
		size_t n;
		int want;
		const char *router;
	} t[] = {
		{ "offer", REPLY, BYTES("\x35\1\2" SERVER "\xff"), 0, "0.0.0.0" },
		{ "with a router, padding and no end", REPLY, BYTES("\0\0\x35\1\2" SERVER "\3\4\xc0\xa8\1\2"), 0, "192.168.1.2" },
		{ "acknowledgement", REPLY, BYTES("\x35\1\5" SERVER "\xff"), DHCP4_E_NOT_OURS, NULL },
		{ "without a server", REPLY, BYTES("\x35\1\2\xff"), DHCP4_E_NOT_OURS, NULL },
		{ "without a type", REPLY, BYTES(SERVER "\xff"), DHCP4_E_NOT_OURS, NULL },
		{ "a question", "\1\1\6\0", BYTES("\x35\1\2" SERVER "\xff"), DHCP4_E_NOT_OURS, NULL },
		{ "other hardware", "\2\6\6\0", BYTES("\x35\1\2" SERVER "\xff"), DHCP4_E_NOT_OURS, NULL },
		{ "option cut short", REPLY, BYTES("\x35\1\2\x36\4\xc0\xa8"), DHCP4_E_MALFORMED, NULL },
		{ "server too short", REPLY, BYTES("\x35\1\2\x36\2\xc0\xa8\xff"), DHCP4_E_MALFORMED, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t buf[1024];
		size_t n = reply4(buf, sizeof(buf), t[i].head, t[i].opts, t[i].n);
		struct dhcp4_offer offer;
		char text[INET_ADDRSTRLEN];
		int r = dhcp4_parse_offer(rd_init(buf, n), &mac, XID, &offer);

		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r == 0) {
			assert_string_equal(inet_ntop(AF_INET, &offer.server, text, sizeof(text)), "192.168.1.1");
			assert_string_equal(inet_ntop(AF_INET, &offer.yiaddr, text, sizeof(text)), "192.168.1.50");
			assert_string_equal(inet_ntop(AF_INET, &offer.router, text, sizeof(text)), t[i].router);
		}
		assert_int_equal(dhcp4_parse_offer(rd_init(buf, 100), &mac, XID, &offer), DHCP4_E_MALFORMED);
		if (t[i].want == 0)
			assert_int_equal(dhcp4_parse_offer(rd_init(buf, n), &mac, XID + 1, &offer), DHCP4_E_NOT_OURS);
	}
}

static void offers6(void **state)
{
#define DUID "\0\2\0\4\0\3\0\1"
#define ADDR "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"
#define IAADDR "\0\5\0\x18" ADDR "\0\0\0\1\0\0\0\1"
	static const struct {
		const char *why;
		const uint8_t *bytes;
		size_t n;
		int want;
		bool has_addr;
	} t[] = {
		{ "server alone", BYTES("\2\2\3\4" DUID), 0, false },
		{ "with an address", BYTES("\2\2\3\4" "\0\3\0\x28" "\0\0\0\1\0\0\0\0\0\0\0\0" IAADDR DUID), 0, true },
		{ "without a server", BYTES("\2\2\3\4\0\7\0\1\1"), DHCP6_E_MALFORMED, false },
		{ "a reply", BYTES("\7\2\3\4" DUID), DHCP6_E_NOT_OURS, false },
		{ "somebody else's", BYTES("\2\2\3\5" DUID), DHCP6_E_NOT_OURS, false },
		{ "option longer than the message", BYTES("\2\2\3\4\0\2\0\x40\0\3\0\1"), DHCP6_E_MALFORMED, false },
		{ "server's name of one byte", BYTES("\2\2\3\4\0\2\0\1\3"), DHCP6_E_MALFORMED, false },
		{ "cut in the head", BYTES("\2\2\3"), DHCP6_E_MALFORMED, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct dhcp6_offer offer;
		int r = dhcp6_parse_advertise(rd_init(t[i].bytes, t[i].n), XID, &offer);

		if (r != t[i].want || (r == 0 && (offer.server.len != 4 || offer.has_addr != t[i].has_addr)))
			fail_msg("%s: got %d", t[i].why, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(questions), cmocka_unit_test(offers4), cmocka_unit_test(offers6) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
