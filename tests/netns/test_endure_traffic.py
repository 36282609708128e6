# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes, deaths and a newer daemon under traffic: not one ping is lost, no connection stalls or breaks."""
import contextlib, os, shutil, signal, socket, struct, threading, time
import pytest
from lab import OUTSIDE4, OUTSIDE6, SIXTAP, Sixtap, alive, wait
from libnet import GW4, LAN, Flow, merged

PORT = 7300
ROLES = {"monitor", "main", "engine", "resolver"}


class Stream:
    """A TCP connection from a guest to outside that carries a few bytes every 5 ms, both ways."""

    def __init__(self, guest, outside, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = outside.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, PORT))
        self.listener.listen(1)
        self.client = guest.socket(family)
        self.client.settimeout(30)
        self.client.connect((address, PORT))
        self.server, self.peer = self.listener.accept()
        self.server.settimeout(30)
        self.done, self.fault, self.n, self.longest = False, None, 0, 0.0
        threading.Thread(target=self._echo, daemon=True).start()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _echo(self):
        with contextlib.suppress(OSError):
            while data := self.server.recv(4096):
                self.server.sendall(data)

    def _run(self):
        try:
            while not self.done:
                started = time.monotonic()
                self.client.sendall(b"12345678")
                got = b""
                while len(got) < 8:
                    part = self.client.recv(8 - len(got))
                    assert part, "closed"
                    got += part
                self.longest = max(self.longest, time.monotonic() - started)
                self.n += 1
                time.sleep(0.005)
        except Exception as e:
            self.fault = e

    def stop(self):
        """The longest time without an answer, if a segment had to be sent again: otherwise it was the machine that stood still."""
        wait(lambda: self.n > 50 or self.fault, 30, "the connection is used")
        self.done = True
        self.thread.join(31)
        # tcp_info.tcpi_total_retrans
        again = sum(struct.unpack("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:])[0] for s in (self.client, self.server))
        for s in (self.client, self.server, self.listener):
            s.close()
        assert self.fault is None, self.fault
        return self.longest if again else 0.0


@contextlib.contextmanager
def traffic(world):
    web = world.static_guest()
    flows = [Flow(web, OUTSIDE4), Flow(web, OUTSIDE6), Flow(web, GW4)]
    streams = [Stream(web, world.outside, OUTSIDE4), Stream(web, world.outside, OUTSIDE6)]
    yield web
    time.sleep(1.5)
    lost = [(f.address, *f.stop()) for f in flows]
    longest = max(s.stop() for s in streams)
    print(f"\nlost {[(a, f'{l} of {n}') for a, l, n in lost]}, longest wait for a segment that was sent again {longest * 1000:.0f} ms")
    assert all(l == 0 for _, l, _ in lost), lost
    # A segment that is lost is sent again after 200 ms at the earliest.
    assert longest < 0.2, f"a connection waited {longest:.3f} s"


def all_four(world):
    return wait(lambda: (lambda p: p if set(p) == ROLES else None)(world.sixtap.processes()), 30, "all four run")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_death(lan, role):
    before = all_four(lan)
    with traffic(lan):
        os.kill(before[role], signal.SIGKILL)
        wait(lambda: not alive(before[role]), 15, "it is dead")
        if role == "monitor":
            lan.up()
        assert all_four(lan)[role] != before[role]
        wait(lambda: lan.sixtap.network()["state"] == "up", 20, "the network is served again")


def test_change(lan):
    """Forwards, a guest, another lease time, DNS, one more network, and all back again."""
    other = {"mode": "nat", "ipv4": {"address": "192.168.151.1/24"}, "ipv6": {"address": "fd12:8848:a2a2:2::1/64"}}
    changed = merged(LAN, lease="2m", guests__db={"mac": "52:54:00:12:34:57", "ipv4": "192.168.150.12", "forward": ["9090:90"]})
    with traffic(lan):
        for _ in range(2):
            lan.configure(lan=changed, other=other)
            assert lan.up()["changed"]
            lan.configure(lan=merged(LAN, dns="off"))
            assert lan.up()["changed"]
            lan.configure(LAN)
            assert lan.up()["changed"]


def test_newer_daemon(lan):
    """As a package upgrade: the binaries are replaced, the daemon ends and a new one takes over."""
    folder = os.path.join(lan.lab.dir, "newer")
    os.mkdir(folder, 0o755)
    for name in ("sixtap", "sixtapd"):
        shutil.copy(os.path.join(os.path.dirname(SIXTAP), name), folder)
    newer = Sixtap(lan.lab, lan.host, config=lan.sixtap.config, binary=os.path.join(folder, "sixtap"), name="host-sixtap")
    before = all_four(lan)
    with traffic(lan):
        os.kill(before["monitor"], signal.SIGTERM)
        wait(lambda: not lan.sixtap.processes(), 20, "the old one ends")
        newer("up", "-q")
        after = all_four(lan)
        assert os.readlink(f"/proc/{after['monitor']}/exe").startswith(folder)
        wait(lambda: lan.sixtap.network()["state"] == "up", 20, "the network is served again")
