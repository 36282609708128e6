/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot - one read of everything that matters to a diagnosis
 *
 * Theory of operation: snapshot_read() asks the kernel and the programs around
 * it once, and everything it learns is in one struct snapshot: plain arrays in
 * one arena, sorted by the keys that are named beside them. Rules, path
 * reasoning and predictions are pure functions of the struct. What could not be
 * read is in unread[], with the reason; a part that isn't there was read.
 *
 * The same struct goes to a file as JSON and comes back unchanged:
 * snap_fields.c has one table a struct, and a new member needs one line there.
 * Zero, false, NULL and empty arrays aren't written. Nothing in here depends on
 * the host it was read on, so a rule may not look anywhere else.
 *
 * Numbers that the kernel names (flags, states, types, protocols) are the
 * kernel's own (linux/if.h, linux/rtnetlink.h, linux/neighbour.h, …). Strings are
 * never NULL where a struct is used (a missing one is ""), and never hold
 * control characters but newline and tab.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/report.h"
#include "net/addr.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_FILE_MAX (32U << 20)	/* bytes */

/* A part that could not be read. */
struct snap_unread {
	const char *part;	/* "nftables", "sysfs", "libvirt", "qmp", …: SNAP_PART_* */
	const char *subject;	/* "" or what of it: a guest's name, a path */
	const char *why;	/* for a person */
};

#define SNAP_PART_NFTABLES "nftables"
#define SNAP_PART_LEGACY "iptables-legacy"
#define SNAP_PART_MDB "mdb"
#define SNAP_PART_SYSFS "sysfs"			/* /dev/tapN, addr_assign_type, wireless */
#define SNAP_PART_PROC "proc"			/* subject: the file */
#define SNAP_PART_SYSCTL "sysctl"		/* subject: the path */
#define SNAP_PART_SYSCTL_D "sysctl.d"		/* subject: the file */
#define SNAP_PART_MANAGERS "managers"		/* subject: the program */
#define SNAP_PART_PROCESSES "processes"		/* QEMU's: subject: pid */
#define SNAP_PART_QMP "qmp"			/* subject: the guest */
#define SNAP_PART_LIBVIRT "libvirt"
#define SNAP_PART_XEN "xen"
#define SNAP_PART_DAEMON "sixtapd"		/* running guests, leases */
#define SNAP_PART_CONFIG "config"

/* ------------------------------------------------------------------ interfaces */

/*
 * Settings of net/ipv4/conf and net/ipv6/conf: F(name of the sysctl, index in IFLA_INET_CONF or IFLA_INET6_CONF).
 * Values and units are those of the sysctl.
 */
#define SNAP_CONF4(F)                                                                                          \
	F(forwarding, 0) F(mc_forwarding, 1) F(proxy_arp, 2) F(accept_redirects, 3) F(send_redirects, 5)        \
	F(rp_filter, 7) F(log_martians, 10) F(arp_filter, 12) F(arp_announce, 17) F(arp_ignore, 18)             \
	F(arp_accept, 20) F(accept_local, 22) F(src_valid_mark, 23) F(proxy_arp_pvlan, 24) F(route_localnet, 25)    \
	F(ignore_routes_with_linkdown, 28) F(drop_unicast_in_l2_multicast, 29) F(drop_gratuitous_arp, 30)

#define SNAP_CONF6(F)                                                                                          \
	F(forwarding, 0) F(hop_limit, 1) F(mtu, 2) F(accept_ra, 3) F(accept_redirects, 4) F(autoconf, 5)        \
	F(dad_transmits, 6) F(router_solicitations, 7) F(router_solicitation_interval, 8)                       \
	F(router_solicitation_delay, 9) F(use_tempaddr, 10) F(temp_valid_lft, 11) F(temp_prefered_lft, 12)       \
	F(max_addresses, 15) F(force_mld_version, 16) F(accept_ra_defrtr, 17) F(accept_ra_pinfo, 18)             \
	F(accept_ra_rtr_pref, 19) F(accept_ra_rt_info_max_plen, 21) F(proxy_ndp, 22) F(optimistic_dad, 23)       \
	F(mc_forwarding, 25) F(disable_ipv6, 26) F(accept_dad, 27) F(ndisc_notify, 29)                          \
	F(suppress_frag_ndisc, 32) F(accept_ra_from_local, 33) F(use_optimistic, 34) F(accept_ra_mtu, 35)        \
	F(accept_ra_min_hop_limit, 38) F(ignore_routes_with_linkdown, 39) F(drop_unicast_in_l2_multicast, 40)    \
	F(drop_unsolicited_na, 41) F(keep_addr_on_down, 42) F(router_solicitation_max_interval, 43)              \
	F(enhanced_dad, 46) F(addr_gen_mode, 47) F(accept_ra_rt_info_min_plen, 49) F(ra_defrtr_metric, 52)       \
	F(accept_untracked_na, 57) F(accept_ra_min_lft, 58) F(force_forwarding, 59)

