/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - outside names, asked of the host's own DNS servers
 *
 * Theory of operation: libunbound does the work (cache, retries, TCP when an
 * answer is truncated) on our event loop, through its pluggable event base; it
 * neither forks nor starts threads that way. One context stands for one list of
 * servers. A new list makes a new context with an empty cache; the old one goes
 * on until its last question is answered, 15 s at most. Two old ones can wait
 * like that; when a third comes, the questions of the oldest fail.
 *
 * libunbound reads no file: neither resolv.conf nor hosts nor trust anchors nor
 * root hints are configured, and its random bytes come from getrandom().
 *
 * Not validated: the servers are the ones the host itself trusts. Questions go
 * out with DO, so RRSIGs are in the answers for guests that validate; CD is not
 * passed on (a server that validates keeps bogus data from guests too), and
 * libunbound answers a few special names itself (localhost, test, invalid,
 * onion). Reverse names of private addresses and home.arpa are asked outside,
 * for the LAN's router knows them.
 */
#pragma once
#include "base/loop.h"
#include "base/mem.h"
#include "ctl/inner.h"
#include "net/dns.h"

struct forwarder;
struct forward;

/* @packet: the whole answer, valid during the call; NULL: none could be got. */
typedef void (*forward_fn)(struct forward *forward, const void *packet, size_t len);

/* A question under way; embedded in what its asker remembers, which stays in place until @fn was called. */
struct forward {
	forward_fn fn;
	struct upstream *upstream;
	struct forward *prev, *next;
};

int forwarder_new(struct forwarder **ret, struct loop *loop);
struct forwarder *forwarder_free(struct forwarder *forwarder);	/* questions under way fail first */
DEFINE_FREEP(struct forwarder, forwarder_free)

/**
 * forwarder_set() - Which servers to ask from now on
 * @forwarder:	the forwarder
 * @servers:	their addresses, port 53; n 0: none is known
 *
 * The same list again changes nothing.
 *
 * Return: 0 or negative errno: no server is known now
 */
int forwarder_set(struct forwarder *forwarder, const struct inner_dns_upstream *servers);

/**
 * forwarder_ask() - Ask
 * @forwarder:	the forwarder
 * @forward:	fn is set by the caller
 * @query:	name and type are taken from it
 *
 * Return: 0: fn is called once, perhaps before this returns; -ENETUNREACH: no
 * server is known; another negative errno: libunbound refused. fn isn't called then.
 */
int forwarder_ask(struct forwarder *forwarder, struct forward *forward, const struct dns_query *query);
