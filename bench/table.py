# SPDX-License-Identifier: GPL-2.0-or-later
"""table - figures, what they are compared with, and whether that is what was wanted

A line is printed as soon as its figures are there. A ratio is that of the medians, ours
to the peer's; who measures gives both sides in the same order of runs, interleaved.
"""
import statistics, sys, time

TTY = sys.stdout.isatty()
COLUMNS = ((46, "<"), (11, ">"), (24, ">"), (7, ">"), (10, ">"), (6, "<"), (0, "<"))


def number(v, unit):
    if v is None:
        return "–"
    digits = 0 if abs(v) >= 100 else 1 if abs(v) >= 10 else 2 if abs(v) >= 1 else 3
    return f"{v:,.{digits}f} {unit}".rstrip()


class Target:
    """What is wanted of the figure itself, or of its ratio to the peer's."""

    def __init__(self, most=None, least=None, ratio=False):
        self.most, self.least, self.ratio = most, least, ratio

    def text(self, unit):
        bound = self.most if self.most is not None else self.least
        sign = "≤" if self.most is not None else "≥"
        return f"{sign} {bound:g} ×" if self.ratio else f"{sign} {bound:g} {unit}".rstrip()

    def holds(self, value, ratio):
        v = ratio if self.ratio else value
        return v is not None and (v <= self.most if self.most is not None else v >= self.least)


def at_most(v):
    return Target(most=v)


def at_least(v):
    return Target(least=v)


def ratio_at_most(v):
    return Target(most=v, ratio=True)


def ratio_at_least(v):
    return Target(least=v, ratio=True)


class Table:
    def __init__(self):
        self.start, self.missed, self.unmeasured, self.n, self.headed = time.monotonic(), [], [], 0, False

    def _head(self):
        if not self.headed:
            self._print(("what", "sixtap", "peer", "ratio", "target", "holds?", "runs"))
        self.headed = True

    def _print(self, cells):
        print("\r\033[K" if TTY else "", end="")
        print("  ".join(f"{c:{a}{w}}" for c, (w, a) in zip(cells, COLUMNS)).rstrip(), flush=True)

    def progress(self, text):
        if TTY:
            print(f"\r\033[K{text} … {time.monotonic() - self.start:.0f} s"[:120], end="", flush=True)

    def row(self, what, ours, unit, target=None, peer=None, name=""):
        """@ours and @peer: one figure a run. @name: of the peer."""
        self._head()
        self.n += 1
        mine = statistics.median(ours)
        theirs = statistics.median(peer) if peer else None
        ratio = mine / theirs if theirs else None
        good = target.holds(mine, ratio) if target else None
        if good is False:
            self.missed.append(what)
        runs = f"{len(ours)}" + (f"+{len(peer)}" if peer else "")
        self._print((what, number(mine, unit), f"{name} {number(theirs, unit)}" if peer else "–",
                     f"{ratio:.2f}" if ratio is not None else "–", target.text(unit) if target else "–",
                     {True: "yes", False: "NO", None: "–"}[good], runs))

    def cannot(self, what, why):
        self._head()
        self.unmeasured.append(what)
        lines = str(why).strip().splitlines() or ["?"]
        self._print((what, "not measured: " + lines[0][:150],))
        for line in lines[1:6]:
            self._print(("", line[:150]))

    def end(self):
        took = time.monotonic() - self.start
        print("\r\033[K" if TTY else "", end="")
        print(f"{self.n} rows, {len(self.missed)} of them short of the target, {len(self.unmeasured)} not measured · {took:.0f} s")
        return 1 if self.unmeasured else 0
