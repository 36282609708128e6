/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt_lib - libvirt's client library, loaded when it is asked
 */
#include "io/libvirt_lib.h"

#include <dlfcn.h>
#include <stddef.h>

static void silent(void *user, virErrorPtr error)
{
	(void)user;
	(void)error;
}

bool libvirt_load(struct libvirt_lib *ret)
{
	void *handle = dlopen("libvirt.so.0", RTLD_NOW | RTLD_LOCAL);
	bool ok = true;

	if (!handle)
		return false;
#define LOAD(fn)                                   \
	*(void **)&ret->fn = dlsym(handle, #fn);   \
	ok &= ret->fn != NULL;
	LIBVIRT_CALLS(LOAD)
	if (ok)
		ret->virSetErrorFunc(NULL, silent);
	return ok;
}
