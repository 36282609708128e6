/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_read(): place and words of each finding; whole messages are in tests/golden/conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "conf/conf.h"

static const struct conf_seed seed = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static int read_text(const char *text, struct report *report, struct desired **ret)
{
	struct conf_source source = { "t.yaml", text, strlen(text), "/etc/sixtap" };

	return conf_read(&source, 1, &seed, report, ret);
}

/* One wrong thing each; "lan" is line 2 throughout. */
#define LAN "networks:\n  lan: "

static void test_one_error(void **state)
{
	static const struct {
		const char *text;
		unsigned int line, column;
		const char *key, *in_what, *in_help;
	} t[] = {
		{ LAN "{ mode: natt }", 2, 16, "networks.lan.mode", "\"natt\" isn't a mode", "\"nat\"" },
		{ LAN "{ mode: routed }", 2, 16, "networks.lan.mode", "not built yet", NULL },
		{ LAN "{ mode: macvtap, macvtap: { mode: vpea } }", 2, 42, "networks.lan.macvtap.mode", "isn't", "\"vepa\"" },
		{ LAN "{ mode: macvtap, macvtap: { mode: source } }", 2, 42, "networks.lan.macvtap.mode", "lets nothing in", "sources" },
		{ LAN "{ mode: macvtap, macvtap: { sources: [\"52:54:00:00:00:01\"] } }", 2, 45, "networks.lan.macvtap.sources",
		  "only mode source", "mode: source" },
		{ LAN "{ mode: macvtap, macvtap: { broadcast-queue: 0 } }", 2, 53, "networks.lan.macvtap.broadcast-queue",
		  "out of range", "1000000" },
		{ LAN "{ mode: macvtap, macvtap: { multicast: some } }", 2, 47, "networks.lan.macvtap.multicast", "isn't", NULL },
		{ LAN "{ mode: macvtap, macvtap: { mode: vepa }, host-access: yes }", 2, 63, "networks.lan.host-access", "in mode vepa",
		  "mode: bridge" },
		{ LAN "{ mode: macvtap, host-access: 192.168.0.5 }", 2, 38, "networks.lan.host-access", "neither yes, no", "/24" },
		{ LAN "{ mode: macvtap, host-access: [192.0.2.5/24, 192.0.2.6/24] }", 2, 53, "networks.lan.host-access",
		  "a second IPv4", "keep one" },
		{ LAN "{ mode: macvtap, host-access: services }", 2, 38, "networks.lan.host-access", "neither yes, no", NULL },
		{ LAN "{ mode: macvtap, ipv4: off }", 2, 25, "networks.lan.ipv4", "mode macvtap", NULL },
		{ LAN "{ mode: hostdev, uplink: eth0 }", 2, 16, "networks.lan.mode", "not built yet", NULL },
		{ LAN "{ mode: passthru }", 2, 16, "networks.lan.mode", "isn't a mode", "\"hostdev\"" },
		{ LAN "{ adopt: x }", 2, 10, "networks.lan.adopt", "not built yet", NULL },
		{ "adopt: { macvtap: [\"xen:dom\"] }", 1, 21, "adopt.macvtap", "xen:dom is a Xen guest", "leave it out" },
		{ "adopt: { macvtap: [eth0, \"a/b\"] }", 1, 27, "adopt.macvtap", "a/b has characters", NULL },
		{ "adopt: { macvtap: a-name-that-is-long }", 1, 19, "adopt.macvtap", "can't be an interface", "libvirt:NAME" },
		{ "adopt: { macvtap: [{ monitor: /run/q }] }", 1, 20, "adopt.macvtap", "a guest without subject", "subject: macvtap0" },
		{ "adopt: { macvtap: [{ subject: macvtap0, monitor: q }] }", 1, 50, "adopt.macvtap.monitor", "isn't an absolute path",
		  "server=on" },
		{ "adopt: { macvtap: [{ subject: \"libvirt:ha\", monitor: /q }] }", 1, 54, "adopt.macvtap.monitor",
		  "keeps its monitor to itself", NULL },
		{ "adopt: { macvtap: [{ subject: macvtap0, mon: /q }] }", 1, 41, "adopt.macvtap.mon", "unknown", "monitor" },
		{ "adopt: { tap: all }", 1, 10, "adopt.tap", "unknown", NULL },
		{ LAN "{ ipv6: { address: delegated } }", 2, 27, "networks.lan.ipv6.address", "not built yet", NULL },
		{ LAN "{ ipv6: { address: on-link } }", 2, 27, "networks.lan.ipv6.address", "not built yet", NULL },
		{ LAN "{ moed: nat }", 2, 10, "networks.lan.moed", "unknown key", "\"mode\"" },
		{ LAN "{ mode: bridge, nat-ports: 1-2 }", 2, 24, "networks.lan.nat-ports", "mode bridge", "mode nat" },
		{ LAN "{ mode: isolated, uplink: x }", 2, 26, "networks.lan.uplink", "mode isolated", "nat, routed" },
		{ LAN "{ uplink: \"a b\" }", 2, 19, "networks.lan.uplink", "name of a device", NULL },
		{ LAN "{ bridge: a/b }", 2, 18, "networks.lan.bridge", "name of a device", NULL },
		{ LAN "{ bridge: all }", 2, 18, "networks.lan.bridge", "cannot be called \"all\"", "bridge: NAME" },
		{ "networks:\n  all: {}", 2, 3, "networks.all.bridge", "cannot be called \"all\"", "bridge: NAME" },
		{ LAN "{ mac: 41135085296 }", 2, 15, "networks.lan.mac", "a number (41135085296)", "52:54:00:12:34:56" },
		{ LAN "{ mac: \"ff:ff:ff:ff:ff:ff\" }", 2, 16, "networks.lan.mac", "multicast", NULL },
		{ LAN "{ mac: \"00:00:5e:00:01:07\" }", 2, 16, "networks.lan.mac", "VRRP", NULL },
		{ LAN "{ mtu: 1279 }", 2, 15, "networks.lan.mtu", "IPv6 needs", "ipv6: off" },
		{ LAN "{ mtu: 575, ipv6: off }", 2, 15, "networks.lan.mtu", "out of range", "576" },
		{ LAN "{ mtu: 65522 }", 2, 15, "networks.lan.mtu", "out of range", "65521" },
		{ LAN "{ lease: 119 }", 2, 17, "networks.lan.lease", "too short", "2m" },
		{ LAN "{ lease: 366d }", 2, 17, "networks.lan.lease", "too long", "365d" },
		{ LAN "{ lease: soon }", 2, 17, "networks.lan.lease", "isn't a duration", "1h" },
		{ LAN "{ nat-ports: 80 }", 2, 21, "networks.lan.nat-ports", "isn't a range", "50000-65535" },
		{ LAN "{ nat-ports: 0-80 }", 2, 21, "networks.lan.nat-ports", "isn't a range", "50000-65535" },
		{ LAN "{ nat-address: [192.0.2.1, 192.0.2.2] }", 2, 35, "networks.lan.nat-address", "more than 1 IPv4", NULL },
		{ LAN "{ dns: of }", 2, 15, "networks.lan.dns", "isn't one of its values", "\"off\"" },
		{ LAN "{ dns: [127.0.0.1] }", 2, 16, "networks.lan.dns", "address of a machine", NULL },
		{ LAN "{ host-access: service }", 2, 23, "networks.lan.host-access", "isn't one", "\"services\"" },
		{ LAN "{ host-access: 192.168.0.5/24 }", 2, 23, "networks.lan.host-access", "isn't one", "yes, services or no" },
		{ LAN "{ spoof-check: auto }", 2, 23, "networks.lan.spoof-check", "isn't one", "no or yes" },
		{ LAN "{ allow: [1000] }", 2, 18, "networks.lan.allow", "isn't a user's name", NULL },
		{ LAN "{ ipv4: 10.0.0.1/24 }", 2, 16, "networks.lan.ipv4", "an address where", "{ address: 10.0.0.1/24 }" },
		{ LAN "{ ipv4: { address: 10.1.1.1/33 } }", 2, 27, "networks.lan.ipv4.address", "33 is more than 32", "10.1.1.1/24" },
		{ LAN "{ ipv4: { address: 10.1.1.0/24 } }", 2, 27, "networks.lan.ipv4.address", "network's own", "10.1.1.1/24" },
		{ LAN "{ ipv4: { address: 10.1.1.1/31 } }", 2, 27, "networks.lan.ipv4.address", "too long", "/8 to /30" },
		{ LAN "{ ipv4: { address: 10.1.1.1 } }", 2, 27, "networks.lan.ipv4.address", "no prefix length", "10.1.1.1/24" },
		{ LAN "{ ipv6: { address: \"fd00::1/65\" } }", 2, 28, "networks.lan.ipv6.address", "SLAAC needs a /64", "/64" },
		{ LAN "{ ipv6: { address: \"fd00::1/63\" } }", 2, 28, "networks.lan.ipv6.address", "too short", "/64" },
		{ LAN "{ ipv6: { address: \"fd00::/64\" } }", 2, 28, "networks.lan.ipv6.address", "anycast", "fd00::1/64" },
		{ LAN "{ ipv6: { assign: dhcp, dhcp: off } }", 2, 38, "networks.lan.ipv6.dhcp", "no address", "slaac" },
		{ LAN "{ guests: { Web: {} } }", 2, 20, "networks.lan.guests.Web", "no capital", "lower case" },
		{ LAN "{ guests: { w: { ipv4: 10.0.0.9 } } }", 2, 31, "networks.lan.guests.w.ipv4", "only chosen at run time", "address" },
		{ LAN "{ ipv6: off, guests: { w: { ipv6: \"fd00::9\" } } }", 2, 43, "networks.lan.guests.w.ipv6", "has no IPv6", "auto" },
		{ LAN "{ ipv4: { address: 10.0.0.1/24 }, guests: { w: { ipv4: 10.0.1.9 } } }", 2, 63, "networks.lan.guests.w.ipv4",
		  "isn't inside 10.0.0.0/24", "10.0.0.10" },
		{ LAN "{ guests: { w: { forward: [481342] } } }", 2, 35, "networks.lan.guests.w.forward", "a number (481342)", "8022:22" },
		{ LAN "{ guests: { w: { forward: [\"1:1\", \"1:2\"] } } }", 2, 43, "networks.lan.guests.w.forward", "forwarded twice", NULL },
		{ "networks:\n  Lan: {}", 2, 3, "networks.Lan", "a-z, 0-9", NULL },
		{ "networks:\n  sixteen-letters-x: {}", 2, 3, "networks.sixteen-letters-x", "1 to 15 characters", NULL },
		{ "network: {}", 1, 1, "network", "unknown key", "\"networks\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(report_freep) struct report *report = report_new();
		struct desired *desired = NULL;
		int r = read_text(t[i].text, report, &desired);

		if (r != 1 || desired || report_n(report) != 1 || report_exit_status(report) != 2) {
			report_print(report, stderr, false);
			fail_msg("%s: %d, %zu findings", t[i].text, r, report_n(report));
		}
		const struct finding *f = report_get(report, 0);
		if (f->where.line != t[i].line || f->where.column != t[i].column || !str_eq(f->key, t[i].key) ||
		    !strstr(f->what, t[i].in_what) || (t[i].in_help && (!f->help || !strstr(f->help, t[i].in_help))))
			fail_msg("%s\n%u:%u: %s: %s; %s", t[i].text, f->where.line, f->where.column, f->key, f->what, f->help);
	}
}

/* The same host, the same names: the same addresses, whatever else the file holds. */
static void test_stable(void **state)
{
	static const char *const texts[] = {
		"networks:\n  lan: { guests: { web: {}, db: {} } }\n",
		"networks:\n  zoo: {}\n  alpha: { guests: { web: {} } }\n  lan: { guests: { db: {}, other: {}, web: {} } }\n",
	};
	struct mac mac[2] = { 0 };
	struct prefix ula[2] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(desired_freep) struct desired *desired = NULL;

		assert_int_equal(read_text(texts[i], report, &desired), 0);
		const struct d_network *net = desired_network(desired, "lan");
		mac[i] = desired_guest(net, "web")->mac;
		ula[i] = net->address6;
		assert_int_equal(mac[i].b[0] << 16 | mac[i].b[1] << 8 | mac[i].b[2], 0x525400);
		assert_true(ip_is_ula(&ula[i].ip) && ula[i].ip.b[0] == 0xfd && ula[i].ip.b[15] == 1 && ula[i].len == 64);
		const struct mac alone = conf_guest_mac(&seed, "lan", "web", 0);
		assert_true(mac_eq(&mac[i], &alone));
		if (i == 1)	/* one global id a host, a subnet a network */
			assert_memory_equal(desired_network(desired, "zoo")->address6.ip.b, ula[1].ip.b, 6);
	}
	assert_true(mac_eq(&mac[0], &mac[1]));
	assert_true(prefix_eq(&ula[0], &ula[1]));
}

