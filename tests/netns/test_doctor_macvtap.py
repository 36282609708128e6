# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of macvtaps, made for real: a Linux stack behind each descriptor, another machine on the wire."""
import contextlib, json, os, re, stat
from lab import Sixtap, wait
from libfault import Doctor, Fault, check
from libmacvtap import Guest, PREFIX, Wire, group_of

MAC1, MAC2 = "52:54:00:aa:00:01", "52:54:00:aa:00:02"
A1, A2 = f"{PREFIX}::1234:567", f"{PREFIX}::8765:432"
HOST = f"{PREFIX}::99"


class Lan:
    """The host with a macvlan of its own, two guests in mode bridge whose groups were joined by hand."""

    def __init__(self, lab):
        self.lab, self.wire = lab, Wire(lab)
        self.host, self.peer = self.wire.host, self.wire.peer
        self.host.ip("link", "set", "eth0", "addrgenmode", "none")
        self.host.ip("link", "add", "hv", "link", "eth0", "type", "macvlan", "mode", "bridge")
        self.host.ip("link", "set", "hv", "up")
        self.host.ip("addr", "add", HOST + "/64", "dev", "hv", "nodad")
        self.index = 20_000_000 + os.getpid() % 1_000_000 * 10
        self.g1 = self.guest("g1", "mt1", MAC1, A1)
        self.g2 = self.guest("g2", "mt2", MAC2, A2)
        self.doctor = Doctor(lab, self.host)
        wait(self.knows, 30, "the host knows its guests as neighbours")

    def guest(self, name, device, mac, address):
        """An index of its own, so that its node is its own, too."""
        self.index += 1
        self.host.ip("link", "add", device, "link", "eth0", "index", self.index, "address", mac, "type", "macvtap",
                     "mode", "bridge")
        self.node(self.index, device)
        self.host.ip("link", "set", device, "addrgenmode", "none")
        self.host.ip("link", "set", device, "up")
        self.host.ip("maddr", "add", group_of("fe80::" + mac2ll(mac)), "dev", device)
        g = Guest(self.wire, name, device, mac, accept_ra=0)
        # An address whose group doesn't pass by luck.
        for k in range(8):
            g.address = f"{address}{k}"
            g.ns.ip("addr", "add", g.address + "/64", "dev", "g0", "nodad")
            if not self.wire.reaches(g.address, 2):
                break
            g.ns.ip("addr", "del", g.address + "/64", "dev", "g0")
        self.host.ip("maddr", "add", group_of(g.address), "dev", device)
        return g

    def node(self, index, device, other=None):
        """As udev or devtmpfs has it. @other: numbers of something else."""
        path = f"/dev/tap{index}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        major, minor = other or self.numbers(device)
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
        self.lab.defer(lambda: os.path.exists(path) and os.unlink(path))
        return path

    def numbers(self, device):
        out = self.host.run("sh", "-c", f"cat /sys/class/net/{device}/macvtap/tap*/dev").stdout
        return tuple(map(int, out.split(":")))

    def knows(self):
        """Guests talk first, so that the host learns them even where it couldn't ask."""
        return all(g.ns.ping(HOST, timeout=1) for g in (self.g1, self.g2))

    def state(self):
        groups = sorted(tuple(l.split()[1:5]) for l in self.host.proc_net("dev_mcast") if " mt" in l)
        links = {n: (l["address"], l["mtu"], [x for x in l["flags"] if x in ("UP", "ALLMULTI", "PROMISC")],
                     l.get("linkinfo", {}).get("info_data", {}).get("mode")) for n, l in self.host.links().items()}
        sysctls = {f"{d}.{k}": self.host.sysctl(f"net.ipv6.conf.{d}.{k}") for d in ("eth0", "mt1", "mt2", "hv")
                   for k in ("accept_ra", "disable_ipv6", "addr_gen_mode", "forwarding")}
        addrs = {n: sorted(a["local"] for a in self.host.addresses(n)) for n in links if n != "lo"}
        return {"groups": groups, **{f"link {k}": v for k, v in links.items()}, **sysctls,
                **{f"addr {k}": v for k, v in addrs.items()}}


def mac2ll(mac):
    b = [int(x, 16) for x in mac.split(":")]
    return "%02x%02x:%02xff:fe%02x:%02x%02x" % (b[0] ^ 2, b[1], b[2], b[3], b[4], b[5])


class MacvtapFault(Fault):
    def reaches(self, g):
        return self.t.wire.reaches(g.address)


class Filtered(MacvtapFault):
    id, subject, fixable = "macvtap.multicast-filtered", "mt1", False       # by `adopt`: test_filtered_mended

    def make(self):
        self.t.host.ip("maddr", "del", group_of(self.t.g1.address), "dev", "mt1")
        for on in "on", "off":      # only then the kernel works its filter out anew
            self.t.host.ip("link", "set", "mt1", "promisc", on)

    def broken(self):
        return not self.reaches(self.t.g1)

    def alikes(self):
        def allmulti():
            self.make()
            self.t.host.ip("link", "set", "mt1", "allmulticast", "on")

            def undo():
                self.t.host.ip("link", "set", "mt1", "allmulticast", "off")
                self.restore()
            return undo
        return [allmulti]

    def restore(self):
        self.t.host.ip("maddr", "add", group_of(self.t.g1.address), "dev", "mt1")


