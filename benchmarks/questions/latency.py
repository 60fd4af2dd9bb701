"""Latency: how late an answer is at a given pace.

Rule owned here: messages leave when they are due, and latency counts from then, so that a server that stalls is not
spared the messages that would have come meanwhile (no coordinated omission). One that can't keep the pace falls
further behind for as long as the round lasts, and shows that.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Question

RATES = (1000, 3000, 10_000, 30_000)

QUESTION = Question(
    name="latency",
    title="Latency at a given pace",
    text="64 clients send 32 bytes at a pace that doesn't depend on the answers. The time from when a message was due "
    "to its echo; a server that can't keep up shows how far it has fallen behind.",
    figure="p99_us",
    unit="us from due to received, 99th percentile",
    axis="messages a second",
    cases=tuple(Case(f"{rate} a second", Load("paced", 64, rate=rate), at=rate) for rate in RATES),
)
