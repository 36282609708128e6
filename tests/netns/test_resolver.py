# SPDX-License-Identifier: GPL-2.0-or-later
"""The resolver process alone, driven as main drives it: its wire, its limits, its upstream in trouble.

    guest (.10 .11) ── host: resolver on 192.168.150.1 ── up: dnsmasq 198.51.100.1, a slow server .2, nobody at .99
"""
import os, select, socket, struct, subprocess, time
import pytest

from lab import Lab, SIXTAP, wait

DRIVER = os.path.join(os.path.dirname(SIXTAP), "tests", "netns", "resolver_driver")
GW4, GW6 = "192.168.150.1", "fd12:8848:a2a2:1::1"
A, AAAA, TXT = 1, 28, 16
FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 1, 2, 3, 5
UID = "60999"       # nobody's

DNSMASQ = """keep-in-foreground
user=root
no-resolv
no-hosts
bind-interfaces
listen-address=198.51.100.1,2001:db8:77::1
host-record=www.example.net,203.0.113.80,2001:db8:80::80
cname=alias.example.net,www.example.net
local=/example.net/
address=/wild.example.org/203.0.113.99
ptr-record=1.2.0.192.in-addr.arpa,rev.example.net
local-ttl=60
""" + "".join(f'txt-record=big.example.net,"{i:03d}{"x" * 200}"\n' for i in range(30))

# Answers at once, but names with "slow" never.
SLOW = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("198.51.100.2", 53))
while True:
    m, peer = s.recvfrom(4096)
    if b"slow" in m.lower():
        continue
    i = 12
    while m[i]:
        i += 1 + m[i]
    s.sendto(m[:2] + bytes.fromhex("81800001000100000000") + m[12:i + 5] +
             bytes.fromhex("c00c000100010000003c000401020304"), peer)
"""


def query(name, kind=A, ident=1, edns=False, rd=True):
    m = struct.pack(">HHHHHH", ident, 0x100 if rd else 0, 1, 0, 0, 1 if edns else 0)
    for label in name.split("."):
        m += bytes([len(label)]) + label.encode()
    return m + b"\0" + struct.pack(">HH", kind, 1) + (b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if edns else b"")


def framed(m):
    return struct.pack(">H", len(m)) + m


def rcode(m):
    return m[3] & 15


def ident(m):
    return struct.unpack(">H", m[:2])[0]


def answers(m):
    return struct.unpack(">H", m[6:8])[0]


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            return None
        data += part
    return data


def reply(s):
    head = read_exactly(s, 2)
    return head and read_exactly(s, struct.unpack(">H", head)[0])


class Bench:
    def __init__(self, lab):
        self.lab, self.n_told = lab, 0
        self.up, self.host, self.guest = lab.ns("up"), lab.ns("host"), lab.ns("guest")
        for a, dev_a, b, dev_b in (self.host, "eth0", self.up, "eth0"), (self.host, "lan", self.guest, "eth0"):
            lab.veth(a, dev_a, b, dev_b)
        for ns, dev, *addresses in ((self.host, "eth0", "198.51.100.5/24", "2001:db8:77::5/64"),
                                    (self.up, "eth0", "198.51.100.1/24", "198.51.100.2/24", "2001:db8:77::1/64"),
                                    (self.host, "lan", GW4 + "/24", GW6 + "/64"),
                                    (self.guest, "eth0", "192.168.150.10/24", "192.168.150.11/24",
                                     "fd12:8848:a2a2:1::10/64")):
            for address in addresses:
                ns.ip("addr", "add", address, "dev", dev, *(["nodad"] if ":" in address else []))
            ns.ip("link", "set", dev, "up")
        empty = os.path.join(lab.dir, "empty")
        os.mkdir(empty)
        self.driver = self.host.popen(DRIVER, empty, UID, log="resolver", stdin=subprocess.PIPE)
        self.tell(f"listen lan lan {GW4}/24 {GW6}/64", "name lan web 192.168.150.10", f"name lan web {GW6}0")

    def send_lines(self, *lines):
        self.driver.stdin.write("".join(line + "\n" for line in lines).encode())
        self.driver.stdin.flush()

    def tell(self, *lines):
        """Tell the resolver, and return when it has heard: messages are taken in order."""
        self.n_told += 1
        name = f"told{self.n_told}"
        self.send_lines(*lines, f"name lan {name} 192.168.150.200")
        wait(lambda: (self.rcode(name + ".lan", timeout=0.2)) == 0, 15, "the resolver heard: " + lines[0], interval=0.01)
        self.send_lines(f"gone lan {name} 192.168.150.200")

    def dnsmasq(self):
        conf = os.path.join(self.lab.dir, "dnsmasq.conf")
        with open(conf, "w") as f:
            f.write(DNSMASQ)
        p = self.up.popen("dnsmasq", "-C", conf)
        wait(lambda: "198.51.100.1:53" in self.up.run("ss", "-Hlun").stdout, 15, "dnsmasq listens")
        return p

    def upstream(self):
        self.dnsmasq()
        self.tell("upstream 198.51.100.1")
        assert self.rcode("www.example.net") == 0

    def udp(self, source="192.168.150.10"):
        s = self.guest.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((source, 0))
        s.connect((GW4, 53))
        return s

    def tcp(self, source="192.168.150.10"):
        s = self.guest.socket(socket.AF_INET)
        s.settimeout(20)
        s.bind((source, 0))
        s.connect((GW4, 53))
        return s

    def send(self, m, timeout=8.0, source="192.168.150.10"):
        with self.udp(source) as s:
            s.settimeout(timeout)
            s.send(m)
            try:
                return s.recv(65535)
            except OSError:
                return None

    def ask(self, name, kind=A, timeout=8.0, **kw):
        return self.send(query(name, kind, **kw), timeout)

    def rcode(self, name, **kw):
        m = self.ask(name, **kw)
        return rcode(m) if m else None

    def dig(self, *argv):
        return self.guest.run("dig", "+tries=1", "+time=5", *argv).stdout

    def finish(self):
        """The resolver ends by itself, with status 0, when main's socket closes."""
        self.driver.stdin.close()
        assert self.driver.wait(20) == 0, open(self.driver.log).read()


