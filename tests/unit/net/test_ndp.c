/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "net/icmpv6.h"
#include "net/ndp.h"

static const struct in6_addr any, local = { .s6_addr = { 0xfe, 0x80, [15] = 2 } },
			     target = { .s6_addr = { 0x20, 1, [13] = 1, 2, 3 } },
			     all_nodes = { .s6_addr = { 0xff, 2, [15] = 1 } },
			     solicited = { .s6_addr = { 0xff, 2, [11] = 1, 0xff, 1, 2, 3 } };

#define RS_HEAD 133, 0, 0, 0, 0, 0, 0, 0
#define NS_HEAD 135, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3
#define NA_HEAD(flags) 136, 0, 0, 0, flags, 0, 0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3
#define SLLA 1, 1, 0x52, 0x54, 0, 0, 0, 1
#define TLLA 2, 1, 0x52, 0x54, 0, 0, 0, 1

static void solicitations_and_advertisements(void **state)
{
	static const struct {
		const char *why;
		uint8_t b[48];
		size_t n;
		const struct in6_addr *src, *dst;
		uint8_t hop_limit;
		int want;
	} t[] = {
		{ "RS", { RS_HEAD }, 8, &local, &all_nodes, 255, 0 },
		{ "RS with address", { RS_HEAD, SLLA }, 16, &local, &all_nodes, 255, 0 },
		{ "RS from ::", { RS_HEAD }, 8, &any, &all_nodes, 255, 0 },
		{ "RS from :: with address", { RS_HEAD, SLLA }, 16, &any, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS through a router", { RS_HEAD }, 8, &local, &all_nodes, 254, NDP_E_MALFORMED },
		{ "RS cut short", { RS_HEAD }, 7, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with code 1", { 133, 1 }, 8, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with an option of length 0", { RS_HEAD, 1, 0 }, 16, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with an option cut short", { RS_HEAD, 1, 2 }, 16, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with half an option header", { RS_HEAD, 1 }, 9, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with an address of 14 bytes", { RS_HEAD, 1, 2 }, 24, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "RS with a nonce", { RS_HEAD, 14, 1, 1, 2, 3, 4, 5, 6 }, 16, &any, &all_nodes, 255, 0 },
		{ "NS", { NS_HEAD, SLLA }, 32, &local, &solicited, 255, 0 },
		{ "NS for DAD", { NS_HEAD }, 24, &any, &solicited, 255, 0 },
		{ "NS for DAD with address", { NS_HEAD, SLLA }, 32, &any, &solicited, 255, NDP_E_MALFORMED },
		{ "NS for DAD to all nodes", { NS_HEAD }, 24, &any, &all_nodes, 255, NDP_E_MALFORMED },
		{ "NS cut short", { NS_HEAD }, 23, &local, &solicited, 255, NDP_E_MALFORMED },
		{ "NS for a group", { 135, [8] = 0xff, 2 }, 24, &local, &solicited, 255, NDP_E_MALFORMED },
		{ "NA", { NA_HEAD(0x60), TLLA }, 32, &local, &target, 255, 0 },
		{ "NA to all", { NA_HEAD(0x20), TLLA }, 32, &local, &all_nodes, 255, 0 },
		{ "solicited NA to all", { NA_HEAD(0x60), TLLA }, 32, &local, &all_nodes, 255, NDP_E_MALFORMED },
		{ "NA cut short", { NA_HEAD(0) }, 20, &local, &target, 255, NDP_E_MALFORMED },
		{ "NA for a group", { 136, [8] = 0xff, 2 }, 24, &local, &target, 255, NDP_E_MALFORMED },
		{ "an echo request", { 128 }, 8, &local, &target, 255, NDP_E_NOT_OURS },
		{ "nothing", { 0 }, 0, &local, &target, 255, NDP_E_NOT_OURS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct ndp_meta meta = { *t[i].src, *t[i].dst, t[i].hop_limit };
		struct rd msg = rd_init(t[i].b, t[i].n);
		struct ndp_rs rs;
		struct ndp_ns ns;
		struct ndp_na na;
		int r = ndp_parse_rs(msg, &meta, &rs);

		if (t[i].b[0] == ICMPV6_NS)
			r = ndp_parse_ns(msg, &meta, &ns);
		if (t[i].b[0] == ICMPV6_NA)
			r = ndp_parse_na(msg, &meta, &na);
		if (r != t[i].want)
			fail_msg("%s: got %d", t[i].why, r);
	}
}

static void too_many_options(void **state)
{
	uint8_t b[8 + 8 * (NDP_OPTIONS + 1)] = { 133 };
	struct ndp_meta meta = { local, all_nodes, 255 };
	struct ndp_rs rs;

	(void)state;
	for (size_t i = 8; i < sizeof(b); i += 8) {
		b[i] = 200;
		b[i + 1] = 1;
	}
	assert_int_equal(ndp_parse_rs(rd_init(b, sizeof(b) - 8), &meta, &rs), 0);
	assert_int_equal(ndp_parse_rs(rd_init(b, sizeof(b)), &meta, &rs), NDP_E_MALFORMED);
}

/* Take a packet that ndp_put_…() wrote apart again. */
static struct rd reopen(const struct wr *w, struct ndp_meta *ret_meta)
{
	struct ipv6 ip;
	struct rd msg;
	uint8_t type;

	assert_true(wr_ok(w));
	assert_int_equal(ipv6_parse(rd_init(w->buf, w->len), &ip), 0);
	assert_int_equal(icmpv6_open(&ip, true, &type, &msg), 0);
	*ret_meta = (struct ndp_meta){ ip.src, ip.dst, ip.hop_limit };
	return msg;
}

static void what_is_built_reads_back(void **state)
{
	const struct mac mac = { { 0x52, 0x54, 0, 1, 2, 3 } };
	struct ndp_meta meta;
	uint8_t buf[256];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	struct ndp_rs rs = { .has_slla = true, .slla = mac }, rs2 = { 0 };
	ndp_put_rs(&w, &local, &all_nodes, &rs);
	assert_int_equal(ndp_parse_rs(reopen(&w, &meta), &meta, &rs2), 0);
	assert_true(rs2.has_slla && mac_eq(&rs2.slla, &mac));

	struct ndp_ns ns = { .target = target }, ns2 = { 0 };
	w = wr_init(buf, sizeof(buf));
	ndp_put_ns(&w, &any, &solicited, &ns);
	assert_int_equal(ndp_parse_ns(reopen(&w, &meta), &meta, &ns2), 0);
	assert_true(!ns2.has_slla && IN6_ARE_ADDR_EQUAL(&ns2.target, &target));

	struct ndp_na na = { .target = target, .router = true, .override = true, .has_tlla = true, .tlla = mac }, na2 = { 0 };
	w = wr_init(buf, sizeof(buf));
	ndp_put_na(&w, &local, &all_nodes, &na);
	assert_int_equal(ndp_parse_na(reopen(&w, &meta), &meta, &na2), 0);
	assert_true(na2.router && !na2.solicited && na2.override && na2.has_tlla && mac_eq(&na2.tlla, &mac));
}

static void advertisement_reads_back(void **state)
{
	static const struct ndp_ra ra = {
		.hop_limit = 64, .managed = true, .preference = NDP_PREFERENCE_LOW, .lifetime_s = 1800,
		.reachable_ms = 30000, .retrans_ms = 1000, .has_slla = true, .slla = { { 0x52, 0x54, 0, 1, 2, 3 } }, .mtu = 1400,
		.n_prefixes = 2, .n_rdnss = 3, .n_dnssl = 2, .n_routes = 3, .n_pref64 = 1,
		.prefixes = { { { .s6_addr = { 0xfd, 1 } }, 64, true, true, 7200, 3600 },
			      { { .s6_addr = { 0xfd, 2 } }, 64, true, false, NDP_FOREVER, 0 } },
		.rdnss = { { { .s6_addr = { 1 } }, 600 }, { { .s6_addr = { 2 } }, 600 }, { { .s6_addr = { 3 } }, 0 } },
		.dnssl = { { "lan.example", 600 }, { "x", 600 } },
		.routes = { { { .s6_addr = { 0 } }, 0, NDP_PREFERENCE_HIGH, 10 },
			    { { .s6_addr = { 0xfd, 3 } }, 48, NDP_PREFERENCE_MEDIUM, 20 },
			    { { .s6_addr = { 0xfd, 4, [15] = 1 } }, 128, NDP_PREFERENCE_LOW, 30 } },
		.pref64 = { { { .s6_addr = { 0, 0x64, 0xff, 0x9b } }, 96, 1800 } },
	};
	static struct ndp_ra got;
	struct ndp_meta meta;
	uint8_t buf[1280];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	ndp_put_ra(&w, &local, &all_nodes, &ra);
	assert_int_equal(ndp_parse_ra(reopen(&w, &meta), &meta, &got), 0);
	assert_memory_equal(&got.src, &local, sizeof(local));
	got.src = any;
	assert_memory_equal(&got, &ra, sizeof(ra));
}

#define RA_HEAD 134, 0, 0, 0, 64, 0x10, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0
#define DNSSL_HEAD(units) 31, units, 0, 0, 0, 0, 0, 9

static void options_of_advertisements(void **state)
{
	static const struct {
		const char *why;
		uint8_t b[64];
		size_t n;
		size_t n_unknown, n_wrong, n_dnssl;
	} t[] = {
		{ "none", { RA_HEAD }, 16, 0, 0, 0 },
		{ "unknown type", { RA_HEAD, 99, 1 }, 24, 1, 0, 0 },
		{ "prefix option of 8 bytes", { RA_HEAD, 3, 1 }, 24, 0, 1, 0 },
		{ "prefix of 129 bits", { RA_HEAD, 3, 4, 129 }, 48, 0, 1, 0 },
		{ "MTU of 16 bytes", { RA_HEAD, 5, 2 }, 32, 0, 1, 0 },
		{ "address of 16 bytes", { RA_HEAD, 1, 2 }, 32, 0, 1, 0 },
		{ "route longer than its bytes", { RA_HEAD, 24, 2, 65 }, 32, 0, 1, 0 },
		{ "route with the reserved preference", { RA_HEAD, 24, 1, 0, 0x10 }, 24, 0, 1, 0 },
		{ "route of 32 bytes", { RA_HEAD, 24, 4, 64 }, 48, 0, 1, 0 },
		{ "RDNSS without a server", { RA_HEAD, 25, 1 }, 24, 0, 1, 0 },
		{ "RDNSS with half a server", { RA_HEAD, 25, 2 }, 32, 0, 1, 0 },
		{ "DNSSL", { RA_HEAD, DNSSL_HEAD(2), 3, 'L', 'a', 'n', 0 }, 32, 0, 0, 1 },
		{ "DNSSL of padding", { RA_HEAD, DNSSL_HEAD(2) }, 32, 0, 0, 0 },
		{ "DNSSL without its end", { RA_HEAD, DNSSL_HEAD(2), 7, 'a', 'b', 'c', 'd', 'e', 'f', 'g' }, 32, 0, 1, 0 },
		{ "DNSSL with a pointer", { RA_HEAD, DNSSL_HEAD(2), 0xc0, 0 }, 32, 0, 1, 0 },
		{ "DNSSL with a terminal's escape", { RA_HEAD, DNSSL_HEAD(2), 2, 0x1b, '[', 0 }, 32, 0, 1, 0 },
		{ "DNSSL with a dot in a label", { RA_HEAD, DNSSL_HEAD(2), 2, 'a', '.', 0 }, 32, 0, 1, 0 },
		{ "PREF64 of an unknown length", { RA_HEAD, 38, 2, 0, 7 }, 32, 0, 1, 0 },
	};
	const struct ndp_meta meta = { local, all_nodes, 255 }, far = { target, all_nodes, 255 };
	static struct ndp_ra ra;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = ndp_parse_ra(rd_init(t[i].b, t[i].n), &meta, &ra);

		if (r != 0 || ra.n_unknown != t[i].n_unknown || ra.n_wrong != t[i].n_wrong || ra.n_dnssl != t[i].n_dnssl)
			fail_msg("%s: got %d, %zu unknown, %zu wrong", t[i].why, r, ra.n_unknown, ra.n_wrong);
		if (ra.preference != NDP_PREFERENCE_MEDIUM || ra.lifetime_s != 0x0708)
			fail_msg("%s: header", t[i].why);
	}
	assert_int_equal(ndp_parse_ra(rd_init(t[0].b, 16), &far, &ra), NDP_E_MALFORMED);
	assert_int_equal(ndp_parse_ra(rd_init(t[0].b, 15), &meta, &ra), NDP_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solicitations_and_advertisements), cmocka_unit_test(too_many_options),
		cmocka_unit_test(what_is_built_reads_back),	    cmocka_unit_test(advertisement_reads_back),
		cmocka_unit_test(options_of_advertisements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
