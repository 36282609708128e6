/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest - a guest that runs, and the network as it is with it
 *
 * What the configuration declares and what `sixtap run` was told are put
 * together here, so that plan/ sees one struct d_network and need not know
 * where a guest came from.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/desired.h"
#include "net/addr.h"

#define GUEST_IPS 8
#define GUEST_FORWARDS 32
#define USER_NAME_MAX 63

/* One NIC of a running guest that we made. Owned strings. */
struct guest {
	char network[NETWORK_NAME_MAX + 1];
	char name[GUEST_NAME_MAX + 1];
	char device[16];
	uint32_t ifindex;
	struct mac mac;
	struct ip ips[GUEST_IPS];	/* given to `run`, besides the declared ones */
	size_t n_ips;
	struct d_forward *forwards;	/* given to `run`; with their spec and from in @arena; guest_forwards() makes room */
	size_t n_forwards;
	int64_t pid;			/* of whoever holds the descriptors */
	uint64_t start_time;		/* of that process, field 22 of /proc/PID/stat; 0: not known */
	uint32_t uid;			/* who runs it */
	char user[USER_NAME_MAX + 1];	/* that user's name; "" for root */
	bool macvtap;			/* the device is one: it doesn't go with its descriptors */
	bool monitor;			/* a macvtap guest whose QEMU listens for QMP: macvtap_connect() */
	struct arena *arena;
};

struct guest *guest_new(void);
struct d_forward *guest_forwards(struct guest *guest);	/* room for GUEST_FORWARDS, made when it is needed first */
struct guest *guest_free(struct guest *guest);
DEFINE_FREEP(struct guest, guest_free)

/* A forward that was added while its network was up. It is the guest's by name, whether that runs or not. */
struct live_forward {
	char network[NETWORK_NAME_MAX + 1];
	char guest[GUEST_NAME_MAX + 1];
	struct d_forward forward;	/* spec lives in @arena; runtime is set */
	struct arena *arena;
};

struct live_forward *live_forward_new(const char *network, const char *guest);
struct live_forward *live_forward_free(struct live_forward *forward);
DEFINE_FREEP(struct live_forward, live_forward_free)

/* Is it the same forward, whoever wrote it? (Sources and force don't count.) */
bool forward_is_same(const struct d_forward *a, const struct d_forward *b);

/* The order that network_add_forwards() wants; 0 only for the same forward of the same guest. */
int live_forward_cmp(const struct live_forward *a, const struct live_forward *b);

/**
 * network_with_guests() - The network as configured, with its running guests
 * @network:	from the configuration
 * @guests:	running guests of all networks
 * @n:		how many
 * @arena:	where the result and what it points to is allocated
 *
 * A running guest that isn't declared is added; one that is declared gets the
 * addresses and forwards that `run` gave it besides its own, and the MAC of
 * the NIC that runs.
 *
 * Return: a copy in @arena; borrows from @network, not from @guests, which may end before a plan does
 */
struct d_network *network_with_guests(const struct d_network *network, struct guest *const *guests, size_t n,
				      struct arena *arena);

/**
 * network_add_forwards() - Put live forwards into a network
 * @network:	what network_with_guests() returned
 * @forwards:	of all networks, in the order of live_forward_cmp()
 * @n:		how many
 * @arena:	where the guests' longer lists are allocated
 *
 * One that the guest has already by configuration is left out, and so are
 * those of guests that are neither declared nor running: they wait.
 */
void network_add_forwards(struct d_network *network, struct live_forward *const *forwards, size_t n,
			  struct arena *arena);
