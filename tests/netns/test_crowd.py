# SPDX-License-Identifier: GPL-2.0-or-later
"""A thousand guests are switched on within a second: all get addresses of both families, and nobody is refused or overheard."""
import contextlib, ipaddress, json, os, subprocess
import pytest
from lab import Lab, SIXTAP, promised, wait
from libnet import World

CROWD = os.path.join(os.path.dirname(SIXTAP), "tests", "netns", "crowd")
# Isolated: where IPv6 is forwarded, the kernel keeps a neighbour for each router solicitation, in a table of 1024 entries that
# all namespaces share, so that other tests had no room.
LAN = {"mode": "isolated", "ipv4": {"address": "10.20.0.1/20", "dhcp": "10.20.0.10-10.20.15.250"},
       "ipv6": {"address": "fd12:8848:a2a2:1::1/64", "dhcp": "fd12:8848:a2a2:1::1000-fd12:8848:a2a2:1::2fff"}}


@pytest.fixture
def lonely():
    """Nothing is captured here: each broadcast is seen a thousand times."""
    with Lab("t") as lab:
        w = World(lab, uplink=False)
        yield w
        w.finish()


def test_thousand_at_once(lonely):
    """With every protection on."""
    lonely.configure(LAN)
    promised(lambda: thousand(lonely), lambda: lonely.sixtap("down", "-q"))


def thousand(lonely, n=1000):
    lonely.up()
    with lonely.host.popen(CROWD, lonely.sixtap.run_dir + "/control", "lan", n, stdin=subprocess.PIPE, log=f"crowd{len(lonely.lab.children)}") as p:
        def said():
            with open(p.log) as f:
                text = f.read()
            assert p.poll() is None, text
            return [json.loads(line) for line in text.splitlines(True) if line.endswith("}\n")]
        try:
            wait(said, 60, "the taps are there")
            p.stdin.write(b"go\n")
            p.stdin.flush()
            wait(lambda: len(said()) == 2, 60, "all have what they get")
            attached, r = said()
            print(f"\n{attached} {r}")
            assert r["on_ms"] <= 1500, "switched on within a second; the rest is this machine, which runs other tests as well"
            assert r["all"] == r["slaac"] == r["dhcp4"] == r["dhcp6"] == n
            assert r["nak"] == r["none"] == sum(r["dropped"]) == r["write_failed"] == 0
            leases = wait(lambda: (lambda l: l if len(l) == 2 * n else None)(lonely.sixtap.json("leases")["leases"]), 20,
                          "main knows all leases")
            for family in (4, 6):
                assert len({l["address"] for l in leases if ipaddress.ip_address(l["address"]).version == family}) == n
            # Nobody was taken for a liar: every guest is attached, and the network is up.
            network = lonely.sixtap.network()
            assert network["state"] == "up" and len([g for g in network["guests"] if g["state"] == "attached"]) == n
        finally:
            with contextlib.suppress(OSError):
                p.stdin.close()
            p.wait(60)
            wait(lambda: not [g for g in lonely.sixtap.network()["guests"] if g["state"] == "attached"], 60, "the taps have gone")
