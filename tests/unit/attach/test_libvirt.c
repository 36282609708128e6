/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "attach/libvirt.h"
#include "base/mem.h"

static void test_parse(void **state)
{
	static const struct {
		const char *why, *xml;
		int want;
		size_t n, n_others;
		bool running;
		const char *device;	/* of the first */
	} t[] = {
		{ "as it runs", "<domstatus state='running'><domain type='kvm'><name>ha</name><devices><interface type='direct'>"
		  "<mac address='52:54:00:aa:bb:01'/><source dev='eth0' mode='bridge'/><target dev='macvtap0'/></interface>"
		  "<interface type='network'><mac address='52:54:00:aa:bb:02'/></interface></devices></domain></domstatus>", 0, 1, 1,
		  true, "macvtap0" },
		{ "as it is defined", "<?xml version='1.0'?>\n<!-- edited by virsh -->\n<domain><devices>\n <interface type='direct'>\n"
		  "<mac address='52:54:00:AA:BB:01'/></interface></devices></domain>", 0, 1, 0, false, "" },
		{ "without devices", "<domain/>", 0, 0, 0, false, NULL },
		{ "a NIC without MAC", "<domain><devices><interface type='direct'/></devices></domain>", 0, 0, 0, false, NULL },
		{ "a MAC that is none", "<domain><devices><interface type='direct'><mac address='x'/></interface></devices></domain>", 0,
		  0, 0, false, NULL },
		{ "an interface elsewhere", "<domain><metadata><interface type='direct'><mac address='52:54:00:aa:bb:01'/></interface>"
		  "</metadata></domain>", 0, 0, 0, false, NULL },
		{ "a device's name that is too long", "<domain><devices><interface type='direct'><mac address='52:54:00:aa:bb:01'/>"
		  "<target dev='much-too-long-a-name'/></interface></devices></domain>", 0, 1, 0, false, "" },
		{ "a network", "<network><name>default</name></network>", 1, 0, 0, false, NULL },
		{ "cut off", "<domain><devices>", 1, 0, 0, false, NULL },
		{ "nothing", "", 1, 0, 0, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct libvirt_guest g;
		int r = libvirt_parse(t[i].xml, strlen(t[i].xml), &g);

		if (r != t[i].want)
			fail_msg("%s: %d", t[i].why, r);
		if (r != 0)
			continue;
		if (g.n != t[i].n || g.n_others != t[i].n_others || g.running != t[i].running)
			fail_msg("%s: %zu and %zu", t[i].why, g.n, g.n_others);
		if (g.n > 0 && (!str_eq(g.nics[0].device, t[i].device) || !str_eq(MAC_STR(&g.nics[0].mac), "52:54:00:aa:bb:01")))
			fail_msg("%s: %s", t[i].why, g.nics[0].device);
	}
}

/* More NICs than are read, and entities that would grow. */
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
	assert_int_equal(g.n, LIBVIRT_NICS);
	assert_int_equal(libvirt_parse(bomb, sizeof(bomb) - 1, &g), 0);
	assert_int_equal(libvirt_find("no such guest", false, &g), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
