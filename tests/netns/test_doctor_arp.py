# SPDX-License-Identifier: GPL-2.0-or-later
"""Routed guests inside the uplink's own IPv4 network, as Xen's vif-route and rented servers have them: who answers ARP for them?"""
from lab import wait
from libfault import Doctor, Fault, check

G1, G2 = "198.51.100.51", "198.51.100.52"


class Routed:
    """router ── eth0 host ── vif1.0, vif2.0 ── guests with a /32 each."""

    def __init__(self, lab):
        self.lab, self.host = lab, lab.ns("host")
        self.router, self.outside = lab.upstream(self.host)
        self.host.sysctl("net.ipv4.ip_forward", 1)
        for n, a in ((1, G1), (2, G2)):
            g = lab.ns(f"g{n}")
            lab.veth(self.host, f"vif{n}.0", g, "eth0", mac_a=f"fe:ff:ff:ff:ff:f{n}")
            self.host.ip("link", "set", f"vif{n}.0", "up")
            self.host.ip("route", "add", a, "dev", f"vif{n}.0")
            g.ip("link", "set", "eth0", "up")
            g.ip("addr", "add", a + "/32", "dev", "eth0")
            g.ip("route", "add", "default", "via", "198.51.100.2", "dev", "eth0", "onlink")
        self.proxies("add")
        self.doctor = Doctor(lab, self.host)
        wait(lambda: self.reaches(G1) and self.reaches(G2), 15, "the router reaches both guests")

    def proxies(self, verb, *addresses):
        for a in addresses or (G1, G2):
            self.host.ip("neigh", verb, "proxy", a, "dev", "eth0", check=False)

    def reaches(self, address):
        self.router.ip("neigh", "flush", "dev", "south", check=False)
        return self.router.ping(address, timeout=1)

    def state(self):
        return {"proxies": sorted(map(str, self.host.ipj("neigh", "show", "proxy"))), "routes": self.host.ipj("route"),
                **{k: self.host.sysctl("net.ipv4.conf." + k) for k in ("all.proxy_arp", "eth0.proxy_arp", "eth0.forwarding")}}


class NobodyAnswers(Fault):
    id, subject = "proxy.missing-entry", "eth0"

    def make(self):
        self.t.proxies("del", G2)

    def broken(self):
        return not self.t.reaches(G2)

    def alikes(self):
        def proxy_arp():
            self.make()
            self.t.host.sysctl("net.ipv4.conf.eth0.proxy_arp", 1)
            assert not self.broken()

            def undo():
                self.t.host.sysctl("net.ipv4.conf.eth0.proxy_arp", 0)
                self.restore()
            return undo
        return [proxy_arp]

    def restore(self):
        self.t.proxies("add", G2)


def test_nobody_answers_arp(lab):
    t = Routed(lab)
    check(NobodyAnswers(t), t.doctor, quiet=(), state=t.state)
