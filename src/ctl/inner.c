/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inner - typed messages between sixtapd's own processes
 */
#include "ctl/inner.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(2 * (2 + SERVICE_DRAINS) <= INNER_FDS, "a network has more sockets than a message takes");
_Static_assert(sizeof(struct inner_header) + sizeof(union inner_body) <= INNER_MAX, "a message outgrew INNER_MAX");

size_t inner_body_size(enum inner_type type)
{
	switch (type) {
	case INNER_SERVE:
		return sizeof(struct inner_serve);
	case INNER_HOST:
		return sizeof(struct inner_host);
	case INNER_SERVE_END:
	case INNER_DNS_STOP:
		return sizeof(struct inner_name);
	case INNER_UNSERVE:
		return sizeof(struct inner_unserve);
	case INNER_RELEASE:
	case INNER_LEASE_GONE:
		return sizeof(struct inner_lease);
	case INNER_LEASES:
		return sizeof(struct inner_leases);
	case INNER_READY:
		return sizeof(struct inner_ready);
	case INNER_NEIGHBOUR:
		return sizeof(struct inner_neighbour);
	case INNER_TROUBLE:
		return sizeof(struct inner_trouble);
	case INNER_STATS:
		return sizeof(struct inner_stats);
	case INNER_FOLLOW:
		return sizeof(struct inner_follow);
	case INNER_FOLLOWED:
	case INNER_GROUP:
		return sizeof(struct inner_group);
	case INNER_UNFOLLOW:
	case INNER_QMP_GONE:
		return sizeof(struct inner_unfollow);
	case INNER_QMP:
		return sizeof(struct inner_qmp);
	case INNER_SIGHT:
		return sizeof(struct inner_sight);
	case INNER_DNS_LISTEN:
		return sizeof(struct inner_dns);
	case INNER_DNS_NAME:
	case INNER_DNS_NAME_GONE:
		return sizeof(struct inner_dns_name);
	case INNER_DNS_UPSTREAM:
		return sizeof(struct inner_dns_upstream);
	case INNER_ALIVE:
		return sizeof(struct inner_alive);
	}
	return 0;
}

size_t inner_leases_size(size_t n)
{
	return offsetof(struct inner_leases, leases) + n * sizeof(struct lease);
}

/* May a body of @type have @len bytes? */
static bool len_ok(enum inner_type type, size_t len)
{
	size_t first = offsetof(struct inner_leases, leases);

	if (type == INNER_LEASES)
		return len > first && len <= sizeof(struct inner_leases) && (len - first) % sizeof(struct lease) == 0;
	return len != 0 && len == inner_body_size(type);
}

#define TEXT_OK(array) text_ok((array), sizeof(array))

/* Terminated, and printable ASCII: it may end in a log line or in a file name. */
static bool text_ok(const char *s, size_t size)
{
	const char *end = memchr(s, '\0', size);

	if (!end)
		return false;
	for (const char *c = s; c < end; c++)
		if (*c < 0x20 || *c > 0x7e)
			return false;
	return true;
}

static bool name_ok(const char *s, size_t size)
{
	return text_ok(s, size) && !strchr(s, '/') && s[0] != '.';
}

#define NAME_OK(array) name_ok((array), sizeof(array))

/* A flag that crossed a socket must be read as a byte: any other value than 0 and 1 is undefined in a bool. */
static bool flag_ok(const bool *flag)
{
	uint8_t b;

	memcpy(&b, flag, 1);
	return b <= 1;
}

static bool ip_ok(const struct ip *ip, bool may_be_unset)
{
	return ip->family == AF_INET || ip->family == AF_INET6 || (may_be_unset && ip->family == 0);
}

/* A member for one family must not hold the other: resp/ reads its union without asking. */
static bool prefix_ok(const struct prefix *p, int family)
{
	return (p->ip.family == family || p->ip.family == 0) && p->len <= ip_bits(&p->ip);
}

static bool range_ok(const struct ip_range *r, int family)
{
	return (r->first.family == family || r->first.family == 0) && r->first.family == r->last.family &&
	       ip_cmp(&r->first, &r->last) <= 0;
}

