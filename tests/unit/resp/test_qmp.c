/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "resp/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define DONE "{\"return\": {}}\r\n"
#define ENTRY(name, mac, rest) "{\"name\": \"" name "\", \"main-mac\": \"" mac "\", \"promiscuous\": false, " \
	"\"multicast\": \"normal\", \"multicast-overflow\": false, \"unicast-table\": [], " rest "}"
#define TABLE(list) "\"multicast-table\": [" list "]"
#define FILTER(entries) "{\"return\": [" entries "]}\r\n"
#define CHANGED(name) "{\"timestamp\": {}, \"event\": \"NIC_RX_FILTER_CHANGED\", \"data\": {\"name\": \"" name "\"}}\r\n"
#define OURS "52:54:00:00:00:01"

static const struct mac mac = { { 0x52, 0x54, 0, 0, 0, 1 } };

static int say(struct qmp *q, const char *text, mono_t now, const struct qmp_filter **f)
{
	mono_t asked;

	*f = NULL;
	return qmp_input(q, text, strlen(text), now, f, &asked);
}

static struct qmp *ready(const char *nic)
{
	const struct qmp_filter *f;
	struct qmp *q;

	assert_int_equal(qmp_new(&q, nic, &mac), 0);
	assert_null(qmp_output(q, 0));		/* QEMU speaks first */
	assert_int_equal(say(q, GREETING, 0, &f), 0);
	assert_string_equal(qmp_output(q, 0), QMP_SAY_CAPABILITIES);
	assert_null(qmp_output(q, 0));
	assert_int_equal(say(q, DONE, 0, &f), 0);
	assert_string_equal(qmp_output(q, 0), QMP_SAY_QUERY);
	return q;
}

static void test_conversation(void **state)
{
	struct qmp *q = ready("");
	const struct qmp_filter *f;
	mono_t asked;

	(void)state;
	assert_int_equal(say(q, CHANGED("net0") "{\"return\": [", MONO_S, &f), 0);
	assert_null(qmp_output(q, MONO_S));	/* one question at a time */
	assert_int_equal(say(q, ENTRY("net9", "52:54:00:00:00:09", TABLE("")) "," ENTRY("net0", OURS,
			 TABLE("\"33:33:ff:00:00:01\", \"01:00:5e:00:00:01\"")) "]}\r\n" CHANGED("net9"), 2 * MONO_S, &f), 1);
	assert_int_equal(f->n, 2);
	assert_string_equal(f->nic, "net0");
	assert_int_equal(qmp_input(q, NULL, 0, 2 * MONO_S, &f, &asked), 0);
	assert_string_equal(qmp_output(q, 2 * MONO_S), QMP_SAY_QUERY);	/* for what changed meanwhile */
	/* The guest changes its MAC: the NIC is known by its id now. */
	assert_int_equal(say(q, FILTER(ENTRY("net0", "52:54:00:ff:ff:ff", TABLE(""))), 3 * MONO_S, &f), 1);
	assert_null(qmp_output(q, 3 * MONO_S));
	assert_int_equal(say(q, CHANGED("net9"), 4 * MONO_S, &f), 0);	/* another NIC's */
	assert_int_equal(qmp_deadline(q), MONO_NEVER);
	assert_int_equal(say(q, CHANGED("net0"), 4 * MONO_S, &f), 0);
	assert_string_equal(qmp_output(q, 4 * MONO_S), QMP_SAY_QUERY);
	assert_int_equal(say(q, FILTER(ENTRY("net0", OURS, TABLE(""))) CHANGED("net0"), 4 * MONO_S, &f), 1);
	(void)qmp_input(q, NULL, 0, 4 * MONO_S, &f, &asked);
	assert_null(qmp_output(q, 4 * MONO_S + MONO_MS));	/* not more often than it is good for */
	assert_int_equal(qmp_deadline(q), 4 * MONO_S + 100 * MONO_MS);
	qmp_free(q);
}

static void test_hostile(void **state)
{
	static const struct {
		const char *why, *text;
		int want;
	} t[] = {
		{ "no JSON", "hello\n", -EPROTO },
		{ "a list", "[1]\n", -EPROTO },
		{ "nothing known", "{\"x\": 1}\n", -EPROTO },
		{ "greets again", GREETING, -EPROTO },
		{ "an answer to nothing", DONE, -EPROTO },
		{ "no MAC", FILTER("{\"name\": \"a\", \"multicast\": \"normal\", \"multicast-table\": []}"), -EPROTO },
		{ "a table of numbers", FILTER(ENTRY("a", OURS, TABLE("1"))), -EPROTO },
		{ "multicast: some", "{\"return\": [{\"main-mac\": \"" OURS "\", \"promiscuous\": false, \"multicast\": \"some\", "
		  "\"multicast-overflow\": false, \"multicast-table\": []}]}\n", -EPROTO },
		{ "two answers to one question", FILTER("") FILTER(""), -EPROTO },
		{ "a unicast MAC among the groups", FILTER(ENTRY("a", OURS, TABLE("\"52:54:00:00:00:02\""))), 1 },
		{ "a name with a newline", FILTER(ENTRY("a\\nb", OURS, TABLE(""))), 1 },
		{ "an error", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"\"}}\n", 0 },
		{ "empty lines", "\r\n\n\r\n", 0 },
		{ "another answer", "{\"return\": 7}\n", 0 },
		{ "another event", "{\"event\": \"STOP\"}\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct qmp *q = ready("");
		const struct qmp_filter *f;
		int r = say(q, t[i].text, MONO_S, &f);

		if (r != t[i].want)
			fail_msg("%s: %d", t[i].why, r);
		if (r == 1)
			assert_true(f->n == 0);
		qmp_free(q);
	}
}

static void test_too_long(void **state)
{
	struct qmp *q = ready("");
	const struct qmp_filter *f;
	static char x[4096];
	int r = 0;

	(void)state;
	memset(x, ' ', sizeof(x) - 1);
	for (unsigned int i = 0; i < 100 && r == 0; i++)
		r = say(q, x, MONO_S, &f);
	assert_int_equal(r, -EPROTO);
	qmp_free(q);
}

static void test_full_table(void **state)
{
	struct qmp *q = ready("net0");
	const struct qmp_filter *f;
	static char text[16384];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"return\": [{\"name\": \"net0\", \"main-mac\": \"" OURS "\", \"promiscuous\": "
				    "true, \"multicast\": \"all\", \"multicast-overflow\": true, \"multicast-table\": [");

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"33:33:00:00:00:%02x\"", i ? "," : "", i);
	(void)snprintf(text + n, sizeof(text) - n, "]}]}\n");
	assert_int_equal(say(q, text, MONO_S, &f), 1);
	assert_int_equal(f->n, 200);
	assert_int_equal(f->multicast, QMP_MULTICAST_ALL);
	assert_true(f->overflow && f->promiscuous);
	qmp_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversation),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
