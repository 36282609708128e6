/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leasedb - leases on disk, one SQLite file
 *
 * Rows are kept by (network, address) and outlive their lease, so that a client
 * that comes back gets its address again. Disk counts in wall-clock seconds,
 * memory in mono_t: leasedb_set_clock() ties the two. One transaction a loop
 * turn: put or end leases, then commit, then send.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/time.h"
#include "model/lease.h"

struct leasedb;

/**
 * leasedb_open() - Open or begin the lease file
 * @ret:	set always when 0 is returned; free with leasedb_free()
 * @path:	the file; its folder holds "-wal" too
 *
 * A file that SQLite calls damaged or no database is moved aside to
 * "PATH.corrupt-N" and begun anew. When the folder can't be written, or the
 * file is somebody else's, nothing can be written (existing leases of ours are
 * read still): leasedb_writable() is false and leasedb_error() says why. Opening
 * is tried again every 5 s then, when something is to be written.
 *
 * Return: 0, -ENOMEM
 */
int leasedb_open(struct leasedb **ret, const char *path);
struct leasedb *leasedb_free(struct leasedb *db);
DEFINE_FREEP(struct leasedb, leasedb_free)

/* Once before anything else, then whenever clocks are at hand (a turn's start will do). */
void leasedb_set_clock(struct leasedb *db, mono_t mono, wall_t wall);

/**
 * leasedb_load() - Read a network's leases, the one that expires first first
 * @network:	its name; NULL: all leases
 * @fn:		called for each; expires is 0 for one that is over
 *
 * The cost grows with what is read, not with what other networks have.
 *
 * Return: 0, or negative errno (what was read until then has been told)
 */
int leasedb_load(struct leasedb *db, const char *network, void (*fn)(void *user, const struct lease *lease),
		 void *user);

/* Write a lease (FACT_LEASE). Opens a transaction when none is. Return: 0, -ENOSPC, -EROFS, -EIO. */
int leasedb_put(struct leasedb *db, const struct lease *lease);

/* End a lease (FACT_LEASE_GONE): remembered with its expiry, or removed when lease->expires is 0. Return: as above. */
int leasedb_gone(struct leasedb *db, const struct lease *lease);

/**
 * leasedb_commit() - Make the turn's changes durable
 *
 * On failure none of the turn's changes are on disk: frames that need them
 * must not leave. The next turn tries anew; nothing has to be reopened.
 *
 * Return: 0 (also when there was nothing to do), -ENOSPC, -EROFS, -EIO
 */
int leasedb_commit(struct leasedb *db);

bool leasedb_writable(const struct leasedb *db);

/* What went wrong last, with the file's name; "" when the last operation went well. */
const char *leasedb_error(const struct leasedb *db);

/* The name a damaged file was moved to by leasedb_open(), or NULL. */
const char *leasedb_moved_to(const struct leasedb *db);
