# SPDX-License-Identifier: GPL-2.0-or-later
"""rows_traffic - forwards, and what traffic pays for its protection, against the bare kernel"""
import json, time
from lab import LabError, wait
from stage import Stage, ask, generator, ms_of, quiet
from table import at_most, ratio_at_least, ratio_at_most

FORWARDS = 10000
FIRST_PORT = 10000
GUEST4, GUEST6 = "10.70.0.10", "fd00:70::10"
GUEST_MAC = "52:54:00:70:00:10"

BARE = """table ip nat {
	map to_tcp {
		type inet_service : ipv4_addr . inet_service
		elements = { %s }
	}
	map to_udp {
		type inet_service : ipv4_addr . inet_service
		elements = { %s }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat
		fib daddr type local dnat ip to tcp dport map @to_tcp
		fib daddr type local dnat ip to udp dport map @to_udp
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		ip saddr 10.70.0.0/24 oifname "eth0" masquerade
	}
}
table ip6 nat {
	map to_tcp {
		type inet_service : ipv6_addr . inet_service
		elements = { %s }
	}
	map to_udp {
		type inet_service : ipv6_addr . inet_service
		elements = { %s }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat
		fib daddr type local dnat ip6 to tcp dport map @to_tcp
		fib daddr type local dnat ip6 to udp dport map @to_udp
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		ip6 saddr fd00:70::/64 oifname "eth0" masquerade
	}
}
table inet filter {
	chain forward {
		type filter hook forward priority filter
		ct state established,related accept
		iifname "br0" accept
		ct status dnat accept
		drop
	}
}
"""


