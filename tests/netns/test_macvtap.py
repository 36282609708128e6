# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of mode macvtap: guests of `sixtap run` on the host's own NIC."""
import contextlib, json, os, re, signal, socket, subprocess, time
import pytest
from lab import Lab, wait
from libmacvtap import VMM, Office

WEB_MAC = "52:54:00:12:34:56"
WEB = {"guests": {"web": {"mac": WEB_MAC, "ipv4": "192.0.2.10", "ipv6": "2001:db8:5::10"}}}


@pytest.fixture
def office(lab):
    o = Office(lab)
    yield o
    o.finish()


def test_a_guest_from_start_to_end(office):
    office.up(**WEB)
    assert office.network()["state"] == "up"
    g = office.guest("web", 10)
    link = office.macvtaps()["macvtap0"]
    assert link["address"] == g.mac == WEB_MAC and link["ifalias"] == "sixtap:office/web" and link["link"] == "eth0"
    assert link["inet6_addr_gen_mode"] == "none" and link["linkinfo"]["info_data"]["mode"] == "bridge"
    assert office.host.sysctl("net.ipv6.conf.macvtap0.accept_ra") == "0"
    assert not office.host.addresses("macvtap0", scope=None), "the host has no address there"
    assert "QUEUE" in g.text() and "0x5002" in g.text(), "IFF_VNET_HDR, as QEMU expects it"
    n = office.network()
    assert n["uplink"] == "eth0" and n["macvtap"]["mode"] == "bridge"
    assert office.sixtap.json("plan")["changes"] == [], "the second plan is empty"
    assert g.ns.ping(office.OUT4) and g.ns.ping(office.OUT6)
    assert office.out.ping("192.0.2.10") and office.out.ping("2001:db8:5::10")
    # The text that people read
    text = office.sixtap("status").stdout
    assert "macvtap   bridge on eth0" in text and "macvtap0" in text, text
    # How it ends: however it does
    g.kill()
    wait(lambda: not office.macvtaps(), 12, "the device goes with its guest, killed with SIGKILL")
    assert office.sixtap.guest("web", "office")["state"] == "declared"
    g = office.guest("web", 10, args=["-daemonize"])
    assert g.p.wait(15) == 0 and office.macvtaps(), "the first process has ended, the guest hasn't"
    assert g.ns.ping(office.OUT4)
    g.kill(signal.SIGTERM)
    wait(lambda: not office.macvtaps(), 12, "the device goes with the last process")
    p = office.sixtap("run", "office", "--name", "web", "--", "/bin/true", check=False)
    assert p.returncode == 0
    wait(lambda: not office.macvtaps(), 12, "one that never was a guest")
    many = office.guest("many", 11, "--queues", "4", "--no-monitor")
    assert many.text().count("QUEUE") == 4 and "0x5102" in many.text(), "IFF_MULTI_QUEUE"
    assert "QMP\n" in many.text() and many.ns.ping(office.OUT4)


def test_a_daemon_that_was_away(office):
    """Whatever of the daemon is killed: a guest that runs is kept, one that ended meanwhile is cleared away."""
    office.up(**WEB)
    stays, goes = office.guest("web", 10), office.guest("goes", 11)
    devices = office.macvtaps()
    processes = lambda: office.sixtap.json("status")["daemon"]["processes"]

    def back(what):
        wait(lambda: office.sixtap("status", check=False).returncode == 0 and office.network()["state"] == "up", 10, what)
        assert stays.ns.ping(office.OUT4) and stays.ns.ping(office.OUT6)
        wait(lambda: office.sixtap.guest("web", "office")["state"] == "attached", 10, what + ": the guest is known")

    os.kill(processes()["main"], signal.SIGKILL)
    back("a new main")
    for pid in processes().values():        # the monitor first
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    goes.kill()
    wait(lambda: not office.sixtap.processes(), 15, "they have ended")
    assert stays.ns.ping(office.OUT4) and len(office.macvtaps()) == 2
    office.sixtap("up", "-q")
    back("a new daemon")
    wait(lambda: sorted(office.macvtaps()) == [stays.device()], 12, "the other's device is cleared away")
    assert office.macvtaps()[stays.device()]["ifindex"] == devices[stays.device()]["ifindex"]
    stays.kill()
    wait(lambda: not office.macvtaps(), 12, "the new daemon waits for the end, too")


