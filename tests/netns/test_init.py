# SPDX-License-Identifier: GPL-2.0-or-later
"""test_init - what `sixtap init` writes is good, fits the host, and destroys nothing."""
import ipaddress, json, os
import pytest
from lab import wait
from libmacvtap import Office, RunGuest


@pytest.fixture
def folder(world):
    path = os.path.join(world.lab.dir, "conf")
    world.sixtap.config = path
    return path


@pytest.fixture
def office(lab):
    o = Office(lab)
    yield o
    o.finish()


def text(path):
    with open(path) as f:
        return f.read()


def test_first_network(world, folder):
    """From nothing to a guest with addresses: init, check, up."""
    p = world.sixtap("init")
    path = os.path.join(folder, "lan.yaml")
    assert path in p.stdout and "sixtap -c " + folder in p.stdout, p.stdout
    written = text(path)
    assert "eth0" in written and "198.51.100.2" in written, "it says where packets leave"
    assert "198.51.100.0/24 (eth0)" in written, "and why it took another prefix"
    assert world.sixtap("check").returncode == 0
    # A file that was only read changes nothing; up does what the comments promise.
    answer = world.sixtap.json("up")
    n = answer["networks"][0]
    assert n["ipv4"]["address"] == "192.168.150.1/24" and n["ipv6"]["source"] == "ula"
    assert str(ipaddress.ip_interface(n["ipv6"]["address"]).network) in written, "the comment names the prefix it'll have"
    g = world.guest("g1")
    assert ipaddress.ip_address(g.udhcpc()) in ipaddress.ip_network("192.168.150.0/24")


@pytest.mark.parametrize("what, expected, why", [
    (["addr", "add", "192.168.150.7/24", "dev", "eth0"], "192.168.151.1/24", "an address in it"),
    (["route", "add", "192.168.150.128/25", "via", "198.51.100.1"], "192.168.151.1/24", "a route into it"),
    (["route", "add", "192.168.0.0/16", "via", "198.51.100.1"], "10.150.0.1/24", "a route that covers all of 192.168"),
    (["route", "add", "0.0.0.0/1", "via", "198.51.100.1"], "192.168.150.1/24", "a VPN's half of everything isn't a use"),
])
def test_free_prefix(world, folder, what, expected, why):
    world.host.ip(*what)
    answer = world.sixtap.json("init")
    assert answer["ipv4"]["address"] == expected, why
    assert f"address: {expected} " in text(answer["file"])
    world.sixtap("check")


def test_name_that_is_taken(world, folder):
    world.host.ip("link", "add", "lan", "type", "bridge")
    world.found = world.state()
    answer = world.sixtap.json("init")
    assert answer["network"] == "vms" and answer["file"].endswith("/vms.yaml")
    world.sixtap("up", "-q")


def test_never_overwrites(world, folder):
    world.sixtap("init", "-q")
    path = os.path.join(folder, "lan.yaml")
    with open(path, "a") as f:
        f.write("# mine\n")
    before = text(path)
    for config in (folder, path):
        world.sixtap.config = config
        p = world.sixtap("init", check=False)
        assert p.returncode == 1 and "lan.yaml" in p.stderr and text(path) == before, p.stderr
    # Another file in the folder is a configuration, too: a second network could not be told from it.
    os.rename(path, os.path.join(folder, "mine.yaml"))
    world.sixtap.config = folder
    p = world.sixtap("init", check=False)
    assert p.returncode == 1 and "mine.yaml" in p.stderr and os.listdir(folder) == ["mine.yaml"], p.stderr


def test_paths(world, folder):
    """A file when it looks like one, a folder otherwise; folders on the way are made."""
    for path, file in ((folder + "/a/b.yaml", folder + "/a/b.yaml"), (folder + "/c", folder + "/c/lan.yaml"),
                       (folder + "/d/", folder + "/d/lan.yaml")):
        world.sixtap.config = path
        assert world.sixtap.json("init")["file"] == file
        assert os.path.isfile(file)
    world.sixtap.config = "/proc/nowhere/x.yaml"
    p = world.sixtap("init", check=False)
    assert p.returncode == 1 and "/proc/nowhere" in p.stderr, p.stderr


