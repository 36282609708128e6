/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - what a guest may say, decided at its port
 *
 * Theory of operation: one program, attached to clsact ingress of every
 * guarded port, in direct action. It knows the port by its interface index, so
 * the cost doesn't grow with guests. A frame ends here unless
 * - it is untagged IPv4, IPv6 or ARP (a VLAN tag would hide what is in it from
 *   this program but not from a receiver: VID 0 means "no VLAN"),
 * - its source is the port's MAC; for ports of others that is the first seen,
 * - the address it speaks for (source, ARP sender, ND target) has no owner, or
 *   this one. Owners are told by main. An ND or ARP message about an address
 *   without one makes the sender its owner for 3 s (RFC 6620's "first
 *   come, first served"), until main has heard of it: so nobody can answer the
 *   duplicate address detection of another. Who probes for an owner's address
 *   is answered here, in the owner's name, and heard by nobody.
 * - it is no RA, no redirect, no MLD or IGMP query (who becomes the querier of a
 *   LAN whose bridges snoop decides who hears what), nothing from a DHCP
 *   server's port or to a client's. What hides the upper layer (RFC 7113: a first fragment without
 *   it; too many extension headers) and fragmented ND (RFC 6980) end too.
 * ND, MLD, ARP and DHCP are metered per port.
 *
 * What only the host may answer (DHCP, router solicitations, and a guest's
 * duplicate address detection for an address of its own) goes to the host only:
 * it gets the bridge's MAC as destination. Or each of a thousand guests that
 * start would be heard by a thousand.
 *
 * Not checked: sources outside the network's prefixes, as long as they are
 * nobody's; chaddr in DHCP (the engine does).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "model/guard.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct guard_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GUARD_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct guard_meters);
} meters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_OWNERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_address);
	__type(value, __u64);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GUARD_CLAIMS_MAX);
	__type(key, struct guard_address);
	__type(value, struct guard_claim);
} claims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GUARD_HEARD_BYTES);
} heard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GUARD_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct guard_ear);
} ears SEC(".maps");

#define PASS TC_ACT_UNSPEC	/* whatever else is attached has its say */
#define DROP TC_ACT_SHOT

#define IGMP_QUERY 0x11
#define EXT_HEADERS_MAX 8
#define ICMP6_MLD_QUERY 130
#define ICMP6_RS 133
#define ICMP6_RA 134
#define ICMP6_NS 135
#define ICMP6_NA 136
#define ICMP6_REDIRECT 137
#define ND_OPTIONS_MAX 8	/* more than two are hardly ever seen in what guests may send */
#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2

struct sender {
	__u32 ifindex;
	__u64 mac;
	struct guard_address address;	/* net is set; ip is whatever is asked next */
};

/* Frames are looked at in place, which takes a third of the time that copying does. What is behind comes by copy. */
#define HEADERS (ETH_HLEN + 40 + 4)	/* up to IPv6's, and the ports */

static __always_inline int metered(const struct sender *s, enum guard_meter which, __u64 most)
{
	struct guard_meters *m = bpf_map_lookup_elem(&meters, &s->ifindex);
	__u64 now = bpf_ktime_get_ns();

	if (!m) {
		static const struct guard_meters none;

		bpf_map_update_elem(&meters, &s->ifindex, &none, BPF_NOEXIST);
		m = bpf_map_lookup_elem(&meters, &s->ifindex);
		if (!m)
			return DROP;
	}
	/* Two processors may both begin a window; then a few more pass. */
	if (now - m->of[which].since > GUARD_WINDOW_NS) {
		m->of[which].since = now;
		m->of[which].n = 0;
	}
	if (m->of[which].n >= most)
		return DROP;
	__sync_fetch_and_add(&m->of[which].n, 1);
	return PASS;
}

