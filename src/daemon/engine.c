/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine - the process that speaks with guests
 */
#include "daemon/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include "base/log.h"
#include "base/loop.h"
#include "daemon/engine_follow.h"
#include "daemon/engine_net.h"
#include "daemon/tell.h"
#include "io/leasedb.h"

#define TABLE (16 * 1024)	/* bytes: of a network, mostly empty */
#define LINGER (100 * MONO_US)	/* guests that start ask one after the other */
#define ENGINE_NETWORKS 256
#define ENGINE_HOSTS 8192	/* declared guests of a network */
#define INNER_BATCH 64
#define GOODBYES 3		/* RFC 4861 10: MAX_FINAL_RTR_ADVERTISEMENTS */
#define STATS_EVERY (15 * MONO_S)
#define FULL_LASTS (60 * MONO_S)	/* clients that got nothing ask again within a minute: RFC 2131 4.1 */

struct engine {
	struct loop *loop;
	struct loop_fd inner;
	struct loop_timer timer;
	struct tell *tell;
	struct leasedb *db;
	struct pcap *pcap;
	struct packet_batch *batch;
	struct engine_follow *follow;
	struct engine_net *nets;
	size_t n_nets;
	uint8_t id[16];
	bool db_trouble, tell_waits;
	mono_t stats_at;
	struct log_gate malformed_gate, socket_gate, inner_gate, db_gate;
};

static struct engine_net *find(const struct engine *e, const char *name)
{
	for (struct engine_net *net = e->nets; net; net = net->next)
		if (str_eq(net->name, name))
			return net;
	return NULL;
}

/*
 * True while main can be told of what one more message or tick leads to, after
 * all that already waits for the end of the turn.
 */
static bool may_lease(const struct engine *e)
{
	size_t waiting = OUT_FACTS;

	for (const struct engine_net *net = e->nets; net; net = net->next)
		waiting += net->out->n_facts;
	return tell_room(e->tell) > waiting;
}

static void record(struct engine *e, const void *frame, size_t len, mono_t now)
{
	if (!e->pcap)
		return;

	int r = pcap_write(e->pcap, frame, len, now);
	if (r < 0) {
		log_event(LOG_LEVEL_WARNING, "pcap-ends error=\"%s\"", strerror(-r));
		e->pcap = pcap_free(e->pcap);
	}
}

/* ---- the end of a turn: disk, guests, main ---- */

static int save_facts(struct engine *e)
{
	int r = 0;

	for (struct engine_net *net = e->nets; net && r == 0; net = net->next)
		for (size_t i = 0; i < net->out->n_facts && r == 0; i++) {
			const struct fact *fact = &net->out->facts[i];

			if (fact->kind == FACT_LEASE)
				r = leasedb_put(e->db, &fact->lease);
			else if (fact->kind == FACT_LEASE_GONE)
				r = leasedb_gone(e->db, &fact->lease);
		}

	int committed = leasedb_commit(e->db);
	return r < 0 ? r : committed;
}

static bool has_lease_facts(const struct engine *e)
{
	for (const struct engine_net *net = e->nets; net; net = net->next)
		for (size_t i = 0; i < net->out->n_facts; i++)
			if (net->out->facts[i].kind != FACT_NEIGHBOUR)
				return true;
	return false;
}

/* Told once when leases can't be written, and once (with nothing to say) when they can again. */
static void note_db(struct engine *e, int status, mono_t now)
{
	unsigned int held;

	if (status == 0) {
		if (e->db_trouble) {
			log_event(LOG_LEVEL_NOTICE, "leases-written-again");
			(void)tell_trouble(e->tell, "", "");
		}
		e->db_trouble = false;
		return;
	}

	const char *what = leasedb_error(e->db);
	if (log_gate_pass(&e->db_gate, now, &held))
		log_event(LOG_LEVEL_ERROR, "leases-not-written error=\"%s\" held_back=%u", what[0] ? what : strerror(-status),
			  held);
	if (!e->db_trouble)
		(void)tell_trouble(e->tell, "", what[0] ? what : "leases cannot be written");
	e->db_trouble = true;
}

