# SPDX-License-Identifier: GPL-2.0-or-later
"""addrsel against glibc and the kernel: random hosts in network namespaces, and --write in a private /etc.

Each host is a network namespace with random addresses, routes and gai.conf. Three answers must agree:
getaddrinfo() on that host, `sixtap addrsel` there (live: the kernel's sources), and the model
(addrsel_model_host: sources chosen by src/addrsel from a dump of addresses and routes).

Seeds: the same hosts each time; ADDRSEL_SEED=N draws others, ADDRSEL_HOSTS=N sets how many, ADDRSEL_ONLY=N runs one host of it.
"""
import ctypes, fcntl, ipaddress, json, os, pathlib, random, shutil, socket, struct, subprocess, time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SIXTAP = os.environ.get("SIXTAP", str(TOP / "build" / "sixtap"))
MODEL = str(pathlib.Path(SIXTAP).parent / "tests/unit/addrsel/addrsel_model_host")
HOSTS = int(os.environ.get("ADDRSEL_HOSTS", "500"))
WORKERS = 2
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
TUNSETIFF, TUNSETLINK, TUNSETPERSIST = 0x400454CA, 0x400454CD, 0x400454CB
ARPHRD_TUNNEL = 768

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{args}: {os.strerror(ctypes.get_errno())}")


def bind(source, target):
    call("mount", str(source).encode(), str(target).encode(), None, MS_BIND, None)


# ---------------------------------------------------------------- random hosts

V6 = ["2001:db8:1::", "2001:db8:1:1::", "2a01:4f8:c0c:bd0a::", "fd12:8848:a2a2:1::", "fd12:8848:a2a2:2::", "fd99:1:2:3::",
      "fc12::", "2002:c633:6407::", "2002:c000:204::", "2001:0:53aa:64c::", "fe80::", "fec0:0:0:1::", "64:ff9b::c000:200",
      "2001:10::", "3ffe:1::", "::c000:200"]
V4 = ["10.1.1.0", "192.168.122.0", "192.168.1.0", "169.254.7.0", "198.51.100.0", "100.64.0.0", "172.16.5.0", "203.0.113.0"]
D6 = V6[:10] + V6[11:] + ["2600:1f00::", "2001:db8:8000::", "2a00:1450:4001::", "ff05::"]
D4 = V4 + ["8.8.8.0", "49.12.234.0", "1.1.1.0", "127.0.0.0", "169.254.1.0", "224.0.5.0"]


def v6(r, prefixes=V6):
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(r.choice(prefixes))) + r.choice([1, 2, 9, 0x74, 0x8000])))


def v4(r, prefixes=V4):
    return str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(r.choice(prefixes))) + r.choice([1, 2, 7, 9, 154, 253])))


