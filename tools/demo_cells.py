# SPDX-License-Identifier: GPL-2.0-or-later
"""demo_cells - the stage of the demo, and one measurement for each cell of its table.

The vm suite plays the same stage. A cell is what a guest did, seen from both ends
where there are two: the answer to a forwarded port names the guest that gave it, the
machine outside says whose address it saw.
"""
import dataclasses, ipaddress, os, re, time
from lab import Guest, Lab, LabError, OUTSIDE4, OUTSIDE6, OUTSIDE_NAME, ROUTER4, Sixtap, TOP, UPLINK4, UPLINK6_PREFIX, Who, wait

GUESTS = {"web": 8080, "db": 8081}      # name → forwarded port of the host, as in examples/nat.yaml
CELLS = [
    ("dhcp4", "IPv4 by DHCP"), ("slaac", "IPv6 by SLAAC"), ("dhcp6", "IPv6 by DHCPv6"), ("dns", "DNS"),
    ("other_guest", "other guest"), ("host", "host"), ("outside4", "outside by IPv4"), ("outside6", "outside by IPv6"),
    ("forward4", "forwarded port, IPv4"), ("forward6", "forwarded port, IPv6"),
    ("forward_host", "forward, from the host"), ("forward_self", "forward, from itself"),
]
HOST_PORT = 7000


class CellError(Exception):
    pass


@dataclasses.dataclass
class Result:
    ok: bool
    text: str           # the evidence, or what is wrong
    seconds: float


class Stage:
    """Router, host with `sixtap up`, and two QEMU guests; each step is a method so that progress can be shown."""

    def __init__(self, tag="demo", config=os.path.join(TOP, "examples", "nat.yaml"), capture=False):
        self.lab = Lab(tag, capture)
        self.config, self.guests, self.boot_s = config, {}, {}
        self.sixtap = self.host = self.outside = None

    def topology(self):
        self.host = self.lab.ns("host", resolv=self.lab.resolv_conf(ROUTER4))
        self.router, self.outside = self.lab.upstream(self.host)
        self.sixtap = Sixtap(self.lab, self.host, self.config)
        Who(self.host, HOST_PORT)
        wait(self.host6, 30, "the host gets an IPv6 address by SLAAC")
        wait(self.host.default_route, 15, "the host gets an IPv6 default route by SLAAC")
        self.found = self.sysctls()

    def sysctls(self):
        keys = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.eth0.accept_ra",
                "net.ipv6.conf.eth0.forwarding", "net.ipv6.conf.all.proxy_ndp"]
        return {k: self.host.sysctl(k) for k in keys}

    def host6(self):
        """The addresses that SLAAC gave the host."""
        return [a["local"] for a in self.host.addresses("eth0", 6) if a["local"].startswith(UPLINK6_PREFIX)]

    def up(self):
        out = self.sixtap("up").stdout
        self.network = self.sixtap.network("lan")
        self.gateway4 = ipaddress.ip_interface(self.network["ipv4"]["address"])
        self.gateway6 = ipaddress.ip_interface(self.network["ipv6"]["address"])
        if not self.host.default_route():
            raise LabError("forwarding cost the host its own IPv6 default route")
        return out

    def run_guest(self, name, network="lan", options=(), **kw):
        start = lambda argv: self.host.popen(
            *self.sixtap.argv("run", network, "--name", name, *options, "--", *argv), log="run-" + name, env=self.sixtap.env)
        self.guests[name] = Guest(self.lab, name, start, **kw)
        return self.guests[name]

    def boot(self, name):
        self.boot_s[name] = self.guests[name].boot()

    def close(self):
        self.lab.close()

    def leave(self):
        """End the guests and the network as a user would; returns what was left behind, as text."""
        left = []
        for g in self.guests.values():
            g.close()
        try:
            wait(lambda: not [n for n, l in self.host.links().items() if l.get("linkinfo", {}).get("info_kind") == "tun"],
                 15, "taps go with QEMU")
        except LabError as e:
            left.append(str(e))
        self.sixtap("down", "-q")
        try:
            wait(lambda: not self.sixtap.processes(), 15, "the daemon ends with the last network")
        except LabError as e:
            left.append(f"{e}: {self.sixtap.processes()}")
        left += [f"link {n}" for n in self.host.links() if n not in ("lo", "eth0")]
        left += [f"{k} is {v}, was {self.found[k]}" for k, v in self.sysctls().items() if v != self.found[k]]
        if "sixtap" in self.host.run("nft", "list", "tables", check=False).stdout:
            left.append("nftables tables")
        return left


