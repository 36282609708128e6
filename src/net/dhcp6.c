/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp6 - DHCPv6 messages: bytes to checked structs and back
 *
 * Fuzzed by tests/fuzz/fuzz_dhcp6.c.
 */
#include "net/dhcp6.h"

#include <assert.h>
#include <string.h>

#define OPTS_MAX 64		/* ours: a guest must not buy unbounded work */

/* RFC 4704 4: flags before the name */
#define FQDN_FLAGS_LEN 1

static const char *const status_text[] = {
	[DHCP6_STATUS_SUCCESS] = "done",
	[DHCP6_STATUS_UNSPEC_FAIL] = "failed",
	[DHCP6_STATUS_NO_ADDRS_AVAIL] = "no address available",
	[DHCP6_STATUS_NO_BINDING] = "no such lease",
	[DHCP6_STATUS_NOT_ON_LINK] = "not on this link",
	[DHCP6_STATUS_USE_MULTICAST] = "use multicast",
	[DHCP6_STATUS_NO_PREFIX_AVAIL] = "no prefix available",
};
static_assert(sizeof(status_text) / sizeof(status_text[0]) == DHCP6_STATUS_N_, "status_text[] misses a status");

/* Step to the next option; false at the end and on a broken message (rd_ok() tells which). Takes 4 bytes at least. */
static bool option_next(struct rd *opts, uint16_t *ret_code, struct rd *ret_body)
{
	if (!rd_ok(opts) || opts->left == 0)
		return false;
	*ret_code = rd_be16(opts);
	uint16_t len = rd_be16(opts);
	*ret_body = rd_sub(opts, len);
	return rd_ok(opts);
}

static bool read_duid(struct rd body, struct dhcp6_duid *ret)
{
	if (body.left < 3 || body.left > sizeof(ret->b))	/* a type and at least one byte */
		return false;
	ret->len = (uint8_t)body.left;
	rd_copy(&body, ret->b, body.left);
	return true;
}

static bool read_ia(struct rd body, struct dhcp6_ia *ret)
{
	unsigned int n_opts = 0;
	struct rd opt;
	uint16_t code;

	ret->iaid = rd_be32(&body);
	rd_take(&body, 8);			/* T1, T2: ours to decide */
	while (option_next(&body, &code, &opt)) {
		if (++n_opts > OPTS_MAX)
			return false;
		if (code != DHCP6_OPT_IAADDR)
			continue;
		if (opt.left < 24)
			return false;
		if (ret->n_addrs < DHCP6_IA_ADDRS)
			rd_copy(&opt, &ret->addrs[ret->n_addrs++], sizeof(ret->addrs[0]));
	}
	return rd_ok(&body);
}

static bool read_option(struct dhcp6_msg *m, uint16_t code, struct rd body)
{
	switch (code) {
	case DHCP6_OPT_CLIENT_ID:
		return m->client.len > 0 || read_duid(body, &m->client);
	case DHCP6_OPT_SERVER_ID:
		return m->server.len > 0 || read_duid(body, &m->server);
	case DHCP6_OPT_IA_NA: {
		struct dhcp6_ia ia = { 0 };

		if (!read_ia(body, &ia))
			return false;
		for (uint32_t i = 0; i < m->n_ias; i++)
			if (m->ias[i].iaid == ia.iaid)
				return true;
		if (m->n_ias < DHCP6_IAS)
			m->ias[m->n_ias++] = ia;
		return true;
	}
	case DHCP6_OPT_IA_PD:
		if (body.left < 12)
			return false;
		if (m->n_pds < DHCP6_IAS)
			m->pd_iaids[m->n_pds++] = rd_be32(&body);
		return true;
	case DHCP6_OPT_ORO:
		if (body.left % 2)
			return false;
		while (body.left > 0) {
			uint16_t want = rd_be16(&body);

			if (want < 256)
				m->wants[want / 64] |= UINT64_C(1) << want % 64;
		}
		return true;
	case DHCP6_OPT_ELAPSED:
		if (body.left != 2)
			return false;
		m->elapsed_cs = rd_be16(&body);
		return true;
	case DHCP6_OPT_RAPID_COMMIT:
		if (body.left != 0)
			return false;
		m->rapid_commit = true;
		return true;
	case DHCP6_OPT_FQDN:
		if (m->hostname[0] == '\0' && rd_take(&body, FQDN_FLAGS_LEN))
			(void)label_from_wire(body, m->hostname);
		return true;
	}
	return true;			/* others don't matter to a server of ours */
}

/* RFC 8415 16.2 to 16.12: who must name whom. */
static int check_ids(uint8_t type, const struct dhcp6_msg *m)
{
	bool client = m->client.len > 0, server = m->server.len > 0;

	switch (type) {
	case DHCP6_SOLICIT:
	case DHCP6_CONFIRM:
	case DHCP6_REBIND:
		return client && !server ? 0 : DHCP6_E_MALFORMED;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		return client && server ? 0 : DHCP6_E_MALFORMED;
	case DHCP6_INFORMATION_REQUEST:
		return m->n_ias == 0 && m->n_pds == 0 ? 0 : DHCP6_E_MALFORMED;
	case DHCP6_RELAY_FORW:
	case DHCP6_RELAY_REPL:
		return DHCP6_E_RELAY;
	}
	return DHCP6_E_NOT_OURS;
}

