/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_words - somebody else's chains and commands in words
 */
#include "plan/foreign.h"

#include <linux/netfilter.h>
#include <netinet/in.h>
#include <string.h>

/* Names come from whoever made the table: nothing that a terminal or a shell would take for more than a name. */
static const char *shown(struct arena *arena, const char *name)
{
	static const char also[] = "-_.+/@";
	char *s = arena_strdup(arena, name);

	for (char *c = s; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr(also, *c)))
			*c = '?';
	return s;
}

static const char *family_name(const struct fw_table *table)
{
	switch (table->family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_IPV6:
		return "ip6";
	default:
		return "ip";
	}
}

const char *foreign_name(struct arena *arena, const struct fw_table *table, const struct fw_chain *chain)
{
	return arena_printf(arena, "%s %s %s", family_name(table), shown(arena, table->name), shown(arena, chain->name));
}

const char *foreign_owner(const struct fw_table *table, const struct fw_chain *point)
{
	if (point)
		return str_eq(point->name, "DOCKER-USER") ? "docker" : "ufw";
	return str_eq(table->name, "firewalld") ? "firewalld" : NULL;
}

static const struct fw_cond *cond_of(const struct fw_rule *rule, enum fw_cond_kind kind)
{
	for (size_t i = 0; i < rule->n_conds; i++)
		if (rule->conds[i].kind == kind)
			return &rule->conds[i];
	return NULL;
}

static const char *device_of(const struct fw_rule *rule, enum fw_cond_kind kind)
{
	const struct fw_cond *c = cond_of(rule, kind);

	return c && c->names ? c->names[0] : NULL;
}

static uint32_t number_of(const struct fw_rule *rule, enum fw_cond_kind kind)
{
	const struct fw_cond *c = cond_of(rule, kind);

	return c && c->ranges ? c->ranges[0].first : 0;
}

static const char *joined(struct arena *arena, const char *a, const char *b)
{
	return a[0] ? arena_printf(arena, "%s; %s", a, b) : b;
}

static const char *ct_states(struct arena *arena, uint32_t ct)
{
	const char *s = "";

	if (ct & FW_CT_RELATED)
		s = arena_printf(arena, "%s,RELATED", s);
	if (ct & FW_CT_ESTABLISHED)
		s = arena_printf(arena, "%s,ESTABLISHED", s);
	if (ct & FW_CT_DNAT)
		s = arena_printf(arena, "%s,DNAT", s);
	return s[0] ? s + 1 : s;
}

static const char *iptables_rule(struct arena *arena, const struct fw_rule *rule)
{
	const char *in = device_of(rule, FW_COND_IIF), *out = device_of(rule, FW_COND_OIF), *s = "";
	const char *ibr = device_of(rule, FW_COND_IBR), *obr = device_of(rule, FW_COND_OBR);
	uint32_t ct = number_of(rule, FW_COND_CT);
	uint32_t proto = number_of(rule, FW_COND_L4PROTO), port = number_of(rule, FW_COND_DPORT);
	const struct fw_cond *source = cond_of(rule, FW_COND_SADDR);

	if (source)
		s = arena_printf(arena, "%s -s %s", s, PREFIX_STR(&source->prefix));
	if (in)
		s = arena_printf(arena, "%s -i %s", s, shown(arena, in));
	if (out)
		s = arena_printf(arena, "%s -o %s", s, shown(arena, out));
	if (ibr)
		s = arena_printf(arena, "%s --logical-in %s", s, shown(arena, ibr));
	if (obr)
		s = arena_printf(arena, "%s --logical-out %s", s, shown(arena, obr));
	if (proto)
		s = arena_printf(arena, "%s -p %s", s,
				 proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" :
				 proto == IPPROTO_ICMP ? "icmp" : "icmpv6");
	if (port)
		s = arena_printf(arena, "%s --dport %u", s, port);
	if (ct)
		s = arena_printf(arena, "%s -m conntrack --ctstate %s", s, ct_states(arena, ct));
	return s;
}

