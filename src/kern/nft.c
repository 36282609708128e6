/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft - our two nftables tables
 *
 * A dump is several requests: table, chains, rules, sets, and one for the
 * elements of each set. All are of one generation of the ruleset, or the dump
 * is done again.
 */
#include "kern/nft.h"

#include <ctype.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <malloc.h>
#include <stdio.h>
#include "kern/nfnl.h"
#include "kern/nft_lib.h"
#include "kern/priv.h"
#include "kern/records.h"

#define RECORD_RULES "rules"

/* ----------------------------------------------------------------------- text */

/* Which module brings what stands in a rule: the kernel says only "no such file". */
static const struct {
	const char *word, *module;
} modules[] = {
	{ "masquerade", "nft_masq" },	 { "dnat", "nft_nat" },		{ "snat", "nft_nat" },
	{ "redirect", "nft_redir" },	 { "type nat", "nft_chain_nat" }, { "fib ", "nft_fib_inet" },
	{ "reject", "nft_reject_inet" }, { "ct ", "nft_ct" },		{ "limit", "nft_limit" },
	{ "ibrname", "nft_meta_bridge" }, { "ibrport", "nft_meta_bridge" }, { "log", "nft_log" },
	{ "table bridge", "nf_tables_bridge" }, { "hook egress", "the netdev egress hook of Linux 5.16" },
};

/* libnftables: "FILE:1:2-3: Error: WORDS\nthe line\n   ^^^^\n". */
static int explain_text(const char *said, char why[static NFT_WHY_MAX])
{
	const char *words = strstr(said, "Error: "), *line = NULL;
	char first[160];
	int err = -EINVAL;

	words = words ? words + strlen("Error: ") : said;
	size_t n = strcspn(words, "\n");
	if (words[n] == '\n')
		line = words + n + 1;
	while (n > 0 && ispunct((unsigned char)words[n - 1]) && words[n - 1] != '"' && words[n - 1] != ')')
		n--;
	(void)snprintf(first, sizeof(first), "%.*s", (int)n, words);

	static const char process[] = "Could not process rule: ";
	const char *rest = strncmp(first, process, strlen(process)) == 0 ? first + strlen(process) : first;
	char *lower = first + (rest - first);
	if (isupper((unsigned char)lower[0]) && !isupper((unsigned char)lower[1]))
		lower[0] = (char)tolower((unsigned char)lower[0]);
	if (strstr(rest, "o such file or directory"))
		err = -ENOENT;
	else if (strstr(rest, "peration not permitted"))
		err = -EPERM;
	else if (strstr(rest, "ile exists"))
		err = -EEXIST;
	else if (strstr(rest, "evice or resource busy"))
		err = -EBUSY;

	const char *module = NULL;
	if ((err == -ENOENT || strstr(rest, "not supported")) && line) {
		_cleanup_(freep) char *quoted = strndup(line, strcspn(line, "\n"));

		for (size_t i = 0; quoted && !module && i < ARRAY_LEN(modules); i++)
			if (strstr(quoted, modules[i].word))
				module = modules[i].module;
	}
	if (rest == first)
		(void)snprintf(why, NFT_WHY_MAX, "nftables doesn't understand the rules: %s", rest);
	else if (module)
		(void)snprintf(why, NFT_WHY_MAX, "the kernel refused the transaction: %s (%s isn't there?)", rest, module);
	else
		(void)snprintf(why, NFT_WHY_MAX, "the kernel refused the transaction: %s", rest);
	return err;
}

/* Run commands; what they print goes to *ret_out (may be NULL). */
static int run(struct kern *kern, const char *text, char **ret_out, char why[static NFT_WHY_MAX])
{
	int r = 0;

	(void)kern->nft_lib->nft_ctx_buffer_output(kern->nft);
	(void)kern->nft_lib->nft_ctx_buffer_error(kern->nft);
	if (kern->nft_lib->nft_run_cmd_from_buffer(kern->nft, text) != 0)
		r = explain_text(kern->nft_lib->nft_ctx_get_error_buffer(kern->nft), why);
	else if (ret_out)
		*ret_out = xstrdup(kern->nft_lib->nft_ctx_get_output_buffer(kern->nft));
	(void)kern->nft_lib->nft_ctx_unbuffer_output(kern->nft);
	(void)kern->nft_lib->nft_ctx_unbuffer_error(kern->nft);
	/* It parses into many small pieces, which otherwise stay with us for good. */
	(void)malloc_trim(0);
	return r;
}

