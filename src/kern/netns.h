/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns - which network namespace this is
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The namespace's cookie: never used again for another one, unlike inode numbers. Return: 0 or negative errno. */
int netns_cookie(uint64_t *ret);

/**
 * netns_is_initial() - Is this the namespace that the kernel started with?
 *
 * The answer needs no privileges, so that every process of ours and every user
 * comes to the same run directory: /proc/1/ns/net can't be read by all. In a
 * container with a namespace of its own the answer is no; see netns_is_main().
 */
bool netns_is_initial(void);

/**
 * netns_is_of_init() - Does systemd run as the first process here, in this network namespace?
 *
 * True on a host with systemd, and in a container that boots one. Who may not
 * look at the first process (it takes root there) gets no.
 */
bool netns_is_of_init(void);

/* Is this what the machine or container calls its network: netns_is_initial(), or netns_is_of_init()? */
bool netns_is_main(void);

/**
 * netns_enter() - Move this thread into another network namespace
 * @which:	a name as in `ip netns`, else a pid
 *
 * Return: 0, -ENOENT when there is neither, or another negative errno
 */
int netns_enter(const char *which);
