# SPDX-License-Identifier: GPL-2.0-or-later
"""rows_control - networks brought up, guests attached, nothing changed"""
import os
from lab import wait
from stage import Stage, line, ms_of, start, stop
from table import at_most, ratio_at_most

LIBVIRT_XML = """<network><name>n{0}</name><forward mode='nat'><nat ipv6='yes'/></forward><bridge name='virbr{0}' delay='0'/>
<ip address='10.77.{0}.1' netmask='255.255.255.0'><dhcp><range start='10.77.{0}.2' end='10.77.{0}.254'/></dhcp></ip>
<ip family='ipv6' address='fd00:77:{0}::1' prefix='64'><dhcp><range start='fd00:77:{0}::100' end='fd00:77:{0}::1ff'/></dhcp></ip>
</network>"""
# Everything that a libvirtd of the machine might own is another's: ours sees empty folders.
LIBVIRTD = """for d in /etc/libvirt/qemu /var/lib/libvirt /run/libvirt /var/cache/libvirt /var/log/libvirt; do
	mkdir -p $d && mount -t tmpfs tmpfs $d; done
exec libvirtd -f "$0/libvirtd.conf" -p "$0/libvirtd.pid"
"""
GUESTS = 1000
BYTECODE = "bpf bytecode '1,6 0 0 4294967295,'"     # the least that tc can say


def lan(name, n, prefix4, more=""):
    return (f"  {name}:\n    mode: nat\n    ipv4: {{ address: 10.{n // 200 + 66}.{n % 200}.1/{prefix4} }}\n"
            f"    ipv6: {{ address: 'fd00:66:{n}::1/64' }}\n{more}")


class Libvirt:
    def __init__(self, stage):
        self.ns = stage.host("libvirt")
        self.dir = stage.dir
        with open(stage.dir + "/libvirtd.conf", "w") as f:
            f.write(f'unix_sock_dir = "{stage.dir}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n')
        for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            self.ns.sysctl(key, 1)
        self.ns.sysctl("net/ipv6/conf/eth0/accept_ra", 2)       # or it refuses to forward IPv6
        self.log = self.ns.popen("sh", "-c", LIBVIRTD, stage.dir, log="libvirtd").log
        wait(lambda: self.virsh("net-list", check=False).returncode == 0, 20, "libvirtd answers")

    def argv(self, *argv):
        return ["virsh", "-q", "-c", f"network:///system?socket={self.dir}/libvirt-sock", *argv]

    def virsh(self, *argv, check=True):
        return self.ns.run(*self.argv(*argv), check=check)

    def define(self, n):
        path = f"{self.dir}/n{n}.xml"
        with open(path, "w") as f:
            f.write(LIBVIRT_XML.format(n))
        self.virsh("net-define", path)


def network(table, runs=7):
    """One network with NAT, RA and DHCP, to the moment the command says that it is ready."""
    with Stage("network") as stage:
        host = stage.host()
        s = stage.sixtap(host, "networks:\n" + "".join(lan(f"n{i}", i, 24) for i in range(runs + 1)))
        s("up", "n0")
        libvirt = Libvirt(stage)
        ours, peer = [], []
        for i in range(runs + 1):
            libvirt.define(i)
        libvirt.virsh("net-start", "n0")
        for i in range(1, runs + 1):
            table.progress(f"network {i}/{runs}")
            ours.append(ms_of(host, *s.argv("up", f"n{i}")))
            peer.append(ms_of(libvirt.ns, *libvirt.argv("net-start", f"n{i}")))
        table.row("network with NAT, RA, DHCP ready", ours, "ms", ratio_at_most(0.05), peer, "libvirt")
        for i in range(runs + 1):
            libvirt.virsh("net-destroy", f"n{i}", check=False)


def batch(ns, stage, n):
    """What sixtap sets, in ip's and tc's words, in the order that costs least; taps that stay, as ip can't hold their
    descriptors. Returns ms."""
    steps = (("ip", [f"tuntap add bt{i} mode tap vnet_hdr" for i in range(n)]),
             ("tc", [line for i in range(n) for line in (f"qdisc add dev bt{i} clsact",
                                                         f"filter add dev bt{i} ingress prio 1 protocol all {BYTECODE}")]),
             ("ip", [line for i in range(n) for line in (
                 f"link set bt{i} addrgenmode none",
                 f"link set bt{i} address fe:54:00:00:{i >> 8:02x}:{i & 255:02x} mtu 1500 alias bench:lan/g{i} group 7766 "
                 "master br0 up")]))
    took = 0
    for k, (program, lines) in enumerate(steps):
        path = f"{stage.dir}/batch{k}"
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        took += ms_of(ns, program, "-batch", path)
    return took


def empty(ns):
    """Remove all taps at once: closing their descriptors one by one takes the kernel 20 ms each."""
    for group in {x.get("group") for x in ns.links().values() if x.get("linkinfo", {}).get("info_kind") == "tun"}:
        ns.ip("link", "del", "group", group)


def attach(table, runs=3):
    """Guests' taps: by raw rtnetlink, by ip and tc -batch, and as `sixtap run` asks for them; then all of them gone."""
    with Stage("attach") as stage:
        host = stage.host()
        s = stage.sixtap(host, "networks:\n" + lan("lan", 0, 20))
        raw_host, ip_host = stage.host("raw", uplink=False), stage.host("ip", uplink=False)
        figures = {k: [] for k in ("ours", "raw", "batch", "up", "down", "group")}
        for i in range(runs):
            table.progress(f"attach {i + 1}/{runs}: {GUESTS} taps by rtnetlink")
            stage.bare_bridge(raw_host)
            p = start(raw_host, "taps", "raw", "br0", str(GUESTS))
            figures["raw"].append(line(p)["ms"])
            p.stdin.write("group\n")
            p.stdin.flush()
            figures["group"].append(line(p)["ms"])
            stop(p)
            raw_host.ip("link", "del", "br0")
            table.progress(f"attach {i + 1}/{runs}: {GUESTS} taps by sixtapd")
            s("up")
            p = start(host, "taps", "ask", s.run_dir + "/control", "lan", str(GUESTS))
            figures["ours"].append(line(p)["ms"])
            s("up")
            for _ in range(5):
                figures["up"].append(ms_of(host, *s.argv("up")))
            figures["down"].append(ms_of(host, *s.argv("down", "lan")))
            empty(host)
            stop(p)
            wait(lambda: not os.listdir(s.run_dir + "/state/guest"), 60, "sixtapd forgets guests that are gone")
            table.progress(f"attach {i + 1}/{runs}: {GUESTS} taps by ip and tc -batch")
            stage.bare_bridge(ip_host)
            figures["batch"].append(batch(ip_host, stage, GUESTS))
            empty(ip_host)
            ip_host.ip("link", "del", "br0")
        table.row("`up` with nothing to change, 1,000 guests", figures["up"], "ms", at_most(50))
        table.row("1,000 taps attached", figures["ours"], "ms", ratio_at_most(1.15), figures["raw"], "rtnetlink")
        table.row("  the same", figures["ours"], "ms", ratio_at_most(1), figures["batch"], "ip, tc -batch")
        table.row("`down` under 1,000 guests", figures["down"], "ms", ratio_at_most(1.2), figures["group"], "group removal")