@pytest.fixture
def bench():
    with Lab("dns") as lab:
        b = Bench(lab)
        yield b
        b.finish()


def test_dig(bench):
    """What people's own program makes of our answers, by both families, UDP and TCP."""
    bench.upstream()
    for server in "@" + GW4, "@" + GW6:
        for how in "+notcp", "+tcp", "+noedns", "+dnssec":
            assert bench.dig(server, how, "+short", "web.lan") == "192.168.150.10\n"
            assert bench.dig(server, how, "+short", "web.lan", "AAAA") == f"{GW6}0\n"
            assert bench.dig(server, how, "+short", "alias.example.net") == "www.example.net.\n203.0.113.80\n"
        assert bench.dig(server, "+short", "-x", "192.168.150.10") == "web.lan.\n"
        assert bench.dig(server, "+short", "-x", GW6 + "0") == "web.lan.\n"
        assert bench.dig(server, "+short", "-x", GW4) == "host.lan.\n"
        assert bench.dig(server, "+short", "-x", "192.0.2.1") == "rev.example.net.\n"
    assert "\nWeB.lan." in bench.dig("@" + GW4, "WeB.lan"), "0x20: the case of the question comes back"
    assert "\nwWw.Example.net." in bench.dig("@" + GW4, "wWw.Example.net")
    assert "status: NXDOMAIN" in bench.dig("@" + GW4, "nix.lan") and "SOA\thost.lan." in bench.dig("@" + GW4, "nix.lan")
    assert len(bench.dig("@" + GW4, "+short", "big.example.net", "TXT").splitlines()) == 30, "TC, then TCP"
    assert " tc " in bench.dig("@" + GW4, "+ignore", "big.example.net", "TXT")
    assert "RFC8482" in bench.dig("@" + GW4, "+notcp", "example.net", "ANY")
    assert "BADVERS" in bench.dig("@" + GW4, "+edns=1", "+noednsnegotiation", "web.lan")


def test_sizes(bench):
    bench.upstream()
    plain, edns = bench.ask("big.example.net", TXT), bench.ask("big.example.net", TXT, edns=True)
    assert 300 < len(plain) <= 512 and plain[2] & 2
    assert 900 < len(edns) <= 1232 and edns[2] & 2


def test_hostile_udp(bench):
    assert bench.send(b"\0\1\x81" + query("web.lan")[3:], timeout=0.5) is None, "a response isn't answered"
    assert bench.send(b"\0" * 11, timeout=0.5) is None
    assert rcode(bench.send(b"\0\1\1\0\0\2" + b"\0" * 6)) == FORMERR
    assert bench.rcode("www.example.net", rd=False) == REFUSED, "no looks into the cache"
    assert bench.rcode("web") == NXDOMAIN, "a single label never leaves the host"
    assert bench.send(query("web.lan") + b"x" * 3000, timeout=0.5) is None
    assert bench.rcode("web.lan") == 0


def test_networks_apart(bench):
    bench.tell("listen lab lab 192.168.150.1/32 - 5353", "name lab secret 10.9.9.9")
    assert bench.dig("@" + GW4, "-p5353", "+short", "secret.lab") == "10.9.9.9\n"
    assert bench.rcode("secret.lab") == SERVFAIL, "foreign, and no server is known"
    assert "SERVFAIL" in bench.dig("@" + GW4, "-p5353", "web.lan")
    bench.tell("stop lab")
    assert ":5353" not in bench.host.run("ss", "-Hlunt").stdout
    bench.tell("gone lan web 192.168.150.10")
    assert bench.dig("@" + GW4, "+short", "web.lan") == ""


