/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure - what is worth asking on this host, and the answers into the snapshot
 */
#include "diag/measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "diag/probe.h"
#include "diag/scene.h"
#include "diag/snap_read.h"
#include "kern/inward.h"

#define LIMIT_MS 4500u		/* dnsmasq pings an address for three seconds before it offers it */
#define PER_LINK 4u		/* addresses asked for behind one interface */

struct plan {
	struct snapshot *s;
	struct ask *asks;
	uint32_t *about;	/* of each: the interface that it tells something of */
	size_t n;
	struct ask spare;	/* for whom there is no room */
};

struct drops {
	uint32_t ifindex;
	uint64_t before;
	mono_t at;
	int unwanted;		/* socket that counts frames of protocols that nobody here takes; or -1 */
};

static struct ask *ask(struct plan *p, enum probe_kind kind, enum probe_place place, const struct snap_link *at,
		       uint32_t about)
{
	if (p->n == PROBE_MAX)
		return &p->spare;
	p->about[p->n] = about;
	p->asks[p->n] = (struct ask){ .kind = kind, .place = place, .ifindex = at->ifindex, .mtu = at->mtu, .mac = at->mac };
	return &p->asks[p->n++];
}

static void ask_servers(struct plan *p, enum probe_place place, const struct snap_link *at)
{
	ask(p, PROBE_RS, place, at, at->ifindex);
	ask(p, PROBE_DHCP4, place, at, at->ifindex);
	ask(p, PROBE_DHCP6, place, at, at->ifindex);
}

static void plan_uplinks(struct plan *p)
{
	const struct snap_link *up4 = scene_uplink(p->s, AF_INET), *up6 = scene_uplink(p->s, AF_INET6);

	if (up6 && !mac_is_zero(&up6->mac))
		ask(p, PROBE_RS, PROBE_PLACE_DEVICE, up6, up6->ifindex);
	else if (up4 && !mac_is_zero(&up4->mac))
		ask(p, PROBE_RS, PROBE_PLACE_DEVICE, up4, up4->ifindex);
}

static void plan_macvtap(struct plan *p, const struct snap_link *l)
{
	const struct snap_link *lower = l->lower && !l->lower_elsewhere ? snap_link(p->s, l->lower) : NULL;
	const struct snap_nic *nic = snap_nic_of_link(p->s, l->ifindex);
	size_t n, asked = 0;

	if (!lower || !(lower->flags & IFF_UP))
		return;
	/* What its NIC lets in is the better answer. */
	if (!nic || !nic->rx_known) {
		struct ask *groups = ask(p, PROBE_GROUPS, PROBE_PLACE_GUEST, l, l->ifindex);

		groups->groups = arena_alloc(p->s->arena, PROBE_GROUPS_MAX, sizeof(*groups->groups));
		/* In mode bridge only its own MAC leads to it; in the others it may have any, and the filter leads there. */
		if (l->macvlan.mode != MACVLAN_MODE_BRIDGE)
			groups->mac = (struct mac){ 0 };
	}
	if (l->macvlan.mode != MACVLAN_MODE_BRIDGE)
		return;
	const struct scene_addr *addrs = scene_behind_link(p->s, p->s->arena, l, &n);
	for (size_t i = 0; i < n && asked < PER_LINK; i++) {
		if (addrs[i].ip.family != AF_INET6)
			continue;
		ask(p, PROBE_NS, PROBE_PLACE_MACVLAN, lower, l->ifindex)->target = addrs[i].ip;
		asked++;
	}
}

/* Where it can't be made sure that a question goes to the guest alone, it isn't asked. */
static struct inward lend_inward(struct plan *p)
{
	uint32_t *list = arena_alloc(p->s->arena, p->n + 1, sizeof(*list));
	struct inward inward;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->asks[i].kind == PROBE_GROUPS && snap_link(p->s, p->asks[i].ifindex)->macvlan.mode != MACVLAN_MODE_BRIDGE)
			list[n++] = p->asks[i].ifindex;
	int r = inward_open(&inward, list, n);
	for (size_t i = 0; r < 0 && i < p->n; i++)
		for (size_t k = 0; k < n; k++)
			if (p->asks[i].kind == PROBE_GROUPS && p->asks[i].ifindex == list[k])
				p->asks[i].error = r;
	return inward;
}

static uint32_t biggest_mtu(const struct snapshot *s, const struct snap_link *bridge)
{
	uint32_t mtu = bridge->mtu;

	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].master == bridge->ifindex && s->links[i].mtu > mtu)
			mtu = s->links[i].mtu;
	return mtu < PROBE_ECHO_MAX ? mtu : PROBE_ECHO_MAX;
}

/* A port of our own would wait for the spanning tree: there, from the bridge itself. */
static void plan_bridge(struct plan *p, const struct snap_link *bridge)
{
	enum probe_place place = bridge->bridge.stp ? PROBE_PLACE_DEVICE : PROBE_PLACE_PORT;
	struct snap_link at = *bridge;
	uint32_t last = 0;
	size_t n, asked = 0;

	at.mtu = biggest_mtu(p->s, bridge);
	ask_servers(p, place, &at);
	const struct scene_addr *addrs = scene_behind_bridge(p->s, p->s->arena, bridge->ifindex, &n);
	for (size_t i = 0; i < n; i++) {
		const struct snap_link *port = snap_link(p->s, addrs[i].port);

		if (addrs[i].port != last)
			asked = 0;
		last = addrs[i].port;
		if (addrs[i].ip.family != AF_INET6 || asked == PER_LINK || !port || !scene_is_guest_link(p->s, port))
			continue;
		ask(p, PROBE_NS, place, &at, addrs[i].port)->target = addrs[i].ip;
		if (asked++ > 0)
			continue;
		struct ask *echo = ask(p, PROBE_ECHO, place, &at, addrs[i].port);
		echo->target = addrs[i].ip;
		echo->size = (uint16_t)at.mtu;
	}
}

