/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of mode macvtap: what each needs of the host, and what the plan says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lab.h"

#define OFFICE "  office:\n    mode: macvtap\n    uplink: eth0\n"
#define ACCESS "    host-access: yes\n"
#define WEB                                                                                     \
	"    guests:\n      web:\n        mac: \"52:54:00:12:34:56\"\n        ipv4: 198.51.100.10\n" \
	"        ipv6: \"2001:db8:77:1::10\"\n"
#define RUN "run office web macvtap0 52:54:00:12:34:56\n"
#define RUN2 "run office any macvtap1 52:54:00:00:00:02\n"
#define ON_LINK "route 198.51.100.0/24 eth0\nroute 2001:db8:77:1::/64 eth0\n"
#define MODE(m) "    macvtap: {mode: " m "}\n"

static const struct lab_row rows[] = {
	/* the lower device */
	{ .why = "none of that name", .host = HOST, .config = "  office: {mode: macvtap, uplink: eth7}\n",
	  .says = { "error networks.office.uplink: no interface named eth7" } },
	{ .why = "wireless: what people are told", .host = "link wlan0 wireless\n", .config = "  office: {mode: macvtap, uplink: wlan0}\n",
	  .says = { "error networks.office.uplink: wlan0 is wireless: an access point takes frames from one MAC only",
		    "use mode: nat" } },
	{ .why = "a port of a bridge", .host = "link br0 kind=bridge\nlink eth0 master=br0\n", .config = OFFICE,
	  .says = { "error networks.office.uplink: eth0 is a port of br0", "mode: bridge, bridge: br0" } },
	{ .why = "a port of a bond", .host = "link bond0 kind=bond\nlink eth0 master=bond0\n", .config = OFFICE,
	  .says = { "eth0 is a port of bond0", "write uplink: bond0" } },
	{ .why = "a VRF isn't in the way", .host = "link red kind=vrf\nlink eth0 master=red\n" RUN, .config = OFFICE,
	  .says = { "create link macvtap0: macvtap bridge on eth0, 52:54:00:12:34:56" }, .not = { "error" } },
	{ .why = "not Ethernet", .host = "link tun0 kind=tun\n", .config = "  office: {mode: macvtap, uplink: tun0}\n",
	  .says = { "tun0 isn't an Ethernet device" } },
	{ .why = "one of our own", .host = HOST "link old kind=bridge alias=sixtap:old mac=02:00:00:00:00:09\n",
	  .config = "  office: {mode: macvtap, uplink: old}\n", .says = { "old belongs to a network of sixtap" } },
	{ .why = "somebody has it for himself", .host = HOST "link mt kind=macvtap lower=eth0 mode=8\n", .config = OFFICE,
	  .says = { "mt has eth0 for itself (mode passthru)" } },
	{ .why = "others in other modes are no matter", .host = HOST "link mt kind=macvtap lower=eth0 mode=4\n" RUN, .config = OFFICE,
	  .says = { "create link macvtap0" }, .not = { "error" } },
	{ .why = "passthru wants it for itself", .host = HOST "link mt kind=macvlan lower=eth0 mode=4\n", .config = OFFICE MODE("passthru"),
	  .says = { "mt sits on eth0, which mode passthru wants for itself" } },
	{ .why = "an MTU that doesn't fit", .host = HOST, .config = "  office: {mode: macvtap, uplink: eth0, mtu: 9000}\n",
	  .says = { "error networks.office.mtu: 9000 is more than eth0's 1500", "ip link set eth0 mtu 9000" } },
	{ .why = "auto: where the default route leads", .host = HOST "link eth1\n" RUN, .config = "  office: {mode: macvtap}\n",
	  .says = { "macvtap bridge on eth0" } },
	{ .why = "auto: without a route nobody knows", .host = "link eth0\n", .config = "  office: {mode: macvtap}\n",
	  .says = { "the host has no default route to find the LAN by; name the interface" } },
	{ .why = "a macvlan as lower: what it sits on", .host = HOST "link mv kind=macvlan lower=eth0 mode=4 mac=02:00:00:00:00:05\n" RUN,
	  .config = "  office: {mode: macvtap, uplink: mv}\n", .says = { "macvtap bridge on eth0" } },
	{ .why = "down, and without carrier: it comes up all the same", .host = "link eth0 down dark\n" RUN, .config = OFFICE,
	  .says = { "create link macvtap0" }, .not = { "error" } },
	/* devices */
	{ .why = "declared guests that don't run have none", .host = HOST, .config = OFFICE WEB, .not = { "link" } },
	{ .why = "those that run have: without RAs before it is up, and guarded", .host = HOST RUN, .config = OFFICE WEB,
	  .says = { "create link macvtap0: macvtap bridge on eth0, 52:54:00:12:34:56",
		    "change sysctl net.ipv6.conf.macvtap0.accept_ra: → 0", "change link macvtap0: up",
		    "create rules netdev sixtap: guests cannot send RAs" } },
	{ .why = "without spoof-check no rules", .host = HOST RUN, .config = OFFICE "    spoof-check: no\n", .says = { "create link macvtap0" },
	  .not = { "rules" } },
	{ .why = "too small for IPv6: nothing to switch off", .host = "link eth0 mtu=1200\n" RUN, .config = OFFICE, .says = { "create link" },
	  .not = { "accept_ra" } },
	{ .why = "the mode changes live", .host = HOST RUN, .before = OFFICE, .config = OFFICE MODE("vepa"),
	  .says = { "change link macvtap0: mode bridge → vepa" }, .not = { "create", "remove" } },
	{ .why = "sources, too", .host = HOST RUN, .before = OFFICE "    macvtap: {mode: source, sources: [\"52:54:00:00:00:01\"]}\n",
	  .config = OFFICE "    macvtap: {mode: source, sources: [\"52:54:00:00:00:07\"]}\n", .says = { "change link macvtap0: sources" } },
	{ .why = "and the queue", .host = HOST RUN, .before = OFFICE, .config = OFFICE "    macvtap: {broadcast-queue: 50}\n",
	  .says = { "change link macvtap0: broadcast queue 1000 → 50" } },
	{ .why = "all multicast, and not", .host = HOST RUN, .before = OFFICE "    macvtap: {multicast: all}\n",
	  .config = OFFICE "    macvtap: {multicast: off}\n", .says = { "change link macvtap0: not all multicast" } },
	{ .why = "not into passthru under a guest", .host = HOST RUN, .before = OFFICE, .config = OFFICE MODE("passthru"),
	  .says = { "guest web runs in mode bridge, which cannot be changed to passthru under it; stop it first" } },
	{ .why = "passthru is for one", .host = HOST RUN RUN2, .config = OFFICE MODE("passthru"), .says = { "has room for one guest" } },
	{ .why = "not to another NIC under a guest", .host = HOST "link eth1\n" RUN, .before = OFFICE,
	  .config = "  office: {mode: macvtap, uplink: eth1}\n", .says = { "guest web runs on eth0, and its device cannot move to eth1" } },
	{ .why = "nor into another mode of network", .host = HOST RUN, .before = OFFICE, .config = "  office: {mode: nat}\n",
	  .says = { "error networks.office.mode: guests run on macvtap devices of this network (macvtap0)" } },
	{ .why = "a guest that has ended leaves its device", .host = HOST RUN RUN2, .before = OFFICE, .between = "end any\n", .config = OFFICE,
	  .says = { "remove link macvtap1: macvtap; its guest has ended" }, .not = { "remove link macvtap0" } },
	{ .why = "down: one that runs is switched off", .host = HOST RUN, .before = OFFICE, .config = OFFICE, .wants = "-office",
	  .says = { "change link macvtap0: up → down; guest web runs on, without this network", "remove rules netdev sixtap" },
	  .not = { "remove link" } },
	/* host-access */
	{ .why = "a macvlan that only its guests are heard by, before it is up", .host = HOST ON_LINK RUN, .config = OFFICE ACCESS WEB,
	  .says = { "create link office-h: macvlan on eth0", "sysctl net.ipv4.neigh.office-h.mcast_solicit: → 0",
		    "create address office-h: 2001:db8:77:1::2/128", "create neigh office-h: 198.51.100.10 is at 52:54:00:12:34:56",
		    "create route office-h: 198.51.100.10/32 from 198.51.100.2",
		    "create route office-h: 2001:db8:77:1::10/128 from 2001:db8:77:1::2" } },
	{ .why = "no routes to who doesn't run", .host = HOST ON_LINK, .config = OFFICE ACCESS WEB, .says = { "create link office-h" },
	  .not = { "create route" } },
	{ .why = "who was heard of is a guest's when the MAC is", .host = HOST ON_LINK RUN RUN2, .before = OFFICE ACCESS WEB,
	  .between = "neigh office-h 198.51.100.77 52:54:00:00:00:02\n", .config = OFFICE ACCESS WEB,
	  .says = { "create route office-h: 198.51.100.77/32" } },
	{ .why = "not the router's address, whoever says so", .host = HOST ON_LINK RUN, .before = OFFICE ACCESS,
	  .between = "neigh eth0 198.51.100.1 02:00:00:00:00:01\nneigh office-h 198.51.100.1 52:54:00:12:34:56\n",
	  .config = OFFICE ACCESS, .not = { "route office-h" } },
	{ .why = "nor the host's", .host = HOST ON_LINK RUN, .before = OFFICE ACCESS,
	  .between = "neigh office-h 198.51.100.2 52:54:00:12:34:56\n", .config = OFFICE ACCESS, .not = { "route office-h" } },
	{ .why = "nor one that isn't on the LAN", .host = HOST ON_LINK RUN, .before = OFFICE ACCESS,
	  .between = "neigh office-h 192.0.2.1 52:54:00:12:34:56\n", .config = OFFICE ACCESS, .not = { "route office-h" } },
	{ .why = "nor a foreign MAC's", .host = HOST ON_LINK RUN, .before = OFFICE ACCESS,
	  .between = "neigh office-h 198.51.100.77 02:00:00:00:00:66\n", .config = OFFICE ACCESS,
	  .says = { "remove neigh office-h: 198.51.100.77" }, .not = { "route office-h" } },
	{ .why = "the host's new address is copied", .host = HOST ON_LINK, .before = OFFICE ACCESS,
	  .between = "addr eth0 2001:db8:77:1::99/64\n", .config = OFFICE ACCESS,
	  .says = { "create address office-h: 2001:db8:77:1::99/128" }, .not = { "remove" } },
	{ .why = "an address of its own: no copies, and its own prefix", .host = HOST ON_LINK RUN,
	  .config = OFFICE "    host-access: 198.51.100.5/24\n" WEB,
	  .says = { "create address office-h: 198.51.100.5/24", "route office-h: 198.51.100.10/32 from 198.51.100.5", "arp_ignore: → 1" },
	  .not = { "/128" } },
	{ .why = "switched off it goes", .host = HOST ON_LINK RUN, .before = OFFICE ACCESS WEB, .config = OFFICE WEB,
	  .says = { "remove link office-h: macvlan" }, .not = { "remove link macvtap0" } },
	{ .why = "and with the network", .host = HOST ON_LINK, .before = OFFICE ACCESS, .config = OFFICE, .wants = "-office",
	  .says = { "remove link office-h" } },
	{ .why = "the name is somebody else's", .host = HOST "link office-h kind=veth\n", .config = OFFICE ACCESS,
	  .says = { "office-h is an interface that somebody else made" } },
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

/* The host's macvlan comes up last: after its rules, before its routes. */
static void test_order(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST ON_LINK RUN);
	static const char *const order[] = { "create link macvtap0", "accept_ra", "change link macvtap0: up", "create link office-h",
					     "rules netdev", "create address", "change link office-h: up", "create route" };
	const char *at = lab_plan(lab, OFFICE ACCESS WEB, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const char *next = strstr(at, order[i]);

		if (!next)
			fail_msg("\"%s\" isn't where it belongs:\n%s", order[i], lab->text);
		at = next;
	}
}

