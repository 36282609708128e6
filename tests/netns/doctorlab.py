# SPDX-License-Identifier: GPL-2.0-or-later
"""doctorlab - a healthy host to break, and how to make it healthy again.

    outside ── router ──┬── eth0  host  br0 ── g1, g2      a bridge with NAT, both families, by hand
      2001:db8:ffff::80 │ radvd         vr1 ── r1          a routed guest inside eth0's on-link /64, by NDP proxy
                        └── eth1                           a second way in, IPv4 only

Nothing of it is sixtap's own, so that what the doctor says comes from the kernel alone. settle() puts every setting,
address, route and entry back, whatever was done to them; so a fault is only a function that makes it, and many are
made in one lab.
"""
import json, os, socket, struct, subprocess, time
from lab import Lab, LabError, OUTSIDE4, OUTSIDE6, SIXTAP, UPLINK6_PREFIX, Who, alive, end, wait

GUEST6, GUEST6B = UPLINK6_PREFIX + "::50", UPLINK6_PREFIX + "::51"
HOST4, ROUTER4, HOST4B, ROUTER4B = "198.51.100.2", "198.51.100.1", "192.0.2.2", "192.0.2.1"
NET4, NET6 = "10.20.0", "fd00:20:"
RADVD = {"lifetime": 1800, "prefix": UPLINK6_PREFIX + "::/64", "valid": 86400, "preferred": 14400, "extra": ""}

# What the healthy host has. Order matters: `all` is copied to the others.
SYSCTLS = [
    ("net.ipv6.conf.all.disable_ipv6", 0), ("net.ipv4.ip_forward", 1), ("net.ipv6.conf.eth0.accept_ra", 2),
    ("net.ipv6.conf.eth0.accept_ra_defrtr", 1), ("net.ipv6.conf.eth0.accept_ra_pinfo", 1), ("net.ipv6.conf.eth0.autoconf", 1),
    ("net.ipv6.conf.eth0.addr_gen_mode", 0), ("net.ipv6.conf.eth0.use_tempaddr", 0), ("net.ipv6.conf.eth0.disable_ipv6", 0),
    ("net.ipv6.conf.all.forwarding", 1), ("net.ipv6.conf.all.accept_ra", 1), ("net.ipv6.conf.eth0.forwarding", 1),
    ("net.ipv6.conf.vr1.forwarding", 1), ("net.ipv6.conf.all.proxy_ndp", 1), ("net.ipv6.conf.eth0.proxy_ndp", 1),
    ("net.ipv6.neigh.eth0.proxy_delay", 0), ("net.ipv6.conf.br0.accept_ra", 0), ("net.ipv6.conf.vr1.accept_ra", 0),
    ("net.ipv6.conf.eth1.accept_ra", 0), ("net.ipv6.conf.br0.disable_ipv6", 0), ("net.ipv4.conf.all.rp_filter", 0),
    ("net.ipv4.conf.eth0.rp_filter", 0), ("net.ipv4.conf.eth1.rp_filter", 0), ("net.ipv6.conf.br0.keep_addr_on_down", 0),
]
PORTS = {"p-g1": "br0", "p-g2": "br0"}
NFT = f"""
flush ruleset
table inet hand {{
	chain postrouting {{
		type nat hook postrouting priority srcnat
		oifname "eth0" ip saddr {NET4}.0/24 masquerade
		oifname "eth0" ip6 saddr {NET6}:/64 masquerade
	}}
}}
"""


