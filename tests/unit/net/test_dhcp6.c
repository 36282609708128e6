/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/dhcp6.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"

#define CLIENT "\0\1\0\x0a\0\3\0\1\x52\x54\0\0\0\1"
#define SERVER "\0\2\0\4\0\4sv"
#define IA "\0\3\0\x0c\0\0\0\7\0\0\0\0\0\0\0\0"
#define ADDR "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"
#define IA_ADDR "\0\3\0\x28\0\0\0\7\0\0\0\0\0\0\0\0\0\5\0\x18" ADDR "\0\0\0\0\0\0\0\0"
#define SOLICIT "\1\x12\x34\x56"

static void test_parse(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		int want;
		const char *why;
	} table[] = {
#define ROW(s, want, why) { s, sizeof(s) - 1, want, why }
		ROW(SOLICIT CLIENT IA, 0, "SOLICIT"),
		ROW(SOLICIT IA, DHCP6_E_MALFORMED, "SOLICIT without client id"),
		ROW(SOLICIT CLIENT SERVER IA, DHCP6_E_MALFORMED, "SOLICIT with server id"),
		ROW("\3\0\0\1" CLIENT SERVER IA_ADDR, 0, "REQUEST"),
		ROW("\3\0\0\1" CLIENT IA_ADDR, DHCP6_E_MALFORMED, "REQUEST without server id"),
		ROW("\4\0\0\1" CLIENT IA_ADDR, 0, "CONFIRM"),
		ROW("\5\0\0\1" CLIENT SERVER IA_ADDR, 0, "RENEW"),
		ROW("\6\0\0\1" CLIENT IA_ADDR, 0, "REBIND"),
		ROW("\6\0\0\1" CLIENT SERVER IA_ADDR, DHCP6_E_MALFORMED, "REBIND with server id"),
		ROW("\x0b\0\0\1", 0, "INFORMATION-REQUEST needs nothing"),
		ROW("\x0b\0\0\1" IA, DHCP6_E_MALFORMED, "INFORMATION-REQUEST with an association"),
		ROW("\2\0\0\1" CLIENT SERVER, DHCP6_E_NOT_OURS, "ADVERTISE"),
		ROW("\7\0\0\1" CLIENT SERVER, DHCP6_E_NOT_OURS, "REPLY"),
		ROW("\0\0\0\1" CLIENT, DHCP6_E_NOT_OURS, "type 0"),
		ROW("\x0c\0", DHCP6_E_RELAY, "RELAY-FORW"),
		ROW("", DHCP6_E_MALFORMED, "empty"),
		ROW("\1\0\0", DHCP6_E_MALFORMED, "cut transaction"),
		ROW(SOLICIT CLIENT "\0", DHCP6_E_MALFORMED, "cut option code"),
		ROW(SOLICIT CLIENT "\0\6\0", DHCP6_E_MALFORMED, "cut option length"),
		ROW(SOLICIT CLIENT "\0\6\0\4\0\x17", DHCP6_E_MALFORMED, "cut option"),
		ROW(SOLICIT CLIENT "\0\6\0\3\0\x17\0", DHCP6_E_MALFORMED, "odd option request"),
		ROW(SOLICIT CLIENT "\0\3\0\x0b\0\0\0\7\0\0\0\0\0\0\0", DHCP6_E_MALFORMED, "short IA_NA"),
		ROW(SOLICIT CLIENT "\0\3\0\x10\0\0\0\7\0\0\0\0\0\0\0\0\0\5\0\x18", DHCP6_E_MALFORMED, "IAADDR cut in its IA"),
		ROW(SOLICIT CLIENT "\0\3\0\x12\0\0\0\7\0\0\0\0\0\0\0\0\0\5\0\2\0\0", DHCP6_E_MALFORMED, "short IAADDR"),
		ROW(SOLICIT "\0\1\0\0" IA, DHCP6_E_MALFORMED, "client id of length 0"),
		ROW(SOLICIT "\0\1\0\2\0\3" IA, DHCP6_E_MALFORMED, "client id of a type alone"),
		ROW(SOLICIT CLIENT "\0\x0e\0\1\0" IA, DHCP6_E_MALFORMED, "rapid commit with a body"),
		ROW(SOLICIT CLIENT "\0\x08\0\1\0" IA, DHCP6_E_MALFORMED, "short elapsed time"),
		ROW(SOLICIT CLIENT "\0\x19\0\4\0\0\0\1" IA, DHCP6_E_MALFORMED, "short IA_PD"),
		ROW(SOLICIT CLIENT "\0\x27\0\0" IA, 0, "empty FQDN is no name"),
		ROW(SOLICIT CLIENT "\xff\xff\0\0" IA, 0, "unknown option of length 0"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct dhcp6_msg msg;
		int r = dhcp6_parse(rd_init(table[i].in, table[i].n), &msg);

		if (r != table[i].want)
			fail_msg("%s: %d", table[i].why, r);
	}
}

