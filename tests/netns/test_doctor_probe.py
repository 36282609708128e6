# SPDX-License-Identifier: GPL-2.0-or-later
"""`sixtap doctor --probe`: what is asked of the network itself, as a guest and beside a macvtap."""
import ctypes, json, os, socket, threading, time
from lab import wait
from libfault import Doctor
from libmacvtap import Guest, Wire
from test_doctor_bridge import Lan as BridgeLan, P4, P6
from test_doctor_macvtap import Filtered, Lan as MacvtapLan


def dnsmasq(ns, dev, *options):
    return ns.popen("dnsmasq", "-k", "-C", "/dev/null", "--port=0", "--no-ping", "--bind-dynamic", f"--interface={dev}",
                    "--log-dhcp", "--log-facility=-", "--leasefile-ro", *options, log="dnsmasq")


def radvd(t, ns, dev):
    conf = os.path.join(t.lab.dir, "radvd-probe.conf")
    with open(conf, "w") as f:
        f.write(f"interface {dev} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;\n"
                f" prefix {P6}::/64 {{ AdvOnLink on; AdvAutonomous off; }}; }};\n")
    ns.sysctl("net.ipv6.conf.all.forwarding", 1)
    return ns.popen("radvd", "-n", "-C", conf, "-p", os.path.join(t.lab.dir, "radvd-probe.pid"), log="radvd")


def stop(p):
    p.terminate()
    p.wait(30)


def test_servers_of_a_bridge(lab):
    t = BridgeLan(lab)
    before = t.state()
    host = dnsmasq(t.host, "br0", f"--dhcp-range={P4}.50,{P4}.59", f"--dhcp-range={P6}::100,{P6}::1ff")
    look = lambda: {k: f for k, f in t.doctor.look("--probe").items() if k[0].startswith("dhcp")}

    # One server, DHCPv6 and no RA.
    found = wait(look, 60, "DHCPv6 without RAs")
    assert set(found) == {("dhcp.v6-without-ra", "br0")}, found
    assert found["dhcp.v6-without-ra", "br0"]["basis"] == "measured"
    # A router comes, and a second server behind a guest's port.
    ra = radvd(t, t.router, "r0")
    rogue = dnsmasq(t.g2, "eth0", f"--dhcp-range={P4}.80,{P4}.89")
    found = wait(lambda: [f for f in [look()] if set(f) == {("dhcp.two-servers", "br0")}], 60, "two servers and a router")[0]
    servers = found["dhcp.two-servers", "br0"]["evidence"]["servers"]
    assert f"{P4}.2 " in servers and f"{P4}.12 " in servers, servers
    # Without --probe nothing is asked, and nothing is known of it.
    assert not [k for k in t.doctor.look() if k[0].startswith("dhcp")]
    stop(rogue)
    wait(lambda: not look(), 30, "one server and a router")
    stop(ra)
    stop(host)
    # No lease was taken, and the port that asked is gone.
    with open(host.log) as f:
        log = f.read()
    assert "DHCPOFFER" in log and "DHCPREQUEST" not in log and "DHCPACK" not in log, log
    now = t.state()
    assert now == before, {k: (before.get(k), now.get(k)) for k in set(before) | set(now) if before.get(k) != now.get(k)}


def test_beside_a_macvtap(lab):
    """The filter is measured, not deduced; and the list's hash can't fool anybody."""
    t = MacvtapLan(lab)
    fault = Filtered(t)
    assert not t.doctor.look("--probe")
    fault.make()
    assert t.doctor.look()["macvtap.multicast-filtered", "mt1"]["basis"] == "deduced"
    f = t.doctor.look("--probe")["macvtap.multicast-filtered", "mt1"]
    assert f["basis"] == "measured" and f["evidence"]["asked_now"] == "no answer", f
    fault.restore()
    path = os.path.join(lab.dir, "snapshot.json")
    p = t.doctor.run("doctor", "--probe", "--save", path)
    assert "none found" in p.stdout, p.stdout
    with open(path) as f:
        snapshot = json.load(f)
    asked = [a for a in snapshot.get("snapshot", snapshot)["probes"] if a["kind"] == "ns"]
    assert {a["target"] for a in asked} == {t.g1.address, t.g2.address}, asked
    for a in asked:     # by the guest itself
        assert [x["mac"] for x in a["answers"]] == [{t.g1.address: t.g1.mac, t.g2.address: t.g2.mac}[a["target"]]], asked


