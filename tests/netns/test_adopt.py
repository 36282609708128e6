# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that something else started on a macvtap: who can reach them, before and after `sixtap adopt`."""
import contextlib, os, re, signal, socket, struct, time
import pytest
from lab import Sixtap, promised, wait
from libmacvtap import Guest, PREFIX, Wire, group_of

MAC = "52:54:00:aa:bb:01"


class Host:
    def __init__(self, lab, **kw):
        self.wire = Wire(lab, **kw)
        self.sixtap = Sixtap(lab, self.wire.host)
        self.sixtap.write("networks: {}\n")

    def adopted(self, subject):
        return next(a for a in self.sixtap.json("status")["adopted"] if a["subject"] == subject)

    def device(self, subject):
        [d] = self.adopted(subject)["devices"]
        return d

    def finish(self):
        if self.sixtap.processes():
            self.sixtap("down", "-q")
            wait(lambda: not self.sixtap.processes(), 20, "the daemon ends")


@pytest.fixture
def host(lab):
    h = Host(lab, radvd=1)
    yield h
    h.finish()


@pytest.fixture
def quiet(lab):
    """Without router advertisements: guests have the addresses that a test gives them."""
    h = Host(lab)
    yield h
    h.finish()


def plain_guest(host, name="guest", mac=MAC, mode="bridge", **kw):
    dev = host.wire.macvtap(mac, mode)
    return Guest(host.wire, name, dev, mac, **kw)


def add(g, address):
    g.ns.ip("addr", "add", address + "/64", "dev", "g0", "nodad")


def exact(host, g):
    """Exactly what the guest's kernel listens to is joined."""
    return host.wire.groups(g.device) == g.wanted()


def test_a_guest_becomes_reachable(host):
    dev = host.wire.macvtap(MAC)
    g = Guest(host.wire, "guest", dev, MAC, addr_gen_mode=3, use_tempaddr=2)
    addresses = lambda: g.addresses() if len(g.addresses()) >= 3 else None
    have = wait(addresses, 30, "a link-local, a stable and a temporary address")
    assert not all(host.wire.reaches(a, 0.5) for a in have), "the fault isn't there: this test would prove nothing"
    out = host.sixtap("adopt", dev).stdout
    assert dev in out and "joined" in out, out
    wait(lambda: set(g.wanted()) <= set(host.wire.groups(dev)), 20, "all groups of the guest")
    assert all(host.wire.reaches(a) for a in g.addresses())
    number = iter(range(0x1234, 0x1239))

    def heard():        # before others may ask for it
        address = f"{PREFIX}::7:{next(number):x}"
        g.ns.ip("addr", "add", address + "/64", "dev", "g0")
        wait(lambda: group_of(address) in host.wire.groups(dev), 1, "the new address's group")
        return address
    new = promised(heard)
    wait(lambda: new in g.addresses(), 20, "duplicate address detection ends")
    assert host.wire.reaches(new)
    d = host.device(dev)
    assert d["mode"] == "bridge" and d["lower"] == "eth0" and not d["all"]
    assert {x["group"]: x["because"] for x in d["groups"]}[group_of(new)] in (["mld", "dad"], ["dad"], ["mld"])
    g.ns.ip("addr", "del", new + "/64", "dev", "g0")
    wait(lambda: group_of(new) not in host.wire.groups(dev), 20, "its group is left")
    host.sixtap("release", dev)
    assert host.wire.groups(dev) == []


