/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults that a network namespace can't have, or this kernel doesn't: each on
 * a small snapshot made by hand, beside the healthy state that looks like it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>
#include "base/mem.h"
#include "diag/rule.h"
#include "diag/snapshot.h"

enum { ETH0 = 1, BR0, TAP0, TAP1, MT0, N };

struct host {
	struct snap_link links[N - 1];
	struct snap_vlan vlans[8];
	struct snap_nic nic;
	struct snap_manager manager;
	struct snap_hook hook;
	struct snap_program program;
	struct snap_network network;
	struct snap_forward forward;
	struct snap_sysctl sysctls[2];
	struct snap_neigh_table neigh;
	struct snap_libvirt_net net;
	struct snap_route route;
	struct snap_rule rule;
	struct snap_sysctl_line line;
	struct snap_addr addr;
	struct snapshot *s;
};

static void link_is(struct host *h, uint32_t i, const char *name, const char *kind, uint32_t master, uint8_t last)
{
	h->links[i - 1] = (struct snap_link){
		.ifindex = i, .name = name, .kind = kind, .master = master, .slave_kind = master ? "bridge" : "",
		.mac = { { 0x52, 0x54, 0, 0, 0, last } }, .mtu = 1500, .flags = IFF_UP | IFF_LOWER_UP, .carrier = true, .type = 1,
		.port = { .state = BR_STATE_FORWARDING, .flood = true, .mcast_flood = true, .bcast_flood = true, .learning = true },
	};
}

/* A NIC with a macvtap, a bridge with two taps: nothing is wrong with it. */
static void healthy(struct host *h)
{
	*h = (struct host){ .s = snapshot_new() };
	link_is(h, ETH0, "eth0", "", 0, 1);
	link_is(h, BR0, "br0", "bridge", 0, 2);
	link_is(h, TAP0, "tap0", "tun", BR0, 3);
	link_is(h, TAP1, "tap1", "tun", BR0, 4);
	link_is(h, MT0, "mt0", "macvtap", 0, 5);
	h->links[TAP0 - 1].tun = h->links[TAP1 - 1].tun = (struct snap_tun){ .tap = true, .queues = 1 };
	h->links[MT0 - 1].lower = ETH0;
	h->links[MT0 - 1].macvlan = (struct snap_macvlan){ .mode = MACVLAN_MODE_BRIDGE, .bc_queue_len_used = 1000 };
	h->nic = (struct snap_nic){ .guest = "libvirt:ha", .kind = "macvtap", .device = "mt0", .ifindex = MT0, .live = true,
				    .mac = { { 0x52, 0x54, 0, 0, 0, 5 } } };
	h->links[BR0 - 1].bridge.default_pvid = 1;
	for (uint32_t i = 0; i < 3; i++)
		h->vlans[i] = (struct snap_vlan){ BR0 + i, 1, 1, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED };
	h->manager = (struct snap_manager){ .ifindex = TAP0, .manager = "NetworkManager", .state = "unmanaged" };
	h->hook = (struct snap_hook){ "libvirt-qemu", "/etc/libvirt/hooks/qemu", true, true, 1000 };
	h->program = (struct snap_program){ .name = "libvirtd", .running = true, .pid = 7, .started = 2000 };
	h->network = (struct snap_network){ .name = "default", .mode = "nat", .adopted = true, .adopts = "libvirt:default" };
	h->forward = (struct snap_forward){ .network = "default", .guest = "ha", .spec = "80:80" };
	h->sysctls[0] = (struct snap_sysctl){ "net/netfilter/nf_conntrack_count", "100" };
	h->sysctls[1] = (struct snap_sysctl){ "net/netfilter/nf_conntrack_max", "262144" };
	h->neigh = (struct snap_neigh_table){ .family = AF_INET, .entries = 100, .gc_thresh3 = 1024 };
	/* What runs names its bridge, counts its connections and puts elements on lines of their own. */
	h->net = (struct snap_libvirt_net){
		.name = "default", .bridge = "virbr9", .mode = "nat", .active = true, .persistent = true,
		.live_xml = "<network connections='1'><name>default</name><forward mode='nat'>\n<nat/></forward><bridge name='virbr9'/>"
			    "<ip address='10.9.0.1' netmask='255.255.255.0'>\n<dhcp><range start='10.9.0.2' end='10.9.0.9'/></dhcp></ip></network>",
		.stored_xml = "<network><name>default</name><forward mode='nat'/><bridge name='virbr9'/>"
			      "<ip address='10.9.0.1' netmask='255.255.255.0'><dhcp><range start='10.9.0.2' end='10.9.0.9'/></dhcp></ip></network>",
	};
}

static struct findings *judge(struct host *h, size_t n_vlans)
{
	struct snapshot *s = h->s;

