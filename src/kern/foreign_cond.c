/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_cond - conditions, and how xtables' matches come to them
 *
 * iptables-nft and iptables-legacy share the matches: blobs with a name and a
 * revision.
 */
#include "kern/foreign.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <netinet/in.h>

/* ----------------------------------------------------------------- conditions */

struct fw_cond *foreign_add(struct foreign_conds *list, enum fw_cond_kind kind, bool negated)
{
	ARENA_GROW(list->arena, list->conds, list->n, list->cap);
	struct fw_cond *c = &list->conds[list->n++];
	*c = (struct fw_cond){ .kind = kind, .negated = negated };
	return c;
}

void foreign_add_other(struct foreign_conds *list)
{
	(void)foreign_add(list, FW_COND_OTHER, false);
}

const char *foreign_name_of(struct arena *arena, const void *bytes, size_t len)
{
	char name[18] = "";

	if (len > 16)
		len = 16;
	memcpy(name, bytes, len);
	/* Compared up to its end with the NUL, it is the whole name. */
	if (!memchr(bytes, '\0', len))
		name[len] = '*';
	return arena_strdup(arena, name);
}

void foreign_add_name(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, const void *bytes, size_t len)
{
	const char **names = arena_alloc(list->arena, 1, sizeof(*names));
	struct fw_cond *c = foreign_add(list, kind, negated);

	names[0] = foreign_name_of(list->arena, bytes, len);
	c->names = names;
	c->n = 1;
}

void foreign_add_range(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, uint32_t first, uint32_t last)
{
	struct fw_range *range = ARENA_NEW(list->arena, struct fw_range);
	struct fw_cond *c = foreign_add(list, kind, negated);

	*range = (struct fw_range){ first, last };
	c->ranges = range;
	c->n = 1;
}

void foreign_add_prefix(struct foreign_conds *list, enum fw_cond_kind kind, bool negated, sa_family_t family,
			const uint8_t *ip, const uint8_t *mask)
{
	struct prefix p = { .ip = { .family = (uint8_t)family } };
	size_t n = family == AF_INET ? 4 : 16;

	memcpy(p.ip.b, ip, n);
	while (p.len < n * 8 && (mask[p.len / 8] & (0x80 >> p.len % 8)))
		p.len++;
	for (size_t i = p.len; i < n * 8; i++)
		if (mask[i / 8] & (0x80 >> i % 8)) {
			foreign_add_other(list);
			return;
		}
	foreign_add(list, kind, negated)->prefix = p;
}

/* -------------------------------------------------------------------- xtables */

static void match_conntrack(uint32_t rev, const void *info, size_t len, struct foreign_conds *list)
{
	struct xt_conntrack_mtinfo2 mt;
	uint32_t bits;

	if (rev < 2 || len < sizeof(mt)) {
		foreign_add_other(list);
		return;
	}
	memcpy(&mt, info, sizeof(mt));	/* revision 3 goes on behind it */
	bits = mt.state_mask & (FW_CT_INVALID | FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_NEW);
	if (mt.state_mask & XT_CONNTRACK_STATE_DNAT)
		bits |= FW_CT_DNAT;
	if (mt.state_mask & XT_CONNTRACK_STATE_UNTRACKED)
		bits |= FW_CT_UNTRACKED;
	if (mt.match_flags & XT_CONNTRACK_STATE)
		foreign_add_range(list, FW_COND_CT, mt.invert_flags & XT_CONNTRACK_STATE, bits, bits);
	if (mt.match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS))
		foreign_add_other(list);
}

/* tcp and udp begin alike: source ports, destination ports. */
static void match_ports(uint8_t proto, const void *info, size_t len, struct foreign_conds *list)
{
	struct xt_tcp tcp = { 0 };
	struct xt_udp udp = { 0 };
	uint8_t inverted;

	foreign_add_range(list, FW_COND_L4PROTO, false, proto, proto);
	if (len < (proto == IPPROTO_TCP ? sizeof(tcp) : sizeof(udp))) {
		foreign_add_other(list);
		return;
	}
	memcpy(&udp, info, sizeof(udp));
	inverted = udp.invflags;
	if (proto == IPPROTO_TCP) {
		memcpy(&tcp, info, sizeof(tcp));
		inverted = tcp.invflags;
	}
	if (udp.spts[0] != 0 || udp.spts[1] != 0xffff || (inverted & ~XT_TCP_INV_DSTPT) || tcp.option || tcp.flg_mask)
		foreign_add_other(list);
	if (udp.dpts[0] != 0 || udp.dpts[1] != 0xffff || inverted)
		foreign_add_range(list, FW_COND_DPORT, inverted & XT_TCP_INV_DSTPT, udp.dpts[0], udp.dpts[1]);
}

