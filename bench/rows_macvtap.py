# SPDX-License-Identifier: GPL-2.0-or-later
"""rows_macvtap - multicast that follows guests: how fast, and what it spares those that listen to nothing"""
import os, socket, stat, struct, subprocess, threading, time
from lab import LabError, wait
from stage import Stage, generator, line, quiet
from table import at_least, at_most, ratio_at_least, ratio_at_most

GUESTS, GROUPS = 200, 60
RATE, SECONDS = 1000, 5


def mac(i):
    return "52:54:00:77:%02x:%02x" % (i >> 8, i & 255)


def open_all(host, names):
    """The guests' ends of macvtaps, which /dev may not have, nor have right."""
    out = subprocess.run(["ip", "netns", "exec", host.name, "sh", "-c",
                          'mount -t sysfs sysfs "$0" && for n; do cat "$0"/class/net/$n/macvtap/tap*/dev; done', host.lab.dir,
                          *names], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    node, fds = os.path.join("/dev/shm", host.name), []
    for numbers in out:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(*map(int, numbers.split(":"))))
        try:
            fds.append(os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        finally:
            os.unlink(node)
    return fds


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def report(i, groups, leave=False):
    """An MLDv2 report of guest @i behind a vnet header: it joins or leaves @groups (numbers)."""
    src = socket.inet_pton(socket.AF_INET6, f"fe80::{i + 1:x}")
    dst = socket.inet_pton(socket.AF_INET6, "ff02::16")
    body = b"\x8f\0\0\0\0\0" + struct.pack("!H", len(groups)) + b"".join(
        bytes([3 if leave else 4, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, f"ff15::{0x30 + (g >> 16):x}:{g & 0xffff:x}") for g in groups)
    sum_ = checksum(src + dst + struct.pack("!II", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", sum_) + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(body) + 8, 0, 1) + src + dst + b"\x3a\0\x05\x02\0\0\x01\0"
    return bytes(10) + b"\x33\x33\0\0\0\x16" + bytes.fromhex(mac(i).replace(":", "")) + b"\x86\xdd" + head + body


def joined(host):
    return sum(1 for r in map(str.split, host.proc_net("dev_mcast")) if r[1].startswith("m") and r[3] != "0")


class Office:
    """@n macvtaps on one NIC, and what stands for their guests."""

    def __init__(self, stage, n):
        self.host, self.wire = stage.host(), stage.all["host-up"]
        self.names = [f"m{i}" for i in range(n)]
        lines = []
        for i, name in enumerate(self.names):
            lines += [f"link add {name} link eth0 address {mac(i)} type macvtap mode bridge", f"link set {name} addrgenmode none",
                      f"link set {name} up"]
        self.batch(lines)
        self.fds = open_all(self.host, self.names)
        self.sixtap = stage.sixtap(self.host, "networks: {}\n")

    def batch(self, lines):
        self.host.run("ip", "-batch", "-", input="\n".join(lines) + "\n", timeout=120)

    def allmulti(self, on):
        self.batch([f"link set {n} allmulticast {'on' if on else 'off'}" for n in self.names])

    def follow(self):
        self.sixtap("adopt", "--runtime", "all")

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.sixtap("down", "-q", check=False)


def follow(table, runs=5):
    with Stage("follow") as stage:
        o = Office(stage, GUESTS)
        o.follow()
        rates, leaves, delays = [], [], []
        for run in range(runs):
            table.progress(f"groups followed, run {run + 1}")
            for samples, leave in ((rates, False), (leaves, True)):
                before, want = joined(o.host), GUESTS * GROUPS
                frames = [report(i, range(i * 100, i * 100 + GROUPS), leave) for i in range(GUESTS)]
                began = time.monotonic()
                for fd, frame in zip(o.fds, frames):
                    os.write(fd, frame)
                # Each guest's first word also joins the group of all nodes, once.
                done = (lambda: joined(o.host) <= GUESTS) if leave else (lambda: joined(o.host) >= want + GUESTS)
                wait(done, 60, f"{want} groups", interval=0.005)
                samples.append(abs(joined(o.host) - before) / (time.monotonic() - began))
        for k in range(20):
            began = time.monotonic()
            os.write(o.fds[0], report(0, [0x70000 + k]))
            wait(lambda: joined(o.host) >= GUESTS + k + 1, 5, "one group", interval=0.0005)
            delays.append((time.monotonic() - began) * 1000)
        table.row(f"macvtap: groups joined, {GUESTS} guests at once", rates, "/s", at_least(5000))
        table.row(f"macvtap: groups left, {GUESTS} guests at once", leaves, "/s", at_least(5000))
        table.row("macvtap: from a guest's report to the join", delays, "ms", at_most(100))
        o.close()


class Noise(threading.Thread):
    """Frames to groups that nobody joined, evenly, from the wire."""

    def __init__(self, ns, dev):
        super().__init__(daemon=True)
        self.s, self.sent, self.stop = ns.socket(socket.AF_PACKET, socket.SOCK_RAW), 0, False
        self.s.bind((dev, 0))
        self.start()

    def run(self):
        began = time.monotonic()
        while not self.stop:
            while self.sent < (time.monotonic() - began) * RATE:
                group = 0x100000 + self.sent * 7919 % 65536
                self.s.send(b"\x33\x33" + struct.pack("!I", group) + b"\x02\0\0\0\0\x99\x88\xb5" + bytes(100))
                self.sent += 1
            time.sleep(0.001)


def spare(table, runs=3):
    """What 200 idle guests cost while the LAN is busy with others' multicast."""
    with Stage("spare") as stage:
        o = Office(stage, GUESTS)
        o.follow()
        for i, fd in enumerate(o.fds):
            os.write(fd, report(i, [i, i + 1000, i + 2000, i + 3000]))
        wait(lambda: joined(o.host) == GUESTS * 5, 30, "each guest's groups")
        for k, fd in enumerate(o.fds):      # the program expects them from 3 on
            os.set_inheritable(fd, True)
        reader = subprocess.Popen(["/usr/bin/python3", "-c",
                                   "import os, sys\nfds = list(map(int, sys.argv[2:]))\n"
                                   "high = [os.dup(f) for f in fds]\nlow = [__import__('fcntl').fcntl(f, 0, 1000) for f in high]\n"
                                   "[os.dup2(f, 3 + i) for i, f in enumerate(low)]\n"
                                   "os.closerange(3 + len(fds), 4096)\nos.execv(sys.argv[1], [sys.argv[1], str(len(fds))])",
                                   generator("guests"), *map(str, o.fds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  close_fds=False)
        noise = Noise(o.wire, "south")

        def measure():
            ask = lambda: (reader.stdin.write("\n"), reader.stdin.flush(), line(reader))[2]
            time.sleep(0.5)
            ask()
            began = time.monotonic()
            time.sleep(SECONDS)
            r, took = ask(), time.monotonic() - began
            return r["cpu_us"] / GUESTS / took, r["frames"] / GUESTS / took
        ours, theirs, ours_n, theirs_n = [], [], [], []
        for run in range(runs):
            for on, cpu, frames in ((False, ours, ours_n), (True, theirs, theirs_n)):
                table.progress(f"{GUESTS} guests, {'all multicast' if on else 'their groups'}, run {run + 1}")
                o.allmulti(on)
                c, n = measure()
                cpu.append(c)
                frames.append(n)
        o.allmulti(False)
        noise.stop = True
        reader.stdin.close()
        reader.wait(10)
        table.row(f"macvtap: frames that wake an idle guest, of {RATE}/s", ours_n, "/s", ratio_at_most(0.1), theirs_n, "allmulti")
        table.row("macvtap: processor time for an idle guest", ours, "µs/s", ratio_at_most(0.2), theirs, "allmulti")
        o.close()


def listen(table, runs=5):
    """What it costs a guest's own traffic that its reports are listened to."""
    with Stage("listen") as stage:
        o = Office(stage, 1)
        frame = bytes(10) + bytes.fromhex("020000000099") + bytes.fromhex(mac(0).replace(":", "")) + b"\x08\x00\x45\0\0\x2e" + bytes(60)

        def pps():
            n, end = 0, time.process_time() + 0.5    # of the processor: others' work isn't the guest's
            while time.process_time() < end:
                for _ in range(500):
                    os.write(o.fds[0], frame)
                n += 1000
            return n
        ours, sockets, theirs = [], [], []
        pps()
        for run in range(runs):
            table.progress(f"a guest's own traffic, run {run + 1}")
            theirs.append(pps())
            for figures, how in ((ours, None), (sockets, "socket")):
                if how:
                    o.sixtap.env["SIXTAP_HEAR"] = how
                o.follow()
                figures.append(pps())
                o.sixtap("release", "all")
                wait(lambda: not o.sixtap.processes(), 8, "the daemon ends")
                o.sixtap.env.pop("SIXTAP_HEAR", None)
        table.row("macvtap: small frames a guest sends, listened to", ours, "/s", ratio_at_least(0.9), theirs, "not")
        table.row("macvtap: the same without eBPF, by a packet socket", sockets, "/s", None, theirs, "not")
        o.close()
