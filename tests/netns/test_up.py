# SPDX-License-Identifier: GPL-2.0-or-later
"""up, down, plan: what they change, what they leave alone, what a second time does."""
import ipaddress, json, os, re, time
import pytest
from lab import LabError, promised, wait
from libnet import Flow, GW4, GW6, LAN, config, merged


def test_up_brings_the_network(lan):
    links, host = lan.host.links(), lan.host
    assert links["lan"]["linkinfo"]["info_kind"] == "bridge"
    assert links["lan"]["ifalias"].startswith("sixtap:lan")
    assert links["lan"]["mtu"] == 1500
    assert {a["local"] for a in host.addresses("lan")} == {GW4, GW6}
    assert host.sysctl("net.ipv4.ip_forward") == "1" and host.sysctl("net.ipv6.conf.all.forwarding") == "1"
    assert host.sysctl("net.ipv6.conf.lan.accept_ra") == "0"
    assert "table inet sixtap" in host.run("nft", "list", "tables").stdout.split("\n")
    assert lan.sixtap.network()["state"] == "up"


def test_up_twice_changes_nothing(world):
    first = world.up()
    assert first["changed"] is True and first["changes"]
    before = world.host.run("nft", "list", "ruleset").stdout
    second = world.up()
    assert second["changed"] is False and second["changes"] == []
    assert world.host.run("nft", "list", "ruleset").stdout == before
    text = world.sixtap("up")
    assert "nothing to change" in text.stdout and len(text.stdout.strip().splitlines()) == 1
    assert world.sixtap("up", "-q").stdout == ""


def test_plan_shows_and_changes_nothing(world):
    before = world.state()
    plan = world.sixtap.json("plan")
    assert {c["object"] for c in plan["changes"]} >= {"link lan", "sysctl net.ipv4.ip_forward"}
    assert all(c["action"] in ("create", "change", "remove") for c in plan["changes"])
    assert world.sixtap("plan", "--check", check=False).returncode == 1
    assert world.state() == before
    done = world.up()
    assert [c["object"] for c in done["changes"]] == [c["object"] for c in plan["changes"]]
    assert world.sixtap.json("plan")["changes"] == []
    assert world.sixtap("plan", "--check", check=False).returncode == 0


def test_guests_are_no_change(lan):
    """What the daemon has just learnt of a guest, and is about to tell the kernel, is nothing that `up` would change."""
    for n in range(3):
        g = lan.guest(f"g{n}")
        g.udhcpc()
        assert lan.sixtap("plan", "--check", check=False).returncode == 0, lan.sixtap("plan").stdout
        lan.guest(f"h{n}").udhcpc()
        assert lan.up()["changed"] is False


def test_down_puts_everything_back(world):
    found = world.state()
    world.up()
    answer = world.sixtap.json("down")
    assert answer["changed"] is True and answer["changes"]
    wait(lambda: not world.sixtap.processes(), 20, "the daemon ends")
    now = world.state()
    assert now == found
    assert world.host.default_route(), "the host lost its IPv6 default route"


def test_down_leaves_what_somebody_else_set(world):
    world.up()
    assert world.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "2"
    world.host.sysctl("net.ipv6.conf.eth0.accept_ra", 0)
    p = world.sixtap("down")
    assert world.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "0"
    assert "accept_ra" in p.stdout + p.stderr
    world.host.sysctl("net.ipv6.conf.eth0.accept_ra", world.found["sysctls"]["net/ipv6/conf/eth0/accept_ra"])


def test_forwarding_does_not_cost_the_host_its_route(world):
    before = world.host.default_route()
    assert before and before[0]["protocol"] == "ra"
    plan = world.sixtap.json("plan")
    order = [c["object"] for c in plan["changes"]]
    accept = [c for c in plan["changes"] if c["object"] == "sysctl net.ipv6.conf.eth0.accept_ra"]
    assert len(accept) == 1 and "2" in accept[0]["what"] and "default route" in accept[0]["why"]
    assert order.index(accept[0]["object"]) < order.index("sysctl net.ipv6.conf.all.forwarding")
    flow = Flow(world.host, "2001:db8:ffff::80")
    world.up()
    after = world.host.default_route()
    assert after and after[0]["gateway"] == before[0]["gateway"]
    lost, sent = flow.stop()
    assert lost == 0, f"{lost} of {sent} pings of the host itself were lost"


def test_host_without_ra_is_left_alone(lab):
    """An interface whose addresses are static gets no accept_ra from us."""
    from libnet import World
    w = World(lab, slaac=False)
    w.host.sysctl("net.ipv6.conf.eth0.accept_ra", 0)
    w.found = w.state()
    w.up()
    assert w.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "0"
    w.finish()


