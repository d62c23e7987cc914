"""Runs in the environment of klaviyo-api 25: one statement of docs/migration.md after the other, as they come in.

Reads {"number", "code"} a line, writes {"number", "value"} a line: what the last expression gave, without ids.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys

from migration_values import evaluate


def main():
    namespace: dict = {}
    for line in sys.stdin:
        step = json.loads(line)
        value = evaluate(step["code"], namespace, lambda resource: vars(resource.attributes))
        sys.stdout.write(json.dumps({"number": step["number"], "value": value}) + "\n")
        sys.stdout.flush()


main()
