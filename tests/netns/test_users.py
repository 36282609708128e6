# SPDX-License-Identifier: GPL-2.0-or-later
"""Ordinary users run guests: whom the network allows, what they get, and that they can't get at more or wear us out."""
import json, os, pwd, shutil, time
import pytest
from lab import LabError, wait
from libnet import LAN, WEB_MAC, merged
from test_run import PROGRAM

ALICE, BOB, GROUP = "games", "man", "kvm"      # accounts that every Debian has
WEB = merged(LAN, allow=[ALICE, "@" + GROUP], guests__alices={"user": ALICE, "ipv4": "192.168.150.20", "forward": ["443:443"]})


@pytest.fixture
def users(world):
    """The network is up, and the command is where ordinary users may execute it."""
    here = os.path.join(world.lab.dir, "bin")
    os.makedirs(here, mode=0o755, exist_ok=True)
    world.command = shutil.copy(world.sixtap.binary, here)
    os.chmod(world.lab.dir, 0o755)
    world.configure(WEB)
    world.up()
    return world


def as_user(world, user, *argv, groups=None):
    uid = str(pwd.getpwnam(user).pw_uid) if user else "61234"
    return ["setpriv", "--reuid", uid, "--regid", uid, *(["--groups", groups] if groups else ["--clear-groups"]), "--no-new-privs",
            "--", world.command, *world.sixtap.argv(*argv)[1:]]


def sixtap(world, user, *argv, groups=None):
    return world.host.run(*as_user(world, user, *argv, groups=groups), check=False, env=world.sixtap.env)


def run(world, user, name, *options, groups=None):
    """Start a guest that stays; the process, or what it said on the way out."""
    program = world.lab.script("program", PROGRAM)
    log = os.path.join(world.lab.dir, f"host-run-{name}.log")
    before = os.path.getsize(log) if os.path.exists(log) else 0      # before it may write
    p = world.host.popen(*as_user(world, user, "run", "lan", "--name", name, *options, "--", "/usr/bin/python3", program, "stay",
                                  groups=groups), log=f"run-{name}", env=world.sixtap.env)
    assert p.log == log
    text = lambda: open(p.log).read()
    wait(lambda: "TAP" in text()[before:] or p.poll() is not None, 30, "it runs, or doesn't")
    p.said = text()[before:]
    return p


def refused(world, user, name, *options, groups=None):
    p = run(world, user, name, *options, groups=groups)
    assert p.poll() == 125, (p.poll(), p.said)
    assert p.said.startswith("sixtap: "), p.said
    assert not any(g["name"] == name and g["state"] == "attached" for g in world.sixtap.network()["guests"])
    return p.said


def end(world, *processes):
    for p in processes:
        p.kill()
        p.wait(5)
    wait(lambda: not [l for l in world.host.links().values() if l.get("linkinfo", {}).get("info_kind") == "tun"], 15,
         "taps go with their programs")


def test_allowed(users):
    p = run(users, ALICE, "one")
    assert p.poll() is None, p.said
    g = users.sixtap.guest("one")
    assert g["state"] == "attached" and g["user"] == ALICE
    q = run(users, BOB, "two", groups=GROUP)
    assert q.poll() is None, "a supplementary group of the process counts"
    uid = os.stat(f"/proc/{p.pid}").st_uid
    assert uid == pwd.getpwnam(ALICE).pw_uid, "QEMU is hers"
    end(users, p, q)
    wait(lambda: not users.sixtap.guest("one"), 15, "it is gone when its program is")


def test_qemu(users):
    """The real one, without any right of its own."""
    p = users.host.popen(*as_user(users, ALICE, "run", "lan", "--name", "vm", "--forward", "9000:80", "--queues", "2", "--",
                                  "qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-display", "none", "-nodefaults", "-S"),
                         log="qemu", env=users.sixtap.env)
    wait(lambda: p.poll() is not None or users.sixtap.guest("vm"), 30, "the guest is there")
    wait(lambda: p.poll() is not None or "qemu" in open(f"/proc/{p.pid}/cmdline").read().split("\0")[0], 20, "QEMU runs")
    time.sleep(1)
    assert p.poll() is None, open(p.log).read()
    assert users.sixtap.guest("vm")["forwards"] == [{"spec": "9000:80/tcp", "state": "waiting", "runtime": True}]
    end(users, p)
    wait(lambda: not users.sixtap.guest("vm"), 15, "all of it goes with QEMU")


