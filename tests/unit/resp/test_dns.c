/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "resp/dns.h"

static const uint8_t seed[16] = "0123456789abcde";

static struct ip ip_of(const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	return ip;
}

static struct prefix prefix_of(const char *s)
{
	struct prefix prefix = { 0 };

	assert_true(*s == '\0' || prefix_parse(s, &prefix));
	return prefix;
}

static void set_zone(struct dns_table *t, const char *network, const char *domain, const char *v4, const char *v6)
{
	struct prefix gateway4 = prefix_of(v4), gateway6 = prefix_of(v6);

	assert_int_equal(dns_table_set_zone(t, network, domain, &gateway4, &gateway6), DNS_TABLE_OK);
}

static enum dns_table_result add(struct dns_table *t, const char *network, const char *name, const char *ip)
{
	struct ip v = ip_of(ip);

	return dns_table_add(t, network, name, &v);
}

static void del(struct dns_table *t, const char *network, const char *name, const char *ip)
{
	struct ip v = ip_of(ip);

	dns_table_del(t, network, name, &v);
}

static struct dns_table *table(void)
{
	struct dns_table *t = dns_table_new(seed);

	set_zone(t, "lan", "lan", "192.168.150.1/24", "fd12:8848:a2a2:1::1/64");
	set_zone(t, "lab", "lab.example", "10.1.16.1/20", "");
	set_zone(t, "bare", "", "10.9.0.1/30", "");
	assert_int_equal(add(t, "lan", "web", "192.168.150.10"), DNS_TABLE_OK);
	assert_int_equal(add(t, "lan", "web", "fd12:8848:a2a2:1::10"), DNS_TABLE_OK);
	assert_int_equal(add(t, "lan", "v6only", "2001:db8::5"), DNS_TABLE_OK);
	assert_int_equal(add(t, "lab", "Secret", "10.1.17.7"), DNS_TABLE_OK);
	assert_int_equal(add(t, "bare", "nobody", "10.9.0.2"), DNS_TABLE_OK);
	return t;
}

#define NIL "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
#define ULA64 "1.0.0.0.2.a.2.a.8.4.8.8.2.1.d.f.ip6.arpa"
enum { FORWARD = -1 };