/* Somebody has written the derived values into the file, for another guest. */
static void test_collisions(void **state)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL, *again = NULL;
	const struct mac web = conf_guest_mac(&seed, "lan", "web", 0), next = conf_guest_mac(&seed, "lan", "web", 1);

	(void)state;
	assert_int_equal(read_text("networks:\n  lan: {}\n", report, &desired), 0);
	const struct prefix ula = desired_network(desired, "lan")->address6;
	_cleanup_(freep) char *text = xasprintf("networks:\n  lan: { guests: { web: {}, x: { mac: \"%s\" } } }\n"
						"  other: { ipv6: { address: \"%s\" } }\n", MAC_STR(&web), PREFIX_STR(&ula));
	assert_int_equal(read_text(text, report, &again), 0);
	const struct d_network *lan = desired_network(again, "lan");
	assert_true(mac_eq(&desired_guest(lan, "web")->mac, &next));
	assert_int_equal(ip_distance(&ula.ip, &lan->address6.ip) == UINT64_MAX, 1);	/* the next /64 */
	assert_int_equal(lan->address6.ip.b[7], (uint8_t)(ula.ip.b[7] + 1));
}

static void test_places(void **state)
{
	static const char text[] = "networks:\n"
				   "  lan:\n"
				   "    mode: nat\n"
				   "    uplink: eth0\n"
				   "    bridge: br9\n"
				   "    ipv4: { address: 10.0.0.1/24 }\n"
				   "    ipv6: ula\n"
				   "    guests:\n"
				   "      web:\n"
				   "        ipv4: [10.0.0.9]\n"
				   "        mac: \"52:54:00:00:00:01\"\n"
				   "        forward: [\"80:80\"]\n";
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;

	(void)state;
	assert_int_equal(read_text(text, report, &desired), 0);
	const struct d_network *n = &desired->networks[0];
	const struct d_guest *g = &n->guests[0];
	const struct where *places[] = { &n->where, &n->mode_where, &n->uplink_where, &n->bridge_where, &n->ipv4_where,
					 &n->ipv6_where, &g->where, &g->ip_where[0], &g->mac_where, &g->forwards[0].where };
	static const unsigned int want[][2] = { { 2, 3 }, { 3, 11 }, { 4, 13 }, { 5, 13 }, { 6, 11 },
						{ 7, 11 }, { 9, 7 }, { 10, 16 }, { 11, 15 }, { 12, 20 } };
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		assert_string_equal(places[i]->file, "t.yaml");
		assert_int_equal(places[i]->line, want[i][0]);
		assert_int_equal(places[i]->column, want[i][1]);
	}
	assert_string_equal(n->source, "/etc/sixtap");
	assert_string_equal(n->file, "t.yaml");
}

