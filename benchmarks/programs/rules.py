"""Rules: one rule of the hot path, with it or without it, as ``benchmarks.hot_path`` measures it.

python -m benchmarks.programs.rules VARIANT RULE SECONDS
"""

from __future__ import annotations

import json
import subprocess
import sys

import trio

from benchmarks.hot_path import RULES, measure

VARIANTS = ("actorws", "without it")


def main(argv: list[str]) -> int:
    """The command. Returns the exit status."""
    try:
        variant, name, given = argv
        rule, seconds = next(rule for rule in RULES if rule.name == name), float(given)
        case = (rule.kept, rule.broken)[VARIANTS.index(variant)]
    except (StopIteration, ValueError):
        rules = ", ".join(repr(rule.name) for rule in RULES)
        print(f"expected VARIANT RULE SECONDS, not {' '.join(argv)!r}. Rules are {rules}", file=sys.stderr)
        return 2
    try:
        print(json.dumps({"us": trio.run(measure, case, seconds)}))
    except (OSError, ExceptionGroup, subprocess.CalledProcessError) as error:
        print(f"{name}, {variant}: the load failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
