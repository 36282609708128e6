/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - the character device behind a macvtap link
 *
 * Theory of operation: the kernel numbers /dev/tapN by the link's index, and
 * links of two namespaces may have the same index while /dev is one: the name
 * is never trusted. sysfs tells major and minor of the very link; a node with
 * these is made in a folder that nobody else sees, opened, and removed again.
 * That takes CAP_MKNOD, so the monitor does it for main, which could otherwise
 * open any device of the machine.
 *
 * Each open() is one more queue of the device, and the kernel spreads flows
 * over all of them: exactly as many are opened as the guest reads.
 */
#pragma once
#include <stdint.h>

#define KERN_MACVTAP_QUEUES 16

/* Return: a directory descriptor of a sysfs of this network namespace that is mounted nowhere, or negative errno (root). */
int kern_macvtap_sysfs(void);

/**
 * kern_macvtap_open() - Open the queues of a macvtap link
 * @sysfs_dir:	kern_macvtap_sysfs()
 * @node_dir:	a directory where devices may be made (no nodev), private
 * @name:	of the link
 * @ifindex:	of the link: what has the name now may be another
 * @n_queues:	1 to KERN_MACVTAP_QUEUES
 * @ret_fds:	@n_queues descriptors, close-on-exec; owned by the caller
 *
 * Return: 0, or a negative errno (ENODEV: no such macvtap link, ESTALE: the name is another link's, EPERM: no
 * CAP_MKNOD)
 */
int kern_macvtap_open(int sysfs_dir, int node_dir, const char *name, uint32_t ifindex, unsigned int n_queues, int *ret_fds);

/**
 * kern_macvtap_set() - Set up a queue as QEMU expects it
 * @fd:		of kern_macvtap_open()
 * @n_queues:	how many the device has
 *
 * IFF_TAP, IFF_NO_PI, IFF_VNET_HDR (QEMU asks with TUNGETIFF); a send buffer that never blocks a writer.
 *
 * Return: 0, or a negative errno
 */
int kern_macvtap_set(int fd, unsigned int n_queues);
