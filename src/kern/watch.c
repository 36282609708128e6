/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch - what the kernel says has changed
 *
 * Two sockets, one for rtnetlink groups and one for nftables; nothing is ever
 * asked over them, so they only carry events. The known links are kept (index
 * → name, master) so that a new link can be told from a changed one. nftables
 * tells each changed object, then the new generation with the process that
 * made it: one event is passed on for all of ours in between.
 */
#include "kern/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <uthash.h>
#include "kern/nfnl.h"
#include "kern/nft.h"
#include "kern/rtnl.h"

#define DATAGRAMS_A_TURN 64
#define EVENT_BUF (4 * 1024 * 1024)

const char *const kern_change_name[KERN_CHANGE_N_] = {
	[KERN_CHANGE_LINK] = "link",	   [KERN_CHANGE_ADDR] = "address", [KERN_CHANGE_ROUTE] = "route",
	[KERN_CHANGE_NETCONF] = "netconf", [KERN_CHANGE_NFT] = "nft",	   [KERN_CHANGE_DEFAULT] = "default route",
	[KERN_CHANGE_FIREWALL] = "firewall", [KERN_CHANGE_NEIGH] = "neighbour", [KERN_CHANGE_TC] = "filter",
};

struct known {
	uint32_t ifindex;
	uint32_t master;
	char name[16];
	UT_hash_handle hh;
};

struct kern_watch {
	const struct kern_watch_ops *ops;
	void *user;
	struct loop_fd rt, nf;
	uint8_t *buf;
	struct known *links;
	bool neigh, tc;		/* neighbours are told, too; filters */
	bool nft_ours;		/* something of ours changed in the transaction that is being told */
	bool nft_others;	/* a chain or rule of others did */
};

/* ---------------------------------------------------------------- known links */

static struct known *find(const struct kern_watch *w, uint32_t ifindex)
{
	struct known *k = NULL;

	HASH_FIND(hh, w->links, &ifindex, sizeof(ifindex), k);
	return k;
}

static void forget(struct kern_watch *w, struct known *k)
{
	HASH_DEL(w->links, k);
	free(k);
}

static void forget_all(struct kern_watch *w)
{
	struct known *k, *next;

	HASH_ITER(hh, w->links, k, next)
		forget(w, k);
}

/* Return: whether it is new, or under another master. */
static bool learn(struct kern_watch *w, const struct w_link *link)
{
	struct known *k = find(w, link->ifindex);
	bool news = !k || k->master != link->master;

	if (!k) {
		k = NEW(struct known);
		k->ifindex = link->ifindex;
		HASH_ADD(hh, w->links, ifindex, sizeof(k->ifindex), k);
	}
	k->master = link->master;
	memcpy(k->name, link->name, sizeof(k->name));
	return news;
}

static int on_known_link(void *user, const struct nlmsghdr *nlh)
{
	struct w_link link;

	if (rtnl_parse_link(nlh, &link))
		(void)learn(user, &link);
	return 0;
}

static int learn_all(struct kern_watch *w)
{
	struct nl nl = NL_CLOSED;
	struct nlb b = { 0 };
	char why[NL_WHY_MAX];
	int r = nl_open(&nl, NETLINK_ROUTE);

	forget_all(w);
	for (int i = 0; r >= 0 && i < NL_TRIES; i++) {
		nlb_reset(&b);
		rtnl_put_links_dump(&b);
		r = nl_dump(&nl, &b, on_known_link, w, why);
		if (r <= 0)
			break;
	}
	nl_close(&nl);
	nlb_free(&b);
	return r < 0 ? r : 0;
}

/* --------------------------------------------------------------------- events */

static void changed(struct kern_watch *w, enum kern_change kind, uint32_t ifindex, const char *name, mono_t now)
{
	if (w->ops->changed)
		w->ops->changed(w->user, kind, ifindex, name, now);
}

static const char *name_of(struct kern_watch *w, uint32_t ifindex)
{
	const struct known *k = find(w, ifindex);

	return k ? k->name : "";
}

