/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load - what the load generators share: packet sockets, checksums, percentiles
 *
 * Made for measuring, so nothing here comes from src/: a mistake there must not
 * hide itself. Errors end the program with a message; the runner says which row
 * could not be measured.
 */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOAD_BATCH 64
#define LOAD_FRAME 512

struct load_mac {
	uint8_t b[6];
};

/* A packet socket on one interface, with frames waiting to leave and frames that came. */
struct load {
	int fd;
	unsigned int ifindex;
	struct load_mac mac;
	unsigned int n_out, n_in;
	uint8_t out[LOAD_BATCH][LOAD_FRAME];
	size_t out_len[LOAD_BATCH];
	uint8_t in[LOAD_BATCH][2048];
	size_t in_len[LOAD_BATCH];
};

/* Latencies and the like, in any unit. */
struct samples {
	double *v;
	size_t n, cap;
};

void fail(const char *what) __attribute__((noreturn));
uint64_t now_ns(void);

/**
 * load_open() - A promiscuous packet socket on @ifname
 * @ethertype:	what to receive, host byte order; 0: nothing
 *
 * Return: a struct load for the program's life
 */
struct load *load_open(const char *ifname, uint16_t ethertype);

/* Room for one more frame, zeroed; call load_push() when it is written. Sends what waits when there is none. */
uint8_t *load_next(struct load *l);
void load_push(struct load *l, size_t len);
void load_flush(struct load *l);
/* Wait up to @timeout_ms, then take what is there. Return: number of frames in l->in. */
unsigned int load_recv(struct load *l, int timeout_ms);
/* How many frames the socket had no room for. */
unsigned int load_lost(struct load *l);

/* The one's complement sum of 16-bit words, and the field it makes (network byte order). */
uint32_t sum_add(uint32_t sum, const void *data, size_t len);
uint16_t sum_field(uint32_t sum);
/* Checksum of an upper-layer packet in IPv6; @addrs are source and destination, one behind the other. */
uint16_t sum_ipv6(const void *addrs, uint8_t proto, const void *data, size_t len);

void put16(uint8_t *p, unsigned int v);
void put32(uint8_t *p, uint32_t v);
uint32_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);

/* MAC of client @i, and its link-local address. */
struct load_mac client_mac(uint32_t i);
struct in6_addr mac_link_local(const struct load_mac *mac);

/* Ethernet, IPv6 header of a message of @payload bytes; returns where that begins. */
uint8_t *put_ipv6(uint8_t *frame, const struct load_mac *dst, const struct load_mac *src, const struct in6_addr *from,
		  const struct in6_addr *to, uint8_t proto, uint8_t hops, size_t payload);
uint8_t *put_ipv4(uint8_t *frame, const struct load_mac *dst, const struct load_mac *src, struct in_addr from,
		  struct in_addr to, uint8_t proto, size_t payload);

void samples_add(struct samples *s, double v);
double samples_at(struct samples *s, double fraction);	/* 0.5: the median; 0 when there are none */
