/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "net/dns.h"

#define HEADER(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define WEB_LAN "\3web\3lan\0"
#define A_IN "\0\1\0\1"
#define OPT(size, flags, data) "\0\0\x29" size "\0\0" flags data
#define BYTES(s) s, sizeof(s) - 1

static const struct query_case {
	const char *why;
	const char *bytes;
	size_t len;
	int want;
	uint16_t payload;
	bool edns, dnssec_ok;
} query_cases[] = {
	{ "plain", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN A_IN), 0, 512, false, false },
	{ "EDNS 4096 with DO",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\x10\0", "\x80\0", "\0\0")), 0, 4096, true,
	  true },
	{ "EDNS with a size below 512 counts as 512",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\0\x10", "\0\0", "\0\0")), 0, 512, true,
	  false },
	{ "EDNS with a cookie, which is ignored",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\4\xd0", "\0\0",
									"\0\xc\0\xa\0\x08"
									"abcdefgh")),
	  0, 1232, true, false },
	{ "the root", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") "\0\0\2\0\1"), 0, 512, false, false },
	{ "shorter than a header", BYTES("\x12\x34\1\0\0\1\0\0\0\0\0"), -EBADMSG, 0, false, false },
	{ "a response", BYTES(HEADER("\x81\0", "\1", "\0", "\0", "\0") WEB_LAN A_IN), -EBADMSG, 0, false, false },
	{ "opcode NOTIFY", BYTES(HEADER("\x20\0", "\1", "\0", "\0", "\0") WEB_LAN A_IN), DNS_RCODE_NOTIMP, 0, false,
	  false },
	{ "no question", BYTES(HEADER("\1\0", "\0", "\0", "\0", "\0")), DNS_RCODE_FORMERR, 0, false, false },
	{ "two questions", BYTES(HEADER("\1\0", "\2", "\0", "\0", "\0") WEB_LAN A_IN WEB_LAN A_IN), DNS_RCODE_FORMERR,
	  0, false, false },
	{ "an answer in a query",
	  BYTES(HEADER("\1\0", "\1", "\1", "\0", "\0") WEB_LAN A_IN WEB_LAN A_IN "\0\0\0\1\0\0"), DNS_RCODE_FORMERR, 0,
	  false, false },
	{ "bytes after the end", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN A_IN "x"), DNS_RCODE_FORMERR, 0,
	  false, false },
	{ "name without an end", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") "\3web\3la"), DNS_RCODE_FORMERR, 0, false,
	  false },
	{ "question without a class", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\1\0"), DNS_RCODE_FORMERR,
	  0, false, false },
	{ "a pointer in the question", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") "\xc0\x0c" A_IN), DNS_RCODE_FORMERR,
	  0, false, false },
	{ "label type 01",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") "\x41"
						       "a\0" A_IN),
	  DNS_RCODE_FORMERR, 0, false, false },
	{ "two OPTs",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\2") WEB_LAN A_IN OPT("\4\xd0", "\0\0", "\0\0")
			OPT("\4\xd0", "\0\0", "\0\0")),
	  DNS_RCODE_FORMERR, 0, true, false },
	{ "OPT of a name", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN "\1a\0\0\x29\4\xd0\0\0\0\0\0\0"),
	  DNS_RCODE_FORMERR, 0, false, false },
	{ "an EDNS option longer than OPT",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\4\xd0", "\0\0", "\0\4\0\xa\0\x08")),
	  DNS_RCODE_FORMERR, 0, true, false },
	{ "OPT longer than the message",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\4\xd0", "\0\0", "\0\4")), DNS_RCODE_FORMERR,
	  0, false, false },
	{ "EDNS version 1", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN "\0\0\x29\4\xd0\0\1\0\0\0\0"),
	  DNS_RCODE_BADVERS, 0, true, false },
	{ "class CHAOS", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\x10\0\3"), DNS_RCODE_REFUSED, 0,
	  false, false },
	{ "class ANY", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\1\0\xff"), DNS_RCODE_REFUSED, 0, false,
	  false },
	{ "AXFR", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\xfc\0\1"), DNS_RCODE_REFUSED, 0, false,
	  false },
	{ "type OPT asked", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\x29\0\1"), DNS_RCODE_FORMERR, 0,
	  false, false },
	{ "type 0 asked", BYTES(HEADER("\1\0", "\1", "\0", "\0", "\0") WEB_LAN "\0\0\0\1"), DNS_RCODE_FORMERR, 0, false,
	  false },
	{ "an additional record that points at itself",
	  BYTES(HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN "\xc0\x19\0\xfa\0\xff\0\0\0\0\0\0"),
	  DNS_RCODE_FORMERR, 0, false, false },
};

