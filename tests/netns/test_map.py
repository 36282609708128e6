# SPDX-License-Identifier: GPL-2.0-or-later
"""test_map - the tree and the picture show what is there: uplinks, ours, others', and who is behind which port."""
import os, re, subprocess
import xml.etree.ElementTree as ET
import pytest
from lab import wait
from libnet import LAN, WEB4, WEB6, config, merged


@pytest.fixture
def scene(world):
    """A host with more than ours on it."""
    host = world.host
    host.ip("link", "add", "virbr0", "type", "bridge")
    host.ip("addr", "add", "192.168.122.1/24", "dev", "virbr0")
    host.ip("link", "set", "virbr0", "up")
    host.ip("link", "add", "link", "eth0", "name", "macvtap0", "type", "macvtap", "mode", "vepa")
    host.ip("link", "add", "link", "eth0", "name", "eth0-h", "type", "macvlan", "mode", "bridge")
    world.configure(merged(LAN, guests={**LAN["guests"], "build": {"ipv4": "192.168.150.12"}}))
    yield world
    for name in ("virbr0", "macvtap0", "eth0-h"):   # with a bridge of libvirt's left, `down` would leave forwarding on
        host.ip("link", "del", name)


def tree(world, *args, **kw):
    return world.sixtap("map", *args, **kw).stdout


def line(text, name):
    """The line of a device, with what goes on below it."""
    lines = text.splitlines()
    i = next(i for i, l in enumerate(lines) if re.search(rf"─ {re.escape(name)}(\s|$)", l))
    out = lines[i]
    for l in lines[i + 1:]:
        if re.search(r"─ |^[^ │]|^$", l):
            break
        out += " " + l.strip(" │")
    return out


def node(world, device):
    def find(nodes):
        for n in nodes:
            if n.get("device") == device:
                return n
            found = find(n.get("below", []))
            if found:
                return found
    return find(world.sixtap.json("map")["map"])


def test_tree(scene):
    scene.up()
    web = scene.static_guest("web")
    text = tree(scene)
    eth0 = line(text, "eth0")
    assert "198.51.100.2/24" in eth0 and scene.host6()[0] in eth0 and "⇄ 198.51.100.1 · fe80::1" in eth0, text
    assert "macvtap vepa" in line(text, "macvtap0") and "macvlan bridge" in line(text, "eth0-h")
    lan = line(text, "lan")
    assert "nat → eth0" in lan and "192.168.150.1/24 · fd12:8848:a2a2:1::1/64" in lan
    assert "libvirt" in line(text, "virbr0") and "no IPv6" in line(text, "virbr0")
    # The guest is put to its port by the MAC that the bridge learned there.
    port = line(text, web.port)
    assert "● web" in port and WEB4 in port and WEB6 in port and "⇐ 8080:80/tcp, 8053:53/udp" in port, text
    build = next(l for l in text.splitlines() if "build" in l)
    assert "○ build" in build and "192.168.150.12" in build and "not running" in build
    assert text.index("eth0 ") < text.index("lan ") < text.index("virbr0")
    assert all(len(l) <= 100 for l in text.splitlines()), text
    assert not re.search(r"[ \t]$", text, re.M), "no blanks at line ends"

    m = node(scene, web.port)
    assert m["guest"] == "web" and m["state"] == "up" and m["forwards"] == ["8080:80/tcp", "8053:53/udp"] and m["ours"]
    assert node(scene, "lan")["uplink"] == "eth0" and node(scene, "macvtap0")["what"] == "macvtap vepa"


def test_foreign_guest(scene):
    """Somebody else's guest: its address is known from the kernel's neighbours."""
    g = scene.guest("win11", bridge="virbr0", accept_ra=0)
    g.ip("addr", "add", "192.168.122.50/24", "dev", "eth0")
    wait(lambda: g.ping("192.168.122.1"), 20)
    assert "192.168.122.50" in line(tree(scene), g.port)


def test_holder(scene):
    """A tap that a QEMU holds carries the guest's name."""
    tap = os.path.join(scene.lab.dir, "qemu-system-x86_64")
    with open(tap, "w") as f:
        f.write(HOLD)
    os.chmod(tap, 0o755)
    p = scene.host.popen(tap, "-name", "guest=win11,debug-threads=on", "-uuid", "x", log="holder")
    wait(lambda: "vnet4" in scene.host.links(), 20, "the tap")
    scene.host.ip("link", "set", "vnet4", "master", "virbr0", "up")
    wait(lambda: "● win11" in line(tree(scene), "vnet4"), 20, "the guest's name at its tap")
    p.terminate()
    p.wait(5)


