/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl - netlink requests, answers and attributes
 *
 * The kernel works a request off inside sendmsg(): when that returns, errors
 * and acknowledgements are in the receive queue already. Only a dump goes on
 * while it is read. Waiting for the next part of one has a time limit, so that
 * a kernel that answers otherwise can't hang us.
 */
#include "kern/nl.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include "base/mem.h"

#define RECV_LIMIT_MS 10000
#define SOCKET_BUF (1024 * 1024)

/* ------------------------------------------------------------------ building */

void nlb_free(struct nlb *b)
{
	free(b->p);
	*b = (struct nlb){ 0 };
}

void nlb_reset(struct nlb *b)
{
	*b = (struct nlb){ .p = b->p, .cap = b->cap };
}

/* Zeroed room for @n bytes, rounded up to netlink's alignment. */
static uint8_t *room(struct nlb *b, size_t n)
{
	size_t aligned = NLMSG_ALIGN(n);

	if (b->cap - b->len < aligned) {
		size_t cap = b->cap ? b->cap * 2 : 4096;

		while (cap - b->len < aligned)
			cap *= 2;
		b->p = xrealloc(b->p, cap, 1);
		b->cap = cap;
	}
	uint8_t *p = b->p + b->len;
	memset(p, 0, aligned);
	b->len += aligned;
	return p;
}

static struct nlmsghdr *current(struct nlb *b)
{
	return (void *)(b->p + b->msg);
}

static void close_msg(struct nlb *b)
{
	current(b)->nlmsg_len = (uint32_t)(b->len - b->msg);
}

void nlb_msg(struct nlb *b, uint16_t type, uint16_t flags, const void *header, size_t n)
{
	b->msg = b->len;
	room(b, sizeof(struct nlmsghdr));
	uint8_t *p = room(b, n);
	if (n > 0)
		memcpy(p, header, n);
	current(b)->nlmsg_type = type;
	current(b)->nlmsg_flags = flags | NLM_F_REQUEST;
	b->n_msgs++;
	close_msg(b);
}

void nlb_put(struct nlb *b, uint16_t type, const void *data, size_t n)
{
	if (n > UINT16_MAX - NLA_HDRLEN) {
		b->bad = true;
		return;
	}
	struct nlattr *a = (void *)room(b, NLA_HDRLEN + n);
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	if (n > 0)
		memcpy((uint8_t *)a + NLA_HDRLEN, data, n);
	close_msg(b);
}

void nlb_raw(struct nlb *b, const void *data, size_t n)
{
	memcpy(room(b, n), data, n);
	close_msg(b);
}

void nlb_u8(struct nlb *b, uint16_t type, uint8_t v)
{
	nlb_put(b, type, &v, sizeof(v));
}

void nlb_u32(struct nlb *b, uint16_t type, uint32_t v)
{
	nlb_put(b, type, &v, sizeof(v));
}

