/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * save - bring a live change into the file that its network came from
 */
#include "cmd/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/edit.h"

static int read_all(int fd, char **ret, size_t *ret_len, struct stat *st)
{
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	if (st->st_size > (off_t)CONF_FILE_MAX)
		return -EFBIG;
	char *text = xcalloc((size_t)st->st_size + 1, 1);
	while (len < (size_t)st->st_size && (n = read(fd, text + len, (size_t)st->st_size - len)) > 0)
		len += (size_t)n;
	if (n < 0 && len < (size_t)st->st_size) {
		int r = -errno;

		free(text);
		return r;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

static int write_beside(const char *beside, const char *text, size_t len, const struct stat *like)
{
	_cleanup_(closep) int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	if (fchown(fd, like->st_uid, like->st_gid) < 0 || fchmod(fd, like->st_mode & 07777) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* At once or not at all, and only if nobody else wrote meanwhile. */
static int replace(const char *path, const char *text, const struct stat *was)
{
	_cleanup_(freep) char *beside = xasprintf("%s.%d.new", path, (int)getpid());
	struct stat now;
	int r = write_beside(beside, text, strlen(text), was);

	if (r == 0 && (stat(path, &now) < 0 || now.st_ino != was->st_ino || now.st_size != was->st_size ||
		       now.st_mtim.tv_sec != was->st_mtim.tv_sec || now.st_mtim.tv_nsec != was->st_mtim.tv_nsec))
		r = -EBUSY;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		(void)unlink(beside);
	return r;
}

static int by_hand(struct cmd *cmd, const char *file, bool add, const char *network, const char *guest, const char *spec,
		   const char *why)
{
	struct finding *f = report_error(cmd->report, file, "cannot be edited: %s", why);

	if (add)
		report_help(f, "the forward works until the host restarts; write by hand:  networks: { %s: { guests: { %s: { "
			       "forward: [\"%s\"] } } } }", network, guest, spec);
	else
		report_help(f, "take \"%s\" out of networks.%s.guests.%s.forward by hand, then  sixtap up %s", spec, network,
			    guest, network);
	return 1;
}

/* Only this network, and only when nothing but our change is new in its file. */
static int apply(struct cmd *cmd, struct control *control, const char *network, const char *source)
{
	struct client_files files = { 0 };
	const char *config = cmd->config;
	json_t *answer = NULL, *request;

	cmd->config = source;
	int r = client_read_files(cmd, &files);
	cmd->config = config;
	if (r == 0) {
		request = ctl_request_new(CTL_UP);
		client_add_files(request, &files);
		(void)json_object_set_new(request, "networks", json_pack("[s]", network));
		r = client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL);
	}
	json_decref(answer);
	client_files_clear(&files);
	return r;
}

int save_forward(struct cmd *cmd, struct control *control, bool add, const char *network, const char *guest,
		 const char *spec, const json_t *answer, bool *ret_saved)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	const char *source = json_string_value(json_object_get(answer, "source"));
	const char *in_force = json_string_value(json_object_get(answer, "text"));
	const struct conf_edit edit = { .network = network, .guest = guest, .spec = spec, .add = add,
					.mac = json_string_value(json_object_get(answer, "mac")) };
	char path[PATH_MAX];
	_cleanup_(freep) char *old = NULL, *new = NULL;
	size_t len = 0;
	struct stat st;

	if (!file || !source || !realpath(file, path))	/* a link stays one */
		return by_hand(cmd, file ? file : network, add, network, guest, spec, "it isn't there any more");
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = read_all(fd, &old, &len, &st);
	if (r < 0)
		return by_hand(cmd, file, add, network, guest, spec, strerror(-r));
	if (strlen(old) != len)
		return by_hand(cmd, file, add, network, guest, spec, "it holds a zero byte");
	bool as_in_force = str_eq(old, in_force);

	r = conf_edit_forward(old, len, &edit, &new);
	if (r < 0)
		return by_hand(cmd, file, add, network, guest, spec, "its layout isn't one that can be changed safely");
	if (r == 0) {
		r = replace(path, new, &st);
		if (r < 0)
			return by_hand(cmd, file, add, network, guest, spec,
				       r == -EBUSY ? "somebody else changed it at this moment" : strerror(-r));
		*ret_saved = true;
	}
	if (*ret_saved && as_in_force)
		return apply(cmd, control, network, source);
	if (!as_in_force && (*ret_saved || json_is_true(json_object_get(answer, "declared"))))
		report_help(report_add(cmd->report, SEVERITY_WARNING, NULL, file, "holds other changes that aren't in force"),
			    "sixtap up %s applies them%s", network, add ? "" : ", and ends the forward");
	return 0;
}
