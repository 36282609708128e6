# SPDX-License-Identifier: GPL-2.0-or-later
"""Real NetworkManager, systemd-networkd, netplan, ifupdown and firewalld beside our devices: they keep their hands off, and are named."""
import os
from lab import ROUTER4, UPLINK4, wait
from libnet import GW4, GW6, Flow
from test_systemd import Box, fetch4

GREEDY = "[Match]\nName=*\n\n[Network]\nDHCP=yes\n"     # what many a server has, and what takes everything
ETH0 = f"[Match]\nName=eth0\n\n[Network]\nAddress={UPLINK4}/24\nGateway={ROUTER4}\nIPv6AcceptRA=yes\n"


class Managed(Box):
    def __init__(self, lab):
        super().__init__(lab)
        self.vm = self.tap = None

    def run_guests(self):
        self.vm, self.tap = self.guest_of("vm", "lan", 50), self.guest_of("tap", "office", 51)
        self.vm.ns.ip("route", "add", "default", "via", GW4)
        wait(lambda: self.reached("198.51.100.51"), 20, "the LAN reaches the guest")

    def ours(self):
        return {"lan", self.sixtap.guest("vm")["device"], self.tap.device()}

    def networkd(self):
        """{interface: its SETUP state}, when networkd has looked at all of them."""
        def rows():
            r = {l.split()[1]: l.split()[4] for l in self.host.run("networkctl", "--no-legend", "--no-pager").stdout.splitlines()}
            return r if not set(r.values()) & {"pending", "initialized"} and r.get("eth0") != "unmanaged" else None
        return wait(rows, 30, "networkd has looked at every interface")

    def slaac(self, dev="eth0"):
        return self.sixtap.json("slaac", dev, check=False)["interfaces"][0]     # its status tells of the address, which may be yet to come

    def named(self, handler, manager, *set_by):
        i = self.slaac()
        assert (i["handler"], i.get("manager")) == (handler, manager), i
        for s in set_by:
            assert s in [b.get("set_by") for b in i["because"]], i["because"]
        return i

    def doctor_ids(self):
        return {f["id"]: f for f in self.sixtap.json("doctor", check=False)["findings"]}

    def without_files(self):
        """As on a host where nobody has them."""
        self.host.run("mv", "/lib/udev/rules.d/70-sixtap.rules", "/lib/systemd/network/00-sixtap.network", "/root/")
        self.host.run("udevadm", "control", "--reload")


def test_networkd(lab):
    box = Managed(lab)
    host = box.host
    host.write("/etc/systemd/network/90-all.network", GREEDY)
    host.write("/etc/systemd/network/05-eth0.network", ETH0)
    host.run("systemctl", "start", "systemd-networkd")
    wait(lambda: box.slaac()["handler"] == "systemd-networkd", 25, "networkd has taken eth0")
    # Brought up while it runs: it hears of each device as it is made.
    box.sixtap("up")
    box.run_guests()
    box.online()
    assert {box.networkd()[d] for d in box.ours()} == {"unmanaged"}, box.networkd()
    assert box.networkd()["eth0"].startswith("configur")
    box.named("systemd-networkd", "systemd-networkd", "/etc/systemd/network/05-eth0.network:7")
    assert "set by /etc/systemd/network/05-eth0.network:7" in box.sixtap("slaac", "eth0", check=False).stdout
    assert "manager.touches-guest-ports" not in box.doctor_ids()
    # Nor does it do anything when it starts again, with all that is there; forwarding took nothing from the host.
    flows = [Flow(box.vm.ns, GW4), Flow(box.vm.ns, GW6), Flow(box.router, "198.51.100.51")]
    host.run("systemctl", "restart", "systemd-networkd")
    assert {box.networkd()[d] for d in box.ours()} == {"unmanaged"}
    assert [f.stop()[0] for f in flows] == [0, 0, 0]
    box.online()        # by the next advertisement: networkd forgets its routes when it ends
    assert fetch4(box, box.vm) == "outside 198.51.100.2"
    box.quiet()
    # netplan writes its files: the YAML is named.
    host.run("rm", "/etc/systemd/network/05-eth0.network")
    host.write("/etc/netplan/50-lab.yaml", "network:\n  version: 2\n  ethernets:\n    eth0:\n      accept-ra: true\n"
               f"      addresses: [{UPLINK4}/24]\n      routes: [{{to: default, via: {ROUTER4}}}]\n")
    host.run("ldconfig")        # its packages are unpacked, not installed
    host.run("netplan", "generate")
    host.run("systemctl", "restart", "systemd-networkd")
    wait(lambda: "/etc/netplan/50-lab.yaml" in str(box.slaac()["because"]), 25, "the YAML is named")
    assert box.slaac()["handler"] == "systemd-networkd", box.slaac()
    assert "set by /etc/netplan/50-lab.yaml:" in box.sixtap("slaac", "eth0", check=False).stdout
    # Without our files it takes them all: that is found, the file is named, and guests feel it.
    box.without_files()
    for dev in box.ours():
        host.run("udevadm", "trigger", "--settle", "--action=add", f"/sys/class/net/{dev}")
    host.run("systemctl", "restart", "systemd-networkd")
    assert {s[:9] for d, s in box.networkd().items() if d in box.ours()} == {"configuri"}, box.networkd()
    f = box.doctor_ids()["manager.touches-guest-ports"]
    assert f["subject"] == "systemd-networkd" and f["evidence"]["file"] == "/etc/systemd/network/90-all.network", f
    wait(lambda: "repaired" in host.journal(), 25, "what it took away is put back")