	s->root = s->initial_netns = true;
	s->links = h->links, s->n_links = N - 1;
	s->vlans = h->vlans, s->n_vlans = n_vlans;
	s->nics = &h->nic, s->n_nics = 1;
	s->managers = &h->manager, s->n_managers = 1;
	s->hooks = &h->hook, s->n_hooks = 1;
	s->programs = &h->program, s->n_programs = 1;
	s->networks = &h->network, s->n_networks = 1;
	s->forwards = &h->forward, s->n_forwards = 1;
	s->sysctls = h->sysctls, s->n_sysctls = 2;
	s->libvirt_nets = &h->net, s->n_libvirt_nets = 1;
	s->neigh_tables = &h->neigh, s->n_neigh_tables = 1;
	s->routes = &h->route, s->n_routes = h->route.table != 0;
	s->rules = &h->rule, s->n_rules = h->rule.table != 0;
	s->sysctl_lines = &h->line, s->n_sysctl_lines = h->line.path != NULL;
	s->addrs = &h->addr, s->n_addrs = h->addr.ifindex != 0;
	snapshot_finish(s);
	return rules_judge(s);
}

static void vlan_none(struct host *h) { h->links[BR0 - 1].bridge.vlan_filtering = true; h->vlans[1].ifindex = 99; }
static void vlan_unfiltered(struct host *h) { h->vlans[1].ifindex = 99; }
static void vlan_tagged(struct host *h) { h->links[BR0 - 1].bridge.vlan_filtering = true; h->vlans[1].flags = 0; }
static void vlan_alone(struct host *h) { h->links[BR0 - 1].bridge.vlan_filtering = true; h->vlans[1].vid = h->vlans[1].vid_end = 7; }
static void vlan_range(struct host *h) { vlan_alone(h); h->vlans[0].vid_end = 10; }
static void other_mac(struct host *h) { h->nic.mac.b[5] = 6; }
static void other_main(struct host *h) { h->nic.rx_known = true; h->nic.rx_main.b[0] = 0x52; h->nic.rx_multicast = "normal"; }
static void promiscuous(struct host *h) { other_main(h); h->nic.rx_promiscuous = true; }
static void passthru(struct host *h) { other_mac(h); h->links[MT0 - 1].macvlan.mode = MACVLAN_MODE_PASSTHRU; }
static void wireless_lower(struct host *h) { h->links[ETH0 - 1].wireless = true; }
static void four_address(struct host *h) { wireless_lower(h); h->links[ETH0 - 1].four_address = true; }
static void wireless_port(struct host *h) { h->links[TAP1 - 1].wireless = true; }
static void managed(struct host *h) { h->manager.manages = true; h->manager.state = "connected"; }
static void manages_lan(struct host *h) { managed(h); h->manager.ifindex = ETH0; }
static void no_hook(struct host *h) { h->hook.present = false; }
static void others_hook(struct host *h) { h->hook.ours = false; }
static void no_forwards(struct host *h) { no_hook(h); h->forward.network = "other"; }
static void late_hook(struct host *h) { h->hook.changed = 3000; }
static void stopped(struct host *h) { late_hook(h); h->program.running = false; }
static void full(struct host *h) { h->sysctls[0].value = "262144"; }
static void many(struct host *h) { h->neigh.entries = 1024; h->neigh.table_fulls = 5; }
static void permanent(struct host *h) { h->neigh.entries = 1024; }
static void no_reader(struct host *h) { h->links[TAP0 - 1].carrier = false; h->links[TAP0 - 1].tun = (struct snap_tun){ .tap = true, .persist = true }; }
static void not_persistent(struct host *h) { no_reader(h); h->links[TAP0 - 1].tun.persist = false; }
static void degraded(struct host *h) { h->network.state = "degraded"; }
static void degraded_by_two(struct host *h)
{
	degraded(h);
	h->network.because = "ip a c drops guests' packets; run: nft 'insert rule ip a c one; insert rule ip a c two'\neth9 has no carrier";
}
static void net_edited(struct host *h)
{
	h->net.stored_xml = "<network><name>default</name><forward mode='nat'/><bridge name='virbr9'/>"
			    "<ip address='10.9.7.1' netmask='255.255.255.0'><dhcp><range start='10.9.7.2' end='10.9.7.9'/></dhcp></ip></network>";
}
static void net_grown(struct host *h)
{
	h->net.stored_xml = "<network><name>default</name><forward mode='nat'/><bridge name='virbr9'/><ip address='10.9.0.1' netmask='255.255.255.0'>"
			    "<dhcp><range start='10.9.0.2' end='10.9.0.9'/><host mac='52:54:00:00:00:05' ip='10.9.0.5'/></dhcp></ip></network>";
}
static void net_off(struct host *h) { net_edited(h); h->net.active = false; }
static void net_transient(struct host *h) { net_edited(h); h->net.persistent = false; }
static void net_unread(struct host *h) { h->net.stored_xml = ""; }
static void nothing(struct host *h) { (void)h; }

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	assert_true(ip_parse(text, &ip));
	return ip;
}