/* A plan of somebody who doesn't know which guests run leaves their devices alone. */
static void test_without_daemon(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST RUN);

	(void)state;
	(void)lab_plan(lab, OFFICE, NULL);
	lab_apply(lab);
	lab_host(lab, "end web\n");
	lab->no_daemon = true;
	assert_string_equal(lab_plan(lab, OFFICE, NULL), "");
}

/* Down or dark, `status` says so. */
static void test_blocked(void **state)
{
	static const struct {
		const char *why, *host, *says;
	} t[] = {
		{ "fine", "link eth0\n", NULL },
		{ "no carrier", "link eth0 dark\n", "eth0 has no carrier: guests are cut off" },
		{ "down", "link eth0 down dark\n", "eth0 is down: guests are cut off; ip link set eth0 up" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(lab_freep) struct lab *lab = lab_new(t[i].host);

		(void)lab_plan(lab, OFFICE, NULL);
		const char *blocked = lab_result(lab, "office")->blocked;
		if (!t[i].says != !blocked || (blocked && !str_eq(blocked, t[i].says)))
			fail_msg("%s: %s", t[i].why, blocked ? blocked : "-");
	}
}

/* A kernel without the hook: guests run, unchecked, and it is said. The host's own filter is another hook. */
static void test_no_egress(void **state)
{
	_cleanup_(lab_freep) struct lab *lab = lab_new(HOST ON_LINK RUN);

	(void)state;
	lab->no_egress = true;
	const char *text = lab_plan(lab, OFFICE ACCESS, NULL);
	assert_non_null(strstr(text, "create link macvtap0"));
	assert_non_null(strstr(text, "create rules netdev sixtap: what the LAN says to the host stays with the NIC"));
	assert_non_null(strstr(lab_result(lab, "office")->blocked, "Linux 5.16"));
	(void)lab_plan(lab, OFFICE "    spoof-check: no\n", NULL);
	assert_null(lab_result(lab, "office")->blocked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_again_and_back), cmocka_unit_test(test_order),
		cmocka_unit_test(test_without_daemon), cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_no_egress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
