/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel_file - read a gai.conf, and replace it without a moment in between
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "cmd/addrsel.h"

#define FILE_MAX (64u << 20)	/* bytes; glibc has no limit */
#define BACKUPS_MAX 100

void gai_file_clear(struct gai_file *file)
{
	free(file->path);
	free(file->text);
	*file = (struct gai_file){ 0 };
}

/* Return: 0, -EFBIG, or another negative errno. */
static int read_whole(int fd, struct gai_file *file)
{
	size_t cap = 0;

	for (;;) {
		ssize_t n;

		if (file->len == cap) {
			if (cap >= FILE_MAX)
				return -EFBIG;
			cap = cap ? cap * 2 : 16384;
			file->text = xrealloc(file->text, cap, 1);
		}
		n = read(fd, file->text + file->len, cap - file->len);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			file->len += (size_t)n;
	}
}

int gai_file_read(struct cmd *cmd, const char *path, bool must, struct gai_file *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : 0;
	struct finding *f;

	*ret = (struct gai_file){ .path = xstrdup(path) };
	if (r == 0 && fstat(fd, &ret->st) < 0)
		r = -errno;
	if (r == 0)
		r = S_ISDIR(ret->st.st_mode) ? -EISDIR : read_whole(fd, ret);
	if (r == 0)
		return 0;
	free(ret->text);
	ret->text = NULL;
	ret->len = 0;
	if (!must && r == -ENOENT)
		return 0;
	if (r == -EFBIG) {
		f = report_error(cmd->report, path, "larger than %u MiB", FILE_MAX >> 20);
		report_help(f, "is this a gai.conf?");
		return 1;
	}
	if (!must) {	/* glibc says nothing and takes its defaults */
		report_add(cmd->report, SEVERITY_WARNING, NULL, path, "%s; glibc goes on with its defaults, and so do we",
			   strerror(-r));
		return 0;
	}
	f = report_error(cmd->report, path, "%s", strerror(-r));
	report_help(f, "name a file that can be read");
	return 1;
}

static int fail(struct cmd *cmd, const char *path, int r)
{
	struct finding *f = report_error(cmd->report, path, "cannot be replaced: %s", strerror(-r));

	if (r == -EBUSY || r == -EXDEV)
		report_help(f, "something is mounted there; print the advice without --write and put it where the mount "
			       "comes from");
	else if (r == -EACCES || r == -EPERM)
		report_help(f, "this takes root: sudo sixtap addrsel …");
	else if (r == -EROFS)
		report_help(f, "the file system is read-only");
	else
		report_help(f, "nothing was changed");
	return 1;
}

static int write_whole(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* A second name for the old file. Return: 0 or negative errno. */
static int keep_old(const char *path, char **ret)
{
	for (unsigned int i = 1; i <= BACKUPS_MAX; i++) {
		_cleanup_(freep) char *name = i == 1 ? xasprintf("%s.sixtap-old", path) :
						       xasprintf("%s.sixtap-old.%u", path, i);

		if (link(path, name) == 0) {
			*ret = STEAL_PTR(name);
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Is the file what it was when it was read? */
static bool unchanged(const struct gai_file *file, const char *path)
{
	struct stat now;

	if (stat(path, &now) < 0)
		return errno == ENOENT && !file->text;
	return file->text && now.st_ino == file->st.st_ino && now.st_size == file->st.st_size &&
	       now.st_mtim.tv_sec == file->st.st_mtim.tv_sec && now.st_mtim.tv_nsec == file->st.st_mtim.tv_nsec;
}

int gai_file_replace(struct cmd *cmd, const struct gai_file *file, const char *text, size_t len, char **ret_backup)
{
	_cleanup_(freep) char *real = realpath(file->path, NULL);	/* a symbolic link stays one */
	_cleanup_(freep) char *path = real ? STEAL_PTR(real) : xstrdup(file->path);
	_cleanup_(freep) char *temp = xasprintf("%s.sixtap-XXXXXX", path);
	_cleanup_(freep) char *folder = xstrdup(path);
	_cleanup_(freep) char *backup = NULL;
	_cleanup_(closep) int fd = -1;
	_cleanup_(closep) int dir = -1;
	int r = 0;

	if (file->text && !S_ISREG(file->st.st_mode)) {
		report_error(cmd->report, file->path, "isn't a file that could be replaced");
		return 1;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return fail(cmd, file->path, -errno);
	if (file->text && fchown(fd, file->st.st_uid, file->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, file->text ? file->st.st_mode & 07777 : 0644) < 0)
		r = -errno;
	if (r == 0)
		r = write_whole(fd, text, len);
	if (r == 0 && !unchanged(file, path)) {
		(void)unlink(temp);
		report_help(report_error(cmd->report, file->path, "somebody else changed it meanwhile"), "try again");
		return 1;
	}
	if (r == 0 && file->text)
		r = keep_old(path, &backup);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(temp);
		if (backup)
			(void)unlink(backup);
		return fail(cmd, file->path, r);
	}
	dir = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		(void)fsync(dir);
	*ret_backup = STEAL_PTR(backup);
	return 0;
}
