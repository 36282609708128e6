/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - the eBPF guards of ports: load, tell, look
 */
#include "kern/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include "kern/bpf_lib.h"
#include "kern/priv.h"
#include "kern/tc.h"
#include "model/guard.h"

_Static_assert(GUARD_WHY_MAX == NL_WHY_MAX, "one size of reasons");

#define MAP_BATCH 512	/* entries that are read at once */

/* ----------------------------------------------------------------------- load */

#ifdef HAVE_GUARD_OBJECT
#include "guard_object.h"

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int keep(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

static int load(struct kern_guard *ret)
{
	const struct bpf_object_open_opts opts = { .sz = sizeof(opts), .object_name = "sixtap_guard" };
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	struct kern_guard g = KERN_GUARD_NONE;
	const struct bpf_lib *lib = bpf_load();

	if (!lib)
		return -ENOPKG;
	const char *hear = getenv("SIXTAP_HEAR");
	bool by_socket = hear && str_eq(hear, "socket");

	(void)lib->libbpf_set_print(silent);
	struct bpf_object *o = lib->bpf_object__open_mem(guard_object, sizeof(guard_object), &opts);
	if (!o)
		return -errno;
	int r = lib->bpf_object__load(o);
	if (r == 0)
		r = g.prog = keep(lib->bpf_program__fd(lib->bpf_object__find_program_by_name(o, "guard")));
	if (r >= 0)
		r = g.inward = keep(lib->bpf_program__fd(lib->bpf_object__find_program_by_name(o, by_socket ? "inward" : "attentive")));
	if (r >= 0 && !by_socket)
		r = g.heard = keep(lib->bpf_object__find_map_fd_by_name(o, "heard"));
	if (r >= 0)
		r = g.ports = keep(lib->bpf_object__find_map_fd_by_name(o, "ports"));
	if (r >= 0)
		r = g.owners = keep(lib->bpf_object__find_map_fd_by_name(o, "owners"));
	if (r >= 0)
		r = lib->bpf_obj_get_info_by_fd(g.prog, &info, &len);
	lib->bpf_object__close(o);
	if (r < 0) {
		kern_guard_close(&g);
		return r;
	}
	g.prog_id = info.id;
	*ret = g;
	return 0;
}
#else
static int load(struct kern_guard *ret)
{
	(void)ret;
	return -ENOSYS;
}
#endif

int guard_load(struct kern_guard *ret, char why[static GUARD_WHY_MAX])
{
	const char *force = getenv("SIXTAP_GUARD");
	int r;

	if (force && str_eq(force, "nft")) {
		(void)str_copy(why, GUARD_WHY_MAX, "SIXTAP_GUARD=nft");
		return -ECANCELED;
	}
	r = load(ret);
	if (r == -ENOSYS)
		(void)str_copy(why, GUARD_WHY_MAX, "built without");
	else if (r == -ENOPKG)
		(void)str_copy(why, GUARD_WHY_MAX, "libbpf isn't installed");
	else if (r < 0)
		(void)snprintf(why, GUARD_WHY_MAX, "the kernel doesn't take the program: %s", strerror(-r));
	return r;
}

bool guard_needs_bpf(void)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return true;
	return major < 5 || (major == 5 && minor < 19);
}

void kern_guard_close(struct kern_guard *guard)
{
	closep(&guard->prog);
	closep(&guard->ports);
	closep(&guard->owners);
	closep(&guard->inward);
	closep(&guard->heard);
	*guard = (struct kern_guard)KERN_GUARD_NONE;
}

/* -------------------------------------------------------------------- observe */

static void mac_of(uint64_t mac, uint8_t ret[static 6])
{
	for (size_t i = 0; i < 6; i++)
		ret[i] = (uint8_t)(mac >> i * 8);
}

static struct nft_elem *new_elem(struct world *w, size_t *cap, const char *set, const void *key, size_t n)
{
	ARENA_GROW(w->arena, w->guard.elems, w->guard.n_elems, *cap);
	struct nft_elem *e = &w->guard.elems[w->guard.n_elems++];
	*e = (struct nft_elem){ .set = set, .key_len = (uint8_t)n };
	memcpy(e->key, key, n);
	return e;
}

/*
 * A map's next keys and values: at most MAP_BATCH, in one system call. *@at is where to go on; NULL to begin with.
 *
 * Return: 1 when there are more, 0 at the end, or negative errno
 */
