/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_server - the guests' side of DNS: sockets, and each guest's share
 */
#include "daemon/dns_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include "base/log.h"

#define ASKS 512
#define ASKS_NETWORK 256
#define ASKS_CLIENT 64
#define ASK_TIMEOUT (10 * MONO_S)
#define UDP_BATCH 16
#define ACCEPT_BATCH 8
#define CONNS 32
#define CONNS_NETWORK 16
#define CONNS_CLIENT 6
#define CONN_IDLE (10 * MONO_S)
#define QUERY_MAX 2048
#define CONN_ASKS 16
#define CONN_OUT (128 * 1024)

/* Who asks: its network and its address. The unit of fairness. zone NULL: nobody. */
struct client {
	const struct dns_zone *zone;
	struct ip ip;
};

struct listener {
	struct loop_fd src;
	struct dns_server *server;
	const struct dns_zone *zone;
	struct sockaddr_storage bound;
	int type;			/* SOCK_DGRAM, SOCK_STREAM */
	bool keep;
	struct listener *next;
};

/* A TCP connection; src.fd -1: free. */
struct conn {
	struct loop_fd src;
	struct loop_timer idle;
	struct dns_server *server;
	struct client client;
	mono_t last;			/* used */
	unsigned int n_asks;		/* of its queries under way */
	bool eof;			/* the client has no more questions */
	size_t in_at, n_in, out_at, n_out;
	uint8_t in[2 + QUERY_MAX];
	uint8_t *out;			/* CONN_OUT bytes of the server's */
};

