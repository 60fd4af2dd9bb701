"""Throughput: echo with many messages of each client in flight.

Rule owned here: as ``echo``, but for the window; what is gained is what a server saves by taking messages together.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

QUESTION = Question(
    name="throughput",
    title="Throughput: many messages in flight",
    text="64 clients keep 8 or 32 messages of 32 bytes each on their way and back. A server that parses all of a read "
    "at once and writes all answers at once spends little on one.",
    cases=(
        Case("64 connections, 8 in flight", Load("echo", 64, window=8)),
        Case(
            "64 connections, 32 in flight",
            Load("echo", 64, window=32),
            in_quick=True,
            promises=(Promise("picows", 0.15), Promise("Bun", 2.0)),
        ),
    ),
)
