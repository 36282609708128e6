# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of mode macvtap: multicast auto, all and off, for guests without a monitor. (With one: tests/vm.)"""
import json, os, re, signal, socket, threading, time
import pytest
from lab import promised, wait
from libmacvtap import Office, group_of

WEB = {"guests": {"web": {"mac": "52:54:00:12:34:56", "ipv6": "2001:db8:5::10"}}}
EXTRA = "2001:db8:5::aa:bb:cc"
# The filter is a hash with a seed of the device's, and one group in 50 or so passes by luck: never all of three.
EXTRAS = (EXTRA, "2001:db8:5::dd:ee:ff", "2001:db8:5::12:34:56")


@pytest.fixture
def office(lab):
    o = Office(lab)
    yield o
    o.finish()


def joined(o, dev):
    rows = map(str.split, o.host.proc_net("dev_mcast"))
    return {":".join(r[4][i:i + 2] for i in range(0, 12, 2)) for r in rows if r[1] == dev and r[3] != "0"}


def cold(o, address, timeout=None):
    o.out.ip("neigh", "flush", "all", check=False)
    return o.out.ping(address, timeout=timeout)


def deaf(o):
    return not all(cold(o, a, 1) for a in EXTRAS)


def test_policies(office):
    """Live, one after the other; guarded guests can be asked, too."""
    o = office
    flags = lambda: o.host.links()["macvtap0"]["flags"]
    office.up(**WEB, macvtap={"multicast": "off"})
    g = o.guest("web", 10, "--no-monitor", addresses=["2001:db8:5::10/64", *(a + "/64" for a in EXTRAS)])
    wait(lambda: g.ns.addresses("g0", 6, scope="link"), 20, "the guest has reported all there is")
    assert joined(o, "macvtap0") == set() and deaf(o)
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
    assert "ALLMULTI" not in flags() and joined(o, "macvtap0") == set() and deaf(o)
    assert o.sixtap.json("plan")["changes"] == []


def test_declared_before_it_boots(office):
    """A declared address has its group from the first moment, whatever the guest says; and a killed daemon forgets nothing."""
    o = office
    office.up(**WEB)
    g = o.guest("web", 10, up=False, addresses=[])
    wait(lambda: joined(o, "macvtap0") == {group_of("2001:db8:5::10")}, 20, "the declared address's group")
    g.ns.ip("link", "set", "g0", "up")
    g.ns.ip("addr", "add", "192.0.2.10/24", "dev", "g0")
    assert g.ns.ping(o.OUT4)
    wait(lambda: "192.0.2.10" in json.dumps(o.sixtap.json("status")), 15, "its ARP was heard")
    g.ns.ip("link", "set", "g0", "down")
    o.sixtap("up", "-q")    # as the tick does, sooner
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
    assert "192.0.2.10" in json.dumps(o.sixtap.json("status")), "what it was seen with, too"
    wait(lambda: {group_of("2001:db8:5::10"), group_of(EXTRA)} <= joined(o, "macvtap0"), 20, "what it said meanwhile")
    assert cold(o, EXTRA)
    # The lower device goes and comes.
    o.host.ip("link", "set", "eth0", "down")
    o.host.ip("link", "set", "eth0", "up")
    wait(lambda: cold(o, EXTRA), 20, "found again")
    assert group_of(EXTRA) in joined(o, "macvtap0")


def test_a_monitor_that_is_closed(office):
    """It is tried again soon, twice; whoever hangs up again and again is left alone until the tick."""
    o = office
    o.up()
    number = iter(range(10, 13))

    def case():
        n = next(number)
        g = o.guest(f"rude{n}", n, args=("hang-up",), up=False, addresses=[])

        def calls():
            return [float(t) for t in re.findall(r"CALL (\S+)\n", g.text())]
        wait(lambda: len(calls()) >= 3, 6, "called again twice, long before a tick")
        first, second, third = calls()[:3]
        assert 0.15 < second - first < 0.9 < third - second, calls()
    promised(case)


@pytest.mark.parametrize("env, protocol", [({}, "0000"), ({"SIXTAP_HEAR": "socket"}, "0003"), ({"SIXTAP_GUARD": "nft"}, "0003")])
def test_both_ways_to_hear(office, env, protocol):
    """With eBPF no packet socket sees the guest's frames; without the ring one does. The groups are the same."""
    o = office
    o.sixtap.env.update(env)
    o.up()
    g = o.guest("web", 10, "--no-monitor", addresses=["2001:db8:5::77/64"])
    index = str(o.host.links()["macvtap0"]["ifindex"])
    wait(lambda: [r[3] for r in map(str.split, o.host.proc_net("packet")) if r[4] == index] == [protocol], 5, "its packet socket")
    wait(lambda: {group_of("2001:db8:5::77"), "33:33:00:00:00:01"} <= joined(o, "macvtap0"), 12, "what it listens to")
    # It speaks IPv4, and leaves what it listened to.
    g.ns.ip("addr", "add", "192.0.2.10/24", "dev", "g0")
    assert g.ns.ping(o.OUT4)
    wait(lambda: "192.0.2.10" in json.dumps(o.sixtap.json("status", "office")), 12, "its ARP was heard")
    g.ns.ip("addr", "del", "2001:db8:5::77/64", "dev", "g0")
    wait(lambda: group_of("2001:db8:5::77") not in joined(o, "macvtap0"), 12, "it has left")
    if "SIXTAP_GUARD" in env:
        return
    # Somebody takes our filter off while it says something: it is put back, and the guest is asked.
    o.host.run("tc", "qdisc", "del", "dev", "macvtap0", "clsact")
    g.ns.ip("addr", "add", "2001:db8:5::78/64", "dev", "g0", "nodad")
    o.sixtap("up", "-q")    # as the tick does, sooner
    wait(lambda: group_of("2001:db8:5::78") in joined(o, "macvtap0"), 14, "it is heard again")
    assert "sixtap" in o.host.run("tc", "filter", "show", "dev", "macvtap0", "egress").stdout


