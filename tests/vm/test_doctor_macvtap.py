# SPDX-License-Identifier: GPL-2.0-or-later
"""A real guest behind a macvtap that QEMU was started on by hand, known to `sixtap doctor` by its QMP socket."""
import json, os
import pytest
from lab import GUEST, Guest, Lab, Sixtap, wait
from libmacvtap import Wire, group_of, open_macvtap

MAC = "52:54:00:aa:bb:07"


@pytest.mark.skipif(not os.path.exists(GUEST + "/vmlinuz"), reason="no guest image: tools/guest-image")
def test_by_qmp():
    with Lab("vm") as lab:
        wire = Wire(lab, radvd=3)
        sixtap = Sixtap(lab, wire.host)
        sixtap.write("networks: {}\n")
        dev = wire.macvtap(MAC)
        fd = open_macvtap(wire.host, dev)
        monitor = os.path.join(lab.dir, "qmp")
        start = lambda argv: wire.host.popen(*argv, "-qmp", f"unix:{monitor},server=on,wait=off", "-netdev", f"tap,id=n0,fd={fd}",
                                             "-device", f"virtio-net-pci,netdev=n0,mac={MAC}", pass_fds=[fd], log="qemu")
        g = Guest(lab, "ha", start, append="dhcp4=no dhcp6=no tempaddr=2")
        os.close(fd)
        g.boot(90)
        mine = lambda: [str(a.ip) for a, _ in g.addresses() if a.version == 6 and "ff:fe" not in str(a.ip)]
        wait(lambda: len(mine()) >= 3, 40, "three addresses that aren't made of the MAC", interval=0.5)
        address = wait(lambda: wire.filtered(mine()), 10, "the fault is there")
        run = lambda *argv: wire.host.run(*sixtap.argv(*argv), check=False, timeout=60, env=dict(sixtap.env, LC_ALL="C.UTF-8"))
        f = next(f for f in json.loads(run("--json", "doctor").stdout)["findings"] if f["id"] == "macvtap.multicast-filtered")
        row = next(r for r in f["evidence"]["table"] if r["multicast group"] == group_of(address))
        assert f["subject"] == dev and row["guest listens"] == "yes" and row["lets in"] == "no", f
        assert "QMP query-rx-filter" in f["evidence"]["seen_in"], f
        p = run("doctor", "--fix", "macvtap.multicast-filtered")
        assert p.returncode == 0 and f"adopted {dev}: joined" in p.stdout and "no longer found" in p.stdout, p.stdout + p.stderr
        assert wire.reaches(address, 2)
        sixtap("down", "-q", check=False)
        wait(lambda: not sixtap.processes(), 20, "the daemon ends")
