# SPDX-License-Identifier: GPL-2.0-or-later
"""Firewalls of others that drop what they don't know: docker's, ufw's, firewalld's, iptables' of both kinds, nft's."""
import os, re, shlex, shutil, time
import pytest
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, Who, wait
from libnet import GW4, GW6, LAN, WEB4, WEB6, WEB_MAC, merged
from test_endure import insist

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=@@/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
"""

# What the host itself needs: neighbour discovery and answers. Everything else of guests is dropped.
PLAIN = """
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iifname { "lo", "eth0" } accept
		icmpv6 type { nd-router-advert, nd-redirect } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ip saddr 10.9.8.0/24 counter accept
	}
}
"""

REJECTING = """
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip daddr 203.0.113.66 drop
		jump common
		counter
	}
	chain common {
		iifname "eth9" accept
		reject with icmpx admin-prohibited
	}
}
"""


# A host that says itself what it sends: to the uplink, and nothing else.
CLOSED_OUTPUT = """
table inet filter {
	chain output {
		type filter hook output priority filter; policy drop;
		oifname "eth0" accept
	}
}
"""

# Drops that are about somebody else: nobody is told of them.
HARMLESS = """
table bridge others {
	chain pre {
		type filter hook prerouting priority -300; policy accept;
		ether type 0x88cc drop
		iifname "p-web" ip saddr 203.0.113.99 drop
	}
}
table inet others {
	chain pre {
		type filter hook prerouting priority raw; policy accept;
		fib saddr . iif oif missing drop
		iifname "eth9" drop
	}
}
"""


class Firewall:
    """One kind of firewall in the host's namespace."""
    commands = []

    def __init__(self, world):
        self.world, self.host = world, world.host
        self.dir = os.path.join(world.lab.dir, "firewall")
        os.makedirs(self.dir, exist_ok=True)

    def run(self, *argv, **kw):
        return self.host.run(*argv, **kw)

    def shell(self, text):
        """A command line as `status` gives it."""
        return self.run("sh", "-ec", text)

    def up(self):
        raise NotImplementedError

    def reload(self):
        self.up()

    def listing(self):
        return re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", self.run("nft", "-s", "list", "ruleset").stdout)


class Plain(Firewall):
    rules, point = PLAIN, {"inet filter forward", "inet filter input"}

    def up(self):
        self.run("nft", "-f", "-", input="table inet filter\ndelete table inet filter\n" + self.rules)


class Rejecting(Plain):
    rules, point = REJECTING, {"inet filter forward"}


class ClosedOutput(Plain):
    rules, point = CLOSED_OUTPUT, {"inet filter output"}


