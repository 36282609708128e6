# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of each process: guests notice nothing, no lease is lost, everything works again."""
import contextlib, os, signal
import pytest
from lab import OUTSIDE4, OUTSIDE6, OUTSIDE_NAME, UPLINK4, Who, alive, wait
from libnet import GW4, GW6, LAN, WEB4, WEB6, WEB_MAC, Flow, merged

ROLES = ("monitor", "main", "engine", "resolver")


def all_four(world):
    return wait(lambda: (lambda p: p if set(p) == set(ROLES) else None)(world.sixtap.processes()), 30, "all four processes run")


def test_four_processes(lan):
    p = all_four(lan)
    status = lan.sixtap.json("status")
    assert status["daemon"]["pid"] in p.values() and status["daemon"]["uptime"] >= 0


@pytest.mark.parametrize("role", ROLES)
def test_kill(lan, role):
    web = lan.static_guest()
    Who(web, 80)
    g = lan.guest("g1")
    a4, a6 = g.udhcpc(), g.dhclient(6)
    known = lambda: sorted((l["address"], l["mac"]) for l in lan.sixtap.json("leases")["leases"])
    wait(lambda: {a4, a6} <= {l[0] for l in known()}, 10, "main knows both leases")
    leases = known()
    before = all_four(lan)
    index = lan.host.links()["lan"]["ifindex"]
    flows = [Flow(web, GW4), Flow(web, OUTSIDE6)]

    os.kill(before[role], signal.SIGKILL)
    wait(lambda: not alive(before[role]), 15, "it is dead")
    if role == "monitor":
        lan.up()            # nobody starts a monitor but `up`
    after = all_four(lan)
    assert after[role] != before[role]
    wait(lambda: lan.sixtap.network()["state"] == "up", 20, "the network is served again")

    for f in flows:
        lost, sent = f.stop()
        assert lost == 0, f"{lost} of {sent} pings of {f.address} were lost"
    assert lan.host.links()["lan"]["ifindex"] == index
    wait(lambda: known() == leases, 10, "all leases are known")
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web")
    # All services again: for a new guest, and for one that renews.
    n = lan.guest("g2")
    assert n.udhcpc() not in (a4, WEB4)
    assert n.dhclient(6) not in (a6, WEB6)
    n.slaac()
    assert g.udhcpc() == a4
    wait(lambda: n.dig(OUTSIDE_NAME) == [OUTSIDE4], 20, "DNS answers")
    wait(lambda: lan.up()["changes"] == [], 15, "`up` has nothing to change")   # guards learn of new leases a moment later


def test_hang(lan):
    """A process that hangs doesn't end by itself: what it leaves unread gives it away."""
    before = all_four(lan)
    hung = {role: before[role] for role in ("engine", "resolver")}
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        other = {"mac": "52:54:00:00:77:77", "ipv4": GW4.rpartition(".")[0] + ".77"}
        lan.configure(merged(LAN, lease="30m", guests=dict(LAN["guests"], other=other)))
        up = lan.host.popen(*lan.sixtap.argv("up"), log="up", env=lan.sixtap.env)
        after = wait(lambda: (lambda p: p if set(p) == set(ROLES) and not set(p.values()) & set(hung.values()) else None)
                     (lan.sixtap.processes()), 120, "others run in their place")
    finally:
        for pid in hung.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert after["main"] == before["main"] and after["monitor"] == before["monitor"]
    wait(lambda: up.poll() is not None, 60, "`up` ends")
    assert lan.up()["changes"] == []
    n = lan.guest("other", other["mac"])
    assert n.udhcpc() == other["ipv4"]
    assert wait(lambda: n.dig("other.lan"), 20, "DNS answers") == [other["ipv4"]]


def test_kill_all_four_at_once(lan):
    """As a power cut of the daemon: `up` finds everything as it was."""
    web = lan.static_guest()
    g = lan.guest("g1")
    a4 = g.udhcpc()
    flow = Flow(web, OUTSIDE4)
    pids = all_four(lan).values()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not any(alive(p) for p in pids), 15, "all are dead")
    lan.up()
    all_four(lan)
    lost, sent = flow.stop()
    assert lost == 0, f"{lost} of {sent} lost"
    wait(lambda: a4 in [l["address"] for l in lan.sixtap.json("leases")["leases"]], 10, "its lease is known")
    assert g.udhcpc() == a4


def test_leases_outlive_down(lan):
    """Leases are durable state: after down and up a guest gets its address again, others don't."""
    g = lan.guest("g1")
    a4 = g.udhcpc()
    lan.sixtap("down")
    wait(lambda: not lan.sixtap.processes(), 20, "the daemon ends")
    lan.up()
    lan.host.ip("link", "set", g.port, "master", "lan", "up")
    assert lan.guest("g2").udhcpc() != a4
    assert g.udhcpc() == a4


def test_engine_that_keeps_dying_doesnt_take_others_with_it(lan):
    web = lan.static_guest()
    flow = Flow(web, OUTSIDE4)
    for _ in range(4):
        p = wait(lambda: lan.sixtap.processes().get("engine"), 30, "an engine")
        os.kill(p, signal.SIGKILL)
        wait(lambda: not alive(p), 15, "dead")
    main = lan.sixtap.processes()["main"]
    wait(lambda: "engine" in lan.sixtap.processes(), 40, "an engine again")
    assert lan.sixtap.processes()["main"] == main
    lost, sent = flow.stop()
    assert lost == 0, f"{lost} of {sent} lost"


def test_goodbye_on_down(lan):
    """The last RA has lifetime 0: guests drop the default route at once."""
    g = lan.guest("g1")
    g.slaac()
    assert g.default_route(6)
    lan.sixtap("down")
    wait(lambda: not g.default_route(6), 15, "the guest's default route is gone")


def test_prefix_that_leaves_the_config_is_deprecated(lan):
    """Guests stop preferring the old prefix and take the new one."""
    g = lan.guest("g1")
    old = g.slaac()
    lan.configure(merged(LAN, ipv6={"address": "fd12:8848:a2a2:7::1/64"}, guests=None))
    lan.up()
    wait(lambda: any(a.startswith("fd12:8848:a2a2:7:") for a in g.addr(6)), 25, "an address of the new prefix")

    def deprecated():
        return [a for a in g.addresses("eth0", 6) if a["local"] == old and a.get("deprecated")]
    wait(deprecated, 15, "the old address is deprecated")


def test_uplink_that_goes_and_comes(lan):
    """The cable is pulled: guests keep their network, and the outside comes back with the uplink."""
    web = lan.static_guest()
    db = lan.guest("g1")
    db.udhcpc()
    flow = Flow(web, GW4)
    lan.host.ip("link", "set", "eth0", "down")
    wait(lambda: not web.ping(OUTSIDE4, timeout=1), 15, "outside is away")
    lan.host.ip("link", "set", "eth0", "up")
    lan.host.ip("route", "replace", "default", "via", "198.51.100.1", "dev", "eth0")
    wait(lambda: web.ping(OUTSIDE4, timeout=1), 20, "outside is back on IPv4")
    wait(lambda: web.ping(OUTSIDE6, timeout=1), 40, "outside is back on IPv6")
    lost, sent = flow.stop()
    assert lost == 0, f"{lost} of {sent} lost"
