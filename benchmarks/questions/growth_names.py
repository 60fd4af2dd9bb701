"""Growth with names: what one costs where there are many.

Rule owned here: as ``registry``, over the number of names that there are already.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question
from benchmarks.questions.registry import VARIANTS

NAMES = (100, 1000, 10_000, 100_000)

QUESTION = Question(
    name="growth_names",
    title="Cost of a name over the number of names",
    text="A name is registered and given back where so many others are held. Flat: a hundred thousand names are no "
    "dearer, each, than a hundred.",
    unit="us of CPU per operation",
    axis="names",
    cases=tuple(
        Case(f"{number} names", program("registry", VARIANTS, "register", str(number)), at=number) for number in NAMES
    ),
)
