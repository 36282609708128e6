# SPDX-License-Identifier: GPL-2.0-or-later
"""What the snapshot has of a real libvirtd's guests and networks, live and stored; and of one that hangs."""
import json, os, signal
import pytest
from lab import Lab, SIXTAP, wait
from libmacvtap import Wire
from test_adopt_libvirt import Libvirt

DRIVER = os.path.join(os.path.dirname(SIXTAP), "tests", "netns", "snapshot_driver")
HA = "6f3cbb2e-93a6-4a4c-8f0e-0d5b0a0c5e01"
NETWORK = """<network><name>{name}</name><bridge name='{bridge}'/><forward mode='nat'/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.100' end='192.168.122.200'/></dhcp></ip></network>
"""
DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<interface type='network'><mac address='52:54:00:aa:00:01'/><source network='default'/><model type='virtio'/></interface>
<interface type='direct' trustGuestRxFilters='{trust}'><mac address='52:54:00:aa:00:02'/><source dev='eth0' mode='bridge'/>
<model type='virtio'/></interface></devices></domain>
"""


@pytest.fixture
def lab():
    with Lab("vm") as lab:
        yield lab


def one(list_, **want):
    found = [x for x in list_ if all(x.get(k, "") == v for k, v in want.items())]
    assert len(found) == 1, f"{want}: {found or list_}"
    return found[0]


def test_libvirt(lab):
    wire = Wire(lab)
    libvirt = Libvirt(wire)
    read = lambda: json.loads(libvirt.sh(f"exec {DRIVER}").stdout)

    def define(kind, text, **kw):
        path = os.path.join(libvirt.dir, "x.xml")
        with open(path, "w") as f:
            f.write(text.format(**kw))
        libvirt.virsh(kind, path)

    define("net-define", NETWORK, name="default", bridge="virbr0")
    define("net-define", NETWORK, name="idle", bridge="virbr1")
    libvirt.virsh("net-start", "default")
    define("define", DOMAIN, name="ha", uuid=HA, trust="no")
    define("define", DOMAIN.replace("0:02", "0:04").replace("0:01", "0:03"), name="off", uuid=HA[:-1] + "2", trust="yes")
    libvirt.start("ha", "52:54:00:aa:00:02")
    define("define", DOMAIN, name="ha", uuid=HA, trust="yes")        # from the next start on
    # A second in all, of which libvirt may take its part: on a busy machine the next look has it.
    unread = lambda s: [(u["part"], u["subject"]) for u in s["unread"] if u["part"] in ("qmp", "libvirt")]
    s = wait(lambda: (lambda s: s if s["took_us"] < 1000000 and unread(s) == [("qmp", "libvirt:ha")] else None)(read()), 20,
             "all of it within a second")
    ha, off = one(s["guests"], name="libvirt:ha"), one(s["guests"], name="libvirt:off")
    assert ha["running"] and ha["declared"] and ha["pid"] and off["declared"] and "running" not in off
    live = one(s["nics"], guest="libvirt:ha", mac="52:54:00:aa:00:02", live=True)
    link = one(s["links"], ifindex=live["ifindex"])
    assert live["kind"] == "macvtap" and live["source"] == "eth0" and live["mode"] == "bridge" and "trust_rx" not in live
    assert link["kind"] == "macvtap" and link["mac"] == live["mac"] and link["name"] == live["device"]
    stored = [n for n in s["nics"] if n["guest"] == "libvirt:ha" and not n.get("live") and n["mac"] == live["mac"]]
    assert len(stored) == 1 and stored[0]["trust_rx"] == 1 and stored[0]["kind"] == "direct"
    tap = one(s["nics"], guest="libvirt:ha", mac="52:54:00:aa:00:01", live=True)
    assert one(s["links"], ifindex=tap["ifindex"])["master"] == one(s["links"], name="virbr0")["ifindex"]
    net, idle = one(s["libvirt_nets"], name="default"), one(s["libvirt_nets"], name="idle")
    assert net["bridge"] == "virbr0" and net["mode"] == "nat" and net["active"] and net["persistent"]
    assert "<network" in net["live_xml"] and "192.168.122.1" in net["stored_xml"]
    assert "active" not in idle and "live_xml" not in idle and "virbr1" in idle["stored_xml"]
    assert {"libvirtd", "dnsmasq"} <= {p["name"] for p in s["programs"]}

    # Somebody with the guest's MAC on the network's bridge takes a lease of libvirt's dnsmasq: the guest's address is known.
    client = lab.ns("client")
    lab.veth(wire.host, "vc", client, "eth0", mac_b="52:54:00:aa:00:01")
    wire.host.ip("link", "set", "vc", "master", "virbr0", "up")
    client.ip("link", "set", "eth0", "up")
    client.run("dhclient", "-4", "-1", "-sf", "/bin/true", "-lf", lab.dir + "/lf", "-pf", lab.dir + "/pf", "eth0", timeout=90)
    lab.defer(lambda: client.run("dhclient", "-4", "-x", "-sf", "/bin/true", "-lf", lab.dir + "/lf", "-pf", lab.dir + "/pf", "eth0", check=False))
    lease = wait(lambda: [a for a in read()["guest_addrs"] if (a["guest"], a.get("source")) == ("libvirt:ha", "lease")], 20, "the lease")
    [lease] = lease
    assert lease["ip"].startswith("192.168.122.1") and lease["mac"] == "52:54:00:aa:00:01"

    # One that hangs is given up, and said to.
    pid = one(s["programs"], name="libvirtd")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        s = read()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert one(s["unread"], part="libvirt")["why"] == "libvirt didn't answer within 2 s"
    assert one(s["guests"], name="libvirt:ha")["running"]       # its process is there all the same
    libvirt.virsh("destroy", "ha")
    libvirt.virsh("net-destroy", "default")
    wait(lambda: "virbr0" not in wire.host.links(), 20, "the network's bridge goes")
