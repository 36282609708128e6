# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's clients get addresses, routes and names from our servers."""
import ipaddress, os, re, time
from lab import GUEST, OUTSIDE4, OUTSIDE6, OUTSIDE_NAME, promised, wait
from libnet import Dhcp4Load, GW4, GW6, LAN, NET6, POOL4, POOL6, WEB4, WEB6, WEB_MAC, merged


def in_pool(address, pool):
    return pool[0] <= ipaddress.ip_address(address) <= pool[1]


def leases(world, **match):
    return [l for l in world.sixtap.json("leases")["leases"] if all(l.get(k) == v for k, v in match.items())]


def lease_of(world, **match):
    """The engine answers guests first, and tells main then."""
    found = wait(lambda: leases(world, **match), 10, f"the lease of {match}")
    assert len(found) == 1, found
    return found[0]


# DHCPv4

def test_udhcpc(lan):
    g = lan.guest("g1")
    a = g.udhcpc("-x", "hostname:build")
    assert in_pool(a, POOL4)
    assert g.ipj("route", "show", "default")[0]["gateway"] == GW4
    with open(g.resolv) as f:
        assert GW4 in f.read()
    lease = lease_of(lan, address=a)
    assert lease["mac"] == g.mac and lease["network"] == "lan" and lease["expires"] > 0
    assert g.fetch(OUTSIDE4, 80).startswith("outside")


def test_udhcpc_is_quick(lan):
    """Addresses are probed before they are offered, yet nobody waits three seconds for it."""
    number = iter(range(3))

    def case():
        g = lan.guest(f"g{next(number)}")
        t = time.monotonic()
        g.udhcpc()
        assert time.monotonic() - t < 2.0
    promised(case)


def test_udhcpc_again_gives_the_same(lan):
    g = lan.guest("g1")
    a = g.udhcpc()
    assert g.udhcpc() == a
    assert lease_of(lan, mac=g.mac)["address"] == a


def test_udhcpc_declared(lan):
    assert lan.guest("web", WEB_MAC).udhcpc() == WEB4
    assert lease_of(lan, address=WEB4)["guest"] == "web"


def test_dhclient4(lan):
    g = lan.guest("g1")
    a = g.dhclient(4)
    assert in_pool(a, POOL4)
    assert g.lease["new_subnet_mask"] == "255.255.255.0" and g.lease["new_routers"] == GW4
    assert g.lease["new_domain_name_servers"] == GW4 and g.lease["new_domain_name"] == "lan"
    assert g.lease["new_dhcp_server_identifier"] == GW4
    assert 3500 <= int(g.lease["new_dhcp_lease_time"]) <= 3600
    assert g.ping(OUTSIDE4)


def test_dhclient4_release(lan):
    g = lan.guest("g1")
    a = g.dhclient(4)
    lease_of(lan, address=a)
    g.dhclient_release(4)
    wait(lambda: not leases(lan, address=a), 15, "the released lease is gone")


def test_dhcp4_lease_time_of_the_config(world):
    world.configure(merged(LAN, lease="2m"))
    world.up()
    g = world.guest("g1")
    g.dhclient(4)
    assert 100 <= int(g.lease["new_dhcp_lease_time"]) <= 120


def test_dhcp4_address_in_use_is_not_offered(lan):
    """Somebody has taken an address of the pool by hand, one that is another's lease even: the guards would end that."""
    lan.configure(merged(LAN, spoof_check="no"))
    lan.up()
    a = lan.guest("g1").udhcpc()
    lan.lab.all["g1"].run("ip", "-4", "addr", "flush", "dev", "eth0")
    # The first free address of the next guest is the one a squatter holds: find it out, then take it.
    probe = lan.guest("g2")
    b = probe.udhcpc()
    probe.dhclient_release(4)
    squatter = lan.guest("squatter")
    squatter.ip("addr", "add", b + "/24", "dev", "eth0")
    wait(lambda: squatter.ping(GW4, timeout=1), 15, "the squatter reaches its gateway")
    got = {lan.guest(f"n{i}").udhcpc() for i in range(3)}
    assert b not in got and a not in got and len(got) == 3


def test_no_dhcp_when_off(world):
    world.configure(merged(LAN, ipv4__dhcp="off"))
    world.up()
    g = world.guest("g1")
    g.slaac()
    p = g.run(os.path.join(GUEST, "busybox"), "udhcpc", "-i", "eth0", "-n",
              "-q", "-t", 2, "-T", 1, check=False)
    assert p.returncode != 0 and g.addr(4) == []


