# SPDX-License-Identifier: GPL-2.0-or-later
"""up --confirm, confirm, the warning about one's own session, and what left the configuration."""
import os, signal, time
import pytest
from lab import OUTSIDE4, OUTSIDE6, UPLINK4, alive, end, wait
from libnet import GW4, LAN, WEB4, Flow, config, merged
from test_endure_faults import settles, steady

OTHER = {"mode": "isolated", "ipv4": {"address": "192.168.151.1/24"}, "ipv6": "off"}


def names(world):
    return sorted(n["name"] for n in world.sixtap.json("status")["networks"] if n["state"] != "down")


def test_not_confirmed(lan):
    """Everything is put back: what changed, what came, what went."""
    lan.configure(lan=LAN, gone=OTHER)
    lan.up()
    was = steady(lan)
    lan.configure(lan=merged(LAN, ipv4={"address": "192.168.155.1/24"}, guests=None),
                  new=merged(OTHER, ipv4={"address": "192.168.152.1/24"}))
    answer = lan.sixtap.json("up", "--confirm", "8")     # what follows until then takes its time
    assert answer["changed"] and 0 < answer["confirm"] <= 8
    assert names(lan) == ["lan", "new"] and "192.168.155.1" in lan.host.ip("addr", "show", "dev", "lan")
    assert 0 < lan.sixtap.json("status")["daemon"]["confirm"] <= 8
    assert "sixtap confirm" in lan.sixtap("status").stdout
    wait(lambda: names(lan) == ["gone", "lan"], 25, "it goes back")
    settles(lan, was, "afterwards")
    assert "confirm" not in lan.sixtap.json("status")["daemon"]
    p = lan.sixtap("confirm", check=False)
    assert p.returncode == 1 and "nothing waits" in p.stderr
    # The records are those of what is up: a restart changes nothing.
    os.kill(lan.sixtap.processes()["main"], signal.SIGKILL)
    wait(lambda: set(lan.sixtap.processes()) == {"monitor", "main", "engine", "resolver"}, 20, "all four run")
    wait(lambda: names(lan) == ["gone", "lan"], 15)
    settles(lan, was, "afterwards")


def test_confirmed(world):
    world.sixtap("up", "--confirm", "6")
    assert "confirmed" in world.sixtap("confirm").stdout
    time.sleep(7)
    assert names(world) == ["lan"] and world.host.links()["lan"]
    assert world.sixtap("confirm", check=False).returncode == 1


def test_first_up_not_confirmed(world):
    was = steady(world)
    p = world.sixtap("up", "--confirm", "2")
    assert "sixtap confirm" in p.stdout
    wait(lambda: "lan" not in world.host.links(), 20, "it goes again")
    settles(world, was, "afterwards")
    wait(lambda: not world.sixtap.processes(), 20, "and the daemon, which has nothing to do")


def test_second_up_is_refused(lan):
    lan.configure(lan=LAN, other=OTHER)
    lan.sixtap("up", "--confirm", "60")
    for argv in (["up"], ["up", "--confirm", "5"], ["up", "lan"]):
        p = lan.sixtap(*argv, check=False)
        assert p.returncode == 1 and "waits to be confirmed" in p.stderr and "sixtap confirm" in p.stderr, p.stderr
    assert lan.sixtap("plan").returncode == 0
    # A person who takes a network down means it.
    lan.sixtap("down", "other")
    assert names(lan) == ["lan"]
    lan.sixtap("confirm")
    lan.up()
    assert names(lan) == ["lan", "other"]


def test_down_of_all_ends_it(lan):
    """Also for a network that the unconfirmed change took down: nobody would find out why it comes back, or why `up` is refused."""
    lan.configure(lan=LAN, gone=OTHER)
    lan.up()
    lan.configure(lan=LAN)
    lan.sixtap("up", "--confirm", "60")
    lan.sixtap("down")
    wait(lambda: not lan.sixtap.processes(), 20, "the daemon ends")
    lan.sixtap("up")
    assert names(lan) == ["lan"] and "confirm" not in lan.sixtap.json("status")["daemon"]


