# SPDX-License-Identifier: GPL-2.0-or-later
"""`sixtap forward`: added and deleted live, kept over `up` and a daemon's end, saved into the file."""
import json, os, re, signal, socket, stat
import pytest
from lab import OUTSIDE4, UPLINK4, Who, wait
from libnet import LAN, WEB4, WEB6, config, merged, shape

YAML = f"""# the network of the house
networks:
  lan:            # NAT
    mode: nat
    domain: lan
    ipv4: {{ address: 192.168.150.1/24, dhcp: 192.168.150.100-192.168.150.199 }}
    ipv6: {{ address: "fd12:8848:a2a2:1::1/64" }}
    guests:
      web:
        mac: "52:54:00:12:34:56"
        ipv4: {WEB4}    # printed on its case
        ipv6: "{WEB6}"
        forward:
          - "8080:80"   # the shop
"""


@pytest.fixture
def web(lan):
    g = lan.static_guest()
    Who(g)
    Who(g, 81, "other")
    return g


def forwards(world):
    return {(f["guest"], f["spec"]): f for f in world.sixtap.json("forward", "list")["forwards"]}


def both(world, port):
    """What answers outside's connections to the host's port, over IPv4 and IPv6."""
    return [world.outside.fetch(a, port).split(" ")[0] for a in (UPLINK4, world.host6()[0])]


def test_live(lan, web):
    assert both(lan, 9000) == ["", ""]
    p = lan.sixtap("forward", "add", "lan/web", "9000:81")
    assert "lan/web 9000:81/tcp" in p.stdout
    assert both(lan, 9000) == ["other", "other"] and both(lan, 8080) == ["web", "web"]
    f = lan.sixtap.json("forward", "list")
    shape(f, {"version": int, "forwards": [{"network": ("lan",), "guest": ("web",), "spec": str, "state": ("active", "waiting"),
                                           "runtime?": (True,), "ipv4?": (WEB4,), "ipv6?": (WEB6,)}]})
    assert forwards(lan)["web", "9000:81/tcp"]["runtime"] and "runtime" not in forwards(lan)["web", "8080:80/tcp"]
    assert {"spec": "9000:81/tcp", "state": "active", "runtime": True} in lan.sixtap.guest("web")["forwards"]
    p = lan.sixtap("forward", "add", "lan/web", "9000:81/tcp")
    assert "nothing to change" in p.stdout
    assert lan.sixtap.json("forward", "add", "lan/web", "9000:81")["changed"] is False
    lan.sixtap("forward", "del", "lan/web", "9000:81")
    assert both(lan, 9000) == ["", ""] and ("web", "9000:81/tcp") not in forwards(lan)


def test_one_port_at_two_addresses(lan, web):
    """What one forward needs stays when another of the same port goes."""
    six = f"[{lan.host6()[0]}]:9000:81"
    for spec in (f"{UPLINK4}:9000:81", six):
        lan.sixtap("forward", "add", "lan/web", spec)
    assert both(lan, 9000) == ["other", "other"]
    lan.sixtap("forward", "del", "lan/web", six)
    assert both(lan, 9000) == ["other", ""] and lan.sixtap.json("plan")["changes"] == []
    lan.sixtap("forward", "del", "lan/web", f"{UPLINK4}:9000:81")
    assert both(lan, 9000) == ["", ""] and lan.sixtap.json("plan")["changes"] == []


def test_outlives_up_and_daemon_not_down(lan, web):
    lan.sixtap("forward", "add", "lan/web", "9000:81")
    lan.up()
    assert both(lan, 9000) == ["other", "other"]
    old = lan.sixtap.processes()["main"]
    os.kill(old, signal.SIGKILL)
    wait(lambda: lan.sixtap.processes().get("main", old) != old, 20, "the monitor starts another main")
    wait(lambda: ("web", "9000:81/tcp") in forwards(lan), 20, "it knows the forward")
    assert forwards(lan)["web", "9000:81/tcp"]["runtime"]
    lan.host.run("nft", "delete", "table", "inet", "sixtap")
    lan.up()
    assert both(lan, 9000) == ["other", "other"]
    lan.sixtap("down", "lan")
    lan.up()
    assert ("web", "9000:81/tcp") not in forwards(lan)