# DHCPv6

def test_dhclient6(lan):
    g = lan.guest("g1")
    a = g.dhclient(6)
    assert in_pool(a, POOL6)
    assert ipaddress.ip_address(g.lease["new_dhcp6_name_servers"]) == ipaddress.ip_address(GW6)
    assert g.lease["new_dhcp6_domain_search"].rstrip(".") == "lan"
    lease = lease_of(lan, address=a)
    assert lease["duid"] and "iaid" in lease
    wait(lambda: a in g.addr(6), 15, "the address is usable")
    wait(lambda: g.ping(OUTSIDE6), 15, "outside answers")


def test_dhclient6_declared(lan):
    assert lan.guest("web", WEB_MAC).dhclient(6) == WEB6


def test_dhclient6_release(lan):
    g = lan.guest("g1")
    a = g.dhclient(6)
    lease_of(lan, address=a)
    g.dhclient_release(6)
    wait(lambda: not leases(lan, address=a), 15, "the released lease is gone")


def test_dhclient6_information_only(lan):
    g = lan.guest("g1")
    g.dhclient(6, "-S")
    assert ipaddress.ip_address(g.lease["new_dhcp6_name_servers"]) == ipaddress.ip_address(GW6)


def test_dhclient6_without_rapid_commit_and_with(lan):
    """Four messages, then the same address again in a new exchange."""
    g = lan.guest("g1")
    a = g.dhclient(6)
    assert "Advertise" in g.client_log or "ADV" in g.client_log or "RCV: Advertise" in g.client_log, g.client_log
    g.run("dhclient", "-6", "-x", "-lf", f"{lan.lab.dir}/g1-dhclient6.leases", "-pf", f"{lan.lab.dir}/g1-dhclient6.pid",
          "-cf", "/dev/null", "-sf", "/bin/true", "eth0", check=False)
    g.ip("addr", "del", a + "/128", "dev", "eth0", check=False)
    assert g.dhclient(6) == a


# Clients that do everything

def test_dhcpcd(lan):
    """dhcpcd handles RAs, DHCPv4 and DHCPv6 itself."""
    g = lan.guest("web", WEB_MAC, accept_ra=0)
    run = os.path.join(lan.lab.dir, "dhcpcd")
    os.makedirs(run + "/run", exist_ok=True)
    os.makedirs(run + "/db", exist_ok=True)
    conf = run + "/conf"
    with open(conf, "w") as f:
        f.write("hostname web\nclientid\noption domain_name_servers, domain_name, interface_mtu\nrequire "
                "dhcp_server_identifier\nslaac hwaddr\nnohook resolv.conf, hostname, ntp\nscript /bin/true\n")
    # Its folders are compiled in: put ours over them in a mount namespace of its own.
    g.popen("unshare", "-m", "sh", "-c",
            f"mount --bind {run}/run /run/dhcpcd 2>/dev/null || {{ mkdir -p /run/dhcpcd; mount --bind {run}/run /run/dhcpcd; }};"
            f" mount --bind {run}/db /var/lib/dhcpcd; exec dhcpcd -B -d -f {conf} eth0", log="dhcpcd")

    def all_there():
        have = set(g.addr())
        return {WEB4, WEB6} <= have and any(a not in (WEB6,) and ":" in a for a in have)
    wait(all_there, 40, "dhcpcd has IPv4, DHCPv6 and SLAAC addresses")
    wait(lambda: g.default_route(4) and g.default_route(6), 15, "and routes")
    assert g.default_route(4)[0]["gateway"] == GW4
    assert g.default_route(6)[0]["gateway"].startswith("fe80:")
    assert g.fetch(OUTSIDE4, 80).startswith("outside") and g.fetch(OUTSIDE6, 80).startswith("outside")


