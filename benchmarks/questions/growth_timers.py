"""Growth with timers: what one costs where many wait.

Rule owned here: as ``timers``, over how many wait at a time. Tasks stop at 10000: of 100000 a round takes 8 s.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question
from benchmarks.questions.timers import VARIANTS

TIMERS = (100, 1000, 10_000, 100_000)


def _variants(number: int) -> tuple[str, ...]:
    return VARIANTS if number <= 10_000 else ("actorws", "asyncio")


QUESTION = Question(
    name="growth_timers",
    title="Cost of a timer over the number of timers",
    text="So many timers are set and taken back. Flat: a hundred thousand are no dearer, each, than a hundred. Trio "
    "tasks are measured up to 10000.",
    unit="us of CPU per timer",
    axis="timers",
    cases=tuple(
        Case(f"{number} timers", program("timers", _variants(number), "cancel", str(number)), at=number)
        for number in TIMERS
    ),
)
