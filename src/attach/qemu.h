/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu - QEMU's command line with one more NIC
 *
 * Pure: argument vectors in, argument vectors out. Descriptors are inherited
 * through exec; QEMU finds them by number.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "net/addr.h"

#define QEMU_QUEUES 16

struct qemu_nic {
	const char *id;			/* of -netdev; the device's too, with "nic-" before it */
	const char *device;		/* "virtio-net-pci", or "MODEL,OPTS" as the user wrote it */
	struct mac mac;
	uint32_t mtu;			/* told to the guest when it isn't 1500 */
	unsigned int queues;
	int fds[QEMU_QUEUES];
	int vhost_fds[QEMU_QUEUES];	/* has_vhost */
	bool has_vhost;
	int qmp_fd;			/* a socket that QEMU listens on for QMP; 0: none */
};

/**
 * qemu_args() - Add a NIC to QEMU's arguments
 * @argv:	the user's, ended by NULL; "{}" alone as an argument is where the NIC goes, else it is appended
 * @nic:	the NIC
 * @arena:	where the result lives; the strings of @argv are borrowed
 *
 * Return: a new vector, ended by NULL
 */
char **qemu_args(char *const *argv, const struct qemu_nic *nic, struct arena *arena);

/* The value of -name ("web", or guest= of "guest=web,process=…"), or NULL. */
const char *qemu_name(char *const *argv, struct arena *arena);

/* "sixtap0", or the first number that no argument has as an id yet: runs may be nested. */
const char *qemu_next_id(char *const *argv, struct arena *arena);
