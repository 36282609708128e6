/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ear - what guests on macvtaps say, from a ring that eBPF fills
 *
 * Theory of operation. A packet socket that wants to see what leaves by a device
 * is shown every frame of it. The filter on a macvtap's egress (src/bpf, program
 * `attentive`) copies only what tells of the guest's groups and addresses, with
 * the device's index, to one ring for all devices. The monitor makes it; the
 * engine maps it before it gives up its rights, and reads it in its loop without
 * a system call. Each guest has a share of the ring a second; what it says
 * beyond that is lost, and marked.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/time.h"
#include "io/packet.h"

struct ear;

/* @lost: the guest said more than this. @packet lives as long as the call. Return: 0, or a negative errno that ends it. */
typedef int (*ear_fn)(void *user, uint32_t ifindex, const struct packet *packet, bool lost, mono_t now);

/* @map: descriptor of the ring, which isn't needed afterwards. Takes bpf(). Return: 0 or a negative errno. */
int ear_new(struct ear **ret, int map);
struct ear *ear_free(struct ear *ear);
DEFINE_FREEP(struct ear, ear_free)

/* Readable when something was said. */
int ear_fd(const struct ear *ear);

/*
 * At most @max frames go to @fn. Return: 0, the error of @fn, or 1: the ring may have been full meanwhile, so that any guest
 * may have said more.
 */
int ear_read(struct ear *ear, unsigned int max, ear_fn fn, void *user, mono_t now);
