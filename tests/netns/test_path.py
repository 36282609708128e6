# SPDX-License-Identifier: GPL-2.0-or-later
"""`sixtap path`: what it predicts is what real packets do, in both families, for each way to pass and to be dropped."""
import json
import pytest
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, Who, wait
from libnet import GW4, GW6, LAN, WEB4, WEB6, config, shape

DB_MAC, DB4, DB6 = "52:54:00:12:34:57", "192.168.150.11", "fd12:8848:a2a2:1::11"
QUICK = 0.6             # seconds for a packet that should get there


class Scene:
    """Our NAT network with two guests, and what one can do to the host around it."""

    def __init__(self, lan):
        self.lan, self.host, self.outside = lan, lan.host, lan.outside
        # The daemon puts back what others take away: its own rule in other people's chains is left out here.
        lan.configure(dict(LAN, firewall="off", guests={**LAN["guests"], "db": {"mac": DB_MAC, "ipv4": DB4, "ipv6": DB6}}))
        lan.up()
        self.web = lan.static_guest()
        self.db = lan.static_guest("db", DB_MAC, DB4, DB6)
        for g in (self.web, self.db):
            Who(g)
        self.who = {"lan/web": (self.web, {4: WEB4, 6: WEB6}), "lan/db": (self.db, {4: DB4, 6: DB6}),
                    "host": (self.host, {4: GW4, 6: GW6}), "outside": (self.outside, {4: OUTSIDE4, 6: OUTSIDE6}),
                    "uplink": (None, {4: UPLINK4, 6: lan.host6()[0]})}

        # The uplink's address may still be checked for duplicates: until then nothing leaves by it, as path says.
        wait(lambda: self.predict("lan/web", "outside", 0, 6)["verdict"] == "pass", 20, "the uplink's IPv6")

    def predict(self, frm, to, port, family):
        name = {"outside": self.who["outside"][1][family], "uplink": self.who["uplink"][1][family]}
        words = [name.get(frm, frm), name.get(to, to)] + ([str(port)] if port else [])
        p = self.lan.sixtap("path", *words, f"--ipv{family}", "--json", check=False)
        answer = json.loads(p.stdout)
        assert "verdict" in answer, answer
        assert p.returncode == (3 if answer["verdict"] == "unknown" else 0), p.stderr
        return answer

    def really(self, frm, to, port, family, tries):
        ns, address = self.who[frm][0], self.who[to][1][family]
        # Addresses are asked for anew: what neighbours remember would hide that nobody hears the question.
        for n in (self.web, self.db, self.host):
            n.ip("neigh", "flush", "nud", "all", check=False)
        one = (lambda: ns.fetch(address, port, timeout=QUICK) != "") if port else (lambda: ns.ping(address, timeout=QUICK))
        return any(one() for _ in range(tries))

    def nft(self, text):
        self.host.run("nft", "-f", "-", input=text)


def nft(rules, hook="forward", kind="filter", priority="10", policy="accept", family="inet", more=""):
    return f"""table {family} test_path {{
	{more}
	chain c {{
		type {kind} hook {hook} priority {priority}; policy {policy};
		{rules}
	}}
}}
"""


def rules(*args, **kw):
    """A table of somebody else's; its end."""
    family = kw.get("family", "inet")
    return lambda s: (s.nft(nft(*args, **kw)), lambda: s.host.run("nft", "delete", "table", family, "test_path"))[1]


def sysctl(key, value):
    def make(s):
        before = s.host.sysctl(key)
        s.host.sysctl(key, value)
        return lambda: s.host.sysctl(key, before)
    return make


def cmd(do, undo):
    return lambda s: (s.host.run(*do.split()), lambda: s.host.run(*undo.split()))[1]


def port_flag(flag, bad, good, port="p-db"):
    return cmd(f"bridge link set dev {port} {flag} {bad}", f"bridge link set dev {port} {flag} {good}")


def several(*makes):
    def make(s):
        undo = [m(s) for m in makes]
        return lambda: [u() for u in reversed(undo)]
    return make


nothing = lambda s: lambda: None
PASS, DROP, ANY = "pass", "drop", None
IN_NET = 'ip saddr 192.168.150.0/24'

