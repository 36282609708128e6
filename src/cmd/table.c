/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table - columns as wide as what stands in them
 */
#include "cmd/table.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/mem.h"
#include "cmd/ascii.h"

#define GAP 2
#define WIDTH_USUAL 100

static size_t n_columns(const struct table *t)
{
	size_t n = 0;

	while (n < TABLE_COLUMNS && t->head[n])
		n++;
	return n;
}

void table_row(struct table *table, const char *const cells[static TABLE_COLUMNS])
{
	for (size_t i = 0; i < n_columns(table); i++) {
		GROW(table->cells, table->n, table->cap);
		table->cells[table->n++] = xstrdup(cells[i] ? cells[i] : "");
	}
}

static void measure(const struct table *t, int width[static TABLE_COLUMNS])
{
	size_t columns = n_columns(t);

	for (size_t i = 0; i < columns; i++)
		width[i] = ascii_columns(t->head[i]);
	for (size_t i = 0; i < t->n; i++)
		if (ascii_columns(t->cells[i]) > width[i % columns])
			width[i % columns] = ascii_columns(t->cells[i]);
}

int table_width(const struct table *table)
{
	int width[TABLE_COLUMNS] = { 0 }, sum = 0;
	size_t columns = n_columns(table);

	measure(table, width);
	for (size_t i = 0; i < columns; i++)
		sum += width[i] + (i > 0 ? GAP : 0);
	return sum;
}

/* The row's last cell that holds something ends the line. */
static void print_row(const struct cmd *cmd, const struct table *t, char *const *cells, const int *width, int indent)
{
	size_t last = n_columns(t);

	while (last > 1 && !cells[last - 1][0])
		last--;
	(void)printf("%*s", indent, "");
	for (size_t i = 0; i < last; i++) {
		const char *paint = (size_t)t->bold == i + 1 ? cmd_bold(cmd) : (size_t)t->dim == i + 1 ? cmd_dim(cmd) : "";
		int gap = i + 1 < last ? width[i] - ascii_columns(cells[i]) + GAP : 0;

		(void)printf("%s%s%s%*s", paint, cells[i], *paint ? cmd_plain(cmd) : "", gap, "");
	}
	(void)putchar('\n');
}

void table_print(const struct cmd *cmd, const struct table *table, int indent)
{
	int width[TABLE_COLUMNS] = { 0 };
	size_t columns = n_columns(table);

	measure(table, width);
	(void)printf("%*s%s", indent, "", cmd_dim(cmd));
	size_t last = columns;
	while (last > 1 && !table->head[last - 1][0])
		last--;
	for (size_t i = 0; i < last; i++)
		(void)printf("%s%*s", table->head[i], i + 1 < last ? width[i] - ascii_columns(table->head[i]) + GAP : 0, "");
	(void)printf("%s\n", cmd_plain(cmd));
	for (size_t i = 0; i + columns <= table->n; i += columns)
		print_row(cmd, table, table->cells + i, width, indent);
}

void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free((void *)table->cells);
	table->cells = NULL;
	table->n = table->cap = 0;
}

int table_terminal(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 40 || size.ws_col > WIDTH_USUAL)
		return WIDTH_USUAL;
	return size.ws_col;
}
