/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve - main's side of the engine and the resolver
 *
 * Settings go down to them with the sockets they need; leases and sightings
 * come up and are kept here, as the one table that `leases`, `guests`, the
 * targets of forwards and the names in DNS are made from. When one of the two
 * is started anew it is told everything again.
 */
#include "daemon/state.h"

#include <errno.h>
#include <net/if.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/log.h"
#include "io/packet.h"

#define SEND_PATIENCE_MS 2000
#define GOODBYE_PATIENCE MONO_S
#define TICKS_STUCK 3
#define TICKS_ASKED 20		/* a wake-up for each of them, every five minutes */

static void hear_peer(struct daemon_main *d, struct peer *peer);

static struct daemon_main *main_of(struct peer *peer)
{
	return str_eq(peer->src.name, "engine") ? CONTAINER_OF(peer, struct daemon_main, engine) :
						  CONTAINER_OF(peer, struct daemon_main, resolver);
}

static void peer_close(struct peer *peer)
{
	loop_del(&peer->src);
	(void)close(peer->src.fd);
	peer->src.fd = -1;
}

/* It may not even see that its socket was closed: the monitor ends it, and starts another. */
static void cut_off(struct peer *peer, const char *why)
{
	const struct monitor_msg msg = { MONITOR_STUCK, peer->pid };

	log_event(LOG_LEVEL_ERROR, "peer-cut-off process=%s pid=%d error=\"%s\"", peer->src.name, (int)peer->pid, why);
	peer_close(peer);
	(void)send(main_of(peer)->monitor_src.fd, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A peer that takes nothing for two seconds is as good as dead. */
static int peer_send(struct peer *peer, enum inner_type type, const void *body, const int *fds, size_t n_fds)
{
	int r = -ENOTCONN;

	if (peer->src.fd < 0)
		return r;
	for (;;) {
		struct pollfd p = { .fd = peer->src.fd, .events = POLLOUT };

		r = inner_send(peer->src.fd, type, body, inner_body_size(type), fds, n_fds);
		if (r != -EAGAIN || poll(&p, 1, SEND_PATIENCE_MS) <= 0)
			break;
	}
	if (r < 0)
		cut_off(peer, strerror(-r));
	return r;
}

/* A process that hangs reads nothing. Nobody else would notice: guests that ask it are all it is there for. */
static void watch_peer(struct peer *peer)
{
	int unread = 0;

	if (peer->src.fd < 0 || ioctl(peer->src.fd, SIOCOUTQ, &unread) < 0)
		return;
	peer->stuck = unread > 0 && unread == peer->unread ? peer->stuck + 1 : 0;
	peer->unread = unread;
	if (peer->stuck >= TICKS_STUCK)
		cut_off(peer, "reads nothing");
	else if (++peer->ticks % TICKS_ASKED == 0 && unread == 0)
		(void)peer_send(peer, INNER_ALIVE, &(struct inner_alive){ peer->ticks }, NULL, 0);
}

void serve_watch(struct daemon_main *d)
{
	if (d->monitor_gone)	/* there would be no other */
		return;
	watch_peer(&d->engine);
	watch_peer(&d->resolver);
}

/* ---- names ---- */

static void tell_name(struct daemon_main *d, const char *network, const char *name, const struct ip *ip)
{
	struct told_key key = { 0 };
	struct told *t = NULL;
	struct inner_dns_name msg = { 0 };

	if (!*name || ip_is_link_local(ip))
		return;
	(void)str_copy(key.network, sizeof(key.network), network);
	(void)str_copy(key.name, sizeof(key.name), name);
	key.ip.family = ip->family;	/* by field: padding counts in a key */
	memcpy(key.ip.b, ip->b, ip_size(ip));
	HASH_FIND(hh, d->told, &key, sizeof(key), t);
	if (t) {
		t->keep = true;
		return;
	}
	t = NEW(struct told);
	t->key = key;
	t->keep = true;
	HASH_ADD(hh, d->told, key, sizeof(key), t);
	memcpy(msg.network, key.network, sizeof(msg.network));
	memcpy(msg.name, key.name, sizeof(msg.name));
	msg.ip = *ip;
	(void)peer_send(&d->resolver, INNER_DNS_NAME, &msg, NULL, 0);
}

static void untell(struct daemon_main *d, struct told *t)
{
	struct inner_dns_name msg = { 0 };

	memcpy(msg.network, t->key.network, sizeof(msg.network));
	memcpy(msg.name, t->key.name, sizeof(msg.name));
	msg.ip = t->key.ip;
	(void)peer_send(&d->resolver, INNER_DNS_NAME_GONE, &msg, NULL, 0);
	HASH_DEL(d->told, t);
	free(t);
}

/* @network: NULL for all. */
static void forget_told(struct daemon_main *d, const char *network)
{
	struct told *t, *next;

	HASH_ITER(hh, d->told, t, next) {
		if (network && !str_eq(t->key.network, network))
			continue;
		HASH_DEL(d->told, t);
		free(t);
	}
}

const char *serve_guest_name(const struct daemon_main *d, const char *network, const struct mac *mac)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network) && mac_eq(&d->guests[i]->mac, mac))
			return d->guests[i]->name;
	const struct d_guest *g = networks_guest_by_mac(d, network, mac);
	return g ? g->name : "";
}

