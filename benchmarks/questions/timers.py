"""Timers: messages that an actor sends itself for later.

Rule owned here: beside it stand a sleeping trio task for each, which is what one has without actorws, and asyncio's
``call_later``.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

VARIANTS = ("actorws", "trio tasks", "asyncio")

QUESTION = Question(
    name="timers",
    title="Timers",
    text="1000 timers of one actor at a time, set and taken back, or set and fired within ten milliseconds; beside a "
    "trio task that sleeps for each, and call_later of asyncio's own loop.",
    unit="us of CPU per timer",
    cases=(
        Case("set and cancel", program("timers", VARIANTS, "cancel", "1000")),
        Case("set and fire", program("timers", VARIANTS, "fire", "1000")),
    ),
)
