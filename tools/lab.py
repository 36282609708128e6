# SPDX-License-Identifier: GPL-2.0-or-later
"""lab - namespaces, other people's programs and QEMU guests for demo and tests.

A Lab owns everything it starts: close() ends each process inside its namespaces and
removes them, in whatever state they are. Names carry the pid of their maker, so that
several labs live side by side and a killed one is swept away by the next.

    outside ── router ── host ── bridge ── guests
    203.0.113.80   198.51.100.1    .2 and SLAAC from radvd

Waiting is always for a condition, never for a time: wait().
"""
import collections, contextlib, ctypes, fcntl, glob, ipaddress, json, os, re, shutil, signal, socket, struct, subprocess
import tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUEST = os.path.join(TOP, "build", "guest")
SIXTAP = os.environ.get("SIXTAP", os.path.join(TOP, "build", "sixtap"))
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

UPLINK4, ROUTER4 = "198.51.100.2", "198.51.100.1"
UPLINK6_PREFIX = "2001:db8:77:1"
OUTSIDE4, OUTSIDE6 = "203.0.113.80", "2001:db8:ffff::80"
OUTSIDE_NAME = "www.example.net"


class LabError(Exception):
    pass


def wait(condition, timeout=10.0, what="", interval=0.05):
    """Return the first true value of condition(); raise LabError when it isn't true after @timeout seconds either."""
    end = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        if asked > end:         # the condition may take long, and this process stand still
            raise LabError(f"not within {timeout:g} s: {what or condition}")
        time.sleep(interval)


def promised(case, calm=None, tries=3):
    """
    A case that holds a promise about time. The machine may be busy with something else just then, and a process stand still for
    seconds, but hardly each time: it is tried again, after calm().
    """
    for left in reversed(range(tries)):
        try:
            return case()
        except (LabError, AssertionError):
            if not left:
                raise
        if calm:
            calm()


def alive(pid):
    """Is there such a process, other than as a zombie?"""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def end(pid, grace=3.0):
    """SIGTERM, then SIGKILL for one process."""
    for sig, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 3.0)):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return
        with contextlib.suppress(LabError):
            wait(lambda: not alive(pid), patience, interval=0.02)
            return


