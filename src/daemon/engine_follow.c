/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_follow - the engine's part of multicast that follows the guest
 */
#include "daemon/engine_follow.h"

#include <errno.h>
#include <uthash.h>
#include "base/log.h"
#include "net/arp.h"
#include "net/eth.h"
#include "net/icmpv6.h"
#include "resp/mcast.h"
#include "resp/qmp.h"

#define SIGHTS 16		/* addresses of a guest that main was told of lately */
#define SIGHT_AGAIN (300 * MONO_S)
#define QUERY_LEN 128

struct followed {
	uint64_t id;
	struct engine_follow *all;
	struct inner_follow conf;
	struct mcast *mcast;
	struct loop_fd sock;		/* fd owned; -1: none */
	struct mac heard;		/* source of its last frame; zero: none yet */
	struct qmp *qmp;		/* NULL: no monitor */
	struct loop_fd monitor;		/* fd owned; -1: none */
	struct {
		struct ip ip;
		mono_t at;
	} sights[SIGHTS];
	bool changed;			/* there may be something to tell */
	UT_hash_handle hh, hh_index;
};

struct engine_follow {
	struct loop *loop;
	struct tell *tell;
	struct packet_batch *batch;
	struct followed *guests;	/* by id */
	struct followed *by_index;
	struct loop_fd ear_src;
	struct ear *ear;
	bool changed;
	struct log_gate gate;
};

static void hang_up(struct followed *g)
{
	loop_del(&g->monitor);
	closep(&g->monitor.fd);
	g->monitor.fd = -1;
	g->qmp = qmp_free(g->qmp);
	mcast_qmp_gone(g->mcast);
}

static void forget(struct followed *g)
{
	hang_up(g);
	HASH_DEL(g->all->guests, g);
	HASH_DELETE(hh_index, g->all->by_index, g);
	loop_del(&g->sock);
	closep(&g->sock.fd);
	mcast_free(g->mcast);
	free(g);
}

struct engine_follow *engine_follow_free(struct engine_follow *f)
{
	struct followed *g, *next;

	if (!f)
		return NULL;
	HASH_ITER(hh, f->guests, g, next)
		forget(g);
	loop_del(&f->ear_src);
	free(f);
	return NULL;
}

static void changed(struct followed *g)
{
	g->changed = g->all->changed = true;
}

/* ---- what guests say ---- */

static int saw(struct followed *g, const struct ip *ip, mono_t now)
{
	size_t oldest = 0;

	if (ip_is_unspecified(ip) || ip_is_multicast(ip))
		return 0;
	for (size_t i = 0; i < SIGHTS; i++) {
		if (ip_eq(&g->sights[i].ip, ip)) {
			if (now - g->sights[i].at < SIGHT_AGAIN)
				return 0;
			oldest = i;
			break;
		}
		if (g->sights[i].at < g->sights[oldest].at)
			oldest = i;
	}
	g->sights[oldest].ip = *ip;
	g->sights[oldest].at = now;
	return tell_sight(g->all->tell, &(struct inner_sight){ .id = g->id, .ip = *ip });
}

static int input_icmpv6(struct followed *g, const struct ipv6 *ip, bool csum_ready, mono_t now)
{
	const struct ndp_meta meta = { ip->src, ip->dst, ip->hop_limit };
	static struct mld_report report;
	struct ndp_ns ns;
	struct ndp_na na;
	struct rd icmp;
	struct ip seen;
	uint8_t type;

	if (icmpv6_open(ip, csum_ready, &type, &icmp) != 0)
		return 0;
	if (mld_parse(icmp, &meta, &report) == 0) {
		mcast_mld(g->mcast, &report, now);
		return 0;
	}
	if (ndp_parse_ns(icmp, &meta, &ns) == 0) {
		mcast_ns(g->mcast, &ns, now);
		seen = ip6(IN6_IS_ADDR_UNSPECIFIED(&ns.src) ? ns.target : ns.src);	/* what it probes for, it is about to use */
		return saw(g, &seen, now);
	}
	if (ndp_parse_na(icmp, &meta, &na) == 0) {
		mcast_na(g->mcast, &na, now);
		seen = ip6(na.target);
		return saw(g, &seen, now);
	}
	return 0;
}

static int input(struct followed *g, const struct packet *packet, mono_t now)
{
	static struct igmp_report report;
	struct ipv4 ip4h;
	struct ipv6 ip6h;
	struct eth eth;
	struct arp arp;

	if (packet->cut || eth_parse(packet->frame, &eth) != 0)
		return 0;
	if (!mac_eq(&g->heard, &eth.src)) {
		g->heard = eth.src;
		if (!mac_eq(&eth.src, &g->conf.mac))
			mcast_heard(g->mcast, now);
	}
	switch (eth.type) {
	case ETH_TYPE_IP6:
		return ipv6_parse(eth.payload, &ip6h) == 0 ? input_icmpv6(g, &ip6h, packet->csum_ready, now) : 0;
	case ETH_TYPE_IP4:
		if (ipv4_parse(eth.payload, &ip4h) == 0 && igmp_parse(&ip4h, &report) == 0)
			mcast_igmp(g->mcast, &report, now);
		return 0;
	case ETH_TYPE_ARP:
		if (arp_parse(eth.payload, &arp) == 0) {
			struct ip ip = ip4(arp.sender);

			return saw(g, &ip, now);
		}
		return 0;
	default:	/* what is on the wire */
		return 0;
	}
}

