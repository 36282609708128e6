/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_expr - one expression of a rule, evaluated over registers
 *
 * As in the kernel: net/netfilter/nf_tables_core.c, nft_*.c. A value that nobody
 * here knows makes its register doubtful, and a comparison with it a question.
 */
#include "diag/path_expr.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

/* linux/netfilter/nf_tables.h of kernels that came after those we build on. */
#define LOOKUP_INV 1
#define DATA_VERDICT 0xffffff00U

/* ----------------------------------------------------------------------- registers */

/* Where a register begins; -1: not one. */
static int slot(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 16;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (int)(reg - NFT_REG32_00) * 4;
	return -1;
}

static uint32_t bits_of(int at, size_t n)
{
	uint32_t bits = 0;

	for (size_t i = (size_t)at / 4; i < ((size_t)at + n + 3) / 4 && i < 32; i++)
		bits |= 1U << i;
	return bits;
}

static enum path_outcome store(struct path_eval *e, uint32_t reg, const void *data, size_t n)
{
	int at = slot(reg);

	if (at < 0 || (size_t)at + n > PATH_EVAL_REGS)
		return PATH_OUT_QUESTION;
	memset(e->regs + at, 0, (n + 3) / 4 * 4 <= PATH_EVAL_REGS - (size_t)at ? (n + 3) / 4 * 4 : n);
	memcpy(e->regs + at, data, n);
	e->doubt &= ~bits_of(at, n);
	return PATH_OUT_NEXT;
}

static enum path_outcome store32(struct path_eval *e, uint32_t reg, uint32_t v)
{
	return store(e, reg, &v, sizeof(v));
}

static enum path_outcome store_doubt(struct path_eval *e, uint32_t reg, size_t n)
{
	int at = slot(reg);

	if (at >= 0)
		e->doubt |= bits_of(at, n);
	return PATH_OUT_NEXT;
}

/* @n bytes of a register; NULL: not known. */
static const uint8_t *load(const struct path_eval *e, uint32_t reg, size_t n)
{
	int at = slot(reg);

	if (at < 0 || (size_t)at + n > PATH_EVAL_REGS || (e->doubt & bits_of(at, n)))
		return NULL;
	return e->regs + at;
}

/* --------------------------------------------------------------------- expressions */

/* What differs from packet to packet: identifiers, checksums, sequence numbers, flow labels. Nobody knows it beforehand. */
static bool is_chance(const struct path_packet *p, uint32_t base, size_t at, size_t n)
{
	static const struct {
		uint32_t base;
		uint8_t proto;		/* of the transport header; of the network header 4 or 6 */
		uint8_t from, to;
	} list[] = {
		{ NFT_PAYLOAD_NETWORK_HEADER, 4, 4, 6 },	{ NFT_PAYLOAD_NETWORK_HEADER, 4, 10, 12 },
		{ NFT_PAYLOAD_NETWORK_HEADER, 6, 1, 4 },	{ NFT_PAYLOAD_TRANSPORT_HEADER, IPPROTO_TCP, 4, 12 },
		{ NFT_PAYLOAD_TRANSPORT_HEADER, IPPROTO_TCP, 14, 18 }, { NFT_PAYLOAD_TRANSPORT_HEADER, IPPROTO_UDP, 6, 8 },
		{ NFT_PAYLOAD_TRANSPORT_HEADER, IPPROTO_ICMP, 2, 6 }, { NFT_PAYLOAD_TRANSPORT_HEADER, IPPROTO_ICMPV6, 2, 6 },
	};
	const uint8_t proto = base == NFT_PAYLOAD_TRANSPORT_HEADER ? p->proto : p->family == AF_INET ? 4 : 6;

	for (size_t i = 0; i < ARRAY_LEN(list) && !p->arp; i++)
		if (list[i].base == base && list[i].proto == proto && at < list[i].to && at + n > list[i].from)
			return true;
	return false;
}

