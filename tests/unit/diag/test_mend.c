/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_mend - what --fix writes into sysctl.d, and taking a fix back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "diag/mend.h"
#include "plan/op.h"

static void test_set_line(void **state)
{
	static const struct {
		const char *why, *text, *path, *value, *want;
	} cases[] = {
		{ "a new file says whose it is", "", "net/ipv6/conf/eth0/accept_ra", "2",
		  "# Settings that `sixtap doctor --fix` found to help. Yours to change or to delete.\n# id, eth0\n"
		  "net/ipv6/conf/eth0/accept_ra = 2\n" },
		{ "what is there stays", "# mine\nnet.ipv4.ip_forward=1\n", "net/ipv6/conf/all/proxy_ndp", "1",
		  "# mine\nnet.ipv4.ip_forward=1\n# id, eth0\nnet/ipv6/conf/all/proxy_ndp = 1\n" },
		{ "the same setting is replaced where it stands, in either spelling",
		  "net.ipv6.conf.eth0/5.accept_ra=1\nx=1\nnet/ipv6/conf/eth0.5/accept_ra = 0\n", "net/ipv6/conf/eth0.5/accept_ra", "2",
		  "net/ipv6/conf/eth0.5/accept_ra = 2\nx=1\n" },
		{ "eth0/5 is not eth0.5 with slashes", "net/ipv6/conf/eth0/5/accept_ra=1\n", "net/ipv6/conf/eth0.5/accept_ra", "2",
		  "net/ipv6/conf/eth0/5/accept_ra=1\n# id, eth0\nnet/ipv6/conf/eth0.5/accept_ra = 2\n" },
		{ "a comment sets nothing", "#net.ipv4.ip_forward=0\n", "net/ipv4/ip_forward", "1",
		  "#net.ipv4.ip_forward=0\n# id, eth0\nnet/ipv4/ip_forward = 1\n" },
		{ "a longer name is another setting", "net.ipv4.ip_forward_use_pmtu=0\n", "net/ipv4/ip_forward", "1",
		  "net.ipv4.ip_forward_use_pmtu=0\n# id, eth0\nnet/ipv4/ip_forward = 1\n" },
		{ "a last line without its end", "-net.ipv4.ip_forward = 0", "net/ipv4/ip_forward", "1", "net/ipv4/ip_forward = 1\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = mend_set_line(cases[i].text, cases[i].path, cases[i].value, "id, eth0");

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s:\n%s", cases[i].why, got);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_set_line) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