def test_not_allowed(users):
    said = refused(users, BOB, "one")
    where = next(i for i, l in enumerate(open(users.sixtap.config), 1) if '"lan"' in l)
    assert said == (f"sixtap: {BOB} may not run guests on lan; root can allow it: allow: [{BOB}]  "
                    f"({users.sixtap.config}:{where})\n")
    assert "uid 61234 may not" in refused(users, None, "one")
    # the database's groups don't count, the process' do: BOB dropped his
    assert "may not run guests on lan" in refused(users, BOB, "one", groups="games")


def test_declared_guests(users):
    assert f"{ALICE} may not run lan/web" in refused(users, ALICE, "web"), "nobody's but root's"
    assert f"{BOB} may not run lan/alices" in refused(users, BOB, "alices", groups=GROUP)
    p = run(users, ALICE, "alices")
    assert p.poll() is None, p.said
    g = users.sixtap.guest("alices")
    assert g["user"] == ALICE and "192.168.150.20" in g["ipv4"]
    assert {"spec": "443:443/tcp", "state": "active"} in g["forwards"], "what root declared is no matter of her bounds"
    end(users, p)
    # `user` is enough: allow is for guests that aren't declared
    users.configure(merged(WEB, allow=[]))
    users.up()
    p = run(users, ALICE, "alices")
    assert p.poll() is None, p.said
    assert "may not run guests" in refused(users, ALICE, "one")
    end(users, p)
    program = users.lab.script("sleep", "#!/bin/sh\nexec sleep 60\n")
    p = users.host.popen(*users.sixtap.argv("run", "lan", "--name", "alices", "--", program), log="root")     # at once
    wait(lambda: users.sixtap.guest("alices")["state"] == "attached", 20, "root may, too")
    end(users, p)


def test_nothing_of_anothers(users):
    p = run(users, BOB, "bobs", "--ipv4", "192.168.150.30", "--forward", "9000:80", "--mac", "52:54:00:0b:0b:0b", groups=GROUP)
    assert p.poll() is None, p.said
    for options, words in ((("--mac", WEB_MAC), "web's"), (("--mac", "52:54:00:0b:0b:0b"), "bobs's"),
                           (("--mac", users.host.links()["lan"]["address"]), "lan's own"),
                           (("--ipv4", "192.168.150.10"), "web's"), (("--ipv4", "192.168.150.20"), "alices's"),
                           (("--ipv4", "192.168.150.30"), "bobs's"), (("--ipv4", "192.168.150.1"), "lan's own"),
                           (("--ipv4", "192.168.150.255"), "one machine"), (("--ipv4", "192.168.151.5"), "isn't inside"),
                           (("--ipv6", "fd12:8848:a2a2:1::10"), "web's"), (("--ipv6", "fe80::1"), "isn't inside"),
                           (("--forward", "8080:80"), "lan/web already"), (("--forward", "9000:80"), "lan/bobs already"),
                           (("--forward", "198.51.100.2:8080:80"), "lan/web already"),     # root might: the narrower one wins
                           (("--forward", "9001:80", "--forward", "8990-9000:80"), "lan/bobs already"),
                           (("--forward", "1023:80"), "below 1024"), (("--forward", "80-2000:80"), "below 1024"),
                           (("--forward", "10000-10016:80"), "16 ports"),
                           (("--forward", "10000-10014:80", "--forward", "11000:80", "--forward", "11001:80/udp"), "16 ports")):
        assert words in refused(users, ALICE, "mine", *options), options
    q = run(users, ALICE, "mine", "--forward", "10000-10014:80")
    assert q.poll() is None, q.said
    assert "16 ports" in refused(users, ALICE, "more", "--forward", "11000-11001:80")
    r = run(users, ALICE, "more", "--forward", "11000:80")
    assert r.poll() is None, r.said
    # a lease of somebody else
    g = users.guest("stranger")
    leased = g.udhcpc()
    assert "in use" in refused(users, ALICE, "thief", "--ipv4", leased)
    end(users, p, q, r)


