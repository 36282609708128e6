/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor - root's part of sixtapd: prepare, start the others, restart them
 */
#include "daemon/monitor.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "ctl/monitors.h"
#include "ctl/paths.h"
#include "daemon/confine.h"
#include "daemon/engine.h"
#include "daemon/main.h"
#include "daemon/resolver.h"
#include "daemon/stale.h"
#include "io/control.h"
#include "io/ear.h"
#include "kern/guard.h"
#include "kern/macvtap.h"
#include "kern/records.h"

#define BACKOFF_FIRST (100 * MONO_MS)
#define BACKOFF_MAX (10 * MONO_S)
#define LIVED_LONG (10 * MONO_S)

struct child {
	enum confine_who who;
	pid_t pid;		/* 0: not running */
	mono_t started, start_at;
	mono_t backoff;
};

struct monitor {
	const struct monitor_conf *conf;
	struct confine_ids ids;
	uint8_t secret[16];
	int lock_fd, listen_fd, signal_fd, tun_dir_fd;
	int sysfs_fd;		/* a private sysfs of this namespace; -1: there is none */
	int queues_fd;		/* our end of main's other socket; -1 while main is down */
	struct kern_guard guard;	/* loaded here, used by main */
	int main_fd;		/* our end of main's socket; -1 while main is down */
	struct child child[CONFINE_N_];
	bool ready, quit;
};

static const char *const child_name[CONFINE_N_] = {
	[CONFINE_MAIN] = "main",
	[CONFINE_ENGINE] = "engine",
	[CONFINE_RESOLVER] = "resolver",
};

static int make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int r = paths_make_parents(path);

	if (r < 0)
		return r;
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return -errno;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

/* A tmpfs that nobody else sees, with a tun node that main's user may open: /run is nodev, /dev/net/tun may be 0600. */
static int make_tun_dir(const struct confine_ids *ids)
{
	_cleanup_(closep) int fs = (int)syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);

	if (fs < 0 || syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, "mode", "0755", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) < 0)
		return -errno;
	_cleanup_(closep) int dir = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
	if (dir < 0 || mknodat(dir, "tun", S_IFCHR | 0600, makedev(10, 200)) < 0 ||
	    fchownat(dir, "tun", ids->uid[CONFINE_MAIN], ids->gid[CONFINE_MAIN], 0) < 0)
		return -errno;
	return STEAL_FD(dir);
}

static int fail(const char *what, const char *path, int r)
{
	(void)fprintf(stderr, "sixtapd: %s: %s: %s\n", path, what, strerror(-r));
	return 1;
}

/* Can the ring be mapped? The engine does it, later; without it packet sockets do its work. */
static void try_ear(struct kern_guard *guard)
{
	struct ear *ear = NULL;
	int r = guard->heard < 0 ? 0 : ear_new(&ear, guard->heard);

	ear = ear_free(ear);
	if (guard->inward >= 0 && r == 0 && guard->heard < 0)
		log_event(LOG_LEVEL_INFO, "heard-by-sockets");
	if (r == 0)
		return;
	log_event(LOG_LEVEL_WARNING, "heard-by-sockets error=\"%s\"", strerror(-r));
	closep(&guard->heard);
	guard->heard = -1;
}