static bool has_guests(const struct snapshot *s, const struct snap_link *bridge)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].master == bridge->ifindex && scene_is_guest_link(s, &s->links[i]))
			return true;
	return false;
}

static uint64_t rx_dropped(const struct snapshot *s, uint32_t ifindex)
{
	const char *name = snap_link_name(s, ifindex);
	_cleanup_(freep) char *text = NULL;
	char path[96], *at, *line;

	(void)snprintf(path, sizeof(path), "/proc/thread-self/net/dev");
	if (snap_file(path, &text) < 0)
		return 0;
	for (at = text; (line = snap_line(&at));) {
		unsigned long long bytes, packets, errors, dropped;
		size_t len = strlen(name);

		line += strspn(line, " ");
		if (strncmp(line, name, len) == 0 && line[len] == ':' &&
		    sscanf(line + len + 1, "%llu %llu %llu %llu", &bytes, &packets, &errors, &dropped) == 4)
			return dropped;
	}
	return 0;
}

/*
 * rx_dropped also counts what no protocol of the host's took (net/core/dev.c, __netif_receive_skb_core): LLDP, or a flood
 * of something foreign, which every macvtap got all the same. Those frames a socket counts; it keeps nothing of them.
 */
static int count_unwanted(uint32_t ifindex)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 1),
	};
	const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };
	const struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex };
	_cleanup_(closep) int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int ignore = 1;

	/* Nothing comes before bind(): the filter is there from the first frame on. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof(ignore)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return STEAL_FD(fd);
}

static uint64_t n_unwanted(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	/* Those that found no room included (af_packet.c, packet_getsockopt). */
	return fd >= 0 && getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0 ? stats.tp_packets : 0;
}

static struct drops *begin_drops(struct snapshot *s, size_t *ret_n)
{
	struct drops *list = arena_alloc(s->arena, s->n_links + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];
		bool again = false;

		for (size_t k = 0; k < n; k++)
			again = again || list[k].ifindex == l->lower;
		if (str_eq(l->kind, "macvtap") && l->lower && !l->lower_elsewhere && !again)
			list[n++] = (struct drops){ .ifindex = l->lower, .unwanted = count_unwanted(l->lower),
						    .before = rx_dropped(s, l->lower), .at = mono_now() };
	}
	*ret_n = n;
	return list;
}

static void end_drops(struct snapshot *s, const struct drops *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t grown = rx_dropped(s, list[i].ifindex) - list[i].before, unwanted = n_unwanted(list[i].unwanted);
		mono_t ms = (mono_now() - list[i].at) / MONO_MS;
		struct snap_probe *p = SNAP_ADD(s, probes);

		p->kind = "drops";
		p->ifindex = list[i].ifindex;
		p->value = grown > unwanted ? (uint32_t)((grown - unwanted) * 1000 / (ms + 1)) : 0;
		if (list[i].unwanted >= 0)
			(void)close(list[i].unwanted);
	}
}

static const char *const kind_name[PROBE_KIND_N_] = {
	[PROBE_RS] = "rs", [PROBE_NS] = "ns", [PROBE_NS_UNICAST] = "ns-unicast", [PROBE_DAD] = "dad",
	[PROBE_DHCP4] = "dhcp4", [PROBE_DHCP6] = "dhcp6", [PROBE_GROUPS] = "groups", [PROBE_ECHO] = "echo",
};

static void keep(struct snapshot *s, const struct ask *a, uint32_t about)
{
	struct snap_probe *p = SNAP_ADD(s, probes);

	p->kind = kind_name[a->kind];
	p->ifindex = about;
	p->target = a->target;
	p->why = a->error < 0 ? arena_strdup(s->arena, strerror(-a->error)) : "";
	p->value = a->size;
	p->small_came = a->small_came;
	p->too_big = a->too_big;
	p->groups = a->groups;
	p->n_groups = a->n_groups;
	p->n_answers = a->n_answers;
	p->answers = arena_alloc(s->arena, a->n_answers + 1, sizeof(*p->answers));
	for (size_t i = 0; i < a->n_answers; i++)
		p->answers[i] = (struct snap_answer){
			.from = a->answers[i].from, .mac = a->answers[i].mac, .after_us = a->answers[i].after_us,
			.lifetime = a->answers[i].value, .managed = a->answers[i].managed,
		};
}

void measure_snapshot(struct snapshot *s)
{
	struct plan plan = {
		.s = s,
		.asks = arena_alloc(s->arena, PROBE_MAX, sizeof(*plan.asks)),
		.about = arena_alloc(s->arena, PROBE_MAX, sizeof(*plan.about)),
	};
	size_t n_drops;
	struct drops *drops = begin_drops(s, &n_drops);

	plan_uplinks(&plan);
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];

		if (!(l->flags & IFF_UP))
			continue;
		if (str_eq(l->kind, "macvtap"))
			plan_macvtap(&plan, l);
		else if (str_eq(l->kind, "bridge") && has_guests(s, l))
			plan_bridge(&plan, l);
	}
	struct inward inward = lend_inward(&plan);
	int r = probe_run(plan.asks, plan.n, n_drops > 0 ? 1500 : 0, LIMIT_MS);
	inward_close(&inward);
	if (r < 0)
		snapshot_add_unread(s, "probe", "", "nothing could be asked: %s", strerror(-r));
	for (size_t i = 0; i < plan.n; i++)
		keep(s, &plan.asks[i], plan.about[i]);
	end_drops(s, drops, n_drops);
	snapshot_finish(s);
}
