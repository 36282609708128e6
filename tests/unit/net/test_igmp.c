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
#include "net/igmp.h"

#define BYTES(s) (s), sizeof(s) - 1
#define GROUP "\xef\1\2\3"
#define V3(n) "\x22\0\0\0\0\0\0" n

static void reports(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		int want;
		size_t n_records, n_left_out;
		enum mld_record_type type;
		bool current;
	} t[] = {
		{ "v1 report", BYTES("\x12\0\0\0" GROUP), 0, 1, 0, MLD_IS_EXCLUDE, false },
		{ "v2 report", BYTES("\x16\0\0\0" GROUP), 0, 1, 0, MLD_IS_EXCLUDE, false },
		{ "v2 leave", BYTES("\x17\0\0\0" GROUP), 0, 1, 0, MLD_TO_INCLUDE, false },
		{ "v2 of no group", BYTES("\x16\0\0\0\x0a\1\2\3"), IGMP_E_MALFORMED, 0, 0, 0, false },
		{ "a query", BYTES("\x11\0\0\0\0\0\0\0"), IGMP_E_NOT_OURS, 0, 0, 0, false },
		{ "cut short", BYTES("\x16\0\0\0\xef\1\2"), IGMP_E_MALFORMED, 0, 0, 0, false },
		{ "v3 joins", BYTES(V3("\1") "\4\0\0\0" GROUP), 0, 1, 0, MLD_TO_EXCLUDE, true },
		{ "v3 with a source and auxiliary data", BYTES(V3("\2") "\3\1\0\1" GROUP "\x0a\0\0\1" "data" "\4\0\0\0" GROUP), 0, 2,
		  0, MLD_TO_INCLUDE, true },
		{ "v3 with an unknown record", BYTES(V3("\2") "\1\0\0\0" GROUP "\7\0\0\0" GROUP), 0, 1, 1, MLD_IS_INCLUDE, true },
		{ "v3: more records said than there are", BYTES(V3("\2") "\4\0\0\0" GROUP), IGMP_E_MALFORMED, 0, 0, 0, false },
		{ "v3: more sources said than there are", BYTES(V3("\1") "\4\0\0\2" GROUP "\x0a\0\0\1"), IGMP_E_MALFORMED, 0, 0, 0,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct igmp_report report = { 0 };
		uint8_t bytes[128];
		struct ipv4 ip = { .proto = IGMP_PROTO };

		memcpy(bytes, t[i].bytes, t[i].n);
		uint16_t sum = checksum_end(checksum_add(0, bytes, t[i].n));
		bytes[2] = (uint8_t)(sum >> 8);
		bytes[3] = (uint8_t)sum;
		ip.payload = rd_init(bytes, t[i].n);
		int r = igmp_parse(&ip, &report);

		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r == 0 && (report.n_records != t[i].n_records || report.n_left_out != t[i].n_left_out ||
			       report.records[0].type != t[i].type || report.current != t[i].current))
			fail_msg("%s: read wrongly", t[i].why);
		bytes[1] ^= 1;
		assert_int_equal(igmp_parse(&ip, &report), IGMP_E_MALFORMED);	/* the checksum is wrong now */
		ip.proto = IPPROTO_UDP;
		assert_int_equal(igmp_parse(&ip, &report), IGMP_E_NOT_OURS);
	}
}

/* What we ask with is what others' parsers take. */
static void queries(void **state)
{
	const struct in6_addr src = { { { 0xfe, 0x80, [15] = 1 } } };
	struct mld_query query;
	uint8_t buf[128];
	struct wr w = wr_init(buf, sizeof(buf));
	struct ipv4 ip4;
	struct ipv6 ip6;
	struct rd icmp;
	uint8_t type;

	(void)state;
	igmp_put_query(&w);
	assert_true(wr_ok(&w));
	assert_int_equal(ipv4_parse(rd_init(buf, w.len), &ip4), 0);
	assert_int_equal(ip4.ttl, 1);
	assert_int_equal(ip4.payload.left, 12);
	assert_int_equal(ip4.payload.p[0], 0x11);
	assert_int_equal(checksum_end(checksum_add(0, ip4.payload.p, 12)), 0);

	w = wr_init(buf, sizeof(buf));
	mld_put_query(&w, &src);
	assert_true(wr_ok(&w));
	assert_int_equal(ipv6_parse(rd_init(buf, w.len), &ip6), 0);
	assert_true(ip6.router_alert);
	assert_int_equal(icmpv6_open(&ip6, true, &type, &icmp), 0);
	const struct ndp_meta meta = { ip6.src, ip6.dst, ip6.hop_limit };
	assert_int_equal(mld_parse_query(icmp, &meta, &query), 0);
	assert_int_equal(query.version, 2);
	assert_int_equal(query.max_response_ms, 500);
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&query.group));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports),
		cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
