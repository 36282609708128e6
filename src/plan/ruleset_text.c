/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset_text - our tables in nft's words
 */
#include "plan/ruleset_text.h"

#include <assert.h>
#include <ctype.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include "plan/schema.h"

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_INET ? "inet" : family == NFPROTO_NETDEV ? "netdev" : "bridge";
}

static FILE *text_open(char **buf, size_t *len)
{
	FILE *f = open_memstream(buf, len);

	if (!f)
		abort();	/* out of memory, as everywhere */
	return f;
}

static const char *text_close(struct arena *arena, FILE *f, char **buf)
{
	(void)fclose(f);
	const char *s = arena_strdup(arena, *buf);
	free(*buf);
	*buf = NULL;
	return s;
}

/* ---- structure ---- */

const char *snat_chain_name(const struct snat *s, char buf[static CHAIN_NAME])
{
	uint32_t h = 2166136261u;	/* FNV-1a of both addresses */

	for (size_t i = 0; i < 16; i++)
		h = (h ^ s->address4.b[i]) * 16777619u;
	for (size_t i = 0; i < 16; i++)
		h = (h ^ s->address6.b[i]) * 16777619u;
	(void)str_copy(buf, CHAIN_NAME, "snat_any");
	if (ip_is_set(&s->address4) || ip_is_set(&s->address6))
		(void)snprintf(buf, CHAIN_NAME, "snat_%u_%u_%08x", s->first, s->last, h);
	else if (s->first > 0)
		(void)snprintf(buf, CHAIN_NAME, "snat_%u_%u", s->first, s->last);
	return buf;
}

static void text_set(FILE *f, const struct schema_set *s)
{
	static const char *const data_type[] = {
		[DATA_NONE] = "",
		[DATA_VERDICT] = " : verdict",
		[DATA_IP4_PORT] = " : ipv4_addr . inet_service",
		[DATA_IP6_PORT] = " : ipv6_addr . inet_service",
		[DATA_MARK] = " : mark",
		[DATA_GUARD] = "",
	};

	if (s->type) {
		(void)fprintf(f, "\tset %s {\n\t\t%s\n\t}\n", s->name, s->type);
		return;
	}
	(void)fprintf(f, "\t%s %s {\n\t\ttype ", s->data == DATA_NONE ? "set" : "map", s->name);
	for (const enum schema_field *k = s->key; *k != FIELD_END; k++)
		(void)fprintf(f, "%s%s", k == s->key ? "" : " . ", schema_fields[*k].type);
	(void)fprintf(f, "%s\n%s\t}\n", data_type[s->data], s->interval ? "\t\tflags interval\n" : "");
}

/* The rules of a translation chain; ports exist in TCP and UDP only, the rest (ICMP) goes by the plain rule. */
static size_t text_snat_rules(FILE *f, const struct snat *s)
{
	const struct ip *addresses[] = { &s->address4, &s->address6 };
	char ports[16] = "";
	size_t n = 0;

	if (s->first > 0)
		(void)snprintf(ports, sizeof(ports), ":%u-%u", s->first, s->last);
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		const struct ip *ip = addresses[i];
		bool six = ip->family == AF_INET6;

		if (!ip_is_set(ip))
			continue;
		if (s->first > 0) {
			(void)fprintf(f, "\t\tmeta l4proto { tcp, udp } snat %s to %s%s%s%s\n", six ? "ip6" : "ip",
				      six ? "[" : "", IP_STR(ip), six ? "]" : "", ports);
			n++;
		}
		(void)fprintf(f, "\t\tsnat %s to %s\n", six ? "ip6" : "ip", IP_STR(ip));
		n++;
	}
	if (s->first > 0) {
		(void)fprintf(f, "\t\tmeta l4proto { tcp, udp } masquerade to %s\n", ports);
		n++;
	}
	(void)fprintf(f, "\t\tmasquerade\n");
	return n + 1;
}

/* Names of chains are plainer than those of devices. */
static const char *hook_name(struct arena *arena, const struct ruleset_hook *hook)
{
	char *name = arena_strdup(arena, arena_printf(arena, "%s_%s", hook->chain, hook->device));

	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return name;
}