def random_gai(r):
    if r.random() < 0.35:
        return b"" if r.random() < 0.5 else b"# nothing but comments\n#label ::1/128 0\n"
    lines = []

    def prefix():
        p = r.choice(["::1/128", "::/0", "2002::/16", "::/96", "::ffff:0:0/96", "fec0::/10", "fc00::/7", "2001:0::/32",
                      "fd00::/8", "fd12:8848:a2a2:1::/64", "2a01::/16", "::ffff:10.0.0.0/104", "::ffff:192.168.0.0/112",
                      "::ffff:49.12.234.183/128", "2001:db8::/29", "fd00::1/8", "2000::/3", "fd12:8848:a2a2::/48"])
        return p if r.random() < 0.93 else r.choice(["fd00::/129", "fd00::/x", "10.0.0.0/8", "fd00:::/8", "fd00::/ 8",
                                                     "fd00::/+8", "fd00::/-1", "fd00::/", "::/00"])

    def value(numbers):
        v = str(r.choice(numbers))
        return v if r.random() < 0.93 else r.choice(["", "x", "4x", "+3", "-1", "0x5", "2147483647", "2147483648", "007",
                                                     "99999999999999999999", "5 trailing words", "6# comment"])

    for kind, numbers, chance in (("label", [0, 1, 1, 4, 5, 6, 7, 99], 0.6), ("precedence", [1, 10, 40, 40, 50, 100], 0.5)):
        if r.random() < chance:
            for _ in range(r.choice([1, 1, 2, 3, 5, 9])):
                lines.append(f"{kind}{r.choice([' ', chr(9), '   '])}{prefix()} {value(numbers)}")
    if r.random() < 0.3:
        for _ in range(r.choice([1, 2, 4])):
            lines.append("scopev4 " + r.choice(["::ffff:169.254.0.0/112", "::ffff:127.0.0.0/104", "::ffff:0.0.0.0/96", "10.0.0.0/8",
                                                "::ffff:192.168.0.0/112", "192.168.0.0/16", "0.0.0.0/0", "fd00::/100", "10.0.0.0/33",
                                                "::ffff:10.0.0.0/95", "49.12.234.183/32"]) + " " + value([2, 5, 14, 14]))
    if r.random() < 0.3:
        lines.append(r.choice(["LABEL fd00::/8 1", "Label ::/0 3", "label", "reload yes", "reload no", "nonsense", "labels ::/0 1",
                               "label fd00::/8", "  label fd00::/8 1", "# label fd00::/8 1", "label\x00 fd00::/8 1",
                               "precedence ::/0 40\x00 50", "x" * 5000, "label fd00::/8 1 " + "y" * 20000, "\xff\xfe\x80"]))
    r.shuffle(lines)
    end = r.choice(["\n", "\n", "\n", "\r\n"])
    return (end.join(lines) + r.choice([end, end, ""])).encode("latin-1")