def burst(sock, frame, n):
    """One frame n times in one system call."""
    class Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]

    class Mmsghdr(ctypes.Structure):    # struct msghdr, and msg_len
        _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)), ("iovlen", ctypes.c_size_t),
                    ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int),
                    ("padding", ctypes.c_int), ("sent", ctypes.c_uint)]
    iov = Iovec(frame, len(frame))
    messages = (Mmsghdr * n)(*[Mmsghdr(iov=ctypes.pointer(iov), iovlen=1) for _ in range(n)])
    libc = ctypes.CDLL(None)
    return lambda held=(frame, iov): libc.sendmmsg(sock.fileno(), messages, n, 0)


def test_broadcast_queue(lab):
    """More broadcasts than fit the queue: some are dropped, on the lower device's account."""
    t = MacvtapLan(lab)
    for d in ("mt1", "mt2", "hv"):
        t.host.ip("link", "set", d, "type", "macvtap" if d != "hv" else "macvlan", "bcqueuelen", 25)
    stop_it = threading.Event()

    def flood(wanted, pause):
        s = t.peer.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.bind(("p0", 0))
        # Somebody who asks for everybody; or what nobody takes, and is on the lower device's account as well.
        arp = b"\0\1\x08\0\6\4\0\1\x02\0\0\0\5\1" + bytes(10) + socket.inet_aton("198.18.0.9") + bytes(32)
        frame = b"\xff" * 6 + b"\x02\0\0\0\5\1" + (b"\x08\x06" + arp if wanted else b"\x88\xb5" + bytes(60))
        send = burst(s, frame, 200)
        while not stop_it.is_set():     # in bursts: the queue is worked off in between
            send()
            time.sleep(pause)
        s.close()
    assert not t.doctor.look("--probe")
    # With room in the queue, a flood of what nobody takes is no fault.
    for d in ("mt1", "hv"):
        t.host.ip("link", "set", d, "type", "macvtap" if d != "hv" else "macvlan", "bcqueuelen", 100000)
    thread = threading.Thread(target=flood, args=(False, 0.02), daemon=True)
    thread.start()
    dropped = lambda: t.host.ipj("-s", "link", "show", "eth0")[0]["stats64"]["rx"]["dropped"]
    before = dropped()
    assert not t.doctor.look("--probe") and dropped() - before > 1000, "nothing was counted: this would prove nothing"
    stop_it.set()
    thread.join()
    stop_it.clear()
    for d in ("mt1", "hv"):
        t.host.ip("link", "set", d, "type", "macvtap" if d != "hv" else "macvlan", "bcqueuelen", 25)
    # Far enough apart that a busy kernel has worked off one burst when the next one comes.
    thread = threading.Thread(target=flood, args=(True, 0.25), daemon=True)
    thread.start()
    try:
        found = t.doctor.look("--probe")
        fixed = t.doctor.run("doctor", "--fix", "--probe")
        # Ten times as long, a burst fits; and what is asked again is the network itself.
        assert "no longer found on eth0" in fixed.stdout and fixed.returncode == 0, fixed.stdout + fixed.stderr
    finally:
        stop_it.set()
        thread.join()
    f = found["macvtap.broadcast-drops", "eth0"]
    assert f["basis"] == "measured" and int(f["evidence"]["drops_per_second"]) > 50, f
    assert set(found) == {("macvtap.broadcast-drops", "eth0")}, found
    queues = {n: l["linkinfo"]["info_data"]["bcqueuelen"] for n, l in t.host.links().items() if n in ("mt1", "mt2", "hv")}
    assert sorted(queues.values()) == [25, 25, 250], queues


