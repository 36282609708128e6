/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confine - what each process gives up before it starts its work
 */
#include "daemon/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

/* Below systemd's dynamic users (61184…) and above what adduser hands out by default. */
#define FIRST_FREE_UID 60790u

void confine_ids(struct confine_ids *ret)
{
	static const char *const user[CONFINE_N_] = {
		[CONFINE_MAIN] = "sixtap",
		[CONFINE_ENGINE] = "sixtap-engine",
		[CONFINE_RESOLVER] = "sixtap-dns",
	};
	uid_t next = FIRST_FREE_UID;

	for (unsigned int i = 0; i < CONFINE_N_; i++) {
		const struct passwd *pw = getpwnam(user[i]);

		if (pw && pw->pw_uid != 0) {
			ret->uid[i] = pw->pw_uid;
			ret->gid[i] = pw->pw_gid;
			continue;
		}
		while (getpwuid(next) || getgrgid(next))
			next++;
		ret->uid[i] = next;
		ret->gid[i] = next;
		next++;
	}
}

/* What every event-driven process of ours needs, and nothing that reaches outside it. */
static const char *const common_calls[] = {
	"read", "readv", "write", "writev", "pread64", "pwrite64", "close", "dup", "lseek",
	"recvmsg", "recvmmsg", "recvfrom", "getsockopt",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "epoll_create1", "poll", "ppoll", "select", "pselect6",
	"timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4", "eventfd2",
	"clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
	"futex", "getrandom", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getppid",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "sched_yield",
	"exit", "exit_group", "rseq", "set_robust_list", "uname", "sysinfo", "getrusage", "prlimit64", "membarrier",
};

/* SQLite's, inside the lease folder that is the root directory. */
static const char *const file_calls[] = {
	"openat", "open", "fstat", "newfstatat", "stat", "lstat", "statx", "access", "faccessat", "faccessat2", "fsync",
	"fdatasync", "ftruncate", "fallocate", "unlink", "unlinkat", "rename", "renameat", "renameat2", "getcwd",
	"fchmod", "readlink", "readlinkat", "getdents64", "flock", "fchown", "statfs", "fstatfs",
};

/* libunbound's, towards its servers. */
static const char *const resolver_calls[] = {
	"bind", "connect", "getsockname", "getpeername", "setsockopt", "accept4", "accept", "sendmsg",
	"sendto", "shutdown", "pipe2", "pipe", "fstat", "newfstatat", "clone", "clone3",
};

/* Argument @number of a call must be @value. */
static struct scmp_arg_cmp argument_is(unsigned int number, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = number, .op = SCMP_CMP_EQ, .datum_a = value };
}

static int allow(scmp_filter_ctx ctx, const char *const *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(calls[i]);
		int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);

		if (r < 0 && r != -EDOM)	/* -EDOM: this architecture has no such call */
			return r;
	}
	return 0;
}

/* fcntl() for flags and locks, but not F_SETOWN and the like: no signals to others. */
static int allow_fcntl(scmp_filter_ctx ctx)
{
	static const int cmds[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETLK, F_GETLK, F_SETLKW, F_OFD_SETLK,
				    F_OFD_GETLK, F_DUPFD_CLOEXEC };

	for (size_t i = 0; i < ARRAY_LEN(cmds); i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
					 argument_is(1, (uint64_t)cmds[i]));

		if (r < 0)
			return r;
	}
	return 0;
}

static int engine_filter(scmp_filter_ctx ctx)
{
	int r = allow(ctx, common_calls, ARRAY_LEN(common_calls));

	if (r == 0)
		r = allow(ctx, file_calls, ARRAY_LEN(file_calls));
	if (r == 0)
		r = allow_fcntl(ctx);
	/* A packet socket is bound to one bridge: without an address in sendto() it can leave by no other. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, argument_is(4, 0));
	return r;
}

static int resolver_filter(scmp_filter_ctx ctx)
{
	int r = allow(ctx, common_calls, ARRAY_LEN(common_calls));

	if (r == 0)
		r = allow(ctx, resolver_calls, ARRAY_LEN(resolver_calls));
	if (r == 0)
		r = allow_fcntl(ctx);
	/* No packet, netlink or unix sockets. */
	for (int family = AF_INET; r == 0 && family <= AF_INET6; family += AF_INET6 - AF_INET)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     argument_is(0, (uint64_t)family));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, argument_is(1, FIONBIO));
	return r;
}

/* main must do much through the kernel; it never starts programs, nor touches kernel code, nor other processes. */
static int main_filter(scmp_filter_ctx ctx)
{
	static const char *const denied[] = {
		"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "move_mount",
		"open_tree", "fsopen", "fsmount", "fsconfig", "pivot_root", "chroot", "init_module", "finit_module",
		"delete_module", "kexec_load", "kexec_file_load", "perf_event_open", "userfaultfd", "add_key",
		"keyctl", "request_key", "reboot", "swapon", "swapoff", "setns", "unshare", "acct", "quotactl",
		"settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
	};

	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		int nr = seccomp_syscall_resolve_name(denied[i]);
		int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);

		if (r < 0 && r != -EDOM)
			return r;
	}
	/* Maps that it was handed may be looked at and changed; no new ones, no programs. */
	const struct scmp_arg_cmp above = { .arg = 0, .op = SCMP_CMP_GT, .datum_a = BPF_MAP_LOOKUP_BATCH };
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1, above);
	for (unsigned int cmd = 0; r == 0 && cmd < BPF_MAP_LOOKUP_BATCH; cmd++)
		if (cmd < BPF_MAP_LOOKUP_ELEM || cmd > BPF_MAP_GET_NEXT_KEY)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1, argument_is(0, cmd));
	return r;
}

static int load_filter(enum confine_who who)
{
	scmp_filter_ctx ctx = seccomp_init(who == CONFINE_MAIN ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
	int r = -EINVAL;

	if (!ctx)
		return -ENOMEM;
	switch (who) {
	case CONFINE_MAIN:
		r = main_filter(ctx);
		break;
	case CONFINE_ENGINE:
		r = engine_filter(ctx);
		break;
	case CONFINE_RESOLVER:
		r = resolver_filter(ctx);
		break;
	case CONFINE_N_:
		break;
	}
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int confine(enum confine_who who, const struct confine_ids *ids, bool bpf, const char *root)
{
	if (root && (chroot(root) < 0 || chdir("/") < 0))
		return -errno;
	(void)umask(077);
	capng_clear(CAPNG_SELECT_BOTH);
	if (who == CONFINE_MAIN &&
	    capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN, CAP_NET_RAW,
			  CAP_NET_BIND_SERVICE, -1) != 0)
		return -EPERM;
	if (bpf && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF) != 0)
		return -EPERM;
	if (capng_change_id((int)ids->uid[who], (int)ids->gid[who], CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) != 0)
		return -EPERM;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return load_filter(who);
}
