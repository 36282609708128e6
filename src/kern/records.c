/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records - what the kernel cannot hold: one small file a thing
 */
#include "kern/records.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/mem.h"

#define RECORD_MAX (256 * 1024)		/* bytes of a file that is still read */
#define NEW_FILE (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
#define SUFFIX ".json"
#define FOUND_KIND "sysctl"

/* KEY as a file name: never empty, never with a leading dot or a slash. false: too long for a file name. */
static bool encode(const char *key, char name[static NAME_MAX + 1])
{
	size_t n = 0;

	if (key[0] == '\0')
		return false;
	for (const char *p = key; *p; p++) {
		unsigned char c = (unsigned char)*p;
		bool plain = isalnum(c) || c == '-' || c == '_' || (c == '.' && p > key);

		if (n + 3 + sizeof(SUFFIX) > NAME_MAX)
			return false;
		if (plain)
			name[n++] = *p;
		else
			n += (size_t)snprintf(name + n, 4, "%%%02X", c);
	}
	memcpy(name + n, SUFFIX, sizeof(SUFFIX));
	return true;
}

static int hex(char c)
{
	const char *digits = "0123456789ABCDEF", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* The reverse; false: not a file of ours. */
static bool decode(const char *name, char key[static NAME_MAX + 1])
{
	size_t len = strlen(name), n = 0;

	if (name[0] == '.' || len <= strlen(SUFFIX) || len > NAME_MAX || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
		return false;
	len -= strlen(SUFFIX);
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '%') {
			key[n++] = name[i];
			continue;
		}
		if (i + 2 >= len || hex(name[i + 1]) < 0 || hex(name[i + 2]) < 0)
			return false;
		int c = hex(name[i + 1]) << 4 | hex(name[i + 2]);
		if (c == 0)
			return false;
		key[n++] = (char)c;
		i += 2;
	}
	key[n] = '\0';
	return n > 0;
}

/* Open RUN_DIR/KIND. */
static int open_dir(const char *run_dir, const char *kind, bool make)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", run_dir, kind);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make) {
		if ((mkdir(run_dir, 0755) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
			return -errno;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int record_put(const char *run_dir, const char *kind, const char *key, const json_t *value)
{
	char name[NAME_MAX + 1], temp[32];
	_cleanup_(freep) char *text = NULL;

	if (!encode(key, name))
		return -ENAMETOOLONG;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	if (!text)
		return -EINVAL;
	_cleanup_(closep) int dir = open_dir(run_dir, kind, true);
	if (dir < 0)
		return dir;
	(void)snprintf(temp, sizeof(temp), ".new-%d", (int)gettid());
	_cleanup_(closep) int fd = openat(dir, temp, NEW_FILE, 0600);
	if (fd < 0 && errno == EEXIST) {	/* of a process that was killed */
		(void)unlinkat(dir, temp, 0);
		fd = openat(dir, temp, NEW_FILE, 0600);
	}
	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, strlen(text));
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temp, 0);
	return r;
}

int record_del(const char *run_dir, const char *kind, const char *key)
{
	char name[NAME_MAX + 1];

	if (!encode(key, name))
		return 1;
	_cleanup_(closep) int dir = open_dir(run_dir, kind, false);
	if (dir < 0)
		return dir == -ENOENT ? 1 : dir;
	if (unlinkat(dir, name, 0) < 0)
		return errno == ENOENT ? 1 : -errno;
	return 0;
}

static int read_file(int dir, const char *name, json_t **ret)
{
	_cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > RECORD_MAX)
		return -EBADMSG;
	/* Not by json_loadfd(): it reads one byte at a time. */
	_cleanup_(freep) char *text = xcalloc((size_t)st.st_size + 1, 1);
	size_t n = 0;
	ssize_t got = 1;
	while (got != 0 && n < (size_t)st.st_size) {
		got = read(fd, text + n, (size_t)st.st_size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		n += (size_t)got;
	}
	*ret = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	return *ret ? 0 : -EBADMSG;
}

int record_get(const char *run_dir, const char *kind, const char *key, json_t **ret)
{
	char name[NAME_MAX + 1];

	if (!encode(key, name))
		return 1;
	_cleanup_(closep) int dir = open_dir(run_dir, kind, false);
	if (dir < 0)
		return dir == -ENOENT ? 1 : dir;
	return read_file(dir, name, ret);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

int record_each(const char *run_dir, const char *kind, int (*fn)(void *user, const char *key, const json_t *value),
		void *user)
{
	char key[NAME_MAX + 1];
	int fd = open_dir(run_dir, kind, false), r = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	_cleanup_(closedirp) DIR *dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
		json_t *value = NULL;

		if (!decode(e->d_name, key))
			continue;
		if (read_file(fd, e->d_name, &value) == 0)
			r = fn(user, key, value);
		json_decref(value);
	}
	return r < 0 ? r : 0;
}

/* -------------------------------------------------------- found sysctl values */

int records_remove(const char *run_dir)
{
	DIR *dir = opendir(run_dir);
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.' && unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) < 0)
			r = errno == EEXIST ? -ENOTEMPTY : -errno;
	(void)closedir(dir);
	return r == 0 && rmdir(run_dir) < 0 ? -errno : r;
}

int record_found_put(const char *run_dir, const char *path, const char *found, const char *ours)
{
	json_t *value = json_pack("{s:s, s:s}", "found", found, "ours", ours);

	if (!value)
		return -EINVAL;
	int r = record_put(run_dir, FOUND_KIND, path, value);
	json_decref(value);
	return r;
}

int record_found_del(const char *run_dir, const char *path)
{
	return record_del(run_dir, FOUND_KIND, path);
}

int record_found_get(const char *run_dir, const char *path, char **ret_found, char **ret_ours)
{
	json_t *value = NULL;
	const char *found = NULL, *ours = NULL;
	int r = record_get(run_dir, FOUND_KIND, path, &value);

	if (r != 0)
		return r;
	if (json_unpack(value, "{s:s, s:s}", "found", &found, "ours", &ours) < 0) {
		r = 1;
	} else {
		*ret_found = xstrdup(found);
		*ret_ours = xstrdup(ours);
	}
	json_decref(value);
	return r;
}

struct found_list {
	struct arena *arena;
	struct w_found *found;
	size_t n, cap;
};

static int add_found(void *user, const char *key, const json_t *value)
{
	struct found_list *list = user;
	const char *found = json_string_value(json_object_get(value, "found"));
	const char *ours = json_string_value(json_object_get(value, "ours"));

	if (!found || !ours)
		return 0;
	ARENA_GROW(list->arena, list->found, list->n, list->cap);
	list->found[list->n++] = (struct w_found){
		.path = arena_strdup(list->arena, key),
		.found = arena_strdup(list->arena, found),
		.ours = arena_strdup(list->arena, ours),
	};
	return 0;
}

int record_found_all(const char *run_dir, struct arena *arena, struct w_found **ret, size_t *ret_n)
{
	struct found_list list = { .arena = arena };
	int r = record_each(run_dir, FOUND_KIND, add_found, &list);

	if (r < 0)
		return r;
	*ret = list.found;
	*ret_n = list.n;
	return 0;
}