static enum path_outcome do_payload(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *from = x->base == NFT_PAYLOAD_LL_HEADER	      ? e->link
			      : x->base == NFT_PAYLOAD_NETWORK_HEADER ? e->net
								      : e->transport;
	size_t n = x->base == NFT_PAYLOAD_LL_HEADER	   ? e->n_link
		   : x->base == NFT_PAYLOAD_NETWORK_HEADER ? e->n_net
							   : e->n_transport;

	if (x->sreg)
		return PATH_OUT_NEXT; /* it changes the packet, which nobody looks at here */
	if (x->base > NFT_PAYLOAD_TRANSPORT_HEADER)
		return PATH_OUT_QUESTION;
	if ((size_t)x->offset + x->len > n)
		return x->base == NFT_PAYLOAD_LL_HEADER || x->offset >= n ? PATH_OUT_BREAK : store_doubt(e, x->dreg, x->len);
	if (is_chance(&e->p, x->base, x->offset, x->len))
		return store_doubt(e, x->dreg, x->len);
	return store(e, x->dreg, from + x->offset, x->len);
}

static enum path_outcome store_name(struct path_eval *e, uint32_t reg, const char *name)
{
	char padded[IFNAMSIZ] = "";

	(void)str_copy(padded, sizeof(padded), name);
	return store(e, reg, padded, sizeof(padded));
}

static enum path_outcome meta_link(struct path_eval *e, const struct snap_expr *x, uint32_t ifindex, bool by_name)
{
	const struct snap_link *link = ifindex ? snap_link(e->s, ifindex) : NULL;

	if (!link)
		return by_name ? store_name(e, x->dreg, "") : store32(e, x->dreg, 0);
	return by_name ? store_name(e, x->dreg, link->name) : store32(e, x->dreg, ifindex);
}

static enum path_outcome do_meta(struct path_eval *e, const struct snap_expr *x)
{
	struct path_packet *p = &e->p;
	const struct snap_link *in = snap_link(e->s, p->iif), *out = snap_link(e->s, p->oif);

	if (x->sreg) {
		const uint8_t *v = load(e, x->sreg, 4);

		if (x->key == NFT_META_MARK && v)
			memcpy(&p->mark, v, 4);
		return x->key == NFT_META_MARK && !v ? PATH_OUT_QUESTION : PATH_OUT_NEXT;
	}
	switch (x->key) {
	case NFT_META_LEN:
		return store32(e, x->dreg, 60);
	case NFT_META_PROTOCOL: {
		uint16_t v = htons(p->arp ? ETH_P_ARP : p->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);

		return store(e, x->dreg, &v, sizeof(v));
	}
	case NFT_META_PRIORITY:
		return store32(e, x->dreg, 0);
	case NFT_META_MARK:
		return store32(e, x->dreg, p->mark);
	case NFT_META_IIF:
		return meta_link(e, x, p->iif, false);
	case NFT_META_OIF:
		return meta_link(e, x, p->oif, false);
	case NFT_META_IIFNAME:
		return meta_link(e, x, p->iif, true);
	case NFT_META_OIFNAME:
		return meta_link(e, x, p->oif, true);
	case NFT_META_IIFTYPE:
	case NFT_META_OIFTYPE: {
		const struct snap_link *link = x->key == NFT_META_IIFTYPE ? in : out;

		return link ? store(e, x->dreg, &link->type, 2) : PATH_OUT_BREAK;
	}
	case NFT_META_SKUID:
	case NFT_META_SKGID:
	case NFT_META_CGROUP:
		return p->iif ? PATH_OUT_BREAK : store_doubt(e, x->dreg, 4); /* only packets of this host have a socket */
	case NFT_META_NFPROTO: {
		uint8_t v = e->family == NFPROTO_BRIDGE || e->family == NFPROTO_NETDEV ? e->family
			    : p->family == AF_INET				       ? NFPROTO_IPV4
										       : NFPROTO_IPV6;

		return store(e, x->dreg, &v, 1);
	}
	case NFT_META_L4PROTO:
		return p->arp ? PATH_OUT_BREAK : store(e, x->dreg, &p->proto, 1);
	case NFT_META_BRI_IIFNAME:
		return p->bridge_in ? meta_link(e, x, p->bridge_in, true) : PATH_OUT_BREAK;
	case NFT_META_BRI_OIFNAME:
		return p->bridge_out ? meta_link(e, x, p->bridge_out, true) : PATH_OUT_BREAK;
	case NFT_META_PKTTYPE: {
		uint8_t v = ip_is_multicast(&p->dst) ? 2 : p->arp ? 1 : 0; /* PACKET_MULTICAST, BROADCAST, HOST */

		return store(e, x->dreg, &v, 1);
	}
	case NFT_META_IIFGROUP:
		return in ? store32(e, x->dreg, in->group) : PATH_OUT_BREAK;
	case NFT_META_OIFGROUP:
		return out ? store32(e, x->dreg, out->group) : PATH_OUT_BREAK;
	case NFT_META_IIFKIND:
		return in ? store_name(e, x->dreg, in->kind) : PATH_OUT_BREAK;
	case NFT_META_OIFKIND:
		return out ? store_name(e, x->dreg, out->kind) : PATH_OUT_BREAK;
	case NFT_META_SECPATH: {
		uint8_t v = 0;

		return store(e, x->dreg, &v, 1);
	}
	default:
		return store_doubt(e, x->dreg, 16);
	}
}