#define SNAP_CONF_MEMBER(name, index) int32_t name;
struct snap_conf4 {
	bool present;		/* false: the interface has no IPv4 at all */
	SNAP_CONF4(SNAP_CONF_MEMBER)
};

struct snap_conf6 {
	bool present;		/* false: no IPv6 at all (MTU below 1280, ipv6.disable=1) */
	SNAP_CONF6(SNAP_CONF_MEMBER)
};

struct snap_stats {		/* since the interface was made */
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
	uint64_t multicast, rx_nohandler;
};

struct snap_bridge {		/* kind "bridge" */
	bool stp;		/* by the kernel or by a program */
	bool vlan_filtering, mcast_snooping, mcast_querier;
	bool nf_call_iptables, nf_call_ip6tables, nf_call_arptables;	/* of this bridge; the global ones are sysctls */
	uint32_t forward_delay;	/* 1/100 s */
	uint32_t ageing_time;	/* 1/100 s */
	uint16_t default_pvid;
	uint8_t mcast_router;	/* MDB_RTR_TYPE_* */
	uint16_t group_fwd_mask;
	struct ip querier4, querier6;		/* who asks for groups now, this bridge included; family 0: nobody */
	uint32_t querier4_port, querier6_port;	/* interface index; 0: the bridge itself */
	uint64_t querier4_other_ms, querier6_other_ms;	/* how long another querier still counts; 0: there is none */
};

struct snap_port {		/* master is a bridge */
	uint8_t state;		/* BR_STATE_*: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking */
	bool hairpin, guard, fast_leave, learning, flood, mcast_flood, bcast_flood, neigh_suppress, isolated, locked;
	bool proxyarp, proxyarp_wifi, vlan_tunnel, mcast_to_unicast;
	uint8_t mcast_router;	/* MDB_RTR_TYPE_*: 0 off, 1 by queries seen, 2 always, 3 temporary */
};

struct snap_macvlan {		/* kinds "macvtap" and "macvlan" */
	uint32_t mode;		/* MACVLAN_MODE_*: 1 private, 2 vepa, 4 bridge, 8 passthru, 16 source */
	uint16_t flags;		/* 1: MACVLAN_FLAG_NOPROMISC */
	uint32_t bc_queue_len, bc_queue_len_used;
	struct mac *sources;	/* mode source */
	size_t n_sources;
};

struct snap_tun {		/* kind "tun" */
	bool tap;		/* else tun: no Ethernet */
	bool persist, vnet_hdr, multi_queue;
	int64_t owner, group;	/* -1: none */
	uint32_t queues;	/* of multi_queue: how many somebody holds; else the carrier tells */
};

struct snap_link {		/* sorted by ifindex */
	uint32_t ifindex;
	const char *name;
	const char *kind;	/* "bridge", "tun", "veth", "macvtap", "vlan", …; "": hardware or loopback */
	const char *slave_kind;	/* what the master makes of it: "bridge", "bond", "vrf", … */
	const char *alias;	/* "sixtap:NETWORK[/GUEST]" is ours */
	const char *altnames;	/* separated by spaces */
	uint16_t type;		/* ARPHRD_* */
	struct mac mac;		/* zero: none, or not of 6 bytes */
	struct mac perm_mac;
	uint8_t mac_assign;	/* addr_assign_type: 0 permanent, 1 random, 2 stolen (of a port, say), 3 set; see unread "sysfs" */
	uint32_t mtu, min_mtu, max_mtu;
	uint32_t flags;		/* IFF_UP, IFF_RUNNING, IFF_LOWER_UP, IFF_PROMISC, IFF_ALLMULTI, … */
	uint8_t operstate;	/* IF_OPER_* */
	bool carrier;
	uint32_t carrier_changes;
	uint32_t promiscuity, allmulti;	/* how many want it, the kernel's own wishes included */
	uint32_t master;	/* ifindex, or 0 */
	uint32_t lower;		/* a macvtap's or vlan's device; a veth's peer; 0: none, or in another namespace */
	bool lower_elsewhere;	/* it is in another network namespace */
	uint32_t group;
	uint16_t vlan_id;	/* kind "vlan" */
	bool wireless, four_address;
	struct snap_stats stats;
	struct snap_bridge bridge;
	struct snap_port port;
	struct snap_macvlan macvlan;
	struct snap_tun tun;
	struct snap_conf4 conf4;
	struct snap_conf6 conf6;
	uint32_t inet6_flags;	/* SNAP_IF_* */
	struct ip token;	/* `ip token`; family 0: none */
	uint32_t ra_mtu;	/* the last RA's; 0: none */
	uint32_t xdp_prog;	/* id; 0: none */
};

/* include/net/if_inet6.h */
#define SNAP_IF_RS_SENT 0x10
#define SNAP_IF_RA_RCVD 0x20
#define SNAP_IF_RA_MANAGED 0x40
#define SNAP_IF_RA_OTHERCONF 0x80
#define SNAP_IF_READY 0x80000000U

