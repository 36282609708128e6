/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records - what the kernel cannot hold: one small file a thing
 *
 * RUN_DIR/KIND/KEY.json, written beside and renamed, mode 0600, never synced:
 * a record is as volatile as the thing it is about, and is always checked
 * against the kernel. Keys may hold any byte: those that a file name shouldn't
 * have are written as %XX.
 */
#pragma once
#include <jansson.h>
#include "base/arena.h"
#include "model/world.h"

#define RECORD_DRAIN "drain"	/* src/daemon/drain.h */

/* Write or replace. @value is borrowed. Return: 0 or negative errno. */
int record_put(const char *run_dir, const char *kind, const char *key, const json_t *value);

/* Return: 0, 1 when there was none, or negative errno. */
int record_del(const char *run_dir, const char *kind, const char *key);

/* Return: 0 (new reference in @ret), 1 when there is none, -EBADMSG when it isn't JSON, or negative errno. */
int record_get(const char *run_dir, const char *kind, const char *key, json_t **ret);

/**
 * record_each() - Visit all records of a kind
 * @run_dir:	run directory
 * @kind:	kind
 * @fn:		called for each; @value is borrowed; may delete the record it is given; a negative return ends the walk
 * @user:	for @fn
 *
 * Files that aren't records (or aren't JSON) are left out. The order is that of the directory.
 *
 * Return: 0 (also when there is no such folder), or negative errno
 */
int record_each(const char *run_dir, const char *kind, int (*fn)(void *user, const char *key, const json_t *value),
		void *user);

/* Remove the folder, whatever kinds there were. Return: 0 (also when there is none), -ENOTEMPTY with records left, or negative errno. */
int records_remove(const char *run_dir);

/* Sysctl values that we found before we changed them: kind "sysctl", key = path. */
int record_found_put(const char *run_dir, const char *path, const char *found, const char *ours);
int record_found_del(const char *run_dir, const char *path);
int record_found_get(const char *run_dir, const char *path, char **ret_found, char **ret_ours);	/* 0, 1: none; free() both */
int record_found_all(const char *run_dir, struct arena *arena, struct w_found **ret, size_t *ret_n);
