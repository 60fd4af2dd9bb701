"""``python -m tests.chaos``: a cluster under faults; exit status 1 if a promise was broken.

Rule owned here: what was broken is said last, with the seed to do it again. Must not know how it is found out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import randrange

import trio

from tests.chaos.chaos import chaos, end_to_end

__all__ = ["main"]


def main() -> int:
    """Run it; the exit status."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="of faults (default 120)")
    parser.add_argument("--messages", type=int, default=None, help="instead of faults for a time: so many messages")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule (default: another one each time)")
    given = parser.parse_args()
    seed = randrange(10**6) if given.seed is None else given.seed
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s: {what}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"chaos: seed {seed}; logs are in {folder}", flush=True)
    if given.messages is not None:
        outcome = trio.run(end_to_end, given.messages, seed, folder, say)
    else:
        outcome = trio.run(chaos, given.seconds, seed, folder, say)
    for name, value in outcome.figures.items():
        print(f"{name:>20}: {value}")
    for fault in outcome.faults[:20]:
        print(f"chaos: FAILED: {fault}")
    if outcome.faults:
        print(f"chaos: {len(outcome.faults)} faults; again with SEED={seed}; logs are in {folder}", flush=True)
        return 1
    print(f"chaos: passed (seed {seed}, {time.monotonic() - begun:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
