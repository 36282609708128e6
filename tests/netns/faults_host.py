# SPDX-License-Identifier: GPL-2.0-or-later
"""faults_host - faults of the host's IPv6, of forwarding, proxies and routes, made for real in a DoctorLab.

A Fault has the id and subject that the doctor must find, make(d), and, as far as there are any: alike(d), the healthy
look-alike; flows(d), what traffic must work after --fix; touches, what the fix may change, as beginnings of state keys.
"""
import socket, time
from doctorlab import GUEST6, GUEST6B, HOST4B, NET4, NET6, RADVD, UPLINK6_PREFIX
from lab import OUTSIDE4, OUTSIDE6, wait

ALL = []


class Fault:
    def __init__(self, id, subject, make, alike=None, flows=None, touches=(), fixable=True, name=None, clash=(), into=ALL):
        self.id, self.subject, self.make, self.alike, self.flows = id, subject, make, alike, flows
        self.touches, self.fixable = touches, fixable
        self.name = name or id
        self.clash = set(clash)     # names of faults that can't be there at the same time as this one
        into.append(self)

    def __repr__(self):
        return self.name


def conf(d, dev, **kw):
    for key, value in kw.items():
        d.host.sysctl(f"net.ipv6.conf.{dev}.{key}", value)


def no_default(d):
    d.wait_ra(lambda: not d.default6(), 20, "the default route is gone")


def drop_default(d):
    for r in d.default6():
        d.host.ip("-6", "route", "del", "default", "dev", "eth0", "proto", "ra", check=False)


def drop_slaac(d):
    for a in d.host.addresses("eth0", 6):
        if a.get("dynamic"):
            d.host.ip("addr", "del", f"{a['local']}/{a['prefixlen']}", "dev", "eth0")
    d.host.ip("-6", "route", "del", UPLINK6_PREFIX + "::/64", "dev", "eth0", check=False)


def out6(d):
    wait(d.host_out6, 15, "the host reaches the outside over IPv6")


def inbound(d):
    wait(d.routed_in, 15, "the outside reaches the routed guest")


def natted(d):
    wait(d.nat_out, 15, "a guest behind NAT66 reaches the outside")


# router advertisements

def ignored(d):
    conf(d, "eth0", accept_ra=1)
    drop_default(d)     # turning forwarding on does it, or its end


def static_default(d):
    d.host.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0", "proto", "static")


Fault("ra.ignored-forwarding", "eth0", ignored, lambda d: (ignored(d), static_default(d)), out6,
      ("net/ipv6/conf/eth0/accept_ra", "route default"))
Fault("ra.all-has-no-effect", "eth0", lambda d: (ignored(d), conf(d, "all", accept_ra=2)), lambda d: conf(d, "all", accept_ra=2), out6,
      ("net/ipv6/conf/eth0/accept_ra", "route default"))


def refuse(d):
    conf(d, "eth0", accept_ra=0)
    drop_default(d)


def static_host(d):
    refuse(d)
    drop_slaac(d)
    d.host.ip("addr", "add", UPLINK6_PREFIX + "::2/64", "dev", "eth0", "nodad")
    static_default(d)


Fault("ra.not-accepted", "eth0", refuse, static_host, out6, ("net/ipv6/conf/eth0/accept_ra", "route default"),
      name="ra.not-accepted accept_ra", clash=("ra",))
Fault("ra.not-accepted", "eth0", lambda d: (conf(d, "eth0", accept_ra_defrtr=0), drop_default(d)), None, out6,
      ("net/ipv6/conf/eth0/accept_ra_defrtr", "route default"), name="ra.not-accepted defrtr")
