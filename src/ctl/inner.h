/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inner - typed messages between sixtapd's own processes
 *
 * SOCK_SEQPACKET socket pairs made by the monitor; one message a packet, fixed
 * structs behind a header, descriptors by SCM_RIGHTS. The receiver checks
 * type, length and every enumeration and string before it looks at anything:
 * the engine is expected to be taken over one day, and must gain nothing by it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "model/lease.h"
#include "model/mcast.h"
#include "model/service.h"

#define INNER_VERSION 1
#define INNER_MAX 16384		/* bytes of the largest message */
#define INNER_LEASES_MAX 60		/* leases of one message */
#define INNER_FDS 24		/* DNS: two for each gateway, those of before included */

enum inner_type {
	/* main → engine */
	INNER_SERVE = 1,	/* body: struct inner_serve; fds: packet sockets in the order of enum engine_socket */
	INNER_HOST,		/* body: struct inner_host: one declared guest of the network being set up */
	INNER_SERVE_END,	/* body: struct inner_name: take the new settings as a whole; answered by INNER_READY */
	INNER_UNSERVE,		/* body: struct inner_unserve; answered by INNER_READY with hash 0 when the last words are out */
	INNER_RELEASE,		/* body: struct inner_lease: forget a lease at once */

	INNER_FOLLOW,		/* body: struct inner_follow; fds: a packet socket on the macvtap, or none: other settings */
	INNER_FOLLOWED,		/* body: struct inner_group: one that is joined already */
	INNER_UNFOLLOW,		/* body: struct inner_unfollow */
	INNER_QMP,		/* body: struct inner_qmp; fds: a connection to QEMU's monitor */

	/* engine → main */
	INNER_READY = 32,	/* body: struct inner_ready: the network is served */
	INNER_LEASES,		/* body: struct inner_leases, as long as inner_leases_size() says: new or renewed */
	INNER_LEASE_GONE,	/* body: struct inner_lease */
	INNER_NEIGHBOUR,	/* body: struct inner_neighbour: an address was seen in use */
	INNER_TROUBLE,		/* body: struct inner_trouble: leases can't be written, … */
	INNER_STATS,		/* body: struct inner_stats, at most one in 15 s and only when changed */
	INNER_GROUP,		/* body: struct inner_group: join, leave, or other reasons */
	INNER_SIGHT,		/* body: struct inner_sight: a followed guest uses an address */
	INNER_QMP_GONE,		/* body: struct inner_unfollow: the monitor was closed */

	/* main → resolver */
	INNER_DNS_LISTEN = 64,	/* body: struct inner_dns; fds: UDP and TCP sockets, bound; replaces the network's, whose names stay */
	INNER_DNS_STOP,		/* body: struct inner_name */
	INNER_DNS_NAME,		/* body: struct inner_dns_name: NAME.DOMAIN and its reverse; after the network's LISTEN */
	INNER_DNS_NAME_GONE,	/* body: struct inner_dns_name */
	INNER_DNS_UPSTREAM,	/* body: struct inner_dns_upstream: replaces the list */

	/* main → both */
	INNER_ALIVE = 96,	/* body: struct inner_alive: who hangs leaves it unread */
};

/* Packet sockets that main makes for a network, bound to its device, filtered and locked. */
enum engine_socket {
	ENGINE_SOCKET_ARP,	/* ETH_P_ARP */
	ENGINE_SOCKET_IP,	/* IPv4: UDP to port 67; IPv6: RS, NS, NA, MLD reports, UDP to port 547 */
	ENGINE_SOCKET_N_,
};

struct inner_header {
	uint16_t version;
	uint16_t type;		/* enum inner_type */
	uint32_t len;		/* bytes of the body */
};

struct inner_alive {
	uint32_t tick;
};

struct inner_name {
	char network[NETWORK_NAME_MAX + 1];
};

struct inner_serve {
	struct service service;
	uint64_t hash;
};

struct inner_host {
	char network[NETWORK_NAME_MAX + 1];
	struct service_host host;
};

struct inner_unserve {
	char network[NETWORK_NAME_MAX + 1];
	uint8_t goodbye;	/* 1: a last RA with lifetime 0 */
};

