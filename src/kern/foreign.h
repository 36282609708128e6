/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign - other people's firewalls: read, and given a rule of ours
 *
 * Theory of operation: every table of the IP families and of bridges with a filter
 * chain at a hook is read whole, over nfnetlink, and reduced to struct fw_table:
 * iptables-nft writes such tables too, its matches as blobs of xtables. What
 * iptables-legacy holds in its tables is read by getsockopt(). Not read: netdev
 * tables. Sets are asked for only where a rule looks up an interface, a protocol, a
 * port or a connection's state in them.
 *
 * Rules of ours carry the comment "sixtap:NETWORK": where iptables wrote the
 * table, as iptables would write it, so that `iptables -S` and `iptables -D` know
 * them. Legacy tables are never written: the kernel takes them only whole, so
 * whatever another program changes meanwhile would be lost.
 */
#pragma once
#include <netinet/in.h>
#include <linux/netfilter.h>
#include "kern/kern.h"
#include "kern/nl.h"
#include "model/world.h"
#include "plan/op.h"

/**
 * kern_foreign_observe() - Read the filter tables that aren't ours
 * @kern:	the kernel
 * @world:	with links; firewalls is filled
 *
 * Return: 0, or a negative errno
 */
int kern_foreign_observe(struct kern *kern, struct world *world);

/**
 * kern_foreign_rule() - Replace our rules in one chain of others
 * @kern:	the kernel
 * @op:		which, and by what; one transaction
 * @why:	set to the reason when it fails
 *
 * Return: 0 (also when there was nothing to remove), or a negative errno
 */
int kern_foreign_rule(struct kern *kern, const struct op_rule *op, char why[static NL_WHY_MAX]);

/* ---- inside kern/ ---- */

/* Reads a set; false: it can't be told. Keys as in struct nft_elem. */
struct foreign_sets {
	bool (*read)(void *user, const char *set, const struct nft_elem **ret, size_t *ret_n);
	void *user;
};

/* A list of conditions that grows. */
struct foreign_conds {
	struct arena *arena;
	struct fw_cond *conds;
	size_t n, cap;
};

struct foreign_rules {
	struct arena *arena;
	struct fw_rule *rules;
	size_t n, cap;
};

/**
 * foreign_parse_rule() - One NFT_MSG_NEWRULE, any bytes
 * @nlh:	the message
 * @world:	for the names of interfaces
 * @sets:	how sets are read; NULL: not at all
 * @list:	what the rule comes to is appended
 */
void foreign_parse_rule(const struct nlmsghdr *nlh, const struct world *world, const struct foreign_sets *sets,
			struct foreign_rules *list);

/* A match of xtables: adds conditions (none when it always holds), or a comment. */
void foreign_parse_match(const char *name, uint32_t rev, const void *info, size_t len, struct foreign_conds *list,
			 const char **comment);
/* Of a base chain: its type, and its hook's number in the IP families, of which bridges have the same. */
enum fw_hook foreign_hook(const char *type, uint32_t hooknum);
/* What iptables calls its chain at each hook: at NF_INET_PRE_ROUTING … */
extern const char *const foreign_builtins[NF_INET_NUMHOOKS];
/* What a target of xtables does to the packet. */
enum fw_verdict foreign_target_verdict(const char *name);
struct fw_cond *foreign_add(struct foreign_conds *list, enum fw_cond_kind kind, bool negated);
const char *foreign_name_of(struct arena *arena, const void *bytes, size_t len);
/* A name or a beginning of one ("virbr*"), from at most 16 bytes. */
void foreign_add_name(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, const void *bytes, size_t len);
void foreign_add_range(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, uint32_t first, uint32_t last);
void foreign_add_other(struct foreign_conds *list);
void foreign_add_prefix(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, sa_family_t family,
			const uint8_t *ip, const uint8_t *mask);

/* Queue NFT_MSG_NEWRULE: before the rule with that handle, or (0) behind the last. */
void foreign_put_rule(struct nlb *b, const struct op_rule *op, const struct fw_rule *rule);
void foreign_put_del(struct nlb *b, const struct op_rule *op, uint64_t handle);

/**
 * foreign_parse_legacy() - A table of iptables-legacy, any bytes
 * @arena:	where it is to live; @name and the bytes are borrowed
 * @nfproto:	NFPROTO_IPV4 or NFPROTO_IPV6
 * @name:	"filter", "nat", …
 * @info:	struct ipt_getinfo as the kernel gave it
 * @entries:	its entries, likewise
 * @ret:	set when true is returned
 */
bool foreign_parse_legacy(struct arena *arena, uint8_t nfproto, const char *name, const void *info, size_t info_len,
			  const void *entries, size_t len, struct fw_table *ret);

/* iptables-legacy's filter tables of both families are appended. @cap: of world->firewalls. */
void foreign_observe_legacy(const struct kern *kern, struct world *world, size_t *cap);