Fault("ra.not-accepted", "eth0", lambda d: (conf(d, "eth0", accept_ra_pinfo=0), drop_slaac(d)),
      lambda d: (conf(d, "eth0", accept_ra_pinfo=0), d.host.ip("addr", "add", UPLINK6_PREFIX + "::2/64", "dev", "eth0", "nodad")), out6,
      ("net/ipv6/conf/eth0/accept_ra_pinfo", "addr eth0 " + UPLINK6_PREFIX, f"route {UPLINK6_PREFIX}::/64"), name="ra.not-accepted pinfo")


def no_autoconf(d):
    conf(d, "eth0", autoconf=0)
    drop_slaac(d)
    prefix = UPLINK6_PREFIX + "::/64"
    if not d.host.sysctl("net.ipv6.conf.eth0.accept_ra") == "2":
        return          # no RA would bring it
    d.wait_ra(lambda: any(r["dst"] == prefix for r in d.host.ipj("-6", "route", "show", "dev", "eth0")), 20, "the on-link route of an RA")


Fault("ra.not-accepted", "eth0", no_autoconf, None, out6,
      ("net/ipv6/conf/eth0/autoconf", "addr eth0 " + UPLINK6_PREFIX, f"route {UPLINK6_PREFIX}::/64"), name="ra.not-accepted autoconf")


def no_router(d):
    d.radvd(lifetime=0)
    no_default(d)


Fault("ra.no-default-router", "eth0", no_router, lambda d: (no_router(d), static_default(d)), fixable=False)


def odd_prefix(d, *more):
    d.radvd()
    drop_slaac(d)
    d.radvd(prefix="2001:db8:77:2::/80", extra="".join(more))
    d.wait_ra(lambda: any(r["dst"] == "2001:db8:77:2::/80" for r in d.host.ipj("-6", "route", "show", "dev", "eth0")), 20, "its route")


Fault("ra.prefix-not-64", "eth0", odd_prefix,
      lambda d: (odd_prefix(d, f"prefix {UPLINK6_PREFIX}::/64 {{ AdvOnLink on; AdvAutonomous on; }};\n"),
                 d.wait_ra(d.slaac, 20, "an address of the /64")), fixable=False)


def rogue(d):
    conf(d, "br0", accept_ra=2)
    g = d.guests["g1"]
    own = g.addresses("eth0", 6, scope="link")[0]["local"]

    def believed():     # each time again: while the neighbour table, which is the whole machine's, is full, half an RA is read
        d.ra(g, "eth0", own, prefix=("2001:db8:bad::", 64))
        return d.host.ipj("-6", "route", "show", "default", "dev", "br0")
    wait(believed, 10, "the host believes a guest")


def second_router(d):
    d.router.ip("addr", "add", "fe80::2/64", "dev", "south", "nodad", check=False)

    def two():
        d.ra(d.router, "south", "fe80::2", prefix=(UPLINK6_PREFIX + "::", 64))
        return len(d.host.run("ip", "-6", "route", "show", "default").stdout.split("via")) > 2
    wait(two, 10, "two routers")


Fault("ra.rogue", "br0", rogue, second_router, out6,
      ("net/ipv6/conf/br0/accept_ra", "route default", "addr br0 2001:db8:bad", "route 2001:db8:bad"))

# IPv6 of the interface


def no_ll(d):
    conf(d, "eth0", addr_gen_mode=1)
    d.host.ip("-6", "addr", "flush", "dev", "eth0", "scope", "link")


Fault("ipv6.no-link-local", "eth0", no_ll, lambda d: (no_ll(d), d.host.ip("addr", "add", "fe80::77/64", "dev", "eth0", "nodad")), None,
      ("net/ipv6/conf/eth0/addr_gen_mode", "addr eth0 fe80"))
Fault("ipv6.mtu-below-1280", "eth0", lambda d: d.host.ip("link", "set", "eth0", "mtu", 1279),
      lambda d: d.host.ip("link", "set", "eth0", "mtu", 1280), out6,
      ("link eth0", "addr eth0", "net/ipv6/conf/eth0/", "net/ipv6/neigh/eth0/", "route ", "proxy "), clash=("uplink",))