# what is done to the host; from, to, port; verdict over IPv4 and IPv6 (ANY: only that it is what happens); the step that
# ends it; words of the rule
CASES = [
    ("guest to outside", nothing, "lan/web", "outside", 0, PASS, PASS, None, None),
    ("guest to outside, TCP", nothing, "lan/web", "outside", 80, PASS, PASS, None, None),
    ("outside to a forwarded port", nothing, "outside", "uplink", 8080, PASS, PASS, None, None),
    ("outside to a port that isn't forwarded", nothing, "outside", "uplink", 81, DROP, DROP, None, None),
    ("a guest that NAT hides", nothing, "outside", "lan/web", 0, DROP, DROP, "outside", None),
    ("guest to guest", nothing, "lan/web", "lan/db", 0, PASS, PASS, None, None),
    ("guest to guest, TCP", nothing, "lan/web", "lan/db", 80, PASS, PASS, None, None),
    ("guest to guest, a port nobody listens at", nothing, "lan/web", "host", 99, DROP, DROP, None, None),
    ("guest to host", nothing, "lan/web", "host", 0, PASS, PASS, None, None),
    ("host to guest", nothing, "host", "lan/web", 80, PASS, PASS, None, None),
    ("host to outside", nothing, "host", "outside", 0, PASS, PASS, None, None),

    ("forward: one family", rules(IN_NET + " drop"), "lan/web", "outside", 0, DROP, PASS, "forward", IN_NET),
    ("forward: a policy", rules("ct state established accept; ip6 saddr fd12:8848:a2a2:1::/64 accept", policy="drop"),
     "lan/web", "outside", 0, DROP, PASS, "forward", "policy drop"),
    ("forward: an interval", rules("ip daddr @s drop", more="set s { type ipv4_addr; flags interval; elements = "
                                   "{ 10.0.0.0/8, 203.0.113.0/25 }; }"), "lan/web", "outside", 0, DROP, PASS, "forward", "@s"),
    ("forward: beside an interval", rules("ip daddr @s drop", more="set s { type ipv4_addr; flags interval; elements = "
                                          "{ 10.0.0.0/8, 203.0.113.128/25 }; }"), "lan/web", "outside", 0, PASS, PASS, None, None),
    ("forward: a concatenation with ranges",
     rules("ip6 daddr . tcp dport @s drop", more="set s { type ipv6_addr . inet_service; flags interval; "
           f"elements = {{ 2001:db8:ffff::/64 . 79-81 }}; }}"), "lan/web", "outside", 80, PASS, DROP, "forward", "@s"),
    ("forward: a verdict map", rules("meta l4proto vmap { tcp : drop, icmp : accept }"), "lan/web", "outside", 80, DROP, DROP,
     "forward", "vmap"),
    ("forward: a verdict map that says nothing", rules("tcp dport vmap { 1-79 : drop, 81-90 : drop }"), "lan/web", "outside", 80,
     PASS, PASS, None, None),
    ("forward: the answer only", rules("ct state established drop"), "lan/web", "outside", 0, DROP, DROP, "forward", "established"),
    ("forward: a range", rules("tcp dport 70-90 drop"), "lan/web", "outside", 80, DROP, DROP, "forward", "70-90"),
    ("forward: outside a range", rules("tcp dport 60-79 drop; ct state new tcp dport > 80 drop; ct state new tcp dport != 70-90 drop"), "lan/web", "outside", 80, PASS, PASS, None,
     None),
    ("forward: a chain that returns", rules('jump other; iifname "lan" meta nfproto ipv4 drop',
                                            more='chain other { iifname { "lan", "eth0" } return; drop; }'),
     "lan/web", "outside", 0, DROP, PASS, "forward", "nfproto"),
    ("forward: goto doesn't come back", rules("goto other; drop", more='chain other { iifname "l*" counter; }'), "lan/web",
     "outside", 0, PASS, PASS, None, None),
    ("forward: a limit", rules("limit rate 100/second accept; drop"), "lan/web", "outside", 0, PASS, PASS, None, None),
    ("forward: over a limit", rules("limit rate over 100/second drop"), "lan/web", "outside", 0, PASS, PASS, None, None),
    ("forward: bits", rules("ip6 saddr & ffff:: == fd12:: drop; ip daddr & 255.0.0.0 == 203.0.0.0 reject"), "lan/web", "outside", 0,
     DROP, DROP, "forward", None),
    ("forward: iptables", cmd("iptables-nft -A FORWARD -i lan -p tcp --dport 80 -j DROP", "iptables-nft -F FORWARD"),
     "lan/web", "outside", 80, DROP, PASS, "forward", "dport 80"),
    ("forward: iptables, another port", cmd("ip6tables-nft -A FORWARD -i lan -p tcp --dport 81 -j DROP", "ip6tables-nft -F FORWARD"),
     "lan/web", "outside", 80, PASS, PASS, None, None),
    ("netdev: ingress", rules("ip protocol icmp drop", hook="ingress device lan", family="netdev"), "lan/web", "outside", 0, DROP,
     PASS, "ingress", "icmp"),
    ("prerouting: fib", rules("fib daddr type local icmpv6 type echo-request drop; "
                              "fib daddr type local icmp type echo-request drop", hook="prerouting", priority="-150"),
     "lan/web", "host", 0, DROP, DROP, "prerouting", "fib"),
    ("prerouting: fib, not local", rules("fib daddr type local tcp dport 80 drop", hook="prerouting", priority="-150"), "lan/web",
     "outside", 80, PASS, PASS, None, None),
    ("prerouting: a mark leads to another table",
     several(rules(IN_NET + " meta mark set 7", hook="prerouting", priority="-150"),
             cmd("ip rule add fwmark 7 lookup 77 priority 50", "ip rule del priority 50"),
             cmd("ip route add blackhole default table 77", "ip route flush table 77")),
     "lan/web", "outside", 0, DROP, PASS, "routing", None),
    ("input", rules('iifname "lan" icmp type echo-request drop', hook="input"), "lan/web", "host", 0, DROP, PASS, "input", "echo"),
    ("output", rules('oifname "lan" tcp dport 80 drop', hook="output"), "host", "lan/web", 80, DROP, DROP, "output", "80"),
    ("postrouting", rules('oifname "eth0" meta l4proto tcp drop', hook="postrouting"), "lan/web", "outside", 80, DROP, DROP,
     "postrouting", "eth0"),
    ("prerouting: another destination", rules(f"ip daddr {GW4} tcp dport 81 dnat ip to {DB4}:80", hook="prerouting", kind="nat",
                                              priority="-90"), "lan/web", "host", 81, ANY, DROP, None, None),

    ("no route", cmd("ip route add unreachable 203.0.113.0/24", "ip route del unreachable 203.0.113.0/24"), "lan/web", "outside", 0,
     DROP, PASS, "routing", None),
    ("a rule refuses", cmd("ip -6 rule add from fd12:8848:a2a2:1::/64 to 2001:db8:ffff::/64 prohibit priority 60",
                           "ip -6 rule del priority 60"), "lan/web", "outside", 0, PASS, DROP, "routing", None),
    ("another way back", several(sysctl("net.ipv4.conf.lan.rp_filter", 1),
                                 cmd(f"ip route add {WEB4}/32 dev eth0", f"ip route del {WEB4}/32 dev eth0")),
     "lan/web", "outside", 0, DROP, PASS, "routing", None),

    ("bridge: ports apart", several(port_flag("isolated", "on", "off"), port_flag("isolated", "on", "off", "p-web")), "lan/web",
     "lan/db", 0, DROP, DROP, "bridge", None),
    ("bridge: one port apart", port_flag("isolated", "on", "off"), "lan/web", "lan/db", 0, PASS, PASS, None, None),
    ("bridge: no broadcasts", port_flag("bcast_flood", "off", "on"), "lan/web", "lan/db", 0, DROP, PASS, "neighbours", None),
    ("bridge: no multicast", port_flag("mcast_flood", "off", "on"), "lan/web", "lan/db", 0, PASS, DROP, "neighbours", None),
    ("bridge: a rule", rules("tcp dport 80 drop", family="bridge"), "lan/web", "lan/db", 80, DROP, DROP, "bridge forward", "80"),
    ("bridge: no ARP", rules("ether type arp drop", family="bridge"), "lan/web", "lan/db", 0, DROP, PASS, "neighbours", "arp"),
    ("bridge: no solicitations", rules("icmpv6 type nd-neighbor-solicit drop", family="bridge"), "lan/web", "lan/db", 0, PASS, DROP,
     "neighbours", "nd-neighbor-solicit"),
    ("bridge: netfilter", several(cmd("ip link set lan type bridge nf_call_iptables 1", "ip link set lan type bridge nf_call_iptables 0"),
                                  rules('iifname "lan" oifname "lan" ip protocol icmp drop')),
     "lan/web", "lan/db", 0, DROP, PASS, "forward (bridged)", "icmp"),
    ("bridge: netfilter is off", several(sysctl("net.bridge.bridge-nf-call-iptables", 0), sysctl("net.bridge.bridge-nf-call-ip6tables", 0),
                                         rules('iifname "lan" oifname "lan" drop')), "lan/web", "lan/db", 0, PASS, PASS, None, None),
]