static void test_sources(void **state)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *none = NULL, *desired = NULL;
	struct desired *refused = NULL;
	static const struct conf_source two[] = {
		{ "b.yaml", "networks: { b: {} }", 19, "d" },
		{ "a.yaml", "networks: { c: {}, a: {} }", 26, "d" },
	};
	struct conf_source big = { "big.yaml", NULL, CONF_FILE_MAX + 1, "d" };
	_cleanup_(freep) char *text = xcalloc(big.len + 1, 1);

	(void)state;
	assert_int_equal(conf_read(NULL, 0, &seed, report, &none), 0);
	assert_int_equal(none->n_networks, 0);
	assert_int_equal(conf_read(two, 2, &seed, report, &desired), 0);
	assert_int_equal(desired->n_networks, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(desired->networks[i].name, ((const char *[]){ "a", "b", "c" })[i]);
	memset(text, '#', big.len);
	big.text = text;
	assert_int_equal(conf_read(&big, 1, &seed, report, &refused), 1);
	assert_null(refused);
	assert_non_null(strstr(report_get(report, 0)->what, "1 MiB"));

	/* An error that was there before isn't counted. */
	_cleanup_(desired_freep) struct desired *again = NULL;
	assert_int_equal(conf_read(two, 2, &seed, report, &again), 0);
}

