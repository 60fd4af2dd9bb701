"""Growth with connections: what a message costs where many are connected.

Rule owned here: all connections take part, each with one message in flight.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Question
from benchmarks.questions.idle import possible

CONNECTIONS = (64, 256, 1024, 4096, 15_000)

QUESTION = Question(
    name="growth_connections",
    title="Cost of a message over the number of connections",
    text="Echo of 32 bytes, one in flight on each connection. Flat: a connection more costs what the one before did. "
    "Caches that many connections don't fit in make everybody's line rise.",
    axis="connections",
    cases=tuple(
        Case(f"{number} connections", Load("echo", number), at=number)
        for number in sorted({min(number, possible()) for number in CONNECTIONS})
    ),
)
