/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_net - one network in the engine: its sockets and responders
 */
#pragma once
#include "base/loop.h"
#include "ctl/inner.h"
#include "io/packet.h"
#include "io/pcap.h"
#include "resp/dhcp4.h"
#include "resp/dhcp6.h"
#include "resp/neigh.h"
#include "resp/out.h"
#include "resp/ra.h"

/* Settings on their way in, between INNER_SERVE and INNER_SERVE_END. */
struct engine_staged {
	struct service service;
	uint64_t hash;
	struct service_host *hosts;
	size_t n_hosts, cap_hosts;
	int fds[ENGINE_SOCKET_N_];	/* owned; -1: those of before stay */
};

struct engine;
struct engine_net;

struct engine_sock {
	struct loop_fd src;		/* fd is owned; -1: none */
	struct engine_net *net;
	enum engine_socket kind;
};

struct engine_net {
	char name[NETWORK_NAME_MAX + 1];
	struct engine *engine;		/* whose it is */
	struct engine_staged *staged;	/* NULL: none */
	bool serving;			/* everything below is set up */
	struct ra *ra;
	struct neigh *neigh;
	struct dhcp4 *dhcp4;
	struct dhcp6 *dhcp6;
	struct out *out;		/* replies and facts of this turn */
	struct engine_sock socks[ENGINE_SOCKET_N_];
	struct inner_stats stats, told_stats;
	uint64_t pool_full;		/* as it was when it was looked at last */
	mono_t full_until;		/* the pool counts as full till then */
	bool full_told;
	struct engine_net *next;
};

/* @dhcp6_seed: the same at every start; @random: any bytes. Return: 0 or negative errno. */
int engine_net_new(struct engine_net **ret, const char *name, const uint8_t dhcp6_seed[static 16],
		   const uint8_t random[static 16], mono_t now);
struct engine_net *engine_net_free(struct engine_net *net);
DEFINE_FREEP(struct engine_net, engine_net_free)

struct engine_staged *engine_staged_free(struct engine_staged *staged);

/**
 * engine_net_input() - Handle one frame
 * @dhcp:	false: there is no room to tell main of leases; DHCP is dropped
 *
 * net->out must have room (engine_net_has_room()).
 */
void engine_net_input(struct engine_net *net, enum engine_socket kind, const struct packet *packet, bool dhcp,
		      mono_t now);
bool engine_net_has_room(const struct engine_net *net);

/* When the next tick is due; @dhcp as above. */
mono_t engine_net_deadline(const struct engine_net *net, bool dhcp);
void engine_net_tick(struct engine_net *net, bool dhcp, mono_t now);

/* Clients that were refused for want of a free address, ever. */
uint64_t engine_net_pool_full(const struct engine_net *net);
uint32_t engine_net_n_leases(const struct engine_net *net);

/* Bring net->stats up to date. Return: true when they differ from those told last. */
bool engine_net_count(struct engine_net *net);
