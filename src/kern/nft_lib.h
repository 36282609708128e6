/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_lib - libnftables, loaded by who looks at nftables
 *
 * With what it brings along it is a third of what `sixtap forward add` would
 * load, and that only asks the daemon. The daemon is linked with it, and so can
 * have it when it may no longer open files.
 */
#pragma once
#include <nftables/libnftables.h>
#include "base/dl.h"

/* What is called of it, by its own names. */
#define NFT_CALLS(F)                                                                                     \
	F(nft_ctx_buffer_error) F(nft_ctx_buffer_output) F(nft_ctx_free) F(nft_ctx_get_error_buffer)     \
	F(nft_ctx_get_output_buffer) F(nft_ctx_new) F(nft_ctx_output_get_flags)                          \
	F(nft_ctx_output_set_flags) F(nft_ctx_set_dry_run) F(nft_ctx_unbuffer_error)                     \
	F(nft_ctx_unbuffer_output) F(nft_run_cmd_from_buffer)

struct nft_lib {
	NFT_CALLS(DL_MEMBER)
};

/* It stays loaded. Return: NULL when it isn't installed, or too old. */
const struct nft_lib *nft_load(void);
