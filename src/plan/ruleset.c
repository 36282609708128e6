/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset - the firewall of all networks, as text and as elements
 *
 * What the chains have to know about the kernel:
 * - With br_netfilter, frames that the bridge forwards pass the inet hooks with
 *   iif = oif = the bridge, and a frame that prerouting translates to a guest of
 *   the same bridge is bridged, not routed. So (bridge, bridge) is always
 *   accepted, and source translation for it is limited to translated flows.
 *   POSTROUTING sees such frames without an input interface, which is why a
 *   hairpin is recognised by the source address (own4, own6).
 * - A guest that reaches itself through its own forward then needs its bridge
 *   port in hairpin mode, which also sends the guest's multicasts back to it
 *   (it would see its own DAD probes). The table in family bridge lets only
 *   those frames back that are addressed to the guest's own MAC.
 * - Neighbour discovery passes everywhere. DHCP is dropped in input: the engine
 *   sees it by packet socket, and the kernel would answer "port unreachable".
 * - nat chains see the first packet of a flow only; the filter chains cost every
 *   packet one lookup by each interface, and those of guests two or three more.
 */
#include "plan/ruleset.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <stdio.h>

/* Fields of keys; each padded to 4 bytes. */
enum field {
	FIELD_END,
	FIELD_IFNAME,
	FIELD_PROTO,
	FIELD_PORT,
	FIELD_IP4,
	FIELD_IP6,
	FIELD_MAC,
	FIELD_MARK,
	FIELD_RAW6,	/* an IPv6 address, in sets that are asked with raw payload too: nft has no word for the target of ND */
	FIELD_INDEX,
	FIELD_N_,
};

static const struct {
	const char *type;
	uint8_t size, padded;
} fields[FIELD_N_] = {
	[FIELD_END] = { "", 0, 0 },
	[FIELD_IFNAME] = { "ifname", 16, 16 },
	[FIELD_PROTO] = { "inet_proto", 1, 4 },
	[FIELD_PORT] = { "inet_service", 2, 4 },
	[FIELD_IP4] = { "ipv4_addr", 4, 4 },
	[FIELD_IP6] = { "ipv6_addr", 16, 16 },
	[FIELD_MAC] = { "ether_addr", 6, 8 },
	[FIELD_MARK] = { "mark", 4, 4 },
	[FIELD_RAW6] = { "", 16, 16 },
	[FIELD_INDEX] = { "", 4, 4 },
};

enum data {
	DATA_NONE,
	DATA_VERDICT,
	DATA_IP4_PORT,
	DATA_IP6_PORT,
	DATA_MARK,
	DATA_GUARD,	/* of the guards: not nft's */
};

#define KEY_FIELDS 4

struct set {
	uint8_t family;
	const char *name;
	enum field key[KEY_FIELDS + 1];
	bool interval;
	enum data data;
	bool guard;			/* of the guard chains */
	const char *type;		/* instead of what the key says */
};

