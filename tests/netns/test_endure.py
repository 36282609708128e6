# SPDX-License-Identifier: GPL-2.0-or-later
"""What others take away comes back, within a second where the kernel tells; who insists is named, and not fought."""
import contextlib, json, os, re, signal, socket, statistics, subprocess, threading, time
import pytest
from lab import LabError, OUTSIDE4, OUTSIDE6, ROUTER4, UPLINK4, Who, alive, promised, wait
from libnet import GW4, GW6, LAN, WEB4, WEB6, Flow, config, merged

SECOND = 1.3        # the promise is one second; the rest is this machine, which runs other tests as well


def log(world):
    with open(os.path.join(world.sixtap.run_dir, "sixtapd.log")) as f:
        return f.read()


def rules(host):
    """Chains with their number of rules, and the elements of the sets: what of our tables must come back."""
    out = {}
    for family in ("inet", "bridge"):
        p = host.run("nft", "-j", "list", "table", family, "sixtap", check=False)
        if p.returncode:
            continue
        for o in json.loads(p.stdout)["nftables"]:
            if "rule" in o:
                key = (family, o["rule"]["chain"])
                out[key] = out.get(key, 0) + 1
            for kind in ("set", "map"):
                if kind in o and "dynamic" not in o[kind].get("flags", []):
                    out[family, o[kind]["name"]] = json.dumps(o[kind].get("elem"), sort_keys=True)
    return out


def broken(act, condition, what):
    """Somebody takes it away, and it is back within a second."""
    def case():
        act()
        wait(condition, SECOND, what + " comes back", interval=0.02)
    promised(case, lambda: wait(condition, 20, what + " comes back, if late"))


def insist(world, act, condition):
    """Somebody takes it away as soon as it is there, until that waits for the first or next time: when it was taken last."""
    waits = lambda: log(world).count("repair-waits")
    before = waits()
    for _ in range(20):
        wait(condition, 15, "it comes back", interval=0.02)
        began = time.monotonic()
        act()
        wait(lambda: condition() or waits() > before, 15, "it comes back, or waits", interval=0.02)
        if waits() > before:
            return began
    raise LabError("it never waits")


@pytest.fixture
def web(lan):
    g = lan.static_guest()
    Who(g, 80)
    return g


@pytest.mark.parametrize("command", [
    "flush ruleset", "delete table inet sixtap", "delete table bridge sixtap",
    "flush chain inet sixtap postrouting", "delete table inet sixtap; delete table bridge sixtap",
])
def test_rules(lan, web, command):
    had = rules(lan.host)
    assert had and web.ping(OUTSIDE4) and web.ping(OUTSIDE6)
    broken(lambda: lan.host.run("nft", command), lambda: rules(lan.host) == had, "the ruleset")
    assert web.ping(OUTSIDE4) and web.ping(OUTSIDE6)
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web")
    wait(lambda: re.search(r"repaired what=\"rules \w+ sixtap\" by=nft\(\d+\)", log(lan)), 10, "the log says who did it")
    assert lan.sixtap.network()["state"] == "up"
    assert lan.up()["changes"] == []


def test_one_rule_for_another(lan, web):
    """As many rules as before, but one is somebody else's: noticed, and only then."""
    def chain():
        return lan.host.run("nft", "-a", "list chain inet sixtap to_nat").stdout
    assert lan.up()["changes"] == []
    times = []

    def replace():
        drop = re.search(r"drop # handle (\d+)", chain())[1]
        lan.host.run("nft", f"replace rule inet sixtap to_nat handle {drop} accept")
        times.append(1)

    def add():
        lan.host.run("nft", "add set inet sixtap theirs { type ipv4_addr; }; add rule inet sixtap to_nat counter")
        times.append(1)
    broken(replace, lambda: re.search(r"drop # handle", chain()), "the rule that was")
    assert lan.up()["changes"] == []
    # What comes and goes beside our rules is none of our business.
    broken(add, lambda: "counter" not in chain(), "the chain without their rule")
    assert lan.up()["changes"] == [] and log(lan).count('repaired what="rules inet') == len(times)


