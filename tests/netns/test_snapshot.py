# SPDX-License-Identifier: GPL-2.0-or-later
"""The snapshot: what is made in a namespace is in it, as it was made; and what it costs with a thousand guests."""
import json, os, socket, subprocess
from lab import SIXTAP, wait
from libmacvtap import open_macvtap

DRIVER = os.path.join(os.path.dirname(SIXTAP), "tests", "netns", "snapshot_driver")
NFT = """table inet filter {
	set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 }; }
	map m { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.1 . 8080 }; }
	chain f {
		type filter hook forward priority 5; policy drop;
		ip saddr @s counter accept comment "ours # handle 9"
		jump other
	}
	chain other {
		tcp dport { 22, 80-90 } drop
	}
}
table netdev in {
	chain i {
		type filter hook ingress device "up0" priority 0
		ether type arp accept
	}
}
"""


def read(ns, *argv, **kw):
    return json.loads(ns.run(DRIVER, *argv, **kw).stdout)


def one(list_, **want):
    found = [x for x in list_ if all(x.get(k, 0 if isinstance(v, int) else "") == v for k, v in want.items())]
    assert len(found) == 1, f"{want}: {found or list_}"
    return found[0]


def build(host, peer, lab):
    lab.veth(peer, "p0", host, "up0", mac_b="02:00:00:00:09:01")
    for ns, dev in ((peer, "p0"), (host, "up0")):
        ns.ip("link", "set", dev, "up")
    batch = """link add br0 address 02:00:00:00:09:02 type bridge mcast_snooping 1 mcast_querier 1 nf_call_iptables 1 forward_delay 400
link add brplain type bridge
link set br0 up
addr add 10.9.0.1/24 dev br0
-6 addr add 2001:db8:9::1/64 dev br0 nodad preferred_lft 100 valid_lft 200
tuntap add dev t0 mode tap user 1234 multi_queue
link set t0 alias sixtap:lan/web master br0 up
tuntap add dev t1 mode tap
link set t1 master br0 mtu 1400 up
link add link up0 name mv0 address 52:54:00:00:09:01 type macvtap mode vepa
link set mv0 up allmulticast on
link property add dev up0 altname other0
addr add 198.51.100.2/24 dev up0
-6 addr add 2001:db8:1::2/128 dev up0 nodad
route add default via 198.51.100.1 dev up0 metric 20
route add 203.0.113.0/24 table 77 nexthop via 198.51.100.1 dev up0 weight 2 nexthop via 198.51.100.3 dev up0
route add blackhole 192.0.2.0/24
-6 route add 2001:db8:5::/64 via fe80::1 dev up0 expires 500 mtu 1400
rule add from 10.9.0.0/24 fwmark 0x7/0xf lookup 77 priority 50
-6 rule add iif br0 prohibit priority 60
neigh add 10.9.0.10 lladdr 52:54:00:00:09:10 dev br0
-6 neigh add proxy 2001:db8:1::50 dev up0
"""
    for line in batch.splitlines():
        host.ip(*line.split())
    for line in ("link set dev t1 isolated on flood off mcast_flood off bcast_flood off neigh_suppress on hairpin on learning off "
                 "mcast_router 2 guard on",
                 "fdb add 52:54:00:00:09:10 dev t0 master static",
                 "mdb add dev br0 port t0 grp ff02::1:ff00:10 permanent", "link set dev t0 locked on"):
        host.run("bridge", *line.split())
    # Kernels built without VLANs: what isn't there can't be shown.
    vlans = host.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", 1, check=False).returncode == 0
    for line in ("vlan add dev t1 vid 10 pvid untagged", "vlan add dev t1 vid 20-25") if vlans else ():
        host.run("bridge", *line.split())
    host.ip("maddr", "add", "33:33:ff:00:00:77", "dev", "mv0")
    for key, value in (("net.ipv6.conf.up0.accept_ra", 2), ("net.ipv6.conf.all.forwarding", 1), ("net.ipv6.conf.up0.proxy_ndp", 1),
                       ("net.ipv6.conf.up0.router_solicitation_interval", 9), ("net.ipv4.conf.br0.rp_filter", 2),
                       ("net.ipv6.neigh.up0.proxy_delay", 0), ("net.ipv4.icmp_echo_ignore_all", 1)):
        host.sysctl(key, value)
    host.run("nft", "-f", "-", input=NFT)
    return vlans