static __always_inline void set_ip4(struct sender *s, const __u8 *ip)
{
	__builtin_memset(s->address.ip, 0, 10);
	s->address.ip[10] = 0xff;
	s->address.ip[11] = 0xff;
	__builtin_memcpy(s->address.ip + 12, ip, 4);
}

/* The bridge's own MAC is told as that of guests' router, fe80::1. */
static __always_inline int to_bridge(struct __sk_buff *skb, struct sender *s)
{
	__builtin_memset(s->address.ip, 0, sizeof(s->address.ip));
	s->address.ip[0] = 0xfe;
	s->address.ip[1] = 0x80;
	s->address.ip[15] = 1;
	const __u64 *owner = bpf_map_lookup_elem(&owners, &s->address);

	if (owner) {
		__u64 mac = *owner;	/* its bytes stand as in a frame: guard_mac() */

		bpf_skb_store_bytes(skb, 0, &mac, ETH_ALEN, 0);
	}
	return PASS;
}

static __always_inline int may_use(const struct sender *s)
{
	const __u64 *owner = bpf_map_lookup_elem(&owners, &s->address);

	return !owner || *owner == s->mac ? PASS : DROP;
}

/* As may_use(), and it is the sender's from now on if it was nobody's. */
static __always_inline int may_claim(const struct sender *s)
{
	const __u64 *owner = bpf_map_lookup_elem(&owners, &s->address);
	__u64 now = bpf_ktime_get_ns();
	struct guard_claim mine = { .mac = s->mac, .since = now };

	if (owner)
		return *owner == s->mac ? PASS : DROP;
	const struct guard_claim *claim = bpf_map_lookup_elem(&claims, &s->address);
	if (claim && claim->mac != s->mac && now - claim->since < GUARD_CLAIM_NS)
		return DROP;
	bpf_map_update_elem(&claims, &s->address, &mine, BPF_ANY);
	return PASS;
}

/*
 * A probe for duplicates is no claim: who has the address must hear it, or
 * nobody would tell the prober. But one that probes for it itself just now
 * would give up; so that nobody can keep another from its address, it is spared.
 * Also where others had probed for the address before it became its own.
 * An owner that is known doesn't even hear of others' probes: it may be about
 * to probe, which nobody can see, and would give up. We answer for it.
 * @window: how long one that probes may be disturbed, ns.
 * Return: PROBE_OWN: so nobody else may answer; PROBE_TAKEN: *ret_owner is to
 * be named in the answer; PASS, DROP
 */
#define PROBE_OWN 1000
#define PROBE_TAKEN 1001

static __always_inline int may_probe(const struct sender *s, __u64 window, __u64 *ret_owner)
{
	const __u64 *owner = bpf_map_lookup_elem(&owners, &s->address);
	const struct guard_claim *claim = bpf_map_lookup_elem(&claims, &s->address);
	__u64 now = bpf_ktime_get_ns();
	struct guard_claim mine = { .mac = s->mac, .since = now, .probed = now };

	if (owner && *owner == s->mac) {
		bpf_map_update_elem(&claims, &s->address, &mine, BPF_ANY);
		return PROBE_OWN;
	}
	if (owner) {
		*ret_owner = *owner;
		return PROBE_TAKEN;
	}
	if (claim && claim->mac != s->mac) {
		if (claim->probed && now - claim->probed < window)
			return DROP;
		if (now - claim->since < GUARD_CLAIM_NS)
			return PASS;
	}
	bpf_map_update_elem(&claims, &s->address, &mine, BPF_ANY);
	return PASS;
}

/* Back to where it came from, with the owner as sender. */
static __always_inline int turn_back(struct __sk_buff *skb, const struct sender *s, __u64 owner)
{
	__u64 mac = s->mac;	/* their bytes stand as in a frame: guard_mac() */

	if (bpf_skb_store_bytes(skb, 0, &mac, ETH_ALEN, 0) < 0 || bpf_skb_store_bytes(skb, ETH_ALEN, &owner, ETH_ALEN, 0) < 0)
		return DROP;
	return bpf_redirect(skb->ifindex, 0);
}

