# SPDX-License-Identifier: GPL-2.0-or-later
"""`sixtap run` with programs that stand for QEMU: descriptors, names, exit status, what stays afterwards."""
import os, re, signal
from lab import wait
from libnet import LAN, WEB_MAC, merged

# Prints its arguments, says what its tap descriptors are, and stays as long as it is told to.
PROGRAM = """
import fcntl, os, re, signal, struct, sys, time
text = " ".join(sys.argv)
print("ARGS", text)
for fd in [int(x) for m in re.findall(r"(?<![a-z])fds?=([0-9:]+)", text) for x in m.split(":")]:
    r = fcntl.ioctl(fd, 0x800454d2, b"\\0" * 40)
    name, flags = struct.unpack("16sH", r[:18])
    print("TAP", fd, name.rstrip(b"\\0").decode(), hex(flags))
sys.stdout.flush()
if "-daemonize" in sys.argv:
    if os.fork():
        time.sleep(0.3)
        os._exit(0)
    os.setsid()
    with open(os.environ["PIDFILE"], "w") as f: f.write(str(os.getpid()))
while "stay" in text: time.sleep(0.05)
sys.exit(int(os.environ.get("STATUS", "0")))
"""


def taps(world):
    return {n: l for n, l in world.host.links().items() if l.get("linkinfo", {}).get("info_kind") == "tun"}


def start(world, *options, args=(), name="g", **env):
    program = world.lab.script("program", PROGRAM)
    argv = world.sixtap.argv("run", "lan", *(["--name", name] if name else []), *options, "--", "/usr/bin/python3", program, *args)
    return world.host.popen(*argv, log=f"run-{name or 'x'}", env=dict(world.sixtap.env, **env))


def text(p):
    with open(p.log) as f:
        return f.read()


