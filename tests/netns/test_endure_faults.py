# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed or killed before any op of an up, a change or a down: nothing is half-done, nothing of the host's is lost."""
import json, os
import pytest
from lab import wait
from libnet import LAN, config, merged

BASE = dict(lan=LAN, two={"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}, "ipv6": {"address": "fd12:8848:a2a2:2::1/64"}})
CHANGED = dict(lan=merged(LAN, ipv4={"address": "192.168.155.1/24"}, guests={"web": {"mac": "52:54:00:12:34:56",
                                                                                    "ipv4": "192.168.155.10",
                                                                                    "forward": ["8081:80", "2222:22"]}}),
               three={"mode": "nat", "ipv4": {"address": "192.168.152.1/24"}, "ipv6": "off", "mtu": 1400})
COUNTED = ("ifindex", "link_index", "stats", "stats64", "valid_life_time", "preferred_life_time", "expires", "handle", "metainfo",
           "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "age", "counter", "num_tx_queues", "link_netnsid", "operstate")
CARRIER = ("LOWER_UP", "NO-CARRIER", "linkdown")
FAULT = ("SIXTAP_FAIL_AT", "SIXTAP_KILL_AT")


def plain(value):
    """Without what counts, runs or is numbered anew."""
    if isinstance(value, dict):
        # A bridge without ports loses its carrier some time after it was made.
        return {k: [f for f in v if f not in CARRIER] if k == "flags" else plain(v) for k, v in value.items() if k not in COUNTED}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def snapshot(world):
    """Everything that the kernel has: links, addresses, routes, rules, nftables, sysctls."""
    h = world.host
    out = {"links": {x["ifname"]: plain(x) for x in h.ipj("-d", "link", "show")},
           "addresses": {x["ifname"]: sorted(json.dumps(plain(a), sort_keys=True) for a in x["addr_info"] if not a.get("tentative"))
                         for x in h.ipj("addr", "show")},
           "rules": h.ipj("rule", "show") + h.ipj("-6", "rule", "show"),
           "sysctls": world.state()["sysctls"]}
    for family in ("-4", "-6"):
        out["routes" + family] = sorted(json.dumps(plain(r), sort_keys=True)
                                        for r in h.ipj(family, "route", "show", "table", "all"))
    # The elements of a set have no order of their own.
    def unordered(o):
        for kind in ("set", "map"):
            if isinstance(o.get(kind, {}).get("elem"), list):
                o[kind]["elem"].sort(key=lambda e: json.dumps(e, sort_keys=True))
        return o
    nft = [unordered(plain(o)) for o in json.loads(h.run("nft", "-j", "list", "ruleset").stdout)["nftables"]]
    # What guests' packets fill isn't ours to compare.
    dynamic = {o["set"]["name"] for o in nft if "set" in o and "dynamic" in o["set"].get("flags", [])}
    out["nft"] = sorted(json.dumps(o, sort_keys=True) for o in nft
                        if not ("set" in o and o["set"]["name"] in dynamic) and "metainfo" not in o)
    return out


def differences(a, b):
    out = []
    for part in a:
        if isinstance(a[part], dict):
            out += [f"{part} {k}: {a[part].get(k)} → {b[part].get(k)}" for k in sorted(set(a[part]) | set(b[part]))
                    if a[part].get(k) != b[part].get(k)]
        else:
            out += [f"{part} − {x}" for x in a[part] if x not in b[part]] + [f"{part} + {x}" for x in b[part] if x not in a[part]]
    return "\n".join(out)


def settles(world, want, what, timeout=25):
    """The kernel has its own clocks (DAD, carrier, a router's answer): so not at once."""
    last = []

    def same():
        last[:] = [differences(want, snapshot(world))]
        return not last[0]
    try:
        wait(same, timeout, interval=0.2)
    except Exception:
        raise AssertionError(f"{what}: not as it should be:\n{last[0]}") from None


def steady(world):
    """A snapshot that is the same half a second later."""
    last = []

    def same():
        last.append(snapshot(world))
        busy = any(a.get("tentative") for link in world.host.ipj("addr", "show") for a in link["addr_info"])
        return not busy and len(last) > 1 and not differences(last[-2], last[-1]) and last[-1]
    return wait(same, 40, "nothing changes any more", interval=0.5)


class Faults:
    """A daemon whose fault points are set off through files."""

    def __init__(self, world):
        self.world, self.records = world, os.path.join(world.sixtap.run_dir, "state")
        for name in FAULT:
            world.sixtap.env[name] = "file:" + self.path(name)

    def path(self, name):
        return os.path.join(self.records, name)

    def at(self, name, n, *command):
        """Run a command with a fault at op @n. Returns whether there was such an op, and the command's result."""
        os.makedirs(self.records, exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(f"apply:{n}\n")
        p = self.world.sixtap(*command, check=False)
        if not os.path.exists(self.path(name)):
            return True, p
        os.unlink(self.path(name))
        return False, p

    def host_is_whole(self, what):
        """The default route that came by RA, and the address."""
        wait(lambda: self.world.host.default_route(6) and self.world.host6(), 20, what + ": the host's own IPv6")


@pytest.fixture
def faults(world):
    world.sixtap.write(config(**BASE))
    return Faults(world)


def up(world, networks):
    world.sixtap.write(config(**networks))
    world.sixtap("up", "-q")


def test_fail(faults):
    """A failure at each op puts everything back as it was, and says so."""
    world = faults.world
    nothing = steady(world)
    for before, after, command in ((None, BASE, "up"), (BASE, CHANGED, "up"), (CHANGED, None, "down")):
        if before:
            up(world, before)
            wait(lambda: all(n["state"] == "up" for n in world.sixtap.json("status")["networks"]), 20, "all are up")
        was = steady(world) if before else nothing
        n = 0
        while True:
            n += 1
            if after:
                world.sixtap.write(config(**after))
            reached, p = faults.at("SIXTAP_FAIL_AT", n, command)
            if not reached:
                break
            assert n < 200
            what = f"{command} failed at op {n}"
            assert p.returncode == 1 and "fault point" in p.stderr, p.stderr
            assert "everything was put back" in p.stderr or "nothing was changed" in p.stderr, p.stderr
            settles(world, was, what)
            faults.host_is_whole(what)
        assert p.returncode == 0 and n > 8, (n, p.stderr)
        print(f"{command}: {n - 1} ops")
    settles(world, nothing, "after the last down")


@pytest.mark.parametrize("command", ["up", "change", "down"])
def test_kill(faults, command):
    """Killed at each op: the next `up` ends where an undisturbed one does, and `down` leaves the host as it was found."""
    world = faults.world
    nothing = steady(world)
    up(world, BASE)
    base = steady(world)
    up(world, CHANGED)
    changed = steady(world)
    world.sixtap("down", "-q")
    settles(world, nothing, "undisturbed")
    n = 0
    while True:
        n += 1
        assert n < 200
        if command == "up":
            world.sixtap.write(config(**BASE))
            reached, p = faults.at("SIXTAP_KILL_AT", n, "up")
        elif command == "change":
            up(world, BASE)
            world.sixtap.write(config(**CHANGED))
            reached, p = faults.at("SIXTAP_KILL_AT", n, "up")
        else:
            up(world, CHANGED)
            reached, p = faults.at("SIXTAP_KILL_AT", n, "down")
        assert p.returncode == (1 if reached else 0), p.stderr
        what = f"{command} killed at op {n}"
        if reached or command != "down":
            want = BASE if command == "up" else CHANGED
            up(world, want)
            settles(world, base if want is BASE else changed, what)
            faults.host_is_whole(what)
            world.sixtap("down", "-q")
        settles(world, nothing, what + ", then down")
        faults.host_is_whole(what)
        if not reached:
            break
    print(f"{command}: {n - 1} ops")
    assert n > 8