/* -------------------------------------------------- addresses, routes, neighbours */

struct snap_addr {		/* sorted by ifindex, then address */
	uint32_t ifindex;
	struct prefix prefix;	/* ours; host bits as they are */
	struct ip peer;		/* point-to-point; family 0: none */
	uint32_t flags;		/* IFA_F_* */
	uint32_t valid_s, preferred_s;	/* UINT32_MAX: forever */
	uint32_t age_ms;	/* since it was made */
	uint8_t scope;		/* RT_SCOPE_* */
	uint8_t proto;		/* IFAPROT_*; 0 before 5.18 */
	const char *label;	/* IPv4 */
};

struct snap_route {		/* sorted by family, table, longest prefix first, address, metric, nexthop */
	struct prefix dst;	/* len 0: default; its family is always set */
	struct prefix src;	/* IPv6 only ("from"); family 0: none */
	uint32_t table;		/* 254 main, 255 local, … */
	uint32_t metric;
	uint8_t protocol, type, scope;	/* RTPROT_*, RTN_*, RT_SCOPE_* */
	uint8_t preference;	/* RFC 4191: 0 medium, 1 high, 3 low */
	uint32_t flags;		/* RTM_F_*, RTNH_F_* (dead, linkdown, onlink) */
	struct ip gateway;	/* family 0: on-link; IPv4 routes may have one of IPv6 */
	struct ip source;	/* preferred source; family 0: none */
	uint32_t oif;
	uint32_t expires_s;	/* 0: never */
	uint32_t mtu;		/* metric `mtu`; 0: none */
	uint32_t nh_id;		/* nexthop object; 0: none */
	uint16_t nexthop, n_nexthops;	/* one entry for each; 0 of 1 for most */
	uint16_t weight;
};

struct snap_rule {		/* in the order they are applied, IPv4 first */
	uint8_t family;
	uint32_t priority;
	uint8_t action;		/* FR_ACT_*: 1 to table, 2 goto, 3 nop, 6 blackhole, 7 unreachable, 8 prohibit */
	bool invert;
	uint32_t table, target;	/* target: priority of goto */
	struct prefix src, dst;	/* family 0: any */
	const char *iif, *oif;
	uint32_t mark, mask;
	uint8_t tos, ip_proto, protocol;
	bool l3mdev;
	int64_t suppress_prefixlen;	/* -1: doesn't */
	uint16_t sport_first, sport_last, dport_first, dport_last;	/* 0, 0: any */
	bool has_uid;
	uint32_t uid_first, uid_last;
};

struct snap_neigh {		/* sorted by ifindex, then address */
	uint32_t ifindex;
	struct ip ip;
	struct mac mac;		/* zero: none */
	uint16_t state;		/* NUD_* */
	uint8_t flags;		/* NTF_* */
	uint8_t protocol;
};

struct snap_proxy {		/* proxy entries, sorted by ifindex, then address */
	uint32_t ifindex;
	struct ip ip;
	uint8_t protocol;
};

struct snap_neigh_table {	/* sorted by family, then ifindex; ifindex 0: the defaults and the table's limits */
	uint8_t family;
	uint32_t ifindex;
	uint32_t entries, gc_thresh1, gc_thresh2, gc_thresh3;	/* of the whole table, only at ifindex 0 */
	uint64_t table_fulls;					/* the same */
	uint64_t proxy_delay_ms, anycast_delay_ms, retrans_ms, base_reachable_ms, delay_probe_ms;
	uint32_t proxy_qlen, ucast_probes, mcast_probes, app_probes;
};

/* --------------------------------------------------------------- layer 2, groups */

struct snap_fdb {		/* sorted by bridge, MAC, VLAN, port */
	uint32_t port;		/* ifindex; of the bridge's own entries: the bridge */
	uint32_t bridge;	/* 0: the device's own filter (NTF_SELF), of a macvlan's lower or a NIC */
	struct mac mac;
	uint16_t vlan;
	uint16_t state;		/* NUD_*: 0x80 permanent (the port's own), 0x40 static */
	uint8_t flags;		/* NTF_* */
	bool locked;
};

struct snap_mdb {		/* sorted by bridge, group, VLAN, port */
	uint32_t bridge, port;	/* port == bridge: the host itself joined */
	struct ip group;	/* family 0: mac is the group */
	struct mac mac;
	uint16_t vlan;
	bool permanent;
	uint8_t flags;		/* MDB_FLAGS_* */
	uint32_t timer;		/* 1/100 s */
};

struct snap_mdb_router {	/* ports behind which multicast routers are; sorted by bridge, port */
	uint32_t bridge, port;
	uint8_t type;		/* MDB_RTR_TYPE_* */
	uint32_t timer4, timer6;	/* 1/100 s */
};

struct snap_vlan {		/* sorted by ifindex, vid; also the bridge's own */
	uint32_t ifindex;
	uint16_t vid, vid_end;
	uint16_t flags;		/* BRIDGE_VLAN_INFO_*: 2 pvid, 4 untagged */
};

