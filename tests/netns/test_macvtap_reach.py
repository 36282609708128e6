# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who reaches whom over a macvtap: measured on this kernel, with Linux stacks behind the descriptors, and compared with the
table of docs/macvtap.md. What is measured is forwarding: neighbours are given, so that nothing hangs on ND or ARP.
"""
import contextlib, os, re, socket, time
import pytest
from lab import TOP, promised, wait
from libmacvtap import Office

PAGE = os.path.join(TOP, "docs", "macvtap.md")
PORT = 9000
PAIRS = [("A", "B"), ("A", "H"), ("H", "A"), ("A", "X"), ("X", "A")]
TITLES = ["guest → guest", "guest → host", "host → guest", "guest → outside", "outside → guest"]
ADDRESS = {"A": ("192.0.2.11", "2001:db8:5::11"), "B": ("192.0.2.12", "2001:db8:5::12"),
           "H": (Office.HOST4, Office.HOST6), "X": (Office.OUT4, Office.OUT6)}


class Station:
    """A stack: what it says, and what it hears."""

    def __init__(self, name, ns, dev, mac):
        self.name, self.ns, self.dev, self.mac = name, ns, dev, mac
        self.s4, self.s6 = ns.socket(socket.AF_INET, socket.SOCK_DGRAM), ns.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.s4.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        with ns.enter():
            self.index = socket.if_nametoindex(dev)
        for s in (self.s4, self.s6):
            s.bind(("", PORT))
            s.setblocking(False)

    def knows(self, other, mac):
        for address in ADDRESS[other.name]:
            self.ns.ip("neigh", "replace", address, "lladdr", mac, "dev", self.dev, "nud", "permanent")

    def say(self, to):
        for kind, s, where in (("u4", self.s4, (ADDRESS[to][0], PORT)), ("u6", self.s6, (ADDRESS[to][1], PORT)),
                               ("b", self.s4, ("192.0.2.255", PORT)), ("m", self.s6, ("ff02::1", PORT, 0, self.index))):
            with contextlib.suppress(OSError):
                s.sendto(f"{self.name} {to} {kind}".encode(), where)

    def heard(self):
        out = set()
        for s in (self.s4, self.s6):
            with contextlib.suppress(BlockingIOError):
                while True:
                    out.add(s.recv(100).decode())
        return out

    def close(self):
        self.s4.close()
        self.s6.close()


def measure(office, a, b, host_access):
    """One row of the table: what of unicast, broadcast and multicast arrives, for each pair."""
    eth0 = office.host.links()["eth0"]["address"]
    if host_access:     # which the plan wasn't told of is learnt when it is heard
        for address, name in ((Office.HOST4, ADDRESS["A"][0]), (Office.HOST6, ADDRESS["A"][1])):
            wait(lambda: a.ns.ping(address, timeout=1), 15, f"the guest reaches {address}")
            wait(lambda: office.host.ping(name, timeout=1), 15, f"the host reaches {name}")
    host_mac = office.host.links()["office-h"]["address"] if host_access else eth0
    all_ = {"A": Station("A", a.ns, "g0", a.mac), "H": Station("H", office.host, "eth0", host_mac),
            "X": Station("X", office.out, "x0", office.OUT_MAC)}
    if b:
        all_["B"] = Station("B", b.ns, "g0", b.mac)
    for one in all_.values():
        for other in all_.values():
            if one is other or (host_access and one.name == "H" and other.name in "AB"):    # those sixtap knows
                continue
            one.knows(other, eth0 if one.name == "X" and other.name == "H" else other.mac)
    for s in all_.values():
        s.heard()
    for _ in range(3):
        for one, other in PAIRS:
            if one in all_ and other in all_:
                all_[one].say(other)
        time.sleep(0.1)
    heard = {n: s.heard() for n, s in all_.items()}
    row = []
    for one, other in PAIRS:
        said = {h.split()[2] for h in heard.get(other, ()) if h.startswith(one + " ")}
        direct = {h.split()[2] for h in heard.get(other, ()) if h.startswith(f"{one} {other} ")}
        assert ("u4" in direct) == ("u6" in direct), f"{one} → {other}: the families differ: {direct}"
        row.append(" ".join([w for w, k in (("unicast", "u4"), ("broadcast", "b"), ("multicast", "m"))
                             if k in (direct if k == "u4" else said)]) or "–")
        row[-1] = row[-1].replace("unicast broadcast multicast", "all")
    for s in all_.values():
        s.close()
    for one in all_.values():
        one.ns.ip("neigh", "flush", "nud", "permanent", "dev", one.dev)
    return row


def written():
    """The table of the page: {(mode, switch, host-access): row}."""
    rows = {}
    with open(PAGE) as f:
        for line in f:
            cells = [re.sub(r"[*`]", "", c).strip() for c in line.strip().strip("|").split("|")]
            if len(cells) == 8 and cells[1] in ("plain", "reflecting"):
                rows[tuple(cells[:3])] = cells[3:]
    return rows


@pytest.mark.parametrize("switch", ["plain", "reflecting"])
def test_table(lab, switch):
    office = Office(lab, hairpin=switch == "reflecting")
    measured = {}
    page = {k: v for k, v in written().items() if k[1] == switch}
    guests = None
    for mode, access in (("bridge", "no"), ("bridge", "yes"), ("vepa", "no"), ("private", "no"), ("source", "no"),
                         ("passthru", "no")):
        keys = {"mode": mode, "sources": [office.OUT_MAC]} if mode == "source" else {"mode": mode}
        if mode == "passthru" and guests:       # it has room for one, and can't be changed to
            guests[0].kill()
            guests[1].kill()
            wait(lambda: not office.macvtaps(), 15, "their devices go")
            guests = None
        office.up(macvtap=keys, host_access=access)
        if not guests:
            guests = [office.guest("a", 11), None if mode == "passthru" else office.guest("b", 12)]

        def row():      # the guests are processes, and broadcast is a kernel thread's work: what isn't heard yet may only be late
            measured[mode, switch, access] = measure(office, *guests, access == "yes")
            assert measured[mode, switch, access] == page[mode, switch, access]
        with contextlib.suppress(AssertionError):
            promised(row, lambda: time.sleep(2))
    text = "\n".join("| " + " | ".join([*k, *v]) + " |" for k, v in measured.items())
    assert page == measured, f"{PAGE} and this kernel differ; measured:\n| mode | switch | host-access | {' | '.join(TITLES)} |\n{text}"
    office.finish()
