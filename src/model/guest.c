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

struct d_forward *guest_forwards(struct guest *guest)
{
	if (!guest->forwards)
		guest->forwards = arena_alloc(guest->arena, GUEST_FORWARDS, sizeof(*guest->forwards));
	return guest->forwards;
}

struct guest *guest_free(struct guest *guest)
{
	if (!guest)
		return NULL;
	arena_free(guest->arena);
	free(guest);
	return NULL;
}

struct live_forward *live_forward_new(const char *network, const char *guest)
{
	struct live_forward *f = NEW(struct live_forward);

	(void)str_copy(f->network, sizeof(f->network), network);
	(void)str_copy(f->guest, sizeof(f->guest), guest);
	f->arena = arena_new();
	return f;
}

struct live_forward *live_forward_free(struct live_forward *forward)
{
	if (!forward)
		return NULL;
	arena_free(forward->arena);
	free(forward);
	return NULL;
}

static int cmp_ports(const struct d_forward *a, const struct d_forward *b)
{
	const uint64_t x = (uint64_t)a->proto << 48 | (uint64_t)a->host_first << 32 | (uint64_t)a->host_last << 16 | a->guest_first;
	const uint64_t y = (uint64_t)b->proto << 48 | (uint64_t)b->host_first << 32 | (uint64_t)b->host_last << 16 | b->guest_first;

	if (x != y)
		return x < y ? -1 : 1;
	if (a->host.family != b->host.family)
		return a->host.family < b->host.family ? -1 : 1;
	return a->host.family ? ip_cmp(&a->host, &b->host) : 0;
}

bool forward_is_same(const struct d_forward *a, const struct d_forward *b)
{
	return cmp_ports(a, b) == 0;
}

int live_forward_cmp(const struct live_forward *a, const struct live_forward *b)
{
	int c = strcmp(a->network, b->network);

	if (c == 0)
		c = strcmp(a->guest, b->guest);
	return c ? c : cmp_ports(&a->forward, &b->forward);
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
	to->device = arena_strdup(arena, g->device);
	to->ips = join(arena, to->ips, to->n_ips, g->ips, g->n_ips, sizeof(*to->ips));
	to->ip_where = where;
	to->n_ips += g->n_ips;
	struct d_forward *forwards = join(arena, to->forwards, to->n_forwards, g->forwards, g->n_forwards, sizeof(*forwards));
	for (size_t i = to->n_forwards; i < to->n_forwards + g->n_forwards; i++)
		forwards[i].spec = arena_strdup(arena, forwards[i].spec);
	to->forwards = forwards;
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
		struct d_guest key = { .name = guests[i]->name };
		struct d_guest *declared = NULL;

		if (!str_eq(guests[i]->network, network->name))
			continue;
		if (network->n_guests > 0)
			declared = bsearch(&key, copy->guests, network->n_guests, sizeof(key), by_name);
		if (!declared) {
			declared = &copy->guests[copy->n_guests++];
			key.name = arena_strdup(arena, key.name);
			*declared = key;
		}
		overlay(declared, guests[i], arena);
	}
	qsort(copy->guests, copy->n_guests, sizeof(*copy->guests), by_name);
	return copy;
}

static struct d_guest *guest_in(const struct d_network *network, const char *name)
{
	const struct d_guest key = { .name = name };

	return network->n_guests ? bsearch(&key, network->guests, network->n_guests, sizeof(key), by_name) : NULL;
}

/* Where a forward of the guest's own is among @n live ones; @n: nowhere. */
static size_t find_same(struct live_forward *const *live, size_t n, const struct d_forward *own)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = cmp_ports(&live[mid]->forward, own);

		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return n;
}

static void add_to_guest(struct d_guest *guest, struct live_forward *const *live, size_t n, struct arena *arena)
{
	struct d_forward *all = arena_alloc(arena, guest->n_forwards + n, sizeof(*all));
	bool *own = arena_alloc(arena, n, sizeof(*own));
	size_t total = guest->n_forwards;

	if (total > 0)
		memcpy(all, guest->forwards, total * sizeof(*all));
	for (size_t i = 0; i < guest->n_forwards; i++) {
		size_t k = find_same(live, n, &guest->forwards[i]);

		if (k < n)
			own[k] = true;
	}
	for (size_t i = 0; i < n; i++)
		if (!own[i])
			all[total++] = live[i]->forward;
	guest->forwards = all;
	guest->n_forwards = total;
}

void network_add_forwards(struct d_network *network, struct live_forward *const *forwards, size_t n,
			  struct arena *arena)
{
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && str_eq(forwards[k]->network, forwards[i]->network) &&
				str_eq(forwards[k]->guest, forwards[i]->guest);)
			k++;
		struct d_guest *guest = str_eq(forwards[i]->network, network->name) ? guest_in(network, forwards[i]->guest) : NULL;

		if (guest)
			add_to_guest(guest, &forwards[i], k - i, arena);
	}
}
