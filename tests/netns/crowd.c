/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd - a thousand guests that are switched on within a second
 *
 *   crowd SOCKET NETWORK N [MILLISECONDS]
 *
 * Asks the daemon for N taps, then behind each stands a little guest, which
 * starts as systems do: duplicate detection for its link-local address, a router
 * solicitation, DHCPv4 in four messages, DHCPv6 in four, and an address of the
 * advertised prefix. Whatever isn't answered until a system would ask again
 * counts as dropped, and is asked again. The taps filter as a NIC does (own MAC, all-nodes),
 * or every guest would read everybody's broadcasts. Prints {"attached":ms} once
 * the taps are there, waits for a line, and prints one JSON object when all guests
 * have all addresses (or 30 s have passed). Holds the taps until standard input ends.
 */
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/control.h"
#include "load.h"

#define VNET_HEADER 10
#define GIVE_UP_NS 30000000000u
#define ANSWER_MAX (1u << 20)
#define ID_MAX 128

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };
enum { SOLICIT = 1, ADVERTISE = 2, REQUEST6 = 3, REPLY = 7 };

/* What a guest waits for an answer to. */
enum { ASK_RS, ASK_DHCP4, ASK_DHCP6, ASK_N };

struct guest {
	int fd;
	struct load_mac mac;
	bool on, has[ASK_N];
	uint64_t began, asked[ASK_N];		/* asked 0: nothing is open */
	uint8_t say4, say6;			/* the message that is said (again) */
	uint8_t address[4], server4[4], server6[ID_MAX], ia[ID_MAX];
	size_t server6_len, ia_len;
};

/* When systems ask again: RFC 4861 10, RFC 2131 4.1; RFC 8415 7.6 says 1 s, which this machine can't promise. */
static const uint64_t patience_ns[ASK_N] = { 4000000000u, 4000000000u, 2000000000u };

static struct guest *guests;
static unsigned int n_guests, n_nak, n_none, n_dropped[ASK_N], n_write_failed;
static struct samples took[ASK_N], took_all;

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static void say(const struct guest *g, uint8_t *frame, size_t len)
{
	uint8_t out[VNET_HEADER + LOAD_FRAME] = { 0 };

	memcpy(out + VNET_HEADER, frame, len);
	if (write(g->fd, out, VNET_HEADER + len) != (ssize_t)(VNET_HEADER + len))
		n_write_failed++;
}

/* @body: ICMPv6, or UDP with the checksum at @sum_at. */
static void say6(const struct guest *g, const struct in6_addr *from, const struct in6_addr *to, uint8_t proto, uint8_t *frame,
		 size_t len, size_t sum_at)
{
	const struct load_mac mac = { { 0x33, 0x33, to->s6_addr[12], to->s6_addr[13], to->s6_addr[14], to->s6_addr[15] } };
	uint8_t *body = put_ipv6(frame, &mac, &g->mac, from, to, proto, proto == IPPROTO_ICMPV6 ? 255 : 1, len);
	uint16_t sum = sum_ipv6(frame + ETH_HLEN + 8, proto, body, len);

	memcpy(body + sum_at, &sum, 2);
	say(g, frame, ETH_HLEN + 40 + len);
}

/* Is anybody using this address? (DAD) */
static void say_probe(const struct guest *g, const struct in6_addr *target)
{
	static const struct in6_addr none;
	struct in6_addr to = { .s6_addr = { 0xff, 2, [11] = 1, 0xff } };
	uint8_t frame[LOAD_FRAME] = { 0 }, *icmp = frame + ETH_HLEN + 40;

	memcpy(to.s6_addr + 13, target->s6_addr + 13, 3);
	icmp[0] = 135;
	memcpy(icmp + 8, target, 16);
	say6(g, &none, &to, IPPROTO_ICMPV6, frame, 24, 2);
}

static void say_rs(const struct guest *g)
{
	const struct in6_addr routers = { .s6_addr = { 0xff, 2, [15] = 2 } }, from = mac_link_local(&g->mac);
	uint8_t frame[LOAD_FRAME] = { 0 }, *icmp = frame + ETH_HLEN + 40;

	icmp[0] = 133;
	icmp[8] = icmp[9] = 1;
	memcpy(icmp + 10, g->mac.b, 6);
	say6(g, &from, &routers, IPPROTO_ICMPV6, frame, 16, 2);
}