def test_prediction_is_what_happens(lan):
    s = Scene(lan)
    wrong = []
    for why, make, frm, to, port, want4, want6, at, rule in CASES:
        undo = make(s)
        try:
            for family, want in ((4, want4), (6, want6)):
                # What has to be learned (a MAC at its port) is learned before: a prediction knows what the host knows.
                answer = s.predict(frm, to, port, family)
                if frm == "outside" and to == "lan/web":
                    arrives = False         # there is no address that outside could send to
                else:
                    # A busy machine may lose the first one that should get there.
                    arrives = s.really(frm, to, port, family, 1 if answer["verdict"] == "drop" else 8)
                told = f"{why}, IPv{family}: {answer['verdict']}, really {'pass' if arrives else 'drop'}"
                if answer["verdict"] != ("pass" if arrives else "drop") or (want and answer["verdict"] != want):
                    wrong.append(f"{told}, meant {want}: {json.dumps(answer)}")
                    continue
                if answer["verdict"] != "drop" or not at:
                    continue
                steps = answer["steps"] + answer.get("answer", {}).get("steps", [])
                last = [x for x in steps if x["verdict"] == "drop"]
                if len(last) != 1 or (want == DROP and not last[0]["at"].startswith(at)) or (rule and rule not in last[0].get("rule", "")):
                    wrong.append(f"{told}, but it ends at {last}, not at {at} by {rule}")
        finally:
            undo()
        wait(lambda: s.web.ping(GW4, timeout=0.3) and s.db.ping(GW6, timeout=0.3), 20, f"{why}: put back")
    assert not wrong, "\n".join(wrong)