static enum path_outcome do_ct(struct path_eval *e, const struct snap_expr *x)
{
	struct path_packet *p = &e->p;
	bool untracked = p->ct_state & PATH_CT_UNTRACKED;
	size_t n = p->family == AF_INET ? 4 : 16;

	if (x->sreg) {
		const uint8_t *v = load(e, x->sreg, 4);

		if (x->key == NFT_CT_MARK && v && !e->early && !untracked)
			memcpy(&p->ct_mark, v, 4);
		return PATH_OUT_NEXT;
	}
	/* nft_ct_get_eval(): without a connection there is only a state, and it is "invalid" unless it was said not to track. */
	if (e->early && !untracked)
		return x->key == NFT_CT_STATE ? store32(e, x->dreg, PATH_CT_INVALID) : PATH_OUT_BREAK;
	if (untracked && x->key != NFT_CT_STATE)
		return PATH_OUT_BREAK;
	switch (x->key) {
	case NFT_CT_STATE:
		return store32(e, x->dreg, p->ct_state);
	case NFT_CT_DIRECTION: {
		uint8_t v = p->answer;

		return store(e, x->dreg, &v, 1);
	}
	case NFT_CT_STATUS:
		return store32(e, x->dreg, p->ct_status);
	case NFT_CT_MARK:
		return store32(e, x->dreg, p->ct_mark);
	case NFT_CT_L3PROTOCOL: {
		uint8_t v = p->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

		return store(e, x->dreg, &v, 1);
	}
	case NFT_CT_PROTOCOL:
		return store(e, x->dreg, &p->proto, 1);
	/* Of the original direction, which is the one that rules ask for. */
	case NFT_CT_SRC:
	case NFT_CT_SRC_IP:
	case NFT_CT_SRC_IP6:
		return store(e, x->dreg, p->orig_src.b, n);
	case NFT_CT_DST:
	case NFT_CT_DST_IP:
	case NFT_CT_DST_IP6:
		return store(e, x->dreg, p->orig_dst.b, n);
	case NFT_CT_PROTO_SRC:
	case NFT_CT_PROTO_DST: {
		uint16_t v = htons(x->key == NFT_CT_PROTO_SRC ? p->orig_sport : p->orig_dport);

		return store(e, x->dreg, &v, 2);
	}
	case NFT_CT_ZONE:
		return store32(e, x->dreg, 0);
	case NFT_CT_HELPER:
		return PATH_OUT_BREAK;
	default:
		return store_doubt(e, x->dreg, 16);
	}
}

static enum path_outcome do_cmp(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *v = load(e, x->sreg, x->data.n);

	if (!v)
		return PATH_OUT_QUESTION;
	int c = x->data.n ? memcmp(v, x->data.p, x->data.n) : 0;
	bool hit = x->op == NFT_CMP_EQ	  ? c == 0
		   : x->op == NFT_CMP_NEQ ? c != 0
		   : x->op == NFT_CMP_LT  ? c < 0
		   : x->op == NFT_CMP_LTE ? c <= 0
		   : x->op == NFT_CMP_GT  ? c > 0
					  : c >= 0;

	return hit ? PATH_OUT_NEXT : PATH_OUT_BREAK;
}

