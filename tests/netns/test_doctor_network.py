# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor and a network of ours: what it needs of the host, what it lost, what its guests make of it."""
import json, os
import pytest
from lab import OUTSIDE4, OUTSIDE6, wait
from libnet import GW4, GW6, LAN, World, merged


def findings(w, *args):
    p = w.sixtap("--json", "doctor", *args, check=False)
    return json.loads(p.stdout)["findings"]


def said(w, *args):
    return {(f["id"], f["subject"]) for f in findings(w, *args)}


def words(w):
    return [(f["id"], f["subject"], f["what"]) for f in findings(w)]


@pytest.fixture
def alone(lan):
    """The network stays and the daemon is gone, so that nobody repairs."""
    lan.static_guest()
    lan.sixtap.kill()
    return lan


def test_ula_guests_use_ipv4(lan):
    """Found with glibc's own table, an info that --fix leaves alone; silent once gai.conf has a label for the prefix."""
    lan.static_guest()
    wait(lambda: said(lan), 20, "the guest is known by both addresses")
    f = [f for f in findings(lan) if f["id"] == "addrsel.ula-below-ipv4"]
    assert [(x["subject"], x["severity"], x["fixable"]) for x in f] == [("lan", "info", False)], words(lan)
    assert said(lan) == {("addrsel.ula-below-ipv4", "lan")}, words(lan)
    a = json.loads(lan.sixtap("--json", "doctor", "--fix", check=False).stdout)
    assert a["fixed"] == []
    path = os.path.join(lan.lab.dir, "gai.conf")
    with open(path, "w") as conf:
        conf.write("label ::1/128 0\nlabel ::/0 1\nlabel fd00::/8 1\n")
    p = lan.host.run("sh", "-c", 'mount --bind "$0" /etc/gai.conf && exec "$@"', path, *lan.sixtap.argv("--json", "doctor"), check=False,
                     env=lan.sixtap.env)
    assert json.loads(p.stdout)["findings"] == []


def test_disabled(alone):
    for dev in ("lan", "eth0"):
        alone.host.sysctl(f"net.ipv6.conf.{dev}.disable_ipv6", 1)
        assert ("ipv6.disabled", dev) in said(alone), words(alone)
        fixed = json.loads(alone.sixtap("--json", "doctor", "--fix", check=False).stdout)
        assert ("ipv6.disabled", dev) not in {(f["id"], f["subject"]) for f in fixed["findings"]}, fixed
        assert alone.host.sysctl(f"net.ipv6.conf.{dev}.disable_ipv6") == "0"
    # A port of the bridge has no need of it.
    assert alone.host.sysctl("net.ipv6.conf.p-web.disable_ipv6") == "1"
    assert not [x for x in said(alone) if x[1] == "p-web"]


def test_lost_on_flap(alone):
    h = alone.host
    h.ip("link", "set", "lan", "down")
    h.ip("link", "set", "lan", "up")
    wait(lambda: GW6 not in [a["local"] for a in h.addresses("lan", 6)], 15, "the kernel drops IPv6 addresses of a link that went down")
    assert GW4 in [a["local"] for a in h.addresses("lan", 4)]
    assert ("ipv6.lost-on-flap", "lan") in said(alone), words(alone)
    fixed = json.loads(alone.sixtap("--json", "doctor", "--fix", check=False).stdout)
    assert ("ipv6.lost-on-flap", "lan") not in {(f["id"], f["subject"]) for f in fixed["findings"]}, fixed
    wait(lambda: alone.lab.all["web"].ping(GW6), 15, "the guest reaches its gateway")
    assert h.sysctl("net.ipv6.conf.lan.keep_addr_on_down") == "1"


# Chains of somebody else's where guests' packets end, and what is said of them: (table, chain, drop, station, families).
ELSEWHERE = [
    ("ip other", "hook prerouting priority -150", 'iifname "lan"', "prerouting", "IPv4"),
    ("inet other", "hook prerouting priority -150", 'iifname "eth0" ct state established', "prerouting answer", "IPv4 and IPv6"),
    ("ip6 other", "hook postrouting priority 50", 'oifname "eth0"', "postrouting", "IPv6"),
    ("ip other", "hook postrouting priority 50", 'oifname "lan"', "postrouting answer", "IPv4"),
    ("bridge other", "hook input priority 0", 'iifname "p-web"', "bridge input", "IPv4 and IPv6"),
    ("netdev other", "hook ingress device eth0 priority 0", "", "ingress answer", "IPv4 and IPv6"),
]


