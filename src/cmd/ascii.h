/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ascii - what people read, in locales that have no UTF-8
 *
 * Nobody but this file has to know: after ascii_install() everything that is
 * printed on stdout and stderr is spelled in ASCII, whoever prints it. Padding
 * has to be counted with ascii_columns().
 */
#pragma once

/* From now on stdout and stderr are spelled in ASCII. Call once, before anything is printed. */
void ascii_install(void);

/* Columns that @s takes on a terminal, as it will be spelled. */
int ascii_columns(const char *s);
