/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver - the process that answers guests' DNS queries
 *
 * System calls needed after start-up, seen with strace, and nothing is refused
 * that matters: epoll_create1 epoll_ctl epoll_wait; timerfd_create
 * timerfd_settime; read (timerfd); fcntl F_GETFD F_GETFL F_SETFL
 * F_DUPFD_CLOEXEC; socket (AF_INET and AF_INET6 only, datagram and stream)
 * bind connect setsockopt getsockopt getsockname accept4 close; recvmmsg
 * recvmsg recvfrom sendto sendmsg writev; brk mmap munmap mremap; getrandom
 * getpid; write (log); rt_sigreturn; exit_group. May be refused: openat, once,
 * of /etc/localtime by the C library's gmtime_r(); ioctl, by if_nametoindex()
 * of a numeric scope.
 */
#include "daemon/resolver.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/log.h"
#include "base/loop.h"
#include "ctl/inner.h"
#include "daemon/dns_server.h"
#include "daemon/forward.h"
#include "resp/dns.h"

#define MESSAGES_A_TURN 64

struct resolver {
	struct loop *loop;
	struct loop_fd inner;
	struct dns_table *table;
	struct forwarder *forwarder;
	struct dns_server *server;
	struct log_gate gate;		/* of what main may say wrong a thousand times */
};

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static const char *result_text(enum dns_table_result result)
{
	switch (result) {
	case DNS_TABLE_OK:
		return "ok";
	case DNS_TABLE_FULL:
		return "table-full";
	case DNS_TABLE_NO_ZONE:
		return "no-such-network";
	case DNS_TABLE_BAD_NAME:
		return "not-a-dns-name";
	case DNS_TABLE_RESERVED:
		return "reserved-name";
	}
	return "?";
}

static void on_listen(struct resolver *r, const struct inner_dns *dns, const int *fds, size_t n_fds)
{
	enum dns_table_result result =
		dns_table_set_zone(r->table, dns->network, dns->domain, &dns->gateway4, &dns->gateway6);

	if (result != DNS_TABLE_OK) {
		log_event(LOG_LEVEL_ERROR, "dns-network-refused network=%s domain=\"%s\" why=%s", dns->network,
			  dns->domain, result_text(result));
		close_fds(fds, n_fds);
		return;
	}
	int e = dns_server_listen(r->server, dns_table_find(r->table, dns->network), fds, n_fds);
	if (e < 0)
		log_event(LOG_LEVEL_ERROR, "dns-socket-failed network=%s error=\"%s\"", dns->network, strerror(-e));
	else
		log_event(LOG_LEVEL_DEBUG, "dns-network network=%s domain=\"%s\" sockets=%zu", dns->network,
			  dns->domain, n_fds);
}

static void on_stop(struct resolver *r, const char *network)
{
	const struct dns_zone *zone = dns_table_find(r->table, network);

	if (!zone)
		return;
	dns_server_stop(r->server, zone);
	dns_table_del_zone(r->table, network);
}

static void on_name(struct resolver *r, const struct inner_dns_name *name)
{
	enum dns_table_result result = dns_table_add(r->table, name->network, name->name, &name->ip);
	unsigned int held;

	if (result != DNS_TABLE_OK && log_gate_pass(&r->gate, loop_now(r->loop), &held))
		log_event(LOG_LEVEL_WARNING, "dns-name-refused network=%s name=\"%s\" address=%s why=%s held=%u",
			  name->network, name->name, IP_STR(&name->ip), result_text(result), held);
}

static void on_upstream(struct resolver *r, const struct inner_dns_upstream *upstream)
{
	int e = forwarder_set(r->forwarder, upstream);

	if (e < 0)
		log_event(LOG_LEVEL_ERROR, "dns-servers-refused servers=%u error=\"%s\"", upstream->n, strerror(-e));
	else if (upstream->n == 0)
		log_event(LOG_LEVEL_NOTICE, "dns-no-servers");
	else
		log_event(LOG_LEVEL_DEBUG, "dns-servers first=%s servers=%u", IP_STR(&upstream->servers[0]),
			  upstream->n);
}

static void on_message(struct resolver *r, const struct inner_msg *msg)
{
	switch (msg->type) {
	case INNER_DNS_LISTEN:
		on_listen(r, &msg->body.dns, msg->fds, msg->n_fds);
		return;
	case INNER_DNS_STOP:
		on_stop(r, msg->body.name.network);
		break;
	case INNER_DNS_NAME:
		on_name(r, &msg->body.dns_name);
		break;
	case INNER_DNS_NAME_GONE:
		dns_table_del(r->table, msg->body.dns_name.network, msg->body.dns_name.name, &msg->body.dns_name.ip);
		break;
	case INNER_DNS_UPSTREAM:
		on_upstream(r, &msg->body.dns_upstream);
		break;
	case INNER_ALIVE:
		break;
	case INNER_SERVE:
	case INNER_HOST:
	case INNER_SERVE_END:
	case INNER_UNSERVE:
	case INNER_RELEASE:
	case INNER_READY:
	case INNER_LEASES:
	case INNER_LEASE_GONE:
	case INNER_NEIGHBOUR:
	case INNER_TROUBLE:
	case INNER_STATS:
	case INNER_FOLLOW:
	case INNER_FOLLOWED:
	case INNER_UNFOLLOW:
	case INNER_QMP:
	case INNER_GROUP:
	case INNER_SIGHT:
	case INNER_QMP_GONE:
		log_event(LOG_LEVEL_ERROR, "not-for-the-resolver type=%d", (int)msg->type);
		break;
	}
	close_fds(msg->fds, msg->n_fds);
}

static int on_inner(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct resolver *r = CONTAINER_OF(src, struct resolver, inner);
	struct inner_msg msg;

	(void)events;
	(void)now;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		int e = inner_recv(src->fd, &msg);

		if (e == -EAGAIN)
			return 0;
		if (e == -EBADMSG) {
			log_event(LOG_LEVEL_ERROR, "malformed-message");
			continue;
		}
		if (e == 0 || e == -ECONNRESET) {	/* main has gone */
			loop_stop(r->loop, 0);
			return 0;
		}
		if (e < 0)
			return e;
		on_message(r, &msg);
	}
	return 0;
}

static void resolver_clear(struct resolver *r)
{
	loop_del(&r->inner);
	(void)forwarder_free(r->forwarder);	/* fails what is under way: the server must still be there */
	(void)dns_server_free(r->server);
	(void)dns_table_free(r->table);
	(void)loop_free(r->loop);
}

int resolver_run(const struct resolver_conf *conf)
{
	_cleanup_(resolver_clear) struct resolver r = {
		.inner = { .name = "main", .fn = on_inner, .fd = conf->inner_fd },
		.gate = { .every = 60 * MONO_S, .burst = 5 },
	};
	uint8_t seed[16];
	int e;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	r.table = dns_table_new(seed);
	e = loop_new(&r.loop);
	if (e == 0)
		e = forwarder_new(&r.forwarder, r.loop);
	if (e == 0)
		e = dns_server_new(&r.server, r.loop, r.forwarder);
	if (e == 0)
		e = loop_add(r.loop, &r.inner, EPOLLIN);
	return e < 0 ? e : loop_run(r.loop);
}
