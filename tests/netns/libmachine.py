# SPDX-License-Identifier: GPL-2.0-or-later
"""libmachine - a host that boots: systemd as its first process, this machine's files, and nothing of this machine's network.

A Machine is an Ns whose commands run inside the container once it is booted. Its root is
an overlay over this machine's, kept in memory, with what tools/host-image unpacked and
without what this machine starts, mounts and configures; only static units of packages run.
Its own are the namespaces (mount, PID, network, cgroup, UTS, IPC), /dev, /run and a cgroup
v2 tree, in which systemd sets up what it does anywhere else: sandboxes, seccomp filters,
device rules in BPF. It boots in less than a second. What is the whole kernel's isn't in
its hands: clock, modules, sysctls other than net.*, devices other than network interfaces.

A reboot ends the first process and every other one, and makes a new network namespace,
into which eth0 moves: what is left is what is on disk.
"""
import contextlib, fcntl, glob, os, re, shutil, signal, subprocess, tempfile
import pytest
from lab import LabError, Ns, ROUTER4, Sixtap, TOP, UPLINK4, wait
from libnet import World

IMAGE = os.path.join(TOP, "build", "host", "root")
DEB = os.path.join(TOP, "build", "deb")

# $1: a folder in which the machine is made; $2: the image; $3: the name of its cgroup
MAKE = r"""
mount -t tmpfs -o mode=755 machine "$1"
cd "$1"
mkdir up work root cgroup
cp -a "$2"/. up/
mount -t overlay -o lowerdir=/,upperdir=up,workdir=work machine root
for part in usr var; do         # a part with a file system of its own isn't seen through /
	mountpoint -q /$part || continue
	mkdir up.$part work.$part
	[ ! -d up/$part ] || cp -a up/$part/. up.$part/
	mount -t overlay -o lowerdir=/$part,upperdir=up.$part,workdir=work.$part machine root/$part
done
mount -t cgroup2 cgroup2 cgroup
mkdir cgroup/"$3"
cd root
rm -rf etc/systemd/system/* etc/systemd/network/* etc/systemd/*.conf.d etc/fstab etc/rc*.d/* etc/udev/rules.d/* etc/network/interfaces* \
	etc/netplan etc/sysctl.conf etc/sysctl.d/* etc/modules-load.d/* etc/NetworkManager/system-connections/* \
	etc/NetworkManager/conf.d/* etc/dhcpcd.conf etc/firewalld/zones/* etc/sixtap etc/gai.conf var/lib/sixtap var/log/journal \
	usr/local/bin/sixtap* usr/local/sbin/sixtap* usr/local/lib/systemd usr/local/lib/udev usr/local/lib/sysusers.d usr/sbin/policy-rc.d
mkdir -p etc/network/interfaces.d etc/netplan etc/sysctl.d
# Of devices other than network interfaces this udev knows nothing, and may do nothing.
find usr/lib/udev/rules.d ! -type d ! -name '*net*' ! -name '*nm*' ! -name '*ifupdown*' ! -name 99-systemd.rules -delete
mkdir etc/systemd/system/systemd-udev-trigger.service.d
printf '[Service]\nExecStart=\nExecStart=udevadm trigger --type=devices --action=add --subsystem-match=net\n' \
	>etc/systemd/system/systemd-udev-trigger.service.d/net.conf
find usr/lib/systemd/system-generators ! -type d ! -name netplan -delete
for unit in systemd-logind.service getty.target systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service \
	systemd-random-seed.service systemd-hwdb-update.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
	dev-hugepages.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
	apparmor.service; do
	ln -sf /dev/null etc/systemd/system/$unit
done
rm -f etc/resolv.conf etc/machine-id
echo "nameserver $4" >etc/resolv.conf
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >etc/machine-id
"""

# In namespaces of its own; $1: the machine's folder; $2: the lab's, which is seen inside; the rest: names in /run/netns that are, too
BOOT = r"""
hostname box
mount --make-rprivate /
cd "$1"/root
mount --bind . .
cd "$1"/root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid dev dev
mkdir dev/net dev/pts dev/shm
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
	mknod -m 666 dev/${node%%:*} c $(echo ${node#*:} | tr : ' ')
done
chmod 600 dev/net/tun
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for i in in:0 out:1 err:2; do ln -s fd/${i#*:} dev/std${i%:*}; done
mount -t tmpfs -o mode=755,nosuid,nodev run run
mount -t tmpfs -o mode=1777,nosuid tmp tmp
mkdir -p run/netns old ".$2"
mount --bind "$2" ".$2"
shift 2
for ns; do
	touch run/netns/$ns
	mount --bind /run/netns/$ns run/netns/$ns
done
pivot_root . old
umount -l /old
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv \
	--bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm,-audit_control \
	/lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=no </dev/null >/dev/null 2>&1
"""