class DoctorLab:
    def __init__(self, lab):
        self.lab = lab
        self.host = h = lab.ns("host")
        self.router, self.outside = lab.upstream(h, slaac=False)
        self.run_dir = os.path.join(lab.dir, "sixtap")
        self.config = os.path.join(lab.dir, "none.yaml")
        self.sysctl_d = os.path.join(lab.dir, "sysctl.d")
        self.radvd_process, self.radvd_conf, self.n_radvd = None, None, 0
        lab.veth(self.router, "south2", h, "eth1", mac_a="02:00:00:00:02:01", mac_b="02:00:00:00:02:02")
        self.router.ip("addr", "add", ROUTER4B + "/24", "dev", "south2")
        self.router.ip("link", "set", "south2", "up")
        self.guests = {}
        h.ip("link", "add", "br0", "address", "02:00:00:00:20:01", "type", "bridge", "stp_state", 0, "mcast_snooping", 1)
        for i, name in enumerate(("g1", "g2"), 11):
            g = self.guests[name] = lab.ns(name)
            lab.veth(h, "p-" + name, g, "eth0", mac_b=f"52:54:00:20:00:{i}")
            h.sysctl(f"net.ipv6.conf.p-{name}.disable_ipv6", 1)
            g.sysctl("net.ipv6.conf.eth0.accept_ra", 0)
            self.batch(g, f"link set eth0 up\naddr add {NET4}.{i}/24 dev eth0\naddr add {NET6}:{i}/64 dev eth0 nodad\n"
                          f"route add default via {NET4}.1\nroute add default via {NET6}:1 dev eth0")
        g = self.guests["r1"] = lab.ns("r1")
        lab.veth(h, "vr1", g, "eth0", mac_a="02:00:00:00:30:01", mac_b="52:54:00:30:00:01")
        g.sysctl("net.ipv6.conf.eth0.accept_ra", 0)
        self.batch(g, f"link set eth0 up\naddr add {GUEST6}/128 dev eth0 nodad\naddr add {GUEST6B}/128 dev eth0 nodad\n"
                      "route add default via fe80::ff:fe00:3001 dev eth0 onlink")
        for who in self.guests.values():
            Who(who)
        self.settle()
        self.warm()
        self.links = set(h.links())

    @staticmethod
    def batch(ns, text):
        """Lines of ip(8); what is there already is no failure."""
        subprocess.run(["ip", "-n", ns.name, "-force", "-batch", "-"], input=text + "\n", text=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=150)

    # the router

    def radvd(self, **kw):
        """A router that advertises itself so from now on; none: it falls silent. It speaks when it starts."""
        if self.radvd_process and self.radvd_process.poll() is None:
            self.radvd_process.kill()       # without a farewell: a last RA with lifetime 0 is another story
            self.radvd_process.wait()
        self.radvd_process, self.radvd_conf = None, kw
        if not kw:
            return
        c = dict(RADVD, **kw)
        path = os.path.join(self.lab.dir, "radvd.conf")
        with open(path, "w") as f:
            f.write(f"interface south {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 10; MinDelayBetweenRAs 3;\n"
                    f"  AdvDefaultLifetime {c['lifetime']};\n  prefix {c['prefix']} {{ AdvOnLink on; AdvAutonomous on;\n"
                    f"  AdvValidLifetime {c['valid']}; AdvPreferredLifetime {c['preferred']}; }};\n{c['extra']} }};\n")
        self.n_radvd += 1       # the helper of one that was killed may still hold its pid file
        self.radvd_process = self.router.popen("radvd", "-n", "-m", "stderr", "-C", path, "-p",
                                               os.path.join(self.lab.dir, f"radvd{self.n_radvd}.pid"))

    def solicit(self):
        """A router solicitation by the host: radvd answers it within half a second."""
        with self.host.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s, self.host.enter():
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            try:
                s.sendto(bytes((133, 0, 0, 0, 0, 0, 0, 0)), ("ff02::2", 0, 0, socket.if_nametoindex("eth0")))
            except OSError:
                pass        # without an address to send from

    def wait_ra(self, condition, timeout, what):
        """Wait for what an RA brings, asking for one."""
        end = time.monotonic() + timeout
        while True:
            try:
                return wait(condition, 1.5, what, 0.02)
            except LabError:
                if time.monotonic() > end:
                    raise
            self.solicit()

    def ra(self, ns, dev, source, lifetime=1800, prefix=None):
        """One RA by hand, from whoever: (prefix, length) with the autonomous flag."""
        body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0)
        if prefix:
            body += struct.pack("!BBBBIII16s", 3, 4, prefix[1], 0xc0, 86400, 14400, 0, socket.inet_pton(socket.AF_INET6, prefix[0]))
        with ns.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s, ns.enter():
            index = socket.if_nametoindex(dev)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            s.bind((source, 0, 0, index))
            s.sendto(body, ("ff02::1", 0, 0, index))

    # the healthy state

    def default6(self):
        return [r for r in self.host.ipj("-6", "route", "show", "default") if r.get("dev") == "eth0" and r.get("protocol") == "ra"]

    def slaac(self):
        return [a["local"] for a in self.host.addresses("eth0", 6) if a.get("dynamic") and a["local"].startswith(UPLINK6_PREFIX)
                and not a.get("deprecated")]

    def settle(self):
        """Whatever was done: as it was."""
        h = self.host
        now = set(h.links())
        self.batch(h, "\n".join(f"link del {name}" for name in (now - self.links if hasattr(self, "links") else ())))
        self.batch(h, "\n".join(
            ["link set lo up", "link set eth0 up mtu 1500", "link set eth1 up mtu 1500", "link set vr1 up mtu 1500"] +
            ["link set br0 type bridge stp_state 0 mcast_snooping 1"] +
            [f"link set {p} master {b} up mtu 1500" for p, b in PORTS.items()] + ["link set br0 up mtu 1500"] +
            [f"link set {p} type bridge_slave flood on mcast_flood on bcast_flood on isolated off" for p in PORTS] +
            [f"addr flush dev {p}" for p in PORTS] +
            ["neigh flush nud failed", "neigh flush dev eth1 nud stale"]))
        for flush in (("-4", "table", "100"), ("-4", "proto", "static"), ("-6", "proto", "boot"), ("-6", "proto", "static")):
            h.ip(flush[0], "route", "flush", *flush[1:], check=False)
        for key, value in SYSCTLS:      # only what differs: writing forwarding once more has effects of its own
            if h.sysctl(key) != str(value):
                h.sysctl(key, value)
        for dev in ("eth0", "eth1", "br0", "vr1"):
            for a in (i for l in h.ipj("addr", "show", "dev", dev) for i in l.get("addr_info", []) if "local" in i):
                keep = a.get("dynamic") and a["local"].startswith(UPLINK6_PREFIX) and a["prefixlen"] == 64 and not a.get("deprecated")
                if a["scope"] == "link" and a["local"].startswith("fe80::ff:fe00:") and not a.get("dadfailed"):
                    keep = True
                if a["local"] in (HOST4, HOST4B, NET4 + ".1", NET6 + ":1"):
                    keep = a["prefixlen"] in (24, 64)
                if not keep:
                    h.ip("addr", "del", f"{a['local']}/{a['prefixlen']}", "dev", dev, check=False)
        proxies = [(n["dst"], n["dev"]) for n in h.ipj("-6", "neigh", "show", "proxy")]
        self.batch(h, "\n".join(
            [f"neigh del proxy {d} dev {dev}" for d, dev in proxies if (d, dev) not in ((GUEST6, "eth0"), (GUEST6B, "eth0"))] +
            [f"addr add {HOST4}/24 dev eth0", f"addr add {HOST4B}/24 dev eth1", f"addr add {NET4}.1/24 dev br0",
             f"addr add {NET6}:1/64 dev br0 nodad", "addr add fe80::ff:fe00:3001/64 dev vr1 nodad",
             f"route replace default via {ROUTER4} dev eth0", "route del ::/0 dev br0",
             *(f"neigh add proxy {g} dev eth0" for g in (GUEST6, GUEST6B)),
             *(f"route replace {g}/128 dev vr1" for g in (GUEST6, GUEST6B))]))
        for r in h.ipj("-6", "route", "show", "dev", "eth0"):
            if r["dst"] not in ("default", "fe80::/64", UPLINK6_PREFIX + "::/64"):
                h.ip("-6", "route", "del", r["dst"], "dev", "eth0", check=False)
        h.run("nft", "-f", "-", input=NFT)
        if self.radvd_conf != RADVD or not self.default6() or not self.slaac():
            for r in self.default6():
                h.ip("-6", "route", "del", "default", "dev", "eth0", "proto", "ra", check=False)
            self.radvd(**RADVD)
        self.wait_ra(lambda: self.default6() and self.slaac(), 25, "the host has an address and a default route by RA")

    def warm(self):
        """Guests have spoken with the host, so that it knows them as neighbours."""
        for name in ("g1", "g2"):
            for gw in (NET4 + ".1", NET6 + ":1"):
                wait(lambda: self.guests[name].ping(gw, timeout=1), 20, f"{name} reaches {gw}")
        wait(lambda: self.guests["r1"].ping(OUTSIDE6, timeout=1), 20, "r1 reaches the outside")

    # the doctor

    def doctor(self, *args, check=True, status=None):
        argv = [SIXTAP, "-c", self.config, "--run-dir", self.run_dir, "--state-dir", self.run_dir + "-state", "--json", "doctor", *args]
        p = self.host.run(*argv, check=False, env=dict(os.environ, LC_ALL="C.UTF-8", SIXTAP_SYSCTL_D=self.sysctl_d))
        try:
            answer = json.loads(p.stdout)
        except ValueError:
            raise LabError(f"doctor: status {p.returncode}\n{p.stdout}{p.stderr}")
        answer["status"], answer["stderr"] = p.returncode, p.stderr
        return answer

    def found(self, *args):
        """{(id, subject)}, without infos."""
        return {(f["id"], f["subject"]) for f in self.doctor(*args)["findings"]}

    def finding(self, id, subject=None, timeout=15):
        """Wait until it is found; returns it."""
        def look():
            self.last = self.doctor()["findings"]
            return [f for f in self.last if f["id"] == id and subject in (None, f["subject"])]
        try:
            return wait(look, timeout, interval=0.1)[0]
        except LabError:
            raise AssertionError(f"{id} on {subject} isn't found, but {[(f['id'], f['subject'], f['what']) for f in self.last]}")

    def state(self):
        """Settings, addresses, routes, proxies: what a fix may change nothing of but its own."""
        out = {}
        with self.host.enter():
            for base in ("net/ipv4/conf", "net/ipv6/conf", "net/ipv6/neigh"):
                for dev in ("all", "default", "eth0", "eth1", "br0", "vr1"):
                    path = f"/proc/sys/{base}/{dev}"
                    for name in os.listdir(path) if os.path.isdir(path) else ():
                        if name in ("stable_secret", "mc_forwarding"):
                            continue
                        try:
                            with open(f"{path}/{name}") as f:
                                out[f"{base}/{dev}/{name}"] = f.read().strip()
                        except OSError:
                            pass
            with open("/proc/sys/net/ipv4/ip_forward") as f:
                out["net/ipv4/ip_forward"] = f.read().strip()
        for dev in ("eth0", "eth1", "br0", "vr1"):
            for l in self.host.ipj("addr", "show", "dev", dev):
                out["link " + dev] = (l["mtu"], l["address"], "UP" in l["flags"])
                for a in l["addr_info"]:
                    if "local" in a:
                        out[f"addr {dev} {a['local']}/{a['prefixlen']}"] = tuple(k for k in ("deprecated", "dadfailed") if a.get(k))
        for fam in ("-4", "-6"):
            for r in self.host.ipj(fam, "route", "show"):
                out[f"route {r['dst']} {r.get('gateway', '')} {r.get('dev', '')}"] = r.get("protocol")
        for n in self.host.ipj("-6", "neigh", "show", "proxy"):
            out[f"proxy {n['dst']} {n['dev']}"] = True
        return out

    # does traffic flow?

    def host_out6(self):
        return self.host.ping(OUTSIDE6)

    def routed_in(self):
        """From outside to the routed guest, with nothing remembered on the way."""
        self.router.ip("-6", "neigh", "flush", "dev", "south", check=False)
        return self.outside.fetch(GUEST6, 80, timeout=3).startswith("r1 ")

    def nat_out(self, family=6):
        return bool(self.guests["g1"].fetch(OUTSIDE6 if family == 6 else OUTSIDE4, 80, timeout=3))
