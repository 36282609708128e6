/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stations that tests/netns/test_path.py doesn't reach: macvtap, proxies, devices that are down, settings that our
 * own daemon would put back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "diag/path.h"

/*
 * 2 eth0 (198.51.100.2/24, 2001:db8:1::2/64, default routes) · 3 br0 (10.0.0.1/24, fd00::1/64): 4 t1 (a), 5 t2 (b) ·
 * 6 mv0, 7 mv1 on eth0 (c, d) · 8 mvh, the host's own macvlan, without an address · 9 vr (r, routed: 2001:db8:1::50)
 */
static const char base[] =
	"{'format':'sixtap-snapshot','version':1,'br_netfilter':true,"
	"'conf4_all':{'present':true},'conf6_all':{'present':true,'forwarding':1,'proxy_ndp':1},'links':["
	"{'ifindex':2,'name':'eth0','mac':'02:00:00:00:00:02','flags':65,'conf4':{'present':true,'forwarding':1},"
	"  'conf6':{'present':true,'forwarding':1,'proxy_ndp':1}},"
	"{'ifindex':3,'name':'br0','kind':'bridge','mac':'02:00:00:00:00:03','flags':65,'bridge':{'mcast_snooping':true},"
	"  'conf4':{'present':true,'forwarding':1},'conf6':{'present':true,'forwarding':1}},"
	"{'ifindex':4,'name':'t1','kind':'tun','slave_kind':'bridge','master':3,'flags':65,'port':{'state':3,'flood':true,'mcast_flood':true,"
	"  'bcast_flood':true,'learning':true}},"
	"{'ifindex':5,'name':'t2','kind':'tun','slave_kind':'bridge','master':3,'flags':65,'port':{'state':3,'flood':true,'mcast_flood':true,"
	"  'bcast_flood':true,'learning':true}},"
	"{'ifindex':6,'name':'mv0','kind':'macvtap','lower':2,'flags':65,'mac':'52:54:00:00:00:0c','macvlan':{'mode':4}},"
	"{'ifindex':7,'name':'mv1','kind':'macvtap','lower':2,'flags':65,'mac':'52:54:00:00:00:0d','macvlan':{'mode':4}},"
	"{'ifindex':8,'name':'mvh','kind':'macvlan','lower':2,'flags':65,'mac':'52:54:00:00:00:0e','macvlan':{'mode':4},"
	"  'conf4':{'present':true,'forwarding':1},'conf6':{'present':true,'forwarding':1}},"
	"{'ifindex':9,'name':'vr','kind':'tun','flags':65,'conf4':{'present':true,'forwarding':1},'conf6':{'present':true,'forwarding':1}}],"
	"'addrs':[{'ifindex':2,'prefix':'198.51.100.2/24'},{'ifindex':2,'prefix':'2001:db8:1::2/64'},"
	"{'ifindex':3,'prefix':'10.0.0.1/24'},{'ifindex':3,'prefix':'fd00::1/64'}],"
	"'rules':[{'family':2,'action':1,'table':255,'suppress_prefixlen':-1},{'family':2,'action':1,'table':254,'priority':32766,"
	"  'suppress_prefixlen':-1},{'family':10,'action':1,'table':255,'suppress_prefixlen':-1},"
	"  {'family':10,'action':1,'table':254,'priority':32766,'suppress_prefixlen':-1}],"
	"'routes':[{'dst':'0.0.0.0/0','table':254,'type':1,'oif':2,'gateway':'198.51.100.1'},"
	"{'dst':'198.51.100.0/24','table':254,'type':1,'oif':2},{'dst':'10.0.0.0/24','table':254,'type':1,'oif':3},"
	"{'dst':'198.51.100.2/32','table':255,'type':2,'oif':2},{'dst':'10.0.0.1/32','table':255,'type':2,'oif':3},"
	"{'dst':'::/0','table':254,'type':1,'oif':2,'gateway':'fe80::1'},{'dst':'2001:db8:1::/64','table':254,'type':1,'oif':2},"
	"{'dst':'fd00::/64','table':254,'type':1,'oif':3},{'dst':'2001:db8:1::2/128','table':255,'type':2,'oif':2},"
	"{'dst':'fd00::1/128','table':255,'type':2,'oif':3},{'dst':'2001:db8:1::50/128','table':254,'type':1,'oif':9}],"
	"'proxies':[{'ifindex':2,'ip':'2001:db8:1::50'}],"
	"'mcasts':[{'ifindex':6,'mac':'33:33:ff:00:00:0c'},{'ifindex':7,'mac':'33:33:ff:00:00:0d'}],"
	"'guests':[{'name':'n/a','by':'sixtap','network':'n','guest':'a','running':true},{'name':'n/b','by':'sixtap','network':'n','guest':'b',"
	"'running':true},{'name':'c','by':'qemu','guest':'c','running':true},{'name':'d','by':'qemu','guest':'d','running':true},"
	"{'name':'r','by':'qemu','guest':'r','running':true}],"
	"'nics':[{'guest':'c','kind':'macvtap','device':'mv0','ifindex':6,'mac':'52:54:00:00:00:0c','live':true},"
	"{'guest':'d','kind':'macvtap','device':'mv1','ifindex':7,'mac':'52:54:00:00:00:0d','live':true},"
	"{'guest':'n/a','kind':'tap','device':'t1','ifindex':4,'mac':'52:54:00:00:00:0a','live':true},"
	"{'guest':'n/b','kind':'tap','device':'t2','ifindex':5,'mac':'52:54:00:00:00:0b','live':true},"
	"{'guest':'r','kind':'tap','device':'vr','ifindex':9,'mac':'52:54:00:00:00:0f','live':true}],"
	"'guest_addrs':[{'guest':'c','ip':'198.51.100.12'},{'guest':'c','ip':'2001:db8:1::c'},{'guest':'d','ip':'198.51.100.13'},"
	"{'guest':'d','ip':'2001:db8:1::d'},{'guest':'n/a','ip':'10.0.0.10'},{'guest':'n/a','ip':'fd00::a'},"
	"{'guest':'n/b','ip':'10.0.0.11'},{'guest':'n/b','ip':'fd00::b'},{'guest':'r','ip':'2001:db8:1::50'}]}";

