/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - outside names, asked of the host's own DNS servers
 */
#include "daemon/forward.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unbound-event.h>
#include <unbound.h>

#define DRAIN (15 * MONO_S)
#define DRAINING_MAX 2
#define CLASS_IN 1

/* One context of libunbound: one list of servers. ub_event_base comes first: libunbound hands it back. */
struct upstream {
	struct ub_event_base base;
	struct loop *loop;
	struct ub_ctx *ctx;
	struct forward *asked;		/* under way */
	struct forwarder *forwarder;
	struct loop_timer drain;	/* deletes it, when it is no longer the current one */
	bool draining;
};

struct forwarder {
	struct loop *loop;
	struct inner_dns_upstream servers;
	struct upstream *current;	/* NULL: no server is known */
	struct upstream *draining[DRAINING_MAX];	/* oldest first */
};

/*
 * An event of libunbound's on our loop. As in its own small event loop, a timeout
 * fires once, and an event that doesn't persist is taken off before it fires.
 */
struct event {
	struct ub_event ub;
	struct loop *loop;
	struct loop_fd src;
	struct loop_timer timer;
	int fd;
	short bits;
	void (*fn)(int fd, short bits, void *arg);
	void *arg;
};

static struct event *event_of(struct ub_event *ub)
{
	return CONTAINER_OF(ub, struct event, ub);
}

static int event_del(struct ub_event *ub)
{
	struct event *ev = event_of(ub);

	loop_del(&ev->src);
	(void)loop_timer_set(ev->loop, &ev->timer, MONO_NEVER);
	return 0;
}

/* The handler may free the event: nothing is touched after it. */
static int on_fd(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct event *ev = CONTAINER_OF(src, struct event, src);
	short bits = 0;

	(void)now;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		bits |= UB_EV_READ;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		bits |= UB_EV_WRITE;
	bits = (short)(bits & ev->bits);
	if (!(ev->bits & UB_EV_PERSIST))
		(void)event_del(&ev->ub);
	if (bits)
		ev->fn(ev->fd, bits, ev->arg);
	return 0;
}

static int on_timeout(struct loop_timer *timer, mono_t now)
{
	struct event *ev = CONTAINER_OF(timer, struct event, timer);

	(void)now;
	if (!(ev->bits & UB_EV_PERSIST))
		loop_del(&ev->src);
	ev->fn(ev->fd, UB_EV_TIMEOUT, ev->arg);
	return 0;
}

static int set_timer(struct event *ev, const struct timeval *tv)
{
	mono_t wait = (mono_t)tv->tv_sec * MONO_S + (mono_t)tv->tv_usec * 1000;

	return loop_timer_set(ev->loop, &ev->timer, mono_add(loop_now(ev->loop), wait)) < 0 ? -1 : 0;
}

static int event_add(struct ub_event *ub, struct timeval *tv)
{
	struct event *ev = event_of(ub);
	uint32_t events = (ev->bits & UB_EV_READ ? EPOLLIN : 0) | (ev->bits & UB_EV_WRITE ? EPOLLOUT : 0);

	(void)event_del(ub);
	if (ev->fd >= 0 && events) {
		ev->src.fd = ev->fd;
		if (loop_add(ev->loop, &ev->src, events) < 0)
			return -1;
	}
	return tv && (ev->bits & UB_EV_TIMEOUT) ? set_timer(ev, tv) : 0;
}

static void event_add_bits(struct ub_event *ub, short bits)
{
	event_of(ub)->bits |= bits;
}

static void event_del_bits(struct ub_event *ub, short bits)
{
	struct event *ev = event_of(ub);

	ev->bits = (short)(ev->bits & ~bits);
}

static void event_set_fd(struct ub_event *ub, int fd)
{
	event_of(ub)->fd = fd;
}

static void event_free(struct ub_event *ub)
{
	struct event *ev = event_of(ub);

	loop_del(&ev->src);
	loop_timer_del(&ev->timer);
	free(ev);
}

static int event_add_timer(struct ub_event *ub, struct ub_event_base *base, void (*fn)(int, short, void *), void *arg,
			   struct timeval *tv)
{
	struct event *ev = event_of(ub);

	(void)base;
	ev->fn = fn;
	ev->arg = arg;
	return set_timer(ev, tv);
}

static int event_del_timer(struct ub_event *ub)
{
	struct event *ev = event_of(ub);

	return loop_timer_set(ev->loop, &ev->timer, MONO_NEVER) < 0 ? -1 : 0;
}

/* Not called by libunbound, but the tables must be full. */
static int no_signal(struct ub_event *ub, struct timeval *tv)
{
	(void)ub;
	(void)tv;
	return -1;
}

static int no_del_signal(struct ub_event *ub)
{
	(void)ub;
	return -1;
}

static void no_winsock(struct ub_event *ub)
{
	(void)ub;
}

static void no_wouldblock(struct ub_event *ub, int bits)
{
	(void)ub;
	(void)bits;
}

