/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl - netlink requests, answers and attributes
 *
 * For kern/, and for diag/ to read with; over libmnl. A builder that grows and is sticky when an attribute
 * doesn't fit into netlink's 16-bit length; a walk over attributes that checks
 * each against a policy (too short: as if it weren't there); a socket that
 * sends many requests in one system call and tells the failures apart.
 */
#pragma once
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "net/addr.h"

#define NL_BUF (64 * 1024)
#define NL_WHY_MAX 256
#define NL_TRIES 8	/* of a dump that is interrupted by changes */

/* ------------------------------------------------------------------ building */

struct nlb {
	uint8_t *p;		/* owned */
	size_t len, cap;
	size_t msg;		/* where the current message begins */
	size_t n_msgs;
	bool bad;
};

void nlb_free(struct nlb *b);
void nlb_reset(struct nlb *b);	/* empty again; the memory stays */

/* Begin a message with a family header of @n bytes. */
void nlb_msg(struct nlb *b, uint16_t type, uint16_t flags, const void *header, size_t n);
void nlb_put(struct nlb *b, uint16_t type, const void *data, size_t n);
void nlb_u8(struct nlb *b, uint16_t type, uint8_t v);
void nlb_u32(struct nlb *b, uint16_t type, uint32_t v);
void nlb_be32(struct nlb *b, uint16_t type, uint32_t v);
void nlb_strz(struct nlb *b, uint16_t type, const char *s);	/* with its NUL */
size_t nlb_nest(struct nlb *b, uint16_t type);	/* sets NLA_F_NESTED */
void nlb_end(struct nlb *b, size_t nest);
void nlb_raw(struct nlb *b, const void *data, size_t n);	/* no attribute: the header inside VETH_INFO_PEER */
void nlb_cancel(struct nlb *b, size_t nest);	/* as if it had never begun */

/* ------------------------------------------------------------------- parsing */

#define NL_STR UINT16_MAX	/* in a policy: a NUL inside, so that nl_str() is safe */

/* Least length of each attribute, by type; 0: any. @tb has @max + 1 entries; unknown and short ones are NULL. */
void nl_parse(const void *attrs, size_t len, const struct nlattr **tb, uint16_t max, const uint16_t *policy);
void nl_parse_nest(const struct nlattr *nest, const struct nlattr **tb, uint16_t max, const uint16_t *policy);

/* Attributes behind a family header of @hdr bytes; false: the message is shorter than its header. */
bool nl_parse_msg(const struct nlmsghdr *nlh, size_t hdr, const struct nlattr **tb, uint16_t max,
		  const uint16_t *policy);

/* Walk an array of attributes: *left starts as the length; NULL at the end or at the first broken one. */
const struct nlattr *nl_next(const void **at, size_t *left);

static inline const void *nl_data(const struct nlattr *a)
{
	return mnl_attr_get_payload(a);
}

static inline size_t nl_len(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a);
}

static inline uint16_t nl_type(const struct nlattr *a)
{
	return mnl_attr_get_type(a);
}

static inline const char *nl_str(const struct nlattr *a)
{
	return mnl_attr_get_str(a);
}

/* Values of attributes that the policy has found long enough; 0 for NULL. */
static inline uint8_t nl_u8(const struct nlattr *a)
{
	uint8_t v = 0;

	if (a)
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

static inline uint16_t nl_u16(const struct nlattr *a)
{
	uint16_t v = 0;

	if (a)
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

static inline uint32_t nl_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a)
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

static inline uint32_t nl_be32(const struct nlattr *a)
{
	return __builtin_bswap32(nl_u32(a)) * (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) +
	       nl_u32(a) * (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__);
}

/* An address of @family. Return: false when there is none, or too few bytes. */
bool nl_ip(const struct nlattr *a, uint8_t family, struct ip *ret);

/* Entry @i of an array of int32_t that may be shorter on other kernels; 0: it is, or NULL. */
int32_t nl_entry(const struct nlattr *a, size_t i);

/*
 * Every message in @len bytes at @buf; broken ones end the walk. Not by mnl_nlmsg_ok(): libmnl 1.0.4 takes lengths above
 * INT_MAX for good ones.
 */
#define NL_EACH(nlh, buf, len)                                                                  \
	for (size_t left_ = ((nlh) = (const void *)(buf), (size_t)(len)); nl_msg_ok((nlh), left_); \
	     (nlh) = nl_msg_next((nlh), &left_))

static inline bool nl_msg_ok(const struct nlmsghdr *nlh, size_t left)
{
	return left >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) && nlh->nlmsg_len <= left;
}

static inline const struct nlmsghdr *nl_msg_next(const struct nlmsghdr *nlh, size_t *left)
{
	size_t step = MNL_ALIGN((size_t)nlh->nlmsg_len);

	if (step > *left)
		step = *left;
	*left -= step;
	return (const void *)((const uint8_t *)nlh + step);
}

/* The error of an NLMSG_ERROR or NLMSG_DONE (0 or negative), with the kernel's words if it has any ("" if not). */
int nl_parse_error(const struct nlmsghdr *nlh, char why[static NL_WHY_MAX]);

/* "the kernel's words (no such device)", or only the latter, in lower case. @why may hold the words already. */
void nl_explain(int err, char why[static NL_WHY_MAX]);

/* -------------------------------------------------------------------- talking */

struct nl {
	struct mnl_socket *sock;	/* NULL: closed */
	uint32_t seq;
	uint8_t *buf;			/* NL_BUF bytes, owned */
};
#define NL_CLOSED { .sock = NULL }

int nl_open(struct nl *nl, int protocol);	/* 0 or negative errno; does nothing when it is open */
void nl_close(struct nl *nl);

typedef int (*nl_fn)(void *user, const struct nlmsghdr *nlh);	/* a negative return ends the walk with it */

enum nl_outcome {
	NL_E_CHANGED = 1,	/* the dump is not of one moment: forget it and ask again */
};

/**
 * nl_dump() - Send one request and visit all answers
 * @nl:		socket
 * @b:		one message; NLM_F_DUMP in its flags makes it a dump
 * @fn:		called for each answer
 * @user:	for @fn
 * @why:	set to the kernel's words when it refuses
 *
 * Return: 0, NL_E_CHANGED, or a negative errno
 */
int nl_dump(struct nl *nl, struct nlb *b, nl_fn fn, void *user, char why[static NL_WHY_MAX]);

/* What became of one message of a batch. */
struct nl_result {
	int err;		/* 0 or negative errno */
	char why[NL_WHY_MAX];
};

/**
 * nl_batch() - Send all messages in one system call
 * @nl:		socket
 * @b:		requests that have no answer but success or failure
 * @ret:	b->n_msgs results; the kernel goes on after a failure
 *
 * Return: 0 when the results are known, or the negative errno of the socket (then nothing is known)
 */
int nl_batch(struct nl *nl, struct nlb *b, struct nl_result *ret);

/* What message @i of nl_ask() was answered with; NULL: it failed. */
typedef void (*nl_answer_fn)(void *user, size_t i, const struct nlmsghdr *nlh);

/**
 * nl_ask() - Send many questions in one system call
 * @nl:		socket
 * @b:		requests that have one answer each; about 64, as all answers wait in the socket's buffer
 * @fn:		called for each of them, in any order
 * @user:	for @fn
 *
 * Return: 0, or the negative errno of the socket (then some weren't answered)
 */
int nl_ask(struct nl *nl, struct nlb *b, nl_answer_fn fn, void *user);
