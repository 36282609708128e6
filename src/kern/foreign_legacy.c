/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_legacy - what iptables-legacy has put into the kernel
 *
 * The kernel gives out a table as one block: entries, each with its matches and
 * its target, chain after chain. A chain of the user's begins with a target
 * called ERROR that holds its name. Asking for a table that isn't there makes
 * the kernel load modules and create it, and every packet pays from then on:
 * so only tables are asked for that the kernel names in ip_tables_names.
 */
#include "kern/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "kern/priv.h"

#define TABLE_MAX (16U << 20)	/* bytes; some hundred thousand rules */

/* The two families differ in the layout of an entry, and in names. */
struct family {
	uint8_t nfproto;
	int af, level;
	const char *names;
	size_t entry;
};
static const struct family families[] = {
	{ NFPROTO_IPV4, AF_INET, IPPROTO_IP, "/proc/net/ip_tables_names", sizeof(struct ipt_entry) },
	{ NFPROTO_IPV6, AF_INET6, IPPROTO_IPV6, "/proc/net/ip6_tables_names", sizeof(struct ip6t_entry) },
};

void kern_xt_names(int ret[static 2])
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		ret[i] = open(families[i].names, O_RDONLY | O_CLOEXEC);
}

/* Those that can drop: "nat" can't. */
static const char *const tables[] = { "filter", "mangle", "raw", "security" };