static bool service_ok(const struct service *s)
{
	if (!NAME_OK(s->network) || !s->network[0] || !NAME_OK(s->device) || !TEXT_OK(s->domain))
		return false;
	if (!flag_ok(&s->routes) || !flag_ok(&s->dhcp4) || !flag_ok(&s->ra) || !flag_ok(&s->managed) ||
	    !flag_ok(&s->other) || !flag_ok(&s->dhcp6))
		return false;
	if (s->n_dns4 > SERVICE_DNS || s->n_dns6 > SERVICE_DNS || s->n_prefixes > SERVICE_PREFIXES)
		return false;
	for (uint32_t i = 0; i < s->n_prefixes; i++)
		if (s->prefixes[i].len > 128 || !flag_ok(&s->prefixes[i].on_link) || !flag_ok(&s->prefixes[i].autonomous))
			return false;
	if (s->n_drains > SERVICE_DRAINS)
		return false;
	for (uint32_t i = 0; i < s->n_drains; i++)
		if (!ip_ok(&s->drains[i].gateway.ip, false) || s->drains[i].gateway.len > ip_bits(&s->drains[i].gateway.ip))
			return false;
	return prefix_ok(&s->gateway4, AF_INET) && prefix_ok(&s->gateway6, AF_INET6) && range_ok(&s->range4, AF_INET) &&
	       range_ok(&s->range6, AF_INET6);
}

static bool host_ok(const struct inner_host *h)
{
	if (!NAME_OK(h->network) || !NAME_OK(h->host.name) || h->host.n_ips > SERVICE_HOST_IPS)
		return false;
	for (uint32_t i = 0; i < h->host.n_ips; i++)
		if (!ip_ok(&h->host.ips[i], false))
			return false;
	return true;
}

static bool lease_ok(const struct lease *l)
{
	return NAME_OK(l->network) && NAME_OK(l->hostname) && ip_ok(&l->ip, false) && l->client.len <= CLIENT_ID_MAX;
}

/* inner_check() has seen that as many came as it says. */
static bool leases_ok(const struct inner_leases *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (!lease_ok(&l->leases[i]))
			return false;
	return true;
}

static bool follow_ok(const struct inner_follow *f)
{
	if (f->id == 0 || f->ifindex == 0 || !NAME_OK(f->device) || f->may_ask > 1 || mac_is_multicast(&f->mac) || f->n_declared > MCAST_DECLARED_IPS)
		return false;
	for (uint32_t i = 0; i < f->n_declared; i++)
		if (!ip_ok(&f->declared[i], false))
			return false;
	return true;
}

/* Nothing but multicast, whatever a guest says: its MAC stays what it is. Broadcast is let in always. */
static bool group_ok(const struct inner_group *g)
{
	static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

	if (g->id == 0)
		return false;
	if (mac_is_zero(&g->group))
		return g->reasons < 1u << MCAST_ALL_BITS;
	return mac_is_multicast(&g->group) && !mac_eq(&g->group, &broadcast) && g->reasons <= MCAST_REASONS_ALL;
}

static bool upstream_ok(const struct inner_dns_upstream *u)
{
	if (u->n > sizeof(u->servers) / sizeof(u->servers[0]))
		return false;
	for (uint32_t i = 0; i < u->n; i++)
		if (!ip_ok(&u->servers[i], false))
			return false;
	return true;
}

static bool body_ok(const struct inner_msg *m)
{
	const union inner_body *b = &m->body;

	switch (m->type) {
	case INNER_SERVE:
		return service_ok(&b->serve.service);
	case INNER_HOST:
		return host_ok(&b->host);
	case INNER_SERVE_END:
	case INNER_DNS_STOP:
		return NAME_OK(b->name.network);
	case INNER_UNSERVE:
		return NAME_OK(b->unserve.network) && b->unserve.goodbye <= 1;
	case INNER_RELEASE:
	case INNER_LEASE_GONE:
		return lease_ok(&b->lease.lease);
	case INNER_LEASES:
		return leases_ok(&b->leases);
	case INNER_READY:
		return NAME_OK(b->ready.network);
	case INNER_NEIGHBOUR:
		return NAME_OK(b->neighbour.neighbour.network) && ip_ok(&b->neighbour.neighbour.ip, false);
	case INNER_TROUBLE:
		return NAME_OK(b->trouble.network) && TEXT_OK(b->trouble.what);
	case INNER_STATS:
		return NAME_OK(b->stats.network);
	case INNER_FOLLOW:
		return follow_ok(&b->follow);
	case INNER_FOLLOWED:
	case INNER_GROUP:
		return group_ok(&b->group);
	case INNER_UNFOLLOW:
	case INNER_QMP_GONE:
		return b->unfollow.id != 0;
	case INNER_QMP:
		return b->qmp.id != 0 && TEXT_OK(b->qmp.nic);
	case INNER_SIGHT:
		return b->sight.id != 0 && ip_ok(&b->sight.ip, false);
	case INNER_DNS_LISTEN:
		return NAME_OK(b->dns.network) && TEXT_OK(b->dns.domain) && prefix_ok(&b->dns.gateway4, AF_INET) &&
		       prefix_ok(&b->dns.gateway6, AF_INET6) && b->dns.n_fds <= INNER_FDS;
	case INNER_DNS_NAME:
	case INNER_DNS_NAME_GONE:
		return NAME_OK(b->dns_name.network) && NAME_OK(b->dns_name.name) && ip_ok(&b->dns_name.ip, false);
	case INNER_DNS_UPSTREAM:
		return upstream_ok(&b->dns_upstream);
	case INNER_ALIVE:
		return true;
	}
	return false;
}

