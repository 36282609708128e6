/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - the character device behind a macvtap link
 */
#include "kern/macvtap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/mem.h"

int kern_macvtap_sysfs(void)
{
	_cleanup_(closep) int fs = (int)syscall(SYS_fsopen, "sysfs", 1 /* FSOPEN_CLOEXEC */);

	if (fs < 0 || syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) < 0)
		return -errno;
	int dir = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0xf /* RDONLY, NOSUID, NODEV, NOEXEC */);
	return dir < 0 ? -errno : dir;
}

/* A small file of sysfs. Return: 0, or a negative errno. */
static int read_text(int dir, const char *path, char *buf, size_t size)
{
	_cleanup_(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
	buf[n] = '\0';
	return 0;
}

/* The major number that this kernel gave to macvtap's devices; it isn't a fixed one. */
static int macvtap_major(unsigned int *ret)
{
	_cleanup_(freep) char *line = NULL;
	FILE *f = fopen("/proc/devices", "re");
	int r = -ENODEV;
	size_t cap = 0;

	if (!f)
		return -errno;
	while (r != 0 && getline(&line, &cap, f) > 0) {
		char name[32];

		if (sscanf(line, "%u %31s", ret, name) == 2 && strcmp(name, "macvtap") == 0)
			r = 0;
	}
	(void)fclose(f);
	return r;
}

/* Its only entry is the character device: "tap7". */
static int find_device(int sysfs_dir, const char *name, dev_t *ret)
{
	char path[64], dev_path[sizeof(path) + NAME_MAX + 8], text[64];
	const struct dirent *entry;
	unsigned int major, minor, wanted;
	int r = -ENODEV;

	(void)snprintf(path, sizeof(path), "class/net/%.15s/macvtap", name);
	int fd = openat(sysfs_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = errno == ENOENT ? -ENODEV : -errno;
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while (r == -ENODEV && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "tap", 3) != 0)
			continue;
		(void)snprintf(dev_path, sizeof(dev_path), "%s/%s/dev", path, entry->d_name);
		r = read_text(sysfs_dir, dev_path, text, sizeof(text));
	}
	(void)closedir(dir);
	if (r < 0)
		return r;
	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return -EBADMSG;
	r = macvtap_major(&wanted);
	if (r < 0)
		return r;
	if (major != wanted)
		return -EBADMSG;
	*ret = makedev(major, minor);
	return 0;
}

int kern_macvtap_open(int sysfs_dir, int node_dir, const char *name, uint32_t ifindex, unsigned int n_queues,
		      int *ret_fds)
{
	int fds[KERN_MACVTAP_QUEUES];
	char path[64], text[32];
	unsigned int n = 0;
	dev_t dev = 0;

	if (n_queues < 1 || n_queues > KERN_MACVTAP_QUEUES || name[0] == '\0' || name[0] == '.' || strchr(name, '/') ||
	    strlen(name) >= IFNAMSIZ)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "class/net/%s/ifindex", name);
	int r = read_text(sysfs_dir, path, text, sizeof(text));
	if (r == 0 && strtoul(text, NULL, 10) != ifindex)
		r = -ESTALE;
	if (r == 0)
		r = find_device(sysfs_dir, name, &dev);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "macvtap-%u", ifindex);
	(void)unlinkat(node_dir, path, 0);
	if (mknodat(node_dir, path, S_IFCHR | 0600, dev) < 0)
		return -errno;
	while (r == 0 && n < n_queues) {
		int fd = openat(node_dir, path, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			r = -errno;
		else
			fds[n++] = fd;
	}
	(void)unlinkat(node_dir, path, 0);
	if (r < 0) {
		while (n > 0)
			(void)close(fds[--n]);
		return r;
	}
	memcpy(ret_fds, fds, n * sizeof(*fds));
	return 0;
}

int kern_macvtap_set(int fd, unsigned int n_queues)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int buffer = INT_MAX;

	if (n_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETSNDBUF, &buffer) < 0)
		return -errno;
	return 0;
}
