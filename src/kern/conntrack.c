/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack - flows that were tracked without the translation they need
 *
 * A dump of both families, from which the kernel leaves out what is translated
 * (where it knows how: 5.8), then deletions by the very tuple, id and zone that
 * the dump told, so that no other flow is hit.
 */
#include "kern/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include "base/mem.h"
#include "kern/nl.h"

#define BATCH 128	/* deletions in one system call */

struct forget {
	const struct untranslated *which;
	uint8_t family;
	struct nl nl;		/* the dump has a socket of its own: it goes on meanwhile */
	struct nlb deletions;
	struct nl_result *results;
	size_t n;
};

static void ct_msg(struct nlb *b, uint8_t msg, uint16_t flags, uint8_t family)
{
	const struct nfgenmsg nf = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nlb_msg(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | msg), flags, &nf, sizeof(nf));
}

static bool in_any(const struct prefix *list, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].ip.family == ip->family && prefix_contains(&list[i], ip))
			return true;
	return false;
}

/* Who sent the flow's first packet, and to whom. */
static bool parse_tuple(const struct nlattr *tuple, uint8_t family, struct ip *ret_src, struct ip *ret_dst)
{
	static const uint16_t tuple_policy[CTA_TUPLE_IP + 1];
	static const uint16_t ip_policy[CTA_IP_V6_DST + 1] = {
		[CTA_IP_V4_SRC] = 4, [CTA_IP_V4_DST] = 4, [CTA_IP_V6_SRC] = 16, [CTA_IP_V6_DST] = 16,
	};
	const struct nlattr *tb[CTA_TUPLE_IP + 1], *ip[CTA_IP_V6_DST + 1];
	const struct nlattr *src, *dst;

	nl_parse_nest(tuple, tb, CTA_TUPLE_IP, tuple_policy);
	if (!tb[CTA_TUPLE_IP])
		return false;
	nl_parse_nest(tb[CTA_TUPLE_IP], ip, CTA_IP_V6_DST, ip_policy);
	src = ip[family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC];
	dst = ip[family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST];
	if (!src || !dst)
		return false;
	*ret_src = (struct ip){ .family = family };
	*ret_dst = (struct ip){ .family = family };
	memcpy(ret_src->b, nl_data(src), ip_size(ret_src));
	memcpy(ret_dst->b, nl_data(dst), ip_size(ret_dst));
	return true;
}

/* What is gone by itself meanwhile is nobody's failure. */
static int delete_batch(struct forget *f)
{
	size_t n = f->deletions.n_msgs;
	int r = nl_batch(&f->nl, &f->deletions, f->results);

	for (size_t i = 0; r == 0 && i < n; i++)
		f->n += f->results[i].err == 0;
	nlb_reset(&f->deletions);
	return r;
}

static int on_flow(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[CTA_ZONE + 1] = { [CTA_STATUS] = 4, [CTA_ID] = 4, [CTA_ZONE] = 2 };
	struct forget *f = user;
	const struct nlattr *tb[CTA_ZONE + 1];
	struct ip src, dst;

	if (!nl_parse_msg(nlh, sizeof(struct nfgenmsg), tb, CTA_ZONE, policy) || !tb[CTA_TUPLE_ORIG] || !tb[CTA_STATUS] ||
	    (nl_be32(tb[CTA_STATUS]) & IPS_SRC_NAT) || !parse_tuple(tb[CTA_TUPLE_ORIG], f->family, &src, &dst))
		return 0;
	if (!in_any(f->which->from, f->which->n_from, &src) || in_any(f->which->not_to, f->which->n_not_to, &dst) ||
	    ip_is_multicast(&dst) || ip_is_link_local(&dst))
		return 0;
	ct_msg(&f->deletions, IPCTNL_MSG_CT_DELETE, 0, f->family);
	nlb_put(&f->deletions, CTA_TUPLE_ORIG | NLA_F_NESTED, nl_data(tb[CTA_TUPLE_ORIG]), nl_len(tb[CTA_TUPLE_ORIG]));
	if (tb[CTA_ID])
		nlb_put(&f->deletions, CTA_ID, nl_data(tb[CTA_ID]), 4);
	if (tb[CTA_ZONE])
		nlb_put(&f->deletions, CTA_ZONE, nl_data(tb[CTA_ZONE]), 2);
	return f->deletions.n_msgs < BATCH ? 0 : delete_batch(f);
}

static int forget_family(struct nl *nl, struct forget *f)
{
	_cleanup_(nlb_free) struct nlb b = { 0 };
	char why[NL_WHY_MAX];

	ct_msg(&b, IPCTNL_MSG_CT_GET, NLM_F_DUMP, f->family);
	nlb_be32(&b, CTA_STATUS, 0);
	nlb_be32(&b, CTA_STATUS_MASK, IPS_SRC_NAT);
	int r = nl_dump(nl, &b, on_flow, f, why);
	if (r == -ENOENT || r == -EOPNOTSUPP || r == -EINVAL)	/* no nf_conntrack_netlink: nfnetlink knows no such subsystem */
		return 0;
	return r < 0 ? r : delete_batch(f);
}

int conntrack_forget(const struct untranslated *which, size_t *ret_n)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct forget f = { .which = which, .nl = NL_CLOSED, .results = xcalloc(BATCH, sizeof(*f.results)) };
	_cleanup_(nl_close) struct nl nl = NL_CLOSED;
	int r = nl_open(&nl, NETLINK_NETFILTER);

	if (r >= 0)
		r = nl_open(&f.nl, NETLINK_NETFILTER);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(families); i++) {
		bool any = false;

		f.family = families[i];
		for (size_t k = 0; k < which->n_from; k++)
			any = any || which->from[k].ip.family == families[i];
		if (any)
			r = forget_family(&nl, &f);
	}
	*ret_n = f.n;
	nl_close(&f.nl);
	nlb_free(&f.deletions);
	free(f.results);
	return r < 0 ? r : 0;
}
