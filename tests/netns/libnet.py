# SPDX-License-Identifier: GPL-2.0-or-later
"""libnet - the host under test, guests that are namespaces, and other people's DHCP clients."""
import contextlib, copy, ipaddress, json, os, re, select, signal, socket, struct, time
from lab import GUEST, LabError, Ns, ROUTER4, Sixtap, UPLINK6_PREFIX, wait

GW4, GW6 = "192.168.150.1", "fd12:8848:a2a2:1::1"
NET4, NET6 = ipaddress.ip_network("192.168.150.0/24"), ipaddress.ip_network("fd12:8848:a2a2:1::/64")
POOL4 = (ipaddress.ip_address("192.168.150.100"), ipaddress.ip_address("192.168.150.199"))
POOL6 = (ipaddress.ip_address("fd12:8848:a2a2:1::100"), ipaddress.ip_address("fd12:8848:a2a2:1::1ff"))
WEB_MAC, WEB4, WEB6 = "52:54:00:12:34:56", "192.168.150.10", "fd12:8848:a2a2:1::10"
HOST_PORT = 7000

LAN = {"mode": "nat", "domain": "lan",
       "ipv4": {"address": GW4 + "/24", "dhcp": f"{POOL4[0]}-{POOL4[1]}"},
       "ipv6": {"address": GW6 + "/64", "dhcp": f"{POOL6[0]}-{POOL6[1]}"},
       "guests": {"web": {"mac": WEB_MAC, "ipv4": WEB4, "ipv6": WEB6, "forward": ["8080:80", "8053:53/udp"]}}}


def config(**networks):
    """YAML text (JSON is YAML). config(lan=LAN), config(lan=dict(LAN, lease="2m"))."""
    return json.dumps({"networks": networks}, indent=2) + "\n"


def merged(base, **changes):
    """A copy of @base with keys replaced; a nested one is written with __: ipv6__nat="no"; None removes."""
    out = copy.deepcopy(base)
    for key, value in changes.items():
        at, *path = [out] + key.split("__")
        for p in path[:-1]:
            at = at.setdefault(p.replace("_", "-"), {})
        last = path[-1].replace("_", "-")
        if value is None:
            at.pop(last, None)
        else:
            at[last] = value
    return out


def shape(value, spec, where="$"):
    """
    Does JSON @value have the shape of @spec? A spec is a type, a tuple of allowed values, [spec of each element],
    {key: spec} where "key?" may be absent, or a predicate. Absent rather than null; more keys are fine.
    """
    if isinstance(spec, dict):
        assert isinstance(value, dict), f"{where}: {value!r} isn't an object"
        for key, sub in spec.items():
            name = key.rstrip("?")
            if name in value:
                shape(value[name], sub, f"{where}.{name}")
            else:
                assert key.endswith("?"), f"{where}.{name} is absent: {value!r}"
        for key, v in value.items():
            assert v is not None, f"{where}.{key} is null"
    elif isinstance(spec, list):
        assert isinstance(value, list), f"{where}: {value!r} isn't a list"
        for i, v in enumerate(value):
            shape(v, spec[0], f"{where}[{i}]")
    elif isinstance(spec, tuple):
        assert value in spec, f"{where}: {value!r} is none of {spec}"
    elif isinstance(spec, type):
        good = isinstance(value, spec) and not (spec in (int, float) and isinstance(value, bool))
        assert good or (spec is float and isinstance(value, int)), f"{where}: {value!r} isn't {spec.__name__}"
    else:
        assert spec(value), f"{where}: {value!r} isn't {spec.__name__.strip('_')}"


def mac_(v):
    return isinstance(v, str) and re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", v)


def ip_(v):
    """An address as RFC 5952 writes it."""
    return isinstance(v, str) and str(ipaddress.ip_address(v)) == v


def prefix_(v):
    return isinstance(v, str) and "/" in v and ip_(v.split("/")[0]) and bool(ipaddress.ip_interface(v))


