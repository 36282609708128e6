# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong is said in one line that names the thing and the way out, with the contract's exit status."""
import json, os, shutil, signal, socket, struct, subprocess, time
import pytest
from lab import LabError, wait
from libnet import GW4, LAN, config, merged, shape

ERRORS = {"version": (1,), "errors": [{"file?": str, "line?": int, "column?": int, "key?": str, "what": str, "help?": str}]}


def refuse(world, status, *argv, says, lines=None):
    """The command fails as the contract says, in words and in JSON; nothing has changed."""
    before, daemon = world.state(), world.sixtap.processes()
    p = world.sixtap(*argv, check=False)
    assert p.returncode == status, f"status {p.returncode}\n{p.stdout}{p.stderr}"
    assert says in p.stderr, p.stderr
    if lines:
        assert len(p.stderr.strip().splitlines()) == lines, p.stderr
    j = world.sixtap(*argv[:1], "--json", *argv[1:], check=False)
    assert j.returncode == status
    answer = json.loads(j.stdout)
    shape(answer, ERRORS)
    assert answer["errors"]
    now = world.state()
    assert now == before, "something was changed all the same"
    wait(lambda: world.sixtap.processes().keys() == daemon.keys(), 15, "no daemon stays that wasn't there")
    return p.stderr, answer["errors"]


def test_missing_uplink(world):
    world.configure(merged(LAN, uplink="eth9"))
    text, _ = refuse(world, 2, "up", says="eth9")
    assert "uplink" in text


def test_no_uplink_at_all(lonely):
    """`uplink: auto` on a host without a default route: up, and it says that nothing leads outside."""
    p = lonely.sixtap("up", check=False)
    if p.returncode == 0:
        n = lonely.sixtap.network()
        assert n["state"] in ("up", "degraded")
        assert lonely.guest("g1").udhcpc()
    else:
        assert p.returncode == 1 and "default route" in p.stderr, p.stderr


def test_unknown_network(world):
    text, errors = refuse(world, 2, "up", "lab", says="lab", lines=1)
    assert "lan" in text, "names of networks that exist help"
    world.up()
    for command in ("status", "down"):
        p = world.sixtap(command, "lab", check=False)
        assert p.returncode in (1, 2) and "lab" in p.stderr, (command, p.returncode, p.stderr)
    p = world.sixtap("run", "lab", "--name", "x", "--", "true", check=False)
    assert p.returncode == 125 and "lab" in p.stderr


def test_foreign_bridge(world):
    world.host.ip("link", "add", "lan", "type", "bridge")
    world.found = world.state()
    text, _ = refuse(world, 2, "up", says="lan")
    assert "somebody else" in text or "not ours" in text or "already" in text, text
    assert "bridge" in text
    world.host.ip("link", "del", "lan")
    world.found = world.state()


def test_foreign_device_of_that_name(world):
    world.host.ip("link", "add", "lan", "type", "veth", "peer", "name", "peer0")
    world.found = world.state()
    refuse(world, 2, "up", says="lan")
    world.host.ip("link", "del", "lan")
    world.found = world.state()


def test_prefix_of_the_uplink(world):
    """A network inside the uplink's own prefix."""
    world.configure(merged(LAN, ipv4={"address": "198.51.100.129/25"}, guests=None))
    refuse(world, 2, "up", says="198.51.100")


def test_forward_of_a_used_port(world):
    s = world.host.socket(socket.AF_INET)
    s.bind(("0.0.0.0", 8080))
    s.listen(1)
    text, _ = refuse(world, 2, "up", says="8080")
    assert "in use" in text and "forward" in text
    s.close()
    world.up()


def test_wrong_config_is_refused_whole(world):
    world.sixtap.write("networks:\n  lan:\n    mode: natt\n    ipv4: {address: 10.1.1.1/33}\n    colour: red\n")
    text, errors = refuse(world, 2, "up", says="natt")
    assert 'did you mean "nat"' in text and "colour" in text and "33" in text
    assert len(errors) == 3 and [e["line"] for e in errors] == sorted(e["line"] for e in errors)
    assert errors[0]["line"] == 3 and errors[0]["column"] == 11 and errors[0]["key"] == "networks.lan.mode"
    p = world.sixtap("check", check=False)
    assert p.returncode == 2 and f"{world.sixtap.config}:3:11: error: networks.lan.mode:" in p.stderr
    assert not world.sixtap.processes(), "a daemon was started for a wrong configuration"


