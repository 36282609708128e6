/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each decision of plan_make(), one row each: what the host has, what is wanted, what the plan says and doesn't say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lab.h"

#define NF_CALL "sysctl net/bridge/bridge-nf-call-iptables 1\nsysctl net/bridge/bridge-nf-call-ip6tables 1\n"
#define WEB                                                                                                  \
	"    guests:\n      web:\n        mac: \"52:54:00:12:34:56\"\n        ipv4: 192.168.150.10\n"          \
	"        ipv6: \"fd12:8848:a2a2:1::10\"\n"
#define UNCHECKED "    spoof-check: no\n"
#define UNDECLARED "    guests:\n      web:\n        mac: \"52:54:00:12:34:56\"\n"
#define TWO                                                              \
	"  two:\n    mode: nat\n    ipv4: {address: 192.168.151.1/24}\n" \
	"    ipv6: {address: \"fd12:8848:a2a2:2::1/64\"}\n"
#define ISO                                                                   \
	"  iso:\n    mode: isolated\n    ipv4: {address: 192.168.152.1/24}\n" \
	"    ipv6: {address: \"fd12:8848:a2a2:3::1/64\"}\n"
#define V4ONLY "  lan: {mode: nat, ipv4: {address: 192.168.150.1/24}, ipv6: off}\n"