# ---- host-access ----

def lan_answers(office, address, dev="x0"):
    """Which MACs the LAN is told for an address of the host's: asked anew."""
    office.out.ip("neigh", "flush", "dev", dev)
    assert office.out.ping(address)
    return {n["lladdr"] for n in office.out.ipj("neigh", "show", address) if "lladdr" in n}


def uplink_state(office):
    """What networkd, NetworkManager and dhclient look at."""
    return (office.host.ipj("addr", "show", "dev", "eth0"), office.host.ipj("route", "show", "default"),
            office.host.ipj("-6", "route", "show", "default"),
            [r for r in office.host.ipj("-6", "route", "show") if r.get("dev") == "eth0"])


def test_host_access(office):
    office.host.sysctl("net.ipv4.conf.default.rp_filter", 1)    # as many have it: who isn't routed to isn't heard
    before = uplink_state(office)
    eth0 = office.host.links()["eth0"]["address"]
    office.up(host_access="yes", macvtap={"multicast": "all"}, **WEB)
    web = office.guest("web", 10)
    assert not office.host.ping("192.0.2.11", timeout=1), "nobody is there yet"
    wire = office.out.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind(("x0", 3))
    wire.setblocking(False)
    macvlan = bytes.fromhex(office.host.links()["office-h"]["address"].replace(":", ""))
    other = office.guest("other", 11)       # whose addresses nobody was told
    for g, n in ((web, 10), (other, 11)):
        a4, a6 = f"192.0.2.{n}", f"2001:db8:5::{n}"
        # The first packet may tell where the guest is, and be lost
        wait(lambda: g.ns.ping(office.HOST4, timeout=1) and g.ns.ping(office.HOST6, timeout=1), 15, f"{g.name} reaches the host")
        wait(lambda: office.host.ping(a4, timeout=1), 15, f"the host reaches {a4}")
        wait(lambda: office.host.ping(a6, timeout=1), 15, f"the host reaches {a6}")
        assert g.ns.ping(office.OUT4) and g.ns.ping(office.OUT6) and office.out.ping(a4) and office.out.ping(a6)
    assert web.ns.ping("192.0.2.11") and web.ns.ping("2001:db8:5::11"), "guests reach each other as before"
    # The LAN hears one answer for the host, the NIC's, whatever host and guests say to each other
    for address in (office.HOST4, office.HOST6):
        assert lan_answers(office, address) == {eth0}
    assert lan_answers(office, office.HOST4) == {eth0}
    web.ns.ip("neigh", "flush", "dev", "g0")
    assert web.ns.ping(office.HOST4) and office.host.ping("192.0.2.10")
    assert {n["lladdr"] for n in office.out.ipj("neigh", "show", office.HOST4)} == {eth0}
    # Nor does it hear a question for a guest from there, whatever the kernel forgets
    for address in ("192.0.2.10", "2001:db8:5::10"):
        office.host.ip("neigh", "del", address, "dev", "office-h", check=False)
        for _ in range(3):
            office.host.ping(address, timeout=0.3)
        wait(lambda: office.host.ping(address, timeout=1), 15, f"the host finds {address} again")
    said = []
    with contextlib.suppress(BlockingIOError):
        while len(said) < 5000:
            said.append(wire.recv(200))
    wire.close()
    asked = [f for f in said if f[6:12] == macvlan and (f[12:14] == b"\x08\x06" or f[12:14] + f[20:21] + f[54:55] == b"\x86\xdd\x3a\x87")]
    assert said and not asked, "asked by broadcast"
    assert uplink_state(office) == before, "nothing of the uplink's was touched"
    assert office.sixtap.json("plan")["changes"] == []
    # It follows the host's addresses, and those that guests have
    copies = lambda: {a["local"] for a in office.host.addresses("office-h", 6)}
    office.host.ip("addr", "add", "2001:db8:5::77/64", "dev", "eth0", "nodad")
    wait(lambda: copies() == {office.HOST6, "2001:db8:5::77"}, 12, "a new address is there for guests, too")
    assert other.ns.ping("2001:db8:5::77")
    office.host.ip("addr", "del", "2001:db8:5::77/64", "dev", "eth0")
    wait(lambda: copies() == {office.HOST6}, 12, "and goes again")
    assert all(a["preferred_life_time"] == 0 for a in office.host.addresses("office-h", 6))
    routes = lambda: {r["dst"] for f in ("-4", "-6") for r in office.host.ipj(f, "route", "show", "dev", "office-h")}
    assert {"192.0.2.10", "192.0.2.11", "2001:db8:5::10", "2001:db8:5::11"} <= routes()
    other.kill()
    wait(lambda: "192.0.2.11" not in routes() and "2001:db8:5::11" not in routes(), 12, "routes go with the guest")
    # Put back when somebody takes it away
    office.host.ip("link", "del", "office-h")
    wait(lambda: "192.0.2.10" in routes(), 15, "all of it is put back")
    assert office.host.ping("2001:db8:5::10") and web.ns.ping(office.HOST4)
    office.up(**WEB)
    assert "office-h" not in office.host.links() and uplink_state(office) == before
    assert not office.host.ping("192.0.2.10", timeout=1) and web.ns.ping(office.OUT6)


