/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths - where the daemon of this network namespace keeps its things
 *
 * Each network namespace has its own daemon, so each has its own folders:
 * /run/sixtap and /var/lib/sixtap in the initial namespace, netns-<cookie>
 * below them in any other. (SO_NETNS_COOKIE: inode numbers are reused at once.)
 * What must outlive a reboot is in /var/lib/sixtap also in the namespace of a
 * container that boots its own systemd: it has another cookie after each boot.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PATHS_MAX 4096
#define PATHS_RUN_DIR "/run/sixtap"
#define PATHS_STATE_DIR "/var/lib/sixtap"
#define PATHS_CONFIG "/etc/sixtap"

/**
 * paths_run_dir() - The run directory that applies here
 * @option:	--run-dir, or NULL: then $SIXTAP_RUN_DIR, then the default
 * @ret:	buffer of PATHS_MAX bytes
 *
 * Return: 0, -ENAMETOOLONG, or another negative errno when the namespace can't be told
 */
int paths_run_dir(const char *option, char ret[static PATHS_MAX]);
int paths_state_dir(const char *option, char ret[static PATHS_MAX]);	/* $SIXTAP_STATE_DIR */

/* DIR/NAME into a buffer of PATHS_MAX bytes; cut when too long (opening it fails then). */
const char *paths_join(const char *dir, const char *name, char buf[static PATHS_MAX]);
#define PATHS_JOIN(dir, name) paths_join((dir), (name), (char[PATHS_MAX]){ 0 })

/* Make every folder above @path, for everybody to pass. Return: 0 or negative errno. */
int paths_make_parents(const char *path);

/**
 * paths_secret() - This host's secret, from which stable MACs and ULAs are derived
 * @state_dir:	where it is kept on hosts without a machine id
 * @ret:	16 uniform bytes, the same at every start
 *
 * Derived from /etc/machine-id by systemd's keyed hash. Without one, a random
 * secret is kept as STATE_DIR/secret; who may not write there gets -EACCES.
 */
int paths_secret(const char *state_dir, uint8_t ret[static 16]);
