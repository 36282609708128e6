/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_xt - iptables' matches and targets, in the rules that iptables-nft writes
 *
 * kern/foreign reads their bytes; what of a match it has no condition for is a
 * question.
 */
#include "diag/path_expr.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_mark.h>
#include "kern/foreign.h"
#include "model/firewall.h"

static bool name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return n > 0 && pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

/*
 * net/netfilter/xt_addrtype.c, match_type6(): of IPv6 "unicast" and "multicast" are what the address looks like, local or
 * not, and all that is asked for must be so.
 */
static bool type6_holds(const struct path_eval *e, uint32_t mask)
{
	const struct ip *ip = &e->p.dst;
	const uint32_t looked_up = 1U << RTN_LOCAL | 1U << RTN_ANYCAST | 1U << RTN_PROHIBIT | 1U << RTN_UNREACHABLE;

	if ((mask & 1U << RTN_MULTICAST && !ip_is_multicast(ip)) ||
	    (mask & 1U << RTN_UNICAST && (ip_is_multicast(ip) || ip_is_unspecified(ip))))
		return false;
	return !(mask & looked_up) || (mask & looked_up) >> path_addr_type(e->s, ip) & 1;
}

/* 1 holds, 0 doesn't, -1 can't be told. */
static int cond_holds(const struct path_eval *e, const struct fw_cond *c)
{
	const struct path_packet *p = &e->p;
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
	uint32_t v = 0;
	bool hit = false;

	switch (c->kind) {
	case FW_COND_IIF:
	case FW_COND_OIF: {
		uint32_t ifindex = c->kind == FW_COND_IIF ? p->iif : p->oif;

		for (size_t i = 0; i < c->n; i++)
			hit |= name_matches(c->names[i], ifindex ? snap_link_name(e->s, ifindex) : "");
		return hit != c->negated;
	}
	case FW_COND_CT:
		v = p->ct_state | (p->ct_status & PATH_IPS_DST_NAT ? (uint32_t)FW_CT_DNAT : 0);
		return ((c->n > 0 && (c->ranges[0].first & v)) != c->negated);
	case FW_COND_DTYPE:
		if (p->family == AF_INET6)
			return (c->n > 0 && type6_holds(e, (uint32_t)c->ranges[0].first)) != c->negated;
		return (c->n > 0 && (c->ranges[0].first >> path_addr_type(e->s, &p->dst) & 1)) != c->negated;
	case FW_COND_FAMILY:
		v = p->family;
		break;
	case FW_COND_L4PROTO:
		v = p->proto;
		break;
	case FW_COND_DPORT:
		if (icmp)
			return 0;
		v = p->dport;
		break;
	case FW_COND_ICMP_TYPE:
		if (!icmp)
			return 0;
		v = p->icmp_type;
		break;
	case FW_COND_SADDR:
		return prefix_contains(&c->prefix, &p->src) != c->negated;
	case FW_COND_DADDR:
		return prefix_contains(&c->prefix, &p->dst) != c->negated;
	case FW_COND_IBR:
	case FW_COND_OBR:
	case FW_COND_OTHER:
	case FW_COND_N_:
		return -1;
	}
	for (size_t i = 0; i < c->n; i++)
		hit |= v >= c->ranges[i].first && v <= c->ranges[i].last;
	return hit != c->negated;
}

enum path_outcome path_xt_match(struct path_eval *e, const struct snap_expr *x)
{
	struct foreign_conds list = { .arena = e->arena };
	const char *name = x->name + strlen("match:"), *comment = NULL;
	enum path_outcome out = PATH_OUT_NEXT;

	if (strcmp(name, "hl") == 0)
		return PATH_OUT_QUESTION;
	foreign_parse_match(name, x->key, x->data.p, x->data.n, &list, &comment);
	for (size_t i = 0; i < list.n; i++) {
		int holds = cond_holds(e, &list.conds[i]);

		if (holds == 0)
			return PATH_OUT_BREAK;
		if (holds < 0)
			out = PATH_OUT_QUESTION;
	}
	return out;
}