/* A question that the forwarder is working on. */
struct ask {
	struct forward forward;
	struct dns_server *server;
	struct dns_query query;
	bool waiting;			/* not answered yet: in the list of deadlines */
	mono_t deadline;
	struct ask *prev, *next;	/* in the order of deadlines, or free */
	struct listener *udp;		/* where to answer; both NULL: the asker has gone */
	struct conn *tcp;
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

struct dns_server {
	struct loop *loop;
	struct forwarder *forwarder;
	struct listener *listeners;
	struct loop_timer deadline;
	struct log_gate gate;
	struct ask *oldest, *newest;	/* waiting */
	struct ask *free;
	struct client askers[ASKS];	/* of asks[], kept together: it is walked for each question */
	struct ask asks[ASKS];
	struct conn conns[CONNS];
	struct mmsghdr msgs[UDP_BATCH];
	struct iovec iovs[UDP_BATCH];
	struct sockaddr_storage peers[UDP_BATCH];
	uint8_t in[UDP_BATCH][QUERY_MAX];
	uint8_t out[DNS_TCP_MAX];
	uint8_t conn_out[CONNS][CONN_OUT];	/* last: pages exist only once they are used */
};

/* Where a reply goes. */
struct target {
	struct listener *udp;
	struct conn *tcp;
	const struct sockaddr_storage *peer;
	socklen_t peer_len;
};

static struct ip ip_of(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ip4(((const struct sockaddr_in *)(const void *)ss)->sin_addr);
	if (ss->ss_family == AF_INET6)
		return ip6(((const struct sockaddr_in6 *)(const void *)ss)->sin6_addr);
	return (struct ip){ 0 };
}

static bool client_eq(const struct client *a, const struct client *b)
{
	return a->zone == b->zone && ip_eq(&a->ip, &b->ip);
}

static void refuse_log(struct dns_server *server, const struct client *client, const char *what)
{
	unsigned int held;

	if (log_gate_pass(&server->gate, loop_now(server->loop), &held))
		log_event(LOG_LEVEL_NOTICE, "dns-share-used-up what=%s client=%s held=%u", what, IP_STR(&client->ip),
			  held);
}

/* ---- TCP output ---- */

static void conn_close(struct conn *conn)
{
	struct dns_server *server = conn->server;

	for (size_t i = 0; conn->n_asks > 0 && i < ASKS; i++) {
		if (server->asks[i].tcp == conn) {
			server->asks[i].tcp = NULL;
			conn->n_asks--;
		}
	}
	loop_del(&conn->src);
	loop_timer_del(&conn->idle);
	(void)close(conn->src.fd);
	conn->src.fd = -1;
}

/* Is there a whole query that hasn't been looked at? */
static bool conn_has_query(const struct conn *conn)
{
	const uint8_t *in = conn->in + conn->in_at;
	size_t n = conn->n_in - conn->in_at;

	return n >= 2 && n - 2 >= ((size_t)in[0] << 8 | in[1]);
}

/* Return: false when the connection was closed. */
static bool conn_flush(struct conn *conn)
{
	while (conn->out_at < conn->n_out) {
		ssize_t n = send(conn->src.fd, conn->out + conn->out_at, conn->n_out - conn->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			conn_close(conn);
			return false;
		}
		conn->out_at += (size_t)n;
	}
	bool pending = conn->out_at < conn->n_out, more = conn_has_query(conn);
	if (!pending)
		conn->out_at = conn->n_out = 0;
	if (!pending && !more && conn->eof && conn->n_asks == 0) {
		conn_close(conn);
		return false;
	}
	/* Who doesn't read answers gets no more questions read; a whole one that waits is asked as soon as it may. */
	uint32_t events = EPOLLIN;
	if (pending)
		events = EPOLLOUT;
	else if (more)
		events = conn->n_asks < CONN_ASKS ? EPOLLOUT : 0;
	else if (conn->eof)
		events = 0;
	if (loop_set_events(&conn->src, events) < 0) {
		conn_close(conn);
		return false;
	}
	return true;
}

static void conn_send(struct conn *conn, const uint8_t *msg, size_t n)
{
	if (conn->out_at > 0) {
		memmove(conn->out, conn->out + conn->out_at, conn->n_out - conn->out_at);
		conn->n_out -= conn->out_at;
		conn->out_at = 0;
	}
	if (2 + n > CONN_OUT - conn->n_out) {
		conn_close(conn);
		return;
	}
	conn->out[conn->n_out] = (uint8_t)(n >> 8);
	conn->out[conn->n_out + 1] = (uint8_t)n;
	memcpy(conn->out + conn->n_out + 2, msg, n);
	conn->n_out += 2 + n;
}

/* ---- replies ---- */

static void send_reply(struct dns_server *server, const struct target *to, struct dns_reply *reply)
{
	size_t n = dns_reply_finish(reply);

	if (to->tcp)
		conn_send(to->tcp, server->out, n);
	else if (to->udp)	/* a full socket drops it, and the client asks again */
		(void)sendto(to->udp->src.fd, server->out, n, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)to->peer, to->peer_len);
}

static void begin_reply(struct dns_server *server, const struct target *to, const struct dns_query *query,
			struct dns_reply *reply)
{
	dns_reply_init(reply, server->out, to->tcp ? DNS_TCP_MAX : dns_query_udp_limit(query), query);
}

static void send_failure(struct dns_server *server, const struct target *to, const struct dns_query *query,
			 enum dns_ede ede)
{
	struct dns_reply reply;

	begin_reply(server, to, query, &reply);
	reply.rcode = DNS_RCODE_SERVFAIL;
	reply.ede = ede;
	send_reply(server, to, &reply);
}

/* ---- questions for the forwarder ---- */

static struct target target_of(const struct ask *ask)
{
	return (struct target){ ask->udp, ask->tcp, &ask->peer, ask->peer_len };
}

static void stop_waiting(struct ask *ask)
{
	struct dns_server *server = ask->server;

	*(ask->prev ? &ask->prev->next : &server->oldest) = ask->next;
	*(ask->next ? &ask->next->prev : &server->newest) = ask->prev;
	ask->prev = ask->next = NULL;
	ask->waiting = false;
}