static void test_query(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(query_cases) / sizeof(query_cases[0]); i++) {
		const struct query_case *c = &query_cases[i];
		struct dns_query q;
		int r = dns_query_parse(c->bytes, c->len, &q);

		if (r != c->want)
			fail_msg("%s: %d instead of %d", c->why, r, c->want);
		if (r == -EBADMSG)
			continue;
		if (q.id != 0x1234 || q.edns != c->edns || q.dnssec_ok != c->dnssec_ok)
			fail_msg("%s: wrong fields", c->why);
		if (r == 0 && q.payload != c->payload)
			fail_msg("%s: payload %u instead of %u", c->why, q.payload, c->payload);

		/* Whatever it is, an answer can be written. */
		uint8_t buf[DNS_UDP_MIN];
		struct dns_reply reply;

		dns_reply_init(&reply, buf, sizeof(buf), &q);
		reply.rcode = (enum dns_rcode)r;
		if (dns_reply_finish(&reply) < DNS_HEADER_LEN || buf[0] != 0x12 || !(buf[2] & 0x80) ||
		    (buf[3] & 0xf) != (r & 0xf))
			fail_msg("%s: wrong error reply", c->why);
	}
}

static void test_query_every_cut(void **state)
{
	static const char whole[] = HEADER("\1\0", "\1", "\0", "\0", "\1") WEB_LAN A_IN OPT("\4\xd0", "\0\0",
											    "\0\xc\0\xa\0\x08"
											    "abcdefgh");
	struct dns_query q;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_not_equal(dns_query_parse(whole, n, &q), 0);
	assert_int_equal(dns_query_parse(whole, sizeof(whole) - 1, &q), 0);
}

