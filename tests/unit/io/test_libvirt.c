/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "io/libvirt.h"

#define NIC "<interface type='direct'><mac address='52:54:00:aa:bb:01'/>"
#define MAC "52:54:00:aa:bb:01"

static void test_parse(void **state)
{
	static const struct {
		const char *why, *xml;
		int want;
		size_t n;
		bool running;
		const char *mac, *nic;	/* of the first; in one: type, device, model, mode, source, trust */
	} t[] = {
		{ "as it runs", "<domstatus state='running'><domain type='kvm'><name>ha</name><devices>" NIC
		  "<source dev='eth0' mode='bridge'/><target dev='macvtap0'/><model type='virtio'/></interface>"
		  "<interface type='network'><mac address='52:54:00:aa:bb:02'/></interface></devices></domain></domstatus>", 0, 2,
		  true, MAC, "direct macvtap0 virtio bridge eth0 -" },
		{ "as it is defined", "<?xml version='1.0'?>\n<!-- edited by virsh -->\n<domain><devices>\n <interface type='direct'>\n"
		  "<mac address='52:54:00:AA:BB:01'/></interface></devices></domain>", 0, 1, false, MAC, "direct     -" },
		{ "of a network, which has a bridge while it runs", "<domain><devices><interface type='network'>"
		  "<source network='six' portid='1' bridge='virbr0'/></interface></devices></domain>", 0, 1, false,
		  "00:00:00:00:00:00", "network    virbr0 -" },
		{ "of a network that doesn't run", "<domain><devices><interface type='network' trustGuestRxFilters='yes'>"
		  "<source network='six' bridge=''/></interface></devices></domain>", 0, 1, false, "00:00:00:00:00:00",
		  "network    six yes" },
		{ "trusted no", "<domain><devices><interface type='bridge' trustGuestRxFilters='no'><source bridge='br0'/></interface>"
		  "</devices></domain>", 0, 1, false, "00:00:00:00:00:00", "bridge    br0 -" },
		{ "without devices", "<domain/>", 0, 0, false, NULL, NULL },
		{ "a NIC without anything", "<domain><devices><interface/></devices></domain>", 0, 1, false, "00:00:00:00:00:00",
		  "     -" },
		{ "a MAC that is none", "<domain><devices><interface type='direct'><mac address='x'/></interface></devices></domain>", 0,
		  1, false, "00:00:00:00:00:00", "direct     -" },
		{ "an interface elsewhere", "<domain><metadata>" NIC "</interface></metadata></domain>", 0, 0, false, NULL, NULL },
		{ "a device's name that is too long", "<domain><devices>" NIC "<target dev='much-too-long-a-name'/></interface>"
		  "</devices></domain>", 0, 1, false, MAC, "direct     -" },
		{ "a network", "<network><name>default</name></network>", 1, 0, false, NULL, NULL },
		{ "a state without a domain", "<domstatus><devices>" NIC "</interface></devices></domstatus>", 1, 0, false, NULL, NULL },
		{ "cut off", "<domain><devices>", 1, 0, false, NULL, NULL },
		{ "nothing", "", 1, 0, false, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct libvirt_guest g;
		int r = libvirt_parse(t[i].xml, strlen(t[i].xml), &g);

		if (r != t[i].want || g.n != t[i].n || g.running != t[i].running)
			fail_msg("%s: %d, %zu NICs", t[i].why, r, g.n);
		if (g.n == 0)
			continue;
		const struct libvirt_nic *nic = &g.nics[0];
		_cleanup_(freep) char *got = xasprintf("%s %s %s %s %s %s", nic->type, nic->device, nic->model, nic->mode,
						       nic->source, nic->trust_rx ? "yes" : "-");
		if (!str_eq(got, t[i].nic) || !str_eq(MAC_STR(&nic->mac), t[i].mac))
			fail_msg("%s: \"%s\", %s", t[i].why, got, MAC_STR(&nic->mac));
		libvirt_guest_clear(&g);
	}
}

static void test_network(void **state)
{
	static const struct {
		const char *why, *xml, *mode;
	} t[] = {
		{ "translated", "<network><name>six</name><forward mode='nat'/></network>", "nat" },
		{ "as virsh shows one that runs", "<network connections='2'><forward dev='e' mode='route'><interface dev='e'/></forward>"
		  "</network>", "route" },
		{ "alone", "<network><name>six</name></network>", "" },
		{ "no mode", "<network><forward/></network>", "" },
		{ "a domain", "<domain><forward mode='nat'/></domain>", "" },
		{ "nothing", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char mode[32] = "left";

		libvirt_parse_network(t[i].xml, strlen(t[i].xml), mode);
		if (!str_eq(mode, t[i].mode))
			fail_msg("%s: %s", t[i].why, mode);
	}
}

/* Many NICs, and entities that would grow. */
static void test_bounds(void **state)
{
	static const char bomb[] = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>";
	_cleanup_(freep) char *xml = xstrdup("<domain><devices>");
	struct libvirt_guest g;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		_cleanup_(freep) char *before = xml;

		xml = xasprintf("%s<interface type='direct'><mac address='52:54:00:00:00:%02x'/></interface>", before, i);
	}
	_cleanup_(freep) char *whole = xasprintf("%s</devices></domain>", xml);
	assert_int_equal(libvirt_parse(whole, strlen(whole), &g), 0);
	assert_int_equal(g.n, 20);
	assert_string_equal(MAC_STR(&g.nics[19].mac), "52:54:00:00:00:13");
	libvirt_guest_clear(&g);
	assert_int_equal(libvirt_parse(bomb, sizeof(bomb) - 1, &g), 0);
	libvirt_guest_clear(&g);
	assert_int_equal(libvirt_find("no such guest", false, &g), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
