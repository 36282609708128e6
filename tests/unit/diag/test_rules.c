/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_rules - rules over snapshots made by hand: what a network namespace can't show
 *
 * Other programs that handle RAs, libvirt's networks, parts that could not be
 * read. The rest is in tests/netns, made for real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include "diag/role.h"
#include "diag/rule.h"
#include "diag/snapshot.h"

/* A host that lives on RAs by eth0, with a tap in br0. */
struct host {
	struct snapshot *s;
	struct snap_link links[4];
	struct snap_addr addrs[4];
	struct snap_route routes[4];
	struct snap_counter counters[1];
	struct snap_manager managers[1];
	struct snap_sysctl_line lines[1];
	struct snap_libvirt_net nets[1];
};

static struct prefix prefix(const char *text)
{
	struct prefix p = { 0 };

	assert_true(prefix_parse(text, &p));
	return p;
}

static struct snap_link *link_add(struct host *h, uint32_t index, const char *name, const char *kind)
{
	struct snap_link *l = &h->links[h->s->n_links++];

	*l = (struct snap_link){
		.ifindex = index,
		.name = name,
		.kind = kind,
		.mtu = 1500,
		.flags = IFF_UP | IFF_RUNNING,
		.carrier = true,
		.conf4 = { .present = true },
		.conf6 = { .present = true, .accept_ra = 1, .accept_ra_defrtr = 1, .accept_ra_pinfo = 1, .autoconf = 1 },
	};
	return l;
}

static struct host *host_new(void)
{
	struct host *h = NEW(struct host);
	struct snapshot *s = h->s = snapshot_new();

	s->root = true;
	s->links = h->links;
	s->addrs = h->addrs;
	s->routes = h->routes;
	s->counters = h->counters;
	s->managers = h->managers;
	s->sysctl_lines = h->lines;
	s->libvirt_nets = h->nets;
	s->conf6_all = (struct snap_conf6){ .present = true, .accept_ra = 1 };
	(void)link_add(h, 2, "eth0", "");
	(void)link_add(h, 3, "br0", "bridge");
	*link_add(h, 4, "tap0", "tun") = (struct snap_link){
		.ifindex = 4, .name = "tap0", .kind = "tun", .master = 3, .slave_kind = "bridge", .tun = { .tap = true, .queues = 1 },
		.flags = IFF_UP, .carrier = true, .mtu = 1500, .port = { .state = 3, .flood = true, .mcast_flood = true, .bcast_flood = true, .learning = true },
	};
	h->counters[0] = (struct snap_counter){ .ifindex = 2, .name = "Icmp6InRouterAdvertisements", .value = 7 };
	s->n_counters = 1;
	return h;
}

static void host_free(struct host *h)
{
	snapshot_free(h->s);
	free(h);
}

/* Judge; NULL: as it must be. */
static bool is_found(struct host *h, const char *id, const char *subject)
{
	snapshot_finish(h->s);
	_cleanup_(findings_freep) struct findings *found = rules_judge(h->s);

	return findings_find(found, id, subject) != NULL;
}

static void add_default(struct host *h)
{
	h->routes[h->s->n_routes++] = (struct snap_route){
		.dst = prefix("::/0"), .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .protocol = RTPROT_STATIC, .oif = 2,
		.gateway = prefix("fe80::1/128").ip,
	};
}

