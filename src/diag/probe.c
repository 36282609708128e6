/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - ask the network itself, with few frames
 */
#include "diag/probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "io/packet.h"
#include "kern/mcast.h"
#include "kern/vantage.h"
#include "net/dhcp_ask.h"
#include "net/eth.h"
#include "net/icmpv6.h"
#include "net/igmp.h"
#include "net/mld.h"
#include "net/ndp.h"
#include "net/udp.h"

#define TRIES 3u
#define AGAIN_MS 300u		/* a question without an answer is repeated */
#define REPORTS_MS 700u		/* a guest has half a second to answer a query (net/mld.h) */
#define QUERY_MAX 128
#define SMALL 64u		/* bytes of the first echo */
#define TTL 64
#define FRAME_MAX (ETH_HEADER_LEN + PROBE_ECHO_MAX)
#define BURST 64		/* frames taken from one socket before the others get their turn */

static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct in6_addr all_routers = { .s6_addr = { 0xff, 2, [15] = 2 } };
static const struct in6_addr all_servers = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } };

/* One place to send from, and its two ears. */
struct seat {
	enum probe_place place;
	uint32_t ifindex;
	int error;
	struct vantage vantage;
	struct mac mac;
	int fd[2];		/* IPv6, IPv4; PROBE_PLACE_GUEST: one for both */
};

struct run {
	struct ask *asks;
	size_t n;
	struct seat *seats;
	size_t n_seats;
	size_t *seat_of;
	uint8_t *frame;		/* FRAME_MAX bytes */
	struct packet_batch *batch;	/* of guests' frames; NULL: none were to be heard yet */
};

/* ---- sockets ---- */

#define LOAD8(at) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (at))
#define LOAD16(at) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (at))
#define LOAD16_X(at) BPF_STMT(BPF_LD | BPF_H | BPF_IND, (at))
#define IF_EQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

/* Only what can be an answer: a busy uplink must not wake us for each packet. */
static struct sock_filter ip6_filter[] = {
	LOAD8(ETH_HLEN + 6),
	IF_EQ(IPPROTO_ICMPV6, 0, 7),
	LOAD8(ETH_HLEN + 40),
	IF_EQ(ICMPV6_TOO_BIG, 8, 0),
	IF_EQ(ICMPV6_ECHO_REPLY, 7, 0),
	IF_EQ(ICMPV6_RA, 6, 0),
	IF_EQ(ICMPV6_NA, 5, 0),
	IF_EQ(ICMPV6_NS, 4, 0),
	RETURN(0),
	IF_EQ(IPPROTO_UDP, 0, 3),
	LOAD16(ETH_HLEN + 40 + 2),
	IF_EQ(DHCP6_PORT_CLIENT, 0, 1),
	RETURN(UINT32_MAX),
	RETURN(0),
};

static struct sock_filter ip4_filter[] = {
	LOAD8(ETH_HLEN + 9),
	IF_EQ(IPPROTO_UDP, 0, 4),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, ETH_HLEN),
	LOAD16_X(ETH_HLEN + 2),
	IF_EQ(DHCP4_PORT_CLIENT, 0, 1),
	RETURN(UINT32_MAX),
	RETURN(0),
};

static int prepare(int fd, uint32_t ifindex, bool ip4)
{
	const struct sock_fprog filter = {
		.len = ip4 ? ARRAY_LEN(ip4_filter) : ARRAY_LEN(ip6_filter),
		.filter = ip4 ? ip4_filter : ip6_filter,
	};
	const struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ip4 ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = (int)ifindex,
	};
	const struct packet_mreq all = { .mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_ALLMULTI };
	const int yes = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return 0;
}

