# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that somebody else started with -qmp, as a user of his own: adopt --monitor."""
import json, os, socket
import pytest
from lab import GUEST, Guest, Lab, Sixtap, wait
from libmacvtap import PREFIX, Wire, open_macvtap, group_of

MAC = "52:54:00:aa:bb:07"


@pytest.fixture
def lab():
    with Lab("vm") as lab:
        lab.start_capture()
        yield lab


class Foreign:
    """Its folder is nobody else's; so only root may connect."""

    def __init__(self, lab, wire):
        self.lab, self.wire = lab, wire
        wire.macvtap(MAC, mode="vepa", name="macvtap0")
        self.dir = os.path.join(lab.dir, "alice")
        os.mkdir(self.dir, 0o700)
        os.chown(self.dir, 1234, 1234)
        self.path = self.dir + "/qmp"

    def start(self):
        fd = open_macvtap(self.wire.host, "macvtap0")
        start = lambda argv: self.wire.host.popen(
            "setpriv", "--reuid", 1234, "--regid", 1234, "--clear-groups", *argv, log="qemu", pass_fds=[fd])
        folder = os.path.join(self.lab.dir, "guest-alice")
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, 1234, 1234)
        os.chmod(self.lab.dir, 0o755)
        g = Guest(self.lab, "alice", start, append="dhcp4=no dhcp6=no tempaddr=2",
                  qemu=["-netdev", f"tap,id=n,fd={fd}", "-device", f"virtio-net-pci,netdev=n,id=nic7,mac={MAC}",
                        "-qmp", f"unix:{self.path},server=on,wait=off"])
        os.close(fd)
        g.boot(90)
        return g

    def greeting(self, timeout):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.settimeout(timeout)
            try:
                return json.loads(s.recv(4096).decode())
            except TimeoutError:
                return None


def because(sixtap):
    devices = sixtap.json("status")["adopted"][0]["devices"]
    return {r for d in devices for g in d["groups"] for r in g["because"]}


@pytest.mark.skipif(not os.path.exists(GUEST + "/vmlinuz"), reason="no guest image: tools/guest-image")
def test_a_monitor_of_somebody_elses(lab):
    wire = Wire(lab, radvd=1)
    sixtap = Sixtap(lab, wire.host)
    sixtap.write("networks: {}\n")
    foreign = Foreign(lab, wire)
    err = lambda *argv: sixtap("adopt", *argv, check=False)
    for argv, status, text in [(("macvtap0", "--monitor", foreign.path), 1, "server=on,wait=off"),
                               (("macvtap0", "--monitor", lab.dir), 1, "is no socket"),
                               (("macvtap0", "--monitor", "qmp"), 2, "isn't an absolute path"),
                               (("macvtap0", "--monitor", "/" + "x" * 200), 2, "is longer than"),
                               (("libvirt:ha", "--monitor", foreign.path), 2, "keeps its monitor to itself"),
                               (("all", "--monitor", foreign.path), 2, "is one guest's"),
                               (("macvtap0", "macvtap1", "--monitor", foreign.path), 2, "one guest's")]:
        p = err(*argv)
        assert p.returncode == status and text in p.stderr, (argv, p.returncode, p.stderr)
    g = foreign.start()
    out = sixtap("adopt", "macvtap0", "--monitor", foreign.path).stdout
    assert f"its QEMU tells of its groups, too: {foreign.path}" in out, out
    saved = os.path.join(os.path.dirname(sixtap.config), "adopted.yaml")
    with open(saved) as f:
        assert f"{{ subject: 'macvtap0', monitor: '{foreign.path}' }}" in f.read()
    assert sixtap("adopt", "macvtap0").stdout.count(foreign.path) == 1, "it stays when it isn't named again"
    a = wait(lambda: [str(x.ip) for x, _ in g.addresses() if str(x.ip).startswith(PREFIX)], 90, "an address", interval=0.3)[0]
    wait(lambda: group_of(a) in wire.groups("macvtap0"), 30, "its group")
    assert foreign.greeting(0.3) is None, "a monitor has one client"

    # The daemon is killed; the next one reads the file. And QEMU is another one.
    sixtap.kill()
    sixtap("up", "-q")
    wait(lambda: "qmp" in because(sixtap), 30, "it is asked again")
    os.kill(g.pid, 9)
    g.process.wait(30)
    os.unlink(foreign.path)
    wait(lambda: "qmp" not in because(sixtap), 30, "its QEMU is gone")
    wait(lambda: f"its QEMU can't be asked: {foreign.path}: No such file" in sixtap("status").stdout, 30, "and status says so")
    g = foreign.start()
    wait(lambda: "qmp" in because(sixtap), 60, "the new one is found at the tick")

    sixtap("release", "macvtap0")
    assert (foreign.greeting(30) or {}).get("QMP"), "we have hung up"
    assert g.process.poll() is None
    with open(saved) as f:
        assert "macvtap0" not in f.read()
