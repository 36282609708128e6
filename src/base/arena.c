/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena - memory that lives and dies together
 *
 * A chain of blocks, each twice as large as the one before up to 256 KiB; a
 * request larger than a block gets a block of its own.
 */
#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BLOCK_FIRST 4096u
#define BLOCK_MAX (256u * 1024)

struct block {
	struct block *next;
	size_t used, size;
	max_align_t data[];
};

struct arena {
	struct block *head;
	size_t next_size;
};

struct arena *arena_new(void)
{
	struct arena *a = NEW(struct arena);

	a->next_size = BLOCK_FIRST;
	return a;
}

struct arena *arena_free(struct arena *arena)
{
	if (!arena)
		return NULL;
	for (struct block *b = arena->head, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(arena);
	return NULL;
}

void *arena_alloc(struct arena *arena, size_t n, size_t size)
{
	size_t need = n * size;

	if ((size && need / size != n) || need > SIZE_MAX / 2)
		abort();
	need = (need + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (!arena->head || arena->head->size - arena->head->used < need) {
		size_t room = need > arena->next_size ? need : arena->next_size;
		struct block *b = xcalloc(1, sizeof(*b) + room);

		b->size = room;
		b->next = arena->head;
		arena->head = b;
		if (arena->next_size < BLOCK_MAX)
			arena->next_size *= 2;
	}
	void *p = (char *)arena->head->data + arena->head->used;
	arena->head->used += need;
	return p;
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
	char *p = arena_alloc(arena, n + 1, 1);

	if (n > 0)
		memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_strndup(arena, s, strlen(s));
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
{
	_cleanup_(freep) char *s = xvasprintf(fmt, ap);

	return arena_strdup(arena, s);
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = arena_vprintf(arena, fmt, ap);
	va_end(ap);
	return s;
}
