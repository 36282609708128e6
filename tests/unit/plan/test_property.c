/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random configurations on a random host, one after the other. For each that
 * isn't refused: all ops and then a failure leave the host as it was; all ops
 * and then the same plan again find nothing to do; and after all networks are
 * down, nothing of ours is left.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "lab.h"

#define RUNS 150
#define STEPS 4

static uint64_t seed;

static unsigned int pick(unsigned int n)
{
	seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

	return (unsigned int)((x ^ x >> 27) % n);
}

static const char *one_of(const char *const list[], unsigned int n)
{
	return list[pick(n)];
}
#define ONE_OF(...) one_of((const char *const[]){ __VA_ARGS__ }, (unsigned int)ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))

static void network(FILE *f, unsigned int i)
{
	static const char *const names[] = { "lan", "two", "three" };
	bool nat = pick(3) > 0;

	(void)fprintf(f, "  %s:\n    mode: %s\n", names[i], nat ? "nat" : "isolated");
	(void)fprintf(f, "    ipv4: %s\n", pick(3) ? "auto" : ONE_OF("off", "{dhcp: auto}"));
	(void)fprintf(f, "    ipv6: %s\n", ONE_OF("ula", "off", "{address: ula, assign: slaac}", "{address: auto}"));
	(void)fprintf(f, "    host-access: %s\n", ONE_OF("\"yes\"", "services", "\"no\""));
	if (pick(3) == 0)
		(void)fprintf(f, "    mtu: %s\n", ONE_OF("1400", "9000"));
	if (pick(4) == 0)
		(void)fprintf(f, "    bridge: br%u\n", i);
	if (nat && pick(3) == 0)
		(void)fprintf(f, "    uplink: eth%u\n", pick(2));
	if (nat && pick(3) == 0)
		(void)fprintf(f, "    nat-ports: %s\n", ONE_OF("40000-40099", "1024-65535"));
	if (nat && pick(4) == 0)
		(void)fprintf(f, "    nat-address: [203.0.113.%u]\n", 7 + pick(2));
	if (pick(2) == 0)
		return;
	(void)fprintf(f, "    guests:\n      web:\n        mac: \"52:54:00:00:00:%02x\"\n", i);
	if (nat && pick(3) > 0) {
		(void)fprintf(f, "        forward:\n          - \"%u:80\"\n", 8000 + 10 * i + pick(3));
		if (pick(2))
			(void)fprintf(f, "          - {port: \"%u-%u:90-92/udp\", from: [198.51.100.0/24, 10.0.0.0/8, 10.1.0.0/16]}\n",
				      9000 + 10 * i, 9002 + 10 * i);
		if (pick(2))
			(void)fprintf(f, "          - \"198.51.100.2:%u:81\"\n", 8005 + 10 * i);
	}
}

static char *random_config(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (unsigned int i = 0; i < 3; i++)
		if (i == 0 || pick(2))
			network(f, i);
	(void)fclose(f);
	return text;
}

static const char *random_host(void)
{
	return ONE_OF("link eth0 ra=1\naddr eth0 198.51.100.2/24\nroute 0.0.0.0/0 eth0\nroute ::/0 eth0 ra\nlink eth1 mtu=9000\n",
		      "link eth0 mtu=1492\nlink eth1 ra=1\naddr eth1 2001:db8::5/64 slaac\nroute ::/0 eth1 ra\n"
		      "sysctl net/bridge/bridge-nf-call-iptables 1\nsysctl net/bridge/bridge-nf-call-ip6tables 1\n",
		      "link eth0\nlink eth1\naddr eth0 192.168.100.1/23\nroute 0.0.0.0/0 eth0\nsysctl net/ipv4/ip_forward 1\n"
		      "sysctl net/bridge/bridge-nf-call-iptables 1\n",
		      "link eth0\nlink eth1\nlink docker0 kind=bridge\naddr docker0 172.17.0.1/16\n");
}

/* A guest comes: ours, or somebody else's. */
static void random_event(struct lab *lab, unsigned int step)
{
	_cleanup_(world_freep) struct world *w = world_new();
	char line[128];

	assert_int_equal(fake_kern_observe(lab->fake, NULL, 0, w, NULL), 0);
	for (size_t i = 0; i < w->n_links; i++) {
		const struct w_link *l = &w->links[i];
		char name[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

		if (!alias_parse(l->alias, name, guest) || guest[0] || pick(2))
			continue;
		(void)snprintf(line, sizeof(line), "link tap%u-%zu kind=tun master=%s%s%s%s", step, i, l->name,
			       pick(2) ? " alias=sixtap:" : " x=", name, "/web");
		lab_host(lab, line);
		(void)snprintf(line, sizeof(line), "lease %s %s 52:54:00:00:00:00", name, "192.168.100.150");
		if (lab->n_leases < ARRAY_LEN(lab->leases))
			lab_host(lab, line);
	}
}

static void one_step(struct lab *lab, const char *config, const char *wants)
{
	(void)lab_plan(lab, config, wants);
	if (!lab->plan)
		return;
	_cleanup_(freep) char *plan = xstrdup(lab->text);
	_cleanup_(freep) char *first = lab_state(lab);
	lab_apply_and_fail(lab);
	_cleanup_(freep) char *back = lab_state(lab);
	lab_assert_same(first, back, config, plan);
	(void)lab_plan(lab, config, wants);
	assert_non_null(lab->plan);
	lab_apply(lab);
	(void)lab_plan(lab, config, wants);
	if (!lab->plan || lab->plan->ops->n > 0)
		fail_msg("%sfirst\n%ssecond\n%s", config, plan, lab->text);
}

static void test_random(void **state)
{
	unsigned int n_planned = 0;

	(void)state;
	for (unsigned int run = 0; run < RUNS; run++) {
		seed = run * UINT64_C(1000003);
		const char *host = random_host();
		_cleanup_(lab_freep) struct lab *lab = lab_new(host);

		for (unsigned int step = 0; step < STEPS; step++) {
			_cleanup_(freep) char *config = random_config();

			one_step(lab, config, NULL);
			n_planned += lab->plan != NULL;
			random_event(lab, step);
		}
		_cleanup_(freep) char *config = random_config();
		one_step(lab, config, "-lan -two -three");
		assert_non_null(lab->plan);
		_cleanup_(freep) char *left = lab_state(lab);
		if (strstr(left, "kind=bridge sixtap:") || strstr(left, "table ") || strstr(left, "elem "))
			fail_msg("run %u leaves\n%s", run, left);
	}
	/* Most aren't refused, or this tests nothing. */
	assert_true(n_planned > RUNS * STEPS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