static const struct lab_row rows[] = {
	/* uplink */
	{ .why = "a named uplink that isn't there: which there are", .host = HOST "link eth1\n",
	  .config = "  lan: {mode: nat, uplink: eth7}\n",
	  .says = { "error networks.lan.uplink: no interface named eth7; the host has eth0, eth1" },
	  .not = { "create" } },
	{ .why = "without a default route the network comes up, with a warning", .host = "link eth0\n", .config = LAN,
	  .says = { "warning lan: the host has no IPv4 and no IPv6 default route: guests have no way outside yet",
		    "create link lan: bridge" } },
	{ .why = "a family without a default route is no fault", .host = "link eth0\nroute 0.0.0.0/0 eth0\n",
	  .config = LAN, .says = { "create link lan" }, .not = { "warning" } },
	{ .why = "isolated needs no uplink", .host = "link eth0\n", .config = ISO, .says = { "create link iso" },
	  .not = { "warning", "forward" } },
	{ .why = "an interface of ours is no uplink", .host = HOST "link old kind=bridge alias=sixtap:old\n",
	  .config = "  lan: {mode: nat, uplink: old}\n",
	  .says = { "error networks.lan.uplink: old belongs to a network of sixtap" } },
	{ .why = "the lowest metric wins, per family, and gives the MTU",
	  .host = "link eth0 mtu=1492\nlink eth1 mtu=9000\nroute 0.0.0.0/0 eth1 metric=100\nroute 0.0.0.0/0 eth0 metric=50\n",
	  .config = V4ONLY, .says = { "MTU 1492" } },
	/* MTU */
	{ .why = "the smaller of two uplinks", .host = "link eth0 mtu=9000\nlink tun0 mtu=1480\nroute 0.0.0.0/0 eth0\nroute ::/0 tun0\n",
	  .config = LAN, .says = { "MTU 1480" } },
	{ .why = "an uplink too small for IPv6 isn't followed", .host = "link eth0 mtu=1200\nroute 0.0.0.0/0 eth0\n",
	  .config = LAN, .says = { "MTU 1500" } },
	{ .why = "a declared MTU holds", .host = HOST, .config = "  lan: {mode: nat, mtu: 1400}\n", .says = { "MTU 1400" } },
	{ .why = "the uplink's MTU is followed live, by our ports too, not by others'", .host = HOST, .before = LAN WEB,
	  .between = "link tap0 kind=tun alias=sixtap:lan/web master=lan\nlink vnet0 kind=tun master=lan\n",
	  .config = "  lan:\n    mode: nat\n    mtu: 1400\n    ipv4: {address: 192.168.150.1/24}\n"
		    "    ipv6: {address: \"fd12:8848:a2a2:1::1/64\"}\n",
	  .says = { "change link lan: MTU 1500 → 1400", "change link tap0: MTU 1500 → 1400" },
	  .not = { "vnet0", "remove link", "create link" } },
	/* addresses */
	{ .why = "auto: the first free /24", .host = HOST, .config = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n",
	  .says = { "create address lan: 192.168.100.1/24", "DHCPv4 .128–.254" } },
	{ .why = "auto: not one that an address or a route of the host overlaps",
	  .host = HOST "addr eth0 192.168.100.7/24\nroute 192.168.101.0/25 eth0\n",
	  .config = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n", .says = { "192.168.102.1/24" } },
	{ .why = "auto: not another network's", .host = HOST,
	  .config = "  a: {mode: nat, ipv4: auto, ipv6: off}\n  b: {mode: nat, ipv4: auto, ipv6: off}\n"
		    "  c: {mode: nat, ipv4: {address: 192.168.101.1/24}, ipv6: off}\n",
	  .says = { "address a: 192.168.100.1/24", "address b: 192.168.102.1/24" } },
	{ .why = "auto: nor that of one that is down", .host = HOST, .wants = "lan",
	  .config = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n  two: {mode: nat, ipv4: {address: 192.168.100.1/24}}\n",
	  .says = { "address lan: 192.168.100.1/24" } },
	{ .why = "auto: a route over all of 192.168/16 leads to 10.x", .host = HOST "route 192.168.0.0/16 eth0\n",
	  .config = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n", .says = { "10.100.0.1/24" } },
	{ .why = "auto: kept once the bridge has it", .host = HOST "addr eth0 192.168.100.7/24\n",
	  .before = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n", .between = "sysctl net/ipv4/ip_forward 1\n",
	  .config = "  lan: {mode: nat, ipv4: auto, ipv6: off}\n", .not = { "address" } },
	{ .why = "a prefix that is on the uplink", .host = HOST,
	  .config = "  lan: {mode: nat, ipv4: {address: 198.51.100.77/24}}\n",
	  .says = { "error networks.lan.ipv4: 198.51.100.0/24 is also on eth0; two interfaces cannot share an on-link prefix" },
	  .not = { "create" } },
	{ .why = "the same for IPv6", .host = HOST,
	  .config = "  lan: {mode: nat, ipv6: {address: \"2001:db8:77:1::99/64\"}}\n",
	  .says = { "error networks.lan.ipv6: 2001:db8:77:1::/64 is also on eth0" } },
	{ .why = "the prefix of a network that goes is free", .host = HOST, .before = LAN, .wants = "-lan new",
	  .config = "  new: {mode: nat, ipv4: {address: 192.168.150.9/24}, ipv6: off}\n",
	  .says = { "remove link lan", "create address new: 192.168.150.9/24" } },
	{ .why = "another gateway, live", .host = HOST, .before = LAN,
	  .config = "  lan:\n    mode: nat\n    ipv4: {address: 192.168.150.254/24}\n"
		    "    ipv6: {address: \"fd12:8848:a2a2:1::1/64\"}\n",
	  .says = { "remove address lan: 192.168.150.1/24; left the configuration\ncreate address lan: 192.168.150.254/24",
		    "change rules inet sixtap: +", "change serve lan" },
	  .not = { "link", "create rules" } },
	{ .why = "an address that somebody else added stays", .host = HOST, .before = LAN, .between = "addr lan 10.7.7.7/24\n",
	  .config = LAN, .not = { "10.7.7.7", "remove" } },
	{ .why = "an address that somebody removed comes back", .host = HOST,
	  .before = "  lan: {mode: nat, ipv4: {address: 192.168.150.1/24}, ipv6: off}\n", .config = LAN,
	  .says = { "create address lan: fd12:8848:a2a2:1::1/64", "create address lan: fe80::1/64" } },
	/* the ladder */
	{ .why = "auto: rungs that aren't built are said to be so", .host = HOST,
	  .config = "  lan: {mode: nat, ipv6: {address: auto, ladder: [delegated, on-link, ula]}}\n",
	  .says = { "create address lan: fd" } },
	/* bridges */
	{ .why = "a bridge that somebody else made", .host = HOST "link lan kind=bridge\n", .config = LAN,
	  .says = { "error networks.lan.bridge: lan is a bridge that somebody else made; take another name with bridge: "
		    "NAME, or use it as it is with mode: bridge" },
	  .not = { "create" } },
	{ .why = "any interface that somebody else made", .host = HOST "link lan kind=veth\n", .config = LAN,
	  .says = { "error networks.lan.bridge: lan is an interface that somebody else made" } },
	{ .why = "another network's bridge", .host = HOST "link lan kind=bridge alias=sixtap:old\n", .config = LAN,
	  .says = { "error networks.lan.bridge: lan belongs to network old" } },
	{ .why = "mode bridge: nothing about it changes", .host = HOST "link br0 kind=bridge mtu=9000\n",
	  .config = "  lan: {mode: bridge, bridge: br0}\n", .not = { "change", "create", "error" } },
	{ .why = "mode bridge: it has to be there", .host = HOST "link br7 kind=bridge\n",
	  .config = "  lan: {mode: bridge, bridge: br0}\n",
	  .says = { "error networks.lan.bridge: no bridge named br0; the host has br7" } },
	{ .why = "mode bridge: and be one", .host = HOST, .config = "  lan: {mode: bridge, bridge: eth0}\n",
	  .says = { "error networks.lan.bridge: eth0 isn't a bridge" } },
	{ .why = "a renamed bridge without guests is made anew", .host = HOST, .before = LAN,
	  .config = LAN "    bridge: virbr9\n",
	  .says = { "remove link lan", "create link virbr9", "create address virbr9: 192.168.150.1/24" } },
	{ .why = "with guests it is refused", .host = HOST, .before = LAN WEB,
	  .between = "link tap0 kind=tun alias=sixtap:lan/web master=lan\n", .config = LAN "    bridge: virbr9\n",
	  .says = { "error networks.lan.bridge: 1 guest is attached to lan, and this change needs a new bridge; stop it "
		    "first, or: sixtap down lan" },
	  .not = { "remove", "create" } },
	{ .why = "nat to isolated keeps the bridge and its guests", .host = HOST, .before = LAN,
	  .between = "link vnet0 kind=tun master=lan\n",
	  .config = "  lan:\n    mode: isolated\n    ipv4: {address: 192.168.150.1/24}\n"
		    "    ipv6: {address: \"fd12:8848:a2a2:1::1/64\"}\n",
	  .says = { "change rules inet sixtap: +", "change sysctl net.ipv6.conf.all.forwarding: 1 → 0; as it was found" },
	  .not = { "link", "address" } },
	{ .why = "what somebody did to the bridge is put right", .host = HOST
	  "link lan kind=bridge alias=sixtap:lan down mac=52:54:00:00:00:99\n", .config = LAN "    mac: \"52:54:00:00:00:01\"\n",
	  .says = { "change link lan: 52:54:00:00:00:99 → 52:54:00:00:00:01, down → up, group 0 → " },
	  .not = { "create link" } },
	{ .why = "a tap of ours that was pulled out goes back in", .host = HOST, .before = LAN WEB,
	  .between = "link tap0 kind=tun alias=sixtap:lan/web\n", .config = LAN WEB,
	  .says = { "change link tap0: joins lan; port of guest web" } },
	/* sysctls */
	{ .why = "forwarding after accept_ra, and the route confirmed", .host = HOST, .config = LAN,
	  .says = { "change sysctl net.ipv6.conf.eth0.accept_ra: 1 → 2; else forwarding costs the host its own default route\n"
		    "change sysctl net.ipv6.conf.all.forwarding: 0 → 1; guests' IPv6 is forwarded\n"
		    "change sysctl net.ipv4.ip_forward: 0 → 1; guests' IPv4 is forwarded\n"
		    "wait route default dev eth0: confirmed by its router" } },
	{ .why = "user space handles RAs: left alone", .host = "link eth0 ra=0\nroute ::/0 eth0 ra\nroute 0.0.0.0/0 eth0\n",
	  .config = LAN, .says = { "net.ipv6.conf.all.forwarding" }, .not = { "eth0.accept_ra", "wait" } },
	{ .why = "a static default route needs no RAs", .host = "link eth0 ra=1\nroute ::/0 eth0\n", .config = LAN,
	  .not = { "eth0.accept_ra", "wait" } },
	{ .why = "an address by SLAAC is enough", .host = "link eth0 ra=1\naddr eth0 2001:db8::5/64 slaac\n", .config = LAN,
	  .says = { "net.ipv6.conf.eth0.accept_ra: 1 → 2" }, .not = { "wait" } },
	{ .why = "at boot no router was heard yet: the uplink listens on, nobody waits",
	  .host = "link eth0 ra=1\nroute 0.0.0.0/0 eth0\nlink docker0 kind=bridge ra=1\n", .config = LAN,
	  .says = { "change sysctl net.ipv6.conf.eth0.accept_ra: 1 → 2; else forwarding keeps the host from hearing its router\n"
		    "change sysctl net.ipv6.conf.all.forwarding: 0 → 1" }, .not = { "wait", "docker0" } },
	{ .why = "also before it has any address", .host = "link eth0 ra=1\n", .config = LAN,
	  .says = { "net.ipv6.conf.eth0.accept_ra: 1 → 2" }, .not = { "wait" } },
	{ .why = "a bridge that leads outside is an uplink", .config = LAN,
	  .host = "link br0 kind=bridge ra=1\nlink eth0 master=br0\nroute 0.0.0.0/0 br0\n",
	  .says = { "net.ipv6.conf.br0.accept_ra: 1 → 2" } },
	{ .why = "so is one that is named", .host = "link br0 kind=bridge ra=1\n",
	  .config = "  lan: {mode: nat, uplink: br0, ipv4: {address: 192.168.150.1/24}, ipv6: ula}\n",
	  .says = { "net.ipv6.conf.br0.accept_ra: 1 → 2" } },
	{ .why = "an uplink that comes later is asked for its router", .host = "link eth0\nroute 0.0.0.0/0 eth0\n", .before = LAN,
	  .between = "link eth1 ra=1\n", .config = LAN,
	  .says = { "net.ipv6.conf.eth1.accept_ra: 1 → 2", "wait route default dev eth1" } },
	{ .why = "a router of somebody else's making listens to no other", .config = LAN,
	  .host = "sysctl net/ipv6/conf/all/forwarding 1\nlink eth0 ra=1\nroute 0.0.0.0/0 eth0\n", .not = { "accept_ra: 1 → 2" } },
	{ .why = "every interface that lives from RAs, not only the uplink",
	  .host = HOST "link eth1 ra=1\nroute ::/0 eth1 metric=2048 ra\n", .config = LAN,
	  .says = { "net.ipv6.conf.eth1.accept_ra: 1 → 2", "wait route default dev eth1" } },
	{ .why = "the dot of a VLAN is written as sysctl(8) does", .host = "link eth0.10 ra=1\nroute ::/0 eth0.10 ra\n",
	  .config = LAN, .says = { "sysctl net.ipv6.conf.eth0/10.accept_ra" } },
	{ .why = "IPv4 only: IPv6 is left alone", .host = HOST, .config = V4ONLY, .says = { "net.ipv4.ip_forward" },
	  .not = { "ipv6.conf.all", "eth0", "wait", "fe80" } },
	{ .why = "guests cannot configure the host", .host = HOST, .config = ISO,
	  .says = { "net.ipv6.conf.iso.accept_ra: 1 → 0", "net.ipv6.conf.iso.autoconf: 1 → 0" } },
	{ .why = "IPv6 that is off for whatever comes is on for the bridge",
	  .host = HOST "sysctl net/ipv6/conf/default/disable_ipv6 1\n", .config = ISO,
	  .says = { "net.ipv6.conf.iso.disable_ipv6: 1 → 0" }, .not = { "default.disable_ipv6" } },
	{ .why = "but not where guests have none", .host = HOST "sysctl net/ipv6/conf/default/disable_ipv6 1\n", .config = V4ONLY,
	  .not = { "disable_ipv6" } },
	/* spoof-check */
	{ .why = "guards are there from the start", .host = HOST, .config = LAN,
	  .says = { "create rules bridge sixtap: guests cannot send RAs, answer DHCP or take addresses\n" } },
	{ .why = "but not without", .host = HOST, .config = LAN UNCHECKED, .not = { "bridge sixtap" } },
	{ .why = "nor on a bridge of somebody else", .host = HOST "link br0 kind=bridge\n",
	  .config = "  net: {mode: bridge, bridge: br0}\n", .not = { "bridge sixtap" } },
	{ .why = "a guest that comes costs elements: its port and what SLAAC makes of its MAC", .host = HOST, .before = LAN UNDECLARED,
	  .between = "link tap0 kind=tun master=lan alias=sixtap:lan/web\n", .config = LAN UNDECLARED,
	  .says = { "change rules bridge sixtap: +5 elements\n" }, .not = { "create rules" } },
	{ .why = "of a port of somebody else the MAC is learnt", .host = HOST, .before = LAN,
	  .between = "link vnet0 kind=tun master=lan\n", .config = LAN, .says = { "change rules bridge sixtap: +2 elements\n" } },
	/* down */
	{ .why = "down puts back what was found, forwarding first", .host = HOST, .before = LAN, .config = LAN, .wants = "-lan",
	  .says = { "remove serve lan: a last RA with lifetime 0\n", "remove address lan: 192.168.150.1/24",
		    "remove link lan: bridge\nremove rules inet sixtap: \nremove rules bridge sixtap: \n"
		    "change sysctl net.ipv6.conf.all.forwarding: 1 → 0; as it was found\n"
		    "change sysctl net.ipv4.ip_forward: 1 → 0; as it was found\n"
		    "change sysctl net.ipv6.conf.eth0.accept_ra: 2 → 1; as it was found\n" } },
	{ .why = "somebody changed it meanwhile", .host = HOST, .before = LAN, .between = "sysctl net/ipv4/ip_forward 2\n",
	  .config = LAN, .wants = "-lan",
	  .says = { "note net.ipv4.ip_forward: left at 2: somebody else changed it meanwhile" }, .not = { "2 → 0" } },
	{ .why = "docker still forwards", .host = HOST, .before = LAN,
	  .between = "link docker0 kind=bridge\naddr docker0 172.17.0.1/16\n", .config = LAN, .wants = "-lan",
	  .says = { "note net.ipv6.conf.all.forwarding: left as it is: docker0 still forwards",
		    "note net.ipv4.ip_forward: left as it is: docker0 still forwards",
		    "note net.ipv6.conf.eth0.accept_ra: left as it is: docker0 still forwards" },
	  .not = { "→" } },
	{ .why = "so does wireguard", .host = HOST, .before = LAN, .between = "link wg0 kind=wireguard\n", .config = LAN,
	  .wants = "-lan", .says = { "wg0 still forwards" }, .not = { "→" } },
	{ .why = "the uplink's own bridge doesn't", .host = "link br0 kind=bridge ra=1\nlink eth0 master=br0\n"
	  "addr br0 198.51.100.2/24\nroute 0.0.0.0/0 br0\nroute ::/0 br0 ra\n", .before = LAN, .config = LAN, .wants = "-lan",
	  .says = { "net.ipv4.ip_forward: 1 → 0" }, .not = { "note" } },
	{ .why = "another network of ours goes on", .host = HOST, .before = LAN TWO, .config = LAN TWO, .wants = "-lan =two",
	  .says = { "remove link lan", "change rules inet sixtap: −" }, .not = { "→", "two" } },
	{ .why = "also one that the plan wasn't told of", .host = HOST, .before = LAN TWO, .config = LAN TWO, .wants = "-lan",
	  .says = { "remove link lan", "change rules inet sixtap: −" }, .not = { "→", "two" } },
	{ .why = "guests leave one by one, so that undo finds them", .host = HOST, .before = LAN,
	  .between = "link vnet0 kind=tun master=lan\n", .config = LAN, .wants = "-lan",
	  .says = { "change link vnet0: leaves lan" } },
	{ .why = "down of what isn't up", .host = HOST, .config = LAN, .wants = "-lan", .not = { "remove", "change", "create" } },
	{ .why = "down of what left the configuration", .host = HOST, .before = LAN, .config = TWO, .wants = "-lan",
	  .says = { "remove link lan" } },
	/* services */
	{ .why = "what is served, in words", .host = HOST, .config = LAN "    domain: lan\n",
	  .says = { "create serve lan: RA, DHCPv4 .128–.254, DHCPv6 ::8000:0:0:0–::ffff:ffff:ffff:ffff; DNS  lan." } },
	{ .why = "host-access no: ND and RA only", .host = HOST, .config = "  lan: {mode: nat, host-access: no}\n",
	  .says = { "create serve lan: RA\n" } },
	{ .why = "DNS elsewhere", .host = HOST, .config = "  lan: {mode: nat, dns: [9.9.9.9]}\n", .not = { "DNS" } },
	/* forwards */
	{ .why = "a port that sshd listens on", .host = HOST "listen tcp :: 22 812 sshd\n",
	  .config = LAN WEB "        forward: [\"22:22\"]\n",
	  .says = { "error networks.lan.guests.web.forward: port 22/tcp of the host is in use by sshd (pid 812); forwarding it "
		    "would cut you off\n  take another port, \"4022:22\", or name an address of the host that sshd doesn't use" },
	  .not = { "create" } },
	{ .why = "in a range, by another program, on one address", .host = HOST "listen udp 198.51.100.2 5005 77 game\n",
	  .config = LAN WEB "        forward: [\"5000-5009:5000-5009/udp\"]\n",
	  .says = { "port 5005/udp of the host is in use by game (pid 77); forwarding it would take it away from game" } },
	{ .why = "loopback is never forwarded", .host = HOST "listen tcp 127.0.0.1 8080\n",
	  .config = LAN WEB "        forward: [\"8080:80\"]\n", .not = { "error" } },
	{ .why = "another address of the host", .host = HOST "listen tcp 198.51.100.2 8080\n",
	  .config = LAN WEB "        forward: [\"198.51.100.3:8080:80\"]\n", .not = { "error" } },
	{ .why = "the other protocol", .host = HOST "listen udp 0.0.0.0 8080\n",
	  .config = LAN WEB "        forward: [\"8080:80\"]\n", .not = { "error" } },
	{ .why = "our own resolver doesn't count", .host = HOST "listen tcp 192.168.150.1 53\n",
	  .config = LAN WEB "        forward: [\"53:53\"]\n", .not = { "error" } },
	{ .why = "a forward in force isn't taken back because somebody listens now", .host = HOST,
	  .before = LAN WEB "        forward: [\"8080:80\"]\n", .between = "listen tcp 0.0.0.0 8080 9 nginx\n",
	  .config = LAN WEB "        forward: [\"8080:80\"]\n", .says = { "warning", "in use by nginx too" },
	  .not = { "error", "change", "create" } },
	{ .why = "the rules in words", .host = HOST, .config = LAN WEB "        forward: [\"8080:80\"]\n",
	  .says = { "create rules inet sixtap: NAT44, NAT66, 1 forward, networks apart from each other" } },
	/* hairpin */
	{ .why = "with br_netfilter, a foreign port gets hairpin mode after the rules know it", .host = HOST NF_CALL,
	  .before = LAN UNCHECKED WEB, .between = "link vnet0 kind=tun master=lan\n",
	  .config = LAN UNCHECKED WEB "        forward: [\"8080:80\"]\n",
	  .says = { "create rules bridge sixtap: guests reach themselves, but don't hear themselves\n"
		    "change link vnet0: hairpin on; a guest reaches itself through its own forward" } },
	{ .why = "our own ports only when the guest has a forward", .host = HOST NF_CALL, .before = LAN UNCHECKED WEB,
	  .between = "link tap0 kind=tun alias=sixtap:lan/web master=lan\nlink tap1 kind=tun alias=sixtap:lan/db master=lan\n",
	  .config = LAN UNCHECKED WEB "        forward: [\"8080:80\"]\n", .says = { "link tap0: hairpin on" }, .not = { "tap1" } },
	{ .why = "without br_netfilter none", .host = HOST, .before = LAN UNCHECKED WEB,
	  .between = "link vnet0 kind=tun master=lan\n", .config = LAN UNCHECKED WEB "        forward: [\"8080:80\"]\n",
	  .not = { "hairpin", "bridge sixtap" } },
	{ .why = "hairpin mode that nothing needs is taken away, before the rules forget the port", .host = HOST NF_CALL,
	  .before = LAN WEB "        forward: [\"8080:80\"]\n", .between = "link vnet0 kind=tun master=lan hairpin\n",
	  .config = LAN WEB, .says = { "change link vnet0: hairpin off; no forward needs it" } },
};

static void test_rows(void **state)
{
	(void)state;
	lab_test_rows(rows, ARRAY_LEN(rows));
}

static void test_again_and_back(void **state)
{
	(void)state;
	lab_test_again_and_back(rows, ARRAY_LEN(rows));
}

struct target_row {
	const char *why, *facts, *guest, *target4, *target6;
};

static const struct target_row targets[] = {
	{ "declared", "lease lan 192.168.150.99 52:54:00:12:34:56\n", WEB, "192.168.150.10", "fd12:8848:a2a2:1::10" },
	{ "leased", "lease lan 192.168.150.99 52:54:00:12:34:56\nlease lan fd12:8848:a2a2:1::99 52:54:00:12:34:56\n"
		    "seen lan 192.168.150.98 52:54:00:12:34:56\n", UNDECLARED, "192.168.150.99", "fd12:8848:a2a2:1::99" },
	{ "made of its MAC", "seen lan fd12:8848:a2a2:1::abcd 52:54:00:12:34:56\n"
			     "seen lan fd12:8848:a2a2:1:5054:ff:fe12:3456 52:54:00:12:34:56\n",
	  UNDECLARED, "-", "fd12:8848:a2a2:1:5054:ff:fe12:3456" },
	{ "the only one", "seen lan fd12:8848:a2a2:1::abcd 52:54:00:12:34:56\nseen lan fe80::1234 52:54:00:12:34:56\n",
	  UNDECLARED, "-", "fd12:8848:a2a2:1::abcd" },
	{ "one of two may be temporary", "seen lan fd12:8848:a2a2:1::1 52:54:00:12:34:56\n"
					 "seen lan fd12:8848:a2a2:1::2 52:54:00:12:34:56\n", UNDECLARED, "-", "-" },
	{ "somebody else's", "seen lan fd12:8848:a2a2:1::1 52:54:00:12:34:57\nlease two 192.168.150.5 52:54:00:12:34:56\n",
	  UNDECLARED, "-", "-" },
	{ "outside the network", "lease lan 10.0.0.5 52:54:00:12:34:56\n", UNDECLARED, "-", "-" },
	{ "renumbered: the old one, until it has the declared one",
	  "drain lan 10.0.0.1/24\ndrain lan fd00:7::1/64\nlease lan 10.0.0.5 52:54:00:12:34:56\n"
	  "seen lan fd00:7::5 52:54:00:12:34:56\n", WEB, "10.0.0.5", "fd00:7::5" },
	{ "renumbered: the new one as soon as it has it",
	  "drain lan 10.0.0.1/24\ndrain lan fd00:7::1/64\nlease lan 10.0.0.5 52:54:00:12:34:56\n"
	  "lease lan 192.168.150.10 52:54:00:12:34:56\nseen lan fd00:7::5 52:54:00:12:34:56\n"
	  "seen lan fd12:8848:a2a2:1::10 52:54:00:12:34:56\n", WEB, "192.168.150.10", "fd12:8848:a2a2:1::10" },
	{ "renumbered, and it is off: the declared one", "drain lan 10.0.0.1/24\n", WEB, "192.168.150.10", "fd12:8848:a2a2:1::10" },
	{ "renumbered: a lease of the new prefix",
	  "drain lan 10.0.0.1/24\nlease lan 10.0.0.5 52:54:00:12:34:56\nlease lan 192.168.150.99 52:54:00:12:34:56\n",
	  UNDECLARED, "192.168.150.99", "-" },
};

static void test_targets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const struct target_row *row = &targets[i];
		_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);
		_cleanup_(freep) char *yaml = xasprintf("%s%s        forward: [\"8080:80\"]\n", LAN, row->guest);

		lab_host(lab, row->facts);
		(void)lab_plan(lab, yaml, NULL);
		const struct plan_result *r = lab_result(lab, "lan");
		assert_int_equal(r->n_forwards, 1);
		if (!str_eq(IP_STR(&r->forwards[0].target4), row->target4) ||
		    !str_eq(IP_STR(&r->forwards[0].target6), row->target6))
			fail_msg("%s: %s and %s", row->why, IP_STR(&r->forwards[0].target4),
				 IP_STR(&r->forwards[0].target6));
		assert_int_equal(r->forwards[0].active, ip_is_set(&r->forwards[0].target4) ||
							ip_is_set(&r->forwards[0].target6));
	}
}

