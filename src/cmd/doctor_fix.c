/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_fix - mend, look again, take back what didn't help
 *
 * Theory of operation: causes come before what follows from them. All findings
 * of one rule are mended together, then the host is read again until they are
 * gone or WAIT_MS have passed; a fix whose finding is still there is taken
 * back. What helped is kept where its owner keeps it. Then the next rule, from
 * the findings as they are by then: what followed from a cause is often gone.
 * No finding is tried twice, so this ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/time.h"
#include "cmd/client.h"
#include "cmd/doctor.h"
#include "ctl/paths.h"
#include "diag/mend.h"
#include "diag/rule.h"
#include "kern/kern.h"
#include "plan/explain.h"

#define WAIT_MS 4000 /* for an RA, or a DAD, to show whether it helped */
#define LOOK_MS 250
#define TEST_MS 4000 /* duplicate address detection, as rule_address.c has it */

/* A finding that is being mended. */
struct patient {
	char *key;
	const struct diag_finding *f; /* of the findings before; they live until the batch ends */
	const struct diag_fix *fix;
	bool applied;
};

struct mender {
	struct doctor *doctor;
	const char *way;
	struct kern *kern;
	const char *sysctl_d; /* NULL: settings aren't kept */
	char **tried; /* keys */
	size_t n_tried, cap_tried;
	json_t *fixed;
};

/* What makes a finding the same one in the next snapshot. */
static char *key_of(const struct diag_finding *f)
{
	char *key = xasprintf("%s|%s|%s", f->rule->id, f->subject, f->guest ? f->guest : "");

	for (size_t i = 0; i < f->n_about; i++) {
		char *more = xasprintf("%s|%s", key, f->about[i]);

		free(key);
		key = more;
	}
	return key;
}

static bool was_tried(const struct mender *m, const char *key)
{
	for (size_t i = 0; i < m->n_tried; i++)
		if (str_eq(m->tried[i], key))
			return true;
	return false;
}

static bool is_there(const struct findings *found, const char *key)
{
	for (size_t i = 0; i < found->n; i++) {
		_cleanup_(freep) char *other = key_of(found->list[i]);

		if (str_eq(other, key))
			return true;
	}
	return false;
}

/* What it says, below the heading of what it mends. */
static void pass_on(const struct cmd *cmd, int fd)
{
	FILE *from = fdopen(fd, "r");
	char line[512];

	if (!from) {
		(void)close(fd);
		return;
	}
	while (fgets(line, sizeof(line), from))
		if (!cmd->json && !cmd->quiet)
			(void)printf("  %s", line);
	(void)fclose(from);
}

/* sixtap itself, with the options that this one was given. */
static int run_self(const struct cmd *cmd, const struct diag_fix *fix)
{
	const char *argv[FIX_RUN + 9] = { "sixtap",    "--color",	 cmd->color ? "always" : "never", "-c", cmd->config,
					  "--run-dir", cmd->run_dir, "--state-dir", cmd->state_dir };
	size_t n = 9;
	int status, said[2];
	pid_t pid;

	for (size_t i = 0; i < fix->n_run; i++)
		argv[n++] = fix->run[i];
	argv[n] = NULL;
	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)dup2(said[1], STDOUT_FILENO);
		(void)execv("/proc/self/exe", (char *const *)argv);
		_exit(127);
	}
	int e = errno;
	(void)close(said[1]);
	pass_on(cmd, said[0]);
	if (pid < 0)
		return -e;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* The answer of one who didn't answer before, or is unheard of by any but this question; NULL: not asked. */
static const struct snap_probe *answered(const struct diag_finding *f, const struct snapshot *now)
{
	const struct snap_link *l = snap_link_by_name(now, f->subject);
	struct ip ip;

	for (size_t i = 0; l && i < f->n_values; i++)
		if (str_eq(f->values[i].key, "address") && ip_parse(f->values[i].value, &ip)) {
			const struct snap_probe *p = snap_probe(now, "ns", l->ifindex, &ip);

			return p && p->n_answers > 0 ? p : NULL;
		}
	return NULL;
}

