/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/log.h"
#include "base/mem.h"

static void test_gate(void **state)
{
	static const struct {
		mono_t at_s;
		bool pass;
		unsigned int held;
		const char *why;
	} t[] = {
		{ 100, true, 0, "first of the burst" },
		{ 100, true, 0, "second" },
		{ 100, true, 0, "third" },
		{ 100, false, 0, "burst is used up" },
		{ 109, false, 0, "not yet" },
		{ 110, true, 2, "one came back, two were held" },
		{ 110, false, 0, "only one, not a whole burst" },
		{ 119, false, 0, "again not yet" },
		{ 135, true, 2, "two came back" },
		{ 135, true, 0, "the second of them" },
		{ 135, false, 0, "no third" },
		{ 140, true, 1, "the interval counts from when it was due" },
		{ 9999, true, 0, "long silence: a burst again" },
		{ 9999, true, 0, "second" },
		{ 9999, true, 0, "third" },
		{ 9999, false, 0, "no more than the burst" },
		{ 10008, false, 0, "full interval after a silence" },
		{ 10009, true, 2, "and then one" },
	};
	struct log_gate gate = { .every = 10 * MONO_S, .burst = 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned int held = 0;
		bool pass = log_gate_pass(&gate, t[i].at_s * MONO_S, &held);

		if (pass != t[i].pass || held != t[i].held)
			fail_msg("step %zu, %s: passed %d, held %u", i, t[i].why, pass, held);
	}
}

static void test_edges(void **state)
{
	struct log_gate always = { .every = 0, .burst = 1 }, none = { .every = MONO_S, .burst = 0 };
	unsigned int held;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(log_gate_pass(&always, 5, &held));
	assert_true(log_gate_pass(&none, 0, &held));	/* a burst of none would never speak */
	assert_false(log_gate_pass(&none, 0, &held));
	assert_true(log_gate_pass(&none, MONO_NEVER - 1, &held));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
