/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packet - packet sockets on a network's device
 *
 * main opens them (packet_open() needs CAP_NET_RAW and CAP_NET_ADMIN) and hands
 * them to the engine, which only receives and writes. Each is bound to one
 * device, filtered in the kernel to the messages that we read, and its filter
 * is locked.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/rd.h"

enum packet_kind {		/* the same numbers as enum engine_socket in ctl/inner.h */
	PACKET_KIND_ARP,	/* ARP */
	PACKET_KIND_IP,		/* IPv4: UDP to port 67; IPv6: RS, NS, NA, MLD reports, UDP to port 547 */
	PACKET_KIND_N_,
};

#define PACKET_BATCH 32
#define PACKET_MAX 2048		/* bytes of a frame; a longer one is cut and marked */

/**
 * packet_open() - Open one of the sockets of a network
 * @ifindex:	its device
 * @kind:	which one: enum packet_kind, or enum engine_socket with the same numbers
 * @ret_fd:	set on success; owned by the caller
 *
 * Frames that we send ourselves, and frames to another host's MAC, don't
 * arrive. Non-blocking, closed on exec.
 *
 * Return: 0, -ENODEV, -EPERM, or another negative errno
 */
int packet_open(uint32_t ifindex, unsigned int kind, int *ret_fd);

/**
 * packet_open_guest() - Speak to a guest, and hear what it says of its groups and addresses
 * @ifindex:	its macvtap
 * @mark:	of whatever is sent by the socket; the engine can't change it
 * @hears:	false: nothing is received; the guest is heard otherwise (io/ear.h)
 * @ret_fd:	set on success; owned by the caller
 *
 * Only frames that leave by the device, and of those only MLD reports, NS, NA,
 * IGMP and ARP. The kernel shows outgoing frames to nobody who asks for one
 * protocol, so each frame passes the filter; bench/ has the price. Otherwise as
 * packet_open().
 */
int packet_open_guest(uint32_t ifindex, uint32_t mark, bool hears, int *ret_fd);

/* A received frame; bytes belong to the batch and live until the next packet_recv(). */
struct packet {
	struct rd frame;
	bool csum_ready;	/* false: the sender left the transport checksum to hardware that isn't there */
	bool cut;		/* longer than PACKET_MAX */
};

struct packet_batch;

int packet_batch_new(struct packet_batch **ret);
struct packet_batch *packet_batch_free(struct packet_batch *batch);
DEFINE_FREEP(struct packet_batch, packet_batch_free)

/**
 * packet_recv() - Take frames from a socket
 * @batch:	room for them
 * @fd:		socket
 * @max:	how many, at most PACKET_BATCH
 *
 * Return: number of frames (0: none there), or negative errno; -ENETDOWN comes
 * once when the device goes down, and the socket works again when it is up
 */
int packet_recv(struct packet_batch *batch, int fd, unsigned int max);
struct packet packet_get(const struct packet_batch *batch, unsigned int i);

/* How many frames the socket had no room for since the last call. */
unsigned int packet_lost(int fd);

/* Send a whole frame. Return: 0, or negative errno (-ENETDOWN, -ENXIO: the device is gone, -ENOBUFS, -EMSGSIZE). */
int packet_send(int fd, const void *frame, size_t len);
