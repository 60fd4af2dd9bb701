"""Fan-out by broadcast: one frame for many, by what the framework has for it.

Rule owned here: the same messages as in ``fanout_callbacks``, so that the two can be held side by side.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question
from benchmarks.questions.fanout_callbacks import SIZE, WINDOW

QUESTION = Question(
    name="fanout_broadcast",
    title="Fan-out by broadcast",
    text="One client's message goes to everybody on the path by the framework's own means: a topic, a broadcast; where "
    "it has none, by a loop. The figure is per delivery.",
    unit="us of server CPU per delivery",
    cases=(
        Case("16 members", Load("fan", 16, WINDOW, SIZE, "/topic")),
        Case(
            "500 members",
            Load("fan", 500, WINDOW, SIZE, "/topic"),
            in_quick=True,
            promises=(Promise("socketify", 0.75), Promise("Bun", 1.0)),
        ),
        Case("5000 members", Load("fan", 5000, WINDOW, SIZE, "/topic"), promises=(Promise("Bun", 1.0),)),
    ),
)
