/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_ask - which DHCP servers are there? One question, any number of answers
 *
 * No sockets, no clock, no allocation. Fuzzed by tests/fuzz/fuzz_dhcp_ask.c.
 */
#include "net/dhcp_ask.h"

#define BOOTREQUEST 1
#define BOOTREPLY 2
#define HTYPE_ETHERNET 1
#define FLAG_BROADCAST 0x8000u
#define FIXED_TAIL (16 - 6 + 64 + 128)	/* rest of chaddr, sname, file */
#define MAGIC UINT32_C(0x63825363)
#define OPTIONS_MAX 128			/* a server's message has a few dozen */
#define MESSAGE_MIN 300u		/* RFC 1542 2.1: some servers drop what is shorter */
#define DUID_LL 3			/* RFC 8415 11.4 */

void dhcp4_put_discover(struct wr *w, const struct mac *mac, uint32_t xid)
{
	static const uint8_t wants[] = { DHCP4_OPT_MASK, DHCP4_OPT_ROUTER, DHCP4_OPT_DNS };
	const size_t at = w->len;

	wr_u8(w, BOOTREQUEST);
	wr_u8(w, HTYPE_ETHERNET);
	wr_u8(w, sizeof(mac->b));
	wr_u8(w, 0);			/* hops */
	wr_be32(w, xid);
	wr_be16(w, 0);			/* secs */
	wr_be16(w, FLAG_BROADCAST);
	(void)wr_skip(w, 16);		/* ciaddr, yiaddr, siaddr, giaddr */
	wr_put(w, mac->b, sizeof(mac->b));
	(void)wr_skip(w, FIXED_TAIL);
	wr_be32(w, MAGIC);
	wr_u8(w, DHCP4_OPT_TYPE);
	wr_u8(w, 1);
	wr_u8(w, DHCP4_DISCOVER);
	wr_u8(w, DHCP4_OPT_PARAMETERS);
	wr_u8(w, sizeof(wants));
	wr_put(w, wants, sizeof(wants));
	wr_u8(w, DHCP4_OPT_END);
	if (w->len - at < MESSAGE_MIN)
		(void)wr_skip(w, MESSAGE_MIN - (w->len - at));
}

static bool read_address(struct rd body, struct in_addr *ret)
{
	if (body.left < sizeof(*ret))
		return false;
	rd_copy(&body, ret, sizeof(*ret));
	return true;
}

/* Options until END; false: broken. */
static bool read_options(struct rd opts, uint8_t *ret_type, struct dhcp4_offer *ret)
{
	for (unsigned int i = 0; i < OPTIONS_MAX && opts.left > 0; i++) {
		uint8_t code = rd_u8(&opts);

		if (code == DHCP4_OPT_END)
			return true;
		if (code == DHCP4_OPT_PAD)
			continue;
		uint8_t len = rd_u8(&opts);
		struct rd body = rd_sub(&opts, len);
		if (!rd_ok(&opts))
			return false;
		if (code == DHCP4_OPT_TYPE && *ret_type == 0)
			*ret_type = rd_u8(&body);
		else if (code == DHCP4_OPT_SERVER_ID && !read_address(body, &ret->server))
			return false;
		else if (code == DHCP4_OPT_ROUTER && !read_address(body, &ret->router))
			return false;
	}
	return true;
}

int dhcp4_parse_offer(struct rd msg, const struct mac *mac, uint32_t xid, struct dhcp4_offer *ret)
{
	struct dhcp4_offer offer = { 0 };
	struct mac chaddr;
	uint8_t type = 0;

	uint8_t op = rd_u8(&msg), htype = rd_u8(&msg), hlen = rd_u8(&msg);
	(void)rd_u8(&msg);
	uint32_t id = rd_be32(&msg);
	(void)rd_take(&msg, 2 + 2 + 4);		/* secs, flags, ciaddr */
	rd_copy(&msg, &offer.yiaddr, sizeof(offer.yiaddr));
	(void)rd_take(&msg, 4 + 4);		/* siaddr, giaddr */
	rd_copy(&msg, chaddr.b, sizeof(chaddr.b));
	(void)rd_take(&msg, FIXED_TAIL);
	uint32_t magic = rd_be32(&msg);
	if (!rd_ok(&msg) || magic != MAGIC)
		return DHCP4_E_MALFORMED;
	if (op != BOOTREPLY || htype != HTYPE_ETHERNET || hlen != sizeof(chaddr.b) || id != xid || !mac_eq(&chaddr, mac))
		return DHCP4_E_NOT_OURS;
	if (!read_options(msg, &type, &offer))
		return DHCP4_E_MALFORMED;
	if (type != DHCP4_OFFER || offer.server.s_addr == 0)
		return DHCP4_E_NOT_OURS;
	*ret = offer;
	return 0;
}

void dhcp6_put_solicit(struct wr *w, const struct mac *mac, uint32_t txid)
{
	wr_be32(w, (uint32_t)DHCP6_SOLICIT << 24 | (txid & 0xffffff));
	wr_be16(w, DHCP6_OPT_CLIENT_ID);
	wr_be16(w, 4 + sizeof(mac->b));
	wr_be16(w, DUID_LL);
	wr_be16(w, HTYPE_ETHERNET);
	wr_put(w, mac->b, sizeof(mac->b));
	wr_be16(w, DHCP6_OPT_ELAPSED);
	wr_be16(w, 2);
	wr_be16(w, 0);
	wr_be16(w, DHCP6_OPT_IA_NA);
	wr_be16(w, 12);
	wr_be32(w, txid);		/* IAID */
	wr_be32(w, 0);
	wr_be32(w, 0);
}

static bool next_option(struct rd *opts, uint16_t *ret_code, struct rd *ret_body)
{
	if (!rd_ok(opts) || opts->left == 0)
		return false;
	*ret_code = rd_be16(opts);
	uint16_t len = rd_be16(opts);
	*ret_body = rd_sub(opts, len);
	return rd_ok(opts);
}

/* The first address of an IA_NA. */
static void read_ia(struct rd ia, struct dhcp6_offer *ret)
{
	struct rd opt;
	uint16_t code;

	(void)rd_take(&ia, 12);
	while (!ret->has_addr && next_option(&ia, &code, &opt)) {
		if (code != DHCP6_OPT_IAADDR || opt.left < 24)
			continue;
		rd_copy(&opt, &ret->addr, sizeof(ret->addr));
		ret->has_addr = true;
	}
}

int dhcp6_parse_advertise(struct rd msg, uint32_t txid, struct dhcp6_offer *ret)
{
	struct dhcp6_offer offer = { 0 };
	unsigned int n = 0;
	struct rd opt;
	uint16_t code;

	uint32_t head = rd_be32(&msg);
	if (!rd_ok(&msg))
		return DHCP6_E_MALFORMED;
	if (head >> 24 != DHCP6_ADVERTISE || (head & 0xffffff) != (txid & 0xffffff))
		return DHCP6_E_NOT_OURS;
	while (n++ < OPTIONS_MAX && next_option(&msg, &code, &opt)) {
		if (code == DHCP6_OPT_SERVER_ID && offer.server.len == 0) {
			if (opt.left < 3 || opt.left > sizeof(offer.server.b))
				return DHCP6_E_MALFORMED;
			offer.server.len = (uint8_t)opt.left;
			rd_copy(&opt, offer.server.b, opt.left);
		} else if (code == DHCP6_OPT_IA_NA) {
			read_ia(opt, &offer);
		}
	}
	if (!rd_ok(&msg) || offer.server.len == 0)
		return DHCP6_E_MALFORMED;
	*ret = offer;
	return 0;
}