static void test_no_default_router(void **state)
{
	static const struct {
		const char *why;
		uint32_t flags;
		bool counted, address, found;
	} cases[] = {
		{ "the kernel says so", SNAP_IF_RA_RCVD, false, true, true },
		{ "it only says so where it had asked; they were counted", 0, true, true, true },
		{ "an address, and nobody knows of what", 0, false, true, false },
		{ "nothing has come of it yet", SNAP_IF_RA_RCVD, true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct host *h = host_new();

		h->links[0].inet6_flags = cases[i].flags;
		h->counters[0].value = cases[i].counted;
		h->addrs[0] = (struct snap_addr){ .ifindex = 2, .prefix = prefix("2001:db8::1/64"), .valid_s = 100, .preferred_s = 100 };
		h->s->n_addrs = cases[i].address;
		if (is_found(h, "ra.no-default-router", "eth0") != cases[i].found)
			fail_msg("%s", cases[i].why);
		host_free(h);
	}
}

static void test_userspace(void **state)
{
	static const struct {
		const char *why, *id;
		int8_t handles, accepts;
		const char *line;
		bool found, route;
	} cases[] = {
		{ "networkd takes none, and there is no route", "ra.userspace-refuses", 1, 0, NULL, true, false },
		{ "networkd takes them", "ra.userspace-refuses", 1, 1, NULL, false, false },
		{ "it leaves them to the kernel", "ra.userspace-refuses", 0, 0, NULL, false, false },
		{ "a static route does", "ra.userspace-refuses", 1, 0, NULL, false, true },
		{ "somebody wrote a sysctl for it, in vain", "ra.userspace", 1, 1, "net/ipv6/conf/eth0/accept_ra", true, true },
		{ "nobody did", "ra.userspace", 1, 1, NULL, false, true },
		{ "the kernel heeds it", "ra.userspace", 0, -1, "net/ipv6/conf/eth0/accept_ra", false, true },
		{ "it is for another interface", "ra.userspace", 1, 1, "net/ipv6/conf/eth1/accept_ra", false, true },
		{ "kernel rules keep quiet about what a program handles", "ra.not-accepted", 1, 1, NULL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct host *h = host_new();

		h->links[0].conf6.accept_ra = 0;
		h->managers[0] = (struct snap_manager){
			.ifindex = 2, .manager = "systemd-networkd", .manages = true, .handles_ra = cases[i].handles,
			.accepts_ra = cases[i].accepts, .file = "/etc/systemd/network/eth0.network", .ra_setting = "IPv6AcceptRA=no",
		};
		h->s->n_managers = 1;
		if (cases[i].line) {
			h->lines[0] = (struct snap_sysctl_line){ .path = cases[i].line, .value = "2", .file = "/etc/sysctl.d/a.conf", .line = 3 };
			h->s->n_sysctl_lines = 1;
		}
		if (cases[i].route)
			add_default(h);
		if (is_found(h, cases[i].id, "eth0") != cases[i].found)
			fail_msg("%s: %s", cases[i].id, cases[i].why);
		host_free(h);
	}
}

static void test_libvirt_lost(void **state)
{
	static const char xml[] = "<network><name>six</name><ip address='192.168.122.1' netmask='255.255.255.0'/>"
				  "<ip family='ipv6' address='fd00:122::1' prefix='64'/></network>";
	static const struct {
		const char *why, *address, *xml;
		bool active, found;
	} cases[] = {
		{ "its IPv6 address is gone, the other is there", "192.168.122.1/24", xml, true, true },
		{ "it is there", "fd00:122::1/64", xml, true, false },
		{ "the network isn't up", "192.168.122.1/24", xml, false, false },
		{ "it never had one", "192.168.122.1/24", "<network><ip address='192.168.122.1' netmask='255.255.255.0'/></network>", true, false },
		{ "XML that ends in the middle", "192.168.122.1/24", "<network><ip family='ipv6' address='fd00", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct host *h = host_new();

		h->addrs[0] = (struct snap_addr){ .ifindex = 3, .prefix = prefix(cases[i].address), .flags = IFA_F_PERMANENT,
						  .valid_s = UINT32_MAX, .preferred_s = UINT32_MAX };
		h->s->n_addrs = 1;
		h->nets[0] = (struct snap_libvirt_net){ .name = "six", .bridge = "br0", .mode = "nat", .active = cases[i].active,
							.persistent = true, .live_xml = cases[i].xml, .stored_xml = cases[i].xml };
		h->s->n_libvirt_nets = 1;
		if (is_found(h, "ipv6.lost-on-flap", "br0") != cases[i].found)
			fail_msg("%s", cases[i].why);
		host_free(h);
	}
}

/* What can't be read is named, and only that. */
static void test_unchecked(void **state)
{
	struct host *h = host_new();
	bool managers = false;

	(void)state;
	snapshot_add_unread(h->s, SNAP_PART_MANAGERS, "", "D-Bus isn't there");
	snapshot_finish(h->s);
	struct findings *found = rules_judge(h->s);

	for (size_t i = 0; i < found->n_unchecked; i++)
		if (str_eq(found->unchecked[i].rule->id, "ra.userspace")) {
			managers = true;
			assert_false(found->unchecked[i].in_part);
			assert_string_equal(found->unchecked[i].because[0], "managers: D-Bus isn't there");
		}
	assert_true(managers);
	assert_true(findings_n_unchecked(found) < found->n_rules / 2);
	findings_free(found);
	host_free(h);
}

static void test_roles(void **state)
{
	struct host *h = host_new();
	struct roles *roles;

	(void)state;
	add_default(h);
	snapshot_finish(h->s);
	roles = roles_new(h->s);
	assert_true(role_is(roles, 2, ROLE_UPLINK));
	assert_true(role_is(roles, 2, ROLE_HEARD));
	assert_true(role_is(roles, 4, ROLE_GUEST));
	assert_true(role_is(roles, 3, ROLE_GUEST_BRIDGE));
	assert_true(role_is(roles, 3, ROLE_GUEST_ONLY));
	assert_false(role_is(roles, 2, ROLE_GUEST | ROLE_GUEST_ONLY));
	assert_int_equal(role_of(roles, 99)->bits, 0);
	assert_int_equal(role_l3(h->s, 4), 3);
	roles_free(roles);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_default_router),
		cmocka_unit_test(test_userspace),
		cmocka_unit_test(test_libvirt_lost),
		cmocka_unit_test(test_unchecked),
		cmocka_unit_test(test_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
