/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp4 - DHCPv4 messages: bytes to checked structs and back
 *
 * Standards: RFC 2131, 2132, 3397 (domain search), 4361 and 6842 (client ids).
 * Not supported: plain BOOTP, split options (RFC 3396) from clients, since
 * nothing we read is longer than one option; hardware other than Ethernet.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/rd.h"
#include "base/wr.h"
#include "net/addr.h"
#include "net/label.h"

#define DHCP4_PORT_SERVER 67
#define DHCP4_PORT_CLIENT 68
#define DHCP4_CLIENT_ID_MAX 130	/* as for DUIDs; longer ones are refused */

/* What a caller must handle itself; never forwarded. */
enum dhcp4_outcome {
	DHCP4_OK_ = 0,
	DHCP4_E_MALFORMED,	/* drop and count */
	DHCP4_E_NOT_OURS,	/* a server's message, BOOTP, other hardware */
};

enum dhcp4_type {
	DHCP4_DISCOVER = 1,
	DHCP4_OFFER,
	DHCP4_REQUEST,
	DHCP4_DECLINE,
	DHCP4_ACK,
	DHCP4_NAK,
	DHCP4_RELEASE,
	DHCP4_INFORM,
};

enum dhcp4_option {
	DHCP4_OPT_PAD = 0,
	DHCP4_OPT_MASK = 1,
	DHCP4_OPT_ROUTER = 3,
	DHCP4_OPT_DNS = 6,
	DHCP4_OPT_HOSTNAME = 12,
	DHCP4_OPT_DOMAIN = 15,
	DHCP4_OPT_MTU = 26,
	DHCP4_OPT_BROADCAST = 28,
	DHCP4_OPT_REQUESTED = 50,
	DHCP4_OPT_LEASE = 51,
	DHCP4_OPT_OVERLOAD = 52,
	DHCP4_OPT_TYPE = 53,
	DHCP4_OPT_SERVER_ID = 54,
	DHCP4_OPT_PARAMETERS = 55,
	DHCP4_OPT_MESSAGE = 56,
	DHCP4_OPT_MAX_SIZE = 57,
	DHCP4_OPT_T1 = 58,
	DHCP4_OPT_T2 = 59,
	DHCP4_OPT_CLIENT_ID = 61,
	DHCP4_OPT_SEARCH = 119,
	DHCP4_OPT_END = 255,
};

/* A client's message that passed every check. Unset addresses are 0.0.0.0. */
struct dhcp4_msg {
	enum dhcp4_type type;		/* one that clients send */
	uint32_t xid;
	uint16_t secs;
	bool broadcast;
	struct in_addr ciaddr;
	struct in_addr giaddr;
	struct mac chaddr;		/* neither zero nor multicast */
	struct in_addr requested;	/* option 50 */
	struct in_addr server_id;	/* option 54 */
	uint8_t client_id_len;		/* 0: none */
	uint8_t client_id[DHCP4_CLIENT_ID_MAX];
	char hostname[LABEL_STRLEN];	/* checked, lower case, or "" */
	bool has_wants;
	uint64_t wants[4];		/* option 55 as a set of 256 */
	uint16_t max_size;		/* option 57: of the IP datagram; 576 when absent or less */
};

/* A server's message. Zero or NULL leaves an option out. */
struct dhcp4_reply {
	enum dhcp4_type type;		/* OFFER, ACK or NAK */
	const struct dhcp4_msg *to;
	struct in_addr yiaddr;
	struct in_addr server_id;
	uint32_t lease_s, t1_s, t2_s;
	struct in_addr mask, router, broadcast;
	const struct in_addr *dns;
	uint32_t n_dns;
	uint16_t mtu;
	const char *hostname;
	const char *domain;		/* options 15 and 119, each when asked for */
	const char *message;		/* of a NAK */
};

/**
 * dhcp4_parse() - Read and fully check a client's message
 * @msg:	cursor over the UDP payload
 * @ret:	set only when 0 is returned
 *
 * RFC 2131 2, 4.1; options in `file` and `sname` are read when option 52 says
 * so. Of an option that comes twice the first counts.
 *
 * Return: 0, DHCP4_E_NOT_OURS or DHCP4_E_MALFORMED
 */
int dhcp4_parse(struct rd msg, struct dhcp4_msg *ret);

/**
 * dhcp4_build() - Write a server's message
 * @w:		cursor at the UDP payload; spoilt when there is no room
 * @reply:	what to say
 *
 * At least 300 bytes (RFC 1542 2.1), at most what the client's option 57
 * allows: options of lesser weight that don't fit are left out.
 */
void dhcp4_build(struct wr *w, const struct dhcp4_reply *reply);

static inline bool dhcp4_wants(const struct dhcp4_msg *msg, uint8_t option)
{
	return msg->wants[option / 64] >> (option % 64) & 1;
}
