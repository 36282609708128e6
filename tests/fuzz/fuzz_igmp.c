/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's reports: IGMP, and all evidence for its multicast groups after it. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "net/checksum.h"
#include "resp/mcast.h"

static struct mcast *m;
static mono_t now;

static void feed_igmp(const uint8_t *data, size_t size)
{
	static uint8_t bytes[2048];
	struct ipv4 ip = { .proto = IGMP_PROTO };
	struct igmp_report report;

	memcpy(bytes, data, size);
	if (size >= 8) {	/* the checksum is no obstacle */
		bytes[2] = bytes[3] = 0;
		uint16_t sum = checksum_end(checksum_add(0, bytes, size));
		bytes[2] = (uint8_t)(sum >> 8);
		bytes[3] = (uint8_t)sum;
	}
	ip.payload = rd_init(bytes, size);
	if (igmp_parse(&ip, &report) == 0) {
		if (report.n_records > IGMP_RECORDS)
			abort();
		mcast_igmp(m, &report, now);
	}
}

static void feed_icmp(const uint8_t *data, size_t size)
{
	struct ndp_meta meta = { .src = IN6ADDR_ANY_INIT, .hop_limit = MLD_HOP_LIMIT };
	struct mld_report report;
	struct ndp_ns ns;
	struct ndp_na na;

	if (mld_parse(rd_init(data, size), &meta, &report) == 0)
		mcast_mld(m, &report, now);
	meta.hop_limit = NDP_HOP_LIMIT;
	meta.dst = (struct in6_addr){ { { 0xff, 2, [11] = 1, 0xff } } };
	if (size >= 24)
		memcpy(&meta.dst.s6_addr[13], data + 21, 3);
	if (ndp_parse_ns(rd_init(data, size), &meta, &ns) == 0)
		mcast_ns(m, &ns, now);
	meta.src = (struct in6_addr){ { { 0xfe, 0x80, [15] = 1 } } };
	if (ndp_parse_na(rd_init(data, size), &meta, &na) == 0)
		mcast_na(m, &na, now);
}

/* Main's view: never more than it has room for, never a unicast group, never left what wasn't joined. */
static void take(void)
{
	static struct mac joined[MCAST_GROUPS];
	static size_t n;
	struct mcast_change c;

	if (!m) {
		n = 0;
		return;
	}
	while (mcast_change(m, &c)) {
		size_t i = 0;

		if (mac_is_zero(&c.group))
			continue;
		while (i < n && !mac_eq(&joined[i], &c.group))
			i++;
		if (!mac_is_multicast(&c.group) || (c.reasons == 0 && i == n) || (c.reasons != 0 && i == MCAST_GROUPS))
			abort();
		if (c.reasons == 0)
			joined[i] = joined[--n];
		else if (i == n)
			joined[n++] = c.group;
	}
	if (n != mcast_n_groups(m))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	take();
	(void)mcast_new(&m, now = 100 * MONO_S);
	mcast_may_ask(m, true);
	while (size >= 4) {
		size_t len = (size_t)(data[1] << 8 | data[2]) % 1500;
		uint8_t what = data[0];

		now += (mono_t)data[3] * 100 * MONO_MS;
		data += 4;
		size -= 4;
		len = len < size ? len : size;
		if (what & 1)
			feed_igmp(data, len);
		else
			feed_icmp(data, len);
		if (what & 2)
			(void)mcast_tick(m, now);
		if (what & 4)
			take();
		data += len;
		size -= len;
	}
	take();
	m = mcast_free(m);
	return 0;
}
