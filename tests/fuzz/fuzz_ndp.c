/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All four messages; a router advertisement that was read can be written, and reads back as the same. */
#include <stdlib.h>
#include "net/icmpv6.h"
#include "net/ndp.h"

static void write_and_read(const struct ndp_ra *ra)
{
	static const struct in6_addr local = { .s6_addr = { 0xfe, 0x80, [15] = 1 } };
	static struct ndp_ra again;
	static uint8_t buf[65536];
	struct wr w = wr_init(buf, sizeof(buf));
	struct ipv6 ip;
	struct rd msg;
	uint8_t type;

	ndp_put_ra(&w, &local, &local, ra);
	if (!wr_ok(&w))
		return;		/* a domain name that is legal in ND but not for us, or too many in one option */
	if (ipv6_parse(rd_init(buf, w.len), &ip) != 0 || icmpv6_open(&ip, true, &type, &msg) != 0)
		abort();

	struct ndp_meta meta = { ip.src, ip.dst, ip.hop_limit };
	if (ndp_parse_ra(msg, &meta, &again) != 0)
		return;		/* more options than NDP_OPTIONS: servers that shared one have different lifetimes now */
	if (again.n_wrong || again.n_unknown || again.n_prefixes != ra->n_prefixes || again.n_rdnss != ra->n_rdnss ||
	    again.n_dnssl != ra->n_dnssl || again.n_routes != ra->n_routes || again.n_pref64 != ra->n_pref64 ||
	    again.mtu != ra->mtu || again.lifetime_s != ra->lifetime_s)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ndp_meta meta = { .hop_limit = NDP_HOP_LIMIT };
	static struct ndp_ra ra;
	struct ndp_rs rs;
	struct ndp_ns ns;
	struct ndp_na na;

	/* The first byte says how the packet came: from fe80:: or ::, to a group or not. */
	if (size < 1)
		return 0;
	if (data[0] & 1)
		memcpy(meta.src.s6_addr, "\xfe\x80", 2);
	if (data[0] & 2)
		memcpy(meta.dst.s6_addr, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff", 13);

	struct rd msg = rd_init(data + 1, size - 1);
	int n = (ndp_parse_rs(msg, &meta, &rs) == 0) + (ndp_parse_ns(msg, &meta, &ns) == 0) +
		(ndp_parse_na(msg, &meta, &na) == 0) + (ndp_parse_ra(msg, &meta, &ra) == 0);
	if (n > 1)
		abort();
	if (n == 1 && data[1] == ICMPV6_RA)
		write_and_read(&ra);
	return 0;
}