def test_what_cannot_be_told(lan):
    """A rule that nobody can evaluate: unknown with its words, unless it makes no difference."""
    s = Scene(lan)
    undo = rules("tcp option maxseg size 1-500 drop")(s)
    answer = s.predict("lan/web", "outside", 80, 4)
    assert answer["verdict"] == "unknown" and any("maxseg" in x.get("rule", "") for x in answer["steps"]), answer
    text = lan.sixtap("path", "lan/web", OUTSIDE4, "80", check=False).stdout
    assert "can't be told" in text and "maxseg" in text
    undo()
    undo = rules("tcp option maxseg size 1-500 accept; accept")(s)
    assert s.predict("lan/web", "outside", 80, 4)["verdict"] == "pass"
    undo()
    undo = rules("tcp option maxseg size 1-500 counter; ip protocol tcp drop")(s)
    assert s.predict("lan/web", "outside", 80, 4)["verdict"] == "drop"
    undo()


def test_words_and_faults(lan):
    s = Scene(lan)
    shape(s.predict("lan/web", "outside", 443, 4), {
        "version": int, "verdict": ("pass",), "steps": [{"at": str, "what": str, "verdict": ("pass", "drop", "unknown"), "rule?": str}],
        "answer": {"steps": [{"at": str, "what": str, "verdict": ("pass", "drop", "unknown")}], "verdict": ("pass",)}})
    both = lan.sixtap.json("path", "web", "outside", "53/udp")
    assert set(both["families"]) == {"ipv4", "ipv6"}
    for words, said in ((["lan/nobody", "outside"], "no guest, interface or address is called so"), (["lan/web"], "TO are needed"),
                        (["web", "outside", "70000"], "isn't a port"), (["web", "outside", "53/sctp"], "isn't a port")):
        p = lan.sixtap("path", *words, check=False)
        assert p.returncode == 2 and said in p.stderr, (words, p.returncode, p.stderr)
    text = lan.sixtap("path", "lan/web", "outside").stdout
    assert "IPv4: it gets there, and so does the answer" in text and "IPv6: it gets there" in text


def test_doctor_walks_the_guests_that_are_named(lan):
    s = Scene(lan)
    ways = lambda: {(p["to"], p["family"]): p["verdict"] for p in lan.sixtap.json("doctor", "lan/web", check=False)["paths"]}
    assert ways() == {(to, f): "pass" for to in ("host", "outside") for f in ("ipv4", "ipv6")}
    undo = rules("ip6 saddr fd12:8848:a2a2:1::/64 drop")(s)
    try:
        assert ways() == {("host", "ipv4"): "pass", ("host", "ipv6"): "pass", ("outside", "ipv4"): "pass", ("outside", "ipv6"): "drop"}
        text = lan.sixtap("doctor", "lan/web", check=False).stdout
        assert "outside, IPv6: ends at forward: inet test_path c drops it (ip6 saddr fd12:8848:a2a2:1::/64 drop)" in text, text
    finally:
        undo()
    assert "paths" not in lan.sixtap.json("doctor", "eth0", check=False)
