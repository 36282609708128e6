/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stale - folders of network namespaces that are gone
 *
 * A namespace never comes back, so nobody will ask for its leases again. Which
 * are there can only be told by going into each, which a child does.
 */
#include "daemon/stale.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "kern/netns.h"

#define NAME "netns-"

struct living {
	struct entry {
		ino_t inode;
		uint64_t cookie;
	} *entries;
	size_t n, cap;
	bool incomplete;	/* one couldn't be looked at: then nothing is known to be gone */
};

static bool cookie_of_name(const char *name, uint64_t *ret)
{
	char *end;

	if (strncmp(name, NAME, strlen(NAME)) != 0 || name[strlen(NAME)] < '1' || name[strlen(NAME)] > '9')
		return false;
	*ret = strtoull(name + strlen(NAME), &end, 10);
	return *end == '\0';
}

static void look_at(struct living *l, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct entry e = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;			/* it ended meanwhile */
	for (size_t i = 0; i < l->n; i++)
		if (l->entries[i].inode == st.st_ino)
			return;
	e.inode = st.st_ino;
	if (setns(fd, CLONE_NEWNET) < 0 || netns_cookie(&e.cookie) < 0)
		l->incomplete = true;
	GROW(l->entries, l->n, l->cap);
	l->entries[l->n++] = e;
}

static void look_in(struct living *l, const char *folder, const char *tail)
{
	DIR *dir = opendir(folder);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] == '.' || (tail[0] && (e->d_name[0] < '0' || e->d_name[0] > '9')))
			continue;
		_cleanup_(freep) char *path = xasprintf("%s/%s%s", folder, e->d_name, tail);
		look_at(l, path);
	}
	if (dir)
		(void)closedir(dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 ? -1 : 0;
}

static void remove_gone(const struct living *l, const char *parent)
{
	DIR *dir = opendir(parent);
	uint64_t cookie;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		bool lives = false;

		if (!cookie_of_name(e->d_name, &cookie))
			continue;
		for (size_t i = 0; i < l->n; i++)
			lives = lives || l->entries[i].cookie == cookie;
		if (lives)
			continue;
		_cleanup_(freep) char *path = xasprintf("%s/%s", parent, e->d_name);
		if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0)
			log_event(LOG_LEVEL_INFO, "removed path=\"%s\": its network namespace is gone", path);
	}
	if (dir)
		(void)closedir(dir);
}

static bool has_others(const char *parent, const char *own_name)
{
	DIR *dir = opendir(parent);
	uint64_t cookie;
	bool any = false;

	for (struct dirent *e; dir && (e = readdir(dir));)
		any = any || (cookie_of_name(e->d_name, &cookie) && !str_eq(e->d_name, own_name));
	if (dir)
		(void)closedir(dir);
	return any;
}

void stale_remove(const char *own)
{
	const char *name = strrchr(own, '/');
	uint64_t cookie;
	bool inside = name && cookie_of_name(name + 1, &cookie);
	_cleanup_(freep) char *parent = inside ? strndup(own, (size_t)(name - own)) : xstrdup(own);

	if (!parent || !has_others(parent, inside ? name + 1 : ""))
		return;
	pid_t pid = fork();
	if (pid == 0) {
		struct living l = { 0 };

		look_at(&l, "/proc/self/ns/net");
		look_in(&l, "/proc", "/ns/net");
		look_in(&l, "/run/netns", "");
		if (!l.incomplete)
			remove_gone(&l, parent);
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}
