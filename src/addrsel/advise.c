/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * advise - the smallest gai.conf that makes one family win
 *
 * What can be changed is the tables behind rules 5 and 6; a decision by rules
 * 1 to 4 is out of reach, one by rules 7 to 10 is overruled by rule 6. At most
 * two changes are combined (a label, then a precedence), so few are tried.
 */
#include "addrsel/advise.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CHANGES_MAX 2
#define CANDIDATES_MAX 6
#define SAMPLE_MAX 256		/* destinations whose pairs are looked at */
#define ALIKE_MAX 3		/* of them, with the same labels, precedence and scopes */

struct change {
	enum policy_kind kind;
	struct policy_entry entry;
};

/* One search: what is looked for, and everything that must stay as it is. */
struct search {
	uint8_t family;
	size_t n;			/* the first n of all are those asked about */
	size_t n_all;
	struct addrsel_dest *before;	/* judged by the tables as they are */
	struct addrsel_dest *after;	/* judged by the tables being tried */
	size_t *order;
	size_t sample[SAMPLE_MAX];	/* of all, the ones that stand for the rest in pairs */
	size_t n_sample;
	const struct addrsel_dest *target;	/* best of the wanted family, in before */
	const struct addrsel_dest *winner;	/* first of all, in before */
	bool touched[POLICY_KIND_N_];
	char *why;
};

static const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

size_t addrsel_reference(struct addrsel_dest ret[static ADDRSEL_REFERENCE_MAX])
{
	/* fc00::/8 isn't assigned (RFC 4193 3.1), so it has no place here. */
	static const char *const kinds[] = {
		"::1",	       "127.0.0.1",    "fd99:1:2:3::9",	  "fd00::1",	 "fec0::1",	   "2002:c000:204::1",
		"2001::c633:6401", "64:ff9b::808:808", "2001:db8:ffff::1", "2a01:4f8:c0c:bd0a::1", "2600:1f00::1",
		"10.1.1.1",    "172.16.1.1",   "192.168.1.1",	  "100.64.0.1",	 "169.254.1.1",	   "49.12.234.183",
		"8.8.8.8",
	};
	static_assert(ARRAY_LEN(kinds) <= ADDRSEL_REFERENCE_MAX, "they fit");

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		ret[i] = (struct addrsel_dest){ .index = ADDRSEL_NO_INDEX };
		(void)ip_parse(kinds[i], &ret[i].ip);
	}
	return ARRAY_LEN(kinds);
}

bool advice_is_change(const struct policy_entry *entry)
{
	return entry->line == 0 && !entry->text;
}

/* May this pair have changed its order, now that @up comes before @down? */
static bool wanted_change(const struct search *s, const struct addrsel_dest *up, const struct addrsel_dest *down)
{
	if (up->ip.family != s->family || (up->scope <= 2 && down->scope <= 2))	/* localhost stays as it is */
		return false;
	if (s->touched[POLICY_LABEL] && up->label == s->target->label && up->source_label == s->target->source_label)
		return true;
	if (!s->touched[POLICY_PRECEDENCE] || down->ip.family == s->family)
		return false;
	return s->family == AF_INET6 ? up->precedence >= s->target->precedence :
				       down->precedence <= s->winner->precedence;
}

/* Judge all by @policy. Return: whether the wanted family comes first. */
static bool judge(struct search *s, const struct policy *policy)
{
	memcpy(s->after, s->before, s->n_all * sizeof(*s->after));
	addrsel_sort(policy, s->after, s->n_all, s->order);	/* for the labels and precedences of all */
	addrsel_sort(policy, s->after, s->n, s->order);
	return s->after[s->order[0]].ip.family == s->family;
}

static bool alike(const struct addrsel_dest *a, const struct addrsel_dest *b)
{
	return a->ip.family == b->ip.family && a->label == b->label && a->source_label == b->source_label &&
	       a->precedence == b->precedence && a->scope == b->scope && a->source_scope == b->source_scope &&
	       a->index == b->index && a->deprecated == b->deprecated && a->home == b->home && a->native == b->native;
}

