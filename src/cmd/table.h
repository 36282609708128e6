/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table - columns as wide as what stands in them
 *
 * No cell is ever cut, no line ends in blanks. Who has to stay within a width
 * asks table_width() and makes another table.
 */
#pragma once
#include <stddef.h>
#include "cmd/cmd.h"

#define TABLE_COLUMNS 8

struct table {
	const char *head[TABLE_COLUMNS];	/* NULL after the last */
	char bold, dim;				/* number of the column in that paint, from 1; 0: none */
	char **cells;				/* rows of as many as there are heads; owned */
	size_t n, cap;
};

/* One row; NULL and what is left out is an empty cell. Everything is copied. */
void table_row(struct table *table, const char *const cells[static TABLE_COLUMNS]);
#define TABLE_ROW(table, ...) table_row((table), (const char *const[TABLE_COLUMNS]){ __VA_ARGS__ })

int table_width(const struct table *table);
void table_print(const struct cmd *cmd, const struct table *table, int indent);
void table_clear(struct table *table);

/* Columns of the terminal, at most 100; 100 when stdout isn't one. */
int table_terminal(void);
