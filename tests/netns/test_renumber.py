# SPDX-License-Identifier: GPL-2.0-or-later
"""A network gets other prefixes while guests use it: the old ones drain, and nobody loses a packet by it."""
import contextlib, glob, ipaddress, json, os, re, signal, sqlite3, time
import pytest
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, Who, alive, wait
from libnet import GW4, GW6, LAN, NET4, NET6, WEB4, WEB6, WEB_MAC, Flow, merged
from test_endure_traffic import Stream

NEW_GW4, NEW_GW6, NEW_WEB4, NEW_WEB6 = "10.77.0.1", "fd12:8848:a2a2:77::1", "10.77.0.10", "fd12:8848:a2a2:77::10"
NEW4, NEW6 = ipaddress.ip_network("10.77.0.0/24"), ipaddress.ip_network("fd12:8848:a2a2:77::/64")
NEW = {"mode": "nat", "domain": "lan",
       "ipv4": {"address": NEW_GW4 + "/24", "dhcp": "10.77.0.100-10.77.0.199"},
       "ipv6": {"address": NEW_GW6 + "/64", "dhcp": "fd12:8848:a2a2:77::100-fd12:8848:a2a2:77::1ff"},
       "guests": {"web": {"mac": WEB_MAC, "ipv4": NEW_WEB4, "ipv6": NEW_WEB6, "forward": ["8080:80", "8053:53/udp"]}}}
DHCPCD = "clientid\noption domain_name_servers\nrequire dhcp_server_identifier\nnohook resolv.conf, hostname, ntp\n"


def of(guest, net, family):
    return [a for a in guest.addr(family) if ipaddress.ip_address(a) in net]


def dhcpcd(guest, *argv, log="dhcpcd"):
    """dhcpcd's folders are compiled in: ours are put over them in a mount namespace of its own."""
    run = os.path.join(guest.lab.dir, f"{guest.short}-dhcpcd")
    for d in ("run", "db"):
        os.makedirs(f"{run}/{d}", exist_ok=True)
    with open(f"{run}/conf", "w") as f:
        f.write(DHCPCD)
    os.makedirs("/run/dhcpcd", exist_ok=True)
    return guest.popen("unshare", "-m", "sh", "-c",
                       f"mount --bind {run}/run /run/dhcpcd; mount --bind {run}/db /var/lib/dhcpcd; "
                       f"exec dhcpcd -B -d --script /bin/true -f {run}/conf eth0", log=f"{guest.short}-{log}")


def draining(world):
    return {d["address"]: d for d in world.sixtap.network().get("draining", [])}