/* RFC 5227 2.1.1: a reply with the address as its sender's is a conflict. @b: the probe, changed. */
static __always_inline int answer_probe4(struct __sk_buff *skb, const struct sender *s, __u8 *b, __u64 owner)
{
	b[7] = 2;
	__builtin_memcpy(b + 18, b + 8, ETH_ALEN);	/* who asks */
	__builtin_memcpy(b + 14, b + 24, 4);
	__builtin_memcpy(b + 8, &owner, ETH_ALEN);
	__builtin_memset(b + 24, 0, 4);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, b, 28, 0) < 0)
		return DROP;
	return turn_back(skb, s, owner);
}

/*
 * RFC 4862 5.4.4: an NA for the address is a conflict. The solicitation becomes
 * one, to all nodes as RFC 4861 7.2.4 wants; its options may stay.
 */
static __always_inline int answer_probe6(struct __sk_buff *skb, const struct sender *s, __u32 at, __u64 owner)
{
	struct {
		__u8 src[16], dst[16];
		__u8 type, code, zero[2];
		__be32 flags;
	} old, new = { .dst = { 0xff, 0x02, [15] = 1 }, .type = ICMP6_NA, .flags = bpf_htonl(0x20000000) };

	if (at != ETH_HLEN + 40)
		return DROP;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + 8, &old, 32) < 0 || bpf_skb_load_bytes(skb, at, &old.type, 8) < 0)
		return DROP;
	__builtin_memcpy(new.src, s->address.ip, 16);
	__be16 sum;
	__builtin_memcpy(&sum, old.zero, 2);
	old.zero[0] = old.zero[1] = 0;
	__s64 diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
	if (diff < 0)
		return DROP;
	__builtin_memcpy(new.zero, &sum, 2);
	if (bpf_skb_store_bytes(skb, ETH_HLEN + 8, &new, 32, 0) < 0 || bpf_skb_store_bytes(skb, at, &new.type, 8, 0) < 0 ||
	    bpf_l4_csum_replace(skb, at + 2, 0, (__u64)diff, 0) < 0)
		return DROP;
	return turn_back(skb, s, owner);
}

static __always_inline int guard_arp(struct __sk_buff *skb, struct sender *s)
{
	__u8 b[28];	/* header, sender MAC 8, sender IP 14, target MAC 18, target IP 24 */

	if (metered(s, GUARD_METER_ARP, GUARD_ARP_MAX) == DROP)
		return DROP;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, b, sizeof(b)) < 0)
		return DROP;
	/* Ethernet and IPv4 only. */
	if (b[0] != 0 || b[1] != 1 || b[2] != 0x08 || b[3] != 0 || b[4] != 6 || b[5] != 4)
		return DROP;
	if (guard_mac(b + 8) != s->mac)
		return DROP;
	if ((b[14] | b[15] | b[16] | b[17]) == 0) {	/* a probe, RFC 5227 */
		__u64 owner = 0;

		set_ip4(s, b + 24);
		int r = may_probe(s, GUARD_ACD_NS, &owner);
		return r == PROBE_TAKEN ? answer_probe4(skb, s, b, owner) : r == DROP ? DROP : PASS;
	}
	set_ip4(s, b + 14);
	return may_claim(s);
}

static __always_inline int guard_ports(struct __sk_buff *skb, struct sender *s, __be16 from, __be16 to, __u16 server,
				       __u16 client)
{
	if (from == bpf_htons(server) || to == bpf_htons(client))
		return DROP;
	if (to != bpf_htons(server))
		return PASS;
	return metered(s, GUARD_METER_DHCP, GUARD_DHCP_MAX) == DROP ? DROP : to_bridge(skb, s);
}

