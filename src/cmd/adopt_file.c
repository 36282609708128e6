/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt_file - adopted.yaml, which `adopt` and `release` write
 *
 * It is read like every other file of the configuration. Whoever writes other
 * keys into it keeps them by hand: a file with more than our list isn't touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/adopt.h"
#include "conf/conf.h"
#include "ctl/paths.h"

static const char head[] =
	"# Guests of others that sixtap looks after. `sixtap adopt` and `sixtap release` write this file.\n";

static int cannot(struct cmd *cmd, const char *path, const char *what, int r)
{
	report_error(cmd->report, path, "cannot be %s: %s", what, strerror(-r));
	return 1;
}

/* Return: 0 (an empty text when there is no file), or negative errno. */
static int read_text(const char *path, char **ret, size_t *ret_len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, cap = CONF_FILE_MAX + 1;
	ssize_t n = -1;

	*ret = xcalloc(cap + 1, 1);
	*ret_len = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (len < cap && (n = read(fd, *ret + len, cap - len)) > 0)
		len += (size_t)n;
	*ret_len = len;
	return n < 0 ? -errno : 0;
}

/* At once or not at all. */
static int write_text(const char *path, const char *text)
{
	_cleanup_(freep) char *beside = xasprintf("%s.%d.new", path, (int)getpid());
	size_t len = strlen(text);
	int r = paths_make_parents(path);

	if (r < 0)
		return r;
	_cleanup_(closep) int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(beside);
	return r;
}

static bool is_in(char *const *subjects, int n, const char *subject)
{
	for (int i = 0; i < n; i++)
		if (str_eq(subjects[i], subject))
			return true;
	return false;
}

static const struct d_adopt *find(const struct desired *desired, const char *subject)
{
	for (size_t i = 0; i < desired->n_adopts; i++)
		if (str_eq(desired->adopts[i].subject, subject))
			return &desired->adopts[i];
	return NULL;
}

static bool is_as_told(const struct d_adopt *a, bool add, const char *monitor)
{
	return add ? a && (!monitor || (a->monitor && str_eq(a->monitor, monitor))) : !a;
}

/* Subjects and paths have no control characters (conf_subject_fault(), conf_monitor_fault()); all else YAML takes so. */
static char *quoted(const char *subject)
{
	char *out = xcalloc(strlen(subject) * 2 + 3, 1), *o = out;

	*o++ = '\'';
	for (const char *s = subject; *s; s++) {
		if (*s == '\'')
			*o++ = '\'';
		*o++ = *s;
	}
	*o = '\'';
	return out;
}

static char *line(const char *subject, const char *monitor)
{
	_cleanup_(freep) char *one = quoted(subject), *path = monitor ? quoted(monitor) : NULL;

	return path ? xasprintf("{ subject: %s, monitor: %s }", one, path) : STEAL_PTR(one);
}

static char *compose(const struct desired *old, char *const *subjects, int n, bool add, const char *monitor)
{
	char *text = xasprintf("%sadopt:\n  macvtap:%s", head, old->adopt_all ? " all" : "");
	size_t lines = 0;

	for (size_t i = 0; i < old->n_adopts + (add ? (size_t)n : 0); i++) {
		const char *subject = i < old->n_adopts ? old->adopts[i].subject : subjects[i - old->n_adopts];
		const char *socket = i < old->n_adopts ? old->adopts[i].monitor : monitor;

		if (old->adopt_all || (i < old->n_adopts ? !add && is_in(subjects, n, subject) : find(old, subject) != NULL))
			continue;
		if (monitor && is_in(subjects, n, subject))
			socket = monitor;
		_cleanup_(freep) char *one = line(subject, socket), *before = text;
		text = xasprintf("%s\n    - %s", before, one);
		lines++;
	}
	_cleanup_(freep) char *before = text;
	return xasprintf("%s%s\n", before, lines == 0 && !old->adopt_all ? " []" : "");
}

int adopt_file_change(struct cmd *cmd, const char *path, char *const *subjects, int n, bool add, const char *monitor,
		      bool *ret_changed)
{
	_cleanup_(desired_freep) struct desired *old = NULL;
	_cleanup_(freep) char *text = NULL, *new = NULL;
	const struct conf_seed seed = { { 0 } };
	size_t len;
	int r = read_text(path, &text, &len), changes = 0;

	*ret_changed = false;
	if (r < 0)
		return cannot(cmd, path, "read", r);
	const struct conf_source source = { .file = path, .text = text, .len = len, .path = path };
	if (conf_read(&source, 1, &seed, cmd->report, &old) != 0)
		return 1;
	for (int i = 0; i < n; i++)
		changes += !is_as_told(find(old, subjects[i]), add, monitor) && !old->adopt_all;
	if (monitor && old->adopt_all) {
		report_help(report_error(cmd->report, path, "adopts all, and a monitor can't be kept beside that"),
			    "use --runtime, or put  adopt: { macvtap: [{ subject: %s, monitor: %s }] }  into another file", subjects[0],
			    monitor);
		return 1;
	}
	if (changes == 0)
		return 0;
	if (old->n_networks > 0) {
		report_help(report_error(cmd->report, path, "has networks, so it isn't rewritten"),
			    "move them into another file, or %s the subject by hand", add ? "add" : "take out");
		return 1;
	}
	new = compose(old, subjects, n, add, monitor);
	r = write_text(path, new);
	if (r < 0)
		return cannot(cmd, path, "written", r);
	*ret_changed = true;
	return 0;
}