static int read_map(int fd, uint32_t **at, uint32_t *cursor, void *keys, void *values, uint32_t *ret_n)
{
	*ret_n = MAP_BATCH;
	int r = bpf_load()->bpf_map_lookup_batch(fd, *at, cursor, keys, values, ret_n, NULL);

	*at = cursor;
	if (r < 0 && r != -ENOENT)
		*ret_n = 0;
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int read_ports(struct kern *kern, struct world *w, size_t *cap)
{
	uint32_t keys[MAP_BATCH], ids[MAP_BATCH], cursor, *at = NULL, n;
	struct guard_port values[MAP_BATCH];
	int more;

	do {
		more = read_map(kern->guard.ports, &at, &cursor, keys, values, &n);
		int r = more < 0 ? more : tc_attached(kern, keys, n, TC_INGRESS, ids);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++) {
			struct nft_elem *e = new_elem(w, cap, "port", &keys[i], sizeof(keys[i]));

			memcpy(e->data, &values[i].net, sizeof(values[i].net));
			mac_of(values[i].mac, e->data + sizeof(values[i].net));
			e->data_len = GUARD_PORT_DATA;
			if (ids[i] == kern->guard.prog_id)
				(void)new_elem(w, cap, "attached", &keys[i], sizeof(keys[i]));
		}
	} while (more > 0);
	return more;
}

static int read_owners(struct kern *kern, struct world *w, size_t *cap)
{
	struct guard_address keys[MAP_BATCH];
	uint32_t cursor, *at = NULL, n;
	uint64_t values[MAP_BATCH];
	int more;

	do {
		more = read_map(kern->guard.owners, &at, &cursor, keys, values, &n);
		for (uint32_t i = 0; i < n; i++) {
			struct nft_elem *e = new_elem(w, cap, "owner", &keys[i], sizeof(keys[i]));

			mac_of(values[i], e->data);
			e->data_len = GUARD_OWNER_DATA;
		}
	} while (more > 0);
	return more;
}

int kern_guard_observe(struct kern *kern, struct world *world)
{
	size_t cap = 0;

	world->guard = (struct w_table){ .family = GUARD_FAMILY };
	if (kern->guard.prog < 0)
		return 0;
	world->guard.present = true;
	int r = read_ports(kern, world, &cap);
	return r < 0 ? r : read_owners(kern, world, &cap);
}

/* ------------------------------------------------------------------------ tell */

static uint32_t key_index(const struct nft_elem *e)
{
	uint32_t ifindex;

	memcpy(&ifindex, e->key, sizeof(ifindex));
	return ifindex;
}

static int put(struct kern *kern, const struct nft_elem *e, char why[static GUARD_WHY_MAX])
{
	uint32_t ifindex = key_index(e);

	if (str_eq(e->set, "owner")) {
		uint64_t mac = guard_mac(e->data);

		return bpf_load()->bpf_map_update_elem(kern->guard.owners, e->key, &mac, BPF_ANY);
	}
	if (str_eq(e->set, "port")) {
		struct guard_port p = { .mac = guard_mac(e->data + 4) };

		memcpy(&p.net, e->data, sizeof(p.net));
		return bpf_load()->bpf_map_update_elem(kern->guard.ports, &ifindex, &p, BPF_ANY);
	}
	int r = tc_attach(kern, ifindex, TC_INGRESS, kern->guard.prog, why);
	return r == -ENODEV ? 0 : r;	/* it went away meanwhile */
}

/* @replaced: the same key is added anew, so the port stays guarded all the time */
static int take(struct kern *kern, const struct nft_elem *e, bool replaced, char why[static GUARD_WHY_MAX])
{
	uint32_t ifindex = key_index(e);
	int r;

	if (replaced || str_eq(e->set, "attached"))
		return 0;
	if (str_eq(e->set, "owner"))
		r = bpf_load()->bpf_map_delete_elem(kern->guard.owners, e->key);
	else {
		r = tc_detach(kern, ifindex, TC_INGRESS, why);
		if (r == 0)
			r = bpf_load()->bpf_map_delete_elem(kern->guard.ports, &ifindex);
	}
	return r == -ENOENT ? 0 : r;
}

static int find_key(const void *key, const void *elem)
{
	return nft_elem_cmp(key, elem);
}

int kern_guard_elems(struct kern *kern, const struct nft_elem *del, size_t n_del, const struct nft_elem *add, size_t n_add,
		     char why[static GUARD_WHY_MAX])
{
	static const char *const order[] = { "owner", "port", "attached" };
	int r = kern->guard.prog < 0 ? -EOPNOTSUPP : 0;

	why[0] = '\0';
	for (size_t i = 0; r == 0 && i < n_del; i++)
		r = take(kern, &del[i], n_add > 0 && bsearch(&del[i], add, n_add, sizeof(*add), find_key), why);
	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		for (size_t i = 0; r == 0 && i < n_add; i++)
			if (str_eq(add[i].set, order[k]))
				r = put(kern, &add[i], why);
	if (r < 0)
		nl_explain(r, why);
	return r;
}

void kern_guard_clean(struct kern *kern, const struct world *world)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1], why[NL_WHY_MAX];

	for (size_t i = 0; kern->guard.prog < 0 && i < world->n_links; i++) {
		const struct w_link *port = &world->links[i], *bridge = world_link(world, port->master);

		if (port->master > 0 && bridge && alias_parse(bridge->alias, network, guest) && !guest[0])
			(void)tc_detach(kern, port->ifindex, TC_INGRESS, why);
	}
}