def random_host(seed):
    """Everything about one host, told by its seed alone."""
    r = random.Random(seed)
    n_ifs = r.choice([1, 1, 2, 3])
    ifs = [f"eth{i}" for i in range(n_ifs)]
    cmds, sysctls = [], {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0,
                         "net/ipv6/conf/default/addr_gen_mode": r.choice([0, 1, 1])}
    for i in ifs:
        cmds += [f"link add {i} type veth peer name p{i}", f"link set p{i} addrgenmode none up", f"link set {i} up"]
    sysctls_later = {}
    tun = r.random() < 0.15
    if tun:
        ifs.append("tun0")
        cmds.append("link set tun0 up")
    temporary, home = r.random() < 0.25, r.random() < 0.1
    if temporary:
        for i in ifs:
            sysctls_later[f"net/ipv6/conf/{i}/use_tempaddr"] = r.choice([1, 2, 2])
    have6, have4 = r.random() < 0.9, r.random() < 0.9
    own = []
    if have6:
        for _ in range(r.choice([1, 1, 2, 3, 4, 6])):
            a, dev = v6(r), r.choice(ifs + ["lo"] if r.random() < 0.1 else ifs)
            own.append(a)
            peer = f" peer {v6(r)}" if r.random() < 0.06 else ""
            length = r.choice([64, 64, 64, 128, 48, 96])
            flags = " nodad" + (" preferred_lft 0" if r.random() < 0.15 else "") + (" home" if home and r.random() < 0.4 else "")
            if length == 64 and not peer and r.random() < (0.8 if temporary else 0.05) and not a.startswith("fe80"):
                flags += " mngtmpaddr"
            cmds.append(f"addr add {a}{peer}/{length} dev {dev}{flags}")
    if have4:
        for _ in range(r.choice([1, 1, 2, 3, 4])):
            a, dev = v4(r), r.choice(ifs + ["lo"] if r.random() < 0.1 else ifs)
            own.append(a)
            peer = f" peer {v4(r)}" if r.random() < 0.06 else ""
            length = r.choice([24, 24, 24, 16, 32, 8, 30])
            scope = f" scope {r.choice(['link', 'global', 'host'])}" if r.random() < 0.12 else ""
            lft = " preferred_lft 0" if r.random() < 0.06 else ""
            cmds.append(f"addr add {a}{peer}/{length} dev {dev}{scope}{lft}")
            if length == 24 and r.random() < 0.25:
                other = a.rsplit(".", 1)[0] + "." + str(r.choice([3, 77, 200]))
                own.append(other)
                cmds.append(f"addr add {other}/24 dev {dev}{scope}")
    if have6 and r.random() < 0.85:
        via = r.choice([" via fe80::1", "", " via fe80::1"])
        src = f" src {r.choice([a for a in own if ':' in a])}" if r.random() < 0.15 else ""
        cmds.append(f"route add ::/0{via} dev {r.choice(ifs)}{src} metric {r.choice([100, 1024])}")
    if have4 and r.random() < 0.85:
        via = f" via {v4(r)} onlink" if r.random() < 0.5 else ""
        src = f" src {r.choice([a for a in own if '.' in a])}" if r.random() < 0.15 else ""
        cmds.append(f"route add 0.0.0.0/0{via} dev {r.choice(ifs)}{src}")
    for _ in range(r.choice([0, 0, 1, 2, 3])):
        kind = r.choice(["", "", "", "unreachable ", "blackhole ", "prohibit "])
        if r.random() < 0.6:
            dst = r.choice(["2a01::/16", "fd00::/8", "2001:db8::/32", "2002::/16", "2600::/12", "64:ff9b::/96"])
            cmds.append(f"route add {kind}{dst}" + ("" if kind else f" dev {r.choice(ifs)} metric {r.choice([1, 256, 2000])}"))
        else:
            dst = r.choice(["10.0.0.0/8", "49.12.0.0/16", "8.0.0.0/8", "192.168.0.0/16", "203.0.113.0/24"])
            cmds.append(f"route add {kind}{dst}" + ("" if kind else f" dev {r.choice(ifs)}"))
    if r.random() < 0.04:
        sysctls_later["net/ipv6/conf/all/disable_ipv6"] = 1
    dests = [v6(r, D6) if r.random() < 0.5 else v4(r, D4) for _ in range(r.choice([2, 2, 3, 4, 6, 9, 14]))]
    if r.random() < 0.3:
        dests.append(r.choice(["::1", "127.0.0.1", "127.0.0.53"]))
    if own and r.random() < 0.3:
        dests.append(r.choice([a for a in own if not a.startswith("fe80")] or ["::1"]))
    dests = list(dict.fromkeys(dests))
    r.shuffle(dests)
    return dict(seed=seed, cmds=cmds, sysctls=sysctls, later=sysctls_later, tun=tun, gai=random_gai(r), dests=dests)


# ---------------------------------------------------------------- one host

def write(path, value):
    with open(path, "wb") as f:
        f.write(value if isinstance(value, bytes) else str(value).encode())