class Measure:
    """One guest's row. Each method returns its evidence or raises CellError."""

    def __init__(self, stage, name):
        self.s, self.name, self.guest, self.port = stage, name, stage.guests[name], GUESTS[name]
        self.other = next(n for n in stage.guests if n != name)

    def cell(self, key, patience=12.0):
        """Try until it holds; what went wrong last is the result otherwise."""
        t = time.monotonic()
        while True:
            try:
                text = getattr(self, key)()
                return Result(True, text, time.monotonic() - t)
            except (CellError, LabError, OSError, ValueError, KeyError, StopIteration) as e:
                if time.monotonic() - t > patience:
                    return Result(False, str(e) or type(e).__name__, time.monotonic() - t)
            time.sleep(0.2)

    # pieces

    def is_(self, what, got, wanted):
        if got != wanted:
            raise CellError(f"{what}: {got or 'no answer'!r} instead of {wanted!r}")

    def answers(self, what, text, name, seen=None):
        """@text is a Who answer of @name, which saw one of the addresses @seen."""
        who, _, address = text.partition(" ")
        self.is_(what, who, name)
        address = address.strip("[]").removeprefix("::ffff:")
        if seen is not None and address not in seen:
            raise CellError(f"{what}: seen as {address}, expected {' or '.join(seen)}")
        return address

    def mine(self, name=None):
        """What a guest says of its own addresses: {"dhcp4", "slaac", "dhcp6"}."""
        guest, found = self.s.guests[name or self.name], {}
        addresses = guest.addresses()
        lease4 = re.search(r"^ip='?([\d.]+)", guest.out("cat /run/lease4"), re.M)
        lease6 = guest.out("cat /run/address6")
        for a, flags in addresses:
            if lease4 and str(a.ip) == lease4[1]:
                found["dhcp4"] = str(a.ip)
            elif a.version == 6 and lease6 and a.ip == ipaddress.ip_address(lease6):
                found["dhcp6"] = str(a.ip)
            elif a.version == 6 and a.ip in self.s.gateway6.network and "dynamic" in flags:
                found["slaac"] = str(a.ip)
        return found

    def leased(self, address):
        """The server knows the lease, too."""
        for l in self.s.sixtap.json("leases")["leases"]:
            if l["address"] == address and l.get("guest", self.name) == self.name and l["network"] == "lan":
                return
        raise CellError(f"{address} isn't in `sixtap leases`")

    # cells

    def dhcp4(self):
        a = self.mine().get("dhcp4") or self.is_("address by DHCP", "", "one")
        if ipaddress.ip_address(a) not in self.s.gateway4.network:
            raise CellError(f"{a} is outside of {self.s.gateway4.network}")
        self.leased(a)
        if f"via {self.s.gateway4.ip}" not in self.guest.out("ip route show default"):
            raise CellError("no default route by DHCP")
        return a

    def slaac(self):
        a = self.mine().get("slaac") or self.is_("address by SLAAC", "", "one")
        if "via fe80:" not in self.guest.out("ip -6 route show default"):
            raise CellError("no default route by RA")
        return a

    def dhcp6(self):
        a = self.mine().get("dhcp6") or self.is_("address by DHCPv6", "", "one")
        if ipaddress.ip_address(a) not in self.s.gateway6.network:
            raise CellError(f"{a} is outside of {self.s.gateway6.network}")
        self.leased(a)
        return a

    def lookup(self, name):
        """Both families of a name, by the servers that DHCP gave."""
        text = self.guest.out(f"nslookup {name}").partition("Name:")[2]
        return {ipaddress.ip_address(a) for a in re.findall(r"^Address(?: \d+)?:\s*([0-9a-f.:]+)", text, re.M)}

    def dns(self):
        peer = f"{self.other}.lan"
        theirs = self.mine(self.other)
        for name, wanted in ((OUTSIDE_NAME, {OUTSIDE4, OUTSIDE6}), (peer, {theirs["dhcp4"], theirs["dhcp6"]})):
            got, wanted = self.lookup(name), {ipaddress.ip_address(a) for a in wanted}
            if not wanted <= got:
                raise CellError(f"{name} is {', '.join(map(str, got)) or 'unknown'}, expected "
                                f"{', '.join(map(str, wanted))}")
        back = self.guest.out(f"nslookup {theirs['dhcp4']}")
        if peer not in back:
            raise CellError(f"no reverse name {peer} for {theirs['dhcp4']}")
        return f"{peer}, {OUTSIDE_NAME}"

    def other_guest(self):
        mine, theirs = self.mine(), self.mine(self.other)
        for key in ("dhcp4", "dhcp6"):
            self.answers(f"{self.other} at {theirs[key]}", self.guest.fetch(theirs[key], 80), self.other,
                         [v for v in mine.values()])
        return f"{self.other} on IPv4 and IPv6"

    def host(self):
        mine = self.mine()
        for gw in (self.s.gateway4, self.s.gateway6):
            self.answers(f"host at {gw.ip}", self.guest.fetch(str(gw.ip), HOST_PORT), "host", list(mine.values()))
            if self.guest.sh(f"ping -c 1 -W 2 {gw.ip}")[0]:
                raise CellError(f"no ping of {gw.ip}")
        for a in mine.values():         # and the other direction
            self.answers(f"{self.name} at {a} from the host", self.s.host.fetch(a, 80), self.name)
        return f"{self.s.gateway4.ip}, {self.s.gateway6.ip}"

    def outside4(self):
        return "seen as " + self.answers("outside", self.guest.fetch(OUTSIDE4, 80), "outside", [UPLINK4])

    def outside6(self):
        return "seen as " + self.answers("outside", self.guest.fetch(OUTSIDE6, 80), "outside", self.s.host6())

    def forwarded(self, whose, fetch, addresses):
        for a in addresses:
            self.answers(f"{a} port {self.port} from {whose}", fetch(a, self.port), self.name)
        return " and ".join(f"[{a}]:{self.port}" if ":" in a else f"{a}:{self.port}" for a in addresses)

    def forward4(self):
        return self.forwarded("outside", self.s.outside.fetch, [UPLINK4])

    def forward6(self):
        return self.forwarded("outside", self.s.outside.fetch, self.s.host6()[:1])

    def forward_host(self):
        self.forwarded("the host", self.s.host.fetch, [UPLINK4, self.s.host6()[0]])
        return f"port {self.port} on IPv4 and IPv6"

    def forward_self(self):
        self.forwarded("itself", self.guest.fetch, [UPLINK4, self.s.host6()[0]])
        return f"port {self.port} on IPv4 and IPv6"

