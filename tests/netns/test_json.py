# SPDX-License-Identifier: GPL-2.0-or-later
"""Every --json answer has the contract's shape."""
import json
from libnet import LAN, WEB4, WEB6, WEB_MAC, ip_, mac_, merged, prefix_, shape

FORWARD = {"spec": str, "state": ("active", "waiting"), "runtime?": bool}
GUEST = {"name": str, "mac": mac_, "device?": str, "state": ("declared", "attached"), "ipv4?": list, "ipv6?": list,
         "forwards?": [FORWARD]}
NETWORK = {"name": str, "mode": ("nat", "isolated", "bridge"), "state": ("up", "down", "degraded"), "device?": str,
           "uplink?": str, "ipv4?": {"address": prefix_},
           "ipv6?": {"address": prefix_, "source": ("static", "ula", "delegated", "on-link"), "nat": bool, "because?": [str]},
           "guests?": [GUEST]}
CHANGE = {"object": str, "action": ("create", "change", "remove"), "what": str, "why?": str}
STATUS = {"version": (1,), "daemon?": {"pid": int, "uptime": float}, "networks": [NETWORK]}
UP = {"version": (1,), "changed": bool, "changes": [CHANGE], "networks": [NETWORK]}
LEASE = {"network": str, "guest?": str, "mac": mac_, "address": ip_, "expires": float, "client_id?": str, "duid?": str,
         "iaid?": int}


def test_up_status_down(world):
    shape(world.sixtap.json("plan"), {"version": (1,), "changes": [CHANGE]})
    up = world.up()
    shape(up, UP)
    [lan] = up["networks"]
    assert lan["name"] == "lan" and lan["state"] == "up" and lan["uplink"] == "eth0" and lan["device"] == "lan"
    status = world.sixtap.json("status")
    shape(status, STATUS)
    assert "daemon" in status
    [lan] = status["networks"]
    assert lan["ipv4"] == {"address": "192.168.150.1/24"}
    assert lan["ipv6"]["address"] == "fd12:8848:a2a2:1::1/64" and lan["ipv6"]["source"] == "static" and lan["ipv6"]["nat"] is True
    [web] = lan["guests"]
    assert web["name"] == "web" and web["mac"] == WEB_MAC and web["state"] == "declared"
    assert {f["spec"] for f in web["forwards"]} == {"8080:80/tcp", "8053:53/udp"}
    down = world.sixtap.json("down")
    shape(down, {"version": (1,), "changed": bool, "changes": [CHANGE]})
    assert down["changed"] is True


def test_status_without_a_daemon(world):
    p = world.sixtap("--json", "status", check=False)
    assert p.returncode == 1
    answer = json.loads(p.stdout)
    shape(answer, {"version": (1,), "errors": [{"what": str, "help?": str}]})
    assert "sixtap up" in answer["errors"][0]["help"]


def test_leases_and_guests(lan):
    shape(lan.sixtap.json("leases"), {"version": (1,), "leases": [LEASE]})
    web, g = lan.guest("web", WEB_MAC), lan.guest("g1")
    for x in (web, g):
        x.udhcpc("-x", "hostname:" + x.short)
        x.dhclient(6)
    answer = lan.sixtap.json("leases")
    shape(answer, {"version": (1,), "leases": [LEASE]})
    mine = {l["address"]: l for l in answer["leases"]}
    assert mine[WEB4]["guest"] == "web" and mine[WEB6]["guest"] == "web" and mine[WEB6]["duid"]
    assert len(answer["leases"]) == 4
    guests = lan.sixtap.json("guests")
    shape(guests, {"version": (1,), "guests": [dict(GUEST, network=str)]})
    found = next(x for x in guests["guests"] if x["name"] == "web")
    assert found["network"] == "lan" and WEB4 in str(found["ipv4"]) and WEB6 in str(found["ipv6"])
    assert any(x["mac"] == g.mac for x in guests["guests"]), "a guest that somebody else runs is seen, too"


def test_check(world):
    shape(world.sixtap.json("check"), {"version": (1,)})


def test_bridge_and_isolated(world):
    world.host.ip("link", "add", "br0", "type", "bridge")
    world.host.ip("link", "set", "br0", "up")
    world.found = world.state()
    world.configure(office={"mode": "bridge", "bridge": "br0"}, lab={"mode": "isolated", "ipv4": {"address": "10.9.0.1/24"}})
    shape(world.up(), UP)
    status = world.sixtap.json("status")
    shape(status, STATUS)
    by = {n["name"]: n for n in status["networks"]}
    assert by["office"]["device"] == "br0" and by["office"]["mode"] == "bridge" and by["lab"]["mode"] == "isolated"
