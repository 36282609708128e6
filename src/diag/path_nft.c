/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_nft - what nftables does to one packet at one hook
 *
 * Every base chain there is run in the order of priorities (diag/path_eval.h). A
 * chain with open questions is run again with different answers (none, all, and
 * each one alone matches): when all come to the same end, the question didn't
 * matter; else the verdict is unknown and names the rule. Connection tracking
 * undoes translations of answers between the priorities where it does so.
 */
#include "diag/path_eval.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#define QUESTIONS_MAX 12

static bool same_packet(const struct path_packet *a, const struct path_packet *b)
{
	return ip_eq(&a->src, &b->src) && ip_eq(&a->dst, &b->dst) && a->dport == b->dport && a->mark == b->mark &&
	       a->ct_state == b->ct_state;
}

static const char *rule_text(const struct snap_nft_rule *rule)
{
	return !rule		  ? ""
	       : rule->text[0]	  ? rule->text
	       : rule->comment[0] ? rule->comment
				  : "a rule that nft has no words for";
}

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_INET	  ? "inet"
	       : family == NFPROTO_IPV4	  ? "ip"
	       : family == NFPROTO_IPV6	  ? "ip6"
	       : family == NFPROTO_BRIDGE ? "bridge"
	       : family == NFPROTO_NETDEV ? "netdev"
					  : "arp";
}

static void tell_translation(struct path_walk *w, const char *at, const struct path_eval *e, const char *subject)
{
	char port[8] = "";

	if (e->p.dport != w->p.dport)
		(void)snprintf(port, sizeof(port), " %u", e->p.dport);
	if (!ip_eq(&e->p.dst, &w->p.dst) || port[0])
		(void)path_step(w, at, PATH_PASS, subject, rule_text(e->decided), "%s sends it to %s%s%s", subject,
				IP_STR(&e->p.dst), port[0] ? ", port" : "", port);
	if (!ip_eq(&e->p.src, &w->p.src))
		(void)path_step(w, at, PATH_PASS, subject, rule_text(e->decided), "%s lets it leave as %s", subject,
				IP_STR(&e->p.src));
}

/* Connections are known from NF_IP_PRI_CONNTRACK on, where packets come in or are made. */
static bool is_early(const struct snap_chain *chain, enum path_hook hook)
{
	return hook == PATH_HOOK_INGRESS || ((hook == PATH_HOOK_PREROUTING || hook == PATH_HOOK_OUTPUT) && chain->priority < -200);
}

static bool run_and_tell(struct path_walk *w, const struct snap_table *table, const struct snap_chain *chain,
			 uint8_t family, enum path_hook hook, const char *at)
{
	struct path_eval e = { .s = w->s, .arena = w->arena, .table = table, .chain = chain, .family = family,
			       .early = is_early(chain, hook) };
	const char *subject = arena_printf(w->arena, "%s %s %s", family_name(table->family), table->name, chain->name);
	int32_t verdict = path_eval_base(&e, &w->p, PATH_EVAL_NONE);
	struct path_packet after = e.p;
	const struct snap_nft_rule *decided = e.decided;
	struct path_eval none = e;
	size_t asked = e.asked;
	bool agree = verdict == NF_ACCEPT || verdict == NF_DROP;

	for (int a = PATH_EVAL_ALL; asked > 0 && agree && a < (int)(asked < QUESTIONS_MAX ? asked : QUESTIONS_MAX);
	     a++) {
		if (a == PATH_EVAL_NONE)
			continue;
		int32_t other = path_eval_base(&e, &w->p, a);

		agree = other == verdict && same_packet(&e.p, &after);
	}
	if (!agree) {
		const struct snap_nft_rule *open = e.first ? e.first : decided;

		return path_step(w, at, PATH_UNKNOWN, subject, rule_text(open),
				 "%s: whether this lets it through can't be told", subject);
	}
	if (verdict == NF_DROP && decided) {
		(void)path_step(w, at, PATH_DROP, subject, rule_text(decided), "%s drops it", subject);
		w->way->steps[w->way->n - 1].addressless = none.addressless;
		return false;
	}
	if (verdict == NF_DROP)
		return path_step(w, at, PATH_DROP, subject, arena_printf(w->arena, "policy drop"),
				 "%s drops what no rule of it accepts", subject);
	tell_translation(w, at, &none, subject);
	if (decided && same_packet(&after, &w->p) && strcmp(chain->type, "nat") != 0)
		(void)path_step(w, at, PATH_PASS, subject, rule_text(decided), "%s accepts it", subject);
	w->p = after;
	return true;
}

/* ------------------------------------------------------------------------- base chains */

struct base {
	const struct snap_table *table;
	const struct snap_chain *chain;
};

static int by_priority(const void *pa, const void *pb)
{
	const struct base *a = pa, *b = pb;

	if (a->chain->priority != b->chain->priority)
		return a->chain->priority < b->chain->priority ? -1 : 1;
	return a->table->family != b->table->family ? (int)a->table->family - (int)b->table->family
						    : strcmp(a->table->name, b->table->name);
}

static bool has_device(const struct path_walk *w, const char *devices)
{
	char copy[1024];
	char *save;

	(void)str_copy(copy, sizeof(copy), devices);
	for (char *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
		if (strcmp(one, snap_link_name(w->s, w->p.iif)) == 0)
			return true;
	}
	return false;
}

