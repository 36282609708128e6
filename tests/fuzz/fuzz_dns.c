/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_query_parse() and what is answered from our own names; and dns_reply_relay() of
 * an upstream's packet. The first byte chooses: bit 7 relay, the others the size of the reply.
 */
#include <stdlib.h>
#include <string.h>
#include "net/dns.h"
#include "resp/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buf[DNS_TCP_MAX], again[DNS_TCP_MAX];

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct dns_table *table(void)
{
	struct dns_table *t = dns_table_new((const uint8_t[16]){ 1 });
	struct prefix gateway4, gateway6;
	struct ip ip;

	check(prefix_parse("192.168.150.1/20", &gateway4) && prefix_parse("fd12::1/64", &gateway6));
	check(dns_table_set_zone(t, "lan", "lan", &gateway4, &gateway6) == DNS_TABLE_OK);
	for (int i = 0; i < DNS_HOST_IPS; i++) {
		struct ip first = gateway6.ip;

		ip = ip_add(&first, (uint64_t)i + 1);
		check(dns_table_add(t, "lan", "a", &ip) == DNS_TABLE_OK);
	}
	return t;
}

static void one_query(const uint8_t *data, size_t size)
{
	static struct dns_table *t;
	struct dns_query q;
	struct dns_reply reply;
	char text[DNS_NAME_STRLEN];
	int r = dns_query_parse(data, size, &q);

	if (!t)
		t = table();
	if (r < 0)
		return;
	size_t limit = dns_query_udp_limit(&q);
	check(limit >= DNS_UDP_MIN && limit <= DNS_UDP_MAX);
	dns_reply_init(&reply, buf, limit, &q);
	reply.rcode = (enum dns_rcode)r;
	if (r == 0) {
		check(q.name.len > 0 && strlen(dns_name_format(&q.name, text)) < DNS_NAME_STRLEN);
		(void)dns_zone_answer(dns_table_find(t, "lan"), &q, &reply);
	}
	size_t n = dns_reply_finish(&reply);
	check(n >= DNS_HEADER_LEN && n <= limit);
	if (r == 0) { /* what we say is well-formed: we would take it from others */
		struct dns_reply second;

		dns_reply_init(&second, again, sizeof(again), &q);
		check(dns_reply_relay(&second, buf, n) == 0);
	}
}

static void one_answer(const uint8_t *data, size_t size, size_t limit)
{
	struct dns_query q = { .id = 1,
			       .rd = true,
			       .type = DNS_TYPE_A,
			       .class = 1,
			       .edns = limit & 1,
			       .dnssec_ok = limit & 1,
			       .payload = (uint16_t)limit };
	struct dns_reply reply, second;

	/* The question is the packet's own, or nothing behind it would be reached. */
	if (size < 16 || data[12] > 3 || 13U + data[12] + 5 > size)
		return;
	q.name.len = (uint8_t)(data[12] ? data[12] + 2 : 1);
	memcpy(q.name.b, data + 12, 1U + data[12]);
	q.type = (uint16_t)(data[12 + q.name.len] << 8 | data[13 + q.name.len]);
	dns_reply_init(&reply, buf, limit, &q);
	int r = dns_reply_relay(&reply, data, size);
	size_t n = dns_reply_finish(&reply);
	check(n <= limit);
	if (r < 0)
		return;
	dns_reply_init(&second, again, sizeof(again), &q);
	check(dns_reply_relay(&second, buf, n) == 0);
	for (enum dns_section s = 0; s < DNS_SECTION_N_; s++)
		check(second.n[s] == reply.n[s]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 0x80)
		one_answer(data + 1, size - 1, DNS_UDP_MIN + (data[0] & 0x7f) * 8U + (data[0] & 1));
	else
		one_query(data + 1, size - 1);
	return 0;
}
