/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dl - a library that is loaded by who needs it, as loading it is most of what other commands would take
 *
 * @calls lists what is called of it by its own names, F(one) F(two) …; they are the members of a struct.
 */
#pragma once
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#define DL_MEMBER(fn) __typeof__(&fn) fn;

#define DL_FIND_(fn)                            \
	*(void **)&lib.fn = dlsym(handle, #fn); \
	ok &= lib.fn != NULL;

/* Defines @name(): the library, which stays loaded; NULL when it isn't installed, or too old. */
#define DEFINE_DL(name, type, soname, calls)                               \
	const struct type *name(void)                                      \
	{                                                                  \
		static struct type lib;                                    \
		static bool tried, ok;                                     \
                                                                           \
		if (tried)                                                 \
			return ok ? &lib : NULL;                           \
		tried = true;                                              \
		void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);      \
		if (!handle)                                               \
			return NULL;                                       \
		ok = true;                                                 \
		calls(DL_FIND_) return ok ? &lib : NULL;                   \
	}