def test_an_address_for_the_host(office):
    office.up(host_access=["192.0.2.5/24", "2001:db8:5::5/64"], **WEB)
    web = office.guest("web", 10)
    mac = office.host.links()["office-h"]["address"]
    assert web.ns.ping("192.0.2.5") and wait(lambda: web.ns.ping("2001:db8:5::5"), 15, "its address is ready")
    wait(lambda: office.host.ping("192.0.2.10", timeout=1) and office.host.ping("2001:db8:5::10", timeout=1), 15, "and back")
    assert {n["lladdr"] for n in web.ns.ipj("neigh", "show", "192.0.2.5")} == {mac}
    wait(lambda: office.out.ping("192.0.2.5") and office.out.ping("2001:db8:5::5"), 15, "it is one more host on the LAN")
    assert lan_answers(office, office.HOST4) == {office.host.links()["eth0"]["address"]}
    [default] = office.host.ipj("route", "get", office.OUT4)
    assert default["dev"] == "eth0" and default["prefsrc"] == office.HOST4, "the host's own way is the NIC's"


# ---- what a guest may say ----

def test_spoof_check(office):
    from scapy.all import ARP, BOOTP, DHCP, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr, IP, IPv6, Ether, UDP
    office.up(**WEB)
    web, evil = office.guest("web", 10), office.guest("evil", 66)
    own, forged = evil.mac, "52:54:00:66:66:66"
    all_nodes = dict(dst="33:33:00:00:00:01")
    na = lambda target, mac=own: Ether(src=own, **all_nodes) / IPv6(src=target, dst="ff02::1", hlim=255) / \
        ICMPv6ND_NA(tgt=target, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    arp = lambda ip, mac=own: Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=mac, psrc=ip, pdst=ip)
    bad = {
        "a rogue RA": Ether(src=own, **all_nodes) / IPv6(src="fe80::66", dst="ff02::1", hlim=255) / ICMPv6ND_RA(),
        "a DHCP server": Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / IP(src="192.0.2.66", dst="255.255.255.255") /
        UDP(sport=67, dport=68) / BOOTP(op=2) / DHCP(options=[("message-type", "offer"), "end"]),
        "a DHCPv6 server": Ether(src=own, **all_nodes) / IPv6(src="fe80::66", dst="ff02::1") / UDP(sport=547, dport=546) / b"\2abc",
        "another MAC": Ether(src=forged, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=forged, psrc="192.0.2.66", pdst="192.0.2.1"),
        "ARP with another MAC inside": arp("192.0.2.67", forged),
        "the router's IPv4": arp(office.OUT4),
        "the host's IPv4": arp(office.HOST4),
        "another guest's IPv4": arp("192.0.2.10"),
        "the router's IPv6": na(office.OUT6),
        "the host's IPv6": na(office.HOST6),
        "another guest's IPv6": na("2001:db8:5::10"),
        "another guest's source": Ether(src=own, dst=office.OUT_MAC) / IPv6(src="2001:db8:5::10", dst=office.OUT6) / UDP(dport=9) / (b"x" * 9),
        "a tagged frame": Ether(src=own, dst="ff:ff:ff:ff:ff:ff", type=0x8100) / b"\0\5\x08\0x",
    }
    good = {
        "its own ARP": arp("192.0.2.66"),
        "its own NA": na("2001:db8:5::66"),
        "a free address": na("2001:db8:5::6666"),
        "a DHCP client": Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") /
        UDP(sport=68, dport=67) / BOOTP(chaddr=b"x" * 6) / DHCP(options=[("message-type", "discover"), "end"]),
        "a packet of its own": Ether(src=own, dst=office.OUT_MAC) / IP(src="192.0.2.66", dst=office.OUT4) / UDP(dport=9) / (b"y" * 9),
    }

    def heard(frames, wanted=()):
        """Which of these frames arrive at the other machine, where the @wanted ones are waited for."""
        listen = office.out.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        say = evil.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with listen, say:
            listen.bind(("x0", 3))
            listen.settimeout(0.3)
            say.bind(("g0", 0))
            raw = {name: bytes(frame) for name, frame in frames.items()}
            for f in raw.values():
                say.send(f)
            seen, end = [], time.monotonic() + 10
            arrived = lambda: {name for name, f in raw.items() if any(s.startswith(f) for s in seen)}
            while len(seen) < 1000:
                try:
                    seen.append(listen.recv(2000))
                except TimeoutError:
                    if arrived() >= set(wanted) or time.monotonic() > end:
                        break
        return arrived()

    assert heard(good, good) == set(good)
    assert heard(bad) == set()
    assert evil.ns.ping(office.OUT4) and evil.ns.ping(office.OUT6)
    office.host.run("nft", "flush", "ruleset")
    wait(lambda: "guard" in office.host.run("nft", "list", "tables").stdout or heard(bad) == set(), 15, "put back")
    office.up(spoof_check="no", **WEB)
    untagged = set(bad) - {"a tagged frame"}
    assert heard(bad, untagged) >= untagged, "without it all of these are heard: the test would see them"


