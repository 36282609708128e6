/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - how subcommands read the configuration and talk to the daemon
 */
#include "cmd/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ctl/paths.h"
#include "kern/netns.h"

#define IMPATIENT_S 5	/* main is busy with a plan for thousands of guests for less */

/* ---- configuration ---- */

void client_files_clear(struct client_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->files[i].file);
		free(files->files[i].text);
	}
	free(files->files);
	free(files->source);
	*files = (struct client_files){ 0 };
}

static int unreadable(struct cmd *cmd, const char *path, int r)
{
	const struct where where = { .file = path };
	struct finding *f = report_add(cmd->report, SEVERITY_ERROR, &where, NULL, "%s", strerror(-r));

	if (r == -ENOENT)
		report_help(f, "write a configuration there (sixtap.yaml(5)), or name another with -c");
	f->exit_status = EXIT_USAGE;
	return 1;
}

/* A little more than is allowed is read, so that conf_read() can say that a file is too large. */
static int read_file(struct cmd *cmd, const char *path, struct client_files *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t cap = CONF_FILE_MAX + 1;
	struct client_file f = { .len = 0 };
	ssize_t n = -1;

	if (fd < 0)
		return unreadable(cmd, path, -errno);
	f.text = xcalloc(cap + 1, 1);
	while (f.len < cap && (n = read(fd, f.text + f.len, cap - f.len)) > 0)
		f.len += (size_t)n;
	if (n < 0) {
		int r = -errno;

		free(f.text);
		return unreadable(cmd, path, r);
	}
	f.file = xstrdup(path);
	GROW(ret->files, ret->n, ret->cap);
	ret->files[ret->n++] = f;
	return 0;
}

static int is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0;
}

char *client_adopted_path(const struct cmd *cmd)
{
	const char *slash = strrchr(cmd->config, '/');
	size_t len = strlen(cmd->config);
	struct stat st;

	if (stat(cmd->config, &st) == 0 ? !S_ISDIR(st.st_mode) : len > 5 && str_eq(cmd->config + len - 5, ".yaml"))
		return slash ? xasprintf("%.*s/adopted.yaml", (int)(slash - cmd->config), cmd->config) : xstrdup("adopted.yaml");
	return xasprintf("%s/adopted.yaml", cmd->config);
}

int client_read_files(struct cmd *cmd, struct client_files *ret)
{
	struct dirent **entries = NULL;
	struct stat st;
	int r = 0;

	if (str_eq(cmd->config, "-"))
		cmd->config = "/dev/stdin";
	if (stat(cmd->config, &st) < 0)
		return unreadable(cmd, cmd->config, -errno);
	*ret = (struct client_files){ .source = realpath(cmd->config, NULL) };
	if (!ret->source)	/* a pipe: /dev/stdin, or the shell's <(…) */
		ret->source = xstrdup(cmd->config);
	if (!S_ISDIR(st.st_mode)) {	/* what is adopted stands beside it */
		_cleanup_(freep) char *adopted = client_adopted_path(cmd);

		r = read_file(cmd, cmd->config, ret);
		if (r == 0 && access(adopted, F_OK) == 0 && !str_eq(adopted, cmd->config))
			r = read_file(cmd, adopted, ret);
		return r;
	}
	int n = scandir(cmd->config, &entries, is_yaml, alphasort);
	if (n < 0)
		return unreadable(cmd, cmd->config, -errno);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = read_file(cmd, PATHS_JOIN(cmd->config, entries[i]->d_name), ret);
		free(entries[i]);
	}
	free(entries);
	if (r == 0 && ret->n == 0) {
		const struct where where = { .file = cmd->config };
		struct finding *f = report_add(cmd->report, SEVERITY_ERROR, &where, NULL, "holds no *.yaml");

		report_help(f, "write a configuration there (sixtap.yaml(5)), or name another with -c");
		f->exit_status = EXIT_USAGE;
		r = 1;
	}
	return r;
}

int client_desired(struct cmd *cmd, const struct client_files *files, struct desired **ret)
{
	struct conf_source *sources = xcalloc(files->n, sizeof(*sources));
	struct conf_seed seed = { { 0 } };

	(void)paths_secret(cmd->state_dir, seed.secret);	/* without it a check is as good */
	for (size_t i = 0; i < files->n; i++)
		sources[i] = (struct conf_source){ .file = files->files[i].file, .text = files->files[i].text,
						   .len = files->files[i].len, .path = files->source };
	int r = conf_read(sources, files->n, &seed, cmd->report, ret);

	free(sources);
	return r;
}