static struct ub_event_vmt event_vmt = {
	.add_bits = event_add_bits,
	.del_bits = event_del_bits,
	.set_fd = event_set_fd,
	.free = event_free,
	.add = event_add,
	.del = event_del,
	.add_timer = event_add_timer,
	.del_timer = event_del_timer,
	.add_signal = no_signal,
	.del_signal = no_del_signal,
	.winsock_unregister_wsaevent = no_winsock,
	.winsock_tcp_wouldblock = no_wouldblock,
};

static struct ub_event *base_new_event(struct ub_event_base *base, int fd, short bits, void (*fn)(int, short, void *),
				       void *arg)
{
	struct upstream *upstream = CONTAINER_OF(base, struct upstream, base);
	struct event *ev = NEW(struct event);

	ev->ub = (struct ub_event){ UB_EVENT_MAGIC, &event_vmt };
	ev->loop = upstream->loop;
	ev->src = (struct loop_fd){ .name = "upstream", .fn = on_fd, .fd = fd };
	ev->timer = (struct loop_timer){ .name = "upstream", .fn = on_timeout };
	ev->fd = fd;
	ev->bits = bits;
	ev->fn = fn;
	ev->arg = arg;
	return &ev->ub;
}

static void base_free(struct ub_event_base *base)
{
	(void)base;	/* part of struct upstream */
}

static int base_no_dispatch(struct ub_event_base *base)
{
	(void)base;
	return -1;
}

static int base_no_exit(struct ub_event_base *base, struct timeval *tv)
{
	(void)base;
	(void)tv;
	return -1;
}

static struct ub_event *base_no_signal(struct ub_event_base *base, int fd, void (*fn)(int, short, void *), void *arg)
{
	(void)base;
	(void)fd;
	(void)fn;
	(void)arg;
	return NULL;
}

static struct ub_event *base_no_wsaevent(struct ub_event_base *base, void *wsaevent, void (*fn)(int, short, void *),
					 void *arg)
{
	(void)base;
	(void)wsaevent;
	(void)fn;
	(void)arg;
	return NULL;
}

static struct ub_event_base_vmt base_vmt = {
	.free = base_free,
	.dispatch = base_no_dispatch,
	.loopexit = base_no_exit,
	.new_event = base_new_event,
	.new_signal = base_no_signal,
	.winsock_register_wsaevent = base_no_wsaevent,
};

static const char *const options[][2] = {
	{ "module-config:", "iterator" },		/* no validator, so no trust anchors to read */
	{ "do-not-query-localhost:", "no" },		/* the host's own resolver may be the server */
	{ "unblock-lan-zones:", "yes" },
	{ "local-zone:", "home.arpa. nodefault" },	/* RFC 8375: home routers know it */
	/* Memory: about 4 MB when full. */
	{ "msg-cache-size:", "1m" },
	{ "rrset-cache-size:", "2m" },
	{ "infra-cache-numhosts:", "64" },
	{ "outgoing-range:", "64" },			/* a question's socket each; more wait their turn */
	{ "outgoing-num-tcp:", "8" },
	/*
	 * Timing, measured against servers that are gone, slow or refuse. A server that is slow about one name gets
	 * about six seconds for it, and is soon forgotten to have been slow: else a guest that asks for such names
	 * makes libunbound hold the server dead, and all guests get SERVFAIL for minutes.
	 */
	{ "infra-cache-min-rtt:", "400" },	/* ms before the first repetition */
	{ "infra-host-ttl:", "5" },		/* s: also the longest time that an outage lasts after its end */
	{ "infra-keep-probing:", "yes" },
	{ "edns-buffer-size:", "1232" },
	{ "qname-minimisation:", "no" },		/* has no sense with a forwarder */
	{ "minimal-responses:", "yes" },
};

static struct upstream *upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return NULL;
	upstream->draining = false;
	if (upstream->ctx)
		ub_ctx_delete(upstream->ctx);	/* fails the questions it still knows of, through on_answer() */
	loop_timer_del(&upstream->drain);
	while (upstream->asked) {
		struct forward *forward = upstream->asked;

		upstream->asked = forward->next;
		if (upstream->asked)
			upstream->asked->prev = NULL;
		forward->upstream = NULL;
		forward->fn(forward, NULL, 0);
	}
	free(upstream);
	return NULL;
}
DEFINE_FREEP(struct upstream, upstream_free)

static int on_drained(struct loop_timer *timer, mono_t now)
{
	struct upstream *upstream = CONTAINER_OF(timer, struct upstream, drain);
	struct upstream **draining = upstream->forwarder->draining;

	(void)now;
	for (size_t i = 0; i < DRAINING_MAX; i++) {
		if (draining[i] != upstream)
			continue;
		memmove(draining + i, draining + i + 1, (DRAINING_MAX - 1 - i) * sizeof(*draining));
		draining[DRAINING_MAX - 1] = NULL;
		break;
	}
	(void)upstream_free(upstream);
	return 0;
}