static void say_dhcp4(const struct guest *g)
{
	static const struct load_mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	uint8_t frame[LOAD_FRAME] = { 0 }, *udp = frame + ETH_HLEN + 20, *dhcp = udp + 8, *at = dhcp + 240;

	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = 6;
	put32(dhcp + 4, (uint32_t)(g - guests));
	memcpy(dhcp + 28, g->mac.b, 6);
	put32(dhcp + 236, 0x63825363);
	at = put(at, (const uint8_t[]){ 53, 1, g->say4 }, 3);
	if (g->say4 == REQUEST) {
		at = put(put(at, "\62\4", 2), g->address, 4);
		at = put(put(at, "\66\4", 2), g->server4, 4);
	}
	at = put(at, "\67\6\1\3\6\17\32\63\377", 9);
	size_t len = (size_t)(at - udp) < 308 ? 308 : (size_t)(at - udp);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, (unsigned int)len);
	(void)put_ipv4(frame, &all, &g->mac, (struct in_addr){ 0 }, (struct in_addr){ INADDR_BROADCAST }, IPPROTO_UDP, len);
	say(g, frame, ETH_HLEN + 20 + len);
}

static void say_dhcp6(const struct guest *g)
{
	const struct in6_addr servers = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } }, from = mac_link_local(&g->mac);
	uint8_t frame[LOAD_FRAME] = { 0 }, *udp = frame + ETH_HLEN + 40, *dhcp = udp + 8, *at = dhcp + 4;

	put32(dhcp, (uint32_t)g->say6 << 24 | (uint32_t)(g - guests));
	at = put(put(at, "\0\1\0\12\0\3\0\1", 8), g->mac.b, 6);
	if (g->say6 == REQUEST6) {
		at = put(put(at, (const uint8_t[]){ 0, 2, 0, (uint8_t)g->server6_len }, 4), g->server6, g->server6_len);
		at = put(put(at, (const uint8_t[]){ 0, 3, 0, (uint8_t)g->ia_len }, 4), g->ia, g->ia_len);
	} else {
		at = put(put(at, "\0\3\0\14", 4), g->mac.b + 2, 4) + 8;
	}
	at = put(at, "\0\10\0\2\0\0\0\6\0\4\0\27\0\30", 14);
	size_t len = (size_t)(at - udp);
	put16(udp, 546);
	put16(udp + 2, 547);
	put16(udp + 4, (unsigned int)len);
	say6(g, &from, &servers, IPPROTO_UDP, frame, len, 6);
}

static void ask(struct guest *g, unsigned int what, uint64_t now)
{
	g->asked[what] = now;
	if (what == ASK_RS)
		say_rs(g);
	else if (what == ASK_DHCP4)
		say_dhcp4(g);
	else
		say_dhcp6(g);
}

static void got(struct guest *g, unsigned int what, uint64_t now)
{
	if (g->has[what])
		return;
	g->has[what] = true;
	g->asked[what] = 0;
	samples_add(&took[what], (double)(now - g->began) / 1e6);
	if (g->has[ASK_RS] && g->has[ASK_DHCP4] && g->has[ASK_DHCP6])
		samples_add(&took_all, (double)(now - g->began) / 1e6);
}

static void switch_on(struct guest *g, uint64_t now)
{
	const struct in6_addr own = mac_link_local(&g->mac);

	g->on = true;
	g->began = now;
	g->say4 = DISCOVER;
	g->say6 = SOLICIT;
	say_probe(g, &own);
	for (unsigned int i = 0; i < ASK_N; i++)
		ask(g, i, now);
}