static const struct set sets[] = {
	/* inet: who is who */
	{ NFPROTO_INET, "nets", { FIELD_IFNAME }, .data = DATA_NONE },
	{ NFPROTO_INET, "same", { FIELD_IFNAME, FIELD_IFNAME }, .data = DATA_NONE },
	{ NFPROTO_INET, "uplinks", { FIELD_IFNAME, FIELD_IFNAME }, .data = DATA_NONE },
	{ NFPROTO_INET, "gateway4", { FIELD_IFNAME, FIELD_IP4 }, .data = DATA_NONE },
	{ NFPROTO_INET, "gateway6", { FIELD_IFNAME, FIELD_IP6 }, .data = DATA_NONE },
	{ NFPROTO_INET, "dns4", { FIELD_IFNAME, FIELD_IP4 }, .data = DATA_NONE },
	{ NFPROTO_INET, "dns6", { FIELD_IFNAME, FIELD_IP6 }, .data = DATA_NONE },
	{ NFPROTO_INET, "own4", { FIELD_IFNAME, FIELD_IP4 }, .interval = true },
	{ NFPROTO_INET, "own6", { FIELD_IFNAME, FIELD_IP6 }, .interval = true },
	/* inet: what happens to whom */
	{ NFPROTO_INET, "input_from", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "output_to", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "forward_from", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "forward_to", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "snat4", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "snat6", { FIELD_IFNAME }, .data = DATA_VERDICT },
	/* inet: forwards; _at: of one address of the host; _from: for those in from4, from6 only */
	{ NFPROTO_INET, "dnat4", { FIELD_PROTO, FIELD_PORT }, .data = DATA_IP4_PORT },
	{ NFPROTO_INET, "dnat6", { FIELD_PROTO, FIELD_PORT }, .data = DATA_IP6_PORT },
	{ NFPROTO_INET, "dnat4_at", { FIELD_PROTO, FIELD_PORT, FIELD_IP4 }, .data = DATA_IP4_PORT },
	{ NFPROTO_INET, "dnat6_at", { FIELD_PROTO, FIELD_PORT, FIELD_IP6 }, .data = DATA_IP6_PORT },
	{ NFPROTO_INET, "dnat4_from", { FIELD_PROTO, FIELD_PORT }, .data = DATA_IP4_PORT },
	{ NFPROTO_INET, "dnat6_from", { FIELD_PROTO, FIELD_PORT }, .data = DATA_IP6_PORT },
	{ NFPROTO_INET, "dnat4_at_from", { FIELD_PROTO, FIELD_PORT, FIELD_IP4 }, .data = DATA_IP4_PORT },
	{ NFPROTO_INET, "dnat6_at_from", { FIELD_PROTO, FIELD_PORT, FIELD_IP6 }, .data = DATA_IP6_PORT },
	{ NFPROTO_INET, "from4", { FIELD_PROTO, FIELD_PORT, FIELD_IP4 }, .interval = true },
	{ NFPROTO_INET, "from6", { FIELD_PROTO, FIELD_PORT, FIELD_IP6 }, .interval = true },
	{ NFPROTO_INET, "from4_at", { FIELD_PROTO, FIELD_PORT, FIELD_IP4, FIELD_IP4 }, .interval = true },
	{ NFPROTO_INET, "from6_at", { FIELD_PROTO, FIELD_PORT, FIELD_IP6, FIELD_IP6 }, .interval = true },
	/* bridge */
	{ NFPROTO_BRIDGE, "reflecting", { FIELD_IFNAME, FIELD_IFNAME }, .data = DATA_NONE },
	{ NFPROTO_BRIDGE, "selves", { FIELD_MAC, FIELD_MAC }, .data = DATA_NONE },
	/* bridge, guards: which ports, with which MAC; who owns which address; what was learnt of ports of others */
	{ NFPROTO_BRIDGE, "guarded", { FIELD_IFNAME }, .data = DATA_VERDICT, .guard = true },
	{ NFPROTO_BRIDGE, "nets_of", { FIELD_IFNAME }, .data = DATA_MARK, .guard = true },
	{ NFPROTO_BRIDGE, "known", { FIELD_IFNAME }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_BRIDGE, "macs", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_BRIDGE, "owned4", { FIELD_MARK, FIELD_IP4 }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_BRIDGE, "owners4", { FIELD_MARK, FIELD_IP4, FIELD_MAC }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_BRIDGE, "owned6", { FIELD_MARK, FIELD_RAW6 }, .data = DATA_NONE, .guard = true,
	  .type = "typeof meta mark . @nh,64,128" },
	{ NFPROTO_BRIDGE, "owners6", { FIELD_MARK, FIELD_RAW6, FIELD_MAC }, .data = DATA_NONE, .guard = true,
	  .type = "typeof meta mark . @nh,64,128 . ether saddr" },
	{ NFPROTO_BRIDGE, "learnt", { FIELD_IFNAME }, .data = DATA_NONE, .guard = true,
	  .type = "type ifname; size 8192; flags dynamic" },
	{ NFPROTO_BRIDGE, "learnt_macs", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_NONE, .guard = true,
	  .type = "type ifname . ether_addr; size 8192; flags dynamic" },
	/* the eBPF guards */
	{ GUARD_FAMILY, "attached", { FIELD_INDEX }, .data = DATA_NONE },
	{ GUARD_FAMILY, "owner", { FIELD_MARK, FIELD_IP6 }, .data = DATA_GUARD },
	{ GUARD_FAMILY, "port", { FIELD_INDEX }, .data = DATA_GUARD },
};

/* Sets that fill themselves and forget; nobody but the kernel looks at their elements. */
static const char guard_memory[] =
	"\tset claimed4 {\n\t\ttype mark . ipv4_addr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claims4 {\n\t\ttype mark . ipv4_addr . ether_addr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claimed6 {\n\t\ttypeof meta mark . @nh,64,128; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claims6 {\n\t\ttypeof meta mark . @nh,64,128 . ether saddr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset meter_nd {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_mld {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_arp {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_dhcp {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n";

#define CHAIN_RULES 16

struct chain {
	uint8_t family;
	const char *name;
	const char *hook;		/* NULL: reached by jumps only */
	const char *rules[CHAIN_RULES];	/* up to the first NULL */
	bool guard;
};

#define ND "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept"
#define MLD "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept"
#define DHCP "udp dport { 67, 547 } drop"
#define ANSWERS "ct state established,related accept"
#define REFUSE "reject with icmpx admin-prohibited"