static int upstream_new(struct upstream **ret, struct forwarder *forwarder, const struct inner_dns_upstream *servers)
{
	_cleanup_(upstream_freep) struct upstream *upstream = NEW(struct upstream);

	upstream->base = (struct ub_event_base){ UB_EVENT_MAGIC, &base_vmt };
	upstream->loop = forwarder->loop;
	upstream->forwarder = forwarder;
	upstream->drain = (struct loop_timer){ .name = "drain", .fn = on_drained };
	upstream->ctx = ub_ctx_create_ub_event(&upstream->base);
	if (!upstream->ctx)
		return -ENOMEM;
	(void)ub_ctx_debugout(upstream->ctx, NULL);	/* what a guest can make it say would have no limit */
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (ub_ctx_set_option(upstream->ctx, options[i][0], options[i][1]) != 0)
			return -EINVAL;
	for (uint32_t i = 0; i < servers->n; i++) {
		char text[IP_STRLEN + 16];

		(void)snprintf(text, sizeof(text), "%s", IP_STR(&servers->servers[i]));
		if (ip_is_link_local(&servers->servers[i]) && servers->servers[i].family == AF_INET6)
			(void)snprintf(text, sizeof(text), "%s%%%u", IP_STR(&servers->servers[i]), servers->ifindex[i]);
		if (ub_ctx_set_fwd(upstream->ctx, text) != 0)
			return -EINVAL;
	}
	*ret = STEAL_PTR(upstream);
	return 0;
}

int forwarder_new(struct forwarder **ret, struct loop *loop)
{
	struct forwarder *forwarder = NEW(struct forwarder);

	forwarder->loop = loop;
	*ret = forwarder;
	return 0;
}

struct forwarder *forwarder_free(struct forwarder *forwarder)
{
	if (!forwarder)
		return NULL;
	(void)upstream_free(forwarder->current);
	for (size_t i = 0; i < DRAINING_MAX; i++)
		(void)upstream_free(forwarder->draining[i]);
	free(forwarder);
	return NULL;
}

/* The current context has been replaced: it ends when its last question has. */
static void retire(struct forwarder *forwarder, struct upstream *upstream)
{
	size_t n = 0;

	if (!upstream->asked) {
		(void)upstream_free(upstream);
		return;
	}
	while (n < DRAINING_MAX && forwarder->draining[n])
		n++;
	if (n == DRAINING_MAX) {
		struct upstream *oldest = forwarder->draining[0];

		n--;
		memmove(forwarder->draining, forwarder->draining + 1, n * sizeof(oldest));
		(void)upstream_free(oldest);
	}
	forwarder->draining[n] = upstream;
	upstream->draining = true;
	(void)loop_timer_set(forwarder->loop, &upstream->drain, mono_add(loop_now(forwarder->loop), DRAIN));
}

int forwarder_set(struct forwarder *forwarder, const struct inner_dns_upstream *servers)
{
	struct upstream *next = NULL, *last = forwarder->current;
	bool same = servers->n == forwarder->servers.n && (servers->n == 0 || last);
	int r = 0;

	for (uint32_t i = 0; same && i < servers->n; i++)
		same = ip_eq(&servers->servers[i], &forwarder->servers.servers[i]) &&
		       servers->ifindex[i] == forwarder->servers.ifindex[i];
	if (same)
		return 0;
	if (servers->n > 0)
		r = upstream_new(&next, forwarder, servers);
	forwarder->servers = *servers;
	forwarder->current = next;
	if (last)
		retire(forwarder, last);
	return r;
}

static void unlink_forward(struct forward *forward)
{
	if (forward->prev)
		forward->prev->next = forward->next;
	else
		forward->upstream->asked = forward->next;
	if (forward->next)
		forward->next->prev = forward->prev;
	forward->prev = forward->next = NULL;
	forward->upstream = NULL;
}

static void on_answer(void *arg, int rcode, void *packet, int len, int sec, char *why_bogus, int was_ratelimited)
{
	struct forward *forward = arg;
	struct upstream *upstream = forward->upstream;

	(void)sec;
	(void)why_bogus;
	(void)was_ratelimited;
	unlink_forward(forward);
	if (!upstream->asked && upstream->draining)	/* not from here: this is libunbound's own stack */
		(void)loop_timer_set(upstream->loop, &upstream->drain, loop_now(upstream->loop));
	if (rcode != 0 || !packet || len <= 0)
		forward->fn(forward, NULL, 0);
	else
		forward->fn(forward, packet, (size_t)len);
}

int forwarder_ask(struct forwarder *forwarder, struct forward *forward, const struct dns_query *query)
{
	struct upstream *upstream = forwarder->current;
	char text[DNS_NAME_STRLEN];

	if (!upstream)
		return -ENETUNREACH;
	forward->upstream = upstream;
	forward->prev = NULL;
	forward->next = upstream->asked;
	if (forward->next)
		forward->next->prev = forward;
	upstream->asked = forward;

	int r = ub_resolve_event(upstream->ctx, dns_name_format(&query->name, text), query->type, CLASS_IN, forward,
				 on_answer, NULL);
	if (r != 0) {
		unlink_forward(forward);
		return r == UB_NOMEM ? -ENOMEM : -EIO;
	}
	return 0;
}
