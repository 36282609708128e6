/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_nft_text - the words that nft has for rules
 *
 * libnftables lists the ruleset with handles and without elements; each rule's
 * line is found by its table, chain and handle. What it can't say stays without
 * words. A rule may go over several lines (anonymous maps do): it ends where its
 * handle stands.
 */
#include "diag/snap_read.h"

#include <linux/netfilter.h>
#include <malloc.h>
#include <stdio.h>
#include "kern/nft_lib.h"

static uint8_t family_number(const char *name)
{
	static const struct {
		const char *name;
		uint8_t family;
	} families[] = {
		{ "inet", NFPROTO_INET }, { "ip", NFPROTO_IPV4 },	 { "ip6", NFPROTO_IPV6 },
		{ "arp", NFPROTO_ARP },	  { "bridge", NFPROTO_BRIDGE }, { "netdev", NFPROTO_NETDEV },
	};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (strcmp(families[i].name, name) == 0)
			return families[i].family;
	}
	return NFPROTO_UNSPEC;
}

/* Cut " # handle N" off the end. Return: false when there is none. */
static bool cut_handle(char *line, uint64_t *ret)
{
	char *mark = NULL, *end;

	for (char *p = line; (p = strstr(p, " # handle ")); p++)
		mark = p;
	if (!mark)
		return false;
	*ret = strtoull(mark + 10, &end, 10);
	if (*end != '\0')
		return false;
	*mark = '\0';
	return true;
}

static void keep(struct snapshot *s, struct snap_chain *c, uint64_t handle, const char *text)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		if (c->rules[i].handle == handle)
			c->rules[i].text = arena_strdup(s->arena, text);
	}
}

static struct snap_chain *chain_of(struct snap_table *t, const char *name)
{
	for (size_t i = 0; t && i < t->n_chains; i++) {
		if (strcmp(t->chains[i].name, name) == 0)
			return &t->chains[i];
	}
	return NULL;
}

/* What belongs to a rule so far, its lines joined by one space. */
static void append(char **text, const char *line)
{
	char *joined;

	line += strspn(line, "\t ");
	joined = *text && (*text)[0] ? xasprintf("%s %s", *text, line) : xstrdup(line);
	free(*text);
	*text = joined;
}

static void take_list(struct snapshot *s, char *at)
{
	_cleanup_(freep) char *rule = NULL;
	struct snap_table *table = NULL;
	struct snap_chain *chain = NULL;
	char *line;

	while ((line = snap_line(&at))) {
		char family[16], name[256];
		uint64_t handle;

		if (sscanf(line, "table %15s %255s {", family, name) == 2) {
			table = NULL;
			chain = NULL;
			for (size_t i = 0; i < s->n_tables; i++) {
				if (s->tables[i].family == family_number(family) && strcmp(s->tables[i].name, name) == 0)
					table = &s->tables[i];
			}
			continue;
		}
		if (line[0] == '\t' && line[1] != '\t') {
			chain = sscanf(line, "\tchain %255s {", name) == 1 ? chain_of(table, name) : NULL;
			free(rule);
			rule = NULL;
			continue;
		}
		if (!chain || strncmp(line, "\t\t", 2) != 0)
			continue;
		if (!rule && (strncmp(line, "\t\ttype ", 7) == 0 || strncmp(line, "\t\tcomment ", 10) == 0))
			continue;
		bool ends = cut_handle(line, &handle);
		append(&rule, line);
		if (ends) {
			keep(s, chain, handle, rule);
			free(rule);
			rule = NULL;
		}
	}
}

void snap_read_nft_text(struct snapshot *s)
{
	const struct nft_lib *lib = nft_load();
	struct nft_ctx *nft = lib ? lib->nft_ctx_new(NFT_CTX_DEFAULT) : NULL;

	if (!nft)
		return;
	lib->nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE);
	(void)lib->nft_ctx_buffer_output(nft);
	(void)lib->nft_ctx_buffer_error(nft);
	if (lib->nft_run_cmd_from_buffer(nft, "list ruleset") == 0) {
		_cleanup_(freep) char *list = xstrdup(lib->nft_ctx_get_output_buffer(nft));

		take_list(s, list);
	}
	lib->nft_ctx_free(nft);
	(void)malloc_trim(0);	/* many small pieces, which otherwise stay with us */
}