def test_a_kernel_without_egress_hook(office):
    office.sixtap.env["SIXTAP_EGRESS"] = "no"       # what Linux 5.15 answers
    office.up(host_access="yes", **WEB)
    web = office.guest("web", 10)
    n = office.network()
    assert n["state"] == "degraded" and "Linux 5.16" in n["troubles"][0], n
    assert web.ns.ping(office.OUT4) and web.ns.ping(office.HOST4)
    rules = office.host.run("nft", "list", "table", "netdev", "sixtap").stdout
    assert "egress" not in rules and "ingress" in rules
    assert lan_answers(office, office.HOST4) == {office.host.links()["eth0"]["address"]}


# ---- the lower device ----

def refused(office, says, **keys):
    office.configure(**keys)
    p = office.sixtap("up", check=False)
    assert p.returncode in (1, 2) and says in p.stderr, (p.returncode, p.stderr)
    return p.stderr


def test_lower_that_cannot_be(office):
    host = office.host
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
    host.ip("link", "set", "d0", "master", "br0")
    host.ip("link", "set", "d1", "up")
    host.ip("link", "add", "link", "d1", "name", "taken", "type", "macvtap", "mode", "passthru")
    assert "bridge: br0" in refused(office, "d0 is a port of br0", uplink="d0")
    refused(office, "isn't an Ethernet device", uplink="lo")
    refused(office, "no interface named eth7", uplink="eth7")
    refused(office, "taken has d1 for itself", uplink="d1")
    assert "ip link set eth0 mtu 9000" in refused(office, "9000 is more than eth0's 1500", mtu=9000)
    host.ip("link", "del", "taken")
    host.ip("link", "add", "link", "d1", "name", "taken", "type", "macvlan", "mode", "bridge")
    refused(office, "taken sits on d1", uplink="d1", macvtap={"mode": "passthru"})
    for dev in ("taken", "d0", "br0"):
        host.ip("link", "del", dev)


