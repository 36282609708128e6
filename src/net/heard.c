/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heard - what one frame says, for people who look on
 */
#include "net/heard.h"

#include <assert.h>
#include "net/dhcp4.h"
#include "net/dhcp6.h"
#include "net/icmpv6.h"
#include "net/udp.h"

const char *const heard_kind_name[] = { "arp",	    "rs",	"ra",	     "ns",    "na",
					"redirect", "mldquery", "mldreport", "dhcp4", "dhcp6" };
static_assert(sizeof(heard_kind_name) / sizeof(heard_kind_name[0]) == HEARD_KIND_N_, "a kind without a name");

static int broken(struct heard *h, const char *why)
{
	h->why = why;
	return HEARD_E_BROKEN;
}

static bool kind_of(uint8_t type, enum heard_kind *ret)
{
	switch (type) {
	case ICMPV6_RS:
		*ret = HEARD_RS;
		return true;
	case ICMPV6_RA:
		*ret = HEARD_RA;
		return true;
	case ICMPV6_NS:
		*ret = HEARD_NS;
		return true;
	case ICMPV6_NA:
		*ret = HEARD_NA;
		return true;
	case ICMPV6_REDIRECT:
		*ret = HEARD_REDIRECT;
		return true;
	case ICMPV6_MLD_QUERY:
		*ret = HEARD_MLD_QUERY;
		return true;
	case ICMPV6_MLD_REPORT:
	case ICMPV6_MLD_DONE:
	case ICMPV6_MLD2_REPORT:
		*ret = HEARD_MLD_REPORT;
		return true;
	}
	return false;
}

/* Which rule a message breaks that its parser refused, the likeliest first. */
static const char *icmpv6_wrong(const struct heard *h, struct rd msg)
{
	bool mld = h->kind == HEARD_MLD_QUERY || h->kind == HEARD_MLD_REPORT;
	bool from_router = h->kind == HEARD_RA || h->kind == HEARD_REDIRECT || h->kind == HEARD_MLD_QUERY;

	if (mld && h->hop_limit != MLD_HOP_LIMIT)
		return "its hop limit isn't 1";
	if (!mld && h->hop_limit != NDP_HOP_LIMIT)
		return "its hop limit isn't 255: it came from another network, or is forged";
	if (!mld && msg.left > 1 && msg.p[1] != 0)
		return "its code isn't 0";
	if (from_router && !IN6_IS_ADDR_LINKLOCAL(&h->src.v6))
		return "its source isn't a link-local address";
	if (mld && !IN6_IS_ADDR_LINKLOCAL(&h->src.v6) && !IN6_IS_ADDR_UNSPECIFIED(&h->src.v6))
		return "its source isn't a link-local address";
	return "a field or an option is wrong, cut short or of length 0";
}

static int read_icmpv6(const struct ipv6 *ip, bool csum_ready, struct heard *h)
{
	const struct ndp_meta meta = { .src = ip->src, .dst = ip->dst, .hop_limit = ip->hop_limit };
	struct rd msg = ip->payload;
	uint8_t type = msg.left > 0 ? msg.p[0] : 0;
	int r = 0;

	if (!kind_of(type, &h->kind))
		return HEARD_E_NOT_OURS;
	if (icmpv6_open(ip, csum_ready, &type, &msg) != 0)
		return broken(h, "its checksum is wrong, or it is cut short");
	switch (h->kind) {
	case HEARD_RS:
		r = ndp_parse_rs(msg, &meta, &h->rs);
		break;
	case HEARD_RA:
		r = ndp_parse_ra(msg, &meta, &h->ra);
		break;
	case HEARD_NS:
		r = ndp_parse_ns(msg, &meta, &h->ns);
		break;
	case HEARD_NA:
		r = ndp_parse_na(msg, &meta, &h->na);
		break;
	case HEARD_REDIRECT:
		r = ndp_parse_redirect(msg, &meta, &h->redirect);
		break;
	case HEARD_MLD_QUERY:
		r = mld_parse_query(msg, &meta, &h->query);
		break;
	case HEARD_MLD_REPORT:
		r = mld_parse(msg, &meta, &h->report);
		break;
	case HEARD_ARP:
	case HEARD_DHCP4:
	case HEARD_DHCP6:
	case HEARD_KIND_N_:
		return HEARD_E_NOT_OURS;
	}
	return r == 0 ? 0 : broken(h, icmpv6_wrong(h, msg));
}

static bool is_dhcp4(const struct udp *udp)
{
	return (udp->src == DHCP4_PORT_SERVER || udp->src == DHCP4_PORT_CLIENT) &&
	       (udp->dst == DHCP4_PORT_SERVER || udp->dst == DHCP4_PORT_CLIENT);
}

static bool is_dhcp6(uint16_t port)
{
	return port == DHCP6_PORT_SERVER || port == DHCP6_PORT_CLIENT;
}

static int read_ip4(struct rd packet, bool csum_ready, struct heard *h)
{
	struct ipv4 ip;
	struct udp udp;
	const char *why;

	if (ipv4_parse(packet, &ip) != 0 || udp_parse4(&ip, csum_ready, &udp) != 0 || !is_dhcp4(&udp))
		return HEARD_E_NOT_OURS;
	h->kind = HEARD_DHCP4;
	h->src = ip4(ip.src);
	h->dst = ip4(ip.dst);
	why = heard_read_dhcp4(udp.payload, &h->dhcp4);
	return why ? broken(h, why) : 0;
}

static int read_ip6(struct rd packet, bool csum_ready, struct heard *h)
{
	struct ipv6 ip;
	struct udp udp;
	const char *why;

	if (ipv6_parse(packet, &ip) != 0)
		return HEARD_E_NOT_OURS;
	h->src = ip6(ip.src);
	h->dst = ip6(ip.dst);
	h->hop_limit = ip.hop_limit;
	if (ip.proto == IPPROTO_ICMPV6)
		return read_icmpv6(&ip, csum_ready, h);
	if (udp_parse6(&ip, csum_ready, &udp) != 0 || (!is_dhcp6(udp.src) && !is_dhcp6(udp.dst)))
		return HEARD_E_NOT_OURS;
	h->kind = HEARD_DHCP6;
	why = heard_read_dhcp6(udp.payload, &h->dhcp6);
	return why ? broken(h, why) : 0;
}

int heard_read(struct rd frame, uint16_t type, bool csum_ready, struct heard *ret)
{
	struct eth eth;
	int r;

	ret->src_mac = ret->dst_mac = (struct mac){ 0 };
	ret->src = ret->dst = (struct ip){ 0 };
	ret->hop_limit = 0;
	ret->why = NULL;
	if (type == 0) {
		if (eth_parse(frame, &eth) != 0)
			return HEARD_E_NOT_OURS;
		ret->src_mac = eth.src;
		ret->dst_mac = eth.dst;
		frame = eth.payload;
		type = eth.type;
	}
	if (type == ETH_TYPE_IP6)
		return read_ip6(frame, csum_ready, ret);
	if (type == ETH_TYPE_IP4)
		return read_ip4(frame, csum_ready, ret);
	if (type != ETH_TYPE_ARP)
		return HEARD_E_NOT_OURS;
	ret->kind = HEARD_ARP;
	r = arp_parse(frame, &ret->arp);
	if (r == ARP_E_NOT_OURS)
		return HEARD_E_NOT_OURS;
	return r == 0 ? 0 : broken(ret, "it is cut short, or its sender is no possible MAC");
}
