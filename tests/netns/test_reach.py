# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reaches whom: the contract's table, each arrow tried with real sockets on both families."""
import socket
import pytest
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, Who, wait
from libnet import GW4, GW6, HOST_PORT, LAN, WEB4, WEB6, WEB_MAC, merged

DB4, DB6, DB_MAC = "192.168.150.11", "fd12:8848:a2a2:1::11", "52:54:00:12:34:57"
TWO = merged(LAN, guests__db={"mac": DB_MAC, "ipv4": DB4, "ipv6": DB6})


def pair(world, net=TWO, **others):
    """The network is up, and its two declared guests and the host answer on TCP and UDP."""
    world.configure(net, **others)
    world.up()
    web, db = world.static_guest(), world.static_guest("db", DB_MAC, DB4, DB6)
    for ns in (web, db):
        Who(ns, 80)
    Who(world.host, HOST_PORT)
    return web, db


def reaches(ns, name, port, *addresses, seen=None):
    """TCP and UDP on every address; @seen: whom the other side must see."""
    for a in addresses:
        for how, answer in (("TCP", ns.fetch(a, port)), ("UDP", ns.ask(a, port))):
            who, _, peer = answer.partition(" ")
            assert who == name, f"{how} {ns.short} → {a}:{port}: {answer or 'no answer'}"
            if seen:
                assert peer in seen, f"{how} {ns.short} → {a}:{port}: seen as {peer}, not {seen}"


def blocked(ns, port, *addresses):
    for a in addresses:
        assert ns.fetch(a, port, timeout=0.7) == "", f"TCP {ns.short} → {a}:{port} is open"
        assert ns.ask(a, port, timeout=0.4) == "", f"UDP {ns.short} → {a}:{port} is open"


def route_to_guests(world):
    """What a neighbour on the uplink would do to get in: send it to the host."""
    world.outside.ip("route", "add", "192.168.150.0/24", "via", "203.0.113.1")
    world.outside.ip("-6", "route", "add", "fd12:8848:a2a2:1::/64", "via", "2001:db8:ffff::1")
    world.router.ip("route", "add", "192.168.150.0/24", "via", UPLINK4)
    world.router.ip("-6", "route", "add", "fd12:8848:a2a2:1::/64", "via", world.host6()[0])


def test_nat(world):
    web, db = pair(world)
    route_to_guests(world)
    reaches(web, "db", 80, DB4, DB6, seen=[WEB4, WEB6])                         # guest ↔ guest
    reaches(web, "host", HOST_PORT, GW4, GW6, UPLINK4, world.host6()[0])        # guest → host
    reaches(world.host, "web", 80, WEB4, WEB6)                                  # host → guest
    reaches(web, "outside", 80, OUTSIDE4, seen=[UPLINK4])                       # guest → outside, translated
    reaches(web, "outside", 80, OUTSIDE6, seen=world.host6())
    assert web.ping(OUTSIDE4) and web.ping(OUTSIDE6)
    blocked(world.outside, 80, WEB4, WEB6)                                      # outside → guest
    assert not world.outside.ping(WEB4, timeout=1) and not world.outside.ping(WEB6, timeout=1)


@pytest.mark.parametrize("access", ["services", "no"])
def test_nat_host_access(world, access):
    web, db = pair(world, merged(TWO, host_access=access))
    reaches(web, "db", 80, DB4, DB6)
    reaches(web, "outside", 80, OUTSIDE4, OUTSIDE6)
    blocked(web, HOST_PORT, GW4, GW6, UPLINK4, world.host6()[0])
    reaches(world.host, "web", 80, WEB4, WEB6)
    out = web.run("dig", "@" + GW4, "web.lan", "+short", "+time=1", "+tries=1", check=False).stdout
    if access == "services":
        assert out.strip() == WEB4 and web.ping(GW4) and web.ping(GW6)
        g = world.guest("g1")
        assert g.udhcpc() and g.dhclient(6) and g.slaac()
    else:
        assert WEB4 not in out and not web.ping(GW4, timeout=1)
        g = world.guest("g1")
        g.slaac()