class World:
    """A host namespace with `sixtap`, its uplink, and guests."""

    def __init__(self, lab, uplink=True, name="host", slaac=True):
        self.lab = lab
        self.host = lab.ns(name, resolv=lab.resolv_conf(ROUTER4) if uplink else None)
        self.sixtap = Sixtap(lab, self.host, name=name + "-sixtap")
        self.router = self.outside = None
        self.lan = LAN
        if uplink:
            self.router, self.outside = lab.upstream(self.host, slaac=slaac)
            if slaac:
                wait(self.host6, 30, "the host gets an IPv6 address by SLAAC")
                wait(self.host.default_route, 15, "the host gets an IPv6 default route by SLAAC")
            wait(lambda: self.router.serves_udp(53), 15, "the router's DNS server listens")
        self.sixtap.write(config(lan=self.lan))
        self.found = self.state()
        self.n_guests = 0

    def host6(self):
        return [a["local"] for a in self.host.addresses("eth0", 6) if a["local"].startswith(UPLINK6_PREFIX)]

    def configure(self, *networks, **named):
        """Write the configuration: configure(lan) for one called lan, or by name."""
        self.sixtap.write(config(**(dict(lan=networks[0]) if networks else {}), **named))

    def up(self, *args, **kw):
        return self.sixtap.json("up", *args, **kw)

    def state(self):
        """What `down` has to leave as it was found."""
        sysctls = {}
        with self.host.enter():
            for base in ("net/ipv4/ip_forward", "net/ipv6/conf/all", "net/ipv6/conf/default", "net/ipv6/conf/eth0",
                         "net/ipv4/conf/all", "net/ipv4/conf/default", "net/ipv4/conf/eth0"):
                path = "/proc/sys/" + base
                for name in (os.listdir(path) if os.path.isdir(path) else [""]):
                    # secrets, and what the kernel counts by itself
                    if name in ("stable_secret", "mc_forwarding"):
                        continue
                    with contextlib.suppress(OSError), open(os.path.join(path, name) if name else path) as f:
                        sysctls[base + "/" + name] = f.read().strip()
        return {"links": sorted(self.host.links()), "sysctls": sysctls,
                "nft": [t for t in self.host.run("nft", "list", "tables", check=False).stdout.split("\n") if "sixtap" in t]}

    def finish(self):
        """`down`, then nothing of ours may be left: checked after every test."""
        for g in list(self.guests()):
            g.unplug()
        if not self.sixtap.processes() and not os.path.exists(self.sixtap.run_dir):
            return
        self.sixtap("down", "-q")
        wait(lambda: not self.sixtap.processes(), 20, "the daemon ends with the last network")
        # A guest's tap goes when its process has ended, which a test that killed it last needn't have waited for.
        taps = lambda: {n for n, l in self.host.links().items() if l.get("linkinfo", {}).get("info_kind") == "tun"}
        with contextlib.suppress(LabError):
            wait(lambda: taps() <= set(self.found["links"]), 10)
        # The uplink's own forwarding switch follows `all`; the kernel has no way of telling how it was.
        now, then = self.state(), self.found
        assert now["links"] == then["links"], f"links left behind: {set(now['links']) - set(then['links'])}"
        assert now["nft"] == then["nft"]
        changed = {k: (then["sysctls"][k], v) for k, v in now["sysctls"].items() if then["sysctls"].get(k, v) != v}
        assert not changed, f"sysctls not as found: {changed}"
        left = [os.path.join(d, f) for d, _, files in os.walk(self.sixtap.run_dir) for f in files]
        left = [f for f in left if os.path.basename(f) not in ("lock", "log") and not f.endswith(".log")]
        assert not left, f"records left in the run directory: {left}"

    # guests

    def guests(self):
        return [g for g in self.lab.all.values() if isinstance(g, GuestNs) and g.host is self.host]

    def guest(self, name, mac=None, bridge="lan", up=True, accept_ra=1, use_tempaddr=0, bring=True):
        """A namespace with eth0 that is a port of the bridge: what "a tap that another program puts there" is."""
        self.n_guests += 1
        mac = mac or "52:54:00:00:%02x:%02x" % (os.getpid() & 0xff, self.n_guests)
        g = GuestNs(self, name, mac)
        self.lab.all[name] = g
        if self.lab.capture:
            self.lab.capture.add(g)
        g.port = f"p-{name}"[:15]
        self.lab.veth(self.host, g.port, g, "eth0", mac_b=mac)
        g.sysctl("net.ipv6.conf.eth0.accept_ra", accept_ra)
        g.sysctl("net.ipv6.conf.eth0.use_tempaddr", use_tempaddr)
        self.host.sysctl(f"net.ipv6.conf.{g.port}.disable_ipv6", 1)
        self.host.ip("link", "set", g.port, "master", bridge, "up")
        if up:
            g.ip("link", "set", "eth0", "up")
        return g

    def static_guest(self, name="web", mac=WEB_MAC, ip4=WEB4, ip6=WEB6, **kw):
        """A guest that just has its addresses, for tests whose subject isn't how it got them."""
        g = self.guest(name, mac, up=False, accept_ra=0, **kw)
        g.ip("addr", "add", f"{ip4}/24", "dev", "eth0")
        g.ip("addr", "add", f"{ip6}/64", "dev", "eth0", "nodad")
        g.ip("link", "set", "eth0", "up")
        g.ip("route", "add", "default", "via", GW4)
        g.ip("-6", "route", "add", "default", "via", GW6, "dev", "eth0")
        # Not by ping: where host-access is `no` the gateway answers ARP and ND only.
        for gw in (GW4, GW6):
            def resolved():
                g.ping(gw, timeout=0.2)
                return any(n.get("lladdr") for n in g.ipj("neigh", "show", gw))
            wait(resolved, 20, f"{name} resolves {gw}")
        return g


