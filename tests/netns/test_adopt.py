# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that something else started on a macvtap: who can reach them, before and after `sixtap adopt`."""
import json, os
import pytest
from lab import Sixtap, wait
from libmacvtap import Guest, PREFIX, Wire, group_of

MAC = "52:54:00:aa:bb:01"


class Host:
    def __init__(self, lab, **kw):
        self.wire = Wire(lab, **kw)
        self.sixtap = Sixtap(lab, self.wire.host)

    def adopted(self, subject):
        return next(a for a in self.sixtap.json("status")["adopted"] if a["subject"] == subject)

    def device(self, subject):
        [d] = self.adopted(subject)["devices"]
        return d

    def finish(self):
        if self.sixtap.processes():
            self.sixtap("down", "-q")
            wait(lambda: not self.sixtap.processes(), 8, "the daemon ends")


@pytest.fixture
def host(lab):
    h = Host(lab, radvd=True)
    yield h
    h.finish()


def test_a_guest_becomes_reachable(host):
    dev = host.wire.macvtap(MAC)
    g = Guest(host.wire, "guest", dev, MAC, addr_gen_mode=3, use_tempaddr=2)
    addresses = lambda: g.addresses() if len(g.addresses()) >= 3 else None
    have = wait(addresses, 15, "a link-local, a stable and a temporary address")
    assert not all(host.wire.reaches(a) for a in have), "the fault isn't there: this test would prove nothing"
    out = host.sixtap("adopt", dev).stdout
    assert dev in out and "joined" in out, out
    wait(lambda: set(g.wanted()) <= set(host.wire.groups(dev)), 3, "all groups of the guest")
    assert all(host.wire.reaches(a) for a in g.addresses())
    new = f"{PREFIX}::7:1234"
    g.ns.ip("addr", "add", new + "/64", "dev", "g0")
    wait(lambda: group_of(new) in host.wire.groups(dev), 1, "the new address's group")
    wait(lambda: new in g.addresses(), 5, "duplicate address detection ends")
    assert host.wire.reaches(new)
    d = host.device(dev)
    assert d["mode"] == "bridge" and d["lower"] == "eth0" and not d["all"]
    assert {x["group"]: x["because"] for x in d["groups"]}[group_of(new)] in (["mld", "dad"], ["dad"], ["mld"])
    g.ns.ip("addr", "del", new + "/64", "dev", "g0")
    wait(lambda: group_of(new) not in host.wire.groups(dev), 3, "its group is left")
    host.sixtap("release", dev)
    assert host.wire.groups(dev) == []