@pytest.mark.parametrize("device", ["lan", "eth0"])
def test_forwarding_of_one_interface(lan, web, device):
    key = f"net.ipv4.conf.{device}.forwarding"
    lan.host.sysctl(key, 0)
    assert not web.ping(OUTSIDE4, timeout=0.05) or lan.host.sysctl(key) == "1"
    wait(lambda: lan.host.sysctl(key) == "1", 10, key)
    broken(lambda: lan.host.sysctl(key, 0), lambda: lan.host.sysctl(key) == "1", key)
    wait(lambda: web.ping(OUTSIDE4, timeout=1), 15, "IPv4 is forwarded again")      # routes in caches go after the value is set
    assert lan.outside.fetch(UPLINK4, 8080).startswith("web")
    assert lan.up()["changes"] == []


@pytest.mark.parametrize("address", [GW4 + "/24", GW6 + "/64", "fe80::1/64"])
def test_gateway_address(lan, web, address):
    broken(lambda: lan.host.ip("addr", "del", address, "dev", "lan"),
           lambda: address.split("/")[0] in lan.host.ip("addr", "show", "dev", "lan"), address)
    assert web.ping(GW4) and web.ping(GW6) and web.ping(OUTSIDE4) and web.ping(OUTSIDE6)
    assert lan.up()["changes"] == []


def test_prefix_routes(lan, web):
    """The kernel makes them once, with the address. That to fe80::/64 is one of several with the same metric."""
    others = lambda: sorted(r["dev"] for r in lan.host.ipj("-6", "route", "show", "fe80::/64"))
    before = others()
    for family, prefix in (("-4", "192.168.150.0/24"), ("-6", "fd12:8848:a2a2:1::/64"), ("-6", "fe80::/64")):
        had = lan.host.ipj(family, "route", "show", prefix, "dev", "lan")
        broken(lambda: lan.host.ip(family, "route", "del", prefix, "dev", "lan"),
               lambda: lan.host.ipj(family, "route", "show", prefix, "dev", "lan"), prefix)
        assert lan.host.ipj(family, "route", "show", prefix, "dev", "lan") == had
    assert others() == before and "lan" in before
    assert web.ping(GW4) and web.ping(GW6) and web.ping(OUTSIDE4) and web.ping(OUTSIDE6)
    wait(lambda: 'repaired what="route lan"' in log(lan), 10, "the log says so")
    assert lan.up()["changes"] == []


def test_rules_that_sleep_or_drop(lan, web):
    """Rules are all there, and yet they are not what they were."""
    h = lan.host
    for command, wrong in (("add table inet sixtap { flags dormant; }", "flags dormant"),
                           ("add chain inet sixtap forward { policy drop; }", "policy drop")):
        broken(lambda: h.run("nft", command),
               lambda: wrong not in h.run("nft", "list", "table", "inet", "sixtap", check=False).stdout, wrong)
        wait(lambda: lan.sixtap.json("plan")["changes"] == [], 15)
        assert web.ping(OUTSIDE4) and web.ping(OUTSIDE6)


def test_ipv6_switched_off(lan, web):
    """For the bridge, for all, and for whatever comes, as hosts without IPv6 of their own often have it."""
    six = lambda: [a["local"] for a in lan.host.addresses("lan", 6, scope=None)]
    for key in ("net.ipv6.conf.lan.disable_ipv6", "net.ipv6.conf.all.disable_ipv6"):
        broken(lambda: lan.host.sysctl(key, 1), lambda: GW6 in six() and "fe80::1" in six(), "the gateway's IPv6")
        wait(lambda: web.ping(GW6, timeout=1), 15, "the gateway answers")
    lan.sixtap("down", "-q")
    lan.host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    lan.sixtap("up", "-q")
    assert GW6 in six() and lan.host.sysctl("net.ipv6.conf.default.disable_ipv6") == "1"
    assert lan.up()["changes"] == []
    for name in ("all", "default", "eth0"):
        lan.host.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 0)


def test_alias_taken_away(lan, web):
    """What the bridge is known by; without it, it is still nobody else's."""
    for name in ("", "mine"):
        broken(lambda: lan.host.ip("link", "set", "lan", "alias", name),
               lambda: lan.host.links()["lan"].get("ifalias") == "sixtap:lan", "the alias")
    assert lan.up()["changes"] == [] and web.ping(GW4)
    os.kill(lan.sixtap.processes()["main"], signal.SIGSTOP)
    lan.host.ip("link", "set", "lan", "alias", "mine")
    for pid in lan.sixtap.processes().values():
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not lan.sixtap.processes(), 15)
    lan.sixtap("down")
    assert "lan" not in lan.host.links()


