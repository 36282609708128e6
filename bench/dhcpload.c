/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcpload - DHCP clients by the thousand, each with a MAC of its own
 *
 *   dhcpload 4|6 IFACE FIRST N WINDOW [SECONDS] [one-source]
 *
 * Clients FIRST … FIRST+N-1 go through all four messages, WINDOW of them at a
 * time; who hears nothing for two seconds is lost, as is who hears a NAK or
 * gets no address. With "one-source" (6 only) they share the interface's MAC
 * and link-local address and differ by DUID: for servers that answer through
 * the kernel's neighbour table. Prints one JSON object.
 */
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

#define PATIENCE_NS 2000000000u
#define SERVER_ID_MAX 64
#define IA_MAX 128

enum client_state { CLIENT_IDLE, CLIENT_ASKED, CLIENT_REQUESTED, CLIENT_DONE, CLIENT_LOST };

struct client {
	enum client_state state;
	uint64_t began;
	uint8_t server[SERVER_ID_MAX], ia[IA_MAX], address[4];
	size_t server_len, ia_len;
};

static struct load *load;
static struct client *clients;
static bool v6, one_source;
static uint32_t first;
static unsigned int n_clients, n_done, n_nak, n_lost, n_open;
static struct samples took;

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };
enum { SOLICIT = 1, ADVERTISE = 2, REQUEST6 = 3, REPLY = 7 };

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static void send4(uint32_t i, uint8_t type)
{
	const struct client *c = &clients[i];
	const struct load_mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } }, mac = client_mac(first + i);
	uint8_t *frame = load_next(load), *udp = frame + ETH_HLEN + 20, *dhcp = udp + 8, *at = dhcp + 240;

	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = 6;
	put32(dhcp + 4, first + i);
	memcpy(dhcp + 28, mac.b, 6);
	put32(dhcp + 236, 0x63825363);
	at = put(at, (const uint8_t[]){ 53, 1, type, 61, 7, 1 }, 6);
	at = put(at, mac.b, 6);
	if (type == REQUEST) {
		at = put(put(at, "\62\4", 2), c->address, 4);
		at = put(put(at, "\66\4", 2), c->server, 4);
	}
	at = put(at, "\67\6\1\3\6\17\32\63\377", 9);
	size_t len = (size_t)(at - udp) < 308 ? 308 : (size_t)(at - udp);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, (unsigned int)len);
	(void)put_ipv4(frame, &all, &mac, (struct in_addr){ 0 }, (struct in_addr){ INADDR_BROADCAST }, IPPROTO_UDP, len);
	load_push(load, ETH_HLEN + 20 + len);
}

static void send6(uint32_t i, uint8_t type)
{
	const struct client *c = &clients[i];
	const struct load_mac all = { { 0x33, 0x33, 0, 1, 0, 2 } }, mac = client_mac(first + i);
	const struct load_mac *src = one_source ? &load->mac : &mac;
	const struct in6_addr servers = { .s6_addr = { 0xff, 2, [13] = 1, [15] = 2 } }, from = mac_link_local(src);
	uint8_t *frame = load_next(load), *udp = frame + ETH_HLEN + 40, *dhcp = udp + 8, *at = dhcp + 4;

	put32(dhcp, (uint32_t)type << 24 | ((first + i) & 0xffffff));
	at = put(put(at, "\0\1\0\12\0\3\0\1", 8), mac.b, 6);
	if (type == REQUEST6) {
		at = put(at, (const uint8_t[]){ 0, 2, 0, (uint8_t)c->server_len }, 4);
		at = put(at, c->server, c->server_len);
		at = put(at, (const uint8_t[]){ 0, 3, 0, (uint8_t)c->ia_len }, 4);
		at = put(at, c->ia, c->ia_len);
	} else {
		at = put(put(at, "\0\3\0\14", 4), mac.b + 2, 4);
		at += 8;
	}
	at = put(at, "\0\10\0\2\0\0\0\6\0\4\0\27\0\30", 14);
	size_t len = (size_t)(at - udp);
	put16(udp, 546);
	put16(udp + 2, 547);
	put16(udp + 4, (unsigned int)len);
	(void)put_ipv6(frame, &all, src, &from, &servers, IPPROTO_UDP, 1, len);
	uint16_t sum = sum_ipv6(frame + ETH_HLEN + 8, IPPROTO_UDP, udp, len);
	memcpy(udp + 6, &sum, 2);
	load_push(load, ETH_HLEN + 40 + len);
}

static void end(struct client *c, bool good, uint64_t now)
{
	c->state = good ? CLIENT_DONE : CLIENT_LOST;
	n_open--;
	if (good) {
		n_done++;
		samples_add(&took, (double)(now - c->began) / 1e3);
	} else {
		n_lost++;
	}
}

