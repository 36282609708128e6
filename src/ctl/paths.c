/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths - where the daemon of this network namespace keeps its things
 */
#include "ctl/paths.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include "base/mem.h"
#include "kern/netns.h"

/* Names sixtap to systemd's machine-id hash; made once with `systemd-id128 new`. */
#define APP_ID SD_ID128_MAKE(8c, 3f, 5d, 0b, 1e, 6a, 4c, 51, 9d, 8f, 2b, 7e, 40, c6, a3, 12)

static int choose(const char *option, const char *variable, const char *standard, bool (*whole)(void),
		  char ret[static PATHS_MAX])
{
	const char *chosen = option ? option : getenv(variable);
	uint64_t cookie = 0;
	int n;

	if (chosen && *chosen)
		return str_copy(ret, PATHS_MAX, chosen) ? 0 : -ENAMETOOLONG;
	if (whole())
		return str_copy(ret, PATHS_MAX, standard) ? 0 : -ENAMETOOLONG;
	int r = netns_cookie(&cookie);
	if (r < 0)
		return r;
	n = snprintf(ret, PATHS_MAX, "%s/netns-%" PRIu64, standard, cookie);
	return n > 0 && n < PATHS_MAX ? 0 : -ENAMETOOLONG;
}

int paths_run_dir(const char *option, char ret[static PATHS_MAX])
{
	return choose(option, "SIXTAP_RUN_DIR", PATHS_RUN_DIR, netns_is_initial, ret);
}

int paths_state_dir(const char *option, char ret[static PATHS_MAX])
{
	return choose(option, "SIXTAP_STATE_DIR", PATHS_STATE_DIR, netns_is_main, ret);
}

const char *paths_join(const char *dir, const char *name, char buf[static PATHS_MAX])
{
	int n = snprintf(buf, PATHS_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATHS_MAX)
		buf[0] = '\0';
	return buf;
}

int paths_make_parents(const char *path)
{
	char parent[PATHS_MAX];

	if (!str_copy(parent, sizeof(parent), path))
		return -ENAMETOOLONG;
	for (char *c = parent + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return -errno;
		*c = '/';
	}
	return 0;
}

static int kept_secret(const char *state_dir, uint8_t ret[static 16])
{
	const char *path = PATHS_JOIN(state_dir, "secret");
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return read(fd, ret, 16) == 16 ? 0 : -EIO;
	if (errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (getrandom(ret, 16, 0) != 16 || write(fd, ret, 16) != 16)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Loaded where it is asked: libsystemd brings libgcrypt along, and most commands need neither. */
static int machine_id(sd_id128_t *ret)
{
	void *handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	__typeof__(&sd_id128_get_machine_app_specific) get = NULL;

	if (handle)
		*(void **)&get = dlsym(handle, "sd_id128_get_machine_app_specific");
	return get ? get(APP_ID, ret) : -ENOSYS;
}

int paths_secret(const char *state_dir, uint8_t ret[static 16])
{
	sd_id128_t id;

	if (machine_id(&id) < 0)
		return kept_secret(state_dir, ret);
	memcpy(ret, id.bytes, 16);
	return 0;
}