def test_isolated(world):
    net = merged(TWO, mode="isolated", host_access=None)
    net["guests"]["web"].pop("forward")
    world.configure(net)
    world.up()
    web, db = world.guest("web", WEB_MAC), world.guest("db", DB_MAC)
    for g, v4, v6 in ((web, WEB4, WEB6), (db, DB4, DB6)):
        assert g.udhcpc() == v4 and g.dhclient(6) == v6
        Who(g, 80)
    Who(world.host, HOST_PORT)
    wait(lambda: web.fetch(DB6, 80, 1), 15, "DAD of the other guest")
    route_to_guests(world)
    reaches(web, "db", 80, DB4, DB6)
    assert web.default_route(4) == [] and web.default_route(6) == [], "an isolated network offers no default route"
    web.ip("route", "add", "default", "via", GW4)
    web.ip("-6", "route", "add", "default", "via", GW6)
    blocked(web, 80, OUTSIDE4, OUTSIDE6)
    blocked(web, HOST_PORT, GW4, GW6, UPLINK4, world.host6()[0])       # host-access: services
    assert web.ping(GW4) and web.ping(GW6)
    blocked(world.host, 80, WEB4, WEB6)                                 # only answers
    blocked(world.outside, 80, WEB4, WEB6)


def test_isolated_with_host_access(world):
    net = merged(TWO, mode="isolated", host_access=True)
    net["guests"]["web"].pop("forward")
    web, db = pair(world, net)
    reaches(web, "host", HOST_PORT, GW4, GW6)
    reaches(world.host, "web", 80, WEB4, WEB6)
    blocked(web, 80, OUTSIDE4, OUTSIDE6)


def test_isolated_without_host(world):
    """`no`: neighbour discovery and RAs, and nothing else of the host, in either direction."""
    net = merged(TWO, mode="isolated", host_access="no", ipv6__assign="slaac", ipv6__dhcp=None)
    net["guests"]["web"].pop("forward")
    web, db = pair(world, net)
    reaches(web, "db", 80, DB4, DB6)
    blocked(web, HOST_PORT, GW4, GW6)
    assert not web.ping(GW4, timeout=1) and not web.ping(GW6, timeout=1)
    assert web.dig("web.lan") == []
    blocked(world.host, 80, WEB4, WEB6)
    blocked(web, 80, OUTSIDE4, OUTSIDE6)
    g = world.guest("g1")
    assert g.slaac() and g.default_route(6) == []


def test_global_prefix_is_not_translated(world):
    """nat with a global prefix: guests are seen as themselves, and are closed from outside all the same."""
    g6 = "2001:db8:77:2::10"
    net = merged(LAN, ipv6={"address": "2001:db8:77:2::1/64"}, guests={"web": {"mac": WEB_MAC, "ipv6": g6, "forward": ["8080:80"]}})
    world.configure(net)
    world.up()
    assert world.sixtap.network()["ipv6"]["nat"] is False
    world.router.ip("-6", "route", "add", "2001:db8:77:2::/64", "via", world.host6()[0], "dev", "south")
    web = world.guest("web", WEB_MAC)
    assert web.dhclient(6) == g6
    web.slaac()
    Who(web, 80)
    wait(lambda: web.fetch(OUTSIDE6, 80, source=g6) == f"outside {g6}", 15, "it is seen as itself")
    blocked(world.outside, 80, g6)
    assert not world.outside.ping(g6, timeout=1)
    assert world.outside.fetch(world.host6()[0], 8080).startswith("web")


