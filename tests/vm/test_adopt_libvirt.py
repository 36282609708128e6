# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of the real libvirtd on <interface type='direct'>, adopted while it runs."""
import contextlib, glob, ipaddress, json, os, random, socket, time
import pytest
from lab import GUEST, Lab, LabError, Sixtap, wait
from libmacvtap import PREFIXES, Wire, device_number, group_of

MAC = "52:54:00:aa:bb:01"
# Everything that a libvirtd of the machine might own is another's: this one, and sixtap beside it, see folders of their own.
FOLDERS = """for d in /etc/libvirt/qemu /var/lib/libvirt /run/libvirt /var/cache/libvirt /var/log/libvirt; do
	mkdir -p "$0$d" "$d" && mount --bind "$0$d" "$d" || exit 1
done
"""
XML = """<domain type='qemu'><name>ha</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{guest}/vmlinuz</kernel><initrd>{guest}/initramfs.gz</initrd>
<cmdline>console=ttyS0 quiet panic=-1 no_timer_check guest=ha dhcp4=no dhcp6=no tempaddr=2</cmdline></os><features><acpi/><apic/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/><memballoon model='none'/>
<interface type='direct'><mac address='{mac}'/><source dev='eth0'/><model type='virtio'/></interface>
<controller type='virtio-serial'/><channel type='unix'><source mode='bind' path='{dir}/control'/>
<target type='virtio' name='control'/></channel>
<serial type='file'><source path='{dir}/serial'/></serial></devices></domain>
"""


def own_index(ns):
    """/dev is everybody's, and libvirt opens /dev/tapN by the index alone: from here on those that no macvtap of others has."""
    n = max((int(p[8:]) for p in glob.glob("/dev/tap[0-9]*")), default=0) + random.randrange(50, 300)
    ns.run("ip", "-batch", "-", input="".join(f"link add d{i} group 77 type bridge\n" for i in range(n)))
    ns.ip("link", "del", "group", 77)


class Probes:
    """Addresses that somebody on the wire probed for."""

    def __init__(self, ns, dev):
        self.s, self.found = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd)), []
        self.s.bind((dev, 0x86dd))
        self.s.setblocking(False)

    def seen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                f = self.s.recv(2000)
                if f[20] == 58 and f[54] == 135 and f[22:38] == bytes(16):
                    self.found.append(str(ipaddress.IPv6Address(f[62:78])))
        return self.found


class Libvirt:
    def __init__(self, wire):
        self.wire, self.dir = wire, os.path.join(wire.lab.dir, "libvirt")
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        with open(self.dir + "/libvirtd.conf", "w") as f:
            f.write('auth_unix_rw = "none"\nauth_unix_ro = "none"\nlog_outputs = "3:stderr"\n')
        with open(self.dir + "/qemu.conf", "w") as f:
            f.write('user = "root"\ngroup = "root"\nsecurity_driver = "none"\nnamespaces = []\ncgroup_controllers = []\n'
                    'remember_owner = 0\nstdio_handler = "file"\n')
        self.sh('mount --bind "$0/qemu.conf" /etc/libvirt/qemu.conf && exec libvirtd -f "$0/libvirtd.conf" -p "$0/pid"', popen=True)
        wait(lambda: self.virsh("list", check=False).returncode == 0, 60, "libvirtd answers")

    def sh(self, text, *argv, popen=False, **kw):
        run = self.wire.host.popen if popen else self.wire.host.run
        return run("sh", "-c", FOLDERS + text, self.dir, *argv, **(dict(log="libvirtd") if popen else kw))

    def virsh(self, *argv, **kw):
        return self.sh('exec virsh -q -c qemu:///system "$@"', *argv, **kw)

    def start(self, domain, mac):
        """Start a guest; again, when somebody else's macvtap has the index of its. The device's name."""
        for _ in range(5):
            own_index(self.wire.host)
            p = self.virsh("start", domain, timeout=60, check=False)
            for l in self.wire.host.links().values():
                node = f"/dev/tap{l['ifindex']}"
                if l["address"] == mac and os.path.exists(node) and os.stat(node).st_rdev == device_number(self.wire.host, l["ifname"]):
                    return l["ifname"]
            self.virsh("destroy", domain, check=False)
        raise LabError(f"{domain} got no device of its own: {p.stderr}")


@pytest.fixture
def lab():
    with Lab("vm") as lab:
        lab.start_capture()
        yield lab


