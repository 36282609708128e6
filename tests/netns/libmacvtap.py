# SPDX-License-Identifier: GPL-2.0-or-later
"""libmacvtap - guests behind macvtap devices that somebody else made: a real Linux stack on the descriptor, without QEMU.

    peer (another host on the wire) ── host: eth0 ─ macvtap0 ═ descriptor ⇄ tap g0 of the guest's namespace
"""
import contextlib, fcntl, json, os, re, select, signal, stat, struct, subprocess, tempfile, threading
from lab import Sixtap, wait

TUNSETIFF, IFF_TAP_NO_PI = 0x400454ca, 0x1002
PREFIXES = "2001:db8:5"
PREFIX = PREFIXES + ":1"


def group_of(address):
    """The Ethernet group of an address's solicited-node group."""
    import ipaddress
    low = ipaddress.ip_address(address).packed[-3:]
    return "33:33:ff:%02x:%02x:%02x" % tuple(low)


def device_number(host, name):
    """Of a macvtap's character device, from sysfs: /dev/tapN is shared by all namespaces, indexes are not."""
    with tempfile.TemporaryDirectory(dir=host.lab.dir) as d:
        script = 'mount -t sysfs sysfs "$0" && cat "$0"/class/net/' + name + '/macvtap/tap*/dev'
        out = subprocess.run(["ip", "netns", "exec", host.name, "sh", "-c", script, d], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    return os.makedev(*map(int, out.split(":")))


def open_macvtap(host, name):
    """A descriptor of the device."""
    node = os.path.join("/dev/shm", f"{host.name}-{name}")
    os.mknod(node, 0o600 | stat.S_IFCHR, device_number(host, name))
    try:
        fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.unlink(node)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))    # without a vnet header
    return fd