class GuestNs(Ns):
    """A guest: a namespace whose eth0 is the other end of a bridge port."""

    def __init__(self, world, name, mac):
        super().__init__(world.lab, name, resolv=self._resolv(world.lab, name))
        self.world, self.host, self.mac, self.port = world, world.host, mac, None

    @staticmethod
    def _resolv(lab, name):
        path = os.path.join(lab.dir, f"resolv-{name}.conf")
        with open(path, "w"):
            pass
        return path

    def unplug(self):
        if self.port:
            self.world.host.ip("link", "del", self.port, check=False)
            self.port = None

    def addr(self, family=None):
        return [a["local"] for a in self.addresses("eth0", family)]

    def slaac(self, timeout=20):
        """Wait for the address that the kernel makes of the RA."""
        def find():
            return [a["local"] for a in self.addresses("eth0", 6) if a.get("dynamic") and a["prefixlen"] == 64
                    and not a.get("temporary")]
        return wait(find, timeout, "an address by SLAAC")[0]

    # other people's clients; each returns the address it configured

    def udhcpc(self, *args, timeout=60):
        p = self.run(os.path.join(GUEST, "busybox"), "udhcpc", "-i", "eth0", "-n", "-q", "-t", 10, "-T", 1, "-S", "-s",
                     self.lab.script("udhcpc", UDHCPC), *args, timeout=timeout)
        self.client_log = p.stdout + p.stderr
        return self.addr(4)[0]

    def dhclient(self, version, *args, timeout=90):
        """ISC's client. The lease is left in self.lease as the variables that its script got."""
        base = os.path.join(self.lab.dir, f"{self.short}-dhclient{version}")
        script = self.lab.script("dhclient", DHCLIENT)
        argv = ["dhclient", f"-{version}", "-1", "-v", "-sf", script, "-lf", base + ".leases", "-pf", base + ".pid",
                "-cf", "/dev/null", "-e", f"OUT={base}.env", *args, "eth0"]
        if version == 6:
            wait(lambda: self.addresses("eth0", 6, scope="link"), 20, "a link-local address")
        p = self.run(*argv, timeout=timeout, check=False)
        self.client_log = p.stdout + p.stderr
        self.lease = {}
        with contextlib.suppress(OSError), open(base + ".env") as f:
            self.lease = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
        if p.returncode:
            raise LabError(f"dhclient: status {p.returncode}\n{self.client_log}")
        return self.lease.get("new_ip6_address" if version == 6 else "new_ip_address")

    def dhclient_release(self, version):
        base = os.path.join(self.lab.dir, f"{self.short}-dhclient{version}")
        return self.run("dhclient", f"-{version}", "-r", "-v", "-sf", self.lab.script("dhclient", DHCLIENT), "-lf",
                        base + ".leases", "-pf", base + ".pid", "-cf", "/dev/null", "-e", "OUT=/dev/null", "eth0",
                        check=False)

    def dig(self, name, kind="A", server=GW4, *args):
        out = self.run("dig", f"@{server}", name, kind, "+short", "+time=2", "+tries=2", *args, check=False).stdout
        return sorted(l.strip() for l in out.splitlines() if l.strip() and not l.startswith(";"))


