# SPDX-License-Identifier: GPL-2.0-or-later
"""Real QEMU guests: the demo's table, -daemonize, several queues, and what SIGKILL leaves."""
import concurrent.futures, os, re, signal
from demo_cells import CELLS, GUESTS, Measure
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, Who, alive, wait


def taps(stage):
    return {n: l for n, l in stage.host.links().items() if l.get("linkinfo", {}).get("info_kind") == "tun"}


def boot(stage, *names, **kw):
    for n in names:
        stage.run_guest(n, **kw)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(stage.boot, names))


def online(stage, name):
    """The guest has all its addresses."""
    m = Measure(stage, name) if len(stage.guests) > 1 else None
    g = stage.guests[name]
    wait(lambda: g.out("cat /run/address6") and g.out("grep ^ip= /run/lease4"), 60, f"{name} has its leases", interval=0.3)
    # The address is written down before it is the interface's.
    wait(lambda: {a.version for a, _ in g.addresses() if not a.ip.is_link_local} == {4, 6}, 30, f"{name} has its addresses", interval=0.3)
    return m or g


class Pings:
    """A guest's unbroken stream of pings. The guest is slow, and may be stopped with several on their way: what counts are gaps."""

    def __init__(self, guest, address):
        self.guest, self.log = guest, "/run/flow-" + address.replace(":", "_")
        guest.sh(f"ping -i 0.1 {address} >{self.log} 2>&1 & echo $! >{self.log}.pid")
        wait(self.seen, 30, f"the first answer of {address}", interval=0.3)

    def seen(self):
        return {int(n) for n in re.findall(r"bytes from .* seq=(\d+)", self.guest.out(f"cat {self.log}"))}

    def lost(self):
        """The numbers of those that nobody answered, before others that somebody did."""
        last = max(self.seen())
        wait(lambda: max(self.seen()) > last + 5, 30, "pings are answered still", interval=0.3)
        self.guest.sh(f"kill -INT $(cat {self.log}.pid)")
        seen = self.seen()
        return sorted(set(range(max(seen))) - seen)


def test_every_cell_of_the_demo(up, lab):
    boot(up, *GUESTS)
    results = {}

    def row(name):
        m = Measure(up, name)
        for key, _ in CELLS:
            results[name, key] = m.cell(key, 45)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(row, GUESTS))
    bad = {k: r.text for k, r in results.items() if not r.ok}
    assert not bad and len(results) == len(GUESTS) * len(CELLS)
    assert up.leave() == []


def test_killed_qemu_leaves_nothing(up, lab):
    boot(up, "web")
    online(up, "web")
    assert len(taps(up)) == 1 and up.sixtap.guest("web")["state"] == "attached"
    os.kill(up.guests["web"].pid, signal.SIGKILL)
    wait(lambda: not taps(up), 15, "the tap is gone")
    wait(lambda: up.sixtap.guest("web")["state"] == "declared", 15, "`status` knows it")
    # And the same guest starts again, with the same addresses.
    up.guests.pop("web").close()
    boot(up, "web")
    online(up, "web")
    assert "192.168.150.10" in str(up.guests["web"].addresses())


def test_daemonize(up, lab):
    boot(up, "web", daemonize=True)
    g = up.guests["web"]
    assert g.process.wait(60) == 0, "the first process ends"
    online(up, "web")
    assert len(taps(up)) == 1
    wait(lambda: up.outside.fetch(UPLINK4, GUESTS["web"]).startswith("web"), 30, "the forwarded port")
    pid = g.pid
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not taps(up), 15, "the tap is gone")
    wait(lambda: up.sixtap.guest("web")["state"] == "declared", 15, "`status` knows it")


def test_queues(up, lab):
    boot(up, "web", options=("--queues", "2"), qemu=("-smp", "2"))
    g = up.guests["web"]
    online(up, "web")
    queues = g.out("ls /sys/class/net/eth0/queues")
    assert queues.count("rx-") == 2 and queues.count("tx-") == 2, queues
    for outside in OUTSIDE4, OUTSIDE6:
        wait(lambda: g.fetch(outside, 80).startswith("outside"), 30, f"the guest reaches {outside}")


def test_daemon_dies_under_a_running_guest(up, lab):
    """kill -9 of every process, one after the other: the guest's connections go on, its leases are renewed."""
    boot(up, "web")
    g = up.guests["web"]
    online(up, "web")
    flows = Pings(g, OUTSIDE6), Pings(g, OUTSIDE4)
    for role in ("resolver", "engine", "main", "monitor"):
        before = wait(lambda: (lambda p: p if len(p) == 4 else None)(up.sixtap.processes()), 30, "all four run")
        os.kill(before[role], signal.SIGKILL)
        wait(lambda: not alive(before[role]), 15, "dead")
        if role == "monitor":
            up.sixtap("up", "-q")
    wait(lambda: len(up.sixtap.processes()) == 4, 30, "all four run")
    for f in flows:
        assert f.lost() == []
    assert len(taps(up)) == 1
    wait(lambda: up.sixtap.guest("web")["state"] == "attached", 30, "the guest is known")
    status, _ = g.sh("kill -USR1 $(cat /run/udhcpc.pid); sleep 1; grep -q 192.168.150.10 /run/lease4")
    assert status == 0
    wait(lambda: up.outside.fetch(UPLINK4, GUESTS["web"]).startswith("web"), 30, "the forwarded port")


def test_config_changes_under_a_running_guest(up, lab):
    """`up` with another configuration: no packet is lost, the new forward works at once."""
    boot(up, "web")
    g = up.guests["web"]
    online(up, "web")
    flow = Pings(g, OUTSIDE6)
    with open(up.config) as f:
        text = f.read()
    up.sixtap.write(text.replace("8080:80", "8088:80"))
    assert up.sixtap.json("up")["changed"] is True
    wait(lambda: up.outside.fetch(UPLINK4, 8088).startswith("web"), 30, "the new port")
    assert flow.lost() == []


def test_privacy_addresses(up, lab):
    """A guest with temporary addresses talks to the outside with one of them."""
    boot(up, "web", append="tempaddr=2")
    g = up.guests["web"]

    def addresses():
        return [a for a, flags in g.addresses() if a.version == 6 and a.ip in up.gateway6.network and a.network.prefixlen == 64]
    wait(lambda: len(addresses()) >= 2, 60, "two addresses by SLAAC", interval=0.3)
    wait(lambda: g.fetch(OUTSIDE6, 80).startswith("outside"), 30, "the guest reaches the outside")