void client_add_files(json_t *request, const struct client_files *files)
{
	json_t *list = json_array();

	for (size_t i = 0; i < files->n; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:s%}", "file", files->files[i].file, "text",
							    files->files[i].text, files->files[i].len));
	(void)json_object_set_new(request, "files", list);
	(void)json_object_set_new(request, "source", json_string(files->source));
}

void client_add_networks(json_t *request, char **names, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	if (n > 0)
		(void)json_object_set(request, "networks", list);
	json_decref(list);
}

bool client_is_root(struct cmd *cmd, const char *what)
{
	if (geteuid() == 0)
		return true;
	report_help(report_error(cmd->report, what, "needs root: it changes this host's network"), "sudo sixtap %s …", what);
	return false;
}

/* ---- the daemon ---- */

/* Beside us when run from a build folder; in sbin beside our bin, wherever that was put; else where it was to be installed. */
static void find_daemon(char path[static PATHS_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATHS_MAX - 16);
	char *slash = NULL;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash) {
		(void)memcpy(slash + 1, "sixtapd", sizeof("sixtapd"));
		if (access(path, X_OK) == 0)
			return;
		*slash = '\0';
		slash = strrchr(path, '/');
	}
	if (slash) {
		(void)memcpy(slash + 1, "sbin/sixtapd", sizeof("sbin/sixtapd"));
		if (access(path, X_OK) == 0)
			return;
	}
	(void)str_copy(path, PATHS_MAX, SIXTAP_DAEMON);
}

/*
 * systemd's unit starts the daemon wherever that would be the same one: the
 * installed one, for the network namespace that systemd is in, with the usual
 * folders.
 */
static bool unit_does_it(const struct cmd *cmd, const char *daemon)
{
	static const char *const units[] = { "/etc/systemd/system/", "/usr/local/lib/systemd/system/", "/usr/lib/systemd/system/",
					     "/lib/systemd/system/" };
	FILE *unit = NULL;
	bool starts = false;
	char line[PATHS_MAX];

	for (size_t i = 0; i < ARRAY_LEN(units) && !unit; i++)	/* the first one counts */
		unit = fopen(PATHS_JOIN(units[i], "sixtapd.service"), "re");
	while (unit && !starts && fgets(line, sizeof(line), unit)) {
		line[strcspn(line, " \n")] = '\0';	/* whatever options it has */
		starts = strncmp(line, "ExecStart=", 10) == 0 && str_eq(line + 10, daemon);
	}
	if (unit)
		(void)fclose(unit);
	return starts && !cmd->run_dir_option && !cmd->state_dir_option &&
	       !getenv("SIXTAP_RUN_DIR") && !getenv("SIXTAP_STATE_DIR") && netns_is_of_init();
}