static const struct nft_elem *find_elem(const struct lab *lab, const char *set, const char *prefix)
{
	struct prefix p;

	assert_true(prefix_parse(prefix, &p));
	const struct ip network = prefix_network(&p);
	for (size_t i = 0; i < lab->plan->ops->n; i++) {
		const struct op *op = &lab->plan->ops->ops[i];

		for (size_t k = 0; op->kind == OP_NFT_ELEMS && k < op->nft.n_add; k++)
			if (str_eq(op->nft.add[k].set, set) && memcmp(op->nft.add[k].key + 16, network.b, ip_size(&network)) == 0)
				return &op->nft.add[k];
	}
	return NULL;
}

/* Everything that goes by the gateway's address goes by the old ones as well, and all of it goes in the end. */
static void test_drains(void **state)
{
	static const char *const global = "  lan:\n    mode: nat\n    ipv4: {address: 10.7.0.1/16}\n"
					  "    ipv6: {address: \"2001:db8:9::1/64\"}\n";
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);

	(void)state;
	(void)lab_plan(lab, LAN, NULL);
	lab_apply(lab);
	_cleanup_(freep) char *before = lab_state(lab);
	lab_host(lab, "drain lan 192.168.150.1/24\ndrain lan fd12:8848:a2a2:1::1/64\ndrain lan 10.7.9.1/24\n");
	const char *text = lab_plan(lab, global, NULL);
	assert_null(strstr(text, "remove"));
	assert_non_null(find_elem(lab, "plain6", "2001:db8:9::/64"));	/* as NAT66 stays for the old one */
	assert_null(find_elem(lab, "plain4", "10.7.0.0/16"));
	assert_non_null(find_elem(lab, "own4", "10.7.0.0/16"));
	assert_null(find_elem(lab, "own4", "10.7.9.0/24"));		/* inside the other: the kernel would refuse it */
	const struct plan_result *r = lab_result(lab, "lan");
	assert_int_equal(r->service->n_drains, 3);
	lab_apply(lab);
	(void)lab_plan(lab, global, NULL);
	assert_int_equal(lab->plan->ops->n, 0);

	lab->n_drains = 0;						/* the last lease has ended */
	text = lab_plan(lab, global, NULL);
	assert_non_null(strstr(text, "remove address lan: 192.168.150.1/24"));
	assert_non_null(strstr(text, "remove address lan: fd12:8848:a2a2:1::1/64"));
	lab_apply(lab);
	(void)lab_plan(lab, LAN, NULL);
	lab_apply(lab);
	_cleanup_(freep) char *after = lab_state(lab);
	assert_string_equal(before, after);
}