@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
def test_forwarding(lan, web, key):
    had = lan.host6(), lan.host.default_route(6)
    assert all(had)
    broken(lambda: lan.host.sysctl(key, 0), lambda: lan.host.sysctl(key) == "1", key)
    for outside in OUTSIDE4, OUTSIDE6:
        wait(lambda: web.ping(outside, timeout=1), 15, f"{outside} is reached again")
    assert lan.host.default_route(6) and lan.host6(), "the host has its own IPv6 still"


def test_bridge_down(lan, web):
    broken(lambda: lan.host.ip("link", "set", "lan", "down"), lambda: "UP" in lan.host.links()["lan"]["flags"], "the bridge")
    wait(lambda: web.ping(GW4, timeout=1) and web.ping(GW6, timeout=1), 15, "the gateway answers")
    wait(lambda: web.ping(OUTSIDE4, timeout=1) and web.ping(OUTSIDE6, timeout=1), 15, "outside answers")
    assert lan.up()["changes"] == []


def test_bridge_settings(lan, web):
    # At once, as a repair in between would count. While STP is on the kernel refuses a delay of 0.
    lines = ("type bridge mcast_snooping 1", "address 02:00:00:00:00:99", "mtu 1400", "type bridge stp_state 1", "group 7")

    def restored():
        link = lan.host.links()["lan"]
        data = link["linkinfo"]["info_data"]
        return (data["mcast_snooping"], data["stp_state"], data["forward_delay"], link["mtu"]) == (0, 0, 0, 1500) \
            and link["group"] != "7" and link["address"] != "02:00:00:00:00:99"
    broken(lambda: lan.host.run("ip", "-batch", "-", input="".join(f"link set lan {l}\n" for l in lines)), restored,
           "snooping, STP, its delay, group, MTU and MAC")
    assert lan.up()["changes"] == []


def test_silent_sysctls(lan):
    """Nothing tells of these: they are read again every 15 s."""
    silent = {"net.ipv6.conf.eth0.accept_ra": "1", "net.ipv6.conf.lan.accept_ra": "1", "net.ipv6.conf.lan.autoconf": "1",
              "net.ipv6.conf.lan.addr_gen_mode": "0"}
    had = {k: lan.host.sysctl(k) for k in silent}
    for k, v in silent.items():
        assert had[k] != v
        lan.host.sysctl(k, v)
    wait(lambda: {k: lan.host.sysctl(k) for k in silent} == had, 25, "all four are as they were")


def tap_guest(world, name="t1"):
    """A tap held by a process that does nothing: what QEMU is to us."""
    idle = world.lab.script("qemu", "#!/bin/sh\nexec sleep 600\n")
    p = world.host.popen(*world.sixtap.argv("run", "--name", name, "lan", "--", idle), env=world.sixtap.env, log=name)
    g = wait(lambda: (world.sixtap.guest(name) or {}).get("device") and world.sixtap.guest(name), 20, f"{name} is attached")
    return p, g["device"]


def test_port_pulled_out(lan):
    p, dev = tap_guest(lan)
    broken(lambda: lan.host.ip("link", "set", dev, "nomaster"), lambda: lan.host.links()[dev].get("master") == "lan", "the port")
    broken(lambda: lan.host.ip("link", "set", dev, "down"), lambda: "UP" in lan.host.links()[dev]["flags"], "the port")
    assert lan.up()["changes"] == []
    p.terminate()
    p.wait(15)


def test_bridge_deleted(lan):
    """Made anew, served anew, and the taps of running guests are put back into it."""
    p, dev = tap_guest(lan)
    had = rules(lan.host)
    broken(lambda: lan.host.ip("link", "del", "lan"), lambda: lan.host.links().get(dev, {}).get("master") == "lan",
           "the bridge with its port")
    wait(lambda: lan.sixtap.network()["state"] == "up", 15, "it is served again")
    wait(lambda: rules(lan.host) == had, 10, "the rules are as they were")
    g = lan.guest("g1")
    assert g.udhcpc()
    g.slaac()
    assert g.ping(OUTSIDE4) and g.ping(OUTSIDE6)
    assert lan.up()["changes"] == []
    p.terminate()
    p.wait(15)


