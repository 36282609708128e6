# SPDX-License-Identifier: GPL-2.0-or-later
"""The ruleset of plan/ in a real kernel: who reaches whom, forwards, hairpin, DAD.

A router with four networks on bridges, guests as namespaces behind veths, and
an outside that has routes to every guest. The tables are what plan_show prints
for CONFIG; nothing else of sixtap runs. Everything is done twice: with
br_netfilter seeing bridged frames (the default of a new namespace) and without.

Needs root and build/tests/golden/plan_show (or $PLAN_SHOW).
"""
import ctypes
import json
import os
import pathlib
import select
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAN_SHOW = pathlib.Path(os.environ.get("PLAN_SHOW", ROOT / "build/tests/golden/plan_show"))
PREFIX = f"st-plan-{os.getpid()}-"
OUT4, OUT6 = "198.51.100.1", "2001:db8:77:1::1"
HOST4, HOST6 = "198.51.100.2", "2001:db8:77:1::2"
SIDE4 = "203.0.113.1"  # the outside once more, behind the router's second interface

# network: (third octet and subnet id, guests)
NETS = {"lan": (150, ["web", "db"]), "two": (151, ["far"]), "iso": (152, ["cell", "mate"]), "svc": (153, ["clerk"]),
        "shut": (154, ["mole"])}
CONFIG = """
networks:
  lan:
    mode: nat
    ipv4: {address: 192.168.150.1/24}
    ipv6: {address: "fd12:0:0:150::1/64"}
    guests:
      web:
        ipv4: 192.168.150.10
        ipv6: "fd12:0:0:150::10"
        forward:
          - "8080:80"
          - "8081:80/udp"
          - "198.51.100.2:8443:80"
          - {port: "5000-5001:80-81", from: [198.51.100.0/24, 198.51.100.1/32, "2001:db8:77::/48"]}
          - {port: "5002:80", from: [203.0.113.0/24]}
          - "53:80"
  two:
    mode: nat
    ipv4: {address: 192.168.151.1/24}
    ipv6: {address: "fd12:0:0:151::1/64"}
    nat-ports: 40000-40999
    guests:
      far:
        ipv4: 192.168.151.10
        ipv6: "fd12:0:0:151::10"
        forward: ["9090:80"]
  iso:
    mode: isolated
    ipv4: {address: 192.168.152.1/24}
    ipv6: {address: "fd12:0:0:152::1/64"}
  svc:
    mode: nat
    host-access: services
    ipv4: {address: 192.168.153.1/24}
    ipv6: {address: "fd12:0:0:153::1/64"}
  shut:
    mode: nat
    host-access: no
    uplink: eth0
    ipv4: {address: 192.168.154.1/24}
    ipv6: {address: "fd12:0:0:154::1/64"}
"""

libc = ctypes.CDLL(None, use_errno=True)


def run(*args, ns=None, check=True, text=None):
    cmd = (["ip", "netns", "exec", PREFIX + ns] if ns else []) + list(args)
    done = subprocess.run(cmd, input=text, capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(cmd)}: {done.stdout}{done.stderr}")
    return done.stdout


def in_ns(ns, fn):
    """Run fn in a thread that is in the namespace, and hand back what it returns."""
    result = []

    def body():
        with open(f"/run/netns/{PREFIX}{ns}") as f:
            if libc.setns(f.fileno(), 0x40000000) != 0:
                result.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            result.append(fn())
        except OSError as e:
            result.append(e)

    t = threading.Thread(target=body)
    t.start()
    t.join(20)
    assert result, "hangs"
    return result[0]


class Server:
    """Answers TCP and UDP on some ports with "NAME PEER-ADDRESS PEER-PORT"."""

    def __init__(self, ns, ports):
        self.ns, self.socks, self.stop = ns, [], threading.Event()
        for port in ports:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = in_ns(ns, lambda k=kind, p=port: self.listen(k, p))
                assert isinstance(s, socket.socket), s
                self.socks.append(s)
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    @staticmethod
    def listen(kind, port):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM:   # answer from the address that was asked
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        return s

    def words(self, peer):
        return f"{self.ns} {peer[0].removeprefix('::ffff:')} {peer[1]}\n".encode()

    def loop(self):
        held = []
        while not self.stop.is_set():
            ready, _, _ = select.select(self.socks + held, [], [], 0.1)
            for s in ready:
                try:
                    if s in held:
                        data = s.recv(100)
                        if not data:
                            held.remove(s)
                            s.close()
                        else:
                            s.sendall(data)
                    elif s.type == socket.SOCK_STREAM:
                        c, peer = s.accept()
                        c.sendall(self.words(peer))
                        held.append(c)
                    else:
                        _, anc, _, peer = s.recvmsg(100, 200)
                        s.sendmsg([self.words(peer)], [(a, b, d[:16] + b"\0\0\0\0") for a, b, d in anc], 0, peer)
                except OSError:
                    pass
        for s in self.socks + held:
            s.close()

    def end(self):
        self.stop.set()
        self.thread.join()


