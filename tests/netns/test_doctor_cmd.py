# SPDX-License-Identifier: GPL-2.0-or-later
"""The command around the rules: subjects, ways, what is kept, what is taken back, files, pages, exit statuses."""
import json, os
import pytest
from doctorlab import DoctorLab, GUEST6, UPLINK6_PREFIX
from faults_host import duplicate, ignored, unforward
from lab import Lab, SIXTAP


@pytest.fixture(scope="module")
def d():
    with Lab("dcmd") as lab:
        yield DoctorLab(lab)


@pytest.fixture(autouse=True)
def healthy(d):
    yield
    d.settle()


def text(d, *args, **env):
    return d.host.run(SIXTAP, "-c", d.config, "--run-dir", d.run_dir, "doctor", *args, check=False,
                      env=dict(os.environ, **dict({"LC_ALL": "C.UTF-8", "SIXTAP_SYSCTL_D": d.sysctl_d}, **env)))


def test_what_it_prints(d):
    p = text(d)
    assert p.returncode == 0 and p.stdout.startswith("✓ ") and "none found" in p.stdout and len(p.stdout.splitlines()) == 1
    unforward(d)
    p = text(d)
    assert p.returncode == 1 and "└─ follows from it:" in p.stdout and "← doctor --fix" in p.stdout
    assert p.stdout.index("forwarding.all-off") < p.stdout.index("proxy.uplink-forwarding-off")
    assert max(map(len, p.stdout.splitlines())) <= 100 and not any(l != l.rstrip() for l in p.stdout.splitlines())
    p = text(d, LC_ALL="C")
    assert p.returncode == 1 and p.stdout.isascii() and "<- doctor --fix" in p.stdout and p.stdout.startswith("X ")


def test_json(d):
    ignored(d)
    a = d.doctor()
    assert a["version"] == 1 and a["checked"] > 20 and a["unchecked"] == [] and a["status"] == 1
    f = a["findings"][0]
    assert {"id", "severity", "subject", "what", "why", "evidence", "fix", "fixable"} <= f.keys() and None not in f.values()
    assert (f["id"], f["subject"], f["severity"], f["fixable"]) == ("ra.ignored-forwarding", "eth0", "error", True)
    assert f["fix"][0]["commands"] == ["sysctl -w net.ipv6.conf.eth0.accept_ra=2"] and f["fix"][0]["lasts"] == "reboot-safe"


def test_folded(d):
    """Many like findings are one, with names and a number; what is different stays apart; JSON and --full are whole."""
    taps = [f"nobody{i}" for i in range(12)]
    d.batch(d.host, "\n".join(f"tuntap add dev {t} mode tap\nlink set {t} master br0 up" for t in taps))
    d.batch(d.host, "\n".join(f"addr add 10.30.{i}.{k}/24 dev {dev} noprefixroute" for i in range(5) for k, dev in ((1, "br0"), (2, "eth1"))))
    a = d.doctor()["findings"]
    like = [f for f in a if f["id"] == "tap.no-reader"]
    assert {f["subject"] for f in like} == set(taps)
    p = text(d)
    heads = [l for l in p.stdout.splitlines() if l.endswith(" tap.no-reader") and l[0] in "✗!·"]
    assert len(heads) == 1 and "like   11 more (--full tells them): nobody1, nobody2," in p.stdout and ", nobody6, …" in p.stdout, p.stdout
    # The same subject: told by what they say.
    same = [f for f in a if f["id"] == "route.overlap" and f["subject"] == "br0"]
    assert len(same) == 5 and "like   4 more (--full tells them):\n" in p.stdout and same[1]["what"][:60] in p.stdout, p.stdout
    assert max(map(len, p.stdout.splitlines())) <= 100 and ", 12 info" in p.stdout.splitlines()[-1]
    p = text(d, "--full")
    assert len([l for l in p.stdout.splitlines() if l.endswith(" tap.no-reader") and l[0] in "✗!·"]) == 12 and "like   " not in p.stdout
    # Three are told one by one.
    d.batch(d.host, "\n".join(f"link del {t}" for t in taps[3:]))
    p = text(d)
    assert len([l for l in p.stdout.splitlines() if l.endswith(" tap.no-reader") and l[0] in "✗!·"]) == 3, p.stdout


