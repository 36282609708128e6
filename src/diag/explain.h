/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - the page of a fault, out of the manual
 *
 * man/sixtap-doctor.7.scd is embedded whole; its sections "## ID" are the
 * pages. So `doctor --explain ID` works without man(1), and says the same.
 */
#pragma once
#include <stddef.h>
#include <stdio.h>

/* The section of @id in scdoc's markup, not terminated. Return: NULL when there is none. */
const char *explain_page(const char *id, size_t *ret_len);

/* The @i'th id that has a page, in the manual's order, copied into @buf. Return: false after the last. */
int explain_id(size_t i, char *buf, size_t size);

/**
 * explain_print() - Print a page for a person
 * @page:	from explain_page()
 * @len:	its length
 * @to:		where to
 * @bold:	escape sequence for what is bold, or ""
 * @plain:	the one that ends it, or ""
 *
 * Lines are printed as they are in the source, less the markup.
 */
void explain_print(const char *page, size_t len, FILE *to, const char *bold, const char *plain);
