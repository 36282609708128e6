/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft - our two nftables tables
 *
 * Structure goes through libnftables (one transaction), elements and dumps
 * through raw nfnetlink: 20 µs instead of 3 ms where a host has many tables of
 * others.
 *
 * Element layout: world.h, that is, as the kernel has it. In sets with
 * intervals every element has a key_end, which is the last key that matches
 * (inclusive) and has the length of key; a single key has key_end equal to
 * key. That holds for concatenations (where the kernel stores it so) and for
 * plain intervals (where the kernel stores the start and, as an element of its
 * own, the first key behind the end): both directions translate.
 */
#pragma once
#include <stddef.h>
#include "kern/kern.h"
#include "model/world.h"

#define NFT_TABLE_NAME "sixtap"
#define NFT_WHY_MAX 256

/**
 * kern_nft_text() - Run nft commands as one transaction
 * @kern:	the kernel
 * @family:	NFPROTO_INET or NFPROTO_BRIDGE
 * @text:	in nft's language; "": delete table "sixtap" of @family, if there is one
 * @why:	set to the reason when it fails, in one clause without a full stop
 *
 * Return: 0, or a negative errno
 */
int kern_nft_text(struct kern *kern, uint8_t family, const char *text, char why[static NFT_WHY_MAX]);

/**
 * kern_nft_has_egress() - Has this kernel nftables' egress hook, Linux 5.16?
 * @kern:	the kernel
 *
 * Asked once, by a transaction that is never committed. With SIXTAP_EGRESS=no in the environment: no.
 *
 * Return: whether it has; true also when it could not be asked
 */
bool kern_nft_has_egress(struct kern *kern);

/**
 * kern_nft_has_ibrname() - Can this kernel's nftables match the bridge of a frame, CONFIG_NFT_BRIDGE_META?
 * @kern:	the kernel
 *
 * Asked once, by a transaction that is never committed.
 *
 * Return: whether it can; true also when it could not be asked
 */
bool kern_nft_has_ibrname(struct kern *kern);

/**
 * kern_nft_own_pid() - The process id by which the kernel tells nftables' listeners of this thread's changes
 * @kern:	the kernel
 *
 * Always the one of the initial PID namespace (nf_tables_fill_gen_info() in net/netfilter/nf_tables_api.c): in a
 * container getpid() is another. Who asks for the generation gets his own.
 *
 * Return: the id, or 0 when it could not be asked
 */
uint32_t kern_nft_own_pid(struct kern *kern);

/**
 * kern_nft_elems() - Delete and add elements in one transaction
 * @kern:	the kernel
 * @family:	NFPROTO_INET or NFPROTO_BRIDGE
 * @del:	elements to delete, first
 * @n_del:	how many
 * @add:	elements to add
 * @n_add:	how many
 * @why:	as above
 *
 * Return: 0, or a negative errno (ENOENT: no such set or element, EEXIST: the key is there with other data)
 */
int kern_nft_elems(struct kern *kern, uint8_t family, const struct nft_elem *del, size_t n_del,
		   const struct nft_elem *add, size_t n_add, char why[static NFT_WHY_MAX]);

/**
 * kern_nft_dump() - Read one of our tables
 * @kern:	the kernel
 * @family:	NFPROTO_INET or NFPROTO_BRIDGE
 * @arena:	where names and arrays go
 * @ret:	filled; present is false when there is no such table
 *
 * Return: 0, or a negative errno (EPERM: not readable)
 */
int kern_nft_dump(struct kern *kern, uint8_t family, struct arena *arena, struct w_table *ret);

/**
 * kern_nft_list() - What would bring a table of ours back as it is now
 * @kern:	the kernel
 * @family:	NFPROTO_INET or NFPROTO_BRIDGE
 * @ret:	nft commands, or "" when there is no such table; free()
 *
 * Counters and timeouts start anew.
 *
 * Return: 0, or a negative errno
 */
int kern_nft_list(struct kern *kern, uint8_t family, char **ret);
