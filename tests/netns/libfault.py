# SPDX-License-Identifier: GPL-2.0-or-later
"""libfault - faults made for real, and what `sixtap doctor` has to say of them.

A Fault changes one thing in a topology that works. check() takes it through its life: nothing is found before; the
change is made, and traffic proves the symptom; the right id is found at the right subject and nothing else that isn't a
consequence; its look-alikes are silent; `--fix` (where it is fixable) makes traffic flow again and changes nothing else;
the topology is put back, and nothing is found again.
"""
import json, os
from lab import SIXTAP, LabError, wait


class Doctor:
    """`sixtap doctor` in a namespace, with a configuration folder that is empty."""

    def __init__(self, lab, ns, conf=None):
        self.ns, self.lab = ns, lab
        self.dirs = {k: os.path.join(lab.dir, f"doctor-{k}") for k in ("conf", "run", "state")}
        for d in self.dirs.values():
            os.makedirs(d, exist_ok=True)
        self.env = dict(os.environ, SIXTAP_RUN_DIR=self.dirs["run"], SIXTAP_STATE_DIR=self.dirs["state"])

    def run(self, *argv, check=True, timeout=60):
        p = self.ns.run(SIXTAP, "-c", self.dirs["conf"], *argv, check=False, timeout=timeout, env=self.env)
        if check and p.returncode not in (0, 1):
            raise LabError(f"sixtap {' '.join(map(str, argv))}: status {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def look(self, *argv):
        """{(id, subject): finding}"""
        answer = json.loads(self.run("doctor", "--json", *argv).stdout)
        return {(f["id"], f["subject"]): f for f in answer["findings"]}

    def text(self, *argv):
        return self.run("doctor", *argv).stdout


class Fault:
    """One row of the catalogue. Each method gets the topology."""
    id = None
    subject = None          # or a method's result
    fixable = True
    also = ()               # ids that follow from it, or that it can't be told from
    options = ()            # of `sixtap doctor`
    fix_options = ()

    def __init__(self, t):
        self.t = t

    def make(self):
        raise NotImplementedError

    def broken(self):
        """Does traffic show the symptom?"""
        raise NotImplementedError

    def alikes(self):
        """Healthy states that look like it: each is made by one call and undone by the one it returns."""
        return []

    def restore(self):
        raise NotImplementedError


def check(fault, doctor, quiet, state=None):
    """@quiet: ids that this topology always has. @state: what --fix may not change otherwise."""
    name = f"{type(fault).__name__} ({fault.id})"
    silent = lambda found: {k: f["what"] for k, f in found.items() if k[0] not in quiet}
    key = (fault.id, fault.subject)
    before = silent(doctor.look(*fault.options))
    assert not before, f"{name}: found before it was made: {before}"
    for alike in fault.alikes():
        undo = alike()
        found = silent(doctor.look(*fault.options))
        undo()
        assert fault.id not in {i for i, _ in found}, f"{name}: a false alarm at {alike.__name__}: {found}"
    then = state() if state else None
    fault.make()
    try:
        wait(fault.broken, 20, f"{name}: the symptom")
        try:
            found = wait(lambda: (lambda f: f if key in f else None)(silent(doctor.look(*fault.options))), 10, interval=0.2)
        except LabError:
            raise AssertionError(f"{name}: not found, but {silent(doctor.look(*fault.options))}")
        others = {k: w for k, w in found.items() if k != key and k[0] not in fault.also}
        assert not others, f"{name}: found besides: {others}"
        if fault.fixable:
            p = doctor.run("doctor", "--fix", *fault.fix_options, *fault.options, check=False)
            left = silent(doctor.look(*fault.options))
            assert not left, f"{name}: left by --fix: {left}\n{p.stdout}{p.stderr}"
            wait(lambda: not fault.broken(), 20, f"{name}: traffic after --fix\n{p.stdout}{p.stderr}")
    finally:
        fault.restore()
    wait(lambda: not silent(doctor.look(*fault.options)), 20, f"{name}: still found when it is put back: "
         f"{silent(doctor.look(*fault.options))}", interval=0.3)
    if then is not None:
        now = state()
        changed = {k: (then.get(k), now.get(k)) for k in sorted(set(then) | set(now)) if then.get(k) != now.get(k)}
        assert not changed, f"{name}: --fix or restore left something else changed: {changed}"
