/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DHCP exchanges a second of responder and lease file together, without sockets.
 *
 *   bench_dhcp FILE HELD NEW BATCH [4|6]
 *
 * Holds HELD leases first, then NEW new clients go through all four messages,
 * as parsed from bytes; facts are committed every BATCH exchanges. FILE should
 * not exist. Prints the rates, the time to load HELD leases, and resident memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include "io/leasedb.h"
#include "model/service.h"
#include "net/dhcp4.h"
#include "net/dhcp6.h"
#include "resp/dhcp4.h"
#include "resp/dhcp6.h"

static struct out out;
static struct leasedb *db;
static struct dhcp4 *dhcp4;
static struct dhcp6 *dhcp6;
static struct service service;
static unsigned int n_uncommitted, batch, n_lost;

static void finish(unsigned int exchanges)
{
	for (size_t i = 0; i < out.n_facts; i++)
		if (leasedb_put(db, &out.facts[i].lease))
			exit(1);
	out_reset(&out);
	n_uncommitted += exchanges;
	if (n_uncommitted >= batch) {
		if (leasedb_commit(db))
			exit(1);
		n_uncommitted = 0;
	}
}

static void tick(mono_t now)
{
	for (unsigned int i = 0; i < 64; i++) {
		if ((dhcp4 ? dhcp4_deadline(dhcp4) : dhcp6_deadline(dhcp6)) > now)
			return;
		(void)(dhcp4 ? dhcp4_tick(dhcp4, now, &out) : dhcp6_tick(dhcp6, now, &out));
		finish(0);
	}
}

static struct wr frame_cursor(void)
{
	static uint8_t buf[1500];

	return wr_init(buf, sizeof(buf));
}

static void message4(unsigned int n, uint8_t type, struct in_addr address, mono_t now)
{
	struct dhcp4_meta meta = { .src_mac = { { 2, 0x50, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } } };
	struct wr w = frame_cursor();
	struct dhcp4_msg msg;

	wr_put(&w, "\1\1\6\0", 4);
	wr_be32(&w, n);
	wr_skip(&w, 20);
	wr_put(&w, meta.src_mac.b, 6);
	wr_skip(&w, 202);
	wr_put(&w, "\x63\x82\x53\x63\x35\1", 6);
	wr_u8(&w, type);
	wr_put(&w, "\x3d\7\1", 3);
	wr_put(&w, meta.src_mac.b, 6);
	if (type == DHCP4_REQUEST) {
		wr_put(&w, "\x32\4", 2);
		wr_put(&w, &address, 4);
		wr_put(&w, "\x36\4\x0a\0\0\1", 6);
	}
	wr_put(&w, "\x37\6\1\3\6\x0f\x1a\x33\xff", 9);
	if (!wr_ok(&w) || dhcp4_parse(rd_init(w.buf, w.len), &msg))
		abort();
	(void)dhcp4_input(dhcp4, &msg, &meta, now, &out);
}

static bool exchange4(unsigned int n, mono_t now)
{
	struct in_addr address = { 0 };

	message4(n, DHCP4_DISCOVER, address, now);
	if (out.n_frames == 0)
		return false;
	memcpy(&address, out.frames[0].data + 14 + 20 + 8 + 16, 4);
	message4(n, DHCP4_REQUEST, address, now);
	return true;
}

static bool exchange6(unsigned int n, mono_t now)
{
	struct dhcp6_meta meta = {
		.src_mac = { { 2, 0x50, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } },
		.src = { .s6_addr = { 0xfe, 0x80, [15] = 9 } }, .dst = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } },
	};
	uint8_t duid[] = { 0, 1, 0, 10, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0 };
	struct wr w = frame_cursor();
	struct dhcp6_msg msg;

	memcpy(duid + 8, meta.src_mac.b, 6);
	wr_be32(&w, (uint32_t)DHCP6_SOLICIT << 24 | (n & 0xffffff));
	wr_put(&w, duid, sizeof(duid));
	wr_put(&w, "\0\3\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0\0\6\0\4\0\x17\0\x18", 24);
	if (!wr_ok(&w) || dhcp6_parse(rd_init(w.buf, w.len), &msg))
		abort();
	(void)dhcp6_input(dhcp6, &msg, &meta, now, &out);
	if (out.n_frames == 0)
		return false;
	w = frame_cursor();
	wr_be32(&w, (uint32_t)DHCP6_REQUEST << 24 | (n & 0xffffff));
	wr_put(&w, duid, sizeof(duid));
	wr_put(&w, "\0\2\0\x12", 4);
	wr_put(&w, out.frames[0].data + 14 + 40 + 8 + 4 + 14 + 4, 18);
	wr_put(&w, "\0\3\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0\0\6\0\4\0\x17\0\x18", 24);
	if (!wr_ok(&w) || dhcp6_parse(rd_init(w.buf, w.len), &msg))
		abort();
	(void)dhcp6_input(dhcp6, &msg, &meta, now, &out);
	return true;
}

