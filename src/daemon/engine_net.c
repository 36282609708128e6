/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_net - one network in the engine: its sockets and responders
 *
 * From a frame to a checked message to the responder that it is for. Whatever
 * doesn't parse is counted and forgotten.
 */
#include "daemon/engine_net.h"

#include "net/eth.h"
#include "net/icmpv6.h"
#include "net/mld.h"
#include "net/udp.h"

#define DHCP4_SERVER_PORT 67
#define DHCP6_SERVER_PORT 547
#define FRAMES_A_MESSAGE 2	/* room for what one frame can lead to */
#define FACTS_A_MESSAGE 32

int engine_net_new(struct engine_net **ret, const char *name, const uint8_t dhcp6_seed[static 16],
		   const uint8_t random[static 16], mono_t now)
{
	static const struct service nothing;
	_cleanup_(engine_net_freep) struct engine_net *net = NEW(struct engine_net);
	uint64_t seed;
	int r;

	(void)str_copy(net->name, sizeof(net->name), name);
	(void)str_copy(net->stats.network, sizeof(net->stats.network), name);
	(void)str_copy(net->told_stats.network, sizeof(net->told_stats.network), name);
	for (unsigned int i = 0; i < ENGINE_SOCKET_N_; i++) {
		net->socks[i].src.fd = -1;
		net->socks[i].net = net;
		net->socks[i].kind = (enum engine_socket)i;
	}
	net->out = NEW(struct out);
	memcpy(&seed, random, sizeof(seed));
	r = ra_new(&net->ra, &nothing, seed, now);
	if (r == 0)
		r = neigh_new(&net->neigh, &nothing, seed);
	if (r == 0)
		r = dhcp4_new(&net->dhcp4, random);
	if (r == 0)
		r = dhcp6_new(&net->dhcp6, dhcp6_seed);
	if (r < 0)
		return r;
	*ret = STEAL_PTR(net);
	return 0;
}

struct engine_staged *engine_staged_free(struct engine_staged *staged)
{
	if (!staged)
		return NULL;
	for (unsigned int i = 0; i < ENGINE_SOCKET_N_; i++)
		closep(&staged->fds[i]);
	free(staged->hosts);
	free(staged);
	return NULL;
}

struct engine_net *engine_net_free(struct engine_net *net)
{
	if (!net)
		return NULL;
	for (unsigned int i = 0; i < ENGINE_SOCKET_N_; i++) {
		loop_del(&net->socks[i].src);
		closep(&net->socks[i].src.fd);
	}
	engine_staged_free(net->staged);
	ra_free(net->ra);
	neigh_free(net->neigh);
	dhcp4_free(net->dhcp4);
	dhcp6_free(net->dhcp6);
	free(net->out);
	free(net);
	return NULL;
}

bool engine_net_has_room(const struct engine_net *net)
{
	return net->out->n_frames + FRAMES_A_MESSAGE <= OUT_FRAMES && net->out->n_facts + FACTS_A_MESSAGE <= OUT_FACTS;
}

/* All parsers' outcomes have these two. */
static void count_outcome(struct engine_net *net, bool malformed)
{
	if (malformed)
		net->stats.malformed++;
}

static void input_arp(struct engine_net *net, const struct eth *eth, mono_t now)
{
	struct arp arp;
	int r = arp_parse(eth->payload, &arp);

	if (r != 0) {
		count_outcome(net, r == ARP_E_MALFORMED);
		return;
	}
	neigh_arp(net->neigh, &arp, &eth->src, now, net->out);
	if (arp.sender.s_addr != INADDR_ANY) {
		struct ip ip = ip4(arp.sender);

		dhcp4_seen(net->dhcp4, &ip, &eth->src, now);
	}
}

static void input_ip4(struct engine_net *net, const struct eth *eth, bool csum_ready, bool dhcp, mono_t now)
{
	struct dhcp4_msg msg;
	struct ipv4 ip;
	struct udp udp;
	int r = ipv4_parse(eth->payload, &ip);

	if (r != 0) {
		count_outcome(net, r == IPV4_E_MALFORMED);
		return;
	}
	r = udp_parse4(&ip, csum_ready, &udp);
	if (r != 0 || udp.dst != DHCP4_SERVER_PORT) {
		count_outcome(net, r == UDP_E_MALFORMED);
		return;
	}
	r = dhcp4_parse(udp.payload, &msg);
	if (r != 0) {
		count_outcome(net, r == DHCP4_E_MALFORMED);
		return;
	}
	if (!dhcp) {
		net->stats.dropped++;
		return;
	}

	struct dhcp4_meta meta = { .src_mac = eth->src, .src = ip.src, .dst = ip.dst };
	(void)dhcp4_input(net->dhcp4, &msg, &meta, now, net->out);
}

static void input_dhcp6(struct engine_net *net, const struct eth *eth, const struct ipv6 *ip, bool csum_ready, bool dhcp,
			mono_t now)
{
	struct dhcp6_msg msg;
	struct udp udp;
	int r = udp_parse6(ip, csum_ready, &udp);

	if (r != 0 || udp.dst != DHCP6_SERVER_PORT) {
		count_outcome(net, r == UDP_E_MALFORMED);
		return;
	}
	r = dhcp6_parse(udp.payload, &msg);
	if (r != 0) {
		count_outcome(net, r == DHCP6_E_MALFORMED);
		return;
	}
	if (!dhcp) {
		net->stats.dropped++;
		return;
	}

	struct dhcp6_meta meta = { .src_mac = eth->src, .src = ip->src, .dst = ip->dst };
	(void)dhcp6_input(net->dhcp6, &msg, &meta, now, net->out);
}

