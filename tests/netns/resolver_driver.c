/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver_driver - plays main for the resolver process
 *
 * resolver_driver [ROOT UID]: forks a child that runs the resolver (in an empty
 * root and under that uid, when given), and turns lines of stdin into messages:
 *
 *   listen NETWORK DOMAIN|- GATEWAY4|- GATEWAY6|- [PORT]
 *   name NETWORK NAME ADDRESS, gone NETWORK NAME ADDRESS, stop NETWORK
 *   upstream [ADDRESS…]
 *
 * Writes "pid N" first and "ok" or "error …" for each line. At the end of stdin it
 * closes the socket and exits with the resolver's status.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "ctl/inner.h"
#include "daemon/resolver.h"

#define WORDS 12

static int bound(const struct ip *ip, int type, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip->v4 };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = ip->v6 };
	int fd = socket(ip->family, type | SOCK_CLOEXEC, 0), one = 1, r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ip->family == AF_INET)
		r = bind(fd, (const struct sockaddr *)&a4, sizeof(a4));
	else
		r = bind(fd, (const struct sockaddr *)&a6, sizeof(a6));
	if (r < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0)) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

static int do_listen(int sock, char **word, size_t n)
{
	struct inner_dns msg = { 0 };
	const struct prefix *gateway[] = { &msg.gateway4, &msg.gateway6 };
	uint16_t port = n > 5 ? (uint16_t)atoi(word[5]) : 53;
	int fds[4], r = 0;

	if (n < 5 || (strcmp(word[3], "-") && !prefix_parse(word[3], &msg.gateway4)) ||
	    (strcmp(word[4], "-") && !prefix_parse(word[4], &msg.gateway6)))
		return -EINVAL;
	(void)str_copy(msg.network, sizeof(msg.network), word[1]);
	(void)str_copy(msg.domain, sizeof(msg.domain), strcmp(word[2], "-") ? word[2] : "");
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(gateway); i++) {
		for (int type = SOCK_STREAM; r >= 0 && gateway[i]->ip.family && type <= SOCK_DGRAM; type++) {
			r = bound(&gateway[i]->ip, type, port);
			if (r >= 0)
				fds[msg.n_fds++] = r;
		}
	}
	if (r >= 0)
		r = inner_send(sock, INNER_DNS_LISTEN, &msg, sizeof(msg), fds, msg.n_fds);
	for (size_t i = 0; i < msg.n_fds; i++)
		(void)close(fds[i]);
	return r;
}

static int do_name(int sock, char **word, size_t n, enum inner_type type)
{
	struct inner_dns_name msg = { 0 };

	if (n != 4 || !ip_parse(word[3], &msg.ip))
		return -EINVAL;
	(void)str_copy(msg.network, sizeof(msg.network), word[1]);
	(void)str_copy(msg.name, sizeof(msg.name), word[2]);
	return inner_send(sock, type, &msg, sizeof(msg), NULL, 0);
}

static int do_line(int sock, char **word, size_t n)
{
	struct inner_dns_upstream upstream = { 0 };
	struct inner_name stop = { 0 };

	if (n > 0 && strcmp(word[0], "listen") == 0)
		return do_listen(sock, word, n);
	if (n > 0 && strcmp(word[0], "name") == 0)
		return do_name(sock, word, n, INNER_DNS_NAME);
	if (n > 0 && strcmp(word[0], "gone") == 0)
		return do_name(sock, word, n, INNER_DNS_NAME_GONE);
	if (n == 2 && strcmp(word[0], "stop") == 0) {
		(void)str_copy(stop.network, sizeof(stop.network), word[1]);
		return inner_send(sock, INNER_DNS_STOP, &stop, sizeof(stop), NULL, 0);
	}
	if (n > 0 && n <= 1 + ARRAY_LEN(upstream.servers) && strcmp(word[0], "upstream") == 0) {
		for (; upstream.n < n - 1; upstream.n++)
			if (!ip_parse(word[1 + upstream.n], &upstream.servers[upstream.n]))
				return -EINVAL;
		return inner_send(sock, INNER_DNS_UPSTREAM, &upstream, sizeof(upstream), NULL, 0);
	}
	return -EINVAL;
}

static int child(int sock, char **argv)
{
	log_open("resolver", LOG_LEVEL_DEBUG);
	if (argv[1] && argv[2]) {
		uid_t uid = (uid_t)atoi(argv[2]);

		if (chroot(argv[1]) < 0 || chdir("/") < 0 || setgid(uid) < 0 || setuid(uid) < 0)
			return 1;
	}
	int r = resolver_run(&(struct resolver_conf){ .inner_fd = sock });
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "ended error=\"%s\"", strerror(-r));
	return r < 0;
}

int main(int argc, char **argv)
{
	int pair[2], status;
	char line[1024];

	(void)argc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 2;
	pid_t pid = fork();
	if (pid < 0)
		return 2;
	if (pid == 0) {
		(void)close(pair[0]);
		(void)close(0);
		_exit(child(pair[1], argv));
	}
	(void)close(pair[1]);
	(void)printf("pid %d\n", (int)pid);
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		char *word[WORDS], *save = NULL;
		size_t n = 0;

		for (char *w = strtok_r(line, " \n", &save); w && n < WORDS; w = strtok_r(NULL, " \n", &save))
			word[n++] = w;
		int r = do_line(pair[0], word, n);
		if (r < 0)
			(void)printf("error %s\n", strerror(-r));
		else
			(void)printf("ok\n");
		(void)fflush(stdout);
	}
	(void)close(pair[0]);
	if (waitpid(pid, &status, 0) < 0)
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