@pytest.mark.parametrize("firewall", ["auto", "off"])
def test_ends_elsewhere(lan, firewall):
    """Chains at hooks where no other rule looks: named with the rule, and what is said to mend it does; some of it may be meant."""
    lan.configure(merged(LAN, firewall=firewall))
    lan.up()
    g, h = lan.static_guest(), lan.host
    wait(lambda: said(lan) == {("addrsel.ula-below-ipv4", "lan")}, 20, "nothing is wrong")
    for table, hook, match, at, families in ELSEWHERE:
        chain = f"add table {table}; add chain {table} c {{ type filter {hook}; }}; add rule {table} c {match} "
        for some in "tcp dport 25 drop", "udp sport 53 drop":
            h.run("nft", chain + some)
            assert ("path.dropped", "lan") not in said(lan), (table, hook, words(lan))
            h.run("nft", "delete table " + table)
        h.run("nft", chain + "drop")
        [f] = [f for f in findings(lan) if f["severity"] == "error"]
        assert (f["id"], f["subject"], f["fixable"]) == ("path.dropped", "lan", False), f
        whose = "the answer to what they send" if at.endswith("answer") else "what they send"
        where = f"over {families}: at {at.removesuffix(' answer')} {whose} ends in chain {table} c."
        assert where in f["what"].replace(" (bridged)", "") and "drop" in f["evidence"]["rule"], f
        for command in f["fix"][0]["commands"]:
            h.run("sh", "-c", command)
        if not table.startswith("netdev"):
            assert ("path.dropped", "lan") not in said(lan), words(lan)
            wait(lambda: (g.ping(OUTSIDE4) or "IPv4" not in families) and (g.ping(OUTSIDE6) or "IPv6" not in families), 15, str(f["fix"]))
        h.run("nft", "delete table " + table)
    wait(lambda: g.ping(OUTSIDE4) and g.ping(OUTSIDE6), 15, "the guest reaches the outside")


def test_degraded(lan):
    """What the daemon says of a network and no rule knows is said, with its command; not what another finding explains."""
    h = lan.host
    lan.static_guest()
    h.run("nft", 'add table ip other; add chain ip other c { type filter hook prerouting priority -150; }; '
          'add rule ip other c iifname "lan" udp dport 53 drop')
    wait(lambda: lan.sixtap.network()["state"] == "degraded", 20)
    [f] = [f for f in findings(lan) if f["severity"] == "error"]
    assert (f["id"], f["subject"]) == ("network.degraded", "lan") and "ip other c" in f["what"], f
    for command in f["fix"][0]["commands"]:
        h.run("sh", "-c", command)
    wait(lambda: lan.sixtap.network()["state"] == "up", 20)
    assert ("network.degraded", "lan") not in said(lan), words(lan)


def test_single_mac(lab):
    """The uplink in a bridge with a guest: an error where the provider numbers hosts one by one, nothing on a LAN."""
    w = World(lab, slaac=False)
    h = w.host
    h.ip("link", "add", "br0", "address", "02:00:00:00:01:02", "type", "bridge")
    h.ip("addr", "flush", "dev", "eth0")
    h.ip("link", "set", "eth0", "master", "br0")
    h.ip("link", "set", "br0", "up")
    h.ip("addr", "add", "198.51.100.2/24", "dev", "br0")
    h.ip("route", "replace", "default", "via", "198.51.100.1", "dev", "br0")
    w.guest("g", bridge="br0")
    wait(lambda: h.ping("198.51.100.1"), 15, "the uplink carries IPv4")
    assert ("uplink.single-mac", "br0") not in said(w), words(w)
    h.ip("addr", "flush", "dev", "br0")
    h.ip("addr", "add", "198.51.100.2/32", "dev", "br0")
    h.ip("route", "replace", "default", "via", "198.51.100.1", "dev", "br0", "onlink")
    wait(lambda: h.ping("198.51.100.1"), 15, "the uplink carries IPv4")
    f = [f for f in findings(w) if f["id"] == "uplink.single-mac"]
    assert [x["subject"] for x in f] == ["br0"] and "eth0" in str(f[0]["evidence"]), words(w)
