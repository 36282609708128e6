/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of ours in others' chains: what is written is read back as the same, in both dialects. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
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

/* ---- what only bridges' rules say ---- */

#define ETH_TYPE_AT 12

static size_t begin_expr(struct nlb *b, const char *name, size_t *ret_data)
{
	size_t elem = nlb_nest(b, NFTA_LIST_ELEM);

	nlb_strz(b, NFTA_EXPR_NAME, name);
	*ret_data = nlb_nest(b, NFTA_EXPR_DATA);
	return elem;
}

static void end_expr(struct nlb *b, size_t elem, size_t data)
{
	nlb_end(b, data);
	nlb_end(b, elem);
}

/* A rule that compares a meta key (or 0: what kind of frame it is) with some bytes. */
static struct fw_rule compared(struct arena *arena, uint32_t key, const void *p, size_t n)
{
	const struct nfgenmsg nf = { .nfgen_family = NFPROTO_BRIDGE };
	struct foreign_rules list = { .arena = arena };
	_cleanup_(nlb_free) struct nlb b = { 0 };
	size_t elem, data, value;

	nlb_msg(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, 0, &nf, sizeof(nf));
	size_t exprs = nlb_nest(&b, NFTA_RULE_EXPRESSIONS);
	elem = begin_expr(&b, key ? "meta" : "payload", &data);
	nlb_be32(&b, key ? NFTA_META_DREG : NFTA_PAYLOAD_DREG, NFT_REG_1);
	if (key) {
		nlb_be32(&b, NFTA_META_KEY, key);
	} else {
		nlb_be32(&b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_LL_HEADER);
		nlb_be32(&b, NFTA_PAYLOAD_OFFSET, ETH_TYPE_AT);
		nlb_be32(&b, NFTA_PAYLOAD_LEN, 2);
	}
	end_expr(&b, elem, data);
	elem = begin_expr(&b, "cmp", &data);
	nlb_be32(&b, NFTA_CMP_SREG, NFT_REG_1);
	nlb_be32(&b, NFTA_CMP_OP, NFT_CMP_EQ);
	value = nlb_nest(&b, NFTA_CMP_DATA);
	nlb_put(&b, NFTA_DATA_VALUE, p, n);
	nlb_end(&b, value);
	end_expr(&b, elem, data);
	nlb_end(&b, exprs);
	foreign_parse_rule((const void *)b.p, NULL, NULL, &list);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.rules[0].n_conds, 1);
	return list.rules[0];
}

static void test_frames(void **state)
{
	static const struct {
		const char *why;
		uint8_t type[2];
		uint32_t family;
	} types[] = {
		{ "IPv4", { 0x08, 0x00 }, AF_INET },
		{ "IPv6", { 0x86, 0xdd }, AF_INET6 },
		{ "ARP", { 0x08, 0x06 }, FW_FAMILY_ARP },
		{ "LLDP is nobody's", { 0x88, 0xcc }, AF_UNSPEC },
	};
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct fw_rule rule = compared(arena, NFT_META_BRI_IIFNAME, "lan\0\0\0\0\0\0\0\0\0\0\0\0", 16);

	(void)state;
	assert_int_equal(rule.conds[0].kind, FW_COND_IBR);
	assert_string_equal(rule.conds[0].names[0], "lan");
	rule = compared(arena, NFT_META_BRI_OIFNAME, "br", 2);
	assert_int_equal(rule.conds[0].kind, FW_COND_OBR);
	assert_string_equal(rule.conds[0].names[0], "br*");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct fw_rule by_header = compared(arena, 0, types[i].type, 2);
		const struct fw_rule by_meta = compared(arena, NFT_META_PROTOCOL, types[i].type, 2);

		if (by_header.conds[0].kind != FW_COND_FAMILY || by_header.conds[0].ranges[0].first != types[i].family)
			fail_msg("%s: %d", types[i].why, by_header.conds[0].kind);
		assert_true(fw_cond_same(&by_header.conds[0], &by_meta.conds[0]));
	}
}

static void test_hooks(void **state)
{
	(void)state;
	assert_int_equal(foreign_hook("filter", NF_INET_PRE_ROUTING), FW_HOOK_PREROUTING);
	assert_int_equal(foreign_hook("filter", NF_INET_LOCAL_IN), FW_HOOK_INPUT);
	assert_int_equal(foreign_hook("filter", NF_INET_FORWARD), FW_HOOK_FORWARD);
	assert_int_equal(foreign_hook("filter", NF_INET_LOCAL_OUT), FW_HOOK_OUTPUT);
	assert_int_equal(foreign_hook("route", NF_INET_LOCAL_OUT), FW_HOOK_OUTPUT);
	assert_int_equal(foreign_hook("filter", NF_INET_POST_ROUTING), FW_HOOK_POSTROUTING);
	assert_int_equal(foreign_hook("nat", NF_INET_POST_ROUTING), FW_HOOK_NONE);
	assert_int_equal(foreign_hook("nat", NF_INET_PRE_ROUTING), FW_HOOK_NONE);
	assert_int_equal(foreign_hook("filter", UINT32_MAX), FW_HOOK_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_hooks),
	};

	return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
