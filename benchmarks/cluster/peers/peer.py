"""Peer: what is asked of a system that is compared, and the process that does it.

Rule owned here: a peer is driven by the same orders and lines as a node of actorws, and what comes is counted and
checked in the same way. Runs in the peer's environment: nothing but the standard library (and uvloop).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic, monotonic_ns
from typing import Any

import uvloop  # type: ignore[import-not-found]  # is in the peers' environments

from benchmarks.cluster.ledger import Ledger
from benchmarks.cluster.orders import obey
from benchmarks.cluster.workload import Send, keep_pace, keep_sending

__all__ = ["Peer", "run"]

#: Seconds without any message after which those that are missing are lost.
PATIENCE = 2.0


class Peer(ABC):
    """One process of a system: publishes, or receives. What comes goes into ``ledger``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ledger = Ledger()
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def open(self) -> None:
        """Get ready to publish."""

    @abstractmethod
    async def join(self, group: str) -> None:
        """Have what is published to ``group`` come here, from now on."""

    @abstractmethod
    async def publish(self, group: str, data: bytes) -> None:
        """Send, and wait as long as the system waits."""

    def start(self, task: Any) -> None:
        """Run a coroutine for as long as the process lives."""
        self._tasks.add(asyncio.create_task(task))


class _Node:
    """The orders of ``benchmarks.cluster.node``, as far as peers are asked."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def join_many(self, prefix: str, count: int) -> None:
        for number in range(count):
            await self._peer.join(f"{prefix}{number}")
        await asyncio.sleep(0.5)  # not all of them say when it holds

    async def listen(self, times: bool = False) -> None:
        self._peer.ledger = Ledger(times=times)

    async def report(self, sent: Sequence[int]) -> dict[str, Any]:
        ledger, until = self._peer.ledger, monotonic() + PATIENCE
        count = ledger.count
        while ledger.count < sum(sent) and monotonic() < until:
            await asyncio.sleep(0.005)
            if ledger.count > count:
                count, until = ledger.count, monotonic() + PATIENCE
        await asyncio.sleep(0.005)  # one too many would come now
        return ledger.report(sent)

    async def publish(self, groups: Sequence[str], tasks: int, seconds: float) -> dict[str, Any]:
        began, until = monotonic_ns(), monotonic() + seconds
        senders = (keep_sending(self._to(groups[number % len(groups)]), number, until) for number in range(tasks))
        return {"sent": await asyncio.gather(*senders), "began_ns": began, "ended_ns": monotonic_ns()}

    async def publish_paced(self, group: str, rate: float, seconds: float) -> dict[str, Any]:
        began = monotonic_ns()
        sent = await keep_pace(self._to(group), rate, monotonic() + seconds, asyncio.sleep)
        return {"sent": [sent], "began_ns": began, "ended_ns": monotonic_ns()}

    def _to(self, group: str) -> Send:
        return lambda data: self._peer.publish(group, data)


def run(make: Callable[[], Peer]) -> None:
    """Be the process of one peer."""

    async def main() -> None:
        peer = make()
        await peer.open()
        await obey(_Node(peer), asyncio.to_thread)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