static __always_inline int guard_udp(struct __sk_buff *skb, struct sender *s, __u32 at, __u16 server, __u16 client)
{
	__be16 port[2];

	if (bpf_skb_load_bytes(skb, at, port, sizeof(port)) < 0)
		return DROP;
	return guard_ports(skb, s, port[0], port[1], server, client);
}

static __always_inline int guard_ip4(struct __sk_buff *skb, struct sender *s, const __u8 *b, const __u8 *end)
{
	int r;

	if (b + 20 > end)
		return DROP;
	if ((b[12] | b[13] | b[14] | b[15]) != 0) {	/* else a DHCP client's, or IGMP */
		set_ip4(s, b + 12);
		r = may_use(s);
		if (r == DROP)
			return DROP;
	}
	/* Later fragments have no ports; 8 bytes, the least a first one can have, hold them. */
	if ((b[9] != IPPROTO_UDP && b[9] != IPPROTO_IGMP) || ((b[6] & 0x1f) | b[7]) != 0)
		return PASS;
	if (b[9] == IPPROTO_IGMP) {
		__u8 type;

		return bpf_skb_load_bytes(skb, ETH_HLEN + (b[0] & 0x0f) * 4u, &type, 1) < 0 || type == IGMP_QUERY ? DROP : PASS;
	}
	if ((b[0] & 0x0f) == 5 && b + 24 <= end)
		return guard_ports(skb, s, *(const __be16 *)(b + 20), *(const __be16 *)(b + 22), 67, 68);
	return guard_udp(skb, s, ETH_HLEN + (b[0] & 0x0f) * 4u, 67, 68);
}

/* @from_any: the source is ::, that is, duplicate address detection. */
static __always_inline int guard_nd(struct __sk_buff *skb, struct sender *s, __u32 at, __u8 type, int from_any)
{
	__u8 option[8];

	if (metered(s, GUARD_METER_ND, GUARD_ND_MAX) == DROP)
		return DROP;
	__u32 options = at + (type == ICMP6_RS ? 8 : 24);
	/* A link-layer address that isn't the sender's would turn others' traffic elsewhere. */
	for (int i = 0; i < ND_OPTIONS_MAX; i++) {
		if (bpf_skb_load_bytes(skb, options, option, sizeof(option)) < 0)
			break;
		if (i == ND_OPTIONS_MAX - 1 || option[1] == 0)
			return DROP;
		if ((option[0] == ND_OPT_SOURCE || option[0] == ND_OPT_TARGET) && guard_mac(option + 2) != s->mac)
			return DROP;
		options += option[1] * 8u;
	}
	if (type == ICMP6_RS)
		return !from_any && may_claim(s) == DROP ? DROP : to_bridge(skb, s);
	if (type == ICMP6_NS && !from_any)
		return may_claim(s);
	if (bpf_skb_load_bytes(skb, at + 8, s->address.ip, 16) < 0)
		return DROP;
	if (type == ICMP6_NA)
		return may_claim(s);
	__u64 owner = 0;
	int r = may_probe(s, GUARD_DAD_NS, &owner);
	return r == PROBE_OWN ? to_bridge(skb, s) : r == PROBE_TAKEN ? answer_probe6(skb, s, at, owner) : r;
}

static __always_inline int guard_icmp6(struct __sk_buff *skb, struct sender *s, __u32 at, int fragment, int from_any)
{
	__u8 type;

	if (bpf_skb_load_bytes(skb, at, &type, 1) < 0)
		return DROP;
	switch (type) {
	case ICMP6_RA:
	case ICMP6_REDIRECT:
	case ICMP6_MLD_QUERY:
		return DROP;
	case ICMP6_RS:
	case ICMP6_NS:
	case ICMP6_NA:
		return fragment ? DROP : guard_nd(skb, s, at, type, from_any);
	case 131:	/* MLD: report, done; version 2's report */
	case 132:
	case 143:
		return metered(s, GUARD_METER_MLD, GUARD_MLD_MAX);
	}
	return PASS;
}