PATIENCE, SILENCE = 8, 0.4  # seconds to wait for an answer, and for none


def ask(ns, dst, port, proto="tcp", timeout=PATIENCE):
    """What the server said, "refused", or "silence"."""
    def body():
        six = socket.AF_INET6 if ":" in dst else socket.AF_INET
        with socket.socket(six, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            try:
                s.connect((dst, port))
                for left in reversed(range(4 if proto == "udp" else 1)):
                    if proto == "udp":
                        s.send(b"?")
                        s.settimeout(timeout / 4)
                    try:
                        return s.recv(200).decode().strip()
                    except TimeoutError:
                        if not left:
                            raise
            except TimeoutError:
                return "silence"
            except OSError as e:
                return "silence" if e.errno == 110 else "refused"
    return in_ns(ns, body)


def ping(ns, dst, timeout=PATIENCE):
    for patience in (timeout,) if timeout == SILENCE else (2, 2, 2):
        done = subprocess.run(["ip", "netns", "exec", PREFIX + ns, "ping", "-c1", f"-W{patience}", "-n", dst], capture_output=True)
        if done.returncode == 0:
            return "pong"
    return "silence"


def gw(net, v):
    n = NETS[net][0]
    return f"192.168.{n}.1" if v == 4 else f"fd12:0:0:{n}::1"


def addr(guest, v):
    for n, guests in NETS.values():
        if guest in guests:
            i = 10 + guests.index(guest)
            return f"192.168.{n}.{i}" if v == 4 else f"fd12:0:0:{n}::{i}"
    return {"out": (OUT4, OUT6), "host": (HOST4, HOST6)}[guest][v == 6]


def world(nf_call):
    """What plan_show is told of the router: the bridges are there, with ports of others."""
    links = [{"ifindex": 1, "name": "lo"}, {"ifindex": 2, "name": "eth0"}, {"ifindex": 3, "name": "eth1"}]
    for i, (net, (_, guests)) in enumerate(NETS.items()):
        bridge = 10 + i * 10
        links.append({"ifindex": bridge, "name": net, "kind": "bridge", "alias": f"sixtap:{net}"})
        links += [{"ifindex": bridge + 1 + j, "name": "p-" + g, "kind": "veth", "master": bridge}
                  for j, g in enumerate(guests)]
    call = "1" if nf_call else "0"
    return {"links": links, "sysctls": {"net/bridge/bridge-nf-call-iptables": call,
                                        "net/bridge/bridge-nf-call-ip6tables": call}}


def connect(a, dev_a, b, dev_b):
    run("ip", "link", "add", dev_a, "netns", PREFIX + a, "type", "veth", "peer", "name", dev_b, "netns", PREFIX + b)
    run("ip", "link", "set", dev_a, "up", ns=a)
    run("ip", "link", "set", dev_b, "up", ns=b)


def sysctl(ns, name, value):
    run("sysctl", "-qw", f"{name}={value}", ns=ns)


def give(ns, dev, *addresses):
    for a in addresses:
        run("ip", "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []), ns=ns)


def mac_of(ns, dev):
    return json.loads(run("ip", "-j", "link", "show", "dev", dev, ns=ns))[0]["address"]


def build(tmp, nf_call):
    spaces = ["out", "host"] + [g for _, guests in NETS.values() for g in guests]
    for ns in spaces:
        run("ip", "netns", "add", PREFIX + ns)
        run("ip", "link", "set", "lo", "up", ns=ns)
        sysctl(ns, "net.ipv6.conf.all.accept_ra", 0)
    connect("host", "eth0", "out", "eth0")
    connect("host", "eth1", "out", "eth1")
    give("host", "eth0", HOST4 + "/24", HOST6 + "/64")
    give("out", "eth0", OUT4 + "/24", OUT6 + "/64")
    give("host", "eth1", "203.0.113.2/24")
    give("out", "eth1", SIDE4 + "/24")
    run("ip", "route", "add", "default", "via", OUT4, ns="host")
    run("ip", "-6", "route", "add", "default", "via", OUT6, ns="host")
    sysctl("host", "net.ipv4.ip_forward", 1)
    sysctl("host", "net.ipv6.conf.all.forwarding", 1)
    if not nf_call:
        sysctl("host", "net.bridge.bridge-nf-call-iptables", 0)
        sysctl("host", "net.bridge.bridge-nf-call-ip6tables", 0)
    config = CONFIG
    for net, (_, guests) in NETS.items():
        run("ip", "link", "add", net, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0", ns="host")
        run("ip", "link", "set", net, "addrgenmode", "none", ns="host")
        run("ip", "link", "set", net, "up", ns="host")
        give("host", net, gw(net, 4) + "/24", gw(net, 6) + "/64", "fe80::1/64")
        for guest in guests:
            connect("host", "p-" + guest, guest, "eth0")
            run("ip", "link", "set", "p-" + guest, "master", net, ns="host")
            give(guest, "eth0", addr(guest, 4) + "/24", addr(guest, 6) + "/64")
            run("ip", "route", "add", "default", "via", gw(net, 4), ns=guest)
            run("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0", ns=guest)
            config = config.replace(f"      {guest}:\n", f"      {guest}:\n        mac: \"{mac_of(guest, 'eth0')}\"\n")
            # The outside could reach every guest if only the router let it.
            run("ip", "route", "add", addr(guest, 4), "via", HOST4, ns="out")
            run("ip", "-6", "route", "add", addr(guest, 6), "via", HOST6, ns="out")
    (tmp / "config.yaml").write_text(config)
    (tmp / "world.json").write_text(json.dumps(world(nf_call)))
    files = [str(tmp / "config.yaml"), str(tmp / "world.json")]
    text = run(str(PLAN_SHOW), "--ruleset", *files)
    run("nft", "add table inet foreign; add chain inet foreign c", ns="host")
    run("nft", "-f", "-", ns="host", text=text)
    ports = [line.split()[2] for line in run(str(PLAN_SHOW), *files).splitlines() if "hairpin on" in line]
    assert bool(ports) == nf_call
    for port in ports:
        run("ip", "link", "set", port, "type", "bridge_slave", "hairpin", "on", ns="host")
    return text


@pytest.fixture(scope="module", params=[True, False], ids=["br_netfilter", "plain"])
def router(request, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not PLAN_SHOW.exists():
        pytest.skip(f"no {PLAN_SHOW}: build with -Dtests=true, or set PLAN_SHOW")
    servers = []
    try:
        text = build(tmp_path_factory.mktemp("ruleset"), request.param)
        servers = [Server(g, [80, 81]) for _, guests in NETS.values() for g in guests]
        servers += [Server("out", [80]), Server("host", [53, 67, 22])]
        time.sleep(0.3)
        yield {"nf_call": request.param, "text": text}
    finally:
        for s in servers:
            s.end()
        for ns in ["out", "host"] + [g for _, guests in NETS.values() for g in guests]:
            subprocess.run(["ip", "netns", "del", PREFIX + ns], capture_output=True)


# from, to (a name, or an address by family), port, proto, who answers, why
BOTH = (4, 6)
GW = {n: {v: gw(n, v) for v in BOTH} for n in NETS}
MATRIX = [
    # guest ↔ guest
    ("web", "db", 80, "tcp", "db", "guests of one network"),
    ("web", "db", 80, "udp", "db", "guests of one network"),
    ("web", "db", 0, "ping", "pong", "guests of one network"),
    ("cell", "mate", 80, "tcp", "mate", "isolated guests reach each other"),
    ("cell", "mate", 0, "ping", "pong", "isolated guests reach each other"),
    # guest → host
    ("web", "host", 22, "tcp", "host", "host-access yes"),
    ("web", GW["lan"], 22, "tcp", "host", "host-access yes"),
    ("web", GW["lan"], 0, "ping", "pong", "host-access yes"),
    ("web", GW["lan"], 53, "udp", "host", "DNS stays the gateway's, though port 53 is forwarded"),
    ("out", "host", 53, "udp", "host", "53:80 is TCP"),
    ("out", "host", 53, "tcp", "web", "53:80 is TCP"),
    ("clerk", GW["svc"], 53, "udp", "host", "services: DNS"),
    ("clerk", GW["svc"], 53, "tcp", "host", "services: DNS by TCP"),
    ("clerk", GW["svc"], 0, "ping", "pong", "services: ping of the gateway"),
    ("clerk", GW["svc"], 22, "tcp", "no", "services: nothing else"),
    ("clerk", "host", 0, "ping", "no", "services: of the gateway only"),
    ("clerk", "host", 53, "udp", "no", "services: of the gateway only"),
    ("clerk", GW["lan"], 0, "ping", "no", "services: of its own gateway only"),
    ("cell", GW["iso"], 53, "udp", "host", "isolated: services by default"),
    ("cell", GW["iso"], 0, "ping", "pong", "isolated: services by default"),
    ("cell", GW["iso"], 22, "tcp", "no", "isolated: services by default"),
    ("mole", GW["shut"], 0, "ping", "no", "host-access no"),
    ("mole", GW["shut"], 53, "udp", "no", "host-access no"),
    ("mole", GW["shut"], 22, "tcp", "no", "host-access no"),
    # host → guest
    ("host", "web", 80, "tcp", "web", "nat: yes"),
    ("host", "web", 0, "ping", "pong", "nat: yes"),
    ("host", "clerk", 80, "tcp", "clerk", "nat with services: yes"),
    ("host", "mole", 80, "tcp", "mole", "nat with no: yes"),
    ("host", "mole", 0, "ping", "pong", "nat with no: yes"),
    ("host", "cell", 80, "tcp", "no", "isolated with services: only answers"),
    ("host", "cell", 0, "ping", "no", "isolated with services: only answers"),
    # guest → outside
    ("web", "out", 80, "tcp", "out", "nat"),
    ("web", "out", 80, "udp", "out", "nat"),
    ("web", "out", 0, "ping", "pong", "nat, ICMP too"),
    ("far", "out", 0, "ping", "pong", "nat with nat-ports of its own, ICMP too"),
    ("clerk", "out", 80, "tcp", "out", "host-access is not about the outside"),
    ("mole", "out", 80, "tcp", "out", "by its uplink"),
    ("cell", "out", 80, "tcp", "no", "isolated"),
    ("cell", "out", 0, "ping", "no", "isolated"),
    # outside → guest
    ("out", "web", 80, "tcp", "no", "forwards only"),
    ("out", "web", 80, "udp", "no", "forwards only"),
    ("out", "web", 0, "ping", "no", "forwards only"),
    ("out", "cell", 80, "tcp", "no", "isolated"),
    ("out", "cell", 0, "ping", "no", "isolated"),
    ("out", "mole", 80, "tcp", "no", "forwards only, also with an uplink of its own"),
    # other networks of ours
    ("web", "far", 80, "tcp", "no", "networks are apart"),
    ("web", "far", 0, "ping", "no", "networks are apart"),
    ("far", "web", 80, "udp", "no", "networks are apart"),
    ("web", "cell", 80, "tcp", "no", "networks are apart"),
    ("cell", "web", 80, "tcp", "no", "networks are apart"),
    # forwards
    ("out", "host", 8080, "tcp", "web", "from outside"),
    ("out", "host", 8081, "udp", "web", "from outside"),
    ("out", "host", 9090, "tcp", "far", "of another network"),
    ("out", "host", 8081, "tcp", "no", "UDP only"),
    ("host", "host", 8080, "tcp", "web", "from the host itself"),
    ("host", "host", 8081, "udp", "web", "from the host itself"),
    ("host", GW["lan"], 8080, "tcp", "web", "from the host, at any of its addresses"),
    ("host", GW["two"], 8080, "tcp", "web", "from the host, at any of its addresses"),
    ("host", {4: "127.0.0.1", 6: "::1"}, 8080, "tcp", "no", "but not loopback"),
    ("db", "host", 8080, "tcp", "web", "from a guest of the same network"),
    ("db", "host", 8081, "udp", "web", "from a guest of the same network"),
    ("db", GW["lan"], 8080, "tcp", "web", "at the gateway's address"),
    ("web", "host", 8080, "tcp", "web", "from the target itself"),
    ("web", "host", 8081, "udp", "web", "from the target itself"),
    ("web", GW["lan"], 8080, "tcp", "web", "from the target itself, at the gateway's address"),
    ("far", "host", 9090, "tcp", "far", "from the target itself"),
    ("far", "host", 8080, "tcp", "no", "not from other networks of ours"),
    ("cell", "host", 8080, "tcp", "no", "not from other networks of ours"),
    ("clerk", GW["svc"], 8080, "tcp", "no", "not from other networks of ours"),
    ("out", "host", 5000, "tcp", "web", "from: allowed"),
    ("out", "host", 5001, "tcp", "web", "from: second of the range"),
    ("out", "host", 5002, "tcp", "no", "from: not allowed"),
    ("db", "host", 5000, "tcp", "no", "from: holds inside as well"),
]


@pytest.mark.parametrize("v", BOTH, ids=["v4", "v6"])
@pytest.mark.parametrize("src,dst,port,proto,who,why", MATRIX,
                         ids=[f"{m[0]}-{m[1] if isinstance(m[1], str) else 'gw'}-{m[3]}{m[2]}" for m in MATRIX])
def test_reach(router, src, dst, port, proto, who, why, v):
    to = addr(dst, v) if isinstance(dst, str) else dst[v]
    timeout = SILENCE if who == "no" else PATIENCE
    got = ping(src, to, timeout) if proto == "ping" else ask(src, to, port, proto, timeout)
    if who == "no":
        assert got in ("silence", "refused"), f"{why}: {src} → {to}: {got}"
    else:
        assert got.split()[0] == who, f"{why}: {src} → {to}: {got}"


def test_address_of_the_host(router):
    assert ask("out", HOST4, 8443).startswith("web")
    assert not ask("out", HOST6, 8443, timeout=SILENCE).startswith("web"), "the forward names the IPv4 address"
    assert not ask("host", "203.0.113.2", 8443, timeout=SILENCE).startswith("web"), "another address of the host"


@pytest.mark.parametrize("v", BOTH)
@pytest.mark.parametrize("guest,first,last", [("web", 50000, 65535), ("far", 40000, 40999)])
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_source(router, v, guest, first, last, proto):
    _, address, port = ask(guest, addr("out", v), 80, proto).split()
    assert address == addr("host", v) and first <= int(port) <= last


@pytest.mark.parametrize("v", BOTH)
def test_forward_keeps_the_client(router, v):
    assert ask("out", addr("host", v), 8080).split()[1] == addr("out", v)


def test_named_uplink(router):
    assert ask("web", SIDE4, 80).startswith("out"), "uplink auto: wherever routes lead"
    assert ask("mole", SIDE4, 80, timeout=SILENCE) in ("silence", "refused"), "a named uplink is the only way out"


@pytest.mark.parametrize("v", BOTH)
def test_errors_come_back(router, v):
    assert ask("web", addr("out", v), 4444, "udp") == "refused", "port unreachable is related"


def test_dhcp_is_silent(router):
    assert ask("web", gw("lan", 4), 67, "udp", SILENCE) == "silence"
    assert ask("web", gw("lan", 6), 547, "udp", SILENCE) == "silence"


def dad(guest, address):
    run("ip", "addr", "add", address + "/64", "dev", "eth0", ns=guest)
    for _ in range(100):
        time.sleep(0.1)
        out = run("ip", "-6", "addr", "show", "to", address, ns=guest)
        if "dadfailed" in out:
            return "failed"
        if "tentative" not in out:
            return "ok"
    return "tentative"


def test_dad(router):
    assert dad("web", "fd12:0:0:150::77") == "ok", "a guest must not hear its own probe"
    time.sleep(0.3)  # who probes for an address itself, 1.2 s at most, is spared another's probe
    assert dad("db", "fd12:0:0:150::77") == "failed", "but another guest's"


def test_nothing_is_reflected(router):
    """With hairpin mode on, a guest gets nothing back of what it sends to everybody or to nobody."""
    for port in ("p-web", "p-db"):
        assert ("hairpin on" in run("bridge", "-d", "link", "show", "dev", port, ns="host")) == router["nf_call"]

    def body():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)) as s:
            s.bind(("eth0", 0x88b5))
            s.settimeout(0.3)
            mine = s.getsockname()[4]
            heard = []
            for dst in (b"\xff" * 6, b"\x33\x33\0\0\0\x01", b"\x02\0\0\0\0\x99"):
                s.send(dst + mine + b"\x88\xb5" + b"\0" * 46)
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                try:
                    frame, meta = s.recvfrom(100)
                except TimeoutError:
                    break
                if meta[2] != socket.PACKET_OUTGOING:
                    heard.append(frame[:6].hex())
            return heard
    assert in_ns("web", body) == []


def test_replaced_under_a_connection(router):
    """A new table in place of the old one leaves connections and foreign tables alone."""
    def body():
        s = socket.create_connection((OUT4, 80), timeout=10)
        s.recv(100)
        return s
    s = in_ns("web", body)
    run("nft", "-f", "-", ns="host", text=router["text"])
    s.sendall(b"still there")
    assert s.recv(100) == b"still there"
    s.close()
    assert "table inet foreign" in run("nft", "list", "tables", ns="host")