def test_adds_the_nic(lan):
    p = start(lan, args=["-m", "64", "stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    out = text(p)
    assert re.search(r"-m 64 stay -netdev tap,\S*fd=\d+", out) and re.search(r"-device virtio-net-pci,\S*mac=([0-9a-f:]{17})", out), out
    flags = int(re.search(r"TAP \d+ (\S+) (0x\w+)", out)[2], 16)
    assert flags & 0x0002 and flags & 0x1000 and flags & 0x4000, "tap, no packet information, with vnet header"
    assert not flags & 0x0800, "the tap must not be persistent"
    [(name, link)] = taps(lan).items()
    assert link["master"] == "lan" and link["ifalias"] == "sixtap:lan/g"
    g = lan.sixtap.guest("g")
    assert g["state"] == "attached" and g["device"] == name and g["mac"] in out
    p.send_signal(signal.SIGTERM)
    assert p.wait(15) == -signal.SIGTERM
    wait(lambda: not taps(lan), 12, "the tap goes with the program")
    wait(lambda: not lan.sixtap.guest("g"), 12, "the guest is gone from `status`")


def test_exit_status_is_the_programs(lan):
    p = start(lan, STATUS="42")
    assert p.wait(20) == 42
    run = lambda *argv: lan.sixtap("run", "lan", "--name", "x", "--", *argv, check=False).returncode
    assert run("/bin/true") == 0 and run("/bin/false") == 1
    assert run("/nonexistent/program") == 127
    assert run(lan.sixtap.config) == 126, "a file that cannot be executed"
    assert not taps(lan)


def test_same_process(lan):
    """It is exec'd: the pid that was started is the program's, so signals and job control are the user's."""
    p = start(lan, args=["stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    with open(f"/proc/{p.pid}/cmdline") as f:
        assert "python3" in f.read().split("\0")[0]
    os.kill(p.pid, signal.SIGKILL)
    p.wait(15)
    wait(lambda: not taps(lan), 12, "nothing is left after SIGKILL")


def test_placeholder(lan):
    p = start(lan, args=["-a", "{}", "-z"])
    assert p.wait(20) == 0
    assert re.search(r"-a -netdev \S+ -device \S+ -z", text(p)), text(p)


def test_dry_run_changes_nothing(lan):
    p = lan.sixtap("run", "lan", "--name", "x", "--dry-run", "--", "qemu-system-x86_64", "-m", "64")
    assert "qemu-system-x86_64" in p.stdout and "-netdev" in p.stdout and "virtio-net-pci" in p.stdout
    real = start(lan, name="x")
    assert real.wait(20) == 0
    mac = re.search(r"mac=\S+", text(real))[0]
    for name, option, expected, why in (("x", [], mac, "what a run gives it"), ("web", [], "mac=" + WEB_MAC, "the declared one"),
                                        ("x", ["--mac", "52:54:00:00:00:99"], "mac=52:54:00:00:00:99", "the one that is given")):
        assert expected in lan.sixtap("run", "lan", "--name", name, *option, "--dry-run", "--", "q").stdout.split(",")[-1], why
    lan.sixtap("down", "lan")
    assert mac in lan.sixtap("run", "lan", "--name", "x", "--dry-run", "--", "q").stdout, "also before it is up"
    assert lan.sixtap("run", "nope", "--name", "x", "--dry-run", "--", "q", check=False).returncode == 125
    assert not taps(lan)


def test_name_from_qemu(lan):
    p = start(lan, name=None, args=["-name", "guest=fancy,debug-threads=on", "stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    assert lan.sixtap.guest("fancy")["state"] == "attached"
    p.kill()


def test_declared_guest_gets_its_mac(lan):
    p = start(lan, name="web")
    assert p.wait(20) == 0
    assert "mac=" + WEB_MAC in text(p)


def test_mac_is_stable(lan):
    macs = set()
    for _ in range(2):
        p = start(lan, name="stable")
        assert p.wait(20) == 0
        macs.add(re.findall(r"mac=([0-9a-f:]{17})", text(p))[-1])
    assert len(macs) == 1 and macs.pop().startswith("52:54:00")


def test_options(lan):
    p = start(lan, "--mac", "52:54:00:ab:cd:ef", "--device", "e1000e,romfile=", "--ipv4", "192.168.150.77", "--forward", "8700:70",
              args=["stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    assert re.search(r"-device e1000e,romfile=,\S*mac=52:54:00:ab:cd:ef", text(p)) or "mac=52:54:00:ab:cd:ef" in text(p)
    assert "-device e1000e," in text(p)
    g = lan.sixtap.guest("g")
    assert g["mac"] == "52:54:00:ab:cd:ef" and "192.168.150.77" in str(g["ipv4"])
    assert g["forwards"][0]["spec"] == "8700:70/tcp"
    p.kill()


def test_queues(lan):
    p = start(lan, "--queues", "4", args=["stay"])
    wait(lambda: text(p).count("TAP") == 4, 12, "four descriptors")
    out = text(p)
    m = re.search(r"-netdev tap,\S*fds=([\d:]+)", out)
    assert m and len(m[1].split(":")) == 4, out
    assert "mq=on" in out and "vectors=10" in out
    assert len({l.split()[2] for l in out.splitlines() if l.startswith("TAP")}) == 1, "one tap with four queues"
    assert int(re.search(r"TAP \d+ \S+ (0x\w+)", out)[1], 16) & 0x0100, "IFF_MULTI_QUEUE"
    p.kill()
    wait(lambda: not taps(lan), 12, "the tap is gone")


def test_daemonize(lan):
    """The first process ends, its child stays: the guest lives as long as the last of them."""
    pidfile = os.path.join(lan.lab.dir, "pid")
    p = start(lan, args=["-daemonize", "stay"], PIDFILE=pidfile)
    assert p.wait(20) == 0
    pid = int(wait(lambda: os.path.exists(pidfile) and open(pidfile).read(), 12, "the child's pid"))
    assert len(taps(lan)) == 1 and lan.sixtap.guest("g")["state"] == "attached"
    lan.up()
    assert len(taps(lan)) == 1
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not taps(lan), 12, "nothing is left")
    wait(lambda: not lan.sixtap.guest("g"), 12, "the guest is gone from `status`")


def test_nested(lan):
    """A second NIC: run inside run."""
    lan.configure(LAN, other={"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}})
    lan.up()
    program = lan.lab.script("program", PROGRAM)
    argv = lan.sixtap.argv("run", "lan", "--name", "two", "--", *lan.sixtap.argv("run", "other", "--name", "two", "--"),
                           "/usr/bin/python3", program, "stay")
    p = lan.host.popen(*argv, log="nested", env=lan.sixtap.env)
    wait(lambda: text(p).count("TAP") == 2, 20, "two taps")
    assert {l["master"] for l in taps(lan).values()} == {"lan", "other"}
    ids = re.findall(r"-netdev tap,\S*?id=([\w-]+)", text(p))
    assert len(set(ids)) == 2, "each its own id"
    p.kill()
    wait(lambda: not taps(lan), 12, "both are gone")


def test_same_name_twice(lan):
    p = start(lan, args=["stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    second = lan.sixtap("run", "lan", "--name", "g", "--", "/bin/true", check=False)
    assert second.returncode == 125 and "g" in second.stderr
    p.kill()


def test_guest_survives_the_daemon(lan):
    """The tap is the program's: no process of ours holds it."""
    p = start(lan, args=["stay"])
    wait(lambda: "TAP" in text(p), 12, "the program runs")
    before = taps(lan)
    for role in ("main", "engine", "resolver"):
        os.kill(lan.sixtap.processes()[role], signal.SIGKILL)
        wait(lambda: set(lan.sixtap.processes()) == {"monitor", "main", "engine", "resolver"}, 30, "all are back")
    wait(lambda: lan.sixtap.guest("g") and lan.sixtap.guest("g")["state"] == "attached", 20, "the guest is known again")
    assert {n: l["ifindex"] for n, l in taps(lan).items()} == {n: l["ifindex"] for n, l in before.items()}
    p.kill()
    wait(lambda: not taps(lan), 12, "the tap is gone")


def test_run_needs_the_network_up(world):
    p = world.sixtap("run", "lan", "--name", "g", "--", "/bin/true", check=False)
    assert p.returncode == 125 and "sixtap up" in p.stderr, p.stderr


def test_many_guests_leave_no_trace(lan):
    """Fifty started at once, gone at once."""
    ps = [start(lan, name=f"n{i}", args=["stay"]) for i in range(50)]
    wait(lambda: len(taps(lan)) == 50, 60, "fifty taps")
    assert len([g for g in lan.sixtap.network()["guests"] if g["state"] == "attached"]) == 50
    for p in ps:
        p.kill()
    wait(lambda: not taps(lan), 30, "none")
    wait(lambda: not [g for g in lan.sixtap.network()["guests"] if g["state"] == "attached"], 20, "none in status")