static void test_result(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST NF_CALL);

	(void)state;
	(void)lab_plan(lab, "  lan:\n    mode: nat\n    lease: 2h\n    ipv4: {address: 192.168.150.1/24}\n"
		      "    ipv6: {address: \"fd12:8848:a2a2:1::1/64\", assign: dhcp}\n" WEB "        forward: [\"8080:80\"]\n      bare: {}\n" ISO,
		       NULL);
	if (!lab->plan)
		fail_msg("%s", lab->text);
	const struct plan_result *lan = lab_result(lab, "lan"), *iso = lab_result(lab, "iso");
	assert_string_equal(lan->device, "lan");
	assert_string_equal(lan->uplink4, "eth0");
	assert_string_equal(lan->uplink6, "eth0");
	assert_true(lan->nat6);
	assert_false(iso->nat6);
	assert_true(plan_port_hairpin(lan, "web"));
	assert_true(plan_port_hairpin(lan, ""));
	assert_false(plan_port_hairpin(lan, "db"));
	assert_false(plan_port_hairpin(iso, ""));
	const struct service *s = lan->service;
	assert_true(s->ra && s->dhcp4 && s->dhcp6 && s->managed && s->other && s->routes);
	assert_int_equal(s->ifindex, 0);
	assert_int_equal(s->n_prefixes, 1);
	assert_int_equal(s->prefixes[0].preferred_s, 7200);
	assert_int_equal(s->prefixes[0].valid_s, 14400);
	assert_int_equal(s->n_dns4, 1);
	assert_int_equal(s->n_dns6, 1);
	assert_false(iso->service->routes);
	assert_int_equal(lan->n_hosts, 1);	/* without addresses of its own, a guest isn't the engine's business */
	assert_string_equal(lan->hosts[0].name, "web");
	assert_int_equal(lan->hosts[0].n_ips, 2);
}