void nlb_be32(struct nlb *b, uint16_t type, uint32_t v)
{
	uint8_t be[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	nlb_put(b, type, be, sizeof(be));
}

void nlb_strz(struct nlb *b, uint16_t type, const char *s)
{
	nlb_put(b, type, s, strlen(s) + 1);
}

size_t nlb_nest(struct nlb *b, uint16_t type)
{
	size_t at = b->len;

	nlb_put(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nlb_end(struct nlb *b, size_t nest)
{
	size_t n = b->len - nest;

	if (n > UINT16_MAX)
		b->bad = true;
	else
		((struct nlattr *)(void *)(b->p + nest))->nla_len = (uint16_t)n;
}

void nlb_cancel(struct nlb *b, size_t nest)
{
	b->len = nest;
	close_msg(b);
}

/* ------------------------------------------------------------------- parsing */

bool nl_ip(const struct nlattr *a, uint8_t family, struct ip *ret)
{
	size_t n = family == AF_INET ? 4 : 16;

	if (!a || (family != AF_INET && family != AF_INET6) || nl_len(a) < n)
		return false;
	*ret = (struct ip){ .family = family };
	memcpy(ret->b, nl_data(a), n);
	return true;
}

int32_t nl_entry(const struct nlattr *a, size_t i)
{
	int32_t v = 0;

	if (a && nl_len(a) >= (i + 1) * sizeof(v))
		memcpy(&v, (const uint8_t *)nl_data(a) + i * sizeof(v), sizeof(v));
	return v;
}

const struct nlattr *nl_next(const void **at, size_t *left)
{
	const struct nlattr *a = *at;

	if (*left > INT_MAX || !mnl_attr_ok(a, (int)*left)) {
		*left = 0;
		return NULL;
	}
	size_t step = MNL_ALIGN(a->nla_len);
	if (step > *left)
		step = *left;
	*at = (const uint8_t *)*at + step;
	*left -= step;
	return a;
}

void nl_parse(const void *attrs, size_t len, const struct nlattr **tb, uint16_t max, const uint16_t *policy)
{
	const struct nlattr *a;

	memset(tb, 0, sizeof(tb[0]) * (max + 1U));
	while ((a = nl_next(&attrs, &len))) {
		uint16_t type = nl_type(a);

		if (type > max)
			continue;
		if (policy[type] == NL_STR ? !memchr(nl_data(a), '\0', nl_len(a)) : nl_len(a) < policy[type])
			continue;
		tb[type] = a;
	}
}

void nl_parse_nest(const struct nlattr *nest, const struct nlattr **tb, uint16_t max, const uint16_t *policy)
{
	if (nest)
		nl_parse(nl_data(nest), nl_len(nest), tb, max, policy);
	else
		memset(tb, 0, sizeof(tb[0]) * (max + 1U));
}

bool nl_parse_msg(const struct nlmsghdr *nlh, size_t hdr, const struct nlattr **tb, uint16_t max,
		  const uint16_t *policy)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(hdr);

	if (nlh->nlmsg_len < NLMSG_HDRLEN + hdr)
		return false;
	if (nlh->nlmsg_len < skip)
		skip = nlh->nlmsg_len;
	nl_parse((const uint8_t *)nlh + skip, nlh->nlmsg_len - skip, tb, max, policy);
	return true;
}

int nl_parse_error(const struct nlmsghdr *nlh, char why[static NL_WHY_MAX])
{
	static const uint16_t policy[NLMSGERR_ATTR_MAX + 1] = { [NLMSGERR_ATTR_MSG] = NL_STR };
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	bool done = nlh->nlmsg_type == NLMSG_DONE;
	size_t fixed = done ? sizeof(int) : sizeof(struct nlmsgerr);
	struct nlmsgerr e = { 0 };

	why[0] = '\0';
	if (nlh->nlmsg_len < NLMSG_HDRLEN + fixed)
		return done ? 0 : -EBADMSG;	/* a bare NLMSG_DONE is how old kernels end a dump */
	memcpy(&e, (const uint8_t *)nlh + NLMSG_HDRLEN, fixed);
	if (e.error > 0)
		return done ? 0 : -EBADMSG;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return e.error;
	if (!done && !(nlh->nlmsg_flags & NLM_F_CAPPED) && e.msg.nlmsg_len > NLMSG_HDRLEN)
		fixed += e.msg.nlmsg_len - (size_t)NLMSG_HDRLEN;	/* our whole request is quoted before the words */
	if (fixed <= nlh->nlmsg_len && nl_parse_msg(nlh, fixed, tb, NLMSGERR_ATTR_MAX, policy) && tb[NLMSGERR_ATTR_MSG])
		(void)str_copy(why, NL_WHY_MAX, nl_str(tb[NLMSGERR_ATTR_MSG]));
	return e.error;
}

void nl_explain(int err, char why[static NL_WHY_MAX])
{
	char name[64];
	size_t n = strlen(why);

	(void)str_copy(name, sizeof(name), strerror(-err));
	name[0] = (char)tolower((unsigned char)name[0]);
	while (n > 0 && (why[n - 1] == '.' || isspace((unsigned char)why[n - 1])))
		why[--n] = '\0';
	if (n == 0)
		(void)str_copy(why, NL_WHY_MAX, name);
	else
		(void)snprintf(why + n, NL_WHY_MAX - n, " (%s)", name);
}

/* -------------------------------------------------------------------- talking */

static void option(const struct nl *nl, int level, int name, int value)
{
	(void)setsockopt(mnl_socket_get_fd(nl->sock), level, name, &value, sizeof(value));
}

int nl_open(struct nl *nl, int protocol)
{
	if (nl->sock)
		return 0;
	struct mnl_socket *sock = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!sock)
		return -errno;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		(void)mnl_socket_close(sock);
		return r;
	}
	*nl = (struct nl){ .sock = sock, .seq = 1, .buf = xcalloc(1, NL_BUF) };
	/* All wishes: an old kernel that doesn't know one does without. */
	option(nl, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	option(nl, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	option(nl, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	option(nl, SOL_SOCKET, SO_RCVBUF, SOCKET_BUF);
	option(nl, SOL_SOCKET, SO_SNDBUF, SOCKET_BUF);
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		(void)mnl_socket_close(nl->sock);
	free(nl->buf);
	*nl = (struct nl)NL_CLOSED;
}

/* Send everything in @b; the messages are numbered from the returned *ret_seq. */
static int send_all(struct nl *nl, struct nlb *b, uint32_t *ret_seq)
{
	uint32_t seq = nl->seq;

	if (b->bad)
		return -EMSGSIZE;
	for (size_t at = 0; at < b->len;) {
		struct nlmsghdr *nlh = (void *)(b->p + at);

		nlh->nlmsg_seq = nl->seq++;
		at += NLMSG_ALIGN(nlh->nlmsg_len);
	}
	if (b->len > SOCKET_BUF / 2)
		option(nl, SOL_SOCKET, SO_SNDBUFFORCE, (int)(b->len * 2 + SOCKET_BUF));
	ssize_t n;
	do
		n = mnl_socket_sendto(nl->sock, b->p, b->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_seq = seq;
	return 0;
}

/* One datagram into nl->buf. Return: its length, -EAGAIN when there is none, or another negative errno. */
static ssize_t receive(struct nl *nl)
{
	ssize_t n;

	do
		n = mnl_socket_recvfrom(nl->sock, nl->buf, NL_BUF);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The same, but waits for it. */
static ssize_t receive_wait(struct nl *nl)
{
	struct pollfd p = { .fd = mnl_socket_get_fd(nl->sock), .events = POLLIN };

	for (;;) {
		ssize_t n = receive(nl);

		if (n != -EAGAIN)
			return n;
		int r = poll(&p, 1, RECV_LIMIT_MS);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

int nl_dump(struct nl *nl, struct nlb *b, nl_fn fn, void *user, char why[static NL_WHY_MAX])
{
	bool dump = (((struct nlmsghdr *)(void *)b->p)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, changed = false;
	uint32_t seq;
	int r = send_all(nl, b, &seq), told = 0;

	why[0] = '\0';
	while (r == 0) {
		const struct nlmsghdr *nlh;
		ssize_t n = receive_wait(nl);

		if (n == -ENOBUFS) {
			changed = true;	/* something is missing, but the dump goes on to its end */
			continue;
		}
		if (n < 0)
			return (int)n;
		NL_EACH(nlh, nl->buf, n) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				changed = true;
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				r = nl_parse_error(nlh, why);
				return r < 0 ? r : told < 0 ? told : changed ? NL_E_CHANGED : 0;
			}
			if (told >= 0)
				told = fn(user, nlh);	/* after a failure the rest is still read, or the next answer is mixed up */
			if (!dump)
				return told < 0 ? told : 0;
		}
	}
	return r;
}

/* The end of an nfnetlink transaction is never acknowledged (before 6.10): then it is the message before. */
static struct nlmsghdr *last_to_ack(struct nlb *b)
{
	struct nlmsghdr *last = NULL, *before = NULL;

	for (size_t at = 0; at < b->len;) {
		before = last;
		last = (void *)(b->p + at);
		at += NLMSG_ALIGN(last->nlmsg_len);
	}
	return last->nlmsg_type == NFNL_MSG_BATCH_END && before ? before : last;
}

int nl_batch(struct nl *nl, struct nlb *b, struct nl_result *ret)
{
	uint32_t seq;
	bool failed = false, acked = false;

	if (b->n_msgs == 0)
		return 0;
	/* The kernel tells failures unasked and in order, so one acknowledgement at the end covers all that succeeded. */
	struct nlmsghdr *last = last_to_ack(b);
	last->nlmsg_flags |= NLM_F_ACK;
	for (size_t i = 0; i < b->n_msgs; i++)
		ret[i].err = 0;
	int r = send_all(nl, b, &seq);
	if (r < 0)
		return r;
	/* rtnetlink tells as it goes, nfnetlink when it has seen everything. */
	const bool in_order = ((const struct nlmsghdr *)(const void *)b->p)->nlmsg_type != NFNL_MSG_BATCH_BEGIN;
	for (;;) {
		const struct nlmsghdr *nlh;
		ssize_t n = in_order && acked ? -EAGAIN : receive(nl);

		if (n == -EAGAIN)
			return failed || acked ? 0 : -EPROTO;
		if (n < 0)
			return (int)n;
		NL_EACH(nlh, nl->buf, n) {
			uint32_t i = nlh->nlmsg_seq - seq;

			if (nlh->nlmsg_type != NLMSG_ERROR || i >= b->n_msgs)
				continue;
			ret[i].err = nl_parse_error(nlh, ret[i].why);
			failed = failed || ret[i].err < 0;
			acked = acked || nlh->nlmsg_seq == last->nlmsg_seq;
		}
	}
}

int nl_ask(struct nl *nl, struct nlb *b, nl_answer_fn fn, void *user)
{
	size_t left = b->n_msgs;
	bool lost = false;
	uint32_t seq;

	if (left == 0)
		return 0;
	int r = send_all(nl, b, &seq);
	if (r < 0)
		return r;
	while (left > 0) {
		const struct nlmsghdr *nlh;
		ssize_t n = receive(nl);	/* the kernel answers before it lets us go on */

		if (n == -ENOBUFS) {
			lost = true;
			continue;
		}
		if (n < 0)
			return lost && n == -EAGAIN ? -ENOBUFS : (int)n;
		NL_EACH(nlh, nl->buf, n) {
			uint32_t i = nlh->nlmsg_seq - seq;

			if (i >= b->n_msgs || left == 0)
				continue;
			fn(user, i, nlh->nlmsg_type == NLMSG_ERROR ? NULL : nlh);
			left--;
		}
	}
	return 0;
}
