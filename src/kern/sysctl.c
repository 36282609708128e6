/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysctl - read and write settings below /proc/sys
 *
 * Which namespace's settings a file shows is decided when it is opened, by the
 * opener; so a /proc/sys of anywhere will do.
 */
#include "kern/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static int sysctl_open(struct kern *kern, const char *path, int flags)
{
	int dir = kern_proc_sys(kern);

	if (dir < 0)
		return dir;
	/* Interface names can't be "..", so nothing legal is lost. */
	if (strncmp(path, "net/", 4) != 0 || strstr(path, "/../") || strstr(path, "//"))
		return -EINVAL;
	int fd = openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(struct kern *kern, const char *path, char buf[static SYSCTL_VALUE_MAX])
{
	_cleanup_(closep) int fd = sysctl_open(kern, path, O_RDONLY);

	if (fd < 0)
		return fd;
	ssize_t n = read(fd, buf, SYSCTL_VALUE_MAX);
	if (n < 0)
		return -errno;
	if (n == SYSCTL_VALUE_MAX)
		return -ENAMETOOLONG;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

static void explain(int err, const char *value, char why[static NL_WHY_MAX])
{
	if (err == -EACCES || err == -EPERM)
		(void)snprintf(why, NL_WHY_MAX, "not permitted: only root of this network namespace may set it");
	else if (err == -EROFS)
		(void)snprintf(why, NL_WHY_MAX, "/proc/sys is mounted read-only, as in a container");
	else if (err == -EINVAL || err == -ERANGE)
		(void)snprintf(why, NL_WHY_MAX, "the kernel doesn't take the value \"%s\"", value);
	else if (err == -ENOENT)
		(void)snprintf(why, NL_WHY_MAX, "this kernel or interface doesn't have that setting");
	else {
		why[0] = '\0';
		nl_explain(err, why);
	}
}

int sysctl_write(struct kern *kern, const char *path, const char *value, char why[static NL_WHY_MAX])
{
	char line[SYSCTL_VALUE_MAX];
	int n = snprintf(line, sizeof(line), "%s\n", value), r = 0;

	if (n >= (int)sizeof(line)) {
		explain(-EINVAL, value, why);
		return -EINVAL;
	}
	_cleanup_(closep) int fd = sysctl_open(kern, path, O_WRONLY);
	if (fd < 0)
		r = fd;
	else if (write(fd, line, (size_t)n) < 0)
		r = -errno;
	if (r < 0)
		explain(r, value, why);
	return r;
}