def test_allow(world, folder):
    for i, (user, allowed) in enumerate((("alice", True), ("root", False), ('al"ice', False), ("", False))):
        world.sixtap.env["SUDO_USER"] = user
        world.sixtap.config = f"{folder}/{i}.yaml"
        answer = world.sixtap.json("init")
        assert answer.get("allow", []) == ([user] if allowed else []), user
        assert ('\n    allow: ["alice"]' in text(answer["file"])) == allowed
        world.sixtap("check")


def test_no_uplink(lonely):
    lonely.sixtap.config = os.path.join(lonely.lab.dir, "conf")
    p = lonely.sixtap("init")
    assert "NAT" in p.stdout and "no default route" in text(os.path.join(lonely.sixtap.config, "lan.yaml"))
    lonely.sixtap("check")


def test_macvtap(office):
    """From nothing to a guest on the LAN, by the interface; and what can't bear guests is told with a way out."""
    office.sixtap.config = os.path.join(office.lab.dir, "conf")
    office.host.ip("link", "add", "br9", "type", "bridge")
    office.host.ip("link", "add", "d9", "type", "veth", "peer", "name", "d8")
    office.host.ip("link", "set", "d9", "master", "br9")
    for iface, says in (("eth7", ["no interface named eth7", "eth0"]), ("d9", ["d9 is a port of br9", "bridge: br9"]),
                        ("lo", ["isn't an Ethernet device", "sixtap init nat"])):
        p = office.sixtap("init", "macvtap", iface, check=False)
        assert p.returncode == 1 and all(s in p.stderr for s in says), p.stderr
        assert json.loads(office.sixtap("--json", "init", "macvtap", iface, check=False).stdout)["errors"]
    assert not os.path.exists(office.sixtap.config)
    for link in ("d9", "br9"):
        office.host.ip("link", "del", link)
    office.sixtap.env["SUDO_USER"] = "alice"
    p = office.sixtap("init", "macvtap", "eth0")
    path = os.path.join(office.sixtap.config, "lan.yaml")
    assert path in p.stdout and "eth0" in p.stdout and "alice" in p.stdout, p.stdout
    written = text(path)
    assert "    uplink: eth0 " in written and office.HOST4 in written and '\n    allow: ["alice"]' in written, written
    assert office.sixtap("check").returncode == 0
    answer = office.sixtap.json("up")
    assert answer["networks"][0]["mode"] == "macvtap" and not answer.get("errors"), answer
    g = RunGuest(office.sixtap, "g1", network="lan", addresses=["192.0.2.44/24"])
    wait(lambda: g.ns.ping(office.OUT4), 20, "the guest is on the LAN")
    wait(lambda: g.ns.ping(office.HOST4), 20, "and reaches the host")
    # What is written is for whom it says, and a second one writes nothing over.
    assert office.sixtap("init", "macvtap", "eth0", check=False).returncode == 1 and text(path) == written
    office.sixtap.config = os.path.join(office.lab.dir, "other.yaml")
    answer = office.sixtap.json("init", "macvtap", "eth0")
    assert (answer["mode"], answer["uplink"], answer["allow"]) == ("macvtap", "eth0", ["alice"])


def test_usage(world, folder):
    for args, says in ((["macvtap"], "one interface"), (["macvtap", "eth0", "eth1"], "one interface"), (["hosting", "eth0"], "aren't built yet"),
                       (["bridge"], "isn't nat, macvtap or hosting"), (["nat", "eth0"], "no further")):
        p = world.sixtap("init", *args, check=False)
        assert p.returncode == 2 and says in p.stderr, p.stderr
        assert json.loads(world.sixtap("--json", "init", *args, check=False).stdout)["errors"]
    assert not os.path.exists(folder)