static void test_fields(void **state)
{
	static const char in[] = SOLICIT CLIENT "\0\x08\0\2\1\x2c" "\0\x0e\0\0" "\0\6\0\4\0\x17\1\x17"
		"\0\x27\0\5\0\3Web" IA_ADDR IA "\0\x19\0\x0c\0\0\0\x09\0\0\0\0\0\0\0\0";
	struct dhcp6_msg msg;

	(void)state;
	assert_int_equal(dhcp6_parse(rd_init(in, sizeof(in) - 1), &msg), 0);
	assert_int_equal(msg.type, DHCP6_SOLICIT);
	assert_int_equal(msg.txid, 0x123456);
	assert_int_equal(msg.client.len, 10);
	assert_int_equal(msg.elapsed_cs, 300);
	assert_true(msg.rapid_commit);
	assert_true(dhcp6_wants(&msg, DHCP6_OPT_DNS));
	assert_false(dhcp6_wants(&msg, DHCP6_OPT_DOMAINS));
	assert_string_equal(msg.hostname, "web");
	assert_int_equal(msg.n_ias, 1);		/* the second has the same IAID */
	assert_int_equal(msg.ias[0].iaid, 7);
	assert_int_equal(msg.ias[0].n_addrs, 1);
	assert_memory_equal(&msg.ias[0].addrs[0], ADDR, 16);
	assert_int_equal(msg.n_pds, 1);
	assert_int_equal(msg.pd_iaids[0], 9);
}

/* More of everything than we read, and then more than anybody needs. */
static void test_many(void **state)
{
	uint8_t buf[8192];
	struct dhcp6_msg msg;
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	wr_put(&w, SOLICIT CLIENT, 4 + 14);
	for (uint32_t i = 0; i < 20; i++) {
		size_t at = dhcp6_ia_begin(&w, i, 0, 0);

		for (unsigned int k = 0; k < 10; k++)
			dhcp6_ia_put_addr(&w, (const struct in6_addr *)(const void *)ADDR, 0, 0);
		dhcp6_ia_end(&w, at);
	}
	assert_true(wr_ok(&w));
	assert_int_equal(dhcp6_parse(rd_init(buf, w.len), &msg), 0);
	assert_int_equal(msg.n_ias, DHCP6_IAS);
	assert_int_equal(msg.ias[DHCP6_IAS - 1].n_addrs, DHCP6_IA_ADDRS);

	w = wr_init(buf, sizeof(buf));
	wr_put(&w, SOLICIT CLIENT, 4 + 14);
	wr_skip(&w, 4 * 100);			/* a hundred empty options of type 0 */
	assert_int_equal(dhcp6_parse(rd_init(buf, w.len), &msg), DHCP6_E_MALFORMED);
}

static void test_duid_length(void **state)
{
	uint8_t buf[200] = { 1, 0, 0, 1, 0, 1, 0, DHCP6_DUID_MAX };
	struct dhcp6_msg msg;

	(void)state;
	assert_int_equal(dhcp6_parse(rd_init(buf, 8 + DHCP6_DUID_MAX), &msg), 0);
	assert_int_equal(msg.client.len, DHCP6_DUID_MAX);
	buf[7]++;
	assert_int_equal(dhcp6_parse(rd_init(buf, 9 + DHCP6_DUID_MAX), &msg), DHCP6_E_MALFORMED);
}

static void test_build(void **state)
{
	static const char want[] = "\7\x12\x34\x56" CLIENT SERVER "\0\7\0\1\xff" "\0\x0e\0\0"
		"\0\3\0\x28\0\0\0\7\0\0\0\1\0\0\0\2\0\5\0\x18" ADDR "\0\0\0\3\0\0\0\4"
		"\0\x19\0\x25\0\0\0\x09\0\0\0\0\0\0\0\0\0\x0d\0\x15\0\6no prefix available"
		"\0\x17\0\x10" ADDR "\0\x18\0\5\3lan\0";
	static const char in[] = SOLICIT CLIENT IA;
	const struct dhcp6_duid server = { .len = 4, .b = { 0, 4, 's', 'v' } };
	struct in6_addr addr;
	struct dhcp6_msg msg;
	uint8_t buf[300];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	memcpy(&addr, ADDR, sizeof(addr));
	assert_int_equal(dhcp6_parse(rd_init(in, sizeof(in) - 1), &msg), 0);
	dhcp6_begin(&w, DHCP6_REPLY, &msg, &server);
	dhcp6_put_preference(&w, 255);
	dhcp6_put_rapid_commit(&w);
	size_t at = dhcp6_ia_begin(&w, 7, 1, 2);
	dhcp6_ia_put_addr(&w, &addr, 3, 4);
	dhcp6_ia_end(&w, at);
	dhcp6_put_no_prefix(&w, 9);
	dhcp6_put_dns(&w, &addr, 1);
	dhcp6_put_domains(&w, "lan");
	assert_true(wr_ok(&w));
	assert_int_equal(w.len, sizeof(want) - 1);
	assert_memory_equal(buf, want, w.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_fields),
					    cmocka_unit_test(test_many), cmocka_unit_test(test_duid_length),
					    cmocka_unit_test(test_build) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