static __always_inline int guard_ip6(struct __sk_buff *skb, struct sender *s, const __u8 *b, const __u8 *end)
{
	__u32 at = ETH_HLEN + 40;
	int fragment = 0, from_any;
	__u8 next;

	if (b + 24 > end)	/* up to the end of the source */
		return DROP;
	next = b[6];
	__builtin_memcpy(s->address.ip, b + 8, 16);
	const __u32 *w = (const __u32 *)s->address.ip;
	from_any = (w[0] | w[1] | w[2] | w[3]) == 0;
	if (!from_any && may_use(s) == DROP)
		return DROP;
	if (next == IPPROTO_TCP)
		return PASS;
	if (next == IPPROTO_UDP && b + 44 <= end)
		return guard_ports(skb, s, *(const __be16 *)(b + 40), *(const __be16 *)(b + 42), 547, 546);
	for (int i = 0; i < EXT_HEADERS_MAX; i++) {
		__u8 h[4];

		switch (next) {
		case IPPROTO_ICMPV6:
			return guard_icmp6(skb, s, at, fragment, from_any);
		case IPPROTO_UDP:
			return guard_udp(skb, s, at, 547, 546);
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case 135:	/* mobility */
			if (bpf_skb_load_bytes(skb, at, h, 2) < 0)
				return DROP;
			next = h[0];
			at += (h[1] + 1u) * 8;
			break;
		case IPPROTO_AH:
			if (bpf_skb_load_bytes(skb, at, h, 2) < 0)
				return DROP;
			next = h[0];
			at += (h[1] + 2u) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if (bpf_skb_load_bytes(skb, at, h, 4) < 0)
				return DROP;
			if ((h[2] << 8 | h[3]) & 0xfff8)
				return PASS;	/* a later one: without the first, which was seen, it is nothing */
			next = h[0];
			at += 8;
			fragment = 1;
			break;
		default:
			return PASS;
		}
	}
	return DROP;
}

SEC("tc")
int guard(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct guard_port *port = bpf_map_lookup_elem(&ports, &ifindex);
	struct sender s = { .ifindex = ifindex };

	if (!port)
		return PASS;
	if (skb->vlan_present)
		return DROP;
	const __u8 *b = (const __u8 *)(long)skb->data, *end = (const __u8 *)(long)skb->data_end;
	__u32 want = skb->len < HEADERS ? skb->len : HEADERS;
	if (b + want > end) {	/* in pieces */
		bpf_skb_pull_data(skb, want);
		b = (const __u8 *)(long)skb->data;
		end = (const __u8 *)(long)skb->data_end;
	}
	if (b + ETH_HLEN > end)
		return DROP;
	s.mac = guard_mac(b + 6);
	__u64 mac = port->mac;
	if (mac == 0 && !(b[6] & 1)) {
		mac = __sync_val_compare_and_swap(&port->mac, 0, s.mac);
		if (mac == 0)
			mac = s.mac;
	}
	if (mac != s.mac)
		return DROP;
	s.address.net = port->net;
	switch (b[12] << 8 | b[13]) {
	case ETH_P_IP:
		return guard_ip4(skb, &s, b + ETH_HLEN, end);
	case ETH_P_IPV6:
		return guard_ip6(skb, &s, b + ETH_HLEN, end);
	case ETH_P_ARP:
		return guard_arp(skb, &s);
	}
	return DROP;
}

/*
 * On egress of a macvtap: what the engine has to say to the guest - and it has that mark on all it sends there - goes
 * back into the device, to the guest, and never onto the LAN.
 */
SEC("tc")
int inward(struct __sk_buff *skb)
{
	return skb->mark == GUARD_MARK_INWARD ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : PASS;
}

/* ---- what macvtaps' guests say of their groups and addresses ---- */

static __always_inline __u8 byte_at(struct __sk_buff *skb, __u32 at)
{
	__u8 b = 0;	/* none of what is asked for */

	bpf_skb_load_bytes(skb, at, &b, 1);
	return b;
}

