/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever a kernel may answer: rtnetlink, nftables, sock_diag, errors.
 *
 * The first byte chooses the parser, the rest is a datagram of messages.
 */
#include <netinet/in.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include "kern/foreign.h"
#include "kern/nfnl.h"
#include "kern/rtnl.h"
#include "kern/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_link(const struct nlmsghdr *nlh)
{
	struct w_link l;

	if (!rtnl_parse_link(nlh, &l))
		return;
	check(l.ifindex > 0);
	check(memchr(l.name, 0, sizeof(l.name)) && memchr(l.kind, 0, sizeof(l.kind)) && memchr(l.alias, 0, sizeof(l.alias)));
	(void)rtnl_link_family(nlh);
	(void)rtnl_is_hardware(nlh, &l);
}

static void check_addr_and_route(const struct nlmsghdr *nlh)
{
	struct w_addr a;
	struct w_route r[RTNL_NEXTHOPS];

	if (rtnl_parse_addr(nlh, &a))
		check(a.prefix.len <= ip_bits(&a.prefix.ip) && ip_is_set(&a.prefix.ip));
	size_t n = rtnl_parse_route(nlh, r);
	check(n <= RTNL_NEXTHOPS);
	for (size_t i = 0; i < n; i++)
		check(r[i].dst.len <= ip_bits(&r[i].dst.ip));
}

static void check_nft(const struct nlmsghdr *nlh)
{
	struct nfnl_set set;
	struct nfnl_gen gen;
	const char *s;

	if (nfnl_parse_set(nlh, &set))
		check(memchr(set.name, 0, sizeof(set.name)) != NULL);
	if (nfnl_parse_gen(nlh, &gen))
		check(memchr(gen.comm, 0, sizeof(gen.comm)) != NULL);
	s = nfnl_parse_table(nlh);
	check(!s || strlen(s) < 65536);
	s = nfnl_parse_comment(nlh);
	check(!s || strlen(s) < 65536);
	s = nfnl_parse_chain(nlh);
	check(!s || strlen(s) < 65536);
	(void)nfnl_hash_rule(NFNL_HASH_START, nlh);
	s = nfnl_parse_rule_chain(nlh);
	check(!s || strlen(s) < 65536);
}

/* Intervals of a whole set: in order, and written again without a byte too many. */
static void check_elems(const struct nlmsghdr *nlh, uint32_t flags, struct nfnl_elems *list)
{
	const struct nfnl_set set = { .flags = flags };
	struct nlb b = { 0 };
	size_t from = list->n;

	nfnl_parse_elems(nlh, "s", list);
	nfnl_join_intervals(&set, list, from);
	for (size_t i = from; i < list->n; i++) {
		const struct nft_elem *e = &list->elems[i];

		check(e->key_len <= NFT_KEY_MAX && e->key_end_len <= NFT_KEY_MAX && e->data_len <= NFT_DATA_MAX);
		check(memchr(e->chain, 0, sizeof(e->chain)) != NULL);
		if (flags & NFT_SET_INTERVAL)
			check(e->key_end_len > 0 || e->key_len == 0);
	}
	if (list->n > from)
		nfnl_put_elems(&b, 1, list->elems + from, list->n - from, true, flags == NFT_SET_INTERVAL);
	check(!b.bad);
	nlb_free(&b);
}

/* A set of somebody else's, whatever the rule asks. */
static bool read_set(void *user, const char *set, const struct nft_elem **ret, size_t *ret_n)
{
	static const struct nft_elem elems[2] = {
		{ .set = "s", .key = "lan", .key_len = 4, .verdict = NFT_VERDICT_JUMP, .chain = "c" },
		{ .set = "s", .key = { 0, 53 }, .key_len = 2, .key_end = { 0, 80 }, .key_end_len = 2, .verdict = NFT_VERDICT_DROP },
	};

	(void)user;
	*ret = elems;
	*ret_n = strlen(set) % 3;
	return true;
}

static void check_foreign(const struct nlmsghdr *nlh, struct arena *arena)
{
	const struct foreign_sets sets = { .read = read_set };
	struct foreign_rules list = { .arena = arena };

	foreign_parse_rule(nlh, NULL, &sets, &list);
	for (size_t i = 0; i < list.n; i++) {
		const struct fw_rule *rule = &list.rules[i];

		check(rule->verdict < FW_VERDICT_N_);
		for (size_t k = 0; k < rule->n_conds; k++)
			check(rule->conds[k].kind < FW_COND_N_ && (rule->conds[k].n == 0 || rule->conds[k].names || rule->conds[k].ranges));
		(void)fw_rule_copy(arena, rule);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlmsghdr *nlh;
	struct w_listener listener;
	char why[NL_WHY_MAX];
	uint32_t inode;

	if (size < 1)
		return 0;
	/* Netlink's buffers are aligned, and end exactly where the datagram does. */
	uint8_t *buf = malloc(size - 1 ? size - 1 : 1);
	struct nfnl_elems list = { .arena = arena_new() };
	check(buf != NULL);
	memcpy(buf, data + 1, size - 1);
	NL_EACH(nlh, buf, size - 1) {
		switch (data[0] % 9) {
		case 0:
			check_link(nlh);
			break;
		case 1:
			check_addr_and_route(nlh);
			break;
		case 2:
			check_nft(nlh);
			break;
		case 3:
			check_elems(nlh, 0, &list);
			break;
		case 4:
			check_elems(nlh, NFT_SET_INTERVAL, &list);
			break;
		case 5:
			check_elems(nlh, NFT_SET_INTERVAL | NFT_SET_CONCAT, &list);
			break;
		case 6:
			(void)sockdiag_parse(nlh, IPPROTO_TCP, &listener, &inode);
			break;
		case 7:
			check(nl_parse_error(nlh, why) <= 0);
			check(memchr(why, 0, sizeof(why)) != NULL);
			nl_explain(-ENOENT, why);
			check(memchr(why, 0, sizeof(why)) != NULL);
			break;
		case 8:
			check_foreign(nlh, list.arena);
			break;
		}
	}
	arena_free(list.arena);
	free(buf);
	return 0;
}