def test_wrong_config_leaves_the_running_network(lan):
    g = lan.static_guest()
    lan.sixtap.write("networks: {lan: {mode: natt}}\n")
    p = lan.sixtap("up", check=False)
    assert p.returncode == 2
    assert g.ping(GW4) and lan.sixtap.network()["state"] == "up"
    lan.configure(LAN)
    assert lan.up()["changed"] is False


@pytest.mark.parametrize("mode", ["routed", "hostdev"])
def test_mode_that_is_not_built_yet(world, mode):
    world.configure({"mode": mode, "uplink": "eth0"})
    text, _ = refuse(world, 2, "up", says=mode)
    assert "not built yet" in text


def test_missing_config(world):
    world.sixtap.config = "/nonexistent/sixtap.yaml"
    _, errors = refuse(world, 2, "up", says="/nonexistent/sixtap.yaml")
    assert errors[0]["file"] == "/nonexistent/sixtap.yaml" and "line" not in errors[0]


def test_usage(world):
    for argv in (["frobnicate"], ["up", "--frobnicate"], ["run"], ["run", "lan"], []):
        p = world.sixtap(*argv, check=False)
        assert p.returncode in (2, 125), (argv, p.returncode)
        assert p.stderr or not argv, argv
    assert world.sixtap("--help").stdout.startswith(("Usage", "usage", "sixtap"))
    assert "0.1" in world.sixtap("--version").stdout


@pytest.mark.parametrize("argv, why", [
    (["frobnicate", "--json"], "no such command"), (["--frobnicate", "--json"], "no such global option"),
    (["up", "--frobnicate", "--json"], "no such option"), (["plan", "--check=yes", "--json"], "an option without a value"),
    (["--json"], "no command"), (["import", "libvirt", "-", "--json"], "not built yet"),
    (["status", "lan", "lab", "--json"], "too many arguments"), (["check", "--json", "--color"], "a value is missing"),
    (["--help", "frobnicate", "--json"], "help on what isn't there")])
def test_usage_in_json(lonely, argv, why):
    """Errors are JSON wherever --json stands, also behind what is wrong."""
    p = lonely.sixtap(*argv, check=False)
    assert p.returncode == 2 and p.stderr == "", (why, p.stderr)
    answer = json.loads(p.stdout)
    assert answer["version"] == 1 and answer["errors"][0]["what"] and "file" not in answer["errors"][0], (why, answer)


def test_not_built_yet(lonely):
    for argv in (["import", "libvirt", "-"], ["hook", "libvirt-qemu", "web", "start", "begin", "-"], ["hook", "--install", "qemu"],
                 ["export", "libvirt", "lan"], ["export", "networkd", "lan"], ["export", "guest", "lan/web", "--format", "netplan"],
                 ["init", "hosting", "eth0"]):
        p = lonely.sixtap(*argv, check=False)
        assert p.returncode in (1, 2) and "built yet" in p.stderr and not p.stdout, (argv, p.stderr)


def test_help_and_version(lonely):
    for argv in (["--help", "up"], ["up", "--help"], ["help", "up"], ["-q", "up", "-v", "--help"]):
        assert "--no-wait" in lonely.sixtap(*argv).stdout, argv
    p = lonely.sixtap("help", "frobnicate", check=False)
    assert p.returncode == 2 and "frobnicate" in p.stderr
    p = lonely.sixtap(check=False)
    assert p.returncode == 2 and not p.stdout and p.stderr.startswith("Usage"), "what is no result goes to stderr"
    assert "--no-wait" in lonely.sixtap.json("up", "--help")["help"]
    answer = json.loads(lonely.sixtap("--version", "--json").stdout)
    assert answer["version"] == 1 and answer["release"] in lonely.sixtap("--version").stdout


@pytest.mark.parametrize("argv, status", [
    (["plan", "--check"], 3), (["doctor"], 3), (["slaac"], 3), (["run", "lan", "--name", "x", "--", "true"], 125), (["status"], 1)])
def test_failures_keep_their_own_status(lonely, argv, status):
    """Where 1 is an answer ("there is a change", "an error was found"), what couldn't be done isn't 1."""
    p = lonely.sixtap("--netns", "st-nowhere", *argv, check=False)
    assert p.returncode == status and "st-nowhere" in p.stderr, p.stderr
    p = lonely.sixtap("--json", "--netns", "st-nowhere", *argv, check=False)
    assert p.returncode == status and json.loads(p.stdout)["errors"][0]["status"] == status


