# SPDX-License-Identifier: GPL-2.0-or-later
"""test_look - tables fit a terminal, and no address is ever cut."""
import fcntl, os, pty, re, struct, subprocess, termios
import pytest
from libnet import LAN, WEB4, WEB6, merged

LONG6 = "fd12:8848:a2a2:1:1234:5678:9abc:def0"


def screen(world, columns, *args, status=0, **env):
    """What is printed on a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    p = subprocess.Popen(world.host.argv(world.sixtap.argv(*args)), stdin=subprocess.DEVNULL, stdout=slave,
                         stderr=slave if env else subprocess.PIPE, env=dict(world.sixtap.env, **env))
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:         # nobody has the terminal any more
            break
        out += part
    os.close(master)
    assert p.wait(30) == status, out.decode() + (p.stderr.read().decode() if p.stderr else "")
    return out.decode().replace("\r\n", "\n")


@pytest.fixture
def scene(world):
    web = dict(LAN["guests"]["web"], forward=["8080:80", "8053:53/udp", "20000-20100:20000-20100/udp"])
    world.configure(merged(LAN, guests={"web": web, "a-guest-with-a-long-name": {"ipv6": LONG6, "forward": ["8081:80"]}}))
    world.up()
    world.static_guest("web")
    return world


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_fits(scene, columns):
    for args in (["status"], ["map"], ["plan"], ["forward", "list"]):
        text = screen(scene, columns, *args)
        assert all(len(l) <= min(columns, 140) for l in text.splitlines()), text
        if args != ["plan"]:
            for whole in (WEB4, WEB6, LONG6, "8080:80/tcp", "20000-20100:20000-20100/udp"):
                assert re.search(rf"(^|[ ]){re.escape(whole)}($|[ ,])", text, re.M), f"{args} at {columns}: {whole}\n{text}"


def test_tables(scene):
    """Not a terminal: at most 100 columns where that is possible, and no blanks at line ends."""
    for args in (["status"], ["guests"], ["leases"], ["map"], ["plan"], ["forward", "list"]):
        text = scene.sixtap(*args).stdout
        assert not re.search(r"[ \t]$", text, re.M), (args, text)
        assert all(len(l) <= 100 for l in text.splitlines()), (args, text)


def test_up(lonely):
    lonely.configure(lab={"mode": "isolated"}, two={"mode": "isolated"})
    text = lonely.sixtap("up").stdout
    assert not re.search(r"[ \t]$", text, re.M), text
    assert re.search(r"^✓ lab is up +\d+\.\d+ s$", text, re.M), text
    assert lonely.sixtap("down", "lab").stdout.endswith("✓ lab is down\n")
    assert lonely.sixtap("down", "lab").stdout == "✓ nothing to change\n"
    assert lonely.sixtap("down").stdout.endswith("✓ all networks are down\n")


@pytest.mark.parametrize("env, option, colours, why", [
    ({"TERM": "xterm", "NO_COLOR": ""}, "auto", True, "a terminal"), ({"TERM": "dumb", "NO_COLOR": ""}, "auto", False, "a dumb one"),
    ({"TERM": "", "NO_COLOR": ""}, "auto", False, "an unknown one"), ({"TERM": "xterm", "NO_COLOR": "1"}, "auto", False, "unwanted"),
    ({"TERM": "xterm", "NO_COLOR": ""}, "never", False, "asked for"), ({"TERM": "dumb", "NO_COLOR": "1"}, "always", True, "asked for")])
def test_colour(lonely, env, option, colours, why):
    """Results and errors alike."""
    assert ("\033" in screen(lonely, 80, "--color", option, "map", **env)) == colours, why
    lonely.sixtap.write("networks: { lan: { mode: natt } }")
    assert ("\033" in screen(lonely, 80, "--color", option, "check", status=2, **env)) == colours, why