/* Pairs of 10,000 are too many, and most of them alike: references first, then a few of each sort. */
static void take_sample(struct search *s)
{
	for (size_t i = s->n_all; i-- > 0 && s->n_sample < SAMPLE_MAX;) {
		size_t n_alike = 0;

		for (size_t k = 0; k < s->n_sample; k++)
			n_alike += alike(&s->before[i], &s->before[s->sample[k]]);
		if (n_alike < ALIKE_MAX || i >= s->n)
			s->sample[s->n_sample++] = i;
	}
}

/* After judge(): does anything else change its place? Then says so in s->why. */
static bool has_side_effect(struct search *s)
{
	for (size_t x = 0; x < s->n_sample; x++) {
		for (size_t y = 0; y < x; y++) {
			size_t i = s->sample[x], k = s->sample[y];
			enum addrsel_rule rule;
			int was = addrsel_compare(&s->before[i], &s->before[k], &rule);
			int is = addrsel_compare(&s->after[i], &s->after[k], NULL);
			const struct addrsel_dest *up = &s->before[is < 0 ? i : k], *down = &s->before[is < 0 ? k : i];

			/* where no rule had a preference, nothing is lost */
			if ((was < 0) == (is < 0) || rule == ADDRSEL_RULE_ORDER || wanted_change(s, up, down))
				continue;
			if (!s->why)	/* of the plainest change */
				s->why = xasprintf("no line does it alone: the smallest change would also put %s before %s",
						   IP_STR(&up->ip), IP_STR(&down->ip));
			return true;
		}
	}
	return false;
}

/* Take the prefix of the entry that decides for @ip now, when it is at least as long as @prefix. */
static void add_candidate(const struct policy *policy, struct change *list, size_t *n, enum policy_kind kind,
			  const struct ip *ip, const struct ip *prefix, uint8_t len, int64_t value)
{
	const struct policy_entry *now = policy_match(policy, kind, ip);
	struct policy_entry entry = { .len = len, .value = (int32_t)value };
	struct prefix p = { .ip = ip6(policy_bits(prefix)), .len = len };

	if (*n == CANDIDATES_MAX || value < 0 || value > INT32_MAX)
		return;
	entry.prefix = prefix_network(&p).v6;
	if (now && now->len >= len) {
		entry.prefix = now->prefix;
		entry.len = now->len;
	}
	list[(*n)++] = (struct change){ kind, entry };
}

/* Changes that may turn rule 5: the source gets its destination's label. */
static size_t label_candidates(const struct policy *policy, const struct addrsel_dest *d, struct change *list)
{
	const struct policy_entry *now = policy_match(policy, POLICY_LABEL, &d->source);
	size_t n = 0;

	if (ip_is_ula(&d->source))	/* the whole of them, so that ULA to ULA still matches */
		add_candidate(policy, list, &n, POLICY_LABEL, &d->source, &d->source, 8, d->label);
	else if (now && now->len > 0)
		add_candidate(policy, list, &n, POLICY_LABEL, &d->source, &d->source, now->len, d->label);
	add_candidate(policy, list, &n, POLICY_LABEL, &d->source, &d->source, d->source.family == AF_INET ? 96 : 64,
		      d->label);
	add_candidate(policy, list, &n, POLICY_LABEL, &d->source, &d->source, 128, d->label);
	return n;
}

/* Changes that may turn rule 6: all of IPv4 up or down, else one kind of IPv6 destinations. */
static size_t precedence_candidates(const struct policy *policy, const struct addrsel_dest *up,
				    const struct addrsel_dest *down, struct change *list)
{
	bool want4 = up->ip.family == AF_INET;
	const struct addrsel_dest *four = want4 ? up : down, *six = want4 ? down : up;
	int64_t above = (int64_t)six->precedence, below = (int64_t)four->precedence;
	uint8_t len = ip_is_ula(&six->ip) ? 7 : 3;
	size_t n = 0;

	add_candidate(policy, list, &n, POLICY_PRECEDENCE, &four->ip, &four->ip, 96, want4 ? above + 5 : above - 5);
	add_candidate(policy, list, &n, POLICY_PRECEDENCE, &four->ip, &four->ip, 96, want4 ? above + 1 : above - 1);
	add_candidate(policy, list, &n, POLICY_PRECEDENCE, &six->ip, &six->ip, len, want4 ? below - 5 : below + 5);
	add_candidate(policy, list, &n, POLICY_PRECEDENCE, &six->ip, &six->ip, len, want4 ? below - 1 : below + 1);
	return n;
}

