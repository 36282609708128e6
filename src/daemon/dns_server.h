/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_server - the guests' side of DNS: sockets, and each guest's share
 *
 * Theory of operation: a query that comes in by a network's socket is put to
 * that network's zone (resp/dns), which answers it or leaves it to the
 * forwarder; then it waits in one of ASKS slots. Nothing here allocates once a
 * socket is there, and one guest cannot take what others need:
 *
 *   questions under way   512 in all, 256 a network, 64 a source address; beyond
 *                         that SERVFAIL at once. No answer after 10 s: SERVFAIL.
 *   UDP                   16 datagrams a socket and turn; replies of at most what
 *                         the client says it takes, and 1232 bytes
 *   TCP                   32 connections in all, 16 a network, 6 a source address; a
 *                         new one displaces the longest idle one. Ten idle seconds
 *                         end one, so do a query over 2 kB and 128 kB of answers
 *                         that the client doesn't read. Queries may be pipelined, are
 *                         answered as answers come (RFC 7766 6.2.1.1), and wait while
 *                         16 of a connection are under way.
 *
 * Not counted against a guest that uses many IPv6 addresses: that is the spoof
 * check's work; such a guest can slow its own network down, not the others.
 *
 * The sockets are bound to the gateway's address, which replies leave from. A
 * guest of another network that can reach that address would see this network's
 * names: the firewall keeps it from doing so.
 */
#pragma once
#include "base/loop.h"
#include "base/mem.h"
#include "daemon/forward.h"
#include "resp/dns.h"

struct dns_server;

/* @forwarder is borrowed. */
int dns_server_new(struct dns_server **ret, struct loop *loop, struct forwarder *forwarder);
struct dns_server *dns_server_free(struct dns_server *server);	/* after the forwarder */
DEFINE_FREEP(struct dns_server, dns_server_free)

/**
 * dns_server_listen() - Serve a network on these sockets, and no longer on those before
 * @server:	the server
 * @zone:	of the network; borrowed until dns_server_stop()
 * @fds:	bound UDP and listening TCP sockets; taken over, whatever is returned, and closed
 * @n_fds:	how many
 *
 * A socket bound as one before changes nothing: that one stays, nothing under way is lost.
 *
 * Return: 0 or negative errno: some of them are not served
 */
int dns_server_listen(struct dns_server *server, const struct dns_zone *zone, const int *fds, size_t n_fds);

/* Closes the network's sockets and connections. */
void dns_server_stop(struct dns_server *server, const struct dns_zone *zone);
