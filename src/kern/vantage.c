/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vantage - a place to send from as a guest does
 */
#include "kern/vantage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "kern/rtnl.h"

#define GEN_MODE_NONE 1
#define OUTER "stprobe%d"	/* the kernel finds a number */
#define INNER "probe0"

static int open_own(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Where this thread was is where it goes on: nothing of ours may run in the wrong namespace. */
static void go_back(int fd)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		abort();
}

static int new_netns(int *ret)
{
	_cleanup_(closep) int back = open_own();

	if (back < 0)
		return back;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	int fd = open_own();
	go_back(back);
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

static void put_gen_mode_none(struct nlb *b)
{
	size_t spec = nlb_nest(b, IFLA_AF_SPEC), inet6 = nlb_nest(b, AF_INET6);

	nlb_u8(b, IFLA_INET6_ADDR_GEN_MODE, GEN_MODE_NONE);
	nlb_end(b, inet6);
	nlb_end(b, spec);
}

static void put_inner(struct nlb *b, int netns, const struct mac *mac, uint32_t mtu)
{
	nlb_strz(b, IFLA_IFNAME, INNER);
	nlb_put(b, IFLA_ADDRESS, mac->b, sizeof(mac->b));
	nlb_u32(b, IFLA_MTU, mtu);
	nlb_u32(b, IFLA_NET_NS_FD, (uint32_t)netns);
}

static void put_macvlan(struct nlb *b, uint32_t lower, uint32_t mtu, const struct vantage *v)
{
	const struct ifinfomsg ifi = { 0 };

	nlb_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	put_inner(b, v->netns, &v->mac, mtu);
	nlb_u32(b, IFLA_LINK, lower);
	size_t info = nlb_nest(b, IFLA_LINKINFO);
	nlb_strz(b, IFLA_INFO_KIND, "macvlan");
	size_t data = nlb_nest(b, IFLA_INFO_DATA);
	nlb_u32(b, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	nlb_u32(b, IFLA_MACVLAN_BC_QUEUE_LEN, 1);	/* the longest wish counts, for all on the device: not ours */
	nlb_end(b, data);
	nlb_end(b, info);
}

static void put_port(struct nlb *b, uint32_t mtu, const struct vantage *v)
{
	static const struct mac highest = { { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct ifinfomsg ifi = { 0 };

	nlb_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	nlb_strz(b, IFLA_IFNAME, OUTER);
	nlb_put(b, IFLA_ADDRESS, highest.b, sizeof(highest.b));
	nlb_u32(b, IFLA_MTU, mtu);
	size_t info = nlb_nest(b, IFLA_LINKINFO);
	nlb_strz(b, IFLA_INFO_KIND, "veth");
	size_t data = nlb_nest(b, IFLA_INFO_DATA);
	size_t peer = nlb_nest(b, VETH_INFO_PEER);
	nlb_raw(b, &ifi, sizeof(ifi));
	put_inner(b, v->netns, &v->mac, mtu);
	nlb_end(b, peer);
	nlb_end(b, data);
	nlb_end(b, info);
}

static int one(struct nl *nl, struct nlb *b, char why[static NL_WHY_MAX])
{
	struct nl_result result[2];
	int r = b->n_msgs > ARRAY_LEN(result) ? -EINVAL : nl_batch(nl, b, result);

	for (size_t i = 0; r == 0 && i < b->n_msgs; i++) {
		r = result[i].err;
		if (r < 0)
			(void)str_copy(why, NL_WHY_MAX, result[i].why);
	}
	return r;
}

/* The index of our link's end, and of the other end of a veth pair. */
struct found {
	uint32_t ifindex, peer;
};

static int on_link(void *user, const struct nlmsghdr *nlh)
{
	struct found *f = user;
	struct w_link link;

	if (nlh->nlmsg_type == RTM_NEWLINK && rtnl_parse_link(nlh, &link)) {
		f->ifindex = link.ifindex;
		const struct nlattr *tb[IFLA_LINK + 1];
		static const uint16_t policy[IFLA_LINK + 1] = { [IFLA_LINK] = 4 };

		if (nl_parse_msg(nlh, sizeof(struct ifinfomsg), tb, IFLA_LINK, policy))
			f->peer = nl_u32(tb[IFLA_LINK]);
	}
	return 0;
}

static void put_up(struct nlb *b, uint32_t ifindex, uint32_t master)
{
	const struct ifinfomsg quiet = { .ifi_index = (int)ifindex };
	const struct ifinfomsg up = { .ifi_index = (int)ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	nlb_reset(b);
	nlb_msg(b, RTM_SETLINK, 0, &quiet, sizeof(quiet));
	put_gen_mode_none(b);
	nlb_msg(b, RTM_SETLINK, 0, &up, sizeof(up));
	if (master > 0)
		nlb_u32(b, IFLA_MASTER, master);
}

/* In the namespace: find the link, and set it up. */
static int finish_inner(struct vantage *v, struct nlb *b, uint32_t *ret_peer, char why[static NL_WHY_MAX])
{
	_cleanup_(closep) int back = open_own();
	struct found found = { 0 };
	struct nl nl = NL_CLOSED;

	if (back < 0)
		return back;
	if (setns(v->netns, CLONE_NEWNET) < 0)
		return -errno;
	int r = nl_open(&nl, NETLINK_ROUTE);
	if (r == 0) {
		nlb_reset(b);
		rtnl_put_link_get(b, 0, INNER);
		r = nl_dump(&nl, b, on_link, &found, why);
	}
	if (r == 0 && found.ifindex == 0)
		r = -ENODEV;
	if (r == 0) {
		put_up(b, found.ifindex, 0);
		r = one(&nl, b, why);
	}
	nl_close(&nl);
	go_back(back);
	v->ifindex = found.ifindex;
	*ret_peer = found.peer;
	return r;
}

int vantage_open(enum vantage_kind kind, uint32_t ifindex, uint32_t mtu, struct vantage *ret, char why[static NL_WHY_MAX])
{
	struct vantage v = VANTAGE_NONE;
	struct nl nl = NL_CLOSED;
	struct nlb b = { 0 };
	uint32_t peer = 0;

	why[0] = '\0';
	int r = new_netns(&v.netns);
	if (r == 0 && getrandom(v.mac.b, sizeof(v.mac.b), 0) != sizeof(v.mac.b))
		r = -errno;
	if (r == 0)
		r = nl_open(&nl, NETLINK_ROUTE);
	if (r == 0) {
		v.mac.b[0] = 0x02;
		if (kind == VANTAGE_PORT)
			put_port(&b, mtu, &v);
		else
			put_macvlan(&b, ifindex, mtu, &v);
		r = one(&nl, &b, why);
	}
	if (r == 0)
		r = finish_inner(&v, &b, &peer, why);
	if (r == 0 && kind == VANTAGE_PORT) {
		put_up(&b, peer, ifindex);
		r = one(&nl, &b, why);
	}
	nl_close(&nl);
	nlb_free(&b);
	if (r < 0) {
		vantage_close(&v);
		nl_explain(r, why);
		return r;
	}
	*ret = v;
	return 0;
}

/* A namespace that nobody holds is taken down some time later: the link has to go now. Of a veth pair both ends do. */
static void delete_link(const struct vantage *v)
{
	_cleanup_(closep) int back = open_own();
	char why[NL_WHY_MAX];
	struct nl nl = NL_CLOSED;
	struct nlb b = { 0 };

	if (back < 0 || setns(v->netns, CLONE_NEWNET) < 0)
		return;
	if (nl_open(&nl, NETLINK_ROUTE) == 0) {
		rtnl_put_link_del(&b, v->ifindex);
		(void)one(&nl, &b, why);
	}
	nl_close(&nl);
	nlb_free(&b);
	go_back(back);
}

void vantage_close(struct vantage *vantage)
{
	if (vantage->netns >= 0 && vantage->ifindex > 0)
		delete_link(vantage);
	closep(&vantage->netns);
	vantage->netns = -1;
}

int vantage_socket(const struct vantage *vantage)
{
	_cleanup_(closep) int back = open_own();

	if (back < 0)
		return back;
	if (setns(vantage->netns, CLONE_NEWNET) < 0)
		return -errno;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = fd < 0 ? -errno : fd;
	go_back(back);
	return r;
}
