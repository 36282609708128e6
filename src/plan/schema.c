/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema - sets, maps, chains and rules of our tables
 *
 * What the chains have to know about the kernel:
 * - With br_netfilter, frames that the bridge forwards pass the inet hooks with
 *   iif = oif = the bridge, and a frame that prerouting translates to a guest of
 *   the same bridge is bridged, not routed. So (bridge, bridge) is always
 *   accepted (SAME), and source translation for it is limited to translated flows.
 *   POSTROUTING sees such frames without an input interface, which is why a
 *   hairpin is recognised by the source address (own4, own6).
 * - A guest that reaches itself through its own forward then needs its bridge
 *   port in hairpin mode, which also sends the guest's multicasts back to it
 *   (it would see its own DAD probes). The table in family bridge lets only
 *   those frames back that are addressed to the guest's own MAC.
 * - Neighbour discovery passes everywhere. DHCP is dropped in input: the engine
 *   sees it by packet socket, and the kernel would answer "port unreachable".
 * - nat chains see the first packet of a flow only; the filter chains cost every
 *   packet one lookup by each interface. A lookup is 2 % of a small frame's way,
 *   so what most packets need comes first.
 */
#include "plan/schema.h"

#include <linux/netfilter.h>

const struct schema_field_type schema_fields[FIELD_N_] = {
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

const struct schema_set schema_sets[] = {
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
	{ NFPROTO_INET, "plain4", { FIELD_IFNAME, FIELD_IP4 }, .interval = true },
	{ NFPROTO_INET, "plain6", { FIELD_IFNAME, FIELD_IP6 }, .interval = true },
	/* inet: what happens to whom */
	{ NFPROTO_INET, "input_from", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "output_to", { FIELD_IFNAME }, .data = DATA_VERDICT },
	{ NFPROTO_INET, "forward_from", { FIELD_IFNAME }, .data = DATA_VERDICT },	/* to a bridge */
	{ NFPROTO_INET, "forward_out", { FIELD_IFNAME }, .data = DATA_VERDICT },	/* to anything else */
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
	{ NFPROTO_INET, "narrowed", { FIELD_PROTO, FIELD_PORT }, .data = DATA_NONE },	/* ports of _at and _from */
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
	{ NFPROTO_BRIDGE, "marks", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_MARK, .guard = true },
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
	/* netdev */
	{ NFPROTO_NETDEV, "guests", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_NONE },
	{ NFPROTO_NETDEV, "macs", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_NETDEV, "marks", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_MARK, .guard = true },
	{ NFPROTO_NETDEV, "learnt_macs", { FIELD_IFNAME, FIELD_MAC }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_NETDEV, "owned4", { FIELD_MARK, FIELD_IP4 }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_NETDEV, "owners4", { FIELD_MARK, FIELD_IP4, FIELD_MAC }, .data = DATA_NONE, .guard = true },
	{ NFPROTO_NETDEV, "owned6", { FIELD_MARK, FIELD_RAW6 }, .data = DATA_NONE, .guard = true,
	  .type = "typeof meta mark . @nh,64,128" },
	{ NFPROTO_NETDEV, "owners6", { FIELD_MARK, FIELD_RAW6, FIELD_MAC }, .data = DATA_NONE, .guard = true,
	  .type = "typeof meta mark . @nh,64,128 . ether saddr" },
	/* the eBPF guards */
	{ GUARD_FAMILY, "attached", { FIELD_INDEX }, .data = DATA_NONE },
	{ GUARD_FAMILY, "owner", { FIELD_MARK, FIELD_IP6 }, .data = DATA_GUARD },
	{ GUARD_FAMILY, "port", { FIELD_INDEX }, .data = DATA_GUARD },
};

const size_t schema_n_sets = ARRAY_LEN(schema_sets);

const char schema_guard_memory[] =
	"\tset claimed4 {\n\t\ttype mark . ipv4_addr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claims4 {\n\t\ttype mark . ipv4_addr . ether_addr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claimed6 {\n\t\ttypeof meta mark . @nh,64,128; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset claims6 {\n\t\ttypeof meta mark . @nh,64,128 . ether saddr; size 65536; flags dynamic, timeout; timeout 3s\n\t}\n"
	"\tset probed6 {\n\t\ttypeof meta mark . @nh,64,128; size 65536; flags dynamic, timeout; timeout 1200ms\n\t}\n"
	"\tset probes6 {\n\t\ttypeof meta mark . @nh,64,128 . ether saddr; size 65536; flags dynamic, timeout; timeout 1200ms\n\t}\n"
	"\tset probed4 {\n\t\ttype mark . ipv4_addr; size 65536; flags dynamic, timeout; timeout 2200ms\n\t}\n"
	"\tset probes4 {\n\t\ttype mark . ipv4_addr . ether_addr; size 65536; flags dynamic, timeout; timeout 2200ms\n\t}\n"
	"\tset meter_nd {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_mld {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_arp {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n"
	"\tset meter_dhcp {\n\t\ttype ifname; size 8192; flags dynamic, timeout; timeout 1m\n\t}\n";

#define ND "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept"
#define MLD "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept"
#define DHCP "udp dport { 67, 547 } drop"
#define ANSWERS "ct state established,related accept"
#define SAME "iifname . oifname @same accept"
#define REFUSE "reject with icmpx admin-prohibited"

/*
 * What a guest may say, as src/bpf/guard.bpf.c has it, whose head explains it. In family bridge for hosts that
 * can't do that; in family netdev for macvtap devices, where what the guest sends leaves the host's side of its
 * device. @PORT: how a rule names the guest's device. The mark holds the network meanwhile, so all that may pass leaves
 * by guard_pass. Each lookup costs, so what most frames are (of an owner) is asked first.
 */
#define GUARD_CHAINS(FAMILY, PORT) \
	{ FAMILY, "guard_pass", NULL, .rules = { "meta mark set 0 accept" }, .guard = true }, \
	{ FAMILY, "guard_dhcp4", NULL, .rules = { \
		"udp sport 67 drop", \
		"udp dport 68 drop", \
		"udp dport 67 update @meter_dhcp { " PORT " limit rate over 50/second burst 50 packets } drop", \
		"goto guard_pass", \
	}, .guard = true }, \
	{ FAMILY, "guard_dhcp6", NULL, .rules = { \
		"udp sport 547 drop", \
		"udp dport 546 drop", \
		"udp dport 547 update @meter_dhcp { " PORT " limit rate over 50/second burst 50 packets } drop", \
		"udp dport != 546 goto guard_pass",	/* as good as always, unless the header isn't there */ \
		"frag frag-off > 0 goto guard_pass", \
		"drop", \
	}, .guard = true }, \
	{ FAMILY, "guard_ip4", NULL, .rules = { \
		"meta mark . ip saddr . ether saddr != @owners4 meta mark . ip saddr @owned4 drop", \
		"meta l4proto udp goto guard_dhcp4", \
		"ip protocol igmp @th,0,8 0x11 drop", \
		"goto guard_pass", \
	}, .guard = true }, \
	{ FAMILY, "guard_probe4", NULL, .rules = { \
		"update @probed4 { meta mark . arp daddr ip } update @probes4 { meta mark . arp daddr ip . ether saddr }", \
		"goto guard_pass", \
	}, .guard = true }, \
	/* As guard_dad: RFC 5227's probes. */ \
	{ FAMILY, "guard_acd", NULL, .rules = { \
		"meta mark . arp daddr ip . ether saddr @owners4 goto guard_probe4", \
		"meta mark . arp daddr ip @owned4 meta mark . arp daddr ip @probed4 drop", \
		"meta mark . arp daddr ip @owned4 goto guard_pass", \
		"meta mark . arp daddr ip . ether saddr != @probes4 meta mark . arp daddr ip @probed4 drop", \
		"meta mark . arp daddr ip . ether saddr != @claims4 meta mark . arp daddr ip @claimed4 goto guard_pass", \
		"update @claimed4 { meta mark . arp daddr ip } update @claims4 { meta mark . arp daddr ip . ether saddr }", \
		"goto guard_probe4", \
	}, .guard = true }, \
	{ FAMILY, "guard_arp", NULL, .rules = { \
		"update @meter_arp { " PORT " limit rate over 200/second burst 200 packets } drop", \
		"arp htype != 1 drop", \
		"arp ptype != 0x0800 drop", \
		PORT " . arp saddr ether != @macs " PORT " . arp saddr ether != @learnt_macs drop", \
		"arp saddr ip 0.0.0.0 goto guard_acd", \
		"meta mark . arp saddr ip . ether saddr @owners4 goto guard_pass", \
		"meta mark . arp saddr ip @owned4 drop", \
		"meta mark . arp saddr ip . ether saddr != @claims4 meta mark . arp saddr ip @claimed4 drop", \
		"update @claimed4 { meta mark . arp saddr ip } update @claims4 { meta mark . arp saddr ip . ether saddr }", \
		"goto guard_pass", \
	}, .guard = true }, \
	{ FAMILY, "guard_probe", NULL, .rules = { \
		"update @probed6 { meta mark . @th,64,128 } update @probes6 { meta mark . @th,64,128 . ether saddr }", \
		"goto guard_pass", \
	}, .guard = true }, \
	/* A probe for duplicates: who has the address must hear it, but not one that probes for it itself just now. */ \
	{ FAMILY, "guard_dad", NULL, .rules = { \
		"meta mark . @th,64,128 . ether saddr @owners6 goto guard_probe", \
		"meta mark . @th,64,128 @owned6 meta mark . @th,64,128 @probed6 drop", \
		"meta mark . @th,64,128 @owned6 goto guard_pass", \
		"meta mark . @th,64,128 . ether saddr != @probes6 meta mark . @th,64,128 @probed6 drop", \
		"meta mark . @th,64,128 . ether saddr != @claims6 meta mark . @th,64,128 @claimed6 goto guard_pass", \
		"update @claimed6 { meta mark . @th,64,128 } update @claims6 { meta mark . @th,64,128 . ether saddr }", \
		"goto guard_probe", \
	}, .guard = true }, \
	{ FAMILY, "guard_nd", NULL, .rules = { \
		"exthdr frag exists drop", \
		"update @meter_nd { " PORT " limit rate over 200/second burst 200 packets } drop", \
		"icmpv6 type nd-router-solicit goto guard_pass", \
		"icmpv6 type nd-neighbor-solicit ip6 saddr != :: goto guard_pass", \
		"icmpv6 type nd-neighbor-solicit goto guard_dad", \
		"meta mark . @th,64,128 . ether saddr @owners6 goto guard_pass", \
		"meta mark . @th,64,128 @owned6 drop", \
		"meta mark . @th,64,128 . ether saddr != @claims6 meta mark . @th,64,128 @claimed6 drop", \
		"update @claimed6 { meta mark . @th,64,128 } update @claims6 { meta mark . @th,64,128 . ether saddr }", \
		"goto guard_pass", \
	}, .guard = true }, \
	{ FAMILY, "guard_icmp6", NULL, .rules = { \
		"icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } drop", \
		"icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } goto guard_nd", \
		"icmpv6 type { 131, 132, 143 } update @meter_mld { " PORT " limit rate over 100/second burst 100 packets } drop", \
		"icmpv6 type != 255 goto guard_pass", \
		"frag frag-off > 0 goto guard_pass", \
		"drop", \
	}, .guard = true }, \
	{ FAMILY, "guard_ip6", NULL, .rules = { \
		"meta mark . @nh,64,128 . ether saddr != @owners6 meta mark . @nh,64,128 @owned6 drop", \
		"meta l4proto ipv6-icmp goto guard_icmp6", \
		"meta l4proto udp goto guard_dhcp6", \
		"meta l4proto != 255 goto guard_pass",	/* an upper layer that is hidden has no number at all */ \
		"drop", \
	}, .guard = true }, \
	{ FAMILY, "guard_type", NULL, .rules = { \
		"ether type vmap { ip : goto guard_ip4, ip6 : goto guard_ip6, arp : goto guard_arp }", \
		"drop", \
	}, .guard = true }

const struct schema_chain schema_chains[] = {
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
		"oifname @nets " REFUSE,
		"accept",
	} },
	{ NFPROTO_INET, "from_nat_out", NULL, .rules = { "accept" } },
	{ NFPROTO_INET, "from_nat_by_uplink", NULL, .rules = {
		"oifname @nets " REFUSE,
		ANSWERS,
		"iifname . oifname @uplinks accept",
		REFUSE,
	} },
	{ NFPROTO_INET, "from_isolated", NULL, .rules = { REFUSE } },
	/* elsewhere → guest */
	{ NFPROTO_INET, "to_nat", NULL, .rules = { ANSWERS, "ct status dnat accept", "drop" } },
	{ NFPROTO_INET, "to_isolated", NULL, .rules = { "drop" } },
	{ NFPROTO_INET, "forwards_dns", NULL, .rules = {
		"iifname . ip daddr @dns4 accept",
		"iifname . ip6 daddr @dns6 accept",
	} },
	{ NFPROTO_INET, "forwards_narrowed", NULL, .rules = {
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
	} },
	{ NFPROTO_INET, "forwards", NULL, .rules = {
		"th dport 53 jump forwards_dns",
		"meta l4proto . th dport @narrowed jump forwards_narrowed",
		"fib daddr type != local return",
		"ip6 daddr fe80::/10 return",
		"dnat ip to meta l4proto . th dport map @dnat4",
		"dnat ip6 to meta l4proto . th dport map @dnat6",
	} },
	{ NFPROTO_INET, "input", "type filter hook input priority filter; policy accept;", .rules = {
		"iifname vmap @input_from",
	} },
	{ NFPROTO_INET, "output", "type filter hook output priority filter; policy accept;", .rules = {
		"oifname vmap @output_to",
	} },
	/* networks of ours are bridges: what an interface is costs less to ask than its name costs to look up */
	{ NFPROTO_INET, "forward_in", NULL, .rules = { "oifname vmap @forward_to" } },
	{ NFPROTO_INET, "forward_bridges", NULL, .rules = {
		"meta iifkind != \"bridge\" goto forward_in",
		SAME,
		"iifname vmap @forward_from",
		"goto forward_in",
	} },
	{ NFPROTO_INET, "forward", "type filter hook forward priority filter; policy accept;", .rules = {
		"meta oifkind \"bridge\" goto forward_bridges",
		"iifname vmap @forward_out",
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
		"iifname . ip saddr @plain4 return",
		"iifname . ip6 saddr @plain6 return",
		"meta nfproto ipv4 iifname vmap @snat4",
		"meta nfproto ipv6 iifname vmap @snat6",
	} },
	/* bridge: guards where there is no eBPF */
	GUARD_CHAINS(NFPROTO_BRIDGE, "iifname"),
	{ NFPROTO_BRIDGE, "guard_learnt", NULL, .rules = { "meta mark set iifname map @nets_of goto guard_type", "drop" }, .guard = true },
	{ NFPROTO_BRIDGE, "guard", NULL, .rules = {
		"iifname @known drop",
		"iifname @learnt drop",
		"ether saddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop",
		"add @learnt { iifname } add @learnt_macs { iifname . ether saddr } goto guard_learnt",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "prerouting", "type filter hook prerouting priority -300; policy accept;", .rules = {
		"meta mark set iifname . ether saddr map @marks goto guard_type",
		"iifname . ether saddr @learnt_macs goto guard_learnt",
		"iifname vmap @guarded",
	}, .guard = true },
	{ NFPROTO_BRIDGE, "reflection", NULL, .rules = {
		"ether saddr . ether daddr @selves accept",
		"drop",
	} },
	{ NFPROTO_BRIDGE, "forward", "type filter hook forward priority filter; policy accept;", .rules = {
		"iifname . oifname @reflecting goto reflection",
	} },
	/* netdev: what guests send by macvtap devices; what the LAN and guests say to the host's own macvlan */
	GUARD_CHAINS(NFPROTO_NETDEV, "oifname"),
	{ NFPROTO_NETDEV, "guard", NULL, .rules = {
		"meta mark 0x73697874 accept",	/* GUARD_MARK_INWARD: the engine's word to the guest */
		"meta mark set oifname . ether saddr map @marks goto guard_type",
		"drop",
	}, .guard = true },
	{ NFPROTO_NETDEV, "host", NULL, .rules = {
		"iifname . ether saddr @guests accept",
		"drop",
	} },
};

const size_t schema_n_chains = ARRAY_LEN(schema_chains);

const struct schema_set *schema_set_find(uint8_t family, const char *name)
{
	for (size_t i = 0; i < schema_n_sets; i++)
		if (schema_sets[i].family == family && str_eq(schema_sets[i].name, name))
			return &schema_sets[i];
	return NULL;
}
