/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heard_dhcp - DHCP messages of clients and servers, as far as a line tells
 *
 * Theory of operation: one pass over the options, each step of which takes at
 * least one byte (DHCPv4) or four (DHCPv6). An option with a body of the wrong
 * size is passed over: a broken message is one whose options can't be walked.
 */
#include <stdio.h>
#include "net/dhcp4.h"
#include "net/dhcp6.h"
#include "net/heard.h"

#define BOOTP_REQUEST 1
#define BOOTP_REPLY 2
#define COOKIE 0x63825363U
#define NAMES_AND_FILES (64 + 128)
#define OPT_IAPREFIX 26		/* RFC 8415 21.22 */
#define OPTIONS_MAX 64

static void read_option4(uint8_t code, struct rd body, struct heard_dhcp4 *m)
{
	switch (code) {
	case DHCP4_OPT_TYPE:
		m->type = rd_u8(&body);
		return;
	case DHCP4_OPT_REQUESTED:
		if (body.left == 4 && m->given.s_addr == 0)
			rd_copy(&body, &m->given, sizeof(m->given));
		return;
	case DHCP4_OPT_SERVER_ID:
		if (body.left == 4)
			rd_copy(&body, &m->server, sizeof(m->server));
		return;
	case DHCP4_OPT_ROUTER:
		if (body.left >= 4)
			rd_copy(&body, &m->router, sizeof(m->router));
		return;
	case DHCP4_OPT_LEASE:
		if (body.left == 4)
			m->lease_s = rd_be32(&body);
		return;
	case DHCP4_OPT_HOSTNAME:
		(void)label_from_text(body.p, body.left, m->hostname);
		return;
	}
}

const char *heard_read_dhcp4(struct rd msg, struct heard_dhcp4 *ret)
{
	struct heard_dhcp4 m = { 0 };
	struct in_addr yours;

	uint8_t op = rd_u8(&msg);
	rd_take(&msg, 3);			/* hardware, its length, hops */
	m.xid = rd_be32(&msg);
	rd_take(&msg, 4);			/* seconds, flags */
	rd_copy(&msg, &m.given, sizeof(m.given));
	rd_copy(&msg, &yours, sizeof(yours));
	rd_take(&msg, 4);			/* siaddr */
	rd_copy(&msg, &m.relay, sizeof(m.relay));
	rd_copy(&msg, m.client.b, sizeof(m.client.b));
	rd_take(&msg, 16 - sizeof(m.client.b) + NAMES_AND_FILES);
	uint32_t cookie = rd_be32(&msg);

	if (!rd_ok(&msg))
		return "it is cut short";
	if (op != BOOTP_REQUEST && op != BOOTP_REPLY)
		return "it is neither a request nor a reply";
	m.reply = op == BOOTP_REPLY;
	if (m.reply)
		m.given = yours;
	while (cookie == COOKIE && msg.left > 0) {
		uint8_t code = rd_u8(&msg);

		if (code == DHCP4_OPT_PAD)
			continue;
		if (code == DHCP4_OPT_END)
			break;
		uint8_t len = rd_u8(&msg);
		struct rd body = rd_sub(&msg, len);
		if (!rd_ok(&msg))
			return "an option is longer than the message";
		if (len > 0)
			read_option4(code, body, &m);
	}
	*ret = m;
	return NULL;
}

/* Step to the next option; false at the end and on a broken one. */
static bool next6(struct rd *opts, uint16_t *ret_code, struct rd *ret_body)
{
	if (!rd_ok(opts) || opts->left == 0)
		return false;
	*ret_code = rd_be16(opts);
	uint16_t len = rd_be16(opts);
	*ret_body = rd_sub(opts, len);
	return rd_ok(opts);
}

static void read_duid(struct rd body, uint8_t *ret_len, uint8_t ret[static HEARD_DUID_MAX])
{
	if (body.left < 3 || body.left > HEARD_DUID_MAX || *ret_len > 0)
		return;
	*ret_len = (uint8_t)body.left;
	rd_copy(&body, ret, body.left);
}

static void read_status(struct rd body, struct heard_dhcp6 *m)
{
	uint16_t status = rd_be16(&body);

	if (m->status == 0)
		m->status = status;
}