static int ignore(void *user, const struct nlmsghdr *nlh)
{
	(void)user;
	(void)nlh;
	return 0;
}

/* Return: 1 when our table is there, 0 when it isn't, or negative errno. */
static int table_exists(struct kern *kern, uint8_t family, char why[static NL_WHY_MAX])
{
	nlb_reset(&kern->b);
	nfnl_put_get(&kern->b, NFT_MSG_GETTABLE, 0, family, NFTA_TABLE_NAME);
	int r = nl_dump(&kern->nf, &kern->b, ignore, NULL, why);
	if (r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? r : 1;
}

/* First failure of a transaction. */
static int first_error(const struct nl_result *results, size_t n, char why[static NFT_WHY_MAX])
{
	for (size_t i = 0; i < n; i++) {
		if (results[i].err == 0)
			continue;
		char words[NL_WHY_MAX];
		(void)str_copy(words, sizeof(words), results[i].why);
		nl_explain(results[i].err, words);
		(void)snprintf(why, NFT_WHY_MAX, "the kernel refused the transaction: %.200s", words);
		return results[i].err;
	}
	return 0;
}

/* Send kern->b, a whole transaction. */
static int commit(struct kern *kern, char why[static NFT_WHY_MAX])
{
	_cleanup_(freep) struct nl_result *results = xcalloc(kern->b.n_msgs, sizeof(*results));
	int r = nl_batch(&kern->nf, &kern->b, results);

	if (r == 0)
		return first_error(results, kern->b.n_msgs, why);
	why[0] = '\0';
	nl_explain(r, why);
	return r;
}

static int delete_table(struct kern *kern, uint8_t family, char why[static NFT_WHY_MAX])
{
	int r = table_exists(kern, family, why);

	if (r < 0)
		nl_explain(r, why);
	if (r <= 0)
		return r;
	nlb_reset(&kern->b);
	nfnl_put_begin(&kern->b);
	nfnl_put_del_table(&kern->b, family);
	nfnl_put_end(&kern->b);
	return commit(kern, why);
}

/* Would the kernel take it? @answer: 0: not asked yet, 1: yes, -1: no. */
static bool would_take(struct kern *kern, const char *text, int *answer)
{
	char why[NFT_WHY_MAX];

	if (*answer == 0 && kern_nf(kern) == 0) {
		kern->nft_lib->nft_ctx_set_dry_run(kern->nft, true);
		int r = run(kern, text, NULL, why);
		kern->nft_lib->nft_ctx_set_dry_run(kern->nft, false);
		*answer = r == 0 || r == -EPERM ? 1 : -1;
	}
	return *answer >= 0;
}

bool kern_nft_has_ibrname(struct kern *kern)
{
	static const char text[] =
		"table bridge sixtap_asks {\n\tchain c {\n"
		"\t\ttype filter hook input priority 0; policy accept;\n\t\tmeta ibrname \"lo\" accept\n\t}\n}\n";

	return would_take(kern, text, &kern->ibrname);
}

bool kern_nft_has_egress(struct kern *kern)
{
	static const char text[] =
		"table netdev sixtap_asks {\n\tchain c {\n"
		"\t\ttype filter hook egress device \"lo\" priority filter; policy accept;\n\t}\n}\n";
	const char *forced = getenv("SIXTAP_EGRESS");

	if (kern->egress == 0 && str_eq(forced, "no"))
		kern->egress = -1;
	return would_take(kern, text, &kern->egress);
}

int kern_nft_list(struct kern *kern, uint8_t family, char **ret)
{
	const char *name = family == NFPROTO_BRIDGE ? "bridge " NFT_TABLE_NAME :
			   family == NFPROTO_NETDEV ? "netdev " NFT_TABLE_NAME : "inet " NFT_TABLE_NAME;
	_cleanup_(freep) char *list = NULL, *command = xasprintf("list table %s", name);
	char why[NFT_WHY_MAX] = "";
	int r = kern_nf(kern);

	if (r == 0)
		r = table_exists(kern, family, why);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret = xstrdup("");
		return 0;
	}
	unsigned int flags = kern->nft_lib->nft_ctx_output_get_flags(kern->nft);
	kern->nft_lib->nft_ctx_output_set_flags(kern->nft, flags | NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_STATELESS);
	r = run(kern, command, &list, why);
	kern->nft_lib->nft_ctx_output_set_flags(kern->nft, flags);
	if (r < 0)
		return r;
	*ret = xasprintf("add table %s\ndelete table %s\n%s", name, name, list);
	return 0;
}