def test_every_mode(quiet):
    """Guests that run already: what they listen to they are asked for."""
    host, peer_mac = quiet, "02:00:00:00:05:01"
    stray = host.wire.peer.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))      # what reaches the wire
    stray.bind(("p0", 3))
    stray.setblocking(False)
    for i, mode in enumerate(["private", "vepa", "source", "passthru"]):
        # In mode passthru the kernel gives the macvtap the lower device's MAC.
        mac = "02:00:00:00:05:02" if mode == "passthru" else f"52:54:00:00:06:0{i}"
        g = plain_guest(host, f"g{i}", mac, mode, up=False,
                        mldv2_unsolicited_report_interval=10)       # what it has to say by itself, it says before we listen
        if mode == "source":
            host.wire.host.ip("link", "set", g.device, "type", "macvtap", "macaddr", "add", peer_mac)
        have = [f"{PREFIX}:{i}:{k}:1:{k}{i}" for k in range(1, 7)]
        g.ns.ip("link", "set", "g0", "up")
        for a in have:
            add(g, a)
        wait(lambda: g.ns.addresses("g0", 6, scope="link"), 25, "its own address: it reports all groups once more then")
        # In mode source the kernel lets in whatever a listed sender sends, whoever it is for.
        if mode == "source":
            assert all(host.wire.reaches(a) for a in have), mode
        else:
            assert not all(host.wire.reaches(a, 0.3) for a in have), f"{mode}: the fault isn't there"
        host.sixtap("adopt", "--runtime", g.device)
        wait(lambda: set(map(group_of, have)) <= set(host.wire.groups(g.device)), 20, f"{mode}: the groups of its addresses")
        assert [a for a in have if not host.wire.reaches(a)] == [], mode
        assert host.device(g.device)["mode"] == mode
        wait(lambda: exact(host, g), 20, f"{mode}: what it listens to, and nothing else")
        tc = lambda: host.wire.host.run("tc", "qdisc", "show", "dev", g.device).stdout
        assert "clsact" in tc()
        host.sixtap("release", g.device)
        assert "clsact" not in tc() and host.wire.groups(g.device) == [], "nothing of ours is left"
        host.wire.host.ip("link", "del", g.device)
        g.close()
    seen = []
    with contextlib.suppress(BlockingIOError):
        while True:
            seen.append(stray.recv(2000))
    assert seen and not [f for f in seen if f[6:12] == b"\x02sixtp"], "a query for a guest got onto the wire"


def test_rotation(quiet):
    """An hour's worth of address changes: nothing leaks, nothing is missing."""
    g = plain_guest(quiet, mldv2_unsolicited_report_interval=10)       # reports at once, not after up to a second
    quiet.sixtap("adopt", "--runtime", g.device)
    lines, alive_, ever = [], [], set()
    for i in range(1000):
        a = f"{PREFIX}:aa:bb:{i:x}:{(i * 7919) & 0xffff:x}"
        alive_.append(a)
        lines.append(f"addr add {a}/64 dev g0 nodad")
        if len(alive_) > 7:
            lines.append(f"addr del {alive_.pop(0)}/64 dev g0")
    for i in range(0, len(lines), 10):
        g.ns.run("ip", "-batch", "-", input="\n".join(lines[i:i + 10]) + "\n")
        last = [group_of(l.split()[2].split("/")[0]) for l in lines[i:i + 10] if l.startswith("addr add")][-1:]
        until = time.monotonic() + 1
        while True:     # the guest's kernel reports them, and not only the end
            time.sleep(0.03)
            now = set(quiet.wire.groups(g.device))
            ever |= now
            if set(last) <= now or time.monotonic() > until:
                break
    wait(lambda: exact(quiet, g), 20, "what is joined is what the guest listens to")
    assert len(ever) > 500, "the guest's reports were never seen: this test would prove nothing"
    assert all(quiet.wire.reaches(a) for a in alive_)
    assert not quiet.device(g.device)["all"]


