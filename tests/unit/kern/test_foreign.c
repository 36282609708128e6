/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of ours in others' chains: what is written is read back as the same, in both dialects. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>
#include "kern/foreign.h"

#define COMMENT "sixtap:lan"

static const char *const lan[] = { "lan" }, *const eth0[] = { "a-name-of-15-ch" };
static const struct fw_range answers = { FW_CT_ESTABLISHED | FW_CT_RELATED, FW_CT_ESTABLISHED | FW_CT_RELATED };
static const struct fw_range all_answers = { FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_DNAT,
					     FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_DNAT };
static const struct fw_range dnat = { FW_CT_DNAT, FW_CT_DNAT }, udp = { 17, 17 }, dns = { 53, 53 };

static const struct {
	const char *why;
	bool xt;
	struct fw_cond conds[3];
	size_t n;
} rules[] = {
	{ "two devices", false, { { .kind = FW_COND_IIF, .names = lan, .n = 1 }, { .kind = FW_COND_OIF, .names = eth0, .n = 1 } }, 2 },
	{ "two devices, as iptables", true,
	  { { .kind = FW_COND_IIF, .names = lan, .n = 1 }, { .kind = FW_COND_OIF, .names = eth0, .n = 1 } }, 2 },
	{ "answers", false, { { .kind = FW_COND_OIF, .names = lan, .n = 1 }, { .kind = FW_COND_CT, .ranges = &answers, .n = 1 } }, 2 },
	{ "forwarded ports", false,
	  { { .kind = FW_COND_OIF, .names = lan, .n = 1 }, { .kind = FW_COND_CT, .ranges = &dnat, .n = 1 } }, 2 },
	{ "both in one, as iptables", true,
	  { { .kind = FW_COND_OIF, .names = lan, .n = 1 }, { .kind = FW_COND_CT, .ranges = &all_answers, .n = 1 } }, 2 },
	{ "DNS", false,
	  { { .kind = FW_COND_IIF, .names = lan, .n = 1 }, { .kind = FW_COND_L4PROTO, .ranges = &udp, .n = 1 },
	    { .kind = FW_COND_DPORT, .ranges = &dns, .n = 1 } }, 3 },
	{ "DNS, as iptables", true,
	  { { .kind = FW_COND_IIF, .names = lan, .n = 1 }, { .kind = FW_COND_L4PROTO, .ranges = &udp, .n = 1 },
	    { .kind = FW_COND_DPORT, .ranges = &dns, .n = 1 } }, 3 },
};

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		_cleanup_(nlb_free) struct nlb b = { 0 };
		const struct op_rule op = { .family = NFPROTO_IPV4, .table = "filter", .chain = "FORWARD", .comment = COMMENT,
					    .xt = rules[i].xt, .before = 7 };
		const struct fw_rule rule = { .conds = rules[i].conds, .n_conds = rules[i].n, .verdict = FW_VERDICT_ACCEPT,
					      .comment = COMMENT };
		struct foreign_rules list = { .arena = arena };

		foreign_put_rule(&b, &op, &rule);
		assert_false(b.bad);
		foreign_parse_rule((const void *)b.p, NULL, NULL, &list);
		if (list.n != 1 || !fw_rule_same(&list.rules[0], &rule))
			fail_msg("%s: %zu rules, %zu conditions", rules[i].why, list.n, list.n ? list.rules[0].n_conds : 0);
		assert_string_equal(fw_rule_network(&list.rules[0]), "lan");
		/* Cut anywhere, it is still safe to read. */
		for (uint32_t len = NLMSG_HDRLEN; len < b.len; len++) {
			struct nlmsghdr *nlh = malloc(len);

			memcpy(nlh, b.p, len);
			nlh->nlmsg_len = len;
			foreign_parse_rule(nlh, NULL, NULL, &list);
			free(nlh);
		}
	}
}

static size_t match(const char *name, uint32_t rev, const void *info, size_t len, struct foreign_conds *list)
{
	const char *comment = NULL;

	list->n = 0;
	foreign_parse_match(name, rev, info, len, list, &comment);
	return list->n;
}

static void test_matches(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct foreign_conds list = { .arena = arena };
	struct xt_conntrack_mtinfo3 ct = { .match_flags = XT_CONNTRACK_STATE, .invert_flags = XT_CONNTRACK_STATE,
					   .state_mask = XT_CONNTRACK_STATE_INVALID };
	struct xt_udp ports = { .spts = { 0, 0xffff }, .dpts = { 53, 53 } };
	struct xt_addrtype_info_v1 type = { .dest = XT_ADDRTYPE_LOCAL };

	(void)state;
	assert_int_equal(match("conntrack", 3, &ct, sizeof(ct), &list), 1);
	assert_int_equal(list.conds[0].kind, FW_COND_CT);
	assert_true(list.conds[0].negated);
	ct.match_flags |= XT_CONNTRACK_ORIGSRC;
	assert_int_equal(match("conntrack", 3, &ct, sizeof(ct), &list), 2);
	assert_int_equal(list.conds[1].kind, FW_COND_OTHER);
	assert_int_equal(match("conntrack", 3, &ct, 8, &list), 1);
	assert_int_equal(list.conds[0].kind, FW_COND_OTHER);
	assert_int_equal(match("udp", 0, &ports, sizeof(ports), &list), 2);
	assert_int_equal(list.conds[1].ranges[0].first, 53);
	ports.spts[0] = 1024;	/* says more than we can judge */
	assert_int_equal(match("udp", 0, &ports, sizeof(ports), &list), 3);
	assert_int_equal(list.conds[1].kind, FW_COND_OTHER);
	assert_int_equal(match("addrtype", 1, &type, sizeof(type), &list), 1);
	assert_int_equal(list.conds[0].kind, FW_COND_DTYPE);
	assert_int_equal(match("whatever", 1, &type, sizeof(type), &list), 1);
	assert_int_equal(list.conds[0].kind, FW_COND_OTHER);
	assert_int_equal(foreign_target_verdict("REJECT"), FW_VERDICT_DROP);
	assert_int_equal(foreign_target_verdict("LOG"), FW_VERDICT_NONE);
	assert_int_equal(foreign_target_verdict("NFQUEUE"), FW_VERDICT_OTHER);
}

static void test_names(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct foreign_conds list = { .arena = arena };

	(void)state;
	foreign_add_name(&list, FW_COND_IIF, false, "lan\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	foreign_add_name(&list, FW_COND_IIF, false, "virbr", 5);
	foreign_add_name(&list, FW_COND_IIF, false, "lan", 4);
	assert_string_equal(list.conds[0].names[0], "lan");
	assert_string_equal(list.conds[1].names[0], "virbr*");
	assert_string_equal(list.conds[2].names[0], "lan");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
