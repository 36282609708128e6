# SPDX-License-Identifier: GPL-2.0-or-later
"""watch: real ND, MLD, ARP, DHCP of real programs, things that are wrong made for real, and 50,000 frames a second."""
import fcntl, json, os, re, select, signal, socket, struct, subprocess, time
from lab import SIXTAP, wait
from test_rs_ns import Link, radvd

ENV = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1")
DNSMASQ = ("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--pid-file=", "--log-facility=-")


class Watch:
    """`sixtap watch` in the background; its lines as they come."""

    def __init__(self, ns, *argv):
        self.ns, self.path = ns, os.path.join(ns.lab.dir, f"watch-{len(ns.lab.children)}-{time.monotonic_ns()}")
        self.known = ns.pids()
        with open(self.path, "w") as f:
            self.p = subprocess.Popen(ns.argv([SIXTAP, *argv]), stdout=f, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ENV, text=True)
        ns.lab.children.append(self.p)
        self.pid = wait(self.ready, 30, "watch has its sockets")

    def ready(self):
        """The process itself, once it catches SIGINT: its sockets are open then. Or it is over already."""
        if self.p.poll() is not None:
            return self.p.pid
        for pid in self.ns.pids():
            try:
                with open(f"/proc/{pid}/cmdline") as f, open(f"/proc/{pid}/status") as st:
                    mine = f.read().split("\0")[0] == SIXTAP
                    caught = int(re.search(r"SigCgt:\s*(\w+)", st.read())[1], 16)
                if mine and caught >> (signal.SIGINT - 1) & 1 and pid not in self.known:
                    return pid
            except OSError:
                pass
        return None

    def text(self):
        with open(self.path) as f:
            return f.read()

    def lines(self):
        return [json.loads(l) for l in self.text().splitlines(True) if l.endswith("\n")]

    def saw(self, **fields):
        return [x for x in self.lines() if all(x.get(k) == v for k, v in fields.items())]

    def stop(self, sig=signal.SIGINT):
        os.kill(self.pid, sig)
        return self.end()

    def end(self):
        self.err = self.p.communicate(timeout=60)[1]
        return self.p.returncode


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp6(src, dst, body, hop_limit=255, mac="020000000099", dst_mac=None):
    """A frame with an ICMPv6 message; its checksum is filled in."""
    src, dst = (socket.inet_pton(socket.AF_INET6, a) for a in (src, dst))
    c = checksum(src + dst + struct.pack("!II", len(body), 58) + body + bytes(len(body) % 2))
    body = body[:2] + struct.pack("!H", c) + body[4:]
    to = bytes.fromhex(dst_mac) if dst_mac else b"\x33\x33" + dst[12:]
    return to + bytes.fromhex(mac) + b"\x86\xdd\x60\0\0\0" + struct.pack("!HBB", len(body), 58, hop_limit) + src + dst + body