def test_networks_are_apart(world):
    """Neither nat nor isolated guests reach another network of ours, nor what is forwarded to one."""
    other = {"mode": "nat", "ipv4": {"address": "192.168.151.1/24"}, "ipv6": {"address": "fd12:8848:a2a2:2::1/64"}}
    alone = {"mode": "isolated", "host-access": True, "ipv4": {"address": "192.168.152.1/24"},
             "ipv6": {"address": "fd12:8848:a2a2:3::1/64"}}
    web, db = pair(world, TWO, other=other, alone=alone)
    foreign = {}
    for name, net in (("other", 151), ("alone", 152)):
        o = foreign[name] = world.guest(name[0], bridge=name, up=False, accept_ra=0)
        o.ip("addr", "add", f"192.168.{net}.9/24", "dev", "eth0")
        o.ip("addr", "add", f"fd12:8848:a2a2:{net - 149}::9/64", "dev", "eth0", "nodad")
        o.ip("link", "set", "eth0", "up")
        o.ip("route", "add", "default", "via", f"192.168.{net}.1")
        o.ip("-6", "route", "add", "default", "via", f"fd12:8848:a2a2:{net - 149}::1")
        Who(o, 80)
        gateways = (f"192.168.{net}.1", f"fd12:8848:a2a2:{net - 149}::1")
        wait(lambda: all(o.ping(a, timeout=1) for a in gateways), 20, "its gateway answers")
    o, a = foreign["other"], foreign["alone"]
    reaches(o, "outside", 80, OUTSIDE4, OUTSIDE6)
    blocked(a, 80, OUTSIDE4, OUTSIDE6)
    theirs = {"web": (WEB4, WEB6), "o": ("192.168.151.9", "fd12:8848:a2a2:2::9"), "a": ("192.168.152.9", "fd12:8848:a2a2:3::9")}
    for one, me in (("web", web), ("o", o), ("a", a)):
        for them, addresses in theirs.items():
            if them != one:
                blocked(me, 80, *addresses)
    # The forward to web is for outside, the host and its own network.
    assert db.fetch(UPLINK4, 8080).startswith("web")
    for me, gateways in ((o, ("192.168.151.1", "fd12:8848:a2a2:2::1")), (a, ("192.168.152.1", "fd12:8848:a2a2:3::1"))):
        for address in (*gateways, UPLINK4, world.host6()[0], GW4, GW6):
            assert me.fetch(address, 8080, timeout=0.7) == "", f"{me.short} reaches web through {address}"


def test_bridge_mode_is_as_the_lan(world):
    """Mode bridge: an existing bridge with a foreign DHCP server; ours stays silent."""
    host = world.host
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("addr", "add", "192.168.160.1/24", "dev", "br0")
    host.ip("link", "set", "br0", "up")
    world.found = world.state()
    before = host.sysctl("net.ipv4.ip_forward")
    world.configure(office={"mode": "bridge", "bridge": "br0"})
    world.up()
    assert host.sysctl("net.ipv4.ip_forward") == before
    a, b = world.guest("a", bridge="br0"), world.guest("b", bridge="br0")
    for g, n in ((a, 8), (b, 9)):
        g.ip("addr", "add", f"192.168.160.{n}/24", "dev", "eth0")
        Who(g, 80)
    wait(lambda: a.ping("192.168.160.9", timeout=1), 15, "guests reach each other")
    reaches(a, "b", 80, "192.168.160.9")
    assert a.ping("192.168.160.1")
    assert a.default_route(6) == [], "no RA of ours"
    world.sixtap("down")
    assert "br0" in host.links(), "an existing bridge was deleted"


# Port forwards

def test_forward_from_everywhere(world):
    web, db = pair(world)
    Who(web, 53, name="dns")
    v6 = world.host6()[0]
    for ns in (world.outside, world.host, db, web):         # outside, the host itself, another guest, the target itself
        for a in (UPLINK4, v6):
            got = ns.fetch(a, 8080)
            assert got.startswith("web"), f"{ns.short} → {a}:8080: {got or 'no answer'}"
            got = ns.ask(a, 8053)
            assert got.startswith("dns"), f"{ns.short} → {a}:8053/udp: {got or 'no answer'}"
    # From guests also at the gateway's address, which is one of the host's.
    for a in (GW4, GW6):
        assert db.fetch(a, 8080).startswith("web") and world.host.fetch(a, 8080).startswith("web")


def test_forward_keeps_the_source_from_outside(world):
    web, _ = pair(world)
    assert world.outside.fetch(UPLINK4, 8080) == f"web {OUTSIDE4}"
    assert world.outside.fetch(world.host6()[0], 8080) == f"web {OUTSIDE6}"


def test_forward_leaves_others_alone(world):
    """The same port of a machine outside isn't hijacked."""
    web, _ = pair(world)
    Who(world.outside, 8080, name="elsewhere")
    assert web.fetch(OUTSIDE4, 8080).startswith("elsewhere") and web.fetch(OUTSIDE6, 8080).startswith("elsewhere")
    assert world.host.fetch(OUTSIDE4, 8080).startswith("elsewhere")


