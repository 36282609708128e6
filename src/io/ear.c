/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ear - what guests on macvtaps say, from a ring that eBPF fills
 */
#include "io/ear.h"

#include <errno.h>
#include <bpf/libbpf.h>
#include "model/guard.h"

_Static_assert(GUARD_FRAME_MAX == PACKET_MAX, "what a socket would give");

struct ear {
	struct ring_buffer *ring;
	ear_fn fn;
	void *user;
	mono_t now;
	unsigned int left;
	size_t n;		/* bytes since the ring was seen empty */
};

#define HEADER 8u		/* of the ring, before each record (linux/bpf.h, BPF_RINGBUF_HDR_SZ) */
#define RECORD_MAX (HEADER + sizeof(struct guard_heard) + GUARD_FRAME_MAX)

static int on_sample(void *ctx, void *data, size_t size)
{
	const struct guard_heard *h = data;
	struct ear *ear = ctx;

	ear->n += HEADER + (size + 7) / 8 * 8;
	if (size < sizeof(*h) || h->len > size - sizeof(*h))
		return -EBADMSG;
	/* What left a virtual NIC was on no wire yet, and the sum may be left to the next one: it isn't looked at. */
	const struct packet packet = { .frame = rd_init(h->frame, h->len), .csum_ready = false };
	int r = ear->fn(ear->user, h->ifindex, &packet, h->lost != 0, ear->now);

	if (r < 0)
		return r;
	return --ear->left == 0 ? -ECANCELED : 0;	/* it counts as read all the same */
}

int ear_new(struct ear **ret, int map)
{
	_cleanup_(ear_freep) struct ear *ear = NEW(struct ear);

	ear->ring = ring_buffer__new(map, on_sample, ear, NULL);
	if (!ear->ring)
		return errno ? -errno : -EIO;
	*ret = STEAL_PTR(ear);
	return 0;
}

struct ear *ear_free(struct ear *ear)
{
	if (!ear)
		return NULL;
	ring_buffer__free(ear->ring);
	free(ear);
	return NULL;
}

int ear_fd(const struct ear *ear)
{
	return ring_buffer__epoll_fd(ear->ring);
}

int ear_read(struct ear *ear, unsigned int max, ear_fn fn, void *user, mono_t now)
{
	ear->fn = fn;
	ear->user = user;
	ear->now = now;
	ear->left = max;
	int r = ring_buffer__consume(ear->ring);

	if (r < 0 && r != -ECANCELED)
		return r;
	/* A record that wasn't taken found all of this before it. */
	const bool full = ear->n + RECORD_MAX > GUARD_HEARD_BYTES;
	if (full || r >= 0)
		ear->n = 0;
	return full;
}
