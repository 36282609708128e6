# SPDX-License-Identifier: GPL-2.0-or-later
"""stage - namespaces and programs that the rows of tools/bench share"""
import json, os, subprocess, time
from lab import Lab, LabError, Sixtap, TOP

GENERATORS = os.path.join(TOP, "build", "bench", "bench")


def generator(name):
    return os.path.join(GENERATORS, name)


class Stage(Lab):
    """A lab whose folder is in memory, as run directories are."""

    def __init__(self, tag):
        super().__init__("bench-" + tag)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.dir]).returncode == 0:
            self.defer(lambda: subprocess.run(["umount", "-l", self.dir]))

    def host(self, name="host", uplink=True):
        """A namespace with an uplink whose other end is in a namespace NAME-up: 198.51.100.0/24 and 2001:db8:a::/64."""
        host = self.ns(name)
        if uplink:
            up = self.ns(name + "-up")
            self.veth(up, "south", host, "eth0")
            for ns, dev, n in ((up, "south", 1), (host, "eth0", 2)):
                quiet(ns, dev)
                ns.ip("addr", "add", f"198.51.100.{n}/24", "dev", dev)
                ns.ip("addr", "add", f"2001:db8:a::{n}/64", "dev", dev, "nodad")
                ns.ip("link", "set", dev, "up")
            host.ip("route", "add", "default", "via", "198.51.100.1")
            host.ip("-6", "route", "add", "default", "via", "2001:db8:a::1")
        return host

    def sixtap(self, host, text):
        s = Sixtap(self, host, name=host.short)
        s.write(text)
        return s

    def guest(self, host, bridge, name, dev=None, up=True, mac=None):
        """A namespace whose eth0 is a port of @bridge."""
        ns = self.ns(f"{host.short}-{name}")
        dev = dev or name
        self.veth(host, dev, ns, "eth0", mac_b=mac)
        host.ip("link", "set", dev, "master", bridge, "up")
        if up:
            quiet(ns, "eth0")
            ns.ip("link", "set", "eth0", "up")
        return ns

    def bare_bridge(self, host, name="br0", *addresses):
        host.ip("link", "add", name, "type", "bridge", "mcast_snooping", 0, "forward_delay", 0)
        quiet(host, name)
        host.ip("link", "set", name, "up")
        for a in addresses:
            host.ip("addr", "add", a, "dev", name, *(["nodad"] if ":" in a else []))


def quiet(ns, dev):
    """No address of its own making, and no waiting for duplicates."""
    for key, value in (("accept_dad", 0), ("accept_ra", 0)):
        ns.sysctl(f"net/ipv6/conf/{dev}/{key}", value)


def ask(ns, name, *argv, timeout=120):
    """Run a generator to its end; its JSON."""
    p = ns.run(generator(name), *argv, timeout=timeout, check=False)
    try:
        return json.loads(p.stdout)
    except ValueError:
        raise LabError(f"{name} {' '.join(map(str, argv))}: status {p.returncode}: {p.stdout}{p.stderr}")


def start(ns, name, *argv):
    """Start a generator that talks over its standard input and output."""
    return subprocess.Popen(ns.argv([generator(name), *argv]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(p):
    text = p.stdout.readline()
    if not text:
        raise LabError(f"{p.args[-3:]}: ended with {p.wait()}")
    return json.loads(text)


def ms_of(ns, *argv):
    """How long a program runs. Not by `ip netns exec`, which takes longer than some of them."""
    with ns.enter():
        began = time.monotonic()
        p = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        took = (time.monotonic() - began) * 1000
    if p.returncode:
        raise LabError(f"{' '.join(map(str, argv))[-100:]}: status {p.returncode}\n{p.stdout.decode(errors='replace')}")
    return took


def stop(p):
    """End a child; what it started in its namespace ends with the lab."""
    if p.stdin:
        p.stdin.close()
    p.terminate()
    try:
        p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