static void refuses_ra(struct host *h)
{
	h->links[ETH0 - 1].conf6 = (struct snap_conf6){ .present = true, .accept_ra = 1, .accept_ra_defrtr = 1, .accept_ra_pinfo = 1,
							.autoconf = 1, .forwarding = 1 };
	h->links[ETH0 - 1].inet6_flags = SNAP_IF_RA_RCVD;
}
static void default_by(struct host *h, uint32_t table, uint32_t oif)
{
	h->route = (struct snap_route){ .table = table, .dst = { .ip = { .family = AF_INET6 } }, .type = RTN_UNICAST, .oif = oif,
					.gateway = ip_of("fe80::1"), .protocol = RTPROT_RA, .metric = 1024 };
}
static void tunnel(struct host *h)
{
	refuses_ra(h);
	default_by(h, 51820, TAP1);
	h->rule = (struct snap_rule){ .family = AF_INET6, .priority = 5209, .action = FR_ACT_TO_TBL, .table = 51820, .mark = 51820,
				      .mask = UINT32_MAX, .invert = true, .suppress_prefixlen = -1, .iif = "", .oif = "" };
}
static void tunnel_for_some(struct host *h) { tunnel(h); h->rule.invert = false; }
static void in_vrf(struct host *h)
{
	refuses_ra(h);
	h->links[ETH0 - 1].conf6.forwarding = 0;
	h->links[MT0 - 1].kind = "dummy";
	h->addr = (struct snap_addr){ .ifindex = ETH0, .prefix = { ip_of("2001:db8::1"), 64 }, .valid_s = 100, .preferred_s = 100 };
	h->links[ETH0 - 1].slave_kind = "vrf";
	h->links[ETH0 - 1].master = 90;
	default_by(h, 10, ETH0);
}
static void not_in_vrf(struct host *h) { in_vrf(h); h->links[ETH0 - 1].slave_kind = ""; h->links[ETH0 - 1].master = 0; }
static void dead_default(struct host *h) { h->links[TAP1 - 1].kind = ""; default_by(h, RT_TABLE_MAIN, TAP1); }
static void live_default(struct host *h) { default_by(h, RT_TABLE_MAIN, ETH0); }
static void routed_tap(struct host *h)
{
	h->links[MT0 - 1].kind = "dummy";
	h->links[TAP1 - 1].master = 0;
	h->links[TAP1 - 1].slave_kind = "";
	h->addr = (struct snap_addr){ .ifindex = ETH0, .prefix = { ip_of("198.51.100.2"), 24 } };
	h->route = (struct snap_route){ .table = RT_TABLE_MAIN, .dst = { ip_of("198.51.100.50"), 32 }, .type = RTN_UNICAST, .oif = TAP1 };
}
static void through_vpn(struct host *h) { routed_tap(h); h->links[TAP1 - 1].tun.tap = false; }
static void boot_forgets(struct host *h)
{
	h->sysctls[0] = (struct snap_sysctl){ "net/ipv4/ip_forward", "1" };
	h->line = (struct snap_sysctl_line){ .path = "net/ipv4/ip_forward", .value = "0", .file = "/etc/sysctl.d/9.conf", .line = 2 };
	h->addr = (struct snap_addr){ .ifindex = BR0, .prefix = { ip_of("10.9.0.1"), 24 } };
	h->route = (struct snap_route){ .table = RT_TABLE_MAIN, .dst = { .ip = { .family = AF_INET } }, .type = RTN_UNICAST,
					.oif = ETH0, .gateway = ip_of("192.0.2.1") };
}
static void libvirt_sets_it(struct host *h) { boot_forgets(h); h->net.bridge = "br0"; }

