/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack - flows that were tracked without the translation they need
 *
 * Translation is decided with a flow's first packet. What a guest sent while
 * our rules were away is tracked untranslated, and stays so as long as packets
 * come: also when the rules are back, nothing of it is ever answered. Such an
 * entry is of no use to anybody; without it, the flow's next packet is a first
 * one again.
 */
#pragma once
#include <stddef.h>
#include "net/addr.h"

struct untranslated {
	const struct prefix *from;	/* guests whose addresses have to be translated … */
	size_t n_from;
	const struct prefix *not_to;	/* … unless they speak with one of these; groups and link-local are left out anyhow */
	size_t n_not_to;
};

/**
 * conntrack_forget() - Delete entries of flows that lack source translation
 * @which:	of whom, and to where not
 * @ret_n:	how many there were
 *
 * Return: 0 (also when the kernel can't tell: no nf_conntrack_netlink), or negative errno
 */
int conntrack_forget(const struct untranslated *which, size_t *ret_n);
