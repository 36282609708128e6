# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests with stable-privacy and temporary addresses on a macvtap in each mode: who finds them."""
import concurrent.futures, json, os
import pytest
from lab import GUEST, Guest, Lab, Sixtap, wait
from libmacvtap import group_of

MODES = ["bridge", "vepa", "private", "passthru", "source"]
PREFIX, PEER_MAC = "2001:db8:5:1", "02:00:00:00:05:01"


@pytest.fixture
def lab():
    with Lab("vm") as lab:
        lab.start_capture()
        yield lab


class Offices:
    """A host with a NIC for each mode, all on one switch with another machine that advertises a prefix."""

    def __init__(self, lab):
        self.lab, self.host, self.peer = lab, lab.ns("host"), lab.ns("peer")
        self.sixtap, self.guests = Sixtap(lab, self.host), {}
        self.host.sysctl("net.ipv6.conf.default.accept_ra", 0)
        self.peer.ip("link", "add", "sw", "address", PEER_MAC, "type", "bridge", "mcast_snooping", 0)
        self.peer.ip("link", "set", "sw", "up")
        for i in range(len(MODES)):
            lab.veth(self.peer, f"p{i}", self.host, f"e{i}")
            self.peer.ip("link", "set", f"p{i}", "master", "sw", "up")
            self.host.ip("link", "set", f"e{i}", "up")
        self.peer.ip("addr", "add", f"{PREFIX}::1/64", "dev", "sw", "nodad")
        self.peer.sysctl("net.ipv6.conf.all.forwarding", 1)
        conf = os.path.join(lab.dir, "radvd.conf")
        with open(conf, "w") as f:
            f.write("interface sw { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 0;\n"
                    f"  prefix {PREFIX}::/64 {{ AdvOnLink on; AdvAutonomous on; }}; }};\n")
        self.peer.popen("radvd", "-n", "-C", conf, "-p", os.path.join(lab.dir, "radvd.pid"), log="radvd")

    def up(self, multicast):
        """Live: guests go on running."""
        nets = {m: {"mode": "macvtap", "uplink": f"e{i}",
                    "macvtap": dict({"mode": m, "multicast": multicast}, **({"sources": [PEER_MAC]} if m == "source" else {}))}
                for i, m in enumerate(MODES)}
        self.sixtap.write(json.dumps({"networks": nets}))
        self.sixtap("up", "-q")

    def boot(self, mode):
        start = lambda argv: self.host.popen(*self.sixtap.argv("run", mode, "--name", "g-" + mode, "--", *argv),
                                             log="run-" + mode, env=self.sixtap.env)
        g = self.guests[mode] = Guest(self.lab, "g-" + mode, start, append="dhcp4=no dhcp6=no tempaddr=2")
        g.boot()
        g.sh("ip link set eth0 down; echo 3 >/proc/sys/net/ipv6/conf/eth0/addr_gen_mode; "
             "echo 1 >/proc/sys/net/ipv6/conf/eth0/dad_transmits; ip link set eth0 up")

    def addresses(self, mode):
        return [str(a.ip) for a, _ in self.guests[mode].addresses() if a.version == 6]

    def macvtap(self, mode):
        return self.sixtap.guest("g-" + mode, mode)["macvtap"]

    def reaches(self, address, timeout=1, tries=8):
        """From the peer, which has forgotten everybody. A guest that it does reach answers late, where five are emulated at once."""
        self.peer.ip("neigh", "flush", "all", check=False)
        target = address + "%sw" if address.startswith("fe80") else address
        return any(self.peer.run("ping", "-n", "-c", 1, "-W", timeout, target, check=False).returncode == 0 for _ in range(tries))


@pytest.mark.skipif(not os.path.exists(GUEST + "/vmlinuz"), reason="no guest image: tools/guest-image")
def test_every_mode(lab):
    o = Offices(lab)
    o.up("off")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(o.boot, MODES))
    for m in MODES:
        have = wait(lambda: (lambda a: a if len(a) >= 3 else None)(o.addresses(m)), 120, f"{m}: three addresses", interval=0.5)
        assert not any("ff:fe" in a for a in have), "addresses made of the MAC work by accident: they'd prove nothing"
        found = [a for a in have if o.reaches(a, tries=8 if m == "source" else 2)]
        # In mode source the kernel lets in all that a listed sender sends, whoever it is for.
        assert (found == have) == (m == "source"), f"{m}, multicast: off: {found} of {have}"

    o.up("auto")
    for m in MODES:
        want = lambda: {group_of(a) for a in o.addresses(m)} <= {g["group"] for g in o.macvtap(m)["groups"]}
        wait(want, 40, f"{m}: the groups of all its addresses")
        assert [a for a in o.addresses(m) if not o.reaches(a)] == [], f"{m}, multicast: auto"
        d = lambda: o.macvtap(m)
        assert d()["monitor"], (m, d())
        wait(lambda: all("qmp" in g["because"] for g in d()["groups"]), 20, f"{m}: QEMU tells of each group")

    # What the guest adds and takes away follows by QMP alone, too.
    g, a = o.guests["vepa"], f"{PREFIX}::5a:5a5a"
    def add():
        assert g.sh(f"ip addr add {a}/64 dev eth0")[0] == 0
        wait(lambda: a in o.addresses("vepa"), 40, "duplicate address detection ends", interval=0.3)
    add()
    wait(lambda: group_of(a) in {x["group"] for x in o.macvtap("vepa")["groups"]}, 30, "a new address")
    assert o.reaches(a)
    g.sh(f"ip addr del {a}/64 dev eth0")
    wait(lambda: group_of(a) not in {x["group"] for x in o.macvtap("vepa")["groups"]}, 30, "and gone")

    # The engine is killed: another one asks QEMU again.
    o.sixtap("status")
    before = o.sixtap.json("status")["daemon"]["processes"]["engine"]
    os.kill(before, 9)
    add()
    wait(lambda: group_of(a) in {x["group"] for x in o.macvtap("vepa")["groups"]}, 60, "what came meanwhile")
    assert o.reaches(a)

    o.up("all")
    flags = o.host.links()
    for m in MODES:
        assert "ALLMULTI" in flags[o.sixtap.guest("g-" + m, m)["device"]]["flags"], m
        assert [a for a in o.addresses(m) if not o.reaches(a)] == [], f"{m}, multicast: all"