/* ------------------------------------------------------------------- elements */

/* One set's attributes, for those whose intervals we have to write. */
struct get_set {
	const char *name;
	struct nfnl_set set;
	bool found;
};

static int on_one_set(void *user, const struct nlmsghdr *nlh)
{
	struct get_set *get = user;
	struct nfnl_set set;

	if (nfnl_parse_set(nlh, &set) && strcmp(set.name, get->name) == 0) {
		get->set = set;
		get->found = true;
	}
	return 0;
}

/* Does @set keep the ends of intervals as elements of their own? Return: 0, 1, or negative errno. */
static int set_is_rbtree(struct kern *kern, struct nlb *b, uint8_t family, const char *name, char why[static NL_WHY_MAX])
{
	struct get_set get = { .name = name };

	nlb_reset(b);
	nfnl_put_get(b, NFT_MSG_GETSET, 0, family, NFTA_SET_TABLE);
	nlb_strz(b, NFTA_SET_NAME, name);
	int r = nl_dump(&kern->nf, b, on_one_set, &get, why);
	if (r < 0)
		return r;
	return get.found && (get.set.flags & NFT_SET_INTERVAL) && !(get.set.flags & NFT_SET_CONCAT);
}

static int cmp_elem_ptr(const void *a, const void *b)
{
	return nft_elem_cmp(*(const struct nft_elem *const *)a, *(const struct nft_elem *const *)b);
}