def test_refused_files(d):
    """Each with its own reason, and a status of failure."""
    whole = os.path.join(d.lab.dir, "whole.json")
    assert text(d, "--save", whole).returncode == 0
    with open(whole) as f:
        snapshot = f.read()
    newer = json.dumps(dict(json.loads(snapshot), version=99))
    for content, says in (("", "it is empty"), ("web01\n", "not a file that `sixtap doctor --save` wrote"),
                          (snapshot[:len(snapshot) // 2], "is it cut off?"), (snapshot[:-2], "is it cut off?"),
                          (newer, "a snapshot of version 99; this sixtap reads version 1")):
        path = os.path.join(d.lab.dir, "refused.json")
        with open(path, "w") as f:
            f.write(content)
        p = text(d, "--from", path)
        assert p.returncode == 3 and says in p.stderr and not p.stdout, (says, p.stdout, p.stderr)
    p = text(d, "--from", d.lab.dir)
    assert p.returncode == 3 and "a folder, not a file" in p.stderr, p.stderr


def test_subjects(d):
    d.host.ip("neigh", "del", "proxy", GUEST6, "dev", "eth0")
    duplicate(d)
    every = {f["id"] for f in d.doctor()["findings"]}
    assert {"proxy.missing-entry", "address.duplicate"} <= every
    assert {f["id"] for f in d.doctor(GUEST6)["findings"]} == {"proxy.missing-entry"}
    assert {f["id"] for f in d.doctor("address.duplicate")["findings"]} == {"address.duplicate"}
    assert d.doctor("br0")["findings"] == [] and d.doctor("br0")["status"] == 0
    assert text(d, "nothere").returncode == 2
    # Only what was named is mended.
    a = d.doctor("--fix", "br0")
    assert a["fixed"] == [] and "proxy.missing-entry" in {f["id"] for f in d.doctor()["findings"]}


def test_kept(d):
    """What helped is in sysctl.d, once, beside what somebody else wrote there."""
    path = os.path.join(d.sysctl_d, "90-sixtap.conf")
    os.makedirs(d.sysctl_d, exist_ok=True)
    with open(path, "w") as f:
        f.write("# mine\nnet.ipv6.conf.eth0.accept_ra = 1\nnet.ipv4.conf.eth9.rp_filter = 1\n")
    for _ in range(2):
        ignored(d)
        assert [x["result"] for x in d.doctor("--fix")["fixed"]] == ["mended"]
    with open(path) as f:
        assert f.read() == "# mine\nnet/ipv6/conf/eth0/accept_ra = 2\nnet.ipv4.conf.eth9.rp_filter = 1\n"
    os.unlink(path)


def test_taken_back(d):
    """A fix that doesn't help leaves nothing behind; the same one helps once its reason is gone."""
    d.host.ip("addr", "add", UPLINK6_PREFIX + "::1/64", "dev", "eth0", "noprefixroute")
    duplicate_there = lambda: [a for l in d.host.ipj("addr", "show", "dev", "eth0") for a in l["addr_info"]
                               if a.get("local") == UPLINK6_PREFIX + "::1"]
    d.finding("address.duplicate", "eth0")
    assert d.doctor("--fix")["fixed"] == []         # not without being asked for
    a = d.doctor("--fix=retry")
    assert [x["result"] for x in a["fixed"]] == ["no help"], a["fixed"]
    assert len(duplicate_there()) == 1 and ("address.duplicate", "eth0") in {(f["id"], f["subject"]) for f in a["findings"]}
    d.router.ip("addr", "del", UPLINK6_PREFIX + "::1/64", "dev", "south")
    try:
        assert [x["result"] for x in d.doctor("--fix=retry")["fixed"]] == ["mended"]
        assert not duplicate_there()[0].get("dadfailed")
    finally:
        d.host.ip("addr", "del", UPLINK6_PREFIX + "::1/64", "dev", "eth0")
        d.router.ip("addr", "add", UPLINK6_PREFIX + "::1/64", "dev", "south", "nodad")


def test_files(d):
    a, b = (os.path.join(d.lab.dir, n) for n in ("a.json", "b.json"))
    assert text(d, "--save", a).returncode == 0 and os.stat(a).st_mode & 0o777 == 0o600
    ignored(d)
    now = {(f["id"], f["subject"], f["what"]) for f in d.doctor("--save", b)["findings"]}
    d.settle()
    assert now and {(f["id"], f["subject"], f["what"]) for f in d.doctor("--from", b)["findings"]} == now
    assert d.doctor("--from", a)["findings"] == []
    p = text(d, "--compare", a, b)
    assert p.returncode == 0 and "ra.ignored-forwarding" in p.stdout and "accept_ra   2 → 1" in p.stdout, p.stdout
    c = json.loads(d.host.run(SIXTAP, "--json", "doctor", "--compare", a, b).stdout)
    assert [f["id"] for f in c["new"]] == ["ra.ignored-forwarding"] and c["gone"] == []
    assert {"object": "links eth0 conf6 accept_ra", "action": "change", "before": "2", "after": "1"} in c["changes"], c["changes"]
    assert "nothing that matters differs" in text(d, "--compare", a, a).stdout
    assert text(d, "--compare", a).returncode == 2 and text(d, "--from", a, "--fix").returncode == 2
    assert text(d, "--from", os.path.join(d.lab.dir, "none.json")).returncode == 3, "1 is for what was found"


def test_pages(d):
    ids = text(d, "--explain", "list").stdout.split()
    assert len(ids) > 30 and "ra.ignored-forwarding" in ids and len(ids) == len(set(ids))
    p = text(d, "--explain", "ra.ignored-forwarding")
    assert p.returncode == 0 and "accept_ra=2" in p.stdout and "\\" not in p.stdout and "```" not in p.stdout
    for i in ids:
        assert len(text(d, "--explain", i).stdout) > 120, i
    assert text(d, "--explain", "no.such").returncode == 2