static void match_icmp(uint8_t proto, const void *info, size_t len, struct foreign_conds *list)
{
	struct ip6t_icmp icmp;	/* struct ipt_icmp is the same */

	foreign_add_range(list, FW_COND_L4PROTO, false, proto, proto);
	if (len < sizeof(icmp)) {
		foreign_add_other(list);
		return;
	}
	memcpy(&icmp, info, sizeof(icmp));
	if (icmp.code[0] != 0 || icmp.invflags)
		foreign_add_other(list);
	if (!(proto == IPPROTO_ICMP && icmp.type == 0xff))	/* any */
		foreign_add_range(list, FW_COND_ICMP_TYPE, false, icmp.type, icmp.type);
}

static void match_addrtype(uint32_t rev, const void *info, size_t len, struct foreign_conds *list)
{
	struct xt_addrtype_info_v1 at;

	if (rev != 1 || len < sizeof(at)) {
		foreign_add_other(list);
		return;
	}
	memcpy(&at, info, sizeof(at));
	if (at.source || (at.flags & ~(uint32_t)(XT_ADDRTYPE_INVERT_SOURCE | XT_ADDRTYPE_INVERT_DEST)))
		foreign_add_other(list);
	if (at.dest)
		foreign_add_range(list, FW_COND_DTYPE, at.flags & XT_ADDRTYPE_INVERT_DEST, at.dest, at.dest);
}

/* Neighbour discovery has a hop limit of 255, and nothing else here is judged by it. */
static void match_hop_limit(const void *info, size_t len, struct foreign_conds *list)
{
	struct ip6t_hl_info hl;

	if (len < sizeof(hl)) {
		foreign_add_other(list);
		return;
	}
	memcpy(&hl, info, sizeof(hl));
	if (hl.mode != IP6T_HL_EQ || hl.hop_limit != 255)
		foreign_add_other(list);
}

void foreign_parse_match(const char *name, uint32_t rev, const void *info, size_t len, struct foreign_conds *list,
			 const char **comment)
{
	if (strcmp(name, "comment") == 0)
		*comment = arena_strndup(list->arena, info, strnlen(info, len));
	else if (strcmp(name, "conntrack") == 0)
		match_conntrack(rev, info, len, list);
	else if (strcmp(name, "tcp") == 0)
		match_ports(IPPROTO_TCP, info, len, list);
	else if (strcmp(name, "udp") == 0)
		match_ports(IPPROTO_UDP, info, len, list);
	else if (strcmp(name, "icmp") == 0)
		match_icmp(IPPROTO_ICMP, info, len, list);
	else if (strcmp(name, "icmp6") == 0)
		match_icmp(IPPROTO_ICMPV6, info, len, list);
	else if (strcmp(name, "addrtype") == 0)
		match_addrtype(rev, info, len, list);
	else if (strcmp(name, "hl") == 0)
		match_hop_limit(info, len, list);
	else
		foreign_add_other(list);
}

enum fw_verdict foreign_target_verdict(const char *name)
{
	static const char *const harmless[] = {
		"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CLASSIFY", "TRACE", "CT", "NOTRACK", "SECMARK", "CONNSECMARK",
		"HL", "TTL", "DSCP", "TOS", "CHECKSUM", "SET", "AUDIT", "LED", "RATEEST", "TEE", "ULOG",
	};

	if (strcmp(name, "REJECT") == 0)
		return FW_VERDICT_DROP;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (strcmp(name, harmless[i]) == 0)
			return FW_VERDICT_NONE;
	return FW_VERDICT_OTHER;
}
