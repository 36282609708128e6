/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mend - do what a fix says, take it back, make it last
 *
 * Whether it helped is for the caller to see, by a second snapshot.
 */
#pragma once
#include "base/report.h"
#include "diag/findings.h"
#include "kern/kern.h"

#define MEND_SYSCTL_D "/etc/sysctl.d"
#define MEND_SYSCTL_FILE "90-sixtap.conf"

/**
 * mend_apply() - Carry out the ops of a fix, all or none
 * @kern:	the kernel; takes root
 * @fix:	the fix; without ops nothing is done
 * @report:	gets an error when it fails, and then everything is as it was
 *
 * Return: 0, or a negative errno
 */
int mend_apply(struct kern *kern, const struct diag_fix *fix, struct report *report);

/* Take back what mend_apply() did, last op first. Return: 0, or a negative errno with an error in @report. */
int mend_undo(struct kern *kern, const struct diag_fix *fix, struct report *report);

/**
 * mend_persist() - Write the settings of a fix into our file of sysctl.d
 * @dir:	the folder, MEND_SYSCTL_D
 * @f:		the finding, for the comment
 * @fix:	its fix
 * @report:	gets an error when it fails
 *
 * A line that the file already has for the same setting is replaced; the rest of it stays.
 *
 * Return: 0, or a negative errno
 */
int mend_persist(const char *dir, const struct diag_finding *f, const struct diag_fix *fix, struct report *report);

/* The text of the file with @path set to @value; inside diag/ and for its test. free() it. */
char *mend_set_line(const char *text, const char *path, const char *value, const char *comment);
