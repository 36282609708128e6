/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seats - where guests that others started are plugged in
 *
 * A guest of ours is known by its tap. Of any other there is only its MAC in a
 * bridge's forwarding table, and that entry ages out while the guest is quiet.
 * So the port that a MAC was seen at is remembered, until the port goes or the
 * MAC is seen at another.
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

void seats_learn(struct daemon_main *d)
{
	(void)kern_fdb(d->kern, learn, d);
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