static void record(struct mender *m, const struct patient *p, const char *result, const struct snap_probe *asked)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "id", p->f->rule->id, "subject", p->f->subject, "way",
			      p->fix->way, "result", result);

	if (p->fix->ops)
		(void)json_object_set_new(o, "changes", ops_json(p->fix->ops));
	if (asked)
		(void)json_object_set_new(o, "measured", json_pack("{s:s, s:s, s:f}", "target", IP_STR(&asked->target), "mac",
								   MAC_STR(&asked->answers[0].mac), "after_ms",
								   asked->answers[0].after_us / 1000.0));
	(void)json_array_append_new(m->fixed, o);
}

static void say(const struct mender *m, enum cmd_glyph glyph, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(const struct mender *m, enum cmd_glyph glyph, const char *fmt, ...)
{
	const struct cmd *cmd = m->doctor->cmd;
	va_list ap;

	if (cmd->json || cmd->quiet)
		return;
	va_start(ap, fmt);
	(void)printf("  %s ", cmd_glyph(cmd, glyph));
	(void)vprintf(fmt, ap);
	(void)putchar('\n');
	va_end(ap);
}

static void apply(struct mender *m, struct patient *p)
{
	struct cmd *cmd = m->doctor->cmd;
	int r;

	if (!cmd->json && !cmd->quiet) {
		doctor_show_heading(cmd, p->f, 0);
		if (p->fix->ops)
			plan_print(p->fix->ops, stdout, cmd->color, cmd->utf8, false);
		if (p->fix->n_run > 0)
			(void)printf("  %s\n", p->fix->commands[p->fix->n_commands - 1]);
		(void)fflush(stdout);
	}
	r = mend_apply(m->kern, p->fix, cmd->report);
	if (r == 0 && p->fix->n_run > 0 && run_self(cmd, p->fix) != 0) {
		(void)mend_undo(m->kern, p->fix, cmd->report);
		r = -EIO;
	}
	p->applied = r == 0;
	if (r < 0) {
		say(m, GLYPH_ERROR, "it could not be done, and nothing was changed");
		record(m, p, "failed", NULL);
	}
}

static void keep(struct mender *m, const struct patient *p)
{
	if (p->fix->n_persist == 0)
		return;
	if (!m->sysctl_d)
		say(m, GLYPH_INFO, "until a reboot: files in %s are for the initial network namespace", MEND_SYSCTL_D);
	else if (mend_persist(m->sysctl_d, p->f, p->fix, m->doctor->cmd->report) == 0)
		say(m, GLYPH_INFO, "kept in %s/%s", m->sysctl_d, MEND_SYSCTL_FILE);
}

static void settle(struct mender *m, struct patient *p, const struct findings *now, const struct snapshot *snap)
{
	if (!p->applied)
		return;
	if (!is_there(now, p->key)) {
		const struct snap_probe *asked = answered(p->f, snap);

		say(m, GLYPH_OK, "mended: %s is no longer found on %s", p->f->rule->id, p->f->subject);
		if (asked)
			say(m, GLYPH_OK, "measured: NS for %s answered by %s in %.1f ms", IP_STR(&asked->target),
			    MAC_STR(&asked->answers[0].mac), asked->answers[0].after_us / 1000.0);
		keep(m, p);
		record(m, p, "mended", asked);
		return;
	}
	if (mend_undo(m->kern, p->fix, m->doctor->cmd->report) == 0)
		say(m, GLYPH_WARNING, "it didn't help%s", p->fix->ops ? ", and was taken back" : " yet; what was started goes on");
	record(m, p, "no help", NULL);
}

/* An address that is being tested yet: whether it is a duplicate isn't known. */
static bool is_testing(const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];
		const struct snap_link *l = snap_link(snap, a->ifindex);

		if ((a->flags & IFA_F_TENTATIVE) && !(a->flags & (IFA_F_OPTIMISTIC | IFA_F_DADFAILED)) && l &&
		    l->carrier && a->age_ms < TEST_MS)
			return true;
	}
	return false;
}