static enum path_outcome do_range(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *v = load(e, x->sreg, x->data.n);

	if (!v || x->data2.n != x->data.n)
		return PATH_OUT_QUESTION;
	bool inside = memcmp(v, x->data.p, x->data.n) >= 0 && memcmp(v, x->data2.p, x->data.n) <= 0;
	return inside == (x->op == NFT_RANGE_EQ) ? PATH_OUT_NEXT : PATH_OUT_BREAK;
}

static enum path_outcome do_bitwise(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *v = load(e, x->sreg, x->len);
	uint8_t out[64];

	if (x->op != NFT_BITWISE_BOOL || x->data.n < x->len || x->data2.n < x->len || x->len > sizeof(out) || !v)
		return store_doubt(e, x->dreg, x->len);
	for (size_t i = 0; i < x->len; i++)
		out[i] = (uint8_t)((v[i] & x->data.p[i]) ^ x->data2.p[i]);
	return store(e, x->dreg, out, x->len);
}

static enum path_outcome do_byteorder(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *v = load(e, x->sreg, x->len);
	uint8_t out[16];

	if (!v || x->len > sizeof(out) || (x->key != 2 && x->key != 4 && x->key != 8))
		return store_doubt(e, x->dreg, x->len);
	memcpy(out, v, x->len);
	for (size_t at = 0; __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && at + x->key <= x->len; at += x->key) {
		for (size_t i = 0; i < x->key; i++)
			out[at + i] = v[at + x->key - 1 - i];
	}
	return store(e, x->dreg, out, x->len);
}

static bool elem_has(const struct snap_set *set, const struct snap_elem *el, const uint8_t *key)
{
	size_t at = 0;

	if (el->catchall || el->key.n > set->key_len)
		return false;
	if (el->key_end.n == 0)
		return memcmp(key, el->key.p, el->key.n) == 0;
	if (el->key_end.n != el->key.n)
		return false;
	if (set->n_fields == 0)
		return memcmp(key, el->key.p, el->key.n) >= 0 && memcmp(key, el->key_end.p, el->key.n) <= 0;
	for (size_t i = 0; i < set->n_fields; i++) {
		size_t n = set->fields[i];

		if (at + n > el->key.n || memcmp(key + at, el->key.p + at, n) < 0 ||
		    memcmp(key + at, el->key_end.p + at, n) > 0)
			return false;
		at += (n + 3) / 4 * 4;
	}
	return true;
}

static enum path_outcome do_lookup(struct path_eval *e, const struct snap_expr *x)
{
	const struct snap_set *set = snap_set(e->table, x->set);
	const uint8_t *key = set ? load(e, x->sreg, set->key_len) : NULL;
	const struct snap_elem *hit = NULL;

	if (!set || !key || !set->complete)
		return PATH_OUT_QUESTION;
	for (size_t i = 0; i < set->n_elems && !hit; i++) {
		if (elem_has(set, &set->elems[i], key))
			hit = &set->elems[i];
	}
	for (size_t i = 0; i < set->n_elems && !hit; i++) {
		if (set->elems[i].catchall)
			hit = &set->elems[i];
	}
	if (!(set->flags & NFT_SET_MAP))
		return (hit != NULL) != (x->flags & LOOKUP_INV) ? PATH_OUT_NEXT : PATH_OUT_BREAK;
	if (!hit)
		return PATH_OUT_BREAK;
	if (set->data_type != DATA_VERDICT)
		return store(e, x->dreg, hit->data.p, hit->data.n);
	e->verdict = hit->verdict;
	e->target = hit->chain;
	return PATH_OUT_VERDICT;
}

static enum path_outcome do_fib(struct path_eval *e, const struct snap_expr *x)
{
	const struct path_packet *p = &e->p;
	const struct ip *ip = x->flags & NFTA_FIB_F_SADDR ? &p->src : &p->dst,
			*other = x->flags & NFTA_FIB_F_SADDR ? &p->dst : &p->src;
	uint32_t type = path_addr_type(e->s, ip);