static int on_sock(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct followed *g = CONTAINER_OF(src, struct followed, sock);
	unsigned int held;
	int n = packet_recv(g->all->batch, src->fd, PACKET_BATCH), r = 0;

	(void)events;
	if (n < 0) {
		if (n != -ENETDOWN && log_gate_pass(&g->all->gate, now, &held))
			log_event(LOG_LEVEL_WARNING, "cannot-receive device=%s error=\"%s\" held_back=%u", g->conf.device,
				  strerror(-n), held);
		return 0;
	}
	for (unsigned int i = 0; i < (unsigned int)n && r == 0; i++) {
		struct packet packet = packet_get(g->all->batch, i);

		r = input(g, &packet, now);
	}
	if (packet_lost(src->fd) > 0)
		mcast_missed(g->mcast, now);
	changed(g);
	return r;
}

static int on_heard(void *user, uint32_t ifindex, const struct packet *packet, bool lost, mono_t now)
{
	const struct engine_follow *f = user;
	struct followed *g = NULL;

	HASH_FIND(hh_index, f->by_index, &ifindex, sizeof(ifindex), g);
	if (!g)		/* not yet, and then it is asked; or no more */
		return 0;
	if (lost)
		mcast_missed(g->mcast, now);
	changed(g);
	return input(g, packet, now);
}

static int on_ear(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct engine_follow *f = CONTAINER_OF(src, struct engine_follow, ear_src);
	int r = ear_read(f->ear, PACKET_BATCH, on_heard, f, now);

	(void)events;
	for (struct followed *g = r > 0 ? f->guests : NULL; g; g = g->hh.next)
		mcast_missed(g->mcast, now);
	return r < 0 ? r : 0;
}

int engine_follow_new(struct engine_follow **ret, struct loop *loop, struct tell *tell, struct packet_batch *batch,
		      struct ear *ear)
{
	struct engine_follow *f = NEW(struct engine_follow);

	*f = (struct engine_follow){ .loop = loop, .tell = tell, .batch = batch, .ear = ear,
				     .gate = { .every = 60 * MONO_S, .burst = 3 } };
	*ret = f;
	if (!ear)
		return 0;
	f->ear_src = (struct loop_fd){ .name = "ear", .fn = on_ear, .fd = ear_fd(ear) };
	return loop_add(loop, &f->ear_src, EPOLLIN);
}

/* ---- what QEMU says ---- */

/* A question is shorter than any socket's buffer; one that doesn't fit all the same ends the conversation. */
static int converse(struct followed *g, mono_t now)
{
	const char *say;

	while ((say = qmp_output(g->qmp, now)))
		if (write(g->monitor.fd, say, strlen(say)) != (ssize_t)strlen(say))
			return -EPIPE;
	return 0;
}

static int ended(struct followed *g, int why)
{
	unsigned int held;

	if (why != 0 && log_gate_pass(&g->all->gate, loop_now(g->all->loop), &held))
		log_event(LOG_LEVEL_WARNING, "monitor-dropped device=%s error=\"%s\" held_back=%u", g->conf.device, strerror(-why),
			  held);
	hang_up(g);
	changed(g);
	return tell_qmp_gone(g->all->tell, g->id);
}

static int on_monitor(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct followed *g = CONTAINER_OF(src, struct followed, monitor);
	const struct qmp_filter *filter = NULL;
	static char buf[16384];
	mono_t asked = 0;
	ssize_t n = read(src->fd, buf, sizeof(buf));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return ended(g, 0);
	int r = qmp_input(g->qmp, buf, (size_t)n, now, &filter, &asked);
	while (r == 1) {
		mcast_rx_filter(g->mcast, filter, asked, now);
		changed(g);
		r = qmp_input(g->qmp, NULL, 0, now, &filter, &asked);
	}
	if (r == 0)
		r = converse(g, now);
	return r < 0 ? ended(g, r) : 0;
}

static int begin_monitor(struct engine_follow *f, struct inner_msg *msg)
{
	struct followed *g = NULL;
	const uint64_t id = msg->body.qmp.id;
	int r;

	HASH_FIND(hh, f->guests, &id, sizeof(id), g);
	if (!g)
		return 0;	/* gone meanwhile */
	hang_up(g);
	r = qmp_new(&g->qmp, msg->body.qmp.nic, &g->conf.mac);
	g->monitor.fd = STEAL_FD(msg->fds[0]);
	return r < 0 ? r : loop_add(f->loop, &g->monitor, EPOLLIN);
}

/* ---- asking ---- */