struct snap_mcast {		/* multicast MACs that an interface lets in, sorted by ifindex, MAC */
	uint32_t ifindex;
	struct mac mac;
	uint32_t users;
	bool global;		/* by hand: `ip maddr add` */
};

struct snap_group {		/* groups the host joined, and anycast addresses; sorted by ifindex, address */
	uint32_t ifindex;
	struct ip ip;
	uint32_t users;
};

/* -------------------------------------------------------------------- settings */

struct snap_sysctl {		/* sorted by path; without net/ipv{4,6}/conf/IFACE and neigh/IFACE, which are in links and tables */
	const char *path;	/* below /proc/sys/, "net/ipv4/ip_forward" */
	const char *value;	/* without the newline; tabs as they are */
};

struct snap_counter {		/* sorted by ifindex, name; ifindex 0: of the namespace */
	uint32_t ifindex;
	const char *name;	/* as in /proc/net/snmp6, "Ip6FragFails"; of snmp and netstat "TcpExtIPReversePathFilter" */
	uint64_t value;
};

/* A line of sysctl.d, sysctl.conf or ufw's sysctl.conf, in the order the boot applies them. */
struct snap_sysctl_line {
	const char *path;	/* "net/ipv6/conf/all/forwarding"; may hold the pattern of systemd-sysctl, "net/ipv6/conf/eth?/accept_ra" */
	const char *value;
	const char *file;
	uint32_t line;
	bool excluded;		/* "-net.ipv4.conf.all.rp_filter" without a value: takes the path out of patterns */
	const char *by;		/* "systemd-sysctl", "ufw", "procps"; "nobody": /etc/sysctl.conf where nothing reads it at boot */
};

/* Who looks after an interface; several may say so of one. */
struct snap_manager {		/* sorted by ifindex, manager */
	uint32_t ifindex;
	const char *manager;	/* "systemd-networkd", "NetworkManager", "dhcpcd", "ifupdown", "netplan", "cloud-init" */
	const char *state;	/* its own word: "configured", "unmanaged", "connected", … */
	const char *file;	/* where its settings are; "" not known */
	const char *source;	/* what wrote that file: "/etc/netplan/50-cloud-init.yaml"; "" not known */
	bool manages;		/* false: it knows the interface and leaves it alone */
	int8_t handles_ra;	/* 1: takes RAs in user space; 0: leaves them to the kernel; -1: not known */
	int8_t accepts_ra;	/* of those that handle them: 1 yes, 0 no, -1 not known */
	const char *ra_setting;	/* "IPv6AcceptRA=no"; "" none */
	uint32_t ra_line;	/* line of it in file, or 0 */
	int8_t dhcp4, dhcp6;	/* 1 client, 0 none, -1 not known */
};

/* Programs that matter: those that look after firewalls, interfaces, guests. Sorted by name. */
struct snap_program {
	const char *name;	/* "docker", "ufw", "firewalld", "libvirtd", "NetworkManager", "dhcpcd", "dnsmasq", … */
	bool running, enabled;	/* enabled: ufw's ENABLED=yes */
	uint32_t pid;
	uint64_t started;	/* Unix time, s; 0: not known */
	const char *evidence;	/* "pid 812", "chain ufw-user-forward" */
};

/* Small files that rules want to see, whole ("/etc/gai.conf"). Sorted by path. */
struct snap_text {
	const char *path;
	const char *text;
};

struct snap_listener {		/* a socket that listens on this host */
	uint8_t proto;		/* 6, 17 */
	struct ip ip;		/* unspecified: every address */
	bool v6only;
	uint16_t port;
	uint32_t ifindex;
	uint32_t pid;
	const char *comm;
};

/* /dev/tapN of a macvtap */
struct snap_tap_node {		/* sorted by ifindex */
	uint32_t ifindex;
	uint32_t major, minor;	/* as sysfs has them */
	bool present;		/* /dev/tapN is there */
	uint32_t node_major, node_minor;	/* and what it is */
	uint32_t mode, uid, gid;
};

/* -------------------------------------------------------------------- nftables */

struct snap_bytes {
	const uint8_t *p;	/* never NULL */
	uint32_t n;
};

/*
 * One expression as the kernel has it (net/netfilter/nft_*.c). Which members mean something depends on the name; the
 * rest is zero. Registers are numbered as the kernel tells them: 1-4 of 16 bytes, 8-23 of 4 bytes.
 */
