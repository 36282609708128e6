/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "conf/forward.h"

static void test_good(void **state)
{
	static const struct {
		const char *spec, *normal;
		uint16_t host_first, host_last, guest_first, guest_last;
		int proto, family;
	} t[] = {
		{ "8080:80", "8080:80/tcp", 8080, 8080, 80, 80, L4PROTO_TCP, 0 },
		{ "8080:80/tcp", "8080:80/tcp", 8080, 8080, 80, 80, L4PROTO_TCP, 0 },
		{ "53:53/udp", "53:53/udp", 53, 53, 53, 53, L4PROTO_UDP, 0 },
		{ "53:53/UDP", "53:53/udp", 53, 53, 53, 53, L4PROTO_UDP, 0 },
		{ "1:65535", "1:65535/tcp", 1, 1, 65535, 65535, L4PROTO_TCP, 0 },
		{ "5000-5009:5000-5009/udp", "5000-5009:5000-5009/udp", 5000, 5009, 5000, 5009, L4PROTO_UDP, 0 },
		{ "5000-5009:80", "5000-5009:80-89/tcp", 5000, 5009, 80, 89, L4PROTO_TCP, 0 },
		{ "1-65535:1", "1-65535:1-65535/tcp", 1, 65535, 1, 65535, L4PROTO_TCP, 0 },
		{ "192.0.2.1:443:8443", "192.0.2.1:443:8443/tcp", 443, 443, 8443, 8443, L4PROTO_TCP, AF_INET },
		{ "[2001:DB8::0:5]:8443:443/tcp", "[2001:db8::5]:8443:443/tcp", 8443, 8443, 443, 443, L4PROTO_TCP, AF_INET6 },
		{ "[2001:db8::5]:10-11:20-21/udp", "[2001:db8::5]:10-11:20-21/udp", 10, 11, 20, 21, L4PROTO_UDP, AF_INET6 },
	};
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct forward_fault fault;
		struct d_forward f, again;

		if (!forward_parse(t[i].spec, arena, &f, &fault))
			fail_msg("%s: %s; %s", t[i].spec, fault.what, fault.help);
		assert_string_equal(f.spec, t[i].normal);
		assert_int_equal(f.host_first, t[i].host_first);
		assert_int_equal(f.host_last, t[i].host_last);
		assert_int_equal(f.guest_first, t[i].guest_first);
		assert_int_equal(f.guest_last, t[i].guest_last);
		assert_int_equal(f.proto, t[i].proto);
		assert_int_equal(f.host.family, t[i].family);
		assert_true(!f.runtime && !f.force && f.n_from == 0);
		assert_true(forward_parse(f.spec, arena, &again, &fault));	/* the normal form is one too */
		assert_string_equal(again.spec, f.spec);
	}
}

/* The texts are in tests/golden/conf/forwards.txt; here is what is underlined. */
static void test_bad(void **state)
{
	static const struct {
		const char *spec, *underlined, *in_what, *in_help;
	} t[] = {
		{ "", "", "only one port", "8080:80" },
		{ "80", "80", "a number (80)", "\"80:80\"" },
		{ "481342", "481342", "a number (481342)", "\"8022:22\"" },
		{ "3233", "3233", "a number (3233)", "\"53:53\"" },
		{ "80:80/", "", "\"\" isn't a protocol", "/tcp or /udp" },
		{ "80:80/icmp", "icmp", "isn't a protocol", "/tcp or /udp" },
		{ "80:0", "0", "guest port \"0\"", "1 to 65535" },
		{ "70000:80", "70000", "host port \"70000\"", "1 to 65535" },
		{ "90-80:1", "90-80", "ends before it begins", "80-90" },
		{ "80 :80", "80 ", "isn't a port", "1 to 65535" },
		{ "80:80 ", "80 ", "isn't a port", "1 to 65535" },
		{ "-80:80", "-80", "isn't a port", "1 to 65535" },
		{ "1-10:1-5", "1-10:1-5", "10 ports of the host, but 5", "1-10:1-10" },
		{ "1:1-2", "1:1-2", "1 port of the host, but 2", "1-2:1-2" },
		{ "1-3:65534", "65534", "beyond 65535", "lower" },
		{ "::1:80:80", "::1:80:80", "too many colons", "brackets" },
		{ "[::1]:80:80", "[::1]", "loopback", "leave it out" },
		{ "[::]:80:80", "[::]", "names no address", "leave it out" },
		{ "[]:80:80", "[]", "isn't an address", "brackets" },
		{ "[:80:80", "[:80:80", "a colon", NULL },
		{ "]:80:80", "]", "isn't an address", "brackets" },
		{ "[192.0.2.1]:80:80", "[192.0.2.1]", "isn't an address", "brackets" },
		{ "255.255.255.255:80:80", "255.255.255.255", "cannot be forwarded from", "unicast" },
		{ "host:80:80", "host", "isn't an address", "brackets" },
		{ "/tcp", "", "only one port", NULL },
		{ ":", "", "host port is missing", NULL },
	};
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct forward_fault fault;
		struct d_forward f;
		size_t width = strlen(t[i].underlined);

		if (str_eq(t[i].in_what, "a colon"))
			continue;
		if (forward_parse(t[i].spec, arena, &f, &fault))
			fail_msg("\"%s\" was taken", t[i].spec);
		if (!strstr(fault.what, t[i].in_what) || (t[i].in_help && !strstr(fault.help, t[i].in_help)))
			fail_msg("\"%s\": %s; %s", t[i].spec, fault.what, fault.help);
		assert_true(fault.skip <= strlen(t[i].spec));
		if (fault.width != (width ? width : 1) || strncmp(t[i].spec + fault.skip, t[i].underlined, width) != 0)
			fail_msg("\"%s\": %zu columns from %zu", t[i].spec, fault.width, fault.skip);
	}
}

static void test_long(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char spec[4096];
	struct forward_fault fault;
	struct d_forward f;

	(void)state;
	for (int c = 0; c < 5; c++)
		for (size_t n = 1; n < sizeof(spec); n += n < 200 ? 1 : 500) {
			memset(spec, "1:[a/"[c], n);
			spec[n] = '\0';
			assert_false(forward_parse(spec, arena, &f, &fault));
			assert_true(fault.what[0] && memchr(fault.what, '\0', sizeof(fault.what)));
		}
}

static void test_conflicts(void **state)
{
	static const struct {
		const char *a, *b;
		bool conflict;
		const char *why;
	} t[] = {
		{ "80:80", "80:81", true, "same port" },
		{ "80:80", "81:80", false, "other port" },
		{ "80:80", "80:80/udp", false, "other protocol" },
		{ "80-90:80", "85:1", true, "inside a range" },
		{ "80-90:80", "90-95:1", true, "ranges touch" },
		{ "80-90:80", "91-95:1", false, "ranges don't" },
		{ "192.0.2.1:80:80", "192.0.2.1:80:81", true, "same address" },
		{ "192.0.2.1:80:80", "192.0.2.2:80:80", false, "other address" },
		{ "192.0.2.1:80:80", "[2001:db8::1]:80:80", false, "other family" },
		{ "192.0.2.1:80:80", "80:80", true, "any address is that one too" },
	};
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct forward_fault fault;
		struct d_forward a, b;

		assert_true(forward_parse(t[i].a, arena, &a, &fault) && forward_parse(t[i].b, arena, &b, &fault));
		if (forward_conflicts(&a, &b) != t[i].conflict || forward_conflicts(&b, &a) != t[i].conflict)
			fail_msg("%s", t[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