def test_unreadable_snapshot(lonely, tmp_path):
    (tmp_path / "x").write_text("x")
    for argv in (["doctor", "--from", "/nonexistent"], ["doctor", "--from", tmp_path / "x"], ["slaac", "--from", "/nonexistent"],
                 ["path", "host", "outside", "--from", "/nonexistent"], ["doctor", "--compare", "/nonexistent", "/nonexistent"],
                 ["doctor", "--save", "/nonexistent/x"]):
        p = lonely.sixtap(*argv, check=False)
        assert p.returncode == 3 and p.stderr, (argv, p.stderr)


def test_output_that_cannot_be_written(lan):
    """A full disk isn't success; a closed descriptor isn't the next socket's; a reader who has seen enough is fine."""
    for argv in (["status"], ["check", "--json"], ["--help"], ["map"], ["guests"], ["plan"], ["doctor", "--save", "-"]):
        line = " ".join([f"'{a}'" for a in lan.sixtap.argv(*argv)])
        for to, good, says in ((">/dev/full", False, "No space left"), (">&-", False, "Bad file descriptor"), ("<&- >&- 2>&-", False, ""),
                               ("| head -c1 | od", True, "")):
            p = lan.host.run("bash", "-c", f"set -o pipefail; {line} {to}", check=False, env=lan.sixtap.env)
            assert (p.returncode == 0) == good and says in p.stderr, (argv, to, p.returncode, p.stderr)
    assert lan.sixtap.network()["state"] == "up"


def test_config_from_a_pipe(lonely):
    text = "networks: { a: { mode: isolated } }"
    for argv in (["-c", "-", "check"], ["-c", "/dev/stdin", "check"]):
        p = lonely.host.run(*lonely.sixtap.argv(*argv), check=False, env=lonely.sixtap.env, input=text)
        assert p.returncode == 0 and "1 network" in p.stdout, (argv, p.stderr)
    line = " ".join(lonely.sixtap.argv())
    p = lonely.host.run("bash", "-c", f"{line} check -c <(echo '{text}')", check=False, env=lonely.sixtap.env)
    assert p.returncode == 0 and "1 network" in p.stdout, p.stderr


def test_network_that_is_not_up(lan):
    """Which nobody knows: an error, not an empty list. One that is declared: down, in `status`."""
    for argv in (["status", "nope"], ["guests", "nope"], ["leases", "nope"], ["forward", "list", "nope"]):
        p = lan.sixtap(*argv, check=False)
        assert p.returncode == 1 and "nope" in p.stderr and not p.stdout, (argv, p.stdout)
    p = lan.sixtap("down", "lan", "nope", check=False)
    assert p.returncode == 2 and "nope" in p.stderr and lan.sixtap.network("lan")["state"] == "up", "not half of it"
    lan.configure(LAN, lab={"mode": "isolated"})
    assert {n["name"]: n["state"] for n in lan.sixtap.json("status")["networks"]} == {"lan": "up", "lab": "down"}
    [lab] = lan.sixtap.json("status", "lab")["networks"]
    assert lab["mode"] == "isolated" and lab["guests"] == []
    text = lan.sixtap("status").stdout
    assert "○ lab " in text and "1 up, 1 down" in text, text
    assert lan.sixtap("-q", "status").stdout == "", "nothing is wrong"
    lan.sixtap.write("networks: { lan: { mode: natt } }")
    assert [n["name"] for n in lan.sixtap.json("status")["networks"]] == ["lan"], "a wrong file hides nothing that is up"


def as_nobody(world, *argv):
    """As a user without privileges, in the host's namespace."""
    return world.host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                          *world.sixtap.argv(*argv), check=False, env=world.sixtap.env)


def test_no_privileges(world):
    before = world.state()
    p = as_nobody(world, "up")
    assert p.returncode == 1, p.stderr
    assert "root" in p.stderr or "sudo" in p.stderr, p.stderr
    assert len(p.stderr.strip().splitlines()) == 1, p.stderr
    assert world.state() == before
    p = as_nobody(world, "plan", "--check")
    assert p.returncode in (1, 3), p.stderr
    assert as_nobody(world, "check").returncode == 0


def test_daemon_that_hangs(lan):
    """Who looks for faults isn't caught by one."""
    main = lan.sixtap.json("status")["daemon"]["processes"]["main"]
    os.kill(main, signal.SIGSTOP)
    try:
        start = time.monotonic()
        p = lan.sixtap("--json", "doctor", check=False, timeout=20)
        assert json.loads(p.stdout)["checked"] > 0, p.stdout + p.stderr
        p = lan.sixtap("map", check=False, timeout=20)
        assert p.returncode == 1 and "doesn't answer" in p.stderr, p.stdout + p.stderr
        assert time.monotonic() - start < 25
    finally:
        os.kill(main, signal.SIGCONT)
    assert lan.sixtap.network()["state"] == "up"


