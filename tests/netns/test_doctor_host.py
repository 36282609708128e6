# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor and faults of the host's own: found, silent on the look-alike, mended, and nothing else changed."""
import pytest
from doctorlab import DoctorLab
from faults_host import ALL
from lab import Lab, wait


@pytest.fixture(scope="module")
def d():
    with Lab("doc") as lab:
        yield DoctorLab(lab)


@pytest.fixture(autouse=True)
def healthy(d):
    yield
    d.settle()


def words(findings):
    return [(f["id"], f["subject"], f["what"]) for f in findings]


def test_healthy(d):
    a = d.doctor()
    assert a["findings"] == [] and a["status"] == 0, words(a["findings"])
    assert not a["unchecked"]
    for flows in d.host_out6, d.routed_in, d.nat_out, lambda: d.nat_out(4):
        wait(flows, 15, "what is healthy flows")


@pytest.mark.parametrize("fault", ALL, ids=repr)
def test_found_and_mended(d, fault):
    assert d.found() == set()
    found = d.state()
    fault.make(d)
    f = d.finding(fault.id, fault.subject)
    a = d.doctor()
    assert a["status"] == (1 if any(x["severity"] == "error" for x in a["findings"]) else 0)
    assert f["what"] and f["why"] and f["evidence"] and f["fix"], f
    assert f["fixable"] is fault.fixable, f["fix"]
    # What else is said follows from it, or from the same cause.
    others = [x for x in a["findings"] if x["id"] != fault.id]
    assert all(x.get("caused_by") or f.get("caused_by") == x["id"] or x["severity"] != "error" for x in others), words(others)
    if not fault.fixable:
        return
    broken = d.state()
    a = d.doctor("--fix")
    assert (fault.id, fault.subject) not in {(x["id"], x["subject"]) for x in a["findings"]}, (a["fixed"], words(a["findings"]), a["stderr"])
    assert any(x["result"] == "mended" for x in a["fixed"]), a["fixed"]
    if fault.flows:
        fault.flows(d)
    now = d.state()
    changed = {k: (broken.get(k), now.get(k)) for k in broken.keys() | now.keys() if broken.get(k) != now.get(k)}
    strange = {k: v for k, v in changed.items() if not k.startswith(tuple(fault.touches)) and found.get(k) != v[1]}
    assert not strange, strange


@pytest.mark.parametrize("fault", [f for f in ALL if f.alike], ids=repr)
def test_look_alike_is_silent(d, fault):
    fault.alike(d)
    said = [x for x in d.doctor()["findings"] if x["severity"] != "info"]
    assert said == [], words(said)
