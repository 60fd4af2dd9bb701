"""Growth of fan-out through callbacks: what a delivery costs in small groups and in large ones.

Rule owned here: as ``fanout_callbacks``, over the number of members.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Question
from benchmarks.questions.fanout_callbacks import SIZE, WINDOW

MEMBERS = (16, 100, 500, 2000, 5000)

QUESTION = Question(
    name="growth_callbacks",
    title="Cost of a delivery through callbacks over the number of members",
    text="One client's message goes to everybody by code of the application. Flat: twice as many members cost twice as "
    "much.",
    unit="us of server CPU per delivery",
    axis="members",
    cases=tuple(Case(f"{number} members", Load("fan", number, WINDOW, SIZE, "/fan"), at=number) for number in MEMBERS),
)