static bool input_na(struct engine_net *net, const struct eth *eth, struct rd icmp, const struct ndp_meta *meta,
		     mono_t now)
{
	struct ndp_na na;
	int r = ndp_parse_na(icmp, meta, &na);

	if (r != 0)
		return false;

	struct ip ip = ip6(na.target);
	dhcp6_seen(net->dhcp6, &ip, &eth->src, now);
	neigh_na(net->neigh, &na, &eth->src, now, net->out);
	return true;
}

/* Return: false when the message is malformed. */
static bool input_icmpv6(struct engine_net *net, const struct eth *eth, const struct ipv6 *ip, bool csum_ready, mono_t now)
{
	const struct ndp_meta meta = { ip->src, ip->dst, ip->hop_limit };
	struct mld_report report;
	struct ndp_rs rs;
	struct ndp_ns ns;
	struct rd icmp;
	uint8_t type;

	if (icmpv6_open(ip, csum_ready, &type, &icmp) != 0)
		return false;
	switch (type) {
	case ICMPV6_RS:
		if (ndp_parse_rs(icmp, &meta, &rs) != 0)
			return false;
		ra_input(net->ra, &rs, &eth->src, now, net->out);
		neigh_rs(net->neigh, &rs, &eth->src, now, net->out);
		return true;
	case ICMPV6_NS:
		if (ndp_parse_ns(icmp, &meta, &ns) != 0)
			return false;
		neigh_ns(net->neigh, &ns, &eth->src, now, net->out);
		return true;
	case ICMPV6_NA:
		return input_na(net, eth, icmp, &meta, now);
	case ICMPV6_MLD_REPORT:
	case ICMPV6_MLD_DONE:
	case ICMPV6_MLD2_REPORT:
		return mld_parse(icmp, &meta, &report) == 0;
	default:	/* a wire byte; the socket's filter lets no other through */
		return true;
	}
}

static void input_ip6(struct engine_net *net, const struct eth *eth, bool csum_ready, bool dhcp, mono_t now)
{
	struct ipv6 ip;
	int r = ipv6_parse(eth->payload, &ip);

	if (r != 0) {
		count_outcome(net, r == IPV6_E_MALFORMED);
		return;
	}
	if (ip.proto == IPPROTO_UDP)
		input_dhcp6(net, eth, &ip, csum_ready, dhcp, now);
	else if (!input_icmpv6(net, eth, &ip, csum_ready, now)) {
		net->stats.malformed++;
		return;
	}

	bool starting = IN6_IS_ADDR_UNSPECIFIED(&ip.src);
	if (!starting) {
		struct ip src = ip6(ip.src);

		dhcp6_seen(net->dhcp6, &src, &eth->src, now);
	}
	/* After a solicitation this does nothing: the guest has just been answered. */
	ra_first_frame(net->ra, &eth->src, starting, now, net->out);
}

void engine_net_input(struct engine_net *net, enum engine_socket kind, const struct packet *packet, bool dhcp, mono_t now)
{
	struct eth eth;

	net->stats.frames++;
	if (packet->cut || eth_parse(packet->frame, &eth) != 0) {
		net->stats.malformed++;
		return;
	}
	switch (kind) {
	case ENGINE_SOCKET_ARP:
		input_arp(net, &eth, now);
		break;
	case ENGINE_SOCKET_IP:
		if (eth.type == ETH_TYPE_IP6)
			input_ip6(net, &eth, packet->csum_ready, dhcp, now);
		else if (eth.type == ETH_TYPE_IP4)
			input_ip4(net, &eth, packet->csum_ready, dhcp, now);
		break;
	case ENGINE_SOCKET_N_:
		break;
	}
}

mono_t engine_net_deadline(const struct engine_net *net, bool dhcp)
{
	mono_t at = ra_deadline(net->ra);

	if (!dhcp)
		return at;
	return mono_min(at, mono_min(dhcp4_deadline(net->dhcp4), dhcp6_deadline(net->dhcp6)));
}

void engine_net_tick(struct engine_net *net, bool dhcp, mono_t now)
{
	ra_tick(net->ra, now, net->out);
	if (!dhcp)
		return;
	if (dhcp4_deadline(net->dhcp4) <= now)
		(void)dhcp4_tick(net->dhcp4, now, net->out);
	if (dhcp6_deadline(net->dhcp6) <= now)
		(void)dhcp6_tick(net->dhcp6, now, net->out);
}

uint32_t engine_net_n_leases(const struct engine_net *net)
{
	return dhcp4_n_leases(net->dhcp4) + dhcp6_n_leases(net->dhcp6);
}

uint64_t engine_net_pool_full(const struct engine_net *net)
{
	return dhcp4_stats(net->dhcp4)->n_pool_full + dhcp6_stats(net->dhcp6)->n_pool_full;
}

bool engine_net_count(struct engine_net *net)
{
	net->stats.pool_full = engine_net_pool_full(net);
	return memcmp(&net->stats, &net->told_stats, sizeof(net->stats)) != 0;
}
