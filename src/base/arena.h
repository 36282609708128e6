/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena - memory that lives and dies together
 *
 * One arena per configuration, world or plan: everything in it is freed by one
 * call, and nothing in it is freed alone. Memory is zeroed. Never NULL.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include "base/mem.h"

struct arena;

struct arena *arena_new(void);
struct arena *arena_free(struct arena *arena);
DEFINE_FREEP(struct arena, arena_free)

void *arena_alloc(struct arena *arena, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *arena, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((returns_nonnull, format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap) __attribute__((returns_nonnull, format(printf, 2, 0)));

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), 1, sizeof(type)))

/**
 * ARENA_GROW() - Make room for one more element of an array in an arena
 *
 * As GROW(); the outgrown copy stays in the arena until that is freed, so at
 * most as much again is spent.
 */
#define ARENA_GROW(arena, arr, n, cap)                                                   \
	do {                                                                             \
		if ((n) >= (cap)) {                                                      \
			size_t cap_ = (cap) ? (size_t)(cap) * 2 : 8;                     \
			__typeof__(arr) new_ = arena_alloc((arena), cap_, sizeof(*(arr))); \
			if ((n) > 0)                                                     \
				memcpy(new_, (arr), (size_t)(n) * sizeof(*(arr)));       \
			(arr) = new_;                                                    \
			(cap) = (__typeof__(cap))cap_;                                   \
		}                                                                        \
	} while (0)

/* As ARENA_GROW() of an array that only this makes room in: its capacity is the power of two above its count. */
#define ARENA_GROW_POW2(arena, arr, n)                                                          \
	do {                                                                                    \
		if ((n) == 0 || ((n) >= 8 && ((n) & ((n) - 1)) == 0)) {                         \
			__typeof__(arr) new_ = arena_alloc((arena), (n) ? (n) * 2 : 8, sizeof(*(arr))); \
			if ((n) > 0)                                                            \
				memcpy(new_, (arr), (n) * sizeof(*(arr)));                      \
			(arr) = new_;                                                           \
		}                                                                               \
	} while (0)
