# SPDX-License-Identifier: GPL-2.0-or-later
"""test_look - tables fit a terminal, and no address is ever cut."""
import fcntl, os, pty, re, struct, subprocess, termios
import pytest
from libnet import LAN, WEB4, WEB6, merged

LONG6 = "fd12:8848:a2a2:1:1234:5678:9abc:def0"


def screen(world, columns, *args):
    """What is printed on a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    p = subprocess.Popen(world.host.argv(world.sixtap.argv(*args)), stdin=subprocess.DEVNULL, stdout=slave,
                         stderr=subprocess.PIPE, env=world.sixtap.env)
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:         # nobody has the terminal any more
            break
        out += part
    os.close(master)
    assert p.wait(10) == 0, p.stderr.read()
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
    for args in (["status"], ["map"], ["plan"]):
        text = screen(scene, columns, *args)
        assert all(len(l) <= min(columns, 140) for l in text.splitlines()), text
        if args != ["plan"]:
            for whole in (WEB4, WEB6, LONG6, "8080:80/tcp", "20000-20100:20000-20100/udp"):
                assert re.search(rf"(^|[ ]){re.escape(whole)}($|[ ,])", text, re.M), f"{args} at {columns}: {whole}\n{text}"


def test_tables(scene):
    """Not a terminal: at most 100 columns where that is possible, and no blanks at line ends."""
    for args in (["status"], ["guests"], ["leases"], ["map"], ["plan"]):
        text = scene.sixtap(*args).stdout
        assert not re.search(r"[ \t]$", text, re.M), (args, text)
        assert all(len(l) <= 100 for l in text.splitlines()), (args, text)
