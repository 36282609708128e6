/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdb - which MACs were seen at a port of a bridge
 */
#include "kern/fdb.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include "kern/priv.h"

struct dump {
	kern_fdb_fn fn;
	void *user;
};

static int on_entry(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NDA_MASTER + 1] = { [NDA_LLADDR] = sizeof(struct mac), [NDA_MASTER] = sizeof(uint32_t) };
	const struct dump *dump = user;
	const struct nlattr *tb[NDA_MASTER + 1];
	struct mac mac;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !nl_parse_msg(nlh, sizeof(struct ndmsg), tb, NDA_MASTER, policy))
		return 0;
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	if (nd->ndm_family != AF_BRIDGE || !tb[NDA_LLADDR] || !tb[NDA_MASTER] || (nd->ndm_state & NUD_PERMANENT) ||
	    nd->ndm_ifindex <= 0)
		return 0;
	memcpy(mac.b, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(mac.b));
	dump->fn(dump->user, &mac, (uint32_t)nd->ndm_ifindex, mnl_attr_get_u32(tb[NDA_MASTER]));
	return 0;
}

int kern_fdb(struct kern *kern, uint32_t port, kern_fdb_fn fn, void *user)
{
	const struct ndmsg nd = { .ndm_family = AF_BRIDGE, .ndm_ifindex = (int)port };
	struct dump dump = { fn, user };
	char why[NL_WHY_MAX];
	int r = port == 0 ? -EINVAL : kern_rt(kern);	/* 0 means all, of all bridges */

	for (int i = 0; r == 0 && i < NL_TRIES; i++) {
		nlb_reset(&kern->b);
		nlb_msg(&kern->b, RTM_GETNEIGH, NLM_F_DUMP, &nd, sizeof(nd));
		r = nl_dump(&kern->rt, &kern->b, on_entry, &dump, why);
		if (r != NL_E_CHANGED)
			return r;
		r = 0;		/* entries may be told twice */
	}
	return r;
}
