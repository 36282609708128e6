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
        g.boot()
        mine = lambda: [str(a.ip) for a, _ in g.addresses() if a.version == 6 and "ff:fe" not in str(a.ip)]
        wait(lambda: len(mine()) >= 3, 90, "three addresses that aren't made of the MAC", interval=0.5)
        address = wait(lambda: wire.filtered(mine()), 30, "the fault is there")
        run = lambda *argv: wire.host.run(*sixtap.argv(*argv), check=False, timeout=60, env=dict(sixtap.env, LC_ALL="C.UTF-8"))

        def told():     # QEMU has a tenth of a second to answer, and emulates a processor beside it
            f = [f for f in json.loads(run("--json", "doctor").stdout)["findings"] if f["id"] == "macvtap.multicast-filtered"]
            rows = [r for r in f[0]["evidence"]["table"] if r["multicast group"] == group_of(address)] if f else []
            return rows and rows[0].get("guest listens") == "yes" and (f[0], rows[0])
        f, row = wait(told, 30, "QEMU tells what the guest listens to", interval=0.3)
        assert f["subject"] == dev and row["lets in"] == "no", f
        assert "QMP query-rx-filter" in f["evidence"]["seen_in"], f
        p = run("doctor", "--fix", "macvtap.multicast-filtered")
        assert p.returncode == 0 and f"adopted {dev}: joined" in p.stdout and "no longer found" in p.stdout, p.stdout + p.stderr
        wait(lambda: wire.reaches(address, 2), 20, "it is reached")
        sixtap("down", "-q", check=False)
        wait(lambda: not sixtap.processes(), 20, "the daemon ends")