int dhcp6_parse(struct rd msg, struct dhcp6_msg *ret)
{
	struct dhcp6_msg m = { 0 };
	unsigned int n_opts = 0;
	struct rd body;
	uint16_t code;
	int r;

	uint8_t type = rd_u8(&msg);
	if (!rd_ok(&msg))
		return DHCP6_E_MALFORMED;
	if (type == DHCP6_RELAY_FORW || type == DHCP6_RELAY_REPL)
		return DHCP6_E_RELAY;		/* another header: nothing below fits */
	m.txid = (uint32_t)rd_u8(&msg) << 16;
	m.txid |= rd_be16(&msg);
	if (!rd_ok(&msg))
		return DHCP6_E_MALFORMED;

	while (option_next(&msg, &code, &body))
		if (++n_opts > OPTS_MAX || !read_option(&m, code, body))
			return DHCP6_E_MALFORMED;
	if (!rd_ok(&msg))
		return DHCP6_E_MALFORMED;
	r = check_ids(type, &m);
	if (r)
		return r;

	m.type = (enum dhcp6_type)type;		/* check_ids() knows the types it lets pass */
	*ret = m;
	return 0;
}

static void put_header(struct wr *w, enum dhcp6_option code, size_t len)
{
	wr_be16(w, (uint16_t)code);
	wr_be16(w, (uint16_t)len);
}

static void put_duid(struct wr *w, enum dhcp6_option code, const struct dhcp6_duid *duid)
{
	if (duid->len == 0)
		return;
	put_header(w, code, duid->len);
	wr_put(w, duid->b, duid->len);
}

void dhcp6_begin(struct wr *w, enum dhcp6_type type, const struct dhcp6_msg *to, const struct dhcp6_duid *server)
{
	wr_u8(w, (uint8_t)type);
	wr_u8(w, (uint8_t)(to->txid >> 16));
	wr_be16(w, (uint16_t)to->txid);
	put_duid(w, DHCP6_OPT_CLIENT_ID, &to->client);
	put_duid(w, DHCP6_OPT_SERVER_ID, server);
}

void dhcp6_put_preference(struct wr *w, uint8_t preference)
{
	put_header(w, DHCP6_OPT_PREFERENCE, 1);
	wr_u8(w, preference);
}

void dhcp6_put_rapid_commit(struct wr *w)
{
	put_header(w, DHCP6_OPT_RAPID_COMMIT, 0);
}

void dhcp6_put_status(struct wr *w, enum dhcp6_status status)
{
	size_t n = strlen(status_text[status]);

	put_header(w, DHCP6_OPT_STATUS, 2 + n);
	wr_be16(w, (uint16_t)status);
	wr_put(w, status_text[status], n);
}

void dhcp6_put_dns(struct wr *w, const struct in6_addr *dns, size_t n)
{
	if (n == 0)
		return;
	put_header(w, DHCP6_OPT_DNS, n * sizeof(*dns));
	wr_put(w, dns, n * sizeof(*dns));
}

void dhcp6_put_domains(struct wr *w, const char *domain)
{
	size_t n = label_name_size(domain);

	if (n == 0)
		return;
	put_header(w, DHCP6_OPT_DOMAINS, n);
	label_put_name(w, domain);
}

size_t dhcp6_ia_begin(struct wr *w, uint32_t iaid, uint32_t t1_s, uint32_t t2_s)
{
	size_t at = w->len;

	put_header(w, DHCP6_OPT_IA_NA, 0);
	wr_be32(w, iaid);
	wr_be32(w, t1_s);
	wr_be32(w, t2_s);
	return at;
}

void dhcp6_ia_put_addr(struct wr *w, const struct in6_addr *addr, uint32_t preferred_s, uint32_t valid_s)
{
	put_header(w, DHCP6_OPT_IAADDR, 24);
	wr_put(w, addr, sizeof(*addr));
	wr_be32(w, preferred_s);
	wr_be32(w, valid_s);
}

void dhcp6_ia_end(struct wr *w, size_t at)
{
	if (wr_ok(w))
		wr_patch_be16(w, at + 2, (uint16_t)(w->len - at - 4));
}

void dhcp6_put_no_prefix(struct wr *w, uint32_t iaid)
{
	size_t at = w->len;

	put_header(w, DHCP6_OPT_IA_PD, 0);
	wr_be32(w, iaid);
	wr_be32(w, 0);
	wr_be32(w, 0);
	dhcp6_put_status(w, DHCP6_STATUS_NO_PREFIX_AVAIL);
	dhcp6_ia_end(w, at);
}