static const char *nft_rule(struct arena *arena, const struct fw_rule *rule)
{
	const char *in = device_of(rule, FW_COND_IIF), *out = device_of(rule, FW_COND_OIF), *s = "";
	const char *ibr = device_of(rule, FW_COND_IBR), *obr = device_of(rule, FW_COND_OBR);
	uint32_t proto = number_of(rule, FW_COND_L4PROTO), port = number_of(rule, FW_COND_DPORT);
	uint32_t ct = number_of(rule, FW_COND_CT);

	if (ibr)
		s = arena_printf(arena, "%s meta ibrname \"%s\"", s, shown(arena, ibr));
	if (obr)
		s = arena_printf(arena, "%s meta obrname \"%s\"", s, shown(arena, obr));
	if (in)
		s = arena_printf(arena, "%s iifname \"%s\"", s, shown(arena, in));
	if (out)
		s = arena_printf(arena, "%s oifname \"%s\"", s, shown(arena, out));
	if (proto && port)
		s = arena_printf(arena, "%s %s dport %u", s, proto == IPPROTO_TCP ? "tcp" : "udp", port);
	else if (proto)
		s = arena_printf(arena, "%s meta l4proto %s", s, proto == IPPROTO_ICMP ? "icmp" : "ipv6-icmp");
	if (ct)
		s = arena_printf(arena, "%s ct %s", s, ct & FW_CT_DNAT ? "status dnat" : "state established,related");
	return s;
}

static const char *ufw_command(struct arena *arena, enum fw_hook hook, const struct fw_rule *rules, size_t n)
{
	const char *s = "";

	for (size_t i = 0; i < n; i++) {
		const char *in = device_of(&rules[i], FW_COND_IIF), *out = device_of(&rules[i], FW_COND_OIF), *one = NULL;

		if (hook == FW_HOOK_INPUT && number_of(&rules[i], FW_COND_DPORT) && !s[0])
			one = arena_printf(arena, "ufw allow in on %s to any port 53", shown(arena, in));
		else if (hook == FW_HOOK_OUTPUT && out && !strstr(s, shown(arena, out)))
			one = arena_printf(arena, "ufw allow out on %s", shown(arena, out));
		else if (hook == FW_HOOK_FORWARD)
			one = arena_printf(arena, "ufw route allow%s%s%s%s", in ? " in on " : "", in ? shown(arena, in) : "",
					   out ? " out on " : "", out ? shown(arena, out) : "");
		s = one ? joined(arena, s, one) : s;
	}
	return s;
}

const char *foreign_command(struct arena *arena, const struct fw_table *table, const struct fw_chain *chain,
			    enum fw_hook hook, const struct fw_rule *rules, size_t n)
{
	const char *program = table->family == NFPROTO_BRIDGE ? "ebtables" : table->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";
	const char *of = str_eq(table->name, "filter") ? "" : arena_printf(arena, " -t %s", shown(arena, table->name)), *s = "";
	const char *device = NULL;

	for (size_t i = 0; !device && i < n; i++)
		device = device_of(&rules[i], hook == FW_HOOK_INPUT ? FW_COND_IIF : FW_COND_OIF);
	if (str_eq(table->name, "firewalld") && (hook == FW_HOOK_INPUT || hook == FW_HOOK_FORWARD)) {
		/* The network's own device is what the rules have in common: answers go out there. */
		for (size_t i = 0; hook == FW_HOOK_FORWARD && i < n; i++)
			if (number_of(&rules[i], FW_COND_CT))
				device = device_of(&rules[i], FW_COND_OIF);
		return arena_printf(arena, "firewall-cmd --zone=trusted --add-interface=%s", shown(arena, device));
	}
	if (strncmp(chain->name, "ufw", 3) == 0)
		return ufw_command(arena, hook, rules, n);
	for (size_t i = 0; i < n; i++) {
		if (table->xt)
			s = joined(arena, s,
				   arena_printf(arena, "%s-%s%s -I %s%s -j ACCEPT", program, table->legacy ? "legacy" : "nft", of,
						shown(arena, chain->name), iptables_rule(arena, &rules[i])));
		else
			s = joined(arena, s,
				   arena_printf(arena, "insert rule %s%s accept", foreign_name(arena, table, chain),
						nft_rule(arena, &rules[i])));
	}
	return table->xt ? s : arena_printf(arena, "nft '%s'", s);
}
