/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns - which network namespace this is
 */
#include "kern/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

/*
 * Kernels that hand out all namespace cookies from one counter (6.18 and later)
 * have a fixed inode number for the first network namespace, below those that
 * are handed out; before, that namespace got the first cookie of a counter of
 * its own. A later kernel never gives cookie 1 to a network namespace, since
 * other kinds of namespaces are numbered first.
 */
#define INITIAL_INODE UINT32_C(0xeffffff9)
#define INITIAL_COOKIE 1

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int netns_cookie(uint64_t *ret)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return -errno;
	*ret = cookie;
	return 0;
}

bool netns_is_initial(void)
{
	struct stat st;
	uint64_t cookie;

	if (stat("/proc/thread-self/ns/net", &st) == 0 && st.st_ino == INITIAL_INODE)
		return true;
	return netns_cookie(&cookie) == 0 && cookie == INITIAL_COOKIE;
}

bool netns_is_of_init(void)
{
	struct stat ours, inits;

	/* systemd's own word that it runs here, which other first processes of containers don't leave. */
	return access("/run/systemd/system/", F_OK) == 0 && stat("/proc/thread-self/ns/net", &ours) == 0 &&
	       stat("/proc/1/ns/net", &inits) == 0 && ours.st_ino == inits.st_ino && ours.st_dev == inits.st_dev;
}

bool netns_is_main(void)
{
	return netns_is_initial() || netns_is_of_init();
}

static int open_netns(const char *which)
{
	_cleanup_(freep) char *path = NULL;
	int fd = -ENOENT;

	if (which[0] == '\0' || strchr(which, '/') || which[0] == '.')
		return -ENOENT;
	path = xasprintf("/run/netns/%s", which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && which[strspn(which, "0123456789")] == '\0') {
		free(path);
		path = xasprintf("/proc/%s/ns/net", which);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

int netns_enter(const char *which)
{
	_cleanup_(closep) int fd = open_netns(which);

	if (fd < 0)
		return fd;
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}
