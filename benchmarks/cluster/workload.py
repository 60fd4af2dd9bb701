"""Workload: the ways in which messages are sent.

Rule owned here: each task is a sender of its own and sends its next message when the last one is through; what is
reported was really handed over. Knows neither trio nor asyncio: the peers are driven by the same lines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeAlias

from benchmarks.cluster.ledger import message

__all__ = ["Send", "keep_pace", "keep_sending"]

#: Sends one message, and returns when it is through.
Send: TypeAlias = Callable[[bytes], Awaitable[Any]]


async def keep_sending(send: Send, sender: int, until: float) -> int:
    """One message after the other, until ``until`` by the monotonic clock; returns how many."""
    number = 0
    while monotonic() < until:
        await send(message(sender, number))
        number += 1
    return number


async def keep_pace(send: Send, rate: float, until: float, sleep: Callable[[float], Awaitable[Any]]) -> int:
    """``rate`` messages a second, whatever else happens; returns how many."""
    began, number = monotonic(), 0
    while (now := monotonic()) < until:
        due = began + number / rate
        if now < due:
            await sleep(due - now)
        await send(message(0, number))
        number += 1
    return number