/* What stands in an identity association, behind its first @head bytes. */
static void read_ia(struct rd body, size_t head, struct heard_dhcp6 *m, unsigned int *n_options)
{
	struct rd opt;
	uint16_t code;

	rd_take(&body, head);
	while (next6(&body, &code, &opt) && ++*n_options <= OPTIONS_MAX) {
		if (code == DHCP6_OPT_IAADDR && opt.left >= 24 && m->n_addrs < HEARD_ADDRS) {
			rd_copy(&opt, &m->addrs[m->n_addrs++], sizeof(m->addrs[0]));
		} else if (code == OPT_IAPREFIX && opt.left >= 25 && m->n_prefixes < HEARD_ADDRS) {
			rd_take(&opt, 8);	/* lifetimes */
			m->prefixes[m->n_prefixes].len = rd_u8(&opt);
			rd_copy(&opt, &m->prefixes[m->n_prefixes].prefix, sizeof(struct in6_addr));
			m->n_prefixes += m->prefixes[m->n_prefixes].len <= 128;
		} else if (code == DHCP6_OPT_STATUS) {
			read_status(opt, m);
		}
	}
}

const char *heard_read_dhcp6(struct rd msg, struct heard_dhcp6 *ret)
{
	struct heard_dhcp6 m = { 0 };
	unsigned int n_options = 0;
	struct rd body;
	uint16_t code;

	m.type = rd_u8(&msg);
	if (m.type == DHCP6_RELAY_FORW || m.type == DHCP6_RELAY_REPL) {
		rd_take(&msg, 1 + sizeof(struct in6_addr));	/* hops, link address */
		rd_copy(&msg, &m.peer, sizeof(m.peer));
	} else {
		m.txid = (uint32_t)rd_u8(&msg) << 16;
		m.txid |= rd_be16(&msg);
	}
	while (next6(&msg, &code, &body)) {
		if (++n_options > OPTIONS_MAX)
			return "it has more than 64 options";
		switch (code) {
		case DHCP6_OPT_CLIENT_ID:
			read_duid(body, &m.client_len, m.client);
			break;
		case DHCP6_OPT_SERVER_ID:
			read_duid(body, &m.server_len, m.server);
			break;
		case DHCP6_OPT_IA_NA:
		case DHCP6_OPT_IA_PD:
			read_ia(body, 12, &m, &n_options);
			break;
		case DHCP6_OPT_STATUS:
			read_status(body, &m);
			break;
		case DHCP6_OPT_RAPID_COMMIT:
			m.rapid_commit = true;
			break;
		}
	}
	if (!rd_ok(&msg))
		return "it is cut short, or an option is longer than the message";
	*ret = m;
	return NULL;
}

static const char *name_of(const char *const *names, size_t n, uint8_t type, char buf[static HEARD_NAME_MAX])
{
	if (type < n && names[type])
		return names[type];
	(void)snprintf(buf, HEARD_NAME_MAX, "message %u", type);
	return buf;
}

const char *heard_dhcp4_name(uint8_t type, char buf[static HEARD_NAME_MAX])
{
	static const char *const names[] = {
		[0] = "BOOTP",
		[DHCP4_DISCOVER] = "DISCOVER",
		[DHCP4_OFFER] = "OFFER",
		[DHCP4_REQUEST] = "REQUEST",
		[DHCP4_DECLINE] = "DECLINE",
		[DHCP4_ACK] = "ACK",
		[DHCP4_NAK] = "NAK",
		[DHCP4_RELEASE] = "RELEASE",
		[DHCP4_INFORM] = "INFORM",
	};

	return name_of(names, sizeof(names) / sizeof(names[0]), type, buf);
}

const char *heard_dhcp6_name(uint8_t type, char buf[static HEARD_NAME_MAX])
{
	static const char *const names[] = {
		[DHCP6_SOLICIT] = "SOLICIT",
		[DHCP6_ADVERTISE] = "ADVERTISE",
		[DHCP6_REQUEST] = "REQUEST",
		[DHCP6_CONFIRM] = "CONFIRM",
		[DHCP6_RENEW] = "RENEW",
		[DHCP6_REBIND] = "REBIND",
		[DHCP6_REPLY] = "REPLY",
		[DHCP6_RELEASE] = "RELEASE",
		[DHCP6_DECLINE] = "DECLINE",
		[DHCP6_RECONFIGURE] = "RECONFIGURE",
		[DHCP6_INFORMATION_REQUEST] = "INFORMATION-REQUEST",
		[DHCP6_RELAY_FORW] = "RELAY-FORW",
		[DHCP6_RELAY_REPL] = "RELAY-REPL",
	};

	return name_of(names, sizeof(names) / sizeof(names[0]), type, buf);
}

const char *heard_dhcp6_status(uint16_t status)
{
	static const char *const names[] = {
		"success",	    "failed",	     "no address available", "no such lease",
		"not on this link", "use multicast", "no prefix available"
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : NULL;
}
