/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_settings - where sysctls are set for the next boot
 *
 * Theory of operation: systemd-sysctl takes the *.conf of five folders by their
 * names, a name in an earlier folder hiding the same name in a later one, and
 * lines in their order. ufw writes its own file over that when it starts. What
 * is in /etc/sysctl.conf counts only where a link in sysctl.d leads there
 * (Debian up to 12) or where systemd doesn't boot the host; elsewhere it is
 * kept as read by nobody, since that is what surprises people.
 */
#include "diag/snap_read.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* The first wins: sysctl.d(5). */
static const char *const folders[] = {
	"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d",
};

struct conf_file {
	char *name;		/* without folder, owned */
	char *path;		/* owned */
};

/* sysctl.d(5): the first separator says which of "." and "/" parts the key; within, the other stands for itself. */
static void normalise(char *key)
{
	char *first = strpbrk(key, "./");

	if (!first || *first == '/')
		return;
	for (char *p = first; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
}

/* One line of such a file, changed in place; only what is below net/ is kept. */
static void take_line(struct snapshot *s, char *line, const char *file, uint32_t number, const char *by)
{
	char *key = str_trim(line), *eq;
	bool excluded = false;

	if (key[0] == '\0' || key[0] == '#' || key[0] == ';')
		return;
	eq = strchr(key, '=');
	if (eq) {
		*eq = '\0';
	} else if (key[0] == '-') {
		excluded = true;
	} else {
		return;
	}
	if (key[0] == '-')
		key++;	/* failures don't matter */
	key = str_trim(key);
	normalise(key);
	if (strncmp(key, "net/", 4) != 0)
		return;
	*SNAP_ADD(s, sysctl_lines) = (struct snap_sysctl_line){
		.path = arena_strdup(s->arena, key),
		.value = eq ? arena_strdup(s->arena, str_trim(eq + 1)) : "",
		.file = arena_strdup(s->arena, file),
		.line = number,
		.excluded = excluded,
		.by = by,
	};
}

static void take_file(struct snapshot *s, const char *path, const char *by)
{
	_cleanup_(freep) char *text = NULL;
	int e = snap_file(path, &text);
	char *at = text, *line;

	if (e == -ENOENT)
		return;
	if (e < 0) {
		snapshot_add_unread(s, SNAP_PART_SYSCTL_D, path, "%s", strerror(-e));
		return;
	}
	for (uint32_t n = 1; (line = snap_line(&at)); n++)
		take_line(s, line, path, n, by);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_file *)a)->name, ((const struct conf_file *)b)->name);
}

static void take_folders(struct snapshot *s, bool *sysctl_conf_linked)
{
	struct conf_file *files = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		DIR *dir = opendir(folders[i]);
		const struct dirent *d;

		if (!dir) {
			if (errno != ENOENT)
				snapshot_add_unread(s, SNAP_PART_SYSCTL_D, folders[i], "%s", strerror(errno));
			continue;
		}
		while ((d = readdir(dir))) {
			size_t len = strlen(d->d_name);
			bool hidden = len < 5 || strcmp(d->d_name + len - 5, ".conf") != 0;

			for (size_t j = 0; j < n && !hidden; j++)
				hidden = strcmp(files[j].name, d->d_name) == 0;
			if (hidden)
				continue;
			GROW(files, n, cap);
			files[n++] = (struct conf_file){ xstrdup(d->d_name), xasprintf("%s/%s", folders[i], d->d_name) };
		}
		(void)closedir(dir);
	}
	qsort(files, n, sizeof(*files), by_name);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *real = realpath(files[i].path, NULL);

		*sysctl_conf_linked |= real && strcmp(real, "/etc/sysctl.conf") == 0;
		if (real && strcmp(real, "/dev/null") != 0)
			take_file(s, real, "systemd-sysctl");
		free(files[i].name);
		free(files[i].path);
	}
	free(files);
}

/* Does a shell-like file say NAME=yes? */
static bool says_yes(const char *path, const char *name)
{
	_cleanup_(freep) char *text = NULL;
	char *at, *line;
	size_t n = strlen(name);

	if (snap_file(path, &text) < 0)
		return false;
	at = text;
	while ((line = snap_line(&at))) {
		line = str_trim(line);
		if (strncmp(line, name, n) == 0 && line[n] == '=')
			return strncasecmp(line + n + 1 + (line[n + 1] == '"'), "yes", 3) == 0;
	}
	return false;
}

void snap_read_settings(struct snap_reader *r)
{
	static const char *const texts[] = { "/etc/gai.conf", "/etc/resolv.conf" };
	struct snapshot *s = r->s;
	bool linked = false, systemd = access("/run/systemd/system", F_OK) == 0;

	take_folders(s, &linked);
	if (!linked)
		take_file(s, "/etc/sysctl.conf", systemd ? "nobody" : "procps");
	if (says_yes("/etc/ufw/ufw.conf", "ENABLED")) {
		*SNAP_ADD(s, programs) = (struct snap_program){
			.name = "ufw", .running = true, .enabled = true, .evidence = "ENABLED=yes in /etc/ufw/ufw.conf",
		};
		take_file(s, "/etc/ufw/sysctl.conf", "ufw");
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_(freep) char *text = NULL;

		if (snap_file(texts[i], &text) == 0 && strlen(text) < 65536)
			*SNAP_ADD(s, texts) = (struct snap_text){ texts[i], arena_strdup(s->arena, text) };
	}
}