static int prepare(struct monitor *m)
{
	const char *run = m->conf->run_dir, *state = m->conf->state_dir;
	const char *lock = PATHS_JOIN(run, "lock"), *records = PATHS_JOIN(run, "state"), *empty = PATHS_JOIN(run, "empty");
	const char *monitors = PATHS_JOIN(run, MONITORS);
	const char *qmp = PATHS_JOIN(run, "qmp"), *leases = PATHS_JOIN(state, "leases"), *socket_path = PATHS_JOIN(run, "control");
	int r = make_dir(run, 0755, 0, 0);

	if (r < 0)
		return fail("cannot make the run directory", run, r);
	m->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (m->lock_fd < 0)
		return fail("cannot open the lock", lock, -errno);
	if (flock(m->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		(void)fprintf(stderr, "sixtapd: %s: another sixtapd serves this network namespace\n", run);
		return 1;
	}
	stale_remove(run);
	stale_remove(state);
	confine_ids(&m->ids);
	r = make_dir(records, 0700, m->ids.uid[CONFINE_MAIN], m->ids.gid[CONFINE_MAIN]);
	if (r == 0)
		r = make_dir(empty, 0555, 0, 0);
	if (r == 0)	/* whoever runs QEMU may look for a name there, and finds none that it may use */
		r = make_dir(qmp, 0711, m->ids.uid[CONFINE_MAIN], m->ids.gid[CONFINE_MAIN]);
	if (r == 0)	/* what root names there, and nobody else, main is connected to */
		r = make_dir(monitors, 0700, 0, 0);
	if (r < 0)
		return fail("cannot make folders in the run directory", run, r);
	r = make_dir(leases, 0700, m->ids.uid[CONFINE_ENGINE], m->ids.gid[CONFINE_ENGINE]);
	if (r < 0 && r != -EROFS)	/* served all the same, without new leases; `status` says so */
		return fail("cannot make the lease folder", leases, r);
	r = paths_secret(state, m->secret);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "no-secret path=\"%s/secret\" error=\"%s\": derived MACs and ULAs last until the daemon ends",
			  state, strerror(-r));
		if (getrandom(m->secret, sizeof(m->secret), 0) != (ssize_t)sizeof(m->secret))
			return fail("cannot make a secret", state, -errno);
	}
	m->listen_fd = control_listen(socket_path, 0666);
	if (m->listen_fd < 0)
		return fail("cannot listen", socket_path, m->listen_fd);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		log_event(LOG_LEVEL_WARNING, "no-private-mounts error=\"%s\"", strerror(errno));
	m->tun_dir_fd = make_tun_dir(&m->ids);
	if (m->tun_dir_fd < 0)
		log_event(LOG_LEVEL_WARNING, "no-private-tun-node error=\"%s\"", strerror(-m->tun_dir_fd));
	m->sysfs_fd = kern_macvtap_sysfs();
	if (m->sysfs_fd < 0)
		log_event(LOG_LEVEL_WARNING, "no-private-sysfs error=\"%s\": no guests on macvtap networks",
			  strerror(-m->sysfs_fd));
	char why[GUARD_WHY_MAX] = "";
	if (guard_load(&m->guard, why) < 0)
		log_event(LOG_LEVEL_INFO, "guards-by-nftables reason=\"%s\"", why);
	try_ear(&m->guard);
	return 0;
}

/* What starting and ending the three takes, and what main is to inherit; mounts and device nodes are made. */
static int drop_capabilities(bool bpf)
{
	capng_clear(CAPNG_SELECT_BOTH);
	/* Only what main can't do without; see confine.h. */
	if (bpf && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_BPF) != 0)
		return -EPERM;
	/* For the nodes of macvtap devices; none of the three inherits it. */
	if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_MKNOD) != 0)
		return -EPERM;
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_KILL, CAP_SETUID, CAP_SETGID,
			  CAP_SETPCAP, CAP_SYS_CHROOT, CAP_DAC_OVERRIDE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
			  -1) != 0 ||
	    capng_apply(CAPNG_SELECT_BOTH) != 0)
		return -EPERM;
	return 0;
}

/* Nothing is up any more: leave nothing behind. With records the folders stay (rmdir() fails). */
static void clean_up(const struct monitor_conf *conf)
{
	static const char *const folders[] = { "empty", "qmp", MONITORS };
	static const char *const files[] = { "sixtapd.log", "lock" };

	if (records_remove(PATHS_JOIN(conf->run_dir, "state")) < 0)
		return;
	monitors_clear(conf->run_dir);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (rmdir(PATHS_JOIN(conf->run_dir, folders[i])) < 0 && errno != ENOENT)
			return;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		(void)unlink(PATHS_JOIN(conf->run_dir, files[i]));
	(void)rmdir(conf->run_dir);
}

