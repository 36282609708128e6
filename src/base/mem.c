/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem - ownership of memory and descriptors, said in the declaration
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>

#define KEPT (128 * 1024)	/* bytes, for the next pieces */
#define SPARE (16 * 1024)

static void *checked(void *p)
{
	if (!p) {
		(void)fputs("sixtap: out of memory\n", stderr);
		abort();
	}
	return p;
}

void mem_give_back(size_t from)
{
	(void)mallopt(M_MMAP_THRESHOLD, (int)from);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT);
	(void)mallopt(M_TOP_PAD, SPARE);	/* what the heap has to spare is taken before a new mapping */
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return checked(s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}