static void hear_dhcp4(struct guest *g, const uint8_t *dhcp, const uint8_t *stop, uint64_t now)
{
	const uint8_t *server = NULL;
	uint8_t type = 0;

	if (stop - dhcp < 241 || get32(dhcp + 4) != (uint32_t)(g - guests))
		return;
	for (const uint8_t *at = dhcp + 240; at + 2 < stop && *at != 255 && at + 2 + at[1] <= stop; at += *at ? 2 + at[1] : 1) {
		type = *at == 53 ? at[2] : type;
		server = *at == 54 ? at + 2 : server;
	}
	if (type == OFFER && g->say4 == DISCOVER && server) {
		memcpy(g->address, dhcp + 16, 4);
		memcpy(g->server4, server, 4);
		g->say4 = REQUEST;
		ask(g, ASK_DHCP4, now);
	} else if (type == ACK && g->say4 == REQUEST) {
		got(g, ASK_DHCP4, now);
	} else if (type == NAK) {
		n_nak++;
		g->say4 = DISCOVER;
	}
}

static void hear_dhcp6(struct guest *g, const uint8_t *dhcp, const uint8_t *stop, uint64_t now)
{
	bool offer = stop - dhcp > 4 && dhcp[0] == ADVERTISE && g->say6 == SOLICIT, address = false;

	if (stop - dhcp < 4 || (get32(dhcp) & 0xffffff) != (uint32_t)(g - guests) ||
	    (!offer && (dhcp[0] != REPLY || g->say6 != REQUEST6)))
		return;
	for (const uint8_t *at = dhcp + 4; at + 4 <= stop && at + 4 + get16(at + 2) <= stop; at += 4 + get16(at + 2)) {
		size_t n = get16(at + 2);

		if (get16(at) == 2 && n <= ID_MAX && offer)
			memcpy(g->server6, at + 4, g->server6_len = n);
		if (get16(at) != 3 || n <= 12 || n > ID_MAX)
			continue;
		address = get16(at + 4 + 12) == 5;
		if (offer)
			memcpy(g->ia, at + 4, g->ia_len = n);
	}
	if (!address) {
		n_none++;
	} else if (offer) {
		g->say6 = REQUEST6;
		ask(g, ASK_DHCP6, now);
	} else {
		got(g, ASK_DHCP6, now);
	}
}

static void hear_ra(struct guest *g, const uint8_t *icmp, const uint8_t *stop, uint64_t now)
{
	struct in6_addr own = mac_link_local(&g->mac);

	for (const uint8_t *at = icmp + 16; at + 8 <= stop && at[1] > 0 && at + 8 * at[1] <= stop; at += 8 * at[1]) {
		if (at[0] != 3 || at[2] != 64 || !(at[3] & 0x40) || g->has[ASK_RS])
			continue;
		memcpy(&own, at + 16, 8);
		say_probe(g, &own);
		got(g, ASK_RS, now);
	}
}