def package():
    """The Debian package of what is in this folder, built when there is none that is as new."""
    sources = [os.path.join(TOP, "meson.build")]
    for folder in ("src", "data", "debian", "man", "completions"):
        sources += [os.path.join(d, f) for d, _, files in os.walk(os.path.join(TOP, folder)) for f in files if not f.endswith(".pyc")]
    newest = max(map(os.path.getmtime, sources))
    find = lambda: [d for d in glob.glob(DEB + "/sixtap_*.deb") if os.path.getmtime(d) > newest]
    os.makedirs(os.path.join(TOP, "build"), exist_ok=True)
    with open(os.path.join(TOP, "build", "deb.lock"), "w") as lock:     # pytest-xdist's workers
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not find():
            subprocess.run([os.path.join(TOP, "tools", "make-deb")], check=True, stdout=subprocess.DEVNULL)
    return find()[0]


def repacked(deb, to, version, programs=None):
    """The package again under another @version; @programs: a folder with other ones for its own."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["dpkg-deb", "-R", deb, d + "/x"], check=True)
        control = d + "/x/DEBIAN/control"
        with open(control) as f:
            text = f.read()
        with open(control, "w") as f:
            f.write(re.sub(r"(?m)^Version: .*", "Version: " + version, text))
        for name, folder in (("sixtap", "bin"), ("sixtapd", "sbin")) if programs else ():
            shutil.copy(os.path.join(programs, name), os.path.join(d, "x/usr", folder, name))
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", d + "/x", to], check=True, stdout=subprocess.DEVNULL)
    return to


class Machine(Ns):
    """One such host. Until it boots it is an Ns like any other."""

    def __init__(self, lab, name="host", sees=()):
        """@sees: names of namespaces of the lab that are in its /run/netns."""
        super().__init__(lab, name)
        lab.all[name] = self
        self.pid = self.boot_p = self.journal_p = None
        self.sees, self.boots, self.base = sees, 0, self.name
        self.folder = os.path.join(lab.dir, name + "-machine")
        os.makedirs(self.folder)
        if not os.path.isdir(IMAGE):
            subprocess.run([os.path.join(TOP, "tools", "host-image")], check=True, stdout=subprocess.DEVNULL)
        # What holds the mounts; it goes with us, however we end.
        self.holder = subprocess.Popen(["unshare", "--mount", "setpriv", "--pdeathsig", "KILL", "sleep", "infinity"],
                                       stdin=subprocess.DEVNULL)
        lab.defer(self.close)
        wait(lambda: self._comm(self.holder.pid) == "sleep", 15, "a mount namespace")
        p = subprocess.run([*self._in_mounts(), "sh", "-euc", MAKE, "make", self.folder, IMAGE, self.base, ROUTER4],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        for kind in ("overlay", "cgroup2"):
            with open("/proc/filesystems") as f:
                if kind not in f.read().split():
                    pytest.skip(f"kernel without {kind}")
        if p.returncode:
            raise LabError(f"cannot make a machine:\n{p.stdout}")

    @staticmethod
    def _comm(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
            return f.read().strip()

    @staticmethod
    def _children(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
        return []

    def _in_mounts(self):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]

    def argv(self, argv):
        if not self.pid:
            return super().argv(argv)
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *map(str, argv)]

    def path(self, path):
        """A file of its own, as seen from here."""
        if self.pid:
            return f"/proc/{self.pid}/root{path}"
        return f"/proc/{self.holder.pid}/root{self.folder}/root{path}"

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w") as f:
            f.write(text)

    def read(self, path):
        with open(self.path(path)) as f:
            return f.read()

    def boot(self):
        """Returns when its start is finished; the state that systemd is in then."""
        script = 'echo $$ >"$1"/cgroup/"$2"/cgroup.procs && shift 2 && exec "$@"'
        self.boot_p = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self._in_mounts(), f"--net=/run/netns/{self.name}", "sh", "-c", script, "boot", self.folder,
             self.base, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child",
             "sh", "-euc", BOOT, "boot", self.folder, self.lab.dir, *self.sees],
            stdin=subprocess.DEVNULL, stdout=open(os.path.join(self.lab.dir, f"{self.short}-boot.log"), "w"), stderr=subprocess.STDOUT)

        def first():
            if self.boot_p.poll() is not None:
                with open(os.path.join(self.lab.dir, f"{self.short}-boot.log")) as f:
                    raise LabError(f"doesn't boot: {f.read()}")
            return next((p for p in self._children(self.boot_p.pid) if self._comm(p) == "systemd"), None)
        self.pid = wait(first, 30, "systemd runs")
        wait(lambda: os.path.exists(self.path("/run/systemd/private")), 30, "systemd answers")
        self.boots += 1
        state = self.run("systemctl", "is-system-running", "--wait", check=False, timeout=90).stdout.strip()
        with open(os.path.join(self.lab.dir, f"{self.short}-journal-{self.boots}.log"), "w") as f:
            self.journal_p = subprocess.Popen(self.argv(["journalctl", "-b", "-f", "-n", "all", "-o", "short-precise"]), stdin=subprocess.DEVNULL,
                                              stdout=f, stderr=subprocess.DEVNULL)
        return state

    def gone(self):
        """Its first process has ended, and every other one with it."""
        self.boot_p.wait(30)
        self.pid = None
        self.journal_p.wait(20)

    def reboot(self, dev="eth0"):
        """By systemctl; returns before it boots again, with @dev in a new network namespace."""
        # systemd waits for what was started from outside until its parent, an nsenter that stopped with it, has reaped it.
        for p in (self.journal_p, *self.lab.children):
            for pid in self._children(p.pid):
                if p.args[0] == "nsenter":
                    os.kill(pid, signal.SIGKILL)
                    p.wait(15)
        self.run("systemctl", "reboot", check=False)
        self.gone()
        for link in self.links():       # a capture may keep the old namespace
            if link not in ("lo", dev):
                self.ip("link", "del", link, check=False)
        old, self.name = self.name, f"{self.base}-{self.boots}"
        fd = self.fd
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", old, "link", "set", dev, "netns", self.name], check=True)
        self.fd = os.open("/run/netns/" + self.name, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino
        os.close(fd)
        subprocess.run(["ip", "netns", "del", old], check=True)
        self.ip("link", "set", "lo", "up")

    def close(self):
        if self.pid:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.boot_p.wait(10)
            self.pid = None
        if self.journal_p:
            self.journal_p.wait(5)
        top = f"/proc/{self.holder.pid}/root{self.folder}/cgroup/{self.base}"

        def removed():      # a process on its way out may hold its own
            for d, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(d)
            return not os.path.exists(top)
        with contextlib.suppress(LabError):
            wait(removed, 3)
        self.holder.kill()
        self.holder.wait()

    # what one does on it

    def show(self, unit, name):
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def dropin(self, unit, name, text):
        """A setting of the administrator's, until the next boot."""
        self.write(f"/run/systemd/system/{unit}.d/{name}.conf", "[Service]\n" + text)
        self.run("systemctl", "daemon-reload")

    def journal(self, unit="sixtapd"):
        return self.run("journalctl", "-b", "-u", unit, "-o", "cat").stdout

    def dpkg(self, *argv):
        return self.run("dpkg", "--force-unsafe-io", *argv, timeout=120, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


class MachineSixtap(Sixtap):
    """The installed command, with its usual folders."""

    def __init__(self, lab, machine):
        super().__init__(lab, machine, config="/etc/sixtap", binary="/usr/bin/sixtap")

    def argv(self, *argv):
        return [self.binary, *argv]

    def write(self, text):
        self.ns.write("/etc/sixtap/test.yaml", text)


class MachineWorld(World):
    """A World whose host is a Machine."""

    def __init__(self, lab, sees=()):
        self.lab, self.n_guests = lab, 0
        self.host = Machine(lab, sees=[lab.ns(name).name for name in sees])
        if lab.capture:
            lab.capture.add(self.host)
        self.router, self.outside = lab.upstream(self.host)
        self.sixtap = MachineSixtap(lab, self.host)

    def online(self):
        wait(self.host6, 30, "the host gets an IPv6 address by SLAAC")
        wait(self.host.default_route, 15, "the host gets an IPv6 default route by SLAAC")
        wait(lambda: self.router.serves_udp(53), 15, "the router's DNS server listens")

    def reboot(self):
        self.host.reboot()
        # what a distribution's static configuration would do
        self.host.ip("addr", "add", UPLINK4 + "/24", "dev", "eth0")
        self.host.ip("link", "set", "eth0", "up")
        self.host.ip("route", "add", "default", "via", ROUTER4, "dev", "eth0")
        return self.host.boot()