static bool is_lost(const struct fact *fact, bool saved)
{
	return !saved && fact->kind == FACT_LEASE && !fact->known;
}

static int tell_facts(struct engine *e, struct engine_net *net, bool saved, mono_t now)
{
	int r = 0;

	for (size_t i = 0; i < net->out->n_facts && r == 0; i++) {
		const struct fact *fact = &net->out->facts[i];

		if (is_lost(fact, saved)) {
			if (fact->lease.ip.family == AF_INET)
				dhcp4_not_saved(net->dhcp4, &fact->lease, now);
			else
				dhcp6_not_saved(net->dhcp6, &fact->lease, now);
			continue;
		}
		switch (fact->kind) {
		case FACT_LEASE:
			r = tell_lease(e->tell, INNER_LEASES, &fact->lease);
			break;
		case FACT_LEASE_GONE:
			r = tell_lease(e->tell, INNER_LEASE_GONE, &fact->lease);
			break;
		case FACT_NEIGHBOUR:
			r = tell_neighbour(e->tell, &fact->neighbour);
			break;
		}
	}
	return r;
}

static bool may_leave(const struct out *out, const struct out_frame *frame, bool saved)
{
	for (uint32_t i = 0; i < frame->n_facts; i++)
		if (is_lost(&out->facts[frame->first_fact + i], saved))
			return false;
	return true;
}

static void send_frames(struct engine *e, struct engine_net *net, bool saved, mono_t now)
{
	unsigned int held;

	for (size_t i = 0; i < net->out->n_frames; i++) {
		const struct out_frame *frame = &net->out->frames[i];
		int fd = net->socks[frame->socket == OUT_SOCKET_ARP ? ENGINE_SOCKET_ARP : ENGINE_SOCKET_IP].src.fd;

		if (fd < 0 || !may_leave(net->out, frame, saved)) {
			net->stats.dropped++;
			continue;
		}
		int r = packet_send(fd, frame->data, frame->len);
		if (r == 0) {
			net->stats.replies++;
			record(e, frame->data, frame->len, now);
			continue;
		}
		net->stats.dropped++;
		if (r != -ENETDOWN && r != -ENXIO && log_gate_pass(&e->socket_gate, now, &held))
			log_event(LOG_LEVEL_WARNING, "cannot-send network=%s error=\"%s\" held_back=%u", net->name,
				  strerror(-r), held);
	}
	net->stats.dropped += net->out->n_full;
	net->out->n_full = 0;
}

/* Said when the first client gets nothing, and taken back when none has for a minute. */
static int note_full(struct engine *e, struct engine_net *net, mono_t now)
{
	uint64_t n = engine_net_pool_full(net);
	bool was_told = net->full_told;

	if (n != net->pool_full) {
		net->pool_full = n;
		net->full_until = mono_add(now, FULL_LASTS);
		net->full_told = true;
	} else if (net->full_told && now >= net->full_until) {
		net->full_told = false;
	}
	if (net->full_told == was_told)
		return 0;
	return tell_trouble(e->tell, net->name,
			    net->full_told ? "the DHCP pool is full, new guests get no address: enlarge `dhcp`, or shorten `lease`" :
					     "");
}

/* Everything that was decided becomes true: written, sent, told. Return: 0 or the error of main's socket. */
static int settle(struct engine *e, mono_t now)
{
	int status = 0, r = 0;

	if (has_lease_facts(e)) {
		leasedb_set_clock(e->db, now, wall_now());
		status = save_facts(e);
		note_db(e, status, now);
	}
	/* Guests first: main, once woken, competes for the processor. */
	for (struct engine_net *net = e->nets; net; net = net->next)
		if (net->out->n_frames > 0 || net->out->n_full > 0)
			send_frames(e, net, status == 0, now);
	for (struct engine_net *net = e->nets; net && r == 0; net = net->next) {
		if (net->out->n_facts > 0)
			r = tell_facts(e, net, status == 0, now);
		out_reset(net->out);
	}
	if (r == 0)
		(void)tell_flush(e->tell, &r);
	for (struct engine_net *net = e->nets; net && r == 0; net = net->next)
		r = note_full(e, net, now);
	return r < 0 ? r : engine_follow_settle(e->follow);
}

