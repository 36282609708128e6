/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema - sets, maps, chains and rules of our tables
 *
 * Inside plan/ruleset only: the structure that is the same for every
 * configuration, before any network is in it. Its elements come from
 * plan/ruleset.c, its words for nft from plan/ruleset_text.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/world.h"

/* Fields of keys; each padded to 4 bytes. */
enum schema_field {
	FIELD_END,
	FIELD_IFNAME,
	FIELD_PROTO,
	FIELD_PORT,
	FIELD_IP4,
	FIELD_IP6,
	FIELD_MAC,
	FIELD_MARK,
	FIELD_RAW6,	/* an IPv6 address, in sets that are asked with raw payload too: nft has no word for the target of ND */
	FIELD_INDEX,
	FIELD_N_,
};

struct schema_field_type {
	const char *type;		/* nft's name of it; "": none */
	uint8_t size, padded;		/* bytes of the value; of its place in a key */
};

enum schema_data {
	DATA_NONE,
	DATA_VERDICT,
	DATA_IP4_PORT,
	DATA_IP6_PORT,
	DATA_MARK,
	DATA_GUARD,	/* of the guards: not nft's */
};

#define KEY_FIELDS 4

struct schema_set {
	uint8_t family;			/* NFPROTO_INET, NFPROTO_BRIDGE, or GUARD_FAMILY: a map of the eBPF guards */
	const char *name;
	enum schema_field key[KEY_FIELDS + 1];
	bool interval;
	enum schema_data data;
	bool guard;			/* of the guard chains */
	const char *type;		/* instead of what the key says */
};

#define CHAIN_RULES 16

struct schema_chain {
	uint8_t family;
	const char *name;
	const char *hook;		/* NULL: reached by jumps only */
	const char *rules[CHAIN_RULES];	/* up to the first NULL */
	bool guard;
};

extern const struct schema_field_type schema_fields[FIELD_N_];
extern const struct schema_set schema_sets[];
extern const size_t schema_n_sets;
extern const struct schema_chain schema_chains[];	/* in an order in which each chain comes before those that jump to it */
extern const size_t schema_n_chains;

/* Sets, in nft's words, that fill themselves and forget; nobody but the kernel looks at their elements. */
extern const char schema_guard_memory[];

/* Return: the set or map of this name in our table of @family, or NULL */
const struct schema_set *schema_set_find(uint8_t family, const char *name);
