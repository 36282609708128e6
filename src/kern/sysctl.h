/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysctl - read and write settings below /proc/sys
 *
 * Inside kern/ only. Paths are relative, with slashes, and begin with "net/".
 */
#pragma once
#include "kern/priv.h"

#define SYSCTL_VALUE_MAX 256

/* @buf: the value without its newline. Return: 0, or negative errno (ENOENT: no such setting; ENAMETOOLONG). */
int sysctl_read(struct kern *kern, const char *path, char buf[static SYSCTL_VALUE_MAX]);

/* @why: set when it fails, for a person. Return: 0 or negative errno. */
int sysctl_write(struct kern *kern, const char *path, const char *value, char why[static NL_WHY_MAX]);