def test_forward_of_a_range_and_one_address(world):
    v6 = world.host6()[0]
    net = merged(TWO, guests__web__forward=["5000-5009:6000-6009", f"[{v6}]:8443:443", f"{UPLINK4}:8444:444"])
    web, _ = pair(world, net)
    for port in (6000, 6005, 6009, 443, 444):
        Who(web, port, name=f"p{port}")
    for port in (5000, 5005, 5009):
        for a in (UPLINK4, v6):
            assert world.outside.fetch(a, port).startswith(f"p{port + 1000}")
    assert world.outside.fetch(v6, 8443).startswith("p443")
    assert world.outside.fetch(UPLINK4, 8443, timeout=0.7) == ""
    assert world.outside.fetch(UPLINK4, 8444).startswith("p444")
    assert world.outside.fetch(v6, 8444, timeout=0.7) == ""


def test_forward_from_listed_sources_only(world):
    net = merged(TWO, guests__web__forward=[{"port": "8080:80", "from": ["203.0.113.0/24"]},
                                            {"port": "8081:80", "from": ["198.18.0.0/16"]}])
    pair(world, net)
    assert world.outside.fetch(UPLINK4, 8080).startswith("web")
    assert world.outside.fetch(UPLINK4, 8081, timeout=0.7) == ""


def test_forward_to_a_lease_waits_for_it(world):
    """Without a declared address the target is the lease; until there is one, the forward waits and says so."""
    net = merged(LAN, guests={"db": {"mac": DB_MAC, "forward": ["8081:80"]}})
    world.configure(net)
    world.up()
    g = world.sixtap.guest("db")
    assert g["forwards"][0]["spec"] == "8081:80/tcp" and g["forwards"][0]["state"] == "waiting"
    assert world.outside.fetch(UPLINK4, 8081, timeout=0.7) == ""
    db = world.guest("db", DB_MAC)
    db.udhcpc()
    Who(db, 80)
    wait(lambda: world.outside.fetch(UPLINK4, 8081, 1).startswith("db"), 15, "the forward works")
    db.dhclient(6)
    wait(lambda: world.outside.fetch(world.host6()[0], 8081, 1).startswith("db"), 15, "the IPv6 forward works")
    assert world.sixtap.guest("db")["forwards"][0]["state"] == "active"


def test_forward_changes_live(lan):
    web = lan.static_guest()
    Who(web, 80)
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web")
    lan.configure(merged(LAN, guests__web__forward=["8090:80"]))
    lan.up()
    assert lan.outside.fetch(UPLINK4, 8090).startswith("web")
    assert lan.outside.fetch(UPLINK4, 8080, timeout=0.7) == ""


def test_established_connection_survives_a_change(lan):
    """A live connection of a guest goes on while the configuration changes under it."""
    web = lan.static_guest()
    server = lan.outside.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", 9999))
    server.listen(1)
    c = web.socket(socket.AF_INET6)
    c.settimeout(15)
    c.connect((OUTSIDE6, 9999))
    s, _ = server.accept()
    s.settimeout(15)
    for n in range(3):
        lan.configure(merged(LAN, lease=f"{n + 2}m", guests__web__forward=[f"{8100 + n}:80"]))
        lan.up()
        c.sendall(b"x")
        assert s.recv(1) == b"x"
        s.sendall(b"y")
        assert c.recv(1) == b"y"
    for x in (c, s, server):
        x.close()


# Sizes

def test_guest_mtu_is_told(lan):
    g = lan.guest("g1")
    g.slaac()
    assert g.sysctl("net.ipv6.conf.eth0.mtu") == "1500"
    # Packets too big for the uplink come back as such, not as silence.
    lan.host.ip("link", "set", "eth0", "mtu", "1400")
    try:
        p = g.run("ping", "-c", 2, "-W", 2, "-M", "do", "-s", 1400, OUTSIDE6, check=False)
        assert "too big" in p.stdout.lower() or "too long" in (p.stdout + p.stderr).lower(), p.stdout + p.stderr
    finally:
        lan.host.ip("link", "set", "eth0", "mtu", "1500")
