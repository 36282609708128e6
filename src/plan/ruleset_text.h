/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset_text - our tables in nft's words
 *
 * Inside plan/ruleset only; ruleset_text() is in plan/ruleset.h. Nothing of a
 * user's is written but interface names, and of those only what nft's language
 * can say.
 */
#pragma once
#include "plan/ruleset.h"

#define CHAIN_NAME 32		/* as in struct nft_elem */

/* What makes one translation chain differ from another. */
struct snat {
	uint16_t first, last;
	struct ip address4, address6;
};

/* A base chain of table netdev that hands one device's packets to a chain: "guard" (egress) or "host" (ingress). */
struct ruleset_hook {
	const char *device, *chain;
};

/* Structure beyond the schema. */
struct ruleset_extra {
	const struct snat *snats;	/* one translation chain each, in table inet */
	size_t n_snats;
	struct ruleset_hook *hooks;	/* sorted by device, in table netdev */
	size_t n_hooks;
};

/* Can nft's language say this name of an interface? */
bool ruleset_ifname_is_plain(const char *name);

/* By content, so that the name means the same in every version of the tables: "snat_any", "snat_50000_65535", … */
const char *snat_chain_name(const struct snat *snat, char buf[static CHAIN_NAME]);

/**
 * ruleset_structure() - Chains, rules and empty sets of one table
 * @table:	family is set; gets its chains, in @arena, not sorted yet
 * @guard:	with the guard chains
 * @extra:	what the configuration adds
 *
 * Return: one block without the table's own line, in @arena
 */
const char *ruleset_structure(struct arena *arena, struct w_table *table, bool guard, const struct ruleset_extra *extra);
