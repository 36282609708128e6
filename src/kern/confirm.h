/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm - wait for a router to give an interface its default route again
 *
 * Inside kern/ only.
 */
#pragma once
#include "kern/priv.h"

/**
 * confirm_route() - Wait for a default route by RA, and ask for it
 * @kern:	the kernel
 * @device:	interface name
 * @timeout_ms:	how long to wait at most
 * @why:	set unless 0 is returned
 *
 * Sends router solicitations (RFC 4861 4.1) at once and each second while there is no such route.
 *
 * Return: 0, 1 when it didn't come in time, or a negative errno
 */
int confirm_route(struct kern *kern, const char *device, uint32_t timeout_ms, char why[static NL_WHY_MAX]);
