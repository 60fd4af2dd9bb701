"""Echo: what a message costs when each client waits for its answer before it sends the next.

Rule owned here: one message of 32 bytes in flight on each connection, so that a server can join the work of different
connections at most, never of one.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

QUESTION = Question(
    name="echo",
    title="Echo, one message in flight",
    text="Each client sends 32 bytes and waits until they are back. What the server spends on one message: reading, "
    "parsing, a callback, writing.",
    cases=(
        Case("1 connection", Load("echo", 1)),
        Case(
            "64 connections",
            Load("echo", 64),
            in_quick=True,
            promises=(Promise("picows", 0.95), Promise("Bun", 1.25)),
        ),
        Case("256 connections", Load("echo", 256)),
    ),
)