static int child_status(enum confine_who who, struct monitor *m, struct daemon_child *main_ends, int inner_fd)
{
	const struct monitor_conf *conf = m->conf;
	const char *run = conf->run_dir;
	struct ear *ear = NULL;		/* the process ends with it */
	sigset_t none;
	int r;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, who == CONFINE_MAIN ? "sixtapd-main" :
				 who == CONFINE_ENGINE ? "sixtapd-engine" : "sixtapd-dns");
	log_open(child_name[who], conf->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	(void)close(m->signal_fd);
	if (m->main_fd >= 0)
		(void)close(m->main_fd);
	if (m->queues_fd >= 0)
		(void)close(m->queues_fd);
	if (m->sysfs_fd >= 0)
		(void)close(m->sysfs_fd);
	if (who == CONFINE_ENGINE && m->guard.heard >= 0) {
		r = ear_new(&ear, m->guard.heard);
		if (r < 0) {
			log_event(LOG_LEVEL_ERROR, "cannot-map-ring error=\"%s\"", strerror(-r));
			return 1;
		}
	}
	if (who != CONFINE_MAIN) {
		kern_guard_close(&m->guard);
		(void)close(m->lock_fd);	/* whoever has it could let go of it */
		(void)close(m->listen_fd);
		if (m->tun_dir_fd >= 0)
			(void)close(m->tun_dir_fd);
		(void)unsetenv("NOTIFY_SOCKET");
		(void)unsetenv("WATCHDOG_USEC");
		(void)unsetenv("WATCHDOG_PID");
	} else if (getenv("WATCHDOG_PID")) {	/* systemd means us; main is who can hang */
		char pid[16];

		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("WATCHDOG_PID", pid, 1);
	}
	int xt_names[2] = { -1, -1 };
	if (who == CONFINE_MAIN)
		kern_xt_names(xt_names);
	bool bpf = who == CONFINE_MAIN && m->guard.prog >= 0 && guard_needs_bpf();
	r = confine(who, &m->ids, bpf, who == CONFINE_ENGINE ? PATHS_JOIN(conf->state_dir, "leases") :
				       who == CONFINE_RESOLVER ? PATHS_JOIN(run, "empty") : NULL);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "cannot-confine error=\"%s\"", strerror(-r));
		return 1;
	}
	switch (who) {
	case CONFINE_MAIN:
		r = main_run(&(struct main_conf){ .run_dir = run, .state_dir = conf->state_dir, .ends = *main_ends,
						 .xt_names = { xt_names[0], xt_names[1] },
						 .guard = m->guard });
		break;
	case CONFINE_ENGINE:
		r = engine_run(&(struct engine_conf){ .inner_fd = inner_fd, .lease_path = "/leases.db",
						      .pcap_path = conf->pcap, .ear = ear });
		break;
	case CONFINE_RESOLVER:
		r = resolver_run(&(struct resolver_conf){ .inner_fd = inner_fd });
		break;
	case CONFINE_N_:
		break;
	}
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "ended error=\"%s\"", strerror(-r));
	return r < 0;
}

static int pair(int ret[2])
{
	int big = 4 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret[i], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	return 0;
}

/* Fork one process. @parent_end: our end of its socket, closed there. Return: pid or negative errno. */
static pid_t start(struct monitor *m, enum confine_who who, struct daemon_child *main_ends, int inner_fd, int parent_end)
{
	struct child *c = &m->child[who];
	pid_t monitor_pid = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(parent_end);
		if (main_ends)
			main_ends->monitor_pid = monitor_pid;
		_exit(child_status(who, m, main_ends, inner_fd));
	}
	c->pid = pid;
	c->started = mono_now();
	return pid;
}

