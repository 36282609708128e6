/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * out - what a responder answers: frames to send, facts to tell
 *
 * The engine hands one struct out to every responder of a network, and drains
 * it at the end of the turn: leases are written to disk first, then the frames
 * leave, then the facts go to main. It is of fixed size, so that the packet
 * path never allocates; a responder that finds it full drops the reply (the
 * client asks again) and counts it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/wr.h"
#include "model/lease.h"

#define OUT_FRAMES 64
#define OUT_FRAME_MAX 1600
#define OUT_FACTS 128

enum out_socket {
	OUT_SOCKET_ARP,
	OUT_SOCKET_IP4,
	OUT_SOCKET_IP6,
};

struct out_frame {
	enum out_socket socket;
	uint32_t first_fact, n_facts;	/* facts that have to be on disk before this leaves */
	size_t len;
	uint8_t data[OUT_FRAME_MAX];	/* a whole Ethernet frame */
};

enum fact_kind {
	FACT_LEASE,		/* new, renewed or changed: to disk and to main */
	FACT_LEASE_GONE,	/* released, declined or expired */
	FACT_NEIGHBOUR,		/* seen in use: to main only */
};

struct fact {
	enum fact_kind kind;
	bool known;		/* FACT_LEASE: renewed, an older state is on disk: the reply may leave though writing fails */
	union {
		struct lease lease;
		struct neighbour neighbour;
	};
};

struct out {
	size_t n_frames, n_facts;
	uint64_t n_full;		/* replies and facts that found no room */
	struct out_frame frames[OUT_FRAMES];
	struct fact facts[OUT_FACTS];
};

static inline void out_reset(struct out *out)
{
	out->n_frames = 0;
	out->n_facts = 0;
}

/* True when one more reply and its fact fit: asked before a message is handled. */
static inline bool out_has_room(const struct out *out)
{
	return out->n_frames < OUT_FRAMES && out->n_facts < OUT_FACTS;
}

/* A cursor over the next free frame; (bad when there is none). out_send() makes it count. */
static inline struct wr out_begin(struct out *out)
{
	if (out->n_frames >= OUT_FRAMES)
		return (struct wr){ .bad = true };
	return wr_init(out->frames[out->n_frames].data, OUT_FRAME_MAX);
}

/* Return: false when the frame didn't fit; nothing is sent then. */
static inline bool out_send(struct out *out, const struct wr *frame, enum out_socket socket)
{
	if (!wr_ok(frame) || out->n_frames >= OUT_FRAMES) {
		out->n_full++;
		return false;
	}
	out->frames[out->n_frames].socket = socket;
	out->frames[out->n_frames].first_fact = out->frames[out->n_frames].n_facts = 0;
	out->frames[out->n_frames].len = frame->len;
	out->n_frames++;
	return true;
}

static inline bool out_fact(struct out *out, const struct fact *fact)
{
	if (out->n_facts >= OUT_FACTS) {
		out->n_full++;
		return false;
	}
	out->facts[out->n_facts++] = *fact;
	return true;
}

/* As out_send(), for a frame that may leave only when every fact told since @first_fact is on disk. */
static inline bool out_send_after(struct out *out, const struct wr *frame, enum out_socket socket, size_t first_fact)
{
	if (!out_send(out, frame, socket))
		return false;
	out->frames[out->n_frames - 1].first_fact = (uint32_t)first_fact;
	out->frames[out->n_frames - 1].n_facts = (uint32_t)(out->n_facts - first_fact);
	return true;
}