static bool counts_here(const struct path_walk *w, const struct base *b, uint8_t family, enum path_hook hook)
{
	bool inet = family == NFPROTO_IPV4 || family == NFPROTO_IPV6;

	if (!b->chain->base || (b->table->flags & NFT_TABLE_F_DORMANT))
		return false;
	if (hook == PATH_HOOK_INGRESS)
		return ((b->table->family == NFPROTO_NETDEV && b->chain->hook == NF_NETDEV_INGRESS) ||
			(b->table->family == NFPROTO_INET && b->chain->hook == NF_INET_INGRESS)) &&
		       has_device(w, b->chain->devices);
	if (b->chain->hook != (uint32_t)hook ||
	    (b->table->family != family && !(inet && b->table->family == NFPROTO_INET)))
		return false;
	/* Only a connection's first packet sees chains of type nat. */
	return strcmp(b->chain->type, "nat") != 0 || (!w->p.answer && (w->p.ct_state & PATH_CT_NEW));
}

/* What conntrack does to packets of a connection it knows: the same again, or undo, at the stations where it was done. */
static void undo_translation(struct path_walk *w, enum path_hook hook, const char *at)
{
	struct path_packet *p = &w->p;

	if (p->ct_state & PATH_CT_UNTRACKED)
		return;
	if (p->again && (hook == PATH_HOOK_PREROUTING || hook == PATH_HOOK_OUTPUT)) {
		p->dst = p->new_dst;
		p->dport = p->new_dport;
	} else if (p->again && (hook == PATH_HOOK_POSTROUTING || hook == PATH_HOOK_INPUT)) {
		p->src = p->new_src;
	}
	if (!p->answer)
		return;
	if ((hook == PATH_HOOK_PREROUTING || hook == PATH_HOOK_OUTPUT) && !ip_eq(&p->dst, &p->orig_src)) {
		p->dst = p->orig_src;
		p->dport = p->orig_sport;
		(void)path_step(w, at, PATH_PASS, "conntrack", "", "the connection is known: back to %s",
				IP_STR(&p->dst));
	}
	if ((hook == PATH_HOOK_POSTROUTING || hook == PATH_HOOK_INPUT) && !ip_eq(&p->src, &p->orig_dst)) {
		p->src = p->orig_dst;
		p->sport = p->orig_dport;
		(void)path_step(w, at, PATH_PASS, "conntrack", "", "it leaves as %s, whom the question was sent to",
				IP_STR(&p->src));
	}
}

static bool legacy_counts(const struct snap_legacy *l, const struct path_walk *w, enum path_hook hook)
{
	if (l->empty == 1 || l->family != (w->p.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6))
		return false;
	if (strcmp(l->name, "filter") == 0)
		return hook == PATH_HOOK_INPUT || hook == PATH_HOOK_FORWARD || hook == PATH_HOOK_OUTPUT;
	if (strcmp(l->name, "nat") == 0)
		return hook != PATH_HOOK_FORWARD && !w->p.answer && !w->p.again;
	if (strcmp(l->name, "raw") == 0)
		return hook == PATH_HOOK_PREROUTING || hook == PATH_HOOK_OUTPUT;
	return true;
}

bool path_nft(struct path_walk *w, uint8_t family, enum path_hook hook, const char *at)
{
	bool inet = family == NFPROTO_IPV4 || family == NFPROTO_IPV6, undone = false, later, translated = false;
	const struct snapshot *s = w->s;
	struct base *bases;
	size_t n = 0;

	for (size_t i = 0; i < s->n_tables; i++)
		n += s->tables[i].n_chains;
	bases = arena_alloc(w->arena, n + 1, sizeof(*bases));
	n = 0;
	for (size_t i = 0; i < s->n_tables; i++) {
		for (size_t j = 0; j < s->tables[i].n_chains; j++) {
			bases[n] = (struct base){ &s->tables[i], &s->tables[i].chains[j] };
			n += counts_here(w, &bases[n], family, hook);
		}
	}
	qsort(bases, n, sizeof(*bases), by_priority);
	later = hook == PATH_HOOK_POSTROUTING || hook == PATH_HOOK_INPUT;
	for (size_t i = 0; i < n; i++) {
		bool nat = strcmp(bases[i].chain->type, "nat") == 0;
		struct path_packet before = w->p;

		/* NF_IP_PRI_NAT_DST -100, NF_IP_PRI_NAT_SRC 100 */
		if (inet && !undone && bases[i].chain->priority > (later ? 100 : -100)) {
			undo_translation(w, hook, at);
			undone = true;
		}
		if (nat && translated)
			continue; /* this hook's translation is settled */
		if (!run_and_tell(w, bases[i].table, bases[i].chain, family, hook, at))
			return false;
		translated |= nat && (!ip_eq(&before.src, &w->p.src) || !ip_eq(&before.dst, &w->p.dst) ||
				      before.dport != w->p.dport);
	}
	if (inet && !undone)
		undo_translation(w, hook, at);
	for (size_t i = 0; i < s->n_legacy && inet; i++) {
		if (legacy_counts(&s->legacy[i], w, hook) &&
		    !path_step(w, at, PATH_UNKNOWN, s->legacy[i].name, "",
			       "iptables-legacy has rules in table %s, which aren't evaluated", s->legacy[i].name))
			return false;
	}
	return true;
}

bool path_nft_inet(struct path_walk *w, enum path_hook hook, const char *at)
{
	return path_nft(w, w->p.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6, hook, at);
}
