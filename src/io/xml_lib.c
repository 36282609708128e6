/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_lib - libxml2, loaded when there is XML
 */
#include "io/xml_lib.h"

#undef xmlFree			/* of a build with threads: what is a variable there is loaded by its name */

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

const struct xml_lib *xml_load(void)
{
	static struct xml_lib lib;
	static bool tried, ok;

	if (tried)
		return ok ? &lib : NULL;
	tried = true;
	void *handle = dlopen("libxml2.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return NULL;
	ok = true;
#define LOAD(fn)                                \
	*(void **)&lib.fn = dlsym(handle, #fn); \
	ok &= lib.fn != NULL;
	XML_CALLS(LOAD)
	LOAD(xmlFree)
	return ok ? &lib : NULL;
}