static const struct {
	const char *why, *in, *want; /* NULL: refused */
} name_cases[] = {
	{ "plain", "web.lan", "web.lan" },
	{ "final dot", "web.lan.", "web.lan" },
	{ "case", "Web.LAN", "web.lan" },
	{ "underscore", "_srv.a-b", "_srv.a-b" },
	{ "empty", "", NULL },
	{ "only a dot", ".", NULL },
	{ "empty label", "a..b", NULL },
	{ "space", "a b", NULL },
	{ "63 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ "64 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
};

static void test_names(void **state)
{
	char text[DNS_NAME_STRLEN], longest[256] = "";
	struct dns_name name;

	(void)state;
	for (size_t i = 0; i < sizeof(name_cases) / sizeof(name_cases[0]); i++) {
		bool ok = dns_name_parse(name_cases[i].in, &name);

		if (ok != (name_cases[i].want != NULL))
			fail_msg("%s", name_cases[i].why);
		if (ok)
			assert_string_equal(dns_name_format(&name, text), name_cases[i].want);
	}
	for (size_t i = 0; i < 127; i++)
		memcpy(longest + i * 2, "a.", 3);
	assert_true(dns_name_parse(longest, &name)); /* 127 labels: 255 bytes */
	assert_int_equal(name.len, DNS_NAME_MAX);
	assert_int_equal(dns_name_labels(&name), 127);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_false(dns_name_parse(longest, &name));

	struct dns_name odd = { 8, "\6a.\\\0 \xff" };
	assert_string_equal(dns_name_format(&odd, text), "a\\.\\\\\\000\\032\\255");
	struct dns_name root = { 1, "" };
	assert_string_equal(dns_name_format(&root, text), ".");
}

static void test_under(void **state)
{
	struct dns_name lan, web, lan2, blan, a_web;
	unsigned int above = 99;

	(void)state;
	assert_true(dns_name_parse("lan", &lan));
	assert_true(dns_name_parse("WEB.Lan", &web));
	assert_true(dns_name_parse("lan2", &lan2));
	assert_true(dns_name_parse("blan", &blan));
	assert_true(dns_name_parse("a.web.lan", &a_web));
	assert_true(dns_name_under(&lan, &lan, &above) && above == 0);
	assert_true(dns_name_under(&web, &lan, &above) && above == 1);
	assert_true(dns_name_under(&a_web, &lan, &above) && above == 2);
	assert_false(dns_name_under(&lan2, &lan, &above));
	assert_false(dns_name_under(&blan, &lan, &above));
	assert_false(dns_name_under(&lan, &web, &above));
	a_web = dns_name_skip(&a_web, 1);
	assert_true(dns_name_eq(&a_web, &web));
	a_web = dns_name_skip(&a_web, 9);
	assert_int_equal(a_web.len, 1);
}

static const struct {
	const char *why, *name, *want; /* NULL: none */
	unsigned int above;
} reverse_cases[] = {
	{ "IPv4", "10.150.168.192.in-addr.arpa", "192.168.150.10/32", 0 },
	{ "case", "10.150.168.192.IN-ADDR.arpa", "192.168.150.10/32", 0 },
	{ "part of IPv4", "168.192.in-addr.arpa", "192.168.0.0/16", 0 },
	{ "the top", "in-addr.arpa", "0.0.0.0/0", 0 },
	{ "below an address", "x.10.150.168.192.in-addr.arpa", "192.168.150.10/32", 1 },
	{ "IPv6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.2.a.2.a.8.4.8.8.2.1.D.f.ip6.arpa", "fd12:8848:a2a2:1::1/128",
	  0 },
	{ "part of IPv6", "8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::/32", 0 },
	{ "octet too large", "256.150.168.192.in-addr.arpa", NULL, 0 },
	{ "leading zero", "010.150.168.192.in-addr.arpa", NULL, 0 },
	{ "a word", "x.168.192.in-addr.arpa", NULL, 0 },
	{ "two nibbles", "10.8.b.d.0.1.0.0.2.ip6.arpa", NULL, 0 },
	{ "no nibble", "g.ip6.arpa", NULL, 0 },
	{ "another tree", "10.150.168.192.in-addr.lan", NULL, 0 },
};

static void test_reverse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reverse_cases) / sizeof(reverse_cases[0]); i++) {
		struct dns_name name;
		struct prefix prefix;
		unsigned int above = 99;

		assert_true(dns_name_parse(reverse_cases[i].name, &name));
		bool ok = dns_name_reverse(&name, &prefix, &above);
		if (ok != (reverse_cases[i].want != NULL))
			fail_msg("%s", reverse_cases[i].why);
		if (ok) {
			assert_string_equal(PREFIX_STR(&prefix), reverse_cases[i].want);
			assert_int_equal(above, reverse_cases[i].above);
		}
	}
}

static struct dns_query query_of(const char *name, uint16_t type, bool edns)
{
	struct dns_query q = { .id = 7, .rd = true, .type = type, .class = 1, .edns = edns, .payload = 512 };

	assert_true(dns_name_parse(name, &q.name));
	return q;
}

static void test_reply_bytes(void **state)
{
	static const uint8_t want[] = "\0\7\x85\x80\0\1\0\1\0\0\0\1"
				      "\3WeB\3lan\0\0\1\0\1"
				      "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\xa8\x96\x0a"
				      "\0\0\x29\4\xd0\0\0\x80\0\0\0";
	struct dns_query q = query_of("WeB.lan", DNS_TYPE_A, true);
	uint8_t buf[DNS_UDP_MIN];
	struct dns_reply reply;
	struct dns_name lower;
	struct ip ip;

	(void)state;
	q.dnssec_ok = true;
	assert_true(ip_parse("192.168.150.10", &ip));
	assert_true(dns_name_parse("web.lan", &lower));
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	reply.authoritative = true;
	dns_reply_ip(&reply, DNS_SECTION_ANSWER, &lower, 30, &ip); /* the owner comes back in the question's case */
	assert_int_equal(dns_reply_finish(&reply), sizeof(want) - 1);
	assert_memory_equal(buf, want, sizeof(want) - 1);
}

static void test_reply_full(void **state)
{
	struct dns_query q = query_of("web.lan", DNS_TYPE_AAAA, true);
	uint8_t buf[DNS_UDP_MIN + 8];
	struct dns_reply reply;
	struct ip ip;

	(void)state;
	assert_true(ip_parse("fd12::1", &ip));
	memset(buf, 0xaa, sizeof(buf));
	dns_reply_init(&reply, buf, DNS_UDP_MIN, &q);
	for (int i = 0; i < 100; i++)
		dns_reply_ip(&reply, DNS_SECTION_ANSWER, &q.name, 30, &ip);
	size_t n = dns_reply_finish(&reply);
	assert_in_range(n, DNS_UDP_MIN - 28 - 17, DNS_UDP_MIN);
	assert_true(buf[2] & 0x02); /* TC */
	assert_int_equal(buf[6] << 8 | buf[7], (n - 12 - 13 - 11) / 28); /* whole records only */
	assert_int_equal(buf[DNS_UDP_MIN], 0xaa);
}