class Docker(Firewall):
    """As dockerd 20.10 makes them, with "ip6tables": true."""
    kind, point = "nft", {"ip filter DOCKER-USER", "ip6 filter DOCKER-USER"}

    def up(self):
        for program, net, lo in ("iptables", "172.17.0.0/16", "127.0.0.0/8"), ("ip6tables", "fd00:17::/64", "::1/128"):
            def ipt(*args, program=program, check=True):
                return self.run(f"{program}-{self.kind}", "--wait", *shlex.split(args[0]), check=check)
            fresh = ipt("-n -L DOCKER-USER", check=False).returncode != 0
            ipt("-P FORWARD DROP")
            for chain in "DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER":
                ipt(f"-N {chain}", check=False)
            ipt("-F FORWARD")
            if fresh:
                ipt("-A DOCKER-USER -j RETURN")
                ipt("-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2")
                ipt("-A DOCKER-ISOLATION-STAGE-1 -j RETURN")
                ipt("-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP")
                ipt("-A DOCKER-ISOLATION-STAGE-2 -j RETURN")
                ipt("-t nat -N DOCKER")
                ipt("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER")
                ipt(f"-t nat -A OUTPUT ! -d {lo} -m addrtype --dst-type LOCAL -j DOCKER")
                ipt(f"-t nat -A POSTROUTING -s {net} ! -o docker0 -j MASQUERADE")
                ipt("-t nat -A DOCKER -i docker0 -j RETURN")
            ipt("-A FORWARD -j DOCKER-USER")
            ipt("-A FORWARD -j DOCKER-ISOLATION-STAGE-1")
            ipt("-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
            ipt("-A FORWARD -o docker0 -j DOCKER")
            ipt("-A FORWARD -i docker0 ! -o docker0 -j ACCEPT")
            ipt("-A FORWARD -i docker0 -o docker0 -j ACCEPT")

    def reload(self):
        """A daemon that starts anew leaves DOCKER-USER alone; whoever flushes it takes our rule."""
        for program in "iptables", "ip6tables":
            self.run(f"{program}-{self.kind}", "-F", "DOCKER-USER")
            self.run(f"{program}-{self.kind}", "-A", "DOCKER-USER", "-j", "RETURN")

    def listing(self):
        saved = "".join(self.run(f"{p}-{self.kind}-save").stdout for p in ("iptables", "ip6tables"))
        return Firewall.listing(self) + re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", saved)


class DockerLegacy(Docker):
    kind, point = "legacy", set()


class Iptables(Firewall):
    """A host whose administrator wrote down what he lets through."""
    point = {f"{f} filter {c}" for f in ("ip", "ip6") for c in ("FORWARD", "INPUT", "OUTPUT")}

    def up(self):
        for program in "iptables-nft", "ip6tables-nft":
            icmp = "icmp" if program == "iptables-nft" else "icmpv6"
            self.run(f"{program}-restore", input=f"""*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT DROP [0:0]
-A OUTPUT -o eth+ -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth+ -p {icmp} -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT
-A FORWARD -i eth0 -p udp -m udp --dport 1:1000 -m limit --limit 1/min -j LOG
-A FORWARD -p tcp -m tcp --dport 25 -j REJECT
-A FORWARD ! -i wg0 -j DROP
COMMIT
""")

    listing = Docker.listing
    kind = "nft"


class Ufw(Firewall):
    point = {"ip filter ufw-user-forward", "ip6 filter ufw6-user-forward", "ip filter ufw-user-input",
             "ip6 filter ufw6-user-input"}

    def __init__(self, world):
        super().__init__(world)
        shutil.copytree("/etc/ufw", self.dir + "/ufw")
        shutil.copy("/etc/default/ufw", self.dir + "/default")

    def run(self, *argv, **kw):
        """With a configuration of its own: each command has a mount namespace."""
        own = f'mount --bind {self.dir}/ufw /etc/ufw && mount --bind {self.dir}/default /etc/default/ufw && exec "$@"'
        return super().run("sh", "-c", own, "sh", *argv, **kw)

    def up(self):
        self.run("ufw", "--force", "enable")
        self.run("ufw", "reload")           # adds rules that enabling leaves out

    def reload(self):
        self.run("ufw", "reload")

    listing = Docker.listing
    kind = "nft"


class Firewalld(Firewall):
    point = {"inet firewalld filter_FORWARD", "inet firewalld filter_INPUT"}

    def __init__(self, world):
        super().__init__(world)
        shutil.copytree("/etc/firewalld", self.dir + "/firewalld")
        with open(self.dir + "/bus.conf", "w") as f:
            f.write(BUS.replace("@@", self.dir))

    def argv(self, *argv):
        own = f'mount --bind {self.dir}/firewalld /etc/firewalld && DBUS_SYSTEM_BUS_ADDRESS=unix:path={self.dir}/bus exec "$@"'
        return ["sh", "-c", own, "sh", *argv]

    def run(self, *argv, **kw):
        return super().run(*self.argv(*argv), **kw)

    def up(self):
        self.host.popen("dbus-daemon", "--config-file", self.dir + "/bus.conf", "--nofork", "--nopidfile")
        wait(lambda: os.path.exists(self.dir + "/bus"), 15, "a bus of its own")
        self.host.popen(*self.argv("/usr/sbin/firewalld", "--nofork", "--nopid", "--log-file", self.dir + "/log"),
                        log="firewalld")
        wait(lambda: self.run("firewall-cmd", "--state", check=False).returncode == 0, 60, "firewalld runs")

    def reload(self):
        self.run("firewall-cmd", "--reload")

KINDS = [Plain, Rejecting, Docker, Iptables, Ufw, Firewalld]


def begin(kind, world, net=LAN):
    fw = kind(world)
    fw.up()
    world.found = world.state()
    # ufw switches it off; the kernel switches it on again when forwarding ends.
    world.found["sysctls"].pop("net/ipv4/conf/all/accept_redirects")
    world.configure(net)
    return fw


def guest(world):
    web = world.static_guest()
    Who(web, 80)
    return web


def silent_guest(world):
    """As guest(), where the host may not even answer neighbour discovery."""
    web = world.guest("web", WEB_MAC, up=False, accept_ra=0)
    web.ip("addr", "add", f"{WEB4}/24", "dev", "eth0")
    web.ip("addr", "add", f"{WEB6}/64", "dev", "eth0", "nodad")
    web.ip("link", "set", "eth0", "up")
    web.ip("route", "add", "default", "via", GW4)
    web.ip("-6", "route", "add", "default", "via", GW6, "dev", "eth0")
    Who(web, 80)
    return web


def works(world, web):
    """Every way that goes through somebody else's chains, on both families."""
    for a in OUTSIDE4, OUTSIDE6:
        wait(lambda: web.fetch(a, 80), 15, f"out to {a}")
        assert web.ping(a)
    for a in UPLINK4, world.host6()[0]:
        assert world.outside.fetch(a, 8080).startswith("web "), f"in by {a}:8080"
    for a in GW4, GW6:
        assert web.dig("web.lan", server=a), f"DNS at {a}"


def guards_know(world):
    """Guests that have just come are planned for a moment later."""
    wait(lambda: world.sixtap.json("plan")["changes"] == [], 20, "the guards know everybody")


def status(world):
    return world.sixtap.json("status")["networks"][0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__.lower())
def test_auto(world, kind):
    fw = begin(kind, world)
    before = fw.listing()
    plan = world.sixtap.json("plan")["changes"]
    rules = {c["object"].removeprefix("rule "): c for c in plan if c["object"].startswith("rule ")}
    assert set(rules) == fw.point
    for where, c in rules.items():
        said = ("may be forwarded" if "forward" in where.lower() or "DOCKER" in where else
                "may be answered by the host" if "OUTPUT" in where else "may ask the host for DNS")
        assert c["action"] == "create" and c["what"] == f"lan {said}" and "drops what it doesn't know" in c["why"]
    world.up()
    assert world.up()["changes"] == []
    web = guest(world)
    works(world, web)
    assert status(world)["state"] == "up"
    # Everybody's own tools still understand the tables.
    listed = fw.listing()
    assert "sixtap:lan" in listed and "unknown" not in listed.lower(), listed

    fw.reload()
    wait(lambda: {c["object"] for c in world.sixtap.json("plan")["changes"]} == set(), 20, "the rule is put back")
    works(world, web)
    assert world.up()["changes"] == []

    web.unplug()
    world.sixtap("down", "-q")
    assert fw.listing() == before


@pytest.mark.parametrize("kind", [Plain, Docker], ids=lambda k: k.__name__.lower())
def test_fight(world, kind):
    """Somebody who takes our rule out of his chain as soon as it is there is named, and not kept busy."""
    fw = begin(kind, world)
    world.up()
    ours = lambda: "sixtap:lan" in fw.listing()
    for _ in range(5):
        fw.reload()
        wait(ours, 10, "the rule is put back", interval=0.02)
    wait(lambda: status(world)["state"] == "degraded", 10, "it is degraded")
    assert any("takes away rule " in t for t in status(world)["troubles"]), status(world)
    # One table at once, so that all of it waits.
    act = fw.reload if kind is Plain else lambda: fw.run("iptables-nft", "-F", "DOCKER-USER")
    there = ours if kind is Plain else lambda: "sixtap:lan" in fw.run("iptables-nft", "-S", "DOCKER-USER").stdout
    began = insist(world, act, there)
    wait(there, 20, "the rule comes back later")
    assert time.monotonic() - began > 1.4, "it waits"
    wait(lambda: not world.sixtap.json("plan")["changes"], 20, "all of it")
    assert world.up()["changes"] == [] and status(world)["state"] == "up", "a person's `up` ends it"


@pytest.mark.parametrize("kind", KINDS + [DockerLegacy], ids=lambda k: k.__name__.lower())
def test_off(world, kind):
    """Nothing of theirs is touched; the command that `status` names is all that is missing."""
    fw = begin(kind, world, merged(LAN, firewall="auto" if kind is DockerLegacy else "off"))
    before = fw.listing()
    answer = world.up()
    assert not [c for c in answer["changes"] if c["object"].startswith("rule ")]
    web = silent_guest(world)
    found = status(world)
    assert found["state"] == "degraded"
    where, command = re.fullmatch(r"(.*) drops guests' packets; run: (.*)", found["troubles"][-1]).groups()
    assert all(p in where for p in fw.point), where
    assert not web.fetch(OUTSIDE4, 80, timeout=1)
    assert "sixtap" not in re.sub(r"(?s)table (inet|bridge) sixtap \{.*?\n\}\n", "", fw.listing())
    fw.shell(command)
    works(world, web)
    if kind is DockerLegacy:
        world.up()                      # the kernel has no events for these
    wait(lambda: status(world)["state"] == "up", 15, "status sees it")
    guards_know(world)
    assert not status(world).get("troubles") and world.up()["changes"] == []
    assert before != fw.listing()


# Chains that nothing of ours is added to: what they hold, what of a guest's ends there, what the named command matches,
# and what it matches of each guest where the kernel can't tell a frame's bridge (CONFIG_NFT_BRIDGE_META).
OTHER6 = GW6.rpartition("::")[0] + "::77"
ELSEWHERE = [
    ("inet", "pre", "prerouting priority raw; policy drop;", 'iifname { "lo", "eth0" } accept', GW4, 'iifname "lan"', ()),
    ("ip6", "pre", "prerouting priority mangle; policy accept;", 'iifname "lan" reject', GW6, 'iifname "lan"', ()),
    ("inet", "post", "postrouting priority filter; policy drop;", 'oifname "eth0" accept', GW4,
     'iifname "lan" oifname "eth0"; oifname "lan"', ()),
    ("bridge", "post", "postrouting priority 0; policy accept;", "ether type arp drop", GW4, 'meta obrname "lan"', ("oifname",)),
    ("bridge", "in", "input priority 0; policy drop;", "ether type ip6 accept", GW4, 'meta ibrname "lan"', ("iifname",)),
    ("bridge", "pre", "prerouting priority 0; policy accept;", "meta protocol ip6 drop", GW6, 'meta ibrname "lan"',
     ("iifname",)),
    ("bridge", "out", "output priority 0; policy accept;", "ether type arp drop", GW4, 'meta obrname "lan"', ("oifname",)),
    ("bridge", "across", "forward priority 0; policy accept;", 'iifname != "eth0" ether type ip6 drop', OTHER6,
     'meta ibrname "lan"', ("iifname", "oifname")),
]


def test_other_hooks(world):
    """Output gets rules of ours; the other hooks and bridges' tables are named with the command that lets guests through."""
    fw = begin(ClosedOutput, world)
    fw.run("nft", "-f", "-", input=HARMLESS)
    before = fw.listing()
    world.up()
    web = silent_guest(world)
    other = world.guest("other", up=False, accept_ra=0)
    other.ip("addr", "add", f"{OTHER6}/64", "dev", "eth0", "nodad")
    other.ip("link", "set", "eth0", "up")
    works(world, web)
    assert world.host.fetch(UPLINK4, 8080).startswith("web "), "the host's own way to a forward"
    assert status(world)["state"] == "up", status(world)
    guards_know(world)
    assert world.up()["changes"] == [] and "sixtap:lan" in fw.listing()
    fw.run("nft", 'flush chain inet filter output; add rule inet filter output oifname "eth0" accept')
    wait(lambda: "sixtap:lan" in fw.listing(), 15, "the rules are put back")

    def told(degraded):
        wait(lambda: (status(world)["state"] == "degraded") == degraded, 15, f"degraded: {degraded}")
        return status(world).get("troubles", [])

    bridges = fw.run("nft", "-c", 'table bridge t { chain c { type filter hook input priority 0; meta ibrname "lan"; }; }',
                     check=False).returncode == 0

    def reaches(address, **kw):
        web.ip("neigh", "flush", "all")
        for gw in GW4, GW6:
            world.host.ip("neigh", "flush", "dev", "lan", check=False)
        return web.ping(address, **kw)

    for family, chain, hook, rule, address, match, ports in ELSEWHERE:
        table = f"{family} elsewhere"
        wait(lambda: reaches(address), 15, f"{address} before {table} {chain}")
        fw.run("nft", f"table {table} {{ chain {chain} {{ type filter hook {hook} {rule}; }}; }}")
        trouble, = told(True)
        assert not reaches(address, timeout=0.5), f"{table} {chain} drops"
        matches = match.split("; ") if bridges or not ports else [f'{p} "{g.port}"' for g in (web, other) for p in ports]
        where, command = trouble.split(" drops guests' packets; run: ")
        assert where == f"{table} {chain}" and command.startswith("nft '") and command.endswith("'"), trouble
        assert sorted(command[5:-1].split("; ")) == sorted(f"insert rule {table} {chain} {m} accept" for m in matches)
        assert world.up()["changes"] == [], "nothing of ours"
        fw.shell(command)
        wait(lambda: reaches(address), 15, f"{address} by {command}")
        assert told(False) == []
        fw.run("nft", f"delete table {table}")

    fw.run("ebtables-nft", "-P", "INPUT", "DROP")
    trouble, = told(True)
    command = trouble.partition("; run: ")[2]
    matches = ["--logical-in lan"] if bridges else [f"-i {g.port}" for g in (web, other)]
    assert sorted(command.split("; ")) == sorted(f"ebtables-nft -I INPUT {m} -j ACCEPT" for m in matches), command
    assert not reaches(GW4, timeout=0.5)
    fw.shell(command)
    assert told(False) == []
    wait(lambda: reaches(GW4), 5, command)
    assert "unknown" not in fw.run("ebtables-nft", "-L").stdout.lower()
    for program, address, chain, sources in (("iptables-legacy", OUTSIDE4, "FORWARD", "-i lan"),
                                             ("ip6tables-legacy", OUTSIDE6, "POSTROUTING", "-s fd")):
        fw.run(program, "-t", "mangle", "-P", chain, "DROP")
        world.up()                      # the kernel has no events for these
        trouble, = told(True)
        where, command = trouble.split(" drops guests' packets; run: ")
        assert where.endswith(f" mangle {chain}") and command.startswith(f"{program} -t mangle -I {chain} {sources}"), trouble
        assert not reaches(address, timeout=0.5)
        fw.shell(command)
        wait(lambda: reaches(address), 15, f"{address} by {command}")
        world.up()
        assert told(False) == []
        fw.run(program, "-t", "mangle", "-P", chain, "ACCEPT")
        fw.run(program, "-t", "mangle", "-F", chain)
    third = world.guest("third", up=False)
    if not bridges:
        assert told(True)[0].endswith("; run: ebtables-nft -I INPUT -i p-third -j ACCEPT"), "one more guest, one more port"
    fw.run("nft", "delete table bridge filter")
    for g in web, other, third:
        g.unplug()
    world.sixtap("down", "-q")
    assert fw.listing() == before


def test_human_words(world):
    begin(Docker, world)
    out = world.sixtap("plan").stdout
    line = next(l for l in out.splitlines() if "ip filter DOCKER-USER" in l)
    assert re.fullmatch(r"  \+ rule +ip filter DOCKER-USER +lan may be forwarded +docker drops what it doesn't know", line), line


def test_changed_live(world):
    """`firewall: off` takes the rules back, and what closes or opens by itself is followed."""
    fw = begin(Docker, world)
    before = fw.listing()
    world.up()
    web = guest(world)
    works(world, web)
    world.configure(merged(LAN, firewall="off"))
    changes = world.up()["changes"]
    assert {c["action"] for c in changes} == {"remove"} and len(changes) == 2
    assert status(world)["state"] == "degraded"
    world.configure(LAN)
    world.up()
    works(world, web)
    for p in "iptables-nft", "ip6tables-nft":
        fw.run(p, "-P", "FORWARD", "ACCEPT")
    wait(lambda: "sixtap:lan" not in fw.listing(), 15, "what isn't needed goes by itself")
    for p in "iptables-nft", "ip6tables-nft":
        fw.run(p, "-P", "FORWARD", "DROP")
    wait(lambda: "sixtap:lan" in fw.listing(), 15, "what is needed comes back by itself")
    fw.run("iptables-nft", "-D", "DOCKER-USER", "-o", "lan", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT", "-m",
           "comment", "--comment", "sixtap:lan", "-j", "ACCEPT")
    wait(lambda: world.sixtap.json("plan")["changes"] == [], 15, "half a rule is made whole")
    assert fw.listing().count('"sixtap:lan"') + fw.listing().count(" sixtap:lan") >= 4
    works(world, web)
    web.unplug()
    world.sixtap("down", "-q")
    assert fw.listing() == before


def test_particular_rules_keep_their_say(world):
    """What an administrator drops by a rule of its own stays dropped: ours come last."""
    begin(Rejecting, world)
    world.up()
    web = guest(world)
    world.outside.ip("addr", "add", "203.0.113.66/32", "dev", "eth0")
    works(world, web)
    assert not web.ping("203.0.113.66", timeout=1)


def test_containers_stay_apart(world):
    """Our rule leads to the uplink, not to whatever else docker keeps closed."""
    fw = begin(Docker, world)
    fw.host.ip("link", "add", "docker0", "type", "bridge")
    fw.host.ip("addr", "add", "172.17.0.1/16", "dev", "docker0")
    box = world.lab.ns("box")
    world.lab.veth(world.host, "vbox", box, "eth0")
    world.host.ip("link", "set", "vbox", "master", "docker0", "up")
    world.host.ip("link", "set", "docker0", "up")
    box.ip("addr", "add", "172.17.0.2/16", "dev", "eth0")
    box.ip("link", "set", "eth0", "up")
    box.ip("route", "add", "default", "via", "172.17.0.1")
    Who(box, 80)
    world.up()
    web = guest(world)
    works(world, web)
    assert world.host.fetch("172.17.0.2", 80).startswith("box ")
    assert not web.fetch("172.17.0.2", 80, timeout=1)
    box.ip("link", "del", "eth0")
    world.host.ip("link", "del", "docker0")     # as long as it is there, forwarding stays on for its sake


def test_failure_takes_the_rule_back(world):
    fw = begin(Docker, world)
    before = fw.listing()
    n = len(world.sixtap.json("plan")["changes"])
    world.sixtap.env["SIXTAP_FAIL_AT"] = f"apply:{n}"
    p = world.sixtap("up", check=False)
    del world.sixtap.env["SIXTAP_FAIL_AT"]
    assert p.returncode != 0
    assert fw.listing() == before


def test_bridged_frames(lonely):
    """Where br_netfilter is on, frames between guests of any bridge pass docker's chain, and would end there."""
    host = lonely.host
    host.ip("link", "add", "br0", "type", "bridge", "nf_call_iptables", 1, "nf_call_ip6tables", 1)
    host.ip("link", "set", "br0", "up")
    lonely.configure(office={"mode": "bridge", "bridge": "br0"})
    fw = Docker(lonely)
    fw.up()
    before = fw.listing()
    lonely.found = lonely.state()
    a, b = (lonely.guest(n, bridge="br0", accept_ra=0) for n in "ab")
    for i, g in enumerate((a, b)):
        g.ip("addr", "add", f"10.9.9.{i + 1}/24", "dev", "eth0")
        g.ip("addr", "add", f"fd09::{i + 1}/64", "dev", "eth0", "nodad")
    assert not a.ping("10.9.9.2", timeout=1)
    lonely.up()
    for address in "10.9.9.2", "fd09::2":
        wait(lambda: a.ping(address), 5, address)
    lonely.sixtap("down", "-q")
    assert fw.listing() == before
