/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy - gai.conf and the tables that glibc makes of it
 *
 * The grammar is what glibc's reader does, not what gai.conf(5) says:
 * - a line ends at '\n' or at a NUL byte; '#' starts a comment anywhere;
 * - keyword, prefix, value, then anything; keywords are case sensitive;
 * - numbers are strtoul()'s: a sign is fine, a missing one is 0;
 * - host bits in a prefix are fine and don't count;
 * - of two equal prefixes the first line wins; length decides otherwise;
 * - "label" and "precedence" take IPv6 prefixes only, "scopev4" IPv4 or mapped.
 *
 * Undefined there: a prefix without a length makes glibc 2.36 read a pointer
 * that it never set. Measured on Debian 12: a label or precedence line is
 * ignored, a first scopev4 line crashes the program. Here such lines are
 * ignored, and warned about.
 *
 * Bounds: one pass over the text; entries sorted once; a look-up is one binary
 * search for each of the 129 lengths. A file of 10 MB takes well under a second.
 */
#include "addrsel/policy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define WARNINGS_MAX 5		/* one more line says how many were left out */

/* glibc's own tables, in the order and the spelling of its gai.conf. */
static const struct policy_entry default_labels[] = {
	{ .prefix.s6_addr = { [15] = 1 }, .len = 128, .value = 0, .text = "::1/128" },
	{ .len = 0, .value = 1, .text = "::/0" },
	{ .prefix.s6_addr = { 0x20, 0x02 }, .len = 16, .value = 2, .text = "2002::/16" },
	{ .len = 96, .value = 3, .text = "::/96" },
	{ .prefix.s6_addr = { [10] = 0xff, 0xff }, .len = 96, .value = 4, .text = "::ffff:0:0/96" },
	{ .prefix.s6_addr = { 0xfe, 0xc0 }, .len = 10, .value = 5, .text = "fec0::/10" },
	{ .prefix.s6_addr = { 0xfc }, .len = 7, .value = 6, .text = "fc00::/7" },
	{ .prefix.s6_addr = { 0x20, 0x01 }, .len = 32, .value = 7, .text = "2001:0::/32" },
};
static const struct policy_entry default_precedences[] = {
	{ .prefix.s6_addr = { [15] = 1 }, .len = 128, .value = 50, .text = "::1/128" },
	{ .len = 0, .value = 40, .text = "::/0" },
	{ .prefix.s6_addr = { 0x20, 0x02 }, .len = 16, .value = 30, .text = "2002::/16" },
	{ .len = 96, .value = 20, .text = "::/96" },
	{ .prefix.s6_addr = { [10] = 0xff, 0xff }, .len = 96, .value = 10, .text = "::ffff:0:0/96" },
};
static const struct policy_entry default_scopes[] = {
	{ .prefix.s6_addr = { [10] = 0xff, 0xff, 169, 254 }, .len = 112, .value = 2, .text = "::ffff:169.254.0.0/112" },
	{ .prefix.s6_addr = { [10] = 0xff, 0xff, 127 }, .len = 104, .value = 2, .text = "::ffff:127.0.0.0/104" },
	{ .prefix.s6_addr = { [10] = 0xff, 0xff }, .len = 96, .value = 14, .text = "::ffff:0.0.0.0/96" },
};

static const struct {
	const char *keyword;
	const struct policy_entry *defaults;
	size_t n_defaults;
	int32_t fallback;	/* for an address that no line of the file covers */
} kinds[] = {
	[POLICY_LABEL] = { "label", default_labels, ARRAY_LEN(default_labels), 1 },
	[POLICY_PRECEDENCE] = { "precedence", default_precedences, ARRAY_LEN(default_precedences), 40 },
	[POLICY_SCOPE] = { "scopev4", default_scopes, ARRAY_LEN(default_scopes), 14 },
};
static_assert(ARRAY_LEN(kinds) == POLICY_KIND_N_, "one row a kind");