class HostAddress(MacvtapFault):
    id, subject, also = "macvtap.host-address", "mt1", ("route.overlap",)

    def make(self):
        self.t.host.ip("addr", "add", self.t.g1.address + "/64", "dev", "mt1", "nodad")

    def broken(self):
        return "local" in self.t.host.ip("route", "get", self.t.g1.address)

    def alikes(self):
        def link_local():
            self.t.host.ip("addr", "add", "fe80::77/64", "dev", "mt1", "nodad")
            return lambda: self.t.host.ip("addr", "del", "fe80::77/64", "dev", "mt1")
        return [link_local]

    def restore(self):
        self.t.host.ip("addr", "del", self.t.g1.address + "/64", "dev", "mt1", check=False)
        for d in ("mt1",):
            self.t.host.ip("link", "set", d, "addrgenmode", "none")


class HostAddressMade(HostAddress):
    """Nobody has heard of it yet: it is the guest's by its MAC."""
    address = f"{PREFIX}:5054:ff:feaa:1"

    def make(self):
        self.t.host.ip("addr", "add", self.address + "/64", "dev", "mt1", "nodad")

    def broken(self):
        return "local" in self.t.host.ip("route", "get", self.address)

    def restore(self):
        self.t.host.ip("addr", "del", self.address + "/64", "dev", "mt1", check=False)
        super().restore()


class ParentDown(MacvtapFault):
    id, subject = "macvtap.parent-down", "eth0"

    def make(self):
        self.t.host.ip("link", "set", "eth0", "down")

    def broken(self):
        return not self.reaches(self.t.g2)

    def restore(self):
        self.t.host.ip("link", "set", "eth0", "up")
        self.t.host.ip("addr", "replace", HOST + "/64", "dev", "hv", "nodad")
        wait(self.t.knows, 30, "guests reach the host again")


class ModeIsolates(MacvtapFault):
    id, subject = "macvtap.mode-isolates", "eth0"
    mode = "private"

    def make(self):
        for d in ("mt1", "mt2"):
            self.t.host.ip("link", "set", d, "type", "macvtap", "mode", self.mode)

    def broken(self):
        self.t.g1.ns.ip("neigh", "flush", "all", check=False)
        return not self.t.g1.ns.ping(self.t.g2.address, timeout=1)

    def alikes(self):
        def one_guest():
            self.make()
            self.t.host.ip("link", "set", "mt2", "type", "macvtap", "mode", "bridge")
            self.t.host.ip("link", "set", "mt1", "type", "macvtap", "mode", "bridge")
            return self.restore
        return [one_guest]

    def restore(self):
        for d in ("mt1", "mt2"):
            self.t.host.ip("link", "set", d, "type", "macvtap", "mode", "bridge")


class Vepa(ModeIsolates):
    mode = "vepa"


class HostIsolated(MacvtapFault):
    id, subject, fixable = "macvtap.host-isolated", "eth0", False

    def make(self):
        self.t.host.ip("link", "set", "hv", "down")
        self.t.host.ip("addr", "add", f"{PREFIX}::98/64", "dev", "eth0", "nodad")

    def broken(self):
        return not self.t.host.ping(self.t.g1.address, timeout=1)

    def restore(self):
        self.t.host.ip("addr", "del", f"{PREFIX}::98/64", "dev", "eth0")
        self.t.host.ip("link", "set", "hv", "up")
        self.t.host.ip("addr", "replace", HOST + "/64", "dev", "hv", "nodad")
        wait(self.t.knows, 30, "guests reach the host again")


class DeviceNode(MacvtapFault):
    id, subject, fixable = "macvtap.device-node", "mt2", False

    def make(self):
        self.t.node(self.t.index, "mt2", self.t.numbers("mt1"))

    def broken(self):
        """Whoever opens mt2's node has mt1."""
        return os.stat(f"/dev/tap{self.t.index}").st_rdev == os.makedev(*self.t.numbers("mt1"))

    def restore(self):
        self.t.node(self.t.index, "mt2")


class DeviceNodeMissing(DeviceNode):
    def make(self):
        os.unlink(f"/dev/tap{self.t.index}")

    def broken(self):
        return not os.path.exists(f"/dev/tap{self.t.index}")


FAULTS = [Filtered, HostAddress, HostAddressMade, ModeIsolates, Vepa, HostIsolated, DeviceNode, DeviceNodeMissing, ParentDown]


def test_macvtap_faults(lab):
    t = Lan(lab)
    for kind in FAULTS:
        check(kind(t), t.doctor, quiet=(), state=t.state)


def adopting(t, guest, *options):
    """`doctor --fix` of a filtered guest: what it prints. The daemon that comes of it is ended."""
    sixtap = Sixtap(t.lab, t.host)
    sixtap.write("networks: {}\n")
    argv = sixtap.argv("doctor", "--fix", *options)
    assert not t.wire.reaches(guest.address, 1), "the fault isn't there: this test would prove nothing"
    p = t.host.run(*argv, check=False, timeout=60, env=dict(sixtap.env, LC_ALL="C.UTF-8"))
    return sixtap, p