def test_only_root_changes_things(users):
    for argv in (("up",), ("down",), ("forward", "add", "lan/web", "9000:80"), ("forward", "del", "lan/web", "8080:80", "--save")):
        p = sixtap(users, ALICE, *argv)
        assert p.returncode == 1 and "root" in p.stderr, (argv, p.stderr)
    assert sixtap(users, BOB, "status").returncode == 0 and sixtap(users, BOB, "forward", "list").returncode == 0
    p = sixtap(users, BOB, "run", "lan", "--name", "x", "--dry-run", "--", "qemu-system-x86_64")
    assert p.returncode == 0 and "-netdev" in p.stdout
    users.guest("g").udhcpc("-x", "0x3d:00abcdef")
    assert "client_id" not in sixtap(users, BOB, "--json", "leases").stdout
    assert "client_id" in users.sixtap("--json", "leases").stdout


ABUSE = r"""
import array, json, os, socket, sys, time
path, what = sys.argv[1], sys.argv[2]
def conn():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s
status = b'{"version":1,"do":"status"}\n'
held = []
if what == "connections":
    for i in range(1000):
        held.append(conn())
elif what == "never-reads":
    for i in range(16):
        s = conn()
        s.setblocking(False)
        try:
            while True: s.send(status * 100)
        except BlockingIOError: pass
        held.append(s)
elif what == "giant":
    for i in range(200):
        s = conn()
        try:
            for _ in range(64): s.send(b'x' * 65536)
        except OSError: pass
        s.close()
elif what == "descriptors":
    for i in range(16):
        s = conn()
        s.setblocking(False)
        fds = array.array("i", [0] * 64)
        try:
            for _ in range(64): s.sendmsg([b'{'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except OSError: pass
        held.append(s)
elif what == "asks":
    end = time.monotonic() + 3
    s, n = conn(), 0
    while time.monotonic() < end:
        s.send(status)
        data = b""
        while not data.endswith(b"\n"): data += s.recv(1 << 20)
        n += 1
    print("ANSWERS", n)
elif what == "attach-never-reads":
    s = conn()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    s.setblocking(False)
    n = 0
    try:
        while True: n += s.send(b'{"version":1,"do":"attach","network":"lan","name":"g%d"}\n' % n)
    except BlockingIOError: pass
    held.append(s)
elif what == "nonsense":
    for line in (b'\0' * 100, b'[' * 60000, b'{"version":1}', b'{"version":1,"do":"attach"}', b'{"version":1,"do":"quit"}',
                 b'{"version":1,"do":"attach","network":"lan","name":"x","queues":17}', b'{"version":1,"do":"up","networks":[]}'):
        s = conn()
        s.send(line + b"\n")
        s.settimeout(2)
        assert b'"errors"' in s.recv(65536), line
print("DONE", flush=True)
time.sleep(float(sys.argv[3]))
"""


@pytest.mark.parametrize("what", ["connections", "never-reads", "giant", "descriptors", "asks", "attach-never-reads", "nonsense"])
def test_denial_of_service(users, what):
    """Whatever one user does, root and another user are answered at once, and main stays small."""
    uid = str(pwd.getpwnam(ALICE).pw_uid)
    main = users.sixtap.processes()["main"]
    memory = lambda: int(next(l for l in open(f"/proc/{main}/status") if l.startswith("VmRSS")).split()[1])
    cpu = lambda: sum(map(int, open(f"/proc/{main}/stat").read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    before = memory()
    p = users.host.popen("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--", "/usr/bin/python3",
                         users.lab.script("abuse", ABUSE), os.path.join(users.sixtap.run_dir, "control"), what, "90", log="abuse")
    took = []
    for _ in range(7):
        t = time.monotonic()
        users.sixtap("status")
        assert sixtap(users, BOB, "status").returncode == 0
        took.append(time.monotonic() - t)
        time.sleep(0.1)
    assert sorted(took)[3] < 1.0, took      # a machine that stands still now and then is no fault of main's
    wait(lambda: "DONE" in open(p.log).read(), 30, open(p.log).read())
    assert memory() - before < 16 << 10, "kB more"

    def calm():
        used = cpu()
        time.sleep(0.5)
        return cpu() - used < 0.3
    wait(calm, 10, "main isn't busy with it")
    if what == "asks":
        assert int(open(p.log).read().split()[1]) < 40 + 3 * 20 + 20
    assert len(os.listdir(f"/proc/{main}/fd")) < 64
    p.kill()
    p.wait(5)
    assert users.sixtap.processes()["main"] == main, "it is the same process still"
    wait(lambda: sixtap(users, ALICE, "status").returncode == 0, 15, "and the user is heard again")