static void input4(const uint8_t *frame, size_t len, uint64_t now)
{
	const uint8_t *dhcp = frame + ETH_HLEN + 28, *at = dhcp + 240, *stop = frame + len, *server = NULL;
	uint8_t type = 0;

	if (len < ETH_HLEN + 28 + 241 || frame[ETH_HLEN + 9] != IPPROTO_UDP || get16(frame + ETH_HLEN + 22) != 68)
		return;
	uint32_t i = get32(dhcp + 4) - first;
	if (i >= n_clients)
		return;
	while (at + 2 < stop && *at != 255 && at + 2 + at[1] <= stop) {
		if (*at == 0) {
			at++;
			continue;
		}
		type = *at == 53 ? at[2] : type;
		server = *at == 54 ? at + 2 : server;
		at += 2 + at[1];
	}
	struct client *c = &clients[i];
	if (type == OFFER && c->state == CLIENT_ASKED && server) {
		memcpy(c->address, dhcp + 16, 4);
		memcpy(c->server, server, 4);
		c->state = CLIENT_REQUESTED;
		send4(i, REQUEST);
	} else if (type == ACK && c->state == CLIENT_REQUESTED) {
		end(c, true, now);
	} else if (type == NAK && c->state == CLIENT_REQUESTED) {
		n_nak++;
		end(c, false, now);
	}
}

static void input6(const uint8_t *frame, size_t len, uint64_t now)
{
	const uint8_t *dhcp = frame + ETH_HLEN + 48, *at = dhcp + 4, *stop = frame + len;
	bool has_address = false;

	if (len < ETH_HLEN + 52 || frame[ETH_HLEN + 6] != IPPROTO_UDP || get16(frame + ETH_HLEN + 42) != 546)
		return;
	uint32_t i = (get32(dhcp) - first) & 0xffffff;
	if (i >= n_clients)
		return;
	struct client *c = &clients[i];
	bool is_offer = dhcp[0] == ADVERTISE && c->state == CLIENT_ASKED;
	if (!is_offer && (dhcp[0] != REPLY || c->state != CLIENT_REQUESTED))
		return;
	for (; at + 4 <= stop && at + 4 + get16(at + 2) <= stop; at += 4 + get16(at + 2)) {
		size_t n = get16(at + 2);

		if (get16(at) == 2 && n <= SERVER_ID_MAX && is_offer)
			memcpy(c->server, at + 4, c->server_len = n);
		if (get16(at) == 3 && n > 12 && n <= IA_MAX) {
			has_address = get16(at + 4 + 12) == 5;
			if (is_offer)
				memcpy(c->ia, at + 4, c->ia_len = n);
		}
	}
	if (!has_address) {
		n_nak++;
		end(c, false, now);
	} else if (is_offer) {
		c->state = CLIENT_REQUESTED;
		send6(i, REQUEST6);
	} else {
		end(c, true, now);
	}
}

int main(int argc, char **argv)
{
	unsigned int window, started = 0, oldest = 0;
	uint64_t began, last, stop;

	if (argc < 6) {
		(void)fputs("usage: dhcpload 4|6 IFACE FIRST N WINDOW [SECONDS] [one-source]\n", stderr);
		return 2;
	}
	v6 = argv[1][0] == '6';
	one_source = argc > 7;
	load = load_open(argv[2], v6 ? ETH_P_IPV6 : ETH_P_IP);
	first = (uint32_t)atoi(argv[3]);
	n_clients = (unsigned int)atoi(argv[4]);
	window = (unsigned int)atoi(argv[5]);
	clients = calloc(n_clients, sizeof(*clients));
	if (!clients)
		fail("calloc");
	began = last = now_ns();
	stop = began + (uint64_t)(argc > 6 ? atoi(argv[6]) : 60) * 1000000000u;
	while (n_done + n_lost < n_clients && now_ns() < stop) {
		uint64_t now = now_ns();

		for (; n_open < window && started < n_clients; started++, n_open++) {
			clients[started].state = CLIENT_ASKED;
			clients[started].began = now;
			if (v6)
				send6(started, SOLICIT);
			else
				send4(started, DISCOVER);
		}
		load_flush(load);
		(void)load_recv(load, 2);
		now = now_ns();
		unsigned int done = n_done;
		for (unsigned int k = 0; k < load->n_in; k++) {
			if (v6)
				input6(load->in[k], load->in_len[k], now);
			else
				input4(load->in[k], load->in_len[k], now);
		}
		if (n_done != done)
			last = now;
		for (; oldest < started; oldest++) {
			struct client *c = &clients[oldest];

			if (c->state >= CLIENT_DONE)
				continue;
			if (now < c->began + PATIENCE_NS)
				break;
			end(c, false, now);
		}
	}
	double seconds = (double)(last - began) / 1e9;
	(void)printf("{\"done\": %u, \"nak\": %u, \"lost\": %u, \"rate\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"missed\": %u}\n",
		     n_done, n_nak, n_lost + n_open, seconds > 0 ? n_done / seconds : 0, samples_at(&took, 0.5),
		     samples_at(&took, 0.99), load_lost(load));
	return 0;
}
