# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package on a host that systemd boots: units, sandbox, device rules, watchdog, upgrade, reboot, removal."""
import os, re, shutil, types
import libmacvtap
from lab import ROUTER4, SIXTAP, UPLINK6_PREFIX, alive, wait
from libmachine import MachineWorld, package, repacked
from libmacvtap import RunGuest
from libnet import GW4, GW6, LAN, Flow, config, merged
from test_upgrade import older

OFFICE = {"mode": "macvtap", "uplink": "eth0"}
UNITS = "/etc/systemd/system"


class Box(MachineWorld):
    """A booted machine, with the package on it."""

    def __init__(self, lab, deb=None, networks=None, sees=("g-vm", "g-tap")):
        super().__init__(lab, sees)
        shutil.copy(deb or package(), os.path.join(lab.dir, "sixtap.deb"))
        assert self.host.boot() == "running", self.host.run("systemctl", "--failed").stdout
        self.host.dpkg("-i", os.path.join(lab.dir, "sixtap.deb"))
        self.sixtap.write(config(**(networks or {"lan": LAN, "office": OFFICE})))
        self.online()

    def state(self, unit="sixtapd"):
        return self.host.show(unit, "ActiveState")

    def guest_of(self, name, network, number, **kw):
        """By `sixtap run`, as root: the program that stands for QEMU."""
        where = {"lan": (f"192.168.150.{number}/24", f"fd12:8848:a2a2:1::{number}/64"),
                 "office": (f"198.51.100.{number}/24", f"{UPLINK6_PREFIX}::{number}/64")}[network]
        return RunGuest(self.sixtap, name, network=network, addresses=where, **kw)

    def end(self, guest):
        self.host.run("kill", "-9", guest.pid)      # the number that it has there
        guest.p.wait(15)

    def someones_macvtap(self, number):
        """A guest on a macvtap that somebody else made: (its Guest, its address)."""
        mac = "52:54:00:77:00:%02x" % number
        self.host.ip("link", "add", "vtap9", "link", "eth0", "address", mac, "type", "macvtap", "mode", "bridge")
        self.host.ip("link", "set", "vtap9", "addrgenmode", "none")
        self.host.ip("link", "set", "vtap9", "up")
        g = libmacvtap.Guest(types.SimpleNamespace(lab=self.lab, host=self.host), f"someone{self.host.boots}", "vtap9", mac, accept_ra=0)
        # The filter is a hash with a seed of the device's, and one group in 50 or so passes by luck: never all of three.
        addresses = [f"{UPLINK6_PREFIX}::{number}:{low}" for low in ("12:3456", "dd:eeff", "aa:bbcc")]
        for a in addresses:
            g.ns.ip("addr", "add", a + "/64", "dev", "g0", "nodad")
        return g, addresses

    def reached(self, address):
        """By a neighbour that doesn't know it yet."""
        self.router.ip("neigh", "del", address, "dev", "south", check=False)
        return self.router.ping(address, timeout=1)

    def quiet(self):
        """Nothing of what the daemon wrote is a refusal or a repair."""
        bad = [l for l in self.host.journal().splitlines() if not l.startswith("main: change ") and
               re.search(r"repair|cannot|refused|failed|denied|not permitted|error", l, re.I)]
        assert not bad, "\n".join(bad)


def fetch4(box, guest):
    """From a guest of `lan` to the machine outside, translated."""
    return guest.ns.fetch("203.0.113.80", 80)


