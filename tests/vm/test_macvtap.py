# SPDX-License-Identifier: GPL-2.0-or-later
"""A real guest on the host's own NIC: addresses from the LAN, both families, and what is left when QEMU is killed."""
import os, re, signal
import pytest
from lab import Guest, Lab, wait
from libmacvtap import Office

MAC = "52:54:00:12:34:56"


@pytest.fixture
def lab():
    with Lab("vm", capture=True) as lab:
        yield lab


@pytest.fixture
def office(lab):
    """A LAN whose DHCP server and router are other people's programs."""
    o = Office(lab)
    conf = os.path.join(lab.dir, "radvd.conf")
    with open(conf, "w") as f:
        f.write("interface x0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 10;\n"
                "  prefix 2001:db8:5::/64 { AdvOnLink on; AdvAutonomous on; }; };\n")
    for key in ("net.ipv6.conf.all.forwarding", "net.ipv4.ip_forward"):
        o.out.sysctl(key, 1)
    o.out.popen("radvd", "-n", "-m", "stderr", "-C", conf, "-p", os.path.join(lab.dir, "radvd.pid"))
    o.out.popen("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--port=0",
                "--bind-interfaces", "--interface=x0", "--dhcp-range=192.0.2.100,192.0.2.150,1h", "--pid-file=",
                "--dhcp-leasefile=" + os.path.join(lab.dir, "leases"), "--log-facility=-")
    yield o
    o.finish()


def start(office, name, *options, **kw):
    return Guest(office.lab, name, lambda argv: office.host.popen(
        *office.sixtap.argv("run", "office", "--name", name, *options, "--", *argv), log="run-" + name, env=office.sixtap.env),
        append="dhcp6=no", **kw)


def test_a_guest_on_the_lan(office):
    office.up(host_access="yes", guests={"web": {"mac": MAC}})
    g = start(office, "web")
    g.boot()
    a4 = wait(lambda: re.search(r"^ip='?([\d.]+)", g.out("cat /run/lease4 2>/dev/null || :"), re.M), 90, "a lease of the LAN's server", 0.3)[1]
    a6 = wait(lambda: [a for a in re.findall(r"inet6 (2001:db8:5:\S+)/64", g.out("ip -6 addr show dev eth0"))], 90,
              "an address by the LAN's RAs", 0.3)[0]
    assert a4.startswith("192.0.2.1") and MAC in g.out("ip link show eth0")
    reaches = lambda address: g.sh(f"ping -c 1 -W 2 {address}")[0] == 0
    for address in (office.OUT4, office.OUT6, office.HOST4, office.HOST6):
        wait(lambda: reaches(address), 30, f"the guest reaches {address}")
    for ns, who in ((office.out, "outside"), (office.host, "the host")):
        for address in (a4, a6):
            wait(lambda: ns.ping(address), 30, f"{who} reaches {address}")
    link = office.macvtaps()["macvtap0"]
    assert link["address"] == MAC and not office.host.addresses("macvtap0", scope=None)
    assert office.sixtap.guest("web", "office")["state"] == "attached"
    os.kill(g.pid, signal.SIGKILL)
    wait(lambda: not office.macvtaps(), 15, "the device goes with QEMU")
    wait(lambda: not os.listdir(os.path.join(office.sixtap.run_dir, "qmp")), 15, "and its monitor's socket")