def test_networkd(lan):
    """systemd-networkd in a namespace: DHCPv4, RA, DHCPv6."""
    g = lan.guest("web", WEB_MAC, accept_ra=0, up=False)
    d = os.path.join(lan.lab.dir, "networkd")
    os.makedirs(d)
    with open(d + "/10-eth0.network", "w") as f:
        f.write("[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\nIPv6DuplicateAddressDetection=1\n"
                "[DHCPv4]\nUseHostname=no\n[DHCPv6]\nUseHostname=no\n")
    g.popen("unshare", "-m", "sh", "-c",
            "mount -t tmpfs none /run/systemd && mkdir -p /run/systemd/network /run/systemd/netif/links "
            f"/run/systemd/netif/leases /run/systemd/netif/lldp && cp {d}/*.network /run/systemd/network/ && "
            "chown -R systemd-network: /run/systemd/netif && mount -o remount,ro /sys; "
            "SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console exec /lib/systemd/systemd-networkd", log="networkd")
    wait(lambda: {WEB4, WEB6} <= set(g.addr()) and len(g.addr(6)) >= 2, 45,
         "systemd-networkd has IPv4, DHCPv6 and SLAAC addresses")
    wait(lambda: g.default_route(4) and g.default_route(6), 15, "and routes")
    assert g.default_route(4)[0]["gateway"] == GW4
    assert g.default_route(6)[0]["gateway"].startswith("fe80:")
    assert g.fetch(OUTSIDE4, 80).startswith("outside") and g.fetch(OUTSIDE6, 80).startswith("outside")


# The kernel's own SLAAC

def test_kernel_slaac(lan):
    g = lan.guest("g1")
    a = g.slaac()
    assert ipaddress.ip_address(a) in NET6
    assert "ff:fe" in a, "the interface identifier is made of the MAC"
    [route] = g.default_route(6)
    assert route["gateway"].startswith("fe80:") and route["protocol"] == "ra"
    assert g.fetch(OUTSIDE6, 80).startswith("outside")


def test_kernel_slaac_with_privacy_addresses(lan):
    g = lan.guest("g1", use_tempaddr=2)
    temporary = wait(lambda: [a["local"] for a in g.addresses("eth0", 6) if a.get("temporary")], 25, "a temporary address")
    assert ipaddress.ip_address(temporary[0]) in NET6
    assert g.fetch(OUTSIDE6, 80).startswith("outside")
    # Its source is the temporary one; the host knows it as somebody's.
    out = g.ipj("route", "get", OUTSIDE6)
    assert out[0]["prefsrc"] in temporary


def test_default_route_comes_at_once(lan):
    """An RA answers the first frame: nobody waits for the link-local DAD, a second at least."""
    took = []
    for n in range(3):      # the machine may be busy with something else once
        g = lan.guest(f"g{n}", up=False)
        t = time.monotonic()
        g.ip("link", "set", "eth0", "up")
        wait(g.default_route, 20, "a default route", interval=0.01)
        took.append(time.monotonic() - t)
        if took[-1] < 1.0:
            return
    assert False, f"default routes after {took} s"


def test_assign_slaac_only(world):
    world.configure(merged(LAN, ipv6__assign="slaac", ipv6__dhcp=None))
    world.up()
    g = world.guest("g1")
    g.slaac()
    assert "Stateful address conf.    :           No" in g.run("rdisc6", "-1", "eth0").stdout


def test_assign_dhcp_only(world):
    world.configure(merged(LAN, ipv6__assign="dhcp"))
    world.up()
    g = world.guest("g1")
    a = g.dhclient(6)
    assert in_pool(a, POOL6)
    ra = g.run("rdisc6", "-1", "eth0").stdout
    assert re.search(r"Stateful address conf\.\s*:\s*Yes", ra) and re.search(r"Autonomous address conf\.:\s*No", ra), ra
    assert not [x for x in g.addresses("eth0", 6) if x["prefixlen"] == 64]


# Tools

def test_rdisc6(lan):
    g = lan.guest("g1")
    g.slaac()
    out = g.run("rdisc6", "-1", "eth0").stdout
    for pattern in (r"Hop limit\s*:\s*64", r"Stateful address conf\.\s*:\s*Yes", r"Stateful other conf\.\s*:\s*Yes",
                    r"Router lifetime\s*:\s*\d{3,4}", r"Prefix\s*:\s*fd12:8848:a2a2:1::/64", r"On-link\s*:\s*Yes",
                    r"Autonomous address conf\.:\s*Yes", r"MTU\s*:\s*1500", r"Recursive DNS server\s*:\s*" + GW6,
                    r"DNS search list\s*:\s*lan", r"Source link-layer address:\s*[0-9A-F:]{17}", r"from fe80:"):
        assert re.search(pattern, out), f"{pattern} isn't in\n{out}"


def perfdhcp(g, version, *args):
    """Kea's load generator: (sent, received) of the first message pair."""
    p = g.run("perfdhcp", f"-{version}", "-l", "eth0", *args, check=False, timeout=40)
    numbers = re.findall(r"(?:sent|received) packets: (\d+)", p.stdout)
    assert len(numbers) >= 2, f"perfdhcp: status {p.returncode}\n{p.stdout}{p.stderr}"
    sent, received = map(int, numbers[:2])
    return sent, received, p.stdout