UDHCPC = """#!/bin/sh
case $1 in
deconfig) ip -4 addr flush dev $interface ;;
bound | renew)
	ip addr replace $ip/$mask dev $interface
	for r in $router; do ip route replace default via $r dev $interface; done
	for d in $dns; do echo "nameserver $d"; done >/etc/resolv.conf
	;;
esac
"""

DHCLIENT = """#!/bin/sh
env | grep -E '^(reason|new_|interface)' >"$OUT"
case $reason in
BOUND | RENEW | REBIND | REBOOT)
	ip addr replace $new_ip_address/$new_subnet_mask dev $interface
	for r in $new_routers; do ip route replace default via $r dev $interface; done
	;;
BOUND6 | RENEW6 | REBIND6)
	ip -6 addr replace $new_ip6_address/$new_ip6_prefixlen dev $interface valid_lft $new_max_life preferred_lft $new_preferred_life
	;;
esac
exit 0
"""


class Flow:
    """An unbroken stream of pings; lost() tells how many answers are missing."""

    def __init__(self, ns, address, interval=0.02):
        self.ns, self.address = ns, address
        self.p = ns.popen("ping", "-n", "-i", interval, address, log=f"flow-{len(ns.lab.children)}-{address.replace(':', '_')}")
        self.log = self.p.log
        wait(lambda: "bytes from" in self.text(), 15, f"first answer of {address}")

    def text(self):
        with open(self.log) as f:
            return f.read()

    def stop(self):
        before = len(re.findall("bytes from", self.text()))
        wait(lambda: len(re.findall("bytes from", self.text())) > before + 5, 15, f"{self.address} still answers")
        self.p.send_signal(signal.SIGINT)
        self.p.wait(15)
        sent = int(re.search(r"(\d+) packets transmitted", self.text())[1])
        # Those behind the last answer were on their way when we stopped.
        answered = set(map(int, re.findall(r"bytes from .* icmp_seq=(\d+)", self.text())))
        return max(answered) - len(answered), sent


class Dhcp4Load:
    """Many DHCPv4 clients behind one port, by packet socket; the broadcast flag is set, so no ARP is needed."""

    def __init__(self, ns, dev="eth0"):
        self.s = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.s.bind((dev, 0x0800))

    @staticmethod
    def frame(mac, xid, options):
        bootp = struct.pack("!BBBBIHH16s16s192s4s", 1, 1, 6, 0, xid, 0, 0x8000, bytes(16), mac, bytes(192),
                            b"\x63\x82\x53\x63") + options + b"\xff"
        udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(bootp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:]
        return b"\xff" * 6 + mac + b"\x08\x00" + head + udp + bootp

    def run(self, n, window=16, timeout=60):
        """Returns {client: address} of those that finished."""
        got, waiting, todo, end = {}, {}, list(range(1, n + 1)), time.monotonic() + timeout
        mac = lambda i: b"\x02\x11" + struct.pack("!I", i)
        while len(got) < n and time.monotonic() < end:
            while todo and len(waiting) < window:
                i = todo.pop(0)
                waiting[i] = time.monotonic()
                self.s.send(self.frame(mac(i), i, b"\x35\x01\x01"))
            for i, t in list(waiting.items()):      # as a client does: again after a second
                if time.monotonic() - t > 1:
                    waiting[i] = time.monotonic()
                    self.s.send(self.frame(mac(i), i, b"\x35\x01\x01"))
            if not select.select([self.s], [], [], 0.2)[0]:
                continue
            f = self.s.recv(2000)
            if len(f) < 286 or f[23] != 17 or f[34:38] != b"\x00\x43\x00\x44":
                continue
            xid, kind, at, server = struct.unpack("!I", f[46:50])[0], 0, 282, b""
            while at + 1 < len(f) and f[at] != 255:
                if f[at] == 53:
                    kind = f[at + 2]
                elif f[at] == 54:
                    server = f[at + 2:at + 6]
                at += 2 + f[at + 1] if f[at] else 1
            if xid not in waiting:
                continue
            if kind == 2:
                self.s.send(self.frame(mac(xid), xid, b"\x35\x01\x03\x36\x04" + server + b"\x32\x04" + f[58:62]))
            elif kind == 5:
                got[xid] = str(ipaddress.ip_address(f[58:62]))
                del waiting[xid]
        self.s.close()
        return got
