/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy - gai.conf and the tables that glibc makes of it
 *
 * Three tables turn an address into a number: labels and precedences (RFC 6724
 * section 2.1) and the scopes of IPv4 addresses (section 3.2). Each is glibc's
 * own until the file has one good line of its kind; then it holds the file's
 * lines only. A policy is never changed in place: policy_with() makes another.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/report.h"
#include "net/addr.h"

#define GAI_CONF "/etc/gai.conf"

enum policy_kind {
	POLICY_LABEL,
	POLICY_PRECEDENCE,
	POLICY_SCOPE,		/* of IPv4 addresses; prefixes lie within ::ffff:0:0/96 */
	POLICY_KIND_N_,
};

struct policy_entry {
	struct in6_addr prefix;		/* IPv4: mapped; host bits as they were written */
	uint8_t len;			/* 0-128 */
	int32_t value;			/* 0-INT32_MAX */
	uint32_t line;			/* in the file, from 1; 0: ours or glibc's own */
	const char *text;		/* how glibc's own manual spells the prefix, or NULL */
};

struct policy_table {
	struct policy_entry *entries;	/* in the order of the file */
	size_t n, cap;
	uint32_t *sorted;		/* indexes: longest prefix first, of equal prefixes only the first of the file */
	size_t n_sorted;
	uint32_t start[130];		/* the entries of length 128 - i are sorted[start[i]] … sorted[start[i + 1]] */
	bool custom;			/* the file has lines of this kind */
};

struct policy {
	struct policy_table tables[POLICY_KIND_N_];
	bool reload;
};

/**
 * policy_parse() - Read a gai.conf as glibc 2.36 does
 * @text:	bytes of the file, anything at all; NULL for no file
 * @len:	how many
 * @file:	its name, for warnings; borrowed by @report
 * @report:	warnings about lines that do something else than they say, or NULL
 *
 * What glibc ignores is ignored; there are no errors. Follows gaiconf_init() of
 * glibc's getaddrinfo.c; see policy.c for where that one is undefined.
 *
 * Return: the policy; never NULL
 */
struct policy *policy_parse(const void *text, size_t len, const char *file, struct report *report);
struct policy *policy_free(struct policy *policy);
DEFINE_FREEP(struct policy, policy_free)

/**
 * policy_with() - The same policy with one line more, or one value changed
 * @policy:	what there is
 * @kind:	which table
 * @entry:	the line; an entry with the same prefix is replaced where it stands
 *
 * A table that was glibc's own is spelled out first, so that nothing else changes.
 *
 * Return: a new policy; never NULL
 */
struct policy *policy_with(const struct policy *policy, enum policy_kind kind, const struct policy_entry *entry);

/* The entry that decides for @ip, or NULL when the default for no entry does (label 1, precedence 40, scope 14). */
const struct policy_entry *policy_match(const struct policy *policy, enum policy_kind kind, const struct ip *ip);

int32_t policy_label(const struct policy *policy, const struct ip *ip);
int32_t policy_precedence(const struct policy *policy, const struct ip *ip);
int32_t policy_scope(const struct policy *policy, const struct ip *ip);	/* both families */

bool policy_entry_same(const struct policy_entry *a, const struct policy_entry *b);	/* equal prefixes; host bits don't count */

/**
 * policy_entry_text() - One line of gai.conf, without the newline
 * @kind:	its keyword
 * @entry:	the line
 * @width:	columns for the prefix, 0 for one blank
 * @buf:	result
 *
 * Return: @buf
 */
#define POLICY_LINE_MAX 96
const char *policy_entry_text(enum policy_kind kind, const struct policy_entry *entry, int width,
			      char buf[static POLICY_LINE_MAX]);

/* An address as the 128 bits that the tables look at. */
struct in6_addr policy_bits(const struct ip *ip);
