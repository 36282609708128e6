/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * priv - what the files of kern/ share about a struct kern
 *
 * Inside kern/ only.
 */
#pragma once
#include <stdint.h>
#include "kern/kern.h"
#include "kern/nl.h"
#include "model/world.h"

struct nft_ctx;
struct nft_lib;

struct kern {
	char *run_dir;
	int proc_sys;		/* owned; -1: not opened yet */
	int proc_sys_given;	/* borrowed; -1: none */
	int tun_dir;		/* borrowed; -1: none */
	struct kern_guard guard;	/* descriptors borrowed */
	int xt_names[2];	/* borrowed; -1: open them */
	const struct nft_lib *nft_lib;
	struct nft_ctx *nft;
	struct nl rt, nf;
	struct nlb b;		/* for requests, reused */
	int egress;		/* kern_nft_has_egress(): 0: not asked yet, 1: yes, -1: no */
	int ibrname;		/* kern_nft_has_ibrname(): likewise */
	unsigned int next_tap;	/* number of the next tap */
};

/* Open on first use. Return: 0 or negative errno. */
int kern_rt(struct kern *kern);
int kern_nf(struct kern *kern);
int kern_proc_sys(struct kern *kern);	/* a directory descriptor, borrowed, or negative errno */

/* Index of an interface, or 0: there is none. */
uint32_t kern_ifindex(struct kern *kern, const char *name);

/* One link by index, or (0) by name. Return: 0, -ENODEV, or another negative errno. */
int kern_link_get(struct kern *kern, uint32_t ifindex, const char *name, struct w_link *ret);
