/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp4 - DHCPv4 messages: bytes to checked structs and back
 *
 * Fuzzed by tests/fuzz/fuzz_dhcp4.c.
 */
#include "net/dhcp4.h"

#include <string.h>

#define OP_REQUEST 1
#define OP_REPLY 2
#define HTYPE_ETHERNET 1
#define FLAG_BROADCAST 0x8000
#define COOKIE 0x63825363U
#define SNAME_LEN 64
#define FILE_LEN 128
#define OVERLOAD_FILE 1
#define OVERLOAD_SNAME 2
#define IP_UDP_LEN 28		/* what option 57 counts before the message */
#define DATAGRAM_MIN 576	/* every client takes that much, RFC 2131 2 */
#define MESSAGE_MIN 300		/* RFC 1542 2.1 */

/* Which options were seen: the first of each counts. 256 of them, as the index is a byte of the wire. */
struct options {
	bool seen[256];
	bool has_type;
	uint8_t type;
	uint8_t overload;
};

static bool read_address(struct rd *body, struct in_addr *ret)
{
	if (body->left != sizeof(*ret))
		return false;
	rd_copy(body, ret, sizeof(*ret));
	return true;
}

static bool read_option(struct dhcp4_msg *msg, struct options *opts, uint8_t code, struct rd body)
{
	switch (code) {
	case DHCP4_OPT_TYPE:
		if (body.left != 1)
			return false;
		opts->has_type = true;
		opts->type = rd_u8(&body);
		return true;
	case DHCP4_OPT_REQUESTED:
		return read_address(&body, &msg->requested);
	case DHCP4_OPT_SERVER_ID:
		return read_address(&body, &msg->server_id);
	case DHCP4_OPT_OVERLOAD:
		if (body.left != 1)
			return false;
		opts->overload = rd_u8(&body);
		return true;
	case DHCP4_OPT_MAX_SIZE:
		if (body.left != 2)
			return false;
		msg->max_size = rd_be16(&body);
		return true;
	case DHCP4_OPT_CLIENT_ID:
		if (body.left > sizeof(msg->client_id))
			return false;
		if (body.left < 2)		/* RFC 2132 9.14: at least 2; taken as none */
			return true;
		msg->client_id_len = (uint8_t)body.left;
		rd_copy(&body, msg->client_id, body.left);
		return true;
	case DHCP4_OPT_HOSTNAME:
		(void)label_from_text(body.p, body.left, msg->hostname);
		return true;
	case DHCP4_OPT_PARAMETERS:
		msg->has_wants = true;
		while (body.left > 0) {
			uint8_t want = rd_u8(&body);

			msg->wants[want / 64] |= UINT64_C(1) << want % 64;
		}
		return true;
	}
	return true;		/* others don't matter to a server of ours */
}

/* Each step takes at least one byte, so it ends. An area may end without END: some clients fill it to the brim. */
static bool read_area(struct dhcp4_msg *msg, struct options *opts, struct rd area)
{
	while (area.left > 0) {
		uint8_t code = rd_u8(&area);

		if (code == DHCP4_OPT_PAD)
			continue;
		if (code == DHCP4_OPT_END)
			return true;
		uint8_t len = rd_u8(&area);
		struct rd body = rd_sub(&area, len);
		if (!rd_ok(&area))
			return false;
		if (opts->seen[code])
			continue;
		opts->seen[code] = true;
		if (!read_option(msg, opts, code, body))
			return false;
	}
	return true;
}

static bool client_type(uint8_t type, enum dhcp4_type *ret)
{
	switch (type) {
	case DHCP4_DISCOVER:
	case DHCP4_REQUEST:
	case DHCP4_DECLINE:
	case DHCP4_RELEASE:
	case DHCP4_INFORM:
		*ret = (enum dhcp4_type)type;
		return true;
	}
	return false;
}

int dhcp4_parse(struct rd msg, struct dhcp4_msg *ret)
{
	struct options opts = { 0 };
	struct dhcp4_msg m = { 0 };
	struct rd sname, file;
	uint8_t hardware[16];

	uint8_t op = rd_u8(&msg);
	uint8_t htype = rd_u8(&msg);
	uint8_t hlen = rd_u8(&msg);
	rd_take(&msg, 1);			/* hops */
	m.xid = rd_be32(&msg);
	m.secs = rd_be16(&msg);
	m.broadcast = rd_be16(&msg) & FLAG_BROADCAST;
	rd_copy(&msg, &m.ciaddr, sizeof(m.ciaddr));
	rd_take(&msg, 2 * sizeof(struct in_addr));	/* yiaddr, siaddr */
	rd_copy(&msg, &m.giaddr, sizeof(m.giaddr));
	rd_copy(&msg, hardware, sizeof(hardware));
	memcpy(m.chaddr.b, hardware, sizeof(m.chaddr.b));
	sname = rd_sub(&msg, SNAME_LEN);
	file = rd_sub(&msg, FILE_LEN);
	uint32_t cookie = rd_be32(&msg);

	if (!rd_ok(&msg))
		return DHCP4_E_MALFORMED;
	if (op != OP_REQUEST || htype != HTYPE_ETHERNET || cookie != COOKIE)
		return DHCP4_E_NOT_OURS;
	if (hlen != sizeof(m.chaddr.b) || mac_is_zero(&m.chaddr) || mac_is_multicast(&m.chaddr))
		return DHCP4_E_MALFORMED;

	if (!read_area(&m, &opts, msg))
		return DHCP4_E_MALFORMED;
	uint8_t overload = opts.overload;	/* one inside `file` or `sname` has no say */
	if ((overload & OVERLOAD_FILE) && !read_area(&m, &opts, file))
		return DHCP4_E_MALFORMED;
	if ((overload & OVERLOAD_SNAME) && !read_area(&m, &opts, sname))
		return DHCP4_E_MALFORMED;
	if (!opts.has_type || !client_type(opts.type, &m.type))
		return DHCP4_E_NOT_OURS;
	if (m.max_size < DATAGRAM_MIN)
		m.max_size = DATAGRAM_MIN;

	*ret = m;
	return 0;
}