/* Which of them there are: bits. */
static unsigned int tables_there(const struct kern *kern, size_t family)
{
	char buf[512];
	int fd = kern->xt_names[family], own = -1;
	unsigned int there = 0;
	ssize_t n;

	if (fd < 0)
		fd = own = open(families[family].names, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	closep(&own);
	buf[n > 0 ? n : 0] = '\0';
	for (const char *line = buf; *line; line += strcspn(line, "\n"), line += *line == '\n')
		for (unsigned int i = 0; i < ARRAY_LEN(tables); i++)
			if (strcspn(line, "\n") == strlen(tables[i]) && strncmp(line, tables[i], strlen(tables[i])) == 0)
				there |= 1U << i;
	return there;
}

struct block {
	const struct family *family;
	struct arena *arena;
	const uint8_t *p;
	size_t size;
	uint32_t hooks[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS];
	uint32_t valid;
	struct fw_table *table;
	struct foreign_rules rules;	/* of the chain at hand */
	struct start {
		size_t offset;
		const char *name;
	} *starts;
	size_t n_starts, cap_starts;
};

/* An entry at @offset, checked: it, its matches and its target lie inside the block. */
struct entry {
	size_t offset, next;
	const uint8_t *p;
	size_t target;		/* from its begin */
	bool goto_;
	const struct xt_entry_target *t;
};

static bool entry_at(const struct block *b, size_t offset, struct entry *ret)
{
	const uint8_t *p = b->p + offset;
	size_t target, next;

	if (offset > b->size || b->size - offset < b->family->entry)
		return false;
	if (b->family->af == AF_INET) {
		const struct ipt_entry *e = (const void *)p;

		target = e->target_offset;
		next = e->next_offset;
		ret->goto_ = e->ip.flags & IPT_F_GOTO;
	} else {
		const struct ip6t_entry *e = (const void *)p;

		target = e->target_offset;
		next = e->next_offset;
		ret->goto_ = e->ipv6.flags & IP6T_F_GOTO;
	}
	if (target < b->family->entry || next < target + sizeof(struct xt_entry_target) || next > b->size - offset)
		return false;
	ret->offset = offset;
	ret->next = offset + next;
	ret->p = p;
	ret->target = target;
	ret->t = (const void *)(p + target);
	return ret->t->u.target_size <= next - target && ret->t->u.target_size >= sizeof(*ret->t);
}

/* The name of a chain that begins here; NULL: none does. */
static const char *error_name(const struct entry *e)
{
	if (strncmp(e->t->u.user.name, XT_ERROR_TARGET, sizeof(e->t->u.user.name)) != 0 ||
	    e->t->u.target_size < sizeof(*e->t) + XT_FUNCTION_MAXNAMELEN)
		return NULL;
	return (const char *)e->t->data;
}

static size_t mask_len(const unsigned char *mask)
{
	size_t n = 0;

	while (n < IFNAMSIZ && mask[n])
		n++;
	return n;
}

static void devices(struct foreign_conds *c, const char *in, const unsigned char *in_mask, const char *out,
		    const unsigned char *out_mask, uint8_t inverted)
{
	if (in_mask[0])
		foreign_add_name(c, FW_COND_IIF, inverted & IPT_INV_VIA_IN, in, mask_len(in_mask));
	if (out_mask[0])
		foreign_add_name(c, FW_COND_OIF, inverted & IPT_INV_VIA_OUT, out, mask_len(out_mask));
}

static void addresses(struct foreign_conds *c, sa_family_t family, const void *src, const void *smask, const void *dst,
		      const void *dmask, uint8_t inverted)
{
	static const uint8_t none[16];
	size_t n = family == AF_INET ? 4 : 16;

	if (memcmp(smask, none, n) != 0)
		foreign_add_prefix(c, FW_COND_SADDR, inverted & IPT_INV_SRCIP, family, src, smask);
	if (memcmp(dmask, none, n) != 0)
		foreign_add_prefix(c, FW_COND_DADDR, inverted & IPT_INV_DSTIP, family, dst, dmask);
}

static void conditions(const struct block *b, const struct entry *e, struct foreign_conds *c, const char **comment)
{
	uint8_t inverted;
	uint16_t proto;

	if (b->family->af == AF_INET) {
		const struct ipt_ip *ip = &((const struct ipt_entry *)(const void *)e->p)->ip;

		inverted = ip->invflags;
		proto = ip->proto;
		devices(c, ip->iniface, ip->iniface_mask, ip->outiface, ip->outiface_mask, inverted);
		addresses(c, AF_INET, &ip->src, &ip->smsk, &ip->dst, &ip->dmsk, inverted);
		if (ip->flags & IPT_F_FRAG)
			foreign_add_other(c);
	} else {
		const struct ip6t_ip6 *ip = &((const struct ip6t_entry *)(const void *)e->p)->ipv6;

		inverted = ip->invflags;
		proto = ip->proto;
		devices(c, ip->iniface, ip->iniface_mask, ip->outiface, ip->outiface_mask, inverted);
		addresses(c, AF_INET6, &ip->src, &ip->smsk, &ip->dst, &ip->dmsk, inverted);
		if (ip->flags & IP6T_F_TOS)
			foreign_add_other(c);
	}
	if (proto > 0)
		foreign_add_range(c, FW_COND_L4PROTO, inverted & XT_INV_PROTO, proto, proto);
	for (size_t at = b->family->entry; at + sizeof(struct xt_entry_match) <= e->target;) {
		const struct xt_entry_match *m = (const void *)(e->p + at);
		char name[XT_EXTENSION_MAXNAMELEN + 1] = "";

		if (m->u.match_size < sizeof(*m) || m->u.match_size > e->target - at) {
			foreign_add_other(c);
			return;
		}
		memcpy(name, m->u.user.name, sizeof(m->u.user.name));
		foreign_parse_match(name, m->u.user.revision, m->data, m->u.match_size - sizeof(*m), c, comment);
		at += m->u.match_size;
	}
}

static void verdict(const struct block *b, const struct entry *e, struct fw_rule *rule)
{
	char name[XT_EXTENSION_MAXNAMELEN + 1] = "";
	int v;

	memcpy(name, e->t->u.user.name, sizeof(e->t->u.user.name));
	if (name[0] != '\0') {
		rule->verdict = foreign_target_verdict(name);
		return;
	}
	if (e->t->u.target_size < sizeof(struct xt_standard_target)) {
		rule->verdict = FW_VERDICT_OTHER;
		return;
	}
	v = ((const struct xt_standard_target *)(const void *)e->t)->verdict;
	if (v == -NF_ACCEPT - 1) {
		rule->verdict = FW_VERDICT_ACCEPT;
	} else if (v == -NF_DROP - 1) {
		rule->verdict = FW_VERDICT_DROP;
	} else if (v == XT_RETURN) {
		rule->verdict = FW_VERDICT_RETURN;
	} else if (v < 0) {
		rule->verdict = FW_VERDICT_OTHER;
	} else if ((size_t)v != e->next) {	/* else a rule without a target */
		rule->verdict = e->goto_ ? FW_VERDICT_GOTO : FW_VERDICT_JUMP;
		for (size_t i = 0; i < b->n_starts; i++)
			if (b->starts[i].offset == (size_t)v)
				rule->target = b->starts[i].name;
	}
}

static const char *builtin(const struct block *b, size_t offset, enum fw_hook *ret_hook, uint32_t *ret_underflow)
{
	for (size_t i = 0; i < NF_INET_NUMHOOKS; i++) {
		if (!(b->valid & 1U << i) || b->hooks[i] != offset)
			continue;
		*ret_hook = foreign_hook("filter", (uint32_t)i);
		*ret_underflow = b->underflow[i];
		return foreign_builtins[i];
	}
	return NULL;
}

static void find_starts(struct block *b)
{
	struct entry e;

	for (size_t at = 0; entry_at(b, at, &e); at = e.next) {
		const char *name = error_name(&e);

		if (!name)
			continue;
		ARENA_GROW(b->arena, b->starts, b->n_starts, b->cap_starts);
		b->starts[b->n_starts++] =
			(struct start){ e.next, arena_strndup(b->arena, name, strnlen(name, XT_FUNCTION_MAXNAMELEN)) };
	}
}

static void end_chain(struct block *b, struct fw_chain *c)
{
	if (!c)
		return;
	c->rules = b->rules.rules;
	c->n_rules = b->rules.n;
	b->rules = (struct foreign_rules){ .arena = b->arena };
}

static void parse(struct block *b)
{
	struct fw_chain *c = NULL;
	size_t cap = 0, at, user = 0;
	uint32_t underflow = UINT32_MAX;
	struct entry e;

	find_starts(b);
	b->rules.arena = b->arena;
	for (at = 0; entry_at(b, at, &e); at = e.next) {
		enum fw_hook hook = FW_HOOK_NONE;
		const char *name = builtin(b, at, &hook, &underflow);
		bool is_user = error_name(&e) != NULL;

		if (is_user) {
			name = b->starts[user++].name;
			underflow = UINT32_MAX;
		}
		if (name) {
			end_chain(b, c);
			ARENA_GROW(b->arena, b->table->chains, b->table->n_chains, cap);
			c = &b->table->chains[b->table->n_chains++];
			*c = (struct fw_chain){ .name = name, .hook = hook };
			if (is_user)
				continue;
		}
		struct fw_rule rule = { .handle = at + 1 };
		verdict(b, &e, &rule);
		if (c && at == underflow) {
			c->drops = rule.verdict == FW_VERDICT_DROP;
			continue;
		}
		struct foreign_conds conds = { .arena = b->arena };
		conditions(b, &e, &conds, &rule.comment);
		rule.conds = conds.conds;
		rule.n_conds = conds.n;
		ARENA_GROW(b->arena, b->rules.rules, b->rules.n, b->rules.cap);
		b->rules.rules[b->rules.n++] = rule;
	}
	end_chain(b, c);
}

bool foreign_parse_legacy(struct arena *arena, uint8_t nfproto, const char *name, const void *info, size_t info_len,
			  const void *entries, size_t len, struct fw_table *ret)
{
	struct ipt_getinfo i;
	struct block b = { .arena = arena, .p = entries, .size = len, .table = ret };

	if (info_len != sizeof(i) || len == 0)
		return false;
	memcpy(&i, info, sizeof(i));
	for (size_t k = 0; k < ARRAY_LEN(families); k++)
		if (families[k].nfproto == nfproto)
			b.family = &families[k];
	if (!b.family)
		return false;
	b.valid = i.valid_hooks;
	memcpy(b.hooks, i.hook_entry, sizeof(b.hooks));
	memcpy(b.underflow, i.underflow, sizeof(b.underflow));
	*ret = (struct fw_table){ .family = nfproto, .name = name, .xt = true, .legacy = true };
	parse(&b);
	return true;
}

static void observe(struct world *w, const struct family *f, const char *table, size_t *cap)
{
	struct ipt_getinfo info;	/* that of IPv6 is the same, and so are the numbers of the options */
	socklen_t len = sizeof(info);
	int sock = socket(f->af, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (sock < 0)
		return;
	memset(&info, 0, sizeof(info));
	(void)str_copy(info.name, sizeof(info.name), table);
	if (getsockopt(sock, f->level, IPT_SO_GET_INFO, &info, &len) == 0 && info.size > 0 && info.size <= TABLE_MAX) {
		struct ipt_get_entries *get = arena_alloc(w->arena, 1, sizeof(*get) + info.size);

		(void)str_copy(get->name, sizeof(get->name), table);
		get->size = info.size;
		len = (socklen_t)(sizeof(*get) + info.size);
		/* EAGAIN: it has changed in between. The next look will see it. */
		if (getsockopt(sock, f->level, IPT_SO_GET_ENTRIES, get, &len) == 0) {
			ARENA_GROW(w->arena, w->firewalls, w->n_firewalls, *cap);
			if (foreign_parse_legacy(w->arena, f->nfproto, table, &info, sizeof(info), get->entrytable, get->size,
						 &w->firewalls[w->n_firewalls]))
				w->n_firewalls++;
		}
	}
	(void)close(sock);
}

void foreign_observe_legacy(const struct kern *kern, struct world *world, size_t *cap)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		unsigned int there = tables_there(kern, i);

		for (size_t k = 0; k < ARRAY_LEN(tables); k++)
			if (there & 1U << k)
				observe(world, &families[i], tables[k], cap);
	}
}