/* Each hook's base chain has the device's name behind the kind's: "guard_macvtap0". */
static void text_hook(FILE *f, const struct ruleset_hook *hook, const char *name)
{
	(void)fprintf(f, "\tchain %s {\n\t\ttype filter hook %s device \"%s\" priority filter; policy accept;\n\t\tjump %s\n\t}\n",
		      name, str_eq(hook->chain, "host") ? "ingress" : "egress", hook->device, hook->chain);
}

const char *ruleset_structure(struct arena *arena, struct w_table *table, bool guard, const struct ruleset_extra *extra)
{
	const struct snat *snats = extra->snats;
	size_t n_snats = extra->n_snats;
	uint8_t family = table->family;
	char *buf = NULL;
	size_t len;
	FILE *f = text_open(&buf, &len);
	size_t cap = 0;

	for (size_t i = 0; i < schema_n_sets; i++)
		if (schema_sets[i].family == family && (guard || !schema_sets[i].guard))
			text_set(f, &schema_sets[i]);
	if (guard)
		(void)fputs(schema_guard_memory, f);
	for (size_t i = 0; i < n_snats && family == NFPROTO_INET; i++) {
		char name[CHAIN_NAME];

		(void)fprintf(f, "\tchain %s {\n", snat_chain_name(&snats[i], name));
		size_t n_rules = text_snat_rules(f, &snats[i]);
		(void)fprintf(f, "\t}\n");
		ARENA_GROW(arena, table->chains, table->n_chains, cap);
		table->chains[table->n_chains++] = (struct w_chain){ arena_strdup(arena, name), (uint32_t)n_rules };
	}
	for (size_t i = 0; i < schema_n_chains; i++) {
		const struct schema_chain *c = &schema_chains[i];
		uint32_t n_rules = 0;

		if (c->family != family || (c->guard && !guard))
			continue;
		(void)fprintf(f, "\tchain %s {\n", c->name);
		if (c->hook)
			(void)fprintf(f, "\t\t%s\n", c->hook);
		for (; n_rules < CHAIN_RULES && c->rules[n_rules]; n_rules++)
			(void)fprintf(f, "\t\t%s\n", c->rules[n_rules]);
		(void)fprintf(f, "\t}\n");
		ARENA_GROW(arena, table->chains, table->n_chains, cap);
		table->chains[table->n_chains++] = (struct w_chain){ c->name, n_rules };
	}
	for (size_t i = 0; i < extra->n_hooks; i++) {
		const char *name = hook_name(arena, &extra->hooks[i]);

		text_hook(f, &extra->hooks[i], name);
		ARENA_GROW(arena, table->chains, table->n_chains, cap);
		table->chains[table->n_chains++] = (struct w_chain){ name, 1 };
	}
	return text_close(arena, f, &buf);
}

/* ---- elements ---- */

/* nft has no escapes in strings, and takes a trailing asterisk for a wildcard. */
static bool ifname_is_plain(const uint8_t name[static 16])
{
	for (size_t i = 0; i < 16 && name[i]; i++)
		if (!isalnum(name[i]) && !strchr("._-@:", name[i]))
			return false;
	return name[0] != '\0';
}

bool ruleset_ifname_is_plain(const char *name)
{
	uint8_t b[16] = { 0 };

	return str_copy((char *)b, sizeof(b), name) && ifname_is_plain(b);
}

static bool elem_is_plain(const struct schema_set *s, const struct nft_elem *e)
{
	const uint8_t *p = e->key;

	for (const enum schema_field *k = s->key; *k != FIELD_END; p += schema_fields[*k].padded, k++)
		if (*k == FIELD_IFNAME && !ifname_is_plain(p))
			return false;
	return true;
}

