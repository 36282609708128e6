/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm - wait for a router to give an interface its default route again
 *
 * The event is subscribed to before the first look, so that a route that comes
 * between look and wait isn't missed. RSs go by a raw ICMPv6 socket, from the
 * interface's link-local address, with its MAC as source link-layer address.
 */
#include "kern/confirm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include "base/time.h"
#include "kern/rtnl.h"

#define RS_INTERVAL MONO_S
#define RS_HOP_LIMIT 255	/* RFC 4861 6.1.1 */

struct look {
	uint32_t ifindex;
	bool found;
};

static int on_route(void *user, const struct nlmsghdr *nlh)
{
	struct look *look = user;
	struct w_route hops[RTNL_NEXTHOPS];
	size_t n = rtnl_parse_route(nlh, hops);

	for (size_t i = 0; i < n; i++)
		if (hops[i].oif == look->ifindex && hops[i].dst.len == 0 && hops[i].protocol == RTPROT_RA &&
		    hops[i].type == RTN_UNICAST)
			look->found = true;
	return 0;
}

/* Return: 1 the route is there, 0 it isn't, or negative errno. */
static int is_there(struct kern *kern, uint32_t ifindex)
{
	struct look look = { .ifindex = ifindex };
	char why[NL_WHY_MAX];
	int r = NL_E_CHANGED;

	for (int i = 0; r == NL_E_CHANGED && i < NL_TRIES; i++) {
		nlb_reset(&kern->b);
		rtnl_put_routes_dump(&kern->b, AF_INET6);
		r = nl_dump(&kern->rt, &kern->b, on_route, &look, why);
	}
	return r < 0 ? r : look.found;
}

static int send_rs(int fd, uint32_t ifindex, const struct mac *mac)
{
	struct {
		struct nd_router_solicit rs;
		struct nd_opt_hdr opt;
		struct mac mac;
	} msg = {
		.rs.nd_rs_type = ND_ROUTER_SOLICIT,
		.opt = { .nd_opt_type = ND_OPT_SOURCE_LINKADDR, .nd_opt_len = 1 },
		.mac = *mac,
	};
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = ifindex };

	_Static_assert(sizeof(msg) == 16, "RFC 4861 4.1 and 4.6.1");
	(void)inet_pton(AF_INET6, "ff02::2", &to.sin6_addr);
	/* The kernel fills in the checksum. */
	ssize_t n = sendto(fd, &msg, mac_is_zero(mac) ? sizeof(msg.rs) : sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&to,
			   sizeof(to));
	return n < 0 ? -errno : 0;
}

static int open_rs(uint32_t ifindex)
{
	const int hops = RS_HOP_LIMIT, index = (int)ifindex;
	struct icmp6_filter none;
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&none);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof(none)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) < 0)
		return -errno;
	return STEAL_FD(fd);
}

static int open_events(void)
{
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_ROUTE };
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0)
		return -errno;
	return STEAL_FD(fd);
}

/* Sleep until a route changes or until @deadline. */
static void wait_event(int events, mono_t deadline)
{
	struct pollfd p = { .fd = events, .events = POLLIN };
	mono_t now = mono_now();
	char scrap[4096];

	if (now >= deadline)
		return;
	if (poll(&p, 1, (int)((deadline - now + MONO_MS - 1) / MONO_MS)) <= 0)
		return;
	for (int i = 0; i < 1024 && recv(events, scrap, sizeof(scrap), 0) > 0; i++)
		;
}

int confirm_route(struct kern *kern, const char *device, uint32_t timeout_ms, char why[static NL_WHY_MAX])
{
	struct w_link link;
	int r = kern_link_get(kern, 0, device, &link), sent = 0;

	why[0] = '\0';
	if (r < 0) {
		nl_explain(r, why);
		return r;
	}
	_cleanup_(closep) int events = open_events();
	_cleanup_(closep) int rs = open_rs(link.ifindex);
	if (events < 0) {
		nl_explain(events, why);
		return events;
	}
	mono_t start = mono_now(), end = start + timeout_ms * MONO_MS, next_rs = start;
	for (;;) {
		r = is_there(kern, link.ifindex);
		if (r < 0) {
			nl_explain(r, why);
			return r;
		}
		if (r > 0)
			return 0;
		mono_t now = mono_now();
		if (now >= end)
			break;
		if (now >= next_rs) {
			/* Without CAP_NET_RAW, or while the link-local address is tentative, the router speaks when it likes. */
			if (rs >= 0 && send_rs(rs, link.ifindex, &link.mac) == 0)
				sent++;
			next_rs = now + RS_INTERVAL;
		}
		wait_event(events, mono_min(end, next_rs));
	}
	(void)snprintf(why, NL_WHY_MAX, "no default route by router advertisement within %u.%u s (%d router solicitation%s sent)",
		       timeout_ms / 1000, timeout_ms % 1000 / 100, sent, sent == 1 ? "" : "s");
	return 1;
}