def test_refused(lan, web):
    def refused(*argv, status=1):
        p = lan.sixtap("forward", *argv, check=False)
        assert p.returncode == status and p.stderr, (argv, p.returncode, p.stdout, p.stderr)
        return p.stderr

    assert "no guest of that name" in refused("add", "lan/nobody", "9000:81")
    assert "isn't up" in refused("add", "dmz/web", "9000:81")
    assert "lan/web already" in refused("add", "lan/web", "8080:81")
    assert "lan/web already" in refused("add", "lan/web", "8000-8100:81")
    assert "NETWORK/GUEST" in refused("add", "web", "9000:81", status=2)
    assert refused("add", "lan/web", "9000", status=2)
    assert "no such forward" in refused("del", "lan/web", "9000:81")
    assert "--save" in refused("del", "lan/web", "8080:80")
    assert forwards(lan).keys() == {("web", "8080:80/tcp"), ("web", "8053:53/udp")}


def test_port_of_the_host(lan, web):
    with lan.host.socket(socket.AF_INET) as s:
        s.bind(("0.0.0.0", 9000))
        s.listen()
        p = lan.sixtap("forward", "add", "lan/web", "9000:81", check=False)
        assert p.returncode and "9000/tcp" in p.stderr and f"pid {os.getpid()}" in p.stderr and "--force" in p.stderr, p.stderr
        assert ("web", "9000:81/tcp") not in forwards(lan)
        lan.sixtap("forward", "add", "lan/web", "9000:81", "--force")
        assert lan.outside.fetch(UPLINK4, 9000).startswith("other")
        lan.up()        # forced stays forced
        os.kill(lan.sixtap.processes()["main"], signal.SIGKILL)
        wait(lambda: ("web", "9000:81/tcp") in forwards(lan), 20, "a new main knows the forward")
        lan.up()


def test_undeclared_guest(lan):
    """It waits for an address, follows the guest by name, and stays when the guest goes and comes."""
    program = lan.lab.script("sleep", "#!/bin/sh\nexec sleep 60\n")
    run = lambda: lan.host.popen(*lan.sixtap.argv("run", "lan", "--name", "late", "--", program), log="run")
    p = run()
    wait(lambda: lan.sixtap.guest("late"), 20, "the guest runs")
    lan.sixtap("forward", "add", "lan/late", "9000:80/udp")
    assert forwards(lan)["late", "9000:80/udp"]["state"] == "waiting"
    p.kill()
    wait(lambda: not lan.sixtap.guest("late"), 20, "the guest is gone")
    assert forwards(lan)["late", "9000:80/udp"]["state"] == "waiting"
    p = run()
    wait(lambda: lan.sixtap.guest("late") and lan.sixtap.guest("late")["forwards"], 20, "the forward is the new one's, too")
    lan.sixtap("forward", "del", "lan/late", "9000:80/udp")
    assert ("late", "9000:80/udp") not in forwards(lan)
    p.kill()


def test_save(world):
    world.sixtap.write(YAML)
    os.chmod(world.sixtap.config, 0o640)
    world.up()
    web = world.static_guest()
    Who(web, 81, "other")
    world.sixtap("forward", "add", "lan/web", "9000:81", "--save")
    with open(world.sixtap.config) as f:
        assert f.read() == YAML + '          - "9000:81/tcp"\n'
    assert stat.S_IMODE(os.stat(world.sixtap.config).st_mode) == 0o640
    assert both(world, 9000) == ["other", "other"]
    assert "runtime" not in forwards(world)["web", "9000:81/tcp"], "it is the file's now"
    assert world.up()["changed"] is False
    # runtime first, saved later
    world.sixtap("forward", "add", "lan/web", "9001:81")
    assert forwards(world)["web", "9001:81/tcp"]["runtime"]
    world.sixtap("forward", "add", "lan/web", "9001:81", "--save")
    assert "runtime" not in forwards(world)["web", "9001:81/tcp"]
    for spec in ("9000:81", "9001:81"):
        world.sixtap("forward", "del", "lan/web", spec, "--save")
    with open(world.sixtap.config) as f:
        assert f.read() == YAML
    assert both(world, 9000) == ["", ""]
    assert os.listdir(os.path.dirname(world.sixtap.config)).count("sixtap.yaml") == 1
    assert not [f for f in os.listdir(os.path.dirname(world.sixtap.config)) if f.endswith(".new")]


def test_save_beside_other_changes(world):
    """Changes in the file that nobody applied yet are not applied by the way."""
    world.sixtap.write(YAML)
    world.up()
    world.sixtap.write(YAML.replace("domain: lan", "domain: home"))
    p = world.sixtap("forward", "add", "lan/web", "9000:81", "--save")
    assert "sixtap up lan" in p.stderr
    with open(world.sixtap.config) as f:
        text = f.read()
    assert "9000:81" in text and "domain: home" in text
    assert forwards(world)["web", "9000:81/tcp"]["runtime"]
    assert any("serve" in c["object"] for c in world.up()["changes"])
    assert "runtime" not in forwards(world)["web", "9000:81/tcp"]


