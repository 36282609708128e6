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
    wait(lambda: g.out("cat /run/address6") and g.out("grep ^ip= /run/lease4"), 20, f"{name} has its leases", interval=0.3)
    return m or g


def test_every_cell_of_the_demo(up, lab):
    boot(up, *GUESTS)
    results = {}

    def row(name):
        m = Measure(up, name)
        for key, _ in CELLS:
            results[name, key] = m.cell(key)
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
    wait(lambda: not taps(up), 5, "the tap is gone")
    wait(lambda: up.sixtap.guest("web")["state"] == "declared", 5, "`status` knows it")
    # And the same guest starts again, with the same addresses.
    up.guests.pop("web").close()
    boot(up, "web")
    online(up, "web")
    assert "192.168.150.10" in str(up.guests["web"].addresses())


def test_daemonize(up, lab):
    boot(up, "web", daemonize=True)
    g = up.guests["web"]
    assert g.process.wait(10) == 0, "the first process ends"
    online(up, "web")
    assert len(taps(up)) == 1
    assert up.outside.fetch(UPLINK4, GUESTS["web"]).startswith("web")
    pid = g.pid
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not taps(up), 5, "the tap is gone")
    wait(lambda: up.sixtap.guest("web")["state"] == "declared", 5, "`status` knows it")


def test_queues(up, lab):
    boot(up, "web", options=("--queues", "2"), qemu=("-smp", "2"))
    g = up.guests["web"]
    online(up, "web")
    queues = g.out("ls /sys/class/net/eth0/queues")
    assert queues.count("rx-") == 2 and queues.count("tx-") == 2, queues
    assert g.fetch(OUTSIDE4, 80).startswith("outside") and g.fetch(OUTSIDE6, 80).startswith("outside")


def test_daemon_dies_under_a_running_guest(up, lab):
    """kill -9 of every process, one after the other: the guest's connections go on, its leases are renewed."""
    boot(up, "web")
    g = up.guests["web"]
    online(up, "web")
    g.sh(f"ping -q -i 0.1 {OUTSIDE6} >/run/flow 2>&1 & echo $! >/run/flow.pid; "
         f"ping -q -i 0.1 {OUTSIDE4} >/run/flow4 2>&1 & echo $! >/run/flow4.pid")
    for role in ("resolver", "engine", "main", "monitor"):
        before = wait(lambda: (lambda p: p if len(p) == 4 else None)(up.sixtap.processes()), 15, "all four run")
        os.kill(before[role], signal.SIGKILL)
        wait(lambda: not alive(before[role]), 3, "dead")
        if role == "monitor":
            up.sixtap("up", "-q")
    wait(lambda: len(up.sixtap.processes()) == 4, 15, "all four run")
    for f in ("flow", "flow4"):
        g.sh(f"kill -INT $(cat /run/{f}.pid); sleep 0.3")
        m = re.search(r"(\d+) packets transmitted, (\d+) packets received", g.out(f"cat /run/{f}"))
        assert int(m[1]) >= 3 and int(m[1]) - int(m[2]) <= 1, m[0]       # the last may be on its way
    assert len(taps(up)) == 1
    wait(lambda: up.sixtap.guest("web")["state"] == "attached", 10, "the guest is known")
    status, _ = g.sh("kill -USR1 $(cat /run/udhcpc.pid); sleep 1; grep -q 192.168.150.10 /run/lease4")
    assert status == 0
    assert up.outside.fetch(UPLINK4, GUESTS["web"]).startswith("web")


def test_config_changes_under_a_running_guest(up, lab):
    """`up` with another configuration: no packet is lost, the new forward works at once."""
    boot(up, "web")
    g = up.guests["web"]
    online(up, "web")
    g.sh(f"ping -q -i 0.1 {OUTSIDE6} >/run/flow 2>&1 & echo $! >/run/flow.pid")
    with open(up.config) as f:
        text = f.read()
    up.sixtap.write(text.replace("8080:80", "8088:80"))
    assert up.sixtap.json("up")["changed"] is True
    assert up.outside.fetch(UPLINK4, 8088).startswith("web")
    g.sh("kill -INT $(cat /run/flow.pid); sleep 0.3")
    m = re.search(r"(\d+) packets transmitted, (\d+) packets received", g.out("cat /run/flow"))
    assert int(m[1]) - int(m[2]) <= 1, m[0]


def test_privacy_addresses(up, lab):
    """A guest with temporary addresses talks to the outside with one of them."""
    boot(up, "web", append="tempaddr=2")
    g = up.guests["web"]

    def addresses():
        return [a for a, flags in g.addresses() if a.version == 6 and a.ip in up.gateway6.network and a.network.prefixlen == 64]
    wait(lambda: len(addresses()) >= 2, 20, "two addresses by SLAAC", interval=0.3)
    assert g.fetch(OUTSIDE6, 80).startswith("outside")
