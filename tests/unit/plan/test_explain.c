/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "plan/explain.h"

static char *print(const struct ops *ops, bool color, bool utf8, bool full)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	plan_print(ops, f, color, utf8, full);
	(void)fclose(f);
	return text;
}

static void add(struct ops *ops, enum op_action action, const char *object, const char *what, const char *why)
{
	struct op *op = ops_add(ops, OP_LINK_SET, action);	/* the kind doesn't count: it isn't in JSON either */

	op->object = object;
	op->what = what;
	op->why = why;
}

static void test_columns(void **state)
{
	_cleanup_(ops_freep) struct ops *ops = ops_new();

	(void)state;
	add(ops, OP_ACTION_CHANGE, "sysctl net.ipv4.ip_forward", "0 → 1", "guests' IPv4 is forwarded");
	add(ops, OP_ACTION_WAIT, "route default dev eth0", "confirmed", "");
	add(ops, OP_ACTION_CREATE, "link lan", "bridge, MTU 1500", "");
	add(ops, OP_ACTION_REMOVE, "address lan", "192.168.150.1/24", "");
	add(ops, OP_ACTION_CREATE, "serve lan", "RA, DHCPv4 .100–.199; DNS  lan.", "");
	_cleanup_(freep) char *text = print(ops, false, true, false);
	assert_string_equal(text, "  ~ sysctl   net.ipv4.ip_forward  0 → 1     guests' IPv4 is forwarded\n"
				  "  + link     lan                            bridge, MTU 1500\n"
				  "  − address  lan  192.168.150.1/24\n"
				  "  + serve    RA, DHCPv4 .100–.199\n"
				  "  + serve    DNS  lan.\n");
	_cleanup_(freep) char *ascii = print(ops, false, false, false);
	for (const char *c = ascii; *c; c++)
		assert_true((unsigned char)*c < 0x80);
	assert_non_null(strstr(ascii, "0 -> 1"));
	assert_non_null(strstr(ascii, "  - address  lan"));
	_cleanup_(freep) char *color = print(ops, true, true, false);
	assert_non_null(strstr(color, "\033[33m~\033[0m sysctl"));
	assert_non_null(strstr(color, "\033[2mguests' IPv4 is forwarded\033[0m\n"));
}

static void test_fold(void **state)
{
	(void)state;
	for (unsigned int n = 20; n <= 21; n++) {
		_cleanup_(ops_freep) struct ops *ops = ops_new();

		for (unsigned int i = 0; i < n; i++)
			add(ops, OP_ACTION_CHANGE, arena_printf(ops->arena, "link tap%u", i), "MTU 1500 → 1400", "port");
		add(ops, OP_ACTION_CHANGE, "link tap99", "leaves lan", "");
		_cleanup_(freep) char *text = print(ops, false, true, false);
		_cleanup_(freep) char *full = print(ops, false, true, true);
		assert_true((strstr(text, "tap0 … tap20 × 21") != NULL) == (n == 21));
		assert_true((strstr(text, "(--full lists them)") != NULL) == (n == 21));
		assert_non_null(strstr(text, "tap99"));
		assert_null(strstr(full, "×"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_columns), cmocka_unit_test(test_fold) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
