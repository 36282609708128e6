#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fail where --help and the manual pages' sources name different commands or options.

check_man.py SIXTAP MAN-FOLDER: both ways for commands and options, except that a page
may say more of an option than --help does (short forms, values).
"""
import os, pathlib, re, subprocess, sys

sixtap, man = sys.argv[1], pathlib.Path(sys.argv[2])
bad = []


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


def page(name):
    path = man / (name + ".scd")
    if not path.exists():
        bad.append(f"{path.name} is missing")
        return ""
    return path.read_text().replace("\\", "").replace("*", "").replace("_", "")


def text_of(*argv):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
    if p.returncode:
        bad.append(f"{' '.join(argv)}: status {p.returncode}")
    return p.stdout


def differ(what, here, there, in_help, in_page):
    bad.extend(f"{what}: {x} is in {in_help} but not in {in_page}" for x in sorted(here - there))
    bad.extend(f"{what}: {x} is in {in_page} but not in {in_help}" for x in sorted(there - here))


help_text, main_page = text_of(sixtap, "--help"), page("sixtap.8")
commands = re.findall(r"^  ([a-z]+)  ", help_text, re.M)
section = main_page.partition("\n# COMMANDS\n")[2].partition("\n# ")[0]
# A command's entry starts at the line's beginning, in bold, which the source marks: look there.
source = (man / "sixtap.8.scd").read_text().partition("\n# COMMANDS\n")[2].partition("\n# ")[0]
named = set()
for line in source.splitlines():
    if line.startswith("*") and not line.startswith("*-"):
        named |= {w for w in re.findall(r"\*([a-z]+)\*", line.split("[")[0].split("_")[0])}
differ("commands", set(commands), named - {"apply", "nd"}, "sixtap --help", "sixtap.8")
everywhere = options(help_text)
inside = everywhere.copy()
for c in commands:
    text = text_of(sixtap, c, "--help")
    own = options(text) - everywhere
    inside |= own
    where = page(f"sixtap-{c}.8") if (man / f"sixtap-{c}.8.scd").exists() else section
    differ(f"sixtap {c}", own - options(where), set(), f"sixtap {c} --help", "its manual page")
differ("sixtap", set(), options(main_page) - inside, "--help", "sixtap.8")
daemon = os.path.join(os.path.dirname(sixtap), "sixtapd")
differ("sixtapd", options(text_of(daemon, "--help")), options(page("sixtapd.8")), "sixtapd --help", "sixtapd.8")
print("\n".join(bad))
sys.exit(bool(bad))
