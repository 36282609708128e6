# SPDX-License-Identifier: GPL-2.0-or-later
"""Several daemons, each in its network namespace, know nothing of each other."""
import glob, os, shutil, socket, struct, subprocess
from lab import wait
from libnet import World, LAN, WEB_MAC, WEB4, merged


def test_two_namespaces_at_once(lab):
    a, b = World(lab, uplink=False, name="one"), World(lab, uplink=False, name="two")
    for w in (a, b):
        w.configure(merged(LAN, mode="isolated", guests__web__forward=None))
        w.found = w.state()
        w.up()
    ga = a.guest("ga", WEB_MAC)
    gb = b.guest("gb", WEB_MAC)
    assert ga.udhcpc() == WEB4 and gb.udhcpc() == WEB4
    wait(lambda: len(set(a.sixtap.processes().values()) | set(b.sixtap.processes().values())) == 8, 10, "twice four processes")
    a.finish()
    assert "lan" in b.host.links() and b.sixtap.network()["state"] == "up"
    assert gb.udhcpc() == WEB4
    b.finish()


def test_default_folders_differ_by_namespace(lab):
    """Without any option each namespace has a run and state folder of its own."""
    worlds = [World(lab, uplink=False, name=n) for n in ("one", "two")]
    own = lambda: {f for w in worlds for top in ("/run/sixtap", "/var/lib/sixtap") for f in glob.glob(f"{top}/netns-{cookie(w.host)}*")}
    made = set()
    try:
        for w in worlds:
            w.configure(merged(LAN, mode="isolated", guests=None))
            w.found = w.state()
            w.host.run(w.sixtap.binary, "-c", w.sixtap.config, "up", env=w.sixtap.env)
        made = own()
        assert len([d for d in made if d.startswith("/run/")]) == 2, made
        for w in worlds:
            assert set(w.sixtap.processes()) == {"monitor", "main", "engine", "resolver"}
            w.host.run(w.sixtap.binary, "-c", w.sixtap.config, "down", env=w.sixtap.env)
            wait(lambda: not w.sixtap.processes(), 20, "the daemon ends")
    finally:
        made |= own()
        for ns in lab.all.values():
            for pid in ns.pids():
                os.kill(pid, 9)
        for d in made:
            shutil.rmtree(d, ignore_errors=True)


def cookie(ns):
    with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return struct.unpack("Q", s.getsockopt(socket.SOL_SOCKET, 71, 8))[0]       # SO_NETNS_COOKIE


def test_folders_of_namespaces_that_are_gone(lonely):
    """The next daemon removes what they left, and nothing else."""
    other, gone = lonely.lab.ns("other"), lonely.lab.ns("gone")
    base = os.path.join(lonely.lab.dir, "all")
    folders = {name: f"{base}/netns-{cookie(ns)}" for name, ns in (("own", lonely.host), ("other", other), ("gone", gone))}
    folders.update(strange=f"{base}/netns-backup", person=f"{base}/somebody", number=f"{base}/netns-1x")
    for d in folders.values():
        os.makedirs(d + "/leases", exist_ok=True)
        with open(d + "/leases/leases.db.old", "w") as f:
            f.write("x")
    subprocess.run(["ip", "netns", "del", gone.name], check=True)
    os.close(gone.fd)
    del lonely.lab.all["gone"]
    lonely.sixtap.state_dir = folders["own"]
    lonely.up()
    left = {name for name, d in folders.items() if os.path.exists(d + "/leases/leases.db.old")}
    assert left == set(folders) - {"gone"} and not os.path.exists(folders["gone"])


def test_netns_option(world):
    """--netns enters a namespace by name, from anywhere."""

    s = world.sixtap
    argv = [s.binary, "--netns", world.host.name, "-c", s.config, "--run-dir", s.run_dir, "--state-dir", s.state_dir]
    subprocess.run([*argv, "up", "-q"], check=True, timeout=30, stdin=subprocess.DEVNULL, env=s.env)
    assert "lan" in world.host.links()
    assert set(s.processes()) == {"monitor", "main", "engine", "resolver"}
    subprocess.run([*argv, "down", "-q"], check=True, timeout=30, stdin=subprocess.DEVNULL, env=s.env)
    assert "lan" not in world.host.links()
