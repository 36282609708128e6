/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitors - where the QEMUs of adopted guests listen for QMP
 */
#include "ctl/monitors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "ctl/paths.h"

static int open_folder(const char *run_dir)
{
	int fd = open(PATHS_JOIN(run_dir, MONITORS), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_name(const char *name)
{
	return *name && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..");
}

int monitors_set(const char *run_dir, const char *name, const char *path)
{
	const char *folder = PATHS_JOIN(run_dir, MONITORS);

	if (!is_name(name))
		return path ? -EINVAL : 0;
	int r = path ? paths_make_parents(folder) : 0;
	if (path && r == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	_cleanup_(closep) int dir = r < 0 ? r : open_folder(run_dir);
	if (dir < 0)
		return !path && dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return path && symlinkat(path, dir, name) < 0 ? -errno : 0;
}

int monitors_get(const char *run_dir, const char *name, char *ret, size_t n)
{
	_cleanup_(closep) int dir = open_folder(run_dir);

	if (dir < 0)
		return dir;
	if (!is_name(name))
		return -ENOENT;
	ssize_t len = readlinkat(dir, name, ret, n);
	if (len < 0)
		return -errno;
	if ((size_t)len >= n)
		return -ENAMETOOLONG;
	ret[len] = '\0';
	return 0;
}

void monitors_clear(const char *run_dir)
{
	DIR *dir = opendir(PATHS_JOIN(run_dir, MONITORS));
	const struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (is_name(e->d_name))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	(void)closedir(dir);
}