/* ---- guests ---- */

static int on_sock(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct engine_sock *sock = CONTAINER_OF(src, struct engine_sock, src);
	struct engine_net *net = sock->net;
	struct engine *e = net->engine;
	uint64_t malformed = net->stats.malformed;
	unsigned int held;
	int n = packet_recv(e->batch, src->fd, PACKET_BATCH);

	(void)events;
	if (n < 0) {
		if (n != -ENETDOWN && log_gate_pass(&e->socket_gate, now, &held))
			log_event(LOG_LEVEL_WARNING, "cannot-receive network=%s error=\"%s\" held_back=%u", net->name,
				  strerror(-n), held);
		return 0;
	}
	for (unsigned int i = 0; i < (unsigned int)n; i++) {
		struct packet packet = packet_get(e->batch, i);

		if (!engine_net_has_room(net)) {
			int r = settle(e, now);

			if (r < 0)
				return r;
		}
		record(e, packet.frame.p, packet.frame.left, now);
		engine_net_input(net, sock->kind, &packet, may_lease(e), now);
	}
	if (net->stats.malformed != malformed && log_gate_pass(&e->malformed_gate, now, &held))
		log_event(LOG_LEVEL_DEBUG, "malformed network=%s n=%llu held_back=%u", net->name,
			  (unsigned long long)net->stats.malformed, held);
	return 0;
}

static int tell_changed_stats(struct engine *e, mono_t now)
{
	int r = 0;

	if (now < e->stats_at)
		return 0;
	e->stats_at = mono_add(now, STATS_EVERY);
	for (struct engine_net *net = e->nets; net && r == 0; net = net->next)
		if (engine_net_count(net)) {
			net->told_stats = net->stats;
			r = tell_stats(e->tell, &net->stats);
		}
	return r;
}

/* What is due. Return: 0 or the error of main's socket. */
static int tick(struct engine *e, mono_t now)
{
	bool advertises = false;

	for (struct engine_net *net = e->nets; net; net = net->next) {
		if (!net->serving)
			continue;
		advertises |= ra_deadline(net->ra) <= now;
		engine_net_tick(net, may_lease(e), now);
	}
	/* Now that we are awake: one wake-up for all networks, not one for each. */
	for (struct engine_net *net = e->nets; net && advertises; net = net->next)
		if (net->serving)
			ra_join(net->ra, now, net->out);
	engine_follow_tick(e->follow, now);
	return tell_changed_stats(e, now);
}

static int on_timer(struct loop_timer *timer, mono_t now)
{
	return tick(CONTAINER_OF(timer, struct engine, timer), now);
}

/* ---- main ---- */

static void trouble(struct engine *e, const char *network, const char *what)
{
	log_event(LOG_LEVEL_WARNING, "cannot-serve network=%s why=\"%s\"", network, what);
	(void)tell_trouble(e->tell, network, what);
}

static void random_bytes(uint8_t bytes[static 16])
{
	/* Cannot fail for so few bytes once the kernel's generator is seeded; if it does, hashes are merely guessable. */
	if (getrandom(bytes, 16, 0) != 16)
		memset(bytes, 0, 16);
}

static int begin_serve(struct engine *e, struct inner_msg *msg, mono_t now)
{
	const struct inner_serve *body = &msg->body.serve;
	struct engine_net *net = find(e, body->service.network);
	uint8_t random[16];

	if (msg->n_fds != 0 && msg->n_fds != ENGINE_SOCKET_N_)
		return -EBADMSG;
	if (!net) {
		if (e->n_nets == ENGINE_NETWORKS) {
			trouble(e, body->service.network, "the engine serves no more than 256 networks");
			return 0;
		}
		random_bytes(random);
		int r = engine_net_new(&net, body->service.network, e->id, random, now);
		if (r < 0)
			return r;
		net->engine = e;
		net->next = e->nets;
		e->nets = net;
		e->n_nets++;
	}
	engine_staged_free(net->staged);
	net->staged = NEW(struct engine_staged);
	net->staged->service = body->service;
	net->staged->hash = body->hash;
	for (unsigned int i = 0; i < ENGINE_SOCKET_N_; i++)
		net->staged->fds[i] = i < msg->n_fds ? STEAL_FD(msg->fds[i]) : -1;
	return 0;
}