def test_units_and_sandbox(lab):
    """Both modes and `adopt` through the unit, with its user ids, seccomp list, mount sandbox and device rules."""
    box = Box(lab)
    host = box.host
    # The package: users, folders, enabled at boot and not started.
    users = {l.split(":")[0]: l.split(":")[2] for l in host.read("/etc/passwd").splitlines()}
    assert {"sixtap", "sixtap-engine", "sixtap-dns"} <= set(users)
    assert host.run("systemctl", "is-enabled", "sixtap").stdout.strip() == "enabled" and box.state("sixtap") == "inactive"
    assert box.state() == "inactive" and not box.sixtap.processes()
    for path in ("/run/sixtap", "/var/lib/sixtap", "/etc/sixtap"):
        st = os.stat(host.path(path))
        assert (st.st_uid, st.st_mode & 0o7777) == (0, 0o755), path

    # `up` starts the unit, not a daemon of its own; it is ready when `up` goes on, and nobody else feeds the watchdog.
    out = box.sixtap("up").stdout
    assert "lan is up" in out and "office is up" in out
    assert box.state() == "active" and host.show("sixtapd", "StatusText") == "serving"
    procs = box.sixtap.processes()
    assert set(procs) == {"monitor", "main", "engine", "resolver"}
    assert int(host.show("sixtapd", "WatchdogTimestampMonotonic")) > 0
    for role, user in (("main", "sixtap"), ("engine", "sixtap-engine"), ("resolver", "sixtap-dns")):
        with open(f"/proc/{procs[role]}/status") as f:
            status = f.read()
        assert re.search(rf"^Uid:\s+{users[user]}\s", status, re.M), f"{role}: {status}"
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)

    # Guests of both modes, addresses from our servers, the way outside, and the LAN's way in.
    vm, tap = box.guest_of("vm", "lan", 50), box.guest_of("tap", "office", 51)
    vm.ns.ip("route", "add", "default", "via", GW4)
    assert wait(lambda: fetch4(box, vm), 20, "the way outside") == "outside 198.51.100.2"
    wait(lambda: box.reached(f"{UPLINK6_PREFIX}::51") and box.reached("198.51.100.51"), 25, "the LAN reaches a guest on macvtap")
    client = box.guest("client")
    assert client.udhcpc().startswith("192.168.150.1") and client.slaac().startswith("fd12:8848:a2a2:1:")
    assert client.dig("host.lan") == [GW4]
    assert "bpf" in host.run("tc", "filter", "show", "dev", client.port, "ingress").stdout, "guards in eBPF, also in the sandbox"
    _, addresses = box.someones_macvtap(60)
    assert not all(map(box.reached, addresses))
    box.sixtap("adopt", "vtap9")
    wait(lambda: all(map(box.reached, addresses)), 25, "adopted, the guest is reached")
    # --save writes below /etc; a forward goes live through the unit.
    box.sixtap("forward", "add", "lan/web", "8443:443", "--save")
    assert "8443:443" in host.read("/etc/sixtap/test.yaml")
    assert box.sixtap("plan", "--check", check=False).returncode == 0
    assert [n["state"] for n in box.sixtap.json("status")["networks"]] == ["up", "up"]
    box.quiet()
    # The device rules are in force: without ours, a macvtap can't be opened, and that is said.
    box.end(tap)
    wait(lambda: not box.sixtap.guest("tap", "office"), 12, "the guest is gone")
    host.dropin("sixtapd.service", "devices", "DeviceAllow=\nDeviceAllow=/dev/net/tun rwm\n")
    host.run("systemctl", "restart", "sixtapd")
    p = box.sixtap("run", "office", "--name", "no", "--", "/bin/true", check=False)
    assert p.returncode == 125 and "permitted" in p.stderr, p.stderr
    # `down` takes everything away; the unit stays, as a service manager's does, until it is stopped.
    box.end(vm)
    box.sixtap("down")
    assert {n for n in host.links() if not n.startswith("p-")} == {"lo", "eth0", "vtap9"} and box.state() == "active"
    host.run("systemctl", "stop", "sixtapd")
    assert host.show("sixtapd", "Result") == "success" and not box.sixtap.processes()


