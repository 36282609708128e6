/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm - a change that is taken back unless somebody confirms it
 *
 * `up --confirm SECONDS` leaves a record of how the networks it touches were
 * (the text they came from, or nothing) and when to go back. It is written
 * before the first op, so that a change that killed us is taken back as well.
 * One change waits at a time; another `up` is refused meanwhile. A `down` is
 * not: what it names stays down. A new main reads the record, and the time goes on.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include "base/time.h"

struct daemon_main;

/* Go on with what an earlier main left. */
void confirm_restore(struct daemon_main *d);

/**
 * confirm_start() - Record how it was, and start the time
 * @d:		main; nothing waits
 * @before:	{"NETWORK": its record, or null when it wasn't up}; borrowed
 * @seconds:	how long to wait
 *
 * Return: 0, or a negative errno: nothing was recorded
 */
int confirm_start(struct daemon_main *d, const json_t *before, unsigned int seconds);
void confirm_end(struct daemon_main *d);	/* confirmed, or the change failed: nothing waits any more */
void confirm_forget(struct daemon_main *d, const char *network);	/* it was taken down */

/* Seconds left, or 0: nothing waits. */
unsigned int confirm_left(const struct daemon_main *d, mono_t now);
