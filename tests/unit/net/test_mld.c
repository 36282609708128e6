/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/icmpv6.h"
#include "net/mld.h"

#define BYTES(s) (s), sizeof(s) - 1
#define GROUP "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\1\2\3"
#define HOST "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define RECORD(type, aux, sources) type aux "\0" sources GROUP
#define V2(n) "\x8f\0\0\0\0\0\0" n
#define V1(type) type "\0\0\0\0\0\0\0"

static void reports(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		int want;
		size_t n_records, n_left_out;
		bool joins;
	} t[] = {
		{ "v1 report", BYTES(V1("\x83") GROUP), 0, 1, 0, true },
		{ "v1 done", BYTES(V1("\x84") GROUP), 0, 1, 0, false },
		{ "v1 cut short", BYTES(V1("\x83") GROUP) - 1, MLD_E_MALFORMED, 0, 0, false },
		{ "v1 of a unicast address", BYTES(V1("\x83") HOST), MLD_E_MALFORMED, 0, 0, false },
		{ "v2 joins with TO_EXCLUDE {}", BYTES(V2("\1") RECORD("\4", "\0", "\0")), 0, 1, 0, true },
		{ "v2 leaves with TO_INCLUDE {}", BYTES(V2("\1") RECORD("\3", "\0", "\0")), 0, 1, 0, false },
		{ "v2 joins with a source", BYTES(V2("\1") RECORD("\3", "\0", "\1") HOST), 0, 1, 0, true },
		{ "v2 with auxiliary data", BYTES(V2("\2") RECORD("\4", "\1", "\0") "data" RECORD("\4", "\0", "\0")), 0, 2, 0,
		  true },
		{ "v2 with an unknown record", BYTES(V2("\2") RECORD("\4", "\0", "\0") RECORD("\7", "\0", "\0")), 0, 1, 1, true },
		{ "v2 without records", BYTES(V2("\0")), 0, 0, 0, false },
		{ "v2: more records said than there are", BYTES(V2("\2") RECORD("\4", "\0", "\0")), MLD_E_MALFORMED, 0, 0, false },
		{ "v2: more sources said than there are", BYTES(V2("\1") RECORD("\4", "\0", "\2") HOST), MLD_E_MALFORMED, 0, 0,
		  false },
		{ "v2: auxiliary data cut", BYTES(V2("\1") RECORD("\4", "\xff", "\0") "data"), MLD_E_MALFORMED, 0, 0, false },
		{ "a query", BYTES("\x82\0\0\0\0\0\0\0" GROUP), MLD_E_NOT_OURS, 0, 0, false },
		{ "nothing", BYTES(""), MLD_E_NOT_OURS, 0, 0, false },
	};
	const struct ndp_meta meta = { .hop_limit = 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mld_report report = { 0 };
		int r = mld_parse(rd_init(t[i].bytes, t[i].n), &meta, &report);

		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r == 0 && (report.n_records != t[i].n_records || report.n_left_out != t[i].n_left_out))
			fail_msg("%s: wrong counts", t[i].why);
		if (r == 0 && report.n_records && mld_record_joins(&report.records[0]) != t[i].joins)
			fail_msg("%s: joins or not", t[i].why);
	}
}

static void rules_about_the_packet(void **state)
{
	struct rd report = rd_init(BYTES(V1("\x83") GROUP));
	struct ndp_meta routed = { .hop_limit = 255 }, global = { .src.s6_addr = { 0x20, 1 }, .hop_limit = 1 };
	struct ndp_meta local = { .src.s6_addr = { 0xfe, 0x80 }, .hop_limit = 1 };
	struct mld_report out;

	(void)state;
	assert_int_equal(mld_parse(report, &routed, &out), MLD_E_MALFORMED);
	assert_int_equal(mld_parse(report, &global, &out), MLD_E_MALFORMED);
	assert_int_equal(mld_parse(report, &local, &out), 0);
}

static void more_records_than_we_keep(void **state)
{
	static uint8_t buf[8 + 20 * (MLD_RECORDS + 3)];
	const struct ndp_meta meta = { .hop_limit = 1 };
	struct mld_report report;

	(void)state;
	buf[0] = ICMPV6_MLD2_REPORT;
	buf[7] = MLD_RECORDS + 3;
	for (size_t i = 0; i < MLD_RECORDS + 3; i++)
		memcpy(buf + 8 + i * 20, RECORD("\4", "\0", "\0"), 20);
	assert_int_equal(mld_parse(rd_init(buf, sizeof(buf)), &meta, &report), 0);
	assert_int_equal(report.n_records, MLD_RECORDS);
	assert_int_equal(report.n_left_out, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports),
		cmocka_unit_test(rules_about_the_packet),
		cmocka_unit_test(more_records_than_we_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