def test_the_service_comes_and_goes(lab):
    """Watchdog, reload, restart, stop, and another version: guests lose no packet."""
    older(os.path.join(lab.dir, "old"))
    old = repacked(package(), os.path.join(lab.dir, "old.deb"), "0.0.1", os.path.join(lab.dir, "old"))
    box = Box(lab, old)
    host, sixtap = box.host, box.sixtap
    host.dropin("sixtapd.service", "watchdog", "WatchdogSec=6\n")        # a process of a busy machine stands still for less
    host.run("systemctl", "start", "sixtap")
    assert (box.state("sixtap"), box.state()) == ("active", "active")
    vm, tap = box.guest_of("vm", "lan", 50), box.guest_of("tap", "office", 51)
    wait(lambda: box.reached(f"{UPLINK6_PREFIX}::51"), 25, "the LAN reaches the guest")
    client = box.guest("client")
    address = client.udhcpc()
    wait(lambda: sixtap("plan", "--check", check=False).returncode == 0, 20, "nothing is left to change")
    flows = [Flow(vm.ns, GW4), Flow(vm.ns, GW6), Flow(box.router, f"{UPLINK6_PREFIX}::51"), Flow(box.router, "198.51.100.51")]

    def serves(what, other_than):
        wait(lambda: box.state() == "active" and len(sixtap.processes()) == 4 and
             not set(sixtap.processes().values()) & set(other_than.values()), 60, what)
        assert client.udhcpc() == address
        wait(lambda: [g["state"] for n in ("vm", "tap") for g in sixtap.json("guests")["guests"] if g["name"] == n] == ["attached"] * 2,
             15, "it knows the guests that run")

    # Main hangs: the watchdog has systemd end all four, and begin again.
    procs = sixtap.processes()
    os.kill(procs["main"], 19)
    serves("systemd starts it again", procs)
    assert host.show("sixtapd", "NRestarts") == "1" and not [p for p in procs.values() if alive(p)]
    wait(lambda: "Watchdog timeout" in host.journal(), 10, "the journal says why")

    # Reload looks at everything, by the same processes; of the boot unit, too, also after an edit.
    procs = sixtap.processes()
    host.run("systemctl", "reload", "sixtapd")
    sixtap.write(config(lan=merged(LAN, guests__web__forward=["8081:80"]), office=OFFICE))
    host.run("systemctl", "reload", "sixtap")
    assert sixtap.processes() == procs and "8081" in str(sixtap.network("lan"))

    host.run("systemctl", "restart", "sixtapd")
    serves("after a restart", procs)
    # What it stops is serving. Stopping the unit of the boot takes nothing down.
    procs = sixtap.processes()
    host.run("systemctl", "stop", "sixtap")
    assert sixtap.processes() == procs
    host.run("systemctl", "stop", "sixtapd")
    assert not sixtap.processes() and host.show("sixtapd", "Result") == "success"
    assert {"lan", tap.sixtap.ns.ipj("link", "show", "type", "macvtap")[0]["ifname"]} <= set(host.links())
    host.run("systemctl", "start", "sixtapd")
    serves("started by hand, it goes on from where it was", procs)

    # The package's next version.
    procs = sixtap.processes()
    assert sixtap.json("status")["daemon"]["release"].endswith("x")
    host.run("rm", "-r", "/run/systemd/system/sixtapd.service.d")
    shutil.copy(package(), os.path.join(lab.dir, "new.deb"))
    host.dpkg("-i", os.path.join(lab.dir, "new.deb"))
    serves("the new version", procs)
    assert not sixtap.json("status")["daemon"]["release"].endswith("x") and box.state("sixtap") == "inactive"
    assert [f.stop()[0] for f in flows] == [0] * len(flows)


def test_reboot_and_removal(lab):
    """What is up again by itself after a reboot, with the same leases and adoptions; and what removing the package leaves."""
    box = Box(lab, networks={"lan": LAN, "office": OFFICE, "later": merged(LAN, autostart=False, guests=None, domain="later",
                                                                          ipv4={"address": "192.168.160.1/24"}, ipv6="ula")})
    host, sixtap = box.host, box.sixtap
    sixtap("up")
    g, _ = box.someones_macvtap(60)
    sixtap("adopt", "vtap9")
    client = box.guest("client")
    lease = client.udhcpc()
    assert {n["name"] for n in sixtap.json("status")["networks"] if n["state"] == "up"} == {"lan", "office", "later"}
    g.close()
    assert box.reboot() == "running"
    assert (box.state("sixtap"), box.state()) == ("active", "active")
    up = {n["name"]: n["state"] for n in sixtap.json("status")["networks"]}
    assert up.pop("later", "down") == "down" and up == {"lan": "up", "office": "up"}
    box.online()
    # The lease was on disk.
    wait(lambda: [l["address"] for l in sixtap.json("leases")["leases"]] == [lease], 10, "the lease is known")
    _, addresses = box.someones_macvtap(60)
    wait(lambda: all(map(box.reached, addresses)), 25, "what was adopted is looked after again")
    again = box.guest("again", client.mac)
    assert again.udhcpc() == lease
    # A second reboot without a configuration: nothing is started, nothing has failed.
    host.run("rm", "-r", "/etc/sixtap")
    assert box.reboot() == "running" and box.state("sixtap") == "inactive" and box.state() == "inactive"
    # Removed while a network is up: taken down, and put back as found.
    box.online()
    forwarding = host.sysctl("net.ipv6.conf.all.forwarding")
    sixtap.write(config(lan=LAN))
    sixtap("up")
    assert host.sysctl("net.ipv6.conf.all.forwarding") != forwarding
    host.dpkg("-r", "sixtap")
    assert "lan" not in host.links() and not sixtap.processes() and host.sysctl("net.ipv6.conf.all.forwarding") == forwarding
    assert "sixtap" not in host.run("nft", "list", "tables").stdout
    assert os.path.exists(host.path("/etc/sixtap/test.yaml")) and os.path.isdir(host.path("/var/lib/sixtap"))
    host.dpkg("-P", "sixtap")
    for path in ("/etc/sixtap", "/var/lib/sixtap", "/run/sixtap", UNITS + "/multi-user.target.wants/sixtap.service"):
        assert not os.path.lexists(host.path(path)), path
    assert host.run("systemctl", "is-system-running").stdout.strip() == "running"
