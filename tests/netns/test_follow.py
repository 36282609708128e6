# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of mode macvtap: multicast auto, all and off, for guests without a monitor. (With one: tests/vm.)"""
import os, signal
import pytest
from lab import wait
from libmacvtap import Office, group_of

WEB = {"guests": {"web": {"mac": "52:54:00:12:34:56", "ipv6": "2001:db8:5::10"}}}
EXTRA = "2001:db8:5::aa:bb:cc"


@pytest.fixture
def office(lab):
    o = Office(lab)
    yield o
    o.finish()


def joined(o, dev):
    with o.host.enter(), open("/proc/net/dev_mcast") as f:
        return {":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in map(str.split, f) if r[1] == dev and r[3] != "0"}


def cold(o, address):
    o.out.ip("neigh", "flush", "all", check=False)
    return o.out.ping(address, timeout=1)


def test_policies(office):
    """Live, one after the other; guarded guests can be asked, too."""
    o = office
    flags = lambda: o.host.links()["macvtap0"]["flags"]
    office.up(**WEB, macvtap={"multicast": "off"})
    g = o.guest("web", 10, "--no-monitor", addresses=["2001:db8:5::10/64", EXTRA + "/64"])
    wait(lambda: g.ns.addresses("g0", 6, scope="link"), 20, "the guest has reported all there is")
    assert joined(o, "macvtap0") == set() and not cold(o, EXTRA)
    assert "macvtap" not in o.sixtap.guest("web", "office")

    office.up(**WEB, macvtap={"multicast": "auto"})
    wait(lambda: {group_of("2001:db8:5::10"), group_of(EXTRA)} <= joined(o, "macvtap0"), 20, "its groups, by asking it")
    because = {x["group"]: x["because"] for x in o.sixtap.guest("web", "office")["macvtap"]["groups"]}
    assert "declared" in because[group_of("2001:db8:5::10")] and "mld" in because[group_of(EXTRA)]
    assert cold(o, EXTRA) and cold(o, "2001:db8:5::10")
    assert "groups followed" in o.sixtap("status").stdout
    g.ns.ip("addr", "del", EXTRA + "/64", "dev", "g0")
    wait(lambda: group_of(EXTRA) not in joined(o, "macvtap0"), 20, "left as the guest leaves it")
    g.ns.ip("addr", "add", EXTRA + "/64", "dev", "g0", "nodad")

    office.up(**WEB, macvtap={"multicast": "all"})
    assert "ALLMULTI" in flags() and cold(o, EXTRA)
    office.up(**WEB, macvtap={"multicast": "off"})
    assert "ALLMULTI" not in flags() and joined(o, "macvtap0") == set() and not cold(o, EXTRA)
    assert o.sixtap.json("plan")["changes"] == []


def test_declared_before_it_boots(office):
    """A declared address has its group from the first moment, whatever the guest says; and a killed daemon forgets nothing."""
    o = office
    office.up(**WEB)
    g = o.guest("web", 10, up=False, addresses=[])
    wait(lambda: joined(o, "macvtap0") == {group_of("2001:db8:5::10")}, 20, "the declared address's group")
    for pid in o.sixtap.json("status")["daemon"]["processes"].values():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait(lambda: not o.sixtap.processes(), 20, "they have ended")
    g.ns.ip("link", "set", "g0", "up")
    g.ns.ip("addr", "add", EXTRA + "/64", "dev", "g0", "nodad")
    wait(lambda: g.ns.addresses("g0", 6, scope="link"), 20, "the guest has reported all there is")
    o.sixtap("up", "-q")
    wait(lambda: {group_of("2001:db8:5::10"), group_of(EXTRA)} <= joined(o, "macvtap0"), 20, "what it said meanwhile")
    assert cold(o, EXTRA)
    # The lower device goes and comes.
    o.host.ip("link", "set", "eth0", "down")
    o.host.ip("link", "set", "eth0", "up")
    wait(lambda: cold(o, EXTRA), 20, "found again")
    assert group_of(EXTRA) in joined(o, "macvtap0")
