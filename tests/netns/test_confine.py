# SPDX-License-Identifier: GPL-2.0-or-later
"""What an attacker finds who has taken over a process: system calls are put into the live engine, resolver and main."""
import errno, os, platform, re, socket, stat, struct, subprocess
import pytest
from lab import OUTSIDE4, wait
from libptrace import Tracee

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the injector speaks x86-64 only")
AT_FDCWD = -100


@pytest.fixture
def processes(lan):
    want = {"monitor", "main", "engine", "resolver"}
    return wait(lambda: (lambda p: p if set(p) == want else None)(lan.sixtap.processes()), 20, "all four processes")


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def fds(pid):
    out = {}
    for n in os.listdir(f"/proc/{pid}/fd"):
        try:
            out[int(n)] = os.readlink(f"/proc/{pid}/fd/{n}")
        except OSError:
            pass
    return out


def packet_sockets(world, pid):
    """The process's packet sockets: {fd: ifindex}."""
    with world.host.enter(), open("/proc/thread-self/net/packet") as f:
        rows = {r[8]: int(r[4]) for r in (line.split() for line in f) if r[0] != "sk"}
    found = {}
    for fd, link in fds(pid).items():
        m = re.match(r"socket:\[(\d+)\]", link)
        if m and m[1] in rows:
            found[fd] = rows[m[1]]
    return found


def refused(tracee, what, name, *args):
    r = tracee.call(name, *args)
    assert r in (-errno.EPERM, -errno.EACCES, -errno.ENOSYS), \
        f"{what}: {name}() gave {r if r >= 0 else errno.errorcode.get(-r, r)}"


def sockaddr_in(address, port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)


def sockaddr_ll(ifindex, proto=0x0800):
    return struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(proto), ifindex, 1, 0, 6, b"\xff" * 6)


