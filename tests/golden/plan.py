#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""plan/NAME/{config.yaml,world.json} → plan.txt, plan.ascii, ruleset.nft, compared with what was blessed.

Usage: plan.py [--bless] PLAN_SHOW FOLDER
"""
import difflib
import pathlib
import subprocess
import sys

OUTPUTS = {"plan.txt": [], "ascii.txt": ["--ascii"], "ruleset.nft": ["--ruleset"], "changes.json": ["--json"]}


def main():
    args = [a for a in sys.argv[1:] if a != "--bless"]
    show, folder, bless = pathlib.Path(args[0]), pathlib.Path(args[1]), "--bless" in sys.argv
    bad = n = 0
    for case in sorted(p.parent for p in folder.glob("*/config.yaml")):
        for name, options in OUTPUTS.items():
            path = case / name
            if not path.exists() and not bless:
                continue
            if bless and not path.exists() and name != "plan.txt":
                continue  # only those wanted: touch the file first
            done = subprocess.run([show.resolve(), *options, "config.yaml", "world.json"], cwd=case,
                                  capture_output=True, text=True, timeout=30)
            got = done.stdout + done.stderr
            n += 1
            if bless:
                path.write_text(got)
            elif got != path.read_text():
                bad += 1
                sys.stdout.writelines(difflib.unified_diff(path.read_text().splitlines(True), got.splitlines(True),
                                                           f"{case.name}/{name}", "now"))
    print(f"{n} compared, {bad} differ")
    return 1 if bad or n == 0 else 0


sys.exit(main())