struct inner_ready {
	char network[NETWORK_NAME_MAX + 1];
	uint64_t hash;
	uint32_t n_leases;	/* held for this network; sent as INNER_LEASES before */
};

struct inner_lease {
	struct lease lease;
};

/* Only as many as there are cross the socket: a daemon that starts says 64,000 of them. */
struct inner_leases {
	uint32_t n;		/* at least 1 */
	struct lease leases[INNER_LEASES_MAX];
};

struct inner_neighbour {
	struct neighbour neighbour;
};

struct inner_trouble {
	char network[NETWORK_NAME_MAX + 1];	/* "" : all */
	char what[160];
};

struct inner_stats {
	char network[NETWORK_NAME_MAX + 1];
	uint64_t frames, malformed, replies, dropped, pool_full;
};

/* A guest's macvtap, by a number that is never used again. */
struct inner_follow {
	uint64_t id;
	uint32_t ifindex;
	char device[16];	/* for log lines */
	struct mac mac;		/* of the macvtap: where a query to the guest goes */
	uint8_t may_ask;	/* 1: a frame to @mac sent on the device reaches the guest and nobody else */
	uint32_t n_declared;
	struct ip declared[MCAST_DECLARED_IPS];
};

struct inner_unfollow {
	uint64_t id;
};

struct inner_group {
	uint64_t id;
	struct mac group;	/* multicast; zero: about all multicast */
	uint8_t reasons;	/* enum mcast_reason, 0: leave; of all multicast: enum mcast_all */
};

struct inner_sight {
	uint64_t id;
	struct ip ip;
};

struct inner_qmp {
	uint64_t id;
	char nic[64];		/* the NIC's id in QEMU; "": the one with the macvtap's MAC */
};

struct inner_dns {
	char network[NETWORK_NAME_MAX + 1];
	char domain[DOMAIN_MAX + 1];
	struct prefix gateway4, gateway6;	/* for reverse zones; family 0: none */
	uint32_t n_fds;
};

struct inner_dns_name {
	char network[NETWORK_NAME_MAX + 1];
	char name[GUEST_NAME_MAX + 1];
	struct ip ip;
};

struct inner_dns_upstream {
	uint32_t n;
	struct ip servers[8];
	uint32_t ifindex[8];	/* of link-local servers, else 0 */
};

union inner_body {
	struct inner_alive alive;
	struct inner_name name;
	struct inner_serve serve;
	struct inner_host host;
	struct inner_unserve unserve;
	struct inner_ready ready;
	struct inner_lease lease;
	struct inner_leases leases;
	struct inner_neighbour neighbour;
	struct inner_trouble trouble;
	struct inner_stats stats;
	struct inner_follow follow;
	struct inner_unfollow unfollow;
	struct inner_group group;
	struct inner_sight sight;
	struct inner_qmp qmp;
	struct inner_dns dns;
	struct inner_dns_name dns_name;
	struct inner_dns_upstream dns_upstream;
};

struct inner_msg {
	enum inner_type type;
	union inner_body body;
	int fds[INNER_FDS];	/* owned by the receiver */
	size_t n_fds;
};

/**
 * inner_check() - Is this packet a legal message?
 * @buf:	packet as received
 * @len:	its length
 * @ret:	type and body are set when 0 is returned
 *
 * Every string is terminated, every address of a known family, every count
 * within its array. Fuzzed.
 *
 * Return: 0 or -EBADMSG
 */
int inner_check(const void *buf, size_t len, struct inner_msg *ret);

/* Return: 0, -EAGAIN (socket buffer full: keep it and wait for EPOLLOUT), or another negative errno. */
int inner_send(int sock, enum inner_type type, const void *body, size_t len, const int *fds, size_t n_fds);

/* Return: 1 with a message, 0 when the other end closed, -EAGAIN, -EBADMSG (skip it), or another negative errno. */
int inner_recv(int sock, struct inner_msg *ret);

/* Bytes of a struct inner_leases with @n leases. */
size_t inner_leases_size(size_t n);

/* The size of the body that goes with @type, of INNER_LEASES the largest; 0: no such type. */
size_t inner_body_size(enum inner_type type);
