# SPDX-License-Identifier: GPL-2.0-or-later
"""Every --json answer has the contract's shape."""
import json, os, re
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


ERROR = {"what": str, "file?": str, "line?": int, "column?": int, "key?": str, "help?": str}
SLAAC = {"name": str, "handler": ("kernel", "systemd-networkd", "NetworkManager", "dhcpcd", "none"), "manager?": str, "sends_rs": bool,
         "gets_address": bool, "gets_default_route": bool, "because": [{"what": str, "set_by?": str}],
         "addresses": [{"address": ip_, "kind": ("eui64", "stable", "temporary", "static", "dhcp")}], "routers": list}
RA = {"router": ip_, "hop_limit": int, "managed": bool, "other": bool, "lifetime": int, "preference": ("low", "medium", "high"),
      "prefixes": [{"prefix": prefix_, "on_link": bool, "autonomous": bool, "valid": int, "preferred": int}], "mtu?": int,
      "rdnss": list, "dnssl": list, "routes": list, "pref64": list, "mac": mac_, "after": float}
NA = {"address": ip_, "mac": mac_, "router": bool, "solicited": bool, "override": bool, "after": float}
DEST = {"address": ip_, "rank": int, "source?": ip_, "reachable": bool, "label": int, "source_label?": int, "precedence": int,
        "scope": str, "source_scope?": str, "beats_next_by?": {"rule": int, "name": str}}
STEP = {"at": str, "what": str, "verdict": ("pass", "drop", "unknown"), "rule?": str}
FINDING = {"id": str, "severity": ("error", "warning", "info"), "subject": str, "guest?": str, "network?": str, "what": str, "why": str,
           "evidence": dict, "caused_by?": str, "fixable": bool,
           "fix?": [{"way": str, "commands": [str], "lasts": ("live", "until-restart", "reboot-safe")}]}
FORWARDS = [dict(FORWARD, network=str, guest=str)]
# (what, its shape beside "version", exit status), asked one after the other with a guest there
ANSWERS = [
    (["check"], {}, 0), (["plan"], {"changes": [CHANGE]}, 0), (["plan", "--check"], {"changes": [CHANGE]}, 0),
    (["up", "lan"], {"changed": bool, "changes": [CHANGE], "networks": [NETWORK]}, 0), (["status"], STATUS, 0), (["map"], {}, 0),
    (["guests", "lan"], {"guests": [dict(GUEST, network=str)]}, 0), (["leases"], {"leases": [LEASE]}, 0),
    (["forward", "list"], {"forwards": FORWARDS}, 0), (["forward", "add", "lan/web", "9000:90"], {"changed": bool, "forwards": FORWARDS}, 0),
    (["forward", "del", "lan/web", "9000:90"], {"changed": bool}, 0), (["forward", "del", "lan/web", "9000:90"], {"errors": [ERROR]}, 1),
    (["slaac"], {"interfaces": [SLAAC]}, 0), (["slaac", "eth0"], {"interfaces": [SLAAC]}, 0), (["slaac", "no0"], {"errors": [ERROR]}, 1),
    (["rs", "eth0"], {"advertisements": [RA], "kernel": dict}, 0),
    (["rs", "p-web", "--count", "1", "--wait", "0.2"], {"errors": [ERROR]}, 1),
    (["ns", WEB6], {"advertisements": [NA]}, 0), (["ns", "fd12:8848:a2a2:1::77", "--count", "1", "--wait", "0.2"],
                                                  {"advertisements": [NA], "errors": [ERROR]}, 1),
    (["addrsel", "2001:db8:1::1", "192.0.2.1", "--advise", "ipv6"],
     {"destinations": [DEST], "gai_conf": {"file?": str, "labels": ("default", "custom"), "precedences": ("default", "custom")},
      "advice?": [str]}, 0),
    (["addrsel", "no.invalid"], {"errors": [ERROR]}, 1),
    (["doctor"], {"checked": int, "unchecked": [{"id": str, "because": [str]}], "findings": [FINDING]}, 0),
    (["doctor", "no-such-subject"], {"errors": [ERROR]}, 2), (["doctor", "--explain", "list"], {"ids": [str]}, 0),
    (["doctor", "--explain", "ra.ignored-forwarding"], {"id": str, "text": str}, 0),
    (["path", "lan/web", "outside", "443"], {"steps": [STEP], "verdict": ("pass",), "answer": {"steps": [STEP]}}, 0),
    (["path", "lan/web", "nowhere"], {"errors": [ERROR]}, 2), (["export", "qemu", "lan/web"], {"lines": [str]}, 0),
    (["export", "qemu", "lab/web"], {"errors": [ERROR]}, 2), (["adopt", "eth0"], {"errors": [ERROR]}, 1),
    (["release", "eth0"], {"errors": [ERROR]}, 1), (["confirm"], {"errors": [ERROR]}, 1),
    (["run", "lan", "--name", "A_B", "--", "true"], {"errors": [ERROR]}, 125), (["run", "lan"], {"errors": [ERROR]}, 2),
    (["watch", "no0"], {"errors": [ERROR]}, 2), (["watch", "eth0", "--timeout", "0.1"], {"summary": dict}, 0),
    (["init"], {"errors": [ERROR]}, 1), (["--version"], {"release": str}, 0), (["--help"], {"help": str}, 0),
    (["down", "no-such"], {"errors": [ERROR]}, 2), (["down"], {"changed": bool, "changes": [CHANGE], "networks": [NETWORK]}, 0)]


def test_every_answer(lan):
    """One object on stdout, whatever the command and however it ends; nothing in it is null."""
    lan.static_guest()
    lan.guest("g1").udhcpc()
    svg = os.path.join(lan.lab.dir, "x.svg")
    for argv, spec, status in ANSWERS[:-1] + [(["map", "--svg", svg], {"file": (svg,)}, 0), ANSWERS[-1]]:
        p = lan.sixtap("--json", *argv, check=False)
        assert p.returncode == status, (argv, p.returncode, p.stdout, p.stderr)
        answer = json.loads(p.stdout)
        shape(answer, dict(spec, version=(1,)))
        assert ("errors" in answer) == ("errors" in spec) and "null" not in re.sub(r'"[^"]*"', "", p.stdout), (argv, p.stdout)
        assert not p.stderr, (argv, p.stderr)


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
