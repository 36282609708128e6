/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seats - where guests that others started are plugged in
 *
 * A guest of ours is known by its tap. Of any other there is only its MAC in a
 * bridge's forwarding table, and that entry ages out while the guest is quiet.
 * So the port that a MAC was seen at is remembered, until the port goes or the
 * MAC is seen at another. Ports that have their one MAC from us (a guest's tap,
 * with spoof-check) have nothing to tell and aren't asked.
 */
#include "daemon/state.h"

#include "kern/fdb.h"

static void learn(void *user, const struct mac *mac, uint32_t port, uint32_t bridge)
{
	struct daemon_main *d = user;
	struct seat_key key = { .mac = *mac, .bridge = bridge };
	struct seat *s = NULL;

	HASH_FIND(hh, d->seats, &key, sizeof(key), s);
	if (!s) {
		if (HASH_COUNT(d->seats) >= SEATS_MAX)	/* a guest that makes up MACs must not eat our memory */
			return;
		s = NEW(struct seat);
		s->key = key;
		HASH_ADD(hh, d->seats, key, sizeof(key), s);
	}
	s->port = port;
}

/* The bridge of a network whose ports may be worth asking, or NULL. */
static const struct net *net_of_bridge(const struct daemon_main *d, const char *bridge)
{
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->d && !net->leaving && str_eq(net->d->bridge, bridge))
			return net;
	return NULL;
}

void seats_find_ports(struct daemon_main *d, const struct world *world)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	const struct net *net = NULL;
	uint32_t bridge = 0;

	d->n_open_ports = 0;
	for (size_t i = 0; i < world->n_links; i++) {
		const struct w_link *port = &world->links[i];

		if (port->master == 0)
			continue;
		if (port->master != bridge) {
			const struct w_link *master = world_link(world, port->master);

			bridge = port->master;
			net = master ? net_of_bridge(d, master->name) : NULL;
		}
		if (!net || (net->d->spoof_check && alias_parse(port->alias, network, guest) && guest[0]))
			continue;
		GROW(d->open_ports, d->n_open_ports, d->cap_open_ports);
		d->open_ports[d->n_open_ports++] = port->ifindex;
	}
}

void seats_learn(struct daemon_main *d)
{
	for (size_t i = 0; i < d->n_open_ports; i++)
		(void)kern_fdb(d->kern, d->open_ports[i], learn, d);
}

void seats_link_gone(struct daemon_main *d, uint32_t ifindex)
{
	struct seat *s, *next;

	HASH_ITER(hh, d->seats, s, next) {
		if (s->port != ifindex && s->key.bridge != ifindex)
			continue;
		HASH_DEL(d->seats, s);
		free(s);
	}
}

bool seats_has(const struct daemon_main *d, uint32_t bridge, const struct mac *mac)
{
	struct seat_key key = { .mac = *mac, .bridge = bridge };
	struct seat *s = NULL;

	HASH_FIND(hh, d->seats, &key, sizeof(key), s);
	return s != NULL;
}