/* Answer it with @packet, or with a failure. */
static void ask_answer(struct ask *ask, const void *packet, size_t len, enum dns_ede ede)
{
	struct dns_server *server = ask->server;
	struct target to = target_of(ask);
	struct conn *conn = ask->tcp;
	struct dns_reply reply;

	stop_waiting(ask);
	ask->tcp = NULL;
	ask->udp = NULL;
	if (!to.tcp && !to.udp)
		return;
	if (conn)
		conn->n_asks--;
	begin_reply(server, &to, &ask->query, &reply);
	if (!packet || dns_reply_relay(&reply, packet, len) < 0) {
		reply.rcode = DNS_RCODE_SERVFAIL;
		reply.ede = ede;
	}
	send_reply(server, &to, &reply);
	if (conn && conn->src.fd >= 0)
		(void)conn_flush(conn);
}

static void ask_free(struct ask *ask)
{
	struct dns_server *server = ask->server;

	server->askers[ask - server->asks].zone = NULL;
	ask->next = server->free;
	server->free = ask;
}

static void on_forwarded(struct forward *forward, const void *packet, size_t len)
{
	struct ask *ask = CONTAINER_OF(forward, struct ask, forward);

	if (ask->waiting)
		ask_answer(ask, packet, len, DNS_EDE_NO_REACHABLE_AUTHORITY);
	ask_free(ask);
}

/* A slot stays taken until the forwarder has done with it, also when the client was told that it took too long. */
static int on_deadline(struct loop_timer *timer, mono_t now)
{
	struct dns_server *server = CONTAINER_OF(timer, struct dns_server, deadline);

	while (server->oldest && server->oldest->deadline <= now)
		ask_answer(server->oldest, NULL, 0, DNS_EDE_NO_REACHABLE_AUTHORITY);
	return server->oldest ? loop_timer_set(server->loop, timer, server->oldest->deadline) : 0;
}

/* Within its share? Return: a slot, or NULL. */
static struct ask *ask_new(struct dns_server *server, const struct client *client)
{
	unsigned int n_network = 0, n_client = 0;
	struct ask *ask = server->free;

	for (size_t i = 0; i < ASKS; i++) {
		if (server->askers[i].zone != client->zone)
			continue;
		n_network++;
		n_client += ip_eq(&server->askers[i].ip, &client->ip);
	}
	if (!ask || n_network >= ASKS_NETWORK || n_client >= ASKS_CLIENT)
		return NULL;
	server->free = ask->next;
	server->askers[ask - server->asks] = *client;
	return ask;
}

static void ask_forwarder(struct dns_server *server, const struct client *client, const struct target *to,
			  const struct dns_query *query, mono_t now)
{
	struct ask *ask = ask_new(server, client);

	if (!ask) {
		refuse_log(server, client, "questions");
		send_failure(server, to, query, DNS_EDE_OTHER);
		return;
	}
	ask->forward = (struct forward){ .fn = on_forwarded };
	ask->query = *query;
	ask->udp = to->udp;
	ask->tcp = to->tcp;
	ask->peer_len = to->peer_len;
	if (to->peer)
		memcpy(&ask->peer, to->peer, sizeof(ask->peer));
	if (to->tcp)
		to->tcp->n_asks++;
	ask->waiting = true;
	ask->deadline = mono_add(now, ASK_TIMEOUT);
	ask->prev = server->newest;
	ask->next = NULL;
	*(ask->prev ? &ask->prev->next : &server->oldest) = ask;
	server->newest = ask;
	if (server->deadline.deadline == MONO_NEVER)
		(void)loop_timer_set(server->loop, &server->deadline, ask->deadline);

	int r = forwarder_ask(server->forwarder, &ask->forward, query);	/* may answer before it returns */
	if (r < 0) {
		ask_answer(ask, NULL, 0, r == -ENETUNREACH ? DNS_EDE_NOT_READY : DNS_EDE_OTHER);
		ask_free(ask);
	}
}

