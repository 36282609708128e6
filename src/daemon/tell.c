/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tell - what the engine says to main, in order, without waiting
 *
 * A queue item is one message, one lease (those of a turn leave in one message,
 * with tell_flush()), or (INNER_READY with leases) a whole list that is told when
 * its turn comes. The array is used from its start again
 * whenever the queue runs empty, so that in quiet times it costs one page.
 */
#include "daemon/tell.h"

#include <errno.h>

#define TELL_ITEMS 4096
#define TELL_RESERVE 512	/* kept for leases and what main waits for */

struct item {
	enum inner_type type;
	struct lease *leases;	/* INNER_READY: told first; owned */
	size_t n_leases, n_told;
	union {
		struct inner_lease lease;
		struct inner_neighbour neighbour;
		struct inner_stats stats;
		struct inner_trouble trouble;
		struct inner_ready ready;
		struct inner_group group;
		struct inner_sight sight;
		struct inner_unfollow unfollow;
	} body;
};

struct tell {
	int fd;
	size_t first, n;
	struct item *items;
	struct inner_leases pack;	/* of the message that is sent */
};

int tell_new(struct tell **ret, int fd)
{
	struct tell *tell = NEW(struct tell);

	tell->fd = fd;
	tell->items = xcalloc(TELL_ITEMS, sizeof(*tell->items));
	*ret = tell;
	return 0;
}

struct tell *tell_free(struct tell *tell)
{
	if (!tell)
		return NULL;
	for (size_t i = 0; i < tell->n; i++)
		free(tell->items[(tell->first + i) % TELL_ITEMS].leases);
	free(tell->items);
	free(tell);
	return NULL;
}

size_t tell_room(const struct tell *tell)
{
	return TELL_ITEMS - tell->n;
}

static int send_leases(struct tell *tell)
{
	return inner_send(tell->fd, INNER_LEASES, &tell->pack, inner_leases_size(tell->pack.n), NULL, 0);
}

/* Leases that follow each other in the queue go in one message. Return: how many items went, or a negative errno */
static int send_queued_leases(struct tell *tell)
{
	const struct item *item;

	tell->pack.n = 0;
	while (tell->pack.n < INNER_LEASES_MAX && tell->pack.n < tell->n) {
		item = &tell->items[(tell->first + tell->pack.n) % TELL_ITEMS];
		if (item->type != INNER_LEASES)
			break;
		tell->pack.leases[tell->pack.n++] = item->body.lease.lease;
	}
	int r = send_leases(tell);
	return r < 0 ? r : (int)tell->pack.n;
}

/* Return: how many items of the queue went, or a negative errno */
static int send_first(struct tell *tell)
{
	struct item *item = &tell->items[tell->first];
	int r = 0;

	if (item->type == INNER_LEASES)
		return send_queued_leases(tell);
	while (item->n_told < item->n_leases) {
		size_t n = item->n_leases - item->n_told;

		tell->pack.n = n < INNER_LEASES_MAX ? (uint32_t)n : INNER_LEASES_MAX;
		memcpy(tell->pack.leases, item->leases + item->n_told, tell->pack.n * sizeof(*item->leases));
		r = send_leases(tell);
		if (r < 0)
			return r;
		item->n_told += tell->pack.n;
	}
	r = inner_send(tell->fd, item->type, &item->body, inner_body_size(item->type), NULL, 0);
	return r < 0 ? r : 1;
}

bool tell_flush(struct tell *tell, int *ret_error)
{
	*ret_error = 0;
	while (tell->n > 0) {
		int r = send_first(tell);

		if (r == -EAGAIN || r == -ENOBUFS || r == -EINTR)
			return true;
		if (r < 0) {
			*ret_error = r;
			return true;
		}
		free(tell->items[tell->first].leases);
		tell->items[tell->first].leases = NULL;
		tell->first = (tell->first + (size_t)r) % TELL_ITEMS;
		tell->n -= (size_t)r;
	}
	tell->first = 0;
	return false;
}

/* The next free item; NULL when fewer than @keep are left. */
static struct item *push(struct tell *tell, enum inner_type type, size_t keep)
{
	if (TELL_ITEMS - tell->n <= keep)
		return NULL;

	struct item *item = &tell->items[(tell->first + tell->n++) % TELL_ITEMS];
	memset(item, 0, sizeof(*item));
	item->type = type;
	return item;
}

/* After a push: it goes out at once when nothing waits before it. */
static int sent(struct tell *tell)
{
	int r = 0;

	if (tell->n == 1)
		(void)tell_flush(tell, &r);
	return r;
}

int tell_lease(struct tell *tell, enum inner_type type, const struct lease *lease)
{
	struct item *item = push(tell, type, 0);

	if (!item)
		return -ENOBUFS;
	item->body.lease.lease = *lease;
	return 0;	/* others of this turn go with it */
}

int tell_neighbour(struct tell *tell, const struct neighbour *neighbour)
{
	struct item *item = push(tell, INNER_NEIGHBOUR, TELL_RESERVE);

	if (!item)
		return 0;
	item->body.neighbour.neighbour = *neighbour;
	return sent(tell);
}

int tell_stats(struct tell *tell, const struct inner_stats *stats)
{
	struct item *item = push(tell, INNER_STATS, TELL_RESERVE);

	if (!item)
		return 0;
	item->body.stats = *stats;
	return sent(tell);
}

int tell_trouble(struct tell *tell, const char *network, const char *what)
{
	struct item *item = push(tell, INNER_TROUBLE, TELL_RESERVE);

	if (!item)
		return 0;
	(void)str_copy(item->body.trouble.network, sizeof(item->body.trouble.network), network);
	(void)str_copy(item->body.trouble.what, sizeof(item->body.trouble.what), what);
	for (char *c = item->body.trouble.what; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';	/* main takes printable ASCII only */
	return sent(tell);
}

int tell_group(struct tell *tell, const struct inner_group *group)
{
	struct item *item = push(tell, INNER_GROUP, 0);

	if (!item)
		return -ENOBUFS;
	item->body.group = *group;
	return sent(tell);
}

int tell_qmp_gone(struct tell *tell, uint64_t id)
{
	struct item *item = push(tell, INNER_QMP_GONE, 0);

	if (!item)
		return -ENOBUFS;
	item->body.unfollow.id = id;
	return sent(tell);
}

int tell_sight(struct tell *tell, const struct inner_sight *sight)
{
	struct item *item = push(tell, INNER_SIGHT, TELL_RESERVE);

	if (!item)
		return 0;
	item->body.sight = *sight;
	return sent(tell);
}

int tell_ready(struct tell *tell, const struct inner_ready *ready, struct lease *leases, size_t n)
{
	struct item *item = push(tell, INNER_READY, 0);

	if (!item) {
		free(leases);
		return -ENOBUFS;
	}
	item->body.ready = *ready;
	item->leases = leases;
	item->n_leases = n;
	return sent(tell);
}