static void link_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	struct w_link link;

	if (!rtnl_parse_link(nlh, &link))
		return;
	/* A bridge tells of its ports in messages of its own family: a DELLINK there is only the end of the membership. */
	if (rtnl_link_family(nlh) != AF_UNSPEC) {
		changed(w, KERN_CHANGE_LINK, link.ifindex, link.name, now);
	} else if (nlh->nlmsg_type == RTM_DELLINK) {
		struct known *k = find(w, link.ifindex);

		if (k)
			forget(w, k);
		if (w->ops->link_gone)
			w->ops->link_gone(w->user, link.ifindex, link.name, link.alias, now);
	} else if (learn(w, &link) && w->ops->link_new) {
		w->ops->link_new(w->user, &link, now);
	} else if (w->ops->link_changed) {
		w->ops->link_changed(w->user, &link, now);
	} else {
		changed(w, KERN_CHANGE_LINK, link.ifindex, link.name, now);
	}
}

static void netconf_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	static const uint16_t policy[NETCONFA_IFINDEX + 1] = { [NETCONFA_IFINDEX] = 4 };
	const struct nlattr *tb[NETCONFA_IFINDEX + 1];

	if (!nl_parse_msg(nlh, sizeof(struct netconfmsg), tb, NETCONFA_IFINDEX, policy) || !tb[NETCONFA_IFINDEX])
		return;
	uint32_t ifindex = nl_u32(tb[NETCONFA_IFINDEX]);
	changed(w, KERN_CHANGE_NETCONF, ifindex, name_of(w, ifindex), now);
}

/* New ones come as stale; those that are in use go through states that tell nothing. */
static void neigh_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	struct ndmsg ndm;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(ndm)))
		return;
	memcpy(&ndm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ndm));
	if ((ndm.ndm_family != AF_INET && ndm.ndm_family != AF_INET6) ||
	    (nlh->nlmsg_type == RTM_NEWNEIGH && !(ndm.ndm_state & (NUD_STALE | NUD_FAILED))))
		return;
	changed(w, KERN_CHANGE_NEIGH, (uint32_t)ndm.ndm_ifindex, name_of(w, (uint32_t)ndm.ndm_ifindex), now);
}

static void tc_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	struct tcmsg tcm;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(tcm)))
		return;
	memcpy(&tcm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(tcm));
	changed(w, KERN_CHANGE_TC, (uint32_t)tcm.tcm_ifindex, name_of(w, (uint32_t)tcm.tcm_ifindex), now);
}

static void rt_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	struct w_addr addr;
	struct w_route hops[RTNL_NEXTHOPS];

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_event(w, nlh, now);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (rtnl_parse_addr(nlh, &addr))
			changed(w, KERN_CHANGE_ADDR, addr.ifindex, name_of(w, addr.ifindex), now);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (rtnl_parse_route(nlh, hops) > 0 && hops[0].table == RT_TABLE_MAIN)
			changed(w, hops[0].dst.len == 0 ? KERN_CHANGE_DEFAULT : KERN_CHANGE_ROUTE, hops[0].oif,
				name_of(w, hops[0].oif), now);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_event(w, nlh, now);
		break;
	case RTM_NEWNETCONF:
		netconf_event(w, nlh, now);
		break;
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
		tc_event(w, nlh, now);
		break;
	}
}

/* May it be what foreign.c looks at? iptables' table of translation, which changes most, is only where bridges have it. */
static bool is_firewall(const struct nlmsghdr *nlh, const char *table)
{
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		break;
	default:
		return false;
	}
	return strcmp(table, "nat") != 0 || ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family == NFPROTO_BRIDGE;
}

static void nf_event(struct kern_watch *w, const struct nlmsghdr *nlh, mono_t now)
{
	struct nfnl_gen gen;

	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return;
	if ((nlh->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		const char *table = nfnl_parse_table(nlh);

		if (table && strcmp(table, NFT_TABLE_NAME) == 0)
			w->nft_ours = true;
		else if (table && is_firewall(nlh, table))
			w->nft_others = true;
		return;
	}
	bool ours = w->nft_ours, others = w->nft_others;
	w->nft_ours = w->nft_others = false;
	if (!nfnl_parse_gen(nlh, &gen))
		return;
	if (ours)
		changed(w, KERN_CHANGE_NFT, gen.pid, gen.comm, now);
	if (others)
		changed(w, KERN_CHANGE_FIREWALL, gen.pid, gen.comm, now);
}

static void resync(struct kern_watch *w, mono_t now)
{
	(void)learn_all(w);	/* what isn't learnt now will be new when it is told */
	w->nft_ours = w->nft_others = false;
	if (w->ops->resync)
		w->ops->resync(w->user, now);
}

static int drain(struct kern_watch *w, struct loop_fd *src, void (*fn)(struct kern_watch *, const struct nlmsghdr *, mono_t),
		 mono_t now)
{
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		const struct nlmsghdr *nlh;
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(src->fd, w->buf, NL_BUF, 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == ENOBUFS) {
			resync(w, now);
			continue;
		}
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (from.nl_pid != 0)
			continue;	/* not from the kernel */
		NL_EACH(nlh, w->buf, n)
			fn(w, nlh, now);
	}
	return 0;
}