static void text_field(FILE *f, enum schema_field field, const uint8_t *b)
{
	struct ip ip = { 0 };
	struct mac mac;
	uint32_t mark;

	switch (field) {
	case FIELD_IFNAME:
		(void)fprintf(f, "\"%.16s\"", (const char *)b);
		break;
	case FIELD_PROTO:
		(void)fprintf(f, "%u", b[0]);
		break;
	case FIELD_PORT:
		(void)fprintf(f, "%u", b[0] << 8 | b[1]);
		break;
	case FIELD_IP4:
	case FIELD_IP6:
		ip.family = field == FIELD_IP4 ? AF_INET : AF_INET6;
		memcpy(ip.b, b, schema_fields[field].size);
		(void)fprintf(f, "%s", IP_STR(&ip));
		break;
	case FIELD_MAC:
		memcpy(mac.b, b, sizeof(mac.b));
		(void)fprintf(f, "%s", MAC_STR(&mac));
		break;
	case FIELD_MARK:
		memcpy(&mark, b, sizeof(mark));
		(void)fprintf(f, "%u", mark);
		break;
	case FIELD_RAW6:
		(void)fputs("0x", f);
		for (size_t i = 0; i < 16; i++)
			(void)fprintf(f, "%02x", b[i]);
		break;
	case FIELD_INDEX:
	case FIELD_END:
	case FIELD_N_:
		assert(0);
	}
}

static void text_elem(FILE *f, const struct schema_set *s, const struct nft_elem *e)
{
	static const char *const verdicts[NFT_VERDICT_N_] = {
		[NFT_VERDICT_NONE] = "",
		[NFT_VERDICT_ACCEPT] = "accept",
		[NFT_VERDICT_DROP] = "drop",
		[NFT_VERDICT_JUMP] = "jump ",
		[NFT_VERDICT_GOTO] = "goto ",
		[NFT_VERDICT_RETURN] = "return",
	};
	size_t at = 0;

	for (const enum schema_field *k = s->key; *k != FIELD_END; at += schema_fields[*k].padded, k++) {
		(void)fputs(k == s->key ? "" : " . ", f);
		text_field(f, *k, e->key + at);
		if (e->key_end_len > 0 && memcmp(e->key + at, e->key_end + at, schema_fields[*k].size) != 0) {
			(void)fputc('-', f);
			text_field(f, *k, e->key_end + at);
		}
	}
	if (s->data == DATA_VERDICT)
		(void)fprintf(f, " : %s%s", verdicts[e->verdict], e->chain);
	if (s->data == DATA_MARK) {
		(void)fputs(" : ", f);
		text_field(f, FIELD_MARK, e->data);
	}
	if (s->data == DATA_IP4_PORT || s->data == DATA_IP6_PORT) {
		enum schema_field ip = s->data == DATA_IP4_PORT ? FIELD_IP4 : FIELD_IP6;

		(void)fputs(" : ", f);
		text_field(f, ip, e->data);
		(void)fputs(" . ", f);
		text_field(f, FIELD_PORT, e->data + schema_fields[ip].padded);
	}
}

static void text_elems(FILE *f, struct arena *arena, struct ruleset_table *ret)
{
	const struct w_table *table = &ret->table;
	struct nft_elem *rest = NULL;
	size_t cap = 0;

	for (size_t i = 0; i < table->n_elems;) {
		const char *set = table->elems[i].set;
		const struct schema_set *s = schema_set_find(table->family, set);
		bool any = false;

		for (; i < table->n_elems && str_eq(table->elems[i].set, set); i++) {
			if (!elem_is_plain(s, &table->elems[i])) {
				ARENA_GROW(arena, rest, ret->n_rest, cap);
				rest[ret->n_rest++] = table->elems[i];
				continue;
			}
			if (!any)
				(void)fprintf(f, "add element %s sixtap %s {\n", family_name(table->family), set);
			(void)fputs(any ? ",\n\t" : "\t", f);
			text_elem(f, s, &table->elems[i]);
			any = true;
		}
		if (any)
			(void)fputs("\n}\n", f);
	}
	ret->rest = rest;
}

void ruleset_text(struct arena *arena, struct ruleset_table *table)
{
	const char *family = family_name(table->table.family);
	char *buf = NULL;
	size_t len;
	FILE *f = text_open(&buf, &len);

	(void)fprintf(f, "add table %s sixtap\ndelete table %s sixtap\n", family, family);
	if (table->table.present) {
		(void)fprintf(f, "table %s sixtap {\n\tcomment \"%s\"\n%s}\n", family, table->table.comment, table->structure);
		text_elems(f, arena, table);
	}
	table->text = text_close(arena, f, &buf);
}
