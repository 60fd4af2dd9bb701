"""Measured: how a program of this folder counts what it does, and how it is started.

Rule owned here: work is repeated until the time is over, and only the CPU time of the process inside it counts; its
first repetition, in which caches are filled and code is loaded, doesn't. Must not know what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from benchmarks.question import Program

__all__ = ["Meter", "Work", "main", "program"]


class Meter:
    """CPU time per operation."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._repetitions = 0
        self.operations = 0
        self.cpu = 0.0
        """Seconds."""

    def goes_on(self) -> bool:
        """Whether the work is to be done once more: at least twice, of which the first doesn't count."""
        self._repetitions += 1
        if self._repetitions == 2:
            self._until = time.monotonic() + self._seconds
        return self._repetitions <= 2 or time.monotonic() < self._until

    @contextmanager
    def counts(self, operations: int) -> Iterator[None]:
        """Inside, so many operations are done."""
        before = time.process_time()
        yield
        if self._repetitions > 1:
            self.cpu += time.process_time() - before
            self.operations += operations

    def figures(self) -> dict[str, float]:
        """``us`` per operation, and how many there were."""
        return {"us": self.cpu / self.operations * 1e6, "operations": self.operations}


#: Does its work, of a given size, until the meter doesn't go on.
Work: TypeAlias = Callable[[int, Meter], None]


def program(name: str, variants: Iterable[str], *arguments: str) -> Program:
    """``benchmarks.programs.NAME``, for questions."""
    command = "{ours}", "-m", f"benchmarks.programs.{name}"
    return Program({variant: (*command, variant, *arguments, "{seconds}") for variant in variants})


def main(works: Mapping[str, Mapping[str, Work]], argv: Sequence[str]) -> int:
    """The command ``VARIANT CASE NUMBER SECONDS``, of ``works`` by variant and case. Returns the exit status."""
    try:
        variant, case, number, seconds = argv
        work, meter, size = works[variant][case], Meter(float(seconds)), int(number)
    except (KeyError, ValueError):
        known = "; ".join(f"{variant}: {', '.join(cases)}" for variant, cases in works.items())
        print(f"expected VARIANT CASE NUMBER SECONDS, not {' '.join(argv)!r}. There are {known}", file=sys.stderr)
        return 2
    work(size, meter)
    print(json.dumps(meter.figures()))
    return 0