class Wire:
    """A host with eth0 and another machine on the same wire. @radvd: how many prefixes that one announces."""

    def __init__(self, lab, radvd=0):
        self.lab, self.host, self.peer, self.n = lab, lab.ns("host"), lab.ns("peer"), 0
        self.host.sysctl("net.ipv6.conf.default.accept_ra", 0)
        lab.veth(self.peer, "p0", self.host, "eth0", mac_a="02:00:00:00:05:01", mac_b="02:00:00:00:05:02")
        for ns, dev in ((self.peer, "p0"), (self.host, "eth0")):
            ns.ip("link", "set", dev, "up")
        prefixes = [f"{PREFIXES}:{k}" for k in range(1, max(radvd, 1) + 1)]
        for p in prefixes:
            self.peer.ip("addr", "add", f"{p}::1/64", "dev", "p0", "nodad")
        self.peer.ip("addr", "add", "192.0.2.1/24", "dev", "p0")
        wait(lambda: self.peer.addresses("p0", 6, scope="link"), 25, "the peer's link-local address")
        if radvd:
            conf = os.path.join(lab.dir, "radvd.conf")
            with open(conf, "w") as f:
                f.write("interface p0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 0;\n"
                        + "".join(f"  prefix {p}::/64 {{ AdvOnLink on; AdvAutonomous on; }};\n" for p in prefixes) + "};\n")
            self.peer.sysctl("net.ipv6.conf.all.forwarding", 1)
            self.peer.popen("radvd", "-n", "-C", conf, "-p", os.path.join(lab.dir, "radvd.pid"), log="radvd")

    def macvtap(self, mac, mode="bridge", name=None):
        name = name or f"macvtap{self.n}"
        self.n += 1
        # Without an IPv6 address of its own, the device joins no group by accident.
        self.host.ip("link", "add", name, "link", "eth0", "address", mac, "type", "macvtap", "mode", mode)
        self.host.ip("link", "set", name, "addrgenmode", "none")
        self.host.ip("link", "set", name, "up")
        return name

    def groups(self, name):
        """What was joined on top of the kernel's own."""
        rows = map(str.split, self.host.proc_net("dev_mcast"))
        return sorted(":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in rows if r[1] == name and r[3] != "0")

    def reaches(self, address, timeout=None):
        """Does another host, which never heard of it, reach the address? Without @timeout that is expected: a busy machine gets time."""
        target = address + "%p0" if address.startswith("fe80") else address
        for patience in (timeout,) if timeout else (2, 2, 2):
            self.peer.ip("neigh", "flush", "all", check=False)
            self.peer.ip("neigh", "del", address, "dev", "p0", check=False)
            if self.peer.run("ping", "-n", "-c", 1, "-W", patience, target, check=False).returncode == 0:
                return True
        return False

    def filtered(self, addresses):
        """One of the addresses that nobody reaches. The filter is a hash with a seed of the device's: one in 50 or so passes by luck."""
        return next((a for a in addresses if not self.reaches(a, 1)), None)


class Guest:
    """A Linux stack behind a macvtap."""

    def __init__(self, wire, name, device, mac, up=True, **sysctls):
        self.wire, self.device, self.mac = wire, device, mac
        self.ns = wire.lab.all.get(name) or wire.lab.ns(name)
        self.fd = open_macvtap(wire.host, device)
        with self.ns.enter():
            self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", b"g0", IFF_TAP_NO_PI))
        self.ns.ip("link", "set", "g0", "address", mac)
        for key, value in sysctls.items():
            self.ns.sysctl(f"net.ipv6.conf.g0.{key}", value)
        self.stop = False
        self.thread = threading.Thread(target=self._relay, daemon=True)
        self.thread.start()
        wire.lab.defer(self.close)
        if up:
            self.ns.ip("link", "set", "g0", "up")

    def _relay(self):
        while not self.stop:
            for f in select.select([self.fd, self.tap], [], [], 0.1)[0]:
                with contextlib.suppress(BlockingIOError, OSError):
                    for _ in range(64):
                        data = os.read(f, 65536)
                        with contextlib.suppress(OSError):
                            os.write(self.tap if f == self.fd else self.fd, data)

    def close(self):
        if self.stop:
            return
        self.stop = True
        self.thread.join(2)
        os.close(self.fd)
        os.close(self.tap)

    def addresses(self):
        """All its IPv6 addresses that are ready."""
        return [a["local"] for a in self.ns.addresses("g0", 6, scope=None) if not a.get("tentative")]

    def wanted(self):
        """The multicast its own kernel lets in, as Ethernet groups; without that of all IPv4 hosts, which nobody reports."""
        rows = map(str.split, self.ns.proc_net("dev_mcast"))
        return sorted({":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in rows if r[1] == "g0"} - {"01:00:5e:00:00:01"})


# Stands for QEMU: takes what `sixtap run` adds to a command line, and carries frames, headers and all, between the queues
# and a tap in the guest's namespace. With -daemonize its first process ends.
VMM = r"""
import ctypes, fcntl, os, re, select, struct, sys, time
ns, text = sys.argv[1], " ".join(sys.argv)
queues = [int(x) for m in re.findall(r"tap,\S*?fds?=([0-9:]+)", text) for x in m.split(":")]
mac = re.search(r"mac=([0-9a-f:]{17})", text)[1]
for fd in queues:
    name, flags = struct.unpack("16sH", fcntl.ioctl(fd, 0x800454d2, b"\0" * 40)[:18])
    print("QUEUE", fd, hex(flags))
print("MAC", mac, "MTU", (re.search(r"host_mtu=(\d+)", text) or [0, 1500])[1], "QMP", *re.findall(r"-qmp,fd=(\d+)", text))
libc = ctypes.CDLL(None, use_errno=True)
here = os.open("/proc/self/ns/net", os.O_RDONLY)
if libc.setns(os.open("/run/netns/" + ns, os.O_RDONLY), 0x40000000):
    sys.exit("setns")
tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"g0", 0x5002))
os.system(f"ip link set g0 address {mac}")
libc.setns(here, 0x40000000)
if "-daemonize" in sys.argv and os.fork():
    os._exit(0)
print("READY", os.getpid(), flush=True)
for fd in queues:
    os.set_blocking(fd, False)
monitor = [int(fd) for fd in re.findall(r"-qmp,fd=(\d+)", text)] if "hang-up" in sys.argv else []
while True:
    for f in select.select([tap, *queues, *monitor], [], [])[0]:
        if f in monitor:
            import socket
            socket.socket(fileno=os.dup(f)).accept()[0].close()
            print("CALL", time.monotonic(), flush=True)
            continue
        for _ in range(64):
            try:
                data = os.read(f, 65600)
            except OSError:
                break
            try:
                os.write(queues[0] if f == tap else tap, data)
            except OSError:
                pass
"""


class RunGuest:
    """A Linux stack behind a macvtap that `sixtap run` made; see VMM."""

    def __init__(self, sixtap, name, *options, network="office", args=(), up=True, addresses=(), **env):
        self.sixtap, self.lab, self.name = sixtap, sixtap.lab, name
        self.ns = self.lab.all.get("g-" + name) or self.lab.ns("g-" + name)
        program = self.lab.script("vmm", VMM)
        argv = sixtap.argv("run", network, "--name", name, *options, "--", "/usr/bin/python3", program, self.ns.name, *args)
        self.p = sixtap.ns.popen(*argv, log=f"vmm-{name}-{len(self.lab.children)}", env=dict(sixtap.env, **env))
        wait(lambda: "READY" in self.text() or self.p.poll() not in (None, 0), 30, f"{name} runs")
        out = self.text()
        assert "READY" in out, out
        self.pid, self.mac = int(re.search(r"READY (\d+)", out)[1]), re.search(r"MAC (\S+)", out)[1]
        self.ns.sysctl("net.ipv6.conf.g0.accept_dad", 0)
        for a in addresses:
            self.ns.ip("addr", "add", a, "dev", "g0", *(["nodad"] if ":" in a else []))
        if up:
            self.ns.ip("link", "set", "g0", "up")

    def text(self):
        with open(self.p.log) as f:
            return f.read()

    def device(self):
        return self.sixtap.guest(self.name, "office").get("device")

    def kill(self, sig=signal.SIGKILL):
        os.kill(self.pid, sig)
        if self.p.poll() is None:
            self.p.wait(15)


class Office:
    """
    A host whose eth0 is on a LAN with another machine, and a network of mode macvtap there.

        outside: x0 ─ switch: px, ph ─ eth0: host
    """
    HOST4, HOST6, OUT4, OUT6 = "192.0.2.2", "2001:db8:5::2", "192.0.2.1", "2001:db8:5::1"
    OUT_MAC = "02:00:00:00:06:01"

    def __init__(self, lab, hairpin=False):
        self.lab, self.hairpin = lab, hairpin
        self.host, self.switch, self.out = lab.ns("host"), lab.ns("switch"), lab.ns("outside")
        self.sixtap = Sixtap(lab, self.host)
        for ns in (self.host, self.out):
            ns.sysctl("net.ipv6.conf.default.accept_ra", 0)
            ns.sysctl("net.ipv6.conf.default.accept_dad", 0)    # nobody waits for their own addresses
        self.switch.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        self.switch.ip("link", "add", "sw", "type", "bridge", "mcast_snooping", 0)
        lab.veth(self.switch, "ph", self.host, "eth0", mac_b="02:00:00:00:06:02")
        lab.veth(self.switch, "px", self.out, "x0", mac_b=self.OUT_MAC)
        for port in ("ph", "px"):
            self.switch.ip("link", "set", port, "master", "sw", "up")
        if hairpin:
            self.switch.run("bridge", "link", "set", "dev", "ph", "hairpin", "on")
        self.switch.ip("link", "set", "sw", "up")
        for ns, dev, a4, a6 in ((self.host, "eth0", self.HOST4, self.HOST6), (self.out, "x0", self.OUT4, self.OUT6)):
            ns.ip("addr", "add", a4 + "/24", "brd", "+", "dev", dev)
            ns.ip("addr", "add", a6 + "/64", "dev", dev, "nodad")
            ns.ip("link", "set", dev, "up")
        self.host.ip("route", "add", "default", "via", self.OUT4)
        self.host.ip("-6", "route", "add", "default", "via", self.OUT6)
        self.found = sorted(self.host.links())

    def configure(self, **keys):
        """The network "office"; dashes in keys are written as underscores."""
        net = {"mode": "macvtap", "uplink": "eth0", **{k.replace("_", "-"): v for k, v in keys.items()}}
        self.sixtap.write(json.dumps({"networks": {"office": net}}))

    def up(self, **keys):
        self.configure(**keys)
        return self.sixtap.json("up")

    def guest(self, name, number, *options, **kw):
        kw.setdefault("addresses", [f"192.0.2.{number}/24", f"2001:db8:5::{number}/64"])
        return RunGuest(self.sixtap, name, *options, **kw)

    def network(self):
        return self.sixtap.network("office")

    def macvtaps(self):
        return {n: l for n, l in self.host.links().items() if l.get("linkinfo", {}).get("info_kind") == "macvtap"}

    def finish(self):
        """Nothing is left when the guests have ended and the network is down."""
        for p in [p for p in self.lab.children if "vmm" in p.log]:
            with contextlib.suppress(OSError, TypeError):
                with open(p.log) as f:
                    os.kill(int(re.search(r"READY (\d+)", f.read())[1]), signal.SIGKILL)
        if not self.sixtap.processes():
            return
        wait(lambda: not self.macvtaps(), 15, "devices go with their guests")
        self.sixtap("down", "-q")
        wait(lambda: not self.sixtap.processes(), 20, "the daemon ends with the last network")
        assert sorted(self.host.links()) == self.found
        assert "sixtap" not in self.host.run("nft", "list", "tables").stdout
        left = [os.path.join(d, f) for d, _, files in os.walk(self.sixtap.run_dir) for f in files]
        assert not [f for f in left if not f.endswith(("lock", ".log"))], left