static int read_again(struct mender *m, struct snapshot **snap, struct findings **found)
{
	struct snapshot *next = NULL;

	if (doctor_read(m->doctor, &next) < 0)
		return 1;
	findings_free(*found);
	snapshot_free(*snap);
	*snap = next;
	*found = rules_judge(next);
	return 0;
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = LOOK_MS * (long)MONO_MS };

	(void)nanosleep(&t, NULL);
}

/* Mend all findings of the rule that comes first. Return: 1 when there was none, 0, or -1 with an error. */
static int batch(struct mender *m, struct snapshot **snap, struct findings **found)
{
	struct findings *before = *found, *now = NULL;
	struct snapshot *before_snap = *snap, *now_snap = NULL;
	const struct rule *rule = NULL;
	struct patient *patients = xcalloc(before->n + 1, sizeof(*patients));
	const mono_t end = mono_now() + WAIT_MS * MONO_MS;
	size_t n = 0, left;
	int r = 0;

	for (size_t i = 0; i < before->n; i++) {
		const struct diag_finding *f = before->list[i];
		const struct diag_fix *fix = finding_fix_for(f, m->way);
		char *key = fix && doctor_wants(m->doctor, f) && (!rule || f->rule == rule) ? key_of(f) : NULL;

		if (!key || was_tried(m, key)) {
			free(key);
			continue;
		}
		rule = f->rule;
		GROW(m->tried, m->n_tried, m->cap_tried);
		m->tried[m->n_tried++] = xstrdup(key);
		patients[n++] = (struct patient){ .key = key, .f = f, .fix = fix };
		apply(m, &patients[n - 1]);
	}
	do {
		if (now)
			nap();
		r = n > 0 ? read_again(m, &now_snap, &now) : 0;
		left = 0;
		for (size_t i = 0; r == 0 && now && i < n; i++)
			left += patients[i].applied && is_there(now, patients[i].key);
	} while (r == 0 && now && (left > 0 || is_testing(now_snap)) && mono_now() < end);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			settle(m, &patients[i], now, now_snap);
		free(patients[i].key);
	}
	free(patients);
	/* What was taken back isn't in the last look. */
	if (r == 0 && n > 0 && left > 0) {
		const mono_t back = mono_now() + TEST_MS * MONO_MS;

		for (r = read_again(m, &now_snap, &now); r == 0 && is_testing(now_snap) && mono_now() < back;) {
			nap();
			r = read_again(m, &now_snap, &now);
		}
	}
	if (now) {
		*found = now;
		*snap = now_snap;
		findings_free(before);
		snapshot_free(before_snap);
	}
	return r != 0 ? -1 : n == 0;
}

int doctor_fix(struct doctor *doctor, const char *way, struct snapshot **snap, struct findings **found, json_t **ret)
{
	struct cmd *cmd = doctor->cmd;
	const char *dir = getenv("SIXTAP_SYSCTL_D"); /* for tests */
	struct mender m = { .doctor = doctor, .way = way, .fixed = json_array() };
	const struct kern_conf conf = { .run_dir = PATHS_JOIN(cmd->run_dir, "state"),
					.proc_sys_fd = -1,
					.tun_fd_dir = -1 };
	int r = 0;

	*ret = m.fixed;
	if (!client_is_root(cmd, "doctor --fix"))
		return 1;
	if (kern_new(&m.kern, &conf, cmd->report) < 0)
		return 1;
	m.sysctl_d = dir && *dir ? dir : (*snap)->initial_netns ? MEND_SYSCTL_D : NULL;
	while (r == 0)
		r = batch(&m, snap, found);
	if (json_array_size(m.fixed) == 0 && (*found)->n > 0)
		say(&m, GLYPH_INFO,
		    way ? "nothing here can be mended in that way" : "nothing here can be mended by --fix alone");
	else if (r == 1 && (findings_count(*found, SEVERITY_ERROR) > 0 || findings_count(*found, SEVERITY_WARNING) > 0))
		say(&m, GLYPH_WARNING, "%zu errors and %zu warnings are left: sixtap doctor tells them",
		    findings_count(*found, SEVERITY_ERROR), findings_count(*found, SEVERITY_WARNING));
	for (size_t i = 0; i < m.n_tried; i++)
		free(m.tried[i]);
	free(m.tried);
	kern_free(m.kern);
	return r < 0;
}