static void handle(struct dns_server *server, const struct client *client, const struct target *to, const uint8_t *msg,
		   size_t len, mono_t now)
{
	struct dns_query query;
	struct dns_reply reply;
	int r = dns_query_parse(msg, len, &query);

	if (r < 0)
		return;
	begin_reply(server, to, &query, &reply);
	reply.rcode = (enum dns_rcode)r;
	if (r == DNS_RCODE_NOERROR && !dns_zone_answer(client->zone, &query, &reply))
		ask_forwarder(server, client, to, &query, now);
	else
		send_reply(server, to, &reply);
}

/* ---- UDP ---- */

/* Read from @fd, answer by the listener's own socket. Return: true when there may be more. */
static bool read_udp(struct listener *listener, int fd, mono_t now)
{
	struct dns_server *server = listener->server;

	for (size_t i = 0; i < UDP_BATCH; i++) {
		server->iovs[i] = (struct iovec){ server->in[i], sizeof(server->in[i]) };
		server->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &server->peers[i],
							   .msg_namelen = sizeof(server->peers[i]),
							   .msg_iov = &server->iovs[i], .msg_iovlen = 1 };
	}
	int n = recvmmsg(fd, server->msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct client client = { listener->zone, ip_of(&server->peers[i]) };
		struct target to = { .udp = listener, .peer = &server->peers[i],
				     .peer_len = server->msgs[i].msg_hdr.msg_namelen };

		if (!(server->msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
			handle(server, &client, &to, server->in[i], server->msgs[i].msg_len, now);
	}
	return n == UDP_BATCH;
}

static int on_udp(struct loop_fd *src, uint32_t events, mono_t now)
{
	(void)events;
	(void)read_udp(CONTAINER_OF(src, struct listener, src), src->fd, now);
	return 0;
}

/* ---- TCP ---- */

/* Return: false when the connection was closed. */
static bool conn_queries(struct conn *conn, mono_t now)
{
	struct target to = { .tcp = conn };

	/* While answers wait to be read, questions wait too. */
	while (conn_has_query(conn) && conn->n_out < CONN_OUT / 2 && conn->n_asks < CONN_ASKS) {
		const uint8_t *query = conn->in + conn->in_at;
		size_t len = (size_t)query[0] << 8 | query[1];

		conn->in_at += 2 + len;
		handle(conn->server, &conn->client, &to, query + 2, len, now);
		if (conn->src.fd < 0)
			return false;
	}
	conn->n_in -= conn->in_at;
	memmove(conn->in, conn->in + conn->in_at, conn->n_in);
	conn->in_at = 0;
	if (conn->n_in == sizeof(conn->in) && !conn_has_query(conn)) {	/* it is too long */
		conn_close(conn);
		return false;
	}
	return true;
}

static int on_conn(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct conn *conn = CONTAINER_OF(src, struct conn, src);

	conn->last = now;
	if (loop_timer_set(conn->server->loop, &conn->idle, mono_add(now, CONN_IDLE)) < 0 || (events & EPOLLERR)) {
		conn_close(conn);
		return 0;
	}
	if ((events & EPOLLIN) && conn->n_in < sizeof(conn->in)) {
		ssize_t n = recv(src->fd, conn->in + conn->n_in, sizeof(conn->in) - conn->n_in, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN) {
			conn_close(conn);
			return 0;
		}
		if (n == 0)
			conn->eof = true;
		if (n > 0)
			conn->n_in += (size_t)n;
	} else if (events & EPOLLHUP) {
		conn_close(conn);
		return 0;
	}
	/* Output first: queries may have waited for it. */
	if (conn_flush(conn) && conn_queries(conn, now))
		(void)conn_flush(conn);
	return 0;
}

static int on_idle(struct loop_timer *timer, mono_t now)
{
	struct conn *conn = CONTAINER_OF(timer, struct conn, idle);

	if (conn->n_asks > 0 && conn->n_out == 0)	/* we are the slow ones */
		return loop_timer_set(conn->server->loop, timer, mono_add(now, CONN_IDLE));
	conn_close(conn);
	return 0;
}

/* A place for a new connection of @client; the longest idle one of those that count against it may have to go. */
static struct conn *conn_place(struct dns_server *server, const struct client *client)
{
	unsigned int n_client = 0, n_network = 0;
	struct conn *idlest = NULL, *empty = NULL;

	for (size_t i = 0; i < CONNS; i++) {
		struct conn *c = &server->conns[i];

		if (c->src.fd < 0) {
			empty = c;
			continue;
		}
		n_network += c->client.zone == client->zone;
		n_client += client_eq(&c->client, client);
	}
	if (empty && n_client < CONNS_CLIENT && n_network < CONNS_NETWORK)
		return empty;
	for (size_t i = 0; i < CONNS; i++) {
		struct conn *c = &server->conns[i];

		if (c->src.fd < 0 || c->n_asks > 0 || c->n_out > 0)
			continue;
		if ((n_client >= CONNS_CLIENT && !client_eq(&c->client, client)) ||
		    (n_network >= CONNS_NETWORK && c->client.zone != client->zone))
			continue;
		if (!idlest || c->last < idlest->last)
			idlest = c;
	}
	if (idlest)
		conn_close(idlest);
	return idlest;
}

static void accept_from(struct listener *listener, int listen_fd, mono_t now)
{
	struct dns_server *server = listener->server;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		_cleanup_(closep) int fd =
			accept4(listen_fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			break;
		struct client client = { listener->zone, ip_of(&ss) };
		struct conn *conn = conn_place(server, &client);
		if (!conn) {
			refuse_log(server, &client, "connections");
			continue;
		}
		conn->client = client;
		conn->last = now;
		conn->n_asks = 0;
		conn->eof = false;
		conn->in_at = conn->n_in = conn->out_at = conn->n_out = 0;
		conn->src = (struct loop_fd){ .name = "dns-conn", .fn = on_conn, .fd = STEAL_FD(fd) };
		conn->idle = (struct loop_timer){ .name = "dns-idle", .fn = on_idle };
		if (loop_add(server->loop, &conn->src, EPOLLIN) < 0 ||
		    loop_timer_set(server->loop, &conn->idle, mono_add(now, CONN_IDLE)) < 0)
			conn_close(conn);
	}
}

static int on_accept(struct loop_fd *src, uint32_t events, mono_t now)
{
	(void)events;
	accept_from(CONTAINER_OF(src, struct listener, src), src->fd, now);
	return 0;
}

/* ---- sockets ---- */

/* What kind of socket this is and where it is bound; made non-blocking, because the loop does the waiting. */
static int socket_check(int fd, int *ret_type, struct sockaddr_storage *ret_bound)
{
	socklen_t type_len = sizeof(*ret_type), len = sizeof(*ret_bound);
	int flags = fcntl(fd, F_GETFL);

	memset(ret_bound, 0, sizeof(*ret_bound));
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, ret_type, &type_len) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_bound, &len) < 0)
		return -errno;
	return 0;
}

