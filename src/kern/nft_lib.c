/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_lib - libnftables, loaded by who looks at nftables
 */
#include "kern/nft_lib.h"

DEFINE_DL(nft_load, nft_lib, "libnftables.so.1", NFT_CALLS)