def test_ten_thousand_groups(quiet):
    g = plain_guest(quiet)
    a = f"{PREFIX}::5:5:5"
    add(g, a)
    quiet.sixtap("adopt", "--runtime", g.device)
    index = int(g.ns.ipj("link", "show", "g0")[0]["ifindex"])
    socks = []
    for i in range(10000):
        if i % 100 == 0:
            socks.append(g.ns.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        group = socket.inet_pton(socket.AF_INET6, f"ff15::{i >> 8:x}:{i & 255:x}")
        socks[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("I", index))
    d = wait(lambda: (lambda x: x if x["all"] else None)(quiet.device(g.device)), 60, "all multicast is let in")
    assert "ALLMULTI" in quiet.wire.host.links()[g.device]["flags"]
    assert len(d["groups"]) <= 128 and "more groups" in d["all_because"][0]
    assert f"{g.device} gets all multicast: the guest listens to more groups" in quiet.sixtap("status").stdout
    with open(quiet.sixtap.run_dir + "/sixtapd.log") as f:
        assert "all-multicast" in f.read()
    assert quiet.wire.reaches(a)
    for s in socks:
        s.close()
    wait(lambda: not quiet.device(g.device)["all"] and exact(quiet, g), 60, "exactly its groups again")
    assert "ALLMULTI" not in quiet.wire.host.links()[g.device]["flags"]
    assert quiet.wire.reaches(a)


def test_only_multicast_follows(quiet):
    g = plain_guest(quiet)
    quiet.sixtap("adopt", "--runtime", g.device)
    add(g, f"{PREFIX}::a1:b1")
    wait(lambda: exact(quiet, g), 20, "its groups")
    g.ns.ip("link", "set", "g0", "address", "52:54:00:de:ad:01")
    add(g, f"{PREFIX}::a2:b2")
    wait(lambda: group_of(f"{PREFIX}::a2:b2") in quiet.wire.groups(g.device), 20, "multicast follows still")
    assert quiet.wire.host.links()[g.device]["address"] == MAC, "the guest's MAC is the host's to say"
    assert "525400dead01" not in "".join(quiet.wire.host.proc_net("dev_mcast"))
    # The host changes it, too: the guest is found again.
    quiet.wire.host.ip("link", "set", g.device, "address", "52:54:00:de:ad:01")
    wait(lambda: quiet.device(g.device)["mac"] == "52:54:00:de:ad:01", 20, "the new MAC")
    assert quiet.wire.reaches(f"{PREFIX}::a2:b2")


def test_daemon_comes_and_goes(quiet):
    g = plain_guest(quiet)
    quiet.wire.host.ip("maddr", "add", "33:33:00:00:be:ef", "dev", g.device)        # somebody else's
    first, second, third = (f"{PREFIX}::c{i}:d{i}" for i in range(3))
    add(g, first)
    quiet.sixtap("adopt", g.device)
    want = lambda: quiet.wire.groups(g.device) == sorted(set(g.wanted()) | {"33:33:00:00:be:ef"})
    wait(want, 20, "its groups")
    pids = quiet.sixtap.json("status")["daemon"]["processes"]

    os.kill(pids["engine"], signal.SIGKILL)             # one of the three: started again
    add(g, second)
    g.ns.ip("addr", "del", first + "/64", "dev", "g0")
    wait(lambda: quiet.sixtap.json("status")["daemon"]["processes"]["engine"] not in (pids["engine"], 0), 20, "a new engine")
    wait(want, 20, "what was said while nobody listened is known")

    for p in pids.values():                             # everything, at once
        with contextlib.suppress(ProcessLookupError):
            os.kill(p, signal.SIGKILL)
    for p in quiet.sixtap.json("status", check=False).get("daemon", {}).get("processes", {}).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(p, signal.SIGKILL)
    wait(lambda: not quiet.sixtap.processes(), 20, "all its processes have gone")
    assert group_of(second) in quiet.wire.groups(g.device), "what is joined outlives us"
    add(g, third)
    g.ns.ip("addr", "del", second + "/64", "dev", "g0")
    quiet.sixtap("up")
    wait(want, 20, "the state of now, also what went meanwhile")
    assert quiet.wire.reaches(third)
    for p in quiet.sixtap.json("status")["daemon"]["processes"].values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(p, signal.SIGKILL)
    wait(lambda: not quiet.sixtap.processes(), 20, "all its processes have gone")
    quiet.sixtap("release", g.device)       # finds what was left
    assert quiet.wire.groups(g.device) == ["33:33:00:00:be:ef"], "only what we joined is left"
    wait(lambda: not quiet.sixtap.processes(), 20, "nothing is to be done any more")


def test_comes_back_under_another_name(quiet):
    g = plain_guest(quiet)
    quiet.sixtap("adopt", g.device)
    add(g, f"{PREFIX}::e1:f1")
    wait(lambda: exact(quiet, g), 20, "its groups")
    g.close()
    quiet.wire.host.ip("link", "del", g.device)
    wait(lambda: quiet.adopted("macvtap0")["devices"] == [], 20, "it is away")
    assert quiet.adopted("macvtap0")["state"] == "away"
    again = Guest(quiet.wire, "again", quiet.wire.macvtap(MAC, name="mt-other"), MAC)
    add(again, f"{PREFIX}::e2:f2")
    wait(lambda: exact(quiet, again), 20, "its groups, by its MAC")
    assert quiet.device("macvtap0")["device"] == "mt-other"
    quiet.wire.host.ip("link", "set", "mt-other", "down")
    quiet.wire.host.ip("link", "set", "mt-other", "name", "mt-renamed")
    quiet.wire.host.ip("link", "set", "mt-renamed", "up")
    wait(lambda: quiet.device("macvtap0")["device"] == "mt-renamed", 20, "renamed")
    again.device = "mt-renamed"
    add(again, f"{PREFIX}::e3:f3")
    wait(lambda: exact(quiet, again), 20, "also after a rename")


def test_what_is_said(quiet):
    """adopted.yaml, errors, and `all`."""
    wire, sixtap = quiet.wire, quiet.sixtap
    dev = wire.macvtap(MAC)
    adopted = os.path.join(os.path.dirname(sixtap.config), "adopted.yaml")
    wire.host.ip("link", "add", "dm0", "type", "bridge")
    for argv, status, says in ((["adopt"], 2, "adopt what"), (["adopt", "nothing9"], 1, "no such interface"),
                               (["adopt", "dm0"], 1, "is a bridge, not a macvtap"), (["adopt", "xen:dom"], 2, "Xen guest"),
                               (["adopt", "a/b"], 2, "characters"), (["release", "nothing9"], 1, "isn't adopted")):
        p = sixtap(*argv, check=False)
        assert p.returncode == status and says in p.stderr, (argv, p.returncode, p.stderr)
    assert not os.path.exists(adopted) and not sixtap.processes(), "what was refused leaves nothing"
    a = sixtap.json("adopt", dev)
    assert a["changed"] and a["adopted"][0]["subject"] == dev and a["adopted"][0]["state"] == "followed"
    assert sixtap.json("adopt", dev)["changed"] is False
    with open(adopted) as f:
        assert re.search(r"macvtap:\n +- '" + dev + "'", f.read())
    p = sixtap("status").stdout
    assert re.search(rf"{dev} +followed +{dev} +bridge on eth0", p), p
    second = wire.macvtap("52:54:00:00:07:02")
    sixtap("adopt", "--runtime", "all")
    wait(lambda: [d["device"] for d in quiet.adopted("all")["devices"]] == [second], 20, "all the others")
    p = sixtap("release", second, check=False)
    assert p.returncode == 1 and "sixtap release all" in p.stderr, p.stderr
    sixtap("release", "all")
    out = sixtap("release", dev).stdout
    assert adopted in out
    with open(adopted) as f:
        assert "[]" in f.read()
    wait(lambda: not sixtap.processes(), 20, "a daemon without anything to do ends")


def test_on_the_map(quiet):
    g = plain_guest(quiet)
    quiet.sixtap("adopt", "--runtime", g.device)
    a = f"{PREFIX}::9a:9b"
    g.ns.ip("addr", "add", a + "/64", "dev", "g0")
    wait(lambda: exact(quiet, g) and a in quiet.device(g.device)["ipv6"], 20, "its groups")
    text = quiet.sixtap("map").stdout
    line = next(l for l in text.splitlines() if g.device in l)
    assert "macvtap bridge" in line and "adopted" in line and "followed" in line and a in line, text
