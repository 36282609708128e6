/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh - whom the kernel has heard of: neighbours, and what bridges learned
 */
#include "kern/neigh.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include "kern/priv.h"

struct dump {
	kern_neigh_fn fn;
	void *user;
};

static int on_neigh(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NDA_MAX + 1] = { [NDA_MASTER] = 4 };
	const struct nlattr *tb[NDA_MAX + 1];
	const struct dump *d = user;
	struct kern_neigh n = { 0 };
	struct ndmsg ndm;

	if (!nl_parse_msg(nlh, sizeof(ndm), tb, NDA_MAX, policy))
		return 0;
	memcpy(&ndm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ndm));
	if (!tb[NDA_LLADDR] || nl_len(tb[NDA_LLADDR]) != sizeof(n.mac))
		return 0;
	n.ifindex = (uint32_t)ndm.ndm_ifindex;
	memcpy(&n.mac, nl_data(tb[NDA_LLADDR]), sizeof(n.mac));
	if (mac_is_zero(&n.mac) || mac_is_multicast(&n.mac))
		return 0;
	if (ndm.ndm_family == AF_BRIDGE) {
		if (ndm.ndm_state & NUD_PERMANENT)	/* the port's or the bridge's own */
			return 0;
		n.master = nl_u32(tb[NDA_MASTER]);
	} else {
		size_t len = ndm.ndm_family == AF_INET ? 4 : 16;

		if (ndm.ndm_state & (NUD_NOARP | NUD_FAILED | NUD_INCOMPLETE) || !tb[NDA_DST] || nl_len(tb[NDA_DST]) != len)
			return 0;
		n.ip.family = ndm.ndm_family;
		memcpy(n.ip.b, nl_data(tb[NDA_DST]), len);
	}
	d->fn(d->user, &n);
	return 0;
}

int kern_neigh_dump(struct kern *kern, uint8_t family, kern_neigh_fn fn, void *user)
{
	const struct ndmsg ndm = { .ndm_family = family };
	struct dump d = { .fn = fn, .user = user };
	char why[NL_WHY_MAX];
	int r = kern_rt(kern);

	if (r < 0)
		return r;
	nlb_reset(&kern->b);
	nlb_msg(&kern->b, RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
	r = nl_dump(&kern->rt, &kern->b, on_neigh, &d, why);
	return r < 0 ? r : 0;
}