/* Where the reader is, and what it has to say. */
struct reader {
	struct policy *policy;
	struct report *report;
	const char *file;
	uint32_t line;
	uint32_t n_warnings;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct in6_addr masked(const struct in6_addr *a, unsigned int len)
{
	struct in6_addr m = *a;

	for (unsigned int i = 0; i < 16; i++)
		if (len < i * 8 + 8)
			m.s6_addr[i] &= len <= i * 8 ? 0 : (uint8_t)(0xff00 >> (len - i * 8));
	return m;
}

bool policy_entry_same(const struct policy_entry *a, const struct policy_entry *b)
{
	struct in6_addr ma = masked(&a->prefix, a->len), mb = masked(&b->prefix, b->len);

	return a->len == b->len && memcmp(&ma, &mb, sizeof(ma)) == 0;
}

static int entry_cmp(const void *pa, const void *pb, void *user)
{
	const struct policy_entry *entries = user;
	const struct policy_entry *a = &entries[*(const uint32_t *)pa], *b = &entries[*(const uint32_t *)pb];
	struct in6_addr ma = masked(&a->prefix, a->len), mb = masked(&b->prefix, b->len);
	int r;

	if (a->len != b->len)
		return a->len > b->len ? -1 : 1;
	r = memcmp(&ma, &mb, sizeof(ma));
	if (r != 0)
		return r;
	return a < b ? -1 : a > b;
}

/* Make @table ready for look-ups; its entries don't change afterwards. */
static void table_sort(struct policy_table *table)
{
	size_t n = 0;

	table->sorted = xcalloc(table->n + 1, sizeof(*table->sorted));
	for (size_t i = 0; i < table->n; i++)
		table->sorted[i] = (uint32_t)i;
	qsort_r(table->sorted, table->n, sizeof(*table->sorted), entry_cmp, table->entries);
	for (size_t i = 0; i < table->n; i++) {
		const struct policy_entry *e = &table->entries[table->sorted[i]];

		if (n > 0 && policy_entry_same(e, &table->entries[table->sorted[n - 1]]))
			continue;
		table->sorted[n++] = table->sorted[i];
	}
	table->n_sorted = n;
	for (size_t i = 0, group = 0; group < ARRAY_LEN(table->start); group++) {
		while (i < n && 128U - table->entries[table->sorted[i]].len < group)
			i++;
		table->start[group] = (uint32_t)i;
	}
}

static void table_add(struct policy_table *table, const struct policy_entry *entry)
{
	GROW(table->entries, table->n, table->cap);
	table->entries[table->n++] = *entry;
}

static void table_fill(struct policy_table *table, enum policy_kind kind)
{
	for (size_t i = 0; i < kinds[kind].n_defaults; i++)
		table_add(table, &kinds[kind].defaults[i]);
}

static struct finding *warn(struct reader *r, const char *column, const char *line, const char *word, const char *what)
{
	struct where where = { .file = r->file, .line = r->line, .width = (unsigned int)strlen(word) };

	if (!r->report || ++r->n_warnings > WARNINGS_MAX)
		return NULL;
	where.column = (unsigned int)(column - line) + 1;
	if (where.width == 0)
		where.width = 1;
	return report_add(r->report, SEVERITY_WARNING, &where, NULL, "%s", what);
}

/* strtoul() to the very end of @s, as glibc asks it; more than @max is refused. */
static bool number(const char *s, unsigned long max, unsigned long *ret)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(s, &end, 10);
	if ((v == ULONG_MAX && errno == ERANGE) || *end != '\0' || v > max)
		return false;
	*ret = v;
	return true;
}