def test_what_is_there(lab):
    host, peer = lab.ns("host"), lab.ns("peer")
    vlans = build(host, peer, lab)
    qemu = lab.dir + "/q.qmp"
    fd = open_macvtap(host, "mv0")
    # Another program's guest: a NIC on a tap by its name, one on the macvtap by a descriptor, and a monitor with a path.
    p = subprocess.Popen(host.argv(["qemu-system-x86_64", "-accel", "tcg", "-S", "-display", "none", "-nodefaults", "-m", "16",
                                    "-name", "guest=box,debug-threads=on", "-netdev", "tap,id=a,ifname=t1,script=no,downscript=no",
                                    "-device", "virtio-net-pci,netdev=a,mac=52:54:00:00:09:11,romfile=",
                                    "-netdev", f"tap,id=b,fd={fd}", "-device", "e1000,netdev=b,mac=52:54:00:00:09:01,romfile=",
                                    "-qmp", f"unix:{qemu},server=on,wait=off"]), pass_fds=[fd], stderr=subprocess.PIPE, text=True)
    os.close(fd)
    lab.defer(lambda: (p.kill(), p.wait()))
    wait(lambda: os.path.exists(qemu) or p.poll() is not None, 40, "QEMU's monitor")
    assert p.poll() is None, p.stderr.read()
    wait(lambda: "LOWER_UP" in host.links()["t1"]["flags"], 40, "QEMU, whose monitor comes first, has opened its tap")
    # A monitor has a tenth of a second to answer: on a busy machine the next look has it.
    s = wait(lambda: (lambda s: s if any(n.get("rx_known") for n in s["nics"]) else None)(read(host)), 15, "QEMU's monitor has answered")
    index = {x["name"]: x["ifindex"] for x in s["links"]}
    link = {x["name"]: x for x in s["links"]}
    assert not [u for u in s.get("unread", []) if u["part"] != "qmp"], s["unread"]
    assert s["root"] and s["br_netfilter"] and min(read(host)["took_us"] for _ in range(3)) < 1000000

    br, t0, t1, mv, up = (link[n] for n in ("br0", "t0", "t1", "mv0", "up0"))
    assert br["kind"] == "bridge" and br["mac"] == "02:00:00:00:09:02" and br["mac_assign"] == 3
    assert link["brplain"].get("mac_assign", 0) != 3
    assert br["bridge"].get("vlan_filtering", False) == vlans and br["bridge"]["mcast_querier"] and br["bridge"]["nf_call_iptables"]
    assert br["bridge"]["forward_delay"] == 400 and "nf_call_ip6tables" not in br["bridge"]
    assert t0["tun"] == {"tap": True, "persist": True, "multi_queue": True, "owner": 1234, "group": -1}
    assert t0["master"] == br["ifindex"] and t0["alias"] == "sixtap:lan/web" and t0["port"]["locked"]
    assert t0["port"]["flood"] and t0["port"]["learning"] and "isolated" not in t0["port"]
    assert t1["mtu"] == 1400 and t1["carrier"]
    assert {k: v for k, v in t1["port"].items() if v is True} == dict.fromkeys(("isolated", "neigh_suppress", "hairpin", "guard"), True)
    assert t1["port"]["mcast_router"] == 2 and t1["port"]["state"] == 3
    assert mv["macvlan"]["mode"] == 2 and mv["lower"] == index["up0"] and mv["flags"] & 0x200 and up["altnames"] == "other0"
    assert up["lower_elsewhere"] and up["stats"]["rx_packets"] >= 0
    assert up["conf6"]["accept_ra"] == 2 and up["conf6"]["proxy_ndp"] == 1 and up["conf6"]["router_solicitation_interval"] == 9
    assert br["conf4"]["rp_filter"] == 2 and s["conf6_all"]["forwarding"] == 1 and br["conf6"]["forwarding"] == 1

    a = one(s["addrs"], ifindex=index["br0"], prefix="2001:db8:9::1/64")
    assert 90 <= a["preferred_s"] <= 100 and 190 <= a["valid_s"] <= 200 and a["age_ms"] < 60000
    assert one(s["addrs"], prefix="10.9.0.1/24")["valid_s"] == 0xffffffff
    assert one(s["routes"], dst="0.0.0.0/0")["gateway"] == "198.51.100.1"
    ways = [r for r in s["routes"] if r["table"] == 77]
    assert [(r["gateway"], r.get("nexthop", 0), r["n_nexthops"], r["weight"]) for r in ways] == [("198.51.100.1", 0, 2, 2),
                                                                                            ("198.51.100.3", 1, 2, 1)]
    assert one(s["routes"], dst="192.0.2.0/24")["type"] == 6
    r = one(s["routes"], dst="2001:db8:5::/64")
    assert 490 <= r["expires_s"] <= 500 and r["mtu"] == 1400
    r = one(s["rules"], priority=50)
    assert r["src"] == "10.9.0.0/24" and (r["mark"], r["mask"], r["table"], r["suppress_prefixlen"]) == (7, 15, 77, -1)
    assert one(s["rules"], priority=60)["iif"] == "br0" and one(s["rules"], priority=60)["action"] == 8
    assert one(s["neighs"], ip="10.9.0.10")["mac"] == "52:54:00:00:09:10"
    assert one(s["proxies"], ip="2001:db8:1::50")["ifindex"] == index["up0"]
    assert "proxy_delay_ms" not in one(s["neigh_tables"], family=10, ifindex=index["up0"])
    assert one(s["neigh_tables"], family=10, ifindex=index["br0"])["proxy_delay_ms"] == 800
    assert one(s["neigh_tables"], family=10, ifindex=0)["gc_thresh3"] > 0
    assert one(s["fdb"], mac="52:54:00:00:09:10", vlan=int(vlans))["port"] == index["t0"]
    m = one(s["mdb"], group="ff02::1:ff00:10")
    assert (m["bridge"], m["port"], m["permanent"]) == (index["br0"], index["t0"], True)
    assert one(s["mdb_routers"], port=index["t1"])["bridge"] == index["br0"]
    if vlans:
        assert br["bridge"]["default_pvid"] == 1
    assert not vlans or [(v["vid"], v["vid_end"], v.get("flags", 0)) for v in s["vlans"] if v["ifindex"] == index["t1"]] == [
        (1, 1, 4), (10, 10, 6), (20, 25, 0)]
    assert one(s["mcasts"], ifindex=index["mv0"], mac="33:33:ff:00:00:77")["global"]
    assert one(s["groups"], ifindex=index["br0"], ip="ff02::1:ff00:1")["users"] >= 1
    assert one(s["groups"], ifindex=index["br0"], ip="224.0.0.1")
    assert one(s["anycasts"], ifindex=index["br0"], ip="2001:db8:9::")
    assert one(s["sysctls"], path="net/ipv4/icmp_echo_ignore_all")["value"] == "1"
    assert one(s["counters"], ifindex=0, name="Ip6FragFails") and one(s["counters"], ifindex=0, name="TcpExtIPReversePathFilter")
    assert one(s["counters"], ifindex=index["up0"], name="Icmp6InRouterAdvertisements")
    node = one(s["tap_nodes"], ifindex=index["mv0"])
    assert node["major"] > 0

    table = one(s["tables"], family=1, name="filter")
    chain = one(table["chains"], name="f")
    assert (chain["base"], chain["hook"], chain["priority"], chain.get("policy", 0), chain["type"]) == (True, 2, 5, 0, "filter")
    assert [r["text"] for r in chain["rules"]] == ['ip saddr @s counter accept comment "ours # handle 9"', "jump other"]
    assert chain["rules"][0]["has_counter"] and chain["rules"][0]["comment"] == "ours # handle 9"
    elems = one(table["sets"], name="s")["elems"]
    assert elems == [{"key": "0a000000", "key_end": "0affffff"}, {"key": "c0000201", "key_end": "c0000201"}]
    assert one(table["sets"], name="m")["elems"] == [{"key": "0050", "data": "0a0000011f900000"}]
    assert one(one(s["tables"], family=5, name="in")["chains"], name="i")["devices"] == "up0"

    # Guests: ours by its alias, the other one by its process, its NICs by name and by descriptor, and what it listens to.
    assert one(s["guests"], name="lan/web")["running"]
    g = one(s["guests"], by="qemu")
    assert (g["name"], g["guest"], g["qmp"], g["pid"]) == ("qemu:box", "box", qemu, p.pid)
    nics = {n.get("device"): n for n in s["nics"] if n["guest"] == "qemu:box"}
    assert nics["t1"]["mac"] == "52:54:00:00:09:11" and nics["t1"]["model"] == "virtio-net-pci" and nics["t1"]["ifindex"] == index["t1"]
    assert nics["mv0"]["kind"] == "macvtap" and nics["mv0"]["mac"] == mv["mac"] and nics["mv0"]["live"]
    assert nics["t1"]["rx_known"] and nics["t1"]["rx_main"] == "52:54:00:00:09:11"       # the monitor was asked: there is a macvtap

    # What was saved comes back the same.
    path = os.path.join(lab.dir, "s.json")
    with open(path, "w") as f:
        json.dump(s, f)
    assert read(host, path) == s

    # A monitor that somebody else holds is said to be so, and costs a tenth of a second.
    with socket.socket(socket.AF_UNIX) as taken:
        taken.connect(qemu)
        taken.recv(4096)
        s = read(host)
        assert [u["subject"] for u in s["unread"]] == ["qemu:box"] and "another program holds it" in s["unread"][0]["why"]
        assert min(read(host)["took_us"] for _ in range(3)) < 1000000