/* Distinct suffixes of one hash, and names written while the buffer is full, must not lead compression astray. */
static void test_compression(void **state)
{
	struct dns_query q = query_of("a.a.a.a.a.a.a.a", DNS_TYPE_PTR, false);
	uint8_t buf[DNS_TCP_MAX];
	struct dns_reply reply;
	struct dns_query parsed;

	(void)state;
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	for (unsigned int i = 0; i < 3000; i++) {
		char text[64];
		struct dns_name target;

		(void)snprintf(text, sizeof(text), "n%u.z%u.example", i, i % 7);
		assert_true(dns_name_parse(text, &target));
		dns_reply_target(&reply, DNS_SECTION_ANSWER, &q.name, DNS_TYPE_PTR, 1, &target);
	}
	size_t n = dns_reply_finish(&reply);
	assert_int_equal(reply.n[DNS_SECTION_ANSWER], 3000);
	assert_false(reply.truncated);

	/* Taken apart and built again it says the same. */
	static uint8_t again[DNS_TCP_MAX];
	dns_reply_init(&reply, again, sizeof(again), &q);
	assert_int_equal(dns_reply_relay(&reply, buf, n), 0);
	assert_int_equal(dns_reply_finish(&reply), n);
	assert_memory_equal(again, buf, n);
	assert_int_equal(dns_query_parse(buf, n, &parsed), -EBADMSG);
}

#define EXAMPLE "\7example\3net\0"
#define UP(an, ns, ar) "\0\0\x81\x80\0\1\0" an "\0" ns "\0" ar EXAMPLE "\0\1\0\1"
#define RRSIG_RR "\xc0\x0c\0\x2e\0\1\0\0\0\5\0\4sign"
#define A_RR "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
#define CNAME_RR "\xc0\x0c\0\5\0\1\0\0\0\5\0\6\3www\xc0\x0c"

static const struct relay_case {
	const char *why;
	const char *bytes;
	size_t len;
	int want;
	unsigned int n_answer, n_answer_do;
} relay_cases[] = {
	{ "an address", BYTES(UP("\1", "\0", "\0") A_RR), 0, 1, 1 },
	{ "a signature only for DO", BYTES(UP("\2", "\0", "\0") A_RR RRSIG_RR), 0, 1, 2 },
	{ "a chain", BYTES(UP("\2", "\0", "\0") CNAME_RR A_RR), 0, 2, 2 },
	{ "OPT is not passed on", BYTES(UP("\1", "\0", "\1") A_RR "\0\0\x29\x10\0\0\0\0\0\0\0"), 0, 1, 1 },
	{ "a record of an unknown type as it is",
	  BYTES(UP("\1", "\0", "\0") "\xc0\x0c\xff\x01\0\1\0\0\0\5\0\2\xc0\x0c"), 0, 1, 1 },
	{ "a query", BYTES("\0\0\1\0\0\1\0\0\0\0\0\0" EXAMPLE "\0\1\0\1"), -EBADMSG, 0, 0 },
	{ "another question",
	  BYTES("\0\0\x81\x80\0\1\0\0\0\0\0\0"
		"\7exampel\3net\0"
		"\0\1\0\1"),
	  -EBADMSG, 0, 0 },
	{ "another type", BYTES("\0\0\x81\x80\0\1\0\0\0\0\0\0" EXAMPLE "\0\x1c\0\1"), -EBADMSG, 0, 0 },
	{ "fewer records than announced", BYTES(UP("\2", "\0", "\0") A_RR), -EBADMSG, 0, 0 },
	{ "CNAME with more than a name", BYTES(UP("\1", "\0", "\0") "\xc0\x0c\0\5\0\1\0\0\0\5\0\3\xc0\x0cx"), -EBADMSG,
	  0, 0 },
	{ "CNAME whose name leaves its data", BYTES(UP("\1", "\0", "\0") "\xc0\x0c\0\5\0\1\0\0\0\5\0\2\3www\0"),
	  -EBADMSG, 0, 0 },
	{ "a pointer forward", BYTES(UP("\1", "\0", "\0") "\xc0\x40\0\1\0\1\0\0\0\5\0\4\1\2\3\4"), -EBADMSG, 0, 0 },
	{ "a pointer at itself", BYTES(UP("\1", "\0", "\0") "\xc0\x1d\0\1\0\1\0\0\0\5\0\4\1\2\3\4"), -EBADMSG, 0, 0 },
	{ "SOA cut short", BYTES(UP("\0", "\1", "\0") "\xc0\x0c\0\6\0\1\0\0\0\5\0\5\xc0\x0c\xc0\x0c\0"), -EBADMSG, 0,
	  0 },
	{ "MX without its number", BYTES(UP("\1", "\0", "\0") "\xc0\x0c\0\x0f\0\1\0\0\0\5\0\1\0"), -EBADMSG, 0, 0 },
};