def kill_all(world):
    """kill -9 of everything, as if the machine's memory were lost but for the kernel's."""
    old = world.sixtap.processes()
    for pid in [old["monitor"], *old.values()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait(lambda: not any(alive(p) for p in old.values()), 15, "all are dead")


def records(world, kind):
    return glob.glob(os.path.join(world.sixtap.run_dir, "**", "state", kind, "*.json"), recursive=True)


def end_times(world, seconds):
    """While the daemon is dead: what drains ends soon. Hours pass for leases, and for what guests made of the prefix."""
    for path in records(world, "drain"):
        with open(path) as f:
            o = json.load(f)
        o["until"] = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + seconds * 10**9
        with open(path, "w") as f:
            json.dump(o, f)
    path, = [p for p in glob.glob(os.path.join(world.sixtap.state_dir, "**", "*.db"), recursive=True)]
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE lease SET expires = ?", (int(time.time()) + seconds,))
        db.commit()


def gone(world, *gateways):
    """No address, no rule, no record of an old gateway."""
    addresses = [a["local"] for f in (4, 6) for a in world.host.addresses("lan", f)]
    rules = world.host.run("nft", "list", "ruleset").stdout
    return not set(gateways) & set(addresses) and not any(re.search(re.escape(g) + r"\b(?!:)", rules) for g in gateways)


@pytest.fixture
def guests(lan):
    """a: dhclient and SLAAC; b: dhcpcd for both families; web, declared, with forwards: dhclient of both families."""
    lan.configure(merged(LAN, lease="30m"))
    lan.up()
    a, b, web = lan.guest("a"), lan.guest("b", accept_ra=0), lan.guest("web", WEB_MAC)
    a.dhclient(4)
    dhcpcd(b)
    web.dhclient(4)
    web.dhclient(6)
    Who(web, patience=60)       # connections are held open for a while
    for g in (a, b, web):
        wait(lambda: of(g, NET4, 4) and of(g, NET6, 6), 40, f"{g.short} has addresses of both families")
    wait(lambda: len([x for x in b.addr(6) if ipaddress.ip_address(x) in NET6]) >= 2, 40, "b has DHCPv6 and SLAAC")
    assert WEB4 in web.addr(4) and WEB6 in web.addr(6)
    return a, b, web


class Held:
    """A connection through the host's port to the guest, held open."""

    def __init__(self, world, address, port):
        self.s = world.outside.socket(10 if ":" in address else 2)
        self.s.settimeout(20)
        self.s.connect((address, port))

    def finish(self):
        with self.s:
            self.s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while part := self.s.recv(4096):
                data += part
        return data.partition(b"\r\n\r\n")[2].decode().split(" ")[0]


def test_under_traffic(lan, guests):
    a, b, web = guests
    pings = [Flow(a, OUTSIDE4), Flow(b, OUTSIDE4), Flow(a, GW4), Flow(web, GW6), Flow(a, OUTSIDE6), Flow(b, a.addr(4)[0])]
    streams = [Stream(a, lan.outside, OUTSIDE4), Stream(web, lan.outside, OUTSIDE6)]
    lan.configure(NEW)
    plan = lan.sixtap.json("plan")
    assert not [c for c in plan["changes"] if c["action"] == "remove"], plan
    assert lan.up()["changed"]
    assert lan.up()["changed"] is False, "a second plan is empty"

    # What drains is said, and who holds it.
    d = draining(lan)
    assert set(d) == {GW4 + "/24", GW6 + "/64"}, d
    assert d[GW4 + "/24"]["leases"] == 3 and 1500 < d[GW4 + "/24"]["expires"] <= 1800
    assert d[GW6 + "/64"]["leases"] == 2 and 3000 < d[GW6 + "/64"]["expires"] <= 3600
    text = lan.sixtap("status").stdout
    assert f"{GW4}/24 is draining: 3 leases, at most " in text and f"{GW6}/64 is draining: " in text, text

    # The kernel's guest prefers the new prefix at once, and keeps the old one.
    def preferred():
        new = [x for x in a.addresses("eth0", 6) if ipaddress.ip_address(x["local"]) in NEW6]
        old = [x for x in a.addresses("eth0", 6) if ipaddress.ip_address(x["local"]) in NET6]
        return new and old and all(x.get("deprecated") for x in old) and not any(x.get("deprecated") for x in new) and old
    old = wait(preferred, 20, "the old address is deprecated, the new one isn't")
    assert 3000 < old[0]["valid_life_time"] <= 3600
    assert ipaddress.ip_address(a.run("ip", "-6", "route", "get", OUTSIDE6).stdout.split(" src ")[1].split()[0]) in NEW6

    # The old addresses work as before: out, in by forwards, DNS at the old gateway, from guest to guest.
    assert a.fetch(OUTSIDE4, 80, source=of(a, NET4, 4)[0]) and a.fetch(OUTSIDE6, 80, source=of(a, NET6, 6)[0])
    assert [lan.outside.fetch(x, 8080).split(" ")[0] for x in (UPLINK4, lan.host6()[0])] == ["web", "web"]
    assert a.fetch(UPLINK4, 8080).startswith("web"), "from another guest"
    assert a.dig("web.lan", server=GW4) and a.dig("gateway.lan", server=GW4) == [NEW_GW4]
    held = [Held(lan, UPLINK4, 8080), Held(lan, lan.host6()[0], 8080)]

    # Nobody may take the old gateway's address, nor a guest's.
    for victim in (GW4, of(b, NET4, 4)[0]):
        a.run("arping", "-U", "-c", "3", "-w", "1", "-I", "eth0", "-s", victim, victim, check=False)
    assert a.mac not in [n.get("lladdr") for n in web.ipj("neigh", "show", GW4)]
    assert a.fetch(OUTSIDE4, 80)

    # Dead and back: from records, leases and the kernel.
    for how in ("main", "engine", "all"):
        before = lan.sixtap.processes()
        if how == "all":
            kill_all(lan)
            lan.sixtap("up", "-q")
        else:
            os.kill(before[how], signal.SIGKILL)
            wait(lambda: lan.sixtap.processes().get(how, before[how]) != before[how], 20, f"another {how}")
        wait(lambda: lan.sixtap.network()["state"] == "up", 20, "the network is served again")
        wait(lambda: {k: v.get("leases") for k, v in draining(lan).items()}.get(GW4 + "/24") == 3, 10, f"{how}: three leases are known")
        assert set(draining(lan)) == {GW4 + "/24", GW6 + "/64"}, (how, draining(lan))
    assert [h.finish() for h in held] == ["web", "web"]
    lost = [(f.address, *f.stop()) for f in pings]
    assert all(l == 0 for _, l, _ in lost), lost
    assert max(s.stop() for s in streams) < 0.2, "a segment was lost"

    # One after the other renews: a NAK, and the new address at once. The flows of the old IPv6 addresses go on.
    six = Stream(web, lan.outside, OUTSIDE6)
    a.dhclient(4)
    assert of(a, NEW4, 4), a.client_log
    assert "DHCPNAK" in a.client_log
    run = os.path.join(lan.lab.dir, "b-dhcpcd")
    b.run("unshare", "-m", "sh", "-c", f"mount --bind {run}/run /run/dhcpcd; mount --bind {run}/db /var/lib/dhcpcd; "
          "exec dhcpcd -n eth0")
    wait(lambda: of(b, NEW4, 4) and not of(b, NET4, 4), 40, "b has moved, IPv4")
    wait(lambda: of(b, NEW6, 6) and of(b, NET6, 6), 40, "b has both, IPv6")
    assert draining(lan)[GW4 + "/24"]["leases"] == 1
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web"), "web still has only its old address"
    for g in (a, web):
        g.ip("-4", "addr", "flush", "to", str(NET4), "dev", "eth0")     # as every client's own script does
    web.dhclient(4)
    assert web.addr(4) == [NEW_WEB4], web.client_log
    wait(lambda: GW4 + "/24" not in draining(lan), 15, "nobody has an old IPv4 address")
    wait(lambda: gone(lan, GW4), 15, "the old gateway is gone")
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web"), "the forward has moved along"
    assert six.stop() < 0.2
    assert a.fetch(OUTSIDE6, 80, source=of(a, NET6, 6)[0]), "IPv6 drains still"

    # IPv6: when the last lifetime is over, nothing is left of it.
    kill_all(lan)
    end_times(lan, 8)
    lan.sixtap("up", "-q")
    assert GW6 + "/64" in draining(lan)
    os.kill(lan.sixtap.processes()["main"], signal.SIGHUP)
    wait(lambda: not draining(lan), 40, "nothing drains any more")
    wait(lambda: gone(lan, GW4, GW6), 15, "the old gateway is gone")
    assert not records(lan, "drain") and lan.up()["changed"] is False


def test_again_and_back(lan):
    """A second change while the first drains, back to the first, and `down` in the middle."""
    third = merged(NEW, ipv4={"address": "10.78.0.1/24"}, ipv6={"address": "fd12:8848:a2a2:78::1/64"},
                   guests={"web": {"mac": WEB_MAC}})
    a, b = lan.guest("a"), lan.guest("b")
    a.dhclient(4)
    a.slaac()
    flow = Flow(a, OUTSIDE4)
    lan.configure(NEW)
    lan.up()
    b.dhclient(4)
    lan.configure(third)
    lan.up()
    assert set(draining(lan)) == {GW4 + "/24", GW6 + "/64", NEW_GW4 + "/24", NEW_GW6 + "/64"}
    assert draining(lan)[GW4 + "/24"]["leases"] == 1 and draining(lan)[NEW_GW4 + "/24"]["leases"] == 1
    assert a.fetch(OUTSIDE4, 80) and b.fetch(OUTSIDE4, 80)
    with pytest.raises(Exception):
        lan.sixtap("up", "-q", "nosuch")
    # Somebody else can't have what is still in use.
    lan.configure(lan=third, other={"mode": "isolated", "ipv4": {"address": "192.168.150.9/24"}, "ipv6": "off"})
    p = lan.sixtap("up", check=False)
    assert p.returncode == 2 and "renumbered" in p.stderr, p.stderr
    lan.configure(LAN)
    lan.up()
    assert set(draining(lan)) == {NEW_GW4 + "/24", NEW_GW6 + "/64", "fd12:8848:a2a2:78::1/64"}, "10.78 was nobody's"
    assert a.dhclient(4) and "DHCPNAK" not in a.client_log, "its address is good again"
    assert of(a, NET4, 4)
    wait(lambda: [x for x in a.addresses("eth0", 6) if ipaddress.ip_address(x["local"]) in NET6 and not x.get("deprecated")],
         20, "and its IPv6 address is preferred again")
    lost, _ = flow.stop()
    assert lost == 0
    # The gateway alone moves inside its subnet: guests know the old one until they renew.
    lan.configure(merged(LAN, ipv4__address="192.168.150.254/24"))
    lan.up()
    assert draining(lan)[GW4 + "/24"]["leases"] == 1 and a.ping(GW4) and a.ping("192.168.150.254")
    lan.sixtap("down", "-q")
    assert not records(lan, "drain") and "lan" not in lan.host.links()


def test_nobody_there(lan):
    """Without guests there is nobody to wait for."""
    lan.configure(NEW)
    lan.up()
    assert not draining(lan) and gone(lan, GW4, GW6) and not records(lan, "drain")


def test_a_guest_that_sleeps(lan):
    """Saved to disk while its network is renumbered, it wakes up with its lease, and asks nobody."""
    a = lan.guest("a", accept_ra=0)
    a.dhclient(4)
    a.dhclient(6)
    old = wait(lambda: of(a, NET4, 4) and of(a, NET6, 6) and of(a, NET4, 4), 20, "addresses of both families")
    lan.host.ip("link", "set", a.port, "nomaster")
    lan.configure(NEW)
    lan.up()
    d = draining(lan)
    assert d[GW4 + "/24"]["leases"] == 1 and d[GW6 + "/64"]["leases"] == 1, d
    kill_all(lan)
    lan.sixtap("up", "-q")
    lan.host.ip("link", "set", a.port, "master", "lan")
    assert wait(lambda: a.fetch(OUTSIDE4, 80, source=old[0]), 15, "IPv4 goes on")
    assert set(draining(lan)) == {GW4 + "/24", GW6 + "/64"}
    a.dhclient(4)
    wait(lambda: GW4 + "/24" not in draining(lan), 15, "it has moved")