/* With " for '. */
static json_t *parse(const char *text)
{
	_cleanup_(freep) char *copy = xstrdup(text);
	json_error_t e;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *o = json_loads(copy, JSON_DECODE_ANY, &e);
	if (!o)
		fail_msg("%s at %d", e.text, e.position);
	return o;
}

/* "links.2.port.isolated=true, addrs.0.prefix=…": members by name, elements by number (- appends). */
static void change(json_t *root, const char *what)
{
	_cleanup_(freep) char *copy = xstrdup(what);
	char *save, *one = strtok_r(copy, ";", &save);

	for (; one; one = strtok_r(NULL, ";", &save)) {
		char *eq = strchr(one, '='), *inner, *key, *next;
		json_t *at = root;

		*eq = '\0';
		key = strtok_r(one, ".", &inner);
		while ((next = strtok_r(NULL, ".", &inner))) {
			json_t *down = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);

			if (!down) {
				down = next[0] == '-' ? json_array() : json_object();
				assert_int_equal(json_object_set_new(at, key, down), 0);
			}
			at = down;
			key = next;
		}
		if (json_is_array(at) && key[0] == '-')
			(void)json_array_append_new(at, parse(eq + 1));
		else if (json_is_array(at))
			(void)json_array_remove(at, (size_t)atoi(key));
		else
			(void)json_object_set_new(at, key, parse(eq + 1));
	}
}

#define LIST2 "links.1.bridge.querier6='fe80::9';links.1.bridge.querier6_other_ms=1000"

/* eth0 is a port of br0, which has its addresses; guest a has one of the LAN's. */
#define SWITCHED "links.0.master=3;links.0.slave_kind='bridge';links.0.port={'state':3,'flood':true,'mcast_flood':true,'bcast_flood':true};" \
	"addrs.0.ifindex=3;addrs.1.ifindex=3;routes.0.oif=3;routes.1.oif=3;routes.3.oif=3;routes.5.oif=3;routes.6.oif=3;routes.8.oif=3;" \
	"guest_addrs.4.ip='198.51.100.50';guest_addrs.5.ip='2001:db8:1::a'"

