"""Chat: everybody writes to everybody.

Rule owned here: each member sends one message of 64 bytes and waits until everybody's have come.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Question

QUESTION = Question(
    name="chat",
    title="Chat: all to all",
    text="Every member sends a message and waits until those of all have come; then again. The room is the framework's "
    "own topic or broadcast, where it has one. The figure is per delivery.",
    unit="us of server CPU per delivery",
    cases=(
        Case("16 members", Load("chat", 16, size=64, path="/topic")),
        Case("100 members", Load("chat", 100, size=64, path="/topic")),
    ),
)