/* PREFIX VALUE of one line. @prefix is cut at its slash. Return: false when glibc ignores the line. */
static bool parse_entry(enum policy_kind kind, char *prefix, const char *value, struct policy_entry *ret,
			bool *ret_no_length)
{
	struct policy_entry entry = { 0 };
	char *slash = strchr(prefix, '/');
	unsigned long len = 128, val, min = 0, add = 0, max = 128;

	*ret_no_length = false;
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET6, prefix, &entry.prefix) == 1) {
		if (kind == POLICY_SCOPE) {
			if (!IN6_IS_ADDR_V4MAPPED(&entry.prefix))
				return false;
			min = 96;
		}
	} else if (kind == POLICY_SCOPE && inet_pton(AF_INET, prefix, &entry.prefix.s6_addr[12]) == 1) {
		entry.prefix.s6_addr[10] = entry.prefix.s6_addr[11] = 0xff;
		add = 96;
		max = 32;
	} else {
		return false;
	}
	if (!slash) {
		*ret_no_length = true;
		return false;
	}
	if (!number(slash, max, &len) || len < min || !number(value, INT32_MAX, &val))
		return false;
	entry.len = (uint8_t)(len + add);
	entry.value = (int32_t)val;
	*ret = entry;
	return true;
}

/* The next word of a line; it is terminated in place and *@p moves behind it. */
static char *word(char **p)
{
	char *start;

	while (is_space(**p))
		++*p;
	start = *p;
	while (**p != '\0' && !is_space(**p))
		++*p;
	if (**p != '\0')
		*(*p)++ = '\0';
	return start;
}

static bool keyword_kind(const char *keyword, enum policy_kind *ret)
{
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		if (!str_eq(keyword, kinds[kind].keyword))
			continue;
		*ret = kind;
		return true;
	}
	return false;
}

static void parse_line(struct reader *r, char *line)
{
	char *p = line, *hash = strchr(line, '#'), *keyword, *prefix, *value;
	struct policy_entry entry;
	enum policy_kind kind;
	struct finding *f;
	bool no_length;

	if (hash)
		*hash = '\0';
	keyword = word(&p);
	prefix = word(&p);
	value = word(&p);
	if (*keyword == '\0')
		return;
	if (str_eq(keyword, "reload")) {
		r->policy->reload = str_eq(prefix, "yes");
		return;
	}
	if (!keyword_kind(keyword, &kind)) {
		f = warn(r, keyword, line, keyword, "glibc ignores this line");
		if (f)
			report_help(f, "it knows label, precedence, scopev4 and reload, in lower case");
		return;
	}
	char shown[64];
	(void)str_copy(shown, sizeof(shown), prefix);
	if (!parse_entry(kind, prefix, value, &entry, &no_length)) {
		if (!no_length) {
			f = warn(r, prefix, line, shown, "glibc ignores this line");
			if (f)
				report_help(f, "write  %s %s NUMBER", keyword,
					    kind == POLICY_SCOPE ? "::ffff:192.0.2.0/120" : "2001:db8::/32");
			return;
		}
		f = warn(r, prefix, line, shown,
			 kind == POLICY_SCOPE ? "without a prefix length this line crashes programs on glibc 2.36" :
						"without a prefix length glibc 2.36 ignores this line, or worse");
		if (f)
			report_help(f, "write %s/%d", shown,
				    kind != POLICY_SCOPE || strchr(shown, ':') ? 128 : 32);
		return;
	}
	if (*value == '\0') {
		f = warn(r, prefix, line, shown, "glibc takes the missing number for 0");
		if (f)
			report_help(f, "write it");
	}
	entry.line = r->line;
	r->policy->tables[kind].custom = true;
	table_add(&r->policy->tables[kind], &entry);
}

struct policy *policy_parse(const void *text, size_t len, const char *file, struct report *report)
{
	struct reader r = { .policy = NEW(struct policy), .report = report, .file = file };
	const char *p = text;
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;

	while (len > 0) {
		const char *nl = memchr(p, '\n', len);
		size_t n = nl ? (size_t)(nl - p) + 1 : len;

		if (n + 1 > cap) {
			cap = n + 128;
			line = xrealloc(line, cap, 1);
		}
		memcpy(line, p, n);
		line[n] = '\0';
		r.line++;
		parse_line(&r, line);
		p += n;
		len -= n;
	}
	if (report && r.n_warnings > WARNINGS_MAX)
		report_add(report, SEVERITY_WARNING, NULL, file, "%u more lines are not what they seem",
			   r.n_warnings - WARNINGS_MAX);
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		struct policy_table *table = &r.policy->tables[kind];

