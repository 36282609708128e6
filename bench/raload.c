/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raload - router solicitations and how their answers come
 *
 *   raload IFACE N WINDOW GAP_MS [many|unspecified]
 *
 * N solicitations, WINDOW of them unanswered at a time, GAP_MS after an answer;
 * "many": each from a MAC and link-local address of its own, "unspecified": from
 * :: (and from a MAC of its own: no answer is owed for a second one at once).
 * Who hears nothing for 5 s is lost. Prints one JSON object.
 */
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

#define PATIENCE_NS 5000000000u
#define ICMPV6_RS 133
#define ICMPV6_RA 134

static struct load *load;
static uint64_t *asked;		/* 0: answered, or given up */
static uint32_t n_asked, n_oldest;
static bool many, unspecified;
static unsigned int n_answered, n_lost, n_open;
static struct samples took;

static void solicit(uint32_t i)
{
	const struct load_mac routers = { { 0x33, 0x33, 0, 0, 0, 2 } };
	const struct load_mac src = many || unspecified ? client_mac(0x70000000 + i) : load->mac;
	const struct in6_addr to = { .s6_addr = { 0xff, 2, [15] = 2 } };
	const struct in6_addr from = unspecified ? in6addr_any : mac_link_local(&src);
	size_t len = unspecified ? 8 : 16;
	uint8_t *frame = load_next(load), *icmp = put_ipv6(frame, &routers, &src, &from, &to, IPPROTO_ICMPV6, 255, len);

	icmp[0] = ICMPV6_RS;
	if (!unspecified) {
		icmp[8] = icmp[9] = 1;
		memcpy(icmp + 10, src.b, 6);
	}
	uint16_t sum = sum_ipv6(frame + ETH_HLEN + 8, IPPROTO_ICMPV6, icmp, len);
	memcpy(icmp + 2, &sum, 2);
	asked[i] = now_ns();
	load_push(load, ETH_HLEN + 40 + len);
}

static void answered(uint32_t i, uint64_t now)
{
	if (i >= n_asked || asked[i] == 0)
		return;
	samples_add(&took, (double)(now - asked[i]) / 1e3);
	asked[i] = 0;
	n_answered++;
	n_open--;
}

/* An answer to everybody is one to all who wait. */
static void input(const uint8_t *frame, size_t len, uint64_t now)
{
	if (len < ETH_HLEN + 56 || frame[ETH_HLEN + 6] != IPPROTO_ICMPV6 || frame[ETH_HLEN + 40] != ICMPV6_RA)
		return;
	if (frame[0] == 0x33) {
		for (uint32_t i = n_oldest; i < n_asked; i++)
			answered(i, now);
	} else if (many || unspecified) {
		answered(get32(frame + 2) - 0x70000000, now);
	} else {
		answered(n_asked - 1, now);
	}
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		(void)fputs("usage: raload IFACE N WINDOW GAP_MS [many|unspecified]\n", stderr);
		return 2;
	}
	uint32_t n = (uint32_t)atoi(argv[2]), window = (uint32_t)atoi(argv[3]);
	uint64_t gap = (uint64_t)atoi(argv[4]) * 1000000u, began = now_ns(), next = began, last = began;

	many = argc > 5 && strcmp(argv[5], "many") == 0;
	unspecified = argc > 5 && strcmp(argv[5], "unspecified") == 0;
	load = load_open(argv[1], ETH_P_IPV6);
	asked = calloc(n, sizeof(*asked));
	if (!asked)
		fail("calloc");
	while (n_answered + n_lost < n) {
		uint64_t now = now_ns();
		unsigned int before = n_answered;

		while (n_asked < n && n_open < window && now >= next) {
			solicit(n_asked++);
			n_open++;
		}
		load_flush(load);
		(void)load_recv(load, gap ? 1 : 2);
		now = now_ns();
		for (unsigned int k = 0; k < load->n_in; k++)
			input(load->in[k], load->in_len[k], now);
		if (n_answered != before) {
			last = now;
			next = now + gap;
		}
		for (; n_oldest < n_asked; n_oldest++) {
			if (asked[n_oldest] != 0) {
				if (now < asked[n_oldest] + PATIENCE_NS)
					break;
				asked[n_oldest] = 0;
				n_lost++;
				n_open--;
			}
		}
	}
	double seconds = (double)(last - began) / 1e9;
	(void)printf("{\"answered\": %u, \"lost\": %u, \"rate\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"missed\": %u}\n",
		     n_answered, n_lost, seconds > 0 ? n_answered / seconds : 0, samples_at(&took, 0.5),
		     samples_at(&took, 0.99), load_lost(load));
	return 0;
}