def test_uplink_down_and_up(lan, web):
    """Global addresses, routes and the default route of IPv6 vanish with it, and come back by RA."""
    inside = Flow(web, GW4)
    lan.host.ip("link", "set", "eth0", "down")
    time.sleep(0.5)
    lan.host.ip("link", "set", "eth0", "up")
    lan.host.ip("route", "replace", "default", "via", ROUTER4, "dev", "eth0")
    wait(lambda: web.ping(OUTSIDE4, timeout=1), 10, "outside by IPv4")
    wait(lambda: web.ping(OUTSIDE6, timeout=1), 30, "outside by IPv6")
    assert lan.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "2"
    lost, sent = inside.stop()
    assert lost == 0, f"{lost} of {sent} pings inside were lost"


def test_uplink_renamed(lan, web):
    lan.host.ip("link", "set", "eth0", "down")
    lan.host.ip("link", "set", "eth0", "name", "wan0")
    lan.host.ip("link", "set", "wan0", "up")
    lan.host.ip("route", "replace", "default", "via", ROUTER4, "dev", "wan0")
    wait(lambda: lan.sixtap.network().get("uplink") == "wan0", 10, "the uplink is followed")
    wait(lambda: web.ping(OUTSIDE4, timeout=1), 10, "outside by IPv4")
    wait(lambda: web.ping(OUTSIDE6, timeout=1), 30, "outside by IPv6")
    # `down` gives the value found back to the interface whatever it is called now.
    lan.sixtap("down", "-q")
    assert lan.host.sysctl("net.ipv6.conf.wan0.accept_ra") == "1"
    lan.host.ip("link", "set", "wan0", "down")
    lan.host.ip("link", "set", "wan0", "name", "eth0")


def test_uplink_replaced(lan, web):
    """Another interface gets the default route: the uplink follows, and so do the rules."""
    lan.lab.veth(lan.router, "south2", lan.host, "eth1")
    for ns, dev, *addrs in ((lan.router, "south2", "198.51.101.1/24", "2001:db8:77:2::1/64"),
                            (lan.host, "eth1", "198.51.101.2/24", "2001:db8:77:2::2/64")):
        for a in addrs:
            ns.ip("addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []))
        ns.ip("link", "set", dev, "up")
    uplink = lambda dev: lan.sixtap.network().get("uplink") == dev
    six = "default", "via", "2001:db8:77:2::1", "dev", "eth1", "metric", "5"

    def follows():
        lan.host.ip("route", "replace", "default", "via", "198.51.101.1", "dev", "eth1")
        lan.host.ip("-6", "route", "add", *six)
        wait(lambda: uplink("eth1"), SECOND, "the uplink is followed")

    def before():
        lan.host.ip("route", "replace", "default", "via", ROUTER4, "dev", "eth0")
        lan.host.ip("-6", "route", "del", *six)
        wait(lambda: uplink("eth0"), 20, "the uplink is followed, if late")
    promised(follows, before)
    wait(lambda: web.fetch(OUTSIDE4, 80) == "outside 198.51.101.2", 10, "guests leave by eth1")
    wait(lambda: web.fetch(OUTSIDE6, 80) == "outside 2001:db8:77:2::2", 10, "guests leave by eth1, IPv6 too")
    wait(lambda: lan.outside.fetch("198.51.101.2", 8080).startswith("web"), 10, "forwards answer at the new address")
    lan.host.ip("link", "del", "eth1")
    lan.host.ip("route", "replace", "default", "via", ROUTER4, "dev", "eth0")
    wait(lambda: web.fetch(OUTSIDE4, 80).endswith(UPLINK4), 10, "and back")


def test_uplink_mtu_below_1280(lan, web):
    """The kernel takes all of the interface's IPv6 away, and afterwards its settings are the default again."""
    six = lambda: lan.host6() and lan.host.default_route(6)

    def case():
        lan.host.ip("link", "set", "eth0", "mtu", "1200")
        wait(lambda: not lan.host6(), 10, "the kernel takes its IPv6 away")
        assert web.ping(OUTSIDE4)
        lan.host.ip("link", "set", "eth0", "mtu", "1500")
        wait(lambda: lan.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "2", SECOND, "accept_ra comes back", interval=0.02)
        wait(six, 8, "the host has IPv6 again, without waiting for its router's next RA")
    promised(case, lambda: wait(six, 30, "the host has IPv6 again, if late"))
    wait(lambda: web.ping(OUTSIDE6, timeout=1), 15, "and its guests")


def test_named_uplink_that_is_gone(world):
    """One network that can't be helped doesn't keep the others from it."""
    world.lab.veth(world.router, "south2", world.host, "eth1")
    world.host.ip("addr", "add", "198.51.101.2/24", "dev", "eth1")
    world.host.ip("link", "set", "eth1", "up")
    world.configure(lan=LAN, other={"mode": "nat", "uplink": "eth1", "ipv4": {"address": "192.168.151.1/24"}, "ipv6": "off"})
    world.up()
    had = rules(world.host)
    world.host.ip("link", "del", "eth1")
    wait(lambda: world.sixtap.network("other")["state"] == "degraded", 10, "other is degraded")
    assert "eth1" in " ".join(world.sixtap.network("other")["troubles"])
    assert world.sixtap.network("lan")["state"] == "up"
    broken(lambda: world.host.run("nft", "delete", "table", "inet", "sixtap"),
           lambda: "inet" in {f for f, _ in rules(world.host)}, "the table")
    world.lab.veth(world.router, "south2", world.host, "eth1")
    wait(lambda: world.sixtap.network("other")["state"] == "up", 10, "eth1 is there again, and other recovers by itself")
    wait(lambda: rules(world.host) == had, 10, "the rules are as they were")
    world.sixtap("down", "-q")
    world.host.ip("link", "del", "eth1")


def test_foreign_things_are_left_alone(lan):
    """What isn't ours neither comes back nor goes."""
    lan.host.ip("link", "add", "br9", "type", "bridge")
    lan.host.run("nft", "add table inet mine; add chain inet mine c")
    lan.host.run("nft", "delete table inet mine")
    lan.host.ip("addr", "add", "10.9.9.1/24", "dev", "lan")
    lan.host.ip("link", "del", "br9")
    time.sleep(0.5)
    assert "10.9.9.1" in lan.host.ip("addr", "show", "dev", "lan")
    assert "repaired" not in log(lan)
    lan.host.ip("addr", "del", "10.9.9.1/24", "dev", "lan")


def test_own_changes_end(lan):
    """A change of ours leads to one more look at most, and then to peace: no work while nothing happens."""
    main = lan.sixtap.processes()["main"]

    def cpu():
        with open(f"/proc/{main}/stat") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))

    def peace():
        time.sleep(1)
        before, text = cpu(), log(lan)
        time.sleep(5)
        assert cpu() - before <= 2 and log(lan) == text
    promised(peace)


