# SPDX-License-Identifier: GPL-2.0-or-later
"""libptrace - make another process perform system calls: what an attacker inside it could do.

A Tracee is attached, stopped, and made to execute single `syscall` instructions of its
own code with registers of our choice, so that its own credentials, root and seccomp
filter decide. Afterwards it goes on as if nothing had happened. x86-64 only.
"""
import ctypes, errno, os, signal, struct

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
SINGLESTEP, GETREGS, SETREGS, ATTACH, DETACH = 9, 12, 13, 16, 17

# Numbers of arch/x86/entry/syscalls/syscall_64.tbl.
NR = {"read": 0, "write": 1, "open": 2, "close": 3, "mmap": 9, "mprotect": 10, "ioctl": 16, "getpid": 39, "socket": 41,
      "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "socketpair": 53, "setsockopt": 54, "clone": 56,
      "fork": 57, "execve": 59, "kill": 62, "chdir": 80, "mkdir": 83, "unlink": 87, "chmod": 90, "chown": 92, "ptrace": 101,
      "setuid": 105, "setpgid": 109, "setresuid": 117, "mknod": 133, "chroot": 161, "mount": 165, "tkill": 200, "tgkill": 234,
      "openat": 257, "mknodat": 259, "unshare": 272, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
      "sendmmsg": 307, "bpf": 321, "execveat": 322, "io_uring_setup": 425, "clone3": 435, "pidfd_open": 434,
      "pidfd_send_signal": 424, "pidfd_getfd": 438, "prctl": 157, "capset": 126, "symlink": 88, "link": 86, "getdents64": 217,
      "accept4": 288, "memfd_create": 319, "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "reboot": 169,
      "init_module": 175, "pivot_root": 155, "sched_setscheduler": 144, "personality": 135, "fcntl": 72, "dup": 32}


class Regs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs"
    ).split()]


class Dead(Exception):
    """The process was killed for what it tried."""


class Tracee:
    def __init__(self, pid):
        self.pid, self.attached = pid, False

    def _ptrace(self, request, addr=0, data=0):
        if libc.ptrace(request, self.pid, addr, data) < 0:
            e = ctypes.get_errno()
            raise OSError(e, f"ptrace {request}: {os.strerror(e)}")

    def __enter__(self):
        self._ptrace(ATTACH)
        self.attached = True
        self._wait()
        self.saved = Regs()
        self._ptrace(GETREGS, 0, ctypes.addressof(self.saved))
        self.mem = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        self.gadget = self._find_syscall()
        self.scratch = (self.saved.rsp - 16384) & ~15        # beyond the red zone of whatever runs
        self.used = 0
        return self

    def __exit__(self, *exc):
        if self.attached:
            self._ptrace(SETREGS, 0, ctypes.addressof(self.saved))
            self._ptrace(DETACH)
            self.attached = False
        os.close(self.mem)

    def _wait(self):
        _, status = os.waitpid(self.pid, 0x40000000)     # __WALL
        if os.WIFSIGNALED(status) or os.WIFEXITED(status):
            self.attached = False
            raise Dead(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit")
        return os.WSTOPSIG(status)

    def _find_syscall(self):
        """A `syscall` instruction in executable memory of the process."""
        with open(f"/proc/{self.pid}/maps") as f:
            maps = [line.split() for line in f]
        for m in sorted(maps, key=lambda m: "libc" not in m[-1]):
            lo, hi = (int(x, 16) for x in m[0].split("-"))
            if "x" not in m[1] or "vsyscall" in m[-1]:
                continue
            at = os.pread(self.mem, hi - lo, lo).find(b"\x0f\x05")
            if at >= 0:
                return lo + at
        raise OSError("no syscall instruction")

    def put(self, data):
        """Bytes into the process's stack; returns their address."""
        at = self.scratch + self.used
        os.pwrite(self.mem, data, at)
        self.used += (len(data) + 31) & ~15
        return at

    def call(self, name, *args):
        """Return the system call's result: 0 or more, or -errno. bytes among the arguments are put into memory."""
        self.used = 0
        regs = Regs.from_buffer_copy(self.saved)
        for reg, a in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args):
            setattr(regs, reg, (self.put(a) if isinstance(a, bytes) else a) & (1 << 64) - 1)
        regs.rax, regs.orig_rax, regs.rip = NR[name], (1 << 64) - 1, self.gadget
        self._ptrace(SETREGS, 0, ctypes.addressof(regs))
        for _ in range(50):
            self._ptrace(SINGLESTEP)
            sig = self._wait()
            self._ptrace(GETREGS, 0, ctypes.addressof(regs))
            if sig == signal.SIGTRAP and regs.rip != self.gadget:
                return ctypes.c_longlong(regs.rax).value
            # Another signal (SIGSTOP, SIGCHLD) came first: it is swallowed, and the step taken again.
        raise OSError(errno.EIO, "no end of the step")

    def denied(self, name, *args):
        """True when the call was refused for lack of rights, or cost the process its life."""
        r = self.call(name, *args)
        if r >= 0 and name in ("socket", "open", "openat", "dup", "memfd_create"):
            self.call("close", r)
        return r in (-errno.EPERM, -errno.EACCES, -errno.ENOSYS)