static int add_host(struct engine *e, const struct inner_host *body)
{
	struct engine_net *net = find(e, body->network);

	if (!net || !net->staged || net->staged->n_hosts == ENGINE_HOSTS)
		return -EBADMSG;
	GROW(net->staged->hosts, net->staged->n_hosts, net->staged->cap_hosts);
	net->staged->hosts[net->staged->n_hosts++] = body->host;
	return 0;
}

/* Put the new sockets in the place of the old ones. */
static int take_sockets(struct engine_net *net)
{
	static const char *const name[ENGINE_SOCKET_N_] = { "arp", "ip" };

	for (unsigned int i = 0; i < ENGINE_SOCKET_N_; i++) {
		struct loop_fd *src = &net->socks[i].src;

		if (net->staged->fds[i] < 0)
			continue;
		loop_del(src);
		closep(&src->fd);
		src->name = name[i];
		src->fn = on_sock;
		src->fd = STEAL_FD(net->staged->fds[i]);
		int r = loop_add(net->engine->loop, src, EPOLLIN);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What leasedb_load() tells of one network, and what of it its responders keep. */
struct restore {
	struct engine_net *net;
	mono_t now;
	struct lease *held;
	size_t n, cap;
};

static void restore_lease(void *user, const struct lease *lease)
{
	struct restore *to = user;
	bool held;

	if (lease->ip.family == AF_INET)
		held = dhcp4_restore(to->net->dhcp4, lease, to->now);
	else
		held = dhcp6_restore(to->net->dhcp6, lease, to->now);
	if (!held)
		return;
	GROW(to->held, to->n, to->cap);
	to->held[to->n++] = *lease;
}

static int configure(struct engine_net *net, mono_t now)
{
	const struct engine_staged *s = net->staged;
	int r = dhcp4_configure(net->dhcp4, &s->service, s->hosts, s->n_hosts, now);

	if (r == 0)
		r = dhcp6_configure(net->dhcp6, &s->service, s->hosts, s->n_hosts, now);
	if (r < 0)
		return r;
	neigh_configure(net->neigh, &s->service);
	ra_configure(net->ra, &s->service, now, net->out);
	return 0;
}

static int end_serve(struct engine *e, const char *name, mono_t now)
{
	struct engine_net *net = find(e, name);
	struct restore restore = { .net = net, .now = now };
	int r;

	if (!net || !net->staged)
		return -EBADMSG;
	if (!net->serving && net->staged->fds[0] < 0) {
		trouble(e, name, "main sent no sockets");
		return 0;
	}
	r = configure(net, now);
	if (r == 0)
		r = settle(e, now);	/* last words of the old settings leave by the old sockets */
	if (r < 0)
		return r;
	if (!net->serving) {
		leasedb_set_clock(e->db, now, wall_now());
		r = leasedb_load(e->db, name, restore_lease, &restore);
		if (r < 0)
			trouble(e, name, leasedb_error(e->db));
	}
	r = take_sockets(net);
	if (r < 0) {
		free(restore.held);
		return r;
	}
	net->serving = true;

	struct inner_ready ready = { .hash = net->staged->hash, .n_leases = engine_net_n_leases(net) };
	(void)str_copy(ready.network, sizeof(ready.network), name);
	net->staged = engine_staged_free(net->staged);
	log_event(LOG_LEVEL_INFO, "serving network=%s leases=%u", name, ready.n_leases);
	return tell_ready(e->tell, &ready, restore.held, restore.n);
}

static int unserve(struct engine *e, const struct inner_unserve *body, mono_t now)
{
	struct engine_net *net = find(e, body->network);
	struct inner_ready gone = { .hash = 0 };
	int r;

	(void)str_copy(gone.network, sizeof(gone.network), body->network);

	if (!net)
		return tell_ready(e->tell, &gone, NULL, 0);
	r = settle(e, now);
	if (body->goodbye && net->serving)
		for (unsigned int i = 0; i < GOODBYES; i++)
			ra_goodbye(net->ra, now, net->out);
	if (r == 0)
		r = settle(e, now);
	for (struct engine_net **at = &e->nets; *at; at = &(*at)->next)
		if (*at == net) {
			*at = net->next;
			break;
		}
	e->n_nets--;
	engine_net_free(net);
	log_event(LOG_LEVEL_INFO, "no-longer-serving network=%s", body->network);
	return r < 0 ? r : tell_ready(e->tell, &gone, NULL, 0);
}

static int release(struct engine *e, const struct lease *lease, mono_t now)
{
	struct engine_net *net = find(e, lease->network);

	if (!net || !net->serving)
		return 0;
	if (!engine_net_has_room(net)) {
		int r = settle(e, now);

		if (r < 0)
			return r;
	}
	if (lease->ip.family == AF_INET)
		(void)dhcp4_forget(net->dhcp4, &lease->ip, now, net->out);
	else
		(void)dhcp6_forget(net->dhcp6, &lease->ip, now, net->out);
	return 0;
}

static int handle_msg(struct engine *e, struct inner_msg *msg, mono_t now)
{
	switch (msg->type) {
	case INNER_SERVE:
		return begin_serve(e, msg, now);
	case INNER_HOST:
		return add_host(e, &msg->body.host);
	case INNER_SERVE_END:
		return end_serve(e, msg->body.name.network, now);
	case INNER_UNSERVE:
		return unserve(e, &msg->body.unserve, now);
	case INNER_RELEASE:
		return release(e, &msg->body.lease.lease, now);
	case INNER_FOLLOW:
	case INNER_FOLLOWED:
	case INNER_UNFOLLOW:
	case INNER_QMP:
		return engine_follow_message(e->follow, msg, now);
	case INNER_ALIVE:
		return 0;
	case INNER_GROUP:
	case INNER_SIGHT:
	case INNER_QMP_GONE:
	case INNER_READY:
	case INNER_LEASES:
	case INNER_LEASE_GONE:
	case INNER_NEIGHBOUR:
	case INNER_TROUBLE:
	case INNER_STATS:
	case INNER_DNS_LISTEN:
	case INNER_DNS_STOP:
	case INNER_DNS_NAME:
	case INNER_DNS_NAME_GONE:
	case INNER_DNS_UPSTREAM:
		return -EBADMSG;	/* not for us */
	}
	return -EBADMSG;
}

static int on_inner(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct engine *e = CONTAINER_OF(src, struct engine, inner);
	struct inner_msg msg = { 0 };
	unsigned int held;

	(void)events;	/* what waits for EPOLLOUT leaves at the end of the turn */
	for (unsigned int i = 0; i < INNER_BATCH; i++) {
		int r = inner_recv(src->fd, &msg);

		if (r == -EAGAIN || r == -EINTR)
			return 0;
		if (r == 0 || r == -ECONNRESET) {
			loop_stop(e->loop, 0);
			return 0;
		}
		if (r == 1) {
			r = handle_msg(e, &msg, now);
			for (size_t n = 0; n < msg.n_fds; n++)
				closep(&msg.fds[n]);
		}
		if (r == -EBADMSG) {
			if (log_gate_pass(&e->inner_gate, now, &held))
				log_event(LOG_LEVEL_ERROR, "bad-message-from-main type=%d held_back=%u", (int)msg.type, held);
			continue;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the whole ---- */

static mono_t next_deadline(const struct engine *e)
{
	mono_t at = MONO_NEVER;

	for (struct engine_net *net = e->nets; net; net = net->next) {
		if (net->serving)
			at = mono_min(at, engine_net_deadline(net, may_lease(e)));
		if (engine_net_count(net))
			at = mono_min(at, e->stats_at);
	}
	return mono_min(at, engine_follow_deadline(e->follow));
}

static int on_turn(void *user, mono_t now)
{
	struct engine *e = user;
	int r = settle(e, now), error;
	bool waits;

	/* A timer set to what is over takes the kernel longer than what it is for: the next address to be probed, mostly. */
	if (r == 0 && next_deadline(e) <= now) {
		r = tick(e, now);
		if (r == 0)
			r = settle(e, now);
	}
	if (r < 0)
		goto out;
	waits = tell_flush(e->tell, &r);
	if (r < 0)
		goto out;
	if (waits != e->tell_waits) {
		r = loop_set_events(&e->inner, EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0));
		if (r < 0)
			return r;
		e->tell_waits = waits;
	}
	mono_t next = next_deadline(e);
	return next == e->timer.deadline ? 0 : loop_timer_set(e->loop, &e->timer, next);
out:
	error = r == -EPIPE || r == -ECONNRESET ? 0 : r;	/* main has gone: that is how we end */
	if (error == 0)
		loop_stop(e->loop, 0);
	return error;
}

/*
 * 16 bytes that stay the same as long as the lease file's folder: the DHCPv6
 * server's identity comes from them. Where the folder can't be written they
 * last until the next start; clients then rebind.
 */
static void read_id(const char *lease_path, uint8_t id[static 16])
{
	_cleanup_(freep) char *path = xasprintf("%s.id", lease_path);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && read(fd, id, 16) == 16)
		return;
	random_bytes(id);
	closep(&fd);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, id, 16) != 16)
		log_event(LOG_LEVEL_WARNING, "cannot-keep-identity file=\"%s\" error=\"%s\"", path, strerror(errno));
}

static void engine_clear(struct engine *e)
{
	while (e->nets) {
		struct engine_net *net = e->nets;

		e->nets = net->next;
		engine_net_free(net);
	}
	engine_follow_free(e->follow);
	loop_timer_del(&e->timer);
	loop_del(&e->inner);
	pcap_free(e->pcap);
	packet_batch_free(e->batch);
	leasedb_free(e->db);
	tell_free(e->tell);
	loop_free(e->loop);
}

static int engine_start(struct engine *e, const struct engine_conf *conf)
{
	int r = loop_new(&e->loop);

	if (r == 0)
		r = tell_new(&e->tell, conf->inner_fd);
	if (r == 0)
		r = packet_batch_new(&e->batch);
	if (r == 0)
		r = engine_follow_new(&e->follow, e->loop, e->tell, e->batch, conf->ear);
	if (r == 0)
		r = leasedb_open(&e->db, conf->lease_path);
	if (r < 0)
		return r;
	read_id(conf->lease_path, e->id);
	leasedb_set_clock(e->db, mono_now(), wall_now());
	if (leasedb_moved_to(e->db)) {
		log_event(LOG_LEVEL_ERROR, "lease-file-was-damaged moved_to=\"%s\"", leasedb_moved_to(e->db));
		(void)tell_trouble(e->tell, "", "the lease file was damaged and has been moved aside; leases begin anew");
	}
	if (!leasedb_writable(e->db))
		note_db(e, -EROFS, mono_now());
	if (conf->pcap_path) {
		r = pcap_open(&e->pcap, conf->pcap_path);
		if (r < 0)
			log_event(LOG_LEVEL_WARNING, "no-pcap file=\"%s\" error=\"%s\"", conf->pcap_path, strerror(-r));
	}
	loop_on_turn(e->loop, on_turn, e);
	loop_linger(e->loop, LINGER);
	return loop_add(e->loop, &e->inner, EPOLLIN);
}

int engine_run(const struct engine_conf *conf)
{
	struct engine e = {
		.inner = { .name = "main", .fn = on_inner, .fd = conf->inner_fd },
		.timer = { .name = "engine", .fn = on_timer, .deadline = MONO_NEVER },
		.malformed_gate = { .every = 10 * MONO_S, .burst = 3 },
		.socket_gate = { .every = 60 * MONO_S, .burst = 3 },
		.inner_gate = { .every = 60 * MONO_S, .burst = 3 },
		.db_gate = { .every = 60 * MONO_S, .burst = 3 },
	};
	int r;

	mem_give_back(TABLE);
	(void)signal(SIGPIPE, SIG_IGN);		/* main's end may close while we write */
	r = engine_start(&e, conf);
	if (r == 0)
		r = loop_run(e.loop);
	engine_clear(&e);
	return r;
}