def test_config_change_is_applied_live(lan):
    """Attached guests notice nothing of a changed configuration: zero loss on both families."""
    g = lan.static_guest()
    index = lan.host.links()["lan"]["ifindex"]
    flows = [Flow(g, GW4), Flow(g, GW6), Flow(g, "203.0.113.80"), Flow(g, "2001:db8:ffff::80")]
    lan.configure(merged(LAN, lease="2m", domain="example", guests__db={"mac": "52:54:00:00:00:99",
                                                                        "ipv4": "192.168.150.11", "forward": ["9000:90"]}))
    answer = lan.up()
    assert answer["changed"] is True
    lan.configure(merged(LAN, ipv4__dhcp="192.168.150.120-192.168.150.130"))
    assert lan.up()["changed"] is True
    for f in flows:
        lost, sent = f.stop()
        assert lost == 0, f"{lost} of {sent} pings of {f.address} were lost"
    assert lan.host.links()["lan"]["ifindex"] == index, "the bridge was made anew"
    assert lan.host.links()[g.port]["master"] == "lan"


def test_network_that_left_the_config_goes_away(world):
    other = {"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}}
    world.configure(LAN, other=other)
    world.up()
    assert {"lan", "other"} <= set(world.host.links())
    world.configure(LAN)
    world.up()
    assert "other" not in world.host.links() and "lan" in world.host.links()


def test_up_and_down_by_name(world):
    other = {"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}}
    world.configure(LAN, other=other)
    world.up("other")
    assert "other" in world.host.links() and "lan" not in world.host.links()
    assert world.host.sysctl("net.ipv4.ip_forward") == "0", "an isolated network needs no forwarding"
    world.up("lan")
    world.sixtap("down", "other")
    assert "other" not in world.host.links() and "lan" in world.host.links()
    assert world.sixtap.processes(), "the daemon goes only with the last network"


def test_guests_keep_working_while_another_network_comes_and_goes(lan):
    g = lan.static_guest()
    flow = Flow(g, "203.0.113.80")
    lan.configure(LAN, other={"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}})
    lan.up()
    lan.sixtap("down", "other")
    lost, sent = flow.stop()
    assert lost == 0, f"{lost} of {sent} lost"


def test_foreign_rules_and_routes_survive(world):
    """Only what is ours is touched."""
    world.host.run("nft", "-f", "-", input="table inet mine {\n chain c { type filter hook forward priority 10; }\n}\n")
    world.host.ip("route", "add", "10.99.0.0/16", "via", "198.51.100.1")
    before = world.host.run("nft", "list", "table", "inet", "mine").stdout
    world.up()
    assert world.host.run("nft", "list", "table", "inet", "mine").stdout == before
    world.sixtap("down")
    assert world.host.run("nft", "list", "table", "inet", "mine").stdout == before
    assert world.host.ipj("route", "show", "10.99.0.0/16")
    world.host.run("nft", "delete", "table", "inet", "mine")


def test_automatic_addresses(world):
    """`ipv4: auto` and `ipv6: ula`: found by us, the same again the next time."""
    world.configure({"mode": "nat"})
    world.up()
    first = world.sixtap.network()
    v4, v6 = ipaddress.ip_interface(first["ipv4"]["address"]), ipaddress.ip_interface(first["ipv6"]["address"])
    assert v4.ip.is_private and v4.network.prefixlen == 24
    assert v6.ip in ipaddress.ip_network("fd00::/8") and v6.network.prefixlen == 64
    assert first["ipv6"]["source"] == "ula" and first["ipv6"]["nat"] is True
    world.sixtap("down")
    world.up()
    assert world.sixtap.network()["ipv6"]["address"] == first["ipv6"]["address"]


def test_folder_of_configurations(world):
    folder = os.path.join(world.lab.dir, "conf.d")
    os.makedirs(folder)
    for name, net in (("a", LAN), ("b", {"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}})):
        with open(f"{folder}/{name}.yaml", "w") as f:
            f.write(config(**{"lan" if name == "a" else "other": net}))
    world.sixtap.config = folder
    world.up()
    assert {"lan", "other"} <= set(world.host.links())


def test_up_is_quick(world):
    """Milliseconds matter less than orders of magnitude: a second `up` asks the running daemon and the kernel, no more."""
    world.up()

    def again():
        t = time.monotonic()
        world.up()
        assert time.monotonic() - t < 1.0
    promised(again)


def test_says_whose_networks_change(lonely):
    """Words are about what was asked for: not other networks that are up, and those that left the configuration are named."""
    alone, folder = {"mode": "isolated"}, lonely.lab.dir
    one, two = os.path.join(folder, "one.yaml"), os.path.join(folder, "two.yaml")

    def write(path, **networks):
        with open(path, "w") as f:
            f.write(config(**networks))

    write(one, a=alone, b=alone)
    write(two, c=alone)
    assert lonely.sixtap("-c", one, "up").stdout.startswith("2 networks · ")
    out = lonely.sixtap("-c", two, "up").stdout
    assert out.startswith("c · isolated · ") and "✓ c is up" in out and "sixtap run c " in out and "✓ a " not in out, out
    write(one, a=alone)
    out = lonely.sixtap("-c", one, "up").stdout
    assert out.startswith("a · isolated · ") and "✓ b is down" in out and "✓ c " not in out, out
    write(one)
    out = lonely.sixtap("-c", one, "up").stdout
    assert re.match(r"\d+ changes\n", out) and out.endswith("✓ a is down\n") and "✓ c " not in out, out
    assert lonely.sixtap("-c", one, "up").stdout == "✓ nothing to change\n"
    assert [n["name"] for n in lonely.sixtap.json("-c", two, "status")["networks"]] == ["c"]
