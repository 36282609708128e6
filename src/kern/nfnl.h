/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnl - nftables messages to and from structs
 *
 * Inside kern/ only. Parsing takes any bytes (fuzzed); building needs no
 * kernel. nft.h says how elements with intervals look.
 */
#pragma once
#include "base/arena.h"
#include "base/fnv.h"
#include "kern/nl.h"
#include "model/world.h"

/* A set or map, as far as it matters. */
struct nfnl_set {
	char name[64];
	uint32_t flags;		/* NFT_SET_* */
	uint32_t key_len, data_len;
	uint32_t data_type;
};

/* Return: true when it is one of table "sixtap" whose elements we look at. */
bool nfnl_parse_set(const struct nlmsghdr *nlh, struct nfnl_set *ret);

/* Name of the table that any nftables event is about, or NULL. */
const char *nfnl_parse_table(const struct nlmsghdr *nlh);

/* The comment in a table's user data, or NULL; borrowed from @nlh. Not terminated by more than its own NUL. */
const char *nfnl_parse_comment(const struct nlmsghdr *nlh);

/* Name of the chain in a message about a chain (of table "sixtap", else NULL) or about a rule. */
const char *nfnl_parse_chain(const struct nlmsghdr *nlh);
const char *nfnl_parse_rule_chain(const struct nlmsghdr *nlh);


/*
 * Go on with a hash over what a table does: whether it sleeps, what its base chains do in the end, and of rules their
 * chain and what they do as the kernel tells it; not their numbers, nor counters of ours.
 */
#define NFNL_HASH_START FNV64_BASIS
uint64_t nfnl_hash_table(uint64_t h, const struct nlmsghdr *nlh);
uint64_t nfnl_hash_chain(uint64_t h, const struct nlmsghdr *nlh);
uint64_t nfnl_hash_rule(uint64_t h, const struct nlmsghdr *nlh);

/* The generation that a NFT_MSG_NEWGEN tells, and who made it. */
struct nfnl_gen {
	uint32_t id, pid;
	char comm[16];
};
bool nfnl_parse_gen(const struct nlmsghdr *nlh, struct nfnl_gen *ret);

/* Elements as the kernel tells them; end marks a separate element that closes an interval. */
struct nfnl_elems {
	struct arena *arena;
	struct nft_elem *elems;
	bool *end;
	size_t n, cap, cap_end;
};

/* Append the elements of one message; those that are too large for struct nft_elem are left out. */
void nfnl_parse_elems(const struct nlmsghdr *nlh, const char *set, struct nfnl_elems *list);

/* Bring what was appended since @from into the form of nft.h. */
void nfnl_join_intervals(const struct nfnl_set *set, struct nfnl_elems *list, size_t from);

void nfnl_put_begin(struct nlb *b);
void nfnl_put_end(struct nlb *b);
void nfnl_put_get(struct nlb *b, uint8_t msg, uint16_t flags, uint8_t family, uint16_t table_attr);
void nfnl_put_get_gen(struct nlb *b);
void nfnl_put_get_elems(struct nlb *b, uint8_t family, const char *set);
void nfnl_put_del_table(struct nlb *b, uint8_t family);

/*
 * Add (or delete) elements; several messages when they don't fit into one. All are of one set. @rbtree: an interval set
 * that isn't a concatenation, whose ends are elements of their own.
 */
void nfnl_put_elems(struct nlb *b, uint8_t family, const struct nft_elem *elems, size_t n, bool add, bool rbtree);