def test_users_and_capabilities(processes):
    uids = {}
    for role, pid in processes.items():
        s = status(pid)
        uids[role] = set(s["Uid"].split())
        assert len(uids[role]) == 1 and len(set(s["Gid"].split())) == 1
        caps = {k: int(s[k], 16) for k in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
        if role == "monitor":
            assert uids[role] == {"0"}
            continue
        assert "0" not in uids[role] and s["Groups"].split() in ([], s["Gid"].split()[:1])
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", f"{role}: no new privileges, and a filter"
        assert int(s["CapBnd"], 16) == 0 or role == "main"
        # NET_BIND_SERVICE 10, NET_ADMIN 12, NET_RAW 13
        allowed = 1 << 10 | 1 << 12 | 1 << 13 if role == "main" else 0
        for name, value in caps.items():
            assert value & ~allowed == 0, f"{role}: {name} is {value:#x}"
    three = [next(iter(uids[r])) for r in ("main", "engine", "resolver")]
    assert len(set(three)) == 3, f"each its own user, never one for all: {three}"
    assert "65534" not in three, "nobody is shared with others"


def test_root_folders(lan, processes):
    """The engine sees its lease folder, the resolver nothing."""
    root = os.path.realpath(f"/proc/{processes['engine']}/root")
    assert os.path.realpath(lan.sixtap.state_dir) in root
    names = set(os.listdir(f"/proc/{processes['engine']}/root"))
    assert names and all(n.startswith("leases") for n in names), names
    assert os.listdir(f"/proc/{processes['resolver']}/root") == []


def test_not_dumpable(processes):
    """A process of the same user cannot trace it or read its memory: /proc/PID belongs to root."""
    for role in ("main", "engine", "resolver"):
        assert os.stat(f"/proc/{processes[role]}/environ").st_uid == 0, role


def test_descriptors(lan, processes):
    """Nothing was inherited that isn't needed."""
    for role in ("engine", "resolver"):
        for fd, link in fds(processes[role]).items():
            good = link.startswith(("socket:", "anon_inode:", "pipe:")) or link.endswith("/null") or "leases" in link \
                or link.endswith(".log") or link.startswith("/dev/pts")
            assert good, f"{role}: descriptor {fd} is {link}"
            assert "tun" not in link and "control" not in link


def test_engine_is_alive_after_injection(lan, processes):
    """The tool itself does no harm, and permitted calls are permitted."""
    with Tracee(processes["engine"]) as t:
        assert t.call("getpid") > 0
        assert t.call("write", next(fd for fd, l in fds(processes["engine"]).items() if l.startswith("socket:")), b"", 0) >= -200
    assert lan.sixtap.processes()["engine"] == processes["engine"]
    assert lan.guest("g1").udhcpc()


def test_engine_cannot_send_on_another_interface(lan, processes):
    pid = processes["engine"]
    mine = packet_sockets(lan, pid)
    lan_index, eth0 = lan.host.links()["lan"]["ifindex"], lan.host.links()["eth0"]["ifindex"]
    assert mine and set(mine.values()) == {lan_index}, f"packet sockets on {mine}, lan is {lan_index}"
    frame = b"\xff" * 6 + bytes(6) + b"\x08\x00" + b"escaped" + bytes(60)
    seen = lan.router.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    seen.bind(("south", 3))
    seen.settimeout(0.5)
    with Tracee(pid) as t:
        for fd in mine:
            refused(t, "send by address", "sendto", fd, frame, len(frame), 0, sockaddr_ll(eth0), 20)
            refused(t, "bind to another", "bind", fd, sockaddr_ll(eth0), 20)
            refused(t, "bind to all", "bind", fd, sockaddr_ll(0), 20)
            msg = struct.pack("=QIxxxxQQQQIxxxx", 0, 0, 0, 0, 0, 0, 0)
            refused(t, "message with an address", "sendmsg", fd, msg, 0)
            refused(t, "many messages", "sendmmsg", fd, msg, 1, 0)
            refused(t, "socket options", "setsockopt", fd, 263, 1, struct.pack("=iHH8s", eth0, 1, 0, bytes(8)), 16)
            refused(t, "unlock the filter", "setsockopt", fd, 1, 44, struct.pack("=i", 0), 4)
            refused(t, "drop the filter", "setsockopt", fd, 1, 27, struct.pack("=i", 0), 4)
            refused(t, "interface by ioctl", "ioctl", fd, 0x8933, b"eth0" + bytes(36))
            refused(t, "flags by ioctl", "ioctl", fd, 0x8914, b"eth0" + bytes(36))
    try:
        while True:
            assert b"escaped" not in seen.recv(2000), "a frame left by the uplink"
    except TimeoutError:
        pass
    seen.close()


def test_engine_cannot_make_sockets(processes):
    with Tracee(processes["engine"]) as t:
        for family, kind, proto in ((socket.AF_INET, socket.SOCK_STREAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0),
                                    (socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_UNIX, socket.SOCK_STREAM, 0),
                                    (socket.AF_NETLINK, socket.SOCK_RAW, 0), (socket.AF_INET, socket.SOCK_RAW, 1),
                                    (40, socket.SOCK_STREAM, 0)):
            refused(t, f"family {family}", "socket", family, kind, proto)
        refused(t, "a pair", "socketpair", socket.AF_UNIX, socket.SOCK_STREAM, 0, bytes(8))
        for fd, link in fds(processes["engine"]).items():
            if link.startswith("socket:"):
                refused(t, f"connect {fd}", "connect", fd, sockaddr_in(OUTSIDE4, 80), 16)


def test_engine_cannot_open_files(lan, processes):
    """Its root is the lease folder: nothing outside has a name there, and no other root can be had."""
    with Tracee(processes["engine"]) as t:
        for path in (b"/etc/passwd", b"/proc/self/mem", b"/proc/1/environ", b"/dev/net/tun", b"/../../../../etc/passwd",
                     b"/run/sixtap/control", os.fsencode(lan.sixtap.run_dir) + b"/control"):
            for r in (t.call("open", path + b"\0", os.O_RDONLY), t.call("openat", AT_FDCWD, path + b"\0", os.O_RDONLY)):
                assert r in (-errno.ENOENT, -errno.EPERM, -errno.EACCES, -errno.ENOTDIR), \
                    f"{path}: {r if r >= 0 else errno.errorcode[-r]}"
        refused(t, "another root", "chroot", b"/\0")
        refused(t, "mount", "mount", b"none\0", b"/\0", b"proc\0", 0, 0)
        refused(t, "a device node", "mknod", b"/tun\0", stat.S_IFCHR | 0o600, os.makedev(10, 200))
        refused(t, "a device node", "mknodat", AT_FDCWD, b"/tun\0", stat.S_IFCHR | 0o600, os.makedev(10, 200))
        refused(t, "a new root", "pivot_root", b"/\0", b"/\0")


def test_engine_cannot_touch_other_processes(lan, processes):
    others = [processes["main"], processes["resolver"], processes["monitor"], os.getpid()]
    with Tracee(processes["engine"]) as t:
        for pid in others:
            for sig in (0, 9, 15):
                refused(t, f"signal {sig} to {pid}", "kill", pid, sig)
            refused(t, "thread signal", "tkill", pid, 9)
            refused(t, "thread signal", "tgkill", pid, pid, 9)
            refused(t, "trace", "ptrace", 16, pid, 0, 0)
            refused(t, "trace", "ptrace", 0x4206, pid, 0, 0)
            refused(t, "read memory", "process_vm_readv", pid, bytes(16), 1, bytes(16), 1, 0)
            refused(t, "write memory", "process_vm_writev", pid, bytes(16), 1, bytes(16), 1, 0)
            refused(t, "pidfd", "pidfd_open", pid, 0)
        refused(t, "a signal to everybody", "kill", -1, 9)
        # F_SETOWN with O_ASYNC would make the kernel send signals for it.
        for fd in fds(processes["engine"]):
            refused(t, "owner of a descriptor", "fcntl", fd, 8, processes["resolver"])
    assert lan.sixtap.processes() == processes


def test_engine_cannot_gain(processes):
    with Tracee(processes["engine"]) as t:
        refused(t, "another program", "execve", b"/bin/sh\0", 0, 0)
        refused(t, "another program", "execveat", AT_FDCWD, b"/bin/sh\0", 0, 0, 0)
        refused(t, "a child", "fork")
        refused(t, "a child", "clone", 17, 0, 0, 0, 0)
        refused(t, "a child", "clone3", struct.pack("=11Q", 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)
        refused(t, "root", "setuid", 0)
        refused(t, "root", "setresuid", 0, 0, 0)
        refused(t, "a namespace", "unshare", 0x10000000)
        refused(t, "a namespace", "setns", 0, 0)
        refused(t, "capabilities", "capset", bytes(8), bytes(24))
        for name in ("bpf", "io_uring_setup", "perf_event_open", "userfaultfd", "keyctl", "reboot", "init_module",
                     "memfd_create", "personality", "sched_setscheduler"):
            refused(t, "the kernel", name, 0, 0, 0, 0)


def test_resolver_is_confined(lan, processes):
    pid = processes["resolver"]
    eth0 = lan.host.links()["eth0"]["ifindex"]
    assert packet_sockets(lan, pid) == {}
    with Tracee(pid) as t:
        for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW),
                             (socket.AF_UNIX, socket.SOCK_STREAM), (40, socket.SOCK_STREAM)):
            refused(t, f"family {family}", "socket", family, kind, 0)
        r = t.call("socket", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        assert r in (-errno.EPERM, -errno.EACCES), "a raw socket without capability"
        for path in (b"/etc/passwd", b"/proc/self/mem", b"/../../etc/passwd", os.fsencode(lan.sixtap.run_dir) + b"/control"):
            for r in (t.call("open", path + b"\0", os.O_RDONLY), t.call("openat", AT_FDCWD, path + b"\0", os.O_RDONLY)):
                assert r in (-errno.ENOENT, -errno.EPERM, -errno.EACCES), f"{path}: {r}"
        r = t.call("openat", AT_FDCWD, b"/new\0", os.O_CREAT | os.O_WRONLY, 0o600)
        assert r in (-errno.EPERM, -errno.EACCES), "a file in its empty root"
        for other in (processes["main"], processes["engine"], processes["monitor"], os.getpid()):
            refused(t, "signal", "kill", other, 9)
            refused(t, "trace", "ptrace", 16, other, 0, 0)
            refused(t, "read memory", "process_vm_readv", other, bytes(16), 1, bytes(16), 1, 0)
        for name, args in (("execve", (b"/bin/sh\0", 0, 0)), ("setuid", (0,)), ("chroot", (b"/\0",)),
                           ("mount", (b"none\0", b"/\0", b"proc\0", 0, 0)), ("unshare", (0x10000000,)), ("bpf", (0, 0, 0)),
                           ("mknod", (b"/tun\0", stat.S_IFCHR | 0o600, os.makedev(10, 200))), ("io_uring_setup", (1, bytes(120)))):
            refused(t, name, name, *args)
        # It may talk to its servers: that is its work.
        fd = t.call("socket", socket.AF_INET, socket.SOCK_DGRAM, 0)
        assert fd >= 0
        refused(t, "interface flags", "ioctl", fd, 0x8914, b"eth0" + bytes(36))
        t.call("close", fd)
    assert eth0 and lan.sixtap.processes() == processes


def test_main_cannot_start_programs_or_touch_processes(lan, processes):
    with Tracee(processes["main"]) as t:
        for name, args in (("execve", (b"/bin/sh\0", 0, 0)), ("execveat", (AT_FDCWD, b"/bin/sh\0", 0, 0, 0)), ("setuid", (0,)),
                           ("ptrace", (16, processes["monitor"], 0, 0)), ("mount", (b"none\0", b"/\0", b"proc\0", 0, 0)),
                           ("init_module", (0, 0, b"\0")), ("bpf", (0, 0, 0)), ("chroot", (b"/\0",)), ("setns", (0, 0)),
                           ("mknod", (b"/tmp/st-tun\0", stat.S_IFCHR | 0o600, os.makedev(10, 200))),
                           ("kill", (processes["monitor"], 9)), ("kill", (processes["engine"], 9))):
            refused(t, name, name, *args)
        for command in (*range(5, 24), *range(25, 40)):     # 1 to 4 and 24 look at maps and change them
            refused(t, f"bpf command {command}", "bpf", command, bytes(128), 128)
        assert t.call("bpf", 24, bytes(128), 128) not in (-errno.EPERM, 0)
        r = t.call("open", b"/etc/shadow\0", os.O_RDONLY)
        assert r in (-errno.EACCES, -errno.EPERM, -errno.ENOENT), f"/etc/shadow: {r}"
    assert lan.sixtap.processes() == processes


def test_the_injector_can_fail():
    """On a process without any confinement the same calls are let through: the tests above could fail."""
    p = subprocess.Popen(["sleep", "60"])
    try:
        with Tracee(p.pid) as t:
            fd = t.call("socket", socket.AF_INET, socket.SOCK_DGRAM, 0)
            assert fd >= 0
            assert t.call("bind", fd, sockaddr_in("127.0.0.1", 0), 16) == 0
            assert t.call("open", b"/etc/passwd\0", os.O_RDONLY) >= 0
            assert t.call("kill", os.getpid(), 0) == 0
            assert not t.denied("openat", AT_FDCWD, b"/etc/passwd\0", os.O_RDONLY)
            with pytest.raises(AssertionError):
                refused(t, "socket", "socket", socket.AF_INET, socket.SOCK_DGRAM, 0)
    finally:
        p.kill()
        p.wait()