def test_save_refused(world):
    """A layout that can't be edited safely: the lines to write by hand are told, the file stays as it is."""
    text = YAML.replace("        forward:\n          - \"8080:80\"   # the shop\n", "        forward:\n          port: \"8080:80\"\n")
    world.sixtap.write(text)
    world.up()
    p = world.sixtap("forward", "add", "lan/web", "9000:81", "--save", check=False)
    assert p.returncode == 1 and '9000:81/tcp' in p.stderr and "by hand" in p.stderr, p.stderr
    with open(world.sixtap.config) as f:
        assert f.read() == text
    assert forwards(world)["web", "9000:81/tcp"]["runtime"]


def test_saves_an_undeclared_guest(world):
    world.sixtap.write(YAML)
    world.up()
    program = world.lab.script("sleep", "#!/bin/sh\nexec sleep 60\n")
    p = world.host.popen(*world.sixtap.argv("run", "lan", "--name", "late", "--", program), log="run")
    wait(lambda: world.sixtap.guest("late"), 20, "the guest runs")
    mac = world.sixtap.guest("late")["mac"]
    world.sixtap("forward", "add", "lan/late", "9000:81", "--save")
    with open(world.sixtap.config) as f:
        assert f.read() == YAML + f'      late: {{ mac: "{mac}", forward: ["9000:81/tcp"] }}\n'
    assert world.sixtap.guest("late")["state"] == "attached" and world.sixtap.guest("late")["mac"] == mac
    p.kill()


def test_a_file_that_takes_a_live_port(lan, web):
    lan.sixtap("forward", "add", "lan/web", "9000:81")
    lan.configure(merged(LAN, guests__web__forward=["8080:80", "9000:90"]))
    p = lan.sixtap("up", check=False)
    assert p.returncode == 2 and "9000/tcp" in p.stderr and "lan/web already" in p.stderr, p.stderr
    assert both(lan, 9000) == ["other", "other"]


def test_rules_gone_meanwhile(lan, web):
    """The short way fails, the long one mends everything."""
    lan.host.run("nft", "delete", "table", "inet", "sixtap")
    lan.sixtap("forward", "add", "lan/web", "9000:81")
    assert both(lan, 9000) == ["other", "other"] and both(lan, 8080) == ["web", "web"]
    lan.host.run("nft", "delete", "table", "inet", "sixtap")
    lan.sixtap("forward", "del", "lan/web", "9000:81")
    assert both(lan, 9000) == ["", ""] and both(lan, 8080) == ["web", "web"]


def test_many(lan, web):
    """One after another, faster than plans are made; then a plan finds nothing to change."""
    specs = [f"{20000 + i}:81" for i in range(30)]
    for spec in specs:
        lan.sixtap("forward", "add", "lan/web", spec)
    assert both(lan, 20029) == ["other", "other"]
    assert lan.up()["changed"] is False
    for spec in specs[1:]:
        lan.sixtap("forward", "del", "lan/web", spec)
    assert lan.up()["changed"] is False
    assert both(lan, 20000) == ["other", "other"] and both(lan, 20001) == ["", ""]
    assert forwards(lan).keys() == {("web", "8080:80/tcp"), ("web", "8053:53/udp"), ("web", "20000:81/tcp")}


def test_who_listens_later_is_no_obstacle(lan, web):
    """Any user may bind a port that is forwarded already; what goes missing comes back all the same."""
    lan.sixtap("forward", "add", "lan/web", "9000:81")
    with lan.host.socket(socket.AF_INET) as a, lan.host.socket(socket.AF_INET) as b:
        for s, port in ((a, 8080), (b, 9000)):
            s.bind(("0.0.0.0", port))
            s.listen()
        lan.host.run("nft", "delete", "table", "inet", "sixtap")
        lan.up()
        assert both(lan, 8080) == ["web", "web"] and both(lan, 9000) == ["other", "other"]
        lan.host.run("nft", "delete", "table", "inet", "sixtap")
        wait(lambda: "inet sixtap" in lan.host.run("nft", "list", "tables").stdout, 12, "it comes back by itself")
        assert both(lan, 8080) == ["web", "web"]
        lan.configure(merged(LAN, guests__web__forward=["8080:80", "9100:81"]))
    with lan.host.socket(socket.AF_INET) as s:
        s.bind(("0.0.0.0", 9100))
        s.listen()
        assert lan.sixtap("up", check=False).returncode == 2, "a new one is refused still"
