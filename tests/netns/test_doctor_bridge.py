# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of bridges, made for real: the host and two guests on a bridge with the LAN's NIC in it."""
import fcntl, json, os, struct
from lab import wait
from libfault import Doctor, Fault, check

P6, P4 = "2001:db8:6:1", "192.0.2"
UP_MAC = "02:00:00:00:06:02"


class Lan:
    """router ── eth0 ─ br0 ─ p1, p2 ── guests g1, g2"""

    def __init__(self, lab):
        self.lab, self.host, self.router = lab, lab.ns("host"), lab.ns("router")
        for ns in (self.host, self.router):
            ns.sysctl("net.ipv6.conf.default.accept_ra", 0)
        lab.veth(self.router, "r0", self.host, "eth0", mac_a="02:00:00:00:06:01", mac_b=UP_MAC)
        h = self.host
        h.ip("link", "add", "br0", "type", "bridge")       # its MAC is the lowest of its ports'
        for d in ("eth0",):
            h.sysctl(f"net.ipv6.conf.{d}.disable_ipv6", 1)
            h.ip("link", "set", d, "master", "br0", "up")
        h.ip("link", "set", "br0", "up")
        self.addresses(h, "br0", 2)
        self.addresses(self.router, "r0", 1)
        self.router.ip("link", "set", "r0", "up")
        h.ip("route", "add", "default", "via", f"{P4}.1")
        h.ip("-6", "route", "add", "default", "via", f"{P6}::1")
        self.g1, self.g2 = self.guest("g1", 11), self.guest("g2", 12)
        self.doctor = Doctor(lab, h)
        wait(self.works, 40, "everybody reaches everybody")

    @staticmethod
    def addresses(ns, dev, n):
        ns.ip("addr", "add", f"{P4}.{n}/24", "dev", dev)
        ns.ip("addr", "add", f"{P6}::{n}/64", "dev", dev, "nodad")

    def guest(self, name, n):
        g, port = self.lab.ns(name), f"p{n - 10}"
        g.sysctl("net.ipv6.conf.default.accept_ra", 0)
        self.lab.veth(self.host, port, g, "eth0", mac_a=f"fe:54:00:00:06:{n}", mac_b=f"52:54:00:00:06:{n}")
        self.host.sysctl(f"net.ipv6.conf.{port}.disable_ipv6", 1)
        self.host.ip("link", "set", port, "master", "br0", "up")
        g.ip("link", "set", "eth0", "up")
        self.addresses(g, "eth0", n)
        g.a4, g.a6, g.port = f"{P4}.{n}", f"{P6}::{n}", port
        return g

    def works(self):
        for g in (self.g1, self.g2):
            for a in (f"{P4}.1", f"{P6}::1", f"{P4}.2", f"{P6}::2"):
                if not g.ping(a, timeout=1):
                    return False
        return self.g1.ping(self.g2.a4, timeout=1) and self.g1.ping(self.g2.a6, timeout=1)

    def reaches(self, ns, address, *options):
        """As somebody who never heard of it."""
        ns.ip("neigh", "flush", "all", check=False)
        ns.ip("neigh", "flush", address, check=False)
        return ns.run("ping", "-n", "-c", 1, "-W", 1, *options, address, check=False).returncode == 0

    def state(self):
        out = {}
        for n, l in self.host.links().items():
            out[n] = {"mtu": l["mtu"], "address": l["address"], "master": l.get("master"),
                      "flags": [f for f in l["flags"] if f in ("UP", "ALLMULTI", "PROMISC")],
                      "addrs": sorted(a["local"] for a in self.host.addresses(n))}
            info = l.get("linkinfo", {})
            for part, keys in (("info_data", ("stp_state", "mcast_snooping", "forward_delay", "vlan_filtering",
                                              "nf_call_iptables", "nf_call_ip6tables")),
                               ("info_slave_data", ("flood", "mcast_flood", "bcast_flood", "isolated", "multicast_router",
                                                    "learning", "neigh_suppress"))):
                out[n].update({k: info[part].get(k) for k in keys if k in info.get(part, {})})
        for k in ("iptables", "ip6tables"):
            out[k] = self.host.sysctl(f"net.bridge.bridge-nf-call-{k}")
        out["nft"] = self.host.run("nft", "-s", "list", "ruleset").stdout
        out["routes"] = sorted(map(str, self.host.ipj("route") + self.host.ipj("-6", "route", "show", "default")))
        return out

    def bridge(self, *argv):
        return self.host.run("bridge", *argv).stdout

    def nft(self, text):
        self.host.run("nft", "-f", "-", input=text)


class Row(Fault):
    @property
    def host(self):
        return self.t.host

    def port(self, *words):
        self.t.bridge("link", "set", "dev", "p1", *words)


