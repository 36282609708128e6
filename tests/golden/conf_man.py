#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""conf_man.py SCHEMA PAGE: sixtap.yaml(5) has a row for every key of the schema, and no other."""
import json
import re
import sys

schema = json.load(open(sys.argv[1], encoding="utf-8"))
page = open(sys.argv[2], encoding="utf-8").read()


def keys(node, prefix=""):
    for name, value in node.get("properties", {}).items():
        yield prefix + name
        for inner in [value, *value.get("oneOf", [])]:
            if inner.get("type") == "object":
                yield from keys(inner, prefix + name + ".")


wanted = {k for k in keys(schema["$defs"]["network"]) if k != "macvtap"} | set(schema["$defs"]["guest"]["properties"])
rows = set(re.findall(r"^\|\s+\*([a-z0-9.-]+)\*$", page, re.M))
for key in sorted(wanted - rows):
    print(f"{key}: not in the tables of the page")
for key in sorted(rows - wanted):
    print(f"{key}: in the page, but not in the schema")
print(f"{len(rows)} keys")
sys.exit(wanted != rows)
