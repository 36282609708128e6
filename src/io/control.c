/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control - the control socket: lines of JSON and descriptors over a stream
 */
#include "io/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define READ_CHUNK 65536u

static int address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return str_copy(ret->sun_path, sizeof(ret->sun_path), path) ? 0 : -ENAMETOOLONG;
}

int control_listen(const char *path, mode_t mode)
{
	struct sockaddr_un a;
	int r = address(path, &a);

	if (r < 0)
		return r;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	mode_t old = umask(0777);
	r = bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	(void)umask(old);
	if (r < 0)
		return r;
	if (chmod(path, mode) < 0 || listen(fd, 64) < 0)
		return -errno;
	return STEAL_FD(fd);
}

static int new_control(struct control **ret, int fd, size_t in_max)
{
	struct control *c = NEW(struct control);
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	c->fd = fd;
	c->in_max = in_max;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		int r = -errno;

		control_free(c);
		return r;
	}
	c->uid = cred.uid;
	c->gid = cred.gid;
	c->pid = cred.pid;
	*ret = c;
	return 0;
}

int control_accept(struct control **ret, int listen_fd, size_t in_max)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : new_control(ret, fd, in_max);
}

bool control_peer_in_group(const struct control *c, gid_t gid)
{
	socklen_t len = 0;
	bool found = c->gid == gid;

	/* Without room the kernel says how much it needs. */
	if (found || getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return found;
	gid_t *gids = xcalloc(len / sizeof(gid_t) + 1, sizeof(gid_t));

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0)
		len = 0;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		found = found || gids[i] == gid;
	free(gids);
	return found;
}

int control_connect(struct control **ret, const char *path, size_t in_max)
{
	struct sockaddr_un a;
	int r = address(path, &a);

	if (r < 0)
		return r;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	r = new_control(ret, fd, in_max);
	if (r == 0)
		(*ret)->takes_fds = true;
	return r;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_fds; i++)
		(void)close(c->fds[i]);
	(void)close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
	return NULL;
}

static void keep_fds(struct control *c, struct msghdr *msg)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(int));
			if (c->n_fds < CONTROL_FDS)
				c->fds[c->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
}

static void drop_taken(struct control *c)
{
	if (c->taken == 0)
		return;
	c->in_len -= c->taken;
	memmove(c->in, c->in + c->taken, c->in_len);
	c->taken = 0;
}

int control_read(struct control *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
		struct cmsghdr align;
	} control;

	drop_taken(c);
	if (c->in_len >= c->in_max)
		return -EMSGSIZE;
	if (c->in_cap - c->in_len < READ_CHUNK) {
		c->in_cap = c->in_cap ? c->in_cap * 2 : READ_CHUNK * 2;
		c->in = xrealloc(c->in, c->in_cap, 1);
	}
	struct iovec iov = { c->in + c->in_len, c->in_cap - c->in_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c->takes_fds ? control.buf : NULL,
			      .msg_controllen = c->takes_fds ? sizeof(control.buf) : 0 };
	ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	keep_fds(c, &msg);
	c->in_len += (size_t)n;
	return n > 0;
}

const char *control_line(struct control *c, size_t *ret_len)
{
	drop_taken(c);
	char *nl = c->in_len ? memchr(c->in, '\n', c->in_len) : NULL;

	if (!nl)
		return NULL;
	*nl = '\0';
	*ret_len = (size_t)(nl - c->in);
	c->taken = *ret_len + 1;
	return c->in;
}

size_t control_take_fds(struct control *c, int *fds, size_t max)
{
	size_t n = c->n_fds < max ? c->n_fds : max;

	memcpy(fds, c->fds, n * sizeof(int));
	memmove(c->fds, c->fds + n, (c->n_fds - n) * sizeof(int));
	c->n_fds -= n;
	return n;
}

void control_queue(struct control *c, const char *text, size_t len, const int *fds, size_t n_fds)
{
	if (n_fds > 0 && n_fds <= CONTROL_FDS) {
		memcpy(c->out_fds, fds, n_fds * sizeof(int));
		c->n_out_fds = n_fds;
		c->out_fds_at = c->out_len;
	}
	while (c->out_cap - c->out_len < len + 1) {
		c->out_cap = c->out_cap ? c->out_cap * 2 : 4096;
		c->out = xrealloc(c->out, c->out_cap, 1);
	}
	memcpy(c->out + c->out_len, text, len);
	c->out[c->out_len + len] = '\n';
	c->out_len += len + 1;
}

/* Bytes that come before the descriptors leave first, so that these arrive with their own line. */
int control_flush(struct control *c)
{
	while (c->out_len > 0) {
		union {
			char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
			struct cmsghdr align;
		} control = { 0 };
		bool with_fds = c->n_out_fds > 0 && c->out_fds_at == 0;
		struct iovec iov = { c->out, c->n_out_fds > 0 && !with_fds ? c->out_fds_at : c->out_len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (with_fds) {
			msg.msg_control = control.buf;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * c->n_out_fds);
			struct cmsghdr *m = CMSG_FIRSTHDR(&msg);

			m->cmsg_level = SOL_SOCKET;
			m->cmsg_type = SCM_RIGHTS;
			m->cmsg_len = CMSG_LEN(sizeof(int) * c->n_out_fds);
			memcpy(CMSG_DATA(m), c->out_fds, sizeof(int) * c->n_out_fds);
		}
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (with_fds)
			c->n_out_fds = 0;
		else if (c->n_out_fds > 0)
			c->out_fds_at -= (size_t)n;
		c->out_len -= (size_t)n;
		memmove(c->out, c->out + n, c->out_len);
	}
	return 1;
}
