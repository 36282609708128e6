/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arrive - what a guest waits for when its link goes up
 *
 *   arrive IFACE [SECONDS]
 *
 * Sets the link up and waits for IPv6: a usable link-local address, a default
 * route, a usable global address. Its own first frame is seen on a packet
 * socket. Times in ms since the link went up, but for "route_ms": since that
 * first frame. Prints one JSON object; exit status 1 when something never came.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "load.h"

struct arrival {
	int ifindex;
	uint64_t began, frame, link_local, route, usable;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct arrival *a = data;
	const struct ifaddrmsg *addr = mnl_nlmsg_get_payload(nlh);
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWADDR && (int)addr->ifa_index == a->ifindex && !(addr->ifa_flags & IFA_F_TENTATIVE)) {
		if (addr->ifa_scope == RT_SCOPE_UNIVERSE && !a->usable)
			a->usable = now_ns();
		if (addr->ifa_scope == RT_SCOPE_LINK && !a->link_local)
			a->link_local = now_ns();
	}
	if (nlh->nlmsg_type == RTM_NEWROUTE && route->rtm_family == AF_INET6 && route->rtm_dst_len == 0 &&
	    route->rtm_type == RTN_UNICAST && !a->route)
		a->route = now_ns();
	return MNL_CB_OK;
}

static void set_up(struct mnl_socket *nl, int ifindex)
{
	uint8_t buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		fail("link up");
}

static double ms(uint64_t from, uint64_t to)
{
	return to && from ? (double)(to - from) / 1e6 : -1;
}

int main(int argc, char **argv)
{
	static uint8_t buf[32768];
	struct arrival a = { 0 };
	uint64_t patience = (uint64_t)(argc > 2 ? atoi(argv[2]) : 12) * 1000000000u;

	if (argc < 2 || (a.ifindex = (int)if_nametoindex(argv[1])) == 0) {
		(void)fputs("usage: arrive IFACE [SECONDS]\n", stderr);
		return 2;
	}
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = a.ifindex };
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);	/* ETH_P_ALL: what leaves is seen as well */
	if (!nl || mnl_socket_bind(nl, RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE, MNL_SOCKET_AUTOPID) < 0 || sock < 0 ||
	    bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("sockets");
	a.began = now_ns();
	set_up(nl, a.ifindex);
	while (!(a.route && a.usable && a.link_local) && now_ns() < a.began + patience) {
		struct pollfd fds[] = { { mnl_socket_get_fd(nl), POLLIN, 0 }, { sock, POLLIN, 0 } };

		if (poll(fds, 2, 100) <= 0)
			continue;
		if (fds[1].revents) {
			struct sockaddr_ll from;
			socklen_t len = sizeof(from);

			if (recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) > 0 && !a.frame &&
			    from.sll_pkttype == PACKET_OUTGOING)
				a.frame = now_ns();
		}
		if (fds[0].revents) {
			ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

			if (n > 0)
				(void)mnl_cb_run(buf, (size_t)n, 0, 0, on_message, &a);
		}
	}
	(void)printf("{\"link_local_ms\": %.1f, \"route_ms\": %.1f, \"usable_ms\": %.1f}\n", ms(a.began, a.link_local),
		     ms(a.frame, a.route), ms(a.began, a.usable));
	return a.route && a.usable ? 0 : 1;
}