static void ask_mac(struct followed *g, const struct mac *mac)
{
	void (*const put[])(struct wr *) = { igmp_put_query, NULL };
	uint8_t frame[QUERY_LEN];

	for (size_t i = 0; i < ARRAY_LEN(put); i++) {
		struct wr w = wr_init(frame, sizeof(frame));

		eth_begin(&w, mac, &mld_querier_mac, put[i] ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
		if (put[i])
			put[i](&w);
		else
			mld_put_query(&w, &mld_querier);
		if (wr_ok(&w))
			(void)packet_send(g->sock.fd, frame, w.len);	/* a device that is down: asked again later */
	}
}

/* A guest may have another MAC than its macvtap: in mode passthru it hears, in all it may speak. */
static void ask(struct followed *g)
{
	ask_mac(g, &g->conf.mac);
	if (!mac_is_zero(&g->heard) && !mac_eq(&g->heard, &g->conf.mac))
		ask_mac(g, &g->heard);
}

mono_t engine_follow_deadline(const struct engine_follow *f)
{
	mono_t at = MONO_NEVER;

	for (const struct followed *g = f->guests; g; g = g->hh.next)
		at = mono_min(at, mono_min(mcast_deadline(g->mcast), g->qmp ? qmp_deadline(g->qmp) : MONO_NEVER));
	return at;
}

void engine_follow_tick(struct engine_follow *f, mono_t now)
{
	for (struct followed *g = f->guests; g; g = g->hh.next) {
		if (g->qmp && qmp_deadline(g->qmp) <= now && converse(g, now) < 0)
			(void)ended(g, -EPIPE);
		if (mcast_deadline(g->mcast) > now)
			continue;
		if (mcast_tick(g->mcast, now))
			ask(g);
		changed(g);
	}
}

/* ---- main ---- */

int engine_follow_settle(struct engine_follow *f)
{
	struct mcast_change change;
	int r = 0;

	if (!f->changed)
		return 0;
	f->changed = false;
	for (struct followed *g = f->guests; g && r == 0; g = g->hh.next) {
		if (!g->changed)
			continue;
		while (r == 0 && tell_room(f->tell) > MCAST_GROUPS && mcast_change(g->mcast, &change))
			r = tell_group(f->tell, &(struct inner_group){ .id = g->id, .group = change.group,
								       .reasons = change.reasons });
		g->changed = tell_room(f->tell) <= MCAST_GROUPS;
		f->changed = f->changed || g->changed;
	}
	return r;
}

static struct followed *find(const struct engine_follow *f, uint64_t id)
{
	struct followed *g = NULL;

	HASH_FIND(hh, f->guests, &id, sizeof(id), g);
	return g;
}

static int begin(struct engine_follow *f, struct inner_msg *msg, mono_t now)
{
	const struct inner_follow *body = &msg->body.follow;
	struct followed *g = find(f, body->id);
	const bool is_new = !g;
	int r = 0;

	if (!g) {
		if (msg->n_fds != 1 || HASH_COUNT(f->guests) >= ENGINE_FOLLOW_MAX)
			return -EBADMSG;
		g = NEW(struct followed);
		g->id = body->id;
		g->all = f;
		g->sock = (struct loop_fd){ .name = "guest", .fn = on_sock, .fd = -1 };
		g->monitor = (struct loop_fd){ .name = "monitor", .fn = on_monitor, .fd = -1 };
		r = mcast_new(&g->mcast, now);
		g->conf.ifindex = body->ifindex;
		HASH_ADD(hh, f->guests, id, sizeof(g->id), g);
		HASH_ADD(hh_index, f->by_index, conf.ifindex, sizeof(g->conf.ifindex), g);
	}
	if (body->ifindex != g->conf.ifindex)	/* a device keeps it, and the hash goes by it */
		return -EBADMSG;
	g->conf = *body;
	mcast_may_ask(g->mcast, body->may_ask);
	mcast_declare(g->mcast, body->declared, body->n_declared);
	if (r == 0 && msg->n_fds == 1) {
		loop_del(&g->sock);
		closep(&g->sock.fd);
		g->sock.fd = STEAL_FD(msg->fds[0]);
		r = loop_add(f->loop, &g->sock, EPOLLIN);
		if (!is_new)	/* it wasn't heard for a while */
			mcast_missed(g->mcast, now);
	}
	changed(g);
	return r;
}

int engine_follow_message(struct engine_follow *f, struct inner_msg *msg, mono_t now)
{
	struct followed *g;

	if (msg->type == INNER_FOLLOW)
		return begin(f, msg, now);
	if (msg->type == INNER_FOLLOWED) {
		g = find(f, msg->body.group.id);
		if (!g || mac_is_zero(&msg->body.group.group))
			return -EBADMSG;
		mcast_had(g->mcast, &msg->body.group.group, msg->body.group.reasons);
		changed(g);
		return 0;
	}
	if (msg->type == INNER_UNFOLLOW) {
		g = find(f, msg->body.unfollow.id);
		if (g)
			forget(g);
		return 0;
	}
	return msg->type == INNER_QMP ? begin_monitor(f, msg) : -EBADMSG;
}
