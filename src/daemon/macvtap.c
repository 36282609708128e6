/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - NICs of guests on macvtap devices: made, handed over, removed
 *
 * Theory of operation: the plan makes the device, the monitor opens its queues
 * (it alone can make device nodes). Unlike a tap's, the device doesn't go with
 * its descriptors. So QEMU also inherits the writing end of a FIFO in the run
 * directory, and main holds the reading end: when the last process that has it
 * ends, however it ends, main hears so and removes the device. A FIFO has a
 * name, so a main that comes later opens it again, and sees at once whether
 * anybody is left. Nothing is ever written to it, and nothing read.
 *
 * With a monitor, QEMU also inherits a socket that listens for QMP, so that not
 * only this main but any later one can connect. It is bound under one name and
 * renamed at once: QEMU removes the name that it was bound to when it ends,
 * which it may not be allowed to, and says so to its user; one that is gone
 * already it passes over. Only main's user can connect.
 */
#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "ctl/paths.h"
#include "kern/macvtap.h"
#include "kern/tap.h"

#define DEVICES 100000 /* numbers go up, and don't come back soon */
#define MONITOR_PATIENCE_MS 3000
#define JUNK_MAX (2u << 20) /* what a FIFO holds at most */

/* A guest whose end is waited for. */
struct macvtap {
	struct loop_fd src;	/* reading end of the FIFO */
	struct daemon_main *d;
	char device[16];
	struct guest *lost;	/* owned: its device is gone, with the NIC say, and it runs on without; NULL: it has its device */
	struct macvtap *next;
};

static const char *alive_path(const struct daemon_main *d, const char *device, char buf[static PATHS_MAX])
{
	return paths_join(PATHS_JOIN(d->records, "alive"), device, buf);
}

static const char *qmp_path(const struct daemon_main *d, const char *device, char buf[static PATHS_MAX])
{
	return paths_join(PATHS_JOIN(d->conf.run_dir, "qmp"), device, buf);
}

static struct guest *guest_of(const struct daemon_main *d, const char *device)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i]->macvtap && str_eq(d->guests[i]->device, device))
			return d->guests[i];
	return NULL;
}

void macvtap_forget(struct daemon_main *d, const struct guest *g)
{
	char path[PATHS_MAX];

	for (struct macvtap **at = &d->macvtaps, *m; (m = *at);) {
		if (m->lost || !str_eq(m->device, g->device)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		loop_del(&m->src);
		(void)close(m->src.fd);
		free(m);
	}
	(void)unlink(alive_path(d, g->device, path));
	(void)unlink(qmp_path(d, g->device, path));
}

void macvtap_end(struct daemon_main *d, struct guest *g)
{
	uint32_t ifindex = g->ifindex;
	char device[16], alias[128];

	if (!if_indextoname(ifindex, device))	/* whatever somebody calls it */
		(void)str_copy(device, sizeof(device), g->device);
	(void)snprintf(alias, sizeof(alias), "sixtap:%s/%s", g->network, g->name);
	int r = ifindex == 0 ? 0 : kern_link_del(d->kern, ifindex, device, alias);
	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "cannot-delete device=%s error=\"%s\"", device, strerror(-r));
	guests_link_gone(d, ifindex, device);
}

bool macvtap_lost(struct daemon_main *d, const struct guest *g)
{
	struct macvtap *m = d->macvtaps;

	while (m && (m->lost || !str_eq(m->device, g->device)))
		m = m->next;
	if (!m || !macvtap_alive(d, g))
		return false;
	m->lost = guest_new();
	memcpy(m->lost->network, g->network, sizeof(g->network));
	memcpy(m->lost->name, g->name, sizeof(g->name));
	m->lost->pid = g->pid;
	return true;
}

const char *macvtap_trouble(const struct daemon_main *d, const char *network, char buf[static 256])
{
	const struct guest *first = NULL;
	unsigned int n = 0;

	buf[0] = '\0';
	for (const struct macvtap *m = d->macvtaps; m; m = m->next) {
		if (!m->lost || !str_eq(m->lost->network, network))
			continue;
		first = first ? first : m->lost;
		n++;
	}
	if (n == 1)
		(void)snprintf(buf, 256, "%s (pid %lld) runs on without its NIC, whose macvtap went: end it, and start it again", first->name,
			       (long long)first->pid);
	else if (n > 1)
		(void)snprintf(buf, 256, "%s (pid %lld) and %u more run on without their NICs, whose macvtaps went: end them, and start "
			       "them again", first->name, (long long)first->pid, n - 1);
	return buf;
}