struct snap_expr {
	const char *name;	/* "payload", "meta", "cmp", "bitwise", "lookup", "immediate", "ct", "nat", "xt:comment", … */
	uint32_t dreg, sreg;
	uint32_t sreg2;		/* nat, masq, redir: addr_max; bitwise: second source (6.12) */
	uint32_t sreg3, sreg4;	/* nat, masq, redir, tproxy: port_min, port_max */
	uint32_t key;		/* meta, ct, fib (result), rt, socket, tunnel: NFT_*_; nat: NFT_NAT_*; exthdr: type; dynset: op */
	uint32_t base, offset, len;	/* payload, exthdr (base: op) */
	uint32_t op;		/* cmp, range, bitwise: NFT_CMP_*, NFT_RANGE_*, NFT_BITWISE_*; byteorder; numgen, hash: type;
				   reject: code; dynset: SNAP_METER_* */
	uint32_t flags;		/* lookup, fib, nat, exthdr, reject's type, dynset, limit, quota */
	uint32_t modulus, seed, add;	/* numgen, hash */
	uint8_t family;		/* nat, redir, tproxy */
	struct snap_bytes data, data2;	/* cmp; immediate; range: from, to; bitwise: mask, xor (or shift); xt: its blob */
	const char *set;	/* lookup, dynset, objref */
	bool has_verdict;
	int32_t verdict;	/* immediate: NF_ACCEPT, NF_DROP, NFT_JUMP, … */
	const char *chain;	/* of jump and goto */
};

/* A meter: what a dynset asks of the element it finds or adds. */
#define SNAP_METER_NONE 0
#define SNAP_METER_OVER 1	/* matches what is over a limit */
#define SNAP_METER_OTHER 2
#define SNAP_METER_WITHIN 3	/* matches what is within a limit */

struct snap_nft_rule {
	uint64_t handle;
	uint64_t packets, bytes;	/* of its first counter */
	bool has_counter;
	const char *comment;
	const char *text;	/* as nft writes it; "" not known */
	struct snap_expr *exprs;
	size_t n_exprs;
};

struct snap_chain {
	const char *name;
	uint64_t handle;
	bool base;
	uint32_t hook;		/* NF_INET_*, NF_BR_*, NF_NETDEV_* by the table's family */
	int32_t priority;
	const char *type;	/* "filter", "nat", "route" */
	uint32_t policy;	/* NF_ACCEPT, NF_DROP */
	const char *devices;	/* netdev, inet ingress: names separated by spaces */
	struct snap_nft_rule *rules;	/* in order */
	size_t n_rules;
};

struct snap_elem {
	struct snap_bytes key, key_end;	/* key_end, inclusive, of intervals; concatenations: fields padded to 4 bytes */
	struct snap_bytes data;		/* map */
	bool has_verdict;
	int32_t verdict;
	const char *chain;
	bool catchall;			/* "*" */
};

struct snap_set {
	const char *name;
	uint32_t flags;		/* NFT_SET_*: 1 anonymous, 2 constant, 4 interval, 8 map, 0x10 timeout, 0x20 eval, 0x80 concat */
	uint32_t key_type, key_len, data_type, data_len;
	uint8_t fields[16];	/* lengths of the fields of a concatenation, bytes; 0: none */
	uint8_t n_fields;
	bool complete;		/* false: its elements could not all be read */
	struct snap_elem *elems;	/* sorted by key */
	size_t n_elems;
};

struct snap_table {		/* sorted by family, name */
	uint8_t family;		/* NFPROTO_*: 1 inet, 2 ipv4, 3 arp, 5 netdev, 7 bridge, 10 ipv6 */
	const char *name;
	uint32_t flags;		/* 1: dormant */
	const char *owner;	/* "sixtap", "docker", "libvirt", "ufw", "firewalld", "iptables", or "": by what is in it */
	struct snap_chain *chains;	/* sorted by name */
	size_t n_chains;
	struct snap_set *sets;		/* sorted by name */
	size_t n_sets;
};

/* A table of iptables-legacy. */
struct snap_legacy {
	uint8_t family;
	const char *name;	/* "filter", "nat", "mangle", "raw", "security" */
	uint32_t entries;	/* the kernel's: policies and chain heads count; 0: not known */
	int8_t empty;		/* 1: nothing but policies that accept; 0: it decides something; -1: not known */
	struct snap_bytes info, block;	/* struct ipt_getinfo and the entries as the kernel has them, unless it is empty */
};

/* ------------------------------------------------------------ guests and networks */

/* A guest that runs or is declared. */
struct snap_guest {		/* sorted by name */
	const char *name;	/* as a user names it: "lan/web", "libvirt:ha", "xen:domu6", "qemu:PID" */
	const char *by;		/* "sixtap", "libvirt", "xen", "qemu" */
	const char *network;	/* ours; "" */
	const char *guest;	/* name within the network or hypervisor */
	const char *uuid;	/* libvirt */
	bool running, declared;
	uint32_t pid;		/* of QEMU; 0: not known */
	const char *qmp;	/* path of a QMP socket; "" none known */
};