def test_lower_that_changes(office):
    host = office.host
    office.up(host_access="yes", **WEB)
    web = office.guest("web", 10)
    troubles = lambda: " ".join(office.network().get("troubles", []))
    state = lambda: office.network()["state"]

    def fine(what):
        wait(lambda: state() == "up", 8, what + ": state")
        wait(lambda: web.ns.ping(office.OUT4, timeout=1) and web.ns.ping(office.OUT6, timeout=1), 8, what + ": LAN")
        wait(lambda: host.ping("192.0.2.10", timeout=1) and web.ns.ping(office.HOST4, timeout=1), 8, what + ": host")

    fine("at first")
    office.switch.ip("link", "set", "ph", "down")
    wait(lambda: "eth0 has no carrier" in troubles(), 15, "no carrier is said")
    assert state() == "degraded" and "eth0 has no carrier" in office.sixtap("status").stdout
    office.switch.ip("link", "set", "ph", "up")
    fine("carrier is back")
    host.ip("link", "set", "eth0", "down")
    wait(lambda: "ip link set eth0 up" in troubles(), 15, "down is said, and what to do")
    host.ip("link", "set", "eth0", "up")
    host.ip("addr", "replace", office.HOST6 + "/64", "dev", "eth0", "nodad")
    host.ip("route", "replace", "default", "via", office.OUT4)
    fine("up again")
    host.ip("link", "set", "eth0", "down")
    host.ip("link", "set", "eth0", "name", "lan0")
    host.ip("link", "set", "lan0", "up")
    wait(lambda: "no interface named eth0" in troubles(), 25, "the name is missed")
    assert "uplink: lan0" in troubles(), "and the new one is named"
    wait(lambda: web.ns.ping(office.OUT4, timeout=1), 15, "the guest notices nothing")
    host.ip("link", "set", "lan0", "down")
    host.ip("link", "set", "lan0", "name", "eth0")
    host.ip("link", "set", "eth0", "up")
    host.ip("addr", "replace", office.HOST6 + "/64", "dev", "eth0", "nodad")
    fine("its old name")
    elsewhere = office.lab.ns("elsewhere")
    host.ip("link", "set", "eth0", "netns", elsewhere.name)
    wait(lambda: "no interface named eth0" in troubles(), 25, "it is missed")
    assert office.sixtap.guest("web", "office")["state"] == "attached"
    elsewhere.ip("link", "set", "eth0", "netns", host.name)
    host.ip("addr", "replace", office.HOST4 + "/24", "brd", "+", "dev", "eth0")
    host.ip("addr", "replace", office.HOST6 + "/64", "dev", "eth0", "nodad")
    host.ip("link", "set", "eth0", "up")
    fine("it is back")
    assert sorted(office.macvtaps()) == [web.device()]
    # A NIC that filters has lost the guest's MAC and groups in between; the kernel never tells it the latter again.
    # (It is promiscuous for the guest's MAC, as this kind of NIC has no list of them.)
    office.sixtap("up", "-q")       # as the tick does, at most sooner
    assert host.links()["eth0"]["promiscuity"] == 1 and "ALLMULTI" in office.macvtaps()[web.device()]["flags"]
    assert "its NIC was moved between namespaces" in office.sixtap("status").stdout
    fine("with all multicast")
    # It is taken out, and another one put in: a guest can't get its NIC back, and nothing but us would say so.
    host.ip("link", "del", "eth0")
    wait(lambda: f"web (pid {web.pid}) runs on without its NIC" in troubles(), 15, "what became of it is said")
    web.kill()
    wait(lambda: "without its NIC" not in troubles(), 15, "until it ends")
    office.found.remove("eth0")