static int start_daemon(struct cmd *cmd)
{
	char path[PATHS_MAX];
	int status = 0;

	find_daemon(path);
	if (access(path, X_OK) < 0) {
		report_help(report_error(cmd->report, path, "the daemon isn't there: %s", strerror(errno)),
			    "install it, or run sixtap from its build folder");
		return 1;
	}
	bool unit = unit_does_it(cmd, path);
	pid_t pid = fork();
	if (pid < 0) {
		report_error(cmd->report, "sixtapd", "cannot be started: %s", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		if (unit) {
			(void)execlp("systemctl", "systemctl", "start", "sixtapd.service", NULL);
			(void)fprintf(stderr, "systemctl: %s\n", strerror(errno));
			_exit(127);
		}
		(void)execl(path, "sixtapd", "--background", "--run-dir", cmd->run_dir, "--state-dir", cmd->state_dir, NULL);
		(void)fprintf(stderr, "sixtapd: %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	struct finding *f = report_error(cmd->report, unit ? "sixtapd.service" : "sixtapd", "did not start");
	if (unit)
		report_help(f, "see systemctl status sixtapd, journalctl -u sixtapd");
	else if (access(PATHS_JOIN(cmd->run_dir, "sixtapd.log"), R_OK) == 0)
		report_help(f, "see %s/sixtapd.log", cmd->run_dir);
	else
		report_help(f, "is %s a folder to write in?", cmd->run_dir);
	return 1;
}

static int try_connect(struct cmd *cmd, struct control **ret)
{
	return control_connect(ret, PATHS_JOIN(cmd->run_dir, "control"), CTL_ANSWER_MAX);
}

/*
 * A daemon whose monitor was killed serves on, but nobody would restart its processes; one of another version may not
 * understand us. Have it end, keep its networks.
 */
static int replace_unwatched(struct cmd *cmd, struct control **control)
{
	json_t *answer = NULL;
	int r = client_ask(cmd, *control, ctl_request_new(CTL_HELLO), NULL, NULL, &answer, NULL, NULL);
	const json_t *daemon = json_object_get(answer, "daemon");
	const char *release = json_string_value(json_object_get(daemon, "release"));
	bool unwatched = r == 0 && (json_is_true(json_object_get(daemon, "unwatched")) ||
				    (release && !str_eq(release, SIXTAP_VERSION)));

	json_decref(answer);
	if (r != 0 || !unwatched)
		return r;
	answer = NULL;
	(void)client_ask(cmd, *control, ctl_request_new(CTL_QUIT), NULL, NULL, &answer, NULL, NULL);
	json_decref(answer);
	*control = control_free(*control);
	client_wait_gone(cmd);
	return start_daemon(cmd) != 0 || try_connect(cmd, control) < 0;
}

/* Every process of the daemon has the lock, until the last has ended. */
void client_wait_gone(struct cmd *cmd)
{
	_cleanup_(closep) int fd = open(PATHS_JOIN(cmd->run_dir, "lock"), O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 500; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return;
		(void)usleep(10000);
	}
}

int client_connect(struct cmd *cmd, enum client_start start, struct control **ret)
{
	int r = try_connect(cmd, ret);

	if (r < 0 && start == CLIENT_START && (r == -ENOENT || r == -ECONNREFUSED)) {
		if (start_daemon(cmd) != 0)
			return 1;
		r = try_connect(cmd, ret);
	}
	if (r == 0)
		return start == CLIENT_START ? replace_unwatched(cmd, ret) : 0;
	if (start != CLIENT_MAY_FAIL) {
		struct finding *f = report_error(cmd->report, NULL, "cannot reach sixtapd (%s/control: %s)", cmd->run_dir,
						 strerror(-r));

		if (start == CLIENT_START)
			report_help(f, "is %s a folder to write in?", cmd->run_dir);
		else
			report_help(f, "sudo sixtap up starts it");
	}
	return 1;
}

void client_impatient(struct control *control)
{
	const struct timeval patience = { .tv_sec = IMPATIENT_S };

	(void)setsockopt(control->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

void client_wait_idle(struct cmd *cmd, struct control *control)
{
	struct pollfd p = { .fd = control->fd, .events = POLLIN };

	if (poll(&p, 1, 200) > 0 && control_read(control) == 0)
		client_wait_gone(cmd);
}

static void take_warnings(struct cmd *cmd, const json_t *answer)
{
	json_t *warnings = json_object_get(answer, "warnings");

	if (!warnings)
		return;
	json_t *wrapped = json_pack("{s:O}", "errors", warnings);

	report_add_json(cmd->report, wrapped);
	json_decref(wrapped);
}

int client_ask(struct cmd *cmd, struct control *control, json_t *request, client_progress_fn progress, void *user,
	       json_t **ret, int *fds, size_t *n_fds)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int r;

	json_decref(request);
	control_queue(control, text, strlen(text), NULL, 0);
	free(text);
	r = control_flush(control);
	while (r == 1) {
		size_t len;
		const char *line;

		r = control_read(control);
		if (r <= 0)
			break;
		while ((line = control_line(control, &len))) {
			json_t *o = json_loadb(line, len, 0, NULL);
			const json_t *p = json_object_get(o, "progress");

			if (p) {
				if (progress)
					progress(cmd, p, user);
				json_decref(o);
				continue;
			}
			(void)json_object_del(o, "final");
			if (fds)
				*n_fds = control_take_fds(control, fds, *n_fds);
			if (json_object_get(o, "errors")) {
				report_add_json(cmd->report, o);
				json_decref(o);
				return 1;
			}
			take_warnings(cmd, o);
			*ret = o;
			return o == NULL;
		}
	}
	if (r == -EAGAIN) {
		report_help(report_error(cmd->report, "sixtapd", "runs, but doesn't answer"), "see %s/sixtapd.log", cmd->run_dir);
		return 1;
	}
	report_help(report_error(cmd->report, "sixtapd", "ended before it answered%s%s", r < 0 ? ": " : "",
				 r < 0 ? strerror(-r) : ""), "see %s/sixtapd.log", cmd->run_dir);
	return 1;
}