/* The options part: a cursor that ends one byte before the limit, so that END always fits. */
struct optw {
	struct wr *w;
	size_t limit;
};

/* True when an option of @len bytes may be written. */
static bool opt_begin(struct optw *o, uint8_t code, size_t len)
{
	if (len > 255 || o->w->len + 2 + len + 1 > o->limit)
		return false;
	wr_u8(o->w, code);
	wr_u8(o->w, (uint8_t)len);
	return true;
}

static void opt_bytes(struct optw *o, uint8_t code, const void *data, size_t len)
{
	if (len > 0 && opt_begin(o, code, len))
		wr_put(o->w, data, len);
}

static void opt_text(struct optw *o, uint8_t code, const char *text)
{
	if (text)
		opt_bytes(o, code, text, strlen(text));
}

static void opt_address(struct optw *o, uint8_t code, struct in_addr a)
{
	if (a.s_addr != 0)
		opt_bytes(o, code, &a, sizeof(a));
}

static void opt_seconds(struct optw *o, uint8_t code, uint32_t seconds)
{
	if (seconds > 0 && opt_begin(o, code, 4))
		wr_be32(o->w, seconds);
}

/* Is @code wanted? A client without a list is told everything. */
static bool wanted(const struct dhcp4_msg *to, uint8_t code)
{
	return !to->has_wants || dhcp4_wants(to, code);
}

void dhcp4_build(struct wr *w, const struct dhcp4_reply *reply)
{
	const struct dhcp4_msg *to = reply->to;
	size_t start = w->len;
	struct optw o = { .w = w, .limit = start + to->max_size - IP_UDP_LEN };
	bool nak = reply->type == DHCP4_NAK;

	if (o.limit > w->cap)
		o.limit = w->cap;
	wr_u8(w, OP_REPLY);
	wr_u8(w, HTYPE_ETHERNET);
	wr_u8(w, sizeof(to->chaddr.b));
	wr_u8(w, 0);
	wr_be32(w, to->xid);
	wr_be16(w, 0);
	wr_be16(w, to->broadcast ? FLAG_BROADCAST : 0);
	if (nak)
		wr_be32(w, 0);
	else
		wr_put(w, &to->ciaddr, sizeof(to->ciaddr));
	wr_put(w, &reply->yiaddr, sizeof(reply->yiaddr));
	wr_be32(w, 0);				/* siaddr: we boot nobody */
	wr_put(w, &to->giaddr, sizeof(to->giaddr));
	wr_put(w, to->chaddr.b, sizeof(to->chaddr.b));
	wr_skip(w, 16 - sizeof(to->chaddr.b) + SNAME_LEN + FILE_LEN);
	wr_be32(w, COOKIE);

	wr_u8(w, DHCP4_OPT_TYPE);
	wr_u8(w, 1);
	wr_u8(w, (uint8_t)reply->type);
	opt_address(&o, DHCP4_OPT_SERVER_ID, reply->server_id);
	if (nak) {
		opt_text(&o, DHCP4_OPT_MESSAGE, reply->message);
	} else {
		opt_seconds(&o, DHCP4_OPT_LEASE, reply->lease_s);
		opt_seconds(&o, DHCP4_OPT_T1, reply->t1_s);
		opt_seconds(&o, DHCP4_OPT_T2, reply->t2_s);
		opt_address(&o, DHCP4_OPT_MASK, reply->mask);
		opt_address(&o, DHCP4_OPT_ROUTER, reply->router);
		opt_bytes(&o, DHCP4_OPT_DNS, reply->dns, reply->n_dns * sizeof(*reply->dns));
		if (wanted(to, DHCP4_OPT_HOSTNAME))
			opt_text(&o, DHCP4_OPT_HOSTNAME, reply->hostname);
		if (wanted(to, DHCP4_OPT_DOMAIN))
			opt_text(&o, DHCP4_OPT_DOMAIN, reply->domain);
		if (wanted(to, DHCP4_OPT_BROADCAST))
			opt_address(&o, DHCP4_OPT_BROADCAST, reply->broadcast);
		if (wanted(to, DHCP4_OPT_MTU) && reply->mtu > 0 && opt_begin(&o, DHCP4_OPT_MTU, 2))
			wr_be16(w, reply->mtu);
	}
	opt_bytes(&o, DHCP4_OPT_CLIENT_ID, to->client_id, to->client_id_len);	/* RFC 6842 3 */
	if (!nak && reply->domain && dhcp4_wants(to, DHCP4_OPT_SEARCH)) {
		size_t n = label_name_size(reply->domain);

		if (n > 0 && opt_begin(&o, DHCP4_OPT_SEARCH, n))
			label_put_name(w, reply->domain);
	}
	wr_u8(w, DHCP4_OPT_END);
	if (w->len - start < MESSAGE_MIN)
		wr_skip(w, MESSAGE_MIN - (w->len - start));
}