def test_tcp(bench):
    bench.upstream()
    with bench.tcp() as s:
        for byte in framed(query("web.lan", ident=7)):
            s.send(bytes([byte]))
        assert answers(reply(s)) == 1, "byte by byte"
        names = ["web.lan", "p1.wild.example.org", "nix.lan", "p2.wild.example.org", "www.example.net"]
        s.sendall(b"".join(framed(query(n, ident=i)) for i, n in enumerate(names)))
        s.shutdown(socket.SHUT_WR)
        assert sorted(ident(reply(s)) for _ in names) == [0, 1, 2, 3, 4], "pipelined, then no more"
        assert s.recv(1) == b""
    with bench.tcp() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"".join(framed(query("big.example.net", TXT, ident=i)) for i in range(60)))
        time.sleep(0.5)     # the client is slow, not the server
        assert [answers(reply(s)) for _ in range(60)] == [30] * 60
    with bench.tcp() as s:
        s.sendall(b"\0\0" + framed(b"\1") + framed(b"\0\1\1\0\0\2" + b"\0" * 6) + framed(query("web.lan", ident=9)))
        assert rcode(reply(s)) == FORMERR
        assert ident(reply(s)) == 9, "it goes on behind malformed ones"
        s.sendall(struct.pack(">H", 60000) + b"x" * 3000)
        try:
            assert s.recv(1) == b"", "a query of 60 kB ends it"
        except ConnectionResetError:
            pass


def test_tcp_shares(bench):
    first = [bench.tcp() for _ in range(12)]
    alive = 0
    for s in reversed(first):       # an answer to the last one tells that all were accepted
        try:
            s.send(framed(query("web.lan")))
            alive += reply(s) is not None
        except OSError:
            pass
    assert alive == 6, "six of one client, the idlest are displaced"
    with bench.tcp("192.168.150.11") as other:
        start = time.monotonic()
        other.send(framed(query("web.lan")))
        assert reply(other), "another client has room"
        assert other.recv(1) == b""
        assert 8 < time.monotonic() - start < 18, "idle for ten seconds"
    for s in first:
        s.close()


def test_shares_of_questions(bench):
    """One client asks what never gets an answer; a second one doesn't notice, and the server isn't held dead."""
    slow = bench.lab.script("slow", SLOW)
    bench.up.popen("/usr/bin/python3", slow)
    wait(lambda: "198.51.100.2:53" in bench.up.run("ss", "-Hlun").stdout, 15, "the slow server listens")
    bench.tell("upstream 198.51.100.2")
    assert bench.rcode("a.example.org") == 0
    with bench.udp() as hog:
        hog.setblocking(False)
        refused, begin, n = 0, time.monotonic(), 0
        while time.monotonic() < begin + 9 or refused <= 20 and time.monotonic() < begin + 30:
            for _ in range(3):
                hog.send(query(f"s{n}.slow.example", ident=n & 0xffff))
                n += 1
            m = bench.send(query(f"f{n}.example.org"), timeout=4, source="192.168.150.11")
            assert m and rcode(m) == 0, f"after {n} slow ones"
            while select.select([hog], [], [], 0.05)[0]:
                refused += rcode(hog.recv(1000)) == SERVFAIL
    assert refused > 20, "beyond 64 under way it is refused"


def test_upstream_in_trouble(bench):
    assert bench.rcode("www.example.net") == SERVFAIL, "no server known: at once"
    assert "EDE: 14" in bench.dig("@" + GW4, "www.example.net")
    server = bench.dnsmasq()
    bench.tell("upstream 198.51.100.99 198.51.100.1")
    start = time.monotonic()
    assert bench.rcode("www.example.net", timeout=15) == 0, "the second server is asked"
    assert time.monotonic() - start < 5
    bench.tell("upstream 2001:db8:77::1")
    assert bench.rcode("www.example.net") == 0, "over IPv6"
    # An outage, and its end.
    bench.up.run("nft", "-f", "-", input="table ip6 f { chain i { type filter hook input priority 0; "
                                         "udp dport 53 drop; }; }")
    assert bench.rcode("o1.wild.example.org", timeout=20) == SERVFAIL
    assert bench.rcode("www.example.net", timeout=4) == 0, "the cache goes on"
    bench.up.run("nft", "delete", "table", "ip6", "f")
    start = time.monotonic()
    wait(lambda: bench.rcode("o2.wild.example.org", timeout=3) == 0, 20, "it comes back")
    assert time.monotonic() - start < 7
    assert server.poll() is None


def test_changes_lose_nothing(bench):
    """New servers and new sockets, again and again, while questions are under way."""
    bench.upstream()
    lost = bad = 0
    with bench.udp() as s:
        for n in range(60):
            for k in range(5):
                s.send(query(f"n{n}-{k}.wild.example.org", ident=k))
            bench.send_lines(f"upstream {('198.51.100.1', '2001:db8:77::1')[n % 2]}",
                             f"listen lan lan {GW4}/24 {GW6}/64")
            for k in range(5):
                if not select.select([s], [], [], 10)[0]:
                    lost += 1
                    continue
                m = s.recv(1000)
                bad += rcode(m) != 0 or answers(m) != 1
    assert (lost, bad) == (0, 0)