/* One NIC of a guest. */
struct snap_nic {		/* sorted by guest, then device, then MAC */
	const char *guest;	/* snap_guest.name */
	const char *kind;	/* "tap", "macvtap", "bridge", "network", "user", "vhost-user", "hostdev", "xen", … */
	const char *device;	/* interface on this host; "" none or not known */
	uint32_t ifindex;	/* 0: not here (another namespace) or not known */
	struct mac mac;		/* what the guest was given; zero: not known */
	const char *model;	/* "virtio-net-pci", … */
	const char *source;	/* bridge, libvirt network or lower device that it was asked to be on */
	const char *mode;	/* macvtap: "bridge", "private", … as configured */
	bool live;		/* of the running guest; else only in the stored definition */
	int8_t trust_rx;	/* trustGuestRxFilters: 1 yes, 0 no, -1 not known */
	bool rx_known;		/* QMP query-rx-filter was answered; what follows is from there */
	bool rx_promiscuous;
	const char *rx_multicast;	/* "normal", "none", "all" */
	bool rx_overflow;	/* more groups than the device lists: it behaves as "all" */
	struct mac rx_main;	/* the MAC that the guest uses now */
	struct mac *rx_groups;
	size_t n_rx_groups;
};

/* An address that a guest is known by. */
struct snap_guest_addr {	/* sorted by guest, then address */
	const char *guest;
	struct ip ip;
	struct mac mac;
	const char *source;	/* "declared", "lease", "slaac", "seen", "neighbour" */
	uint32_t ifindex;	/* where it was seen: a guest-facing interface; 0: nowhere */
};

/* A network of ours: configured, running, or both. */
struct snap_network {		/* sorted by name */
	const char *name;
	const char *mode;	/* "nat", "routed", "isolated", "bridge", "macvtap", "hostdev" */
	const char *state;	/* "up", "down", "degraded"; "": the daemon wasn't asked */
	const char *because;	/* of degraded: lines; NULL: it doesn't say */
	bool declared;		/* in the configuration that was read */
	bool adopted;		/* made by others: "libvirt:default" */
	const char *adopts;
	const char *device;	/* bridge, or macvtap's host-access device; "" not known */
	uint32_t ifindex;	/* of device, 0: isn't there */
	const char *uplink;	/* resolved when running */
	uint32_t uplink_ifindex;
	struct prefix ipv4, ipv6;	/* gateway's address; family 0: none */
	const char *ipv6_source;	/* "static", "ula", "delegated", "on-link", "auto", "" */
	bool nat4, nat6;
	bool dhcp4, dhcp6, ra, dns;	/* we serve it */
	const char *host_access;	/* "yes", "services", "no" */
	const char *multicast;		/* macvtap: "auto", "all", "off" */
	const char *firewall;		/* "auto", "off" */
};

struct snap_forward {		/* sorted by network, guest, spec */
	const char *network, *guest;
	const char *spec;
	const char *state;	/* "active", "waiting", "" not known */
	struct ip host;		/* family 0: any address of the host */
	uint8_t proto;		/* 6, 17 */
	uint16_t host_first, host_last, guest_first, guest_last;
};

struct snap_lease {		/* sorted by network, then address */
	const char *network, *guest;
	struct mac mac;
	struct ip ip;
	uint64_t expires;	/* Unix time, s */
};

/* A network of libvirt's. */
struct snap_libvirt_net {	/* sorted by name */
	const char *name;
	const char *bridge;
	const char *mode;	/* forward mode; "" isolated */
	bool active, persistent, autostart;
	const char *live_xml, *stored_xml;	/* "" when it has none; stored: what the next start makes */
};

/* A hook file of libvirt's or Xen's. */
struct snap_hook {
	const char *name;	/* "libvirt-qemu", "libvirt-network", "xen-vif" */
	const char *path;
	bool present, ours;
	uint64_t changed;	/* Unix time, s */
};

/* A change that `sixtap plan` would make now to networks that are up: something of ours is gone. */
struct snap_change {
	const char *object, *action, *what, *why;
};

/*
 * What `--probe` has measured; nothing of this is there without. @kind: "rs", "dhcp4", "dhcp6" (asked as a guest on
 * @ifindex, a bridge, or on an uplink), "ns", "ns-unicast", "dad", "echo" (asked about @target, which is behind @ifindex),
 * "drops" (of a lower device, a second).
 */
struct snap_probe {		/* sorted by kind, ifindex, target */
	const char *kind;
	uint32_t ifindex;
	struct ip target;	/* family 0: none */
	const char *why;	/* "": asked; else why it could not be */
	uint32_t value;		/* echo: its size in bytes; drops: frames a second */
	bool small_came;	/* echo: one of 64 bytes was answered */
	uint32_t too_big;	/* echo: the MTU that a router named, or 0 */
	struct snap_answer *answers;
	size_t n_answers;
	struct mac *groups;	/* groups: what the guest reports */
	size_t n_groups;
};

struct snap_answer {		/* by different senders, in the order they came */
	struct ip from;		/* DHCP: the server's own word */
	struct mac mac;
	uint32_t after_us;
	uint32_t lifetime;	/* rs: s */
	bool managed;		/* rs: addresses come by DHCPv6 */
};

