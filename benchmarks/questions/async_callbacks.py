"""Async callbacks: echo where the application's code may wait.

Rule owned here: as ``echo`` and ``throughput``, on the path whose callback is an ``async def``.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

QUESTION = Question(
    name="async_callbacks",
    title="Echo by async callbacks",
    text="As the echo, but the callback is an async def, which could wait for a database: with actorws a task is "
    "started for it when it is called. Frameworks that know only one kind of callback are measured with that.",
    cases=(
        Case("64 connections", Load("echo", 64, path="/async"), in_quick=True, promises=(Promise("aiohttp", 1.0),)),
        Case("64 connections, 8 in flight", Load("echo", 64, window=8, path="/async")),
    ),
)
