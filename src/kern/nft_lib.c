/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_lib - libnftables, loaded by who looks at nftables
 */
#include "kern/nft_lib.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

const struct nft_lib *nft_load(void)
{
	static struct nft_lib lib;
	static bool tried, ok;

	if (tried)
		return ok ? &lib : NULL;
	tried = true;
	void *handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return NULL;
	ok = true;
#define LOAD(fn)                                \
	*(void **)&lib.fn = dlsym(handle, #fn); \
	ok &= lib.fn != NULL;
	NFT_CALLS(LOAD)
	return ok ? &lib : NULL;
}
