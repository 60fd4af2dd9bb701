"""Growth of fan-out by broadcast: what a delivery costs in small groups and in large ones.

Rule owned here: as ``fanout_broadcast``, over the number of members.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Question
from benchmarks.questions.fanout_callbacks import SIZE, WINDOW
from benchmarks.questions.growth_callbacks import MEMBERS

QUESTION = Question(
    name="growth_broadcast",
    title="Cost of a delivery by broadcast over the number of members",
    text="One client's message goes to everybody by the framework's own means. Flat: twice as many members cost twice "
    "as much.",
    unit="us of server CPU per delivery",
    axis="members",
    cases=tuple(
        Case(f"{number} members", Load("fan", number, WINDOW, SIZE, "/topic"), at=number) for number in MEMBERS
    ),
)
