/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_neigh - neighbours, proxy entries and their limits
 */
#include "diag/snap_read.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define NDA_PROTOCOL_ 12

static bool parse_neigh(const struct nlmsghdr *nlh, const struct nlattr **tb, struct ndmsg *ndm, struct ip *ip)
{
	static const uint16_t policy[NDA_PROTOCOL_ + 1] = { [NDA_PROTOCOL_] = 1 };

	if (!nl_parse_msg(nlh, sizeof(*ndm), tb, NDA_PROTOCOL_, policy))
		return false;
	memcpy(ndm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(*ndm));
	return nl_ip(tb[NDA_DST], ndm->ndm_family, ip);
}

static int on_neigh(void *user, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NDA_PROTOCOL_ + 1];
	struct snapshot *s = user;
	struct ndmsg ndm;
	struct ip ip;

	if (!parse_neigh(nlh, tb, &ndm, &ip) || (ndm.ndm_state & NUD_NOARP))
		return 0;	/* multicast and loopback: what every host has */
	*SNAP_ADD(s, neighs) = (struct snap_neigh){
		.ifindex = (uint32_t)ndm.ndm_ifindex,
		.ip = ip,
		.mac = tb[NDA_LLADDR] ? snap_mac(tb[NDA_LLADDR]) : (struct mac){ .b = { 0 } },
		.state = ndm.ndm_state,
		.flags = ndm.ndm_flags,
		.protocol = nl_u8(tb[NDA_PROTOCOL_]),
	};
	return 0;
}

static int on_proxy(void *user, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NDA_PROTOCOL_ + 1];
	struct snapshot *s = user;
	struct ndmsg ndm;
	struct ip ip;

	if (!parse_neigh(nlh, tb, &ndm, &ip) || !(ndm.ndm_flags & NTF_PROXY))
		return 0;
	*SNAP_ADD(s, proxies) = (struct snap_proxy){
		.ifindex = (uint32_t)ndm.ndm_ifindex,
		.ip = ip,
		.protocol = nl_u8(tb[NDA_PROTOCOL_]),
	};
	return 0;
}

static uint64_t u64_at(const struct nlattr *a)
{
	uint64_t v = 0;

	if (a)
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

static int on_table(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NDTA_MAX + 1] = {
		[NDTA_THRESH1] = 4, [NDTA_THRESH2] = 4, [NDTA_THRESH3] = 4,
		[NDTA_CONFIG] = sizeof(struct ndt_config), [NDTA_STATS] = sizeof(struct ndt_stats) - 2 * sizeof(uint64_t),
	};
	static const uint16_t parms_policy[NDTPA_MAX + 1] = {
		[NDTPA_IFINDEX] = 4,	  [NDTPA_PROXY_QLEN] = 4,     [NDTPA_APP_PROBES] = 4,
		[NDTPA_UCAST_PROBES] = 4, [NDTPA_MCAST_PROBES] = 4,   [NDTPA_PROXY_DELAY] = 8,
		[NDTPA_ANYCAST_DELAY] = 8, [NDTPA_RETRANS_TIME] = 8,  [NDTPA_BASE_REACHABLE_TIME] = 8,
		[NDTPA_DELAY_PROBE_TIME] = 8,
	};
	const struct nlattr *tb[NDTA_MAX + 1], *p[NDTPA_MAX + 1];
	struct snapshot *s = user;
	struct ndtmsg ndtm;

	if (!nl_parse_msg(nlh, sizeof(ndtm), tb, NDTA_MAX, policy) || !tb[NDTA_PARMS])
		return 0;
	memcpy(&ndtm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ndtm));
	if (ndtm.ndtm_family != AF_INET && ndtm.ndtm_family != AF_INET6)
		return 0;
	nl_parse_nest(tb[NDTA_PARMS], p, NDTPA_MAX, parms_policy);
	struct snap_neigh_table *t = SNAP_ADD(s, neigh_tables);
	*t = (struct snap_neigh_table){
		.family = ndtm.ndtm_family,
		.ifindex = nl_u32(p[NDTPA_IFINDEX]),
		.gc_thresh1 = nl_u32(tb[NDTA_THRESH1]),
		.gc_thresh2 = nl_u32(tb[NDTA_THRESH2]),
		.gc_thresh3 = nl_u32(tb[NDTA_THRESH3]),
		.proxy_delay_ms = u64_at(p[NDTPA_PROXY_DELAY]),
		.anycast_delay_ms = u64_at(p[NDTPA_ANYCAST_DELAY]),
		.retrans_ms = u64_at(p[NDTPA_RETRANS_TIME]),
		.base_reachable_ms = u64_at(p[NDTPA_BASE_REACHABLE_TIME]),
		.delay_probe_ms = u64_at(p[NDTPA_DELAY_PROBE_TIME]),
		.proxy_qlen = nl_u32(p[NDTPA_PROXY_QLEN]),
		.ucast_probes = nl_u32(p[NDTPA_UCAST_PROBES]),
		.mcast_probes = nl_u32(p[NDTPA_MCAST_PROBES]),
		.app_probes = nl_u32(p[NDTPA_APP_PROBES]),
	};
	if (tb[NDTA_CONFIG]) {
		struct ndt_config c;

		memcpy(&c, nl_data(tb[NDTA_CONFIG]), sizeof(c));
		t->entries = c.ndtc_entries;
	}
	if (tb[NDTA_STATS]) {
		struct ndt_stats st = { 0 };
		size_t n = nl_len(tb[NDTA_STATS]);

		memcpy(&st, nl_data(tb[NDTA_STATS]), n < sizeof(st) ? n : sizeof(st));
		t->table_fulls = st.ndts_table_fulls;
	}
	return 0;
}

static void dump(struct snap_reader *r, uint8_t family, uint8_t flags, nl_fn fn, size_t *n, const char *part)
{
	const struct ndmsg ndm = { .ndm_family = family, .ndm_flags = flags };

	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
	if (snap_dump(r, &r->rt, fn, r->s, n, NULL) < 0)
		snapshot_add_unread(r->s, part, family == AF_INET ? "IPv4" : "IPv6", "%s", r->why);
}

void snap_read_neighs(struct snap_reader *r)
{
	const struct ndtmsg ndtm = { .ndtm_family = AF_UNSPEC };
	struct snapshot *s = r->s;

	dump(r, AF_INET, 0, on_neigh, &s->n_neighs, "neighbours");
	dump(r, AF_INET6, 0, on_neigh, &s->n_neighs, "neighbours");
	dump(r, AF_INET, NTF_PROXY, on_proxy, &s->n_proxies, "proxies");
	dump(r, AF_INET6, NTF_PROXY, on_proxy, &s->n_proxies, "proxies");
	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETNEIGHTBL, NLM_F_DUMP, &ndtm, sizeof(ndtm));
	if (snap_dump(r, &r->rt, on_table, s, &s->n_neigh_tables, NULL) < 0)
		snapshot_add_unread(s, "neighbours", "limits", "%s", r->why);
}