static const struct answer_case {
	const char *why, *network, *name;
	uint16_t type;
	int rcode; /* or FORWARD */
	unsigned int n_answer, n_authority;
	const char *data; /* bytes of the first answer, or NULL */
	size_t len;
} answer_cases[] = {
	{ "A of a guest", "lan", "web.lan", DNS_TYPE_A, 0, 1, 0, "\xc0\xa8\x96\x0a", 4 },
	{ "case doesn't count", "lan", "WEB.Lan", DNS_TYPE_A, 0, 1, 0, "\xc0\xa8\x96\x0a", 4 },
	{ "AAAA of a guest", "lan", "web.lan", DNS_TYPE_AAAA, 0, 1, 0, NULL, 0 },
	{ "known name, other type", "lan", "web.lan", DNS_TYPE_MX, 0, 0, 1, NULL, 0 },
	{ "known name without IPv4", "lan", "v6only.lan", DNS_TYPE_A, 0, 0, 1, NULL, 0 },
	{ "ANY is one HINFO", "lan", "web.lan", DNS_TYPE_ANY, 0, 1, 0, "\7RFC8482", 8 },
	{ "unknown name", "lan", "nix.lan", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "unknown name, ANY", "lan", "nix.lan", DNS_TYPE_ANY, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "below a known name", "lan", "x.web.lan", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "the gateway", "lan", "host.lan", DNS_TYPE_A, 0, 1, 0, "\xc0\xa8\x96\x01", 4 },
	{ "the gateway's other name", "lan", "gateway.lan", DNS_TYPE_AAAA, 0, 1, 0, NULL, 0 },
	{ "a gateway without IPv6", "lab", "host.lab.example", DNS_TYPE_AAAA, 0, 0, 1, NULL, 0 },
	{ "the domain's SOA", "lan", "lan", DNS_TYPE_SOA, 0, 1, 0, NULL, 0 },
	{ "the domain's NS", "lan", "lan", DNS_TYPE_NS, 0, 1, 0, "\4host\xc0\x0c", 7 },
	{ "the domain has no address", "lan", "lan", DNS_TYPE_A, 0, 0, 1, NULL, 0 },
	{ "another network's name looks foreign", "lan", "secret.lab.example", DNS_TYPE_A, FORWARD, 0, 0, NULL, 0 },
	{ "which its own network knows", "lab", "secret.LAB.example", DNS_TYPE_A, 0, 1, 0, "\x0a\1\x11\7", 4 },
	{ "the other way round", "lab", "web.lan", DNS_TYPE_A, FORWARD, 0, 0, NULL, 0 },
	{ "above our domain", "lab", "www.example", DNS_TYPE_A, FORWARD, 0, 0, NULL, 0 },
	{ "single label", "lan", "web", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, 0, 0, NULL, 0 },
	{ "single label, AAAA", "lan", "com", DNS_TYPE_AAAA, DNS_RCODE_NXDOMAIN, 0, 0, NULL, 0 },
	{ "a validator asks about com", "lan", "com", DNS_TYPE_DNSKEY, FORWARD, 0, 0, NULL, 0 },
	{ "localhost is libunbound's", "lan", "localhost", DNS_TYPE_A, FORWARD, 0, 0, NULL, 0 },
	{ "outside", "lan", "www.example.net", DNS_TYPE_A, FORWARD, 0, 0, NULL, 0 },
	{ "ANY outside", "lan", "www.example.net", DNS_TYPE_ANY, 0, 1, 0, "\7RFC8482", 8 },
	{ "PTR", "lan", "10.150.168.192.in-addr.arpa", DNS_TYPE_PTR, 0, 1, 0, "\3web\3lan\0", 9 },
	{ "PTR of the gateway", "lan", "1.150.168.192.in-addr.arpa", DNS_TYPE_PTR, 0, 1, 0, "\4host\3lan\0", 10 },
	{ "PTR of nobody", "lan", "11.150.168.192.in-addr.arpa", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "A of a reverse name", "lan", "10.150.168.192.in-addr.arpa", DNS_TYPE_A, 0, 0, 1, NULL, 0 },
	{ "below a reverse name", "lan", "x.10.150.168.192.in-addr.arpa", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, 0, 1, NULL,
	  0 },
	{ "SOA of the reverse zone", "lan", "150.168.192.in-addr.arpa", DNS_TYPE_SOA, 0, 1, 0, NULL, 0 },
	{ "above the reverse zone", "lan", "168.192.in-addr.arpa", DNS_TYPE_SOA, FORWARD, 0, 0, NULL, 0 },
	{ "IPv6 PTR", "lan", "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0." ULA64, DNS_TYPE_PTR, 0, 1, 0, "\3web\3lan\0", 9 },
	{ "IPv6 PTR of nobody", "lan", NIL ULA64, DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "between zone and address", "lan", "0.0." ULA64, DNS_TYPE_NS, 0, 0, 1, NULL, 0 },
	{ "a guest's address outside the prefix", "lan",
	  "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_TYPE_PTR, 0, 1, 0,
	  "\6v6only\3lan\0", 12 },
	{ "nobody's address outside", "lan", "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	  DNS_TYPE_PTR, FORWARD, 0, 0, NULL, 0 },
	{ "another network's address", "lan", "7.17.1.10.in-addr.arpa", DNS_TYPE_PTR, FORWARD, 0, 0, NULL, 0 },
	{ "a /20 is sixteen reverse zones", "lab", "7.17.1.10.in-addr.arpa", DNS_TYPE_PTR, 0, 1, 0, NULL, 0 },
	{ "the last of them", "lab", "254.31.1.10.in-addr.arpa", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, 0, 1, NULL, 0 },
	{ "the one after", "lab", "1.32.1.10.in-addr.arpa", DNS_TYPE_PTR, FORWARD, 0, 0, NULL, 0 },
	{ "without a domain no PTR", "bare", "2.0.9.10.in-addr.arpa", DNS_TYPE_PTR, 0, 0, 1, NULL, 0 },
	{ "no reverse name", "lan", "x.168.192.in-addr.arpa", DNS_TYPE_PTR, FORWARD, 0, 0, NULL, 0 },
};

static struct dns_query query_of(const char *name, uint16_t type)
{
	struct dns_query q = { .id = 1, .rd = true, .type = type, .class = 1, .payload = 512 };

	assert_true(dns_name_parse(name, &q.name));
	return q;
}

/* Data of the first answer, whose owner is the question. */
static const uint8_t *first_data(const uint8_t *buf, const struct dns_query *q)
{
	return buf + DNS_HEADER_LEN + q->name.len + 4 + 2 + 10;
}

static void test_answers(void **state)
{
	_cleanup_(dns_table_freep) struct dns_table *t = table();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
		const struct answer_case *c = &answer_cases[i];
		struct dns_query q = query_of(c->name, c->type);
		uint8_t buf[DNS_UDP_MIN];
		struct dns_reply reply;

		dns_reply_init(&reply, buf, sizeof(buf), &q);
		bool ours = dns_zone_answer(dns_table_find(t, c->network), &q, &reply);
		if (ours != (c->rcode != FORWARD))
			fail_msg("%s: %s", c->why, ours ? "answered" : "forwarded");
		(void)dns_reply_finish(&reply);
		if (!ours)
			continue;
		if ((int)reply.rcode != c->rcode || reply.n[DNS_SECTION_ANSWER] != c->n_answer ||
		    reply.n[DNS_SECTION_AUTHORITY] != c->n_authority || reply.truncated)
			fail_msg("%s: rcode %d, %u answers, %u authority", c->why, (int)reply.rcode, reply.n[0],
				 reply.n[1]);
		if (c->data && memcmp(first_data(buf, &q), c->data, c->len) != 0)
			fail_msg("%s: wrong data", c->why);
	}
}