def test_live_changes(office):
    """Mode, sources and queue are changed under a guest that runs."""
    info = lambda: office.macvtaps()["macvtap0"]["linkinfo"]["info_data"]
    office.up(**WEB)
    web, other = office.guest("web", 10), office.guest("other", 11)
    assert web.ns.ping("192.0.2.11")
    office.up(macvtap={"mode": "private", "broadcast-queue": 3000}, **WEB)
    assert info()["mode"] == "private" and info()["bcqueuelen"] == 3000
    web.ns.ip("neigh", "flush", "dev", "g0")
    assert web.ns.ping(office.OUT4) and not web.ns.ping("192.0.2.11", timeout=0.5)
    office.up(macvtap={"mode": "source", "sources": [office.OUT_MAC]}, **WEB)
    assert web.ns.ping(office.OUT4)
    out = office.sixtap.json("plan")["changes"]
    assert out == [], out
    office.up(macvtap={"mode": "source", "sources": ["02:00:00:00:09:09"]}, **WEB)
    assert not web.ns.ping(office.OUT4, timeout=0.5)
    p = refused_live(office, "which cannot be changed to passthru", macvtap={"mode": "passthru"}, **WEB)
    assert "stop it first" in p and info()["mode"] == "source"
    office.up(macvtap={"mode": "bridge", "multicast": "all"}, **WEB)
    assert web.ns.ping(office.OUT4) and "ALLMULTI" in office.macvtaps()["macvtap0"]["flags"]
    office.up(macvtap={"multicast": "off"}, **WEB)
    assert "ALLMULTI" not in office.macvtaps()["macvtap0"]["flags"]
    # down: their NICs are switched off, and come back with the network
    office.sixtap("down", "office", "-q")
    assert "UP" not in office.macvtaps()["macvtap0"]["flags"] and not web.ns.ping(office.OUT4, timeout=0.5)
    office.up(**WEB)
    wait(lambda: web.ns.ping(office.OUT4, timeout=1) and other.ns.ping("192.0.2.10", timeout=1), 15, "back on the LAN")
    # All of it down: the daemon ends, a guest ends meanwhile, and one is waited for by the next
    office.sixtap("down", "-q")
    wait(lambda: not office.sixtap.processes(), 25, "the daemon ends")
    other.kill()
    assert len(office.macvtaps()) == 2
    office.up(**WEB)
    wait(lambda: sorted(office.macvtaps()) == ["macvtap0"], 12, "the other's device is cleared away")
    wait(lambda: web.ns.ping(office.OUT4, timeout=1), 15, "back on the LAN")
    # What somebody does to a device is put back
    office.host.ip("link", "set", "macvtap0", "down")
    wait(lambda: "UP" in office.macvtaps()["macvtap0"]["flags"], 12, "up again")
    office.host.ip("link", "set", "macvtap0", "address", "52:54:00:99:99:99")
    wait(lambda: office.macvtaps()["macvtap0"]["address"] == WEB_MAC, 12, "its own MAC")


def refused_live(office, says, **keys):
    office.configure(**keys)
    p = office.sixtap("up", check=False)
    assert p.returncode == 2 and says in p.stderr, p.stderr
    return p.stderr


def test_passthru_is_for_one(office):
    office.up(macvtap={"mode": "passthrough"}, **WEB)
    web = office.guest("web", 10)
    assert web.ns.ping(office.OUT4) and web.ns.ping(office.OUT6)
    p = office.sixtap("run", "office", "--name", "two", "--", "/bin/true", check=False)
    assert p.returncode == 125 and "room for one guest, and web runs already" in p.stderr, p.stderr
    assert len(office.macvtaps()) == 1 and office.sixtap.guest("web", "office")["state"] == "attached"


def test_faults_in_the_middle(office):
    """Each step of a guest's start fails once: nothing is left, and the next start works."""
    office.up(host_access="yes", **WEB)
    links = sorted(office.host.links())
    steps = 0
    for n in range(1, 12):
        path = os.path.join(office.lab.dir, "fail-at")
        office.sixtap("down", "-q")
        wait(lambda: not office.sixtap.processes(), 25, "the daemon ends")
        office.sixtap.env["SIXTAP_FAIL_AT"] = "file:" + path
        office.up(host_access="yes", **WEB)
        with open(path, "w") as f:
            f.write(f"apply:{n}")
        os.chmod(office.lab.dir, 0o777)
        p = office.sixtap("run", "office", "--name", "web", "--", "/bin/true", check=False)
        if p.returncode == 0:
            break
        steps = n
        assert p.returncode == 125 and "fault point" in p.stderr, p.stderr
        wait(lambda: sorted(office.host.links()) == links, 12, f"nothing is left after step {n}")
    del office.sixtap.env["SIXTAP_FAIL_AT"]
    assert steps >= 7, "device, accept_ra, up, rules, neighbours, routes"
    wait(lambda: not office.macvtaps(), 12, "the last one has ended")
    assert office.guest("web", 10).ns.ping(office.HOST4)