	if (p->arp || e->family == NFPROTO_BRIDGE)
		return store_doubt(e, x->dreg, 16);
	if (x->key == NFT_FIB_RESULT_ADDRTYPE) {
		uint32_t dev = x->flags & NFTA_FIB_F_IIF ? p->iif : x->flags & NFTA_FIB_F_OIF ? p->oif : 0;

		if (type == RTN_LOCAL && dev && !snap_addr(e->s, dev, ip))
			type = RTN_UNICAST;
		return store32(e, x->dreg, type);
	}
	struct path_route r = path_route(e->s, e->arena, p, ip, other, x->flags & NFTA_FIB_F_IIF ? p->iif : 0);
	uint32_t oif = r.route ? r.route->oif : 0;
	if (oif && (x->flags & NFTA_FIB_F_IIF) && oif != p->iif)
		oif = 0;
	if (x->flags & NFTA_FIB_F_PRESENT) {
		uint8_t v = oif != 0;

		return store(e, x->dreg, &v, 1);
	}
	if (x->key == NFT_FIB_RESULT_OIF)
		return store32(e, x->dreg, oif);
	return store_name(e, x->dreg, oif ? snap_link_name(e->s, oif) : "");
}

/* ------------------------------------------------------------------------ translation */

void path_translate_to(struct path_eval *e, const struct ip *ip, const uint16_t *port)
{
	if (e->translated)
		return;
	e->translated = true;
	e->p.ct_status |= PATH_IPS_DST_NAT;
	if (ip)
		e->p.dst = *ip;
	if (port)
		e->p.dport = *port;
	path_build(e);
}

void path_translate_from(struct path_eval *e, const struct ip *ip)
{
	if (e->translated)
		return;
	e->translated = true;
	e->p.ct_status |= PATH_IPS_SRC_NAT;
	if (ip && ip_is_set(ip))
		e->p.src = *ip;
	path_build(e);
}

enum path_outcome path_accepted(struct path_eval *e)
{
	e->verdict = NF_ACCEPT;
	return PATH_OUT_VERDICT;
}

static enum path_outcome do_nat(struct path_eval *e, const struct snap_expr *x)
{
	bool dnat = x->key == NFT_NAT_DNAT;
	size_t n = e->p.family == AF_INET ? 4 : 16;
	struct ip ip = { .family = e->p.family };
	uint16_t port = 0;
	const uint8_t *v;

	if (x->family != NFPROTO_INET && x->family != NFPROTO_UNSPEC &&
	    (x->family == NFPROTO_IPV4) != (e->p.family == AF_INET))
		return PATH_OUT_BREAK;
	if (x->sreg) {
		v = load(e, x->sreg, n);
		if (!v)
			return PATH_OUT_QUESTION;
		memcpy(ip.b, v, n);
	}
	if (x->sreg3) {
		v = load(e, x->sreg3, 2);
		if (!v)
			return PATH_OUT_QUESTION;
		port = (uint16_t)(v[0] << 8 | v[1]);
		v = x->sreg4 ? load(e, x->sreg4, 2) : NULL;
		/* A range keeps a port that is inside it. */
		if (v && (e->p.dport >= port && e->p.dport <= (v[0] << 8 | v[1])))
			port = e->p.dport;
	}
	if (dnat)
		path_translate_to(e, x->sreg ? &ip : NULL, x->sreg3 ? &port : NULL);
	else
		path_translate_from(e, x->sreg ? &ip : NULL);
	return path_accepted(e);
}

/* nf_nat_masquerade, nf_nat_redirect: no address, no packet */
static enum path_outcome no_address(struct path_eval *e)
{
	e->verdict = NF_DROP;
	e->addressless = true;
	return PATH_OUT_VERDICT;
}

enum path_outcome path_masquerade(struct path_eval *e)
{
	struct path_route r = path_route(e->s, e->arena, &e->p, &e->p.dst, &(struct ip){ 0 }, 0);
	struct ip ip = r.route && ip_is_set(&r.route->source) && r.route->oif == e->p.oif
			       ? r.route->source
			       : path_source(e->s, e->p.oif, ip_is_set(&r.next) ? &r.next : &e->p.dst);