static void test_without_recursion(void **state)
{
	_cleanup_(dns_table_freep) struct dns_table *t = table();
	struct dns_query q = query_of("www.example.net", DNS_TYPE_A), own = query_of("web.lan", DNS_TYPE_A);
	uint8_t buf[DNS_UDP_MIN];
	struct dns_reply reply;

	(void)state;
	q.rd = own.rd = false;
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	assert_true(dns_zone_answer(dns_table_find(t, "lan"), &q, &reply));
	assert_int_equal(reply.rcode, DNS_RCODE_REFUSED);
	dns_reply_init(&reply, buf, sizeof(buf), &own);
	assert_true(dns_zone_answer(dns_table_find(t, "lan"), &own, &reply));
	assert_int_equal(reply.n[DNS_SECTION_ANSWER], 1);
	assert_true(reply.authoritative);
}

static unsigned int count(struct dns_table *t, const char *network, const char *name, uint16_t type)
{
	struct dns_query q = query_of(name, type);
	uint8_t buf[DNS_TCP_MAX];
	struct dns_reply reply;

	dns_reply_init(&reply, buf, sizeof(buf), &q);
	return dns_zone_answer(dns_table_find(t, network), &q, &reply) ? reply.n[DNS_SECTION_ANSWER] : 99;
}