static char *out_of_reach(const struct search *s, const struct addrsel_dest *d, enum addrsel_rule rule)
{
	char dest_scope[16], source_scope[16];

	switch (rule) {
	case ADDRSEL_RULE_UNUSABLE:
		return xasprintf("%s cannot be reached from here: there is no %s route to it, or no address to send from",
				 IP_STR(&d->ip), family_name(s->family));
	case ADDRSEL_RULE_SCOPE:
		return xasprintf("the only source for %s is %s, whose scope is %s, not %s (rule 2 comes before all that "
				 "labels and precedences decide)", IP_STR(&d->ip), IP_STR(&d->source),
				 addrsel_scope_name(d->source_scope, source_scope), addrsel_scope_name(d->scope, dest_scope));
	case ADDRSEL_RULE_DEPRECATED:
		return xasprintf("the source for %s, %s, is deprecated: its preferred lifetime is over (rule 3 comes before "
				 "all that labels and precedences decide)", IP_STR(&d->ip), IP_STR(&d->source));
	case ADDRSEL_RULE_HOME:
		return xasprintf("the other source is a mobile host's home address (rule 4 comes before all that labels and "
				 "precedences decide)");
	case ADDRSEL_RULE_LABEL:
	case ADDRSEL_RULE_PRECEDENCE:
	case ADDRSEL_RULE_NATIVE:
	case ADDRSEL_RULE_SMALLER_SCOPE:
	case ADDRSEL_RULE_PREFIX:
	case ADDRSEL_RULE_ORDER:
	case ADDRSEL_RULE_N_:
		break;
	}
	return NULL;
}

/* The best of a family after judge(), or NULL. */
static const struct addrsel_dest *best_of(const struct search *s, uint8_t family)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->after[s->order[i]].ip.family == family)
			return &s->after[s->order[i]];
	return NULL;
}

/* Try everything that may turn the decision against the target. Return: the tables that do it, or NULL. */
static struct policy *try_changes(struct search *s, const struct policy *policy, unsigned int depth)
{
	const struct addrsel_dest *up, *first;
	struct change list[CANDIDATES_MAX];
	enum addrsel_rule rule;
	enum policy_kind kind;
	size_t n;

	(void)judge(s, policy);
	up = best_of(s, s->family);
	first = &s->after[s->order[0]];
	(void)addrsel_compare(first, up, &rule);
	if (rule < ADDRSEL_RULE_LABEL) {
		if (!s->why)
			s->why = out_of_reach(s, up, rule);
		return NULL;
	}
	kind = rule == ADDRSEL_RULE_LABEL ? POLICY_LABEL : POLICY_PRECEDENCE;
	if (s->touched[kind])
		return NULL;
	n = kind == POLICY_LABEL ? label_candidates(policy, up, list) : precedence_candidates(policy, up, first, list);
	s->touched[kind] = true;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(policy_freep) struct policy *with = policy_with(policy, list[i].kind, &list[i].entry);

		if (judge(s, with)) {
			if (!has_side_effect(s))
				return STEAL_PTR(with);
		} else if (depth + 1 < CHANGES_MAX) {
			struct policy *found = try_changes(s, with, depth + 1);

			if (found)
				return found;
		}
	}
	s->touched[kind] = false;
	return NULL;
}

struct advice *addrsel_advise(const struct policy *policy, const struct addrsel_dest *dests, size_t n,
			      const struct addrsel_dest *refs, size_t n_refs, uint8_t family)
{
	struct advice *advice = NEW(struct advice);
	struct search s = { .family = family, .n = n, .n_all = n + n_refs };

	if (n == 0) {
		advice->outcome = ADVICE_IMPOSSIBLE;
		advice->why = xstrdup("there are no destinations");
		return advice;
	}
	s.before = xcalloc(s.n_all, sizeof(*s.before));
	s.after = xcalloc(s.n_all, sizeof(*s.after));
	s.order = xcalloc(s.n_all, sizeof(*s.order));
	memcpy(s.before, dests, n * sizeof(*dests));
	if (n_refs > 0)
		memcpy(s.before + n, refs, n_refs * sizeof(*refs));
	addrsel_sort(policy, s.before, s.n_all, s.order);
	if (judge(&s, policy)) {
		advice->outcome = ADVICE_NOT_NEEDED;
	} else if (!best_of(&s, family)) {
		advice->outcome = ADVICE_IMPOSSIBLE;
		advice->why = xasprintf("none of the destinations is an %s address", family_name(family));
	} else {
		take_sample(&s);
		s.target = &s.before[best_of(&s, family) - s.after];
		s.winner = &s.before[s.order[0]];
		advice->policy = try_changes(&s, policy, 0);
		advice->outcome = advice->policy ? ADVICE_FOUND : ADVICE_IMPOSSIBLE;
		if (advice->policy)
			memcpy(advice->changed, s.touched, sizeof(s.touched));
		else
			advice->why = s.why ? STEAL_PTR(s.why) : xstrdup("no label or precedence line does it");
	}
	free(s.before);
	free(s.after);
	free(s.order);
	free(s.why);
	return advice;
}