static bool is_guest_name(const struct daemon_main *d, const char *network, const char *name)
{
	struct net *net = NULL;

	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network) && str_eq(d->guests[i]->name, name))
			return true;
	HASH_FIND_STR(d->nets, network, net);
	return net && net->d && desired_guest(net->d, name);
}

/*
 * A guest's own name wins. A host name from DHCP counts only where no guest has
 * it, or a guest could take another's name.
 */
static void tell_holder(struct daemon_main *d, const struct holder *h)
{
	const struct mac *mac = h->is_lease ? &h->lease.mac : &h->neighbour.mac;
	const char *name = serve_guest_name(d, h->key.network, mac);

	if (h->is_lease && !*name && !is_guest_name(d, h->key.network, h->lease.hostname))
		name = h->lease.hostname;
	if (!h->is_lease && h->key.ip.family == AF_INET6) {
		/* Of the addresses a guest made itself only the one from its MAC is known to stay. */
		if (!ip6_is_eui64(&h->key.ip.v6, mac))
			return;
	}
	tell_name(d, h->key.network, name, &h->key.ip);
}

void serve_names(struct daemon_main *d)
{
	struct told *t, *next;

	for (t = d->told; t; t = t->hh.next)
		t->keep = false;
	for (size_t k = 0; k < d->n_guests; k++)
		for (size_t i = 0; !d->guests[k]->macvtap && i < d->guests[k]->n_ips; i++)
			tell_name(d, d->guests[k]->network, d->guests[k]->name, &d->guests[k]->ips[i]);
	for (const struct net *net = d->nets; net; net = net->hh.next)
		for (size_t k = 0; net->d && !net->leaving && net->d->mode != NET_MODE_MACVTAP && k < net->d->n_guests; k++)
			for (size_t i = 0; i < net->d->guests[k].n_ips; i++)
				tell_name(d, net->name, net->d->guests[k].name, &net->d->guests[k].ips[i]);
	for (const struct holder *h = d->holders; h; h = h->hh.next)
		tell_holder(d, h);
	HASH_ITER(hh, d->told, t, next)
		if (!t->keep)
			untell(d, t);
}

/* ---- settings ---- */

