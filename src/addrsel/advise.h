/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * advise - the smallest gai.conf that makes one family win
 *
 * Tries changes of one line each, judges the host again with each, and takes
 * the first that makes the wanted family come first while nothing else on this
 * host changes its place: not among the destinations asked about, not among a
 * reference set of every kind of address.
 */
#pragma once
#include <stddef.h>
#include "addrsel/order.h"
#include "addrsel/policy.h"

enum advice_outcome {
	ADVICE_NOT_NEEDED,	/* the family comes first already */
	ADVICE_FOUND,
	ADVICE_IMPOSSIBLE,	/* why says what stands in the way */
	ADVICE_OUTCOME_N_,
};

struct advice {
	enum advice_outcome outcome;
	struct policy *policy;			/* FOUND: tables after the advice */
	bool changed[POLICY_KIND_N_];		/* FOUND: which of them differ */
	char *why;				/* IMPOSSIBLE: a sentence without a full stop */
};

/**
 * addrsel_advise() - Find the change
 * @policy:	tables as they are
 * @dests:	destinations with their sources, in the order of the answer
 * @n:		their number
 * @refs:	addrsel_reference(), with its sources as this host would choose them
 * @n_refs:	their number
 * @family:	AF_INET or AF_INET6: what shall come first
 *
 * Return: the advice; never NULL
 */
struct advice *addrsel_advise(const struct policy *policy, const struct addrsel_dest *dests, size_t n,
			      const struct addrsel_dest *refs, size_t n_refs, uint8_t family);
struct advice *advice_free(struct advice *advice);
DEFINE_FREEP(struct advice, advice_free)

/* One destination of every kind that exists; sources are for the caller to find. Return: their number. */
#define ADDRSEL_REFERENCE_MAX 24
size_t addrsel_reference(struct addrsel_dest ret[static ADDRSEL_REFERENCE_MAX]);

/* Is this entry the advised change (and not a line of the file, nor one of glibc's own spelled out)? */
bool advice_is_change(const struct policy_entry *entry);

/**
 * advice_config() - A whole gai.conf: every table that isn't glibc's own
 * @policy:	advice's policy
 *
 * Return: its text, to be freed
 */
char *advice_config(const struct policy *policy);

/**
 * advice_merge() - The advice worked into an existing gai.conf
 * @advice:	outcome ADVICE_FOUND
 * @before:	the policy that policy_parse() made of @text
 * @text:	the file; NULL for none
 * @len:	its length
 *
 * Everything in the file stays, comments included; lines that the advice
 * replaces are commented out, and what is needed is added at the end.
 *
 * Return: the new text, to be freed
 */
char *advice_merge(const struct advice *advice, const struct policy *before, const void *text, size_t len,
		   size_t *ret_len);

/* advice_config() as user data for cloud-init; to be freed. */
char *advice_cloud_init(const struct policy *policy);
