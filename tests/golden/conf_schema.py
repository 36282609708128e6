#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the JSON Schema of the YAML agree with the reader?

conf_schema.py SCHEMA GOOD_FILE... -- BAD_FILE...

Every GOOD_FILE must satisfy it, every BAD_FILE must not: they are refused by
the reader for what a schema can express.
"""
import json
import sys

import jsonschema
import yaml


def errors(validator, path):
    with open(path, encoding="utf-8") as f:
        return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(yaml.safe_load(f))]


schema = json.load(open(sys.argv[1], encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
split = sys.argv.index("--")
bad = 0
for path in sys.argv[2:split]:
    for e in errors(validator, path):
        print(f"{path}: refused by the schema: {e}")
        bad += 1
for path in sys.argv[split + 1:]:
    if not errors(validator, path):
        print(f"{path}: accepted by the schema")
        bad += 1
print(f"{len(sys.argv) - 3} files, {bad} differences")
sys.exit(bad > 0)
