/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world - what the kernel has
 */
#include "model/world.h"

struct world *world_new(void)
{
	struct world *w = NEW(struct world);

	w->arena = arena_new();
	return w;
}

struct world *world_free(struct world *world)
{
	if (!world)
		return NULL;
	arena_free(world->arena);
	free(world);
	return NULL;
}

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int cmp_link(const void *a, const void *b)
{
	return cmp_u32(((const struct w_link *)a)->ifindex, ((const struct w_link *)b)->ifindex);
}

static int cmp_sysctl(const void *a, const void *b)
{
	return strcmp(((const struct w_sysctl *)a)->path, ((const struct w_sysctl *)b)->path);
}

static int cmp_found(const void *a, const void *b)
{
	return strcmp(((const struct w_found *)a)->path, ((const struct w_found *)b)->path);
}

static int cmp_chain(const void *a, const void *b)
{
	return strcmp(((const struct w_chain *)a)->name, ((const struct w_chain *)b)->name);
}

static int cmp_elem(const void *a, const void *b)
{
	return nft_elem_cmp(a, b);
}

#define SORT(arr, n, fn)                                           \
	do {                                                       \
		if ((n) > 1)                                       \
			qsort((arr), (n), sizeof(*(arr)), (fn));   \
	} while (0)

void world_sort(struct world *world)
{
	SORT(world->links, world->n_links, cmp_link);
	SORT(world->sysctls, world->n_sysctls, cmp_sysctl);
	SORT(world->found, world->n_found, cmp_found);
	SORT(world->inet.chains, world->inet.n_chains, cmp_chain);
	SORT(world->inet.elems, world->inet.n_elems, cmp_elem);
	SORT(world->bridge.chains, world->bridge.n_chains, cmp_chain);
	SORT(world->bridge.elems, world->bridge.n_elems, cmp_elem);
	SORT(world->netdev.chains, world->netdev.n_chains, cmp_chain);
	SORT(world->netdev.elems, world->netdev.n_elems, cmp_elem);
	SORT(world->guard.elems, world->guard.n_elems, cmp_elem);
}

const struct w_link *world_link(const struct world *world, uint32_t ifindex)
{
	const struct w_link key = { .ifindex = ifindex };

	if (world->n_links == 0)
		return NULL;
	return bsearch(&key, world->links, world->n_links, sizeof(key), cmp_link);
}

const struct w_link *world_link_by_name(const struct world *world, const char *name)
{
	for (size_t i = 0; i < world->n_links; i++)
		if (str_eq(world->links[i].name, name))
			return &world->links[i];
	return NULL;
}

bool world_has_ports(const struct world *world, uint32_t bridge)
{
	for (size_t i = 0; i < world->n_links; i++)
		if (world->links[i].master == bridge)
			return true;
	return false;
}

const char *world_sysctl(const struct world *world, const char *path)
{
	const struct w_sysctl key = { .path = path };
	const struct w_sysctl *s = NULL;

	if (world->n_sysctls > 0)
		s = bsearch(&key, world->sysctls, world->n_sysctls, sizeof(key), cmp_sysctl);
	return s ? s->value : NULL;
}

const struct w_found *world_found(const struct world *world, const char *path)
{
	const struct w_found key = { .path = path };

	if (world->n_found == 0)
		return NULL;
	return bsearch(&key, world->found, world->n_found, sizeof(key), cmp_found);
}

const struct w_served *world_served(const struct world *world, const char *network)
{
	for (size_t i = 0; i < world->n_served; i++)
		if (str_eq(world->served[i].network, network))
			return &world->served[i];
	return NULL;
}

static int cmp_bytes(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b)
{
	int c = memcmp(a, b, n_a < n_b ? n_a : n_b);

	return c ? c : cmp_u32((uint32_t)n_a, (uint32_t)n_b);
}

int nft_elem_cmp(const struct nft_elem *a, const struct nft_elem *b)
{
	int c = a->set == b->set ? 0 : strcmp(a->set, b->set);	/* names are mostly shared */

	if (c == 0)
		c = cmp_bytes(a->key, a->key_len, b->key, b->key_len);
	if (c == 0)
		c = cmp_bytes(a->key_end, a->key_end_len, b->key_end, b->key_end_len);
	return c;
}

uint64_t mac_hash(const struct mac *mac)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sizeof(mac->b); i++)
		v = v << 8 | mac->b[i];
	v = (v + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return v ^ v >> 29;
}

bool nft_elem_same(const struct nft_elem *a, const struct nft_elem *b)
{
	return nft_elem_cmp(a, b) == 0 && a->verdict == b->verdict && str_eq(a->chain, b->chain) &&
	       cmp_bytes(a->data, a->data_len, b->data, b->data_len) == 0;
}

bool alias_parse(const char *alias, char network[static NETWORK_NAME_MAX + 1], char guest[static GUEST_NAME_MAX + 1])
{
	static const char prefix[] = "sixtap:";

	if (strncmp(alias, prefix, sizeof(prefix) - 1) != 0)
		return false;
	alias += sizeof(prefix) - 1;
	const char *slash = strchr(alias, '/');
	size_t n = slash ? (size_t)(slash - alias) : strlen(alias);
	if (n == 0 || n > NETWORK_NAME_MAX)
		return false;
	memcpy(network, alias, n);
	network[n] = '\0';
	if (slash && (slash[1] == '\0' || strchr(slash + 1, '/')))
		return false;
	return str_copy(guest, GUEST_NAME_MAX + 1, slash ? slash + 1 : "");
}