static int dns_socket(const struct ip *ip, int type)
{
	const struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = ip->v4 };
	const struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = ip->v6 };
	_cleanup_(closep) int fd = socket(ip->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, r;

	if (fd < 0)
		return -errno;
	/* The bridge may still be without carrier. */
	(void)setsockopt(fd, ip->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			 ip->family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND, &one, sizeof(one));
	if (ip->family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* While settings change, the resolver has the old sockets still; nobody of another user gets in by this. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ip->family == AF_INET)
		r = bind(fd, (const struct sockaddr *)&a4, sizeof(a4));
	else
		r = bind(fd, (const struct sockaddr *)&a6, sizeof(a6));
	if (r < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0))
		return -errno;
	return STEAL_FD(fd);
}

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static int serve_dns(struct daemon_main *d, struct net *net, const struct service *s, struct report *report)
{
	struct inner_dns msg = { .gateway4 = s->gateway4, .gateway6 = s->gateway6 };
	const struct ip *gateways[2 + SERVICE_DRAINS] = { &s->gateway4.ip, &s->gateway6.ip };
	int fds[INNER_FDS];

	(void)str_copy(msg.network, sizeof(msg.network), net->name);
	(void)str_copy(msg.domain, sizeof(msg.domain), s->domain);
	for (uint32_t i = 0; i < s->n_drains; i++)	/* guests who have an old address ask the old gateway */
		gateways[2 + i] = &s->drains[i].gateway.ip;
	for (size_t i = 0; net->d->dns && i < 2 + s->n_drains; i++) {
		for (int type = SOCK_STREAM; ip_is_set(gateways[i]) && type <= SOCK_DGRAM; type++) {
			int fd = dns_socket(gateways[i], type);

			if (fd < 0) {
				struct finding *f = report_add(report, SEVERITY_WARNING, NULL, net->name,
							       "cannot answer DNS on %s: %s", IP_STR(gateways[i]), strerror(-fd));

				if (fd == -EADDRINUSE)
					report_help(f, "another DNS server has port 53 of every address; let it listen on its "
						       "own addresses, or write  dns: off");
				continue;
			}
			fds[msg.n_fds++] = fd;
		}
	}
	if (!net->dns_listening)	/* the resolver keeps no names of a network that it doesn't answer for */
		forget_told(d, net->name);
	int r = peer_send(&d->resolver, INNER_DNS_LISTEN, &msg, fds, msg.n_fds);
	close_fds(fds, msg.n_fds);
	net->dns_listening = r == 0;
	return r;
}

