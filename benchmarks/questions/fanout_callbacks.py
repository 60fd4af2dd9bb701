"""Fan-out through callbacks: one message for many, and code of the application for each of them.

Rule owned here: one member sends 64 bytes, four messages in flight, and everybody gets them.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

WINDOW, SIZE = 4, 64

QUESTION = Question(
    name="fanout_callbacks",
    title="Fan-out through callbacks",
    text="One client's message goes to everybody on the path by code of the application: with actorws a callback of "
    "each member, elsewhere a loop over them. The figure is per delivery.",
    unit="us of server CPU per delivery",
    cases=(
        Case("16 members", Load("fan", 16, WINDOW, SIZE, "/fan")),
        Case(
            "500 members",
            Load("fan", 500, WINDOW, SIZE, "/fan"),
            in_quick=True,
            # The harder of the two: what its topics take, which are C++ with no code of the application.
            promises=(Promise("socketify", 1.0, asked="fanout_broadcast"),),
        ),
        Case("5000 members", Load("fan", 5000, WINDOW, SIZE, "/fan")),
    ),
)
