/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load - what the load generators share: packet sockets, checksums, percentiles
 */
#include "load.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

void fail(const char *what)
{
	perror(what);
	exit(2);
}

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		fail("setsockopt");
}

struct load *load_open(const char *ifname, uint16_t ethertype)
{
	struct load *l = calloc(1, sizeof(*l));
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ethertype) };
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	struct ifreq ifr = { 0 };

	if (!l)
		fail("calloc");
	l->ifindex = if_nametoindex(ifname);
	if (l->ifindex == 0)
		fail(ifname);
	l->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		fail("packet socket");
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(l->fd, SIOCGIFHWADDR, &ifr) < 0)
		fail("SIOCGIFHWADDR");
	memcpy(l->mac.b, ifr.ifr_hwaddr.sa_data, sizeof(l->mac.b));
	set_option(l->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	set_option(l->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	set_option(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	set_option(l->fd, SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20);
	all.mr_ifindex = at.sll_ifindex = (int)l->ifindex;
	if (setsockopt(l->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
	    bind(l->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("bind to the interface");
	return l;
}

uint8_t *load_next(struct load *l)
{
	if (l->n_out == LOAD_BATCH)
		load_flush(l);
	memset(l->out[l->n_out], 0, LOAD_FRAME);
	return l->out[l->n_out];
}

void load_push(struct load *l, size_t len)
{
	l->out_len[l->n_out++] = len;
}

void load_flush(struct load *l)
{
	struct mmsghdr msgs[LOAD_BATCH] = { 0 };
	struct iovec iov[LOAD_BATCH];
	unsigned int at = 0;

	for (unsigned int i = 0; i < l->n_out; i++) {
		iov[i] = (struct iovec){ l->out[i], l->out_len[i] };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (at < l->n_out) {
		int n = sendmmsg(l->fd, msgs + at, l->n_out - at, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			fail("send");
		if (n > 0)
			at += (unsigned int)n;
	}
	l->n_out = 0;
}

unsigned int load_recv(struct load *l, int timeout_ms)
{
	struct mmsghdr msgs[LOAD_BATCH] = { 0 };
	struct iovec iov[LOAD_BATCH];
	struct pollfd p = { l->fd, POLLIN, 0 };

	if (timeout_ms > 0)
		(void)poll(&p, 1, timeout_ms);
	for (unsigned int i = 0; i < LOAD_BATCH; i++) {
		iov[i] = (struct iovec){ l->in[i], sizeof(l->in[i]) };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	int n = recvmmsg(l->fd, msgs, LOAD_BATCH, MSG_DONTWAIT, NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
		fail("receive");
	l->n_in = n > 0 ? (unsigned int)n : 0;
	for (unsigned int i = 0; i < l->n_in; i++)
		l->in_len[i] = msgs[i].msg_len;
	return l->n_in;
}

unsigned int load_lost(struct load *l)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	(void)getsockopt(l->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	return stats.tp_drops;
}

uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len > 1; len -= 2, p += 2)
		sum += get16(p);
	return len ? sum + (uint32_t)(*p << 8) : sum;
}

uint16_t sum_field(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

uint16_t sum_ipv6(const void *addrs, uint8_t proto, const void *data, size_t len)
{
	uint16_t field = sum_field(sum_add(sum_add((uint32_t)len + proto, addrs, 32), data, len));

	return field ? field : 0xffff;
}

void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

uint32_t get16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

struct load_mac client_mac(uint32_t i)
{
	struct load_mac mac = { { 2, 0x50 } };

	put32(mac.b + 2, i);
	return mac;
}

struct in6_addr mac_link_local(const struct load_mac *mac)
{
	const uint8_t *m = mac->b;

	return (struct in6_addr){ .s6_addr = { 0xfe, 0x80, [8] = m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] } };
}

static uint8_t *put_eth(uint8_t *frame, const struct load_mac *dst, const struct load_mac *src, uint16_t ethertype)
{
	memcpy(frame, dst->b, 6);
	memcpy(frame + 6, src->b, 6);
	put16(frame + 12, ethertype);
	return frame + ETH_HLEN;
}

uint8_t *put_ipv6(uint8_t *frame, const struct load_mac *dst, const struct load_mac *src, const struct in6_addr *from,
		  const struct in6_addr *to, uint8_t proto, uint8_t hops, size_t payload)
{
	uint8_t *ip = put_eth(frame, dst, src, ETH_P_IPV6);

	ip[0] = 0x60;
	put16(ip + 4, (unsigned int)payload);
	ip[6] = proto;
	ip[7] = hops;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	return ip + 40;
}

uint8_t *put_ipv4(uint8_t *frame, const struct load_mac *dst, const struct load_mac *src, struct in_addr from,
		  struct in_addr to, uint8_t proto, size_t payload)
{
	uint8_t *ip = put_eth(frame, dst, src, ETH_P_IP);

	ip[0] = 0x45;
	put16(ip + 2, (unsigned int)payload + 20);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, &from, 4);
	memcpy(ip + 16, &to, 4);
	uint16_t sum = sum_field(sum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
	return ip + 20;
}

void samples_add(struct samples *s, double v)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 1024;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (!s->v)
			fail("realloc");
	}
	s->v[s->n++] = v;
}

static int cmp_double(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double samples_at(struct samples *s, double fraction)
{
	if (s->n == 0)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), cmp_double);
	return s->v[(size_t)(fraction * (double)(s->n - 1) + 0.5)];
}
