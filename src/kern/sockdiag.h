/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockdiag - who listens on this host
 *
 * Inside kern/ only.
 */
#pragma once
#include "kern/nl.h"
#include "model/world.h"

/* Return: true when the message is a listening TCP or a receiving UDP socket. @proto: of the dump. */
bool sockdiag_parse(const struct nlmsghdr *nlh, uint8_t proto, struct w_listener *ret, uint32_t *ret_inode);

/* All listeners, in @arena. Kernels without sock_diag have none. Return: 0 or negative errno. */
int sockdiag_listeners(struct arena *arena, struct w_listener **ret, size_t *ret_n);
