/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/arp.h"

#define BYTES(s) (s), sizeof(s) - 1
#define ARP(op, sender) "\0\1\x08\0\6\4\0" op sender "\xc0\xa8\x96\x07" "\0\0\0\0\0\0" "\xc0\xa8\x96\x01"
#define MAC1 "\x52\x54\0\0\0\1"

static void packets(void **state)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t n;
		int want;
	} t[] = {
		{ "request", BYTES(ARP("\1", MAC1)), 0 },
		{ "reply, padded", BYTES(ARP("\2", MAC1) "padding"), 0 },
		{ "cut short", BYTES(ARP("\1", MAC1)) - 1, ARP_E_MALFORMED },
		{ "header cut short", BYTES("\0\1\x08\0\6\4\0"), ARP_E_MALFORMED },
		{ "RARP", BYTES(ARP("\3", MAC1)), ARP_E_NOT_OURS },
		{ "multicast sender", BYTES(ARP("\1", "\x01\0\x5e\0\0\1")), ARP_E_MALFORMED },
		{ "zero sender", BYTES(ARP("\1", "\0\0\0\0\0\0")), ARP_E_MALFORMED },
		{ "another hardware", BYTES("\0\6\x08\0\6\4\0\1" "01234567890123456789"), ARP_E_NOT_OURS },
		{ "address length 16", BYTES("\0\1\x08\0\6\x10\0\1" "01234567890123456789"), ARP_E_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arp arp;
		int r = arp_parse(rd_init(t[i].bytes, t[i].n), &arp);

		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
		if (r != 0)
			continue;

		uint8_t buf[28];
		struct wr w = wr_init(buf, sizeof(buf));

		arp_put(&w, &arp);
		if (!wr_ok(&w) || memcmp(buf, t[i].bytes, sizeof(buf)) != 0)
			fail_msg("%s: doesn't come out as it went in", t[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(packets) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
