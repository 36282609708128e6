/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - the page of a fault, out of the manual
 */
#include "diag/explain.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include "base/mem.h"
#include "explain_text.h" /* explain_text[]: made by tools/embed */

/* Not inlined: gcc 12 takes what memchr() finds for something behind the end. */
static __attribute__((noinline)) const char *text_end(void)
{
	return (const char *)explain_text + sizeof(explain_text);
}

/* The line after the one at @s. */
static const char *next_line(const char *s, const char *end)
{
	const char *nl = memchr(s, '\n', (size_t)(end - s));

	return nl ? nl + 1 : end;
}

static bool starts(const char *s, const char *end, const char *with)
{
	return (size_t)(end - s) >= strlen(with) && memcmp(s, with, strlen(with)) == 0;
}

/* The first heading of either kind at or after @s. */
static const char *next_heading(const char *s)
{
	while (s < text_end() && !starts(s, text_end(), "# ") && !starts(s, text_end(), "## "))
		s = next_line(s, text_end());
	return s;
}

/* Headings "## ID" have an id without blanks. */
static size_t heading_id(const char *s, const char **ret)
{
	const char *eol = memchr(s, '\n', (size_t)(text_end() - s));

	if (!eol || !starts(s, text_end(), "## ") || memchr(s + 3, ' ', (size_t)(eol - s) - 3))
		return 0;
	*ret = s + 3;
	return (size_t)(eol - s) - 3;
}

const char *explain_page(const char *id, size_t *ret_len)
{
	for (const char *s = next_heading((const char *)explain_text); s < text_end();
	     s = next_heading(next_line(s, text_end()))) {
		const char *name;
		size_t n = heading_id(s, &name);

		if (n == 0 || n != strlen(id) || memcmp(name, id, n) != 0)
			continue;
		const char *body = next_line(s, text_end()), *stop = next_heading(body);

		while (body < stop && *body == '\n')
			body++;
		while (stop > body && stop[-1] == '\n')
			stop--;
		*ret_len = (size_t)(stop - body);
		return body;
	}
	return NULL;
}

int explain_id(size_t i, char *buf, size_t size)
{
	for (const char *s = next_heading((const char *)explain_text); s < text_end();
	     s = next_heading(next_line(s, text_end()))) {
		const char *name;
		size_t n = heading_id(s, &name);

		if (n == 0 || i-- > 0)
			continue;
		if (n >= size)
			n = size - 1;
		memcpy(buf, name, n);
		buf[n] = '\0';
		return true;
	}
	return false;
}

/* scdoc's rule: an underscore inside a word is one. */
static bool is_underline(const char *line, const char *s, const char *eol, bool inside)
{
	bool before = s > line && isalnum((unsigned char)s[-1]), after = s + 1 < eol && isalnum((unsigned char)s[1]);

	return !before || (inside && !after);
}

static void print_line(const char *line, const char *eol, FILE *to, const char *bold, const char *plain)
{
	bool in_bold = false, in_underline = false;

	if (eol - line >= 2 && eol[-1] == '+' && eol[-2] == '+')
		eol -= 2; /* scdoc's line break */
	for (const char *s = line; s < eol; s++) {
		if (*s == '\\' && s + 1 < eol) {
			(void)fputc(*++s, to);
		} else if (*s == '*') {
			(void)fputs(in_bold ? plain : bold, to);
			in_bold = !in_bold;
		} else if (*s == '_' && is_underline(line, s, eol, in_underline)) {
			in_underline = !in_underline;
		} else {
			(void)fputc(*s, to);
		}
	}
	if (in_bold)
		(void)fputs(plain, to);
	(void)fputc('\n', to);
}

void explain_print(const char *page, size_t len, FILE *to, const char *bold, const char *plain)
{
	const char *end = page + len;
	bool literal = false;

	for (const char *s = page; s < end; s = next_line(s, end)) {
		const char *eol = memchr(s, '\n', (size_t)(end - s));
		int n;

		if (!eol)
			eol = end;
		n = (int)(eol - s);
		while (n > 0 && literal && *s == '\t')
			s++, n--;
		if (starts(s, eol, "```") || (s < eol && *s == '\t' && starts(s + 1, eol, "```")))
			literal = !literal;
		else if (literal)
			(void)fprintf(to, n > 0 ? "    %.*s\n" : "\n", n, s);
		else
			print_line(s, eol, to, bold, plain);
	}
}
