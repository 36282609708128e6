/* SPDX-License-Identifier: GPL-2.0-or-later */
/* desired and service: small lookups and stable numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "model/desired.h"
#include "model/service.h"

static void test_find(void **state)
{
	_cleanup_(desired_freep) struct desired *d = desired_new();
	struct d_guest guests[] = { { .name = "db" }, { .name = "web" } };
	struct d_network networks[] = { { .name = "lab" }, { .name = "lan", .guests = guests, .n_guests = 2 } };

	(void)state;
	assert_null(desired_network(d, "lan"));
	d->networks = networks;
	d->n_networks = 2;
	assert_ptr_equal(desired_network(d, "lan"), &networks[1]);
	assert_null(desired_network(d, "la"));
	assert_ptr_equal(desired_guest(&networks[1], "web"), &guests[1]);
	assert_null(desired_guest(&networks[0], "web"));
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NET_MODE_N_; i++)
		assert_non_null(net_mode_name[i]);
	for (unsigned int i = 0; i < HOST_ACCESS_N_; i++)
		assert_non_null(host_access_name[i]);
	for (unsigned int i = 0; i < IP6_SOURCE_N_; i++)
		assert_non_null(ip6_source_name[i]);
}

static void test_group(void **state)
{
	static const char *const names[] = { "", "a", "lan", "lab", "nal", "123456789012345" };

	(void)state;
	/* What is in the kernel was put there by another run: the number of a name must never change. */
	assert_int_equal(network_group("lan"), 0x66608010);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(network_group(names[i]) != 0);
		for (size_t k = 0; k < i; k++)
			assert_true(network_group(names[i]) != network_group(names[k]));
	}
}

static void test_hash(void **state)
{
	struct service a, b;
	struct service_host hosts[2];

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(hosts, 0, sizeof(hosts));
	memcpy(&b, &a, sizeof(b));
	const uint64_t empty = service_hash(&a, NULL, 0);
	assert_true(empty != 0 && empty == service_hash(&b, NULL, 0));
	b.lease_s = 1;
	assert_true(service_hash(&b, NULL, 0) != empty);
	const uint64_t one = service_hash(&a, hosts, 1);
	assert_true(one != empty && one != service_hash(&a, hosts, 2));
	hosts[0].n_ips = 1;
	assert_true(service_hash(&a, hosts, 1) != one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