static void test_add_and_delete(void **state)
{
	_cleanup_(dns_table_freep) struct dns_table *t = table();

	(void)state;
	assert_int_equal(add(t, "lan", "WEB", "192.168.150.10"), DNS_TABLE_OK); /* twice is once */
	assert_int_equal(count(t, "lan", "web.lan", DNS_TYPE_A), 1);
	assert_int_equal(add(t, "lan", "alias", "192.168.150.10"), DNS_TABLE_OK);
	assert_int_equal(count(t, "lan", "10.150.168.192.in-addr.arpa", DNS_TYPE_PTR), 2);
	del(t, "lan", "web", "192.168.150.10"); /* the first of its address: the other one moves up */
	assert_int_equal(count(t, "lan", "10.150.168.192.in-addr.arpa", DNS_TYPE_PTR), 1);
	assert_int_equal(count(t, "lan", "web.lan", DNS_TYPE_A), 0);
	assert_int_equal(count(t, "lan", "web.lan", DNS_TYPE_AAAA), 1);
	del(t, "lan", "alias", "192.168.150.10");
	del(t, "lan", "alias", "192.168.150.10");
	assert_int_equal(count(t, "lan", "10.150.168.192.in-addr.arpa", DNS_TYPE_PTR), 0);
	assert_int_equal(add(t, "lan", "web", "192.168.150.77"), DNS_TABLE_OK);
	assert_int_equal(count(t, "lan", "web.lan", DNS_TYPE_A), 1);

	set_zone(t, "lan", "other", "192.168.150.1/24", ""); /* a new domain keeps the names */
	assert_int_equal(count(t, "lan", "web.other", DNS_TYPE_A), 1);
	assert_int_equal(count(t, "lan", "web.lan", DNS_TYPE_A), 99);
	dns_table_del_zone(t, "lan");
	dns_table_del_zone(t, "lan");
	assert_null(dns_table_find(t, "lan"));
	assert_int_equal(add(t, "lan", "web", "192.168.150.10"), DNS_TABLE_NO_ZONE);
}

static void test_refused(void **state)
{
	_cleanup_(dns_table_freep) struct dns_table *t = table();
	struct prefix none = { 0 };
	char text[320];

	(void)state;
	assert_int_equal(add(t, "lan", "host", "192.168.150.66"), DNS_TABLE_RESERVED);
	assert_int_equal(add(t, "lan", "GateWay", "192.168.150.66"), DNS_TABLE_RESERVED);
	assert_int_equal(add(t, "lan", "a.b", "192.168.150.66"), DNS_TABLE_BAD_NAME);
	assert_int_equal(add(t, "lan", "", "192.168.150.66"), DNS_TABLE_BAD_NAME);
	assert_int_equal(add(t, "lan", "a b", "192.168.150.66"), DNS_TABLE_BAD_NAME);
	assert_int_equal(dns_table_set_zone(t, "x", "not a domain", &none, &none), DNS_TABLE_BAD_NAME);
	for (size_t i = 0; i < 100; i++)
		memcpy(text + i * 2, "a.", 3);
	assert_int_equal(dns_table_set_zone(t, "x", text, &none, &none),
			 DNS_TABLE_BAD_NAME); /* no room for names in it */
	assert_null(dns_table_find(t, "x"));
	for (int i = 0; i < DNS_HOST_IPS; i++) {
		(void)snprintf(text, sizeof(text), "192.168.150.%d", 100 + i);
		assert_int_equal(add(t, "lan", "many", text), DNS_TABLE_OK);
	}
	assert_int_equal(add(t, "lan", "many", "192.168.150.200"), DNS_TABLE_FULL);
	for (int i = 0; i < DNS_IP_HOSTS; i++) {
		(void)snprintf(text, sizeof(text), "n%d", i);
		assert_int_equal(add(t, "lan", text, "192.168.150.201"), DNS_TABLE_OK);
	}
	assert_int_equal(add(t, "lan", "onemore", "192.168.150.201"), DNS_TABLE_FULL);
}

static void test_full(void **state)
{
	_cleanup_(dns_table_freep) struct dns_table *t = dns_table_new(seed);
	struct ip ip = ip_of("fd00::"), at;
	char name[16];
	unsigned int n = 0;

	(void)state;
	set_zone(t, "lan", "lan", "", "fd00::1/64");
	for (; n <= DNS_TABLE_RECORDS; n++) {
		(void)snprintf(name, sizeof(name), "g%u", n);
		at = ip_add(&ip, n + 2);
		if (dns_table_add(t, "lan", name, &at) != DNS_TABLE_OK)
			break;
	}
	assert_int_equal(n, DNS_TABLE_RECORDS);
	assert_int_equal(count(t, "lan", "g65535.lan", DNS_TYPE_AAAA), 1);
	assert_int_equal(count(t, "lan", "g0.lan", DNS_TYPE_AAAA), 1);
	del(t, "lan", "g0", "fd00::2");
	assert_int_equal(add(t, "lan", "new", "fd00::2"), DNS_TABLE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	       cmocka_unit_test(test_without_recursion),
		cmocka_unit_test(test_add_and_delete), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
