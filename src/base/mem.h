/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem - ownership of memory and descriptors, said in the declaration
 *
 * A variable that owns something carries its cleanup attribute; STEAL_PTR and
 * STEAL_FD hand the thing on. Allocation failure is fatal outside the packet
 * path (which never allocates): the x-functions end the process, because no
 * caller of a configuration tool has a better answer.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define SWAP(a, b)                        \
	do {                              \
		__typeof__(a) tmp_ = (a); \
		(a) = (b);                \
		(b) = tmp_;               \
	} while (0)

/* Take ownership out of a variable: returns the value, leaves the empty value. */
#define STEAL_PTR(p)                       \
	({                                 \
		__typeof__(p) tmp_ = (p);  \
		(p) = NULL;                \
		tmp_;                      \
	})
#define STEAL_FD(fd)              \
	({                        \
		int tmp_ = (fd);  \
		(fd) = -1;        \
		tmp_;             \
	})

static inline void freep(void *pp)
{
	free(*(void **)pp);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* For every `struct x *x_free(struct x *)` (NULL-safe, returns NULL). */
#define DEFINE_FREEP(type, fn)                  \
	static inline void fn##p(type **pp)     \
	{                                       \
		if (*pp)                        \
			fn(*pp);                \
	}

/**
 * mem_give_back() - For a process that runs for long: what isn't used is the kernel's
 * @from:	bytes; pieces of this size come from the kernel one by one, and go back at once
 *
 * By itself malloc() keeps ever bigger pieces, and clears those that it gives out again, so that also a table that is
 * hardly used has all of its memory.
 */
void mem_give_back(size_t from);

/* Allocate or end the process; never return NULL. Memory is zeroed. */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull, alloc_size(2, 3)));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((malloc, returns_nonnull, format(printf, 1, 0)));

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))

/**
 * GROW() - Make room for one more element of a growing array
 * @arr:	array variable (may be NULL)
 * @n:		elements in use
 * @cap:	capacity variable, updated
 *
 * Doubles the capacity when it is used up; the new room is not zeroed.
 */
#define GROW(arr, n, cap)                                                        \
	do {                                                                     \
		if ((n) >= (cap)) {                                              \
			(cap) = (cap) ? (cap) * 2 : 8;                           \
			(arr) = xrealloc((arr), (size_t)(cap), sizeof(*(arr)));  \
		}                                                                \
	} while (0)

/**
 * str_copy() - Copy a string into a fixed array, cutting what does not fit
 * @dst:	array of @size bytes, always terminated
 * @size:	its size, not 0
 * @src:	string, or NULL for ""
 *
 * Return: true when all of it fitted
 */
static inline int str_copy(char *dst, size_t size, const char *src)
{
	size_t n = src ? strlen(src) : 0;
	int fits = n < size;

	if (!fits)
		n = size - 1;
	if (n > 0)
		memcpy(dst, src, n);
	dst[n] = '\0';
	return fits;
}

/* Take blanks off both ends of @s, in place. Return: its first character that isn't one. */
static inline char *str_trim(char *s)
{
	s += strspn(s, " \t\r");
	size_t n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static inline int str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