def test_without_root(lab):
    """What can be seen without is seen; the rest is named."""
    host, peer = lab.ns("host"), lab.ns("peer")
    build(host, peer, lab)
    s = json.loads(host.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", DRIVER).stdout)
    parts = {u["part"] for u in s["unread"]}
    assert "nftables" in parts and not s.get("root") and "tables" not in s
    assert [x["name"] for x in s["links"]] and one(s["addrs"], prefix="10.9.0.1/24") and one(s["rules"], priority=50)
    assert one(s["neighs"], ip="10.9.0.10") and s["sysctls"] and s["counters"]


def test_sysctl_files(lab):
    """Files in the order that the boot applies them, hidden names, the patterns' exclusions, and what nobody reads."""
    host = lab.ns("host")
    root = os.path.join(lab.dir, "etc")
    files = {"etc/sysctl.d/50-a.conf": "# x\nnet.ipv4.ip_forward = 0\n-net.ipv6.conf.eth0/7.accept_ra=2\n  net/ipv6/conf/all/forwarding=1\n",
             "lib/sysctl.d/50-a.conf": "net.ipv4.ip_forward=9\n", "lib/sysctl.d/10-b.conf": "net.ipv4.ip_forward=7\nkernel.panic=1\n",
             "etc/sysctl.d/60-c.conf": "-net.ipv4.conf.all.rp_filter\n; no\nnet.ipv4.conf.*.rp_filter = 2\nnonsense\n",
             "etc/sysctl.conf": "net.ipv6.conf.all.accept_ra=2\n"}
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    script = (f"mount --bind {root}/etc/sysctl.d /etc/sysctl.d && mount --bind {root}/lib/sysctl.d /usr/lib/sysctl.d && "
              f"mount --bind {root}/etc/sysctl.conf /etc/sysctl.conf && exec {DRIVER}")
    s = json.loads(host.run("unshare", "-m", "sh", "-c", script).stdout)
    got = [(x["path"], x.get("value"), os.path.basename(x["file"]), x["line"], x.get("excluded", False)) for x in s["sysctl_lines"]
           if x["file"] != "/etc/sysctl.conf"]
    assert got == [("net/ipv4/ip_forward", "7", "10-b.conf", 1, False), ("net/ipv4/ip_forward", "0", "50-a.conf", 2, False),
                   ("net/ipv6/conf/eth0.7/accept_ra", "2", "50-a.conf", 3, False),
                   ("net/ipv6/conf/all/forwarding", "1", "50-a.conf", 4, False),
                   ("net/ipv4/conf/all/rp_filter", None, "60-c.conf", 1, True),
                   ("net/ipv4/conf/*/rp_filter", "2", "60-c.conf", 3, False)], got
    last = one(s["sysctl_lines"], file="/etc/sysctl.conf")
    assert last["by"] == ("nobody" if os.path.isdir("/run/systemd/system") else "procps")


def test_from_another_namespace(lab):
    """With --netns, /sys stays that of the namespace one came from: a macvtap's node is known all the same."""
    host, peer = lab.ns("host"), lab.ns("peer")
    build(host, peer, lab)
    path = os.path.join(lab.dir, "s.json")
    subprocess.run([SIXTAP, "--netns", host.name, "-c", lab.dir + "/none.yaml", "--run-dir", lab.dir + "/run", "doctor", "--save", path],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(path) as f:
        s = json.load(f)
    inside = read(host)
    assert not [u for u in s.get("unread", []) if u["part"] == "sysfs"], s["unread"]
    # /dev is everybody's: another test may just make or take away a node of this number.
    numbers = lambda s: [(t["ifindex"], t["major"], t["minor"]) for t in s["tap_nodes"]]
    assert numbers(s) == numbers(inside) != []
    assert one(s["links"], name="br0")["mac_assign"] == 3


def test_xen(lab):
    """Backends as a Xen host's /sys has them: no Xen runs here, so their folders are made by hand."""
    host = lab.ns("host")
    for name in ("vif3.0", "renamed"):
        host.ip("link", "add", name, "type", "bridge")
    script = ("mount -t tmpfs none /sys/bus && mkdir -p /sys/bus/xen-backend/devices/vif-3-0 /sys/bus/xen-backend/devices/vif-3-1/net/renamed "
              f"/sys/bus/xen-backend/devices/vbd-3-0 /sys/bus/xen-backend/devices/vif-4-0 && exec {DRIVER}")
    s = json.loads(host.run("unshare", "-m", "sh", "-c", script).stdout)
    index = {x["name"]: x["ifindex"] for x in s["links"]}
    assert [(g["name"], g["by"], g["running"]) for g in s["guests"]] == [("xen:3", "xen", True), ("xen:4", "xen", True)]
    assert sorted((n["guest"], n["device"], n.get("ifindex", 0)) for n in s["nics"]) == [
        ("xen:3", "renamed", index["renamed"]), ("xen:3", "vif3.0", index["vif3.0"]), ("xen:4", "vif4.0", 0)]


def test_a_thousand_guests(lab):
    """Under 1 s and under 64 MiB, with 1,000 taps, their MACs, and nftables of some size."""
    host = lab.ns("host")
    ip = ["link add br0 type bridge", "addr add 10.9.0.1/16 dev br0", "link set br0 up"]
    fdb, nft = [], ["table inet big {", "map m { type inet_service : ipv4_addr . inet_service; elements = {"]
    for i in range(1, 1001):
        mac, addr = f"52:54:00:00:{i >> 8:02x}:{i & 255:02x}", f"10.9.{i >> 8}.{i & 255}"
        ip += [f"tuntap add dev t{i} mode tap", f"link set t{i} master br0 up alias sixtap:lan/g{i}"]
        ip += [f"neigh add {addr} lladdr {mac} dev br0"]
        fdb.append(f"fdb add {mac} dev t{i} master static")
        nft.append(f"{i + 2000} : {addr} . 80,")
    nft += ["}; }", "chain f {", "type filter hook forward priority 0;"] + [f'iifname "t{i}" counter accept' for i in range(500)] + ["}", "}"]
    host.run("ip", "-batch", "-", input="\n".join(ip), timeout=150)
    host.run("bridge", "-batch", "-", input="\n".join(fdb), timeout=150)
    host.run("nft", "-f", "-", input="\n".join(nft) + "\n", timeout=60)
    cost = json.loads(host.run(DRIVER, "--time", 10, timeout=120).stdout)
    print(cost)
    assert cost["links"] == 1002 and cost["us"] < 1000000 and 0 < cost["kib"] < 64 * 1024, cost