/* Virtual time for the responder: a millisecond for each 20 exchanges; real time is only measured. */
static double run(unsigned int first, unsigned int n, mono_t *now)
{
	mono_t began = mono_now();

	for (unsigned int i = 0; i < n; i++) {
		while (!(dhcp4 ? exchange4(first + i, *now) : exchange6(first + i, *now))) {
			n_lost++;
			finish(0);
			*now += 10 * MONO_MS;
			tick(*now);
			out_reset(&out);
		}
		finish(1);
		if (i % 20 == 19) {
			*now += MONO_MS;
			tick(*now);
		}
	}
	(void)leasedb_commit(db);
	return (double)n / ((double)(mono_now() - began) / 1e9);
}

static void restore(void *user, const struct lease *lease)
{
	mono_t *now = user;

	(void)(dhcp4 ? dhcp4_restore(dhcp4, lease, *now) : dhcp6_restore(dhcp6, lease, *now));
}

static void print_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmRSS", 5) == 0)
			(void)printf("%s", line);
	if (f)
		(void)fclose(f);
}

static void start(bool v6, mono_t now)
{
	static const uint8_t seed[16] = { 1 };

	if (v6) {
		(void)dhcp6_new(&dhcp6, seed);
		(void)dhcp6_configure(dhcp6, &service, NULL, 0, now);
	} else {
		(void)dhcp4_new(&dhcp4, seed);
		(void)dhcp4_configure(dhcp4, &service, NULL, 0, now);
	}
}

int main(int argc, char **argv)
{
	mono_t now = MONO_S;

	if (argc < 5) {
		(void)fputs("usage: bench_dhcp FILE HELD NEW BATCH [4|6]\n", stderr);
		return 2;
	}
	unsigned int held = (unsigned int)atoi(argv[2]), new = (unsigned int)atoi(argv[3]);
	bool v6 = argc > 5 && argv[5][0] == '6';
	service = (struct service){ .network = "lan", .mac = { { 2 } }, .mtu = 1500, .dhcp4 = !v6, .dhcp6 = v6,
				    .routes = true, .lease_s = 86400, .link_local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } },
				    .domain = "lan" };
	(void)prefix_parse("10.0.0.1/8", &service.gateway4);
	(void)range_parse("10.1.0.0-10.1.255.255", &service.range4);
	(void)prefix_parse("fd00::1/64", &service.gateway6);
	(void)range_parse("fd00::1:0-fd00::1:ffff", &service.range6);
	batch = (unsigned int)atoi(argv[4]);
	(void)leasedb_open(&db, argv[1]);
	leasedb_set_clock(db, now, 1700000000);
	start(v6, now);
	(void)run(0, held, &now);
	n_lost = 0;
	double rate = run(held, new, &now);
	(void)printf("v%c held %u: %.0f exchanges/s (%u new, commit per %u; %u waited for a probe)\n", v6 ? '6' : '4', held,
		     rate, new, batch, n_lost);
	print_memory();

	leasedb_free(db);
	dhcp4 = dhcp4_free(dhcp4);
	dhcp6 = dhcp6_free(dhcp6);
	start(v6, now);
	mono_t began = mono_now();
	(void)leasedb_open(&db, argv[1]);
	leasedb_set_clock(db, now, 1700000000);
	(void)leasedb_load(db, NULL, restore, &now);
	(void)printf("open and load %u: %.3f s\n", v6 ? dhcp6_n_leases(dhcp6) : dhcp4_n_leases(dhcp4),
		     (double)(mono_now() - began) / 1e9);
	leasedb_free(db);
	dhcp4_free(dhcp4);
	dhcp6_free(dhcp6);
	return 0;
}
