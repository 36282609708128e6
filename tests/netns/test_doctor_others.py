# SPDX-License-Identifier: GPL-2.0-or-later
"""
What others have set up: routed guests inside the uplink's own IPv4 network, as Xen's vif-route and rented servers have them;
NetworkManager, by the files that it keeps of its devices.
"""
import json, os, shutil
from lab import SIXTAP, wait
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
        wait(lambda: self.reaches(G1) and self.reaches(G2), 30, "the router reaches both guests")

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
            wait(lambda: not self.broken(), 15, "the kernel answers ARP for it")      # it takes 0.8 s for that, now and then

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


def test_networkmanager_looks_on(lab):
    """Of what others make, it writes that it is external: it doesn't touch it. A connection of its own on a guest's port is another matter."""
    h, g = lab.ns("host"), lab.ns("guest")
    h.ip("link", "add", "virbr7", "type", "bridge")
    h.ip("link", "set", "virbr7", "up")
    lab.veth(h, "vnet7", g, "eth0")
    h.ip("link", "set", "vnet7", "master", "virbr7", "up")
    # What counts is that a program of this name runs there.
    program = os.path.join(lab.dir, "NetworkManager")
    shutil.copy(shutil.which("sleep"), program)
    p = h.popen(program, "120")
    comm = lambda: open(f"/proc/{p.pid}/comm").read().strip()
    wait(lambda: comm() == "NetworkManager", 15, "it runs")      # and isn't `ip netns exec` any more
    index, kept = h.links()["vnet7"]["ifindex"], os.path.join(lab.dir, "nm")

    def judged(meta):
        for path, text in ((f"devices/{index}", "[device]\nmanaged=true\nconnection-uuid=0af3\nnm-owned=false\n"),
                           ("system-connections/vnet7.nmconnection", f"[connection]\nid=vnet7\nuuid=0af3\ntype=tun\n{meta}")):
            os.makedirs(os.path.dirname(os.path.join(kept, path)), exist_ok=True)
            with open(os.path.join(kept, path), "w") as f:
                f.write(text)
        # `ip netns exec` has given us a mount namespace of our own
        p = h.run("sh", "-c", 'cp -r "$0" /tmp/nm-$$ && mount -t tmpfs tmpfs /run && mv /tmp/nm-$$ /run/NetworkManager && exec "$@"', kept,
                  SIXTAP, "-c", "/nonexistent", "--run-dir", "/run/none", "--json", "doctor", check=False)
        return {(f["id"], f["subject"]) for f in json.loads(p.stdout)["findings"]}
    assert judged("") == {("manager.touches-guest-ports", "NetworkManager")}
    assert judged("\n[.nmmeta]\nnm-generated=true\nvolatile=true\nexternal=true\n") == set()