def test_size_of_a_port(lab):
    """An echo as long as the bridge lets through, and a short one: only the short one comes back."""
    t = BridgeLan(lab)
    key = ("bridge.mtu-mismatch", "br0")
    t.host.ip("link", "set", "p1", "mtu", 1400)
    assert t.doctor.look()[key]["basis"] == "deduced"
    assert t.doctor.look("--probe")[key]["basis"] == "measured"
    text = t.doctor.text("--probe")
    assert "    measured " in text and "    seen in" not in text, text
    assert f"asked now   {t.g1.a6} answers a short echo, and none of 1500 bytes" in text, text
    # The guest doesn't answer at all: nothing was measured of sizes.
    t.g1.run("nft", "-f", "-", input="table ip6 mute {\n chain in { type filter hook input priority 0; icmpv6 type echo-request drop\n }\n}\n")
    assert t.doctor.look("--probe")[key]["basis"] == "deduced"


def test_groups_of_unknown_guests(lab):
    """Of guests behind others' macvtaps no address is known: they are asked, and nobody else is."""
    wire = Wire(lab)
    doctor = Doctor(lab, wire.host)
    wire.host.ip("link", "set", "eth0", "addrgenmode", "none")
    modes = {"bridge": 1, "vepa": 2, "private": 3}
    guests = {}
    for mode, n in modes.items():
        mac = f"52:54:00:bb:00:0{n}"
        name = wire.macvtap(mac, mode, f"mt{n}")
        # Quiet from the beginning, so that nothing is known of it.
        guests[name] = Guest(wire, f"u{n}", name, mac, accept_ra=0, addr_gen_mode=1, router_solicitations=0, dad_transmits=0)
        guests[name].ns.ip("addr", "add", f"fe80::77:{n}/64", "dev", "g0", "nodad")

    def judged(*argv):
        a = json.loads(doctor.run("doctor", "--json", *argv).stdout)
        found = {f["subject"]: f for f in a["findings"] if f["id"] == "macvtap.multicast-filtered"}
        unchecked = [b for u in a["unchecked"] if u["id"] == "macvtap.multicast-filtered" for b in u["because"]]
        return found, unchecked
    found, unchecked = judged()
    assert not found and len(unchecked) == 3 and all("--probe" in u for u in unchecked), (found, unchecked)
    seen = wire.peer.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    seen.bind(("p0", 3))
    seen.setblocking(False)
    found, unchecked = judged("--probe")
    assert set(found) == set(guests) and not unchecked, (found, unchecked)
    for name, f in found.items():
        assert f["basis"] == "measured", f
        assert {"multicast group": f"33:33:ff:77:00:0{name[2]}", "needed for": "an address of the guest's", "guest listens": "yes",
                "lets in": "no"} in f["evidence"]["table"], f
    queries = []
    while True:
        try:
            frame = seen.recv(2048)
        except BlockingIOError:
            break
        if frame[12:14] == b"\x86\xdd" and frame[20] == 0 and frame[62] == 130 or frame[12:14] == b"\x08\0" and frame[23] == 2 \
                and frame[14 + (frame[14] & 15) * 4] == 0x11:
            queries.append(frame.hex())
    seen.close()
    assert not queries, f"the LAN was asked, too: {queries}"
    assert not any("clsact" in wire.host.run("tc", "qdisc", "show", "dev", d).stdout for d in guests), "a filter is left"
    # Joined by hand: the guest says the same, and nothing is wrong.
    for name in guests:
        wire.host.ip("maddr", "add", f"33:33:ff:77:00:0{name[2]}", "dev", name)
    assert judged("--probe") == ({}, [])
    # Without eBPF, those whose question would reach the LAN as well aren't asked; one that says nothing is named.
    doctor.env["SIXTAP_GUARD"] = "nft"
    found, unchecked = judged("--probe")
    assert not found and not unchecked, (found, unchecked)
    for name in guests:
        wire.host.ip("maddr", "del", f"33:33:ff:77:00:0{name[2]}", "dev", name)
    found, unchecked = judged("--probe")
    assert set(found) == {"mt1"} and len(unchecked) == 2 and all("the LAN" in u for u in unchecked), (found, unchecked)
    del doctor.env["SIXTAP_GUARD"]
    for name in ("mt2", "mt3"):
        wire.host.ip("maddr", "add", f"33:33:ff:77:00:0{name[2]}", "dev", name)
    guests["mt1"].ns.ip("link", "set", "g0", "down")
    found, unchecked = judged("--probe")
    assert not found and len(unchecked) == 1 and "mt1" in unchecked[0] and "said nothing" in unchecked[0], (found, unchecked)