/* On only while the guard knows the port: else the guest hears its own DAD probes. */
static void test_hairpin_order(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST NF_CALL);

	(void)state;
	(void)lab_plan(lab, LAN UNCHECKED WEB "        forward: [\"8080:80\"]\n", NULL);
	lab_apply(lab);
	lab_host(lab, "link vnet0 kind=tun master=lan\n");
	const char *on = lab_plan(lab, LAN UNCHECKED WEB "        forward: [\"8080:80\"]\n", NULL);
	assert_true(strstr(on, "create rules bridge") < strstr(on, "hairpin on"));
	lab_apply(lab);
	const char *off = lab_plan(lab, LAN UNCHECKED WEB, NULL);
	assert_non_null(strstr(off, "hairpin off"));
	assert_true(strstr(off, "hairpin off") < strstr(off, "remove rules bridge"));
}

static void test_ladder(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);

	(void)state;
	(void)lab_plan(lab, "  lan: {mode: nat, ipv6: {address: auto, ladder: [delegated, on-link, ula]}}\n", NULL);
	const struct plan_result *r = lab_result(lab, "lan");
	assert_int_equal(r->source6, IP6_SOURCE_ULA);
	assert_true(r->nat6);
	assert_int_equal(r->n_because, 2);
	assert_string_equal(r->because[0], "delegated: not built yet");
	assert_string_equal(r->because[1], "on-link: not built yet");
}

