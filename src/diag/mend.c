/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mend - do what a fix says, take it back, make it last
 */
#include "diag/mend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "diag/rule.h"
#include "kern/apply.h"

#define HEAD "# Settings that `sixtap doctor --fix` found to help. Yours to change or to delete.\n"
#define FILE_MAX (1 << 20)

int mend_apply(struct kern *kern, const struct diag_fix *fix, struct report *report)
{
	return fix->ops ? kern_apply(kern, fix->ops, NULL, report) : 0;
}

int mend_undo(struct kern *kern, const struct diag_fix *fix, struct report *report)
{
	_cleanup_(ops_freep) struct ops *back = ops_new();

	for (size_t i = fix->ops ? fix->ops->n : 0; i-- > 0;) {
		struct op undo;

		if (fix->ops->ops[i].action != OP_ACTION_WAIT && op_undo(&fix->ops->ops[i], &undo))
			*ops_add(back, undo.kind, undo.action) = undo;
	}
	return back->n > 0 ? kern_apply(kern, back, NULL, report) : 0;
}

/* -------------------------------------------------------------- sysctl.d */

/* "net/ipv6/conf/eth0.5/accept_ra" of a line that sets it, in either spelling of sysctl.d(5). */
static bool sets(const char *line, size_t len, const char *path)
{
	size_t n = 0;
	bool dots;

	while (len > 0 && (*line == ' ' || *line == '\t' || *line == '-'))
		line++, len--;
	if (len == 0 || *line == '#' || *line == ';')
		return false;
	while (n < len && line[n] != '=' && line[n] != ' ' && line[n] != '\t')
		n++;
	if (n != strlen(path))
		return false;
	/* The first separator says which one it is. */
	size_t first = strcspn(line, "./");
	dots = first < n && line[first] == '.';
	for (size_t i = 0; i < n; i++) {
		char c = line[i];

		if (dots)
			c = (char)(c == '.' ? '/' : c == '/' ? '.' : c);
		if (c != path[i])
			return false;
	}
	return true;
}

char *mend_set_line(const char *text, const char *path, const char *value, const char *comment)
{
	_cleanup_(freep) char *out = xstrdup("");
	bool done = false;

	for (const char *s = text; *s;) {
		size_t len = strcspn(s, "\n");
		char *more;

		if (!sets(s, len, path))
			more = xasprintf("%s%.*s\n", out, (int)len, s);
		else if (!done)
			more = xasprintf("%s%s = %s\n", out, path, value);
		else
			more = xstrdup(out);
		done |= sets(s, len, path);
		free(out);
		out = more;
		s += len + (s[len] == '\n');
	}
	if (!done) {
		char *more = xasprintf("%s%s# %s\n%s = %s\n", out, *out ? "" : HEAD, comment, path, value);

		free(out);
		out = more;
	}
	return STEAL_PTR(out);
}

static int read_text(const char *path, char **ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(freep) char *text = xcalloc(FILE_MAX + 1, 1);
	size_t n = 0;
	ssize_t r = 1;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	while (fd >= 0 && n < FILE_MAX && (r = read(fd, text + n, FILE_MAX - n)) > 0)
		n += (size_t)r;
	if (fd >= 0 && r < 0)
		return -errno;
	if (n == FILE_MAX)
		return -EFBIG;
	*ret = STEAL_PTR(text);
	return 0;
}

static int write_text(const char *path, const char *text)
{
	_cleanup_(freep) char *temp = xasprintf("%s.new", path);
	_cleanup_(closep) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	while (len > 0) {
		ssize_t r = write(fd, text, len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			goto failed;
		text += r;
		len -= (size_t)r;
	}
	if (fchmod(fd, 0644) == 0 && fsync(fd) == 0 && rename(temp, path) == 0)
		return 0;
failed:;
	int e = -errno;

	(void)unlink(temp);
	return e;
}

int mend_persist(const char *dir, const struct diag_finding *f, const struct diag_fix *fix, struct report *report)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, MEND_SYSCTL_FILE), *text = NULL,
			      *comment = xasprintf("%s, %s", f->rule->id, f->subject);
	int r;

	if (fix->n_persist == 0)
		return 0;
	(void)mkdir(dir, 0755);
	r = read_text(path, &text);
	for (size_t i = 0; r == 0 && i < fix->n_persist; i++) {
		char *next = mend_set_line(text, fix->persist[i].path, fix->persist[i].value, comment);

		free(text);
		text = next;
	}
	if (r == 0)
		r = write_text(path, text);
	if (r < 0)
		report_error(report, path, "the setting can't be kept there: %s", strerror(-r));
	return r;
}
