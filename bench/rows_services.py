# SPDX-License-Identifier: GPL-2.0-or-later
"""rows_services - DHCP against Kea, router advertisements against radvd

Guests are MACs behind one port of the bridge, so spoof-check is off in these networks: it
would hold that port to one MAC and a guest's share of packets.
"""
import json, os
from lab import LabError, alive, end, wait
from stage import Stage, ask, ms_of, quiet
from table import at_least, at_most, ratio_at_least, ratio_at_most

NETWORK = """networks:
  lan:
    mode: nat
    spoof-check: no
    ipv4: {{ address: 10.64.0.1/14, dhcp: 10.65.0.0-10.66.255.255 }}
    ipv6: {{ address: "fd00:64::1/64", dhcp: "fd00:64::1:0:0-fd00:64::1:ffff:ffff" }}
    lease: 1d
{0}"""
POOL = {4: "10.65.0.0 - 10.66.255.255", 6: "fd00:64::1:0:0 - fd00:64::1:ffff:ffff"}


class Server:
    """A bridge with one port to a namespace full of clients, and what serves there."""

    def __init__(self, stage, name):
        self.stage, self.host, self.next = stage, stage.host(name), 1

    def clients(self, bridge):
        self.ns = self.stage.guest(self.host, bridge, "clients", dev="port")
        # The kernel there knows nothing of these clients; its "port unreachable" would be the server's time.
        self.ns.run("nft", "table inet load { chain in { type filter hook prerouting priority raw;"
                           " udp dport { 68, 546 } drop; }; }")

    def bare(self):
        self.stage.bare_bridge(self.host, "br0", "10.64.0.1/14", "fd00:64::1/64")
        self.host.sysctl("net/ipv6/conf/all/forwarding", 1)
        self.clients("br0")

    def sixtap(self, more=""):
        self.s = self.stage.sixtap(self.host, NETWORK.format(more))
        self.s("up")
        self.clients("lan")
        return self.s

    def kea(self, v):
        self.bare()
        d = self.stage.dir
        conf = {"interfaces-config": {"interfaces": ["br0"]}, "valid-lifetime": 86400,
                "lease-database": {"type": "memfile", "persist": True, "name": f"{d}/kea{v}.csv", "lfc-interval": 0},
                "multi-threading": {"enable-multi-threading": False},
                "loggers": [{"name": f"kea-dhcp{v}", "severity": "ERROR", "output_options": [{"output": f"{d}/kea{v}.log"}]}],
                f"subnet{v}": [{"id": 1, "pools": [{"pool": POOL[v]}],
                                "subnet": "10.64.0.0/14" if v == 4 else "fd00:64::/64"}]}
        if v == 4:
            conf["interfaces-config"]["dhcp-socket-type"] = "raw"
        else:
            conf["preferred-lifetime"] = 50000
            conf["server-id"] = {"type": "LL", "persist": False}
            conf["subnet6"][0]["interface"] = "br0"
        with open(f"{d}/kea{v}.json", "w") as f:
            json.dump({f"Dhcp{v}": conf}, f)
        # Debian's profile of AppArmor lets Kea write below /run/kea alone; pid file and lock belong to this lab.
        env = dict(os.environ, KEA_PIDFILE_DIR=d, KEA_LOCKFILE_DIR=d)
        self.host.popen(f"kea-dhcp{v}", "-c", f"{d}/kea{v}.json", env=env)
        self.one_source = v == 6        # it answers through the kernel's neighbour table
        wait(lambda: self.new(v, 1, 1, seconds=1)["done"], 15, f"kea-dhcp{v} answers: see {d}/kea{v}.log")

    one_source = False

    def new(self, v, n, window, seconds=60):
        """@n clients that were never seen before."""
        first, self.next = self.next, self.next + n
        return ask(self.ns, "dhcpload", v, "eth0", first, n, window, seconds, *(["one-source"] if self.one_source else []))


def engine_leases(s):
    return s.json("leases", timeout=120)["leases"]


def restart(s):
    """End the daemon as a crash would, and bring everything up again: the time that takes."""
    for pid in s.processes().values():
        end(pid, 0.0)
    wait(lambda: not s.processes(), 10, "sixtapd ends")
    return ms_of(s.ns, *s.argv("up"))


