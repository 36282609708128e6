#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fail on an #include "dir/..." edge that the layer table of ARCHITECTURE.md does not allow."""
import pathlib, re, sys

LAYER = {"base": 0, "net": 1, "model": 2, "conf": 3, "plan": 3, "resp": 3, "addrsel": 3, "kern": 4, "io": 4,
         "attach": 5, "diag": 5, "ctl": 5, "daemon": 6, "cmd": 6}
ONLY = {"kern": {"plan/op.h"}, "io": set()}          # of the folders that are not base, net or model
ALWAYS = {"base", "net", "model"}
src = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "src")
bad = 0
for f in sorted(src.rglob("*.[ch]")):
    here = f.relative_to(src).parts[0]
    for n, line in enumerate(f.read_text().splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"(([^/"]+)/[^"]+)"', line)
        if not m or m[2] == here or here not in LAYER:
            continue
        ok = LAYER.get(m[2], 99) < LAYER[here]
        if here in ONLY and m[2] not in ALWAYS:
            ok = m[1] in ONLY[here]
        if not ok:
            print(f"{f}:{n}: {here} (L{LAYER[here]}) may not include {m[1]}")
            bad = 1
sys.exit(bad)