static int lost_ends(struct macvtap *m)
{
	struct macvtap **at = &m->d->macvtaps;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	loop_del(&m->src);
	(void)close(m->src.fd);
	(void)guest_free(m->lost);
	free(m);
	return 0;
}

/* Only the end is listened for; whoever writes into it wakes nobody. */
static int on_alive(struct loop_fd *src, uint32_t events, mono_t now)
{
	struct macvtap *m = CONTAINER_OF(src, struct macvtap, src);
	struct guest *g = guest_of(m->d, m->device);

	(void)now;
	if (!(events & (EPOLLHUP | EPOLLERR)))
		return 0;
	if (m->lost)
		return lost_ends(m);
	if (g)
		macvtap_end(m->d, g);
	else
		loop_del(src);
	return 0;
}

/* Return: the reading end, or negative errno. */
static int open_alive(const struct daemon_main *d, const char *device)
{
	char path[PATHS_MAX];
	int fd = open(alive_path(d, device, path), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int watch_alive(struct daemon_main *d, const char *device, int fd)
{
	struct macvtap *m = NEW(struct macvtap);

	m->d = d;
	m->src = (struct loop_fd){ .name = "guest", .fn = on_alive, .fd = fd };
	(void)str_copy(m->device, sizeof(m->device), device);
	int r = loop_add(d->loop, &m->src, 0);
	if (r < 0) {
		free(m);
		return r;
	}
	m->next = d->macvtaps;
	d->macvtaps = m;
	return 0;
}

/* Does anybody have the writing end? Also when somebody wrote into it. */
static bool has_writer(int fd)
{
	char junk[4096];
	size_t n = 0;
	ssize_t r;

	while (n <= JUNK_MAX && (r = read(fd, junk, sizeof(junk))) > 0)
		n += (size_t)r;
	return n > JUNK_MAX || (r < 0 && errno == EAGAIN);
}

bool macvtap_restore(struct daemon_main *d, const struct guest *g)
{
	_cleanup_(closep) int fd = open_alive(d, g->device);

	if (fd < 0 || !has_writer(fd) || watch_alive(d, g->device, fd) < 0)
		return false;
	(void)STEAL_FD(fd);
	return true;
}

bool macvtap_alive(const struct daemon_main *d, const struct guest *g)
{
	for (const struct macvtap *m = d->macvtaps; m; m = m->next)
		if (!m->lost && str_eq(m->device, g->device))
			return poll(&(struct pollfd){ .fd = m->src.fd }, 1, 0) == 0;
	return false;
}

int macvtap_connect(const struct daemon_main *d, const struct guest *g)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[PATHS_MAX];

	if (!g->monitor)
		return -ENOENT;
	if (!str_copy(sun.sun_path, sizeof(sun.sun_path), qmp_path(d, g->device, path)))
		return -ENAMETOOLONG;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -errno;
	return STEAL_FD(fd);
}

/* ---- a new one ---- */

/* Return: the listening socket, or negative errno. */
static int listen_qmp(const struct daemon_main *d, const char *device)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[PATHS_MAX];

	int len = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s.new", qmp_path(d, device, path));
	if (len < 0 || (size_t)len >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlink(sun.sun_path);
	/* The umask of main leaves the socket to its own user. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || rename(sun.sun_path, path) < 0 ||
	    listen(fd, 4) < 0)
		return -errno;
	return STEAL_FD(fd);
}

/* Ask the monitor for @ask->n descriptors. Return: 0, or negative errno. */
static int ask_monitor(const struct daemon_main *d, const struct monitor_queues *ask, int *fds)
{
	int sock = d->conf.ends.queues_fd;
	struct monitor_queues answer;
	union {
		char buf[CMSG_SPACE(sizeof(int) * KERN_MACVTAP_QUEUES)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct pollfd p = { .fd = sock, .events = POLLIN };

	while (recv(sock, &answer, sizeof(answer), MSG_DONTWAIT) > 0)
		; /* an answer that came too late; descriptors with it are closed by the kernel */
	if (send(sock, ask, sizeof(*ask), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	if (poll(&p, 1, MONITOR_PATIENCE_MS) <= 0)
		return -ETIMEDOUT;
	ssize_t len = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (len <= 0)
		return len < 0 ? -errno : -EPIPE;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	size_t n_fds = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
			       ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
			       : 0;
	if (n_fds > 0)
		memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
	int r = len != (ssize_t)sizeof(answer) ? -EPROTO : answer.err;
	if (r == 0 && n_fds != ask->n)
		r = -EPROTO;
	for (size_t i = 0; i < n_fds && r != 0; i++)
		(void)close(fds[i]);
	return r;
}

/* Return: 0, or negative errno. */
static int get_queues(struct daemon_main *d, const struct guest *g, unsigned int n, int *fds)
{
	struct monitor_queues ask = { .ask = MONITOR_ASK_QUEUES, .ifindex = g->ifindex, .n = n };

	(void)str_copy(ask.name, sizeof(ask.name), g->device);
	int r = ask_monitor(d, &ask, fds);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = kern_macvtap_set(fds[i], n);
	for (unsigned int i = 0; i < n && r != 0; i++)
		(void)close(fds[i]);
	return r;
}

int macvtap_connect_adopted(const struct daemon_main *d, const char *subject)
{
	struct monitor_queues ask = { .ask = MONITOR_ASK_QMP, .n = 1 };
	int fds[KERN_MACVTAP_QUEUES];

	if (!str_copy(ask.name, sizeof(ask.name), subject))
		return -ENOENT;
	int r = ask_monitor(d, &ask, fds);
	return r < 0 ? r : fds[0];
}

static int choose_device(struct daemon_main *d, struct guest *g)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		(void)snprintf(g->device, sizeof(g->device), "macvtap%u", d->next_macvtap++ % DEVICES);
		if (!guest_of(d, g->device) && if_nametoindex(g->device) == 0)
			return 0;
	}
	return -EEXIST;
}

/* Both ends of the FIFO. */
static int make_alive(struct daemon_main *d, const struct guest *g, int *ret_writer)
{
	char path[PATHS_MAX];

	if (mkdir(paths_join(d->records, "alive", path), 0700) < 0 && errno != EEXIST)
		return -errno;
	(void)unlink(alive_path(d, g->device, path));
	if (mkfifo(path, 0600) < 0)
		return -errno;
	_cleanup_(closep) int reader = open_alive(d, g->device);
	if (reader < 0)
		return reader;
	_cleanup_(closep) int writer = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (writer < 0)
		return -errno;
	int r = watch_alive(d, g->device, reader);
	if (r < 0)
		return r;
	(void)STEAL_FD(reader);
	*ret_writer = STEAL_FD(writer);
	return 0;
}

static int fail(struct daemon_main *d, const struct guest *g, struct report *report, const char *what, int r)
{
	struct finding *f = report_error(report, g->name, "%s: %s", what, strerror(-r));

	if (d->monitor_gone || r == -EPIPE)
		report_help(f, "a part of sixtapd was killed: sudo sixtap up starts it anew");
	return 1;
}

int macvtap_prepare(struct daemon_main *d, struct guest *g, bool monitor, struct report *report,
		    struct macvtap_ends *ret)
{
	*ret = (struct macvtap_ends){ .alive = -1, .qmp = -1 };
	g->macvtap = true;
	g->monitor = monitor;
	int r = choose_device(d, g);
	if (r < 0)
		return fail(d, g, report, "cannot name a macvtap device", r);
	r = make_alive(d, g, &ret->alive);
	if (r == 0 && monitor) {
		ret->qmp = listen_qmp(d, g->device);
		r = ret->qmp < 0 ? ret->qmp : 0;
	}
	if (r == 0)
		return 0;
	fail(d, g, report, "cannot prepare the guest's NIC", r);
	macvtap_close(ret);
	macvtap_forget(d, g);
	return 1;
}

void macvtap_close(struct macvtap_ends *ends)
{
	closep(&ends->alive);
	closep(&ends->qmp);
	ends->alive = ends->qmp = -1;
}

int macvtap_open(struct daemon_main *d, struct guest *g, unsigned int queues, struct report *report, int *fds)
{
	g->ifindex = if_nametoindex(g->device);
	if (g->ifindex == 0)
		return fail(d, g, report, "its macvtap device isn't there", -ENODEV);
	guests_record(d, g);
	int r = get_queues(d, g, queues, fds);
	return r < 0 ? fail(d, g, report, "cannot open its macvtap device", r) : 0;
}