static int on_rt(struct loop_fd *src, uint32_t events, mono_t now)
{
	(void)events;
	return drain(CONTAINER_OF(src, struct kern_watch, rt), src, rt_event, now);
}

static int on_nf(struct loop_fd *src, uint32_t events, mono_t now)
{
	(void)events;
	return drain(CONTAINER_OF(src, struct kern_watch, nf), src, nf_event, now);
}

/* ------------------------------------------------------------------- new, free */

/*
 * What nobody asks for ends in the kernel: a bridge's own word on its ports, which comes with each guest half a dozen
 * times and again whenever a port changes its state, routes that aren't in the main table, as each address makes some, and
 * the queueing disciplines and filters that a guest's tap gets.
 */
static void leave_out(int fd)
{
	const uint32_t family_at = NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_family);
	const uint32_t table_at = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_table);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWQDISC), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWTFILTER), 4, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, family_at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 2, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, table_at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_MAIN, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog prog = { ARRAY_LEN(code), code };

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));	/* without, all is heard and passed over */
}

/* Return: a descriptor that hears these groups, or negative errno. */
static int open_groups(int protocol, const unsigned int *groups, size_t n)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	const int buf = EVENT_BUF;
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buf, sizeof(buf)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf, sizeof(buf));
	if (protocol == NETLINK_ROUTE)
		leave_out(fd);
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
			return -errno;
	return STEAL_FD(fd);
}

int kern_watch_new(struct kern_watch **ret, struct loop *loop, const struct kern_watch_ops *ops, void *user)
{
	static const unsigned int rt_groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,	RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
	};
	static const unsigned int nf_groups[] = { NFNLGRP_NFTABLES };
	_cleanup_(kern_watch_freep) struct kern_watch *w = NEW(struct kern_watch);

	w->ops = ops;
	w->user = user;
	w->buf = xcalloc(1, NL_BUF);
	w->nf = (struct loop_fd){ .name = "nftables events", .fn = on_nf, .fd = -1 };
	w->rt = (struct loop_fd){ .name = "rtnetlink events", .fn = on_rt };
	w->rt.fd = open_groups(NETLINK_ROUTE, rt_groups, ARRAY_LEN(rt_groups));
	if (w->rt.fd < 0)
		return w->rt.fd;
	w->nf.fd = open_groups(NETLINK_NETFILTER, nf_groups, ARRAY_LEN(nf_groups));
	if (w->nf.fd < 0 && w->nf.fd != -EPERM && w->nf.fd != -EACCES)
		return w->nf.fd;	/* without privileges nothing is told about nftables */
	int r = learn_all(w);	/* after subscribing: nothing is missed in between */
	if (r == 0)
		r = loop_add(loop, &w->rt, EPOLLIN);
	if (r >= 0 && w->nf.fd >= 0)
		r = loop_add(loop, &w->nf, EPOLLIN);
	if (r < 0)
		return r;
	*ret = STEAL_PTR(w);
	return 0;
}

/* Join a group or leave it; @joined says whether it is. */
static int hear(struct kern_watch *w, unsigned int group, bool *joined, bool on)
{
	if (*joined == on)
		return 0;
	if (setsockopt(w->rt.fd, SOL_NETLINK, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	*joined = on;
	return 0;
}

int kern_watch_neigh(struct kern_watch *watch, bool on)
{
	return hear(watch, RTNLGRP_NEIGH, &watch->neigh, on);
}

int kern_watch_tc(struct kern_watch *watch, bool on)
{
	return hear(watch, RTNLGRP_TC, &watch->tc, on);
}

uint32_t kern_watch_master(const struct kern_watch *watch, uint32_t ifindex)
{
	const struct known *k = find(watch, ifindex);

	return k ? k->master : 0;
}

struct kern_watch *kern_watch_free(struct kern_watch *watch)
{
	if (!watch)
		return NULL;
	loop_del(&watch->rt);
	loop_del(&watch->nf);
	closep(&watch->rt.fd);
	closep(&watch->nf.fd);
	forget_all(watch);
	free(watch->buf);
	free(watch);
	return NULL;
}
