# SPDX-License-Identifier: GPL-2.0-or-later
"""rs and ns against radvd, dnsmasq and real kernels, and beside rdisc6 and ndisc6."""
import fcntl, json, os, select, socket, struct, subprocess, threading
import pytest
from lab import SIXTAP, wait
from libnet import ip_, mac_, prefix_, shape

RADVD = """interface eth0 {
  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 60; AdvLinkMTU 1400;
  AdvOtherConfigFlag on; AdvDefaultPreference high; AdvDefaultLifetime 1234; AdvReachableTime 30000; AdvRetransTimer 1500;
  AdvCurHopLimit 55;
  prefix 2001:db8:77:1::/64 { AdvOnLink on; AdvAutonomous on; AdvValidLifetime 7200; AdvPreferredLifetime 3600; };
  prefix 2001:db8:78::/48 { AdvOnLink on; AdvAutonomous on; };
  prefix 2001:db8:77:3::/64 { AdvOnLink off; AdvAutonomous off; };
  route 2001:db8:99::/48 { AdvRoutePreference low; AdvRouteLifetime 600; };
  RDNSS 2001:db8::53 2001:db8::54 { AdvRDNSSLifetime 300; };
  DNSSL example.org lab.example { AdvDNSSLLifetime 400; };
};
"""
RA = {"router": ip_, "mac": mac_, "after": float, "hop_limit": int, "managed": bool, "other": bool, "lifetime": int,
      "preference": ("low", "medium", "high"),
      "prefixes": [{"prefix": prefix_, "on_link": bool, "autonomous": bool, "valid": int, "preferred": int}],
      "mtu?": int, "rdnss": [{"server": ip_, "lifetime": int}], "dnssl": [{"domain": str, "lifetime": int}],
      "routes": [{"prefix": prefix_, "preference": str, "lifetime": int}], "pref64": [dict],
      "reachable?": float, "retransmit?": float, "source_mac?": mac_}
RS = {"version": (1,), "interface": str, "solicitations": int, "advertisements": [RA],
      "kernel": {"default_routes": [ip_], "addresses": [prefix_], "on_link": [prefix_], "because": [str]}}
NS = {"version": (1,), "interface": str, "target": ip_, "solicitations": int,
      "advertisements": [{"address": ip_, "mac?": mac_, "router": bool, "solicited": bool, "override": bool, "after": float}]}


class Link:
    """A bridge in a namespace of its own, and who is on it."""

    def __init__(self, lab):
        self.lab, self.n = lab, 0
        self.switch = lab.ns("switch")
        self.switch.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", 0)
        self.switch.ip("link", "set", "br0", "addrgenmode", "none", "up")

    def host(self, name, accept_ra=1, forwarding=0, addresses=(), up=True):
        self.n += 1
        ns = self.lab.ns(name)
        self.lab.veth(self.switch, "p" + name, ns, "eth0", mac_b=f"02:00:00:00:00:{self.n:02x}")
        self.switch.ip("link", "set", "p" + name, "addrgenmode", "none", "master", "br0", "up")
        ns.sysctl("net.ipv6.conf.eth0.accept_dad", 0)
        ns.sysctl("net.ipv6.conf.eth0.accept_ra", accept_ra)
        ns.sysctl("net.ipv6.conf.all.forwarding", forwarding)
        for a in addresses:
            ns.ip("addr", "add", a, "dev", "eth0", "nodad")
        if up:
            ns.ip("link", "set", "eth0", "up")
        return ns