class FloodOff(Row):
    id, subject = "bridge.flood-off", "p1"

    def make(self):
        self.port("bcast_flood", "off", "mcast_flood", "off")
        self.host.ip("link", "set", "br0", "type", "bridge", "mcast_snooping", 0)

    def broken(self):
        return not self.t.reaches(self.t.router, self.t.g1.a4) and not self.t.reaches(self.t.router, self.t.g1.a6)

    def alikes(self):
        def suppressed():
            self.make()
            self.port("neigh_suppress", "on")

            def undo():
                self.port("neigh_suppress", "off")
                self.restore()
            return undo

        def static():
            """Nothing is flooded, but where the guest is is written down."""
            self.port("flood", "off", "learning", "off")
            self.t.bridge("fdb", "replace", "52:54:00:00:06:11", "dev", "p1", "master", "static")

            def undo():
                self.t.bridge("fdb", "del", "52:54:00:00:06:11", "dev", "p1", "master")
                self.port("flood", "on", "learning", "on")
            return undo
        return [suppressed, static]

    def restore(self):
        self.port("bcast_flood", "on", "mcast_flood", "on")
        self.host.ip("link", "set", "br0", "type", "bridge", "mcast_snooping", 1)


class Isolated(Row):
    id, subject, fixable = "bridge.ports-isolated", "br0", False

    def make(self, on="on"):
        for p in ("p1", "p2"):
            self.t.bridge("link", "set", "dev", p, "isolated", on)

    def broken(self):
        return not self.t.reaches(self.t.g1, self.t.g2.a4) and self.t.reaches(self.t.g1, f"{P4}.1")

    def alikes(self):
        def one():
            self.t.bridge("link", "set", "dev", "p1", "isolated", "on")
            return self.restore
        return [one]

    def restore(self):
        self.make("off")


class Mtu(Row):
    id, subject = "bridge.mtu-mismatch", "br0"

    def make(self):
        self.host.ip("link", "set", "p1", "mtu", 1400)

    def broken(self):
        return self.t.reaches(self.t.g2, self.t.g1.a4) and not self.t.reaches(self.t.g2, self.t.g1.a4, "-s", 1472, "-M", "do")

    def restore(self):
        self.host.ip("link", "set", "p1", "mtu", 1500)


class Stp(Row):
    id, subject = "bridge.stp-delay", "p1"

    def make(self):
        self.host.ip("link", "set", "br0", "type", "bridge", "stp_state", 1, "forward_delay", 1500)
        self.host.ip("link", "set", "p1", "nomaster")
        self.host.ip("link", "set", "p1", "master", "br0")

    def broken(self):
        return not self.t.reaches(self.t.g1, f"{P4}.1")

    def alikes(self):
        def forwarding():
            self.host.ip("link", "set", "br0", "type", "bridge", "stp_state", 1, "forward_delay", 1500)
            return self.restore
        return [forwarding]

    def restore(self):
        self.host.ip("link", "set", "br0", "type", "bridge", "stp_state", 0, "forward_delay", 1500)


class Vlan(Row):
    id, subject = "bridge.vlan-missing", "p1"

    def make(self):
        self.host.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", 1)
        self.t.bridge("vlan", "del", "dev", "p1", "vid", 1)

    def broken(self):
        return not self.t.reaches(self.t.g1, f"{P4}.1")

    def alikes(self):
        def not_filtering():
            self.make()
            self.host.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", 0)
            return self.restore

        def tags_itself():
            self.make()
            self.t.bridge("vlan", "add", "dev", "p1", "vid", 1)

            return self.restore
        return [not_filtering, tags_itself]

    def restore(self):
        self.t.bridge("vlan", "add", "dev", "p1", "vid", 1, "pvid", "untagged")
        self.host.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", 0)


class VlanAlone(Vlan):
    fixable = True

    def make(self):
        super().make()
        self.t.bridge("vlan", "add", "dev", "p1", "vid", 7, "pvid", "untagged")

    def alikes(self):
        return []

    def restore(self):
        super().restore()
        self.host.run("bridge", "vlan", "del", "dev", "p1", "vid", 7, check=False)


class PortAddress(Row):
    id, subject, also = "bridge.port-has-address", "eth0", ("route.overlap",)

    def make(self):
        self.host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 0)
        self.host.ip("addr", "add", f"{P6}::77/64", "dev", "eth0", "nodad")

    def broken(self):
        return not self.t.reaches(self.t.router, f"{P6}::77")

    def alikes(self):
        def link_local():
            self.host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 0)
            return lambda: self.host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
        return [link_local]

    def restore(self):
        for d in ("eth0", "br0"):
            self.host.ip("addr", "del", f"{P6}::77/64", "dev", d, check=False)
        self.host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)