struct advice *advice_free(struct advice *advice)
{
	if (advice) {
		policy_free(advice->policy);
		free(advice->why);
		free(advice);
	}
	return NULL;
}

/* open_memstream() can fail for want of memory only. */
static FILE *text_open(char **ret, size_t *ret_len)
{
	FILE *f = open_memstream(ret, ret_len);

	if (!f)
		abort();
	return f;
}

static void print_table(FILE *f, const char *indent, const struct policy *policy, enum policy_kind kind,
			bool changes_only)
{
	const struct policy_table *table = &policy->tables[kind];
	char line[POLICY_LINE_MAX];

	for (size_t i = 0; i < table->n; i++) {
		bool change = advice_is_change(&table->entries[i]);

		if (change || !changes_only)
			(void)fprintf(f, "%s%s%s\n", indent, policy_entry_text(kind, &table->entries[i], 18, line),
				      change && !changes_only ? "    # the change" : "");
	}
}

static void print_config(FILE *f, const char *indent, const struct policy *policy)
{
	if (policy->reload)
		(void)fprintf(f, "%sreload yes\n", indent);
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++)
		if (policy->tables[kind].custom)
			print_table(f, indent, policy, kind, false);
}

char *advice_config(const struct policy *policy)
{
	char *text = NULL;
	size_t len;
	FILE *f = text_open(&text, &len);

	print_config(f, "", policy);
	(void)fclose(f);
	return text;
}

char *advice_cloud_init(const struct policy *policy)
{
	char *text = NULL;
	size_t len;
	FILE *f = text_open(&text, &len);

	(void)fprintf(f, "#cloud-config\nwrite_files:\n- path: " GAI_CONF "\n  owner: root:root\n  permissions: '0644'\n"
			 "  content: |\n");
	print_config(f, "    ", policy);
	(void)fclose(f);
	return text;
}

/* Does the advice replace what this line of the file says? */
static bool is_replaced(const struct advice *advice, const struct policy *before, uint32_t line)
{
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		const struct policy_table *old = &before->tables[kind], *now;

		if (!advice->changed[kind] || !old->custom)
			continue;
		now = &advice->policy->tables[kind];
		for (size_t i = 0; i < old->n; i++) {
			if (old->entries[i].line != line)
				continue;
			for (size_t k = 0; k < now->n; k++)
				if (advice_is_change(&now->entries[k]) &&
				    policy_entry_same(&now->entries[k], &old->entries[i]))
					return true;
		}
	}
	return false;
}

char *advice_merge(const struct advice *advice, const struct policy *before, const void *text, size_t len,
		   size_t *ret_len)
{
	char *merged = NULL;
	FILE *f = text_open(&merged, ret_len);
	const char *p = text;
	uint32_t number = 0;

	while (len > 0) {
		const char *nl = memchr(p, '\n', len);
		size_t n = nl ? (size_t)(nl - p) + 1 : len;

		if (is_replaced(advice, before, ++number))
			(void)fputs("# ", f);
		(void)fwrite(p, 1, n, f);
		if (!nl)
			(void)fputc('\n', f);
		p += n;
		len -= n;
	}
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		if (!advice->changed[kind])
			continue;
		(void)fprintf(f, "%s# sixtap addrsel --advise%s\n", number > 0 ? "\n" : "",
			      before->tables[kind].custom ? "" : ": glibc's own lines, which one line of ours would switch "
								 "off, and the change");
		print_table(f, "", advice->policy, kind, before->tables[kind].custom);
	}
	(void)fclose(f);
	return merged;
}
