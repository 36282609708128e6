# SPDX-License-Identifier: GPL-2.0-or-later
"""faults_lan - faults of macvtaps, bridges, firewalls and NAT, as they can be made in a DoctorLab beside another one.

For pairs: what each of them looks like alone, with its traffic, its look-alikes and --fix, is in test_doctor_macvtap.py,
test_doctor_bridge.py and test_doctor_firewall.py. Every one has tables and devices of names of its own, so that two of
them don't write over each other.
"""
from doctorlab import HOST4, NET4
from faults_host import Fault
from lab import wait

ALL = []
LAN6 = "2001:db8:9:1"


def fault(*argv, **kw):
    return Fault(*argv, into=ALL, **kw)


def nft(d, text):
    d.host.run("nft", "-f", "-", input=text)


def macvtap(d, name, n, mode="bridge"):
    """A guest's, on the second uplink; without an address of the host's."""
    h = d.host
    h.sysctl("net.ipv6.conf.default.addr_gen_mode", 1)
    h.ip("link", "add", name, "link", "eth1", "address", f"52:54:00:40:00:0{n}", "type", "macvtap", "mode", mode)
    h.sysctl("net.ipv6.conf.default.addr_gen_mode", 0)
    h.ip("link", "set", name, "up")


def no_lower(d):
    macvtap(d, "mtdown", 1)
    d.host.ip("link", "set", "eth1", "down")


def isolating(d):
    for n in (2, 3):
        macvtap(d, f"mtpriv{n}", n, "private")


def filtered(d):
    """The host has heard of the guest, as it does when the guest speaks first."""
    macvtap(d, "mtfilt", 4)
    d.host.ip("addr", "add", f"{LAN6}::2/64", "dev", "eth1", "nodad")
    d.host.ip("neigh", "replace", f"{LAN6}::1234:5678", "lladdr", "52:54:00:40:00:04", "dev", "eth1", "nud", "stale")


def hosts_own(d):
    macvtap(d, "mthost", 5)
    d.host.ip("addr", "add", f"{LAN6}:5054:ff:fe40:5/64", "dev", "mthost", "nodad")


fault("macvtap.parent-down", "eth1", no_lower)
fault("macvtap.mode-isolates", "eth1", isolating)
fault("macvtap.host-isolated", "eth1", lambda d: macvtap(d, "mtiso", 6))
fault("macvtap.multicast-filtered", "mtfilt", filtered)
fault("macvtap.host-address", "mthost", hosts_own)


def port(d, **kw):
    d.host.ip("link", "set", "p-g1", "type", "bridge_slave", *(x for k, v in kw.items() for x in (k, v)))


def no_reader(d):
    d.batch(d.host, "tuntap add dev tpgone mode tap\nlink set tpgone master br0 up")


def slow_port(d):
    d.host.ip("link", "set", "br0", "type", "bridge", "stp_state", 1, "forward_delay", 1500)
    d.host.ip("link", "set", "p-g2", "nomaster")
    d.host.ip("link", "set", "p-g2", "master", "br0")


def known(d, name):
    """A guest whose port was made anew has spoken."""
    wait(lambda: d.guests[name].ping(NET4 + ".1", timeout=1), 15, f"{name} reaches the host")


fault("tap.no-reader", "tpgone", no_reader)
fault("bridge.flood-off", "p-g1", lambda d: (known(d, "g1"), port(d, bcast_flood="off", mcast_flood="off")))
fault("bridge.ports-isolated", "br0", lambda d: d.batch(d.host, "\n".join(f"link set p-{g} type bridge_slave isolated on" for g in ("g1", "g2"))))
fault("bridge.mtu-mismatch", "br0", lambda d: d.host.ip("link", "set", "p-g1", "mtu", 1400))
fault("bridge.stp-delay", "p-g2", slow_port)
fault("bridge.port-has-address", "p-g1", lambda d: d.host.ip("addr", "add", "10.77.0.1/24", "dev", "p-g1"))
fault("bridge.mld-filtered", "br0", lambda d: nft(d, "table bridge mld {\n chain pre { type filter hook prerouting priority 0;\n"
      " ip6 nexthdr icmpv6 accept\n ip6 nexthdr { tcp, udp } accept\n ether type ip6 drop\n }\n}\n"))

FORWARD = "table inet {} {{\n chain forward {{ type filter hook forward priority 0; policy {};\n {}\n }}\n}}\n"
fault("firewall.foreign-drop", "br0", lambda d: nft(d, FORWARD.format("plain", "accept", 'iifname "br0" oifname "eth0" drop')))
fault("firewall.too-big-dropped", "br0", lambda d: nft(d, FORWARD.format("narrow", "drop",
      'ct state established accept\n iifname "br0" oifname "br0" accept\n iifname { "br0", "vr1" } ct state new accept\n'
      ' oifname "vr1" accept\n icmpv6 type { echo-request, echo-reply } accept')))
fault("firewall.services-blocked", "br0", lambda d: nft(d, "table inet services {\n chain input { type filter hook input priority 0;\n"
      ' iifname "br0" meta l4proto ipv6-icmp drop\n }\n}\n'))
fault("nat.missing", "br0", lambda d: nft(d, "delete table inet hand\n"))
fault("nat.ipv6-missing", "br0", lambda d: nft(d, "delete table inet hand\ntable ip hand {\n chain post { type nat hook postrouting"
      f" priority srcnat;\n oifname \"eth0\" ip saddr {NET4}.0/24 masquerade\n }}\n}}\n"))
fault("forward.hijacks-guests", "br0", lambda d: nft(d, "table ip hijack {\n chain pre { type nat hook prerouting priority dstnat;\n"
      f" tcp dport 80 dnat to {NET4}.12:80\n }}\n}}\n"))
fault("forward.incomplete", "br0", lambda d: nft(d, "table ip onlyout {\n chain pre { type nat hook prerouting priority dstnat;\n"
      f" ip daddr {HOST4} tcp dport 8088 dnat to {NET4}.12:80\n }}\n}}\n"))
