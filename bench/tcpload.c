/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcpload - TCP connections, opened and reset
 *
 *   tcpload listen PORT
 *   tcpload connect ADDRESS PORT N_PORTS WINDOW SECONDS SOURCE N_SOURCES
 *
 * The client binds to SOURCE and the addresses above it in turn, so that it
 * doesn't run out of ports. IPv4. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "load.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static const struct linger reset = { 1, 0 };

static int serve(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		fail("listen");
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			(void)close(c);
	}
}

static int open_one(struct sockaddr_in *to, uint32_t source)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(source) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	    (connect(fd, (struct sockaddr *)to, sizeof(*to)) == 0 || errno == EINPROGRESS))
		return fd;
	(void)close(fd);
	return -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct in_addr source;
	unsigned int n_open = 0, n_good = 0, n_bad = 0;

	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return serve((uint16_t)atoi(argv[2]));
	if (argc != 9 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 || inet_pton(AF_INET, argv[7], &source) != 1) {
		(void)fputs("usage: tcpload listen PORT\n"
			    "       tcpload connect ADDRESS PORT N_PORTS WINDOW SECONDS SOURCE N_SOURCES\n", stderr);
		return 2;
	}
	unsigned int port = (unsigned int)atoi(argv[3]), n_ports = (unsigned int)atoi(argv[4]);
	unsigned int window = (unsigned int)atoi(argv[5]), n_sources = (unsigned int)atoi(argv[8]), k = 0;
	uint64_t began = now_ns(), stop = began + (uint64_t)(atof(argv[6]) * 1e9);
	int ep = epoll_create1(EPOLL_CLOEXEC);

	while (now_ns() < stop) {
		struct epoll_event events[64];

		for (; n_open < window; k++) {
			to.sin_port = htons((uint16_t)(port + k * 7919u % n_ports));
			int fd = open_one(&to, ntohl(source.s_addr) + k % n_sources);
			struct epoll_event want = { .events = EPOLLOUT, .data.fd = fd };

			if (fd < 0) {
				n_bad++;
				break;
			}
			(void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &want);
			n_open++;
		}
		int n = epoll_wait(ep, events, 64, 100);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, error = 0;
			socklen_t len = sizeof(error);

			(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
			if (error && error != ECONNRESET)
				n_bad++;
			else
				n_good++;
			(void)close(fd);
			n_open--;
		}
	}
	(void)printf("{\"good\": %u, \"bad\": %u, \"rate\": %.0f}\n", n_good, n_bad, n_good / ((double)(now_ns() - began) / 1e9));
	return 0;
}