# addresses


def duplicate(d):
    d.host.ip("addr", "add", UPLINK6_PREFIX + "::1/64", "dev", "eth0")
    wait(lambda: any(a.get("dadfailed") for l in d.host.ipj("addr", "show", "dev", "eth0") for a in l["addr_info"]), 15, "dadfailed")


Fault("address.duplicate", "eth0", duplicate, lambda d: d.host.ip("addr", "add", UPLINK6_PREFIX + "::99/64", "dev", "eth0"), fixable=False)


def anycast(d):
    d.host.ip("addr", "add", UPLINK6_PREFIX + "::/64", "dev", "eth0")
    wait(lambda: any(a.get("dadfailed") for l in d.host.ipj("addr", "show", "dev", "eth0") for a in l["addr_info"]
                     if a.get("local") == UPLINK6_PREFIX + "::"), 15, "dadfailed")


Fault("address.subnet-anycast", "eth0", anycast,
      lambda d: d.host.ip("addr", "add", UPLINK6_PREFIX + ":5::/127", "dev", "eth0", "nodad"), fixable=False)


def deprecate(d):
    d.radvd(preferred=0)
    d.wait_ra(lambda: not d.slaac(), 20, "the address is deprecated")


def deprecate_static(d):
    drop_slaac(d)
    d.radvd()
    d.host.ip("addr", "add", UPLINK6_PREFIX + "::2/64", "dev", "eth0", "nodad", "preferred_lft", 0)


Fault("address.deprecated", "eth0", deprecate,
      lambda d: (d.radvd(preferred=0, extra="prefix 2001:db8:77:6::/64 { AdvOnLink on; AdvAutonomous on; };\n"),
                 d.wait_ra(lambda: not d.slaac(), 20, "deprecated"),
                 d.wait_ra(lambda: any(a["local"].startswith("2001:db8:77:6:") for a in d.host.addresses("eth0", 6)), 20, "a fresh one")),
      fixable=False)
Fault("address.deprecated", "eth0", deprecate_static, None, out6, ("addr eth0 " + UPLINK6_PREFIX + "::2",), name="address.deprecated static")

# forwarding and proxies


def unforward(d):
    conf(d, "all", forwarding=0)


def isolated(d):
    """Guests, and nothing that ought to pass."""
    d.host.run("nft", "delete", "table", "inet", "hand")
    for g in (GUEST6, GUEST6B):
        d.host.ip("neigh", "del", "proxy", g, "dev", "eth0")
        d.host.ip("-6", "route", "del", g + "/128", "dev", "vr1")
    d.host.ip("neigh", "flush", "dev", "vr1")
    d.host.sysctl("net.ipv4.ip_forward", 0)
    unforward(d)


Fault("forwarding.all-off", "br0", unforward, isolated, lambda d: (natted(d), inbound(d), out6(d)),
      ("net/ipv6/conf/", "route default", "net/ipv6/neigh/"))
Fault("forwarding.all-off", "br0", lambda d: d.host.sysctl("net.ipv4.ip_forward", 0),
      None, lambda d: wait(lambda: d.nat_out(4), 15, "a guest behind NAT reaches the outside"), ("net/ipv4/",), name="forwarding.all-off IPv4")
Fault("proxy.disabled", "eth0", lambda d: (conf(d, "eth0", proxy_ndp=0), conf(d, "all", proxy_ndp=0)),
      lambda d: (conf(d, "eth0", proxy_ndp=0), conf(d, "all", proxy_ndp=0), no_proxied(d)), inbound,
      ("net/ipv6/conf/eth0/proxy_ndp", "net/ipv6/conf/all/proxy_ndp"))


def no_proxied(d):
    """The guest has an address of a prefix that is routed to the host: no entries are needed."""
    for g in (GUEST6, GUEST6B):
        d.host.ip("neigh", "del", "proxy", g, "dev", "eth0")
        d.host.ip("-6", "route", "del", g + "/128", "dev", "vr1")
    d.host.ip("neigh", "flush", "dev", "vr1")
    d.host.ip("-6", "route", "add", "2001:db8:99::50/128", "dev", "vr1")


