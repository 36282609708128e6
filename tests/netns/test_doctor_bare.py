# SPDX-License-Identifier: GPL-2.0-or-later
"""The least of a routed host: no default route, no RA, no firewall, one guest behind a veth with a host route and a proxy entry."""
import contextlib, json
import pytest
from lab import SIXTAP, wait

GUEST, HOST = "2001:db8:1::50", "2001:db8:1::2"


@pytest.fixture
def h(lab):
    h, r, g = lab.ns("h"), lab.ns("r"), lab.ns("g")
    lab.veth(r, "s", h, "eth0")
    lab.veth(h, "vif1", g, "eth0")
    for ns, dev in ((r, "s"), (h, "eth0"), (h, "vif1"), (g, "eth0")):
        ns.ip("link", "set", dev, "up")
    r.ip("addr", "add", "2001:db8:1::1/64", "dev", "s", "nodad")
    h.ip("addr", "add", HOST + "/64", "dev", "eth0", "nodad")
    h.ip("addr", "add", "10.0.0.1/24", "dev", "vif1")
    g.ip("addr", "add", GUEST + "/128", "dev", "eth0", "nodad")
    for key in ("conf.all.forwarding", "conf.all.proxy_ndp", "conf.eth0.proxy_ndp"):
        h.sysctl("net.ipv6." + key, 1)
    h.sysctl("net.ipv6.neigh.eth0.proxy_delay", 0)
    h.ip("-6", "route", "add", GUEST + "/128", "dev", "vif1")
    h.ip("-6", "neigh", "add", "proxy", GUEST, "dev", "eth0")
    own = wait(lambda: h.addresses("vif1", 6, scope="link"), 20, "the link-local of vif1")[0]["local"]
    g.ip("-6", "route", "add", "default", "via", own, "dev", "eth0")
    wait(lambda: h.ping(GUEST, timeout=1), 20, "the guest answers the host")
    wait(lambda: r.ping(GUEST, timeout=1), 20, "the guest answers the router")
    return h


def said(h):
    p = h.run(SIXTAP, "-c", "/nonexistent.yaml", "--json", "doctor", check=False)
    return {(f["id"], f["subject"]) for f in json.loads(p.stdout)["findings"]}


@contextlib.contextmanager
def off(h, key, value=0):
    was = h.sysctl(key)
    h.sysctl(key, value)
    yield
    h.sysctl(key, was)


def test_each_is_found_alone(h):
    assert said(h) == set()
    with off(h, "net.ipv6.conf.all.forwarding"):
        assert said(h) == {("forwarding.all-off", "vif1"), ("proxy.uplink-forwarding-off", "eth0")}
    with off(h, "net.ipv6.conf.eth0.forwarding"):
        assert said(h) == {("proxy.uplink-forwarding-off", "eth0")}
    with off(h, "net.ipv6.conf.vif1.forwarding"):
        assert said(h) == set()         # harmless
    with off(h, "net.ipv6.neigh.eth0.proxy_delay", 80):
        assert said(h) == {("proxy.delay", "eth0")}
    with off(h, "net.ipv6.conf.all.proxy_ndp"):
        assert said(h) == {("proxy.unicast-refused", "eth0")}
        with off(h, "net.ipv6.conf.eth0.proxy_ndp"):
            assert said(h) == {("proxy.disabled", "eth0")}
    h.ip("-6", "neigh", "del", "proxy", GUEST, "dev", "eth0")
    assert said(h) == {("proxy.missing-entry", "eth0")}
    h.ip("-6", "neigh", "add", "proxy", GUEST, "dev", "eth0")
    h.ip("-6", "neigh", "add", "proxy", GUEST, "dev", "vif1")
    assert said(h) == {("proxy.on-guest-side", "vif1")}
    h.ip("-6", "neigh", "del", "proxy", GUEST, "dev", "vif1")
    assert said(h) == set()
    wait(lambda: h.ping(GUEST, timeout=1), 20, "the host knows the guest as a neighbour")
    h.ip("-6", "route", "del", GUEST + "/128", "dev", "vif1")
    assert ("route.guest-missing", "vif1") in said(h)
    h.ip("-6", "route", "add", GUEST + "/128", "dev", "vif1")
    assert said(h) == set()
    h.ip("link", "set", "eth0", "mtu", 1200)
    assert said(h) == {("ipv6.mtu-below-1280", "eth0")}