/* In an order in which each chain comes before those that jump to it. */
static const struct chain chains[] = {
	/* guest → host */
	{ NFPROTO_INET, "services", NULL, .rules = {
		"icmp type echo-request accept",
		"icmpv6 type echo-request accept",
		"meta l4proto { tcp, udp } th dport 53 accept",
	} },
	{ NFPROTO_INET, "host_yes", NULL, .rules = { DHCP } },
	{ NFPROTO_INET, "host_services", NULL, .rules = {
		DHCP,
		ANSWERS,
		ND,
		MLD,
		"iifname . ip daddr @gateway4 jump services",
		"iifname . ip6 daddr @gateway6 jump services",
		REFUSE,
	} },
	{ NFPROTO_INET, "host_no", NULL, .rules = { DHCP, ANSWERS, ND, MLD, REFUSE } },
	/* host → guest */
	{ NFPROTO_INET, "guest_answers", NULL, .rules = { ANSWERS, ND, "icmpv6 type nd-router-advert accept", MLD, "drop" } },
	{ NFPROTO_INET, "guest_no", NULL, .rules = { ND, "icmpv6 type nd-router-advert accept", MLD, "drop" } },
	/* guest → elsewhere */
	{ NFPROTO_INET, "from_nat", NULL, .rules = {
		"iifname . oifname @same accept",
		"oifname @nets " REFUSE,
		"accept",
	} },
	{ NFPROTO_INET, "from_nat_by_uplink", NULL, .rules = {
		"iifname . oifname @same accept",
		"oifname @nets " REFUSE,
		ANSWERS,
		"iifname . oifname @uplinks accept",
		REFUSE,
	} },
	{ NFPROTO_INET, "from_isolated", NULL, .rules = {
		"iifname . oifname @same accept",
		REFUSE,
	} },
	/* elsewhere → guest */
	{ NFPROTO_INET, "to_nat", NULL, .rules = { ANSWERS, "ct status dnat accept", "drop" } },
	{ NFPROTO_INET, "to_isolated", NULL, .rules = { "drop" } },
	{ NFPROTO_INET, "forwards", NULL, .rules = {
		"th dport 53 iifname . ip daddr @dns4 return",
		"th dport 53 iifname . ip6 daddr @dns6 return",
		"meta l4proto . th dport . ip daddr . ip saddr @from4_at "
			"dnat ip to meta l4proto . th dport . ip daddr map @dnat4_at_from",
		"meta l4proto . th dport . ip6 daddr . ip6 saddr @from6_at "
			"dnat ip6 to meta l4proto . th dport . ip6 daddr map @dnat6_at_from",
		"dnat ip to meta l4proto . th dport . ip daddr map @dnat4_at",
		"dnat ip6 to meta l4proto . th dport . ip6 daddr map @dnat6_at",
		"fib daddr type != local return",
		"ip6 daddr fe80::/10 return",
		"meta l4proto . th dport . ip saddr @from4 dnat ip to meta l4proto . th dport map @dnat4_from",
		"meta l4proto . th dport . ip6 saddr @from6 dnat ip6 to meta l4proto . th dport map @dnat6_from",
		"dnat ip to meta l4proto . th dport map @dnat4",
		"dnat ip6 to meta l4proto . th dport map @dnat6",
	} },
	{ NFPROTO_INET, "input", "type filter hook input priority filter; policy accept;", .rules = {
		"iifname vmap @input_from",
	} },
	{ NFPROTO_INET, "output", "type filter hook output priority filter; policy accept;", .rules = {
		"oifname vmap @output_to",
	} },
	{ NFPROTO_INET, "forward", "type filter hook forward priority filter; policy accept;", .rules = {
		"iifname vmap @forward_from",
		"oifname vmap @forward_to",
	} },
	{ NFPROTO_INET, "prerouting", "type nat hook prerouting priority dstnat; policy accept;", .rules = {
		"meta l4proto { tcp, udp } goto forwards",
	} },
	{ NFPROTO_INET, "output_nat", "type nat hook output priority -100; policy accept;", .rules = {
		"ip daddr 127.0.0.0/8 return",
		"ip6 daddr ::1 return",
		"meta l4proto { tcp, udp } goto forwards",
	} },
	{ NFPROTO_INET, "postrouting", "type nat hook postrouting priority srcnat; policy accept;", .rules = {
		"ct status dnat oifname . ip saddr @own4 masquerade",
		"ct status dnat oifname . ip6 saddr @own6 masquerade",
		"oifname @nets return",
		"meta nfproto ipv4 iifname vmap @snat4",
		"meta nfproto ipv6 iifname vmap @snat6",
	} },
	/*
	 * What a guest may say, as src/bpf/guard.bpf.c has it, whose head explains it: there with tc, here for hosts that
	 * can't. The mark holds the network meanwhile.
	 */
	{ NFPROTO_BRIDGE, "guard_dhcp4", NULL, .rules = {
		"udp sport 67 drop",
		"udp dport 68 drop",
		"udp dport 67 update @meter_dhcp { iifname limit rate over 50/second burst 50 packets } drop",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_dhcp6", NULL, .rules = {
		"udp sport 547 drop",
		"udp dport 546 drop",
		"udp dport 547 update @meter_dhcp { iifname limit rate over 50/second burst 50 packets } drop",
		"udp dport != 546 return",	/* as good as always, unless the header isn't there */
		"frag frag-off > 0 return",
		"drop",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_ip4", NULL, .rules = {
		"meta mark . ip saddr @owned4 meta mark . ip saddr . ether saddr != @owners4 drop",
		"meta l4proto udp goto guard_dhcp4",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_arp", NULL, .rules = {
		"update @meter_arp { iifname limit rate over 200/second burst 200 packets } drop",
		"arp htype != 1 drop",
		"arp ptype != 0x0800 drop",
		"iifname . arp saddr ether != @macs iifname . arp saddr ether != @learnt_macs drop",
		"arp saddr ip 0.0.0.0 return",
		"meta mark . arp saddr ip . ether saddr @owners4 return",
		"meta mark . arp saddr ip @owned4 drop",
		"meta mark . arp saddr ip . ether saddr @claims4 return",
		"meta mark . arp saddr ip @claimed4 drop",
		"add @claimed4 { meta mark . arp saddr ip } add @claims4 { meta mark . arp saddr ip . ether saddr }",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_nd", NULL, .rules = {
		"exthdr frag exists drop",
		"update @meter_nd { iifname limit rate over 200/second burst 200 packets } drop",
		"icmpv6 type nd-router-solicit return",
		"icmpv6 type nd-neighbor-solicit ip6 saddr != :: return",
		"meta mark . @th,64,128 . ether saddr @owners6 return",
		"meta mark . @th,64,128 @owned6 drop",
		"meta mark . @th,64,128 . ether saddr @claims6 return",
		"meta mark . @th,64,128 @claimed6 drop",
		"add @claimed6 { meta mark . @th,64,128 } add @claims6 { meta mark . @th,64,128 . ether saddr }",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_icmp6", NULL, .rules = {
		"icmpv6 type { nd-router-advert, nd-redirect } drop",
		"icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } goto guard_nd",
		"icmpv6 type { 130, 131, 132, 143 } update @meter_mld { iifname limit rate over 100/second burst 100 packets } drop",
		"icmpv6 type != 255 return",
		"frag frag-off > 0 return",
		"drop",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_ip6", NULL, .rules = {
		"meta mark . @nh,64,128 @owned6 meta mark . @nh,64,128 . ether saddr != @owners6 drop",
		"meta l4proto ipv6-icmp goto guard_icmp6",
		"meta l4proto udp goto guard_dhcp6",
		"meta l4proto != 255 return",	/* an upper layer that is hidden has no number at all */
		"drop",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard_mac", NULL, .rules = {
		"ether type != { ip, ip6, arp } drop",
		"meta mark set iifname map @nets_of",
		"ether type vmap { ip : jump guard_ip4, ip6 : jump guard_ip6, arp : jump guard_arp }",
		"meta mark set 0 accept",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "guard", NULL, .rules = {
		"iifname . ether saddr @macs goto guard_mac",
		"iifname . ether saddr @learnt_macs goto guard_mac",
		"iifname @known drop",
		"iifname @learnt drop",
		"ether saddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop",
		"add @learnt { iifname } add @learnt_macs { iifname . ether saddr } goto guard_mac",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "prerouting", "type filter hook prerouting priority -300; policy accept;", .rules = {
		"iifname vmap @guarded",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "reflection", NULL, .rules = {
		"ether saddr . ether daddr @selves accept",
		"drop",
	} },
	{ NFPROTO_BRIDGE, "forward", "type filter hook forward priority filter; policy accept;", .rules = {
		"iifname . oifname @reflecting goto reflection",
	} },
};

static const struct set *set_find(uint8_t family, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		if (sets[i].family == family && str_eq(sets[i].name, name))
			return &sets[i];
	return NULL;
}

bool ruleset_set_by_device(uint8_t family, const char *set)
{
	const struct set *s = set_find(family, set);

	return s && s->key[0] == FIELD_IFNAME;
}

/* ---- elements ---- */

struct builder {
	struct arena *arena;
	uint8_t family;
	struct nft_elem *elems;
	size_t n, cap;
	FILE *text;
	char *text_buf;
	size_t text_len;
};

/* Append one field, padded. Both keys get it; a range's end overwrites the second afterwards. */
static void key_put(struct nft_elem *e, enum field field, const void *value)
{
	assert((size_t)e->key_len + fields[field].padded <= sizeof(e->key));
	memcpy(e->key + e->key_len, value, fields[field].size);
	memcpy(e->key_end + e->key_len, value, fields[field].size);
	e->key_len = (uint8_t)(e->key_len + fields[field].padded);
}

static void key_ifname(struct nft_elem *e, const char *name)
{
	char b[16] = { 0 };

	(void)str_copy(b, sizeof(b), name);
	key_put(e, FIELD_IFNAME, b);
}

static void key_port(struct nft_elem *e, uint16_t port)
{
	uint8_t b[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	key_put(e, FIELD_PORT, b);
}

static void key_ip(struct nft_elem *e, const struct ip *ip)
{
	key_put(e, ip->family == AF_INET ? FIELD_IP4 : FIELD_IP6, ip->b);
}

/* All of a prefix: only in sets with intervals. */
static void key_prefix(struct nft_elem *e, const struct prefix *p)
{
	struct ip first = prefix_network(p), last = prefix_last(p);
	uint8_t at = e->key_len;

	key_ip(e, &first);
	memcpy(e->key_end + at, last.b, ip_size(&last));
}

/* A zeroed element; elem_done() follows. */
static struct nft_elem *elem_begin(struct builder *b, const char *set)
{
	ARENA_GROW(b->arena, b->elems, b->n, b->cap);
	struct nft_elem *e = &b->elems[b->n++];
	*e = (struct nft_elem){ .set = set };
	return e;
}

static void elem_done(const struct builder *b, struct nft_elem *e)
{
	const struct set *s = set_find(b->family, e->set);
	size_t len = 0;

	assert(s);
	for (const enum field *f = s->key; *f != FIELD_END; f++)
		len += fields[*f].padded;
	assert(len == e->key_len);
	assert((s->data == DATA_VERDICT) == (e->verdict != NFT_VERDICT_NONE));
	if (s->interval)
		e->key_end_len = e->key_len;
	else
		memset(e->key_end, 0, sizeof(e->key_end));
}

static void add_devices(struct builder *b, const char *set, const char *first, const char *second)
{
	struct nft_elem *e = elem_begin(b, set);

	key_ifname(e, first);
	if (second)
		key_ifname(e, second);
	elem_done(b, e);
}

static void add_verdict(struct builder *b, const char *set, const char *device, const char *chain)
{
	struct nft_elem *e = elem_begin(b, set);

	key_ifname(e, device);
	e->verdict = NFT_VERDICT_GOTO;
	(void)str_copy(e->chain, sizeof(e->chain), chain);
	elem_done(b, e);
}

static void add_address(struct builder *b, const char *set4, const char *set6, const char *device, const struct ip *ip)
{
	struct nft_elem *e = elem_begin(b, ip->family == AF_INET ? set4 : set6);

	key_ifname(e, device);
	key_ip(e, ip);
	elem_done(b, e);
}

static void add_own(struct builder *b, const char *device, const struct prefix *p)
{
	struct nft_elem *e = elem_begin(b, p->ip.family == AF_INET ? "own4" : "own6");

	key_ifname(e, device);
	key_prefix(e, p);
	elem_done(b, e);
}

/* ---- forwards ---- */

/* Names of the sets of a forward: [family is IPv6][host address given]. */
static const char *const dnat_sets[2][2] = { { "dnat4", "dnat4_at" }, { "dnat6", "dnat6_at" } };
static const char *const dnat_from_sets[2][2] = { { "dnat4_from", "dnat4_at_from" }, { "dnat6_from", "dnat6_at_from" } };
static const char *const from_sets[2][2] = { { "from4", "from4_at" }, { "from6", "from6_at" } };

static void key_forward(struct nft_elem *e, const struct ruleset_forward *f, uint16_t port)
{
	key_put(e, FIELD_PROTO, &f->proto);
	key_port(e, port);
	if (ip_is_set(&f->host))
		key_ip(e, &f->host);
}

/* The kernel refuses elements that overlap: a prefix inside another one of the list says nothing new. */
static bool from_is_covered(const struct ruleset_forward *f, size_t i)
{
	const struct ip ip = prefix_network(&f->from[i]);

	for (size_t j = 0; j < f->n_from; j++) {
		const struct prefix *p = &f->from[j];

		if (j == i || p->ip.family != ip.family || p->len > f->from[i].len || !prefix_contains(p, &ip))
			continue;
		if (p->len < f->from[i].len || j < i)
			return true;
	}
	return false;
}

static void add_forward(struct builder *b, const struct ruleset_forward *f)
{
	bool six = f->target.family == AF_INET6, at = ip_is_set(&f->host);

	for (uint32_t port = f->host_first; port <= f->host_last; port++) {
		struct nft_elem *e = elem_begin(b, (f->n_from > 0 ? dnat_from_sets : dnat_sets)[six][at]);
		uint16_t to = (uint16_t)(f->guest_first + (port - f->host_first));
		uint8_t n = (uint8_t)ip_size(&f->target);

		key_forward(e, f, (uint16_t)port);
		memcpy(e->data, f->target.b, n);
		e->data[n] = (uint8_t)(to >> 8);
		e->data[n + 1] = (uint8_t)to;
		e->data_len = (uint8_t)(n + 4);
		elem_done(b, e);
		for (size_t i = 0; i < f->n_from; i++) {
			if (f->from[i].ip.family != f->target.family || from_is_covered(f, i))
				continue;
			e = elem_begin(b, from_sets[six][at]);
			key_forward(e, f, (uint16_t)port);
			key_prefix(e, &f->from[i]);
			elem_done(b, e);
		}
	}
}

/* ---- networks ---- */

#define NAT_PORT_FIRST 50000	/* conf/'s default */
#define NAT_PORT_LAST 65535
#define CHAIN_NAME 32		/* as in struct nft_elem */

/* What makes one translation chain differ from another. */
struct snat {
	uint16_t first, last;
	struct ip address4, address6;
};

static int snat_cmp(const struct snat *a, const struct snat *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last < b->last ? -1 : 1;
	int c = ip_cmp(&a->address4, &b->address4);
	return c ? c : ip_cmp(&a->address6, &b->address6);
}

static int snat_qsort(const void *a, const void *b)
{
	return snat_cmp(a, b);
}

static struct snat snat_of(const struct ruleset_network *n)
{
	return (struct snat){ n->nat_port_first, n->nat_port_last, n->nat_address4, n->nat_address6 };
}

/*
 * Distinct settings in a stable order. The plain one and the configuration's
 * default are always among them, so that networks which come and go don't
 * change the structure.
 */
static struct snat *snats_of(struct arena *arena, const struct ruleset_network *nets, size_t n, size_t *ret_n)
{
	struct snat *list = arena_alloc(arena, n + 2, sizeof(*list));
	size_t used = 0;

	list[used++] = (struct snat){ 0 };
	list[used++] = (struct snat){ .first = NAT_PORT_FIRST, .last = NAT_PORT_LAST };
	for (size_t i = 0; i < n; i++) {
		if (!nets[i].nat4 && !nets[i].nat6)
			continue;
		list[used++] = snat_of(&nets[i]);
	}
	qsort(list, used, sizeof(*list), snat_qsort);
	*ret_n = 1;
	for (size_t i = 1; i < used; i++)
		if (snat_cmp(&list[i], &list[*ret_n - 1]) != 0)
			list[(*ret_n)++] = list[i];
	return list;
}

/* By content, so that the name means the same in every version of the tables: "snat_any", "snat_50000_65535", … */
static const char *snat_chain_name(const struct snat *s, char buf[static CHAIN_NAME])
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

static void add_nat(struct builder *b, const struct ruleset_network *n)
{
	const struct snat mine = snat_of(n);
	char chain[CHAIN_NAME];

	(void)snat_chain_name(&mine, chain);
	if (n->nat4)
		add_verdict(b, "snat4", n->device, chain);
	if (n->nat6)
		add_verdict(b, "snat6", n->device, chain);
}

static void add_family(struct builder *b, const struct ruleset_network *n, const struct prefix *gateway)
{
	if (!ip_is_set(&gateway->ip))
		return;
	add_own(b, n->device, gateway);
	add_address(b, "gateway4", "gateway6", n->device, &gateway->ip);
	if (n->dns)
		add_address(b, "dns4", "dns6", n->device, &gateway->ip);
}

static void add_network(struct builder *b, const struct ruleset_network *n)
{
	static const char *const host[HOST_ACCESS_N_] = {
		[HOST_ACCESS_YES] = "host_yes",
		[HOST_ACCESS_SERVICES] = "host_services",
		[HOST_ACCESS_NO] = "host_no",
	};
	bool isolated = n->mode == NET_MODE_ISOLATED;
	struct ip link_local = ip6(n->link_local);

	add_devices(b, "nets", n->device, NULL);
	add_devices(b, "same", n->device, n->device);
	add_verdict(b, "input_from", n->device, host[n->host_access]);
	if (isolated && n->host_access != HOST_ACCESS_YES)
		add_verdict(b, "output_to", n->device,
			    n->host_access == HOST_ACCESS_SERVICES ? "guest_answers" : "guest_no");
	add_verdict(b, "forward_from", n->device,
		    isolated ? "from_isolated" : n->uplink ? "from_nat_by_uplink" : "from_nat");
	add_verdict(b, "forward_to", n->device, isolated ? "to_isolated" : "to_nat");
	if (n->uplink && !isolated)
		add_devices(b, "uplinks", n->device, n->uplink);
	add_family(b, n, &n->gateway4);
	add_family(b, n, &n->gateway6);
	if (ip_is_set(&n->gateway6.ip))
		add_address(b, "gateway4", "gateway6", n->device, &link_local);
	if (isolated)
		return;
	add_nat(b, n);
	for (size_t i = 0; i < n->n_forwards; i++)
		add_forward(b, &n->forwards[i]);
}

static void add_reflection(struct builder *b, const struct ruleset_network *n)
{
	for (size_t i = 0; i < n->n_reflecting; i++)
		add_devices(b, "reflecting", n->reflecting[i], n->reflecting[i]);
	for (size_t i = 0; i < n->n_forwards && n->n_reflecting > 0; i++) {
		struct nft_elem *e = elem_begin(b, "selves");

		key_put(e, FIELD_MAC, n->forwards[i].mac.b);
		key_put(e, FIELD_MAC, n->forwards[i].mac.b);
		elem_done(b, e);
	}
}

/* ---- guards ---- */

static void key_u32(struct nft_elem *e, enum field field, uint32_t v)
{
	key_put(e, field, &v);
}

static void add_nft_port(struct builder *b, const struct ruleset_network *n, const struct ruleset_port *port)
{
	struct nft_elem *e = elem_begin(b, "nets_of");

	key_ifname(e, port->name);
	memcpy(e->data, &n->group, sizeof(n->group));
	e->data_len = sizeof(n->group);
	elem_done(b, e);
	add_verdict(b, "guarded", port->name, "guard");
	if (mac_is_zero(&port->mac))
		return;
	add_devices(b, "known", port->name, NULL);
	e = elem_begin(b, "macs");
	key_ifname(e, port->name);
	key_put(e, FIELD_MAC, port->mac.b);
	elem_done(b, e);
}

static void add_nft_owner(struct builder *b, const struct ruleset_network *n, const struct ruleset_owner *owner)
{
	bool six = owner->ip.family == AF_INET6;
	enum field ip = six ? FIELD_RAW6 : FIELD_IP4;
	struct nft_elem *e = elem_begin(b, six ? "owned6" : "owned4");

	key_u32(e, FIELD_MARK, n->group);
	key_put(e, ip, owner->ip.b);
	elem_done(b, e);
	e = elem_begin(b, six ? "owners6" : "owners4");
	key_u32(e, FIELD_MARK, n->group);
	key_put(e, ip, owner->ip.b);
	key_put(e, FIELD_MAC, owner->mac.b);
	elem_done(b, e);
}

static void add_bpf_port(struct builder *b, const struct ruleset_network *n, const struct ruleset_port *port)
{
	struct nft_elem *e = elem_begin(b, "port");

	key_u32(e, FIELD_INDEX, port->ifindex);
	memcpy(e->data, &n->group, sizeof(n->group));
	memcpy(e->data + sizeof(n->group), port->mac.b, sizeof(port->mac.b));
	e->data_len = GUARD_PORT_DATA;
	elem_done(b, e);
	e = elem_begin(b, "attached");
	key_u32(e, FIELD_INDEX, port->ifindex);
	elem_done(b, e);
}

static void add_bpf_owner(struct builder *b, const struct ruleset_network *n, const struct ruleset_owner *owner)
{
	struct nft_elem *e = elem_begin(b, "owner");
	uint8_t ip[16] = { [10] = 0xff, 0xff };

	if (owner->ip.family == AF_INET6)
		memcpy(ip, owner->ip.b, sizeof(ip));
	else
		memcpy(ip + 12, owner->ip.b, 4);
	key_u32(e, FIELD_MARK, n->group);
	key_put(e, FIELD_IP6, ip);
	memcpy(e->data, owner->mac.b, sizeof(owner->mac.b));
	e->data_len = GUARD_OWNER_DATA;
	elem_done(b, e);
}

static void add_guard(struct builder *bridge, struct builder *guard, const struct ruleset_network *n)
{
	for (size_t i = 0; n->guarded && i < n->n_ports; i++) {
		if (n->guarded_by_bpf)
			add_bpf_port(guard, n, &n->ports[i]);
		else
			add_nft_port(bridge, n, &n->ports[i]);
	}
	for (size_t i = 0; n->guarded && i < n->n_owners; i++) {
		if (n->guarded_by_bpf)
			add_bpf_owner(guard, n, &n->owners[i]);
		else
			add_nft_owner(bridge, n, &n->owners[i]);
	}
}

/* ---- text ---- */

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_INET ? "inet" : "bridge";
}

static void text_set(FILE *f, const struct set *s)
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
	for (const enum field *k = s->key; *k != FIELD_END; k++)
		(void)fprintf(f, "%s%s", k == s->key ? "" : " . ", fields[*k].type);
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

/* Chains and sets as one block without the table's line; fills in table->chains. */
static void text_structure(FILE *f, struct arena *arena, uint8_t family, bool guard, const struct snat *snats,
			   size_t n_snats, struct w_table *table)
{
	size_t cap = 0;

	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		if (sets[i].family == family && (guard || !sets[i].guard))
			text_set(f, &sets[i]);
	if (guard)
		(void)fputs(guard_memory, f);
	for (size_t i = 0; i < n_snats && family == NFPROTO_INET; i++) {
		char name[CHAIN_NAME];

		(void)fprintf(f, "\tchain %s {\n", snat_chain_name(&snats[i], name));
		size_t n_rules = text_snat_rules(f, &snats[i]);
		(void)fprintf(f, "\t}\n");
		ARENA_GROW(arena, table->chains, table->n_chains, cap);
		table->chains[table->n_chains++] = (struct w_chain){ arena_strdup(arena, name), (uint32_t)n_rules };
	}
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		const struct chain *c = &chains[i];
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
}

/* nft has no escapes in strings, and takes a trailing asterisk for a wildcard. */
static bool ifname_is_plain(const uint8_t name[static 16])
{
	for (size_t i = 0; i < 16 && name[i]; i++)
		if (!isalnum(name[i]) && !strchr("._-@:", name[i]))
			return false;
	return name[0] != '\0';
}

static bool elem_is_plain(const struct set *s, const struct nft_elem *e)
{
	const uint8_t *p = e->key;

	for (const enum field *k = s->key; *k != FIELD_END; p += fields[*k].padded, k++)
		if (*k == FIELD_IFNAME && !ifname_is_plain(p))
			return false;
	return true;
}

static void text_field(FILE *f, enum field field, const uint8_t *b)
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
		memcpy(ip.b, b, fields[field].size);
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

static void text_elem(FILE *f, const struct set *s, const struct nft_elem *e)
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

	for (const enum field *k = s->key; *k != FIELD_END; at += fields[*k].padded, k++) {
		(void)fputs(k == s->key ? "" : " . ", f);
		text_field(f, *k, e->key + at);
		if (e->key_end_len > 0 && memcmp(e->key + at, e->key_end + at, fields[*k].size) != 0) {
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
		enum field ip = s->data == DATA_IP4_PORT ? FIELD_IP4 : FIELD_IP6;

		(void)fputs(" : ", f);
		text_field(f, ip, e->data);
		(void)fputs(" . ", f);
		text_field(f, FIELD_PORT, e->data + fields[ip].padded);
	}
}

static void text_elems(FILE *f, struct arena *arena, struct ruleset_table *ret)
{
	const struct w_table *table = &ret->table;
	struct nft_elem *rest = NULL;
	size_t cap = 0;

	for (size_t i = 0; i < table->n_elems;) {
		const char *set = table->elems[i].set;
		const struct set *s = set_find(table->family, set);
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

/* Equal keys by what they lead to, so that the outcome doesn't hang on qsort(). */
static int qsort_elem(const void *a, const void *b)
{
	const struct nft_elem *x = a, *y = b;
	int c = nft_elem_cmp(x, y);

	return c ? c : memcmp(x->data, y->data, sizeof(x->data));
}

static int qsort_chain(const void *a, const void *b)
{
	return strcmp(((const struct w_chain *)a)->name, ((const struct w_chain *)b)->name);
}

static uint64_t fnv1a(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(1099511628211);
	return h;
}

/* Sorted, each key once. */
static size_t elems_sort(struct nft_elem *elems, size_t n)
{
	size_t used = 0;

	if (n == 0)
		return 0;
	qsort(elems, n, sizeof(*elems), qsort_elem);
	for (size_t i = 0; i < n; i++)
		if (used == 0 || nft_elem_cmp(&elems[used - 1], &elems[i]) != 0)
			elems[used++] = elems[i];
	return used;
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

/*
 * An element that was made for a network we know nothing of now. When it has a
 * translation chain of its own and the table is replaced, the plain translation
 * stands in for that.
 */
static void add_kept(struct builder *b, const struct nft_elem *kept, const struct snat *snats, size_t n_snats)
{
	char name[CHAIN_NAME];
	bool known = kept->verdict != NFT_VERDICT_GOTO;

	if (!set_find(b->family, kept->set))
		return;
	for (size_t i = 0; i < ARRAY_LEN(chains) && !known; i++)
		known = chains[i].family == b->family && str_eq(chains[i].name, kept->chain);
	for (size_t i = 0; i < n_snats && !known; i++)
		known = str_eq(snat_chain_name(&snats[i], name), kept->chain);
	struct nft_elem *e = elem_begin(b, kept->set);
	*e = *kept;
	if (!known)
		(void)str_copy(e->chain, sizeof(e->chain), "snat_any");
}

static void render(struct arena *arena, struct builder *b, const struct snat *snats, size_t n_snats, bool guard, bool present,
		   struct ruleset_table *ret)
{
	struct w_table *t = &ret->table;
	char *buf = NULL;
	size_t len;

	*ret = (struct ruleset_table){ .table = { .present = present, .family = b->family }, .structure = "" };
	if (!present)
		return;
	FILE *f = text_open(&buf, &len);
	text_structure(f, arena, b->family, guard, snats, n_snats, t);
	ret->structure = text_close(arena, f, &buf);
	qsort(t->chains, t->n_chains, sizeof(*t->chains), qsort_chain);
	t->comment = arena_printf(arena, "sixtap %016" PRIx64, fnv1a(ret->structure));
	t->n_elems = elems_sort(b->elems, b->n);
	t->elems = b->elems;
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

void ruleset_forward_elems(struct arena *arena, const struct ruleset_forward *forward, const struct nft_elem **ret,
			   size_t *ret_n)
{
	struct builder b = { .arena = arena, .family = NFPROTO_INET };

	add_forward(&b, forward);
	*ret_n = elems_sort(b.elems, b.n);
	*ret = b.elems;
}

void ruleset_make(struct arena *arena, const struct ruleset_network *networks, size_t n,
		  const struct ruleset_kept *kept, struct ruleset *ret)
{
	struct builder inet = { .arena = arena, .family = NFPROTO_INET };
	struct builder bridge = { .arena = arena, .family = NFPROTO_BRIDGE };
	struct builder guard = { .arena = arena, .family = GUARD_FAMILY };
	bool in_nft = false;
	size_t n_snats = 0;
	const struct snat *snats = snats_of(arena, networks, n, &n_snats);

	for (size_t i = 0; i < n; i++) {
		add_network(&inet, &networks[i]);
		add_reflection(&bridge, &networks[i]);
		add_guard(&bridge, &guard, &networks[i]);
		in_nft |= networks[i].guarded && !networks[i].guarded_by_bpf;
	}
	for (size_t i = 0; i < kept->n_inet; i++)
		add_kept(&inet, &kept->inet[i], snats, n_snats);
	for (size_t i = 0; i < kept->n_bridge; i++)
		add_kept(&bridge, &kept->bridge[i], NULL, 0);
	for (size_t i = 0; i < kept->n_bridge; i++)
		in_nft |= set_find(NFPROTO_BRIDGE, kept->bridge[i].set) && set_find(NFPROTO_BRIDGE, kept->bridge[i].set)->guard;
	render(arena, &inet, snats, n_snats, false, inet.n > 0, &ret->inet);
	render(arena, &bridge, NULL, 0, in_nft, bridge.n > 0, &ret->bridge);
	ret->guard = (struct ruleset_table){ .table = { .present = true, .family = GUARD_FAMILY, .elems = guard.elems } };
	ret->guard.table.n_elems = elems_sort(guard.elems, guard.n);
}

/* ---- differences ---- */

bool ruleset_same_structure(const struct w_table *have, const struct w_table *want)
{
	if (have->present != want->present)
		return false;
	if (!want->present)
		return true;
	if (!str_eq(have->comment, want->comment) || have->n_chains != want->n_chains)
		return false;
	for (size_t i = 0; i < have->n_chains; i++)
		if (!str_eq(have->chains[i].name, want->chains[i].name) ||
		    have->chains[i].n_rules != want->chains[i].n_rules)
			return false;
	return true;
}

void ruleset_diff(struct arena *arena, const struct w_table *have, const struct w_table *want,
		  const struct nft_elem **ret_del, size_t *ret_n_del, const struct nft_elem **ret_add,
		  size_t *ret_n_add)
{
	struct nft_elem *del = NULL, *add = NULL;
	size_t n_del = 0, n_add = 0, cap_del = 0, cap_add = 0, h = 0, w = 0;

	while (h < have->n_elems || w < want->n_elems) {
		int c = h == have->n_elems ? 1 : w == want->n_elems ? -1
						: nft_elem_cmp(&have->elems[h], &want->elems[w]);

		if (c == 0 && nft_elem_same(&have->elems[h], &want->elems[w])) {
			h++;
			w++;
			continue;
		}
		if (c <= 0) {
			if (set_find(want->family, have->elems[h].set)) {
				ARENA_GROW(arena, del, n_del, cap_del);
				del[n_del++] = have->elems[h];
			}
			h++;
		}
		if (c >= 0) {
			ARENA_GROW(arena, add, n_add, cap_add);
			add[n_add++] = want->elems[w++];
		}
	}
	*ret_del = del;
	*ret_n_del = n_del;
	*ret_add = add;
	*ret_n_add = n_add;
}