def dhcp(table, v, runs=5):
    with Stage(f"dhcp{v}") as stage:
        ours, kea = Server(stage, "host"), Server(stage, "kea")
        s = ours.sixtap()
        kea.kea(v)
        for server in (ours, kea):
            server.new(v, 250, 16)
        few, one = {ours: [], kea: []}, {ours: [], kea: []}
        ours.one_source = kea.one_source        # both get the same load
        for i in range(runs):
            for server in (ours, kea):
                table.progress(f"DHCPv{v} {i + 1}/{runs}")
                r = server.new(v, 1500, 16)
                few[server].append(r["rate"])
                one[server].append(server.new(v, 400, 1)["p50_us"])
        table.row(f"DHCPv{v}: new clients a second, 16 at a time", few[ours], "/s", ratio_at_least(2), few[kea], "Kea")
        table.row(f"DHCPv{v}: one at a time, all four messages", one[ours], "us", ratio_at_most(1), one[kea], "Kea")
        ours.one_source = False                 # from here every client has its own MAC
        own = [ours.new(v, 500, 16)["rate"] for _ in range(runs)]
        table.progress(f"DHCPv{v}: 10,000 clients at once")
        burst = [ours.new(v, 10000, 10000, 60)]
        table.row(f"DHCPv{v}: 10,000 at once: no answer or NAK", [b["lost"] for b in burst], "", at_most(0))
        table.row(f"DHCPv{v}: the same: a second", [b["rate"] for b in burst], "/s")
        table.progress(f"DHCPv{v}: up to 64,000 leases")
        while ours.next < 62000:
            r = ours.new(v, 4000, 32)
            if r["done"] == 0:
                break
        many = [ours.new(v, 500, 16)["rate"] for _ in range(runs)]
        held = ours.next - 1
        table.row(f"DHCPv{v}: {held:,} leases held", many, "/s", ratio_at_least(0.9), own, "with few")
        before = len(engine_leases(s))
        starts = [restart(s) for _ in range(3)]
        if len(engine_leases(s)) != before:
            raise LabError(f"of {before} leases {len(engine_leases(s))} were there when `up` was done")
        table.row(f"DHCPv{v}: start with {before:,} leases", starts, "ms", at_most(500))


def dhcp4(table):
    dhcp(table, 4)


def dhcp6(table):
    dhcp(table, 6)


RADVD = """interface br0 { AdvSendAdvert on; MinRtrAdvInterval 200; MaxRtrAdvInterval 600;
	prefix fd00:64::/64 { AdvOnLink on; AdvAutonomous on; }; };
"""


def radvd(stage, server):
    server.bare()
    with open(stage.dir + "/radvd.conf", "w") as f:
        f.write(RADVD)
    server.host.popen("radvd", "-n", "-m", "stderr", "-C", stage.dir + "/radvd.conf", "-p", stage.dir + "/radvd.pid")
    wait(lambda: ask(server.ns, "raload", "eth0", 1, 1, 0)["answered"], 20, "radvd answers")


def ra(table, runs=5):
    with Stage("ra") as stage:
        ours, peer = Server(stage, "host"), Server(stage, "radvd")
        ours.sixtap()
        radvd(stage, peer)
        figures = {k: {ours: [], peer: []} for k in ("spaced", "unspecified", "rate", "many")}
        for i in range(runs):
            for server in (ours, peer):
                table.progress(f"router advertisements {i + 1}/{runs}")
                load = lambda *argv: ask(server.ns, "raload", "eth0", *argv)
                figures["spaced"][server].append(load(20, 1, 50)["p50_us"])
                figures["rate"][server].append(load(10000, 1, 0)["rate"])
                if i < 3:
                    figures["unspecified"][server].append(load(2, 1, 100, "unspecified")["p50_us"] / 1000)
        for server in (ours, peer):
            figures["many"][server].append(load_many(server))
        f = figures
        table.row("RS to RA, spaced 50 ms", f["spaced"][ours], "us", ratio_at_most(1), f["spaced"][peer], "radvd")
        table.row("RS to RA, RS from ::", f["unspecified"][ours], "ms", ratio_at_most(1), f["unspecified"][peer], "radvd")
        table.row("RAs a second", f["rate"][ours], "/s", ratio_at_least(2), f["rate"][peer], "radvd")
        table.row("10,000 sources answered", f["many"][ours], "", at_least(10000), f["many"][peer], "radvd")


def load_many(server):
    return ask(server.ns, "raload", "eth0", 10000, 32, 0, "many", timeout=300)["answered"]


def arrive(table, runs=6):
    """A guest's link goes up: first frame to default route, and the time to an address that can be used."""
    with Stage("arrive") as stage:
        ours, peer = Server(stage, "host"), Server(stage, "radvd")
        ours.sixtap()
        radvd(stage, peer)
        route, usable = {ours: [], peer: []}, {ours: [], peer: []}
        for i in range(runs):
            for server, bridge in ((ours, "lan"), (peer, "br0")):
                table.progress(f"a guest arrives {i + 1}/{runs}")
                guest = stage.guest(server.host, bridge, f"g{i}", up=False)
                r = ask(guest, "arrive", "eth0", 15)
                route[server].append(r["route_ms"])
                usable[server].append(r["usable_ms"])
        table.row("first frame to default route", route[ours], "ms", at_most(50), route[peer], "radvd")
        table.row("link up to usable IPv6 address", usable[ours], "ms", ratio_at_most(0.6), usable[peer], "radvd")
