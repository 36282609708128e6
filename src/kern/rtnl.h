/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnl - rtnetlink messages to and from structs
 *
 * Inside kern/, but for what says otherwise. Parsing takes any bytes (fuzzed); building needs no
 * kernel.
 */
#pragma once
#include <linux/rtnetlink.h>
#include "kern/nl.h"
#include "model/world.h"
#include "plan/op.h"

/* Return: true when the message is a link (RTM_NEWLINK, RTM_DELLINK) with an index and a name. */
bool rtnl_parse_link(const struct nlmsghdr *nlh, struct w_link *ret);
/* The list of a macvlan of mode source, link->n_sources long, in @arena; NULL: none. For a message that was parsed. */
const struct mac *rtnl_parse_sources(const struct nlmsghdr *nlh, const struct w_link *link, struct arena *arena);
/* The ifi_family of a link message: AF_BRIDGE is about a port, not about the link. */
uint8_t rtnl_link_family(const struct nlmsghdr *nlh);
/* Ethernet hardware, that is, something that might be wireless. */
bool rtnl_is_hardware(const struct nlmsghdr *nlh, const struct w_link *link);

bool rtnl_parse_addr(const struct nlmsghdr *nlh, struct w_addr *ret);

#define RTNL_NEXTHOPS 32
/* One struct for each nexthop. Return: how many; 0 for what isn't a unicast route that somebody made. */
size_t rtnl_parse_route(const struct nlmsghdr *nlh, struct w_route ret[static RTNL_NEXTHOPS]);

/*
 * The router of a route of @family: RTA_GATEWAY, or RTA_VIA (an IPv4 route by an IPv6 router), which the policy says is
 * 2 bytes at least. @ret stays as it is when there is none. diag/ reads routes by it, too.
 */
void rtnl_parse_gateway(const struct nlattr *const *tb, uint8_t family, struct ip *ret);

/**
 * rtnl_next_hop() - The next one of RTA_MULTIPATH
 * @at, @left:	the rest of the attribute; moved on
 * @policy:	of its attributes, up to RTA_MAX
 * @ret:	set when true is returned
 * @tb:		RTA_MAX + 1 entries, likewise
 *
 * Return: false at the end, or at one that is broken
 */
bool rtnl_next_hop(const void **at, size_t *left, const uint16_t *policy, struct rtnexthop *ret, const struct nlattr **tb);

/* Make a link (of link->kind), down. What the kernel takes only from a link that is there comes after, by its index. */
void rtnl_put_link_add(struct nlb *b, const struct op_link *link);
size_t rtnl_put_link_complete(struct nlb *b, uint32_t ifindex, const struct op_link *link);

/*
 * Change the attributes in link->mask; @ifindex 0: by name. @master: index for OP_LINK_MASTER. addr_gen_mode is set
 * before the link comes up, and what belongs to a bridge port after it became one. Return: how many messages.
 */
size_t rtnl_put_link_set(struct nlb *b, uint32_t ifindex, const struct op_link *link, uint32_t master);
void rtnl_put_link_del(struct nlb *b, uint32_t ifindex);
void rtnl_put_link_get(struct nlb *b, uint32_t ifindex, const char *name);	/* @ifindex 0: by name */
void rtnl_put_addr_add(struct nlb *b, uint32_t ifindex, const struct op_addr *addr, bool replace);
void rtnl_put_addr_del(struct nlb *b, uint32_t ifindex, const struct op_addr *addr);

/* A proxy neighbour entry. */
void rtnl_put_proxy(struct nlb *b, uint32_t ifindex, const struct ip *ip, bool add);
void rtnl_put_route(struct nlb *b, uint32_t ifindex, const struct op_route *route, bool add);
void rtnl_put_neigh(struct nlb *b, uint32_t ifindex, const struct op_neigh *neigh, bool add);

void rtnl_put_links_dump(struct nlb *b);
void rtnl_put_addrs_dump(struct nlb *b);
void rtnl_put_routes_dump(struct nlb *b, uint8_t family);