static void faults(void **state)
{
	static const struct {
		const char *why;
		void (*make)(struct host *h);
		const char *id, *subject;	/* NULL: silent */
	} t[] = {
		{ "nothing is wrong", nothing, NULL, NULL },
		{ "a port in no VLAN", vlan_none, "bridge.vlan-missing", "tap0" },
		{ "nobody filters", vlan_unfiltered, NULL, NULL },
		{ "a guest that tags by itself", vlan_tagged, NULL, NULL },
		{ "alone in a VLAN", vlan_alone, "bridge.vlan-missing", "tap0" },
		{ "the bridge is in a range of VLANs with it", vlan_range, NULL, NULL },
		{ "the guest was given another MAC", other_mac, "macvtap.mac-mismatch", "mt0" },
		{ "the guest uses another MAC", other_main, "macvtap.mac-mismatch", "mt0" },
		{ "a guest that listens to everything", promiscuous, NULL, NULL },
		{ "passthru takes any MAC", passthru, NULL, NULL },
		{ "macvtap on a station", wireless_lower, "macvtap.wireless-lower", "eth0" },
		{ "4-address mode", four_address, NULL, NULL },
		{ "a station in a bridge", wireless_port, "bridge.wireless-port", "tap1" },
		{ "NetworkManager holds a tap", managed, "manager.touches-guest-ports", "NetworkManager" },
		{ "it holds the NIC, as it should", manages_lan, NULL, NULL },
		{ "no hook", no_hook, "hook.not-installed", "libvirt-qemu" },
		{ "somebody else's hook", others_hook, "hook.not-installed", "libvirt-qemu" },
		{ "no hook, and nobody needs it", no_forwards, NULL, NULL },
		{ "the hook came after libvirtd", late_hook, "hook.unnoticed", "libvirt-qemu" },
		{ "libvirtd will see it when it starts", stopped, NULL, NULL },
		{ "conntrack is full", full, "limit.conntrack-full", "net/netfilter/nf_conntrack_max" },
		{ "the neighbour table is full and was hit", many, "limit.neighbours-full", "net/ipv4/neigh/default/gc_thresh3" },
		{ "permanent neighbours don't count", permanent, NULL, NULL },
		{ "a persistent tap without a reader", no_reader, "tap.no-reader", "tap0" },
		{ "a libvirt network was edited, not restarted", net_edited, "persist.differs", "libvirt:default" },
		{ "a host was added to what is stored only", net_grown, "persist.differs", "libvirt:default" },
		{ "it isn't running: nothing differs", net_off, NULL, NULL },
		{ "it has no definition to come back to", net_transient, NULL, NULL },
		{ "its definition could not be read", net_unread, NULL, NULL },
		{ "a tap that goes with its reader", not_persistent, NULL, NULL },
		{ "forwarding, and RAs are ignored", refuses_ra, "ra.ignored-forwarding", "eth0" },
		{ "the way out is a tunnel's, in a table of its own", tunnel, NULL, NULL },
		{ "a table that only marked packets go by", tunnel_for_some, "ra.ignored-forwarding", "eth0" },
		{ "a guest with a route inside the LAN's prefix, and nobody answers ARP", routed_tap, "proxy.missing-entry", "eth0" },
		{ "one machine of another site's LAN, by a VPN", through_vpn, NULL, NULL },
		{ "a VRF's own default route", in_vrf, NULL, NULL },
		{ "the same table, and no VRF", not_in_vrf, "ra.no-default-router", "eth0" },
		{ "a default route that is older than the bridge", dead_default, "bridge.port-has-address", "tap1" },
		{ "the daemon says that a network isn't whole, and no more", degraded, "network.degraded", "default" },
		{ "the daemon says why", degraded_by_two, "network.degraded", "default" },
		{ "a default route where it belongs", live_default, NULL, NULL },
		{ "a bridge by hand, and the boot turns forwarding off", boot_forgets, "persist.differs", "net/ipv4/ip_forward" },
		{ "libvirt turns it on whenever the network starts", libvirt_sets_it, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct host h;

		healthy(&h);
		t[i].make(&h);
		_cleanup_(findings_freep) struct findings *found = judge(&h, 3);

		if (found->n != (t[i].id ? 1u : 0u))
			fail_msg("%s: %zu findings, the first %s on %s: %s", t[i].why, found->n,
				 found->n ? found->list[0]->rule->id : "", found->n ? found->list[0]->subject : "",
				 found->n ? found->list[0]->what : "");
		if (t[i].id) {
			assert_string_equal(found->list[0]->rule->id, t[i].id);
			assert_string_equal(found->list[0]->subject, t[i].subject);
		}
		h.s->links = NULL;
		snapshot_free(h.s);
	}
}

/* Each reason, and the commands of those that have one. */
static void what_the_daemon_says(void **state)
{
	struct host h;

	(void)state;
	healthy(&h);
	degraded_by_two(&h);
	_cleanup_(findings_freep) struct findings *found = judge(&h, 3);
	const struct diag_finding *f = findings_find(found, "network.degraded", "default");

	assert_non_null(f);
	assert_string_equal(f->what, "Network default is up, and not whole: ip a c drops guests' packets; eth9 has no carrier.");
	assert_int_equal(f->n_fixes, 1);
	assert_int_equal(f->fixes[0]->n_commands, 1);
	assert_string_equal(f->fixes[0]->commands[0], "nft 'insert rule ip a c one; insert rule ip a c two'");
	h.s->links = NULL;
	snapshot_free(h.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(faults), cmocka_unit_test(what_the_daemon_says) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