static void test_listener_matters(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);
	struct w_listener l = { .proto = L4PROTO_TCP, .ip = { .family = AF_INET6 }, .port = 8080 };

	(void)state;
	(void)lab_plan(lab, LAN WEB "        forward: [\"8080:80\"]\n", NULL);
	const struct plan_target t = { "lan", &lab->desired->networks[0], PLAN_WANT_UP };
	assert_true(plan_listener_matters(&t, 1, &l));
	l.port = 8081;
	assert_false(plan_listener_matters(&t, 1, &l));
}

/* conf/ sees one configuration; the daemon may have two, and forwards added at run time. */
static void test_collision(void **state)
{
	static const struct {
		const char *why;
		uint16_t first, last;
		uint8_t proto;
		const char *host;
		bool collides;
	} list[] = {
		{ "the same port", 8080, 8080, L4PROTO_TCP, NULL, true },
		{ "inside a range", 8085, 8085, L4PROTO_TCP, NULL, true },
		{ "reaching into a range", 8000, 8080, L4PROTO_TCP, NULL, true },
		{ "around it", 8000, 9000, L4PROTO_TCP, NULL, true },
		{ "before it", 8000, 8079, L4PROTO_TCP, NULL, false },
		{ "after it", 8090, 8090, L4PROTO_TCP, NULL, false },
		{ "the other protocol", 8080, 8080, L4PROTO_UDP, NULL, false },
		{ "one address of the host: the more specific one wins", 8080, 8080, L4PROTO_TCP, "198.51.100.2", false },
	};
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);

	(void)state;
	(void)lab_plan(lab, LAN WEB "        forward: [\"8080-8089:8080-8089\"]\n" TWO
		       "    guests: {far: {ipv4: 192.168.151.10, forward: [\"7:80\"]}}\n", NULL);
	struct d_network *lan = desired_network(lab->desired, "lan"), *two = desired_network(lab->desired, "two");
	struct d_forward f = two->guests[0].forwards[0];
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(plan_freep) struct plan *plan = NULL;
		const struct plan_target t[] = { { "two", two, PLAN_WANT_UP }, { "lan", lan, PLAN_WANT_UP } };

		f.host_first = list[i].first;
		f.host_last = list[i].last;
		f.guest_last = (uint16_t)(f.guest_first + (f.host_last - f.host_first));
		f.proto = list[i].proto;
		f.host = (struct ip){ 0 };
		if (list[i].host)
			assert_true(ip_parse(list[i].host, &f.host));
		two->guests[0].forwards = &f;
		int r = plan_make(t, 2, lab->world, NULL, report, &plan);
		if (r != list[i].collides)
			fail_msg("%s", list[i].why);
		if (r == 0)
			continue;
		assert_int_equal(report_n_errors(report), 1);
		assert_non_null(strstr(report_get(report, 0)->what, "is forwarded to"));
	}
}

static void test_unprivileged(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST);

	(void)state;
	(void)lab_plan(lab, LAN, NULL);
	lab_apply(lab);
	lab->nft_unreadable = true;
	assert_string_equal(lab_plan(lab, LAN WEB "        forward: [\"8080:80\"]\n", NULL),
			    "change serve lan: RA, DHCPv4 .128–.254, DHCPv6 ::8000:0:0:0–::ffff:ffff:ffff:ffff; DNS  lan.\n");
	lab->no_daemon = true;
	assert_non_null(strstr(lab_plan(lab, LAN, NULL), "create serve lan"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	     cmocka_unit_test(test_again_and_back),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_drains),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_ladder),	     cmocka_unit_test(test_listener_matters),
		cmocka_unit_test(test_unprivileged), cmocka_unit_test(test_collision),
		cmocka_unit_test(test_hairpin_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