int inner_check(const void *buf, size_t len, struct inner_msg *ret)
{
	struct inner_header h;

	if (len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	if (h.version != INNER_VERSION || h.len != len - sizeof(h) || h.len > sizeof(ret->body))
		return -EBADMSG;
	ret->type = (enum inner_type)h.type;
	if (!len_ok(ret->type, h.len))
		return -EBADMSG;
	memcpy(&ret->body, (const uint8_t *)buf + sizeof(h), h.len);
	if (ret->type == INNER_LEASES && (ret->body.leases.n > INNER_LEASES_MAX || inner_leases_size(ret->body.leases.n) != h.len))
		return -EBADMSG;
	return body_ok(ret) ? 0 : -EBADMSG;
}

/* Which descriptors may come with a message. */
static bool fds_ok(const struct inner_msg *m)
{
	switch (m->type) {
	case INNER_SERVE:
		return m->n_fds <= ENGINE_SOCKET_N_;
	case INNER_FOLLOW:
		return m->n_fds <= 1;
	case INNER_QMP:
		return m->n_fds == 1;
	case INNER_DNS_LISTEN:
		return m->n_fds == m->body.dns.n_fds;
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
	case INNER_FOLLOWED:
	case INNER_UNFOLLOW:
	case INNER_GROUP:
	case INNER_SIGHT:
	case INNER_QMP_GONE:
	case INNER_DNS_STOP:
	case INNER_DNS_NAME:
	case INNER_DNS_NAME_GONE:
	case INNER_DNS_UPSTREAM:
	case INNER_ALIVE:
		return m->n_fds == 0;
	}
	return false;
}

/* The engine may not use sendmsg(); sendto() with no address it may, and that asks for no SIGPIPE as writev() would. */
static int send_plain(int sock, const struct inner_header *h, const void *body)
{
	uint8_t buf[INNER_MAX];

	memcpy(buf, h, sizeof(*h));
	memcpy(buf + sizeof(*h), body, h->len);
	return send(sock, buf, sizeof(*h) + h->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int inner_send(int sock, enum inner_type type, const void *body, size_t len, const int *fds, size_t n_fds)
{
	struct inner_header h = { INNER_VERSION, (uint16_t)type, (uint32_t)len };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)body, len } };
	union {
		char buf[CMSG_SPACE(sizeof(int) * INNER_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds > INNER_FDS || !len_ok(type, len))
		return -EINVAL;
	if (n_fds == 0)
		return send_plain(sock, &h, body);
	msg.msg_control = control.buf;
	msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int refuse(struct inner_msg *m, int r)
{
	for (size_t i = 0; i < m->n_fds; i++)
		(void)close(m->fds[i]);
	m->n_fds = 0;
	return r;
}

int inner_recv(int sock, struct inner_msg *ret)
{
	_Alignas(8) uint8_t buf[INNER_MAX];
	struct iovec iov = { buf, sizeof(buf) };
	union {
		char buf[CMSG_SPACE(sizeof(int) * INNER_FDS)];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	ret->n_fds = 0;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		const unsigned char *data = CMSG_DATA(c);
		for (size_t left = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); left > 0; left--, data += sizeof(int)) {
			int fd;

			memcpy(&fd, data, sizeof(fd));
			if (ret->n_fds < INNER_FDS)
				ret->fds[ret->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
	if (n == 0)
		return refuse(ret, 0);		/* closed; or an empty packet, which nobody of ours sends */
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return refuse(ret, -EBADMSG);
	int r = inner_check(buf, (size_t)n, ret);
	if (r == 0 && !fds_ok(ret))
		r = -EBADMSG;
	return r < 0 ? refuse(ret, r) : 1;
}