static int cmp_mac(const void *a, const void *b)
{
	return memcmp(((const struct mac *)a)->b, ((const struct mac *)b)->b, 6);
}

/* Thousands of guests: seconds would mean that a search is quadratic. */
static void test_many(void **state)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	(void)fputs("networks:\n  lan:\n    ipv4: { address: 10.0.0.1/8 }\n    guests:\n", f);
	for (unsigned int i = 0; i < 10000; i++)
		(void)fprintf(f, "      g%u: { ipv4: 10.%u.%u.7, forward: [\"%u:80\"] }\n", i, i >> 8, i & 255, i + 1000);
	(void)fclose(f);
	assert_int_equal(read_text(text, report, &desired), 0);
	const struct d_network *net = &desired->networks[0];
	_cleanup_(freep) struct mac *macs = xcalloc(net->n_guests, sizeof(*macs));
	assert_int_equal(net->n_guests, 10000);
	for (size_t i = 0; i < net->n_guests; i++)
		macs[i] = net->guests[i].mac;
	qsort(macs, net->n_guests, sizeof(*macs), cmp_mac);
	for (size_t i = 1; i < net->n_guests; i++)	/* 24 bits: three of them fall on another at first */
		assert_true(!mac_eq(&macs[i - 1], &macs[i]));
}

/* 16 bits of subnet: with 1500 networks some fall on another's at first. */
static void test_many_networks(void **state)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(freep) char *text = NULL;
	uint8_t *seen = xcalloc(65536, 1);
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	(void)fputs("networks:\n", f);
	for (unsigned int i = 0; i < 1500; i++)
		(void)fprintf(f, "  n%u:\n", i);
	(void)fclose(f);
	assert_int_equal(read_text(text, report, &desired), 0);
	for (size_t i = 0; i < desired->n_networks; i++) {
		const uint8_t *b = desired->networks[i].address6.ip.b;

		assert_memory_equal(b, desired->networks[0].address6.ip.b, 6);
		assert_int_equal(seen[b[6] << 8 | b[7]]++, 0);
	}
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_error), cmocka_unit_test(test_stable),  cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_places),	  cmocka_unit_test(test_sources), cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
