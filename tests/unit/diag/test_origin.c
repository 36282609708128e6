/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "diag/origin.h"

static void keys(void **state)
{
	static const char file[] =
		"[Match]\nName=eth0\nUseGateway=no\n\n[Network]\nDHCP=yes\n# UseGateway=no\n[IPv6AcceptRA]\n"
		" usegateway = yes \nUseGateway=no\n;UseDNS=no\n[Other]\nUseGateway=yes";
	static const struct {
		const char *why, *section, *key, *value;
		uint32_t line;
	} t[] = {
		{ "the last one counts, in any case, without blanks", "IPv6AcceptRA", "UseGateway", "no", 10 },
		{ "a comment is none", "IPv6AcceptRA", "UseDNS", "", 0 },
		{ "of that section only", "Network", "UseGateway", "", 0 },
		{ "a last line without an end", "Other", "UseGateway", "yes", 13 },
		{ "no such section", "Link", "Name", "", 0 },
		{ "the beginning of a name is no name", "Network", "DHC", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char value[64] = "";
		uint32_t line = origin_key(file, t[i].section, t[i].key, value, sizeof(value));

		if (line != t[i].line || strcmp(value, t[i].value) != 0)
			fail_msg("%s: line %u, \"%s\"", t[i].why, line, value);
	}
}

static void yaml(void **state)
{
	static const char file[] = "# by cloud-init\nnetwork:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: "
				   "true\n\n      accept-ra: no\n"
				   "    \"eth1\":\n      dhcp4: true\n    eth10: {accept-ra: true, dhcp4: no}\n    "
				   "eth11:\n      match: {name: x}\n"
				   "      'accept-ra': false\n";
	static const struct {
		const char *why, *id;
		uint32_t line;
	} t[] = {
		{ "below the interface", "eth0", 8 },
		{ "not there: where the interface begins", "eth1", 9 },
		{ "in braces", "eth10", 11 },
		{ "quoted", "eth11", 14 },
		{ "another interface", "eth9", 0 },
		{ "the beginning of a name is no name", "eth", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (origin_yaml(file, t[i].id, "accept-ra") != t[i].line)
			fail_msg("%s: line %u", t[i].why, origin_yaml(file, t[i].id, "accept-ra"));
}

/* A host with two interfaces and some files; nothing of it is read. */
static struct snapshot *host(void)
{
	static struct snap_sysctl_line lines[] = {
		{ .path = "net/ipv6/conf/eth0/accept_ra",
		  .value = "2",
		  .file = "/etc/sysctl.d/10.conf",
		  .line = 1,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/eth0/accept_ra",
		  .value = "1",
		  .file = "/etc/sysctl.d/20.conf",
		  .line = 7,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/all/forwarding",
		  .value = "1",
		  .file = "/etc/sysctl.d/20.conf",
		  .line = 8,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/all/accept_ra",
		  .value = "0",
		  .file = "/etc/sysctl.d/20.conf",
		  .line = 9,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/default/autoconf",
		  .value = "0",
		  .file = "/etc/sysctl.d/20.conf",
		  .line = 10,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/default/forwarding",
		  .value = "0",
		  .file = "/etc/sysctl.d/20.conf",
		  .line = 11,
		  .by = "systemd-sysctl" },
		{ .path = "net/ipv6/conf/eth1/accept_ra",
		  .value = "0",
		  .file = "/etc/sysctl.conf",
		  .line = 3,
		  .by = "nobody" },
	};
	struct snapshot *s = snapshot_new();

	s->links = arena_alloc(s->arena, 4, sizeof(*s->links));
	s->n_links = 4;
	for (uint32_t i = 0; i < 4; i++)
		s->links[i] = (struct snap_link){ .ifindex = i + 2,
						  .name = (const char *const[]){ "eth0", "eth1", "eth2", "eth3" }[i] };
	s->sysctl_lines = arena_alloc(s->arena, ARRAY_LEN(lines), sizeof(*lines));
	memcpy(s->sysctl_lines, lines, sizeof(lines));
	s->n_sysctl_lines = ARRAY_LEN(lines);
	s->managers = arena_alloc(s->arena, 2, sizeof(*s->managers));
	s->n_managers = 2;
	s->managers[0] = (struct snap_manager){ .ifindex = 4,
						.manager = "ifupdown",
						.manages = true,
						.file = "/etc/network/interfaces.d/50-cloud-init",
						.source = "cloud-init",
						.ra_setting = "accept_ra 2",
						.ra_line = 12,
						.accepts_ra = -1 };
	s->managers[1] = (struct snap_manager){ .ifindex = 5,
						.manager = "systemd-networkd",
						.manages = true,
						.handles_ra = 1,
						.accepts_ra = 1,
						.file = "/etc/systemd/network/eth3.network",
						.ra_setting = "",
						.source = "" };
	s->networks = arena_alloc(s->arena, 1, sizeof(*s->networks));
	s->n_networks = 1;
	s->networks[0] = (struct snap_network){ .name = "lan", .state = "up", .uplink = "eth1" };
	snapshot_finish(s);
	return s;
}

static void sysctls(void **state)
{
	static const struct {
		const char *why, *link, *setting;
		int64_t value;
		const char *set_by, *note;
	} t[] = {
		{ "the later file", "eth0", "accept_ra", 1, "/etc/sysctl.d/20.conf:7", "" },
		{ "changed since", "eth0", "accept_ra", 0, "", "/etc/sysctl.d/20.conf:7 says 1" },
		{ "conf/all is copied", "eth0", "forwarding", 1, "/etc/sysctl.d/20.conf:8", "" },
		{ "conf/all/accept_ra isn't", "eth1", "accept_ra", 0, "", "" },
		{ "conf/default is where interfaces begin", "eth1", "autoconf", 0, "/etc/sysctl.d/20.conf:10", "" },
		{ "a file that nobody reads", "eth1", "accept_ra", 1, "sixtap up, network lan", "" },
		{ "by the network that it is the uplink of", "eth1", "accept_ra", 2, "sixtap up, network lan", "" },
		{ "in ifupdown's stanza", "eth2", "accept_ra", 2, "/etc/network/interfaces.d/50-cloud-init:12",
		  "cloud-init wrote" },
		{ "ifupdown says something else", "eth2", "accept_ra", 1, "", "" },
		{ "networkd turns the kernel off", "eth3", "accept_ra", 0, "systemd-networkd", "" },
		{ "nothing known", "eth3", "router_solicitations", -1, "", "" },
	};
	_cleanup_(snapshot_freep) struct snapshot *s = host();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct origin o;

		origin_sysctl(s, snap_link_by_name(s, t[i].link), t[i].setting, t[i].value, &o);
		if (strcmp(o.set_by, t[i].set_by) != 0 || strncmp(o.note, t[i].note, strlen(t[i].note)) != 0 ||
		    !*o.note != !*t[i].note)
			fail_msg("%s: \"%s\", \"%s\"", t[i].why, o.set_by, o.note);
	}
}

static void manager_options(void **state)
{
	static const struct {
		const char *why, *manager, *text;
		int address, gateway;
		const char *what;
		unsigned int line;
	} t[] = {
		{ "nothing said", "systemd-networkd", "[Network]\n", -1, -1, "", 0 },
		{ "no gateway", "systemd-networkd", "[IPv6AcceptRA]\nUseGateway=false\n", -1, 0, "UseGateway=false",
		  2 },
		{ "no address", "systemd-networkd", "[IPv6AcceptRA]\n\nUseAutonomousPrefix=no\n", 0, -1,
		  "UseAutonomousPrefix=no", 3 },
		{ "all of it", "systemd-networkd", "[IPv6AcceptRA]\nUseAutonomousPrefix=yes\nUseGateway=1\n", 1, 1, "",
		  0 },
		{ "NetworkManager's word is the other way round", "NetworkManager",
		  "[ipv6]\nmethod=auto\nnever-default=true\n", -1, 0, "never-default=true", 3 },
		{ "and said to be off", "NetworkManager", "[ipv6]\nnever-default=false\n", -1, 1, "", 0 },
		{ "not a word of its", "NetworkManager", "[IPv6AcceptRA]\nUseGateway=no\n", -1, -1, "", 0 },
	};
	char path[] = "/tmp/test_originXXXXXX", want[128];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct snap_manager m = { .manager = t[i].manager, .file = path };
		struct origin_ra o;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, t[i].text, strlen(t[i].text), 0), (ssize_t)strlen(t[i].text));
		origin_ra_options(&m, &o);
		(void)snprintf(want, sizeof(want), "%s:%u", path, t[i].line);
		if (o.address != t[i].address || o.gateway != t[i].gateway || strcmp(o.what, t[i].what) != 0 ||
		    strcmp(o.set_by, t[i].line ? want : "") != 0)
			fail_msg("%s: address %d gateway %d \"%s\" by \"%s\"", t[i].why, o.address, o.gateway, o.what,
				 o.set_by);
	}
	(void)close(fd);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(yaml),
		cmocka_unit_test(sysctls),
		cmocka_unit_test(manager_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