DROP = "table inet other {\n chain forward { type filter hook forward priority 0; policy drop;\n }\n}\n"


class Netfilter(Row):
    id, subject = "bridge.netfilter", "br0"

    def call(self, on):
        for k in ("iptables", "ip6tables"):
            self.host.sysctl(f"net.bridge.bridge-nf-call-{k}", on)

    def make(self):
        self.was = self.host.sysctl("net.bridge.bridge-nf-call-ip6tables")
        self.call(1)
        self.t.nft(DROP)

    def broken(self):
        return not self.t.reaches(self.t.g1, self.t.g2.a6)

    def alikes(self):
        def not_called():
            self.make()
            self.call(0)
            return self.restore

        def accepted():
            self.make()
            self.host.run("nft", "add", "rule", "inet", "other", "forward", "iifname", "br0", "oifname", "br0", "accept")
            return self.restore

        def physdev():
            self.was = self.host.sysctl("net.bridge.bridge-nf-call-ip6tables")
            self.call(1)
            for p in ("iptables-nft", "ip6tables-nft"):
                self.host.run(p, "-P", "FORWARD", "DROP")
                self.host.run(p, "-A", "FORWARD", "-m", "physdev", "--physdev-is-bridged", "-j", "ACCEPT")
            wait(lambda: not self.broken(), 15, "bridged frames pass")
            return self.restore

        def containers():
            """docker shows its bridges' frames to its rules, and keeps containers apart if it is told to."""
            self.make()
            self.host.run("nft", "add", "rule", "inet", "other", "forward", "iifname", "br0", "oifname", "br0", "accept")
            self.host.ip("link", "add", "docker0", "type", "bridge")
            self.host.ip("link", "set", "docker0", "up")
            for g in (self.t.g1, self.t.g2):
                self.t.lab.veth(self.host, "veth" + g.port, g, "ethc")
                self.host.ip("link", "set", "veth" + g.port, "master", "docker0", "up")

            def undo():
                for link in ("vethp1", "vethp2", "docker0"):
                    self.host.ip("link", "del", link)
                self.restore()
            return undo
        return [not_called, accepted, physdev, containers]

    def restore(self):
        self.host.run("nft", "flush", "ruleset")
        self.call(self.was)


class NetfilterTwice(Netfilter):
    """Two chains drop: both must be opened, or none."""

    def make(self):
        super().make()
        self.t.nft(DROP.replace("table inet other", "table inet another"))

    def alikes(self):
        return []


class NetfilterOfBridge(Netfilter):
    """The bridge's own setting overrides a sysctl of 0."""

    def make(self):
        super().make()
        self.call(0)
        self.host.ip("link", "set", "br0", "type", "bridge", "nf_call_iptables", 1, "nf_call_ip6tables", 1)

    def alikes(self):
        return []

    def restore(self):
        self.host.ip("link", "set", "br0", "type", "bridge", "nf_call_iptables", 0, "nf_call_ip6tables", 0)
        super().restore()


class NetfilterOfBridge6(NetfilterOfBridge):
    """For one family alone: each has its own setting."""

    def make(self):
        super().make()
        self.host.ip("link", "set", "br0", "type", "bridge", "nf_call_iptables", 0)

    def broken(self):
        return super().broken() and self.t.reaches(self.t.g1, self.t.g2.a4)


class NetfilterIptables(Netfilter):
    def make(self):
        self.was = self.host.sysctl("net.bridge.bridge-nf-call-ip6tables")
        self.call(1)
        for p in ("iptables-nft", "ip6tables-nft"):
            self.host.run(p, "-P", "FORWARD", "DROP")

    def alikes(self):
        return []


MLD_FILTER = """table bridge other {
	chain pre {
		type filter hook prerouting priority 0; policy accept;
		ether type arp accept
		ether type ip accept
		@RULE@ accept
		ip6 nexthdr { tcp, udp } accept
		ether type ip6 drop
	}
}
"""


class MldFiltered(Row):
    id, subject = "bridge.mld-filtered", "br0"
    also = ("bridge.snooping-drops-nd",)
    rule = "ip6 nexthdr icmpv6"

    def make(self, rule=None):
        self.t.nft(MLD_FILTER.replace("@RULE@", rule or self.rule))
        self.n = getattr(self, "n", 0x50)

    def broken(self):
        """A new address of the guest's isn't in the database."""
        self.n += 1
        g, address = self.t.g1, f"{P6}::{self.n:x}"
        g.ip("addr", "add", address + "/64", "dev", "eth0", "nodad")
        try:
            wait(lambda: f"ff02::1:ff00:{self.n:x}" in self.t.bridge("mdb", "show", "dev", "br0"), 1.5, interval=0.2)
            return False
        except Exception:
            return True
        finally:
            g.ip("addr", "del", address + "/64", "dev", "eth0")

    def alikes(self):
        def last_header():
            self.make("meta l4proto ipv6-icmp")
            return self.restore
        return [last_header]

    def restore(self):
        self.host.run("nft", "flush", "ruleset")