def make_tunnel():
    """A device that glibc takes for a tunnel, without needing a tunnel module."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", 0x1001))
    fcntl.ioctl(fd, TUNSETLINK, ARPHRD_TUNNEL)
    fcntl.ioctl(fd, TUNSETPERSIST, 1)
    os.close(fd)


def ip_json(*args):
    return json.loads(subprocess.run(["ip", "-j", *args], stdout=subprocess.PIPE, check=True).stdout or "[]")


SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


def describe(gai, dests):
    """This namespace as addrsel_model_host wants it, lists in the kernel's order."""
    links = ip_json("addr", "show")
    index = {l["ifname"]: l["ifindex"] for l in links}
    ifs, addrs, routes = [], [], []
    for l in links:
        try:
            temp = int(open(f"/proc/sys/net/ipv6/conf/{l['ifname']}/use_tempaddr").read())
        except OSError:
            temp = 0
        ifs.append(dict(index=l["ifindex"], name=l["ifname"], tunnel=l["link_type"] in ("ipip", "sit", "tunnel6"),
                        prefer_temporary=temp >= 2))
        for a in l["addr_info"]:
            d = dict(address=a["local"], len=a["prefixlen"], index=l["ifindex"], scope=SCOPES[a["scope"]],
                     secondary=a["family"] == "inet" and bool(a.get("secondary")), deprecated=bool(a.get("deprecated")),
                     temporary=bool(a.get("temporary")), tentative=bool(a.get("tentative")), home=bool(a.get("home")))
            if "address" in a:
                d["peer"] = a["address"]
            addrs.append(d)
    for fam in ("-4", "-6"):
        for r in ip_json(fam, "route", "show", "table", "all"):
            dst = r["dst"]
            if dst == "default":
                dst = "::/0" if fam == "-6" else "0.0.0.0/0"
            elif "/" not in dst:
                dst += "/128" if fam == "-6" else "/32"
            kind = r.get("type", "unicast")
            e = dict(dst=dst, index=index.get(r.get("dev"), 0), metric=r.get("metric", 0), local_table=r.get("table") == "local",
                     kind=kind if kind in ("unicast", "local") else "reject", scope=SCOPES[r.get("scope", "global")])
            if "gateway" in r:
                e["gateway"] = r["gateway"]
            if "prefsrc" in r:
                e["src"] = r["prefsrc"]
            routes.append(e)
    return dict(ifs=ifs, addrs=addrs, routes=routes, gai_conf=gai, destinations=dests)