/* Queue @elems, gathered by set. */
static int put_all(struct kern *kern, struct nlb *get, uint8_t family, const struct nft_elem *elems, size_t n, bool add,
		   char why[static NFT_WHY_MAX])
{
	if (n == 0)
		return 0;
	_cleanup_(freep) const struct nft_elem **order = xcalloc(n, sizeof(struct nft_elem *));
	_cleanup_(freep) struct nft_elem *sorted = xcalloc(n, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		order[i] = &elems[i];
	qsort(order, n, sizeof(struct nft_elem *), cmp_elem_ptr);
	for (size_t i = 0; i < n; i++)
		sorted[i] = *order[i];
	for (size_t i = 0, j; i < n; i = j) {
		int rbtree = 0;

		for (j = i; j < n && strcmp(sorted[j].set, sorted[i].set) == 0;)
			j++;
		if (sorted[i].key_end_len > 0)
			rbtree = set_is_rbtree(kern, get, family, sorted[i].set, why);
		if (rbtree < 0) {
			(void)snprintf(why, NFT_WHY_MAX, "set %s: %s", sorted[i].set, strerror(-rbtree));
			return rbtree;
		}
		nfnl_put_elems(&kern->b, family, sorted + i, j - i, add, rbtree);
	}
	return 0;
}

int kern_nft_elems(struct kern *kern, uint8_t family, const struct nft_elem *del, size_t n_del,
		   const struct nft_elem *add, size_t n_add, char why[static NFT_WHY_MAX])
{
	_cleanup_(nlb_free) struct nlb get = { 0 };
	int r = kern_nf(kern);

	why[0] = '\0';
	if (r < 0) {
		nl_explain(r, why);
		return r;
	}
	if (n_del + n_add == 0)
		return 0;
	nlb_reset(&kern->b);
	nfnl_put_begin(&kern->b);
	r = put_all(kern, &get, family, del, n_del, false, why);
	if (r == 0)
		r = put_all(kern, &get, family, add, n_add, true, why);
	if (r < 0)
		return r;
	nfnl_put_end(&kern->b);
	return commit(kern, why);
}

/* ---------------------------------------------------------------------- dumps */

struct dump {
	struct arena *arena;
	struct w_table *table;
	size_t cap_chains;
	struct nfnl_set *sets;
	size_t n_sets, cap_sets;
	const char *set;	/* whose elements come now; in the arena */
	struct nfnl_elems elems;
	struct nfnl_gen gen;
	uint64_t rules;		/* hash of all rules */
};

static int on_gen(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;

	return nfnl_parse_gen(nlh, &d->gen) ? 0 : -EBADMSG;
}

static int on_table(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;
	const char *name = nfnl_parse_table(nlh), *comment = nfnl_parse_comment(nlh);

	if (!name || strcmp(name, NFT_TABLE_NAME) != 0)
		return 0;
	d->table->present = true;
	if (comment)
		d->table->comment = arena_strdup(d->arena, comment);
	d->rules = nfnl_hash_table(d->rules, nlh);
	return 0;
}

static int on_chain(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;
	const char *name = nfnl_parse_chain(nlh);

	if (!name)
		return 0;
	d->rules = nfnl_hash_chain(d->rules, nlh);
	ARENA_GROW(d->arena, d->table->chains, d->table->n_chains, d->cap_chains);
	d->table->chains[d->table->n_chains++] = (struct w_chain){ .name = arena_strdup(d->arena, name) };
	return 0;
}

static int on_rule(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;
	const char *name = nfnl_parse_rule_chain(nlh);

	if (name)
		d->rules = nfnl_hash_rule(d->rules, nlh);
	for (size_t i = 0; name && i < d->table->n_chains; i++)
		if (strcmp(d->table->chains[i].name, name) == 0)
			d->table->chains[i].n_rules++;
	return 0;
}

static int on_set(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;
	struct nfnl_set set;

	if (!nfnl_parse_set(nlh, &set))
		return 0;
	ARENA_GROW(d->arena, d->sets, d->n_sets, d->cap_sets);
	d->sets[d->n_sets++] = set;
	return 0;
}

static int on_elems(void *user, const struct nlmsghdr *nlh)
{
	struct dump *d = user;

	nfnl_parse_elems(nlh, d->set, &d->elems);
	return 0;
}

static int get_gen(struct kern *kern, struct dump *d)
{
	char why[NL_WHY_MAX];

	nlb_reset(&kern->b);
	nfnl_put_get_gen(&kern->b);
	return nl_dump(&kern->nf, &kern->b, on_gen, d, why);
}

uint32_t kern_nft_own_pid(struct kern *kern)
{
	struct dump d = { 0 };

	return get_gen(kern, &d) == 0 ? d.gen.pid : 0;
}

static int dump_kind(struct kern *kern, struct dump *d, uint8_t family, uint8_t msg, uint16_t flags,
		     uint16_t table_attr, nl_fn fn)
{
	char why[NL_WHY_MAX];

	nlb_reset(&kern->b);
	nfnl_put_get(&kern->b, msg, flags, family, table_attr);
	return nl_dump(&kern->nf, &kern->b, fn, d, why);
}

static int dump_elems(struct kern *kern, struct dump *d, uint8_t family)
{
	char why[NL_WHY_MAX];

	for (size_t i = 0; i < d->n_sets; i++) {
		size_t from = d->elems.n;

		d->set = arena_strdup(d->arena, d->sets[i].name);
		nlb_reset(&kern->b);
		nfnl_put_get_elems(&kern->b, family, d->set);
		int r = nl_dump(&kern->nf, &kern->b, on_elems, d, why);
		if (r != 0)
			return r;
		nfnl_join_intervals(&d->sets[i], &d->elems, from);
	}
	return 0;
}

/* ---- the rules as they were made: a record of their hash ---- */

static const char *rules_key(uint8_t family)
{
	return family == NFPROTO_BRIDGE ? "bridge" : family == NFPROTO_NETDEV ? "netdev" : "inet";
}

/* Without a record nobody knows better. */
static bool rules_are_ours(struct kern *kern, uint8_t family, uint64_t hash)
{
	json_t *o = NULL;
	bool ours = record_get(kern->run_dir, RECORD_RULES, rules_key(family), &o) != 0 ||
		    (uint64_t)json_integer_value(json_object_get(o, "hash")) == hash;

	json_decref(o);
	return ours;
}

/* The table, its chains and its rules. Their hash doesn't change with what counts or what sets hold. */
static int dump_structure(struct kern *kern, struct dump *d, uint8_t family)
{
	int r = dump_kind(kern, d, family, NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, on_table);

	if (r == 0)
		r = dump_kind(kern, d, family, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFTA_CHAIN_TABLE, on_chain);
	if (r == 0)
		r = dump_kind(kern, d, family, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, on_rule);
	return r;
}

/* The table has just been made, or deleted. If somebody was quicker than this, the next change of his is noticed. */
static void record_rules(struct kern *kern, uint8_t family)
{
	struct w_table table = { .family = family };
	struct arena *arena = arena_new();
	struct dump d = { .arena = arena, .table = &table, .rules = NFNL_HASH_START };
	int r = dump_structure(kern, &d, family);

	arena_free(arena);
	if (r != 0 || d.rules == NFNL_HASH_START) {	/* none: it was deleted */
		(void)record_del(kern->run_dir, RECORD_RULES, rules_key(family));
		return;
	}
	json_t *o = json_pack("{s:I}", "hash", (json_int_t)d.rules);
	if (!o || record_put(kern->run_dir, RECORD_RULES, rules_key(family), o) < 0)
		(void)record_del(kern->run_dir, RECORD_RULES, rules_key(family));
	json_decref(o);
}

int kern_nft_text(struct kern *kern, uint8_t family, const char *text, char why[static NFT_WHY_MAX])
{
	int r = kern_nf(kern);

	why[0] = '\0';
	if (r < 0) {
		nl_explain(r, why);
		return r;
	}
	if (text[0] == '\0') {
		r = delete_table(kern, family, why);
		(void)record_del(kern->run_dir, RECORD_RULES, rules_key(family));
		return r;
	}
	r = run(kern, text, NULL, why);
	if (r == 0)
		record_rules(kern, family);
	return r;
}

/* Return: 0, NL_E_CHANGED, or negative errno. */
static int dump_once(struct kern *kern, uint8_t family, struct arena *arena, struct w_table *ret)
{
	struct w_table table = { .family = family };
	struct dump d = { .arena = arena, .table = &table, .elems = { .arena = arena }, .rules = NFNL_HASH_START };
	int r = get_gen(kern, &d);
	uint32_t gen = d.gen.id;

	if (r == -EINVAL)	/* the kernel has no nf_tables at all */
		r = -ENOENT;
	if (r == 0)
		r = dump_structure(kern, &d, family);
	if (!table.present && (r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)) {
		*ret = table;
		return 0;
	}
	if (r == 0)
		r = dump_kind(kern, &d, family, NFT_MSG_GETSET, NLM_F_DUMP, NFTA_SET_TABLE, on_set);
	if (r == 0)
		r = dump_elems(kern, &d, family);
	if (r == 0)
		r = get_gen(kern, &d);
	if (r == -ENOENT)	/* something went away under us */
		return NL_E_CHANGED;
	if (r == 0 && d.gen.id != gen)
		return NL_E_CHANGED;
	if (r != 0)
		return r;
	table.replaced = table.present && !rules_are_ours(kern, family, d.rules);
	table.elems = d.elems.elems;
	table.n_elems = d.elems.n;
	*ret = table;
	return 0;
}

int kern_nft_dump(struct kern *kern, uint8_t family, struct arena *arena, struct w_table *ret)
{
	int r = kern_nf(kern);

	for (int i = 0; r == 0 && i < NL_TRIES; i++) {
		r = dump_once(kern, family, arena, ret);
		if (r != NL_E_CHANGED)
			return r;
		r = 0;
	}
	return r < 0 ? r : -EAGAIN;
}