def test_unprivileged_user_and_a_running_daemon(lan):
    """Peer credentials decide: what root may ask of the daemon, a user may not."""
    before = lan.state()
    for argv in (["up"], ["down"], ["run", "lan", "--name", "x", "--", "true"]):
        p = as_nobody(lan, *argv)
        assert p.returncode in (1, 125), (argv, p.returncode, p.stdout, p.stderr)
        assert p.stderr.strip(), argv
    assert lan.state() == before and lan.sixtap.network()["state"] == "up"
    p = as_nobody(lan, "--json", "status")
    assert p.returncode == 0, "reading is for everybody: " + p.stderr
    assert json.loads(p.stdout)["networks"][0]["name"] == "lan"


def test_unprivileged_user_talks_to_the_socket_himself(lan):
    """Not the command, the daemon decides: the request is sent by hand."""
    code = """
import socket, sys, json
s = socket.socket(socket.AF_UNIX)
s.settimeout(3)
s.connect(sys.argv[1])
for verb in ("down", "up", "quit"):
    s.sendall(json.dumps({"version": 1, "request": verb, "command": verb, "op": verb}).encode() + b"\\n")
try:
    while s.recv(4096): pass
except OSError: pass
"""
    path = os.path.join(lan.sixtap.run_dir, "control")
    lan.host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", code, path, check=False)
    assert lan.sixtap.network()["state"] == "up" and "lan" in lan.host.links()


def test_full_pool(world):
    """A pool of two: the third guest gets nothing, `status` says why, and an address that is free again is used."""
    world.configure(merged(LAN, ipv4__dhcp="192.168.150.100-192.168.150.101"))
    world.up()
    a, b, c = (world.guest(n) for n in ("a", "b", "c"))
    got = {a.dhclient(4), b.dhclient(4)}
    assert got == {"192.168.150.100", "192.168.150.101"}
    with pytest.raises(LabError):
        c.udhcpc("-t", "3")
    text = world.sixtap("status").stdout
    assert "pool" in text or "no free address" in text or "no address" in text, text
    a.dhclient_release(4)
    assert c.udhcpc() in got


def test_readonly_lease_folder(world):
    """No lease can be written: guests hear so instead of getting an address that will be forgotten, and `status` says it."""
    world.up()
    first = world.guest("g1").udhcpc()
    world.sixtap("down")
    wait(lambda: not world.sixtap.processes(), 15, "the daemon ends")
    state = world.sixtap.state_dir
    # A read-only mount in the mount namespace that the daemon starts in.
    argv = ["unshare", "-m", "sh", "-c", f"mount --bind {state} {state} && mount -o remount,ro,bind {state} && exec \"$@\"", "sh",
            *world.sixtap.argv("up")]
    p = world.host.run(*argv, check=False, env=world.sixtap.env, timeout=60)
    if p.returncode == 0:
        g = world.guest("g2")
        g.slaac()       # what needs no lease works
        text = wait(lambda: (lambda t: t if "lease" in t and ("read-only" in t.lower() or "cannot" in t) else None)(
            world.sixtap("status").stdout + world.sixtap("status").stderr), 30, "`status` says that leases can't be written")
        assert state in text or "read-only" in text.lower()
    else:
        assert p.returncode == 1 and "lease" in p.stderr and ("read-only" in p.stderr.lower() or "Read-only" in p.stderr), p.stderr
    world.sixtap("down", check=False)


def test_kernel_refuses_in_the_middle(world):
    """A failure at any step of `up` puts everything back."""
    plan = world.sixtap.json("plan")
    before = world.state()
    steps = len(plan["changes"])
    assert steps > 4
    for n in range(1, steps + 1):
        env = dict(world.sixtap.env, SIXTAP_FAIL_AT=f"apply:{n}")
        p = world.host.run(*world.sixtap.argv("up"), check=False, env=env, timeout=30)
        if p.returncode == 0:       # the step isn't the kernel's (serve)
            world.sixtap("down")
        else:
            assert p.returncode == 1 and p.stderr.strip(), (n, p.stderr)
        wait(lambda: not world.sixtap.processes(), 20, f"step {n}: no daemon stays")
        now = world.state()
        assert now == before, f"step {n} of {steps}: not everything was put back"