def test_nothing_to_confirm(lan):
    assert "confirm" not in lan.sixtap.json("up", "--confirm", "60")
    assert lan.up()["changes"] == []


@pytest.mark.parametrize("who", ["main", "all"])
def test_restart_while_waiting(lan, who):
    """The time goes on through the death of main, and of everything."""
    was = steady(lan)
    lan.configure(lan=LAN, other=OTHER)
    lan.sixtap("up", "--confirm", "10")
    pids = lan.sixtap.processes()
    for pid in pids.values() if who == "all" else [pids["main"]]:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not alive(pids["main"]), 15)
    if who == "all":    # whatever `sixtap` command starts the daemon again: this one is refused, and does
        assert lan.sixtap("up", check=False).returncode == 1
    wait(lambda: names(lan) == ["lan", "other"], 8, "still there")
    wait(lambda: names(lan) == ["lan"], 30, "and then not")
    settles(lan, was, "afterwards")


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "86401", "1s", ""])
def test_usage(world, seconds):
    p = world.sixtap("up", "--confirm", seconds, check=False)
    assert p.returncode == 2 and "--confirm" in p.stderr


def ssh(world, local=UPLINK4, peer="203.0.113.9", **env):
    return dict(world.sixtap.env, SSH_CONNECTION=f"{peer} 50022 {local} 22", **env)


def test_own_session(world):
    """Changes of the session's interface warn before they are made; others don't, and --confirm is the answer."""
    def up(*args, **kw):
        p = world.host.run(*world.sixtap.argv("up", *args), env=ssh(world, **kw), check=False)
        assert p.returncode == 0, p.stderr
        return p.stderr
    said = up()
    assert "This changes eth0" in said and "203.0.113.9" in said and "--confirm 120" in said, said
    assert up() == "", "nothing changes, nothing to warn of"
    world.configure(lan=LAN, other=OTHER)
    world.sixtap("down", "-q")
    assert "This changes" not in up("other"), "an isolated network has nothing to do with eth0"
    assert "This changes" not in up("lan", "--confirm", "60")
    world.sixtap("confirm")
    world.sixtap("down", "-q")
    assert "This changes" not in up(local="127.0.0.1", peer="127.0.0.1")
    world.sixtap("down", "-q")
    # Its address is translated on the way: the route to the other end tells.
    assert "This changes eth0" in up(local="192.0.2.77")
    world.sixtap("down", "-q")
    # sudo takes the variable away: it is found at the shell above.
    p = world.host.run("sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sh", *world.sixtap.argv("up"), env=ssh(world))
    assert "This changes eth0" in p.stderr, p.stderr


def test_prune(lan):
    """`up` without names takes down what left the configuration it came from, and nothing else."""
    other = os.path.join(os.path.dirname(lan.sixtap.config), "other.yaml")
    with open(other, "w") as f:
        f.write(config(else_=OTHER).replace("else_", "elsewhere"))
    lan.host.run(*[other if a == lan.sixtap.config else a for a in lan.sixtap.argv("up")], env=lan.sixtap.env)
    lan.configure(lan=LAN, two=merged(OTHER, ipv4={"address": "192.168.152.1/24"}))
    lan.up()
    assert names(lan) == ["elsewhere", "lan", "two"]
    lan.configure(lan=LAN)
    lan.sixtap("up", "lan")
    assert names(lan) == ["elsewhere", "lan", "two"], "with a name nothing else is touched"
    changes = lan.up()["changes"]
    assert any(c["object"] == "link two" and c["action"] == "remove" for c in changes)
    assert names(lan) == ["elsewhere", "lan"] and "two" not in lan.host.links()
    assert lan.up()["changes"] == []