/*
 * A second socket of the same address: the one we have stays, with the questions
 * that are under way, and what came to the new one meanwhile is answered by it.
 */
static bool listener_again(struct dns_server *server, const struct dns_zone *zone, int fd, int type,
			   const struct sockaddr_storage *bound)
{
	for (struct listener *l = server->listeners; l; l = l->next) {
		if (l->zone != zone || l->type != type || memcmp(&l->bound, bound, sizeof(*bound)) != 0)
			continue;
		l->keep = true;
		if (type == SOCK_STREAM)
			accept_from(l, fd, loop_now(server->loop));
		for (int i = 0; type == SOCK_DGRAM && i < 8 && read_udp(l, fd, loop_now(server->loop)); i++)
			;
		return true;
	}
	return false;
}

static int listener_new(struct dns_server *server, const struct dns_zone *zone, int new_fd)
{
	_cleanup_(closep) int fd = new_fd;
	struct sockaddr_storage bound;
	int type, r = socket_check(fd, &type, &bound);

	if (r < 0 || listener_again(server, zone, fd, type, &bound))
		return r;
	struct listener *listener = NEW(struct listener);
	listener->server = server;
	listener->zone = zone;
	listener->bound = bound;
	listener->type = type;
	listener->keep = true;
	listener->src = (struct loop_fd){ .name = type == SOCK_STREAM ? "dns-tcp" : "dns-udp",
					  .fn = type == SOCK_STREAM ? on_accept : on_udp, .fd = fd };
	r = loop_add(server->loop, &listener->src, EPOLLIN);
	if (r < 0) {
		free(listener);
		return r;
	}
	(void)STEAL_FD(fd);
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

static void listener_free(struct listener *listener)
{
	for (size_t i = 0; i < ASKS; i++)
		if (listener->server->asks[i].udp == listener)
			listener->server->asks[i].udp = NULL;
	loop_del(&listener->src);
	(void)close(listener->src.fd);
	free(listener);
}

/* Those of @zone (NULL: all) that were not marked to be kept. */
static void close_listeners(struct dns_server *server, const struct dns_zone *zone)
{
	struct listener **at = &server->listeners;

	while (*at) {
		struct listener *listener = *at;

		if (listener->keep || (zone && listener->zone != zone)) {
			at = &listener->next;
			continue;
		}
		*at = listener->next;
		listener_free(listener);
	}
}

static void unmark_listeners(struct dns_server *server)
{
	for (struct listener *l = server->listeners; l; l = l->next)
		l->keep = false;
}

int dns_server_listen(struct dns_server *server, const struct dns_zone *zone, const int *fds, size_t n_fds)
{
	int first = 0;

	unmark_listeners(server);
	for (size_t i = 0; i < n_fds; i++) {
		int r = listener_new(server, zone, fds[i]);

		if (r < 0 && first == 0)
			first = r;
	}
	close_listeners(server, zone);
	return first;
}

void dns_server_stop(struct dns_server *server, const struct dns_zone *zone)
{
	unmark_listeners(server);
	close_listeners(server, zone);
	for (size_t i = 0; i < CONNS; i++)
		if (server->conns[i].src.fd >= 0 && server->conns[i].client.zone == zone)
			conn_close(&server->conns[i]);
	/* Slots still taken must not count against a zone that comes to lie at the same address. */
	for (size_t i = 0; i < ASKS; i++)
		if (server->askers[i].zone == zone)
			server->askers[i] = (struct client){ 0 };
}

int dns_server_new(struct dns_server **ret, struct loop *loop, struct forwarder *forwarder)
{
	struct dns_server *server = NEW(struct dns_server);

	server->loop = loop;
	server->forwarder = forwarder;
	server->gate = (struct log_gate){ .every = 60 * MONO_S, .burst = 3 };
	server->deadline = (struct loop_timer){ .name = "dns-deadline", .fn = on_deadline, .deadline = MONO_NEVER };
	for (size_t i = ASKS; i-- > 0;) {
		server->asks[i].server = server;
		server->asks[i].next = server->free;
		server->free = &server->asks[i];
	}
	for (size_t i = 0; i < CONNS; i++) {
		server->conns[i].server = server;
		server->conns[i].src.fd = -1;
		server->conns[i].out = server->conn_out[i];
	}
	*ret = server;
	return 0;
}

struct dns_server *dns_server_free(struct dns_server *server)
{
	if (!server)
		return NULL;
	unmark_listeners(server);
	close_listeners(server, NULL);
	for (size_t i = 0; i < CONNS; i++)
		if (server->conns[i].src.fd >= 0)
			conn_close(&server->conns[i]);
	loop_timer_del(&server->deadline);
	free(server);
	return NULL;
}
