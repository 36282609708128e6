# SPDX-License-Identifier: GPL-2.0-or-later
"""Two faults at once, drawn at random with a fixed seed: both are found.

SIXTAP_PAIRS=200 draws that many; without it as many as CI has time for. Pairs that can't be there at once, or of which
one is the other's very cause away, are in CLASH with the reason.
"""
import os, random
import pytest
from doctorlab import DoctorLab
from faults_host import ALL
from lab import Lab, LabError

N = int(os.environ.get("SIXTAP_PAIRS", "24"))
SEED = 20261120
# (beginnings of names): why they can't both be there
NO_IPV6 = "eth0 has no IPv6 then, nor settings of it"
ONE_VALUE = "one setting can't have both values"
ONE_ROUTER = "the router announces one thing at a time"
LISTENS = "with forwarding off, accept_ra=1 listens"
UNHEARD = "an RA that isn't looked at can't be wrong"
REFUSING = ("ra.ignored", "ra.all-has", "ra.not-accepted accept_ra")
BY_ROUTER = ("ra.no-default", "ra.prefix", "address.deprecated")
CLASH = [(("ipv6.mtu",), ("ra.ignored", "ra.all-has", "ra.not-accepted", "ra.no-default", "ra.prefix", "ipv6.no-link", "address.", "proxy.disabled",
                          "proxy.uplink", "proxy.unicast", "proxy.delay", "proxy.missing"), NO_IPV6),
         (("ra.ignored", "ra.all-has"), ("ra.not-accepted accept_ra",), ONE_VALUE),
         (("ra.ignored", "ra.all-has"), ("forwarding.all-off", "proxy.uplink"), LISTENS),
         (("proxy.disabled",), ("proxy.unicast",), ONE_VALUE),
         (BY_ROUTER, BY_ROUTER, ONE_ROUTER),
         (REFUSING, BY_ROUTER, UNHEARD),
         (("proxy.missing",), ("ra.not-accepted pinfo", "ra.prefix"), "the host doesn't know the link's prefix any more"),
         (("ra.not-accepted defrtr",), ("ra.no-default",), UNHEARD),
         (("ra.not-accepted pinfo", "ra.not-accepted autoconf"), ("ra.prefix", "address.deprecated"), UNHEARD)]


def clash(a, b):
    for x, y, why in CLASH:
        for p, q in ((a, b), (b, a)):
            if p.name.startswith(x) and q.name.startswith(y):
                return why
    return None


def draw(n):
    r, pairs = random.Random(SEED), []
    while len(pairs) < n:
        a, b = r.sample(ALL, 2)
        if a.id != b.id and not clash(a, b):
            pairs.append((a, b))
    return pairs


@pytest.fixture(scope="module")
def d():
    with Lab("pair") as lab:
        yield DoctorLab(lab)


def both(d, a, b):
    """What of the two isn't found."""
    want = {(a.id, a.subject), (b.id, b.subject)}
    said = set()
    for _ in range(30):
        said = {(f["id"], f["subject"]) for f in d.doctor()["findings"]}
        if want <= said:
            return set(), said
    return want - said, said


def test_pairs(d):
    missed = []
    for a, b in draw(N):
        d.settle()
        assert d.found() == set()
        try:
            a.make(d)
            b.make(d)
        except (LabError, AssertionError) as e:
            missed.append(f"{a} + {b}: can't be made: {e}")
            continue
        lacks, said = both(d, a, b)
        if lacks:
            missed.append(f"{a} + {b}: not found: {lacks}, but {said}")
    assert not missed, f"{len(missed)} of {N}:\n" + "\n".join(missed)