def test_fight(lan, web):
    """Five times in a minute and it waits, says so, and recovers by itself; a person's `up` puts it back at once."""
    had, there = rules(lan.host), lambda: rules(lan.host)
    flush, gateway = lambda: lan.host.run("nft", "flush ruleset"), lambda: GW4 in lan.host.ip("addr", "show", "dev", "lan")
    for i in range(5):
        flush()
        wait(there, 10, "the ruleset comes back", interval=0.02)
    status = lan.sixtap.network()
    assert status["state"] == "degraded" and re.search(r"nft\(\d+\) takes away rules", " ".join(status["troubles"])), status
    began = insist(lan, flush, there)
    wait(lambda: rules(lan.host) == had, 20, "the ruleset comes back later")
    # 2 s after the last repair, which hadn't lasted for half a second.
    assert time.monotonic() - began > 1.4, "it waits"

    def meanwhile():
        insist(lan, flush, there)
        lan.host.ip("addr", "del", GW4 + "/24", "dev", "lan")
        wait(gateway, SECOND, "other things are put back at once", interval=0.02)
        assert not rules(lan.host)
        assert lan.up()["changed"], "a person's `up` puts it back"
    promised(meanwhile, lambda: wait(lambda: there() and gateway(), 60))
    assert rules(lan.host) == had
    assert lan.sixtap.network()["state"] == "up"


class Talk:
    """A UDP flow that never pauses: a datagram every 20 ms from one port. answered(): when the last answers came."""

    def __init__(self, guest, address=OUTSIDE4, port=80):
        self.s = guest.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect((address, port))
        self.s.settimeout(0.02)
        self.last, self.n, self.said, self.stop = 0, 0, 0, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop:
            with contextlib.suppress(OSError):
                self.s.send(b"who")
                self.said += 1
            with contextlib.suppress(OSError):
                self.s.recv(100)
                self.last, self.n = time.monotonic(), self.n + 1
                time.sleep(0.02)

    def hears(self):
        return time.monotonic() - self.last < 0.1

    def close(self):
        self.stop = True
        self.thread.join(2)
        self.s.close()