def end_daemon(sixtap):
    sixtap("down", "-q", check=False)
    wait(lambda: not sixtap.processes(), 20, "the daemon ends")


def test_filtered_mended(lab):
    """--fix lets the daemon follow the guest, looks again, and measures; the status is that of the last look."""
    t = Lan(lab)
    Filtered(t).make()
    before = t.doctor.run("doctor", check=False)
    assert before.returncode == 1 and "sixtap adopt mt1" in before.stdout and "← doctor --fix" in before.stdout, before.stdout
    sixtap, p = adopting(t, t.g1, "--probe")
    try:
        out = p.stdout[p.stdout.index("faults looked for"):]
        assert p.returncode == 0 and not p.stderr, p.stdout + p.stderr
        assert "sixtap adopt mt1" in out and f"✓ adopted mt1: joined " in out and group_of(t.g1.address) in out, out
        assert re.search(f"✓ measured: NS for {t.g1.address} answered by {t.g1.mac} in [0-9]+\\.[0-9] ms", out), out
        assert "✓ mended: macvtap.multicast-filtered is no longer found on mt1" in out, out
        assert "take back with: sixtap release mt1" in out and "mt2" not in out, out
        wait(lambda: t.wire.reaches(t.g1.address) and t.wire.reaches(t.g2.address), 15, "both are reached")
        # An address that it takes later is followed, too: nothing is found, though nobody joined it by hand.
        later = f"{PREFIX}::77:{os.getpid() & 0xfff:x}"
        t.g1.ns.ip("addr", "add", later + "/64", "dev", "g0")
        wait(lambda: group_of(later) in t.wire.groups("mt1"), 20, "the new address's group")
        p = t.host.run(*sixtap.argv("--json", "doctor", "--fix"), check=False, env=sixtap.env)
        a = json.loads(p.stdout)
        assert p.returncode == 0 and a["findings"] == [] and a["fixed"] == [], a
    finally:
        end_daemon(sixtap)


def test_filtered_declared(lab):
    """A guest that never spoke is known by the addresses that the configuration declares for it, JSON says what was done."""
    t = Lan(lab)
    Filtered(t).make()
    t.host.ip("neigh", "flush", "all")
    assert not [k for k in t.doctor.look() if k[0] == "macvtap.multicast-filtered"], "nobody knows the address"
    sixtap = Sixtap(lab, t.host)
    sixtap.write(json.dumps({"networks": {"office": {"mode": "macvtap", "uplink": "eth0", "guests": {
        "ha": {"mac": MAC1, "ipv6": t.g1.address}}}}}))
    p = t.host.run(*sixtap.argv("--json", "doctor", "--fix"), check=False, env=sixtap.env)
    a = json.loads(p.stdout)
    try:
        assert [(x["id"], x["subject"], x["way"], x["result"]) for x in a["fixed"]] == \
            [("macvtap.multicast-filtered", "mt1", "adopt", "mended")], a
        assert p.returncode == 0 and a["findings"] == [], a
        wait(lambda: t.wire.reaches(t.g1.address), 15, "it is reached")
    finally:
        end_daemon(sixtap)


def test_mac_mismatch(lab):
    """What a guest of another MAC sees, and the doctor's word for it when QEMU says which MAC it gave."""
    t = Lan(lab)
    other = "52:54:00:aa:00:0f"
    t.g2.ns.ip("link", "set", "g0", "address", other)
    wait(lambda: not t.wire.reaches(t.g2.address), 15, "unicast goes to the MAC that nobody has")
    t.host.ip("link", "set", "mt2", "address", other)
    wait(lambda: t.wire.reaches(t.g2.address), 20, "equal MACs")

    t.host.ip("link", "add", "mt3", "link", "eth0", "index", t.index + 1, "address", "52:54:00:aa:00:03", "type", "macvtap",
              "mode", "bridge")
    t.host.ip("link", "set", "mt3", "addrgenmode", "none", "up")
    fd = os.open(t.node(t.index + 1, "mt3"), os.O_RDWR | os.O_CLOEXEC)

    def qemu(mac):
        return t.host.popen("qemu-system-x86_64", "-S", "-accel", "tcg", "-m", 32, "-display", "none", "-nodefaults",
                            "-netdev", f"tap,id=n0,fd={fd}", "-device", f"virtio-net-pci,netdev=n0,mac={mac}", pass_fds=[fd])
    found = lambda: {k for k in t.doctor.look() if k[0] == "macvtap.mac-mismatch"}
    p = qemu("52:54:00:aa:00:33")
    wait(lambda: found() == {("macvtap.mac-mismatch", "mt3")}, 30, "QEMU's MAC is another one", interval=0.3)
    t.doctor.run("doctor", "--fix", check=False)
    assert t.host.links()["mt3"]["address"] == "52:54:00:aa:00:33" and not found()
    p.terminate()
    p.wait(5)
    os.close(fd)
