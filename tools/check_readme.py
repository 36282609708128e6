#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check_readme - a translation's first screen has the README's own terminal text, and the same commands in the same rows"""
import pathlib, re, sys

TOP = pathlib.Path(__file__).resolve().parent.parent


def first_screen(path):
    text = path.read_text().split("\n## ", 1)[0]
    blocks = re.findall(r"^```.*?^```$", text, re.S | re.M)
    rows = [re.findall(r"`[^`]+`", line) for line in text.splitlines() if line.startswith("|")]
    return blocks, rows


def main():
    blocks, rows = first_screen(TOP / "README.md")
    wrong = 0
    if len(blocks) < 3 or len(rows) < 6:
        sys.exit("README.md: its first screen isn't there")
    for path in sorted((TOP / "docs").glob("README.*.md")):
        have = first_screen(path)
        for i, (a, b) in enumerate(zip(blocks, have[0])):
            if a != b:
                print(f"{path.relative_to(TOP)}: terminal text {i + 1} isn't that of README.md")
                wrong += 1
        for i, (a, b) in enumerate(zip(rows, have[1])):
            if a != b:
                print(f"{path.relative_to(TOP)}: row {i + 1} of the table names {' '.join(b)}, README.md {' '.join(a)}")
                wrong += 1
        if (len(blocks), len(rows)) != tuple(map(len, have)):
            print(f"{path.relative_to(TOP)}: {len(have[0])} texts and {len(have[1])} rows, README.md has {len(blocks)} and {len(rows)}")
            wrong += 1
    return 1 if wrong else 0


sys.exit(main())