static void hear(struct guest *g, const uint8_t *frame, size_t len, uint64_t now)
{
	const uint8_t *stop = frame + len, *ip = frame + ETH_HLEN;

	if (!g->on || len < ETH_HLEN + 48)
		return;
	if (get16(frame + 12) == ETH_P_IP && ip[9] == IPPROTO_UDP && get16(ip + 22) == 68)
		hear_dhcp4(g, ip + 28, stop, now);
	else if (get16(frame + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_UDP && get16(ip + 42) == 546)
		hear_dhcp6(g, ip + 48, stop, now);
	else if (get16(frame + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_ICMPV6 && ip[40] == 134)
		hear_ra(g, ip + 40, stop, now);
}

/* As the filter of a NIC: frames to its own MAC, and to all nodes. */
static void filter(const struct guest *g)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, get32(g->mac.b + 2), 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, get16(g->mac.b), 3, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x3333, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	if (ioctl(g->fd, TUNATTACHFILTER, &prog) < 0)
		fail("TUNATTACHFILTER");
}

static void attach(const char *path, const char *network)
{
	struct control *c;
	char text[256];

	if (control_connect(&c, path, ANSWER_MAX) != 0)
		fail(path);
	for (unsigned int i = 0; i < n_guests; i++) {
		struct guest *g = &guests[i];
		struct pollfd p = { c->fd, POLLIN, 0 };
		const char *line, *mac;
		size_t len;

		(void)snprintf(text, sizeof(text),
			       "{\"version\":1,\"do\":\"attach\",\"network\":\"%s\",\"name\":\"c%u\",\"queues\":1,\"pid\":%d}",
			       network, i, (int)getpid());
		control_queue(c, text, strlen(text), NULL, 0);
		(void)control_flush(c);
		while (!(line = control_line(c, &len)))
			if (poll(&p, 1, 30000) <= 0 || control_read(c) == 0)
				fail("the daemon doesn't answer");
		mac = strstr(line, "\"mac\":\"");
		if (control_take_fds(c, &g->fd, 1) != 1 || !mac ||
		    sscanf(mac + 7, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &g->mac.b[0], &g->mac.b[1], &g->mac.b[2], &g->mac.b[3],
			   &g->mac.b[4], &g->mac.b[5]) != 6) {
			(void)fprintf(stderr, "guest %u: %s\n", i, line);
			exit(2);
		}
		filter(g);
	}
	control_free(c);
}

static void run(uint64_t spread_ns)
{
	struct epoll_event events[64];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned int n_on = 0;
	uint64_t began = now_ns(), now = began, last_on = began;

	for (unsigned int i = 0; i < n_guests; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		if (epoll_ctl(ep, EPOLL_CTL_ADD, guests[i].fd, &e) < 0)
			fail("epoll");
	}
	while (took_all.n < n_guests && now < began + GIVE_UP_NS) {
		for (; n_on < n_guests && now >= began + spread_ns * n_on / n_guests; n_on++) {
			switch_on(&guests[n_on], now);
			last_on = now;
		}
		int n = epoll_wait(ep, events, ARRAY_LEN(events), 1);

		now = now_ns();
		for (int k = 0; k < n; k++) {
			struct guest *g = &guests[events[k].data.u32];
			uint8_t buf[2048];
			ssize_t len = read(g->fd, buf, sizeof(buf));

			if (len > VNET_HEADER)
				hear(g, buf + VNET_HEADER, (size_t)len - VNET_HEADER, now);
		}
		for (unsigned int i = 0; i < n_on; i++) {
			for (unsigned int k = 0; k < ASK_N; k++) {
				if (guests[i].asked[k] == 0 || now < guests[i].asked[k] + patience_ns[k])
					continue;
				n_dropped[k]++;
				ask(&guests[i], k, now);
			}
		}
	}
	(void)close(ep);
	(void)printf("{\"on_ms\": %.0f, \"all\": %zu, \"slaac\": %zu, \"dhcp4\": %zu, \"dhcp6\": %zu, \"nak\": %u, \"none\": %u, \"dropped\": [%u, %u, %u], "
		     "\"write_failed\": %u, \"slaac_ms\": %.1f, \"dhcp4_ms\": %.1f, \"dhcp6_ms\": %.1f, \"all_ms\": %.1f, "
		     "\"slowest_ms\": %.1f, \"until_ms\": %.0f}\n",
		     (double)(last_on - began) / 1e6, took_all.n, took[ASK_RS].n, took[ASK_DHCP4].n, took[ASK_DHCP6].n, n_nak,
		     n_none, n_dropped[0], n_dropped[1], n_dropped[2], n_write_failed, samples_at(&took[ASK_RS], 0.5), samples_at(&took[ASK_DHCP4], 0.5),
		     samples_at(&took[ASK_DHCP6], 0.5), samples_at(&took_all, 0.5), samples_at(&took_all, 1),
		     (double)(now - began) / 1e6);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16];

	if (argc < 4) {
		(void)fputs("usage: crowd SOCKET NETWORK N [MILLISECONDS]\n", stderr);
		return 2;
	}
	n_guests = (unsigned int)atoi(argv[3]);
	const struct rlimit files = { n_guests + 100, n_guests + 100 };
	guests = calloc(n_guests, sizeof(*guests));
	if (!guests || setrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("descriptors");
	uint64_t began = now_ns();
	attach(argv[1], argv[2]);
	(void)printf("{\"attached\": %.0f}\n", (double)(now_ns() - began) / 1e6);
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))	/* "go" */
		return 2;
	run((uint64_t)(argc > 4 ? atoi(argv[4]) : 1000) * 1000000);
	(void)fgets(line, sizeof(line), stdin);
	free(guests);
	return 0;
}