class Snooping(Row):
    """A live querier, and a guest whose reports don't arrive."""
    id, subject = "bridge.snooping-drops-nd", "p1"

    def querier(self, on):
        self.host.ip("link", "set", "br0", "type", "bridge", "mcast_query_response_interval", 50 if on else 1000,
                     "mcast_membership_interval", 500 if on else 26000, "mcast_query_interval", 100 if on else 12500)
        # Not in one command: it begins to count after the response interval that there is then.
        self.host.ip("link", "set", "br0", "type", "bridge", "mcast_querier", 1 if on else 0)

    def mute(self):
        self.t.g1.run("nft", "-f", "-", input="table ip6 mute {\n chain out { type filter hook output priority 0;"
                      " icmpv6 type { 131, 132, 143 } drop\n }\n}\n")

    def gone(self):
        return not [e for m in json.loads(self.t.bridge("-j", "mdb", "show", "dev", "br0")) for e in m.get("mdb", [])
                    if e["port"] == "p1" and e["grp"].startswith("ff02::1:ff")]

    def make(self):
        self.mute()
        self.querier(True)
        for master in ("nomaster",), ("master", "br0"):     # forgets its groups
            self.host.ip("link", "set", "p1", *master)
        wait(self.gone, 20, "the guest's groups are forgotten")
        wait(lambda: self.t.g1.ping(f"{P6}::2", timeout=1), 20, "the host hears the guest")

    def broken(self):
        return not self.t.reaches(self.t.router, self.t.g1.a6) and self.t.reaches(self.t.router, self.t.g1.a4)

    def alikes(self):
        def no_querier():
            self.mute()
            return self.restore
        return [no_querier]

    def restore(self):
        self.t.g1.run("nft", "flush", "ruleset")
        self.querier(False)
        self.port("mcast_router", 1)


class Unpinned(Row):
    id, subject = "bridge.mac-unpinned", "br0"

    def low(self):
        self.host.ip("link", "add", "p0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "q0", "netns",
                     self.t.g1.name)
        self.host.sysctl("net.ipv6.conf.p0.disable_ipv6", 1)
        self.host.ip("link", "set", "p0", "master", "br0", "up")
        self.t.g1.ip("link", "set", "q0", "up")

    make = low

    def broken(self):
        """The router knows the host, the guest with the lowest MAC stops, and the host is lost to the router."""
        wait(lambda: self.t.reaches(self.t.router, f"{P4}.2"), 15, "the router reaches the host")
        self.host.ip("link", "del", "p0")
        lost = not self.t.router.ping(f"{P4}.2", timeout=1)
        self.low()
        # A NIC tells that it is the LAN's side; of a veth only the router's answer does.
        wait(lambda: self.host.ping(f"{P4}.1", timeout=1), 15, "the host finds the router again")
        return lost

    def restore(self):
        self.host.ip("link", "del", "p0")


class NoReader(Row):
    """A persistent tap whose guest is gone."""
    id, subject, fixable = "tap.no-reader", "tp", False

    def make(self):
        self.host.ip("tuntap", "add", "dev", "tp", "mode", "tap")
        self.host.sysctl("net.ipv6.conf.tp.disable_ipv6", 1)
        self.host.ip("link", "set", "tp", "address", "fe:54:00:00:06:99", "master", "br0", "up")

    def broken(self):
        return "NO-CARRIER" in self.host.ip("link", "show", "tp")

    def alikes(self):
        def held():
            self.make()
            with self.host.enter():
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
                fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tp", 0x1002))
            wait(lambda: not self.broken(), 15, "carrier")

            def undo():
                os.close(fd)
                self.restore()
            return undo
        return [held]

    def restore(self):
        self.host.ip("link", "del", "tp")


FAULTS = [NoReader, Snooping, FloodOff, Isolated, Mtu, Stp, Vlan, VlanAlone, PortAddress, Netfilter, NetfilterTwice, NetfilterOfBridge,
          NetfilterOfBridge6, NetfilterIptables, MldFiltered]


def test_bridge_faults(lab):
    t = Lan(lab)
    # A kernel without CONFIG_BRIDGE_VLAN_FILTERING: tests/unit/diag/test_rule_bridge.c has the rule all the same.
    vlans = t.host.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", 1, check=False).returncode == 0
    if vlans:
        t.host.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", 0)
    for kind in FAULTS:
        if issubclass(kind, Vlan) and not vlans:
            continue
        check(kind(t), t.doctor, quiet=(), state=t.state)
    check(Unpinned(t), t.doctor, quiet=())      # last: a MAC that was set stays set