static void test_relay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(relay_cases) / sizeof(relay_cases[0]); i++) {
		const struct relay_case *c = &relay_cases[i];

		for (int with_do = 0; with_do < 2; with_do++) {
			struct dns_query q = query_of("example.NET", DNS_TYPE_A, true);
			uint8_t buf[DNS_UDP_MIN];
			struct dns_reply reply;

			q.dnssec_ok = with_do;
			dns_reply_init(&reply, buf, sizeof(buf), &q);
			if (dns_reply_relay(&reply, c->bytes, c->len) != c->want)
				fail_msg("%s: wrong result", c->why);
			if (reply.n[DNS_SECTION_ANSWER] != (with_do ? c->n_answer_do : c->n_answer))
				fail_msg("%s: %u answers", c->why, reply.n[DNS_SECTION_ANSWER]);
			(void)dns_reply_finish(&reply);
		}
	}
}

/* A TXT of 200 bytes four times: over UDP what fits, in order, and TC; never a record after one that was left out. */
static void test_relay_truncates(void **state)
{
	uint8_t packet[2048], buf[DNS_UDP_MIN];
	struct wr w = wr_init(packet, sizeof(packet));
	struct dns_query q = query_of("example.net", DNS_TYPE_TXT, false);
	struct dns_reply reply;

	(void)state;
	wr_put(&w, "\0\0\x81\x80\0\1\0\4\0\0\0\0" EXAMPLE "\0\x10\0\1", 12 + 13 + 4);
	for (int i = 0; i < 4; i++) {
		int n = i == 2 ? 250 : 150; /* the fourth would fit, but the third didn't */

		wr_put(&w, "\xc0\x0c\0\x10\0\1\0\0\0\5", 10);
		wr_be16(&w, (uint16_t)(n + 1));
		wr_u8(&w, (uint8_t)n);
		(void)wr_skip(&w, (size_t)n);
	}
	assert_true(wr_ok(&w));
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	assert_int_equal(dns_reply_relay(&reply, packet, w.len), 0);
	assert_true(reply.truncated);
	assert_int_equal(reply.n[DNS_SECTION_ANSWER], 2);
	assert_in_range(dns_reply_finish(&reply), 300, DNS_UDP_MIN);
}

static void test_ede(void **state)
{
	struct dns_query q = query_of("example.net", DNS_TYPE_A, true);
	uint8_t buf[DNS_UDP_MIN];
	struct dns_reply reply;

	(void)state;
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	reply.rcode = DNS_RCODE_SERVFAIL;
	reply.ede = DNS_EDE_NETWORK_ERROR;
	size_t n = dns_reply_finish(&reply);
	assert_memory_equal(buf + n - 8, "\0\6\0\x0f\0\2\0\x17", 8);
	q.edns = false;
	dns_reply_init(&reply, buf, sizeof(buf), &q);
	reply.ede = DNS_EDE_NETWORK_ERROR;
	assert_int_equal(dns_reply_finish(&reply), 12 + 13 + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),	   cmocka_unit_test(test_query_every_cut),
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_under),
		cmocka_unit_test(test_reverse),	   cmocka_unit_test(test_reply_bytes),
		cmocka_unit_test(test_reply_full), cmocka_unit_test(test_compression),
		cmocka_unit_test(test_relay),	   cmocka_unit_test(test_relay_truncates),
		cmocka_unit_test(test_ede),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