static const struct {
	const char *why, *change, *from, *to;
	uint16_t port;
	uint8_t family;
	enum path_verdict verdict;
	const char *at, *said;	/* of the step that ends it */
} cases[] = {
	{ "guest to guest", "", "n/a", "n/b", 0, AF_INET6, PATH_PASS, "", "" },
	{ "guest to outside, nothing translates", "", "n/a", "outside", 0, AF_INET, PATH_DROP, "outside", "nothing translated it" },
	{ "the other end has no carrier", "links.3.flags=1", "n/a", "n/b", 0, AF_INET, PATH_DROP, "tap", "no program holds it" },
	{ "our own tap is down", "links.2.flags=0", "n/a", "n/b", 0, AF_INET, PATH_DROP, "tap", "t1 is down" },
	{ "spanning tree still listens", "links.2.port.state=1", "n/a", "outside", 0, AF_INET, PATH_DROP, "bridge", "listening" },
	{ "both isolated", "links.2.port.isolated=true;links.3.port.isolated=true", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge", "isolated" },
	{ "snooping, a querier, not listed", LIST2, "n/a", "n/b", 0, AF_INET6, PATH_DROP, "neighbours", "it snoops" },
	{ "snooping doesn't concern ARP", LIST2, "n/a", "n/b", 0, AF_INET, PATH_PASS, "", "" },
	{ "listed", LIST2 ";mdb.-={'bridge':3,'port':5,'group':'ff02::1:ff00:b'};mdb.-={'bridge':3,'port':4,'group':'ff02::1:ff00:a'}", "n/a",
	  "n/b", 0, AF_INET6, PATH_PASS, "", "" },
	{ "router ports hear everything", LIST2 ";links.3.port.mcast_router=2;links.2.port.mcast_router=2", "n/a", "n/b", 0, AF_INET6,
	  PATH_PASS, "", "" },
	{ "no querier: the bridge floods", "links.1.bridge.querier6='fe80::9'", "n/a", "n/b", 0, AF_INET6, PATH_PASS, "", "" },
	{ "learned elsewhere", "fdb.-={'bridge':3,'port':4,'mac':'52:54:00:00:00:0b'}", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge",
	  "has learned 52:54:00:00:00:0b at t1" },
	{ "unknown unicast isn't flooded", "links.3.port.flood=false", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge", "flood off" },
	{ "locked, and another MAC", "links.2.port.locked=true", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge", "is locked" },
	{ "locked, and its own", "links.2.port.locked=true;fdb.-={'bridge':3,'port':4,'mac':'52:54:00:00:00:0a'}", "n/a", "n/b", 0, AF_INET,
	  PATH_PASS, "", "" },
	{ "VLANs, no PVID", "links.1.bridge.vlan_filtering=true", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge", "no PVID" },
	{ "VLANs, not the same", "links.1.bridge.vlan_filtering=true;vlans.-={'ifindex':4,'vid':1,'vid_end':1,'flags':6};"
	  "vlans.-={'ifindex':5,'vid':2,'vid_end':9,'flags':6}", "n/a", "n/b", 0, AF_INET, PATH_DROP, "bridge", "isn't in VLAN 1" },
	{ "no forwarding, IPv6", "conf6_all.forwarding=0", "r", "outside", 0, AF_INET6, PATH_DROP, "routing", "doesn't forward IPv6" },
	{ "forced on the interface", "conf6_all.forwarding=0;links.7.conf6.force_forwarding=1;links.0.conf6.force_forwarding=1", "r", "outside",
	  0, AF_INET6, PATH_PASS, "", "" },
	{ "no forwarding, IPv4", "links.1.conf4.forwarding=0", "n/a", "outside", 0, AF_INET, PATH_DROP, "routing", "doesn't forward IPv4" },
	{ "a routed guest, by NDP proxy", "", "outside", "r", 0, AF_INET6, PATH_PASS, "", "" },
	{ "no proxy entry", "proxies.0=0", "outside", "r", 0, AF_INET6, PATH_DROP, "proxy", "no proxy entry" },
	{ "the answer needs it, too", "proxies.0=0", "r", "outside", 0, AF_INET6, PATH_DROP, "proxy", "no proxy entry" },
	{ "proxy_ndp is off", "conf6_all.proxy_ndp=0;links.0.conf6.proxy_ndp=0", "outside", "r", 0, AF_INET6, PATH_DROP, "proxy", "proxy_ndp=0" },
	{ "the uplink doesn't forward", "links.0.conf6.forwarding=0", "outside", "r", 0, AF_INET6, PATH_DROP, "proxy", "forwarding=0" },
	{ "macvtap to outside", "", "c", "outside", 0, AF_INET6, PATH_PASS, "", "" },
	{ "macvtap filters solicitations", "mcasts.0=0", "outside", "c", 0, AF_INET6, PATH_DROP, "macvtap", "33:33:ff:00:00:0c" },
	{ "not IPv4's", "mcasts.0=0", "outside", "c", 0, AF_INET, PATH_PASS, "", "" },
	{ "all multicast", "mcasts.0=0;links.4.flags=577", "outside", "c", 0, AF_INET6, PATH_PASS, "", "" },
	{ "another MAC", "links.4.mac='52:54:00:00:00:99'", "outside", "c", 0, AF_INET, PATH_DROP, "macvtap", "the guest's MAC is" },
	{ "the lower device is down", "links.0.flags=0", "c", "outside", 0, AF_INET, PATH_DROP, "lower device", "eth0 is down" },
	{ "two on one device, bridge", "", "c", "d", 0, AF_INET, PATH_PASS, "", "" },
	{ "private", "links.4.macvlan.mode=1;links.5.macvlan.mode=1", "c", "d", 0, AF_INET, PATH_DROP, "macvtap", "mode private" },
	{ "vepa", "links.4.macvlan.mode=2", "c", "d", 0, AF_INET, PATH_DROP, "macvtap", "vepa" },
	{ "macvtap to host", "", "c", "198.51.100.2", 0, AF_INET, PATH_DROP, "macvtap", "macvlan of its own" },
	{ "host to macvtap", "", "host", "c", 0, AF_INET, PATH_DROP, "macvtap", "macvlan of its own" },
	{ "the host has a macvlan", "addrs.-={'ifindex':8,'prefix':'198.51.100.7/32'};routes.-={'dst':'198.51.100.7/32','table':255,'type':2,'oif':8};"
	  "routes.-={'dst':'198.51.100.12/32','table':254,'type':1,'oif':8}", "c", "198.51.100.7", 0, AF_INET, PATH_PASS, "", "" },
	{ "rp_filter, the way back is another", "links.1.conf4.rp_filter=1;routes.-={'dst':'10.0.0.10/32','table':254,'type':1,'oif':2}", "n/a",
	  "10.0.0.1", 0, AF_INET, PATH_DROP, "routing", "rp_filter=1" },
	{ "loose", "links.1.conf4.rp_filter=2", "n/a", "10.0.0.1", 0, AF_INET, PATH_PASS, "", "" },
	{ "all counts where it is larger", "conf4_all.rp_filter=1;routes.-={'dst':'10.0.0.10/32','table':254,'type':1,'oif':2}", "n/a", "10.0.0.1",
	  0, AF_INET, PATH_DROP, "routing", "rp_filter=1" },
	{ "nobody listens", "", "n/a", "10.0.0.1", 80, AF_INET, PATH_DROP, "socket", "nothing on this host listens" },
	{ "somebody does", "listeners.-={'proto':6,'port':80,'ip':'::'}", "n/a", "10.0.0.1", 80, AF_INET, PATH_PASS, "", "" },
	{ "for IPv6 only", "listeners.-={'proto':6,'port':80,'ip':'::','v6only':true}", "n/a", "10.0.0.1", 80, AF_INET, PATH_DROP, "socket", "" },
	{ "no pings", "sysctls.-={'path':'net/ipv4/icmp_echo_ignore_all','value':'1'}", "n/a", "10.0.0.1", 0, AF_INET, PATH_DROP, "socket",
	  "echo_ignore_all" },
	{ "the router didn't answer", "neighs.-={'ifindex':2,'ip':'198.51.100.1','state':32}", "host", "outside", 0, AF_INET, PATH_UNKNOWN,
	  "neighbours", "didn't answer" },
	{ "a guest on the LAN, from outside", SWITCHED, "outside", "n/a", 0, AF_INET6, PATH_PASS, "", "" },
	{ "and out", SWITCHED, "n/a", "outside", 80, AF_INET, PATH_PASS, "", "" },
	{ "the LAN's port snoops", SWITCHED ";" LIST2, "outside", "n/a", 0, AF_INET6, PATH_DROP, "neighbours", "it snoops" },
	{ "the LAN's port has no carrier", SWITCHED ";links.0.flags=1", "outside", "n/a", 0, AF_INET, PATH_DROP, "bridge", "no port to the outside" },
	{ "a guest on the LAN, to the host", SWITCHED, "n/a", "198.51.100.2", 0, AF_INET, PATH_PASS, "", "" },
	{ "iptables-legacy", "legacy.-={'family':2,'name':'filter','entries':9,'empty':0}", "n/a", "10.0.0.1", 0, AF_INET, PATH_UNKNOWN, "input",
	  "iptables-legacy" },
	{ "iptables-legacy that was only looked at", "legacy.-={'family':2,'name':'filter','entries':4,'empty':1}", "n/a", "10.0.0.1", 0, AF_INET,
	  PATH_PASS, "", "" },
	{ "rules could not be read", "unread.-={'part':'nftables','why':'the kernel shows it to root only'}", "n/a", "10.0.0.1", 0, AF_INET,
	  PATH_UNKNOWN, "nftables", "root only" },
	{ "a drop behind what can't be told is still one",
	  "unread.-={'part':'nftables','why':'x'};links.2.port.state=1", "n/a", "10.0.0.1", 0, AF_INET, PATH_DROP, "bridge", "listening" },
};

static void test_stations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(snapshot_freep) struct snapshot *s = NULL;
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		json_t *root = parse(base);
		struct path_end from, to;
		struct path p;

		change(root, cases[i].change);
		if (snapshot_from_json(&s, root, "base", report) < 0)
			fail_msg("%s: %s", cases[i].why, report_get(report, 0)->what);
		json_decref(root);
		if (path_find_end(s, arena, cases[i].from, &from) || path_find_end(s, arena, cases[i].to, &to))
			fail_msg("%s: no such end", cases[i].why);
		path_walk(s, arena, &from, &to, cases[i].family, cases[i].port ? IPPROTO_TCP : 0, cases[i].port, &p);
		const struct path_step *end = p.there.verdict == PATH_DROP || p.answer.verdict != PATH_DROP ? p.there.end : NULL;
		if (!end)
			end = p.answer.end;
		if (p.verdict != cases[i].verdict)
			fail_msg("%s: %s at %s: %s", cases[i].why, path_verdict_name[p.verdict], end ? end->at : "-", end ? end->what : "-");
		if (cases[i].at[0] && (strcmp(end->at, cases[i].at) != 0 || !strstr(end->what, cases[i].said)))
			fail_msg("%s: it ends at %s: %s", cases[i].why, end->at, end->what);
	}
}

static void test_ends(void **state)
{
	static const struct {
		const char *why, *word;
		enum path_kind kind;	/* PATH_KIND_N_: refused */
		uint32_t device;
	} ends[] = {
		{ "by its whole name", "n/a", PATH_GUEST, 4 }, { "by its own", "b", PATH_GUEST, 5 }, { "by its interface", "t2", PATH_GUEST, 5 },
		{ "by its address", "10.0.0.10", PATH_GUEST, 4 }, { "the host's address", "10.0.0.1", PATH_HOST, 0 },
		{ "an address of nobody's", "192.0.2.1", PATH_OUTSIDE, 0 }, { "a word", "outside", PATH_OUTSIDE, 0 },
		{ "nobody", "n/x", PATH_KIND_N_, 0 }, { "two of one name", "twin", PATH_KIND_N_, 0 },
	};
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(snapshot_freep) struct snapshot *s = NULL;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	json_t *root = parse(base);

	(void)state;
	change(root, "guests.-={'name':'m/twin','by':'sixtap','guest':'twin'};guests.-={'name':'n/twin','by':'sixtap','guest':'twin'}");
	assert_int_equal(snapshot_from_json(&s, root, "base", report), 0);
	json_decref(root);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct path_end e;
		const char *wrong = path_find_end(s, arena, ends[i].word, &e);

		if ((wrong != NULL) != (ends[i].kind == PATH_KIND_N_))
			fail_msg("%s: %s", ends[i].why, wrong ? wrong : "taken");
		if (!wrong && (e.kind != ends[i].kind || e.device != ends[i].device))
			fail_msg("%s: kind %d, device %u", ends[i].why, (int)e.kind, e.device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stations), cmocka_unit_test(test_ends) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