	if (e->p.family == AF_INET6 && ip_is_link_local(&ip))
		ip = path_source(e->s, e->p.oif, &e->p.dst);
	if (!ip_is_set(&ip))
		return no_address(e);
	path_translate_from(e, &ip);
	return path_accepted(e);
}

enum path_outcome path_fate_unknown(struct path_eval *e)
{
	e->verdict = NF_QUEUE;	/* neither accepted nor dropped */
	return PATH_OUT_VERDICT;
}

/* net/netfilter/nf_nat_redirect.c: what the host sends goes to loopback, else to an address of where it came in. */
enum path_outcome path_redirect(struct path_eval *e, uint16_t port)
{
	struct ip ip = path_source(e->s, e->p.iif, &e->p.src);

	if (e->p.iif == 0)
		(void)ip_parse(e->p.family == AF_INET ? "127.0.0.1" : "::1", &ip);
	if (!ip_is_set(&ip))
		return no_address(e);
	path_translate_to(e, &ip, port ? &port : NULL);
	return path_accepted(e);
}

static enum path_outcome do_redir(struct path_eval *e, const struct snap_expr *x)
{
	const uint8_t *v = x->sreg3 ? load(e, x->sreg3, 2) : NULL;

	if (x->sreg3 && !v)
		return PATH_OUT_QUESTION;
	return path_redirect(e, v ? (uint16_t)(v[0] << 8 | v[1]) : 0);
}

/* -------------------------------------------------------------------------- all of them */

enum path_outcome path_expr(struct path_eval *e, const struct snap_expr *x)
{
	static const struct {
		const char *name;
		enum path_outcome (*fn)(struct path_eval *e, const struct snap_expr *x);
	} known[] = {
		{ "payload", do_payload },
		{ "meta", do_meta },
		{ "ct", do_ct },
		{ "cmp", do_cmp },
		{ "range", do_range },
		{ "bitwise", do_bitwise },
		{ "byteorder", do_byteorder },
		{ "lookup", do_lookup },
		{ "fib", do_fib },
		{ "nat", do_nat },
		{ "redir", do_redir },
	};
	static const char *const passing[] = { "counter", "log",	  "objref",    "dup",
					       "last",	  "flow_offload", "connlimit", "secmark" };

	static const char *const taking[] = { "queue", "tproxy", "synproxy", "fwd" };	/* somebody else decides */

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].name, x->name) == 0)
			return known[i].fn(e, x);
	}
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		if (strcmp(passing[i], x->name) == 0)
			return PATH_OUT_NEXT;
	}
	if (strcmp(x->name, "immediate") == 0) {
		if (!x->has_verdict)
			return store(e, x->dreg, x->data.p, x->data.n);
		e->verdict = x->verdict;
		e->target = x->chain;
		return PATH_OUT_VERDICT;
	}
	if (strcmp(x->name, "masq") == 0)
		return path_masquerade(e);
	if (strcmp(x->name, "reject") == 0) {
		e->verdict = NF_DROP;
		return PATH_OUT_VERDICT;
	}
	if (strcmp(x->name, "limit") == 0) /* one packet is within every limit */
		return x->flags & NFT_LIMIT_F_INV ? PATH_OUT_BREAK : PATH_OUT_NEXT;
	if (strcmp(x->name, "notrack") == 0) {
		e->p.ct_state = PATH_CT_UNTRACKED;
		return PATH_OUT_NEXT;
	}
	if (strcmp(x->name, "dynset") == 0)
		return x->op == SNAP_METER_OVER ? PATH_OUT_BREAK : x->op == SNAP_METER_OTHER ? PATH_OUT_QUESTION : PATH_OUT_NEXT;
	for (size_t i = 0; i < ARRAY_LEN(taking); i++) {
		if (strcmp(taking[i], x->name) == 0)
			return path_fate_unknown(e);
	}
	if (strncmp(x->name, "match:", 6) == 0)
		return path_xt_match(e, x);
	if (strncmp(x->name, "target:", 7) == 0)
		return path_xt_target(e, x);
	if (x->dreg) { /* what it loads isn't known; a comparison will ask */
		(void)store_doubt(e, x->dreg, x->len ? x->len : 16);
		return PATH_OUT_NEXT;
	}
	return PATH_OUT_QUESTION;
}
