"""All questions, one file each, in the order of the report.

Rule owned here: what a user asks first stands first: messages, fan-out, connections, latency; then growth, what runs
inside a process, and what goes beyond one server.
"""

from __future__ import annotations

from benchmarks.question import Question
from benchmarks.questions import (
    async_callbacks,
    browser,
    chat,
    churn,
    client,
    cluster,
    echo,
    fanout_broadcast,
    fanout_callbacks,
    growth_broadcast,
    growth_callbacks,
    growth_connections,
    growth_names,
    growth_timers,
    idle,
    latency,
    mailbox,
    registry,
    rules,
    sessions,
    sizes,
    slow_readers,
    throughput,
    timers,
    transports,
)

__all__ = ["QUESTIONS"]

QUESTIONS: tuple[Question, ...] = tuple(
    module.QUESTION
    for module in (
        echo,
        throughput,
        sizes,
        async_callbacks,
        fanout_callbacks,
        fanout_broadcast,
        chat,
        churn,
        idle,
        latency,
        slow_readers,
        browser,
        client,
        growth_connections,
        growth_callbacks,
        growth_broadcast,
        registry,
        growth_names,
        timers,
        growth_timers,
        mailbox,
        rules,
        sessions,
        transports,
        cluster,
    )
)