Fault("proxy.uplink-forwarding-off", "eth0", lambda d: conf(d, "eth0", forwarding=0), lambda d: conf(d, "vr1", forwarding=0), inbound,
      ("net/ipv6/conf/eth0/forwarding", "route default"))
Fault("proxy.unicast-refused", "eth0", lambda d: conf(d, "all", proxy_ndp=0), lambda d: (conf(d, "all", proxy_ndp=0), no_proxied(d)),
      inbound, ("net/ipv6/conf/all/proxy_ndp",))
Fault("proxy.delay", "eth0", lambda d: d.host.sysctl("net.ipv6.neigh.eth0.proxy_delay", 80),
      lambda d: (d.host.sysctl("net.ipv6.neigh.eth0.proxy_delay", 80), no_proxied(d)), inbound, ("net/ipv6/neigh/eth0/proxy_delay",))
Fault("proxy.missing-entry", "eth0", lambda d: d.host.ip("neigh", "del", "proxy", GUEST6, "dev", "eth0"), no_proxied, inbound, ("proxy ",))
Fault("proxy.on-guest-side", "vr1", lambda d: d.host.ip("neigh", "add", "proxy", GUEST6, "dev", "vr1"),
      lambda d: d.host.ip("neigh", "add", "proxy", UPLINK6_PREFIX + "::1", "dev", "vr1"), inbound, ("proxy ",))

# routes


def unroute(d):
    wait(lambda: d.host.ping(GUEST6, timeout=1) and any(n.get("lladdr") for n in d.host.ipj("-6", "neigh", "show", GUEST6)), 10,
         "the host knows the guest as a neighbour", 0.02)
    d.host.ip("-6", "route", "del", GUEST6 + "/128", "dev", "vr1")


Fault("route.guest-missing", "vr1", unroute, None, inbound, (f"route {GUEST6}",))


def lead_astray(d):
    wait(lambda: d.guests["g1"].ping(NET4 + ".1", timeout=1), 10, "the host knows the guest as a neighbour")
    d.host.ip("route", "add", NET4 + ".11/32", "dev", "eth1", "proto", "static")


Fault("route.guest-missing", "br0", lead_astray, lambda d: d.host.ip("route", "add", NET4 + ".11/32", "dev", "br0", "proto", "static"),
      lambda d: wait(lambda: d.nat_out(4), 15, "the guest is back"), (f"route {NET4}.11",), name="route.guest-missing IPv4")


def strict(d, dev="eth1"):
    d.guests["g1"].ping(NET4 + ".1")
    d.host.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 1)
    if dev == "eth1":
        assert not d.outside.ping(HOST4B, timeout=1)
    else:
        wait(lambda: d.outside.ping(HOST4B, timeout=1), 10, "what comes in by eth1 is taken")


Fault("route.reverse-path", "eth1", strict, lambda d: strict(d, "eth0"),
      lambda d: wait(lambda: d.outside.ping(HOST4B, timeout=1), 15, "what comes in by eth1 is taken"), ("net/ipv4/conf/eth1/rp_filter",))
Fault("route.overlap", "br0", lambda d: d.host.ip("addr", "add", NET4 + ".77/24", "dev", "eth1", "noprefixroute"),
      lambda d: d.host.ip("addr", "add", "10.20.1.77/16", "dev", "eth1", "noprefixroute"), fixable=False)
Fault("route.overlap", "br0", lambda d: d.host.ip("addr", "add", NET6 + ":77/64", "dev", "eth1", "nodad", "noprefixroute"),
      lambda d: d.host.ip("addr", "add", NET6 + ":77/128", "dev", "eth1", "nodad"), fixable=False, name="route.overlap IPv6")
