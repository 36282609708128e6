# SPDX-License-Identifier: GPL-2.0-or-later
"""Two faults at once, drawn at random with a fixed seed: both are found.

SIXTAP_PAIRS=200 draws that many; without it as many as CI has time for. Pairs that can't be there at once, or of which
one is the other's very cause away, are in CLASH with the reason; those of which one is found when the
other one is mended are in AFTER.
"""
import os, random, time
import pytest
from doctorlab import DoctorLab
import faults_host, faults_lan
from lab import Lab, LabError

N = int(os.environ.get("SIXTAP_PAIRS", "60"))
ALL = faults_host.ALL + faults_lan.ALL
SEED = 20261120
# (beginnings of names): why they can't both be there
NO_IPV6 = "eth0 has no IPv6 then, nor settings of it"
ONE_VALUE = "one setting can't have both values"
ONE_ROUTER = "the router announces one thing at a time"
LISTENS = "with forwarding off, accept_ra=1 listens"
NO_LOWER = "a lower device that is down carries nothing"
SAME_RULES = "both write the rules that the other one takes away"
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
         (("macvtap.parent-down",), ("macvtap.", "route.reverse-path", "route.overlap", "route.guest-missing IPv4"), NO_LOWER),
         (("ipv6.mtu",), ("nat.ipv6-missing", "firewall.too-big"), NO_IPV6),
         (("nat.missing",), ("nat.ipv6-missing",), SAME_RULES),
         (("bridge.stp-delay",), ("bridge.ports-isolated",), "a port that is made anew isn't isolated any more"),
         (("firewall.services-blocked",), ("ra.rogue",), "an RA of a guest's is dropped, too"),
         (("ra.not-accepted defrtr",), ("ra.no-default",), UNHEARD),
         (("ra.not-accepted pinfo", "ra.not-accepted autoconf"), ("ra.prefix", "address.deprecated"), UNHEARD)]

# Found when the other one is mended, and not before: --fix looks again after each, and mends both.
NO_WAY6 = "IPv6 that doesn't leave the host needs no NAT"
AFTER = [(("nat.ipv6-missing",), ("ra.not-accepted", "ra.ignored", "ra.all-has", "forwarding.all-off", "ipv6."), NO_WAY6),
         (("proxy.missing-entry",), ("route.guest-missing",), "nobody answers for an address that leads nowhere")]


def related(table, a, b):
    for x, y, why in table:
        for p, q in ((a, b), (b, a)):
            if p.name.startswith(x) and q.name.startswith(y):
                return why
    return None


def draw(n):
    r, pairs = random.Random(SEED), []
    while len(pairs) < n:
        a, b = r.sample(ALL, 2)
        if a.id != b.id and not related(CLASH, a, b):
            pairs.append((a, b))
    return pairs


@pytest.fixture(scope="module")
def d():
    with Lab("pair") as lab:
        yield DoctorLab(lab)


def both(d, a, b):
    """What of the two isn't found."""
    want = {(a.id, a.subject), (b.id, b.subject)}
    end = time.monotonic() + (1.5 if related(AFTER, a, b) else 10)
    while True:
        said = {(f["id"], f["subject"]) for f in d.doctor()["findings"]}
        if want <= said or time.monotonic() > end:
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
        if lacks and related(AFTER, a, b):
            fixed = d.doctor("--fix")["fixed"]
            lacks, said = {a.id, b.id} - {x["id"] for x in fixed if x["result"] == "mended"} | d.found(), fixed
        if lacks:
            missed.append(f"{a} + {b}: not found: {lacks}, but {said}")
    assert not missed, f"{len(missed)} of {N}:\n" + "\n".join(missed)
