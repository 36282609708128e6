/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest - a guest that runs, and the network as it is with it
 */
#include "model/guest.h"

struct guest *guest_new(void)
{
	struct guest *g = NEW(struct guest);

	g->arena = arena_new();
	return g;
}

struct guest *guest_free(struct guest *guest)
{
	if (!guest)
		return NULL;
	arena_free(guest->arena);
	free(guest);
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct d_guest *)a)->name, ((const struct d_guest *)b)->name);
}

/* Two arrays one after the other, in @arena. */
static void *join(struct arena *arena, const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
	char *both = arena_alloc(arena, n_a + n_b, size);

	if (n_a > 0)
		memcpy(both, a, n_a * size);
	if (n_b > 0)
		memcpy(both + n_a * size, b, n_b * size);
	return both;
}

static void overlay(struct d_guest *to, const struct guest *g, struct arena *arena)
{
	struct where *where = arena_alloc(arena, to->n_ips + g->n_ips, sizeof(*where));

	if (to->n_ips > 0)
		memcpy(where, to->ip_where, to->n_ips * sizeof(*where));
	to->mac = g->mac;
	to->ips = join(arena, to->ips, to->n_ips, g->ips, g->n_ips, sizeof(*to->ips));
	to->ip_where = where;
	to->n_ips += g->n_ips;
	to->forwards = join(arena, to->forwards, to->n_forwards, g->forwards, g->n_forwards, sizeof(*to->forwards));
	to->n_forwards += g->n_forwards;
}

struct d_network *network_with_guests(const struct d_network *network, struct guest *const *guests, size_t n,
				      struct arena *arena)
{
	struct d_network *copy = ARENA_NEW(arena, struct d_network);
	size_t n_new = 0;

	*copy = *network;
	for (size_t i = 0; i < n; i++)
		n_new += str_eq(guests[i]->network, network->name);
	copy->guests = join(arena, network->guests, network->n_guests, NULL, 0, sizeof(*copy->guests));
	if (n_new == 0)
		return copy;
	copy->guests = arena_alloc(arena, network->n_guests + n_new, sizeof(*copy->guests));
	if (network->n_guests > 0)
		memcpy(copy->guests, network->guests, network->n_guests * sizeof(*copy->guests));
	for (size_t i = 0; i < n; i++) {
		const struct d_guest key = { .name = guests[i]->name };
		struct d_guest *declared = NULL;

		if (!str_eq(guests[i]->network, network->name))
			continue;
		if (network->n_guests > 0)
			declared = bsearch(&key, copy->guests, network->n_guests, sizeof(key), by_name);
		if (!declared) {
			declared = &copy->guests[copy->n_guests++];
			*declared = key;
		}
		overlay(declared, guests[i], arena);
	}
	qsort(copy->guests, copy->n_guests, sizeof(*copy->guests), by_name);
	return copy;
}