static int open_seat(struct seat *seat, uint32_t mtu)
{
	char why[NL_WHY_MAX];
	uint32_t ifindex = seat->ifindex;

	if (seat->place == PROBE_PLACE_GUEST)
		return packet_open_guest(ifindex, KERN_MCAST_MARK, true, &seat->fd[0]);
	if (seat->place != PROBE_PLACE_DEVICE) {
		enum vantage_kind kind = seat->place == PROBE_PLACE_PORT ? VANTAGE_PORT : VANTAGE_MACVLAN;
		int r = vantage_open(kind, ifindex, mtu, &seat->vantage, why);

		if (r < 0)
			return r;
		seat->mac = seat->vantage.mac;
		ifindex = seat->vantage.ifindex;
	}
	for (int i = 0; i < 2; i++) {
		int fd = seat->place == PROBE_PLACE_DEVICE ?
				 socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) :
				 vantage_socket(&seat->vantage);

		if (fd < 0)
			return seat->place == PROBE_PLACE_DEVICE ? -errno : fd;
		seat->fd[i] = fd;
		int r = prepare(fd, ifindex, i == 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static void close_seat(struct seat *seat)
{
	for (int i = 0; i < 2; i++)
		closep(&seat->fd[i]);
	vantage_close(&seat->vantage);
}

static size_t find_seat(struct run *run, const struct ask *ask)
{
	for (size_t i = 0; i < run->n_seats; i++)
		if (run->seats[i].place == ask->place && run->seats[i].ifindex == ask->ifindex)
			return i;
	struct seat *seat = &run->seats[run->n_seats];
	*seat = (struct seat){ .place = ask->place, .ifindex = ask->ifindex, .vantage = VANTAGE_NONE, .mac = ask->mac,
			       .fd = { -1, -1 } };
	seat->error = open_seat(seat, ask->mtu);
	return run->n_seats++;
}

/* ---- questions ---- */

static void put_ns(struct wr *w, const struct ask *ask, bool dad)
{
	const struct in6_addr group = ip6_solicited_node(&ask->target.v6);
	const struct mac group_mac = mac_of_multicast6(&group);
	const bool unicast = ask->kind == PROBE_NS_UNICAST;
	const struct ndp_ns ns = { .target = ask->target.v6, .has_slla = !dad, .slla = ask->sender };

	eth_begin(w, unicast ? &ask->to : &group_mac, &ask->sender, ETH_TYPE_IP6);
	ndp_put_ns(w, dad ? &in6addr_any : &ask->src, unicast ? &ask->target.v6 : &group, &ns);
}

static void put_rs(struct wr *w, const struct ask *ask)
{
	const struct ndp_rs rs = { .has_slla = true, .slla = ask->sender };
	const struct mac dst = mac_of_multicast6(&all_routers);

	eth_begin(w, &dst, &ask->sender, ETH_TYPE_IP6);
	ndp_put_rs(w, &ask->src, &all_routers, &rs);
}

static void put_discover(struct wr *w, const struct ask *ask)
{
	const struct in_addr any = { 0 }, all = { INADDR_BROADCAST };

	eth_begin(w, &broadcast, &ask->sender, ETH_TYPE_IP4);
	size_t ip = ipv4_begin(w, any, all, IPPROTO_UDP, TTL);
	size_t udp = udp_begin(w, DHCP4_PORT_CLIENT, DHCP4_PORT_SERVER);
	dhcp4_put_discover(w, &ask->sender, ask->xid);
	udp_end4(w, udp, any, all);
	ipv4_end(w, ip);
}

static void put_solicit(struct wr *w, const struct ask *ask)
{
	const struct mac dst = mac_of_multicast6(&all_servers);

	eth_begin(w, &dst, &ask->sender, ETH_TYPE_IP6);
	size_t ip = ipv6_begin(w, &ask->src, &all_servers, IPPROTO_UDP, 1);
	size_t udp = udp_begin(w, DHCP6_PORT_CLIENT, DHCP6_PORT_SERVER);
	dhcp6_put_solicit(w, &ask->sender, ask->xid & 0xffffff);
	udp_end6(w, udp, &ask->src, &all_servers);
	ipv6_end(w, ip);
}

/* @step 1: the small one; 2: the one that it is about. The sequence number tells them apart. */
static void put_echo(struct wr *w, const struct ask *ask, uint8_t step)
{
	const size_t size = step == 1 ? SMALL : ask->size;
	const size_t at = w->len + ETH_HEADER_LEN;

	eth_begin(w, &ask->next_hop, &ask->sender, ETH_TYPE_IP6);
	size_t ip = ipv6_begin(w, &ask->src, &ask->target.v6, IPPROTO_ICMPV6, TTL);
	size_t icmp = icmpv6_begin(w, ICMPV6_ECHO);
	wr_be16(w, (uint16_t)ask->xid);
	wr_be16(w, step);
	if (size > w->len - at)
		(void)wr_skip(w, size - (w->len - at));
	icmpv6_end(w, icmp, &ask->src, &ask->target.v6);
	ipv6_end(w, ip);
}

/* Two frames, one a family: @ip4 tells which. */
static void put_groups(struct wr *w, const struct ask *ask, bool ip4)
{
	static const struct mac all_nodes[2] = { { { 0x33, 0x33, 0, 0, 0, 1 } }, { { 0x01, 0x00, 0x5e, 0, 0, 1 } } };
	const struct mac *to = mac_is_zero(&ask->mac) ? &all_nodes[ip4] : &ask->mac;

	eth_begin(w, to, &mld_querier_mac, ip4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	if (ip4)
		igmp_put_query(w);
	else
		mld_put_query(w, &mld_querier);
}

static void put_question(struct wr *w, const struct ask *ask)
{
	switch (ask->kind) {
	case PROBE_GROUPS:
		put_groups(w, ask, false);
		return;
	case PROBE_RS:
		put_rs(w, ask);
		return;
	case PROBE_NS:
	case PROBE_NS_UNICAST:
		put_ns(w, ask, false);
		return;
	case PROBE_DAD:
		put_ns(w, ask, true);
		return;
	case PROBE_DHCP4:
		put_discover(w, ask);
		return;
	case PROBE_DHCP6:
		put_solicit(w, ask);
		return;
	case PROBE_ECHO:
		if (ask->step == 0)
			put_ns(w, ask, false);
		else
			put_echo(w, ask, ask->step);
		return;
	case PROBE_KIND_N_:
		break;
	}
	w->bad = true;
}

static void send_question(struct run *run, struct ask *ask, const struct seat *seat, mono_t now)
{
	struct wr w = wr_init(run->frame, FRAME_MAX);

	put_question(&w, ask);
	assert(wr_ok(&w));
	if (!ask->asked)
		ask->begun = now;
	ask->sent = now;
	ask->n_sent++;
	if (ask->kind == PROBE_GROUPS) {
		uint8_t buf[QUERY_MAX];
		struct wr igmp = wr_init(buf, sizeof(buf));

		put_groups(&igmp, ask, true);
		(void)!write(seat->fd[0], buf, igmp.len);	/* what comes of the other frame is what counts */
	}
	if (write(seat->fd[ask->kind == PROBE_DHCP4], run->frame, w.len) < 0) {
		if (!ask->asked)
			ask->error = -errno;
		return;
	}
	ask->asked = true;
	ask->error = 0;
}

/* ---- answers ---- */

static struct probe_answer *add_answer(struct ask *ask, const struct ip *from, const struct mac *mac, mono_t now)
{
	for (size_t i = 0; i < ask->n_answers; i++)
		if (ip_eq(&ask->answers[i].from, from) && mac_eq(&ask->answers[i].mac, mac))
			return NULL;
	if (ask->n_answers == PROBE_ANSWERS)
		return NULL;
	struct probe_answer *a = &ask->answers[ask->n_answers++];
	*a = (struct probe_answer){ .from = *from, .mac = *mac, .after_us = (uint32_t)((now - ask->begun) / 1000) };
	return a;
}

static void hear_na(struct run *run, struct ask *ask, const struct seat *seat, const struct ndp_na *na,
		    const struct mac *mac, mono_t now)
{
	const struct ip from = ip6(na->src);

	switch (ask->kind) {
	case PROBE_NS:
	case PROBE_NS_UNICAST:
	case PROBE_DAD:
		if (IN6_ARE_ADDR_EQUAL(&na->target, &ask->target.v6))
			(void)add_answer(ask, &from, mac, now);
		return;
	case PROBE_ECHO:
		if (ask->step > 0 || !IN6_ARE_ADDR_EQUAL(&na->target, &ask->target.v6))
			return;
		ask->next_hop = *mac;
		ask->step = 1;
		ask->n_sent = 0;
		send_question(run, ask, seat, now);
		return;
	case PROBE_RS:
	case PROBE_DHCP4:
	case PROBE_DHCP6:
	case PROBE_GROUPS:
	case PROBE_KIND_N_:
		return;
	}
}

static void hear_echo(struct run *run, struct ask *ask, const struct seat *seat, const struct ipv6 *ip, struct rd msg,
		      const struct mac *mac, mono_t now)
{
	const struct ip from = ip6(ip->src);

	(void)rd_take(&msg, 4);
	uint16_t id = rd_be16(&msg), step = rd_be16(&msg);
	if (!rd_ok(&msg) || ask->kind != PROBE_ECHO || id != (uint16_t)ask->xid ||
	    !IN6_ARE_ADDR_EQUAL(&ip->src, &ask->target.v6))
		return;
	if (step == 1 && ask->step == 1) {
		ask->small_came = true;
		ask->step = 2;
		ask->n_sent = 0;
		send_question(run, ask, seat, now);
	} else if (step == 2) {
		struct probe_answer *a = add_answer(ask, &from, mac, now);

		if (a)
			a->value = (uint32_t)(ip->payload.left + IPV6_HEADER_LEN);
	}
}

/* RFC 4443 3.2: the MTU, then as much of our packet as fits. */
static void hear_too_big(struct ask *ask, struct rd msg)
{
	struct in6_addr dst;

	(void)rd_take(&msg, 4);
	uint32_t mtu = rd_be32(&msg);
	(void)rd_take(&msg, 24);	/* of the quoted header: up to its destination */
	rd_copy(&msg, &dst, sizeof(dst));
	if (rd_ok(&msg) && ask->kind == PROBE_ECHO && IN6_ARE_ADDR_EQUAL(&dst, &ask->target.v6))
		ask->too_big = mtu;
}

static void hear_icmp(struct run *run, struct ask *ask, const struct seat *seat, const struct ipv6 *ip,
		      const struct mac *mac, mono_t now)
{
	const struct ndp_meta meta = { .src = ip->src, .dst = ip->dst, .hop_limit = ip->hop_limit };
	struct ndp_ra ra;
	struct ndp_na na;
	struct rd msg;
	uint8_t type;

	if (icmpv6_open(ip, false, &type, &msg))
		return;
	if (type == ICMPV6_NA && ndp_parse_na(msg, &meta, &na) == 0) {
		hear_na(run, ask, seat, &na, mac, now);
	} else if (type == ICMPV6_ECHO_REPLY) {
		hear_echo(run, ask, seat, ip, msg, mac, now);
	} else if (type == ICMPV6_TOO_BIG) {
		hear_too_big(ask, msg);
	} else if (type == ICMPV6_RA && ask->kind == PROBE_RS && ndp_parse_ra(msg, &meta, &ra) == 0) {
		const struct ip from = ip6(ip->src);
		struct probe_answer *a = add_answer(ask, &from, mac, now);

		if (a) {
			a->value = ra.lifetime_s;
			a->managed = ra.managed;
		}
	}
}

static void hear6(struct run *run, struct ask *ask, const struct seat *seat, const struct eth *eth, mono_t now)
{
	struct dhcp6_offer offer;
	struct ipv6 ip;
	struct udp udp;

	if (ipv6_parse(eth->payload, &ip))
		return;
	if (ip.proto == IPPROTO_ICMPV6) {
		hear_icmp(run, ask, seat, &ip, &eth->src, now);
	} else if (ask->kind == PROBE_DHCP6 && udp_parse6(&ip, false, &udp) == 0 && udp.dst == DHCP6_PORT_CLIENT &&
		   dhcp6_parse_advertise(udp.payload, ask->xid, &offer) == 0) {
		const struct ip from = ip6(ip.src);

		(void)add_answer(ask, &from, &eth->src, now);
	}
}

static void hear4(struct ask *ask, const struct eth *eth, mono_t now)
{
	struct dhcp4_offer offer;
	struct ipv4 ip;
	struct udp udp;

	if (ask->kind != PROBE_DHCP4 || ipv4_parse(eth->payload, &ip) || udp_parse4(&ip, false, &udp) ||
	    udp.dst != DHCP4_PORT_CLIENT || dhcp4_parse_offer(udp.payload, &ask->sender, ask->xid, &offer))
		return;
	const struct ip from = ip4(offer.server);
	(void)add_answer(ask, &from, &eth->src, now);
}

/* Whoever wants to answer a guest of ours asks where it is: nobody else's kernel knows the address. */
static void answer_ns(struct run *run, const struct seat *seat, const struct eth *eth)
{
	static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80 } };
	const struct in6_addr own = ip6_eui64(&link_local, &seat->mac);
	struct wr w = wr_init(run->frame, FRAME_MAX);
	struct ndp_ns ns;
	struct ipv6 ip;
	struct rd msg;
	uint8_t type;

	if (seat->place == PROBE_PLACE_DEVICE || ipv6_parse(eth->payload, &ip) || icmpv6_open(&ip, false, &type, &msg))
		return;
	const struct ndp_meta meta = { .src = ip.src, .dst = ip.dst, .hop_limit = ip.hop_limit };
	if (type != ICMPV6_NS || ndp_parse_ns(msg, &meta, &ns) || !IN6_ARE_ADDR_EQUAL(&ns.target, &own) ||
	    IN6_IS_ADDR_UNSPECIFIED(&ns.src))
		return;
	const struct ndp_na na = { .target = own, .solicited = true, .override = true, .has_tlla = true, .tlla = seat->mac };
	eth_begin(&w, &eth->src, &seat->mac, ETH_TYPE_IP6);
	ndp_put_na(&w, &own, &ns.src, &na);
	(void)!write(seat->fd[0], run->frame, w.len);
}

static void add_group(struct ask *ask, const struct mac *group)
{
	for (size_t i = 0; i < ask->n_groups; i++)
		if (mac_eq(&ask->groups[i], group))
			return;
	if (ask->n_groups < PROBE_GROUPS_MAX)
		ask->groups[ask->n_groups++] = *group;
}

/* A report of the guest's. Other frames of its are no answer. */
static void hear_report(struct ask *ask, const struct eth *eth, bool csum_ready, mono_t now)
{
	static struct mld_report mld;
	static struct igmp_report igmp;
	struct ipv4 ip4h;
	struct ipv6 ip6h;
	struct rd msg;
	uint8_t type;

	if (eth->type == ETH_TYPE_IP6 && ipv6_parse(eth->payload, &ip6h) == 0 && icmpv6_open(&ip6h, csum_ready, &type, &msg) == 0) {
		const struct ndp_meta meta = { .src = ip6h.src, .dst = ip6h.dst, .hop_limit = ip6h.hop_limit };
		const struct ip from = ip6(ip6h.src);

		if (mld_parse(msg, &meta, &mld))
			return;
		(void)add_answer(ask, &from, &eth->src, now);
		for (size_t i = 0; i < mld.n_records; i++) {
			const struct mac group = mac_of_multicast6(&mld.records[i].group);

			if (mld_record_joins(&mld.records[i]))
				add_group(ask, &group);
		}
	} else if (eth->type == ETH_TYPE_IP4 && ipv4_parse(eth->payload, &ip4h) == 0 && igmp_parse(&ip4h, &igmp) == 0) {
		for (size_t i = 0; i < igmp.n_records; i++) {
			const struct mac group = mac_of_multicast4(igmp.records[i].group);
			const struct mld_record as = { .type = igmp.records[i].type, .n_sources = igmp.records[i].n_sources };

			if (mld_record_joins(&as))
				add_group(ask, &group);
		}
	}
}

static void hear_guest(struct run *run, size_t seat, mono_t now)
{
	if (!run->batch && packet_batch_new(&run->batch) < 0)
		return;
	int n = packet_recv(run->batch, run->seats[seat].fd[0], PACKET_BATCH);

	for (int i = 0; i < n; i++) {
		const struct packet packet = packet_get(run->batch, (unsigned int)i);
		struct eth eth;

		for (size_t k = 0; k < run->n && !packet.cut && eth_parse(packet.frame, &eth) == 0; k++)
			if (run->seat_of[k] == seat && run->asks[k].asked)
				hear_report(&run->asks[k], &eth, packet.csum_ready, now);
	}
}

static void hear(struct run *run, size_t seat, int family, mono_t now)
{
	if (run->seats[seat].place == PROBE_PLACE_GUEST) {
		hear_guest(run, seat, now);
		return;
	}
	for (int i = 0; i < BURST; i++) {
		uint8_t buf[PROBE_ECHO_MAX + ETH_HEADER_LEN];
		ssize_t len = recv(run->seats[seat].fd[family], buf, sizeof(buf), MSG_DONTWAIT);
		struct eth eth;

		if (len < 0)
			return;
		if (eth_parse(rd_init(buf, (size_t)len), &eth))
			continue;
		if (family == 0)
			answer_ns(run, &run->seats[seat], &eth);
		for (size_t k = 0; k < run->n; k++) {
			if (run->seat_of[k] != seat || !run->asks[k].asked)
				continue;
			if (family == 0)
				hear6(run, &run->asks[k], &run->seats[seat], &eth, now);
			else
				hear4(&run->asks[k], &eth, now);
		}
	}
}

/* ---- the turn of events ---- */

/* How many will answer isn't known where anybody may: others get a second more than the first. */
static bool is_done(const struct ask *ask, mono_t now)
{
	if (ask->error < 0)
		return true;
	switch (ask->kind) {
	case PROBE_NS:
	case PROBE_NS_UNICAST:
	case PROBE_ECHO:
		return ask->n_answers > 0 || ask->too_big > 0;
	case PROBE_DAD:		/* RFC 4862: one transmission, one second */
		return now - ask->begun >= MONO_S;
	case PROBE_GROUPS:	/* a report in several parts, or one a group (MLDv1), comes within half a second */
		return (ask->n_answers > 0 || ask->n_sent == TRIES) && now - ask->sent >= REPORTS_MS * MONO_MS;
	case PROBE_RS:
	case PROBE_DHCP4:
	case PROBE_DHCP6:
		return ask->n_answers > 0 && now - ask->begun >= MONO_S + ask->answers[0].after_us * UINT64_C(1000);
	case PROBE_KIND_N_:
		break;
	}
	return false;
}

static bool all_done(const struct run *run, mono_t now)
{
	for (size_t i = 0; i < run->n; i++)
		if (!is_done(&run->asks[i], now))
			return false;
	return true;
}

/* A router may advertise itself once in three seconds only (RFC 4861 6.2.6), a server must not be asked in a hurry. */
static bool wants_repeat(const struct ask *ask, mono_t now)
{
	const unsigned int again_ms = ask->kind == PROBE_GROUPS ? REPORTS_MS : AGAIN_MS;

	return ask->n_answers == 0 && ask->n_sent < TRIES && now - ask->sent >= again_ms * MONO_MS && !is_done(ask, now);
}

static void listen_until(struct run *run, mono_t least, mono_t end)
{
	_cleanup_(freep) struct pollfd *fds = xcalloc(run->n_seats * 2 + 1, sizeof(*fds));

	for (size_t i = 0; i < run->n_seats * 2; i++)	/* of a seat that failed -1: poll() skips it */
		fds[i] = (struct pollfd){ .fd = run->seats[i / 2].error < 0 ? -1 : run->seats[i / 2].fd[i % 2],
					  .events = POLLIN };
	for (mono_t now = mono_now(); now < least || (now < end && !all_done(run, now)); now = mono_now()) {
		mono_t wait = mono_min(now < end ? end - now : 0, AGAIN_MS / 3 * MONO_MS);

		if (poll(fds, run->n_seats * 2, (int)(wait / MONO_MS) + 1) < 0 && errno != EINTR)
			return;
		now = mono_now();
		for (size_t i = 0; i < run->n_seats * 2; i++)
			if (fds[i].revents)
				hear(run, i / 2, (int)(i % 2), now);
		for (size_t i = 0; i < run->n; i++)
			if (wants_repeat(&run->asks[i], now))
				send_question(run, &run->asks[i], &run->seats[run->seat_of[i]], now);
	}
}

static void begin(struct run *run, struct ask *ask, size_t seat)
{
	static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80 } };

	run->seat_of[ask - run->asks] = seat;
	ask->sender = run->seats[seat].mac;
	ask->src = ask->source.family == AF_INET6 ? ask->source.v6 : ip6_eui64(&link_local, &ask->sender);
	if (ask->error == 0)
		ask->error = run->seats[seat].error;
	if (ask->kind == PROBE_ECHO && (ask->size < SMALL || ask->size > PROBE_ECHO_MAX))
		ask->error = -EINVAL;
	if (ask->error == 0 && getrandom(&ask->xid, sizeof(ask->xid), 0) != sizeof(ask->xid))
		ask->error = -EIO;
	if (ask->error == 0)
		send_question(run, ask, &run->seats[seat], mono_now());
}

int probe_run(struct ask *asks, size_t n, unsigned int least_ms, unsigned int limit_ms)
{
	struct run run = { .asks = asks, .n = n < PROBE_MAX ? n : PROBE_MAX };
	bool any = n == 0;
	int r = 0;

	for (size_t i = run.n; i < n; i++)
		asks[i].error = -E2BIG;
	run.seats = xcalloc(run.n + 1, sizeof(*run.seats));
	run.seat_of = xcalloc(run.n + 1, sizeof(*run.seat_of));
	run.frame = xcalloc(1, FRAME_MAX);
	for (size_t i = 0; i < run.n; i++) {
		begin(&run, &asks[i], find_seat(&run, &asks[i]));
		any = any || asks[i].asked;
		if (!any)
			r = asks[i].error;
	}
	if (any) {
		mono_t now = mono_now();

		listen_until(&run, now + least_ms * MONO_MS, now + limit_ms * MONO_MS);
	}
	for (size_t i = 0; i < run.n_seats; i++)
		close_seat(&run.seats[i]);
	(void)packet_batch_free(run.batch);
	free(run.seats);
	free(run.seat_of);
	free(run.frame);
	return any ? 0 : r;
}
