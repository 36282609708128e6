/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "kern/nl.h"

static void test_build_and_parse(void **state)
{
	static const uint16_t policy[8] = { [1] = 4, [2] = NL_STR, [3] = 2, [5] = 1 };
	const struct nlattr *tb[8], *inner[8];
	struct nlb b = { 0 };
	const uint32_t header = 0x01020304;

	(void)state;
	nlb_msg(&b, 77, NLM_F_DUMP, &header, sizeof(header));
	nlb_u32(&b, 1, 0xdeadbeef);
	nlb_strz(&b, 2, "name");
	nlb_u8(&b, 3, 9);			/* too short for the policy */
	size_t nest = nlb_nest(&b, 4);
	nlb_be32(&b, 1, 5);
	nlb_put(&b, 2, "abc", 3);		/* a string without an end */
	nlb_end(&b, nest);
	nest = nlb_nest(&b, 5);
	nlb_u8(&b, 1, 1);
	nlb_cancel(&b, nest);
	nlb_u8(&b, 99, 1);			/* unknown */
	nlb_msg(&b, 78, 0, NULL, 0);

	assert_false(b.bad);
	assert_int_equal(b.n_msgs, 2);
	const struct nlmsghdr *nlh = (void *)b.p;
	assert_int_equal(nlh->nlmsg_type, 77);
	assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_true(nl_parse_msg(nlh, sizeof(header), tb, 7, policy));
	assert_int_equal(nl_u32(tb[1]), 0xdeadbeef);
	assert_string_equal(nl_str(tb[2]), "name");
	assert_null(tb[3]);
	assert_null(tb[5]);
	assert_int_equal(nl_u16(tb[3]), 0);
	nl_parse_nest(tb[4], inner, 7, policy);
	assert_int_equal(nl_be32(inner[1]), 5);
	assert_null(inner[2]);
	nl_parse_nest(tb[5], inner, 7, policy);
	assert_null(inner[1]);
	size_t n = 0;
	NL_EACH(nlh, b.p, b.len)
		n++;
	assert_int_equal(n, 2);
	nlb_free(&b);
}

static void test_too_large(void **state)
{
	static const uint8_t big[65535];
	struct nlb b = { 0 };

	(void)state;
	nlb_msg(&b, 1, 0, NULL, 0);
	nlb_put(&b, 1, big, 65531);
	assert_false(b.bad);
	size_t nest = nlb_nest(&b, 2);
	nlb_put(&b, 1, big, 65531);
	nlb_end(&b, nest);
	assert_true(b.bad);
	nlb_reset(&b);
	assert_false(b.bad);
	nlb_msg(&b, 1, 0, NULL, 0);
	nlb_put(&b, 1, big, 65532);
	assert_true(b.bad);
	nlb_free(&b);
}

/* Messages of the kernel with an error, its words, and all that may be odd about them. */
static void test_errors(void **state)
{
	enum { ACK_TLVS = NLM_F_ACK_TLVS, CAPPED = NLM_F_CAPPED };
	static const struct {
		uint16_t type, flags;
		int32_t error;
		bool quoted;		/* the whole request precedes the words */
		const char *words;
		int want;
		const char *want_words, *why;
	} t[] = {
		{ NLMSG_ERROR, 0, 0, false, NULL, 0, "", "an acknowledgement" },
		{ NLMSG_ERROR, 0, -ENODEV, true, NULL, -ENODEV, "", "an old kernel" },
		{ NLMSG_ERROR, ACK_TLVS | CAPPED, -EINVAL, false, "Bad thing", -EINVAL, "Bad thing", "words" },
		{ NLMSG_ERROR, ACK_TLVS, -EINVAL, true, "Bad thing", -EINVAL, "Bad thing", "words behind the request" },
		{ NLMSG_ERROR, ACK_TLVS | CAPPED, 0, false, "Only a warning", 0, "Only a warning", "words of a success" },
		{ NLMSG_ERROR, 0, 5, false, NULL, -EBADMSG, "", "a positive error" },
		{ NLMSG_DONE, ACK_TLVS, -EINTR, false, "Stopped", -EINTR, "Stopped", "a dump that failed" },
		{ NLMSG_DONE, 0, 0, false, NULL, 0, "", "a dump that didn't" },
		{ NLMSG_DONE, 0, 3, false, NULL, 0, "", "a dump that counts" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nlb b = { 0 };
		char why[NL_WHY_MAX];
		struct nlmsgerr e = { .error = t[i].error, .msg.nlmsg_len = t[i].quoted ? 16 + 24 : 16 };

		nlb_msg(&b, t[i].type, t[i].flags, &e, t[i].type == NLMSG_DONE ? sizeof(int) : sizeof(e));
		if (t[i].quoted)
			nlb_put(&b, 1, "an attribute of ours", 20);	/* 24 bytes */
		if (t[i].words)
			nlb_strz(&b, NLMSGERR_ATTR_MSG, t[i].words);
		int r = nl_parse_error((void *)b.p, why);
		if (r != t[i].want || strcmp(why, t[i].want_words) != 0)
			fail_msg("%s: %d '%s'", t[i].why, r, why);
		nlb_free(&b);
	}
	struct nlmsghdr bare = { .nlmsg_len = sizeof(bare), .nlmsg_type = NLMSG_ERROR };
	char why[NL_WHY_MAX];
	assert_int_equal(nl_parse_error(&bare, why), -EBADMSG);
	bare.nlmsg_type = NLMSG_DONE;
	assert_int_equal(nl_parse_error(&bare, why), 0);
}

static void test_explain(void **state)
{
	static const struct {
		const char *words;
		int err;
		const char *want;
	} t[] = {
		{ "", -ENODEV, "no such device" },
		{ "Device is up.", -EBUSY, "Device is up (device or resource busy)" },
		{ "x \n", -EEXIST, "x (file exists)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char why[NL_WHY_MAX];

		(void)str_copy(why, sizeof(why), t[i].words);
		nl_explain(t[i].err, why);
		assert_string_equal(why, t[i].want);
	}
}

/* Broken lengths end a walk; nothing behind them is looked at. */
static void test_broken_attributes(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t len, want;
		const char *why;
	} t[] = {
		{ { 4, 0, 1, 0, 5, 0, 2, 0, 7 }, 12, 2, "two, the second with padding" },
		{ { 4, 0, 1, 0, 5, 0, 2, 0, 7 }, 9, 2, "padding may be missing at the end" },
		{ { 0, 0, 1, 0, 4, 0, 2, 0 }, 8, 0, "length 0" },
		{ { 3, 0, 1, 0, 4, 0, 2, 0 }, 8, 0, "shorter than its header" },
		{ { 4, 0, 1, 0, 255, 255, 2, 0 }, 8, 1, "longer than the rest" },
		{ { 4, 0, 1 }, 3, 0, "cut header" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_Alignas(4) uint8_t bytes[12];
		const void *at = bytes;
		size_t left = t[i].len, n = 0;

		memcpy(bytes, t[i].bytes, sizeof(bytes));
		while (nl_next(&at, &left))
			n++;
		if (n != t[i].want)
			fail_msg("%s: %zu", t[i].why, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_and_parse), cmocka_unit_test(test_too_large), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_explain),	       cmocka_unit_test(test_broken_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