def ra(src="fe80::99", lifetime=1800, **kw):
    return icmp6(src, "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0), **kw)


def ns_frame(target, src="fe80::99", **kw):
    tgt = socket.inet_pton(socket.AF_INET6, target)
    group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff02000000000000000000" "01ff") + tgt[13:])
    return icmp6(src, group, struct.pack("!BBHI", 135, 0, 0, 0) + tgt + (b"" if src == "::" else bytes.fromhex("0101020000000099")), **kw)


def raw(ns, dev):
    s = ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((dev, 0))
    return s


def test_real_traffic(lab):
    """Everything that real kernels, radvd, dnsmasq and DHCP clients say, on several interfaces at once."""
    link = Link(lab)
    router = link.host("router", forwarding=1, accept_ra=0, addresses=["2001:db8:77:1::1/64", "192.0.2.1/24"])
    host, switch = link.host("host", up=False), link.switch
    w = Watch(switch, "--json", "watch")
    pcap = os.path.join(lab.dir, "all.pcap")
    w2 = Watch(switch, "watch", "phost", "prouter", "dhcp", "ra", "--pcap", pcap)
    only_arp = Watch(switch, "--json", "watch", "arp", "phost")
    radvd(lab, router, "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 5; AdvManagedFlag on;"
                       " prefix 2001:db8:77:1::/64 { }; };\n")
    router.popen(*DNSMASQ, "--interface=eth0", "--dhcp-range=192.0.2.100,192.0.2.110,1h", "--dhcp-range=2001:db8:77:1::100,2001:db8:77:1::110,64",
                 "--dhcp-leasefile=/dev/null", "--dhcp-authoritative")
    host.sysctl("net.ipv6.conf.eth0.accept_dad", 1)
    host.ip("link", "set", "eth0", "up")
    wait(host.default_route, 30, "the host has heard the router")
    env = os.path.join(lab.dir, "lease")
    script = lab.script("client", f"#!/bin/sh\nenv >>{env}\n")
    for v in ("-4", "-6"):
        wait(lambda: host.run("dhclient", v, "-1", "-sf", script, "-lf", f"{env}{v}", "-pf", f"{env}{v}.pid", "-cf", "/dev/null", "eth0",
                              check=False, timeout=90).returncode == 0, 60, "a lease")
    host.ip("addr", "add", "192.0.2.50/24", "dev", "eth0")
    wait(lambda: host.ping("192.0.2.1") and host.ping("2001:db8:77:1::1"), 20)
    kinds = ("rs", "ra", "ns", "na", "mldreport", "dhcp4", "dhcp6", "arp")
    wait(lambda: all(w.saw(type=k, interface="phost") for k in kinds), 30, "every kind was seen on the host's port")
    assert w.stop() == 0, w.err
    lines = w.lines()
    frames = [x for x in lines if "direction" in x]
    assert {x["interface"] for x in frames} >= {"phost", "prouter"}
    assert all(x["version"] == 1 for x in lines) and all(b["time"] - a["time"] > -0.5 for a, b in zip(frames, frames[1:]))
    summary = lines[-1]["summary"]
    assert summary["lost"] == 0 and summary["frames"] == summary["shown"] == len(frames)
    mac = "02:00:00:00:00:02"
    assert {x["message"] for x in w.saw(type="dhcp4", interface="phost")} >= {"DISCOVER", "OFFER", "REQUEST", "ACK"}
    ack = w.saw(type="dhcp4", message="ACK", interface="phost", direction="out")[0]
    assert ack["client"] == mac and ack["server"] == "192.0.2.1" and ack["lease"] == 3600 and ack["address"].startswith("192.0.2.1")
    assert {x["message"] for x in w.saw(type="dhcp6", interface="phost")} >= {"SOLICIT", "ADVERTISE", "REQUEST", "REPLY"}
    assert w.saw(type="dhcp6", message="REPLY", interface="phost")[0]["addresses"][0].startswith("2001:db8:77:1::1")
    [prefix] = w.saw(type="ra", interface="phost", direction="out")[0]["prefixes"]
    assert prefix["prefix"] == "2001:db8:77:1::/64" and prefix["autonomous"]
    assert w.saw(type="ns", interface="phost", direction="in", dad=True, mac=mac), "the host's duplicate check"
    assert any("ff02::1:ff00:2" in x["joins"] for x in w.saw(type="mldreport", interface="phost", direction="in"))
    assert not [x for x in lines if "mark" in x], "nothing is wrong here"

    assert w2.stop(signal.SIGTERM) == 0
    text = w2.text()
    assert "· 0 things looked wrong" in text and "0 lost" in text
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{6}  phost   → RA        fe80::ff:fe00:1, default router for \d+ s, 2001:db8:77:1::/64 L A, DHCPv6$", text, re.M), text
    assert "DHCPv4    ACK 192.0.2.1" in text and f"DISCOVER by {mac}" in text and not re.search(r"[←→] (NS|ARP|MLD)", text)
    # tcpdump reads the file, and counts the same.
    out = subprocess.run(["tcpdump", "-nr", pcap], capture_output=True, text=True).stdout.splitlines()
    assert len(out) == len(re.findall(r" [←→] (?:RA|DHCP)", text))
    assert any("router advertisement" in l for l in out) and any("DHCP, Reply" in l for l in out) and any("dhcp6 reply" in l for l in out)
    only_arp.stop()
    assert {x["type"] for x in only_arp.lines() if "type" in x} == {"arp"}


def test_wrong(lab):
    """What looks wrong, each made for real; and the look-alikes that stay silent."""
    link = Link(lab)
    switch = link.switch
    a = link.host("a", addresses=["2001:db8::1/64", "192.0.2.1/24"])
    b = link.host("b", addresses=["2001:db8::2/64", "192.0.2.2/24"])
    wait(lambda: a.ping("2001:db8::2") and a.ping("192.0.2.2"), 20)
    # A guest: a tap with somebody who holds it.
    with switch.enter():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH14x", b"tap7", 0x1002))
    switch.ip("link", "set", "tap7", "addrgenmode", "none", "master", "br0", "up")
    w, quiet = Watch(switch, "--json", "watch"), Watch(switch, "-q", "watch")
    marks = lambda kind: [x for x in w.lines() if x.get("mark") == kind]

    a.ip("neigh", "flush", "dev", "eth0")
    wait(lambda: a.ping("2001:db8::2") and a.ping("192.0.2.2"), 10, "answered")
    a.ping("2001:db8::dead")
    a.ping("192.0.2.200")
    wait(lambda: len(marks("nd.unanswered")) == 2, 20, "nobody answers")
    assert {x["address"] for x in marks("nd.unanswered")} == {"2001:db8::dead", "192.0.2.200"}
    one = next(x for x in marks("nd.unanswered") if ":" in x["address"])
    assert one["other_address"] == "2001:db8::1" and one["other_mac"] == "02:00:00:00:00:01" and one["interface"] == "pa"

    a.sysctl("net.ipv6.conf.eth0.accept_dad", 1)
    a.ip("addr", "add", "2001:db8::2/64", "dev", "eth0")
    wait(lambda: marks("address.duplicate"), 20, "a duplicate")
    [dup] = marks("address.duplicate")
    assert (dup["address"], dup["mac"], dup["other_mac"]) == ("2001:db8::2", "02:00:00:00:00:02", "02:00:00:00:00:01")

    os.write(fd, ra("fe80::99"))
    wait(lambda: marks("ra.from-guest"), 20, "a guest's RA")
    [guest] = marks("ra.from-guest")
    assert guest["interface"] == "tap7" and guest["address"] == "fe80::99" and guest["mac"] == "02:00:00:00:00:99"
    assert not marks("ra.two-routers")
    raw(b, "eth0").send(ra("fe80::b", mac="020000000002"))
    wait(lambda: marks("ra.two-routers"), 20, "a second router")
    [two] = marks("ra.two-routers")
    assert {two["address"], two["other_address"]} == {"fe80::99", "fe80::b"}

    s = raw(b, "eth0")
    s.send(icmp6("fe80::b", "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), hop_limit=64, mac="020000000002"))
    s.send(icmp6("fe80::c", "ff02::1", struct.pack("!BBHBBHIIBB6x", 134, 0, 0, 64, 0, 1800, 0, 0, 1, 0), mac="020000000002"))
    wait(lambda: len(marks("frame.broken")) == 2, 20, "what breaks a rule")
    assert {"hop limit" in x["what"] for x in marks("frame.broken")} == {True, False}
    # Bytes of a guest don't reach the terminal as they are.
    os.write(fd, icmp6("fe80::99", "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0)
                       + b"\x1f\x03\0\0\0\0\0\x09" + b"\x07\x1b[2Jabc" + bytes(8)))
    wait(lambda: len(w.saw(type="ra", mac="02:00:00:00:00:99", interface="tap7", direction="in")) == 2, 20)
    assert w.stop() == 0 and quiet.stop() == 0
    text = quiet.text()
    assert "\x1b" not in text + w.text() and len(text.splitlines()) == len([x for x in w.lines() if "mark" in x]), text
    assert "nobody answered for 1 s: who has 2001:db8::dead? asks 2001:db8::1   nd.unanswered" in text
    assert "✗ a guest sends router advertisements: fe80::99 at 02:00:00:00:00:99   ra.from-guest" in text
    assert w.lines()[-1]["summary"]["marks"] == 7 and w.lines()[-1]["summary"]["unjudged"] == 0
    os.close(fd)


def test_ends(lab):
    """--count, --timeout, a reader that leaves, an interface that goes; wrong words."""
    link = Link(lab)
    a, switch = link.host("a"), link.switch
    s = raw(a, "eth0")
    w = Watch(switch, "watch", "pa", "ra", "--count", "3")
    for i in range(6):
        s.send(ra(f"fe80::{i + 1}", lifetime=0))
    assert w.end() == 0 and w.text().count(" ← RA ") == 3 and " 3 shown, " in w.text()
    t = time.monotonic()
    w = Watch(switch, "--json", "watch", "pa", "--timeout", "0.5")
    assert w.end() == 0 and 0.4 < time.monotonic() - t < 30 and "summary" in w.lines()[-1]
    p = subprocess.Popen(switch.argv([SIXTAP, "watch", "pa", "ra"]), stdout=subprocess.PIPE, env=ENV)
    lab.children.append(p)

    def told():
        s.send(ra("fe80::77", lifetime=0))
        return select.select([p.stdout], [], [], 0.05)[0]
    wait(told, 20, "a reader at the other end of a pipe gets lines as they come")
    assert b"fe80::77" in p.stdout.readline()
    p.stdout.close()

    def ended():
        s.send(ra("fe80::77", lifetime=0))
        return p.poll() is not None
    wait(ended, 20, "it ends when nobody reads it")
    switch.ip("link", "add", "x0", "type", "veth", "peer", "name", "x1")
    switch.ip("link", "set", "x0", "up")
    w = Watch(switch, "watch", "x0")
    switch.ip("link", "del", "x0")
    assert w.end() == 1 and "x0: the interface went away" in w.err
    for argv, status, word in ((["eth9"], 2, "neither an interface nor a kind"), (["--count", "0"], 2, "isn't a number"),
                               (["--promiscuous"], 2, "by name"), (["--pcap", "/nonexistent/x"], 1, "No such file")):
        p = switch.run(SIXTAP, "watch", *argv, check=False, env=ENV)
        assert p.returncode == status and word in p.stderr, (argv, p.stderr)
    # VLANs are told; interfaces that come later are watched, too.
    w = Watch(switch, "--json", "watch", "ra")
    b = link.host("b")
    s5, frame = raw(b, "eth0"), ra("fe80::5")

    def tagged():
        s5.send(frame[:12] + b"\x81\0\0\x05" + frame[12:])
        return w.saw(type="ra", interface="pb", vlan=5)
    wait(tagged, 20, "a tagged frame on an interface that wasn't there before")
    w.stop()


def storm(s, switch, frames, n=150000, rate=50000):
    """Return: how many were lost."""
    w = Watch(switch, "--json", "watch", "pa")
    # What other tests do at the same time isn't what is measured.
    os.setpriority(os.PRIO_PROCESS, w.pid, -15)
    sent, begun, last = 0, time.monotonic(), time.monotonic()
    due = 0.0
    while sent < n:
        now = time.monotonic()
        due += min(now - last, 0.02) * rate     # who stood still doesn't make up for it
        last = now
        while sent < min(due, n):
            s.send(frames[sent % len(frames)])
            sent += 1
    took = time.monotonic() - begun
    assert w.stop() == 0
    text = w.text()
    summary = json.loads(text.splitlines()[-1])["summary"]
    shown = text.count('"type":"ns","mac":"02:00:00:00:00:99"')
    print(f"{n / took:.0f} frames/s, {summary}")
    assert summary["frames"] >= n and summary["shown"] + summary["lost"] == summary["frames"] and not summary["unread"], summary
    assert shown == n - summary["lost"], summary
    return summary["lost"]


def test_storm(lab):
    """50,000 solicitations a second for three seconds: each is counted, decoded and printed, or counted as lost."""
    link = Link(lab)
    a, switch = link.host("a"), link.switch
    s = raw(a, "eth0")
    frames = [ns_frame(f"2001:db8::{i:x}") for i in range(1, 2001)]
    lost = []
    while not lost or (lost[-1] > 1500 and len(lost) < 4):
        lost.append(storm(s, switch, frames))
    assert lost[-1] <= 1500, lost
    # A reader that doesn't keep up at all: a stopped one. What is lost is known.
    w = Watch(switch, "--json", "watch", "pa")
    pid = w.pid
    os.kill(pid, signal.SIGSTOP)
    wait(lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T", 20)
    for i in range(100000):
        s.send(frames[i % 2000])
    os.kill(pid, signal.SIGCONT)
    assert w.stop() == 0
    summary = json.loads(w.text().splitlines()[-1])["summary"]
    assert summary["lost"] > 0 and summary["shown"] + summary["lost"] == summary["frames"] >= 100000, summary
