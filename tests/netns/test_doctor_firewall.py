# SPDX-License-Identifier: GPL-2.0-or-later
"""What firewalls, NAT rules and services of others break for guests, made with the tools that people use."""
import json, os
from lab import OUTSIDE4, OUTSIDE6, SIXTAP, Who, wait
from doctorlab import DoctorLab, HOST4, NET4, NET6
from libfault import Fault, check
from test_firewall import Firewalld, Ufw

PORT = 8088


class Doctor:
    """DoctorLab's doctor in the form that check() wants."""

    def __init__(self, t):
        self.t = t

    def look(self, *argv):
        return {(f["id"], f["subject"]): f for f in self.t.doctor(*argv)["findings"]}

    def run(self, *argv, check=True):
        a = self.t.doctor(*argv[1:])

        class Result:
            stdout, stderr = str(a.get("fixed")), a["stderr"]
        return Result


class Row(Fault):
    subject = "br0"
    NFT = ""

    def nft(self, text):
        self.t.host.run("nft", "-f", "-", input=text)

    def make(self):
        self.nft(self.NFT)

    def restore(self):
        self.t.host.run("nft", "flush", "ruleset")
        for p in ("iptables-legacy", "ip6tables-legacy"):
            self.t.host.run(p, "-P", "FORWARD", "ACCEPT", check=False)
            self.t.host.run(p, "-F", check=False)
        self.t.settle()

    def out(self, family=6):
        return self.t.nat_out(family)

    def both_out(self):
        wait(lambda: self.out(4) and self.out(6), 15, "guests reach the outside")


class PlainDrop(Row):
    """A forward chain that an administrator wrote down."""
    id = "firewall.foreign-drop"
    NFT = "table inet other {\n chain forward { type filter hook forward priority 0; policy drop;\n }\n}\n"
    also = ("firewall.too-big-dropped", "bridge.netfilter")

    def broken(self):
        return not self.out(4) and not self.out(6)

    def alikes(self):
        def accepts():
            self.nft("table inet other {\n chain forward { type filter hook forward priority 0; policy drop;\n"
                     " iifname \"br0\" accept\n oifname \"br0\" ct state established,related accept\n"
                     " iifname \"vr1\" accept\n oifname \"vr1\" accept\n }\n}\n")
            self.both_out()
            return self.restore

        def unknown():
            """What can't be judged may accept: no alarm without being sure."""
            self.nft("table inet other {\n chain forward { type filter hook forward priority 0; policy drop;\n"
                     " meta mark 0x0 accept\n }\n}\n")
            wait(lambda: self.out(4), 15, "what can't be judged lets it pass")
            return self.restore

        def by_set():
            self.nft("table inet other {\n set ours { type ifname; elements = { \"br0\", \"eth0\", \"vr1\" } }\n"
                     " chain forward { type filter hook forward priority 0; policy drop;\n"
                     " iifname @ours oifname @ours accept\n }\n}\n")
            wait(lambda: self.out(4), 15, "the set lets it pass")
            return self.restore
        return [accepts, unknown, by_set]


class TwoChains(PlainDrop):
    """Two firewalls drop at once, each another part of it: an accept in one doesn't help."""
    NFT = ("table ip one {\n chain f { type filter hook forward priority 0; policy accept;\n"
           " oifname \"br0\" drop\n iifname \"br0\" drop\n }\n}\n" + PlainDrop.NFT)

    def alikes(self):
        return []