def doctor_mends(wire, device, run, address):
    """`sixtap doctor` says what the guest lacks, by its libvirt name, and --fix has the daemon adopt it again."""
    run("release", "libvirt:ha")
    for on in "on", "off":      # only then the kernel works its filter out anew
        wire.host.ip("link", "set", device, "promisc", on)
    wait(lambda: not wire.reaches(address, 1), 10, "the fault is back")
    # libvirt holds the monitor, and the host never heard of the guest: that is said, and no health claimed of it.
    p = run("doctor", check=False)
    assert "macvtap.multicast-filtered: what libvirt:ha listens to isn't known" in p and "sixtap doctor --probe" in p, p
    # Asked itself, it says which groups it listens to.
    filtered = lambda *argv: [f for f in json.loads(run("--json", "doctor", *argv, check=False))["findings"]
                              if f["id"] == "macvtap.multicast-filtered"]
    [f] = wait(lambda: filtered("--probe"), 30, "it says which groups it listens to")
    assert f["guest"] == "libvirt:ha" and f["basis"] == "measured", f
    # A guest that spoke to the host, by way of a switch that sends back, is a neighbour.
    wire.host.ip("neigh", "replace", address, "lladdr", MAC, "dev", "eth0", "nud", "stale")
    [f] = filtered()
    assert f["guest"] == "libvirt:ha" and f["fixable"] and "sixtap adopt libvirt:ha" in f["fix"][0]["commands"], f
    out = run("doctor", "--fix", "macvtap.multicast-filtered", check=False)
    assert "adopted libvirt:ha: joined" in out and f"no longer found on {device}" in out, out
    wait(lambda: wire.reaches(address, 2), 30, "it is reached")


@pytest.mark.skipif(not os.path.exists(GUEST + "/vmlinuz"), reason="no guest image: tools/guest-image")
def test_live(lab):
    wire = Wire(lab, radvd=3)
    libvirt = Libvirt(wire)
    sixtap = Sixtap(lab, wire.host)
    sixtap.write("networks: {}\n")
    run = lambda *argv, **kw: libvirt.sh('exec "$@"', *sixtap.argv(*argv), env=sixtap.env, **kw).stdout
    path = libvirt.dir + "/ha.xml"
    with open(path, "w") as f:
        f.write(XML.format(guest=GUEST, mac=MAC, dir=libvirt.dir))
    libvirt.virsh("define", path)
    probes = Probes(wire.peer, "p0")
    device = libvirt.start("ha", MAC)
    # An address that isn't made of the MAC: the host's own link-local address on the macvtap doesn't let its group in.
    mine = lambda: {a for a in probes.seen() if a.startswith(PREFIXES) and "ff:fe" not in a}
    wait(lambda: len(mine()) >= 3, 150, "three temporary addresses", interval=0.3)
    time.sleep(3)       # they are the guest's after a second, and all its reports are out: nothing helps but to ask
    address = wire.filtered(mine())
    assert address, "the fault isn't there: this test would prove nothing"
    # The guest has a second to tell its groups; on an emulated processor it may take longer, and tells the next who asks.
    wait(lambda: (lambda out: "adopted libvirt:ha: joined" in out and group_of(address) in out)(run("adopt", "libvirt:ha")), 30, "adopted")
    wait(lambda: wire.reaches(address, 2), 30, "it is reached")
    [dev] = sixtap.json("status")["adopted"][0]["devices"]
    assert dev["mode"] == "vepa" and dev["lower"] == "eth0" and dev["mac"] == MAC
    doctor_mends(wire, device, run, address)
    libvirt.virsh("destroy", "ha")
    wait(lambda: sixtap.json("status")["adopted"][0]["state"] == "away", 30, "it is off")
    wire.macvtap("52:54:00:00:00:99", name=device)          # another takes its interface's name
    another = libvirt.start("ha", MAC)
    again = wait(lambda: sixtap.json("status")["adopted"][0]["devices"], 40, "it is back under another name")
    assert another != device and [(d["device"], d["mac"]) for d in again] == [(another, MAC)]
    libvirt.virsh("destroy", "ha")
    # By the library alone, where no file tells.
    out = libvirt.sh('mkdir "$0/none" && mount --bind "$0/none" /etc/libvirt/qemu && exec "$@"',
                     *sixtap.argv("adopt", "--runtime", "libvirt:ha"), env=dict(sixtap.env, LIBVIRT_DEFAULT_URI="qemu:///system"))
    assert "adopted libvirt:ha" in out.stdout
    p = libvirt.sh('exec "$@"', *sixtap.argv("adopt", "libvirt:nobody"), env=sixtap.env, check=False)
    assert p.returncode == 1 and "libvirt knows no guest" in p.stderr, p.stderr
    run("release", "libvirt:ha")