def sixtap(ns, *argv, status=0):
    p = ns.run(SIXTAP, *argv, check=False, env=dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1"))
    assert p.returncode == status, f"status {p.returncode}\n{p.stdout}{p.stderr}"
    return json.loads(p.stdout) if "--json" in argv else p.stdout + p.stderr


def radvd(lab, ns, text=RADVD):
    conf = os.path.join(lab.dir, f"radvd-{ns.short}.conf")
    with open(conf, "w") as f:
        f.write(text)
    ns.popen("radvd", "-n", "-m", "stderr", "-C", conf, "-p", conf + ".pid")


def rdisc6(ns):
    """{router: fields} of `rdisc6 -m`, in the words of our JSON."""
    found, one = {}, None
    for line in ns.run("rdisc6", "-m", "-w", 1000, "-r", 1, "eth0", check=False).stdout.splitlines():
        key, _, value = (x.strip() for x in line.partition(" : " if " : " in line else ":"))
        number = value.split()[0] if value else ""
        if key == "Hop limit":
            one = {"hop_limit": 0 if number == "undefined" else int(number), "prefixes": [], "rdnss": [], "dnssl": [], "routes": []}
        elif line.startswith(" from ") and one:
            found[line.split()[1]] = one
        elif key == "Stateful address conf.":
            one["managed"] = value == "Yes"
        elif key == "Stateful other conf.":
            one["other"] = value == "Yes"
        elif key == "Router preference":
            one["preference"] = value
        elif key == "Router lifetime":
            one["lifetime"] = int(number)
        elif key in ("Reachable time", "Retransmit time") and number.isdigit():
            one["reachable" if key[1] == "e" and key[2] == "a" else "retransmit"] = int(number) / 1000
        elif key == "Prefix":
            one["prefixes"].append({"prefix": value})
        elif key == "On-link":
            one["prefixes"][-1]["on_link"] = value == "Yes"
        elif key.startswith("Autonomous"):
            one["prefixes"][-1]["autonomous"] = value == "Yes"
        elif key in ("Valid time", "Pref. time"):
            one["prefixes"][-1]["valid" if key[0] == "V" else "preferred"] = 0xffffffff if number == "infinite" else int(number)
        elif key == "Route":
            one["routes"].append({"prefix": value})
        elif key == "Route preference":
            one["routes"][-1]["preference"] = value
        elif key == "Route lifetime":
            one["routes"][-1]["lifetime"] = int(number)
        elif key == "Recursive DNS server":
            one["rdnss"].append({"server": value})
        elif key == "DNS servers lifetime" or key == "DNS server lifetime":
            for s in one["rdnss"]:
                s.setdefault("lifetime", int(number))
        elif key == "DNS search list":
            one["dnssl"] += [{"domain": d} for d in value.split()]
        elif key == "DNS search list lifetime":
            for s in one["dnssl"]:
                s.setdefault("lifetime", int(number))
        elif key == "MTU":
            one["mtu"] = int(number)
        elif key == "Source link-layer address":
            one["source_mac"] = value.lower()
    for one in found.values():
        for key in ("reachable", "retransmit"):
            if one.get(key) == 0:
                del one[key]
    return found


def test_routers(lab):
    """Two real routers at once: every field as rdisc6 has it, and what the kernel made of each."""
    link = Link(lab)
    a = link.host("a", forwarding=1, accept_ra=0, addresses=["2001:db8:77:1::1/64"])
    b = link.host("b", forwarding=1, accept_ra=0, addresses=["2001:db8:88:1::1/64"])
    radvd(lab, a)
    b.popen("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-ra", "--interface=eth0",
            "--dhcp-range=::,constructor:eth0,ra-only,64,1h", "--ra-param=eth0,mtu:1480,low,60,600", "--pid-file=",
            "--dhcp-leasefile=/dev/null")
    host = link.host("host")
    wait(lambda: len(host.default_route()) == 2, 40, "both routers answer")
    # Both within a second of each other, unless one of their programs stands still just then.
    ours = wait(lambda: (lambda a: a if len(a["advertisements"]) == 2 else None)(sixtap(host, "--json", "rs", "eth0")), 15, "both at once")
    shape(ours, RS)
    theirs = wait(lambda: (lambda r: r if len(r) == 2 else None)(rdisc6(host)), 15, "rdisc6 hears both")
    by_router = {x["router"]: x for x in ours["advertisements"]}
    assert len(by_router) == 2 and set(by_router) == set(theirs)
    for router, fields in theirs.items():
        assert {k: by_router[router].get(k) for k in fields} == fields
    ra = next(x for x in by_router.values() if x["lifetime"] == 1234)
    assert ra["dnssl"] == [{"domain": "example.org", "lifetime": 400}, {"domain": "lab.example", "lifetime": 400}]
    assert ra["mac"] == "02:00:00:00:00:01" and ra["hop_limit"] == 55 and ra["after"] < 1
    k = ours["kernel"]
    assert set(k["default_routes"]) == set(by_router)
    assert set(k["addresses"]) == {"2001:db8:77:1:0:ff:fe00:3/64", "2001:db8:88:1:0:ff:fe00:3/64"}
    assert set(k["on_link"]) == {"2001:db8:77:1::/64", "2001:db8:78::/48", "2001:db8:88:1::/64"}
    assert any("/64" in x for x in k["because"]), "why there is no address of the /48"
    text = sixtap(host, "rs", "eth0")
    for word in ("high preference", "low preference", "2001:db8:78::/48", "DNS search", "2 routers answered", "SLAAC needs a /64",
                 "✓ default route via"):
        assert word in text, text

    # The same question where the kernel makes nothing of it, and why.
    for knobs, why in ((dict(accept_ra=0), "accept_ra=0"), (dict(forwarding=1), "accept_ra=1 with forwarding=1"),
                       (dict(accept_ra_defrtr=0), "accept_ra_defrtr=0"), (dict(autoconf=0), "autoconf=0")):
        for key, value in dict(dict(accept_ra=1, forwarding=0, accept_ra_defrtr=1, autoconf=1), **knobs).items():
            host.sysctl(f"net.ipv6.conf.eth0.{key}", value)
        host.ip("-6", "route", "flush", "proto", "ra")
        host.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
        answer = wait(lambda: (lambda a: a if len(a["advertisements"]) == 2 else None)(sixtap(host, "--json", "rs", "eth0")), 15, "both at once")
        assert any(why in x for x in answer["kernel"]["because"]), (knobs, answer["kernel"])
        assert bool(answer["kernel"]["default_routes"]) == ("autoconf" in knobs)
        assert bool(answer["kernel"]["addresses"]) == ("accept_ra_defrtr" in knobs)


def test_rs_without_answer_or_address(lab):
    link = Link(lab)
    host = link.host("host", up=False)
    text = sixtap(host, "rs", "eth0", status=1)
    assert "the interface is down" in text
    host.sysctl("net.ipv6.conf.eth0.addr_gen_mode", 1)
    host.ip("link", "set", "eth0", "up")
    text = sixtap(host, "rs", "eth0", "--wait", "0.2", "--count", "2", status=1)
    assert "no router answered 2 solicitations" in text
    answer = sixtap(host, "--json", "rs", "eth0", "--wait", "0.1", status=1)
    assert "no router" in answer["errors"][0]["what"]
    # From :: when there is no link-local address, and even with IPv6 off.
    a = link.host("a", forwarding=1, accept_ra=0, addresses=["2001:db8:77:1::1/64"])
    radvd(lab, a)
    host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
    wait(lambda: host.run(SIXTAP, "rs", "eth0", "--wait", "1", check=False).returncode == 0, 30, "radvd answers")
    answer = sixtap(host, "--json", "rs", "eth0")
    [ra] = answer["advertisements"]
    assert ra["lifetime"] == 1234 and any("disable_ipv6=1" in x for x in answer["kernel"]["because"])
    assert "no such interface" in sixtap(host, "rs", "eth9", status=1)
    assert "which interface" in sixtap(host, "rs", status=2)
    assert "isn't a number of seconds" in sixtap(host, "rs", "eth0", "--wait", "x", status=2)
    # Root without capabilities is as anybody else, and may read the binary wherever it is.
    for argv in (("rs", "eth0"), ("ns", "fe80::1%eth0"), ("watch", "eth0")):
        p = host.run("setpriv", "--bounding-set=-all", SIXTAP, *argv, check=False)
        assert p.returncode == 1 and "root only" in p.stderr and "sudo sixtap " + argv[0] in p.stderr, p.stderr


def test_neighbours(lab):
    link = Link(lab)
    host = link.host("host", addresses=["2001:db8::2/64"])
    link.host("peer", addresses=["2001:db8::3/64"])
    router = link.host("router", forwarding=1, addresses=["2001:db8::1/64"])
    host.ip("-6", "route", "add", "default", "via", "2001:db8::1")
    wait(lambda: host.ping("2001:db8::3"), 20)
    for target, mac, is_router in (("2001:db8::3", "02:00:00:00:00:02", False), ("2001:db8::1", "02:00:00:00:00:03", True)):
        # Measured where it stands between two system calls: a machine that is busy gets a second chance.
        for _ in range(4):
            answer = sixtap(host, "--json", "ns", target)
            shape(answer, NS)
            [a] = answer["advertisements"]
            if answer["solicitations"] == 1 and a["after"] < 0.5:
                break
        assert (a["address"], a["mac"], a["router"], a["solicited"], a["override"]) == (target, mac, is_router, True, True)
        assert answer["interface"] == "eth0" and answer["solicitations"] == 1 and a["after"] < 0.5
        theirs = host.run("ndisc6", "-q", target, "eth0").stdout.strip().lower()
        assert theirs == mac
        assert mac in sixtap(host, "nd", target + "%eth0")
        [a] = sixtap(host, "--json", "ns", target, "eth0", "--unicast", mac)["advertisements"]
        assert a["mac"] == mac and a["solicited"]
    assert sixtap(host, "--json", "ns", "fe80::ff:fe00:2%eth0")["advertisements"][0]["mac"] == "02:00:00:00:00:02"

    # Nobody, and what is no question.
    for argv, status, word in ((("ns", "2001:db8::9", "--wait", "0.1"), 1, "nobody on eth0 answered 3 solicitations"),
                               (("ns", "2001:db8::3", "--unicast", "02:00:00:00:00:03", "--wait", "0.2", "--count", "1"), 1, "nobody"),
                               (("ns", "2001:db8::2", "--wait", "0.1"), 1, "this host's own"),
                               (("ns", "2001:db8:9::1"), 1, "through a router"), (("ns", "fe80::1"), 2, "every link"),
                               (("ns", "192.0.2.1"), 2, "ARP"), (("ns", "ff02::1"), 2, "no address that a neighbour"),
                               (("ns", "nonsense"), 2, "isn't an address"), (("ns", "fe80::1%eth0", "eth1"), 2, "twice"),
                               (("ns", "2001:db8::3", "eth0", "x"), 2, "one address")):
        assert word in sixtap(host, *argv, status=status), argv
    answer = sixtap(host, "--json", "ns", "2001:db8::9", "--wait", "0.1", status=1)
    assert answer["advertisements"] == []

    # Is it free? The kernel answers a duplicate check to all nodes, and a rival that checks at the same time is seen.
    assert "is taken" in sixtap(host, "ns", "--dad", "2001:db8::3", status=1)
    answer = sixtap(host, "--json", "ns", "--dad", "2001:db8::3", status=1)
    assert answer["free"] is False and answer["advertisements"][0]["mac"] == "02:00:00:00:00:02"
    answer = sixtap(host, "--json", "ns", "--dad", "2001:db8::77", "--wait", "0.2")
    assert answer["free"] is True and answer["advertisements"] == [] and answer["solicitations"] == 3
    from test_watch import ns_frame, raw
    rival = raw(lab.all["peer"], "eth0")
    p = subprocess.Popen(host.argv([SIXTAP, "--json", "ns", "--dad", "2001:db8::88", "--wait", "3"]), stdout=subprocess.PIPE, text=True)
    wait(lambda: rival.send(ns_frame("2001:db8::88", src="::")) and p.poll() is not None, 30, interval=0.1)
    [a] = json.loads(p.stdout.read())["advertisements"]
    assert p.returncode == 1 and a["probe"] and a["mac"] == "02:00:00:00:00:99"

    # Two owners: both are shown.
    router.ip("addr", "add", "2001:db8::3/64", "dev", "eth0", "nodad")
    answer = sixtap(host, "--json", "ns", "2001:db8::3")
    assert {a["mac"] for a in answer["advertisements"]} == {"02:00:00:00:00:02", "02:00:00:00:00:03"}
    assert "2 MACs answer" in sixtap(host, "ns", "2001:db8::3")


def test_without_ethernet(lab):
    """A tun device has no MACs: a router behind it is asked and heard all the same, by watch too."""
    from test_watch import Watch, icmp6
    host = lab.ns("host")
    with host.enter():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH14x", b"tun0", 0x1001))
    host.sysctl("net.ipv6.conf.tun0.addr_gen_mode", 1)
    host.sysctl("net.ipv6.conf.tun0.router_solicitations", 0)
    host.ip("link", "set", "tun0", "up")
    host.ip("addr", "add", "fe80::2/64", "dev", "tun0", "nodad")
    w = Watch(host, "--json", "watch")
    ra = icmp6("fe80::1", "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 600, 0, 0))[14:]
    tgt = socket.inet_pton(socket.AF_INET6, "fe80::1")
    na = icmp6("fe80::1", "fe80::2", struct.pack("!BBHI", 136, 0, 0, 0xe0000000) + tgt)[14:]

    def peer():
        while not done.is_set():
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            packet = os.read(fd, 2000)
            if packet[6] == 58 and packet[40] in (133, 135) and len(packet) > 47:
                asked.append(packet)
                os.write(fd, ra if packet[40] == 133 else na)
    asked, done = [], threading.Event()
    t = threading.Thread(target=peer, daemon=True)
    t.start()
    [a] = sixtap(host, "--json", "rs", "tun0")["advertisements"]
    assert a["router"] == "fe80::1" and a["lifetime"] == 600 and "mac" not in a
    assert len(asked[0]) == 48, "no source link-layer address in the question"
    [a] = sixtap(host, "--json", "ns", "fe80::1%tun0")["advertisements"]
    assert "mac" not in a and a["router"] and a["solicited"] and a["from"] == "fe80::1"
    wait(lambda: w.saw(type="na", interface="tun0"), 20)
    done.set()
    t.join(10)
    assert w.stop() == 0 and w.saw(type="ra", interface="tun0", direction="in") and w.saw(type="rs", interface="tun0", direction="out")
    assert "mac" not in w.saw(type="ra")[0]
    os.close(fd)


@pytest.mark.parametrize("delay", [80, 0])
def test_proxy(lab, delay):
    """The kernel's own proxy answers as it does: late, without the override flag, from another address."""
    link = Link(lab)
    host = link.host("host", addresses=["2001:db8::2/64"])
    proxy = link.host("proxy", forwarding=1, addresses=["2001:db8::1/64"])
    proxy.sysctl("net.ipv6.conf.all.proxy_ndp", 1)
    proxy.sysctl("net.ipv6.neigh.eth0.proxy_delay", delay)
    proxy.ip("-6", "neigh", "add", "proxy", "2001:db8::50", "dev", "eth0")
    proxy.ip("link", "add", "in", "type", "bridge")
    proxy.ip("link", "set", "in", "up")
    proxy.ip("-6", "route", "add", "2001:db8::50/128", "dev", "in")
    [a] = sixtap(host, "--json", "ns", "2001:db8::50")["advertisements"]
    assert a["mac"] == "02:00:00:00:00:02" and not a["override"] and a["solicited"]
    assert "doesn't override" in sixtap(host, "ns", "2001:db8::50")
