# SPDX-License-Identifier: GPL-2.0-or-later
"""rows_idle - what sixtap takes while nothing happens; and a long list for addrsel"""
import time
from lab import wait
from rows_control import empty, lan
from stage import Stage, line, ms_of, start, stop
from table import at_most

NETWORKS, GUESTS, SECONDS = 20, 50, 60


def wakeups(pids):
    n = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            n += int(next(l for l in f if l.startswith("voluntary_ctxt_switches")).split()[1])
    return n


def pss_mib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += int(next(l for l in f if l.startswith("Pss:")).split()[1])
    return total / 1024


def idle(table):
    with Stage("idle") as stage:
        host = stage.host()
        s = stage.sixtap(host, "networks:\n" + "".join(lan(f"n{i}", i, 24) for i in range(NETWORKS)))
        s("up")
        holders = []
        for i in range(NETWORKS):
            table.progress(f"{(i + 1) * GUESTS} guests in {i + 1} networks")
            holders.append(start(host, "taps", "ask", s.run_dir + "/control", f"n{i}", str(GUESTS), f"n{i}-"))
            line(holders[-1])
        s("up")
        table.progress("idle: the first three advertisements of each network, 16 s apart")
        time.sleep(50)
        pids = list(s.processes().values())
        began = wakeups(pids)
        for i in range(SECONDS):
            table.progress(f"idle {i}/{SECONDS}")
            time.sleep(1)
        table.row(f"wake-ups in {SECONDS} s, all processes", [wakeups(pids) - began], "", at_most(SECONDS / 10))
        table.row(f"memory (PSS), {NETWORKS} networks, {NETWORKS * GUESTS:,} guests", [pss_mib(pids)], "MiB", at_most(20))
        for role, pid in s.processes().items():
            table.row(f"  {role}", [pss_mib([pid])], "MiB")
        empty(host)
        for p in holders:
            stop(p)


def addrsel(table, runs=5):
    """10,000 destinations of both families, ranked."""
    with Stage("addrsel") as stage:
        host = stage.host()
        s = stage.sixtap(host, "networks: {}\n")
        many = [f"2001:db8:{i >> 8:x}:{i & 255:x}::1" if i % 2 else f"203.0.{i >> 8 & 255}.{i & 255}" for i in range(10000)]
        took = [ms_of(host, *s.argv("addrsel", *many)) for _ in range(runs)]
        table.row("addrsel: 10,000 destinations ranked", took, "ms")