/* Closing a packet socket takes the kernel 12 ms: the engine keeps those it has, as long as the bridge is the same. */
static int serve_engine(struct daemon_main *d, struct net *net, const struct op_serve *op)
{
	struct inner_serve msg = { .service = *op->service };
	struct inner_name end = { 0 };
	int fds[ENGINE_SOCKET_N_];
	size_t n = 0;
	int r = 0;

	msg.hash = service_hash(op->service, op->hosts, op->n_hosts);
	msg.service.ifindex = if_nametoindex(msg.service.device);	/* plan/ can't know it of a bridge that it makes */
	bool has_sockets = net->sent_hash && net->sent_ifindex == msg.service.ifindex;
	for (; !has_sockets && n < ENGINE_SOCKET_N_; n++) {
		r = packet_open(msg.service.ifindex, (enum engine_socket)n, &fds[n]);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = peer_send(&d->engine, INNER_SERVE, &msg, fds, n);
	close_fds(fds, n);
	for (size_t i = 0; r == 0 && i < op->n_hosts; i++) {
		struct inner_host host = { .host = op->hosts[i] };

		(void)str_copy(host.network, sizeof(host.network), net->name);
		r = peer_send(&d->engine, INNER_HOST, &host, NULL, 0);
	}
	(void)str_copy(end.network, sizeof(end.network), net->name);
	if (r == 0)
		r = peer_send(&d->engine, INNER_SERVE_END, &end, NULL, 0);
	if (r == 0) {
		net->sent_hash = msg.hash;
		net->sent_ifindex = msg.service.ifindex;
	}
	return r;
}

/* The bridge is deleted next: the engine's last words to guests must be out by then. */
static void wait_unserved(struct daemon_main *d, struct net *net)
{
	mono_t give_up = mono_add(mono_now(), GOODBYE_PATIENCE);

	while (d->engine.src.fd >= 0 && net->ready_hash != 0) {
		struct pollfd p = { .fd = d->engine.src.fd, .events = POLLIN };
		mono_t now = mono_now();

		if (now >= give_up || poll(&p, 1, (int)((give_up - now) / MONO_MS) + 1) <= 0)
			break;
		hear_peer(d, &d->engine);
	}
}

static void unserve(struct daemon_main *d, struct net *net, bool goodbye)
{
	struct inner_unserve msg = { .goodbye = goodbye };
	struct inner_name stop = { 0 };

	(void)str_copy(msg.network, sizeof(msg.network), net->name);
	(void)str_copy(stop.network, sizeof(stop.network), net->name);
	if (peer_send(&d->engine, INNER_UNSERVE, &msg, NULL, 0) == 0)
		wait_unserved(d, net);
	(void)peer_send(&d->resolver, INNER_DNS_STOP, &stop, NULL, 0);
	net->sent_hash = net->ready_hash = 0;
	net->dns_listening = false;
}

int serve_op(void *user, const struct op *op, struct report *report)
{
	struct daemon_main *d = user;
	struct net *net = networks_find(d, op->network);

	if (!net)
		return -ENOENT;
	if (op->kind == OP_UNSERVE || !op->serve.service) {
		unserve(d, net, op->serve.goodbye);
		return 0;
	}
	/* While one of them is being restarted nothing fails: it is told everything when it is there. */
	int r = serve_engine(d, net, &op->serve);
	if (r < 0 && r != -ENOTCONN)
		return r;
	r = serve_dns(d, net, op->serve.service, report);
	return r == -ENOTCONN ? 0 : r;
}

/* ---- what they say ---- */

static struct holder *holder_find(struct daemon_main *d, const char *network, const struct ip *ip, bool make)
{
	struct holder_key key = { 0 };
	struct holder *h = NULL;
	unsigned int hash;

	(void)str_copy(key.network, sizeof(key.network), network);
	key.ip.family = ip->family;
	memcpy(key.ip.b, ip->b, ip_size(ip));
	HASH_VALUE(&key, sizeof(key), hash);
	HASH_FIND_BYHASHVALUE(hh, d->holders, &key, sizeof(key), hash, h);
	if (!h && make) {
		h = NEW(struct holder);
		h->key = key;
		HASH_ADD_BYHASHVALUE(hh, d->holders, key, sizeof(key), hash, h);
	}
	return h;
}

/* Does a forward of this guest wait for an address, or point to one? */
static bool has_forwards(struct daemon_main *d, const char *network, const struct mac *mac)
{
	const struct d_guest *g = networks_guest_by_mac(d, network, mac);

	if (g && (g->n_forwards > 0 || forwards_has_guest(d, network, g->name)))
		return true;
	for (size_t i = 0; i < d->n_guests; i++)
		if ((d->guests[i]->n_forwards > 0 || forwards_has_guest(d, network, d->guests[i]->name)) && str_eq(d->guests[i]->network, network) &&
		    mac_eq(&d->guests[i]->mac, mac))
			return true;
	return false;
}

/* The guards have to know who owns what; until then the kernel holds the address for whoever spoke for it first. */
static void tell_guards(struct daemon_main *d, const char *network)
{
	const struct net *net = networks_find(d, network);

	if (net && net->d && net->d->spoof_check)
		networks_reconcile_soon(d, 250 * MONO_MS);
}

static void on_lease(struct daemon_main *d, const struct lease *lease)
{
	struct holder *h = holder_find(d, lease->network, &lease->ip, true);
	bool news = !h->is_lease || !mac_eq(&h->lease.mac, &lease->mac) || !str_eq(h->lease.hostname, lease->hostname);

	h->is_lease = true;
	h->lease = *lease;
	if (!news)
		return;
	tell_holder(d, h);
	tell_guards(d, lease->network);
	if (has_forwards(d, lease->network, &lease->mac))
		networks_reconcile_soon(d, 10 * MONO_MS);
}

static void on_lease_gone(struct daemon_main *d, const struct lease *lease)
{
	struct holder *h = holder_find(d, lease->network, &lease->ip, false);

	if (!h)
		return;
	if (has_forwards(d, lease->network, &lease->mac))
		networks_reconcile_soon(d, 10 * MONO_MS);
	HASH_DEL(d->holders, h);
	free(h);
	networks_reconcile_soon(d, 200 * MONO_MS);	/* the names follow */
}

static void on_neighbour(struct daemon_main *d, const struct neighbour *n)
{
	struct holder *h = holder_find(d, n->network, &n->ip, true);
	bool news = !h->is_lease && !mac_eq(&h->neighbour.mac, &n->mac);

	h->neighbour = *n;
	if (!news)
		return;
	tell_holder(d, h);
	tell_guards(d, n->network);
	if (has_forwards(d, n->network, &n->mac))
		networks_reconcile_soon(d, 10 * MONO_MS);
}

static void on_trouble(struct daemon_main *d, const struct inner_trouble *t)
{
	log_event(LOG_LEVEL_WARNING, "engine-trouble network=%s what=\"%s\"", t->network, t->what);
	struct net *net = t->network[0] ? networks_find(d, t->network) : NULL;

	if (t->network[0] && !net)
		return;
	char **at = net ? &net->trouble : &d->trouble;
	free(*at);
	*at = t->what[0] ? xstrdup(t->what) : NULL;
}

static void on_message(struct daemon_main *d, const struct inner_msg *m)
{
	struct net *net;

	switch (m->type) {
	case INNER_READY:
		net = networks_find(d, m->body.ready.network);
		if (!net)
			return;
		net->ready_hash = m->body.ready.hash;
		if (net->n_drains > 0)	/* its leases are known only now */
			networks_reconcile_soon(d, 10 * MONO_MS);
		return;
	case INNER_LEASES:
		for (uint32_t i = 0; i < m->body.leases.n; i++)
			on_lease(d, &m->body.leases.leases[i]);
		return;
	case INNER_LEASE_GONE:
		on_lease_gone(d, &m->body.lease.lease);
		return;
	case INNER_NEIGHBOUR:
		on_neighbour(d, &m->body.neighbour.neighbour);
		return;
	case INNER_TROUBLE:
		on_trouble(d, &m->body.trouble);
		return;
	case INNER_STATS:
		log_event(LOG_LEVEL_DEBUG, "stats network=%s malformed=%llu dropped=%llu", m->body.stats.network,
			  (unsigned long long)m->body.stats.malformed, (unsigned long long)m->body.stats.dropped);
		return;
	case INNER_GROUP:
	case INNER_SIGHT:
	case INNER_QMP_GONE:
		follow_message(d, m);
		return;
	case INNER_FOLLOW:
	case INNER_FOLLOWED:
	case INNER_UNFOLLOW:
	case INNER_QMP:
	case INNER_SERVE:
	case INNER_HOST:
	case INNER_SERVE_END:
	case INNER_UNSERVE:
	case INNER_RELEASE:
	case INNER_DNS_LISTEN:
	case INNER_DNS_STOP:
	case INNER_DNS_NAME:
	case INNER_DNS_NAME_GONE:
	case INNER_DNS_UPSTREAM:
	case INNER_ALIVE:
		break;
	}
	log_event(LOG_LEVEL_ERROR, "peer-said-nonsense type=%d", (int)m->type);
}

/* Take what a peer said. When it has ended the monitor starts another and sends its socket. */
static void hear_peer(struct daemon_main *d, struct peer *peer)
{
	static struct inner_msg msg;

	for (int i = 0; i < 256; i++) {
		int r = inner_recv(peer->src.fd, &msg);

		if (r == -EAGAIN)
			return;
		if (r == -EBADMSG) {
			log_event(LOG_LEVEL_ERROR, "peer-said-nonsense process=%s", peer->src.name);
			continue;
		}
		if (r <= 0) {
			peer_close(peer);
			return;
		}
		close_fds(msg.fds, msg.n_fds);
		on_message(d, &msg);
	}
}

static int on_peer(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct peer *peer = CONTAINER_OF(src, struct peer, src);
	struct daemon_main *d = main_of(peer);

	(void)events;
	hear_peer(d, peer);
	follow_flush(d);
	answer_check_waiters(d, now);
	return 0;
}

int serve_tell_engine(struct daemon_main *d, enum inner_type type, const void *body, const int *fds, size_t n_fds)
{
	return peer_send(&d->engine, type, body, fds, n_fds);
}

int serve_peer_started(struct daemon_main *d, bool engine, int fd, pid_t pid)
{
	struct peer *peer = engine ? &d->engine : &d->resolver;

	if (peer->src.fd >= 0)
		peer_close(peer);
	*peer = (struct peer){ .src = { .name = engine ? "engine" : "resolver", .fn = on_peer, .fd = fd }, .pid = pid };
	int r = loop_add(d->loop, &peer->src, EPOLLIN);
	if (r < 0)
		return r;
	log_event(LOG_LEVEL_INFO, "peer-started process=%s pid=%d", peer->src.name, (int)pid);
	for (struct net *net = d->nets; net; net = net->hh.next) {
		net->sent_hash = net->ready_hash = 0;	/* planned and told anew */
		if (!engine)
			net->dns_listening = false;
	}
	if (engine) {	/* it says anew what troubles it */
		free(d->trouble);
		d->trouble = NULL;
		follow_engine_started(d);
	} else {
		d->upstream.n = 0;
		serve_upstream(d);
	}
	networks_reconcile_soon(d, 0);
	return 0;
}

void serve_forget(struct daemon_main *d, struct net *net)
{
	struct holder *h, *next_holder;

	HASH_ITER(hh, d->holders, h, next_holder) {
		if (!str_eq(h->key.network, net->name))
			continue;
		HASH_DEL(d->holders, h);
		free(h);
	}
	forget_told(d, net->name);
}

/* ---- the host's own resolvers ---- */

static void read_resolv_conf(const char *path, struct inner_dns_upstream *ret)
{
	FILE *f = fopen(path, "re");
	char line[512], text[IP_STRLEN + 32];

	if (!f)
		return;
	while (ret->n < ARRAY_LEN(ret->servers) && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "nameserver %76s", text) != 1)
			continue;
		char *scope = strchr(text, '%');
		struct ip ip;

		if (scope)
			*scope++ = '\0';
		if (!ip_parse(text, &ip))
			continue;
		ret->ifindex[ret->n] = scope ? if_nametoindex(scope) : 0;
		ret->servers[ret->n++] = ip;
	}
	(void)fclose(f);
}

/* systemd-resolved's stub: ask whom it asks, so that a guest's question passes one cache less. */
static bool only_loopback(const struct inner_dns_upstream *u)
{
	for (uint32_t i = 0; i < u->n; i++)
		if (!ip_is_loopback(&u->servers[i]))
			return false;
	return true;
}

void serve_upstream(struct daemon_main *d)
{
	struct inner_dns_upstream found, real;

	memset(&found, 0, sizeof(found));
	memset(&real, 0, sizeof(real));
	read_resolv_conf("/etc/resolv.conf", &found);
	if (found.n > 0 && only_loopback(&found)) {
		read_resolv_conf("/run/systemd/resolve/resolv.conf", &real);
		if (real.n > 0)
			found = real;
	}
	if (memcmp(&found, &d->upstream, sizeof(found)) == 0 && d->upstream.n > 0)
		return;
	d->upstream = found;
	(void)peer_send(&d->resolver, INNER_DNS_UPSTREAM, &found, NULL, 0);
}
