/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control - the control socket: lines of JSON and descriptors over a stream
 *
 * One JSON object a line. A side reads with control_read() whenever the
 * descriptor is readable and takes whole lines out with control_line(); what
 * does not fit the limit spoils the connection. Descriptors that came with a
 * line are handed out with it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/mem.h"

#define CONTROL_FDS 64		/* tap queues plus their vhost-net descriptors */

struct control {
	int fd;
	uid_t uid;		/* of the peer, when it connected */
	gid_t gid;
	pid_t pid;
	char *in;
	size_t in_len, in_cap, in_max;
	size_t taken;		/* bytes of the line handed out last */
	char *out;
	size_t out_len, out_cap;
	bool takes_fds;		/* else the kernel throws away descriptors that come: a listener's connections */
	int fds[CONTROL_FDS];	/* received, not yet taken */
	size_t n_fds;
	int out_fds[CONTROL_FDS];
	size_t n_out_fds;	/* leave with the first byte of what is queued next */
	size_t out_fds_at;	/* offset of that byte in out */
};

/* Return: a listening descriptor or negative errno. An old socket at @path is replaced. */
int control_listen(const char *path, mode_t mode);
/* Return: 0 or negative errno (-EAGAIN: nobody is waiting). @in_max bounds one line. */
int control_accept(struct control **ret, int listen_fd, size_t in_max);
int control_connect(struct control **ret, const char *path, size_t in_max);
/*
 * Was the peer in this group when it connected? Asks for the groups that the process really had (SO_PEERGROUPS,
 * Linux 4.13), as the kernel does for files; not for those that the user database names by now.
 */
bool control_peer_in_group(const struct control *c, gid_t gid);
struct control *control_free(struct control *c);
DEFINE_FREEP(struct control, control_free)

/* Return: 1 something came, 0 end of file, -EAGAIN, -EMSGSIZE (a line over the limit), or negative errno. */
int control_read(struct control *c);
/* The next whole line without its newline, valid until the next call; NULL: none yet. */
const char *control_line(struct control *c, size_t *ret_len);
/* Take the descriptors that came so far; the caller owns them. Return: how many. */
size_t control_take_fds(struct control *c, int *fds, size_t max);

/* Queue a line (a newline is added) with descriptors, which stay the caller's and must stay open until flushed. */
void control_queue(struct control *c, const char *text, size_t len, const int *fds, size_t n_fds);
/* Return: 1 all out, 0 more to write (wait for EPOLLOUT), or negative errno. */
int control_flush(struct control *c);