def test_a_guest_that_floods(office):
    """Its share of what is heard is bounded, another is heard at once, and what was lost is asked for."""
    o = office
    o.up(spoof_check=False)     # which would drop most of it
    loud = o.guest("loud", 10, "--no-monitor", addresses=["2001:db8:5::10/64"])
    calm = o.guest("calm", 11, "--no-monitor", addresses=["2001:db8:5::11/64"])
    wait(lambda: group_of("2001:db8:5::10") in joined(o, "macvtap0"), 12, "they are heard")
    stop = threading.Event()

    def flood():
        with loud.ns.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("g0", 0))
            ns = bytes.fromhex("333300000001" + loud.mac.replace(":", "") + "0806" + "0001080006040001" +
                               loud.mac.replace(":", "") + "c000020a" + "000000000000" + "c0000201")
            while not stop.is_set():
                for _ in range(50):
                    s.send(ns + bytes(18))
                stop.wait(0.001)
    t = threading.Thread(target=flood)
    t.start()
    try:
        stop.wait(0.3)
        number = iter(range(0xabcd, 0xabd0))

        def heard():
            address = f"2001:db8:5::{next(number):x}"
            calm.ns.ip("addr", "add", address + "/64", "dev", "g0", "nodad")
            wait(lambda: group_of(address) in joined(o, "macvtap1"), 1.5, "the other one is heard")
        promised(heard)
        for i in range(8):      # one or the other has luck
            loud.ns.ip("addr", "add", f"2001:db8:5::{i}:ace{i}/64", "dev", "g0", "nodad")
            stop.wait(0.2)
        stop.wait(1.2)  # longer than reports are repeated
    finally:
        stop.set()
        t.join()
    wait(lambda: {group_of(f"2001:db8:5::{i}:ace{i}") for i in range(8)} <= joined(o, "macvtap0"), 12, "what was lost of it was asked for")
    # The engine is away for a while, and the ring full: nothing tells of what another said, nor does that one say more.
    engine = o.sixtap.processes()["engine"]
    stop.clear()
    os.kill(engine, signal.SIGSTOP)
    try:
        t = threading.Thread(target=flood)
        t.start()
        time.sleep(5)       # four shares, and a little
        calm.ns.ip("addr", "add", "2001:db8:5::dcba/64", "dev", "g0", "nodad")
        time.sleep(2.5)     # longer than reports are repeated
    finally:
        stop.set()
        t.join()
        os.kill(engine, signal.SIGCONT)
    wait(lambda: group_of("2001:db8:5::dcba") in joined(o, "macvtap1"), 12, "all are asked")


@pytest.mark.parametrize("env", [{}, {"SIXTAP_HEAR": "socket"}])
def test_what_others_take_away(office, env):
    """Groups and all-multicast that somebody ends are joined again; what somebody else joined stays when we leave."""
    o = office
    o.sixtap.env.update(env)
    o.up(**WEB)
    g = o.guest("web", 10, "--no-monitor", addresses=[a + "/64" for a in EXTRAS])
    mine = {group_of("2001:db8:5::10"), *map(group_of, EXTRAS)}
    wait(lambda: mine <= joined(o, "macvtap0"), 14, "its groups")
    look = lambda: o.sixtap("up", "-q")     # as the tick does, sooner
    maddr = lambda what, group: o.host.ip("maddr", what, group, "dev", "macvtap0")
    o.host.ip("maddr", "add", "33:33:00:00:05:05", "dev", "macvtap0")
    maddr("add", "33:33:00:00:05:06")

    def taken():
        for a in EXTRAS:
            o.host.ip("maddr", "del", group_of(a), "dev", "macvtap0", check=False)
        maddr("del", "33:33:00:00:05:06")       # the filter is one step behind when a group is left (docs/macvtap.md)
        assert deaf(o)
    promised(taken, lambda: maddr("add", "33:33:00:00:05:06"))      # the daemon's own look may come in between
    look()
    assert mine <= joined(o, "macvtap0") and not deaf(o)
    # All of them: it might be another device of that index.
    for group in joined(o, "macvtap0") - {"33:33:00:00:05:05"}:
        maddr("del", group)
    look()
    assert mine <= joined(o, "macvtap0")
    g.ns.ip("addr", "add", "2001:db8:5::79/64", "dev", "g0", "nodad")
    wait(lambda: group_of("2001:db8:5::79") in joined(o, "macvtap0"), 14, "it is heard")

    flags = lambda: o.host.links()["macvtap0"]["flags"]
    o.up(**WEB, macvtap={"multicast": "all"})
    o.host.ip("link", "set", "macvtap0", "allmulticast", "off")
    wait(lambda: "ALLMULTI" in flags(), 10, "the kernel tells of it")
    o.host.ip("link", "set", "macvtap0", "allmulticast", "off")     # an insistent one waits for the tick
    o.up(**WEB, macvtap={"multicast": "off"})
    assert "ALLMULTI" not in flags() and joined(o, "macvtap0") == {"33:33:00:00:05:05"}
    # Somebody else had switched it on; it is ours when he ends it, and goes with the setting.
    o.host.ip("link", "set", "macvtap0", "allmulticast", "on")
    o.up(**WEB, macvtap={"multicast": "all"})
    o.host.ip("link", "set", "macvtap0", "allmulticast", "off")
    wait(lambda: "ALLMULTI" in flags(), 10, "we need it all the same")
    o.up(**WEB, macvtap={"multicast": "off"})
    assert "ALLMULTI" not in flags()