/* The same in place, which most frames end with; @at: a constant. */
static __always_inline __u8 near_byte(struct __sk_buff *skb, const __u32 at)
{
	const __u8 *b = (const __u8 *)(long)skb->data, *end = (const __u8 *)(long)skb->data_end;

	return b + at + 1 <= end ? b[at] : byte_at(skb, at);
}

/* ARP, IGMP, MLD reports, NS and NA: the same as io/packet's filter for guests. */
static __always_inline int is_telling(struct __sk_buff *skb)
{
	__u8 next, type;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		return near_byte(skb, ETH_HLEN + 9) == IPPROTO_IGMP;
	if (skb->protocol != bpf_htons(ETH_P_IPV6))
		return skb->protocol == bpf_htons(ETH_P_ARP);
	next = near_byte(skb, ETH_HLEN + 6);
	if (next == IPPROTO_HOPOPTS && byte_at(skb, ETH_HLEN + 40) == IPPROTO_ICMPV6)	/* stands before MLD */
		type = byte_at(skb, ETH_HLEN + 48 + byte_at(skb, ETH_HLEN + 41) * 8u);
	else if (next == IPPROTO_ICMPV6)
		type = byte_at(skb, ETH_HLEN + 40);
	else
		return 0;
	return type == 131 || type == 132 || type == 143 || type == ICMP6_NS || type == ICMP6_NA;
}

static __always_inline struct guard_ear *ear_of(__u32 ifindex)
{
	struct guard_ear *e = bpf_map_lookup_elem(&ears, &ifindex);
	static const struct guard_ear none;

	if (e)
		return e;
	bpf_map_update_elem(&ears, &ifindex, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&ears, &ifindex);
}

/* @room: a constant, as the ring wants it */
static __always_inline void put(struct __sk_buff *skb, struct guard_ear *e, __u32 len, const __u32 room)
{
	const __u32 size = sizeof(struct guard_heard) + room;

	if (e->n + size > GUARD_HEARD_SHARE) {
		e->lost = 1;
		return;
	}
	struct guard_heard *h = bpf_ringbuf_reserve(&heard, size, 0);
	if (!h) {
		e->lost = 1;
		return;
	}
	if (bpf_skb_load_bytes(skb, 0, h->frame, len) < 0) {
		bpf_ringbuf_discard(h, 0);
		return;
	}
	/* The last that fits says so at once: nothing may follow that could. */
	e->n += size;
	h->lost = e->lost || e->n + size > GUARD_HEARD_SHARE;
	e->lost = 0;
	h->ifindex = skb->ifindex;
	h->len = (__u16)len;
	bpf_ringbuf_submit(h, 0);
}

static __always_inline void hear(struct __sk_buff *skb)
{
	struct guard_ear *e = ear_of(skb->ifindex);
	__u64 now = bpf_ktime_get_ns();
	__u32 len = skb->len;

	asm volatile("" : "+r"(len));	/* read once: the verifier goes by what is compared */
	if (!e || len < ETH_HLEN || len > GUARD_FRAME_MAX)
		return;
	/* Two processors may both begin a window; then a few more pass. */
	if (now - e->since > GUARD_WINDOW_NS) {
		e->since = now;
		e->n = 0;
	}
	if (len <= GUARD_FRAME_SMALL)
		put(skb, e, len, GUARD_FRAME_SMALL);
	else
		put(skb, e, len, GUARD_FRAME_MAX);
}

/* As inward; what a guest says of its groups and addresses is also copied to the engine. Nobody else's frames are. */
SEC("tc")
int attentive(struct __sk_buff *skb)
{
	if (skb->mark == GUARD_MARK_INWARD)
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	if (is_telling(skb))
		hear(skb);
	return PASS;
}

char guard_license[] SEC("license") = "GPL";
