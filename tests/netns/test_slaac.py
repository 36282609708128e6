# SPDX-License-Identifier: GPL-2.0-or-later
"""slaac: what it predicts from settings is what the kernel does, in every cell; who else handles RAs; where settings are made."""
import contextlib, itertools, json, os, socket, struct, subprocess
import pytest
from lab import LabError, SIXTAP, wait
from libnet import ip_, shape
from test_rs_ns import Link, radvd, sixtap
from test_watch import icmp6

KNOBS = ("accept_ra", "forwarding", "autoconf", "accept_ra_pinfo", "accept_ra_defrtr")
CELLS = [dict(zip(KNOBS, v)) for v in itertools.product((0, 1, 2), (0, 1), (0, 1), (0, 1), (0, 1))]
ODD = [dict(accept_ra=1, **k) for k in ({"addr_gen_mode": 1}, {"disable_ipv6": 1}, {"router_solicitations": 0}, {"accept_ra_rtr_pref": 0},
                                        {"accept_ra_min_lft": 100}, {"stable_secret": "2001:db8::42"}, {"addr_gen_mode": 3}, {"use_tempaddr": 2})] + [
    dict(accept_ra=2, forwarding=1, addr_gen_mode=1), dict(accept_ra=2, forwarding=1, router_solicitations=0)]
ANSWER = {"version": (1,), "interfaces": [{
    "name": str, "handler": ("kernel", "systemd-networkd", "NetworkManager", "dhcpcd", "none"), "manager?": str, "sends_rs?": bool,
    "gets_address?": bool, "gets_default_route?": bool, "because": [{"what": str, "set_by?": str, "note?": str}],
    "addresses": [{"address": ip_, "kind": ("eui64", "stable", "temporary", "static", "dhcp")}], "routers": [ip_]}]}