def test_equal_indexes(office):
    """/dev/tapN is one for all namespaces, N isn't: the guests of two hosts, whose devices have the same index, on their own LANs."""
    with Lab("nets2") as lab2:
        other = Office(lab2)
        try:
            hosts = (office, other)
            for o in hosts:
                o.up()
            guests = [o.guest("web", 10) for o in hosts]
            assert len({o.host.links()[g.device()]["ifindex"] for o, g in zip(hosts, guests)}) == 1, "this would prove nothing"
            for o, g in zip(hosts, guests):
                wait(lambda: g.ns.ping(o.OUT4, timeout=1) and g.ns.ping(o.OUT6, timeout=1), 25, "its own LAN")
                assert [n["lladdr"] for n in o.out.ipj("neigh", "show", "192.0.2.10")] == [g.mac]
            guests[0].kill()
            wait(lambda: not office.macvtaps(), 12, "the device goes with its guest")
            assert guests[1].ns.ping(other.OUT4), "and the other's stays"
        finally:
            other.finish()


def test_export_qemu(office):
    """The lines work as they are: pasted into a root shell they start the guest, and clear up behind it."""
    office.configure(macvtap={"multicast": "all"}, **WEB)
    ns = office.lab.ns("g-web")
    shim = os.path.join(office.lab.dir, "bin")
    os.mkdir(shim)
    program = office.lab.script("vmm", VMM)
    for name, text in (("qemu-system-x86_64", f'exec /usr/bin/python3 {program} {ns.name} "$@"'),
                       ("sixtap", f'exec {" ".join(office.sixtap.argv())} "$@"')):
        with open(os.path.join(shim, name), "w") as f:
            f.write("#!/bin/sh\n" + text + "\n")
        os.chmod(os.path.join(shim, name), 0o755)
    env = dict(office.sixtap.env, PATH=shim + ":" + os.environ["PATH"])
    for multicast in ("all", "auto"):
        office.configure(macvtap={"multicast": multicast}, **WEB)
        lines = office.sixtap("export", "qemu", "office/web").stdout
        assert office.sixtap.json("export", "qemu", "office/web")["lines"] == lines.splitlines()
        p = office.host.popen("sh", "-s", log="pasted-" + multicast, stdin=subprocess.PIPE, env=env)
        p.stdin.write(lines.encode())
        p.stdin.close()
        text = lambda: open(p.log).read()
        wait(lambda: "READY" in text() or p.poll() is not None, 20, "the guest runs")
        assert "READY" in text(), text()
        link = office.macvtaps()["mv-web"]
        assert link["address"] == WEB_MAC and link["inet6_addr_gen_mode"] == "none" and ("ALLMULTI" in link["flags"]) == (multicast == "all")
        ns.sysctl("net.ipv6.conf.g0.accept_dad", 0)
        ns.ip("addr", "add", "192.0.2.10/24", "dev", "g0")
        ns.ip("addr", "add", "2001:db8:5::10/64", "dev", "g0", "nodad")
        ns.ip("link", "set", "g0", "up")
        assert ns.ping(office.OUT4) and ns.ping(office.OUT6)

        def reached():
            office.out.ip("neigh", "flush", "dev", "x0")
            return office.out.ping("2001:db8:5::10", timeout=1)
        wait(reached, 15, "reached cold over IPv6")
        os.kill(int(re.search(r"READY (\d+)", text())[1]), signal.SIGKILL)
        assert p.wait(20) == 0, text()
        assert not office.macvtaps() and "rror" not in text(), text()
    names = {re.search(r"name (\S+)", office.sixtap("export", "qemu", f"office/database-server-{i}").stdout)[1] for i in range(8)}
    assert len(names) == 8 and all(len(n) <= 15 for n in names), names
    p = office.sixtap("export", "qemu", "office", check=False)
    assert p.returncode == 2 and "isn't NETWORK/GUEST" in p.stderr


def test_beside_a_nat_network(office):
    """Each network's rules are known by a record of their own: nothing is made again and again."""
    lan = {"mode": "nat", "ipv4": {"address": "192.168.150.1/24"}, "ipv6": "ula"}
    office.sixtap.write(json.dumps({"networks": {"office": {"mode": "macvtap", "uplink": "eth0"}, "lan": lan}}))
    office.sixtap.json("up")
    g = office.guest("g", 10)
    assert office.sixtap.json("plan")["changes"] == []
    g.kill()
    wait(lambda: not office.macvtaps(), 12, "the device goes with its guest")
    assert office.sixtap.json("plan")["changes"] == []