static int tell_main(struct monitor *m, enum monitor_msg_type type, pid_t pid, int fd)
{
	struct monitor_msg msg = { (int32_t)type, pid };
	struct iovec iov = { &msg, sizeof(msg) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(m->main_fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int start_main(struct monitor *m)
{
	int ends[2], queues[2];
	int r = pair(ends);

	if (r < 0)
		return r;
	r = pair(queues);
	if (r < 0) {
		(void)close(ends[0]);
		(void)close(ends[1]);
		return r;
	}
	struct daemon_child child = { .monitor_fd = ends[1], .listen_fd = m->listen_fd, .tun_dir_fd = m->tun_dir_fd,
				      .queues_fd = queues[1] };
	memcpy(child.secret, m->secret, sizeof(child.secret));
	m->queues_fd = queues[0];	/* closed in the child */
	pid_t pid = start(m, CONFINE_MAIN, &child, -1, ends[0]);
	(void)close(ends[1]);
	(void)close(queues[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		closep(&m->queues_fd);
		m->queues_fd = -1;
		return pid;
	}
	m->main_fd = ends[0];
	/* A test that wanted this one killed (kern/apply.h) wants to see the next one live. */
	const char *kill_at = getenv("SIXTAP_KILL_AT");
	if (kill_at && strncmp(kill_at, "apply:", strlen("apply:")) == 0)
		(void)unsetenv("SIXTAP_KILL_AT");
	return 0;
}

/* The engine or the resolver; main is told about its socket. */
static int start_one(struct monitor *m, enum confine_who who)
{
	int ends[2];
	int r = pair(ends);

	if (r < 0)
		return r;
	pid_t pid = start(m, who, NULL, ends[1], ends[0]);
	r = pid < 0 ? pid : tell_main(m, who == CONFINE_ENGINE ? MONITOR_ENGINE : MONITOR_RESOLVER, pid, ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return r;
}

/* The engine and the resolver end by themselves when main's sockets close; only then everything starts anew. */
static void start_due(struct monitor *m, mono_t now)
{
	bool others_down = m->child[CONFINE_ENGINE].pid == 0 && m->child[CONFINE_RESOLVER].pid == 0;

	for (unsigned int i = 0; i < CONFINE_N_; i++) {
		struct child *c = &m->child[i];
		int r = 0;

		if (c->pid != 0 || now < c->start_at)
			continue;
		if (c->who == CONFINE_MAIN)
			r = others_down ? start_main(m) : 0;
		else if (m->child[CONFINE_MAIN].pid > 0)
			r = start_one(m, c->who);
		if (r < 0) {
			log_event(LOG_LEVEL_ERROR, "cannot-start process=%s error=\"%s\"", child_name[i], strerror(-r));
			c->start_at = mono_add(now, BACKOFF_MAX);
		}
	}
}

static mono_t next_start(const struct monitor *m)
{
	mono_t next = MONO_NEVER;

	for (unsigned int i = 0; i < CONFINE_N_; i++)
		if (m->child[i].pid == 0)
			next = mono_min(next, m->child[i].start_at);
	return next;
}

static void reap(struct monitor *m, mono_t now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < CONFINE_N_; i++) {
			struct child *c = &m->child[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			c->backoff = now - c->started > LIVED_LONG || c->backoff == 0 ? BACKOFF_FIRST : c->backoff * 2;
			if (c->backoff > BACKOFF_MAX)
				c->backoff = BACKOFF_MAX;
			c->start_at = mono_add(now, c->backoff);
			if (!m->quit)
				log_event(LOG_LEVEL_WARNING, "process-ended process=%s %s=%d restart-ms=%llu",
					  child_name[i], WIFSIGNALED(status) ? "signal" : "status",
					  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
					  (unsigned long long)(c->backoff / MONO_MS));
			if (i == CONFINE_MAIN && m->main_fd >= 0) {
				(void)close(m->main_fd);
				(void)close(m->queues_fd);
				m->main_fd = m->queues_fd = -1;
			}
		}
	}
}

/* The QEMU of an adopted guest, where root said it listens. It may be busy with somebody else: nobody waits for it. */
static int connect_qmp(const struct monitor *m, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int r = monitors_get(m->conf->run_dir, name, sun.sun_path, sizeof(sun.sun_path));

	if (r < 0)
		return r;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -errno;
	return STEAL_FD(fd);
}

/* main wants the queues of a macvtap link, or a guest's monitor. */
static void hear_queues(struct monitor *m)
{
	struct monitor_queues ask;
	int fds[KERN_MACVTAP_QUEUES];

	while (m->queues_fd >= 0 && recv(m->queues_fd, &ask, sizeof(ask), MSG_DONTWAIT) == (ssize_t)sizeof(ask)) {
		ask.name[sizeof(ask.name) - 1] = '\0';
		if (ask.ask == MONITOR_ASK_QMP) {
			fds[0] = connect_qmp(m, ask.name);
			ask.err = fds[0] < 0 ? fds[0] : 0;
			ask.n = 1;
		} else {
			ask.err = m->sysfs_fd < 0 ? m->sysfs_fd : m->tun_dir_fd < 0 ? m->tun_dir_fd :
				  kern_macvtap_open(m->sysfs_fd, m->tun_dir_fd, ask.name, ask.ifindex, ask.n, fds);
		}
		size_t n = ask.err == 0 ? ask.n : 0;
		struct iovec iov = { &ask, sizeof(ask) };
		union {
			char buf[CMSG_SPACE(sizeof(fds))];
			struct cmsghdr align;
		} control = { 0 };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (n > 0) {
			h.msg_control = control.buf;
			h.msg_controllen = CMSG_SPACE(n * sizeof(int));
			struct cmsghdr *c = CMSG_FIRSTHDR(&h);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(n * sizeof(int));
			memcpy(CMSG_DATA(c), fds, n * sizeof(int));
		}
		if (sendmsg(m->queues_fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_event(LOG_LEVEL_WARNING, "cannot-answer-main error=\"%s\"", strerror(errno));
		while (n > 0)
			(void)close(fds[--n]);
	}
}

/* Only main can tell that a process hangs, and only root can end it. */
static void end_stuck(const struct monitor *m, pid_t pid)
{
	for (unsigned int i = 0; i < CONFINE_N_; i++)
		if (i != CONFINE_MAIN && pid > 0 && m->child[i].pid == pid)
			(void)kill(pid, SIGKILL);
}

static void hear_main(struct monitor *m)
{
	struct monitor_msg msg;

	while (m->main_fd >= 0 && recv(m->main_fd, &msg, sizeof(msg), MSG_DONTWAIT) == (ssize_t)sizeof(msg)) {
		if (msg.type == MONITOR_QUIT)
			m->quit = true;
		if (msg.type == MONITOR_STUCK)
			end_stuck(m, msg.pid);
		if (msg.type == MONITOR_READY && !m->ready) {
			m->ready = true;
			(void)sd_notify(0, "READY=1\nSTATUS=serving");
			if (m->conf->ready_fd >= 0) {
				(void)!write(m->conf->ready_fd, "ready\n", 6);
				(void)close(m->conf->ready_fd);
			}
		}
	}
}

static void end_children(struct monitor *m)
{
	mono_t give_up = mono_add(mono_now(), 5 * MONO_S);

	m->quit = true;
	if (m->child[CONFINE_MAIN].pid > 0)
		(void)kill(m->child[CONFINE_MAIN].pid, SIGTERM);
	if (m->main_fd >= 0) {
		(void)close(m->main_fd);
		(void)close(m->queues_fd);
		m->main_fd = m->queues_fd = -1;
	}
	for (;;) {
		bool left = false;

		reap(m, mono_now());
		for (unsigned int i = 0; i < CONFINE_N_; i++) {
			left = left || m->child[i].pid > 0;
			if (m->child[i].pid > 0 && mono_now() > give_up)
				(void)kill(m->child[i].pid, SIGKILL);
		}
		if (!left)
			return;
		(void)poll(&(struct pollfd){ .fd = m->signal_fd, .events = POLLIN }, 1, 50);
		struct signalfd_siginfo si;

		(void)!read(m->signal_fd, &si, sizeof(si));
	}
}

static void hear_signals(struct monitor *m, mono_t now)
{
	struct signalfd_siginfo si;

	while (read(m->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(m, now);
		else if (si.ssi_signo == SIGHUP && m->child[CONFINE_MAIN].pid > 0)
			(void)kill(m->child[CONFINE_MAIN].pid, SIGHUP);
		else if (si.ssi_signo != SIGHUP)
			m->quit = true;
	}
}

int monitor_run(const struct monitor_conf *conf)
{
	struct monitor m = { .conf = conf, .lock_fd = -1, .listen_fd = -1, .main_fd = -1, .tun_dir_fd = -1,
			     .sysfs_fd = -1, .queues_fd = -1, .guard = KERN_GUARD_NONE };
	sigset_t set;

	log_open("monitor", conf->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	for (unsigned int i = 0; i < CONFINE_N_; i++)
		m.child[i].who = (enum confine_who)i;
	if (prepare(&m) != 0)
		return 1;
	int r = drop_capabilities(m.guard.prog >= 0 && guard_needs_bpf());
	if (r < 0)
		return fail("cannot give up capabilities", "monitor", r);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < 4; i++)
		(void)sigaddset(&set, (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP }[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	m.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m.signal_fd < 0)
		return fail("cannot watch signals", "signalfd", -errno);

	while (!m.quit) {
		mono_t now = mono_now();

		start_due(&m, now);
		mono_t next = next_start(&m);
		struct pollfd p[] = { { .fd = m.signal_fd, .events = POLLIN }, { .fd = m.main_fd, .events = POLLIN },
				      { .fd = m.queues_fd, .events = POLLIN } };
		int timeout = next == MONO_NEVER ? -1 : next <= now ? 10 : (int)((next - now) / MONO_MS) + 1;

		if (poll(p, ARRAY_LEN(p), timeout) < 0 && errno != EINTR)
			break;
		hear_main(&m);
		hear_queues(&m);
		hear_signals(&m, mono_now());
	}
	(void)sd_notify(0, "STOPPING=1");
	(void)unlink(PATHS_JOIN(conf->run_dir, "control"));
	end_children(&m);
	clean_up(conf);
	return 0;
}