def test_perfdhcp6(lan):
    """Two hundred clients behind one link-local address, and so behind one port: more than one guest may ask."""
    lan.configure(merged(LAN, spoof_check="no"))
    lan.up()
    g = lan.guest("g1", accept_ra=0)
    wait(lambda: g.addresses("eth0", 6, scope="link"), 20, "a link-local address")

    def case():
        sent, received, text = perfdhcp(g, 6, "-r", 100, "-R", 200, "-n", 200, "-p", 10, "-W", 1000000)
        assert sent > 100 and received / sent > 0.98, text
        wait(lambda: len(leases(lan)) > 150, 5, "they have leases")
    promised(case)


def test_perfdhcp4_is_a_relay(lan):
    """perfdhcp's DHCPv4 messages always are a relay's: refused, counted, and nobody else suffers."""
    g = lan.guest("g1")
    g.ip("addr", "add", "192.168.150.9/24", "dev", "eth0")
    wait(lambda: g.ping(GW4, timeout=1), 15, "the gateway answers")
    sent, received, text = perfdhcp(g, 4, "-r", 200, "-R", 500, "-p", 2)
    assert sent > 50 and received == 0, text
    assert leases(lan) == []
    assert lan.guest("g2").udhcpc()


def test_many_clients_at_once(lan):
    """Three hundred DHCPv4 clients behind one port, sixteen at a time: each gets an address of its own."""
    lan.configure(merged(LAN, spoof_check="no", ipv4={"address": "192.168.148.1/22", "dhcp": "192.168.149.0-192.168.151.250"},
                         guests__web__ipv4="192.168.148.10"))
    lan.up()
    got = Dhcp4Load(lan.guest("g1")).run(300)
    assert len(got) == 300 and len(set(got.values())) == 300
    assert all(ipaddress.ip_address(a) in ipaddress.ip_network("192.168.148.0/22") for a in got.values())
    wait(lambda: {l["address"] for l in leases(lan)} >= set(got.values()), 10, "main knows all leases")


# DNS

def test_dig(lan):
    g = lan.guest("web", WEB_MAC)
    assert g.udhcpc() == WEB4
    assert g.dhclient(6) == WEB6
    for server in (GW4, GW6):
        assert g.dig("web.lan", "A", server) == [WEB4]
        assert WEB6 in g.dig("web.lan", "AAAA", server)
        for address in (WEB4, WEB6):
            assert g.run("dig", f"@{server}", "-x", address, "+short").stdout.strip() == "web.lan."
        assert g.dig(OUTSIDE_NAME, "A", server) == [OUTSIDE4] and g.dig(OUTSIDE_NAME, "AAAA", server) == [OUTSIDE6]
        assert g.dig(OUTSIDE_NAME, "A", server, "+tcp") == [OUTSIDE4]


def test_dig_unknown_name_of_ours(lan):
    g = lan.guest("web", WEB_MAC)
    g.udhcpc()
    out = g.run("dig", f"@{GW4}", "nobody.lan").stdout
    assert "status: NXDOMAIN" in out and " aa" in out
    out = g.run("dig", f"@{GW4}", "web.lan", "MX").stdout
    assert "status: NOERROR" in out and "ANSWER: 0" in out


def test_dns_upstream_that_is_down(lan):
    """Our own names are answered all the same, others fail clearly and not forever."""
    for p in lan.lab.children:
        if "dnsmasq" in p.log:
            p.terminate()
            p.wait(15)
    g = lan.guest("web", WEB_MAC)
    g.udhcpc()
    assert g.dig("web.lan") == [WEB4]
    out = g.run("dig", f"@{GW4}", "x." + OUTSIDE_NAME, "+time=15", "+tries=1", check=False, timeout=25).stdout
    assert "SERVFAIL" in out


def test_dns_is_for_guests_only(lan):
    """Nobody outside may use the resolver."""
    out = lan.outside.run("dig", "@198.51.100.2", OUTSIDE_NAME, "+time=1", "+tries=1", "+short", check=False)
    assert OUTSIDE4 not in out.stdout


def test_dhcp_is_for_guests_only(lan):
    """Our servers listen on our networks, not on the uplink."""
    lan.router.ip("addr", "add", "198.51.100.77/24", "dev", "south")
    p = lan.router.run("perfdhcp", "-4", "-l", "south", "-n", 1, "-r", 1, "-p", 2, check=False)
    received = re.findall(r"received packets: (\d+)", p.stdout)
    assert received and received[0] == "0", p.stdout