class Iptables(PlainDrop):
    """DOCKER-USER is the point that its owner leaves to others."""
    program = "iptables-nft"

    def ipt(self, line):
        for p in (self.program, self.program.replace("ip", "ip6", 1)):
            self.t.host.run(p, *line.split())

    def make(self):
        for line in ("-P FORWARD DROP", "-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER",
                     "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                     "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"):
            self.ipt(line)

    def alikes(self):
        return []


class Legacy(Iptables):
    """Written whole or not at all: the command is shown, and nothing is done."""
    program, fixable = "iptables-legacy", False

    def make(self):
        self.ipt("-P FORWARD DROP")


class ReversePath4(PlainDrop):
    """Only one family's table."""

    def make(self):
        self.t.host.run("ip6tables-nft", "-P", "FORWARD", "DROP")

    def broken(self):
        return self.out(4) and not self.out(6)

    def alikes(self):
        return []


class TooBig(Row):
    id = "firewall.too-big-dropped"
    NFT = ("table inet other {\n chain forward { type filter hook forward priority 0; policy drop;\n"
           " ct state established accept\n iifname \"br0\" oifname \"br0\" accept\n iifname { \"br0\", \"vr1\" } ct state new accept\n oifname \"vr1\" accept\n"
           " icmpv6 type { echo-request, echo-reply } accept\n }\n}\n")

    def narrow(self, mtu):
        """The way behind the router takes less."""
        self.t.router.ip("link", "set", "north", "mtu", mtu)
        self.t.outside.ip("link", "set", "eth0", "mtu", mtu)

    def make(self):
        super().make()
        self.narrow(1280)

    def broken(self):
        """What is too big for the router behind isn't told to the guest."""
        self.t.guests["g1"].ip("-6", "route", "flush", "cache")
        g = self.t.guests["g1"]
        g.run("ping", "-n", "-c", 1, "-W", 1, "-s", 1400, "-M", "do", OUTSIDE6, check=False)
        p = g.run("ping", "-n", "-c", 1, "-W", 1, "-s", 1400, "-M", "do", OUTSIDE6, check=False)
        return "too" not in (p.stdout + p.stderr) and p.returncode != 0

    def alikes(self):
        def related():
            self.nft(self.NFT.replace("established accept", "established,related accept"))
            return self.restore
        return [related]

    def restore(self):
        self.narrow(1500)
        super().restore()


class Services(Row):
    """DNS of the host's own and neighbour discovery."""
    id = "firewall.services-blocked"
    NFT = ("table inet other {\n chain input { type filter hook input priority 0; policy drop;\n"
           " ct state established,related accept\n iifname { \"lo\", \"eth0\", \"eth1\", \"vr1\" } accept\n"
           " icmp type echo-request accept\n }\n}\n")

    def make(self):
        self.who = self.listen()
        super().make()

    def listen(self):
        if not hasattr(self.t, "dns"):
            self.t.dns = Who(self.t.host, port=53, addresses=(f"{NET4}.1", f"{NET6}:1"))
        return self.t.dns

    def broken(self):
        g = self.t.guests["g1"]
        g.ip("neigh", "flush", "all", check=False)
        return not g.ask(f"{NET4}.1", 53, timeout=0.5) and not g.ask(f"{NET6}:1", 53, timeout=0.5)

    def alikes(self):
        def accepts():
            self.listen()
            self.nft(self.NFT.replace(" icmp type echo-request accept\n", " iifname \"br0\" udp dport 53 accept\n"
                                      " iifname \"br0\" meta l4proto { icmp, ipv6-icmp } accept\n"))
            wait(lambda: not self.broken(), 15, "the guest's questions are answered")
            return self.restore
        return [accepts]


class NatMissing(Row):
    id = "nat.missing"

    def make(self):
        self.t.host.run("nft", "delete", "table", "inet", "hand")

    def broken(self):
        return not self.out(4)

    def alikes(self):
        def by_iptables():
            self.make()
            for p, net in (("iptables-nft", NET4 + ".0/24"), ("ip6tables-nft", NET6 + ":/64")):
                self.t.host.run(p, "-t", "nat", "-A", "POSTROUTING", "-s", net, "!", "-d", net, "-j", "MASQUERADE")
            self.both_out()
            return self.restore
        return [by_iptables]

    also = ("nat.ipv6-missing",)
    fixable = True


class NatMissing4(NatMissing):
    """Only IPv4's is gone."""

    def make(self):
        self.nft("table inet hand\ndelete table inet hand\ntable ip6 hand {\n chain post { type nat hook postrouting priority"
                 f" srcnat;\n oifname \"eth0\" ip6 saddr {NET6}:/64 masquerade\n }}\n}}\n")

    def alikes(self):
        return []


class NatLost(NatMissing):
    """SNAT to an address that the host had."""
    fixable = False

    def make(self):
        super().make()
        self.nft("table ip hand {\n chain post { type nat hook postrouting priority srcnat;\n oifname \"eth0\" ip saddr "
                 f"{NET4}.0/24 snat to 198.51.100.77\n }}\n}}\ntable ip6 hand {{\n chain post {{ type nat hook postrouting priority"
                 f" srcnat;\n oifname \"eth0\" ip6 saddr {NET6}:/64 masquerade\n }}\n}}\n")

    def alikes(self):
        def has_it():
            self.t.host.ip("addr", "add", "198.51.100.77/24", "dev", "eth0")
            self.make()
            return self.restore
        return [has_it]


class Nat6Missing(NatMissing):
    id, also = "nat.ipv6-missing", ()

    def make(self):
        super().make()
        self.nft("table ip hand {\n chain post { type nat hook postrouting priority srcnat;\n oifname \"eth0\" ip saddr "
                 f"{NET4}.0/24 masquerade\n }}\n}}\n")

    def broken(self):
        return self.out(4) and not self.out(6)

    def alikes(self):
        return []


class Hijack(Row):
    """-p tcp --dport 80 -j DNAT, as half of the recipes have it."""
    id, fixable, also = "forward.hijacks-guests", False, ("forward.incomplete",)
    RULE = "tcp dport 80"

    def make(self, rule=None):
        self.nft(f"table ip fwd4 {{\n chain pre {{ type nat hook prerouting priority dstnat;\n {rule or self.RULE} dnat to "
                 f"{NET4}.12:80\n }}\n chain out {{ type nat hook output priority -100;\n {rule or self.RULE} dnat to"
                 f" {NET4}.12:80\n }}\n}}\n")

    def broken(self):
        """g1 asks for somebody outside, and gets g2."""
        return self.t.guests["g1"].fetch(OUTSIDE4, 80).startswith("g2 ")

    def alikes(self):
        def local():
            self.make("tcp dport 80 fib daddr type local")
            wait(lambda: self.t.guests["g1"].fetch(OUTSIDE4, 80).startswith("outside "), 15, "the guest gets whom it asked for")
            return self.restore

        def to_the_host():
            self.make(f"ip daddr {HOST4} tcp dport 80")
            return self.restore

        def by_uplink():
            self.make("iifname \"eth0\" tcp dport 80")
            return self.restore
        return [local, to_the_host, by_uplink]


class Incomplete(Row):
    """Works from outside, not from the host itself."""
    id, fixable = "forward.incomplete", False

    def make(self):
        self.nft(f"table ip fwd4 {{\n chain pre {{ type nat hook prerouting priority dstnat;\n ip daddr {HOST4} tcp dport {PORT} dnat to "
                 f"{NET4}.12:80\n }}\n}}\n")

    def broken(self):
        return self.t.outside.fetch(HOST4, PORT).startswith("g2 ") and not self.t.host.fetch(HOST4, PORT, timeout=1)

    def alikes(self):
        def with_output():
            self.make()
            self.nft(f"table ip fwd4 {{\n chain out {{ type nat hook output priority -100;\n ip daddr {HOST4} tcp dport {PORT} dnat"
                     f" to {NET4}.12:80\n }}\n}}\n")
            wait(lambda: self.t.host.fetch(HOST4, PORT).startswith("g2 "), 15, "the host reaches its own port")
            return self.restore
        return [with_output]


FAULTS = [NatMissing, NatMissing4, NatLost, Nat6Missing, Hijack, TooBig, PlainDrop, TwoChains, Iptables, Legacy, ReversePath4, Services,
          Incomplete]


def test_firewall_faults(lab):
    t = DoctorLab(lab)
    for kind in FAULTS:
        check(kind(t), Doctor(t), quiet=(), state=t.state)
    boot_would_undo(t)


def boot_would_undo(t):
    """persist.differs: set by hand, and a file of sysctl.d says otherwise."""
    folder = os.path.join(t.lab.dir, "etc-sysctl.d")
    os.makedirs(folder)

    def found(value):
        with open(os.path.join(folder, "99-hand.conf"), "w") as f:
            f.write(f"# by hand\nnet.ipv4.ip_forward = {value}\n")
        # `ip netns exec` has given us a mount namespace of our own
        p = t.host.run("sh", "-c", 'mount --bind "$0" /etc/sysctl.d && exec "$@"', folder, SIXTAP, "-c", t.config, "--run-dir",
                       t.run_dir, "--json", "doctor", check=False)
        return {f["subject"]: f for f in json.loads(p.stdout)["findings"] if f["id"] == "persist.differs"}
    assert not found(1)
    f = found(0)["net/ipv4/ip_forward"]
    assert f["evidence"]["set_by"] == "/etc/sysctl.d/99-hand.conf:2", f
    # That is what the boot does.
    t.host.sysctl("net.ipv4.ip_forward", 0)
    assert not t.nat_out(4)
    t.settle()
    wait(lambda: t.nat_out(4), 15, "IPv4 is forwarded again")


def test_rules_of_ours_are_gone(world):
    """Nobody runs who would put them back."""
    w = world
    w.up()
    g = w.static_guest()
    wait(lambda: g.ping(OUTSIDE4, timeout=1), 20, "the guest reaches the outside")
    assert not [f for f in w.sixtap.json("doctor")["findings"] if f["id"] == "firewall.rules-missing"]
    w.sixtap.kill()
    assert not [f for f in w.sixtap.json("doctor")["findings"] if f["id"] == "firewall.rules-missing"]
    w.host.run("nft", "flush", "ruleset")
    assert not g.ping(OUTSIDE4, timeout=1)
    found = [f for f in w.sixtap.json("doctor", check=False)["findings"] if f["id"] == "firewall.rules-missing"]
    assert [f["subject"] for f in found] == ["inet sixtap"], found
    w.sixtap("doctor", "--fix", check=False)
    wait(lambda: g.ping(OUTSIDE4, timeout=1), 20, "the guest reaches the outside again")
    assert not [f for f in w.sixtap.json("doctor", check=False)["findings"] if f["id"] == "firewall.rules-missing"]


def test_ufw(lab):
    """The real ufw: its own point for others is named, and a rule there mends it."""
    t = DoctorLab(lab)
    t.world = t
    fw = Ufw(t)
    wait(lambda: t.nat_out(4) and t.nat_out(6), 20, "guests reach the outside")
    fw.up()
    wait(lambda: not t.nat_out(4) and not t.nat_out(6), 20, "ufw drops what guests send")
    f = {x["id"]: x for x in t.doctor()["findings"]}["firewall.foreign-drop"]
    assert f["subject"] == "br0" and "ufw's chain" in f["what"], f["what"]
    assert "ufw route allow in on br0 out on eth0" in str(f["fix"]), f["fix"]
    t.doctor("--fix")
    wait(lambda: t.nat_out(4) and t.nat_out(6), 20, "guests reach the outside again")
    assert "firewall.foreign-drop" not in {x["id"] for x in t.doctor()["findings"]}


def test_firewalld(lab):
    t = DoctorLab(lab)
    fw = Firewalld(t)
    fw.up()
    wait(lambda: not t.nat_out(4), 20, "firewalld drops what guests send")
    f = {x["id"]: x for x in t.doctor()["findings"]}["firewall.foreign-drop"]
    assert f["subject"] == "br0" and "firewalld's chain" in f["what"], f["what"]
    assert "firewall-cmd --zone=trusted --add-interface=br0" in str(f["fix"]), f["fix"]
    # The zone by its own tool, as the command says: it lets everything of br0 pass.
    fw.run("firewall-cmd", "--zone=trusted", "--add-interface=br0")
    found = {x["id"] for x in t.doctor()["findings"]}
    flows = any(t.nat_out(4) and t.nat_out(6) for _ in range(3))
    assert ("firewall.foreign-drop" in found) != flows, (found, flows)