HOLD = """#!/usr/bin/python3
import ctypes, fcntl, struct, time
ctypes.CDLL(None).prctl(15, b"qemu-system-x86", 0, 0, 0)
f = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(f, 0x400454ca, struct.pack("16sH14x", b"vnet4", 0x1002))
time.sleep(60)
"""


def test_without_daemon_and_without_root(scene):
    text = tree(scene)
    assert "198.51.100.2/24" in line(text, "eth0") and "sixtapd isn't running" in text
    scene.up()
    scene.static_guest("web")
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *scene.sixtap.argv("map")]
    subprocess.run(["chmod", "o+x", scene.lab.dir, os.path.dirname(scene.sixtap.run_dir)], check=True)
    p = scene.host.run(*as_nobody, env=scene.sixtap.env)
    assert "● web" in p.stdout and "nat → eth0" in line(p.stdout, "lan"), p.stdout
    # With another run directory there is no daemon, but the kernel still says whose bridge it is.
    p = scene.host.run(scene.sixtap.binary, "--run-dir", "/nonexistent", "map", env=scene.sixtap.env)
    assert "sixtap" in line(p.stdout, "lan") and "sixtapd isn't running" in p.stdout


def test_ascii(scene):
    scene.up()
    scene.static_guest("web")
    scene.sixtap.env["LC_ALL"] = "C"
    text = tree(scene)
    assert text.isascii() and "|- eth0" in text and "* web" in text and "<= 8080:80/tcp" in text and "nat -> eth0" in text
    for args in (["status"], ["plan"], ["--help"], ["up", "--help"], ["guests"], ["leases"]):
        p = scene.sixtap(*args)
        assert p.stdout.isascii() and p.stderr.isascii(), (args, p.stdout)
    scene.configure(merged(LAN, mode="natt"))
    p = scene.sixtap("check", check=False)
    assert p.returncode == 2 and p.stderr.isascii() and " | " in p.stderr, p.stderr
    # JSON means the same in every locale.
    scene.sixtap("--json", "map").stdout.encode("ascii")
    assert node(scene, "lan")["what"] == "nat → eth0"


def test_color(scene):
    scene.up()
    text = tree(scene, "--color", "always")
    assert "\033[1mlan\033[0m" in text
    assert "\033" not in tree(scene, "--color", "never")


def test_many(scene):
    """More than 20 fold, forwards are counted, and it is quick."""
    guests = {f"vm{i}": {"forward": [f"{10000 + i}:80"]} if i in (7, 107, 207) else {} for i in range(300)}
    scene.configure(merged(LAN, ipv4={"address": "10.9.0.1/20"}, guests=guests))
    scene.up()
    text = tree(scene)
    assert "290 more: 290 not running, 2 forwards" in text and len(text.splitlines()) < 30, text
    full = tree(scene, "--full")
    assert sum("○ vm" in l for l in full.splitlines()) == 300 and "more" not in full


def test_svg(scene):
    scene.up()
    scene.static_guest("web")
    path = os.path.join(scene.lab.dir, "map.svg")
    scene.sixtap("map", "--svg", path)
    with open(path, "rb") as f:
        raw = f.read()
    raw.decode("ascii")
    root = ET.fromstring(raw)
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    for t in ("eth0", "lan", "nat → eth0", "web", WEB4, WEB6, "8080:80/tcp", "build", "virbr0", "macvtap0", "198.51.100.2/24"):
        assert t in texts, (t, texts)
    assert "prefers-color-scheme:dark" in raw.decode()
    # Nothing is drawn outside of the picture, and no two texts begin at one place.
    w, h = float(root.get("width")), float(root.get("height"))
    at = [(float(t.get("x")), float(t.get("y"))) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(0 <= x < w and 0 < y < h for x, y in at) and len(set(at)) == len(at)
    assert scene.sixtap("map", "--svg", "-").stdout.encode() == raw
    p = scene.sixtap("map", "--svg", "/nonexistent/x.svg", check=False)
    assert p.returncode == 1 and "/nonexistent/x.svg" in p.stderr


def test_hostile_names(scene):
    """Interface names may hold anything but a slash and blanks."""
    scene.host.ip("link", "add", "a<b&\"\x1b", "type", "bridge")
    try:
        text, picture, found = tree(scene), scene.sixtap("map", "--svg", "-").stdout, node(scene, 'a<b&"?')
    finally:
        scene.host.ip("link", "del", "a<b&\"\x1b")      # ip -j can't write it
    assert 'a<b&"?' in text
    ET.fromstring(picture)
    assert found


def test_usage(world):
    for args in (["map", "lan"], ["map", "--svg"]):
        assert world.sixtap(*args, check=False).returncode == 2
