/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_follow - the engine's part of multicast that follows the guest
 *
 * For each macvtap that main names: a packet socket to ask its guest by, which
 * without eBPF also shows what it says of its groups and addresses (else the
 * ring of io/ear.h does); perhaps a connection to its QEMU's monitor,
 * and the machine that makes groups of it (resp/mcast.h). main hears of the
 * groups at the end of the turn, as far as its queue has room; the rest waits.
 * Where a frame sent on the macvtap reaches the guest and nobody else, the guest
 * is asked now and then.
 */
#pragma once
#include "base/loop.h"
#include "ctl/inner.h"
#include "daemon/tell.h"
#include "io/ear.h"
#include "io/packet.h"

#define ENGINE_FOLLOW_MAX 4096

struct engine_follow;

/* All but @ret are borrowed. @ear: NULL: guests are heard by their sockets. Return: 0, or a negative errno. */
int engine_follow_new(struct engine_follow **ret, struct loop *loop, struct tell *tell, struct packet_batch *batch,
		      struct ear *ear);
struct engine_follow *engine_follow_free(struct engine_follow *f);
DEFINE_FREEP(struct engine_follow, engine_follow_free)

/* One of INNER_FOLLOW, FOLLOWED, UNFOLLOW, QMP; takes its descriptor. Return: 0, -EBADMSG, or another negative errno. */
int engine_follow_message(struct engine_follow *f, struct inner_msg *msg, mono_t now);

mono_t engine_follow_deadline(const struct engine_follow *f);
void engine_follow_tick(struct engine_follow *f, mono_t now);

/* Tell main what has changed. Return: 0, or the error of main's socket. */
int engine_follow_settle(struct engine_follow *f);