struct snapshot {
	struct arena *arena;

	/* of the reading */
	uint32_t version;	/* SNAPSHOT_VERSION */
	const char *program;	/* "sixtap 1.4.0" */
	uint64_t taken;		/* Unix time, s */
	uint64_t took_us;
	const char *host, *kernel;	/* uname */
	bool root;		/* had CAP_NET_ADMIN */
	bool initial_netns;	/* or the one of a container's own systemd: files in /etc and /run are about it */
	bool conntrack;		/* nf_conntrack is there */
	bool br_netfilter;	/* the module is there: net/bridge/ exists */
	struct snap_unread *unread;		size_t n_unread;

	struct snap_link *links;		size_t n_links;
	struct snap_conf4 conf4_all, conf4_default;
	struct snap_conf6 conf6_all, conf6_default;
	struct snap_addr *addrs;		size_t n_addrs;
	struct snap_route *routes;		size_t n_routes;
	struct snap_rule *rules;		size_t n_rules;
	struct snap_neigh *neighs;		size_t n_neighs;
	struct snap_proxy *proxies;		size_t n_proxies;
	struct snap_neigh_table *neigh_tables;	size_t n_neigh_tables;
	struct snap_fdb *fdb;			size_t n_fdb;
	struct snap_mdb *mdb;			size_t n_mdb;
	struct snap_mdb_router *mdb_routers;	size_t n_mdb_routers;
	struct snap_vlan *vlans;		size_t n_vlans;
	struct snap_mcast *mcasts;		size_t n_mcasts;
	struct snap_group *groups;		size_t n_groups;
	struct snap_group *anycasts;		size_t n_anycasts;
	struct snap_sysctl *sysctls;		size_t n_sysctls;
	struct snap_counter *counters;		size_t n_counters;
	struct snap_sysctl_line *sysctl_lines;	size_t n_sysctl_lines;
	struct snap_manager *managers;		size_t n_managers;
	struct snap_program *programs;		size_t n_programs;
	struct snap_text *texts;		size_t n_texts;
	struct snap_listener *listeners;	size_t n_listeners;
	struct snap_tap_node *tap_nodes;	size_t n_tap_nodes;
	struct snap_table *tables;		size_t n_tables;
	struct snap_legacy *legacy;		size_t n_legacy;
	struct snap_guest *guests;		size_t n_guests;
	struct snap_nic *nics;			size_t n_nics;
	struct snap_guest_addr *guest_addrs;	size_t n_guest_addrs;
	struct snap_network *networks;		size_t n_networks;
	struct snap_forward *forwards;		size_t n_forwards;
	struct snap_lease *leases;		size_t n_leases;
	struct snap_libvirt_net *libvirt_nets;	size_t n_libvirt_nets;
	struct snap_hook *hooks;		size_t n_hooks;
	struct snap_change *changes;		size_t n_changes;
	struct snap_probe *probes;		size_t n_probes;
};

struct snapshot *snapshot_new(void);
struct snapshot *snapshot_free(struct snapshot *s);
DEFINE_FREEP(struct snapshot, snapshot_free)

/* Sort everything by its keys and replace missing strings by ""; readers, snapshot_load() and tests call it once. */
void snapshot_finish(struct snapshot *s);

