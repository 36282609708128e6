# SPDX-License-Identifier: GPL-2.0-or-later
"""test_upgrade - another version takes over, and guests don't notice: no ping lost, same lease, same rules."""
import os, re, shutil, signal, subprocess, time
import pytest
from lab import SIXTAP, wait
from libnet import GW4, GW6, Flow


def older(folder):
    """Both programs of this build, saying that they are another version."""
    os.makedirs(folder, exist_ok=True)
    for name in ("sixtap", "sixtapd"):
        with open(os.path.join(os.path.dirname(SIXTAP), name), "rb") as f:
            data = f.read()
        version = subprocess.run([SIXTAP, "--version"], capture_output=True, check=True).stdout.split()[1]
        # As a string of its own, or at the end of one that the linker made of both.
        changed, n = re.subn(rb"(?<![0-9.])" + re.escape(version) + b"\0", version[:-1] + b"x\0", data)
        assert n > 0, f"{name} doesn't hold its version"
        with open(os.path.join(folder, name), "wb") as f:
            f.write(changed)
        os.chmod(os.path.join(folder, name), 0o755)
    return os.path.join(folder, "sixtap")


class Pings:
    """A guest that pings both gateways, a hundred times a second."""

    def __init__(self, guest):
        self.flows = [Flow(guest, gw, 0.01) for gw in (GW4, GW6)]

    def lost(self):
        time.sleep(0.5)
        out = [f.stop() for f in self.flows]
        assert all(sent > 20 for _, sent in out)
        return [lost for lost, _ in out]


@pytest.fixture
def old(world):
    world.sixtap.binary = older(os.path.join(world.lab.dir, "old"))
    world.up()
    return world


def release(world):
    return world.sixtap.json("status")["daemon"]["release"]


def test_up_replaces_another_version(old):
    web = old.static_guest("web")
    lease = old.guest("g1")
    address = lease.udhcpc()
    assert release(old).endswith("x")
    # A guest that has just come still gets its port's settings: not what is measured here.
    wait(lambda: old.sixtap("plan", "--check", check=False).returncode == 0, 20, "nothing is left to change")
    before, pings = old.sixtap.processes(), Pings(web)
    old.sixtap.binary = SIXTAP
    answer = old.up()
    # Addresses that guests are just seen with are elements of the guards; nothing else may change.
    other = [c for c in answer["changes"] if "element" not in c["what"]]
    assert not other, f"the same configuration: nothing of the kernel is touched: {other}"
    assert pings.lost() == [0, 0]
    assert not release(old).endswith("x") and not set(old.sixtap.processes().values()) & set(before.values())
    assert lease.udhcpc() == address
    # The second time it is the same version: it stays.
    now = old.sixtap.processes()
    old.up()
    assert old.sixtap.processes() == now


def test_package_upgrade(old):
    """As the package does it: new files under the same names while the old daemon runs, then a restart."""
    web = old.static_guest("web")
    pings = Pings(web)
    for name in ("sixtap", "sixtapd"):
        path = os.path.join(old.lab.dir, "old", name)
        shutil.copy(os.path.join(os.path.dirname(SIXTAP), name), path + ".dpkg-new")
        os.rename(path + ".dpkg-new", path)
    monitor = old.sixtap.processes()["monitor"]
    os.kill(monitor, signal.SIGTERM)
    wait(lambda: not old.sixtap.processes(), 20, "the old daemon ends")
    old.host.popen(os.path.join(old.lab.dir, "old", "sixtapd"), "--run-dir", old.sixtap.run_dir, "--state-dir",
                   old.sixtap.state_dir)
    wait(lambda: old.sixtap("status", "-q", check=False).returncode == 0, 20, "the new daemon serves")
    assert pings.lost() == [0, 0]
    assert not release(old).endswith("x")
    assert old.sixtap.guest("web")["forwards"][0]["state"] == "active"
