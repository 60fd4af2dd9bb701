"""Node: the process of one node in a measurement.

    python -m benchmarks.cluster.node engine|runtime URL

Rule owned here: what is measured is between the first message's leaving and the last one's coming; preparing and
waiting for orders is not in it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic, monotonic_ns
from typing import Any

import trio

from benchmarks.cluster.ledger import Ledger, message
from benchmarks.cluster.level import LEVELS, Level
from benchmarks.cluster.orders import obey
from benchmarks.cluster.workload import Send, keep_pace, keep_sending

__all__ = ["Node"]

#: Seconds without any message after which those that are missing are lost.
PATIENCE = 2.0
#: Tasks that prepare something.
MANY = 64


class Node:
    """What the coordinator orders."""

    def __init__(self, level: Level) -> None:
        self._level = level

    # Receiving

    async def listen(self, times: bool = False) -> None:
        """Count what comes from now on."""
        self._level.ledger = Ledger(times=times)

    async def report(self, sent: Sequence[int], silence: float = PATIENCE) -> dict[str, Any]:
        """What has come of what was ``sent``, when all of it has, or nothing comes for ``silence`` seconds."""
        ledger = self._level.ledger
        while ledger.count < sum(sent):
            before = ledger.count
            with trio.move_on_after(silence):
                while ledger.count < sum(sent):
                    await trio.sleep(0.005)
            if ledger.count == before:
                break
        await trio.sleep(0.005)  # one too many would come now
        return ledger.report(sent)

    # Sending

    async def publish(self, groups: Sequence[str], tasks: int, seconds: float) -> dict[str, Any]:
        """``tasks`` tasks, each to one of ``groups``, wait for every message."""
        return await self._send(lambda number: _to(self._level.publish, groups[number % len(groups)]), tasks, seconds)

    async def send(self, names: Sequence[str], tasks: int, seconds: float) -> dict[str, Any]:
        """``tasks`` tasks send to one of ``names`` each, and wait for every message."""
        return await self._send(lambda number: _to(self._level.send, names[number % len(names)]), tasks, seconds)

    async def _send(self, send_of: Callable[[int], Send], tasks: int, seconds: float) -> dict[str, Any]:
        sent, began, until = [0] * tasks, monotonic_ns(), monotonic() + seconds

        async def run(number: int) -> None:
            sent[number] = await keep_sending(send_of(number), number, until)

        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(run, number)
        return _sent(sent, began)

    async def publish_in_ticks(self, groups: Sequence[str], batch: int, seconds: float) -> dict[str, Any]:
        """One task, ``batch`` messages in a row without waiting, to one group after the other."""
        publish_nowait, publish = self._level.publish_nowait, self._level.publish
        number, began, until = 0, monotonic_ns(), monotonic() + seconds
        while monotonic() < until:
            for _ in range(batch):
                group, data = groups[number % len(groups)], message(0, number)
                try:
                    publish_nowait(group, data)
                except trio.WouldBlock:
                    await publish(group, data)
                number += 1
            await trio.lowlevel.checkpoint()
        return _sent([number], began)

    async def publish_paced(self, group: str, rate: float, seconds: float) -> dict[str, Any]:
        """One task, ``rate`` messages a second."""
        began = monotonic_ns()
        sent = await keep_pace(_to(self._level.publish, group), rate, monotonic() + seconds, trio.sleep)
        return _sent([sent], began)

    async def publish_one_each(self, to: Sequence[str]) -> int:
        """One message to each group, one after the other; returns how many."""
        for number, group in enumerate(to):
            await self._level.publish(group, message(0, number))
        return len(to)

    async def send_one_each(self, to: Sequence[str]) -> int:
        """One message to each name, one after the other; returns how many."""
        for number, name in enumerate(to):
            if not await self._level.send(name, message(0, number)):
                raise LookupError(f"nobody has {name}")
        return len(to)

    # Names

    async def register(self, prefix: str, count: int, tasks: int = MANY) -> float:
        """Take ``count`` names; returns the seconds."""
        return await self._many(lambda number: self._level.register(f"{prefix}{number}"), count, tasks)

    async def join_many(self, prefix: str, count: int, tasks: int = MANY) -> float:
        """Join ``count`` groups; returns the seconds."""
        return await self._many(lambda number: self._level.join(f"{prefix}{number}"), count, tasks)

    async def locate(self, prefix: str, names: int, count: int, tasks: int = MANY) -> float:
        """Look one of ``names`` names up, ``count`` times; returns the seconds. ``LookupError`` if one isn't found."""

        async def locate(number: int) -> None:
            if await self._level.locate(f"{prefix}{number % names}") is None:
                raise LookupError(f"nobody has {prefix}{number % names}")

        return await self._many(locate, count, tasks)

    async def _many(self, do: Callable[[int], Awaitable[object]], count: int, tasks: int) -> float:
        began = monotonic()
        await _side_by_side(tasks, do, count)
        return monotonic() - began

    # The link

    async def gaps(self, more_than: int = -1, timeout: float = PATIENCE) -> list[float]:
        """When the gaps were told of, by the monotonic clock, as soon as there are more than so many."""
        with trio.fail_after(timeout):
            while len(self._level.gaps) <= more_than:
                await trio.sleep(0.01)
        return self._level.gaps


def _to(send: Callable[[str, bytes], Awaitable[object]], receiver: str) -> Send:
    return lambda data: send(receiver, data)


def _sent(sent: Sequence[int], began_ns: int) -> dict[str, Any]:
    return {"sent": list(sent), "began_ns": began_ns, "ended_ns": monotonic_ns()}


async def _side_by_side(tasks: int, do: Callable[[int], Awaitable[object]], count: int) -> None:
    """Do it for every number below ``count``, ``tasks`` at a time."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await do(number)

    async with trio.open_nursery() as nursery:
        for _ in range(min(tasks, count)):
            nursery.start_soon(work)


def in_thread(function: Callable[[], str]) -> Awaitable[str]:
    """Run a blocking function beside the event loop."""
    return trio.to_thread.run_sync(function, abandon_on_cancel=True)


async def _main(level: str, url: str) -> None:
    async with LEVELS[level](url) as running:
        await obey(Node(running), in_thread)


if __name__ == "__main__":
    trio.run(_main, sys.argv[1], sys.argv[2])