def test_flow_through_a_gap(lan, web):
    """What a guest goes on sending while the rules are away is translated again once they are back; nothing else is touched."""
    db = lan.guest("db")
    Who(db)
    Who(lan.host, 90)
    db.ip("addr", "add", "192.168.150.77/24", "dev", "eth0")
    # Somebody else's rules keep the kernel tracking meanwhile.
    for family in ("ip", "ip6"):
        lan.host.run("nft", f"add table {family} other; add chain {family} other c {{ type filter hook forward priority 9; }}; "
                            f"add rule {family} other c ct state established counter")
    main = lan.sixtap.processes()["main"]
    before = Talk(web)
    wait(before.hears, 15, "a flow from before")
    took = []
    for n in range(1, 3):
        os.kill(main, signal.SIGSTOP)
        lan.host.run("nft", "delete table inet sixtap")
        talks = [Talk(web), Talk(web, OUTSIDE6)]        # begun in the gap
        others = [Talk(web, GW4, 90), Talk(web, "192.168.150.77")]
        wait(lambda: all(t.hears() for t in others), 15, "neither of these needs translation")
        wait(lambda: all(t.said > 2 for t in talks), 15, "these do")
        time.sleep(0.3)
        assert not any(t.hears() for t in talks)
        os.kill(main, signal.SIGCONT)
        start = time.monotonic()
        wait(lambda: all(t.hears() for t in [before, *talks]), 15, "all are answered", interval=0.01)
        took.append(time.monotonic() - start)
        wait(lambda: all(t.hears() for t in others), 5, "and these, as before")
        mended = lambda: [int(n) for n in re.findall(r"flows-mended n=(\d+)", log(lan))]
        wait(lambda: len(mended()) >= n, 5, "it is logged")
        assert mended() == [2] * n, f"exactly the two that leave: {mended()}"
        for t in talks + others:
            t.close()
    assert min(took) < SECOND, took
    before.close()


def test_flush_every_second_for_a_minute(lan, web):
    """Guests' new connections hardly notice, and a flow that never pauses goes on; status says who it is."""
    main = lan.sixtap.processes()["main"]
    promised(lambda: a_minute_of_flushes(lan, web), lan.up, 2)
    assert lan.sixtap.processes()["main"] == main
    assert web.ping(OUTSIDE4) and web.ping(OUTSIDE6)


def a_minute_of_flushes(lan, web):
    talk, times, ends, stop = Talk(web), [], [], time.monotonic() + 60

    def connect():
        while time.monotonic() < stop:
            started = time.monotonic()
            ends.append((web.fetch(OUTSIDE4 if len(ends) % 2 else OUTSIDE6, 80, timeout=2.5) != "", time.monotonic() - started))
            time.sleep(0.1)
    threads = [threading.Thread(target=connect, daemon=True) for _ in range(2)]
    for t in threads:
        t.start()
    while time.monotonic() < stop:
        started = time.monotonic()
        lan.host.run("nft", "flush ruleset")
        flushed = time.monotonic()
        with contextlib.suppress(LabError):
            wait(lambda: rules(lan.host), 0.9, "the ruleset", interval=0.005)
            times.append(time.monotonic() - flushed)
        time.sleep(max(0, 1 - (time.monotonic() - started)))
    said = lan.sixtap.network()
    for t in threads:
        t.join(15)
    assert times, "it never came back"
    good = [t for ok, t in ends if ok]
    print(f"\n{len(times)} flushes, back after {statistics.median(times) * 1000:.0f} ms (at most {max(times) * 1000:.0f}); "
          f"{len(good)} of {len(ends)} new connections, {sum(t < 0.5 for t in good)} within 0.5 s; {talk.n} datagrams answered")
    assert said["state"] == "degraded" and "put back at once each time" in " ".join(said["troubles"]), said
    assert len(good) > 0.95 * len(ends) and sum(t < 0.5 for t in good) > 0.8 * len(ends)
    wait(talk.hears, 10, "the flow that never paused is answered")
    assert talk.n > 0.7 * 60 / 0.02 * 0.5
    talk.close()