/* Return: false when it's a layout that nobody here knows. */
static bool set_marks(struct path_eval *e, const char *name, const struct snap_expr *x)
{
	struct path_packet *p = &e->p;
	struct xt_connmark_tginfo1 c;
	struct xt_mark_tginfo2 m;

	if (strcmp(name, "MARK") == 0 && x->key == 2 && x->data.n >= sizeof(m)) {
		memcpy(&m, x->data.p, sizeof(m));
		p->mark = (p->mark & ~m.mask) ^ m.mark;
		return true;
	}
	if (strcmp(name, "CONNMARK") != 0 || x->key != 1 || x->data.n < sizeof(c))
		return false;
	memcpy(&c, x->data.p, sizeof(c));
	if (e->early || (p->ct_state & PATH_CT_UNTRACKED))
		return true;
	if (c.mode == XT_CONNMARK_SET)
		p->ct_mark = (p->ct_mark & ~c.ctmask) ^ c.ctmark;
	else if (c.mode == XT_CONNMARK_SAVE)
		p->ct_mark = (p->ct_mark & ~c.ctmask) ^ (p->mark & c.nfmask);
	else
		p->mark = (p->mark & ~c.nfmask) ^ (p->ct_mark & c.ctmask);
	return true;
}

/* The port that REDIRECT names, for IPv4 in the layout of old; 0: none. */
static uint16_t redirect_port(const struct path_eval *e, const struct snap_expr *x)
{
	struct nf_nat_ipv4_multi_range_compat old;
	struct nf_nat_range range;

	if (e->p.family == AF_INET && x->data.n >= sizeof(old)) {
		memcpy(&old, x->data.p, sizeof(old));
		return old.range[0].flags & NF_NAT_RANGE_PROTO_SPECIFIED ? ntohs(old.range[0].min.all) : 0;
	}
	if (e->p.family != AF_INET6 || x->data.n < sizeof(range))
		return 0;
	memcpy(&range, x->data.p, sizeof(range));
	return range.flags & NF_NAT_RANGE_PROTO_SPECIFIED ? ntohs(range.min_proto.all) : 0;
}

enum path_outcome path_xt_target(struct path_eval *e, const struct snap_expr *x)
{
	const char *name = x->name + strlen("target:");

	if (strcmp(name, "MASQUERADE") == 0)
		return path_masquerade(e);
	if (strcmp(name, "REJECT") == 0) {
		e->verdict = NF_DROP;
		return PATH_OUT_VERDICT;
	}
	if ((strcmp(name, "DNAT") == 0 || strcmp(name, "SNAT") == 0) && x->data.n >= sizeof(struct nf_nat_range)) {
		struct ip ip = { .family = e->p.family };
		struct nf_nat_range range;

		if (x->key == 0 && e->p.family == AF_INET)
			return path_fate_unknown(e); /* an old layout */
		memcpy(&range, x->data.p, sizeof(range));
		memcpy(ip.b, &range.min_addr, ip_size(&ip));
		uint16_t port = ntohs(range.min_proto.all);
		bool with_ip = range.flags & NF_NAT_RANGE_MAP_IPS,
		     with_port = range.flags & NF_NAT_RANGE_PROTO_SPECIFIED;
		if (name[0] == 'D')
			path_translate_to(e, with_ip ? &ip : NULL, with_port ? &port : NULL);
		else
			path_translate_from(e, with_ip ? &ip : NULL);
		return path_accepted(e);
	}
	static const char *const passing[] = { "LOG",  "NFLOG",	   "TCPMSS", "TTL", "HL",   "CHECKSUM",
					       "DSCP", "CLASSIFY", "TRACE",  "CT",  "AUDIT" };
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		if (strcmp(passing[i], name) == 0)
			return PATH_OUT_NEXT;
	}
	if (strcmp(name, "REDIRECT") == 0)
		return path_redirect(e, redirect_port(e, x));
	return set_marks(e, name, x) ? PATH_OUT_NEXT : path_fate_unknown(e);
}