/* Where something of a part could not be read; printf format. */
void snapshot_add_unread(struct snapshot *s, const char *part, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* --------------------------------------------------------------------- reading */

struct desired;

struct snapshot_conf {
	const struct desired *desired;	/* the configuration, or NULL */
	const char *config_why;		/* why there is none, or NULL: there is nothing to configure */
	const json_t *status;		/* answers of the daemon in the contract's form, borrowed; NULL: not asked */
	const json_t *guests, *leases;
	const json_t *plan;
	const char *daemon_why;		/* why there is no answer; NULL: no daemon runs */
	bool no_guests;			/* leave out libvirt, QEMU's processes and QMP: for tools that look at one interface */
};

/**
 * snapshot_read() - Read everything
 * @ret:	set when 0 is returned; free with snapshot_free()
 * @conf:	what the caller knows
 * @report:	gets an error when it fails
 *
 * Reads the network namespace of the calling thread. What can't be read is listed in unread[]; only a kernel that
 * doesn't speak rtnetlink makes it fail.
 *
 * Return: 0, or a negative errno
 */
int snapshot_read(struct snapshot **ret, const struct snapshot_conf *conf, struct report *report);

/* -------------------------------------------------------------------- as JSON */

/**
 * snapshot_json() - The whole as one object
 *
 * Return: a new reference, never NULL
 */
json_t *snapshot_json(const struct snapshot *s);

/**
 * snapshot_from_json() - And back
 * @ret:	set when 0 is returned
 * @root:	any JSON
 * @name:	what to call it in @report (a file's name)
 * @report:	says what is wrong
 *
 * Return: 0, or -EBADMSG (not ours, newer, values that don't fit)
 */
int snapshot_from_json(struct snapshot **ret, const json_t *root, const char *name, struct report *report);

/* Write to @path (mode 0600, beside and renamed), "-": stdout. Return: 0, or a negative errno with a report. */
int snapshot_save(const struct snapshot *s, const char *path, struct report *report);

/* Return: 0, -EBADMSG, -EFBIG, or another negative errno; all with a report. "-": stdin. */
int snapshot_load(struct snapshot **ret, const char *path, struct report *report);

/* -------------------------------------------------------------------- looking up */

const struct snap_link *snap_link(const struct snapshot *s, uint32_t ifindex);
const struct snap_link *snap_link_by_name(const struct snapshot *s, const char *name);
const char *snap_link_name(const struct snapshot *s, uint32_t ifindex);	/* "if7" for what isn't there; never NULL */

/* All of an interface, in order. */
const struct snap_addr *snap_addrs(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_neigh *snap_neighs(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_proxy *snap_proxies(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_mcast *snap_mcasts(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_group *snap_groups(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_group *snap_anycasts(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_vlan *snap_vlans(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);
const struct snap_fdb *snap_fdb(const struct snapshot *s, uint32_t bridge, size_t *ret_n);
const struct snap_mdb *snap_mdb(const struct snapshot *s, uint32_t bridge, size_t *ret_n);
const struct snap_manager *snap_managers(const struct snapshot *s, uint32_t ifindex, size_t *ret_n);

/* The host's own address, or NULL. @ifindex 0: on any interface. */
const struct snap_addr *snap_addr(const struct snapshot *s, uint32_t ifindex, const struct ip *ip);
const struct snap_neigh *snap_neigh(const struct snapshot *s, uint32_t ifindex, const struct ip *ip);
const struct snap_proxy *snap_proxy(const struct snapshot *s, uint32_t ifindex, const struct ip *ip);
const struct snap_mcast *snap_mcast(const struct snapshot *s, uint32_t ifindex, const struct mac *mac);
const struct snap_neigh_table *snap_neigh_table(const struct snapshot *s, uint8_t family, uint32_t ifindex);
const struct snap_fdb *snap_fdb_find(const struct snapshot *s, uint32_t bridge, const struct mac *mac, uint16_t vlan);
/* Does anybody behind @port (or, with port == bridge, the host) want the group? */
#define SNAP_ROUTER_PORT 2	/* snap_port.mcast_router: MDB_RTR_TYPE_PERM */
/* Does a bridge port get all multicast, because a router was heard there or is said to be? */
bool snap_is_router_port(const struct snapshot *s, const struct snap_link *port);
bool snap_mdb_has(const struct snapshot *s, uint32_t bridge, uint32_t port, const struct ip *group);

/* The first entry of the longest prefix in one table with the least metric; NULL: none. Dead nexthops are passed over. */
const struct snap_route *snap_route_lookup(const struct snapshot *s, uint32_t table, const struct ip *dst);
/* All routes of one family and table, in order. */
const struct snap_route *snap_routes(const struct snapshot *s, uint8_t family, uint32_t table, size_t *ret_n);

/* "net/ipv4/ip_forward"; also net/ipv{4,6}/conf/IFACE|all|default/… where a link has it. NULL: doesn't exist or wasn't read. */
const char *snap_sysctl(const struct snapshot *s, const char *path);
int64_t snap_sysctl_int(const struct snapshot *s, const char *path, int64_t missing);
/* @ret_value: set when it is there. @ifindex 0: of the namespace. */
bool snap_counter(const struct snapshot *s, uint32_t ifindex, const char *name, uint64_t *ret_value);

const struct snap_table *snap_table(const struct snapshot *s, uint8_t family, const char *name);
const struct snap_chain *snap_chain(const struct snap_table *table, const char *name);
const struct snap_set *snap_set(const struct snap_table *table, const char *name);

const struct snap_guest *snap_guest(const struct snapshot *s, const char *name);
const struct snap_nic *snap_nics(const struct snapshot *s, const char *guest, size_t *ret_n);
const struct snap_nic *snap_nic_of_link(const struct snapshot *s, uint32_t ifindex);	/* a live one; NULL: no guest's */
const struct snap_guest_addr *snap_guest_addrs(const struct snapshot *s, const char *guest, size_t *ret_n);
const struct snap_network *snap_network(const struct snapshot *s, const char *name);
const struct snap_program *snap_program(const struct snapshot *s, const char *name);
const char *snap_text(const struct snapshot *s, const char *path);
/* The line of sysctl.d that decides a path at boot (the last that matches); NULL: none. */
const struct snap_sysctl_line *snap_sysctl_line(const struct snapshot *s, const char *path);

/* NULL: it wasn't asked, or could not be. @target NULL: none. */
const struct snap_probe *snap_probe(const struct snapshot *s, const char *kind, uint32_t ifindex, const struct ip *target);

/* Why a part could not be read, the first reason; NULL: it was. */
const char *snap_unread(const struct snapshot *s, const char *part);