def judge_host(host, files, mip6):
    """In a namespace of its own. Returns what differs, as a list of lines."""
    call("unshare", CLONE_NEWNET)
    for path, value in host["sysctls"].items():
        write(f"/proc/sys/{path}", value)
    if host["tun"]:
        make_tunnel()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # some commands contradict each other and fail; whatever comes of it is a host
    batch = "\n".join(host["cmds"]) + "\n"
    subprocess.run(["ip", "-force", "-batch", "-"], input=batch.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path, value in host["later"].items():
        try:
            write(f"/proc/sys/{path}", value)
        except OSError:
            pass
    if any("use_tempaddr" in p for p in host["later"]):	# temporary addresses are made when the address comes
        again = "\n".join(c.replace("addr add", "addr del", 1).split(" nodad")[0] + "\n" + c for c in host["cmds"] if "mngtmpaddr" in c)
        subprocess.run(["ip", "-force", "-batch", "-"], input=again.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    write(files["gai.conf"], host["gai"])
    write(files["hosts"], "".join(f"{d} test.name\n" for d in host["dests"]))
    real = [a[4][0] for a in socket.getaddrinfo("test.name", None, type=socket.SOCK_STREAM)]
    bad = []
    p = subprocess.run([SIXTAP, "addrsel", "--json", *host["dests"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    live = {d["address"]: d.get("source") for d in json.loads(p.stdout)["destinations"]} if p.returncode == 0 else {"failed": p.stderr}
    if list(live) != real:
        bad += [f"glibc  {real}", f"sixtap {list(live)}"]
    # multicast isn't modelled; a kernel without Mobile IPv6 doesn't care for home addresses
    kinds = []		# what came of it, so that a run can be seen to have tried everything
    if not any(d.startswith(("ff", "224.")) for d in host["dests"]) and (mip6 or not any(" home" in c for c in host["cmds"])):
        described = describe("/etc/gai.conf", host["dests"])
        kinds = ["modelled"] + [k for k in ("temporary", "deprecated", "secondary", "peer") if any(a.get(k) for a in described["addrs"])]
        p = subprocess.run([MODEL], input=json.dumps(described).encode(), stdout=subprocess.PIPE)
        model = {d["address"]: d.get("source") for d in json.loads(p.stdout)} if p.returncode == 0 else {"failed": None}
        if list(model) != real:
            bad += [f"glibc  {real}", f"model  {list(model)}"]
        bad += [f"source of {d}: kernel {s}, model {model.get(d)}" for d, s in live.items() if s != model.get(d)]
    stats = dict(kinds=kinds, v6_first=":" in real[0], unreachable=sum(s is None for s in live.values()), n=len(real))
    return bad, stats


def in_child(fn, *args):
    """Run fn in a forked process: namespaces are left, and glibc's once-read gai.conf is forgotten."""
    rd, wr = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(rd)
        try:
            out = json.dumps(fn(*args))
        except BaseException as e:	# the parent tells
            out = json.dumps([[f"{type(e).__name__}: {e}"], {}])
        with os.fdopen(wr, "w") as f:
            f.write(out)
        os._exit(0)
    os.close(wr)
    with os.fdopen(rd) as f:
        out = f.read()
    os.waitpid(pid, 0)
    return json.loads(out) if out else [["the child ended without a word"], {}]


def private_files(folder):
    """Own files over /etc's, in a mount namespace of this process."""
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    files = {}
    for name, text in (("hosts", ""), ("gai.conf", ""), ("nsswitch.conf", "hosts: files\n"), ("host.conf", "multi on\n")):
        files[name] = os.path.join(folder, name)
        write(files[name], text)
        assert os.path.exists(f"/etc/{name}"), f"/etc/{name} isn't there to mount over"
        bind(files[name], f"/etc/{name}")
    return files


def has_mip6():
    """Does this kernel prefer home addresses as sources (CONFIG_IPV6_MIP6)?"""
    call("unshare", CLONE_NEWNET)
    batch = ("link set lo up\nlink add eth0 type veth peer name p0\nlink set p0 up\nlink set eth0 up\n"
             "addr add fd00::1/64 dev eth0 nodad home\naddr add 2001:db8::1/64 dev eth0 nodad\nroute add ::/0 dev eth0\n")
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.connect(("2001:db8:1::1", 9))
    return s.getsockname()[0] == "fd00::1"


def worker(seeds, folder):
    files = private_files(folder)
    wrong, stats = [], []
    mip6 = in_child(has_mip6)
    for seed in seeds:
        host = random_host(seed)
        # What the kernel does by itself (a link-local address that comes, a temporary one that is checked) may fall
        # between two of the questions: a difference is one that comes again.
        for _ in range(3):
            bad, s = in_child(judge_host, host, files, mip6)
            if not bad:
                break
        stats.append(s)
        if bad:
            shown = dict(host, gai=host["gai"].decode("latin-1")[:1500])
            wrong.append(f"ADDRSEL_ONLY={seed}\n  " + "\n  ".join(bad) + f"\n  {json.dumps(shown)}")
            if len(wrong) >= 5:
                break
    return wrong, stats


def test_random_hosts_as_glibc(tmp_path):
    if not os.access(MODEL, os.X_OK):
        pytest.fail(f"{MODEL} isn't built (meson setup -Dtests=true)")
    seed = int(os.environ.get("ADDRSEL_SEED", "20261120"))
    seeds = [f"{seed}-{i}" for i in range(HOSTS)]
    if "ADDRSEL_ONLY" in os.environ:
        seeds = [os.environ["ADDRSEL_ONLY"]]
    print(f"ADDRSEL_SEED={seed}, {len(seeds)} hosts")
    start = time.monotonic()
    pipes = []
    for w in range(WORKERS):
        folder = tmp_path / str(w)
        folder.mkdir()
        rd, wr = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(rd)
            try:
                out = worker(seeds[w::WORKERS], str(folder))
            except BaseException as e:
                out = [[f"{type(e).__name__}: {e}"], []]
            with os.fdopen(wr, "w") as f:
                json.dump(out, f)
            os._exit(0)
        os.close(wr)
        pipes.append((pid, rd))
    wrong, stats = [], []
    for pid, rd in pipes:
        with os.fdopen(rd) as f:
            w, s = json.load(f)
        os.waitpid(pid, 0)
        wrong += w
        stats += s
    print(f"{len(stats)} hosts in {time.monotonic() - start:.1f} s; IPv6 first on {sum(s.get('v6_first', 0) for s in stats)}, "
          f"{sum(s.get('unreachable', 0) for s in stats)} of {sum(s.get('n', 0) for s in stats)} destinations unreachable")
    kinds = [k for s in stats for k in s.get("kinds", [])]
    print("hosts with", ", ".join(f"{k}: {kinds.count(k)}" for k in ("modelled", "temporary", "deprecated", "secondary", "peer")))
    assert not wrong, f"ADDRSEL_SEED={seed}: {len(wrong)} hosts differ\n" + "\n".join(wrong)
    assert len(stats) == len(seeds)


# ---------------------------------------------------------------- one known host, with an /etc of its own

W6, W4, ULA = "2a01:4f8:c0c:bd0a::1", "49.12.234.183", "fd12:8848:a2a2:1::74"
OWN_LINES = ["label ::1/128 0", "label ::/0 1", "label 2002::/16 2", "label ::/96 3", "label ::ffff:0:0/96 4", "label fec0::/10 5",
             "label fc00::/7 6", "label 2001:0::/32 7"]


def ula_host(etc):
    """A guest as behind NAT66: a ULA, a private IPv4 address, default routes for both; /etc is the folder's."""
    call("unshare", CLONE_NEWNET | CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    write("/proc/sys/net/ipv6/conf/default/accept_dad", 0)
    batch = ("link set lo up\nlink add eth0 type veth peer name p0\nlink set p0 addrgenmode none up\nlink set eth0 up\n"
             f"addr add {ULA}/64 dev eth0 nodad\naddr add 192.168.122.154/24 dev eth0\n"
             "route add ::/0 via fe80::1 dev eth0\nroute add 0.0.0.0/0 dev eth0\n")
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    os.makedirs(etc)
    for name in ("passwd", "group", "ld.so.cache", "localtime"):
        if os.path.exists(f"/etc/{name}"):
            shutil.copy(f"/etc/{name}", etc)
    write(f"{etc}/hosts", f"{W6} test.name\n{W4} test.name\n127.0.0.1 localhost\n::1 localhost\n")
    write(f"{etc}/nsswitch.conf", "hosts: files\n")
    write(f"{etc}/host.conf", "multi on\n")
    bind(etc, "/etc")


def getent():
    out = subprocess.run(["getent", "ahosts", "test.name"], stdout=subprocess.PIPE, check=True).stdout.decode()
    return [line.split()[0] for line in out.splitlines() if "STREAM" in line]


def sixtap(*args):
    p = subprocess.run([SIXTAP, "addrsel", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def ranked(*args):
    status, out, err = sixtap("--json", *args)
    assert status == 0, err
    return [d["address"] for d in json.loads(out)["destinations"]]


def run(fn, tmp_path, *args):
    """fn in a child on the ULA host; what it asserts comes back as text."""
    def body():
        ula_host(str(tmp_path / "etc"))
        fn(*args)
        return [[], {}]
    wrong, _ = in_child(body)
    assert not wrong, "\n".join(wrong)


def check_written():
    text = "# mine\n#label ::1/128 0\nscopev4 ::ffff:169.254.0.0/112  2"		# no newline at the end
    write("/etc/gai.conf", text)
    os.chmod("/etc/gai.conf", 0o640)
    assert getent() == [W4, W6]
    answer = json.loads(sixtap("--json", "test.name")[1])
    assert answer["advice"] == OWN_LINES + ["label fd00::/8 1"] + ["scopev4 ::ffff:169.254.0.0/112 2"]
    assert answer["gai_conf"] == {"file": "/etc/gai.conf", "labels": "default", "precedences": "default"}
    status, out, err = sixtap("--advise", "ipv6", "--write", "test.name")
    assert status == 0, err
    before, after = out.index("Before:"), out.index("After:")
    assert before < out.index(W4) < out.index(W6) < after and out.index(W6, after) < out.index(W4, after)
    assert getent() == [W6, W4] == ranked("test.name")
    new = open("/etc/gai.conf").read()
    assert new.startswith(text + "\n")
    assert os.stat("/etc/gai.conf").st_mode & 0o7777 == 0o640
    assert open("/etc/gai.conf.sixtap-old").read() == text
    assert sorted(n for n in os.listdir("/etc") if "gai" in n) == ["gai.conf", "gai.conf.sixtap-old"]
    # again: nothing; and back, by the other advice, which keeps localhost as it is
    assert "nothing to change" in sixtap("--advise", "ipv6", "--write", "test.name")[1]
    assert open("/etc/gai.conf").read() == new
    status, out, err = sixtap("--advise", "ipv4", "--write", "test.name")
    assert status == 0, err
    assert getent() == [W4, W6]
    assert ranked("::1", "127.0.0.1") == ["::1", "127.0.0.1"]
    # IPv6 once more: the line that is there is replaced, not doubled
    status, out, err = sixtap("--advise", "ipv6", "--write", "test.name")
    assert status == 0, err
    assert getent() == [W6, W4]
    assert len(os.listdir("/etc")) >= 3 and os.path.exists("/etc/gai.conf.sixtap-old.3")


def test_write(tmp_path):
    run(check_written, tmp_path)


def check_write_refused():
    write("/etc/gai.conf", "")
    bind("/etc/hosts", "/etc/gai.conf")		# as container engines do
    write("/etc/gai.conf", open("/etc/hosts").read())
    status, out, err = sixtap("--advise", "ipv6", "--write", "test.name")
    assert status == 1 and "mounted" in err, err
    assert sorted(n for n in os.listdir("/etc") if "sixtap" in n) == []
    status, out, err = sixtap("--advise", "ipv6", "--write", "--gai-conf", "/proc/sixtap-isnt-there/gai.conf", "test.name")
    assert status == 1, err


def test_write_refused(tmp_path):
    run(check_write_refused, tmp_path)


def check_advice_alone():
    """Each advice, taken alone as a whole gai.conf, does it for glibc."""
    for gai in ("", "label ::/0 1\nlabel fd00::/8 9\n", "precedence ::ffff:0:0/96 100\n", "label ::ffff:0:0/96 9\nprecedence ::/0 40\n",
                "reload yes\nlabel fd12::/16 7\nlabel fd12::/16 1\n"):
        for family, first in (("ipv6", W6), ("ipv4", W4)):
            write("/etc/gai.conf", gai)
            status, out, err = sixtap("--advise", family, "test.name")
            assert status == 0, (gai, family, err)
            if not out:
                assert "nothing to change" in err
            else:
                write("/etc/gai.conf", out)
            assert getent()[0] == first, (gai, family, out)
    # a single IPv4 destination above all others cannot go below IPv6 without going below those
    write("/etc/gai.conf", "precedence ::ffff:49.12.0.0/112 90\nlabel fd00::/7 1\n")
    status, out, err = sixtap("--advise", "ipv6", "test.name")
    assert status == 1 and "8.8.8.8 before 49.12.234.183" in err, err


def test_advice_alone(tmp_path):
    run(check_advice_alone, tmp_path)


def check_bad_files():
    r = random.Random(4)
    files = {
        "10 MB of one line": b"label fd00::/8 1\n" * 620000,
        "10 MB of prefixes": "".join(f"label 2001:{r.randrange(65536):x}:{r.randrange(65536):x}::/48 {r.randrange(9)}\n"
                                     for _ in range(300000)).encode() + b"precedence ::ffff:0:0/96 41",
        "binary": r.randbytes(1 << 20),
        "zeros": bytes(100000),
        "lines of 100 KB": b"label fd00::/8 1 " + b"x" * 100000 + b"\n" + b"y" * 100000 + b"\nlabel ::/0 1" + b" " * 100000 + b"\n",
        "a keyword of 100 KB of blanks away": b"label" + b" " * 100000 + b"fd00::/8" + b"\t" * 100000 + b"1",
    }
    for name, text in files.items():
        write("/etc/gai.conf", text)
        real = getent()
        assert ranked(W6, W4) == real, name
        assert ranked("--gai-conf", "/etc/gai.conf", W6, W4) == real, name
    os.unlink("/etc/gai.conf")
    assert ranked(W6, W4) == getent(), "no file"
    os.mkdir("/etc/gai.conf")
    assert ranked(W6, W4) == getent(), "a folder"
    status, out, err = sixtap("--gai-conf", "/etc/gai.conf", W6, W4)
    assert status == 1 and "directory" in err.lower(), err
    os.rmdir("/etc/gai.conf")
    write("/etc/gai.conf", "label fd00::/8 1\n")
    os.chmod("/etc/gai.conf", 0)
    for cap in (1, 2):				# CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: root reads no more than others
        call("prctl", 24, cap, 0, 0, 0)		# PR_CAPBSET_DROP
    assert getent() == [W4, W6]
    p = subprocess.run([SIXTAP, "addrsel", "--json", W6, W4], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 0 and [d["address"] for d in json.loads(p.stdout)["destinations"]] == [W4, W6]
    assert b"Permission denied" in p.stderr, "glibc's silence is told"


def test_bad_files_as_glibc(tmp_path):
    run(check_bad_files, tmp_path)


def check_arguments():
    for status, args in ((2, []), (2, ["2001:db8::g"]), (2, ["--source", "x", W6]), (2, ["--advise", "ipv5", W6]),
                         (2, ["--write", W6]), (2, ["--format", "cloud-init", W6]), (2, ["--guest", "lan", W6]), (2, [""]),
                         (1, ["no.such.name"]), (1, ["--gai-conf", "/no/such/file", W6]), (1, ["--advise", "ipv6", W4]),
                         (0, [W6]), (0, ["fe80::1%eth0"]), (2, ["fe80::1%nothere"]), (0, ["ff02::1", "224.0.0.1", "0.0.0.0", "::"])):
        got, out, err = sixtap(*args)
        assert got == status and (status == 0 or err.startswith("sixtap: ")), (args, got, err)
        got, out, err = sixtap("--json", *args)
        assert got == status and json.loads(out)["version"] == 1, (args, got)
        assert status == 0 or json.loads(out)["errors"], args
    many = [f"2001:db8:{i + 1:x}::1" for i in range(5000)] + [f"10.{i >> 8}.{i & 255}.1" for i in range(5000)]
    start = time.monotonic()
    assert sorted(ranked(*many)) == sorted(many)
    assert time.monotonic() - start < 60


def test_arguments(tmp_path):
    run(check_arguments, tmp_path)


# ---------------------------------------------------------------- a guest of the daemon

def test_guest(lan):
    answer = lan.sixtap.json("addrsel", "--guest", "lan/web", W4, W6)
    assert [(d["address"], d["source"]) for d in answer["destinations"]] == [(W4, "192.168.150.10"), (W6, "fd12:8848:a2a2:1::10")]
    assert answer["destinations"][0]["beats_next_by"] == {"rule": 5, "name": "matching label"}
    assert answer["gai_conf"] == {"labels": "default", "precedences": "default"}
    assert answer["advice"] == OWN_LINES + ["label fd00::/8 1"]
    assert "assuming the guest's gai.conf is glibc's default" in lan.sixtap("addrsel", "--guest", "lan/web", W4, W6).stdout
    user_data = lan.sixtap("addrsel", "--guest", "lan/web", "--advise", "ipv6", "--format", "cloud-init", W4, W6).stdout
    assert user_data.startswith("#cloud-config\n") and "    label fd00::/8           1" in user_data
    for args, status in ((["--guest", "lan/nobody"], 1), (["--guest", "nowhere/web"], 1), (["--guest", "lan/web", "--advise", "ipv6", "--write"], 2)):
        assert lan.sixtap("addrsel", *args, W4, W6, check=False).returncode == status
