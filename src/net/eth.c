/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eth - Ethernet II frames
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_eth.c.
 */
#include "net/eth.h"

#define ETH_TYPE_MIN 0x0600	/* below: a length (IEEE 802.3 3.2.6) */

int eth_parse(struct rd frame, struct eth *ret)
{
	struct eth eth;

	rd_copy(&frame, eth.dst.b, sizeof(eth.dst.b));
	rd_copy(&frame, eth.src.b, sizeof(eth.src.b));
	eth.type = rd_be16(&frame);
	eth.payload = frame;
	if (!rd_ok(&frame) || mac_is_multicast(&eth.src) || mac_is_zero(&eth.src))
		return ETH_E_MALFORMED;
	if (eth.type < ETH_TYPE_MIN)
		return ETH_E_NOT_OURS;
	*ret = eth;
	return 0;
}

void eth_begin(struct wr *w, const struct mac *dst, const struct mac *src, uint16_t type)
{
	wr_put(w, dst->b, sizeof(dst->b));
	wr_put(w, src->b, sizeof(src->b));
	wr_be16(w, type);
}