def prefix_ra(i):
    """An ordinary RA: a /64 with L and A, a default router; 2001:db8:0:I::/64 from fe80::I."""
    pio = struct.pack("!BBBBIII16s", 3, 4, 64, 0xc0, 7200, 3600, 0, socket.inet_pton(socket.AF_INET6, f"2001:db8:0:{i:x}::"))
    return icmp6(f"fe80::{i + 1:x}", "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + pio, mac="02000000ee%02x" % i)


def batch(ns, lines):
    p = subprocess.run(["ip", "-n", ns.name, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=60)
    assert p.returncode == 0, p.stderr


@pytest.mark.parametrize("all_forwarding", [0, 1])
def test_every_cell(lab, all_forwarding):
    """accept_ra x forwarding x autoconf x accept_ra_pinfo x accept_ra_defrtr, and some odd ones, all at once on interfaces of one host."""
    cells = [dict(dict.fromkeys(KNOBS, 1), forwarding=0)] + CELLS + [dict(dict(dict.fromkeys(KNOBS, 1), forwarding=0), **o) for o in ODD]
    host, router = lab.ns("host"), lab.ns("router")
    batch(router, [f"link add r{i} address 02:00:00:00:ee:{i:02x} type veth peer name c{i} netns {host.name}" for i in range(len(cells))])
    with router.enter():
        for i in range(len(cells)):
            with open(f"/proc/sys/net/ipv6/conf/r{i}/disable_ipv6", "w") as f:
                f.write("1")
    host.sysctl("net.ipv6.conf.all.forwarding", all_forwarding)
    with host.enter():
        for i, cell in enumerate(cells):
            for key, value in dict({k: v for k, v in cell.items() if k != "addr_gen_mode"}, accept_dad=0, router_solicitation_delay=0, router_solicitation_interval=1).items():
                with open(f"/proc/sys/net/ipv6/conf/c{i}/{key}", "w") as f:
                    f.write(str(value))
    # By netlink: the sysctl makes a link-local address at once, the link's coming up a second one, and with two of
    # them that are checked by nobody (accept_dad=0) the kernel asks no router.
    batch(host, [f"link set c{i} addrgenmode {('eui64', 'none', 'stable_secret', 'random')[c['addr_gen_mode']]}"
                 for i, c in enumerate(cells) if "addr_gen_mode" in c])
    batch(router, [f"link set r{i} up" for i in range(len(cells))])
    socks = []
    for i in range(len(cells)):
        s = router.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
        s.bind((f"r{i}", 0x86dd))
        s.setblocking(False)
        socks.append(s)
    batch(host, [f"link set c{i} up" for i in range(len(cells))])
    wait(lambda: all(l["operstate"] == "UP" for n, l in host.links().items() if n != "lo"), 40, "carrier")
    wait(lambda: len([a for l in host.ipj("-6", "addr", "show", "scope", "link") for a in l.get("addr_info", []) if not a.get("tentative")])
         >= len([c for c in cells if c.get("addr_gen_mode") != 1 and not c.get("disable_ipv6")]), 40, "link-local addresses")

    answer = sixtap(host, "--json", "slaac", *[f"c{i}" for i in range(len(cells))])
    shape(answer, ANSWER)
    predicted = [(x["sends_rs"], x["gets_address"], x["gets_default_route"]) for x in answer["interfaces"]]
    assert len(predicted) == len(cells) and all(x["because"] for x in answer["interfaces"])

    rs = [False] * len(cells)

    def solicited():
        for i, s in enumerate(socks):
            try:
                while True:
                    frame = s.recv(2000)
                    if len(frame) > 54 and frame[20] == 58 and frame[54] == 133:
                        rs[i] = True
            except BlockingIOError:
                pass
        return rs
    # An interface that would send one has sent it by the time the first has: but give every one the whole interval.
    with contextlib.suppress(LabError):
        wait(lambda: all(r for r, p in zip(solicited(), predicted) if p[0]), 20)

    def outcome():
        # Again each time: the neighbour table is the whole machine's, and while it is full the kernel reads only half an RA.
        for i, s in enumerate(socks):
            s.send(prefix_ra(i))
        got = [[False, False] for _ in cells]
        for l in host.ipj("-6", "addr", "show", "scope", "global"):
            for a in l.get("addr_info", []):
                if a.get("dynamic") and a.get("local", "").startswith("2001:db8:"):
                    got[int(l["ifname"][1:])][0] = True
        for r in host.default_route():
            for hop in r.get("nexthops", [r]):
                got[int(hop["dev"][1:])][1] = True
        return got
    with contextlib.suppress(LabError):
        wait(lambda: [tuple(o) for o in outcome()] == [p[1:] for p in predicted], 30, interval=0.3)
    outcome()       # and what comes after that changes nothing
    measured = [(r, *o) for r, o in zip(solicited(), outcome())]
    wrong = [(cells[i], p, m) for i, (p, m) in enumerate(zip(predicted, measured)) if p != m]
    assert not wrong, f"{len(wrong)} of {len(cells)} cells: (settings, predicted, measured) {wrong[:5]}"
    assert len(set(measured)) >= 5 and measured[0] == (True, True, True), "the test sees differences"
    print(f"{len(cells)} cells with all.forwarding={all_forwarding}: prediction = outcome")


class Private:
    """Commands of one namespace with folders of their own in place of the host's."""

    def __init__(self, ns, folders):
        self.ns, self.folders = ns, folders
        script = "".join(f"mkdir -p {f} 2>/dev/null; mount -t tmpfs none {f}; " for f in folders) + "echo ready; exec sleep 600"
        self.p = subprocess.Popen(ns.argv(["unshare", "-m", "sh", "-c", script]), stdout=subprocess.PIPE, text=True, start_new_session=True)
        ns.lab.children.append(self.p)
        assert self.p.stdout.readline() == "ready\n"
        # `ip netns exec` and unshare replace themselves.
        self.pid = self.p.pid

    def argv(self, argv):
        return ["nsenter", "-t", str(self.pid), "-m", "-n", *map(str, argv)]

    def run(self, *argv, check=True, **kw):
        p = subprocess.run(self.argv(argv), capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
                           env=dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1"), **kw)
        assert not check or p.returncode == 0, f"{argv}: {p.returncode}\n{p.stdout}{p.stderr}"
        return p

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$0")" && printf %s "$1" >"$0"', path, text)

    def popen(self, *argv, log):
        path = os.path.join(self.ns.lab.dir, log)
        with open(path, "w") as f:
            p = subprocess.Popen(self.argv(argv), stdout=f, stderr=f, stdin=subprocess.DEVNULL, start_new_session=True)
        self.ns.lab.children.append(p)
        return p

    def slaac(self, *argv):
        return {x["name"]: x for x in json.loads(self.run(SIXTAP, "--json", "slaac", *argv).stdout)["interfaces"]}


def said(view, word):
    """The reason with that word in it."""
    return next((b for b in view["because"] if word in b["what"]), {})


def test_set_by(lab):
    """Settings are found in the file and line that the boot takes them from: systemd-sysctl itself applies them here."""
    host = lab.ns("host")
    names = ("eth0", "eth1", "eth2", "eth3", "br-x")
    for n in names:
        host.ip("link", "add", n, "type", "bridge")
        host.ip("link", "set", n, "up")
    p = Private(host, ("/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d"))
    p.write("/usr/lib/sysctl.d/50-vendor.conf", "net.ipv6.conf.eth0.accept_ra = 1\n")
    p.write("/usr/lib/sysctl.d/60-hidden.conf", "net.ipv6.conf.eth0.accept_ra = 0\n")
    p.write("/run/sysctl.d/60-hidden.conf", "# hides the vendor's file of that name\n")
    p.write("/etc/sysctl.d/70-mine.conf", "# a comment\n\nnet.ipv6.conf.eth0.accept_ra = 2\nnet/ipv6/conf/eth1/accept_ra=0\n"
                                          "net.ipv6.conf.eth2.autoconf=0\nnet.ipv6.conf.all.accept_ra = 2\n")
    p.write("/etc/sysctl.d/80-pattern.conf", "net.ipv6.conf.*.accept_ra_pinfo = 0\n-net.ipv6.conf.eth0.accept_ra_pinfo\n")
    p.write("/etc/sysctl.d/90-all.conf", "net.ipv6.conf.all.forwarding = 1\n")
    p.run("/lib/systemd/systemd-sysctl", "--prefix=/net/ipv6/conf", check=False)
    for n, pinfo in (("eth0", "1"), ("eth1", "0")):
        assert host.sysctl(f"net.ipv6.conf.{n}.accept_ra_pinfo") == pinfo, "systemd-sysctl has applied them"
    for n in names:         # these have no carrier, which comes before all else: a port with a carrier each
        host.ip("link", "add", "p" + n, "type", "veth", "peer", "name", "q" + n)
        for x in "pq":
            host.ip("link", "set", x + n, "addrgenmode", "none", "up")
        host.ip("link", "set", "p" + n, "master", n)
    wait(lambda: all(host.addresses(n, 6, scope="link") for n in names), 20)
    v = p.slaac(*names)
    assert said(v["eth0"], "accept_ra=2")["set_by"] == "/etc/sysctl.d/70-mine.conf:3", v["eth0"]
    assert v["eth0"]["gets_address"] and v["eth0"]["gets_default_route"]
    assert said(v["eth1"], "accept_ra=0")["set_by"] == "/etc/sysctl.d/70-mine.conf:4" and v["eth1"]["handler"] == "none"
    assert said(v["eth3"], "accept_ra=1 with forwarding=1") and said(v["eth3"], "forwarding=1")
    assert [b["set_by"] for b in v["eth3"]["because"] if b["what"] == "forwarding=1"] == ["/etc/sysctl.d/90-all.conf:1"]
    assert said(v["eth3"], "conf/all/accept_ra=2 changes nothing")["set_by"] == "/etc/sysctl.d/70-mine.conf:6"
    for n in ("eth2", "br-x"):
        host.sysctl(f"net.ipv6.conf.{n}.accept_ra", 2)
    v = p.slaac("eth2", "br-x")
    assert said(v["br-x"], "accept_ra_pinfo=0")["set_by"] == "/etc/sysctl.d/80-pattern.conf:1"
    host.sysctl("net.ipv6.conf.eth2.accept_ra_pinfo", 1)
    v = p.slaac("eth2")
    assert said(v["eth2"], "autoconf=0")["set_by"] == "/etc/sysctl.d/70-mine.conf:5"
    # Changed since: the file is named as what the next boot does.
    host.sysctl("net.ipv6.conf.eth0.accept_ra", 0)
    v = p.slaac("eth0")
    assert "set_by" not in said(v["eth0"], "accept_ra=0")
    assert "/etc/sysctl.d/70-mine.conf:3 says 2" in said(v["eth0"], "accept_ra=0")["note"]
    text = p.run(SIXTAP, "slaac", "eth1", "eth3").stdout
    for word in ("eth1 · nobody handles router advertisements", "✗ default route  none will come of an RA", "/etc/sysctl.d/90-all.conf:1",
                 "sysctl net/ipv6/conf/eth3/accept_ra=2", "sixtap rs eth3", "and change /etc/sysctl.d/70-mine.conf:4"):
        assert word in text, text
    text = p.run(SIXTAP, "slaac", "--compare", "eth1", "br-x").stdout
    assert "accept_ra               0                  2" in text and "/etc/sysctl.d/70-mine.conf:4" in text, text
    answer = json.loads(p.run(SIXTAP, "--json", "slaac", "--compare", "eth1", "br-x").stdout)
    assert {"setting": "accept_ra", "values": [0, 2]} in answer["differences"] and len(answer["interfaces"]) == 2
    saved = os.path.join(lab.dir, "snap.json")
    p.run(SIXTAP, "doctor", "--save", saved, check=False)
    assert json.loads(p.run(SIXTAP, "--json", "slaac", "--from", saved, "eth3").stdout)["interfaces"] == list(p.slaac("eth3").values())
    # A program that handles RAs, and nobody can tell whether it takes them: said so, not guessed.
    with open(saved) as f:
        snap = json.load(f)
    index = next(l["ifindex"] for l in snap["links"] if l["name"] == "eth3")
    snap["managers"] = [{"ifindex": index, "manager": "NetworkManager", "manages": True, "handles_ra": 1, "accepts_ra": -1}]
    with open(saved, "w") as f:
        json.dump(snap, f)
    q = p.run(SIXTAP, "--json", "slaac", "--from", saved, "eth3", check=False)
    [view] = json.loads(q.stdout)["interfaces"]
    assert q.returncode == 3 and view["handler"] == "NetworkManager" and "gets_address" not in view, q.stdout
    assert p.run(SIXTAP, "slaac", "eth9", check=False).returncode == 1
    assert p.run(SIXTAP, "slaac", "--compare", "eth1", check=False).returncode == 2


NETWORKD = {
    "n0": ("[Network]\nIPv6AcceptRA=yes\n", (True, True), "takes RAs itself, whatever accept_ra says: IPv6AcceptRA=yes", ":4"),
    "n1": ("[Network]\nIPv6AcceptRA=no\n", (False, False), "takes no RAs, whatever accept_ra says: IPv6AcceptRA=no", ":4"),
    "n2": ("[Network]\nIPv6AcceptRA=yes\n[IPv6AcceptRA]\nUseGateway=no\n", (True, False), "UseGateway=no", ":6"),
    "n3": ("[Network]\nIPv6AcceptRA=yes\n[IPv6AcceptRA]\nUseAutonomousPrefix=no\n", (False, True), "UseAutonomousPrefix=no", ":6"),
    "n4": ("[Network]\nLinkLocalAddressing=ipv6\n", (True, True), "takes RAs itself", ""),
    "n5": ("[Network]\nIPForward=yes\n", (False, False), "takes no RAs, whatever accept_ra says: IPForward=yes", ":4"),
}


def test_networkd(lab):
    """A real systemd-networkd handles RAs: predicted from its files is what it does."""
    host, router = lab.ns("host"), lab.ns("router")
    names = [*NETWORKD, "k0"]
    for i, n in enumerate(names):
        lab.veth(router, f"r{i}", host, n, mac_a=f"02:00:00:00:ee:{i:02x}")
        router.sysctl(f"net.ipv6.conf.r{i}.disable_ipv6", 1)
        router.ip("link", "set", f"r{i}", "up")
        host.ip("link", "set", n, "up")
    p = Private(host, ("/run/systemd", "/etc/systemd/network"))
    for n, (text, *_) in NETWORKD.items():
        p.write(f"/run/systemd/network/10-{n}.network", f"[Match]\nName={n}\n{text}")
    p.run("sh", "-c", "mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp; "
                      "chown -R systemd-network: /run/systemd/netif; mount -o remount,ro /sys")
    p.popen("env", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd", log="networkd.log")
    socks = []
    for i in range(len(names)):
        s = router.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((f"r{i}", 0))
        socks.append(s)

    def outcome():
        for i, s in enumerate(socks):
            s.send(prefix_ra(i))
        got = {n: [False, False] for n in names}
        for l in host.ipj("-6", "addr", "show", "scope", "global"):
            for a in l.get("addr_info", []):
                if a.get("local", "").startswith("2001:db8:"):
                    got[l["ifname"]][0] = True
        for r in host.default_route():
            for hop in r.get("nexthops", [r]):
                got[hop["dev"]][1] = True
        return {n: tuple(g) for n, g in got.items()}
    expected = {n: want for n, (_, want, *_) in NETWORKD.items()}
    expected["k0"] = (False, False)     # IPForward=yes is the whole host's
    states = lambda: p.run("sh", "-c", "cat /run/systemd/netif/links/*", check=False).stdout
    wait(lambda: states().count("NETWORK_FILE=") == len(NETWORKD), 40, "networkd has taken its interfaces")
    wait(lambda: outcome() == expected, 40, "what networkd makes of RAs")
    v = p.slaac(*names)
    assert {n: (x["gets_address"], x["gets_default_route"]) for n, x in v.items()} == expected
    wait(lambda: outcome() == expected, 10, "and that's still so")
    for n, (_, want, word, line) in NETWORKD.items():
        assert v[n]["handler"] == v[n]["manager"] == "systemd-networkd"
        assert said(v[n], word)["set_by"] == f"/run/systemd/network/10-{n}.network{line}", v[n]
        assert v[n]["sends_rs"] == (n not in ("n1", "n5"))
    assert v["k0"]["handler"] == "kernel" and v["k0"].get("manager") is None
    assert said(v["k0"], "accept_ra=1 with forwarding=1")
    kinds = {a["kind"] for a in v["n0"]["addresses"]}
    assert kinds and kinds <= {"eui64", "stable"} and v["n0"]["routers"] == ["fe80::1"]
    # Interfaces that could matter, without being named.
    assert set(p.slaac()) == set(names)
    text = p.run(SIXTAP, "slaac", "n1").stdout
    assert "n1 · systemd-networkd handles router advertisements" in text and "10-n1.network:4" in text


def test_dhcpcd(lab):
    """dhcpcd takes the kernel's RAs away, and gets the address itself."""
    host, router = lab.ns("host"), lab.ns("router")
    lab.veth(router, "r0", host, "eth0", mac_a="02:00:00:00:ee:00")
    router.sysctl("net.ipv6.conf.r0.disable_ipv6", 1)
    router.ip("link", "set", "r0", "up")
    p = Private(host, ("/run/dhcpcd", "/var/lib/dhcpcd"))
    conf = os.path.join(lab.dir, "dhcpcd.conf")
    with open(conf, "w") as f:
        f.write("ipv6only\nnodhcp6\nnoalias\nslaac hwaddr\nscript /bin/true\n")
    s = router.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("r0", 0))
    p.popen("dhcpcd", "-B", "-f", conf, "eth0", log="dhcpcd.log")

    def there():
        s.send(prefix_ra(0))
        return host.addresses("eth0", 6) and host.default_route()
    wait(there, 60, "dhcpcd has an address and a route")
    v = p.slaac("eth0")["eth0"]
    assert v["handler"] == "dhcpcd" and v["gets_address"] and v["gets_default_route"] and v["sends_rs"], v


def test_mend(lab):
    """What is proposed does it: the README's chapter, as it runs. Nothing comes unasked, so that what isn't there stays away."""
    link = Link(lab)
    radvd(lab, link.host("router", forwarding=1, accept_ra=0, addresses=["2001:db8:77:1::1/64"]),
          "interface eth0 { AdvSendAdvert on; UnicastOnly on; MinRtrAdvInterval 200; MaxRtrAdvInterval 600; AdvDefaultLifetime 1800; prefix 2001:db8:77:1::/64 { }; };\n")
    host = link.host("host")
    # Who comes before radvd has its socket is answered when it asks again, after four seconds.
    wait(host.default_route, 30)
    host.sysctl("net.ipv6.conf.all.forwarding", 1)
    wait(lambda: not host.default_route(), 15, "the kernel forgets its default route")
    text = sixtap(host, "slaac", "eth0")
    assert "accept_ra=1 with forwarding=1: a router ignores RAs unless accept_ra=2" in text, text
    assert "! address" in text and "no RA adds or renews one" in text and "✗ default route" in text
    knob = next(w for w in text.split() if w.startswith("net/ipv6/conf/eth0/"))
    assert knob.rstrip(",") == "net/ipv6/conf/eth0/accept_ra=2"
    host.run("sysctl", knob.rstrip(","))
    view = sixtap(host, "--json", "slaac", "eth0")["interfaces"][0]
    assert view["gets_default_route"] and not host.default_route(), "predicted, but not there before the next RA"
    answer = sixtap(host, "--json", "rs", "eth0")
    assert answer["kernel"]["default_routes"] and host.default_route()
    assert "✓ default route  via fe80::" in sixtap(host, "slaac")
