/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap - a guest's end of a network
 *
 * A tap of ours is never persistent: it lives as long as the descriptors that
 * are handed to QEMU. It never has an IPv6 address and never listens to RAs.
 */
#pragma once
#include <stdint.h>
#include "kern/kern.h"
#include "net/addr.h"
#include "plan/op.h"

#define KERN_TAP_QUEUES 16

/**
 * kern_tap_new() - Make a tap
 * @kern:	the kernel
 * @name:	interface name, or a pattern like "tap%d", whose numbers go up
 * @guest:	the guest's address, of which the tap gets kern_tap_mac(), or NULL: the kernel draws one
 * @n_queues:	1 to KERN_TAP_QUEUES; more than one makes it a multi-queue device
 * @ret_fds:	@n_queues descriptors, close-on-exec; owned by the caller
 * @ret_name:	the name it got
 * @ret_ifindex: its index
 *
 * IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL. The link is down. By "tap%d" and these flags data/udev/70-sixtap.rules
 * knows it before it has an alias.
 *
 * Return: 0, or a negative errno (EBUSY: the name is taken, ENOENT: no tun device, EPERM)
 */
int kern_tap_new(struct kern *kern, const char *name, const struct mac *guest, unsigned int n_queues, int *ret_fds,
		 char ret_name[static 16], uint32_t *ret_ifindex);

/**
 * kern_port_attach() - Make a tap a port of a bridge
 * @kern:	the kernel
 * @ifindex:	of the tap
 * @set:	what to set: bits MASTER, MTU, ALIAS, GROUP, HAIRPIN, UP and MAC are heeded; link.mac is the GUEST's address,
 *		of which the tap gets kern_tap_mac()
 * @why:	set to the kernel's reason when it fails
 *
 * One sendmsg. addr_gen_mode is always none, and set before the link comes up.
 *
 * Return: 0, or a negative errno (ENODEV: tap or bridge is gone)
 */
#define KERN_WHY_MAX 256
int kern_port_attach(struct kern *kern, uint32_t ifindex, const struct op_link *set, char why[static KERN_WHY_MAX]);

/*
 * The host side's address of a guest's tap: fe:… as libvirt does it, so that a
 * bridge never takes it for its own address; fa:… when the guest's is fe:….
 */
struct mac kern_tap_mac(const struct mac *guest);

/**
 * kern_link_del() - Delete a link of ours
 * @kern:	the kernel
 * @ifindex:	its index
 * @name:	its name
 * @alias:	its alias: "sixtap:…"
 *
 * Return: 0, 1 when it is gone already, -EPERM when the link there has another name or alias, another negative errno
 */
int kern_link_del(struct kern *kern, uint32_t ifindex, const char *name, const char *alias);