		if (!table->custom)
			table_fill(table, kind);
		table_sort(table);
	}
	return r.policy;
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy)
		return NULL;
	for (enum policy_kind kind = 0; kind < POLICY_KIND_N_; kind++) {
		free(policy->tables[kind].entries);
		free(policy->tables[kind].sorted);
	}
	free(policy);
	return NULL;
}

struct policy *policy_with(const struct policy *policy, enum policy_kind kind, const struct policy_entry *entry)
{
	struct policy *with = NEW(struct policy);

	with->reload = policy->reload;
	for (enum policy_kind k = 0; k < POLICY_KIND_N_; k++) {
		const struct policy_table *from = &policy->tables[k];
		struct policy_table *to = &with->tables[k];
		bool placed = false;

		to->custom = from->custom || k == kind;
		for (size_t i = 0; i < from->n; i++) {
			bool here = k == kind && policy_entry_same(&from->entries[i], entry);

			if (here && placed)
				continue;	/* a later line of the same prefix never counted */
			table_add(to, here ? entry : &from->entries[i]);
			placed = placed || here;
		}
		if (k == kind && !placed)
			table_add(to, entry);
		table_sort(to);
	}
	return with;
}

struct in6_addr policy_bits(const struct ip *ip)
{
	struct in6_addr a = ip->v6;

	if (ip->family == AF_INET) {
		a = (struct in6_addr){ .s6_addr = { [10] = 0xff, 0xff } };
		memcpy(&a.s6_addr[12], &ip->v4, 4);
	}
	return a;
}

const struct policy_entry *policy_match(const struct policy *policy, enum policy_kind kind, const struct ip *ip)
{
	const struct policy_table *table = &policy->tables[kind];
	struct in6_addr bits = policy_bits(ip);

	for (unsigned int group = 0; group <= 128; group++) {
		struct in6_addr want = masked(&bits, 128 - group);
		size_t lo = table->start[group], hi = table->start[group + 1];

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			const struct policy_entry *e = &table->entries[table->sorted[mid]];
			struct in6_addr have = masked(&e->prefix, e->len);
			int r = memcmp(&want, &have, sizeof(want));

			if (r == 0)
				return e;
			if (r < 0)
				hi = mid;
			else
				lo = mid + 1;
		}
	}
	return NULL;
}

static int32_t value_of(const struct policy *policy, enum policy_kind kind, const struct ip *ip)
{
	const struct policy_entry *e = policy_match(policy, kind, ip);

	return e ? e->value : kinds[kind].fallback;
}

int32_t policy_label(const struct policy *policy, const struct ip *ip)
{
	return value_of(policy, POLICY_LABEL, ip);
}

int32_t policy_precedence(const struct policy *policy, const struct ip *ip)
{
	return value_of(policy, POLICY_PRECEDENCE, ip);
}

/* RFC 4291 2.7 numbers. As glibc has it: loopback is link-local, site-local exists, a mapped address is global. */
int32_t policy_scope(const struct policy *policy, const struct ip *ip)
{
	if (ip->family == AF_INET)
		return value_of(policy, POLICY_SCOPE, ip);
	if (ip_is_multicast(ip))
		return ip->b[1] & 0xf;
	if (ip_is_link_local(ip) || ip_is_loopback(ip))
		return 2;
	return IN6_IS_ADDR_SITELOCAL(&ip->v6) ? 5 : 14;
}

const char *policy_entry_text(enum policy_kind kind, const struct policy_entry *entry, int width,
			      char buf[static POLICY_LINE_MAX])
{
	struct prefix prefix = { .ip = ip6(entry->prefix), .len = entry->len };
	const char *text = entry->text;

	for (size_t i = 0; i < kinds[kind].n_defaults && !text; i++)
		if (policy_entry_same(&kinds[kind].defaults[i], entry))
			text = kinds[kind].defaults[i].text;	/* the spelling that people know */
	(void)snprintf(buf, POLICY_LINE_MAX, "%s %-*s %d", kinds[kind].keyword, width, text ? text : PREFIX_STR(&prefix),
		       entry->value);
	return buf;
}
