# SPDX-License-Identifier: GPL-2.0-or-later
"""libmacvtap - guests behind macvtap devices that somebody else made: a real Linux stack on the descriptor, without QEMU.

    peer (another host on the wire) ── host: eth0 ─ macvtap0 ═ descriptor ⇄ tap g0 of the guest's namespace
"""
import contextlib, fcntl, os, select, stat, struct, subprocess, tempfile, threading
from lab import Ns, wait

TUNSETIFF, IFF_TAP_NO_PI = 0x400454ca, 0x1002
PREFIX = "2001:db8:5:1"


def group_of(address):
    """The Ethernet group of an address's solicited-node group."""
    import ipaddress
    low = ipaddress.ip_address(address).packed[-3:]
    return "33:33:ff:%02x:%02x:%02x" % tuple(low)


def open_macvtap(host, name):
    """A descriptor of the device, found by its numbers: /dev is shared, indexes are not."""
    with tempfile.TemporaryDirectory(dir=host.lab.dir) as d:
        script = 'mount -t sysfs sysfs "$0" && cat "$0"/class/net/' + name + '/macvtap/tap*/dev'
        out = subprocess.run(["ip", "netns", "exec", host.name, "sh", "-c", script, d], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
        major, minor = map(int, out.split(":"))
        node = os.path.join("/dev/shm", f"{host.name}-{name}")
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
        try:
            fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.unlink(node)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))    # without a vnet header
    return fd


class Wire:
    """A host with eth0 and another machine on the same wire."""

    def __init__(self, lab, radvd=False):
        self.lab, self.host, self.peer, self.n = lab, lab.ns("host"), lab.ns("peer"), 0
        self.host.sysctl("net.ipv6.conf.default.accept_ra", 0)
        lab.veth(self.peer, "p0", self.host, "eth0", mac_a="02:00:00:00:05:01", mac_b="02:00:00:00:05:02")
        for ns, dev in ((self.peer, "p0"), (self.host, "eth0")):
            ns.ip("link", "set", dev, "up")
        self.peer.ip("addr", "add", f"{PREFIX}::1/64", "dev", "p0", "nodad")
        self.peer.ip("addr", "add", "192.0.2.1/24", "dev", "p0")
        wait(lambda: self.peer.addresses("p0", 6, scope="link"), 8, "the peer's link-local address")
        if radvd:
            conf = os.path.join(lab.dir, "radvd.conf")
            with open(conf, "w") as f:
                f.write("interface p0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 0;\n"
                        f"  prefix {PREFIX}::/64 {{ AdvOnLink on; AdvAutonomous on; }}; }};\n")
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
        with self.host.enter(), open("/proc/net/dev_mcast") as f:
            rows = [line.split() for line in f]
        return sorted(":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in rows if r[1] == name and r[3] != "0")

    def reaches(self, address, timeout=0.7):
        """Does another host, which never heard of it, reach the address?"""
        self.peer.ip("neigh", "flush", "all", check=False)
        self.peer.ip("neigh", "del", address, "dev", "p0", check=False)
        target = address + "%p0" if address.startswith("fe80") else address
        return self.peer.run("ping", "-n", "-c", 1, "-W", timeout, target, check=False).returncode == 0


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
        with self.ns.enter(), open("/proc/net/dev_mcast") as f:
            return sorted({":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in map(str.split, f) if r[1] == "g0"} - {"01:00:5e:00:00:01"})