def config(n, more=()):
    forwards = [f"{FIRST_PORT + i}:80/{p}" for i in range(n // 2 or 1) for p in (("tcp", "udp") if n > 1 else ("udp",))]
    text = ", ".join(f'"{f}"' for f in [*forwards, *more])
    return ("networks:\n  lan:\n    mode: nat\n    ipv4: { address: 10.70.0.1/24 }\n    ipv6: { address: 'fd00:70::1/64' }\n"
            f"    guests:\n      web: {{ mac: '{GUEST_MAC}', ipv4: {GUEST4}, ipv6: '{GUEST6}'"
            + (f", forward: [{text}]" if n or more else "") + " }\n")


def bare_rules(n):
    """The same forwards, of both families as ours are."""
    four, six = (", ".join(f"{FIRST_PORT + i} : {a} . 80" for i in range(n // 2 or 1)) for a in (GUEST4, GUEST6))
    return BARE % (four, four, six, six)


class Router:
    """A host between a client outside and a guest behind it; either sixtap's or made by hand."""

    def __init__(self, stage, name):
        self.stage, self.host = stage, stage.host(name)
        self.outside = stage.all[name + "-up"]
        self.outside.ip("addr", "add", "10.9.0.1/16", "dev", "south")
        for i in range(2, 34):
            self.outside.ip("addr", "add", f"10.9.0.{i}/32", "dev", "south")
        self.host.ip("route", "add", "10.9.0.0/16", "via", "198.51.100.1")
        self.host.sysctl("net/ipv4/conf/all/rp_filter", 0)
        self.mac = self.host.links()["eth0"]["address"]

    def guest(self, bridge, n=10):
        """A guest with addresses; its receive counter is what arrived."""
        g = self.stage.guest(self.host, bridge, f"g{n}", mac=f"52:54:00:70:00:{n:02d}")
        g.ip("addr", "add", f"10.70.0.{n}/24", "dev", "eth0")
        g.ip("addr", "add", f"fd00:70::{n}/64", "dev", "eth0", "nodad")
        g.ip("route", "add", "default", "via", "10.70.0.1")
        g.ip("-6", "route", "add", "default", "via", "fd00:70::1")
        return g

    def bare(self, rules):
        self.stage.bare_bridge(self.host, "br0", "10.70.0.1/24", "fd00:70::1/64")
        self.host.sysctl("net/ipv4/ip_forward", 1)
        self.host.sysctl("net/ipv6/conf/all/forwarding", 1)
        path = f"{self.stage.dir}/{self.host.short}.nft"
        with open(path, "w") as f:
            f.write(rules)
        return ms_of(self.host, "nft", "-f", path)

    def conntrack_short(self):
        self.host.sysctl("net/netfilter/nf_conntrack_udp_timeout", 2)


def received(ns):
    return next(iter(ns.ipj("-s", "link", "show", "dev", "eth0")))["stats64"]["rx"]["packets"]


def rate(ns_from, ns_to, *argv):
    """Small frames a second that arrive."""
    before = received(ns_to)
    r = ask(ns_from, "flows", *argv)
    time.sleep(0.1)
    return (received(ns_to) - before) / r["seconds"]


def connects(router, n):
    r = ask(router.outside, "tcpload", "connect", "198.51.100.2", FIRST_PORT, max(n // 2, 1), 32, 1.5, "10.9.0.2", 32)
    if r["good"] == 0:
        raise LabError("no connection through a forward")
    return r["rate"]


def new_flows(router, guest, n):
    return rate(router.outside, guest, "south", router.mac, "10.9.0.1", "198.51.100.2", FIRST_PORT, max(n // 2, 1), 1.0, 100000)


def forwards(table, runs=3):
    with Stage("forwards") as stage:
        one, many, bare = (Router(stage, n) for n in ("one", "many", "bare"))
        s1, s = stage.sixtap(one.host, config(1, [f"{FIRST_PORT}:80/tcp"])), stage.sixtap(many.host, config(0))
        s1("up")
        load, peer_load = [], []
        for i in range(runs):
            table.progress(f"10,000 forwards loaded {i + 1}/{runs}")
            s.write(config(0))
            s("up")
            s.write(config(FORWARDS))
            load.append(ms_of(many.host, *s.argv("up")))
            probe = stage.host(f"load{i}", uplink=False)
            with open(stage.dir + "/load.nft", "w") as f:
                f.write(bare_rules(FORWARDS))
            peer_load.append(ms_of(probe, "nft", "-f", stage.dir + "/load.nft"))
        table.row("10,000 forwards loaded (`up` of a changed file)", load, "ms", ratio_at_most(1), peer_load, "nft -f")
        bare.bare(bare_rules(FORWARDS))
        guests = {one: one.guest("lan"), many: many.guest("lan"), bare: bare.guest("br0")}
        for router, guest in guests.items():
            router.conntrack_short()
            guest.popen(generator("tcpload"), "listen", 80)
            for address in (GUEST4, GUEST6):
                wait(lambda: router.host.ping(address, timeout=1), 10, "the guest answers")
        wait(lambda: connects(many, FORWARDS), 10, "a forward leads to the guest")
        flows, tcp = {r: [] for r in guests}, {r: [] for r in guests}
        for i in range(runs):
            for router, guest in guests.items():
                table.progress(f"new connections {i + 1}/{runs}")
                n = 1 if router is one else FORWARDS
                flows[router].append(new_flows(router, guest, n))
                tcp[router].append(connects(router, n))
                time.sleep(0.5)
        for what, f in (("new UDP flows a second", flows), ("TCP connects a second", tcp)):
            table.row(f"{what}, 10,000 forwards", f[many], "/s", ratio_at_least(0.97), f[one], "with 1")
            table.row("  the same", f[many], "/s", ratio_at_least(0.97), f[bare], "nft map")
        add, remove, element = [], [], []
        for i in range(runs * 2):
            table.progress("one forward added and removed")
            add.append(ms_of(many.host, *s.argv("forward", "add", "lan/web", f"{30000 + i}:80")))
            remove.append(ms_of(many.host, *s.argv("forward", "del", "lan/web", f"{30000 + i}:80")))
            element.append(ms_of(bare.host, "nft", "add", "element", "ip", "nat", "to_tcp", f"{{ {30000 + i} : {GUEST4} . 80 }}"))
        table.row("`forward add` beside 10,000", add, "ms", at_most(1), element, "nft")
        table.row("`forward del` beside 10,000", remove, "ms", at_most(1), element, "nft")


def bulk(ns_from, ns_to, address):
    ns_to.run("iperf3", "-s", "-1", "-D")
    wait(lambda: ":5201 " in ns_to.run("ss", "-Hltn").stdout, 5, "iperf3 listens")
    p = ns_from.run("iperf3", "-c", address, "-t", "2", "-J", check=False)
    try:
        return json.loads(p.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9
    except (ValueError, KeyError):
        raise LabError(f"iperf3: {p.stdout[-200:]}{p.stderr}")


def sink(ns, dev="eth0"):
    """Frames of `flows` end at the interface, counted: no stack, no answers."""
    rules = f"table netdev sink {{ chain in {{ type filter hook ingress device {dev} priority 0; udp dport 9 drop; }}; }}"
    path = f"{ns.lab.dir}/sink.nft"
    with open(path, "w") as f:
        f.write(rules)
    ns.run("nft", "-f", path)


def small(ns_from, ns_to, dev, mac, src, dst, count_dev="eth0"):
    before = counted(ns_to, count_dev)
    r = ask(ns_from, "flows", dev, mac, src, dst, 9, 0, 1.0)
    time.sleep(0.1)
    return (counted(ns_to, count_dev) - before) / r["seconds"] / 1000


def counted(ns, dev):
    return ns.ipj("-s", "link", "show", "dev", dev)[0]["stats64"]["rx"]["packets"]


def traffic(table, runs=3):
    with Stage("traffic") as stage:
        ours, bare = Router(stage, "host"), Router(stage, "bare")
        s = stage.sixtap(ours.host, config(0))
        s("up")
        bare.bare(bare_rules(0))
        pairs = {}
        for router, bridge in ((ours, "lan"), (bare, "br0")):
            a, b = router.guest(bridge), router.guest(bridge, 11)
            for g in (a, b):
                wait(lambda: g.ping("10.70.0.1") and g.ping("fd00:70::1"), 20, "the gateway answers")
            sink(b)
            sink(router.outside, "south")
            pairs[router] = (a, b)
        gateway = lambda r, bridge: r.host.links()[bridge]["address"]
        macs = {ours: gateway(ours, "lan"), bare: gateway(bare, "br0")}
        time.sleep(2)       # the guards learn who uses which address
        paths = {
            "bridge": lambda r, a, b: (a, b, "10.70.0.11", "fd00:70::11", "52:54:00:70:00:11", "eth0"),
            "NAT66": lambda r, a, b: (a, r.outside, None, "2001:db8:a::1", macs[r], "south"),
            "NAT44": lambda r, a, b: (a, r.outside, "198.51.100.1", None, macs[r], "south"),
        }
        for name, path in paths.items():
            tcp, frames = {ours: [], bare: []}, {ours: [], bare: []}
            for i in range(runs):
                for router, pair in pairs.items():
                    table.progress(f"traffic, {name} {i + 1}/{runs}")
                    src, dst, to4, to6, mac, dev = path(router, *pair)
                    tcp[router].append(bulk(src, dst, to6 or to4))
                    frames[router].append(small(src, dst, "eth0", mac, "fd00:70::10" if to6 else "10.70.0.10", to6 or to4, dev))
            table.row(f"{name}: bulk TCP", tcp[ours], "Gbit/s", ratio_at_least(0.97), tcp[bare], "bare")
            table.row(f"{name}: small frames", frames[ours], "kpps", ratio_at_least(0.9), frames[bare], "bare")
