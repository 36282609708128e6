/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitors - where the QEMUs of adopted guests listen for QMP
 *
 * A symbolic link for each adopted interface that has such a socket, in a folder
 * of the run directory that only root may write to or look into. The command
 * makes them, as root said so; the daemon's monitor goes by them. So main, which
 * asks it for a connection by the interface's name, can't get it to connect
 * anywhere else.
 */
#pragma once
#include <stddef.h>

#define MONITORS "monitors"	/* below the run directory */

/* @path: NULL: there is none (any more). Makes the folder. Return: 0, or a negative errno. */
int monitors_set(const char *run_dir, const char *name, const char *path);

/* Return: 0 with the path in @ret, -ENOENT: root named none, -ENAMETOOLONG, or another negative errno. */
int monitors_get(const char *run_dir, const char *name, char *ret, size_t n);

/* Remove all of them, not the folder. */
void monitors_clear(const char *run_dir);