class Ns:
    """One network namespace."""

    def __init__(self, lab, name, resolv=None):
        self.lab, self.short, self.name = lab, name, f"{lab.prefix}-{name}"
        self.resolv = resolv            # a file that stands for /etc/resolv.conf in here
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.fd = os.open("/run/netns/" + self.name, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino
        self.ip("link", "set", "lo", "up")

    def __repr__(self):
        return self.name

    # commands

    def argv(self, argv):
        pre = ["ip", "netns", "exec", self.name]
        if self.resolv:         # exec has given us a mount namespace of our own
            pre += ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', self.resolv]
        return pre + [str(a) for a in argv]

    def run(self, *argv, check=True, timeout=60, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        if "input" in kw:
            kw.pop("stdin")
        p = subprocess.run(self.argv(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                           **kw)
        if check and p.returncode:
            raise LabError(f"[{self.short}] {' '.join(map(str, argv))}: status {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def popen(self, *argv, log=None, **kw):
        """Start a program that lives until the lab ends; its output goes to the lab's folder."""
        path = os.path.join(self.lab.dir, f"{self.short}-{log or os.path.basename(str(argv[0]))}.log")
        kw.setdefault("stdin", subprocess.DEVNULL)
        with open(path, "ab") as f:
            kw.setdefault("stdout", f)
            kw.setdefault("stderr", f)
            p = subprocess.Popen(self.argv(argv), start_new_session=True, **kw)
        p.log = path
        self.lab.children.append(p)
        return p

    def ip(self, *argv, check=True):
        p = subprocess.run(["ip", "-n", self.name, *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=30)
        if check and p.returncode:
            raise LabError(f"[{self.short}] ip {' '.join(map(str, argv))}: {p.stderr.strip()}")
        return p.stdout

    def ipj(self, *argv):
        out = self.ip("-j", *argv, check=False).strip()
        return [x for x in json.loads(out) if x] if out else []

    def sysctl(self, key, value=None):
        path = "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))
        with self.enter():
            if value is None:
                with open(path) as f:
                    return f.read().strip()
            with open(path, "w") as f:
                f.write(str(value))

    @contextlib.contextmanager
    def enter(self):
        """This thread, and only it, is inside the namespace."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(self.fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns " + self.name)
            try:
                yield self
            finally:
                if libc.setns(back, CLONE_NEWNET):
                    os._exit(70)        # never go on in a foreign namespace
        finally:
            os.close(back)

    # what is there

    def proc_net(self, name):
        """
        Lines of /proc/net/@name there. That path itself would be the initial namespace's: it leads to that of the process's first
        thread, and pytest-xdist runs the tests of some workers in another one.
        """
        with self.enter(), open("/proc/thread-self/net/" + name) as f:
            return f.read().splitlines()

    def links(self):
        return {x["ifname"]: x for x in self.ipj("-d", "link", "show")}

    def addresses(self, dev, family=None, scope="global"):
        """Usable addresses: neither tentative nor a duplicate."""
        out = []
        for link in self.ipj("addr", "show", "dev", dev):
            for a in link.get("addr_info", []):
                if a.get("tentative") or a.get("dadfailed") or "local" not in a:
                    continue
                if scope and a["scope"] != scope:
                    continue
                if family in (None, 6 if a["family"] == "inet6" else 4):
                    out.append(a)
        return out

    def default_route(self, family=6):
        return self.ipj(f"-{family}", "route", "show", "default")

    def serves_udp(self, port):
        """Has somebody a UDP socket on the port?"""
        return any(row.split()[1].endswith(f":{port:04X}") for row in self.proc_net("udp")[1:])

    def ping(self, address, count=1, timeout=None):
        """Is there an answer? Without @timeout one that is expected: asked for up to three times, as one packet may get lost."""
        for patience in (timeout,) if timeout else (2, 2, 2):
            if self.run("ping", "-n", "-c", count, "-W", patience, "-i", "0.2", address, check=False).returncode == 0:
                return True
        return False

    def socket(self, family, kind=socket.SOCK_STREAM, proto=0):
        with self.enter():
            return socket.socket(family, kind, proto)

    def fetch(self, address, port, timeout=5.0, source=None):
        """GET /cgi-bin/who; returns the body, "NAME ADDRESS-IT-SEES", or "" when nobody answers."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.socket(family) as s:
            s.settimeout(timeout)
            try:
                if source:
                    s.bind((source, 0))
                s.connect((address, port))
                s.sendall(b"GET /cgi-bin/who HTTP/1.0\r\nHost: x\r\n\r\n")
                data = b""
                while True:
                    part = s.recv(4096)
                    if not part:
                        break
                    data += part
            except OSError:
                return ""
        return data.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()

    def ask(self, address, port, timeout=5.0, data=b"who"):
        """A UDP question to a Who server, asked again each second; returns its answer or ""."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        end = time.monotonic() + timeout
        with self.socket(family, socket.SOCK_DGRAM) as s:
            try:
                s.connect((address, port))
                while (left := end - time.monotonic()) > 0:
                    s.settimeout(min(left, 1))
                    s.send(data)
                    with contextlib.suppress(TimeoutError):
                        return s.recv(1000).decode(errors="replace").strip()
            except OSError:
                pass
        return ""

    def pids(self):
        """Every process that is in this namespace, other than ourselves."""
        found = []
        for p in glob.glob("/proc/[0-9]*/ns/net"):
            with contextlib.suppress(OSError):
                if os.stat(p).st_ino == self.inode and int(p.split("/")[2]) != os.getpid():
                    found.append(int(p.split("/")[2]))
        return found


class Who:
    """Answers on TCP (as HTTP) and UDP with its name and the address it sees."""

    def __init__(self, ns, port=80, name=None, addresses=("0.0.0.0", "::"), patience=10):
        self.name, self.socks, self.seen, self.stop, self.patience = name or ns.short, [], [], False, patience
        for a in addresses:
            family = socket.AF_INET6 if ":" in a else socket.AF_INET
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = ns.socket(family, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((a, port))
                if kind == socket.SOCK_STREAM:
                    s.listen(32)
                s.settimeout(0.2)
                self.socks.append(s)
                threading.Thread(target=self._tcp if kind == socket.SOCK_STREAM else self._udp, args=(s,),
                                 daemon=True).start()
        ns.lab.defer(self.close)

    def _line(self, peer):
        self.seen.append(peer[0])
        return f"{self.name} {peer[0]}\n".encode()

    def _tcp(self, s):
        while not self.stop:
            try:
                c, peer = s.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._answer, args=(c, peer), daemon=True).start()     # nobody waits for another's question

    def _answer(self, c, peer):
        with c, contextlib.suppress(OSError):
            c.settimeout(self.patience)
            c.recv(4096)
            c.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + self._line(peer))

    def _udp(self, s):
        """The answer comes from the address that was asked, whichever way the route goes."""
        v6 = s.family == socket.AF_INET6
        s.setsockopt(*(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO) if v6 else (socket.IPPROTO_IP, 8), 1)  # IP_PKTINFO
        while not self.stop:
            try:
                _, cmsgs, _, peer = s.recvmsg(2000, 200)
                level, kind, info = next(c for c in cmsgs if c[0] in (socket.IPPROTO_IPV6, socket.IPPROTO_IP))
                if not v6:      # in: ifindex, the address to answer from, the address asked
                    info = struct.pack("I4s4s", 0, info[8:12], bytes(4))
                elif ipaddress.IPv6Address(info[:16]).is_link_local is False:
                    info = info[:16] + struct.pack("I", 0)
                s.sendmsg([self._line(peer)], [(level, kind, info)], 0, peer)
            except TimeoutError:
                continue
            except OSError:     # a rule refuses the answer, no route leads there: the next one may get through
                if self.stop:
                    return

    def close(self):
        self.stop = True
        for s in self.socks:
            s.close()


class Capture(threading.Thread):
    """The last frames of every interface of some namespaces, kept in memory until somebody asks."""

    def __init__(self, lab, depth=4000):
        super().__init__(daemon=True)
        self.lab, self.depth, self.stop = lab, depth, False
        self.socks, self.frames = {}, collections.defaultdict(lambda: collections.deque(maxlen=depth))
        self.lock = threading.Lock()

    def add(self, ns):
        s = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.setblocking(False)
        with self.lock:
            self.socks[s] = ns.short

    def run(self):
        import select
        while not self.stop:
            with self.lock:
                socks = list(self.socks)
            ready = select.select(socks, [], [], 0.2)[0] if socks else time.sleep(0.2) or []
            for s in ready:
                with contextlib.suppress(BlockingIOError, OSError):
                    for _ in range(64):
                        data, peer = s.recvfrom(65535)
                        if peer[3] == 1:        # ARPHRD_ETHER: not lo
                            self.frames[self.socks[s], peer[0]].append((time.time(), data))

    def save(self, folder):
        for (ns, dev), frames in list(self.frames.items()):
            with open(os.path.join(folder, f"{ns}-{dev}.pcap"), "wb") as f:
                f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
                for t, data in list(frames):
                    f.write(struct.pack("<IIII", int(t), int(t % 1 * 1e6), len(data), len(data)) + data)

    def close(self):
        self.stop = True
        self.join(2)
        for s in self.socks:
            s.close()


class Lab:
    """Everything of one demo or one test. Use as a context manager."""

    def __init__(self, tag, capture=False):
        self.prefix = f"st-{tag}-{os.getpid()}"
        sweep()
        # Beneath /run as the daemon's own folder is: its processes drop root and must still get there.
        self.dir = tempfile.mkdtemp(prefix=self.prefix + "-", dir="/run")
        os.chmod(self.dir, 0o755)
        self.all, self.children, self.undo, self.guests = {}, [], [], []
        self.capture = None
        if capture:
            self.start_capture()

    def start_capture(self):
        """Keep the last frames of every interface of the namespaces made from now on."""
        self.capture = Capture(self)
        self.capture.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def ns(self, name, **kw):
        self.all[name] = Ns(self, name, **kw)
        if self.capture:
            self.capture.add(self.all[name])
        return self.all[name]

    def defer(self, fn):
        self.undo.append(fn)

    def script(self, name, text):
        """A program in the lab's folder."""
        path = os.path.join(self.dir, name + ".sh")
        if not os.path.exists(path):
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, 0o755)
        return path

    def veth(self, a, dev_a, b, dev_b, mac_a=None, mac_b=None):
        subprocess.run(["ip", "-n", a.name, "link", "add", dev_a, *(["address", mac_a] if mac_a else []), "type", "veth",
                        "peer", "name", dev_b, *(["address", mac_b] if mac_b else []), "netns", b.name], check=True)

    def close(self):
        for fn in reversed(self.undo):
            with contextlib.suppress(Exception):
                fn()
        self.undo = []
        for g in self.guests:
            g.close()
        for p in self.children:
            if p.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    p.terminate()
        for p in self.children:
            try:
                p.wait(2)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if self.capture:
            self.capture.close()
        for ns in self.all.values():
            for pid in ns.pids():
                end(pid, 1.0)
            os.close(ns.fd)
            subprocess.run(["ip", "netns", "del", ns.name], stderr=subprocess.DEVNULL)
        self.all = {}
        # A process on its way out may put a last file into a folder that is just being emptied.
        end_by = time.monotonic() + 3
        while os.path.exists(self.dir):
            shutil.rmtree(self.dir, ignore_errors=True)
            if time.monotonic() > end_by:
                print(f"cannot remove {self.dir}")
                break
            time.sleep(0 if not os.path.exists(self.dir) else 0.05)

    # the world around the host

    def upstream(self, host, dev="eth0", slaac=True):
        """A router with radvd and DNS, a machine outside, and @host connected to it: IPv4 static, IPv6 by SLAAC."""
        router, outside = self.ns("router"), self.ns("outside")
        self.veth(router, "south", host, dev, mac_a="02:00:00:00:01:01", mac_b="02:00:00:00:01:02")
        self.veth(router, "north", outside, "eth0")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            router.sysctl(key, 1)
        for ns, d, addrs in ((router, "south", (ROUTER4 + "/24", UPLINK6_PREFIX + "::1/64", "fe80::1/64")),
                             (router, "north", ("203.0.113.1/24", "2001:db8:ffff::1/64")),
                             (outside, "eth0", (OUTSIDE4 + "/24", OUTSIDE6 + "/64"))):
            ns.sysctl(f"net.ipv6.conf.{d}.accept_ra", 0)
            if d == "south":
                ns.sysctl(f"net.ipv6.conf.{d}.addr_gen_mode", 1)
            for a in addrs:
                ns.ip("addr", "add", a, "dev", d, *(["nodad"] if ":" in a else []))
            ns.ip("link", "set", d, "up")
        outside.ip("route", "add", "default", "via", "203.0.113.1")
        outside.ip("-6", "route", "add", "default", "via", "2001:db8:ffff::1")
        host.ip("addr", "add", UPLINK4 + "/24", "dev", dev)
        host.ip("link", "set", dev, "up")
        host.ip("route", "add", "default", "via", ROUTER4, "dev", dev)
        if slaac:
            conf = os.path.join(self.dir, "radvd.conf")
            with open(conf, "w") as f:
                f.write(f"interface south {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 10;\n"
                        f"  prefix {UPLINK6_PREFIX}::/64 {{ AdvOnLink on; AdvAutonomous on; }}; }};\n")
            router.popen("radvd", "-n", "-m", "stderr", "-C", conf, "-p", os.path.join(self.dir, "radvd.pid"))
        router.popen("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
                     "--bind-interfaces", "--listen-address=" + ROUTER4, "--pid-file=", "--log-facility=-",
                     f"--host-record={OUTSIDE_NAME},{OUTSIDE4},{OUTSIDE6}")
        Who(outside)
        return router, outside

    def resolv_conf(self, *servers):
        path = os.path.join(self.dir, "resolv.conf")
        with open(path, "w") as f:
            f.write("".join(f"nameserver {s}\n" for s in servers))
        return path

    # evidence of a failure

    def save(self, folder, note=""):
        """Everything that helps to understand a failure; @folder is made anew."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        if self.capture:
            self.capture.save(folder)
        for ns in self.all.values():
            for what, argv in (("link", ["-d", "-s", "link"]), ("addr", ["addr"]), ("route4", ["-4", "route", "show", "table", "all"]),
                               ("route6", ["-6", "route", "show", "table", "all"]), ("neigh", ["neigh"])):
                with open(f"{folder}/{ns.short}-{what}.json", "w") as f:
                    json.dump(ns.ipj(*argv), f, indent=1)
            for what, argv in (("ruleset", ["nft", "list", "ruleset"]), ("fdb", ["bridge", "-d", "fdb", "show"]),
                               ("sysctl", ["sysctl", "net.ipv4.ip_forward", "net.ipv6.conf"]),
                               ("sockets", ["ss", "-anp"])):
                with open(f"{folder}/{ns.short}-{what}.txt", "w") as f, contextlib.suppress(Exception):
                    f.write(ns.run(*argv, check=False, timeout=10).stdout)
        # Logs, configuration, records, leases: plain files of the lab's folder (sockets and the like are left out).
        for root, _, files in os.walk(self.dir):
            for name in files:
                path = os.path.join(root, name)
                if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < 8 << 20:
                    to = os.path.join(folder, "lab", os.path.relpath(path, self.dir))
                    os.makedirs(os.path.dirname(to), exist_ok=True)
                    shutil.copyfile(path, to)
        with open(folder + "/note.txt", "w") as f:
            f.write(note)


def sweep():
    """Remove what killed labs left, whatever they were for: their pids are in the names, and /dev/tapN is everybody's."""
    for path in glob.glob("/run/netns/st-*") + glob.glob("/run/st-*"):
        base = os.path.basename(path)
        pid = re.match(r"st-\D+-(\d+)(?=-|$)", base)
        if not pid or alive(int(pid[1])):
            continue
        if path.startswith("/run/netns/"):
            try:
                inode = os.stat(path).st_ino
            except FileNotFoundError:       # another sweeper was quicker
                continue
            for p in glob.glob("/proc/[0-9]*/ns/net"):
                with contextlib.suppress(OSError):
                    if os.stat(p).st_ino == inode:
                        end(int(p.split("/")[2]), 1.0)
            subprocess.run(["ip", "netns", "del", base], stderr=subprocess.DEVNULL)
        else:
            if os.path.ismount(path):
                subprocess.run(["umount", path], stderr=subprocess.DEVNULL)
            shutil.rmtree(path, ignore_errors=True)


class Sixtap:
    """The command in one namespace, with its folders inside the lab."""

    def __init__(self, lab, ns, config=None, binary=SIXTAP, name="sixtap"):
        self.lab, self.ns, self.binary = lab, ns, binary
        self.run_dir, self.state_dir = os.path.join(lab.dir, name, "run"), os.path.join(lab.dir, name, "state")
        os.makedirs(os.path.dirname(self.run_dir), mode=0o755, exist_ok=True)
        self.config = config
        if config is None:
            self.config = os.path.join(lab.dir, name, "sixtap.yaml")
        self.env = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1")
        self.env.pop("SIXTAP_RUN_DIR", None)
        self.env.pop("SIXTAP_STATE_DIR", None)
        self.seen = set()

    def write(self, text):
        """Replace the configuration."""
        with open(self.config, "w") as f:
            f.write(text)

    def argv(self, *argv):
        return [self.binary, "-c", self.config, "--run-dir", self.run_dir, "--state-dir", self.state_dir, *argv]

    def __call__(self, *argv, check=True, timeout=60, **kw):
        p = self.ns.run(*self.argv(*argv), check=False, timeout=timeout, env=self.env, **kw)
        if check and p.returncode:
            raise LabError(f"sixtap {' '.join(map(str, argv))}: status {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def json(self, *argv, check=True, **kw):
        p = self("--json", *argv, check=check, **kw)
        try:
            return json.loads(p.stdout)
        except ValueError:
            raise LabError(f"sixtap --json {' '.join(argv)}: status {p.returncode}, no JSON\n{p.stdout}{p.stderr}")

    def network(self, name="lan"):
        return next(n for n in self.json("status", name)["networks"] if n["name"] == name)

    def guest(self, name, network="lan"):
        """A guest as `status` shows it, or None."""
        return next((g for g in self.network(network).get("guests", []) if g.get("name") == name), None)

    def processes(self):
        """The daemon's processes: {"monitor": pid, "main": pid, "engine": pid, "resolver": pid}, as far as they run."""
        roles = {"sixtapd": "monitor", "sixtapd-main": "main", "sixtapd-engine": "engine", "sixtapd-dns": "resolver"}
        found = {}
        for path in glob.glob("/proc/[0-9]*/comm"):
            pid = int(path.split("/")[2])
            with contextlib.suppress(OSError):
                with open(path) as f:
                    role = roles.get(f.read().strip())
                mine = pid in self.seen     # one that is ending leaves its namespace before its sockets are closed
                with contextlib.suppress(OSError):
                    mine = os.stat(f"/proc/{pid}/ns/net").st_ino == self.ns.inode
                if role and mine and alive(pid):
                    self.seen.add(pid)
                    found[role] = pid
        return found

    def kill(self):
        """SIGKILL for all of them, first for the one that would start the others again, and with which some end by themselves."""
        found = self.processes()
        for role in sorted(found, key=lambda r: r != "monitor"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found[role], signal.SIGKILL)
        # One that is ending has left its namespace before its sockets are closed: whoever comes now could still connect to it.
        wait(lambda: not self.processes() and not any(map(alive, found.values())), 10, "the daemon is gone")

    def down(self):
        with contextlib.suppress(Exception):
            self("down", "-q", check=False, timeout=20)


class Guest:
    """A QEMU guest on an emulated processor, driven over a virtio serial port."""

    def __init__(self, lab, name, start, append="", memory=128, qemu=(), daemonize=False):
        """@start(argv) runs QEMU with these arguments and returns a Popen."""
        self.lab, self.name = lab, name
        self.dir = os.path.join(lab.dir, "guest-" + name)
        os.makedirs(self.dir, exist_ok=True)
        self.console, self.pidfile = self.dir + "/console.log", self.dir + "/pid"
        control = self.dir + "/control"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(control)
        # /dev/kvm may be there and hang.
        self.argv = ["qemu-system-x86_64", "-name", name, "-M", "q35", "-accel", "tcg", "-m", str(memory), "-nodefaults",
                     "-no-user-config", "-display", "none", "-no-reboot", "-pidfile", self.pidfile,
                     "-kernel", GUEST + "/vmlinuz", "-initrd", GUEST + "/initramfs.gz",
                     "-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check "
                                f"random.trust_cpu=on cryptomgr.notests guest={name} {append}".strip(),
                     "-serial", "file:" + self.console, "-chardev", f"socket,id=control,path={control},server=on,wait=off",
                     "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control",
                     *(["-daemonize"] if daemonize else []), *qemu]
        self.serial, self.buffer, self.counter, self.lock = None, b"", 0, threading.Lock()
        self.started = time.monotonic()
        self.process = start(self.argv)
        lab.guests.append(self)

    def why(self):
        text = ""
        for path in (getattr(self.process, "log", ""), self.console):
            with contextlib.suppress(OSError), open(path, errors="replace") as f:
                text += f.read()[-1500:]
        return text

    def boot(self, timeout=120):
        """Wait for the guest's shell; returns the seconds since QEMU was started."""
        def connect():
            if self.process and self.process.poll() not in (None, 0):
                raise LabError(f"{self.name}: QEMU ended with {self.process.returncode}\n{self.why()}")
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.dir + "/control")
                return s
            except OSError:
                s.close()
        self.serial = wait(connect, 30, f"{self.name}: QEMU opens its control port")
        self._reply("ready", timeout)
        return time.monotonic() - self.started

    def _reply(self, mark, timeout):
        """Read on until "@MARK STATUS BYTES" and what follows it."""
        end_at = time.monotonic() + timeout

        def more():
            self.serial.settimeout(max(0.01, end_at - time.monotonic()))
            try:
                part = self.serial.recv(65536)
            except TimeoutError:
                part = None
            if not part:
                raise LabError(f"{self.name}: no answer on the control port within {timeout:g} s\n{self.why()}")
            self.buffer += part
        while True:
            at = self.buffer.find(b"@" + mark.encode() + b" ")
            eol = self.buffer.find(b"\n", at) if at >= 0 else -1
            if eol >= 0:
                break
            more()
        status, size = map(int, self.buffer[at:eol].split()[1:3])
        self.buffer = self.buffer[eol + 1:]
        while len(self.buffer) < size:
            more()
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return status, out.decode(errors="replace")

    def sh(self, command, timeout=60):
        """Run a command line in the guest: (status, output)."""
        with self.lock:
            self.counter += 1
            self.serial.sendall(f"{self.counter} {command}\n".encode())
            return self._reply(str(self.counter), timeout)

    def out(self, command, timeout=60):
        status, text = self.sh(command, timeout)
        return text.strip() if status == 0 else ""

    def fetch(self, address, port, timeout=4):
        where = f"[{address}]" if ":" in address else address
        return self.out(f"timeout {timeout} wget -q -O - http://{where}:{port}/cgi-bin/who", timeout + 60)

    def addresses(self, dev="eth0"):
        """Usable IPv6 and IPv4 addresses: [(ipaddress, {flags})]; busybox ip prints no JSON."""
        found = []
        for line in self.out(f"ip addr show dev {dev}").splitlines():
            w = line.split()
            if w and w[0] in ("inet", "inet6") and "tentative" not in w:
                found.append((ipaddress.ip_interface(w[1]), set(w[2:])))
        return found

    @property
    def pid(self):
        with open(self.pidfile) as f:
            return int(f.read())

    def close(self):
        if self.serial:
            self.serial.close()
            self.serial = None
        with contextlib.suppress(OSError, ValueError):
            pid = self.pid
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if self.pidfile.encode() in f.read():   # still that process
                    end(pid, 1.0)
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