def test_networkmanager_and_others(lab):
    box = Managed(lab)
    host = box.host

    def nm():
        rows = (l.split(":") for l in host.run("nmcli", "-t", "-f", "DEVICE,STATE", "device", check=False).stdout.splitlines())
        return {r[0]: r[1] for r in rows}

    # ifupdown: no daemon, a file, and scripts that set the kernel.
    host.write("/etc/network/interfaces", f"auto eth0\niface eth0 inet static\n\taddress {UPLINK4}/24\n\tgateway {ROUTER4}\n"
               "iface eth0 inet6 auto\n\taccept_ra 2\n\tdad-attempts 0\n")
    host.ip("addr", "flush", "dev", "eth0", "scope", "global")
    host.run("ifup", "eth0", timeout=60)
    assert host.sysctl("net.ipv6.conf.eth0.accept_ra") == "2"
    i = box.slaac()
    assert i["handler"] == "kernel" and "ifupdown" in i["manager"] and "/etc/network/interfaces:6" in str(i["because"]), i
    host.run("rm", "/etc/network/interfaces")

    # NetworkManager, which leaves veths alone but where it is told otherwise.
    host.write("/etc/NetworkManager/conf.d/eth0.conf", "[device-eth0]\nmatch-device=interface-name:eth0\nmanaged=1\n")
    path = "/etc/NetworkManager/system-connections/lab.nmconnection"
    host.write(path, "[connection]\nid=lab\nuuid=6a4ee9a8-1f0e-4b3e-8f4f-0f6b1b1f2a01\ntype=ethernet\ninterface-name=eth0\n\n"
               f"[ipv4]\nmethod=manual\naddress1={UPLINK4}/24,{ROUTER4}\n\n[ipv6]\nmethod=auto\naddr-gen-mode=0\n")
    os.chmod(host.path(path), 0o600)
    host.run("systemctl", "start", "NetworkManager", timeout=60)
    wait(lambda: nm().get("eth0") == "connected", 40, "NetworkManager has taken eth0")
    box.sixtap("up")
    box.run_guests()
    box.online()
    wait(lambda: set(nm()) >= box.ours(), 40, "it has heard of all")
    assert {nm()[d] for d in box.ours()} == {"unmanaged"}, nm()
    box.named("NetworkManager", "NetworkManager", path + ":12")
    assert "manager.touches-guest-ports" not in box.doctor_ids()
    flows = [Flow(box.vm.ns, GW4), Flow(box.vm.ns, GW6)]
    host.run("systemctl", "restart", "NetworkManager", timeout=60)
    wait(lambda: nm().get("eth0") == "connected", 40, "NetworkManager is back")
    wait(lambda: set(nm()) >= box.ours(), 20, "it has heard of all")
    assert {nm()[d] for d in box.ours()} == {"unmanaged"}, nm()
    assert [f.stop()[0] for f in flows] == [0, 0]
    box.online()
    # As it starts, it sets addr_gen_mode to 0 also of what is not its own: put back before an address comes of it.
    wait(lambda: box.sixtap("plan", "--check", check=False).returncode == 0, 14, "nothing is left to put back")
    assert {host.links()[d]["inet6_addr_gen_mode"] for d in ("lan", box.tap.device())} == {"none"}
    assert not [a for d in box.ours() - {"lan"} for a in host.addresses(d, scope=None)]
    # firewalld starts, and guests still get out: a rule of ours stands where its chain would drop.
    host.run("systemctl", "start", "firewalld", timeout=60)
    wait(lambda: fetch4(box, box.vm) == "outside 198.51.100.2", 30, "guests get out through firewalld's chains")
    host.run("systemctl", "stop", "firewalld")
    # Without our files NetworkManager takes the bridge for one that it has to look after.
    box.without_files()
    for dev in box.ours():
        host.run("udevadm", "trigger", "--settle", "--action=add", f"/sys/class/net/{dev}")
    host.run("systemctl", "restart", "NetworkManager", timeout=60)
    wait(lambda: nm().get("lan", "unmanaged") != "unmanaged", 40, "NetworkManager looks after the bridge")
